package main

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"fayi/cmd/fayi/internal/config"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/schemas"
)

func cmdOutbox(ctx context.Context, e *env, args []string) int {
	return e.group(ctx, group{name: "fayi outbox",
		zh: "发件表：安装、触发器、状态、被拒记录、重新提交。", en: "Outbox: install, triggers, status, rejected, retry.",
		commands: []command{
			{"install", outboxInstall, "建立业务系统写入的表", "create the tables business systems write to"},
			{"triggers", outboxTriggers, "业务系统不改代码：按映射生成触发器", "no change of code: triggers from a map of columns"},
			{"status", outboxStatus, "等待发送和被拒的数量", "how much waits and how much was rejected"},
			{"rejected", outboxRejected, "列出被拒记录和原因", "list rejected records and why"},
			{"retry", outboxRetry, "重新提交被拒记录", "resubmit rejected records"},
			{"confirm", outboxConfirm, "放行或拒绝因大量删改而停住的记录", "let pass or refuse what was held as too many deletions or changes"},
		},
		example: "fayi outbox status -c fayi.yaml"}, args)
}

type waitingJSON struct {
	Source  string     `json:"source"`
	Table   string     `json:"table"`
	Waiting int64      `json:"waiting"`
	AtLeast bool       `json:"at_least"` // counting stopped at Waiting
	Oldest  *time.Time `json:"oldest"`   // null if nothing waits
	Taken   int64      `json:"taken"`    // sealed, and kept in the source's own database until a reader has stored them
	Error   string     `json:"error,omitempty"`
}

type rejectedCount struct {
	Source string `json:"source"`
	State  string `json:"state"`
	Code   string `json:"code"`
	Count  int64  `json:"count"`
}

func outboxStatus(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi outbox status",
		zh:      fmt.Sprintf("显示各来源等待发送的记录数（数到 %d 为止）、最早一条的时间，以及最近 %d 条被拒记录按状态和原因的计数。", outbox.MaxWaiting, maxCounted),
		en:      fmt.Sprintf("Show how many records of each source wait (counted up to %d), since when, and the newest %d rejected records by state and code.", outbox.MaxWaiting, maxCounted),
		example: "fayi outbox status -c fayi.yaml -json"})
	conf, asJSON := f.config(), f.asJSON()
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) > 0 {
		return f.usage("outbox status 不带参数", "outbox status takes no arguments")
	}
	st, c, err := e.openMigrated(ctx, *conf)
	if err != nil {
		return e.fail(err)
	}
	defer st.Close()
	waiting, err := countWaiting(ctx, st, c)
	if err != nil {
		return e.fail(err)
	}
	rejected, err := countRejected(ctx, st)
	if err != nil {
		return e.fail(err)
	}
	held, err := heldTypes(ctx, st, c)
	if err != nil {
		return e.fail(err)
	}
	if *asJSON {
		e.json(map[string]any{"sources": waiting, "rejected": rejected, "held": held})
		return exitOK
	}
	rows := [][]string{{e.text("来源", "SOURCE"), e.text("表", "TABLE"), e.text("等待发送", "WAITING"), e.text("最早一条", "OLDEST"), e.text("已封装待回执", "AWAITING RECEIPT")}}
	for _, w := range waiting {
		n, oldest := strconv.FormatInt(w.Waiting, 10), "-"
		if w.AtLeast {
			n = e.text("至少 ", "at least ") + n
		}
		if w.Oldest != nil {
			oldest = w.Oldest.Local().Format(time.DateTime)
		}
		taken := ""
		if w.Taken > 0 {
			taken = strconv.FormatInt(w.Taken, 10)
		}
		if w.Error != "" {
			n, oldest = e.text("连不上", "no answer"), "-"
		}
		rows = append(rows, []string{w.Source, w.Table, n, oldest, taken})
	}
	e.table(rows)
	e.showHeld(held)
	if len(rejected) == 0 {
		e.say("没有被拒记录", "no rejected records")
		return exitOK
	}
	rows = [][]string{{e.text("来源", "SOURCE"), e.text("状态", "STATE"), e.text("原因", "CODE"), e.text("被拒", "REJECTED")}}
	for _, r := range rejected {
		rows = append(rows, []string{r.Source, e.stateText(outbox.State(r.State)), r.Code, strconv.FormatInt(r.Count, 10)})
	}
	fmt.Fprintln(e.stdout)
	e.table(rows)
	return exitOK
}

