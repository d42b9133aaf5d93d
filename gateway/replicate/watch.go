package replicate

import (
	"context"
	"time"

	"fayi/gateway/store"
)

// watchEvery is how often a process looks for what other processes of its node
// did: one short query, however many streams there are.
const watchEvery = time.Second

// Watch tells the hub of streams that other processes of this node moved, until
// ctx ends. One runs in each process, so that nothing else of it needs to ask
// the database whether something changed (review F24).
func (e *Engine) Watch(ctx context.Context) {
	known := map[int64]place{}
	var last store.Digest
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	for {
		d, err := e.Store.StreamsDigest(ctx)
		if err == nil && d != last {
			if err = e.lookAround(ctx, known, last != store.Digest{}); err == nil {
				last = d
			}
		}
		if err != nil && ctx.Err() == nil {
			e.Log.WarnContext(ctx, "streams not watched", "err", err)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// place is where a stream stands.
type place struct {
	head    store.Head
	checked store.Pos
}

// lookAround reads all streams and tells the hub of those that differ from what
// was known. It cannot tell this process's own moves from others', so those are
// told twice: waiters look and find nothing.
func (e *Engine) lookAround(ctx context.Context, known map[int64]place, tell bool) error {
	streams, err := e.Store.Streams(ctx)
	if err != nil {
		return err
	}
	for _, st := range streams {
		now := place{st.Head, st.Checked}
		if tell && known[st.ID] != now {
			e.Hub.Stream(st.Name)
		}
		known[st.ID] = now
	}
	return nil
}
