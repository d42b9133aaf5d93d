package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"

	"fayi/cmd/fayi/internal/config"
	"fayi/outbox"
)

func outboxInstall(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi outbox install",
		zh: "打印建表语句，可反复执行，已有的不动：节点库中的发件表、被拒表、收件表和各来源的表；用 -source 则为这个来源在它自己的库中的表，\n" +
			"-user 再加一个只能写这张表的账号。-apply 才执行。-remove 打印（加 -apply 则执行）拆除这个来源的语句；表中还有记录等待时不拆。\n" +
			"只加 -dialect 时不需要节点，供业务库管理员查看。",
		en: "Print the statements that create the tables; they may run again, what is there stays: outbox, rejected and inbox tables in the node's\n" +
			"database and those of the sources; with -source the table of one source in its own database, -user adds an account that can only\n" +
			"write to it. -apply runs them. -remove prints, with -apply runs, what takes a source away; not while records wait there.\n" +
			"With -dialect alone no node is needed.",
		example: "fayi outbox install -dialect mysql"})
	conf, asJSON := f.config(), f.asJSON()
	dialect := f.string("dialect", "", "数据库`种类`：mysql 或 sqlite，只打印时用", "`kind` of database, mysql or sqlite, to print only")
	source := f.string("source", "", "`来源`名", "`source` name")
	user := f.string("user", "", "业务系统写发件表的`账号`", "`account` with which the business system writes to the outbox")
	host := f.string("host", "%", "账号可从哪里`登录`", "where the account may `log in` from")
	password := f.string("password", "", "账号口令所在`文件`；不写则账号须已存在", "`file` with the account's password; without it the account must exist")
	dsn := f.string("dsn", "", "有建表、授权权限的账号的连接串所在`文件`", "`file` with the data source name of an account that may create tables and grant")
	apply := f.bool("apply", "执行", "run the statements")
	dry := f.bool("dry-run", "只打印（默认如此）", "print only (the default)")
	remove := f.bool("remove", "拆除来源", "take the source away")
	output := f.string("o", "", "语句写入`文件`，不打印", "write the statements to this `file` instead")
	rest, code, ok := f.parse(args)
	switch {
	case !ok:
		return code
	case len(rest) > 0:
		return f.usage("outbox install 不带参数", "outbox install takes no arguments")
	case *apply && *dry:
		return f.usage("-apply 与 -dry-run 不能同用", "-apply and -dry-run exclude each other")
	case *dialect != "" && (*apply || *source != ""):
		return f.usage("-dialect 只打印，不与 -apply、-source 同用", "-dialect prints only, without -apply and -source")
	case *dialect != "" && outbox.Statements(outbox.Dialect(*dialect)) == nil:
		return f.usage("-dialect 只能是 mysql 或 sqlite", "-dialect is mysql or sqlite")
	case (*user != "" || *remove || *dsn != "") && *source == "":
		return f.usage("-user、-remove、-dsn 要与 -source 同用", "-user, -remove and -dsn go with -source")
	}
	in := installation{e: e, apply: *apply, asJSON: *asJSON, output: *output}
	if *dialect != "" {
		return in.show(outbox.Statements(outbox.Dialect(*dialect)))
	}
	c, err := config.Load(*conf)
	if err != nil {
		return e.fail(err)
	}
	if *source == "" {
		return in.node(ctx, c)
	}
	a := outbox.Account{User: *user}
	if a.User != "" {
		a.Host = *host
	}
	if *password != "" {
		if a.Password, err = config.ReadSecret(strings.TrimPrefix(*password, "file:")); err != nil {
			return e.fail(err)
		}
	}
	return in.source(ctx, c, *source, *dsn, a, *remove)
}

// installation is one run of fayi outbox install.
type installation struct {
	e      *env
	apply  bool
	asJSON bool
	output string
}

