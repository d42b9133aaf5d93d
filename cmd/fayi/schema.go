package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fayi/cmd/fayi/internal/config"
	"fayi/cmd/fayi/internal/records"
	"fayi/gateway/packs"
	"fayi/outbox"
	"fayi/schemas"
)

func cmdSchema(ctx context.Context, e *env, args []string) int {
	return e.group(ctx, group{name: "fayi schema",
		zh: "数据规范：列出记录类型、查看字段、检查文件。", en: "Schemas: list record types, show fields, check files.",
		commands: []command{
			{"list", schemaList, "列出记录类型", "list record types"},
			{"show", schemaShow, "查看一种记录的字段和代码表", "show the fields and codes of a type"},
			{"check", schemaCheck, "检查文件中的记录，或用已存记录试验新规范包", "check the records of files, or run stored ones through a new pack"},
			{"xsd", schemaXSD, "生成 XML 报文的 XSD", "write the XSD of XML messages"},
			{"diff", schemaDiff, "比较两个规范包", "compare two packs"},
			{"sign", schemaSign, "为规范包签名，写成可发布的文件", "sign a pack and write a file to publish"},
			{"signer", schemaSigner, "登记机关授权规范包签发人", "the registrar names a pack signer"},
			{"publish", schemaPublish, "发布已签名的规范包", "publish a signed pack"},
			{"adopt", schemaAdopt, "采用等待中的规范包", "adopt a pack that waits"},
			{"refuse", schemaRefuse, "不采用某个规范包", "refuse a pack"},
			{"docs", schemaDocs, "由规范包生成文档和填报模板", "write documentation and templates from the packs"},
		},
		example: "fayi schema show legal_aid_case"}, args)
}

// registry loads the packs: of the program, and with a configuration those its
// node knows.
func (e *env) registry(ctx context.Context, conf string) (*schemas.Registry, error) {
	if conf == "" {
		return schemas.Load(schemas.Embedded())
	}
	s, end, err := e.shelf(ctx, conf)
	if err != nil {
		return nil, err
	}
	end()
	return s.Registry(), nil
}

// packsFlag is -c for commands that need no node.
func (f *flags) packsFlag() *string {
	return f.string("c", "", "节点配置`文件`，用该节点已采用的规范包", "configuration `file` of the node whose adopted packs are used")
}

// typeJSON is a record type as -json shows it.
type typeJSON struct {
	Type     string            `json:"type"`
	Title    string            `json:"title"`
	TitleEN  string            `json:"title_en"`
	Version  int               `json:"version"`
	Fields   int               `json:"fields"`
	Rules    ruleCount         `json:"rules"`
	Key      string            `json:"key"`
	Ref      string            `json:"ref"`
	Pack     string            `json:"pack"`
	System   bool              `json:"system"`
	Urgent   bool              `json:"urgent"`
	Audience map[string]string `json:"audience"`
}

// ruleCount is how many rules over several fields a type has.
type ruleCount struct {
	Refuse   int `json:"refuse"`
	Expected int `json:"expected"`
}

func countRules(t *schemas.Type) (n ruleCount) {
	for _, r := range t.Rules() {
		if r.Level == schemas.Refuse {
			n.Refuse++
		} else {
			n.Expected++
		}
	}
	return n
}

func describeType(t *schemas.Type) typeJSON {
	name, version := t.Pack()
	return typeJSON{t.Name(), t.Title(), t.TitleEN(), t.Version(), len(t.Fields()), countRules(t), t.KeyField(), t.Ref(), name + " " + version, t.System(), t.Urgent(), t.Audiences()}
}

// tableJSON is a code table.
type tableJSON struct {
	Table string         `json:"table"`
	Title string         `json:"title"`
	Items []schemas.Item `json:"items"`
}

// tables collects the code tables of fields, by name, each once.
func tables(fields []schemas.Field, into map[string]*schemas.Table) {
	for _, f := range fields {
		for _, t := range f.Tables {
			into[t.Name] = t
		}
		tables(f.Fields, into)
	}
}

func sortedTables(m map[string]*schemas.Table) []tableJSON {
	out := []tableJSON{}
	for _, t := range m {
		out = append(out, tableJSON{t.Name, t.Title, t.Items})
	}
	slices.SortFunc(out, func(a, b tableJSON) int { return cmp.Compare(a.Table, b.Table) })
	return out
}

