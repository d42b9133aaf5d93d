package diff

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// place is where in the two schemas the walk stands.
type place struct{ pointer, title, en, field string }

// name is what an English sentence calls the place.
func (p place) name() string {
	if p.en != "" {
		return p.en
	}
	return p.field
}

var escaper = strings.NewReplacer("~", "~0", "/", "~1")

func (p place) below(tokens ...string) place {
	for _, t := range tokens {
		p.pointer += "/" + escaper.Replace(t)
	}
	return p
}

// member is the place of a member's schema.
func (p place) member(name string, s schema) place {
	q := p.below("properties", name)
	q.field = name
	q.title, _ = s["title"].(string)
	q.en, _ = s["x-en"].(string)
	if q.title == "" {
		q.title = name
	}
	return q
}

// schema compares two schemas for the same value. Each step compares one keyword, or keywords that act together; it may call a difference
// less than stricter only if every value that fulfils the old keywords fulfils the new ones.
func (c *comparison) schema(p place, o, n schema) {
	o, n = c.old.open(o), c.new.open(n)
	c.annotations(p, o, n)
	c.kind(p, o, n)
	c.values(p, o, n)
	c.members(p, o, n)
	c.condition(p, o, n)
	for _, k := range union(o, n) {
		a, inOld := o[k]
		b, inNew := n[k]
		_, note := annotations[k]
		_, limit := bounds[k]
		switch {
		case note, slices.Contains([]string{"type", "enum", "const", "x-codes", "properties", "required", "additionalProperties", "if", "then", "else"}, k):
		case limit:
			c.bound(p.below(k), k, a, b)
		case k == "format":
			c.format(p.below(k), a, b)
		case k == "uniqueItems":
			c.unique(p.below(k), a, b)
		case k == "items":
			c.schema(p.below(k), object(a), object(b))
		case k == "contains" && inOld && inNew:
			c.schema(p.below(k), object(a), object(b))
		case k == "allOf", k == "anyOf":
			c.branches(p, k, list(a), list(b))
		case k == "contains", k == "pattern", k == "oneOf", k == "not":
			c.opaque(p.below(k), k, o, n)
		case canonical(a) != canonical(b) || inOld != inNew:
			c.add(p.below(k), Stricter, whyUnknown, "“%[1]s”改变", "“%[1]s” changed", k)
		}
	}
}

