package outbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// State is where a rejected row stands.
type State string

// The states of a rejected row (contracts.sql). A row leaves StateOpen once and never comes back.
const (
	StateOpen        State = "open"        // waits for a person
	StateResubmitted State = "resubmitted" // went back into an outbox
	StateSuperseded  State = "superseded"  // a later version of the record exists
	StateClosed      State = "closed"      // a person decided that nothing is to be done
)

const (
	maxFaults   = 1 << 20 // bytes of JSON for one rejection
	rejectChunk = 50
	maxListed   = 1000
)

// Rejection is a row that cannot be published and why.
type Rejection struct {
	Row    Row
	Code   string          // of the first fault, [A-Za-z0-9_.-]{1,48}
	Faults json.RawMessage // [{code, pointer, title, message, hint}], at most 1 MiB; stored as given
}

// Rejected is a row of exchange_rejected.
type Rejected struct {
	ID         uint64
	Source     string
	Row        Row // ID is the one it had in its outbox; Flags are not kept; Payload as the function that returned it says
	RejectedAt time.Time
	Code       string
	Faults     json.RawMessage
	State      State
}

// Filter selects rejected rows; empty fields select all.
type Filter struct {
	Source  string
	State   State
	Type    string
	Code    string
	Key     string    // beginning of the record key, bytes
	Since   time.Time // rejected at this time or later
	Until   time.Time // rejected before
	AfterID uint64    // rows with a greater id only
	Limit   int       // 0 means 100; at most 1,000
}

