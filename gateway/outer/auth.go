package outer

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"fayi/gateway/strictyaml"

	"github.com/emmansun/gmsm/sm3"
)

// Auth says how one side shows who it is. A kind is a set of defaults for the
// members below it; kind signature has none, so that any keyed or plain digest can
// be described.
type Auth struct {
	Kind      string        `yaml:"kind"` // none, hmac-sm3, hmac-sha256, tif-sha256, md5, signature, token
	AppID     string        `yaml:"appId"`
	Secrets   []string      `yaml:"secrets"`   // file:path; the first signs, all are accepted, so that keys can be changed
	Algorithm string        `yaml:"algorithm"` // hmac-sm3, hmac-sha256, hmac-md5, sm3, sha256, md5
	Text      string        `yaml:"text"`      // what is signed; see signedNames
	Encoding  string        `yaml:"encoding"`  // hex, HEX, base64
	Timestamp string        `yaml:"timestamp"` // unix, unixMilli or a layout of package time
	Headers   RawForm       `yaml:"headers"`   // where appId, timestamp, nonce and sign stand
	Query     RawForm       `yaml:"query"`
	Skew      time.Duration `yaml:"skew"`     // default 300s
	NonceTTL  time.Duration `yaml:"nonceTtl"` // default 10m
	Session   *Session      `yaml:"session"`
}

// Session is a login whose result goes with every request.
type Session struct {
	Operation string        `yaml:"operation"`
	Value     string        `yaml:"value"` // value of its answer
	TTL       time.Duration `yaml:"ttl"`   // default 30m
	User      string        `yaml:"user"`
	Password  string        `yaml:"password"` // file:path
}

type auth struct {
	Auth
	text    *textTmpl
	headers *Template
	query   *Template
	weak    bool // protects so little that only listed addresses may use it
	timed   bool // has a timestamp
}

var presets = map[string]Auth{
	"none":        {},
	"token":       {},
	"signature":   {Encoding: "hex", Timestamp: "unix"},
	"hmac-sm3":    {Algorithm: "hmac-sm3", Encoding: "hex", Timestamp: "unix", Text: gatewayText + "{bodySM3}", Headers: gatewayHeaders("HMAC-SM3")},
	"hmac-sha256": {Algorithm: "hmac-sha256", Encoding: "hex", Timestamp: "unix", Text: gatewayText + "{bodySHA256}", Headers: gatewayHeaders("HMAC-SHA256")},
	"tif-sha256": {Algorithm: "sha256", Encoding: "hex", Timestamp: "unix", Text: "{timestamp}{secret}{nonce}{timestamp}", Headers: object(
		"x-tif-paasid", "{auth.appId}", "x-tif-timestamp", "{auth.timestamp}", "x-tif-nonce", "{auth.nonce}", "x-tif-signature", "{auth.sign}")},
	"md5": {Algorithm: "md5", Encoding: "HEX", Timestamp: "20060102150405"},
}

const gatewayText = "{method}\n{path}\n{query}\n{appId}\n{timestamp}\n{nonce}\n"

// signedNames are what a text to sign may name, beside body.NAME: the text of a
// top member of the body.
var signedNames = []string{"method", "path", "query", "appId", "timestamp", "nonce", "secret", "session", "body", "bodySM3", "bodySHA256"}

func gatewayHeaders(kind string) RawForm {
	return object("X-App-Id", "{auth.appId}", "X-Timestamp", "{auth.timestamp}", "X-Nonce", "{auth.nonce}", "X-Sign-Type", kind, "X-Sign", "{auth.sign}")
}

var algorithms = map[string]func(key []byte) hash.Hash{
	"hmac-sm3":    func(key []byte) hash.Hash { return hmac.New(sm3.New, key) },
	"hmac-sha256": func(key []byte) hash.Hash { return hmac.New(sha256.New, key) },
	"hmac-md5":    func(key []byte) hash.Hash { return hmac.New(md5.New, key) },
	"sm3":         func([]byte) hash.Hash { return sm3.New() },
	"sha256":      func([]byte) hash.Hash { return sha256.New() },
	"md5":         func([]byte) hash.Hash { return md5.New() },
}

