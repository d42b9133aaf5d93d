package schemas

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fayi/schemas/formats"
	"fayi/schemas/rulelang"
)

// Levels of a rule.
const (
	Refuse = "refuse"   // a record that breaks it is not valid
	Expect = "expected" // a record that breaks it is valid but deserves a look: a rule known by inference only
)

// Rule is a rule over several members of a record, as rules/<type>.json declares it.
type Rule struct {
	Name   string `json:"name"`         // within the type
	In     string `json:"in,omitempty"` // member whose object, or objects, the rule is about; "" for the record itself
	Check  string `json:"check"`        // what must hold, in the language of package rulelang
	At     string `json:"at"`           // member at which a breach is reported
	Level  string `json:"level"`        // Refuse or Expect
	ZH     string `json:"zh"`           // what is wrong; {member} stands for that member's title in 「」
	EN     string `json:"en"`           // the same in English; {member} stands for its name
	Hint   string `json:"hint"`         // what to do, in Chinese
	Mark   string `json:"mark"`         // provenance: [STD], [STD*], [SRC], [INFER]
	Source string `json:"source"`
}

// Bounds of the rules of one type. Judging a record takes at most maxRuleNodes steps for each of its objects, of which those over arrays are
// bounded apart because each reads a whole array.
const (
	maxRules     = 200
	maxRuleNodes = 2000
	maxListNodes = 64
)

// boundRule is a rule compiled for the object it is about.
type boundRule struct {
	Rule
	expr *rulelang.Expr
	node *node // the object
}

// boundRules are the rules about one object.
type boundRules struct {
	slots rulelang.Slots
	list  []boundRule
}

var (
	ruleName  = regexp.MustCompile(`^[a-z][a-z0-9-]{1,47}$`)
	ruleMark  = regexp.MustCompile(`^\[(STD|STD\*|SRC|INFER)\]$`)
	rulePlace = regexp.MustCompile(`\{([^{}]*)\}`)
)

// bindRules compiles the rules of a type against its fields, by the name of the member they are about. Whatever is wrong goes into faults.
func bindRules(file string, rules []Rule, root *node, faults *faultList) map[string]*boundRules {
	bound := map[string]*boundRules{}
	if len(rules) > maxRules {
		faults.add(file, "", "has more than %d rules", maxRules)
		return nil
	}
	seen := map[string]bool{}
	nodes, lists := 0, 0
	for i, r := range rules {
		bad := func(member, format string, args ...any) {
			faults.add(file, "/"+strconv.Itoa(i)+member, format, args...)
		}
		if !ruleName.MatchString(r.Name) || seen[r.Name] {
			bad("/name", "%q must be lower-case letters, digits and hyphens, and the only one of its kind", r.Name)
		}
		seen[r.Name] = true
		if r.Level != Refuse && r.Level != Expect {
			bad("/level", "must be %q or %q", Refuse, Expect)
		}
		if !ruleMark.MatchString(r.Mark) {
			bad("/mark", "must be [STD], [STD*], [SRC] or [INFER]")
		}
		if r.Hint == "" || r.Source == "" {
			bad("", "hint and source must be given")
		}
		about := root.about(r.In)
		if about == nil {
			bad("/in", "%q is no object, nor an array of objects, of the record", r.In)
			continue
		}
		if about.children[r.At] == nil {
			bad("/at", "there is no member %q", r.At)
		}
		for _, m := range []struct{ name, text string }{{"/zh", r.ZH}, {"/en", r.EN}} {
			if m.text == "" || len(m.text) > rulelang.MaxLength {
				bad(m.name, "must be given, in at most %d bytes", rulelang.MaxLength)
			}
			for _, place := range rulePlace.FindAllStringSubmatch(m.text, -1) {
				if about.children[place[1]] == nil {
					bad(m.name, "there is no member %q", place[1])
				}
			}
		}
		of := bound[r.In]
		if of == nil {
			of = &boundRules{}
			bound[r.In] = of
		}
		expr, err := rulelang.Compile(r.Check, about.kindOf, &of.slots)
		if err != nil {
			for _, line := range strings.Split(err.Error(), "\n") {
				bad("/check", "%s", line)
			}
			continue
		}
		if expr.Local() && r.Level == Refuse {
			bad("/level", "in_territory depends on the node that judges, so its rule can only be %q", Expect)
		}
		nodes, lists = nodes+expr.Size(), lists+expr.Lists()
		of.list = append(of.list, boundRule{r, expr, about})
	}
	if nodes > maxRuleNodes || lists > maxListNodes {
		faults.add(file, "", "its rules have %d parts, %d of them over arrays; at most %d and %d are judged", nodes, lists, maxRuleNodes, maxListNodes)
	}
	return bound
}

// about finds the object a rule is about.
func (n *node) about(in string) *node {
	if in == "" {
		return n
	}
	c := n.children[in]
	if c != nil && c.items != nil {
		c = c.items
	}
	if c == nil || len(c.children) == 0 {
		return nil
	}
	return c
}

// kindOf tells the language what a member is.
func (n *node) kindOf(name string) (rulelang.Kind, bool) {
	c := n.children[name]
	if c == nil {
		return rulelang.None, false
	}
	switch {
	case c.JSONType == "string" && c.Format == "date":
		return rulelang.Date, true
	case c.JSONType == "string" && c.Format == "date-time":
		return rulelang.Time, true
	case c.JSONType == "string" && strings.HasPrefix(c.Format, "decimal-"):
		return rulelang.Decimal, true
	case c.JSONType == "string":
		return rulelang.Text, true
	case c.JSONType == "integer":
		return rulelang.Integer, true
	case c.JSONType == "boolean":
		return rulelang.Boolean, true
	case c.JSONType == "array":
		return rulelang.List, true
	}
	return rulelang.None, true
}

