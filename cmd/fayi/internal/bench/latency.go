package bench

import (
	"context"
	"database/sql"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"fayi/cmd/fayi/internal/demodata"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/federation"
	"fayi/gateway/store"
	"fayi/outbox"
)

// hops measures how long a record is on its way from the city's business transaction to the ministry, over the
// province, at 300 a second that come by chance; three nodes, each with a database of its own on the one server.
func hops(ctx context.Context, l *lab, r *Row) error {
	r.Ours.Name = "fayi, from commit to stored at the ministry, p99"
	db, err := l.server.Pid()
	if err != nil {
		return err
	}
	var commit, begin []time.Duration
	for range l.Rounds {
		s, err := l.build(ctx, ministry, province, city)
		if err != nil {
			return err
		}
		s.start(ctx)
		t := traffic{origin: s.Member(city), reader: s.Member(ministry), stream: stream, rate: 300, records: cases}
		if err = t.run(ctx, l.span(2*time.Second)); err == nil { // connections, directory, caches
			used, began := cpu(db), time.Now()
			err = l.profile("", func() error { return t.run(ctx, l.span(10*time.Second)) })
			r.Ours.also("% of a core a node, database included", (cpu(db)-used).Seconds()/time.Since(began).Seconds()/3*100)
		}
		s.close()
		if err != nil {
			return err
		}
		r.Ours.add(ms(percentile(t.commit, 99)))
		commit, begin = append(commit, t.commit...), append(begin, t.begin...)
		l.Progress("  第 99 百分位 %.1f 毫秒", "  p99 %.1f ms", ms(percentile(t.commit, 99)))
	}
	r.Ours.also("p50 ms", ms(percentile(commit, 50)))
	r.Ours.also("p90 ms", ms(percentile(commit, 90)))
	r.Ours.also("p99.9 ms", ms(percentile(commit, 99.9)))
	r.Ours.also("from BEGIN, p99 ms", ms(percentile(begin, 99)))
	r.Reached = r.Ours.Value <= 50 && r.Ours.Also["% of a core a node, database included"] <= 25
	return nil
}

// fairness measures an urgent record's way, a hotline ticket from the city's transaction to stored at the province, with
// nothing else going on and beside a load of ordinary records that fills the same outbox as fast as it takes them.
func fairness(ctx context.Context, l *lab, r *Row) error {
	r.Ours.Name = "fayi, urgent p99 during a load"
	idle := Measure{Name: "fayi, urgent p99 idle"}
	var ratios []float64
	for round := range l.Rounds {
		if err := l.fairOnce(ctx, uint64(round), r, &idle); err != nil {
			return err
		}
		k := len(idle.Runs) - 1
		ratios = append(ratios, r.Ours.Runs[k]/idle.Runs[k])
		l.Progress("  空闲 %.1f，装载中 %.1f 毫秒", "  idle %.1f, during the load %.1f ms", idle.Runs[k], r.Ours.Runs[k])
	}
	r.Others, r.Against = []Measure{idle}, idle.Name
	r.Ratio = round(median(ratios))
	r.Reached = r.Ratio <= 1.1 || r.Ours.Value <= 100
	return nil
}

func (l *lab) fairOnce(ctx context.Context, seed uint64, r *Row, idle *Measure) error {
	s, err := l.build(ctx, province, city)
	if err != nil {
		return err
	}
	defer s.close()
	s.start(ctx)
	t := traffic{origin: s.Member(city), reader: s.Member(province), stream: city + "/hotline_ticket/" + sign.Upstream, rate: 50, records: tickets}
	if err := t.run(ctx, l.span(2*time.Second)); err != nil {
		return err
	}
	if err := t.run(ctx, l.span(8*time.Second)); err != nil {
		return err
	}
	idle.add(ms(percentile(t.commit, 99)))
	idle.also("p50 ms", ms(percentile(t.commit, 50)))
	loading, stop := context.WithCancel(ctx)
	defer stop()
	type load struct {
		n   int
		err error
	}
	loaded := make(chan load, 1)
	began := time.Now()
	go func() {
		n, err := fill(loading, t.origin.Store, outbox.Table, until(loading, records(seed, 1_000_000)))
		loaded <- load{n, err}
	}()
	if err := t.run(ctx, l.span(12*time.Second)); err != nil {
		return err
	}
	stop()
	took := time.Since(began)
	got := <-loaded
	if got.err != nil && ctx.Err() == nil && loading.Err() == nil {
		return got.err
	}
	r.Ours.add(ms(percentile(t.commit, 99)))
	r.Ours.also("p50 ms", ms(percentile(t.commit, 50)))
	r.Ours.also("load records/s", float64(got.n)/took.Seconds())
	return nil
}

