package seal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
)

// What strangers send: nothing panics, and what is accepted has one spelling.
// Run one with go test -fuzz FuzzParseLine.

func FuzzParseHeader(f *testing.F) {
	f.Add([]byte(goodHeader))
	for _, c := range [][2]string{{`stream`, `STREAM`}, {`stream`, `ſtream`}, {`500`, `5e2`}, {`1201`, `01201`}, {`,`, ", "}, {`"gen"`, `"gen":1,"gen"`}, {`upstream`, `to-61+62`}} {
		f.Add([]byte(strings.Replace(goodHeader, c[0], c[1], 1)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := seal.ParseHeader(b)
		if err != nil {
			if h != nil {
				t.Errorf("a header with error %v", err)
			}
			return
		}
		if again, err := sign.Marshal(h); err != nil || !bytes.Equal(again, b) || len(b) > seal.MaxHeader {
			t.Errorf("accepted\n%s\nand writes\n%s, %v", b, again, err)
		}
		if h.Count == 0 || h.Count > seal.MaxLines || h.Last() < h.First || h.Type() == "" {
			t.Errorf("accepted %s", b)
		}
	})
}

func FuzzParseLine(f *testing.F) {
	for _, g := range goodLines {
		f.Add([]byte(g.bytes))
	}
	f.Add(seal.AppendErased(nil, 1202, hashA))
	f.Fuzz(func(t *testing.T, b []byte) {
		if seq, leaf, ok := seal.ParseErased(b); ok && !bytes.Equal(seal.AppendErased(nil, seq, leaf), b) {
			t.Errorf("%q is read as %d, %s", b, seq, leaf)
		}
		l, err := seal.ParseLine(b)
		if err != nil {
			if l != nil || !errors.Is(err, seal.ErrLine) {
				t.Errorf("%v, %v", l, err)
			}
			return
		}
		if again := seal.AppendLine(nil, l); !bytes.Equal(again, b) || !json.Valid(b) || bytes.ContainsAny(b, "\r\n") {
			t.Errorf("accepted\n%q\nand writes\n%q", b, again)
		}
	})
}

func FuzzCompactData(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,-0.5,null,{"b":"\ud834\udd1e\/"}]}`, `{"a":1,"\u0061":2}`, `{"a":9007199254740992}`, ` { "a" : "\ud800" } `, nested(33, `[`, `]`), manyMembers(30, `,"m1":1`)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { agree(t, b) })
}

// FuzzOpen gives Open what a holder of the key could have sealed, or bytes as a
// stranger could send them.
func FuzzOpen(f *testing.F) {
	lines := [][]byte{[]byte(goodLines[0].bytes), []byte(goodLines[2].bytes)}
	seg, _ := sealed(f, lines...)
	f.Add(seg.Body, false)
	f.Add(padded(zipped(f, text(lines...))), true)
	f.Add(padded(zipped(f, text(lines[0], seal.AppendErased(nil, 1202, root(lines[1:]))))), true)
	f.Add(padded(append(zipped(f, text(lines...)), zipped(f, nil)...)), true)
	f.Add(padded(zipped(f, bytes.Repeat([]byte("\n"), 1<<20))), true)
	f.Fuzz(func(t *testing.T, b []byte, byHolder bool) {
		if byHolder {
			b = container(t, seg.Bytes, seg.Key, b)
		}
		got, err := seal.Open(&seg.Header, seg.Bytes, b, seg.Key)
		if err != nil {
			if got != nil || err != seal.ErrCannotOpen {
				t.Errorf("%q, %v", got, err)
			}
			return
		}
		for i, l := range got {
			if _, leaf, ok := seal.ParseErased(l); !bytes.Equal(l, lines[i]) && (!ok || leaf != root(lines[i:i+1])) {
				t.Errorf("line %d opens as %q", i, l)
			}
		}
	})
}

func FuzzFrameUnmarshalJSON(f *testing.F) {
	good, err := json.Marshal(frame(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"header":"MA==","sig":"MA==","readers":[],"chain":[],"body":""}`))
	f.Add([]byte(`{"header":"MA==","HEADER":"","sig":"MA==","readers":[{"to":"","wk":""}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var fr seal.Frame
		if fr.UnmarshalJSON(b) != nil {
			return
		}
		if len(fr.Header) == 0 || len(fr.Header) > seal.MaxHeader || len(fr.Readers) > seal.MaxReaders || len(fr.Chain) > seal.MaxChain || len(fr.Body) > seal.MaxBody {
			t.Errorf("accepted %q", b)
		}
		written, err := json.Marshal(fr)
		if err != nil {
			t.Fatal(err)
		}
		var again seal.Frame
		if err := again.UnmarshalJSON(written); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if rewritten, err := json.Marshal(again); err != nil || !bytes.Equal(written, rewritten) {
			t.Errorf("%s comes back as %s, %v", written, rewritten, err)
		}
	})
}

// FuzzReadFrame: what is read as binary is written so again, byte for byte, and
// is a frame in JSON too; nothing beyond it is read.
func FuzzReadFrame(f *testing.F) {
	good := binaryFrame(f, frame(f))
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(append(bytes.Clone(good), good...))
	f.Add([]byte("FYSG\x01\x00\x01h\x00\x01s\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("FYSG\x01\x00\x01h\x00\x01s\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		fr, err := seal.ReadFrame(r)
		if err != nil {
			if !errors.Is(err, seal.ErrFrame) {
				t.Errorf("%v", err)
			}
			return
		}
		if again := binaryFrame(t, fr); !bytes.Equal(again, b[:len(b)-r.Len()]) || len(again) != fr.BinarySize() {
			t.Errorf("%x comes back as %x", b, again)
		}
		written, err := json.Marshal(fr)
		var other seal.Frame
		if err != nil || other.UnmarshalJSON(written) != nil || !bytes.Equal(binaryFrame(t, other), binaryFrame(t, fr)) {
			t.Errorf("%x is no frame in JSON: %s, %v", b, written, err)
		}
	})
}

func FuzzDecodeReaders(f *testing.F) {
	f.Add([]byte{})
	f.Add(seal.EncodeReaders(frame(f).Readers))
	f.Add(bytes.Repeat([]byte{0}, 34*100))
	f.Fuzz(func(t *testing.T, b []byte) {
		rs, err := seal.DecodeReaders(b)
		if err != nil {
			if rs != nil {
				t.Errorf("%v with error %v", rs, err)
			}
			return
		}
		again, err := seal.DecodeReaders(seal.EncodeReaders(rs))
		if err != nil || len(rs) > seal.MaxReaders || !reflect.DeepEqual(again, rs) {
			t.Errorf("%v comes back as %v, %v", rs, again, err)
		}
	})
}
