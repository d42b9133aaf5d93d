package storetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fayi/gateway/store"
)

// Exercise runs the whole suite. open returns a store over an empty database of its own, not migrated; it closes the
// store when its test ends.
func Exercise(t *testing.T, open func(t testing.TB) *store.Store) {
	t.Run("migrates once", func(t *testing.T) { migratesOnce(t, open(t)) })
	t.Run("refuses a newer database", func(t *testing.T) { refusesNewer(t, open(t)) })

	s := open(t) // the cases below use streams and names of their own
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		run  func(*testing.T, *store.Store)
	}{
		{"durability is as P7 needs it", durable},
		{"transaction rolls back", rollsBack},
		{"deadlock is repeated", deadlockRepeated},

		{"streams", streams},
		{"append and continue", appendAndContinue},
		{"append refuses what is no chain", appendRefuses},
		{"append of several streams is one transaction", appendSeveral},
		{"append lost by the second", appendRaced},
		{"rewind makes orphans", rewinds},
		{"rewind onto an orphan makes it live again", rewindsToOrphan},
		{"grant begins at a base", grantBase},
		{"segments after", segmentsAfter},
		{"containers", containers},
		{"latest of a thousand keys", latest},
		{"refusals and judging later", refusals},

		{"receipts", receipts},
		{"receipts raced", receiptsRaced},
		{"counters raced", countersRaced},
		{"notes", notes},
		{"entries and forks", entriesAndForks},
		{"rejections by peers", peerRejections},
		{"schema packs", packs},

		{"deliver once", deliverOnce},
		{"deliver raced", deliverRaced},
		{"deliver odd times", deliverOddTimes},
		{"consumers raced", consumersRaced},
		{"many streams at once", manyStreams},
		{"links", links},
		{"own receipts", ownReceipts},
		{"receipts within a transaction", receiptsWithin},
		{"tallies", tallies},
		{"lease taken over by beat", leaseTakeover},
		{"lease raced", leaseRaced},
		{"idempotency", idempotency},
		{"events", events},

		{"segment bytes come back", segmentFidelity},
		{"row bytes come back", rowFidelity},
		{"inbox bytes come back", inboxFidelity},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
}

// ---- fixtures

// hash stands for SM3: the store takes hashes as it is given them.
func hash(parts ...any) store.Hash { return sha256.Sum256([]byte(fmt.Sprint(parts...))) }

// chain makes the segments of one stream as its origin would.
type chain struct {
	id  int64
	end store.Head
}

var streamNumber = struct {
	sync.Mutex
	n int
}{}

// newChain adds a stream nobody else uses.
func newChain(t *testing.T, s *store.Store) *chain {
	t.Helper()
	streamNumber.Lock()
	streamNumber.n++
	name := fmt.Sprintf("610800/type_%d/upstream", streamNumber.n)
	streamNumber.Unlock()
	st, err := s.EnsureStream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return &chain{id: st.ID}
}

// cut makes the next segment of count lines and moves the chain's end.
func (c *chain) cut(gen, count uint64, label ...any) store.Segment {
	seg := store.Segment{Stream: c.id, Gen: gen, First: c.end.Seq + 1, Count: count, Prev: c.end.Hash, Live: true, Seen: 7}
	seg.Header = fmt.Appendf(nil, "header %d %d %d %s %v", c.id, gen, seg.First, c.end.Hash, label)
	seg.Hash = sha256.Sum256(seg.Header)
	seg.Sig = []byte("sig")
	seg.Key = []byte("sealed key")
	seg.Readers = []byte("readers")
	seg.Body = fmt.Appendf(nil, "body of %d:%d", gen, seg.First)
	c.end = seg.End()
	return seg
}

// cuts makes n segments of count lines.
func (c *chain) cuts(gen uint64, n int, count uint64) []store.Segment {
	out := make([]store.Segment, n)
	for i := range out {
		out[i] = c.cut(gen, count)
	}
	return out
}

// store appends segments made by cut, from the stored end.
func (c *chain) store(t *testing.T, s *store.Store, segs ...store.Segment) {
	t.Helper()
	st, err := s.StreamByID(t.Context(), c.id)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), []store.Append{{Stream: c.id, From: st.Head, Segments: segs}}, nil); err != nil {
		t.Fatal(err)
	}
}

// all reads the live chain from the beginning.
func all(t *testing.T, s *store.Store, id int64) []store.Segment {
	t.Helper()
	segs, err := s.SegmentsAfter(t.Context(), id, store.Pos{}, 1<<20, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	return segs
}

func stream(t *testing.T, s *store.Store, id int64) store.Stream {
	t.Helper()
	st, err := s.StreamByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// must stops the test at an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want compares what came with what should have come. No bytes and nil are the same: one driver reads an empty value as
// nil.
func want[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// race runs the functions at once and returns their errors.
func race(fns ...func() error) []error {
	errs := make([]error, len(fns))
	var ready, done sync.WaitGroup
	ready.Add(len(fns))
	for i, fn := range fns {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			errs[i] = fn()
		})
	}
	done.Wait()
	return errs
}

// within bounds a case whose failure would be to hang.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
