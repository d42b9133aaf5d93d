package replicate

import (
	"context"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"fayi/crypto/seal"
	"fayi/gateway/call"
	"fayi/gateway/problem"
)

// Link is a neighbour this node dials. A neighbour that dials us needs no link:
// it is admitted by the directory.
type Link struct {
	Peer string
	URL  string // scheme://host:port, local configuration: never taken from data
	Push bool   // give it what we owe it
	Poll bool   // ask it for what it owes us

	mu    sync.Mutex
	state LinkState
	stuck map[string]string // streams the other side cannot take or give, with the code
}

// LinkState is what an operator sees of a link.
type LinkState struct {
	Peer     string    `json:"peer"`
	URL      string    `json:"url"`
	Push     bool      `json:"push"`
	Poll     bool      `json:"poll"`
	Since    time.Time `json:"last_ok,omitzero"` // last answer that could be trusted
	Failures int       `json:"failures"`         // in a row
	Code     string    `json:"code,omitempty"`   // of the last failure
	Detail   string    `json:"detail,omitempty"`
	RetryAt  time.Time `json:"retry_at,omitzero"`
	// Stuck names streams that rest because one side could not take them, with the code.
	Stuck map[string]string `json:"stuck,omitempty"`
}

// State returns a copy.
func (l *Link) State() LinkState {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state
	s.Peer, s.URL, s.Push, s.Poll = l.Peer, l.URL, l.Push, l.Poll
	s.Stuck = maps.Clone(l.stuck)
	return s
}

// rest notes that a stream could not be taken, or, with OK, that it moves again. News says that it was not known.
func (l *Link) rest(stream, code string) (news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if code == problem.OK {
		delete(l.stuck, stream)
		return false
	}
	if l.stuck == nil {
		l.stuck = map[string]string{}
	}
	news = l.stuck[stream] != code
	l.stuck[stream] = code
	return news
}

// do calls the peer and keeps the link's state.
func (l *Link) do(ctx context.Context, e *Engine, op string, args any, frames []seal.Frame, result any) ([]seal.Frame, error) {
	back, err := e.Client.Do(ctx, l.URL, l.Peer, op, args, frames, result)
	if ctx.Err() != nil {
		return back, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.state = LinkState{Since: time.Now()}
		return back, nil
	}
	d := problem.Documented(err)
	l.state.Failures++
	l.state.Code, l.state.Detail = d.Code, d.Detail
	if l.state.Failures == 1 {
		e.Log.WarnContext(ctx, "peer call failed", "peer", l.Peer, "op", op, "err", err)
	}
	return back, err
}

// Introduce exchanges entries with the peer, so that each side knows the
// other's keys whoever met the directory first.
func (l *Link) Introduce(ctx context.Context, e *Engine) error {
	var res nodeResult
	if _, err := l.do(ctx, e, call.OpNode, nodeArgs{e.lineage(e.me())}, nil, &res); err != nil {
		return err
	}
	e.learnAll(ctx, res.Entries)
	for _, se := range res.Entries {
		// Learner gave them to the directory before the answer was verified; keep them too.
		if err := e.keepEntry(ctx, se); err != nil {
			return err
		}
	}
	return nil
}

// Backoff is the pause before try n (1, 2, …) of something that failed:
// decorrelated jitter between Base and three times the pause before, at most
// Max. It is a pure function of its random source.
type Backoff struct{ Base, Max time.Duration }

// Next returns the pause that follows prev.
func (b Backoff) Next(prev time.Duration, random func(n int64) int64) time.Duration {
	span := 3*max(prev, b.Base) - b.Base
	return min(b.Max, b.Base+time.Duration(random(int64(span)+1)))
}

// linkBackoff paces calls to a peer that cannot be reached.
var linkBackoff = Backoff{Base: 100 * time.Millisecond, Max: 30 * time.Second}

// pause waits before the next try and returns the pause used; it ends early
// with ctx.
func (l *Link) pause(ctx context.Context, prev time.Duration) time.Duration {
	d := linkBackoff.Next(prev, rand.Int64N)
	l.mu.Lock()
	l.state.RetryAt = time.Now().Add(d)
	l.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return d
}
