package replicate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
	"fayi/gateway/problem"
	"fayi/gateway/store"
	"fayi/gateway/trace"
)

// Signed is a signed object on its way: the bytes as signed, and the signature.
type Signed struct {
	Body []byte `json:"body"`
	Sign []byte `json:"sign"`
}

// Acknowledge signs a receipt of this node for streams of one origin, as they
// stand in the store now, keeps it and returns it. Streams of which nothing is
// held are left out; nil where nothing is left.
func (e *Engine) Acknowledge(ctx context.Context, origin, level string, heads map[string]store.Head) (*Signed, error) {
	r := sign.Receipt{
		V: 1, By: e.me(), Key: sign.Hash(e.Signer.ID()), Origin: origin, Level: level,
		Streams: []sign.StreamReceipt{}, Orphans: []sign.OrphanRange{},
	}
	streams, err := e.Store.StreamsByName(ctx, slices.Sorted(maps.Keys(heads)))
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(streams))
	for i := range streams {
		ids[i] = streams[i].ID
	}
	orphans, err := e.Store.Orphans(ctx, ids...)
	if err != nil {
		return nil, err
	}
	var acks []store.Ack
	for i := range streams {
		st := &streams[i]
		h := heads[st.Name]
		if h.Seq == 0 {
			continue
		}
		r.Streams = append(r.Streams, sign.StreamReceipt{Stream: st.Name, Gen: h.Gen, Upto: h.Seq, Head: sign.Hash(h.Hash), Rejected: st.Refused})
		acks = append(acks, store.Ack{Stream: st.ID, Reader: e.me(), Level: level, Head: h, Rejected: st.Refused, At: time.Now().UnixMicro()})
		for _, o := range orphans[st.ID] {
			r.Orphans = append(r.Orphans, sign.OrphanRange{Stream: st.Name, Gen: o.Gen, First: o.First, Last: o.Last, Head: sign.Hash(o.Head)})
		}
	}
	if len(r.Streams) == 0 {
		return nil, nil
	}
	counter := "receipt/" + origin
	var out *Signed
	for ok := false; !ok; { // until no other process took the number first
		last, prev, err := e.Store.Counter(ctx, counter)
		if err != nil {
			return nil, err
		}
		r.N, r.Prev, r.Time = next(last), sign.Hash(prev), sign.Now()
		body, sig, err := sign.Sign(e.Signer, keys.ReceiptV1, &r)
		if err != nil {
			return nil, err
		}
		out = &Signed{Body: body, Sign: sig}
		rec := store.Receipt{By: r.By, Origin: origin, N: r.N, Level: level, Body: body, Sig: sig, Hash: store.Hash(sign.Sum(body))}
		if ok, err = e.Store.SaveOwnReceipt(ctx, rec, acks, counter, last); err != nil {
			return nil, err
		}
	}
	e.Trace.Write(trace.Event{Event: trace.Receipt, Peer: origin, Outcome: "signed " + level, Detail: fmt.Sprint(r.N)})
	e.Hub.Receipt(origin)
	return out, nil
}

// next is the number after last: max(previous + 1, Unix milliseconds), so that a
// restored node goes on.
func next(last uint64) uint64 { return max(last+1, uint64(time.Now().UnixMilli())) }

// numbered signs an object whose number is max(previous + 1, Unix milliseconds)
// and which names its predecessor, taking the number by compare-and-set so that
// two processes, or a restored node, never sign two with one number.
func (e *Engine) numbered(ctx context.Context, counter string, object func(n uint64, prev sign.Hash) any, c keys.Context) (*Signed, error) {
	for {
		last, prev, err := e.Store.Counter(ctx, counter)
		if err != nil {
			return nil, err
		}
		n := next(last)
		body, sig, err := sign.Sign(e.Signer, c, object(n, sign.Hash(prev)))
		if err != nil {
			return nil, err
		}
		ok, err := e.Store.AdvanceCounter(ctx, counter, last, n, store.Hash(sign.Sum(body)))
		if err != nil {
			return nil, err
		}
		if ok {
			return &Signed{Body: body, Sign: sig}, nil
		}
	}
}

