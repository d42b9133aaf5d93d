package outer

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Server answers the operations of an interface: ours that a peer calls, or, in a
// simulator, the peer's. It is safe for concurrent use.
type Server struct {
	c       *Compiled
	keys    *Keys
	handle  Handle
	now     func() time.Time
	nonces  nonces
	session func(id string) bool // nil: none is needed
	slots   chan struct{}
	refused func(op string, err error)
	unread  func(ctx context.Context, op string, body []byte, err error) Reply
}

// Handle answers a request that passed every check.
type Handle func(ctx context.Context, r *Request) Reply

// Request is an operation asked for.
type Request struct {
	Operation string
	Values    *Node
	Remote    netip.Addr
}

// Reply is the answer.
type Reply struct {
	Class   Class // OK, or why not
	Message string
	Values  *Node   // of the operation's answer
	Items   []*Node // of its list
}

// ServerOptions are what a server needs beside the interface.
type ServerOptions struct {
	Now     func() time.Time
	Session func(id string) bool       // says whether a session is good
	Refused func(op string, err error) // told of every request that was not handed on; err holds no value of it
	// Unread answers a request whose sender was verified and whose contents cannot be read whole: it must not be lost with
	// a refusal. nil refuses it.
	Unread func(ctx context.Context, op string, body []byte, err error) Reply
}

// Errors of requests that are refused before they are handed on.
var (
	ErrSignature = errors.New("signature does not verify")
	ErrClock     = errors.New("time outside the window")
	ErrReplay    = errors.New("nonce used before")
	ErrSession   = errors.New("no session")
)

// maxReading is how many requests are read at once: with Limit.Request it bounds
// the memory strangers can claim.
const maxReading = 16

// NewServer makes a server.
func NewServer(c *Compiled, keys *Keys, h Handle, o ServerOptions) *Server {
	s := &Server{c: c, keys: keys, handle: h, now: o.Now, session: o.Session, refused: o.Refused, unread: o.Unread, slots: make(chan struct{}, maxReading)}
	if s.now == nil {
		s.now = time.Now
	}
	if s.refused == nil {
		s.refused = func(string, error) {}
	}
	return s
}

// ServeHTTP finds the operation a request is for, checks address, size, time,
// nonce and signature, reads the values, and writes what handle says.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, known := remote(r)
	if !known || !allowed(s.c.allow, from) {
		s.refused("", ErrAddress)
		w.WriteHeader(http.StatusForbidden)
		return
	}
	o, values := s.route(r)
	if o == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	req := &Request{Operation: o.name, Values: values, Remote: from}
	if err := s.read(r, o, values); err != nil {
		s.refused(o.name, err)
		var u *unreadable
		if errors.As(err, &u) && s.unread != nil {
			s.write(w, o, s.unread(r.Context(), o.name, u.body, u.err))
			return
		}
		s.write(w, o, refuse(err))
		return
	}
	s.write(w, o, s.handle(r.Context(), req))
}

// refuse gives an unreadable request its class.
func refuse(err error) Reply {
	rep := Reply{Class: Permanent, Message: "报文不符合接口约定"}
	switch {
	case errors.Is(err, ErrClock):
		rep.Class, rep.Message = Clock, "时间戳超出允许范围"
	case errors.Is(err, ErrReplay), errors.Is(err, ErrSignature), errors.Is(err, ErrSession):
		rep.Class, rep.Message = AuthFail, "签名、随机数或会话无效"
	}
	return rep
}

// route finds the operation by method, path and, for SOAP, action. Values of the
// path are read into values.
func (s *Server) route(r *http.Request) (*operation, *Node) {
	base := s.c.fullPath("")
	path, ok := strings.CutPrefix(r.URL.Path, base)
	if !ok {
		return nil, nil
	}
	action := strings.Trim(r.Header.Get("SOAPAction"), `"`)
	for _, name := range s.c.sortedOperations() {
		o := s.c.operations[name]
		if o.method != r.Method || o.body == "soap" && o.action != action {
			continue
		}
		values := NewObject()
		if o.path.matches(path) && o.path.read(Text(path), values, &s.c.form) == nil {
			return o, values
		}
	}
	return nil, nil
}

// matches tells whether a path is of the template's form, no value spanning a
// slash.
func (t *textTmpl) matches(path string) bool {
	if t.re == nil {
		return len(t.parts) == 0 && path == "" || len(t.parts) == 1
	}
	m := t.re.FindStringSubmatch(path)
	return m != nil && !slices.ContainsFunc(m[1:], func(v string) bool { return v == "" || strings.Contains(v, "/") })
}

