package rulelang

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"fayi/schemas/formats"
)

// Kind is what a member or a value is.
type Kind uint8

const (
	None    Kind = iota // nothing a rule can use but has(m)
	Text                // a text that is compared for equality
	Integer             // a JSON integer
	Decimal             // digits with at most one point, carried as text
	Boolean             // true or false, and what a rule itself says
	Date                // a text YYYY-MM-DD
	Time                // a text YYYY-MM-DDThh:mm:ss+08:00
	List                // an array
)

var kindNames = [...]string{"nothing comparable", "a text", "an integer", "a decimal", "a boolean", "a date", "a time", "a list"}

func (k Kind) String() string { return kindNames[k] }

func numeric(k Kind) bool { return k == Integer || k == Decimal }
func dated(k Kind) bool   { return k == Date || k == Time }

// signature is what a function takes and gives. Date stands for a date or time.
type signature struct {
	takes []Kind
	gives Kind
	code  opNum
}

// functions of the language. has and part check what they take themselves.
var functions = map[string]signature{
	"has":          {nil, Boolean, opHas},
	"part":         {nil, Text, opPart},
	"ends":         {[]Kind{Text, Text}, Boolean, opEnds},
	"length":       {[]Kind{Text}, Integer, opLength},
	"number":       {[]Kind{Text}, Integer, opNumber},
	"year":         {[]Kind{Date}, Integer, opYear},
	"birth":        {[]Kind{Text}, Date, opBirth},
	"sex":          {[]Kind{Text}, Text, opSex},
	"count":        {[]Kind{List}, Integer, opCount},
	"contains":     {[]Kind{List, Text}, Boolean, opContains},
	"placeholder":  {[]Kind{Text}, Boolean, opPlaceholder},
	"in_force":     {[]Kind{Text, Date}, Boolean, opInForce},
	"in_territory": {[]Kind{Text}, Boolean, opInTerritory},
}

// Expr is a compiled rule. It never changes.
type Expr struct {
	root  *node
	needs uint64 // members, by slot, without any of which the rule cannot be false
	names []string
	place bool
	dated string
	size  int
	lists int
}

// Members are the names of the members the rule looks at, sorted.
func (e *Expr) Members() []string { return e.names }

// Local tells whether what the rule says depends on the node that judges (in_territory).
func (e *Expr) Local() bool { return e.place }

// Dated is the member whose division code the rule judges by a day (in_force), "" if there is none.
func (e *Expr) Dated() string { return e.dated }

// Size is the number of parts of the rule, Lists how many of them read a whole array: the steps one judgement takes.
func (e *Expr) Size() int  { return e.size }
func (e *Expr) Lists() int { return e.lists }

// Needs are the members, a bit for each slot, without any of which the rule is not false: it need not be judged then.
func (e *Expr) Needs() uint64 { return e.needs }

// Slots gives the members of one object places in the list that [Expr.Bytes] reads. All rules of the object share it.
type Slots struct{ names []string }

// Names are the members in the order of their slots.
func (s *Slots) Names() []string { return s.names }

func (s *Slots) of(name string) (int, bool) {
	if i := slices.Index(s.names, name); i >= 0 {
		return i, true
	}
	if len(s.names) == MaxSlots {
		return 0, false
	}
	s.names = append(s.names, name)
	return len(s.names) - 1, true
}

// Compile reads a rule about an object whose members have the given kinds; ok is false for a member the object does not have. The error
// joins everything that is wrong with it.
func Compile(src string, kind func(name string) (k Kind, ok bool), slots *Slots) (*Expr, error) {
	root, err := parse(src)
	if err != nil {
		return nil, err
	}
	c := compiler{kind: kind, slots: slots}
	c.expr.root = root
	if c.typed(root) != Boolean && len(c.wrong) == 0 {
		c.fault(root, "the whole must be a condition")
	}
	if len(c.expr.names) == 0 && len(c.wrong) == 0 {
		c.fault(root, "names no member")
	}
	if len(c.wrong) > 0 {
		return nil, errors.Join(c.wrong...)
	}
	slices.Sort(c.expr.names)
	c.expr.names = slices.Compact(c.expr.names)
	_, c.expr.needs = root.needs()
	return &c.expr, nil
}

type compiler struct {
	kind  func(string) (Kind, bool)
	slots *Slots
	expr  Expr
	wrong []error
}

func (c *compiler) fault(n *node, format string, args ...any) Kind {
	c.wrong = append(c.wrong, fmt.Errorf("at byte %d: %s", n.at+1, fmt.Sprintf(format, args...)))
	return None
}

// typed finds the kind of n and of everything below it.
func (c *compiler) typed(n *node) Kind {
	c.expr.size += 1 + len(n.set)
	n.kind = c.typeOf(n)
	return n.kind
}

func (c *compiler) typeOf(n *node) Kind {
	switch n.op {
	case member:
		n.code = opMember
		return c.member(n)
	case literal:
		n.code = opLiteral
		return Text
	case integer:
		n.code = opLiteral
		return Integer
	case boolean:
		n.code = opLiteral
		if n.text == "true" {
			n.num = 1
		}
		return Boolean
	case "=>", "or", "and", "not":
		n.code = map[string]opNum{"=>": opImplies, "or": opOr, "and": opAnd, "not": opNot}[n.op]
		for _, kid := range n.kids {
			if k := c.typed(kid); k != Boolean && k != None {
				c.fault(kid, "%s joins conditions, not %s", n.op, k)
			}
		}
		return Boolean
	case "in":
		n.code = opIn
		if k := c.typed(n.kids[0]); k != Text && k != None {
			c.fault(n, "in looks for a text, not for %s", k)
		}
		return Boolean
	case "==", "!=", "<", "<=", ">", ">=":
		return c.comparison(n)
	}
	return c.call(n)
}

