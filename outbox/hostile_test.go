package outbox_test

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"fayi/outbox"
)

// Whatever a client can make the database store is returned to the byte, can be rejected with reasons and removed, and stops no other row.
func TestHostileRows(t *testing.T) {
	for name, c := range map[string]struct {
		open  func(*testing.T) engine
		draw  func(*rapid.T) string
		setup string
	}{
		"sqlite":                   {sqlite, drawSQLite, "PRAGMA foreign_keys = OFF"},
		"mariadb":                  {mariadb, drawMySQL, "SET SESSION sql_mode = ''"},
		"mariadb/business session": {mariadbBusiness, drawMySQL, "SET SESSION sql_mode = ''"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := c.open(t)
			client, err := e.db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { client.Close() })
			if _, err := client.ExecContext(t.Context(), c.setup); err != nil {
				t.Fatal(err)
			}
			stored := 0
			rapid.Check(t, func(rt *rapid.T) {
				begin, commit := "BEGIN", "COMMIT"
				if e.d == outbox.SQLite { // some refusals of SQLite end the transaction
					begin, commit = "SELECT 1", "SELECT 1"
				}
				if _, err := client.ExecContext(t.Context(), begin); err != nil {
					rt.Fatal(err)
				}
				for range rapid.IntRange(1, 8).Draw(rt, "rows") {
					if _, err := client.ExecContext(t.Context(), c.draw(rt)); err == nil { // refused by the database: not our business
						stored++
					}
				}
				if _, err := client.ExecContext(t.Context(), commit); err != nil {
					rt.Fatal(err)
				}
				want := rawRows(t, e)
				rows := e.read(t)
				got := make([]string, len(rows))
				for i, r := range rows {
					got[i] = show(e.d, r)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					rt.Fatalf("stored and read differ: %s", diff)
				}
				if err := rejectAll(t, e, rows); err != nil {
					rt.Fatalf("%v\n%s", err, strings.Join(want, "\n"))
				}
				if left := rawRows(t, e); len(left) != 0 {
					rt.Fatalf("left %v", left)
				}
			})
			t.Logf("%d rows stored", stored)
			if stored < 100 {
				t.Error("the database refused nearly all: the test tests nothing")
			}
		})
	}
}

// ascii has a question mark for every byte that an ASCII column of a strict session refuses.
func ascii(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] < 0x80 {
			b.WriteByte(s[i])
		} else {
			b.WriteByte('?')
		}
	}
	return b.String()
}

// rejectAll rejects rows both ways, checks what arrived, and removes them.
func rejectAll(t *testing.T, e engine, rows []outbox.Row) error {
	return e.inTx(t, func(ctx context.Context, tx *sql.Tx) error {
		var rs []outbox.Rejection
		for _, r := range rows {
			rs = append(rs, outbox.Rejection{Row: r, Code: "BAD_PAYLOAD", Faults: faults})
		}
		if err := outbox.Reject(ctx, tx, e.d, "copied", outbox.Table, rs); err != nil {
			return err
		}
		if err := outbox.Reject(ctx, tx, e.d, "foreign", "", rs); err != nil {
			return err
		}
		for _, source := range []string{"copied", "foreign"} {
			list, err := outbox.ListRejected(ctx, tx, e.d, outbox.Filter{Source: source})
			if err != nil {
				return err
			}
			if len(list) != len(rows) {
				return fmt.Errorf("%d rows rejected, %d listed", len(rows), len(list))
			}
			for i, l := range list {
				whole, err := outbox.GetRejected(ctx, tx, e.d, l.ID)
				if err != nil {
					return err
				}
				got, want := whole.Row, rows[i]
				want.Flags = ""
				if want.BadCreated { // replaced by the time of rejection; SQLite copies it as it is
					want.Created, want.BadCreated = got.Created, got.BadCreated
				}
				if source == "foreign" && e.d == outbox.MySQL {
					want.Type, want.Op = ascii(want.Type), ascii(want.Op)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					return fmt.Errorf("%s: rejected and stored differ: %s", source, diff)
				}
			}
		}
		if err := e.reader(t).Remove(ctx, tx, rows); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM exchange_rejected")
		return err
	})
}