func schemaList(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi schema list", zh: "列出本程序（和 -c 所指节点）认识的记录类型；加 -c 时还列出该节点收到的规范包、状态和原因。", en: "List the record types this program (and the node named by -c) knows; with -c also the packs that came there, their state and why.", example: "fayi schema list -json"})
	conf, asJSON := f.packsFlag(), f.asJSON()
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) > 0 {
		return f.usage("schema list 不带参数", "schema list takes no arguments")
	}
	s := &packs.Shelf{}
	end, err := func() {}, s.Load(ctx)
	if *conf != "" {
		s, end, err = e.shelf(ctx, *conf)
	}
	if err != nil {
		return e.fail(err)
	}
	defer end()
	reg := s.Registry()
	list, codes := []typeJSON{}, map[string]*schemas.Table{}
	for _, t := range reg.Types() {
		list = append(list, describeType(t))
	}
	for _, t := range reg.Tables() {
		codes[t.Name] = t
	}
	if *asJSON {
		e.json(map[string]any{"types": list, "codes": sortedTables(codes), "packs": packList(s)})
		return exitOK
	}
	rows := [][]string{{e.text("类型", "TYPE"), e.text("版本", "VERSION"), e.text("字段", "FIELDS"), e.text("规则", "RULES"), e.text("主键", "KEY"), e.text("名称", "TITLE")}}
	for _, t := range list {
		rows = append(rows, []string{t.Type, fmt.Sprint(t.Version), fmt.Sprint(t.Fields), fmt.Sprint(t.Rules.Refuse + t.Rules.Expected), or(t.Key, "-"), e.text(t.Title, t.TitleEN)})
	}
	e.table(rows)
	if *conf != "" {
		e.say("", "")
		e.showPacks(packList(s))
	}
	return exitOK
}

// fieldJSON is a field as schema show -json gives it.
type fieldJSON struct {
	Name        string      `json:"name"`
	Title       string      `json:"title"`
	TitleEN     string      `json:"title_en,omitempty"`
	Type        string      `json:"type"`
	Notation    string      `json:"notation,omitempty"`
	Format      string      `json:"format,omitempty"`
	Required    bool        `json:"required"`
	Expected    bool        `json:"expected"`
	Sensitivity string      `json:"sensitivity,omitempty"`
	Codes       []string    `json:"codes,omitempty"`
	Refs        []string    `json:"refs,omitempty"`
	Mark        string      `json:"mark,omitempty"`
	Source      string      `json:"source,omitempty"`
	Fields      []fieldJSON `json:"fields,omitempty"`
}

func describeFields(fields []schemas.Field) []fieldJSON {
	var out []fieldJSON
	for _, f := range fields {
		j := fieldJSON{Name: f.Name, Title: f.Title, TitleEN: f.EN, Type: f.JSONType, Notation: f.Notation, Format: f.Format, Required: f.Required,
			Expected: f.Expected, Sensitivity: f.Sensitivity, Refs: f.Refs, Mark: f.Mark, Source: f.Source, Fields: describeFields(f.Fields)}
		for _, t := range f.Tables {
			j.Codes = append(j.Codes, t.Name)
		}
		out = append(out, j)
	}
	return out
}

// ruleJSON is a rule as schema show -json gives it.
type ruleJSON struct {
	schemas.Rule
	Text   string `json:"text"` // what a breach is told as, with the fields' titles
	TextEN string `json:"text_en"`
}

func describeRules(t *schemas.Type) []ruleJSON {
	out := []ruleJSON{}
	for _, r := range t.Rules() {
		zh, en := t.RuleText(r)
		out = append(out, ruleJSON{r, zh, en})
	}
	return out
}

func schemaShow(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi schema show", args: "TYPE",
		zh:      "查看一种记录的字段、要求、敏感级别、跨字段的规则和代码表。必填：缺少即拒收；应填：计入完整率，缺少不拒收。",
		en:      "Show fields, requirements, sensitivity, rules over several fields and code tables of a record type. required: refused without it; expected: counted, never refused.",
		example: "fayi schema show lawyer"})
	conf, asJSON := f.packsFlag(), f.asJSON()
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) != 1 {
		return f.usage("要写且只写一个记录类型 TYPE", "exactly one record type TYPE is needed")
	}
	reg, err := e.registry(ctx, *conf)
	if err != nil {
		return e.fail(err)
	}
	t, err := findType(reg, rest[0])
	if err != nil {
		return e.fail(err)
	}
	codes := map[string]*schemas.Table{}
	tables(t.Fields(), codes)
	if *asJSON {
		e.json(struct {
			typeJSON
			List  []fieldJSON `json:"field_list"`
			Codes []tableJSON `json:"codes"`
			Rules []ruleJSON  `json:"rule_list"`
		}{describeType(t), describeFields(t.Fields()), sortedTables(codes), describeRules(t)})
		return exitOK
	}
	e.say("%s  %s，第 %d 版，主键 %s", "%s  %s, version %d, key %s", t.Name(), e.text(t.Title(), t.TitleEN()), t.Version(), or(t.KeyField(), "-"))
	e.say("%s", "%s", t.Ref())
	rows := [][]string{{"", "", "", "", "", ""}, {e.text("字段", "FIELD"), e.text("名称", "TITLE"), e.text("格式", "FORMAT"), e.text("要求", "NEED"), e.text("敏感级别", "SENSITIVITY"), e.text("代码表或引用", "CODES OR REFERENCE")}}
	rows = e.fieldRows(rows, t.Fields(), "")
	e.table(rows)
	for i, r := range describeRules(t) {
		if i == 0 {
			e.say("\n跨字段的规则（拒收：不符合即拒收；提示：只提示，不拒收）", "\nRules over several fields (refuse: refused if broken; tell: only pointed out)")
		}
		level := e.text("拒收", "refuse")
		if r.Level == schemas.Expect {
			level = e.text("提示", "tell")
		}
		e.say("  %s  %s  %s %s\n      %s", "  %s  %s  %s %s\n      %s", level, e.text(r.Text, r.TextEN), r.Mark, r.Name, r.Check)
	}
	for _, c := range sortedTables(codes) {
		items := make([]string, len(c.Items))
		for i, it := range c.Items {
			items[i] = it.Code + " " + e.text(it.Name, or(it.EN, it.Name))
		}
		e.say("\n%s %s\n  %s", "\n%s %s\n  %s", c.Table, e.text(c.Title, ""), strings.Join(items, e.text("，", ", ")))
	}
	return exitOK
}

