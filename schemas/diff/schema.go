package diff

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"fayi/schemas"

	"github.com/emmansun/gmsm/sm3"
	"github.com/gowebpki/jcs"
)

// schema is one schema object of a document, decoded with numbers as json.Number.
type schema = map[string]any

// side is one version of a type.
type side struct {
	doc    schema
	defs   schema
	tables map[string]*schemas.Table
	digest string
}

// newSide reads a type's schema. The document was checked when its pack was loaded: only known keywords, references only into $defs and
// never in a circle, depth and numbers bounded.
func newSide(t *schemas.Type, tables []*schemas.Table) (*side, error) {
	s := &side{tables: map[string]*schemas.Table{}, digest: t.Digest()}
	dec := json.NewDecoder(bytes.NewReader(t.Schema()))
	dec.UseNumber()
	if err := dec.Decode(&s.doc); err != nil {
		return nil, fmt.Errorf("schema of %s: %w", t.Ref(), err)
	}
	s.defs, _ = s.doc["$defs"].(schema)
	s.collect(t.Fields())
	return s, s.complete(t, tables)
}

// complete adds the code tables that only rules use, not fields. They are found by name among tables, which may be another pack's: they are
// believed only if schema and tables together give the type's digest (protocol §2). Otherwise they stay unknown.
func (s *side) complete(t *schemas.Type, tables []*schemas.Table) error {
	names := map[string]bool{}
	codesOf(s.doc, names)
	codes, found := map[string]*schemas.Table{}, false
	for _, table := range tables {
		if names[table.Name] && s.tables[table.Name] == nil {
			codes[table.Name], found = table, true
		}
	}
	for name := range names {
		if s.tables[name] != nil {
			codes[name] = s.tables[name]
		}
	}
	if !found {
		return nil
	}
	raw, err := json.Marshal(map[string]any{"schema": json.RawMessage(t.Schema()), "codes": codes, "rules": json.RawMessage(t.RulesJSON())})
	if err != nil {
		return fmt.Errorf("digest of %s: %w", t.Ref(), err)
	}
	text, err := jcs.Transform(raw)
	if err != nil {
		return fmt.Errorf("digest of %s: %w", t.Ref(), err)
	}
	if sum := sm3.Sum(text); hex.EncodeToString(sum[:]) == t.Digest() {
		s.tables = codes
	}
	return nil
}

// codesOf collects the names of code tables that a schema uses anywhere.
func codesOf(v any, names map[string]bool) {
	switch v := v.(type) {
	case schema:
		for k, e := range v {
			if list, ok := e.([]any); ok && k == "x-codes" {
				for _, name := range list {
					names[text(name)] = true
				}
			} else {
				codesOf(e, names)
			}
		}
	case []any:
		for _, e := range v {
			codesOf(e, names)
		}
	}
}

// collect remembers the code tables of fields.
func (s *side) collect(fields []schemas.Field) {
	for _, f := range fields {
		for _, t := range f.Tables {
			s.tables[t.Name] = t
		}
		s.collect(f.Fields)
	}
}

// open returns the schema v stands for without $ref: the schema referred to, with the annotations that stand beside the reference. Where
// rules stand beside it, both must be fulfilled (JSON Schema 2020-12), so the target becomes one more branch of allOf.
func (s *side) open(v any) schema {
	m, _ := v.(schema)
	ref, ok := m["$ref"].(string)
	if !ok {
		return m
	}
	target := s.open(s.defs[strings.TrimPrefix(ref, "#/$defs/")])
	rest := maps.Clone(m)
	delete(rest, "$ref")
	for k := range rest {
		if _, ok := annotations[k]; !ok {
			all, _ := rest["allOf"].([]any)
			rest["allOf"] = append(slices.Clone(all), target)
			return rest
		}
	}
	out := maps.Clone(target)
	if out == nil {
		out = schema{}
	}
	maps.Copy(out, rest)
	return out
}

// values is the set of texts, numbers and so on that enum, const and x-codes leave, in canonical form, each with the form to show.
type values struct {
	set     map[string]string
	limited bool // there is such a keyword
	unknown bool // a code table cannot be seen from here
}

func (s *side) values(m schema) values {
	v := values{set: map[string]string{}}
	keep := func(list []any) {
		next := map[string]string{}
		for _, e := range list {
			if _, ok := v.set[canonical(e)]; ok || !v.limited {
				next[canonical(e)] = show(e)
			}
		}
		v.set, v.limited = next, true
	}
	if list, ok := m["enum"].([]any); ok {
		keep(list)
	}
	if names, ok := m["x-codes"].([]any); ok {
		var list []any
		for _, name := range names {
			n, _ := name.(string)
			t := s.tables[n]
			if t == nil {
				v.unknown = true
				continue
			}
			for _, it := range t.Items {
				list = append(list, it.Code)
			}
		}
		keep(list)
	}
	if one, ok := m["const"]; ok {
		keep([]any{one})
	}
	return v
}

// show is a value as people read it.
func show(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return canonical(v)
}

// canonical writes a JSON value so that equal values, in the sense of JSON Schema, have equal texts.
func canonical(v any) string {
	b, err := json.Marshal(plain(v))
	if err != nil {
		panic(err) // decoded from JSON, so it can be encoded
	}
	return string(b)
}

// maxDecimals is how many digits after the point a number of a pack may have.
const maxDecimals = 16

// plain writes equal numbers alike.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if r, ok := new(big.Rat).SetString(v.String()); ok {
			text := r.FloatString(maxDecimals)
			return json.RawMessage(strings.TrimSuffix(strings.TrimRight(text, "0"), "."))
		}
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	case schema:
		out := make(schema, len(v))
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	}
	return v
}

// verdict writes a schema so that two schemas with the same text accept the same values: without annotations, references and order.
func (s *side) verdict(v any) string { return canonical(s.reduce(v)) }

func (s *side) reduce(v any) any {
	m, ok := v.(schema)
	if !ok {
		return v // additionalProperties true or false
	}
	m = s.open(m)
	out := schema{}
	if set := s.values(m); set.limited {
		out["enum"] = strings.Join(sorted(set.set), "\n")
		if set.unknown {
			out["tables"] = []any{m["x-codes"], s.digest} // equal to no other version
		}
	}
	for k, e := range m {
		_, note := annotations[k]
		switch {
		case note, k == "enum", k == "const", k == "x-codes":
		case k == "items", k == "contains", k == "if", k == "then", k == "else", k == "not", k == "additionalProperties":
			out[k] = s.reduce(e)
		case k == "properties":
			props := schema{}
			of, _ := e.(schema)
			for name, p := range of {
				props[name] = s.reduce(p)
			}
			out[k] = props
		case k == "allOf", k == "anyOf", k == "oneOf":
			list, _ := e.([]any)
			var texts []string
			for _, b := range list {
				texts = append(texts, s.verdict(b))
			}
			slices.Sort(texts)
			out[k] = texts
		case k == "required":
			out[k] = sorted(nameSet(e))
		default:
			out[k] = e
		}
	}
	return out
}

// nameSet is a list of names as a set.
func nameSet(v any) map[string]bool {
	list, _ := v.([]any)
	set := make(map[string]bool, len(list))
	for _, e := range list {
		name, _ := e.(string)
		set[name] = true
	}
	return set
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// union lists the keys of two maps, sorted, each once.
func union[A, B any](a map[string]A, b map[string]B) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}
