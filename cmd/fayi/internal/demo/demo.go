// Package demo is `fayi demo`: ministry, province and two cities as four real
// nodes on this machine, exchanging records made from public data (package
// demodata). It publishes through the outbox tables as business systems do,
// waits until every copy is complete, and then checks what the nodes say
// against a count made independently from the records.
package demo

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"fayi/cmd/fayi/internal/demodata"
	"fayi/gateway"
	"fayi/gateway/federation"
	"fayi/gateway/store"
	"fayi/outbox"
)

// Options are the command's.
type Options struct {
	Dir     string
	Records int
	Seed    uint64
	Driver  outbox.Dialect
	DSN     func(ctx context.Context, id string) (string, error)
	Adjust  func(*gateway.Config)
	Log     *slog.Logger
	// Progress is called often while work goes on; nil for none.
	Progress func(Progress)
	// Hotline starts a simulated 12345 for tickets that travel; nil for none.
	Hotline HotlineStart
	// WriteConfig writes a member's fayi.yaml and returns its path.
	WriteConfig func(*federation.Member) (string, error)
}

// Progress is how far the demo has come.
type Progress struct {
	Stage                string // build, publish, carry, verify
	Written, Total       int    // rows in outboxes
	Accepted, Refused    uint64
	Unchanged            uint64
	Copies, CopiesBehind int
	Elapsed              time.Duration
}

// Result is what -json prints.
type Result struct {
	Published int          `json:"published"`
	Accepted  int          `json:"accepted"`
	Rejected  int          `json:"rejected"`
	Unchanged int          `json:"unchanged"`
	Seconds   float64      `json:"seconds"` // from the first row written to the last copy complete
	Verified  bool         `json:"verified"`
	Nodes     []NodeResult `json:"nodes"`
	Faults    []string     `json:"faults,omitempty"` // why Verified is false

	Segments int          `json:"segments"`
	Reasons  []Reason     `json:"reasons"`
	Types    []TypeResult `json:"types"` // of this run
	Handoffs []Trip       `json:"handoffs"`
}

// NodeResult is one node and its copies.
type NodeResult struct {
	ID      string         `json:"id"`
	Role    string         `json:"role"`
	Name    string         `json:"name"`
	Config  string         `json:"config"`
	Local   string         `json:"local"`
	Peers   string         `json:"peers"`
	Streams []StreamResult `json:"streams"`
}

// StreamResult is one node's copy of a stream.
type StreamResult struct {
	Stream  string `json:"stream"`
	Gen     uint64 `json:"gen"`
	LastSeq uint64 `json:"last_seq"`
	Head    string `json:"head"`
}

// TypeResult counts what became of one record type's rows.
type TypeResult struct {
	Type      string `json:"type"`
	Accepted  uint64 `json:"accepted"`
	Rejected  uint64 `json:"rejected"`
	Unchanged uint64 `json:"unchanged"`
}

// Reason counts refused records by what was wrong.
type Reason struct {
	Code  string `json:"code"`
	Count int    `json:"count"`
	Why   string `json:"why"`    // how such records come about, in Chinese
	WhyEN string `json:"why_en"` // what the node said of the first one, in English
}

// Demo is a running federation.
type Demo struct {
	Federation *federation.Federation
	opts       Options
	configs    map[string]string
	cancel     context.CancelFunc
	done       chan error
	written    atomic.Int64
	begin      time.Time
}

// Start builds the four nodes and runs them.
func Start(ctx context.Context, opts Options) (*Demo, error) {
	d := &Demo{opts: opts, configs: map[string]string{}, begin: time.Now(), done: make(chan error, 1)}
	d.report(ctx, "build")
	f, err := federation.Build(ctx, federation.Options{
		Dir: opts.Dir, Specs: federation.Shaanxi(), Driver: opts.Driver, DSN: opts.DSN, Adjust: opts.Adjust, Log: opts.Log,
	})
	if err != nil {
		return nil, err
	}
	d.Federation = f
	for _, m := range f.Members {
		if d.configs[m.ID], err = opts.WriteConfig(m); err != nil {
			f.Close()
			return nil, err
		}
	}
	run, cancel := context.WithCancel(ctx)
	d.cancel = cancel
	go func() { d.done <- f.Run(run) }()
	return d, nil
}

// Stop ends the nodes and closes their databases.
func (d *Demo) Stop() error {
	d.cancel()
	err := <-d.done
	if cerr := d.Federation.Close(); err == nil {
		err = cerr
	}
	return err
}

