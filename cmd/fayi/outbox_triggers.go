package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"fayi/cmd/fayi/internal/config"
	"fayi/gateway/strictyaml"
	"fayi/outbox/triggers"
)

// mapFault is a fault of a map as -json shows it.
type mapFault struct {
	triggers.Fault
	Line int `json:"line,omitempty"` // from 1
}

func mapFaults(doc *strictyaml.Document, list []triggers.Fault) []mapFault {
	out := []mapFault{}
	for _, f := range list {
		out = append(out, mapFault{f, doc.Line(f.Path)})
	}
	return out
}

func outboxTriggers(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi outbox triggers",
		zh: "按映射文件为业务库现有的表生成触发器：业务系统不改代码，每次增、删、改在同一事务里把记录写入发件表。\n" +
			"先对照库表和数据规范检查映射，一次列出全部问题；再打印要执行的语句，不改动任何东西。-apply 才执行，可反复执行；\n" +
			"-remove 打印（加 -apply 则执行）拆除语句；-backfill 把已有的行也发布出去，中断后重新运行即可继续。有问题时退出码为 3。",
		en: "Make triggers for existing tables of a business database from a map of columns: its code stays as it is, and every insert, update\n" +
			"and delete puts the record into the outbox in the same transaction. The map is checked against the tables and the schema packs, all\n" +
			"faults at once; then the statements are printed and nothing is changed. -apply runs them and may be repeated; -remove prints, with\n" +
			"-apply runs, what takes them away; -backfill publishes the rows that are there and goes on after an interruption. Exit code 3 on faults.",
		example: "fayi outbox triggers -c fayi.yaml -map lawyer.yaml"})
	conf, asJSON := f.config(), f.asJSON()
	file := f.string("map", "", "映射`文件`", "`file` of the map")
	source := f.string("source", "", "`来源`名（默认为配置中的第一个）", "`source` name (default: the first configured)")
	database := f.string("database", "", "业务表所在的`库`（默认为连接串中的库）", "`database` of the business tables (default: that of the data source name)")
	dsn := f.string("dsn", "", "有建触发器权限的账号的连接串所在`文件`", "`file` with the data source name of an account that may create triggers")
	apply := f.bool("apply", "执行", "run the statements")
	remove := f.bool("remove", "拆除", "take the triggers away")
	backfill := f.bool("backfill", "发布已有的行", "publish the rows that are there")
	again := f.bool("again", "与 -backfill 同用：从头再来", "with -backfill: from the beginning")
	output := f.string("o", "", "语句写入`文件`，不打印", "write the statements to this `file` instead")
	rest, code, ok := f.parse(args)
	switch {
	case !ok:
		return code
	case len(rest) > 0:
		return f.usage("outbox triggers 不带参数", "outbox triggers takes no arguments")
	case *file == "":
		return f.usage("要用 -map 写明映射文件", "-map names the file of the map")
	case *backfill && (*apply || *remove || *output != ""), *again && !*backfill:
		return f.usage("-backfill 单独使用，-again 只与它同用", "-backfill stands alone, and -again goes with it")
	}
	m, doc, err := readMap(*file)
	if err != nil {
		return e.fail(err)
	}
	c, err := config.Load(*conf)
	if err != nil {
		return e.fail(err)
	}
	b, err := openBusiness(ctx, c, *source, *dsn)
	if err != nil {
		return e.fail(err)
	}
	defer b.close()
	cat, err := triggers.ReadCatalog(ctx, b.conn, *database)
	if err != nil {
		return e.fail(err)
	}
	run := triggersRun{e: e, b: b, doc: doc, file: *file, asJSON: *asJSON, output: *output, apply: *apply}
	if *remove {
		return run.script(ctx, triggers.Removal(cat, m))
	}
	plan, code := run.check(ctx, c, m, cat)
	if code != exitOK {
		return code
	}
	if *backfill {
		return run.backfill(ctx, plan, *again)
	}
	return run.script(ctx, plan.Changes())
}

// triggersRun is what the steps of one command share.
type triggersRun struct {
	e        *env
	b        *business
	doc      *strictyaml.Document
	file     string
	asJSON   bool
	output   string
	apply    bool
	warnings []mapFault
}

// check judges the map by the tables, the packs and the values that are there.
func (r *triggersRun) check(ctx context.Context, c *config.File, m *triggers.Map, cat *triggers.Catalog) (*triggers.Plan, int) {
	reg, err := r.e.registry(ctx, c.Path())
	if err != nil {
		return nil, r.e.fail(err)
	}
	plan, faults, warnings := triggers.Check(m, cat, mapTypes(reg), r.b.outbox)
	if plan != nil {
		found, err := triggers.Survey(ctx, r.b.conn, plan)
		if err != nil {
			return nil, r.e.fail(err)
		}
		faults = append(faults, found...)
		there, err := triggers.OutboxThere(ctx, r.b.conn, r.b.outbox)
		if err != nil {
			return nil, r.e.fail(err)
		}
		if !there {
			faults = append(faults, triggers.Fault{Code: triggers.CodeOutbox, Message: "没有发件表 " + r.b.outbox.Database + "." + r.b.outbox.Table + "，先运行 fayi outbox install -apply",
				MessageEN: "no outbox " + r.b.outbox.Database + "." + r.b.outbox.Table + ": run fayi outbox install -apply first"})
		}
	}
	r.warnings = mapFaults(r.doc, warnings)
	if len(faults) == 0 {
		return plan, exitOK
	}
	if r.asJSON {
		r.e.json(map[string]any{"faults": mapFaults(r.doc, faults), "warnings": r.warnings})
		return nil, exitProblem
	}
	for _, f := range faults {
		r.doc.Fault(f.Path, f.Message, f.MessageEN)
	}
	r.e.say("映射有 %d 处问题，没有改动：", "%d faults in the map, nothing was changed:", len(faults))
	var list *strictyaml.Error
	if errors.As(r.doc.Err(r.file), &list) {
		r.e.say("%s", "%s", list.Text(r.e.english))
	}
	return nil, exitProblem
}

