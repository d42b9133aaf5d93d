package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway"
	"fayi/gateway/federation"
	"fayi/gateway/replicate"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
	"fayi/outbox"
)

// lab is a federation of its own whose nodes start, stop and start again one
// by one, with an attacker on every wire. Attacks and regressions use it, so
// that what they break is nobody else's.
type lab struct {
	*world
	t      testing.TB
	driver outbox.Dialect
	adjust func(*gateway.Config)
	wires  map[string]*wire
	runs   map[string]func()
}

// inLabs runs a test in a new lab on each store. Nothing runs yet.
func inLabs(t *testing.T, adjust func(*gateway.Config), test func(t *testing.T, l *lab)) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			l := newLab(t, s.name, shaanxi, adjust)
			t.Cleanup(l.close)
			test(t, l)
		})
	}
}

// inStillLab runs a test on each store in a lab that tests share and in which
// no node ever runs: what arrives is what a test brings, and stays there. Each
// test keeps to streams of its own.
func inStillLab(t *testing.T, test func(t *testing.T, l *lab)) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			shared, ok := stillLabs[s.name]
			if !ok {
				a := &anchorT{TB: t}
				shared = newLab(a, s.name, shaanxi, nil)
				shared.world.stop = func() error { shared.close(); a.close(); return nil }
				stillLabs[s.name] = shared
				worlds.Store("still/"+s.name, shared.world)
			}
			l := *shared
			l.t = t
			test(t, &l)
		})
	}
}

var (
	shaanxi   = federation.Shaanxi()
	stillLabs = map[string]*lab{} // by store
)

