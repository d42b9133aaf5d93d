package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	_ "github.com/go-sql-driver/mysql"
)

// peer is another system under test. Each of its functions is called at most once a process.
type peer struct {
	module string
	// setup makes its tables.
	setup func(ctx context.Context, db *sql.DB) error
	// fill makes a backlog; publish is one business transaction.
	fill    func(ctx context.Context, db *sql.DB, records [][]byte) error
	publish func(ctx context.Context, db *sql.DB, record []byte) error
	// relay runs until ctx ends, handing each record to post.
	relay func(ctx context.Context, db *sql.DB, post func([]byte) error) error
}

var peers = map[string]*peer{"watermill-sql": &watermillPeer, "oagudo/outbox": &oagudoPeer, "river": &riverPeer}

const connections = 16

func main() {
	name := flag.String("peer", "", "watermill-sql, oagudo/outbox or river")
	work := flag.String("work", "drain", "publish or drain")
	dsn := flag.String("dsn", "", "of an empty database")
	file := flag.String("records", "", "a JSON object a line")
	n := flag.Int("n", 0, "number of records")
	flag.IntVar(&serverPid, "server", 0, "process number of the database server")
	flag.Parse()
	res, err := run(context.Background(), *name, *work, *dsn, *file, *n)
	if err != nil {
		fmt.Fprintln(os.Stderr, "fayi-bench-peers:", err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(res)
}

type result struct {
	Version string             `json:"version"`
	Value   float64            `json:"value"`
	Also    map[string]float64 `json:"also,omitempty"`
}

var serverPid int

// cpu is the processor time of this process and the database server so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	total := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", serverPid))
	_, rest, _ := strings.Cut(string(text), ") ")
	if f := strings.Fields(rest); len(f) > 12 {
		var user, system int64
		fmt.Sscan(f[11], &user)
		fmt.Sscan(f[12], &system)
		total += time.Duration(user+system) * 10 * time.Millisecond
	}
	return total
}

func run(ctx context.Context, name, work, dsn, file string, n int) (*result, error) {
	p := peers[name]
	if p == nil {
		return nil, fmt.Errorf("no peer %q", name)
	}
	records, err := read(file, n)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	if p == &riverPeer {
		stop, err := startPostgres()
		if err != nil {
			return nil, err
		}
		defer stop()
	} else if _, err := db.ExecContext(ctx, "CREATE TABLE business (id BIGINT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(64)) ENGINE=InnoDB"); err != nil {
		return nil, err
	}
	if err := p.setup(ctx, db); err != nil {
		return nil, err
	}
	res := &result{Version: version(p.module)}
	switch work {
	case "publish":
		res.Value, err = transactions(ctx, db, p, records)
	case "drain":
		var used time.Duration
		res.Value, used, err = drain(ctx, db, p, records)
		if serverPid > 0 {
			res.Also = map[string]float64{"CPU µs/record": used.Seconds() * 1e6 / float64(len(records))}
		}
	default:
		err = fmt.Errorf("no work %q", work)
	}
	return res, err
}

func read(file string, n int) (out [][]byte, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for len(out) < n && s.Scan() {
		out = append(out, bytes.Clone(s.Bytes()))
	}
	if len(out) < n {
		return nil, errors.Join(fmt.Errorf("%d records of %d", len(out), n), s.Err())
	}
	return out, nil
}

func transactions(ctx context.Context, db *sql.DB, p *peer, records [][]byte) (float64, error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, connections)
	began := time.Now()
	for range connections {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := next.Add(1) - 1; i < int64(len(records)); i = next.Add(1) - 1 {
				if err := p.publish(ctx, db, records[i]); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	wg.Wait()
	select {
	case err := <-errs:
		return 0, err
	default:
		return float64(len(records)) / time.Since(began).Seconds(), nil
	}
}

func drain(ctx context.Context, db *sql.DB, p *peer, records [][]byte) (rate float64, used time.Duration, err error) {
	if err := p.fill(ctx, db, records); err != nil {
		return 0, 0, err
	}
	done := make(chan struct{})
	var got atomic.Int64
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, 0, err
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && json.Valid(body) {
			if got.Add(1) == int64(len(records)) {
				close(done)
			}
		}
	})}
	go srv.Serve(ln)
	defer srv.Close()
	url := "http://" + ln.Addr().String()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	post := func(record []byte) error {
		res, err := client.Post(url, "application/json", bytes.NewReader(record))
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, res.Body)
		return res.Body.Close()
	}
	rctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	began, before := time.Now(), cpu()
	go func() { ended <- p.relay(rctx, db, post) }()
	select {
	case <-done:
	case err := <-ended:
		stop()
		return 0, 0, fmt.Errorf("the relay ended after %d records: %w", got.Load(), err)
	case <-time.After(3 * time.Minute):
		stop()
		return 0, 0, fmt.Errorf("%d records of %d in 3 minutes", got.Load(), len(records))
	}
	took := time.Since(began)
	used = cpu() - before
	stop()
	<-ended
	return float64(len(records)) / took.Seconds(), used, nil
}

// inBusiness runs f in a business transaction.
func inBusiness(ctx context.Context, db *sql.DB, f func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "INSERT INTO business (note) VALUES ('x')"); err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// version is the one this program was built with.
func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, d := range info.Deps {
		if strings.HasPrefix(module, d.Path) {
			return d.Path + " " + d.Version
		}
	}
	return module
}
