package call

import (
	"sync"
	"time"

	"fayi/gateway/problem"

	"golang.org/x/time/rate"
)

// Limit is what one caller may ask of this node. A burst is what it may have
// saved up. Zero means the default.
type Limit struct {
	Requests int   // a second
	Bytes    int64 // of its requests, a second
}

// DefaultLimit leaves room for what a province's busiest hour needs many times
// over: it stops loops and floods, not work.
var DefaultLimit = Limit{Requests: 200, Bytes: 64 << 20}

// burst is how many seconds' worth a caller may have saved up.
const burst = 4

// limits hold one pair of token buckets for each caller whose signature held;
// there are never more than nodes that may call.
type limits struct {
	mu sync.Mutex
	of map[string]*buckets
}

type buckets struct{ requests, bytes *rate.Limiter }

// take charges a caller for one request. Over the limit it returns
// RATE_LIMITED with the time after which the caller is welcome again; the
// request then costs nothing.
func (l *limits) take(caller string, size int64, allowed Limit, now time.Time) error {
	if allowed.Requests <= 0 {
		allowed.Requests = DefaultLimit.Requests
	}
	if allowed.Bytes <= 0 {
		allowed.Bytes = DefaultLimit.Bytes
	}
	l.mu.Lock()
	b := l.of[caller]
	if b == nil || b.requests.Limit() != rate.Limit(allowed.Requests) || b.bytes.Limit() != rate.Limit(allowed.Bytes) {
		b = &buckets{
			rate.NewLimiter(rate.Limit(allowed.Requests), burst*allowed.Requests),
			rate.NewLimiter(rate.Limit(allowed.Bytes), int(max(burst*allowed.Bytes, MaxMessage))),
		}
		if l.of == nil {
			l.of = map[string]*buckets{}
		}
		l.of[caller] = b
	}
	l.mu.Unlock()
	requests, bytes := b.requests.ReserveN(now, 1), b.bytes.ReserveN(now, int(size))
	if wait := max(requests.DelayFrom(now), bytes.DelayFrom(now)); wait > 0 {
		requests.CancelAt(now)
		bytes.CancelAt(now)
		return &problem.Error{Code: problem.RateLimited, Detail: caller, RetryAfter: wait}
	}
	return nil
}
