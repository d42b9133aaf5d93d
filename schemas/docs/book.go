package packdoc

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"fayi/schemas"
)

// Book is the documentation of some record types, ready to be rendered. It never changes and is safe for concurrent use.
type Book struct {
	Types    []*TypePage
	Tables   []*TablePage
	examples map[string][]byte
}

// TypePage is what the pages about one record type say. Texts are plain: whoever renders them escapes them.
type TypePage struct {
	Name, Title, Purpose string
	Key                  string // name of the key field, "" if there is none
	Facts                []Fact
	Fields               []Row
	Rules                []Rule
	Tables               []*TablePage
	Example              string // indented JSON; "" if no valid record could be made
	ExampleGiven         bool   // the example was given, not made up
	Sources              []SourceRow
	System               bool
	Sometimes            bool // some field is required under a condition only
	Required, Expected   int  // fields at the top of a record
	All                  int

	fields []schemas.Field // of the templates
	doc    object
}

// Fact is one line of the head of a page.
type Fact struct {
	Name, Value string
	Links       []Link
}

// Link leads to the page of a type or to a code table.
type Link struct {
	Text string
	Type string // name of a type of the same book, or
	Code string // anchor of a code table of the same book; both "" for plain text
}

// Row is one field.
type Row struct {
	Depth                  int
	Parent, Name           string // rewards[]. and name
	Title                  string
	Notation, Limits, Need string
	Links                  []Link
	Sensitivity, Marks     string
	Sometimes              bool // required under a condition
}

// SourceRow says where a field comes from, in the words of the pack.
type SourceRow struct{ Path, Source, Rule, Note string }

// TablePage is one code table.
type TablePage struct {
	*schemas.Table
	Anchor string
	Tree   bool // some items have a parent
	Marks  string
	UsedBy []Link
}

// inlineItems is how many codes a type's own page lists; longer tables are linked.
const inlineItems = 20

// Inline tells whether the table is short enough to stand on the page of a type.
func (t *TablePage) Inline() bool { return len(t.Items) <= inlineItems }

// New works out the documentation of types, in the order given; each name once. tables are listed whether a type uses them or not. examples
// holds a record for some of the types, by name; the others get one made up. An example the type refuses is an error that wraps
// [schemas.Faults].
func New(types []*schemas.Type, tables []*schemas.Table, examples map[string][]byte) (*Book, error) {
	b := &Book{examples: examples}
	for _, t := range tables {
		b.table(t)
	}
	for _, t := range types {
		if slices.ContainsFunc(b.Types, func(p *TypePage) bool { return p.Name == t.Name() }) {
			return nil, fmt.Errorf("packdoc: type %s is given twice", t.Name())
		}
		p, err := b.typePage(t, types)
		if err != nil {
			return nil, err
		}
		b.Types = append(b.Types, p)
	}
	slices.SortFunc(b.Tables, func(x, y *TablePage) int { return cmp.Compare(x.Anchor, y.Anchor) })
	return b, nil
}

func (b *Book) typePage(t *schemas.Type, all []*schemas.Type) (*TypePage, error) {
	p := &TypePage{Name: t.Name(), Title: t.Title(), System: t.System(), Key: t.KeyField(), fields: t.Fields()}
	dec := json.NewDecoder(bytes.NewReader(t.Schema()))
	dec.UseNumber()
	if err := dec.Decode(&p.doc); err != nil {
		return nil, fmt.Errorf("packdoc: %s: %w", t.Name(), err)
	}
	defs, _ := p.doc["$defs"].(object)
	p.Rules = append(b.rulesOf(p.doc, p.fields), declared(t)...)
	b.rows(p, p.doc, defs, p.fields, "", 0, all)
	for _, f := range p.fields {
		p.All++
		if f.Required {
			p.Required++
		} else if f.Expected {
			p.Expected++
		}
	}
	p.Facts = facts(t, p.fields, all)
	p.Purpose = purpose(t, p)
	if data, ok := b.examples[t.Name()]; ok {
		if faults := t.Validate(data); len(faults) > 0 {
			return nil, fmt.Errorf("packdoc: example of %s: %w", t.Name(), faults)
		}
		var out bytes.Buffer
		if err := json.Indent(&out, bytes.TrimSpace(data), "", "  "); err != nil {
			return nil, fmt.Errorf("packdoc: example of %s: %w", t.Name(), err)
		}
		p.Example, p.ExampleGiven = out.String(), true
	} else if data, ok := makeExample(t, p.doc); ok {
		p.Example = string(data)
	}
	return p, nil
}

// rows lists the fields of one object and, below each, those of its members.
func (b *Book) rows(p *TypePage, s, defs object, fields []schemas.Field, path string, depth int, all []*schemas.Type) {
	properties, _ := resolve(s, defs)["properties"].(object)
	for _, f := range fields {
		sub, _ := properties[f.Name].(object)
		sub = resolve(sub, defs)
		row := Row{Depth: depth, Parent: path, Name: f.Name, Title: cmp.Or(f.Title, f.Name), Notation: f.Notation,
			Limits: limits(sub, defs, len(f.Tables) > 0), Need: need(f), Sensitivity: f.Sensitivity, Marks: marks(f.Mark, f.LengthMark, f.RequiredMark)}
		if word := typeWords[f.JSONType]; f.Notation == "" && !strings.HasPrefix(row.Limits, word) {
			row.Limits = strings.TrimSuffix(word+"，"+row.Limits, "，")
		}
		row.Sometimes = row.Need != "必填" && sometimes(s, defs, f.Name)
		p.Sometimes = p.Sometimes || row.Sometimes
		for _, table := range f.Tables {
			page := b.table(table)
			row.Links = append(row.Links, Link{Text: table.Title, Code: page.Anchor})
			page.UsedBy = appendNew(page.UsedBy, Link{Text: p.Title, Type: p.Name})
			p.Tables = appendNew(p.Tables, page)
		}
		for _, name := range f.Refs {
			row.Links = append(row.Links, typeLink(name, all))
		}
		p.Fields = append(p.Fields, row)
		if f.Source != "" || f.Rule != "" || f.Note != "" {
			p.Sources = append(p.Sources, SourceRow{path + f.Name, f.Source, f.Rule, f.Note})
		}
		below := path + f.Name + "."
		if items, ok := sub["items"].(object); ok {
			sub, below = items, path+f.Name+"[]."
		}
		b.rows(p, sub, defs, f.Fields, below, depth+1, all)
	}
}

