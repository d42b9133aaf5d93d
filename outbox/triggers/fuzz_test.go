package triggers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fayi/gateway/strictyaml"
)

// catalogue of a few tables, as ReadCatalog would give it.
func fewTables() *Catalog {
	text := func(name string) *column {
		return &column{name: name, data: "varchar", full: "varchar(40)", charset: "gbk", collation: "gbk_chinese_ci"}
	}
	main := &table{name: "T_LSXX", engine: "InnoDB", kind: "BASE TABLE", columns: []*column{
		{name: "LSID", data: "int", full: "int(11)"}, text("XM"), text("ZYZH"), {name: "SJ", data: "timestamp", full: "timestamp"}, {name: "TX", data: "blob", full: "blob", nullable: true}},
		indexes: map[string]*index{"PRIMARY": {true, []string{"LSID"}}, "ZYZH": {true, []string{"ZYZH"}}}}
	below := &table{name: "below", engine: "InnoDB", kind: "BASE TABLE", columns: []*column{{name: "id", data: "int", full: "int(11)"}, {name: "lsid", data: "int", full: "int(11)"}, text("a`b"), text("c")},
		indexes: map[string]*index{"PRIMARY": {true, []string{"id"}}, "lsid": {false, []string{"lsid"}}}}
	return &Catalog{Database: "d", tables: []*table{main, below}, triggers: map[string]trigger{}, routines: map[string]string{}}
}

var fewTypes = []Type{{Name: "lawyer", Key: "licenseNo", Fields: []Member{
	{Name: "name", Kind: "string", Required: true}, {Name: "licenseNo", Kind: "string", Required: true}, {Name: "status", Kind: "string", Codes: []string{"1", "2"}},
	{Name: "since", Kind: "string", Format: "date"}, {Name: "aid", Kind: "boolean"}, {Name: "fields", Kind: "array", Codes: []string{"01"}},
	{Name: "rewards", Kind: "array", Members: []Member{{Name: "name", Kind: "string"}, {Name: "year", Kind: "integer"}}}}}}

// FuzzMap reads any map: it is refused with faults or becomes DDL in which every quote, identifier and block is closed.
func FuzzMap(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join("testdata", "*.yaml"))
	if err != nil || len(seeds) == 0 {
		f.Fatal(err, len(seeds))
	}
	for _, s := range seeds {
		b, err := os.ReadFile(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("records:\n  - type: lawyer\n    table: t_lsxx\n    join: [{name: b, table: below, on: lsid}]\n    deleted: {column: sj}\n    fields:\n      name: {column: xm}\n" +
		"      licenseNo: {column: zyzh, prefix: \"a'\\\\\", upper: true}\n      status: {column: xm, codes: {\"'\": \"1\", \"\": \"2\"}, otherwise: \"\"}\n      since: {column: sj}\n      aid: {column: xm}\n" +
		"      fields: {column: xm, split: \"'\", codes: {x: \"01\"}}\n      rewards: {rows: b, only: {column: c, values: [\"';\"]}, order: c, fields: {name: {column: \"a`b\"}, year: {value: \"7\"}}}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := &Map{}
		if strictyaml.Decode(data, m).Err("map") != nil {
			return
		}
		p, faults, _ := Check(m, fewTables(), fewTypes, Target{Database: "d`", Table: "exchange_outbox", Types: []string{"*"}})
		if (p == nil) != (len(faults) > 0) {
			t.Fatalf("plan %v with %d faults", p != nil, len(faults))
		}
		Removal(fewTables(), m)
		if p == nil {
			return
		}
		for _, s := range p.Changes().statements() {
			if rest := unquoted(s); strings.ContainsAny(rest, "'`\\") || strings.Count(rest, "(") != strings.Count(rest, ")") {
				t.Fatalf("not closed: %q of\n%s", rest, s)
			}
		}
	})
}

// unquoted is a statement without its literals and quoted identifiers.
func unquoted(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		q := s[i]
		if q != '\'' && q != '`' {
			b.WriteByte(q)
			continue
		}
		for i++; i < len(s); i++ {
			if s[i] != q {
				continue
			}
			if i+1 < len(s) && s[i+1] == q {
				i++
				continue
			}
			break
		}
		if i == len(s) {
			b.WriteByte(q) // never closed
		}
	}
	return b.String()
}
