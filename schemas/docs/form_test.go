package packdoc

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

// parts unpacks a workbook and checks that every part is XML.
func parts(t *testing.T, data string) map[string]string {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(body)
		dec := xml.NewDecoder(bytes.NewReader(body))
		for {
			if _, err := dec.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
		}
	}
	return out
}

var cellText = regexp.MustCompile(`<c r="([A-Z]+[0-9]+)" s="[0-9]+" t="inlineStr"><is><t xml:space="preserve">([^<]*)</t>`)

func cells(part string) map[string]string {
	out := map[string]string{}
	for _, m := range cellText.FindAllStringSubmatch(part, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// The form has titles, then names and notes; text format where zeros lead; lists of codes; no formula.
func TestForm(t *testing.T) {
	types, tables := load(t, map[string]string{"visit": visit}, map[string]string{"visit_kind": visitKind})
	book := parts(t, render(t, types, tables, nil)["templates/visit.xlsx"])
	fill := book["xl/worksheets/sheet1.xml"]
	got := cells(fill)
	for at, want := range map[string]string{"A1": "登记号", "B1": "事项", "J1": "来访人", "A2": "visitNo｜必填｜6 位数字", "C2": "other｜选填（有时必填）｜1 至 100 个字",
		"E2": "urgent｜选填｜是 或 否", "H2": "tags｜选填｜数组，1 至 3 项，各项不重复，每项为至多 10 个字，多项用；分隔", "J2": "people｜选填｜写成 JSON"} {
		if got[at] != want {
			t.Errorf("cell %s is %q, want %q", at, got[at], want)
		}
	}
	for _, want := range []string{
		`<col min="1" max="1" width="18" customWidth="1" style="3"/>`, // visitNo: text
		`<col min="4" max="4" width="18" customWidth="1" style="0"/>`, // count: a number
		`sqref="B3:B10000"><formula1>&#39;代码&#39;!$A$2:$A$4</formula1>`,
		`sqref="E3:E10000"><formula1>&#34;是,否&#34;</formula1>`,
	} {
		if !strings.Contains(fill, want) {
			t.Errorf("the form lacks %s", want)
		}
	}
	if diff := cmp.Diff(map[string]string{"A1": "事项代码", "B1": "名称", "A2": "1", "B2": "咨询", "A3": "2", "B3": "调解", "A4": "9", "B4": "其他"}, cells(book["xl/worksheets/sheet3.xml"])); diff != "" {
		t.Error(diff)
	}
	for name, part := range book {
		if strings.Contains(part, "<f>") {
			t.Errorf("%s has a formula", name)
		}
	}
}

// The forms of the national pack keep the bounds of spreadsheets.
func TestNationalForms(t *testing.T) {
	types, tables := national(t)
	prompts, sheetOf := regexp.MustCompile(` prompt="([^"]*)"`), "xl/worksheets/sheet1.xml"
	n, files := 0, render(t, types, tables, nil)
	for _, typ := range types {
		if _, ok := files["templates/"+typ.Name()+".xlsx"]; ok == typ.System() {
			t.Errorf("%s: form %v; types of the protocol have none, all others one", typ.Name(), ok)
		}
	}
	for name, data := range files {
		if !strings.HasSuffix(name, ".xlsx") {
			continue
		}
		n++
		for _, m := range prompts.FindAllStringSubmatch(parts(t, data)[sheetOf], -1) {
			var text string
			if err := xml.Unmarshal([]byte("<p>"+m[1]+"</p>"), &text); err != nil {
				t.Fatal(err)
			}
			if units := len(utf16.Encode([]rune(text))); units > 255 {
				t.Errorf("%s: a prompt of %d units", name, units)
			}
		}
	}
	if n < 28 {
		t.Errorf("only %d forms", n)
	}
}

func TestLetters(t *testing.T) {
	for n, want := range map[int]string{0: "A", 25: "Z", 26: "AA", 51: "AZ", 52: "BA", 701: "ZZ", 702: "AAA"} {
		if got := letters(n); got != want {
			t.Errorf("column %d is %s, want %s", n, got, want)
		}
	}
}

// A header is the title unless reading it back would lead to another field or a spreadsheet would calculate it.
func TestHeaders(t *testing.T) {
	types, _ := load(t, map[string]string{"case_type": document("情形", "k", `"required":["k"],"properties":{"k":{"title":"键","type":"string","minLength":1},
		"a":{"title":"同名","type":"string"},"b":{"title":"同名","type":"string"},"c":{"title":"k","type":"string"},"d":{"title":"+1","type":"string"},"e":{"title":" 空 ","type":"string"},"f":{"type":"string"}}`)}, nil)
	if diff := cmp.Diff([]string{"键", "a", "b", "c", "d", "e", "f"}, headers(types[0].Fields())); diff != "" {
		t.Error(diff)
	}
}
