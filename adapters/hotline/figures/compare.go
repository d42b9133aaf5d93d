package figures

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"fayi/adapters/hotline/ticket"
)

// Line is what the hotline's sheet says of one ticket and round. A nil member is a column the sheet does not have.
type Line struct {
	Row      int // in the sheet, for people
	PeerNo   string
	Round    int
	Accepted *bool
	Handled  *bool
	Returned *bool
	Redo     *bool
	Answer   *int
}

// columns are the names under which sheets have what is compared; hotlines rename them from year to year.
var columns = map[string][]string{
	"number":   {"工单编号", "12345工单编号", "工单号", "编号"},
	"round":    {"轮次", "派遣次数", "派单次数"},
	"accepted": {"是否及时接收", "及时接收", "是否按时签收"},
	"handled":  {"是否按时办结", "按时办结", "是否按期办结"},
	"returned": {"是否退单", "是否退回", "退单", "是否回退"},
	"redo":     {"是否重办", "重办"},
	"answer":   {"满意度", "回访满意度"},
}

// ErrSheet is a sheet that cannot be compared; the message says why.
var ErrSheet = errors.New("figures: the sheet cannot be read")

// maxSheet bounds the lines of a sheet.
const maxSheet = 200_000

// ReadSheet reads the hotline's monthly sheet as CSV (UTF-8, with or without byte order mark), its first line the names
// of the columns. A column whose meaning two names claim is refused, not guessed; all faults of the sheet are told at
// once.
func ReadSheet(r io.Reader) ([]Line, error) {
	c := csv.NewReader(r)
	c.FieldsPerRecord = -1
	head, err := c.Read()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSheet, err)
	}
	at := map[string]int{}
	var faults []error
	for i, name := range head {
		name = strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))
		for what, names := range columns {
			if !slices.Contains(names, name) {
				continue
			}
			if _, twice := at[what]; twice {
				faults = append(faults, fmt.Errorf("列“%s”与另一列含义相同，请删去一列", name))
			}
			at[what] = i
		}
	}
	if _, ok := at["number"]; !ok {
		faults = append(faults, errors.New("没有工单编号列"))
	}
	var out []Line
	for n := 2; ; n++ {
		rec, err := c.Read()
		if err == io.EOF {
			break
		}
		if err != nil || n > maxSheet {
			return nil, fmt.Errorf("%w: row %d: %w", ErrSheet, n, cmpErr(err, errors.New("too many rows")))
		}
		line := Line{Row: n, Round: 1}
		for what, i := range at {
			if i >= len(rec) {
				continue
			}
			if err := line.set(what, strings.TrimSpace(rec[i])); err != nil {
				faults = append(faults, fmt.Errorf("第%d行：%w", n, err))
			}
		}
		if line.PeerNo != "" {
			out = append(out, line)
		}
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("%w: %w", ErrSheet, errors.Join(faults...))
	}
	return out, nil
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (l *Line) set(what, v string) error {
	if v == "" {
		return nil
	}
	yes := func() (*bool, error) {
		switch v {
		case "是", "1", "true", "Y", "√":
			b := true
			return &b, nil
		case "否", "0", "false", "N", "×":
			b := false
			return &b, nil
		}
		return nil, fmt.Errorf("“%s”不是是或否", v)
	}
	var err error
	switch what {
	case "number":
		l.PeerNo = v
	case "round":
		l.Round, err = strconv.Atoi(v)
	case "accepted":
		l.Accepted, err = yes()
	case "handled":
		l.Handled, err = yes()
	case "returned":
		l.Returned, err = yes()
	case "redo":
		l.Redo, err = yes()
	case "answer":
		for _, c := range ticket.Codes("satisfaction") {
			if v == c.Code || v == c.ZH {
				n, _ := strconv.Atoi(c.Code)
				l.Answer = &n
				return nil
			}
		}
		err = fmt.Errorf("满意度“%s”不在代码表中", v)
	}
	return err
}

// Difference is one ticket on which the two sides do not agree.
type Difference struct {
	PeerNo  string `json:"peerTicketNo"`
	Round   int    `json:"round"`
	Handoff string `json:"handoffId,omitempty"`
	Figure  string `json:"figure"`
	Theirs  string `json:"theirs"`
	Ours    string `json:"ours"`
	Code    string `json:"code"` // why, for programs
	Why     string `json:"why"`  // why, for people
	Sheet   int    `json:"sheetRow,omitempty"`
}

