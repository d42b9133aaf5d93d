package inbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway"
	"fayi/gateway/federation"
	"fayi/gateway/inbox"
	"fayi/gateway/join"
	"fayi/gateway/problem"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/outbox/mariadbtest"

	"github.com/google/go-cmp/cmp"
)

const (
	province, city = "610000", "610800"
	consultations  = city + "/consultation/upstream"
	limit          = 60 * time.Second
)

// world is a city that publishes and a province that receives but delivers
// nothing by itself: tests deliver, with deliverers of their own.
type world struct {
	*federation.Federation
	t testing.TB
}

func onBothStores(t *testing.T, test func(t *testing.T, w *world)) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		test(t, newWorld(t, outbox.SQLite, func(_ context.Context, id string) (string, error) { return filepath.Join(dir, id+".db"), nil }))
	})
	t.Run("mariadb", func(t *testing.T) {
		t.Parallel()
		srv := mariadbtest.Start(t)
		test(t, newWorld(t, outbox.MySQL, func(context.Context, string) (string, error) { return srv.Database(t), nil }))
	})
}

func newWorld(t testing.TB, d outbox.Dialect, dsn func(context.Context, string) (string, error)) *world {
	t.Helper()
	f, err := federation.Build(t.Context(), federation.Options{
		Dir: t.TempDir(), Driver: d, DSN: dsn,
		Specs: []federation.Spec{
			{ID: province, Name: sign.Names{Zh: "陕西省司法厅", En: "Shaanxi"}, Role: join.Province},
			{ID: city, Parent: province, Name: sign.Names{Zh: "榆林市司法局", En: "Yulin"}, Role: join.City},
		},
		Adjust: func(c *gateway.Config) { c.Inbox = nil },
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		f.Close()
	})
	return &world{Federation: f, t: t}
}

// put publishes consultations at the city, one transaction and so at most one
// segment a call that waits.
func (w *world) put(keys ...string) {
	w.t.Helper()
	w.publish("consultation", keys, func(key string) string {
		return `{"consultNo":"` + key + `","content":"问 ` + key + `","consultTime":"2026-11-20T09:12:30+08:00","state":"4"}`
	})
}

