package sequencer_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fayi/crypto/sign"
	"fayi/gateway/archive"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/outbox/mariadbtest"

	"pgregory.net/rapid"
)

// remote is the database of a business system on a server that is not the node's.
type remote struct {
	*bench
	db  *sql.DB
	dsn string
	n   uint64 // of the last receipt
}

// onBothStoresFrom runs a test with a node on each store and a source in a database of its own.
func onBothStoresFrom(t *testing.T, test func(t *testing.T, r *remote)) {
	onBothStores(t, func(t *testing.T, b *bench) {
		r := &remote{bench: b, dsn: mariadbtest.Start(t).Database(t)}
		var err error
		if r.db, err = store.OpenForeign(r.dsn); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.db.Close() })
		if err := outbox.InstallSource(t.Context(), r.db, outbox.MySQL, outbox.Table); err != nil {
			t.Fatal(err)
		}
		test(t, r)
	})
}

func (r *remote) source() *sequencer.Sequencer {
	r.t.Helper()
	return r.sequencer(sequencer.Source{Name: "aid", Table: outbox.Table, DB: r.db, Types: []string{"*"}}, upstream)
}

func (r *remote) exec(query string, args ...any) {
	r.t.Helper()
	if _, err := r.db.ExecContext(r.t.Context(), query, args...); err != nil {
		r.t.Fatal(err)
	}
}

// publish writes versions of consultations, "K v", each in a transaction of its own.
func (r *remote) publish(records ...string) {
	r.t.Helper()
	for _, text := range records {
		key, version, _ := strings.Cut(text, " ")
		r.exec("INSERT INTO exchange_outbox (record_type, record_key, payload) VALUES ('consultation', ?, ?)", key, r.consultation(key, version).payload)
	}
}

func (r *remote) published() []string {
	r.t.Helper()
	return versions(r.stream(name("consultation", sign.Upstream)), "")
}

func (r *remote) want(what string, records ...string) {
	r.t.Helper()
	if got := r.published(); !slices.Equal(got, records) {
		r.t.Fatalf("%s: the stream holds %v, want %v", what, got, records)
	}
}

// sealed is how many lines the stream has.
func (r *remote) sealed() int {
	st, err := r.Store.StreamByName(r.t.Context(), name("consultation", sign.Upstream))
	if err != nil {
		return 0
	}
	return int(st.Seq)
}

// there is how many rows lie in the source, taken how many of them the node remembers.
func (r *remote) there() (n int) {
	r.t.Helper()
	if err := r.db.QueryRowContext(r.t.Context(), "SELECT COUNT(*) FROM exchange_outbox").Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *remote) taken() int {
	r.t.Helper()
	n, err := r.Store.CountTaken(r.t.Context(), "aid")
	if err != nil {
		r.t.Fatal(err)
	}
	return int(n)
}

// receipt is a reader's, of a level, up to a line of the stream.
func (r *remote) receipt(level string, upto int) {
	r.t.Helper()
	st, err := r.Store.StreamByName(r.t.Context(), name("consultation", sign.Upstream))
	if err != nil {
		r.t.Fatal(err)
	}
	r.n++
	_, err = r.Store.SaveReceipt(r.t.Context(), store.Receipt{By: "100000", Origin: node, N: r.n, Level: level, Hash: store.Hash{byte(r.n)}, Body: []byte("{}"), Sig: []byte("s")},
		[]store.Ack{{Stream: st.ID, Head: store.Head{Pos: store.Pos{Gen: st.Gen, Seq: uint64(upto)}}, At: 1}})
	if err != nil {
		r.t.Fatal(err)
	}
}

// until calls Round until a condition holds: rows are deleted in their source a moment after the receipt.
func (r *remote) until(s *sequencer.Sequencer, what string, holds func() bool) {
	r.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if _, _, err := s.Round(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
		if holds() {
			return
		}
		<-tick.C
	}
	r.t.Fatalf("never: %s", what)
}

