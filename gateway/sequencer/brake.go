package sequencer

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"fayi/crypto/seal"
	"fayi/gateway/intake"
	"fayi/gateway/problem"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/schemas"
)

// Brakes are how much of a record type one source may delete or change within
// Window without a person (design §5). Beyond it the type's rows of that source
// stay in their outbox until somebody confirms or refuses them; nothing else
// waits. New keys are neither: a first load passes. The zero value brakes nothing.
type Brakes struct {
	Floor         int64 // so many deleted and changed keys always pass
	DeletePercent int64 // of the type's keys, from 100 on all
	ChangePercent int64
	Window        time.Duration
}

// limit is how many of a type's keys may pass.
func (b Brakes) limit(percent, keys int64) int64 {
	if percent >= 100 {
		return 1 << 62
	}
	return max(b.Floor, keys*percent/100)
}

// turn is what one batch does to a stream's keys.
type turn struct {
	born             int64
	deleted, changed []store.Pos // where those keys were before
}

// count notes what a record does to its key, whose newest version is l.
func (t *turn) count(op string, exists, same bool, l store.Latest) {
	switch {
	case op == seal.Put && !exists:
		t.born++
	case op == seal.Put && !same:
		t.changed = append(t.changed, l.Pos)
	case op == seal.Del && exists:
		t.born--
		t.deleted = append(t.deleted, l.Pos)
	}
}

// maxTypes is how many types a source with a brake on is read by.
const maxTypes = 64

// read reads what waits, but for types that wait for a person, within the limit
// it returns.
func (s *Sequencer) read(ctx context.Context) (*waiting, outbox.Limit, error) {
	lim, none := s.limit()
	if none {
		return &waiting{}, lim, nil
	}
	if len(s.brakes) > 0 {
		if err := s.loadBrakes(ctx); err != nil {
			return nil, lim, err
		}
	}
	ahead := s.lookedAhead()
	if s.holds() {
		types, err := s.reader.Types(ctx, maxTypes)
		if err != nil {
			return nil, lim, err
		}
		lim.Types = slices.DeleteFunc(types, func(t string) bool { return !s.mine(t) || s.brakes[t].State == store.BrakeHeld })
		if len(lim.Types) == 0 {
			return &waiting{}, lim, nil
		}
	} else if ahead != nil {
		return ahead, lim, nil
	}
	w, err := s.take(ctx, lim)
	if err == nil && len(w.rows) == 0 && len(s.brakes) > 0 {
		err = s.Store.InTx(ctx, func(tx *sql.Tx) error { return s.spendBrakes(ctx, tx, nil, true) })
	}
	return w, lim, err
}

func (s *Sequencer) holds() bool {
	for _, b := range s.brakes {
		if b.State == store.BrakeHeld {
			return true
		}
	}
	return false
}

func (s *Sequencer) loadBrakes(ctx context.Context) error {
	list, err := s.Store.Brakes(ctx, s.Source.Name)
	if err != nil {
		return err
	}
	s.brakes = make(map[string]store.Brake, len(list))
	for _, b := range list {
		if s.mine(b.Type) { // the other lane's are used up by the other lane
			s.brakes[b.Type] = b
		}
	}
	return nil
}

// decideWithin makes a batch of the rows that may pass and returns them with it:
// a type that would go beyond the limits is held, and the others are decided
// again without it.
func (s *Sequencer) decideWithin(ctx context.Context, w *waiting) (*batch, []outbox.Row, error) {
	for {
		if err := s.loadBrakes(ctx); err != nil {
			return nil, nil, err
		}
		if w.sealed != nil {
			if tripped, err := w.sealed.b.tripped(ctx); len(s.brakes) == 0 && len(tripped) == 0 || err != nil {
				return w.sealed.b, w.rows, err
			}
			w.sealed = nil // it is decided again, with the brakes there are
		}
		b := newBatch(s)
		b.registry = w.registry
		rows := w.rows
		if s.holds() {
			rows = slices.DeleteFunc(slices.Clone(rows), func(r outbox.Row) bool { return s.brakes[r.Type].State == store.BrakeHeld })
		}
		for i := range w.judged {
			if j := &w.judged[i]; s.brakes[j.row.Type].State != store.BrakeHeld {
				b.intake(j)
			}
		}
		if back, err := b.takenBack(ctx); err != nil {
			return nil, nil, err
		} else if back { // what waits is judged again, by the version before
			*w = *s.judge(w.rows, w.more)
			continue
		}
		if err := b.decide(ctx); err != nil {
			return nil, nil, err
		}
		tripped, err := b.tripped(ctx)
		if err != nil || len(tripped) == 0 {
			return b, rows, err
		}
		for _, br := range tripped {
			if err := s.hold(ctx, br); err != nil {
				return nil, nil, err
			}
		}
	}
}

// hold stops a type and tells the operator once.
func (s *Sequencer) hold(ctx context.Context, br store.Brake) error {
	news, err := s.Store.Hold(ctx, br)
	if err != nil || !news {
		return err
	}
	detail := fmt.Sprintf("source %s, type %s: %d %s of %d keys within %v, limit %d", br.Source, br.Type, br.Count, br.Why, br.Live, s.Brakes.Window, br.Limit)
	s.Log.WarnContext(ctx, "a record type waits for a person", "source", br.Source, "type", br.Type, "why", br.Why, "count", br.Count, "limit", br.Limit)
	return s.Store.AddEvent(ctx, store.Event{Level: "alarm", Code: problem.Brake, Detail: detail})
}

