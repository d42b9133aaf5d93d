package storetest

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"fayi/gateway/store"
)

func receipts(t *testing.T, s *store.Store) {
	ctx := t.Context()
	a, b := newChain(t, s), newChain(t, s)
	receipt := func(by, level string, n uint64) store.Receipt {
		return store.Receipt{By: by, Origin: "r-origin", N: n, Level: level, Body: fmt.Appendf(nil, "receipt %s %s %d", by, level, n), Sig: []byte("sig"), Hash: hash(by, level, n)}
	}
	ack := func(id int64, seq uint64) store.Ack {
		return store.Ack{Stream: id, Head: store.Head{Pos: store.Pos{Gen: 1, Seq: seq}, Hash: hash("head", seq)}, Rejected: seq / 10, At: 99}
	}
	save := func(changed bool, r store.Receipt, acks ...store.Ack) {
		t.Helper()
		got, err := s.SaveReceipt(ctx, r, acks)
		must(t, err)
		want(t, fmt.Sprintf("%s changes anything", r.Body), got, changed)
	}
	at := func(id int64, by, level string) (out store.Ack) {
		t.Helper()
		acks, err := s.Acks(ctx, id)
		must(t, err)
		for _, x := range acks {
			if x.Reader == by && x.Level == level {
				return x
			}
		}
		return out
	}
	raw := func() (ns []uint64) {
		t.Helper()
		rs, err := s.ReceiptsOf(ctx, "r-origin")
		must(t, err)
		for _, r := range rs {
			ns = append(ns, r.N)
			want(t, "raw receipt", r, receipt(r.By, r.Level, r.N))
		}
		return ns
	}

	save(true, receipt("610000", "stored", 20), ack(a.id, 50), ack(b.id, 5))
	want(t, "acknowledged", at(a.id, "610000", "stored").Head, ack(a.id, 50).Head)
	save(false, receipt("610000", "stored", 20), ack(a.id, 50), ack(b.id, 5)) // twice
	save(false, receipt("610000", "stored", 10), ack(a.id, 70))               // late
	want(t, "a lower n is ignored", at(a.id, "610000", "stored").Seq, 50)
	save(true, receipt("610000", "stored", 30), ack(a.id, 40)) // the reader was restored and says so
	want(t, "a lower position with a higher n moves back", at(a.id, "610000", "stored").Seq, 40)
	want(t, "both receipts are in use", raw(), []uint64{20, 30})
	save(true, receipt("610000", "stored", 25), ack(a.id, 41), ack(b.id, 6)) // newer for b only
	want(t, "a keeps the highest n", at(a.id, "610000", "stored").N, 30)
	want(t, "b moves on", at(b.id, "610000", "stored"), store.Ack{Stream: b.id, Reader: "610000", Level: "stored", Head: ack(b.id, 6).Head, Rejected: 0, N: 25, At: 99})
	want(t, "the receipt nothing rests on is dropped", raw(), []uint64{25, 30})
	var rows int
	must(t, s.DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM fayi_receipt WHERE origin=?", "r-origin").Scan(&rows))
	want(t, "from the table too", rows, 2)
	save(true, receipt("610000", "applied", 1), ack(a.id, 30))
	save(true, receipt("100000", "stored", 2), ack(a.id, 20), ack(b.id, 4))
	want(t, "levels and readers are apart", raw(), []uint64{2, 1, 25, 30})

	every, err := s.AllAcks(ctx)
	must(t, err)
	count := 0
	for _, x := range every {
		if x.Stream == a.id || x.Stream == b.id {
			count++
		}
	}
	want(t, "acknowledgements", count, 5)
	if _, err := s.SaveReceipt(ctx, store.Receipt{}, nil); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("empty receipt: %v", err)
	}
}

