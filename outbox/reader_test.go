package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fayi/outbox"
)

func TestReadLimits(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		r := e.reader(t)
		put := func(size int) {
			body := `{"a":"` + strings.Repeat("x", size-8) + `"}`
			e.exec(t, "INSERT INTO exchange_outbox (record_type, record_key, payload) VALUES ('case', 'k', ?)", body)
		}
		read := func(lim outbox.Limit) (sizes []int64, more bool) {
			t.Helper()
			rows, more, err := r.Read(t.Context(), lim)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				if !row.Oversize && int64(len(row.Payload)) != row.Size {
					t.Errorf("row of %d bytes loaded with %d", row.Size, len(row.Payload))
				}
				sizes = append(sizes, row.Size)
			}
			return sizes, more
		}
		if sizes, more := read(outbox.Limit{}); len(sizes) != 0 || more {
			t.Errorf("empty table: %v, %t", sizes, more)
		}
		for _, size := range []int{1000, 2000, outbox.MaxLoaded, outbox.MaxLoaded + 1, 3000} {
			put(size)
		}
		for _, c := range []struct {
			lim  outbox.Limit
			want []int64
			more bool
		}{
			{outbox.Limit{}, []int64{1000, 2000, outbox.MaxLoaded, outbox.MaxLoaded + 1, 3000}, false},
			{outbox.Limit{Rows: 5}, []int64{1000, 2000, outbox.MaxLoaded, outbox.MaxLoaded + 1, 3000}, false},
			{outbox.Limit{Rows: 2}, []int64{1000, 2000}, true},
			{outbox.Limit{Bytes: 1}, []int64{1000}, true},
			{outbox.Limit{Bytes: 2999}, []int64{1000}, true},
			{outbox.Limit{Bytes: 3000}, []int64{1000, 2000}, true},
			{outbox.Limit{Bytes: outbox.MaxLoaded + 3000}, []int64{1000, 2000, outbox.MaxLoaded, outbox.MaxLoaded + 1}, true},
		} {
			if sizes, more := read(c.lim); !slices.Equal(sizes, c.want) || more != c.more {
				t.Errorf("limit %+v: %v, more %t", c.lim, sizes, more)
			}
		}
		rows := e.read(t)
		if big := rows[3]; !big.Oversize || big.Payload != nil || big.Null {
			t.Errorf("oversize row %t %d %t", big.Oversize, len(big.Payload), big.Null)
		}
	})
}

