package replicate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/call"
	"fayi/gateway/problem"
	"fayi/gateway/store"
)

// AskReaders asks the readers this node can dial where its own streams end in
// their copies, and returns the streams in doubt, each with why: a reader holds
// more than this database, or something else, or no reader could be asked before
// ctx ended (protocol §6). A stream that nobody reads has never left and is not
// in doubt.
func (e *Engine) AskReaders(ctx context.Context, links []*Link) (doubted map[string]string, err error) {
	streams, err := e.Store.Streams(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	open := map[string]store.Stream{} // not yet vouched for
	doubted = map[string]string{}
	for _, st := range streams {
		s, err := sign.ParseStream(st.Name)
		if err == nil && st.Origin == e.me() && st.Seq > 0 && len(e.Directory.NextReaders(s)) > 0 {
			open[st.Name] = st
		}
	}
	for pause := 50 * time.Millisecond; len(open) > 0; pause *= 2 {
		askable := false
		for _, l := range links {
			more, err := e.askReader(ctx, l, open, doubted)
			if err != nil && ctx.Err() == nil {
				e.Log.WarnContext(ctx, "reader not asked", "peer", l.Peer, "err", err)
			}
			askable = askable || more
		}
		if !askable {
			break
		}
		select {
		case <-time.After(pause):
			continue
		case <-ctx.Done():
		}
		break
	}
	for name := range open {
		doubted[name] = "another host sealed before, and no reader could be asked"
	}
	return doubted, nil
}

// askReader asks one reader about the streams it is owed, removes those settled
// from open, and reports whether asking it again may settle more.
func (e *Engine) askReader(ctx context.Context, l *Link, open map[string]store.Stream, doubted map[string]string) (again bool, err error) {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(open)) {
		if s, err := sign.ParseStream(name); err == nil && e.Directory.Offers(s, l.Peer) {
			names = append(names, name)
		}
	}
	for chunk := range slices.Chunk(names, sign.MaxStreams) {
		args := fetchArgs{MaxBytes: 1}
		for _, name := range chunk {
			args.Streams = append(args.Streams, wireHead(name, open[name].Head))
		}
		var res fetchResult
		frames, err := l.do(ctx, e, call.OpFetch, args, nil, &res)
		if err != nil {
			return true, err
		}
		for _, r := range res.Streams {
			st, asked := open[r.Stream]
			if !asked {
				continue
			}
			switch why, settled := e.doubt(ctx, &st, &r, frames); {
			case !settled:
			case why != "":
				doubted[r.Stream] = fmt.Sprintf("reader %s: %s", l.Peer, why)
				delete(open, r.Stream)
			default:
				delete(open, r.Stream)
			}
		}
		again = again || len(res.Streams) < len(chunk) // it answers as many as fit
	}
	return again, nil
}

// doubt judges what a reader says of a stream whose end here it was given.
func (e *Engine) doubt(ctx context.Context, st *store.Stream, r *StreamResult, frames []seal.Frame) (why string, settled bool) {
	theirs := store.Head{Pos: store.Pos{Gen: r.Gen, Seq: r.Last}, Hash: store.Hash(r.Head)}
	switch {
	case r.Code != problem.OK && r.Code != problem.Gap:
		return "", false
	case theirs == st.Head, theirs.IsZero():
		return "", true
	case r.Code == problem.OK && theirs.Pos.Compare(st.Pos) > 0:
		// Ahead: it counts only with a header that continues this stream under this node's own signature.
		for i := range frames {
			h, err := seal.ParseHeader(frames[i].Header)
			if err != nil || h.Stream != st.Name || h.Prev != sign.Hash(st.Hash) {
				continue
			}
			key, ok := e.Directory.Key(h.Key)
			if ok && key.Node.Entry.Node == e.me() && seal.VerifyHeader(key.Cert, frames[i].Header, frames[i].Sig) == nil {
				return fmt.Sprintf("holds %d:%d, the database ends at %d:%d", r.Gen, r.Last, st.Gen, st.Seq), true
			}
		}
		return "", false
	}
	// What it holds lies behind, on this chain, or it is something else.
	if on, err := e.onChain(ctx, st.ID, theirs); err != nil || !on {
		return fmt.Sprintf("holds another %d:%d", r.Gen, r.Last), err == nil
	}
	return "", true
}
