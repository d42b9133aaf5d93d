package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
)

// Remove deletes exactly these rows within tx, each reached by primary key, so that it waits for no other transaction (F1). It
// returns [ErrTaken] if not every one of them was there: roll back. Run it at READ COMMITTED.
func (r *Reader) Remove(ctx context.Context, tx *sql.Tx, rows []Row) error {
	n, err := r.Release(ctx, tx, rows)
	if err != nil {
		return err
	}
	if n != int64(len(rows)) {
		return ErrTaken
	}
	return nil
}

// Release is [Reader.Remove] for a source in another database, where some of the rows may have been deleted before a crash: it returns how
// many were there. Of each row it uses ID and Created (design §5).
func (r *Reader) Release(ctx context.Context, tx *sql.Tx, rows []Row) (removed int64, err error) {
	for chunk := range slices.Chunk(rows, deleteChunk) {
		res, err := tx.ExecContext(ctx, r.d.deleteByID(r.table, chunk))
		if err != nil {
			return removed, fmt.Errorf("outbox: remove from %s: %w", r.table, err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return removed, fmt.Errorf("outbox: remove from %s: %w", r.table, err)
		}
		removed += n
	}
	return removed, nil
}
