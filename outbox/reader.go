package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// MaxLoaded is the longest payload in bytes that [Reader.Read] loads; of a longer one it gives the size only. A line may have 256 KiB
	// (protocol §2), and JSON text shrinks when white space is removed, but not to a quarter in honest use.
	MaxLoaded = 1 << 20
	// MaxWaiting is where [Reader.Waiting] stops counting.
	MaxWaiting = 100_000

	// maxInline is the longest payload in bytes that is read with its size and not after it: a driver that skips the rest of a result reads at
	// most that much of each row.
	maxInline = 16 << 10

	defaultRows, maxRows = 1000, 5000
	defaultBytes         = 4 << 20
	deleteChunk          = 500
	flagResend           = "resend"
	flagRepair           = "repair:"
)

// Row is a waiting row as the database holds it. Any client may have written anything: only the types of the columns have been checked.
type Row struct {
	ID         uint64    // SQLite: the bits of a signed 64-bit integer
	Type       string    // bytes as stored
	Key        []byte    // bytes as stored, never nil
	Op         string    // bytes as stored
	Payload    []byte    // nil if Null or Oversize
	Null       bool      // the payload is NULL
	Flags      string    // empty if NULL
	Created    time.Time // UTC, microseconds; the Unix epoch if BadCreated
	BadCreated bool      // the creation time is a zero date, or in SQLite no time between 1970 and 9999
	Size       int64     // of the payload, bytes
	Oversize   bool      // the payload is longer than MaxLoaded and was not loaded
}

// Resend reports whether the publisher asked to publish the record even if it is unchanged.
func (r Row) Resend() bool { return r.Flags == flagResend }

// Repairs gives the id in exchange_rejected of the row that this one repairs, see [Resubmit].
func (r Row) Repairs() (id uint64, ok bool) {
	s, ok := strings.CutPrefix(r.Flags, flagRepair)
	if !ok {
		return 0, false
	}
	id, err := strconv.ParseUint(s, 10, 64)
	return id, err == nil
}

// Limit bounds one [Reader.Read].
type Limit struct {
	Rows  int   // at most this many rows; 0 means 1,000; more than 5,000 is cut to that
	Bytes int64 // stop before the loaded payloads pass this; 0 means 4 MiB; at least one row is returned all the same
	// Types, if not empty, restricts the read to these record types, each found by index: the round of the urgent types (design §5).
	Types []string
	// Except, if not empty, passes over these record types: the round of the others.
	Except []string
	// Skip, if not nil, names rows to pass over: those of a source in another database that are already taken (design §5).
	Skip func(id uint64, created time.Time) bool
	// Skipped is the highest id that Skip is likely to name; 0: any. Bodies of rows up to it are not asked for before Skip
	// was.
	Skipped uint64
}

// Reader reads and removes the waiting rows of one outbox table. It may be used by several goroutines and by several processes at once: two
// of them may read the same rows, but only one can remove them.
type Reader struct {
	db    *sql.DB
	d     Dialect
	table string
	skip  func(id uint64, created time.Time) bool // not counted; nil: none
}

// NewReader returns a reader of the table; it does not touch the database.
func NewReader(db *sql.DB, d Dialect, table string) (*Reader, error) {
	if err := checkTable(d, table); err != nil {
		return nil, err
	}
	return &Reader{db: db, d: d, table: table}, nil
}

// head is what is first read of a row: its body too, if that is short.
type head struct {
	Row
	whole bool // it is there
}

// Read returns waiting rows in order of id, and whether more wait. It takes no locks and waits for nobody's: it sees what is committed, and a
// row committed late under a lower id is in the next read. Of a body above maxInline it first reads the size and loads it only if the limit
// allows, so that memory is bounded by lim.Bytes or, if that is smaller, MaxLoaded. A row removed by someone else in between is left out.
//
// Never remember an id to read on from: rows below it may still commit (outbox package documentation, "Why not id > last").
func (r *Reader) Read(ctx context.Context, lim Limit) (rows []Row, more bool, err error) {
	if lim.Rows <= 0 {
		lim.Rows = defaultRows
	}
	lim.Rows = min(lim.Rows, maxRows)
	if lim.Bytes <= 0 {
		lim.Bytes = defaultBytes
	}
	heads, err := r.heads(ctx, lim)
	if err != nil {
		return nil, false, err
	}
	if len(heads) > lim.Rows {
		heads, more = heads[:lim.Rows], true
	}
	var total int64
	var wanting []uint64
	for i := range heads {
		if !heads[i].Oversize {
			total += heads[i].Size
		}
		if i > 0 && total > lim.Bytes {
			heads, more = heads[:i], true
			break
		}
		if !heads[i].whole {
			wanting = append(wanting, heads[i].ID)
		}
	}
	if len(heads) == 0 {
		return nil, more, nil
	}
	loaded, cut, err := r.bodies(ctx, wanting, lim.Bytes)
	if err != nil {
		return nil, false, err
	}
	rows = make([]Row, 0, len(heads))
	for i := range heads {
		switch h := &heads[i]; {
		case h.whole:
			rows = append(rows, h.Row)
		case len(loaded) > 0 && loaded[0].ID == h.ID:
			rows, loaded = append(rows, loaded[0]), loaded[1:]
		case cut && len(loaded) == 0: // it and those after it are the next read's
			return rows, true, nil
		}
	}
	return rows, more || cut, nil
}

