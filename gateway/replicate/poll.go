package replicate

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"fayi/crypto/sign"
	"fayi/gateway/call"
	"fayi/gateway/problem"
	"fayi/gateway/store"
)

// Poller asks one peer for what it owes this node.
type Poller struct {
	e    *Engine
	link *Link
	ack  bool // sign receipts for what is stored, and send them

	token string    // of the loop that asks
	full  time.Time // when everything was last asked for

	mu    sync.Mutex
	heads map[string]sign.Head // where the peer says streams end, still to fetch
	start map[string]store.Head
	wait  map[string]time.Time
	more  chan struct{} // heads has something for the bulk lane
}

// fullEvery is how often everything is looked at again: what changes is a hint.
const fullEvery = 10 * time.Minute

// Poll runs until ctx ends: one loop waits at the peer for streams that changed
// and fetches the urgent ones, the other fetches the rest. Asking acknowledges
// nothing; receipts are sent on their own.
func (e *Engine) Poll(ctx context.Context, link *Link) {
	p := e.NewPoller(link, true)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() { defer wg.Done(); p.runBulk(ctx) }()
	for ctx.Err() == nil {
		if link.enter(ctx, e) != nil {
			break
		}
		err := p.ask(ctx, true, urgent)
		if err == nil {
			_, err = p.fetch(ctx, urgent)
		}
		p.wake()
		p.failed(ctx, err)
	}
	wg.Wait()
}

// runBulk fetches what is not urgent whenever there is some.
func (p *Poller) runBulk(ctx context.Context) {
	for ctx.Err() == nil {
		if rest, ok := p.due(bulk); !ok || rest > 0 {
			if !ok {
				rest = fullEvery
			}
			t := time.NewTimer(rest)
			select {
			case <-p.more:
			case <-t.C:
			case <-ctx.Done():
			}
			t.Stop()
			continue
		}
		if p.link.enter(ctx, p.e) != nil {
			return
		}
		rest, err := p.fetch(ctx, bulk)
		p.failed(ctx, err)
		if rest > 0 {
			sleep(ctx, rest)
		}
	}
}

// failed paces a loop after an error that is this node's own; for those of the
// peer there is the breaker.
func (p *Poller) failed(ctx context.Context, err error) {
	if err != nil && problem.Code(err) == problem.Internal && ctx.Err() == nil {
		p.e.Log.ErrorContext(ctx, "poll failed", "peer", p.link.Peer, "err", err)
		sleep(ctx, streamPause)
	}
}

