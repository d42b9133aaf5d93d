package directory

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
	"fayi/gateway/problem"
)

// Node is one node as its entry describes it. It is immutable.
type Node struct {
	*sign.Entry
	Signed     sign.SignedEntry
	signKeys   []signKey
	enc        []*keys.Certificate
	registrars []*keys.Certificate
}

type signKey struct {
	cert *keys.Certificate
	good *sign.SignKey
}

// Reader returns the certificate to wrap content keys for: the newest one, nil
// for a node that holds no decryption key.
func (n *Node) Reader() *keys.Certificate {
	if len(n.enc) == 0 {
		return nil
	}
	return n.enc[len(n.enc)-1]
}

// Chain returns the certificates a frame of this node carries to help a
// receiver that lacks them.
func (n *Node) Chain(key sign.Hash) [][]byte {
	for _, k := range n.signKeys {
		if sign.Hash(k.cert.ID()) == key {
			return [][]byte{k.cert.Raw()}
		}
	}
	return nil
}

// Carrier reports whether the node only moves frames and holds no decryption key.
func (n *Node) Carrier() bool { return slices.Contains(n.Roles, "carrier") }

// Key is a signing certificate found by its hash.
type Key struct {
	Node *Node
	Cert *keys.Certificate
	good *sign.SignKey
}

// Covers reports whether the key is good for every position of a segment.
func (k Key) Covers(stream string, gen, first, last uint64) bool {
	return k.good.Covers(stream, gen, first) && k.good.Covers(stream, gen, last)
}

// Current reports whether the key may sign calls, receipts and notes today:
// no end has been stated for it.
func (k Key) Current() bool { return len(k.good.Upto) == 0 }

// Directory is safe for concurrent use.
type Directory struct {
	me   string
	mu   sync.Mutex // serialises Learn
	snap atomic.Pointer[snapshot]
}

type snapshot struct {
	nodes map[string]*Node
	keys  map[sign.Hash]Key
}

// New returns an empty directory seen from node me.
func New(me string) *Directory {
	d := &Directory{me: me}
	d.snap.Store(&snapshot{nodes: map[string]*Node{}, keys: map[sign.Hash]Key{}})
	return d
}

// Me is the node this directory is seen from.
func (d *Directory) Me() string { return d.me }

// Node returns a node by id.
func (d *Directory) Node(id string) (*Node, bool) {
	n, ok := d.snap.Load().nodes[id]
	return n, ok
}

// Key returns a signing certificate by its hash.
func (d *Directory) Key(id sign.Hash) (Key, bool) {
	k, ok := d.snap.Load().keys[id]
	return k, ok
}

// Nodes returns all nodes in the order of their ids.
func (d *Directory) Nodes() []*Node {
	nodes := slices.Collect(maps.Values(d.snap.Load().nodes))
	slices.SortFunc(nodes, func(a, b *Node) int { return bytes.Compare([]byte(a.Entry.Node), []byte(b.Entry.Node)) })
	return nodes
}

