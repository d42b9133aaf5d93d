package schemas

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// Exact tells whether data is certainly a valid record that also keeps the byte rules of protocol §2 (strict JSON, no member twice, no
// white space outside texts, numbers every reader reads alike): bytes that can be sealed as they are, and a received line's data that need
// no second look. It is one pass over the bytes. False says nothing: whoever gets it asks the byte rules and [Type.Validate]. It is safe
// on any bytes.
func (t *Type) Exact(data []byte) bool {
	return !spaced(data) && t.exact.accepts(data)
}

// spaced tells whether there is white space at all, within texts too, which is rare in records that programs write.
func spaced(data []byte) bool {
	return bytes.IndexByte(data, ' ') >= 0 || bytes.IndexByte(data, '\n') >= 0 || bytes.IndexByte(data, '\t') >= 0 || bytes.IndexByte(data, '\r') >= 0
}

// strict is the table that accepts of what t accepts only what keeps the byte rules but for white space: it knows no value without a rule
// and no unknown members, whose repetition it would not notice, and no integer from 2^53 on. Texts, escapes and depth are read strictly
// by any table (scan.go).
func (t *table) strict() *table {
	if t == nil {
		return nil
	}
	const limit = 1<<53 - 1
	s := &table{rules: slices.Clone(t.rules), objects: slices.Clone(t.objects)}
	for i := range s.rules {
		switch r := &s.rules[i]; r.kind {
		case anyKind:
			*r = rule{kind: textKind, min: 1, max: 0}
		case integerKind:
			r.min, r.max = max(r.min, -limit), min(r.max, limit)
		}
	}
	for i := range s.objects {
		s.objects[i].closed = true
	}
	return s
}

// firstKey is the value of the record's first member if that is the key field, written without escapes: the usual case of [Type.Key].
func (t *Type) firstKey(data []byte) (key []byte, ok bool) {
	rest, ok := bytes.CutPrefix(data, t.opening)
	if !ok {
		return nil, false
	}
	end := bytes.IndexByte(rest, '"')
	if end <= 0 || bytes.IndexByte(rest[:end], '\\') >= 0 || !utf8.Valid(rest[:end]) {
		return nil, false
	}
	for _, c := range rest[:end] {
		if c < 0x20 {
			return nil, false
		}
	}
	return rest[:end], true
}
