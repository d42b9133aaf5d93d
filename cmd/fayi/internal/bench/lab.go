package bench

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"fayi/cmd/fayi/internal/demodata"
	"fayi/crypto/sign"
	"fayi/gateway"
	"fayi/gateway/federation"
	"fayi/gateway/join"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/outbox/mariadbd"
)

// lab is what all rows share: one database server, one folder, and numbers for names.
type lab struct {
	Options
	server *mariadbd.Server
	dir    string
	row    string // being measured
	scenes int
}

func newLab(o Options) (*lab, error) {
	l := &lab{Options: o}
	var err error
	if l.dir, err = os.MkdirTemp("", "fayi-bench-"); err != nil {
		return nil, err
	}
	if l.server, err = mariadbd.Launch(mariadbd.Durable()...); err != nil {
		os.RemoveAll(l.dir)
		return nil, err
	}
	return l, nil
}

func (l *lab) close() {
	_ = l.server.Remove()
	_ = os.RemoveAll(l.dir)
}

// amount scales a number of records or seconds.
func (l *lab) amount(n int) int { return max(1, int(float64(n)*l.Scale)) }

// span scales a time, never beyond itself.
func (l *lab) span(d time.Duration) time.Duration { return time.Duration(float64(d) * min(1, l.Scale)) }

// database makes an empty one; drop throws it away.
func (l *lab) database(name string) (dsn string, drop func(), err error) {
	l.scenes++
	name = fmt.Sprintf("b%d_%s", l.scenes, name)
	dsn, err = l.server.CreateDatabase(name)
	return dsn, func() { _ = l.server.DropDatabase(name) }, err
}

// The nodes of a scene, in the order they are built.
const (
	ministry = "100000"
	province = "610000"
	city     = "610800"
)

var specs = map[string]federation.Spec{
	ministry: {ID: ministry, Name: sign.Names{Zh: "司法部", En: "Ministry of Justice"}, Role: join.Ministry},
	province: {ID: province, Parent: ministry, Name: sign.Names{Zh: "陕西省司法厅", En: "Shaanxi"}, Role: join.Province},
	city:     {ID: city, Parent: province, Name: sign.Names{Zh: "榆林市司法局", En: "Yulin"}, Role: join.City},
}

// scene is a few nodes on databases of their own.
type scene struct {
	*federation.Federation
	plan  plan
	drops []func()
	stop  context.CancelFunc
	ended chan error
}

// build makes nodes, each under the one before. It starts none.
func (l *lab) build(ctx context.Context, ids ...string) (*scene, error) {
	s := &scene{plan: plan{Dir: filepath.Join(l.dir, fmt.Sprintf("scene%d", l.scenes)), Nodes: ids, DSN: map[string]string{}}}
	if l.Profile != "" {
		if err := os.MkdirAll(l.Profile, 0o755); err != nil {
			return nil, err
		}
		s.plan.Profile = filepath.Join(l.Profile, fmt.Sprintf("%s-nodes-%d.pprof", l.row, l.scenes))
	}
	for _, id := range ids {
		dsn, drop, err := l.database(id)
		s.drops = append(s.drops, drop)
		if err != nil {
			s.close()
			return nil, err
		}
		s.plan.DSN[id] = dsn
	}
	var err error
	if s.Federation, err = s.plan.build(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// plan is what nodes are built from, in this process or another.
type plan struct {
	Dir   string            // of keys and journals
	Nodes []string          // each under the one before
	DSN   map[string]string // of each node's database
	Run   []string          // which of them a process of their own runs
	// Profile is the file for that process's CPU profile; "" for none.
	Profile string
}

func (p plan) build(ctx context.Context) (*federation.Federation, error) {
	var list []federation.Spec
	for i, id := range p.Nodes {
		spec := specs[id]
		if i == 0 {
			spec.Parent = ""
		}
		list = append(list, spec)
	}
	return federation.Build(ctx, federation.Options{
		Dir: p.Dir, Specs: list, Driver: outbox.MySQL, Log: discard(),
		DSN: func(_ context.Context, id string) (string, error) { return p.DSN[id], nil },
		Adjust: func(c *gateway.Config) {
			c.Inbox = nil // a row's work ends where the record is stored
			// The brakes count as ever, but three updates in ten are what the benchmark is about.
			c.Brakes = sequencer.Brakes{Floor: 1000, DeletePercent: 50, ChangePercent: 100, Window: time.Hour}
		},
	})
}

// start runs the scene's nodes.
func (s *scene) start(ctx context.Context) {
	ctx, s.stop = context.WithCancel(ctx)
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.Run(ctx) }()
}

func (s *scene) halt() error {
	if s.stop == nil {
		return nil
	}
	s.stop()
	s.stop = nil
	return <-s.ended
}

func (s *scene) close() {
	_ = s.halt()
	if s.Federation != nil {
		_ = s.Federation.Close()
	}
	for _, drop := range s.drops {
		drop()
	}
	_ = os.RemoveAll(s.plan.Dir)
}

// records are the benchmark's, the same for everybody.
func records(seed uint64, n int) iter.Seq[demodata.Record] { return demodata.Cases(seed, n, 30) }

// fill puts rows into an outbox table, in transactions of 500.
func fill(ctx context.Context, st *store.Store, table string, rs iter.Seq[demodata.Record]) (n int, err error) {
	const chunk = 500
	var args []any
	flush := func() error {
		if len(args) == 0 {
			return nil
		}
		err := st.InTx(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO "+table+" (record_type,record_key,op,payload) VALUES (?,?,?,?)"+
				strings.Repeat(",(?,?,?,?)", len(args)/4-1), args...)
			return err
		})
		args = args[:0]
		return err
	}
	for r := range rs {
		args = append(args, r.Type, []byte(r.Key), r.Op, string(r.Data))
		if n++; len(args) == 4*chunk {
			if err := flush(); err != nil {
				return n, err
			}
		}
	}
	return n, flush()
}

// stream is the stream of the benchmark's records that the city publishes.
const stream = city + "/legal_aid_case/" + sign.Upstream

// await waits until a node's copy of a stream ends at seq, by looking every few milliseconds.
func await(ctx context.Context, st *store.Store, name string, seq uint64, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for {
		s, err := st.StreamByName(ctx, name)
		if err == nil && s.Seq >= seq {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s ends at %d instead of %d after %v", name, s.Seq, seq, limit)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// acked waits until a reader's stored receipt covers a stream up to seq.
func acked(ctx context.Context, st *store.Store, name, reader string, seq uint64, limit time.Duration) error {
	s, err := st.StreamByName(ctx, name)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(limit)
	for {
		acks, err := st.Acks(ctx, s.ID)
		if err != nil {
			return err
		}
		for _, a := range acks {
			if a.Reader == reader && a.N >= seq {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s did not acknowledge %s up to %d within %v", reader, name, seq, limit)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// profile runs f under the CPU profiler if that was asked for; part tells several of a row apart.
func (l *lab) profile(part string, f func() error) error {
	if l.Profile == "" {
		return f()
	}
	if err := os.MkdirAll(l.Profile, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(l.Profile, l.row+part+".pprof"))
	if err != nil {
		return err
	}
	defer file.Close()
	runtime.GC()
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}
