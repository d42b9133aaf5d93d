package sequencer

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/intake"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
	"fayi/gateway/trace"
	"fayi/outbox"
	"fayi/schemas"
)

// batch is one round's rows on their way into segments.
type batch struct {
	s         *Sequencer
	registry  *schemas.Registry
	records   []*record
	rejected  []outbox.Rejection
	streams   map[string]*appending
	replaced  map[string][]store.Pos // versions that a new one replaces, by stream
	supersede []uint64               // rejected rows whose repair came too late
	file      string                 // of a load: SM3 of the file, in hex; "" for rows of an outbox
	base      map[string]*appending  // what is being committed before this batch
	nextGen   map[string]bool        // streams that open a generation
	tallied   map[string]*Tally
	turns     []store.Turn           // what it does to the numbers of keys
	spent     map[string]int64       // rows let through or turned away by a person's decision, by type
	outcomes  map[*outbox.Row]string // for the trace
	trials    map[int64]*store.PackTrial

	text  []byte                       // of lines
	lines map[*outbox.Row][]store.Line // where rows of a source in another database are
}

// appending is what one stream gains.
type appending struct {
	name    string
	stream  store.Stream
	turn    turn
	gen     uint64                    // of the segments to come
	latest  map[[16]byte]store.Latest // of the keys at hand, moving as lines are added
	stored  map[[16]byte]store.Pos    // where those keys were before this batch
	open    map[store.Pos]bool        // versions some reader refused
	lines   []pending
	changed map[[16]byte]*outbox.Row // by which row of the batch last
	live    map[[16]byte]bool        // of a load: keys whose newest version came through an outbox
	end     store.Head               // once sealed
}

// pending is a line before it has a number in a segment.
type pending struct {
	rec *record
	was *seal.Was
}

func newBatch(s *Sequencer) *batch {
	return &batch{
		s: s, registry: s.Schemas(), streams: map[string]*appending{}, replaced: map[string][]store.Pos{},
		tallied: map[string]*Tally{}, spent: map[string]int64{}, outcomes: map[*outbox.Row]string{}, trials: map[int64]*store.PackTrial{},
		lines: map[*outbox.Row][]store.Line{}, nextGen: s.nextGen,
	}
}

func (b *batch) tally(recordType string) *Tally {
	t := b.tallied[recordType]
	if t == nil {
		t = &Tally{Source: b.s.Source.Name, Type: recordType}
		b.tallied[recordType] = t
	}
	return t
}

func (b *batch) tallies() []Tally {
	var out []Tally
	for _, name := range slices.Sorted(maps.Keys(b.tallied)) {
		out = append(out, *b.tallied[name])
	}
	return out
}

func (b *batch) took(row *outbox.Row, outcome string) {
	if b.s.Trace.Enabled() {
		b.outcomes[row] = outcome
	}
}

// decide loads what is known of the batch's keys and decides, row by row in
// order, what each stream gains. A row is taken whole: if one of its streams
// says that the key is another source's, it is rejected.
func (b *batch) decide(ctx context.Context) error {
	if err := b.load(ctx); err != nil {
		return err
	}
	for _, rec := range b.records {
		if b.foreign(rec) {
			b.reject(rec.row, schemas.Faults{intake.Fault(intake.NotYours, "")})
			continue
		}
		if id, repair := rec.row.Repairs(); repair {
			old, err := b.superseded(ctx, rec, id)
			if err != nil {
				return err
			}
			if old {
				b.supersede = append(b.supersede, id)
				b.tally(rec.row.Type).Superseded++
				b.took(rec.row, "superseded")
				continue
			}
		}
		if b.outranked(rec) {
			b.tally(rec.row.Type).Superseded++
			b.took(rec.row, "superseded")
			continue
		}
		if b.recognise(rec) {
			b.tally(rec.row.Type).Unchanged++
			b.took(rec.row, "unchanged")
			continue
		}
		changed := false
		for _, name := range rec.streams {
			changed = b.streams[name].add(b, rec) || changed
		}
		if changed {
			b.tally(rec.row.Type).Accepted++
			b.took(rec.row, "accepted")
		} else {
			b.tally(rec.row.Type).Unchanged++
			b.took(rec.row, "unchanged")
		}
	}
	return nil
}

// load reads each stream's head and the newest versions of the keys at hand.
func (b *batch) load(ctx context.Context) error {
	keys := map[string][][16]byte{}
	for _, rec := range b.records {
		for _, name := range rec.streams {
			keys[name] = append(keys[name], rec.keyHash)
		}
	}
	for name, ks := range keys {
		st, err := b.s.Store.EnsureStream(ctx, name)
		if err != nil {
			return err
		}
		a := &appending{name: name, stream: st, changed: map[[16]byte]*outbox.Row{}, stored: map[[16]byte]store.Pos{}}
		before := b.base[name]
		if before != nil {
			a.stream.Head, a.gen = before.end, before.gen
		} else {
			a.gen = b.generation(name, st.Head)
		}
		if a.latest, err = b.s.Store.LatestOf(ctx, st.ID, ks); err != nil {
			return err
		}
		if before != nil { // whether that was read before it was committed or after
			for _, key := range ks {
				if before.changed[key] != nil {
					a.latest[key] = before.latest[key]
				}
			}
		}
		positions := make([]store.Pos, 0, len(a.latest))
		for key, l := range a.latest {
			if before != nil && before.changed[key] != nil {
				continue // not stored for sure, and refused by no reader yet
			}
			a.stored[key] = l.Pos
			positions = append(positions, l.Pos)
		}
		if a.open, err = b.s.Store.OpenRejections(ctx, name, positions); err != nil {
			return err
		}
		b.streams[name] = a
	}
	if b.file != "" {
		return b.loadOver(ctx)
	}
	return nil
}

