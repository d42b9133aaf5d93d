package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"

	"fayi/adapters/hotline/profile"
	"fayi/cmd/fayi/internal/demo"
)

// demoHotline starts `fayi handoff simulate` as a process of its own; it ends with ctx.
func demoHotline(ctx context.Context, callback, secrets string) (*demo.Hotline, error) {
	const name = "hotline-a@1"
	p, err := profile.Load(name)
	if err != nil {
		return nil, err
	}
	if err := makeSecrets(secrets, p); err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, exe, "handoff", "simulate", "-json", "-listen", "127.0.0.1:0", "-callback", callback, "-secrets", secrets,
		"-state", filepath.Join(secrets, "simulator.journal"), name)
	cmd.Args[0] = os.Args[0]
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go cmd.Wait() // killed when ctx ends
	var ready struct {
		Listen string `json:"listen"`
	}
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&ready); err != nil {
		return nil, err
	}
	if p, err = p.At(ready.Listen, callback); err != nil {
		return nil, err
	}
	return &demo.Hotline{Profile: p, URL: ready.Listen, Secrets: secrets}, nil
}

// demoTrips shows the tickets that travelled.
func (e *env) demoTrips(list []demo.Trip) {
	if len(list) == 0 {
		return
	}
	e.say("\n12348 与 12345 之间的工单（对方为另一进程 fayi handoff simulate）：", "\ntickets between 12348 and 12345 (the other side is a process of its own, fayi handoff simulate):")
	var rows [][]string
	for _, t := range list {
		way, mark := "12348 → 12345", "✔"
		if !t.Out {
			way = "12345 → 12348"
		}
		if !t.Verified {
			mark = "✘"
		}
		rows = append(rows, []string{"  " + way, t.Handoff, t.TheirNo, t.State, e.text("责任方 ", "owner ") + t.Owner, num(uint64(t.Events)) + e.text(" 个事件 ", " events ") + mark})
	}
	e.table(rows)
}
