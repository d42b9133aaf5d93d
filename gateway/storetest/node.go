package storetest

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fayi/gateway/store"
)

// taken is a row as the business reads it from exchange_inbox.
type taken struct {
	Gen, Seq          uint64
	Type, Key, Op     string
	Payload, Occurred string
}

func inbox(t testing.TB, s *store.Store, stream string) []taken {
	t.Helper()
	// No condition on stream: how a text column is compared is the store's own matter, not the suite's.
	rows, err := s.DB().QueryContext(t.Context(), "SELECT stream,gen,seq,record_type,record_key,op,COALESCE(payload,'NULL'),occurred FROM exchange_inbox")
	must(t, err)
	defer rows.Close()
	var out []taken
	for rows.Next() {
		var x taken
		var name string
		var at any
		must(t, rows.Scan(&name, &x.Gen, &x.Seq, &x.Type, &x.Key, &x.Op, &x.Payload, &at))
		switch v := at.(type) {
		case time.Time:
			x.Occurred = v.UTC().Format("2006-01-02T15:04:05.000000Z")
		case []byte:
			x.Occurred = string(v)
		case string:
			x.Occurred = v
		}
		if name == stream {
			out = append(out, x)
		}
	}
	must(t, rows.Err())
	slices.SortFunc(out, func(a, b taken) int { return cmp.Or(cmp.Compare(a.Gen, b.Gen), cmp.Compare(a.Seq, b.Seq)) })
	return out
}

func row(gen, seq uint64) store.InboxRow {
	return store.InboxRow{Gen: gen, Seq: seq, Type: "lawyer", Key: []byte("YL-1 "), Op: "put", Payload: []byte(`{"姓名":"张三"}`),
		Occurred: time.Date(2026, 11, 22, 10, 0, 0, 123456000, time.FixedZone("CST", 8*3600))}
}

func deliverOnce(t *testing.T, s *store.Store) {
	ctx := t.Context()
	const name = "610000/lawyer/downstream"
	at, err := s.InboxCursor(ctx, name)
	must(t, err)
	want(t, "cursor before", at, store.Pos{})
	before, err := s.InboxWaiting(ctx, 1000)
	must(t, err)

	p1, p2 := store.Pos{Gen: 3, Seq: 2}, store.Pos{Gen: 4, Seq: 5}
	del := store.InboxRow{Gen: 4, Seq: 4, Type: "lawyer", Key: []byte("YL-1"), Op: "del", Occurred: row(1, 1).Occurred}
	must(t, s.Deliver(ctx, name, store.Pos{}, p1, []store.InboxRow{row(3, 1), row(3, 2)}))
	must(t, s.Deliver(ctx, name, p1, p2, []store.InboxRow{del})) // lines 3 and 5 were refused
	expect := []taken{
		{3, 1, "lawyer", "YL-1 ", "put", `{"姓名":"张三"}`, "2026-11-22T02:00:00.123456Z"},
		{3, 2, "lawyer", "YL-1 ", "put", `{"姓名":"张三"}`, "2026-11-22T02:00:00.123456Z"},
		{4, 4, "lawyer", "YL-1", "del", "NULL", "2026-11-22T02:00:00.123456Z"},
	}
	want(t, "inbox", inbox(t, s, name), expect)
	at, err = s.InboxCursor(ctx, name)
	must(t, err)
	want(t, "cursor", at, p2)
	n, err := s.InboxWaiting(ctx, 1000)
	must(t, err)
	want(t, "waiting", n-before, 3)
	n, err = s.InboxWaiting(ctx, 2)
	must(t, err)
	want(t, "waiting, bounded", n, 2)

	for what, err := range map[string]error{
		"from the beginning again": s.Deliver(ctx, name, store.Pos{}, p1, []store.InboxRow{row(3, 1)}),
		"from long ago":            s.Deliver(ctx, name, p1, p2, []store.InboxRow{row(4, 5)}),
		"from what never was":      s.Deliver(ctx, name, store.Pos{Gen: 9, Seq: 9}, store.Pos{Gen: 9, Seq: 10}, nil),
	} {
		if !errors.Is(err, store.ErrCursorMoved) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, err := range map[string]error{
		"nowhere":  s.Deliver(ctx, name, p2, p2, nil),
		"backward": s.Deliver(ctx, name, p2, p1, nil),
		"outside":  s.Deliver(ctx, name, p2, store.Pos{Gen: 4, Seq: 9}, []store.InboxRow{row(4, 5)}),
	} {
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	want(t, "inbox afterwards", inbox(t, s, name), expect)
}

// deliverRaced: several deliverers see the same cursor; each line arrives once (P3).
func deliverRaced(t *testing.T, s *store.Store) {
	ctx := within(t, 60*time.Second)
	const name, lines, step = "610000/law_firm/downstream", 40, 4
	var won atomic.Int32
	deliverer := func() error {
		for {
			at, err := s.InboxCursor(ctx, name)
			if err != nil || at.Seq >= lines {
				return err
			}
			to := store.Pos{Gen: 1, Seq: at.Seq + step}
			var rows []store.InboxRow
			for seq := at.Seq + 1; seq <= to.Seq; seq++ {
				rows = append(rows, row(1, seq))
			}
			err = s.Deliver(ctx, name, at, to, rows)
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, store.ErrCursorMoved) {
				return err
			}
		}
	}
	for _, err := range race(deliverer, deliverer, deliverer) {
		must(t, err)
	}
	want(t, "deliveries", won.Load(), lines/step)
	rows := inbox(t, s, name)
	want(t, "rows", len(rows), lines)
	for i, r := range rows {
		want(t, "number", r.Seq, uint64(i+1))
	}
}

// deliverOddTimes: a line's `at` is its origin's claim; one the column cannot hold must not stop the stream.
func deliverOddTimes(t *testing.T, s *store.Store) {
	const name = "610000/notary/downstream"
	from := store.Pos{}
	for i, at := range []time.Time{{}, time.Unix(0, 0), time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2038, 1, 20, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)} {
		to := store.Pos{Gen: 1, Seq: uint64(i + 1)}
		r := row(1, to.Seq)
		r.Occurred = at
		if err := s.Deliver(t.Context(), name, from, to, []store.InboxRow{r}); err != nil {
			t.Errorf("%s: %v", at, err)
		}
		from = to
	}
}

