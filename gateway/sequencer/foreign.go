package sequencer

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"time"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
	"fayi/outbox"
)

// DefaultMaxTaken is [Source.MaxTaken] where nothing else is said.
const DefaultMaxTaken = 100_000

// foreign is what the node knows of a source in another database: rows are read
// if they are not among the taken ones, remembered as taken in the transaction
// that seals them, deleted there when a reader has them, then forgotten here. The
// business database is so the backup of what nobody else holds.
//
// It is a copy of fayi_taken, read again whenever somebody else may have changed
// that: it only saves work, the table's primary key is what counts.
type foreign struct {
	db        *sql.DB
	max       int
	mu        sync.Mutex
	taken     map[store.RowID]store.Taken  // nil: to be read
	found     map[store.RowID][]store.Line // rows that are in streams already, though they are not taken
	started   bool
	next      time.Time // of the next look: a read that passes over many rows is not repeated at once
	releasing time.Time // of the next release
	waits     bool      // it has been said that the source waits
}

func identity(row *outbox.Row) store.RowID {
	return store.RowID{ID: row.ID, Created: row.Created.UnixMicro()}
}

// Counter counts what waits at the source: of one in another database without what
// is taken already and lies there until a reader has it.
func (src *Source) Counter(ctx context.Context, st *store.Store) (*outbox.Reader, error) {
	r, err := src.Reader(st)
	if err != nil || src.DB == nil {
		return r, err
	}
	list, err := st.TakenOf(ctx, src.Name)
	if err != nil {
		return nil, err
	}
	f := &foreign{taken: make(map[store.RowID]store.Taken, len(list))}
	for _, t := range list {
		f.taken[t.RowID] = t
	}
	return r.Except(f.has), nil
}

// begin loads what is taken and tells whether the source may be read now.
func (f *foreign) begin(ctx context.Context, s *Sequencer) (bool, error) {
	if f == nil {
		return true, nil
	}
	f.mu.Lock()
	known := f.taken != nil
	f.mu.Unlock()
	if !known {
		list, err := s.Store.TakenOf(ctx, s.Source.Name)
		if err != nil {
			return false, err
		}
		taken := make(map[store.RowID]store.Taken, len(list))
		for _, t := range list {
			taken[t.RowID] = t
		}
		f.mu.Lock()
		f.taken = taken
		f.mu.Unlock()
	}
	if !f.started {
		rows, err := s.reader.Identities(ctx, f.max, f.has)
		if err != nil {
			return false, err
		}
		if f.found, err = s.find(ctx, rows); err != nil {
			return false, err
		}
		f.started = true
	}
	if now := time.Now(); now.After(f.releasing) {
		f.releasing = now.Add(releasePause)
		ask, cancel := context.WithTimeout(ctx, releaseLimit)
		err := f.release(ask, s)
		cancel()
		if err != nil && ctx.Err() == nil { // reading need not wait for it
			s.Log.WarnContext(ctx, "rows that a reader has are still in their source", "source", s.Source.Name, "err", err)
			f.releasing = time.Now().Add(releaseRetry)
		}
	}
	if n := f.count(); n >= f.max {
		if !f.waits {
			f.waits = true
			s.Log.WarnContext(ctx, "a source waits until a reader has stored what was taken of it", "source", s.Source.Name, "taken", n)
		}
		return false, nil
	}
	f.waits = false
	return !time.Now().Before(f.next), nil
}

// looked paces reading where many rows are taken: at most a tenth of the time is spent passing over them.
func (f *foreign) looked(began time.Time) {
	if f != nil && f.count() > roundRows {
		f.next = time.Now().Add(min(9*time.Since(began), time.Second))
	}
}

// How often rows that readers have are deleted in their source, how long that may
// wait for somebody's lock there, and when it is tried again.
const (
	releasePause = 200 * time.Millisecond
	releaseLimit = 5 * time.Second
	releaseRetry = 5 * time.Second
)

func (f *foreign) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.taken)
}

func (f *foreign) has(id uint64, created time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.taken[store.RowID{ID: id, Created: created.UnixMicro()}]
	return ok
}

// skip names the rows a read passes over; nil for a source in the node's database.
func (f *foreign) skip() func(uint64, time.Time) bool {
	if f == nil {
		return nil
	}
	return f.has
}

// take remembers a batch's rows within its transaction.
func (f *foreign) take(ctx context.Context, tx *sql.Tx, s *Sequencer, b *batch, rows []outbox.Row) error {
	err := s.Store.PutTaken(ctx, tx, s.Source.Name, f.list(b, rows))
	if errors.Is(err, store.ErrRowTaken) {
		return errors.Join(outbox.ErrTaken, err)
	}
	return err
}

func (f *foreign) list(b *batch, rows []outbox.Row) []store.Taken {
	out := make([]store.Taken, len(rows))
	for i := range rows {
		// What is too long to load is not copied anywhere: it stays where it is.
		out[i] = store.Taken{RowID: identity(&rows[i]), Lines: b.lines[&rows[i]], Stays: rows[i].Oversize}
	}
	return out
}

// committed brings the copy up to date.
func (f *foreign) committed(b *batch, rows []outbox.Row) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.list(b, rows) {
		if f.taken != nil {
			f.taken[t.RowID] = t
		}
		delete(f.found, t.RowID)
	}
}

// anew forgets everything: another process has worked on the source meanwhile.
func (f *foreign) anew() {
	if f != nil {
		f.unsure()
		f.started = false
	}
}

// unsure says that the table may hold something else than the copy.
func (f *foreign) unsure() {
	if f != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.taken = nil
	}
}

