package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"time"

	"fayi/cmd/fayi/internal/demodata"
	files "fayi/cmd/fayi/internal/records"
	"fayi/gateway/replicate"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
	"fayi/schemas"
)

// bulkLoad measures a file sealed straight into a stream, from the first byte hashed to the last commit: read, hashed,
// judged, sealed, durable in MariaDB. The node does not run beside it.
func bulkLoad(ctx context.Context, l *lab, r *Row) error {
	s, err := l.build(ctx, province, city)
	if err != nil {
		return err
	}
	defer s.close()
	m := s.Member(city)
	id, err := identity(s, city)
	if err != nil {
		return err
	}
	packs, err := schemas.Load(schemas.Embedded())
	if err != nil {
		return err
	}
	journal, err := replicate.ReadJournal(filepath.Join(s.plan.Dir, "none"))
	if err != nil {
		return err
	}
	seq := &sequencer.Sequencer{
		Source: sequencer.Source{Name: "main", Table: "exchange_outbox", Types: []string{"*"}}, Store: m.Store, Directory: m.Node.Engine().Directory,
		Signer: id.Signer, Cert: id.SignCert, StoreKey: id.Store, Schemas: func() *schemas.Registry { return packs },
		Audiences: func(string) []string { return []string{"upstream"} }, Journal: journal, Hub: replicate.NewHub(), Log: discard(),
	}
	if err := seq.Init(ctx); err != nil {
		return err
	}
	pid, err := l.server.Pid()
	if err != nil {
		return err
	}
	n := l.amount(100_000)
	next, stop := iter.Pull(demodata.Cases(1, n*(l.Rounds+1), 0)) // a first load: every key is new
	defer stop()
	for round := range l.Rounds + 1 {
		file, err := l.write(round, n, next)
		if err != nil {
			return err
		}
		self, db := cpu(), cpuOf(pid)
		var took time.Duration
		err = l.profile("", func() error { took, err = loadFile(ctx, seq, file); return err })
		if err != nil {
			return err
		}
		r.Ours.also("cpu µs a record", (cpu()-self).Seconds()*1e6/float64(n))
		r.Ours.also("mariadbd µs a record", (cpuOf(pid)-db).Seconds()*1e6/float64(n))
		if err := os.Remove(file); err != nil {
			return err
		}
		if round > 0 { // the first warms the server up
			r.Ours.add(float64(n) / took.Seconds())
			l.Progress("  %.0f 条/秒", "  %.0f records/s", float64(n)/took.Seconds())
		}
	}
	r.Ours.Name = "fayi publish -bulk"
	r.Ours.also("records a file", float64(n))
	r.Reached = r.Ours.Value >= 30_000
	return nil
}

// write makes a file of the next records.
func (l *lab) write(round, n int, next func() (demodata.Record, bool)) (path string, err error) {
	path = filepath.Join(l.dir, fmt.Sprintf("load%d.ndjson", round))
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	w := bufio.NewWriter(f)
	for range n {
		rec, _ := next()
		w.Write(rec.Data)
		w.WriteByte('\n')
	}
	return path, errors.Join(w.Flush(), f.Close())
}

// loadFile loads a file as the command does.
func loadFile(ctx context.Context, s *sequencer.Sequencer, path string) (took time.Duration, err error) {
	begin := time.Now()
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	hash, err := sequencer.HashFile(f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return 0, err
	}
	at, err := s.Store.StartLoad(ctx, store.Load{File: hash, Source: "main", Type: "legal_aid_case", Op: "put", Name: path})
	if err != nil {
		return 0, err
	}
	typ, _ := s.Schemas().Current("legal_aid_case")
	r, err := files.Open(f, path, typ, files.UTF8)
	if err != nil {
		return 0, err
	}
	l := &sequencer.Loader{Sequencer: s, Load: at, Outboxes: []string{s.Source.Table}}
	err = l.Run(ctx, func() (sequencer.Item, error) {
		rec, err := r.Next()
		return sequencer.Item{Row: uint64(rec.Row), Data: rec.Data}, err
	})
	if l.Load.Accepted != l.Load.Done || l.Load.Done == 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d records accepted", l.Load.Accepted, l.Load.Done))
	}
	return time.Since(begin), err
}
