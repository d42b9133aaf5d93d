package trace

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"fayi/crypto/sign"
)

// Hash is the SM3 of a segment's header.
type Hash = sign.Hash

// Kinds of events the invariants look at; others are kept and ignored.
const (
	Take    = "take"    // outbox rows left for a stream, a rejection or nowhere
	Seal    = "seal"    // a segment of the node's own was committed
	Send    = "send"    // a segment is about to leave the process
	Store   = "store"   // a received segment was committed
	Deliver = "deliver" // lines were committed to the node's inbox
)

// Outcomes of a take; a rejection is written with its code.
const (
	outcomeAccepted  = "accepted"
	outcomeUnchanged = "unchanged"
	outcomeRejected  = "rejected "
)

// Event is one line of a trace file. Members that do not apply are absent.
type Event struct {
	At     time.Time // wall clock, for people
	Mono   int64     // ns since the process started
	Node   string
	PID    int
	Kind   string // member "ev"
	Stream string
	Gen    uint64
	First  uint64 // number of the segment's first line
	Count  uint64 // of its lines
	Hash   *Hash
	Prev   *Hash
	Peer   string
	Refs   []string // one a line or row, in order
	Keys   []string // first 8 bytes of SM3 of each record key, hexadecimal

	Outcome, Detail string
}

// maxLine bounds a line of a trace: a segment has at most 1,000 lines
// (protocol §2), with a reference and a key hash of each.
const maxLine = 1 << 20

// ErrTrace is returned for a line that is not an event.
var ErrTrace = errors.New("trace: malformed event")

// Read reads the events of one file in the order in which they were written.
// Member names are matched exactly, a member twice or of another type is an
// error, unknown members are passed over. A last line without a line feed is
// dropped: the machine stopped while it was written.
func Read(r io.Reader) ([]Event, error) {
	br := bufio.NewReaderSize(r, maxLine)
	var out []Event
	for n := 1; ; n++ {
		line, err := br.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			return out, fmt.Errorf("%w: line %d is longer than %d bytes", ErrTrace, n, maxLine)
		}
		if err != nil {
			return out, fmt.Errorf("trace: line %d: %w", n, err)
		}
		e, err := parse(line)
		if err != nil {
			return out, fmt.Errorf("%w: line %d: %w", ErrTrace, n, err)
		}
		out = append(out, e)
	}
}

// parse reads one object. encoding/json alone would take members in any case
// and the last of several.
func parse(line []byte) (e Event, err error) {
	fields := map[string]any{
		"at": &e.At, "mono": &e.Mono, "node": &e.Node, "pid": &e.PID, "ev": &e.Kind, "stream": &e.Stream, "gen": &e.Gen,
		"first": &e.First, "count": &e.Count, "hash": &e.Hash, "prev": &e.Prev, "peer": &e.Peer, "refs": &e.Refs, "keys": &e.Keys,
		"outcome": &e.Outcome, "detail": &e.Detail,
	}
	seen := map[string]bool{}
	d := json.NewDecoder(bytes.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return e, errors.New("not an object")
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return e, err
		}
		name := t.(string)
		if seen[name] {
			return e, fmt.Errorf("member %q twice", name)
		}
		seen[name] = true
		into, ok := fields[name]
		if !ok {
			into = new(json.RawMessage)
		}
		if err := d.Decode(into); err != nil {
			return e, fmt.Errorf("member %q: %w", name, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return e, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return e, errors.New("more than one object")
	}
	if e.Node == "" || e.Kind == "" {
		return e, errors.New("no node or no kind")
	}
	return e, e.check()
}

// check holds an event about a segment to what the invariants need of it.
func (e *Event) check() error {
	switch e.Kind {
	case Seal, Send, Store:
		if e.Hash == nil || e.Prev == nil {
			return fmt.Errorf("%s without hash or prev", e.Kind)
		}
		fallthrough
	case Deliver:
		if e.Stream == "" || e.First == 0 || e.Count == 0 || e.First+e.Count < e.First {
			return fmt.Errorf("%s without a place in a stream", e.Kind)
		}
	}
	return nil
}
