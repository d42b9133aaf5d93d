package replicate

import (
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	"fayi/crypto/seal"
	"fayi/gateway/call"
	"fayi/gateway/problem"
	"fayi/gateway/store"
)

// Link is a neighbour this node dials. A neighbour that dials us needs no link:
// it is admitted by the directory.
type Link struct {
	Peer string
	URL  string // scheme://host:port, local configuration: never taken from data
	Push bool   // give it what we owe it
	Poll bool   // ask it for what it owes us

	breaker breaker
	in, out [every]window // by lane

	mu     sync.Mutex
	ok     time.Time // last answer that could be trusted
	code   string    // of the last failure
	detail string
	told   time.Time         // when the peer's absence was last made an event
	away   bool              // and it was not yet said that it came back
	stuck  map[string]string // streams the other side cannot take or give, with the code
	saved  time.Time         // when the store was last told
}

// LinkState is what an operator sees of a link.
type LinkState struct {
	Peer     string    `json:"peer"`
	URL      string    `json:"url"`
	Push     bool      `json:"push"`
	Poll     bool      `json:"poll"`
	Breaker  string    `json:"breaker"`          // closed, open, half_open
	Changed  time.Time `json:"breaker_since"`    //
	Since    time.Time `json:"last_ok,omitzero"` // last answer that could be trusted
	Failures int       `json:"failures"`         // in a row
	Code     string    `json:"code,omitempty"`   // of the last failure
	Detail   string    `json:"detail,omitempty"`
	RetryAt  time.Time `json:"retry_at,omitzero"`
	Window   int64     `json:"window"` // bytes of bodies a bulk push may carry now
	// Stuck names streams that rest because one side could not take them, with the code.
	Stuck map[string]string `json:"stuck,omitempty"`
}

// State returns a copy.
func (l *Link) State() LinkState {
	s := LinkState{Peer: l.Peer, URL: l.URL, Push: l.Push, Poll: l.Poll, Window: l.out[bulk].bytes()}
	l.breaker.lock()
	s.Breaker, s.Changed, s.Failures, s.RetryAt = l.breaker.state, l.breaker.since, l.breaker.failures, l.breaker.retryAt
	l.breaker.mu.Unlock()
	if time.Now().After(s.RetryAt) {
		s.RetryAt = time.Time{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Since, s.Stuck = l.ok, maps.Clone(l.stuck)
	if s.Failures > 0 {
		s.Code, s.Detail = l.code, l.detail
	}
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

// enter waits until the peer may be called, and is what every loop does before
// it gathers anything to send. The loop that finds the breaker due for a probe
// introduces this node to the peer, which also brings each side the other's
// newest keys.
func (l *Link) enter(ctx context.Context, e *Engine) error {
	for {
		probe, err := l.breaker.enter(ctx)
		if !probe || err != nil {
			return err
		}
		if err := l.Introduce(ctx, e); ctx.Err() != nil {
			l.breaker.released()
			return ctx.Err()
		} else if err == nil {
			return nil
		}
		l.breaker.released() // where the fault was this node's own, nothing else has said so
	}
}

// Heard says that the peer called this node: one that was away is tried again.
func (l *Link) Heard() { l.breaker.heard() }

// do calls the peer and keeps the link's state.
func (l *Link) do(ctx context.Context, e *Engine, op string, args any, frames []seal.Frame, result any) ([]seal.Frame, error) {
	back, err := e.Client.Do(ctx, l.URL, l.Peer, op, args, frames, result)
	if ctx.Err() != nil {
		return back, err
	}
	wait := problem.RetryAfter(err)
	switch {
	case err == nil:
		l.mu.Lock()
		l.ok = time.Now()
		l.mu.Unlock()
		l.tell(ctx, e, l.breaker.ok(), false)
	case wait > 0:
		l.breaker.later(wait)
	default:
		d := problem.Documented(err)
		l.mu.Lock()
		l.code, l.detail = d.Code, d.Detail
		l.mu.Unlock()
		e.Log.DebugContext(ctx, "peer call failed", "peer", l.Peer, "op", op, "err", err)
		l.tell(ctx, e, false, l.breaker.failed())
	}
	return back, err
}

// A peer that comes and goes makes an event at most once in tellEvery; the store
// is told of a good link every saveEvery, and of every change at once.
const (
	tellEvery = time.Minute
	saveEvery = 30 * time.Second
)

// tell makes changes of the link visible beyond this process.
func (l *Link) tell(ctx context.Context, e *Engine, back, away bool) {
	now := time.Now()
	l.mu.Lock()
	code, detail := l.code, l.detail
	tellAway := away && now.Sub(l.told) > tellEvery
	tellBack := back && l.away
	if tellAway {
		l.told, l.away = now, true
	}
	if tellBack {
		l.away = false
	}
	save := back || away || now.Sub(l.saved) > saveEvery
	if save {
		l.saved = now
	}
	l.mu.Unlock()
	if tellAway {
		e.alarm(ctx, problem.PeerAway, "", l.Peer, strings.TrimSpace(code+" "+detail))
	}
	if tellBack {
		e.note(ctx, problem.PeerBack, "", l.Peer, "")
	}
	if !save {
		return
	}
	s := l.State()
	micros := func(t time.Time) int64 {
		if t.IsZero() {
			return 0
		}
		return t.UnixMicro()
	}
	err := e.Store.SaveLink(ctx, store.Link{
		Peer: l.Peer, State: s.Breaker, Code: s.Code, Detail: s.Detail, Failures: s.Failures,
		Since: micros(s.Changed), OK: micros(s.Since), Retry: micros(s.RetryAt), Now: now.UnixMicro(),
	})
	if err != nil && ctx.Err() == nil {
		e.Log.WarnContext(ctx, "link state not kept", "peer", l.Peer, "err", err)
	}
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
