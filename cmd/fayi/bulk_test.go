//go:build linux

package main_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fayi/conformance/trace"
	"fayi/outbox/mariadbtest"
)

// TestBulkLoadKilled loads a file beside a running node and live records of the
// same stream, kills the loading process again and again, and lets it finish:
// each row of the file is sealed exactly once, in the file's order, and is at
// the province; the same file again publishes nothing.
func TestBulkLoadKilled(t *testing.T) {
	srv := mariadbtest.Start(t)
	province, city := pair(t, srv)
	province.serve(t)
	city.serve(t)
	const rows, kills = 12_000, 4
	path := filepath.Join(t.TempDir(), "load.ndjson")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range rows {
		fmt.Fprintln(w, payload(fmt.Sprintf("BULK-%05d", i), 1, nil))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	run := func() *exec.Cmd {
		cmd := exec.Command(city.bin, "publish", "-c", city.yaml, "-bulk", "consultation", path)
		cmd.Stderr = city.log
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		return cmd
	}
	loaded := func() int {
		n, err := city.count(t.Context(), "SELECT COALESCE(MAX(done),0) FROM fayi_load")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	live := 0
	for i := range kills {
		cmd := run()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, time.Minute, "the load moves on", func() (bool, error) { return loaded() > i*rows/(kills+2), nil })
		key := fmt.Sprintf("LIVE-%d", i)
		srv.Client(t, city.dsn, fmt.Sprintf("INSERT INTO exchange_outbox (record_type, record_key, op, payload) VALUES ('consultation', '%s', 'put', '%s')", key, payload(key, 1, nil)))
		live++
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
	}
	t.Logf("%d of %d rows were loaded when the loader was killed for the last time", loaded(), rows)
	for range 2 {
		cmd := run()
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Logf("%s", strings.TrimSpace(string(out)))
	}
	settle(t, false, province, city)
	for _, p := range []*process{city, province} {
		var lines []trace.Line
		for _, s := range p.dump(t).Streams {
			if s.Stream == cityID+"/consultation/upstream" {
				lines = s.Lines
			}
		}
		next := 0
		others := 0
		for _, l := range lines {
			if !strings.HasPrefix(l.Key, "BULK-") {
				others++
				continue
			}
			if want := fmt.Sprintf("BULK-%05d", next); l.Key != want || !strings.HasSuffix(l.Ref, fmt.Sprintf(":%d", next+1)) {
				t.Fatalf("%s: line %d is %s with ref %s, want %s", p.id, l.Seq, l.Key, l.Ref, want)
			}
			next++
		}
		if next != rows || others != live {
			t.Errorf("%s has %d rows of the file of %d, and %d live records of %d", p.id, next, rows, others, live)
		}
	}
}