func (r *triggersRun) warn() {
	for _, w := range r.warnings {
		r.e.note("提醒：%s", "note: %s", r.e.text(fmt.Sprintf("第 %d 行 %s：%s", w.Line, w.Path, w.Message), fmt.Sprintf("line %d %s: %s", w.Line, w.Path, w.MessageEN)))
	}
}

// script shows the changes or runs them.
func (r *triggersRun) script(ctx context.Context, s *triggers.Script) int {
	e := r.e
	if r.apply {
		if err := triggers.Apply(ctx, r.b.conn, s); err != nil {
			return e.fail(&said{code: "DDL", zh: "语句执行到一半停下了，已完成的保留；排除原因后重新运行", en: "the statements stopped half way; what is done stays, run it again", err: err,
				hintZH: "账号要有 CREATE、CREATE ROUTINE、TRIGGER、LOCK TABLES 等权限；表正被长事务占用时换个时间",
				hintEN: "the account needs CREATE, CREATE ROUTINE, TRIGGER, LOCK TABLES and so on; a table in a long transaction is busy: try later"})
		}
	}
	if r.output != "" {
		if err := os.WriteFile(r.output, []byte(s.Text()), 0o644); err != nil {
			return e.fail(err)
		}
	}
	switch {
	case r.asJSON:
		out := map[string]any{"database": s.Database, "applied": r.apply && s.Todo(), "changes": s.Changes, "faults": []mapFault{}, "warnings": r.warnings}
		if r.warnings == nil {
			out["warnings"] = []mapFault{}
		}
		e.json(out)
		return exitOK
	case !s.Todo():
		r.warn()
		e.say("库 %s 中已是所要的样子，无须改动", "database %s is as it should be, nothing to do", s.Database)
		return exitOK
	case !r.apply && r.output == "":
		r.warn()
		fmt.Fprint(e.stdout, s.Text())
		e.note("以上语句没有执行；加 -apply 执行，或交给库管理员", "nothing was run; add -apply, or hand this to the database's administrator")
		return exitOK
	}
	r.warn()
	words := map[triggers.Action]string{triggers.Create: e.text("新建", "create"), triggers.Replace: e.text("替换", "replace"), triggers.Drop: e.text("删除", "drop"), triggers.Keep: e.text("保持", "keep")}
	kinds := map[string]string{"trigger": e.text("触发器", "trigger"), "procedure": e.text("过程", "procedure"), "function": e.text("函数", "function"), "table": e.text("表", "table")}
	rows := [][]string{{e.text("动作", "ACTION"), e.text("种类", "KIND"), e.text("名称", "NAME"), e.text("所在表", "ON")}}
	for _, c := range s.Changes {
		rows = append(rows, []string{words[c.Action], kinds[c.Kind], c.Name, c.Table})
	}
	e.table(rows)
	if !r.apply {
		e.note("没有执行，语句在 %s", "nothing was run; the statements are in %s", r.output)
	}
	return exitOK
}

// backfillRoom is how many rows may wait in the outbox before the backfill waits for the node (review F27).
const backfillRoom = 2000

func (r *triggersRun) backfill(ctx context.Context, plan *triggers.Plan, again bool) int {
	e := r.e
	last := map[string]triggers.Progress{}
	shown := time.Now()
	err := triggers.Backfill(ctx, r.b.conn, plan, again, backfillRoom, func(p triggers.Progress) {
		last[p.Record] = p
		if e.terminal && (p.Done || time.Since(shown) > time.Second) {
			shown = time.Now()
			e.note("%s 已写入 %d 行", "%s: %d rows", p.Record, p.Rows)
		}
	})
	if errors.Is(err, triggers.ErrNotInstalled) {
		return e.fail(&said{code: "NOT_INSTALLED", zh: "触发器还没有安装，或与映射不一致", en: "the triggers are not there, or not as the map says",
			hintZH: "先运行 fayi outbox triggers -map … -apply", hintEN: "run fayi outbox triggers -map … -apply first"})
	}
	if err != nil {
		return e.fail(err)
	}
	list := []triggers.Progress{}
	for _, name := range plan.Records() {
		list = append(list, last[name])
	}
	if r.asJSON {
		e.json(map[string]any{"records": list})
		return exitOK
	}
	for _, p := range list {
		e.say("%s：已有的 %d 行已写入发件表", "%s: %d rows are in the outbox", p.Record, p.Rows)
	}
	return exitOK
}
