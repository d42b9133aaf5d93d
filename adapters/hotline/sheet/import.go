package sheet

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/outer"
	"fayi/schemas"

	"github.com/emmansun/gmsm/sm3"
)

// idHeader heads the hidden column.
const idHeader = "法驿转办编号"

// Preview is what a file would do. Nothing has been taken yet.
type Preview struct {
	Digest    string         `json:"digest"`    // of what the rows say
	Columns   []ColumnUse    `json:"columns"`   // what each header was taken for
	Questions []Question     `json:"questions"` // to be answered before anything is taken
	Rows      []Row          `json:"rows"`
	Faults    schemas.Faults `json:"faults"` // of the file as a whole
}

// ColumnUse says what a header was taken for.
type ColumnUse struct {
	Header string `json:"header"`
	Field  string `json:"field"` // "" where it is not used
}

// Question is a header that may be several things, or several headers for one.
type Question struct {
	Headers []string `json:"headers"`
	Fields  []string `json:"fields"`
	Message string   `json:"message"`
}

// Row is one row of news.
type Row struct {
	Line    int            `json:"line"` // of the sheet, from 1
	In      ticket.Inbound `json:"in"`
	Faults  schemas.Faults `json:"faults,omitempty"`
	Confirm bool           `json:"confirm"` // a second person must confirm it
}

// Good tells whether everything could be taken as it is.
func (p *Preview) Good() bool {
	return len(p.Questions) == 0 && len(p.Faults) == 0 && !slices.ContainsFunc(p.Rows, func(r Row) bool { return len(r.Faults) > 0 })
}

// Read reads a file of a party. answers settles questions of an earlier preview:
// header → field, "" for a header that is not to be used.
func Read(p *profile.Profile, data []byte, answers map[string]string) (*Preview, error) {
	rows, err := table(data)
	if err != nil {
		return nil, err
	}
	out := &Preview{Columns: []ColumnUse{}, Questions: []Question{}, Rows: []Row{}}
	head := slices.IndexFunc(rows, func(r []string) bool { return slices.ContainsFunc(r, func(c string) bool { return c != "" }) })
	if head < 0 {
		out.Faults = append(out.Faults, schemas.Fault{Code: "EMPTY", Message: "表格是空的", MessageEN: "the sheet is empty"})
		return out, nil
	}
	use := out.headers(p, rows[head], answers)
	if len(out.Questions) > 0 || len(out.Faults) > 0 {
		return out, nil
	}
	for i, r := range rows[head+1:] {
		if !slices.ContainsFunc(r, func(c string) bool { return c != "" }) {
			continue
		}
		if row, news := readRow(p, head+2+i, use, r); news {
			out.Rows = append(out.Rows, row)
		}
	}
	var all strings.Builder
	for _, r := range out.Rows {
		all.WriteString(r.In.EventID + "\n")
	}
	out.Digest = digest(all.String())[:32]
	return out, nil
}

// headers finds out what each column is.
func (out *Preview) headers(p *profile.Profile, head []string, answers map[string]string) []*profile.Column {
	use := make([]*profile.Column, len(head))
	claimed := map[string][]string{} // field → headers
	for i, h := range head {
		name := normal(h)
		var fits []*profile.Column
		for k := range p.Sheet.Columns {
			c := &p.Sheet.Columns[k]
			if name != "" && slices.ContainsFunc(append([]string{c.Title}, c.Synonyms...), func(s string) bool { return normal(s) == name }) {
				fits = append(fits, c)
			}
		}
		if len(fits) == 0 && name != "" && name != normal(idHeader) { // 12345工单编号（新） is perhaps 工单编号
			for k := range p.Sheet.Columns {
				c := &p.Sheet.Columns[k]
				if strings.Contains(name, normal(c.Title)) || strings.Contains(normal(c.Title), name) {
					fits = append(fits, c)
				}
			}
			if field, answered := answers[h]; !answered && len(fits) > 0 {
				out.Questions = append(out.Questions, question([]string{h}, fits))
			} else {
				fits = slices.DeleteFunc(fits, func(c *profile.Column) bool { return c.Field != field })
			}
		}
		if field, answered := answers[h]; answered {
			fits = nil
			for k := range p.Sheet.Columns {
				if p.Sheet.Columns[k].Field == field {
					fits = []*profile.Column{&p.Sheet.Columns[k]}
				}
			}
		}
		field := ""
		if len(fits) == 1 {
			use[i], field = fits[0], fits[0].Field
			claimed[field] = append(claimed[field], h)
		}
		out.Columns = append(out.Columns, ColumnUse{h, field})
	}
	for k := range p.Sheet.Columns {
		c := &p.Sheet.Columns[k]
		if len(claimed[c.Field]) > 1 {
			out.Questions = append(out.Questions, question(claimed[c.Field], []*profile.Column{c}))
		}
	}
	if len(out.Questions) == 0 {
		hidden := slices.ContainsFunc(head, func(h string) bool { return normal(h) == normal(idHeader) })
		if len(claimed["peerNo"]) == 0 && !hidden {
			out.Faults = append(out.Faults, schemas.Fault{Code: "NO_NUMBER", Message: "没有转办编号列，也没有工单编号列，不知道各行是哪一件", MessageEN: "neither a hand-off column nor a ticket number",
				Hint: "使用本系统导出的表格填写，或保留工单编号列"})
		}
	}
	return use
}

