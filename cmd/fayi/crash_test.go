//go:build linux

package main_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fayi/conformance/trace"
	"fayi/outbox/mariadbtest"
)

// business is the business system beside one node. It writes records in its
// own transactions, under a lock row for each key, and takes what arrives in
// the inbox. What it committed is in its own table; what it rolled back it
// remembers.
type business struct {
	node *process
	keys int // how many

	survives bool // an error of its database is one to go on after; what was committed is in its table

	commits      atomic.Int64 // tried
	acknowledged atomic.Int64 // rows whose commit the database confirmed
	mu           sync.Mutex
	rolledBack   []trace.Row
	err          error
}

const businessTables = `
CREATE TABLE biz_key (k VARBINARY(128) PRIMARY KEY, version BIGINT UNSIGNED NOT NULL, good BIGINT UNSIGNED NOT NULL, present BOOLEAN NOT NULL) ENGINE=InnoDB;
CREATE TABLE biz_log (n BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, id BIGINT UNSIGNED NOT NULL, k VARBINARY(128) NOT NULL, op VARCHAR(8) NOT NULL,
  version BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB;
CREATE TABLE biz_applied (n BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, stream VARCHAR(160) NOT NULL, gen BIGINT UNSIGNED NOT NULL,
  seq BIGINT UNSIGNED NOT NULL, k VARBINARY(128) NOT NULL, op VARCHAR(8) NOT NULL, version BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB;
`

