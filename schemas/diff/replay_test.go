package diff

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReplay: each kind of record is counted once, and what is newly refused is named by position, never by value.
func TestReplay(t *testing.T) {
	old, err := thing()
	if err != nil {
		t.Fatal(err)
	}
	new, err := thing(in(`"maxLength":8`, `"maxLength":3`), edit{tab, `{"code":"2"`, `{"code":"3","name":"三"},{"code":"2"`})
	if err != nil {
		t.Fatal(err)
	}
	r := &TypeReplay{Type: "thing"}
	for i, c := range []struct{ key, data string }{
		{"1", `{"id":"1","kind":"2","place":"610800","open":false}`},        // both accept
		{"12345", `{"id":"12345","kind":"2","place":"610800","open":true}`}, // oneOf: two; both refuse
		{"1234", `{"id":"1234","kind":"2","place":"610800","open":false}`},  // too long now
		{"1", `{"id":"1","kind":"3","place":"610800","open":false}`},        // a new code
		{"2", `{"id":"1","kind":"2","place":"610800","open":false}`},        // another's key
		{"1", `{`},
	} {
		r.Judge(old.Types[0], new.Types[0], "610800/thing/upstream:0:"+string(rune('1'+i)), c.key, []byte(c.data))
	}
	want := &TypeReplay{Type: "thing", Records: 6, Accepted: 1, Refused: 1, Allowed: 1, Still: 3, Faults: []ReplayFault{{"610800/thing/upstream:0:3", "LENGTH", "/id"}}}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
	// A dropped type refuses everything; of many records only the first are named.
	r = &TypeReplay{Type: "thing"}
	for range 30 {
		r.Judge(old.Types[0], nil, "p", "1", []byte(`{"id":"1","kind":"2","place":"610800","open":false}`))
	}
	if r.Refused != 30 || len(r.Faults) != maxFaults || r.Faults[0].Code != CodeType {
		t.Errorf("%+v", r)
	}
	// Another key field.
	other, err := thing(in(`"x-key":"id"`, `"x-key":"kind"`), edit{man, `"key":"id"`, `"key":"kind"`})
	if err != nil {
		t.Fatal(err)
	}
	r = &TypeReplay{Type: "thing"}
	r.Judge(old.Types[0], other.Types[0], "p", "1", []byte(`{"id":"1","kind":"2","place":"610800","open":false}`))
	if diff := cmp.Diff([]ReplayFault{{"p", CodeKey, "/kind"}}, r.Faults); diff != "" {
		t.Error(diff)
	}
}

func TestAdoptable(t *testing.T) {
	clean := &Replay{Types: []*TypeReplay{{Type: "thing", Records: 9, Accepted: 8, Allowed: 1}}}
	refusing := &Replay{Types: []*TypeReplay{clean.Types[0], {Type: "other", Records: 1, Refused: 1}}}
	var every []Change
	for _, c := range []Class{Wording, Compatible, Looser, Stricter, Breaking, "of a later version"} {
		every = append(every, Change{Class: c, Type: "thing", Message: "变", Why: "故", MessageEN: "m", WhyEN: "w"})
	}
	for name, c := range map[string]struct {
		changes []Change
		replay  *Replay
		want    bool
	}{
		"nothing":            {nil, clean, true},
		"nothing was stored": {every[:2], &Replay{}, true},
		"compatible":         {every[:2], clean, true},
		"not replayed":       {every[:2], nil, false},
		"refusing":           {every[:2], refusing, false},
		"looser":             {every[2:3], clean, false},
		"stricter":           {every[3:4], clean, false},
		"breaking":           {every[4:5], clean, false},
		"unknown":            {every[5:], clean, false},
		"all":                {every, clean, false},
	} {
		got, reason := Adoptable(c.changes, c.replay)
		if got != c.want || reason.ZH == "" || reason.EN == "" {
			t.Errorf("%s: %t, %+v", name, got, reason)
		}
	}
	if _, reason := Adoptable(every, clean); reason.ZH != "有 4 处改动须由人确认，第一处：thing 变（故）" || reason.EN != "4 changes need a person; the first: thing m (w)" {
		t.Errorf("%+v", reason)
	}
}
