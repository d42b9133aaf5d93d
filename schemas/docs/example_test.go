package packdoc

import (
	"encoding/json"
	"errors"
	"regexp"
	"regexp/syntax"
	"testing"

	"fayi/schemas"
)

// Every type of the national pack gets an example that its own validator accepts, made up or given.
func TestExamplesValidate(t *testing.T) {
	types, tables := national(t)
	made, err := New(types, tables, nil)
	if err != nil {
		t.Fatal(err)
	}
	given, err := New(types, tables, nationalExamples(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(types) < 30 {
		t.Errorf("only %d types", len(types))
	}
	for i, typ := range types {
		for _, p := range []*TypePage{made.Types[i], given.Types[i]} {
			if faults := typ.Validate([]byte(p.Example)); len(faults) > 0 {
				t.Errorf("%s (given %v): %v\n%s", typ.Name(), p.ExampleGiven, faults, p.Example)
			}
		}
		if made.Types[i].ExampleGiven || !given.Types[i].ExampleGiven {
			t.Errorf("%s: the wrong example", typ.Name())
		}
		var members map[string]any
		if err := json.Unmarshal([]byte(made.Types[i].Example), &members); err != nil {
			t.Fatal(err)
		}
		for _, f := range typ.Fields() {
			if _, ok := members[f.Name]; !ok {
				t.Errorf("%s: the example made up lacks %s", typ.Name(), f.Name)
			}
		}
	}
}

// Rules are met; an optional field for which no value is found is left out; without any valid record there is no example.
func TestMakeExample(t *testing.T) {
	codes := map[string]string{"visit_kind": visitKind}
	cases := []struct {
		name, rest string
		ok         bool
	}{
		{"required under a condition", `"required":["k"],"properties":{"k":{"type":"string","enum":["a"]},"b":{"type":"string","maxLength":4}},
			"allOf":[{"if":{"properties":{"k":{"const":"a"}},"required":["k"]},"then":{"required":["b"]}}]`, true},
		{"format under a condition", `"required":["k"],"properties":{"k":{"type":"string","maxLength":30}},
			"allOf":[{"if":{"properties":{"k":{"const":"x"}},"required":["k"]},"then":{},"else":{"properties":{"k":{"format":"uscc"}}}}]`, true},
		{"contains", `"required":["k"],"properties":{"k":{"type":"string","enum":["a"]},"l":{"type":"array","maxItems":3,"items":{"type":"string","x-codes":["visit_kind"]}}},
			"allOf":[{"properties":{"l":{"contains":{"const":"9"}}}}]`, true},
		{"optional and impossible", `"required":["k"],"properties":{"k":{"type":"string","enum":["a"]},"b":{"type":"string","minLength":5,"maxLength":2}}`, true},
		{"pattern", `"required":["k"],"properties":{"k":{"type":"string","pattern":"^(?:A|B)[0-9]{3}-[a-f]{2,4}x?$"}}`, true},
		{"must not be given", `"required":["k"],"properties":{"k":{"type":"string","enum":["a"]},"b":{"type":"string","maxLength":2}},"allOf":[{"not":{"required":["b"]}}]`, false},
		{"impossible", `"required":["k"],"properties":{"k":{"type":"string","minLength":5,"maxLength":2}}`, false},
	}
	for _, c := range cases {
		types, tables := load(t, map[string]string{"case_type": document("情形", "k", c.rest)}, codes)
		b, err := New(types, tables, nil)
		if err != nil {
			t.Fatal(err)
		}
		example := b.Types[0].Example
		if (example != "") != c.ok {
			t.Errorf("%s: example %q", c.name, example)
		}
		if example != "" && len(types[0].Validate([]byte(example))) > 0 {
			t.Errorf("%s: %s does not validate", c.name, example)
		}
	}
}

func TestRefusedExample(t *testing.T) {
	types, tables := national(t)
	_, err := New(types, tables, map[string][]byte{types[0].Name(): []byte(`{}`)})
	var faults schemas.Faults
	if !errors.As(err, &faults) {
		t.Errorf("an empty record as example gives %v", err)
	}
	if _, err := New(append(types, types[0]), tables, nil); err == nil {
		t.Error("a type given twice is taken")
	}
}

func TestMatching(t *testing.T) {
	for _, p := range []string{`^[0-9]{6}$`, `^[A-Za-z0-9+/]+={0,2}$`, `^[0-9a-z][0-9a-z-]{1,31}/[a-z][a-z0-9_]{1,47}$`, `^(?:ab|c)?x$`, `^[^a1A]{2}\d\w$`} {
		re, err := syntax.Parse(p, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		if s := matching(re); !regexp.MustCompile(p).MatchString(s) {
			t.Errorf("%s does not match %q", p, s)
		}
	}
}
