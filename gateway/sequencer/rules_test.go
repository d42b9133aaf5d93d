package sequencer_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/replicate"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
	"fayi/outbox"

	"pgregory.net/rapid"
)

// versions lists key, without its prefix, and version of each line whose key has
// the prefix: "K v", or "K -" for a deletion.
func versions(lines []line, prefix string) (out []string) {
	for _, l := range lines {
		key, ok := strings.CutPrefix(l.Key, prefix)
		if !ok {
			continue
		}
		v := l.title()
		if l.Op == seal.Del {
			v = "-"
		}
		out = append(out, key+" "+v)
	}
	return out
}

func del(key string) row { return row{recordType: "consultation", key: key, op: "del"} }

func resend(r row) row { r.flags = "resend"; return r }

// What is unchanged is dropped, compared with the version before it even within
// one batch; a deletion counts as nothing; resend always flows (F13).
func TestF13Unchanged(t *testing.T) {
	cases := []struct {
		name    string
		batches [][]string // "K v" puts, "K -" deletes, a leading "!" resends
		want    []string
	}{
		{"the same again", [][]string{{"K a"}, {"K a"}}, []string{"K a"}},
		{"the same in one batch", [][]string{{"K a", "K a", "K a"}}, []string{"K a"}},
		{"there and back in one batch", [][]string{{"K a", "K b", "K a"}}, []string{"K a", "K b", "K a"}},
		{"there and back onto the stored version", [][]string{{"K a"}, {"K b", "K a"}}, []string{"K a", "K b", "K a"}},
		{"deleting what was never there", [][]string{{"K -"}}, nil},
		{"deleting twice", [][]string{{"K a"}, {"K -", "K -"}, {"K -"}}, []string{"K a", "K -"}},
		{"the same after a deletion", [][]string{{"K a"}, {"K -"}, {"K a"}}, []string{"K a", "K -", "K a"}},
		{"the same after a deletion in one batch", [][]string{{"K a", "K -", "K a"}}, []string{"K a", "K -", "K a"}},
		{"resent", [][]string{{"K a"}, {"!K a"}, {"K a"}}, []string{"K a", "K a"}},
		{"a deletion resent", [][]string{{"K a", "K -"}, {"!K -"}}, []string{"K a", "K -", "K -"}},
		{"keys apart", [][]string{{"K a", "L a", "K a", "k a"}}, []string{"K a", "L a", "k a"}},
	}
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.main()
		for i, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				own := fmt.Sprintf("%d/", i) // keys of this case
				before, rows := b.tally("main", "consultation"), 0
				for _, batch := range c.batches {
					for _, text := range batch {
						key, version, _ := strings.Cut(strings.TrimPrefix(text, "!"), " ")
						r := b.consultation(own+key, version)
						if version == "-" {
							r = del(own + key)
						}
						if strings.HasPrefix(text, "!") {
							r = resend(r)
						}
						b.insert(r)
						rows++
					}
					b.drain(s)
				}
				lines := b.stream(name("consultation", sign.Upstream))
				if got := versions(lines, own); !slices.Equal(got, c.want) {
					t.Errorf("the stream holds %v, want %v", got, c.want)
				}
				checkWas(t, lines)
				if tl := b.tally("main", "consultation"); int(tl.Accepted-before.Accepted) != len(c.want) || int(tl.Unchanged-before.Unchanged) != rows-len(c.want) {
					t.Errorf("tally %+v after %+v, of %d rows", tl, before, rows)
				}
			})
		}
	})
}

// checkWas follows every line's was to the key's line before it.
func checkWas(t testing.TB, lines []line) {
	t.Helper()
	before := map[string]*seal.Was{}
	for _, l := range lines {
		want := before[l.Key]
		if (l.Was == nil) != (want == nil) || want != nil && *l.Was != *want {
			t.Errorf("line %d of %s follows %v, says %v", l.Seq, l.Key, want, l.Was)
		}
		before[l.Key] = &seal.Was{Gen: l.Gen, Seq: l.Seq}
	}
}

