package main

import (
	"context"
	"runtime"
	"runtime/debug"

	"fayi/crypto/seal"
)

type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the source, with "+" if it was changed
	Built    string `json:"source_time,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Protocol string `json:"protocol"`
	Suite    string `json:"suite"`
}

func buildVersion() versionInfo {
	v := versionInfo{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Protocol: "v1", Suite: seal.Suite}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	changed := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Built = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				changed = "+"
			}
		}
	}
	if v.Revision != "" {
		v.Revision += changed
	}
	return v
}

func cmdVersion(_ context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi version", zh: "显示程序版本、协议版本和密码套件。", en: "Show the versions of program and protocol, and the cipher suite.", example: "fayi version -json"})
	asJSON := f.asJSON()
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) > 0 {
		return f.usage("version 不带参数", "version takes no arguments")
	}
	v := buildVersion()
	if *asJSON {
		e.json(v)
		return exitOK
	}
	e.say("法驿 fayi %s", "fayi %s", v.Version)
	if v.Revision != "" {
		e.say("源码 %s %s", "source %s %s", v.Revision, v.Built)
	}
	e.say("协议 %s，套件 %s", "protocol %s, suite %s", v.Protocol, v.Suite)
	e.say("%s，%s", "%s, %s", v.Go, v.Platform)
	return exitOK
}
