package trace_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"fayi/conformance/trace"

	"github.com/google/go-cmp/cmp"
)

// The good history: city 610800 publishes consultations upstream to province
// 610000, whose consumer takes them. The city's database was once put back, so
// that the province holds an orphan; one row is unchanged, one rejected, one
// rolled back, one refused by the province, one waits. The province's own
// stream of law firms has two generations.
const (
	city, province = "610800", "610000"
	up             = "610800/consultation/upstream"
	down           = "610000/law_firm/downstream"
	dir            = "610000/exchange_node/public"
)

// hash names headers in these tests; nothing here recomputes one.
func hash(name string) trace.Hash { return sha256.Sum256([]byte(name)) }

func seg(gen, first, count uint64, name, prev string) trace.Segment {
	s := trace.Segment{Gen: gen, First: first, Count: count, Hash: hash(name), Live: true}
	if prev != "" {
		s.Prev = hash(prev)
	}
	return s
}

func orphan(s trace.Segment) trace.Segment { s.Live = false; return s }

func event(node, kind, stream string, s trace.Segment) trace.Event {
	h, p := s.Hash, s.Prev
	return trace.Event{Node: node, PID: 1, Kind: kind, Stream: stream, Gen: s.Gen, First: s.First, Count: s.Count, Hash: &h, Prev: &p}
}

func ref(id uint64) string { return fmt.Sprintf("main:%d:%d", id, 1_764_000_000_000_000+id) }

func good() trace.Input {
	a, b, lost, c := seg(100, 1, 2, "a", ""), seg(100, 3, 2, "b", "a"), seg(100, 5, 1, "lost", "b"), seg(200, 5, 2, "c", "b")
	f, g, h := seg(250, 1, 1, "f", ""), seg(250, 2, 1, "g", "f"), seg(300, 3, 1, "h", "g")
	row := func(id uint64, key, op string, version uint64) trace.Row {
		return trace.Row{Source: "main", ID: id, Key: key, Op: op, Version: version}
	}
	line := func(gen, seq, id uint64, key, op string, version uint64) trace.Line {
		return trace.Line{Gen: gen, Seq: seq, Key: key, Op: op, Ref: ref(id), Version: version}
	}
	live := []trace.Line{
		line(100, 1, 1, "K1", "put", 1), line(100, 2, 2, "K2", "put", 1), line(100, 3, 3, "K1", "put", 2), line(100, 4, 4, "K2", "del", 0),
		line(200, 5, 5, "K1", "put", 3), line(200, 6, 9, "K4", "put", 1),
	}
	apply := func(l trace.Line) trace.Applied {
		return trace.Applied{Stream: up, Gen: l.Gen, Seq: l.Seq, Key: l.Key, Op: l.Op, Version: l.Version}
	}
	gone := line(100, 5, 5, "K1", "put", 3)
	return trace.Input{
		Events: []trace.Event{
			{Node: city, Kind: trace.Take, Refs: []string{ref(1), ref(2)}, Outcome: "accepted"},
			{Node: city, Kind: trace.Take, Refs: []string{ref(6)}, Outcome: "unchanged"},
			{Node: city, Kind: trace.Take, Refs: []string{ref(7)}, Outcome: "rejected CODE"},
			event(city, trace.Seal, up, a), event(city, trace.Send, up, a), event(city, trace.Seal, up, b), event(city, trace.Send, up, b),
			event(city, trace.Seal, up, lost), event(city, trace.Send, up, lost),
			event(city, "start", "", trace.Segment{}),
			event(city, trace.Seal, up, c), event(city, trace.Send, up, b), event(city, trace.Send, up, c),
			event(province, trace.Store, up, a), event(province, trace.Store, up, b), event(province, trace.Store, up, lost), event(province, trace.Store, up, c),
			event(province, trace.Deliver, up, a), event(province, trace.Deliver, up, b),
		},
		Dumps: []trace.Dump{
			{
				Node: city,
				Streams: []trace.StreamDump{
					{Stream: up, Segments: []trace.Segment{a, b, c}, Lines: live},
					{Stream: down, Segments: []trace.Segment{f, g}},
				},
				Rejected: []trace.RefCode{{Ref: ref(7), Code: "CODE"}}, Waiting: []string{ref(10)}, Unchanged: 1,
			},
			{
				Node: province,
				Streams: []trace.StreamDump{
					{
						Stream: up, Segments: []trace.Segment{c, a, orphan(lost), b}, // in any order
						Lines: append([]trace.Line{gone}, live...), Refused: []trace.Pos{{Gen: 200, Seq: 6}},
					},
					{Stream: down, Segments: []trace.Segment{f, g, h}},
					{Stream: dir, Segments: []trace.Segment{seg(50, 1, 1, "n", ""), seg(50, 2, 1, "o", "n")}},
				},
				Applied: []trace.Applied{apply(live[0]), apply(live[1]), apply(live[2]), apply(live[3]), apply(gone), apply(live[4])},
			},
		},
		Business: []trace.Business{{
			Node: city,
			Committed: []trace.Row{
				row(1, "K1", "put", 1), row(2, "K2", "put", 1), row(3, "K1", "put", 2), row(4, "K2", "del", 2), row(5, "K1", "put", 3),
				row(6, "K1", "put", 3), row(7, "K3", "put", 1), row(9, "K4", "put", 1), row(10, "K5", "put", 1),
			},
			RolledBack: []trace.Row{row(8, "K3", "put", 2)},
		}},
	}
}

