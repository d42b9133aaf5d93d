package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"fayi/gateway/store"
)

// manyStreams asks of many streams at once what is else asked of one, over more than one statement can name.
func manyStreams(t *testing.T, s *store.Store) {
	ctx := t.Context()
	const n = 1100
	before, err := s.StreamsDigest(ctx)
	must(t, err)
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("many/t%04d/public", i))
	}
	must(t, s.InTx(ctx, func(tx *sql.Tx) error {
		for _, name := range names { // as EnsureStream does, in one transaction
			if _, err := tx.ExecContext(ctx, "INSERT INTO fayi_stream (name,head,base_head,state,detail) VALUES (?,?,?,'','')", name, store.Hash{}, store.Hash{}); err != nil {
				return err
			}
		}
		return nil
	}))
	list, err := s.StreamsByName(ctx, append(slices.Clone(names), "many/unknown/public"))
	must(t, err)
	ids := map[string]int64{}
	for _, st := range list {
		ids[st.Name] = st.ID
	}
	want(t, "streams by name", len(ids), n)
	none, err := s.StreamsByName(ctx, nil)
	must(t, err)
	want(t, "no name", len(none), 0)
	count, err := s.CountStreams(ctx, "many")
	must(t, err)
	want(t, "streams of an origin", count, n)
	if count, err = s.CountStreams(ctx, "man"); err != nil || count != 0 {
		t.Errorf("streams of an origin whose name begins another's: %d, %v", count, err)
	}
	after, err := s.StreamsDigest(ctx)
	must(t, err)
	want(t, "digest counts", after.Streams-before.Streams, uint64(n))

	// One is held, one is judged and read by nobody, one was read to the end.
	move := func(name string, seq, checked uint64) {
		must(t, s.InTx(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "UPDATE fayi_stream SET gen=7, seq=?, checked_gen=7, checked_seq=? WHERE name=?", seq, checked, name)
			return err
		}))
	}
	move(names[0], 9, 4)
	move(names[1], 5, 5)
	move(names[2], 6, 6)
	must(t, s.MoveConsumer(ctx, "many", ids[names[0]], store.Pos{}, store.Pos{Gen: 7, Seq: 4}, nil))
	must(t, s.MoveConsumer(ctx, "many", ids[names[2]], store.Pos{}, store.Pos{Gen: 6, Seq: 99}, nil))
	of := func(list []store.Stream, err error) (out []string) {
		must(t, err)
		for _, st := range list {
			if _, ok := ids[st.Name]; ok {
				out = append(out, st.Name)
			}
		}
		return out
	}
	want(t, "unjudged", of(s.StreamsUnjudged(ctx)), names[:1])
	want(t, "behind, also by a generation", of(s.StreamsBehind(ctx, "many")), names[1:3])
	want(t, "behind, for who read nothing", of(s.StreamsBehind(ctx, "nobody")), names[:3])
	moved, err := s.StreamsDigest(ctx)
	must(t, err)
	if moved == after {
		t.Error("the digest did not notice")
	}

	acks := []store.Ack{{Stream: ids[names[0]], Head: store.Head{Pos: store.Pos{Gen: 7, Seq: 1}}}, {Stream: ids[names[n-1]], Head: store.Head{Pos: store.Pos{Gen: 7, Seq: 2}}}}
	for _, reader := range []string{"m1", "m2"} {
		if _, err := s.SaveReceipt(ctx, store.Receipt{By: reader, Origin: "many", Level: "stored", N: 5, Hash: hash("many"+reader, 1)}, acks); err != nil {
			t.Fatal(err)
		}
	}
	var all []int64
	for _, id := range ids {
		all = append(all, id)
	}
	for what, of := range map[string][]int64{"named": all, "all": nil} {
		got, err := s.AcksBy(ctx, "m1", of)
		must(t, err)
		if len(got) != 2 || got[0].Reader != "m1" || got[0].Seq+got[1].Seq != 3 {
			t.Errorf("%s: %+v", what, got)
		}
	}
	if got, err := s.AcksBy(ctx, "m1", []int64{}); err != nil || len(got) != 0 {
		t.Errorf("of no stream: %+v, %v", got, err)
	}
	must(t, s.Deliver(ctx, names[1], store.Pos{}, store.Pos{Gen: 7, Seq: 5}, nil))
	cursors, err := s.InboxCursors(ctx)
	must(t, err)
	want(t, "inbox cursor", cursors[names[1]], store.Pos{Gen: 7, Seq: 5})
}

