package outer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Client calls the operations of an interface. It is safe for concurrent use.
type Client struct {
	c    *Compiled
	keys *Keys
	http *http.Client
	now  func() time.Time

	mu      sync.Mutex // of the session
	session string
	until   time.Time
}

// Options change what a client takes from the world, for tests and gateways.
type Options struct {
	Now     func() time.Time
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	Pipe    http.RoundTripper // instead of dialling the base
}

// NewClient makes a client of an interface that has a base.
func NewClient(c *Compiled, keys *Keys, o Options) (*Client, error) {
	if c.base == nil {
		return nil, errors.New("outer: the interface has no base")
	}
	n := newNetwork(c.base, c.allow, c.transport.Timeout.Connect)
	if o.Resolve != nil {
		n.resolve = o.Resolve
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	switch {
	case o.Pipe != nil:
	case c.Folder():
		o.Pipe = folder{o.Now}
	default:
		o.Pipe = n.pipe(c.transport.HTTP.Version)
	}
	return &Client{c: c, keys: keys, now: o.Now, http: &http.Client{
		Transport:     o.Pipe,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Answer is what one exchange came to.
type Answer struct {
	Class   Class
	Status  int    // of HTTP, 0 where no answer came
	Code    string // the peer's, at most 64 bytes
	Rule    string // what decided the class
	Message string // the peer's words; may quote the ticket: for the desk, not for logs
	Wait    time.Duration
	Date    time.Time // the peer's clock, zero where it did not say
	Values  *Node     // never nil
	Items   []*Node   // of the list
	Faults  []error   // items that could not be read, by their place in Items, where nil stands
	Err     error     // the technical cause; holds no value of the ticket
}

// Call asks for an operation, once; a session that ended is renewed once.
func (c *Client) Call(ctx context.Context, op string, values *Node) Answer {
	o := c.c.operations[op]
	if o == nil {
		return Answer{Class: Permanent, Rule: "operation", Values: NewObject(), Err: fmt.Errorf("outer: no operation %q", op)}
	}
	if c.c.auth.Session == nil || o.public {
		return c.once(ctx, o, values, "")
	}
	session, fail := c.login(ctx, "")
	if fail != nil {
		return *fail
	}
	a := c.once(ctx, o, values, session)
	if a.Class != AuthFail {
		return a
	}
	if session, fail = c.login(ctx, session); fail != nil {
		return *fail
	}
	return c.once(ctx, o, values, session)
}

// login returns the session, a new one if it ended or is the one refused.
func (c *Client) login(ctx context.Context, refused string) (string, *Answer) {
	s := c.c.auth.Session
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != "" && c.session != refused && c.now().Before(c.until) {
		return c.session, nil
	}
	v := NewObject().Set("auth.user", Text(s.User)).Set("auth.password", Text(string(c.keys.password)))
	a := c.once(ctx, c.c.operations[s.Operation], v, "")
	if a.Class == OK {
		if c.session = a.Values.Get(s.Value).Value(); c.session != "" {
			c.until = c.now().Add(s.TTL)
			return c.session, nil
		}
		a.Class, a.Rule = AuthFail, "no session in the answer"
	}
	c.session = ""
	if a.Class == InDoubt || a.Class == Permanent || a.Class == Duplicate || a.Class == Absent { // of the login, not of what was to be sent
		a.Class = AuthFail
	}
	a.Values = NewObject()
	return "", &a
}

// writing is how far a request got; its pointer travels in the context.
type writing struct{ begun bool }

type writingKey struct{}

func wrote(r *http.Request) {
	if w, ok := r.Context().Value(writingKey{}).(*writing); ok {
		w.begun = true
	}
}

func (c *Client) once(ctx context.Context, o *operation, values *Node, session string) Answer {
	ctx, cancel := context.WithTimeout(ctx, c.c.transport.Timeout.Total)
	defer cancel()
	w := &writing{}
	ctx = context.WithValue(ctx, writingKey{}, w)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaderField: func(string, []string) { w.begun = true }})
	req, err := c.request(ctx, o, values, session)
	if err != nil {
		return Answer{Class: Permanent, Rule: "request", Values: NewObject(), Err: err}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return lost(w.begun && !o.repeatable, err)
	}
	defer resp.Body.Close()
	limit := int64(c.c.transport.Limit.Answer) << 10
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("outer: answer over %d KiB", c.c.transport.Limit.Answer)
	}
	if err != nil {
		a := lost(!o.repeatable, err)
		a.Status = resp.StatusCode
		return a
	}
	return c.understand(o, resp, data)
}

func lost(doubt bool, err error) Answer {
	a := Answer{Class: Retry, Rule: "not sent", Values: NewObject(), Err: hide(err)}
	if doubt {
		a.Class, a.Rule = InDoubt, "no answer"
	}
	if errors.Is(err, ErrAddress) {
		a.Class, a.Rule = Permanent, "address"
	}
	return a
}

// hide takes the address with its query off an error: queries may hold tokens.
func hide(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// request renders, signs and writes.
func (c *Client) request(ctx context.Context, o *operation, values *Node, session string) (*http.Request, error) {
	m, err := c.c.render(o, values, c.keys, session, c.now())
	if err != nil {
		return nil, err
	}
	u := *c.c.base
	u.Path += m.path
	u.RawQuery = m.query.Encode()
	var body io.Reader
	if o.body != "none" {
		body = bytes.NewReader(m.body)
	}
	req, err := http.NewRequestWithContext(ctx, o.method, u.String(), body)
	if err != nil {
		return nil, hide(err)
	}
	req.GetBody = nil // no second try behind our back
	req.Header = m.header
	return req, nil
}

// message is a request ready to be written.
type message struct {
	path   string
	query  url.Values
	header http.Header
	body   []byte
}

// render fills in a request and signs it. A signature over parts of the body that
// stands in the body is made by rendering twice.
func (c *Compiled) render(o *operation, values *Node, keys *Keys, session string, now time.Time) (*message, error) {
	v := &Node{Kind: Object, Members: append([]*Node(nil), values.Members...)}
	a := &c.auth
	s := &signed{method: o.method, timestamp: a.stamp(now, c.form.Zone), nonce: nonceSource(), session: session}
	id := NewObject()
	if given := values.Member("auth"); given != nil {
		id.Members = append(id.Members, given.Members...)
	}
	id.Set("appId", Text(a.AppID)).Set("timestamp", Text(s.timestamp)).Set("nonce", Text(s.nonce)).Set("session", Text(session))
	if a.Kind == "token" && len(keys.secrets) > 0 {
		id.Set("secret", Text(string(keys.secrets[0])))
	}
	v.Set("auth", id)
	m, doc, err := c.fill(o, v)
	if err != nil || !a.signs() || o.public {
		return m, err
	}
	if len(keys.secrets) == 0 {
		return nil, fmt.Errorf("%w: none read", ErrSecret)
	}
	s.path, s.query, s.body, s.doc = c.fullPath(m.path), a.unsigned(m.query), m.body, top(doc, o.body)
	v.Get("auth").Set("sign", Text(a.sign(s, keys.secrets[0])))
	m, _, err = c.fill(o, v)
	return m, err
}

func (c *Compiled) fullPath(path string) string {
	if c.base == nil {
		return path
	}
	return c.base.Path + path
}

// top is where body.NAME is looked up: below the one element of a SOAP or XML
// body.
func top(doc *Node, body string) *Node {
	if (body == "soap" || body == "xml") && doc != nil && len(doc.Members) == 1 {
		return doc.Members[0]
	}
	return doc
}

func (c *Compiled) fill(o *operation, v *Node) (*message, *Node, error) {
	m := &message{header: http.Header{}, query: url.Values{}}
	path, err := o.path.render(v, &c.form)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range o.path.parts {
		if p.name != "" && !pathValue(v.Get(p.name).Value()) {
			return nil, nil, fmt.Errorf("%s: %w: cannot stand in a path", p.name, ErrValue)
		}
	}
	m.path = path.Value()
	for _, t := range []*Template{c.headers, c.auth.headers, o.headers} {
		if err := addTo(t, v, &c.form, func(k, s string) error {
			if strings.ContainsAny(s, "\r\n\x00") {
				return fmt.Errorf("%s: %w: line end in a header", k, ErrValue)
			}
			m.header[http.CanonicalHeaderKey(k)] = []string{s}
			return nil
		}); err != nil {
			return nil, nil, err
		}
	}
	for _, t := range []*Template{o.query, c.auth.query} {
		if err := addTo(t, v, &c.form, func(k, s string) error { m.query.Set(k, s); return nil }); err != nil {
			return nil, nil, err
		}
	}
	var doc *Node
	if o.body != "none" && o.request != nil {
		if doc, err = o.request.Render(v, &c.form); err != nil {
			return nil, nil, err
		}
	}
	var contentType string
	if m.body, contentType, err = write(doc, o.body, c.transport.Charset); err != nil {
		return nil, nil, err
	}
	if limit := c.transport.Limit.Request << 10; len(m.body) > limit {
		return nil, nil, fmt.Errorf("%w: the message has %d bytes, over %d", ErrValue, len(m.body), limit)
	}
	if contentType != "" {
		m.header.Set("Content-Type", contentType)
	}
	if o.body == "soap" {
		m.header["SOAPAction"] = []string{`"` + o.action + `"`} // its case matters to some
	}
	return m, doc, nil
}

func addTo(t *Template, v *Node, f *Form, add func(k, s string) error) error {
	if t == nil {
		return nil
	}
	n, err := t.Render(v, f)
	if err != nil {
		return err
	}
	for _, m := range n.Members {
		if err := add(m.Name, m.Text); err != nil {
			return err
		}
	}
	return nil
}

// pathValue refuses what would end or leave a path segment: a peer's number is
// sent as it was received or not at all.
func pathValue(s string) bool {
	return s != "." && s != ".." && !strings.ContainsAny(s, "/\\?#%\x00\r\n")
}

// understand reads and classifies an answer.
func (c *Client) understand(o *operation, resp *http.Response, data []byte) Answer {
	ct := resp.Header.Get("Content-Type")
	r := received{status: resp.StatusCode}
	var err error
	if r.html = looksHTML(data, ct); !r.html {
		r.doc, err = readAnswer(data, o.answer, ct, c.c.transport.Charset)
	}
	a := Answer{Status: resp.StatusCode, Values: NewObject(), Err: err, Wait: retryAfter(resp.Header.Get("Retry-After"))}
	a.Class, a.Rule = o.response.classify(r, o.repeatable)
	a.Date, _ = http.ParseTime(resp.Header.Get("Date"))
	if r.doc == nil {
		return a
	}
	a.Code = clip(o.response.code.getText(r.doc), 64)
	a.Message = clip(o.response.message.getText(r.doc), 1000)
	if w := o.response.wait.getText(r.doc); w != "" && a.Wait == 0 {
		a.Wait = retryAfter(w)
	}
	for _, v := range o.values {
		n := v.path.Get(r.doc)
		if n == nil {
			continue
		}
		if v.text != nil {
			if err := v.text.read(n, a.Values, &c.c.form); err != nil {
				a.Faults = append(a.Faults, err)
			}
			continue
		}
		if len(v.part.filters) == 0 {
			if n.Kind == List || n.Kind == Object && hasElements(n) {
				a.Values.Set(v.name, n)
			} else if n.Text != "" {
				a.Values.Set(v.name, &Node{Kind: leafKind(n), Text: n.Text})
			}
			continue
		}
		b, err := v.part.back(n.Text, &c.c.form)
		if err != nil {
			a.Faults = append(a.Faults, err)
		} else if b != nil {
			a.Values.Set(v.name, b)
		}
	}
	if o.list != nil && a.Class == OK {
		for i, n := range o.list.All(r.doc) {
			item := NewObject()
			if err := o.item.Read(n, item, &c.c.form); err != nil {
				a.Faults = append(a.Faults, fmt.Errorf("item %d: %w", i, err))
				item = nil
			}
			a.Items = append(a.Items, item)
		}
	}
	return a
}

// leafKind is String for an XML element with characters alone.
func leafKind(n *Node) Kind {
	if n.Kind == Object {
		return String
	}
	return n.Kind
}

func (p Path) getText(doc *Node) string {
	if p.zero() {
		return ""
	}
	return strings.TrimSpace(p.Get(doc).Value())
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