// consumersRaced: several processes run one consumer; each step and what it does happen once.
func consumersRaced(t *testing.T, s *store.Store) {
	ctx := within(t, 60*time.Second)
	const steps = 12
	id := newChain(t, s).id
	var won atomic.Int32
	consumer := func() error {
		for {
			at, err := s.Consumer(ctx, "directory", id)
			if err != nil || at.Seq >= steps {
				return err
			}
			to := store.Pos{Gen: 1, Seq: at.Seq + 1}
			err = s.MoveConsumer(ctx, "directory", id, at, to, func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, "UPDATE fayi_stream SET refused=refused+1 WHERE id=?", id)
				return err
			})
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, store.ErrCursorMoved) {
				return err
			}
		}
	}
	for _, err := range race(consumer, consumer, consumer) {
		must(t, err)
	}
	want(t, "steps", won.Load(), steps)
	want(t, "effects", stream(t, s, id).Refused, steps)
	at, err := s.Consumer(ctx, "another", id)
	must(t, err)
	want(t, "another consumer", at, store.Pos{})

	mine := errors.New("mine")
	end := store.Pos{Gen: 1, Seq: steps}
	err = s.MoveConsumer(ctx, "directory", id, end, store.Pos{Gen: 2, Seq: steps + 1}, func(context.Context, *sql.Tx) error { return mine })
	at, rerr := s.Consumer(ctx, "directory", id)
	must(t, rerr)
	if !errors.Is(err, mine) || at != end {
		t.Errorf("also failed, yet at %v: %v", at, err)
	}
	if err := s.MoveConsumer(ctx, "directory", id, end, end, nil); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("nowhere: %v", err)
	}
}

func tallies(t *testing.T, s *store.Store) {
	ctx := t.Context()
	add := func(ts ...store.Tally) error {
		return s.InTx(ctx, func(tx *sql.Tx) error { return s.AddTallies(ctx, tx, ts) })
	}
	one := store.Tally{Source: "tallied", Type: "lawyer", Accepted: 3, Rejected: 1}
	two := store.Tally{Source: "tallied", Type: "notary", Unchanged: 2}
	for _, err := range race(func() error { return add(one, two) }, func() error { return add(one) }) {
		must(t, err)
	}
	list, err := s.Tallies(ctx)
	must(t, err)
	want(t, "tallies", list, []store.Tally{{Source: "tallied", Type: "lawyer", Accepted: 6, Rejected: 2}, two})
}

// clock is a monotonic clock the test moves by hand.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Duration   { return time.Duration(c.at.Load()) }
func (c *clock) pass(d time.Duration) { c.at.Add(int64(d)) }
func (c *clock) give(l *store.Lease)  { l.Now = c.now }

func leaseTakeover(t *testing.T, s *store.Store) {
	ctx := t.Context()
	var ca, cb clock // two hosts whose clocks have nothing to do with each other
	ca.pass(1000 * time.Hour)
	a, b := store.NewLease(s, "lease", "host"), store.NewLease(s, "lease", "host") // one configuration, two processes
	ca.give(a)
	cb.give(b)
	try := func(what string, l *store.Lease, held bool) {
		t.Helper()
		got, err := l.Try(ctx)
		must(t, err)
		want(t, what, got, held)
		want(t, what+", asked again", l.Held(), held)
	}
	try("a takes it", a, true)
	try("b finds it taken", b, false)
	for range 10 { // far longer than the timeout, but a goes on beating
		cb.pass(500 * time.Millisecond)
		ca.pass(500 * time.Millisecond)
		try("a keeps it", a, true)
		try("b waits", b, false)
	}
	ca.pass(store.LeaseTimeout)
	want(t, "a, silent for the timeout, does not believe itself", a.Held(), false)
	cb.pass(store.LeaseTimeout - time.Millisecond)
	try("b waits to the last", b, false)
	cb.pass(time.Millisecond)
	try("b takes over", b, true)
	try("a has lost it", a, false)
	try("b keeps it", b, true)
	must(t, a.Release(ctx))
	try("a cannot release what b holds", b, true)
	must(t, b.Release(ctx))
	want(t, "b gave it back", b.Held(), false)
	try("a need not wait", a, true)
	want(t, "who held it before a", a.From(), "host")
	want(t, "who held it before b, of another process", b.From(), "host")

	stopped := store.NewLease(s, "", "host")
	if _, err := stopped.Try(ctx); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("no name: %v", err)
	}
}

