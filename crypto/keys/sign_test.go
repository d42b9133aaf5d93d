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
	"pgregory.net/rapid"
)

func signed(c keys.Context, msg []byte) []byte { return slices.Concat([]byte(c), []byte{0}, msg) }

func TestSignAndVerify(t *testing.T) {
	cert, s := signer(t)
	if s.ID() != cert.ID() {
		t.Error("signer and certificate differ in ID")
	}
	if n := len(keys.Contexts()); n != 11 {
		t.Errorf("%d contexts, protocol §1 has 11", n)
	}
	msg := []byte(`{"v":1,"stream":"610800/legal_aid_case/upstream"}`)
	for _, c := range keys.Contexts() {
		sig := must(s.Sign(c, msg))(t)
		if err := cert.Verify(c, msg, sig); err != nil {
			t.Errorf("%s: %v", c, err)
		}
		for _, other := range keys.Contexts() {
			if other != c {
				wantErr(t, cert.Verify(other, msg, sig), keys.ErrSignature)
			}
		}
	}
	if bytes.Equal(must(s.Sign(keys.NoteV1, msg))(t), must(s.Sign(keys.NoteV1, msg))(t)) {
		t.Error("two signatures are equal: no randomness")
	}
}

func TestUnknownContext(t *testing.T) {
	cert, s := signer(t)
	for _, c := range []keys.Context{"", "fayi-segment-v2", "fayi-segment-v1\x00", "FAYI-SEGMENT-V1", "fayi-body-v1"} {
		_, err := s.Sign(c, []byte("m"))
		wantErr(t, err, keys.ErrContext)
		wantErr(t, cert.Verify(c, []byte("m"), make([]byte, 70)), keys.ErrContext)
	}
}

// The NUL ends the context: no context is another's beginning plus bytes of the
// message, so no split of one signed string is another's.
func TestContextsDoNotNest(t *testing.T) {
	for _, a := range keys.Contexts() {
		for _, b := range keys.Contexts() {
			if a != b && bytes.HasPrefix(signed(a, nil), signed(b, nil)) {
				t.Errorf("%q begins with %q", a, b)
			}
		}
	}
}