// tripped finds the types of which the batch would delete or change too much,
// and prepares what is added to the counts if it does not.
func (b *batch) tripped(ctx context.Context) (out []store.Brake, err error) {
	s := b.s
	if s.Brakes.Window <= 0 || s.Source.Name == replicate.OwnSource {
		return nil, nil
	}
	now := s.now()
	slot, since := now.Truncate(s.Brakes.Window/12).UnixMicro(), now.Add(-s.Brakes.Window).UnixMicro()
	over := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(b.streams)) {
		a := b.streams[name]
		t := store.Turn{Source: s.Source.Name, Stream: a.stream.ID, Slot: slot, From: a.stream.Pos, Born: a.turn.born}
		br := s.brakes[a.stream.Type]
		switch {
		case len(a.turn.deleted)+len(a.turn.changed) == 0, br.State == store.BrakeRefused:
		default:
			pace, err := s.Store.PaceOf(ctx, s.Source.Name, a.stream.ID, since)
			if err != nil {
				return nil, err
			}
			if !pace.Any {
				pace.From = a.stream.Pos
			}
			t.Deletes, t.Changes = firstTime(a.turn.deleted, pace.From), firstTime(a.turn.changed, pace.From)
			if br.State == store.BrakeConfirmed { // what a person let pass counts no further
				free := min(t.Deletes+t.Changes, br.Remaining)
				b.spent[a.stream.Type] = max(b.spent[a.stream.Type], free)
				deletes := min(free, t.Deletes)
				t.Deletes, t.Changes = t.Deletes-deletes, t.Changes-(free-deletes)
			}
			keys := pace.Live + pace.Deletes
			held := store.Brake{Source: s.Source.Name, Type: a.stream.Type, Live: keys}
			switch {
			case over[a.stream.Type]:
				continue
			case t.Deletes > 0 && pace.Deletes+t.Deletes > s.Brakes.limit(s.Brakes.DeletePercent, keys):
				held.Why, held.Count, held.Limit = "deletes", pace.Deletes+t.Deletes, s.Brakes.limit(s.Brakes.DeletePercent, keys)
			case t.Changes > 0 && pace.Changes+t.Changes > s.Brakes.limit(s.Brakes.ChangePercent, keys):
				held.Why, held.Count, held.Limit = "changes", pace.Changes+t.Changes, s.Brakes.limit(s.Brakes.ChangePercent, keys)
			}
			if held.Why != "" {
				over[a.stream.Type] = true
				out = append(out, held)
			}
		}
		b.turns = append(b.turns, t)
	}
	return out, nil
}

// firstTime counts each key once in a window: those that no earlier change of the
// window moved beyond where the stream ended before the first.
func firstTime(keys []store.Pos, from store.Pos) (n int64) {
	for _, pos := range keys {
		if pos.Compare(from) <= 0 {
			n++
		}
	}
	return n
}

// refused reports whether a person refused what this row would do, and counts it.
func (b *batch) refused(row *outbox.Row) bool {
	br := b.s.brakes[row.Type]
	if br.State != store.BrakeRefused || br.Op != "" && br.Op != row.Op || b.spent[row.Type] >= br.Remaining {
		return false
	}
	b.spent[row.Type]++
	b.reject(row, schemas.Faults{intake.Fault(intake.Brake, "")})
	return true
}

// spendBrakes uses up decisions: by what a batch spent, and wholly where nothing
// waits any more.
func (s *Sequencer) spendBrakes(ctx context.Context, tx *sql.Tx, spent map[string]int64, over bool) error {
	for t, br := range s.brakes {
		if br.State == store.BrakeHeld || spent[t] == 0 && !over {
			continue
		}
		if err := s.Store.SpendBrake(ctx, tx, br, spent[t], over); err != nil {
			return err
		}
	}
	return nil
}

// Held is a type that waits for a person, and what waits.
type Held struct {
	store.Brake
	Table   string
	Waiting map[string]int64 // rows by operation, counted up to outbox.MaxWaiting
}

// HeldOf lists what waits for a person at one source, read through r.
func HeldOf(ctx context.Context, st *store.Store, source Source, r *outbox.Reader) (out []Held, err error) {
	list, err := st.Brakes(ctx, source.Name)
	if err != nil {
		return nil, err
	}
	for _, b := range list {
		if b.State != store.BrakeHeld {
			continue
		}
		h := Held{Brake: b, Table: source.Table}
		if h.Waiting, err = r.Count(ctx, b.Type); err != nil && source.DB == nil {
			return nil, err // a database of its own may be down: what is held is told all the same
		}
		out = append(out, h)
	}
	return out, nil
}

// Decide lets a person's word stand for the rows of a type that wait now:
// confirmed they pass, refused they go to exchange_rejected (of one operation
// only, if op is not ""). It returns how many there are and, unless it is dry,
// writes the decision down and an event with who took it; the node acts on it in
// its next round.
func Decide(ctx context.Context, st *store.Store, source, recordType string, refuse bool, op, who string, r *outbox.Reader, dry bool) (n int64, err error) {
	list, err := st.Brakes(ctx, source)
	if err != nil {
		return 0, err
	}
	if !slices.ContainsFunc(list, func(b store.Brake) bool { return b.Type == recordType && b.State == store.BrakeHeld }) {
		return 0, store.ErrNoBrake
	}
	if n, err = r.CountAll(ctx, recordType); err != nil || dry {
		return n, err
	}
	state := store.BrakeConfirmed
	if refuse {
		state = store.BrakeRefused
		if op != "" {
			by, err := r.Count(ctx, recordType)
			if err != nil {
				return 0, err
			}
			n = by[op]
		}
	}
	if err := st.DecideBrake(ctx, source, recordType, state, op, n); err != nil {
		return 0, err
	}
	return n, st.AddEvent(ctx, store.Event{Level: "info", Code: problem.Brake,
		Detail: fmt.Sprintf("source %s, type %s: %s by %s, %d rows %s", source, recordType, state, who, n, op)})
}
