package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"modernc.org/sqlite"

	"fayi/outbox"
)

// dialect is everything in which the two families differ, besides their migrations.
type dialect struct {
	kind outbox.Dialect
	tx   *sql.TxOptions
	// forUpdate ends a SELECT whose rows the transaction goes on to change. SQLite has the whole file locked already.
	forUpdate string
	// insertIgnore inserts rows whose key is not there yet and counts only those.
	insertIgnore string
	// ascii is the placeholder for a text column of a contract table. On a connection of character set binary a bare
	// literal is a binary string; MariaDB 10.11 finds the row by key all the same, others may convert the column and
	// read the whole table [INFER], so the literal is made what the column is.
	ascii string
}

var mysqlDialect = dialect{
	kind:         outbox.MySQL,
	tx:           &sql.TxOptions{}, // READ COMMITTED, as the session is
	forUpdate:    " FOR UPDATE",
	insertIgnore: "INSERT IGNORE INTO ",
	ascii:        "CONVERT(? USING ascii)",
}

var sqliteDialect = dialect{
	kind:         outbox.SQLite,
	tx:           &sql.TxOptions{},
	insertIgnore: "INSERT OR IGNORE INTO ",
	ascii:        "?",
}

// upsert is the end of an INSERT into columns cols that replaces the row with the same keys. With version, a column
// among cols, only by a row whose version is higher. Several rows of one statement act one after the other.
func (d dialect) upsert(keys, cols []string, version string) string {
	var b strings.Builder
	if d.kind == outbox.MySQL {
		// Assignments act from left to right, so the version comes last. VALUES() is what 5.7, MariaDB and TiDB share.
		b.WriteString(" ON DUPLICATE KEY UPDATE ")
		for i, c := range cols {
			if i > 0 {
				b.WriteString(", ")
			}
			if version == "" {
				fmt.Fprintf(&b, "%s=VALUES(%s)", c, c)
			} else {
				fmt.Fprintf(&b, "%[1]s=IF(VALUES(%[2]s)>%[2]s,VALUES(%[1]s),%[1]s)", c, version)
			}
		}
		return b.String()
	}
	fmt.Fprintf(&b, " ON CONFLICT(%s) DO UPDATE SET ", strings.Join(keys, ","))
	for i, c := range cols {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%[1]s=excluded.%[1]s", c)
	}
	if version != "" {
		fmt.Fprintf(&b, " WHERE excluded.%[1]s>%[1]s", version)
	}
	return b.String()
}

// add is the end of an INSERT that adds to the counters cols of the row with the same keys.
func (d dialect) add(keys []string, cols ...string) string {
	form, tail := "%[1]s=%[1]s+VALUES(%[1]s)", " ON DUPLICATE KEY UPDATE "
	if d.kind == outbox.SQLite {
		form, tail = "%[1]s=%[1]s+excluded.%[1]s", " ON CONFLICT("+strings.Join(keys, ",")+") DO UPDATE SET "
	}
	set := make([]string, len(cols))
	for i, c := range cols {
		set[i] = fmt.Sprintf(form, c)
	}
	return tail + strings.Join(set, ", ")
}

// Bounds of TIMESTAMP on engines where it has 32 bits.
var (
	firstTimestamp = time.Unix(1, 0)
	lastTimestamp  = time.Date(2038, 1, 19, 3, 14, 7, 0, time.UTC)
)

