package sequencer

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"fayi/crypto/keys"
	"fayi/gateway/directory"
	"fayi/gateway/problem"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
	"fayi/gateway/trace"
	"fayi/outbox"
	"fayi/schemas"
)

// Source is one business system's outbox table and what it may publish.
type Source struct {
	Name  string  // in every line it publishes
	Table string  // in the node's database, or in DB
	DB    *sql.DB // a MySQL database of its own, see store.OpenForeign; nil: the node's
	// MaxTaken is how many rows of DB may be taken and not yet covered by a receipt: above it the source waits
	// (design §5). 0: DefaultMaxTaken.
	MaxTaken int
	Types    []string // record types it may publish; "*" for all
	Ops      []string // put, del
	Prefix   string   // of every key; "" for any
}

// Reader reads the source's outbox, wherever it is.
func (src *Source) Reader(st *store.Store) (*outbox.Reader, error) {
	if src.DB != nil {
		return outbox.NewReader(src.DB, outbox.MySQL, src.Table)
	}
	return outbox.NewReader(st.DB(), st.Dialect(), src.Table)
}

// Sequencer seals what one source publishes. Its fields are set once; Round is
// called by one goroutine at a time, while any number of other sequencers, in
// this process or another, may work on the same tables.
type Sequencer struct {
	Source    Source
	Store     *store.Store
	Directory *directory.Directory
	Signer    keys.Signer
	Cert      *keys.Certificate // of Signer: a key outside its own dates does not seal (protocol §7)
	StoreKey  *keys.StoreKey
	Schemas   func() *schemas.Registry
	Audiences func(recordType string) []string // of business types at this node
	Brakes    Brakes
	// Trial gives the type that judged before, where a type's pack is new, and
	// that pack; TakeBack whether a pack was taken back because of how a source's
	// rows fared. Nil where packs never change.
	Trial    func(*schemas.Type) (before *schemas.Type, pack int64)
	TakeBack func(context.Context, store.PackTrial) (bool, error)
	Journal  *replicate.Journal
	Hub      *replicate.Hub
	Trace    *trace.Writer
	Log      *slog.Logger

	// Now is the wall clock; nil for time.Now. It says whether the certificate is
	// in its dates, numbers a generation that opens, and is what a header claims; it
	// decides neither order nor who works.
	Now func() time.Time

	reader  *outbox.Reader
	foreign *foreign // of a source in another database
	lane    lane
	hashes  *Hashes
	ahead   *ahead                 // nil for none
	nextGen map[string]bool        // streams whose database was found behind heads.journal
	failed  map[uint64]int         // rounds in which a row failed that was all there was
	brakes  map[string]store.Brake // of this source, by type, as last read
}

// Limits of one round.
const (
	roundRows  = 2000
	roundBytes = 4 << 20
)

// Tally is what one round, or all of them, did with rows of one record type.
type Tally = store.Tally

// Init prepares the sequencer and looks for streams whose database lies behind
// heads.journal: they were put back to an earlier state after segments had
// left, so their next segment opens a new generation (protocol §6).
func (s *Sequencer) Init(ctx context.Context) error {
	var err error
	if s.reader, err = s.Source.Reader(s.Store); err != nil {
		return err
	}
	if s.Source.DB != nil {
		s.foreign = &foreign{db: s.Source.DB, max: cmp.Or(s.Source.MaxTaken, DefaultMaxTaken)}
	}
	s.hashes = NewHashes(s.StoreKey)
	s.nextGen = map[string]bool{}
	return s.Resume(ctx, nil)
}

// Resume judges what this process knows of its own streams against the
// database, before it seals: heads.journal, and what readers were asked about
// where another host sealed before (protocol §6). A stream in doubt opens the
// next generation with its next segment.
func (s *Sequencer) Resume(ctx context.Context, doubted map[string]string) error {
	s.forgetAhead()
	streams, err := s.Store.Streams(ctx)
	if err != nil {
		return err
	}
	for _, st := range streams {
		if st.Origin != s.Directory.Me() {
			continue
		}
		if why, ok := doubted[st.Name]; ok {
			s.nextGen[st.Name] = true
			if s.lane == urgent || !slices.Contains(s.Source.Types, "*") && !slices.Contains(s.Source.Types, st.Type) {
				continue // somebody else tells
			}
			s.Log.WarnContext(ctx, "the next segment opens a new generation", "stream", st.Name, "why", why)
			if err := s.Store.AddEvent(ctx, store.Event{Level: "alarm", Code: problem.JournalAhead, Stream: st.Name, Detail: why + "; the next segment opens a new generation"}); err != nil {
				return err
			}
			continue
		}
		j := s.Journal.Head(st.Name)
		if j.Seq == 0 || s.nextGen[st.Name] {
			continue
		}
		seg, err := s.Store.SegmentEnding(ctx, st.ID, j.Gen, j.Seq)
		if err != nil {
			return err
		}
		if seg == nil || seg.Hash != j.Hash {
			s.nextGen[st.Name] = true
			ev := store.Event{At: time.Now().UnixMicro(), Level: "alarm", Code: problem.JournalAhead, Stream: st.Name,
				Detail: fmt.Sprintf("journal at %d:%d, database at %d:%d; the next segment opens a new generation", j.Gen, j.Seq, st.Gen, st.Seq)}
			s.Log.WarnContext(ctx, "database is behind heads.journal", "stream", st.Name, "detail", ev.Detail)
			if err := s.Store.AddEvent(ctx, ev); err != nil {
				return err
			}
		}
	}
	return nil
}

