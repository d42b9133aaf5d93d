package sign

import "fmt"

// Note is a head note: a node's signed word on where its own streams end, and
// on how much of the directory it holds. It dates completeness: a reader has
// everything up to Last as of Time (protocol §4).
type Note struct {
	V     int    `json:"v"`
	Node  string `json:"node"`
	Key   Hash   `json:"key"` // SM3 of the signing certificate
	N     uint64 `json:"n"`   // formed as a receipt's
	Time  Time   `json:"time"`
	Heads []Head `json:"heads"` // of the node's own streams
	Dir   []Head `json:"dir"`   // of the directory streams it holds
}

// Head is [stream, gen, last, head]: where a stream ends.
type Head struct {
	Stream    string
	Gen, Last uint64
	Hash      Hash
}

// MarshalJSON writes the list of four.
func (h Head) MarshalJSON() ([]byte, error) { return marshalTuple(h.Stream, h.Gen, h.Last, h.Hash) }

// UnmarshalJSON reads the list of four.
func (h *Head) UnmarshalJSON(b []byte) error {
	return unmarshalTuple(b, &h.Stream, &h.Gen, &h.Last, &h.Hash)
}

// ParseNote reads a note's canonical bytes and checks its form: Heads may name
// only the node's own streams, and either list a stream once. It does not verify
// the signature.
func ParseNote(body []byte) (*Note, error) {
	var n Note
	if err := Unmarshal(body, &n); err != nil {
		return nil, fmt.Errorf("note: %w", err)
	}
	if n.V != 1 || !ValidNode(n.Node) || len(n.Heads) > MaxStreams || len(n.Dir) > MaxStreams {
		return nil, fmt.Errorf("note: malformed")
	}
	own := make(map[string]bool, len(n.Heads))
	for _, h := range n.Heads {
		if s, err := ParseStream(h.Stream); err != nil || s.Origin != n.Node || own[h.Stream] {
			return nil, fmt.Errorf("note: head of %q does not belong here", h.Stream)
		}
		own[h.Stream] = true
	}
	dir := make(map[string]bool, len(n.Dir))
	for _, h := range n.Dir {
		if _, err := ParseStream(h.Stream); err != nil || dir[h.Stream] {
			return nil, fmt.Errorf("note: directory head of %q does not belong here", h.Stream)
		}
		dir[h.Stream] = true
	}
	return &n, nil
}