// timestamp is a time for a TIMESTAMP column of a contract table. A line's `at` is the origin's claim and may be any
// date; one the column cannot hold is moved to the nearest it can, since an error would stop the stream.
func (d dialect) timestamp(t time.Time) any {
	if d.kind == outbox.SQLite {
		return t.UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	if t.Before(firstTimestamp) {
		t = firstTimestamp
	}
	if t.After(lastTimestamp) {
		t = lastTimestamp
	}
	return t.UTC()
}

// contractKey is a record key for a contract table: VARBINARY on MySQL; on SQLite text, as its clients write and
// compare it (a TEXT and a BLOB of the same bytes are two keys there).
func (d dialect) contractKey(key []byte) any {
	if d.kind == outbox.SQLite {
		return string(key)
	}
	return blob(key)
}

// ---- opening

const (
	dialTimeout = 5 * time.Second
	// ioTimeout lies above the server's usual lock wait of 50 s, so that waiting for a lock ends as error 1205, which
	// is repeated, and not as a dead connection, whose outcome may be unknown.
	ioTimeout = 60 * time.Second
	poolSize  = 16

	// strictMode refuses what would otherwise be cut off or replaced silently. It sets neither ANSI_QUOTES nor
	// NO_BACKSLASH_ESCAPES, under which statements read differently.
	strictMode = "'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"

	// A process that is stopped in the middle of a transaction (SIGSTOP, a paused virtual machine, a dead host whose
	// connections stay open) would keep its row locks until it wakes. The server ends such a transaction: MariaDB after
	// two seconds without a statement, whatever else closes connections without one after waitTimeout.
	mariadbOnly = " /*M!100300 , idle_transaction_timeout = 2 */"
	waitTimeout = 10 * time.Second
)

func mysqlConfig(dsn string) (*mysql.Config, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("%w: data source name: %w", ErrInvalid, err)
	}
	cfg.ParseTime = true
	cfg.Loc = time.UTC
	cfg.InterpolateParams = true // one round trip a statement
	cfg.ClientFoundRows = true   // an UPDATE counts the rows it met, as SQLite does: compare-and-set rests on it
	cfg.RejectReadOnly = true    // after a failover a read-only server is left at once
	cfg.MultiStatements = false
	cfg.AllowAllFiles = false
	cfg.Logger = &mysql.NopLogger{} // every error it would print is returned as well
	cfg.Timeout = orDefault(cfg.Timeout, dialTimeout)
	cfg.ReadTimeout = orDefault(cfg.ReadTimeout, ioTimeout)
	cfg.WriteTimeout = orDefault(cfg.WriteTimeout, ioTimeout)
	if err := cfg.Apply(mysql.Charset("binary", "")); err != nil {
		return nil, err
	}
	if cfg.Params == nil {
		cfg.Params = map[string]string{}
	}
	cfg.Params["time_zone"] = "'+00:00'"
	cfg.Params["sql_mode"] = strictMode + mariadbOnly
	cfg.Params["wait_timeout"] = strconv.Itoa(int(waitTimeout / time.Second))
	return cfg, nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

func (s *Store) openMySQL(dsn string) error {
	cfg, err := mysqlConfig(dsn)
	if err != nil {
		return err
	}
	if cfg.DBName == "" {
		return fmt.Errorf("%w: the data source name has no database", ErrInvalid)
	}
	c, err := connector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(poolSize)
	db.SetMaxIdleConns(poolSize)
	db.SetConnMaxLifetime(5 * time.Minute) // so that load returns to a server that came back
	db.SetConnMaxIdleTime(waitTimeout / 2) // before the server closes it
	s.d, s.dsn, s.write, s.read = mysqlDialect, dsn, db, db
	return nil
}

func (s *Store) openSQLite(ctx context.Context, dsn string) error {
	path := strings.TrimPrefix(dsn, "file:")
	if path == "" || strings.Contains(path, ":memory:") || strings.ContainsRune(path, '?') {
		return fmt.Errorf("%w: SQLite needs the path of a file, without parameters", ErrInvalid)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	base := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_busy_timeout=10000&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
	s.d, s.dsn = sqliteDialect, base+"&_txlock=immediate"
	if s.write, err = sql.Open("sqlite", s.dsn); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if err := s.write.PingContext(ctx); err != nil { // makes the file a WAL database before readers come
		return err
	}
	if s.read, err = sql.Open("sqlite", base+"&_pragma=query_only(1)"); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(8)
	s.read.SetMaxIdleConns(8)
	return nil
}

// ownerDB opens a connection for migrations: changing a large table may take longer than any timeout of the pool.
func (s *Store) ownerDB() (*sql.DB, error) {
	if s.d.kind == outbox.SQLite {
		db, err := sql.Open("sqlite", s.dsn)
		if err == nil {
			db.SetMaxOpenConns(1)
		}
		return db, err
	}
	cfg, err := mysqlConfig(s.dsn)
	if err != nil {
		return nil, err
	}
	cfg.ReadTimeout, cfg.WriteTimeout = 0, 0
	cfg.Params["sql_mode"] = strictMode
	delete(cfg.Params, "wait_timeout")
	c, err := connector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c), nil
}

var databaseName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)