// Exchange publishes the records, waits until all is quiet, and judges the
// outcome against the records themselves.
func (d *Demo) Exchange(ctx context.Context) (*Result, error) {
	// What an interrupted run left in the outboxes is not this run's.
	if err := d.Federation.WaitQuiet(ctx, func() { d.report(ctx, "build") }); err != nil {
		return nil, err
	}
	before, err := d.counts(ctx)
	if err != nil {
		return nil, err
	}
	rejectedBefore, err := d.lastRejected(ctx)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	records := demodata.Generate(d.opts.Seed, d.opts.Records)
	if err := d.publish(ctx, records); err != nil {
		return nil, err
	}
	if err := d.Federation.WaitQuiet(ctx, func() { d.report(ctx, "carry") }); err != nil {
		return nil, err
	}
	res := &Result{Seconds: time.Since(begin).Seconds()}
	d.report(ctx, "verify")
	if err := d.judge(ctx, res, before, rejectedBefore, records); err != nil {
		return nil, err
	}
	res.Handoffs = []Trip{}
	if d.opts.Hotline != nil {
		if err := d.passTickets(ctx, res); err != nil {
			return nil, err
		}
	}
	return res, nil
}

// batch is how many rows one business transaction of the demo writes.
const batch = 100

// publish writes the records into the outbox tables with plain INSERTs, as any
// client of any language would, one goroutine a node, in the records' order.
func (d *Demo) publish(ctx context.Context, records iter.Seq[demodata.Record]) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queues := map[string]chan []demodata.Record{}
	errs := make(chan error, len(d.Federation.Members))
	for _, m := range d.Federation.Members {
		q := make(chan []demodata.Record, 4)
		queues[m.ID] = q
		go func() {
			err := d.write(ctx, m, q)
			if err != nil {
				cancel()
			}
			errs <- err
		}()
	}
	waiting := map[string][]demodata.Record{}
	send := func(id string) {
		select {
		case queues[id] <- waiting[id]:
		case <-ctx.Done():
		}
		waiting[id] = nil
	}
	for r := range records {
		if waiting[r.Node] = append(waiting[r.Node], r); len(waiting[r.Node]) == batch {
			send(r.Node)
			d.report(ctx, "publish")
		}
	}
	for id := range waiting {
		send(id)
	}
	for _, q := range queues {
		close(q)
	}
	var first error
	for range d.Federation.Members {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (d *Demo) write(ctx context.Context, m *federation.Member, q <-chan []demodata.Record) error {
	for rows := range q {
		if len(rows) == 0 {
			continue
		}
		err := m.Store.InTx(ctx, func(tx *sql.Tx) error {
			args := make([]any, 0, 4*len(rows))
			for _, r := range rows {
				var payload any
				if r.Op == "put" {
					payload = string(r.Data)
				}
				args = append(args, r.Type, r.Key, r.Op, payload)
			}
			_, err := tx.ExecContext(ctx, "INSERT INTO exchange_outbox (record_type, record_key, op, payload) VALUES (?,?,?,?)"+
				strings.Repeat(",(?,?,?,?)", len(rows)-1), args...)
			return err
		})
		if err != nil {
			return fmt.Errorf("publish at %s: %w", m.ID, err)
		}
		d.written.Add(int64(len(rows)))
	}
	return ctx.Err()
}

// report tells how far things are.
func (d *Demo) report(ctx context.Context, stage string) {
	if d.opts.Progress == nil {
		return
	}
	p := Progress{Stage: stage, Written: int(d.written.Load()), Total: d.opts.Records, Elapsed: time.Since(d.begin)}
	if d.Federation != nil && stage != "publish" {
		if counts, err := d.counts(ctx); err == nil {
			for _, t := range counts {
				p.Accepted += t.Accepted
				p.Refused += t.Rejected
				p.Unchanged += t.Unchanged
			}
		}
		if copies, err := d.Federation.Copies(ctx); err == nil {
			for _, cs := range copies {
				for _, c := range cs[1:] {
					p.Copies++
					if c.Stream.Head != cs[0].Stream.Head {
						p.CopiesBehind++
					}
				}
			}
		}
	}
	d.opts.Progress(p)
}

// place is a node and a record type.
type place struct{ node, recordType string }

// counts is what each node's business source did, by record type.
func (d *Demo) counts(ctx context.Context) (map[place]store.Tally, error) {
	out := map[place]store.Tally{}
	for _, m := range d.Federation.Members {
		ts, err := m.Store.Tallies(ctx)
		if err != nil {
			return nil, err
		}
		for _, t := range ts {
			if t.Source == "main" {
				out[place{m.ID, t.Type}] = t
			}
		}
	}
	return out, nil
}

// WriteJSON writes the result as one object on one line.
func (r *Result) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

func (d *Demo) nodeResults(ctx context.Context) ([]NodeResult, error) {
	var out []NodeResult
	for _, m := range d.Federation.Members {
		n := NodeResult{ID: m.ID, Role: m.Role, Name: m.Name.Zh, Config: d.configs[m.ID], Local: m.Node.LocalURL(), Peers: m.Node.PeerURL(), Streams: []StreamResult{}}
		streams, err := m.Store.Streams(ctx)
		if err != nil {
			return nil, err
		}
		for _, st := range streams {
			if st.Seq > 0 {
				n.Streams = append(n.Streams, StreamResult{st.Name, st.Gen, st.Seq, st.Hash.String()})
			}
		}
		slices.SortFunc(n.Streams, func(a, b StreamResult) int { return strings.Compare(a.Stream, b.Stream) })
		out = append(out, n)
	}
	return out, nil
}
