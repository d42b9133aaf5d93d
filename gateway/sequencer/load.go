package sequencer

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"fayi/crypto/seal"
	"fayi/gateway/problem"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/schemas"

	"github.com/emmansun/gmsm/sm3"
)

// Item is one record of a file that is loaded.
type Item struct {
	Row    uint64         // where it is in the file, for people and for its line's ref
	Key    string         // "" for what the type's key field says
	Data   []byte         // its contents as JSON; nil for a deletion
	Faults schemas.Faults // why it cannot be published, where the reader of the file knows already
}

// Loader seals the records of one file straight into the source's streams,
// without an outbox (design §5). All records are of one type and operation.
//
//	next ─► chunks ─► workers: judge, hash ─► in the file's order again ─► decide ─► seal ─► commit
//	                  one a core                                           while the round before commits
//
// The file is known by the hash of its bytes and each record by its row: how far
// it got is written in the transaction that seals, so that a load that was
// killed goes on where it stopped, and the same file again publishes nothing.
// What a file says counts as older than whatever the source published through
// its outbox: a key whose newest version came that way keeps it. A round holds
// two segments at most, and none is committed while a row of the type waits, so
// that a live record waits behind two segments and not behind the file.
//
// Safety is the compare-and-set of the streams' heads, as for a Round: a load
// may run beside the node, in the node or without it.
type Loader struct {
	Sequencer *Sequencer // Init was called
	Load      store.Load // as StartLoad returned it
	Outboxes  []string   // tables of this database whose waiting rows of the type go first
	Progress  func(store.Load)

	file   string
	typ    *schemas.Type
	waited uint64 // an outbox row nobody took in time, so nobody is waited for
}

// Braked is returned by [Loader.Run] when the load would delete or change more
// than passes without a person.
type Braked struct{ store.Brake }

func (b *Braked) Error() string {
	return fmt.Sprintf("sequencer: %d %s of %d keys, limit %d", b.Count, b.Why, b.Live, b.Limit)
}

// Bounds of a load.
const (
	chunkItems = 128
	chunkBytes = 512 << 10
	// lineOverhead is more than what a line holds beside key and contents.
	lineOverhead = 512
	// livePatience is how long a waiting row is let pass before it is concluded
	// that nobody takes it.
	livePatience = time.Second
)

