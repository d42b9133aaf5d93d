package join

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/directory"
)

// Roles of nodes; schema packs suggest audiences by role. A carrier moves
// frames and is no reader of anything.
const (
	Ministry = "ministry"
	Province = "province"
	City     = "city"
	County   = "county"
	Carrier  = "carrier"
)

// Roles lists the roles there are.
func Roles() []string { return []string{Ministry, Province, City, County, Carrier} }

// Place is what a registrar says about a node besides its keys.
type Place struct {
	Node      string     `json:"node"`
	Names     sign.Names `json:"names"` // Zh is required
	Role      string     `json:"role"`
	Territory []string   `json:"territory"` // prefixes of the ids its registrar may name; "" is all; empty: none
}

const (
	maxName    = 100 // characters
	maxPrefix  = 64  // of a territory
	maxAddress = 256 // bytes
)

var prefix = regexp.MustCompile(`^[0-9a-z][0-9a-z-]{0,31}$`)

// DefaultTerritory is what a node may name where nobody said otherwise: the
// root of a federation everything (a province: its own prefix), a province the
// first two digits of its id, others nothing.
func DefaultTerritory(node, role string, root bool) []string {
	switch {
	case role == Province && len(node) >= 2:
		return []string{node[:2]}
	case root:
		return []string{""}
	}
	return []string{}
}

// Check judges a place by itself, not whether anybody may hand it out.
func (p *Place) Check() error {
	switch {
	case !sign.ValidNode(p.Node):
		return badPlace("节点标识应为 2～32 位小写字母、数字或连字符，通常用行政区划代码", "a node id is 2 to 32 of a-z, 0-9 and hyphens, beginning with a letter or digit")
	case !plain(p.Names.Zh) || p.Names.Zh == "":
		return badPlace("节点名称应为 1～100 个可见字符", "a name is 1 to 100 printable characters")
	case !plain(p.Names.En):
		return badPlace("英文名称最多 100 个可见字符", "an English name is at most 100 printable characters")
	case !slices.Contains(Roles(), p.Role):
		return badPlace("角色应为 "+strings.Join(Roles(), "、")+" 之一", "a role is one of "+strings.Join(Roles(), ", "))
	case p.Territory == nil || len(p.Territory) > maxPrefix:
		return badPlace("辖区前缀最多 64 个", "a territory has at most 64 prefixes")
	}
	for _, t := range p.Territory {
		if t != "" && !prefix.MatchString(t) {
			return badPlace("辖区前缀应为小写字母、数字或连字符，如 61", "a territory prefix is of a-z, 0-9 and hyphens, such as 61")
		}
	}
	return nil
}

// plain reports whether s has at most 100 characters, none of them invisible
// and none at an end a space.
func plain(s string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxName && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// CheckURL refuses an address that is not scheme://host[:port].
func CheckURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || len(s) > maxAddress || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return badPlace("地址应写作 http://主机:端口 或 https://主机:端口", "an address is http://host:port or https://host:port")
	}
	return nil
}

// within reports whether parent may name the node and hand it its territory.
func (p *Place) within(parent *directory.Node) bool {
	child := &sign.Entry{Node: p.Node, Parent: parent.Entry.Node}
	if !parent.MayName(child) {
		return false
	}
	for _, t := range p.Territory {
		if !slices.ContainsFunc(parent.Territory, func(own string) bool { return strings.HasPrefix(t, own) }) {
			return false
		}
	}
	return true
}

func (p *Place) equal(q *Place) bool {
	return p.Node == q.Node && p.Names == q.Names && p.Role == q.Role && slices.Equal(p.Territory, q.Territory)
}

var divisionCode = regexp.MustCompile(`^[1-9][0-9]{5}$`)

// entry writes the first entry of a node. A carrier is given no encryption
// certificate in it: nobody wraps a content key for what must not read.
func (p *Place) entry(parent string, signCert, encCert, registrar *keys.Certificate, now time.Time) *sign.Entry {
	e := &sign.Entry{
		V: 1, Node: p.Node, N: 1, Parent: parent, Territory: p.Territory, Roles: []string{p.Role}, Names: p.Names,
		Codes: []string{}, Addresses: []string{},
		Sign:       []sign.SignKey{{Cert: signCert.Raw(), From: []sign.Position{{Stream: "*"}}, Upto: []sign.EndPoint{}}},
		Enc:        []sign.CertRef{{Cert: encCert.Raw()}},
		Registrars: []sign.CertRef{{Cert: registrar.Raw()}},
		Reads:      sign.Reads{V: []int{1}, Suites: []string{seal.Suite}},
		Time:       sign.At(now),
	}
	if divisionCode.MatchString(p.Node) {
		e.Codes = []string{p.Node}
	}
	if p.Role == Carrier {
		e.Enc = []sign.CertRef{}
	}
	return e
}
