package gateway_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"fayi/gateway/archive"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
)

// archiveAll moves every body of a node's database into files.
func (l *lab) archiveAll(t *testing.T, node string) archive.Dir {
	t.Helper()
	m := l.Member(node)
	dir := archive.Open(filepath.Join(m.Dir, "archive"))
	m.Store.UseArchive(dir)
	a := &archive.Archiver{Store: m.Store, Dir: dir, After: -1, Log: quietLog()}
	segments, size, err := a.Round(t.Context())
	if err != nil || segments == 0 || size == 0 {
		t.Fatalf("archived %d segments, %d bytes: %v", segments, size, err)
	}
	if again, _, err := a.Round(t.Context()); err != nil || again != 0 {
		t.Errorf("archived %d segments again, %v", again, err)
	}
	var left int
	if err := m.Store.DB().QueryRow("SELECT COUNT(*) FROM fayi_body WHERE LENGTH(body) > 0").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d bodies are still in the database, %v", left, err)
	}
	return dir
}

// Old bodies in files serve a node that comes late, and every copy still
// verifies; what was damaged on the way is named and never served, and the
// other streams flow on.
func TestArchivedHistoryIsServed(t *testing.T) {
	inLabs(t, nil, func(t *testing.T, l *lab) {
		l.start(yulin, province)
		const n = 12
		consultations, tickets := up(yulin, "consultation"), up(yulin, "hotline_ticket")
		l.putNumbered(t, yulin, "consultation", 0, n)
		l.put(t, yulin, "hotline_ticket", "T-1", example(t, "hotline_ticket", "T-1", nil))
		l.eventually(t, province, "the province has all", func() bool {
			return l.stream(t, province, consultations).Seq == n && l.stream(t, province, tickets).Seq == 1
		})
		l.stop(yulin, province)
		l.archiveAll(t, yulin)
		dir := l.archiveAll(t, province)
		for _, node := range []string{yulin, province} {
			st := l.stream(t, node, consultations)
			if segs, err := replicate.VerifyStream(t.Context(), l.engine(node), &st); err != nil || segs == 0 {
				t.Errorf("%s: %d segments verified, %v", node, segs, err)
			}
		}

		// One file is damaged at the province, before the ministry has anything.
		st := l.stream(t, province, tickets)
		segs := l.segments(t, province, tickets)
		files, err := filepath.Glob(filepath.Join(dir.Path(), "*", segs[0].Hash.String()+".*"))
		if err != nil || len(files) != 1 {
			t.Fatalf("files %q, %v", files, err)
		}
		whole, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		hurt := append([]byte(nil), whole...)
		hurt[len(hurt)/2] ^= 1
		if err := os.WriteFile(files[0], hurt, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Member(province).Store.SegmentsAfter(t.Context(), st.ID, store.Pos{}, 9, 1<<20); !errors.Is(err, archive.ErrDamaged) {
			t.Errorf("a damaged body was read: %v", err)
		}
		l.reopen(province, nil)
		l.Member(province).Store.UseArchive(dir)
		l.start(ministry, province)
		l.eventually(t, ministry, "archived history arrives", func() bool { return l.stream(t, ministry, consultations).Seq == n })
		l.once(t, ministry, consultations, n)
		if got := l.stream(t, ministry, tickets).Seq; got != 0 {
			t.Errorf("%d numbers came from a damaged file", got)
		}
		// The file is put back: it flows, nobody else is asked for anything.
		if err := os.WriteFile(files[0], whole, 0o600); err != nil {
			t.Fatal(err)
		}
		l.eventually(t, ministry, "the mended stream arrives", func() bool { return l.stream(t, ministry, tickets).Seq == 1 })
	})
}

// A crash between file and row leaves the body in both; the next round finishes.
// A container that is replaced afterwards takes its old file along.
func TestArchiveInterrupted(t *testing.T) {
	inLabs(t, nil, func(t *testing.T, l *lab) {
		l.start(yulin, province)
		name := up(yulin, "consultation")
		l.putNumbered(t, yulin, "consultation", 0, 3)
		l.eventually(t, province, "the province has all", func() bool { return l.stream(t, province, name).Seq == 3 })
		l.stop()
		m := l.Member(province)
		dir := archive.Open(filepath.Join(m.Dir, "archive"))
		before := l.segments(t, province, name)
		if _, err := dir.Put(before[0].Hash, before[0].Body); err != nil {
			t.Fatal(err)
		}
		l.archiveAll(t, province)
		after := l.segments(t, province, name)
		for i := range before {
			if string(before[i].Body) != string(after[i].Body) {
				t.Errorf("segment %d came back changed", i)
			}
		}
		g := after[0]
		if err := m.Store.ReplaceContainer(t.Context(), g.Stream, g.Gen, g.First, g.Key, g.Readers, []byte("another body")); err != nil {
			t.Fatal(err)
		}
		if files, _ := filepath.Glob(filepath.Join(dir.Path(), "*", g.Hash.String()+".*")); len(files) != 0 {
			t.Errorf("the replaced body is still in %q", files)
		}
		if got := l.segments(t, province, name)[0].Body; string(got) != "another body" {
			t.Errorf("read %q", got)
		}
	})
}
