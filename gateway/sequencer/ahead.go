package sequencer

import (
	"context"
	"maps"
	"time"

	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/schemas"
)

// waiting is what was read of an outbox for one round, judged.
type waiting struct {
	rows     []outbox.Row
	more     bool
	judged   []judged
	registry *schemas.Registry // by which they were judged
	sealed   *sealed           // what the round will write, if that was prepared ahead
}

// sealed is a round ready to be committed.
type sealed struct {
	b       *batch
	appends []store.Append
}

// ahead is the next round, read, judged, decided and sealed on top of the round
// before while that one commits. It saves time and decides nothing: if that round
// does not commit, or anything that was judged by has changed, it is done anew; and
// where somebody else was faster, the heads and the rows' number say so, as always.
type ahead struct {
	done chan struct{}
	stop context.CancelFunc
	w    *waiting // nil if the rows could not be read
}

// take reads what waits, up to a limit, and judges it.
func (s *Sequencer) take(ctx context.Context, lim outbox.Limit) (*waiting, error) {
	rows, more, err := s.reader.Read(ctx, lim)
	if err != nil {
		return nil, err
	}
	return s.judge(rows, more), nil
}

func (s *Sequencer) judge(rows []outbox.Row, more bool) *waiting {
	b := newBatch(s)
	return &waiting{rows: rows, more: more, judged: b.judge(rows), registry: b.registry}
}

// lookAhead begins with the rows after those of a round that is sealed. They are
// told apart by id and time, never by "id greater than": a row committed late under
// a lower id is among them.
func (s *Sequencer) lookAhead(ctx context.Context, lim outbox.Limit, now []outbox.Row, b *batch) {
	taken := make(map[uint64]time.Time, len(now))
	for i := range now {
		taken[now[i].ID] = now[i].Created
	}
	skip := lim.Skip
	if skip == nil { // those of a source in another database stay, and have any id
		lim.Skipped = now[len(now)-1].ID
	}
	lim.Skip = func(id uint64, created time.Time) bool {
		at, ok := taken[id]
		return ok && at.Equal(created) || skip != nil && skip(id, created)
	}
	nextGen := maps.Clone(s.nextGen) // which changes when the round is committed
	a := &ahead{done: make(chan struct{})}
	ctx, a.stop = context.WithCancel(ctx)
	s.ahead = a
	go func() {
		defer close(a.done)
		w, err := s.take(ctx, lim)
		if err != nil {
			return // whoever needs the rows reads them again and meets the error
		}
		if w.sealed, err = s.sealAhead(ctx, w, b.ends(), nextGen); err != nil {
			w.sealed = nil // and so with what went wrong here
		}
		a.w = w
	}()
}

// sealAhead decides and seals on top of what is being committed. It leaves alone
// what cannot be known before that is: a repair, which depends on when the version
// before it was written, a pack on trial that refuses rows, rows of another database.
func (s *Sequencer) sealAhead(ctx context.Context, w *waiting, base map[string]*appending, nextGen map[string]bool) (out *sealed, err error) {
	defer s.guard(&err)
	if s.foreign != nil {
		return nil, nil
	}
	b := newBatch(s)
	b.registry, b.base, b.nextGen = w.registry, base, nextGen
	for i := range w.judged {
		if _, repair := w.judged[i].row.Repairs(); repair {
			return nil, nil
		}
		b.intake(&w.judged[i])
	}
	for _, t := range b.trials {
		if t.Failed > 0 {
			return nil, nil
		}
	}
	if err := b.decide(ctx); err != nil {
		return nil, err
	}
	appends, err := b.seal(ctx)
	if err != nil {
		return nil, err
	}
	return &sealed{b, appends}, nil
}

// ends are the streams the batch adds to, as they will be once it is committed.
func (b *batch) ends() map[string]*appending {
	out := map[string]*appending{}
	for name, a := range b.streams {
		if len(a.lines) > 0 {
			out[name] = a
		}
	}
	return out
}

// lookedAhead gives up what was prepared ahead, nil if that is of no use.
func (s *Sequencer) lookedAhead() *waiting {
	a := s.ahead
	s.ahead = nil
	if a == nil {
		return nil
	}
	<-a.done
	a.stop()
	if a.w == nil || len(a.w.rows) == 0 {
		return nil
	}
	if a.w.registry != s.Schemas() {
		return s.judge(a.w.rows, a.w.more)
	}
	return a.w
}

// forgetAhead throws away what was prepared ahead: the rows before it still wait, or
// somebody else may have sealed.
func (s *Sequencer) forgetAhead() {
	if a := s.ahead; a != nil {
		a.stop()
		<-a.done
		s.ahead = nil
	}
}
