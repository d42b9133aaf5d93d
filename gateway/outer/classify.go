package outer

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Class says what an exchange came to.
type Class string

// Classes.
const (
	OK        Class = "ok"        // the test of success holds in a whole answer
	Duplicate Class = "duplicate" // the peer says it had it already
	InDoubt   Class = "in_doubt"  // bytes left, and nothing says what became of them
	Permanent Class = "permanent" // refused; the same bytes will always be
	Retry     Class = "retry"     // certainly not taken; may be sent again
	AuthFail  Class = "auth"      // certainly not taken: signature or session
	Clock     Class = "clock"     // certainly not taken: the clocks differ
	Absent    Class = "absent"    // what was asked about is definitely not there
)

// Classes are all of them, as rules may name them.
var Classes = []Class{OK, Duplicate, InDoubt, Permanent, Retry, AuthFail, Clock, Absent}

func classNames() string {
	var names []string
	for _, c := range Classes[1:] {
		names = append(names, string(c))
	}
	return strings.Join(names, " ")
}

// received is an answer before it is understood.
type received struct {
	status int
	doc    *Node // nil where it is no document
	html   bool
}

// classify gives the class of an answer and which rule decided. The default is for
// refusals no rule knows, not for answers whose status, or the lack of a document,
// says that the peer itself did not speak.
func (r *response) classify(a received, repeatable bool) (Class, string) {
	if a.status >= 200 && a.status < 300 && a.doc != nil && !r.success.none() && r.success.holds(a) {
		return OK, "success"
	}
	for i := range r.rules {
		if ru := &r.rules[i]; ru.holds(a) {
			return ru.class, ru.name
		}
	}
	lost := InDoubt
	if repeatable {
		lost = Retry
	}
	switch {
	case a.html:
		return AuthFail, "html" // a login page, as a rule
	case a.status == 429:
		return Retry, "http 429"
	case a.status >= 500:
		return lost, "http " + strconv.Itoa(a.status)
	case a.status == 401:
		return AuthFail, "http 401"
	case a.doc == nil && a.status < 300:
		return lost, "unreadable"
	}
	if n := len(r.rules); n > 0 && r.rules[n-1].none() {
		return r.rules[n-1].class, "default"
	}
	return Permanent, "default"
}

// holds tells whether every part of the condition does.
func (k *cond) holds(a received) bool {
	if k.none() || k.HTML && !a.html {
		return false
	}
	if len(k.HTTP) > 0 && !slices.Contains(k.HTTP, a.status) {
		return false
	}
	if k.path.zero() {
		return true
	}
	if a.doc == nil {
		return false
	}
	n := k.path.Get(a.doc)
	if n == nil {
		return false
	}
	text := strings.TrimSpace(n.Text)
	switch {
	case len(k.In) > 0:
		return slices.Contains(k.In, text)
	case k.re != nil:
		return k.re.MatchString(text)
	}
	return slices.ContainsFunc(k.Contains, func(s string) bool { return strings.Contains(text, s) })
}

// looksHTML reports a web page.
func looksHTML(body []byte, contentType string) bool {
	head := bytes.ToLower(bytes.TrimSpace(body[:min(len(body), 512)]))
	return bytes.HasPrefix(head, []byte("<!doctype html")) || bytes.HasPrefix(head, []byte("<html")) ||
		strings.HasPrefix(strings.ToLower(contentType), "text/html") && !bytes.HasPrefix(head, []byte("{"))
}

// retryAfter reads the peer's wish from the header, in seconds.
func retryAfter(header string) time.Duration {
	n, err := strconv.Atoi(header)
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n)*time.Second, 24*time.Hour)
}
