package seal_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"

	"pgregory.net/rapid"
)

// From lines to a segment and back, by way of everything a reader does
// (protocol §3, steps 2–9), and once more with other libraries.
func TestSealAndOpen(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := draft()
		lines := make([][]byte, rapid.IntRange(1, 20).Draw(rt, "lines"))
		for i := range lines {
			l := drawLine(rt)
			l.Seq = d.First + uint64(i)
			lines[i] = seal.AppendLine(nil, l)
		}
		seg := must(seal.Seal(d, lines, origin().signer))(t)
		readers := must(seal.WrapFor(seg.Key, origin().encCert, reader().encCert))(t)

		h := must(seal.ParseHeader(seg.Bytes))(t)
		want := seal.Header{
			V: 1, Suite: seal.Suite, Stream: d.Stream, Gen: d.Gen, First: d.First, Count: uint64(len(lines)), Prev: d.Prev, Root: root(lines), Schema: d.Schema,
			Time: d.Time, Key: sign.Hash(origin().signCert.ID()),
		}
		if !reflect.DeepEqual(*h, want) || !reflect.DeepEqual(seg.Header, want) || seg.Hash != sign.Sum(seg.Bytes) || seal.Root(lines) != want.Root {
			rt.Fatalf("header %+v, want %+v", h, want)
		}
		if err := seal.VerifyHeader(origin().signCert, seg.Bytes, seg.Sig); err != nil {
			rt.Fatal(err)
		}
		if !secondVerifies(t, origin().signCert, keys.SegmentV1, seg.Bytes, seg.Sig) {
			rt.Fatal("the second implementation refuses the signature")
		}
		for _, n := range nodes() {
			key := must(seal.Unwrap(n.unwrapper, readers))(t)
			got, err := seal.Open(h, seg.Bytes, seg.Body, key)
			if err != nil || !reflect.DeepEqual(got, lines) {
				rt.Fatalf("opened %q, %v; want %q", got, err, lines)
			}
		}
		if got := openByHand(t, seg); !bytes.Equal(got, text(lines...)) {
			rt.Fatalf("by the definition the body holds %q, want %q", got, text(lines...))
		}
	})
}

// openByHand reads a body by the words of protocol §2 with other libraries, and
// checks its sizes, length word and zeros.
func openByHand(t *testing.T, seg *seal.Segment) []byte {
	t.Helper()
	if n := len(seg.Body) - 12 - 16; n <= 0 || n%1024 != 0 {
		t.Fatalf("plaintext of %d bytes", n)
	}
	plain := must(gcm(t, seg.Key).Open(nil, seg.Body[:12], seg.Body[12:], aad(seg.Bytes)))(t)
	n := binary.BigEndian.Uint32(plain)
	member, zeros := plain[4:4+n], plain[4+n:]
	if len(zeros) >= 1024 || len(bytes.Trim(zeros, "\x00")) > 0 {
		t.Fatalf("%d bytes of padding: %x", len(zeros), zeros)
	}
	src := bytes.NewReader(member)
	z := must(gzip.NewReader(src))(t)
	z.Multistream(false)
	out := must(io.ReadAll(z))(t)
	if src.Len() != 0 {
		t.Fatalf("%d bytes after the member", src.Len())
	}
	return out
}

// A content key encrypts exactly one byte string (protocol §2, review A3).
func TestEverySealingDrawsKeyAndNonce(t *testing.T) {
	lines := records(2)
	first, _ := sealed(t, lines...)
	seen := map[string]bool{string(first.Key): true, string(first.Body[:12]): true}
	for range 100 {
		body, key, err := seal.SealBody(first.Bytes, lines)
		if err != nil || len(key) != 16 {
			t.Fatalf("key %x, %v", key, err)
		}
		if seen[string(key)] || seen[string(body[:12])] {
			t.Fatal("a key or a nonce is used twice")
		}
		seen[string(key)], seen[string(body[:12])] = true, true
		if got := must(seal.Open(&first.Header, first.Bytes, body, key))(t); !reflect.DeepEqual(got, lines) {
			t.Fatalf("opened %q", got)
		}
		if _, err := seal.Open(&first.Header, first.Bytes, body, first.Key); err != seal.ErrCannotOpen {
			t.Fatalf("opened with the key of another container: %v", err)
		}
	}
	a, b := must(seal.Seal(draft(), lines, origin().signer))(t), must(seal.Seal(draft(), lines, origin().signer))(t)
	if a.Hash != b.Hash || bytes.Equal(a.Sig, b.Sig) || bytes.Equal(a.Key, b.Key) {
		t.Error("two sealings of one draft: one identity, two signatures, two keys expected")
	}
}

