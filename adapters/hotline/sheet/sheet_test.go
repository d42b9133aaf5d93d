package sheet_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/sheet"
	"fayi/adapters/hotline/ticket"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"
)

func deskC(t testing.TB, change ...string) *profile.Profile {
	t.Helper()
	data, err := profile.Source("desk-c@1")
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.Parse("desk-c", []byte(strings.NewReplacer(change...).Replace(string(data))))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// workbook makes a file as a clerk would send it back.
func workbook(t testing.TB, rows ...[]any) []byte {
	t.Helper()
	x := excelize.NewFile()
	defer x.Close()
	for i, r := range rows {
		if err := x.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &r); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := x.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(t testing.TB, data []byte, answers map[string]string) *sheet.Preview {
	t.Helper()
	v, err := sheet.Read(deskC(t), data, answers)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func ids(v *sheet.Preview) (out []string) {
	for _, r := range v.Rows {
		out = append(out, r.In.EventID)
	}
	return out
}

var at = time.Date(2026, 9, 29, 16, 40, 0, 0, ticket.Shanghai)

// TestSheetGoesOutAndComesBack: an offer becomes a file once; filled in, it is news
// of that hand-off.
func TestSheetGoesOutAndComesBack(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"xlsx", "csv"} {
		dir := t.TempDir()
		p := deskC(t, "format: xlsx", "format: "+format)
		x, err := sheet.Open(p, dir)
		if err != nil {
			t.Fatal(err)
		}
		o := profile.SampleOffer("QZ", 3, 1, at)
		o.Appeal.Title = `=HYPERLINK("http://x","工地欠薪")`
		if out := x.Offer(t.Context(), o); out.Class != ticket.Delivered {
			t.Fatalf("%+v", out)
		}
		if out := x.Offer(t.Context(), o); out.Class != ticket.Duplicate {
			t.Errorf("%+v", out)
		}
		files, _ := os.ReadDir(dir)
		if len(files) != 1 {
			t.Fatal(files)
		}
		data, err := os.ReadFile(filepath.Join(dir, files[0].Name()))
		if err != nil {
			t.Fatal(err)
		}
		if v := read(t, data, nil); !v.Good() || len(v.Rows) != 0 {
			t.Errorf("%s untouched is news: %+v", format, v)
		}
		var head, row []string
		if format == "csv" {
			rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff")))).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			head, row = rows[0], rows[1]
			if row[2] != "'"+o.Appeal.Title {
				t.Errorf("a formula went out: %q", row[2])
			}
		} else {
			f, err := excelize.OpenReader(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			rows, err := f.GetRows("Sheet1")
			if err != nil {
				t.Fatal(err)
			}
			head, row = rows[0], rows[1]
			if shown, _ := f.GetColVisible("Sheet1", "A"); shown {
				t.Error("the hand-off's column shows")
			}
			if formula, _ := f.GetCellFormula("Sheet1", "C2"); formula != "" || row[2] != o.Appeal.Title {
				t.Errorf("a formula went out: %q %q", formula, row[2])
			}
		}
		if row[0] != "HO-610800-20260929-000017#1" || row[1] != "求助" {
			t.Errorf("%q", row)
		}
		for i, h := range head {
			for len(row) <= i {
				row = append(row, "")
			}
			switch h {
			case "工单编号":
				row[i] = "C-0007"
			case "办理环节":
				row[i] = "办结"
			case "办理时间":
				row[i] = "2026-09-30 09:00"
			case "办理结果":
				row[i] = "已解决"
			case "公开答复":
				row[i] = "已办结"
			}
		}
		back := workbook(t, anys(head), anys(row))
		v := read(t, back, nil)
		if !v.Good() || len(v.Rows) != 1 {
			t.Fatalf("%+v", v)
		}
		in := v.Rows[0].In
		if in.HandoffID != o.HandoffID || in.Round != 1 || in.PeerNo != "C-0007" || in.Verb != "result" || in.Payload.Result != "SOLVED" || in.Payload.PublicReply != "已办结" || !v.Rows[0].Confirm {
			t.Errorf("%+v", in)
		}
	}
}

func anys(s []string) (out []any) {
	for _, c := range s {
		out = append(out, c)
	}
	return out
}

// TestSameSheetAgainIsNothingNew: columns renamed and moved, three rows more: three
// events more.
func TestSameSheetAgainIsNothingNew(t *testing.T) {
	t.Parallel()
	first := read(t, workbook(t,
		[]any{"工单编号", "办理环节", "办理时间", "办理情况", "经办人"},
		[]any{"C-1", "签收", "2026-09-29 17:00", "", "甲"},
		[]any{"C-2", "进展", "2026-09-29 17:05:00", "现场核实", "乙"},
	), nil)
	again := read(t, workbook(t,
		[]any{"处理情况", " 12345工单编号 ", "环节：", "操作时间", "办理人", "满意情况"},
		[]any{"", "C-1", "签收", "2026/9/29 17:00", "甲"},
		[]any{"现场核实", "C-2", "进展", 46294.711805555555, "乙"}, // as a date cell is stored
		[]any{"已联系", "C-2", "联系", "2026年9月29日 18:00", "乙"},
		[]any{"", "C-3", "签收", "2026-09-30", "丙"},
		[]any{"", "C-3", "回访", "2026-10-09", "丙", "基本满意"},
	), nil)
	if !first.Good() || !again.Good() || len(first.Rows) != 2 || len(again.Rows) != 5 {
		t.Fatalf("%+v\n%+v", first, again)
	}
	if d := cmp.Diff(ids(first), ids(again)[:2]); d != "" {
		t.Error(d)
	}
	if s := again.Rows[4].In.Payload.Satisfaction; s == nil || s.Result != 3 {
		t.Errorf("%+v", s)
	}
}

// TestAmbiguityIsAsked: nothing is taken until a person said what a column is.
func TestAmbiguityIsAsked(t *testing.T) {
	t.Parallel()
	data := workbook(t,
		[]any{"工单编号", "受理编号", "办理环节", "办理时间", "办理情况（内部）"},
		[]any{"C-1", "X-9", "签收", "2026-09-29 17:00", "文字"})
	v := read(t, data, nil)
	if v.Good() || len(v.Rows) != 0 || len(v.Questions) != 2 || !strings.Contains(v.Questions[0].Message+v.Questions[1].Message, "受理编号") {
		t.Fatalf("%+v", v)
	}
	v = read(t, data, map[string]string{"受理编号": "", "办理情况（内部）": ""})
	if !v.Good() || len(v.Rows) != 1 || v.Rows[0].In.PeerNo != "C-1" || v.Rows[0].In.Payload.Text != "" {
		t.Fatalf("%+v", v)
	}
	v = read(t, data, map[string]string{"工单编号": "", "办理情况（内部）": "payload.text"})
	if !v.Good() || len(v.Rows) != 1 || v.Rows[0].In.PeerNo != "X-9" || v.Rows[0].In.Payload.Text != "文字" {
		t.Fatalf("%+v", v)
	}
	if v = read(t, workbook(t, []any{"办理环节", "办理时间"}, []any{"签收", "2026-09-29"}), nil); len(v.Faults) != 1 || v.Faults[0].Code != "NO_NUMBER" {
		t.Errorf("%+v", v)
	}
}

// TestBadCellsAreNamed: all of them, with row and column.
func TestBadCellsAreNamed(t *testing.T) {
	t.Parallel()
	v := read(t, workbook(t,
		[]any{"工单编号", "办理环节", "办理时间", "办理结果"},
		[]any{"C-1", "办结", "2026-09-31", "已经好了"},
		[]any{"", "签收", "2026-09-29 17:00"},
		[]any{"C-3", "飞升", "2026-09-29 17:00"},
		[]any{"6.1080020260929E+17", "签收", "2026-09-29 17:00"},
		[]any{"C-5", "签收", 12},
	), nil)
	var got []string
	for _, r := range v.Rows {
		for _, f := range r.Faults {
			got = append(got, fmt.Sprintf("%d %s", r.Line, f.Title))
		}
	}
	if d := cmp.Diff([]string{"2 办理时间", "2 办理结果", "2 办理时间", "3 工单编号", "4 办理环节", "5 工单编号", "5 工单编号", "6 办理时间", "6 办理时间"}, got); d != "" {
		t.Error(d)
	}
	if v.Good() {
		t.Error("good")
	}
}

func TestChineseCSV(t *testing.T) {
	t.Parallel()
	text := "工单编号\t环节\t时间\t办理内容\r\nC-1\t签收\t2026-09-29 17:00\t吴𠮷\r\n"
	gb, err := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	a, b := read(t, []byte(text), nil), read(t, gb, nil)
	if !a.Good() || len(a.Rows) != 1 || a.Rows[0].In.Payload.Text != "吴𠮷" {
		t.Fatalf("%+v", a)
	}
	if d := cmp.Diff(ids(a), ids(b)); d != "" {
		t.Error(d)
	}
}

type receiver struct {
	got  []ticket.Inbound
	fail error
}

func (r *receiver) Receive(_ context.Context, _ string, in []ticket.Inbound) ([]ticket.Answer, error) {
	if r.fail != nil {
		return nil, r.fail
	}
	r.got = append(r.got, in...)
	return make([]ticket.Answer, len(in)), nil
}

func (r *receiver) Status(context.Context, string, ticket.Ref) (ticket.Answer, bool) {
	return ticket.Answer{}, false
}

// TestResultsNeedTwoPersons: one person brings a result, another confirms it.
func TestResultsNeedTwoPersons(t *testing.T) {
	t.Parallel()
	p := deskC(t)
	tray := &sheet.Tray{Dir: filepath.Join(t.TempDir(), "tray")}
	v := read(t, workbook(t,
		[]any{"工单编号", "办理环节", "办理时间", "办理结果", "公开答复"},
		[]any{"C-1", "签收", "2026-09-29 17:00"},
		[]any{"C-1", "办结", "2026-09-30 17:00", "已解决", "已办结"}), nil)
	r := &receiver{}
	_, pending, err := tray.Take(t.Context(), p, v, "张", r)
	if err != nil || pending == nil || len(r.got) != 1 || r.got[0].Verb != "accept" {
		t.Fatalf("%v %+v %+v", err, pending, r.got)
	}
	if _, err := tray.Confirm(t.Context(), pending.Digest, " 张 ", r); !errors.Is(err, sheet.ErrSamePerson) || len(r.got) != 1 {
		t.Fatal(err, r.got)
	}
	for _, bad := range []string{"", "../x", strings.Repeat("0", 32)} {
		if _, err := tray.Confirm(t.Context(), bad, "李", r); !errors.Is(err, sheet.ErrNoImport) {
			t.Error(bad, err)
		}
	}
	// The second person importing the same file does not become the first.
	if _, _, err := tray.Take(t.Context(), p, v, "李", r); err != nil {
		t.Fatal(err)
	}
	if list, err := tray.List(); err != nil || len(list) != 1 || list[0].By != "张" {
		t.Fatalf("%+v %v", list, err)
	}
	r.fail = errors.New("database away")
	if _, err := tray.Confirm(t.Context(), pending.Digest, "李", r); err == nil {
		t.Fatal("taken")
	}
	r.fail = nil
	if _, err := tray.Confirm(t.Context(), pending.Digest, "李", r); err != nil || r.got[len(r.got)-1].Verb != "result" {
		t.Fatal(err, r.got)
	}
	if list, _ := tray.List(); len(list) != 0 {
		t.Error(list)
	}
}

func TestHostileFiles(t *testing.T) {
	t.Parallel()
	zipped := func(files map[string][]byte) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for name, data := range files {
			w, err := z.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			w.Write(data)
		}
		z.Close()
		return b.Bytes()
	}
	many := map[string][]byte{}
	for i := range 300 {
		many[fmt.Sprint(i)] = nil
	}
	wide := make([]any, 300)
	for i := range wide {
		wide[i] = "x"
	}
	for _, tc := range []struct {
		name string
		data []byte
		want error
	}{
		{"bomb", zipped(map[string][]byte{"xl/worksheets/sheet1.xml": make([]byte, 64<<20)}), sheet.ErrBounds},
		{"300 entries", zipped(many), sheet.ErrBounds},
		{"links", zipped(map[string][]byte{"xl/externalLinks/externalLink1.xml": []byte("<x/>")}), sheet.ErrLinks},
		{"no workbook", zipped(map[string][]byte{"a": []byte("b")}), sheet.ErrFile},
		{"cut", workbook(t, []any{"工单编号"})[:500], sheet.ErrFile},
		{"21 MiB", make([]byte, 21<<20), sheet.ErrBounds},
		{"300 columns", workbook(t, wide), sheet.ErrBounds},
		{"quotes", []byte("a,\"b\nc"), sheet.ErrFile},
		{"no charset", []byte("\xff\xff,\x81 "), sheet.ErrFile},
	} {
		if _, err := sheet.Read(deskC(t), tc.data, nil); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	p := deskC(f)
	f.Add(workbook(f, []any{"工单编号", "环节", "时间"}, []any{"C-1", "签收", 46294}))
	f.Add([]byte("工单编号,环节,时间\nC-1,签收,2026-09-29\n"))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := sheet.Read(p, data, nil)
		if err != nil {
			return
		}
		for _, r := range v.Rows {
			if len(r.Faults) == 0 && (r.In.EventID == "" || r.In.Verb == "") {
				t.Errorf("%+v", r)
			}
		}
	})
}
