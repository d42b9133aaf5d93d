package pull_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway"
	"fayi/gateway/directory"
	"fayi/gateway/federation"
	"fayi/gateway/join"
	"fayi/gateway/pull"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/schemas"
)

const (
	province, city = "610000", "610800"
	recordType     = "consultation"
	stream         = province + "/" + recordType + "/downstream"
	file           = province + "__" + recordType + "__downstream.ndjson"
	limit          = 30 * time.Second
)

// world is a province that publishes downwards and a city that pulls. Only the
// province runs, unless a test starts the city too.
type world struct {
	*federation.Federation
	t        testing.TB
	registry *schemas.Registry
}

func build(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t}
	var err error
	if w.registry, err = schemas.Load(schemas.Embedded()); err != nil {
		t.Fatal(err)
	}
	w.Federation, err = federation.Build(t.Context(), federation.Options{
		Dir: dir, Driver: outbox.SQLite,
		Specs: []federation.Spec{
			{ID: province, Name: sign.Names{Zh: "陕西省司法厅", En: "Shaanxi"}, Role: join.Province},
			{ID: city, Parent: province, Name: sign.Names{Zh: "榆林市司法局", En: "Yulin"}, Role: join.City},
		},
		DSN:    func(_ context.Context, id string) (string, error) { return filepath.Join(dir, id, "fayi.db"), nil },
		Adjust: func(c *gateway.Config) { c.Publish = map[string][]string{recordType: {sign.Downstream}} },
		Log:    quiet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	w.run(province)
	return w
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// run serves a node until the test ends.
func (w *world) run(id string) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Member(id).Node.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
}

// publish puts records with these keys, a few members of each drawn from its
// key and version, and waits until they are sealed.
func (w *world) publish(version int, keys ...string) {
	w.t.Helper()
	m := w.Member(province)
	raw, err := os.ReadFile(filepath.Join("..", "..", "schemas", "packs", "national", "examples", recordType+".json"))
	if err != nil {
		w.t.Fatal(err)
	}
	var rec map[string]any
	if err := json.Unmarshal(raw, &rec); err != nil {
		w.t.Fatal(err)
	}
	err = m.Store.InTx(w.t.Context(), func(tx *sql.Tx) error {
		for _, key := range keys {
			rec["consultNo"], rec["title"] = key, fmt.Sprintf("第%d版 <&> \u2028", version)
			data, err := json.Marshal(rec)
			if err != nil {
				return err
			}
			if err := outbox.Publish(w.t.Context(), tx, outbox.Record{Type: recordType, Key: key, Payload: data}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.sealed()
}

func (w *world) delete(key string) {
	w.t.Helper()
	err := w.Member(province).Store.InTx(w.t.Context(), func(tx *sql.Tx) error {
		return outbox.Publish(w.t.Context(), tx, outbox.Record{Type: recordType, Key: key, Op: outbox.Del})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.sealed()
}

// sealed waits until the province's outbox is empty.
func (w *world) sealed() {
	w.t.Helper()
	w.eventually("the outbox is sealed", func() bool {
		s, err := w.Member(province).Node.Status(w.t.Context())
		return err == nil && !slices.ContainsFunc(s.Sources, func(s gateway.SourceStatus) bool { return s.Waiting > 0 })
	})
}

func (w *world) eventually(what string, cond func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), limit)
	defer cancel()
	hub := w.Member(province).Node.Engine().Hub
	for version := hub.Version(); !cond(); version = hub.Version() {
		look, stop := context.WithTimeout(ctx, 50*time.Millisecond)
		hub.Wait(look, version)
		stop()
		if ctx.Err() != nil {
			w.t.Fatalf("never: %s", what)
		}
	}
}

// several publishes three segments: new records, changed ones, a deletion.
func (w *world) several() {
	w.t.Helper()
	w.publish(1, "ZX-01", "ZX-02", "ZX-03")
	w.publish(2, "ZX-02", "ZX-04")
	w.delete("ZX-01")
}

// options of a pull by the city into a folder.
func (w *world) options(dir string) pull.Options {
	w.t.Helper()
	m := w.Member(city)
	pass, err := keys.ReadPassphrase(filepath.Join(m.Dir, "keys", "passphrase"))
	if err != nil {
		w.t.Fatal(err)
	}
	id, err := keys.LoadIdentity(filepath.Join(m.Dir, "keys"), pass)
	if err != nil {
		w.t.Fatal(err)
	}
	return pull.Options{
		Directory: func(into *store.Store) (*directory.Directory, error) {
			entries, err := m.Store.Entries(context.Background())
			if err != nil {
				return nil, err
			}
			for _, e := range entries {
				if err := into.SaveEntry(context.Background(), e); err != nil {
					return nil, err
				}
			}
			return join.Directory(context.Background(), into, city)
		},
		Identity: id, Schemas: w.registry, Peer: province, URL: w.Member(province).Node.PeerURL(), Dir: dir, Log: quiet(),
	}
}

func (w *world) pull(dir string, change ...func(*pull.Options)) *pull.Result {
	w.t.Helper()
	opts := w.options(dir)
	for _, f := range change {
		f(&opts)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), limit)
	defer cancel()
	res, err := pull.Run(ctx, opts)
	if err != nil {
		w.t.Fatal(err)
	}
	if ctx.Err() != nil {
		w.t.Fatal("the pull did not end")
	}
	return res
}

// record is a line of a file as its reader knows it.
type record struct {
	Stream   string
	Gen, Seq uint64
	Key, Op  string
	At, Src  string
	Data     json.RawMessage
}

// published is what the origin's own segments hold.
func (w *world) published() (out []record) {
	w.t.Helper()
	m := w.Member(province)
	st, err := m.Store.StreamByName(w.t.Context(), stream)
	if err != nil {
		w.t.Fatal(err)
	}
	segs, err := m.Store.SegmentsAfter(w.t.Context(), st.ID, store.Pos{}, 1000, 1<<30)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range segs {
		_, lines, err := m.Node.Engine().Lines(&segs[i])
		if err != nil {
			w.t.Fatal(err)
		}
		for _, raw := range lines {
			l, err := seal.ParseLine(raw)
			if err != nil {
				w.t.Fatal(err)
			}
			out = append(out, record{stream, segs[i].Gen, l.Seq, l.Key, l.Op, l.At.String(), l.Src, l.Data})
		}
	}
	return out
}

// written parses a file strictly: whole lines, no unknown members.
func written(t testing.TB, path string) (out []record) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) > 0 && raw[len(raw)-1] != '\n' {
		t.Fatalf("%s does not end in a line feed", path)
	}
	for line := range bytes.Lines(raw) {
		var r record
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		out = append(out, r)
	}
	return out
}

// acknowledged is what the province holds of the city's receipts for the stream.
func (w *world) acknowledged() (out []store.Ack) {
	w.t.Helper()
	m := w.Member(province)
	st, err := m.Store.StreamByName(w.t.Context(), stream)
	if err != nil {
		w.t.Fatal(err)
	}
	acks, err := m.Store.Acks(w.t.Context(), st.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range acks {
		if a.Reader == city {
			out = append(out, a)
		}
	}
	return out
}
