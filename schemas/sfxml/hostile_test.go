package sfxml_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"fayi/schemas"
	"fayi/schemas/sfxml"

	"golang.org/x/text/encoding/simplifiedchinese"
)

const (
	declared = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	opened   = `<message xmlns="https://schemas.fayi.invalid/xml/1/lawyer"><head><type>lawyer</type></head><body>` + "\n"
	closed   = "</body></message>"
)

// data is a message of one record with these elements in it.
func data(elements string) string {
	return declared + opened + "<record><data>" + elements + "</data></record>\n<record><data/></record>" + closed
}

var han = regexp.MustCompile(`\p{Han}`)

// What is refused, with its code and place. A place with "!" is of a record; the next one is read. The others end the message.
func TestRefused(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("<a>", 40)
	for name, c := range map[string]struct{ doc, code, place string }{
		"nothing":                     {"", sfxml.CodeTruncated, "1:1"},
		"not XML":                     {"{}", sfxml.CodeText, "1:1"},
		"document type":               {declared + `<!DOCTYPE message [<!ENTITY a "b">]>` + opened + closed, sfxml.CodeDoctype, "2:1"},
		"document type, external":     {`<!DOCTYPE message SYSTEM "file:///etc/passwd">` + opened + closed, sfxml.CodeDoctype, "1:1"},
		"entity":                      {data("<name>&a;</name>"), sfxml.CodeEntity, "3:23"},
		"instruction":                 {declared + `<?php x?>` + opened + closed, sfxml.CodeInstruction, "2:1"},
		"declaration not first":       {"\n" + declared + opened + closed, sfxml.CodeInstruction, "2:1"},
		"declaration twice":           {declared + declared + opened + closed, sfxml.CodeInstruction, "2:1"},
		"version 1.1":                 {`<?xml version="1.1"?>` + opened + closed, sfxml.CodeInstruction, "1:21"},
		"another encoding":            {`<?xml version="1.0" encoding="UTF-16"?>` + opened + closed, sfxml.CodeEncoding, "1:1"},
		"GBK without asking":          {`<?xml version="1.0" encoding="GBK"?>` + opened + closed, sfxml.CodeEncoding, "1:1"},
		"UTF-16":                      {"\xff\xfe<\x00", sfxml.CodeEncoding, "1:1"},
		"not UTF-8":                   {data("<name>\xb0\xd7</name>"), sfxml.CodeEncoding, "3:22"},
		"depth":                       {declared + opened + "<record><data>" + deep, sfxml.CodeDepth, "3:99"},
		"depth in an unknown element": {data(deep), sfxml.CodeDepth, "3:99"},
		"cut off in a tag":            {declared + opened + "<record><da", sfxml.CodeTruncated, "3:11"},
		"cut off in a record":         {declared + opened + "<record><data><name>白", sfxml.CodeTruncated, "3:21"},
		"cut off behind a record":     {declared + opened + "<record/>", sfxml.CodeTruncated, "3:9"},
		"cut off in the head":         {`<message xmlns="https://schemas.fayi.invalid/xml/1/lawyer"><head>`, sfxml.CodeTruncated, "1:65"},
		"tags that do not match":      {data("<name>白</nom>"), sfxml.CodeSyntax, "3:27"},
		"namespace":                   {`<message xmlns="urn:x"><head/></message>`, sfxml.CodeNamespace, "1:1"},
		"no namespace":                {`<message><head/></message>`, sfxml.CodeNamespace, "1:1"},
		"unknown type":                {strings.ReplaceAll(opened, "lawyer", "lawer") + closed, sfxml.CodeType, "1:1"},
		"type against namespace":      {strings.Replace(opened, "<type>lawyer", "<type>notary", 1) + closed, sfxml.CodeType, "1:60"},
		"no type":                     {strings.Replace(opened, "<type>lawyer</type>", "", 1) + closed, sfxml.CodeMissing, "1:60"},
		"head with an unknown":        {strings.Replace(opened, "<type>", "<from>x</from><type>", 1) + closed, sfxml.CodeElement, "1:66"},
		"head with a type twice":      {strings.Replace(opened, "<type>", "<type>lawyer</type><type>", 1) + closed, sfxml.CodeDuplicate, "1:85"},
		"no head":                     {strings.Replace(opened, "<head><type>lawyer</type></head>", "", 1) + closed, sfxml.CodeMisplaced, "1:60"},
		"no body":                     {strings.Replace(opened, "<body>\n", "", 1) + "</message>", sfxml.CodeMissing, "1:92"},
		"something behind the body":   {opened + "</body><body/></message>", sfxml.CodeMisplaced, "2:8"},
		"something behind all":        {opened + closed + "<message/>", sfxml.CodeMisplaced, "2:18"},
		"text behind all":             {opened + closed + "x", sfxml.CodeText, "2:18"},
		"another element in the body": {opened + "<records/>" + closed, sfxml.CodeMisplaced, "2:1"},
		"a record without end":        {opened + "<record><data><name>" + strings.Repeat("x", 5<<20), sfxml.CodeTooLarge, "2:4194303"},

		"unknown element":           {data("<名称>x</名称>"), sfxml.CodeElement, "!3:15"},
		"unknown, and much below":   {data("<x><y>1<z/></y></x>"), sfxml.CodeElement, "!3:15"},
		"element twice":             {data("<name>白</name><name>黑</name>"), sfxml.CodeDuplicate, "!3:29"},
		"element inside a value":    {data("<name>白<b/></name>"), sfxml.CodeMisplaced, "!3:22"},
		"text between elements":     {data("x<name>白</name>"), sfxml.CodeText, "!3:15"},
		"attribute":                 {data(`<name lang="zh">白</name>`), sfxml.CodeAttribute, "!3:15"},
		"attribute json that lies":  {data(`<name json="黑">白</name>`), sfxml.CodeAttribute, "!3:15"},
		"attribute json no JSON":    {data(`<name json="白&quot;,&quot;a&quot;:&quot;">白</name>`), sfxml.CodeAttribute, "!3:15"},
		"attribute json twice":      {data(`<name json="白" json="白">白</name>`), sfxml.CodeAttribute, "!3:15"},
		"attribute json of a truth": {data(`<isAidLawyer json="true">true</isAidLawyer>`), sfxml.CodeAttribute, "!3:15"},
		"attribute name that lies":  {data(`<name name="licenseNo">白</name>`), sfxml.CodeAttribute, "!3:15"},
		"a namespace declared":      {data(`<name xmlns:x="urn:x">白</name>`), sfxml.CodeNamespace, "!3:15"},
		"an undeclared prefix":      {data(`<x:name>白</x:name>`), sfxml.CodeNamespace, "!3:15"},
		"list without items":        {data(`<speciality>0106</speciality>`), sfxml.CodeText, "!3:27"},
		"list of another name":      {data(`<speciality><code>0106</code></speciality>`), sfxml.CodeElement, "!3:27"},
		"extra where none may be":   {data(`<_extra name="a" json="1"/>`), sfxml.CodeElement, "!3:15"},
		"extra of a known member":   {data(`<rewards><item><_extra name="year" json="1"/></item></rewards>`), sfxml.CodeAttribute, "!3:30"},
		"extra twice":               {data(`<rewards><item><_extra name="a" json="1"/><_extra name="\u0061" json="2"/></item></rewards>`), sfxml.CodeDuplicate, "!3:57"},
		"extra that is no JSON":     {data(`<rewards><item><_extra name="a" json="1,2"/></item></rewards>`), sfxml.CodeAttribute, "!3:30"},
		"record head, unknown":      {declared + opened + "<record><head><no>1</no></head></record><record/>" + closed, sfxml.CodeElement, "!3:15"},
		"record head, bad number":   {declared + opened + "<record><head><seq>-1</seq></head></record><record/>" + closed, sfxml.CodeValue, "!3:9"},
		"record head, empty":        {declared + opened + "<record><head><key/></head></record><record/>" + closed, sfxml.CodeValue, "!3:15"},
		"head behind data":          {declared + opened + "<record><data/><head/></record><record/>" + closed, sfxml.CodeMisplaced, "!3:16"},
		"JSON too large":            {data("<introduction>" + strings.Repeat("x", 1<<20) + "</introduction>"), sfxml.CodeTooLarge, "!3:1"},
		"comment inside a value":    {data("<name>白<!-- 黑 -->样</name>"), sfxml.CodeComment, "3:22"},
	} {
		_, records, err := readAll([]byte(c.doc), sfxml.UTF8)
		place, ofRecord := strings.CutPrefix(c.place, "!")
		var f *sfxml.Fault
		switch {
		case !ofRecord:
			if !errors.As(err, &f) {
				t.Errorf("%s: %v", name, err)
				continue
			}
		case err != nil || len(records) != 2 || records[0].Fault == nil || records[1].Fault != nil:
			t.Errorf("%s: %v %+v", name, err, records)
			continue
		default:
			f = records[0].Fault
		}
		if got := fmt.Sprintf("%d:%d", f.Line, f.Column); f.Code != c.code || got != place {
			t.Errorf("%s: %s at %s, want %s at %s (%v)", name, f.Code, got, c.code, place, f)
		}
		if !han.MatchString(f.Text()) || f.MessageEN == "" || f.Message == "" || han.MatchString(f.MessageEN) && !strings.Contains(name, "unknown element") {
			t.Errorf("%s: %s / %s", name, f.Text(), f.TextEN())
		}
	}
}