func newBusiness(t testing.TB, node *process, keys int) *business {
	t.Helper()
	b := &business{node: node, keys: keys}
	var rows []string
	for i := range keys {
		rows = append(rows, fmt.Sprintf("('%s',0,0,FALSE)", b.key(i)))
	}
	for s := range strings.SplitSeq(businessTables+"INSERT INTO biz_key VALUES "+strings.Join(rows, ","), ";\n") {
		if _, err := node.db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b *business) key(i int) string { return fmt.Sprintf("ZX-%s-%03d", b.node.id, i) }

// fail remembers the first error and tells whether the business ends because of it.
func (b *business) fail(err error) (over bool) {
	if b.survives {
		<-time.After(20 * time.Millisecond) // as a client that tries again would
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil && !errors.Is(err, context.Canceled) {
		b.err = err
	}
	return true
}

// Ways to spoil a record, with the first fault's code.
var spoils = []func(map[string]any){
	func(d map[string]any) { d["state"] = "99" },                 // CODE
	func(d map[string]any) { delete(d, "consultTime") },          // REQUIRED
	func(d map[string]any) { d["birthday"] = "1900-02-30" },      // FORMAT
	func(d map[string]any) { d["companions"] = "no number" },     // TYPE
	func(d map[string]any) { d["consultNo"] = "another record" }, // KEY_MISMATCH
}

// change writes one record of a key in tx: mostly its next version, sometimes a
// deletion, a repetition of what it is, or something the schema forbids.
func (b *business) change(ctx context.Context, tx *sql.Tx, rng *rand.Rand, key string) (trace.Row, error) {
	r := trace.Row{Source: "main", Key: key, Op: "put"}
	var good uint64
	var present bool
	err := tx.QueryRowContext(ctx, "SELECT version, good, present FROM biz_key WHERE k=? FOR UPDATE", key).Scan(&r.Version, &good, &present)
	if err != nil {
		return r, err
	}
	next := r.Version + 1
	var spoil func(map[string]any)
	switch p := rng.Float64(); {
	case p < 0.05:
		spoil = spoils[rng.IntN(len(spoils))]
		r.Version = next
	case p < 0.10:
		next--
		if r.Version = good; !present {
			r.Op = "del"
		}
	case p < 0.14:
		r.Op, r.Version, good, present = "del", next, next, false
	default:
		r.Version, good, present = next, next, true
	}
	var body any
	if r.Op == "put" {
		body = payload(key, r.Version, spoil)
	}
	if _, err := tx.ExecContext(ctx, "UPDATE biz_key SET version=?, good=?, present=? WHERE k=?", next, good, present, key); err != nil {
		return r, err
	}
	res, err := tx.ExecContext(ctx, "INSERT INTO exchange_outbox (record_type, record_key, op, payload) VALUES ('consultation',?,?,?)", key, r.Op, body)
	if err != nil {
		return r, err
	}
	id, err := res.LastInsertId()
	if err != nil {
		return r, err
	}
	r.ID = uint64(id)
	_, err = tx.ExecContext(ctx, "INSERT INTO biz_log (id, k, op, version) VALUES (?,?,?,?)", r.ID, key, r.Op, r.Version)
	return r, err
}

// transact changes keys in one transaction, waits for hold with it open, and
// commits or rolls back.
func (b *business) transact(ctx context.Context, rng *rand.Rand, keys []string, rollback bool, hold func()) error {
	tx, err := b.node.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	slices.Sort(keys) // one order for all: no deadlocks
	var rows []trace.Row
	for _, key := range slices.Compact(keys) {
		r, err := b.change(ctx, tx, rng, key)
		if err != nil {
			return err
		}
		rows = append(rows, r)
	}
	if hold != nil {
		hold()
	}
	if !rollback {
		b.commits.Add(1)
		err := tx.Commit()
		if err == nil {
			b.acknowledged.Add(int64(len(rows)))
		}
		return err
	}
	if err := tx.Rollback(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rolledBack = append(b.rolledBack, rows...)
	return nil
}

// write makes transactions, one a tick, until stop; the last tenth of the keys
// is not its own.
func (b *business) write(rng *rand.Rand, pace <-chan time.Time, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-pace:
		}
		keys := make([]string, 1+rng.IntN(3))
		for i := range keys {
			keys[i] = b.key(rng.IntN(b.keys * 9 / 10))
		}
		if err := b.transact(context.Background(), rng, keys, rng.Float64() < 0.05, nil); err != nil {
			if b.fail(fmt.Errorf("write at %s: %w", b.node.id, err)) {
				return
			}
		}
	}
}

// linger makes transactions that stay open while some hundred others commit:
// their rows have lower ids than rows long published when they appear.
func (b *business) linger(rng *rand.Rand, stop <-chan struct{}) {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		until := b.commits.Load() + 50 + rng.Int64N(300)
		over := false
		hold := func() {
			for b.commits.Load() < until && !over {
				select {
				case <-stop:
					over = true
				case <-look.C:
				}
			}
		}
		keys := []string{b.key(b.keys*9/10 + rng.IntN(b.keys/10))}
		if err := b.transact(context.Background(), rng, keys, rng.Float64() < 0.2, hold); err != nil {
			if b.fail(fmt.Errorf("linger at %s: %w", b.node.id, err)) {
				return
			}
		}
		if over {
			return
		}
	}
}

