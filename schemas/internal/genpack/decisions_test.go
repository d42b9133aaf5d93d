package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBlocks: fields named block.member become the closed elements of the arrays that name the block, each array with its own amendments.
func TestBlocks(t *testing.T) {
	table := func(name, required, mark string) field {
		return field{Name: name, ZH: name, Type: "c..64", Required: required, RequiredMark: mark, Mark: "SRC", Source: "S1", LengthMark: "SRC:S1"}
	}
	array := func(name string) field {
		return field{Name: name, ZH: name, Type: "arr(party)", Required: "M", RequiredMark: "INFER", Mark: "SRC", Source: "S1", LengthMark: "-"}
	}
	e := entity{ID: "mediation_case", Fields: []field{
		array("applicants"), array("respondents"), table("party.name", "M", "INFER"), table("party.idCard", "M", "SRC"), table("party.household", "O", "INFER"),
	}}
	fields, err := e.prepare()
	if err != nil {
		t.Fatal(err)
	}
	type element struct {
		Required   []string
		Closed     *bool                                         `json:"additionalProperties"`
		Properties map[string]struct{ MinLength, MaxLength int } `json:"properties"`
	}
	got := map[string]element{}
	for _, f := range fields {
		o, err := value(e.ID+"."+f.Name, f, false, map[string]bool{})
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct{ Items element }
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		got[f.Name] = doc.Items
	}
	closed := new(bool)
	bounds := func(nameMin, idMin, household int) map[string]struct{ MinLength, MaxLength int } {
		return map[string]struct{ MinLength, MaxLength int }{"name": {nameMin, 64}, "idCard": {idMin, 64}, "household": {0, household}}
	}
	want := map[string]element{
		"applicants":  {[]string{"name", "idCard"}, closed, bounds(1, 1, 64)},
		"respondents": {[]string{"name"}, closed, bounds(1, 0, 600)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	e.Fields = e.Fields[:2]
	if _, err := e.prepare(); err == nil {
		t.Error("an array of a block that does not exist was accepted")
	}
}

// TestDecisionsNameFields: a decision about a field that does not exist, or a field with two classes, stops the generator.
func TestDecisionsNameFields(t *testing.T) {
	fields := []field{{Name: "id"}, {Name: "phone"}}
	good := plan{class: internal, essential: []string{"id"}, classes: map[string][]string{sensitive: {"phone"}}}
	if err := good.check(fields); err != nil {
		t.Error(err)
	}
	for name, p := range map[string]plan{
		"required":    {class: internal, essential: []string{"key"}},
		"class":       {class: internal, classes: map[string][]string{sensitive: {"fone"}}},
		"two classes": {class: internal, classes: map[string][]string{sensitive: {"phone"}, public: {"phone"}}},
		"own class":   {class: internal, classes: map[string][]string{internal: {"phone"}}},
	} {
		if p.check(fields) == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	err := checkPaths(nil)
	if err == nil || !strings.Contains(err.Error(), "which no table has") {
		t.Errorf("decisions without tables: %v", err)
	}
}

// TestPlans: every plan says who gets the records, and no two are of one type.
func TestPlans(t *testing.T) {
	var names []string
	for _, p := range plans {
		names = append(names, p.name)
		if len(p.audience) != 4 || p.en == "" || len(p.essential) == 0 || !slices.Contains([]string{public, internal}, p.class) {
			t.Errorf("%s is incomplete", p.name)
		}
	}
	slices.Sort(names)
	if n := len(slices.Compact(names)); n != 29 || n != len(plans) {
		t.Errorf("%d types in %d plans", n, len(plans))
	}
}
