package replicate

import (
	"context"
	"fmt"
	"slices"

	"fayi/crypto/sign"
	"fayi/gateway/problem"
	"fayi/gateway/store"
)

// held is place's word for a header that is here already: the sender gets this
// node's receipt again and nothing changes.
const held = "held"

// place finds where a validly signed header stands (steps 6–7). A rewind is
// where a higher generation continues from.
func (e *Engine) place(ctx context.Context, in *incoming, a *arrived) (code string, rewind *store.Head, err error) {
	if in.stream.State == stateForked {
		return problem.Forked, nil, nil
	}
	id, cur, hash := in.stream.ID, in.end, store.Hash(a.hash)
	if a.h.Gen == cur.Gen && a.h.First == cur.Seq+1 && a.h.Prev == sign.Hash(cur.Hash) {
		return problem.OK, nil, nil // the usual case: nothing of this generation lies beyond its end
	}
	pending := slices.ContainsFunc(in.placed, func(b *arrived) bool { return b.hash == a.hash })
	have, err := e.Store.SegmentByHash(ctx, id, hash)
	switch {
	case err != nil:
		return "", nil, err
	case pending || have != nil:
		return held, nil, nil
	case cur == store.Head{}: // nothing held yet
		if !a.h.Prev.IsZero() {
			return problem.Gap, nil, nil
		}
		if a.h.First != 1 {
			in.shows = func() error { return e.badStart(ctx, in, a) }
			return problem.BadStart, nil, nil
		}
		return problem.OK, nil, nil
	case a.h.Gen < cur.Gen:
		return problem.Gap, nil, nil
	case a.h.Gen == cur.Gen && a.h.First > cur.Seq+1:
		return problem.Gap, nil, nil
	case a.h.Gen == cur.Gen:
		in.shows = func() error { return e.fork(ctx, in, a) }
		return problem.Fork, nil, nil
	}
	// A higher generation: it must continue a header held here.
	if a.h.Prev == sign.Hash(cur.Hash) {
		if a.h.First != cur.Seq+1 {
			in.shows = func() error { return e.badStart(ctx, in, a) }
			return problem.BadStart, nil, nil
		}
		return problem.OK, nil, nil
	}
	if len(in.placed) > 0 {
		// The rest of this run is judged once what came before it is stored.
		return problem.Gap, nil, nil
	}
	base, err := e.Store.SegmentByHash(ctx, id, store.Hash(a.h.Prev))
	if err != nil {
		return "", nil, err
	}
	if base == nil { // live or orphan, protocol §3 step 6
		return problem.Gap, nil, nil
	}
	if a.h.First != base.Last()+1 {
		in.shows = func() error { return e.badStart(ctx, in, a) }
		return problem.BadStart, nil, nil
	}
	return problem.OK, &store.Head{Pos: store.Pos{Gen: base.Gen, Seq: base.Last()}, Hash: base.Hash}, nil
}

// States of a stream that wait for somebody else.
const (
	stateForked   = "forked"
	stateBadStart = "bad_start"
	stateHeld     = "held"
	stateClosed   = "cannot_open"
)

// takeOwn answers a segment of this node's own stream that someone sends back.
// One that is here proves nothing new; one that is not means that the database
// was put back to an earlier state. It is not taken in passing: the origin's
// table of newest versions must move with its streams.
func (e *Engine) takeOwn(ctx context.Context, in *incoming, a *arrived) (string, error) {
	if in.stream != nil {
		have, err := e.Store.SegmentByHash(ctx, in.stream.ID, store.Hash(a.hash))
		if err != nil || have != nil {
			return problem.OK, err
		}
	}
	e.alarm(ctx, problem.ReceiptAhead, in.name, in.from, fmt.Sprintf("sent back gen %d first %d, which is not here", a.h.Gen, a.h.First))
	return problem.ReceiptAhead, nil
}

// triesToOpen is after how many failures to open one segment its stream is
// shown as stuck; it is fetched on, since another copy may be good.
const triesToOpen = 3

// cannotOpen counts failures of one segment's container.
func (e *Engine) cannotOpen(ctx context.Context, in *incoming, a *arrived) error {
	if e.tries.count("open/"+a.hash.String(), problem.CannotOpen) != triesToOpen || in.stream.State != "" {
		return nil
	}
	where := fmt.Sprintf("gen %d, number %d", a.h.Gen, a.h.First)
	e.alarm(ctx, problem.CannotOpen, in.name, in.from, where)
	return e.Store.SetState(ctx, in.stream.ID, stateClosed, where)
}

// fork keeps both headers as evidence and stops the stream: two valid
// signatures of one origin contradict each other.
func (e *Engine) fork(ctx context.Context, in *incoming, a *arrived) error {
	where := fmt.Sprintf("gen %d, first %d, header %s", a.h.Gen, a.h.First, a.hash)
	err := e.Store.SaveFork(ctx, store.Fork{
		Stream: in.stream.ID, Gen: a.h.Gen, First: a.h.First, Hash: store.Hash(a.hash),
		Header: a.frame.Header, Sig: a.frame.Sig, Peer: in.from,
	})
	if err != nil {
		return err
	}
	e.alarm(ctx, problem.Fork, in.name, in.from, where)
	in.stream.State = stateForked
	return e.Store.SetState(ctx, in.stream.ID, stateForked, where)
}

func (e *Engine) badStart(ctx context.Context, in *incoming, a *arrived) error {
	if in.stream.State == stateBadStart {
		return nil
	}
	e.alarm(ctx, problem.BadStart, in.name, "", fmt.Sprintf("gen %d, first %d", a.h.Gen, a.h.First))
	return e.Store.SetState(ctx, in.stream.ID, stateBadStart, fmt.Sprintf("gen %d, first %d", a.h.Gen, a.h.First))
}