func TestGood(t *testing.T) {
	t.Parallel()
	r := trace.Check(good())
	if !r.Clean() {
		t.Error(&r)
	}
	want := map[trace.Invariant]int{
		trace.I1: 10, trace.I2: 3 + 2 + 4 + 3 + 2, trace.I3: 3 + 2 + 3 + 3 + 2 + 8, trace.I4: 18, trace.I5: 2 + 1 + 2,
		trace.I6: 5, trace.I7: 2 + 1 + 2 + 1, trace.I8: 6 + 2, trace.I9: 2,
	}
	if d := cmp.Diff(want, r.Checked); d != "" {
		t.Error(d)
	}
}

// An empty check is not a clean one.
func TestNothingSeen(t *testing.T) {
	t.Parallel()
	r := trace.Check(trace.Input{})
	if r.Clean() || len(r.Violations) > 0 {
		t.Error(&r)
	}
	if d := cmp.Diff(trace.Invariants(), r.Unseen()); d != "" {
		t.Error(d)
	}
	in := good()
	in.Business = nil
	r = trace.Check(in)
	if d := cmp.Diff([]trace.Invariant{trace.I1, trace.I7, trace.I9}, r.Unseen()); d != "" || r.Clean() || len(r.Violations) > 0 {
		t.Error(d, &r)
	}
}

