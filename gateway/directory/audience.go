package directory

import (
	"slices"

	"fayi/crypto/sign"
)

// The tree: every node but the anchor has one parent. A stream flows along the
// edges of the tree from its origin to its audience, and whoever stands on that
// way may carry it (protocol §1).

// maxTiers bounds walks up the tree; real federations have four.
const maxTiers = 16

// ancestors returns id's ancestors, nearest first.
func (d *Directory) ancestors(id string) []string {
	var out []string
	for range maxTiers {
		n, ok := d.Node(id)
		if !ok || n.Parent == "" {
			return out
		}
		id = n.Parent
		out = append(out, id)
	}
	return out
}

// InAudience reports whether node may read the stream. A carrier reads nothing
// but its own: it holds no decryption key.
func (d *Directory) InAudience(s sign.Stream, node string) bool {
	if node == s.Origin {
		return true
	}
	if n, ok := d.Node(node); ok && n.Carrier() {
		return false
	}
	switch s.Audience {
	case sign.Upstream:
		return slices.Contains(d.ancestors(s.Origin), node)
	case sign.Downstream:
		return slices.Contains(d.ancestors(node), s.Origin)
	case sign.Public, sign.Test:
		_, ok := d.Node(node)
		return ok
	}
	return slices.Contains(s.ToNodes(), node)
}

// hop returns the neighbour of from in the direction of to: the child whose
// subtree holds to, otherwise the parent. Empty where there is no way.
func (d *Directory) hop(from, to string) string {
	if from == to {
		return ""
	}
	below := to
	for _, a := range d.ancestors(to) {
		if a == from {
			return below
		}
		below = a
	}
	n, ok := d.Node(from)
	if !ok {
		return ""
	}
	if _, ok := d.Node(to); !ok {
		return ""
	}
	return n.Parent
}

// OnPath reports whether node lies between the stream's origin and some member
// of its audience, ends included: it may carry the stream.
func (d *Directory) OnPath(s sign.Stream, node string) bool {
	if d.InAudience(s, node) {
		return true
	}
	toOrigin := d.hop(node, s.Origin)
	return toOrigin != "" && slices.ContainsFunc(d.members(s), func(m string) bool {
		h := d.hop(node, m)
		return h != "" && h != toOrigin
	})
}

// members lists the audience as far as the directory knows it, origin excluded.
func (d *Directory) members(s sign.Stream) []string {
	var all []string
	switch s.Audience {
	case sign.Upstream:
		all = d.ancestors(s.Origin)
	case sign.Downstream, sign.Public, sign.Test:
		for _, n := range d.Nodes() {
			all = append(all, n.Entry.Node)
		}
	default:
		all = s.ToNodes()
	}
	return slices.DeleteFunc(all, func(id string) bool { return id == s.Origin || !d.InAudience(s, id) })
}

// Offers reports whether this node owes the stream to peer: the origin lies on
// this side of the link and some member of the audience on the peer's.
func (d *Directory) Offers(s sign.Stream, peer string) bool {
	if peer == s.Origin || d.hop(d.me, s.Origin) == peer {
		return false
	}
	return slices.ContainsFunc(d.members(s), func(m string) bool { return d.hop(d.me, m) == peer })
}

// Accepts reports whether this node takes the stream from peer: it is a reader
// or carrier of it, and peer is its way to the origin. A node takes its own
// streams back from anyone who carries them.
func (d *Directory) Accepts(s sign.Stream, peer string) (reader, ok bool) {
	if s.Origin == d.me {
		return true, d.OnPath(s, peer)
	}
	reader = d.InAudience(s, d.me)
	return reader, (reader || d.OnPath(s, d.me)) && d.hop(d.me, s.Origin) == peer
}

// NextReaders returns the nodes one hop further than this one for which a
// content key is to be wrapped: each neighbour owed the stream that may read
// it, and, behind a neighbour that only carries, the first readers it leads to.
func (d *Directory) NextReaders(s sign.Stream) []*Node {
	var out []*Node
	for _, n := range d.Nodes() {
		id := n.Entry.Node
		if id == d.me || id == s.Origin || n.Reader() == nil || !d.InAudience(s, id) {
			continue
		}
		first := d.hop(d.me, id)
		if first == "" || s.Origin != d.me && first == d.hop(d.me, s.Origin) {
			continue
		}
		at := first
		for range 2 * maxTiers {
			if at == id || at == "" || d.InAudience(s, at) {
				break
			}
			at = d.hop(at, id)
		}
		if at == id {
			out = append(out, n)
		}
	}
	return out
}

// Towards returns the neighbour on the way to node, where receipts and notes
// for it go next.
func (d *Directory) Towards(node string) string { return d.hop(d.me, node) }

// Neighbour reports whether id is this node's parent or child.
func (d *Directory) Neighbour(id string) bool {
	n, ok := d.Node(id)
	if !ok {
		return false
	}
	me, known := d.Node(d.me)
	return n.Parent == d.me || known && me.Parent == id
}
