package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"fayi/adapters/hotline"
	"fayi/adapters/hotline/figures"
	"fayi/adapters/hotline/ticket"
)

// period reads -month YYYY-MM.
func period(month string) (from, to time.Time, err error) {
	from, err = time.ParseInLocation("2006-01", month, ticket.Shanghai)
	return from, from.AddDate(0, 1, 0), err
}

func handoffKPI(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi handoff kpi", args: "PARTY",
		zh:      "按事件链计算一个月的六项指标：工单量、满意度、及时接收率、回退率、重办率、按时办结率，附分子分母和未计入的工单及原因。",
		en:      "Compute the six figures of a month from the events: volume, satisfaction, received in time, returns, redos, done in time, each with its numbers and what was left out and why.",
		example: "fayi handoff kpi -c fayi.yaml -month 2026-09 HOTLINE_12345_610800"})
	conf, asJSON := f.config(), f.asJSON()
	month := f.string("month", time.Now().In(ticket.Shanghai).Format("2006-01"), "`月份`", "`month`")
	in := f.bool("in", "统计对方转来的工单", "of tickets that came in")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	from, to, err := period(*month)
	if len(rest) != 1 || err != nil {
		return f.usage("要写一个对方代码；月份写作 2026-09", "one party code is needed; a month is 2026-09")
	}
	return e.withHotline(ctx, *conf, func(s *hotline.Service) error {
		r, err := figures.Count(ctx, s.Desk, rest[0], direction(*in), from, to)
		if err != nil {
			return err
		}
		if *asJSON {
			e.json(r)
			return nil
		}
		e.say("%s　%s　公式 %s", "%s  %s  formula %s", rest[0], *month, r.Version)
		rows := [][]string{{e.text("工单量", "tickets"), fmt.Sprint(r.Tickets), ""}}
		for _, x := range r.Figures {
			rows = append(rows, []string{x.Name, fmt.Sprintf("%.1f%%", 100*x.Rate), fmt.Sprintf("%d/%d", x.Count, x.Of)})
		}
		e.table(rows)
		for _, x := range r.Left {
			e.say("未计入%s：%s 第%d轮，%s", "not in %s: %s round %d, %s", x.Figure, x.Handoff, x.Round, x.Why)
		}
		return nil
	})
}

func direction(in bool) string {
	if in {
		return ticket.In
	}
	return ticket.Out
}

func handoffReconcile(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi handoff reconcile", args: "PARTY SHEET",
		zh:      "与热线的月报表（CSV）逐单核对，列出每一件不一致的工单、双方各怎么说、为什么。有差异时退出码为 3。",
		en:      "Compare with the hotline's monthly sheet (CSV), ticket by ticket: every difference, what each side says, and why. Exit code 3 if there are any.",
		example: "fayi handoff reconcile -c fayi.yaml -month 2026-09 HOTLINE_12345_610800 月报.csv"})
	conf, asJSON := f.config(), f.asJSON()
	month := f.string("month", time.Now().In(ticket.Shanghai).Format("2006-01"), "`月份`", "`month`")
	in := f.bool("in", "核对对方转来的工单", "of tickets that came in")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	from, to, err := period(*month)
	if len(rest) != 2 || err != nil {
		return f.usage("要写对方代码和报表文件；月份写作 2026-09", "a party code and a sheet are needed; a month is 2026-09")
	}
	result := exitOK
	code = e.withHotline(ctx, *conf, func(s *hotline.Service) error {
		sheet, err := os.Open(rest[1])
		if err != nil {
			return err
		}
		defer sheet.Close()
		lines, err := figures.ReadSheet(sheet)
		if err != nil {
			return &said{code: "SHEET", zh: "报表无法核对", en: "the sheet cannot be compared", err: err}
		}
		r, err := figures.Count(ctx, s.Desk, rest[0], direction(*in), from, to)
		if err != nil {
			return err
		}
		diff := figures.Compare(r, lines)
		if len(diff) > 0 {
			result = exitProblem
		}
		if *asJSON {
			e.json(map[string]any{"compared": len(lines), "differences": append([]figures.Difference{}, diff...)})
			return nil
		}
		e.say("报表 %d 行，本方 %d 轮，不一致 %d 处", "%d rows of the sheet, %d rounds of ours, %d differences", len(lines), len(r.Rows), len(diff))
		rows := [][]string{{e.text("对方工单号", "their number"), e.text("轮次", "round"), e.text("指标", "figure"), e.text("对方", "theirs"), e.text("本方", "ours"), e.text("原因", "why")}}
		for _, d := range diff {
			rows = append(rows, []string{d.PeerNo, fmt.Sprint(d.Round), d.Figure, d.Theirs, d.Ours, d.Why})
		}
		if len(diff) > 0 {
			e.table(rows)
		}
		return nil
	})
	if code == exitOK {
		return result
	}
	return code
}
