package outbox

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"strings"
)

// Dialect names the SQL a database understands.
type Dialect string

// The dialects. MySQL stands for MySQL 5.7 and 8, MariaDB, TiDB and OceanBase (design §9).
const (
	MySQL  Dialect = "mysql"
	SQLite Dialect = "sqlite"
)

// Names of contract tables (design §10).
const (
	Table         = "exchange_outbox"
	RejectedTable = "exchange_rejected"
)

// Execer is the part of *sql.Tx that publishing needs; *sqlx.Tx and *sql.Conn have it too.
// With a *sql.DB it compiles, but the row is then no longer part of the business transaction.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Queryer is the part of *sql.DB and *sql.Tx that reading needs.
type Queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

//go:embed ddl/mysql.sql
var mysqlDDL string

//go:embed ddl/sqlite.sql
var sqliteDDL string

// Statements returns the statements that create the contract tables, in order, without final semicolons.
// Each may be executed again without harm. It returns nil for an unknown dialect.
func Statements(d Dialect) []string {
	switch d {
	case MySQL:
		return split(mysqlDDL)
	case SQLite:
		return split(sqliteDDL)
	}
	return nil
}

// SourceStatements returns the statements that create a further outbox table with the columns of exchange_outbox.
// By convention its name is exchange_outbox_<source> (design §5).
func SourceStatements(d Dialect, table string) ([]string, error) {
	if err := checkTable(d, table); err != nil {
		return nil, err
	}
	var out []string
	for _, s := range Statements(d) {
		if strings.Contains(s, Table+" (") {
			out = append(out, strings.ReplaceAll(s, Table, table))
		}
	}
	return out, nil
}

// Install creates the contract tables that are not there yet.
func Install(ctx context.Context, db Execer, d Dialect) error {
	if err := checkTable(d, Table); err != nil {
		return err
	}
	return execAll(ctx, db, Statements(d))
}

// InstallSource creates a further outbox table if it is not there yet. The name must match [a-z][a-z0-9_]{0,47}.
func InstallSource(ctx context.Context, db Execer, d Dialect, table string) error {
	stmts, err := SourceStatements(d, table)
	if err != nil {
		return err
	}
	return execAll(ctx, db, stmts)
}

func execAll(ctx context.Context, db Execer, stmts []string) error {
	for _, s := range stmts {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("outbox: install: %w", err)
		}
	}
	return nil
}

// checkTable guards every statement a table name is written into.
func checkTable(d Dialect, table string) error {
	if d != MySQL && d != SQLite {
		return fmt.Errorf("outbox: unknown dialect %q", d)
	}
	if !isName(table, 1, 48) {
		return fmt.Errorf("outbox: table name %q is not of the form [a-z][a-z0-9_]{0,47}", table)
	}
	return nil
}

// split cuts a DDL file at the semicolons that end a line, and drops the comment lines before a statement.
func split(ddl string) []string {
	var out []string
	for s := range strings.SplitSeq(ddl, ";\n") {
		lines := strings.Split(strings.TrimSpace(s), "\n")
		for len(lines) > 0 && (lines[0] == "" || strings.HasPrefix(lines[0], "--")) {
			lines = lines[1:]
		}
		if len(lines) > 0 {
			out = append(out, strings.Join(lines, "\n"))
		}
	}
	return out
}
