package main

import (
	"context"
	"strings"

	"fayi/cmd/fayi/internal/doctor"
	"fayi/gateway/store"
)

func cmdDoctor(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi doctor",
		zh: "检查节点运行所需的一切：配置、密钥与证书、磁盘、数据库设置、数据规范、端口、对端。不改动任何东西，节点运行时也可执行。\n" +
			"有问题时退出码为 3；只有提醒时为 0。",
		en: "Look over everything the node needs: configuration, keys and certificates, disk, database settings, schemas, ports, peers.\n" +
			"It changes nothing and may run beside a serving node. The exit code is 3 if there is a fault, 0 if there are only warnings.",
		example: "fayi doctor -c fayi.yaml"})
	conf, asJSON := f.config(), f.asJSON()
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) > 0 {
		return f.usage("doctor 不带参数", "doctor takes no arguments")
	}
	checks := doctor.Examine(ctx, *conf, e.english)
	count := map[string]int{}
	for _, c := range checks {
		count[c.Level]++
	}
	if *asJSON {
		e.json(map[string]any{"faults": count[store.CheckFault], "warnings": count[store.CheckWarn], "checks": checks})
	} else {
		mark := map[string]string{store.CheckOK: "✔", store.CheckNote: "·", store.CheckWarn: "!", store.CheckFault: "✘"}
		for _, c := range checks {
			e.say("%s %s（%s）", "%s %s (%s)", mark[c.Level], strings.TrimRight(c.What, " "), c.Code)
			if c.Detail != "" {
				e.say("    %s", "    %s", strings.ReplaceAll(strings.TrimSpace(c.Detail), "\n", "\n    "))
			}
			if c.Hint != "" {
				e.say("    建议：%s", "    hint: %s", c.Hint)
			}
		}
		e.say("共 %d 项：%d 项有问题，%d 项提醒", "%d checks: %d faults, %d warnings", len(checks), count[store.CheckFault], count[store.CheckWarn])
	}
	if count[store.CheckFault] > 0 {
		return exitProblem
	}
	return exitOK
}