func (c *compiler) member(n *node) Kind {
	k, ok := c.kind(n.text)
	if !ok {
		return c.fault(n, "there is no member %q", n.text)
	}
	if n.slot, ok = c.slots.of(n.text); !ok {
		return c.fault(n, "the rules of one object name more than %d members", MaxSlots)
	}
	c.expr.names = append(c.expr.names, n.text)
	return k
}

func (c *compiler) comparison(n *node) Kind {
	l, r := n.kids[0], n.kids[1]
	a, b := c.typed(l), c.typed(r)
	// A text in quotes beside a date or decimal is one.
	for _, lit := range []struct {
		n     *node
		other Kind
	}{{l, b}, {r, a}} {
		if lit.n.op != literal {
			continue
		}
		switch {
		case dated(lit.other):
			if formats.Date(lit.n.text) != nil {
				c.fault(lit.n, "%q is no date", lit.n.text)
			}
			lit.n.kind, lit.n.num = Date, day([]byte(lit.n.text))
		case lit.other == Decimal:
			if formats.Decimal(18, 9)(lit.n.text) != nil {
				c.fault(lit.n, "%q is no decimal", lit.n.text)
			}
			lit.n.kind = Decimal
		}
	}
	a, b = l.kind, r.kind
	n.a = map[string]int{"==": isEqual, "!=": isLess | isMore, "<": isLess, "<=": isLess | isEqual, ">": isMore, ">=": isMore | isEqual}[n.op]
	ordered := n.op != "==" && n.op != "!="
	switch {
	case a == None && l.op != member || b == None && r.op != member: // reported
	case dated(a) && dated(b):
		n.code = opCompareDays
		if a == Time && b == Time {
			n.code = opCompareTimes
		}
	case numeric(a) && numeric(b):
		n.code = opCompareNumbers
		if a == Integer && b == Integer {
			n.code = opCompareIntegers
		}
	case a == Text && b == Text && !ordered:
		n.code = opCompareTexts
	case a == Boolean && b == Boolean && !ordered && scalar(l) && scalar(r):
		n.code = opCompareIntegers
	default:
		c.fault(n, "%s cannot be compared with %s by %s", a, b, n.op)
	}
	return Boolean
}

// scalar tells whether a boolean is a member or literal, not a condition.
func scalar(n *node) bool { return n.op == member || n.op == boolean }

func (c *compiler) call(n *node) Kind {
	f := functions[n.op]
	n.code = f.code
	switch n.op {
	case "has":
		if len(n.kids) != 1 || n.kids[0].op != member {
			return c.fault(n, "has takes the name of a member")
		}
		c.typed(n.kids[0])
		return f.gives
	case "part":
		if len(n.kids) != 3 || n.kids[1].op != integer || n.kids[2].op != integer {
			return c.fault(n, "part takes a text and two numbers")
		}
		n.a, n.b = int(min(n.kids[1].num, 1e6)), int(min(n.kids[2].num, 1e6))
		if n.a < 1 || n.b < n.a || n.b > 64 {
			c.fault(n, "part(t, a, b) needs 1 ≤ a ≤ b ≤ 64")
		}
		if k := c.typed(n.kids[0]); k != Text && k != None {
			c.fault(n.kids[0], "part takes a text, not %s", k)
		}
		n.kids = n.kids[:1]
		return f.gives
	}
	if len(n.kids) != len(f.takes) {
		return c.fault(n, "%s takes %d values, not %d", n.op, len(f.takes), len(n.kids))
	}
	for i, want := range f.takes {
		kid := n.kids[i]
		k := c.typed(kid)
		switch {
		case want == Date && kid.op == literal && formats.Date(kid.text) == nil:
			kid.kind, kid.num = Date, day([]byte(kid.text))
		case k == want || want == Date && k == Time || k == None && kid.op != member:
		default:
			c.fault(kid, "%s takes %s as its value %s, not %s", n.op, want, strconv.Itoa(i+1), k)
		}
	}
	if f.takes[0] == List {
		c.expr.lists++
	}
	if n.code == opInForce {
		c.expr.dated = n.kids[0].text
	}
	c.expr.place = c.expr.place || n.code == opInTerritory
	return f.gives
}

// needs returns the slots without any of which n cannot be true, and those without any of which it cannot be false.
func (n *node) needs() (forTrue, forFalse uint64) {
	switch n.op {
	case "has":
		return 1 << n.kids[0].slot, 0
	case "not":
		t, f := n.kids[0].needs()
		return f, t
	case "and", "or", "=>":
		at, af := n.kids[0].needs()
		bt, bf := n.kids[1].needs()
		switch n.op {
		case "and":
			return at | bt, af & bf
		case "or":
			return at & bt, af | bf
		}
		return af & bt, at | bf
	}
	all := n.members()
	return all, all
}

// members are the slots of everything below n: any other operator or function is unknown if one operand is.
func (n *node) members() (all uint64) {
	if n.op == member {
		return 1 << n.slot
	}
	for _, kid := range n.kids {
		if kid.op == "has" || kid.kind == Boolean && kid.op != member { // a condition in parentheses may be known without its members
			continue
		}
		all |= kid.members()
	}
	return all
}

// compare says how a stands to b.
func compare[T cmp.Ordered](a, b T) int {
	switch {
	case a < b:
		return isLess
	case a > b:
		return isMore
	}
	return isEqual
}