var (
	faultCode  = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,48}$`)
	sourceName = regexp.MustCompile(`^[0-9A-Za-z_.-]{1,48}$`)
)

// Reject copies rows into exchange_rejected, whole and with their reasons, within tx. It does not remove them from the outbox: the caller
// does, with the batch's other rows, in the same transaction (design §5).
//
// If table is the name of the outbox in the database of tx, the database copies the rows itself, byte for byte and whatever their size;
// [ErrTaken] means that one is no longer there. If the source lies in another database, table is empty and the values of Row are stored: what
// a MySQL column cannot hold is replaced or cut, so that no row stops the others, and the payload of an Oversize row is not stored. Leave such
// a row in its source.
func Reject(ctx context.Context, tx *sql.Tx, d Dialect, source, table string, rs []Rejection) error {
	if !sourceName.MatchString(source) {
		return fmt.Errorf("outbox: reject: bad source name %q", source)
	}
	if table != "" {
		if err := checkTable(d, table); err != nil {
			return err
		}
	}
	for _, r := range rs {
		if !faultCode.MatchString(r.Code) {
			return fmt.Errorf("outbox: reject row %d: bad code %q", r.Row.ID, r.Code)
		}
		if len(r.Faults) > maxFaults || !utf8.Valid(r.Faults) || !json.Valid(r.Faults) {
			return fmt.Errorf("outbox: reject row %d: faults are not JSON of at most %d bytes", r.Row.ID, maxFaults)
		}
	}
	if table == "" {
		for _, r := range rs {
			if err := rejectValues(ctx, tx, d, source, r); err != nil {
				return fmt.Errorf("outbox: reject row %d: %w", r.Row.ID, err)
			}
		}
		return nil
	}
	for chunk := range slices.Chunk(rs, rejectChunk) {
		var args []any
		for _, r := range chunk {
			args = append(args, r.Code, string(r.Faults))
		}
		res, err := tx.ExecContext(ctx, d.copyRejected(source, table, chunk), args...)
		if err != nil {
			return fmt.Errorf("outbox: reject: %w", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return fmt.Errorf("outbox: reject: %w", err)
		}
		if n != int64(len(chunk)) {
			return ErrTaken
		}
	}
	return nil
}

func rejectValues(ctx context.Context, tx *sql.Tx, d Dialect, source string, r Rejection) error {
	row := d.storable(r.Row)
	var payload any
	if row.Payload != nil {
		payload = string(row.Payload)
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO exchange_rejected (source, row_id, record_type, record_key, op, payload, created, code, faults) VALUES (?, "+
		d.id(row.ID)+", ?, ?, ?, ?, "+d.timeLiteral(row)+", ?, ?)",
		source, row.Type, row.Key, row.Op, payload, r.Code, string(r.Faults))
	return err
}

// ListRejected returns rejected rows in order of id, without payloads (Row.Payload is nil, Row.Size tells).
func ListRejected(ctx context.Context, db Queryer, d Dialect, f Filter) ([]Rejected, error) {
	where, args := f.where(d)
	if f.Limit <= 0 {
		f.Limit = 100
	}
	return selectRejected(ctx, db, d, "NULL", fmt.Sprintf("%s ORDER BY id LIMIT %d", where, min(f.Limit, maxListed)), args...)
}

// CountRejected returns how many rows a filter selects, whatever its Limit.
func CountRejected(ctx context.Context, db *sql.DB, d Dialect, f Filter) (n int64, err error) {
	where, args := f.where(d)
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM exchange_rejected "+where, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("outbox: count rejected rows: %w", err)
	}
	return n, nil
}

// where is the filter's condition with its arguments.
func (f Filter) where(d Dialect) (string, []any) {
	conds, args := []string{"id > " + d.id(f.AfterID)}, []any(nil)
	for _, c := range []struct{ column, value string }{{"source", f.Source}, {"state", string(f.State)}, {"record_type", f.Type}, {"code", f.Code}} {
		if c.value != "" {
			conds, args = append(conds, d.asciiEquals(c.column)), append(args, c.value)
		}
	}
	if f.Key != "" {
		conds, args = append(conds, d.keyBegins(len(f.Key))), append(args, []byte(f.Key))
	}
	for _, c := range []struct {
		op string
		at time.Time
	}{{">=", f.Since}, {"<", f.Until}} {
		if !c.at.IsZero() {
			conds = append(conds, "rejected_at "+c.op+" "+d.timeLiteral(Row{Created: c.at}))
		}
	}
	return "WHERE " + strings.Join(conds, " AND "), args
}

// GetRejected returns one rejected row with its payload, up to 16 MiB, or [ErrNotFound].
func GetRejected(ctx context.Context, db Queryer, d Dialect, id uint64) (Rejected, error) {
	rs, err := selectRejected(ctx, db, d, d.bytes("payload"), "WHERE id = "+d.id(id))
	if err != nil {
		return Rejected{}, err
	}
	if len(rs) == 0 {
		return Rejected{}, ErrNotFound
	}
	if row := &rs[0].Row; row.Payload == nil && !row.Null {
		row.Payload = []byte{}
	}
	return rs[0], nil
}

func selectRejected(ctx context.Context, db Queryer, d Dialect, payload, where string, args ...any) (out []Rejected, err error) {
	rs, err := db.QueryContext(ctx, "SELECT id, source, row_id, "+d.bytes("record_type")+", "+d.bytes("record_key")+", "+d.bytes("op")+", "+payload+
		", "+d.size("payload")+", "+d.time("created")+", "+d.time("rejected_at")+", code, "+d.bytes("faults")+", state FROM exchange_rejected "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("outbox: read rejected rows: %w", err)
	}
	defer rs.Close()
	for rs.Next() {
		var r Rejected
		var id, rowid rowID
		var typ, op, created, at sql.RawBytes
		var size sql.NullInt64
		if err := rs.Scan(&id, &r.Source, &rowid, &typ, &r.Row.Key, &op, &r.Row.Payload, &size, &created, &at, &r.Code, (*[]byte)(&r.Faults), &r.State); err != nil {
			return nil, fmt.Errorf("outbox: read rejected rows: %w", err)
		}
		if r.Row.Key == nil {
			r.Row.Key = []byte{}
		}
		r.ID, r.Row.ID, r.Row.Type, r.Row.Op = uint64(id), uint64(rowid), string(typ), string(op)
		r.Row.Null, r.Row.Size = !size.Valid, size.Int64
		var ok bool
		r.Row.Created, ok = d.parseTime(created)
		r.Row.BadCreated = !ok
		r.RejectedAt, _ = d.parseTime(at)
		out = append(out, r)
	}
	if err := rs.Err(); err != nil {
		return nil, fmt.Errorf("outbox: read rejected rows: %w", err)
	}
	return out, nil
}

// MarkRejected moves open rejected rows to another state within tx. If one of them is not open it returns [ErrNotOpen]: roll back.
func MarkRejected(ctx context.Context, tx *sql.Tx, d Dialect, ids []uint64, state State) error {
	switch state {
	case StateResubmitted, StateSuperseded, StateClosed:
	default:
		return fmt.Errorf("outbox: mark rejected rows: bad state %q", state)
	}
	for chunk := range slices.Chunk(ids, deleteChunk) {
		res, err := tx.ExecContext(ctx, "UPDATE exchange_rejected SET state = '"+string(state)+"' WHERE state = 'open' AND id IN ("+d.idList(chunk)+")")
		if err != nil {
			return fmt.Errorf("outbox: mark rejected rows: %w", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return fmt.Errorf("outbox: mark rejected rows: %w", err)
		}
		if n != int64(len(chunk)) {
			return ErrNotOpen
		}
	}
	return nil
}
