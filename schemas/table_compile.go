package schemas

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fayi/schemas/formats"
)

// errShape marks what a table cannot express. The type is then judged by jsonschema alone.
var errShape = errors.New("not expressible as a table")

func shape(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errShape, fmt.Sprintf(format, args...))
}

// compileTable makes the table of a schema document whose code tables are written out. The error is errShape.
func compileTable(doc any) (*table, error) {
	root, _ := doc.(map[string]any)
	defs, _ := root["$defs"].(map[string]any)
	c := tableCompiler{defs: defs, t: table{rules: make([]rule, 1)}}
	r, err := c.rule(root)
	if err != nil {
		return nil, err
	}
	c.t.rules[0] = r
	return &c.t, nil
}

type tableCompiler struct {
	t    table
	defs map[string]any
}

// resolve returns the schema v stands for, which a reference without other keywords beside it names.
func (c *tableCompiler) resolve(v any) (map[string]any, error) {
	s, ok := v.(map[string]any)
	if !ok {
		return nil, shape("a schema that is no object")
	}
	for {
		ref, ok := s["$ref"].(string)
		if !ok {
			return s, nil
		}
		if err := only(s, "$ref"); err != nil {
			return nil, err
		}
		if s, ok = c.defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any); !ok { // the linter has refused circles
			return nil, shape("reference %q", ref)
		}
	}
}

// only refuses keywords that are neither listed nor mere description.
func only(s map[string]any, allowed ...string) error {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		switch {
		case slices.Contains(allowed, name), name == "title", name == "description", strings.HasPrefix(name, "x-"):
		default:
			return shape("keyword %s at this place", name)
		}
	}
	return nil
}

// rule compiles the schema of one value.
func (c *tableCompiler) rule(v any) (rule, error) {
	s, err := c.resolve(v)
	if err != nil {
		return rule{}, err
	}
	switch s["type"] {
	case "string":
		return scalarRule(textKind, s)
	case "integer":
		return scalarRule(integerKind, s)
	case "boolean":
		return scalarRule(booleanKind, s)
	case "array":
		return c.array(s)
	case "object":
		return c.object(s)
	case nil:
		return rule{kind: anyKind}, only(s)
	}
	return rule{}, shape("type %v", s["type"])
}

// scalarRule compiles a schema for values of one kind. A "type" in it must be that kind's.
func scalarRule(k valueKind, s map[string]any) (rule, error) {
	r := rule{kind: k, booleans: 3, min: math.MinInt64, max: math.MaxInt64}
	name := map[valueKind]string{textKind: "string", integerKind: "integer", booleanKind: "boolean"}[k]
	if typ, ok := s["type"]; ok && typ != name {
		return r, shape("type %v for a %s", typ, name)
	}
	if s["enum"] != nil && s["const"] != nil {
		return r, shape("enum and const at once")
	}
	var err error
	switch k {
	case textKind:
		err = errors.Join(only(s, "type", "enum", "const", "format", "pattern", "minLength", "maxLength"), r.characters(s),
			bound(s, "minLength", &r.min), bound(s, "maxLength", &r.max))
	case integerKind:
		err = errors.Join(only(s, "type", "minimum", "maximum"), bound(s, "minimum", &r.min), bound(s, "maximum", &r.max))
	case booleanKind:
		err = only(s, "type", "enum", "const")
		if values, ok := listed(s); ok {
			r.booleans = 0
			for _, v := range values {
				switch v {
				case false:
					r.booleans |= 1
				case true:
					r.booleans |= 2
				}
			}
		}
	}
	return r, err
}

// listed returns the values of enum, or that of const. Both at once are left to jsonschema.
func listed(s map[string]any) (values []any, ok bool) {
	if only, there := s["const"]; there {
		return []any{only}, true
	}
	values, ok = s["enum"].([]any)
	return values, ok
}

// characters compiles the keywords about a text's characters.
func (r *rule) characters(s map[string]any) error {
	if values, ok := listed(s); ok {
		var codes []string
		for _, v := range values {
			if code, ok := v.(string); ok && !slices.Contains(codes, code) { // others no text equals
				codes = append(codes, code)
			}
		}
		set := newKeySet(codes)
		r.codes = &set
	}
	if name, ok := s["format"].(string); ok {
		if r.format = bytesFormatNamed(name); r.format == nil {
			return shape("format %q", name)
		}
	}
	if pattern, ok := s["pattern"].(string); ok {
		if list, ok := readRuns(pattern); ok {
			r.pattern = list.match
		} else {
			re, err := regexp.Compile(pattern)
			if err != nil {
				return shape("pattern %q", pattern)
			}
			r.pattern = re.Match
		}
	}
	r.content = r.codes != nil || r.format != nil || r.pattern != nil
	return nil
}