// leaseRaced: of many challengers of a dead holder exactly one takes over.
func leaseRaced(t *testing.T, s *store.Store) {
	ctx := within(t, 60*time.Second)
	var c clock
	for round := range 5 {
		dead := store.NewLease(s, "raced", "dead")
		c.give(dead)
		for held := false; !held; c.pass(store.LeaseTimeout) {
			var err error
			held, err = dead.Try(ctx)
			must(t, err)
		}
		var won atomic.Int32
		var fns []func() error
		for i := range 4 {
			l := store.NewLease(s, "raced", fmt.Sprint("host", i))
			c.give(l)
			held, err := l.Try(ctx)
			must(t, err)
			want(t, "held at first sight", held, false)
			fns = append(fns, func() error {
				held, err := l.Try(ctx)
				if held {
					won.Add(1)
				}
				return err
			})
		}
		c.pass(store.LeaseTimeout)
		for _, err := range race(fns...) {
			must(t, err)
		}
		want(t, fmt.Sprintf("round %d: holders", round), won.Load(), 1)
	}
}

func idempotency(t *testing.T, s *store.Store) {
	ctx := t.Context()
	remember := func(key, request string, answer []byte) (existing []byte, err error) {
		err = s.InTx(ctx, func(tx *sql.Tx) (err error) {
			existing, err = s.Remember(ctx, tx, hash(key), hash(request), answer)
			return err
		})
		return existing, err
	}
	got, err := remember("k", "r", []byte("answer"))
	must(t, err)
	if got != nil {
		t.Errorf("a new key has the answer %q", got)
	}
	got, err = remember("k", "r", []byte("another answer"))
	must(t, err)
	want(t, "again", got, []byte("answer"))
	if _, err = remember("k", "other", nil); !errors.Is(err, store.ErrKeyReused) {
		t.Errorf("another request: %v", err)
	}
	_, err = remember("empty", "r", nil)
	must(t, err)
	got, err = remember("empty", "r", nil)
	must(t, err)
	if got == nil {
		t.Error("an empty answer looks like none")
	}

	var first atomic.Int32
	fn := func() error {
		got, err := remember("raced", "r", []byte("x"))
		if err == nil && got == nil {
			first.Add(1)
		}
		return err
	}
	for _, err := range race(fn, fn, fn, fn) {
		must(t, err)
	}
	want(t, "first of four", first.Load(), 1)

	_, err = s.PurgeRemembered(ctx, time.Now().Add(-time.Hour).UnixMicro())
	must(t, err)
	got, err = remember("k", "r", nil)
	must(t, err)
	want(t, "still remembered", got, []byte("answer"))
	n, err := s.PurgeRemembered(ctx, time.Now().Add(time.Hour).UnixMicro())
	must(t, err)
	if n < 3 {
		t.Errorf("%d forgotten", n)
	}
	got, err = remember("k", "r", nil)
	must(t, err)
	if got != nil {
		t.Errorf("a forgotten key has the answer %q", got)
	}
}

func events(t *testing.T, s *store.Store) {
	ctx := t.Context()
	for i := range 5 {
		must(t, s.AddEvent(ctx, store.Event{At: int64(i + 1), Level: "warn", Code: "GAP", Stream: "610800/lawyer/upstream", Peer: "610000",
			Detail: strings.Repeat("缺", 1400)}))
	}
	list, err := s.Events(ctx, 0, 3)
	must(t, err)
	want(t, "bounded", len(list), 3)
	want(t, "event", list[0], store.Event{ID: list[0].ID, At: 1, Level: "warn", Code: "GAP", Stream: "610800/lawyer/upstream", Peer: "610000",
		Detail: strings.Repeat("缺", 1365)}) // 4,096 bytes cut at a character
	rest, err := s.Events(ctx, list[2].ID, 100)
	must(t, err)
	want(t, "the rest", len(rest), 2)
	n, err := s.PurgeEvents(ctx, 4)
	must(t, err)
	want(t, "purged", n, 3)
	must(t, s.AddEvent(ctx, store.Event{Code: "NOW"}))
	list, err = s.Events(ctx, rest[1].ID, 100)
	must(t, err)
	if len(list) != 1 || time.Since(time.UnixMicro(list[0].At)).Abs() > time.Minute {
		t.Errorf("events after the purge: %+v", list)
	}
}
