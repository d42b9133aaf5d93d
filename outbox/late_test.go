package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"fayi/outbox"
)

// ids 1 and 100 are committed, 50 is in flight while the reader works, and commits later (F1). drain stands for a reader: it is called before
// and after the late commit, published is what it has taken out in all.
func lateCommit(t *testing.T, e engine, drain func() (published []uint64)) (published, left []uint64) {
	t.Helper()
	insert := func(db outbox.Execer, id int) {
		_, err := db.ExecContext(t.Context(), fmt.Sprintf("INSERT INTO exchange_outbox (id, record_type, record_key, payload) VALUES (%d, 'case', 'k%d', '{}')", id, id))
		if err != nil {
			t.Fatal(err)
		}
	}
	insert(e.db, 1)
	insert(e.db, 100)
	late := e.begin(t)
	insert(late, 50)
	done := make(chan []uint64, 1)
	go func() { done <- drain() }()
	select {
	case published = <-done:
		end(t, late, true)
	case <-time.After(500 * time.Millisecond): // it waits for the open transaction
		end(t, late, true)
		published = <-done
	}
	published = append(published, drain()...)
	return published, ids(e.read(t))
}

func TestF1LateCommitIsNotLost(t *testing.T) {
	t.Parallel()
	e := mariadb(t)
	published, left := lateCommit(t, e, func() []uint64 {
		rows := e.read(t)
		if err := e.remove(t, rows); err != nil {
			t.Error(err)
		}
		return ids(rows)
	})
	if diff := cmp.Diff([]uint64{1, 100, 50}, published); diff != "" || len(left) != 0 {
		t.Errorf("left %v, published %s", left, diff)
	}
}

// The reader everybody writes first, kept to show that this test would see the loss.
func TestF1NaiveCursorLosesLateCommit(t *testing.T) {
	t.Parallel()
	e := mariadb(t)
	var last uint64
	published, _ := lateCommit(t, e, func() (out []uint64) {
		for _, r := range e.read(t) {
			if r.ID > last {
				last, out = r.ID, append(out, r.ID)
			}
		}
		return out
	})
	if slices.Contains(published, 50) {
		t.Error("id > last found the late row: the reproduction no longer works")
	}
}

// The delete everybody writes first, likewise.
func TestF1RangeDeleteLosesLateCommit(t *testing.T) {
	t.Parallel()
	e := mariadb(t)
	var removed int64
	published, left := lateCommit(t, e, func() []uint64 {
		rows := e.read(t)
		if len(rows) == 0 {
			return nil
		}
		err := e.inTx(t, func(ctx context.Context, tx *sql.Tx) error {
			res, err := tx.ExecContext(ctx, "DELETE FROM exchange_outbox WHERE id BETWEEN ? AND ?", rows[0].ID, rows[len(rows)-1].ID)
			if err == nil {
				removed, err = res.RowsAffected()
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return ids(rows)
	})
	if removed != 3 || slices.Contains(published, 50) || len(left) != 0 {
		t.Errorf("the range removed %d rows, published %v, left %v: the reproduction no longer works", removed, published, left)
	}
}

// SQLite has one writer, so nothing commits late; a row may still appear under a lower id.
func TestLowerIDIsNotLostOnSQLite(t *testing.T) {
	t.Parallel()
	e := sqlite(t)
	insert := func(id int) {
		e.exec(t, "INSERT INTO exchange_outbox (id, record_type, record_key, payload) VALUES (?, 'case', 'k', '{}')", id)
	}
	insert(1)
	insert(100)
	rows := e.read(t)
	insert(50)
	if err := e.remove(t, rows); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{50}, ids(e.read(t))); diff != "" {
		t.Error(diff)
	}
}

// While a stranger's insert stays open, removing all other rows does not wait; the IN list it replaces does (F1).
func TestF1RemoveWaitsForNobody(t *testing.T) {
	t.Parallel()
	e := mariadb(t)
	keys := make([]string, 499)
	for i := range keys {
		keys[i] = fmt.Sprintf("k%d", i)
	}
	e.publish(t, keys...)
	open := e.begin(t)
	defer open.Rollback()
	if err := outbox.Publish(t.Context(), open, outbox.Record{Type: "case", Key: "open", Payload: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
	rows := e.read(t)
	if len(rows) != 499 {
		t.Fatalf("%d rows", len(rows))
	}

	err := e.inTx(t, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "SET SESSION innodb_lock_wait_timeout = 1"); err != nil {
			return err
		}
		list := strings.Trim(strings.ReplaceAll(fmt.Sprint(ids(rows)), " ", ","), "[]")
		_, err := tx.ExecContext(ctx, "DELETE FROM exchange_outbox WHERE id IN ("+list+")")
		return err
	})
	var my *mysql.MySQLError
	if !errors.As(err, &my) || my.Number != 1205 {
		t.Logf("the IN list did not wait on this server's plan: %v", err)
	}

	start := time.Now()
	err = e.inTx(t, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "SET SESSION innodb_lock_wait_timeout = 1"); err != nil { // an error would tell at once
			return err
		}
		rejected := []outbox.Rejection{{Row: rows[0], Code: "X", Faults: faults}, {Row: rows[498], Code: "X", Faults: faults}}
		if err := outbox.Reject(ctx, tx, e.d, "aid", outbox.Table, rejected); err != nil {
			return err
		}
		return e.reader(t).Remove(ctx, tx, rows)
	})
	if err != nil {
		t.Fatalf("Remove while a stranger's transaction is open: %v", err)
	}
	t.Logf("removed %d rows in %v with a stranger's insert open", len(rows), time.Since(start))
	end(t, open, true)
	if left := e.read(t); len(left) != 1 || string(left[0].Key) != "open" {
		t.Errorf("left %+v", left)
	}
}

