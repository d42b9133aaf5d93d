package packdoc

import (
	"flag"
	"html"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

// A small type with one of everything a page shows.
var (
	visit = document("来访登记", "visitNo", `
"description":"一次来访登记一条。",
"required":["visitNo","kind"],
"$defs":{"person":{"title":"人员","type":"object","required":["name"],"additionalProperties":false,"properties":{
  "name":{"title":"姓名","type":"string","minLength":1,"maxLength":50,"x-sensitivity":"敏感个人信息"},
  "idCard":{"title":"身份证号","type":"string","format":"id18","x-sensitivity":"敏感个人信息"}}}},
"properties":{
 "visitNo":{"title":"登记号","type":"string","pattern":"^[0-9]{6}$","x-type":"n6","x-mark":"[STD]","x-length-mark":"[STD*]","x-required-mark":"[SRC:S1]","x-source":"S1","x-sensitivity":"公开"},
 "kind":{"title":"事项","type":"string","x-codes":["visit_kind"],"x-type":"n1","x-mark":"[SRC]","x-sensitivity":"内部"},
 "other":{"title":"其他事项","type":"string","minLength":1,"maxLength":100,"x-type":"c1..100","x-note":"kind=9"},
 "count":{"title":"人数","type":"integer","minimum":1,"maximum":99,"x-expected":true,"x-type":"n..2","x-mark":"[INFER]"},
 "urgent":{"title":"是否紧急","type":"boolean","x-type":"b"},
 "day":{"title":"来访日期","type":"string","format":"date","x-type":"d"},
 "fee":{"title":"费用","type":"string","format":"decimal-10-2","x-type":"n..10,2"},
 "tags":{"title":"标签","type":"array","minItems":1,"maxItems":3,"uniqueItems":true,"items":{"type":"string","maxLength":10}},
 "before":{"title":"前次来访","type":"string","maxLength":64,"x-ref":["visit"]},
 "people":{"title":"来访人","type":"array","maxItems":5,"items":{"$ref":"#/$defs/person"}}},
"allOf":[
 {"x-when":"事项为其他","x-when-en":"kind is 9","if":{"properties":{"kind":{"enum":["9"]}},"required":["kind"]},"then":{"required":["other"]}},
 {"x-message":"紧急来访须写明日期","x-message-en":"urgent needs a day","anyOf":[{"required":["day"]},{"properties":{"urgent":{"const":false}},"required":["urgent"]}]}]`)
	visitKind = `{"name":"visit_kind","title":"来访事项","en":"kind of visit","label_mark":"[SRC]","code_mark":"[INFER]","source":"示例","items":[
 {"code":"1","name":"咨询"},{"code":"2","name":"调解","parent":"1"},{"code":"9","name":"其他"}]}`
)

func TestGolden(t *testing.T) {
	types, tables := load(t, map[string]string{"visit": visit}, map[string]string{"visit_kind": visitKind})
	files := render(t, types, tables, nil)
	for _, name := range []string{"index.html", "index.md", "codes.html", "codes.md", "types/visit.html", "types/visit.md", "templates/visit.csv"} {
		file := filepath.Join("testdata", "golden", filepath.FromSlash(name))
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(files[name]), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), files[name]); diff != "" {
			t.Errorf("%s (-want +got; go test -update writes it anew):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(files, render(t, types, tables, nil)); diff != "" {
		t.Errorf("a second rendering differs:\n%s", diff)
	}
}

var (
	htmlLink   = regexp.MustCompile(`href="([^"]*)"`)
	mdLink     = regexp.MustCompile(`\]\(([^)]*)\)`)
	anchor     = regexp.MustCompile(`id="([^"]*)"`)
	external   = regexp.MustCompile(`(?i)\ssrc=|<script|<link|<img|<iframe|url\(|@import|https?://`)
	unfinished = regexp.MustCompile(`<no value>|%!|ZgotmplZ`)
)

// Every link of every page leads to a file of the book, and to an anchor in it; a page loads nothing.
func TestLinksResolve(t *testing.T) {
	types, tables := national(t)
	files := render(t, types, tables, nationalExamples(t))
	links := 0
	for name, text := range files {
		if ext := path.Ext(name); ext != ".html" && ext != ".md" {
			continue
		}
		if s := unfinished.FindString(text); s != "" {
			t.Errorf("%s: has %s", name, s)
		}
		find := mdLink
		if strings.HasSuffix(name, ".html") {
			find = htmlLink
			head, _, _ := strings.Cut(text, "<body>")
			if s := external.FindString(head + regexp.MustCompile(`<[^>]*>`).FindString(text)); s != "" {
				t.Errorf("%s: loads something: %s", name, s)
			}
		}
		for _, m := range find.FindAllStringSubmatch(text, -1) {
			links++
			file, id, _ := strings.Cut(html.UnescapeString(m[1]), "#")
			target := name
			if file != "" {
				target = path.Join(path.Dir(name), file)
			}
			content, ok := files[target]
			if !ok {
				t.Errorf("%s: %s leads nowhere", name, m[1])
			}
			if id != "" && !strings.Contains(content, `id="`+id+`"`) {
				t.Errorf("%s: %s has no such anchor", name, m[1])
			}
		}
		seen := map[string]bool{}
		for _, m := range anchor.FindAllStringSubmatch(text, -1) {
			if seen[m[1]] {
				t.Errorf("%s: anchor %s occurs twice", name, m[1])
			}
			seen[m[1]] = true
		}
	}
	if links < 1000 {
		t.Errorf("only %d links found", links)
	}
}

// Every field of every type and every code of every table stands on its page.
func TestNothingLeftOut(t *testing.T) {
	types, tables := national(t)
	files := render(t, types, tables, nil)
	for _, typ := range types {
		page, text := html.UnescapeString(files["types/"+typ.Name()+".html"]), files["types/"+typ.Name()+".md"]
		for _, f := range typ.Fields() {
			if want := "<code>" + f.Name + "</code></td><td>" + f.Title + "</td>"; !strings.Contains(page, want) {
				t.Errorf("%s.html lacks %s", typ.Name(), want)
			}
			if want := "| `" + f.Name + "` | " + md(f.Title) + " |"; !strings.Contains(text, want) {
				t.Errorf("%s.md lacks %s", typ.Name(), want)
			}
		}
	}
	for _, table := range tables {
		if !strings.Contains(files["codes.html"], `id="t-`+table.Name+`"`) || !strings.Contains(files["codes.md"], `id="t-`+table.Name+`"`) {
			t.Errorf("code table %s is not listed", table.Name)
		}
		for _, it := range table.Items {
			if !strings.Contains(files["codes.html"], "<code>"+html.EscapeString(it.Code)+"</code>") {
				t.Errorf("%s: code %s is not listed", table.Name, it.Code)
			}
		}
	}
}

// Tables of one name and different contents, from two packs, keep apart.
func TestTwoTablesOfOneName(t *testing.T) {
	b := &Book{}
	_, first := load(t, map[string]string{"visit": visit}, map[string]string{"visit_kind": visitKind})
	_, second := load(t, map[string]string{"visit": visit}, map[string]string{"visit_kind": strings.ReplaceAll(visitKind, "咨询", "来信")})
	_, again := load(t, map[string]string{"visit": visit}, map[string]string{"visit_kind": visitKind})
	if a, c := b.table(first[0]), b.table(again[0]); a != c {
		t.Errorf("equal tables have two pages")
	}
	if a, c := b.table(first[0]), b.table(second[0]); a == c || a.Anchor == c.Anchor {
		t.Errorf("different tables share a page: %s, %s", a.Anchor, c.Anchor)
	}
}
