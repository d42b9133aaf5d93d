package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"fayi/outbox"
)

// TestRetryTable is the retry table of outbox.md §5, code by code, before COMMIT and at COMMIT.
func TestRetryTable(t *testing.T) {
	server := func(n uint16) error { return fmt.Errorf("wrapped: %w", &mysql.MySQLError{Number: n}) }
	type outcome int
	const (
		rolledBack outcome = iota // certain: the error comes back as it is
		unknown
	)
	for _, x := range []struct {
		err      error
		class    class
		atCommit outcome
	}{
		{server(1213), repeat, rolledBack}, {server(1205), repeat, rolledBack}, {server(1020), repeat, rolledBack},
		{server(8002), repeat, rolledBack}, {server(8022), repeat, rolledBack}, {server(9007), repeat, rolledBack},

		{server(1047), reconnect, unknown}, {server(1290), reconnect, unknown}, {server(1792), reconnect, unknown}, {server(1836), reconnect, unknown},
		{server(1053), reconnect, unknown}, {server(1040), reconnect, unknown}, {server(1203), reconnect, unknown},
		{server(2006), reconnect, unknown}, {server(2013), reconnect, unknown},
		{server(9001), reconnect, unknown}, {server(9002), reconnect, unknown}, {server(9005), reconnect, unknown},
		{driver.ErrBadConn, reconnect, unknown}, {mysql.ErrInvalidConn, reconnect, unknown},
		{io.EOF, reconnect, unknown}, {io.ErrUnexpectedEOF, reconnect, unknown},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, reconnect, unknown},
		{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, reconnect, unknown},

		{server(1062), final, unknown}, {server(1406), final, unknown}, {server(1366), final, unknown}, {server(1146), final, unknown},
		{server(1064), final, unknown}, {server(1142), final, unknown},
		{errors.New("the caller's"), final, unknown},

		{context.Canceled, final, rolledBack}, {context.DeadlineExceeded, final, rolledBack}, {sql.ErrTxDone, final, rolledBack},
		{fmt.Errorf("wrapped: %w", &net.OpError{Op: "read", Err: context.DeadlineExceeded}), final, rolledBack},
	} {
		if got := classify(x.err); got != x.class {
			t.Errorf("%v: class %d, want %d", x.err, got, x.class)
		}
		err := commitError(x.err)
		if got := errors.Is(err, ErrOutcomeUnknown); got != (x.atCommit == unknown) {
			t.Errorf("%v at COMMIT: %v", x.err, err)
		}
		if !errors.Is(err, x.err) {
			t.Errorf("%v at COMMIT is lost: %v", x.err, err)
		}
	}
	if commitError(nil) != nil {
		t.Error("a commit that succeeded has an error")
	}
	if !isDuplicate(server(1062)) || isDuplicate(server(1213)) || !isNoTable(server(1146)) {
		t.Error("duplicate or missing table not recognised")
	}
}

func tempStore(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), outbox.SQLite, t.TempDir()+"/s.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSQLiteBusyIsRepeated: another process holds the file; the transaction is tried again and goes through once it is
// free.
func TestSQLiteBusyIsRepeated(t *testing.T) {
	s := tempStore(t)
	if _, err := s.write.Exec("PRAGMA busy_timeout=1"); err != nil { // so that the driver does not wait it out
		t.Fatal(err)
	}
	other, err := sql.Open("sqlite", s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	foreign, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.once(t.Context(), func(*sql.Tx) error { return nil }); classify(err) != repeat {
		t.Fatalf("the file is not locked: %v", err)
	}
	free := time.AfterFunc(50*time.Millisecond, func() { _ = foreign.Rollback() })
	defer free.Stop()
	if _, err := s.EnsureStream(t.Context(), "610800/lawyer/upstream"); err != nil {
		t.Error(err)
	}
}

// TestGivesUp: what fails for ever is not repeated for ever, and a context ends the waiting.
func TestGivesUp(t *testing.T) {
	s := tempStore(t)
	runs := 0
	conflict := &mysql.MySQLError{Number: 1213}
	err := s.InTx(t.Context(), func(*sql.Tx) error { runs++; return conflict })
	if !errors.Is(err, conflict) || runs != txAttempts {
		t.Errorf("%d runs: %v", runs, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = s.InTx(ctx, func(*sql.Tx) error { cancel(); return conflict })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = s.InTx(t.Context(), func(*sql.Tx) error { panic("in a transaction") })
	}()
	if err := s.InTx(t.Context(), func(*sql.Tx) error { return nil }); err != nil {
		t.Errorf("after a panic the writer is lost: %v", err)
	}
}

// TestReadersCannotWrite: what is written past InTx on SQLite fails loudly instead of taking turns badly.
func TestReadersCannotWrite(t *testing.T) {
	s := tempStore(t)
	if _, err := s.DB().Exec("INSERT INTO fayi_lease (name,owner,beat) VALUES ('x','',0)"); err == nil || !strings.Contains(err.Error(), "readonly") {
		t.Errorf("written: %v", err)
	}
}

// TestStatementsAreSplit: rows are grouped into statements below both bounds, and a large row goes alone.
func TestStatementsAreSplit(t *testing.T) {
	s := tempStore(t)
	for _, x := range []struct{ rows, size int }{{1, 10}, {maxRows, 10}, {maxRows + 1, 10}, {5, maxBytes/2 + 1}, {2, 3 * maxBytes}} {
		err := s.InTx(t.Context(), func(tx *sql.Tx) error {
			if _, err := tx.Exec("DELETE FROM fayi_body"); err != nil {
				return err
			}
			rows := make([][]any, x.rows)
			for i := range rows {
				rows[i] = []any{1, 1, i, []byte{}, make([]byte, x.size)}
			}
			n, err := insertRows(t.Context(), tx, "INSERT INTO fayi_body (stream_id,gen,first_seq,readers,body) VALUES ", "", rows)
			if err == nil && n != int64(x.rows) {
				t.Errorf("%d rows of %d: %d inserted", x.rows, x.size, n)
			}
			return err
		})
		if err != nil {
			t.Errorf("%d rows of %d: %v", x.rows, x.size, err)
		}
	}
}

func TestCut(t *testing.T) {
	for _, x := range []struct {
		in   string
		n    int
		want string
	}{{"", 4, ""}, {"abcd", 4, "abcd"}, {"abcde", 4, "abcd"}, {"缺数据", 4, "缺"}, {"缺数据", 6, "缺数"}, {"缺", 2, ""}, {"\x80\x80\x80\x80\x80\x80", 5, "\x80\x80\x80\x80\x80"}} {
		if got := cut(x.in, x.n); got != x.want {
			t.Errorf("cut(%q, %d) = %q, want %q", x.in, x.n, got, x.want)
		}
	}
}
