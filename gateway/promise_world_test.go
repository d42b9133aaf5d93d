package gateway_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
	"fayi/gateway/federation"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/outbox/mariadbtest"
	"fayi/schemas"
)

// The promises are tested on one running federation a store: ministry, province
// and two cities, each promise on record types of its own so that none disturbs
// another.

const (
	ministry = "100000"
	province = "610000"
	yulin    = "610800" // pushes
	yanan    = "610600" // is polled
)

// world is a running federation and a tap on everything it sends.
type world struct {
	*federation.Federation
	tap  *tap
	stop func() error
}

var stores = []struct {
	name string
	dsn  func(t testing.TB) (outbox.Dialect, func(ctx context.Context, id string) (string, error))
}{
	{"sqlite", func(t testing.TB) (outbox.Dialect, func(context.Context, string) (string, error)) {
		dir := t.TempDir()
		return outbox.SQLite, func(_ context.Context, id string) (string, error) { return filepath.Join(dir, id+".db"), nil }
	}},
	{"mariadb", func(t testing.TB) (outbox.Dialect, func(context.Context, string) (string, error)) {
		s := mariadbtest.Start(t)
		return outbox.MySQL, func(context.Context, string) (string, error) { return s.Database(t), nil }
	}},
}

// worlds are built once a store and serve every promise.
var worlds sync.Map // store name → *world

func onBothStores(t *testing.T, test func(t *testing.T, w *world)) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) { test(t, theWorld(t, s.name)) })
	}
}

// anchorT lets databases outlive the test that happened to come first.
type anchorT struct {
	testing.TB
	dirs     []string
	cleanups []func()
}

func (a *anchorT) Cleanup(f func()) { a.cleanups = append(a.cleanups, f) }
func (a *anchorT) TempDir() string {
	dir, err := os.MkdirTemp("", "fayi-promises")
	if err != nil {
		a.Fatal(err)
	}
	a.dirs = append(a.dirs, dir)
	return dir
}

func (a *anchorT) close() {
	for _, f := range a.cleanups {
		f()
	}
	for _, d := range a.dirs {
		os.RemoveAll(d)
	}
}