// 16 MiB rows wait, and reading costs no memory (F26).
func TestReadMemoryIsBounded(t *testing.T) { // not parallel: it measures allocation
	for _, open := range []func(*testing.T) engine{sqlite, mariadb} {
		e := open(t)
		t.Run(string(e.d), func(t *testing.T) {
			big, small := "CONCAT('{\"a\":\"', REPEAT('x', 16000000), '\"}')", "CONCAT('{\"a\":\"', REPEAT('x', 1000000), '\"}')"
			if e.d == outbox.SQLite {
				big, small = "'{\"a\":\"'||hex(zeroblob(8000000))||'\"}'", "'{\"a\":\"'||hex(zeroblob(500000))||'\"}'"
			}
			for i := range 10 {
				body := small
				if i%3 == 0 {
					body = big
				}
				e.exec(t, "INSERT INTO exchange_outbox (record_type, record_key, payload) VALUES ('case', 'k', "+body+")")
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			rows, more, err := e.reader(t).Read(t.Context(), outbox.Limit{Bytes: 4 << 20})
			runtime.ReadMemStats(&after)
			if err != nil || len(rows) != 7 || !more {
				t.Fatalf("%d rows, more %t, %v", len(rows), more, err)
			}
			used := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d rows, %d KiB allocated in all", len(rows), used>>10)
			if used > 24<<20 {
				t.Errorf("%d bytes allocated to read at most 4 MiB", used)
			}
			err = e.inTx(t, func(ctx context.Context, tx *sql.Tx) error {
				runtime.ReadMemStats(&before)
				err := outbox.Reject(ctx, tx, e.d, "aid", outbox.Table, []outbox.Rejection{{Row: rows[0], Code: "TOO_LARGE", Faults: []byte(`[]`)}})
				runtime.ReadMemStats(&after)
				return err
			})
			if used := after.TotalAlloc - before.TotalAlloc; err != nil || used > 1<<20 {
				t.Errorf("rejecting 16 MB allocated %d bytes, %v", used, err)
			}
		})
	}
}

// Reading many types costs no more than one: the bound is of all together.
func TestReadMemoryOfManyTypes(t *testing.T) { // not parallel: it measures allocation
	for _, open := range []func(*testing.T) engine{sqlite, mariadb} {
		e := open(t)
		t.Run(string(e.d), func(t *testing.T) {
			var types []string
			body := "CONCAT('{\"a\":\"', REPEAT('x', 16000), '\"}')"
			if e.d == outbox.SQLite {
				body = "'{\"a\":\"'||hex(zeroblob(8000))||'\"}'"
			}
			for i := range 20 {
				types = append(types, "type_"+string(rune('a'+i)))
				for range 100 {
					e.exec(t, "INSERT INTO exchange_outbox (record_type, record_key, payload) VALUES ('"+types[i]+"', 'k', "+body+")")
				}
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			rows, more, err := e.reader(t).Read(t.Context(), outbox.Limit{Rows: 2000, Bytes: 1 << 20, Types: types})
			runtime.ReadMemStats(&after)
			if err != nil || len(rows) != 65 || !more {
				t.Fatalf("%d rows, more %t, %v", len(rows), more, err)
			}
			used := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d KiB allocated in all", used>>10)
			if used > 12<<20 {
				t.Errorf("%d bytes allocated to read at most 1 MiB", used)
			}
		})
	}
}

func TestReadTypesAndSkip(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		for i := range 30 {
			typ := []string{"bulk", "hotline_ticket", "bulk", "handoff", "bulk"}[i%5]
			e.exec(t, "INSERT INTO exchange_outbox (record_type, record_key, payload) VALUES (?, ?, '{}')", typ, fmt.Sprint(i))
		}
		all := e.read(t)
		var urgent []outbox.Row
		for _, r := range all {
			if r.Type != "bulk" {
				urgent = append(urgent, r)
			}
		}
		r := e.reader(t)
		types := []string{"handoff", "hotline_ticket", "absent"}
		rows, more, err := r.Read(t.Context(), outbox.Limit{Types: types})
		if err != nil || more || cmp.Diff(urgent, rows) != "" {
			t.Errorf("types: more %t, %v, %s", more, err, cmp.Diff(urgent, rows))
		}
		rows, more, err = r.Read(t.Context(), outbox.Limit{Types: types, Rows: 5})
		if err != nil || !more || cmp.Diff(urgent[:5], rows) != "" {
			t.Errorf("types, limited: more %t, %v, %s", more, err, cmp.Diff(urgent[:5], rows))
		}
		var others []outbox.Row
		for _, r := range all {
			if r.Type == "bulk" {
				others = append(others, r)
			}
		}
		rows, more, err = r.Read(t.Context(), outbox.Limit{Except: types, Rows: 7})
		if err != nil || !more || cmp.Diff(others[:7], rows) != "" {
			t.Errorf("all but types, limited: more %t, %v, %s", more, err, cmp.Diff(others[:7], rows))
		}
		rows, more, err = r.Read(t.Context(), outbox.Limit{Except: types})
		if err != nil || more || cmp.Diff(others, rows) != "" {
			t.Errorf("all but types: more %t, %v, %s", more, err, cmp.Diff(others, rows))
		}
		// The first 20 are taken: a source in another database keeps them waiting until a receipt comes.
		taken := map[uint64]time.Time{}
		for _, row := range all[:20] {
			taken[row.ID] = row.Created
		}
		skip := func(id uint64, created time.Time) bool {
			at, ok := taken[id]
			return ok && at.Equal(created)
		}
		for _, n := range []int{1, 3, 10, 100} {
			rows, more, err = r.Read(t.Context(), outbox.Limit{Rows: n, Skip: skip})
			want := all[20:min(30, 20+n)]
			if err != nil || more != (n < 10) || cmp.Diff(want, rows) != "" {
				t.Errorf("skip, %d rows: more %t, %v, %s", n, more, err, cmp.Diff(want, rows))
			}
		}
	})
}

func TestWaiting(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		n, oldest, err := e.reader(t).Waiting(t.Context())
		if n != 0 || !oldest.IsZero() || err != nil {
			t.Errorf("empty: %d, %v, %v", n, oldest, err)
		}
		before := time.Now().Add(-time.Second)
		e.publish(t, "1", "2", "3")
		n, oldest, err = e.reader(t).Waiting(t.Context())
		if n != 3 || oldest.Before(before) || oldest.After(time.Now().Add(time.Second)) || err != nil {
			t.Errorf("three: %d, %v, %v", n, oldest, err)
		}
		if first := e.read(t)[0]; !first.Created.Equal(oldest) || first.Created.Location() != time.UTC {
			t.Errorf("created %v, oldest %v", first.Created, oldest)
		}
	})
}

