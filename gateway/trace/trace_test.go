package trace_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"fayi/gateway/trace"
)

// TestWriter: one line an event, whole whoever writes beside it, appended to
// what was there; nothing where tracing is off.
func TestWriter(t *testing.T) {
	var off *trace.Writer
	off.Write(trace.Event{Event: trace.Seal})
	if off.Enabled() || off.Close() != nil {
		t.Error("no writer is a writer that writes nothing")
	}
	path := filepath.Join(t.TempDir(), "trace.jsonl")
	for range 2 { // two processes one after the other
		w, err := trace.Open(path, "610800")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				w.Write(trace.Event{Event: trace.Deliver, Stream: "610800/lawyer/upstream", First: uint64(i + 1), Keys: []string{trace.Key("张三")}})
			}()
		}
		wg.Wait()
		if !w.Enabled() || w.Close() != nil {
			t.Error("close")
		}
		w.Write(trace.Event{Event: trace.Alarm}) // a trace that cannot be written stops nobody
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(raw, []byte("\n")), []byte("\n"))
	if len(lines) != 100 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, l := range lines {
		var e trace.Event
		if err := json.Unmarshal(l, &e); err != nil || e.Node != "610800" || e.PID != os.Getpid() || e.At.IsZero() || e.Event != trace.Deliver {
			t.Errorf("%s: %v", l, err)
		}
	}
	if bytes.Contains(raw, []byte("张三")) {
		t.Error("a record key in the clear")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if _, err := trace.Open(filepath.Join(path, "x"), "610800"); err == nil {
		t.Error("opened a trace below a file")
	}
}
