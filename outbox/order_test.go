package outbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fayi/outbox"
)

// F5: an engine that hands out ids in blocks gives a later transaction the lower id. Within one read rows are in order of id, so the older
// state would come last: kept here, as the reason why the table asks such engines for ids in order.
func TestF5IDBlocksComeOutOfOrder(t *testing.T) {
	t.Parallel()
	e := mariadb(t)
	insert := func(id int, version string) {
		e.exec(t, fmt.Sprintf("INSERT INTO exchange_outbox (id, record_type, record_key, payload) VALUES (%d, 'case', 'K', '%s')", id, version))
	}
	insert(30001, "old") // by the SQL server that holds the block from 30,001
	insert(5, "new")     // later, by the one that holds the block from 1
	var got []string
	for _, r := range e.read(t) {
		got = append(got, string(r.Payload))
	}
	if !slices.Equal(got, []string{"new", "old"}) {
		t.Errorf("read %v: the reproduction no longer works", got)
	}
	stmts := append(outbox.Statements(outbox.MySQL), must(outbox.SourceStatements(outbox.MySQL, "exchange_outbox_aid"))...)
	outboxes := 0
	for _, s := range stmts {
		if strings.Contains(s, "CREATE TABLE IF NOT EXISTS exchange_outbox") {
			outboxes++
			if !strings.Contains(s, "/*T![auto_id_cache] AUTO_ID_CACHE 1 */") {
				t.Errorf("not asked for ids in order: %s", s)
			}
		}
	}
	if outboxes != 2 {
		t.Errorf("%d outboxes", outboxes)
	}
}

func must(stmts []string, err error) []string {
	if err != nil {
		panic(err)
	}
	return stmts
}

// On an engine with ids in order, publishers of one key that lock an agreed row first are read in the order of their commits, however many
// there are.
func TestF5OrderOfAKeyUnderItsLock(t *testing.T) {
	t.Parallel()
	e := mariadb(t)
	e.exec(t, "CREATE TABLE biz (k VARCHAR(8) PRIMARY KEY, version INT NOT NULL)")
	e.exec(t, "INSERT INTO biz VALUES ('A', 0), ('B', 0)")
	var wg sync.WaitGroup
	const writers, each = 6, 25
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				key := string(rune('A' + (w+i)%2))
				err := e.inTx(t, func(_ context.Context, tx *sql.Tx) error {
					var v int
					if err := tx.QueryRow("SELECT version FROM biz WHERE k = ? FOR UPDATE", key).Scan(&v); err != nil {
						return err
					}
					if _, err := tx.Exec("UPDATE biz SET version = version + 1 WHERE k = ?", key); err != nil {
						return err
					}
					return outbox.Publish(t.Context(), tx, outbox.Record{Type: "case", Key: key, Payload: fmt.Appendf(nil, `{"v":%d}`, v+1)})
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got := map[string][]string{}
	for _, r := range e.read(t) {
		got[string(r.Key)] = append(got[string(r.Key)], string(r.Payload))
	}
	for key, versions := range got {
		var want []string
		for i := range versions {
			want = append(want, fmt.Sprintf(`{"v":%d}`, i+1))
		}
		if diff := cmp.Diff(want, versions); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
	if len(got["A"])+len(got["B"]) != writers*each {
		t.Errorf("%d and %d rows", len(got["A"]), len(got["B"]))
	}
}
