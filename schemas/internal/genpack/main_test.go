package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNotation: each notation becomes the keywords design §8 asks for.
func TestNotation(t *testing.T) {
	for _, c := range []struct {
		notation, rule string
		codes          []string
		must           bool
		want           string
	}{
		{"c18", "", nil, false, `{"type":"string","minLength":18,"maxLength":18}`},
		{"c..100", "", nil, false, `{"type":"string","maxLength":100}`},
		{"c..100", "", nil, true, `{"type":"string","minLength":1,"maxLength":100}`},
		{"c1..20", "", nil, false, `{"type":"string","minLength":1,"maxLength":20}`},
		{"n6", "", nil, false, `{"type":"string","pattern":"^[0-9]{6}$"}`},
		{"n..9", "", nil, false, `{"type":"integer","minimum":0,"maximum":999999999}`},
		{"n..14,2", "", nil, false, `{"type":"string","format":"decimal-14-2"}`},
		{"b", "yes_no", []string{"yes_no"}, false, `{"type":"boolean"}`},
		{"d", "", nil, false, `{"type":"string","format":"date"}`},
		{"dt", "", nil, false, `{"type":"string","format":"date-time"}`},
		{"object", "", nil, false, `{"type":"object","maxProperties":32}`},
		{"n1", "gender", []string{"gender"}, false, `{"type":"string","x-codes":["gender"]}`},
		{"arr n2", "crowd", []string{"crowd"}, true, `{"type":"array","minItems":1,"maxItems":50,"items":{"type":"string","x-codes":["crowd"]}}`},
		{"arr c..20", "", nil, false, `{"type":"array","maxItems":50,"items":{"type":"string","minLength":1,"maxLength":20}}`},
	} {
		o, err := value("some.field", field{Type: c.notation, Codes: c.codes, Rule: c.rule}, c.must, map[string]bool{})
		if err != nil {
			t.Errorf("%s: %v", c.notation, err)
			continue
		}
		got, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, string(got)); diff != "" {
			t.Errorf("%s:\n%s", c.notation, diff)
		}
	}
	for _, bad := range []string{"c", "n..x", "n..16", "nx", "arr", "q", "c.."} {
		if o, err := value("some.field", field{Type: bad}, false, map[string]bool{}); err == nil {
			t.Errorf("%s gave %v", bad, o)
		}
	}
}

// TestStampIsStable: stamping a right pack changes no byte; stamping one with wrong digests makes it the right one.
func TestStampIsStable(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../packs/national")); err != nil {
		t.Fatal(err)
	}
	for _, extra := range []string{"README.md", "examples"} {
		if err := os.RemoveAll(filepath.Join(dir, extra)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "pack.json")
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, start := range [][]byte{want, eraseDigests(want)} {
		if err := os.WriteFile(path, start, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := stampDigests(dir); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Error(diff)
		}
	}
}

func eraseDigests(s []byte) []byte {
	var out []byte
	for {
		at, n := nextDigest(s)
		if at < 0 {
			return append(out, s...)
		}
		out = append(out, s[:at]...)
		s = s[at+n:]
	}
}
