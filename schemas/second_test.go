package schemas

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
	"pgregory.net/rapid"
)

// opinion is the verdict of the older, independent implementation of JSON Schema and of the reference of the rules.
type opinion struct {
	schema *v5.Schema
	ty     *Type
}

func (o opinion) valid(record any) bool {
	m, ok := record.(map[string]any)
	return ok && o.schema.Validate(record) == nil && len(o.ty.breaches(Refuse, m, nil, Where{})) == 0
}

// second compiles a type with the older implementation.
func second(t testing.TB, ty *Type) opinion {
	t.Helper()
	doc := expanded(t, ty)
	for _, name := range formatNames(doc) {
		check, ok := formatNamed(name)
		if !ok {
			t.Fatalf("format %s", name)
		}
		v5.Formats[name] = func(v any) bool {
			s, ok := v.(string)
			return !ok || check(s) == nil
		}
	}
	c := v5.NewCompiler()
	c.AssertFormat = true
	id := ty.source
	var head struct {
		ID string `json:"$id"`
	}
	if err := json.Unmarshal(id, &head); err != nil {
		t.Fatal(err)
	}
	if err := c.AddResource(head.ID, bytes.NewReader(encode(t, doc))); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(head.ID)
	if err != nil {
		t.Fatal(err)
	}
	return opinion{s, ty}
}

// TestSecondOpinion: on every mutant and on random mixtures both implementations give the same verdict.
func TestSecondOpinion(t *testing.T) {
	for _, ty := range registry(t).Types() {
		other := second(t, ty)
		judge := func(record map[string]any) (bool, bool) {
			data := encode(t, record)
			v, bad := decode(data)
			if bad != nil {
				t.Fatal(bad.MessageEN)
			}
			return len(ty.Validate(data)) == 0, other.valid(v)
		}
		if a, b := judge(example(t, ty.Name())); !a || !b {
			t.Errorf("%s: example: %v, second opinion %v", ty.Name(), a, b)
		}
		all := mutants(t, ty)
		for _, m := range all {
			if a, b := judge(m.record); a != b {
				t.Errorf("%s, %s: %v, second opinion %v", ty.Name(), m.name, a, b)
			}
		}
		t.Run(ty.Name(), rapid.MakeCheck(func(t *rapid.T) {
			record := maps.Clone(all[0].record)
			maps.Copy(record, rapid.SampledFrom(all).Draw(t, "a").record)
			from := rapid.SampledFrom(all).Draw(t, "b").record
			names := slices.Sorted(maps.Keys(from))
			for range rapid.IntRange(0, 6).Draw(t, "n") {
				name := rapid.SampledFrom(names).Draw(t, "name")
				if rapid.Bool().Draw(t, "drop") {
					delete(record, name)
				} else {
					record[name] = rapid.SampledFrom([]any{from[name], "", "1", "暂无", true, json.Number("3"), []any{}, map[string]any{}, nil}).Draw(t, "value")
				}
			}
			if a, b := judge(record); a != b {
				t.Fatalf("%v, second opinion %v", a, b)
			}
		}))
	}
}

// FuzzValidate: no bytes make a type panic, hang or give an incomplete fault; the second implementation agrees on the verdict.
func FuzzValidate(f *testing.F) {
	names := []string{}
	others := map[string]opinion{}
	for _, ty := range registry(f).Types() {
		names = append(names, ty.Name())
		others[ty.Name()] = second(f, ty)
		f.Add(uint8(len(names)-1), encode(f, example(f, ty.Name())))
	}
	f.Add(uint8(0), []byte(`{"a":{"b":[1e5,"\ud800"]},"a":null}`))
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		ty := typeNamed(t, names[int(which)%len(names)])
		faults := ty.Validate(data)
		for _, fault := range faults {
			if fault.Code == "" || fault.Message == "" || fault.MessageEN == "" {
				t.Errorf("%+v", fault)
			}
		}
		_, _ = ty.Key(data)
		record, bad := decode(data)
		if bad == nil && (len(faults) == 0) != others[ty.Name()].valid(record) {
			t.Errorf("second opinion differs: %v", faults)
		}
	})
}

// FuzzLoad: no pack makes the loader panic or hang; whatever loads also validates.
func FuzzLoad(f *testing.F) {
	f.Add(smallManifest, smallSchema, smallTable)
	f.Add(smallManifest, `{"$ref":"#"}`, `{}`)
	f.Fuzz(func(t *testing.T, manifest, schema, table string) {
		pack := smallPack(t, [3]string{"pack.json", "", manifest}, [3]string{"types/thing.json", "", schema}, [3]string{"codes/kind.json", "", table})
		r, err := Load(pack)
		if err != nil {
			return
		}
		for _, ty := range r.Types() {
			ty.Validate([]byte(`{"id":"1","kind":"2","x":[{}]}`))
			ty.Fields()
		}
	})
}
