package seal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"slices"
	"testing"
	"testing/iotest"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// binaryFrame writes a frame whole.
func binaryFrame(t testing.TB, f seal.Frame) []byte {
	t.Helper()
	return append(must(f.AppendBinary(nil))(t), f.Body...)
}

// The binary form is that of protocol §2, keys in DER.
func TestFrameBinary(t *testing.T) {
	f := frame(t)
	u16 := func(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
	r := f.Readers[0]
	want := slices.Concat([]byte("FYSG\x01"), u16(len(f.Header)), f.Header, u16(len(f.Sig)), f.Sig,
		u16(1), r.To[:], u16(len(r.Wrapped)), r.Wrapped, u16(1), u16(len(f.Chain[0])), f.Chain[0],
		binary.BigEndian.AppendUint32(nil, uint32(len(f.Body))), f.Body)
	if got := binaryFrame(t, f); !bytes.Equal(got, want) || f.BinarySize() != len(want) {
		t.Errorf("%x of %d bytes, want %x", got, f.BinarySize(), want)
	}
	// Bytes may come one by one; what follows is left where it is.
	rest := bytes.NewReader(append(bytes.Clone(want), "next"...))
	got, err := seal.ReadFrame(iotest.OneByteReader(rest))
	if diff := cmp.Diff(f, got); err != nil || diff != "" || rest.Len() != 4 {
		t.Errorf("%v, %d bytes left, %s", err, rest.Len(), diff)
	}
}

func TestFrameBinaryRoundTrip(t *testing.T) {
	wrapped := must(seal.WrapFor(make([]byte, 16), origin().encCert, reader().encCert))(t)
	rapid.Check(t, func(t *rapid.T) {
		some := func(label string, minLen, maxLen int) []byte {
			return rapid.SliceOfN(rapid.Byte(), minLen, maxLen).Draw(t, label)
		}
		f := seal.Frame{Header: some("header", 1, 100), Sig: some("sig", 1, 128), Body: some("body", 0, 100)}
		if rapid.Bool().Draw(t, "large") {
			f.Body = bytes.Repeat([]byte{7}, rapid.IntRange(0, seal.MaxBody).Draw(t, "size"))
		}
		for i := range rapid.IntRange(0, seal.MaxReaders).Draw(t, "readers") {
			f.Readers = append(f.Readers, seal.Reader{To: sign.Sum([]byte{byte(i)}), Wrapped: wrapped[i%2].Wrapped})
		}
		for range rapid.IntRange(0, seal.MaxChain).Draw(t, "chain") {
			f.Chain = append(f.Chain, some("certificate", 0, 100))
		}
		b, err := f.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, f.Body...)
		got, err := seal.ReadFrame(bytes.NewReader(b))
		if err != nil || !bytes.Equal(got.Body, f.Body) {
			t.Fatal(err)
		}
		f.Body, got.Body = nil, nil
		if diff := cmp.Diff(f, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		if n := rapid.IntRange(0, len(b)-1).Draw(t, "cut"); n < len(b) {
			if _, err := seal.ReadFrame(bytes.NewReader(b[:n])); !errors.Is(err, seal.ErrFrame) || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("the first %d of %d bytes: %v", n, len(b), err)
			}
		}
	})
}