// lineOf is a line of exactly n bytes, hard to compress where random is set.
func lineOf(seq uint64, n int, random bool) []byte {
	l := &seal.Line{Seq: seq, Key: "k", Op: seal.Put, At: noon, Data: []byte(`{"a":""}`)}
	fill := bytes.Repeat([]byte("x"), n-len(seal.AppendLine(nil, l)))
	if random {
		r := rand.New(rand.NewPCG(seq, 1))
		for i := range fill {
			for fill[i] = 0; fill[i] < 0x20 || fill[i] == '"' || fill[i] == '\\' || fill[i] > 0x7e; {
				fill[i] = byte(r.Uint32())
			}
		}
	}
	l.Data = fmt.Appendf(nil, `{"a":"%s"}`, fill)
	return seal.AppendLine(nil, l)
}

func TestLimits(t *testing.T) {
	first := draft().First
	many := func(n int) [][]byte {
		out := make([][]byte, n)
		for i := range out {
			out[i] = lineOf(first+uint64(i), 200, true)
		}
		return out
	}
	full := func(extra int, random bool) [][]byte { // with line feeds exactly 512 KiB, or more
		n := seal.MaxLineBytes/4 - 1
		return [][]byte{lineOf(first, n, random), lineOf(first+1, n, random), lineOf(first+2, n, random), lineOf(first+3, n+extra, random)}
	}
	for what, c := range map[string]struct {
		lines [][]byte
		ok    bool
	}{
		"no lines":                      {nil, false},
		"one line":                      {many(1), true},
		"1,000 lines":                   {many(1000), true},
		"1,001 lines":                   {many(1001), false},
		"512 KiB":                       {full(0, false), true},
		"512 KiB, hard to compress":     {full(0, true), true},
		"512 KiB and a byte":            {full(1, false), false},
		"512 KiB and a byte, hard":      {full(1, true), false},
		"a line of 256 KiB":             {[][]byte{lineOf(first, seal.MaxLine, true)}, true},
		"a line of 256 KiB and a byte":  {[][]byte{lineOf(first, seal.MaxLine+1, true)}, false},
		"a line feed inside a line":     {[][]byte{[]byte("{\n}")}, false},
		"a line feed at a line's end":   {[][]byte{append(record(0), '\n')}, false},
		"lines the size of a container": {many(40), true},
	} {
		s := &counting{Signer: origin().signer}
		seg, err := seal.Seal(draft(), c.lines, s)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", what, err)
		}
		if err != nil {
			if seg != nil || s.n != 0 {
				t.Errorf("%s: refused, yet %d signatures and segment %v", what, s.n, seg)
			}
			continue
		}
		if len(seg.Body) > seal.MaxBody {
			t.Errorf("%s: a body of %d bytes is above the limit", what, len(seg.Body))
		}
		if got := must(seal.Open(&seg.Header, seg.Bytes, seg.Body, seg.Key))(t); !reflect.DeepEqual(got, c.lines) {
			t.Errorf("%s: opened as %d other lines", what, len(got))
		}
	}
}

// counting counts what it is asked to sign.
type counting struct {
	keys.Signer
	n int
}

func (c *counting) Sign(ctx keys.Context, msg []byte) ([]byte, error) {
	c.n++
	return c.Signer.Sign(ctx, msg)
}

