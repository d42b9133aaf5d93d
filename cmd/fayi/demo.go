package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fayi/cmd/fayi/internal/config"
	"fayi/cmd/fayi/internal/demo"
	"fayi/crypto/sign"
	"fayi/gateway"
	"fayi/gateway/federation"
	"fayi/gateway/store"
	"fayi/outbox"
)

// demoOptions is what the flags of demo say.
type demoOptions struct {
	records        int
	once, asJSON   bool
	dir, mysql     string
	listen         string
	listenAsked    bool
	seed           uint64
	trace, verbose bool
}

func cmdDemo(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi demo",
		zh: "在本机运行司法部、陕西省司法厅、榆林市和延安市司法局四个节点，经真实的 HTTP 交换由公开数据生成的记录，\n" +
			"再逐条核对：每个副本与源节点一致，每条坏记录都以应有的理由被拒。不加 -once 时持续运行，直到中断。",
		en: "Run four nodes on this machine: the ministry, the province Shaanxi and the cities Yulin and Yan'an. They exchange records made\n" +
			"from public data over real HTTP; then every copy is compared with its origin and every bad record with the reason it was refused for.\n" +
			"Without -once it runs until interrupted.",
		example: "fayi demo -once -records 5000"})
	o := demoOptions{}
	f.set.IntVar(&o.records, "records", 5000, bilingual("发布的记录`条数`", "`number` of records to publish"))
	f.set.BoolVar(&o.once, "once", false, bilingual("交换并核对一次后结束", "exchange and check once, then end"))
	f.set.BoolVar(&o.asJSON, "json", false, bilingual("结果输出为一个 JSON 对象", "print the result as one JSON object"))
	f.set.StringVar(&o.dir, "dir", "", bilingual("节点`目录`，每个节点一个子目录；默认新建临时目录", "`folder` of the nodes, one subfolder each; default: a new temporary one"))
	f.set.StringVar(&o.mysql, "mysql", "", bilingual("用 MySQL/MariaDB，`连接串`形如 user:password@tcp(host:3306)/；每个节点建一个库", "use MySQL/MariaDB: `DSN` user:password@tcp(host:3306)/; one database a node is made"))
	f.set.StringVar(&o.listen, "listen", "127.0.0.1:8348", bilingual("省厅节点本地接口的`地址`", "`address` of the province's local API"))
	f.set.Uint64Var(&o.seed, "seed", 1, bilingual("随机`种子`，同一种子生成同样的记录", "random `seed`; the same seed makes the same records"))
	f.set.BoolVar(&o.trace, "trace", false, bilingual("每个节点写事件跟踪文件 trace.jsonl", "each node writes trace.jsonl"))
	f.set.BoolVar(&o.verbose, "v", false, bilingual("显示节点日志", "show the nodes' log"))
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) > 0 {
		return f.usage("demo 不带参数", "demo takes no arguments")
	}
	if o.records < 1 || o.records > 5_000_000 {
		return f.usage("-records 应在 1 到 5000000 之间", "-records is between 1 and 5000000")
	}
	for _, a := range args {
		o.listenAsked = o.listenAsked || strings.HasPrefix(strings.TrimLeft(a, "-"), "listen")
	}
	res, err := e.demo(ctx, &o)
	switch {
	case err != nil:
		return e.fail(err)
	case res != nil && !res.Verified:
		return exitProblem
	}
	return exitOK
}

