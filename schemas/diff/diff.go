package diff

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"fayi/schemas"
)

// Class says what a change means for records and for those who exchange them.
type Class string

// The classes, from harmless to grave.
const (
	Wording    Class = "wording"    // titles, notes, marks of provenance; no verdict and no reader depends on them
	Compatible Class = "compatible" // what was accepted still is, and no rule that readers rely on is gone: an optional field, a code more
	Looser     Class = "looser"     // what was accepted still is, but a rule or a protection readers may rely on is gone or weaker
	Stricter   Class = "stricter"   // what was accepted may be refused, or it cannot be shown that it is not
	Breaking   Class = "breaking"   // a type or field is gone or is another, or records travel elsewhere
)

// Change is one difference between two packs.
type Change struct {
	Type string `json:"type"` // record type; "" for the pack as a whole
	// Pointer is the place in the type's schema (RFC 6901), in the old one for what is gone. References are followed where they stand: what
	// lies behind a $ref has the place of the $ref. "" for the type as a whole.
	Pointer   string `json:"pointer"`
	Class     Class  `json:"class"`
	Message   string `json:"message"`    // what changed, in Chinese
	MessageEN string `json:"message_en"` // the same in English
	Why       string `json:"why"`        // why it is of this class, in Chinese
	WhyEN     string `json:"why_en"`     // the same in English
}

// Worst returns the gravest class among changes, "" if there is none.
func Worst(changes []Change) Class {
	order := []Class{"", Wording, Compatible, Looser, Stricter, Breaking}
	worst := 0
	for _, c := range changes {
		worst = max(worst, slices.Index(order, c.Class))
	}
	return order[worst]
}

// Pack is what is compared: record types and the code tables they use.
type Pack struct {
	Types []*schemas.Type
	// Tables are the packs' tables. Those that fields use come with their types; those that only rules use are taken from here, if the digest
	// of the type confirms them. A rule whose table is missing counts as stricter when the type changes.
	Tables []*schemas.Table
}

// Of is everything a registry holds.
func Of(r *schemas.Registry) Pack { return Pack{r.Types(), r.Tables()} }

// Compare lists what a new pack changes against an old one, by type and place. Of several types with one name the first counts, which is the
// newest in the order of [schemas.Registry.Types]. A type missing from new counts as removed; leave out of old what the new pack does not
// speak for.
func Compare(old, new Pack) []Change {
	before, after := byName(old.Types), byName(new.Types)
	names := map[string]bool{}
	for _, t := range slices.Concat(old.Types, new.Types) {
		names[t.Name()] = true
	}
	c := &comparison{packs: [2]Pack{old, new}, days: map[string]bool{}}
	for _, name := range sorted(names) {
		o, n := before[name], after[name]
		c.name = name
		switch {
		case n == nil:
			c.add(place{}, Breaking, whyGone, "记录类型“%[1]s”被删除", "record type “%[2]s” is removed", o.Title(), o.TitleEN())
		case o == nil:
			c.add(place{}, Compatible, whyMore, "新增记录类型“%[1]s”", "record type “%[2]s” is new", n.Title(), n.TitleEN())
		default:
			c.pair(o, n)
		}
	}
	slices.SortStableFunc(c.changes, func(a, b Change) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Pointer, b.Pointer))
	})
	return c.changes
}

func byName(list []*schemas.Type) map[string]*schemas.Type {
	m := map[string]*schemas.Type{}
	for _, t := range list {
		if m[t.Name()] == nil {
			m[t.Name()] = t
		}
	}
	return m
}

// comparison collects the changes between two packs, type by type.
type comparison struct {
	packs    [2]Pack // old and new
	name     string  // of the type
	old, new *side
	days     map[string]bool // changes of dates told already, which all types of a pack share
	changes  []Change
}

func (c *comparison) add(at place, class Class, y why, zh, en string, args ...any) {
	if at.title != "" {
		zh, en = escape(at.title)+"："+zh, escape(at.name())+": "+en
	}
	// The two sentences name what they need of args by number.
	c.changes = append(c.changes, Change{
		Type: c.name, Pointer: at.pointer, Class: class, Message: fmt.Sprintf(zh, args...), MessageEN: fmt.Sprintf(en, args...), Why: y.zh, WhyEN: y.en,
	})
}

