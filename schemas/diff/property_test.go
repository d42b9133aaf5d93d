package diff

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"fayi/schemas"

	"pgregory.net/rapid"
)

// generator makes schemas and values from a domain so small that they meet often. Schemas are drawn, so that they shrink; records, of which
// many are needed, come from a seed.
type generator struct {
	n func(max int) int // 0…max
}

func drawn(t *rapid.T) generator {
	return generator{func(max int) int { return rapid.IntRange(0, max).Draw(t, "n") }}
}

func seeded(r *rand.Rand) generator {
	return generator{func(max int) int { return r.IntN(max + 1) }}
}

func (g generator) pick(list ...any) any { return list[g.n(len(list)-1)] }
func (g generator) chance(in int) bool   { return g.n(in-1) == 0 }
func (g generator) names() []any         { return g.some("a", "b", "c", "id") }
func (g generator) some(all ...any) []any { // at least one
	out := []any{}
	for _, v := range all {
		if g.chance(3) {
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		out = append(out, g.pick(all...))
	}
	return out
}

// schema makes a schema of any kind; depth bounds what lies below.
func (g generator) schema(depth int) schema {
	s := schema{}
	kinds := []any{"string", "string", "integer", "boolean", "codes", "ref", "none"}
	if depth > 0 {
		kinds = append(kinds, "array", "object", "object")
	}
	kind := g.pick(kinds...)
	switch kind {
	case "codes":
		s["type"], s["x-codes"] = "string", []any{"kind"}
	case "ref":
		s["$ref"] = g.pick("#/$defs/d0", "#/$defs/d1")
	case "none":
	default:
		s["type"] = kind
	}
	for range 1 + g.n(1) {
		g.keyword(s, depth)
	}
	return s
}

// keyword puts one more keyword into s, or replaces it.
func (g generator) keyword(s schema, depth int) {
	fits := map[any][]any{
		"string":  {"minLength", "maxLength", "format", "pattern", "enum", "const"},
		"integer": {"minimum", "maximum", "enum", "const"},
		"boolean": {"enum", "const"},
		"array":   {"items", "contains", "minItems", "maxItems", "uniqueItems"},
		nil:       {"const", "enum", "required", "required", "properties"}, // the schemas of rules
		"object":  {"properties", "properties", "required", "additionalProperties", "minProperties", "maxProperties"},
	}
	keys := slices.Clone(fits[s["type"]])
	keys = append(keys, "title", "x-sensitivity")
	if depth > 0 {
		keys = append(keys, "allOf", "anyOf", "oneOf", "not", "if", "then", "else")
	}
	switch k := g.pick(keys...).(string); k {
	case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minimum", "maximum":
		s[k] = g.n(3)
	case "format":
		s[k] = g.pick("date", "decimal-1-0", "decimal-2-0", "decimal-2-1", "division", "division-6")
	case "pattern":
		s[k] = g.pick("^[12]$", "^[123]{1,2}$", "^x?$")
	case "enum":
		if s["x-codes"] == nil {
			s[k] = g.some("1", "2", "3", "x", 1, 2, true)
		}
	case "const":
		s[k] = g.pick("1", "2", 1, true)
	case "uniqueItems":
		s[k] = g.chance(2)
	case "items", "contains", "not", "if", "then", "else":
		s[k] = g.schema(depth - 1)
	case "additionalProperties":
		s[k] = g.pick(true, false, g.schema(0))
	case "properties":
		props, _ := s[k].(schema)
		props = maps.Clone(props)
		if props == nil {
			props = schema{}
		}
		props[g.pick("a", "b", "c").(string)] = g.schema(depth - 1)
		s[k] = props
	case "required":
		s[k] = g.names()
	case "allOf", "anyOf", "oneOf":
		list := []any{}
		for range 1 + g.n(2) {
			list = append(list, g.schema(depth-1))
		}
		s[k] = list
	case "title":
		s[k] = g.pick("一", "二")
	case "x-sensitivity":
		s[k] = g.pick(schemas.Public, schemas.Internal, schemas.Sensitive)
	}
}

// edit changes one thing somewhere in s.
func (g generator) edit(s schema, depth int) {
	var below []schema
	for _, k := range sorted(s) {
		switch v := s[k].(type) {
		case schema:
			if k == "properties" || k == "$defs" {
				for _, name := range sorted(v) {
					if sub, ok := v[name].(schema); ok && name != "id" {
						below = append(below, sub)
					}
				}
			} else {
				below = append(below, v)
			}
		case []any:
			for _, e := range v {
				if sub, ok := e.(schema); ok {
					below = append(below, sub)
				}
			}
		}
	}
	if len(below) > 0 && !g.chance(3) {
		g.edit(below[g.n(len(below)-1)], max(0, depth-1))
		return
	}
	_, root := s["$schema"]
	keep := []string{"$schema", "$id", "$defs", "$ref", "type", "x-key", "x-en"}
	if root {
		keep = append(keep, "title", "properties", "required", "additionalProperties")
	}
	free := slices.DeleteFunc(sorted(s), func(k string) bool { return slices.Contains(keep, k) })
	switch {
	case root && g.chance(3):
		props := s["properties"].(schema)
		name := g.pick("a", "b", "c").(string)
		if _, ok := props[name]; ok && g.chance(2) {
			delete(props, name)
		} else if !ok {
			props[name] = g.schema(1)
		}
	case root && g.chance(3):
		s["required"] = append([]any{"id"}, g.some("a", "b", "c")...)
	case root:
		g.keyword(schemaWithout(s), depth)
	case len(free) > 0 && g.chance(2):
		k := free[g.n(len(free)-1)]
		switch v := s[k].(type) {
		case int:
			s[k] = max(0, v+g.n(4)-2)
		case []any:
			if len(v) > 1 {
				i := g.n(len(v) - 1)
				s[k] = slices.Delete(slices.Clone(v), i, i+1)
			} else {
				delete(s, k)
			}
		default:
			delete(s, k)
		}
	case g.chance(8):
		s["type"] = g.pick("string", "integer", "boolean")
	default:
		g.keyword(s, depth)
	}
}

// schemaWithout is s as something whose own properties a keyword must not replace.
func schemaWithout(s schema) schema { return map[string]any{"allOf": s["allOf"]} }

// value makes a value near what s wants.
func (g generator) value(s schema, defs schema, depth int) any {
	if ref, ok := s["$ref"].(string); ok {
		s, _ = defs[strings.TrimPrefix(ref, "#/$defs/")].(schema)
	}
	if list, ok := s["enum"].([]any); ok && g.chance(2) {
		return g.pick(list...)
	}
	if g.chance(20) || depth < 0 {
		return g.pick("1", 1, true, nil, []any{}, schema{})
	}
	switch s["type"] {
	case "integer":
		return g.n(4)
	case "boolean":
		return g.chance(2)
	case "array":
		items, _ := s["items"].(schema)
		out := []any{}
		for range g.n(3) {
			out = append(out, g.value(items, defs, depth-1))
		}
		return out
	case "object":
		return g.object(s, defs, depth)
	case "string":
		return g.pick("1", "2", "3", "", "x", "12", "1.5", "10", "2026-01-01", "610800", "610800001")
	}
	return g.pick("1", "2", 1, 2, true, "", []any{1}, schema{"a": 1})
}

func (g generator) object(s, defs schema, depth int) schema {
	out := schema{}
	props, _ := s["properties"].(schema)
	for _, name := range []string{"a", "b", "c"} {
		if p, ok := props[name].(schema); ok && !g.chance(3) {
			out[name] = g.value(p, defs, depth-1)
		} else if !ok && g.chance(8) {
			out[name] = g.n(2)
		}
	}
	return out
}

// root makes a whole type.
func (g generator) root() (doc schema, codes []any) {
	doc = schema{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://schemas.fayi.invalid/small/thing/1", "title": "物", "x-en": "thing", "x-key": "id",
		"type": "object", "required": []any{"id"}, "additionalProperties": false,
		"properties": schema{"id": schema{"type": "string"}},
		"$defs":      schema{"d0": g.leaf(), "d1": g.leaf()},
	}
	for _, name := range []string{"a", "b", "c"} {
		if !g.chance(4) {
			doc["properties"].(schema)[name] = g.schema(2)
		}
	}
	for _, k := range []string{"allOf", "anyOf", "oneOf"} {
		if g.chance(2) {
			list := []any{}
			for range 1 + g.n(2) {
				list = append(list, g.rule())
			}
			doc[k] = list
		}
	}
	return doc, g.some("1", "2", "3", "x")
}

// leaf is a schema that refers to no other.
func (g generator) leaf() schema {
	s := schema{"type": g.pick("string", "integer")}
	g.keyword(s, 0)
	g.keyword(s, 0)
	return s
}

// rule is a branch about the members of a record.
func (g generator) rule() schema {
	some := func() schema {
		s := schema{}
		if g.chance(2) {
			s["required"] = g.names()
		}
		if g.chance(2) {
			s["properties"] = schema{g.pick("a", "b").(string): g.schema(0)}
		}
		return s
	}
	switch g.n(4) {
	case 0:
		return schema{"if": some(), "then": some(), "else": some()}
	case 1:
		return schema{"not": some()}
	case 2:
		return schema{"x-when": g.pick("甲", "乙"), "x-when-en": "when", "if": some(), "then": some()}
	case 3:
		return schema{"anyOf": []any{some(), some()}}
	}
	return some()
}

// deep copies a document, int and all.
func deep(v any) any {
	switch v := v.(type) {
	case schema:
		out := schema{}
		for k, e := range v {
			out[k] = deep(e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, deep(e))
		}
		return out
	}
	return v
}

// loadThing loads a generated type; nil if the pack's rules do not allow it.
func loadThing(doc schema, codes []any) *schemas.Type {
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	var items []any
	for _, c := range codes {
		items = append(items, schema{"code": c, "name": "码" + fmt.Sprint(c)})
	}
	table, err := json.Marshal(schema{"name": "kind", "title": "种类", "en": "kind", "label_mark": "", "code_mark": "", "source": "", "items": items})
	if err != nil {
		panic(err)
	}
	pack, err := load(map[string]string{man: thingManifest, sch: string(text), tab: string(table)})
	if err != nil {
		return nil
	}
	return pack.Types[0]
}

// only is a pack of one type.
func only(t *schemas.Type) Pack { return Pack{Types: []*schemas.Type{t}} }

// TestSound: whatever the edits, if no change is called stricter or breaking, no record the old type accepts is refused by the new one.
func TestSound(t *testing.T) {
	var packs, harmless, judged, accepted, refusing int
	rapid.Check(t, func(t *rapid.T) {
		g := drawn(t)
		doc, codes := g.root()
		old := loadThing(doc, codes)
		if old == nil {
			t.Skip("not a pack")
		}
		next := deep(doc).(schema)
		if g.chance(2) { // not the only change, so that what the walk overlooks is not found by the digests
			next["properties"].(schema)["id"].(schema)["title"] = "号"
		}
		for range 1 + g.n(3)/3 {
			g.edit(next, 2)
		}
		nextCodes := codes
		if g.chance(6) {
			nextCodes = g.some("1", "2", "3", "x")
		}
		new := loadThing(next, nextCodes)
		if new == nil {
			t.Skip("not a pack")
		}
		changes := Compare(only(old), only(new))
		if (len(changes) == 0) != (old.Digest() == new.Digest()) {
			t.Fatalf("%d changes, digests %s and %s", len(changes), old.Digest(), new.Digest())
		}
		packs++
		worst := Worst(changes)
		sound := worst != Stricter && worst != Breaking
		if sound {
			harmless++
		}
		many := seeded(rand.New(rand.NewPCG(uint64(packs), 1)))
		for i := range 200 {
			from := doc // near the old rules, and near the new ones
			if i%2 == 1 {
				from = next
			}
			record := many.object(from, from["$defs"].(schema), 2)
			record["id"] = many.pick("1", "12", "x")
			data, err := json.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			judged++
			if len(old.Validate(data)) > 0 {
				continue
			}
			accepted++
			if faults := new.Validate(data); len(faults) > 0 {
				refusing++
				if sound {
					t.Fatalf("accepted before, refused now: %s\n%v\nold %s\nnew %s\nchanges %+v", data, faults, old.Schema(), new.Schema(), changes)
				}
			}
		}
	})
	t.Logf("%d pairs of packs, %d without stricter changes; %d records, %d accepted by the old, %d of these refused by the new", packs, harmless, judged, accepted, refusing)
	if !t.Failed() && (harmless < packs/20 || accepted < judged/50 || refusing == 0) {
		t.Error("the generator proves nothing")
	}
}

// TestSoundNational: the same for edits of a shipped type, judged by its example and mutations of it.
func TestSoundNational(t *testing.T) {
	const name = "legal_aid_case"
	files := map[string][]byte{}
	for _, dir := range []string{".", "types", "codes"} {
		entries, err := fs.ReadDir(schemas.Embedded(), dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if file := path.Join(dir, e.Name()); !e.IsDir() {
				if files[file], err = fs.ReadFile(schemas.Embedded(), file); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	shipped, err := schemas.Load(schemas.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	old, _ := shipped.Current(name)
	raw, err := os.ReadFile("../packs/national/examples/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	example := decode(string(raw))
	harmless, refusing := 0, 0
	random := rand.New(rand.NewPCG(1, 2))
	for range 24 {
		doc := decode(string(files["types/"+name+".json"]))
		changeNational(random, doc)
		new := loadNational(t, files, name, doc)
		changes := Compare(only(old), only(new))
		worst := Worst(changes)
		sound := worst != Stricter && worst != Breaking
		if sound {
			harmless++
		}
		for range 60 {
			record := deep(example).(schema)
			mutate(random, record, doc["properties"].(schema))
			data, err := json.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			if len(old.Validate(data)) == 0 && len(new.Validate(data)) > 0 {
				if refusing++; sound {
					t.Fatalf("accepted before, refused now: %v\nchanges %+v", new.Validate(data), changes)
				}
			}
		}
	}
	t.Logf("%d of 24 without stricter changes, %d records newly refused", harmless, refusing)
	if harmless == 0 || harmless == 24 || refusing == 0 {
		t.Error("the edits prove nothing")
	}
}

// changeNational edits one field's rules.
func changeNational(r *rand.Rand, doc schema) {
	props := doc["properties"].(schema)
	names := sorted(props)
	field := props[names[r.IntN(len(names))]].(schema)
	switch r.IntN(6) {
	case 0:
		field["maxLength"] = json.Number(fmt.Sprint(1 + r.IntN(80)))
	case 1:
		delete(field, "maxLength")
		delete(field, "x-mark")
	case 2:
		required := doc["required"].([]any)
		doc["required"] = append(slices.Clone(required), names[r.IntN(len(names))])
	case 3:
		required := slices.Clone(doc["required"].([]any))
		i := r.IntN(len(required))
		if required[i] != doc["x-key"] {
			doc["required"] = slices.Delete(required, i, i+1)
		}
	case 4:
		branches := slices.Clone(doc["allOf"].([]any))
		i := r.IntN(len(branches))
		doc["allOf"] = slices.Delete(branches, i, i+1)
	case 5:
		props["newField"] = schema{"title": "新字段", "type": "string"}
	}
	doc["required"] = slices.Compact(slices.SortedFunc(slices.Values(doc["required"].([]any)), func(a, b any) int { return strings.Compare(a.(string), b.(string)) }))
}

// mutate takes members away and copies texts between members.
func mutate(r *rand.Rand, record, props schema) {
	names := sorted(record)
	for range r.IntN(3) {
		delete(record, names[r.IntN(len(names))])
	}
	if r.IntN(2) == 0 {
		name := sorted(props)[r.IntN(len(props))]
		if s, ok := record[name].(string); ok {
			record[name] = s + strings.Repeat("长", r.IntN(40))
		} else {
			record[name] = "新"
		}
	}
}

// loadNational loads the shipped pack with another schema for one type.
func loadNational(t *testing.T, files map[string][]byte, name string, doc schema) *schemas.Type {
	t.Helper()
	var manifest map[string]any
	if err := json.Unmarshal(files["pack.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	manifest["types"] = slices.DeleteFunc(manifest["types"].([]any), func(v any) bool { return v.(schema)["name"] != name })
	fsys := fstest.MapFS{}
	for file, data := range files {
		if strings.HasPrefix(file, "codes/") {
			fsys[file] = &fstest.MapFile{Data: data}
		}
	}
	put := func(file string, v any) {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fsys[file] = &fstest.MapFile{Data: data}
	}
	put("types/"+name+".json", doc)
	put("pack.json", manifest)
	digests, err := schemas.Digests(fsys)
	if err != nil {
		t.Fatal(err)
	}
	manifest["types"].([]any)[0].(schema)["digest"] = digests[name]
	put("pack.json", manifest)
	r, err := schemas.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return r.Types()[0]
}
