package trace

import (
	"cmp"
	"slices"
)

// dense is I2: in every copy the numbers of a generation follow each other
// without gap or overlap, those of the live chain begin at 1 and go on across
// generations, and each segment that can be read has as many lines as it says.
// No two headers seen anywhere share some numbers of a generation but not all.
func (c *checker) dense() {
	c.eachCopy(func(h *holder) {
		for i, s := range h.all {
			c.Checked[I2]++
			if i > 0 && h.all[i-1].Gen == s.Gen && s.First != h.all[i-1].last()+1 {
				c.found(I2, h.node, h.stream, "gen %d: segment at %d after %d", s.Gen, s.First, h.all[i-1].last())
			}
			if !h.opened {
				continue
			}
			for seq := s.First; seq <= s.last(); seq++ {
				if n := h.found[Pos{s.Gen, seq}]; n != 1 {
					c.found(I2, h.node, h.stream, "gen %d: segment at %d has %d lines with number %d", s.Gen, s.First, n, seq)
				}
			}
		}
		next := uint64(1)
		for _, s := range h.live {
			if s.First != next {
				c.found(I2, h.node, h.stream, "live chain: gen %d goes on at %d where %d is next", s.Gen, s.First, next)
			}
			next = s.last() + 1
		}
	})
	seen := slices.Clone(c.seen)
	slices.SortStableFunc(seen, func(a, b sighting) int {
		return cmp.Or(cmp.Compare(a.stream, b.stream), cmp.Compare(a.Gen, b.Gen), cmp.Compare(a.First, b.First), cmp.Compare(a.Count, b.Count))
	})
	for i := 1; i < len(seen); i++ {
		a, b := &seen[i-1], &seen[i]
		if a.stream == b.stream && a.Gen == b.Gen && b.First <= a.last() && (a.First != b.First || a.Count != b.Count) {
			c.found(I2, b.node, b.stream, "gen %d: %d–%d (%s) overlaps %d–%d (%s at %s)", b.Gen, b.First, b.last(), b.where, a.First, a.last(), a.where, a.node)
		}
	}
}

// chained is I3: prev is the hash of the segment before, on every live chain,
// under every orphan, and in every event whose predecessor was seen anywhere.
func (c *checker) chained() {
	c.eachCopy(func(h *holder) {
		var prev Hash
		for _, s := range h.live {
			c.Checked[I3]++
			if s.Prev != prev {
				c.found(I3, h.node, h.stream, "gen %d: segment at %d names %v before it, not %v", s.Gen, s.First, s.Prev, prev)
			}
			prev = s.Hash
		}
		for _, s := range h.all {
			if !s.Live && !h.follows(s) {
				c.found(I3, h.node, h.stream, "gen %d: orphan at %d follows nothing that is here", s.Gen, s.First)
			}
		}
	})
	type end struct {
		stream    string
		gen, last uint64
	}
	ends := map[end]Hash{}
	for i := range c.seen {
		s := &c.seen[i]
		if _, known := ends[end{s.stream, s.Gen, s.last()}]; !known {
			ends[end{s.stream, s.Gen, s.last()}] = s.Hash
		}
	}
	for i := range c.in.Events {
		e := &c.in.Events[i]
		if e.Prev == nil {
			continue
		}
		if before, known := ends[end{e.Stream, e.Gen, e.First - 1}]; known {
			c.Checked[I3]++
			if *e.Prev != before {
				c.found(I3, e.Node, e.Stream, "%s of gen %d, %d names %v before it, not %v", e.Kind, e.Gen, e.First, *e.Prev, before)
			}
		}
	}
}

// follows reports whether what a segment names before it is in the copy and
// ends where it begins.
func (h *holder) follows(s Segment) bool {
	if s.Prev.IsZero() {
		return s.First == 1
	}
	return slices.ContainsFunc(h.all, func(b Segment) bool { return b.Hash == s.Prev && b.last()+1 == s.First && b.Gen <= s.Gen })
}

