package rulelang

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"time"

	"fayi/schemas/formats"
)

// Faulty stands for the value of a member that is there but means nothing: a fault in it was told already. has(m) is true of it, and everything
// else is unknown.
var Faulty any = faulty{}

type faulty struct{}

// Walk judges the rule by a decoded object (texts, [json.Number], booleans, []any, map[string]any). It goes through the expression as it was
// written, with the standard library's notion of numbers and times: the reference [Expr.Bytes] is held to. A member whose value is null or
// not of its kind counts as missing.
func (e *Expr) Walk(object map[string]any, w Where) Truth { return walker{object, w}.truth(e.root) }

type walker struct {
	object map[string]any
	w      Where
}

// value is the value of n as a string, *big.Rat, bool, time.Time (a day at midnight UTC, or an instant), []any, or nil if it is unknown.
func (w walker) value(n *node) any {
	switch n.op {
	case member:
		return typed(w.object[n.text], n.kind)
	case literal:
		return typed(n.text, n.kind)
	case integer:
		return new(big.Rat).SetInt64(n.num)
	case boolean:
		return n.text == "true"
	}
	if n.kind == Boolean {
		switch w.truth(n) {
		case True:
			return true
		case False:
			return false
		}
		return nil
	}
	arg := w.value(n.kids[0])
	text, _ := arg.(string)
	switch n.op {
	case "part":
		if runes := []rune(text); arg != nil && len(runes) >= n.b {
			return string(runes[n.a-1 : n.b])
		}
	case "length":
		if arg != nil {
			return new(big.Rat).SetInt64(int64(len([]rune(text))))
		}
	case "number":
		if r, ok := new(big.Rat).SetString(text); ok && len(text) <= 15 && strings.Trim(text, "0123456789") == "" {
			return r
		}
	case "year":
		if t, ok := arg.(time.Time); ok {
			return new(big.Rat).SetInt64(int64(t.Year()))
		}
	case "birth":
		if formats.ID18(text) == nil {
			return typed(text[6:10]+"-"+text[10:12]+"-"+text[12:14], Date)
		}
	case "sex":
		if formats.ID18(text) == nil {
			return map[bool]string{true: "1", false: "2"}[text[16]%2 == 1]
		}
	case "count":
		if list, ok := arg.([]any); ok {
			return new(big.Rat).SetInt64(int64(len(list)))
		}
	}
	return nil
}

// typed reads a decoded value as the kind its member has.
func typed(v any, k Kind) any {
	s, isText := v.(string)
	switch k {
	case Text:
		if isText {
			return s
		}
	case Decimal:
		if r, ok := new(big.Rat).SetString(s); ok && formats.Decimal(18, 9)(s) == nil {
			return r
		}
	case Integer:
		if n, ok := v.(json.Number); ok && len(n) < 20 {
			if r, ok := new(big.Rat).SetString(n.String()); ok && r.IsInt() {
				return r
			}
		}
	case Boolean:
		if b, ok := v.(bool); ok {
			return b
		}
	case Date:
		if t, err := time.Parse(time.DateOnly, s); err == nil && formats.Date(s) == nil {
			return t
		}
	case Time:
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil && formats.DateTime(s) == nil {
			return t
		}
	case List:
		if list, ok := v.([]any); ok {
			return list
		}
	case None:
		if v != nil && v != Faulty {
			return v
		}
	}
	return nil
}

// dayOf is the day of a time as written, at midnight UTC.
func dayOf(v any) (time.Time, bool) {
	t, ok := v.(time.Time)
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC), ok
}

func (w walker) truth(n *node) Truth {
	// False, Unknown, True as 0, 1, 2: and is the least, or the greatest.
	level := func(t Truth) int { return map[Truth]int{False: 0, Unknown: 1, True: 2}[t] }
	back := []Truth{False, Unknown, True}
	switch n.op {
	case "not":
		return back[2-level(w.truth(n.kids[0]))]
	case "and":
		return back[min(level(w.truth(n.kids[0])), level(w.truth(n.kids[1])))]
	case "or":
		return back[max(level(w.truth(n.kids[0])), level(w.truth(n.kids[1])))]
	case "=>":
		return back[max(2-level(w.truth(n.kids[0])), level(w.truth(n.kids[1])))]
	case "has":
		return truth(w.object[n.kids[0].text] == Faulty || w.value(n.kids[0]) != nil)
	case "==", "!=", "<", "<=", ">", ">=":
		return w.comparison(n)
	case member, boolean:
		if b, ok := w.value(n).(bool); ok {
			return truth(b)
		}
		return Unknown
	}
	first := w.value(n.kids[0])
	if first == nil {
		return Unknown
	}
	text, _ := first.(string)
	switch n.op {
	case "in":
		return truth(slices.Contains(n.set, text))
	case "contains":
		list, _ := first.([]any)
		want := w.value(n.kids[1])
		if want == nil {
			return Unknown
		}
		return truth(slices.ContainsFunc(list, func(e any) bool { return e == want }))
	case "ends":
		end, ok := w.value(n.kids[1]).(string)
		if !ok {
			return Unknown
		}
		return truth(strings.HasSuffix(text, end))
	case "placeholder":
		return truth(formats.Placeholder(text))
	case "in_force":
		t, ok := dayOf(w.value(n.kids[1]))
		if !ok {
			return Unknown
		}
		y, m, d := t.Date()
		return inForce([]byte(text), int64(y*10000+int(m)*100+d))
	case "in_territory":
		if len(w.w.Territory) == 0 {
			return Unknown
		}
		return truth(slices.ContainsFunc(w.w.Territory, func(t string) bool { return formats.DivisionWithin([]byte(text), t) }))
	}
	return Unknown
}

func (w walker) comparison(n *node) Truth {
	a, b := w.value(n.kids[0]), w.value(n.kids[1])
	if a == nil || b == nil {
		return Unknown
	}
	order := 0
	switch x := a.(type) {
	case *big.Rat:
		y, ok := b.(*big.Rat)
		if !ok {
			return Unknown
		}
		order = x.Cmp(y)
	case time.Time:
		y, ok := b.(time.Time)
		if !ok {
			return Unknown
		}
		if n.kids[0].kind != Time || n.kids[1].kind != Time {
			x, _ = dayOf(a)
			y, _ = dayOf(b)
		}
		order = x.Compare(y)
	default:
		if a != b {
			order = 1
		}
	}
	return truth(map[string]bool{"==": order == 0, "!=": order != 0, "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[n.op])
}