func TestFrameBinaryBounds(t *testing.T) {
	good := frame(t)
	wrapped := good.Readers[0].Wrapped
	readers := func(n int, w []byte) (rs []seal.Reader) {
		for i := range n {
			rs = append(rs, seal.Reader{To: sign.Sum([]byte{byte(i)}), Wrapped: w})
		}
		return rs
	}
	for what, c := range map[string]struct {
		change func(f *seal.Frame)
		ok     bool
	}{
		"as it is":                  {func(*seal.Frame) {}, true},
		"header of 4 KiB":           {func(f *seal.Frame) { f.Header = make([]byte, seal.MaxHeader) }, true},
		"header above 4 KiB":        {func(f *seal.Frame) { f.Header = make([]byte, seal.MaxHeader+1) }, false},
		"no header":                 {func(f *seal.Frame) { f.Header = nil }, false},
		"no signature":              {func(f *seal.Frame) { f.Sig = nil }, false},
		"a signature of 129 bytes":  {func(f *seal.Frame) { f.Sig = make([]byte, 129) }, false},
		"64 readers":                {func(f *seal.Frame) { f.Readers = readers(64, wrapped) }, true},
		"65 readers":                {func(f *seal.Frame) { f.Readers = readers(65, wrapped) }, false},
		"no readers":                {func(f *seal.Frame) { f.Readers = nil }, true},
		"one reader twice":          {func(f *seal.Frame) { f.Readers = append(readers(1, wrapped), readers(1, wrapped)...) }, false},
		"wrapped key raw":           {func(f *seal.Frame) { f.Readers = readers(1, must(keys.WrappedToRaw(wrapped))(t)) }, false},
		"wrapped key empty":         {func(f *seal.Frame) { f.Readers = readers(1, nil) }, false},
		"wrapped key of 64 KiB":     {func(f *seal.Frame) { f.Readers = readers(1, make([]byte, 65535)) }, false},
		"8 certificates":            {func(f *seal.Frame) { f.Chain = make([][]byte, 8) }, true},
		"9 certificates":            {func(f *seal.Frame) { f.Chain = make([][]byte, 9) }, false},
		"a certificate above 4 KiB": {func(f *seal.Frame) { f.Chain = [][]byte{make([]byte, keys.MaxCertificate+1)} }, false},
		"the largest body":          {func(f *seal.Frame) { f.Body = make([]byte, seal.MaxBody) }, true},
		"a body above the limit":    {func(f *seal.Frame) { f.Body = make([]byte, seal.MaxBody+1) }, false},
	} {
		f := good
		c.change(&f)
		if _, err := seal.ReadFrame(bytes.NewReader(forge(f))); (err == nil) != c.ok || err != nil && !errors.Is(err, seal.ErrFrame) {
			t.Errorf("%s: %v", what, err)
		}
	}
	b := binaryFrame(t, good)
	for i := range len("FYSG\x01") {
		bad := bytes.Clone(b)
		bad[i] ^= 0x20
		if _, err := seal.ReadFrame(bytes.NewReader(bad)); !errors.Is(err, seal.ErrFrame) {
			t.Errorf("another magic: %v", err)
		}
	}
	if _, err := seal.ReadFrame(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the reader's own error: %v", err)
	}
}

// forge writes a frame whatever its parts are.
func forge(f seal.Frame) []byte {
	short := func(b, p []byte) []byte { return append(binary.BigEndian.AppendUint16(b, uint16(len(p))), p...) }
	b := short(short([]byte("FYSG\x01"), f.Header), f.Sig)
	b = binary.BigEndian.AppendUint16(b, uint16(len(f.Readers)))
	for _, r := range f.Readers {
		b = short(append(b, r.To[:]...), r.Wrapped)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(f.Chain)))
	for _, c := range f.Chain {
		b = short(b, c)
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(len(f.Body))), f.Body...)
}

// What a frame promises is not allocated before it comes.
func TestFrameBinaryAllocates(t *testing.T) {
	b := forge(seal.Frame{Header: []byte("h"), Sig: []byte("s")})
	binary.BigEndian.PutUint32(b[len(b)-4:], seal.MaxBody)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const frames = 64
	for range frames {
		if _, err := seal.ReadFrame(bytes.NewReader(b)); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / frames; got > seal.MaxBody/4 {
		t.Errorf("%d bytes for a frame that promises %d and sends none", got, seal.MaxBody)
	}
}

func BenchmarkReadFrame(b *testing.B) {
	raw := binaryFrame(b, frame(b))
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := seal.ReadFrame(bytes.NewReader(raw)); err != nil {
			b.Fatal(err)
		}
	}
}
