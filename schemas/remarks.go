package schemas

import (
	"slices"
	"strconv"
	"unicode/utf8"

	"fayi/schemas/formats"
)

// Remarks tells what deserves a look in a record although nobody refuses it: broken rules that are only expected (level [Expect]), and texts
// that are not what they seem, such as a name with private-use characters. It does not repeat what [Type.Validate] says, decodes the
// record, and unlike it may depend on where it is asked: where holds the territory of the node the record is published at, or nothing.
func (t *Type) Remarks(data []byte, where Where) Faults {
	record, bad := decode(data)
	if bad != nil {
		return nil
	}
	var found []finding
	if !t.table.accepts(data) {
		found = t.refusals(record)
	}
	return tell(append(t.breaches(Expect, record, found, where), t.odd(record, found)...))
}

// Missing lists the fields of the record itself that the type expects without requiring them ([Field.Expected]) and that are absent or only
// hold a placeholder, and says how many are expected in all: together the figure of completeness. It judges nothing.
func (t *Type) Missing(data []byte) (missing []string, expected int) {
	record, bad := decode(data)
	if bad != nil {
		return nil, 0
	}
	for _, name := range t.root.names {
		if !t.root.children[name].Expected {
			continue
		}
		expected++
		v, there := record[name]
		if s, ok := v.(string); !there || v == nil || ok && formats.Placeholder(s) {
			missing = append(missing, name)
		}
	}
	return missing, expected
}

// nameRunes is how long a text may be that is looked at as a name or number is. In longer ones full-width letters and spaces are typography.
const nameRunes = 60

// odd finds texts without a fault that are not meant as values or whose meaning was lost on the way.
func (t *Type) odd(record map[string]any, faulty []finding) []finding {
	bad := map[string]bool{}
	for _, f := range faulty {
		bad[f.Pointer] = true
	}
	var out []finding
	var walk func(v any, w wording, at string, place []int)
	walk = func(v any, w wording, at string, place []int) {
		switch v := v.(type) {
		case string:
			why := formats.Lost(v)
			if why == nil && utf8.RuneCountInString(v) <= nameRunes {
				why = formats.Suspect(v)
			}
			if why == nil || v == "" || bad[at] {
				return
			}
			w.value = v
			f := Fault{Code: CodeSuspect, Pointer: at, Title: w.node.Title, Value: shown(v, w.node.Sensitivity)}
			f.Message, f.MessageEN, f.Hint = w.title()+"的"+why.ZH, w.nameEN()+": "+why.EN, oddHint(why, w.node)
			out = append(out, finding{f, place})
		case []any:
			if w.node.items == nil {
				return
			}
			for i, e := range v {
				walk(e, wording{node: w.node.items, parent: w.node, name: w.name, index: i + 1}, at+"/"+strconv.Itoa(i), append(slices.Clip(place), i))
			}
		case map[string]any:
			for name, e := range v {
				if c := w.node.child(name); c != nil {
					walk(e, wording{node: c, parent: w.node, name: name}, at+pointer(name), append(slices.Clip(place), c.order))
				}
			}
		}
	}
	walk(record, wording{node: t.root}, "", nil)
	return out
}
