package archive

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"fayi/gateway/store"
)

// Archiver moves bodies that are older than After, by the time they were first
// stored here. Streams it cannot read are passed over and tried again.
type Archiver struct {
	Store *store.Store
	Dir   Dir
	After time.Duration
	Every time.Duration // between rounds
	Log   *slog.Logger
}

// Bounds of one step, so that memory and transactions stay small.
const (
	stepSegments = 64
	stepBytes    = 16 << 20
)

// Run makes rounds until ctx ends. Two processes may run it over one database:
// the cursor moves by compare-and-set, and a file put twice is one file.
func (a *Archiver) Run(ctx context.Context) {
	t := time.NewTicker(a.Every)
	defer t.Stop()
	for {
		n, size, err := a.Round(ctx)
		if err != nil && ctx.Err() == nil {
			a.Log.WarnContext(ctx, "archive", "err", err)
		}
		if n > 0 {
			a.Log.InfoContext(ctx, "archived", "segments", n, "bytes", size)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// Round archives whatever is old enough now and tells how many segments and
// bytes left the database.
func (a *Archiver) Round(ctx context.Context) (segments int, bytes int64, err error) {
	streams, err := a.Store.Streams(ctx)
	if err != nil {
		return 0, 0, err
	}
	before := time.Now().Add(-a.After).UnixMicro()
	var errs []error
	for _, st := range streams {
		for more := true; more && ctx.Err() == nil; {
			n, size, again, err := a.step(ctx, st.ID, before)
			segments, bytes, more = segments+n, bytes+size, again && err == nil
			if err != nil && !errors.Is(err, store.ErrCursorMoved) { // moved: another process is at this stream
				errs = append(errs, err)
			}
		}
	}
	return segments, bytes, errors.Join(errs...)
}

func (a *Archiver) step(ctx context.Context, stream, before int64) (n int, size int64, more bool, err error) {
	from, err := a.Store.Consumer(ctx, store.ArchiveConsumer, stream)
	if err != nil {
		return 0, 0, false, err
	}
	segs, err := a.Store.SegmentsAfter(ctx, stream, from, stepSegments, stepBytes)
	if err != nil {
		return 0, 0, false, err
	}
	var list []store.Archived
	for _, s := range segs {
		if s.Seen >= before {
			break
		}
		hash, err := a.Dir.Put(s.Hash, s.Body)
		if err != nil {
			return 0, 0, false, err
		}
		list = append(list, store.Archived{Segment: s, Body: hash})
		size += int64(len(s.Body))
	}
	if len(list) == 0 {
		return 0, 0, false, nil
	}
	n, err = a.Store.ArchiveBodies(ctx, stream, from, list)
	return n, size, true, err
}
