package profile_test

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/simulator"
	"fayi/gateway/outer"
	"fayi/gateway/strictyaml"
)

// TestTheManualNamesEverything: every key of a profile, every value of a template,
// every class and every fault stands in docs/handoff-profiles.md.
func TestTheManualNamesEverything(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../../docs/handoff-profiles.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	want := func(kind, name string) {
		if !strings.Contains(doc, "`"+name) && !strings.Contains(doc, "."+name) && !strings.Contains(doc, name+"`") && !strings.Contains(doc, name+":") {
			t.Errorf("%s %s is not in the manual", kind, name)
		}
	}
	seen := map[reflect.Type]bool{}
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] || typ == reflect.TypeFor[strictyaml.Tree]() || typ == reflect.TypeFor[time.Duration]() {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			if name := typ.Field(i).Tag.Get("yaml"); name != "" && name != "-" {
				want("key", name)
				walk(typ.Field(i).Type)
			}
		}
	}
	walk(reflect.TypeFor[profile.File]())
	for i := range reflect.TypeFor[profile.Words]().NumField() {
		name, _, _ := strings.Cut(reflect.TypeFor[profile.Words]().Field(i).Tag.Get("json"), ",")
		want("value", name)
	}
	for _, c := range outer.Classes[1:] {
		want("class", string(c))
	}
	for _, k := range simulator.Kinds {
		want("fault", k)
	}
}
