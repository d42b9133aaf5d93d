package records

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"fayi/schemas"
)

// Cells become JSON by their field: an empty cell leaves the field out; 是, 1,
// true and 否, 0, false are booleans; numbers go in as they are written; arrays
// are split at ; ； or 、, objects are written as JSON. A cell that does not fit
// its field goes in as text, so that the type's own check says what is wrong.
type table struct {
	r       *csv.Reader
	columns []*schemas.Field // nil for columns without a name
}

func newCSV(b *bufio.Reader, typ *schemas.Type) (*table, error) {
	if typ == nil {
		return nil, &Error{Code: "BAD_FILE", Message: "CSV 文件要写明记录类型（-type）", MessageEN: "a CSV file needs its record type (-type)"}
	}
	t := &table{r: csv.NewReader(b)}
	t.r.ReuseRecord = true
	t.r.FieldsPerRecord = -1 // short lines are said in words below
	header, err := t.r.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, &Error{Code: "BAD_FILE", Message: "文件是空的，第一行应为字段名", MessageEN: "the file is empty; its first line holds the field names"}
		}
		return nil, brokenCSV(err)
	}
	return t, t.header(header, typ.Fields())
}

// header finds the field of each column. All faults are told at once.
func (t *table) header(names []string, fields []schemas.Field) error {
	var unknown, twice []string
	for _, name := range names {
		name = strings.TrimSpace(name)
		if !utf8.ValidString(name) {
			return &Error{Code: "BAD_HEADER", Message: "表头不是 UTF-8 编码，若由 Excel 或 WPS 导出请加 -charset gb18030", MessageEN: "the header is not UTF-8; try -charset gb18030"}
		}
		i := slices.IndexFunc(fields, func(f schemas.Field) bool { return f.Name == name })
		if i < 0 {
			i = slices.IndexFunc(fields, func(f schemas.Field) bool { return f.Title == name })
		}
		switch {
		case name == "":
			t.columns = append(t.columns, nil)
		case i < 0:
			unknown = append(unknown, name)
		case slices.ContainsFunc(t.columns, func(f *schemas.Field) bool { return f != nil && f.Name == fields[i].Name }):
			twice = append(twice, name)
		default:
			t.columns = append(t.columns, &fields[i])
		}
	}
	if len(unknown) > 0 {
		return &Error{Code: "BAD_HEADER", Message: "表头中有不认识的列：" + strings.Join(unknown, "、") + "（列名用字段名或中文标题，见 fayi schema show）",
			MessageEN: "unknown columns: " + strings.Join(unknown, ", ") + " (use field names or Chinese titles, see fayi schema show)"}
	}
	if len(twice) > 0 {
		return &Error{Code: "BAD_HEADER", Message: "表头中重复的列：" + strings.Join(twice, "、"), MessageEN: "columns given twice: " + strings.Join(twice, ", ")}
	}
	return nil
}

func brokenCSV(err error) error {
	var pe *csv.ParseError
	if errors.As(err, &pe) {
		return &Error{Code: "BAD_FILE", Message: fmt.Sprintf("第 %d 行的引号不配对，文件从此处无法继续读取", pe.Line), MessageEN: fmt.Sprintf("quotes do not match in line %d; the file cannot be read further", pe.Line)}
	}
	return err
}

func (t *table) Next() (Record, error) {
	for {
		cells, err := t.r.Read()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return Record{}, io.EOF
			}
			return Record{}, brokenCSV(err)
		}
		row, _ := t.r.FieldPos(0)
		if !slices.ContainsFunc(cells, func(s string) bool { return strings.TrimSpace(s) != "" }) {
			continue
		}
		if len(cells) > len(t.columns) && slices.ContainsFunc(cells[len(t.columns):], func(s string) bool { return strings.TrimSpace(s) != "" }) {
			return Record{Row: row, Err: &Error{Code: "BAD_RECORD", Message: fmt.Sprintf("有 %d 列，表头只有 %d 列", len(cells), len(t.columns)),
				MessageEN: fmt.Sprintf("has %d columns, the header %d", len(cells), len(t.columns))}}, nil
		}
		return t.record(row, cells), nil
	}
}

func (t *table) record(row int, cells []string) Record {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, cell := range cells {
		if i >= len(t.columns) || t.columns[i] == nil {
			continue
		}
		if cell = strings.TrimSpace(cell); cell == "" {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.Write(text(t.columns[i].Name))
		b.WriteByte(':')
		b.Write(value(t.columns[i].JSONType, cell))
		if b.Len() > MaxRecord {
			return Record{Row: row, Err: tooLong()}
		}
	}
	b.WriteByte('}')
	return Record{Row: row, Data: b.Bytes()}
}

// value writes one cell as JSON of the kind wanted, or as text if it is not that.
func value(kind, cell string) []byte {
	switch kind {
	case "boolean":
		switch strings.ToLower(cell) {
		case "是", "1", "true":
			return []byte("true")
		case "否", "0", "false":
			return []byte("false")
		}
	case "integer", "number":
		var n json.Number
		if json.Unmarshal([]byte(cell), &n) == nil && cell[0] != '"' {
			return []byte(cell)
		}
	case "array":
		if json.Valid([]byte(cell)) && cell[0] == '[' {
			return []byte(cell)
		}
		var b bytes.Buffer
		b.WriteByte('[')
		for _, item := range strings.FieldsFunc(cell, func(r rune) bool { return r == ';' || r == '；' || r == '、' }) {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			if b.Len() > 1 {
				b.WriteByte(',')
			}
			b.Write(text(item))
		}
		b.WriteByte(']')
		return b.Bytes()
	case "object":
		if json.Valid([]byte(cell)) && cell[0] == '{' {
			return []byte(cell)
		}
	}
	return text(cell)
}

// text writes a JSON string, bytes that are no UTF-8 as U+FFFD: the type's check names them.
func text(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string cannot fail
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
