// Package docs_test holds the documents to the program: links resolve, error
// codes, examples, routes and promises are those of the code, and the two
// READMEs stay in step.
package docs_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"fayi/gateway"
	"fayi/gateway/problem"
)

const root = ".."

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// pages are the Markdown files of the top level and of docs/.
func pages(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			list = append(list, filepath.Join(root, "docs", path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range list {
		if list[i], err = filepath.Rel(root, p); err != nil {
			t.Fatal(err)
		}
	}
	if len(list) < 10 {
		t.Fatalf("only %d pages found", len(list))
	}
	return list
}

var (
	fence   = regexp.MustCompile("(?ms)^```.*?^```[^\\n]*$")
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^(#+) (.+)$`)
)

// anchor is the fragment of a heading: letters and digits in lower case, spaces
// as hyphens, everything else dropped.
func anchor(title string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(title) {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('-')
		}
	}
	return b.String()
}

func TestLinksResolve(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(read(t, page), ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, fragment, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: link to %s: no such file", page, m[1])
				continue
			}
			if fragment == "" {
				continue
			}
			found := slices.ContainsFunc(heading.FindAllStringSubmatch(fence.ReplaceAllString(read(t, target), ""), -1),
				func(h []string) bool { return anchor(h[2]) == fragment })
			if !found {
				t.Errorf("%s: link to %s: no such heading", page, m[1])
			}
		}
	}
}

func TestReadmesInStep(t *testing.T) {
	levels := func(page string) (out []string) {
		for _, h := range heading.FindAllStringSubmatch(fence.ReplaceAllString(read(t, page), ""), -1) {
			out = append(out, h[1])
		}
		return out
	}
	en, zh := levels("README.md"), levels("README.zh-CN.md")
	if !slices.Equal(en, zh) {
		t.Errorf("headings differ: %v, %v", en, zh)
	}
	commands := regexp.MustCompile(`(?m)^(?:\./fayi|go|bash|sqlite3) \S+ \S+`)
	if a, b := commands.FindAllString(read(t, "README.md"), -1), commands.FindAllString(read(t, "README.zh-CN.md"), -1); !slices.Equal(a, b) {
		t.Errorf("commands differ:\n%q\n%q", a, b)
	}
}

func TestPromisesAreTests(t *testing.T) {
	named := regexp.MustCompile("`(TestP[0-9]+[A-Za-z]+)`")
	tests := read(t, "gateway/promises_test.go")
	for _, page := range []string{"README.md", "README.zh-CN.md"} {
		found := named.FindAllStringSubmatch(read(t, page), -1)
		for _, m := range found {
			if !strings.Contains(tests, "func "+m[1]+"(") {
				t.Errorf("%s names %s, which is no test", page, m[1])
			}
		}
		if n := strings.Count(tests, "func TestP"); len(found) != n {
			t.Errorf("%s names %d of %d tests", page, len(found), n)
		}
	}
}

// codes reads the string constants of gateway/problem/codes.go.
func codes(t *testing.T) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "gateway/problem/codes.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{problem.OK}
	ast.Inspect(f, func(n ast.Node) bool {
		if d, ok := n.(*ast.GenDecl); ok && d.Tok == token.CONST {
			for _, s := range d.Specs {
				v, err := strconv.Unquote(s.(*ast.ValueSpec).Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, v)
			}
		}
		return true
	})
	if len(out) < 20 {
		t.Fatalf("only %d codes found", len(out))
	}
	return out
}

func TestCodesAreDocumented(t *testing.T) {
	_, section, ok := strings.Cut(read(t, "docs/protocol.md"), "## 11 Codes")
	if !ok {
		t.Fatal("protocol.md has no chapter 11")
	}
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z0-9_]+)` \\| (.*) \\|$").FindAllStringSubmatch(section, -1) {
		rows[m[1]] = m[2]
	}
	all := codes(t)
	for _, c := range all {
		if want := problem.Describe(c).En; rows[c] != want {
			t.Errorf("code %s: protocol.md says %q, the program %q", c, rows[c], want)
		}
		delete(rows, c)
	}
	for c := range rows {
		t.Errorf("protocol.md documents %s, which the program does not have", c)
	}
}

// TestExamples compares the JSON examples of protocol.md with docs/vectors.
func TestExamples(t *testing.T) {
	var segment struct {
		Header string
		Lines  []struct{ Text string }
	}
	var objects []struct{ Kind, Body string }
	for file, v := range map[string]any{"segment.json": &segment, "objects.json": &objects} {
		if err := json.Unmarshal([]byte(read(t, "docs/vectors/"+file)), v); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"header": segment.Header, "line": segment.Lines[0].Text}
	certs := regexp.MustCompile(`"cert":"[^"]*"`)
	for _, o := range objects {
		want[o.Kind] = certs.ReplaceAllString(o.Body, `"cert":"…"`)
	}
	if len(want) != 9 {
		t.Fatalf("%d kinds of examples", len(want))
	}
	var shown []string
	for _, m := range regexp.MustCompile("(?s)```json\n(.*?)\n```").FindAllStringSubmatch(read(t, "docs/protocol.md"), -1) {
		shown = append(shown, m[1])
	}
	for kind, text := range want {
		if !slices.Contains(shown, text) {
			t.Errorf("protocol.md does not show the %s of docs/vectors", kind)
		}
	}
	if len(shown) != len(want) {
		t.Errorf("protocol.md has %d JSON examples, docs/vectors %d", len(shown), len(want))
	}
}

func TestRoutesAreDocumented(t *testing.T) {
	var shown []string
	for _, m := range regexp.MustCompile("(?m)^### `((?:GET|POST) /\\S+)`").FindAllStringSubmatch(read(t, "docs/api.md"), -1) {
		shown = append(shown, m[1])
	}
	var have []string
	for _, r := range gateway.Routes {
		have = append(have, r.Method+" "+r.Pattern)
	}
	slices.Sort(shown)
	slices.Sort(have)
	if !slices.Equal(shown, have) {
		t.Errorf("api.md has %v, the program %v", shown, have)
	}
}