func (w *world) publish(recordType string, keys []string, data func(key string) string) {
	w.t.Helper()
	err := w.Member(city).Store.InTx(w.t.Context(), func(tx *sql.Tx) error {
		for _, key := range keys {
			if err := outbox.Publish(w.t.Context(), tx, outbox.Record{Type: recordType, Key: key, Payload: []byte(data(key))}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) quiet() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), limit)
	defer cancel()
	if err := w.WaitQuiet(ctx, nil); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) deliverer(types ...string) *inbox.Deliverer {
	return &inbox.Deliverer{Engine: w.Member(province).Node.Engine(), Types: types, Limit: inbox.DefaultLimit}
}

// round delivers once and returns where streams stand now.
func (w *world) round(d *inbox.Deliverer) (applied map[string]map[string]store.Head, full bool) {
	w.t.Helper()
	applied = map[string]map[string]store.Head{}
	full, err := d.Round(w.t.Context(), applied)
	if err != nil {
		w.t.Fatal(err)
	}
	return applied, full
}

// row is a row as the business sees it.
type row struct {
	Stream   string
	Gen, Seq uint64
	Type     string
	Key, Op  string
	Payload  string
}

func (w *world) rows() (out []row) {
	w.t.Helper()
	rs, err := w.Member(province).Store.DB().QueryContext(w.t.Context(), "SELECT stream, gen, seq, record_type, record_key, op, payload FROM exchange_inbox ORDER BY stream, gen, seq")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rs.Close()
	for rs.Next() {
		var r row
		var payload sql.NullString
		if err := rs.Scan(&r.Stream, &r.Gen, &r.Seq, &r.Type, &r.Key, &r.Op, &payload); err != nil {
			w.t.Fatal(err)
		}
		r.Payload = payload.String
		out = append(out, r)
	}
	return out
}

// take is the business: it takes rows and deletes them in one transaction.
func (w *world) take(n int) []row {
	w.t.Helper()
	taken := w.rows()
	taken = taken[:min(n, len(taken))]
	err := w.Member(province).Store.InTx(w.t.Context(), func(tx *sql.Tx) error {
		for _, r := range taken {
			if _, err := tx.ExecContext(w.t.Context(), "DELETE FROM exchange_inbox WHERE stream=? AND gen=? AND seq=?", r.Stream, r.Gen, r.Seq); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return taken
}

// sealed is what the province holds of a stream, as rows of an inbox.
func (w *world) sealed(stream string) (out []row) {
	w.t.Helper()
	m := w.Member(province)
	st, err := m.Store.StreamByName(w.t.Context(), stream)
	if err != nil {
		w.t.Fatal(err)
	}
	segs, err := m.Store.SegmentsAfter(w.t.Context(), st.ID, store.Pos{}, 10000, 1<<30)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range segs {
		_, lines, err := m.Node.Engine().Lines(&segs[i])
		if err != nil {
			w.t.Fatal(err)
		}
		for _, raw := range lines {
			l, err := seal.ParseLine(raw)
			if err != nil {
				w.t.Fatal(err)
			}
			out = append(out, row{stream, segs[i].Gen, l.Seq, st.Type, l.Key, l.Op, string(l.Data)})
		}
	}
	return out
}

// Two deliverers race while records arrive: each line is delivered once.
func TestExactlyOnceUnderRace(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		const batches, each = 30, 10
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 2 {
			d := w.deliverer("*")
			wg.Add(1)
			go func() {
				defer wg.Done()
				hub := d.Engine.Hub
				for ctx.Err() == nil {
					version := hub.Version()
					if _, err := d.Round(ctx, map[string]map[string]store.Head{}); err != nil && ctx.Err() == nil {
						t.Error(err)
						return
					}
					look, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
					hub.Wait(look, version)
					cancel()
				}
			}()
		}
		var taken []row
		for b := range batches {
			var keys []string
			for i := range each {
				keys = append(keys, fmt.Sprintf("ZX-%d-%d", b, i))
			}
			w.put(keys...)
			taken = append(taken, w.take(each/2)...) // the business works meanwhile
		}
		w.quiet()
		want := w.sealed(consultations)
		for deadline := time.Now().Add(limit); ; {
			at, err := w.Member(province).Store.InboxCursor(t.Context(), consultations)
			if err != nil {
				t.Fatal(err)
			}
			if len(want) > 0 && at.Seq == uint64(len(want)) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("delivered to %v of %d", at, len(want))
			}
			w.take(0)
		}
		stop()
		wg.Wait()
		got := append(taken, w.rows()...)
		slices.SortFunc(got, func(a, b row) int { return int(a.Seq) - int(b.Seq) })
		if len(want) != batches*each {
			t.Errorf("%d lines", len(want))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sealed (-), delivered (+):\n%s", diff)
		}
	})
}

// Only configured types are delivered, refused lines are left out, and what a
// round says it reached is where the streams' judged lines end.
func TestWhatIsDelivered(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		w.put("ZX-1", "ZX-2")
		w.publish("law_firm", []string{"none"}, func(string) string { return "{}" }) // rejected at the city
		w.quiet()
		w.sealUnchecked("ZX-BAD", []byte(`{"consultNo":"ZX-BAD"}`))
		w.quiet()
		w.put("ZX-3")
		w.quiet()
		if applied, _ := w.round(w.deliverer("law_firm", "lawyer")); len(applied) != 0 || len(w.rows()) != 0 {
			t.Errorf("types not configured were delivered: %v %v", applied, w.rows())
		}
		applied, full := w.round(w.deliverer("law_firm", "consultation"))
		st, err := w.Member(province).Store.StreamByName(t.Context(), consultations)
		if err != nil {
			t.Fatal(err)
		}
		if full || len(applied) != 1 || applied[city][consultations] != st.Head {
			t.Errorf("reached %v, the copy ends at %v", applied, st.Head)
		}
		var want []row
		for _, r := range w.sealed(consultations) {
			if r.Key != "ZX-BAD" {
				want = append(want, r)
			}
		}
		if diff := cmp.Diff(want, w.rows()); diff != "" || len(want) != 3 {
			t.Errorf("good lines (-), delivered (+):\n%s", diff)
		}
		// "*" is every business type, and never the federation's own.
		if applied, _ := w.round(w.deliverer("*")); len(applied) != 0 || len(w.rows()) != 3 {
			t.Errorf("again: %v, %d rows", applied, len(w.rows()))
		}
	})
}

// sealUnchecked makes the city append a line no honest node would seal.
func (w *world) sealUnchecked(key string, data []byte) {
	w.t.Helper()
	m := w.Member(city)
	st, err := m.Store.StreamByName(w.t.Context(), consultations)
	if err != nil {
		w.t.Fatal(err)
	}
	seg, readers := w.seal(st.Gen, st.Seq+1, sign.Hash(st.Hash), key, data)
	stored, err := replicate.Stored(m.Node.Engine().StoreKey, st.ID, seg, readers)
	if err != nil {
		w.t.Fatal(err)
	}
	end := stored.End().Pos
	if err := m.Store.Append(w.t.Context(), []store.Append{{Stream: st.ID, From: st.Head, Segments: []store.Segment{stored}, Checked: &end}}, nil); err != nil {
		w.t.Fatal(err)
	}
	m.Node.Engine().Hub.Stream(consultations)
}