// links keeps what was last written of each peer.
func links(t *testing.T, s *store.Store) {
	ctx := context.Background()
	first := store.Link{Peer: "610800", State: "open", Code: "UNREACHABLE", Detail: "dial", Failures: 4, Since: 1, OK: 2, Retry: 3, Now: 4}
	must(t, s.SaveLink(ctx, first))
	must(t, s.SaveLink(ctx, store.Link{Peer: "610600", State: "closed", OK: 9, Now: 9}))
	first.State, first.Failures, first.Retry, first.Now = "closed", 0, 0, 5
	must(t, s.SaveLink(ctx, first))
	got, err := s.Links(ctx)
	must(t, err)
	want(t, "link", got["610800"], first)
	want(t, "links", len(got), 2)
	if err := s.SaveLink(ctx, store.Link{}); err == nil {
		t.Error("a link to nobody")
	}
}

// ownReceipts takes number and receipt in one transaction, or neither.
func ownReceipts(t *testing.T, s *store.Store) {
	ctx := t.Context()
	c := newChain(t, s)
	save := func(from, n uint64) bool {
		t.Helper()
		ok, err := s.SaveOwnReceipt(ctx, store.Receipt{By: "own", Origin: "own-origin", Level: "stored", N: n, Hash: hash("own", n)},
			[]store.Ack{{Stream: c.id, Head: store.Head{Pos: store.Pos{Gen: 1, Seq: n}}}}, "receipt/own", from)
		must(t, err)
		return ok
	}
	want(t, "the first, a stale one, the next", []bool{save(0, 5), save(0, 9), save(4, 9), save(5, 7)}, []bool{true, false, false, true})
	n, h, err := s.Counter(ctx, "receipt/own")
	must(t, err)
	want(t, "counter", n, uint64(7))
	want(t, "its hash", h, hash("own", uint64(7)))
	acks, err := s.Acks(ctx, c.id)
	must(t, err)
	if len(acks) != 1 || acks[0].Seq != 7 {
		t.Errorf("%+v", acks)
	}
	if _, err := s.SaveOwnReceipt(ctx, store.Receipt{By: "own", Level: "stored", N: 7}, nil, "receipt/own", 7); err == nil {
		t.Error("a number that does not rise")
	}
}

// receiptsWithin signs receipts inside other transactions: numbered one after the other whatever the caller believed the
// last number to be, undone with the transaction, and dropped once nothing rests on them.
func receiptsWithin(t *testing.T, s *store.Store) {
	ctx, c := within(t, 30*time.Second), newChain(t, s)
	fail := errors.New("not this time")
	sign := func(believedN uint64, believed store.Hash, after error) (prevN uint64, prev store.Hash, err error) {
		err = s.InTx(ctx, func(tx *sql.Tx) error {
			err := s.SignReceipt(ctx, tx, "receipt/within", believedN, believed, func(last uint64, h store.Hash) (store.Receipt, []store.Ack, error) {
				prevN, prev = last, h
				return store.Receipt{By: "within", Origin: "within-origin", Level: "stored", N: last + 1, Hash: hash("within", last+1)},
					[]store.Ack{{Stream: c.id, Head: store.Head{Pos: store.Pos{Gen: 1, Seq: last + 1}}}}, nil
			})
			return errors.Join(err, after)
		})
		return prevN, prev, err
	}
	for i, x := range []struct {
		believed uint64
		last     uint64
		after    error
	}{{0, 0, nil}, {1, 1, nil}, {0, 2, nil}, {7, 3, nil}, {4, 4, fail}, {5, 4, nil}} {
		n, prev, err := sign(x.believed, hash("within", x.believed), x.after)
		wantPrev := hash("within", x.last)
		if x.last == 0 {
			wantPrev = store.Hash{}
		}
		if !errors.Is(err, x.after) || n != x.last || prev != wantPrev {
			t.Fatalf("%d: follows %d %s, %v", i, n, prev, err)
		}
	}
	acks, err := s.Acks(ctx, c.id)
	must(t, err)
	want(t, "acknowledgements", len(acks), 1)
	want(t, "number", acks[0].N, 5)
	rows := func() (n int) {
		must(t, s.DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM fayi_receipt WHERE origin='within-origin'").Scan(&n))
		return n
	}
	want(t, "receipts", rows(), 5)
	must(t, s.DropReceipts(ctx, "within", "within-origin", "stored"))
	want(t, "receipts after dropping", rows(), 1)
}
