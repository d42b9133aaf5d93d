package sequencer_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"fayi/crypto/sign"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
	"fayi/outbox"
)

// braked is a source with brakes small enough for a test.
func (b *bench) braked() *sequencer.Sequencer {
	s := b.main()
	s.Brakes = sequencer.Brakes{Floor: 5, DeletePercent: 5, ChangePercent: 20, Window: time.Hour}
	return s
}

func (b *bench) load(s *sequencer.Sequencer, n int) {
	b.t.Helper()
	var rows []row
	for i := range n {
		rows = append(rows, b.consultation(fmt.Sprintf("ZX-%d", i), "1"))
	}
	b.insert(rows...)
	if got := b.drain(s); got != n {
		b.t.Fatalf("a first load of %d keys: %d taken", n, got)
	}
}

func (b *bench) brakes() []store.Brake {
	b.t.Helper()
	list, err := b.Store.Brakes(b.t.Context(), "main")
	if err != nil {
		b.t.Fatal(err)
	}
	return list
}

func (b *bench) decide(refuse bool, op string) int64 {
	b.t.Helper()
	n, err := sequencer.Decide(b.t.Context(), b.Store, "main", "consultation", refuse, op, "tester", b.reader(), false)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *bench) reader() *outbox.Reader {
	r, err := outbox.NewReader(b.Store.DB(), b.d, outbox.Table)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench) waiting() int64 {
	b.t.Helper()
	n, _, err := b.reader().Waiting(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func deletions(from, to int) (rows []row) {
	for i := from; i < to; i++ {
		rows = append(rows, del(fmt.Sprintf("ZX-%d", i)))
	}
	return rows
}

// Deleting more than the limit waits where it is; other types flow past it, and
// so do later rows of the type not; a person lets exactly what waited pass.
func TestBrakeOnDeletions(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.braked()
		stream := name("consultation", sign.Upstream)
		b.load(s, 200) // 5 % are 10
		b.insert(deletions(0, 4)...)
		b.drain(s)
		b.insert(deletions(4, 10)...)
		b.drain(s)
		if n := len(b.stream(stream)); n != 210 || len(b.brakes()) != 0 {
			t.Fatalf("10 of 200 deletions: %d lines, brakes %+v", n, b.brakes())
		}
		b.insert(deletions(10, 11)...) // the eleventh within the hour
		venue := row{recordType: "service_venue", key: "V-1", payload: b.example("service_venue", "V-1", nil)}
		b.insert(venue, b.consultation("ZX-11", "2"))
		if n := b.drain(s); n != 1 {
			t.Errorf("%d rows taken, want the venue alone", n)
		}
		got := b.brakes()
		if len(got) != 1 || got[0].State != store.BrakeHeld || got[0].Why != "deletes" || got[0].Count != 11 || got[0].Limit != 10 || got[0].Live != 200 {
			t.Fatalf("brakes %+v", got)
		}
		if n := len(b.stream(name("service_venue", sign.Upstream))); n != 1 {
			t.Errorf("%d venues", n)
		}
		if b.waiting() != 2 || len(b.rejected()) != 0 {
			t.Errorf("%d wait, %d rejected", b.waiting(), len(b.rejected()))
		}
		// Another process finds the type held, and so does this one after a restart.
		again := b.braked()
		if n := b.drain(again); n != 0 {
			t.Errorf("another process took %d rows", n)
		}
		held, err := sequencer.HeldOf(t.Context(), b.Store, s.Source, b.reader())
		if err != nil || len(held) != 1 || held[0].Waiting["del"] != 1 || held[0].Waiting["put"] != 1 {
			t.Errorf("%+v, %v", held, err)
		}
		if n := b.decide(false, ""); n != 2 {
			t.Errorf("the decision covers %d rows", n)
		}
		b.drain(again)
		if lines := b.stream(stream); len(lines) != 212 || lines[211].title() != "2" || b.waiting() != 0 {
			t.Errorf("%d lines, %d wait", len(lines), b.waiting())
		}
		// The decision is used up: the next deletion waits again, and others still flow.
		b.drain(again)
		b.insert(deletions(12, 13)...)
		b.insert(row{recordType: "service_venue", key: "V-2", payload: b.example("service_venue", "V-2", nil)})
		b.drain(again)
		if got := b.brakes(); len(got) != 1 || got[0].State != store.BrakeHeld || b.waiting() != 1 {
			t.Errorf("brakes %+v, %d wait", got, b.waiting())
		}
		events, err := b.Store.Events(t.Context(), 0, 100)
		alarms := 0
		for _, e := range events {
			if e.Code == "BRAKE" && e.Level == "alarm" {
				alarms++
			}
		}
		if err != nil || alarms != 2 {
			t.Errorf("%d alarms, %v", alarms, err)
		}
	})
}