var sensitivityEN = map[string]string{schemas.Public: "public", schemas.Internal: "internal", schemas.Sensitive: "sensitive personal"}

func (e *env) fieldRows(rows [][]string, fields []schemas.Field, indent string) [][]string {
	for _, f := range fields {
		need := e.text("选填", "optional")
		switch {
		case f.Required:
			need = e.text("必填", "required")
		case f.Expected:
			need = e.text("应填", "expected")
		}
		var refs []string
		for _, t := range f.Tables {
			refs = append(refs, t.Name)
		}
		for _, r := range f.Refs {
			refs = append(refs, "→"+r)
		}
		rows = append(rows, []string{indent + f.Name, e.text(f.Title, or(f.EN, f.Title)), or(f.Notation, f.JSONType), need, e.text(f.Sensitivity, sensitivityEN[f.Sensitivity]), strings.Join(refs, " ")})
		rows = e.fieldRows(rows, f.Fields, indent+"  ")
	}
	return rows
}

// findType is the type in force; an unknown name lists those there are.
func findType(reg *schemas.Registry, name string) (*schemas.Type, error) {
	if t, ok := reg.Current(name); ok {
		return t, nil
	}
	var names []string
	for _, t := range reg.Types() {
		if !slices.Contains(names, t.Name()) && !t.System() {
			names = append(names, t.Name())
		}
	}
	return nil, &said{code: "UNKNOWN_TYPE", zh: "没有记录类型 " + name, en: "no record type " + name,
		hintZH: "可用的有 " + strings.Join(names, "、"), hintEN: "there are " + strings.Join(names, ", ")}
}

// maxListed bounds the faulty records that -json repeats.
const maxListed = 1000

