package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"fayi/adapters/hotline/ticket"
	"fayi/gateway/store"
	"fayi/outbox"
)

// What callers branch on.
var (
	// ErrUnknown: there is no such row.
	ErrUnknown = errors.New("ledger: no such row")
	// ErrMoved: the hand-off changed since it was read.
	ErrMoved = errors.New("ledger: the hand-off has changed meanwhile")
)

// Ledger is the hotline's part of the node's database.
type Ledger struct {
	st      *store.Store
	forUpd  string
	ignore  string
	publish Publish
}

// Publish is told of every event appended, the n-th of its hand-off, in the transaction that appends it.
type Publish func(ctx context.Context, tx *sql.Tx, h ticket.Handoff, e ticket.Event, n int) error

// New uses a migrated store. publish may be nil.
func New(st *store.Store, publish Publish) *Ledger {
	l := &Ledger{st: st, forUpd: " FOR UPDATE", ignore: "INSERT IGNORE INTO ", publish: publish}
	if st.Dialect() == outbox.SQLite {
		l.forUpd, l.ignore = "", "INSERT OR IGNORE INTO "
	}
	return l
}

// Store is the database below.
func (l *Ledger) Store() *store.Store { return l.st }

// Tx is one transaction.
type Tx struct {
	ctx context.Context
	tx  *sql.Tx
	l   *Ledger
}

// InTx runs fn in one transaction, as [store.Store.InTx] does: fn may run several times. A hand-off that moved
// ([ErrMoved]) makes it run again.
func (l *Ledger) InTx(ctx context.Context, fn func(*Tx) error) error {
	for attempt := 0; ; attempt++ {
		err := l.st.InTx(ctx, func(tx *sql.Tx) error { return fn(&Tx{ctx, tx, l}) })
		if !errors.Is(err, ErrMoved) || attempt == 10 {
			return err
		}
	}
}

// reader is what a transaction and the reading pool share, so that one query serves both.
type reader interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func us(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func from(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).In(ticket.Shanghai)
}

func encode(v any) []byte {
	b, err := ticket.Encode(v)
	if err != nil {
		panic(fmt.Sprintf("ledger: %T has no JSON: %v", v, err)) // our own types; only a programmer can cause it
	}
	return b
}

func query[T any](ctx context.Context, r reader, scan func(*sql.Rows) (T, error), q string, args ...any) ([]T, error) {
	rows, err := r.QueryContext(ctx, q, args...)
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

func one(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrUnknown
	}
	return err
}

// Exec runs a statement of a caller's own table in the transaction.
func (t *Tx) exec(q string, args ...any) (int64, error) {
	res, err := t.tx.ExecContext(t.ctx, q, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Number gives the next number of a counter, from 1.
func (t *Tx) Number(name string) (n int64, err error) {
	if _, err := t.exec(t.l.ignore+"fayi_ho_counter (name,n) VALUES (?,0)", name); err != nil {
		return 0, err
	}
	if _, err := t.exec("UPDATE fayi_ho_counter SET n=n+1 WHERE name=?", name); err != nil {
		return 0, err
	}
	err = t.tx.QueryRowContext(t.ctx, "SELECT n FROM fayi_ho_counter WHERE name=?", name).Scan(&n)
	return n, err
}