// bound reads a whole number into to, which stays where the keyword is absent.
func bound(s map[string]any, name string, to *int64) error {
	v, ok := s[name]
	if !ok {
		return nil
	}
	n, _ := v.(json.Number)
	i, err := strconv.ParseInt(n.String(), 10, 64)
	if err != nil {
		return shape("%s %v", name, v)
	}
	*to = i
	return nil
}

func (c *tableCompiler) array(s map[string]any) (rule, error) {
	r := rule{kind: arrayKind, max: math.MaxInt64, below: len(c.t.rules)}
	if err := errors.Join(only(s, "type", "items", "minItems", "maxItems"), bound(s, "minItems", &r.min), bound(s, "maxItems", &r.max)); err != nil {
		return r, err
	}
	c.t.rules = append(c.t.rules, rule{kind: anyKind})
	items, ok := s["items"]
	if !ok {
		return r, nil
	}
	item, err := c.rule(items)
	c.t.rules[r.below] = item
	return r, err
}

var conditionKeywords = []string{"allOf", "anyOf", "oneOf", "not", "if", "then", "else"}

func (c *tableCompiler) object(s map[string]any) (rule, error) {
	own := []string{"type", "properties", "required", "additionalProperties", "minProperties", "maxProperties", "$schema", "$id", "$defs"}
	if err := only(s, append(own, conditionKeywords...)...); err != nil {
		return rule{}, err
	}
	properties, _ := s["properties"].(map[string]any)
	names := slices.Sorted(maps.Keys(properties))
	if len(names) > maxMembers {
		return rule{}, shape("%d members", len(names))
	}
	for _, name := range names {
		if !readable(name) {
			return rule{}, shape("member name %q", name)
		}
	}
	o := objectRule{names: newKeySet(names), first: len(c.t.rules), max: math.MaxInt}
	switch v := s["additionalProperties"].(type) {
	case bool:
		o.closed = !v
	case nil:
	default:
		return rule{}, shape("additionalProperties with rules")
	}
	low, high := int64(0), int64(math.MaxInt)
	if err := errors.Join(bound(s, "minProperties", &low), bound(s, "maxProperties", &high)); err != nil {
		return rule{}, err
	}
	o.min, o.max = int(low), int(high)
	c.t.rules = append(c.t.rules, make([]rule, len(names))...)
	for place, name := range names {
		member, err := c.rule(properties[name])
		if err != nil {
			return rule{}, fmt.Errorf("%s: %w", name, err)
		}
		c.t.rules[o.first+place] = member
	}
	b := conditionCompiler{c: c, object: &o, names: names}
	whole := maps.Clone(s)
	for _, name := range own {
		if name != "required" {
			delete(whole, name)
		}
	}
	check, err := b.condition(whole)
	if err != nil {
		return rule{}, err
	}
	o.required, check.required = check.required, memberSet{}
	o.check = check
	c.t.objects = append(c.t.objects, o)
	return rule{kind: objectKind, below: len(c.t.objects) - 1}, nil
}

// readable tells whether a member's name has one spelling only in the JSON that tables read: printable ASCII without quote and backslash.
func readable(name string) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// bytesFormatNamed returns the verdict behind the keyword "format" over bytes; nil if there is none of that name. See formatNamed.
func bytesFormatNamed(name string) func([]byte) bool {
	switch name {
	case "id18":
		return formats.ID18Bytes
	case "uscc":
		return formats.USCCBytes
	case "org-code":
		return formats.OrgCodeBytes
	case "division":
		return formats.DivisionBytes
	case "division-6", "division-9", "division-12":
		n, _ := strconv.Atoi(name[len("division-"):])
		return func(b []byte) bool { return len(b) == n && formats.DivisionBytes(b) }
	case "division-past":
		return formats.DivisionPastBytes
	case "division-past-6", "division-past-9", "division-past-12":
		n, _ := strconv.Atoi(name[len("division-past-"):])
		return func(b []byte) bool { return len(b) == n && formats.DivisionPastBytes(b) }
	case "lawyer-licence":
		return formats.LawyerLicence17Bytes
	case "legal-qualification":
		return formats.LegalQualification14Bytes
	case "court-case-no":
		return func(b []byte) bool { return formats.CourtCaseNumber(string(b)) == nil }
	case "date":
		return formats.DateBytes
	case "date-time":
		return formats.DateTimeBytes
	case "phone":
		return formats.PhoneBytes
	case "caller-number":
		return formats.CallerNumberBytes
	}
	var a, b int
	if _, ok := formatNamed(name); !ok {
		return nil
	}
	if _, err := fmt.Sscanf(name, "decimal-%d-%d", &a, &b); err != nil {
		return nil
	}
	return func(text []byte) bool { return formats.DecimalBytes(a, b, text) }
}