// F4: a row is deleted in its source only when a reader has stored it. Until then the business database holds what
// the node's disk may lose: another node on the same keys' place publishes it again.
func TestF4RowsStayUntilAReaderHasThem(t *testing.T) {
	onBothStoresFrom(t, func(t *testing.T, r *remote) {
		s := r.source()
		r.publish("A 1", "B 1", "A 2")
		if n := r.drain(s); n != 3 {
			t.Fatalf("took %d", n)
		}
		r.want("first", "A 1", "B 1", "A 2")
		for range 3 {
			if n := r.drain(s); n != 0 {
				t.Fatalf("took %d rows again", n)
			}
		}
		r.receipt(sign.LevelCarried, 3) // a carrier without keys is no backup
		s = r.source()                  // a process that starts anew knows them
		if n := r.drain(s); n != 0 || r.there() != 3 || r.taken() != 3 {
			t.Fatalf("took %d, %d lie there, %d taken", n, r.there(), r.taken())
		}
		r.receipt(sign.LevelStored, 2)
		r.until(s, "two rows leave", func() bool { return r.there() == 1 && r.taken() == 1 })
		var left string
		if err := r.db.QueryRow("SELECT record_key FROM exchange_outbox").Scan(&left); err != nil || left != "A" {
			t.Fatalf("left %q, %v", left, err)
		}
		r.publish("C 1")
		r.drain(s)
		r.receipt(sign.LevelApplied, 4)
		r.until(s, "all leave", func() bool { return r.there() == 0 && r.taken() == 0 })
		r.want("in the end", "A 1", "B 1", "A 2", "C 1")
		// What is in no stream leaves at once: it is in exchange_rejected, or was there before.
		r.exec("INSERT INTO exchange_outbox (record_type, record_key, payload) VALUES ('consultation', 'BAD', '{}'), ('consultation', 'D', NULL)")
		r.publish("A 2")
		r.drain(s)
		r.until(s, "rejected and unchanged rows leave", func() bool { return r.there() == 0 && r.taken() == 0 })
		if list := r.rejected(); len(list) != 2 || list[0].Source != "aid" || list[0].Row.Size != 2 {
			t.Errorf("rejected: %+v", list)
		}
	})
}

// A person's decision about what is held covers what waits, not what is taken and still lies in the source.
func TestBrakeCountsWhatWaits(t *testing.T) {
	onBothStoresFrom(t, func(t *testing.T, r *remote) {
		s := r.source()
		s.Brakes = sequencer.Brakes{Floor: 2, DeletePercent: 5, ChangePercent: 20, Window: time.Hour}
		r.publish("A 1", "B 1", "C 1", "D 1", "E 1")
		r.drain(s)
		r.exec("INSERT INTO exchange_outbox (record_type, record_key, op) VALUES ('consultation', 'A', 'del'), ('consultation', 'B', 'del'), ('consultation', 'C', 'del')")
		r.publish("F 1")
		r.drain(s)
		counter, err := s.Source.Counter(t.Context(), r.Store)
		if err != nil {
			t.Fatal(err)
		}
		held, err := sequencer.HeldOf(t.Context(), r.Store, s.Source, counter)
		if err != nil || len(held) != 1 || held[0].Waiting["del"] != 3 || held[0].Waiting["put"] != 1 {
			t.Fatalf("%+v, %v", held, err)
		}
		if n, err := sequencer.Decide(t.Context(), r.Store, "aid", "consultation", false, "", "tester", counter, false); n != 4 || err != nil {
			t.Fatalf("confirmed %d, %v", n, err)
		}
		r.drain(s)
		r.want("confirmed", "A 1", "B 1", "C 1", "D 1", "E 1", "A -", "B -", "C -", "F 1")
	})
}

// Where no reader's receipt can come, the archive's files release rows too (protocol §4).
func TestArchiveReleasesRows(t *testing.T) {
	onBothStoresFrom(t, func(t *testing.T, r *remote) {
		s := r.source()
		r.publish("A 1", "B 1")
		r.drain(s)
		a := &archive.Archiver{Store: r.Store, Dir: archive.Open(filepath.Join(t.TempDir(), "archive")), After: -1, Log: discard()}
		if _, _, err := a.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.publish("C 1")
		r.until(s, "what is archived leaves", func() bool { return r.there() == 1 && r.taken() == 1 && r.sealed() == 3 })
	})
}

// Unchanged against a version that no reader has yet: both rows stay, or the only copy would go.
func TestUnchangedRowWaitsForItsVersion(t *testing.T) {
	onBothStoresFrom(t, func(t *testing.T, r *remote) {
		s := r.source()
		r.publish("A 1", "A 1")
		r.drain(s)
		r.publish("A 1")
		r.drain(s)
		r.want("once", "A 1")
		s = r.source()
		r.drain(s)
		if r.there() != 3 {
			t.Fatalf("%d rows lie there", r.there())
		}
		r.receipt(sign.LevelStored, 1)
		r.until(s, "all leave", func() bool { return r.there() == 0 && r.taken() == 0 })
	})
}

