package schemas

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fayi/schemas/formats"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// formatNamed returns the function behind the keyword "format". "decimal-a-b" takes its bounds from its name.
func formatNamed(name string) (func(string) error, bool) {
	switch name {
	case "id18":
		return formats.ID18, true
	case "uscc":
		return formats.USCC, true
	case "org-code":
		return formats.OrgCode, true
	case "division":
		return formats.Division, true
	case "division-6", "division-9", "division-12":
		n, _ := strconv.Atoi(name[len("division-"):])
		return func(s string) error { return formats.DivisionOf(n, false, s) }, true
	case "division-past":
		return formats.DivisionPast, true
	case "division-past-6", "division-past-9", "division-past-12":
		n, _ := strconv.Atoi(name[len("division-past-"):])
		return func(s string) error { return formats.DivisionOf(n, true, s) }, true
	case "lawyer-licence":
		return formats.LawyerLicence17, true
	case "legal-qualification":
		return formats.LegalQualification14, true
	case "court-case-no":
		return formats.CourtCaseNumber, true
	case "date":
		return formats.Date, true
	case "date-time":
		return formats.DateTime, true
	case "phone":
		return formats.Phone, true
	case "caller-number":
		return formats.CallerNumber, true
	}
	var a, b int
	if n, err := fmt.Sscanf(name, "decimal-%d-%d", &a, &b); err != nil || n != 2 || name != fmt.Sprintf("decimal-%d-%d", a, b) {
		return nil, false
	}
	if a < 1 || a > 18 || b < 0 || b > 9 {
		return nil, false
	}
	return formats.Decimal(a, b), true
}

// closedLoader is the compiler's only way to a document that was not handed to it: none.
type closedLoader struct{}

func (closedLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is not part of the pack; nothing is ever fetched", url)
}

// compile makes one type of the pack; nil if it has faults.
func (p *pack) compile(e *manifestEntry, faults *faultList) *Type {
	src, ok := p.schemas[e.Name]
	if !ok {
		return nil // already reported
	}
	file := "types/" + e.Name + ".json"
	before := len(*faults)
	lint := linter{file: file, pack: p, doc: src.doc, faults: faults}
	lint.lintRoot(e)
	if len(*faults) > before {
		return nil
	}
	digest, err := p.digest(e.Name)
	if err != nil {
		faults.add(file, "", "%v", err)
		return nil
	}
	if e.Digest != digest {
		faults.add("pack.json", "", "type %s: digest is %q, its content gives %q", e.Name, e.Digest, digest)
		return nil
	}
	doc := p.expand(src.doc)
	compiled, err := compileSchema(src.doc.text("$id"), doc, closedLoader{})
	if err != nil {
		faults.add(file, "", "%v", err)
		return nil
	}
	whys := map[string]why{}
	root := p.describe(src.doc, src.doc, "", whys)
	bound := bindRules("rules/"+e.Name+".json", p.rules[e.Name].list, root, faults)
	if len(*faults) > before {
		return nil
	}
	fast, err := compileTable(doc)
	if err == nil {
		err = fast.addRules(bound)
	}
	if err != nil {
		fast = nil // jsonschema and the reference of the rules alone judge this type
	}
	t := &Type{
		name: e.Name, version: e.Version, digest: digest, title: e.Title, en: e.EN, key: e.Key, system: e.System, urgent: e.Urgent,
		audience: e.Audience, from: p.from, until: p.until, packName: p.Name, packVersion: p.Version, source: src.raw, schema: compiled, table: fast,
		root: root, whys: whys, rules: p.rules[e.Name].list, rawRules: p.rawRules(e.Name), bound: bound,
		exact: fast.strict(), opening: []byte(`{"` + e.Key + `":"`),
	}
	t.ref = fmt.Sprintf("%s@%d#%s", e.Name, e.Version, digest)
	return t
}

func compileSchema(id string, doc any, loader jsonschema.URLLoader) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(loader)
	c.AssertFormat()
	for _, name := range formatNames(doc) {
		check, _ := formatNamed(name) // the linter has refused unknown names
		c.RegisterFormat(&jsonschema.Format{Name: name, Validate: func(v any) error {
			s, ok := v.(string)
			if !ok {
				return nil // judged by "type"
			}
			return check(s)
		}})
	}
	if err := c.AddResource(id, doc); err != nil {
		return nil, err
	}
	return c.Compile(id)
}

