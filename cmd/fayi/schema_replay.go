package main

import (
	"cmp"
	"context"
	"fmt"

	"fayi/gateway/packs"
	"fayi/schemas"
	"fayi/schemas/diff"
)

// replayFlags are those of schema check -replay.
type replayFlags struct {
	on, progress *bool
	pack         *string
	last         *uint64
}

func (f *flags) replay() replayFlags {
	return replayFlags{
		on:       f.bool("replay", "用节点已存的记录试验候选规范包 -pack，不检查文件", "judge stored records by the candidate -pack instead of files"),
		pack:     f.string("pack", "", "候选规范包`目录`，与 -replay 同用", "`folder` of the candidate pack, with -replay"),
		last:     f.uint64("last", 10_000, "每种类型取最新的多少`条`记录，与 -replay 同用", "judge the newest `n` records of each type, with -replay"),
		progress: f.bool("progress", "显示进度（在终端上自动显示），与 -replay 同用", "show progress (a terminal does by itself), with -replay"),
	}
}

// replayed is the JSON of a replay.
type replayed struct {
	Pack      string              `json:"pack"`
	Last      uint64              `json:"last"`
	Refused   int                 `json:"newly_refused"`
	Adoptable bool                `json:"adoptable"`
	Reason    diff.Reason         `json:"reason"`
	Types     []*packs.TypeJudged `json:"types"`
}

// schemaReplay is schema check -replay: would what is stored be accepted by a
// pack that is not adopted yet? It reads only, so the node may run meanwhile.
func schemaReplay(ctx context.Context, e *env, f *flags, r replayFlags, conf string, asJSON bool) int {
	if *r.pack == "" {
		return f.usage("-replay 要用 -pack 写明候选规范包的目录", "-replay needs the candidate's folder in -pack")
	}
	if *r.last == 0 {
		return f.usage("-last 至少为 1", "-last must be at least 1")
	}
	res, err := e.replay(ctx, cmp.Or(conf, "fayi.yaml"), *r.pack, *r.last, *r.progress || e.terminal)
	if err != nil {
		return e.fail(err)
	}
	if asJSON {
		e.json(res)
	} else {
		e.showReplay(res)
	}
	if res.Refused > 0 {
		return exitProblem
	}
	return exitOK
}

func (e *env) showReplay(res *replayed) {
	rows := [][]string{{e.text("类型", "TYPE"), e.text("记录", "RECORDS"), e.text("仍合格", "ACCEPTED"), e.text("新被拒", "NEWLY REFUSED"), e.text("新合格", "NEWLY ACCEPTED"),
		e.text("仍不合格", "STILL REFUSED"), e.text("待规范包", "HELD"), e.text("已擦除", "ERASED")}}
	idle := 0
	for _, t := range res.Types {
		if t.Records+t.Held+t.Erased == 0 {
			idle++
			continue
		}
		row := []string{t.Type}
		for _, n := range []int{t.Records, t.Accepted, t.Refused, t.Allowed, t.Still, t.Held, t.Erased} {
			row = append(row, fmt.Sprint(n))
		}
		rows = append(rows, row)
	}
	if len(rows) > 1 {
		e.table(rows)
	}
	if idle > 0 {
		e.say("另有 %d 种类型没有已存的记录", "%d types have no stored records", idle)
	}
	for _, t := range res.Types {
		for _, fault := range t.Faults {
			e.say("%s: %s（%s）", "%s: %s (%s)", fault.Position, fault.Pointer, fault.Code)
		}
		if more := t.Refused - len(t.Faults); more > 0 {
			e.say("%s: 还有 %d 条", "%s: %d more", t.Type, more)
		}
	}
	yes := e.text("可以自动采用", "may be adopted automatically")
	if !res.Adoptable {
		yes = e.text("不可自动采用", "may not be adopted automatically")
	}
	e.say("规范包 %s：%d 条原来合格的记录会被拒；%s：%s", "pack %s: %d records that were accepted would be refused; it %s: %s",
		res.Pack, res.Refused, yes, e.text(res.Reason.ZH, res.Reason.EN))
}

// replay judges stored records by a candidate.
func (e *env) replay(ctx context.Context, conf, pack string, last uint64, talk bool) (*replayed, error) {
	candidate, err := readPack(pack, "")
	if err != nil {
		return nil, err
	}
	st, c, err := e.openMigrated(ctx, conf)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	id, err := c.Identity()
	if err != nil {
		return nil, err
	}
	shelf, err := c.Shelf(ctx, st, nil)
	if err != nil {
		return nil, err
	}
	registry := shelf.Registry()
	r := packs.Replayer{Store: st, Key: id.Store, Registry: registry, Last: last}
	if talk {
		r.Progress = e.replayProgress(true)
	}
	old, candidates := replaced(registry, candidate.Types)
	res := &replayed{Pack: packOf(candidate), Last: last}
	if res.Types, err = r.Run(ctx, candidates); err != nil {
		return nil, err
	}
	all := &diff.Replay{}
	for _, t := range res.Types {
		all.Types = append(all.Types, &t.TypeReplay)
	}
	res.Refused = all.Refused()
	res.Adoptable, res.Reason = diff.Adoptable(diff.Compare(diff.Pack{Types: old, Tables: registry.Tables()}, candidate), all)
	return res, nil
}

// replaced gives the types a candidate pack brings, and those that only an
// earlier version of the same pack has (nil), by name, and the versions of them
// that are in force.
func replaced(registry *schemas.Registry, candidate []*schemas.Type) (old []*schemas.Type, candidates map[string]*schemas.Type) {
	own, _ := candidate[0].Pack()
	candidates = map[string]*schemas.Type{}
	for _, t := range candidate {
		candidates[t.Name()] = t
		if now, ok := registry.Current(t.Name()); ok {
			old = append(old, now)
		}
	}
	for _, t := range registry.Types() {
		if _, seen := candidates[t.Name()]; seen {
			continue
		}
		if pack, _ := t.Pack(); pack == own {
			candidates[t.Name()] = nil
			old = append(old, t)
		}
	}
	return old, candidates
}
