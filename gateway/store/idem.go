package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Remember stores the answer to an idempotent request in the transaction that does its work (design §8). key and
// request are hashes of the Idempotency-Key, with whoever sent it, and of the request. If the key is new, existing is
// nil and the caller goes on. If it came before with the same request, existing is the answer given then, not nil, and
// the caller undoes its transaction. With another request it is [ErrKeyReused]. answer is at most 1 MiB.
func (s *Store) Remember(ctx context.Context, tx *sql.Tx, key, request Hash, answer []byte) (existing []byte, err error) {
	if len(answer) > maxBytes {
		return nil, fmt.Errorf("%w: answer of %d bytes", ErrInvalid, len(answer))
	}
	added, err := changedOne(tx.ExecContext(ctx, s.d.insertIgnore+"fayi_remembered (key_hash,request,answer,at_us) VALUES (?,?,?,?)",
		key, request, blob(answer), now()))
	if err != nil || added {
		return nil, err
	}
	var of Hash
	if err := tx.QueryRowContext(ctx, "SELECT request,answer FROM fayi_remembered WHERE key_hash=?", key).Scan(&of, &existing); err != nil {
		return nil, err
	}
	if of != request {
		return nil, ErrKeyReused
	}
	return blob(existing), nil
}

// PurgeRemembered forgets answers stored before a time, in Unix µs, and returns how many.
func (s *Store) PurgeRemembered(ctx context.Context, before int64) (int, error) {
	return s.purge(ctx, "fayi_remembered", "key_hash", before)
}

// purge deletes rows older than a time in small transactions, each row by its primary key, so that nobody waits for it.
func (s *Store) purge(ctx context.Context, table, key string, before int64) (int, error) {
	total := 0
	for {
		keys, err := collect(ctx, s.read, func(rows *sql.Rows) (k any, err error) { return k, rows.Scan(&k) },
			"SELECT "+key+" FROM "+table+" WHERE at_us<? ORDER BY at_us LIMIT ?", before, maxRows)
		if err != nil || len(keys) == 0 {
			return total, err
		}
		var n int64
		err = s.InTx(ctx, func(tx *sql.Tx) error {
			res, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE "+key+" IN ("+placeholders(len(keys))+")", keys...)
			if err != nil {
				return err
			}
			n, err = res.RowsAffected()
			return err
		})
		if err != nil {
			return total, fmt.Errorf("purge %s: %w", table, err)
		}
		total += int(n)
	}
}
