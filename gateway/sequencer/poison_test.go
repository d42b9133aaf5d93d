package sequencer_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
)

// brittle is a signer that panics over some headers, as a cryptographic module's
// driver may.
type brittle struct {
	keys.Signer
	over func(header []byte) bool
}

func (b brittle) Sign(context keys.Context, message []byte) ([]byte, error) {
	if context == keys.SegmentV1 && b.over(message) {
		panic("the module's driver lost its mind")
	}
	return b.Signer.Sign(context, message)
}

// Rows over which sealing panics are found by halving, wherever they lie, and
// rejected; every other row is sealed, each once, in its order.
func TestF42PoisonIsFoundByHalving(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.main()
		s.Signer = brittle{s.Signer, func(h []byte) bool { return bytes.Contains(h, []byte("/service_venue/")) }}
		var rows []row
		var want []string
		for i := range 100 {
			key := fmt.Sprintf("ZX-%02d", i)
			if i == 0 || i == 37 || i == 38 || i == 99 {
				v := fmt.Sprintf("V-%d", i)
				rows = append(rows, row{recordType: "service_venue", key: v, payload: b.example("service_venue", v, nil)})
			}
			rows, want = append(rows, b.consultation(key, "1")), append(want, key+" 1")
		}
		b.insert(rows...)
		if n := b.drain(s); n != len(rows) {
			t.Errorf("%d rows taken of %d", n, len(rows))
		}
		if got := versions(b.stream(name("consultation", sign.Upstream)), ""); !slices.Equal(got, want) {
			t.Errorf("the stream holds %v", got)
		}
		var bad []string
		for _, r := range b.rejected() {
			bad = append(bad, r.Code+" "+string(r.Row.Key))
		}
		if !slices.Equal(bad, []string{"POISON V-0", "POISON V-37", "POISON V-38", "POISON V-99"}) || b.waiting() != 0 {
			t.Errorf("rejected %v, %d wait", bad, b.waiting())
		}
		if tl := b.tally("main", "service_venue"); tl.Rejected != 4 || tl.Accepted != 0 {
			t.Errorf("tally %+v", tl)
		}
	})
}

// A node whose signer fails over everything rejects nothing: the rows wait until
// it is mended. One that is all there is, and fails again and again, is rejected.
func TestF42ABrokenNodeRejectsNothing(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.main()
		good := s.Signer
		s.Signer = brittle{good, func([]byte) bool { return true }}
		for i := range 20 {
			b.insert(b.consultation(fmt.Sprintf("ZX-%02d", i), "1"))
		}
		for range 5 {
			if n, _, err := s.Round(t.Context()); n != 0 || err == nil {
				t.Fatalf("%d rows taken, %v", n, err)
			}
		}
		if b.waiting() != 20 || len(b.rejected()) != 0 {
			t.Fatalf("%d wait, %d rejected", b.waiting(), len(b.rejected()))
		}
		s.Signer = good
		if n := b.drain(s); n != 20 {
			t.Errorf("%d rows taken once it is mended", n)
		}
		s.Signer = brittle{good, func([]byte) bool { return true }}
		b.insert(b.consultation("ALONE", "1"))
		rounds := 0
		for ; b.waiting() > 0 && rounds < 10; rounds++ {
			_, _, _ = s.Round(t.Context())
		}
		if got := b.rejected(); len(got) != 1 || got[0].Code != "POISON" || rounds < 3 {
			t.Errorf("%d rejected after %d rounds", len(got), rounds)
		}
	})
}
