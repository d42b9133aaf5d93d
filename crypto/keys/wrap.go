package keys

import (
	"bytes"
	"errors"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
)

// ContentKeySize is the size in bytes of an SM4 key: a segment's content key and
// the store key.
const ContentKeySize = 16

// MaxWrapped is the largest size in bytes of a wrapped content key in DER.
const MaxWrapped = 2 + 2*(2+33) + 2 + sm3.Size + 2 + ContentKeySize

const rawWrappedSize = pointSize + sm3.Size + ContentKeySize // 04 ‖ C1 ‖ C3 ‖ C2

var errWrapped = errors.New("keys: not a wrapped content key")

// WrappedToRaw turns a wrapped key from GM/T 0009 DER, as frames carry it, into
// 04 ‖ C1 ‖ C3 ‖ C2 (113 bytes), which BouncyCastle and Hutool take (protocol §2,
// JSON frame). It accepts only the one DER encoding of a point on the curve, a
// 32-byte C3 and a 16-byte C2.
func WrappedToRaw(der []byte) ([]byte, error) {
	if len(der) > MaxWrapped {
		return nil, errWrapped
	}
	raw, err := sm2.ASN1Ciphertext2Plain(der, sm2.NewPlainEncrypterOpts(sm2.MarshalUncompressed, sm2.C1C3C2))
	if err != nil {
		return nil, errWrapped
	}
	// Writing it again catches what the parser lets pass, such as a C3 of 31
	// bytes beside a C2 of 17.
	if again, err := WrappedFromRaw(raw); err != nil || !bytes.Equal(again, der) {
		return nil, errWrapped
	}
	return raw, nil
}

// WrappedFromRaw is the way back: 113 bytes 04 ‖ C1 ‖ C3 ‖ C2, C1 on the curve,
// to GM/T 0009 DER. Compressed points and the order C1C2C3 are not accepted; the
// latter has the same length and shows only when the key is opened.
func WrappedFromRaw(raw []byte) ([]byte, error) {
	if len(raw) != rawWrappedSize || raw[0] != 4 {
		return nil, errWrapped
	}
	if _, err := sm2.NewPublicKey(raw[:pointSize]); err != nil {
		return nil, errWrapped
	}
	der, err := sm2.PlainCiphertext2ASN1(raw, sm2.C1C3C2)
	if err != nil {
		return nil, errWrapped
	}
	return der, nil
}
