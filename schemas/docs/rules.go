package packdoc

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"fayi/schemas"
)

// Rule is one constraint beyond a single field.
type Rule struct {
	Words string
	JSON  string // the rule as it stands in the pack, where words cannot say all of it
}

// Keywords of a schema that say nothing about values.
var silent = []string{
	"$schema", "$id", "$defs", "$ref", "title", "description", "type",
	"properties", "required", "items", "additionalProperties", "minProperties", "maxProperties", // told with the fields
}

// rulesOf tells the rules of a record type, those inside its objects too.
func (b *Book) rulesOf(doc object, fields []schemas.Field) []Rule {
	defs, _ := doc["$defs"].(object)
	rules := []Rule{}
	b.collectRules(doc, defs, fields, "", &rules)
	return rules
}

// declared tells the rules over several members that the pack declares.
func declared(t *schemas.Type) []Rule {
	var rules []Rule
	for _, r := range t.Rules() {
		zh, _ := t.RuleText(r)
		about, level := "", "拒收"
		if r.Level == schemas.Expect {
			level = "只作提示"
		}
		if f, ok := fieldNamed(t.Fields(), r.In); ok {
			about = fmt.Sprintf("「%s」中，", f.Title)
		}
		rules = append(rules, Rule{Words: about + zh + "的，" + level + "。" + r.Hint + "。来源：" + r.Mark + " " + r.Source, JSON: r.Check})
	}
	return rules
}

func fieldNamed(fields []schemas.Field, name string) (schemas.Field, bool) {
	i := slices.IndexFunc(fields, func(f schemas.Field) bool { return f.Name == name })
	if i < 0 {
		return schemas.Field{Name: name, Title: name}, false
	}
	return fields[i], true
}

func (b *Book) collectRules(s, defs object, fields []schemas.Field, where string, rules *[]Rule) {
	s = resolve(s, defs)
	r := ruler{book: b, fields: fields, defs: defs}
	tell := func(branch object) {
		r.lost = false
		words := r.branch(branch)
		rule := Rule{Words: where + words}
		if r.lost || words == "" {
			rule.JSON = compact(branch)
			if words == "" {
				rule.Words = where + "须符合"
			}
		}
		*rules = append(*rules, rule)
	}
	list, _ := s["allOf"].([]any)
	for _, v := range list {
		if branch, ok := v.(object); ok {
			tell(resolve(branch, defs))
		}
	}
	own := object{}
	for name, v := range s {
		if name != "allOf" && !slices.Contains(silent, name) && !strings.HasPrefix(name, "x-") {
			own[name] = v
		}
	}
	if len(own) > 0 {
		tell(own)
	}
	properties, _ := s["properties"].(object)
	for _, f := range fields {
		p, _ := properties[f.Name].(object)
		if p = resolve(p, defs); len(f.Fields) == 0 {
			r.scalar(p, f, where, rules)
			continue
		}
		inside := where + fmt.Sprintf("「%s」中，", f.Title)
		if items, ok := p["items"].(object); ok {
			p, inside = items, where+fmt.Sprintf("「%s」的每一项中，", f.Title)
		}
		b.collectRules(p, defs, f.Fields, inside, rules)
	}
}

// scalar tells what a field without members of its own demands beyond its limits.
func (r *ruler) scalar(p object, f schemas.Field, where string, rules *[]Rule) {
	items, _ := p["items"].(object)
	for _, s := range []object{p, resolve(items, r.defs)} {
		extra := object{}
		for _, name := range []string{"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "contains"} {
			if v, ok := s[name]; ok {
				extra[name] = v
			}
		}
		if len(extra) == 0 {
			continue
		}
		r.lost = false
		rule := Rule{Words: where + r.named(f.Name) + r.value(extra, f)}
		if r.lost {
			rule.Words, rule.JSON = where+r.named(f.Name)+"须符合", compact(extra)
		}
		*rules = append(*rules, rule)
	}
}

// ruler puts conditions on one object into words. lost is set when something was left unsaid.
type ruler struct {
	book   *Book
	fields []schemas.Field
	defs   object
	lost   bool
}

func (r *ruler) field(name string) schemas.Field {
	f, _ := fieldNamed(r.fields, name)
	return f
}

// named is how a rule calls a field.
func (r *ruler) named(name string) string {
	f := r.field(name)
	if f.Title == "" || f.Title == name {
		return "「" + name + "」"
	}
	return "「" + f.Title + "」（" + name + "）"
}

func (r *ruler) list(names []any) string {
	words := make([]string, len(names))
	for i, n := range names {
		words[i] = r.named(fmt.Sprint(n))
	}
	return strings.Join(words, "、")
}

// branch says one rule; "" if it finds no words at all.
func (r *ruler) branch(b object) string {
	message, _ := b["x-message"].(string)
	words := message
	if cond, ok := b["if"].(object); ok {
		when := r.condition(cond)
		if told, _ := b["x-when"].(string); told != "" {
			when = told + strings.ReplaceAll("（"+when+"）", "（）", "")
		}
		if when == "" {
			when = "符合所附条件"
		}
		var parts []string
		if then, ok := b["then"].(object); ok {
			parts = append(parts, "当"+when+"时，"+r.demand(then))
		}
		if other, ok := b["else"].(object); ok {
			parts = append(parts, "否则"+r.demand(other))
		}
		words = joined(words, strings.Join(parts, "；"))
	}
	rest := object{}
	for name, v := range b {
		if name != "if" && name != "then" && name != "else" && name != "title" && name != "description" && !strings.HasPrefix(name, "x-") {
			rest[name] = v
		}
	}
	if len(rest) > 0 {
		words = joined(words, r.demand(rest))
	}
	return words
}