// demo runs it and returns the result of the exchange, nil if it was
// interrupted before.
func (e *env) demo(ctx context.Context, o *demoOptions) (*demo.Result, error) {
	dir, err := demoDir(o.dir)
	if err != nil {
		return nil, err
	}
	level := new(slog.LevelVar)
	level.Set(slog.LevelError)
	if o.verbose {
		level.Set(slog.LevelInfo)
	}
	// Calls cut off because everything stops at once are no faults to show.
	stop := func(d *demo.Demo) error {
		if !o.verbose {
			level.Set(slog.LevelError + 1)
		}
		return d.Stop()
	}
	opts := demo.Options{
		Dir: dir, Records: o.records, Seed: o.seed, Driver: outbox.SQLite,
		DSN:         func(_ context.Context, id string) (string, error) { return filepath.Join(dir, id, "fayi.db"), nil },
		Hotline:     demoHotline,
		WriteConfig: func(m *federation.Member) (string, error) { return writeDemoConfig(m, o) },
		Log:         slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: level})),
		Adjust: func(c *gateway.Config) {
			if c.Node == demoConsole {
				c.LocalAddr = demoListen(o)
			}
			if o.trace {
				c.TracePath = filepath.Join(dir, c.Node, "trace.jsonl")
			}
		},
	}
	if o.mysql != "" {
		suffix, err := demoSuffix(dir)
		if err != nil {
			return nil, err
		}
		opts.Driver = outbox.MySQL
		opts.DSN = func(ctx context.Context, id string) (string, error) {
			return store.CreateDatabase(ctx, o.mysql, "fayi_demo_"+suffix+"_"+id)
		}
	}
	if e.terminal {
		opts.Progress = e.demoProgress
	}
	e.note("法驿演示：正在建立四个节点……（目录 %s）", "fayi demo: building four nodes … (folder %s)", dir)
	d, err := demo.Start(ctx, opts)
	if err != nil {
		return nil, interrupted(ctx, o, err)
	}
	if !o.asJSON {
		e.demoMap(d)
	}
	res, err := d.Exchange(ctx)
	if e.terminal {
		fmt.Fprint(e.stderr, "\r\x1b[K")
	}
	if err != nil {
		return nil, errors.Join(interrupted(ctx, o, err), stop(d))
	}
	if o.asJSON {
		err = res.WriteJSON(e.stdout)
	} else {
		e.demoReport(res, d, o.once)
	}
	if err == nil && !o.once {
		err = e.demoOn(ctx, d, o)
	}
	return res, errors.Join(err, stop(d))
}

// interrupted says what an error is worth once the demo was interrupted: a demo
// that runs until then has ended as it should, one asked for a result has none.
func interrupted(ctx context.Context, o *demoOptions, err error) error {
	switch {
	case ctx.Err() == nil:
		return err
	case o.once:
		return ctx.Err()
	}
	return nil
}

// demoConsole is the node whose local API -listen names.
const demoConsole = "610000"

// demoListen is where that is: the address asked for, or, where nobody asked
// and it is taken, any free one.
func demoListen(o *demoOptions) string {
	if o.listenAsked {
		return o.listen
	}
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return "127.0.0.1:0"
	}
	l.Close()
	return o.listen
}

func demoDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "fayi-demo-")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o700)
}

// demoSuffix tells the databases of one demo folder from another's: it is drawn
// once and kept in the folder.
func demoSuffix(dir string) (string, error) {
	path := filepath.Join(dir, "database-suffix")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		h := sign.Sum([]byte(dir + time.Now().String()))
		s := hex.EncodeToString(h[:4])
		return s, os.WriteFile(path, []byte(s), 0o600)
	}
	if err == nil && strings.Trim(string(b), "0123456789abcdef") != "" {
		err = fmt.Errorf("%s is not a suffix", path)
	}
	return string(b), err
}