// generation is the generation of the next segment of a stream that ends at head.
func (b *batch) generation(name string, head store.Head) uint64 {
	now := uint64(b.s.now().Unix())
	switch {
	case b.nextGen[name]:
		return max(now, head.Gen+1, b.s.Journal.Head(name).Gen+1)
	case head.Gen > 0:
		return head.Gen
	}
	return max(now, b.s.Journal.Head(name).Gen+1)
}

// superseded reports whether a repaired row comes too late: a later version of
// its key was taken since the row it repairs was written. Nothing re-emits an
// old version (design §5, F12).
func (b *batch) superseded(ctx context.Context, rec *record, rejected uint64) (bool, error) {
	old, err := outbox.GetRejected(ctx, b.s.Store.DB(), b.s.Store.Dialect(), rejected)
	if errors.Is(err, outbox.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, name := range rec.streams {
		a := b.streams[name]
		if row := a.changed[rec.keyHash]; row != nil && later(row.Created, row.ID, &old.Row) {
			return true, nil // by an earlier row of this batch
		}
		pos, known := a.stored[rec.keyHash]
		if !known {
			continue
		}
		at, id, err := b.s.recordedAt(ctx, a.stream.ID, pos)
		if err != nil {
			return false, err
		}
		if later(at, id, &old.Row) {
			return true, nil
		}
	}
	return false, nil
}

// later reports whether a version was written after the rejected row: by time,
// and by id where one moment or one statement wrote both.
func later(at time.Time, id uint64, rejected *outbox.Row) bool {
	if at.Equal(rejected.Created) {
		return id > rejected.ID
	}
	return at.After(rejected.Created)
}

// foreign reports whether the key was first published by another source.
func (b *batch) foreign(rec *record) bool {
	return slices.ContainsFunc(rec.streams, func(name string) bool {
		l, ok := b.streams[name].latest[rec.keyHash]
		return ok && l.Source != b.s.Source.Name
	})
}

// repeats reports whether the record is what the key's newest version put already.
func (rec *record) repeats(l store.Latest) bool {
	return l.Op == seal.Put && rec.row.Op == seal.Put && l.Fingerprint == store.Hash(rec.contents)
}

// add appends the record to the stream unless it is unchanged: compared with
// the newest version, earlier rows of this batch included, a deleted or unknown
// key being nothing; never while a reader's rejection of that version is open
// or the publisher asks to resend (design §5, F12–F14).
func (a *appending) add(b *batch, rec *record) bool {
	l, known := a.latest[rec.keyHash]
	exists := known && l.Op == seal.Put
	same := exists && rec.repeats(l) || !exists && rec.row.Op == seal.Del
	if same && !rec.row.Resend() && !a.open[l.Pos] {
		if known {
			b.note(rec.row, a, l.Pos)
		}
		return false
	}
	a.turn.count(rec.row.Op, exists, same, l)
	p := pending{rec: rec}
	if known {
		p.was = &seal.Was{Gen: l.Gen, Seq: l.Seq}
		if a.open[l.Pos] {
			b.replaced[a.name] = append(b.replaced[a.name], l.Pos)
		}
	}
	a.lines = append(a.lines, p)
	a.latest[rec.keyHash] = store.Latest{
		KeyHash: rec.keyHash, Op: rec.row.Op, Fingerprint: store.Hash(rec.contents), Source: b.s.Source.Name,
		Pos: store.Pos{Gen: a.gen, Seq: a.stream.Seq + uint64(len(a.lines))},
	}
	a.changed[rec.keyHash] = rec.row
	b.note(rec.row, a, a.latest[rec.keyHash].Pos)
	return true
}

// seal cuts every stream's lines into segments.
func (b *batch) seal(ctx context.Context) ([]store.Append, error) {
	var out []store.Append
	for _, name := range slices.Sorted(maps.Keys(b.streams)) {
		a := b.streams[name]
		if len(a.lines) == 0 {
			continue
		}
		app := store.Append{Stream: a.stream.ID, From: a.stream.Head}
		for key := range a.changed {
			app.Latest = append(app.Latest, a.latest[key])
		}
		// In the order of their key: neighbours share a page.
		slices.SortFunc(app.Latest, func(x, y store.Latest) int { return bytes.Compare(x.KeyHash[:], y.KeyHash[:]) })
		groups, err := b.groups(a)
		if err != nil {
			return nil, err
		}
		head, err := b.chain(a, groups, &app)
		if err != nil {
			return nil, err
		}
		a.end = head
		end := head.Pos
		app.Checked = &end // judged before it was sealed
		out = append(out, app)
	}
	return out, ctx.Err()
}

// groups writes the stream's lines, numbered on from its head, and cuts them into
// what one segment holds.
func (b *batch) groups(a *appending) (groups []seal.Group, err error) {
	var g seal.Group
	size := 0
	for i, p := range a.lines {
		line, err := b.line(a.stream.Seq+uint64(i)+1, p)
		if err != nil {
			return nil, err
		}
		ref := p.rec.schema.Ref()
		if len(g.Lines) == seal.MaxLines || size+len(line)+1 > seal.MaxLineBytes || len(g.Lines) > 0 && g.Schema != ref {
			groups, g, size = append(groups, g), seal.Group{}, 0
		}
		g.Schema, g.Lines, size = ref, append(g.Lines, line), size+len(line)+1
	}
	return append(groups, g), nil
}

// chain seals the groups after the stream's head and adds them to what is
// appended; it returns where the stream then ends.
func (b *batch) chain(a *appending, groups []seal.Group, app *store.Append) (store.Head, error) {
	parsed, err := sign.ParseStream(a.name)
	if err != nil {
		return store.Head{}, err
	}
	app.Segments = make([]store.Segment, len(groups))
	d := seal.Draft{Stream: a.name, Gen: a.gen, First: a.stream.Seq + 1, Prev: sign.Hash(a.stream.Hash), Time: sign.At(b.s.now())}
	_, err = seal.Chain(d, groups, b.s.Signer, func(i int, seg *seal.Segment) error {
		readers, err := replicate.WrapNext(b.s.Directory, parsed, seg.Key)
		if err != nil {
			return err
		}
		app.Segments[i], err = replicate.Stored(b.s.StoreKey, a.stream.ID, seg, readers)
		return err
	})
	if err != nil {
		return store.Head{}, err
	}
	return app.Segments[len(groups)-1].End(), nil
}

// ref is a row's identity: ids may be used again, so the time belongs to it. In
// a file it is the row's place.
func (b *batch) ref(row *outbox.Row) string {
	if b.file != "" {
		return fmt.Sprintf("%s:%s:%d", b.s.Source.Name, b.file, row.ID)
	}
	return b.s.ref(row)
}

func (s *Sequencer) ref(row *outbox.Row) string {
	return fmt.Sprintf("%s:%d:%d", s.Source.Name, row.ID, row.Created.UnixMicro())
}

// line writes a record's line with a fresh salt. Lines share memory.
func (b *batch) line(seq uint64, p pending) ([]byte, error) {
	row := p.rec.row
	l := seal.Line{
		Seq: seq, Key: p.rec.key, Op: row.Op, At: sign.At(row.Created), Src: b.s.Source.Name,
		Ref: b.ref(row), Was: p.was, Data: p.rec.data, X: p.rec.x,
	}
	if _, err := rand.Read(l.Salt[:]); err != nil {
		return nil, err
	}
	if size := len(l.Data) + len(l.X) + len(p.rec.key) + lineOverhead; size > cap(b.text)-len(b.text) {
		b.text = make([]byte, 0, max(size, seal.MaxLineBytes/2))
	}
	at := len(b.text)
	b.text = seal.AppendLine(b.text, &l)
	return b.text[at:len(b.text):len(b.text)], nil
}

// announce tells the trace, then the process, what was committed: an event is
// written before its effect can be seen.
func (b *batch) announce(appends []store.Append) {
	if b.s.Trace.Enabled() {
		b.record(appends)
	}
	for _, name := range slices.Sorted(maps.Keys(b.streams)) {
		if len(b.streams[name].lines) > 0 {
			delete(b.s.nextGen, name)
			b.s.Hub.Stream(name)
		}
	}
}

// record writes the batch's rows and segments to the trace.
func (b *batch) record(appends []store.Append) {
	for row, outcome := range b.outcomes {
		b.s.Trace.Write(trace.Event{Event: trace.Take, Outcome: outcome, Keys: []string{trace.Key(string(row.Key))},
			Refs: []string{b.ref(row)}})
	}
	for _, a := range b.streams {
		at := 0
		for _, app := range appends {
			if app.Stream != a.stream.ID {
				continue
			}
			for _, seg := range app.Segments {
				hash, prev := sign.Hash(seg.Hash), sign.Hash(seg.Prev)
				ev := trace.Event{Event: trace.Seal, Stream: a.name, Gen: seg.Gen, First: seg.First, Count: seg.Count, Hash: &hash, Prev: &prev}
				for _, p := range a.lines[at : at+int(seg.Count)] {
					ev.Keys = append(ev.Keys, trace.Key(p.rec.key))
					ev.Refs = append(ev.Refs, b.ref(p.rec.row))
				}
				at += int(seg.Count)
				b.s.Trace.Write(ev)
			}
		}
	}
}