func (p *Poller) wake() {
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// NewPoller returns a poller of one link. Without ack nothing it stores is
// acknowledged.
func (e *Engine) NewPoller(link *Link, ack bool) *Poller {
	return &Poller{e: e, link: link, ack: ack, heads: map[string]sign.Head{}, start: map[string]store.Head{}, wait: map[string]time.Time{},
		more: make(chan struct{}, 1)}
}

// Step asks for changes and fetches once. With wait it waits at the peer for a
// change if nothing is left to fetch. More says that something is. It is for a
// reader with one loop.
func (p *Poller) Step(ctx context.Context, wait bool) (more bool, err error) {
	if err := p.ask(ctx, wait, every); err != nil {
		return false, err
	}
	rest, err := p.fetch(ctx, every)
	if err != nil {
		return false, err
	}
	if rest > 0 {
		sleep(ctx, rest)
	}
	rest, ok := p.due(every)
	return ok && rest == 0, nil
}

// ask calls heads and takes in what it answers. It waits at the peer only if
// nothing of its own lane is due.
func (p *Poller) ask(ctx context.Context, patient bool, l lane) error {
	if time.Since(p.full) > fullEvery {
		p.token, p.full = "", time.Now()
	}
	wait := maxWait
	if rest, ok := p.due(l); !patient || ok && rest == 0 {
		wait = 0
	} else if ok {
		wait = streamPause
	}
	var res headsResult
	if _, err := p.link.do(ctx, p.e, call.OpHeads, headsArgs{p.token, uint64(wait.Milliseconds())}, nil, &res); err != nil {
		p.token = ""
		return err
	}
	p.token = res.Token
	p.mu.Lock()
	for _, h := range res.Heads {
		p.heads[h.Stream] = h
	}
	p.mu.Unlock()
	for _, n := range res.Notes {
		if err := p.e.Hear(ctx, n); err != nil && problem.Code(err) == problem.Internal {
			return err
		}
	}
	for _, r := range res.Receipts {
		if err := p.e.believe(ctx, r, true); err != nil && problem.Code(err) == problem.Internal {
			return err
		}
	}
	return nil
}

// due tells whether a lane has streams to fetch, and how long the first of them
// rests still.
func (p *Poller) due(l lane) (rest time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for name := range p.heads {
		s, _ := sign.ParseStream(name)
		if !l.has(p.e, s.Type) {
			continue
		}
		d := max(p.wait[name].Sub(now), 0)
		if !ok || d < rest {
			rest, ok = d, true
		}
		if rest == 0 {
			break
		}
	}
	return rest, ok
}

// ready lists a lane's streams to fetch now, in the order of ranks, at most as
// many as one call may name. What this node may not have is forgotten.
func (p *Poller) ready(l lane) []string {
	type ranked struct {
		name string
		rank int
	}
	var out []ranked
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for name := range p.heads {
		s, err := sign.ParseStream(name)
		if _, ok := p.e.Directory.Accepts(s, p.link.Peer); err != nil || !ok {
			delete(p.heads, name)
		} else if l.has(p.e, s.Type) && !now.Before(p.wait[name]) {
			out = append(out, ranked{name, p.e.rank(s.Type)})
		}
	}
	slices.SortFunc(out, func(a, b ranked) int { return cmp.Or(a.rank-b.rank, strings.Compare(a.name, b.name)) })
	names := make([]string, min(len(out), sign.MaxStreams))
	for i := range names {
		names[i] = out[i].name
	}
	return names
}

// behind turns streams into what to ask for: from where this node stands, or
// from where a GAP sent it. Those it has whole are forgotten. Told is what the
// peer had said of each by then: the loop that asks may hear more meanwhile.
func (p *Poller) behind(ctx context.Context, names []string) (out []sign.Head, told map[string]sign.Head, err error) {
	streams, err := p.e.Store.StreamsByName(ctx, names)
	if err != nil {
		return nil, nil, err
	}
	have := make(map[string]store.Head, len(streams))
	for _, st := range streams {
		have[st.Name] = st.Head
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out, told = []sign.Head{}, map[string]sign.Head{}
	for _, name := range names {
		at := have[name]
		told[name] = p.heads[name]
		if at == storeHead(p.heads[name]) {
			delete(p.heads, name)
			delete(p.wait, name)
			delete(p.start, name)
			continue
		}
		if start, ok := p.start[name]; ok {
			at = start
		}
		out = append(out, wireHead(name, at))
	}
	return out, told, nil
}

// fetch gets frames of a lane's streams that are behind and stores them. Rest is
// how long the peer asks to wait before the next fetch.
func (p *Poller) fetch(ctx context.Context, l lane) (rest time.Duration, err error) {
	names := p.ready(l)
	if len(names) == 0 {
		return 0, nil
	}
	w := &p.link.in[min(l, bulk)]
	asked, told, err := p.behind(ctx, names)
	if err != nil || len(asked) == 0 {
		return 0, err
	}
	args := fetchArgs{Streams: asked, MaxBytes: uint64(w.bytes())}
	var res fetchResult
	start := time.Now()
	frames, err := p.link.do(ctx, p.e, call.OpFetch, args, nil, &res)
	var size int64
	for i := range frames {
		size += int64(len(frames[i].Body))
	}
	w.took(size, time.Since(start), err != nil)
	if err != nil {
		return 0, err
	}
	results, receipts, err := p.e.Receive(ctx, p.link.Peer, frames, p.ack)
	if err != nil {
		return 0, err
	}
	if len(receipts) > 0 {
		// What does not arrive is sent again by the link's pusher, since receipts are kept.
		var res signedResult
		if _, err := p.link.do(ctx, p.e, call.OpReceipt, signedArgs{receipts}, nil, &res); err != nil {
			return 0, err
		}
	}
	stored := map[string]StreamResult{}
	for _, r := range results {
		stored[r.Stream] = r
	}
	for _, r := range res.Streams {
		mine, taken := stored[r.Stream]
		if bad, unreadable := stored[""]; unreadable && !taken {
			mine.Code = bad.Code // a frame nobody can read was this stream's, or stood before it
		}
		if err := p.after(ctx, told[r.Stream], r, mine); err != nil {
			return 0, err
		}
	}
	return time.Duration(min(res.PollAfter, maxPollAfter)) * time.Millisecond, nil
}

// after decides what a stream does next: theirs is what the peer said of it,
// mine what became of the frames that came. What the peer said of the stream
// since told stands.
func (p *Poller) after(ctx context.Context, told sign.Head, theirs, mine StreamResult) error {
	name := theirs.Stream
	if told.Stream != name {
		return nil // not asked about
	}
	if code := cmp.Or(mine.Code, theirs.Code); code != problem.Gap {
		p.link.rest(name, code)
	}
	gap := theirs.Code == problem.Gap || mine.Code == problem.Gap
	var from store.Head
	if theirs.Code == problem.Gap {
		st, err := p.e.stream(ctx, name)
		if err != nil {
			return err
		}
		if st != nil {
			// Resume from the newest header the peer's generations continue from
			// that is here, whether live or not.
			if from, err = p.e.common(ctx, st.ID, store.Head{Pos: store.Pos{Gen: theirs.Gen, Seq: theirs.Last}, Hash: store.Hash(theirs.Head)}, theirs.Gens, true); err != nil {
				return err
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	news := p.heads[name] != told
	switch {
	case gap:
		if start, ok := p.start[name]; ok && start == from {
			p.wait[name] = time.Now().Add(streamPause)
		}
		p.start[name] = from
	case theirs.Code != problem.OK:
		if !news {
			delete(p.heads, name)
		}
	case mine.Code == problem.OK:
		delete(p.start, name)
		delete(p.wait, name)
	case mine.Code == "":
		// The peer has nothing beyond that position, so this node is ahead of it,
		// as of an origin put back to yesterday: rest until it says more.
		delete(p.start, name)
		if !news {
			delete(p.heads, name)
		}
	default:
		p.wait[name] = time.Now().Add(streamPause)
		p.e.Log.WarnContext(ctx, "fetched segment not taken", "peer", p.link.Peer, "stream", name, "code", mine.Code)
	}
	if !news && p.heads[name].Stream != "" && theirs.Code == problem.OK {
		p.heads[name] = sign.Head{Stream: name, Gen: theirs.Gen, Last: theirs.Last, Hash: theirs.Head}
	}
	return nil
}
