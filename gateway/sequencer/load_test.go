package sequencer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fayi/crypto/sign"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
	"fayi/outbox"
)

// file is what a test loads: one consultation a row, "K v" each.
type file struct {
	name string
	rows []string

	at   int // the row before which then is called
	then func()
}

// numbered is a file of n keys at one version.
func numbered(n int, version string) file {
	f := file{name: "numbered-" + version}
	for i := range n {
		f.rows = append(f.rows, fmt.Sprintf("ZX-%05d %s", i, version))
	}
	return f
}

// loadFile runs a load of the file with a sequencer; stop, if not 0, breaks off the
// reading of the file after so many rows.
func (b *bench) loadFile(s *sequencer.Sequencer, f file, stop int) (store.Load, error) {
	b.t.Helper()
	hash, err := sequencer.HashFile(strings.NewReader(strings.Join(f.rows, "\n")))
	if err != nil {
		b.t.Fatal(err)
	}
	at, err := b.Store.StartLoad(b.t.Context(), store.Load{File: hash, Source: s.Source.Name, Type: "consultation", Op: "put", Name: f.name})
	if err != nil {
		b.t.Fatal(err)
	}
	l := &sequencer.Loader{Sequencer: s, Load: at, Outboxes: []string{outbox.Table}}
	row := 0
	err = l.Run(b.t.Context(), func() (sequencer.Item, error) {
		switch {
		case row == len(f.rows):
			return sequencer.Item{}, io.EOF
		case stop > 0 && row == stop:
			return sequencer.Item{}, errStop
		}
		if f.then != nil && row == f.at {
			f.then()
		}
		key, version, _ := strings.Cut(f.rows[row], " ")
		row++
		return sequencer.Item{Row: uint64(row), Data: []byte(b.consultation(key, version).payload.(string))}, nil
	})
	after, rerr := b.Store.StartLoad(context.WithoutCancel(b.t.Context()), at)
	if rerr != nil {
		b.t.Fatal(rerr)
	}
	if err == nil && after != l.Load {
		b.t.Errorf("the loader says %+v, the table %+v", l.Load, after)
	}
	return after, err
}

var errStop = errors.New("the file cannot be read further")

// A file is sealed in its order, each record once, however often it is broken
// off and begun again; the faulty go to the rejected, and the same file again
// publishes nothing.
func TestLoadExactlyOnce(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.main()
		f := numbered(6000, "1")
		f.rows[17], f.rows[5500] = "ZX-bad\x01 1", "ZX-"+strings.Repeat("x", 130)+" 1" // keys that are none
		for _, stop := range []int{1, 1500, 1501, 4000} {
			if _, err := b.loadFile(s, f, stop); !errors.Is(err, errStop) {
				t.Fatalf("stopped after %d: %v", stop, err)
			}
		}
		for range 2 {
			at, err := b.loadFile(b.main(), f, 0)
			if err != nil || at.Done != 6000 || at.Accepted != 5998 || at.Rejected != 2 || at.Ended.IsZero() {
				t.Fatalf("%+v, %v", at, err)
			}
		}
		lines := b.stream(name("consultation", sign.Upstream))
		var want []string
		for i, r := range f.rows {
			if i != 17 && i != 5500 {
				want = append(want, r)
			}
		}
		if got := versions(lines, ""); !slices.Equal(got, want) {
			t.Errorf("%d lines of %d, or in another order", len(got), len(want))
		}
		hash, _ := sequencer.HashFile(strings.NewReader(strings.Join(f.rows, "\n")))
		for i, l := range lines {
			row := i + 1
			if i >= 17 {
				row++
			}
			if i >= 5499 {
				row++
			}
			if want := fmt.Sprintf("main:%s:%d", hash, row); l.Ref != want || l.Src != "main" {
				t.Fatalf("line %d of %s has ref %s, want %s", l.Seq, l.Key, l.Ref, want)
			}
		}
		var bad []string
		for _, r := range b.rejected() {
			bad = append(bad, fmt.Sprint(r.Source, " ", r.Row.ID, " ", r.Code))
		}
		if !slices.Equal(bad, []string{"main 18 BAD_KEY", "main 5501 BAD_KEY"}) {
			t.Errorf("rejected %v", bad)
		}
		if tl := b.tally("main", "consultation"); tl.Accepted != 5998 || tl.Rejected != 2 {
			t.Errorf("tally %+v", tl)
		}
	})
}

// What a file says is older than what came through the source's outbox, and
// newer than what an earlier file said.
func TestLoadIsOlderThanTheOutbox(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.main()
		if _, err := b.loadFile(s, file{name: "first", rows: []string{"A 1", "B 1", "C 1", "D 1", "E 1", "E 2"}}, 0); err != nil {
			t.Fatal(err)
		}
		b.insert(b.consultation("A", "live"), del("B"), b.consultation("F", "live"))
		b.drain(s)
		at, err := b.loadFile(s, file{name: "second", rows: []string{"A 2", "B 2", "C 2", "D 1", "F 2", "G 2", "A live"}}, 0)
		if err != nil || at.Superseded != 3 || at.Unchanged != 2 || at.Accepted != 2 {
			t.Errorf("%+v, %v", at, err)
		}
		lines := b.stream(name("consultation", sign.Upstream))
		want := []string{"A 1", "B 1", "C 1", "D 1", "E 1", "E 2", "A live", "B -", "F live", "C 2", "G 2"}
		if got := versions(lines, ""); !slices.Equal(got, want) {
			t.Errorf("the stream holds %v, want %v", got, want)
		}
		checkWas(t, lines)
		// A row that waits is newer too, whichever is sealed first.
		b.insert(b.consultation("G", "live"))
		if _, err := b.loadFile(s, file{name: "third", rows: []string{"G 3", "H 3"}}, 0); err != nil {
			t.Fatal(err)
		}
		b.drain(s)
		lines = b.stream(name("consultation", sign.Upstream))
		if got := versions(lines, "G"); got[len(got)-1] != " live" {
			t.Errorf("G ends as %v", got)
		}
	})
}

