package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Later reports whether a version of the record later than the one created then was already published. The node answers from its own table of
// newest versions, within the same transaction.
type Later func(ctx context.Context, tx *sql.Tx, typ string, key []byte, created time.Time) (bool, error)

// Resubmit puts an open rejected row back into an outbox of the same database within tx: with another payload, or as it is (after a pack
// changed, say) if payload is nil. The row is marked as resubmitted.
//
// Nothing re-emits an old version (design §5, F12): if another row of the key waits in the table, was rejected later, or was published later
// according to later (which may be nil), the row is marked superseded and [ErrSuperseded] returned: commit tx then. A later version whose
// transaction is still open cannot be seen here, so the new row carries the flag repair:<id>, and who publishes it asks once more, when it
// holds the stream: see [Row.Repairs].
func Resubmit(ctx context.Context, tx *sql.Tx, d Dialect, table string, id uint64, payload []byte, later Later) error {
	if err := checkTable(d, table); err != nil {
		return err
	}
	old, err := lockRejected(ctx, tx, d, id)
	if err != nil {
		return err
	}
	if err := checkRepair(old.Row, payload); err != nil {
		return err
	}
	gone, err := superseded(ctx, tx, d, table, old)
	if err == nil && !gone && later != nil {
		gone, err = later(ctx, tx, old.Row.Type, old.Row.Key, old.Row.Created)
	}
	if err != nil {
		return fmt.Errorf("outbox: resubmit %d: %w", id, err)
	}
	if gone {
		if err := MarkRejected(ctx, tx, d, []uint64{id}, StateSuperseded); err != nil {
			return err
		}
		return ErrSuperseded
	}
	body, args := "payload", []any{flagRepair + d.id(id)}
	if payload != nil {
		body, args = "?", []any{string(payload), flagRepair + d.id(id)}
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO "+table+" (record_type, record_key, op, payload, flags) SELECT record_type, record_key, op, "+body+
		", ? FROM exchange_rejected WHERE id = "+d.id(id), args...)
	if err != nil {
		return fmt.Errorf("outbox: resubmit %d: %w", id, err)
	}
	return MarkRejected(ctx, tx, d, []uint64{id}, StateResubmitted)
}

// lockRejected reads an open row, without its payload, and keeps others from repairing it at the same time.
func lockRejected(ctx context.Context, tx *sql.Tx, d Dialect, id uint64) (Rejected, error) {
	rs, err := selectRejected(ctx, tx, d, "NULL", "WHERE id = "+d.id(id)+d.forUpdate())
	if err != nil {
		return Rejected{}, err
	}
	if len(rs) == 0 {
		return Rejected{}, ErrNotFound
	}
	if rs[0].State != StateOpen {
		return Rejected{}, ErrNotOpen
	}
	return rs[0], nil
}

// checkRepair applies the rules of [Publish]. Type, key and op are not repairable: the business system publishes such a record anew.
func checkRepair(old Row, payload []byte) error {
	if err := checkType(old.Type); err != nil {
		return err
	}
	if err := CheckKey(old.Key); err != nil {
		return err
	}
	if Op(old.Op) == Put && payload == nil {
		if old.Null {
			return checkPayload(nil)
		}
		return nil // judged by the node as any other row
	}
	return Record{Type: old.Type, Key: string(old.Key), Op: Op(old.Op), Payload: payload}.check()
}

func superseded(ctx context.Context, tx *sql.Tx, d Dialect, table string, old Rejected) (bool, error) {
	for _, q := range []string{
		"SELECT 1 FROM " + table + " WHERE " + d.asciiEquals("record_type") + " AND " + d.keyEquals() + " LIMIT 1",
		"SELECT 1 FROM exchange_rejected WHERE " + d.asciiEquals("record_type") + " AND " + d.keyEquals() + " AND id > " + d.id(old.ID) + " LIMIT 1",
	} {
		var one int
		switch err := tx.QueryRowContext(ctx, q, old.Row.Type, old.Row.Key).Scan(&one); {
		case err == nil:
			return true, nil
		case !errors.Is(err, sql.ErrNoRows):
			return false, err
		}
	}
	return false, nil
}

// Supersede closes resubmitted rows whose repair came too late: the node found, when it held the stream, that a later version of the key had
// been published meanwhile (design §5, F12). Rows in another state stay as they are.
func Supersede(ctx context.Context, tx *sql.Tx, d Dialect, ids []uint64) error {
	for chunk := range slices.Chunk(ids, deleteChunk) {
		_, err := tx.ExecContext(ctx, "UPDATE exchange_rejected SET state = '"+string(StateSuperseded)+"' WHERE state = '"+
			string(StateResubmitted)+"' AND id IN ("+d.idList(chunk)+")")
		if err != nil {
			return fmt.Errorf("outbox: supersede rejected rows: %w", err)
		}
	}
	return nil
}
