package sign

import (
	"fmt"
	"regexp"
	"strings"
)

// Bounds of a pack statement. The sum of Files is bounded by [MaxPackBytes]
// (protocol §8), so that whoever reads a pack file knows what will come before
// it reads any of it.
const (
	MaxPackBytes  = 5 << 20
	maxPackFiles  = 4096
	maxPackTypes  = 256
	maxPackGrants = 8
	maxPackSigs   = 8
)

var (
	packName    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	packVersion = regexp.MustCompile(`^(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,4})$`)
	packFile    = regexp.MustCompile(`^([a-z]{1,16}/)?[a-z][a-z0-9_]{0,63}\.json$`)
	packType    = regexp.MustCompile(`^[a-z][a-z0-9_]{1,47}@[1-9][0-9]{0,8}#[0-9a-f]{64}$`)
	packDay     = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
)

// ValidPackName reports whether s may name a pack.
func ValidPackName(s string) bool { return packName.MatchString(s) }

// ValidPackVersion reports whether s is three numbers without leading zeros.
func ValidPackVersion(s string) bool { return packVersion.MatchString(s) }

// Pack is what is signed about a schema pack (protocol §8): which it is, whose
// registrar answers for it, from which day new records are judged by it, and
// the SM3 of every file, so that one signature covers all of them.
type Pack struct {
	V       int        `json:"v"`
	Node    string     `json:"node"` // whose registrar signs, or names who signs
	Name    string     `json:"name"`
	Version string     `json:"version"`
	From    string     `json:"from"`  // first day in force, YYYY-MM-DD at +08:00
	Until   string     `json:"until"` // first day no longer in force, "" for none
	Types   []string   `json:"types"` // type@version#digest, sorted
	Files   []PackFile `json:"files"` // sorted by name
	Time    Time       `json:"time"`
}

// PackFile is [name, size, SM3] of one file of a pack.
type PackFile struct {
	Name string
	Size uint64 // bytes
	Hash Hash
}

// MarshalJSON writes the list of three.
func (f PackFile) MarshalJSON() ([]byte, error) { return marshalTuple(f.Name, f.Size, f.Hash) }

// UnmarshalJSON reads the list of three.
func (f *PackFile) UnmarshalJSON(b []byte) error {
	return unmarshalTuple(b, &f.Name, &f.Size, &f.Hash)
}

// PackGrant is how a registrar names a pack signer: the holder of Cert may sign
// packs of these names for Node until Until, judged when a pack is first seen
// like a certificate's dates (protocol §7). It is signed by the registrar in the
// same context as a pack; no bytes are both.
type PackGrant struct {
	V     int      `json:"v"`
	Node  string   `json:"node"`
	Cert  []byte   `json:"cert"` // DER of a signing certificate
	Packs []string `json:"packs"`
	Until Time     `json:"until"`
	Time  Time     `json:"time"`
}

// SignedPack is what travels: the statement, its signatures, and the grants of
// those signers who are no registrars.
type SignedPack struct {
	Pack   []byte        `json:"pack"`
	Sigs   []EntrySig    `json:"sigs"`
	Grants []SignedGrant `json:"grants"`
}

// SignedGrant is a grant's bytes and the registrar's signatures.
type SignedGrant struct {
	Grant []byte     `json:"grant"`
	Sigs  []EntrySig `json:"sigs"`
}

// ParsePack reads a pack statement's canonical bytes and checks its form:
// names, dates, counts, sizes, order. It does not verify signatures.
func ParsePack(body []byte) (*Pack, error) {
	var p Pack
	if err := Unmarshal(body, &p); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	switch {
	case p.V != 1:
		return nil, fmt.Errorf("pack: version %d", p.V)
	case !ValidNode(p.Node), !ValidPackName(p.Name), !ValidPackVersion(p.Version):
		return nil, fmt.Errorf("pack: malformed node, name or version")
	case !packDay.MatchString(p.From), p.Until != "" && (!packDay.MatchString(p.Until) || p.Until <= p.From):
		return nil, fmt.Errorf("pack: malformed dates")
	case len(p.Types) == 0, len(p.Types) > maxPackTypes, len(p.Files) == 0, len(p.Files) > maxPackFiles:
		return nil, fmt.Errorf("pack: counts out of bounds")
	}
	for i, t := range p.Types {
		if !packType.MatchString(t) || i > 0 && strings.Compare(p.Types[i-1], t) >= 0 {
			return nil, fmt.Errorf("pack: type %d malformed or out of order", i)
		}
	}
	var sum uint64
	for i, f := range p.Files {
		if !packFile.MatchString(f.Name) || i > 0 && strings.Compare(p.Files[i-1].Name, f.Name) >= 0 {
			return nil, fmt.Errorf("pack: file %d malformed or out of order", i)
		}
		if f.Size > MaxPackBytes {
			return nil, fmt.Errorf("pack: larger than %d bytes", MaxPackBytes)
		}
		sum += f.Size
	}
	if sum > MaxPackBytes {
		return nil, fmt.Errorf("pack: larger than %d bytes", MaxPackBytes)
	}
	return &p, nil
}

// ParseGrant reads a grant's canonical bytes and checks its form. It does not
// verify signatures.
func ParseGrant(body []byte) (*PackGrant, error) {
	var g PackGrant
	if err := Unmarshal(body, &g); err != nil {
		return nil, fmt.Errorf("grant: %w", err)
	}
	if g.V != 1 || !ValidNode(g.Node) || len(g.Packs) == 0 || len(g.Packs) > 64 {
		return nil, fmt.Errorf("grant: malformed")
	}
	for _, name := range g.Packs {
		if !ValidPackName(name) {
			return nil, fmt.Errorf("grant: malformed pack name")
		}
	}
	return &g, nil
}

// ParseSignedPack reads the canonical bytes around a statement and bounds what
// they hold. Statement and grants are parsed by [ParsePack] and [ParseGrant].
func ParseSignedPack(body []byte) (*SignedPack, error) {
	var sp SignedPack
	if err := Unmarshal(body, &sp); err != nil {
		return nil, fmt.Errorf("signed pack: %w", err)
	}
	if len(sp.Sigs) == 0 || len(sp.Sigs) > maxPackSigs || len(sp.Grants) > maxPackGrants {
		return nil, fmt.Errorf("signed pack: counts out of bounds")
	}
	for _, g := range sp.Grants {
		if len(g.Sigs) == 0 || len(g.Sigs) > maxPackSigs {
			return nil, fmt.Errorf("signed pack: counts out of bounds")
		}
	}
	return &sp, nil
}
