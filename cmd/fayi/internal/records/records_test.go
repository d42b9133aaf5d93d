package records_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"fayi/cmd/fayi/internal/records"
	"fayi/schemas"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"
	"pgregory.net/rapid"
)

func lawyer(t testing.TB) *schemas.Type {
	t.Helper()
	reg, err := schemas.Load(schemas.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	typ, ok := reg.Current("lawyer")
	if !ok {
		t.Fatal("no type lawyer")
	}
	return typ
}

// read returns each record as "row data" or "row !CODE", and the error at the end.
func read(text, name, charset string, typ *schemas.Type) (out []string, err error) {
	r, err := records.Open(strings.NewReader(text), name, typ, charset)
	if err != nil {
		return nil, err
	}
	for {
		rec, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return out, err
		case rec.Err != nil:
			out = append(out, fmt.Sprintf("%d !%s", rec.Row, rec.Err.Code))
		default:
			out = append(out, fmt.Sprintf("%d %s", rec.Row, rec.Data))
		}
	}
}

const xmlLawyer = `<message xmlns="https://schemas.fayi.invalid/xml/1/lawyer"><head><type>lawyer</type></head><body>`

func TestFormats(t *testing.T) {
	t.Parallel()
	typ := lawyer(t)
	long := strings.Repeat("x", records.MaxRecord)
	gbk, err := simplifiedchinese.GB18030.NewEncoder().String("姓名,执业证号\n白样例㐀,1\n")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text, file, charset string
		want                []string
		err                 string // code of the error that ends the file
	}{
		"ndjson": {"{\"a\":1}\r\n\n  {\"b\":2}", "x.ndjson", "", []string{`1 {"a":1}`, `3 {"b":2}`}, ""},
		"ndjson, byte order mark, bad line goes on":   {"\ufeff{\n{}\n", "x.jsonl", "", []string{"1 {", "2 {}"}, ""},
		"ndjson, a line too long is passed over":      {"{}\n" + long + "y\n{}\n", "x", "", []string{"1 {}", "2 !BAD_RECORD", "3 {}"}, ""},
		"ndjson, the last line too long":              {long + "y", "x", "", []string{"1 !BAD_RECORD"}, ""},
		"ndjson, empty":                               {"", "x", "", nil, ""},
		"xml":                                         {xmlLawyer + "<record><data><name>白</name></data></record>\n<record><data><nom/></data></record><record/></body></message>", "x.xml", "", []string{`1 {"name":"白"}`, "2 !XML_ELEMENT", "2 "}, ""},
		"xml, broken in the second":                   {xmlLawyer + "<record/>\n<record>", "x.XML", "utf-8", []string{"1 "}, "XML_TRUNCATED"},
		"xml, of another type":                        {"<message xmlns=\"https://schemas.fayi.invalid/xml/1/notary\"/>", "x.xml", "", nil, "XML_TYPE"},
		"xml, of another schema":                      {xmlLawyer + "<record><head><schema>lawyer@9#</schema></head><data/></record></body></message>", "x.xml", "", []string{"1 !XML_TYPE"}, ""},
		"json object":                                 {" {\"a\": [1]}\n", "x.JSON", "", []string{`1 {"a": [1]}`}, ""},
		"json array":                                  {"[{\"a\":1},\n2]\n", "x.json", "", []string{`1 {"a":1}`, "2 2"}, ""},
		"json, nothing":                               {" \n", "x.json", "", nil, "BAD_FILE"},
		"json, broken in the second":                  {"[{},{]", "x.json", "", []string{"1 {}"}, "BAD_FILE"},
		"json, cut off":                               {"[{},", "x.json", "", []string{"1 {}"}, "BAD_FILE"},
		"json, really ndjson":                         {"{}\n{}\n", "x.json", "", nil, "BAD_FILE"},
		"json, more after the array":                  {"[{}]{}", "x.json", "", []string{"1 {}"}, "BAD_FILE"},
		"json, a value without end":                   {"[\"" + strings.Repeat(long, 3), "x.json", "", nil, "BAD_RECORD"},
		"json, a value too long":                      {"[\"" + long + "\",{}]", "x.json", "", []string{"1 !BAD_RECORD", "2 {}"}, ""},
		"csv, names and titles, kinds":                {"姓名,licenseNo,是否法援律师,speciality,rewards\n白,1,是,0106；0301、01,\"[{\"\"year\"\":2026}]\"\n", "x.csv", "", []string{`2 {"name":"白","licenseNo":"1","isAidLawyer":true,"speciality":["0106","0301","01"],"rewards":[{"year":2026}]}`}, ""},
		"csv, booleans":                               {"isAidLawyer,isBilingual\n否,0\nTRUE,1\n也许,\n", "x.csv", "", []string{`2 {"isAidLawyer":false,"isBilingual":false}`, `3 {"isAidLawyer":true,"isBilingual":true}`, `4 {"isAidLawyer":"也许"}`}, ""},
		"csv, short, empty and long lines":            {"name,licenseNo\n白\n,\n\n黑,2,,\n灰,3,x\n", "x.csv", "", []string{`2 {"name":"白"}`, `5 {"name":"黑","licenseNo":"2"}`, "6 !BAD_RECORD"}, ""},
		"csv, quotes and line ends in a cell":         {"name,introduction\n\"白\"\"样\",\"一\n二\"\n黑,x\n", "x.csv", "", []string{`2 {"name":"白\"样","introduction":"一\n二"}`, `4 {"name":"黑","introduction":"x"}`}, ""},
		"csv, byte order mark, column without a name": {"\ufeff姓名,,执业证号\n白,备注,1\n", "x.csv", "", []string{`2 {"name":"白","licenseNo":"1"}`}, ""},
		"csv, GB18030":                                {gbk, "x.csv", records.GB18030, []string{`2 {"name":"白样例㐀","licenseNo":"1"}`}, ""},
		"csv, GBK read as UTF-8":                      {gbk, "x.csv", "", nil, "BAD_HEADER"},
		"csv, unknown column":                         {"姓名,手机\n", "x.csv", "", nil, "BAD_HEADER"},
		"csv, one field twice":                        {"姓名,name\n", "x.csv", "", nil, "BAD_HEADER"},
		"csv, empty":                                  {"", "x.csv", "", nil, "BAD_FILE"},
		"csv, quotes open":                            {"name\n\"白\n", "x.csv", "", nil, "BAD_FILE"},
	} {
		got, err := read(c.text, c.file, c.charset, typ)
		code := ""
		var re *records.Error
		if errors.As(err, &re) {
			code = re.Code
			if re.Message == "" || re.MessageEN == "" {
				t.Errorf("%s: %+v lacks a language", name, re)
			}
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(c.want, got); d != "" || code != c.err {
			t.Errorf("%s: ends with %q, want %q\n%s", name, code, c.err, d)
		}
	}
	if _, err := records.Open(strings.NewReader("a\n"), "x.csv", nil, ""); err == nil {
		t.Error("a CSV file without type was opened")
	}
}

