package sfxml_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fayi/schemas/sfxml"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// Every type of the pack has an XML form, and its example goes there and back.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, typ := range registry.Types() {
		data := compact(t, example(t, typ.Name()))
		want := sfxml.Record{Op: "put", Key: "K-1 <&>", Schema: typ.Ref(), Gen: 1795384410, Seq: 7, At: "2026-11-22T10:00:00.000+08:00", Src: "main", Resend: true, Data: []byte(data)}
		head := sfxml.Head{Stream: "610800/" + typ.Name() + "/upstream", Next: "1795384410:7", End: true}
		gotHead, got, err := readAll(message(t, typ, head, want, sfxml.Record{Op: "del", Key: "K-2"}), sfxml.UTF8)
		if err != nil || len(got) != 2 || gotHead != head {
			t.Fatalf("%s: %v %+v %+v", typ.Name(), err, gotHead, got)
		}
		if d := cmp.Diff(want, got[0].Record); d != "" {
			t.Errorf("%s (-want +got):\n%s", typ.Name(), d)
		}
		if got[0].Line != 5 || got[0].Column != 1 || got[1].Line != 6 {
			t.Errorf("%s: records at %d:%d and line %d", typ.Name(), got[0].Line, got[0].Column, got[1].Line)
		}
		if d := cmp.Diff(sfxml.Record{Op: "del", Key: "K-2"}, got[1].Record, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-want +got):\n%s", typ.Name(), d)
		}
	}
}

// JSON → XML → JSON keeps every byte but white space, for whatever the type accepts.
func TestLossless(t *testing.T) {
	t.Parallel()
	for _, typ := range registry.Types() {
		data := []byte(compact(t, example(t, typ.Name())))
		t.Run(typ.Name(), func(t *testing.T) {
			t.Parallel()
			tried, valid, exact := 0, 0, 0
			rapid.Check(t, func(t *rapid.T) {
				tried++
				record := vary(t, data)
				if len(typ.Validate(record)) > 0 {
					return
				}
				valid++
				doc := message(t, typ, sfxml.Head{}, sfxml.Record{Data: record})
				if strings.Contains(string(doc), " json=") {
					exact++
				}
				_, got, err := readAll(doc, sfxml.UTF8)
				if err != nil || len(got) != 1 || got[0].Fault != nil {
					t.Fatalf("%v %+v\n%s", err, got, doc)
				}
				if d := cmp.Diff(compact(t, record), string(got[0].Data)); d != "" {
					t.Fatalf("(-want +got):\n%s\n%s", d, doc)
				}
			})
			t.Logf("%d of %d valid, %d with the attribute json", valid, tried, exact)
		})
	}
}

// The XSD of each type accepts what the writer writes, and refuses what the type has not.
func TestXSD(t *testing.T) {
	t.Parallel()
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed (Debian: libxml2-utils)")
	}
	for _, typ := range registry.Types() {
		t.Run(typ.Name(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			save := func(name string, b []byte) string {
				path := filepath.Join(dir, name)
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			}
			doc, err := sfxml.XSD(typ)
			if err != nil {
				t.Fatal(err)
			}
			schema := save("type.xsd", doc)
			lint := func(name string, b []byte) (string, error) {
				out, err := exec.Command(xmllint, "--nonet", "--noout", "--schema", schema, save(name, b)).CombinedOutput()
				return string(out), err
			}
			data := []byte(compact(t, example(t, typ.Name())))
			records := []sfxml.Record{{Op: "put", Key: "1", Schema: typ.Ref(), Gen: 1, Seq: 1, At: "2026-11-22T10:00:00.000+08:00", Src: "main", Data: data}, {Op: "del", Key: "2"}}
			draw := rapid.Custom(func(t *rapid.T) []byte { return vary(t, data) })
			for seed := range 60 {
				if r := draw.Example(seed); len(typ.Validate(r)) == 0 {
					records = append(records, sfxml.Record{Data: r})
				}
			}
			good := message(t, typ, sfxml.Head{Stream: "a", Next: "1:1", End: true}, records...)
			if out, err := lint("good.xml", good); err != nil {
				t.Errorf("%d records: %v\n%.2000s", len(records), err, out)
			}
			if len(records) < 5 {
				t.Errorf("only %d valid records drawn", len(records))
			}
			one := string(message(t, typ, sfxml.Head{}, sfxml.Record{Data: data}))
			for i, bad := range [][2]string{{"</data>", "<unknown>1</unknown></data>"}, {"<data>", `<data x="1">`}, {"</record>", "<data/></record>"}, {"<type>" + typ.Name(), "<type>other"}} {
				if out, err := lint(fmt.Sprintf("bad%d.xml", i), []byte(strings.Replace(one, bad[0], bad[1], 1))); err == nil {
					t.Errorf("%s in place of %s: accepted\n%s", bad[1], bad[0], out)
				}
			}
		})
	}
}

// What a message looks like: one record a line, attributes only where the text alone would not give the bytes back.
func TestWritten(t *testing.T) {
	t.Parallel()
	doc := message(t, typ(t, "lawyer"), sfxml.Head{}, sfxml.Record{Op: "put", Key: "1", Data: []byte(`{"name":"白 <&>","email":"","phone":"\u0031","isAidLawyer":true,"speciality":["0106"],"rewards":[]}`)})
	want := `<?xml version="1.0" encoding="UTF-8"?>
<message xmlns="https://schemas.fayi.invalid/xml/1/lawyer">
<head><type>lawyer</type></head>
<body>
<record><head><op>put</op><key>1</key></head><data><name>白 &lt;&amp;&gt;</name><email></email><phone json="\u0031">1</phone><isAidLawyer>true</isAidLawyer><speciality><item>0106</item></speciality><rewards></rewards></data></record>
</body>
</message>
`
	if d := cmp.Diff(want, string(doc)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