func (e *env) stateText(s outbox.State) string {
	zh := map[outbox.State]string{outbox.StateOpen: "待处理", outbox.StateResubmitted: "已重新提交", outbox.StateSuperseded: "已被新版取代", outbox.StateClosed: "已关闭"}
	return e.text(or(zh[s], string(s)), string(s))
}

// countWaiting asks every source. A database of its own that does not answer is told in its line; the others are told all the same.
func countWaiting(ctx context.Context, st *store.Store, c *config.File) ([]waitingJSON, error) {
	out := []waitingJSON{}
	for _, s := range c.Sources {
		w, err := countSource(ctx, st, c, s)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, nil
}

const sourceLimit = 5 * time.Second // for a database of its own

func countSource(ctx context.Context, st *store.Store, c *config.File, s config.Source) (waitingJSON, error) {
	w := waitingJSON{Source: s.Name, Table: s.Table}
	src, err := sourceOf(c, s)
	if err != nil {
		return w, err
	}
	defer closeSources([]sequencer.Source{src})
	r, err := src.Reader(st)
	if err != nil {
		return w, err
	}
	ask, cancel := context.WithTimeout(ctx, sourceLimit)
	defer cancel()
	n, oldest, err := r.Waiting(ask)
	switch {
	case err != nil && src.DB == nil:
		return w, &said{code: "NO_TABLE", zh: "读不了来源 " + s.Name + " 的表 " + s.Table, en: "table " + s.Table + " of source " + s.Name + " cannot be read", err: err,
			hintZH: "运行 fayi outbox install -apply 建表", hintEN: "create it with fayi outbox install -apply"}
	case err != nil:
		w.Error = err.Error()
	}
	if src.DB != nil {
		if w.Taken, err = st.CountTaken(ctx, s.Name); err != nil {
			return w, err
		}
	}
	w.AtLeast = n >= outbox.MaxWaiting
	if w.Waiting = max(0, n-w.Taken); w.Waiting > 0 {
		w.Oldest = &oldest
	}
	return w, nil
}

// maxCounted bounds the rejected rows that status groups.
const maxCounted = 100_000

func countRejected(ctx context.Context, st *store.Store) ([]rejectedCount, error) {
	rows, err := st.DB().QueryContext(ctx, fmt.Sprintf("SELECT source, state, code, COUNT(*) FROM (SELECT source, state, code FROM %s ORDER BY id DESC LIMIT %d) r GROUP BY source, state, code",
		outbox.RejectedTable, maxCounted))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []rejectedCount{}
	for rows.Next() {
		var r rejectedCount
		if err := rows.Scan(&r.Source, &r.State, &r.Code, &r.Count); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b rejectedCount) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.State, b.State), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code))
	})
	return out, rows.Err()
}

// rejectedJSON is a rejected row as -json shows it; Payload only with -show.
type rejectedJSON struct {
	ID         uint64          `json:"id"`
	Source     string          `json:"source"`
	RowID      uint64          `json:"row_id"`
	Type       string          `json:"type"`
	Key        string          `json:"key"`
	Op         string          `json:"op"`
	Size       int64           `json:"size"`
	Created    *time.Time      `json:"created"` // null if the row had no valid time
	RejectedAt time.Time       `json:"rejected_at"`
	Code       string          `json:"code"`
	State      string          `json:"state"`
	Faults     json.RawMessage `json:"faults"`
	Payload    *string         `json:"payload,omitempty"`
}

func describeRejected(r outbox.Rejected) rejectedJSON {
	j := rejectedJSON{ID: r.ID, Source: r.Source, RowID: r.Row.ID, Type: r.Row.Type, Key: string(r.Row.Key), Op: r.Row.Op, Size: r.Row.Size,
		RejectedAt: r.RejectedAt, Code: r.Code, State: string(r.State), Faults: r.Faults}
	if !r.Row.BadCreated {
		j.Created = &r.Row.Created
	}
	if !json.Valid(j.Faults) {
		j.Faults = json.RawMessage("[]")
	}
	return j
}