// What is taken though it is written otherwise than we write it.
func TestAccepted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string][2]string{
		"nothing":                      {"", `{}`},
		"empty text, absent text":      {"<name/><email></email>", `{"name":"","email":""}`},
		"white space is kept in texts": {"\n <name> 白 \t\n</name>\n", `{"name":" 白 \t\n"}`},
		"line ends of Windows":         {"<name>白\r\n样</name>", `{"name":"白\n样"}`},
		"carriage return by number":    {"<name>白&#13;&#xA;</name>", `{"name":"白\r\n"}`},
		"the five entities":            {"<name>&lt;&gt;&amp;&quot;&apos;</name>", `{"name":"<>&\"'"}`},
		"CDATA":                        {"<name>a<![CDATA[<b>]]></name>", `{"name":"a<b>"}`},
		"comments between elements":    {"<!-- a --><name>白</name>", `{"name":"白"}`},
		"truths and numbers":           {"<isAidLawyer> true\n</isAidLawyer>", `{"isAidLawyer":true}`},
		"a truth that is none":         {"<isAidLawyer>1</isAidLawyer>", `{"isAidLawyer":"1"}`},
		"lists":                        {"<speciality><item>0106</item> <item></item></speciality><rewards/>", `{"speciality":["0106",""],"rewards":[]}`},
		"an object with an extra":      {`<rewards><item><year>2025</year><_extra name="\u5907" json="{ &quot;a&quot; : 1.0 }"/></item><item/></rewards>`, `{"rewards":[{"year":"2025","\u5907":{"a":1.0}},{}]}`},
		"characters XML forbids":       {`<name json="\u0001\xffff\\xffff">` + "\ufffd\ufffd\\xffff</name>", `{"name":"\u0001` + "\uffff" + `\\xffff"}`},
		"a name written otherwise":     {`<name name="n\u0061me">白</name>`, `{"n\u0061me":"白"}`},
	} {
		_, records, err := readAll([]byte(data(c[0])), sfxml.UTF8)
		if err != nil || len(records) != 2 || records[0].Fault != nil || string(records[0].Data) != c[1] {
			t.Errorf("%s: %v %+v %s", name, err, records, records[0].Data)
		}
	}
	// Prefixes, as binding tools of Java write them; a byte order mark; no declaration.
	prefixed := "\ufeff" + `<n:message xmlns:n="https://schemas.fayi.invalid/xml/1/lawyer"><n:head><n:type>lawyer</n:type></n:head><n:body><n:record><n:data><n:name>白</n:name></n:data></n:record></n:body></n:message>`
	if _, records, err := readAll([]byte(prefixed), sfxml.UTF8); err != nil || len(records) != 1 || string(records[0].Data) != `{"name":"白"}` {
		t.Errorf("%v %+v", err, records)
	}
}

