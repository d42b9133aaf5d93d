package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/simulator"
)

func handoffSimulate(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi handoff simulate", args: "PROFILE",
		zh: "按接口配置模拟对方，供联调和演练：受理转来的工单，回推办理情况，也能按要求出错。故障可写 " + strings.Join(simulator.Kinds, "、") +
			"，形如 类型:次数@操作=数值，逗号分隔；运行中用 PUT /sim/faults 更换，POST /sim/act 让它办理，POST /sim/ticket 让它转来工单，GET /sim/tickets 查看。",
		en: "Be the other side of a profile, for trials and drills: take tickets, push what becomes of them, and fail as told. Faults are " + strings.Join(simulator.Kinds, ", ") +
			", as KIND:COUNT@OPERATION=VALUE, separated by commas; PUT /sim/faults changes them, POST /sim/act makes it act, POST /sim/ticket makes it offer one, GET /sim/tickets shows all.",
		example: "fayi handoff simulate hotline-a@1 -listen 127.0.0.1:9451 -auto -secrets /tmp/fayi-sim"})
	listen := f.string("listen", "127.0.0.1:9451", "监听`地址`", "`address` to listen on")
	callback := f.string("callback", "", "本方回调`地址`，如 http://127.0.0.1:9450；默认按配置", "`address` of our callbacks such as http://127.0.0.1:9450; default: the profile's")
	state := f.string("state", "", "保存工单的`文件`；不写则不保存", "`file` that keeps its tickets; none: nothing is kept")
	secrets := f.string("secrets", ".", "密钥`目录`；缺少的密钥会生成", "`folder` of secrets; missing ones are made")
	faults := f.string("fault", "", "一开始就有的`故障`", "`faults` from the start")
	auto := f.bool("auto", "自动签收、办理、办结", "accept, work on and finish tickets by itself")
	asJSON := f.asJSON()
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) != 1 {
		return f.usage("要写且只写一个接口配置 PROFILE", "exactly one PROFILE is needed")
	}
	var list []simulator.Fault
	if *faults != "" {
		for s := range strings.SplitSeq(*faults, ",") {
			x, err := simulator.ParseFault(s)
			if err != nil {
				return f.usage(fmt.Sprintf("没有故障 %q，可用的有 %s", s, strings.Join(simulator.Kinds, "、")), fmt.Sprintf("no fault %q; there are %s", s, strings.Join(simulator.Kinds, ", ")))
			}
			list = append(list, x)
		}
	}
	p, err := profile.Load(rest[0])
	if err != nil {
		return e.fail(err)
	}
	if p.Sheet != nil {
		return e.fail(&said{code: "NO_INTERFACE", zh: p.Profile + " 用表格往来，没有接口可以模拟", en: p.Profile + " exchanges sheets; there is no interface to simulate",
			hintZH: "用 fayi handoff import 导入填好的表格", hintEN: "fayi handoff import brings in what a party filled in"})
	}
	if err := makeSecrets(*secrets, p); err != nil {
		return e.fail(err)
	}
	s, at, err := simulator.Listen(p, *listen, simulator.Options{State: *state, Dir: *secrets, Callback: *callback, Auto: *auto,
		Log: func(format string, args ...any) { fmt.Fprintf(e.stderr, format+"\n", args...) }})
	if err != nil {
		return e.fail(err)
	}
	s.SetFaults(list...)
	if *asJSON {
		e.json(map[string]string{"profile": p.Profile, "listen": s.BaseURL(), "callback": callbackBase(at)})
	} else {
		e.say("模拟 %s 已就绪：%s", "simulating %s at %s", p.Profile, s.BaseURL())
	}
	<-ctx.Done()
	if err := s.Close(); err != nil {
		return e.fail(err)
	}
	return exitOK
}

func callbackBase(p *profile.Profile) string {
	if p.File.Callbacks == nil {
		return ""
	}
	return p.File.Callbacks.Transport.Base
}

// makeSecrets makes the secret files a profile refers to, where they are missing:
// for a simulator and a node that share the folder.
func makeSecrets(dir string, p *profile.Profile) error {
	refs := slices.Clone(p.File.Calls.Auth.Secrets)
	if s := p.File.Calls.Auth.Session; s != nil {
		refs = append(refs, s.Password)
	}
	if p.File.Callbacks != nil {
		refs = append(refs, p.File.Callbacks.Auth.Secrets...)
	}
	for _, ref := range refs {
		path := strings.TrimPrefix(ref, "file:")
		if path == "" {
			continue
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		var b [24]byte
		if _, err := rand.Read(b[:]); err != nil {
			return err
		}
		if err := writeNew(path, []byte(hex.EncodeToString(b[:])+"\n")); err != nil {
			return err
		}
	}
	return nil
}