// seal signs one line in the city's name.
func (w *world) seal(gen, seq uint64, prev sign.Hash, key string, data []byte) (*seal.Segment, []seal.Reader) {
	w.t.Helper()
	e := w.Member(city).Node.Engine()
	pack, _ := e.Schemas().Current("consultation")
	line := seal.AppendLine(nil, &seal.Line{Seq: seq, Key: key, Op: seal.Put, At: sign.Now(), Src: "main", Ref: "main:0:0", Data: data})
	seg, err := seal.Seal(seal.Draft{Stream: consultations, Gen: gen, First: seq, Prev: prev, Schema: pack.Ref(), Time: sign.Now()}, [][]byte{line}, e.Signer)
	if err != nil {
		w.t.Fatal(err)
	}
	name, err := sign.ParseStream(consultations)
	if err != nil {
		w.t.Fatal(err)
	}
	readers, err := replicate.WrapNext(e.Directory, name, seg.Key)
	if err != nil {
		w.t.Fatal(err)
	}
	return seg, readers
}

// At its limit delivery waits, and goes on as the business takes rows; nothing
// is lost or doubled.
func TestFullInboxWaits(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		const n = 12
		for i := range n { // a segment each
			w.put(fmt.Sprintf("ZX-%02d", i))
			w.quiet()
		}
		d := w.deliverer("*")
		d.Limit = 5
		var got []row
		for step := 0; len(got) < n; step++ {
			if step > n {
				t.Fatalf("only %d rows in %d rounds", len(got), step)
			}
			w.round(d)
			if rows := len(w.rows()); rows > d.Limit {
				t.Fatalf("%d rows in an inbox for %d", rows, d.Limit)
			}
			if len(w.rows()) == d.Limit {
				if applied, full := w.round(d); !full || len(applied) != 0 {
					t.Errorf("a full inbox: full %v, reached %v", full, applied)
				}
			}
			got = append(got, w.take(3)...)
		}
		if diff := cmp.Diff(w.sealed(consultations), got); diff != "" {
			t.Errorf("sealed (-), taken (+):\n%s", diff)
		}
		if _, full := w.round(d); full {
			t.Error("an empty inbox is full")
		}
	})
}

// What lies on no live chain any more is not delivered; what was delivered is
// never delivered again, whatever replaced it.
func TestOrphansAreNotDelivered(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		d := w.deliverer("*")
		w.put("ZX-1")
		w.quiet()
		first, err := w.Member(province).Store.StreamByName(t.Context(), consultations)
		if err != nil {
			t.Fatal(err)
		}
		w.put("ZX-2")
		w.quiet()
		w.round(d) // ZX-1 and ZX-2 are delivered
		w.put("ZX-LOST")
		w.quiet() // and this is not
		// The city was put back to where it held only ZX-1, and goes on from there.
		data := []byte(`{"consultNo":"ZX-NEW","content":"问","consultTime":"2026-11-20T09:12:30+08:00","state":"4"}`)
		seg, readers := w.seal(first.Gen+1, first.Seq+1, sign.Hash(first.Hash), "ZX-NEW", data)
		e := w.Member(province).Node.Engine()
		res, _, err := e.Receive(t.Context(), city, []seal.Frame{{Header: seg.Bytes, Sig: seg.Sig, Readers: readers, Body: seg.Body}}, false)
		if err != nil || res[0].Code != problem.OK {
			t.Fatalf("%v %v", res, err)
		}
		applied, _ := w.round(d)
		var got []string
		for _, r := range w.rows() {
			got = append(got, fmt.Sprintf("%d:%d %s", r.Gen-first.Gen, r.Seq, r.Key))
		}
		if want := []string{"0:1 ZX-1", "0:2 ZX-2", "1:2 ZX-NEW"}; !slices.Equal(got, want) {
			t.Errorf("delivered %v, want %v", got, want)
		}
		if h := applied[city][consultations]; h.Gen != first.Gen+1 || h.Seq != 2 {
			t.Errorf("reached %v", h)
		}
	})
}

// A running deliverer acknowledges what it delivered to the origin as applied,
// also what a process before it delivered and could not say.
func TestAppliedReceipts(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		w.put("ZX-1")
		w.quiet()
		d := w.deliverer("consultation")
		w.round(d) // delivered, and then the process ended
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { d.Run(ctx); close(done) }()
		applied := func() uint64 {
			m := w.Member(city)
			st, err := m.Store.StreamByName(t.Context(), consultations)
			if err != nil {
				t.Fatal(err)
			}
			acks, err := m.Store.Acks(t.Context(), st.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range acks {
				if a.Reader == province && a.Level == sign.LevelApplied {
					return a.Seq
				}
			}
			return 0
		}
		await := func(want uint64) {
			t.Helper()
			hub := w.Member(city).Node.Engine().Hub
			for deadline := time.Now().Add(limit); applied() != want; {
				if time.Now().After(deadline) {
					t.Fatalf("applied to %d, never to %d", applied(), want)
				}
				look, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				hub.Wait(look, hub.Version())
				cancel()
			}
		}
		await(1)
		w.put("ZX-2", "ZX-3")
		await(3)
		stop()
		<-done
		if got := len(w.rows()); got != 3 {
			t.Errorf("%d rows", got)
		}
	})
}
