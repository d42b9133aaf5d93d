package main

import (
	"context"
	"strings"
)

func schemaAdopt(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi schema adopt", args: "PACK[@VERSION]",
		zh: "由人决定采用一个等待中的规范包：从其生效日起，本节点按它检查新发布的记录。运行中的节点两秒内生效，无须重启。\n" +
			"-dry-run 列出改动，并用已存记录试判，不作决定。被自动退回的规范包可再次采用，此后不再自动退回。",
		en: "A person adopts a pack that waits: from its first day on this node judges new records by it. A running node follows within two seconds,\n" +
			"without a restart. -dry-run lists the changes, tries stored records and decides nothing. A pack that was taken back can be adopted\n" +
			"again; then it is not taken back any more.",
		example: "fayi schema adopt -c fayi.yaml -dry-run national@1.2.0"})
	dry := f.bool("dry-run", "只列出改动和试判结果", "only list changes and what stored records say")
	return e.decidePack(ctx, f, args, dry)
}

func schemaRefuse(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi schema refuse", args: "PACK[@VERSION]",
		zh: "由人决定不采用一个规范包；已采用的退回前一版本。收到的记录若按它发布，仍按它检查。",
		en: "A person refuses a pack; one that was adopted goes back to the version before. Records that arrive and name it are judged by it all the same.",

		example: "fayi schema refuse -c fayi.yaml national@1.2.0"})
	return e.decidePack(ctx, f, args, nil)
}

// decidePack is both commands; dry is nil for refuse.
func (e *env) decidePack(ctx context.Context, f *flags, args []string, dry *bool) int {
	conf, asJSON := f.config(), f.asJSON()
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) != 1 {
		return f.usage("要写且只写一个规范包，如 national@1.2.0", "exactly one pack is needed, such as national@1.2.0")
	}
	s, st, err := e.packStore(ctx, *conf)
	if err != nil {
		return e.fail(err)
	}
	defer st.Close()
	name, version, _ := strings.Cut(rest[0], "@")
	p, err := s.Find(name, version)
	if err != nil {
		return e.fail(&said{code: "UNKNOWN_PACK", zh: "没有收到规范包 " + rest[0], en: "no pack " + rest[0] + " came",
			hintZH: "用 fayi schema list -c fayi.yaml 查看；不写版本时只找等待决定的", hintEN: "see fayi schema list -c fayi.yaml; without a version only those that wait are looked for"})
	}
	if dry != nil && *dry {
		x, err := s.Examine(ctx, p, true, e.replayProgress(false))
		if err != nil {
			return e.fail(err)
		}
		if *asJSON {
			e.json(examined(x, true))
		} else {
			e.showExamination(x)
		}
		return exitOK
	}
	decide := s.Refuse
	if dry != nil {
		decide = s.Adopt
	}
	if err := decide(ctx, p, operator()); err != nil {
		return e.fail(err)
	}
	for _, j := range packList(s) {
		if j.Digest != p.Digest.String() {
			continue
		}
		if *asJSON {
			e.json(j)
			return exitOK
		}
		e.showPacks([]packJSON{j})
	}
	return exitOK
}
