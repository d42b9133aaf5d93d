package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Types returns the record types that wait, in byte order, at most max of them: one look into the index for each, however many rows wait.
func (r *Reader) Types(ctx context.Context, max int) (types []string, err error) {
	q := "SELECT " + r.d.bytes("MIN(record_type)") + " FROM " + r.table
	var args []any
	for len(types) < max {
		var next sql.Null[[]byte]
		if err := r.db.QueryRowContext(ctx, q, args...).Scan(&next); err != nil {
			return nil, fmt.Errorf("outbox: types in %s: %w", r.table, err)
		}
		if !next.Valid {
			break
		}
		if len(types) == 0 {
			q += " WHERE " + r.d.asciiAfter("record_type")
		}
		types, args = append(types, string(next.V)), []any{string(next.V)}
	}
	return types, nil
}

// Except is a reader that counts without the rows that skip names: those of a source in another database that are taken already.
func (r *Reader) Except(skip func(id uint64, created time.Time) bool) *Reader {
	c := *r
	c.skip = skip
	return &c
}

// countExcept goes over the rows of a type themselves.
func (r *Reader) countExcept(ctx context.Context, recordType string) (map[string]int64, error) {
	rows, err := r.db.QueryContext(ctx, "SELECT id, "+r.d.bytes("op")+", "+r.d.time("created")+" FROM "+r.table+" WHERE "+r.d.asciiEquals("record_type"), recordType)
	if err != nil {
		return nil, fmt.Errorf("outbox: count %s: %w", r.table, err)
	}
	defer rows.Close()
	byOp := map[string]int64{}
	for rows.Next() {
		var id rowID
		var op, created sql.RawBytes
		if err := rows.Scan(&id, &op, &created); err != nil {
			return nil, fmt.Errorf("outbox: count %s: %w", r.table, err)
		}
		if at, _ := r.d.parseTime(created); !r.skip(uint64(id), at) {
			byOp[string(op)]++
		}
	}
	return byOp, rows.Err()
}

// Count returns how many rows of one type wait, by operation, counting no further than MaxWaiting in all.
func (r *Reader) Count(ctx context.Context, recordType string) (byOp map[string]int64, err error) {
	if r.skip != nil {
		return r.countExcept(ctx, recordType)
	}
	q := fmt.Sprintf("SELECT %s, COUNT(*) FROM (SELECT op FROM %s WHERE %s LIMIT %d) w GROUP BY op", r.d.bytes("op"), r.table, r.d.asciiEquals("record_type"), MaxWaiting)
	rows, err := r.db.QueryContext(ctx, q, recordType)
	if err != nil {
		return nil, fmt.Errorf("outbox: count %s: %w", r.table, err)
	}
	defer rows.Close()
	byOp = map[string]int64{}
	for rows.Next() {
		var op []byte
		var n int64
		if err := rows.Scan(&op, &n); err != nil {
			return nil, fmt.Errorf("outbox: count %s: %w", r.table, err)
		}
		byOp[string(op)] = n
	}
	return byOp, rows.Err()
}

// CountAll returns how many rows of one type wait, however many, from the index alone.
func (r *Reader) CountAll(ctx context.Context, recordType string) (n int64, err error) {
	if r.skip != nil {
		byOp, err := r.countExcept(ctx, recordType)
		for _, c := range byOp {
			n += c
		}
		return n, err
	}
	err = r.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+r.table+" WHERE "+r.d.asciiEquals("record_type"), recordType).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("outbox: count %s: %w", r.table, err)
	}
	return n, nil
}

// First returns the id of the first waiting row of a type, 0 if none waits: one look into the index.
func (r *Reader) First(ctx context.Context, recordType string) (id uint64, err error) {
	var first sql.Null[rowID]
	err = r.db.QueryRowContext(ctx, "SELECT MIN(id) FROM "+r.table+" WHERE "+r.d.asciiEquals("record_type"), recordType).Scan(&first)
	if err != nil {
		return 0, fmt.Errorf("outbox: read %s: %w", r.table, err)
	}
	return uint64(first.V), nil
}
