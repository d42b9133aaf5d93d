package replicate

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
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
		acks = append(acks, e.name(&r, st, h, st.Refused))
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
		var rec store.Receipt
		if rec, err = e.signReceipt(&r); err != nil {
			return nil, err
		}
		out = &Signed{Body: rec.Body, Sign: rec.Sig}
		if ok, err = e.Store.SaveOwnReceipt(ctx, rec, acks, counter, last); err != nil {
			return nil, err
		}
	}
	e.signed(&r)
	return out, nil
}

// name adds where a stream stands to a receipt.
func (e *Engine) name(r *sign.Receipt, st *store.Stream, h store.Head, refused uint64) store.Ack {
	r.Streams = append(r.Streams, sign.StreamReceipt{Stream: st.Name, Gen: h.Gen, Upto: h.Seq, Head: sign.Hash(h.Hash), Rejected: refused})
	return store.Ack{Stream: st.ID, Reader: e.me(), Level: r.Level, Head: h, Rejected: refused, At: time.Now().UnixMicro()}
}

func (e *Engine) signReceipt(r *sign.Receipt) (store.Receipt, error) {
	body, sig, err := sign.Sign(e.Signer, keys.ReceiptV1, r)
	return store.Receipt{By: r.By, Origin: r.Origin, N: r.N, Level: r.Level, Body: body, Sig: sig, Hash: store.Hash(sign.Sum(body))}, err
}

// signed tells of a receipt that is kept.
func (e *Engine) signed(r *sign.Receipt) {
	e.Trace.Write(trace.Event{Event: trace.Receipt, Peer: r.Origin, Outcome: "signed " + r.Level, Detail: fmt.Sprint(r.N)})
	e.Hub.Receipt(r.Origin)
}

// level is what this node's having a stream means.
func (e *Engine) level(s sign.Stream) string {
	if e.Directory.InAudience(s, e.me()) {
		return sign.LevelStored
	}
	return sign.LevelCarried
}

// within makes the receipts for what one transaction stores a part of it, so that an
// answer costs one commit and not two. The common case only: every stream grew, in
// order, and all of it was judged; nil where [Engine.acknowledgeAll] has to look.
func (e *Engine) within(ctx context.Context, ins []*incoming) ([]*receiptWithin, error) {
	byOrigin := map[[2]string]*receiptWithin{}
	ids := make([]int64, 0, len(ins))
	for _, in := range ins {
		if in.code != problem.OK || len(in.append.Segments) == 0 || in.append.Rewind != nil || in.held != "" || in.s.Origin == e.me() ||
			in.reader && in.stream.Checked != in.stream.Pos {
			return nil, nil
		}
		ids = append(ids, in.stream.ID)
		of := [2]string{in.s.Origin, e.level(in.s)}
		if byOrigin[of] == nil {
			byOrigin[of] = &receiptWithin{e: e, origin: of[0], level: of[1]}
		}
		byOrigin[of].ins = append(byOrigin[of].ins, in)
	}
	if orphans, err := e.Store.Orphans(ctx, ids...); err != nil || len(orphans) > 0 {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(byOrigin), func(a, b *receiptWithin) int { // one order for all: no deadlocks
		return cmp.Or(cmp.Compare(a.origin, b.origin), cmp.Compare(a.level, b.level))
	}), nil
}

// receiptWithin is a receipt of one level for some streams of one origin.
type receiptWithin struct {
	e             *Engine
	origin, level string
	ins           []*incoming
	r             sign.Receipt // of the last try
	out           Signed
	hash          store.Hash
}

// sign takes the number and keeps the receipt; the transaction may run it again.
func (w *receiptWithin) sign(ctx context.Context, tx *sql.Tx) error {
	last := w.e.believed.mine(w.origin)
	return w.e.Store.SignReceipt(ctx, tx, "receipt/"+w.origin, last.n, last.hash, func(last uint64, prev store.Hash) (store.Receipt, []store.Ack, error) {
		w.r = sign.Receipt{
			V: 1, By: w.e.me(), Key: sign.Hash(w.e.Signer.ID()), Origin: w.origin, Level: w.level, N: next(last), Prev: sign.Hash(prev), Time: sign.Now(),
			Streams: []sign.StreamReceipt{}, Orphans: []sign.OrphanRange{},
		}
		acks := make([]store.Ack, len(w.ins))
		for i, in := range w.ins {
			acks[i] = w.e.name(&w.r, in.stream, in.end, in.stream.Refused+uint64(len(in.append.Refused)))
		}
		rec, err := w.e.signReceipt(&w.r)
		w.out, w.hash = Signed{Body: rec.Body, Sign: rec.Sig}, rec.Hash
		return rec, acks, err
	})
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
		level := e.level(s)
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