// Nothing is signed that a reader would refuse.
func TestSealRefusesDrafts(t *testing.T) {
	for what, f := range map[string]func(*seal.Draft){
		"malformed stream":   func(d *seal.Draft) { d.Stream = "610800/legal_aid_case/all" },
		"generation 0":       func(d *seal.Draft) { d.Gen = 0 },
		"generation of 2^53": func(d *seal.Draft) { d.Gen = 1 << 53 },
		"first 0":            func(d *seal.Draft) { d.First = 0 },
		"last of 2^53":       func(d *seal.Draft) { d.First = 1<<53 - 1 },
		"last beyond 64 bit": func(d *seal.Draft) { d.First = 1<<64 - 1 },
		"another schema":     func(d *seal.Draft) { d.Schema = "ticket@1#" + hexA },
		"no schema":          func(d *seal.Draft) { d.Schema = "" },
		"year 10000":         func(d *seal.Draft) { d.Time = sign.At(noon.AddDate(8000, 0, 0)) },
	} {
		d := draft()
		f(&d)
		s := &counting{Signer: origin().signer}
		if seg, err := seal.Seal(d, records(2), s); err == nil || seg != nil || s.n != 0 {
			t.Errorf("%s: %v, %d signatures", what, err, s.n)
		}
	}
}

// Sizes say as little as whole KiB do (review A23).
func TestPaddingHidesSizes(t *testing.T) {
	sizes := make(map[int]bool)
	for n := range 200 {
		seg, _ := sealed(t, []byte(strings.Repeat("x", n)))
		sizes[len(seg.Body)] = true
	}
	if len(sizes) != 1 || !sizes[12+1024+16] {
		t.Errorf("bodies of %v bytes", sizes)
	}
}

func TestRootOfErasedLines(t *testing.T) {
	lines := records(5)
	want := root(lines)
	for i := range lines {
		lines[i] = seal.AppendErased(nil, draft().First+uint64(i), root(lines[i:i+1]))
		if got := seal.Root(lines); got != want {
			t.Errorf("with %d lines erased the root is %s, want %s", i+1, got, want)
		}
	}
}

// Segments of a chain are what sealing them one after the other makes: dense numbers, each the hash of the one before,
// each with its own key; and each is handed over once.
func TestChain(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := draft()
		groups := make([]seal.Group, rapid.IntRange(1, 6).Draw(rt, "groups"))
		seq := d.First
		for g := range groups {
			groups[g].Schema = d.Schema
			for range rapid.IntRange(1, 5).Draw(rt, "lines") {
				groups[g].Lines = append(groups[g].Lines, lineOf(seq, 300, true))
				seq++
			}
		}
		handed := make([]int, len(groups))
		segs := must(seal.Chain(d, groups, origin().signer, func(i int, s *seal.Segment) error {
			if handed[i]++; len(s.Sig) == 0 || len(s.Body) == 0 {
				rt.Errorf("segment %d is handed over unfinished", i)
			}
			return nil
		}))(t)
		first, prev := d.First, d.Prev
		for i, s := range segs {
			h := must(seal.ParseHeader(s.Bytes))(t)
			if h.First != first || h.Prev != prev || s.Hash != sign.Sum(s.Bytes) || handed[i] != 1 {
				rt.Fatalf("segment %d begins at %d after %s, handed over %d times", i, h.First, h.Prev, handed[i])
			}
			if err := seal.VerifyHeader(origin().signCert, s.Bytes, s.Sig); err != nil {
				rt.Fatal(err)
			}
			if got := must(seal.Open(h, s.Bytes, s.Body, s.Key))(t); !reflect.DeepEqual(got, groups[i].Lines) {
				rt.Fatalf("segment %d holds %q", i, got)
			}
			for _, other := range segs[:i] {
				if bytes.Equal(other.Key, s.Key) {
					rt.Fatal("one content key for two segments")
				}
			}
			first, prev = first+h.Count, s.Hash
		}
	})
	failed := fmt.Errorf("no room")
	two := []seal.Group{{Schema: draft().Schema, Lines: records(1)}, {Schema: draft().Schema, Lines: records(1)}}
	if segs, err := seal.Chain(draft(), two, origin().signer, func(i int, _ *seal.Segment) error {
		if i == 1 {
			return failed
		}
		return nil
	}); segs != nil || !errors.Is(err, failed) {
		t.Errorf("%d segments, %v", len(segs), err)
	}
	if _, err := seal.Chain(draft(), []seal.Group{two[0], {Schema: draft().Schema}}, origin().signer, nil); err == nil {
		t.Error("a group without lines was sealed")
	}
}
