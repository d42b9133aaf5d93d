package sequencer_test

import (
	"database/sql"
	"strconv"
	"testing"

	"fayi/crypto/seal"
	"fayi/gateway/sequencer"
	"fayi/outbox"
)

// What a round reads ahead is only a head start: rows that another process takes meanwhile, and rows that are
// committed late under a lower id, are sealed once, in each key's order.
func TestReadingAhead(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		const keys, rows = 90, 8500 // more than four rounds: two are read ahead and used
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
		lines := b.stream(name("consultation", "upstream"))
		newest := ordered(t, lines)
		if len(lines) != rows+2 || len(newest) != keys+2 {
			t.Errorf("%d lines of %d keys", len(lines), len(newest))
		}
	})
}

// ordered checks that each key's versions rise and that each names the one before, and returns the newest.
func ordered(t *testing.T, lines []line) map[string]int {
	t.Helper()
	newest, at := map[string]int{}, map[string]seal.Was{}
	for _, l := range lines {
		version, err := strconv.Atoi(l.title())
		if err != nil {
			t.Fatal(err)
		}
		if last, ok := newest[l.Key]; ok && version <= last {
			t.Fatalf("%s: version %d after %d", l.Key, version, last)
		}
		newest[l.Key] = version
		if before, ok := at[l.Key]; ok != (l.Was != nil) || ok && *l.Was != before {
			t.Fatalf("%s: version %d names %v as the one before, not %v", l.Key, version, l.Was, before)
		}
		at[l.Key] = seal.Was{Gen: l.Gen, Seq: l.Seq}
	}
	return newest
}

// What is known ahead of keys is worth nothing once somebody else has changed them: here the source's other table.
func TestReadingAheadBesideAnother(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		const keys = 90
		a := b.main()
		other := b.sequencer(sequencer.Source{Name: "main", Table: "exchange_outbox_b", Types: []string{"*"}}, upstream)
		var all []row
		for i := range 2100 { // the last hundred are read ahead
			version := i
			if i >= 2000 {
				version += 1000
			}
			all = append(all, b.consultation("K-"+strconv.Itoa(i%keys), strconv.Itoa(version)))
		}
		b.insert(all...)
		if n, more, err := a.Round(t.Context()); n != 2000 || !more || err != nil {
			t.Fatal(n, more, err)
		}
		all = all[:0]
		for i := range keys {
			r := b.consultation("K-"+strconv.Itoa(i), strconv.Itoa(2000+i))
			r.table = "exchange_outbox_b"
			all = append(all, r)
		}
		b.insert(all...)
		b.drain(other)
		b.drain(a)
		lines := b.stream(name("consultation", "upstream"))
		if ordered(t, lines); len(lines) != 2100+keys {
			t.Errorf("%d lines", len(lines))
		}
	})
}
