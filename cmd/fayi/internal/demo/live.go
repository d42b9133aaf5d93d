package demo

import (
	"context"
	"iter"
	"slices"
	"time"

	"fayi/cmd/fayi/internal/demodata"
)

// LiveStatus is what a living demo shows once a second.
type LiveStatus struct {
	At         time.Time
	Published  int    // rows written since the demo began
	AtMinistry uint64 // lines the ministry holds
}

// liveRecords is how many records a living demo has in store, more than anyone
// will watch; perSecond is how many of them it publishes.
const (
	liveRecords = 5_000_000
	perSecond   = 5
)

// Live publishes a few records a second until ctx ends and reports after each
// round. It returns early if a node stops.
func (d *Demo) Live(ctx context.Context, report func(LiveStatus)) error {
	next, stop := iter.Pull(skip(demodata.Generate(d.opts.Seed, d.opts.Records+liveRecords), d.opts.Records))
	defer stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-d.done:
			d.done <- err // for Stop
			return err
		case <-tick.C:
		}
		var records []demodata.Record
		for range perSecond {
			if r, ok := next(); ok {
				records = append(records, r)
			}
		}
		if err := d.publish(ctx, slices.Values(records)); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		held, err := d.held(ctx, "100000")
		if err != nil {
			return err
		}
		report(LiveStatus{At: time.Now(), Published: int(d.written.Load()), AtMinistry: held})
	}
}

// skip leaves out the first n records.
func skip(records iter.Seq[demodata.Record], n int) iter.Seq[demodata.Record] {
	return func(yield func(demodata.Record) bool) {
		i := 0
		for r := range records {
			if i++; i > n && !yield(r) {
				return
			}
		}
	}
}

// held counts the lines a node holds of others' streams.
func (d *Demo) held(ctx context.Context, id string) (n uint64, err error) {
	streams, err := d.Federation.Member(id).Store.Streams(ctx)
	for _, st := range streams {
		if st.Origin != id {
			n += st.Seq
		}
	}
	return n, err
}
