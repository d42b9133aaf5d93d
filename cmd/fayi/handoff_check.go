package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"fayi/adapters/hotline/profile"
	"fayi/gateway/strictyaml"
)

// checkedProfile is the -json form of one profile of fayi handoff check.
type checkedProfile struct {
	File    string             `json:"file"`
	OK      bool               `json:"ok"`
	Faults  []strictyaml.Fault `json:"faults"`
	Summary *profile.Summary   `json:"summary,omitempty"`
	DryRun  *profile.DryRun    `json:"dry_run,omitempty"`
}

func handoffCheck(_ context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi handoff check", args: "PROFILE…",
		zh: "检查接口配置：每个动作有对应或降级办法，必填字段有出处，代码和状态往返一致，时限齐全，密钥只用引用。一次列出全部问题。PROFILE 为文件，或自带的 " +
			strings.Join(profile.Shipped(), "、") + "。-tickets 用历史工单试算，不发送任何内容。",
		en: "Check a profile: every verb has a call or a degrade rule, required fields a place, codes and states come back, limits are complete, secrets are references. All holes at once. PROFILE is a file, or one of " +
			strings.Join(profile.Shipped(), ", ") + ". -tickets maps past tickets and sends nothing.",
		example: "fayi handoff check hotline-a@1"})
	asJSON := f.asJSON()
	tickets := f.string("tickets", "", "历史工单`文件`，每行一个 JSON 对象", "`file` of past tickets, one JSON object a line")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) == 0 {
		return f.usage("要写接口配置 PROFILE", "a PROFILE is needed")
	}
	result := exitOK
	var all []checkedProfile
	for _, name := range rest {
		c := checkedProfile{File: name, Faults: []strictyaml.Fault{}}
		p, err := profile.Load(name)
		var holes *strictyaml.Error
		switch {
		case errors.As(err, &holes):
			c.Faults, result = holes.Faults, exitProblem
		case err != nil:
			return e.fail(err)
		default:
			s := p.Summary()
			c.OK, c.Summary = true, &s
			if *tickets != "" {
				if c.DryRun, err = tryTickets(p, *tickets); err != nil {
					return e.fail(err)
				}
				if c.DryRun.Mapped != c.DryRun.Total {
					result = exitProblem
				}
			}
		}
		all = append(all, c)
		if !*asJSON {
			e.showProfile(&c)
		}
	}
	if *asJSON {
		e.json(all)
	}
	return result
}

func tryTickets(p *profile.Profile, path string) (*profile.DryRun, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return p.Try(in)
}

func (e *env) showProfile(c *checkedProfile) {
	if !c.OK {
		e.say("%s：%d 处问题", "%s: %d holes", c.File, len(c.Faults))
		for line := range strings.SplitSeq((&strictyaml.Error{Faults: c.Faults}).Text(e.english), "\n") {
			e.say("  %s", "  %s", line)
		}
		return
	}
	s := c.Summary
	e.say("%s（%s）：可用", "%s (%s): usable", s.Profile, cmp.Or(s.Title, s.Party))
	if s.Base != "" {
		e.say("  对方 %s，%s，报文 %s，编码 %s，认证 %s", "  peer %s, %s, body %s, charset %s, authentication %s", s.Party, s.Base, s.Body, s.Charset, cmp.Or(s.Auth, "none"))
	} else {
		e.say("  对方 %s，用 %s 文件交换", "  peer %s, by %s files", s.Party, s.Body)
	}
	e.say("  可告知 %d 个动作，降级 %d 个；对方的 %d 种说法有对应", "  %d verbs are told, %d degraded; %d of their words are understood", len(s.Told), len(s.Degraded), s.Understood)
	for _, w := range s.Warnings {
		e.say("  提示 %s：%s", "  note %s: %s", w.Path, e.text(w.Message, w.MessageEN))
	}
	if d := c.DryRun; d != nil {
		e.say("  试算：%d/%d 份工单可以转出", "  dry run: %d/%d tickets map", d.Mapped, d.Total)
		for _, h := range d.Holes {
			e.say("    %d 份：%s，如 %s", "    %d: %s, such as %s", h.Tickets, fmt.Sprintf("%s（%s）", e.text(h.Message, h.MessageEN), h.Code), e.list(h.Examples))
		}
		for _, l := range d.Lossy {
			e.say("    %d 份：%s 的 %s 将作为 %s 转出", "    %d: %s %s goes out as %s", l.Tickets, l.Table, l.Code, l.As)
		}
	}
}
