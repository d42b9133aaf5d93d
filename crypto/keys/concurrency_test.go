package keys_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"fayi/crypto/keys"
)

// One signer, unwrapper, certificate and store key for all goroutines of a node.
func TestConcurrentUse(t *testing.T) {
	sign, s := signer(t)
	enc, u := unwrapper(t)
	store := must(keys.NewStoreKey(make([]byte, 16)))(t)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 40 {
				msg := fmt.Appendf(nil, "%016d", g*1000+i)
				sig, err := s.Sign(keys.SegmentV1, msg)
				if err != nil {
					t.Error(err)
					return
				}
				if err := sign.Verify(keys.SegmentV1, msg, sig); err != nil {
					t.Errorf("goroutine %d: %v", g, err)
				}
				der, err := enc.Wrap(msg)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := u.Unwrap(der); err != nil || !bytes.Equal(got, msg) {
					t.Errorf("goroutine %d: unwrapped %q, %v", g, got, err)
				}
				sealed, err := store.Seal(msg, der)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := store.Open(sealed, der); err != nil || !bytes.Equal(got, msg) {
					t.Errorf("goroutine %d: opened %q, %v", g, got, err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkSign(b *testing.B) {
	_, s := signer(b)
	msg := make([]byte, 512)
	for b.Loop() {
		if _, err := s.Sign(keys.SegmentV1, msg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	cert, s := signer(b)
	msg := make([]byte, 512)
	sig := must(s.Sign(keys.SegmentV1, msg))(b)
	for b.Loop() {
		if err := cert.Verify(keys.SegmentV1, msg, sig); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrap(b *testing.B) {
	cert, _ := unwrapper(b)
	key := make([]byte, 16)
	for b.Loop() {
		if _, err := cert.Wrap(key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnwrap(b *testing.B) {
	cert, u := unwrapper(b)
	der := must(cert.Wrap(make([]byte, 16)))(b)
	for b.Loop() {
		if _, err := u.Unwrap(der); err != nil {
			b.Fatal(err)
		}
	}
}
