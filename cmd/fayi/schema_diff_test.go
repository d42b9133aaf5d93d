package main

import (
	"archive/zip"
	"bytes"
	"database/sql"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fayi/schemas"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestPackScripts runs testdata/pack/*.txt: what is done to a pack before it is adopted.
func TestPackScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/pack",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"rc": rc, "sql": sqlite, "member": member, "nochinese": noChinese, "repack": repack, "drop": drop, "await": await, "ref": typeRef, "inxlsx": inXLSX,
		},
	})
}

// repack writes the shipped pack with edits and right digests: repack DIR FILE OLD NEW …
func repack(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.CopyFS(dir, schemas.Embedded()))
	before, err := schemas.Digests(os.DirFS(dir))
	ts.Check(err)
	for edits := args[1:]; len(edits) > 0; edits = edits[3:] {
		file := filepath.Join(dir, filepath.FromSlash(edits[0]))
		data, err := os.ReadFile(file)
		ts.Check(err)
		if !bytes.Contains(data, []byte(edits[1])) {
			ts.Fatalf("%s has no %s", edits[0], edits[1])
		}
		ts.Check(os.WriteFile(file, bytes.Replace(data, []byte(edits[1]), []byte(edits[2]), 1), 0o600))
	}
	manifest := filepath.Join(dir, "pack.json")
	data, err := os.ReadFile(manifest)
	ts.Check(err)
	after, err := schemas.Digests(os.DirFS(dir))
	ts.Check(err)
	for name, digest := range before {
		if now, ok := after[name]; ok {
			data = bytes.ReplaceAll(data, []byte(digest), []byte(now))
		}
	}
	ts.Check(os.WriteFile(manifest, data, 0o600))
}

// drop takes a type out of a pack: drop DIR TYPE
func drop(ts *testscript.TestScript, _ bool, args []string) {
	manifest := filepath.Join(ts.MkAbs(args[0]), "pack.json")
	data, err := os.ReadFile(manifest)
	ts.Check(err)
	var pack map[string]any
	ts.Check(json.Unmarshal(data, &pack))
	pack["types"] = slices.DeleteFunc(pack["types"].([]any), func(t any) bool { return t.(map[string]any)["name"] == args[1] })
	data, err = json.Marshal(pack)
	ts.Check(err)
	ts.Check(os.WriteFile(manifest, data, 0o600))
	for _, dir := range []string{"types", "rules"} {
		ts.Check(os.Remove(filepath.Join(ts.MkAbs(args[0]), dir, args[1]+".json")))
	}
}

// inXLSX looks for a text in the sheets of a workbook: inxlsx FILE TEXT
func inXLSX(ts *testscript.TestScript, _ bool, args []string) {
	book, err := zip.OpenReader(ts.MkAbs(args[0]))
	ts.Check(err)
	defer book.Close()
	for _, part := range book.File {
		r, err := part.Open()
		ts.Check(err)
		data, err := io.ReadAll(r)
		ts.Check(err)
		if bytes.Contains(data, []byte(args[1])) {
			return
		}
	}
	ts.Fatalf("%s does not say %s", args[0], args[1])
}

// typeRef puts the reference of a type of the shipped pack into the environment: ref VAR TYPE
func typeRef(ts *testscript.TestScript, _ bool, args []string) {
	r, err := schemas.Load(schemas.Embedded())
	ts.Check(err)
	t, ok := r.Current(args[1])
	if !ok {
		ts.Fatalf("no type %s", args[1])
	}
	ts.Setenv(args[0], t.Ref())
}

// await waits until a query gives a value: await fayi.db 'SELECT …' 3
func await(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", "file:"+ts.MkAbs(args[0])+"?_pragma=busy_timeout(10000)")
	ts.Check(err)
	defer db.Close()
	var got string
	for limit := time.Now().Add(serverLimit); ; time.Sleep(20 * time.Millisecond) {
		if ts.Check(db.QueryRow(args[1]).Scan(&got)); got == args[2] {
			return
		}
		if time.Now().After(limit) {
			ts.Fatalf("%s gives %s, want %s", args[1], got, args[2])
		}
	}
}

// TestPackHelp: the help of the commands about packs is in one language and ends in an example.
func TestPackHelp(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"zh", "en"} {
		var out, errs bytes.Buffer
		e := &env{stdin: strings.NewReader(""), stdout: &out, stderr: &errs}
		if code := run(t.Context(), e, []string{"schema", "diff", "-h", "-lang", lang}); code != exitOK || errs.Len() > 0 {
			t.Fatalf("exit code %d, %s", code, &errs)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "  fayi schema diff ") {
			t.Errorf("help ends in %q", last)
		}
		if lang == "en" && han.MatchString(out.String()) {
			t.Errorf("Chinese in the English help: %s", han.FindString(out.String()))
		}
	}
}
