package main

import "context"

func cmdHandoff(ctx context.Context, e *env, args []string) int {
	return e.group(ctx, group{name: "fayi handoff",
		zh: "12345 等热线的工单转办。", en: "Hand-offs of tickets with 12345 and other hotlines.",
		commands: []command{
			{"list", handoffList, "列出转办单和待人处理的事项", "list hand-offs and what waits for a person"},
			{"show", handoffShow, "显示一个转办单及其事件链、时限", "show one hand-off, its events and clocks"},
			{"offer", handoffOffer, "把一件诉求转给对方", "pass a matter on"},
			{"act", handoffAct, "对转办单办理一步", "do one thing to a hand-off"},
			{"import", handoffImport, "导入对方填好的表格", "bring in a sheet a party filled in"},
			{"dead", handoffDead, "列出发送失败的消息", "list messages that need a person"},
			{"replay", handoffReplay, "重发失败的消息", "send dead messages again"},
			{"confirm", handoffConfirm, "录入电话核实的结果", "enter what the peer said by telephone"},
			{"abandon", handoffAbandon, "放弃没有转出去的工单", "give up an offer that did not get out"},
			{"recover", handoffRecover, "恢复备份后与对方核对", "compare with a party after a backup was put back"},
			{"kpi", handoffKPI, "六项指标", "the six figures of a month"},
			{"reconcile", handoffReconcile, "与热线月报表逐单核对", "compare with the hotline's monthly sheet"},
			{"check", handoffCheck, "检查接口配置，试算历史工单", "check a profile, map past tickets through it"},
			{"simulate", handoffSimulate, "按接口配置模拟对方", "be the other side of a profile"},
		},
		example: "fayi handoff check hotline-a@1"}, args)
}
