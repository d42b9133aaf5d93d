package diff

import (
	"maps"
	"slices"
	"strings"

	"fayi/schemas"
)

// annotations compares what no verdict depends on.
func (c *comparison) annotations(p place, o, n schema) {
	if a, b := text(o["title"]), text(n["title"]); a != b {
		c.add(p.below("title"), Wording, whyWords, "名称由“%[1]s”改为“%[2]s”", "the title was “%[1]s” and is “%[2]s”", a, b)
	}
	var words []string
	for _, k := range union(o, n) {
		if annotations[k] && k != "title" && canonical(o[k]) != canonical(n[k]) {
			words = append(words, k)
		}
	}
	if len(words) > 0 {
		zh, en := named(words)
		c.add(p, Wording, whyWords, "说明改变（%[1]s）", "descriptions changed (%[2]s)", zh, en)
	}
	for _, k := range []string{"x-expected", "x-ref"} {
		if canonical(o[k]) != canonical(n[k]) {
			c.add(p.below(k), Compatible, whyCount, "%[1]s 由 %[2]s 改为 %[3]s", "%[1]s was %[2]s and is %[3]s", k, canonical(o[k]), canonical(n[k]))
		}
	}
	if was, is := nameSet(o["x-normalise"]), nameSet(n["x-normalise"]); !maps.Equal(was, is) {
		class, y := Looser, whyCorrect
		for step := range was {
			if !is[step] {
				class, y = Stricter, whyLess
			}
		}
		c.add(p.below("x-normalise"), class, y, "x-normalise 由 %[1]s 改为 %[2]s", "x-normalise was %[1]s and is %[2]s", canonical(sorted(was)), canonical(sorted(is)))
	}
	a, b := text(o["x-sensitivity"]), text(n["x-sensitivity"])
	if a == b {
		return
	}
	// Without a class of its own a field has that of what it lies in, which only the highest class is sure not to undercut.
	level := []string{schemas.Public, schemas.Internal, schemas.Sensitive}
	class, y := Looser, whyExpose
	if b == schemas.Sensitive || a != "" && slices.Index(level, b) > slices.Index(level, a) {
		class, y = Compatible, whyShield
	}
	c.add(p.below("x-sensitivity"), class, y, "敏感级别由“%[1]s”改为“%[2]s”", "the class of sensitivity was “%[1]s” and is “%[2]s”", orNone(a), orNone(b))
}

// tables compares the words of code tables that both versions use. Which codes there are is compared where a field uses them.
func (c *comparison) tables() {
	for _, name := range union(c.old.tables, c.new.tables) {
		o, n := c.old.tables[name], c.new.tables[name]
		if o == nil || n == nil {
			continue
		}
		owner, names, rest := map[string]string{}, map[string]schemas.Item{}, false
		for _, it := range o.Items {
			owner[it.Name], names[it.Code] = it.Code, it
		}
		var renamed, moved []string
		var order []string
		for _, it := range n.Items {
			was, ok := names[it.Code]
			if !ok {
				continue
			}
			order = append(order, it.Code)
			if it.Name != was.Name {
				renamed = append(renamed, it.Code)
				if other, taken := owner[it.Name]; taken && other != it.Code {
					moved = append(moved, it.Code)
				}
			}
			rest = rest || it.EN != was.EN || it.Parent != was.Parent
		}
		var before []string
		for _, it := range o.Items {
			if slices.Contains(order, it.Code) {
				before = append(before, it.Code)
			}
		}
		rest = rest || !slices.Equal(before, order) || o.Title != n.Title || o.EN != n.EN || o.LabelMark != n.LabelMark || o.CodeMark != n.CodeMark ||
			o.Source != n.Source || o.Note != n.Note
		title, en := n.Title, strings.TrimSpace(n.EN+" "+name)
		if len(moved) > 0 {
			zh, list := named(moved)
			c.add(place{}, Breaking, whyOther, "代码表“%[1]s”：代码 %[3]s 改用了原属其他代码的名称", "code table %[2]s: %[4]s took names that other codes had", title, en, zh, list)
		} else if len(renamed) > 0 {
			zh, list := named(renamed)
			c.add(place{}, Wording, whyWords, "代码表“%[1]s”：代码 %[3]s 的名称改变", "code table %[2]s: names of %[4]s changed", title, en, zh, list)
		}
		if rest {
			c.add(place{}, Wording, whyWords, "代码表“%[1]s”：说明或顺序改变", "code table %[2]s: descriptions or order changed", title, en)
		}
	}
}
