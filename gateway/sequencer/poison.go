package sequencer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"fayi/crypto/seal"
	"fayi/gateway/intake"
	"fayi/gateway/store"
	"fayi/schemas"
)

// A row that passes the checks and then breaks what comes after (a panic while it
// is decided or sealed, a limit of the store) would be read again for ever. It is
// found by halving the round's rows: each half is a transaction of its own, in
// order, so the others keep their places; what fails alone is rejected as POISON
// (review F42).
//
// A fault of the node itself looks the same. So nothing is rejected unless
// another row of the round went through, or the row failed alone round after round.

const (
	// patience is how often a row that is all there is may fail before it is rejected.
	patience = 3
	// maxPoison is how many rows of one round may be poison: more are the node's own fault.
	maxPoison = 8
)

// panicked is a panic of what a round does, made an error.
type panicked struct{ what string }

func (p *panicked) Error() string { return "panic: " + p.what }

// poisonous reports whether the rows may be why a round failed.
func poisonous(err error) bool {
	var p *panicked
	return errors.As(err, &p) || errors.Is(err, seal.ErrPanic) || errors.Is(err, store.ErrInvalid)
}

// guard turns a panic into an error.
func (s *Sequencer) guard(err *error) {
	if p := recover(); p != nil {
		s.Log.Error("a round panicked", "source", s.Source.Name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		*err = &panicked{fmt.Sprint(p)}
	}
}

// bisect takes a round's rows after they failed together.
func (s *Sequencer) bisect(ctx context.Context, w *waiting, cause error) (n int, err error) {
	var bad []judged
	n, err = s.halves(ctx, w, &bad)
	if err != nil || len(bad) == 0 {
		return n, err
	}
	if n == 0 {
		if len(w.judged) > 1 || s.failed[w.rows[0].ID] < patience {
			s.failed = map[uint64]int{w.rows[0].ID: s.failed[w.rows[0].ID] + 1}
			return 0, cause
		}
	}
	for i := range bad {
		one := s.part(w, bad[i:i+1])
		one.judged[0].rec, one.judged[0].faults = nil, schemas.Faults{intake.Fault(intake.Poison, "")}
		m, _, err := s.attempt(ctx, one, nil)
		if n += m; err != nil {
			return n, err
		}
		s.Log.Error("a row that cannot be sealed was rejected", "source", s.Source.Name, "row", bad[i].row.ID, "err", cause)
	}
	s.failed = nil
	return n, nil
}

// halves takes what it can of the rows, in order, and gathers those that fail alone.
func (s *Sequencer) halves(ctx context.Context, w *waiting, bad *[]judged) (n int, err error) {
	if len(w.judged) == 1 {
		if *bad = append(*bad, w.judged[0]); len(*bad) > maxPoison {
			return 0, fmt.Errorf("sequence %s: more than %d rows fail by themselves: the fault is the node's", s.Source.Name, maxPoison)
		}
		return 0, nil
	}
	mid := len(w.judged) / 2
	for _, part := range [][]judged{w.judged[:mid], w.judged[mid:]} {
		half := s.part(w, part)
		m, _, err := s.attempt(ctx, half, nil)
		if poisonous(err) {
			m, err = s.halves(ctx, half, bad)
		}
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

// part is some of what waits, more following.
func (s *Sequencer) part(w *waiting, js []judged) *waiting {
	out := &waiting{more: true, judged: append([]judged(nil), js...), registry: w.registry}
	for _, j := range js {
		out.rows = append(out.rows, *j.row)
	}
	return out
}
