package schemas

import "testing"

// What the strict table leaves to others although the schema allows it.
func TestStrictTable(t *testing.T) {
	doc := map[string]any{"type": "object", "properties": map[string]any{
		"n": map[string]any{"type": "integer"}, "any": map[string]any{},
		"o": map[string]any{"type": "object", "properties": map[string]any{"k": map[string]any{"type": "boolean"}}},
	}}
	fast, err := compileTable(doc)
	if err != nil {
		t.Fatal(err)
	}
	strict := fast.strict()
	for data, want := range map[string]bool{
		`{"n":1,"o":{"k":true}}`:         true,
		`{"n":9007199254740991}`:         true,
		`{"n":-9007199254740991}`:        true,
		`{"n":9007199254740992}`:         false,
		`{"n":-9007199254740992}`:        false,
		`{"n":1,"other":1}`:              false,
		`{"o":{"k":true,"x":1,"x":2}}`:   false,
		`{"any":{"a":1,"a":2}}`:          false,
		`{"any":1}`:                      false,
		`{"n":1,"n":1}`:                  false,
		`{"o":{"k":true},"o":{"k":true}`: false,
	} {
		if got := strict.accepts([]byte(data)); got != want {
			t.Errorf("%s: %v", data, got)
		}
		if want && !fast.accepts([]byte(data)) {
			t.Errorf("%s is accepted by the strict table only", data)
		}
	}
}
