// Package inbox delivers peers' records to the business: lines that were
// received, judged and not refused go into exchange_inbox in number order, each
// once (design §8, promise P3).
//
// The cursor lies beside the inbox and moves in the transaction that inserts,
// so a delivery is there whole or not at all, whoever is killed. A business
// system takes rows and deletes them in its own transaction and never remembers
// a position. When the inbox is this node's principal consumer, what was
// delivered is acknowledged to the origin as applied.
package inbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
	"fayi/gateway/trace"
)

// Deliverer moves lines into the inbox. One may run in each process of a node;
// they may race, and one of them then changes nothing.
type Deliverer struct {
	Engine *replicate.Engine
	Types  []string // record types to deliver; "*" for all, none for no inbox
	Limit  int      // rows the inbox may hold before delivery waits for the business to take some

	looked time.Time       // when all streams were last looked at
	seen   uint64          // hub version up to which those that changed were
	behind map[string]bool // streams that hold lines the inbox has not
}

// DefaultLimit is the default of Limit.
const DefaultLimit = 200_000

// ackEvery spaces applied receipts to one origin; lookEvery is how often all
// streams are looked at, since what changes is a hint.
const (
	ackEvery  = time.Second
	lookEvery = time.Minute
	turn      = 64 // segments of one stream before another has its turn
)

// Run delivers until ctx ends.
func (d *Deliverer) Run(ctx context.Context) {
	if len(d.Types) == 0 {
		return
	}
	applied := map[string]map[string]store.Head{} // origin, stream
	acked := map[string]time.Time{}
	if err := d.owed(ctx, applied); err != nil && ctx.Err() == nil {
		d.Engine.Log.ErrorContext(ctx, "applied receipts not resumed", "err", err)
	}
	for ctx.Err() == nil {
		version := d.Engine.Hub.Version()
		full, err := d.Round(ctx, applied)
		if err != nil && ctx.Err() == nil {
			d.Engine.Log.ErrorContext(ctx, "delivery failed", "err", err)
		}
		for origin, heads := range applied {
			if time.Since(acked[origin]) < ackEvery {
				continue
			}
			if _, err := d.Engine.Acknowledge(ctx, origin, sign.LevelApplied, heads); err != nil {
				if ctx.Err() == nil {
					d.Engine.Log.ErrorContext(ctx, "applied receipt failed", "origin", origin, "err", err)
				}
				continue
			}
			acked[origin] = time.Now()
			delete(applied, origin)
		}
		if len(d.behind) > 0 && !full && err == nil {
			continue
		}
		wait := lookEvery
		if len(applied) > 0 || full || err != nil {
			wait = ackEvery / 4
		}
		wctx, cancel := context.WithTimeout(ctx, wait)
		if full {
			<-wctx.Done() // only the business can make room
		} else {
			d.Engine.Hub.Wait(wctx, version)
		}
		cancel()
	}
}

// owed adds to applied what was delivered by a process that ended before it
// could acknowledge it.
func (d *Deliverer) owed(ctx context.Context, applied map[string]map[string]store.Head) error {
	streams, err := d.Engine.Store.Streams(ctx)
	if err != nil {
		return err
	}
	cursors, err := d.Engine.Store.InboxCursors(ctx)
	if err != nil {
		return err
	}
	acks, err := d.Engine.Store.AcksBy(ctx, d.Engine.Directory.Me(), nil)
	if err != nil {
		return err
	}
	said := map[int64]store.Pos{}
	for _, a := range acks {
		if a.Level == sign.LevelApplied {
			said[a.Stream] = a.Pos
		}
	}
	for i := range streams {
		st := &streams[i]
		at := cursors[st.Name]
		if !d.wants(st.Name) || at.Seq == 0 || said[st.ID].Compare(at) >= 0 {
			continue
		}
		seg, err := d.Engine.Store.SegmentEnding(ctx, st.ID, at.Gen, at.Seq)
		if err != nil {
			return err
		}
		if seg != nil {
			reach(applied, st, seg.End())
		}
	}
	return nil
}

// reach notes how far a stream was delivered.
func reach(applied map[string]map[string]store.Head, st *store.Stream, head store.Head) {
	if applied[st.Origin] == nil {
		applied[st.Origin] = map[string]store.Head{}
	}
	applied[st.Origin][st.Name] = head
}

// Round delivers what can be delivered now and adds to applied where each
// stream stands. A stream that cannot be delivered stops no other; their errors
// are joined. Full says that the inbox has no room.
func (d *Deliverer) Round(ctx context.Context, applied map[string]map[string]store.Head) (full bool, err error) {
	streams, cursors, err := d.look(ctx)
	if err != nil {
		return false, err
	}
	room := -1 // counted once, and only if there is something to deliver
	var errs []error
	for i := range streams {
		st := &streams[i]
		at, known := cursors[st.Name]
		if !known {
			if at, err = d.Engine.Store.InboxCursor(ctx, st.Name); err != nil {
				return false, err
			}
		}
		if at.Compare(st.Checked) >= 0 {
			delete(d.behind, st.Name)
			continue
		}
		if room < 0 {
			waiting, err := d.Engine.Store.InboxWaiting(ctx, d.Limit)
			if err != nil {
				return false, err
			}
			room = d.Limit - waiting
		}
		if room <= 0 {
			return true, errors.Join(errs...)
		}
		head, used, err := d.stream(ctx, st, at, room)
		if err != nil {
			errs = append(errs, fmt.Errorf("deliver %s: %w", st.Name, err))
		}
		if head.Seq > 0 {
			reach(applied, st, head)
		}
		if head.Pos.Compare(st.Checked) >= 0 {
			delete(d.behind, st.Name)
		}
		room -= used
	}
	return false, errors.Join(errs...)
}

