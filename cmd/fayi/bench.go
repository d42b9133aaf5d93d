package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"fayi/cmd/fayi/internal/bench"
)

func cmdBench(ctx context.Context, e *env, args []string) int {
	if scene := os.Getenv(bench.SceneEnv); scene != "" { // a row runs nodes in a process of their own
		if err := bench.Serve(ctx, scene, e.stdin, e.stdout); err != nil {
			return e.fail(err)
		}
		return exitOK
	}
	f := e.flags(help{name: "fayi bench", args: "[ROW…]",
		zh: "在本机测量设计文档第 11 节的各项指标：自行启动一个私有 MariaDB，运行真实节点，与其他系统和数据库极限同场比较。\n" +
			"项目：" + strings.Join(bench.Names(), "、") + "；不写则全部。约需一刻钟。",
		en: "Measure the numbers of section 11 of the design on this machine: start a private MariaDB, run real nodes, and compare with other\n" +
			"systems and the database's own limits in the same run. Rows: " + strings.Join(bench.Names(), ", ") + "; all if none is named. It takes about a quarter of an hour.",
		example: "fayi bench -json drain seal"})
	o := bench.Options{}
	asJSON := f.asJSON()
	f.set.IntVar(&o.Rounds, "rounds", 3, bilingual("每方轮流运行的`次数`，取中位数", "`number` of runs of each side, taking turns; the median counts"))
	f.set.Float64Var(&o.Scale, "scale", 1, bilingual("工作量的`倍数`", "`factor` of the amount of work"))
	f.set.IntVar(&o.Records, "records", 1_000_000, bilingual("history 项的记录`条数`", "`number` of records of the row history"))
	f.set.StringVar(&o.Peers, "peers", "", bilingual("运行其他系统的`命令`（cmd/fayi-bench-peers）；不写则只比数据库极限", "`command` that runs other systems (cmd/fayi-bench-peers); without it only the database's limits are compared"))
	f.set.StringVar(&o.Profile, "profile", "", bilingual("为每项写 CPU 剖析文件的`目录`", "`folder` for a CPU profile of each row"))
	from := f.string("from", "", "不测量，读入以前用 -json 存下的`文件`", "measure nothing, read a `file` that -json wrote before")
	chart := f.string("chart", "", "把结果画成 SVG `文件`", "draw the result into an SVG `file`")
	markdown := f.bool("markdown", "结果输出为 Markdown 表格", "print the result as a Markdown table")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	o.Rows = rest
	o.Progress = func(zh, en string, args ...any) { e.note(zh, en, args...) }
	rep, err := e.benchReport(ctx, o, *from)
	var noRow bench.NoRow
	switch {
	case errors.As(err, &noRow):
		return f.usage(fmt.Sprintf("没有 %q 这一项，可用的有 %s", string(noRow), strings.Join(bench.Names(), "、")),
			fmt.Sprintf("no row %q; there are %s", string(noRow), strings.Join(bench.Names(), ", ")))
	case err != nil:
		return e.fail(err)
	case *asJSON:
		e.json(rep)
	case *markdown:
		err = bench.Markdown(e.stdout, rep)
	default:
		e.benchTable(rep)
	}
	if err == nil && *chart != "" {
		var out bytes.Buffer
		if err = bench.Chart(&out, rep); err == nil {
			err = os.WriteFile(*chart, out.Bytes(), 0o644)
		}
	}
	if err != nil {
		return e.fail(err)
	}
	for _, r := range rep.Rows {
		if r.Error != "" {
			return exitProblem
		}
	}
	return exitOK
}

// benchReport measures, or reads what was measured before.
func (e *env) benchReport(ctx context.Context, o bench.Options, from string) (*bench.Report, error) {
	if from == "" {
		return bench.Run(ctx, o)
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return nil, err
	}
	rep := &bench.Report{}
	if err := json.Unmarshal(text, rep); err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return rep, nil
}

func (e *env) benchTable(rep *bench.Report) {
	table := [][]string{{e.text("项目", "row"), e.text("本程序", "ours"), e.text("单位", "unit"), e.text("其他", "others"), e.text("比值", "ratio"), e.text("指标", "target"), e.text("达到", "reached")}}
	for _, r := range rep.Rows {
		var others []string
		for _, o := range r.Others {
			others = append(others, fmt.Sprintf("%s %.4g", o.Name, o.Value))
		}
		ratio := ""
		if r.Ratio > 0 {
			ratio = fmt.Sprintf("%.3g × %s", r.Ratio, r.Against)
		}
		reached := e.text("否", "no")
		switch {
		case r.Error != "":
			reached = r.Error
		case r.Reached:
			reached = e.text("是", "yes")
		}
		table = append(table, []string{r.Name, fmt.Sprintf("%.4g", r.Ours.Value), r.Unit, strings.Join(others, e.text("、", ", ")), ratio, r.Target, reached})
	}
	e.table(table)
}
