package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Consumer returns how far a named consumer of this node has read a stream. A
// consumer that has read nothing stands before everything.
func (s *Store) Consumer(ctx context.Context, name string, stream int64) (Pos, error) {
	var p Pos
	err := s.read.QueryRowContext(ctx, "SELECT gen,seq FROM fayi_consumer WHERE name=? AND stream_id=?", name, stream).Scan(&p.Gen, &p.Seq)
	if errors.Is(err, sql.ErrNoRows) {
		return Pos{}, nil
	}
	if err != nil {
		return Pos{}, fmt.Errorf("read consumer %s: %w", name, err)
	}
	return p, nil
}

// MoveConsumer moves a consumer's cursor from `from` to `to` and runs also in
// the same transaction, so that what the consumer does to this database happens
// once. If the cursor is not at `from` it returns [ErrCursorMoved] and changes
// nothing. also may run several times, see [Store.InTx].
func (s *Store) MoveConsumer(ctx context.Context, name string, stream int64, from, to Pos, also func(context.Context, *sql.Tx) error) error {
	if to.Compare(from) <= 0 || to.Gen > maxNumber || to.Seq > maxNumber || name == "" || len(name) > 48 {
		return fmt.Errorf("%w: consumer %q from %d:%d to %d:%d", ErrInvalid, cut(name, 48), from.Gen, from.Seq, to.Gen, to.Seq)
	}
	return s.InTx(ctx, func(tx *sql.Tx) error {
		if from.IsZero() {
			if _, err := tx.ExecContext(ctx, s.d.insertIgnore+"fayi_consumer (name,stream_id,gen,seq) VALUES (?,?,0,0)", name, stream); err != nil {
				return err
			}
		}
		ok, err := changedOne(tx.ExecContext(ctx, "UPDATE fayi_consumer SET gen=?, seq=? WHERE name=? AND stream_id=? AND gen=? AND seq=?",
			num(to.Gen), num(to.Seq), name, stream, num(from.Gen), num(from.Seq)))
		if err == nil && !ok {
			err = ErrCursorMoved
		}
		if err != nil || also == nil {
			return err
		}
		return also(ctx, tx)
	})
}
