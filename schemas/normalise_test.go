package schemas

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNormalise: what is declared is done to values at fault and told; nothing else is touched, not even its spelling.
func TestNormalise(t *testing.T) {
	ty := typeNamed(t, "lawyer")
	head := `{"name":"\u767d样例","licenseNo":"16108201510900001","practiceStatus":"1"`
	for name, c := range map[string]struct {
		in, out string
		changes []Change
		left    []string // faults after it
	}{
		"full-width digits": {head + `,"phone":"１５４０００００００１"}`, head + `,"phone":"15400000001"}`, []Change{{"/phone", []string{"half-width"}, "１５４０００００００１"}}, nil},
		"spaces":            {head + `,"idCard":"　610802190001010017 ","email":" a@b "}`, head + `,"idCard":"610802190001010017","email":" a@b "}`, []Change{{"/idCard", []string{"half-width", "trim"}, "　610802190001010017 "}}, nil},
		"small x":           {head + `,"idCard":"61080319001231029x"}`, head + `,"idCard":"61080319001231029X"}`, []Change{{"/idCard", []string{"upper"}, "61080319001231029x"}}, nil},
		"in an array":       {head + `,"punishments":[{},{"start":"２０２４-03-01"}]}`, "", nil, []string{"FORMAT /punishments/1/start"}},
		"still wrong":       {head + `,"phone":" 暂无 "}`, head + `,"phone":"暂无"}`, []Change{{"/phone", []string{"trim"}, " 暂无 "}}, []string{"FORMAT /phone"}},
		"nothing to do":     {head + `,"phone":"\u6682无"}`, "", nil, []string{"FORMAT /phone"}},
		"not declared":      {head + `,"gender":"１"}`, "", nil, []string{"CODE /gender"}},
		"no text":           {head + `,"phone":15400000001}`, "", nil, []string{"TYPE /phone"}},
		"too long":          {head + `,"phone":"` + strings.Repeat(" ", maxNormalised) + `15400000001"}`, "", nil, []string{"LENGTH /phone"}},
		"nothing at fault":  {head + `,"introduction":"　１２３　","phone":"154 0000 0001"}`, "", nil, nil},
	} {
		data, changes := ty.Normalise([]byte(c.in), ty.Validate([]byte(c.in)))
		if c.out == "" {
			c.out = c.in
		}
		if string(data) != c.out {
			t.Errorf("%s: %s", name, data)
		}
		if diff := cmp.Diff(c.changes, changes); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(c.left, brief(ty.Validate(data))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for in, want := range map[string]string{
		`{"fax":"暂无","name":"n","creditCode":"31610000MD00000163","status":"1"}`:    `{"name":"n","creditCode":"31610000MD00000163","status":"1"}`,
		`{"name":"n","creditCode":"31610000MD00000163","status":"1", "fax" : "-" }`: `{"name":"n","creditCode":"31610000MD00000163","status":"1" }`,
		`{"name":"n","fax":"无","creditCode":"31610000MD00000163","status":"1"}`:     `{"name":"n","creditCode":"31610000MD00000163","status":"1"}`,
	} {
		firm := typeNamed(t, "law_firm")
		data, changes := firm.Normalise([]byte(in), firm.Validate([]byte(in)))
		if string(data) != want || len(changes) != 1 || len(firm.Validate(data)) > 0 {
			t.Errorf("%s: %s %v", in, data, changes)
		}
	}
	// A key is never changed, nor is a required member left out: no pack may declare it.
	for place, text := range map[string]string{
		"/properties/id/x-normalise":   `"maxLength":8,"x-normalise":["trim"]`,
		"/properties/kind/x-normalise": `"maxLength":8},"more":{"type":"string","x-normalise":["absent"]`,
	} {
		edits := [][3]string{{"types/thing.json", `"maxLength":8`, text}}
		if strings.Contains(text, "more") {
			place = "/properties/more/x-normalise"
			edits = append(edits, [3]string{"types/thing.json", `"required":["id"]`, `"required":["id","more"]`})
		}
		if _, err := Load(smallPack(t, edits...)); err == nil || !strings.Contains(err.Error(), place) {
			t.Errorf("%s: %v", place, err)
		}
	}
	if _, err := Load(smallPack(t, [3]string{"types/thing.json", `"x-codes"`, `"x-normalise":["guess"],"x-codes"`})); err == nil {
		t.Error("an unknown step is taken")
	}
}

// TestNormaliseTouchesNothingElse: over generated and mutated records, a record without fault stays as it is byte for byte; otherwise only the
// members that the changes name differ, and each change is told with what the value was.
func TestNormaliseTouchesNothingElse(t *testing.T) {
	changed := 0
	for _, ty := range registry(t).Types() {
		g := generatorFor(t, ty)
		g.Rand = rand.New(rand.NewPCG(11, 12))
		for range 150 {
			data := g.record()
			if same, changes := ty.Normalise(data, ty.Validate(data)); len(ty.Validate(data)) == 0 && (len(changes) > 0 || !bytes.Equal(same, data)) {
				t.Fatalf("%s: a valid record was changed: %v", ty.Name(), changes)
			}
			// Digits become full-width here and there.
			wide := []byte(string(data))
			for _, c := range "0123456789" {
				if g.chance(0.3) {
					wide = bytes.ReplaceAll(wide, []byte{'"', byte(c)}, []byte(`"`+string(c-'0'+'０')))
				}
			}
			after, changes := ty.Normalise(wide, ty.Validate(wide))
			changed += len(changes)
			var was, is map[string]any
			if json.Unmarshal(wide, &was) != nil {
				continue
			}
			if err := json.Unmarshal(after, &is); err != nil {
				t.Fatalf("%s: %v: %s", ty.Name(), err, after)
			}
			for name, v := range was {
				told := slices.ContainsFunc(changes, func(c Change) bool {
					return c.At == pointer(name) && c.Was == v || strings.HasPrefix(c.At, pointer(name)+"/")
				})
				if !told && !reflect.DeepEqual(v, is[name]) {
					t.Fatalf("%s: %s was %v and is %v, which %v do not tell", ty.Name(), name, v, is[name], changes)
				}
			}
			if len(changes) == 0 && !bytes.Equal(after, wide) {
				t.Fatalf("%s: bytes differ without a change", ty.Name())
			}
		}
	}
	if changed < 500 {
		t.Errorf("only %d changes", changed)
	}
}

// FuzzNormalise: no bytes and no pointer make it panic.
func FuzzNormalise(f *testing.F) {
	ty := typeNamed(f, "lawyer")
	f.Add([]byte(`{"phone":"１","a":[{"b":1}]}`), "/phone")
	f.Add([]byte(`{"rewards":[{"level":"1"}]}`), "/rewards/0/level")
	f.Fuzz(func(t *testing.T, data []byte, at string) {
		ty.Normalise(data, Faults{{Pointer: at}})
		if strings.HasPrefix(at, "/") {
			locate(data, strings.Split(at[1:], "/"))
		}
		ty.Normalise(data, ty.Validate(data))
	})
}
