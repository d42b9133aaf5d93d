package replicate

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// breaker keeps a link's loops from spending anything on a peer that is away.
// It opens after breakAfter failures in a row; then, after a pause that grows
// with jitter, one loop probes while the others go on waiting. It begins by
// probing, since a peer has to be introduced first. Whoever waits holds no
// frames and asks nobody.
type breaker struct {
	mu       sync.Mutex
	state    string
	failures int
	since    time.Time // of state
	retryAt  time.Time // no call before
	pause    time.Duration
	heardAt  time.Time // when a sign of life last brought a probe forward
	changed  chan struct{}
}

// States of a breaker.
const (
	closed   = "closed"    // calls pass
	open     = "open"      // calls wait until the pause is over
	halfOpen = "half_open" // one loop probes
)

const (
	breakAfter = 3
	heardEvery = 10 * time.Second
)

// breakerPause paces probes of a peer that cannot be reached, and the tries
// before the breaker opens.
var breakerPause = Backoff{Base: 100 * time.Millisecond, Max: 30 * time.Second}

// lock begins every method; a breaker that was never used is open.
func (b *breaker) lock() {
	b.mu.Lock()
	if b.state == "" {
		b.state, b.since, b.changed = open, time.Now(), make(chan struct{})
	}
}

// set moves to a state and wakes who waits. Callers hold the lock.
func (b *breaker) set(state string) {
	if b.state != state {
		b.state, b.since = state, time.Now()
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

// enter waits until a call may be made or ctx ends. probe says that the caller
// is the one to probe; it must report with probed.
func (b *breaker) enter(ctx context.Context) (probe bool, err error) {
	for {
		b.lock()
		wait := time.Until(b.retryAt)
		if wait <= 0 && b.state != halfOpen {
			probe := b.state == open
			if probe {
				b.set(halfOpen)
			}
			b.mu.Unlock()
			return probe, ctx.Err()
		}
		changed := b.changed
		b.mu.Unlock()
		if wait <= 0 {
			wait = time.Minute // a prober is at work, and says so when it is done
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-changed:
		case <-ctx.Done():
		}
		t.Stop()
		if err := ctx.Err(); err != nil {
			return false, err
		}
	}
}

// ok notes an answer that could be trusted; it tells whether the breaker closed.
func (b *breaker) ok() (back bool) {
	b.lock()
	defer b.mu.Unlock()
	b.failures, b.pause = 0, 0
	if b.state == closed {
		return false
	}
	b.retryAt = time.Time{}
	b.set(closed)
	return true
}

// failed notes a call without such an answer; it tells whether the breaker
// opened for it.
func (b *breaker) failed() (away bool) {
	b.lock()
	defer b.mu.Unlock()
	b.failures++
	b.pause = breakerPause.Next(b.pause, rand.Int64N)
	b.retryAt = time.Now().Add(b.pause)
	switch {
	case b.state == halfOpen:
		b.set(open)
	case b.state == closed && b.failures >= breakAfter:
		b.set(open)
	}
	return b.state == open && b.failures == breakAfter
}

// released gives up a probe that came to no answer because its context ended.
func (b *breaker) released() {
	b.lock()
	defer b.mu.Unlock()
	if b.state == halfOpen {
		b.set(open)
	}
}

// later keeps calls back as the peer asked; that is no failure.
func (b *breaker) later(d time.Duration) {
	b.lock()
	defer b.mu.Unlock()
	if at := time.Now().Add(d); at.After(b.retryAt) {
		b.retryAt = at
	}
}

// heard says that the peer was heard of on another way: if it is waited for,
// it is probed now.
func (b *breaker) heard() {
	b.lock()
	defer b.mu.Unlock()
	if b.state == open && time.Since(b.heardAt) > heardEvery {
		b.heardAt, b.retryAt, b.pause = time.Now(), time.Time{}, 0
		b.set(open)
	}
}
