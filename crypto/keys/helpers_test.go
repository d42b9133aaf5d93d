package keys_test

import (
	"encoding/hex"
	"errors"
	"math/big"
	"sync"
	"testing"
	"time"

	"fayi/crypto/keys"

	"github.com/emmansun/gmsm/sm2"
	second "github.com/tjfoc/gmsm/sm2"
)

var (
	now  = time.Date(2026, 11, 22, 10, 0, 0, 0, time.FixedZone("", 8*3600))
	year = 365 * 24 * time.Hour
	pass = []byte("测试口令 correct horse")
)

// authority is one development CA for all tests of the package.
var authority = sync.OnceValue(func() *keys.Authority {
	ca, err := keys.NewAuthority("测试 CA", now)
	if err != nil {
		panic(err)
	}
	return ca
})

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error = %v, want %v", err, want)
	}
}

// node is a certificate with its key in this package's form.
func node(t testing.TB, usage keys.Usage) (*keys.Certificate, *keys.Key) {
	t.Helper()
	key := must(keys.GenerateKey())(t)
	csr := must(keys.NewRequest("610800", key))(t)
	return must(authority().IssueNode(csr, "610800", usage, now, year))(t), key
}

func signer(t testing.TB) (*keys.Certificate, *keys.SoftSigner) {
	t.Helper()
	cert, key := node(t, keys.UsageSign)
	return cert, must(keys.NewSoftSigner(cert, key))(t)
}

func unwrapper(t testing.TB) (*keys.Certificate, *keys.SoftUnwrapper) {
	t.Helper()
	cert, key := node(t, keys.UsageEncrypt)
	return cert, must(keys.NewSoftUnwrapper(cert, key))(t)
}

// foreign is a certificate whose key the test itself holds, as another vendor's
// implementation would.
func foreign(t testing.TB, usage keys.Usage) (*keys.Certificate, *sm2.PrivateKey) {
	t.Helper()
	cert, key := node(t, usage)
	return cert, keys.Raw(key)
}

// secondKey is the same key in the second implementation.
func secondKey(k *sm2.PrivateKey) *second.PrivateKey {
	out := &second.PrivateKey{D: k.D}
	out.Curve, out.X, out.Y = second.P256Sm2(), k.X, k.Y
	return out
}

func secondPublic(t testing.TB, c *keys.Certificate) *second.PublicKey {
	t.Helper()
	p := must(hex.DecodeString(c.PublicKeyHex()))(t)
	return &second.PublicKey{Curve: second.P256Sm2(), X: new(big.Int).SetBytes(p[1:33]), Y: new(big.Int).SetBytes(p[33:])}
}