func theWorld(t *testing.T, name string) *world {
	t.Helper()
	if w, ok := worlds.Load(name); ok {
		return w.(*world)
	}
	a := &anchorT{TB: t}
	for _, s := range stores {
		if s.name != name {
			continue
		}
		driver, dsn := s.dsn(a)
		ctx, cancel := context.WithCancel(context.Background())
		f, err := federation.Build(ctx, federation.Options{
			Dir: a.TempDir(), Specs: federation.Shaanxi(), Driver: driver, DSN: dsn,
			Log: slog.New(slog.NewTextHandler(testOutput(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		})
		if err != nil {
			cancel()
			t.Fatal(err)
		}
		w := &world{Federation: f, tap: &tap{}}
		for _, m := range f.Members {
			client := m.Node.Engine().Client.HTTP
			client.Transport = w.tap.over(client.Transport)
		}
		done := make(chan error, 1)
		go func() { done <- f.Run(ctx) }()
		w.stop = func() error { cancel(); err := <-done; f.Close(); a.close(); return err }
		worlds.Store(name, w)
		return w
	}
	t.Fatalf("no store %s", name)
	return nil
}

func testOutput() io.Writer {
	if os.Getenv("DEBUG") != "" {
		return os.Stderr
	}
	return io.Discard
}

func TestMain(m *testing.M) {
	if backend := os.Getenv("FAYI_TEST_GATEWAY"); backend != "" { // this process is a vendor's gateway (through_test.go)
		vendorGateway(backend)
		return
	}
	code := m.Run()
	worlds.Range(func(name, w any) bool {
		if err := w.(*world).stop(); err != nil {
			fmt.Fprintf(os.Stderr, "federation on %s stopped: %v\n", name, err)
			code = 1
		}
		return true
	})
	os.Exit(code)
}

// tap keeps what nodes send to each other, as an attacker on the network would.
type tap struct {
	mu   sync.Mutex
	sent bytes.Buffer
	// change, if set, may rewrite a request before it leaves.
	change func(req []byte) []byte
}

func (t *tap) over(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		t.mu.Lock()
		if t.change != nil {
			body = t.change(body)
		}
		t.sent.Write(body)
		t.mu.Unlock()
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		resp, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		back, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		t.mu.Lock()
		t.sent.Write(back)
		t.mu.Unlock()
		resp.Body = io.NopCloser(bytes.NewReader(back))
		return resp, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// programSchemas compiles the program's pack once for all tests.
var programSchemas = sync.OnceValues(func() (*schemas.Registry, error) { return schemas.Load(schemas.Embedded()) })

// example is a valid record of a type with another key and other members.
func example(t testing.TB, recordType, key string, change map[string]any) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "schemas", "packs", "national", "examples", recordType+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var rec map[string]any
	if err := json.Unmarshal(raw, &rec); err != nil {
		t.Fatal(err)
	}
	r, err := programSchemas()
	if err != nil {
		t.Fatal(err)
	}
	typ, ok := r.Current(recordType)
	if !ok {
		t.Fatalf("no type %s", recordType)
	}
	rec[typ.KeyField()] = key
	for k, v := range change {
		if v == nil {
			delete(rec, k)
		} else {
			rec[k] = v
		}
	}
	out, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tx runs a business transaction at a node.
func (w *world) tx(t testing.TB, node string, f func(tx *sql.Tx) error) {
	t.Helper()
	if err := w.Member(node).Store.InTx(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// put publishes one record in a transaction of its own.
func (w *world) put(t testing.TB, node, recordType, key string, data []byte) {
	t.Helper()
	w.tx(t, node, func(tx *sql.Tx) error {
		return outbox.Publish(t.Context(), tx, outbox.Record{Type: recordType, Key: key, Payload: data})
	})
}

// quiet waits until nothing is on its way.
func (w *world) quiet(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := w.WaitQuiet(ctx, nil); err != nil {
		copies, _ := w.Copies(context.Background())
		for name, cs := range copies {
			for _, c := range cs {
				t.Logf("%s %s %d:%d state %q %s", c.Node.ID, name, c.Stream.Gen, c.Stream.Seq, c.Stream.State, c.Stream.Detail)
			}
		}
		t.Fatalf("not quiet: %v", err)
	}
}

// eventually waits for a condition that follows from what was done; it looks
// again whenever something changes at the node.
func (w *world) eventually(t testing.TB, node, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	hub := w.Member(node).Node.Engine().Hub
	for {
		version := hub.Version()
		if cond() {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("never: %s", what)
		}
		look, stop := context.WithTimeout(ctx, 100*time.Millisecond)
		hub.Wait(look, version)
		stop()
	}
}

// stream returns a node's copy, zero if there is none.
func (w *world) stream(t testing.TB, node, name string) store.Stream {
	t.Helper()
	st, _ := w.Member(node).Store.StreamByName(t.Context(), name)
	return st
}

// inboxRow is a row as the business sees it.
type inboxRow struct {
	Seq     uint64
	Key, Op string
	Payload string
}

// inbox reads a node's inbox rows of a stream in number order.
func (w *world) inbox(t testing.TB, node, stream string) (out []inboxRow) {
	t.Helper()
	rows, err := w.Member(node).Store.DB().QueryContext(t.Context(), "SELECT seq, record_key, op, payload FROM exchange_inbox WHERE stream=? ORDER BY gen, seq", stream)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var r inboxRow
		var payload sql.NullString
		if err := rows.Scan(&r.Seq, &r.Key, &r.Op, &payload); err != nil {
			t.Fatal(err)
		}
		r.Payload = payload.String
		out = append(out, r)
	}
	return out
}

// delivered waits until the inbox of a node has taken a stream up to its end.
func (w *world) delivered(t testing.TB, node, stream string) []inboxRow {
	t.Helper()
	w.eventually(t, node, "inbox delivered "+stream, func() bool {
		at, err := w.Member(node).Store.InboxCursor(t.Context(), stream)
		return err == nil && at == w.stream(t, node, stream).Pos && at.Seq > 0
	})
	return w.inbox(t, node, stream)
}

// segments reads every segment of a node's copy, bodies included.
func (w *world) segments(t testing.TB, node, name string) []store.Segment {
	t.Helper()
	st := w.stream(t, node, name)
	var out []store.Segment
	for at := (store.Pos{}); ; at = out[len(out)-1].End().Pos {
		segs, err := w.Member(node).Store.SegmentsAfter(t.Context(), st.ID, at, 100, 64<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(segs) == 0 {
			return out
		}
		out = append(out, segs...)
	}
}

// identity loads a member's keys from its folder, as a thief would.
func (w *world) identity(t testing.TB, node string) *keys.Identity {
	t.Helper()
	dir := filepath.Join(w.Member(node).Dir, "keys")
	pass, err := keys.ReadPassphrase(filepath.Join(dir, "passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := keys.LoadIdentity(dir, pass)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func up(origin, recordType string) string {
	return sign.Stream{Origin: origin, Type: recordType, Audience: sign.Upstream}.String()
}