// until ends a sequence when ctx does.
func until(ctx context.Context, rs iter.Seq[seqRecord]) iter.Seq[seqRecord] {
	return func(yield func(seqRecord) bool) {
		for r := range rs {
			if ctx.Err() != nil || !yield(r) {
				return
			}
		}
	}
}

func tickets(n int) (out []seqRecord) {
	for rec := range demodata.Only("hotline_ticket", 1, n, 0) {
		out = append(out, rec)
	}
	return out
}

type seqRecord = demodata.Record

// cases are the benchmark's records as one after the other.
func cases(n int) (out []seqRecord) {
	for rec := range records(0, n) {
		out = append(out, rec)
	}
	return out
}

func each(rs []seqRecord) iter.Seq[seqRecord] {
	return func(yield func(seqRecord) bool) {
		for _, r := range rs {
			if !yield(r) {
				return
			}
		}
	}
}

// traffic publishes at random moments and watches a reader's copy of the stream.
type traffic struct {
	origin, reader *federation.Member
	stream         string
	rate           float64
	records        func(n int) []seqRecord

	commit, begin []time.Duration // of each record seen, from its commit or its BEGIN to the reader's commit

	sent sync.Map // key and version of a record → moments
	made bool
	from store.Pos
	used int
}

type moments struct{ begin, commit time.Time }

// run publishes for a while and waits until all of it was seen. Figures are of this run alone.
func (t *traffic) run(ctx context.Context, d time.Duration) error {
	db := t.origin.Store
	if !t.made {
		t.made = true
		if err := db.InTx(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS business (id BIGINT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(160)) ENGINE=InnoDB")
			return err
		}); err != nil {
			return err
		}
	}
	t.commit, t.begin = nil, nil
	n := int(t.rate * d.Seconds())
	all := t.records(t.used + n)[t.used:]
	t.used += n
	watch, stop := context.WithCancel(ctx)
	defer stop()
	seen := make(chan error, 1)
	go func() { seen <- t.watch(watch, len(all)) }()
	var wg sync.WaitGroup
	errs := make(chan error, len(all))
	room := make(chan struct{}, publishers)
	at := time.Now()
	for i := range all {
		at = at.Add(time.Duration(rand.ExpFloat64() / t.rate * float64(time.Second)))
		time.Sleep(time.Until(at))
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			if err := t.publish(ctx, &all[i]); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
	}
	return <-seen
}

func (t *traffic) publish(ctx context.Context, rec *seqRecord) error {
	m := &moments{begin: time.Now()}
	t.sent.Store(rec.Key+string(rec.Data), m)
	err := t.origin.Store.InTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO business (note) VALUES (?)", rec.Key); err != nil {
			return err
		}
		return outbox.Publish(ctx, tx, outbox.Record{Type: rec.Type, Key: rec.Key, Op: outbox.Put, Payload: rec.Data})
	})
	m.commit = time.Now()
	return err
}

// watch notes when records appear in the reader's copy, until it has seen n of those sent.
func (t *traffic) watch(ctx context.Context, n int) error {
	e := t.reader.Node.Engine()
	type arrival struct {
		m  *moments
		at time.Time
	}
	var arrivals []arrival
	deadline := time.Now().Add(5 * time.Minute)
	for len(arrivals) < n {
		version := e.Hub.Version()
		st, err := t.reader.Store.StreamByName(ctx, t.stream)
		if err == nil && st.Pos != t.from {
			now := time.Now()
			segs, err := t.reader.Store.SegmentsAfter(ctx, st.ID, t.from, 64, 8<<20)
			if err != nil {
				return err
			}
			for i := range segs {
				_, lines, err := e.Lines(&segs[i])
				if err != nil {
					return err
				}
				for _, raw := range lines {
					l, err := seal.ParseLine(raw)
					if err != nil {
						return err
					}
					if m, ok := t.sent.LoadAndDelete(l.Key + string(l.Data)); ok {
						arrivals = append(arrivals, arrival{m.(*moments), now})
					}
				}
				t.from = segs[i].End().Pos
			}
			continue
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return context.Cause(ctx)
		}
		wait, cancel := context.WithTimeout(ctx, time.Second)
		e.Hub.Wait(wait, version)
		cancel()
	}
	for _, a := range arrivals {
		t.commit = append(t.commit, max(0, a.at.Sub(a.m.commit)))
		t.begin = append(t.begin, a.at.Sub(a.m.begin))
	}
	return nil
}
