package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/sheet"
	"fayi/adapters/hotline/ticket"
	"fayi/cmd/fayi/internal/config"
)

// sheetFolder is where the files for a party without an interface go.
func sheetFolder(c *config.File, party string) string {
	return filepath.Join(c.Abs(c.Handoff.Sheets), party)
}

// importer is what fayi handoff import works with.
type importer struct {
	e    *env
	tray *sheet.Tray
	from time.Time // when this command began: what the desk took before is known already
	json bool
}

func handoffImport(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi handoff import", args: "[FILE]",
		zh:      "导入对方填好带回的表格（xlsx 或 csv）。先只预览：各列当作什么、哪里有错、有什么要问；加 -take 才收。办理结果等动作要第二个人用 -confirm 核对后才生效。-list 列出等待核对的导入。",
		en:      "Bring in a sheet (xlsx or csv) a party filled in. It is only previewed: what each column is taken for, faults, questions; -take takes it. Results and the like count once a second person has confirmed them with -confirm. -list shows what waits.",
		example: "fayi handoff import -c fayi.yaml -party WINDOW_610802 back.xlsx"})
	conf, asJSON := f.config(), f.asJSON()
	party := f.string("party", "", "对方`代码`", "`code` of the party")
	by := f.string("by", "", "经办`人`", "the `person` who does this")
	take := f.bool("take", "收下预览无误的表格", "take a sheet whose preview is good")
	columns := f.string("column", "", "指定列，`列名=字段`，逗号分隔；字段留空表示不用该列", "what columns are, `header=field`, separated by commas; no field: not used")
	confirm := f.string("confirm", "", "核对并生效的导入`编号`", "`number` of the import to confirm")
	drop := f.string("drop", "", "作废的导入`编号`", "`number` of the import to throw away")
	list := f.bool("list", "列出等待核对的导入", "list imports that wait")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	alone := *confirm != "" || *drop != "" || *list
	switch {
	case alone && len(rest) > 0, !alone && len(rest) != 1:
		return f.usage("要写一个表格文件，或 -list、-confirm、-drop 之一", "a file is needed, or one of -list, -confirm, -drop")
	case !alone && *party == "":
		return f.usage("要用 -party 写明是哪个对方的表格", "-party must name whose sheet it is")
	case (*take || *confirm != "") && *by == "":
		return f.usage("要用 -by 写明经办人", "-by must name the person")
	}
	answers := map[string]string{}
	for pair := range strings.SplitSeq(*columns, ",") {
		if header, field, ok := strings.Cut(pair, "="); ok {
			answers[header] = field
		} else if pair != "" {
			return f.usage("-column 应写作 列名=字段", "-column is header=field")
		}
	}
	st, c, err := e.openMigrated(ctx, *conf)
	if err != nil {
		return e.fail(err)
	}
	defer st.Close()
	svc, err := newHotline(c, st, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		return e.fail(err)
	}
	i := importer{e: e, tray: &sheet.Tray{Dir: filepath.Join(c.Abs(c.Handoff.Sheets), "tray")}, from: ticket.Time(time.Now()), json: *asJSON}
	switch {
	case *list:
		return i.list()
	case *drop != "":
		if err := i.tray.Drop(*drop); err != nil {
			return e.fail(importErr(err))
		}
		e.note("已作废 %s", "%s is thrown away", *drop)
		return exitOK
	case *confirm != "":
		got, err := i.tray.Confirm(ctx, *confirm, *by, svc.Desk)
		if err != nil {
			return e.fail(importErr(err))
		}
		return i.taken(got, nil)
	}
	p, err := sheetProfile(c, *party)
	if err != nil {
		return e.fail(err)
	}
	data, err := readSheet(rest[0])
	if err != nil {
		return e.fail(err)
	}
	v, err := sheet.Read(p, data, answers)
	if err != nil {
		return e.fail(importErr(err))
	}
	if !*take || !v.Good() {
		return i.preview(v)
	}
	got, wait, err := i.tray.Take(ctx, p, v, *by, svc.Desk)
	if err != nil {
		return e.fail(importErr(err))
	}
	return i.taken(got, wait)
}

func readSheet(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, sheet.MaxFile+1))
}

// sheetProfile is the newest profile of a party that exchanges sheets.
func sheetProfile(c *config.File, party string) (*profile.Profile, error) {
	var found *profile.Profile
	for _, name := range c.Handoff.Profiles {
		if !isShipped(name) {
			name = c.Abs(name)
		}
		p, err := profile.Load(name)
		if err != nil {
			return nil, err
		}
		if p.Party.Code == party && p.Sheet != nil {
			found = p
		}
	}
	if found == nil {
		return nil, &said{code: "NO_SHEET", zh: party + " 没有用表格往来的接口配置", en: party + " has no profile with a sheet",
			hintZH: "核对代码和 fayi.yaml 的 handoff.profiles", hintEN: "check the code and handoff.profiles of fayi.yaml"}
	}
	return found, nil
}

