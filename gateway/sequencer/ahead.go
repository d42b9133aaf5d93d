package sequencer

import (
	"context"
	"time"

	"fayi/outbox"
	"fayi/schemas"
)

// waiting is what was read of an outbox for one round, judged.
type waiting struct {
	rows     []outbox.Row
	more     bool
	judged   []judged
	registry *schemas.Registry // by which they were judged
}

// ahead is the next round's rows, read and judged while the round before seals and
// commits. It saves time and decides nothing: if that round does not commit, or
// anything that was judged by has changed, the rows are read anew.
type ahead struct {
	done chan struct{}
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

// lookAhead begins with the rows after those of a round. They are told apart by id
// and time, never by "id greater than": a row committed late under a lower id is
// among them.
func (s *Sequencer) lookAhead(ctx context.Context, lim outbox.Limit, now []outbox.Row) {
	taken := make(map[uint64]time.Time, len(now))
	for i := range now {
		taken[now[i].ID] = now[i].Created
	}
	skip := lim.Skip
	lim.Skip = func(id uint64, created time.Time) bool {
		at, ok := taken[id]
		return ok && at.Equal(created) || skip != nil && skip(id, created)
	}
	a := &ahead{done: make(chan struct{})}
	s.ahead = a
	go func() {
		defer close(a.done)
		a.w, _ = s.take(ctx, lim) // whoever needs the rows reads them again and meets the error
	}()
}

// lookedAhead gives up what was read ahead, nil if that is of no use.
func (s *Sequencer) lookedAhead() *waiting {
	a := s.ahead
	s.ahead = nil
	if a == nil {
		return nil
	}
	<-a.done
	if a.w == nil || len(a.w.rows) == 0 {
		return nil
	}
	if a.w.registry != s.Schemas() {
		return s.judge(a.w.rows, a.w.more)
	}
	return a.w
}
