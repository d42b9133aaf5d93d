package seal_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"fayi/crypto/seal"
	"fayi/crypto/sign"

	secondSM4 "github.com/tjfoc/gmsm/sm4"
)

// Each bit of a body and of a wrapped key counts (must-reject 23, 26, 28), and
// every failure is the one answer of protocol §3, steps 8–9.
func TestEveryBitOfBodyAndWrappedKey(t *testing.T) {
	seg, readers := sealed(t, record(0))
	flipped(seg.Body, func(at int, b []byte) {
		if lines, err := seal.Open(&seg.Header, seg.Bytes, b, seg.Key); lines != nil || err != seal.ErrCannotOpen {
			t.Errorf("bit %d of the body: %v", at, err)
		}
	})
	flipped(seg.Key, func(at int, b []byte) {
		if lines, err := seal.Open(&seg.Header, seg.Bytes, seg.Body, b); lines != nil || err != seal.ErrCannotOpen {
			t.Errorf("bit %d of the key: %v", at, err)
		}
	})
	flipped(readers[0].Wrapped, func(at int, b []byte) {
		if key, err := seal.Unwrap(reader().unwrapper, []seal.Reader{{To: readers[0].To, Wrapped: b}}); key != nil || err != seal.ErrCannotOpen {
			t.Errorf("bit %d of the wrapped key: %x, %v", at, key, err)
		}
	})
	flipped(readers[0].To[:], func(at int, b []byte) {
		if key, err := seal.Unwrap(reader().unwrapper, []seal.Reader{{To: sign.Hash(b), Wrapped: readers[0].Wrapped}}); key != nil || err != seal.ErrCannotOpen {
			t.Errorf("bit %d of the reader's name: %x, %v", at, key, err)
		}
	})
}

// Keys that are good elsewhere (must-reject 22, 23, 53; review T11).
func TestKeysOfOthers(t *testing.T) {
	seg, readers := sealed(t, record(0))
	other, others := sealed(t, record(1))
	moved := must(seal.Unwrap(reader().unwrapper, others))(t)
	if !bytes.Equal(moved, other.Key) {
		t.Fatal("the other segment's key does not open its own")
	}
	for what, key := range map[string][]byte{"of another segment": moved, "empty": {}, "of 15 bytes": seg.Key[:15], "of 17 bytes": append(slices.Clone(seg.Key), 0), "of 32 bytes": slices.Concat(seg.Key, seg.Key), "none": nil} {
		if _, err := seal.Open(&seg.Header, seg.Bytes, seg.Body, key); err != seal.ErrCannotOpen {
			t.Errorf("key %s: %v", what, err)
		}
	}
	forOrigin := must(seal.WrapFor(seg.Key, origin().encCert))(t)
	for what, rs := range map[string][]seal.Reader{
		"nobody":              nil,
		"somebody else":       forOrigin,
		"somebody else as me": {{To: readers[0].To, Wrapped: forOrigin[0].Wrapped}},
		"an empty key":        {{To: readers[0].To}},
		"the key in clear":    {{To: readers[0].To, Wrapped: seg.Key}},
	} {
		if key, err := seal.Unwrap(reader().unwrapper, rs); key != nil || err != seal.ErrCannotOpen {
			t.Errorf("wrapped for %s: %x, %v", what, key, err)
		}
	}
	if key, err := seal.Unwrap(reader().unwrapper, append(forOrigin, readers...)); err != nil || !bytes.Equal(key, seg.Key) {
		t.Errorf("second in the list: %x, %v", key, err)
	}
	if _, err := seal.WrapFor(seg.Key, origin().signCert); err == nil {
		t.Error("wrapped for a signing certificate")
	}
	if _, err := seal.Open(&seg.Header, other.Bytes, seg.Body, seg.Key); err != seal.ErrCannotOpen {
		t.Errorf("a body under another header: %v", err)
	}
}

