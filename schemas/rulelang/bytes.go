package rulelang

import (
	"bytes"
	"unicode/utf8"

	"fayi/schemas/formats"
)

// Truth is what a rule says about an object.
type Truth uint8

const (
	Unknown Truth = iota // something it needs is missing
	False                // the rule is broken
	True
)

func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

// Where is what a verdict may depend on beside the record, for rules that are [Expr.Local].
type Where struct {
	Territory []string // division codes; a province or prefecture stands for what lies in it. None: not known
}

// Span is where a member's value lies in the raw record; End is 0 where the member is missing.
type Span struct{ Start, End int }

type opNum uint8

const (
	opMember opNum = iota
	opLiteral
	opImplies
	opOr
	opAnd
	opNot
	opIn
	opCompareTexts
	opCompareIntegers
	opCompareNumbers
	opCompareDays
	opCompareTimes
	opHas
	opPart
	opEnds
	opLength
	opNumber
	opYear
	opBirth
	opSex
	opCount
	opContains
	opPlaceholder
	opInForce
	opInTerritory
)

// How two values stand to each other; an operator allows some of these.
const (
	isLess = 1 << iota
	isEqual
	isMore
)

// Bytes judges the rule by the values that lie at the spans, in the order of the slots. Every value must be strict JSON of the kind the rule
// was compiled for; of anything else only that it does not panic is promised.
func (e *Expr) Bytes(d []byte, at []Span, w Where) Truth {
	m := machine{d: d, at: at, w: w}
	return m.truth(e.root)
}

type machine struct {
	d  []byte
	at []Span
	w  Where

	plain [4]plainText // long texts with escapes, read once however often the rule names them; an array, so that nothing leaves the stack
	held  int
}

// longText is the size of raw texts that are worth keeping when read.
const longText = 256

type plainText struct {
	slot int
	text []byte
}

func (m *machine) there(n *node) bool { return n.slot < len(m.at) && m.at[n.slot].End > 0 }

// raw is the JSON of a member that is there.
func (m *machine) raw(n *node) []byte { return m.d[m.at[n.slot].Start:m.at[n.slot].End] }

// content is what the text of a member that is there says. Only one with escapes is copied.
func (m *machine) content(n *node) []byte {
	raw := m.raw(n)
	if len(raw) < 2 || bytes.IndexByte(raw, '\\') < 0 {
		return content(raw)
	}
	for _, p := range m.plain[:m.held] {
		if p.slot == n.slot {
			return p.text
		}
	}
	text := unescaped(raw)
	if len(raw) > longText && m.held < len(m.plain) {
		m.plain[m.held] = plainText{n.slot, text}
		m.held++
	}
	return text
}

func (m *machine) truth(n *node) Truth {
	switch n.code {
	case opImplies:
		switch m.truth(n.kids[0]) {
		case False:
			return True
		case True:
			return m.truth(n.kids[1])
		}
		if m.truth(n.kids[1]) == True {
			return True
		}
		return Unknown
	case opOr:
		a := m.truth(n.kids[0])
		if a == True {
			return True
		}
		if b := m.truth(n.kids[1]); b == True || a == False {
			return b
		}
		return Unknown
	case opAnd:
		a := m.truth(n.kids[0])
		if a == False {
			return False
		}
		if b := m.truth(n.kids[1]); b == False || a == True {
			return b
		}
		return Unknown
	case opNot:
		switch m.truth(n.kids[0]) {
		case False:
			return True
		case True:
			return False
		}
		return Unknown
	case opHas:
		return truth(m.there(n.kids[0]))
	case opIn:
		if b, ok := m.text(n.kids[0]); ok {
			for _, s := range n.set {
				if string(b) == s {
					return True
				}
			}
			return False
		}
		return Unknown
	case opCompareTexts:
		if a, ok := m.text(n.kids[0]); ok {
			if b, ok := m.text(n.kids[1]); ok {
				return truth(bytes.Equal(a, b) == (n.a == isEqual))
			}
		}
		return Unknown
	case opCompareIntegers:
		return m.integers(n)
	case opCompareNumbers:
		if a, ok := m.decimal(n.kids[0]); ok {
			if b, ok := m.decimal(n.kids[1]); ok {
				return truth(n.a&compareDecimals(a, b) != 0)
			}
		}
		return Unknown
	case opCompareDays:
		a, b := m.day(n.kids[0]), m.day(n.kids[1])
		if a == 0 || b == 0 {
			return Unknown
		}
		return truth(n.a&compare(a, b) != 0)
	case opCompareTimes:
		return m.times(n)
	case opContains:
		list, ok := m.list(n.kids[0])
		want, known := m.text(n.kids[1])
		if !ok || !known {
			return Unknown
		}
		for i := 1; ; {
			element, next := nextElement(list, i)
			if next < 0 {
				return False
			}
			if len(element) > 0 && element[0] == '"' && bytes.Equal(content(element), want) {
				return True
			}
			i = next
		}
	case opEnds:
		if t, ok := m.text(n.kids[0]); ok {
			if end, ok := m.text(n.kids[1]); ok {
				return truth(bytes.HasSuffix(t, end))
			}
		}
		return Unknown
	case opPlaceholder:
		if b, ok := m.text(n.kids[0]); ok {
			return truth(formats.PlaceholderBytes(b))
		}
		return Unknown
	case opInForce:
		code, ok := m.text(n.kids[0])
		on := m.day(n.kids[1])
		if !ok || on == 0 {
			return Unknown
		}
		return inForce(code, on)
	case opInTerritory:
		code, ok := m.text(n.kids[0])
		if !ok || len(m.w.Territory) == 0 {
			return Unknown
		}
		for _, t := range m.w.Territory {
			if formats.DivisionWithin(code, t) {
				return True
			}
		}
		return False
	}
	if v, ok := m.integer(n); ok { // a boolean member or literal
		return truth(v == 1)
	}
	return Unknown
}

