package replicate

import (
	"context"
	"fmt"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/problem"
	"fayi/gateway/store"
)

// VerifyStream checks a stored copy from its own bytes, trusting nothing the
// store says about them: each header's hash, signature and key, the chain from
// the beginning to the end, and, where this node is a reader, each body against
// its root. It returns the number of segments read and the first thing wrong.
func VerifyStream(ctx context.Context, e *Engine, st *store.Stream) (segments int, err error) {
	s, err := sign.ParseStream(st.Name)
	if err != nil {
		return 0, err
	}
	at := st.Base
	for at.Pos.Compare(st.Pos) < 0 {
		segs, err := e.Store.SegmentsAfter(ctx, st.ID, at.Pos, 64, 8<<20)
		if err != nil {
			return segments, err
		}
		if len(segs) == 0 {
			return segments, fmt.Errorf("chain ends at gen %d seq %d before the head", at.Gen, at.Seq)
		}
		for i := range segs {
			if err := e.verifySegment(s, at, &segs[i]); err != nil {
				return segments, fmt.Errorf("gen %d first %d: %w", segs[i].Gen, segs[i].First, err)
			}
			at = segs[i].End()
			segments++
		}
	}
	if at != st.Head {
		return segments, fmt.Errorf("chain ends in another head")
	}
	return segments, nil
}

func (e *Engine) verifySegment(s sign.Stream, after store.Head, g *store.Segment) error {
	h, err := seal.ParseHeader(g.Header)
	if err != nil {
		return err
	}
	key, ok := e.Directory.Key(h.Key)
	switch {
	case sign.Sum(g.Header) != sign.Hash(g.Hash):
		return fmt.Errorf("header does not have its hash")
	case h.Stream != s.String() || h.Gen != g.Gen || h.First != g.First || h.Count != g.Count:
		return fmt.Errorf("header is another segment's")
	case h.Prev != sign.Hash(after.Hash) || h.First != after.Seq+1:
		return fmt.Errorf("does not continue the segment before")
	case !ok || key.Node.Entry.Node != s.Origin:
		return problem.New(problem.KeyUnknown, "%s", h.Key)
	case !key.Covers(h.Stream, h.Gen, h.First, h.Last()):
		return problem.New(problem.KeyEnded, "%s", h.Key)
	}
	if err := seal.VerifyHeader(key.Cert, g.Header, g.Sig); err != nil {
		return problem.Wrap(problem.BadSignature, err)
	}
	if g.Key == nil {
		return nil // a carrier's copy: the body is for others
	}
	_, _, err = e.Lines(g)
	return err
}
