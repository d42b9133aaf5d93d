package call_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/call"
	"fayi/gateway/directory"
	"fayi/gateway/problem"

	"github.com/google/go-cmp/cmp"
)

// pair is a server and a client that know each other: b listens, a calls.
type pair struct {
	dir     *directory.Directory // as both see it; only Me differs
	a, b, c keys.Signer          // c is a third node that b does not admit
	ended   keys.Signer          // a's former key
	server  *call.Server
	client  *call.Client
	url     string
}

type echo struct {
	Word string `json:"word"`
}

const (
	idA, idB, idC = "610800", "610000", "610600"
)

func newPair(t testing.TB) *pair {
	t.Helper()
	p := &pair{}
	reg, err := keys.CreateRegistrar(t.TempDir(), idB, []byte("test only"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	entry := func(id, parent string, ended bool) (sign.SignedEntry, keys.Signer, keys.Signer) {
		e := &sign.Entry{V: 1, Node: id, N: 1, Parent: parent, Territory: []string{"61"}, Roles: []string{"city"}, Names: sign.Names{Zh: "某司法局"}, Codes: []string{},
			Addresses: []string{}, Sign: []sign.SignKey{}, Enc: []sign.CertRef{}, Registrars: []sign.CertRef{}, Reads: sign.Reads{V: []int{1}, Suites: []string{seal.Suite}}, Time: sign.Now()}
		if parent == "" {
			e.Registrars = append(e.Registrars, sign.CertRef{Cert: reg.Cert.Raw()})
		}
		var signers []keys.Signer
		for range 2 {
			k, err := keys.GenerateKey()
			if err != nil {
				t.Fatal(err)
			}
			csr, err := keys.NewRequest(id, k)
			if err != nil {
				t.Fatal(err)
			}
			cert, err := reg.Authority.IssueNode(csr, id, keys.UsageSign, time.Now(), time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			s, err := keys.NewSoftSigner(cert, k)
			if err != nil {
				t.Fatal(err)
			}
			signers = append(signers, s)
			e.Sign = append(e.Sign, sign.SignKey{Cert: cert.Raw(), From: []sign.Position{{Stream: "*"}}, Upto: []sign.EndPoint{}})
		}
		if ended {
			e.Sign[0].Upto = []sign.EndPoint{{Stream: id + "/lawyer/upstream", Gen: 1, Seq: 1}}
		}
		body, sig, err := sign.Sign(reg.Signer, keys.EntryV1, e)
		if err != nil {
			t.Fatal(err)
		}
		return sign.SignedEntry{Entry: body, Sigs: []sign.EntrySig{{By: sign.Hash(reg.Signer.ID()), Sig: sig}}}, signers[0], signers[1]
	}
	var entries []sign.SignedEntry
	var se sign.SignedEntry
	se, p.b, _ = entry(idB, "", false)
	entries = append(entries, se)
	se, p.ended, p.a = entry(idA, idB, true)
	entries = append(entries, se)
	se, p.c, _ = entry(idC, idB, false)
	entries = append(entries, se)
	view := func(me string) *directory.Directory {
		d := directory.New(me)
		if err := d.Pin(entries[0]); err != nil {
			t.Fatal(err)
		}
		for _, se := range entries[1:] {
			if _, err := d.Learn(se); err != nil {
				t.Fatal(err)
			}
		}
		return d
	}
	p.dir = view(idB)
	p.server = &call.Server{
		Directory: p.dir, Signer: p.b, Log: slog.New(slog.DiscardHandler), Admit: func(node string) bool { return node == idA },
		Handlers: map[string]call.Handler{
			"ping": func(_ context.Context, r *call.Request) (*call.Reply, error) {
				return &call.Reply{Result: echo{r.From}, Frames: r.Frames}, nil
			},
			"panic": func(context.Context, *call.Request) (*call.Reply, error) { panic("a secret in the stack") },
			"fail": func(context.Context, *call.Request) (*call.Reply, error) {
				return nil, errors.New("a secret: dial tcp 10.0.0.7:3306")
			},
			"refuse": func(context.Context, *call.Request) (*call.Reply, error) {
				return nil, problem.New(problem.Busy, "later")
			},
			"huge": func(context.Context, *call.Request) (*call.Reply, error) {
				return &call.Reply{Result: echo{strings.Repeat("x", call.MaxMessage)}}, nil
			},
		},
	}
	srv := httptest.NewServer(p.server)
	t.Cleanup(srv.Close)
	p.url = srv.URL
	p.client = &call.Client{Directory: view(idA), Signer: p.a, HTTP: srv.Client()}
	return p
}

// message is a request or an answer as it travels.
type message struct {
	Code   string       `json:"code,omitempty"`
	Msg    string       `json:"msg,omitempty"`
	Body   []byte       `json:"body,omitempty"`
	Sign   []byte       `json:"sign,omitempty"`
	Frames []seal.Frame `json:"frames,omitempty"`
}

func frame(word string) seal.Frame {
	return seal.Frame{Header: []byte(word), Sig: []byte("sig"), Readers: []seal.Reader{}, Chain: [][]byte{}, Body: []byte("body of " + word)}
}

// good is a call that passes every check, to be spoilt.
func (p *pair) good() sign.Call {
	c := sign.Call{V: 1, From: idA, To: idB, Op: "ping", Key: sign.Hash(p.a.ID()), Time: sign.Now(), Frames: []sign.Hash{}, Args: json.RawMessage(`{}`)}
	rand.Read(c.Nonce[:])
	return c
}

func (p *pair) signed(t testing.TB, by keys.Signer, c sign.Call) message {
	t.Helper()
	var m message
	var err error
	if m.Body, m.Sign, err = sign.Sign(by, keys.CallV1, &c); err != nil {
		t.Fatal(err)
	}
	return m
}

// post sends a request and returns the code of the signed answer, which must
// verify, and its result.
func (p *pair) post(t testing.TB, body []byte) (code string, result []byte) {
	t.Helper()
	resp, err := http.Post(p.url+call.Path, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || resp.ContentLength != int64(len(raw)) {
		t.Fatalf("HTTP %d, %d of %d bytes, %v", resp.StatusCode, len(raw), resp.ContentLength, err)
	}
	return p.read(t, raw)
}

func (p *pair) read(t testing.TB, raw []byte) (string, []byte) {
	t.Helper()
	var m message
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatalf("%v in %.200q", err, raw)
	}
	a, err := sign.ParseAnswer(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := p.dir.Key(sign.Hash(p.b.ID()))
	if err := key.Cert.Verify(keys.AnswerV1, m.Body, m.Sign); err != nil || a.Code != m.Code {
		t.Fatalf("answer %s outside, %s inside: %v", m.Code, a.Code, err)
	}
	return a.Code, a.Result
}

// TestServerChecks spoils a good call in one way after another. Each spoilt call
// keeps all faults of the checks after its own, so that the order shows too.
func TestServerChecks(t *testing.T) {
	p := newPair(t)
	// Everything that can be wrong with the contents, the last check first.
	faults := []struct {
		code  string
		spoil func(c *sign.Call)
	}{
		{problem.UnknownOp, func(c *sign.Call) { c.Op = "format" }},
		{problem.FramesDiffer, func(c *sign.Call) { c.Frames = []sign.Hash{sign.Sum(nil)} }},
		{problem.Replay, nil},
		{problem.Clock, func(c *sign.Call) { c.Time = sign.At(time.Now().Add(-call.MaxSkew - time.Minute)) }},
		{problem.NotPeer, func(c *sign.Call) { c.From, c.Key = idC, sign.Hash(p.c.ID()) }},
		{problem.BadSignature, nil},
		{problem.KeyEnded, func(c *sign.Call) { c.From, c.Key = idA, sign.Hash(p.ended.ID()) }},
		{problem.KeyUnknown, func(c *sign.Call) { c.Key = sign.Sum([]byte("nobody")) }},
		{problem.NotMe, func(c *sign.Call) { c.To = idC }},
	}
	c := p.good()
	for _, f := range faults {
		by := p.a
		if f.code == problem.NotPeer {
			by = p.c
		}
		if f.spoil != nil { // the two others: the nonce of the call before, and a key the call does not name
			f.spoil(&c)
		}
		if f.code == problem.UnknownOp || f.code == problem.FramesDiffer {
			rand.Read(c.Nonce[:])
		}
		if code, _ := p.post(t, marshal(t, p.signed(t, by, c))); code != f.code {
			t.Errorf("%s: answered %s", f.code, code)
		}
	}
	// Before anything could be read.
	m := p.signed(t, p.a, p.good())
	for name, x := range map[string]struct {
		body []byte
		code string
	}{
		"too large":            {bytes.Repeat([]byte(" "), call.MaxMessage+1), problem.TooLarge},
		"exactly at the limit": {append(bytes.Repeat([]byte(" "), call.MaxMessage-2), "{}"...), problem.NotCanonical},
		"not JSON":             {[]byte("{"), problem.Malformed},
		"no object":            {[]byte("[]"), problem.Malformed},
		"not base64":           {[]byte(`{"body":"#"}`), problem.Malformed},
		"no body":              {[]byte(`{}`), problem.NotCanonical},
		"a space":              {marshal(t, message{Body: append([]byte(" "), m.Body...), Sign: m.Sign}), problem.NotCanonical},
		"a member twice":       {marshal(t, message{Body: bytes.Replace(m.Body, []byte(`"v":1`), []byte(`"v":1,"v":1`), 1), Sign: m.Sign}), problem.NotCanonical},
		"a member folded":      {marshal(t, message{Body: bytes.Replace(m.Body, []byte(`"from"`), []byte(`"From"`), 1), Sign: m.Sign}), problem.NotCanonical},
		"another version":      {marshal(t, message{Body: bytes.Replace(m.Body, []byte(`"v":1`), []byte(`"v":2`), 1), Sign: m.Sign}), problem.NotCanonical},
		"unsigned":             {marshal(t, message{Body: m.Body}), problem.BadSignature},
		"the signature of another context": {marshal(t, func() message {
			s, err := p.a.Sign(keys.ReceiptV1, m.Body)
			if err != nil {
				t.Fatal(err)
			}
			return message{Body: m.Body, Sign: s}
		}()), problem.BadSignature},
	} {
		if code, _ := p.post(t, x.body); code != x.code {
			t.Errorf("%s: answered %s, want %s", name, code, x.code)
		}
	}
	if code, _ := p.post(t, marshal(t, m)); code != problem.OK {
		t.Errorf("the call itself: %s", code)
	}
	if code, _ := p.post(t, marshal(t, m)); code != problem.Replay {
		t.Errorf("the call again: %s", code)
	}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestClock: 15 minutes either way, no more.
func TestClock(t *testing.T) {
	p := newPair(t)
	for skew, want := range map[time.Duration]string{
		0: problem.OK, call.MaxSkew - time.Minute: problem.OK, -call.MaxSkew + time.Minute: problem.OK,
		call.MaxSkew + time.Minute: problem.Clock, -call.MaxSkew - time.Minute: problem.Clock, 24 * 365 * time.Hour: problem.Clock,
	} {
		c := p.good()
		c.Time = sign.At(time.Now().Add(skew))
		if code, _ := p.post(t, marshal(t, p.signed(t, p.a, c))); code != want {
			t.Errorf("%s: %s", skew, code)
		}
	}
}

// TestFrames: what rides beside the body is what the body lists, in that order.
func TestFrames(t *testing.T) {
	p := newPair(t)
	one, two := frame("one"), frame("two")
	for name, x := range map[string]struct {
		frames []seal.Frame
		want   string
	}{
		"as listed": {[]seal.Frame{one, two}, problem.OK}, "one missing": {[]seal.Frame{one}, problem.FramesDiffer}, "none": {nil, problem.FramesDiffer},
		"swapped": {[]seal.Frame{two, one}, problem.FramesDiffer}, "one more": {[]seal.Frame{one, two, two}, problem.FramesDiffer},
		"another": {[]seal.Frame{one, frame("six")}, problem.FramesDiffer},
	} {
		c := p.good()
		c.Frames = []sign.Hash{sign.Sum(one.Header), sign.Sum(two.Header)}
		m := p.signed(t, p.a, c)
		m.Frames = x.frames
		if code, _ := p.post(t, marshal(t, m)); code != x.want {
			t.Errorf("%s: %s", name, code)
		}
	}
	got, err := p.client.Do(t.Context(), p.url, idB, "ping", nil, []seal.Frame{one, two}, nil)
	if d := cmp.Diff([]seal.Frame{one, two}, got); err != nil || d != "" {
		t.Error(err, d)
	}
}

// TestHandlers: what a handler says, fails with or panics with; nothing of this
// node's inside gets out.
func TestHandlers(t *testing.T) {
	p := newPair(t)
	for op, want := range map[string]problem.Error{
		"panic": {Code: problem.Internal}, "fail": {Code: problem.Internal}, "refuse": {Code: problem.Busy, Detail: "later"}, "unheard": {Code: problem.UnknownOp, Detail: "unheard"},
	} {
		c := p.good()
		c.Op = op
		code, result := p.post(t, marshal(t, p.signed(t, p.a, c)))
		if code != want.Code || bytes.Contains(result, []byte("secret")) {
			t.Errorf("%s: %s %s", op, code, result)
		}
		_, err := p.client.Do(t.Context(), p.url, idB, op, nil, nil, nil)
		var e *problem.Error
		if !errors.As(err, &e) || e.Code != want.Code || e.Detail != want.Detail {
			t.Errorf("%s: %v", op, err)
		}
	}
	if _, err := p.client.Do(t.Context(), p.url, idB, "huge", nil, nil, &echo{}); problem.Code(err) != problem.Unreachable {
		t.Errorf("an answer over the limit: %v", err)
	}
	var got echo
	if _, err := p.client.Do(t.Context(), p.url, idB, "ping", nil, nil, &got); err != nil || got.Word != idA {
		t.Error(got, err)
	}
}

// TestClientTrustsOnlyThePeersAnswer puts a liar between client and server.
func TestClientTrustsOnlyThePeersAnswer(t *testing.T) {
	p := newPair(t)
	answer := func(by keys.Signer, ctx keys.Context, from string, change func(a *sign.Answer)) func(c *sign.Call, _ message) message {
		return func(c *sign.Call, _ message) message {
			a := sign.Answer{V: 1, From: from, To: c.From, Key: sign.Hash(by.ID()), Nonce: c.Nonce, Time: sign.Now(), Code: problem.OK, Frames: []sign.Hash{}, Result: json.RawMessage(`{"word":"lie"}`)}
			if change != nil {
				change(&a)
			}
			body, err := sign.Marshal(&a)
			if err != nil {
				t.Error(err)
			}
			s, err := by.Sign(ctx, body)
			if err != nil {
				t.Error(err)
			}
			return message{Code: a.Code, Body: body, Sign: s}
		}
	}
	kept := func(change func(m *message)) func(*sign.Call, message) message {
		return func(_ *sign.Call, m message) message { change(&m); return m }
	}
	for _, x := range []struct {
		name string
		lie  func(c *sign.Call, m message) message
		code string
	}{
		{"nothing changed", kept(func(*message) {}), problem.OK},
		{"the code outside", kept(func(m *message) { m.Code, m.Msg = "FORK", "forged" }), problem.OK},
		{"unsigned", kept(func(m *message) { m.Sign = nil }), problem.BadAnswer},
		{"no body", kept(func(m *message) { m.Body = nil }), problem.BadAnswer},
		{"a byte of the body", kept(func(m *message) { m.Body[len(m.Body)-3] ^= 1 }), problem.BadAnswer},
		{"the code inside", kept(func(m *message) { m.Body = bytes.Replace(m.Body, []byte("000000"), []byte("000001"), 1) }), problem.BadAnswer},
		{"a frame swapped", kept(func(m *message) { slices.Reverse(m.Frames) }), problem.BadAnswer},
		{"a frame less", kept(func(m *message) { m.Frames = m.Frames[:1] }), problem.BadAnswer},
		{"a frame's header", kept(func(m *message) { m.Frames[0].Header[0] ^= 1 }), problem.BadAnswer},
		{"by another node in its own name", answer(p.c, keys.AnswerV1, idC, nil), problem.BadAnswer},
		{"by another node in the peer's name", answer(p.c, keys.AnswerV1, idB, nil), problem.KeyUnknown},
		{"another nonce", answer(p.b, keys.AnswerV1, idB, func(a *sign.Answer) { a.Nonce[0] ^= 1 }), problem.BadAnswer},
		{"to another caller", answer(p.b, keys.AnswerV1, idB, func(a *sign.Answer) { a.To = idC }), problem.BadAnswer},
		{"a signature made for something else", answer(p.b, keys.ReceiptV1, idB, nil), problem.BadAnswer},
		{"a result that is not one", answer(p.b, keys.AnswerV1, idB, func(a *sign.Answer) { a.Result = json.RawMessage(`{"word":1}`) }), problem.BadAnswer},
		{"honest refusal", answer(p.b, keys.AnswerV1, idB, func(a *sign.Answer) { a.Code, a.Result = problem.Busy, json.RawMessage(`{"detail":"x"}`) }), problem.Busy},
		{"honest answer", answer(p.b, keys.AnswerV1, idB, nil), problem.OK},
	} {
		liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			raw, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			var req message
			if err := json.Unmarshal(raw, &req); err != nil {
				t.Error(err)
			}
			c, err := sign.ParseCall(req.Body)
			if err != nil {
				t.Error(err)
			}
			rec := httptest.NewRecorder()
			r.Header.Del("Accept") // the binary form has liars of its own
			r.Body = io.NopCloser(bytes.NewReader(raw))
			p.server.ServeHTTP(rec, r)
			var m message
			if err := json.Unmarshal(rec.Body.Bytes(), &m); err != nil {
				t.Error(err)
			}
			json.NewEncoder(w).Encode(x.lie(c, m))
		}))
		var got echo
		_, err := p.client.Do(t.Context(), liar.URL, idB, "ping", nil, []seal.Frame{frame("one"), frame("two")}, &got)
		if strings.HasPrefix(x.name, "honest") || strings.Contains(x.name, "result") { // these carry no frames
			_, err = p.client.Do(t.Context(), liar.URL, idB, "ping", nil, nil, &got)
		}
		if problem.Code(err) != x.code {
			t.Errorf("%s: %v, want %s", x.name, err, x.code)
		}
		liar.Close()
	}
}

// TestTransport: HTTP is a pipe and everything else about it is a failure to reach the peer.
func TestTransport(t *testing.T) {
	p := newPair(t)
	for name, h := range map[string]http.HandlerFunc{
		"HTTP 500":     func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) },
		"HTTP 204":     func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) },
		"a login page": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(401); io.WriteString(w, "<html>") },
		"an endless answer": func(w http.ResponseWriter, r *http.Request) {
			for block := make([]byte, 1<<20); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		},
		"a cut answer": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, "{")
		},
	} {
		srv := httptest.NewServer(h)
		if _, err := p.client.Do(t.Context(), srv.URL, idB, "ping", nil, nil, nil); problem.Code(err) != problem.Unreachable {
			t.Errorf("%s: %v", name, err)
		}
		srv.Close()
		if _, err := p.client.Do(t.Context(), srv.URL, idB, "ping", nil, nil, nil); problem.Code(err) != problem.Unreachable {
			t.Errorf("nobody there: %v", err)
		}
	}
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") }))
	defer html.Close()
	if _, err := p.client.Do(t.Context(), html.URL, idB, "ping", nil, nil, nil); problem.Code(err) != problem.BadAnswer {
		t.Errorf("a portal's page: %v", err)
	}
	// A redirect is refused, wherever it leads.
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { elsewhere++; p.server.ServeHTTP(w, r) }))
	defer other.Close()
	for _, status := range []int{301, 302, 307, 308} {
		redirect := httptest.NewServer(http.RedirectHandler(other.URL+call.Path, status))
		if _, err := p.client.Do(t.Context(), redirect.URL, idB, "ping", nil, nil, nil); problem.Code(err) != problem.Unreachable {
			t.Errorf("redirect %d: %v", status, err)
		}
		redirect.Close()
	}
	if elsewhere != 0 {
		t.Errorf("followed %d redirects", elsewhere)
	}
}

