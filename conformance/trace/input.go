package trace

import (
	"strconv"
	"strings"
)

// Input is everything that was observed. Any part may be missing; the report
// tells what could not be looked at for want of it.
type Input struct {
	// Events of any number of nodes. Those of one node are in the order in
	// which they were written, whichever of its processes wrote them.
	Events   []Event
	Dumps    []Dump     // at most one a node
	Business []Business // at most one a node
}

// Dump is what a node's tables hold at the end, when nothing is on its way.
type Dump struct {
	Node     string
	Streams  []StreamDump
	Rejected []RefCode // of the sources in the node's business log, whatever their state
	Waiting  []string  // references of rows still in the outbox
	// Unchanged counts rows of those sources dropped because nothing changed.
	Unchanged uint64
	// Applied is the log of the node's consumer, in the order in which it
	// committed; nil where there is none.
	Applied []Applied
}

// StreamDump is a node's copy of one stream.
type StreamDump struct {
	Stream   string    // origin/type/audience
	Segments []Segment // live ones and orphans, in any order
	Lines    []Line    // of all segments, in any order; none where the node cannot read the stream
	Refused  []Pos     // lines that this node stored and does not apply
}

// Segment is one stored segment.
type Segment struct {
	Gen, First, Count uint64
	Hash, Prev        Hash
	Live              bool // on the live chain; false: an orphan
}

func (s *Segment) last() uint64 { return s.First + s.Count - 1 }

// Pos is a position in a stream. Positions compare by generation first.
type Pos struct{ Gen, Seq uint64 }

func (p Pos) less(q Pos) bool { return p.Gen < q.Gen || p.Gen == q.Gen && p.Seq < q.Seq }

// Line is what the invariants need of a line. Version is the business's own
// number of the key's state, read from the contents; 0 for a del.
type Line struct {
	Gen, Seq uint64
	Key, Op  string
	Ref      string // source:row id:microseconds, the row's identity
	Version  uint64
}

// RefCode is a row among the rejected, with the code of its first fault.
type RefCode struct{ Ref, Code string }

// Applied is one line that a consumer committed.
type Applied struct {
	Stream   string
	Gen, Seq uint64
	Key, Op  string
	Version  uint64
}

// Business is what the business systems beside one node know of their own
// transactions. A key belongs to one record type. Everything published under
// the sources named in it must be in it.
type Business struct {
	Node       string
	Committed  []Row
	RolledBack []Row
}

// Row is an outbox row. Versions of a key never fall in the order in which its
// transactions committed, and a row that repeats the key's state repeats its
// version. A row is known by source and id; a source whose database reuses ids
// after a restart must be split where it did.
type Row struct {
	Source  string
	ID      uint64
	Key, Op string
	Version uint64
}

// rowID is what of a row's reference the business knows too: it cannot know
// the microseconds at which the database recorded the row.
type rowID struct {
	source string
	id     uint64
}

// rowOf reads the reference of a table's row; ok is false for any other.
func rowOf(ref string) (rowID, bool) {
	p := strings.Split(ref, ":")
	if len(p) != 3 {
		return rowID{}, false
	}
	id, err := strconv.ParseUint(p[1], 10, 64)
	return rowID{p[0], id}, err == nil
}

// originOf is the node that publishes a stream.
func originOf(stream string) string {
	origin, _, _ := strings.Cut(stream, "/")
	return origin
}
