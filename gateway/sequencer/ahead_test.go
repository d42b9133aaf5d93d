package sequencer_test

import (
	"database/sql"
	"strconv"
	"testing"

	"fayi/gateway/sequencer"
	"fayi/outbox"
)

// What a round reads ahead is only a head start: rows that another process takes meanwhile, and rows that are
// committed late under a lower id, are sealed once, in each key's order.
func TestReadingAhead(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		const keys, rows = 90, 4500 // more than two rounds
		a, other := b.main(), b.main()
		b.tx(func(tx *sql.Tx) error { // later ids are above this one
			r := b.consultation("first", "0")
			_, err := tx.ExecContext(t.Context(), "INSERT INTO "+outbox.Table+" (id, record_type, record_key, op, payload) VALUES (?,?,?,?,?)", 1000, r.recordType, r.key, "put", r.payload)
			return err
		})
		var all []row
		for i := range rows {
			all = append(all, b.consultation("K-"+strconv.Itoa(i%keys), strconv.Itoa(i)))
		}
		b.insert(all...)
		round := func(s *sequencer.Sequencer) int {
			n, _, err := s.Round(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := round(a); n != 2000 {
			t.Fatalf("the first round took %d rows", n)
		}
		b.tx(func(tx *sql.Tx) error { // committed late, and not seen by the reading ahead or the other process's next round
			r := b.consultation("late", "0")
			_, err := tx.ExecContext(t.Context(), "INSERT INTO "+outbox.Table+" (id, record_type, record_key, op, payload) VALUES (?,?,?,?,?)", 5, r.recordType, r.key, "put", r.payload)
			return err
		})
		if n := round(other); n != 2000 {
			t.Fatalf("the other's round took %d rows", n)
		}
		if n := round(a); n != 0 {
			t.Fatalf("%d rows that another process had taken were taken again", n)
		}
		b.drain(a)
		newest := map[string]int{}
		lines := b.stream(name("consultation", "upstream"))
		for _, l := range lines {
			version, err := strconv.Atoi(l.title())
			if err != nil {
				t.Fatal(err)
			}
			if last, ok := newest[l.Key]; ok && version <= last {
				t.Fatalf("%s: version %d after %d", l.Key, version, last)
			}
			newest[l.Key] = version
		}
		if len(lines) != rows+2 || len(newest) != keys+2 {
			t.Errorf("%d lines of %d keys", len(lines), len(newest))
		}
	})
}
