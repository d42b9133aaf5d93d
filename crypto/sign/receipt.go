package sign

import "fmt"

// Levels of a receipt (protocol §4).
const (
	LevelCarried = "carried" // durable at a keyless carrier
	LevelStored  = "stored"  // durable and opened
	LevelApplied = "applied" // committed by the node's principal consumer
)

// Receipt is a reader's signed word that it holds streams of one origin up to
// given heads. One receipt covers everything before; a reader's receipts to an
// origin form a chain by N and Prev.
type Receipt struct {
	V       int             `json:"v"`
	By      string          `json:"by"`     // the reader
	Key     Hash            `json:"key"`    // SM3 of its signing certificate
	Origin  string          `json:"origin"` // whose streams
	N       uint64          `json:"n"`      // max(previous+1, Unix milliseconds)
	Prev    Hash            `json:"prev"`   // SM3 of the previous receipt's bytes; zeros where lost
	Time    Time            `json:"time"`
	Level   string          `json:"level"`
	Streams []StreamReceipt `json:"streams"`
	Orphans []OrphanRange   `json:"orphans"`
}

// StreamReceipt is [stream, gen, upto, head, rejected]: upto is always the end
// of a segment, head the SM3 of that segment's header, rejected how many lines
// of the stream this reader has refused so far.
type StreamReceipt struct {
	Stream    string
	Gen, Upto uint64
	Head      Hash
	Rejected  uint64
}

// MarshalJSON writes the list of five.
func (r StreamReceipt) MarshalJSON() ([]byte, error) {
	return marshalTuple(r.Stream, r.Gen, r.Upto, r.Head, r.Rejected)
}

// UnmarshalJSON reads the list of five.
func (r *StreamReceipt) UnmarshalJSON(b []byte) error {
	return unmarshalTuple(b, &r.Stream, &r.Gen, &r.Upto, &r.Head, &r.Rejected)
}

// OrphanRange is [stream, gen, first, last, head]: segments the reader holds
// that the live chain no longer passes through, kept as evidence.
type OrphanRange struct {
	Stream           string
	Gen, First, Last uint64
	Head             Hash
}

// MarshalJSON writes the list of five.
func (o OrphanRange) MarshalJSON() ([]byte, error) {
	return marshalTuple(o.Stream, o.Gen, o.First, o.Last, o.Head)
}

// UnmarshalJSON reads the list of five.
func (o *OrphanRange) UnmarshalJSON(b []byte) error {
	return unmarshalTuple(b, &o.Stream, &o.Gen, &o.First, &o.Last, &o.Head)
}

// MaxStreams bounds the streams one receipt, note or call may name.
const MaxStreams = 4096

// ParseReceipt reads a receipt's canonical bytes and checks its form: known
// version and level, well-formed names, every stream of the receipt's origin
// and named once. It does not verify the signature.
func ParseReceipt(body []byte) (*Receipt, error) {
	var r Receipt
	if err := Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	switch {
	case r.V != 1:
		return nil, fmt.Errorf("receipt: version %d", r.V)
	case !ValidNode(r.By), !ValidNode(r.Origin):
		return nil, fmt.Errorf("receipt: malformed node")
	case r.Level != LevelCarried && r.Level != LevelStored && r.Level != LevelApplied:
		return nil, fmt.Errorf("receipt: level %q", r.Level)
	case len(r.Streams) > MaxStreams || len(r.Orphans) > MaxStreams:
		return nil, fmt.Errorf("receipt: more than %d streams", MaxStreams)
	}
	seen := make(map[string]bool, len(r.Streams))
	for _, s := range r.Streams {
		n, err := ParseStream(s.Stream)
		if err != nil || n.Origin != r.Origin || seen[s.Stream] {
			return nil, fmt.Errorf("receipt: stream %q does not belong here", s.Stream)
		}
		seen[s.Stream] = true
	}
	for _, o := range r.Orphans {
		if n, err := ParseStream(o.Stream); err != nil || n.Origin != r.Origin {
			return nil, fmt.Errorf("receipt: orphan of %q does not belong here", o.Stream)
		}
	}
	return &r, nil
}