func schemaCheck(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi schema check", args: "FILE…",
		zh: "检查文件（ndjson、json、csv、xml）中的记录是否符合数据规范，逐条列出问题。不连接节点，不发布。\n" +
			"不写 -type 时按文件名开头判断类型，如 lawyer.csv、lawyer-2026.ndjson。有不合格记录时退出码为 3。\n" +
			"合格但可疑的（只提示的规则不符、乱码、自造字等）标“提示”列出，不影响退出码。\n" +
			"加 -replay 时不看文件，而是用候选规范包 -pack 重判本节点已存的记录（本节点发布的和能解密的），每种类型取最新的若干条；\n" +
			"只读数据库，节点运行时也可以用；原来合格的记录中有会被拒的，退出码为 3。",
		en: "Check whether the records of files (ndjson, json, csv, xml) meet their schema and list every fault. Needs no node, publishes nothing.\n" +
			"Without -type the file's name tells, such as lawyer.csv or lawyer-2026.ndjson. Exit code 3 if records fail.\n" +
			"What is valid but odd (rules that only tell, mojibake, private-use characters) is listed as remarks; the exit code does not depend on it.\n" +
			"With -replay no files are read: the newest stored records of each type, the node's own and those it can open, are judged again by\n" +
			"the candidate -pack. The database is only read, so the node may run. Exit code 3 if a record that was accepted would be refused.",
		example: "fayi schema check -type lawyer lawyer.csv"})
	conf, asJSON := f.packsFlag(), f.asJSON()
	typ := f.string("type", "", "记录`类型`", "record `type`")
	territory := f.string("territory", "", "节点辖区的区划`代码`，逗号分隔；用于提示辖区以外的区划（默认为 -c 所指节点的标识）", "division `codes` of the node's territory, by commas; divisions outside it are pointed out (default: the id of the node named by -c)")
	charset, replay := f.charset(), f.replay()
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	switch {
	case *replay.on && len(rest) > 0:
		return f.usage("-replay 检查已存的记录，不带文件", "-replay judges stored records and takes no files")
	case *replay.on:
		return schemaReplay(ctx, e, f, replay, *conf, *asJSON)
	case *replay.pack != "":
		return f.usage("-pack 要与 -replay 同用", "-pack goes with -replay")
	}
	if len(rest) == 0 {
		return f.usage("要写至少一个文件", "at least one file is needed")
	}
	if !validCharset(*charset) {
		return f.usage("-charset 只能是 utf-8 或 gb18030", "-charset is utf-8 or gb18030")
	}
	reg, err := e.registry(ctx, *conf)
	if err != nil {
		return e.fail(err)
	}
	var total, failed, told int
	bad, odd := []badRecord{}, []badRecord{}
	figures := completeness{list: []typeCompleteness{}}
	if *territory == "" && *conf != "" {
		c, err := config.Load(*conf)
		if err != nil {
			return e.fail(err)
		}
		*territory = strings.Join(territoryOf(c.Node), ",")
	}
	where := schemas.Where{Territory: strings.FieldsFunc(*territory, func(r rune) bool { return r == ',' })}
	for _, file := range rest {
		t, err := fileType(reg, *typ, file)
		if err != nil {
			return e.fail(err)
		}
		err = eachRecord(ctx, file, t, *charset, func(r records.Record) error {
			total++
			faults := schemas.Faults(nil)
			if r.Err != nil {
				faults = unreadable(r.Err)
			} else if r.Data != nil || r.Op != string(outbox.Del) { // a deletion holds nothing to judge
				faults = judge(t, r.Data)
			}
			if len(faults) == 0 && r.Data != nil {
				figures.add(t, r.Data)
				if b := (badRecord{File: file, Row: r.Row, Faults: remarks(t, r.Data, where)}); len(b.Faults) > 0 {
					told++
					if told > maxListed {
						return nil
					}
					if odd = append(odd, b); !*asJSON {
						b.list(e, e.text("提示：", "remark: "))
					}
				}
			}
			if len(faults) == 0 {
				return nil
			}
			failed++
			b := badRecord{File: file, Row: r.Row, Faults: faults}
			if !*asJSON {
				b.show(e)
			} else if len(bad) < maxListed {
				bad = append(bad, b)
			}
			return nil
		})
		if err != nil {
			return e.fail(err)
		}
	}
	if *asJSON {
		e.json(map[string]any{"checked": total, "failed": failed, "records": bad, "told": told, "remarks": odd, "completeness": figures.done(), "truncated": failed > len(bad) || told > len(odd)})
	} else {
		e.say("共检查 %d 条记录，%d 条不合格", "%d records checked, %d failed", total, failed)
		if told > 0 {
			e.say("另有 %d 条合格但值得一看（最多列出 %d 条）", "%d more are valid but deserve a look (at most %d are listed)", told, maxListed)
		}
		figures.show(e)
	}
	if failed > 0 {
		return exitProblem
	}
	return exitOK
}

// charset is a flag of commands that read files.
func (f *flags) charset() *string {
	return f.string("charset", records.UTF8, "文件`编码`：utf-8 或 gb18030（含 GBK）", "the files' `encoding`: utf-8 or gb18030 (GBK too)")
}

func validCharset(s string) bool { return s == records.UTF8 || s == records.GB18030 }

// fileType is the type named, or the one the file's name begins with.
func fileType(reg *schemas.Registry, name, file string) (*schemas.Type, error) {
	if name != "" {
		return findType(reg, name)
	}
	base := filepath.Base(file)
	guess := base[:len(base)-len(strings.TrimLeft(base, "abcdefghijklmnopqrstuvwxyz0123456789_"))]
	if t, ok := reg.Current(guess); ok {
		return t, nil
	}
	return nil, &said{code: "UNKNOWN_TYPE", zh: "从文件名 " + base + " 看不出记录类型", en: "the file name " + base + " does not tell the record type",
		hintZH: "请用 -type 写明，可用类型见 fayi schema list", hintEN: "state it with -type; see fayi schema list"}
}

// eachRecord reads a file's records one by one.
func eachRecord(ctx context.Context, file string, t *schemas.Type, charset string, do func(records.Record) error) error {
	fd, err := os.Open(file)
	if err != nil {
		return err
	}
	defer fd.Close()
	r, err := records.Open(fd, file, t, charset)
	if err != nil {
		return readable(file, err)
	}
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return readable(file, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := do(rec); err != nil {
			return err
		}
	}
}
