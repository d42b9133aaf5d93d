package demodata

import "iter"

// The nodes of the demo, by division code. The ministry receives and publishes nothing.
const (
	Ministry = "100000"
	Province = "610000" // 陕西省
	Yulin    = "610800" // 榆林市
	Yanan    = "610600" // 延安市
)

// Record is one row a business system of a node publishes.
type Record struct {
	Node   string // division code of the node whose outbox it goes to
	Type   string // record type, as in exchange_outbox.record_type
	Key    string
	Op     string // put | del
	Data   []byte // the record's whole state as compact JSON, memory of its own; nil for del
	Bad    *Bad   // what is wrong with it; nil for a good record
	Origin string // real | derived | synthetic: where the record's substance comes from (data/PROVENANCE.md)
}

// Bad is the answer a node must give to a record that was spoilt on purpose.
type Bad struct {
	Code    string // fault code
	Pointer string // JSON pointer of the fault, "" for the whole record
	Why     string // what happened at the source, in Chinese
}

// Where the substance of a record comes from.
const (
	real      = "real"      // published by a source as it is; the person around it is synthetic
	derived   = "derived"   // follows from a published rule and table, not verified one by one
	synthetic = "synthetic" // invented here
)

// Of each block records, one is spoilt, one repeats an earlier record exactly, and in every second block one deletes.
const block = 50

// A register smaller than this is complete soon; afterwards it has little to say.
const smallRegister = 100

// Generate yields n records in the order the sources would publish them. The same seed gives the same bytes, and a larger
// n only adds records at the end. Fewer than 50 records are a beginning of the mix, not a sample of it. The sequence may be
// ranged over several times and by several goroutines at once, each pass generating anew.
//
// A repeat, an update and a deletion always follow the record they refer to, in the same node and type; a deleted key
// never returns. About 2 % are bad, each in one place; 2 % are exact repeats; 1 % are deletions.
func Generate(seed uint64, n int) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		g := newGenerator(seed)
		for i := range n {
			if !yield(g.next(i)) {
				return
			}
		}
	}
}

// generator is one pass of Generate.
type generator struct {
	*world
	rng     random
	obj     object
	sources []*source
	used    []int // how often each defect was made
	// Places in the current block: of the bad record, and from where on a repeat and a deletion may come.
	badAt, repeatAt, deleteAt int
	repeats                   int // made so far
	deletes                   int // due and not made yet
}

func newGenerator(seed uint64) *generator {
	w := newWorld(seed)
	return &generator{world: w, rng: newRandom(seed, 0), sources: w.sources(), used: make([]int, len(defects))}
}

// next makes record i. A repeat or deletion that finds no key at the source whose turn it is waits for the next turn.
func (g *generator) next(i int) Record {
	if at := i % block; at == 0 {
		g.badAt, g.repeatAt, g.deleteAt = g.rng.below(block), g.rng.below(block), g.rng.below(block)
		for g.repeatAt == g.badAt {
			g.repeatAt = g.rng.below(block)
		}
		if i/block%2 == 1 {
			g.deletes++
		}
	}
	s := g.turn()
	switch at := i % block; {
	case at == g.badAt:
		return g.spoilt(s)
	case at >= g.repeatAt && g.repeats <= i/block:
		if k := s.live(&g.rng); k >= 0 {
			g.repeats++
			return g.put(s, k)
		}
	case at >= g.deleteAt && g.deletes > 0 && s.mayDelete():
		if k := s.live(&g.rng); k >= 0 {
			g.deletes--
			return g.del(s, k)
		}
	}
	return g.good(s)
}

// good yields a new key or the next version of one.
func (g *generator) good(s *source) Record {
	if s.exhausted() && s.size < smallRegister && !g.rng.percent(10) {
		s = s.instead // a dozen institutions do not change their telephone every minute
	}
	if s.exhausted() || g.rng.percent(s.updates) {
		if k := s.live(&g.rng); k >= 0 && (s.last == nil || int(s.versions[k]) < s.last(k)) {
			s.versions[k]++
			return g.put(s, k)
		}
	}
	if s.exhausted() { // every key tried is gone
		return g.good(s.instead)
	}
	s.versions = append(s.versions, 1)
	return g.put(s, len(s.versions)-1)
}

// put builds the current version of key k.
func (g *generator) put(s *source, k int) Record {
	g.obj.reset()
	key := s.build(&g.obj, k, int(s.versions[k]), false)
	return Record{Node: s.node, Type: s.typ, Key: key, Op: "put", Data: g.obj.bytes(), Origin: s.origin}
}

func (g *generator) del(s *source, k int) Record {
	g.obj.reset()
	key := s.build(&g.obj, k, int(s.versions[k]), false)
	s.versions[k] = gone
	s.deleted++
	return Record{Node: s.node, Type: s.typ, Key: key, Op: "del", Origin: s.origin}
}

// spoilt builds a record of a key that is not used again, or once the register is at its end the next version of a living
// key, which stays at its version, and makes the defect least often made among those its type can have.
func (g *generator) spoilt(s *source) Record {
	k, version := -1, 1
	if s.exhausted() {
		if k = s.live(&g.rng); k >= 0 {
			version = int(s.versions[k]) + 1
		}
	}
	if k < 0 {
		if s.exhausted() {
			return g.spoilt(s.instead)
		}
		s.versions = append(s.versions, gone)
		k = len(s.versions) - 1
	}
	chosen := -1
	for i := range defects {
		if defects[i].on[s.typ] != nil && (chosen < 0 || g.used[i] < g.used[chosen]) {
			chosen = i
		}
	}
	g.used[chosen]++
	g.obj.reset()
	d := draft{obj: &g.obj, rng: &g.rng}
	d.rec = Record{Node: s.node, Type: s.typ, Op: "put", Origin: s.origin}
	d.rec.Key = s.build(&g.obj, k, version, true)
	pointer := defects[chosen].on[s.typ](&d)
	if d.data == nil {
		d.data = g.obj.bytes()
	}
	d.rec.Data = d.data
	d.rec.Bad = &Bad{Code: defects[chosen].code, Pointer: pointer, Why: defects[chosen].why}
	return d.rec
}

// turn chooses the source by smooth weighted round robin: after any number of turns each has had its share, give or take one.
func (g *generator) turn() *source {
	best, total := g.sources[0], 0
	for _, s := range g.sources {
		s.credit += s.weight
		total += s.weight
		if s.credit > best.credit {
			best = s
		}
	}
	best.credit -= total
	return best
}
