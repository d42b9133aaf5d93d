package main

import (
	"context"
	"io"
	"os"
	"strings"

	"fayi/adapters/hotline"
	"fayi/adapters/hotline/desk"
	"fayi/adapters/hotline/ticket"
)

// readTicketJSON reads a JSON file strictly, "-" for standard input.
func readTicketJSON(path string, v any) error {
	in := io.Reader(os.Stdin)
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, ticket.MaxJSON+1))
	if err != nil {
		return err
	}
	if err := ticket.Decode(data, v); err != nil {
		return &said{code: ticket.CodeInvalid, zh: "文件不是规范的 JSON", en: "the file is not the JSON wanted", err: err,
			hintZH: "字段见 docs/hotline.md", hintEN: "see docs/hotline.md for the members"}
	}
	return nil
}

func handoffOffer(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi handoff offer", args: "PARTY CASE.json",
		zh:      "把一件诉求转给对方。文件为一个 JSON 对象（“-”为标准输入），字段见 docs/hotline.md。有错误时列出全部问题并保存草稿；已进入法定程序、已在流转路径中或对方已转来的，不立单并说明应如何处理。",
		en:      "Pass a matter on. The file is one JSON object (- for standard input), see docs/hotline.md. Faults are listed all at once and the draft is kept; matters of legal procedures, loops and doubles are refused with what to do.",
		example: "fayi handoff offer -c fayi.yaml HOTLINE_12345_610800 case.json"})
	conf, asJSON := f.config(), f.asJSON()
	unit := f.string("unit", "", "对方内部`单位`代码", "`unit` inside the party")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) != 2 {
		return f.usage("要写对方代码和诉求文件", "a party code and a file are needed")
	}
	var c ticket.Case
	if err := readTicketJSON(rest[1], &c); err != nil {
		return e.fail(err)
	}
	return e.withHotline(ctx, *conf, func(s *hotline.Service) error {
		o, err := s.Desk.Offer(ctx, desk.NewOffer{Case: c, Peer: rest[0], Unit: *unit, User: operator()})
		if err != nil {
			return err
		}
		if *asJSON {
			e.json(map[string]any{"handoffId": o.HandoffID, "caseId": o.CaseID, "state": o.State})
			return nil
		}
		e.say("%s 待转出，由运行中的节点发送", "%s is queued; the serving node sends it", o.HandoffID)
		return nil
	})
}

func handoffAct(ctx context.Context, e *env, args []string) int {
	verbs := ticket.Codes("verb")
	names := make([]string, len(verbs))
	for i, v := range verbs {
		names[i] = v.Code + " " + v.ZH
	}
	f := e.flags(help{name: "fayi handoff act", args: "HANDOFF VERB [PAYLOAD.json]",
		zh:      "对一个转办单办理一步，如 accept 签收、result 反馈办结、return_approve 同意退单。要素不全或当前状态不允许时列出原因和可以做的。动作：" + strings.Join(names, "，") + "。",
		en:      "Do one thing to a hand-off, such as accept, result, return_approve. Where something lacks or the state forbids it, all reasons and what is possible are told.",
		example: "fayi handoff act -c fayi.yaml HO-610800-20260929-000017 result result.json"})
	conf, asJSON := f.config(), f.asJSON()
	arbiter := f.bool("arbiter", "以裁定人身份", "as the arbiter")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) < 2 || len(rest) > 3 || !ticket.Known("verb", rest[1]) {
		return f.usage("要写转办单编号和动作", "a hand-off number and a verb are needed")
	}
	var p ticket.Payload
	if len(rest) == 3 {
		if err := readTicketJSON(rest[2], &p); err != nil {
			return e.fail(err)
		}
	}
	return e.withHotline(ctx, *conf, func(s *hotline.Service) error {
		ev, err := s.Desk.Act(ctx, rest[0], desk.Act{Verb: ticket.Verb(rest[1]), User: operator(), Arbiter: *arbiter, Payload: p})
		if err != nil {
			return err
		}
		if *asJSON {
			e.json(ev)
			return nil
		}
		e.say("%s：%s → %s，责任方 %s", "%s: %s → %s, owner %s", e.text(ticket.Label("verb", rest[1]), rest[1]), string(ev.From), string(ev.To), ev.Owner)
		return nil
	})
}