// A reader's open rejection of a version keeps the same contents from being
// dropped, and the new version closes it (F14).
func TestF14OpenRejectionIsAnswered(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.main()
		stream := name("consultation", sign.Upstream)
		b.insert(b.consultation("ZX-1", "a"))
		b.drain(s)
		l := b.stream(stream)[0]
		b.tx(func(tx *sql.Tx) error {
			return b.Store.SavePeerRejections(t.Context(), tx, []store.PeerRejection{{Stream: stream, Gen: l.Gen, Seq: l.Seq, By: "100000", Code: "FORMAT", Open: true}})
		})
		open := func() (n int) {
			rs, err := b.Store.ListPeerRejections(t.Context(), store.RejectionFilter{})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rs {
				if r.Open {
					n++
				}
			}
			return n
		}
		if open() != 1 {
			t.Fatal("the rejection is not open")
		}
		b.insert(b.consultation("ZX-1", "a"))
		b.drain(s)
		if got := versions(b.stream(stream), "ZX-1"); !slices.Equal(got, []string{" a", " a"}) || open() != 0 {
			t.Errorf("the stream holds %v, %d rejections open", got, open())
		}
		b.insert(b.consultation("ZX-1", "a")) // now it is unchanged again
		b.drain(s)
		if n := len(b.stream(stream)); n != 2 {
			t.Errorf("%d lines", n)
		}
	})
}

// Nothing re-emits an old version: a repair of v2 that comes after v3 is closed
// as superseded, in whatever order rows and batches come; one that does not, flows (F12).
func TestF12LateRepairIsSuperseded(t *testing.T) {
	cases := []struct {
		name  string
		steps string // letters in order: see below
		want  []string
		state outbox.State
	}{
		// 1, 3: insert v1, v3. 2: insert the bad v2. r: resubmit v2 repaired. |: sequence what waits.
		{"nothing came after", "1|2|r|", []string{"v1", "v2"}, outbox.StateResubmitted},
		{"v3 was published", "1|2|3|r|", []string{"v1", "v3"}, outbox.StateSuperseded},
		{"v3 was published, all of one moment", "123|r|", []string{"v1", "v3"}, outbox.StateSuperseded},
		{"v1 in one batch with v2", "12|r|", []string{"v1", "v2"}, outbox.StateResubmitted},
		{"v3 comes after the repair in one batch", "1|2|r3|", []string{"v1", "v2", "v3"}, outbox.StateResubmitted},
		{"v3 comes after the repair", "1|2|r|3|", []string{"v1", "v2", "v3"}, outbox.StateResubmitted},
		{"the key is new", "2|r|", []string{"v2"}, outbox.StateResubmitted},
		// R: resubmit v2 as it will be, while v3 waits in a transaction that
		// commits just afterwards under a lower id: the sequencer finds out.
		{"v3 commits late, in the batch of the repair", "1|2|R|", []string{"v1", "v3"}, outbox.StateSuperseded},
		// L: the same with a version older than v2 that commits late.
		{"an older version commits late", "1|L|", []string{"v1", "v0", "v2"}, outbox.StateResubmitted},
	}
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.main()
		for i, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				key := fmt.Sprintf("ZX-%d", i)
				bad := row{recordType: "consultation", key: key, payload: `{"consultNo":"` + key + `"}`}
				repaired := []byte(b.consultation(key, "v2").payload.(string))
				rejected := func() outbox.Rejected {
					all := b.rejected()
					if len(all) != i+1 {
						t.Fatalf("%d rejected rows, want one a case", len(all))
					}
					return all[i]
				}
				resubmit := func(tx *sql.Tx) error {
					err := outbox.Resubmit(t.Context(), tx, b.d, outbox.Table, rejected().ID, repaired, nil)
					if errors.Is(err, outbox.ErrSuperseded) {
						return nil
					}
					return err
				}
				var together []row
				flush := func() {
					if len(together) > 0 {
						b.insert(together...)
						together = nil
					}
				}
				for _, step := range c.steps {
					switch step {
					case '1':
						together = append(together, b.consultation(key, "v1"))
					case '2':
						together = append(together, bad)
					case '3':
						together = append(together, b.consultation(key, "v3"))
					case '|':
						flush()
						b.drain(s)
					case 'r':
						flush()
						b.tx(resubmit)
					case 'R', 'L':
						// The late row has an id of its own before the others': it is
						// written now and shows only when its transaction commits.
						late := b.consultation(key, map[rune]string{'R': "v3", 'L': "v0"}[step])
						if step == 'L' {
							b.reserve(late)
							b.insert(bad)
							b.drain(s)
						} else {
							b.reserve(late)
						}
						b.tx(resubmit)
						b.release()
					}
				}
				var want []string
				for _, v := range c.want {
					want = append(want, " "+v)
				}
				if got := versions(b.stream(name("consultation", sign.Upstream)), key); !slices.Equal(got, want) {
					t.Errorf("the stream holds%v, want%v", got, want)
				}
				if got := rejected(); got.State != c.state {
					t.Errorf("the rejected row is %s, want it %s", got.State, c.state)
				}
			})
		}
		if tl := b.tally("main", "consultation"); tl.Rejected != uint64(len(cases)) || tl.Superseded == 0 || tl.Unchanged != 0 {
			t.Errorf("tally %+v", tl)
		}
	})
}