func newLab(t testing.TB, storeName string, specs []federation.Spec, adjust func(*gateway.Config)) *lab {
	t.Helper()
	l := &lab{t: t, adjust: adjust, wires: map[string]*wire{}, runs: map[string]func(){}}
	var dsn func(context.Context, string) (string, error)
	for _, s := range stores {
		if s.name == storeName {
			l.driver, dsn = s.dsn(t)
		}
	}
	f, err := federation.Build(t.Context(), federation.Options{
		Dir: t.TempDir(), Specs: specs, Driver: l.driver, DSN: dsn, Log: quietLog(),
		Adjust: func(c *gateway.Config) {
			if adjust != nil {
				adjust(c)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.world = &world{Federation: f, tap: &tap{}}
	for _, m := range f.Members {
		l.wires[m.ID] = &wire{}
		l.onWire(m)
	}
	return l
}

// close stops what runs and closes what is open.
func (l *lab) close() {
	l.stop()
	l.Close()
}

func quietLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(testOutput(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (l *lab) onWire(m *federation.Member) {
	client := m.Node.Engine().Client.HTTP
	client.Transport = l.wires[m.ID].over(client.Transport)
}

// start runs nodes, all if none is named.
func (l *lab) start(ids ...string) {
	l.t.Helper()
	if len(ids) == 0 {
		for _, m := range l.Members {
			ids = append(ids, m.ID)
		}
	}
	for _, id := range ids {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		node := l.Member(id).Node
		go func() { done <- node.Run(ctx) }()
		l.runs[id] = func() {
			cancel()
			if err := <-done; err != nil {
				l.t.Errorf("%s stopped: %v", id, err)
			}
		}
	}
}

// stop stops nodes and leaves their engines and databases to be looked at.
func (l *lab) stop(ids ...string) {
	if len(ids) == 0 {
		for id := range l.runs {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		if stop := l.runs[id]; stop != nil {
			stop()
		}
		delete(l.runs, id)
	}
}

// reopen opens a stopped node anew, as a new process would, at its old
// address; meanwhile happens while its database is closed.
func (l *lab) reopen(id string, meanwhile func()) {
	l.t.Helper()
	m, t := l.Member(id), l.t
	addr := strings.TrimPrefix(m.Node.PeerURL(), "http://")
	if err := errors.Join(m.Node.Close(), m.Store.Close()); err != nil {
		t.Fatal(err)
	}
	if meanwhile != nil {
		meanwhile()
	}
	var err error
	if m.Store, err = store.Open(t.Context(), l.driver, m.DSN); err != nil {
		t.Fatal(err)
	}
	cfg := gateway.Config{
		Node: id, Role: m.Role, Store: m.Store, Identity: l.identity(t, id), DataDir: filepath.Join(m.Dir, "keys"),
		PeerAddr: addr, LocalAddr: "127.0.0.1:0", Peers: m.Peers,
		Sources: []sequencer.Source{{Name: "main", Table: outbox.Table, Types: []string{"*"}}},
		Inbox:   []string{"*"}, Log: quietLog().With("node", id),
	}
	if l.adjust != nil {
		l.adjust(&cfg)
	}
	if m.Node, err = gateway.New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	l.onWire(m)
}

// restart stops a node and starts it again.
func (l *lab) restart(id string) {
	l.t.Helper()
	l.stop(id)
	l.reopen(id, nil)
	l.start(id)
}

func (l *lab) engine(id string) *replicate.Engine { return l.Member(id).Node.Engine() }

// receive gives frames to a node as if a neighbour had brought them, and
// returns the verdict on the only stream they are of.
func (l *lab) receive(t *testing.T, at, from string, frames ...seal.Frame) replicate.StreamResult {
	t.Helper()
	res, _, err := l.engine(at).Receive(t.Context(), from, frames, false)
	if err != nil || len(res) != 1 {
		t.Fatalf("receive: %v, %v", res, err)
	}
	return res[0]
}

// registrar loads a member's registrar from its folder.
func (l *lab) registrar(t *testing.T, id string) *keys.Registrar {
	t.Helper()
	dir := filepath.Join(l.Member(id).Dir, "registrar")
	pass, err := keys.ReadPassphrase(filepath.Join(dir, "passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := keys.LoadRegistrar(dir, pass)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// alarms lists a node's events of a code.
func (l *lab) alarms(t *testing.T, id, code string) (out []store.Event) {
	t.Helper()
	all, err := l.Member(id).Store.Events(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Code == code {
			out = append(out, e)
		}
	}
	return out
}

// acked is where a reader's newest receipt of a level stands at the origin.
func (l *lab) acked(t *testing.T, at, stream, reader, level string) store.Head {
	t.Helper()
	acks, err := l.Member(at).Store.Acks(t.Context(), l.stream(t, at, stream).ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range acks {
		if a.Reader == reader && a.Level == level {
			return a.Head
		}
	}
	return store.Head{}
}

// chain forges: it seals segments of one stream with the origin's own keys,
// beside the origin's database.
type chain struct {
	t      *testing.T
	l      *lab
	stream sign.Stream
	id     *keys.Identity
	schema string
	gen    uint64
	head   store.Head
}

func (l *lab) chain(t *testing.T, name string) *chain {
	t.Helper()
	s, err := sign.ParseStream(name)
	if err != nil {
		t.Fatal(err)
	}
	typ, ok := l.engine(s.Origin).Schemas().Current(s.Type)
	if !ok {
		t.Fatalf("no type %s", s.Type)
	}
	return &chain{t: t, l: l, stream: s, id: l.identity(t, s.Origin), schema: typ.Ref(), gen: 1764230400}
}

// line makes a deletion, which every schema allows.
func (c *chain) line(seq uint64, key string) []byte {
	ln := seal.Line{Seq: seq, Key: key, Op: seal.Del, At: sign.Now(), Src: "main", Ref: fmt.Sprintf("main:%d:0", seq)}
	return seal.AppendLine(nil, &ln)
}

// seal makes the next segment, of deletions of the keys.
func (c *chain) seal(recordKeys ...string) (*seal.Segment, [][]byte) {
	c.t.Helper()
	var lines [][]byte
	for i, k := range recordKeys {
		lines = append(lines, c.line(c.head.Seq+1+uint64(i), k))
	}
	seg, err := seal.Seal(seal.Draft{Stream: c.stream.String(), Gen: c.gen, First: c.head.Seq + 1, Prev: sign.Hash(c.head.Hash), Schema: c.schema, Time: sign.Now()}, lines, c.id.Signer)
	if err != nil {
		c.t.Fatal(err)
	}
	c.head = store.Head{Pos: store.Pos{Gen: c.gen, Seq: seg.Header.Last()}, Hash: store.Hash(seg.Hash)}
	return seg, lines
}

// frame wraps a segment's key for the readers one hop from a node.
func (c *chain) frame(from string, seg *seal.Segment) seal.Frame {
	c.t.Helper()
	readers, err := replicate.WrapNext(c.l.engine(from).Directory, c.stream, seg.Key)
	if err != nil {
		c.t.Fatal(err)
	}
	return seal.Frame{Header: seg.Bytes, Sig: seg.Sig, Readers: readers, Body: seg.Body}
}

// next makes the next segment's frame as the origin would send it.
func (c *chain) next(recordKeys ...string) seal.Frame {
	c.t.Helper()
	seg, _ := c.seal(recordKeys...)
	return c.frame(c.stream.Origin, seg)
}

// wire is one node's way out, in an attacker's hands.
type wire struct {
	mu      sync.Mutex
	request func(op string, body []byte) []byte
	answer  func(op string, body []byte) ([]byte, error)
	calls   map[string]int // by operation
}

// set replaces what the attacker does; nil for nothing.
func (w *wire) set(request func(op string, body []byte) []byte, answer func(op string, body []byte) ([]byte, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.request, w.answer = request, answer
}

// count is how often an operation was called.
func (w *wire) count(op string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[op]
}

func (w *wire) over(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		op := opOf(body)
		w.mu.Lock()
		if w.calls == nil {
			w.calls = map[string]int{}
		}
		w.calls[op]++
		request := w.request
		w.mu.Unlock()
		if request != nil {
			body = request(op, body)
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Del("Accept") // attackers here speak JSON; the promises' federation speaks both forms
		resp, err := next.RoundTrip(r)
		w.mu.Lock()
		answer := w.answer // what the attacker does when it comes back, perhaps after a long poll
		w.mu.Unlock()
		if err != nil || answer == nil {
			return resp, err
		}
		back, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		if back, err = answer(op, back); err != nil {
			return nil, err
		}
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(back)), int64(len(back))
		return resp, nil
	})
}

// signedMessage is a call or an answer as anyone on the wire sees it.
type signedMessage struct {
	Code   string       `json:"code,omitempty"`
	Msg    string       `json:"msg,omitempty"`
	Body   []byte       `json:"body,omitempty"`
	Sign   []byte       `json:"sign,omitempty"`
	Frames []seal.Frame `json:"frames,omitempty"`
}

func parsed(body []byte) (m signedMessage) {
	if json.Unmarshal(body, &m) != nil {
		return signedMessage{}
	}
	return m
}

func opOf(body []byte) string {
	c, err := sign.ParseCall(parsed(body).Body)
	if err != nil {
		return ""
	}
	return c.Op
}

// raw sends bytes to a node's peer listener as they are and returns what comes
// back before the connection ends.
func raw(t *testing.T, base string, message []byte) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.DialTimeout("tcp", u.Host, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	go c.Write(message) // the node may answer and close before it read everything
	back, _ := io.ReadAll(c)
	return string(back)
}

// newNode is the keys of a node that never joined, certified by a registrar.
type newNode struct {
	id             string
	sign, enc, reg []byte
}

func newKeys(t *testing.T, reg *keys.Registrar, id string) newNode {
	t.Helper()
	cert := func(u keys.Usage) []byte {
		k, err := keys.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		csr, err := keys.NewRequest(id, k)
		if err != nil {
			t.Fatal(err)
		}
		c, err := reg.Authority.IssueNode(csr, id, u, time.Now(), 24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return c.Raw()
	}
	own, err := keys.CreateRegistrar(t.TempDir(), id, []byte("test only"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return newNode{id, cert(keys.UsageSign), cert(keys.UsageEncrypt), own.Cert.Raw()}
}

func (n newNode) entry(parent string) *sign.Entry {
	return &sign.Entry{
		V: 1, Node: n.id, N: 1, Parent: parent, Territory: []string{}, Roles: []string{"city"}, Names: sign.Names{Zh: "某市司法局"}, Codes: []string{}, Addresses: []string{},
		Sign: []sign.SignKey{{Cert: n.sign, From: []sign.Position{{Stream: "*"}}, Upto: []sign.EndPoint{}}}, Enc: []sign.CertRef{{Cert: n.enc}},
		Registrars: []sign.CertRef{{Cert: n.reg}}, Reads: sign.Reads{V: []int{1}, Suites: []string{seal.Suite}}, Time: sign.Now(),
	}
}

func signEntry(t *testing.T, e *sign.Entry, by ...keys.Signer) sign.SignedEntry {
	t.Helper()
	se := sign.SignedEntry{Sigs: []sign.EntrySig{}}
	for _, s := range by {
		body, sig, err := sign.Sign(s, keys.EntryV1, e)
		if err != nil {
			t.Fatal(err)
		}
		se.Entry = body
		se.Sigs = append(se.Sigs, sign.EntrySig{By: sign.Hash(s.ID()), Sig: sig})
	}
	return se
}