// plaintexts that a holder of the key could put into a container; the header's
// count and root are right throughout.
func TestHostileContainers(t *testing.T) {
	lines := records(3)
	seg, _ := sealed(t, lines...)
	good := text(lines...)
	member := zipped(t, good)
	word := func(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
	pad := func(b []byte) []byte { return append(b, make([]byte, -len(b)&1023)...) }
	change := func(b []byte, f func([]byte)) []byte { c := slices.Clone(b); f(c); return c }
	plain := padded(member)
	if len(member)%1024 > 1000 || len(plain) == len(member)+4 {
		t.Fatalf("a member of %d bytes leaves no padding to change", len(member))
	}
	named := func() []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Name, w.Comment, w.Extra = "lines.ndjson", "comment", []byte("extra")
		must(w.Write(good))(t)
		w.Close()
		return b.Bytes()
	}
	cases := map[string]struct {
		plain []byte
		ok    bool
	}{
		"as it should be":               {plain, true},
		"another writer's member":       {padded(named()), true},
		"stored, not deflated":          {padded(stored(t, good)), true},
		"a KiB more of zeros":           {append(slices.Clone(plain), make([]byte, 1024)...), false},
		"padding not zero at its start": {change(plain, func(b []byte) { b[4+len(member)] = 1 }), false},
		"padding not zero at its end":   {change(plain, func(b []byte) { b[len(b)-1] = 1 }), false},
		"length one too small":          {pad(slices.Concat(word(len(member)-1), member)), false},
		"length one too large":          {pad(slices.Concat(word(len(member)+1), member)), false},
		"length of the rest":            {change(plain, func(b []byte) { copy(b, word(len(plain)-4)) }), false},
		"length beyond the rest":        {change(plain, func(b []byte) { copy(b, word(len(plain)-3)) }), false},
		"length of the whole":           {change(plain, func(b []byte) { copy(b, word(len(plain))) }), false},
		"length of 4 GiB":               {change(plain, func(b []byte) { copy(b, word(-1)) }), false},
		"length 0":                      {make([]byte, 1024), false},
		"little-endian length":          {change(plain, func(b []byte) { binary.LittleEndian.PutUint32(b, uint32(len(member))) }), false},
		"no KiB":                        {nil, false},
		"not whole KiB":                 {slices.Concat(word(len(member)), member), len(member)%1024 == 1020},
		"two members":                   {padded(slices.Concat(zipped(t, good[:len(lines[0])+1]), zipped(t, good[len(lines[0])+1:]))), false},
		"an empty member after":         {padded(slices.Concat(member, zipped(t, nil))), false},
		"an empty member before":        {padded(slices.Concat(zipped(t, nil), member)), false},
		"a byte after the member":       {padded(append(slices.Clone(member), 0)), false},
		"not gzip":                      {padded(good), false},
		"raw deflate":                   {padded(member[10 : len(member)-8]), false},
		"wrong magic":                   {padded(change(member, func(b []byte) { b[0] = 0 })), false},
		"unknown method":                {padded(change(member, func(b []byte) { b[2] = 9 })), false},
		"wrong checksum":                {padded(change(member, func(b []byte) { b[len(b)-8] ^= 1 })), false},
		"wrong size at its end":         {padded(change(member, func(b []byte) { b[len(b)-4] ^= 1 })), false},
		"size at its end of 4 GiB":      {padded(change(member, func(b []byte) { copy(b[len(b)-4:], "\xff\xff\xff\xff") })), false},
		"member cut short":              {padded(member[:len(member)-9]), false},
		"no trailer":                    {padded(member[:len(member)-8]), false},
		"a line missing":                {padded(zipped(t, text(lines[:2]...))), false},
		"a line too many":               {padded(zipped(t, text(append(lines[:3:3], lines[0])...))), false},
		"an empty line too many":        {padded(zipped(t, append(slices.Clone(good), '\n'))), false},
		"no line feed at the end":       {padded(zipped(t, good[:len(good)-1])), false},
		"more after the last line feed": {padded(zipped(t, append(slices.Clone(good), ' '))), false},
		"CRLF":                          {padded(zipped(t, bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")))), false},
		"BOM":                           {padded(zipped(t, slices.Concat([]byte("\uFEFF"), good))), false},
		"lines swapped":                 {padded(zipped(t, text(lines[1], lines[0], lines[2]))), false},
		"a line changed":                {padded(zipped(t, bytes.Replace(good, []byte("YL-2026-00001"), []byte("YL-2026-00007"), 1))), false},
		"two lines joined":              {padded(zipped(t, text(slices.Concat(lines[0], lines[1]), lines[2], nil))), false},
		"nothing":                       {padded(zipped(t, nil)), false},
		"line feeds alone":              {padded(zipped(t, []byte("\n\n\n"))), false},
		"a bomb of line feeds":          {padded(zipped(t, bytes.Repeat([]byte("\n"), 64<<20))), false},
		"a bomb after good lines":       {padded(zipped(t, append(slices.Clone(good), make([]byte, 64<<20)...))), false},
		"a bomb of one line":            {padded(zipped(t, append(make([]byte, seal.MaxLineBytes), '\n'))), false},
		"a line erased":                 {padded(zipped(t, text(lines[0], seal.AppendErased(nil, 1202, root(lines[1:2])), lines[2]))), true},
		"all lines erased":              {padded(zipped(t, text(erased(lines)...))), true},
		"another line's leaf":           {padded(zipped(t, text(lines[0], seal.AppendErased(nil, 1202, root(lines[:1])), lines[2]))), false},
		"an inner node as a leaf":       {padded(zipped(t, text(seal.AppendErased(nil, 1201, root(lines[:2])), lines[2]))), false},
		"a leaf with something more":    {padded(zipped(t, text(lines[0], append(seal.AppendErased(nil, 1202, root(lines[1:2])), ' '), lines[2]))), false},
	}
	for what, c := range cases {
		got, err := seal.Open(&seg.Header, seg.Bytes, container(t, seg.Bytes, seg.Key, c.plain), seg.Key)
		if c.ok != (err == nil) || err != nil && (err != seal.ErrCannotOpen || got != nil) {
			t.Errorf("%s: %d lines, %v", what, len(got), err)
		}
		if c.ok && seal.Root(got) != seg.Header.Root {
			t.Errorf("%s: another root", what)
		}
	}
}

func erased(lines [][]byte) [][]byte {
	out := make([][]byte, len(lines))
	for i := range lines {
		out[i] = seal.AppendErased(nil, draft().First+uint64(i), root(lines[i:i+1]))
	}
	return out
}

// stored is one gzip member without compression.
func stored(t *testing.T, text []byte) []byte {
	var b bytes.Buffer
	w := must(gzip.NewWriterLevel(&b, gzip.NoCompression))(t)
	must(w.Write(text))(t)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The header decides: right lines under a header of another count or root do not
// open, and no header makes Open panic.
func TestCountAndRoot(t *testing.T) {
	lines := records(3)
	seg, _ := sealed(t, lines...)
	for what, f := range map[string]func(*seal.Header){
		"count of 2":         func(h *seal.Header) { h.Count = 2 },
		"count of 4":         func(h *seal.Header) { h.Count = 4 },
		"count of 0":         func(h *seal.Header) { h.Count = 0 },
		"count of 2^64 - 1":  func(h *seal.Header) { h.Count = 1<<64 - 1 },
		"another root":       func(h *seal.Header) { h.Root[31] ^= 1 },
		"the root of 2":      func(h *seal.Header) { h.Root = root(lines[:2]) },
		"no root":            func(h *seal.Header) { h.Root = sign.Hash{} },
		"count 0, text none": func(h *seal.Header) { h.Count = 0; h.Root = sign.Hash{} },
	} {
		h := seg.Header
		f(&h)
		for _, plain := range [][]byte{padded(zipped(t, text(lines...))), padded(zipped(t, nil))} {
			if got, err := seal.Open(&h, seg.Bytes, container(t, seg.Bytes, seg.Key, plain), seg.Key); got != nil || err != seal.ErrCannotOpen {
				t.Errorf("%s: %d lines, %v", what, len(got), err)
			}
		}
	}
}

func TestBodySizes(t *testing.T) {
	seg, _ := sealed(t, record(0))
	for _, n := range []int{0, 1, 12, 28, 29, len(seg.Body) - 1024, len(seg.Body) - 1} {
		if _, err := seal.Open(&seg.Header, seg.Bytes, seg.Body[:n], seg.Key); err != seal.ErrCannotOpen {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	for _, n := range []int{1, 16, 1024, seal.MaxBody, 16 << 20} {
		if _, err := seal.Open(&seg.Header, seg.Bytes, append(slices.Clone(seg.Body), make([]byte, n)...), seg.Key); err != seal.ErrCannotOpen {
			t.Errorf("%d bytes more: %v", n, err)
		}
	}
	// So is a member that holds good lines behind 600 KiB of nothing: empty stored
	// blocks of RFC 1951 §3.2.4, each of five bytes.
	good := stored(t, text(record(0)))
	bloated := slices.Concat(good[:10], bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, 600<<10/5), good[10:])
	for what, c := range map[string]struct {
		member []byte
		want   error
	}{"as it is": {good, nil}, "behind nothing": {bloated, seal.ErrCannotOpen}} {
		if _, err := seal.Open(&seg.Header, seg.Bytes, container(t, seg.Bytes, seg.Key, padded(c.member)), seg.Key); err != c.want {
			t.Errorf("a member %s: %v", what, err)
		}
	}
	// A container above the limit is refused before it is decrypted, even where
	// it would open.
	big := container(t, seg.Bytes, seg.Key, make([]byte, (seal.MaxBody/1024+1)*1024))
	if _, err := seal.Open(&seg.Header, seg.Bytes, big, seg.Key); err != seal.ErrCannotOpen {
		t.Errorf("%d bytes: %v", len(big), err)
	}
}

// A bomb costs no more memory than the largest good segment.
func TestBombsAreCheap(t *testing.T) {
	seg, _ := sealed(t, record(0))
	body := container(t, seg.Bytes, seg.Key, padded(zipped(t, make([]byte, 256<<20))))
	if len(body) > seal.MaxBody {
		t.Fatalf("the bomb itself has %d bytes", len(body))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := seal.Open(&seg.Header, seg.Bytes, body, seg.Key); err != seal.ErrCannotOpen {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 3<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// A library that computes GCM tags in its own way is not interoperable, and its
// bodies are refused (must-reject 50).
func TestOtherGCM(t *testing.T) {
	lines := records(1)
	seg, _ := sealed(t, lines...)
	nonce := []byte("nonce of 12.")
	ct, tag, err := secondSM4.Sm4GCM(seg.Key, nonce, padded(zipped(t, text(lines...))), aad(seg.Bytes), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Open(&seg.Header, seg.Bytes, slices.Concat(nonce, ct, tag), seg.Key); !errors.Is(err, seal.ErrCannotOpen) {
		t.Errorf("opened: %v", err)
	}
}

// What Open returns belongs to the caller: opening again gives the same, and a
// line cannot grow into the next.
func TestLinesAreTheCallers(t *testing.T) {
	lines := records(3)
	seg, _ := sealed(t, lines...)
	body := slices.Clone(seg.Body)
	got := must(seal.Open(&seg.Header, seg.Bytes, seg.Body, seg.Key))(t)
	_ = append(got[0], "more"...)
	if !reflect.DeepEqual(got, lines) || !bytes.Equal(body, seg.Body) {
		t.Error("opening or appending changed something")
	}
	clear(got[0])
	if again := must(seal.Open(&seg.Header, seg.Bytes, seg.Body, seg.Key))(t); !reflect.DeepEqual(again, lines) {
		t.Error("opened differently the second time")
	}
}
