package replicate

import (
	"context"
	"fmt"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
	"fayi/gateway/problem"
	"fayi/gateway/store"
)

// PublishNote signs this node's head note: where its own streams end and how
// much of the directory it holds.
func (e *Engine) PublishNote(ctx context.Context) error {
	streams, err := e.Store.Streams(ctx)
	if err != nil {
		return err
	}
	note := sign.Note{V: 1, Node: e.me(), Key: sign.Hash(e.Signer.ID()), Heads: []sign.Head{}, Dir: []sign.Head{}}
	for _, st := range streams {
		if st.Seq == 0 {
			continue
		}
		switch {
		case st.Origin == e.me():
			note.Heads = append(note.Heads, wireHead(st.Name, st.Head))
		case st.Type == TypeNode:
			note.Dir = append(note.Dir, wireHead(st.Name, st.Head))
		}
	}
	var n uint64
	out, err := e.numbered(ctx, "note", func(number uint64, _ sign.Hash) any {
		n, note.N, note.Time = number, number, sign.Now()
		return &note
	}, keys.NoteV1)
	if err != nil {
		return err
	}
	if _, _, err := e.Store.SaveNote(ctx, store.Note{Node: e.me(), N: n, Body: out.Body, Sig: out.Sign, Arrived: time.Now().UnixMicro()}); err != nil {
		return err
	}
	e.Hub.Note(e.me())
	return nil
}

// Hear takes a head note from anyone, keeps it if it verifies and is newer, and
// raises an incident where it contradicts the copy held here or an earlier note.
func (e *Engine) Hear(ctx context.Context, sn Signed) error {
	n, err := sign.ParseNote(sn.Body)
	if err != nil {
		return problem.Wrap(problem.BadNote, err)
	}
	if err := e.signedBy(n.Node, n.Key, keys.NoteV1, sn, problem.BadNote); err != nil {
		return err
	}
	stored, have, err := e.Store.SaveNote(ctx, store.Note{Node: n.Node, N: n.N, Body: sn.Body, Sig: sn.Sign, Arrived: time.Now().UnixMicro()})
	if err != nil {
		return err
	}
	if have.N == n.N && string(have.Body) != string(sn.Body) {
		e.alarm(ctx, problem.NoteConflict, "", n.Node, fmt.Sprintf("two notes numbered %d", n.N))
	}
	if !stored {
		return nil
	}
	for _, h := range n.Heads {
		st, err := e.stream(ctx, h.Stream)
		if err != nil {
			return err
		}
		if st == nil {
			continue
		}
		seg, err := e.Store.SegmentEnding(ctx, st.ID, h.Gen, h.Last)
		if err != nil {
			return err
		}
		if seg != nil && seg.Hash != store.Hash(h.Hash) {
			e.alarm(ctx, problem.NoteConflict, h.Stream, n.Node, fmt.Sprintf("gen %d last %d", h.Gen, h.Last))
		}
	}
	e.Hub.Note(n.Node)
	return nil
}

// Complete tells for a stream up to which number this node has everything, and
// as of when: the newest note of the origin whose head this node holds. The
// zero time means that no note covers the stream yet.
func (e *Engine) Complete(ctx context.Context, st *store.Stream, notes map[string]*sign.Note) (upto uint64, asOf time.Time) {
	n, ok := notes[st.Origin]
	if !ok {
		return 0, time.Time{}
	}
	for _, h := range n.Heads {
		if h.Stream != st.Name {
			continue
		}
		if seg, err := e.Store.SegmentEnding(ctx, st.ID, h.Gen, h.Last); err == nil && seg != nil && seg.Hash == store.Hash(h.Hash) {
			return h.Last, n.Time.Time
		}
	}
	return 0, time.Time{}
}

// WatchNotes raises an alarm, once, for every origin whose newest note is older
// than limit or says that streams go on beyond what is held here: a relay may
// be withholding their tail (protocol §4, promise P2). It is called now and then.
func (e *Engine) WatchNotes(ctx context.Context, limit time.Duration) error {
	rows, err := e.Store.Notes(ctx)
	if err != nil {
		return err
	}
	for _, r := range rows {
		n, err := sign.ParseNote(r.Body)
		if err != nil || r.Node == e.me() {
			continue
		}
		arrived := time.UnixMicro(r.Arrived)
		if time.Since(arrived) <= limit {
			continue
		}
		if e.tries.count("note/"+r.Node+"/"+fmt.Sprint(n.N), problem.NoteStale) == 1 {
			e.alarm(ctx, problem.NoteStale, "", r.Node, fmt.Sprintf("newest note is %d, arrived %s", n.N, sign.At(arrived)))
		}
		for _, h := range n.Heads {
			st, err := e.stream(ctx, h.Stream)
			if err != nil {
				return err
			}
			s, perr := sign.ParseStream(h.Stream)
			if perr != nil || !e.Directory.InAudience(s, e.me()) {
				continue
			}
			if (st == nil || st.Pos.Compare(store.Pos{Gen: h.Gen, Seq: h.Last}) < 0) &&
				e.tries.count("tail/"+h.Stream+"/"+fmt.Sprint(h.Last), problem.TailMissing) == 1 {
				e.alarm(ctx, problem.TailMissing, h.Stream, r.Node, fmt.Sprintf("the origin's note says gen %d last %d", h.Gen, h.Last))
			}
		}
	}
	return nil
}

// notesFor returns notes of nodes that changed (nil for all) which lie on this
// node's side of the link to peer.
func (e *Engine) notesFor(ctx context.Context, peer string, changed map[string]bool) ([]Signed, error) {
	out := []Signed{}
	if changed != nil && len(changed) == 0 {
		return out, nil
	}
	notes, err := e.Store.Notes(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range notes {
		if n.Node != peer && e.Directory.Towards(n.Node) != peer && (changed == nil || changed[n.Node]) {
			out = append(out, Signed{Body: n.Body, Sign: n.Sig})
		}
	}
	return out, nil
}
