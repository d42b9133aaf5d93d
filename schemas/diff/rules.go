package diff

import (
	"slices"

	"fayi/schemas"
	"fayi/schemas/rulelang"
)

// rules compares the rules over several members, by name. Whether one rule follows from another is not worked out: a rule that refuses and is
// new or says something else counts as stricter.
func (c *comparison) rules(o, n *schemas.Type) {
	old, new := rulesByName(o), rulesByName(n)
	for _, name := range union(old, new) {
		a, was := old[name]
		b, is := new[name]
		at := place{pointer: "/rules/" + name}
		refuses := func(r schemas.Rule) bool { return r.Level == schemas.Refuse }
		switch {
		case !was && refuses(b):
			c.add(at, Stricter, whyUnknown, "新增规则 %[1]s：%[2]s", "a new rule %[1]s: %[2]s", name, b.Check)
		case !was:
			c.add(at, Compatible, whyHint, "新增只提示的规则 %[1]s：%[2]s", "a new rule %[1]s that only tells: %[2]s", name, b.Check)
		case !is && refuses(a):
			c.add(at, Looser, whyWeak, "规则 %[1]s 取消：%[2]s", "the rule %[1]s is gone: %[2]s", name, a.Check)
		case !is:
			c.add(at, Compatible, whyHint, "只提示的规则 %[1]s 取消", "the rule %[1]s, which only told, is gone", name)
		default:
			c.rule(at, a, b)
		}
	}
	var order [2][]string
	for i, t := range []*schemas.Type{o, n} {
		for _, r := range t.Rules() {
			if _, was := old[r.Name]; was {
				if _, is := new[r.Name]; is {
					order[i] = append(order[i], r.Name)
				}
			}
		}
	}
	if !slices.Equal(order[0], order[1]) {
		c.add(place{pointer: "/rules"}, Wording, whyWords, "规则的顺序改变", "the rules stand in another order")
	}
}

// rule compares two versions of one rule.
func (c *comparison) rule(at place, a, b schemas.Rule) {
	same := a.In == b.In && sameCheck(a.Check, b.Check)
	switch {
	case a.Level == schemas.Refuse && b.Level == schemas.Expect:
		c.add(at, Looser, whyWeak, "规则 %[1]s 由拒收改为只提示", "the rule %[1]s refused and now only tells", a.Name)
	case a.Level == schemas.Expect && b.Level == schemas.Refuse:
		c.add(at, Stricter, whyLess, "规则 %[1]s 由只提示改为拒收", "the rule %[1]s only told and now refuses", a.Name)
	case !same && b.Level == schemas.Refuse:
		c.add(at, Stricter, whyUnknown, "规则 %[1]s 由 %[2]s 改为 %[3]s", "the rule %[1]s was %[2]s and is %[3]s", a.Name, a.In+" "+a.Check, b.In+" "+b.Check)
	case !same:
		c.add(at, Compatible, whyHint, "只提示的规则 %[1]s 由 %[2]s 改为 %[3]s", "the rule %[1]s, which only tells, was %[2]s and is %[3]s", a.Name, a.In+" "+a.Check, b.In+" "+b.Check)
	}
	b.In, b.Level = a.In, a.Level
	if same && a.Check != b.Check || a.At != b.At || a.ZH != b.ZH || a.EN != b.EN || a.Hint != b.Hint || a.Mark != b.Mark || a.Source != b.Source {
		c.add(at, Wording, whyWords, "规则 %[1]s 的说明改变", "the words of the rule %[1]s changed", a.Name)
	}
}

// sameCheck tells whether two spellings are one expression.
func sameCheck(a, b string) bool {
	x, err := rulelang.Canonical(a)
	y, err2 := rulelang.Canonical(b)
	return err == nil && err2 == nil && x == y
}

func rulesByName(t *schemas.Type) map[string]schemas.Rule {
	m := map[string]schemas.Rule{}
	for _, r := range t.Rules() {
		m[r.Name] = r
	}
	return m
}
