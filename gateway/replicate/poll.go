package replicate

import (
	"cmp"
	"context"
	"slices"
	"time"

	"fayi/crypto/sign"
	"fayi/gateway/call"
	"fayi/gateway/problem"
	"fayi/gateway/store"
)

// Poller asks one peer for what it owes this node. It is used by one goroutine.
type Poller struct {
	e     *Engine
	link  *Link
	ack   bool // sign receipts for what is stored, and send them
	token string
	full  time.Time            // when everything was last asked for
	heads map[string]sign.Head // where the peer says streams end, still to fetch
	start map[string]store.Head
	wait  map[string]time.Time
}

// fullEvery is how often a poller asks for the whole list: heads are a hint.
const fullEvery = 10 * time.Minute

// Poll runs until ctx ends: it waits at the peer for streams that changed and
// fetches them. Asking acknowledges nothing; receipts are sent on their own.
func (e *Engine) Poll(ctx context.Context, link *Link) {
	p := e.NewPoller(link, true)
	introduced := false
	var pause time.Duration
	for ctx.Err() == nil {
		err := error(nil)
		if !introduced {
			err = link.Introduce(ctx, e)
			introduced = err == nil
		}
		if err == nil {
			_, err = p.Step(ctx, true)
		}
		if err != nil {
			pause = link.pause(ctx, pause)
			continue
		}
		pause = 0
	}
}

// NewPoller returns a poller of one link. Without ack nothing it stores is
// acknowledged.
func (e *Engine) NewPoller(link *Link, ack bool) *Poller {
	return &Poller{e: e, link: link, ack: ack, heads: map[string]sign.Head{}, start: map[string]store.Head{}, wait: map[string]time.Time{}}
}

// Step asks for changes and fetches once. With wait it waits at the peer for a
// change if nothing is left to fetch. More says that something is.
func (p *Poller) Step(ctx context.Context, wait bool) (more bool, err error) {
	if err := p.ask(ctx, wait); err != nil {
		return false, err
	}
	if err := p.fetch(ctx); err != nil {
		return false, err
	}
	return len(p.ready()) > 0, nil
}

// ask calls heads and takes in what it answers.
func (p *Poller) ask(ctx context.Context, patient bool) error {
	if time.Since(p.full) > fullEvery {
		p.token, p.full = "", time.Now()
	}
	wait := maxWait
	if len(p.ready()) > 0 || !patient {
		wait = 0
	} else if len(p.heads) > 0 {
		wait = streamPause
	}
	var res headsResult
	if _, err := p.link.do(ctx, p.e, call.OpHeads, headsArgs{p.token, uint64(wait.Milliseconds())}, nil, &res); err != nil {
		p.token = ""
		return err
	}
	p.token = res.Token
	for _, h := range res.Heads {
		p.heads[h.Stream] = h
	}
	for _, n := range res.Notes {
		if err := p.e.Hear(ctx, n); err != nil && problem.Code(err) == problem.Internal {
			return err
		}
	}
	for _, r := range res.Receipts {
		if err := p.e.Believe(ctx, r); err != nil && problem.Code(err) == problem.Internal {
			return err
		}
	}
	return nil
}

// ready lists streams to fetch now, the federation's own first.
func (p *Poller) ready() []string {
	var out []string
	for name := range p.heads {
		if !time.Now().Before(p.wait[name]) {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		sa, _ := sign.ParseStream(a)
		sb, _ := sign.ParseStream(b)
		if d := rank(sa.Type) - rank(sb.Type); d != 0 {
			return d
		}
		if a < b {
			return -1
		}
		return 1
	})
	return out
}

// fetch gets frames of every stream that is behind and stores them.
func (p *Poller) fetch(ctx context.Context) error {
	args := fetchArgs{Streams: []sign.Head{}, MaxBytes: pushBytes}
	for _, name := range p.ready() {
		s, err := sign.ParseStream(name)
		if _, ok := p.e.Directory.Accepts(s, p.link.Peer); err != nil || !ok {
			delete(p.heads, name)
			continue
		}
		have, err := p.have(ctx, name)
		if err != nil {
			return err
		}
		if have == storeHead(p.heads[name]) {
			delete(p.heads, name)
			continue
		}
		if start, ok := p.start[name]; ok {
			have = start
		}
		args.Streams = append(args.Streams, wireHead(name, have))
		if len(args.Streams) == sign.MaxStreams {
			break
		}
	}
	if len(args.Streams) == 0 {
		return nil
	}
	var res fetchResult
	frames, err := p.link.do(ctx, p.e, call.OpFetch, args, nil, &res)
	if err != nil {
		return err
	}
	results, err := p.e.Receive(ctx, p.link.Peer, frames)
	if err != nil {
		return err
	}
	if p.ack {
		if err := p.acknowledge(ctx, results); err != nil {
			return err
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
		if err := p.after(ctx, r, mine); err != nil {
			return err
		}
	}
	return nil
}

func (p *Poller) have(ctx context.Context, name string) (store.Head, error) {
	st, err := p.e.stream(ctx, name)
	if err != nil || st == nil {
		return store.Head{}, err
	}
	return st.Head, nil
}

// after decides what a stream does next: theirs is what the peer said of it,
// mine what became of the frames that came.
func (p *Poller) after(ctx context.Context, theirs, mine StreamResult) error {
	name := theirs.Stream
	if code := cmp.Or(mine.Code, theirs.Code); code != problem.Gap {
		p.link.rest(name, code)
	}
	switch {
	case theirs.Code == problem.Gap || mine.Code == problem.Gap:
		st, err := p.e.stream(ctx, name)
		if err != nil {
			return err
		}
		var h store.Head
		if st != nil && theirs.Code == problem.Gap {
			// Resume from the newest header the peer's generations continue from
			// that is here, whether live or not.
			if h, err = p.e.common(ctx, st.ID, store.Head{Pos: store.Pos{Gen: theirs.Gen, Seq: theirs.Last}, Hash: store.Hash(theirs.Head)}, theirs.Gens, true); err != nil {
				return err
			}
		}
		if start, ok := p.start[name]; ok && start == h {
			p.wait[name] = time.Now().Add(streamPause)
		}
		p.start[name] = h
	case theirs.Code != problem.OK:
		delete(p.heads, name)
	case mine.Code == problem.OK:
		delete(p.start, name)
		delete(p.wait, name)
	case mine.Code == "":
		// The peer has nothing beyond that position, so this node is ahead of it,
		// as of an origin put back to yesterday: rest until it says more.
		delete(p.start, name)
		delete(p.heads, name)
	default:
		p.wait[name] = time.Now().Add(streamPause)
		p.e.Log.WarnContext(ctx, "fetched segment not taken", "peer", p.link.Peer, "stream", name, "code", mine.Code)
	}
	if p.heads[name].Stream != "" && theirs.Code == problem.OK {
		p.heads[name] = sign.Head{Stream: name, Gen: theirs.Gen, Last: theirs.Last, Hash: theirs.Head}
	}
	return nil
}

// acknowledge signs receipts for what was stored and sends them at once; what
// does not arrive is sent again by the link's pusher, since receipts are kept.
func (p *Poller) acknowledge(ctx context.Context, results []StreamResult) error {
	receipts, err := p.e.acknowledgeAll(ctx, results)
	if err != nil || len(receipts) == 0 {
		return err
	}
	var res signedResult
	_, err = p.link.do(ctx, p.e, call.OpReceipt, signedArgs{receipts}, nil, &res)
	return err
}