func inForce(code []byte, on int64) Truth {
	in, known := formats.DivisionOn(code, int(on))
	if !known {
		return Unknown
	}
	return truth(in)
}

func (m *machine) integers(n *node) Truth {
	a, ok := m.integer(n.kids[0])
	b, known := m.integer(n.kids[1])
	if !ok || !known {
		return Unknown
	}
	return truth(n.a&compare(a, b) != 0)
}

// integer is the value of an integer, or of a boolean as 1 or 0.
func (m *machine) integer(n *node) (v int64, ok bool) {
	switch n.code {
	case opLiteral:
		return n.num, true
	case opYear:
		d := m.day(n.kids[0])
		return d / 10000, d > 0
	case opLength:
		t, ok := m.text(n.kids[0])
		return int64(utf8.RuneCount(t)), ok
	case opNumber:
		t, ok := m.text(n.kids[0])
		if !ok || len(t) == 0 || len(t) > 15 {
			return 0, false
		}
		v = digits(t)
		return v, v >= 0
	case opCount:
		list, ok := m.list(n.kids[0])
		if !ok {
			return 0, false
		}
		for i := 1; ; v++ {
			if _, i = nextElement(list, i); i < 0 {
				return v, true
			}
		}
	case opMember:
		if !m.there(n) {
			return 0, false
		}
		b := m.raw(n)
		if n.kind == Boolean {
			return int64(len("false") - len(b)), true // 1 for true
		}
		negative := len(b) > 0 && b[0] == '-'
		if negative {
			b = b[1:]
		}
		for _, c := range b {
			if !digit(c) {
				return 0, false
			}
			v = v*10 + int64(c-'0')
		}
		if negative {
			v = -v
		}
		return v, len(b) > 0 && len(b) <= 18
	}
	return 0, false
}

// text is the content of a text.
func (m *machine) text(n *node) (b []byte, ok bool) {
	switch n.code {
	case opLiteral:
		return n.raw, true
	case opMember:
		if !m.there(n) {
			return nil, false
		}
		return m.content(n), true
	case opPart:
		b, ok := m.text(n.kids[0])
		if !ok {
			return nil, false
		}
		return part(b, n.a, n.b)
	case opSex:
		b, ok := m.text(n.kids[0])
		if !ok || !formats.ID18Bytes(b) {
			return nil, false
		}
		if b[16]%2 == 1 {
			return male, true
		}
		return female, true
	}
	return nil, false
}

var male, female = []byte("1"), []byte("2")

// day is a date, or the day of a time, as yyyymmdd; 0 if it is not known.
func (m *machine) day(n *node) int64 {
	switch n.code {
	case opLiteral:
		return n.num
	case opBirth:
		b, ok := m.text(n.kids[0])
		if !ok || !formats.ID18Bytes(b) {
			return 0
		}
		return digits(b[6:14])
	case opMember:
		if m.there(n) {
			return day(m.content(n))
		}
	}
	return 0
}

func (m *machine) times(n *node) Truth {
	l, r := n.kids[0], n.kids[1]
	if !m.there(l) || !m.there(r) {
		return Unknown
	}
	a, fa, ok := instant(m.content(l))
	b, fb, known := instant(m.content(r))
	if !ok || !known {
		return Unknown
	}
	how := compare(a, b)
	if how == isEqual {
		how = compare(fa, fb)
	}
	return truth(n.a&how != 0)
}

// decimal is the text of a decimal or integer.
func (m *machine) decimal(n *node) (b []byte, ok bool) {
	switch {
	case n.code == opLiteral && n.kind == Decimal:
		return n.raw, true
	case n.code == opMember && n.kind == Decimal:
		return m.text(n)
	case n.code == opMember: // an integer: its JSON is its text
		if !m.there(n) {
			return nil, false
		}
		return m.raw(n), true
	}
	v, ok := m.integer(n)
	if !ok {
		return nil, false
	}
	var buf [20]byte
	i := len(buf)
	for i--; ; i-- {
		buf[i] = byte('0' + v%10)
		if v /= 10; v == 0 {
			return append([]byte(nil), buf[i:]...), true
		}
	}
}

// list is the JSON of an array.
func (m *machine) list(n *node) (b []byte, ok bool) {
	if n.code != opMember || !m.there(n) {
		return nil, false
	}
	b = m.raw(n)
	return b, len(b) > 0 && b[0] == '['
}