// rejectedFilter adds the flags that choose among rejected records.
func (f *flags) rejectedFilter(filter *outbox.Filter) {
	f.set.StringVar(&filter.Source, "source", "", bilingual("`来源`", "`source`"))
	f.set.StringVar(&filter.Type, "type", "", bilingual("记录`类型`", "record `type`"))
	f.set.StringVar(&filter.Code, "code", "", bilingual("原因`代码`", "fault `code`"))
	f.set.StringVar(&filter.Key, "key", "", bilingual("主键的`开头`", "`beginning` of the record key"))
	f.set.Func("since", bilingual("被拒`时间`不早于：2026-11-20、2026-11-20T09:00，或 24h 表示最近这么久", "rejected at this `time` or later: 2026-11-20, 2026-11-20T09:00, or 24h for that long ago"), func(v string) (err error) {
		filter.Since, err = parseWhen(v)
		return err
	})
	f.set.Func("until", bilingual("被拒`时间`早于", "rejected before this `time`"), func(v string) (err error) {
		filter.Until, err = parseWhen(v)
		return err
	})
}

// parseWhen reads a moment in local time, or how long ago.
func parseWhen(v string) (time.Time, error) {
	if d, err := time.ParseDuration(v); err == nil && d > 0 {
		return time.Now().Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, v, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("not a time")
}

func outboxRejected(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi outbox rejected",
		zh:      "列出被拒记录和原因。不显示记录内容；用 -show 编号 查看某一条的全部原因和内容（可能含个人信息）。",
		en:      "List rejected records and why. Contents are not shown; -show ID shows one with all its faults and contents, which may be personal data.",
		example: "fayi outbox rejected -c fayi.yaml -code REQUIRED -limit 20"})
	conf, asJSON := f.config(), f.asJSON()
	var filter outbox.Filter
	f.rejectedFilter(&filter)
	state := f.string("state", "open", "`状态`：open、resubmitted、superseded、closed，all 为全部", "`state`: open, resubmitted, superseded, closed, or all")
	f.set.IntVar(&filter.Limit, "limit", 50, bilingual("最多`条数`，不超过 1000", "at most `N` records, no more than 1000"))
	f.set.Uint64Var(&filter.AfterID, "after", 0, bilingual("从`编号`之后列起", "list those after this `ID`"))
	show := f.uint64("show", 0, "显示这个`编号`的内容", "show the contents of this `ID`")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	states := []string{"open", "resubmitted", "superseded", "closed", "all"}
	switch {
	case len(rest) > 0:
		return f.usage("outbox rejected 不带参数", "outbox rejected takes no arguments")
	case !slices.Contains(states, *state):
		return f.usage("-state 只能是 "+strings.Join(states, "、"), "-state is one of "+strings.Join(states, ", "))
	case filter.Limit < 1 || filter.Limit > 1000:
		return f.usage("-limit 应在 1 到 1000 之间", "-limit is 1 to 1000")
	}
	if *state != "all" {
		filter.State = outbox.State(*state)
	}
	st, _, err := e.openMigrated(ctx, *conf)
	if err != nil {
		return e.fail(err)
	}
	defer st.Close()
	if *show != 0 {
		return e.showRejected(ctx, st, *show, *asJSON)
	}
	list, err := outbox.ListRejected(ctx, st.DB(), st.Dialect(), filter)
	if err != nil {
		return e.fail(err)
	}
	if *asJSON {
		out := []rejectedJSON{}
		for _, r := range list {
			out = append(out, describeRejected(r))
		}
		e.json(map[string]any{"rejected": out, "more": len(list) == filter.Limit})
		return exitOK
	}
	if len(list) == 0 {
		e.say("没有符合条件的被拒记录", "no such rejected records")
		return exitOK
	}
	rows := [][]string{{e.text("编号", "ID"), e.text("时间", "TIME"), e.text("来源", "SOURCE"), e.text("类型", "TYPE"), e.text("主键", "KEY"), e.text("操作", "OP"), e.text("状态", "STATE"), e.text("原因", "WHY")}}
	for _, r := range list {
		rows = append(rows, []string{strconv.FormatUint(r.ID, 10), r.RejectedAt.Local().Format(time.DateTime), r.Source, r.Row.Type, string(r.Row.Key), r.Row.Op, e.stateText(r.State), e.why(r)})
	}
	e.table(rows)
	if len(list) == filter.Limit {
		e.note("可能还有更多，加 -after %d 继续", "there may be more; go on with -after %d", list[len(list)-1].ID)
	}
	return exitOK
}

