package outer

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ErrAddress is an address that may not be dialled or may not call.
var ErrAddress = errors.New("address not allowed")

// network is where one client may connect to: the host of its base, at an address
// of the allowed networks. Names are resolved once for each connection, and that
// address is dialled.
type network struct {
	host    string // host:port of the base
	allow   []netip.Prefix
	connect time.Duration
	resolve func(ctx context.Context, host string) ([]netip.Addr, error)
}

func newNetwork(base *url.URL, allow []netip.Prefix, connect time.Duration) *network {
	port := base.Port()
	if port == "" {
		port = "80"
		if base.Scheme == "https" {
			port = "443"
		}
	}
	return &network{host: net.JoinHostPort(base.Hostname(), port), allow: allow, connect: connect, resolve: lookup}
}

func lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

func (n *network) dial(ctx context.Context, proto, addr string) (net.Conn, error) {
	if addr != n.host {
		return nil, fmt.Errorf("%w: not the base", ErrAddress)
	}
	host, port, err := net.SplitHostPort(n.host)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, n.connect)
	defer cancel()
	addrs, err := n.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("%w: none of %s lies in transport.allow", ErrAddress, host)
	for _, a := range addrs {
		if !allowed(n.allow, a) {
			continue
		}
		var conn net.Conn
		if conn, err = new(net.Dialer).DialContext(ctx, proto, net.JoinHostPort(a.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// allowed tells whether an address lies in one of the networks; an empty list
// allows all.
func allowed(list []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return len(list) == 0 || slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// remote is the address a request came from.
func remote(r *http.Request) (netip.Addr, bool) {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	return ap.Addr(), err == nil
}

// pipe makes the round tripper of a client.
func (n *network) pipe(version string) http.RoundTripper {
	if version == "1.0" {
		return oldHTTP{n}
	}
	return &http.Transport{
		DialContext: n.dial, DisableCompression: true, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second,
		ResponseHeaderTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10, TLSHandshakeTimeout: n.connect,
	}
}

// oldHTTP speaks HTTP/1.0: one connection a request, a Content-Length, no
// chunks. net/http always says 1.1.
type oldHTTP struct{ n *network }

func (o oldHTTP) RoundTrip(r *http.Request) (*http.Response, error) {
	conn, err := o.n.dial(r.Context(), "tcp", o.n.host)
	if err != nil {
		return nil, err
	}
	if r.URL.Scheme == "https" {
		conn = tls.Client(conn, &tls.Config{ServerName: r.URL.Hostname(), MinVersion: tls.VersionTLS12})
	}
	stop := context.AfterFunc(r.Context(), func() { conn.Close() })
	resp, err := o.exchange(conn, r)
	if err != nil {
		stop()
		conn.Close()
		if ctx := r.Context().Err(); ctx != nil {
			err = ctx
		}
		return nil, err
	}
	resp.Body = closing{resp.Body, conn, stop}
	return resp, nil
}

func (o oldHTTP) exchange(conn net.Conn, r *http.Request) (*http.Response, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.0\r\nHost: %s\r\nContent-Length: %d\r\n", r.Method, r.URL.RequestURI(), r.URL.Host, r.ContentLength)
	if err := r.Header.Write(&b); err != nil {
		return nil, err
	}
	b.WriteString("\r\n")
	wrote(r)
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return nil, err
	}
	if r.Body != nil {
		if _, err := io.Copy(conn, r.Body); err != nil {
			return nil, err
		}
	}
	return http.ReadResponse(bufio.NewReader(io.LimitReader(conn, 128<<20)), r)
}

type closing struct {
	io.ReadCloser
	conn net.Conn
	stop func() bool
}

func (c closing) Close() error {
	c.ReadCloser.Close()
	c.stop()
	return c.conn.Close()
}
