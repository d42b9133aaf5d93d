package pull_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/packfile"
	"fayi/gateway/packtest"
	"fayi/gateway/problem"
	"fayi/gateway/pull"
	"fayi/gateway/replicate"
	"fayi/gateway/store"

	"github.com/google/go-cmp/cmp"
)

// Records of a schema pack that the caller does not have are judged and written
// all the same, since the pack comes with the streams.
func TestPullLearnsPacks(t *testing.T) {
	t.Parallel()
	w, dir := build(t), t.TempDir()
	m := w.Member(province)
	registrarDir := filepath.Join(m.Dir, "registrar")
	pass, err := keys.ReadPassphrase(filepath.Join(registrarDir, "passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	reg, err := keys.LoadRegistrar(registrarDir, pass)
	if err != nil {
		t.Fatal(err)
	}
	data, _, err := packfile.Build(packtest.Next(t, "7.0.0", "2018-01-01", packtest.NewVersion, packtest.NewField), province, reg.Signer, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	shelf := m.Node.Packs()
	p, err := shelf.Candidate(data)
	if err == nil {
		err = shelf.Publish(t.Context(), p, data)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.eventually("the pack is adopted", func() bool {
		typ, ok := shelf.Registry().Current(recordType)
		return ok && typ.Version() == 2
	})
	w.publish(1, "ZX-1", "ZX-2")
	res := w.pull(dir)
	if diff := cmp.Diff(w.published(), written(t, filepath.Join(dir, file))); diff != "" {
		t.Errorf("published (-), written (+):\n%s", diff)
	}
	if len(res.Held) != 0 || res.Refused != 0 {
		t.Errorf("%+v", res)
	}
}

// What a pull writes is what was published, byte for byte and in order; it
// acknowledges nothing unless asked to, then everything it holds.
func TestPullWritesWhatWasPublished(t *testing.T) {
	t.Parallel()
	w, dir := build(t), t.TempDir()
	w.several()
	res := w.pull(dir)
	want := w.published()
	if diff := cmp.Diff(want, written(t, filepath.Join(dir, file))); diff != "" {
		t.Errorf("published (-), written (+):\n%s", diff)
	}
	if res.Refused != 0 || len(res.Held) != 0 || len(res.Faults) != 0 {
		t.Errorf("%+v", res)
	}
	i := slices.IndexFunc(res.Streams, func(s pull.StreamResult) bool { return s.Stream == stream })
	if i < 0 {
		t.Fatalf("no %s in %+v", stream, res.Streams)
	}
	origin, err := w.Member(province).Store.StreamByName(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Streams[i]; got != (pull.StreamResult{stream, filepath.Join(dir, file), origin.Gen, origin.Seq, origin.Hash.String(), len(want)}) {
		t.Errorf("result %+v, the origin's head %+v", got, origin.Head)
	}
	if acks := w.acknowledged(); len(acks) != 0 {
		t.Errorf("acknowledged without being asked: %+v", acks)
	}

	// Nothing new: nothing written.
	if res := w.pull(dir); res.Records != 0 {
		t.Errorf("%d records written twice", res.Records)
	}
	if acks := w.acknowledged(); len(acks) != 0 {
		t.Errorf("acknowledged the second time without being asked: %+v", acks)
	}
	// Asked to, it acknowledges what it had, and what comes.
	ack := func(o *pull.Options) { o.Acknowledge = true }
	w.pull(dir, ack)
	if acks := w.acknowledged(); len(acks) != 1 || acks[0].Head != origin.Head || acks[0].Level != sign.LevelStored {
		t.Errorf("acknowledged %+v, held %+v", acks, origin.Head)
	}
	w.publish(3, "ZX-05")
	w.pull(dir, ack)
	if acks := w.acknowledged(); len(acks) != 1 || acks[0].Seq != origin.Seq+1 {
		t.Errorf("acknowledged %+v, want %d", acks, origin.Seq+1)
	}
	if diff := cmp.Diff(w.published(), written(t, filepath.Join(dir, file))); diff != "" {
		t.Errorf("published (-), written (+):\n%s", diff)
	}
}

// After any crash, and after any hand in its folder, the next pull leaves files
// as if nothing had happened.
func TestPullGoesOn(t *testing.T) {
	t.Parallel()
	w := build(t)
	w.several()
	reference := t.TempDir()
	w.pull(reference)
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, data, position string)
	}{
		{"half a line beyond the position", func(t *testing.T, data, _ string) { appendTo(t, data, `{"stream":"6100`) }},
		{"garbage beyond the position", func(t *testing.T, data, _ string) { appendTo(t, data, strings.Repeat("\x00", 5000)) }},
		{"the last bytes lost", func(t *testing.T, data, _ string) { truncate(t, data, -7) }},
		{"the file empty", func(t *testing.T, data, _ string) { truncate(t, data, 0) }},
		{"the file gone", func(t *testing.T, data, _ string) { remove(t, data) }},
		{"the position gone", func(t *testing.T, _, position string) { remove(t, position) }},
		{"the position torn", func(t *testing.T, _, position string) { truncate(t, position, -3) }},
		{"the position empty", func(t *testing.T, _, position string) { truncate(t, position, 0) }},
		{"the chain gone", func(t *testing.T, data, _ string) { remove(t, filepath.Join(filepath.Dir(data), ".pull.db")) }},
		{"all gone", func(t *testing.T, data, position string) {
			remove(t, data)
			remove(t, position)
			remove(t, filepath.Join(filepath.Dir(data), ".pull.db"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			// Stopped after its first write, as a kill would.
			opts := w.options(dir)
			ctx, cancel := context.WithCancel(t.Context())
			opts.Wrote = func(name string, _ uint64, _ int) {
				if name == stream {
					cancel()
				}
			}
			if _, err := pull.Run(ctx, opts); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			data := filepath.Join(dir, file)
			c.spoil(t, data, strings.TrimSuffix(data, ".ndjson")+".position")
			if res := w.pull(dir); len(res.Faults) != 0 {
				t.Errorf("faults %v", res.Faults)
			}
			want, err := os.ReadFile(filepath.Join(reference, file))
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(data)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%v; the file is\n%s\nwant\n%s", err, got, want)
			}
			if res := w.pull(dir); res.Records != 0 {
				t.Errorf("position and file disagree: %d records written again", res.Records)
			}
		})
	}
}

func appendTo(t *testing.T, path, s string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(s); err != nil {
		t.Fatal(err)
	}
}

// truncate cuts a file to size, counted from the end if negative.
func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if size < 0 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for _, beside := range []string{"-wal", "-shm"} {
		os.Remove(path + beside)
	}
}

// change rewrites a column of the newest segment of the stream in a node's or a
// pull's database, underneath whoever runs on it, and returns how to undo it.
func change(t *testing.T, db, table, column string, f func([]byte) []byte) (undo func()) {
	t.Helper()
	conn, err := sql.Open("sqlite", "file:"+db+"?_busy_timeout=10000")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	where := " WHERE stream_id=(SELECT id FROM fayi_stream WHERE name=?) AND first_seq=(SELECT MAX(first_seq) FROM fayi_segment WHERE stream_id=(SELECT id FROM fayi_stream WHERE name=?))"
	var old []byte
	if err := conn.QueryRow("SELECT "+column+" FROM "+table+where, stream, stream).Scan(&old); err != nil {
		t.Fatal(err)
	}
	set := func(v []byte) {
		res, err := conn.Exec("UPDATE "+table+" SET "+column+"=?"+where, v, stream, stream)
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := res.RowsAffected(); n != 1 {
			t.Fatalf("changed %d rows", n)
		}
	}
	set(f(slices.Clone(old)))
	return func() { set(old) }
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		if at < 0 {
			at += len(b)
		}
		b[at] ^= 1
		return b
	}
}

// A byte changed in the database of the peer, underneath it, is refused with a
// code; nothing of that segment is written; what came before stays, and the
// rest comes once the peer is mended.
func TestPullRefusesTamperedSegments(t *testing.T) {
	t.Parallel()
	w := build(t)
	w.several()
	for _, c := range []struct {
		name, table, column string
		f                   func([]byte) []byte
		codes               []string // of which one is named
	}{
		{"the first byte of the body", "fayi_body", "body", flip(0), []string{problem.CannotOpen}},
		{"the last byte of the body", "fayi_body", "body", flip(-1), []string{problem.CannotOpen}},
		{"the body of nothing", "fayi_body", "body", func([]byte) []byte { return []byte{} }, []string{problem.CannotOpen, problem.Malformed}},
		{"the signature", "fayi_segment", "sig", flip(-1), []string{problem.BadSignature}},
		{"the header", "fayi_segment", "header", func(h []byte) []byte {
			return bytes.Replace(h, []byte(`"count":1,`), []byte(`"count":2,`), 1)
		}, []string{problem.BadSignature}},
		{"the header's spelling", "fayi_segment", "header", func(h []byte) []byte {
			return bytes.Replace(h, []byte(`"count":`), []byte(`"COUNT":`), 1)
		}, []string{problem.NotCanonical, problem.Malformed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			want := w.published()
			undo := change(t, w.Member(province).DSN, c.table, c.column, c.f)
			res := w.pull(dir)
			named := false
			for _, code := range c.codes {
				named = named || res.Faults[code] > 0
			}
			if !named {
				t.Errorf("faults %v, want one of %v", res.Faults, c.codes)
			}
			got := written(t, filepath.Join(dir, file))
			if diff := cmp.Diff(want[:len(want)-1], got); diff != "" {
				t.Errorf("good before the changed segment (-), written (+):\n%s", diff)
			}
			undo()
			if res := w.pull(dir); len(res.Faults) != 0 {
				t.Errorf("mended, faults %v", res.Faults)
			}
			if diff := cmp.Diff(want, written(t, filepath.Join(dir, file))); diff != "" {
				t.Errorf("published (-), written (+):\n%s", diff)
			}
		})
	}
}

// A byte changed in the pull's own store is noticed when it is to be written.
func TestPullNoticesItsOwnDamage(t *testing.T) {
	t.Parallel()
	w, dir := build(t), t.TempDir()
	w.several()
	w.pull(dir)
	change(t, filepath.Join(dir, ".pull.db"), "fayi_body", "body", flip(20))
	truncate(t, filepath.Join(dir, file), 0) // so that it is written again
	if _, err := pull.Run(t.Context(), w.options(dir)); err == nil || !strings.Contains(err.Error(), stream) {
		t.Errorf("damaged store: %v", err)
	}
	if got := len(written(t, filepath.Join(dir, file))); got != len(w.published())-1 {
		t.Errorf("%d records written", got)
	}
}

// A line that breaks the schema it names is left out and counted.
func TestPullLeavesOutRefusedLines(t *testing.T) {
	t.Parallel()
	w, dir := build(t), t.TempDir()
	w.several()
	m, e := w.Member(province), w.Member(province).Node.Engine()
	st, err := m.Store.StreamByName(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	pack, _ := w.registry.Current(recordType)
	line := seal.AppendLine(nil, &seal.Line{Seq: st.Seq + 1, Key: "ZX-99", Op: seal.Put, At: sign.Now(), Src: "main", Ref: "main:0:0", Data: []byte(`{"consultNo":"ZX-99"}`)})
	seg, err := seal.Seal(seal.Draft{Stream: stream, Gen: st.Gen, First: st.Seq + 1, Prev: sign.Hash(st.Hash), Schema: pack.Ref(), Time: sign.Now()}, [][]byte{line}, e.Signer)
	if err != nil {
		t.Fatal(err)
	}
	name, err := sign.ParseStream(stream)
	if err != nil {
		t.Fatal(err)
	}
	readers, err := replicate.WrapNext(e.Directory, name, seg.Key)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := replicate.Stored(e.StoreKey, st.ID, seg, readers)
	if err != nil {
		t.Fatal(err)
	}
	good := w.published()
	end := stored.End().Pos
	if err := m.Store.Append(t.Context(), []store.Append{{Stream: st.ID, From: st.Head, Segments: []store.Segment{stored}, Checked: &end}}, nil); err != nil {
		t.Fatal(err)
	}
	res := w.pull(dir)
	if res.Refused != 1 {
		t.Errorf("refused %d", res.Refused)
	}
	if diff := cmp.Diff(good, written(t, filepath.Join(dir, file))); diff != "" {
		t.Errorf("good (-), written (+):\n%s", diff)
	}
}

// Following, a pull goes on with what is published meanwhile until it is
// stopped, while the node in whose name it asks runs and stores the same.
func TestPullFollowsBesideTheRunningNode(t *testing.T) {
	t.Parallel()
	w, dir := build(t), t.TempDir()
	w.run(city)
	w.several()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	opts := w.options(dir)
	opts.Follow = true
	reached := make(chan uint64, 100)
	opts.Wrote = func(name string, upto uint64, _ int) {
		if name == stream {
			reached <- upto
		}
	}
	type outcome struct {
		res *pull.Result
		err error
	}
	done := make(chan outcome, 1)
	go func() { res, err := pull.Run(ctx, opts); done <- outcome{res, err} }()
	await := func(want uint64) {
		t.Helper()
		for {
			select {
			case upto := <-reached:
				if upto == want {
					return
				}
			case o := <-done:
				t.Fatalf("ended: %+v", o)
			case <-ctx.Done():
				t.Fatalf("never wrote up to %d", want)
			}
		}
	}
	n := uint64(len(w.published()))
	await(n)
	w.publish(3, "ZX-06", "ZX-07")
	await(n + 2)
	w.publish(4, "ZX-06")
	await(n + 3)
	cancel()
	if o := <-done; o.err != nil || len(o.res.Faults) != 0 {
		t.Errorf("%+v", o)
	}
	if diff := cmp.Diff(w.published(), written(t, filepath.Join(dir, file))); diff != "" {
		t.Errorf("published (-), written (+):\n%s", diff)
	}
	w.eventually("the city's own copy is complete", func() bool {
		st, err := w.Member(city).Store.StreamByName(t.Context(), stream)
		return err == nil && st.Seq == n+3
	})
}

// A peer that cannot be reached, or is not who it should be, is an error with a code.
func TestPullFromNobody(t *testing.T) {
	t.Parallel()
	w := build(t)
	for name, c := range map[string]struct {
		change func(*pull.Options)
		code   string
	}{
		"nobody listens": {func(o *pull.Options) { o.URL = "http://127.0.0.1:1" }, problem.Unreachable},
		"somebody else":  {func(o *pull.Options) { o.URL = w.Member(province).Node.LocalURL() }, problem.Unreachable},
		"another node":   {func(o *pull.Options) { o.Peer = "100000" }, problem.BadAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			opts := w.options(t.TempDir())
			c.change(&opts)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			res, err := pull.Run(ctx, opts)
			if problem.Code(err) != c.code || res == nil || res.Records != 0 {
				t.Errorf("%v, %+v; want %s", err, res, c.code)
			}
		})
	}
}
