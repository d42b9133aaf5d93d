package bench

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Options say what to measure.
type Options struct {
	Rows    []string // names of rows; empty for all
	Rounds  int      // runs of each side of a comparison, taking turns; default 3
	Scale   float64  // of the amount of work; 1 is what docs/benchmarks.md shows, tests use less
	Records int      // of the history row; default 1,000,000
	Peers   string   // command that runs other systems; "" to leave them out
	Profile string   // folder for a CPU profile of each row; "" for none

	Progress func(zh, en string, args ...any)
}

// Report is what was measured.
type Report struct {
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Machine Machine   `json:"machine"`
	Method  []string  `json:"method"`
	Rows    []Row     `json:"rows"`
}

// Machine is where, and on what, it was measured.
type Machine struct {
	CPU        string  `json:"cpu"`
	Cores      int     `json:"cores"`
	MemoryMiB  int64   `json:"memory_mib"`
	Platform   string  `json:"platform"`
	Go         string  `json:"go"`
	MariaDB    string  `json:"mariadb"`
	LoadBefore float64 `json:"load_before"` // one-minute load when the run began
}

// Row is one line of the table.
type Row struct {
	Name    string    `json:"row"`
	Zh      string    `json:"zh"`
	En      string    `json:"en"`
	Unit    string    `json:"unit"`
	Target  string    `json:"target"`
	Ours    Measure   `json:"ours"`
	Others  []Measure `json:"others,omitempty"`
	Ratio   float64   `json:"ratio,omitempty"`   // the figure the target is about, if that is a ratio
	Against string    `json:"against,omitempty"` // of ours to which of the others
	Reached bool      `json:"reached"`
	Notes   []string  `json:"notes,omitempty"`
	Error   string    `json:"error,omitempty"` // the row could not be measured
}

// Measure is one system's figure in a row.
type Measure struct {
	Name    string             `json:"name"`
	Version string             `json:"version,omitempty"`
	Value   float64            `json:"value"` // the median of Runs
	Runs    []float64          `json:"runs"`
	Also    map[string]float64 `json:"also,omitempty"` // what else was seen, by name with unit
	Error   string             `json:"error,omitempty"`
}

// row is how a line of the table is measured.
type row struct {
	name, zh, en, unit, target string
	run                        func(ctx context.Context, l *lab, r *Row) error
}

// rows are all rows in the order of the table.
var rows = []row{
	{"publish", "在业务事务中发布", "publish inside the business transaction", "transactions/s", "≥ 0.95 × the same transaction with a plain insert", publish},
	{"drain", "发件表→校验、封装、推送、验证、落盘", "outbox → validated, sealed, pushed, verified, durable at the peer", "records/s", "≥ 5 × watermill-sql tuned (goal 10 ×)", drain},
	{"hops", "发布→两跳之后部级可见，每秒 300 条", "publish → visible at the ministry, two hops, 300 records/s", "ms", "p99 ≤ 50 ms (goal 30), ≤ 25 % of a core a node", hops},
	{"serve", "应答轮询", "serving a poll", "records/s a core", "≥ 1,000,000 in full segments, ≥ 300,000 at 10 records a segment", serve},
	{"poll", "轮询方", "polling client", "records/s a core", "≥ 100,000 with roots checked (goal: schemas too)", poll},
	{"fairness", "大量装载时的紧急记录", "an urgent record during a load", "ms", "p99 ≤ 1.1 × idle or ≤ 100 ms", fairness},
	{"history", "历史由 1 万条增至数百万条", "10 k → millions of records of history", "records/s", "≥ 0.9 × the beginning, ≤ 200 MiB", history},
	{"seal", "封装与开启的开销", "seal and open against the raw cost of their parts", "records/s a core", "≤ 1.2 × SM3 + SM4-GCM + SM2 + gzip", sealing},
	{"load", "大文件直接装入数据流", "a file loaded straight into a stream", "records/s", "≥ 30,000", bulkLoad},
}

// Names lists the rows there are.
func Names() []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.name
	}
	return out
}

// NoRow is the error for a row there is none of.
type NoRow string

func (n NoRow) Error() string { return "no row " + string(n) }

// Run measures. A row that fails is in the report with its error; the error returned is of what all rows need.
func Run(ctx context.Context, o Options) (*Report, error) {
	for _, name := range o.Rows {
		if !slices.Contains(Names(), name) {
			return nil, NoRow(name)
		}
	}
	if o.Rounds <= 0 {
		o.Rounds = 3
	}
	if o.Scale <= 0 {
		o.Scale = 1
	}
	if o.Records <= 0 {
		o.Records = 1_000_000
	}
	if o.Progress == nil {
		o.Progress = func(string, string, ...any) {}
	}
	rep := &Report{Started: time.Now().UTC(), Method: method}
	l, err := newLab(o)
	if err != nil {
		return nil, err
	}
	defer l.close()
	rep.Machine = l.machine()
	for _, r := range rows {
		if len(o.Rows) > 0 && !slices.Contains(o.Rows, r.name) {
			continue
		}
		o.Progress("测量 "+r.name+"："+r.zh, "measuring "+r.name+": "+r.en)
		out := Row{Name: r.name, Zh: r.zh, En: r.en, Unit: r.unit, Target: r.target}
		l.row = r.name
		if err := r.run(ctx, l, &out); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			out.Error = err.Error()
		}
		rep.Rows = append(rep.Rows, out)
	}
	rep.Seconds = time.Since(rep.Started).Seconds()
	return rep, nil
}

var method = []string{
	"one private MariaDB, innodb_flush_log_at_trx_commit=1, sync_binlog=1, binlog ROW (full images), buffer pool 1 GiB; all nodes and all other systems use it",
	"records are legal aid cases of 1.5 KB and about 45 fields in Chinese, 30 % of them updates of earlier keys",
	"our records are validated against the national schema at both ends, signed, encrypted, stored at a receiver; other systems do none of this and POST one record a request, as their interface hands them over",
	"runs of ours and others take turns; a figure is the median of its runs",
}

func (l *lab) machine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kib int64
		if _, err := fmt.Sscanf(string(text), "MemTotal: %d kB", &kib); err == nil {
			m.MemoryMiB = kib >> 10
		}
	}
	m.LoadBefore = load()
	if v, err := l.server.Client("", "SELECT VERSION()"); err == nil {
		m.MariaDB = strings.TrimSpace(v)
	}
	return m
}

func load() (one float64) {
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		fmt.Sscan(string(text), &one)
	}
	return one
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
