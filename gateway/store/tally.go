package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Tally counts what became of the rows of one source and record type since the node began. Every row that left the
// outbox is in exactly one of the four (review I20).
type Tally struct {
	Source, Type                  string
	Accepted, Rejected, Unchanged uint64
	Superseded                    uint64 // repairs that came after a later version
}

// AddTallies adds to the counts, in the transaction that removes the rows.
func (s *Store) AddTallies(ctx context.Context, tx *sql.Tx, ts []Tally) error {
	rows := make([][]any, len(ts))
	for i, t := range ts {
		if len(t.Source) > 48 {
			return fmt.Errorf("%w: source %q", ErrInvalid, cut(t.Source, 48))
		}
		rows[i] = []any{t.Source, cut(t.Type, 48), num(t.Accepted), num(t.Rejected), num(t.Unchanged), num(t.Superseded)}
	}
	_, err := insertRows(ctx, tx, "INSERT INTO fayi_tally (source,record_type,accepted,rejected,unchanged,superseded) VALUES ",
		s.d.add([]string{"source", "record_type"}, "accepted", "rejected", "unchanged", "superseded"), rows)
	return err
}

// Tallies returns all counts, by source and record type.
func (s *Store) Tallies(ctx context.Context) ([]Tally, error) {
	list, err := collect(ctx, s.read, func(rows *sql.Rows) (t Tally, err error) {
		return t, rows.Scan(&t.Source, &t.Type, &t.Accepted, &t.Rejected, &t.Unchanged, &t.Superseded)
	}, "SELECT source,record_type,accepted,rejected,unchanged,superseded FROM fayi_tally ORDER BY source,record_type")
	if err != nil {
		return nil, fmt.Errorf("read tallies: %w", err)
	}
	return list, nil
}