func TestGB18030(t *testing.T) {
	t.Parallel()
	for _, says := range []string{`<?xml version="1.0" encoding="GB18030"?>`, `<?xml version='1.0' encoding='gbk' standalone='yes' ?>`, ""} {
		doc, err := simplifiedchinese.GB18030.NewEncoder().String(says + opened + "<record><data><name>白样㐀</name></data></record>" + closed)
		if err != nil {
			t.Fatal(err)
		}
		if _, records, err := readAll([]byte(doc), sfxml.GB18030); err != nil || len(records) != 1 || string(records[0].Data) != `{"name":"白样㐀"}` {
			t.Errorf("%s: %v %+v", says, err, records)
		}
	}
	var f *sfxml.Fault
	if _, _, err := readAll([]byte(data("")), sfxml.GB18030); !errors.As(err, &f) || f.Code != sfxml.CodeEncoding {
		t.Errorf("declared UTF-8, read as GB18030: %v", err)
	}
}

// Records the writer is not made for are errors, not broken messages.
func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	m, err := sfxml.New(typ(t, "lawyer"))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{``, `{`, `[]`, `1`, `null`, `{"name":1}`, `{"name":null}`, `{"isAidLawyer":"x"}`, `{"speciality":{}}`, `{"other":1}`, `{"name":"a","name":"b"}`, `{"name":"a"}{}`} {
		if out, err := m.AppendRecord(nil, sfxml.Record{Data: []byte(bad)}); err == nil {
			t.Errorf("%s: %s", bad, out)
		}
	}
}