// Run loads what next gives, until it returns io.EOF. next is called by one
// goroutine and gives the file's records from its beginning, those already
// dealt with too. After an error, or when ctx ends, the load can be run again.
func (l *Loader) Run(ctx context.Context, next func() (Item, error)) error {
	s := l.Sequencer
	if !l.Load.Ended.IsZero() {
		return nil
	}
	var ok bool
	if l.typ, ok = s.Schemas().Current(l.Load.Type); !ok {
		return fmt.Errorf("sequencer: no type %s", l.Load.Type)
	}
	l.file = hex.EncodeToString(l.Load.File[:])
	if err := s.loadBrakes(ctx); err != nil {
		return err
	}
	if br := s.brakes[l.Load.Type]; br.State == store.BrakeHeld {
		return &Braked{br}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel() // before waiting
	chunks := l.judgeAll(ctx, &wg, next)
	w := &loadWriter{l: l, at: l.Load}
	err := w.all(ctx, chunks)
	return errors.Join(err, w.settle(err))
}

// chunk is a run of the file's records, on its way through a worker.
type chunk struct {
	items  []Item
	judged []judged
	err    error // of next, after items
	done   chan struct{}
}

// size bounds the line the record becomes, or what is kept of a refused one.
func (j *judged) size() int { return len(j.row.Key) + len(j.row.Payload) + lineOverhead }

// judgeAll reads and judges the file on all cores and gives chunks in its order.
func (l *Loader) judgeAll(ctx context.Context, wg *sync.WaitGroup, next func() (Item, error)) <-chan *chunk {
	workers := runtime.GOMAXPROCS(0)
	work, order := make(chan *chunk), make(chan *chunk, 2*workers)
	wg.Go(func() {
		defer close(work)
		defer close(order)
		for skip := l.Load.Done; ctx.Err() == nil; {
			c := &chunk{done: make(chan struct{})}
			for size := 0; len(c.items) < chunkItems && size < chunkBytes; {
				item, err := next()
				if err != nil {
					c.err = err
					break
				}
				if skip > 0 {
					skip--
					continue
				}
				c.items, size = append(c.items, item), size+len(item.Data)
			}
			select {
			case order <- c:
			case <-ctx.Done():
				return
			}
			select {
			case work <- c:
			case <-ctx.Done():
				return
			}
			if c.err != nil {
				return
			}
		}
	})
	for range workers {
		wg.Go(func() {
			b := newBatch(l.Sequencer)
			for c := range work {
				c.judged = l.judge(b, c.items)
				c.items = nil
				close(c.done)
			}
		})
	}
	return order
}

// judge makes rows of items and judges them as a round would.
func (l *Loader) judge(b *batch, items []Item) []judged {
	rows := make([]outbox.Row, len(items))
	for i, item := range items {
		key := item.Key
		if key == "" && len(item.Faults) == 0 && l.typ.KeyField() != "" {
			key, _ = l.typ.Key(item.Data) // what is wrong with it is found below
		}
		rows[i] = outbox.Row{
			ID: item.Row, Type: l.Load.Type, Key: []byte(key), Op: l.Load.Op, Payload: item.Data, Null: item.Data == nil,
			Created: l.Load.Began, Size: int64(len(item.Data)), Oversize: len(item.Data) > outbox.MaxLoaded,
		}
	}
	out := b.judge(rows)
	for i, item := range items {
		if len(item.Faults) > 0 {
			out[i].rec, out[i].faults = nil, item.Faults
		}
	}
	return out
}

// loadWriter commits a load round by round: while one commits, the next is
// decided and sealed on top of it.
type loadWriter struct {
	l        *Loader
	at       store.Load // after the last round prepared
	inFlight *loadRound
}

// loadRound is what one transaction takes of the file.
type loadRound struct {
	records  []judged
	from, to store.Load
	last     bool // of the file
	b        *batch
	appends  []store.Append
	ends     map[string]*appending // the streams as they will be once it is committed
	done     chan error
}

// all takes the file's records in their order.
func (w *loadWriter) all(ctx context.Context, chunks <-chan *chunk) error {
	var round []judged
	cut := cutter{}
	for c := range chunks {
		select {
		case <-c.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		for _, j := range c.judged {
			if cut.full(j.size()) {
				if err := w.take(ctx, round, false); err != nil {
					return err
				}
				round, cut = nil, cutter{}
				cut.full(j.size())
			}
			round = append(round, j)
		}
		switch {
		case errors.Is(c.err, io.EOF):
			if err := w.take(ctx, round, true); err != nil {
				return err
			}
			return w.land(ctx)
		case c.err != nil:
			return c.err
		}
	}
	return ctx.Err()
}

// cutter counts segments as they will be cut, by the upper bounds of lines.
type cutter struct{ segments, lines, bytes int }

// full reports whether a line more would need a third segment.
func (c *cutter) full(size int) bool {
	if c.segments == 0 || c.lines == seal.MaxLines || c.bytes+size > seal.MaxLineBytes {
		if c.segments == 2 {
			return true
		}
		c.segments, c.lines, c.bytes = c.segments+1, 0, 0
	}
	c.lines, c.bytes = c.lines+1, c.bytes+size
	return false
}

// take prepares a round while the one before commits, then starts its commit.
func (w *loadWriter) take(ctx context.Context, records []judged, last bool) error {
	r := &loadRound{records: records, last: last}
	var base map[string]*appending
	if w.inFlight != nil {
		base = w.inFlight.ends
	}
	if err := w.prepare(ctx, r, w.at, base); err != nil {
		return err
	}
	if err := w.land(ctx); err != nil {
		return err
	}
	if r.from != w.at { // the round before was not as it was taken to be: on top of nothing, again
		if err := w.prepare(ctx, r, w.at, nil); err != nil {
			return err
		}
	}
	if waited, err := w.l.letLivePass(ctx); err != nil {
		return err
	} else if waited {
		if err := w.prepare(ctx, r, w.at, nil); err != nil {
			return err
		}
	}
	r.done, r.ends = make(chan error, 1), r.b.ends()
	w.inFlight, w.at = r, r.to
	go func() { r.done <- w.commit(ctx, r) }()
	return nil
}

// prepare decides and seals a round.
func (w *loadWriter) prepare(ctx context.Context, r *loadRound, from store.Load, base map[string]*appending) error {
	s := w.l.Sequencer
	b := newBatch(s)
	b.file, b.base = w.l.file, base
	for i := range r.records {
		if j := &r.records[i]; len(j.faults) > 0 {
			b.reject(j.row, j.faults)
		} else {
			b.records = append(b.records, j.rec)
		}
		b.try(&r.records[i])
	}
	if back, err := b.takenBack(ctx); err != nil {
		return err
	} else if back { // what follows is judged too: run again, the load goes on by the version before
		return problem.New(problem.PackBraked, "load of %s", w.l.Load.Type)
	}
	if err := b.decide(ctx); err != nil {
		return err
	}
	tripped, err := b.tripped(ctx)
	if err != nil {
		return err
	}
	if len(tripped) > 0 {
		return &Braked{tripped[0]}
	}
	if r.appends, err = b.seal(ctx); err != nil {
		return err
	}
	t := b.tally(w.l.Load.Type)
	r.b, r.from, r.to = b, from, from
	r.to.Done += uint64(len(r.records))
	r.to.Accepted, r.to.Rejected = r.to.Accepted+t.Accepted, r.to.Rejected+t.Rejected
	r.to.Unchanged, r.to.Superseded = r.to.Unchanged+t.Unchanged, r.to.Superseded+t.Superseded
	if r.last {
		r.to.Ended = time.Now().UTC().Truncate(time.Microsecond).Round(0)
	}
	return nil
}

// commit writes a prepared round. If somebody else sealed meanwhile, it is
// prepared and written again.
func (w *loadWriter) commit(ctx context.Context, r *loadRound) error {
	s := w.l.Sequencer
	for {
		err := s.Store.Append(ctx, r.appends, func(ctx context.Context, tx *sql.Tx) error {
			if len(r.b.rejected) > 0 {
				if err := outbox.Reject(ctx, tx, s.Store.Dialect(), s.Source.Name, "", r.b.rejected); err != nil {
					return err
				}
			}
			if err := s.account(ctx, tx, r.b); err != nil {
				return err
			}
			return s.Store.AdvanceLoad(ctx, tx, r.from, r.to)
		})
		switch {
		case errors.Is(err, store.ErrOutcomeUnknown):
			now, rerr := s.Store.StartLoad(ctx, w.l.Load)
			if rerr != nil {
				return errors.Join(err, rerr)
			}
			if now.Done == r.to.Done {
				err = nil
			}
		case errors.Is(err, store.ErrHeadMoved):
		case err != nil:
			return fmt.Errorf("load %s: %w", w.l.Load.Name, err)
		}
		if err == nil {
			return nil
		}
		if _, err := w.l.letLivePass(ctx); err != nil {
			return err
		}
		if err := w.prepare(ctx, r, r.from, nil); err != nil {
			return err
		}
	}
}

// land waits for the round in flight.
func (w *loadWriter) land(ctx context.Context) error {
	r := w.inFlight
	if r == nil {
		return nil
	}
	err := <-r.done
	w.inFlight = nil
	if err != nil {
		return err
	}
	w.l.Load, w.at = r.to, r.to
	r.b.announce(r.appends)
	if w.l.Progress != nil {
		w.l.Progress(r.to)
	}
	return ctx.Err()
}

// settle waits for what is in flight when the load ends early.
func (w *loadWriter) settle(err error) error {
	if err == nil || w.inFlight == nil {
		return nil
	}
	return w.land(context.Background())
}

// letLivePass waits while a row of the type waits in an outbox, and reports
// whether it had to. Where nobody takes the row, since no node runs, it is not
// waited for again.
func (l *Loader) letLivePass(ctx context.Context) (waited bool, err error) {
	for begin := time.Now(); ; waited = true {
		first, err := l.firstLive(ctx)
		if err != nil || first == 0 || first == l.waited {
			return waited, err
		}
		if time.Since(begin) > livePatience {
			l.waited = first
			return waited, nil
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return waited, ctx.Err()
		}
	}
}

// firstLive is the id of the first waiting row of the type, 0 if there is none.
func (l *Loader) firstLive(ctx context.Context) (id uint64, err error) {
	for _, table := range l.Outboxes {
		r, err := outbox.NewReader(l.Sequencer.Store.DB(), l.Sequencer.Store.Dialect(), table)
		if err != nil {
			return 0, err
		}
		if id, err = r.First(ctx, l.Load.Type); err != nil || id != 0 {
			return id, err
		}
	}
	return 0, nil
}

// loadOver finds the keys whose newest version came through an outbox.
func (b *batch) loadOver(ctx context.Context) error {
	for name, a := range b.streams {
		at := map[store.Pos][16]byte{}
		for _, rec := range b.records {
			l, known := a.latest[rec.keyHash]
			pos, stored := a.stored[rec.keyHash]
			if known && stored && slices.Contains(rec.streams, name) && !rec.repeats(l) {
				at[pos] = rec.keyHash
			}
		}
		if err := b.findLive(ctx, a, at); err != nil {
			return err
		}
	}
	return nil
}

// findLive opens the segments of these positions, each once, and reads where
// their lines came from.
func (b *batch) findLive(ctx context.Context, a *appending, at map[store.Pos][16]byte) error {
	a.live = map[[16]byte]bool{}
	var h *seal.Header
	var lines [][]byte
	for _, pos := range slices.SortedFunc(maps.Keys(at), store.Pos.Compare) {
		if h == nil || pos.Gen != h.Gen || pos.Seq > h.Last() {
			seg, err := b.s.Store.SegmentHolding(ctx, a.stream.ID, pos.Gen, pos.Seq)
			if err == nil && seg != nil {
				seg, err = b.s.Store.Body(ctx, a.stream.ID, seg.Gen, seg.First)
			}
			if err == nil && seg != nil {
				h, lines, err = replicate.OpenStored(b.s.StoreKey, seg)
			}
			if err != nil {
				return err
			}
			if seg == nil {
				return fmt.Errorf("sequencer: %s holds no segment at %v", a.name, pos)
			}
		}
		line, err := seal.ParseLine(lines[pos.Seq-h.First])
		a.live[at[pos]] = err != nil || !fromFile(line.Ref) // an erased line is nothing a file brings back
	}
	return nil
}

// fromFile reports whether a line's ref names a row of a file.
func fromFile(ref string) bool {
	parts := strings.Split(ref, ":")
	return len(parts) == 3 && len(parts[1]) == 64
}

// outranked reports whether a record of a file comes too late: its key's newest
// version, a different one, came through an outbox.
func (b *batch) outranked(rec *record) bool {
	return b.file != "" && slices.ContainsFunc(rec.streams, func(name string) bool {
		a := b.streams[name]
		return a.live[rec.keyHash] && !rec.repeats(a.latest[rec.keyHash])
	})
}

// OutboxesOf lists the tables among sources that may hold rows of a type.
func OutboxesOf(sources []Source, recordType string) (tables []string) {
	for _, s := range sources {
		if slices.Contains(s.Types, "*") || slices.Contains(s.Types, recordType) {
			tables = append(tables, s.Table)
		}
	}
	slices.SortFunc(tables, cmp.Compare)
	return slices.Compact(tables)
}

// HashFile is how a load knows a file.
func HashFile(r io.Reader) (h store.Hash, err error) {
	d := sm3.New()
	if _, err := io.Copy(d, r); err != nil {
		return h, err
	}
	d.Sum(h[:0])
	return h, nil
}