// F2: two sequencers race on a source in another database. Heads alone do not guard its rows; the key of fayi_taken
// does: every row is published once.
func TestF2TwoSequencersOneForeignSource(t *testing.T) {
	onBothStoresFrom(t, func(t *testing.T, r *remote) {
		const rows = 100
		var want []string
		for i := range rows {
			want = append(want, fmt.Sprintf("K%d %d", i%7, i))
		}
		r.publish(want...)
		// The moment of F2, by itself: both have read what is taken, one commits, the other then starts from the new head.
		first, second := r.source(), r.source()
		r.drain(first)
		r.drain(second)
		r.publish("X 1", "X 2")
		if _, _, err := second.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.publish("Y 1")
		if _, _, err := first.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*sequencer.Sequencer{first, second} {
			r.drain(s)
		}
		r.want("one after the other", append(slices.Clone(want), "X 1", "X 2", "Y 1")...)
		done := make(chan error, 2)
		stop := make(chan struct{})
		for range 2 {
			s := r.source()
			go func() {
				for {
					select {
					case <-stop:
						done <- nil
						return
					default:
					}
					if _, _, err := s.Round(t.Context()); err != nil {
						done <- err
						return
					}
				}
			}()
		}
		more := []string{}
		for i := range rows {
			more = append(more, fmt.Sprintf("L%d %d", i%7, i))
		}
		r.publish(more...)
		eventually(t, "all are published", func() bool { return r.sealed() >= 2*rows+3 })
		close(stop)
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if got := r.published(); !slices.Equal(got, append(append(slices.Clone(want), "X 1", "X 2", "Y 1"), more...)) {
			t.Fatalf("%d lines of %d rows", len(got), 2*rows+3)
		}
	})
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		if holds() {
			return
		}
		<-tick.C
	}
	t.Fatalf("never: %s", what)
}

// F3: an old engine begins its ids anew when it restarts with an empty table. MariaDB 10.11 keeps the counter, so it is
// set back, as 5.7 would find it. Rows with ids that were taken are new rows.
func TestF3IdsAreUsedAgain(t *testing.T) {
	onBothStoresFrom(t, func(t *testing.T, r *remote) {
		s := r.source()
		r.publish("A 1", "B 1", "C 1")
		r.drain(s)
		// Deleted there, as after the receipt, but not yet forgotten here: a crash in between.
		r.exec("DELETE FROM exchange_outbox")
		r.exec("ALTER TABLE exchange_outbox AUTO_INCREMENT = 1")
		r.publish("D 1", "E 1")
		var lowest int
		if err := r.db.QueryRow("SELECT MIN(id) FROM exchange_outbox").Scan(&lowest); err != nil || lowest != 1 {
			t.Fatalf("the first id is %d, not used again: %v", lowest, err)
		}
		for _, s := range []*sequencer.Sequencer{s, r.source()} {
			r.drain(s)
			r.want("ids used again", "A 1", "B 1", "C 1", "D 1", "E 1")
		}
		// The receipt for the first three removes neither of the new ones.
		r.receipt(sign.LevelStored, 3)
		r.until(s, "the first three are forgotten", func() bool { return r.taken() == 2 })
		if r.there() != 2 {
			t.Fatalf("%d rows lie there", r.there())
		}
	})
}

// Above the limit the source waits, and goes on when receipts come.
func TestSourceWaitsAboveItsLimit(t *testing.T) {
	onBothStoresFrom(t, func(t *testing.T, r *remote) {
		s := r.sequencer(sequencer.Source{Name: "aid", Table: outbox.Table, DB: r.db, MaxTaken: 3, Types: []string{"*"}}, upstream)
		r.publish("A 1", "B 1", "C 1", "D 1")
		r.drain(s)
		r.publish("E 1")
		r.drain(s)
		r.want("the round that reaches the limit is whole", "A 1", "B 1", "C 1", "D 1")
		r.receipt(sign.LevelStored, 4)
		r.until(s, "the source goes on", func() bool { return r.sealed() == 5 })
	})
}

// A node restored without its table of taken rows recognises by the ref of their lines what it had published: nothing
// is published again, no old version after a newer one, and what a reader has goes on to be released.
func TestRestoredNodeRecognisesItsRows(t *testing.T) {
	onBothStoresFrom(t, func(t *testing.T, r *remote) {
		s := r.source()
		r.publish("A 1", "B 1", "A 2", "A 3")
		r.drain(s)
		r.tx(func(tx *sql.Tx) error {
			_, err := tx.Exec("DELETE FROM fayi_taken")
			return err
		})
		r.exec("INSERT INTO exchange_outbox (record_type, record_key, op) VALUES ('consultation', 'B', 'del')")
		s = r.source()
		r.publish("A 4")
		r.drain(s)
		lines := r.stream(name("consultation", sign.Upstream))
		if got := versions(lines, ""); !slices.Equal(got, []string{"A 1", "B 1", "A 2", "A 3", "B -", "A 4"}) {
			t.Fatalf("the stream holds %v", got)
		}
		if r.taken() != 6 || r.there() != 6 {
			t.Fatalf("%d taken, %d there", r.taken(), r.there())
		}
		r.receipt(sign.LevelStored, 4)
		r.until(s, "what the reader has leaves", func() bool { return r.there() == 2 && r.taken() == 2 })
	})
}