// One file loaded twice at once, beside a sequencer that takes live rows of the
// same stream: each record once, and a live one behind two segments at most.
func TestLoadBesideLiveRecords(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		stream := name("consultation", sign.Upstream)
		live := b.main()
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { live.Run(ctx, func() bool { return true }, nil) })
		// Live records, each written once the one before is sealed, so that many of
		// them fall into the load; where the stream ended when each was committed.
		behind := map[string]store.Pos{}
		look := time.NewTicker(3 * time.Millisecond)
		defer look.Stop()
		loaded := make(chan struct{})
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-loaded:
					return
				default:
				}
				key := fmt.Sprintf("LIVE-%d", i)
				b.insert(b.consultation(key, "1"))
				st, err := b.Store.StreamByName(ctx, stream)
				if err == nil {
					behind[key] = st.Pos
				}
				for ctx.Err() == nil && b.waiting() > 0 {
					<-look.C
				}
			}
		})
		f := numbered(10_000, "1")
		var loads sync.WaitGroup
		moved := 0
		var mu sync.Mutex
		for range 2 {
			s := b.main()
			loads.Go(func() {
				for {
					_, err := b.loadFile(s, f, 0)
					if err == nil {
						return
					}
					if !errors.Is(err, store.ErrLoadMoved) {
						t.Error(err)
						return
					}
					mu.Lock()
					moved++
					mu.Unlock()
				}
			})
		}
		loads.Wait()
		close(loaded)
		stop()
		wg.Wait()
		b.drain(b.main())
		lines := b.stream(stream)
		if got := versions(lines, "ZX-"); len(got) != len(f.rows) || !slices.IsSorted(got) {
			t.Errorf("%d lines of %d, or in another order", len(got), len(f.rows))
		}
		segment := map[uint64]int{} // number → segment, of the load's lines
		for _, l := range lines {
			segment[l.Seq] = l.Segment
		}
		checked, most := 0, 0
		for _, l := range lines {
			at, ok := behind[l.Key]
			if !ok || at.Seq == 0 {
				continue
			}
			between := map[int]bool{}
			for seq := at.Seq + 1; seq < l.Seq; seq++ {
				between[segment[seq]] = true
			}
			checked++
			most = max(most, len(between))
			if len(between) > 2 {
				t.Errorf("%s waited behind %d segments", l.Key, len(between))
			}
		}
		t.Logf("%d live records during the load, at most behind %d segments; the loads met %d times", checked, most, moved)
		if checked < 3 {
			t.Errorf("only %d live records fell into the load", checked)
		}
	})
}

// While a row waits in the outbox nothing more of a file is sealed than what is
// being committed, however long its sequencer takes (but for one that never comes).
func TestLoadWaitsForALiveRecord(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		stream := name("consultation", sign.Upstream)
		head := func() store.Pos {
			st, err := b.Store.StreamByName(t.Context(), stream)
			if err != nil {
				t.Fatal(err)
			}
			return st.Pos
		}
		var wg sync.WaitGroup
		var at store.Pos
		f := numbered(12_000, "1")
		f.at = 4000
		f.then = func() {
			b.insert(b.consultation("LIVE", "1"))
			at = head()
			wg.Go(func() { // the row's sequencer comes when nothing moves any more
				look := time.NewTicker(20 * time.Millisecond)
				defer look.Stop()
				for still, before := 0, at; still < 5; {
					<-look.C
					if now := head(); now != before {
						still, before = 0, now
					} else {
						still++
					}
				}
				for b.drain(b.main()) == 0 {
				}
			})
		}
		if _, err := b.loadFile(b.main(), f, 0); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		between := map[int]bool{}
		for _, l := range b.stream(stream) {
			if l.Key == "LIVE" {
				break
			}
			if l.Seq > at.Seq {
				between[l.Segment] = true
			}
		}
		if len(between) > 2 {
			t.Errorf("the live record waited behind %d segments", len(between))
		}
		// Nobody takes the next one: the load goes on.
		b.insert(b.consultation("LIVE", "2"))
		if l, err := b.loadFile(b.main(), numbered(4000, "2"), 0); err != nil || l.Ended.IsZero() {
			t.Errorf("%+v, %v", l, err)
		}
	})
}

// A load that changes too much stops before it does, and goes on once a person
// said so; a type that is held is not loaded either.
func TestLoadBrakes(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.braked()
		if _, err := b.loadFile(s, numbered(100, "1"), 0); err != nil {
			t.Fatal(err)
		}
		f := numbered(100, "2")
		at, err := b.loadFile(s, f, 0)
		var braked *sequencer.Braked
		if !errors.As(err, &braked) || braked.Why != "changes" || braked.Count != 100 || braked.Limit != 20 || at.Done != 0 {
			t.Errorf("%+v, %v", at, err)
		}
		if n := len(b.stream(name("consultation", sign.Upstream))); n != 100 {
			t.Errorf("%d lines", n)
		}
		if at, err = b.loadFile(b.main(), f, 0); err != nil || at.Accepted != 100 { // main has no brakes: a person confirmed
			t.Errorf("%+v, %v", at, err)
		}
	})
}
