package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/text/encoding/simplifiedchinese"
	_ "modernc.org/sqlite"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"fayi": main})
}

// TestScripts runs testdata/script/*.txt: one file a subject, each the whole
// life of a command: done, wrong usage, bad input, Chinese and English, -json.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			root, err := filepath.Abs("../..")
			e.Setenv("EXAMPLES", filepath.Join(root, "schemas", "packs", "national", "examples"))
			return err
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"rc": rc, "sql": sqlite, "member": member, "capture": capture, "gb18030": gb18030, "nochinese": noChinese,
		},
	})
}

// rc runs a command and checks its exit code: rc 3 fayi schema check x.csv
func rc(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\n%s%s", got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// sqlite runs a statement, or prints the first column of a query's rows: sql fayi.db 'SELECT …'
func sqlite(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	rows, err := db.Query(args[1])
	ts.Check(err)
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s sql.NullString
		ts.Check(rows.Scan(&s))
		out = append(out, s.String)
	}
	ts.Check(rows.Err())
	if len(args) > 2 {
		if got := strings.Join(out, "|"); got != args[2] {
			ts.Fatalf("%s gives %s, want %s", args[1], got, args[2])
		}
	}
}

// walk follows a path such as sources.0.waiting through the JSON on standard output.
func walk(ts *testscript.TestScript, path string) any {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	for step := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[step]
			if !ok {
				ts.Fatalf("no member %q on the way of %s", step, path)
			}
			v = next
		case []any:
			i, err := strconv.Atoi(step)
			if step == "len" {
				return len(at)
			}
			if err != nil || i >= len(at) {
				ts.Fatalf("no element %q on the way of %s", step, path)
			}
			v = at[i]
		default:
			ts.Fatalf("%s leads to nothing", path)
		}
	}
	return v
}

// member checks a value of the JSON on standard output: member sources.0.waiting 3
func member(ts *testscript.TestScript, neg bool, args []string) {
	if got := fmt.Sprint(walk(ts, args[0])); (got == args[1]) == neg {
		ts.Fatalf("%s is %s, want %s", args[0], got, args[1])
	}
}

// capture puts a value of the JSON on standard output into the environment: capture CODE join_code
func capture(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], fmt.Sprint(walk(ts, args[1])))
}

// gb18030 rewrites a file in that encoding.
func gb18030(ts *testscript.TestScript, _ bool, args []string) {
	text, err := simplifiedchinese.GB18030.NewEncoder().String(ts.ReadFile(args[0]))
	ts.Check(err)
	ts.Check(writeNew(ts.MkAbs(args[1]), []byte(text)))
}

var han = regexp.MustCompile(`\p{Han}.*`)

// noChinese fails if the last command printed Chinese.
func noChinese(ts *testscript.TestScript, _ bool, _ []string) {
	for _, name := range []string{"stdout", "stderr"} {
		if s := han.FindString(ts.ReadFile(name)); s != "" {
			ts.Fatalf("%s has Chinese: %s", name, s)
		}
	}
}

// Every command has help in both languages, wholly in one, ending in an example.
func TestHelp(t *testing.T) {
	t.Parallel()
	var names [][]string
	for _, c := range commands() {
		switch c.name {
		case "demo", "serve", "pull": // of their own files and tests
		case "outbox":
			names = append(names, []string{"outbox"}, []string{"outbox", "install"}, []string{"outbox", "status"}, []string{"outbox", "rejected"}, []string{"outbox", "retry"}, []string{"outbox", "confirm"}, []string{"outbox", "triggers"})
		case "schema":
			names = append(names, []string{"schema"}, []string{"schema", "list"}, []string{"schema", "show"}, []string{"schema", "check"}, []string{"schema", "xsd"}, []string{"schema", "docs"}, []string{"schema", "diff"})
		case "peer":
			names = append(names, []string{"peer"}, []string{"peer", "invite"}, []string{"peer", "approve"}, []string{"peer", "list"})
		default:
			names = append(names, []string{c.name})
		}
	}
	english := regexp.MustCompile(`(?i)\b(usage|flags|default|example)\b`)
	for _, name := range names {
		for _, lang := range []string{"zh", "en"} {
			var out, errs bytes.Buffer
			e := &env{stdin: strings.NewReader(""), stdout: &out, stderr: &errs}
			if code := run(t.Context(), e, append(name[:len(name):len(name)], "-h", "-lang", lang)); code != exitOK || errs.Len() > 0 {
				t.Errorf("%v -lang %s: exit code %d, %s", name, lang, code, &errs)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, "  fayi "+name[0]) {
				t.Errorf("%v: help ends in %q, not in an example", name, last)
			}
			text := strings.Join(lines[:len(lines)-1], "\n")
			if lang == "en" && han.MatchString(text) {
				t.Errorf("%v: Chinese in the English help: %s", name, han.FindString(text))
			}
			if lang == "zh" && english.MatchString(text) {
				t.Errorf("%v: English in the Chinese help: %s", name, english.FindString(text))
			}
		}
	}
}
