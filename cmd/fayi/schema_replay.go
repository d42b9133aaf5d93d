package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
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

// typeJudged is what a replay tells about one type.
type typeJudged struct {
	diff.TypeReplay
	Held   int `json:"held"`   // records of versions this node has no pack for, not judged
	Erased int `json:"erased"` // erased, nothing left to judge
}

// replayed is the JSON of a replay.
type replayed struct {
	Pack      string        `json:"pack"`
	Last      uint64        `json:"last"`
	Refused   int           `json:"newly_refused"`
	Adoptable bool          `json:"adoptable"`
	Reason    diff.Reason   `json:"reason"`
	Types     []*typeJudged `json:"types"`
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
	registry, err := c.Schemas()
	if err != nil {
		return nil, err
	}
	streams, err := st.Streams(ctx)
	if err != nil {
		return nil, err
	}
	p := replayer{store: st, key: id.Store, registry: registry, last: last}
	if talk {
		p.progress = func(t *typeJudged) { e.note("%s：已判 %d 条", "%s: %d judged", t.Type, t.Records) }
	}
	res := &replayed{Pack: packOf(candidate), Last: last, Types: []*typeJudged{}}
	all := &diff.Replay{}
	old, speaksFor := replaced(registry, candidate.Types)
	for _, t := range speaksFor {
		judged, err := p.judge(ctx, t.name, t.candidate, streams)
		if err != nil {
			return nil, err
		}
		res.Types = append(res.Types, judged)
		all.Types = append(all.Types, &judged.TypeReplay)
	}
	res.Refused = all.Refused()
	res.Adoptable, res.Reason = diff.Adoptable(diff.Compare(diff.Pack{Types: old, Tables: registry.Tables()}, candidate), all)
	return res, nil
}

// replacedType is a type the candidate speaks for; candidate is nil where it drops it.
type replacedType struct {
	name      string
	candidate *schemas.Type
}

// replaced lists the types a candidate pack brings and those that only an earlier version of the same pack has, and the versions of them
// that are in force.
func replaced(registry *schemas.Registry, candidate []*schemas.Type) (old []*schemas.Type, names []replacedType) {
	own, _ := candidate[0].Pack()
	seen := map[string]bool{}
	for _, t := range candidate {
		seen[t.Name()] = true
		names = append(names, replacedType{t.Name(), t})
		if now, ok := registry.Current(t.Name()); ok {
			old = append(old, now)
		}
	}
	for _, t := range registry.Types() {
		if pack, _ := t.Pack(); pack != own || seen[t.Name()] {
			continue
		}
		seen[t.Name()] = true
		names = append(names, replacedType{t.Name(), nil})
		old = append(old, t)
	}
	slices.SortFunc(names, func(a, b replacedType) int { return cmp.Compare(a.name, b.name) })
	return old, names
}

// replayer reads stored records, newest first.
type replayer struct {
	store    *store.Store
	key      *keys.StoreKey
	registry *schemas.Registry
	last     uint64
	progress func(*typeJudged) // nil for none
}

// progressEvery paces progress.
const progressEvery = time.Second

// judge runs the newest records of a type, of all streams the node can open, through the candidate.
func (p *replayer) judge(ctx context.Context, name string, candidate *schemas.Type, streams []store.Stream) (*typeJudged, error) {
	out := &typeJudged{TypeReplay: diff.TypeReplay{Type: name, Faults: []diff.ReplayFault{}}}
	var ends []*tail
	for i := range streams {
		if streams[i].Type != name || streams[i].Head.Hash.IsZero() {
			continue
		}
		seg, err := p.store.SegmentByHash(ctx, streams[i].ID, streams[i].Head.Hash)
		if err != nil {
			return nil, err
		}
		if seg != nil {
			ends = append(ends, &tail{&streams[i], seg})
		}
	}
	told := time.Now()
	for len(ends) > 0 && uint64(out.Records) < p.last {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		newest := slices.MaxFunc(ends, func(a, b *tail) int { return cmp.Compare(a.segment.Seen, b.segment.Seen) })
		ok, err := p.segment(ctx, newest, candidate, out)
		if err != nil {
			return nil, fmt.Errorf("%s gen %d first %d: %w", newest.stream.Name, newest.segment.Gen, newest.segment.First, err)
		}
		var before *store.Segment
		if prev := newest.segment.Prev; ok && !prev.IsZero() {
			if before, err = p.store.SegmentByHash(ctx, newest.stream.ID, prev); err != nil {
				return nil, err
			}
		}
		if newest.segment = before; before == nil {
			ends = slices.DeleteFunc(ends, func(t *tail) bool { return t == newest })
		}
		if p.progress != nil && time.Since(told) > progressEvery {
			told = time.Now()
			p.progress(out)
		}
	}
	if p.progress != nil {
		p.progress(out)
	}
	return out, nil
}

// tail is how far back a stream was read.
type tail struct {
	stream  *store.Stream
	segment *store.Segment // the next to judge, without body
}

// segment judges the records of one segment, the last first. It is not ok where the node carries the stream and cannot open it.
func (p *replayer) segment(ctx context.Context, t *tail, candidate *schemas.Type, out *typeJudged) (ok bool, err error) {
	whole, err := p.store.Body(ctx, t.stream.ID, t.segment.Gen, t.segment.First)
	if err != nil || whole == nil || whole.Key == nil {
		return false, err
	}
	h, lines, err := replicate.OpenStored(p.key, whole)
	if err != nil {
		return false, err
	}
	old, known := p.registry.ByRef(h.Schema)
	for i := len(lines) - 1; i >= 0 && uint64(out.Records) < p.last; i-- {
		if _, _, erased := seal.ParseErased(lines[i]); erased {
			out.Erased++
			continue
		}
		l, err := seal.ParseLine(lines[i])
		switch {
		case err != nil || l.Op != seal.Put: // refused for its bytes whatever the pack; or a deletion, which has no contents
		case !known:
			out.Held++
		default:
			out.Judge(old, candidate, fmt.Sprintf("%s:%d:%d", t.stream.Name, h.Gen, h.First+uint64(i)), l.Key, l.Data)
		}
	}
	return true, nil
}