// read checks a request and takes its values.
func (s *Server) read(r *http.Request, o *operation, values *Node) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	limit := int64(s.c.transport.Limit.Request) << 10
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return err
	}
	if int64(len(body)) > limit {
		return fmt.Errorf("outer: request over %d KiB", s.c.transport.Limit.Request)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fmt.Errorf("%w: query", ErrSyntax)
	}
	header := NewObject()
	for k, v := range r.Header {
		header.Set(k, Text(v[0]))
	}
	params := NewObject()
	for k, v := range query {
		if len(v) > 1 {
			return fmt.Errorf("%w: query %.64q", ErrDuplicate, k)
		}
		params.Members = append(params.Members, &Node{Kind: String, Name: k, Text: v[0]})
	}
	for _, t := range []struct {
		form *Template
		from *Node
	}{{s.c.headers, header}, {s.c.auth.headers, header}, {o.headers, header}, {s.c.auth.query, params}, {o.query, params}} {
		if t.form != nil {
			if err := t.form.canonical(t.from == header).Read(t.from, values, &s.c.form); err != nil {
				return err
			}
		}
	}
	doc, err := read(body, o.body, r.Header.Get("Content-Type"), s.c.transport.Charset)
	if errors.Is(err, ErrCharset) && s.c.auth.signs() && s.check(r, o, values.Get("auth"), query, body, nil) == nil {
		return &unreadable{body, err} // signed over the bytes, whatever they say
	}
	if err != nil {
		return err
	}
	// What was signed is checked before values of the body are looked at; the
	// signature itself may stand in the body.
	id := values
	if o.request != nil {
		id = &Node{Kind: Object, Members: append([]*Node(nil), values.Members...)}
		if err := o.request.readAuth(doc, id, &s.c.form); err != nil {
			return err
		}
	}
	if err := s.check(r, o, id.Get("auth"), query, body, doc); err != nil {
		return err
	}
	if o.request != nil {
		if err := o.request.Read(doc, values, &s.c.form); err != nil {
			return &unreadable{body, err}
		}
	}
	return nil
}

// unreadable is a request of a verified sender whose contents are not what the interface says.
type unreadable struct {
	body []byte
	err  error
}

func (u *unreadable) Error() string { return u.err.Error() }
func (u *unreadable) Unwrap() error { return u.err }

// canonical gives the names of a header template the form net/http has.
func (t *Template) canonical(header bool) *Template {
	if !header {
		return t
	}
	c := *t
	c.members = nil
	for _, m := range t.members {
		n := *m
		n.name = http.CanonicalHeaderKey(m.name)
		c.members = append(c.members, &n)
	}
	return &c
}

