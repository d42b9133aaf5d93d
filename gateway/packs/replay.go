package packs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
	"fayi/schemas"
	"fayi/schemas/diff"
)

// replayRecords is how many of the newest stored records of each type a pack is
// tried on before it is adopted.
const replayRecords = 10_000

// TypeJudged is what a replay tells about one type.
type TypeJudged struct {
	diff.TypeReplay
	Held   int `json:"held"`   // records of versions this node has no pack for, not judged
	Erased int `json:"erased"` // erased, nothing left to judge
}

// sum is the replay of all types.
func sum(types []*TypeJudged) *diff.Replay {
	r := &diff.Replay{}
	for _, t := range types {
		r.Types = append(r.Types, &t.TypeReplay)
	}
	return r
}

// replay judges stored records of every type that a pack, or the version before
// it, has.
func (s *Shelf) replay(ctx context.Context, e, before *schemas.Edition, progress func(*TypeJudged)) ([]*TypeJudged, error) {
	r := Replayer{Store: s.Store, Key: s.StoreKey, Registry: s.Registry(), Last: replayRecords, Progress: progress}
	names := map[string]*schemas.Type{}
	if before != nil {
		for _, t := range business(before) {
			names[t.Name()] = nil
		}
	}
	for _, t := range business(e) {
		names[t.Name()] = t
	}
	return r.Run(ctx, names)
}

// Replayer runs stored records, newest first, through a candidate. It only
// reads, so the node may run meanwhile.
type Replayer struct {
	Store    *store.Store
	Key      *keys.StoreKey
	Registry *schemas.Registry // by which the records were judged when they came
	Last     uint64            // how many of each type
	Progress func(*TypeJudged) // nil for none
}

// Run judges the newest records of each type by its candidate, nil where the
// candidate pack drops the type. Results are sorted by type.
func (r *Replayer) Run(ctx context.Context, candidates map[string]*schemas.Type) ([]*TypeJudged, error) {
	streams, err := r.Store.Streams(ctx)
	if err != nil {
		return nil, err
	}
	out := []*TypeJudged{}
	for name, candidate := range candidates {
		t, err := r.judge(ctx, name, candidate, streams)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *TypeJudged) int { return cmp.Compare(a.Type, b.Type) })
	return out, nil
}

// progressEvery paces progress.
const progressEvery = time.Second

// judge runs the newest records of a type, of all streams the node can open, through the candidate.
func (r *Replayer) judge(ctx context.Context, name string, candidate *schemas.Type, streams []store.Stream) (*TypeJudged, error) {
	out := &TypeJudged{TypeReplay: diff.TypeReplay{Type: name, Faults: []diff.ReplayFault{}}}
	var ends []*tail
	for i := range streams {
		if streams[i].Type != name || streams[i].Head.Hash.IsZero() {
			continue
		}
		seg, err := r.Store.SegmentByHash(ctx, streams[i].ID, streams[i].Head.Hash)
		if err != nil {
			return nil, err
		}
		if seg != nil {
			ends = append(ends, &tail{&streams[i], seg})
		}
	}
	told := time.Now()
	for len(ends) > 0 && uint64(out.Records) < r.Last {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		newest := slices.MaxFunc(ends, func(a, b *tail) int { return cmp.Compare(a.segment.Seen, b.segment.Seen) })
		ok, err := r.segment(ctx, newest, candidate, out)
		if err != nil {
			return nil, fmt.Errorf("%s gen %d first %d: %w", newest.stream.Name, newest.segment.Gen, newest.segment.First, err)
		}
		var before *store.Segment
		if prev := newest.segment.Prev; ok && !prev.IsZero() {
			if before, err = r.Store.SegmentByHash(ctx, newest.stream.ID, prev); err != nil {
				return nil, err
			}
		}
		if newest.segment = before; before == nil {
			ends = slices.DeleteFunc(ends, func(t *tail) bool { return t == newest })
		}
		if r.Progress != nil && time.Since(told) > progressEvery {
			told = time.Now()
			r.Progress(out)
		}
	}
	if r.Progress != nil {
		r.Progress(out)
	}
	return out, nil
}

// tail is how far back a stream was read.
type tail struct {
	stream  *store.Stream
	segment *store.Segment // the next to judge, without body
}

// segment judges the records of one segment, the last first. It is not ok where the node carries the stream and cannot open it.
func (r *Replayer) segment(ctx context.Context, t *tail, candidate *schemas.Type, out *TypeJudged) (ok bool, err error) {
	whole, err := r.Store.Body(ctx, t.stream.ID, t.segment.Gen, t.segment.First)
	if err != nil || whole == nil || whole.Key == nil {
		return false, err
	}
	h, lines, err := replicate.OpenStored(r.Key, whole)
	if err != nil {
		return false, err
	}
	old, known := r.Registry.ByRef(h.Schema)
	for i := len(lines) - 1; i >= 0 && uint64(out.Records) < r.Last; i-- {
		if _, _, erased := seal.ParseErased(lines[i]); erased {
			out.Erased++
			continue
		}
		l, err := seal.ParseLine(lines[i])
		switch {
		case err != nil || l.Op != seal.Put: // refused for its bytes whatever the pack; or a deletion, which has no contents
		case !known:
			out.Held++
		default:
			out.Judge(old, candidate, fmt.Sprintf("%s:%d:%d", t.stream.Name, h.Gen, h.First+uint64(i)), l.Key, l.Data)
		}
	}
	return true, nil
}
