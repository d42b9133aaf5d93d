package replicate

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A breaker begins with a probe, lets calls pass once it succeeded, opens after
// three failures in a row, and lets exactly one of many waiters probe.
func TestBreaker(t *testing.T) {
	var b breaker
	enter := func() bool {
		t.Helper()
		probe, err := b.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return probe
	}
	if !enter() || !b.ok() || enter() || b.ok() {
		t.Error("begins with one probe and closes")
	}
	for i := range breakAfter {
		if away := b.failed(); away != (i == breakAfter-1) {
			t.Errorf("failure %d: opened %v", i+1, away)
		}
	}
	if b.state != open || b.failed() {
		t.Error(b.state, "and says so once")
	}
	var probes, passed atomic.Int32
	var wg sync.WaitGroup
	for range 10 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			probe, err := b.enter(t.Context())
			if err != nil {
				t.Error(err)
			}
			if probe {
				probes.Add(1)
				b.ok()
			}
			passed.Add(1)
		}()
	}
	wg.Wait()
	if probes.Load() != 1 || passed.Load() != 10 {
		t.Errorf("%d probes, %d passed", probes.Load(), passed.Load())
	}
}

// A failed probe opens it again; one that was given up leaves it to another; a
// sign of life brings the next one forward, but not again and again.
func TestBreakerProbes(t *testing.T) {
	var b breaker
	if probe, _ := b.enter(t.Context()); !probe {
		t.Fatal("no probe")
	}
	b.released()
	if probe, _ := b.enter(t.Context()); !probe {
		t.Fatal("no second probe")
	}
	b.failed()
	b.later(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.enter(ctx); err == nil {
		t.Fatal("did not wait")
	}
	b.heard()
	if probe, err := b.enter(t.Context()); !probe || err != nil {
		t.Fatal("not probed when heard of", err)
	}
	b.failed()
	b.later(time.Hour)
	b.heard()
	if time.Until(b.retryAt) < time.Minute {
		t.Error("brought forward twice")
	}
}

// Pauses of a peer that stays away grow, stay bounded, and never end before the
// peer's own word.
func TestBreakerPauses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b breaker
		b.ok()
		for range rapid.IntRange(1, 50).Draw(t, "failures") {
			b.failed()
			if b.pause < breakerPause.Base || b.pause > breakerPause.Max || time.Until(b.retryAt) > b.pause {
				t.Fatal(b.pause, time.Until(b.retryAt))
			}
		}
		d := time.Duration(rapid.IntRange(0, 100).Draw(t, "seconds")) * time.Second
		at := b.retryAt
		b.later(d)
		if b.retryAt.Before(at) || time.Until(b.retryAt) < d-time.Second {
			t.Fatal(time.Until(b.retryAt), d)
		}
	})
}

// A window fills a thick line and spares a thin one.
func TestWindow(t *testing.T) {
	var w window
	for range 20 {
		w.took(w.bytes(), 10*time.Millisecond, false)
	}
	if w.bytes() != windowMost {
		t.Error("quick calls:", w.bytes())
	}
	w.took(1, 10*time.Millisecond, false)
	if w.bytes() != windowMost {
		t.Error("a small call says nothing:", w.bytes())
	}
	for range 20 {
		w.took(w.bytes(), 5*time.Second, false)
	}
	if w.bytes() != windowLeast {
		t.Error("slow calls:", w.bytes())
	}
	w.took(w.bytes(), time.Millisecond, false)
	w.took(w.bytes(), time.Millisecond, true)
	if w.bytes() != windowLeast {
		t.Error("a failed call:", w.bytes())
	}
}

// What all loops hold is bounded; the urgent lane does not wait for the other.
func TestMemory(t *testing.T) {
	var m Memory
	var frees []func()
	for {
		got, free := m.try(bulk, 8<<20, 64<<10)
		if got == 0 {
			break
		}
		frees = append(frees, free)
	}
	if len(frees) != bulkMemory/(8<<20) {
		t.Errorf("%d grants", len(frees))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.take(ctx, bulk, 1); err == nil {
		t.Error("over the bound")
	}
	if free, err := m.take(t.Context(), urgent, windowMost); err != nil {
		t.Error(err)
	} else {
		free()
	}
	frees[0]()
	if got, _ := m.try(bulk, 16<<20, 64<<10); got != 8<<20 {
		t.Errorf("%d of what is left", got)
	}
}
