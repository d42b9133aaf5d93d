package replicate_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fayi/crypto/sign"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
)

func head(gen, seq uint64) store.Head {
	return store.Head{Pos: store.Pos{Gen: gen, Seq: seq}, Hash: store.Hash(sign.Sum([]byte(fmt.Sprint(gen, seq))))}
}

func line(stream string, h store.Head) string {
	return fmt.Sprintf("%s %d %d %s\n", stream, h.Gen, h.Seq, h.Hash)
}

func openJournal(t testing.TB, path string) *replicate.Journal {
	t.Helper()
	j, err := replicate.OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

const (
	streamA = "610800/lawyer/upstream"
	streamB = "610800/law_firm/upstream"
)

// TestJournalRemembers: the last head of each stream is there after the process
// and the machine are gone, and never moves back.
func TestJournalRemembers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "heads.journal")
	j := openJournal(t, path)
	if got := j.Head(streamA); got != (store.Head{}) {
		t.Errorf("a new journal holds %v", got)
	}
	for _, heads := range []map[string]store.Head{
		{streamA: head(1, 5)}, {streamA: head(1, 9), streamB: head(7, 1)}, {streamA: head(2, 6)},
		{streamA: head(1, 100)}, // an older generation, whatever its number
	} {
		if err := j.Note(heads); err != nil {
			t.Fatal(err)
		}
	}
	// No Close: a killed process does not say goodbye.
	again := openJournal(t, path)
	for stream, want := range map[string]store.Head{streamA: head(2, 6), streamB: head(7, 1)} {
		if got := again.Head(stream); got != want || j.Head(stream) != want {
			t.Errorf("%s: %v, want %v", stream, got, want)
		}
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// TestJournalNoteIsIdempotent: a head noted before costs nothing, not even a line.
func TestJournalNoteIsIdempotent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "heads.journal")
	j := openJournal(t, path)
	defer j.Close()
	size := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	for range 3 {
		if err := j.Note(map[string]store.Head{streamA: head(1, 5)}); err != nil {
			t.Fatal(err)
		}
	}
	if want := int64(len(line(streamA, head(1, 5)))); size() != want {
		t.Errorf("%d bytes, want %d", size(), want)
	}
}

// TestJournalTorn: a last line without its line feed was being written when the
// machine stopped; what it announced had not left. Anything else that cannot be
// read is for a person.
func TestJournalTorn(t *testing.T) {
	whole := line(streamA, head(1, 5)) + line(streamB, head(1, 3))
	next := line(streamA, head(1, 6))
	for name, x := range map[string]struct {
		text string
		ok   bool
		a    store.Head
	}{
		"empty":                   {"", true, store.Head{}},
		"whole":                   {whole, true, head(1, 5)},
		"without a line feed":     {whole + strings.TrimSuffix(next, "\n"), true, head(1, 5)},
		"torn in the stream":      {whole + "610800/law", true, head(1, 5)},
		"torn in the number":      {whole + next[:len(streamA)+4], true, head(1, 5)},
		"torn in the hash":        {whole + next[:len(next)-9], true, head(1, 5)},
		"one torn byte":           {"6", true, store.Head{}},
		"a torn line that ended":  {whole + "610800/law\n", false, store.Head{}},
		"garbage in the middle":   {line(streamA, head(1, 5)) + "?\n" + line(streamB, head(1, 3)), false, store.Head{}},
		"a bad hash":              {streamA + " 1 5 zz\n", false, store.Head{}},
		"a short hash":            {streamA + " 1 5 00\n", false, store.Head{}},
		"a negative number":       {strings.Replace(whole, " 5 ", " -5 ", 1), false, store.Head{}},
		"more on the line":        {strings.Replace(whole, "\n", " x\n", 1), false, store.Head{}},
		"an empty line in it":     {line(streamA, head(1, 5)) + "\n" + line(streamB, head(1, 3)), false, store.Head{}},
		"a line longer than most": {strings.Repeat("x", 1<<17) + "\n", false, store.Head{}},
		"zeros after a crash":     {whole + strings.Repeat("\x00", 512), true, head(1, 5)},
	} {
		path := filepath.Join(t.TempDir(), "heads.journal")
		if err := os.WriteFile(path, []byte(x.text), 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := replicate.OpenJournal(path)
		if x.ok != (err == nil) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err != nil {
			if got, rerr := os.ReadFile(path); rerr != nil || string(got) != x.text {
				t.Errorf("%s: a journal that cannot be read was changed", name)
			}
			continue
		}
		if got := j.Head(streamA); got != x.a {
			t.Errorf("%s: %v, want %v", name, got, x.a)
		}
		// It goes on as if nothing had happened.
		if err := j.Note(map[string]store.Head{streamA: head(1, 8)}); err != nil {
			t.Error(err)
		}
		j.Close()
		again := openJournal(t, path)
		if again.Head(streamA) != head(1, 8) {
			t.Errorf("%s: after it %v", name, again.Head(streamA))
		}
		again.Close()
	}
}

// TestJournalCompacts: the file stays near one line a stream, and a rewrite that
// was interrupted loses nothing.
func TestJournalCompacts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "heads.journal")
	var sb strings.Builder
	for i := range uint64(30_000) {
		sb.WriteString(line(streamA, head(1, i+1)))
	}
	if err := os.WriteFile(path, []byte(sb.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".tmp", []byte("half a li"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := openJournal(t, path)
	defer j.Close()
	if raw, err := os.ReadFile(path); err != nil || string(raw) != line(streamA, head(1, 30_000)) {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
	if _, err := os.Stat(path + ".tmp"); !os.IsNotExist(err) {
		t.Error("the half-written copy is still there", err)
	}
}

// Processes of one host write a journal each and read all of them: what one
// noted is known to the next, whoever it is, and to one that only reads.
func TestJournalsOfOneHost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "heads.journal")
	one, two := openJournal(t, path), openJournal(t, path)
	for _, step := range []struct {
		j    *replicate.Journal
		head store.Head
	}{{one, head(1, 5)}, {two, head(1, 9)}, {one, head(1, 12)}} {
		if err := step.j.Refresh(); err != nil {
			t.Fatal(err)
		}
		if err := step.j.Note(map[string]store.Head{streamA: step.head}); err != nil {
			t.Fatal(err)
		}
	}
	if err := two.Refresh(); err != nil || two.Head(streamA) != head(1, 12) {
		t.Errorf("two knows %v, %v", two.Head(streamA), err)
	}
	read, err := replicate.ReadJournal(path)
	if err != nil || read.Head(streamA) != head(1, 12) {
		t.Errorf("the reader knows %v, %v", read.Head(streamA), err)
	}
	if err := read.Note(map[string]store.Head{streamA: head(2, 13)}); err == nil {
		t.Error("a journal opened to be read was written")
	}
	if err := errors.Join(one.Close(), two.Note(map[string]store.Head{streamA: head(2, 13)})); err != nil {
		t.Fatal(err)
	}
	// The first place is free again; what the other wrote meanwhile is known.
	three := openJournal(t, path)
	if three.Head(streamA) != head(2, 13) {
		t.Errorf("three knows %v", three.Head(streamA))
	}
	if err := errors.Join(two.Close(), three.Close()); err != nil {
		t.Error(err)
	}
}
