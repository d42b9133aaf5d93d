package keys_test

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"fayi/crypto/keys"

	secondSM3 "github.com/tjfoc/gmsm/sm3"
	"pgregory.net/rapid"
)

func TestJoinCode(t *testing.T) {
	// a known answer: SM3("abc") = 66c7f0f4…8f4ba8e0 (GB/T 32905 A.1)
	if got := keys.JoinCode([]byte("a"), []byte("b"), []byte("c")); got != knownJoinCode {
		t.Errorf("code of abc = %q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := rapid.SliceOf(rapid.Byte()).Draw(t, "sign"), rapid.SliceOf(rapid.Byte()).Draw(t, "enc"), rapid.SliceOf(rapid.Byte()).Draw(t, "anchor")
		code := keys.JoinCode(a, b, c)
		n := new(big.Int).SetBytes(secondSM3.Sm3Sum(slices.Concat(a, b, c)))
		digits := fmt.Sprintf("%020d", n.Mod(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(20), nil)))
		if strings.ReplaceAll(code, " ", "") != digits || len(code) != 24 {
			t.Fatalf("code %q, want the digits %s", code, digits)
		}
	})
}

// knownJoinCode is int("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0", 16) % 10**20.
const knownJoinCode = "5283 1693 2748 3057 9936"

func TestEqualJoinCode(t *testing.T) {
	const code = "0123 4567 8901 2345 6789"
	for typed, want := range map[string]bool{
		code:                         true,
		"01234567890123456789":       true,
		"0123-4567-8901-2345-6789":   true,
		" 0123 4567 8901 2345 6789 ": true,
		"０１２３\u3000４５６７ 8901 2345 6789": true,
		"0123 4567 8901 2345 6780":      false,
		"1123 4567 8901 2345 6789":      false,
		"0123 4567 8901 2345 678":       false,
		"0123 4567 8901 2345 67890":     false,
		"":                              false,
		"0123 4567 8901 2345 678x":      false,
		"٠123 4567 8901 2345 6789":      false,
	} {
		if got := keys.EqualJoinCode(typed, code); got != want {
			t.Errorf("%q: %v", typed, got)
		}
	}
	if keys.EqualJoinCode("", "") || keys.EqualJoinCode("12", "12") {
		t.Error("what is no code equals what is no code")
	}
}