// formatNames lists the values of "format" anywhere in doc.
func formatNames(doc any) []string {
	var names []string
	switch v := doc.(type) {
	case map[string]any:
		for k, e := range v {
			if s, ok := e.(string); ok && k == "format" {
				names = append(names, s)
			} else {
				names = append(names, formatNames(e)...)
			}
		}
	case []any:
		for _, e := range v {
			names = append(names, formatNames(e)...)
		}
	}
	return names
}

// expand returns the document with every x-codes written out as enum.
func (p *pack) expand(t *tree) any {
	switch {
	case t.object != nil:
		m := make(map[string]any, len(*t.object)+1)
		for _, e := range *t.object {
			m[e.name] = p.expand(e.value)
		}
		if names, ok := t.get("x-codes").texts(); ok {
			m["enum"] = p.enum(names)
		}
		return m
	case t.array != nil:
		a := make([]any, len(*t.array))
		for i, e := range *t.array {
			a[i] = p.expand(e)
		}
		return a
	}
	return t.scalar
}

func (p *pack) enum(tables []string) []any {
	seen := map[string]bool{}
	var codes []any
	for _, name := range tables {
		for _, it := range p.tables[name].Items {
			if !seen[it.Code] {
				codes = append(codes, it.Code)
			}
			seen[it.Code] = true
		}
	}
	return codes
}

// describe builds the description of a schema and what is below it. ptr is its place in the document; reasons given by x-when and
// x-message go into whys.
func (p *pack) describe(doc, t *tree, ptr string, whys map[string]why) *node {
	if ref := t.text("$ref"); ref != "" {
		if target := doc.get("$defs").get(strings.TrimPrefix(ref, "#/$defs/")); target != nil {
			n := p.describe(doc, target, strings.TrimPrefix(ref, "#"), whys)
			if title := t.text("title"); title != "" {
				n.Title = title
			}
			return n
		}
	}
	n := &node{Field: Field{
		Title: t.text("title"), EN: t.text("x-en"), JSONType: t.text("type"), Notation: t.text("x-type"), Format: t.text("format"),
		Pattern: t.text("pattern"), Sensitivity: t.text("x-sensitivity"), Requirement: t.text("x-required"), Mark: t.text("x-mark"),
		LengthMark: t.text("x-length-mark"), RequiredMark: t.text("x-required-mark"), Source: t.text("x-source"), Rule: t.text("x-rule"),
		Note: t.text("x-note"),
	}}
	n.Refs, _ = t.get("x-ref").texts()
	n.Normalise, _ = t.get("x-normalise").texts()
	if x := t.get("x-expected"); x != nil {
		n.Expected, _ = x.scalar.(bool)
	}
	tables, _ := t.get("x-codes").texts()
	for _, name := range tables {
		n.Tables = append(n.Tables, p.tables[name])
	}
	required, _ := t.get("required").texts()
	for i, m := range t.get("properties").members() {
		c := p.describe(doc, m.value, ptr+pointer("properties", m.name), whys)
		c.Name, c.order, c.Required = m.name, i, slices.Contains(required, m.name)
		if c.Sensitivity == "" {
			c.Sensitivity = n.Sensitivity
		}
		n.names = append(n.names, m.name)
		if n.children == nil {
			n.children = map[string]*node{}
		}
		n.children[m.name] = c
	}
	if items := t.get("items"); items != nil {
		n.items = p.describe(doc, items, ptr+"/items", whys)
		n.items.inherit(n)
	}
	for i, branch := range t.get("allOf").items() {
		at := ptr + "/allOf/" + strconv.Itoa(i)
		if s := branch.text("x-when"); s != "" {
			whys[at] = why{zh: s, en: branch.text("x-when-en"), condition: true}
		} else if s := branch.text("x-message"); s != "" {
			whys[at] = why{zh: s, en: branch.text("x-message-en")}
		}
	}
	return n
}