// Round takes what waits, at most a round's worth, in one transaction. It
// returns how many rows left the outbox and whether more wait. When another
// sequencer was faster it returns zero and true.
func (s *Sequencer) Round(ctx context.Context) (n int, more bool, err error) {
	if now := s.now(); now.Before(s.Cert.NotBefore()) || now.After(s.Cert.NotAfter()) {
		return 0, false, problem.New(problem.KeyEnded, "this node's own certificate is good from %s to %s", s.Cert.NotBefore(), s.Cert.NotAfter())
	}
	if ok, err := s.foreign.begin(ctx, s); !ok || err != nil {
		return 0, false, err
	}
	began := time.Now()
	w, lim, err := s.read(ctx)
	s.foreign.looked(began)
	if err != nil || len(w.rows) == 0 {
		return 0, false, err
	}
	n, more, err = s.attempt(ctx, w, &lim)
	if poisonous(err) {
		n, err = s.bisect(ctx, w, err)
		more = true
	}
	return n, more, err
}

// attempt takes the rows of one transaction. While it commits, the round that
// follows is prepared by lim, if that is given.
func (s *Sequencer) attempt(ctx context.Context, w *waiting, lim *outbox.Limit) (n int, more bool, err error) {
	defer s.guard(&err)
	b, rows, err := s.decideWithin(ctx, w)
	if err != nil {
		return 0, false, err
	}
	if len(rows) == 0 { // all of them wait for a person; others are read next
		return 0, true, nil
	}
	if w.sealed == nil {
		w.sealed = &sealed{b: b}
		if w.sealed.appends, err = b.seal(ctx); err != nil {
			return 0, false, err
		}
	}
	appends := w.sealed.appends
	if more = w.more; more && len(s.brakes) == 0 && lim != nil {
		s.lookAhead(ctx, *lim, rows, b)
	}
	defer func() {
		if n == 0 {
			s.forgetAhead()
		}
	}()
	err = s.Store.Append(ctx, appends, func(ctx context.Context, tx *sql.Tx) error {
		if len(b.rejected) > 0 {
			if err := outbox.Reject(ctx, tx, s.Store.Dialect(), s.Source.Name, s.copied(), b.rejected); err != nil {
				return err
			}
		}
		if len(b.supersede) > 0 {
			if err := outbox.Supersede(ctx, tx, s.Store.Dialect(), b.supersede); err != nil {
				return err
			}
		}
		if err := s.account(ctx, tx, b); err != nil {
			return err
		}
		if err := s.spendBrakes(ctx, tx, b.spent, !more); err != nil {
			return err
		}
		if s.foreign != nil {
			return s.foreign.take(ctx, tx, s, b, rows)
		}
		return s.reader.Remove(ctx, tx, rows)
	})
	switch {
	case errors.Is(err, store.ErrHeadMoved), errors.Is(err, outbox.ErrTaken), errors.Is(err, store.ErrOutcomeUnknown):
		// Somebody else was faster, or it is not known whether this commit
		// happened: either way the tables decide, and they are read again.
		s.foreign.unsure()
		return 0, true, nil
	case err != nil:
		return 0, false, fmt.Errorf("sequence %s: %w", s.Source.Name, err)
	}
	s.foreign.committed(b, rows)
	b.announce(appends)
	return len(rows), more, nil
}

// account closes rejections of versions that the batch replaces and adds
// to the counts: of rows, of keys, of what a new pack refuses.
func (s *Sequencer) account(ctx context.Context, tx *sql.Tx, b *batch) error {
	for stream, positions := range b.replaced {
		if _, err := s.Store.ClosePeerRejections(ctx, tx, stream, positions); err != nil {
			return err
		}
	}
	if err := s.Store.AddTallies(ctx, tx, b.tallies()); err != nil {
		return err
	}
	if err := s.Store.AddPackTrials(ctx, tx, b.trialCounts()); err != nil {
		return err
	}
	return s.Store.AddTurns(ctx, tx, b.turns)
}

