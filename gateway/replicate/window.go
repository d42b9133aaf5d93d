package replicate

import (
	"sync"
	"time"
)

// window is how many bytes of bodies one call of a loop moves. It grows while
// calls are quick and shrinks when they are slow or fail, so that a thin line
// neither holds much memory nor runs into timeouts, and a thick one is filled.
type window struct {
	mu   sync.Mutex
	size int64
}

const (
	windowStart = 256 << 10
	windowLeast = 64 << 10
	windowMost  = pushBytes
	quickCall   = 500 * time.Millisecond
	slowCall    = 2 * time.Second
)

// bytes is what the next call may move.
func (w *window) bytes() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.size == 0 {
		w.size = windowStart
	}
	return w.size
}

// took notes how long a call that moved n bytes took; failed is one that moved
// nothing.
func (w *window) took(n int64, d time.Duration, failed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case failed || d > slowCall:
		w.size = max(w.size/2, windowLeast)
	case d < quickCall && n >= w.size/2:
		w.size = min(w.size*2, windowMost)
	}
}
