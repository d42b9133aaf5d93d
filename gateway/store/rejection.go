package store

import (
	"context"
	"database/sql"
	"fmt"
)

// PeerRejection is a reader's refusal of a line this node published, from an exchange_rejection record (protocol §7).
// While it is open the same contents are not dropped as unchanged (review F14). At is when it was said, Unix µs; ID is
// given by the store.
type PeerRejection struct {
	ID                      int64
	Stream                  string
	Gen, Seq                uint64
	By, Code, Pointer, Pack string
	At                      int64
	Open                    bool
}

// SavePeerRejections records rejections in the caller's transaction. The same reader's rejection of the same line again
// replaces the first, also its Open. Code is cut to 48 bytes, Pack to 160, Pointer to 1,024.
func (s *Store) SavePeerRejections(ctx context.Context, tx *sql.Tx, rs []PeerRejection) error {
	rows := make([][]any, len(rs))
	for i, r := range rs {
		if len(r.Stream) > 160 || len(r.By) > 32 || r.Gen > maxNumber || r.Seq > maxNumber {
			return fmt.Errorf("%w: rejection by %q", ErrInvalid, cut(r.By, 32))
		}
		open := 0
		if r.Open {
			open = 1
		}
		rows[i] = []any{r.Stream, num(r.Gen), num(r.Seq), r.By, cut(r.Code, 48), cut(r.Pointer, 1024), cut(r.Pack, 160), r.At, open}
	}
	_, err := insertRows(ctx, tx, "INSERT INTO fayi_peer_rejection (stream,gen,seq,reader,code,pointer,pack,at_us,is_open) VALUES ",
		s.d.upsert([]string{"stream", "gen", "seq", "reader"}, []string{"code", "pointer", "pack", "at_us", "is_open"}, ""), rows)
	return err
}

// OpenRejections tells which of these positions some reader refused and nobody closed.
func (s *Store) OpenRejections(ctx context.Context, stream string, positions []Pos) (map[Pos]bool, error) {
	out := map[Pos]bool{}
	for len(positions) > 0 {
		n := min(len(positions), maxRows)
		where, args := wherePositions(stream, positions[:n])
		list, err := collect(ctx, s.read, func(rows *sql.Rows) (p Pos, err error) { return p, rows.Scan(&p.Gen, &p.Seq) },
			"SELECT gen,seq FROM fayi_peer_rejection WHERE is_open=1 AND "+where, args...)
		if err != nil {
			return nil, fmt.Errorf("read open rejections: %w", err)
		}
		for _, p := range list {
			out[p] = true
		}
		positions = positions[n:]
	}
	return out, nil
}

// ClosePeerRejections closes, in the caller's transaction, every reader's rejection of these positions, since a later
// version of their keys was published, and returns how many were open.
func (s *Store) ClosePeerRejections(ctx context.Context, tx *sql.Tx, stream string, positions []Pos) (int, error) {
	closed := 0
	for len(positions) > 0 {
		n := min(len(positions), maxRows)
		where, args := wherePositions(stream, positions[:n])
		res, err := tx.ExecContext(ctx, "UPDATE fayi_peer_rejection SET is_open=0 WHERE is_open=1 AND "+where, args...)
		if err != nil {
			return closed, err
		}
		m, err := res.RowsAffected()
		if err != nil {
			return closed, err
		}
		closed += int(m)
		positions = positions[n:]
	}
	return closed, nil
}

// wherePositions compares (gen, seq) with a list in the form every engine turns into lookups in the unique key.
func wherePositions(stream string, positions []Pos) (string, []any) {
	byGen := map[uint64][]any{}
	var gens []uint64
	for _, p := range positions {
		if byGen[p.Gen] == nil {
			gens = append(gens, p.Gen)
		}
		byGen[p.Gen] = append(byGen[p.Gen], num(p.Seq))
	}
	where, args := "stream=? AND (", []any{stream}
	for i, g := range gens {
		if i > 0 {
			where += " OR "
		}
		where += "gen=? AND seq IN (" + placeholders(len(byGen[g])) + ")"
		args = append(append(args, num(g)), byGen[g]...)
	}
	return where + ")", args
}

// RejectionFilter chooses what [Store.ListPeerRejections] returns; empty members choose everything.
type RejectionFilter struct {
	Stream, By string
	OnlyOpen   bool
	AfterID    int64 // to page on: the last ID seen
	Limit      int   // at most so many; 0 means 100
}

// ListPeerRejections returns rejections in the order they were first recorded.
func (s *Store) ListPeerRejections(ctx context.Context, f RejectionFilter) ([]PeerRejection, error) {
	query := "SELECT id,stream,gen,seq,reader,code,pointer,pack,at_us,is_open FROM fayi_peer_rejection WHERE id>?"
	args := []any{f.AfterID}
	if f.Stream != "" {
		query, args = query+" AND stream=?", append(args, f.Stream)
	}
	if f.By != "" {
		query, args = query+" AND reader=?", append(args, f.By)
	}
	if f.OnlyOpen {
		query += " AND is_open=1"
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	list, err := collect(ctx, s.read, func(rows *sql.Rows) (r PeerRejection, err error) {
		return r, rows.Scan(&r.ID, &r.Stream, &r.Gen, &r.Seq, &r.By, &r.Code, &r.Pointer, &r.Pack, &r.At, &r.Open)
	}, query+" ORDER BY id LIMIT ?", append(args, f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("read rejections: %w", err)
	}
	return list, nil
}
