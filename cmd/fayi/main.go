// Command fayi is a courier station for public-legal-service records: the node,
// and everything an operator does to it. One file a subcommand; the table is in
// this file, what they share in env.go, flags.go and fail.go.
package main

// Rules for everything a person or a script reads:
//
//   - Standard output holds the result and nothing else. What happens on the way
//     goes to standard error, and progress only if that is a terminal or with
//     -progress.
//   - A text is wholly Chinese or, with -lang en or FAYI_LANG=en, wholly English.
//     Names of fields, files, codes and commands stay as they are.
//   - An error is "fayi: <sentence>（CODE）" without a full stop, then technical
//     detail indented by two, in the words of whatever failed, then a line
//     "建议：…" that says what to do.
//   - Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done and found problems
//     (design §10). A code in an error never changes its meaning.
//   - -json prints one JSON document whose members are a contract: they are
//     added to, never renamed. Times are RFC 3339.
//   - Payloads, keys of persons, passphrases and tokens are not printed unless
//     the command exists to show them.
//   - Help ends in a line that can be run as it stands.

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	tune()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, newEnv(), os.Args[1:])
	stop()
	os.Exit(code)
}

// command is one line of a table of subcommands.
type command struct {
	name   string
	run    func(ctx context.Context, e *env, args []string) int
	zh, en string
}

// commands is the program, in the order of its help.
func commands() []command {
	return []command{
		{"demo", cmdDemo, "在本机演示部、省、两市之间的数据交换", "run a ministry, a province and two cities on this machine"},
		{"init", cmdInit, "建立节点：密钥、配置、数据库；入网", "make a node: keys, configuration, database; join"},
		{"serve", cmdServe, "运行节点", "run the node"},
		{"publish", cmdPublish, "把文件中的记录写入发件表", "put records of files into the outbox"},
		{"pull", cmdPull, "从对端拉取数据，验证后写成 NDJSON", "poll a peer, verify, write NDJSON"},
		{"outbox", cmdOutbox, "发件表：安装、状态、被拒记录、重新提交", "outbox: install, status, rejected, retry"},
		{"schema", cmdSchema, "数据规范：列出、查看、检查文件", "schemas: list, show, check files"},
		{"peer", cmdPeer, "节点：邀请、审批、列出", "nodes: invite, approve, list"},
		{"handoff", cmdHandoff, "12345 工单转办：检查接口配置、模拟对方", "hand-offs with 12345: check profiles, simulate peers"},
		{"bench", cmdBench, "测量本机上的性能并与其他系统比较", "measure this machine and compare with other systems"},
		{"migrate", cmdMigrate, "把数据库升级到本程序的版本", "bring the database to this program's version"},
		{"doctor", cmdDoctor, "检查节点：配置、密钥、磁盘、数据库、端口、对端", "look a node over: configuration, keys, disk, database, ports, peers"},
		{"version", cmdVersion, "版本", "version"},
	}
}

// run is the whole program but the process around it.
func run(ctx context.Context, e *env, args []string) int {
	return e.group(ctx, group{
		name: "fayi", commands: commands(),
		zh:      "法驿：公共法律服务数据交换节点",
		en:      "fayi: a node for exchanging public-legal-service records",
		example: "fayi demo -records 1000 -once",
	}, args)
}