// consume takes rows from the inbox and deletes them in its own transaction,
// some of which it rolls back, until ctx ends.
func (b *business) consume(ctx context.Context, rng *rand.Rand) {
	look := time.NewTicker(15 * time.Millisecond)
	defer look.Stop()
	for {
		n, err := b.takeInbox(ctx, rng.Float64() < 0.05)
		if err != nil && ctx.Err() == nil {
			if b.fail(fmt.Errorf("consume at %s: %w", b.node.id, err)) {
				return
			}
		}
		if n > 0 && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

func (b *business) takeInbox(ctx context.Context, rollback bool) (n int, err error) {
	tx, err := b.node.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	rows, err := tx.QueryContext(ctx, "SELECT stream, gen, seq, record_key, op, payload FROM exchange_inbox ORDER BY stream, gen, seq LIMIT 100")
	if err != nil {
		return 0, err
	}
	var took []trace.Applied
	for rows.Next() {
		var a trace.Applied
		var body []byte
		if err := rows.Scan(&a.Stream, &a.Gen, &a.Seq, &a.Key, &a.Op, &body); err != nil {
			return 0, err
		}
		a.Version = versionOf(body)
		took = append(took, a)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return 0, err
	}
	for _, a := range took {
		if _, err := tx.ExecContext(ctx, "INSERT INTO biz_applied (stream, gen, seq, k, op, version) VALUES (?,?,?,?,?,?)",
			a.Stream, a.Gen, a.Seq, a.Key, a.Op, a.Version); err != nil {
			return 0, err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM exchange_inbox WHERE stream=? AND gen=? AND seq=?", a.Stream, a.Gen, a.Seq); err != nil {
			return 0, err
		}
	}
	if rollback {
		return len(took), tx.Rollback()
	}
	return len(took), tx.Commit()
}

// logs reads what the business knows.
func (b *business) logs(ctx context.Context) (out trace.Business, applied []trace.Applied, err error) {
	out = trace.Business{Node: b.node.id, RolledBack: b.rolledBack}
	err = each(ctx, b.node.db, "SELECT id, k, op, version FROM biz_log ORDER BY n", func(rows *sql.Rows) error {
		r := trace.Row{Source: "main"}
		err := rows.Scan(&r.ID, &r.Key, &r.Op, &r.Version)
		out.Committed = append(out.Committed, r)
		return err
	})
	if err != nil {
		return out, nil, err
	}
	applied = []trace.Applied{}
	err = each(ctx, b.node.db, "SELECT stream, gen, seq, k, op, version FROM biz_applied ORDER BY n", func(rows *sql.Rows) error {
		var a trace.Applied
		err := rows.Scan(&a.Stream, &a.Gen, &a.Seq, &a.Key, &a.Op, &a.Version)
		applied = append(applied, a)
		return err
	})
	return out, applied, err
}

// load lets a province's and a city's business write and consume until it is ended, the city five times as fast. Writers
// are ended first, consumers when everything has arrived.
func load(t *testing.T, businesses []*business, random func() *rand.Rand) (endWriters, endConsumers func()) {
	stop := make(chan struct{})
	consuming, stopConsumers := context.WithCancel(context.Background())
	var writers, consumers sync.WaitGroup
	endConsumers = func() { stopConsumers(); consumers.Wait() }
	t.Cleanup(endConsumers)
	endWriters = sync.OnceFunc(func() { close(stop); writers.Wait() })
	t.Cleanup(endWriters)
	for i, b := range businesses {
		pace := time.NewTicker([]time.Duration{40 * time.Millisecond, 8 * time.Millisecond}[i])
		t.Cleanup(pace.Stop)
		for range 4 {
			rng := random()
			writers.Go(func() { b.write(rng, pace.C, stop) })
		}
		late, take := random(), random()
		writers.Go(func() { b.linger(late, stop) })
		consumers.Go(func() { b.consume(consuming, take) })
	}
	return endWriters, endConsumers
}

// TestKilledAtRandomMoments publishes in both directions between two nodes that
// are killed again and again while they work, starting included, and then lets
// the trace checker compare what the businesses committed with what became of
// it (invariants I1–I9 of docs/invariants.md).
//
//	go test ./cmd/fayi -run KilledAtRandomMoments -v                                             12 kills
//	FAYI_CRASH_RESTARTS=50 go test ./cmd/fayi -run KilledAtRandomMoments -v -timeout 20m         50 kills
//
// FAYI_CRASH_SEED repeats the choices of an earlier run, as far as time allows.
func TestKilledAtRandomMoments(t *testing.T) {
	srv := mariadbtest.Start(t)
	restarts, seed := number(t, "FAYI_CRASH_RESTARTS", 12), uint64(number(t, "FAYI_CRASH_SEED", int(time.Now().UnixNano()&0xffffffff)))
	t.Logf("FAYI_CRASH_SEED=%d FAYI_CRASH_RESTARTS=%d", seed, restarts)
	streams := uint64(0)
	random := func() *rand.Rand { streams++; return rand.New(rand.NewPCG(seed, streams)) }

	province, city := pair(t, srv)
	nodes := []*process{province, city}
	businesses := []*business{newBusiness(t, province, 20), newBusiness(t, city, 40)}
	for _, p := range nodes {
		p.serve(t)
	}

	endLoad, endConsumers := load(t, businesses, random)

	rng := random()
	for range restarts {
		pause(rng, 2*time.Second)
		victim := nodes[rng.IntN(len(nodes))]
		if err := victim.kill(); err != nil {
			t.Fatal(err)
		}
		pause(rng, 200*time.Millisecond)
		if err := victim.start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range nodes {
		p.awaitReady(t)
	}
	endLoad()
	settle(t, true, nodes...)
	endConsumers()
	for _, p := range nodes {
		p.stop(t)
	}

	var in trace.Input
	for i, p := range nodes {
		b := businesses[i]
		if b.err != nil {
			t.Error(b.err)
		}
		d := p.dump(t)
		log, applied, err := b.logs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d.Applied = applied
		in.Dumps, in.Business, in.Events = append(in.Dumps, d), append(in.Business, log), append(in.Events, p.events(t)...)
		t.Logf("%s: %d rows committed, %d rolled back, %d rejected, %d unchanged, %d taken from the inbox",
			p.id, len(log.Committed), len(log.RolledBack), len(d.Rejected), d.Unchanged, len(applied))
	}
	judge(t, in, trace.Invariants()...)
}

// judge lets the checker look and demands that it had something to look at. A
// kill is no restore: no stream opens another generation, nobody is alarmed but
// by a peer that is down.
func judge(t *testing.T, in trace.Input, looked ...trace.Invariant) {
	t.Helper()
	r := trace.Check(in)
	t.Log(&r)
	if len(r.Violations) > 0 {
		t.Error("the trace checker found violations")
	}
	for _, i := range looked {
		if r.Checked[i] == 0 {
			t.Errorf("%v had nothing to look at", i)
		}
	}
	for _, e := range in.Events {
		if e.Kind == "alarm" && e.Outcome != "PEER_AWAY" { // a node that is down for a while is away
			t.Errorf("alarm at %s: %s %s %s", e.Node, e.Outcome, e.Stream, e.Detail)
		}
	}
	for _, d := range in.Dumps {
		for _, s := range d.Streams {
			for _, g := range s.Segments {
				if g.Gen != s.Segments[0].Gen {
					t.Errorf("%s at %s has generations %d and %d", s.Stream, d.Node, s.Segments[0].Gen, g.Gen)
					break
				}
			}
		}
	}
}

// pause lets an exponentially distributed time pass.
func pause(rng *rand.Rand, mean time.Duration) {
	<-time.After(time.Duration(rng.ExpFloat64() * float64(mean)))
}

// number reads a positive number from the environment.
func number(t *testing.T, name string, instead int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return instead
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		t.Fatalf("%s=%q is not a positive number", name, text)
	}
	return n
}

// TestRowsFromTheMariadbClient: the table is the contract. Rows that any client
// inserts inside transactions arrive when these commit, however late, and never
// when they roll back; a transaction held open delays nobody else (I28).
// FAYI_LONG=1 holds it open for a minute.
func TestRowsFromTheMariadbClient(t *testing.T) {
	srv := mariadbtest.Start(t)
	province, city := pair(t, srv)
	province.serve(t)
	city.serve(t)
	log := trace.Business{Node: city.id}
	insert := func(key string, body string) string {
		return fmt.Sprintf("INSERT INTO exchange_outbox (record_type, record_key, op, payload) VALUES ('consultation', '%s', 'put', '%s')", key, body)
	}
	good := func(key string) string { return insert(key, payload(key, 1, nil)) }
	wrote := func(printed, key string) trace.Row {
		t.Helper()
		id, err := strconv.ParseUint(strings.TrimSpace(printed), 10, 64)
		if err != nil {
			t.Fatalf("the id of %s: %v", key, err)
		}
		return trace.Row{Source: "main", ID: id, Key: key, Op: "put", Version: 1}
	}
	const id = "; SELECT LAST_INSERT_ID()"
	commit := func(key, statement string) {
		t.Helper()
		log.Committed = append(log.Committed, wrote(srv.Client(t, city.dsn, "START TRANSACTION; "+statement+id+"; COMMIT"), key))
	}
	arrived := func(key string) (bool, error) {
		n, err := province.count(t.Context(), "SELECT COUNT(*) FROM exchange_inbox WHERE record_key=?", key)
		return n == 1, err
	}

	// Two transactions stay open, with the lowest ids.
	late, never := session(t, srv, city), session(t, srv, city)
	lateRow := wrote(late.do(t, "START TRANSACTION; "+good("LATE-1")+id), "LATE-1")
	log.RolledBack = append(log.RolledBack, wrote(never.do(t, "START TRANSACTION; "+good("NEVER-1")+id), "NEVER-1"))

	hold := 3 * time.Second
	if os.Getenv("FAYI_LONG") == "1" {
		hold = time.Minute
	}
	var slowest, sum time.Duration
	n := 0
	for begin := time.Now(); time.Since(begin) < hold; n++ {
		key := fmt.Sprintf("OK-%d", n)
		commit(key, good(key))
		at := time.Now()
		eventually(t, 30*time.Second, key+" arrives while another transaction is open", func() (bool, error) { return arrived(key) })
		slowest, sum = max(slowest, time.Since(at)), sum+time.Since(at)
	}
	t.Logf("%d records while two transactions were open for %v: mean %v, slowest %v", n, hold, sum/time.Duration(n), slowest)

	// Rolled back at once, bad, and one statement for several rows without a transaction.
	log.RolledBack = append(log.RolledBack, wrote(srv.Client(t, city.dsn, "START TRANSACTION; "+good("NEVER-2")+id+"; ROLLBACK"), "NEVER-2"))
	commit("BAD-1", insert("BAD-1", payload("BAD-1", 1, spoils[0])))
	commit("BAD-2 ", good("BAD-2 ")) // the space is part of the key, and forbidden
	first := wrote(srv.Client(t, city.dsn, good("AUTO-1")+", ('consultation', 'AUTO-2', 'put', '"+payload("AUTO-2", 1, nil)+"')"+id), "AUTO-1")
	second := first
	second.ID, second.Key = first.ID+1, "AUTO-2"
	log.Committed = append(log.Committed, first, second)

	if ok, err := arrived("LATE-1"); ok || err != nil {
		t.Errorf("LATE-1 arrived before its transaction committed: %v", err)
	}
	never.do(t, "ROLLBACK; SELECT 0")
	late.do(t, "COMMIT; SELECT 0")
	log.Committed = append(log.Committed, lateRow)
	for _, key := range []string{"AUTO-1", "AUTO-2", "LATE-1"} {
		eventually(t, 30*time.Second, key+" arrives", func() (bool, error) { return arrived(key) })
	}
	settle(t, false, province, city)
	for _, key := range []string{"NEVER-1", "NEVER-2", "BAD-1", "BAD-2 "} {
		if ok, err := arrived(key); ok || err != nil {
			t.Errorf("%q arrived: %v", key, err)
		}
	}
	for _, p := range []*process{city, province} {
		p.stop(t)
	}
	d := city.dump(t)
	codes := map[string]bool{}
	for _, r := range d.Rejected {
		codes[r.Code] = true
	}
	if len(d.Rejected) != 2 || !codes["CODE"] || !codes["BAD_KEY"] {
		t.Errorf("rejected: %v", d.Rejected)
	}
	judge(t, trace.Input{
		Dumps: []trace.Dump{d, province.dump(t)}, Business: []trace.Business{log}, Events: append(city.events(t), province.events(t)...),
	}, trace.I1, trace.I2, trace.I3, trace.I4, trace.I5, trace.I6, trace.I8)
}
