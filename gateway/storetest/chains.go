package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"fayi/gateway/store"
)

func streams(t *testing.T, s *store.Store) {
	ctx := t.Context()
	const name = "610600/exchange_rejection/to-610000+610800"
	if _, err := s.StreamByName(ctx, name); !errors.Is(err, store.ErrUnknownStream) {
		t.Errorf("before: %v", err)
	}
	made := make([]store.Stream, 4)
	var makers []func() error
	for i := range made {
		makers = append(makers, func() (err error) { made[i], err = s.EnsureStream(ctx, name); return err })
	}
	for _, err := range race(makers...) {
		must(t, err)
	}
	for _, st := range made {
		want(t, "stream", st, store.Stream{ID: made[0].ID, Name: name, Origin: "610600", Type: "exchange_rejection", Audience: "to-610000+610800"})
	}
	must(t, s.SetState(ctx, made[0].ID, "held", "缺少数据包"))
	st, err := s.StreamByName(ctx, name)
	must(t, err)
	want(t, "state", [2]string{st.State, st.Detail}, [2]string{"held", "缺少数据包"})
	must(t, s.SetState(ctx, made[0].ID, "held", "缺少数据包")) // the same again is no error
	if err := s.SetState(ctx, 1<<40, "held", ""); !errors.Is(err, store.ErrUnknownStream) {
		t.Errorf("unknown stream: %v", err)
	}
	list, err := s.Streams(ctx)
	must(t, err)
	if !slices.ContainsFunc(list, func(x store.Stream) bool { return x == st }) {
		t.Error("Streams does not list it")
	}
	for _, bad := range []string{"", "610600", "610600/a", "610600/lawyer/", "610600/Lawyer/public", "610600/lawyer/public/x", "610600/lawyer/public\n"} {
		if _, err := s.EnsureStream(ctx, bad); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func appendAndContinue(t *testing.T, s *store.Store) {
	ctx := t.Context()
	c := newChain(t, s)
	first := c.cuts(1764230400, 3, 100)
	c.store(t, s, first...)
	second := c.cuts(1764230400, 2, 7)
	c.store(t, s, second...)
	third := c.cut(1764230500, 1) // a generation that simply goes on
	c.store(t, s, third)

	want(t, "head", stream(t, s, c.id).Head, c.end)
	segs := all(t, s, c.id)
	want(t, "chain", segs, append(append(first, second...), third))
	next := uint64(1)
	for _, g := range segs {
		if g.First != next {
			t.Errorf("a segment begins at %d, not %d", g.First, next)
		}
		next = g.Last() + 1
	}
	gens, err := s.Generations(ctx, c.id)
	must(t, err)
	want(t, "generations", gens, []store.Generation{{Gen: 1764230400, First: 1}, {Gen: 1764230500, First: third.First, Prev: third.Prev}})
}

func appendRefuses(t *testing.T, s *store.Store) {
	c := newChain(t, s)
	c.store(t, s, c.cuts(10, 2, 10)...)
	end := c.end
	other := newChain(t, s)
	good := c.cut(10, 5)
	change := func(f func(*store.Segment)) store.Segment { g := good; f(&g); return g }
	for _, x := range []struct {
		name string
		a    store.Append
		is   error
	}{
		{"nothing", store.Append{}, store.ErrInvalid},
		{"gap", store.Append{Segments: []store.Segment{change(func(g *store.Segment) { g.First++ })}}, store.ErrInvalid},
		{"overlap", store.Append{Segments: []store.Segment{change(func(g *store.Segment) { g.First-- })}}, store.ErrInvalid},
		{"wrong prev", store.Append{Segments: []store.Segment{change(func(g *store.Segment) { g.Prev = hash("x") })}}, store.ErrInvalid},
		{"lower generation", store.Append{Segments: []store.Segment{change(func(g *store.Segment) { g.Gen = 9 })}}, store.ErrInvalid},
		{"no lines", store.Append{Segments: []store.Segment{change(func(g *store.Segment) { g.Count = 0 })}}, store.ErrInvalid},
		{"number beyond 2^53", store.Append{Segments: []store.Segment{change(func(g *store.Segment) { g.Count = 1 << 53 })}}, store.ErrInvalid},
		{"huge count", store.Append{Segments: []store.Segment{change(func(g *store.Segment) { g.Count = 1<<64 - 1 })}}, store.ErrInvalid},
		{"large header", store.Append{Segments: []store.Segment{change(func(g *store.Segment) { g.Header = make([]byte, 4097) })}}, store.ErrInvalid},
		{"another's segment", store.Append{Segments: []store.Segment{change(func(g *store.Segment) { g.Stream = other.id })}}, store.ErrInvalid},
		{"the same twice", store.Append{Segments: []store.Segment{good, good}}, store.ErrInvalid},
		{"refusal elsewhere", store.Append{Segments: []store.Segment{good}, Refused: []store.Refusal{{Gen: 10, Seq: 20}}}, store.ErrInvalid},
		{"judged beyond", store.Append{Segments: []store.Segment{good}, Checked: &store.Pos{Gen: 10, Seq: 26}}, store.ErrInvalid},
		{"rewind in one generation", store.Append{Rewind: &end, Segments: []store.Segment{good}}, store.ErrInvalid},
		{"rewind to nothing held", store.Append{Rewind: &store.Head{Pos: store.Pos{Gen: 10, Seq: 20}, Hash: hash("x")},
			Segments: []store.Segment{change(func(g *store.Segment) { g.Gen, g.Prev = 11, hash("x") })}}, store.ErrNotHeld},
		{"rewind to the wrong end", store.Append{Rewind: &store.Head{Pos: store.Pos{Gen: 10, Seq: 10}, Hash: end.Hash},
			Segments: []store.Segment{change(func(g *store.Segment) { g.Gen, g.First, g.Prev = 11, 11, end.Hash })}}, store.ErrNotHeld},
		{"rewind to the beginning", store.Append{Rewind: &store.Head{},
			Segments: []store.Segment{change(func(g *store.Segment) { g.Gen, g.First, g.Prev = 11, 1, store.Hash{} })}}, store.ErrNotHeld},
	} {
		x.a.Stream, x.a.From = c.id, end
		if err := s.Append(t.Context(), []store.Append{x.a}, nil); !errors.Is(err, x.is) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
	a := store.Append{Stream: c.id, From: end, Segments: []store.Segment{good}}
	if err := s.Append(t.Context(), []store.Append{a, a}, nil); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("one stream twice: %v", err)
	}
	want(t, "head after all that", stream(t, s, c.id).Head, end)
	want(t, "segments after all that", len(all(t, s, c.id)), 2)
}

func appendSeveral(t *testing.T, s *store.Store) {
	ctx := t.Context()
	a, b, c := newChain(t, s), newChain(t, s), newChain(t, s)
	var as []store.Append
	for _, ch := range []*chain{c, a, b} {
		as = append(as, store.Append{Stream: ch.id, Segments: ch.cuts(5, 3, 2)})
	}
	stale := slices.Clone(as)
	stale[1].From = store.Head{Pos: store.Pos{Gen: 1, Seq: 1}, Hash: hash("stale")}
	stale[1].Segments = nil
	moved := *a
	moved.end = stale[1].From
	stale[1].Segments = moved.cuts(5, 1, 1)
	if err := s.Append(ctx, stale, nil); !errors.Is(err, store.ErrHeadMoved) {
		t.Fatalf("one stale head of three: %v", err)
	}
	for _, ch := range []*chain{a, b, c} {
		want(t, "nothing is stored", stream(t, s, ch.id).Head, store.Head{})
	}
	mine := errors.New("mine")
	if err := s.Append(ctx, as, func(context.Context, *sql.Tx) error { return mine }); !errors.Is(err, mine) {
		t.Fatal(err)
	}
	want(t, "nothing is stored", len(all(t, s, a.id)), 0)
	must(t, s.Append(ctx, as, nil))
	for _, ch := range []*chain{a, b, c} {
		want(t, "stored", stream(t, s, ch.id).Head, ch.end)
	}
}

// appendRaced lets two appenders start from one head, many times: exactly one wins, and nothing of the other is left,
// neither segments nor what its `also` wrote (review I4).
func appendRaced(t *testing.T, s *store.Store) {
	ctx := within(t, 60*time.Second)
	c := newChain(t, s)
	for round := range 12 {
		from := c.end
		var tries [3]store.Segment
		var fns []func() error
		for i := range tries {
			mine := *c
			tries[i] = mine.cut(3, uint64(i)+1, "try", i)
			fns = append(fns, func() error {
				return s.Append(ctx, []store.Append{{Stream: c.id, From: from, Segments: tries[i : i+1],
					Latest: []store.Latest{{KeyHash: [16]byte{byte(i + 1)}, Pos: store.Pos{Gen: 3, Seq: tries[i].Last()}, Op: "put", Fingerprint: tries[i].Hash}},
				}}, func(ctx context.Context, tx *sql.Tx) error {
					_, err := s.Remember(ctx, tx, hash("raced", c.id, round, i), hash(), []byte("kept"))
					return err
				})
			})
		}
		winner := -1
		for i, err := range race(fns...) {
			switch {
			case err == nil && winner >= 0:
				t.Fatalf("round %d: two appenders won", round)
			case err == nil:
				winner = i
			case !errors.Is(err, store.ErrHeadMoved):
				t.Fatalf("round %d: %v", round, err)
			}
		}
		if winner < 0 {
			t.Fatalf("round %d: nobody won", round)
		}
		c.end = tries[winner].End()
		want(t, "head", stream(t, s, c.id).Head, c.end)
		for i, g := range tries {
			held, err := s.SegmentByHash(ctx, c.id, g.Hash)
			must(t, err)
			want(t, fmt.Sprintf("round %d: segment %d held", round, i), held != nil, i == winner)
			must(t, s.InTx(ctx, func(tx *sql.Tx) error {
				existing, err := s.Remember(ctx, tx, hash("raced", c.id, round, i), hash(), nil)
				want(t, fmt.Sprintf("round %d: effect of %d", round, i), existing != nil, i == winner)
				return err
			}))
			latest, err := s.LatestOf(ctx, c.id, [][16]byte{{byte(i + 1)}})
			must(t, err)
			want(t, "newest version", latest[[16]byte{byte(i + 1)}].Fingerprint == g.Hash, i == winner)
		}
	}
}

func rewinds(t *testing.T, s *store.Store) {
	ctx := t.Context()
	c := newChain(t, s)
	old := c.cuts(100, 5, 10) // 1…50
	c.store(t, s, old...)
	from, back := c.end, old[1].End() // a restored backup that ends at 20
	c.end = back
	next := c.cuts(200, 2, 4)
	must(t, s.Append(ctx, []store.Append{{Stream: c.id, From: from, Rewind: &back, Segments: next}}, nil))

	want(t, "head", stream(t, s, c.id).Head, c.end)
	want(t, "live chain", all(t, s, c.id), append(slices.Clone(old[:2]), next...))
	gens, err := s.Generations(ctx, c.id)
	must(t, err)
	want(t, "generations", gens, []store.Generation{{Gen: 100, First: 1}, {Gen: 200, First: 21, Prev: back.Hash}})
	orphans, err := s.Orphans(ctx, c.id)
	must(t, err)
	want(t, "orphans", orphans[c.id], []store.OrphanRange{{Gen: 100, First: 21, Last: 50, Head: old[4].Hash}})
	for i, g := range old {
		kept, err := s.Body(ctx, c.id, g.Gen, g.First)
		must(t, err)
		g.Live = i < 2
		want(t, "an orphan is kept whole", kept, &g)
	}
	// A position on the orphaned branch leads to what follows it in order.
	segs, err := s.SegmentsAfter(ctx, c.id, store.Pos{Gen: 100, Seq: 37}, 10, 1<<20)
	must(t, err)
	want(t, "after an orphan", segs, next)
	// What is held already is not stored again.
	again := store.Append{Stream: c.id, From: c.end, Segments: []store.Segment{old[2]}}
	again.Rewind = &back
	again.Segments[0].Gen = 200
	if err := s.Append(ctx, []store.Append{again}, nil); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("rewind within the generation: %v", err)
	}
}

// rewindsToOrphan: a third generation may continue from a branch that had been orphaned (protocol §3, step 6: "live or
// orphan"); the live chain is what prev reaches from the newest head.
func rewindsToOrphan(t *testing.T, s *store.Store) {
	ctx := t.Context()
	c := newChain(t, s)
	first := c.cuts(100, 4, 10)
	c.store(t, s, first...)
	end1 := c.end
	back := first[0].End()
	c.end = back
	second := c.cuts(200, 3, 10)
	must(t, s.Append(ctx, []store.Append{{Stream: c.id, From: end1, Rewind: &back, Segments: second}}, nil))
	end2 := c.end
	to := first[2].End()
	c.end = to
	third := c.cuts(300, 1, 1)
	must(t, s.Append(ctx, []store.Append{{Stream: c.id, From: end2, Rewind: &to, Segments: third}}, nil))

	want(t, "live chain", all(t, s, c.id), append(slices.Clone(first[:3]), third...))
	orphans, err := s.Orphans(ctx, c.id)
	must(t, err)
	want(t, "orphans", orphans[c.id], []store.OrphanRange{
		{Gen: 100, First: 31, Last: 40, Head: first[3].Hash},
		{Gen: 200, First: 11, Last: 40, Head: second[2].Hash},
	})
	gens, err := s.Generations(ctx, c.id)
	must(t, err)
	want(t, "a generation wholly orphaned is none", gens, []store.Generation{{Gen: 100, First: 1}, {Gen: 300, First: 31, Prev: to.Hash}})
}

func grantBase(t *testing.T, s *store.Store) {
	ctx := t.Context()
	c := newChain(t, s)
	base := store.Head{Pos: store.Pos{Gen: 50, Seq: 1000}, Hash: hash("base")}
	c.end = base
	segs := c.cuts(50, 2, 10)
	must(t, s.Append(ctx, []store.Append{{Stream: c.id, Rewind: &base, Segments: segs}}, nil))
	st := stream(t, s, c.id)
	want(t, "base", st.Base, base)
	want(t, "head", st.Head, c.end)
	want(t, "chain", all(t, s, c.id), segs)

	end := c.end // a generation that continues from the base again
	c.end = base
	next := c.cut(60, 1)
	must(t, s.Append(ctx, []store.Append{{Stream: c.id, From: end, Rewind: &base, Segments: []store.Segment{next}}}, nil))
	want(t, "chain from the base", all(t, s, c.id), []store.Segment{next})
}

func segmentsAfter(t *testing.T, s *store.Store) {
	ctx := t.Context()
	c := newChain(t, s)
	segs := c.cuts(100, 4, 10) // 1…40
	for i := range segs {
		segs[i].Body = make([]byte, 1000)
	}
	more := c.cuts(200, 2, 10) // 41…60
	c.store(t, s, append(slices.Clone(segs), more...)...)
	every := append(segs, more...)
	pos := func(gen, seq uint64) store.Pos { return store.Pos{Gen: gen, Seq: seq} }
	for _, x := range []struct {
		name  string
		after store.Pos
		n     int
		bytes int64
		want  []store.Segment
	}{
		{"all", pos(0, 0), 100, 1 << 20, every},
		{"bounded by number", pos(0, 0), 2, 1 << 20, every[:2]},
		{"bounded by bytes", pos(0, 0), 100, 2500, every[:2]},
		{"exactly the bytes", pos(0, 0), 100, 2000, every[:2]},
		{"at least one", pos(0, 0), 100, 1, every[:1]},
		{"no bound means one", pos(0, 0), 0, 0, every[:1]},
		{"at the end of a segment", pos(100, 10), 100, 1 << 20, every[1:]},
		{"in the middle of one", pos(100, 15), 100, 1 << 20, every[1:]},
		{"one before its end", pos(100, 19), 1, 1 << 20, every[1:2]},
		{"at the end of a generation", pos(100, 40), 100, 1 << 20, every[4:]},
		{"beyond it", pos(100, 99), 100, 1 << 20, every[4:]},
		{"across generations, bounded", pos(100, 30), 2, 1 << 20, every[3:5]},
		{"in a generation that never was", pos(150, 3), 100, 1 << 20, every[4:]},
		{"at the head", pos(200, 60), 100, 1 << 20, nil},
		{"beyond all numbers", pos(1<<64-1, 1<<64-1), 100, 1 << 20, nil},
	} {
		got, err := s.SegmentsAfter(ctx, c.id, x.after, x.n, x.bytes)
		must(t, err)
		want(t, x.name, got, x.want)
	}
	type find func(gen, seq uint64) (*store.Segment, error)
	starting := func(gen, seq uint64) (*store.Segment, error) { return s.SegmentStarting(ctx, c.id, gen, seq) }
	ending := func(gen, seq uint64) (*store.Segment, error) { return s.SegmentEnding(ctx, c.id, gen, seq) }
	holding := func(gen, seq uint64) (*store.Segment, error) { return s.SegmentHolding(ctx, c.id, gen, seq) }
	bare := func(i int) *store.Segment {
		g := every[i]
		g.Key, g.Readers, g.Body = nil, nil, nil
		return &g
	}
	for _, x := range []struct {
		name     string
		find     find
		gen, seq uint64
		want     *store.Segment
	}{
		{"starting", starting, 100, 11, bare(1)}, {"starting", starting, 100, 12, nil}, {"starting", starting, 200, 11, nil},
		{"ending", ending, 100, 20, bare(1)}, {"ending", ending, 100, 19, nil}, {"ending", ending, 200, 20, nil}, {"ending", ending, 100, 99, nil},
		{"holding", holding, 100, 11, bare(1)}, {"holding", holding, 100, 20, bare(1)}, {"holding", holding, 100, 41, nil}, {"holding", holding, 200, 41, bare(4)},
	} {
		got, err := x.find(x.gen, x.seq)
		must(t, err)
		want(t, fmt.Sprint(x.name, x.gen, ":", x.seq), got, x.want)
	}
	absent, err := s.SegmentByHash(ctx, c.id, hash("absent"))
	must(t, err)
	want(t, "by an unknown hash", absent, nil)
	byHash, err := s.SegmentByHash(ctx, c.id, every[3].Hash)
	must(t, err)
	want(t, "by hash", byHash, bare(3))
}

func containers(t *testing.T, s *store.Store) {
	ctx := t.Context()
	c := newChain(t, s)
	g := c.cut(1, 5)
	g.Key = nil // a keyless carrier
	c.store(t, s, g)
	got, err := s.Body(ctx, c.id, 1, 1)
	must(t, err)
	want(t, "without a key", got, &g)

	g.Key, g.Readers, g.Body = []byte("k2"), []byte("r2"), make([]byte, 3000)
	must(t, s.ReplaceContainer(ctx, c.id, 1, 1, g.Key, g.Readers, g.Body))
	must(t, s.ReplaceContainer(ctx, c.id, 1, 1, g.Key, g.Readers, g.Body)) // the same again is no error
	errs := race(
		func() error { return s.AddReaders(ctx, c.id, 1, 1, []byte("+x")) },
		func() error { return s.AddReaders(ctx, c.id, 1, 1, []byte("+x")) })
	must(t, errors.Join(errs...))
	g.Readers = []byte("r2+x+x")
	got, err = s.Body(ctx, c.id, 1, 1)
	must(t, err)
	want(t, "replaced, under the same header", got, &g)
	c.store(t, s, c.cut(1, 1))
	segs, err := s.SegmentsAfter(ctx, c.id, store.Pos{}, 9, 2999)
	must(t, err)
	want(t, "the new size counts", len(segs), 1)

	for _, err := range []error{
		s.ReplaceContainer(ctx, c.id, 1, 2, nil, nil, nil),
		s.AddReaders(ctx, c.id, 1, 2, nil),
	} {
		if !errors.Is(err, store.ErrNotHeld) {
			t.Errorf("container of no segment: %v", err)
		}
	}
	absent, err := s.Body(ctx, c.id, 1, 2)
	must(t, err)
	want(t, "absent body", absent, nil)
}

func latest(t *testing.T, s *store.Store) {
	ctx := t.Context()
	c := newChain(t, s)
	const n = 1000
	keys := make([][16]byte, 0, n+1)
	ls := make([]store.Latest, 0, n)
	for i := range n {
		h := hash("key", i)
		k := [16]byte(h[:16])
		keys = append(keys, k)
		ls = append(ls, store.Latest{KeyHash: k, Pos: store.Pos{Gen: 9, Seq: uint64(i) + 1}, Op: "put", Fingerprint: hash("v1", i), Source: "aid"})
	}
	keys = append(keys, [16]byte{1})
	must(t, s.Append(ctx, []store.Append{{Stream: c.id, Segments: []store.Segment{c.cut(9, n)}, Latest: ls}}, nil))
	from := c.end
	ls[7] = store.Latest{KeyHash: keys[7], Pos: store.Pos{Gen: 9, Seq: n + 2}, Op: "del", Source: "aid"}
	must(t, s.Append(ctx, []store.Append{{Stream: c.id, From: from, Segments: []store.Segment{c.cut(9, 2)}, Latest: []store.Latest{
		{KeyHash: keys[7], Pos: store.Pos{Gen: 9, Seq: n + 1}, Op: "put", Fingerprint: hash("v2")}, ls[7], // of two the later wins
	}}}, nil))
	got, err := s.LatestOf(ctx, c.id, keys)
	must(t, err)
	expect := map[[16]byte]store.Latest{}
	for _, l := range ls {
		expect[l.KeyHash] = l
	}
	want(t, "newest versions", got, expect)
	got, err = s.LatestOf(ctx, newChain(t, s).id, keys)
	must(t, err)
	want(t, "of another stream", len(got), 0)
}

func refusals(t *testing.T, s *store.Store) {
	ctx := t.Context()
	c := newChain(t, s)
	r := func(seq uint64, code string) store.Refusal {
		return store.Refusal{Gen: 4, Seq: seq, Code: code, Pointer: "/name"}
	}
	end := store.Pos{Gen: 4, Seq: 10}
	must(t, s.Append(ctx, []store.Append{{Stream: c.id, Segments: []store.Segment{c.cut(4, 10)}, Checked: &end,
		Refused: []store.Refusal{r(3, "CODE"), r(10, "FORMAT")}}}, nil))
	c.store(t, s, c.cut(4, 10)) // held: stored, not judged
	st := stream(t, s, c.id)
	want(t, "judged", st.Checked, end)
	want(t, "refused", st.Refused, 2)

	to := store.Pos{Gen: 4, Seq: 20}
	errs := race(
		func() error { return s.SetChecked(ctx, c.id, end, to, []store.Refusal{r(15, "TYPE")}, nil) },
		func() error { return s.SetChecked(ctx, c.id, end, to, []store.Refusal{r(15, "TYPE")}, nil) })
	if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), store.ErrCheckedMoved) {
		t.Fatal(errs)
	}
	if err := s.SetChecked(ctx, c.id, to, store.Pos{Gen: 4, Seq: 30}, []store.Refusal{r(20, "TYPE")}, nil); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("refusal before the judged lines: %v", err)
	}
	st = stream(t, s, c.id)
	want(t, "judged", st.Checked, to)
	want(t, "refused", st.Refused, 3)
	got, err := s.Refusals(ctx, c.id, 4, 4, 20)
	must(t, err)
	want(t, "refusals", got, map[uint64]store.Refusal{10: r(10, "FORMAT"), 15: r(15, "TYPE")})

	mine := errors.New("mine")
	if err := s.SetChecked(ctx, c.id, to, end, nil, nil); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("judged backward: %v", err)
	}
	err = s.SetChecked(ctx, c.id, to, store.Pos{Gen: 4, Seq: 21}, nil, func(context.Context, *sql.Tx) error { return mine })
	if !errors.Is(err, mine) || stream(t, s, c.id).Checked != to {
		t.Errorf("also failed, yet judged: %v", err)
	}
}
