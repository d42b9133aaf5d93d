package outer

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"fayi/gateway/strictyaml"

	"golang.org/x/text/encoding/simplifiedchinese"
	"pgregory.net/rapid"
)

func TestHostileDocumentsAreRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, doc string
		want      error
	}{
		{"DOCTYPE", `<!DOCTYPE a [<!ENTITY x "y">]><a/>`, ErrForbidden},
		{"external entity", `<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>`, ErrForbidden},
		{"entity", `<a>&x;</a>`, ErrForbidden},
		{"instruction", `<a><?php x?></a>`, ErrForbidden},
		{"late declaration", `<a/><?xml version="1.0"?>`, ErrForbidden},
		{"a million levels", strings.Repeat("<a>", 1_000_000), ErrDeep},
		{"attribute twice", `<a b="1" b="2"/>`, ErrDuplicate},
		{"two roots", `<a/><b/>`, ErrSyntax},
		{"crossed tags", `<a><b></a></b>`, ErrSyntax},
		{"open", `<a><b>`, ErrSyntax},
		{"text outside", `<a/>x`, ErrSyntax},
		{"nothing", ` `, ErrSyntax},
		{"too many elements", "<a>" + strings.Repeat("<b/>", maxNodes) + "</a>", ErrNodes},
	} {
		if _, err := ParseXML([]byte(tc.doc)); !errors.Is(err, tc.want) {
			t.Errorf("XML, %s: %v", tc.name, err)
		}
	}
	for _, tc := range []struct {
		name, doc string
		want      error
	}{
		{"member twice", `{"a":1,"a":2}`, ErrDuplicate},
		{"member twice by escape", `{"a":1,"\u0061":2}`, ErrDuplicate},
		{"200 levels", strings.Repeat("[", 200) + strings.Repeat("]", 200), ErrDeep},
		{"a million levels", strings.Repeat("[", 1_000_000), ErrDeep},
		{"bad UTF-8", "\"\xff\"", ErrSyntax},
		{"lone surrogate", `"\ud800"`, ErrSyntax},
		{"trailing", `{} {}`, ErrSyntax},
		{"open", `{"a":`, ErrSyntax},
		{"nothing", ``, ErrSyntax},
		{"too many", "[" + strings.Repeat("1,", maxNodes) + "1]", ErrNodes},
	} {
		if _, err := ParseJSON([]byte(tc.doc)); !errors.Is(err, tc.want) {
			t.Errorf("JSON, %s: %v", tc.name, err)
		}
	}
}

// TestCharsetsAreFoundOut: labels lie; names stay whole or the bytes are refused.
func TestCharsetsAreFoundOut(t *testing.T) {
	t.Parallel()
	const name = "吴𠮷䶮彣，工地欠薪"
	gb, err := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(name))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ label, configured string }{
		{"application/json; charset=utf-8", GBK}, {"application/json", GBK}, {"application/json", UTF8},
		{"application/json; charset=gbk", UTF8}, {"text/xml; charset=\"GB2312\"", UTF8}, {"nonsense;;", GB18030},
	} {
		for kind, data := range map[string][]byte{"GB18030": gb, "UTF-8": []byte(name)} {
			if got, err := Decode(data, tc.label, tc.configured); err != nil || string(got) != name {
				t.Errorf("%s labelled %q, configured %s: %q %v", kind, tc.label, tc.configured, got, err)
			}
		}
	}
	// 陆 in GBK is ½ in UTF-8.
	if got, err := Decode([]byte("\xc2\xbd"), "", GBK); err != nil || string(got) != "陆" {
		t.Errorf("%q %v", got, err)
	}
	for _, bad := range []string{"\xc7", "张\xff三", "\x81\x20"} {
		if got, err := Decode([]byte(bad), "application/json; charset=utf-8", GBK); !errors.Is(err, ErrCharset) {
			t.Errorf("%q became %q (%v)", bad, got, err)
		}
	}
}

const everything = `
a: "{id}#{round}"
b: "{count|int}"
c: {d: "{flag|bool}", e: "{when|time}", f: constant, g: 7}
h: {$json: {i: "{inner}", "j": {$each: files, k: "{name}", l: "{size|int}"}}}
m: {$xml: {Root: {"@n": "{attr}", O: "{text}", P: {$each: list, "@q": "{x}"}}}}
r: "{blob|base64}"
`