// why is the first fault and how many more there are.
func (e *env) why(r outbox.Rejected) string {
	var faults schemas.Faults
	if err := json.Unmarshal(r.Faults, &faults); err != nil || len(faults) == 0 {
		return r.Code
	}
	s := e.faultLine(faults[0])
	if n := len(faults); n > 1 {
		s += e.text(fmt.Sprintf(" 等 %d 处", n), fmt.Sprintf(" and %d more", n-1))
	}
	return s
}

func (e *env) faultLine(f schemas.Fault) string {
	s := e.text(f.Message+"（"+f.Code+"）", f.MessageEN+" ("+f.Code+")")
	if f.Pointer != "" {
		s = f.Pointer + " " + s
	}
	return s
}

func (e *env) showRejected(ctx context.Context, st *store.Store, id uint64, asJSON bool) int {
	r, err := outbox.GetRejected(ctx, st.DB(), st.Dialect(), id)
	if err != nil {
		return e.fail(err)
	}
	j := describeRejected(r)
	if !r.Row.Null {
		text := string(r.Row.Payload)
		j.Payload = &text
	}
	if asJSON {
		e.json(j)
		return exitOK
	}
	e.say("编号 %d，来源 %s，%s %s %s，%s", "ID %d, source %s, %s %s %s, %s", r.ID, r.Source, r.Row.Op, r.Row.Type, string(r.Row.Key), e.stateText(r.State))
	var faults schemas.Faults
	if json.Unmarshal(r.Faults, &faults) == nil {
		for _, f := range faults {
			fmt.Fprintln(e.stdout, e.faultLine(f))
			if f.Hint != "" && !e.english {
				e.say("  建议：%s", "%s", f.Hint)
			}
		}
	}
	if j.Payload != nil {
		fmt.Fprintf(e.stdout, "\n%s\n", *j.Payload)
	}
	return exitOK
}

// retried is what became of one rejected row.
type retried struct {
	ID      uint64 `json:"id"`
	Type    string `json:"type"`
	Outcome string `json:"outcome"` // resubmitted, superseded, would_resubmit, or the code of an error
	err     error
}

func outboxRetry(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi outbox retry", args: "[ID…]",
		zh: "把被拒记录放回发件表：按编号，或按原因、类型、来源、时间、主键开头选出全部待处理记录（例如规范更新之后）。\n" +
			"-payload 给出改正后的内容，只能用于一个编号。同一主键已有更新版本的不再提交，标为“已被新版取代”。有未能提交的，退出码为 3。",
		en: "Put rejected records back into the outbox: by ID, or all open ones of a fault, type, source, time or beginning of key (after a\n" +
			"new pack, say).\n" +
			"-payload gives corrected contents, for one ID. A record with a later version is marked superseded instead. Exit code 3 if some were not resubmitted.",
		example: "fayi outbox retry -c fayi.yaml -code CODE -dry-run"})
	conf, asJSON := f.config(), f.asJSON()
	filter := outbox.Filter{State: outbox.StateOpen, Limit: 1000}
	all := filter
	f.rejectedFilter(&filter)
	file := f.string("payload", "", "改正后的内容所在`文件`", "`file` with corrected contents")
	dry := f.bool("dry-run", "只列出将要提交的，不改动", "list what would be resubmitted, change nothing")
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	var ids []uint64
	for _, a := range rest {
		id, err := strconv.ParseUint(a, 10, 64)
		if err != nil || id == 0 {
			return f.usage("编号应为正整数："+a, "not an ID: "+a)
		}
		ids = append(ids, id)
	}
	switch {
	case (len(ids) == 0) == (filter == all):
		return f.usage("请写编号，或用 -code、-type、-source、-key、-since、-until 选择，二者取一", "give IDs, or choose with -code, -type, -source, -key, -since, -until; one of them")
	case *file != "" && len(ids) != 1:
		return f.usage("-payload 只能用于一个编号", "-payload goes with one ID")
	}
	var payload []byte
	if *file != "" {
		var err error
		if payload, err = readPayload(*file); err != nil {
			return e.fail(err)
		}
	}
	st, c, err := e.openMigrated(ctx, *conf)
	if err != nil {
		return e.fail(err)
	}
	defer st.Close()
	if filter != all {
		if ids, err = openRejected(ctx, st, filter); err != nil {
			return e.fail(err)
		}
	}
	out, failed, last := []retried{}, 0, time.Now()
	for i, id := range ids {
		if e.terminal && time.Since(last) > time.Second {
			last = time.Now()
			e.note("已处理 %d 条，共 %d 条", "%d of %d records", i, len(ids))
		}
		r := retry(ctx, st, c, id, payload, *dry)
		if ctx.Err() != nil {
			return e.fail(ctx.Err())
		}
		if r.err != nil {
			failed++
		}
		out = append(out, r)
	}
	if *asJSON {
		e.json(map[string]any{"dry_run": *dry, "records": out, "not_resubmitted": failed})
	} else {
		e.retryReport(out, failed, *dry)
	}
	if failed > 0 {
		return exitProblem
	}
	return exitOK
}