// unique is I4: whatever was sealed, sent or stored at one place of a stream,
// by anybody at any time, has one header.
func (c *checker) unique() {
	first := map[place]*sighting{}
	type other struct {
		place
		hash Hash
	}
	told := map[other]bool{}
	for i := range c.seen {
		s := &c.seen[i]
		f, again := first[s.place()]
		if !again {
			first[s.place()] = s
			continue
		}
		c.Checked[I4]++
		if s.Hash != f.Hash && !told[other{s.place(), s.Hash}] {
			told[other{s.place(), s.Hash}] = true
			c.found(I4, s.node, s.stream, "gen %d, %d: header %v (%s), but %v (%s at %s)", s.Gen, s.First, s.Hash, s.where, f.Hash, f.where, f.node)
		}
	}
}

// agreeing is I5: of any two copies of a generation one is the beginning of the
// other, and equal headers hold equal lines.
func (c *checker) agreeing() {
	for _, stream := range sortedKeys(c.copies) {
		hs := c.copies[stream]
		if len(hs) < 2 {
			continue
		}
		longest := map[uint64]*holder{} // by generation
		for _, h := range hs {
			for gen, segs := range h.generations() {
				if l := longest[gen]; l == nil || len(segs) > len(l.generations()[gen]) {
					longest[gen] = h
				}
			}
		}
		for _, h := range hs {
			for gen, segs := range h.generations() {
				l := longest[gen]
				if l == h {
					continue
				}
				long := l.generations()[gen]
				for i, s := range segs {
					c.Checked[I5]++
					if s.First != long[i].First || s.Hash != long[i].Hash {
						c.found(I5, h.node, stream, "gen %d: %d %v where %s has %d %v", gen, s.First, s.Hash, l.node, long[i].First, long[i].Hash)
						break
					}
				}
			}
		}
		c.sameLines(hs)
	}
}

func (h *holder) generations() map[uint64][]Segment {
	out := map[uint64][]Segment{}
	for _, s := range h.all {
		out[s.Gen] = append(out[s.Gen], s)
	}
	return out
}

func (c *checker) sameLines(hs []*holder) {
	type at struct {
		hash Hash
		seq  uint64
	}
	first := map[at]Line{}
	for _, h := range hs {
		if !h.opened {
			continue
		}
		lines := map[Pos]Line{}
		for _, l := range h.lines {
			lines[Pos{l.Gen, l.Seq}] = l
		}
		for _, s := range h.all {
			for seq := s.First; seq <= s.last(); seq++ {
				l, ok := lines[Pos{s.Gen, seq}]
				if !ok {
					if l, ok = h.orphans[Pos{s.Gen, seq}]; !ok {
						continue // told by I2
					}
				}
				if f, again := first[at{s.Hash, seq}]; !again {
					first[at{s.Hash, seq}] = l
				} else if f != l {
					c.found(I5, h.node, h.stream, "gen %d, %d: another line under the same header", s.Gen, seq)
				}
			}
		}
	}
}

// committed is I6: a segment of a node's own leaves it only once its row is
// committed. The row is in the node's tables; where these were put back to an
// earlier day it is an earlier seal event.
func (c *checker) committed() {
	type header struct {
		place
		hash Hash
	}
	rows := map[string]map[header]bool{}
	for i := range c.seen {
		if s := &c.seen[i]; s.where == "stored" {
			if rows[s.node] == nil {
				rows[s.node] = map[header]bool{}
			}
			rows[s.node][header{s.place(), s.Hash}] = true
		}
	}
	for i := range c.in.Events {
		e := &c.in.Events[i]
		if e.Kind != Seal && e.Kind != Send || originOf(e.Stream) != e.Node {
			continue
		}
		h := header{place{e.Stream, e.Gen, e.First}, *e.Hash}
		if rows[e.Node] == nil {
			rows[e.Node] = map[header]bool{}
		}
		if e.Kind == Seal {
			rows[e.Node][h] = true
			continue
		}
		c.Checked[I6]++
		if !rows[e.Node][h] {
			c.found(I6, e.Node, e.Stream, "gen %d, %d %v was sent to %s and never committed", e.Gen, e.First, *e.Hash, e.Peer)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
