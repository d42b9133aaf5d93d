package replicate

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/call"
	"fayi/gateway/directory"
	"fayi/gateway/store"
	"fayi/gateway/trace"
	"fayi/schemas"
)

// Engine is one node's replication. All fields are set once before use; all
// methods are safe for concurrent use.
type Engine struct {
	Store     *store.Store
	Directory *directory.Directory
	Signer    keys.Signer
	Unwrapper keys.Unwrapper // nil at a keyless carrier
	StoreKey  *keys.StoreKey
	Schemas   func() *schemas.Registry // the packs in force now
	Client    *call.Client
	Journal   *Journal
	Hub       *Hub
	Memory    Memory        // of frames on their way out
	Trace     *trace.Writer // nil for none
	Log       *slog.Logger

	// AcceptTest lets streams of the audience "test" in; a link's local switch.
	AcceptTest bool

	counters counters // of what peers did wrong
	tries    counters // of what this node tried or said, so that it says it once
	believed believed
}

// me is this node's id.
func (e *Engine) me() string { return e.Directory.Me() }

// stream returns a stream by name, nil where nothing is known of it.
func (e *Engine) stream(ctx context.Context, name string) (*store.Stream, error) {
	st, err := e.Store.StreamByName(ctx, name)
	if errors.Is(err, store.ErrUnknownStream) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &st, nil
}

// counters count what strangers did wrong; nothing else of theirs is kept.
type counters struct {
	mu sync.Mutex
	n  map[[2]string]uint64 // sender, code
}

// count notes a fault of a sender's and returns how often it was seen.
func (c *counters) count(sender, code string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil || len(c.n) > maxCounters {
		c.n = map[[2]string]uint64{}
	}
	c.n[[2]string{sender, code}]++
	return c.n[[2]string{sender, code}]
}

// maxCounters bounds what strangers can make this node remember.
const maxCounters = 10_000

func (e *Engine) count(sender, code string) { e.counters.count(sender, code) }

// Faults returns how often each sender did what, by code.
func (e *Engine) Faults() map[[2]string]uint64 {
	e.counters.mu.Lock()
	defer e.counters.mu.Unlock()
	out := make(map[[2]string]uint64, len(e.counters.n))
	for k, v := range e.counters.n {
		out[k] = v
	}
	return out
}

// alarm makes something visible to operators, in the store, the log and the trace.
func (e *Engine) alarm(ctx context.Context, code, stream, peer, detail string) {
	e.Log.WarnContext(ctx, "alarm", "code", code, "stream", stream, "peer", peer, "detail", detail)
	e.Trace.Write(trace.Event{Event: trace.Alarm, Stream: stream, Peer: peer, Outcome: code, Detail: detail})
	e.keepEvent(ctx, store.Event{Level: "alarm", Code: code, Stream: stream, Peer: peer, Detail: detail})
}

// note makes something good visible to operators.
func (e *Engine) note(ctx context.Context, code, stream, peer, detail string) {
	e.Log.InfoContext(ctx, "note", "code", code, "stream", stream, "peer", peer, "detail", detail)
	e.keepEvent(ctx, store.Event{Level: "info", Code: code, Stream: stream, Peer: peer, Detail: detail})
}

func (e *Engine) keepEvent(ctx context.Context, ev store.Event) {
	if err := e.Store.AddEvent(ctx, ev); err != nil {
		e.Log.ErrorContext(ctx, "event not kept", "code", ev.Code, "err", err)
	}
}

// keyAAD binds a sealed content key to its segment.
func keyAAD(hash store.Hash) []byte { return hash[:] }

// Lines opens a stored segment: its lines without line feeds. The segment must
// hold its body and this node's copy of the content key.
func (e *Engine) Lines(seg *store.Segment) (*seal.Header, [][]byte, error) {
	return OpenStored(e.StoreKey, seg)
}

// OpenStored opens a segment from a store with the node's store key.
func OpenStored(k *keys.StoreKey, seg *store.Segment) (*seal.Header, [][]byte, error) {
	h, err := seal.ParseHeader(seg.Header)
	if err != nil {
		return nil, nil, err
	}
	if seg.Key == nil {
		return nil, nil, seal.ErrCannotOpen
	}
	key, err := k.Open(seg.Key, keyAAD(seg.Hash))
	if err != nil {
		return nil, nil, seal.ErrCannotOpen
	}
	lines, err := seal.Open(h, seg.Header, seg.Body, key)
	return h, lines, err
}

// Stored turns a segment this process sealed or opened into what the store keeps.
func Stored(k *keys.StoreKey, stream int64, seg *seal.Segment, readers []seal.Reader) (store.Segment, error) {
	s := store.Segment{
		Stream: stream, Gen: seg.Header.Gen, First: seg.Header.First, Count: seg.Header.Count,
		Hash: store.Hash(seg.Hash), Prev: store.Hash(seg.Header.Prev), Header: seg.Bytes, Sig: seg.Sig,
		Readers: seal.EncodeReaders(readers), Body: seg.Body, Seen: time.Now().UnixMicro(), Live: true,
	}
	if seg.Key == nil {
		return s, nil
	}
	var err error
	s.Key, err = k.Seal(seg.Key, keyAAD(s.Hash))
	return s, err
}

// head converts between the store's and the wire's form.
func wireHead(name string, h store.Head) sign.Head {
	return sign.Head{Stream: name, Gen: h.Gen, Last: h.Seq, Hash: sign.Hash(h.Hash)}
}

func storeHead(h sign.Head) store.Head {
	return store.Head{Pos: store.Pos{Gen: h.Gen, Seq: h.Last}, Hash: store.Hash(h.Hash)}
}