// reserve gives a row an id and a time now and hides it, as an open transaction
// does; release lets it be seen.
func (b *bench) reserve(r row) {
	b.t.Helper()
	b.insert(r)
	b.tx(func(tx *sql.Tx) error {
		if err := outbox.InstallSource(b.t.Context(), tx, b.d, "outbox_open"); err != nil {
			return err
		}
		for _, q := range []string{"INSERT INTO outbox_open SELECT * FROM exchange_outbox", "DELETE FROM exchange_outbox"} {
			if _, err := tx.ExecContext(b.t.Context(), q); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bench) release() {
	b.t.Helper()
	b.tx(func(tx *sql.Tx) error {
		for _, q := range []string{"INSERT INTO exchange_outbox SELECT * FROM outbox_open", "DELETE FROM outbox_open"} {
			if _, err := tx.ExecContext(b.t.Context(), q); err != nil {
				return err
			}
		}
		return nil
	})
}

// One row may go to several audiences: all of its streams move in one
// transaction, and each decides by its own versions.
func TestSeveralAudiences(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		audiences := []string{sign.Upstream}
		s := b.sequencer(sequencer.Source{Name: "main", Table: outbox.Table, Types: []string{"*"}}, func(string) []string { return audiences })
		b.insert(b.consultation("ZX-1", "a"))
		b.drain(s)
		audiences = []string{sign.Upstream, sign.Downstream, sign.Upstream, sign.To("100000"), "no such audience!"}
		b.insert(b.consultation("ZX-1", "a"), b.consultation("ZX-2", "a"))
		if n := b.drain(s); n != 2 {
			t.Errorf("took %d rows", n)
		}
		for audience, want := range map[string][]string{
			sign.Upstream: {"ZX-1 a", "ZX-2 a"}, sign.Downstream: {"ZX-1 a", "ZX-2 a"}, sign.To("100000"): {"ZX-1 a", "ZX-2 a"},
		} {
			lines := b.stream(name("consultation", audience))
			if got := versions(lines, ""); !slices.Equal(got, want) {
				t.Errorf("%s holds %v, want %v", audience, got, want)
			}
			checkWas(t, lines)
		}
		// Each line has a salt of its own, so that equal contents do not show.
		if a, c := b.stream(name("consultation", sign.Upstream))[1], b.stream(name("consultation", sign.Downstream))[1]; a.Salt == c.Salt || a.Ref != c.Ref {
			t.Errorf("salts %x, %x; refs %s, %s", a.Salt, c.Salt, a.Ref, c.Ref)
		}
		if tl := b.tally("main", "consultation"); tl.Accepted != 3 {
			t.Errorf("tally %+v: rows are counted, not lines", tl)
		}
	})
}

// Generations: a new stream opens one, it goes on across restarts, and a
// database found behind heads.journal opens the next.
func TestGenerations(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		stream := name("consultation", sign.Upstream)
		b.insert(b.consultation("ZX-1", "a"))
		b.drain(b.main())
		b.insert(b.consultation("ZX-1", "b"))
		b.drain(b.main()) // started again
		lines := b.stream(stream)
		if len(lines) != 2 || lines[0].Gen == 0 || lines[1].Gen != lines[0].Gen {
			t.Fatalf("generations %+v", lines)
		}
		// The journal says that more had left: the database was put back.
		journal, err := replicate.OpenJournal(filepath.Join(t.TempDir(), "heads.journal"))
		if err != nil {
			t.Fatal(err)
		}
		defer journal.Close()
		const ahead = 50
		if err := journal.Note(map[string]store.Head{stream: {Pos: store.Pos{Gen: lines[0].Gen + ahead, Seq: 9}, Hash: store.Hash{1}}}); err != nil {
			t.Fatal(err)
		}
		s := b.main()
		s.Journal = journal
		if err := s.Init(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.insert(b.consultation("ZX-1", "c"))
		b.drain(s)
		b.insert(b.consultation("ZX-1", "d"))
		b.drain(s)
		lines = b.stream(stream)
		if len(lines) != 4 || lines[2].Gen <= lines[0].Gen+ahead || lines[3].Gen != lines[2].Gen {
			t.Errorf("generations after the journal was ahead: %v %v %v", lines[0].Gen, lines[2].Gen, lines[3].Gen)
		}
		checkWas(t, lines)
		// A stream only the journal remembers starts above what left.
		lost := name("service_venue", sign.Upstream)
		future := lines[3].Gen + 1000
		if err := journal.Note(map[string]store.Head{lost: {Pos: store.Pos{Gen: future, Seq: 3}, Hash: store.Hash{2}}}); err != nil {
			t.Fatal(err)
		}
		b.insert(row{recordType: "service_venue", key: "V-1", payload: b.example("service_venue", "V-1", nil)})
		b.drain(s)
		if got := b.stream(lost); len(got) != 1 || got[0].Gen != future+1 {
			t.Errorf("a lost stream opens generation %v, want %d", got, future+1)
		}
	})
}