// Each way to break a promise is found, and by the invariant that forbids it alone.
func TestMutants(t *testing.T) {
	t.Parallel()
	atCity := func(in *trace.Input) *trace.Dump { return &in.Dumps[0] }
	atProvince := func(in *trace.Input) *trace.Dump { return &in.Dumps[1] }
	business := func(in *trace.Input) *trace.Business { return &in.Business[0] }
	for _, m := range []struct {
		want   trace.Invariant
		name   string
		mutate func(*trace.Input)
	}{
		{trace.I1, "a committed row is lost", func(in *trace.Input) {
			business(in).Committed = append(business(in).Committed, trace.Row{Source: "main", ID: 11, Key: "K6", Op: "put", Version: 1})
		}},
		{trace.I1, "a change counted as unchanged", func(in *trace.Input) {
			b := business(in) // put again before it was deleted
			b.Committed = append(b.Committed, trace.Row{Source: "main", ID: 11, Key: "K2", Op: "put", Version: 2})
			b.Committed[3].Version = 3 // deleted after that
			atCity(in).Unchanged++
		}},
		{trace.I1, "a deletion counted as unchanged", func(in *trace.Input) {
			b := business(in)
			b.Committed = append(b.Committed, trace.Row{Source: "main", ID: 11, Key: "K1", Op: "del", Version: 2})
			atCity(in).Unchanged++
		}},
		{trace.I1, "a row is counted as unchanged, but was published", func(in *trace.Input) { atCity(in).Unchanged++ }},
		{trace.I1, "a rolled-back row waits", func(in *trace.Input) { atCity(in).Waiting = append(atCity(in).Waiting, ref(8)) }},
		{trace.I1, "a rolled-back row is rejected", func(in *trace.Input) {
			atCity(in).Rejected = append(atCity(in).Rejected, trace.RefCode{Ref: ref(8), Code: "CODE"})
		}},
		{trace.I1, "a rolled-back row is published", func(in *trace.Input) {
			b := business(in)
			b.Committed = slices.DeleteFunc(b.Committed, func(r trace.Row) bool { return r.ID == 9 })
			b.RolledBack = append(b.RolledBack, trace.Row{Source: "main", ID: 9, Key: "K4", Op: "put", Version: 1})
		}},
		{trace.I1, "a rolled-back row was taken", func(in *trace.Input) {
			in.Events = append(in.Events, trace.Event{Node: city, Kind: trace.Take, Refs: []string{ref(8)}, Outcome: "unchanged"})
		}},
		{trace.I1, "a published row still waits", func(in *trace.Input) { atCity(in).Waiting = []string{ref(9), ref(10)} }},
		{trace.I1, "a row was taken as accepted and is nowhere", func(in *trace.Input) { in.Events[1].Outcome = "accepted" }},
		{trace.I1, "a row was taken as unchanged and published", func(in *trace.Input) { in.Events[0].Outcome = "unchanged" }},
		{trace.I1, "a line nobody wrote", func(in *trace.Input) {
			b := business(in)
			b.Committed = slices.DeleteFunc(b.Committed, func(r trace.Row) bool { return r.ID == 9 })
		}},
		{trace.I1, "a line with another record", func(in *trace.Input) {
			i := slices.IndexFunc(business(in).Committed, func(r trace.Row) bool { return r.ID == 9 })
			business(in).Committed[i].Key = "K9"
		}},
		{trace.I1, "one row twice in a stream", func(in *trace.Input) {
			for i := range in.Dumps { // line 4 is row 2 again, row 4 never came
				for j := range in.Dumps[i].Streams[0].Lines {
					if l := &in.Dumps[i].Streams[0].Lines[j]; l.Seq == 4 {
						l.Ref = ref(2)
					}
				}
			}
			atCity(in).Unchanged++
		}},
		{trace.I2, "a gap", func(in *trace.Input) { atProvince(in).Streams[2].Segments[1].First = 3 }},
		{trace.I2, "a chain that does not begin at 1", func(in *trace.Input) {
			for i := range atProvince(in).Streams[2].Segments {
				atProvince(in).Streams[2].Segments[i].First++
			}
		}},
		{trace.I2, "a segment with a line too few", func(in *trace.Input) {
			for i := range in.Dumps {
				in.Dumps[i].Streams[0].Lines = slices.DeleteFunc(in.Dumps[i].Streams[0].Lines, func(l trace.Line) bool { return l.Seq == 6 })
			}
			atProvince(in).Streams[0].Refused = nil
			b := business(in)
			b.Committed = slices.DeleteFunc(b.Committed, func(r trace.Row) bool { return r.ID == 9 })
		}},
		{trace.I2, "two cuts of the same numbers", func(in *trace.Input) {
			in.Events = append(in.Events, event(province, trace.Store, dir, seg(50, 2, 5, "o", "n")))
		}},
		{trace.I3, "a copy with another prev", func(in *trace.Input) { atProvince(in).Streams[1].Segments[1].Prev = hash("x") }},
		{trace.I3, "a first segment with a prev", func(in *trace.Input) { atProvince(in).Streams[1].Segments[0].Prev = hash("x") }},
		{trace.I3, "an orphan of nothing", func(in *trace.Input) { atProvince(in).Streams[0].Segments[2].Prev = hash("x") }},
		{trace.I3, "an event with another prev", func(in *trace.Input) { x := hash("x"); in.Events[11].Prev = &x }},
		{trace.I4, "two headers for one place", func(in *trace.Input) {
			in.Events = append(in.Events, event(province, trace.Store, up, seg(200, 5, 2, "clone", "b")))
		}},
		{trace.I4, "two headers before anybody stored one", func(in *trace.Input) {
			in.Events = append(in.Events, event(city, trace.Seal, up, seg(200, 7, 1, "d", "c")), event(city, trace.Seal, up, seg(200, 7, 1, "e", "c")))
		}},
		{trace.I5, "copies that part within a generation", func(in *trace.Input) {
			s := &atCity(in).Streams[1]
			s.Segments = []trace.Segment{s.Segments[0], seg(300, 2, 1, "i", "f")}
		}},
		{trace.I5, "another line under the same header", func(in *trace.Input) { atProvince(in).Streams[0].Lines[3].Ref = "other:1:1" }},
		{trace.I6, "a segment sent and never committed", func(in *trace.Input) {
			in.Events = append(in.Events, event(city, trace.Send, up, seg(200, 7, 1, "d", "c")))
		}},
		{trace.I6, "a segment sent before it was sealed, then lost", func(in *trace.Input) {
			in.Events[7], in.Events[8] = in.Events[8], in.Events[7]
		}},
		{trace.I7, "an update before the one it follows", func(in *trace.Input) {
			b := business(in)
			b.Committed[0].Version, b.Committed[2].Version = 2, 1
			for i := range in.Dumps {
				for j := range in.Dumps[i].Streams[0].Lines {
					switch l := &in.Dumps[i].Streams[0].Lines[j]; l.Seq {
					case 1:
						l.Version = 2
					case 3:
						l.Version = 1
					}
				}
			}
			atProvince(in).Applied[0].Version, atProvince(in).Applied[2].Version = 2, 1
		}},
		{trace.I8, "a line applied twice", func(in *trace.Input) {
			d := atProvince(in)
			d.Applied = append(d.Applied, d.Applied[len(d.Applied)-1])
		}},
		{trace.I8, "lines applied out of order", func(in *trace.Input) {
			a := atProvince(in).Applied
			a[0], a[1] = a[1], a[0]
		}},
		{trace.I8, "a line passed over", func(in *trace.Input) { atProvince(in).Applied = atProvince(in).Applied[1:] }},
		{trace.I8, "a refused line applied", func(in *trace.Input) {
			d := atProvince(in)
			d.Applied = append(d.Applied, trace.Applied{Stream: up, Gen: 200, Seq: 6, Key: "K4", Op: "put", Version: 1})
		}},
		{trace.I8, "a line applied that is in no stream", func(in *trace.Input) {
			d := atProvince(in)
			d.Applied = append(d.Applied, trace.Applied{Stream: up, Gen: 200, Seq: 7, Key: "K9", Op: "put", Version: 1})
		}},
		{trace.I8, "another version than the line's applied", func(in *trace.Input) { atProvince(in).Applied[0].Version = 9 }},
		{trace.I8, "a segment delivered twice", func(in *trace.Input) { in.Events = append(in.Events, in.Events[len(in.Events)-1]) }},
		{trace.I9, "the end never applied", func(in *trace.Input) { atProvince(in).Applied = atProvince(in).Applied[:4] }},
		{trace.I9, "a copy that stopped early", func(in *trace.Input) {
			s := &atProvince(in).Streams[0]
			s.Segments = slices.DeleteFunc(s.Segments, func(g trace.Segment) bool { return g.Gen == 200 })
			s.Lines = slices.DeleteFunc(s.Lines, func(l trace.Line) bool { return l.Gen == 200 })
			s.Refused, atProvince(in).Applied = nil, atProvince(in).Applied[:5]
		}},
	} {
		t.Run(fmt.Sprintf("%v %s", m.want, m.name), func(t *testing.T) {
			t.Parallel()
			in := good()
			m.mutate(&in)
			r := trace.Check(in)
			if r.Broken[m.want] == 0 || len(r.Broken) != 1 {
				t.Error(&r)
			}
		})
	}
}

// However much is broken, a report stays readable and counts all of it.
func TestReportIsBounded(t *testing.T) {
	t.Parallel()
	in := good()
	for id := uint64(1000); id < 2000; id++ {
		in.Dumps[0].Waiting = append(in.Dumps[0].Waiting, ref(id))
	}
	r := trace.Check(in)
	if r.Broken[trace.I1] != 1000 || len(r.Violations) != 50 {
		t.Errorf("%d broken, %d shown", r.Broken[trace.I1], len(r.Violations))
	}
	if want := `I1 at 610800: row main:1000:1764000000001000 is waiting, but nobody wrote it`; r.Violations[0].String() != want {
		t.Error(r.Violations[0])
	}
}