// Publishers, some slow, some rolling back, against two competing drains: every committed row is taken once.
func TestNothingLostUnderConcurrency(t *testing.T) {
	t.Parallel()
	e := mariadb(t)
	const writers, each = 6, 60
	committed := make(chan string, writers*each)
	publishing := make(chan error, writers)
	for w := range writers {
		go func() {
			publishing <- func() error {
				for i := range each {
					tx, err := e.db.BeginTx(t.Context(), nil)
					if err != nil {
						return err
					}
					key := fmt.Sprintf("%d-%d", w, i)
					if err := outbox.Publish(t.Context(), tx, outbox.Record{Type: "case", Key: key, Payload: []byte(`{}`)}); err != nil {
						return errors.Join(err, tx.Rollback())
					}
					switch i % 10 {
					case 3:
						if err := tx.Rollback(); err != nil { // a gap for ever
							return err
						}
						continue
					case 7: // others commit meanwhile
						<-time.After(20 * time.Millisecond)
					}
					if err := tx.Commit(); err != nil {
						return err
					}
					committed <- key
				}
				return nil
			}()
		}()
	}
	taken := make(chan string, writers*each*2)
	stop, drained := make(chan struct{}), make(chan error, 2)
	for range 2 {
		go func() { drained <- drainUntil(t, e, stop, taken) }()
	}
	for range writers {
		if err := <-publishing; err != nil {
			t.Error(err)
		}
	}
	close(stop)
	for range 2 {
		if err := <-drained; err != nil {
			t.Error(err)
		}
	}
	close(committed)
	close(taken)
	want, got := collect(committed), collect(taken)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("committed and taken differ (%d, %d): %s", len(want), len(got), diff)
	}
}

// drainUntil reads and removes until nothing waits after stop.
func drainUntil(t *testing.T, e engine, stop <-chan struct{}, taken chan<- string) error {
	r := e.reader(t)
	for last := false; ; {
		rows, _, err := r.Read(t.Context(), outbox.Limit{Rows: 20})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			if last {
				return nil
			}
			select {
			case <-stop:
				last = true
			default:
			}
			continue
		}
		tx, err := e.db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			return err
		}
		switch err := r.Remove(t.Context(), tx, rows); {
		case err == nil:
			if err := tx.Commit(); err != nil {
				return err
			}
			for _, row := range rows {
				taken <- string(row.Key)
			}
		default:
			var my *mysql.MySQLError
			if deadlock := errors.As(err, &my) && my.Number == 1213; !deadlock && !errors.Is(err, outbox.ErrTaken) {
				return errors.Join(err, tx.Rollback())
			}
			if err := tx.Rollback(); err != nil {
				return err
			}
		}
	}
}

func collect(c <-chan string) []string {
	var out []string
	for s := range c {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}