// escape keeps a title from being read as a format.
func escape(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// pair compares two versions of one type.
func (c *comparison) pair(o, n *schemas.Type) {
	before := len(c.changes)
	c.manifest(o, n)
	if o.Digest() == n.Digest() {
		return
	}
	var err error
	if c.old, err = newSide(o, c.packs[0].Tables); err == nil {
		c.new, err = newSide(n, c.packs[1].Tables)
	}
	if err != nil {
		c.add(place{}, Stricter, whyUnknown, "数据规范不能比较：%[1]v", "the schemas cannot be compared: %[1]v", err)
		return
	}
	if o.KeyField() != n.KeyField() {
		c.add(place{pointer: "/x-key"}, Breaking, whyOther, "主键字段由 %[1]s 改为 %[2]s", "the key field was %[1]s and is %[2]s", orNone(o.KeyField()), orNone(n.KeyField()))
	}
	c.tables()
	c.schema(place{}, c.old.doc, c.new.doc)
	c.rules(o, n)
	if len(c.changes) > before {
		return
	}
	if c.old.verdict(c.old.doc) == c.new.verdict(c.new.doc) {
		c.add(place{}, Wording, whyWords, "只有编排或说明不同", "only order or descriptions differ")
		return
	}
	c.add(place{}, Stricter, whyUnknown, "摘要不同，但找不到差异", "the digests differ for no reason that was found")
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// manifest compares what pack.json says about a type.
func (c *comparison) manifest(o, n *schemas.Type) {
	switch {
	case n.Version() < o.Version():
		c.add(place{}, Breaking, whyOrder, "版本由 %[1]d 降为 %[2]d", "the version goes back from %[1]d to %[2]d", o.Version(), n.Version())
	case n.Version() > o.Version():
		c.add(place{}, Wording, whyWords, "版本由 %[1]d 升为 %[2]d", "the version goes from %[1]d to %[2]d", o.Version(), n.Version())
	}
	if o.System() != n.System() {
		c.add(place{}, Breaking, whyTravel, "系统类型标记由 %[1]t 改为 %[2]t", "the flag system was %[1]t and is %[2]t", o.System(), n.System())
	}
	if o.Urgent() != n.Urgent() {
		c.add(place{}, Breaking, whyTravel, "紧急标记由 %[1]t 改为 %[2]t", "the flag urgent was %[1]t and is %[2]t", o.Urgent(), n.Urgent())
	}
	a, b := o.Audiences(), n.Audiences()
	for _, role := range union(a, b) {
		if a[role] != b[role] {
			c.add(place{}, Breaking, whyTravel, "角色 %[1]s 的默认受众由 %[2]s 改为 %[3]s", "the audience suggested to the role %[1]s was %[2]s and is %[3]s", role, orNone(a[role]), orNone(b[role]))
		}
	}
	c.dates(o, n)
}

// dates compares when the packs are in force, once for all types that share the days.
func (c *comparison) dates(o, n *schemas.Type) {
	type days struct{ from, until time.Time }
	var a, b days
	a.from, a.until = o.InForce()
	b.from, b.until = n.InForce()
	key := fmt.Sprint(a, b)
	if c.days[key] {
		return
	}
	c.days[key] = true
	name := c.name
	c.name = ""
	defer func() { c.name = name }()
	day := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.Format(time.DateOnly)
	}
	switch zh, en := "生效日期由 %[1]s 改为 %[2]s", "in force from %[2]s instead of %[1]s"; {
	case b.from.Before(a.from):
		c.add(place{}, Breaking, whyOrder, zh, en, day(a.from), day(b.from))
	case b.from.After(a.from):
		c.add(place{}, Wording, whyDays, zh, en, day(a.from), day(b.from))
	}
	if !a.until.Equal(b.until) {
		class, y := Compatible, whyMore
		if !b.until.IsZero() && (a.until.IsZero() || b.until.Before(a.until)) {
			class, y = Stricter, whyLess
		}
		c.add(place{}, class, y, "失效日期由 %[1]s 改为 %[2]s", "in force until %[2]s instead of %[1]s", day(a.until), day(b.until))
	}
}
