package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Note is the newest head note of one node, as it was signed (protocol §4). Arrived is when it came here, Unix µs.
type Note struct {
	Node      string
	N         uint64
	Body, Sig []byte
	Arrived   int64
}

const selectNote = "SELECT node,n,body,sig,arrived FROM fayi_note"

func scanNote(rows *sql.Rows) (n Note, err error) {
	return n, rows.Scan(&n.Node, &n.N, &n.Body, &n.Sig, &n.Arrived)
}

// SaveNote keeps a verified note if its N is higher than that of the one held, and tells whether it did. held is the
// note now stored: the new one, or the one that stood against it, so that the caller can see two notes with one N or
// a lower N with a later time.
func (s *Store) SaveNote(ctx context.Context, n Note) (stored bool, held Note, err error) {
	if n.Node == "" || len(n.Node) > 32 || len(n.Sig) > 256 || n.N > maxNumber {
		return false, Note{}, fmt.Errorf("%w: note of %q", ErrInvalid, cut(n.Node, 32))
	}
	err = s.InTx(ctx, func(tx *sql.Tx) error {
		stored, held = false, n
		ok, err := changedOne(tx.ExecContext(ctx, s.d.insertIgnore+"fayi_note (node,n,body,sig,arrived) VALUES (?,?,?,?,?)",
			n.Node, num(n.N), blob(n.Body), blob(n.Sig), n.Arrived))
		if err == nil && !ok {
			ok, err = changedOne(tx.ExecContext(ctx, "UPDATE fayi_note SET body=?, sig=?, arrived=?, n=? WHERE node=? AND n<?",
				blob(n.Body), blob(n.Sig), n.Arrived, num(n.N), n.Node, num(n.N)))
		}
		if err != nil || ok {
			stored = ok
			return err
		}
		list, err := collect(ctx, tx, scanNote, selectNote+" WHERE node=?", n.Node)
		if err == nil && len(list) == 0 {
			err = errors.New("store: note vanished")
		}
		if err == nil {
			held = list[0]
		}
		return err
	})
	if err != nil {
		return false, Note{}, err
	}
	return stored, held, nil
}

// Notes returns the newest note of every node, by node.
func (s *Store) Notes(ctx context.Context) ([]Note, error) {
	list, err := collect(ctx, s.read, scanNote, selectNote+" ORDER BY node")
	if err != nil {
		return nil, fmt.Errorf("read notes: %w", err)
	}
	return list, nil
}