// readAuth reads the parts that name auth values alone.
func (t *Template) readAuth(doc, values *Node, f *Form) error {
	if t.kind != tmplObject || t.each != "" || doc == nil {
		return nil
	}
	for _, c := range t.members {
		m := doc.Member(c.name)
		if c.kind == tmplObject {
			if err := c.readAuth(m, values, f); err != nil {
				return err
			}
			continue
		}
		if names := c.Names(); m != nil && len(names) > 0 && strings.HasPrefix(names[0], "auth.") {
			if err := c.Read(m, values, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// check verifies who sent a request.
func (s *Server) check(r *http.Request, o *operation, id *Node, query url.Values, body []byte, doc *Node) error {
	a := &s.c.auth
	if o.public {
		return nil
	}
	if a.Session != nil && s.session != nil && !s.session(id.Get("session").Value()) {
		return ErrSession
	}
	if a.Kind == "token" {
		ok := false
		for _, secret := range s.keys.secrets {
			ok = equal(id.Get("secret").Value(), string(secret)) || ok
		}
		if !ok {
			return ErrSignature
		}
	}
	if !a.signs() {
		return nil
	}
	in := &signed{
		method: r.Method, path: r.URL.Path, query: a.unsigned(query), body: body, doc: top(doc, o.body),
		timestamp: id.Get("timestamp").Value(), nonce: id.Get("nonce").Value(), session: id.Get("session").Value(),
	}
	if app := id.Get("appId"); app != nil && !equal(app.Value(), a.AppID) {
		return ErrSignature
	}
	if !a.verify(in, s.keys, id.Get("sign").Value()) {
		return ErrSignature
	}
	if !a.timed {
		return nil
	}
	at, ok := a.parseStamp(in.timestamp, s.c.form.Zone)
	if d := s.now().Sub(at); !ok || d > a.Skew || d < -a.Skew {
		return ErrClock
	}
	// Without a nonce two equal requests of one second are one to the signature;
	// such interfaces are kept to listed addresses, and acts on them are idempotent.
	if nonce := in.nonce; strings.Contains(a.Text, "{nonce}") && !s.nonces.fresh(nonce, max(a.NonceTTL, 2*a.Skew), s.now()) {
		return ErrReplay
	}
	return nil
}

// write answers in the peer's words: its success test is made true, or the first
// rule that gives the class.
func (s *Server) write(w http.ResponseWriter, o *operation, rep Reply) {
	doc, status, err := o.reply(rep, &s.c.form)
	var data []byte
	var contentType string
	if err == nil {
		data, contentType, err = write(wrapElement(doc, o.element), o.answer, s.c.transport.Charset)
	}
	if err != nil {
		s.refused(o.name, fmt.Errorf("answer: %w", err))
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", fmt.Sprint(len(data)))
	w.WriteHeader(status)
	w.Write(data)
}

// reply builds the document of an answer.
func (o *operation) reply(rep Reply, f *Form) (*Node, int, error) {
	doc := NewObject()
	status := http.StatusOK
	var err error
	put := func(p Path, n *Node) {
		if err == nil && !p.zero() {
			doc, err = p.Set(doc, n)
		}
	}
	if rep.Class == OK {
		put(o.response.success.path, Text(o.response.success.example()))
	} else if ru := o.response.ruleOf(rep.Class); ru != nil {
		o.deny(put, ru.path)
		put(ru.path, Text(ru.example()))
		if len(ru.HTTP) > 0 {
			status = ru.HTTP[0]
		}
	} else if o.deny(put, Path{}); rep.Class != Permanent {
		status = map[Class]int{Retry: 503, InDoubt: 503, AuthFail: 401, Clock: 401, Absent: 404}[rep.Class]
	}
	if rep.Message != "" && o.response.message.String() != o.response.success.path.String() {
		put(o.response.message, Text(rep.Message))
	}
	if rep.Values != nil {
		for _, v := range o.values {
			if v.text != nil {
				n, rerr := v.text.render(rep.Values, f)
				if rerr != nil {
					return nil, 0, rerr
				}
				if !n.empty() {
					put(v.path, n)
				}
				continue
			}
			n := rep.Values.Get(v.name)
			if n.empty() {
				continue
			}
			if n.Kind == String || n.Kind == Number || n.Kind == Bool {
				if n, err = (textPart{name: v.name, filters: v.part.filters}).value(rep.Values, f); err != nil {
					return nil, 0, err
				}
			}
			put(v.path, n)
		}
	}
	if o.list != nil && rep.Class == OK {
		list := &Node{Kind: List}
		for _, item := range rep.Items {
			n, rerr := o.item.Render(item, f)
			if rerr != nil {
				return nil, 0, rerr
			}
			list.Items = append(list.Items, n)
		}
		put(Path{text: o.list.text, steps: o.list.steps}, list)
	}
	return doc, status, err
}

// deny writes that there was no success, where success stands apart from the
// reason.
func (o *operation) deny(put func(Path, *Node), reason Path) {
	if p := o.response.success.path; len(p.steps) > 0 && p.text != reason.text {
		put(p, Text("false"))
	}
}

// example is a text that fulfils the condition.
func (k *cond) example() string {
	switch {
	case len(k.In) > 0:
		return k.In[0]
	case len(k.Contains) > 0:
		return k.Contains[0]
	}
	return sample(k.Matches)
}

// sample makes a text of the first alternative of an expression, as rules have
// them: words joined by bars.
func sample(re string) string {
	first, _, _ := strings.Cut(strings.Trim(re, "^$()"), "|")
	return first
}

// ruleOf finds a rule that gives a class, by text rather than by status.
func (r *response) ruleOf(c Class) *rule {
	var found *rule
	for i := range r.rules {
		ru := &r.rules[i]
		if ru.class != c || ru.none() || ru.HTML {
			continue
		}
		if !ru.path.zero() {
			return ru
		}
		if found == nil {
			found = ru
		}
	}
	return found
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
