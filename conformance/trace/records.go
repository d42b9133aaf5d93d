package trace

import (
	"slices"
	"strconv"
	"strings"
)

// ledger is a business log, ready to be asked.
type ledger struct {
	sources map[string]bool
	rows    map[rowID]*entry
	keys    map[string][]*entry // rows of a key, as logged
	order   []rowID             // as logged
}

// entry is one row and where it was met.
type entry struct {
	Row
	rolledBack bool
	streams    map[string]int // lines with its reference, by stream
	rejected   int
	waiting    int
	taken      []string // outcomes of take events
}

func newLedger(b *Business) *ledger {
	l := &ledger{sources: map[string]bool{}, rows: map[rowID]*entry{}, keys: map[string][]*entry{}}
	add := func(r Row, rolledBack bool) {
		id := rowID{r.Source, r.ID}
		l.sources[r.Source] = true
		if l.rows[id] == nil {
			l.order = append(l.order, id)
		}
		l.rows[id] = &entry{Row: r, rolledBack: rolledBack, streams: map[string]int{}}
		l.keys[r.Key] = append(l.keys[r.Key], l.rows[id])
	}
	for _, r := range b.RolledBack {
		add(r, true)
	}
	for _, r := range b.Committed {
		add(r, false)
	}
	return l
}

// entry finds the row of a reference. Ours says that the reference is of one
// of the ledger's sources: then there should be a row.
func (l *ledger) entry(ref string) (e *entry, ours bool) {
	id, ok := rowOf(ref)
	if l == nil || !ok || !l.sources[id.source] {
		return nil, false
	}
	return l.rows[id], true
}

// repeats reports whether a row leaves its key as it was: a put of a version
// that was published, a del where the newest version published up to it is one,
// or nothing was.
func (l *ledger) repeats(r *entry) bool {
	var before *entry
	for _, e := range l.keys[r.Key] {
		if len(e.streams) == 0 || e.Version > r.Version {
			continue
		}
		if r.Op != "del" && e.Op == r.Op && e.Version == r.Version {
			return true
		}
		if before == nil || e.Version >= before.Version {
			before = e
		}
	}
	return r.Op == "del" && (before == nil || before.Op == "del")
}

// accounted is I1: a committed row became one line in each of its streams, or
// is rejected, or waits, or repeated its key's state and was counted as
// unchanged; a row that was rolled back, or that nobody wrote, is nowhere.
func (c *checker) accounted() {
	for _, node := range sortedKeys(c.business) {
		d := c.dumps[node]
		if d == nil {
			continue
		}
		l := c.business[node]
		c.meet(l, d)
		nowhere := uint64(0)
		var silent []rowID // of these, repetitions that no event calls unchanged
		for _, id := range l.order {
			c.Checked[I1]++
			e := l.rows[id]
			if c.onePlace(node, id, e) {
				continue
			}
			nowhere++
			if !l.repeats(e) {
				c.found(I1, node, "", "row %s:%d is nowhere, and %s %q version %d is no repetition", id.source, id.id, e.Op, e.Key, e.Version)
			} else if !slices.Contains(e.taken, outcomeUnchanged) {
				silent = append(silent, id)
			}
		}
		if nowhere != d.Unchanged {
			c.found(I1, node, "", "%d committed rows are in no stream, not rejected and not waiting, but %d were counted as unchanged; no event says so of %d repetitions: %v",
				nowhere, d.Unchanged, len(silent), silent[:min(len(silent), 20)])
		}
	}
}

// meet notes in the ledger where the dump and the events show its rows; I9 asks
// it again.
func (c *checker) meet(l *ledger, d *Dump) {
	met := func(ref, stream, where string) *entry {
		e, ours := l.entry(ref)
		if ours && e == nil {
			c.found(I1, d.Node, stream, "row %s is %s, but nobody wrote it", ref, where)
		}
		return e
	}
	for _, s := range d.Streams {
		if originOf(s.Stream) != d.Node {
			continue
		}
		for _, line := range c.copy(d.Node, s.Stream).lines {
			e := met(line.Ref, s.Stream, "published")
			if e == nil {
				continue
			}
			e.streams[s.Stream]++
			if line.Key != e.Key || line.Op != e.Op || line.Op != "del" && line.Version != e.Version {
				c.found(I1, d.Node, s.Stream, "line %d:%d is %s %q version %d, its row %s wrote %s %q version %d",
					line.Gen, line.Seq, line.Op, line.Key, line.Version, line.Ref, e.Op, e.Key, e.Version)
			}
		}
	}
	for _, r := range d.Rejected {
		if e := met(r.Ref, "", "rejected"); e != nil {
			e.rejected++
		}
	}
	for _, ref := range d.Waiting {
		if e := met(ref, "", "waiting"); e != nil {
			e.waiting++
		}
	}
	for i := range c.in.Events {
		ev := &c.in.Events[i]
		if ev.Kind != Take || ev.Node != d.Node {
			continue
		}
		for _, ref := range ev.Refs {
			if e := met(ref, "", "taken"); e != nil {
				e.taken = append(e.taken, ev.Outcome)
			}
		}
	}
}

