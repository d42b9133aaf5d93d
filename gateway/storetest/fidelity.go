package storetest

import (
	"bytes"
	"database/sql"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"fayi/gateway/store"
)

// Bytes that a driver, a character set or a comparison may take for something else.
var nasty = rapid.OneOf(
	rapid.SliceOfN(rapid.Byte(), 0, 200),
	rapid.SampledFrom([][]byte{{}, {0}, {0, 0, 0}, []byte(" "), []byte("a "), []byte(`\'";--`), []byte("%_?"), []byte("NULL"),
		{0xff, 0xfe}, {0xc3, 0x28}, []byte("\r\n\x1a"), []byte("锟斤拷\ufffd"), []byte("_binary'x'"), []byte("2026-11-22"), []byte("1e3")}),
)

func nastyUpTo(n int) *rapid.Generator[[]byte] {
	return rapid.Map(nasty, func(b []byte) []byte { return b[:min(n, len(b))] })
}

func nastyText(n int) *rapid.Generator[string] {
	return rapid.Map(nastyUpTo(n), func(b []byte) string { return string(b) })
}

func anyHash(t *rapid.T, label string) store.Hash {
	return store.Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, label))
}

var anyNumber = rapid.Uint64Range(1, 1<<53-1)

// check runs a property a few dozen times: each run is a durable transaction.
func check(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	rapid.Check(t, property)
}

func same[T any](t *rapid.T, what string, got, want T) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

func segmentFidelity(t *testing.T, s *store.Store) {
	ctx := t.Context()
	c := newChain(t, s)
	gen := uint64(1)
	check(t, func(rt *rapid.T) {
		g := store.Segment{Stream: c.id, Gen: gen, First: c.end.Seq + 1, Count: rapid.Uint64Range(1, 1000).Draw(rt, "count"), Prev: c.end.Hash,
			Hash: anyHash(rt, "hash"), Header: nasty.Draw(rt, "header"), Sig: nasty.Draw(rt, "sig"), Readers: nasty.Draw(rt, "readers"),
			Body: nasty.Draw(rt, "body"), Seen: rapid.Int64Range(1, 1<<53).Draw(rt, "seen"), Live: true}
		if rapid.Bool().Draw(rt, "keyed") {
			g.Key = append(nasty.Draw(rt, "key"), 0) // nil is a carrier's; a sealed key is not empty
		}
		l := store.Latest{Pos: store.Pos{Gen: gen, Seq: g.First}, Op: nastyText(8).Draw(rt, "op"), Fingerprint: anyHash(rt, "fingerprint"),
			Source: nastyText(48).Draw(rt, "source")}
		copy(l.KeyHash[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "key hash"))
		r := store.Refusal{Gen: gen, Seq: g.First, Code: nastyText(48).Draw(rt, "code"), Pointer: nastyText(200).Draw(rt, "pointer")}
		err := s.Append(ctx, []store.Append{{Stream: c.id, From: c.end, Segments: []store.Segment{g}, Latest: []store.Latest{l}, Refused: []store.Refusal{r}}}, nil)
		if err != nil {
			rt.Fatal(err)
		}
		c.end = g.End()
		got, err := s.Body(ctx, c.id, g.Gen, g.First)
		if err != nil {
			rt.Fatal(err)
		}
		same(rt, "segment", got, &g)
		newest, err := s.LatestOf(ctx, c.id, [][16]byte{l.KeyHash})
		if err != nil {
			rt.Fatal(err)
		}
		same(rt, "newest version", newest, map[[16]byte]store.Latest{l.KeyHash: l})
		refused, err := s.Refusals(ctx, c.id, gen, g.First, g.First)
		if err != nil {
			rt.Fatal(err)
		}
		same(rt, "refusal", refused, map[uint64]store.Refusal{g.First: r})
	})
	// One body of random-looking bytes, larger than any segment's, goes through whole (review F26).
	g := c.cut(gen, 1)
	g.Body = bytes.Repeat([]byte{0, '\'', '\\', '\n', 0xff, 'x', 0x1a, '"'}, 1<<17)
	c.store(t, s, g)
	got, err := s.Body(ctx, c.id, g.Gen, g.First)
	must(t, err)
	if !bytes.Equal(got.Body, g.Body) {
		t.Error("a body of 1 MiB came back changed")
	}
}