// heads returns up to lim.Rows+1 rows in order of id.
func (r *Reader) heads(ctx context.Context, lim Limit) ([]head, error) {
	room := lim.Bytes // for bodies that come with the heads, of all types together
	if len(lim.Types) == 0 {
		return r.headsOf(ctx, "", lim, &room)
	}
	var all []head
	for _, t := range lim.Types { // one query a type: only an equality is sure to be read in index order
		hs, err := r.headsOf(ctx, t, lim, &room)
		if err != nil {
			return nil, err
		}
		all = append(all, hs...)
	}
	slices.SortFunc(all, func(a, b head) int {
		if r.d.less(a.ID, b.ID) {
			return -1
		}
		return 1
	})
	return all[:min(len(all), lim.Rows+1)], nil
}

func (r *Reader) headsOf(ctx context.Context, typ string, lim Limit, room *int64) ([]head, error) {
	want := lim.Rows + 1
	out := make([]head, 0, min(want, 256))
	inline := min(int64(maxInline), lim.Bytes)
	if lim.Skip != nil && lim.Skipped == 0 || *room <= 0 {
		inline = 0
	}
	var last uint64
	for first := true; ; first = false {
		var conds []string
		var args []any
		if typ != "" {
			conds, args = append(conds, r.d.asciiEquals("record_type")), append(args, typ)
		}
		if len(lim.Except) > 0 { // of bytes, so that it is read by id and not by the index on types
			conds = append(conds, r.d.bytes("record_type")+" NOT IN (?"+strings.Repeat(",?", len(lim.Except)-1)+")")
			for _, t := range lim.Except {
				args = append(args, []byte(t))
			}
		}
		if !first {
			conds = append(conds, "id > "+r.d.id(last))
		}
		q := "SELECT " + r.d.columns(inline, lim.Skipped) + " FROM " + r.table
		if len(conds) > 0 {
			q += " WHERE " + strings.Join(conds, " AND ")
		}
		n, err := r.scan(ctx, q+" ORDER BY id LIMIT "+strconv.Itoa(want), args, func(row Row, c *cursor) {
			last = row.ID
			if len(out) == want || lim.Skip != nil && lim.Skip(row.ID, row.Created) {
				return
			}
			h := head{Row: row, whole: row.Null || row.Oversize || c.payload != nil}
			if *room -= int64(len(c.payload)); h.whole && *room >= 0 {
				c.keep(&h.Row)
			} else {
				h.whole = false
			}
			out = append(out, h)
		})
		if err != nil {
			return nil, fmt.Errorf("outbox: read %s: %w", r.table, err)
		}
		if n < want || len(out) == want {
			return out, nil
		}
	}
}

// Identities returns the rows that wait, at most limit of them and without those that skip names, with ID and Created only.
func (r *Reader) Identities(ctx context.Context, limit int, skip func(id uint64, created time.Time) bool) ([]Row, error) {
	heads, err := r.headsOf(ctx, "", Limit{Rows: limit, Skip: skip}, new(int64))
	if err != nil {
		return nil, err
	}
	rows := make([]Row, min(len(heads), limit))
	for i := range rows {
		rows[i] = Row{ID: heads[i].ID, Created: heads[i].Created}
	}
	return rows, nil
}

// bodies loads the rows, whose ids are in order. The sizes may have changed since they were read (an id used again), so it counts once more.
func (r *Reader) bodies(ctx context.Context, ids []uint64, budget int64) (rows []Row, cut bool, err error) {
	if len(ids) == 0 {
		return nil, false, nil
	}
	rows = make([]Row, 0, len(ids))
	q := "SELECT " + r.d.columns(MaxLoaded, 0) + " FROM " + r.table + " WHERE " + r.d.idIn(ids) + " ORDER BY id"
	_, err = r.scan(ctx, q, nil, func(row Row, c *cursor) {
		budget -= int64(len(c.payload))
		if cut = cut || len(rows) > 0 && budget < 0; !cut {
			c.keep(&row)
			rows = append(rows, row)
		}
	})
	if err != nil {
		return nil, false, fmt.Errorf("outbox: read %s: %w", r.table, err)
	}
	return rows, cut, nil
}

// Waiting returns how many rows wait, counting no further than MaxWaiting (that value means "at least"), and the creation time of the row with
// the lowest id, which is the oldest but for transactions that were open long; the zero time if none waits.
func (r *Reader) Waiting(ctx context.Context) (n int64, oldest time.Time, err error) {
	q := fmt.Sprintf("SELECT COUNT(*) FROM (SELECT id FROM %s LIMIT %d) w", r.table, MaxWaiting)
	if err := r.db.QueryRowContext(ctx, q).Scan(&n); err != nil {
		return 0, time.Time{}, fmt.Errorf("outbox: count %s: %w", r.table, err)
	}
	_, err = r.scan(ctx, "SELECT "+r.d.columns(0, 0)+" FROM "+r.table+" ORDER BY id LIMIT 1", nil, func(row Row, _ *cursor) { oldest = row.Created })
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("outbox: read %s: %w", r.table, err)
	}
	return n, oldest, nil
}