// TestWrittenIsReadBack: what a template renders in any body form and charset, it
// reads again.
func TestWrittenIsReadBack(t *testing.T) {
	t.Parallel()
	var raw struct {
		T strictyaml.Tree `yaml:"t"`
	}
	d := strictyaml.Decode([]byte("t:"+strings.ReplaceAll(everything, "\n", "\n  ")), &raw)
	tm := compileTemplate(d, "t", &raw.T)
	if err := d.Err("t"); err != nil {
		t.Fatal(err)
	}
	c := compiler{&strictyaml.Document{}}
	f := &Form{Layout: "2006-01-02 15:04:05", Zone: c.zone("", "+08:00")}
	// U+FFFD stands for what is lost; XML has no control characters; white space around a text is the reader's to drop.
	chars := rapid.StringOfN(rapid.RuneFrom([]rune("a1<>&\"'\\/{}[] %+=\n，工地欠薪𠮷䶮彣é")), 1, 20, -1)
	text := rapid.Map(chars, func(s string) string { return "x" + s + "x" })
	rapid.Check(t, func(t *rapid.T) {
		v := NewObject().Set("id", Text(rapid.StringMatching(`HO-[0-9]{6}`).Draw(t, "id"))).
			Set("round", Text(rapid.StringMatching(`[1-9]`).Draw(t, "round"))).
			Set("count", Int(rapid.Int64Range(0, 1e9).Draw(t, "count"))).Set("flag", &Node{Kind: Bool, Text: "true"}).
			Set("when", Text("2026-09-29T16:40:00+08:00")).Set("inner", Text(text.Draw(t, "inner"))).
			Set("attr", Text(text.Draw(t, "attr"))).Set("text", Text(text.Draw(t, "text"))).Set("blob", Text(rapid.StringN(1, 9, -1).Draw(t, "blob")))
		files := &Node{Kind: List}
		for range rapid.IntRange(1, 3).Draw(t, "files") {
			files.Items = append(files.Items, NewObject().Set("name", Text(text.Draw(t, "name"))).Set("size", Int(5)))
		}
		v.Set("files", files)
		v.Set("list", &Node{Kind: List, Items: []*Node{NewObject().Set("x", Text(text.Draw(t, "x")))}})
		doc, err := tm.Render(v, f)
		if err != nil {
			t.Fatal(err)
		}
		body := rapid.SampledFrom([]string{"json", "xml", "soap"}).Draw(t, "body")
		charset := rapid.SampledFrom([]string{UTF8, GBK, GB18030}).Draw(t, "charset")
		if body != "json" {
			doc = NewObject().Set("Root", doc)
		}
		data, ct, err := write(doc, body, charset)
		if err != nil {
			t.Fatal(err)
		}
		back, err := read(data, body, ct, charset)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if body != "json" {
			back = back.Member("Root")
		}
		got := NewObject()
		if err := tm.Read(back, got, f); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"id", "round", "count", "flag", "when", "inner", "attr", "text", "blob"} {
			if a, b := v.Get(name).Value(), got.Get(name).Value(); a != b {
				t.Errorf("%s in %s, %s: %q became %q", name, body, charset, a, b)
			}
		}
		if a, b := AppendJSON(nil, v.Get("files")), AppendJSON(nil, got.Get("files")); !bytes.Equal(a, b) {
			t.Errorf("files: %s became %s", a, b)
		}
		if a, b := AppendJSON(nil, v.Get("list")), AppendJSON(nil, got.Get("list")); !bytes.Equal(a, b) {
			t.Errorf("list: %s became %s", a, b)
		}
	})
}

// TestTemplatesReachNothing: what is not one of the few forms is a fault of the
// profile.
func TestTemplatesReachNothing(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{`"{{.}}{"`, `"{a|exec}"`, `"{a|map:x y}"`, `"{../x}"`, `"{}"`, `"{a"`, `{$file: /etc/passwd}`, `{$env: PATH}`} {
		var raw struct {
			T strictyaml.Tree `yaml:"t"`
		}
		d := strictyaml.Decode([]byte("t: "+bad), &raw)
		compileTemplate(d, "t", &raw.T)
		if d.Err("t") == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	// A value cannot leave its place in a path.
	for s, good := range map[string]bool{"HO-1": true, "20260929164002_64077a7e": true, "榆林1号": true, "../x": false, "a/b": false, "..": false, "x?y": false, "x#1": false, "%2e": false} {
		if pathValue(s) != good {
			t.Errorf("%q", s)
		}
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,"x",null,true]}`, `{"a":1,"a":2}`, "[[[[", `"\ud800"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := ParseJSON(data)
		if err != nil {
			return
		}
		again, err := ParseJSON(AppendJSON(nil, n))
		if err != nil || !bytes.Equal(AppendJSON(nil, n), AppendJSON(nil, again)) {
			t.Errorf("%q: %v", data, err)
		}
	})
}

func FuzzParseXML(f *testing.F) {
	for _, s := range []string{`<a b="1"><c>x</c><c/></a>`, `<!DOCTYPE a><a/>`, `<a>&lt;</a>`, `<s:E xmlns:s="x"><s:B/></s:E>`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := ParseXML(data)
		if err != nil {
			return
		}
		b, err := AppendXML(nil, n)
		if err != nil {
			return // a character reference XML itself forbids
		}
		if !utf8.Valid(b) {
			return // decoded before, as a rule
		}
		if _, err := ParseXML(b); err != nil {
			t.Errorf("%q became %q: %v", data, b, err)
		}
	})
}

func FuzzReadBody(f *testing.F) {
	f.Add([]byte("data=%B9%A4&sign=x"), "form", "application/x-www-form-urlencoded")
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\nabc\r\n--b--"), "multipart", "multipart/form-data; boundary=b")
	f.Add([]byte(`<Envelope><Body><A/></Body></Envelope>`), "soap", "text/xml; charset=gbk")
	f.Fuzz(func(t *testing.T, data []byte, kind, contentType string) {
		if n, err := read(data, kind, contentType, GBK); err == nil && n == nil {
			t.Error("nothing and no error")
		}
	})
}
