package profile

import (
	"context"
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

	"fayi/adapters/hotline/ticket"
	"fayi/gateway/outer"
)

// Upload sends a piece of a file, or the whole where the interface has no pieces.
func (x *Peer) Upload(ctx context.Context, f ticket.Attachment, content io.ReaderAt, from int64) (int64, ticket.Outcome) {
	a := &x.p.Capabilities.Attachments
	if a.Mode == "" || a.Mode == "none" || !x.p.calls.Has(opUpload) {
		return from, unable()
	}
	if f.Size > int64(a.MaxMB)<<20 || f.Size <= 0 || from < 0 || from >= f.Size {
		return from, ticket.Outcome{Class: ticket.Permanent, Said: "capabilities", Err: fmt.Errorf("profile: %d bytes from %d, at most %d MB", f.Size, from, a.MaxMB)}
	}
	n := f.Size
	if a.ChunkKB > 0 {
		n = min(from+int64(a.ChunkKB)<<10, f.Size)
	} else {
		from = 0
	}
	piece := make([]byte, n-from)
	if _, err := content.ReadAt(piece, from); err != nil && !errors.Is(err, io.EOF) {
		return from, ticket.Outcome{Class: ticket.Retry, Err: err}
	}
	_, back, out := x.call(ctx, opUpload, &Words{Key: f.ID, File: &f, Content: string(piece), From: from, To: n - 1, Size: f.Size})
	if out.Class != ticket.Delivered && out.Class != ticket.Duplicate {
		return from, out
	}
	if back.To > 0 && back.To+1 < n { // the peer has less than we sent
		n = back.To + 1
	}
	return n, out
}

// Fetch reads a file the peer referred to, by its own operation or from an address
// in the profile's list.
func (x *Peer) Fetch(ctx context.Context, f ticket.Attachment, from, limit int64, w io.Writer) ticket.Outcome {
	if x.p.calls.Has(opDownload) && !strings.Contains(f.Ref, "://") {
		_, back, out := x.call(ctx, opDownload, &Words{File: &f, From: from})
		if out.Class != ticket.Delivered {
			return out
		}
		content := back.Content
		if int64(len(content)) > limit {
			return ticket.Outcome{Class: ticket.Permanent, Said: "size"}
		}
		if _, err := io.WriteString(w, content[min(from, int64(len(content))):]); err != nil {
			return ticket.Outcome{Class: ticket.Retry, Err: err}
		}
		return out
	}
	return x.fetch.get(ctx, f.Ref, from, limit, w)
}

// fetcher reads files from the addresses a profile lists, and from no others: what
// arrives in data is never dialled (design §8).
type fetcher struct {
	hosts    []string
	networks []netip.Prefix
	resolve  func(ctx context.Context, host string) ([]netip.Addr, error)
	dial     func(ctx context.Context, network, addr string) (net.Conn, error)
	client   *http.Client
}

func newFetcher(f Fetch, o Options) *fetcher {
	x := &fetcher{hosts: f.Hosts, resolve: o.Resolve, dial: o.Dial}
	for _, n := range f.Networks {
		if p, err := netip.ParsePrefix(n); err == nil {
			x.networks = append(x.networks, p.Masked())
		}
	}
	if x.resolve == nil {
		x.resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			if a, err := netip.ParseAddr(host); err == nil {
				return []netip.Addr{a}, nil
			}
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if x.dial == nil {
		x.dial = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	}
	x.client = &http.Client{
		Timeout:       20 * time.Second,
		Transport:     &http.Transport{DialContext: x.connect, DisableCompression: true, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return x
}

// connect resolves once and dials that address if it may be.
func (x *fetcher) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	addrs, err := x.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if a = a.Unmap().WithZone(""); x.mayDial(a) {
			return x.dial(ctx, network, net.JoinHostPort(a.String(), port))
		}
	}
	return nil, fmt.Errorf("%w: %s", outer.ErrAddress, host)
}

// mayDial refuses this machine whatever a profile says, and private networks it
// does not list.
func (x *fetcher) mayDial(a netip.Addr) bool {
	if a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsInterfaceLocalMulticast() || ownAddress(a) {
		return false
	}
	return !a.IsPrivate() || slices.ContainsFunc(x.networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

func ownAddress(a netip.Addr) bool {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return true // who does not know its own addresses dials none
	}
	return slices.ContainsFunc(own, func(n net.Addr) bool {
		p, err := netip.ParsePrefix(n.String())
		return err == nil && p.Addr().Unmap() == a
	})
}

func (x *fetcher) get(ctx context.Context, ref string, from, limit int64, w io.Writer) ticket.Outcome {
	u, err := url.Parse(ref)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return ticket.Outcome{Class: ticket.Permanent, Said: "address", Err: outer.ErrAddress}
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if !slices.Contains(x.hosts, net.JoinHostPort(u.Hostname(), port)) {
		return ticket.Outcome{Class: ticket.Permanent, Said: "fetch.hosts", Err: outer.ErrAddress}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return ticket.Outcome{Class: ticket.Permanent, Said: "address", Err: outer.ErrAddress}
	}
	if from > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	resp, err := x.client.Do(r)
	if err != nil {
		out := ticket.Outcome{Class: ticket.Retry, Said: "not fetched", Err: err}
		if errors.Is(err, outer.ErrAddress) {
			out.Class, out.Said = ticket.Permanent, "address"
		}
		return out
	}
	defer resp.Body.Close()
	out := ticket.Outcome{HTTPStatus: resp.StatusCode, Class: ticket.Permanent, Said: fmt.Sprintf("http %d", resp.StatusCode)}
	var skip int64
	switch {
	case resp.StatusCode == http.StatusPartialContent && from > 0:
	case resp.StatusCode == http.StatusOK:
		skip = from
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		out.Class = ticket.Retry
		return out
	default:
		return out
	}
	if _, err := io.CopyN(io.Discard, resp.Body, skip); err != nil {
		return ticket.Outcome{Class: ticket.Retry, HTTPStatus: resp.StatusCode, Err: err}
	}
	n, err := io.Copy(w, io.LimitReader(resp.Body, limit-from+1))
	switch {
	case from+n > limit:
		out.Said = "size"
	case err != nil:
		out.Class, out.Said, out.Err = ticket.Retry, "broken off", err
	default:
		out.Class, out.Said = ticket.Delivered, ""
	}
	return out
}
