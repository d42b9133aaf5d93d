package store

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
)

// Entry is a directory entry as it was signed (protocol §7). Sigs is opaque; State is a word of the directory's
// (accepted, waiting for a person, refused); Seen is when it first came here, Unix µs, zero on storing means now.
type Entry struct {
	Node  string
	N     uint64
	Body  []byte
	Sigs  []byte
	Seen  int64
	State string
}

// SaveEntry stores an entry, or, if the same bytes are stored under this node and number, its signatures and state.
// Other bytes under the same number are [ErrEntryDiffers]: that is for a person, not for an overwrite.
func (s *Store) SaveEntry(ctx context.Context, e Entry) error {
	if e.Node == "" || len(e.Node) > 32 || e.N > maxNumber || len(e.State) > 32 || len(e.Body) >= 1<<24 || len(e.Sigs) >= 1<<24 {
		return fmt.Errorf("%w: entry of %q", ErrInvalid, cut(e.Node, 32))
	}
	if e.Seen == 0 {
		e.Seen = now()
	}
	return s.InTx(ctx, func(tx *sql.Tx) error {
		added, err := changedOne(tx.ExecContext(ctx, s.d.insertIgnore+"fayi_entry (node,n,body,sigs,seen,state) VALUES (?,?,?,?,?,?)",
			e.Node, num(e.N), blob(e.Body), blob(e.Sigs), e.Seen, e.State))
		if err != nil || added {
			return err
		}
		var body []byte
		err = tx.QueryRowContext(ctx, "SELECT body FROM fayi_entry WHERE node=? AND n=?"+s.d.forUpdate, e.Node, num(e.N)).Scan(&body)
		if err != nil {
			return err
		}
		if !bytes.Equal(body, e.Body) {
			return ErrEntryDiffers
		}
		_, err = tx.ExecContext(ctx, "UPDATE fayi_entry SET sigs=?, state=? WHERE node=? AND n=?", blob(e.Sigs), e.State, e.Node, num(e.N))
		return err
	})
}

// Entries returns all entries, by node and number.
func (s *Store) Entries(ctx context.Context) ([]Entry, error) {
	list, err := collect(ctx, s.read, func(rows *sql.Rows) (e Entry, err error) {
		return e, rows.Scan(&e.Node, &e.N, &e.Body, &e.Sigs, &e.Seen, &e.State)
	}, "SELECT node,n,body,sigs,seen,state FROM fayi_entry ORDER BY node,n")
	if err != nil {
		return nil, fmt.Errorf("read directory entries: %w", err)
	}
	return list, nil
}

// Fork is the evidence of a fork (protocol §3): a second header with a valid signature for a position of which another
// is stored. Peer is who sent it; Seen is when it came, Unix µs, zero on storing means now.
type Fork struct {
	Stream      int64
	Gen, First  uint64
	Hash        Hash
	Header, Sig []byte
	Peer        string
	Seen        int64
}

// SaveFork keeps a forked header beside the segment it contradicts; the same header again changes nothing.
func (s *Store) SaveFork(ctx context.Context, f Fork) error {
	if len(f.Header) > 4096 || len(f.Sig) > 256 || len(f.Peer) > 32 || f.Gen > maxNumber || f.First > maxNumber {
		return fmt.Errorf("%w: fork of stream %d", ErrInvalid, f.Stream)
	}
	if f.Seen == 0 {
		f.Seen = now()
	}
	return s.InTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, s.d.insertIgnore+"fayi_fork (stream_id,gen,first_seq,hash,header,sig,peer,seen) VALUES (?,?,?,?,?,?,?,?)",
			f.Stream, num(f.Gen), num(f.First), f.Hash, blob(f.Header), blob(f.Sig), f.Peer, f.Seen)
		return err
	})
}

// Forks returns the forked headers of a stream, by position and time of arrival.
func (s *Store) Forks(ctx context.Context, stream int64) ([]Fork, error) {
	list, err := collect(ctx, s.read, func(rows *sql.Rows) (f Fork, err error) {
		return f, rows.Scan(&f.Stream, &f.Gen, &f.First, &f.Hash, &f.Header, &f.Sig, &f.Peer, &f.Seen)
	}, "SELECT stream_id,gen,first_seq,hash,header,sig,peer,seen FROM fayi_fork WHERE stream_id=? ORDER BY gen,first_seq,seen,hash", stream)
	if err != nil {
		return nil, fmt.Errorf("read forks: %w", err)
	}
	return list, nil
}