// receiptsRaced gives receipts in every order to several savers at once: the highest n wins for each stream.
func receiptsRaced(t *testing.T, s *store.Store) {
	ctx := within(t, 60*time.Second)
	chains := []*chain{newChain(t, s), newChain(t, s), newChain(t, s)}
	const n = 24
	var fns []func() error
	for _, i := range rand.Perm(n) {
		fns = append(fns, func() error {
			var acks []store.Ack
			for j, c := range chains {
				if (i+1)%(j+1) == 0 {
					acks = append(acks, store.Ack{Stream: c.id, Head: store.Head{Pos: store.Pos{Gen: 1, Seq: uint64(i + 1)}}})
				}
			}
			_, err := s.SaveReceipt(ctx, store.Receipt{By: "raced", Origin: "raced-origin", Level: "stored", N: uint64(i + 1), Hash: hash("raced", i+1)}, acks)
			return err
		})
	}
	for _, err := range race(fns...) {
		must(t, err)
	}
	for j, c := range chains {
		acks, err := s.Acks(ctx, c.id)
		must(t, err)
		highest := uint64(n / (j + 1) * (j + 1))
		if len(acks) != 1 || acks[0].N != highest || acks[0].Seq != highest {
			t.Errorf("stream %d: %+v", j, acks)
		}
	}
	rs, err := s.ReceiptsOf(ctx, "raced-origin")
	must(t, err)
	if len(rs) != 1 || rs[0].N != n { // 24 is divisible by 1, 2 and 3
		t.Errorf("%d raw receipts kept", len(rs))
	}
}

// countersRaced: many take numbers at once; all numbers are different and none is lost.
func countersRaced(t *testing.T, s *store.Store) {
	ctx := within(t, 60*time.Second)
	const takers, each = 4, 10
	taken := make(chan uint64, takers*each)
	var fns []func() error
	for range takers {
		fns = append(fns, func() error {
			for got := 0; got < each; {
				n, _, err := s.Counter(ctx, "raced")
				if err != nil {
					return err
				}
				ok, err := s.AdvanceCounter(ctx, "raced", n, n+1, hash(n+1))
				if err != nil {
					return err
				}
				if ok {
					taken <- n + 1
					got++
				}
			}
			return nil
		})
	}
	for _, err := range race(fns...) {
		must(t, err)
	}
	close(taken)
	seen := map[uint64]bool{}
	for n := range taken {
		if seen[n] {
			t.Errorf("%d was taken twice", n)
		}
		seen[n] = true
	}
	n, h, err := s.Counter(ctx, "raced")
	must(t, err)
	want(t, "counter", n, takers*each)
	want(t, "hash", h, hash(uint64(takers*each)))
	ok, err := s.AdvanceCounter(ctx, "raced", 3, 100, store.Hash{})
	must(t, err)
	want(t, "advanced from a number long past", ok, false)
	for _, x := range [][2]uint64{{5, 5}, {5, 4}, {5, 1 << 53}} {
		if _, err := s.AdvanceCounter(ctx, "raced", x[0], x[1], store.Hash{}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("from %d to %d: %v", x[0], x[1], err)
		}
	}
}

func notes(t *testing.T, s *store.Store) {
	ctx := t.Context()
	note := func(n uint64, text string) store.Note {
		return store.Note{Node: "note-node", N: n, Body: []byte(text), Sig: []byte("s" + text), Arrived: int64(n) * 7}
	}
	for _, x := range []struct {
		n      store.Note
		stored bool
		held   store.Note
	}{
		{note(5, "five"), true, note(5, "five")},
		{note(4, "four"), false, note(5, "five")},
		{note(5, "other"), false, note(5, "five")},
		{note(6, "six"), true, note(6, "six")},
	} {
		stored, held, err := s.SaveNote(ctx, x.n)
		must(t, err)
		want(t, string(x.n.Body)+" stored", stored, x.stored)
		want(t, string(x.n.Body)+" held", held, x.held)
	}
	list, err := s.Notes(ctx)
	must(t, err)
	want(t, "notes", list, []store.Note{note(6, "six")})
}