func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "：" + b
}

// demand says what an object must be.
func (r *ruler) demand(s object) string {
	s = resolve(s, r.defs)
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(s)) {
		v := s[name]
		switch name {
		case "required":
			if list, ok := v.([]any); ok && len(list) > 0 {
				parts = append(parts, "必须填写"+r.list(list))
			}
		case "properties":
			m, _ := v.(object)
			for _, p := range r.inOrder(m) {
				if sub, ok := m[p].(object); ok {
					parts = append(parts, r.named(p)+r.value(sub, r.field(p)))
				}
			}
		case "not":
			sub, _ := v.(object)
			if list, ok := sub["required"].([]any); ok && len(sub) == 1 && len(list) == 1 {
				parts = append(parts, "不得填写"+r.list(list))
			} else {
				parts = append(parts, "不得出现以下情形："+r.condition(sub))
			}
		case "allOf", "anyOf", "oneOf":
			list, _ := v.([]any)
			var ways []string
			for i, x := range list {
				sub, _ := x.(object)
				ways = append(ways, fmt.Sprintf("（%d）%s", i+1, r.branch(sub)))
			}
			how := map[string]string{"allOf": "须同时符合：", "anyOf": "至少符合一项：", "oneOf": "须且仅须符合一项："}[name]
			parts = append(parts, how+strings.Join(ways, "；"))
		case "if", "then", "else":
			if name == "if" {
				parts = append(parts, r.branch(object{"if": v, "then": s["then"], "else": s["else"]}))
			}
		case "minProperties", "maxProperties":
			if name == "minProperties" || s["minProperties"] == nil {
				parts = append(parts, strings.Join(span(nil, s["minProperties"], s["maxProperties"], " 个字段"), ""))
			}
		case "type", "title", "description":
		default:
			r.lost = r.lost || !strings.HasPrefix(name, "x-")
		}
	}
	return strings.Join(parts, "，")
}

// value says what one field must be.
func (r *ruler) value(s object, f schemas.Field) string {
	s = resolve(s, r.defs)
	var parts []string
	plain := object{}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		switch v := s[name]; name {
		case "const":
			parts = append(parts, "须为 "+withName(v, f.Tables))
		case "enum":
			list, _ := v.([]any)
			parts = append(parts, "只能为 "+anyOf(list, f.Tables))
		case "x-codes":
			parts = append(parts, "须取自代码表"+r.codes(v))
		case "contains":
			sub, _ := v.(object)
			parts = append(parts, "至少有一项"+r.value(sub, f))
		case "items":
			sub, _ := v.(object)
			parts = append(parts, "的每一项"+r.value(sub, f))
		case "not":
			sub, _ := v.(object)
			if list, ok := sub["enum"].([]any); ok && len(sub) == 1 {
				parts = append(parts, "不得为 "+anyOf(list, f.Tables))
			} else if c, ok := sub["const"]; ok && len(sub) == 1 {
				parts = append(parts, "不得为 "+withName(c, f.Tables))
			} else {
				r.lost = true
			}
		case "format", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "uniqueItems":
			plain[name] = v
		case "type", "title", "description":
		default:
			r.lost = r.lost || !strings.HasPrefix(name, "x-")
		}
	}
	if len(plain) > 0 {
		parts = append(parts, "须为："+limits(plain, r.defs, false))
	}
	return strings.Join(parts, "，")
}

// codes names the code tables of x-codes.
func (r *ruler) codes(v any) string {
	list, _ := v.([]any)
	words := make([]string, len(list))
	for i, name := range list {
		words[i] = "《" + fmt.Sprint(name) + "》"
		for _, t := range r.book.Tables {
			if t.Name == name {
				words[i] = "《" + t.Title + "》（" + t.Name + "）"
			}
		}
	}
	return strings.Join(words, "、")
}

// condition says when a rule applies.
func (r *ruler) condition(s object) string {
	s = resolve(s, r.defs)
	var parts []string
	tested, _ := s["properties"].(object)
	required, _ := s["required"].([]any)
	for _, name := range r.inOrder(tested) {
		sub, _ := tested[name].(object)
		f := r.field(name)
		list, isEnum := sub["enum"].([]any)
		c, isConst := sub["const"]
		switch {
		case isEnum && len(sub) == 1:
			parts = append(parts, r.named(name)+"为 "+anyOf(list, f.Tables))
		case isConst && len(sub) == 1:
			parts = append(parts, r.named(name)+"为 "+withName(c, f.Tables))
		default:
			parts = append(parts, r.named(name)+r.value(sub, f))
		}
		if !slices.Contains(required, any(name)) {
			parts[len(parts)-1] += "或没有填写"
		}
	}
	for _, n := range required {
		if _, ok := tested[fmt.Sprint(n)]; !ok {
			parts = append(parts, "填写了"+r.named(fmt.Sprint(n)))
		}
	}
	for name := range s {
		r.lost = r.lost || name != "properties" && name != "required" && name != "type"
	}
	return strings.Join(parts, "且")
}

// inOrder sorts the members of a condition as the fields stand in the pack.
func (r *ruler) inOrder(m object) []string {
	place := func(name string) int {
		return slices.IndexFunc(r.fields, func(f schemas.Field) bool { return f.Name == name })
	}
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if d := place(a) - place(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}