// Segments end at 1,000 lines and at 512 KiB of lines; numbers stay dense and
// was right across the borders. (bench.stream checks bounds and numbers.)
func TestSegmentsAreCut(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.main()
		var rows []row
		for i := range 2100 {
			rows = append(rows, b.consultation(fmt.Sprintf("ZX-%d", i%900), fmt.Sprint(i)))
		}
		b.insert(rows...)
		b.drain(s)
		lines := b.stream(name("consultation", sign.Upstream))
		if len(lines) != 2100 {
			t.Fatalf("%d lines", len(lines))
		}
		checkWas(t, lines)
		counts := map[int]int{}
		for _, l := range lines {
			counts[l.Segment]++
		}
		if counts[0] != seal.MaxLines || counts[1] != seal.MaxLines {
			t.Errorf("segments of %v lines", counts)
		}
		// Large lines: three of some 200 KiB do not fit into one.
		for i := range 4 {
			var more []map[string]string
			for range 17 {
				more = append(more, map[string]string{"kind": "0", "content": strings.Repeat("问", 4000)})
			}
			key := fmt.Sprintf("ZX-L%d", i)
			b.insert(row{recordType: "consultation", key: key, payload: b.example("consultation", key, map[string]any{"followUps": more})})
		}
		b.drain(s)
		large := b.stream(name("consultation", sign.Upstream))[2100:]
		if len(large) != 4 || large[0].Segment == large[2].Segment || large[0].Segment != large[1].Segment {
			t.Errorf("large lines lie in segments %d %d %d %d", large[0].Segment, large[1].Segment, large[2].Segment, large[3].Segment)
		}
	})
}

