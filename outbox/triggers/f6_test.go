package triggers_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"fayi/outbox/triggers"

	"github.com/go-sql-driver/mysql"
)

const twoCases = "INSERT INTO `tj-aj` (AJBH, bt, sqrq, zt) VALUES ('A', 'old', '20260101', 0), ('B', 'old', '20260101', 0);" +
	"INSERT INTO `tj-kz` (ajbh, jfqk) VALUES ('A', 'old'), ('B', 'old');" +
	"INSERT INTO `tj-dsr` (ajbh, lb, xm, sfzh) VALUES ('A', '1', 'old', 'x'), ('B', '1', 'old', 'x');"

var levels = []sql.IsolationLevel{sql.LevelReadCommitted, sql.LevelRepeatableRead}

// F6: two transactions change two tables of one record. However they overlap, what is published last is what the tables say in the end. A
// transaction that began to read before the other committed must not publish what it read then.
func TestF6TwoJoinedTriggers(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, read(t, "mediation.sql")+twoCases)
	p := l.install(read(t, "mediation.yaml"))
	const header, below = "UPDATE `tj-aj` SET bt = ? WHERE AJBH = 'A'", "UPDATE `tj-dsr` SET xm = ? WHERE ajbh = 'A'"
	for _, level := range levels {
		for i, order := range [][2]string{{header, below}, {below, header}} {
			first, second := fmt.Sprint("one", level, i), fmt.Sprint("two", level, i)
			early, late := l.tx(level), l.tx(level)
			if _, err := late.Exec("SELECT * FROM `tj-aj` a JOIN `tj-dsr` d ON d.ajbh = CONVERT(a.AJBH USING utf8mb4)"); err != nil { // its snapshot
				t.Fatal(err)
			}
			if _, err := early.Exec(order[0], first); err != nil {
				t.Fatal(err)
			}
			if err := early.Commit(); err != nil {
				t.Fatal(err)
			}
			if _, err := late.Exec(order[1], second); err != nil {
				t.Fatal(err)
			}
			if err := late.Commit(); err != nil {
				t.Fatal(err)
			}
			rows := l.take()
			if last := rows[len(rows)-1].Payload; !strings.Contains(last, first) || !strings.Contains(last, second) {
				t.Errorf("%v: published last %s, the tables say %s and %s", level, last, first, second)
			}
		}
	}

	var agreed int
	if err := l.db.QueryRow("SELECT n FROM fayi_tj_lock WHERE k = 'A'").Scan(&agreed); err != nil || agreed != 8 {
		t.Errorf("eight changes wrote the agreed row %d times: %v", agreed, err)
	}

	// The same at random, many at once. Two that work on one record may be a deadlock: one of them is told so and begins anew, as ever.
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var wg sync.WaitGroup
	deadlocks := make([]int, 8)
	for w := range deadlocks {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rng := rand.New(rand.NewPCG(uint64(w), 6))
			for i := 0; i < 40; {
				err := change(ctx, l.db, rng)
				var my *mysql.MySQLError
				switch {
				case err == nil:
					i++
				case errors.As(err, &my) && (my.Number == 1213 || my.Number == 1205):
					deadlocks[w]++
				default:
					cancel(err)
					return
				}
			}
		}()
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		t.Fatal(err)
	}
	last := map[string]string{}
	rows := l.take()
	for _, r := range rows {
		last[r.Key] = r.Payload
	}
	t.Logf("%d rows, deadlocks %v", len(rows), deadlocks)
	if err := triggers.Backfill(t.Context(), l.conn, p, true, 5000, func(triggers.Progress) {}); err != nil {
		t.Fatal(err)
	}
	for _, r := range l.take() { // what the tables say now
		if last[r.Key] != r.Payload {
			t.Errorf("published last\n%s\nthe tables say\n%s", last[r.Key], r.Payload)
		}
	}
}

// change is a transaction of one to three changes to the tables of a case.
func change(ctx context.Context, db *sql.DB, rng *rand.Rand) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: levels[rng.IntN(2)]})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if rng.IntN(2) == 0 {
		if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM `tj-dsr` d JOIN `tj-kz` k ON k.ajbh = CONVERT(d.ajbh USING latin1)").Scan(new(int)); err != nil {
			return err
		}
	}
	for range 1 + rng.IntN(3) {
		key, v := string(rune('A'+rng.IntN(2))), fmt.Sprint(rng.Uint32())
		var err error
		switch rng.IntN(5) {
		case 0:
			_, err = tx.ExecContext(ctx, "UPDATE `tj-aj` SET bt = ? WHERE AJBH = ?", v, key)
		case 1:
			_, err = tx.ExecContext(ctx, "UPDATE `tj-kz` SET jfqk = ? WHERE ajbh = ?", v, key)
		case 2:
			_, err = tx.ExecContext(ctx, "UPDATE `tj-dsr` SET xm = ? WHERE ajbh = ? LIMIT 1", v, key)
		case 3:
			_, err = tx.ExecContext(ctx, "INSERT INTO `tj-dsr` (ajbh, lb, xm, sfzh) VALUES (?, '1', ?, 'x')", key, v)
		case 4:
			_, err = tx.ExecContext(ctx, "DELETE FROM `tj-dsr` WHERE ajbh = ? LIMIT 1", key)
		}
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}
