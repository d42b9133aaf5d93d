package pull_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fayi/gateway/pull"
	"fayi/schemas/sfxml"

	"github.com/google/go-cmp/cmp"
)

func asXML(o *pull.Options) { o.XML = true }

// message reads a stream's file as XML; it must be closed.
func message(w *world, path string) (out []record) {
	w.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	x, err := sfxml.NewReader(f, sfxml.UTF8, w.registry.Current)
	if err != nil {
		w.t.Fatal(err)
	}
	for {
		r, err := x.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil || r.Fault != nil || r.Schema != x.Type().Ref() {
			w.t.Fatalf("%v %+v", err, r)
		}
		out = append(out, record{x.Head().Stream, r.Gen, r.Seq, r.Key, r.Op, r.At, r.Src, r.Data})
	}
}

// As XML a stream's file is one message that holds what was published, byte for
// byte, and is whole after every run: with news, without, after damage.
func TestPullXML(t *testing.T) {
	t.Parallel()
	w, dir := build(t), t.TempDir()
	data := filepath.Join(dir, strings.TrimSuffix(file, ".ndjson")+".xml")
	check := func(when string) {
		t.Helper()
		if res := w.pull(dir, asXML); len(res.Faults) != 0 {
			t.Errorf("%s: %v", when, res.Faults)
		}
		if diff := cmp.Diff(w.published(), message(w, data)); diff != "" {
			t.Errorf("%s: published (-), written (+):\n%s", when, diff)
		}
	}
	w.several()
	check("first")
	check("nothing new")
	w.publish(3, "ZX-05", "ZX-02")
	check("news")
	appendTo(t, data, "<record>")
	check("garbage behind the end")
	truncate(t, data, -30)
	check("cut off within a record")
	truncate(t, data, -3)
	check("cut off within the end")
	remove(t, data)
	check("gone")
	w.delete("ZX-05")
	appendTo(t, data, "x")
	check("news and garbage")
	// Beside it, the same stream as NDJSON, each with its own position.
	w.pull(dir)
	if diff := cmp.Diff(w.published(), written(t, filepath.Join(dir, file))); diff != "" {
		t.Errorf("NDJSON beside XML (-want +got):\n%s", diff)
	}
	check("both")
}
