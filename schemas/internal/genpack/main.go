package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"fayi/schemas"
)

func main() {
	domain := flag.String("domain", "", "folder with fields.json and codes.json")
	out := flag.String("out", "", "pack folder to write")
	digests := flag.String("digests", "", "pack folder whose manifest gets its digests computed anew")
	flag.Parse()
	var err error
	switch {
	case *digests != "":
		err = stampDigests(*digests)
	case *domain != "" && *out != "":
		if err = generate(*domain, *out); err == nil {
			err = stampDigests(*out)
		}
	default:
		flag.Usage()
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "genpack:", err)
		os.Exit(1)
	}
}

// entity and field are the tables of fields.json.
type entity struct {
	ID     string  `json:"id"`
	ZH     string  `json:"zh"`
	Key    string  `json:"key"`
	Note   string  `json:"note"`
	Fields []field `json:"fields"`
}

type field struct {
	Name         string   `json:"name"`
	ZH           string   `json:"zh"`
	Type         string   `json:"type"`
	Required     string   `json:"required"`
	Rule         string   `json:"rule"`
	Codes        []string `json:"codes"`
	Mark         string   `json:"mark"`
	Source       string   `json:"source"`
	LengthMark   string   `json:"length_mark"`
	RequiredMark string   `json:"required_mark"`
	Note         string   `json:"note"`

	members []field // of an object or of the objects in an array, see prepare
}

// table is one code table of codes.json.
type table struct {
	ZH        string `json:"name_zh"`
	EN        string `json:"name_en"`
	LabelMark string `json:"label_mark"`
	CodeMark  string `json:"code_mark"`
	Source    string `json:"source"`
	Note      string `json:"note"`
	Items     []item `json:"items"`
}

type item struct {
	Code   string `json:"code"`
	Name   string `json:"name"`
	EN     string `json:"en,omitempty"`
	Parent string `json:"parent,omitempty"`
}

func generate(domain, out string) error {
	var fields struct{ Entities []entity }
	var codes map[string]table
	if err := errors.Join(readJSON(filepath.Join(domain, "fields.json"), &fields), readJSON(filepath.Join(domain, "codes.json"), &codes)); err != nil {
		return err
	}
	for name, t := range inlineTables {
		if _, ok := codes[name]; ok {
			return fmt.Errorf("table %s is both in codes.json and in tables.go", name)
		}
		codes[name] = t
	}
	entities := append(fields.Entities, ownEntities...)
	if err := checkPaths(entities); err != nil {
		return err
	}
	used := map[string]bool{}
	var manifest []any
	for _, plan := range plans {
		i := slices.IndexFunc(entities, func(e entity) bool { return e.ID == plan.name })
		if i < 0 {
			return fmt.Errorf("there is no entity %s", plan.name)
		}
		e := entities[i]
		schema, err := typeSchema(e, plan, used)
		if err != nil {
			return fmt.Errorf("%s: %w", e.ID, err)
		}
		if err := writeJSON(filepath.Join(out, "types", e.ID+".json"), schema); err != nil {
			return err
		}
		manifest = append(manifest, manifestEntry(e.ID, e.ZH, plan.en, e.Key, false, plan.urgent, plan.audience))
	}
	for _, s := range systemTypes {
		if err := writeJSON(filepath.Join(out, "types", s.name+".json"), s.schema); err != nil {
			return err
		}
		manifest = append(manifest, manifestEntry(s.name, s.zh, s.en, "", true, true, s.audience))
	}
	for name := range used {
		if _, ok := codes[name]; !ok {
			return fmt.Errorf("there is no code table %s", name)
		}
	}
	for name, t := range codes { // those no field uses too: operators, reports and later types need them
		doc := object{{"name", name}, {"title", t.ZH}, {"en", t.EN}, {"label_mark", t.LabelMark}, {"code_mark", t.CodeMark}, {"source", t.Source}}
		if t.Note != "" {
			doc = append(doc, member{"note", t.Note})
		}
		doc = append(doc, member{"items", t.Items})
		if err := writeJSON(filepath.Join(out, "codes", name+".json"), doc); err != nil {
			return err
		}
	}
	return writeJSON(filepath.Join(out, "pack.json"), object{
		{"name", "national"}, {"version", "1.1.0"}, {"title", "全国公共法律服务记录"}, {"en", "national public legal service records"},
		{"from", "2018-01-01"}, {"types", manifest},
	})
}

// checkPaths finds decisions about fields that no table has.
func checkPaths(entities []entity) error {
	known := map[string]bool{}
	for _, e := range entities {
		for _, f := range e.Fields {
			known[e.ID+"."+f.Name] = true
		}
	}
	paths := slices.Concat(keys(references), keys(formats), keys(tableOf), keys(members), keys(essentialMembers), keys(elements), freeText)
	for _, path := range paths {
		if !known[path] {
			return fmt.Errorf("decision about %s, which no table has", path)
		}
	}
	return nil
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func manifestEntry(name, zh, en, key string, system, urgent bool, audience object) object {
	o := object{{"name", name}, {"version", 1}, {"title", zh}, {"en", en}}
	if key != "" {
		o = append(o, member{"key", key})
	}
	if system {
		o = append(o, member{"system", true})
	}
	if urgent {
		o = append(o, member{"urgent", true})
	}
	return append(o, member{"audience", audience}, member{"digest", ""})
}

// stampDigests writes the digest of each type into the manifest, leaving everything else as it stands.
func stampDigests(dir string) error {
	digests, err := schemas.Digests(os.DirFS(dir))
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "pack.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var order struct {
		Types []struct{ Name, Digest string }
	}
	if err := json.Unmarshal(data, &order); err != nil {
		return err
	}
	rest := data
	var res []byte
	for _, t := range order.Types {
		at, old := nextDigest(rest)
		if at < 0 {
			return fmt.Errorf("pack.json: type %s has no digest member", t.Name)
		}
		res = append(append(res, rest[:at]...), digests[t.Name]...)
		rest = rest[at+old:]
	}
	return os.WriteFile(path, append(res, rest...), 0o644)
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
