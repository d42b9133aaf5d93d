package directory_test

import (
	"slices"
	"testing"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/directory"
	"fayi/gateway/problem"
)

// party is a node with real keys, before any entry names it.
type party struct {
	id             string
	reg            *keys.Registrar
	sign, enc      *keys.Certificate
	signer         keys.Signer
	role           string
	parent         *party
	territory      []string
	n              uint64
	certs, encrypt []*keys.Certificate // in the next entry
}

func newParty(t testing.TB, id string, parent *party, role string, territory ...string) *party {
	t.Helper()
	p := &party{id: id, parent: parent, role: role, territory: territory}
	if p.territory == nil {
		p.territory = []string{}
	}
	var err error
	if p.reg, err = keys.CreateRegistrar(t.TempDir(), id, []byte("test only"), time.Now()); err != nil {
		t.Fatal(err)
	}
	by := p
	if parent != nil {
		by = parent
	}
	p.sign, p.signer = newCert(t, by.reg, id, keys.UsageSign)
	p.enc, _ = newCert(t, by.reg, id, keys.UsageEncrypt)
	p.certs, p.encrypt = []*keys.Certificate{p.sign}, []*keys.Certificate{p.enc}
	return p
}

func newCert(t testing.TB, by *keys.Registrar, id string, u keys.Usage) (*keys.Certificate, keys.Signer) {
	t.Helper()
	k, err := keys.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	csr, err := keys.NewRequest(id, k)
	if err != nil {
		t.Fatal(err)
	}
	c, err := by.Authority.IssueNode(csr, id, u, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if u != keys.UsageSign {
		return c, nil
	}
	s, err := keys.NewSoftSigner(c, k)
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

// entry is the party's next entry.
func (p *party) entry() *sign.Entry {
	p.n++
	e := &sign.Entry{
		V: 1, Node: p.id, N: p.n, Territory: p.territory, Roles: []string{p.role}, Names: sign.Names{Zh: "某司法局"}, Codes: []string{}, Addresses: []string{},
		Sign: []sign.SignKey{}, Enc: []sign.CertRef{}, Registrars: []sign.CertRef{{Cert: p.reg.Cert.Raw()}},
		Reads: sign.Reads{V: []int{1}, Suites: []string{seal.Suite}}, Time: sign.Now(),
	}
	if p.parent != nil {
		e.Parent = p.parent.id
	}
	for _, c := range p.certs {
		e.Sign = append(e.Sign, sign.SignKey{Cert: c.Raw(), From: []sign.Position{{Stream: "*"}}, Upto: []sign.EndPoint{}})
	}
	for _, c := range p.encrypt {
		if p.role != "carrier" {
			e.Enc = append(e.Enc, sign.CertRef{Cert: c.Raw()})
		}
	}
	return e
}

func signed(t testing.TB, e *sign.Entry, by ...keys.Signer) sign.SignedEntry {
	t.Helper()
	var se sign.SignedEntry
	for _, s := range by {
		body, sig, err := sign.Sign(s, keys.EntryV1, e)
		if err != nil {
			t.Fatal(err)
		}
		se.Entry = body
		se.Sigs = append(se.Sigs, sign.EntrySig{By: sign.Hash(s.ID()), Sig: sig})
	}
	return se
}

// vouched is the party's next entry as its parent's registrar signs it.
func (p *party) vouched(t testing.TB) sign.SignedEntry {
	by := p
	if p.parent != nil {
		by = p.parent
	}
	return signed(t, p.entry(), by.reg.Signer)
}

// country is a ministry, two provinces and a city, none of them in a directory.
type country struct{ ministry, province, other, city *party }

func newCountry(t testing.TB) country {
	m := newParty(t, "100000", nil, "ministry", "")
	p := newParty(t, "610000", m, "province", "61")
	return country{m, p, newParty(t, "620000", m, "province", "62"), newParty(t, "610800", p, "city")}
}

func code(err error) string { return problem.Code(err) }

// TestLearnInAnyOrder: what cannot be judged yet is put off, not refused, and
// the end is the same whatever comes first.
func TestLearnInAnyOrder(t *testing.T) {
	c := newCountry(t)
	anchor, province, city := c.ministry.vouched(t), c.province.vouched(t), c.city.vouched(t)
	d := directory.New("610600")
	if _, err := d.Learn(anchor); code(err) != problem.BadEntry {
		t.Errorf("an anchor is pinned, never learnt: %v", err)
	}
	if err := d.Pin(anchor); err != nil {
		t.Fatal(err)
	}
	if err := d.Pin(anchor); err != nil {
		t.Errorf("pinned twice: %v", err)
	}
	if err := d.Pin(province); code(err) != problem.BadEntry {
		t.Errorf("a node with a parent as anchor: %v", err)
	}
	if _, err := d.Learn(city); code(err) != problem.KeyUnknown {
		t.Errorf("a city before its province: %v", err)
	}
	for _, se := range []sign.SignedEntry{province, city} {
		if changed, err := d.Learn(se); err != nil || !changed {
			t.Fatal(changed, err)
		}
		if changed, err := d.Learn(se); err != nil || changed {
			t.Errorf("the same again: %v, %v", changed, err)
		}
	}
	var ids []string
	for _, n := range d.Nodes() {
		ids = append(ids, n.Entry.Node)
	}
	if !slices.Equal(ids, []string{"100000", "610000", "610800"}) {
		t.Errorf("nodes %v", ids)
	}
	key, ok := d.Key(sign.Hash(c.city.sign.ID()))
	if !ok || key.Node.Entry.Node != "610800" || !key.Current() || !key.Covers("610800/lawyer/upstream", 1, 1, 1000) {
		t.Errorf("the city's key: %v", key)
	}
	if _, ok := d.Key(sign.Hash(c.city.enc.ID())); ok {
		t.Error("an encryption key is no signing key")
	}
	if _, ok := d.Key(sign.Hash(c.city.reg.Cert.ID())); ok {
		t.Error("a registrar's key is no node's key")
	}
	another := newParty(t, "100000", nil, "ministry", "")
	if err := d.Pin(another.vouched(t)); code(err) != problem.BreakGlass {
		t.Errorf("another anchor under the same id: %v", err)
	}
	selfless := newParty(t, "900000", nil, "ministry", "")
	if err := d.Pin(signed(t, selfless.entry(), c.ministry.reg.Signer)); code(err) != problem.BadEntry {
		t.Errorf("an anchor somebody else signed: %v", err)
	}
}

// TestLearnRefuses lists what no entry may do.
func TestLearnRefuses(t *testing.T) {
	c := newCountry(t)
	d := directory.New("100000")
	if err := d.Pin(c.ministry.vouched(t)); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*party{c.province, c.other, c.city} {
		if _, err := d.Learn(p.vouched(t)); err != nil {
			t.Fatal(err)
		}
	}
	before, _ := d.Node("610800")
	rogue := newParty(t, "610800", c.province, "city")
	far := newParty(t, "620100", c.province, "city")
	strangerSign, _ := newCert(t, c.province.reg, "610900", keys.UsageSign)
	with := func(change func(e *sign.Entry)) *sign.Entry {
		e := c.city.entry()
		change(e)
		c.city.n--
		return e
	}
	first := func(cert []byte) []sign.SignKey {
		return []sign.SignKey{{Cert: cert, From: []sign.Position{{Stream: "*"}}, Upto: []sign.EndPoint{}}}
	}
	registrar := c.province.reg.Signer
	for _, x := range []struct {
		name string
		se   sign.SignedEntry
		want string
	}{
		{"unsigned", sign.SignedEntry{Entry: signed(t, with(func(*sign.Entry) {}), registrar).Entry}, problem.BadEntry},
		{"signed by the node's key instead of the registrar's", signed(t, with(func(*sign.Entry) {}), c.province.signer), problem.BadEntry},
		{"signed by another registrar", signed(t, with(func(*sign.Entry) {}), c.other.reg.Signer), problem.BadEntry},
		{"signed by itself", signed(t, with(func(*sign.Entry) {}), c.city.reg.Signer, c.city.signer), problem.BadEntry},
		{"a foreign signature under the registrar's name", func() sign.SignedEntry {
			se := signed(t, with(func(*sign.Entry) {}), c.other.reg.Signer)
			se.Sigs[0].By = sign.Hash(registrar.ID())
			return se
		}(), problem.BadEntry},
		{"nine signatures", func() sign.SignedEntry {
			se := signed(t, with(func(*sign.Entry) {}), registrar)
			for len(se.Sigs) < 9 {
				se.Sigs = append(se.Sigs, se.Sigs[0])
			}
			return se
		}(), problem.BadEntry},
		{"outside the territory", signed(t, far.entry(), registrar), problem.Territory},
		{"inside another's, by the wrong parent", signed(t, with(func(e *sign.Entry) { e.Parent = "620000" }), c.other.reg.Signer), problem.BreakGlass},
		{"moved to the ministry", signed(t, with(func(e *sign.Entry) { e.Parent = "100000" }), c.ministry.reg.Signer), problem.BreakGlass},
		{"made an anchor", signed(t, with(func(e *sign.Entry) { e.Parent = "" }), c.city.reg.Signer), problem.BadEntry},
		{"another entry of the same number", signed(t, with(func(e *sign.Entry) { e.N = 1; e.Names.Zh = "别名" }), registrar), problem.BadEntry},
		{"a new key without the old one", signed(t, with(func(e *sign.Entry) { e.Sign = append(e.Sign, first(rogue.sign.Raw())...) }), registrar), problem.BreakGlass},
		{"a new reading key without the old one", signed(t, with(func(e *sign.Entry) { e.Enc = []sign.CertRef{{Cert: rogue.enc.Raw()}} }), registrar), problem.BreakGlass},
		{"a new registrar without the old key", signed(t, with(func(e *sign.Entry) { e.Registrars = []sign.CertRef{{Cert: rogue.reg.Cert.Raw()}} }), registrar), problem.BreakGlass},
		{"a new key confirmed only by itself", signed(t, with(func(e *sign.Entry) { e.Sign = append(e.Sign, first(rogue.sign.Raw())...) }), registrar, rogue.signer), problem.BreakGlass},
		{"an old key left out", signed(t, with(func(e *sign.Entry) { e.Sign = first(rogue.sign.Raw()) }), registrar, c.city.signer), problem.BadEntry},
		{"an encryption certificate to sign with", signed(t, with(func(e *sign.Entry) { e.Sign = append(e.Sign, first(c.city.enc.Raw())...) }), registrar, c.city.signer), problem.BadEntry},
		{"a signing certificate to read with", signed(t, with(func(e *sign.Entry) { e.Enc = []sign.CertRef{{Cert: c.city.sign.Raw()}} }), registrar, c.city.signer), problem.BadEntry},
		{"the node's own key as registrar", signed(t, with(func(e *sign.Entry) { e.Registrars = []sign.CertRef{{Cert: c.city.sign.Raw()}} }), registrar, c.city.signer), problem.BadEntry},
		{"a registrar's key as the node's", signed(t, with(func(e *sign.Entry) { e.Sign = append(e.Sign, first(c.city.reg.Cert.Raw())...) }), registrar, c.city.signer), problem.BadEntry},
		{"a certificate of somebody else", signed(t, with(func(e *sign.Entry) { e.Sign = append(e.Sign, first(strangerSign.Raw())...) }), registrar, c.city.signer), problem.BadEntry},
		{"no certificate at all", signed(t, with(func(e *sign.Entry) { e.Sign = append(e.Sign, first([]byte("-----BEGIN"))...) }), registrar, c.city.signer), problem.BadEntry},
		{"not an entry", sign.SignedEntry{Entry: []byte("{}")}, problem.BadEntry},
	} {
		if changed, err := d.Learn(x.se); changed || code(err) != x.want {
			t.Errorf("%s: %v, %v, want %s", x.name, changed, err, x.want)
		}
	}
	if now, _ := d.Node("610800"); now != before {
		t.Error("a refused entry changed the directory")
	}
	// An older entry is no news and no fault.
	if changed, err := d.Learn(before.Signed); changed || err != nil {
		t.Errorf("the entry it has: %v, %v", changed, err)
	}
}

// TestRotation: with the old key's word a node gets a new one; the old one is
// ended by position and stays good for what it signed before.
func TestRotation(t *testing.T) {
	c := newCountry(t)
	d := directory.New("100000")
	if err := d.Pin(c.ministry.vouched(t)); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*party{c.province, c.city} {
		if _, err := d.Learn(p.vouched(t)); err != nil {
			t.Fatal(err)
		}
	}
	next, signer := newCert(t, c.province.reg, "610800", keys.UsageSign)
	enc, _ := newCert(t, c.province.reg, "610800", keys.UsageEncrypt)
	c.city.certs, c.city.encrypt = append(c.city.certs, next), append(c.city.encrypt, enc)
	e := c.city.entry()
	const stream = "610800/lawyer/upstream"
	e.Sign[0].Upto = []sign.EndPoint{{Stream: stream, Gen: 7, Seq: 20, Head: sign.Sum(nil)}}
	e.Sign[1].From = []sign.Position{{Stream: stream, Gen: 7, Seq: 21}}
	if changed, err := d.Learn(signed(t, e, c.province.reg.Signer, c.city.signer)); err != nil || !changed {
		t.Fatal(changed, err)
	}
	old, _ := d.Key(sign.Hash(c.city.sign.ID()))
	now, ok := d.Key(sign.Hash(next.ID()))
	if !ok || old.Current() || !now.Current() {
		t.Errorf("current: old %v, new %v", old.Current(), now.Current())
	}
	for _, x := range []struct {
		gen, first, last uint64
		old, now         bool
	}{{7, 1, 20, true, false}, {7, 20, 21, false, false}, {7, 21, 30, false, true}, {6, 90, 99, true, false}, {8, 1, 5, false, true}} {
		if old.Covers(stream, x.gen, x.first, x.last) != x.old || now.Covers(stream, x.gen, x.first, x.last) != x.now {
			t.Errorf("gen %d %d…%d: old %v, new %v", x.gen, x.first, x.last, !x.old, !x.now)
		}
	}
	if old.Covers("610800/law_firm/upstream", 1, 1, 1) {
		t.Error("an ended key is good in a stream it does not list")
	}
	n, _ := d.Node("610800")
	if n.Reader().ID() != enc.ID() {
		t.Error("keys are wrapped for the newest certificate")
	}
	if len(n.Chain(sign.Hash(c.city.sign.ID()))) != 1 || n.Chain(sign.Sum(nil)) != nil {
		t.Error("the chain of a key is its own certificate")
	}
	// Ending a key needs no consent: revocation is the registrar's own.
	e = c.city.entry()
	e.Sign[0].Upto = []sign.EndPoint{{Stream: stream, Gen: 7, Seq: 20, Head: sign.Sum(nil)}}
	e.Sign[1].Upto = []sign.EndPoint{{Stream: stream, Gen: 7, Seq: 25, Head: sign.Sum(nil)}}
	if changed, err := d.Learn(signed(t, e, c.province.reg.Signer)); err != nil || !changed {
		t.Errorf("revocation by the registrar: %v, %v", changed, err)
	}
	if k, _ := d.Key(sign.Hash(signer.ID())); k.Current() {
		t.Error("a revoked key is current")
	}
	// An anchor's later entry is vouched for by the registrar it named before.
	if changed, err := d.Learn(c.ministry.vouched(t)); err != nil || !changed {
		t.Errorf("the anchor's next entry: %v, %v", changed, err)
	}
}
