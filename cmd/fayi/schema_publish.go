package main

import (
	"context"

	"fayi/gateway/packs"
	"fayi/gateway/problem"
	"fayi/schemas/diff"
)

func schemaPublish(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi schema publish", args: "FILE",
		zh: "在发布节点发布一个已签名的规范包文件（fayi schema sign 的输出）：核对签名、版本和内容，比较改动，写入本节点的公开数据流。\n" +
			"下级节点收到后，能证明兼容的自动采用，其余等待人工；本节点自己也按同样的规则采用。-dry-run 只检查和比较。",
		en: "Publish a signed pack file (made by fayi schema sign) at its node: check signature, version and contents, compare, put it into the node's\n" +
			"public stream. Nodes below adopt what is proven compatible and let a person decide the rest; so does this node. -dry-run only looks.",
		example: "fayi schema publish -c fayi.yaml -dry-run national-1.2.0.fpack"})
	conf, asJSON := f.config(), f.asJSON()
	dry := f.bool("dry-run", "只检查和比较，不发布", "check and compare only")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) != 1 {
		return f.usage("要写且只写一个规范包文件 FILE", "exactly one pack file FILE is needed")
	}
	data, err := packs.ReadBytes(rest[0])
	if err != nil {
		return e.fail(err)
	}
	s, st, err := e.packStore(ctx, *conf)
	if err != nil {
		return e.fail(err)
	}
	defer st.Close()
	p, err := s.Candidate(data)
	if err != nil {
		return e.fail(err)
	}
	x, err := s.Examine(ctx, p, true, e.replayProgress(false))
	if err != nil {
		return e.fail(err)
	}
	if !*dry {
		if err := s.Publish(ctx, p, data); err != nil {
			return e.fail(err)
		}
	}
	if *asJSON {
		e.json(examined(x, *dry))
		return exitOK
	}
	e.showExamination(x)
	if *dry {
		e.say("没有发布。", "Nothing was published.")
		return exitOK
	}
	e.say("已发布：规范包 %s %s 将随本节点的公开数据流送出", "published: pack %s %s travels in this node's public stream", p.Name, p.Version)
	return exitOK
}

// examination is what a person is told about a pack before it is decided about.
type examination struct {
	Pack     string              `json:"pack"`
	Version  string              `json:"version"`
	Origin   string              `json:"origin"`
	Replaces string              `json:"replaces,omitempty"`
	From     string              `json:"from,omitempty"`
	Auto     bool                `json:"adoptable"` // the node would adopt it by itself
	Code     string              `json:"code"`
	Reason   diff.Reason         `json:"reason"`
	Class    diff.Class          `json:"class"`
	Changes  []diff.Change       `json:"changes"`
	Replay   []*packs.TypeJudged `json:"replay"`
	DryRun   bool                `json:"dry_run"`
}

func examined(x *packs.Examination, dry bool) examination {
	out := examination{Pack: x.Pack.Name, Version: x.Pack.Version, Origin: x.Pack.Origin, Auto: x.State == packs.Adopted, Code: x.Code, Reason: x.Reason,
		Class: diff.Worst(x.Changes), Changes: append([]diff.Change{}, x.Changes...), Replay: x.Replay, DryRun: dry}
	if x.Before != nil {
		out.Replaces = x.Before.Version
	}
	if x.Pack.Edition != nil {
		out.From = x.Pack.Edition.From
	}
	return out
}

// showExamination prints changes and counts.
func (e *env) showExamination(x *packs.Examination) {
	for _, c := range x.Changes {
		e.showChange(c)
	}
	judged, refused := 0, 0
	for _, t := range x.Replay {
		judged += t.Records
		refused += t.Refused
		for _, fault := range t.Faults {
			e.say("%s: %s（%s）", "%s: %s (%s)", fault.Position, fault.Pointer, fault.Code)
		}
	}
	from := "-"
	if x.Pack.Edition != nil {
		from = x.Pack.Edition.From
	}
	replaces := e.text("无", "none")
	if x.Before != nil {
		replaces = x.Before.Version
	}
	e.say("规范包 %s %s（%s 发布，%s 起生效，接替 %s）：%d 处改动；试判已存记录 %d 条，其中 %d 条原来合格、现在会被拒",
		"pack %s %s (published by %s, in force from %s, replaces %s): %d changes; %d stored records tried, of which %d were accepted and would be refused",
		x.Pack.Name, x.Pack.Version, x.Pack.Origin, from, replaces, len(x.Changes), judged, refused)
	verdict := e.text("节点会自动采用：", "The node adopts it by itself: ")
	switch {
	case x.State == packs.Known:
		verdict = x.Code + e.text(" 不能采用：", " It cannot be adopted: ")
	case x.Code == problem.PackWaits:
		verdict = e.text("需要人工决定：", "A person must decide: ")
	}
	e.say("%s", "%s", verdict+e.text(x.Reason.ZH, x.Reason.EN))
}

// replayProgress tells how far a replay is.
func (e *env) replayProgress(always bool) func(*packs.TypeJudged) {
	if !always && !e.terminal {
		return nil
	}
	return func(t *packs.TypeJudged) { e.note("%s：已判 %d 条", "%s: %d judged", t.Type, t.Records) }
}
