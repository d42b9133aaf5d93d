package keys_test

import (
	"bytes"
	"crypto/rand"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"

	"fayi/crypto/keys"

	"github.com/emmansun/gmsm/sm2"
	second "github.com/tjfoc/gmsm/sm2"
	"pgregory.net/rapid"
)

// wrapped is GM/T 0009 DER.
type wrapped struct {
	X, Y   *big.Int
	C3, C2 []byte
}

func TestWrapAndUnwrap(t *testing.T) {
	cert, u := unwrapper(t)
	if u.ID() != cert.ID() {
		t.Error("unwrapper and certificate differ in ID")
	}
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "key")
		der, err := cert.Wrap(key)
		if err != nil {
			t.Fatal(err)
		}
		if der[0] != 0x30 {
			t.Fatalf("first byte %#x", der[0])
		}
		raw, err := keys.WrappedToRaw(der)
		if err != nil || len(raw) != 113 || raw[0] != 4 {
			t.Fatalf("raw %x, %v", raw, err)
		}
		back, err := keys.WrappedFromRaw(raw)
		if err != nil || !bytes.Equal(back, der) {
			t.Fatalf("DER comes back as %x, %v", back, err)
		}
		got, err := u.Unwrap(der)
		if err != nil || !bytes.Equal(got, key) {
			t.Fatalf("unwrapped %x, %v", got, err)
		}
		bad := slices.Clone(der)
		bad[rapid.IntRange(0, len(bad)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := u.Unwrap(bad); err != keys.ErrUnwrap {
			t.Fatalf("a changed bit: %v", err)
		}
	})
}

func TestWrapTakesSixteenBytes(t *testing.T) {
	cert, _ := unwrapper(t)
	for _, n := range []int{0, 1, 15, 17, 24, 32} {
		if _, err := cert.Wrap(make([]byte, n)); err == nil {
			t.Errorf("wrapped %d bytes", n)
		}
	}
}