// How often an outbox is looked at: at once while a round was full, then after the first pause, then slower, up to the
// second of [Sequencer.pauses]. Each look that finds something makes a segment, and each segment costs every node on its way some fifteen
// statements and two commits. At 300 records a second over two hops 10 ms gave p99 28 ms and 37 % of a core a node,
// 28 ms 46 ms and 24 % (docs/benchmarks.md). Urgent types are looked at sooner; the node's own records can wait.
const (
	busyPause   = 28 * time.Millisecond
	urgentPause = 10 * time.Millisecond
	idlePause   = 40 * time.Millisecond
	ownPause    = 100 * time.Millisecond
)

// pauses are the first and the longest pause between looks at the lane's rows.
func (s *Sequencer) pauses() (busy, idle time.Duration) {
	switch {
	case s.Source.Name == replicate.OwnSource:
		return busyPause, ownPause
	case s.lane == urgent:
		return urgentPause, idlePause
	}
	return busyPause, idlePause
}

// Lead is what a process does each time it comes to hold a lease, before it
// seals: it returns the streams of which it is in doubt, and why, see Resume.
type Lead func(context.Context) (doubted map[string]string, err error)

// loop calls Round until ctx ends.
func (s *Sequencer) loop(ctx context.Context, lease func() bool, lead Lead) {
	busy, idle := s.pauses()
	pause := busy
	led := false
	for ctx.Err() == nil {
		n, more := 0, false
		if !lease() {
			led = false
		} else if led = led || lead == nil; !led {
			doubted, err := lead(ctx)
			if err == nil {
				err = s.Resume(ctx, doubted)
			}
			if err == nil {
				led = true
				s.foreign.anew()
			} else if ctx.Err() == nil {
				s.Log.ErrorContext(ctx, "the lease was taken, but not the work", "source", s.Source.Name, "err", err)
				pause = time.Second
			}
		}
		if led {
			var err error
			if n, more, err = s.Round(ctx); err != nil && ctx.Err() == nil {
				s.Log.ErrorContext(ctx, "sequencing failed", "source", s.Source.Name, "err", err)
				pause = time.Second
			}
		}
		switch {
		case more:
			continue
		case n > 0:
			pause = busy
		default:
			pause = min(pause+pause/2, max(idle, pause))
		}
		t := time.NewTimer(min(pause, time.Second))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
		pause = min(pause, idle)
	}
}

// recordedAt is when, and under which row id, the source recorded the line at a
// position of an own stream.
func (s *Sequencer) recordedAt(ctx context.Context, stream int64, pos store.Pos) (at time.Time, id uint64, err error) {
	l, err := s.lineAt(ctx, stream, pos)
	if err != nil || l == nil {
		return at, 0, err
	}
	// The line's time has milliseconds, its ref the row's own microseconds.
	parts := strings.Split(l.Ref, ":")
	if len(parts) == 3 {
		id, err = strconv.ParseUint(parts[1], 10, 64)
		micros, merr := strconv.ParseInt(parts[2], 10, 64)
		if err == nil && merr == nil {
			return time.UnixMicro(micros), id, nil
		}
	}
	return l.At.Time, 0, nil
}

func (s *Sequencer) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// Check judges a record as a round would, before it is put into the outbox: what
// a form or an import shows before anything is queued.
func (s *Sequencer) Check(ctx context.Context, r outbox.Record) (schemas.Faults, error) {
	row := outbox.Row{Type: r.Type, Key: []byte(r.Key), Op: string(r.Op), Payload: r.Payload, Null: r.Payload == nil, Size: int64(len(r.Payload))}
	b := newBatch(s)
	_, faults := b.check(&row)
	if len(faults) == 0 {
		return nil, nil // a round will count it
	}
	if b.try(&judged{row: &row, faults: faults}); len(b.trials) == 0 {
		return faults, nil
	}
	// It will never wait in an outbox, so it counts here.
	back, err := b.takenBack(ctx)
	if err != nil {
		return nil, err
	}
	if back {
		_, faults = newBatch(s).check(&row)
		return faults, nil
	}
	return faults, s.Store.InTx(ctx, func(tx *sql.Tx) error { return s.Store.AddPackTrials(ctx, tx, b.trialCounts()) })
}

// copied is the table from which the database itself copies rejected rows; "" where it cannot.
func (s *Sequencer) copied() string {
	if s.foreign != nil {
		return ""
	}
	return s.Source.Table
}

// Taken tells how many rows are taken of a source in another database and still lie there.
func (s *Sequencer) Taken(ctx context.Context) (int64, error) {
	if s.foreign == nil {
		return 0, nil
	}
	return s.Store.CountTaken(ctx, s.Source.Name)
}

// Waiting tells how many rows wait, up to a bound, and since when.
func (s *Sequencer) Waiting(ctx context.Context) (int64, time.Time, error) {
	return s.reader.Waiting(ctx)
}