// CreateDatabase makes a MySQL database for a node, if it is not there, and returns dsn with it as the database. The
// name is 1–48 of a–z, 0–9 and _, beginning with a letter; the user of dsn needs the right to create it.
func CreateDatabase(ctx context.Context, dsn, name string) (string, error) {
	if !databaseName.MatchString(name) {
		return "", fmt.Errorf("%w: database name %q", ErrInvalid, name)
	}
	cfg, err := mysqlConfig(dsn)
	if err != nil {
		return "", err
	}
	cfg.DBName = ""
	c, err := connector(cfg)
	if err != nil {
		return "", err
	}
	db := sql.OpenDB(c)
	defer db.Close()
	if _, err := db.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS `"+name+"` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"); err != nil {
		return "", fmt.Errorf("create database %s: %w", name, err)
	}
	out, err := mysql.ParseDSN(dsn)
	if err != nil {
		return "", err
	}
	out.DBName = name
	return out.FormatDSN(), nil
}

// ---- errors

// class says what a failed transaction may do next (outbox.md §5, retry table).
type class int

const (
	final     class = iota // the statement is wrong or refused: repeating changes nothing
	repeat                 // the database rolled back a conflict: repeat the whole transaction
	reconnect              // this connection or server is of no use: take another, then repeat
)

// errNotReady is how a Galera server outside the majority refuses a statement, without executing it.
const errNotReady = 1047

var mysqlClass = map[uint16]class{
	1213: repeat, // deadlock, or Galera certification
	1205: repeat, // lock wait timeout: rolls back the statement only, the transaction is rolled back here
	1020: repeat, // row changed since read
	8002: repeat, // TiDB: write conflict under SELECT FOR UPDATE
	8022: repeat, // TiDB: commit failed, rolled back
	9007: repeat, // TiDB: write conflict

	errNotReady: reconnect,
	1290:        reconnect, // read-only server; these three the driver turns into ErrBadConn (RejectReadOnly)
	1792:        reconnect,
	1836:        reconnect,
	1053:        reconnect, // shutdown in progress
	1040:        reconnect, // too many connections
	1203:        reconnect,
	2006:        reconnect, // server gone; these two are client codes that proxies pass on
	2013:        reconnect,
	9001:        reconnect, // TiDB: PD timeout
	9002:        reconnect, // TiDB: TiKV timeout
	9005:        reconnect, // TiDB: region unavailable
}

const (
	sqliteBusy   = 5 // with its extended codes, BUSY_SNAPSHOT (517) among them
	sqliteLocked = 6
)

func classify(err error) class {
	var me *mysql.MySQLError
	if errors.As(err, &me) {
		return mysqlClass[me.Number]
	}
	var se *sqlite.Error
	if errors.As(err, &se) {
		if c := se.Code() & 0xff; c == sqliteBusy || c == sqliteLocked {
			return repeat
		}
		return final
	}
	if isConnectionError(err) {
		return reconnect
	}
	return final
}

// isDuplicate reports whether err is a violated primary or unique key.
func isDuplicate(err error) bool {
	var me *mysql.MySQLError
	if errors.As(err, &me) {
		return me.Number == 1062
	}
	var se *sqlite.Error
	return errors.As(err, &se) && (se.Code() == 1555 || se.Code() == 2067)
}

// isNoTable reports whether err is a table that does not exist.
func isNoTable(err error) bool {
	var me *mysql.MySQLError
	if errors.As(err, &me) {
		return me.Number == 1146
	}
	var se *sqlite.Error
	return errors.As(err, &se) && se.Code() == 1 && strings.Contains(se.Error(), "no such table")
}
