package schemas

import (
	"bytes"

	"fayi/schemas/rulelang"
)

// accepts tells whether data is certainly a valid record of the type. A nil table accepts nothing. It is safe on any bytes, reads each once
// or twice and allocates nothing, except for texts with escapes whose characters matter.
func (t *table) accepts(data []byte) bool {
	if t == nil || len(data) > maxRecord {
		return false
	}
	i, _ := t.value(data, scanSpace(data, 0), 0, 1)
	return i != refused && scanSpace(data, i) == len(data)
}

// value judges the value at i, nested depth deep, by the rule in place at. It returns the position behind it and the marks it got.
func (t *table) value(d []byte, i, at, depth int) (end int, marks uint64) {
	r := &t.rules[at]
	if i >= len(d) {
		return refused, 0
	}
	if r.kind == textKind {
		if d[i] != '"' {
			return refused, 0
		}
		s := scanText(d, i+1)
		if s.end == refused || int64(s.runes) < r.min || int64(s.runes) > r.max {
			return refused, 0
		}
		if r.content {
			text := s.content(d)
			if !r.text(text) {
				return refused, 0
			}
			for k := range r.marks {
				if m := &r.marks[k]; int64(s.runes) >= m.test.min && int64(s.runes) <= m.test.max && m.test.text(text) {
					marks |= m.bit
				}
			}
		}
		return s.end + 1, marks
	}
	if depth > maxDepth {
		return refused, 0
	}
	switch r.kind {
	case integerKind:
		n, end := scanInteger(d, i)
		if end == refused || n < r.min || n > r.max {
			return refused, 0
		}
		for k := range r.marks {
			if m := &r.marks[k]; n >= m.test.min && n <= m.test.max {
				marks |= m.bit
			}
		}
		return end, marks
	case booleanKind:
		value, end := uint8(0), refused
		switch d[i] {
		case 't':
			value, end = 2, scanWord(d, i, "true")
		case 'f':
			value, end = 1, scanWord(d, i, "false")
		}
		if r.booleans&value == 0 {
			return refused, 0
		}
		for k := range r.marks {
			if m := &r.marks[k]; m.test.booleans&value != 0 {
				marks |= m.bit
			}
		}
		return end, marks
	case arrayKind:
		if d[i] != '[' {
			return refused, 0
		}
		return t.array(d, i+1, r, depth)
	case objectKind:
		if d[i] != '{' {
			return refused, 0
		}
		o := &t.objects[r.below]
		if o.rules == nil {
			return t.object(d, i+1, o, depth, nil), 0
		}
		var at spans
		if end = t.object(d, i+1, o, depth, &at); end != refused && o.rules.broken(d, &at) {
			return refused, 0
		}
		return end, 0
	}
	return scanAny(d, i, depth), 0
}

// text tells whether a text's characters are right; their number was looked at before.
func (r *rule) text(b []byte) bool {
	return (r.codes == nil || r.codes.find(b) >= 0) && (r.format == nil || r.format(b)) && (r.pattern == nil || r.pattern(b))
}

// array judges the elements after an opening bracket.
func (t *table) array(d []byte, i int, r *rule, depth int) (end int, marks uint64) {
	var n int64
	i = scanSpace(d, i)
	if i < len(d) && d[i] == ']' {
		if r.min > 0 {
			return refused, 0
		}
		return i + 1, 0
	}
	for {
		var m uint64
		if i, m = t.value(d, i, r.below, depth+1); i == refused {
			return refused, 0
		}
		marks |= m
		n++
		i = scanSpace(d, i)
		if i >= len(d) || n > r.max {
			return refused, 0
		}
		switch d[i] {
		case ',':
			i = scanSpace(d, i+1)
		case ']':
			if n < r.min {
				return refused, 0
			}
			return i + 1, marks
		default:
			return refused, 0
		}
	}
}

// object judges the members after an opening brace, noting in at where those lie that the object's rules name.
func (t *table) object(d []byte, i int, o *objectRule, depth int, at *spans) int {
	var there memberSet
	var marks uint64
	unknown := 0
	i = scanSpace(d, i)
	if i < len(d) && d[i] == '}' {
		return o.finish(i+1, &there, 0, 0)
	}
	for {
		if i >= len(d) || d[i] != '"' {
			return refused
		}
		i++
		n := bytes.IndexByte(d[i:], '"')
		if n < 0 {
			return refused
		}
		// A name with an escape is none of those in the table, whose names are plain (see readable).
		place := o.names.find(d[i : i+n])
		if place < 0 {
			if i = t.unknown(d, i, o, depth); i == refused {
				return refused
			}
			unknown++
		} else {
			if there.has(place) {
				return refused
			}
			there.add(place)
			i += n + 1
			if i+1 < len(d) && d[i] == ':' && d[i+1] > ' ' {
				i++
			} else if i = scanColon(d, i); i == refused {
				return refused
			}
			var m uint64
			start := i
			if i, m = t.value(d, i, o.first+place, depth+1); i == refused {
				return refused
			}
			marks |= m
			if at != nil {
				if slot := o.rules.slots[place]; slot >= 0 {
					at.there |= 1 << slot
					at.at[slot] = rulelang.Span{Start: start, End: i}
				}
			}
		}
		i = scanSpace(d, i)
		if i >= len(d) {
			return refused
		}
		switch d[i] {
		case ',':
			i = scanSpace(d, i+1)
		case '}':
			return o.finish(i+1, &there, unknown, marks)
		default:
			return refused
		}
	}
}

// unknown reads a member the object has no rule for; i is behind its opening quote. A name that has a rule but is written with escapes is
// left to jsonschema.
func (t *table) unknown(d []byte, i int, o *objectRule, depth int) int {
	if o.closed {
		return refused
	}
	name := scanText(d, i)
	if name.end == refused || (name.escaped && o.names.find(name.content(d)) >= 0) {
		return refused
	}
	if i = scanColon(d, name.end+1); i == refused {
		return refused
	}
	return scanAny(d, i, depth+1)
}

// finish judges what concerns the object as a whole and returns end, or refused. Unknown members may be duplicates of each other, so their
// number is only good for an upper bound.
func (o *objectRule) finish(end int, there *memberSet, unknown int, marks uint64) int {
	n := there.count()
	if n < o.min || n+unknown > o.max || !there.covers(&o.required) || !o.check.holds(there, marks) {
		return refused
	}
	return end
}
