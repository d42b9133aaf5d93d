package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Event is something an operator should be able to see later: an alarm, a rewind, a refused peer. At is Unix µs, zero on
// storing means now. It carries no contents of records.
type Event struct {
	ID                                int64
	At                                int64
	Level, Code, Stream, Peer, Detail string
}

// AddEvent records an event. Texts are cut: Level to 16 bytes, Code to 48, Stream to 160, Peer to 32, Detail to 4,096.
func (s *Store) AddEvent(ctx context.Context, e Event) error {
	if e.At == 0 {
		e.At = now()
	}
	return s.InTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO fayi_event (at_us,level,code,stream,peer,detail) VALUES (?,?,?,?,?,?)",
			e.At, cut(e.Level, 16), cut(e.Code, 48), cut(e.Stream, 160), cut(e.Peer, 32), cut(e.Detail, 4096))
		return err
	})
}

// Events returns events with an ID above afterID, in the order of IDs, at most limit. It is for people to look at: an
// event written at the same moment by another process may get a lower ID and appear later.
func (s *Store) Events(ctx context.Context, afterID int64, limit int) ([]Event, error) {
	list, err := collect(ctx, s.read, func(rows *sql.Rows) (e Event, err error) {
		return e, rows.Scan(&e.ID, &e.At, &e.Level, &e.Code, &e.Stream, &e.Peer, &e.Detail)
	}, "SELECT id,at_us,level,code,stream,peer,detail FROM fayi_event WHERE id>? ORDER BY id LIMIT ?", afterID, limit)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return list, nil
}

// PurgeEvents removes events older than a time, in Unix µs, and returns how many (review F30).
func (s *Store) PurgeEvents(ctx context.Context, before int64) (int, error) {
	return s.purge(ctx, "fayi_event", "id", before)
}
