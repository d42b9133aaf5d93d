package replicate

import (
	"context"
	"errors"
	"slices"
	"time"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/call"
	"fayi/gateway/problem"
	"fayi/gateway/store"
)

// pusher gives one peer what this node owes it. Its positions come from the
// peer's receipts; what a GAP says only moves where the next push starts.
type pusher struct {
	e    *Engine
	link *Link

	acked map[string]store.Head // by the peer's receipts
	start map[string]store.Head // where GAP told us to begin
	wait  map[string]time.Time  // streams the peer cannot take yet
	seen  uint64                // hub version up to which receipts and notes were passed on
	first bool
}

// streamPause is how long a stream rests after a peer could not take it.
const streamPause = 500 * time.Millisecond

// Push runs until ctx ends: it sends whatever the peer lacks, then waits for
// something new. Positions are durable, so a lost answer costs a repetition and
// nothing else.
func (e *Engine) Push(ctx context.Context, link *Link) {
	p := &pusher{e: e, link: link, acked: map[string]store.Head{}, start: map[string]store.Head{}, wait: map[string]time.Time{}, first: true}
	var pause time.Duration
	for ctx.Err() == nil {
		version := e.Hub.Version()
		more, err := p.round(ctx, version)
		if err != nil {
			pause = link.pause(ctx, pause)
			continue
		}
		pause = 0
		if more {
			continue
		}
		// Another process of this node may seal too: look again now and then.
		idle := time.Second
		if len(p.wait) > 0 {
			idle = streamPause
		}
		wctx, cancel := context.WithTimeout(ctx, idle)
		e.Hub.Wait(wctx, version)
		cancel()
	}
}

// round makes at most one push and passes on new receipts and notes. More says
// that it should be called again at once.
func (p *pusher) round(ctx context.Context, version uint64) (more bool, err error) {
	if p.first {
		if err := p.link.Introduce(ctx, p.e); err != nil {
			return false, err
		}
		p.first = false
	}
	owed, err := p.owed(ctx)
	if err != nil {
		return false, err
	}
	var frames []seal.Frame
	budget := int64(pushBytes)
	for _, st := range owed {
		if budget <= 0 || len(frames) >= batchSegments {
			more = true
			break
		}
		s, _ := sign.ParseStream(st.Name)
		segs, err := p.e.Store.SegmentsAfter(ctx, st.ID, p.from(st.Name).Pos, batchSegments-len(frames), budget)
		if errors.Is(err, store.ErrBody) { // one damaged file holds up its own stream only
			if p.link.rest(st.Name, problem.BodyUnread) {
				p.e.Log.ErrorContext(ctx, "stream cannot be sent", "peer", p.link.Peer, "stream", st.Name, "err", err)
			}
			p.wait[st.Name] = time.Now().Add(streamPause)
			continue
		}
		if err != nil {
			return false, err
		}
		fs, err := p.e.frames(ctx, s, segs, p.link.Peer)
		if err != nil {
			return false, err
		}
		for i := range segs {
			budget -= int64(len(segs[i].Body))
			more = more || i == len(segs)-1 && segs[i].Last() < st.Seq
		}
		frames = append(frames, fs...)
	}
	if len(frames) > 0 {
		if err := p.push(ctx, frames); err != nil {
			return false, err
		}
	}
	return more, p.passOn(ctx, version)
}

// owed lists the streams of which the peer lacks something, the federation's
// own first, since others cannot be verified without them.
func (p *pusher) owed(ctx context.Context) ([]store.Stream, error) {
	streams, err := p.e.Store.Streams(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	out := streams[:0]
	for _, st := range streams {
		s, err := sign.ParseStream(st.Name)
		if err != nil || st.Seq == 0 || st.State == stateForked || !p.e.Directory.Offers(s, p.link.Peer) {
			continue
		}
		if err := p.load(ctx, &st); err != nil {
			return nil, err
		}
		if until, ok := p.wait[st.Name]; ok && now.Before(until) || p.from(st.Name) == st.Head {
			continue
		}
		delete(p.wait, st.Name)
		out = append(out, st)
	}
	slices.SortStableFunc(out, func(a, b store.Stream) int { return rank(a.Type) - rank(b.Type) })
	return out, nil
}

// rank orders streams on a link: directory first, then packs, then rejections
// (protocol §5).
func rank(recordType string) int {
	switch recordType {
	case TypeNode:
		return 0
	case TypePack:
		return 1
	case TypeRejection:
		return 2
	}
	return 3
}

// load reads the peer's last acknowledged position of a stream.
func (p *pusher) load(ctx context.Context, st *store.Stream) error {
	if _, ok := p.acked[st.Name]; ok {
		return nil
	}
	acks, err := p.e.Store.Acks(ctx, st.ID)
	if err != nil {
		return err
	}
	var newest store.Ack
	for _, a := range acks {
		if a.Reader == p.link.Peer && a.Level != sign.LevelApplied && a.N > newest.N {
			newest = a
		}
	}
	p.acked[st.Name] = newest.Head
	return nil
}

// from is where the next push of a stream starts.
func (p *pusher) from(name string) store.Head {
	if h, ok := p.start[name]; ok {
		return h
	}
	return p.acked[name]
}

func (p *pusher) push(ctx context.Context, frames []seal.Frame) error {
	var res pushResult
	if _, err := p.link.do(ctx, p.e, call.OpPush, nil, frames, &res); err != nil {
		return err
	}
	for _, r := range res.Receipts {
		if err := p.e.Believe(ctx, r); err != nil && problem.Code(err) == problem.Internal {
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
	st, err := p.e.stream(ctx, r.Stream)
	if err != nil || st == nil {
		return err
	}
	delete(p.acked, r.Stream)
	if err := p.load(ctx, st); err != nil {
		return err
	}
	if r.Code != problem.Gap {
		p.link.rest(r.Stream, r.Code)
	}
	switch r.Code {
	case problem.OK:
		delete(p.start, r.Stream)
	case problem.Gap:
		h, err := p.e.common(ctx, st.ID, store.Head{Pos: store.Pos{Gen: r.Gen, Seq: r.Last}, Hash: store.Hash(r.Head)}, r.Gens, false)
		if err != nil {
			return err
		}
		if p.start[r.Stream] == h {
			p.wait[r.Stream] = time.Now().Add(streamPause) // it did not help: do not spin
		}
		p.start[r.Stream] = h
	default:
		p.wait[r.Stream] = time.Now().Add(streamPause)
		p.e.Log.WarnContext(ctx, "peer did not take stream", "peer", p.link.Peer, "stream", r.Stream, "code", r.Code)
	}
	return nil
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
	if p.seen > 0 {
		origins, nodes = p.e.Hub.since(topicReceipt, p.seen), p.e.Hub.since(topicNote, p.seen)
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
	p.seen = max(version, 1)
	return nil
}