func (c compiler) auth(path string, a Auth, ops map[string]Operation) auth {
	if a.Kind == "" {
		a.Kind = "none"
	}
	p, ok := presets[a.Kind]
	if !ok {
		c.d.Fault(path+".kind", "应为 none、hmac-sm3、hmac-sha256、tif-sha256、md5、signature、token 之一", "must be one of none, hmac-sm3, hmac-sha256, tif-sha256, md5, signature, token")
	}
	for _, f := range []struct{ v, d *string }{{&a.Algorithm, &p.Algorithm}, {&a.Text, &p.Text}, {&a.Encoding, &p.Encoding}, {&a.Timestamp, &p.Timestamp}} {
		if *f.v == "" {
			*f.v = *f.d
		}
	}
	if a.Headers.Kind == strictyaml.Absent && a.Query.Kind == strictyaml.Absent {
		a.Headers = p.Headers
	}
	if a.Skew == 0 {
		a.Skew = 300 * time.Second
	}
	if a.NonceTTL == 0 {
		a.NonceTTL = 10 * time.Minute
	}
	out := auth{Auth: a, text: &textTmpl{}, headers: c.template(path+".headers", &a.Headers), query: c.template(path+".query", &a.Query)}
	signs := a.Kind != "none" && a.Kind != "token"
	if signs {
		if _, ok := algorithms[a.Algorithm]; !ok {
			c.d.Fault(path+".algorithm", "应为 hmac-sm3、hmac-sha256、hmac-md5、sm3、sha256、md5 之一", "must be one of hmac-sm3, hmac-sha256, hmac-md5, sm3, sha256, md5")
		}
		c.oneOf(path+".encoding", a.Encoding, []string{"hex", "HEX", "base64"})
		if a.Text == "" {
			c.d.Fault(path+".text", "没有写待签名的文本", "does not say what is signed")
		}
		out.text = c.text(path+".text", a.Text)
		for _, p := range out.text.parts {
			if p.name != "" && !slices.Contains(signedNames, p.name) && !strings.HasPrefix(p.name, "body.") {
				c.d.Fault(path+".text", "签名文本里不能用 "+p.name, "what is signed cannot name "+p.name)
			}
		}
	}
	if a.Kind != "none" && len(a.Secrets) == 0 {
		c.d.Fault(path+".secrets", "没有密钥，写作 [file:路径]", "has no secret; write [file:path]")
	}
	for i, s := range a.Secrets {
		c.secret(fmt.Sprintf("%s.secrets[%d]", path, i), s)
	}
	if s := a.Session; s != nil {
		op, ok := ops[s.Operation]
		switch {
		case !ok:
			c.d.Fault(path+".session.operation", "operations 中没有这个操作", "is not among operations")
		case op.Answer[s.Value] == "":
			c.d.Fault(path+".session.value", "登录操作的 answer 中没有这个值", "is not in the answer of the login")
		}
		if s.Password != "" {
			c.secret(path+".session.password", s.Password)
		}
		if s.TTL == 0 {
			s.TTL = 30 * time.Minute
		}
	}
	// What does not cover the body, or can be forged by who overheard or can
	// compute MD5 collisions, is not to be used across an open network.
	covers := strings.Contains(a.Text, "{body")
	out.weak = a.Kind == "none" || a.Kind == "token" || strings.Contains(a.Algorithm, "md5") || !covers
	out.timed = strings.Contains(a.Text, "{timestamp}")
	return out
}

func (c compiler) secret(path, s string) {
	if rel, ok := strings.CutPrefix(s, "file:"); !ok || rel == "" {
		c.d.Fault(path, "不能直接写密钥，请放进权限 0600 的文件，这里写 file:路径", "must not be the secret itself; put it into a file of mode 0600 and write file:path")
	}
}

func object(pairs ...string) RawForm {
	var t RawForm
	t.Kind = strictyaml.Mapping
	for i := 0; i < len(pairs); i += 2 {
		t.Members = append(t.Members, strictyaml.Member{Name: pairs[i], Value: strictyaml.Tree{Kind: strictyaml.Scalar, Text: pairs[i+1], Quoted: true}})
	}
	return t
}

// ErrSecret is a file of a secret that cannot be used.
var ErrSecret = errors.New("secret not usable")

// ReadSecret reads the file a reference names, relative to dir: one line, mode
// 0600.
func ReadSecret(dir, ref string) ([]byte, error) {
	path := strings.TrimPrefix(ref, "file:")
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSecret, err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s: readable by others; chmod 600", ErrSecret, path)
	}
	b, err := io.ReadAll(io.LimitReader(f, 4097))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSecret, err)
	}
	b = []byte(strings.TrimRight(string(b), "\r\n"))
	if len(b) == 0 || len(b) > 4096 {
		return nil, fmt.Errorf("%w: %s: empty or over 4096 bytes", ErrSecret, path)
	}
	return b, nil
}

// Keys holds the secrets of one interface.
type Keys struct {
	secrets  [][]byte
	password []byte
}

// ReadKeys reads the secrets the interface refers to; relative paths are below
// dir. The error is of [ErrSecret].
func (c *Compiled) ReadKeys(dir string) (*Keys, error) {
	k := &Keys{}
	var errs []error
	for _, ref := range c.auth.Secrets {
		b, err := ReadSecret(dir, ref)
		errs = append(errs, err)
		k.secrets = append(k.secrets, b)
	}
	if s := c.auth.Session; s != nil && s.Password != "" {
		b, err := ReadSecret(dir, s.Password)
		errs = append(errs, err)
		k.password = b
	}
	return k, errors.Join(errs...)
}

