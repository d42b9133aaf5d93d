package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// InboxRow is one line on its way into exchange_inbox. Payload is nil for del and erase. Occurred is the line's `at`;
// a time the column cannot hold is moved to the nearest it can (MySQL's TIMESTAMP ends in 2038 on some engines).
type InboxRow struct {
	Gen, Seq uint64
	Type     string
	Key      []byte
	Op       string // put | del | erase
	Payload  []byte
	Occurred time.Time
}

// InboxCursor returns the position up to which a stream was delivered into the inbox of the node's own database.
func (s *Store) InboxCursor(ctx context.Context, stream string) (Pos, error) {
	var p Pos
	err := s.read.QueryRowContext(ctx, "SELECT gen,seq FROM exchange_inbox_cursor WHERE stream="+s.d.ascii, stream).Scan(&p.Gen, &p.Seq)
	if errors.Is(err, sql.ErrNoRows) {
		return Pos{}, nil
	}
	if err != nil {
		return Pos{}, fmt.Errorf("read inbox cursor: %w", err)
	}
	return p, nil
}

// Deliver inserts lines into the inbox and moves the stream's cursor from `from` to `to`, in one transaction, so that
// each line is delivered once, whoever else delivers (P3). If the cursor is not at `from` it returns [ErrCursorMoved]
// and inserts nothing. rows lie between the two and may be fewer than the lines: refused ones are left out.
func (s *Store) Deliver(ctx context.Context, stream string, from, to Pos, rows []InboxRow) error {
	if to.Compare(from) <= 0 || to.Gen > maxNumber || to.Seq > maxNumber || !streamName.MatchString(stream) {
		return fmt.Errorf("%w: delivery of %q from %d:%d to %d:%d", ErrInvalid, cut(stream, 160), from.Gen, from.Seq, to.Gen, to.Seq)
	}
	values := make([][]any, len(rows))
	received := s.d.timestamp(time.Now())
	for i, r := range rows {
		if p := (Pos{r.Gen, r.Seq}); p.Compare(from) <= 0 || p.Compare(to) > 0 {
			return fmt.Errorf("%w: line %d:%d outside the delivery", ErrInvalid, r.Gen, r.Seq)
		}
		var payload any
		if r.Payload != nil {
			payload = string(r.Payload) // text in both families
		}
		values[i] = []any{stream, num(r.Gen), num(r.Seq), r.Type, s.d.contractKey(r.Key), r.Op, payload, s.d.timestamp(r.Occurred), received}
	}
	return s.InTx(ctx, func(tx *sql.Tx) error {
		if err := s.moveCursor(ctx, tx, stream, from, to); err != nil {
			return err
		}
		_, err := insertRows(ctx, tx,
			"INSERT INTO exchange_inbox (stream,gen,seq,record_type,record_key,op,payload,occurred,received) VALUES ", "", values)
		return err
	})
}

func (s *Store) moveCursor(ctx context.Context, tx *sql.Tx, stream string, from, to Pos) error {
	if from.IsZero() {
		added, err := changedOne(tx.ExecContext(ctx, s.d.insertIgnore+"exchange_inbox_cursor (stream,gen,seq) VALUES (?,?,?)",
			stream, num(to.Gen), num(to.Seq)))
		if err != nil || added {
			return err
		}
	}
	moved, err := changedOne(tx.ExecContext(ctx, "UPDATE exchange_inbox_cursor SET gen=?, seq=? WHERE stream="+s.d.ascii+" AND gen=? AND seq=?",
		num(to.Gen), num(to.Seq), stream, num(from.Gen), num(from.Seq)))
	if err == nil && !moved {
		err = ErrCursorMoved
	}
	return err
}

// InboxWaiting counts the rows the business has not taken, up to limit.
func (s *Store) InboxWaiting(ctx context.Context, limit int) (int, error) {
	var n int
	err := s.read.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM exchange_inbox LIMIT ?) w", limit).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count the inbox: %w", err)
	}
	return n, nil
}
