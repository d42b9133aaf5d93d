package main

import (
	"context"

	"fayi/adapters/hotline"
)

func handoffRecover(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi handoff recover", args: "PARTY",
		zh:      "恢复备份之后：暂停向对方发送，逐件询问看似没有发出的工单对方是否已收，取回对方的消息；已收的不再发送。核对结果无误后加 -resume 恢复发送。只核对不发送。",
		en:      "After a backup was put back: pause sending, ask the party about every offer that seems not to be out, fetch its news; what it has is not sent again. When the result is right, -resume lets messages go. It sends nothing itself.",
		example: "fayi handoff recover -c fayi.yaml HOTLINE_12345_610800"})
	conf, asJSON := f.config(), f.asJSON()
	resume := f.bool("resume", "恢复发送", "let messages go again")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) != 1 {
		return f.usage("要写一个对方代码", "one party code is needed")
	}
	result := exitOK
	code = e.withHotline(ctx, *conf, func(s *hotline.Service) error {
		c := s.Courier(rest[0])
		if c == nil {
			return &said{code: "HO_NO_PEER", zh: "没有该单位的接口配置：" + rest[0], en: "no profile for party " + rest[0]}
		}
		if *resume {
			if err := c.Resume(ctx); err != nil {
				return err
			}
			e.say("已恢复发送", "messages go again")
			return nil
		}
		r, err := c.Reconcile(ctx)
		if err != nil {
			return err
		}
		if len(r.Unsure) > 0 {
			result = exitProblem
		}
		if *asJSON {
			e.json(r)
			return nil
		}
		e.say("核对 %d 件：对方已收 %d，未收 %d（恢复后发送），无法确认 %d；取回消息 %d 条。", "%d compared: %d are there, %d are not (sent after -resume), %d cannot be told; %d messages fetched.",
			r.Asked, len(r.Ahead), len(r.Absent), len(r.Unsure), r.Pulled)
		for _, id := range r.Unsure {
			e.say("  无法确认：%s，请电话核实后用 fayi handoff confirm 录入", "  cannot be told: %s; telephone, then fayi handoff confirm", id)
		}
		return nil
	})
	if code == exitOK {
		return result
	}
	return code
}