// Changing keys counts each key once in the window; new keys are no change.
func TestBrakeOnChanges(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.braked()
		stream := name("consultation", sign.Upstream)
		b.load(s, 50)                              // 20 % are 10
		for version := 2; version < 6; version++ { // the same ten keys again and again
			for i := range 10 {
				b.insert(b.consultation(fmt.Sprintf("ZX-%d", i), fmt.Sprint(version)))
			}
			b.drain(s)
		}
		for range 4 { // and a key deleted and made again and again
			b.insert(del("ZX-0"), b.consultation("ZX-0", "6"))
			b.drain(s)
		}
		if len(b.brakes()) != 0 || len(b.stream(stream)) != 98 {
			t.Fatalf("brakes %+v, %d lines", b.brakes(), len(b.stream(stream)))
		}
		b.insert(b.consultation("ZX-20", "2"), b.consultation("ZX-99", "1"))
		b.drain(s)
		got := b.brakes()
		if len(got) != 1 || got[0].Why != "changes" || got[0].Count != 11 || got[0].Limit != 10 || b.waiting() != 2 {
			t.Fatalf("brakes %+v, %d wait", got, b.waiting())
		}
		// Refused: what waited goes to the rejected, whole; what comes later flows.
		b.decide(true, "")
		b.insert(b.consultation("ZX-100", "1"))
		b.drain(s)
		var codes []string
		for _, r := range b.rejected() {
			codes = append(codes, r.Code+" "+string(r.Row.Key))
		}
		if !slices.Equal(codes, []string{"BRAKE ZX-20", "BRAKE ZX-99"}) || b.waiting() != 0 || len(b.brakes()) != 0 {
			t.Errorf("rejected %v, %d wait, brakes %+v", codes, b.waiting(), b.brakes())
		}
		if lines := b.stream(stream); len(lines) != 99 || lines[98].Key != "ZX-100" {
			t.Errorf("%d lines", len(lines))
		}
		if tl := b.tally("main", "consultation"); tl.Accepted != 99 || tl.Rejected != 2 {
			t.Errorf("tally %+v", tl)
		}
	})
}

// A stream whose first batch changes a key it begins: the few keys there are may be changed as often as they like.
func TestBrakeOnNewStream(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.braked()
		b.insert(b.consultation("ZX-0", "1"), b.consultation("ZX-0", "2"), b.consultation("ZX-1", "1"))
		b.drain(s)
		for version := 3; version < 40; version++ {
			b.insert(b.consultation("ZX-0", fmt.Sprint(version)), b.consultation("ZX-1", fmt.Sprint(version)))
			b.drain(s)
		}
		if len(b.brakes()) != 0 || b.waiting() != 0 {
			t.Errorf("brakes %+v, %d wait", b.brakes(), b.waiting())
		}
	})
}

// Only the deletions are refused; the rest of the type flows in its order.
func TestBrakeRefusesOneOperation(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.braked()
		b.load(s, 20)
		b.insert(append(deletions(0, 15), b.consultation("ZX-0", "2"), b.consultation("ZX-200", "1"))...)
		b.drain(s)
		if n := b.decide(true, "del"); n != 15 {
			t.Errorf("the refusal covers %d rows", n)
		}
		b.drain(s)
		if lines := b.stream(name("consultation", sign.Upstream)); len(b.rejected()) != 15 || len(lines) != 22 || b.waiting() != 0 {
			t.Errorf("%d rejected, %d lines, %d wait", len(b.rejected()), len(lines), b.waiting())
		}
		if _, err := sequencer.Decide(t.Context(), b.Store, "main", "consultation", false, "", "tester", b.reader(), false); err != store.ErrNoBrake {
			t.Errorf("deciding what is not held: %v", err)
		}
	})
}

// A long wall of held rows costs the others nothing but a look into the index.
func TestBrakeLetsOthersPassAWall(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.braked()
		b.load(s, 100)
		var rows []row
		for i := range 5000 { // more than two rounds read
			rows = append(rows, b.consultation(fmt.Sprintf("ZX-%d", i%100), fmt.Sprint(i)))
		}
		b.insert(rows...)
		b.insert(row{recordType: "service_venue", key: "V-1", payload: b.example("service_venue", "V-1", nil)})
		if n := b.drain(s); n != 1 || b.waiting() != 5000 {
			t.Errorf("%d taken, %d wait", n, b.waiting())
		}
	})
}
