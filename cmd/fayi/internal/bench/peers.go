package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Other systems are another program's business: fayi-bench-peers, a module of its own, so that nothing of theirs is in
// this one. It is called once a run
//
//	fayi-bench-peers -peer NAME -work publish|drain -dsn DSN -records FILE -n N -server PID
//
// with an empty database and a file of records, a JSON object a line, and prints one [peerResult].

// peerResult is what the program prints.
type peerResult struct {
	Version string             `json:"version"`
	Value   float64            `json:"value"` // a second
	Also    map[string]float64 `json:"also,omitempty"`
}

// others are the measures of the systems that can be run; none without the program.
func (l *lab) others(names ...string) []Measure {
	if l.Peers == "" {
		return nil
	}
	out := make([]Measure, len(names))
	for i, n := range names {
		out[i].Name = n
	}
	return out
}

// peer adds one run of another system to its measure. One that cannot be run says why and is left out.
func (l *lab) peer(ctx context.Context, m *Measure, work string, round uint64, n int) {
	if m.Error != "" {
		return
	}
	res, err := l.runPeer(ctx, m.Name, work, round, n)
	if err != nil {
		m.Error = err.Error()
		l.Progress("  %s 未能运行：%v", "  %s could not run: %v", m.Name, err)
		return
	}
	m.Version = res.Version
	m.add(res.Value)
	for k, v := range res.Also {
		m.also(k, v)
	}
	l.Progress("  %s %.0f/秒", "  %s %.0f/s", m.Name, res.Value)
}

func (l *lab) runPeer(ctx context.Context, name, work string, round uint64, n int) (*peerResult, error) {
	file := filepath.Join(l.dir, fmt.Sprintf("records-%d-%d.ndjson", round, n))
	if err := writeRecords(file, round, n); err != nil {
		return nil, err
	}
	dsn, drop, err := l.database("peer")
	defer drop()
	if err != nil {
		return nil, err
	}
	// Their own settings: a binary connection, which suits our store, would not suit theirs.
	dsn = strings.Replace(dsn, "charset=binary", "charset=utf8mb4", 1)
	pid, err := l.server.Pid()
	if err != nil || name == "river" { // it has a server of its own
		pid = 0
	}
	words := strings.Fields(l.Peers)
	cmd := exec.CommandContext(ctx, words[0], append(words[1:], "-peer", name, "-work", work, "-dsn", dsn, "-records", file, "-n", strconv.Itoa(n), "-server", strconv.Itoa(pid))...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(errOut.String()))
	}
	res := &peerResult{}
	if err := json.Unmarshal(out.Bytes(), res); err != nil {
		return nil, fmt.Errorf("its answer: %w", err)
	}
	return res, nil
}

// writeRecords writes the file once.
func writeRecords(file string, seed uint64, n int) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	var b bytes.Buffer
	for r := range records(seed, n) {
		b.Write(r.Data)
		b.WriteByte('\n')
	}
	return os.WriteFile(file, b.Bytes(), 0o600)
}

// ratio sets the ratio of ours to the one it is against.
func (r *Row) ratio() {
	for _, o := range r.Others {
		if o.Name == r.Against && o.Value > 0 {
			r.Ratio = round(r.Ours.Value / o.Value)
		}
	}
}
