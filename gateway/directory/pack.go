package directory

import (
	"slices"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
	"fayi/gateway/problem"
)

// VouchPack checks who signed a schema pack: a registrar of the node the pack
// states, or a signer whom such a registrar names for packs of this name until
// a day not past at `at`, which is when the pack was first seen (protocol §7,
// §8). A node's own keys count for nothing here. Errors carry KEY_UNKNOWN (the
// node is not known), PACK_SIGNER (nobody who may) or BAD_SIGNATURE (somebody
// who may, over other bytes).
func (d *Directory) VouchPack(p *sign.Pack, sp *sign.SignedPack, at time.Time) error {
	n, ok := d.Node(p.Node)
	if !ok {
		return problem.New(problem.KeyUnknown, "node %s of pack %s %s", p.Node, p.Name, p.Version)
	}
	may := n.registrars
	for _, sg := range sp.Grants {
		if c := n.packSigner(p, sg, at); c != nil {
			may = append(slices.Clip(may), c)
		}
	}
	known := false
	for _, s := range sp.Sigs {
		for _, c := range may {
			if sign.Hash(c.ID()) != s.By {
				continue
			}
			if c.Verify(keys.PackV1, sp.Pack, s.Sig) == nil {
				return nil
			}
			known = true
		}
	}
	if known {
		return problem.New(problem.BadSignature, "pack %s %s", p.Name, p.Version)
	}
	return problem.New(problem.PackSigner, "pack %s %s of %s", p.Name, p.Version, p.Node)
}

// packSigner is the certificate a grant names, nil if the grant is worth
// nothing for this pack.
func (n *Node) packSigner(p *sign.Pack, sg sign.SignedGrant, at time.Time) *keys.Certificate {
	g, err := sign.ParseGrant(sg.Grant)
	if err != nil || g.Node != p.Node || !slices.Contains(g.Packs, p.Name) || at.After(g.Until.Time) {
		return nil
	}
	cert, err := keys.ParseCertificate(g.Cert)
	if err != nil || !cert.CanSign() {
		return nil
	}
	for _, s := range sg.Sigs {
		for _, r := range n.registrars {
			if sign.Hash(r.ID()) == s.By && r.Verify(keys.PackV1, sg.Grant, s.Sig) == nil {
				return cert
			}
		}
	}
	return nil
}

// Above reports whether node is this node or one of its ancestors: those whose
// packs it may adopt.
func (d *Directory) Above(node string) bool {
	return node == d.me || slices.Contains(d.ancestors(d.me), node)
}

// Root is the anchor of the federation as far as this node's line of parents is
// known, the node itself if it has none.
func (d *Directory) Root() string {
	if up := d.ancestors(d.me); len(up) > 0 {
		return up[len(up)-1]
	}
	return d.me
}

// Descends reports whether node lies below above.
func (d *Directory) Descends(node, above string) bool {
	return slices.Contains(d.ancestors(node), above)
}