// Believe takes a receipt from anyone. It counts only if it verifies, its
// signer may stand on the stream's way, and each head equals this node's own
// copy at that position (protocol §4); only then do cursors move. Errors carry
// KEY_UNKNOWN, BAD_RECEIPT or RECEIPT_AHEAD.
func (e *Engine) Believe(ctx context.Context, sr Signed) error {
	r, err := sign.ParseReceipt(sr.Body)
	if err != nil {
		return problem.Wrap(problem.BadReceipt, err)
	}
	of, hash := r.By+"/"+r.Origin+"/"+r.Level, store.Hash(sign.Sum(sr.Body))
	if e.believed.lately(of, hash) {
		return nil
	}
	if err := e.signedBy(r.By, r.Key, keys.ReceiptV1, sr, problem.BadReceipt); err != nil {
		return err
	}
	names := make([]string, len(r.Streams))
	for i := range r.Streams {
		names[i] = r.Streams[i].Stream
	}
	streams, err := e.Store.StreamsByName(ctx, names)
	if err != nil {
		return err
	}
	known := make(map[string]*store.Stream, len(streams))
	for i := range streams {
		known[streams[i].Name] = &streams[i]
	}
	var acks []store.Ack
	var ahead error
	for _, s := range r.Streams {
		name, _ := sign.ParseStream(s.Stream)
		if !e.Directory.OnPath(name, r.By) {
			return problem.New(problem.BadReceipt, "%s is not on the way of %s", r.By, s.Stream)
		}
		st := known[s.Stream]
		if st == nil {
			continue
		}
		pos := store.Pos{Gen: s.Gen, Seq: s.Upto}
		here, err := e.headAt(ctx, st, pos)
		switch {
		case err != nil:
			return err
		case here == nil && pos.Compare(st.Pos) > 0:
			ahead = problem.New(problem.ReceiptAhead, "%s holds %s to gen %d seq %d", r.By, s.Stream, s.Gen, s.Upto)
			if name.Origin == e.me() {
				e.alarm(ctx, problem.ReceiptAhead, s.Stream, r.By, fmt.Sprintf("gen %d seq %d", s.Gen, s.Upto))
			}
			continue
		case here == nil || *here != store.Hash(s.Head):
			e.count(r.By, problem.BadReceipt)
			return problem.New(problem.BadReceipt, "head of %s at gen %d seq %d differs from the copy here", s.Stream, s.Gen, s.Upto)
		}
		acks = append(acks, store.Ack{
			Stream: st.ID, Reader: r.By, Level: r.Level, Head: store.Head{Pos: pos, Hash: *here},
			Rejected: s.Rejected, N: r.N, At: time.Now().UnixMicro(),
		})
	}
	if len(acks) == 0 {
		return ahead
	}
	rec := store.Receipt{By: r.By, Origin: r.Origin, N: r.N, Level: r.Level, Body: sr.Body, Sig: sr.Sign, Hash: hash}
	changed, err := e.Store.SaveReceipt(ctx, rec, acks)
	if err != nil {
		return err
	}
	if ahead == nil {
		e.believed.now(of, hash)
	}
	if changed {
		e.Trace.Write(trace.Event{Event: trace.Receipt, Peer: r.By, Outcome: "accepted " + r.Level, Detail: fmt.Sprint(r.N)})
		e.Hub.Receipt(r.Origin)
	}
	return ahead
}

// believed remembers for a moment which receipt of each reader, origin and level was
// taken last: most come twice, in the answer to a push and on their way to the origin.
type believed struct {
	mu   sync.Mutex
	last map[string]took
}

type took struct {
	hash store.Hash
	at   time.Time
}

// Bounds of what is remembered. It is short because the database may be put back
// while the process runs.
const (
	believedFor = 5 * time.Second
	maxBelieved = 4096
)

func (b *believed) lately(key string, hash store.Hash) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.last[key]
	return t.hash == hash && time.Since(t.at) < believedFor
}

func (b *believed) now(key string, hash store.Hash) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil || len(b.last) >= maxBelieved {
		b.last = map[string]took{}
	}
	b.last[key] = took{hash, time.Now()}
}

// headAt is the hash of this node's own header that ends at a position, nil if
// none does.
func (e *Engine) headAt(ctx context.Context, st *store.Stream, pos store.Pos) (*store.Hash, error) {
	if st.Pos == pos {
		return &st.Hash, nil
	}
	seg, err := e.Store.SegmentEnding(ctx, st.ID, pos.Gen, pos.Seq)
	if seg == nil || err != nil {
		return nil, err
	}
	return &seg.Hash, nil
}

// signedBy checks that an object was signed by a node's current key. The error
// is KEY_UNKNOWN, or carries the code bad.
func (e *Engine) signedBy(node string, id sign.Hash, c keys.Context, s Signed, bad string) error {
	key, ok := e.Directory.Key(id)
	if !ok {
		return problem.New(problem.KeyUnknown, "%s", id)
	}
	if key.Node.Entry.Node != node || !key.Current() {
		return problem.New(bad, "key is not %s's", node)
	}
	if err := key.Cert.Verify(c, s.Body, s.Sign); err != nil {
		return problem.Wrap(bad, err)
	}
	return nil
}

// acknowledgeAll signs one stored (or carried) receipt an origin for streams
// that a call just brought.
func (e *Engine) acknowledgeAll(ctx context.Context, results []StreamResult) ([]Signed, error) {
	byOrigin := map[string]map[string]map[string]store.Head{} // level, origin, stream
	for _, r := range results {
		s, err := sign.ParseStream(r.Stream)
		if err != nil || r.Last == 0 || s.Origin == e.me() {
			continue
		}
		level := sign.LevelStored
		if !e.Directory.InAudience(s, e.me()) {
			level = sign.LevelCarried
		}
		if byOrigin[level] == nil {
			byOrigin[level] = map[string]map[string]store.Head{}
		}
		if byOrigin[level][s.Origin] == nil {
			byOrigin[level][s.Origin] = map[string]store.Head{}
		}
		byOrigin[level][s.Origin][r.Stream] = store.Head{Pos: store.Pos{Gen: r.Gen, Seq: r.Last}, Hash: store.Hash(r.Head)}
	}
	out := []Signed{}
	for level, origins := range byOrigin {
		for origin, heads := range origins {
			sr, err := e.Acknowledge(ctx, origin, level, heads)
			if err != nil {
				return nil, err
			}
			if sr != nil {
				out = append(out, *sr)
			}
		}
	}
	return out, nil
}

// receiptsTowards returns the newest receipts whose origin lies in the
// direction of peer, of origins that changed (nil for all).
func (e *Engine) receiptsTowards(ctx context.Context, peer string, changed map[string]bool) ([]Signed, error) {
	out := []Signed{}
	if changed != nil && len(changed) == 0 {
		return out, nil
	}
	for _, n := range e.Directory.Nodes() {
		origin := n.Entry.Node
		if changed != nil && !changed[origin] || origin == e.me() || e.Directory.Towards(origin) != peer {
			continue
		}
		rs, err := e.Store.ReceiptsOf(ctx, origin)
		if err != nil {
			return nil, err
		}
		for _, r := range rs {
			if r.By != peer {
				out = append(out, Signed{Body: r.Body, Sign: r.Sig})
			}
		}
	}
	return out, nil
}