// onePlace judges one row and reports whether it was found anywhere or ought
// to be nowhere.
func (c *checker) onePlace(node string, id rowID, e *entry) bool {
	if e.rolledBack {
		if len(e.streams)+e.rejected+e.waiting+len(e.taken) > 0 {
			c.found(I1, node, "", "row %s:%d was rolled back, but is in %d streams, %d times rejected, %d waiting, taken %q",
				id.source, id.id, len(e.streams), e.rejected, e.waiting, e.taken)
		}
		return true
	}
	for stream, n := range e.streams {
		if n > 1 {
			c.found(I1, node, stream, "row %s:%d became %d lines", id.source, id.id, n)
		}
	}
	published := min(len(e.streams), 1)
	if n := published + e.rejected + e.waiting; n > 1 {
		c.found(I1, node, "", "row %s:%d is in several places: %d streams, %d times rejected, %d waiting", id.source, id.id, len(e.streams), e.rejected, e.waiting)
	}
	for _, outcome := range e.taken {
		if outcome == outcomeAccepted && published == 0 || outcome == outcomeUnchanged && published > 0 ||
			strings.HasPrefix(outcome, outcomeRejected) && e.rejected == 0 {
			c.found(I1, node, "", "row %s:%d was taken as %q, but is in %d streams, %d times rejected, %d waiting",
				id.source, id.id, outcome, len(e.streams), e.rejected, e.waiting)
		}
	}
	return published+e.rejected+e.waiting > 0
}

// ordered is I7: the versions of a key's lines never fall.
func (c *checker) ordered() {
	c.eachCopy(func(h *holder) {
		l := c.business[originOf(h.stream)]
		newest := map[string]uint64{}
		for _, line := range h.lines {
			e, _ := l.entry(line.Ref)
			if e == nil {
				continue
			}
			before, again := newest[line.Key]
			if again {
				c.Checked[I7]++
				if e.Version < before {
					c.found(I7, h.node, h.stream, "line %d:%d is version %d of %q after version %d", line.Gen, line.Seq, e.Version, line.Key, before)
				}
			}
			newest[line.Key] = e.Version
		}
	})
}

// applied is I8: the consumer's log holds every line of the live chain that
// the node did not refuse, each once, in order, as it is in the stream, up to
// where the log ends; and no segment is delivered twice. Lines applied before
// they became orphans stay in the log.
func (c *checker) applied() {
	for i := range c.in.Dumps {
		d := &c.in.Dumps[i]
		next := map[string]int{} // index into the live lines, by stream
		at := map[string]Pos{}
		for _, a := range d.Applied {
			c.Checked[I8]++
			p := Pos{a.Gen, a.Seq}
			h := c.copy(d.Node, a.Stream)
			if h == nil {
				c.found(I8, d.Node, a.Stream, "%d:%d was applied, but the stream is not here", a.Gen, a.Seq)
				continue
			}
			if !at[a.Stream].less(p) {
				c.found(I8, d.Node, a.Stream, "%d:%d was applied after %d:%d", a.Gen, a.Seq, at[a.Stream].Gen, at[a.Stream].Seq)
				continue
			}
			at[a.Stream] = p
			line, orphan := h.orphans[p]
			if !orphan {
				if line = c.nextLine(d.Node, h, p, next); line == (Line{}) {
					continue
				}
			}
			if line.Key != a.Key || line.Op != a.Op || line.Version != a.Version {
				c.found(I8, d.Node, a.Stream, "%d:%d was applied as %s %q version %d, the line is %s %q version %d",
					a.Gen, a.Seq, a.Op, a.Key, a.Version, line.Op, line.Key, line.Version)
			}
		}
	}
	type delivery struct {
		node string
		place
	}
	delivered := map[delivery]bool{}
	for i := range c.in.Events {
		e := &c.in.Events[i]
		if e.Kind != Deliver {
			continue
		}
		c.Checked[I8]++
		at := delivery{e.Node, place{e.Stream, e.Gen, e.First}}
		if delivered[at] {
			c.found(I8, e.Node, e.Stream, "gen %d, %d was delivered again", e.Gen, e.First)
		}
		delivered[at] = true
	}
}

