package trace

import (
	"cmp"
	"slices"
)

// checker holds the input from the sides from which the invariants look at it.
type checker struct {
	Report
	in       Input
	dumps    map[string]*Dump     // by node
	copies   map[string][]*holder // by stream: who holds it
	seen     []sighting
	business map[string]*ledger // by node
}

// holder is one node's copy of a stream, in order.
type holder struct {
	node    string
	stream  string
	all     []Segment // by generation and number
	live    []Segment
	lines   []Line // of live segments, in order
	orphans map[Pos]Line
	refused map[Pos]bool
	refs    map[string]bool // of refused lines
	opened  bool            // it has lines
	found   map[Pos]int     // how often each number occurs among the lines
}

// sighting is a header seen somewhere.
type sighting struct {
	Segment
	node, stream, where string
}

// place is where a segment begins.
type place struct {
	stream     string
	gen, first uint64
}

func (s *sighting) place() place { return place{s.stream, s.Gen, s.First} }

// Check judges the input. It changes nothing in it.
func Check(in Input) Report {
	c := &checker{
		Report: Report{Broken: map[Invariant]int{}, Checked: map[Invariant]int{}}, in: in,
		dumps: map[string]*Dump{}, copies: map[string][]*holder{}, business: map[string]*ledger{},
	}
	c.index()
	c.accounted() // I1
	c.dense()     // I2
	c.chained()   // I3
	c.unique()    // I4
	c.agreeing()  // I5
	c.committed() // I6
	c.ordered()   // I7
	c.applied()   // I8
	c.folded()    // I9
	return c.Report
}

func (c *checker) index() {
	for i := range c.in.Dumps {
		d := &c.in.Dumps[i]
		c.dumps[d.Node] = d
		for j := range d.Streams {
			h := newHolder(d.Node, &d.Streams[j])
			c.copies[h.stream] = append(c.copies[h.stream], h)
			for _, s := range h.all {
				c.seen = append(c.seen, sighting{s, d.Node, h.stream, "stored"})
			}
		}
	}
	for i := range c.in.Events {
		e := &c.in.Events[i]
		switch e.Kind {
		case Seal, Send, Store:
			s := Segment{Gen: e.Gen, First: e.First, Count: e.Count, Hash: *e.Hash, Prev: *e.Prev}
			c.seen = append(c.seen, sighting{s, e.Node, e.Stream, e.Kind})
		}
	}
	for i := range c.in.Business {
		b := &c.in.Business[i]
		c.business[b.Node] = newLedger(b)
	}
}

func newHolder(node string, d *StreamDump) *holder {
	h := &holder{
		node: node, stream: d.Stream, orphans: map[Pos]Line{}, refused: map[Pos]bool{}, refs: map[string]bool{}, found: map[Pos]int{},
		opened: len(d.Lines) > 0, all: slices.Clone(d.Segments),
	}
	slices.SortFunc(h.all, func(a, b Segment) int { return cmp.Or(cmp.Compare(a.Gen, b.Gen), cmp.Compare(a.First, b.First)) })
	for _, s := range h.all {
		if s.Live {
			h.live = append(h.live, s)
		}
	}
	for _, p := range d.Refused {
		h.refused[p] = true
	}
	for _, l := range d.Lines {
		p := Pos{l.Gen, l.Seq}
		h.found[p]++
		if h.refused[p] {
			h.refs[l.Ref] = true
		}
		if holds(h.live, p) {
			h.lines = append(h.lines, l)
		} else {
			h.orphans[p] = l
		}
	}
	slices.SortFunc(h.lines, func(a, b Line) int { return cmp.Or(cmp.Compare(a.Gen, b.Gen), cmp.Compare(a.Seq, b.Seq)) })
	return h
}

// holds reports whether one of these segments, in order, holds the position.
func holds(segs []Segment, p Pos) bool {
	i, found := slices.BinarySearchFunc(segs, p, func(s Segment, p Pos) int { return cmp.Or(cmp.Compare(s.Gen, p.Gen), cmp.Compare(s.First, p.Seq)) })
	if found {
		return true
	}
	return i > 0 && segs[i-1].Gen == p.Gen && p.Seq <= segs[i-1].last()
}

// eachCopy calls f for every copy, streams in the order of the dumps.
func (c *checker) eachCopy(f func(h *holder)) {
	for i := range c.in.Dumps {
		for j := range c.in.Dumps[i].Streams {
			if h := c.copy(c.in.Dumps[i].Node, c.in.Dumps[i].Streams[j].Stream); h != nil {
				f(h)
			}
		}
	}
}

// copy is a node's copy of a stream, nil if it has none.
func (c *checker) copy(node, stream string) *holder {
	for _, h := range c.copies[stream] {
		if h.node == node {
			return h
		}
	}
	return nil
}
