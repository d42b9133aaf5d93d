package main

import (
	"context"
)

func cmdMigrate(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi migrate",
		zh:      "把节点数据库升级到本程序的版本。只增不删，旧版程序可继续运行；可重复执行。",
		en:      "Bring the node's database to this program's version. It only adds, so the version before keeps running; it may be repeated.",
		example: "fayi migrate -c fayi.yaml -dry-run"})
	conf, asJSON := f.config(), f.asJSON()
	dry := f.bool("dry-run", "只列出将要执行的升级，不改动数据库", "list what would be done, change nothing")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) > 0 {
		return f.usage("migrate 不带参数", "migrate takes no arguments")
	}
	st, _, err := e.openNode(ctx, *conf)
	if err != nil {
		return e.fail(err)
	}
	defer st.Close()
	names, err := st.Pending(ctx)
	if err == nil && !*dry {
		names, err = st.Migrate(ctx)
	}
	if err != nil {
		return e.fail(err)
	}
	if *asJSON {
		if names == nil {
			names = []string{}
		}
		e.json(map[string]any{"dry_run": *dry, "migrations": names})
		return exitOK
	}
	switch {
	case len(names) == 0:
		e.say("数据库已是最新", "the database is up to date")
	case *dry:
		e.say("待执行 %d 项升级：", "%d migrations would be applied:", len(names))
	default:
		e.say("已执行 %d 项升级：", "%d migrations applied:", len(names))
	}
	for _, n := range names {
		e.say("  %s", "  %s", n)
	}
	return exitOK
}
