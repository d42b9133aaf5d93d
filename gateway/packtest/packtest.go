// Package packtest makes versions of the program's schema pack for tests.
package packtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fayi/schemas"
)

// Edit replaces a text, once, in a file of the pack.
type Edit struct{ File, Old, New string }

// Edits of one type: its next version, a field more, a field now required.
var (
	NewVersion = Edit{"pack.json", "\"name\": \"consultation\",\n   \"version\": 1", "\"name\": \"consultation\",\n   \"version\": 2"}
	NewField   = Edit{"types/consultation.json", `"properties": {`, `"properties": {"newField": {"title": "新字段", "type": "string", "maxLength": 20, "x-sensitivity": "内部"},`}
	Stricter   = Edit{"types/consultation.json", `["consultNo",`, `["consultNo","channel",`}
)

// Next is the program's pack under another version and first day, with edits and
// right digests.
func Next(t testing.TB, version, from string, edits ...Edit) fs.FS {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, schemas.Embedded()); err != nil {
		t.Fatal(err)
	}
	digests := func() map[string]string {
		d, err := schemas.Digests(os.DirFS(dir))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	before := digests()
	program, err := schemas.Read(schemas.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	edits = append(edits, Edit{"pack.json", `"version": "` + program.Version + `"`, `"version": "` + version + `"`}, Edit{"pack.json", `"from": "` + program.From + `"`, `"from": "` + from + `"`})
	replace := func(file, old, new string) {
		path := filepath.Join(dir, file)
		data, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(data), old) {
			t.Fatalf("%s: no %s (%v)", file, old, err)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(data), old, new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range edits {
		replace(e.File, e.Old, e.New)
	}
	for name, digest := range digests() {
		if digest != before[name] {
			replace("pack.json", before[name], digest)
		}
	}
	return os.DirFS(dir)
}