// Pin takes an anchor as it is: the root of the federation, handed over when
// this node joined or made by its own registrar. The entry must still be
// signed by a registrar it names itself.
func (d *Directory) Pin(se sign.SignedEntry) error {
	n, err := parse(se)
	if err != nil {
		return err
	}
	if n.Parent != "" {
		return problem.New(problem.BadEntry, "%s has a parent and is no anchor", n.Entry.Node)
	}
	if !signedBy(se, n.registrars) {
		return problem.New(problem.BadEntry, "anchor %s is not signed by its own registrar", n.Entry.Node)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if have, ok := d.Node(n.Entry.Node); ok && !bytes.Equal(have.Signed.Entry, se.Entry) {
		return problem.New(problem.BreakGlass, "anchor %s is already pinned with other keys", n.Entry.Node)
	}
	d.put(n)
	return nil
}

// Learn takes an entry from anywhere and keeps it if it is valid and newer than
// what is known. It returns whether it changed anything. Errors carry
// BAD_ENTRY, TERRITORY, KEY_UNKNOWN (the parent is not known yet: try again
// later) or BREAK_GLASS.
func (d *Directory) Learn(se sign.SignedEntry) (bool, error) {
	n, err := parse(se)
	if err != nil {
		return false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	have, known := d.Node(n.Entry.Node)
	if known && (n.N < have.N || bytes.Equal(have.Signed.Entry, se.Entry)) {
		return false, nil
	}
	if known && n.N == have.N {
		return false, problem.New(problem.BadEntry, "%s: two entries numbered %d", n.Entry.Node, n.N)
	}
	if err := d.vouched(n, have); err != nil {
		return false, err
	}
	if known && !keepsSignKeys(have, n) {
		return false, problem.New(problem.BadEntry, "%s entry %d leaves out a signing key of the one before", n.Entry.Node, n.N)
	}
	if known && !continuous(have, n) {
		return false, problem.New(problem.BreakGlass, "%s entry %d changes keys without the old key", n.Entry.Node, n.N)
	}
	d.put(n)
	return true, nil
}

// vouched checks who signed: the parent's registrar within its territory, or,
// for an anchor, a registrar the pinned entry already named.
func (d *Directory) vouched(n, have *Node) error {
	if n.Parent == "" {
		if have == nil || have.Parent != "" || !signedBy(n.Signed, have.registrars) {
			return problem.New(problem.BadEntry, "%s is not an anchor of this node", n.Entry.Node)
		}
		return nil
	}
	if have != nil && have.Parent != n.Parent {
		return problem.New(problem.BreakGlass, "%s changes its parent", n.Entry.Node)
	}
	parent, ok := d.Node(n.Parent)
	if !ok {
		return problem.New(problem.KeyUnknown, "parent %s of %s", n.Parent, n.Entry.Node)
	}
	if !parent.MayName(n.Entry) {
		return problem.New(problem.Territory, "%s may not name %s", n.Parent, n.Entry.Node)
	}
	if !signedBy(n.Signed, parent.registrars) {
		return problem.New(problem.BadEntry, "%s is not signed by the registrar of %s", n.Entry.Node, n.Parent)
	}
	return nil
}

func (d *Directory) put(n *Node) {
	old := d.snap.Load()
	next := &snapshot{nodes: maps.Clone(old.nodes), keys: maps.Clone(old.keys)}
	next.nodes[n.Entry.Node] = n
	for _, k := range n.signKeys {
		next.keys[sign.Hash(k.cert.ID())] = Key{Node: n, Cert: k.cert, good: k.good}
	}
	d.snap.Store(next)
}

// parse reads a signed entry and its certificates: each is an SM2 certificate
// of the right usage whose subject is the node, and a registrar's is never a
// node's own.
func parse(se sign.SignedEntry) (*Node, error) {
	e, err := sign.ParseEntry(se.Entry)
	if err != nil {
		return nil, problem.Wrap(problem.BadEntry, err)
	}
	n := &Node{Entry: e, Signed: se}
	cert := func(der []byte, signs, registrar bool) (*keys.Certificate, error) {
		c, err := keys.ParseCertificate(der)
		if err != nil {
			return nil, problem.Wrap(problem.BadEntry, err)
		}
		if c.Subject() != e.Node || signs && !c.CanSign() || !signs && !c.CanEncrypt() || c.IsRegistrar() != registrar {
			return nil, problem.New(problem.BadEntry, "certificate of %q does not fit entry %s", c.Subject(), e.Node)
		}
		return c, nil
	}
	for i := range e.Sign {
		c, err := cert(e.Sign[i].Cert, true, false)
		if err != nil {
			return nil, err
		}
		n.signKeys = append(n.signKeys, signKey{c, &e.Sign[i]})
	}
	for _, r := range e.Enc {
		c, err := cert(r.Cert, false, false)
		if err != nil {
			return nil, err
		}
		n.enc = append(n.enc, c)
	}
	for _, r := range e.Registrars {
		c, err := cert(r.Cert, true, true)
		if err != nil {
			return nil, err
		}
		n.registrars = append(n.registrars, c)
	}
	if len(se.Sigs) > 8 {
		return nil, problem.New(problem.BadEntry, "%d signatures", len(se.Sigs))
	}
	return n, nil
}

// signedBy reports whether one of certs made one of the signatures.
func signedBy(se sign.SignedEntry, certs []*keys.Certificate) bool {
	for _, s := range se.Sigs {
		for _, c := range certs {
			if sign.Hash(c.ID()) == s.By && c.Verify(keys.EntryV1, se.Entry, s.Sig) == nil {
				return true
			}
		}
	}
	return false
}

// continuous reports whether next brings no key that have lacks, be it to sign,
// to read or to name children, or is signed by one of have's signing keys: a
// registrar alone must be able to end a node's keys but not to put its own in
// their place.
func continuous(have, next *Node) bool {
	signs := func(n *Node) (out []*keys.Certificate) {
		for _, k := range n.signKeys {
			out = append(out, k.cert)
		}
		return out
	}
	return within(signs(next), signs(have)) && within(next.enc, have.enc) && within(next.registrars, have.registrars) ||
		signedBy(next.Signed, signs(have))
}

// keepsSignKeys reports whether next lists every signing key of have: a key that
// ended is listed with where it ended, or what it signed could not be verified
// any more (protocol §7).
func keepsSignKeys(have, next *Node) bool {
	for _, k := range have.signKeys {
		if !slices.ContainsFunc(next.signKeys, func(n signKey) bool { return n.cert.ID() == k.cert.ID() }) {
			return false
		}
	}
	return true
}

// within reports whether every certificate of some is among all.
func within(some, all []*keys.Certificate) bool {
	for _, s := range some {
		if !slices.ContainsFunc(all, func(c *keys.Certificate) bool { return c.ID() == s.ID() }) {
			return false
		}
	}
	return true
}

// String helps logs.
func (n *Node) String() string { return fmt.Sprintf("%s %s", n.Entry.Node, n.Names.Zh) }
