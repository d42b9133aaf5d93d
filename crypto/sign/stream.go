package sign

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

// ErrStreamName is returned for a name that protocol §1 does not allow.
var ErrStreamName = errors.New("malformed stream name")

var (
	nodeID     = regexp.MustCompile(`^[0-9a-z][0-9a-z-]{1,31}$`)
	recordType = regexp.MustCompile(`^[a-z][a-z0-9_]{1,47}$`)
)

// ValidNode reports whether id may be a node's identifier. Identifiers are
// opaque; by custom they are the division code of the day the node joined.
func ValidNode(id string) bool { return nodeID.MatchString(id) }

// ValidType reports whether t may be a record type's name.
func ValidType(t string) bool { return recordType.MatchString(t) }

// Audiences that are words; any other is "to-" and sorted node identifiers.
const (
	Upstream   = "upstream"   // all ancestors of the origin
	Downstream = "downstream" // all descendants of the origin
	Public     = "public"     // every node of the directory
	Test       = "test"       // a local switch of each link; never delivered to business
	toPrefix   = "to-"
)

// Stream is a stream's name in its three parts.
type Stream struct{ Origin, Type, Audience string }

func (s Stream) String() string { return s.Origin + "/" + s.Type + "/" + s.Audience }

// ToNodes returns the identifiers of a "to-" audience, nil for the words.
func (s Stream) ToNodes() []string {
	if list, ok := strings.CutPrefix(s.Audience, toPrefix); ok {
		return strings.Split(list, "+")
	}
	return nil
}

// To returns the audience that names exactly these nodes.
func To(nodes ...string) string {
	sorted := slices.Sorted(slices.Values(nodes))
	return toPrefix + strings.Join(slices.Compact(sorted), "+")
}

// ParseStream reads origin/type/audience: both names well formed, the audience
// one of the closed list, the identifiers after "to-" sorted and distinct.
func ParseStream(name string) (Stream, error) {
	if len(name) > 160 {
		return Stream{}, ErrStreamName
	}
	parts := strings.Split(name, "/")
	if len(parts) != 3 || !ValidNode(parts[0]) || !ValidType(parts[1]) {
		return Stream{}, ErrStreamName
	}
	s := Stream{parts[0], parts[1], parts[2]}
	switch s.Audience {
	case Upstream, Downstream, Public, Test:
		return s, nil
	}
	nodes := s.ToNodes()
	if len(s.Audience) > 64 || nodes == nil || To(nodes...) != s.Audience {
		return Stream{}, ErrStreamName
	}
	for _, n := range nodes {
		if !ValidNode(n) {
			return Stream{}, ErrStreamName
		}
	}
	return s, nil
}
