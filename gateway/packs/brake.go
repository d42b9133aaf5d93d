package packs

import (
	"context"
	"fmt"
	"time"

	"fayi/gateway/problem"
	"fayi/gateway/store"
	"fayi/schemas"
	"fayi/schemas/diff"
)

// The brake (protocol §8): a fifth of a source's rows failing in the first ten
// minutes. Fewer than ten rows say too little (decision 21).
const (
	trialTime  = 10 * time.Minute
	trialRows  = 10
	trialFifth = 5
)

// trial is a pack in its first ten minutes in force.
type trial struct {
	pack        Pack
	from, until time.Time
	before      *schemas.Registry // without the pack
}

// newTrial is the trial of an adopted pack. One that a person adopted again
// after a brake has none.
func newTrial(p Pack) (trial, bool) {
	if p.State != Adopted || p.Edition == nil || p.Code == problem.PackBraked {
		return trial{}, false
	}
	from := time.UnixMicro(p.Decided)
	if d := p.Edition.Effective(); d.After(from) {
		from = d
	}
	return trial{pack: p, from: from, until: from.Add(trialTime)}, true
}

// Trial tells whether a type belongs to a pack in its first ten minutes, and
// gives that pack and the type that judged before. Where there was none before
// there is nothing to go back to, and no trial.
func (s *Shelf) Trial(t *schemas.Type) (before *schemas.Type, pack int64) {
	v := s.view.Load()
	if len(v.trials) == 0 {
		return nil, 0
	}
	name, version := t.Pack()
	now := s.now()
	for i := range v.trials {
		tr := &v.trials[i]
		if tr.pack.Name != name || tr.pack.Version != version || now.Before(tr.from) || !now.Before(tr.until) {
			continue
		}
		if before, ok := tr.before.Current(t.Name()); ok && before.Ref() != t.Ref() {
			return before, tr.pack.ID
		}
	}
	return nil, 0
}

// Brake is asked before rows are taken: with these of a source, beside those it
// had before, does too much fail? Then the pack is taken back, and the rows are
// to be judged again.
func (s *Shelf) Brake(ctx context.Context, t store.PackTrial) (braked bool, err error) {
	sum, err := s.Store.PackTrialOf(ctx, t.Pack, t.Source)
	if err != nil {
		return false, err
	}
	judged, failed := sum.Judged+t.Judged, sum.Failed+t.Failed
	if judged < trialRows || failed*trialFifth < judged {
		return false, nil
	}
	for _, p := range s.Packs() {
		if p.ID != t.Pack || p.State != Adopted {
			continue
		}
		row := p.Pack
		row.State, row.Code, row.By, row.Decided = Braked, problem.PackBraked, "", s.now().UnixMicro()
		why := diff.Reason{
			ZH: fmt.Sprintf("来源 %s 的 %d 行中有 %d 行被它拒绝而前一版本接受", t.Source, judged, failed),
			EN: fmt.Sprintf("of %d rows of source %s it refuses %d that the version before accepts", judged, t.Source, failed),
		}
		row.Reason = reason(why)
		ok, err := s.Store.DecidePack(ctx, Adopted, row)
		if err != nil {
			return false, err
		}
		if ok {
			s.event(ctx, alarm, problem.PackBraked, row, why.EN)
		}
	}
	_, err = s.Refresh(ctx)
	return true, err // somebody else may have been faster: the rows are judged again either way
}
