package sequencer_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/federation"
	"fayi/gateway/join"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/outbox/mariadbtest"
	"fayi/schemas"
)

// bench is one node that does not run: a test calls Round itself and sees every
// transaction by itself.
type bench struct {
	*federation.Member
	t        testing.TB
	d        outbox.Dialect
	cert     *keys.Certificate
	registry *schemas.Registry
}

const node = "610000"

// onBothStores runs a test on a node of its own on each store.
func onBothStores(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "fayi.db")
		test(t, newBench(t, outbox.SQLite, path))
	})
	t.Run("mariadb", func(t *testing.T) {
		t.Parallel()
		test(t, newBench(t, outbox.MySQL, mariadbtest.Start(t).Database(t)))
	})
}

func newBench(t testing.TB, d outbox.Dialect, dsn string) *bench {
	t.Helper()
	dir := t.TempDir()
	f, err := federation.Build(t.Context(), federation.Options{
		Dir: dir, Driver: d, DSN: func(context.Context, string) (string, error) { return dsn, nil },
		Specs: []federation.Spec{{ID: node, Name: sign.Names{Zh: "陕西省司法厅", En: "Shaanxi"}, Role: join.Province}},
		Log:   discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	b := &bench{Member: f.Member(node), t: t, d: d}
	pass, err := keys.ReadPassphrase(filepath.Join(b.Dir, "keys", "passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := keys.LoadIdentity(filepath.Join(b.Dir, "keys"), pass)
	if err != nil {
		t.Fatal(err)
	}
	b.cert = id.SignCert
	if b.registry, err = schemas.Load(schemas.Embedded()); err != nil {
		t.Fatal(err)
	}
	return b
}

func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// upstream is the audience most tests publish to.
func upstream(string) []string { return []string{sign.Upstream} }

// sequencer opens one for a source, making its table if need be.
func (b *bench) sequencer(src sequencer.Source, audiences func(string) []string) *sequencer.Sequencer {
	b.t.Helper()
	if src.Table != outbox.Table {
		b.tx(func(tx *sql.Tx) error { return outbox.InstallSource(b.t.Context(), tx, b.d, src.Table) })
	}
	e := b.Node.Engine()
	s := &sequencer.Sequencer{
		Source: src, Store: b.Store, Directory: e.Directory, Signer: e.Signer, Cert: b.cert, StoreKey: e.StoreKey,
		Schemas: e.Schemas, Audiences: audiences, Journal: e.Journal, Hub: e.Hub, Log: discard(),
	}
	if err := s.Init(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	return s
}

// main is a source that may publish everything.
func (b *bench) main() *sequencer.Sequencer {
	return b.sequencer(sequencer.Source{Name: "main", Table: outbox.Table, Types: []string{"*"}}, upstream)
}

func (b *bench) tx(f func(tx *sql.Tx) error) {
	b.t.Helper()
	if err := b.Store.InTx(b.t.Context(), f); err != nil {
		b.t.Fatal(err)
	}
}

// row is what some client inserts: nothing has checked it.
type row struct {
	table               string // exchange_outbox if empty
	recordType, key, op string
	payload             any
	flags               any
}

// insert writes rows as any client would, in one transaction.
func (b *bench) insert(rows ...row) {
	b.t.Helper()
	b.tx(func(tx *sql.Tx) error {
		for _, r := range rows {
			if r.table == "" {
				r.table = outbox.Table
			}
			if r.op == "" {
				r.op = "put"
			}
			if raw, ok := r.payload.([]byte); ok { // text, as other clients store it
				r.payload = string(raw)
			}
			if _, err := tx.ExecContext(b.t.Context(), "INSERT INTO "+r.table+" (record_type, record_key, op, payload, flags) VALUES (?,?,?,?,?)",
				r.recordType, r.key, r.op, r.payload, r.flags); err != nil {
				return err
			}
		}
		return nil
	})
}

// drain calls Round until nothing waits and returns how many rows it took.
func (b *bench) drain(s *sequencer.Sequencer) (rows int) {
	b.t.Helper()
	for {
		n, more, err := s.Round(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if rows += n; !more {
			return rows
		}
	}
}

// example is a valid record with another key and other members.
func (b *bench) example(recordType, key string, change map[string]any) []byte {
	b.t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "schemas", "packs", "national", "examples", recordType+".json"))
	if err != nil {
		b.t.Fatal(err)
	}
	var rec map[string]any
	if err := json.Unmarshal(raw, &rec); err != nil {
		b.t.Fatal(err)
	}
	typ, _ := b.registry.Current(recordType)
	rec[typ.KeyField()] = key
	for k, v := range change {
		if rec[k] = v; v == nil {
			delete(rec, k)
		}
	}
	out, err := json.Marshal(rec)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// consultation is a small valid record whose title is a version.
func (b *bench) consultation(key, version string) row {
	return row{recordType: "consultation", key: key, payload: `{"consultNo":"` + key + `","content":"问","consultTime":"2026-11-20T09:12:30+08:00","state":"4","title":"` + version + `"}`}
}

// line is a sealed line and where it lies.
type line struct {
	seal.Line
	Gen      uint64
	Segment  int // which one of the stream
	DataText string
}

// title is the version a consultation line holds.
func (l line) title() string {
	var rec struct{ Title string }
	_ = json.Unmarshal(l.Data, &rec)
	return rec.Title
}

func name(recordType, audience string) string {
	return strings.Join([]string{node, recordType, audience}, "/")
}

// stream reads a stream back from its sealed segments, checking on the way that
// numbers are dense, hashes chain and bounds hold.
func (b *bench) stream(stream string) (out []line) {
	b.t.Helper()
	st, err := b.Store.StreamByName(b.t.Context(), stream)
	if err != nil {
		return nil
	}
	var prev store.Hash
	next, n := uint64(1), 0
	for at := (store.Pos{}); at != st.Pos; n++ {
		segs, err := b.Store.SegmentsAfter(b.t.Context(), st.ID, at, 1, 1)
		if err != nil || len(segs) != 1 {
			b.t.Fatalf("%s after %v: %d segments, %v", stream, at, len(segs), err)
		}
		seg := &segs[0]
		_, lines, err := b.Node.Engine().Lines(seg)
		if err != nil {
			b.t.Fatal(err)
		}
		if seg.First != next || seg.Prev != prev || int(seg.Count) != len(lines) || len(lines) > seal.MaxLines {
			b.t.Fatalf("%s: segment of %d lines at %d after %d", stream, len(lines), seg.First, next-1)
		}
		size := 0
		for _, raw := range lines {
			size += len(raw) + 1
			l, err := seal.ParseLine(raw)
			if err != nil {
				b.t.Fatal(err)
			}
			if l.Seq != next {
				b.t.Fatalf("%s: line %d at %d", stream, l.Seq, next)
			}
			out = append(out, line{Line: *l, Gen: seg.Gen, Segment: n})
			next++
		}
		if size > seal.MaxLineBytes {
			b.t.Fatalf("%s: %d bytes of lines in a segment", stream, size)
		}
		at, prev = seg.End().Pos, seg.Hash
	}
	if st.Checked != st.Pos {
		b.t.Errorf("%s: judged to %v of %v", stream, st.Checked, st.Pos)
	}
	return out
}

// tally is what became of a source's rows of a type.
func (b *bench) tally(source, recordType string) store.Tally {
	b.t.Helper()
	ts, err := b.Store.Tallies(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, t := range ts {
		if t.Source == source && t.Type == recordType {
			return t
		}
	}
	return store.Tally{Source: source, Type: recordType}
}

// rejected lists rejected rows, oldest first.
func (b *bench) rejected() []outbox.Rejected {
	b.t.Helper()
	rs, err := outbox.ListRejected(b.t.Context(), b.Store.DB(), b.d, outbox.Filter{Limit: 1000})
	if err != nil {
		b.t.Fatal(err)
	}
	return rs
}