func TestEveryBitOfMessageAndSignatureCounts(t *testing.T) {
	cert, s := signer(t)
	rapid.Check(t, func(t *rapid.T) {
		msg := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "msg")
		sig, err := s.Sign(keys.SegmentV1, msg)
		if err != nil {
			t.Fatal(err)
		}
		if err := cert.Verify(keys.SegmentV1, msg, sig); err != nil {
			t.Fatal(err)
		}
		target := rapid.SampledFrom([][]byte{msg, sig}).Draw(t, "changed")
		target[rapid.IntRange(0, len(target)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if cert.Verify(keys.SegmentV1, msg, sig) == nil {
			t.Fatal("a changed bit verifies")
		}
	})
}

// Conformance cases 11 to 14: one encoding, integers in range, one user id.
func TestSignatureMustReject(t *testing.T) {
	cert, key := foreign(t, keys.UsageSign)
	msg := []byte("one message")
	sign := func(opts *sm2.SM2SignerOption, bytes []byte) []byte {
		return must(key.Sign(rand.Reader, bytes, opts))(t)
	}
	good := sign(sm2.DefaultSM2SignerOpts, signed(keys.SegmentV1, msg))
	if err := cert.Verify(keys.SegmentV1, msg, good); err != nil {
		t.Fatalf("the good signature: %v", err)
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(good, &rs); err != nil {
		t.Fatal(err)
	}
	n := sm2.P256().Params().N
	pair := func(r, s *big.Int) []byte { return must(asn1.Marshal(struct{ R, S *big.Int }{r, s}))(t) }
	add := func(a, b *big.Int) *big.Int { return new(big.Int).Add(a, b) }
	sub := func(a, b *big.Int) *big.Int { return new(big.Int).Sub(a, b) }
	zero, one := big.NewInt(0), big.NewInt(1)
	body := good[2:]
	rLen := int(good[3])
	rest := body[2+rLen:] // INTEGER s

	for name, sig := range map[string][]byte{
		"empty":                    {},
		"one byte":                 {0x30},
		"long-form length":         slices.Concat([]byte{0x30, 0x81, good[1]}, body),
		"indefinite length":        slices.Concat([]byte{0x30, 0x80}, body, []byte{0, 0}),
		"long-form integer length": slices.Concat([]byte{0x30, good[1] + 1, 0x02, 0x81, byte(rLen)}, body[2:]),
		"leading zero":             slices.Concat([]byte{0x30, good[1] + 1, 0x02, byte(rLen + 1), 0}, body[2:]),
		"trailing byte":            append(slices.Clone(good), 0),
		"trailing byte inside":     append(slices.Concat([]byte{0x30, good[1] + 1}, body), 0),
		"third integer":            slices.Concat([]byte{0x30, good[1] + 3}, body, []byte{2, 1, 1}),
		"s missing":                slices.Concat([]byte{0x30, byte(2 + rLen)}, body[:2+rLen]),
		"truncated":                good[:len(good)-1],
		"set instead of sequence":  slices.Concat([]byte{0x31}, good[1:]),
		"r as octet string":        slices.Concat([]byte{0x30, good[1], 0x04}, body[1:]),
		"plain r and s":            append(rs.R.FillBytes(make([]byte, 32)), rs.S.FillBytes(make([]byte, 32))...),
		"r = 0":                    pair(zero, rs.S),
		"s = 0":                    pair(rs.R, zero),
		"r = n":                    pair(n, rs.S),
		"s = n":                    pair(rs.R, n),
		"r + n":                    pair(add(rs.R, n), rs.S),
		"s + n":                    pair(rs.R, add(rs.S, n)),
		"r + s = n":                pair(rs.R, sub(n, rs.R)),
		"n - s":                    pair(rs.R, sub(n, rs.S)),
		"-r":                       pair(sub(zero, rs.R), rs.S),
		"r - n":                    pair(sub(rs.R, n), rs.S),
		"r = s = 1":                pair(one, one),
		"r, s swapped":             slices.Concat([]byte{0x30, good[1]}, rest, body[:2+rLen]),
		"other uid":                sign(sm2.NewSM2SignerOption(true, []byte("610800@fayi")), signed(keys.SegmentV1, msg)),
		"no context":               sign(sm2.DefaultSM2SignerOpts, msg),
		"context without NUL":      sign(sm2.DefaultSM2SignerOpts, slices.Concat([]byte(keys.SegmentV1), msg)),
		"a megabyte":               make([]byte, 1<<20),
	} {
		if err := cert.Verify(keys.SegmentV1, msg, sig); err != keys.ErrSignature {
			t.Errorf("%s: %v", name, err)
		}
	}
	// An empty uid is not the default one: e over ENTL = 0.
	e := must(sm2.CalculateSM2Hash(&key.PublicKey, signed(keys.SegmentV1, msg), []byte{}))(t)
	want := must(sm2.CalculateSM2Hash(&key.PublicKey, signed(keys.SegmentV1, msg), []byte("1234567812345678")))(t)
	if !bytes.Equal(e, want) {
		t.Error("the library's empty uid is no longer the default one: look at za")
	}
}

// Conformance cases 15.
func TestUsageIsEnforced(t *testing.T) {
	enc, key := foreign(t, keys.UsageEncrypt)
	msg := []byte("m")
	sig := must(key.Sign(rand.Reader, signed(keys.CallV1, msg), sm2.DefaultSM2SignerOpts))(t)
	wantErr(t, enc.Verify(keys.CallV1, msg, sig), keys.ErrUsage)

	sign, ownKey := node(t, keys.UsageSign)
	_, err := sign.Wrap(make([]byte, 16))
	wantErr(t, err, keys.ErrUsage)
	_, err = keys.NewSoftUnwrapper(sign, ownKey)
	wantErr(t, err, keys.ErrUsage)

	enc, ownKey = node(t, keys.UsageEncrypt)
	_, err = keys.NewSoftSigner(enc, ownKey)
	wantErr(t, err, keys.ErrUsage)

	ca := authority().Certificate()
	wantErr(t, ca.Verify(keys.EntryV1, msg, sig), keys.ErrUsage)
	_, err = ca.Wrap(make([]byte, 16))
	wantErr(t, err, keys.ErrUsage)
}

func TestKeyOfAnotherCertificate(t *testing.T) {
	sign, _ := node(t, keys.UsageSign)
	enc, _ := node(t, keys.UsageEncrypt)
	other := must(keys.GenerateKey())(t)
	_, err := keys.NewSoftSigner(sign, other)
	wantErr(t, err, keys.ErrMismatch)
	_, err = keys.NewSoftUnwrapper(enc, other)
	wantErr(t, err, keys.ErrMismatch)
}

// A signature made for one certificate's key does not verify under another with
// the same name (Z covers the key).
func TestOtherCertificateOfTheNode(t *testing.T) {
	_, s := signer(t)
	other, _ := signer(t)
	sig := must(s.Sign(keys.NoteV1, []byte("m")))(t)
	wantErr(t, other.Verify(keys.NoteV1, []byte("m"), sig), keys.ErrSignature)
}

func TestSecondImplementationSigns(t *testing.T) {
	cert, key := foreign(t, keys.UsageSign)
	theirs := secondKey(key)
	for i := range 8 {
		msg := bytes.Repeat([]byte("二"), i*100)
		sig := must(theirs.Sign(rand.Reader, signed(keys.ReceiptV1, msg), nil))(t)
		if err := cert.Verify(keys.ReceiptV1, msg, sig); err != nil {
			t.Errorf("their signature over %d bytes: %v", len(msg), err)
		}
	}
	cert, s := signer(t)
	for i := range 8 {
		msg := bytes.Repeat([]byte("一"), i*100)
		sig := must(s.Sign(keys.ReceiptV1, msg))(t)
		if !secondPublic(t, cert).Verify(signed(keys.ReceiptV1, msg), sig) {
			t.Errorf("they refuse our signature over %d bytes", len(msg))
		}
	}
}
