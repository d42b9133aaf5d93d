package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	txAttempts   = 12
	firstBackoff = 2 * time.Millisecond
	maxBackoff   = 500 * time.Millisecond
)

// InTx runs fn in one transaction, READ COMMITTED on MySQL, and commits it if fn returns nil. Conflicts and dead
// connections before COMMIT are repeated as a whole, with growing pauses and at most 12 times, so fn may run several
// times and must keep nothing from a failed run. An error of fn that is not the database's is returned as it is,
// after rollback. A connection that dies during COMMIT gives [ErrOutcomeUnknown].
//
// fn does no slow work: the server ends a transaction that sends nothing for two seconds, since the process may have
// stopped with locks that others wait for.
func (s *Store) InTx(ctx context.Context, fn func(*sql.Tx) error) error {
	pause := firstBackoff
	for attempt := 1; ; attempt++ {
		err := s.once(ctx, fn)
		if err == nil || errors.Is(err, ErrOutcomeUnknown) || classify(err) == final {
			return err
		}
		if attempt == txAttempts {
			return fmt.Errorf("store: gave up after %d attempts: %w", attempt, err)
		}
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(ctx.Err(), err)
		case <-timer.C:
		}
		pause = min(2*pause, maxBackoff)
	}
}

func (s *Store) once(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, s.d.tx)
	if err != nil {
		return err
	}
	defer tx.Rollback() // also when fn panics; after a commit it does nothing
	if err := fn(tx); err != nil {
		return err
	}
	return commitError(tx.Commit())
}

// commitError tells certain failures of COMMIT from unknown ones. Certain are: the conflicts of the retry table, which
// the server answers after having rolled back, and what database/sql answers without having sent anything (context
// over, transaction done). Everything else may have happened on either side of the commit.
func commitError(err error) error {
	switch {
	case err == nil:
		return nil
	case classify(err) == repeat:
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, sql.ErrTxDone):
		return err
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
}

// isConnectionError reports errors below the database's own: the connection, not the statement, failed.
func isConnectionError(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false // the caller's own limit
	}
	var ne net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &ne)
}

// ---- statements of many rows

const (
	maxRows  = 500     // rows a statement; 16 columns stay far below SQLite's 32,766 arguments
	maxBytes = 1 << 20 // of contents a statement; doubled by escaping at worst, it stays below a packet of 4 MiB (review F26)
)

// insertRows runs head ‖ (?,…),(?,…) ‖ tail over all rows, in as many statements as needed, and returns the number of
// rows affected. A row larger than maxBytes goes alone.
func insertRows(ctx context.Context, tx *sql.Tx, head, tail string, rows [][]any) (int64, error) {
	var affected int64
	for len(rows) > 0 {
		n, size := 0, 0
		for n < len(rows) && n < maxRows {
			w := weight(rows[n])
			if n > 0 && size+w > maxBytes {
				break
			}
			size += w
			n++
		}
		args := make([]any, 0, n*len(rows[0]))
		for _, r := range rows[:n] {
			args = append(args, r...)
		}
		one := "(?" + strings.Repeat(",?", len(rows[0])-1) + ")"
		res, err := tx.ExecContext(ctx, head+one+strings.Repeat(","+one, n-1)+tail, args...)
		if err != nil {
			return affected, err
		}
		m, err := res.RowsAffected()
		if err != nil {
			return affected, err
		}
		affected += m
		rows = rows[n:]
	}
	return affected, nil
}

func weight(row []any) int {
	n := 0
	for _, a := range row {
		switch v := a.(type) {
		case []byte:
			n += len(v)
		case string:
			n += len(v)
		default:
			n += 64
		}
	}
	return n
}

// placeholders is "?,?,…" of n question marks.
func placeholders(n int) string { return strings.Repeat(",?", n)[1:] }

// changedOne tells whether a compare-and-set met its row.
func changedOne(res sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// querier is what both a transaction and a pool can do.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// collect reads all rows of a query.
func collect[T any](ctx context.Context, q querier, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}
