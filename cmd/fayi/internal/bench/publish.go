package bench

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
	"time"

	"fayi/cmd/fayi/internal/demodata"
	"fayi/gateway/store"
	"fayi/outbox"
)

const publishers = 16

// publish measures a business transaction, BEGIN, insert a business row, publish, COMMIT, over 16 connections, and the
// same transaction with a plain insert of the same bytes into a plain table instead.
func publish(ctx context.Context, l *lab, r *Row) error {
	r.Ours.Name = "fayi outbox.Publish"
	plain := Measure{Name: "plain insert"}
	others := l.others("watermill-sql", "oagudo/outbox")
	r.Against = plain.Name
	dsn, drop, err := l.database("publish")
	defer drop()
	if err != nil {
		return err
	}
	st, err := store.Open(ctx, outbox.MySQL, dsn)
	if err != nil {
		return err
	}
	defer st.Close()
	if _, err := st.Migrate(ctx); err != nil {
		return err
	}
	for _, q := range []string{
		"CREATE TABLE business (id BIGINT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(64)) ENGINE=InnoDB",
		"CREATE TABLE plain (id BIGINT AUTO_INCREMENT PRIMARY KEY, payload MEDIUMTEXT NOT NULL) ENGINE=InnoDB",
	} {
		if _, err := st.DB().ExecContext(ctx, q); err != nil {
			return err
		}
	}
	var rs []demodata.Record
	for rec := range records(0, 2000) {
		rs = append(rs, rec)
	}
	ours := func(tx *sql.Tx, rec *demodata.Record) error {
		return outbox.Publish(ctx, tx, outbox.Record{Type: rec.Type, Key: rec.Key, Op: outbox.Put, Payload: rec.Data})
	}
	bare := func(tx *sql.Tx, rec *demodata.Record) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO plain (payload) VALUES (?)", string(rec.Data))
		return err
	}
	slice := l.span(2 * time.Second)
	var lat []time.Duration
	for round := range 2*l.Rounds + 1 {
		a, al, err := transactions(ctx, st.DB(), rs, slice, ours)
		if err != nil {
			return err
		}
		b, _, err := transactions(ctx, st.DB(), rs, slice, bare)
		if err != nil {
			return err
		}
		if round == 0 {
			continue // the first of each warms the server up
		}
		r.Ours.add(a)
		plain.add(b)
		lat = append(lat, al...)
		l.Progress("  本程序 %.0f，普通插入 %.0f 事务/秒", "  fayi %.0f, plain %.0f transactions/s", a, b)
		if round%2 == 0 {
			for i := range others {
				l.peer(ctx, &others[i], "publish", 0, l.amount(8_000))
			}
		}
	}
	r.Ours.also("p50 ms", ms(percentile(lat, 50)))
	r.Ours.also("p99 ms", ms(percentile(lat, 99)))
	// Neighbouring slices share the machine's mood: the ratio is the median of theirs.
	var ratios []float64
	for i, v := range r.Ours.Runs {
		ratios = append(ratios, v/plain.Runs[i])
	}
	r.Others = append(others, plain)
	r.Ratio = round(median(ratios))
	r.Reached = r.Ratio >= 0.95
	return nil
}

// transactions runs business transactions for a while and returns how many there were a second, and how long each took.
func transactions(ctx context.Context, db *sql.DB, rs []demodata.Record, d time.Duration, insert func(*sql.Tx, *demodata.Record) error) (float64, []time.Duration, error) {
	var next, done atomic.Int64
	var mu sync.Mutex
	var all []time.Duration
	var failed error
	var wg sync.WaitGroup
	began := time.Now()
	for range publishers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var mine []time.Duration
			for time.Since(began) < d {
				rec := &rs[int(next.Add(1))%len(rs)]
				at := time.Now()
				err := func() error {
					tx, err := db.BeginTx(ctx, nil)
					if err != nil {
						return err
					}
					defer tx.Rollback()
					if _, err := tx.ExecContext(ctx, "INSERT INTO business (note) VALUES (?)", rec.Key); err != nil {
						return err
					}
					if err := insert(tx, rec); err != nil {
						return err
					}
					return tx.Commit()
				}()
				if err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				mine = append(mine, time.Since(at))
				done.Add(1)
			}
			mu.Lock()
			all = append(all, mine...)
			mu.Unlock()
		}()
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(began).Seconds(), all, failed
}
