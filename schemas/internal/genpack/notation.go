package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

const idPrefix = "https://schemas.fayi.invalid/national/"

func typeSchema(e entity, p plan, used map[string]bool) (object, error) {
	fields, err := e.prepare()
	if err != nil {
		return nil, err
	}
	if err := p.check(fields); err != nil {
		return nil, err
	}
	var props object
	var required []string
	for _, f := range fields {
		s, err := fieldSchema(e.ID, e.Key, f, p, used)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		props = append(props, member{f.Name, s})
		if p.mustHave(f) {
			required = append(required, f.Name)
		}
	}
	o := head(e.ID, e.ZH, p.en, e.Key)
	if e.Note != "" {
		o = append(o, member{"x-note", e.Note})
	}
	o = append(o, member{"type", "object"}, member{"required", required}, member{"properties", props}, member{"additionalProperties", false})
	if len(p.conditions) > 0 {
		o = append(o, member{"allOf", p.conditions})
	}
	return o, nil
}

// prepare gives each field what decisions.go and its neighbours add to it, and moves blocks ("party.name") into the arrays noted
// arr(party).
func (e entity) prepare() ([]field, error) {
	blocks := map[string][]field{}
	var fields []field
	for _, f := range e.Fields {
		if block, name, ok := strings.Cut(f.Name, "."); ok {
			f.Name = name
			blocks[block] = append(blocks[block], f)
			continue
		}
		fields = append(fields, f)
	}
	for i := range fields {
		f := &fields[i]
		path := e.ID + "." + f.Name
		f.amend(path)
		f.members = members[path]
		if block, ok := strings.CutPrefix(f.Type, "arr("); ok {
			f.members = slices.Clone(blocks[strings.TrimSuffix(block, ")")])
			if len(f.members) == 0 {
				return nil, fmt.Errorf("%s: no block %q", f.Name, block)
			}
		}
		for j := range f.members {
			f.members[j].amend(path + "." + f.members[j].Name)
		}
	}
	return fields, nil
}

func (f *field) amend(path string) {
	a := amended[path]
	f.Type, f.Required, f.LengthMark = cmp.Or(a.Type, f.Type), cmp.Or(a.Required, f.Required), cmp.Or(a.LengthMark, f.LengthMark)
	if t, ok := tableOf[path]; ok {
		f.Codes = t
	}
}

// check finds decisions about fields that do not exist, and fields with two classes.
func (p plan) check(fields []field) error {
	known := map[string]bool{}
	for _, f := range fields {
		known[f.Name] = true
	}
	classed := map[string]bool{}
	for _, class := range slices.Sorted(maps.Keys(p.classes)) {
		for _, name := range p.classes[class] {
			if !known[name] || classed[name] || class == p.class {
				return fmt.Errorf("sensitivity of %s: no such field, a second class, or the class of all", name)
			}
			classed[name] = true
		}
	}
	for _, name := range p.essential {
		if !known[name] {
			return fmt.Errorf("required field %s does not exist", name)
		}
	}
	return nil
}

func head(name, zh, en, key string) object {
	o := object{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"$id", idPrefix + name + "/1"}, {"title", zh}, {"x-en", en}}
	if key != "" {
		o = append(o, member{"x-key", key})
	}
	return o
}

// mustHave tells whether a record without f is invalid: a source requires it, or the record makes no sense without it (design §8).
func (p plan) mustHave(f field) bool {
	return f.sourceRequires() || slices.Contains(p.essential, f.Name)
}

func (f field) sourceRequires() bool { return f.Required == "M" && f.RequiredMark == "SRC" }

func (p plan) classOf(name string) string {
	for class, names := range p.classes {
		if slices.Contains(names, name) {
			return class
		}
	}
	return p.class
}

