package sfxml

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"fayi/schemas"
)

// spacePrefix and the name of a record type are the namespace of its messages; the 1 is the version of this mapping.
const spacePrefix = "https://schemas.fayi.invalid/xml/1/"

const (
	maxDepth     = 32      // elements, the message itself counted
	maxRecordXML = 4 << 20 // bytes between two records
	maxRecord    = 1 << 20 // bytes of one record's JSON, as the validator reads at most
	outerDepth   = 4       // message, body, record, data
)

// kind of a JSON value.
type kind byte

const (
	anything kind = iota // carried as it is written, in the attribute json
	text
	number
	boolean
	object
	list
)

// extra is the element of a member the schema does not list, or whose name is no XML name.
const extra = "_extra"

var kinds = map[string]kind{"string": text, "number": number, "integer": number, "boolean": boolean, "object": object, "array": list}

// element is the place of one value in a record: its schema and its description.
type element struct {
	schemas.Field
	kind    kind
	path    string // of member names, joined by dots; "" for the record
	rules   map[string]any
	members []*element     // of an object, in the order of the pack
	index   map[string]int // member by name
	open    bool           // of an object: may hold others
	item    *element       // of an array
}

// Mapping is the XML form of one version of a record type. It never changes and is safe for concurrent use.
type Mapping struct {
	typ  *schemas.Type
	root *element
}

// memberName is what JSON member names must look like to be element names that every XML reader takes (XML 1.0, all editions).
var memberName = regexp.MustCompile(`^[A-Za-z_\x{4e00}-\x{9fa5}][A-Za-z0-9_.\-\x{4e00}-\x{9fa5}]{0,63}$`)

// New derives the XML form of a type from its schema. It fails only where the schema cannot be read.
func New(t *schemas.Type) (*Mapping, error) {
	var doc map[string]any
	if err := json.Unmarshal(t.Schema(), &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", t.Ref(), err)
	}
	b := builder{defs: member(doc, "$defs")}
	root := b.element(schemas.Field{Name: t.Name(), Title: t.Title(), EN: t.TitleEN(), Fields: t.Fields()}, doc, "", outerDepth)
	return &Mapping{typ: t, root: root}, nil
}

// Type returns the record type the mapping is of.
func (m *Mapping) Type() *schemas.Type { return m.typ }

// Namespace returns the XML namespace of messages of a record type.
func Namespace(typ string) string { return spacePrefix + typ }

type builder struct{ defs map[string]any }

func member(m map[string]any, name string) map[string]any {
	v, _ := m[name].(map[string]any)
	return v
}

// resolve follows references to $defs. What stands beside one is not followed: nil, anything may stand there.
func (b builder) resolve(rules map[string]any) map[string]any {
	for range maxDepth {
		ref, ok := rules["$ref"].(string)
		if !ok {
			return rules
		}
		for _, name := range []string{"type", "properties", "items"} {
			if rules[name] != nil {
				return nil
			}
		}
		rules = member(b.defs, strings.TrimPrefix(ref, "#/$defs/"))
	}
	return nil
}

func (b builder) element(f schemas.Field, rules map[string]any, path string, depth int) *element {
	rules = b.resolve(rules)
	typ, _ := rules["type"].(string)
	e := &element{Field: f, kind: kinds[typ], path: path, rules: rules}
	if depth >= maxDepth {
		e.kind = anything
	}
	switch e.kind {
	case object:
		b.object(e, depth)
	case list:
		items := b.resolve(member(rules, "items"))
		if items["type"] == "array" {
			items = nil // the description does not reach below
		}
		e.item = b.element(f, items, path, depth+1)
	}
	return e
}

func (b builder) object(e *element, depth int) {
	e.open = e.rules["additionalProperties"] != false
	properties := member(e.rules, "properties")
	e.index = make(map[string]int, len(properties))
	for _, f := range e.Fields {
		rules := member(properties, f.Name)
		if rules == nil || !memberName.MatchString(f.Name) || strings.HasPrefix(strings.ToLower(f.Name), "xml") || f.Name == extra {
			e.open = true
			continue
		}
		path := f.Name
		if e.path != "" {
			path = e.path + "." + f.Name
		}
		e.index[f.Name] = len(e.members)
		e.members = append(e.members, b.element(f, rules, path, depth+1))
	}
}

// codes lists the values a text may have; none if any.
func (e *element) codes() (codes []string) {
	for _, t := range e.Tables {
		for _, it := range t.Items {
			codes = append(codes, it.Code)
		}
	}
	enum, _ := e.rules["enum"].([]any)
	if c, ok := e.rules["const"]; ok {
		enum = []any{c}
	}
	for _, v := range enum {
		if s, ok := v.(string); ok {
			codes = append(codes, s)
		}
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}
