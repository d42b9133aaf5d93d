package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"fayi/gateway/problem"
	"fayi/schemas"
	"fayi/schemas/sfxml"

	"golang.org/x/text/encoding/simplifiedchinese"
)

const xmlOpen = `<message xmlns="https://schemas.fayi.invalid/xml/1/consultation"><head><type>consultation</type></head><body>`

func xmlRecord(key string) string {
	return `<record><data><consultNo>` + key + `</consultNo><content>邻里纠纷 &lt;一&gt;</content><consultTime>2026-11-20T09:12:30+08:00</consultTime><state>4</state></data></record>`
}

// A record posted as XML is the JSON of its elements for everybody else, and
// comes out as XML where XML is asked for.
func TestXMLArrives(t *testing.T) {
	w := theAPI(t)
	token := w.Member(yulin).Token
	utf8 := []byte(xmlOpen + xmlRecord("API-X1") + "</body></message>")
	gbk, err := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(`<?xml version="1.0" encoding="GBK"?>` + xmlOpen + xmlRecord("API-X2") + "</body></message>"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		body  []byte
		media string
	}{{utf8, "application/xml"}, {gbk, "text/xml; charset=GBK"}, {[]byte(xmlOpen + "<record><head><op>del</op><key>API-X1</key></head></record></body></message>"), "application/xml"}} {
		if a := w.post(t, token, c.body, "Content-Type", c.media); a.status != http.StatusAccepted {
			t.Fatalf("%s: %d %s", c.media, a.status, a.body)
		}
		w.quiet(t)
	}
	stream := up(yulin, "consultation")
	want := map[string]string{
		"API-X1": `{"consultNo":"API-X1","content":"邻里纠纷 <一>","consultTime":"2026-11-20T09:12:30+08:00","state":"4"}`,
		"API-X2": `{"consultNo":"API-X2","content":"邻里纠纷 <一>","consultTime":"2026-11-20T09:12:30+08:00","state":"4"}`,
	}
	for _, c := range w.changes(t, ministry, stream, 1000) {
		if c.Op == "put" && want[c.Key] != "" && string(c.Data) != want[c.Key] {
			t.Errorf("%s arrived as %s", c.Key, c.Data)
		}
	}

	// The same page both ways says the same.
	path := "/v1/changes?limit=1000&stream=" + url.QueryEscape(stream)
	a := w.ask(t, ministry, w.Member(ministry).Token, "GET", path, nil, "Accept", "application/xml")
	if ct := a.header.Get("Content-Type"); a.status != http.StatusOK || ct != "application/xml; charset=utf-8" {
		t.Fatalf("%d %s %s", a.status, ct, a.body)
	}
	reg, err := schemas.Load(schemas.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	x, err := sfxml.NewReader(bytes.NewReader(a.body), sfxml.UTF8, reg.Current)
	if err != nil {
		t.Fatal(err)
	}
	var page struct {
		Next    string
		End     bool
		Changes []struct {
			Gen, Seq         uint64
			Key, Op, At, Src string
			Data             json.RawMessage
		}
	}
	if err := json.Unmarshal(w.ask(t, ministry, w.Member(ministry).Token, "GET", path, nil, "Accept", "*/*").body, &page); err != nil {
		t.Fatal(err)
	}
	if h := x.Head(); h.Stream != stream || h.Next != page.Next || h.End != page.End {
		t.Errorf("head %+v, JSON says %s %v", h, page.Next, page.End)
	}
	for i, c := range page.Changes {
		r, err := x.Next()
		if err != nil || r.Fault != nil {
			t.Fatalf("%v %+v", err, r)
		}
		if r.Gen != c.Gen || r.Seq != c.Seq || r.Key != c.Key || r.Op != c.Op || r.At != c.At || r.Src != c.Src || string(r.Data) != string(c.Data) || r.Schema != x.Type().Ref() {
			t.Errorf("change %d: %+v, JSON says %+v", i, r, c)
		}
	}
	if _, err := x.Next(); !errors.Is(err, io.EOF) || len(page.Changes) < 3 {
		t.Errorf("%d changes, then %v", len(page.Changes), err)
	}
}

// XML that is not one record in form is refused with the place; one whose
// contents are wrong gets the faults of its type.
func TestXMLRefused(t *testing.T) {
	w := theAPI(t)
	token := w.Member(yulin).Token
	good := xmlRecord("API-X3")
	for _, c := range []struct {
		name, body, media string
		status            int
		code, fault, says string
	}{
		{"document type", `<!DOCTYPE a [<!ENTITY b "c">]>` + xmlOpen + good + "</body></message>", "application/xml", 400, problem.Malformed, sfxml.CodeDoctype, "1:1"},
		{"unknown element", xmlOpen + strings.Replace(good, "<state>", "<x>1</x><state>", 1) + "</body></message>", "application/xml", 400, problem.Malformed, sfxml.CodeElement, ": there is no element x"},
		{"cut off", xmlOpen + good, "application/xml", 400, problem.Malformed, sfxml.CodeTruncated, "ends in the middle"},
		{"unknown type", strings.ReplaceAll(xmlOpen, "consultation", "nothing") + good + "</body></message>", "application/xml", 400, problem.Malformed, sfxml.CodeType, "nothing"},
		{"two records", xmlOpen + good + good + "</body></message>", "application/xml", 400, problem.Malformed, "", "more than one record"},
		{"no record", xmlOpen + "</body></message>", "application/xml", 400, problem.Malformed, "", "no record"},
		{"another schema", xmlOpen + strings.Replace(good, "<record>", "<record><head><schema>consultation@9#00</schema></head>", 1) + "</body></message>", "application/xml", 400, problem.BadRequest, "", "consultation@9#00"},
		{"another charset", xmlOpen + good + "</body></message>", "application/xml; charset=big5", 400, problem.BadRequest, "", "big5"},
		{"XML called JSON", xmlOpen + good + "</body></message>", "application/json", 400, problem.Malformed, "", ""},
		{"contents", xmlOpen + strings.Replace(good, "<state>4", "<state>9", 1) + "</body></message>", "application/xml", 422, problem.Invalid, schemas.CodeCode, "1 faults"},
		{"no data", xmlOpen + "<record/></body></message>", "application/xml", 422, problem.Invalid, "BAD_KEY", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.post(t, token, []byte(c.body), "Content-Type", c.media)
			if d := a.refused(t, c.status, c.code); !strings.Contains(d.Detail, c.says) {
				t.Errorf("%s", a.body)
			}
			var doc struct{ Faults schemas.Faults }
			if err := json.Unmarshal(a.body, &doc); err != nil {
				t.Fatal(err)
			}
			if got := len(doc.Faults) > 0; got != (c.fault != "") || got && doc.Faults[0].Code != c.fault {
				t.Errorf("faults %+v, want %s", doc.Faults, c.fault)
			}
		})
	}
}