func fieldSchema(entity, key string, f field, p plan, used map[string]bool) (object, error) {
	path := entity + "." + f.Name
	must := p.mustHave(f)
	body, err := value(path, f, must, used)
	if err != nil {
		return nil, err
	}
	o := append(object{{"title", f.ZH}}, body...)
	o = append(o, member{"x-sensitivity", p.classOf(f.Name)})
	if refs, ok := references[path]; ok {
		o = append(o, member{"x-ref", refs})
	}
	if steps := normalisation(body, f.Name, must); steps != nil && path != entity+"."+key {
		o = append(o, member{"x-normalise", steps})
	}
	return append(o, f.provenance(must)...), nil
}

// normalisation is what intake does to a number, date or code that is refused as it stands: nobody means another one by full-width digits, by
// spaces around it or by a small x. That a fax is 暂无 says that there is none.
func normalisation(body object, name string, must bool) []string {
	kind := ""
	for _, m := range body {
		if m.name == "format" || m.name == "pattern" {
			kind, _ = m.value.(string)
		}
	}
	switch {
	case kind == "":
		return nil
	case kind == "id18" || kind == "uscc":
		return []string{"half-width", "trim", "upper"}
	case name == "fax" && !must:
		return []string{"half-width", "trim", "absent"}
	}
	return []string{"half-width", "trim"}
}

// provenance keeps what the table says about a field and where it comes from.
func (f field) provenance(must bool) object {
	var o object
	if f.Required == "M" && !must {
		o = append(o, member{"x-expected", true})
	}
	o = append(o, member{"x-type", f.Type}, member{"x-required", f.Required}, member{"x-required-mark", mark(f.RequiredMark)},
		member{"x-mark", mark(f.Mark)})
	if f.LengthMark != "-" {
		o = append(o, member{"x-length-mark", mark(f.LengthMark)})
	}
	o = append(o, member{"x-source", f.Source})
	if f.Rule != "" && !slices.Contains(f.Codes, f.Rule) {
		o = append(o, member{"x-rule", f.Rule})
	}
	if f.Note != "" {
		o = append(o, member{"x-note", f.Note})
	}
	return o
}

func mark(m string) string { return "[" + m + "]" }

// value turns the notation of a field into the keywords that judge it. One keyword decides each kind of defect, so that one defect is one
// fault: a code table alone, a format alone (formats check lengths), a pattern alone for digits of fixed number, or lengths.
func value(path string, f field, must bool, used map[string]bool) (object, error) {
	notation := f.Type
	if notation == "b" {
		return object{{"type", "boolean"}}, nil
	}
	if inner, ok := strings.CutPrefix(notation, "arr"); ok {
		item, err := arrayItem(path, strings.TrimSpace(inner), f, used)
		if err != nil {
			return nil, err
		}
		o := object{{"type", "array"}}
		if must {
			o = append(o, member{"minItems", 1})
		}
		return append(o, member{"maxItems", maxItems}, member{"items", item}), nil
	}
	if len(f.Codes) > 0 && !slices.Contains(freeText, path) {
		for _, c := range f.Codes {
			used[c] = true
		}
		return object{{"type", "string"}, {"x-codes", f.Codes}}, nil
	}
	if name := formatOf(path, notation, f.Rule); name != "" {
		o := object{{"type", "string"}, {"format", name}}
		if name == "phone" || name == "caller-number" {
			o = append(o, member{"maxLength", upper(notation)})
		}
		return o, nil
	}
	switch {
	case notation == "object":
		return memberObject(path, f.members, used)
	case strings.HasPrefix(notation, "n..") && strings.Contains(notation, ","):
		a, b, _ := strings.Cut(notation[3:], ",")
		return object{{"type", "string"}, {"format", "decimal-" + a + "-" + b}}, nil
	case strings.HasPrefix(notation, "n.."):
		k, err := strconv.Atoi(notation[3:])
		if err != nil || k < 1 || k > 15 {
			return nil, fmt.Errorf("notation %q", notation)
		}
		return object{{"type", "integer"}, {"minimum", 0}, {"maximum", int64(math.Pow10(k)) - 1}}, nil
	case notation[0] == 'n':
		k, err := strconv.Atoi(notation[1:])
		if err != nil {
			return nil, fmt.Errorf("notation %q", notation)
		}
		return object{{"type", "string"}, {"pattern", fmt.Sprintf("^[0-9]{%d}$", k)}}, nil
	case notation[0] == 'c':
		low, high := lower(notation), upper(notation)
		if high == 0 {
			return nil, fmt.Errorf("notation %q", notation)
		}
		o := object{{"type", "string"}}
		if must {
			low = max(low, 1) // a required text that may be empty requires nothing
		}
		if low > 0 {
			o = append(o, member{"minLength", low})
		}
		return append(o, member{"maxLength", high}), nil
	}
	return nil, fmt.Errorf("notation %q", notation)
}

