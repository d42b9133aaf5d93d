package outbox

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"fayi/outbox/mariadbtest"
)

// The statements that must not read the whole table are planned as intended, on a small table and on a larger one, with statistics and without.
func TestPlans(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]string{"node": "", "utf8mb4 session": "?charset=utf8mb4"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := mariadbtest.Start(t).Database(t)
			if options != "" {
				base, _, _ := strings.Cut(dsn, "?")
				dsn = base + options
			}
			db, err := sql.Open("mysql", dsn)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			exec := func(q string) {
				t.Helper()
				if _, err := db.Exec(q); err != nil {
					t.Fatal(err)
				}
			}
			if err := Install(t.Context(), db, MySQL); err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{500, 5000} {
				exec("TRUNCATE exchange_outbox")
				exec(fmt.Sprintf("INSERT INTO exchange_outbox (id, record_type, record_key, payload) SELECT seq, IF(seq %% 100 = 0, 'urgent', 'bulk'), seq, REPEAT('x', 300) FROM seq_1_to_%d", n))
				for _, analyze := range []bool{false, true} {
					if analyze {
						exec("ANALYZE TABLE exchange_outbox")
					}
					rows := make([]Row, 499)
					rejections := make([]Rejection, 50)
					for i := range rows {
						rows[i] = Row{ID: uint64(i + 1), Created: time.Now()}
						rejections[i%50].Row = rows[i]
					}
					rows[498].ID = 1<<64 - 1
					var codes []any
					for range rejections {
						codes = append(codes, "X", "[]")
					}
					if p := plan(t, db, "o", MySQL.deleteByID(Table, rows)); p != "range PRIMARY" {
						t.Errorf("%d rows, analyzed %t: delete by %s", n, analyze, p)
					}
					if p := plan(t, db, "o", MySQL.copyRejected("aid", Table, rejections), codes...); p != "eq_ref PRIMARY" {
						t.Errorf("%d rows, analyzed %t: copy by %s", n, analyze, p)
					}
					q := "SELECT id FROM exchange_outbox WHERE " + MySQL.asciiEquals("record_type") + " ORDER BY id LIMIT 1001"
					if p := plan(t, db, Table, q, "urgent"); p != "ref record_type" {
						t.Errorf("%d rows, analyzed %t: one type by %s", n, analyze, p)
					}
				}
			}
		})
	}
}

// plan is how a statement accesses the table of that name: access type and index.
func plan(t *testing.T, db *sql.DB, table, query string, args ...any) string {
	t.Helper()
	rs, err := db.Query("EXPLAIN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rs.Close()
	for rs.Next() {
		c := make([]sql.NullString, 10)
		to := make([]any, len(c))
		for i := range c {
			to[i] = &c[i]
		}
		if err := rs.Scan(to...); err != nil {
			t.Fatal(err)
		}
		if c[2].String == table {
			if strings.Contains(c[9].String, "filesort") {
				return "filesort"
			}
			return c[3].String + " " + c[5].String
		}
	}
	t.Fatalf("the plan does not mention %s: %v", table, rs.Err())
	return ""
}
