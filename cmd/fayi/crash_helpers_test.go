//go:build linux

package main_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fayi/cmd/fayi/internal/config"
	"fayi/conformance/trace"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/join"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/outbox/mariadbtest"
)

// process is one node: its folder, made by the command line, its database, and
// the process that serves it, if one does.
type process struct {
	id, bin, yaml, dsn, trace string

	config *config.File
	db     *sql.DB      // the business's own connections
	store  *store.Store // as the node opens it

	log    *os.File
	cmd    *exec.Cmd
	ready  chan struct{} // closed when it says that it serves
	exited chan error
}

const (
	provinceID, cityID = "610000", "610800"
	readyLimit         = time.Minute // a busy two-core machine needs seconds
	stopLimit          = 30 * time.Second
)

// build compiles the program under test.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "fayi")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// pair makes a province that is the root of its own federation and a city that
// joined it and dials it, on one MariaDB server, as an operator would.
func pair(t *testing.T, srv *mariadbtest.Server) (province, city *process) {
	t.Helper()
	return pairOn(t, srv.Database(t), srv.Database(t))
}

// pairOn is pair on two databases of one's own choice.
func pairOn(t *testing.T, dsn ...string) (province, city *process) {
	t.Helper()
	bin, dir := build(t), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	fayi := func(args ...string) []byte {
		t.Helper()
		var stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), bin, args...)
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("fayi %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
		}
		return out
	}
	port := ports(t, 4)
	fayi("init", "-node", provinceID, "-name", "陕西省司法厅", "-role", "province", "-mysql", dsn[0], "-listen", port[0], "-local", port[1], at(provinceID))
	fayi("peer", "invite", "-c", filepath.Join(at(provinceID), "fayi.yaml"), "-node", cityID, "-name", "榆林市司法局", "-o", at("invite.json"))
	var asked struct {
		JoinCode string `json:"join_code"`
		Request  string `json:"request"`
	}
	out := fayi("init", "-invite", at("invite.json"), "-mysql", dsn[1], "-listen", port[2], "-local", port[3], "-json", at(cityID))
	if err := json.Unmarshal(out, &asked); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	fayi("peer", "approve", "-c", filepath.Join(at(provinceID), "fayi.yaml"), "-code", asked.JoinCode, "-o", at("approval.json"), asked.Request)
	fayi("init", "-approval", at("approval.json"), at(cityID))
	// The province's records go down, so that there is something to poll.
	province = open(t, bin, provinceID, at(provinceID), "publish: {consultation: [downstream]}")
	return province, open(t, bin, cityID, at(cityID), "")
}

var (
	traceLine = regexp.MustCompile(`(?m)^trace:.*$`)
	notesLine = regexp.MustCompile(`(?m)^notes:.*$`)
)

// open configures a node made by init for the test and opens its database.
func open(t *testing.T, bin, id, dir, more string) *process {
	t.Helper()
	p := &process{id: id, bin: bin, yaml: filepath.Join(dir, "fayi.yaml"), trace: filepath.Join(dir, "trace.ndjson")}
	text, err := os.ReadFile(p.yaml)
	if err != nil {
		t.Fatal(err)
	}
	text = traceLine.ReplaceAll(text, []byte("trace: trace.ndjson"))
	text = notesLine.ReplaceAll(text, []byte("notes: {every: 500ms, limit: 2h}"))
	if err := os.WriteFile(p.yaml, append(text, "\n"+more+"\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if p.config, err = config.Load(p.yaml); err != nil {
		t.Fatal(err)
	}
	if p.dsn, err = p.config.DSN(); err != nil {
		t.Fatal(err)
	}
	if p.store, err = p.config.OpenStore(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.store.Close() })
	if p.db = p.store.DB(); !strings.Contains(p.dsn, "@failover(") { // which the driver itself does not know
		if p.db, err = sql.Open("mysql", p.dsn); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.db.Close() })
	}
	if p.log, err = os.Create(filepath.Join(dir, "serve.log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if log, err := os.ReadFile(p.log.Name()); t.Failed() && err == nil {
			t.Logf("%s printed, at the end:\n%s", id, log[max(0, len(log)-4000):])
		}
		p.log.Close()
	})
	return p
}

// nextPort is where ports goes on looking: tests run in parallel and do not
// listen at once.
var nextPort = atomic.Int32{}

// ports finds free ports below those the system hands out by itself: a node
// that is down for a moment must find its own free again.
func ports(t *testing.T, n int) (addrs []string) {
	t.Helper()
	nextPort.CompareAndSwap(0, int32(20_000+os.Getpid()%5_000))
	for len(addrs) < n {
		port := nextPort.Add(1)
		if port > 32_000 {
			t.Fatal("no free ports")
		}
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port)))
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// start runs fayi serve in a process group of its own and does not wait.
func (p *process) start() error {
	cmd := exec.Command(p.bin, "serve", "-c", p.yaml)
	cmd.Stderr = p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.id, err)
	}
	ready, exited := make(chan struct{}), make(chan error, 1)
	p.cmd, p.ready, p.exited = cmd, ready, exited
	go func() {
		said := false
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if !said && strings.HasPrefix(lines.Text(), "ready ") {
				said = true
				close(ready)
			}
		}
		exited <- cmd.Wait()
	}()
	return nil
}

