package store_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/outbox/mariadbtest"
)

// wire stands between the store and MariaDB and cuts connections at chosen packets.
type wire struct {
	server string // the server's socket
	cut    atomic.Pointer[cut]
}

// cut is what to do with the next packet from the client that contains trigger.
type cut struct {
	trigger []byte
	forward bool // let it reach the server, and drop the server's answer
	once    sync.Once
}

// start returns a data source name that leads through w to the server of dsn.
func (w *wire) start(t *testing.T, dsn string) string {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	w.server = cfg.Addr
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(client)
		}
	}()
	cfg.Net, cfg.Addr = "tcp", l.Addr().String()
	return cfg.FormatDSN()
}

func (w *wire) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", w.server)
	if err != nil {
		return
	}
	defer server.Close()
	var dropAnswer atomic.Bool
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		buf := make([]byte, 1<<16)
		for {
			n, err := server.Read(buf)
			if err != nil || dropAnswer.Load() {
				return
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 1<<20)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if c := w.cut.Load(); c != nil && bytes.Contains(buf[:n], c.trigger) {
			hit := false
			c.once.Do(func() { hit = true })
			if hit {
				if c.forward {
					dropAnswer.Store(true)
					_, _ = server.Write(buf[:n])
					<-answered // the server has done it
				}
				return
			}
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// TestConnectionDies cuts the connection inside a transaction, at COMMIT before the server sees it, and after it: only
// the first may be repeated, the other two are unknown and differ in what is found afterwards (review F39).
func TestConnectionDies(t *testing.T) {
	dsn := mariadbtest.Start(t).Database(t)
	direct := open(t, outbox.MySQL, dsn)
	if _, err := direct.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var w wire
	s := open(t, outbox.MySQL, w.start(t, dsn))
	for i, x := range []struct {
		name    string
		cut     *cut
		unknown bool
		runs    int
		there   bool
	}{
		{"not at all", nil, false, 1, true},
		{"inside the transaction", &cut{trigger: []byte("fayi_remembered")}, false, 2, true},
		{"COMMIT does not arrive", &cut{trigger: []byte("\x03COMMIT")}, true, 1, false},
		{"the answer to COMMIT is lost", &cut{trigger: []byte("\x03COMMIT"), forward: true}, true, 1, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			w.cut.Store(x.cut)
			runs := 0
			remember := func(s *store.Store) (existing []byte, err error) {
				err = s.InTx(t.Context(), func(tx *sql.Tx) (err error) {
					runs++
					existing, err = s.Remember(t.Context(), tx, store.Hash{byte(i)}, store.Hash{}, []byte("x"))
					return err
				})
				return existing, err
			}
			_, err := remember(s)
			if errors.Is(err, store.ErrOutcomeUnknown) != x.unknown || (err != nil) != x.unknown {
				t.Errorf("error %v", err)
			}
			if runs != x.runs {
				t.Errorf("the transaction ran %d times, want %d", runs, x.runs)
			}
			existing, err := remember(direct)
			if err != nil || (existing != nil) != x.there {
				t.Errorf("found afterwards: %q, %v", existing, err)
			}
		})
	}
}

// TestKilledByServer: an administrator's KILL inside a transaction is repeated like any dead connection.
func TestKilledByServer(t *testing.T) {
	s := openMariaDB(t)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	runs := 0
	err := s.InTx(t.Context(), func(tx *sql.Tx) error {
		var id int64
		if err := tx.QueryRow("SELECT CONNECTION_ID()").Scan(&id); err != nil {
			return err
		}
		if runs++; runs == 1 {
			if _, err := s.DB().Exec(fmt.Sprint("KILL ", id)); err != nil {
				return err
			}
		}
		_, err := s.Remember(t.Context(), tx, store.Hash{}, store.Hash{}, nil)
		return err
	})
	if err != nil || runs != 2 {
		t.Errorf("%d runs, %v", runs, err)
	}
}

// TestSessionSettings: whatever the data source name says, the session is what the store rests on.
func TestSessionSettings(t *testing.T) {
	dsn := mariadbtest.Start(t).Database(t)
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Params = map[string]string{"time_zone": "'+08:00'", "sql_mode": "''"}
	cfg.ParseTime, cfg.ClientFoundRows, cfg.MultiStatements = false, false, true
	if err := cfg.Apply(mysql.Charset("utf8mb4", "utf8mb4_general_ci")); err != nil {
		t.Fatal(err)
	}
	s := open(t, outbox.MySQL, cfg.FormatDSN())
	var charset, zone, mode string
	err = s.DB().QueryRow("SELECT @@character_set_client, @@time_zone, @@sql_mode").Scan(&charset, &zone, &mode)
	if err != nil || charset != "binary" || zone != "+00:00" || !strings.Contains(mode, "STRICT_ALL_TABLES") {
		t.Errorf("character set %s, time zone %s, mode %s, %v", charset, zone, mode, err)
	}
	if _, err := s.DB().Exec("SELECT 1; SELECT 2"); err == nil {
		t.Error("several statements in one are let through")
	}
}

// TestReadCommitted: a transaction sees what others committed after it began; under the server's default it would not.
func TestReadCommitted(t *testing.T) {
	s := openMariaDB(t)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := s.InTx(t.Context(), func(tx *sql.Tx) error {
		var before, after int
		if err := tx.QueryRow("SELECT COUNT(*) FROM fayi_event").Scan(&before); err != nil {
			return err
		}
		if err := s.AddEvent(t.Context(), store.Event{Code: "ELSEWHERE"}); err != nil {
			return err
		}
		err := tx.QueryRow("SELECT COUNT(*) FROM fayi_event").Scan(&after)
		if after != before+1 {
			t.Errorf("%d events, then %d", before, after)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDurabilityIsChecked(t *testing.T) {
	s := openMariaDB(t)
	if got := store.Faults(s.Checks(t.Context())); len(got) != 0 {
		t.Fatalf("before: %v", got)
	}
	set := func(v int) {
		if _, err := s.DB().Exec(fmt.Sprint("SET GLOBAL innodb_flush_log_at_trx_commit=", v)); err != nil {
			t.Fatal(err)
		}
	}
	set(2)
	defer set(1)
	if got := store.Faults(s.Checks(t.Context())); len(got) != 1 || got[0].Code != "DB_FLUSH" || got[0].Zh != "innodb_flush_log_at_trx_commit 为 2" {
		t.Errorf("%v", got)
	}
}

// TestTablesWithoutTransactions: a table that somebody altered to an engine without transactions is a fault.
func TestTablesWithoutTransactions(t *testing.T) {
	s := openMariaDB(t)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DB().Exec("ALTER TABLE fayi_event ENGINE=MyISAM"); err != nil {
		t.Fatal(err)
	}
	got := store.Faults(s.Checks(t.Context()))
	if len(got) != 1 || got[0].Code != "DB_TABLES" || !strings.Contains(got[0].En, "fayi_event=MyISAM") {
		t.Errorf("%v", got)
	}
}

func TestCreateDatabase(t *testing.T) {
	ctx := t.Context()
	dsn := mariadbtest.Start(t).Database(t)
	for _, bad := range []string{"", "1a", "A", "a`b", "a-b", "a b", strings.Repeat("a", 49), "a;drop"} {
		if _, err := store.CreateDatabase(ctx, dsn, bad); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for range 2 { // the second time it is there
		made, err := store.CreateDatabase(ctx, dsn, "fayi_610800")
		if err != nil {
			t.Fatal(err)
		}
		s := open(t, outbox.MySQL, made)
		if _, err := s.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		var name string
		if err := s.DB().QueryRow("SELECT DATABASE()").Scan(&name); err != nil || name != "fayi_610800" {
			t.Errorf("database %q, %v", name, err)
		}
	}
}

// TestSmallPackets: MySQL 5.7's default max_allowed_packet is 4 MiB; an append of many full segments stays below it,
// escaping included (review F26).
func TestSmallPackets(t *testing.T) {
	dsn := mariadbtest.Start(t).Database(t)
	admin := open(t, outbox.MySQL, dsn)
	var before int64
	if err := admin.DB().QueryRow("SELECT @@GLOBAL.max_allowed_packet").Scan(&before); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.DB().Exec("SET GLOBAL max_allowed_packet=4194304"); err != nil {
		t.Fatal(err)
	}
	defer admin.DB().Exec(fmt.Sprint("SET GLOBAL max_allowed_packet=", before))
	s := open(t, outbox.MySQL, dsn)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	st, err := s.EnsureStream(t.Context(), "610800/lawyer/upstream")
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte(`\'`), 300<<10) // every byte is escaped: 1.2 MiB on the wire
	a := store.Append{Stream: st.ID}
	var prev store.Hash
	for i := range 8 {
		h := store.Hash{byte(i + 1)}
		a.Segments = append(a.Segments, store.Segment{Stream: st.ID, Gen: 1, First: uint64(i + 1), Count: 1, Hash: h, Prev: prev, Body: body})
		prev = h
	}
	if err := s.Append(t.Context(), []store.Append{a}, nil); err != nil {
		t.Fatal(err)
	}
	segs, err := s.SegmentsAfter(t.Context(), st.ID, store.Pos{}, 100, 1<<30)
	if err != nil || len(segs) != 8 {
		t.Fatal(len(segs), err)
	}
	for _, g := range segs {
		if !bytes.Equal(g.Body, body) {
			t.Error("a body came back changed")
		}
	}
}

// A process that stops in the middle of a transaction keeps its locks only until
// the server ends what is idle: another goes on, and what the sleeper had begun
// is not half there when it wakes.
func TestStoppedTransactionGivesUpItsLocks(t *testing.T) {
	t.Parallel()
	dsn := mariadbtest.Start(t).Database(t)
	sleeper, other := open(t, outbox.MySQL, dsn), open(t, outbox.MySQL, dsn)
	if _, err := sleeper.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	add := func(n int) func(tx *sql.Tx) error {
		return func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), "INSERT INTO fayi_lease (name,owner,beat) VALUES ('x','',?) ON DUPLICATE KEY UPDATE beat=beat+VALUES(beat)", n)
			return err
		}
	}
	if err := sleeper.InTx(t.Context(), add(1)); err != nil {
		t.Fatal(err)
	}
	locked, woken, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	attempts := 0
	go func() {
		ended <- sleeper.InTx(t.Context(), func(tx *sql.Tx) error {
			if err := add(10)(tx); err != nil {
				return err
			}
			if attempts++; attempts == 1 {
				close(locked)
				<-woken
			}
			return nil
		})
	}()
	<-locked
	began := time.Now()
	if err := other.InTx(t.Context(), add(100)); err != nil {
		t.Fatal(err)
	}
	t.Logf("the other went on after %v", time.Since(began))
	close(woken)
	err := <-ended
	var beat int
	if serr := other.DB().QueryRowContext(t.Context(), "SELECT beat FROM fayi_lease WHERE name='x'").Scan(&beat); serr != nil {
		t.Fatal(serr)
	}
	want := 101 // it was told that its outcome is unknown, and it is not there
	if err == nil {
		want = 111 // it was repeated as a whole
	}
	if beat != want {
		t.Errorf("%d, want %d after %v", beat, want, err)
	}
}

// The node's sessions run at READ COMMITTED and leave out of the binary log what no replica needs, if the server grants
// it; a user without the right works all the same, and is told.
func TestSessions(t *testing.T) {
	t.Parallel()
	dsn := mariadbtest.Start(t).Database(t)
	root := open(t, outbox.MySQL, dsn)
	user, _ := mysql.ParseDSN(dsn)
	user.User = "lean_" + user.DBName
	for _, q := range []string{"CREATE USER '" + user.User + "'@'%'", "GRANT ALL ON `" + user.DBName + "`.* TO '" + user.User + "'@'%'"} {
		if _, err := root.DB().Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _, _ = root.DB().Exec("DROP USER '" + user.User + "'@'%'") })
	for _, c := range []struct {
		name     string
		s        *store.Store
		image    string
		annotate int
	}{{"granted", root, "MINIMAL", 0}, {"refused", open(t, outbox.MySQL, user.FormatDSN()), "FULL", 1}} {
		var isolation, image string
		var annotate int
		err := c.s.DB().QueryRow("SELECT @@tx_isolation, @@binlog_row_image, @@binlog_annotate_row_events").Scan(&isolation, &image, &annotate)
		if err != nil || isolation != "READ-COMMITTED" || image != c.image || annotate != c.annotate {
			t.Errorf("%s: %s, %s, %d, %v", c.name, isolation, image, annotate, err)
		}
		for _, ch := range c.s.Checks(t.Context()) {
			if ch.Code == "DB_ISOLATION" && ch.Level != store.CheckOK || ch.Code == "DB_ROW_IMAGE" && (ch.Level == store.CheckOK) != (c.image == "MINIMAL") {
				t.Errorf("%s: %+v", c.name, ch)
			}
		}
	}
}
