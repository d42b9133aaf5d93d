package storetest

import (
	"database/sql"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"fayi/gateway/store"
	"fayi/outbox"
)

func migratesOnce(t *testing.T, s *store.Store) {
	ctx := t.Context()
	pending, err := s.Pending(ctx)
	must(t, err)
	if len(pending) == 0 {
		t.Fatal("an empty database has nothing pending")
	}
	applied, err := s.Migrate(ctx)
	must(t, err)
	want(t, "applied", applied, pending)
	applied, err = s.Migrate(ctx)
	must(t, err)
	want(t, "applied the second time", len(applied), 0)
	pending, err = s.Pending(ctx)
	must(t, err)
	want(t, "pending afterwards", len(pending), 0)
	for _, table := range []string{"exchange_outbox", "exchange_rejected", "exchange_inbox", "fayi_outbox", "fayi_stream"} {
		var n int
		must(t, s.DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&n))
	}
}

func refusesNewer(t *testing.T, s *store.Store) {
	ctx := t.Context()
	_, err := s.Migrate(ctx)
	must(t, err)
	must(t, s.InTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO fayi_migration (version_id, is_applied) VALUES (99999, 1)")
		return err
	}))
	if _, err := s.Migrate(ctx); !errors.Is(err, store.ErrNewerDatabase) {
		t.Errorf("Migrate: %v", err)
	}
	if _, err := s.Pending(ctx); !errors.Is(err, store.ErrNewerDatabase) {
		t.Errorf("Pending: %v", err)
	}
}

func durable(t *testing.T, s *store.Store) {
	for _, c := range store.Faults(s.Checks(t.Context())) {
		t.Errorf("%s: %s, %s", c.Code, c.En, c.HintEn)
	}
}

func rollsBack(t *testing.T, s *store.Store) {
	ctx := t.Context()
	mine := errors.New("mine")
	runs := 0
	err := s.InTx(ctx, func(tx *sql.Tx) error {
		runs++
		_, err := s.Remember(ctx, tx, hash("rolls back"), hash(1), nil)
		return errors.Join(err, mine)
	})
	if !errors.Is(err, mine) || runs != 1 {
		t.Errorf("%d runs, %v", runs, err)
	}
	must(t, s.InTx(ctx, func(tx *sql.Tx) error {
		existing, err := s.Remember(ctx, tx, hash("rolls back"), hash(1), nil)
		if existing != nil {
			t.Error("the row of a failed transaction is there")
		}
		return err
	}))
}

// deadlockRepeated makes two transactions take two rows in opposite orders: the server ends one of them with error
// 1213, and it must succeed when repeated as a whole.
func deadlockRepeated(t *testing.T, s *store.Store) {
	if s.Dialect() == outbox.SQLite {
		t.Skip("SQLite lets one transaction write at a time: there is nothing to deadlock")
	}
	ctx := within(t, 30*time.Second)
	a, b := newChain(t, s), newChain(t, s)
	var runs atomic.Int32
	met := make(chan struct{})
	cross := func(first, second int64, here, there chan struct{}) func() error {
		return func() error {
			return s.InTx(ctx, func(tx *sql.Tx) error {
				again := runs.Add(1) > 2
				_, err := tx.ExecContext(ctx, "UPDATE fayi_stream SET refused=refused+1 WHERE id=?", first)
				if err != nil {
					return err
				}
				if !again { // both hold their first row before either asks for its second
					close(here)
					<-there
				}
				_, err = tx.ExecContext(ctx, "UPDATE fayi_stream SET refused=refused+1 WHERE id=?", second)
				return err
			})
		}
	}
	other := make(chan struct{})
	for _, err := range race(cross(a.id, b.id, met, other), cross(b.id, a.id, other, met)) {
		must(t, err)
	}
	if runs.Load() < 3 {
		t.Errorf("%d runs: no deadlock happened", runs.Load())
	}
	want(t, "both transactions, each once", [2]uint64{stream(t, s, a.id).Refused, stream(t, s, b.id).Refused}, [2]uint64{2, 2})
}
