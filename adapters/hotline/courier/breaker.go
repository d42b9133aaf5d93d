package courier

import (
	"sync"
	"time"
)

// breaker leaves a peer alone that keeps failing. It counts in the desk's time, which tests may move.
type breaker struct {
	after int
	cool  time.Duration

	mu    sync.Mutex
	fails int
	auth  int
	until time.Time
}

// open tells whether nothing is to be sent now. Once the cooling is over it lets one through.
func (b *breaker) open(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return now.Before(b.until)
}

// fail counts a failure; true when it opened the breaker.
func (b *breaker) fail(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fails++; b.fails < b.after {
		return false
	}
	b.until = now.Add(b.cool)
	return b.fails == b.after
}

// refused counts a refusal of our identity: the first is tried again with a new session, the second opens.
func (b *breaker) refused(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.auth++; b.auth < 2 {
		return false
	}
	b.until = now.Add(b.cool)
	return true
}

// ok ends a series of failures; true if there was one.
func (b *breaker) ok() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.fails > 0 || b.auth > 0
	b.fails, b.auth, b.until = 0, 0, time.Time{}
	return was
}
