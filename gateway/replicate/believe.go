package replicate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
	"fayi/gateway/problem"
	"fayi/gateway/store"
	"fayi/gateway/trace"
)

// Believe takes a receipt from anyone. It counts only if it verifies, its
// signer may stand on the stream's way, and each head equals this node's own
// copy at that position (protocol §4); only then do cursors move. Errors carry
// KEY_UNKNOWN, BAD_RECEIPT or RECEIPT_AHEAD. What it says is written when it returns.
func (e *Engine) Believe(ctx context.Context, sr Signed) error { return e.believe(ctx, sr, false) }

// believe is Believe; with soon, what is verified may be written a little later. That is
// for receipts which come again if they are lost with the process: in the answer to a push
// that is repeated, or from a peer that is asked anew after a start.
func (e *Engine) believe(ctx context.Context, sr Signed, soon bool) error {
	r, err := sign.ParseReceipt(sr.Body)
	if err != nil {
		return problem.Wrap(problem.BadReceipt, err)
	}
	of, hash := r.By+"/"+r.Origin+"/"+r.Level, store.Hash(sign.Sum(sr.Body))
	if e.believed.lately(of, hash) && (soon || e.believed.written(hash)) {
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
	if !soon || !e.believed.hold(&rec, acks) {
		if err := e.keep(ctx, &rec, acks); err != nil {
			return err
		}
	}
	if ahead == nil {
		e.believed.now(of, hash)
	}
	return ahead
}

// keep writes a verified receipt and tells of it.
func (e *Engine) keep(ctx context.Context, rec *store.Receipt, acks []store.Ack) error {
	changed, err := e.Store.SaveReceipt(ctx, *rec, acks)
	if err == nil && changed {
		e.Trace.Write(trace.Event{Event: trace.Receipt, Peer: rec.By, Outcome: "accepted " + rec.Level, Detail: fmt.Sprint(rec.N)})
		e.Hub.Receipt(rec.Origin)
	}
	return err
}

// KeepReceipts writes verified receipts a few times a second until ctx ends, while a
// pusher goes on from them at once: the newest of each reader is all that is ever kept,
// and one lost with the process costs a repetition. Without it each is written as it
// comes.
func (e *Engine) KeepReceipts(ctx context.Context) {
	wake := e.believed.begin()
	for {
		select {
		case <-wake:
			sleep(ctx, keepPause)
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			e.believed.end()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepLast)
			defer cancel()
			e.keepHeld(last)
			return
		}
		if !e.keepHeld(ctx) { // nothing else may come that wakes this
			sleep(ctx, streamPause)
			e.believed.again()
		}
	}
}

func (e *Engine) keepHeld(ctx context.Context) (ok bool) {
	ok = true
	for rec, acks := range e.believed.toKeep() {
		if err := e.keep(ctx, rec, acks); err != nil {
			e.Log.ErrorContext(ctx, "receipt not kept", "by", rec.By, "err", err)
			ok = false
			continue
		}
		e.believed.kept(rec, acks)
	}
	for of := range e.believed.toDrop() {
		if err := e.Store.DropReceipts(ctx, e.me(), of[0], of[1]); err != nil {
			e.Log.ErrorContext(ctx, "old receipts not dropped", "origin", of[0], "err", err)
			ok = false // the next receipt tries again
		}
	}
	return ok
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

// believed is what receipts say that were verified: which of each reader, origin and
// level was taken last, for most come twice, in the answer to a push and on their way to
// the origin; and those not written yet.
type believed struct {
	mu   sync.Mutex
	last map[string]took
	held map[acked]unwritten
	wake chan struct{} // nil while nobody keeps them
	own  map[string]numbered
	left map[[2]string]bool // origin and level of own receipts that took the place of others
}

// numbered is the last number this node took for receipts to an origin, as far as this
// process knows.
type numbered struct {
	n    uint64
	hash store.Hash
}

type took struct {
	hash store.Hash
	at   time.Time
}

// acked is what one acknowledgement speaks of.
type acked struct {
	stream        int64
	reader, level string
}

type unwritten struct {
	rec *store.Receipt
	ack store.Ack
}

// A receipt is remembered for a short time only, because the database may be put back
// while the process runs.
const (
	believedFor = 5 * time.Second
	maxBelieved = 4096
	keepPause   = 100 * time.Millisecond
	keepLast    = 5 * time.Second
)

func (b *believed) lately(key string, hash store.Hash) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.last[key]
	return t.hash == hash && time.Since(t.at) < believedFor
}

// written reports whether nothing of a receipt waits to be written.
func (b *believed) written(hash store.Hash) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range b.held {
		if u.rec.Hash == hash {
			return false
		}
	}
	return true
}

func (b *believed) now(key string, hash store.Hash) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil || len(b.last) >= maxBelieved {
		b.last = map[string]took{}
	}
	b.last[key] = took{hash, time.Now()}
}

func (b *believed) begin() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wake = make(chan struct{}, 1)
	return b.wake
}

func (b *believed) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wake = nil
}

// hold takes a receipt over, unless nobody keeps them. The highest number wins.
func (b *believed) hold(rec *store.Receipt, acks []store.Ack) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wake == nil {
		return false
	}
	if b.held == nil {
		b.held = map[acked]unwritten{}
	}
	for _, a := range acks {
		of := acked{a.Stream, a.Reader, a.Level}
		if h, ok := b.held[of]; !ok || rec.N > h.rec.N {
			b.held[of] = unwritten{rec, a}
		}
	}
	b.rouse()
	return true
}

func (b *believed) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *believed) again() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rouse()
}

func (b *believed) mine(origin string) numbered {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.own[origin]
}

// signed notes an own receipt that is kept.
func (b *believed) signed(r *sign.Receipt, hash store.Hash) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.own == nil || len(b.own) >= maxBelieved {
		b.own = map[string]numbered{}
	}
	b.own[r.Origin] = numbered{r.N, hash}
	if b.left == nil {
		b.left = map[[2]string]bool{}
	}
	b.left[[2]string{r.Origin, r.Level}] = true
	b.rouse()
}

func (b *believed) toDrop() map[[2]string]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.left
	b.left = nil
	return out
}

// by returns what a reader acknowledged of these streams and is not written yet.
func (b *believed) by(reader string, streams []int64) (out []store.Ack) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.held) == 0 {
		return nil
	}
	for _, id := range streams {
		for _, level := range []string{sign.LevelCarried, sign.LevelStored, sign.LevelApplied} {
			if h, ok := b.held[acked{id, reader, level}]; ok {
				out = append(out, h.ack)
			}
		}
	}
	return out
}

func (b *believed) toKeep() map[*store.Receipt][]store.Ack {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[*store.Receipt][]store.Ack{}
	for _, h := range b.held {
		out[h.rec] = append(out[h.rec], h.ack)
	}
	return out
}

// kept forgets what is written now, unless something newer came meanwhile.
func (b *believed) kept(rec *store.Receipt, acks []store.Ack) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range acks {
		if of := (acked{a.Stream, a.Reader, a.Level}); b.held[of].rec == rec {
			delete(b.held, of)
		}
	}
}