func TestRemoveIsExact(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		var keys []string
		for i := range 1201 { // more than two statements
			keys = append(keys, fmt.Sprint(i))
		}
		e.publish(t, keys...)
		rows := e.read(t)
		gone := rows[700]
		if err := e.remove(t, []outbox.Row{gone}); err != nil {
			t.Fatal(err)
		}
		if err := e.remove(t, rows); !errors.Is(err, outbox.ErrTaken) {
			t.Errorf("one of the rows was gone: %v", err)
		}
		if n := len(e.read(t)); n != 1200 {
			t.Errorf("%d rows after rollback", n)
		}
		if err := e.remove(t, []outbox.Row{rows[0], rows[0]}); !errors.Is(err, outbox.ErrTaken) {
			t.Errorf("one row twice: %v", err)
		}
		err := e.inTx(t, func(ctx context.Context, tx *sql.Tx) error {
			n, err := e.reader(t).Release(ctx, tx, rows[699:702])
			if n != 2 {
				t.Errorf("released %d", n)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if err := e.remove(t, nil); err != nil {
			t.Errorf("nothing: %v", err)
		}
		if err := e.remove(t, slices.Concat(rows[:699], rows[702:])); err != nil {
			t.Error(err)
		}
		if n := len(e.read(t)); n != 0 {
			t.Errorf("%d rows left", n)
		}
	})
}

// Old engines give an id again after a restart: the row read and the row there now are two (F3).
func TestF3RemoveKnowsReusedIDs(t *testing.T) {
	t.Parallel()
	e := mariadb(t)
	e.exec(t, "INSERT INTO exchange_outbox (id, record_type, record_key, payload) VALUES (7, 'case', 'old', '{}')")
	old := e.read(t)
	if err := e.remove(t, old); err != nil {
		t.Fatal(err)
	}
	e.exec(t, "INSERT INTO exchange_outbox (id, record_type, record_key, payload) VALUES (7, 'case', 'new', '{}')")
	if err := e.remove(t, old); !errors.Is(err, outbox.ErrTaken) {
		t.Errorf("the new row was removed for the old: %v", err)
	}
	if rows := e.read(t); len(rows) != 1 || string(rows[0].Key) != "new" {
		t.Errorf("left %+v", rows)
	}
}

// MariaDB 10.11 types a ten-digit literal as INT: the first form of the delete lost ids above 4,294,967,295.
func TestRemoveLargeIDs(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		for _, pair := range [][2]uint64{{1, 4665770171}, {1<<32 - 1, 1 << 32}, {5, 1<<63 - 1}} {
			for _, id := range pair {
				e.exec(t, fmt.Sprintf("INSERT INTO exchange_outbox (id, record_type, record_key, payload) VALUES (%d, 'case', 'k', '{}')", id))
			}
			e.reject(t, "aid", "BAD_ID") // copies and removes
		}
		if n := len(e.list(t, outbox.Filter{})); n != 6 {
			t.Errorf("%d rejected", n)
		}
	})
}

// Rolled-back transactions and Galera leave gaps between ids; rows in the gaps of what is read are not read.
func TestReadAcrossGaps(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		var want []uint64
		for _, id := range []uint64{1, 2, 3, 4, 7, 9, 10, 11, 20, 21, 22, 30, 33, 36, 1<<32 - 1, 1 << 32, 1<<32 + 1, 1<<63 - 1} {
			e.exec(t, fmt.Sprintf("INSERT INTO exchange_outbox (id, record_type, record_key, payload) VALUES (%d, 'case', 'k', '{}')", id))
			want = append(want, id)
		}
		if diff := cmp.Diff(want, ids(e.read(t))); diff != "" {
			t.Error(diff)
		}
		skip := func(id uint64, _ time.Time) bool { return id%2 == 0 || id == 3 }
		want = slices.DeleteFunc(want, func(id uint64) bool { return skip(id, time.Time{}) })
		rows, _, err := e.reader(t).Read(t.Context(), outbox.Limit{Skip: skip})
		if diff := cmp.Diff(want, ids(rows)); err != nil || diff != "" {
			t.Error(err, diff)
		}
	})
}

// Two processes read the same rows; one removes them.
func TestConcurrentRemove(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		e.publish(t, "1", "2", "3")
		rows := e.read(t)
		results := make(chan error, 2)
		for range 2 {
			go func() {
				tx, err := e.db.BeginTx(context.Background(), nil)
				if err != nil {
					results <- err
					return
				}
				if err := e.reader(t).Remove(context.Background(), tx, rows); err != nil {
					_ = tx.Rollback()
					results <- err
					return
				}
				results <- tx.Commit()
			}()
		}
		one, two := <-results, <-results
		if (one == nil) == (two == nil) || !errors.Is(errors.Join(one, two), outbox.ErrTaken) {
			t.Errorf("want one success and one ErrTaken: %v; %v", one, two)
		}
		if left := e.read(t); len(left) != 0 {
			t.Errorf("left %v", ids(left))
		}
	})
}

// A key with a space at its end is another key (F15 and the measurements before F1); the reader gives both as they are.
func TestTrailingSpaceKeys(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		want := []string{"YL-1", "YL-1 ", "YL-1  ", "yl-1"}
		for _, k := range want {
			e.exec(t, "INSERT INTO exchange_outbox (record_type, record_key, payload) VALUES ('case', ?, '{}')", k)
		}
		var got []string
		for _, r := range e.read(t) {
			got = append(got, string(r.Key))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
