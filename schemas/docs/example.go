package packdoc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"fayi/schemas"
)

// Values of the national formats for made-up examples: right by their check digits and nobody's (births in 1900, number ranges that are not
// given out to persons).
var formatExamples = map[string]string{
	"id18": "610802190001010017", "uscc": "31610000MD00000163", "org-code": "MD0000016", "division": "610802", "division-6": "610802",
	"division-9": "610802001", "division-12": "610802001001", "lawyer-licence": "16108201510900001", "legal-qualification": "A20146108020001",
	"court-case-no": "（2026）陕0802民初1号", "date": "2026-01-31", "date-time": "2026-01-31T09:30:00+08:00", "phone": "15400000001", "caller-number": "15400000001",
	"division-past": "610802", "division-past-6": "610802", "division-past-9": "610802001", "division-past-12": "610802001001",
}

// member and record keep the order of the pack, which a Go map would not.
type member struct {
	name  string
	value any
}

type record []member

func (r record) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range r {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s:", compact(m.name))
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func (r record) get(name string) (any, bool) {
	for _, m := range r {
		if m.name == name {
			return m.value, true
		}
	}
	return nil, false
}

func (r record) set(name string, v any) {
	for i := range r {
		if r[i].name == name {
			r[i].value = v
		}
	}
}

// makeExample makes a record with all its fields that t accepts; ok is false if none was found. What is left after the rules have been met
// is given to the type; members it refuses are left out, if they may be, and it is asked again.
func makeExample(t *schemas.Type, doc object) (data []byte, ok bool) {
	defs, _ := doc["$defs"].(object)
	m := maker{defs: defs}
	r := m.object(doc, t.Fields())
	for range 3 { // a rule may meet what another one changed
		m.meet(r, doc, t.Fields())
	}
	for range len(r) + 1 {
		data = indent(r)
		faults := t.Validate(data)
		if len(faults) == 0 {
			return data, true
		}
		before := len(r)
		for _, f := range faults {
			name, _, _ := strings.Cut(strings.TrimPrefix(f.Pointer, "/"), "/")
			name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
			r = slices.DeleteFunc(r, func(e member) bool { return e.name == name })
		}
		if len(r) == before {
			break
		}
	}
	return nil, false
}

// indent writes a record as pages show it.
func indent(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		panic(err) // v is made of JSON values only
	}
	return bytes.TrimSpace(b.Bytes())
}

// maker makes values by a schema document.
type maker struct{ defs object }

func (m maker) object(s object, fields []schemas.Field) record {
	properties, _ := resolve(s, m.defs)["properties"].(object)
	r := record{}
	for _, f := range fields {
		p, _ := properties[f.Name].(object)
		r = append(r, member{f.Name, m.value(p, f)})
	}
	return r
}

func (m maker) value(s object, f schemas.Field) any {
	s = resolve(s, m.defs)
	if v, ok := s["const"]; ok {
		return v
	}
	if list, ok := s["enum"].([]any); ok && len(list) > 0 {
		return list[0]
	}
	switch s["type"] {
	case "boolean":
		return true
	case "integer", "number":
		return json.Number(strconv.Itoa(clamp(1, s["minimum"], s["maximum"])))
	case "object":
		return m.object(s, f.Fields)
	case "array":
		items, _ := s["items"].(object)
		list := []any{}
		for i := range clamp(1, s["minItems"], s["maxItems"]) {
			v := m.value(items, f)
			if codes := m.codes(items, f); len(codes) > 0 {
				v = codes[i%len(codes)]
			} else if text, ok := v.(string); ok && i > 0 && items["format"] == nil && items["pattern"] == nil {
				v = text + strconv.Itoa(i+1)
			}
			list = append(list, v)
		}
		return list
	}
	return m.text(s, f)
}

// codes are the codes of the field's tables, those that say nothing last.
func (m maker) codes(s object, f schemas.Field) []string {
	if resolve(s, m.defs)["x-codes"] == nil {
		return nil
	}
	var codes, vague []string
	for _, t := range f.Tables {
		for _, it := range t.Items {
			if strings.Contains(it.Name, "未") || strings.HasPrefix(it.Name, "其他") {
				vague = append(vague, it.Code)
			} else {
				codes = append(codes, it.Code)
			}
		}
	}
	return append(codes, vague...)
}

