package replicate

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
)

// Hub tells the loops of one process what changed: streams, receipts and
// notes, each under the version at which it last did. It is a hint kept in
// memory; whoever misses one finds the truth in the store.
type Hub struct {
	boot string

	mu      sync.Mutex
	version uint64
	at      map[topic]uint64
	recent  [remembered]topic // what changed at version v stands at v modulo remembered
	wake    chan struct{}
}

// remembered is how many changes back a waiter finds what changed without
// looking through everything that ever did.
const remembered = 4096

// topic is something that may change.
type topic struct{ kind, name string }

const (
	topicStream  = "stream"  // a stream's name
	topicReceipt = "receipt" // origin whose streams were acknowledged
	topicNote    = "note"    // a node
)

// NewHub returns an empty hub.
func NewHub() *Hub {
	var b [8]byte
	rand.Read(b[:])
	return &Hub{boot: hex.EncodeToString(b[:]), at: map[topic]uint64{}, wake: make(chan struct{})}
}

// Stream says that a stream grew or may be judged further.
func (h *Hub) Stream(name string) { h.changed(topic{topicStream, name}) }

// Receipt says that a receipt for an origin's streams is new.
func (h *Hub) Receipt(origin string) { h.changed(topic{topicReceipt, origin}) }

// Note says that a node's head note is new.
func (h *Hub) Note(node string) { h.changed(topic{topicNote, node}) }

func (h *Hub) changed(t topic) {
	h.mu.Lock()
	h.version++
	h.at[t] = h.version
	h.recent[h.version%remembered] = t
	close(h.wake)
	h.wake = make(chan struct{})
	h.mu.Unlock()
}

// Version is the number of changes so far.
func (h *Hub) Version() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.version
}

// Wait returns when the version passes after, or ctx ends.
func (h *Hub) Wait(ctx context.Context, after uint64) {
	for {
		h.mu.Lock()
		version, wake := h.version, h.wake
		h.mu.Unlock()
		if version > after {
			return
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
}

// since returns the topics of a kind that changed after a version.
func (h *Hub) since(kind string, after uint64) map[string]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[string]bool{}
	if h.version <= after {
		return out
	}
	if h.version-after <= remembered {
		for v := after + 1; v <= h.version; v++ {
			if t := h.recent[v%remembered]; t.kind == kind {
				out[t.name] = true
			}
		}
		return out
	}
	for t, v := range h.at {
		if t.kind == kind && v > after {
			out[t.name] = true
		}
	}
	return out
}

// Changed returns the streams that grew, or may be judged further, after a
// version.
func (h *Hub) Changed(after uint64) map[string]bool { return h.since(topicStream, after) }

// token and parse carry a version across calls; one of another process start
// is worth nothing and asks for everything.
func (h *Hub) token(version uint64) string { return h.boot + ":" + strconv.FormatUint(version, 10) }

func (h *Hub) parse(token string) (version uint64, ok bool) {
	boot, v, found := strings.Cut(token, ":")
	if !found || boot != h.boot {
		return 0, false
	}
	version, err := strconv.ParseUint(v, 10, 64)
	return version, err == nil
}

// WaitSystem returns when one of the federation's own streams changes after a
// version, or ctx ends.
func (h *Hub) WaitSystem(ctx context.Context, after uint64) {
	for ctx.Err() == nil {
		version := h.Version()
		for name := range h.since(topicStream, after) {
			if parts := strings.Split(name, "/"); len(parts) == 3 && System(parts[1]) {
				return
			}
		}
		h.Wait(ctx, version)
	}
}