// A row too long to load is rejected by its size and stays in its source: it is nowhere else.
func TestOversizeRowStaysInItsSource(t *testing.T) {
	onBothStoresFrom(t, func(t *testing.T, r *remote) {
		s := r.source()
		r.exec("INSERT INTO exchange_outbox (record_type, record_key, payload) VALUES ('consultation', 'BIG', REPEAT('x', 2000000))")
		r.publish("A 1")
		r.drain(s)
		r.receipt(sign.LevelStored, 1)
		r.until(s, "the other leaves", func() bool { return r.there() == 1 })
		s = r.source()
		r.drain(s)
		if list := r.rejected(); len(list) != 1 || list[0].Code != outbox.CodeTooLarge || r.there() != 1 {
			t.Fatalf("%+v, %d there", list, r.there())
		}
	})
}

// A source whose server does not answer is an error of its own round, soon, and of nothing else.
func TestSourceThatIsDown(t *testing.T) {
	onBothStoresFrom(t, func(t *testing.T, r *remote) {
		l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		db, err := store.OpenForeign("x@tcp(" + l.Addr().String() + ")/x?timeout=100ms&readTimeout=100ms")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		down := r.sequencer(sequencer.Source{Name: "down", Table: outbox.Table, DB: db, Types: []string{"*"}}, upstream)
		if _, _, err := down.Round(t.Context()); err == nil || errors.Is(err, t.Context().Err()) {
			t.Fatalf("%v", err)
		}
		s := r.source()
		r.publish("A 1")
		r.drain(s)
		r.want("the other source", "A 1")
	})
}

// A key belongs to the source that first published it, wherever that is (review F6b).
func TestF6KeysBelongToTheirSource(t *testing.T) {
	onBothStoresFrom(t, func(t *testing.T, r *remote) {
		s, home := r.source(), r.main()
		r.publish("A 1")
		r.drain(s)
		r.insert(r.consultation("A", "2"), r.consultation("B", "1"))
		r.drain(home)
		r.publish("B 2", "A 3")
		r.drain(s)
		r.want("each its own", "A 1", "B 1", "A 3")
		if list := r.rejected(); len(list) != 2 || list[0].Code != "NOT_YOURS" || list[1].Code != "NOT_YOURS" {
			t.Fatalf("%+v", list)
		}
	})
}

// Whatever crashes, comes late or is told twice: each row is published once, in order of its key, and leaves its source
// only after a reader has it.
func TestForeignSourceModel(t *testing.T) {
	t.Parallel()
	b := newBench(t, outbox.MySQL, mariadbtest.Start(t).Database(t))
	r := &remote{bench: b, dsn: mariadbtest.Start(t).Database(t)}
	var err error
	if r.db, err = store.OpenForeign(r.dsn); err != nil {
		t.Fatal(err)
	}
	defer r.db.Close()
	if err := outbox.InstallSource(t.Context(), r.db, outbox.MySQL, outbox.Table); err != nil {
		t.Fatal(err)
	}
	s := r.source()
	var rows []string // published by committed transactions, in order
	acked, checks := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		if checks++; checks > 12 && os.Getenv("FAYI_LONG") != "1" {
			return
		}
		rt.Repeat(map[string]func(*rapid.T){
			"publish": func(rt *rapid.T) {
				text := fmt.Sprintf("K%d %d", rapid.IntRange(0, 4).Draw(rt, "key"), len(rows))
				r.publish(text)
				rows = append(rows, text)
			},
			"round":   func(*rapid.T) { r.drain(s) },
			"restart": func(*rapid.T) { s = r.source() },
			"receipt": func(rt *rapid.T) {
				if n := r.sealed(); n > acked {
					acked = rapid.IntRange(acked+1, n).Draw(rt, "upto")
					r.receipt(sign.LevelStored, acked)
				}
			},
			"lose taken": func(rt *rapid.T) {
				if rapid.IntRange(0, 4).Draw(rt, "rarely") == 0 {
					r.tx(func(tx *sql.Tx) error { _, err := tx.Exec("DELETE FROM fayi_taken"); return err })
					s = r.source()
				}
			},
			"": func(rt *rapid.T) {
				if n := r.sealed(); n > len(rows) {
					rt.Fatalf("%d lines of %d rows", n, len(rows))
				}
				if there := r.there(); there < len(rows)-acked {
					rt.Fatalf("%d rows there, %d of %d acknowledged", there, acked, len(rows))
				}
			},
		})
	})
	r.drain(s)
	r.want("each row once", rows...)
	if len(rows) > 0 {
		r.receipt(sign.LevelStored, len(rows))
		r.until(s, "all leave", func() bool { return r.there() == 0 && r.taken() == 0 })
	}
}
