package mariadbtest_test

import (
	"database/sql"
	"testing"

	_ "github.com/go-sql-driver/mysql"

	"fayi/outbox/mariadbtest"
)

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestDatabasesAreSeparate(t *testing.T) {
	s := mariadbtest.Start(t)
	if again := mariadbtest.Start(t); again != s {
		t.Error("two servers in one test binary")
	}
	one, two := s.Database(t), s.Database(t)
	s.Client(t, one, "CREATE TABLE a (v VARCHAR(9)); INSERT INTO a VALUES ('案件')")
	if got := s.Client(t, two, "SHOW TABLES"); got != "" {
		t.Errorf("second database has %q", got)
	}
	if got := s.Client(t, one, "SELECT v FROM a"); got != "案件\n" {
		t.Errorf("client printed %q", got)
	}
}

func TestSessionSettings(t *testing.T) {
	db := open(t, mariadbtest.Start(t).Database(t))
	var zone, charset, flush string
	if err := db.QueryRow("SELECT @@time_zone, @@character_set_client, @@innodb_flush_log_at_trx_commit").Scan(&zone, &charset, &flush); err != nil {
		t.Fatal(err)
	}
	if zone != "+00:00" || charset != "binary" || flush != "1" {
		t.Errorf("zone %s, charset %s, flush %s", zone, charset, flush)
	}
}

func TestCommitSurvivesKill(t *testing.T) {
	s := mariadbtest.Start(t)
	dsn := s.Database(t)
	s.Client(t, dsn, "CREATE TABLE a (v INT) ENGINE=InnoDB; INSERT INTO a VALUES (7)")
	s.Kill9(t)
	if err := open(t, dsn).Ping(); err == nil {
		t.Error("the server answers after Kill9")
	}
	s.Restart(t)
	if got := s.Client(t, dsn, "SELECT v FROM a"); got != "7\n" {
		t.Errorf("after restart: %q", got)
	}
}
