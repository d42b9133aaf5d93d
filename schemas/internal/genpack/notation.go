package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

const idPrefix = "https://schemas.fayi.invalid/national/"

func typeSchema(e entity, p plan, used map[string]bool) (object, error) {
	var props object
	var required []string
	for _, f := range e.Fields {
		s, err := fieldSchema(e.ID, f, p, used)
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

func head(name, zh, en, key string) object {
	o := object{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"$id", idPrefix + name + "/1"}, {"title", zh}, {"x-en", en}}
	if key != "" {
		o = append(o, member{"x-key", key})
	}
	return o
}

// mustHave tells whether a record without f is invalid: a source requires it, or the record makes no sense without it (design §8).
func (p plan) mustHave(f field) bool {
	return (f.Required == "M" && f.RequiredMark == "SRC") || slices.Contains(p.essential, f.Name)
}

func fieldSchema(entity string, f field, p plan, used map[string]bool) (object, error) {
	must := p.mustHave(f)
	o := object{{"title", f.ZH}}
	body, err := value(entity+"."+f.Name, f.Type, f.Codes, f.Rule, must, used)
	if err != nil {
		return nil, err
	}
	o = append(o, body...)
	class := p.class
	for c, names := range p.classes {
		if slices.Contains(names, f.Name) {
			class = c
		}
	}
	o = append(o, member{"x-sensitivity", class})
	if refs, ok := references[entity+"."+f.Name]; ok {
		o = append(o, member{"x-ref", refs})
	}
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
	return o, nil
}

func mark(m string) string { return "[" + m + "]" }

// value turns one notation into the keywords that judge it. One keyword decides each kind of defect, so that one defect is one fault:
// a code table alone, a format alone (formats check lengths), a pattern alone for digits of fixed number, or lengths.
func value(path, notation string, codes []string, rule string, must bool, used map[string]bool) (object, error) {
	if m, ok := members[path]; ok {
		return memberList(path, m, used)
	}
	if t, ok := tableOf[path]; ok {
		codes = t
	}
	if notation == "b" {
		return object{{"type", "boolean"}}, nil
	}
	if inner, ok := strings.CutPrefix(notation, "arr"); ok {
		item, err := arrayItem(path, strings.TrimSpace(inner), codes, used)
		if err != nil {
			return nil, err
		}
		o := object{{"type", "array"}}
		if must {
			o = append(o, member{"minItems", 1})
		}
		return append(o, member{"maxItems", maxItems}, member{"items", item}), nil
	}
	if len(codes) > 0 && !slices.Contains(freeText, path) {
		for _, c := range codes {
			used[c] = true
		}
		return object{{"type", "string"}, {"x-codes", codes}}, nil
	}
	if f := formatOf(path, notation, rule); f != "" {
		o := object{{"type", "string"}, {"format", f}}
		if f == "phone" {
			o = append(o, member{"maxLength", upper(notation)})
		}
		return o, nil
	}
	switch {
	case notation == "object":
		return object{{"type", "object"}, {"maxProperties", maxMembers}}, nil
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

// arrayItem is the schema of one element: codes, the noted type, or the shape of decisions.go.
func arrayItem(path, inner string, codes []string, used map[string]bool) (object, error) {
	if inner == "" && len(codes) == 0 {
		if shape, ok := elements[path]; ok {
			return shape, nil
		}
		return nil, fmt.Errorf("array of unknown elements")
	}
	return value(path+"[]", inner, codes, "", true, used)
}

// memberList is an array of objects whose members a source names; other members are let through, since no source gives the whole list.
func memberList(path string, fields []field, used map[string]bool) (object, error) {
	var props object
	for _, f := range fields {
		body, err := value(path+"."+f.Name, f.Type, f.Codes, f.Rule, false, used)
		if err != nil {
			return nil, err
		}
		props = append(props, member{f.Name, append(append(object{{"title", f.ZH}}, body...), member{"x-type", f.Type}, member{"x-mark", "[SRC]"}, member{"x-length-mark", "[INFER]"})})
	}
	return object{{"type", "array"}, {"maxItems", maxItems}, {"items", object{{"type", "object"}, {"maxProperties", maxMembers}, {"properties", props}}}}, nil
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
	case strings.HasPrefix(rule, "id18") && notation == "c18" || last == "agentIdCard":
		return "id18"
	case strings.HasPrefix(rule, "uscc"):
		return "uscc"
	case rule == "lawyer_licence17":
		return "lawyer-licence"
	case rule == "legal_qualification14":
		return "legal-qualification"
	case rule == "division" && notation == "n6":
		return "division-6"
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