// node is the tables in the node's own database.
func (in *installation) node(ctx context.Context, c *config.File) int {
	stmts := outbox.Statements(c.Dialect())
	names := []string{outbox.Table, outbox.RejectedTable, "exchange_inbox", "exchange_inbox_cursor"}
	for _, s := range c.Sources {
		if s.DSN != "" || s.Table == outbox.Table {
			continue
		}
		more, err := outbox.SourceStatements(c.Dialect(), s.Table)
		if err != nil {
			return in.e.fail(err)
		}
		stmts, names = append(stmts, more...), append(names, s.Table)
	}
	if in.apply {
		st, err := c.OpenStore(ctx)
		if err != nil {
			return in.e.fail(err)
		}
		defer st.Close()
		for _, s := range stmts {
			err := st.InTx(ctx, func(tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, s)
				return err
			})
			if err != nil {
				return in.e.fail(err)
			}
		}
		if !in.asJSON {
			in.e.say("表已就绪：%s", "tables are there: %s", in.e.list(names))
			return exitOK
		}
	}
	return in.show(stmts)
}

// source is the table of one source in its own database, and its account.
func (in *installation) source(ctx context.Context, c *config.File, name, dsn string, a outbox.Account, remove bool) int {
	b, err := openBusiness(ctx, c, name, dsn)
	if err != nil {
		return in.e.fail(err)
	}
	defer b.close()
	var stmts []string
	if remove {
		stmts, err = outbox.RemovalStatements(b.source.Name, b.source.Table, a)
	} else if stmts, err = outbox.SourceStatements(outbox.MySQL, b.source.Table); err == nil && a.User != "" {
		var grants []string
		grants, err = outbox.GrantStatements(b.source.Name, b.source.Table, a, b.source.DSN == "")
		stmts = append(stmts, grants...)
	}
	if err != nil {
		return in.e.fail(err)
	}
	stmts = append([]string{"USE `" + strings.ReplaceAll(b.outbox.Database, "`", "``") + "`"}, stmts...)
	if !in.apply {
		for i, s := range stmts { // a script is kept and passed on: no password in it
			if at := strings.Index(s, " IDENTIFIED BY "); at >= 0 {
				stmts[i] = "-- " + s[:at] + " IDENTIFIED BY '…'"
			}
		}
		return in.show(stmts)
	}
	if remove {
		var waiting int
		err := b.conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT id FROM `"+b.outbox.Database+"`.`"+b.source.Table+"` LIMIT 1) w").Scan(&waiting)
		if err == nil && waiting > 0 {
			return in.e.fail(&said{code: "NOT_EMPTY", zh: "发件表 " + b.source.Table + " 中还有记录等待发送，没有拆除", en: "records wait in " + b.source.Table + ": nothing was removed",
				hintZH: "先停止写入，等 fayi outbox status 显示为 0", hintEN: "stop writing to it and wait until fayi outbox status shows 0"})
		}
	}
	for _, s := range stmts {
		if _, err := b.conn.ExecContext(ctx, s); err != nil {
			return in.e.fail(&said{code: "DDL", zh: "语句没有执行完，排除原因后可重新运行", en: "the statements stopped; run it again", err: err,
				hintZH: "用 -dsn 给出有建表、授权权限的账号", hintEN: "name by -dsn an account that may create tables and grant"})
		}
	}
	if in.asJSON {
		in.e.json(map[string]any{"applied": true, "source": b.source.Name, "table": b.source.Table, "removed": remove})
	} else if remove {
		in.e.say("来源 %s 已拆除", "source %s is removed", b.source.Name)
	} else {
		in.e.say("来源 %s 的表 %s 已就绪", "table %[2]s of source %[1]s is there", b.source.Name, b.source.Table)
	}
	return exitOK
}

// show prints statements, or writes them to a file.
func (in *installation) show(stmts []string) int {
	switch {
	case in.asJSON:
		in.e.json(map[string]any{"applied": in.apply, "statements": stmts})
		return exitOK
	case in.output != "":
		if err := os.WriteFile(in.output, []byte(script(stmts)), 0o644); err != nil {
			return in.e.fail(err)
		}
		in.e.say("语句在 %s", "the statements are in %s", in.output)
		return exitOK
	}
	fmt.Fprint(in.e.stdout, script(stmts))
	return exitOK
}

func script(stmts []string) string {
	var b strings.Builder
	for _, s := range stmts {
		if strings.HasPrefix(s, "--") {
			fmt.Fprintf(&b, "%s\n\n", s)
		} else {
			fmt.Fprintf(&b, "%s;\n\n", s)
		}
	}
	return b.String()
}