// NewKeys makes keys of secrets at hand, for tests and simulators.
func NewKeys(password string, secrets ...string) *Keys {
	k := &Keys{password: []byte(password)}
	for _, s := range secrets {
		k.secrets = append(k.secrets, []byte(s))
	}
	return k
}

// signed is what a signature covers.
type signed struct {
	method, path string
	query        url.Values // without the signature
	timestamp    string
	nonce        string
	session      string
	body         []byte // as on the wire
	doc          *Node  // the body before it was written
}

// sign computes the signature with one secret.
func (a *auth) sign(s *signed, secret []byte) string {
	var b strings.Builder
	for _, p := range a.text.parts {
		b.WriteString(p.lit)
		switch p.name {
		case "":
		case "method":
			b.WriteString(s.method)
		case "path":
			b.WriteString(s.path)
		case "query":
			b.WriteString(s.query.Encode())
		case "appId":
			b.WriteString(a.AppID)
		case "timestamp":
			b.WriteString(s.timestamp)
		case "nonce":
			b.WriteString(s.nonce)
		case "session":
			b.WriteString(s.session)
		case "secret":
			b.Write(secret)
		case "body":
			b.Write(s.body)
		case "bodySM3":
			h := sm3.Sum(s.body)
			b.WriteString(hex.EncodeToString(h[:]))
		case "bodySHA256":
			h := sha256.Sum256(s.body)
			b.WriteString(hex.EncodeToString(h[:]))
		default:
			b.WriteString(s.doc.Get(strings.TrimPrefix(p.name, "body.")).Value())
		}
	}
	h := algorithms[a.Algorithm](secret)
	io.WriteString(h, b.String())
	sum := h.Sum(nil)
	switch a.Encoding {
	case "HEX":
		return strings.ToUpper(hex.EncodeToString(sum))
	case "base64":
		return base64.StdEncoding.EncodeToString(sum)
	}
	return hex.EncodeToString(sum)
}

// unsigned is a query without the parameter that holds the signature.
func (a *auth) unsigned(query url.Values) url.Values {
	if a.query == nil {
		return query
	}
	query = maps.Clone(query)
	for _, m := range a.query.members {
		if slices.Contains(m.Names(), "auth.sign") {
			query.Del(m.name)
		}
	}
	return query
}

// signs reports whether there is a signature at all.
func (a *auth) signs() bool { return a.Algorithm != "" }

// verify compares a signature with that of every accepted secret, in constant
// time.
func (a *auth) verify(s *signed, k *Keys, sign string) bool {
	ok := 0
	for _, secret := range k.secrets {
		ok |= subtle.ConstantTimeCompare([]byte(a.sign(s, secret)), []byte(sign))
	}
	return ok == 1
}

func (a *auth) stamp(t time.Time, zone *time.Location) string {
	switch a.Timestamp {
	case "unix":
		return strconv.FormatInt(t.Unix(), 10)
	case "unixMilli":
		return strconv.FormatInt(t.UnixMilli(), 10)
	}
	return t.In(zone).Format(a.Timestamp)
}

func (a *auth) parseStamp(s string, zone *time.Location) (time.Time, bool) {
	switch a.Timestamp {
	case "unix":
		n, err := strconv.ParseInt(s, 10, 64)
		return time.Unix(n, 0), err == nil && len(s) <= 12
	case "unixMilli":
		n, err := strconv.ParseInt(s, 10, 64)
		return time.UnixMilli(n), err == nil && len(s) <= 15
	}
	t, err := time.ParseInLocation(a.Timestamp, s, zone)
	return t, err == nil
}

func newNonce() string {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // crypto/rand does not fail
	}
	return hex.EncodeToString(b[:])
}

// nonces remembers nonces for at least ttl. It forgets by swapping two
// generations, and refuses when full rather than grow.
type nonces struct {
	mu        sync.Mutex
	now, then map[string]struct{}
	since     time.Time
}

const maxNonces = 1 << 20

func (n *nonces) fresh(nonce string, ttl time.Duration, at time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.now == nil || at.Sub(n.since) > ttl {
		n.then, n.now, n.since = n.now, map[string]struct{}{}, at
	}
	_, a := n.now[nonce]
	_, b := n.then[nonce]
	if a || b || len(n.now) >= maxNonces || len(nonce) > 128 {
		return false
	}
	n.now[nonce] = struct{}{}
	return true
}

// nonceSource is newNonce but where a test compares with a signature made
// elsewhere.
var nonceSource = newNonce
