package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"fayi/gateway/directory"
	"fayi/gateway/join"
	"fayi/gateway/problem"
	"fayi/gateway/pull"
	"fayi/gateway/store"
)

func cmdPull(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi pull", args: "PEER",
		zh: "以本节点的身份轮询对端 PEER，逐段验签、验链、解密、验根，把记录按流写成 NDJSON 或 XML 文件。\n" +
			"位置记在输出目录里，中断后接着拉。默认不向对端确认任何数据；加 -ack 才发送 stored 回执。\n" +
			"不改动本节点的数据库，节点运行时也可以用。",
		en: "Poll the peer PEER in this node's name, verify signature, chain, contents and root of every segment, and write the records of each\n" +
			"stream as NDJSON or XML. Positions are kept in the output folder; an interrupted pull goes on. Nothing is acknowledged unless -ack is given.\n" +
			"The node's database is not touched, so the node may run meanwhile.",
		example: "fayi pull -c fayi.yaml -o out 610000"})
	conf, asJSON := f.config(), f.asJSON()
	out := f.string("o", "pulled", "输出`目录`", "output `folder`")
	url := f.string("url", "", "对端`地址`，默认取 fayi.yaml 的 peers", "`address` of the peer; default: from peers in fayi.yaml")
	follow := f.bool("follow", "拉完后继续等待新数据，直到中断", "wait for more until interrupted")
	format := f.string("format", "ndjson", "文件`格式`：ndjson 或 xml（见 docs/xml.md）", "`format` of the files: ndjson or xml (see docs/xml.md)")
	ack := f.bool("ack", "向对端发送回执", "acknowledge what was stored")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) != 1 {
		return f.usage("要写且只写一个对端标识 PEER", "exactly one PEER is needed")
	}
	if *format != "ndjson" && *format != "xml" {
		return f.usage("-format 只能是 ndjson 或 xml", "-format is ndjson or xml")
	}
	opts := pull.Options{Peer: rest[0], URL: *url, Dir: filepath.Clean(*out), Follow: *follow, Acknowledge: *ack, XML: *format == "xml"}
	res, err := e.pull(ctx, *conf, opts, !*asJSON)
	if err != nil {
		return e.fail(err)
	}
	if *asJSON {
		e.json(res)
	} else {
		e.say("共写入 %d 条记录，拒收 %d 条，目录 %s", "%d records written, %d refused, in %s", res.Records, res.Refused, *out)
		for _, name := range res.Held {
			e.say("  %s 有数据段待本节点有了相应的数据规范包才能写出", "  %s has segments that wait for a schema pack this node lacks", name)
		}
		for _, code := range slices.Sorted(maps.Keys(res.Faults)) {
			t := problem.Describe(code)
			e.say("  对端发来的数据有 %d 次未予采信：%s（%s）", "  %d times what the peer sent was not taken: %s (%s)", res.Faults[code], e.text(t.Zh, t.En), code)
		}
	}
	if res.Refused > 0 || len(res.Faults) > 0 {
		return exitProblem
	}
	return exitOK
}

// pull completes the options from the configuration and runs them.
func (e *env) pull(ctx context.Context, conf string, opts pull.Options, talk bool) (*pull.Result, error) {
	st, c, err := e.openMigrated(ctx, conf)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	for _, p := range c.Peers {
		if p.ID == opts.Peer && opts.URL == "" {
			opts.URL = p.URL
		}
	}
	if opts.URL == "" {
		return nil, &said{code: "NO_PEER", zh: fmt.Sprintf("fayi.yaml 的 peers 里没有 %s，也没有用 -url 写明地址", opts.Peer),
			en:     fmt.Sprintf("%s is not among the peers of fayi.yaml, and no -url is given", opts.Peer),
			hintZH: "核对对端标识，或加 -url http://主机:端口", hintEN: "check the id, or add -url http://host:port"}
	}
	if err := join.CheckURL(opts.URL); err != nil {
		return nil, err
	}
	id, err := c.Identity()
	if err != nil {
		return nil, err
	}
	shelf, err := c.Shelf(ctx, st, nil)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, err
	}
	opts.Directory = func(into *store.Store) (*directory.Directory, error) { return copyDirectory(ctx, st, into, c.Node) }
	opts.Identity, opts.Schemas = id, shelf.Registry()
	opts.Log = slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	if talk {
		opts.Wrote = func(stream string, upto uint64, records int) {
			if e.terminal {
				e.note("%s 到第 %d 条（+%d）", "%s up to %d (+%d)", stream, upto, records)
			}
		}
	}
	return pull.Run(ctx, opts)
}

// copyDirectory gives the pull's own store the entries this node knows.
func copyDirectory(ctx context.Context, from, into *store.Store, me string) (*directory.Directory, error) {
	rows, err := from.Entries(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if err := into.SaveEntry(ctx, r); err != nil {
			return nil, err
		}
	}
	return join.Directory(ctx, into, me)
}
