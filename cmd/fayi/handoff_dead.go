package main

import (
	"context"
	"strconv"

	"fayi/adapters/hotline"
)

func handoffDead(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi handoff dead",
		zh:      "列出发送失败、要人处理的消息及原因：哪个字段、什么值、对方代码。处理后用 replay 重发、用 confirm 录入电话核实的结果，或用 abandon 放弃。",
		en:      "List messages that need a person and why: field, value, the peer's code. Then replay, confirm what the peer said by telephone, or abandon.",
		example: "fayi handoff dead -c fayi.yaml"})
	conf, asJSON := f.config(), f.asJSON()
	party := f.string("party", "", "只列这个`对方`", "only of this `party`")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) > 0 {
		return f.usage("dead 不带参数", "dead takes no arguments")
	}
	return e.withHotline(ctx, *conf, func(s *hotline.Service) error {
		list, err := s.Desk.Ledger().DeadLetters(ctx, *party)
		if err != nil {
			return err
		}
		if *asJSON {
			out := []deliveryJSON{}
			for _, d := range list {
				out = append(out, deliveryJSON{d.ID, d.Key, d.Kind, d.State, d.Attempts, d.Next, d.Said})
			}
			e.json(out)
			return nil
		}
		if len(list) == 0 {
			e.say("没有待处理的消息", "nothing is dead")
			return nil
		}
		rows := [][]string{{e.text("转办单", "hand-off"), e.text("种类", "kind"), e.text("次数", "attempts"), e.text("字段", "field"), e.text("值", "value"), e.text("代码", "code"), e.text("原因", "why")}}
		for _, d := range list {
			rows = append(rows, []string{d.Handoff, d.Kind, strconv.Itoa(d.Attempts), d.Said.Pointer, d.Said.Value, d.Said.Code, d.Said.Text})
		}
		e.table(rows)
		return nil
	})
}

func handoffReplay(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi handoff replay", args: "HANDOFF…",
		zh:      "重发发送失败的消息，编号和历史不变；-all 重发全部。工单内容有误时先更正。先用 -dry-run 看会重发哪些。",
		en:      "Send dead messages again; number and history stay. -all takes all of them; -dry-run shows which.",
		example: "fayi handoff replay -c fayi.yaml HO-610800-20260929-000017"})
	conf, asJSON := f.config(), f.asJSON()
	all := f.bool("all", "全部重发", "all of them")
	dry := f.bool("dry-run", "只显示会重发哪些", "show which, change nothing")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if (len(rest) == 0) == !*all {
		return f.usage("要写转办单编号，或只写 -all", "hand-off numbers, or -all alone")
	}
	return e.withHotline(ctx, *conf, func(s *hotline.Service) error {
		if *all {
			list, err := s.Desk.Ledger().DeadLetters(ctx, "")
			if err != nil {
				return err
			}
			seen := map[string]bool{}
			for _, d := range list {
				if !seen[d.Handoff] {
					seen[d.Handoff] = true
					rest = append(rest, d.Handoff)
				}
			}
		}
		for _, id := range rest {
			if *dry {
				continue
			}
			if err := s.Desk.Replay(ctx, id, operator(), nil); err != nil {
				return err
			}
		}
		if *asJSON {
			e.json(map[string]any{"replayed": rest, "dry_run": *dry})
			return nil
		}
		e.say("%d 件将由运行中的节点重发", "%d will be sent by the serving node", len(rest))
		return nil
	})
}

func handoffConfirm(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi handoff confirm", args: "HANDOFF",
		zh:      "录入电话核实的结果：对方已收，写 -number 对方工单号；对方确认没有收到，写 -absent，将重新发送。",
		en:      "Enter what the peer said by telephone: -number with its ticket number if it has the offer, or -absent if it certainly has not; then it is sent again.",
		example: "fayi handoff confirm -c fayi.yaml -number YL12345-20260929-0081 HO-610800-20260929-000017"})
	conf := f.config()
	number := f.string("number", "", "对方`工单号`", "the peer's ticket `number`")
	absent := f.bool("absent", "对方确认没有收到", "the peer certainly has nothing")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) != 1 || (*number == "") != *absent {
		return f.usage("要写一个转办单编号，并在 -number 与 -absent 中选一", "one hand-off number, and either -number or -absent")
	}
	return e.withHotline(ctx, *conf, func(s *hotline.Service) error {
		if err := s.Desk.Confirm(ctx, rest[0], operator(), *number); err != nil {
			return err
		}
		e.say("已记录", "recorded")
		return nil
	})
}

func handoffAbandon(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi handoff abandon", args: "HANDOFF REASON",
		zh: "放弃一个没有转出去的工单，须写明原因；责任仍在本单位。", en: "Give up an offer that did not get out, with a reason; the matter stays this bureau's.",
		example: "fayi handoff abandon -c fayi.yaml HO-610800-20260929-000017 诉求人撤回"})
	conf := f.config()
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) != 2 {
		return f.usage("要写转办单编号和原因", "a hand-off number and a reason are needed")
	}
	return e.withHotline(ctx, *conf, func(s *hotline.Service) error {
		if err := s.Desk.Abandon(ctx, rest[0], operator(), rest[1]); err != nil {
			return err
		}
		e.say("已取消", "cancelled")
		return nil
	})
}