// arrayItem is the schema of one element: its members, codes, the noted type, or the shape of members.go.
func arrayItem(path, inner string, f field, used map[string]bool) (object, error) {
	if len(f.members) > 0 {
		return memberObject(path, f.members, used)
	}
	if inner == "" && len(f.Codes) == 0 {
		if shape, ok := elements[path]; ok {
			return shape, nil
		}
		return nil, fmt.Errorf("array of unknown elements")
	}
	return value(path+"[]", field{Type: inner, Codes: f.Codes}, true, used)
}

// memberObject is an object whose members are known: all of them from a block of the table, which is closed as a record is, or those that
// a source mentions (members.go), where others are let through since no source gives the whole list.
func memberObject(path string, fields []field, used map[string]bool) (object, error) {
	block := len(fields) > 0 && fields[0].Mark != ""
	o := object{{"type", "object"}}
	if !block {
		o = append(o, member{"maxProperties", maxMembers})
	}
	var props object
	var required []string
	for _, f := range fields {
		must := f.sourceRequires() || slices.Contains(essentialMembers[path], f.Name)
		body, err := value(path+"."+f.Name, f, must, used)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		body = append(object{{"title", f.ZH}}, body...)
		if block {
			body = append(body, f.provenance(must)...)
		} else {
			body = append(body, member{"x-type", f.Type}, member{"x-mark", "[SRC]"}, member{"x-length-mark", "[INFER]"})
		}
		props = append(props, member{f.Name, body})
		if must {
			required = append(required, f.Name)
		}
	}
	if len(required) > 0 {
		o = append(o, member{"required", required})
	}
	if len(props) > 0 {
		o = append(o, member{"properties", props})
	}
	if block {
		o = append(o, member{"additionalProperties", false})
	}
	return o, nil
}

func formatOf(path, notation, rule string) string {
	if f, ok := formats[path]; ok {
		return f
	}
	last := path[strings.LastIndexByte(path, '.')+1:]
	switch {
	case notation == "d":
		return "date"
	case notation == "dt":
		return "date-time"
	case strings.Contains(rule, "id18") && notation == "c18":
		return "id18"
	case strings.HasPrefix(rule, "uscc"):
		return "uscc"
	case rule == "lawyer_licence17":
		return "lawyer-licence"
	case rule == "legal_qualification14":
		return "legal-qualification"
	case rule == "division" && notation == "n6":
		return "division-6"
	case rule == "division" && notation == "c..12": // level open
		return "division"
	case notation == "n9":
		return "division-9"
	case notation == "n12":
		return "division-12"
	case last == "fax" || last == "mobile" || strings.HasSuffix(strings.ToLower(last), "phone"):
		return "phone"
	}
	return ""
}

// lower and upper read the bounds of c18, c1..100 and c..100.
func lower(n string) int {
	low, _, ranged := strings.Cut(n[1:], "..")
	if !ranged {
		return upper(n)
	}
	k, _ := strconv.Atoi(low)
	return k
}

func upper(n string) int {
	_, high, ranged := strings.Cut(n[1:], "..")
	if !ranged {
		high = n[1:]
	}
	k, _ := strconv.Atoi(high)
	return k
}