// writeDemoConfig writes a member's fayi.yaml, so that every other command
// works on a demo's nodes: serve, pull, outbox, peer.
func writeDemoConfig(m *federation.Member, o *demoOptions) (string, error) {
	path := filepath.Join(m.Dir, "fayi.yaml")
	sum := sign.Sum([]byte(m.Token))
	s := config.Setup{
		Node: m.ID, Name: m.Name.Zh, Role: m.Role, Driver: "sqlite", DSN: "fayi.db", APIKey: sum.String(),
		Peers: strings.TrimPrefix(m.Node.PeerURL(), "http://"), Local: strings.TrimPrefix(m.Node.LocalURL(), "http://"),
	}
	if o.mysql != "" {
		s.Driver, s.DSN = "mysql", "file:database.dsn"
		if err := os.WriteFile(filepath.Join(m.Dir, "database.dsn"), []byte(m.DSN+"\n"), 0o600); err != nil {
			return "", err
		}
	}
	if len(m.Peers) > 0 {
		s.Parent, s.URL = m.Peers[0].ID, m.Peers[0].URL
	}
	data, err := config.Sample(s)
	if err != nil {
		return "", err
	}
	for i := 1; i < len(m.Peers); i++ {
		p := m.Peers[i]
		first := fmt.Sprintf("  - {id: %q, url: %q, push: true, poll: true}\n", m.Peers[0].ID, m.Peers[0].URL)
		data = []byte(strings.Replace(string(data), first, first+fmt.Sprintf("  - {id: %q, url: %q, push: true, poll: true}\n", p.ID, p.URL), 1))
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return "", err
	}
	_, err = config.Load(path)
	return path, err
}

