//go:build linux

package main_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fayi/outbox"
	"fayi/outbox/mariadbd"
	"fayi/outbox/mariadbtest"
)

// legalAid is a business system with its outbox on a server of its own.
type legalAid struct {
	server *mariadbd.Server
	dsn    string
	db     *sql.DB
	wrote  map[string]int // versions committed, by key
}

func newLegalAid(t *testing.T) *legalAid {
	t.Helper()
	mariadbtest.Start(t) // skips where MariaDB is not installed
	server, err := mariadbd.Launch(mariadbd.Small()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Remove() })
	a := &legalAid{server: server, wrote: map[string]int{}}
	if a.dsn, err = server.CreateDatabase("aid"); err != nil {
		t.Fatal(err)
	}
	if a.db, err = sql.Open("mysql", a.dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.db.Close() })
	if err := outbox.InstallSource(t.Context(), a.db, outbox.MySQL, "exchange_outbox_aid"); err != nil {
		t.Fatal(err)
	}
	return a
}

// join adds the source to a node's configuration.
func (a *legalAid) join(t *testing.T, p *process) {
	t.Helper()
	text, err := os.ReadFile(p.yaml)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(p.yaml), "aid.dsn"), []byte(a.dsn+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const more = "\nsources:\n  - {name: aid, table: exchange_outbox_aid, dsn: \"file:aid.dsn\", types: [consultation], prefix: AID-}"
	text = bytes.Replace(text, []byte("\nsources:"), []byte(more), 1)
	text = bytes.Replace(text, []byte("{name: main, sm3:"), []byte("{name: main, source: main, sm3:"), 1)
	if err := os.WriteFile(p.yaml, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// write commits the next version of a key; while its server is down it tries again.
func (a *legalAid) write(ctx context.Context, key string) error {
	v := uint64(a.wrote[key] + 1)
	for {
		_, err := a.db.ExecContext(ctx, "INSERT INTO exchange_outbox_aid (record_type, record_key, payload) VALUES ('consultation', ?, ?)", key, payload(key, v, nil))
		if err == nil {
			a.wrote[key]++
			return nil
		}
		// It may have been committed and the answer lost: what is there, or gone to the node, tells.
		var n int
		for {
			q := "SELECT COUNT(*) FROM exchange_outbox_aid WHERE record_key = ? AND payload = ?"
			if err = a.db.QueryRowContext(ctx, q, key, payload(key, v, nil)).Scan(&n); err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(20 * time.Millisecond):
			}
		}
		if n > 0 {
			a.wrote[key]++
			return nil
		}
	}
}

func (a *legalAid) count(t *testing.T, table string) (n int) {
	t.Helper()
	if err := a.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// each version once, in order, is what the province must have.
func (a *legalAid) check(t *testing.T, province *process) {
	t.Helper()
	got := map[string]int{}
	err := each(t.Context(), province.db, "SELECT record_key, payload FROM exchange_inbox WHERE record_key LIKE 'AID-%' ORDER BY gen, seq", func(rows *sql.Rows) error {
		var key string
		var body []byte
		if err := rows.Scan(&key, &body); err != nil {
			return err
		}
		got[key]++
		if v := versionOf(body); int(v) != got[key] {
			return fmt.Errorf("%s: version %d is the %d. to arrive", key, v, got[key])
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for key, n := range a.wrote {
		if got[key] != n {
			t.Errorf("%s: %d versions arrived of %d", key, got[key], n)
		}
	}
}

// The node is killed with kill -9 on each side of each commit between the two databases, held there by a lock: rows
// taken and not yet deleted, rows deleted and not yet forgotten. Each goes into its stream once and leaves its source.
func TestKilledBetweenTwoDatabases(t *testing.T) {
	t.Parallel()
	srv := mariadbtest.Start(t)
	aid := newLegalAid(t)
	province, city := pair(t, srv)
	aid.join(t, city)
	city.serve(t)
	write := func(n int) {
		t.Helper()
		for i := range n {
			if err := aid.write(t.Context(), fmt.Sprintf("AID-%d", i%3)); err != nil {
				t.Fatal(err)
			}
		}
	}
	taken := func(n int) func() (bool, error) {
		return func() (bool, error) {
			got, err := city.count(t.Context(), "SELECT COUNT(*) FROM fayi_taken")
			return got == n, err
		}
	}
	restart := func() {
		t.Helper()
		if err := city.kill(); err != nil {
			t.Fatal(err)
		}
		city.serve(t)
	}

	// Taken, and no reader has it: the province is down. Killed there, nothing is taken twice.
	write(6)
	eventually(t, time.Minute, "six rows are taken", taken(6))
	restart()
	write(1)
	eventually(t, time.Minute, "the seventh is taken", taken(7))
	if n := aid.count(t, "exchange_outbox_aid"); n != 7 {
		t.Fatalf("%d rows lie in the source", n)
	}
	out, errs, code := city.command(t, "outbox", "status", "-c", city.yaml)
	if code != 0 || !strings.Contains(out, "aid   exchange_outbox_aid  0         -         7") {
		t.Errorf("status: %s%s", out, errs)
	}
	if list := city.sources(t); !slices.ContainsFunc(list, func(s sourceState) bool {
		return s == sourceState{Source: "aid", Leader: true, Taken: 7}
	}) {
		t.Errorf("the API's status has %+v", list)
	}

	// The province has it, and the rows are locked in the source: killed before they are deleted there.
	lock, err := aid.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback()
	if err := lock.QueryRow("SELECT COUNT(*) FROM exchange_outbox_aid FOR UPDATE").Scan(new(int)); err != nil {
		t.Fatal(err)
	}
	province.serve(t)
	eventually(t, time.Minute, "the node waits to delete", func() (bool, error) {
		var n int
		err := aid.db.QueryRow("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'DELETE o FROM %' AND time_ms > 50").Scan(&n)
		return n > 0, err
	})
	restart()
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the source and the table of taken rows are empty", func() (bool, error) {
		ok, err := taken(0)()
		return ok && aid.count(t, "exchange_outbox_aid") == 0, err
	})

	// Deleted there, and the table of taken rows is locked here: killed before they are forgotten.
	forget, err := city.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer forget.Rollback()
	province.stop(t)
	write(3)
	eventually(t, time.Minute, "three rows are taken", taken(3))
	if err := forget.QueryRow("SELECT COUNT(*) FROM fayi_taken FOR UPDATE").Scan(new(int)); err != nil {
		t.Fatal(err)
	}
	province.serve(t)
	eventually(t, time.Minute, "the rows are deleted in the source", func() (bool, error) { return aid.count(t, "exchange_outbox_aid") == 0, nil })
	restart()
	if err := forget.Rollback(); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "they are forgotten", taken(0))
	settle(t, false, province, city)
	aid.check(t, province)
	for _, p := range []*process{city, province} {
		p.stop(t)
	}
}

// The node, and the server of the source, are killed at random moments while both write. The node's other source flows
// on while the server is down. FAYI_LONG=1 kills sixty times instead of five.
func TestForeignSourceKilledAtRandom(t *testing.T) {
	t.Parallel()
	srv := mariadbtest.Start(t)
	aid := newLegalAid(t)
	province, city := pair(t, srv)
	aid.join(t, city)
	province.serve(t)
	city.serve(t)
	kills := 5
	if os.Getenv("FAYI_LONG") == "1" {
		kills = 60
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var failed error
	pace := time.NewTicker(5 * time.Millisecond)
	t.Cleanup(pace.Stop)
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			<-pace.C
			if err := aid.write(context.WithoutCancel(ctx), fmt.Sprintf("AID-%d", i%7)); err != nil {
				failed = err
				return
			}
		}
	})
	t.Cleanup(func() { stop(); wg.Wait() })
	for i := range kills {
		pause(rng, 700*time.Millisecond)
		if i%5 == 2 { // the server of the source
			if err := aid.server.Kill(); err != nil {
				t.Fatal(err)
			}
			key := fmt.Sprintf("HOME-%d", i)
			srv.Client(t, city.dsn, fmt.Sprintf("INSERT INTO exchange_outbox (record_type, record_key, payload) VALUES ('consultation', '%s', '%s')", key, payload(key, 1, nil)))
			eventually(t, time.Minute, "a record of another source arrives while one is down", func() (bool, error) {
				n, err := province.count(t.Context(), "SELECT COUNT(*) FROM exchange_inbox WHERE record_key = ?", key)
				return n == 1, err
			})
			eventually(t, time.Minute, "the API tells that the source is down, and the others all the same", func() (bool, error) {
				list := city.sources(t)
				return slices.ContainsFunc(list, func(s sourceState) bool { return s.Source == "aid" && s.Error != "" }) && len(list) == 3, nil
			})
			out, errs, code := city.command(t, "outbox", "status", "-c", city.yaml)
			if code != 0 || !strings.Contains(out, "连不上") {
				t.Errorf("status while the source is down: %d %s%s", code, out, errs)
			}
			if err := aid.server.Start(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := city.kill(); err != nil {
			t.Fatal(err)
		}
		if err := city.start(); err != nil {
			t.Fatal(err)
		}
	}
	city.awaitReady(t)
	stop()
	wg.Wait()
	if failed != nil {
		t.Fatal(failed)
	}
	eventually(t, 2*time.Minute, "the source is empty and nothing is taken", func() (bool, error) {
		n, err := city.count(t.Context(), "SELECT COUNT(*) FROM fayi_taken")
		return n == 0 && aid.count(t, "exchange_outbox_aid") == 0, err
	})
	settle(t, false, province, city)
	aid.check(t, province)
	total := 0
	for _, n := range aid.wrote {
		total += n
	}
	t.Logf("%d records, %d kills", total, kills)
	for _, p := range []*process{city, province} {
		p.stop(t)
	}
}
