package demodata

// source is one record type at one node: how often it speaks and how its records are built.
type source struct {
	node, typ, origin string
	weight            int // of 1000 records
	size              int // keys there are; 0 without end
	updates           int // percent of its good records that change an existing key
	// last is the number of versions key i can have; nil without end.
	last func(i int) int
	// build writes version v (from 1) of record i and returns its key. full adds optional members that a defect needs.
	build func(o *object, i, v int, full bool) string
	// instead speaks when a register is at its end and no key was found to change.
	instead *source

	credit   int
	versions []int32 // of each key so far; gone if deleted or never good
	deleted  int
}

const gone = -1

func (s *source) exhausted() bool { return s.size > 0 && len(s.versions) >= s.size }

// live returns a key that exists, or -1 if a few tries found none.
func (s *source) live(r *random) int {
	if len(s.versions) == 0 {
		return -1
	}
	for range 8 {
		if k := r.below(len(s.versions)); s.versions[k] != gone {
			return k
		}
	}
	return -1
}

// mayDelete keeps registers whole: at most one key in fifty goes, and of the small ones none.
func (s *source) mayDelete() bool {
	return s.size == 0 || (s.size > smallRegister && (s.deleted+1)*50 <= len(s.versions))
}

// world is what all records of one seed have in common.
type world struct {
	*corpus
	seed     uint64
	register register
}

func newWorld(seed uint64) *world {
	w := &world{corpus: load(), seed: seed}
	w.register = newRegister(w)
	return w
}

// Numbers that keep the random sequences of different things apart.
const (
	aboutFirm = iota + 1
	aboutLawyer
	aboutVenue
	aboutCommittee
	aboutInstitution
	aboutConsultation
	aboutTicket
	aboutCase
	aboutOrder
)

// random starts the sequence of the i-th thing of a kind at a node; extra tells several sequences of one thing apart.
func (w *world) random(kind int, node string, i, extra int) random {
	var where uint64
	for _, c := range []byte(node) {
		where = where*10 + uint64(c-'0')
	}
	return newRandom(w.seed, uint64(kind), where, uint64(i), uint64(extra))
}

// sources is the mix: 15 % the province's lawyer register; of the rest two thirds at 榆林. Shares between the service types
// follow the streams of the load model (consultations and calls lead) with room for the registers, which a first load brings.
func (w *world) sources() []*source {
	out := []*source{
		{node: Province, typ: "law_firm", origin: synthetic, weight: 7, size: firmCount, updates: 5, build: w.lawFirm},
		{node: Province, typ: "lawyer", origin: synthetic, weight: 143, size: w.register.lawyers, updates: 5, build: w.lawyer},
	}
	for _, at := range []struct {
		node                                               string
		venue, committee, institution, consult, case_, tel int
	}{{Yulin, 91, 91, 6, 147, 102, 130}, {Yanan, 45, 45, 3, 74, 51, 65}} {
		city := w.cities[at.node]
		venues, committees := w.venues(city), w.committees(city)
		consult := &source{node: at.node, typ: "consultation", origin: real, weight: at.consult, updates: 8,
			last:  func(i int) int { return w.consultSteps(city, i) },
			build: func(o *object, i, v int, full bool) string { return w.consultation(o, city, i, v) }}
		out = append(out, consult,
			&source{node: at.node, typ: "service_venue", origin: derived, weight: at.venue, size: len(venues), updates: 5, instead: consult,
				build: func(o *object, i, v int, full bool) string { return w.venue(o, city, venues[i], i, v) }},
			&source{node: at.node, typ: "mediation_committee", origin: derived, weight: at.committee, size: len(committees), updates: 5, instead: consult,
				build: func(o *object, i, v int, full bool) string { return w.committee(o, city, committees[i], i, v, full) }},
			&source{node: at.node, typ: "hotline_ticket", origin: synthetic, weight: at.tel, updates: 12,
				last:  func(i int) int { return w.ticketSteps(city, i) },
				build: func(o *object, i, v int, full bool) string { return w.ticket(o, city, i, v, full) }},
			&source{node: at.node, typ: "legal_aid_case", origin: synthetic, weight: at.case_, updates: 12,
				last:  func(i int) int { return w.caseSteps(city, i) },
				build: func(o *object, i, v int, full bool) string { return w.aidCase(o, city, i, v, full) }},
			&source{node: at.node, typ: "legal_aid_institution", origin: derived, weight: at.institution, size: len(w.institutions[at.node]), updates: 5, instead: consult,
				build: func(o *object, i, v int, full bool) string { return w.institution(o, city, i, v) }},
		)
		if at.node == Yulin {
			out[0].instead, out[1].instead = consult, consult
		}
	}
	return out
}

// changes says how often each of three things was changed up to version v of a register entry: every version after the
// first changes exactly one of them, in turn.
func changes(v int) (first, second, third int) { return (v + 1) / 3, v / 3, (v - 1) / 3 }