// look returns the streams that may hold lines for the inbox, urgent ones first:
// those that changed, those left behind, and now and then all, with the cursors
// of all.
func (d *Deliverer) look(ctx context.Context) (streams []store.Stream, cursors map[string]store.Pos, err error) {
	version := d.Engine.Hub.Version()
	if time.Since(d.looked) > lookEvery {
		if cursors, err = d.Engine.Store.InboxCursors(ctx); err != nil {
			return nil, nil, err
		}
		if streams, err = d.Engine.Store.Streams(ctx); err != nil {
			return nil, nil, err
		}
		streams = slices.DeleteFunc(streams, func(st store.Stream) bool {
			if _, ok := cursors[st.Name]; !ok {
				cursors[st.Name] = store.Pos{}
			}
			return !d.wants(st.Name)
		})
		d.looked, d.behind = time.Now(), map[string]bool{}
	} else {
		for name := range d.Engine.Hub.Changed(d.seen) {
			if d.wants(name) {
				d.behind[name] = true
			}
		}
		if streams, err = d.Engine.Store.StreamsByName(ctx, slices.Collect(maps.Keys(d.behind))); err != nil {
			return nil, nil, err
		}
	}
	for _, st := range streams {
		d.behind[st.Name] = true
	}
	d.seen = version
	later := func(st store.Stream) int {
		if replicate.Urgent(d.Engine.Schemas(), st.Type) {
			return 0
		}
		return 1
	}
	slices.SortFunc(streams, func(a, b store.Stream) int { return cmp.Or(later(a)-later(b), cmp.Compare(a.ID, b.ID)) })
	return streams, cursors, nil
}

// wants reports whether a stream's lines belong in the inbox.
func (d *Deliverer) wants(name string) bool {
	s, err := sign.ParseStream(name)
	return err == nil && !replicate.System(s.Type) && s.Audience != sign.Test && s.Origin != d.Engine.Directory.Me() &&
		(slices.Contains(d.Types, "*") || slices.Contains(d.Types, s.Type)) && d.Engine.Directory.InAudience(s, d.Engine.Directory.Me())
}

// stream delivers one stream from its cursor as far as it was judged, for one
// turn, or until room is used up. It returns the head it reached, zero if it did not move, and
// how many rows it delivered.
func (d *Deliverer) stream(ctx context.Context, st *store.Stream, at store.Pos, room int) (reached store.Head, used int, err error) {
	for n := 0; n < turn && at.Compare(st.Checked) < 0 && used < room; n += 4 {
		segs, err := d.Engine.Store.SegmentsAfter(ctx, st.ID, at, 4, 1<<20)
		if err != nil || len(segs) == 0 {
			return reached, used, err
		}
		for i := range segs {
			to := segs[i].End()
			if to.Pos.Compare(st.Checked) > 0 || used >= room {
				return reached, used, nil
			}
			rows, err := d.rows(ctx, st, &segs[i])
			if err != nil {
				return reached, used, err
			}
			err = d.Engine.Store.Deliver(ctx, st.Name, at, to.Pos, rows)
			if errors.Is(err, store.ErrCursorMoved) || errors.Is(err, store.ErrOutcomeUnknown) {
				return reached, used, nil // another process delivers too, or the commit is in doubt: the cursor tells
			}
			if err != nil {
				return reached, used, err
			}
			d.Engine.Trace.Write(trace.Event{Event: trace.Deliver, Stream: st.Name, Gen: to.Gen, First: segs[i].First, Count: segs[i].Count})
			at, reached = to.Pos, to
			used += len(rows)
		}
	}
	return reached, used, nil
}

// rows turns a segment's lines into inbox rows, refused ones left out.
func (d *Deliverer) rows(ctx context.Context, st *store.Stream, seg *store.Segment) ([]store.InboxRow, error) {
	_, lines, err := d.Engine.Lines(seg)
	if err != nil {
		return nil, err
	}
	refused, err := d.Engine.Store.Refusals(ctx, st.ID, seg.Gen, seg.First, seg.Last())
	if err != nil {
		return nil, err
	}
	rows := make([]store.InboxRow, 0, len(lines))
	for i, raw := range lines {
		seq := seg.First + uint64(i)
		if _, bad := refused[seq]; bad {
			continue
		}
		l, err := seal.ParseLine(raw)
		if err != nil {
			return nil, err
		}
		rows = append(rows, store.InboxRow{
			Gen: seg.Gen, Seq: seq, Type: st.Type, Key: []byte(l.Key), Op: l.Op, Payload: l.Data, Occurred: l.At.Time,
		})
	}
	return rows, nil
}