// Reasons of a difference.
const (
	NoRound   = "NO_ROUND"
	Cancelled = "CANCELLED"
	Inner     = "INNER_RETURN"
	Refused   = "RETURN_REFUSED"
	NotListed = "NOT_LISTED"
	Clocks    = "CLOCKS_DIFFER"
	Inferred  = "NO_EVIDENCE"
	Other     = "DIFFERS"
)

// Compare joins the report with the sheet by number and round and lists every difference. Rows of ours that the sheet
// does not have are differences too.
func Compare(r Report, sheet []Line) []Difference {
	type key struct {
		no    string
		round int
	}
	ours, listed := map[key]Row{}, map[key]bool{}
	known := map[string]bool{}
	for _, row := range r.Rows {
		ours[key{row.PeerNo, row.Round}] = row
		known[row.PeerNo] = true
	}
	var out []Difference
	for _, l := range sheet {
		k := key{l.PeerNo, l.Round}
		listed[k] = true
		row, ok := ours[k]
		if !ok {
			out = append(out, l.missing(known[l.PeerNo])...)
			continue
		}
		out = append(out, l.against(row)...)
	}
	for _, row := range r.Rows {
		if !listed[key{row.PeerNo, row.Round}] {
			out = append(out, Difference{PeerNo: row.PeerNo, Round: row.Round, Handoff: row.Handoff, Figure: "工单量", Theirs: "无", Ours: "有", Code: NotListed, Why: "对方报表漏列此单，我方有对方编号与回执"})
		}
	}
	return out
}

// missing: the sheet counts a round we do not have. It differs only in what it claims.
func (l Line) missing(numberKnown bool) []Difference {
	why := "我方没有此编号的工单"
	if numberKnown {
		why = "我方没有这一轮次：对方未再派，或未告知我方"
	}
	d := Difference{PeerNo: l.PeerNo, Round: l.Round, Figure: "工单量", Theirs: "有", Ours: "无", Code: NoRound, Why: why, Sheet: l.Row}
	if l.Returned != nil && *l.Returned {
		d.Figure, d.Theirs, d.Ours = ReturnRate, "退单", "无此轮次"
	}
	return []Difference{d}
}

func (l Line) against(row Row) (out []Difference) {
	add := func(figure, theirs, ours, code, why string) {
		out = append(out, Difference{PeerNo: l.PeerNo, Round: l.Round, Handoff: row.Handoff, Figure: figure, Theirs: theirs, Ours: ours, Code: code, Why: why, Sheet: l.Row})
	}
	if l.Returned != nil && *l.Returned != row.Returned {
		theirs, mine := word(*l.Returned, "退单", "未退单"), word(row.Returned, "退单", "未退单")
		switch {
		case row.State == ticket.Withdrawn || row.State == ticket.Cancelled || row.Outcome == ticket.Withdrawn:
			add(ReturnRate, theirs, mine+"（已撤回）", Cancelled, "此单已由热线撤销，不是退单")
		case row.Asked && !row.Returned:
			add(ReturnRate, theirs, mine, Refused, "退单申请未获同意")
		case !row.Asked && !row.Returned:
			add(ReturnRate, theirs, mine, Inner, "我方事件链中没有退单申请与审核，系对方内部单位退回")
		default:
			add(ReturnRate, theirs, mine, Other, "我方有退单申请与同意的事件")
		}
	}
	for _, q := range []struct {
		figure string
		theirs *bool
		ours   Judgement
	}{{InTime, l.Accepted, row.Accepted}, {Done, l.Handled, row.Handled}} {
		if q.theirs == nil || word(*q.theirs, string(Yes), string(No)) == string(q.ours) {
			continue
		}
		code, why := Clocks, "双方时钟记录不一致，见该单时限计算依据"
		if q.ours == Unknown || q.ours == NotYet {
			code, why = Inferred, "我方无法判定："+row.Why
		}
		add(q.figure, word(*q.theirs, "是", "否"), string(q.ours), code, why)
	}
	if l.Redo != nil && *l.Redo != row.Redo {
		add(RedoRate, word(*l.Redo, "重办", "非重办"), word(row.Redo, "重办", "非重办"), Other, "以我方轮次记录为准")
	}
	if l.Answer != nil && (row.Answer == nil || *l.Answer != *row.Answer) {
		mine := "无回访记录"
		if row.Answer != nil {
			mine = ticket.Label("satisfaction", strconv.Itoa(*row.Answer))
		}
		add(Satisfied, ticket.Label("satisfaction", strconv.Itoa(*l.Answer)), mine, Other, "回访记录不一致")
	}
	return out
}

func word(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}
