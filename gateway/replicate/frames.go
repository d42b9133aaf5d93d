package replicate

import (
	"context"
	"slices"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/directory"
	"fayi/gateway/store"
	"fayi/gateway/trace"
)

// wrapNext wraps a content key for the readers one hop further (protocol §2,
// Readers). It is called only for segments this node sealed or opened whole, so
// no forged header can fetch another segment's key.
func (e *Engine) wrapNext(s sign.Stream, key []byte) ([]seal.Reader, error) {
	return WrapNext(e.Directory, s, key)
}

// WrapNext wraps key for each of the stream's next readers, as many as a frame
// may carry; the others are wrapped for when they ask.
func WrapNext(d *directory.Directory, s sign.Stream, key []byte) ([]seal.Reader, error) {
	var certs []*keys.Certificate
	for _, n := range d.NextReaders(s) {
		if len(certs) < seal.MaxReaders {
			certs = append(certs, n.Reader())
		}
	}
	return seal.WrapFor(key, certs...)
}

// frames turns stored segments of one stream into frames for a peer. Segments
// come from committed rows; own ones leave only after heads.journal was synced.
func (e *Engine) frames(ctx context.Context, s sign.Stream, segs []store.Segment, peer string) ([]seal.Frame, error) {
	if len(segs) == 0 {
		return nil, nil
	}
	if s.Origin == e.me() {
		last := &segs[len(segs)-1]
		head := store.Head{Pos: store.Pos{Gen: last.Gen, Seq: last.Last()}, Hash: last.Hash}
		if err := e.Journal.Note(map[string]store.Head{s.String(): head}); err != nil {
			return nil, err
		}
	}
	origin, _ := e.Directory.Node(s.Origin)
	out := make([]seal.Frame, len(segs))
	for i := range segs {
		g := &segs[i]
		readers, err := e.readersFor(ctx, s, g, peer)
		if err != nil {
			return nil, err
		}
		out[i] = seal.Frame{Header: g.Header, Sig: g.Sig, Readers: readers, Body: g.Body}
		if key, ok := seal.KeyOf(g.Header); ok && origin != nil {
			out[i].Chain = origin.Chain(key)
		}
		hash, prev := sign.Hash(g.Hash), sign.Hash(g.Prev)
		e.Trace.Write(trace.Event{Event: trace.Send, Stream: s.String(), Gen: g.Gen, First: g.First, Count: g.Count, Hash: &hash, Prev: &prev, Peer: peer})
	}
	return out, nil
}

// readersFor picks the wrapped keys a peer needs: its own, or, where it only
// carries, those of everyone behind it. One that is missing (the peer joined
// after the segment was stored) is wrapped now and kept. A copy damaged in the
// database counts as missing: it must not keep other streams from leaving.
func (e *Engine) readersFor(ctx context.Context, s sign.Stream, g *store.Segment, peer string) ([]seal.Reader, error) {
	readers, err := seal.DecodeReaders(g.Readers)
	if err != nil {
		readers = nil
	}
	damaged := func(r seal.Reader) bool {
		_, err := keys.WrappedToRaw(r.Wrapped)
		return err != nil
	}
	n, ok := e.Directory.Node(peer)
	if !ok || n.Reader() == nil || !e.Directory.InAudience(s, peer) {
		return slices.DeleteFunc(readers, damaged), nil
	}
	want := sign.Hash(n.Reader().ID())
	for _, r := range readers {
		if r.To == want && !damaged(r) {
			return []seal.Reader{r}, nil
		}
	}
	if readers = slices.DeleteFunc(readers, damaged); g.Key == nil {
		return readers, nil
	}
	key, err := e.StoreKey.Open(g.Key, keyAAD(g.Hash))
	if err != nil {
		e.Log.ErrorContext(ctx, "content key is damaged", "stream", s.String(), "gen", g.Gen, "first", g.First, "err", err)
		return readers, nil
	}
	made, err := seal.WrapFor(key, n.Reader())
	if err != nil {
		return nil, err
	}
	if len(readers) < seal.MaxReaders {
		if err := e.Store.AddReaders(ctx, g.Stream, g.Gen, g.First, seal.EncodeReaders(made)); err != nil {
			return nil, err
		}
	}
	return made, nil
}
