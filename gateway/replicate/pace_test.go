package replicate

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestBackoff: every pause lies between Base and Max, and at most three times
// the one before; the same randomness gives the same pauses.
func TestBackoff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Backoff{Base: time.Duration(rapid.Int64Range(1, 1e9).Draw(t, "base"))}
		b.Max = b.Base + time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "span"))
		seed := rapid.Uint64().Draw(t, "seed")
		one, two := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 1))
		var prev time.Duration
		for range 20 {
			d := b.Next(prev, one.Int64N)
			if d < b.Base || d > b.Max || d > 3*max(prev, b.Base) {
				t.Fatalf("%v after %v with %+v", d, prev, b)
			}
			if again := b.Next(prev, two.Int64N); again != d {
				t.Fatalf("%v, then %v", d, again)
			}
			prev = d
		}
	})
	b := Backoff{Base: time.Second, Max: 10 * time.Second}
	least, most := func(int64) int64 { return 0 }, func(n int64) int64 { return n - 1 }
	if b.Next(0, least) != time.Second || b.Next(time.Second, most) != 3*time.Second || b.Next(9*time.Second, most) != 10*time.Second {
		t.Error("bounds", b.Next(0, least), b.Next(time.Second, most), b.Next(9*time.Second, most))
	}
}

// TestHub: a waiter wakes at the first change after its version, whether it
// came before or after it began to wait, and names what changed.
func TestHub(t *testing.T) {
	h := NewHub()
	start := h.Version()
	h.Stream("a")
	h.Wait(t.Context(), start) // already past: no wait
	if got := h.since(topicStream, start); len(got) != 1 || !got["a"] {
		t.Error(got)
	}
	at := h.Version()
	var wg sync.WaitGroup
	for range 20 {
		wg.Add(1)
		go func() { defer wg.Done(); h.Wait(t.Context(), at) }()
	}
	h.Receipt("610800")
	wg.Wait()
	if len(h.since(topicStream, at)) != 0 || !h.since(topicReceipt, at)["610800"] || len(h.since(topicNote, at)) != 0 {
		t.Error("topics are mixed up")
	}
	h.Stream("a")
	h.Stream("a")
	if got := h.since(topicStream, at); len(got) != 1 {
		t.Error("a stream that changed twice is named once:", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.Wait(ctx, h.Version()) // ends with its context
}

// TestHubToken: a token of another process start, or of none, asks for everything.
func TestHubToken(t *testing.T) {
	h, other := NewHub(), NewHub()
	h.Note("610800")
	if v, ok := h.parse(h.token(1)); !ok || v != 1 {
		t.Error("own token", v, ok)
	}
	for _, token := range []string{"", "1", ":", other.token(1), h.boot, h.boot + ":", h.boot + ":x", h.boot + ":-1", h.boot + ":99999999999999999999", h.boot + ":1:2"} {
		if _, ok := h.parse(token); ok {
			t.Errorf("token %q was taken", token)
		}
	}
}

// TestWaitSystem wakes for the federation's own records only.
func TestWaitSystem(t *testing.T) {
	h := NewHub()
	at := h.Version()
	done := make(chan struct{})
	go func() { defer close(done); h.WaitSystem(t.Context(), at) }()
	h.Stream("610800/lawyer/upstream")
	h.Receipt("610800")
	select {
	case <-done:
		t.Fatal("woke for a business stream")
	default:
	}
	h.Stream("610000/exchange_node/public")
	<-done
}