// nextLine moves to the line at p and tells what was passed over. It returns
// the zero Line if there is none.
func (c *checker) nextLine(node string, h *holder, p Pos, next map[string]int) Line {
	for i := next[h.stream]; i < len(h.lines); i++ {
		q := Pos{h.lines[i].Gen, h.lines[i].Seq}
		switch {
		case p.less(q):
			next[h.stream] = i
			c.found(I8, node, h.stream, "%d:%d was applied, but there is no such line", p.Gen, p.Seq)
			return Line{}
		case q == p:
			next[h.stream] = i + 1
			if h.refused[p] {
				c.found(I8, node, h.stream, "%d:%d was applied, but this node refuses it", p.Gen, p.Seq)
			}
			return h.lines[i]
		case !h.refused[q]:
			c.found(I8, node, h.stream, "%d:%d was never applied; %d:%d was", q.Gen, q.Seq, p.Gen, p.Seq)
		}
	}
	next[h.stream] = len(h.lines)
	c.found(I8, node, h.stream, "%d:%d was applied, but there is no such line", p.Gen, p.Seq)
	return Line{}
}

// state is what a key is at some moment; absent keys are deleted ones.
type state struct {
	exists  bool
	version uint64
}

// folded is I9: what a consumer's log makes of each key is what the business
// made of it last, among the rows that neither the origin rejected nor this
// node refused. A key with a row still waiting is not looked at.
func (c *checker) folded() {
	for i := range c.in.Dumps {
		d := &c.in.Dumps[i]
		if d.Applied == nil {
			continue
		}
		has := map[string]map[string]state{} // by stream, key
		for _, a := range d.Applied {
			if has[a.Stream] == nil {
				has[a.Stream] = map[string]state{}
			}
			has[a.Stream][a.Key] = state{a.Op != "del", a.Version}
		}
		for _, s := range d.Streams {
			origin := originOf(s.Stream)
			l := c.business[origin]
			if l == nil || c.dumps[origin] == nil || origin == d.Node {
				continue // not known what the origin rejected
			}
			mine := c.copy(d.Node, s.Stream)
			want := l.final(mine)
			for _, key := range keysOf(mine, c.copy(origin, s.Stream)) {
				w, known := want[key]
				if !known {
					continue
				}
				c.Checked[I9]++
				h := has[s.Stream][key]
				if w.exists != h.exists || w.exists && w.version != h.version {
					c.found(I9, d.Node, s.Stream, "%q ends as %s, the business left it as %s", key, h, w)
				}
			}
		}
	}
}

func (s state) String() string {
	if !s.exists {
		return "deleted"
	}
	return "version " + strconv.FormatUint(s.version, 10)
}

// final is each key's last state among rows that count for this copy.
func (l *ledger) final(h *holder) map[string]state {
	refused := map[rowID]bool{}
	for ref := range h.refs {
		if id, ok := rowOf(ref); ok {
			refused[id] = true
		}
	}
	newest := map[string]*entry{}
	waits := map[string]bool{}
	for _, id := range l.order {
		e := l.rows[id]
		if e.waiting > 0 {
			waits[e.Key] = true
		}
		if e.rolledBack || e.rejected > 0 || refused[id] {
			continue
		}
		if n := newest[e.Key]; n == nil || e.Version >= n.Version {
			newest[e.Key] = e
		}
	}
	out := map[string]state{}
	for key, e := range newest {
		if !waits[key] {
			out[key] = state{e.Op != "del", e.Version}
		}
	}
	return out
}

// keysOf lists the keys in any of these copies.
func keysOf(hs ...*holder) []string {
	var out []string
	for _, h := range hs {
		if h != nil {
			for _, l := range h.lines {
				out = append(out, l.Key)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
