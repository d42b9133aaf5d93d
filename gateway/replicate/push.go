package replicate

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/call"
	"fayi/gateway/problem"
	"fayi/gateway/store"
)

// pusher gives one peer what this node owes it on one lane. Its positions come
// from the peer's receipts; what a GAP says only moves where the next push
// starts. It is used by one goroutine.
type pusher struct {
	e    *Engine
	link *Link
	lane lane

	full   time.Time         // when all streams were looked at
	seen   uint64            // hub version up to which those that changed were
	owed   map[string]*owing // streams the peer may lack something of
	passed bool              // all receipts and notes were passed on once,
	pass   uint64            // and those that came up to this hub version
	again  time.Time         // not before then
}

// owing is a stream of which the peer may lack something.
type owing struct {
	st    store.Stream
	stale bool       // its row and the peer's receipts are to be read again
	from  store.Head // where the next push starts
	gap   *store.Head
	rest  time.Time // the peer cannot take it before
}

const (
	// streamPause is how long a stream rests after a peer could not take it.
	streamPause = 500 * time.Millisecond
	// passPause is for how long receipts and notes of others are gathered once some were passed on: at 300 records a
	// second each would travel alone, and cost every node on its way as much as the records it speaks of.
	passPause = 100 * time.Millisecond
)

// Push runs until ctx ends: it sends whatever the peer lacks, then waits for
// something new, on each lane by itself. Positions are durable, so a lost answer
// costs a repetition and nothing else.
func (e *Engine) Push(ctx context.Context, link *Link) {
	known := make(chan struct{}) // closed once the peer has what others are verified with
	var wg sync.WaitGroup
	for _, lane := range []lane{urgent, bulk} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			p := &pusher{e: e, link: link, lane: lane, owed: map[string]*owing{}}
			if lane == bulk {
				select {
				case <-known:
				case <-ctx.Done():
				}
			}
			p.run(ctx, known)
		}()
	}
	wg.Wait()
}

func (p *pusher) run(ctx context.Context, known chan struct{}) {
	for first := p.lane == urgent; ctx.Err() == nil; {
		if p.link.enter(ctx, p.e) != nil {
			return
		}
		version := p.e.Hub.Version()
		more, err := p.round(ctx, version)
		if err != nil {
			if problem.Code(err) == problem.Internal && ctx.Err() == nil {
				p.e.Log.ErrorContext(ctx, "push failed", "peer", p.link.Peer, "err", err)
				sleep(ctx, streamPause)
			}
			continue // the breaker holds the next round back
		}
		if more {
			continue
		}
		if first {
			close(known)
			first = false
		}
		wait := fullEvery
		for _, o := range p.owed {
			wait = min(wait, max(time.Until(o.rest), time.Millisecond))
		}
		if rest := time.Until(p.again); rest > 0 {
			wait = min(wait, rest)
		}
		wctx, cancel := context.WithTimeout(ctx, wait)
		p.e.Hub.Wait(wctx, version)
		cancel()
	}
}

// sleep waits, no longer than ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// round makes at most one push and, on the urgent lane, passes on new receipts
// and notes. More says that it should be called again at once.
func (p *pusher) round(ctx context.Context, version uint64) (more bool, err error) {
	if err := p.look(ctx, version); err != nil {
		return false, err
	}
	if err := p.send(ctx); err != nil {
		return false, err
	}
	if err := p.refresh(ctx); err != nil {
		return false, err
	}
	more = len(p.due()) > 0
	if p.lane == urgent && time.Now().After(p.again) {
		err = p.passOn(ctx, version)
	}
	return more, err
}

// look finds the streams of which the peer lacks something: among those that
// changed, and now and then among all. It asks for many in one query.
func (p *pusher) look(ctx context.Context, version uint64) error {
	if time.Since(p.full) > fullEvery {
		p.full = time.Now()
		streams, err := p.e.Store.Streams(ctx)
		if err != nil {
			return err
		}
		for _, st := range streams {
			if p.carries(st.Name) {
				p.touch(st.Name)
			}
		}
	} else {
		for name := range p.e.Hub.since(topicStream, p.seen) {
			if p.carries(name) {
				p.touch(name)
			}
		}
	}
	p.seen = version
	return p.refresh(ctx)
}