// table finds the page of a code table, or makes it. Two packs may use one name for different tables.
func (b *Book) table(t *schemas.Table) *TablePage {
	same := 0
	for _, p := range b.Tables {
		if p.Name != t.Name {
			continue
		}
		if p.Table == t || reflect.DeepEqual(p.Table, t) {
			return p
		}
		same++
	}
	p := &TablePage{Table: t, Anchor: "t-" + t.Name, Marks: marks(t.CodeMark, t.LabelMark)}
	if same > 0 {
		p.Anchor += fmt.Sprintf("-%d", same+1)
	}
	p.Tree = slices.ContainsFunc(t.Items, func(it schemas.Item) bool { return it.Parent != "" })
	b.Tables = append(b.Tables, p)
	return p
}

func appendNew[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

// typeLink leads to a type of the book; one that is not in it is named only.
func typeLink(name string, all []*schemas.Type) Link {
	for _, t := range all {
		if t.Name() == name {
			return Link{Text: t.Title(), Type: name}
		}
	}
	return Link{Text: name}
}

// sometimes tells whether a rule of the object requires a member under a condition.
func sometimes(s, defs object, name string) bool {
	rules, _ := resolve(s, defs)["allOf"].([]any)
	for _, x := range rules {
		rule, _ := x.(object)
		for _, branch := range []string{"then", "else"} {
			part, _ := resolve(rule, defs)[branch].(object)
			if list, _ := resolve(part, defs)["required"].([]any); slices.Contains(list, any(name)) {
				return true
			}
		}
	}
	return false
}

func need(f schemas.Field) string {
	switch {
	case f.Required:
		return "必填"
	case f.Expected:
		return "应填"
	}
	return "选填"
}

// marks shows provenance marks without their brackets: "SRC / SRC:S1 / INFER".
func marks(list ...string) string {
	any := false
	out := make([]string, len(list))
	for i, m := range list {
		m = strings.TrimSuffix(strings.TrimPrefix(m, "["), "]")
		any = any || m != ""
		out[i] = cmp.Or(m, "–")
	}
	if !any {
		return "–"
	}
	return strings.Join(out, " / ")
}

// facts is the head of a page: how a record is told from others, who reads it, since when the type is in force, and what it belongs to.
func facts(t *schemas.Type, fields []schemas.Field, all []*schemas.Type) []Fact {
	out := []Fact{{Name: "类型名", Value: t.Name()}}
	key := "无，由发布者给出记录的键"
	if i := slices.IndexFunc(fields, func(f schemas.Field) bool { return f.Name == t.KeyField() }); i >= 0 {
		key = fields[i].Title + "（" + fields[i].Name + "）"
	}
	out = append(out, Fact{Name: "主键", Value: key})
	audiences := t.Audiences()
	for _, r := range roleWords {
		if a, ok := audiences[r.role]; ok {
			out = append(out, Fact{Name: r.title + "发布时可读者", Value: fmt.Sprintf("%s（%s）", cmp.Or(audienceWords[a], a), a)})
		}
	}
	if t.Urgent() {
		out = append(out, Fact{Name: "紧急", Value: "是，单独封装和传送，不等其他记录"})
	}
	refs := Fact{Name: "引用"}
	eachField(fields, func(f schemas.Field) {
		for _, name := range f.Refs {
			refs.Links = appendNew(refs.Links, typeLink(name, all))
		}
	})
	by := Fact{Name: "被引用"}
	for _, other := range all {
		eachField(other.Fields(), func(f schemas.Field) {
			if slices.Contains(f.Refs, t.Name()) {
				by.Links = appendNew(by.Links, Link{Text: other.Title(), Type: other.Name()})
			}
		})
	}
	for _, f := range []Fact{refs, by} {
		if len(f.Links) > 0 {
			out = append(out, f)
		}
	}
	from, until := t.InForce()
	days := from.Format("2006-01-02") + " 起"
	if !until.IsZero() {
		days += "，" + until.Format("2006-01-02") + " 前"
	}
	name, version := t.Pack()
	return append(out, Fact{Name: "施行", Value: days}, Fact{Name: "规范包", Value: fmt.Sprintf("%s %s，本类型第 %d 版", name, version, t.Version())},
		Fact{Name: "引用标识", Value: t.Ref()})
}

func eachField(fields []schemas.Field, do func(schemas.Field)) {
	for _, f := range fields {
		do(f)
		eachField(f.Fields, do)
	}
}

// purpose says in a sentence or two what the type is for: the pack's own words if it has some.
func purpose(t *schemas.Type, p *TypePage) string {
	words, _ := p.doc["description"].(string)
	if words == "" {
		words = fmt.Sprintf("一条记录说明一个「%s」。", t.Title())
		if t.System() {
			words = fmt.Sprintf("「%s」是交换协议自用的记录，由节点生成，不由业务系统填报。", t.Title())
		}
	}
	return fmt.Sprintf("%s共 %d 个字段，其中必填 %d 个、应填 %d 个。不接受表中以外的字段。", words, p.All, p.Required, p.Expected)
}