// serve starts the node and waits until it serves.
func (p *process) serve(t *testing.T) {
	t.Helper()
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	p.awaitReady(t)
}

func (p *process) awaitReady(t *testing.T) {
	t.Helper()
	select {
	case <-p.ready:
	case err := <-p.exited:
		p.cmd = nil
		t.Fatalf("%s ended before it served: %v", p.id, err)
	case <-time.After(readyLimit):
		t.Fatalf("%s does not serve after %v", p.id, readyLimit)
	}
}

// kill kills the node's process group as a power cut would. It is an error if
// the node had ended by itself.
func (p *process) kill() error {
	if p.cmd == nil {
		return nil
	}
	cmd := p.cmd
	p.cmd = nil
	select {
	case err := <-p.exited:
		return fmt.Errorf("%s ended by itself: %v", p.id, err)
	default:
	}
	err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	<-p.exited
	return err
}

// stop asks the node to end and waits for it.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.exited:
		if err != nil {
			t.Errorf("%s did not end well: %v", p.id, err)
		}
		p.cmd = nil
	case <-time.After(stopLimit):
		t.Errorf("%s still runs %v after SIGTERM", p.id, stopLimit)
	}
}

// eventually polls a condition until it holds.
func eventually(t *testing.T, limit time.Duration, what string, holds func() (bool, error)) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := holds()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
		<-tick.C
	}
}

// count runs a query for one number.
func (p *process) count(ctx context.Context, query string, args ...any) (n int, err error) {
	err = p.db.QueryRowContext(ctx, query, args...).Scan(&n)
	return n, err
}

// settle waits until nothing is on its way between the nodes: outboxes are
// empty and each copy of a stream ends where its origin's does, judged and,
// where the business takes it, delivered and taken.
func settle(t *testing.T, consumed bool, nodes ...*process) {
	t.Helper()
	calm := 0
	eventually(t, 2*time.Minute, "the nodes become quiet", func() (bool, error) {
		quiet, err := quiet(t.Context(), consumed, nodes)
		if calm++; !quiet {
			calm = 0
		}
		return calm == 3, err
	})
}

func quiet(ctx context.Context, consumed bool, nodes []*process) (bool, error) {
	for _, p := range nodes {
		waiting := "SELECT (SELECT COUNT(*) FROM exchange_outbox) + (SELECT COUNT(*) FROM fayi_outbox)"
		if consumed {
			waiting += " + (SELECT COUNT(*) FROM exchange_inbox)"
		}
		if n, err := p.count(ctx, waiting); err != nil || n > 0 {
			return false, err
		}
		streams, err := p.store.Streams(ctx)
		if err != nil {
			return false, err
		}
		for _, st := range streams {
			if st.Origin != p.id || st.Seq == 0 {
				continue // a copy, or nothing yet
			}
			for _, q := range nodes {
				if q == p {
					continue
				}
				there, err := q.store.StreamByName(ctx, st.Name)
				if errors.Is(err, store.ErrUnknownStream) || err == nil && (there.Head != st.Head || there.Checked != there.Pos) {
					return false, nil
				}
				if err != nil {
					return false, err
				}
				if replicate.System(st.Type) {
					continue
				}
				if at, err := q.store.InboxCursor(ctx, st.Name); err != nil || at != there.Pos {
					return false, err
				}
			}
		}
	}
	return true, nil
}

// events reads what the node's processes wrote.
func (p *process) events(t *testing.T) []trace.Event {
	t.Helper()
	f, err := os.Open(p.trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	events, err := trace.Read(f)
	if err != nil {
		t.Fatalf("%s: %v", p.trace, err)
	}
	return events
}

// dump reads the node's tables for the checker. Hashes and places come from the
// headers' own bytes, and every copy is verified by its signatures first.
func (p *process) dump(t *testing.T) trace.Dump {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("dump of %s: %v", p.id, err)
		}
	}
	id, err := p.config.Identity()
	must(err)
	directory, err := join.Directory(ctx, p.store, p.id)
	must(err)
	engine := &replicate.Engine{Store: p.store, Directory: directory, StoreKey: id.Store}
	d := trace.Dump{Node: p.id}
	streams, err := p.store.Streams(ctx)
	must(err)
	for i := range streams {
		st := &streams[i]
		if st.Seq == 0 {
			continue
		}
		if _, err := replicate.VerifyStream(ctx, engine, st); err != nil {
			t.Errorf("%s at %s: %v", st.Name, p.id, err)
		}
		sd := trace.StreamDump{Stream: st.Name}
		segments, err := p.segments(ctx, st)
		must(err)
		for _, g := range segments {
			h, lines, err := replicate.OpenStored(id.Store, &g)
			must(err)
			sd.Segments = append(sd.Segments, trace.Segment{
				Gen: h.Gen, First: h.First, Count: h.Count, Hash: sign.Sum(g.Header), Prev: h.Prev, Live: g.Live,
			})
			for _, raw := range lines {
				l, err := seal.ParseLine(raw)
				must(err)
				sd.Lines = append(sd.Lines, trace.Line{Gen: h.Gen, Seq: l.Seq, Key: l.Key, Op: l.Op, Ref: l.Ref, Version: versionOf(l.Data)})
			}
			refused, err := p.store.Refusals(ctx, st.ID, g.Gen, g.First, g.Last())
			must(err)
			for seq := range refused {
				sd.Refused = append(sd.Refused, trace.Pos{Gen: g.Gen, Seq: seq})
			}
		}
		d.Streams = append(d.Streams, sd)
	}
	must(p.leftovers(ctx, &d))
	return d
}