// Conformance cases 25 to 27.
func TestUnwrapMustReject(t *testing.T) {
	cert, key := node(t, keys.UsageEncrypt)
	u := must(keys.NewSoftUnwrapper(cert, key))(t)
	other, _ := unwrapper(t)
	pub := &keys.Raw(key).PublicKey
	encrypt := func(n int, opts *sm2.EncrypterOpts) []byte {
		return must(sm2.Encrypt(rand.Reader, pub, make([]byte, n), opts))(t)
	}
	good := must(cert.Wrap(make([]byte, 16)))(t)
	var w wrapped
	if _, err := asn1.Unmarshal(good, &w); err != nil {
		t.Fatal(err)
	}
	build := func(x, y *big.Int, c3, c2 []byte) []byte { return must(asn1.Marshal(wrapped{x, y, c3, c2}))(t) }
	p := sm2.P256().Params().P
	flipped := slices.Clone(w.C3)
	flipped[31] ^= 1
	both := slices.Concat(w.C3, w.C2)

	cases := map[string][]byte{
		"empty":                   {},
		"04 C1 C3 C2":             encrypt(16, sm2.NewPlainEncrypterOpts(sm2.MarshalUncompressed, sm2.C1C3C2)),
		"04 C1 C2 C3":             encrypt(16, sm2.NewPlainEncrypterOpts(sm2.MarshalUncompressed, sm2.C1C2C3)),
		"compressed":              encrypt(16, sm2.NewPlainEncrypterOpts(sm2.MarshalCompressed, sm2.C1C3C2)),
		"15 bytes inside":         encrypt(15, sm2.ASN1EncrypterOpts),
		"17 bytes inside":         encrypt(17, sm2.ASN1EncrypterOpts),
		"32 bytes inside":         encrypt(32, sm2.ASN1EncrypterOpts),
		"nothing inside":          build(w.X, w.Y, w.C3, nil),
		"long-form length":        slices.Concat([]byte{0x30, 0x81, good[1]}, good[2:]),
		"trailing byte":           append(slices.Clone(good), 0),
		"trailing byte inside":    append(slices.Concat([]byte{0x30, good[1] + 1}, good[2:]), 0),
		"truncated":               good[:len(good)-1],
		"C3 flipped":              build(w.X, w.Y, flipped, w.C2),
		"C3 of 31, C2 of 17":      build(w.X, w.Y, both[:31], both[31:]),
		"C2 before C3":            build(w.X, w.Y, w.C2, w.C3),
		"C1 off the curve":        build(w.X, new(big.Int).Add(w.Y, big.NewInt(1)), w.C3, w.C2),
		"C1 at infinity":          build(big.NewInt(0), big.NewInt(0), w.C3, w.C2),
		"C1 negated":              build(w.X, new(big.Int).Sub(p, w.Y), w.C3, w.C2),
		"x + p":                   build(new(big.Int).Add(w.X, p), w.Y, w.C3, w.C2),
		"negative y":              build(w.X, new(big.Int).Neg(w.Y), w.C3, w.C2),
		"x of 300 bits":           build(new(big.Int).Lsh(w.X, 44), w.Y, w.C3, w.C2),
		"a megabyte":              slices.Concat([]byte{0x30}, make([]byte, 1<<20)),
		"for another certificate": must(other.Wrap(make([]byte, 16)))(t),
	}
	if _, err := u.Unwrap(good); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	if _, err := u.Unwrap(build(w.X, w.Y, w.C3, w.C2)); err != nil {
		t.Fatalf("the good one, built again: %v", err)
	}
	for name, der := range cases {
		if _, err := u.Unwrap(der); err != keys.ErrUnwrap {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Neither form passes what the other would refuse, and no point off the curve
// passes either.
func TestConversionsMustReject(t *testing.T) {
	cert, _ := unwrapper(t)
	der := must(cert.Wrap(make([]byte, 16)))(t)
	raw := must(keys.WrappedToRaw(der))(t)
	change := func(f func(b []byte) []byte) []byte { return f(slices.Clone(raw)) }
	for name, b := range map[string][]byte{
		"empty":          nil,
		"without 04":     raw[1:],
		"short":          raw[:112],
		"long":           append(slices.Clone(raw), 0),
		"hybrid prefix":  change(func(b []byte) []byte { b[0] = 6 | b[64]&1; return b }),
		"compressed":     change(func(b []byte) []byte { b[0] = 2; return b }),
		"off the curve":  change(func(b []byte) []byte { b[40] ^= 1; return b }),
		"point of zeros": change(func(b []byte) []byte { clear(b[1:65]); return b }),
		"x above p":      change(func(b []byte) []byte { copy(b[1:33], bytes.Repeat([]byte{0xff}, 32)); return b }),
		"DER":            der,
	} {
		if got, err := keys.WrappedFromRaw(b); err == nil {
			t.Errorf("from raw, %s: %x", name, got)
		}
	}
	var w wrapped
	if _, err := asn1.Unmarshal(der, &w); err != nil {
		t.Fatal(err)
	}
	both := slices.Concat(w.C3, w.C2)
	for name, b := range map[string][]byte{
		"empty":              nil,
		"raw":                raw,
		"C3 of 31, C2 of 17": must(asn1.Marshal(wrapped{w.X, w.Y, both[:31], both[31:]}))(t),
		"C1 off the curve":   must(asn1.Marshal(wrapped{w.X, new(big.Int).Add(w.Y, big.NewInt(1)), w.C3, w.C2}))(t),
		"trailing byte":      append(slices.Clone(der), 0),
	} {
		if got, err := keys.WrappedToRaw(b); err == nil {
			t.Errorf("to raw, %s: %x", name, got)
		}
	}
}

func TestSecondImplementationWraps(t *testing.T) {
	cert, key := node(t, keys.UsageEncrypt)
	u := must(keys.NewSoftUnwrapper(cert, key))(t)
	content := []byte("0123456789abcdef")
	for range 8 {
		theirs := must(second.EncryptAsn1(secondPublic(t, cert), content, rand.Reader))(t)
		if got, err := u.Unwrap(theirs); err != nil || !bytes.Equal(got, content) {
			t.Errorf("theirs: %q, %v", got, err)
		}
		ours := must(cert.Wrap(content))(t)
		if got, err := second.DecryptAsn1(secondKey(keys.Raw(key)), ours); err != nil || !bytes.Equal(got, content) {
			t.Errorf("ours: %q, %v", got, err)
		}
		// and in the form of the JSON frame, mode 0 being C1C3C2 there
		raw := must(keys.WrappedToRaw(ours))(t)
		if got, err := second.Decrypt(secondKey(keys.Raw(key)), raw, second.C1C3C2); err != nil || !bytes.Equal(got, content) {
			t.Errorf("ours, raw: %q, %v", got, err)
		}
	}
}
