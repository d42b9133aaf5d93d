package packdoc

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"fayi/schemas"
)

// load makes a pack of type and table files, digests included, and returns its types and tables.
func load(t *testing.T, types, codes map[string]string) ([]*schemas.Type, []*schemas.Table) {
	t.Helper()
	fsys := fstest.MapFS{}
	entries := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(types)) {
		var doc map[string]any
		if err := json.Unmarshal([]byte(types[name]), &doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		key, _ := doc["x-key"].(string)
		entries = append(entries, map[string]any{"name": name, "version": 1, "title": doc["title"], "en": doc["x-en"], "key": key,
			"audience": map[string]string{"city": "upstream", "ministry": "public"}})
		fsys["types/"+name+".json"] = &fstest.MapFile{Data: []byte(types[name])}
	}
	for name, data := range codes {
		fsys["codes/"+name+".json"] = &fstest.MapFile{Data: []byte(data)}
	}
	put := func() {
		data, err := json.Marshal(map[string]any{"name": "small", "version": "1.0.0", "title": "小包", "en": "small", "from": "2020-01-01", "types": entries})
		if err != nil {
			t.Fatal(err)
		}
		fsys["pack.json"] = &fstest.MapFile{Data: data}
	}
	put()
	digests, err := schemas.Digests(fsys)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		e["digest"] = digests[e["name"].(string)]
	}
	put()
	reg, err := schemas.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return reg.Types(), reg.Tables()
}

// document is a type's file around its properties and rules.
func document(title, key, rest string) string {
	quoted, _ := json.Marshal(title)
	return `{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"urn:fayi:test","title":` + string(quoted) +
		`,"x-en":"test","x-key":"` + key + `","type":"object","additionalProperties":false,` + rest + `}`
}

// national is the pack that comes with the program.
func national(t *testing.T) ([]*schemas.Type, []*schemas.Table) {
	t.Helper()
	reg, err := schemas.Load(schemas.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	return reg.Types(), reg.Tables()
}

func render(t *testing.T, types []*schemas.Type, tables []*schemas.Table, examples map[string][]byte) map[string]string {
	t.Helper()
	b, err := New(types, tables, examples)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for f, err := range b.Files() {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := out[f.Path]; twice {
			t.Fatalf("%s is rendered twice", f.Path)
		}
		out[f.Path] = string(f.Data)
	}
	return out
}

// nationalExamples are the records beside the national pack, by type.
func nationalExamples(t *testing.T) map[string][]byte {
	t.Helper()
	const dir = "../packs/national/examples"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, e := range entries {
		data, err := os.ReadFile(dir + "/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(e.Name(), ".json")] = data
	}
	return out
}
