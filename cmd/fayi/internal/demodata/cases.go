package demodata

import "iter"

// Cases yields n legal aid cases of 榆林, all good: what a benchmark publishes (design §11). A case is about 1.5 KB.
func Cases(seed uint64, n, updates int) iter.Seq[Record] {
	return Only("legal_aid_case", seed, n, updates)
}

// Only yields n records of one type of 榆林, all good. In updates of 100 turns an earlier record goes one version further,
// if the turn meets one that can. As with [Generate], the same seed gives the same bytes and a larger n only adds records;
// every yielded slice is memory of its own. A register ends where it is complete.
func Only(recordType string, seed uint64, n, updates int) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		g := newGenerator(seed)
		var s *source
		for _, c := range g.sources {
			if c.typ == recordType && c.node == Yulin {
				s = c
			}
		}
		if s == nil {
			return
		}
		for range n {
			k := -1
			if g.rng.percent(updates) {
				for range 16 { // most cases met are at their end already
					if c := s.live(&g.rng); c >= 0 && (s.last == nil || int(s.versions[c]) < s.last(c)) {
						k = c
						break
					}
				}
			}
			if k < 0 {
				if s.exhausted() {
					return
				}
				s.versions = append(s.versions, 0)
				k = len(s.versions) - 1
			}
			s.versions[k]++
			if !yield(g.put(s, k)) {
				return
			}
		}
	}
}
