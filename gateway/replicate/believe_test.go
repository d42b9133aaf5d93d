package replicate

import (
	"testing"

	"fayi/crypto/sign"
	"fayi/gateway/store"
)

// What is verified and not written yet: the highest number of each reader, stream and
// level, seen by a pusher at once, forgotten when written unless something newer came.
func TestReceiptsHeld(t *testing.T) {
	var b believed
	receipt := func(n uint64, streams ...int64) (*store.Receipt, []store.Ack) {
		r := &store.Receipt{By: "610000", Origin: "610800", Level: sign.LevelStored, N: n, Hash: store.Hash{byte(n)}}
		var acks []store.Ack
		for _, s := range streams {
			acks = append(acks, store.Ack{Stream: s, Reader: r.By, Level: r.Level, N: n})
		}
		return r, acks
	}
	one, acks1 := receipt(1, 7, 8)
	if b.hold(one, acks1) {
		t.Fatal("held though nobody writes")
	}
	wake := b.begin()
	if !b.hold(one, acks1) {
		t.Fatal("not held")
	}
	<-wake
	two, acks2 := receipt(2, 7)
	b.hold(two, acks2)
	b.hold(receipt(1, 7)) // comes late
	newest := func() map[int64]uint64 {
		out := map[int64]uint64{}
		for _, a := range b.by("610000", []int64{7, 8, 9}) {
			out[a.Stream] = a.N
		}
		return out
	}
	if n := newest(); len(n) != 2 || n[7] != 2 || n[8] != 1 || len(b.by("100000", []int64{7})) != 0 {
		t.Fatalf("%v", n)
	}
	keep := b.toKeep()
	if len(keep) != 2 || len(keep[one]) != 1 || len(keep[two]) != 1 || b.written(two.Hash) {
		t.Fatalf("%v", keep)
	}
	three, acks3 := receipt(3, 7)
	b.hold(three, acks3)
	b.kept(one, keep[one])
	b.kept(two, keep[two])
	if n := newest(); len(n) != 1 || n[7] != 3 || !b.written(two.Hash) || b.written(three.Hash) {
		t.Errorf("after writing: %v", n)
	}
	if b.end(); b.hold(receipt(4, 7)) {
		t.Error("held after the end")
	}
}
