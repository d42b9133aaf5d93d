package outer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"fayi/gateway/strictyaml"
)

// Tunnel carries HTTP exchanges of JSON through a vendor's API gateway: the
// gateway's own headers and signature are put on, its wrapper is taken off
// (protocol §5, outer transport profiles). The interface has one operation, call,
// whose request and answer hold the value payload. It is an http.RoundTripper,
// safe for concurrent use.
type Tunnel struct{ client *Client }

const (
	tunnelOp    = "call"
	tunnelValue = "payload"
)

// OpenTunnel reads an interface file with its secrets, which are relative to the
// file. The error is a [strictyaml.Error] where the file has faults.
func OpenTunnel(path string, o Options) (*Tunnel, error) {
	c, err := ReadTunnel(path)
	if err != nil {
		return nil, err
	}
	keys, err := c.ReadKeys(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	cl, err := NewClient(c, keys, o)
	if err != nil {
		return nil, err
	}
	return &Tunnel{cl}, nil
}

// ReadTunnel reads and checks an interface file.
func ReadTunnel(path string) (*Compiled, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var i Interface
	d := strictyaml.Decode(data, &i)
	if d.Broken() {
		return nil, d.Err(path)
	}
	c := Compile(d, "", &i, nil)
	if !c.Has(tunnelOp) {
		d.Fault(".operations.call", "必须有操作 call", "needs the operation call")
	} else if values, _ := c.Yields(tunnelOp); len(values) != 1 || values[0] != tunnelValue {
		d.Fault(".operations.call.answer", "应写作 {payload: $.data}", "must be such as {payload: $.data}")
	}
	return c, d.Err(path)
}

// ErrTunnel is an exchange that the gateway did not carry.
var ErrTunnel = errors.New("outer: the gateway in between refused")

// RoundTrip sends the body of a request through and returns what the other side
// answered, or an error where the gateway says that it did not.
func (t *Tunnel) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		defer r.Body.Close()
		var err error
		if body, err = io.ReadAll(io.LimitReader(r.Body, int64(t.client.c.transport.Limit.Request)<<10+1)); err != nil {
			return nil, err
		}
	}
	doc, err := ParseJSON(body)
	if err != nil {
		return nil, err
	}
	a := t.client.Call(r.Context(), tunnelOp, NewObject().Set(tunnelValue, doc))
	back := a.Values.Member(tunnelValue)
	if a.Class != OK || back == nil {
		return nil, fmt.Errorf("%w: %s (%s, HTTP %d, code %q): %w", ErrTunnel, a.Class, a.Rule, a.Status, a.Code, cmpErr(a.Err))
	}
	data := []byte(back.Text)
	if back.Kind != String {
		data = AppendJSON(nil, back)
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, Body: io.NopCloser(bytes.NewReader(data)), ContentLength: int64(len(data)),
	}, nil
}

func cmpErr(err error) error {
	if err == nil {
		return errors.New("no further reason")
	}
	return err
}

// Switch sends requests for some hosts through tunnels and all others directly. It
// is safe for concurrent use.
type Switch struct {
	Direct http.RoundTripper

	mu      sync.RWMutex
	tunnels map[string]*Tunnel
}

// Set sends requests for a host (host:port) through t, or directly where t is nil.
func (s *Switch) Set(host string, t *Tunnel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tunnels == nil {
		s.tunnels = map[string]*Tunnel{}
	}
	s.tunnels[host] = t
}

// RoundTrip carries one request.
func (s *Switch) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.RLock()
	t := s.tunnels[r.URL.Host]
	s.mu.RUnlock()
	if t != nil {
		return t.RoundTrip(r)
	}
	return s.Direct.RoundTrip(r)
}

// Unwrap is the other end of a [Tunnel], for who stands behind no gateway: it
// checks the outer signature and hands the payload to next at path.
func Unwrap(c *Compiled, keys *Keys, path string, next http.Handler) http.Handler {
	return NewServer(c, keys, func(ctx context.Context, r *Request) Reply {
		body := AppendJSON(nil, r.Values.Member(tunnelValue))
		in, err := http.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader(body))
		if err != nil {
			return Reply{Class: Permanent}
		}
		in.Header.Set("Content-Type", "application/json; charset=utf-8")
		in.RemoteAddr = r.Remote.String() + ":0"
		w := &kept{header: http.Header{}}
		next.ServeHTTP(w, in)
		doc, err := ParseJSON(w.body.Bytes())
		if err != nil || w.status > 299 {
			return Reply{Class: InDoubt, Message: "后端没有应答"}
		}
		return Reply{Class: OK, Values: NewObject().Set(tunnelValue, doc)}
	}, ServerOptions{})
}

type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *kept) Header() http.Header         { return k.header }
func (k *kept) WriteHeader(status int)      { k.status = status }
func (k *kept) Write(b []byte) (int, error) { return k.body.Write(b) }
