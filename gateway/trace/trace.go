// Package trace writes what a node does to streams as JSON lines, so that a
// checker that knows nothing of the node can judge the order promises from the
// outside (invariants I1–I9 of docs/invariants.md; conformance/trace reads it).
//
// An event is written before its effect can be seen by anyone else: a segment's
// "send" precedes the first byte on the wire. Lines carry positions, hashes and
// row references, never contents; keys appear as the first 8 bytes of their SM3.
// A nil *Writer is valid and writes nothing. Safe for concurrent use; one line
// is one write, so a killed process leaves whole lines.
package trace

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"fayi/crypto/sign"
)

// Kinds of events.
const (
	Start   = "start"   // a process began; Heads is what its database held
	Take    = "take"    // outbox rows left for a stream, a rejection or nowhere (Outcome)
	Seal    = "seal"    // a segment of this node's own was committed
	Send    = "send"    // a segment is about to leave the process
	Store   = "store"   // a received segment was committed
	Deliver = "deliver" // lines were committed to a consumer
	Receipt = "receipt" // a receipt was signed or accepted
	Alarm   = "alarm"   // something an operator should see
)

// Event is one line. Fields that do not apply are left out.
type Event struct {
	At      time.Time  `json:"at"`
	Mono    int64      `json:"mono"` // ns since the process started
	Node    string     `json:"node"`
	PID     int        `json:"pid"`
	Event   string     `json:"ev"`
	Stream  string     `json:"stream,omitempty"`
	Gen     uint64     `json:"gen,omitempty"`
	First   uint64     `json:"first,omitempty"`
	Count   uint64     `json:"count,omitempty"`
	Hash    *sign.Hash `json:"hash,omitempty"`
	Prev    *sign.Hash `json:"prev,omitempty"`
	Peer    string     `json:"peer,omitempty"`
	Refs    []string   `json:"refs,omitempty"` // one a line, in order
	Keys    []string   `json:"keys,omitempty"` // one a line, in order
	Outcome string     `json:"outcome,omitempty"`
	Detail  string     `json:"detail,omitempty"`
}

// Writer appends events to a file.
type Writer struct {
	node  string
	begin time.Time
	mu    sync.Mutex
	f     *os.File
}

// Open appends to the file at path, creating it with mode 0600.
func Open(path, node string) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open trace: %w", err)
	}
	return &Writer{node: node, begin: time.Now(), f: f}, nil
}

// Write appends one event. A trace that cannot be written never stops the node.
func (w *Writer) Write(e Event) {
	if w == nil {
		return
	}
	e.At, e.Mono, e.Node, e.PID = time.Now(), int64(time.Since(w.begin)), w.node, os.Getpid()
	line, err := json.Marshal(&e)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.f.Write(append(line, '\n'))
}

// Enabled reports whether events go anywhere, so that costly ones can be skipped.
func (w *Writer) Enabled() bool { return w != nil }

// Close closes the file.
func (w *Writer) Close() error {
	if w == nil {
		return nil
	}
	return w.f.Close()
}

// Key returns how a record key appears in a trace.
func Key(key string) string {
	h := sign.Sum([]byte(key))
	return hex.EncodeToString(h[:8])
}
