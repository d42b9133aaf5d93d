package replicate_test

import (
	"testing"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
)

// A receipt signed in the transaction that stores what it speaks of is one like any
// other: kept, numbered, and the successor of the one before, whoever signed that.
func TestReceiptsOfOneTransaction(t *testing.T) {
	b := newBench(t)
	const stream, gen = yulin + "/consultation/" + sign.Upstream, 1_700_000_000
	take := func(c cut) (*sign.Receipt, sign.Hash) {
		t.Helper()
		res, receipts, err := b.e.Receive(t.Context(), yulin, []seal.Frame{c.frame}, true)
		if err != nil || len(res) != 1 || len(receipts) != 1 {
			t.Fatal(res, receipts, err)
		}
		return b.parse(receipts[0])
	}
	one := b.after(stream, gen, store.Head{}, 1, 2)
	r1, h1 := take(one)
	two := b.after(stream, gen, one.end, 3, 1)
	r2, h2 := take(two)
	if r1.Streams[0].Upto != 2 || r2.Streams[0].Upto != 3 || r2.N <= r1.N || r2.Prev != h1 {
		t.Errorf("%+v\nafter %+v", r2, r1)
	}
	acks, err := b.e.Store.Acks(t.Context(), b.stream(stream).ID)
	if err != nil || len(acks) != 1 || acks[0].Head != two.end || acks[0].N != r2.N {
		t.Errorf("acknowledged %+v, %v", acks, err)
	}
	// Another process signs one; this one does not know.
	other, err := b.e.Acknowledge(t.Context(), yulin, sign.LevelStored, map[string]store.Head{stream: two.end})
	if err != nil {
		t.Fatal(err)
	}
	r3, h3 := b.parse(*other)
	r4, _ := take(b.after(stream, gen, two.end, 4, 1))
	if r3.Prev != h2 || r4.Prev != h3 || r4.N <= r3.N {
		t.Errorf("%+v\nafter %+v", r4, r3)
	}
	// What is held already is acknowledged again, in no transaction.
	if r5, _ := take(two); r5.N <= r4.N || r5.Streams[0].Upto != 4 {
		t.Errorf("again: %+v", r5)
	}
}

func (b *bench) parse(s replicate.Signed) (*sign.Receipt, sign.Hash) {
	b.t.Helper()
	r, err := sign.ParseReceipt(s.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return r, sign.Sum(s.Body)
}

func (b *bench) stream(name string) store.Stream {
	b.t.Helper()
	st, err := b.e.Store.StreamByName(b.t.Context(), name)
	if err != nil {
		b.t.Fatal(err)
	}
	return st
}