// rawRows asks the database itself what it holds, by functions the package does not use.
func rawRows(t *testing.T, e engine) []string {
	t.Helper()
	q := "SELECT id, HEX(record_type), HEX(record_key), HEX(op), CASE WHEN payload IS NULL THEN 'null' ELSE HEX(payload) END, COALESCE(HEX(flags), '') FROM exchange_outbox ORDER BY id"
	rs, err := e.db.QueryContext(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	defer rs.Close()
	out := []string{}
	for rs.Next() {
		var c [6]string
		if err := rs.Scan(&c[0], &c[1], &c[2], &c[3], &c[4], &c[5]); err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.Join(c[:], " "))
	}
	if err := rs.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func show(d outbox.Dialect, r outbox.Row) string {
	h := func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) }
	payload, id := h(string(r.Payload)), fmt.Sprint(r.ID)
	if r.Null {
		payload = "null"
	}
	if d == outbox.SQLite {
		id = fmt.Sprint(int64(r.ID))
	}
	return strings.Join([]string{id, h(r.Type), h(string(r.Key)), h(r.Op), payload, h(r.Flags)}, " ")
}

var hexBytes = rapid.Custom(func(t *rapid.T) string {
	return "x'" + hex.EncodeToString(rapid.SliceOfN(rapid.Byte(), 0, 140).Draw(t, "bytes")) + "'"
})

// drawn is any of the SQL expressions given, or of bytes in wrap.
func drawn(t *rapid.T, label string, wrap []string, exprs ...string) string {
	if rapid.Bool().Draw(t, label+" plain") {
		return rapid.SampledFrom(exprs).Draw(t, label)
	}
	return fmt.Sprintf(rapid.SampledFrom(wrap).Draw(t, label+" wrap"), hexBytes.Draw(t, label))
}

func drawMySQL(t *rapid.T) string {
	wrap := []string{"%s", "_binary %s", "_latin1 %s", "_gbk %s", "_utf8mb4 %s", "_utf16 %s", "CONVERT(%s USING utf8mb4)", "CONCAT('{\"a\":\"', %s, '\"}')"}
	id := drawn(t, "id", []string{"CONV(HEX(SUBSTR(%s, 1, 6)), 16, 10) + 1"}, "1", "2", "3", "9223372036854775807", "9223372036854775808", "18446744073709551615")
	return fmt.Sprintf("INSERT INTO exchange_outbox (id, record_type, record_key, op, payload, flags, created) VALUES (%s, %s, %s, %s, %s, %s, %s)", id,
		drawn(t, "type", wrap, "'legal_aid_case'", "''", "'案件'", "REPEAT('a', 60)", "12", "'a '"),
		drawn(t, "key", wrap, "'YL-1'", "'YL-1 '", "''", "'证'", "1.50", "REPEAT('k', 300)", "NOW()"),
		drawn(t, "op", wrap, "'put'", "'del'", "'PUT'", "'erase now'", "0", "''"),
		drawn(t, "payload", wrap, "NULL", "''", "'{}'", "'{\"a\":\"😀\"}'", "3.14", "REPEAT('长', 5000)"),
		drawn(t, "flags", wrap, "NULL", "'resend'", "'repair:x'", "REPEAT('f', 40)"),
		rapid.SampledFrom([]string{"DEFAULT", "'0000-00-00'", "'2026-02-31'", "'2038-01-19 03:14:07'", "'1970-01-01 00:00:01'", "'1000-01-01'", "'x'", "0", "NULL"}).Draw(t, "created"))
}

func drawSQLite(t *rapid.T) string {
	wrap := []string{"%s", "CAST(%s AS TEXT)", "'{\"a\":\"'||%s||'\"}'"}
	id := drawn(t, "id", []string{"length(%s)", "-length(%s)"}, "NULL", "0", "-1", "9223372036854775806", "-9223372036854775808")
	return fmt.Sprintf("INSERT INTO exchange_outbox (id, record_type, record_key, op, payload, flags, created) VALUES (%s, %s, %s, %s, %s, %s, %s)", id,
		drawn(t, "type", wrap, "'legal_aid_case'", "''", "'案件'", "12", "1.5", "hex(zeroblob(100))"),
		drawn(t, "key", wrap, "'YL-1'", "x'594c2d31'", "''", "x''", "17", "1e300", "zeroblob(1000)"),
		drawn(t, "op", wrap, "'put'", "'del'", "0", "''", "'a'||char(0)||'b'"),
		drawn(t, "payload", wrap, "NULL", "''", "x''", "'{}'", "3.14", "zeroblob(5000)", "'a'||char(0)||'b'"),
		drawn(t, "flags", wrap, "NULL", "'resend'", "7", "x'00'"),
		drawn(t, "created", wrap, "datetime('now')", "'x'", "''", "0", "12.5", "'9999-12-31T23:59:59Z'", "'2026-11-22T10:00:00+08:00'"))
}
