package store_test

import (
	"database/sql"
	"net"
	"strings"
	"testing"

	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/outbox/mariadbtest"

	"github.com/go-sql-driver/mysql"
)

// TestFailoverPassesOver: of the servers a data source name lists, one that does not answer and one that only reads are
// passed over; a statement that its server refuses afterwards goes to the next.
func TestFailoverPassesOver(t *testing.T) {
	srv := mariadbtest.Start(t)
	cfg, err := mysql.ParseDSN(srv.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	// Two ways to one server stand for two servers.
	var first, second wire
	at := func(dsn string) string { c, _ := mysql.ParseDSN(dsn); return c.Addr }
	direct := cfg.FormatDSN()
	one, two := at(first.start(t, direct)), at(second.start(t, direct))
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	dsn := "root@failover(" + strings.Join([]string{dead.Addr().String(), one, two}, ",") + ")/" + cfg.DBName
	s := open(t, outbox.MySQL, dsn)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The first goes away in the middle of a transaction, which is repeated over the second.
	first.cut.Store(&cut{trigger: []byte("fayi_remembered")})
	runs := 0
	err = s.InTx(t.Context(), func(tx *sql.Tx) error {
		runs++
		_, err := s.Remember(t.Context(), tx, store.Hash{1}, store.Hash{}, []byte("x"))
		return err
	})
	if err != nil || runs != 2 {
		t.Errorf("ran %d times, %v", runs, err)
	}
}

// TestFailoverLeavesReader: a server that turns read-only is left for the next one, and refused when a connection is made.
func TestFailoverLeavesReader(t *testing.T) {
	srv := mariadbtest.Start(t)
	cfg, err := mysql.ParseDSN(srv.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	srv.Client(t, cfg.FormatDSN(), "SET GLOBAL read_only=1")
	t.Cleanup(func() { srv.Client(t, cfg.FormatDSN(), "SET GLOBAL read_only=0") })
	var w wire
	only := func() string { c, _ := mysql.ParseDSN(w.start(t, cfg.FormatDSN())); return c.Addr }()
	_, err = store.Open(t.Context(), outbox.MySQL, "root@failover("+only+")/"+cfg.DBName)
	if err == nil || !strings.Contains(err.Error(), "read_only") {
		t.Errorf("opened a server that only reads: %v", err)
	}
}

func TestFailoverNamesServers(t *testing.T) {
	for _, dsn := range []string{"root@failover(nowhere)/fayi", "root@failover(127.0.0.1:1,)/fayi", "root@failover(" + strings.Repeat("h:1,", 20) + "h:1)/fayi"} {
		if _, err := store.Open(t.Context(), outbox.MySQL, dsn); err == nil {
			t.Errorf("opened %s", dsn)
		}
	}
}