func (m maker) text(s object, f schemas.Field) string {
	if codes := m.codes(s, f); len(codes) > 0 {
		return codes[0]
	}
	if name, _ := s["format"].(string); name != "" {
		if name == "date" && strings.Contains(f.Title, "出生") {
			return "1900-01-01"
		}
		if name == "date-time" && strings.Contains(f.Title, "结束") {
			return "2026-01-31T11:30:00+08:00" // after the time that says when it began
		}
		if v, ok := formatExamples[name]; ok {
			return v
		}
		return decimal(name)
	}
	if p, _ := s["pattern"].(string); p != "" {
		if re, err := syntax.Parse(p, syntax.Perl); err == nil {
			return matching(re)
		}
	}
	text := f.Title
	if text == "" {
		text = f.Name
	}
	text += "示例"
	low, high := clamp(0, s["minLength"], nil), clamp(1<<20, nil, s["maxLength"])
	for n := utf8.RuneCountInString(text); n < low && n <= 1<<16; n = utf8.RuneCountInString(text) {
		text += text
	}
	if runes := []rune(text); len(runes) > high {
		runes = append([]rune("示例"), []rune(strings.Repeat("1", min(low, 1<<16)))...)
		return string(runes[:min(max(low, 2), high)])
	}
	return text
}

// decimal makes a value of the format decimal-a-b.
func decimal(format string) string {
	var a, b int
	fmt.Sscanf(format, "decimal-%d-%d", &a, &b)
	whole := "109"[:min(max(a, 1), 3)]
	if a == 2 {
		whole = "38"
	}
	if b < 1 {
		return whole
	}
	return whole + "." + "285390000"[:min(b, 9)]
}

// clamp is n moved between bounds that are JSON numbers or nil.
func clamp(n int, low, high any) int {
	if h, ok := high.(json.Number); ok {
		if i, err := strconv.Atoi(h.String()); err == nil {
			n = min(n, i)
		}
	}
	if l, ok := low.(json.Number); ok {
		if i, err := strconv.Atoi(l.String()); err == nil {
			n = max(n, i)
		}
	}
	return n
}

// matching makes a text that a pattern of the pack's subset matches.
func matching(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		for _, want := range "1aA" {
			for i := 0; i+1 < len(re.Rune); i += 2 {
				if re.Rune[i] <= want && want <= re.Rune[i+1] {
					return string(want)
				}
			}
		}
		if len(re.Rune) > 0 {
			return string(re.Rune[0])
		}
	case syntax.OpCapture, syntax.OpPlus:
		return matching(re.Sub[0])
	case syntax.OpRepeat:
		n := re.Min
		if re.Min > 0 && re.Min < 4 {
			n = 4
		}
		if re.Max >= 0 {
			n = min(n, re.Max)
		}
		return strings.Repeat(matching(re.Sub[0]), n)
	case syntax.OpConcat:
		var b strings.Builder
		for _, sub := range re.Sub {
			b.WriteString(matching(sub))
		}
		return b.String()
	case syntax.OpAlternate:
		return matching(re.Sub[0])
	}
	return ""
}

// meet changes a record so that the rules of its allOf hold that say what a field must be.
func (m maker) meet(r record, s object, fields []schemas.Field) {
	rules, _ := s["allOf"].([]any)
	for _, x := range rules {
		rule, _ := x.(object)
		rule = resolve(rule, m.defs)
		if cond, ok := rule["if"].(object); ok {
			branch := "else"
			if holds(r, resolve(cond, m.defs)) {
				branch = "then"
			}
			then, _ := rule[branch].(object)
			rule = resolve(then, m.defs)
		}
		properties, _ := rule["properties"].(object)
		base, _ := s["properties"].(object)
		for _, f := range fields {
			extra, ok := properties[f.Name].(object)
			own, _ := base[f.Name].(object)
			if ok {
				m.meetField(r, resolve(extra, m.defs), resolve(own, m.defs), f)
			}
		}
	}
}

func (m maker) meetField(r record, extra, own object, f schemas.Field) {
	if sub, ok := extra["contains"].(object); ok {
		list, _ := mustGet(r, f.Name).([]any)
		items, _ := own["items"].(object)
		v := m.value(merged(items, sub), f)
		if !slices.ContainsFunc(list, func(e any) bool { return compact(e) == compact(v) }) {
			r.set(f.Name, append(list, v))
		}
		return
	}
	r.set(f.Name, m.value(merged(own, extra), f))
}

func mustGet(r record, name string) any {
	v, _ := r.get(name)
	return v
}

// merged is schema a with what b adds.
func merged(a, b object) object {
	out := object{}
	for k, v := range a {
		out[k] = v
	}
	for k, v := range b {
		out[k] = v
	}
	return out
}

// holds tells whether a condition on values of single fields is met; one of another shape is taken not to be.
func holds(r record, cond object) bool {
	properties, _ := cond["properties"].(object)
	for name, x := range properties {
		test, _ := x.(object)
		v, ok := r.get(name)
		if !ok {
			continue
		}
		list, _ := test["enum"].([]any)
		if c, ok := test["const"]; ok {
			list = append(list, c)
		}
		if !slices.ContainsFunc(list, func(e any) bool { return compact(e) == compact(v) }) {
			return false
		}
	}
	return true
}
