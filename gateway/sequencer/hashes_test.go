package sequencer

import (
	"testing"

	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/schemas"

	"pgregory.net/rapid"
)

// Hashing many records at once gives what hashing each gives.
func TestHashesOfMany(t *testing.T) {
	packs, err := schemas.Load(schemas.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	types := packs.Types()
	rapid.Check(t, func(t *rapid.T) {
		var h Hashes
		copy(h.key[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		copy(h.contents[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "contents"))
		recs := make([]*record, rapid.IntRange(0, 30).Draw(t, "records"))
		for i := range recs {
			recs[i] = &record{
				row: &outbox.Row{Op: rapid.SampledFrom([]string{"put", "del"}).Draw(t, "op")}, key: rapid.StringN(1, 60, 128).Draw(t, "record key"),
				schema: rapid.SampledFrom(types).Draw(t, "type"), data: rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "data"),
			}
		}
		h.fill(recs)
		for i, r := range recs {
			if r.keyHash != h.Key(r.key) || store.Hash(r.contents) != h.Contents(r.row.Op, r.schema.Ref(), r.data) {
				t.Fatalf("record %d of %d hashes otherwise", i, len(recs))
			}
		}
	})
}
