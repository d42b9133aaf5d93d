package main

import "context"

func cmdHandoff(ctx context.Context, e *env, args []string) int {
	return e.group(ctx, group{name: "fayi handoff",
		zh: "12345 等热线的工单转办。", en: "Hand-offs of tickets with 12345 and other hotlines.",
		commands: []command{
			{"check", handoffCheck, "检查接口配置，试算历史工单", "check a profile, map past tickets through it"},
			{"simulate", handoffSimulate, "按接口配置模拟对方", "be the other side of a profile"},
		},
		example: "fayi handoff check hotline-a@1"}, args)
}
