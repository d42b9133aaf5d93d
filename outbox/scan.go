package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
)

// cursor holds the columns of one row as the driver lends them: they are good until the next row.
type cursor struct {
	d                                     Dialect
	id                                    rowID
	typ, key, op, payload, flags, created sql.RawBytes
	size                                  sql.NullInt64
	lastType, lastOp, lastFlags           string // most rows have those of the row before
	slab                                  []byte // what kept rows have in common
}

// slabSize is how much memory rows share at a time; a longer value has its own.
const slabSize = 256 << 10

// scan calls each for every row of a query of [Dialect.columns], with the row without its key and payload, which keep adds.
func (r *Reader) scan(ctx context.Context, query string, args []any, each func(row Row, c *cursor)) (n int, err error) {
	rs, err := r.db.QueryContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	defer rs.Close()
	c := cursor{d: r.d}
	for ; rs.Next(); n++ {
		if err := rs.Scan(&c.id, &c.typ, &c.key, &c.op, &c.payload, &c.size, &c.flags, &c.created); err != nil {
			return n, err
		}
		row := Row{ID: uint64(c.id), Null: !c.size.Valid, Size: c.size.Int64, Oversize: c.size.Int64 > MaxLoaded}
		t, ok := c.d.parseTime(c.created)
		row.Created, row.BadCreated = t, !ok
		each(row, &c)
	}
	return n, rs.Err()
}

// keep completes a row with copies.
func (c *cursor) keep(row *Row) {
	row.Type, row.Op, row.Flags = again(&c.lastType, c.typ), again(&c.lastOp, c.op), again(&c.lastFlags, c.flags)
	row.Key = c.copy(c.key)
	if !row.Null && !row.Oversize {
		row.Payload = c.copy(c.payload)
	}
}

func again(last *string, b []byte) string {
	if *last != string(b) {
		*last = string(b)
	}
	return *last
}

// copy is never nil: an empty value is not NULL.
func (c *cursor) copy(b []byte) []byte {
	if len(b) == 0 || len(b) > slabSize/8 {
		return append([]byte{}, b...)
	}
	if len(b) > cap(c.slab)-len(c.slab) {
		c.slab = make([]byte, 0, slabSize)
	}
	at := len(c.slab)
	c.slab = append(c.slab, b...)
	return c.slab[at:len(c.slab):len(c.slab)]
}

// rowID scans an unsigned id of MySQL or a signed one of SQLite.
type rowID uint64

// Scan implements sql.Scanner.
func (id *rowID) Scan(v any) error {
	switch v := v.(type) {
	case int64:
		*id = rowID(v)
	case uint64:
		*id = rowID(v)
	case []byte:
		u, err := strconv.ParseUint(string(v), 10, 64)
		*id = rowID(u)
		return err
	default:
		return fmt.Errorf("unexpected row id of type %T", v)
	}
	return nil
}