// FuzzRead: any bytes end in records or a fault, and what was read is written and read again as it was, if the type accepts it.
func FuzzRead(f *testing.F) {
	f.Add([]byte(data("<name>白</name><speciality><item>0106</item></speciality>")), false)
	f.Add([]byte(data(`<rewards><item><_extra name="a" json="1"/></item></rewards><email json="\u0061">a</email>`)), true)
	f.Add([]byte(declared+"<!DOCTYPE a>"+opened+closed), false)
	for _, typ := range registry.Types() {
		f.Add(message(f, typ, sfxml.Head{Stream: "s", Next: "1:1"}, sfxml.Record{Op: "put", Key: "k", Data: []byte(compact(f, example(f, typ.Name())))}), false)
	}
	f.Fuzz(func(t *testing.T, doc []byte, gbk bool) {
		charset := sfxml.UTF8
		if gbk {
			charset = sfxml.GB18030
		}
		head, records, err := readAll(doc, charset)
		var fault *sfxml.Fault
		if err != nil && !errors.As(err, &fault) {
			t.Fatalf("an error without words: %v", err)
		}
		_ = head
		for _, r := range records {
			if r.Fault != nil || r.Data == nil {
				continue
			}
			if !json.Valid(r.Data) {
				t.Fatalf("not JSON: %s", r.Data)
			}
			for _, typ := range registry.Types() {
				if len(typ.Validate(r.Data)) == 0 {
					again(t, typ, r)
				}
			}
		}
	})
}

func again(t *testing.T, typ *schemas.Type, r sfxml.Read) {
	_, got, err := readAll(message(t, typ, sfxml.Head{}, r.Record), sfxml.UTF8)
	if err != nil || len(got) != 1 || string(got[0].Data) != string(r.Data) {
		t.Fatalf("%v\n%s\n%+v", err, r.Data, got)
	}
}

// FuzzWrite: what a type accepts goes there and back, whatever it is.
func FuzzWrite(f *testing.F) {
	f.Add("lawyer", []byte(`{"name":"\u767d\u0001","licenseNo":"16108201510900001","practiceStatus":"1","rewards":[{"x\uffff":null}]}`))
	for _, typ := range registry.Types() {
		f.Add(typ.Name(), []byte(compact(f, example(f, typ.Name()))))
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		typ, ok := registry.Current(name)
		if !ok || len(typ.Validate(data)) > 0 {
			return
		}
		m, err := sfxml.New(typ)
		if err != nil {
			t.Fatal(err)
		}
		// The strict reader of protocol §2 has refused members that stand twice.
		doc, err := m.AppendRecord(sfxml.AppendOpen(nil, name, sfxml.Head{}), sfxml.Record{Data: data})
		if err != nil {
			return
		}
		_, got, err := readAll(append(doc, sfxml.Close...), sfxml.UTF8)
		var fault *sfxml.Fault
		if errors.As(err, &fault) && fault.Code == sfxml.CodeTooLarge || len(got) == 1 && got[0].Fault != nil && got[0].Fault.Code == sfxml.CodeDuplicate {
			return
		}
		if want := compact(t, data); err != nil || len(got) != 1 || string(got[0].Data) != want {
			t.Fatalf("%v\n%s\n%s\n%+v", err, want, doc, got)
		}
	})
}
