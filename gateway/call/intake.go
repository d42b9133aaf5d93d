package call

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"fayi/gateway/problem"
)

// What strangers may make a node hold before they are known: bytes of requests
// that were not answered yet, and connections that hardly move.
const (
	maxInHand = 64 << 20         // bytes of all requests in hand; more are BUSY
	grace     = 10 * time.Second // a request may take this long, and longer only as its bytes come
	minPace   = 8 << 10          // bytes a second
	busyPause = time.Second      // what BUSY asks for
)

// inflow is one request's bytes: counted against what all requests may hold
// together, and cut off where they only drip.
type inflow struct {
	body    io.Reader
	inHand  *atomic.Int64
	conn    *http.ResponseController
	started time.Time
	grace   time.Duration
	size    int64
}

func (f *inflow) Read(p []byte) (int, error) {
	// Not every writer has a deadline to set; the server's own limit stands then.
	f.conn.SetReadDeadline(f.started.Add(f.grace + time.Duration(f.size)*time.Second/minPace))
	n, err := f.body.Read(p)
	f.size += int64(n)
	if f.inHand.Add(int64(n)) > maxInHand {
		return n, &problem.Error{Code: problem.Busy, Detail: "requests in hand", RetryAfter: busyPause}
	}
	return n, err
}

// done ends the reading: what follows on the connection has its own time.
func (f *inflow) done() { f.conn.SetReadDeadline(time.Time{}) }

// release gives the bytes back once the request was answered.
func (f *inflow) release() { f.inHand.Add(-f.size) }