// demoOn keeps the federation living: a few records a second, and a line about
// where everything stands.
func (e *env) demoOn(ctx context.Context, d *demo.Demo, o *demoOptions) error {
	if o.asJSON {
		e.note("节点继续运行，按 Ctrl-C 结束", "the nodes go on; press Ctrl-C to end")
	} else {
		e.say("\n节点继续运行，每秒有新记录发布；按 Ctrl-C 结束。", "\nThe nodes go on, with new records every second; press Ctrl-C to end.")
	}
	err := d.Live(ctx, func(s demo.LiveStatus) {
		if !e.terminal {
			return
		}
		fmt.Fprintf(e.stderr, "\r\x1b[K%s", e.text(
			fmt.Sprintf("%s  累计发布 %d 条 · 部里已存 %d 条", s.At.Format(time.TimeOnly), s.Published, s.AtMinistry),
			fmt.Sprintf("%s  published %d · at the ministry %d", s.At.Format(time.TimeOnly), s.Published, s.AtMinistry)))
	})
	if e.terminal {
		fmt.Fprintln(e.stderr)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (e *env) demoProgress(p demo.Progress) {
	stage := map[string][2]string{
		"build": {"建立节点与入网", "building and joining"}, "publish": {"写入发件表", "writing outboxes"},
		"carry": {"封存与传递", "sealing and carrying"}, "verify": {"核对副本", "verifying copies"},
	}[p.Stage]
	const width = 24
	done := 0
	if p.Total > 0 {
		done = min(width, int(p.Accepted+p.Refused+p.Unchanged)*width/p.Total)
	}
	fmt.Fprintf(e.stderr, "\r\x1b[K%s [%s%s] %d/%d · %s %d · %.1f s", e.text(stage[0], stage[1]), strings.Repeat("█", done), strings.Repeat("·", width-done),
		p.Accepted+p.Refused+p.Unchanged, p.Total, e.text("待追平副本", "copies behind"), p.CopiesBehind, p.Elapsed.Seconds())
}

// demoMap shows who talks to whom, and where to look.
func (e *env) demoMap(d *demo.Demo) {
	e.say("", "")
	e.say("  司法部 100000", "  Ministry of Justice 100000")
	e.say("    │ 省厅推送并轮询", "    │ the province pushes and polls")
	e.say("  陕西省司法厅 610000", "  Shaanxi 610000")
	e.say("    ├── 榆林市司法局 610800  主动推送", "    ├── Yulin 610800   pushes")
	e.say("    └── 延安市司法局 610600  由省厅轮询", "    └── Yan'an 610600  is polled by the province")
	e.say("", "")
	rows := [][]string{{e.text("节点", "node"), e.text("节点间", "for peers"), e.text("本地接口", "local API"), e.text("目录", "folder")}}
	for _, m := range d.Federation.Members {
		rows = append(rows, []string{m.ID, m.Node.PeerURL(), m.Node.LocalURL(), m.Dir})
	}
	e.table(rows)
	m := d.Federation.Member(demoConsole)
	e.say("\n看一看：curl -H \"Authorization: Bearer $(cat %s/keys/api.token)\" %s/v1/streams\n",
		"\nlook: curl -H \"Authorization: Bearer $(cat %s/keys/api.token)\" %s/v1/streams\n", m.Dir, m.Node.LocalURL())
}

// demoReport is the summary a person reads at the end.
func (e *env) demoReport(r *demo.Result, d *demo.Demo, once bool) {
	e.say("共发布 %d 条：入流 %d，拒绝 %d，内容未变 %d；用时 %.2f 秒（%.0f 条/秒，从写入发件表到最后一个副本追平）",
		"published %d records: %d accepted, %d rejected, %d unchanged; %.2f s (%.0f a second, from the outbox to the last copy)",
		r.Published, r.Accepted, r.Rejected, r.Unchanged, r.Seconds, float64(r.Published)/r.Seconds)
	rows := [][]string{{"", e.text("入流", "accepted"), e.text("拒绝", "rejected"), e.text("未变", "unchanged")}}
	for _, t := range r.Types {
		rows = append(rows, []string{"  " + t.Type, num(t.Accepted), num(t.Rejected), num(t.Unchanged)})
	}
	e.figures(rows)
	e.say("\n流与副本（每行一个流，数字为末条序号）：", "\nstreams and copies (a line a stream, the number is the last line's):")
	e.copies(r)
	e.demoTrips(r.Handoffs)
	e.say("\n坏记录及其被拒理由：", "\nbad records and why they were refused:")
	for _, x := range r.Reasons {
		fmt.Fprintf(e.stdout, "  %4d  %-16s %s\n", x.Count, x.Code, e.text(x.Why, x.WhyEN))
	}
	if r.Verified {
		e.say("\n✔ 已核对：%d 个数据段逐一验签、验链、验根；所有副本与源节点一致；每条坏记录都以应有的理由被拒。",
			"\n✔ verified: %d segments by signature, chain and root; every copy equals its origin; every bad record refused for its reason.", r.Segments)
	} else {
		e.say("\n✘ 核对发现 %d 处不符：", "\n✘ %d disagreements:", len(r.Faults))
		for _, f := range r.Faults {
			fmt.Fprintln(e.stdout, "  "+f)
		}
	}
	city := d.Federation.Member("610800").Dir
	e.say("\n继续看：fayi outbox rejected -c %s/fayi.yaml", "\nnext: fayi outbox rejected -c %s/fayi.yaml", city)
	if once {
		e.say("        fayi serve -c %s/fayi.yaml", "      fayi serve -c %s/fayi.yaml", d.Federation.Member(demoConsole).Dir)
	} else {
		e.say("        fayi pull -c %s/fayi.yaml -o out %s", "      fayi pull -c %s/fayi.yaml -o out %s", city, demoConsole)
	}
}

// copies shows each stream at its origin and at the nodes that hold it.
func (e *env) copies(r *demo.Result) {
	at := map[string]map[string]demo.StreamResult{}
	var names []string
	for _, n := range r.Nodes {
		for _, s := range n.Streams {
			if at[s.Stream] == nil {
				at[s.Stream] = map[string]demo.StreamResult{}
				names = append(names, s.Stream)
			}
			at[s.Stream][n.ID] = s
		}
	}
	rows := [][]string{{"", "100000", "610000", "610800", "610600"}}
	for _, name := range names {
		row := []string{"  " + name}
		for _, id := range rows[0][1:] {
			cell := "·"
			if s, ok := at[name][id]; ok {
				cell = strconv.FormatUint(s.LastSeq, 10)
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	e.figures(rows)
}

// figures is a table whose columns after the first are aligned to the right.
func (e *env) figures(rows [][]string) {
	for i := 1; i < len(rows[0]); i++ {
		wide := 0
		for _, r := range rows {
			wide = max(wide, width(r[i]))
		}
		for _, r := range rows {
			r[i] = strings.Repeat(" ", wide-width(r[i])) + r[i]
		}
	}
	e.table(rows)
}

func num(n uint64) string { return strconv.FormatUint(n, 10) }
