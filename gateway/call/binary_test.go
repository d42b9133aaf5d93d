package call_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/call"
	"fayi/gateway/problem"

	"github.com/google/go-cmp/cmp"
)

// binaryForm writes a message as protocol §5 says, beside the code under test.
func binaryForm(t testing.TB, m message) []byte {
	t.Helper()
	b := binary.BigEndian.AppendUint32(nil, uint32(len(m.Body)))
	b = append(b, m.Body...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.Sign)))
	b = append(b, m.Sign...)
	for _, f := range m.Frames {
		var err error
		if b, err = f.AppendBinary(b); err != nil {
			t.Fatal(err)
		}
		b = append(b, f.Body...)
	}
	return b
}

// readBinary is the way back.
func readBinary(t testing.TB, b []byte) (m message) {
	t.Helper()
	r := bytes.NewReader(b)
	part := func(size any) []byte {
		if err := binary.Read(r, binary.BigEndian, size); err != nil {
			t.Fatal(err)
		}
		n := 0
		switch v := size.(type) {
		case *uint32:
			n = int(*v)
		case *uint16:
			n = int(*v)
		}
		out := make([]byte, n)
		if _, err := io.ReadFull(r, out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	m.Body, m.Sign = part(new(uint32)), part(new(uint16))
	for r.Len() > 0 {
		f, err := seal.ReadFrame(r)
		if err != nil {
			t.Fatal(err)
		}
		m.Frames = append(m.Frames, f)
	}
	return m
}

// formsOf notes in which form requests and answers pass, each as json or binary.
type formsOf struct {
	mu   sync.Mutex
	seen []string
	next http.RoundTripper
	old  bool // the far side, or a gateway before it, knows JSON only
}

func (f *formsOf) RoundTrip(r *http.Request) (*http.Response, error) {
	name := func(h http.Header) string {
		if strings.Contains(h.Get("Content-Type"), call.Binary) {
			return "binary"
		}
		return "json"
	}
	f.mu.Lock()
	old := f.old
	f.mu.Unlock()
	asked := name(r.Header)
	if old {
		r.Header.Del("Accept")
		if asked == "binary" {
			r.Header.Set("Content-Type", "application/json")
		}
	}
	resp, err := f.next.RoundTrip(r)
	if err == nil {
		f.mu.Lock()
		f.seen = append(f.seen, asked+" "+name(resp.Header))
		f.mu.Unlock()
	}
	return resp, err
}

// Two nodes that know the binary form come to use it both ways; where one does
// not, or no longer, both go on in JSON.
func TestMixedVersions(t *testing.T) {
	p := newPair(t)
	frames := []seal.Frame{frame("one"), frame("two")}
	tap := &formsOf{next: p.client.HTTP.Transport}
	p.client.HTTP = &http.Client{Transport: tap}
	do := func() error {
		got, err := p.client.Do(t.Context(), p.url, idB, "ping", nil, frames, nil)
		if d := cmp.Diff(frames, got); err == nil && d != "" {
			t.Fatal(d)
		}
		return err
	}
	old := func(is bool) { tap.mu.Lock(); tap.old = is; tap.mu.Unlock() }
	ok := func() {
		t.Helper()
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	old(true)
	ok()
	ok()
	old(false)
	ok()
	ok()
	old(true) // the peer went back to a version before: one call fails, the next is JSON
	if err := do(); problem.Code(err) != problem.BadAnswer {
		t.Errorf("a binary call at a JSON peer: %v", err)
	}
	ok()
	want := []string{"json json", "json json", "json binary", "binary binary", "binary json", "json json"}
	if !slices.Equal(tap.seen, want) {
		t.Errorf("forms %q, want %q", tap.seen, want)
	}
}

// A gateway that passes JSON and breaks connections at anything else costs a few
// calls, not the link.
func TestGatewayBreaksBinary(t *testing.T) {
	p := newPair(t)
	frames := []seal.Frame{frame("one")}
	breaking := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("Content-Type") == call.Binary {
			return nil, errors.New("connection reset by peer")
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	p.client.HTTP = &http.Client{Transport: breaking}
	failures := 0
	for range 8 {
		if _, err := p.client.Do(t.Context(), p.url, idB, "ping", nil, frames, nil); err != nil {
			failures++
		}
	}
	if failures == 0 || failures > 3 {
		t.Errorf("%d of 8 calls failed", failures)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (p *pair) postBinary(t testing.TB, body []byte) (code string, result []byte) {
	t.Helper()
	resp, err := http.Post(p.url+call.Path, call.Binary, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return p.read(t, raw)
}

// TestBinaryRequestChecks spoils a good binary call.
func TestBinaryRequestChecks(t *testing.T) {
	p := newPair(t)
	one, two := frame("one"), frame("two")
	good := func(frames ...seal.Frame) []byte {
		c := p.good()
		c.Frames = []sign.Hash{sign.Sum(one.Header), sign.Sum(two.Header)}
		m := p.signed(t, p.a, c)
		m.Frames = frames
		return binaryForm(t, m)
	}
	stranger := func() []byte {
		c := p.good()
		c.From, c.Key = idC, sign.Hash(p.c.ID())
		c.Frames = []sign.Hash{{}}
		return append(binaryForm(t, p.signed(t, p.c, c)), "no frame at all"...)
	}
	whole := good(one, two)
	for name, x := range map[string]struct {
		body []byte
		code string
	}{
		"as listed":                        {good(one, two), problem.OK},
		"one missing":                      {good(one), problem.Malformed},
		"swapped":                          {good(two, one), problem.FramesDiffer},
		"one more":                         {good(one, two, two), problem.FramesDiffer},
		"another":                          {good(one, frame("six")), problem.FramesDiffer},
		"a byte after":                     {append(good(one, two), 0), problem.FramesDiffer},
		"cut in the length":                {whole[:3], problem.Malformed},
		"cut in the body":                  {whole[:100], problem.Malformed},
		"cut in a frame":                   {whole[:len(whole)-1], problem.Malformed},
		"nothing":                          {nil, problem.Malformed},
		"a body of 4 GiB":                  {[]byte{255, 255, 255, 255, '{'}, problem.TooLarge},
		"a body promised, not sent":        {[]byte{0, 127, 0, 0, '{'}, problem.Malformed},
		"a signature of 64 KiB":            {[]byte{0, 0, 0, 2, '{', '}', 255, 255}, problem.Malformed},
		"JSON where binary is announced":   {[]byte(`{"body":"e30="}`), problem.TooLarge},
		"a stranger's frames are not read": {stranger(), problem.NotPeer},
		"over the limit":                   {append(good(one, two), make([]byte, call.MaxMessage)...), problem.FramesDiffer},
		"a body no frame may have":         {append(good(one)[:len(good(one))-len(one.Body)-4], 255, 255, 255, 255), problem.Malformed},
	} {
		if code, _ := p.postBinary(t, x.body); code != x.code {
			t.Errorf("%s: answered %s, want %s", name, code, x.code)
		}
	}
}

// TestBinaryLiars: what the client believes in binary form.
func TestBinaryLiars(t *testing.T) {
	p := newPair(t)
	frames := []seal.Frame{frame("one"), frame("two")}
	for name, lie := range map[string]func(m *message) []byte{
		"a byte of the body": func(m *message) []byte { m.Body[len(m.Body)-3] ^= 1; return nil },
		"the code inside": func(m *message) []byte {
			m.Body = bytes.Replace(m.Body, []byte("000000"), []byte("000001"), 1)
			return nil
		},
		"unsigned":            func(m *message) []byte { m.Sign = nil; return nil },
		"a frame swapped":     func(m *message) []byte { slices.Reverse(m.Frames); return nil },
		"a frame less":        func(m *message) []byte { m.Frames = m.Frames[:1]; return nil },
		"a frame more":        func(m *message) []byte { m.Frames = append(m.Frames, frame("six")); return nil },
		"a frame's header":    func(m *message) []byte { m.Frames[0].Header[0] ^= 1; return nil },
		"cut short":           func(m *message) []byte { b := binaryForm(t, *m); return b[:len(b)-1] },
		"garbage":             func(m *message) []byte { return bytes.Repeat([]byte{0x5a}, 1<<20) },
		"nothing":             func(m *message) []byte { return []byte{} },
		"JSON of the message": func(m *message) []byte { return marshal(t, *m) },
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			p.server.ServeHTTP(rec, r)
			m := readBinary(t, rec.Body.Bytes())
			raw := lie(&m)
			if raw == nil {
				raw = binaryForm(t, m)
			}
			w.Header().Set("Content-Type", call.Binary)
			w.Write(raw)
		}))
		p.client = &call.Client{Directory: p.client.Directory, Signer: p.a, HTTP: srv.Client()}
		if _, err := p.client.Do(t.Context(), srv.URL, idB, "ping", nil, frames, nil); problem.Code(err) != problem.BadAnswer {
			t.Errorf("%s: %v", name, err)
		}
		srv.Close()
	}
}

// A connection that drips is cut after its time of grace, and holds nobody up
// meanwhile; one that is slow but moves is served.
func TestSlowDrip(t *testing.T) {
	p := newPair(t)
	p.server.Grace = 200 * time.Millisecond
	var drips []net.Conn
	for range 12 {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "POST "+call.Path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
		drips = append(drips, c)
	}
	if code, _ := p.post(t, marshal(t, p.signed(t, p.a, p.good()))); code != problem.OK {
		t.Errorf("beside twelve that drip: %s", code)
	}
	for _, c := range drips {
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		back, err := io.ReadAll(c)
		if err != nil || !bytes.Contains(back, []byte(problem.Malformed)) {
			t.Errorf("a drip was answered %.80q, %v", back, err)
		}
	}
	// An answer may take longer than that: the grace ends with the request.
	p.server.Handlers["patient"] = func(ctx context.Context, r *call.Request) (*call.Reply, error) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(5 * p.server.Grace):
			return &call.Reply{}, nil
		}
	}
	if _, err := p.client.Do(t.Context(), p.url, idB, "patient", nil, nil, nil); err != nil {
		t.Errorf("an answer beyond the grace: %v", err)
	}
}

// TestRateLimit: a caller over its limit is told when to come again, others are
// not touched, and what it asked for cost nothing.
func TestRateLimit(t *testing.T) {
	p := newPair(t)
	p.server.Limit = func(node string) call.Limit { return call.Limit{Requests: 1, Bytes: 1 << 20} }
	codes := map[string]int{}
	var wait time.Duration
	for range 8 {
		_, err := p.client.Do(t.Context(), p.url, idB, "ping", nil, nil, nil)
		codes[problem.Code(err)]++
		wait = max(wait, problem.RetryAfter(err))
	}
	if codes[problem.OK] < 4 || codes[problem.RateLimited] == 0 || codes[problem.OK]+codes[problem.RateLimited] != 8 {
		t.Errorf("answers %v", codes)
	}
	if wait <= 0 || wait > time.Second {
		t.Errorf("asked to come again in %s", wait)
	}
}