// Two sequencers race on one source: every row is in the stream once, in an
// order that keeps each key's.
func TestTwoSequencersRace(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		const rows, keys = 3000, 40
		var all []row
		for i := range rows {
			all = append(all, b.consultation(fmt.Sprintf("ZX-%02d", i%keys), fmt.Sprint(i)))
		}
		type result struct {
			n   int
			err error
		}
		done := make(chan result, 2)
		stop := make(chan struct{})
		for range 2 {
			s := b.main()
			go func() {
				var r result
				for {
					n, _, err := s.Round(t.Context())
					if r.n += n; err != nil {
						r.err = err
						break
					}
					if n == 0 {
						// All written first, then nothing waiting: in this order, or
						// rows written in between would be left behind.
						select {
						case <-stop:
						default:
							continue
						}
						if waiting, _, err := s.Waiting(t.Context()); waiting == 0 || err != nil {
							done <- result{r.n, err}
							return
						}
					}
				}
				done <- r
			}()
		}
		for batch := range slices.Chunk(all, 150) {
			b.insert(batch...)
		}
		close(stop)
		taken := 0
		for range 2 {
			r := <-done
			if r.err != nil {
				t.Fatal(r.err)
			}
			taken += r.n
		}
		lines := b.stream(name("consultation", sign.Upstream))
		if taken != rows || len(lines) != rows {
			left, _, err := b.main().Waiting(t.Context())
			t.Errorf("took %d rows, sealed %d lines of %d; %d still wait (%v)", taken, len(lines), rows, left, err)
		}
		checkWas(t, lines)
		last := map[string]int{}
		for _, l := range lines {
			var v int
			fmt.Sscan(l.title(), &v)
			if before, ok := last[l.Key]; ok && v != before+keys {
				t.Fatalf("%s: version %d after %d", l.Key, v, before)
			}
			last[l.Key] = v
		}
		if tl := b.tally("main", "consultation"); tl.Accepted != rows {
			t.Errorf("tally %+v", tl)
		}
	})
}

// Random rows over few keys against a model of a few lines: it predicts what is
// accepted, rejected and unchanged, and the fold of the stream is the model's state.
func TestSequencerModel(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.main()
		round := 0
		rapid.Check(t, func(rt *rapid.T) {
			round++
			latest := map[string]string{} // of this run's keys, "" for none
			var accepted, rejected, unchanged uint64
			was := b.tally("main", "consultation")
			sealed := len(b.stream(name("consultation", sign.Upstream)))
			for range rapid.IntRange(1, 4).Draw(rt, "batches") {
				var rows []row
				for range rapid.IntRange(1, 12).Draw(rt, "rows") {
					key := fmt.Sprintf("M-%d-%d", round, rapid.IntRange(0, 2).Draw(rt, "key"))
					version := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "version")
					switch kind := rapid.SampledFrom([]string{"put", "put", "put", "del", "bad", "resend"}).Draw(rt, "kind"); kind {
					case "put", "resend":
						r := b.consultation(key, version)
						if kind == "resend" {
							r = resend(r)
						}
						rows = append(rows, r)
						if kind == "put" && latest[key] == version {
							unchanged++
						} else {
							accepted++
						}
						latest[key] = version
					case "del":
						rows = append(rows, del(key))
						if latest[key] == "" {
							unchanged++
						} else {
							accepted++
						}
						latest[key] = ""
					case "bad":
						rows = append(rows, row{recordType: "consultation", key: key, payload: `{"consultNo":"` + key + `"}`})
						rejected++
					}
				}
				b.insert(rows...)
				b.drain(s)
			}
			now := b.tally("main", "consultation")
			if now.Accepted-was.Accepted != accepted || now.Rejected-was.Rejected != rejected || now.Unchanged-was.Unchanged != unchanged {
				rt.Fatalf("accepted %d rejected %d unchanged %d; the model says %d %d %d", now.Accepted-was.Accepted, now.Rejected-was.Rejected,
					now.Unchanged-was.Unchanged, accepted, rejected, unchanged)
			}
			lines := b.stream(name("consultation", sign.Upstream))
			if len(lines)-sealed != int(accepted) {
				rt.Fatalf("%d new lines, %d accepted", len(lines)-sealed, accepted)
			}
			fold := map[string]string{}
			for _, l := range lines[sealed:] {
				fold[l.Key] = l.title()
				if l.Op == seal.Del {
					fold[l.Key] = ""
				}
			}
			for key, version := range latest {
				if fold[key] != version {
					rt.Fatalf("%s folds to %q, the model says %q", key, fold[key], version)
				}
			}
		})
	})
}
