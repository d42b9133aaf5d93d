package main

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"fayi/cmd/fayi/internal/config"
	"fayi/crypto/keys"
	"fayi/gateway"
	"fayi/gateway/call"
	"fayi/gateway/outer"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
)

func cmdServe(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi serve",
		zh: "运行节点，直到收到中断信号。就绪时在标准输出打印一行 ready；日志为 JSON，写到标准错误。\n" +
			"收到 HUP 信号时重新读取 packs 目录。",
		en: "Run the node until interrupted. When it serves it prints one line, ready, to standard output; its log is JSON on standard error.\n" +
			"On HUP it reads the packs folder again.",
		example: "fayi serve -c fayi.yaml"})
	conf, asJSON := f.config(), f.asJSON()
	verbose := f.bool("v", "记录调试日志", "log at debug level")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) > 0 {
		return f.usage("serve 不带参数", "serve takes no arguments")
	}
	if err := e.serve(ctx, *conf, *asJSON, *verbose); err != nil {
		return e.fail(err)
	}
	return exitOK
}

func (e *env) serve(ctx context.Context, path string, asJSON, verbose bool) error {
	st, c, err := e.openMigrated(ctx, path)
	if err != nil {
		return err
	}
	defer st.Close()
	id, err := c.Identity()
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewJSONHandler(e.stderr, &slog.HandlerOptions{Level: level})).With("node", c.Node)
	cfg, err := nodeConfig(c, st, id, log)
	if err != nil {
		return err
	}
	n, err := gateway.New(ctx, cfg)
	if err != nil {
		return err
	}
	defer n.Close()
	defer closeSources(cfg.Sources)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	go func() {
		for {
			select {
			case <-hup:
				if err := n.Reload(ctx); err != nil {
					log.Error("packs not reloaded", "err", err)
				} else {
					log.Info("packs reloaded")
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	hotlines, err := openHotline(ctx, c, st, log)
	if err != nil {
		return err
	}
	if asJSON {
		e.json(map[string]any{"ready": true, "node": c.Node, "name": c.Name, "peers": n.PeerURL(), "local": n.LocalURL()})
	} else {
		e.say("ready %s %s peers=%s local=%s", "ready %s %s peers=%s local=%s", c.Node, c.Name, n.PeerURL(), n.LocalURL())
	}
	return runBeside(ctx, n.Run, hotlines)
}

// nodeConfig turns fayi.yaml into what the node runs with.
func nodeConfig(c *config.File, st *store.Store, id *keys.Identity, log *slog.Logger) (gateway.Config, error) {
	cfg := gateway.Config{
		Node: c.Node, Role: c.Role, Store: st, Identity: id, DataDir: c.KeysDir(), PeerAddr: c.Listen.Peers, LocalAddr: c.Listen.Local,
		Publish: c.Publish, Limit: call.Limit{Requests: c.Limits.Requests, Bytes: c.Limits.Bytes}, Inbox: c.Inbox, NoteEvery: c.Notes.Every, NoteLimit: c.Notes.Limit, PacksDir: c.Abs(c.Packs), ManualPacks: c.Adopt == config.AdoptManual,
		Archive: c.ArchiveDir(), ArchiveAfter: c.Archive.After, TracePath: c.TracePath(), AcceptTest: c.Test, Log: log,
		Brakes: sequencer.Brakes{Floor: int64(c.Brakes.Floor), DeletePercent: int64(c.Brakes.DeletePercent), ChangePercent: int64(c.Brakes.ChangePercent), Window: c.Brakes.Window},
	}
	if t := c.Listen.TLS; t != nil {
		pair, err := tls.LoadX509KeyPair(c.Abs(t.Cert), c.Abs(t.Key))
		if err != nil {
			return cfg, err
		}
		cfg.PeerTLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	for _, k := range c.API.Keys {
		key := gateway.APIKey{Name: k.Name, Source: k.Source, Publish: k.Publish, Read: k.Read, Operate: k.Operate}
		if _, err := hex.Decode(key.SM3[:], []byte(k.SM3)); err != nil {
			return cfg, err
		}
		cfg.APIKeys = append(cfg.APIKeys, key)
	}
	for _, p := range c.Peers {
		peer := gateway.Peer{ID: p.ID, URL: p.URL, Push: p.Push, Poll: p.Poll}
		if p.Through != "" {
			t, err := outer.OpenTunnel(c.Abs(p.Through), outer.Options{})
			if err != nil {
				return cfg, err
			}
			peer.Through = t
		}
		cfg.Peers = append(cfg.Peers, peer)
	}
	for _, s := range c.Sources {
		src, err := sourceOf(c, s)
		if err != nil {
			return cfg, err
		}
		cfg.Sources = append(cfg.Sources, src)
	}
	return cfg, nil
}
