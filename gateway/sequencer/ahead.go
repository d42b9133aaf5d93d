package sequencer

import (
	"context"
	"maps"
	"slices"
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
	registry *schemas.Registry  // by which they were judged
	newest   map[string]*newest // of their keys, by stream; only of what was read ahead
}

// newest are the newest versions of some keys of a stream as they are where it ends
// at a head. Every change of a key moves the head, so they are that as long as the
// stream ends there.
type newest struct {
	stream int64
	keys   map[[16]byte]bool // asked for
	of     map[[16]byte]store.Latest
	at     store.Head
}

// ahead is the next round's rows, read and judged while the round before seals and
// commits. It saves time and decides nothing: if that round does not commit, or
// anything that was judged by has changed, the rows are read anew.
type ahead struct {
	done chan struct{}
	w    *waiting // nil if the rows could not be read
	// before are the appends of the round before, once they are committed.
	before []store.Append
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
func (s *Sequencer) lookAhead(ctx context.Context, lim outbox.Limit, now []outbox.Row, b *batch) {
	taken := make(map[uint64]time.Time, len(now))
	for i := range now {
		taken[now[i].ID] = now[i].Created
	}
	skip := lim.Skip
	if skip == nil && len(now) > 0 { // those of a source in another database stay, and have any id
		lim.Skipped = now[len(now)-1].ID
	}
	lim.Skip = func(id uint64, created time.Time) bool {
		at, ok := taken[id]
		return ok && at.Equal(created) || skip != nil && skip(id, created)
	}
	streams := make(map[string]store.Stream, len(b.streams))
	for name, a := range b.streams {
		streams[name] = a.stream
	}
	a := &ahead{done: make(chan struct{})}
	s.ahead = a
	go func() {
		defer close(a.done)
		a.w, _ = s.take(ctx, lim) // whoever needs the rows reads them again and meets the error
		if a.w != nil {
			a.w.newest = s.newestOf(ctx, a.w, streams)
		}
	}()
}

// newestOf reads the newest versions of the rows' keys in the streams of the round
// before, which ended where that round began: each read sees them as they were
// then, or as that round leaves them.
func (s *Sequencer) newestOf(ctx context.Context, w *waiting, streams map[string]store.Stream) map[string]*newest {
	out := map[string]*newest{}
	for i := range w.judged {
		rec := w.judged[i].rec
		if len(w.judged[i].faults) > 0 {
			continue
		}
		for _, name := range rec.streams {
			st, ok := streams[name]
			if !ok {
				continue
			}
			if out[name] == nil {
				out[name] = &newest{stream: st.ID, keys: map[[16]byte]bool{}, at: st.Head}
			}
			out[name].keys[rec.keyHash] = true
		}
	}
	for name, k := range out {
		var err error
		if k.of, err = s.Store.LatestOf(ctx, k.stream, slices.Collect(maps.Keys(k.keys))); err != nil {
			delete(out, name) // it is read again where it is needed
		}
	}
	return out
}

// follow moves what is known to the end of the round before, which is committed.
func (k *newest) follow(before []store.Append) {
	for _, app := range before {
		if app.Stream != k.stream || app.From != k.at || len(app.Segments) == 0 {
			continue
		}
		for _, l := range app.Latest {
			if k.keys[l.KeyHash] {
				k.of[l.KeyHash] = l
			}
		}
		k.at = app.Segments[len(app.Segments)-1].End()
	}
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
	for _, k := range a.w.newest {
		k.follow(a.before)
	}
	if a.w.registry != s.Schemas() {
		return s.judge(a.w.rows, a.w.more)
	}
	return a.w
}