func (e *env) retryReport(list []retried, failed int, dry bool) {
	for _, r := range list {
		if r.err != nil {
			s := explain(r.err)
			e.say("编号 %d：%s（%s）", "ID %d: %s (%s)", r.ID, e.text(s.zh, s.en), s.code)
		}
	}
	if dry {
		e.say("将重新提交 %d 条，不能提交 %d 条；没有改动", "%d would be resubmitted, %d not; nothing was changed", len(list)-failed, failed)
		return
	}
	e.say("已重新提交 %d 条，未提交 %d 条", "%d resubmitted, %d not", len(list)-failed, failed)
}

// readPayload reads corrected contents, bounded as the outbox bounds them.
func readPayload(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, outbox.MaxPayload+1))
	return bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))), err
}

// openRejected collects the ids of all rows a filter selects.
func openRejected(ctx context.Context, st *store.Store, f outbox.Filter) ([]uint64, error) {
	var ids []uint64
	for {
		list, err := outbox.ListRejected(ctx, st.DB(), st.Dialect(), f)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			ids = append(ids, r.ID)
		}
		if len(list) < f.Limit {
			return ids, nil
		}
		f.AfterID = ids[len(ids)-1]
	}
}

// retry resubmits one row in a transaction of its own. Whether a later version
// was published meanwhile is asked again by the node when it takes the row.
func retry(ctx context.Context, st *store.Store, c *config.File, id uint64, payload []byte, dry bool) retried {
	out := retried{ID: id}
	fail := func(err error) retried {
		out.err, out.Outcome = err, explain(err).code
		if errors.Is(err, outbox.ErrSuperseded) {
			out.Outcome = string(outbox.StateSuperseded)
		}
		return out
	}
	r, err := outbox.GetRejected(ctx, st.DB(), st.Dialect(), id)
	if err != nil {
		return fail(err)
	}
	out.Type = r.Row.Type
	i := slices.IndexFunc(c.Sources, func(s config.Source) bool { return s.Name == r.Source })
	if i < 0 {
		return fail(&said{code: "NO_SOURCE", zh: "配置中没有它的来源 " + r.Source, en: "its source " + r.Source + " is not configured"})
	}
	if r.State != outbox.StateOpen {
		return fail(outbox.ErrNotOpen)
	}
	if err := atHome(c.Sources[i]); err != nil {
		return fail(err)
	}
	if dry {
		out.Outcome = "would_resubmit"
		return out
	}
	superseded := false
	err = st.InTx(ctx, func(tx *sql.Tx) error {
		err := outbox.Resubmit(ctx, tx, st.Dialect(), c.Sources[i].Table, id, payload, nil)
		superseded = errors.Is(err, outbox.ErrSuperseded)
		if superseded {
			return nil // the mark is to be committed
		}
		return err
	})
	switch {
	case err != nil:
		return fail(err)
	case superseded:
		return fail(outbox.ErrSuperseded)
	}
	out.Outcome = string(outbox.StateResubmitted)
	return out
}
