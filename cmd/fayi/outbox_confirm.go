package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"time"

	"fayi/cmd/fayi/internal/config"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
	"fayi/outbox"
)

func outboxConfirm(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi outbox confirm", args: "TYPE",
		zh: "一个来源短时间内删除或修改某类记录过多时，该类记录停在发件表中等待人工确认（见 fayi outbox status）。\n" +
			"核对后用本命令放行此刻等待的各条，或用 -refuse 拒绝：它们移入被拒表，原因为 BRAKE，仍可重新提交。\n" +
			"先用 -dry-run 看影响多少条。其他类型不受影响。",
		en: "When a source deletes or changes too much of a record type at once, the type's rows stay in the outbox until a person\n" +
			"confirms (see fayi outbox status). This lets the rows that wait now pass, or with -refuse moves them to the rejected\n" +
			"with code BRAKE, from where they may be resubmitted. -dry-run counts them first. Other types are not affected.",
		example: "fayi outbox confirm -c fayi.yaml -source main -dry-run lawyer"})
	conf, asJSON := f.config(), f.asJSON()
	source := f.string("source", "", "`来源`名（只有一个来源停住该类型时可不写）", "`source` name (may be left out if only one source holds the type)")
	refuse := f.bool("refuse", "拒绝，移入被拒表", "refuse: move them to the rejected")
	op := f.string("op", "", "只拒绝这种`操作`：put 或 del，其余放行", "refuse this `operation` only, put or del; the others flow")
	dry := f.bool("dry-run", "只显示影响多少条", "show how many rows it is about, change nothing")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	switch {
	case len(rest) != 1:
		return f.usage("要写一个记录类型 TYPE", "one record type TYPE is needed")
	case *op != "" && (!*refuse || *op != string(outbox.Put) && *op != string(outbox.Del)):
		return f.usage("-op 只能是 put 或 del，且与 -refuse 同用", "-op is put or del and goes with -refuse")
	}
	st, c, err := e.openMigrated(ctx, *conf)
	if err != nil {
		return e.fail(err)
	}
	defer st.Close()
	held, err := heldTypes(ctx, st, c)
	if err != nil {
		return e.fail(err)
	}
	held = slices.DeleteFunc(held, func(h heldJSON) bool { return h.Type != rest[0] || *source != "" && h.Source != *source })
	switch {
	case len(held) == 0:
		return e.fail(&said{code: "NOT_HELD", zh: "没有等待确认的 " + rest[0], en: "no " + rest[0] + " waits for a person",
			hintZH: "运行 fayi outbox status 查看", hintEN: "see fayi outbox status"})
	case len(held) > 1:
		return f.usage("有多个来源停住了 "+rest[0]+"，请用 -source 指明", "several sources hold "+rest[0]+": name one with -source")
	}
	h := held[0]
	n, err := sequencer.Decide(ctx, st, h.Source, h.Type, *refuse, *op, operator(), h.reader, *dry)
	if errors.Is(err, store.ErrNoBrake) { // decided meanwhile
		err = &said{code: "NOT_HELD", zh: "刚刚已有人处理", en: "somebody decided just now"}
	}
	if err != nil {
		return e.fail(err)
	}
	if *asJSON {
		e.json(map[string]any{"source": h.Source, "type": h.Type, "refuse": *refuse, "op": *op, "rows": n, "dry_run": *dry})
		return exitOK
	}
	did := e.text(map[bool]string{false: "放行", true: "拒绝"}[*refuse], map[bool]string{false: "confirmed", true: "refused"}[*refuse])
	if *dry {
		e.say("来源 %s 的 %s 有 %d 条等待，将全部%s；没有改动", "source %s, %s: %d rows wait and would be %s; nothing was changed", h.Source, h.Type, n, did)
		return exitOK
	}
	e.say("来源 %s 的 %s：%d 条已%s，节点随即处理", "source %s, %s: %d rows %s; the node acts on it at once", h.Source, h.Type, n, did)
	return exitOK
}

// operator is who runs the command, for the event.
func operator() string {
	if u, err := user.Current(); err == nil {
		return "user " + u.Username
	}
	return "command line"
}

// heldJSON is a type that waits for a person.
type heldJSON struct {
	Source  string           `json:"source"`
	Type    string           `json:"type"`
	Why     string           `json:"why"`
	Count   int64            `json:"count"`
	Limit   int64            `json:"limit"`
	Keys    int64            `json:"keys"`
	Waiting map[string]int64 `json:"waiting"`
	Since   time.Time        `json:"since"`

	reader *outbox.Reader
}

// heldTypes lists what waits for a person.
func heldTypes(ctx context.Context, st *store.Store, c *config.File) ([]heldJSON, error) {
	out := []heldJSON{}
	for _, s := range c.Sources {
		src, err := sourceOf(c, s) // the process ends with its connections
		if err != nil {
			return nil, err
		}
		r, err := src.Counter(ctx, st)
		if err != nil {
			return nil, err
		}
		held, err := sequencer.HeldOf(ctx, st, src, r)
		if err != nil {
			return nil, err
		}
		for _, h := range held {
			out = append(out, heldJSON{h.Source, h.Type, h.Why, h.Count, h.Limit, h.Live, h.Waiting, h.Since, r})
		}
	}
	return out, nil
}

// showHeld prints what waits for a person and why.
func (e *env) showHeld(held []heldJSON) {
	if len(held) == 0 {
		return
	}
	rows := [][]string{{e.text("来源", "SOURCE"), e.text("等待确认的类型", "TYPE ON HOLD"), e.text("原因", "WHY"), e.text("等待", "WAITING"), e.text("自", "SINCE")}}
	for _, h := range held {
		rows = append(rows, []string{h.Source, h.Type, e.brakeText(h.Why, h.Count, h.Limit, h.Keys),
			e.text("删除 ", "del ") + strconv.FormatInt(h.Waiting["del"], 10) + e.text("、写入 ", ", put ") + strconv.FormatInt(h.Waiting["put"], 10),
			h.Since.Local().Format(time.DateTime)})
	}
	fmt.Fprintln(e.stdout)
	e.table(rows)
	e.say("核对后运行 fayi outbox confirm 放行或拒绝", "look, then let them pass or refuse them with fayi outbox confirm")
}

// brakeText says why a type was stopped.
func (e *env) brakeText(why string, count, limit, keys int64) string {
	zh := map[string]string{"deletes": "删除", "changes": "修改"}[why]
	return e.text(fmt.Sprintf("%s %d 条，限 %d 条（共 %d 个主键）", zh, count, limit, keys), fmt.Sprintf("%d %s, limit %d, of %d keys", count, why, limit, keys))
}
