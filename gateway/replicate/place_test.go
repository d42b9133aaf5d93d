package replicate_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/federation"
	"fayi/gateway/inbox"
	"fayi/gateway/problem"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
	"fayi/outbox"
)

const (
	ministry = "100000"
	province = "610000"
	yulin    = "610800"
)

// bench is a province that receives what a forger with the city's keys makes.
type bench struct {
	t      *testing.T
	f      *federation.Federation
	e      *replicate.Engine
	city   *keys.Identity
	schema string
	serial int
}

func newBench(t *testing.T) *bench {
	dir := t.TempDir()
	f, err := federation.Build(t.Context(), federation.Options{
		Dir: dir, Specs: federation.Shaanxi()[:3], Driver: outbox.SQLite, Log: slog.New(slog.DiscardHandler),
		DSN: func(_ context.Context, id string) (string, error) { return filepath.Join(dir, id+".db"), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	b := &bench{t: t, f: f, e: f.Member(province).Node.Engine()}
	folder := filepath.Join(f.Member(yulin).Dir, "keys")
	pass, err := keys.ReadPassphrase(filepath.Join(folder, "passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	if b.city, err = keys.LoadIdentity(folder, pass); err != nil {
		t.Fatal(err)
	}
	typ, _ := b.e.Schemas().Current("consultation")
	b.schema = typ.Ref()
	return b
}

// cut is a segment the forger made.
type cut struct {
	frame seal.Frame
	end   store.Head
}

// after makes a segment of count deletions that continues from prev, in a
// generation, whatever the province holds.
func (b *bench) after(stream string, gen uint64, prev store.Head, first uint64, count int) cut {
	b.t.Helper()
	var lines [][]byte
	for i := range count {
		b.serial++
		l := seal.Line{Seq: first + uint64(i), Key: fmt.Sprintf("K%d", b.serial), Op: seal.Del, At: sign.Now(), Src: "main", Ref: fmt.Sprintf("main:%d:0", b.serial)}
		lines = append(lines, seal.AppendLine(nil, &l))
	}
	seg, err := seal.Seal(seal.Draft{Stream: stream, Gen: gen, First: first, Prev: sign.Hash(prev.Hash), Schema: b.schema, Time: sign.Now()}, lines, b.city.Signer)
	if err != nil {
		b.t.Fatal(err)
	}
	s, _ := sign.ParseStream(stream)
	readers, err := replicate.WrapNext(b.f.Member(yulin).Node.Engine().Directory, s, seg.Key)
	if err != nil {
		b.t.Fatal(err)
	}
	return cut{seal.Frame{Header: seg.Bytes, Sig: seg.Sig, Readers: readers, Body: seg.Body}, store.Head{Pos: store.Pos{Gen: gen, Seq: seg.Header.Last()}, Hash: store.Hash(seg.Hash)}}
}

func (b *bench) receive(cuts ...cut) replicate.StreamResult {
	b.t.Helper()
	var frames []seal.Frame
	for _, c := range cuts {
		frames = append(frames, c.frame)
	}
	res, _, err := b.e.Receive(b.t.Context(), yulin, frames, false)
	if err != nil || len(res) != 1 {
		b.t.Fatal(res, err)
	}
	return res[0]
}

// state is a stream as the province holds it.
func (b *bench) state(stream string) (st store.Stream, orphans []store.OrphanRange) {
	b.t.Helper()
	st, err := b.e.Store.StreamByName(b.t.Context(), stream)
	if err != nil {
		b.t.Fatal(err)
	}
	all, err := b.e.Store.Orphans(b.t.Context(), st.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := replicate.VerifyStream(b.t.Context(), b.e, &st); err != nil {
		b.t.Errorf("the live chain: %v", err)
	}
	return st, all[st.ID]
}

// deliver brings what was judged into the inbox and returns the positions there.
func (b *bench) deliver(stream string) (out []store.Pos) {
	b.t.Helper()
	d := &inbox.Deliverer{Engine: b.e, Types: []string{"*"}, Limit: 1000}
	if _, err := d.Round(b.t.Context(), map[string]map[string]store.Head{}); err != nil {
		b.t.Fatal(err)
	}
	rows, err := b.e.Store.DB().Query("SELECT gen, seq FROM exchange_inbox WHERE stream=? ORDER BY gen, seq", stream)
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var p store.Pos
		if err := rows.Scan(&p.Gen, &p.Seq); err != nil {
			b.t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

const g1, g2, g3 = 1764230400, 1764230500, 1764230600

// TestPlace is step 6 and 7 of protocol §3, case by case; each row starts from a
// stream that holds 1…2 and 3…4 of the first generation, or from none.
func TestPlace(t *testing.T) {
	b := newBench(t)
	var none store.Head
	for i, x := range []struct {
		name  string
		empty bool
		make  func(stream string, one, two cut) []cut
		code  string
		last  uint64 // where the stream ends afterwards
		state string
	}{
		{"the beginning", true, func(s string, _, _ cut) []cut { return []cut{b.after(s, g1, none, 1, 3)} }, problem.OK, 3, ""},
		{"nothing held, something before it", true, func(s string, _, _ cut) []cut { return []cut{b.after(s, g1, head(g1, 4), 5, 1)} }, problem.Gap, 0, ""},
		{"nothing held, not from number 1", true, func(s string, _, _ cut) []cut { return []cut{b.after(s, g1, none, 5, 1)} }, problem.BadStart, 0, "bad_start"},
		{"the next", false, func(s string, _, two cut) []cut { return []cut{b.after(s, g1, two.end, 5, 2)} }, problem.OK, 6, ""},
		{"already held", false, func(s string, one, _ cut) []cut { return []cut{one} }, problem.OK, 4, ""},
		{"held, held, new", false, func(s string, one, two cut) []cut { return []cut{one, two, b.after(s, g1, two.end, 5, 1)} }, problem.OK, 5, ""},
		{"the same twice in one run", false, func(s string, _, two cut) []cut {
			n := b.after(s, g1, two.end, 5, 1)
			return []cut{n, n}
		}, problem.OK, 5, ""},
		{"beyond the next", false, func(s string, _, two cut) []cut { return []cut{b.after(s, g1, two.end, 6, 1)} }, problem.Gap, 4, ""},
		{"a good one, then a gap", false, func(s string, _, two cut) []cut {
			n := b.after(s, g1, two.end, 5, 1)
			return []cut{n, b.after(s, g1, n.end, 7, 1)}
		}, problem.Gap, 5, ""},
		{"the next with another prev", false, func(s string, one, _ cut) []cut { return []cut{b.after(s, g1, one.end, 5, 1)} }, problem.Fork, 4, "forked"},
		{"the last one again with other bytes", false, func(s string, one, _ cut) []cut { return []cut{b.after(s, g1, one.end, 3, 2)} }, problem.Fork, 4, "forked"},
		{"overlapping the end", false, func(s string, _, two cut) []cut { return []cut{b.after(s, g1, two.end, 4, 3)} }, problem.Fork, 4, "forked"},
		{"a lower generation", false, func(s string, _, two cut) []cut { return []cut{b.after(s, g1-1, two.end, 5, 1)} }, problem.Gap, 4, ""},
		{"zeros where something is held", false, func(s string, _, _ cut) []cut { return []cut{b.after(s, g2, none, 1, 1)} }, problem.Gap, 4, ""},
		{"a generation from the head", false, func(s string, _, two cut) []cut { return []cut{b.after(s, g2, two.end, 5, 1)} }, problem.OK, 5, ""},
		{"a generation from the head, misnumbered", false, func(s string, _, two cut) []cut { return []cut{b.after(s, g2, two.end, 6, 1)} }, problem.BadStart, 4, "bad_start"},
		{"a generation from an earlier header", false, func(s string, one, _ cut) []cut { return []cut{b.after(s, g2, one.end, 3, 1)} }, problem.OK, 3, ""},
		{"the same, misnumbered", false, func(s string, one, _ cut) []cut { return []cut{b.after(s, g2, one.end, 5, 1)} }, problem.BadStart, 4, "bad_start"},
		{"a generation from nowhere", false, func(s string, _, _ cut) []cut { return []cut{b.after(s, g2, head(g1, 9), 10, 1)} }, problem.Gap, 4, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			b.t = t
			stream := sign.Stream{Origin: yulin, Type: fmt.Sprintf("consultation_%02d", i), Audience: sign.Upstream}.String()
			b.schema = fmt.Sprintf("consultation_%02d@1#%s", i, sign.Sum(nil)) // held, which does not matter here
			var one, two cut
			if !x.empty {
				one = b.after(stream, g1, none, 1, 2)
				two = b.after(stream, g1, one.end, 3, 2)
				if r := b.receive(one, two); r.Code != problem.OK {
					t.Fatal(r)
				}
			}
			r := b.receive(x.make(stream, one, two)...)
			if r.Code != x.code || r.Last != x.last {
				t.Errorf("%s at %d, want %s at %d", r.Code, r.Last, x.code, x.last)
			}
			if gap := r.Code == problem.Gap && !x.empty; gap != (len(r.Gens) > 0) {
				t.Errorf("generations %v with %s", r.Gens, r.Code)
			}
			st, _ := b.state(stream)
			if st.Seq != x.last || x.state != "" && st.State != x.state {
				t.Errorf("stream ends at %d, state %q", st.Seq, st.State)
			}
		})
	}
}

// TestGenerations: a new generation from an earlier header makes orphans of what
// lay beyond; one from an orphan brings its branch back; what was delivered is
// never delivered again, and undelivered orphans never are.
func TestGenerations(t *testing.T) {
	b := newBench(t)
	stream := sign.Stream{Origin: yulin, Type: "consultation", Audience: sign.Upstream}.String()
	one := b.after(stream, g1, store.Head{}, 1, 2)
	two := b.after(stream, g1, one.end, 3, 2)
	if r := b.receive(one, two); r.Code != problem.OK {
		t.Fatal(r)
	}
	want := []store.Pos{{Gen: g1, Seq: 1}, {Gen: g1, Seq: 2}, {Gen: g1, Seq: 3}, {Gen: g1, Seq: 4}}
	if got := b.deliver(stream); !slices.Equal(got, want) {
		t.Fatal(got)
	}
	lost := b.after(stream, g1, two.end, 5, 1) // stored, never delivered
	if r := b.receive(lost); r.Code != problem.OK {
		t.Fatal(r)
	}
	other := b.after(stream, g2, one.end, 3, 1) // put back to 2
	further := b.after(stream, g2, other.end, 4, 1)
	if r := b.receive(other, further); r.Code != problem.OK || r.Last != 4 {
		t.Fatal(r)
	}
	st, orphans := b.state(stream)
	if st.Head != further.end || st.Checked != further.end.Pos || len(orphans) != 1 || orphans[0].First != 3 || orphans[0].Last != 5 || orphans[0].Head != lost.end.Hash {
		t.Errorf("%+v, orphans %+v", st, orphans)
	}
	want = append(want, store.Pos{Gen: g2, Seq: 3}, store.Pos{Gen: g2, Seq: 4})
	if got := b.deliver(stream); !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
	// What became an orphan is held all the same, and no fork.
	if r := b.receive(two, lost); r.Code != problem.OK || r.Last != 4 {
		t.Errorf("an orphan again: %+v", r)
	}
	if r := b.receive(b.after(stream, g1, lost.end, 6, 1)); r.Code != problem.Gap {
		t.Errorf("the branch left behind goes on: %+v", r)
	}
	// The third generation continues from the orphan.
	back := b.after(stream, g3, two.end, 5, 1)
	if r := b.receive(back); r.Code != problem.OK {
		t.Fatal(r)
	}
	st, orphans = b.state(stream)
	if st.Head != back.end || len(orphans) != 2 {
		t.Errorf("%+v, orphans %+v", st, orphans)
	}
	want = append(want, store.Pos{Gen: g3, Seq: 5})
	if got := b.deliver(stream); !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
	receipt, err := b.e.Acknowledge(t.Context(), yulin, sign.LevelStored, map[string]store.Head{stream: st.Head})
	if err != nil {
		t.Fatal(err)
	}
	r, err := sign.ParseReceipt(receipt.Body)
	if err != nil || len(r.Orphans) != 2 || r.Streams[0].Upto != 5 {
		t.Errorf("%+v, %v", r, err)
	}
}