func question(headers []string, fits []*profile.Column) Question {
	q := Question{Headers: headers}
	var titles []string
	for _, c := range fits {
		q.Fields = append(q.Fields, c.Field)
		titles = append(titles, c.Title)
	}
	if len(headers) > 1 {
		q.Message = fmt.Sprintf("“%s”都可能是“%s”，请指定一列", strings.Join(headers, "”“"), titles[0])
	} else {
		q.Message = fmt.Sprintf("“%s”是不是“%s”？请确认", headers[0], strings.Join(titles, "”或“"))
	}
	return q
}

// normal is a header without what people change in passing.
func normal(s string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n\u00a0\u3000*：:（）()", r) {
			return -1
		}
		return r
	}, s))
}

// readRow reads one row; news is false for a row the party has not filled in.
func readRow(p *profile.Profile, line int, use []*profile.Column, cells []string) (row Row, news bool) {
	row.Line = line
	values := outer.NewObject()
	fault := func(field, title, zh, en string) {
		row.Faults = append(row.Faults, schemas.Fault{Code: "CELL", Pointer: fmt.Sprintf("/%d/%s", line, field), Title: title,
			Message: fmt.Sprintf("第 %d 行“%s”%s", line, title, zh), MessageEN: fmt.Sprintf("row %d, %s: %s", line, title, en)})
	}
	for i, cell := range cells {
		if i >= len(use) || cell == "" {
			continue
		}
		c := use[i]
		switch {
		case c == nil:
			if id, round, ok := splitID(cell); ok {
				values.Set("handoffId", outer.Text(id)).Set("round", outer.Text(round))
			}
			continue
		case c.Out: // ours, coming back
			continue
		}
		news = true
		text := cell
		if c.Map != "" {
			var err error
			if text, err = p.CodeIn(c.Map, cell); err != nil || text == "" {
				fault(c.Field, c.Title, "“"+short(cell)+"”没有对应的代码", "no code for it")
				continue
			}
		}
		switch c.Field {
		case "at", "due", "dispatchAt", "payload.effectiveAt":
			t, ok := moment(cell)
			if !ok {
				fault(c.Field, c.Title, "不是有效的时间，应如 2026-09-29 16:40", "no moment such as 2026-09-29 16:40")
				continue
			}
			text = t.Format(time.RFC3339)
		case "peerNo":
			if scientific(cell) {
				fault(c.Field, c.Title, "被表格软件改成了数值，位数已丢失，请把该列设为文本后重填", "became a number and lost digits")
				continue
			}
		}
		values.Set(c.Field, outer.Text(text))
	}
	if !news {
		return row, false
	}
	w, err := profile.ReadWords(values)
	if err != nil {
		fault("", "内容", "无法识别（"+err.Error()+"）", err.Error())
		return row, true
	}
	row.In = inbound(p, w)
	if row.In.HandoffID == "" && row.In.PeerNo == "" {
		fault("peerNo", "工单编号", "没有编号，不知道是哪一件", "has no number")
	}
	if w.Code == "" {
		fault("code", "办理环节", "没有填写", "is empty")
	} else if row.In.Verb == "" {
		fault("code", "办理环节", "“"+short(w.Code)+"”没有对应的动作", "is no word of the profile")
	}
	if row.In.At.IsZero() {
		fault("at", "办理时间", "没有填写", "is empty")
	}
	row.Confirm = slices.Contains(p.Sheet.TwoPersons, string(row.In.Verb))
	return row, true
}

func inbound(p *profile.Profile, w *profile.Words) ticket.Inbound {
	in := ticket.Inbound{HandoffID: w.HandoffID, PeerNo: w.PeerNo, Round: w.Round, Verb: ticket.Verb(p.News[w.Code]), User: w.User, Unit: w.Unit}
	if !w.At.IsZero() {
		in.At = ticket.Time(w.At)
	}
	if w.Payload != nil {
		in.Payload = *w.Payload
	}
	who := in.HandoffID // a row is the same whether it is named by our number or theirs
	if who == "" {
		who = in.PeerNo
	}
	content, err := ticket.Encode(in.Payload)
	if err != nil {
		return in
	}
	in.EventID = digest(strings.Join([]string{who, strconv.Itoa(in.Round), string(in.Verb), in.At.String(), in.User, string(content)}, "|"))
	return in
}

func splitID(s string) (id, round string, ok bool) {
	id, round, ok = strings.Cut(s, "#")
	_, err := strconv.Atoi(round)
	return id, round, ok && err == nil && strings.HasPrefix(id, "HO-")
}

var layouts = []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02", "2006/1/2 15:04:05", "2006/1/2 15:04", "2006/1/2", "2006年1月2日 15:04", "2006年1月2日", time.RFC3339}

// moment reads a date as people write it, or as a spreadsheet stores it: days
// since 1899-12-30. Numbers are taken only here, where cells have no type of
// their own.
func moment(s string) (time.Time, bool) {
	for _, l := range layouts {
		if t, err := time.ParseInLocation(l, s, ticket.Shanghai); err == nil {
			return t, t.Year() > 1999 && t.Year() < 2100
		}
	}
	serial, err := strconv.ParseFloat(s, 64)
	if err != nil || serial < 36526 || serial > 73050 { // 2000 to 2099
		return time.Time{}, false
	}
	day, part := math.Modf(serial)
	t := time.Date(1899, 12, 30, 0, 0, 0, 0, ticket.Shanghai).AddDate(0, 0, int(day))
	return t.Add(time.Duration(math.Round(part*86400)) * time.Second), true
}

// scientific reports a number whose digits are gone.
func scientific(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil && strings.ContainsAny(s, "eE")
}

func short(s string) string {
	r := []rune(s)
	return string(r[:min(len(r), 20)])
}

func digest(s string) string {
	h := sm3.Sum([]byte(s))
	return hex.EncodeToString(h[:])
}