// Whatever stands in a cell, the record is one JSON object, and a text field gives the text back.
func TestCellsAreSafe(t *testing.T) {
	t.Parallel()
	typ := lawyer(t)
	rapid.Check(t, func(t *rapid.T) {
		name, other := rapid.String().Draw(t, "name"), rapid.String().Draw(t, "other")
		quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
		text := "name,speciality,isAidLawyer,rewards\n" + quote(name) + "," + quote(other) + "," + quote(other) + "," + quote(other) + "\n"
		r, err := records.Open(strings.NewReader(text), "x.csv", typ, "")
		if err != nil {
			t.Fatal(err)
		}
		rec, err := r.Next()
		if errors.Is(err, io.EOF) && strings.TrimSpace(name+other) == "" {
			return
		}
		if err != nil || rec.Err != nil {
			t.Fatal(err, rec.Err)
		}
		var got map[string]any
		if err := json.Unmarshal(rec.Data, &got); err != nil {
			t.Fatalf("%s: %v", rec.Data, err)
		}
		// encoding/csv reads \r\n inside quotes as \n.
		if want := strings.TrimSpace(strings.ReplaceAll(name, "\r\n", "\n")); want != "" && got["name"] != want {
			t.Fatalf("%q became %q", want, got["name"])
		}
	})
}

func FuzzOpen(f *testing.F) {
	typ := lawyer(f)
	f.Add("{}\n{", "x")
	f.Add("[{},", "x.json")
	f.Add("name\n\"白", "x.csv")
	f.Fuzz(func(t *testing.T, text, name string) {
		for _, charset := range []string{records.UTF8, records.GB18030} {
			r, err := records.Open(strings.NewReader(text), name, typ, charset)
			if err != nil {
				continue
			}
			for n := 0; ; n++ {
				rec, err := r.Next()
				if err != nil {
					break
				}
				if (rec.Data == nil) == (rec.Err == nil) || n > len(text) {
					t.Fatalf("record %d: %+v", n, rec)
				}
			}
		}
	})
}
