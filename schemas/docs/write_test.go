package packdoc

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func smallBook(t *testing.T) *Book {
	t.Helper()
	types, tables := load(t, map[string]string{"visit": visit}, map[string]string{"visit_kind": visitKind})
	b, err := New(types, tables, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func quiet(int, int) {}

// foreignPaths writes and returns the files in the way.
func foreignPaths(t *testing.T, b *Book, dir string) []string {
	t.Helper()
	_, err := b.Write(t.Context(), dir, false, quiet)
	var in *ForeignError
	if err != nil && !errors.As(err, &in) {
		t.Fatal(err)
	}
	if in == nil {
		return nil
	}
	return in.Paths
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestWrite(t *testing.T) {
	b, dir := smallBook(t), filepath.Join(t.TempDir(), "a", "docs")
	var steps [][2]int
	paths, err := b.Write(t.Context(), dir, false, func(done, all int) { steps = append(steps, [2]int{done, all}) })
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"index.html", "index.md", "codes.html", "codes.md", "types/visit.html", "types/visit.md", "templates/visit.csv", "templates/visit.xlsx", "fayi-docs.json"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Error(diff)
	}
	if len(steps) != 8 || steps[0] != [2]int{1, 8} || steps[7] != [2]int{8, 8} {
		t.Errorf("progress %v", steps)
	}
	for _, p := range want {
		read(t, filepath.Join(dir, p))
		if _, err := os.Stat(filepath.Join(dir, p+".part")); err == nil {
			t.Errorf("%s.part is left", p)
		}
	}

	// A newer pack updates what is ours, and leaves alone what it does not write.
	own := filepath.Join(dir, "notes.txt")
	put(t, own, "mine")
	old := read(t, filepath.Join(dir, "index.md"))
	b.Types[0].Title = "来访登记表"
	if in := foreignPaths(t, b, dir); in != nil {
		t.Errorf("our own files are taken for foreign: %v", in)
	}
	if read(t, filepath.Join(dir, "index.md")) == old || read(t, own) != "mine" {
		t.Error("not updated, or a foreign file touched")
	}
}

// What somebody filled in, edited, or had before is not overwritten; then nothing is written at all.
func TestWriteRefusesForeignFiles(t *testing.T) {
	b, dir := smallBook(t), t.TempDir()
	put(t, filepath.Join(dir, "index.html"), "a site of ours")
	if diff := cmp.Diff([]string{"index.html"}, foreignPaths(t, b, dir)); diff != "" {
		t.Error(diff)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("something was written: %v", entries)
	}
	if _, err := b.Write(t.Context(), dir, true, quiet); err != nil {
		t.Fatal(err)
	}
	form := filepath.Join(dir, "templates", "visit.csv")
	put(t, form, read(t, form)+"000001,1\r\n")
	b.Types[0].Title = "来访登记表"
	if diff := cmp.Diff([]string{"templates/visit.csv"}, foreignPaths(t, b, dir)); diff != "" {
		t.Error(diff)
	}
	// A ledger somebody broke makes every file foreign that differs from what would be written.
	put(t, filepath.Join(dir, ledgerName), "null")
	if in := foreignPaths(t, b, dir); len(in) < 3 {
		t.Errorf("without its ledger only %v are foreign", in)
	}
}

// An interrupted run can be repeated: its files are what would be written.
func TestWriteInterrupted(t *testing.T) {
	b, dir := smallBook(t), t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	paths, err := b.Write(ctx, dir, false, func(done, _ int) {
		if done == 3 {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) || len(paths) != 3 {
		t.Fatalf("%v after %v", err, paths)
	}
	if in := foreignPaths(t, b, dir); in != nil {
		t.Errorf("in the way: %v", in)
	}
}

// No symbolic link leads out of the folder, with or without force.
func TestWriteStaysInside(t *testing.T) {
	b, dir, outside := smallBook(t), t.TempDir(), t.TempDir()
	put(t, filepath.Join(outside, "file"), "outside")
	if err := os.Symlink(filepath.Join(outside, "file"), filepath.Join(dir, "index.html")); err != nil {
		t.Skip(err)
	}
	if in := foreignPaths(t, b, dir); len(in) != 1 {
		t.Errorf("a link is not foreign: %v", in)
	}
	if _, err := b.Write(t.Context(), dir, true, quiet); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "types")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "types")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Write(t.Context(), dir, true, quiet); err == nil {
		t.Error("a folder that leads outside is written to")
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 1 || read(t, filepath.Join(outside, "file")) != "outside" {
		t.Errorf("something was written outside: %v", entries)
	}
}