// release deletes from the source what readers have stored, and then forgets it.
// After a crash in between the rows are gone there already, and forgotten now.
func (f *foreign) release(ctx context.Context, s *Sequencer) error {
	rows, err := f.covered(ctx, s)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(rows, releaseRows) {
		there := make([]outbox.Row, len(chunk))
		for i, r := range chunk {
			there[i] = outbox.Row{ID: r.ID, Created: time.UnixMicro(r.Created)}
		}
		tx, err := f.db.BeginTx(ctx, nil) // READ COMMITTED, see store.OpenForeign
		if err != nil {
			return err
		}
		if _, err = s.reader.Release(ctx, tx, there); err == nil {
			err = tx.Commit()
		}
		if err != nil {
			return errors.Join(err, ignoreDone(tx.Rollback()))
		}
		if err := s.Store.ForgetTaken(ctx, s.Source.Name, chunk); err != nil {
			return err
		}
		f.mu.Lock()
		for _, r := range chunk {
			delete(f.taken, r)
		}
		f.mu.Unlock()
	}
	return nil
}

const releaseRows = 500

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// covered are the taken rows whose every line some reader has stored, by its
// receipt, or is in the archive's files.
func (f *foreign) covered(ctx context.Context, s *Sequencer) ([]store.RowID, error) {
	f.mu.Lock()
	streams := map[int64]store.Pos{}
	for _, t := range f.taken {
		for _, l := range t.Lines {
			streams[l.Stream] = store.Pos{}
		}
	}
	f.mu.Unlock()
	for id := range streams {
		acks, err := s.Store.Acks(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, a := range acks {
			if a.Level != sign.LevelCarried && a.Reader != s.Directory.Me() && a.Pos.Compare(streams[id]) > 0 {
				streams[id] = a.Pos
			}
		}
		archived, err := s.Store.Consumer(ctx, store.ArchiveConsumer, id)
		if err != nil {
			return nil, err
		}
		if archived.Compare(streams[id]) > 0 {
			streams[id] = archived
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []store.RowID
	for id, t := range f.taken {
		if !t.Stays && !slices.ContainsFunc(t.Lines, func(l store.Line) bool { return l.Pos.Compare(streams[l.Stream]) > 0 }) {
			out = append(out, id)
		}
	}
	return out, nil
}

// clockSkew is how far the clocks of the node and of a source may lie apart: a
// segment sealed so long before a row was written does not hold it.
const clockSkew = time.Hour

// find looks for rows in the node's own streams: a row's identity is the ref of
// its line. A node that was restored asks this of what lies in the source and is
// not among the taken rows (protocol §6): what is there is not published again.
// It opens the segments since the oldest of the rows, newest first, each once.
func (s *Sequencer) find(ctx context.Context, rows []outbox.Row) (map[store.RowID][]store.Line, error) {
	wanted := make(map[string]store.RowID, len(rows))
	var oldest time.Time
	for i := range rows {
		if rows[i].Created.UnixMicro() <= 0 { // no time: it is rejected, or written by hand
			continue
		}
		wanted[s.ref(&rows[i])] = identity(&rows[i])
		if oldest.IsZero() || rows[i].Created.Before(oldest) {
			oldest = rows[i].Created
		}
	}
	found := map[store.RowID][]store.Line{}
	if len(wanted) == 0 {
		return found, nil
	}
	streams, err := s.Store.Streams(ctx)
	if err != nil {
		return nil, err
	}
	for _, st := range streams {
		if st.Origin != s.Directory.Me() {
			continue
		}
		for hash := st.Hash; !hash.IsZero(); {
			seg, err := s.Store.SegmentByHash(ctx, st.ID, hash)
			if err != nil {
				return nil, err
			}
			if seg == nil {
				break
			}
			h, err := seal.ParseHeader(seg.Header)
			if err != nil || oldest.Sub(h.Time.Time) > clockSkew {
				break
			}
			lines, err := s.linesOf(ctx, st.ID, seg.Gen, seg.First)
			if err != nil {
				return nil, err
			}
			for _, raw := range lines {
				if l, err := seal.ParseLine(raw); err == nil { // an erased line has no ref
					if id, ok := wanted[l.Ref]; ok {
						found[id] = append(found[id], store.Line{Stream: st.ID, Pos: store.Pos{Gen: seg.Gen, Seq: l.Seq}})
					}
				}
			}
			hash = seg.Prev
		}
	}
	return found, nil
}

// recognise reports whether a row is in all its streams already, and notes where.
func (b *batch) recognise(rec *record) bool {
	f := b.s.foreign
	if f == nil || len(f.found[identity(rec.row)]) < len(rec.streams) {
		return false
	}
	b.lines[rec.row] = f.found[identity(rec.row)]
	return true
}

// note remembers where a row of a source in another database is.
func (b *batch) note(row *outbox.Row, a *appending, pos store.Pos) {
	if b.s.foreign != nil {
		b.lines[row] = append(b.lines[row], store.Line{Stream: a.stream.ID, Pos: pos})
	}
}

// lineAt reads a line of an own stream, nil if it is not here.
func (s *Sequencer) lineAt(ctx context.Context, stream int64, pos store.Pos) (*seal.Line, error) {
	seg, err := s.Store.SegmentHolding(ctx, stream, pos.Gen, pos.Seq)
	if err != nil || seg == nil {
		return nil, err
	}
	lines, err := s.linesOf(ctx, stream, seg.Gen, seg.First)
	if err != nil {
		return nil, err
	}
	return seal.ParseLine(lines[pos.Seq-seg.First])
}

// linesOf opens a segment of an own stream.
func (s *Sequencer) linesOf(ctx context.Context, stream int64, gen, first uint64) ([][]byte, error) {
	seg, err := s.Store.Body(ctx, stream, gen, first)
	if err != nil {
		return nil, err
	}
	_, lines, err := replicate.OpenStored(s.StoreKey, seg)
	return lines, err
}
