package packdoc

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"fayi/schemas"
)

// headers are the titles over the columns of a template: Chinese, as package records reads them back; the field's name where a title is
// missing, used twice, another field's name, or would be a formula.
func headers(fields []schemas.Field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.Title
		clash := slices.ContainsFunc(fields, func(o schemas.Field) bool { return o.Name != f.Name && (o.Title == f.Title || o.Name == f.Title) })
		if clash || f.Title == "" || f.Title != strings.TrimSpace(f.Title) || cell(f.Title) != f.Title {
			out[i] = f.Name
		}
	}
	return out
}

// cell makes text safe for a spreadsheet that opens a CSV: what it would take for a formula gets an apostrophe in front.
func cell(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t\r\n") || strings.HasPrefix(s, "＝") || strings.HasPrefix(s, "＋") || strings.HasPrefix(s, "－") || strings.HasPrefix(s, "＠") {
		return "'" + s
	}
	return s
}

// csvForm is the header and nothing else, so that the file can be checked and published as soon as lines are added. It starts with a byte
// order mark, without which Excel takes UTF-8 for GBK.
func (p *TypePage) csvForm() ([]byte, error) {
	b := bytes.NewBufferString("\ufeff")
	w := csv.NewWriter(b)
	w.UseCRLF = true
	line := headers(p.fields)
	for i := range line {
		line[i] = cell(line[i])
	}
	if err := w.Write(line); err != nil {
		return nil, fmt.Errorf("packdoc: %s.csv: %w", p.Name, err)
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// note is the line under a header: name, need and limits of the field.
func (p *TypePage) note(f schemas.Field) string {
	defs, _ := p.doc["$defs"].(object)
	properties, _ := p.doc["properties"].(object)
	s, _ := properties[f.Name].(object)
	words := limits(s, defs, len(f.Tables) > 0)
	switch {
	case f.JSONType == "array" && len(f.Fields) > 0, f.JSONType == "object":
		words = "写成 JSON"
	case f.JSONType == "array":
		words += "，多项用；分隔"
	case f.JSONType == "boolean":
		words = "是 或 否"
	}
	sure := need(f)
	if sure != "必填" && sometimes(p.doc, defs, f.Name) {
		sure += "（有时必填）"
	}
	return f.Name + "｜" + sure + "｜" + words
}

// prompt is what a spreadsheet shows beside the chosen cell, within its bound of 255 UTF-16 units: the codes with their names if they fit.
func (p *TypePage) prompt(f schemas.Field) string {
	text := p.note(f)
	var items []string
	for _, t := range f.Tables {
		for _, it := range t.Items {
			items = append(items, it.Code+" "+it.Name)
		}
	}
	if len(items) > 0 {
		with := text + "\n" + strings.Join(items, "；")
		if len(utf16.Encode([]rune(with))) <= maxPrompt {
			return with
		}
		text += "\n代码见「代码」页"
	}
	for runes := []rune(text); len(utf16.Encode(runes)) > maxPrompt; {
		runes = runes[:len(runes)-1]
		text = string(runes)
	}
	return text
}

const maxPrompt = 255

// form is the XLSX template: a sheet to fill in, the same fields as a list to read, and the codes behind the drop-down lists.
func (p *TypePage) form() ([]byte, error) {
	fill := sheet{name: "填报", frozen: 2}
	read := sheet{name: "填写说明", frozen: 1, widths: []int{20, 22, 8, 14, 60, 40}}
	codes := sheet{name: "代码", frozen: 1}
	read.add(styleHead, "字段名", "中文名", "要求", "类型", "说明", "代码表")
	titles := headers(p.fields)
	var notes []string
	for i, f := range p.fields {
		notes = append(notes, p.note(f))
		col := column{text: f.JSONType != "integer" && f.JSONType != "number", prompt: p.prompt(f), title: titles[i]}
		list, tables := []string{}, []string{}
		for _, t := range f.Tables {
			tables = append(tables, t.Title)
			for _, it := range t.Items {
				list = appendNew(list, it.Code)
			}
		}
		switch {
		case f.JSONType == "boolean":
			col.list = `"是,否"`
		case len(list) > 0:
			at := codes.width()
			codes.column(at, titles[i]+"代码", list)
			codes.column(at+1, "名称", names(f.Tables, list))
			if f.JSONType == "string" { // several codes in one cell fit no list
				col.list = fmt.Sprintf("'代码'!$%s$2:$%s$%d", letters(at), letters(at), len(list)+1)
			}
		}
		fill.columns = append(fill.columns, col)
		read.add(styleText, f.Name, titles[i], need(f), f.Notation, notes[i], strings.Join(tables, "、"))
	}
	read.add(styleText, "")
	read.add(styleText, "从「填报」页第 3 行起每行一条记录；另存为 CSV 前请删去第 2 行的说明。")
	fill.add(styleHead, titles...)
	fill.add(styleNote, notes...)
	sheets := []sheet{fill, read}
	if len(codes.rows) > 0 {
		sheets = append(sheets, codes)
	}
	data, err := workbook(sheets)
	if err != nil {
		return nil, fmt.Errorf("packdoc: %s.xlsx: %w", p.Name, err)
	}
	return data, nil
}

// names are the names of codes, in their order.
func names(tables []*schemas.Table, codes []string) []string {
	out := make([]string, len(codes))
	for i, c := range codes {
		for _, t := range tables {
			if k := slices.IndexFunc(t.Items, func(it schemas.Item) bool { return it.Code == c }); k >= 0 && out[i] == "" {
				out[i] = t.Items[k].Name
			}
		}
	}
	return out
}