// carries reports whether a stream is the peer's to get on this lane.
func (p *pusher) carries(name string) bool {
	s, err := sign.ParseStream(name)
	return err == nil && p.lane.has(p.e, s.Type) && p.e.Directory.Offers(s, p.link.Peer)
}

func (p *pusher) touch(name string) {
	if o := p.owed[name]; o != nil {
		o.stale = true
		return
	}
	p.owed[name] = &owing{stale: true}
}

// refresh reads again what is stale, and forgets streams the peer has whole.
func (p *pusher) refresh(ctx context.Context) error {
	var names []string
	for name, o := range p.owed {
		if o.stale {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	streams, err := p.e.Store.StreamsByName(ctx, names)
	if err != nil {
		return err
	}
	ids := make([]int64, len(streams))
	for i := range streams {
		ids[i] = streams[i].ID
	}
	acks, err := p.e.Store.AcksBy(ctx, p.link.Peer, ids)
	if err != nil {
		return err
	}
	newest := make(map[int64]store.Ack, len(ids))
	for _, a := range append(acks, p.e.believed.by(p.link.Peer, ids)...) {
		if a.Level != sign.LevelApplied && a.N > newest[a.Stream].N {
			newest[a.Stream] = a
		}
	}
	for i := range streams {
		st := &streams[i]
		o := p.owed[st.Name]
		o.st, o.stale, o.from = *st, false, newest[st.ID].Head
		if o.gap != nil {
			o.from = *o.gap
		}
		if st.Seq == 0 || st.State == stateForked || o.from == st.Head {
			delete(p.owed, st.Name)
		}
	}
	for _, name := range names { // what is not in the store is nothing to send
		if o := p.owed[name]; o != nil && o.stale {
			delete(p.owed, name)
		}
	}
	return nil
}

// due lists what may be sent now, in the order of ranks.
func (p *pusher) due() []*owing {
	now := time.Now()
	var out []*owing
	for _, o := range p.owed {
		if !now.Before(o.rest) {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b *owing) int {
		return cmp.Or(p.e.rank(a.st.Type)-p.e.rank(b.st.Type), cmp.Compare(a.st.ID, b.st.ID))
	})
	return out
}

// send makes one push of at most a window's bytes.
func (p *pusher) send(ctx context.Context) error {
	due := p.due()
	if len(due) == 0 {
		return nil
	}
	w := &p.link.out[p.lane]
	size := w.bytes()
	free, err := p.e.Memory.take(ctx, p.lane, size)
	if err != nil {
		return err
	}
	defer free()
	var frames []seal.Frame
	var bytes int64
	for _, o := range due {
		if bytes >= size || len(frames) >= batchSegments {
			break
		}
		s, err := sign.ParseStream(o.st.Name)
		if err != nil {
			return err
		}
		segs, err := p.e.Store.SegmentsAfter(ctx, o.st.ID, o.from.Pos, batchSegments-len(frames), size-bytes)
		if errors.Is(err, store.ErrBody) { // one damaged file holds up its own stream only
			if p.link.rest(o.st.Name, problem.BodyUnread) {
				p.e.Log.ErrorContext(ctx, "stream cannot be sent", "peer", p.link.Peer, "stream", o.st.Name, "err", err)
			}
			o.rest = time.Now().Add(streamPause)
			continue
		}
		if err != nil {
			return err
		}
		fs, err := p.e.frames(ctx, s, segs, p.link.Peer)
		if err != nil {
			return err
		}
		for i := range segs {
			bytes += int64(len(segs[i].Body))
		}
		o.stale = true // it moves, or something else is true of it than was thought
		if len(segs) == 0 {
			o.rest = time.Now().Add(streamPause)
		}
		frames = append(frames, fs...)
	}
	if len(frames) == 0 {
		return nil
	}
	start := time.Now()
	err = p.push(ctx, frames)
	w.took(bytes, time.Since(start), err != nil)
	return err
}

func (p *pusher) push(ctx context.Context, frames []seal.Frame) error {
	var res pushResult
	if _, err := p.link.do(ctx, p.e, call.OpPush, nil, frames, &res); err != nil {
		return err
	}
	for _, r := range res.Receipts {
		if err := p.e.believe(ctx, r, true); err != nil && problem.Code(err) == problem.Internal {
			return err
		}
	}
	for _, r := range res.Streams {
		if err := p.after(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// after takes what the peer said of one stream: a good end is looked up in its
// receipt; GAP says where to begin; anything else rests the stream.
func (p *pusher) after(ctx context.Context, r StreamResult) error {
	o := p.owed[r.Stream]
	if o == nil {
		return nil // not asked about
	}
	news := r.Code != problem.Gap && p.link.rest(r.Stream, r.Code)
	switch r.Code {
	case problem.OK:
		o.gap = nil
		p.moved(o)
	case problem.Gap:
		h, err := p.e.common(ctx, o.st.ID, store.Head{Pos: store.Pos{Gen: r.Gen, Seq: r.Last}, Hash: store.Hash(r.Head)}, r.Gens, false)
		if err != nil {
			return err
		}
		if o.gap != nil && *o.gap == h {
			o.rest = time.Now().Add(streamPause) // it did not help: do not spin
		}
		o.gap = &h
	default:
		o.rest = time.Now().Add(streamPause)
		if news {
			p.e.Log.WarnContext(ctx, "peer did not take stream", "peer", p.link.Peer, "stream", r.Stream, "code", r.Code)
		}
	}
	return nil
}

// moved takes from the peer's receipt, which was just verified, how far it has the
// stream as it was read for this push. What came meanwhile is news of the hub.
func (p *pusher) moved(o *owing) {
	for _, a := range p.e.believed.by(p.link.Peer, []int64{o.st.ID}) {
		if a.Level != sign.LevelApplied && a.Head == o.st.Head {
			o.from, o.stale = a.Head, false
			delete(p.owed, o.st.Name)
		}
	}
}

// common finds the newest header both sides hold: the other's head where it is
// on this node's live chain, else the newest generation's prev that is; with
// orphans, one that this node holds beside its live chain will do.
func (e *Engine) common(ctx context.Context, stream int64, theirs store.Head, gens []Generation, orphans bool) (store.Head, error) {
	if on, err := e.onChain(ctx, stream, theirs); err != nil || on {
		return theirs, err
	}
	for _, g := range slices.Backward(gens) {
		seg, err := e.Store.SegmentByHash(ctx, stream, store.Hash(g.Prev))
		if err != nil {
			return store.Head{}, err
		}
		if seg != nil && (seg.Live || orphans) {
			return store.Head{Pos: store.Pos{Gen: seg.Gen, Seq: seg.Last()}, Hash: seg.Hash}, nil
		}
	}
	return store.Head{}, nil
}

// passOn sends receipts and notes that became new since the last round.
func (p *pusher) passOn(ctx context.Context, version uint64) error {
	var origins, nodes map[string]bool // nil: all, after a start
	if p.passed {
		origins, nodes = p.e.Hub.since(topicReceipt, p.pass), p.e.Hub.since(topicNote, p.pass)
	}
	receipts, err := p.e.receiptsTowards(ctx, p.link.Peer, origins)
	if err != nil {
		return err
	}
	notes, err := p.e.notesFor(ctx, p.link.Peer, nodes)
	if err != nil {
		return err
	}
	for op, items := range map[string][]Signed{call.OpReceipt: receipts, call.OpNote: notes} {
		for chunk := range slices.Chunk(items, maxItems) {
			var res signedResult
			if _, err := p.link.do(ctx, p.e, op, signedArgs{chunk}, nil, &res); err != nil {
				return err
			}
		}
	}
	p.passed, p.pass = true, version
	if len(receipts)+len(notes) > 0 {
		p.again = time.Now().Add(passPause)
	}
	return nil
}