func entriesAndForks(t *testing.T, s *store.Store) {
	ctx := t.Context()
	e := store.Entry{Node: "610800", N: 2, Body: []byte("entry"), Sigs: []byte("[]"), Seen: 1, State: "waiting"}
	must(t, s.SaveEntry(ctx, e))
	again := e
	again.Sigs, again.State, again.Seen = []byte("[registrar]"), "", 2
	must(t, s.SaveEntry(ctx, again))
	again.Seen = 1 // first seen stays
	other := e
	other.Body = []byte("another")
	if err := s.SaveEntry(ctx, other); !errors.Is(err, store.ErrEntryDiffers) {
		t.Errorf("other bytes under one number: %v", err)
	}
	first := store.Entry{Node: "610800", N: 1, Body: []byte("first"), Sigs: []byte{}, Seen: 5}
	must(t, s.SaveEntry(ctx, first))
	list, err := s.Entries(ctx)
	must(t, err)
	want(t, "entries", list, []store.Entry{first, again})

	c := newChain(t, s)
	f := store.Fork{Stream: c.id, Gen: 3, First: 11, Hash: hash("fork"), Header: []byte("{}"), Sig: []byte("s"), Peer: "610000", Seen: 8}
	must(t, s.SaveFork(ctx, f))
	must(t, s.SaveFork(ctx, f))
	forks, err := s.Forks(ctx, c.id)
	must(t, err)
	want(t, "forks", forks, []store.Fork{f})
}

func peerRejections(t *testing.T, s *store.Store) {
	ctx := t.Context()
	const name = "610800/lawyer/upstream"
	r := func(seq uint64, by string) store.PeerRejection {
		return store.PeerRejection{Stream: name, Gen: 9, Seq: seq, By: by, Code: "CODE", Pointer: "/执业证号", Pack: "lawyer@1#00", At: 5, Open: true}
	}
	save := func(rs ...store.PeerRejection) {
		t.Helper()
		must(t, s.InTx(ctx, func(tx *sql.Tx) error { return s.SavePeerRejections(ctx, tx, rs) }))
	}
	save()
	save(r(1, "610000"), r(2, "610000"), r(2, "100000"))
	changed := r(1, "610000")
	changed.Code = "FORMAT"
	save(changed)
	at := []store.Pos{{Gen: 9, Seq: 1}, {Gen: 9, Seq: 2}, {Gen: 9, Seq: 3}, {Gen: 8, Seq: 1}}
	open, err := s.OpenRejections(ctx, name, at)
	must(t, err)
	want(t, "open", open, map[store.Pos]bool{at[0]: true, at[1]: true})
	must(t, s.InTx(ctx, func(tx *sql.Tx) error {
		n, err := s.ClosePeerRejections(ctx, tx, name, at[1:])
		want(t, "closed", n, 2)
		return err
	}))
	open, err = s.OpenRejections(ctx, name, at)
	must(t, err)
	want(t, "open", open, map[store.Pos]bool{at[0]: true})
	for _, x := range []struct {
		f    store.RejectionFilter
		want []store.PeerRejection
	}{
		{store.RejectionFilter{Stream: name, OnlyOpen: true}, []store.PeerRejection{changed}},
		{store.RejectionFilter{Stream: name, By: "610000", Limit: 1}, []store.PeerRejection{changed}},
		{store.RejectionFilter{Stream: "no such"}, nil},
	} {
		got, err := s.ListPeerRejections(ctx, x.f)
		must(t, err)
		for i := range got {
			got[i].ID = 0
		}
		want(t, fmt.Sprintf("%+v", x.f), got, x.want)
	}
	paged := 0
	for f := (store.RejectionFilter{Stream: name, Limit: 1}); ; paged++ {
		got, err := s.ListPeerRejections(ctx, f)
		must(t, err)
		if len(got) == 0 {
			break
		}
		f.AfterID = got[0].ID
	}
	want(t, "paged through", paged, 3)
}
