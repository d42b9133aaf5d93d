package sequencer

import (
	"context"
	"maps"
	"slices"

	"fayi/crypto/seal"
	"fayi/gateway/intake"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/schemas"
)

// A pack in its first ten minutes is watched: of the rows it judges, how many
// does it refuse that the version before accepts (protocol §8)?

// try counts a judged row, if the pack that judged it is new.
func (b *batch) try(j *judged) {
	row := j.row
	if b.s.Trial == nil || row.Op != seal.Put || row.Null || row.Oversize {
		return
	}
	typ, ok := b.registry.Current(row.Type)
	if !ok {
		return
	}
	before, pack := b.s.Trial(typ)
	if before == nil {
		return
	}
	t := b.trials[pack]
	if t == nil {
		t = &store.PackTrial{Pack: pack, Source: b.s.Source.Name}
		b.trials[pack] = t
	}
	t.Judged++
	if len(j.faults) > 0 && !accepts(typ, row) && accepts(before, row) {
		t.Failed++
	}
}

// accepts tells whether a row's contents pass a type, whatever else is wrong
// with the row.
func accepts(t *schemas.Type, row *outbox.Row) bool {
	data, _, faults := intake.Contents(t, row.Payload)
	return len(faults) == 0 && len(intake.SameKey(t, string(row.Key), data)) == 0
}

// takenBack asks whether a new pack is taken back because of this batch.
func (b *batch) takenBack(ctx context.Context) (bool, error) {
	for _, t := range b.trialCounts() {
		if t.Failed == 0 {
			continue
		}
		if back, err := b.s.TakeBack(ctx, t); err != nil || back {
			return back, err
		}
	}
	return false, nil
}

func (b *batch) trialCounts() []store.PackTrial {
	var out []store.PackTrial
	for _, pack := range slices.Sorted(maps.Keys(b.trials)) {
		out = append(out, *b.trials[pack])
	}
	return out
}