// importErr words the errors of sheets.
func importErr(err error) error {
	for _, k := range []struct {
		err          error
		code, zh, en string
		hzh, hen     string
	}{
		{sheet.ErrSamePerson, "SAME_PERSON", "导入的人不能自己核对", "who imported cannot confirm", "请另一位工作人员核对", "ask somebody else"},
		{sheet.ErrNoImport, "NO_IMPORT", "没有这个等待核对的导入", "no such import waits", "运行 fayi handoff import -list 查看", "see fayi handoff import -list"},
		{sheet.ErrFile, "BAD_SHEET", "不是能读的表格", "no spreadsheet that can be read", "用 xlsx 或 csv 重新保存", "save it as xlsx or csv"},
		{sheet.ErrBounds, "SHEET_BOUNDS", "表格过大，或压缩比异常", "the spreadsheet is out of bounds", "拆成几份，或另存为 csv", "split it, or save it as csv"},
		{sheet.ErrLinks, "SHEET_LINKS", "表格引用了其他文件", "the spreadsheet refers to other files", "去掉外部引用后重新保存", "remove the references"},
	} {
		if errors.Is(err, k.err) {
			return &said{code: k.code, zh: k.zh, en: k.en, hintZH: k.hzh, hintEN: k.hen, err: err}
		}
	}
	return err
}

// preview shows what a file would do.
func (i importer) preview(v *sheet.Preview) int {
	code := exitOK
	if !v.Good() {
		code = exitProblem
	}
	if i.json {
		i.e.json(v)
		return code
	}
	e := i.e
	for _, c := range v.Columns {
		if c.Field != "" {
			e.say("列 “%s” 作为 %s", "column %q is %s", c.Header, c.Field)
		} else if c.Header != "" {
			e.say("列 “%s” 不用", "column %q is not used", c.Header)
		}
	}
	for _, q := range v.Questions {
		e.say("请确认：%s（-column 列名=字段，字段为 %s）", "to be answered: %s (-column header=field; fields: %s)", e.text(q.Message, strings.Join(q.Headers, ", ")), e.list(q.Fields))
	}
	for _, f := range v.Faults {
		e.say("问题：%s", "fault: %s", e.text(f.Message, f.MessageEN))
	}
	wait := 0
	for _, r := range v.Rows {
		for _, f := range r.Faults {
			e.say("问题：%s", "fault: %s", e.text(f.Message, f.MessageEN))
		}
		if r.Confirm {
			wait++
		}
	}
	e.say("%d 行动态，其中 %d 行要第二个人核对", "%d rows of news, %d of which a second person must confirm", len(v.Rows), wait)
	if v.Good() {
		e.note("只是预览，没有收下；加 -take -by 姓名 收下", "only a preview; -take -by NAME takes it")
	}
	return code
}

// taken shows what the desk said to the rows it was given.
func (i importer) taken(got []ticket.Answer, wait *sheet.Pending) int {
	var fresh, known int
	var bad []ticket.Answer
	for _, a := range got {
		switch {
		case a.Code == ticket.CodeDuplicate, a.Taken() && a.At.Before(i.from):
			known++
		case a.Taken():
			fresh++
		default:
			bad = append(bad, a)
		}
	}
	code := exitOK
	if len(bad) > 0 {
		code = exitProblem
	}
	if i.json {
		out := map[string]any{"taken": fresh, "known": known, "refused": bad}
		if bad == nil {
			out["refused"] = []ticket.Answer{}
		}
		if wait != nil {
			out["waiting"] = wait.Digest
		}
		i.e.json(out)
		return code
	}
	i.e.say("收下 %d 行，%d 行以前收过，%d 行没有收下", "%d rows taken, %d known before, %d refused", fresh, known, len(bad))
	for _, a := range bad {
		i.e.say("  %s", "  %s", strings.TrimSpace(fmt.Sprintf("%s %s %s", a.HandoffID, a.Code, faultText(i.e, a))))
	}
	if wait != nil {
		i.e.say("%d 行等待第二个人核对：fayi handoff import -confirm %s -by 姓名", "%d rows wait for a second person: fayi handoff import -confirm %s -by NAME", len(wait.Rows), wait.Digest)
	}
	return code
}

func faultText(e *env, a ticket.Answer) string {
	var words []string
	for _, f := range a.Faults {
		words = append(words, e.text(f.Message, f.MessageEN))
	}
	return e.list(words)
}

func (i importer) list() int {
	all, err := i.tray.List()
	if err != nil {
		return i.e.fail(err)
	}
	if i.json {
		if all == nil {
			all = []sheet.Pending{}
		}
		i.e.json(all)
		return exitOK
	}
	for _, p := range all {
		i.e.say("%s  %s  %s  %s 导入  %d 行", "%s  %s  %s  by %s  %d rows", p.Digest, p.At.Format("2006-01-02 15:04"), p.Party, p.By, len(p.Rows))
	}
	if len(all) == 0 {
		i.e.note("没有等待核对的导入", "nothing waits")
	}
	return exitOK
}
