package bench

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"fayi/gateway/store"
	"fayi/outbox"
)

// drain measures how fast a backlog leaves the outbox: from the start of the nodes until the reader's receipt for the
// last record is stored at the origin. Two nodes, the city and the province above it.
func drain(ctx context.Context, l *lab, r *Row) error {
	r.Ours.Name = "fayi"
	raw := Measure{Name: "raw read + POST, no acknowledgement"}
	others := l.others("watermill-sql", "oagudo/outbox", "river")
	r.Against = "watermill-sql"
	var nodes, server []float64
	for round := range l.Rounds {
		n := l.amount(100_000)
		v, used, err := l.drainOnce(ctx, uint64(round), n)
		if err != nil {
			return err
		}
		r.Ours.add(v)
		nodes, server = append(nodes, used[0]), append(server, used[1])
		l.Progress("  本程序 %.0f 条/秒", "  fayi %.0f records/s", v)
		if v, err = l.drainRaw(ctx, uint64(round), n); err != nil {
			return err
		}
		raw.add(v)
		for i := range others {
			l.peer(ctx, &others[i], "drain", uint64(round), l.amount(20_000))
		}
	}
	r.Others = append(others, raw)
	r.ratio()
	r.Ours.also("CPU µs/record, both nodes", median(nodes))
	r.Ours.also("CPU µs/record, mariadbd", median(server))
	r.Ours.also("CPU µs/record", median(nodes)+median(server))
	for _, o := range others {
		if c := o.Also["CPU µs/record"]; c > 0 { // what does not depend on what else the machine does
			r.Ours.also("by processor time, × "+o.Name, c/r.Ours.Also["CPU µs/record"])
		}
	}
	r.Reached = r.Ratio >= 5
	return nil
}

func (l *lab) drainOnce(ctx context.Context, round uint64, n int) (rate float64, used [2]float64, err error) {
	s, err := l.build(ctx, province, city)
	if err != nil {
		return 0, used, err
	}
	defer s.close()
	origin, reader := s.Member(city), s.Member(province)
	if _, err := fill(ctx, origin.Store, outbox.Table, records(round, n)); err != nil {
		return 0, used, err
	}
	pid, err := l.server.Pid()
	if err != nil {
		return 0, used, err
	}
	part := ""
	if round > 0 {
		part = fmt.Sprint("-", round)
	}
	err = l.profile(part, func() error {
		began, self, db := time.Now(), cpu(), cpuOf(pid)
		s.start(ctx)
		if err := await(ctx, reader.Store, stream, uint64(n), 5*time.Minute); err != nil {
			return err
		}
		if err := acked(ctx, origin.Store, stream, province, uint64(n), time.Minute); err != nil {
			return err
		}
		rate = float64(n) / time.Since(began).Seconds()
		used = [2]float64{(cpu() - self).Seconds() * 1e6 / float64(n), (cpuOf(pid) - db).Seconds() * 1e6 / float64(n)}
		return nil
	})
	if err != nil {
		return 0, used, err
	}
	return rate, used, s.drained(ctx, origin.Store, n)
}

// drained checks that the run did what it was timed for.
func (s *scene) drained(ctx context.Context, origin *store.Store, n int) error {
	var left int
	if err := origin.DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM "+outbox.Table).Scan(&left); err != nil {
		return err
	}
	ts, err := origin.Tallies(ctx)
	if err != nil {
		return err
	}
	for _, t := range ts {
		if t.Source == "main" && (left != 0 || t.Accepted != uint64(n)) {
			return fmt.Errorf("%d rows left, %d accepted, %d rejected, %d unchanged of %d", left, t.Accepted, t.Rejected, t.Unchanged, n)
		}
	}
	return nil
}

// drainRaw is what the database and HTTP allow: rows read by id, a thousand at a time, and POSTed; nothing is
// acknowledged, deleted or remembered.
func (l *lab) drainRaw(ctx context.Context, round uint64, n int) (float64, error) {
	dsn, drop, err := l.database("raw")
	defer drop()
	if err != nil {
		return 0, err
	}
	st, err := store.Open(ctx, outbox.MySQL, dsn)
	if err != nil {
		return 0, err
	}
	defer st.Close()
	if _, err := st.Migrate(ctx); err != nil {
		return 0, err
	}
	if _, err := fill(ctx, st, outbox.Table, records(round, n)); err != nil {
		return 0, err
	}
	var got atomic.Int64
	url, stop, err := sink(&got)
	if err != nil {
		return 0, err
	}
	defer stop()
	began := time.Now()
	var last uint64
	var id, payload sql.RawBytes
	for sent := 0; sent < n; {
		rows, err := st.DB().QueryContext(ctx, fmt.Sprintf("SELECT id, payload FROM %s WHERE id > %d ORDER BY id LIMIT 1000", outbox.Table, last))
		if err != nil {
			return 0, err
		}
		var body bytes.Buffer
		for rows.Next() {
			if err := rows.Scan(&id, &payload); err != nil {
				rows.Close()
				return 0, err
			}
			if _, err := fmt.Sscan(string(id), &last); err != nil {
				rows.Close()
				return 0, err
			}
			body.Write(payload)
			body.WriteByte('\n')
			sent++
		}
		if err := rows.Close(); err != nil {
			return 0, err
		}
		res, err := http.Post(url, "application/x-ndjson", &body)
		if err != nil {
			return 0, err
		}
		res.Body.Close()
	}
	if got.Load() != int64(n) {
		return 0, fmt.Errorf("the sink counted %d of %d", got.Load(), n)
	}
	return float64(n) / time.Since(began).Seconds(), nil
}

// sink counts the lines POSTed to it.
func sink(got *atomic.Int64) (url string, stop func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got.Add(int64(bytes.Count(body, []byte("\n"))))
	})}
	go srv.Serve(ln)
	return "http://" + ln.Addr().String(), func() { srv.Close() }, nil
}
