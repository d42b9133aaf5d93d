package triggers_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fayi/gateway/strictyaml"
	"fayi/outbox"
	"fayi/outbox/mariadbtest"
	"fayi/outbox/triggers"
	"fayi/schemas"

	_ "github.com/go-sql-driver/mysql"
)

// legacy is a database of a business system on a real server, with the outbox beside its tables.
type legacy struct {
	t    testing.TB
	srv  *mariadbtest.Server
	dsn  string
	db   *sql.DB
	conn *sql.Conn
	reg  *schemas.Registry
}

func newLegacy(t testing.TB, tables string) *legacy {
	t.Helper()
	l := &legacy{t: t, srv: mariadbtest.Start(t)}
	l.dsn = l.srv.Database(t)
	var err error
	// A business system's own session: not the node's settings, strict mode, repeatable read.
	dsn, _, _ := strings.Cut(l.dsn, "?")
	if l.db, err = sql.Open("mysql", dsn+"?charset=utf8mb4&interpolateParams=true"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.db.Close() })
	if l.conn, err = l.db.Conn(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.conn.Close() })
	if l.reg, err = schemas.Load(schemas.Embedded()); err != nil {
		t.Fatal(err)
	}
	l.srv.Client(t, l.dsn, strings.Join(outbox.Statements(outbox.MySQL), ";\n")+";")
	if tables != "" {
		l.srv.Client(t, l.dsn, "SET NAMES utf8mb4; SET sql_mode='';"+tables)
	}
	return l
}

func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// exec runs statements as the business would, with another character set if they begin with one.
func (l *legacy) exec(statements ...string) {
	l.t.Helper()
	for _, s := range statements {
		if _, err := l.db.ExecContext(l.t.Context(), s); err != nil {
			l.t.Fatalf("%s: %v", s, err)
		}
	}
}

func (l *legacy) catalog() *triggers.Catalog {
	l.t.Helper()
	c, err := triggers.ReadCatalog(l.t.Context(), l.conn, "")
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

func decode(t testing.TB, text string) *triggers.Map {
	t.Helper()
	m := &triggers.Map{}
	if err := strictyaml.Decode([]byte(text), m).Err("map"); err != nil {
		t.Fatal(err)
	}
	return m
}

func (l *legacy) types() []triggers.Type {
	var out []triggers.Type
	for _, name := range []string{"lawyer", "mediation_case", "hotline_ticket", "law_firm"} {
		t, _ := l.reg.Current(name)
		out = append(out, triggers.Type{Name: name, Key: t.KeyField(), Fields: members(t.Fields())})
	}
	return out
}

func members(fields []schemas.Field) (out []triggers.Member) {
	for _, f := range fields {
		m := triggers.Member{Name: f.Name, Title: f.Title, Kind: f.JSONType, Format: f.Format, Required: f.Required, Expected: f.Expected, Members: members(f.Fields)}
		for _, t := range f.Tables {
			for _, i := range t.Items {
				m.Codes = append(m.Codes, i.Code)
			}
		}
		out = append(out, m)
	}
	return out
}

func (l *legacy) check(m *triggers.Map) (*triggers.Plan, []triggers.Fault, []triggers.Fault) {
	cat := l.catalog()
	return triggers.Check(m, cat, l.types(), triggers.Target{Database: cat.Database, Table: outbox.Table, Types: []string{"*"}})
}

func (l *legacy) plan(text string) *triggers.Plan {
	l.t.Helper()
	p, faults, _ := l.check(decode(l.t, text))
	if len(faults) > 0 {
		l.t.Fatalf("faults: %+v", faults)
	}
	return p
}

func (l *legacy) install(text string) *triggers.Plan {
	l.t.Helper()
	if err := triggers.Apply(l.t.Context(), l.conn, l.plan(text).Changes()); err != nil {
		l.t.Fatal(err)
	}
	return l.plan(text)
}

type row struct{ Type, Key, Op, Payload string }

// take empties the outbox, in order of id.
func (l *legacy) take() (out []row) {
	l.t.Helper()
	rows, err := l.db.QueryContext(l.t.Context(), "SELECT record_type, CONVERT(record_key USING utf8mb4), op, COALESCE(payload, '') FROM exchange_outbox ORDER BY id")
	if err != nil {
		l.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.Type, &r.Key, &r.Op, &r.Payload); err != nil {
			l.t.Fatal(err)
		}
		out = append(out, r)
	}
	l.exec("DELETE FROM exchange_outbox")
	return out
}

// one is the only row there, a valid put of the key.
func (l *legacy) one(key string) map[string]any {
	l.t.Helper()
	rows := l.take()
	if len(rows) != 1 || rows[0].Key != key || rows[0].Op != "put" {
		l.t.Fatalf("outbox holds %v, want one put of %s", rows, key)
	}
	return l.valid(rows[0])
}

func (l *legacy) valid(r row) map[string]any {
	l.t.Helper()
	typ, _ := l.reg.Current(r.Type)
	if faults := typ.Validate([]byte(r.Payload)); len(faults) > 0 {
		l.t.Fatalf("invalid: %+v\n%s", faults, r.Payload)
	}
	var rec map[string]any
	if err := json.Unmarshal([]byte(r.Payload), &rec); err != nil {
		l.t.Fatal(err)
	}
	return rec
}

// gone wants exactly these deletions.
func (l *legacy) gone(keys ...string) {
	l.t.Helper()
	var got []string
	for _, r := range l.take() {
		if r.Op != "del" {
			l.t.Fatalf("%v is no del", r)
		}
		got = append(got, r.Key)
	}
	if !slices.Equal(got, keys) {
		l.t.Fatalf("deleted %v, want %v", got, keys)
	}
}

func (l *legacy) nothing() {
	l.t.Helper()
	if rows := l.take(); len(rows) > 0 {
		l.t.Fatalf("the outbox holds %v", rows)
	}
}

func same(t testing.TB, got map[string]any, want string) {
	t.Helper()
	var w map[string]any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if g, h := fmt.Sprint(got), fmt.Sprint(w); g != h {
		t.Fatalf("got  %s\nwant %s", g, h)
	}
}

// tx begins a transaction of another session, under an isolation level.
func (l *legacy) tx(level sql.IsolationLevel) *sql.Tx {
	l.t.Helper()
	tx, err := l.db.BeginTx(context.WithoutCancel(l.t.Context()), &sql.TxOptions{Isolation: level})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { tx.Rollback() })
	return tx
}
