package sign_test

import (
	"encoding/hex"
	"math/big"
	"slices"
	"testing"

	"fayi/crypto/keys"

	second "github.com/tjfoc/gmsm/sm2"
)

// contexts of the objects of this package.
var contexts = []keys.Context{keys.ReceiptV1, keys.NoteV1, keys.CallV1, keys.AnswerV1, keys.EntryV1}

// secondVerifies asks another library, from the definition of protocol §1: an
// SM2 signature with user id 1234567812345678 over context ‖ 0x00 ‖ bytes.
func secondVerifies(t testing.TB, cert *keys.Certificate, c keys.Context, body, sig []byte) bool {
	t.Helper()
	p := must(hex.DecodeString(cert.PublicKeyHex()))(t)
	pub := &second.PublicKey{Curve: second.P256Sm2(), X: new(big.Int).SetBytes(p[1:33]), Y: new(big.Int).SetBytes(p[33:])}
	return pub.Verify(slices.Concat([]byte(c), []byte{0}, body), sig)
}