// segments reads the live chain and the orphans of a stream, with bodies.
func (p *process) segments(ctx context.Context, st *store.Stream) (out []store.Segment, err error) {
	for at := (store.Pos{}); at.Compare(st.Pos) < 0; {
		segs, err := p.store.SegmentsAfter(ctx, st.ID, at, 64, 8<<20)
		if err != nil || len(segs) == 0 {
			return out, err
		}
		out = append(out, segs...)
		at = segs[len(segs)-1].End().Pos
	}
	orphans, err := p.store.Orphans(ctx, st.ID)
	if err != nil {
		return nil, err
	}
	for _, o := range orphans[st.ID] {
		for first := o.First; first <= o.Last; {
			g, err := p.store.Body(ctx, st.ID, o.Gen, first)
			if err != nil || g == nil {
				return out, errors.Join(err, fmt.Errorf("orphan %d:%d of %s", o.Gen, first, st.Name))
			}
			out = append(out, *g)
			first = g.Last() + 1
		}
	}
	return out, nil
}

// leftovers reads what is in no stream: rejected and waiting rows of the
// business's source, the count of unchanged ones, and what its consumer took.
func (p *process) leftovers(ctx context.Context, d *trace.Dump) error {
	for after := uint64(0); ; {
		rejected, err := outbox.ListRejected(ctx, p.db, outbox.MySQL, outbox.Filter{Source: "main", AfterID: after, Limit: 1000})
		if err != nil {
			return err
		}
		if len(rejected) == 0 {
			break
		}
		for _, r := range rejected {
			d.Rejected = append(d.Rejected, trace.RefCode{Ref: fmt.Sprintf("main:%d:%d", r.Row.ID, r.Row.Created.UnixMicro()), Code: r.Code})
			after = r.ID
		}
	}
	err := each(ctx, p.db, "SELECT id FROM exchange_outbox", func(rows *sql.Rows) error {
		var id uint64
		err := rows.Scan(&id)
		d.Waiting = append(d.Waiting, fmt.Sprintf("main:%d:0", id))
		return err
	})
	if err != nil {
		return err
	}
	tallies, err := p.store.Tallies(ctx)
	for _, c := range tallies {
		if c.Source == "main" {
			d.Unchanged += c.Unchanged
		}
	}
	return err
}

// each calls f for every row of a query.
func each(ctx context.Context, db *sql.DB, query string, f func(*sql.Rows) error) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

var version = regexp.MustCompile(`（版本 (\d+)）`)

// versionOf reads the version that payload wrote, 0 where there is none.
func versionOf(data []byte) uint64 {
	m := version.FindSubmatch(data)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseUint(string(m[1]), 10, 64)
	return n
}

// example is a valid consultation.
var example = sync.OnceValue(func() map[string]any {
	text, err := os.ReadFile("../../schemas/packs/national/examples/consultation.json")
	var data map[string]any
	if err = errors.Join(err, json.Unmarshal(text, &data)); err != nil {
		panic(err)
	}
	return data
})

// payload is a valid consultation whose contents carry a version; spoil, if not
// nil, may change that.
func payload(key string, version uint64, spoil func(map[string]any)) string {
	data := maps.Clone(example())
	data["consultNo"], data["content"] = key, fmt.Sprintf("拖欠工资，如何申请法律援助？（版本 %d）", version)
	if spoil != nil {
		spoil(data)
	}
	out, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// client is a session of the mariadb command line client that stays open.
type client struct {
	in  io.WriteCloser
	out *bufio.Scanner
	cmd *exec.Cmd
}

// session opens one on the database of a node.
func session(t *testing.T, srv *mariadbtest.Server, p *process) *client {
	t.Helper()
	database := srv.Client(t, p.dsn, "SELECT DATABASE()")
	cmd := exec.Command("mariadb", "--no-defaults", "-uroot", "-S", srv.Socket(), "--default-character-set=utf8mb4", "-N", "-B", "-n", strings.TrimSpace(database))
	cmd.Stderr = p.log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return &client{in, bufio.NewScanner(out), cmd}
}

// do runs statements and returns the one line that the last of them, a SELECT,
// prints: when it is here they are done.
func (c *client) do(t *testing.T, statements string) string {
	t.Helper()
	if _, err := io.WriteString(c.in, statements+";\n"); err != nil {
		t.Fatal(err)
	}
	if !c.out.Scan() {
		t.Fatalf("the mariadb client ended: %v", c.out.Err())
	}
	return c.out.Text()
}
