package bench

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"fayi/outbox"
)

const chunk = 100_000

// history measures whether a long history slows a node down or makes it grow: records are published and drained to the
// reader in chunks, two nodes in a process of their own, whose memory is watched.
func history(ctx context.Context, l *lab, r *Row) error {
	r.Ours.Name = "fayi, last chunks"
	first := Measure{Name: "fayi, first chunks"}
	s, err := l.build(ctx, province, city)
	if err != nil {
		return err
	}
	defer s.close()
	origin, reader := s.Member(city), s.Member(province)
	nodes, err := s.spawn(ctx, 0, province, city)
	if err != nil {
		return err
	}
	defer nodes.end()
	total, step := l.amount(l.Records), l.amount(chunk)
	var rates, costs, memory []float64
	var buffer []seqRecord
	db, err := l.server.Pid()
	if err != nil {
		return err
	}
	sent := 0
	send := func() error { // all of a chunk is in the outbox before the clock starts; the nodes drain meanwhile
		n, err := fill(ctx, origin.Store, outbox.Table, each(buffer))
		sent += n
		return err
	}
	used, at := time.Duration(0), time.Time{}
	for rec := range records(0, total) {
		if buffer = append(buffer, rec); len(buffer) < step && sent+len(buffer) < total {
			continue
		}
		used, at = cpuOf(nodes.pid())+cpuOf(db), time.Now()
		before := sent
		if err := send(); err != nil {
			return err
		}
		if err := await(ctx, reader.Store, stream, uint64(sent), 10*time.Minute); err != nil {
			return err
		}
		n := float64(sent - before)
		rates = append(rates, n/time.Since(at).Seconds())
		costs = append(costs, (cpuOf(nodes.pid())+cpuOf(db)-used).Seconds()*1e6/n)
		now, _ := resident(nodes.pid())
		memory = append(memory, now)
		buffer = buffer[:0]
		l.Progress("  %d 条：%.0f 条/秒，每条 %.0f 微秒处理器时间，内存 %.0f MiB", "  %d records: %.0f/s, %.0f µs of processor each, %.0f MiB", sent, rates[len(rates)-1], costs[len(costs)-1], now)
	}
	k := max(1, len(rates)/4)
	for _, v := range rates[:k] {
		first.add(v)
	}
	for _, v := range rates[len(rates)-k:] {
		r.Ours.add(v)
	}
	_, peak := resident(nodes.pid())
	r.Ours.also("records", float64(sent))
	r.Ours.also("peak MiB, both nodes", peak)
	r.Ours.also("MiB at the end, both nodes", memory[len(memory)-1])
	r.Ours.also("CPU µs/record with fill", median(costs[len(costs)-k:]))
	first.also("CPU µs/record with fill", median(costs[:k]))
	r.Others, r.Against = []Measure{first}, first.Name
	r.ratio()
	r.Reached = r.Ratio >= 0.9 && peak <= 200
	return nil
}

// resident is a process's memory in MiB now, and the most it was.
func resident(pid int) (now, peak float64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		var kib float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kib); err == nil {
			now = kib / 1024
		}
		if _, err := fmt.Sscanf(line, "VmHWM: %f kB", &kib); err == nil {
			peak = kib / 1024
		}
	}
	return now, peak
}
