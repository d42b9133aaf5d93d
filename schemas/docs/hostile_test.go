package packdoc

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

const (
	script  = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	link    = "[x](javascript:alert(1)) | ![](http://evil.example/x) `` ` <svg> &lt; \\"
	formula = "=HYPERLINK(\"http://evil.example\")"
)

// Whatever a pack says stays text: no tag in HTML and Markdown, no link, no cell border, no formula.
func TestHostilePack(t *testing.T) {
	q := func(s string) string { data, _ := json.Marshal(s); return string(data) }
	doc := document("标题"+script, "k", `
"description":`+q(script+"\n# 标题\n- 项 "+link)+`,
"required":["k"],
"properties":{
 "k":{"title":`+q(script)+`,"type":"string","minLength":1,"maxLength":900,"x-type":`+q(link)+`,"x-mark":`+q(script)+`,"x-source":`+q(link)+`,"x-note":`+q("a|b\n|c|")+`},
 "=1+1":{"title":`+q(formula)+`,"type":"string","maxLength":9},
 "@x":{"title":"\tx","type":"string","maxLength":9},
 "c":{"title":"-c","type":"string","x-codes":["bad"]},
 "d":{"title":"＝d","type":"string","const":`+q("```\n"+script)+`}},
"allOf":[{"x-message":`+q(script+link)+`,"x-message-en":"x","properties":{"c":{"const":`+q(script)+`}}}]`)
	codes := `{"name":"bad","title":` + q(script+link) + `,"en":"x","label_mark":"[SRC]","code_mark":"[SRC]","source":` + q(link) + `,"note":` + q(script) +
		`,"items":[{"code":` + q("<script>") + `,"name":` + q(script) + `},{"code":"=1+1","name":` + q(formula) + `}]}`
	types, tables := load(t, map[string]string{"bad_type": doc}, map[string]string{"bad": codes})
	example, _ := json.Marshal(map[string]string{"k": script + "```\n````"})
	for name, text := range render(t, types, tables, map[string][]byte{"bad_type": example}) {
		lower := strings.ToLower(text)
		switch {
		case strings.HasSuffix(name, ".xlsx"):
		case strings.HasSuffix(name, ".csv"):
			line, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff"))).Read()
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range line {
				if strings.ContainsAny(c[:1], "=+-@\t\r") || strings.HasPrefix(c, "＝") {
					t.Errorf("%s: %q is a formula", name, c)
				}
			}
			if line[1] != "'=1+1" || line[2] != "'@x" || line[3] != "c" || line[4] != "d" {
				t.Errorf("%s: header %q", name, line)
			}
		case strings.HasSuffix(name, ".html"):
			for _, bad := range []string{"<script", "<img", "<svg", `href="javascript`, "href=\"http"} {
				if strings.Contains(lower, bad) {
					t.Errorf("%s has %s", name, bad)
				}
			}
		default:
			inFence := false
			for line := range strings.Lines(text) {
				if strings.HasPrefix(line, "`````") {
					inFence = !inFence
				}
				if inFence {
					continue
				}
				line = strings.ReplaceAll(line, `\]`, "")
				if strings.Contains(strings.ToLower(line), "<script") || strings.Contains(line, "](javascript") || strings.Contains(line, "](http") || strings.Contains(line, "<img") {
					t.Errorf("%s: %s", name, line)
				}
				if cells := unescapedPipes(line); strings.HasPrefix(line, "| `k`") && cells != 8 && cells != 5 {
					t.Errorf("%s: %d borders in %s", name, cells, line)
				}
			}
			if inFence {
				t.Errorf("%s: a fence is not closed", name)
			}
			if strings.Contains(text, "\n# 标题\n") || strings.Contains(text, "\n|c|") {
				t.Errorf("%s: a line end came through", name)
			}
		}
	}
}

func unescapedPipes(line string) int {
	return strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
}

// Escaped text holds nothing Markdown or HTML would act on, and loses nothing but line ends and outer space.
func TestMarkdownEscape(t *testing.T) {
	back := strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("<>&\\`*_[]()|#-+=1.! \n\ta字")))).Draw(t, "s")
		got := md(s)
		if strings.ContainsAny(got, "<>\n\r") {
			t.Fatalf("md(%q) = %q", s, got)
		}
		var plain strings.Builder
		escaped := false
		for _, r := range got {
			switch {
			case !escaped && r == '\\':
				escaped = true
				continue
			case !escaped && strings.ContainsRune("`*_[]|~#", r):
				t.Fatalf("md(%q) = %q: %q is not escaped", s, got, r)
			}
			escaped = false
			plain.WriteRune(r)
		}
		want := strings.TrimSpace(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
				return ' '
			}
			return r
		}, strings.ToValidUTF8(s, "\ufffd")))
		if back.Replace(plain.String()) != want {
			t.Fatalf("md(%q) = %q, reads back as %q", s, got, back.Replace(plain.String()))
		}
	})
}