func object(v any) schema {
	m, _ := v.(schema)
	return m
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// opaque compares keywords whose change is not looked into: gone is looser, anything else that may alter a verdict is stricter.
func (c *comparison) opaque(p place, k string, o, n schema) {
	a, b := c.old.verdict(schema{k: o[k]}), c.new.verdict(schema{k: n[k]})
	switch {
	case n[k] == nil:
		c.add(p, Looser, whyWeak, "删去规则“%[1]s”", "the rule “%[1]s” is gone", k)
	case o[k] == nil:
		c.add(p, Stricter, whyLess, "增加规则“%[1]s”", "the rule “%[1]s” is new", k)
	case a != b && k == "pattern":
		c.add(p, Stricter, whyUnknown, "格式由 %[1]s 改为 %[2]s", "the pattern was %[1]s and is %[2]s", text(o[k]), text(n[k]))
	case a != b:
		c.add(p, Stricter, whyUnknown, "规则“%[1]s”改变", "the rule “%[1]s” changed", k)
	}
}

func (c *comparison) kind(p place, o, n schema) {
	a, b := text(o["type"]), text(n["type"])
	p = p.below("type")
	switch {
	case a == b:
	case a == "":
		c.add(p, Stricter, whyLess, "限定类型为 %[1]s", "the value must now be of type %[1]s", b)
	case b == "":
		c.add(p, Looser, whyWeak, "不再限定类型 %[1]s", "the value need no longer be of type %[1]s", a)
	default:
		c.add(p, Breaking, whyOther, "类型由 %[1]s 改为 %[2]s", "the type was %[1]s and is %[2]s", a, b)
	}
}

// maxNamed bounds the codes a sentence lists.
const maxNamed = 12

func named(codes []string) (zh, en string) {
	if n := len(codes); n > maxNamed {
		codes = codes[:maxNamed]
		return strings.Join(codes, "、") + fmt.Sprintf("等 %d 个", n), strings.Join(codes, ", ") + fmt.Sprintf(" … (%d)", n)
	}
	return strings.Join(codes, "、"), strings.Join(codes, ", ")
}

// values compares the sets of allowed values: codes of tables, enum, const.
func (c *comparison) values(p place, o, n schema) {
	a, b := c.old.values(o), c.new.values(n)
	for _, k := range []string{"const", "enum", "x-codes"} {
		if o[k] != nil || n[k] != nil {
			p = p.below(k)
			break
		}
	}
	switch {
	case !a.limited && !b.limited:
		return
	case !b.limited:
		c.add(p, Looser, whyWeak, "取值不再限定", "the values are no longer limited")
		return
	case !a.limited:
		c.add(p, Stricter, whyLess, "取值限定为所列代码", "the values are now limited")
		return
	case a.unknown || b.unknown:
		c.add(p, Stricter, whyUnknown, "代码表的内容看不到，不能比较", "the code tables cannot be seen from here")
		return
	}
	var gone, more []string
	for _, v := range union(a.set, b.set) {
		if _, ok := b.set[v]; !ok {
			gone = append(gone, a.set[v])
		} else if _, ok := a.set[v]; !ok {
			more = append(more, b.set[v])
		}
	}
	if len(more) > 0 {
		zh, en := named(more)
		c.add(p, Compatible, whyMore, "新增取值 %[1]s", "new: %[2]s", zh, en)
	}
	if len(gone) > 0 {
		zh, en := named(gone)
		c.add(p, Stricter, whyLess, "删去取值 %[1]s", "no longer allowed: %[2]s", zh, en)
	}
	if x, y := canonical(o["x-codes"]), canonical(n["x-codes"]); x != y && len(gone)+len(more) == 0 {
		c.add(p, Wording, whyWords, "改用另一代码表，代码相同", "another table with the same codes")
	}
}

// members compares properties, required and additionalProperties, which act together: a name that properties leaves falls under
// additionalProperties, and the other way round.
func (c *comparison) members(p place, o, n schema) {
	a, b := object(o["properties"]), object(n["properties"])
	x, y := o["additionalProperties"], n["additionalProperties"]
	for _, name := range union(a, b) {
		s, there := a[name]
		t, still := b[name]
		switch {
		case there && still:
			c.schema(p.member(name, c.new.open(t)), object(s), object(t))
		case there && y == false:
			c.add(p.member(name, c.old.open(s)), Breaking, whyGone, "字段被删除", "the field is removed")
		case there && (y == nil || y == true):
			c.add(p.member(name, c.old.open(s)), Looser, whyWeak, "字段不再有规则", "the field has no rules any more")
		case there:
			c.add(p.member(name, c.old.open(s)), Stricter, whyUnknown, "字段改按未列字段的规则检验", "the field now falls under the rules for other members")
		case x == false:
			c.add(p.member(name, c.new.open(t)), Compatible, whyMore, "新增字段", "the field is new")
		default:
			c.add(p.member(name, c.new.open(t)), Stricter, whyLess, "字段原来没有规则，现在有了", "the field had no rules and has some now")
		}
	}
	c.others(p.below("additionalProperties"), x, y)
	req, want := nameSet(o["required"]), nameSet(n["required"])
	for _, name := range union(req, want) {
		q := p.member(name, c.new.open(b[name]))
		q.pointer = p.below("required").pointer
		if q.title == name && a[name] != nil {
			q.title = p.member(name, c.old.open(a[name])).title
		}
		switch {
		case !req[name]:
			c.add(q, Stricter, whyLess, "改为必填", "now required")
		case !want[name]:
			c.add(q, Looser, whyWeak, "不再必填", "no longer required")
		}
	}
}

// others compares the rules for members that properties does not name.
func (c *comparison) others(p place, x, y any) {
	a, ruledA := x.(schema)
	b, ruledB := y.(schema)
	openA, openB := x == nil || x == true, y == nil || y == true
	switch {
	case openA && openB, x == false && y == false:
	case ruledA && ruledB:
		c.schema(p, a, b)
	case openB, x == false:
		c.add(p, Looser, whyWeak, "允许填写未列出的字段", "members that are not listed are allowed")
	case openA && ruledB:
		c.add(p, Stricter, whyLess, "未列出的字段开始有规则", "members that are not listed have rules now")
	default:
		c.add(p, Stricter, whyLess, "不再允许填写未列出的字段", "members that are not listed are no longer allowed")
	}
}

func (c *comparison) bound(p place, k string, a, b any) {
	w := bounds[k]
	x, y := number(a), number(b)
	switch {
	case x == nil && y == nil:
		if canonical(a) != canonical(b) {
			c.add(p, Stricter, whyUnknown, "“%[1]s”改变", "“%[1]s” changed", k)
		}
	case y == nil && b == nil:
		c.add(p, Looser, whyWeak, w.zh+"不再限定（原为 %[1]s）", w.en+" is no longer limited (it was %[1]s)", canonical(a))
	case x == nil || y == nil:
		c.add(p, Stricter, whyLess, w.zh+"限定为 %[1]s", w.en+" is now limited to %[1]s", canonical(b))
	case x.Cmp(y) == 0:
	default:
		class, reason := Stricter, whyLess
		if (x.Cmp(y) < 0) == w.upper {
			class, reason = Looser, whyWeak
		}
		c.add(p, class, reason, w.zh+"由 %[1]s 改为 %[2]s", w.en+" was %[1]s and is %[2]s", canonical(a), canonical(b))
	}
}

// number is the exact value, nil if v is none.
func number(v any) *big.Rat {
	n, ok := v.(json.Number)
	if !ok {
		return nil
	}
	r, ok := new(big.Rat).SetString(n.String())
	if !ok {
		return nil
	}
	return r
}

func (c *comparison) format(p place, a, b any) {
	x, y := text(a), text(b)
	switch {
	case x == y:
	case y == "":
		c.add(p, Looser, whyWeak, "不再检验格式 %[1]s", "the format %[1]s is no longer checked", x)
	case x == "":
		c.add(p, Stricter, whyLess, "增加格式检验 %[1]s", "the format %[1]s is now checked", y)
	case widens(x, y):
		c.add(p, Looser, whyWeak, "格式由 %[1]s 放宽为 %[2]s", "the format %[1]s is widened to %[2]s", x, y)
	default:
		c.add(p, Stricter, whyUnknown, "格式由 %[1]s 改为 %[2]s", "the format was %[1]s and is %[2]s", x, y)
	}
}

// widens tells whether every text of format x is one of format y: a division code of one length is a division code, and a decimal within
// some digits is one within more (package formats).
func widens(x, y string) bool {
	if y == "division" && strings.HasPrefix(x, "division-") {
		return true
	}
	digits := func(name string) (a, b int, ok bool) {
		rest, ok := strings.CutPrefix(name, "decimal-")
		left, right, cut := strings.Cut(rest, "-")
		a, err1 := strconv.Atoi(left)
		b, err2 := strconv.Atoi(right)
		return a, b, ok && cut && err1 == nil && err2 == nil
	}
	a, b, ok := digits(x)
	i, j, ok2 := digits(y)
	return ok && ok2 && a <= i && b <= j
}

func (c *comparison) unique(p place, a, b any) {
	switch {
	case a == true && b != true:
		c.add(p, Looser, whyWeak, "允许重复的项", "elements may repeat")
	case b == true && a != true:
		c.add(p, Stricter, whyLess, "不再允许重复的项", "elements may no longer repeat")
	}
}

// condition compares if, then and else. Only under the same condition can the consequences be compared.
func (c *comparison) condition(p place, o, n schema) {
	switch _, had := o["if"]; {
	case n["if"] == nil && !had: // then and else say nothing without if
	case n["if"] == nil:
		c.add(p.below("if"), Looser, whyWeak, "删去条件规则", "the rule under a condition is gone")
	case !had:
		c.add(p.below("if"), Stricter, whyLess, "增加条件规则", "a rule under a condition is new")
	case c.old.verdict(o["if"]) != c.new.verdict(n["if"]):
		c.add(p.below("if"), Stricter, whyUnknown, "规则的条件改变", "the condition of a rule changed")
	default:
		c.schema(p.below("then"), object(o["then"]), object(n["then"]))
		c.schema(p.below("else"), object(o["else"]), object(n["else"]))
	}
}

// branch is what is needed to find a branch in the other version.
type branch struct {
	verdict string
	reason  string // what it says of itself, or its condition; "" for neither
}

func (s *side) kinds(list []any) []branch {
	out := make([]branch, len(list))
	for i, v := range list {
		b := s.open(v)
		out[i].verdict = s.verdict(b)
		if zh, _ := said(b); zh != "" {
			out[i].reason = zh
		} else if b["if"] != nil {
			out[i].reason = s.verdict(b["if"])
		}
	}
	return out
}

// branches compares allOf (each must hold) and anyOf (one must). Equal branches are paired, then those with the same reason; every old
// branch is in one pair at most, so what a pair is found to be holds for the lists.
func (c *comparison) branches(p place, k string, a, b []any) {
	pair := make([]int, len(b)) // new branch → old branch, -1 for none
	taken := make([]bool, len(a))
	for j := range pair {
		pair[j] = -1
	}
	was, is := c.old.kinds(a), c.new.kinds(b)
	match := func(same func(o, n branch) bool) {
		for j := range b {
			for i := range a {
				if pair[j] < 0 && !taken[i] && same(was[i], is[j]) {
					pair[j], taken[i] = i, true
				}
			}
		}
	}
	match(func(o, n branch) bool { return o == n })
	match(func(o, n branch) bool { return o.verdict == n.verdict })
	match(func(o, n branch) bool { return o.reason != "" && o.reason == n.reason })
	if free := slices.Index(taken, false); len(a) == len(b) && free >= 0 && !slices.Contains(taken[free+1:], false) {
		match(func(branch, branch) bool { return true }) // the only one left on either side
	}
	lost, added := Looser, Stricter // of allOf
	if k == "anyOf" {
		lost, added = Stricter, Looser
	}
	whys := map[Class]why{Looser: whyWeak, Stricter: whyLess}
	// Without the keyword everything is accepted, with an empty list of anyOf nothing would be.
	if k == "anyOf" && len(a) == 0 {
		c.add(p.below(k), Stricter, whyLess, "增加规则“%[1]s”", "the rule “%[1]s” is new", k)
		return
	}
	if k == "anyOf" && len(b) == 0 {
		c.add(p.below(k), Looser, whyWeak, "删去规则“%[1]s”", "the rule “%[1]s” is gone", k)
		return
	}
	for j := range b {
		at := p.below(k, strconv.Itoa(j))
		if pair[j] >= 0 {
			c.schema(at, object(a[pair[j]]), object(b[j]))
			continue
		}
		zh, en := said(c.new.open(b[j]))
		c.add(at, added, whys[added], "新增规则%[1]s", "a new rule%[2]s", zh, en)
	}
	for i := range a {
		if !taken[i] {
			zh, en := said(c.old.open(a[i]))
			c.add(p.below(k, strconv.Itoa(i)), lost, whys[lost], "删去规则%[1]s", "a rule is gone%[2]s", zh, en)
		}
	}
}

// said is what a branch says of itself.
func said(b schema) (zh, en string) {
	for _, k := range []string{"x-when", "x-message"} {
		if t := text(b[k]); t != "" {
			return "（" + t + "）", " (" + text(b[k+"-en"]) + ")"
		}
	}
	return "", ""
}