func rowFidelity(t *testing.T, s *store.Store) {
	ctx := t.Context()
	c := newChain(t, s)
	n := uint64(0)
	check(t, func(rt *rapid.T) {
		n++
		node := rapid.StringMatching(`fidelity-[0-9a-z-]{2,20}`).Draw(rt, "node")
		body, sig := nasty.Draw(rt, "body"), nasty.Draw(rt, "sig")

		note := store.Note{Node: node, N: n, Body: body, Sig: sig, Arrived: rapid.Int64().Draw(rt, "arrived")}
		stored, _, err := s.SaveNote(ctx, note)
		if err != nil || !stored {
			rt.Fatal(stored, err)
		}
		_, held, err := s.SaveNote(ctx, store.Note{Node: node, N: 0})
		if err != nil {
			rt.Fatal(err)
		}
		same(rt, "note", held, note)

		r := store.Receipt{By: node, Origin: node, N: n, Level: nastyText(16).Filter(func(s string) bool { return s != "" }).Draw(rt, "level"),
			Body: body, Sig: sig, Hash: anyHash(rt, "hash")}
		a := store.Ack{Stream: c.id, Reader: r.By, Level: r.Level, N: r.N, Rejected: anyNumber.Draw(rt, "rejected"), At: rapid.Int64().Draw(rt, "at"),
			Head: store.Head{Pos: store.Pos{Gen: anyNumber.Draw(rt, "gen"), Seq: anyNumber.Draw(rt, "seq")}, Hash: anyHash(rt, "head")}}
		if _, err := s.SaveReceipt(ctx, r, []store.Ack{a}); err != nil {
			rt.Fatal(err)
		}
		acks, err := s.Acks(ctx, c.id)
		if err != nil {
			rt.Fatal(err)
		}
		found := false
		for _, x := range acks {
			if x.Reader == r.By && x.Level == r.Level {
				same(rt, "acknowledgement", x, a)
				found = true
			}
		}
		raw, err := s.ReceiptsOf(ctx, node)
		if err != nil || !found {
			rt.Fatal(found, err)
		}
		for _, x := range raw {
			if x.Hash == r.Hash {
				same(rt, "receipt", x, r)
			}
		}

		answer := nasty.Draw(rt, "answer")
		for range 2 {
			err = s.InTx(ctx, func(tx *sql.Tx) error {
				existing, err := s.Remember(ctx, tx, r.Hash, a.Hash, answer)
				if existing != nil {
					same(rt, "answer", existing, answer)
				}
				return err
			})
			if err != nil {
				rt.Fatal(err)
			}
		}
		detail := nastyText(1024).Draw(rt, "detail")
		if err := s.SetState(ctx, c.id, nastyText(32).Draw(rt, "state"), detail); err != nil {
			rt.Fatal(err)
		}
		st, err := s.StreamByID(ctx, c.id)
		if err != nil {
			rt.Fatal(err)
		}
		same(rt, "detail", st.Detail, detail)
	})
}

func inboxFidelity(t *testing.T, s *store.Store) {
	const name = "610000/fidelity/downstream"
	var at store.Pos
	text := rapid.Map(nastyText(128), func(s string) string { return strings.ToValidUTF8(s, "?") }) // keys and payloads are UTF-8 by §2
	check(t, func(rt *rapid.T) {
		to := store.Pos{Gen: 1, Seq: at.Seq + 1}
		r := row(1, to.Seq)
		key, payload := text.Draw(rt, "key"), text.Draw(rt, "payload")
		if len(key) > 128 || !utf8.ValidString(key) {
			key = "k"
		}
		r.Key, r.Payload = []byte(key), []byte(payload)
		if err := s.Deliver(t.Context(), name, at, to, []store.InboxRow{r}); err != nil {
			rt.Fatal(err)
		}
		at = to
		rows := inbox(t, s, name)
		got := rows[len(rows)-1]
		same(rt, "key", got.Key, key)
		same(rt, "payload", got.Payload, payload)
	})
}