// Rules are the rules over several members, in the order of the pack.
func (t *Type) Rules() []Rule { return slices.Clone(t.rules) }

// RuleText is what a breach of the rule is told as, in Chinese and English, with the present titles of the members it names.
func (t *Type) RuleText(r Rule) (zh, en string) { return r.words(t.root.about(r.In)) }

func (r *Rule) words(about *node) (zh, en string) {
	fill := func(text string, say func(*node) string) string {
		return rulePlace.ReplaceAllStringFunc(text, func(place string) string {
			c := about.children[place[1:len(place)-1]]
			if c == nil {
				return place
			}
			return say(c)
		})
	}
	zh = fill(r.ZH, func(c *node) string { return "「" + cmp.Or(c.Title, c.Name) + "」" })
	return zh, fill(r.EN, func(c *node) string { return c.Name })
}

// Where is what a judgement may depend on beside the record; see [Type.Remarks].
type Where = rulelang.Where

// breaches judges the record by the rules of one level and returns what is broken. A member at which there is a fault already is there,
// but its value means nothing.
func (t *Type) breaches(level string, record map[string]any, faulty []finding, where Where) []finding {
	if len(t.rules) == 0 {
		return nil
	}
	bad := map[string]bool{}
	for _, f := range faulty {
		bad[f.Pointer] = true
	}
	var out []finding
	for in, of := range t.bound {
		judge := func(object map[string]any, at string, place []int) {
			view := make(map[string]any, len(of.slots.Names()))
			for _, name := range of.slots.Names() {
				if v, ok := object[name]; ok {
					if bad[at+pointer(name)] {
						v = rulelang.Faulty
					}
					view[name] = v
				}
			}
			for i := range of.list {
				r := &of.list[i]
				if r.Level == level && r.expr.Walk(view, where) == rulelang.False {
					out = append(out, r.finding(object, at, place))
				}
			}
		}
		if in == "" {
			judge(record, "", nil)
			continue
		}
		base := []int{t.root.children[in].order}
		switch v := record[in].(type) {
		case map[string]any:
			judge(v, pointer(in), base)
		case []any:
			for i, e := range v {
				if o, ok := e.(map[string]any); ok {
					judge(o, pointer(in)+"/"+strconv.Itoa(i), append(slices.Clip(base), i))
				}
			}
		}
	}
	return out
}

func (r *boundRule) finding(object map[string]any, at string, place []int) finding {
	field := r.node.children[r.At]
	zh, en := r.words(r.node)
	if r.In != "" {
		which, item := "", ""
		if len(place) == 2 {
			which, item = fmt.Sprintf("第%d项", place[1]+1), fmt.Sprintf(" item %d", place[1]+1)
		}
		zh, en = "「"+cmp.Or(r.node.Title, r.In)+"」"+which+"："+zh, r.In+item+": "+en
	}
	f := Fault{Code: CodeRule, Pointer: at + pointer(r.At), Title: field.Title, Message: zh, MessageEN: en, Hint: r.Hint}
	if v := object[r.At]; v != nil {
		var why *formats.Error
		if s, ok := v.(string); ok && r.expr.Dated() == r.At && field.Sensitivity != Sensitive && errors.As(formats.Division(s), &why) && why.Code == formats.Retired {
			f.Message, f.MessageEN = f.Message+"："+why.ZH, f.MessageEN+": "+why.EN
		}
		if s, ok := v.(string); ok || scalar(v) {
			if !ok {
				s = fmt.Sprint(v)
			}
			f.Value = shown(s, field.Sensitivity)
		}
	}
	return finding{f, append(slices.Clip(place), field.order)}
}

var errRules = errors.New("rules cannot be expressed")

// addRules gives the objects of a table the refusing rules about them.
func (t *table) addRules(bound map[string]*boundRules) error {
	for in, of := range bound {
		fast := ruleSet{}
		for i := range of.list {
			if r := &of.list[i]; r.Level == Refuse {
				fast.list = append(fast.list, r.expr)
			}
		}
		if len(fast.list) == 0 {
			continue
		}
		at := &t.objects[t.rules[0].below]
		if in != "" {
			place := at.names.find([]byte(in))
			if place < 0 {
				return errRules
			}
			r := &t.rules[at.first+place]
			if r.kind == arrayKind {
				r = &t.rules[r.below]
			}
			if r.kind != objectKind {
				return errRules
			}
			at = &t.objects[r.below]
		}
		fast.slots = make([]int8, maxMembers)
		for i := range fast.slots {
			fast.slots[i] = -1
		}
		for slot, name := range of.slots.Names() {
			place := at.names.find([]byte(name))
			if place < 0 {
				return errRules
			}
			fast.slots[place] = int8(slot)
		}
		at.rules = &fast
	}
	return nil
}

// ruleSet are the rules of an object that a table judges after the object's members.
type ruleSet struct {
	slots []int8 // of each place; -1 for a member no rule names
	list  []*rulelang.Expr
}

// spans are the values of an object's members that its rules name.
type spans struct {
	there uint64 // a bit for each slot
	at    [rulelang.MaxSlots]rulelang.Span
}

// broken tells whether a rule is.
func (s *ruleSet) broken(d []byte, at *spans) bool {
	for _, e := range s.list {
		if e.Needs()&^at.there == 0 && e.Bytes(d, at.at[:], Where{}) == rulelang.False {
			return true
		}
	}
	return false
}