// TestHTTP10: an old client without keep-alive, custom headers or chunking.
func TestHTTP10(t *testing.T) {
	p := newPair(t)
	body := marshal(t, p.signed(t, p.a, p.good()))
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s", call.Path, len(body), body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 200 || resp.ContentLength <= 0 || len(resp.TransferEncoding) != 0 {
		t.Fatalf("%+v, %v", resp, err)
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := p.read(t, raw); code != problem.OK {
		t.Error(code)
	}
}

// FuzzRequest: whatever arrives, the answer is signed and never OK unless the
// bytes are a call of a's.
func FuzzRequest(f *testing.F) {
	p := newPair(f)
	c := p.good()
	m := p.signed(f, p.a, c)
	f.Add(marshal(f, m))
	m.Frames = []seal.Frame{frame("one")}
	f.Add(marshal(f, m))
	f.Add([]byte(`{"body":"","sign":"","frames":[{"header":"","sig":"","readers":[{"to":"","wk":""}],"chain":[""],"body":""}]}`))
	f.Add([]byte(`{"BODY":"e30="}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		rec := httptest.NewRecorder()
		p.server.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, call.Path, bytes.NewReader(body)))
		code, _ := p.read(t, rec.Body.Bytes())
		if code == problem.OK {
			var m message
			if err := json.Unmarshal(body, &m); err != nil {
				t.Fatal(err)
			}
			key, _ := p.dir.Key(sign.Hash(p.a.ID()))
			if err := key.Cert.Verify(keys.CallV1, m.Body, m.Sign); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzBinaryRequest does the same to the binary form. Behind the call, which
// answers before its frames are read, stand the bytes of frames.
func FuzzBinaryRequest(f *testing.F) {
	p := newPair(f)
	good := binaryForm(f, p.signed(f, p.a, p.good()))
	one := binaryForm(f, message{Frames: []seal.Frame{frame("one")}})[6:]
	f.Add(good, false)
	f.Add(one, true)
	f.Add(one[:len(one)-1], true)
	f.Add(append(bytes.Clone(one), one...), true)
	f.Fuzz(func(t *testing.T, body []byte, behind bool) {
		if behind { // a call that lists one frame
			c := p.good()
			c.Frames = []sign.Hash{sign.Sum([]byte("one"))}
			body = append(binaryForm(t, p.signed(t, p.a, c)), body...)
		}
		req := httptest.NewRequest(http.MethodPost, call.Path, bytes.NewReader(body))
		req.Header.Set("Content-Type", call.Binary)
		rec := httptest.NewRecorder()
		p.server.ServeHTTP(rec, req)
		code, _ := p.read(t, rec.Body.Bytes())
		if code == problem.OK && !behind && !bytes.Equal(body, good) {
			t.Fatalf("answered %x", body)
		}
		if code == problem.OK && behind {
			var m message
			raw, err := seal.ReadFrame(bytes.NewReader(body[bytes.Index(body, []byte("FYSG")):]))
			if err != nil || string(raw.Header) != "one" {
				t.Fatalf("%v, %v in %+v", raw, err, m)
			}
		}
	})
}

// FuzzAnswer: whatever comes back, the client believes only b's own answer.
func FuzzAnswer(f *testing.F) {
	p := newPair(f)
	var back []byte
	var media string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if media != "" {
			w.Header().Set("Content-Type", media)
		}
		w.Write(back)
	}))
	f.Cleanup(srv.Close)
	a := sign.Answer{V: 1, From: idB, To: idA, Key: sign.Hash(p.b.ID()), Time: sign.Now(), Code: problem.OK, Frames: []sign.Hash{}, Result: json.RawMessage(`{}`)}
	body, sig, err := sign.Sign(p.b, keys.AnswerV1, &a)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(marshal(f, message{Code: problem.OK, Body: body, Sign: sig}))
	f.Add([]byte(`{"code":"000000"}`))
	f.Add([]byte(`<html>`))
	f.Add(binaryForm(f, message{Body: body, Sign: sig, Frames: []seal.Frame{frame("one")}}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, media = range []string{"", call.Binary} {
			back = raw
			if _, err := p.client.Do(t.Context(), srv.URL, idB, "ping", nil, nil, nil); err == nil {
				t.Fatal("believed an answer to another call")
			}
		}
	})
}
