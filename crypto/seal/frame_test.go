package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func frame(t testing.TB) seal.Frame {
	t.Helper()
	seg, readers := sealed(t, record(0))
	return seal.Frame{Header: seg.Bytes, Sig: seg.Sig, Readers: readers, Chain: [][]byte{origin().signCert.Raw()}, Body: seg.Body}
}

// The JSON form is that of protocol §2, keys as 04 ‖ C1 ‖ C3 ‖ C2.
func TestFrameJSON(t *testing.T) {
	f := frame(t)
	b64 := base64.StdEncoding.EncodeToString
	raw := must(keys.WrappedToRaw(f.Readers[0].Wrapped))(t)
	want := fmt.Sprintf(`{"header":"%s","sig":"%s","readers":[{"to":"%x","wk":"%s"}],"chain":["%s"],"body":"%s"}`,
		b64(f.Header), b64(f.Sig), f.Readers[0].To[:], b64(raw), b64(f.Chain[0]), b64(f.Body))
	for what, v := range map[string]any{"value": f, "pointer": &f} {
		if got := must(json.Marshal(v))(t); string(got) != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	var got seal.Frame
	if err := json.Unmarshal([]byte(want), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, got); diff != "" {
		t.Error(diff)
	}
	h := must(seal.ParseHeader(got.Header))(t)
	key := must(seal.Unwrap(reader().unwrapper, got.Readers))(t)
	if lines := must(seal.Open(h, got.Header, got.Body, key))(t); !bytes.Equal(lines[0], record(0)) {
		t.Errorf("opened %s", lines[0])
	}
}

func TestFrameRoundTrip(t *testing.T) {
	wrapped := must(seal.WrapFor(make([]byte, 16), origin().encCert, reader().encCert))(t)
	rapid.Check(t, func(t *rapid.T) {
		some := func(label string, minLen, maxLen int) []byte {
			return rapid.SliceOfN(rapid.Byte(), minLen, maxLen).Draw(t, label)
		}
		f := seal.Frame{Header: some("header", 1, 100), Sig: some("sig", 1, 128), Body: some("body", 0, 100)}
		for i := range rapid.IntRange(0, seal.MaxReaders).Draw(t, "readers") {
			f.Readers = append(f.Readers, seal.Reader{To: sign.Sum([]byte{byte(i)}), Wrapped: wrapped[i%2].Wrapped})
		}
		for range rapid.IntRange(0, seal.MaxChain).Draw(t, "chain") {
			f.Chain = append(f.Chain, some("certificate", 0, 100))
		}
		b, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var got seal.Frame
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestFrameBounds(t *testing.T) {
	good := frame(t)
	b64 := func(n int) string { return `"` + base64.StdEncoding.EncodeToString(make([]byte, n)) + `"` }
	raw := base64.StdEncoding.EncodeToString(must(keys.WrappedToRaw(good.Readers[0].Wrapped))(t))
	der := base64.StdEncoding.EncodeToString(good.Readers[0].Wrapped)
	readers := func(n int, wk string) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf(`{"to":"%064x","wk":"%s"}`, i, wk))
		}
		return "[" + strings.Join(out, ",") + "]"
	}
	list := func(n int, item string) string {
		return "[" + strings.Join(slices.Repeat([]string{item}, n), ",") + "]"
	}
	for what, c := range map[string]struct {
		member, value string
		ok            bool
	}{
		"as it is":                     {"sig", `"MA=="`, true},
		"header of 4 KiB":              {"header", b64(seal.MaxHeader), true},
		"header above 4 KiB":           {"header", b64(seal.MaxHeader + 1), false},
		"no header":                    {"header", `""`, false},
		"header null":                  {"header", `null`, false},
		"header in clear":              {"header", `{}`, false},
		"base64 for addresses":         {"header", `"_-8="`, false},
		"base64 without padding":       {"header", `"MA"`, false},
		"no signature":                 {"sig", `""`, false},
		"a signature of 129 bytes":     {"sig", b64(129), false},
		"64 readers":                   {"readers", readers(64, raw), true},
		"65 readers":                   {"readers", readers(65, raw), false},
		"no readers":                   {"readers", `[]`, true}, // to a carrier: nobody it could open for is known yet
		"one reader twice":             {"readers", strings.ReplaceAll(readers(2, raw), `1"`, `0"`), false},
		"wrapped key in DER":           {"readers", readers(1, der), false},
		"wrapped key empty":            {"readers", readers(1, ""), false},
		"wrapped key cut short":        {"readers", readers(1, "BA=="), false},
		"reader null":                  {"readers", `[null]`, false},
		"reader's name null":           {"readers", `[{"to":null,"wk":"` + raw + `"}]`, false},
		"reader's name short":          {"readers", `[{"to":"00","wk":"` + raw + `"}]`, false},
		"reader's name not hex":        {"readers", strings.Replace(readers(1, raw), `"0`, `"g`, 1), false},
		"8 certificates":               {"chain", list(8, b64(10)), true},
		"9 certificates":               {"chain", list(9, b64(10)), false},
		"a certificate of 4 KiB":       {"chain", list(1, b64(keys.MaxCertificate)), true},
		"a certificate above 4 KiB":    {"chain", list(1, b64(keys.MaxCertificate+1)), false},
		"no chain":                     {"chain", `[]`, true},
		"the largest body":             {"body", b64(seal.MaxBody), true},
		"a body above the limit":       {"body", b64(seal.MaxBody + 1), false},
		"a body that is not base64":    {"body", `"!"`, false},
		"a list where an object is":    {"readers", `{}`, false},
		"a number where a list should": {"chain", `1`, false},
	} {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(must(json.Marshal(good))(t), &m); err != nil {
			t.Fatal(err)
		}
		m[c.member] = json.RawMessage(c.value)
		var f seal.Frame
		if err := json.Unmarshal(must(json.Marshal(m))(t), &f); (err == nil) != c.ok || err != nil && !errors.Is(err, seal.ErrFrame) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, text := range []string{`[]`, `null`, `""`, `{}`, `1`} {
		var f seal.Frame
		if err := f.UnmarshalJSON([]byte(text)); !errors.Is(err, seal.ErrFrame) {
			t.Errorf("%s: %v", text, err)
		}
	}
	bad := good
	bad.Readers = []seal.Reader{{Wrapped: []byte{0x30}}}
	if b, err := json.Marshal(bad); err == nil {
		t.Errorf("written with a reader that is none: %s", b)
	}
}

func drawReaders(t *rapid.T) []seal.Reader {
	var rs []seal.Reader
	for i := range rapid.IntRange(0, seal.MaxReaders).Draw(t, "readers") {
		rs = append(rs, seal.Reader{To: sign.Sum([]byte{byte(i)}), Wrapped: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "wrapped")})
	}
	return rs
}

func TestStoredReaders(t *testing.T) {
	if got, want := hex.EncodeToString(seal.EncodeReaders([]seal.Reader{{To: hashA, Wrapped: []byte{0x30, 1}}, {Wrapped: make([]byte, 256)}})),
		hexA+"00023001"+strings.Repeat("00", 32)+"0100"+strings.Repeat("00", 256); got != want {
		t.Errorf("written as %s, want %s", got, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		rs := drawReaders(t)
		b := seal.EncodeReaders(rs)
		got, err := seal.DecodeReaders(b)
		if diff := cmp.Diff(rs, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("%v: %s", err, diff)
		}
		// Added to by others at the same time: a reader counts once, the first as it was.
		again := slices.Clone(rs)
		rapid.Permutation(again).Draw(t, "others")
		for i := range again {
			again[i].Wrapped = append(again[i].Wrapped[:len(again[i].Wrapped):len(again[i].Wrapped)], 1)
		}
		got, err = seal.DecodeReaders(append(b, seal.EncodeReaders(again)...))
		if diff := cmp.Diff(rs, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("appended to: %v: %s", err, diff)
		}
		if n := rapid.IntRange(0, len(b)).Draw(t, "cut"); n < len(b) {
			if got, err := seal.DecodeReaders(b[:n]); err == nil && !bytes.Equal(seal.EncodeReaders(got), b[:n]) {
				t.Fatalf("the first %d of %d bytes are read as %v", n, len(b), got)
			}
		}
	})
	var many []seal.Reader
	for i := range 2 * seal.MaxReaders {
		many = append(many, seal.Reader{To: sign.Sum([]byte{byte(i)}), Wrapped: []byte{byte(i)}})
	}
	if got := must(seal.DecodeReaders(seal.EncodeReaders(many)))(t); len(got) != seal.MaxReaders || got[63].Wrapped[0] != 63 {
		t.Errorf("%d readers", len(got))
	}
	for n := 1; n < 36; n++ {
		if got, err := seal.DecodeReaders(seal.EncodeReaders([]seal.Reader{{To: hashA, Wrapped: []byte{1, 2}}})[:n]); !errors.Is(err, seal.ErrFrame) {
			t.Errorf("%d bytes: %v, %v", n, got, err)
		}
	}
}
