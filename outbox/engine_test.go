package outbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "modernc.org/sqlite"

	"fayi/outbox"
	"fayi/outbox/mariadbtest"
)

// engine is a fresh database with the contract tables.
type engine struct {
	d   outbox.Dialect
	dsn string
	db  *sql.DB
	// server is nil for SQLite.
	server *mariadbtest.Server
}

// each runs test on every database and kind of session the package promises to work with.
func each(t *testing.T, test func(t *testing.T, e engine)) {
	for name, open := range map[string]func(*testing.T) engine{"sqlite": sqlite, "mariadb": mariadb, "mariadb/business session": mariadbBusiness} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// mariadb is opened as the node opens it, with the strict mode that MySQL 8 has by default.
func mariadb(t *testing.T) engine {
	t.Helper()
	s := mariadbtest.Start(t)
	return openMariaDB(t, s, s.Database(t)+"&sql_mode=%27TRADITIONAL%27")
}

// mariadbBusiness is opened as business systems do: prepared statements, utf8mb4, another time zone, no time parsing.
func mariadbBusiness(t *testing.T) engine {
	t.Helper()
	s := mariadbtest.Start(t)
	base, _, _ := strings.Cut(s.Database(t), "?")
	return openMariaDB(t, s, base+"?charset=utf8mb4&time_zone=%27%2B08%3A00%27")
}

func openMariaDB(t *testing.T, s *mariadbtest.Server, dsn string) engine {
	t.Helper()
	e := engine{d: outbox.MySQL, dsn: dsn, db: open(t, "mysql", dsn), server: s}
	install(t, e)
	return e
}

func sqlite(t *testing.T) engine {
	t.Helper()
	dsn := "file:" + filepath.Join(t.TempDir(), "o.db") +
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(20000)&_txlock=immediate"
	e := engine{d: outbox.SQLite, dsn: dsn, db: open(t, "sqlite", dsn)}
	install(t, e)
	return e
}

func open(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func install(t *testing.T, e engine) {
	t.Helper()
	if err := outbox.Install(t.Context(), e.db, e.d); err != nil {
		t.Fatal(err)
	}
}

func (e engine) reader(t *testing.T) *outbox.Reader {
	t.Helper()
	r, err := outbox.NewReader(e.db, e.d, outbox.Table)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// read reads everything there is in one go.
func (e engine) read(t *testing.T) []outbox.Row {
	t.Helper()
	rows, more, err := e.reader(t).Read(t.Context(), outbox.Limit{Rows: 5000, Bytes: 1 << 30})
	if err != nil || more {
		t.Fatalf("read: more %t, %v", more, err)
	}
	return rows
}

func (e engine) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	if _, err := e.db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// inTx runs f in a transaction as the node does and commits if f succeeds.
func (e engine) inTx(t *testing.T, f func(context.Context, *sql.Tx) error) error {
	t.Helper()
	tx := e.begin(t)
	if err := f(t.Context(), tx); err != nil {
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		return err
	}
	return tx.Commit()
}

func (e engine) begin(t *testing.T) *sql.Tx {
	t.Helper()
	var opts sql.TxOptions
	if e.d == outbox.MySQL {
		opts.Isolation = sql.LevelReadCommitted
	}
	tx, err := e.db.BeginTx(t.Context(), &opts)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// publish commits one row a key.
func (e engine) publish(t *testing.T, keys ...string) {
	t.Helper()
	err := e.inTx(t, func(ctx context.Context, tx *sql.Tx) error {
		for _, k := range keys {
			if err := outbox.Publish(ctx, tx, outbox.Record{Type: "legal_aid_case", Key: k, Payload: []byte(`{"case_no":"` + k + `"}`)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (e engine) remove(t *testing.T, rows []outbox.Row) error {
	t.Helper()
	return e.inTx(t, func(ctx context.Context, tx *sql.Tx) error { return e.reader(t).Remove(ctx, tx, rows) })
}

// dump gives rows as text, cell types included, to compare what two clients wrote.
func (e engine) dump(t *testing.T, columns string) []string {
	t.Helper()
	var cells []string
	for c := range strings.SplitSeq(columns, " ") {
		if e.d == outbox.SQLite {
			cells = append(cells, "typeof("+c+")||':'||COALESCE(hex("+c+"),'')")
		} else {
			cells = append(cells, "COALESCE(HEX("+c+"),'null')")
		}
	}
	rs, err := e.db.QueryContext(t.Context(), "SELECT "+strings.Join(cells, ", ")+" FROM exchange_outbox ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rs.Close()
	var out []string
	for rs.Next() {
		row := make([]any, len(cells))
		for i := range row {
			row[i] = new(string)
		}
		if err := rs.Scan(row...); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, c := range row {
			fmt.Fprintf(&b, "%s|", *c.(*string))
		}
		out = append(out, b.String())
	}
	if err := rs.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func ids(rows []outbox.Row) []uint64 {
	out := make([]uint64, 0, len(rows))
	for _, r := range rows {
		out = append(out, r.ID)
	}
	return out
}
