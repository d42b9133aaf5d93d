package sign

import (
	"fmt"
	"slices"
	"strings"
)

// Entry is what a registrar vouches for about one node: its place in the tree,
// its names and its keys with the positions each is good for (protocol §7).
type Entry struct {
	V          int       `json:"v"`
	Node       string    `json:"node"`
	N          uint64    `json:"n"`         // previous + 1
	Parent     string    `json:"parent"`    // "" for the anchor of a federation
	Territory  []string  `json:"territory"` // prefixes of the ids this node's registrar may name; "" is all
	Roles      []string  `json:"roles"`
	Names      Names     `json:"names"`
	Codes      []string  `json:"codes"`     // current and former division codes
	Addresses  []string  `json:"addresses"` // shown to operators, never dialled
	Sign       []SignKey `json:"sign"`
	Enc        []CertRef `json:"enc"`
	Registrars []CertRef `json:"registrars"` // keys that may sign entries of this node's children
	Reads      Reads     `json:"reads"`
	Time       Time      `json:"time"`
}

// Names is a node's name for people.
type Names struct {
	Zh string `json:"zh"`
	En string `json:"en"`
}

// SignKey is a signing certificate (DER) and its positions. A key without Upto
// is good from its From on; once any Upto is stated it is good for nothing in
// streams that Upto does not list.
type SignKey struct {
	Cert []byte     `json:"cert"`
	From []Position `json:"from"`
	Upto []EndPoint `json:"upto"`
}

// CertRef is a certificate (DER) without positions.
type CertRef struct {
	Cert []byte `json:"cert"`
}

// Reads states what a node understands.
type Reads struct {
	V      []int    `json:"v"`
	Suites []string `json:"suites"`
}

// Position is [stream, gen, seq]; the stream "*" stands for all, only with 0, 0.
type Position struct {
	Stream   string
	Gen, Seq uint64
}

// MarshalJSON writes the list of three.
func (p Position) MarshalJSON() ([]byte, error) { return marshalTuple(p.Stream, p.Gen, p.Seq) }

// UnmarshalJSON reads the list of three.
func (p *Position) UnmarshalJSON(b []byte) error {
	return unmarshalTuple(b, &p.Stream, &p.Gen, &p.Seq)
}

// EndPoint is [stream, gen, seq, head]: the last position a key is good for.
type EndPoint struct {
	Stream   string
	Gen, Seq uint64
	Head     Hash
}

// MarshalJSON writes the list of four.
func (p EndPoint) MarshalJSON() ([]byte, error) {
	return marshalTuple(p.Stream, p.Gen, p.Seq, p.Head)
}

// UnmarshalJSON reads the list of four.
func (p *EndPoint) UnmarshalJSON(b []byte) error {
	return unmarshalTuple(b, &p.Stream, &p.Gen, &p.Seq, &p.Head)
}

// SignedEntry is what travels: the entry's bytes and the signatures over them,
// in records of type exchange_node and in the node call.
type SignedEntry struct {
	Entry []byte     `json:"entry"`
	Sigs  []EntrySig `json:"sigs"`
}

// EntrySig is one signature; By is SM3 of the certificate that made it.
type EntrySig struct {
	By  Hash   `json:"by"`
	Sig []byte `json:"sig"`
}

// ParseEntry reads an entry's canonical bytes and checks its form: names, counts
// and positions, every key ending at most once in a stream. It does not verify
// signatures nor whether the registrar may name this node.
func ParseEntry(body []byte) (*Entry, error) {
	var e Entry
	if err := Unmarshal(body, &e); err != nil {
		return nil, fmt.Errorf("entry: %w", err)
	}
	switch {
	case e.V != 1:
		return nil, fmt.Errorf("entry: version %d", e.V)
	case !ValidNode(e.Node), e.Parent != "" && !ValidNode(e.Parent), e.Parent == e.Node:
		return nil, fmt.Errorf("entry: malformed node or parent")
	case e.N == 0, len(e.Sign) == 0, len(e.Sign) > 64, len(e.Enc) > 64, len(e.Registrars) > 16, len(e.Territory) > 64:
		return nil, fmt.Errorf("entry: counts out of bounds")
	}
	for _, k := range e.Sign {
		for _, p := range k.From {
			if p.Stream == "*" && p.Gen == 0 && p.Seq == 0 {
				continue
			}
			if _, err := ParseStream(p.Stream); err != nil {
				return nil, fmt.Errorf("entry: position %q: %w", p.Stream, err)
			}
		}
		ended := make(map[string]bool, len(k.Upto))
		for _, p := range k.Upto {
			if _, err := ParseStream(p.Stream); err != nil {
				return nil, fmt.Errorf("entry: position %q: %w", p.Stream, err)
			}
			if ended[p.Stream] {
				return nil, fmt.Errorf("entry: a key ends twice in %q", p.Stream)
			}
			ended[p.Stream] = true
		}
	}
	return &e, nil
}

// MayName reports whether the registrar of e's node may sign an entry for
// child: the child states e.Node as its parent and its id lies in e's territory.
func (e *Entry) MayName(child *Entry) bool {
	return child.Parent == e.Node && child.Node != e.Node &&
		slices.ContainsFunc(e.Territory, func(prefix string) bool { return strings.HasPrefix(child.Node, prefix) })
}

// Covers reports whether the key is good for position (gen, seq) of stream,
// positions compared as (gen, seq). The head at an ended position is checked
// by whoever holds the chain.
func (k *SignKey) Covers(stream string, gen, seq uint64) bool {
	from := slices.ContainsFunc(k.From, func(p Position) bool {
		return p.Stream == "*" || p.Stream == stream && !before(gen, seq, p.Gen, p.Seq)
	})
	if !from || len(k.Upto) == 0 {
		return from
	}
	return slices.ContainsFunc(k.Upto, func(p EndPoint) bool {
		return p.Stream == stream && !before(p.Gen, p.Seq, gen, seq)
	})
}

func before(gen, seq, gen2, seq2 uint64) bool {
	return gen < gen2 || gen == gen2 && seq < seq2
}
