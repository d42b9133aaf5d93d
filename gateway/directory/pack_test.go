package directory_test

import (
	"testing"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
	"fayi/gateway/directory"
	"fayi/gateway/problem"
)

// TestVouchPack: who may sign a pack for a node, and who may not.
func TestVouchPack(t *testing.T) {
	c := newCountry(t)
	d := directory.New("610800")
	if err := d.Pin(c.ministry.vouched(t)); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*party{c.province, c.other, c.city} {
		if _, err := d.Learn(p.vouched(t)); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	ministry := c.ministry.id
	pack := func(change func(*sign.Pack)) *sign.Pack {
		p := &sign.Pack{V: 1, Node: ministry, Name: "national", Version: "9.0.0", From: "2026-01-01", Types: []string{}, Files: []sign.PackFile{}, Time: sign.Now()}
		if change != nil {
			change(p)
		}
		return p
	}
	signPack := func(p *sign.Pack, by ...keys.Signer) *sign.SignedPack {
		sp := &sign.SignedPack{Sigs: []sign.EntrySig{}, Grants: []sign.SignedGrant{}}
		for _, s := range by {
			body, sig, err := sign.Sign(s, keys.PackV1, p)
			if err != nil {
				t.Fatal(err)
			}
			sp.Pack, sp.Sigs = body, append(sp.Sigs, sign.EntrySig{By: sign.Hash(s.ID()), Sig: sig})
		}
		return sp
	}
	signerCert, signer := newCert(t, c.ministry.reg, ministry, keys.UsageSign)
	grant := func(by keys.Signer, change func(*sign.PackGrant)) sign.SignedGrant {
		g := &sign.PackGrant{V: 1, Node: ministry, Cert: signerCert.Raw(), Packs: []string{"national"}, Until: sign.At(now.Add(time.Hour)), Time: sign.Now()}
		if change != nil {
			change(g)
		}
		body, sig, err := sign.Sign(by, keys.PackV1, g)
		if err != nil {
			t.Fatal(err)
		}
		return sign.SignedGrant{Grant: body, Sigs: []sign.EntrySig{{By: sign.Hash(by.ID()), Sig: sig}}}
	}
	granted := func(p *sign.Pack, g sign.SignedGrant) *sign.SignedPack {
		sp := signPack(p, signer)
		sp.Grants = append(sp.Grants, g)
		return sp
	}
	registrar := c.ministry.reg.Signer
	tampered := signPack(pack(nil), registrar)
	tampered.Pack = signPack(pack(func(p *sign.Pack) { p.From = "2020-01-01" }), registrar).Pack
	swapped := signPack(pack(nil), registrar)
	swapped.Sigs[0].By = sign.Hash(signer.ID())
	entry := signPack(pack(nil), registrar)
	_, entry.Sigs[0].Sig, _ = sign.Sign(registrar, keys.EntryV1, pack(nil))
	for name, x := range map[string]struct {
		p    *sign.Pack
		sp   *sign.SignedPack
		code string
	}{
		"registrar":                     {pack(nil), signPack(pack(nil), registrar), problem.OK},
		"registrar among others":        {pack(nil), signPack(pack(nil), c.other.reg.Signer, registrar), problem.OK},
		"other bytes":                   {pack(nil), tampered, problem.BadSignature},
		"other context":                 {pack(nil), entry, problem.BadSignature},
		"somebody else's name":          {pack(nil), swapped, problem.PackSigner},
		"another province's registrar":  {pack(nil), signPack(pack(nil), c.other.reg.Signer), problem.PackSigner},
		"the node's own key":            {pack(nil), signPack(pack(nil), c.ministry.signer), problem.PackSigner},
		"unknown node":                  {pack(func(p *sign.Pack) { p.Node = "990000" }), signPack(pack(nil), registrar), problem.KeyUnknown},
		"signer without a grant":        {pack(nil), signPack(pack(nil), signer), problem.PackSigner},
		"signer":                        {pack(nil), granted(pack(nil), grant(registrar, nil)), problem.OK},
		"signer of another pack":        {pack(nil), granted(pack(nil), grant(registrar, func(g *sign.PackGrant) { g.Packs = []string{"other"} })), problem.PackSigner},
		"signer's day is past":          {pack(nil), granted(pack(nil), grant(registrar, func(g *sign.PackGrant) { g.Until = sign.At(now.Add(-time.Second)) })), problem.PackSigner},
		"grant for another node":        {pack(nil), granted(pack(nil), grant(registrar, func(g *sign.PackGrant) { g.Node = "620000" })), problem.PackSigner},
		"grant by the signer itself":    {pack(nil), granted(pack(nil), grant(signer, nil)), problem.PackSigner},
		"grant by the node's own key":   {pack(nil), granted(pack(nil), grant(c.ministry.signer, nil)), problem.PackSigner},
		"grant by a stranger registrar": {pack(nil), granted(pack(nil), grant(c.other.reg.Signer, nil)), problem.PackSigner},
	} {
		if got := problem.Code(d.VouchPack(x.p, x.sp, now)); got != x.code {
			t.Errorf("%s: %s, want %s", name, got, x.code)
		}
	}
	if !d.Above(ministry) || !d.Above("610800") || d.Above("620000") || d.Root() != ministry || !d.Descends("610800", ministry) || d.Descends(ministry, "610800") {
		t.Error("the line of parents is read wrong")
	}
}
