package schemas

import "math/bits"

// table is one record type compiled for judging raw bytes in one pass. It never changes and is safe for concurrent use.
//
// It answers only "certainly valid" or "ask the reference". Whoever changes it must keep to that: whatever a rule is not sure of (an
// escaped member name, a number written unusually, a duplicate) is not accepted here, and jsonschema decides and explains.
type table struct {
	rules   []rule // rules[0] is the record; the members of one object stand together
	objects []objectRule
}

// valueKind is the JSON type a rule demands.
type valueKind uint8

const (
	anyKind valueKind = iota // no rule at all
	textKind
	integerKind
	booleanKind
	arrayKind
	objectKind
)

// rule judges one value.
type rule struct {
	kind     valueKind
	content  bool  // a text's characters matter, not only their number
	booleans uint8 // bit 0: false is allowed, bit 1: true
	min, max int64 // characters, value, or elements
	codes    *keySet
	format   func([]byte) bool
	pattern  func([]byte) bool
	below    int // an object's place in objects, an array's element rule in rules
	marks    []mark
}

// mark is a test whose outcome a condition over the whole object needs. On an array's element rule it is passed if one element passes.
type mark struct {
	bit  uint64
	test rule // of the same kind as the rule that holds the mark; looked at only after that rule has accepted the value
}

const (
	maxMembers = 256 // of one object
	maxMarks   = 64  // of one object
)

// objectRule judges an object after each of its members.
type objectRule struct {
	names    keySet
	first    int  // rule of the member in place 0
	closed   bool // unknown members are refused
	min, max int  // members
	required memberSet
	check    condition // without required, which stands above
	rules    *ruleSet  // over several members; nil if there are none
}

// memberSet holds the places of members.
type memberSet [maxMembers / 64]uint64

func (s *memberSet) add(place int)      { s[place>>6] |= 1 << (place & 63) }
func (s *memberSet) has(place int) bool { return s[place>>6]>>(place&63)&1 != 0 }

// covers tells whether s has every member of t.
func (s *memberSet) covers(t *memberSet) bool {
	for i := range s {
		if t[i]&^s[i] != 0 {
			return false
		}
	}
	return true
}

func (s *memberSet) count() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// condition is what allOf, anyOf, oneOf, not and if say about an object, all of it to be fulfilled. Only outcomes that were noted while
// the members were read are needed.
type condition struct {
	required memberSet
	passed   []memberMark
	all      []condition   // each
	any      [][]condition // of each list, at least one
	one      [][]condition // of each list, exactly one
	not      []condition   // none
	when     []implication
}

// memberMark is fulfilled if the member is absent or its test was passed.
type memberMark struct {
	place int
	bit   uint64
}

type implication struct{ condition, then, otherwise condition }

// holds judges the condition by the members that are there and the marks they got.
func (c *condition) holds(there *memberSet, marks uint64) bool {
	if !there.covers(&c.required) {
		return false
	}
	for _, m := range c.passed {
		if there.has(m.place) && marks&m.bit == 0 {
			return false
		}
	}
	for i := range c.when {
		w := &c.when[i]
		next := &w.otherwise
		if w.condition.holds(there, marks) {
			next = &w.then
		}
		if !next.holds(there, marks) {
			return false
		}
	}
	if len(c.all)+len(c.any)+len(c.one)+len(c.not) == 0 {
		return true
	}
	for _, list := range c.any {
		if countHolding(list, there, marks) == 0 {
			return false
		}
	}
	for _, list := range c.one {
		if countHolding(list, there, marks) != 1 {
			return false
		}
	}
	return countHolding(c.all, there, marks) == len(c.all) && countHolding(c.not, there, marks) == 0
}

func countHolding(list []condition, there *memberSet, marks uint64) int {
	n := 0
	for i := range list {
		if list[i].holds(there, marks) {
			n++
		}
	}
	return n
}
