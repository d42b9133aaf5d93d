package keys

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/emmansun/gmsm/sm3"
)

// Context says what a signature is for. It is signed before the bytes, with a
// NUL between (protocol §1), so that no signature can be used for another
// purpose. The list is closed: a Context outside it is refused.
type Context string

// The contexts of protocol §1.
const (
	SegmentV1 Context = "fayi-segment-v1"
	ReceiptV1 Context = "fayi-receipt-v1"
	NoteV1    Context = "fayi-note-v1"
	CallV1    Context = "fayi-call-v1"
	AnswerV1  Context = "fayi-answer-v1"
	EntryV1   Context = "fayi-entry-v1"
	OrderV1   Context = "fayi-order-v1"
	PackV1    Context = "fayi-pack-v1"
	ReportV1  Context = "fayi-report-v1"
	BundleV1  Context = "fayi-bundle-v1"
	ResolveV1 Context = "fayi-resolve-v1"
)

// Contexts lists every context there is, in the order of protocol §1.
func Contexts() []Context {
	return []Context{SegmentV1, ReceiptV1, NoteV1, CallV1, AnswerV1, EntryV1, OrderV1, PackV1, ReportV1, BundleV1, ResolveV1}
}

func (c Context) known() bool {
	switch c {
	case SegmentV1, ReceiptV1, NoteV1, CallV1, AnswerV1, EntryV1, OrderV1, PackV1, ReportV1, BundleV1, ResolveV1:
		return true
	}
	return false
}

// Errors that callers tell apart.
var (
	ErrContext   = errors.New("keys: unknown signature context")
	ErrSignature = errors.New("keys: signature does not verify")
	ErrUnwrap    = errors.New("keys: wrapped key cannot be opened")
	ErrUsage     = errors.New("keys: certificate is not for this use")
)

// ID names a certificate: SM3 of its DER. The header's "key", the readers' "to"
// and every "by" of the protocol are IDs.
type ID [sm3.Size]byte

// String is the ID in 64 lower-case hex digits, its only written form.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads the form written by [ID.String] and no other.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != hex.EncodedLen(len(id)) {
		return ID{}, fmt.Errorf("keys: id of %d characters", len(s))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil || id.String() != s {
		return ID{}, errors.New("keys: id is not lower-case hex")
	}
	return id, nil
}

// Signer signs with one private key, in software or behind a cryptographic
// machine. Safe for concurrent use.
type Signer interface {
	// ID is that of the certificate under which signatures verify.
	ID() ID
	// Sign returns the strict-DER SM2 signature over c ‖ 0x00 ‖ msg. Two calls
	// give two signatures. An unknown context is [ErrContext].
	Sign(c Context, msg []byte) ([]byte, error)
}

// Unwrapper opens content keys wrapped for one encryption certificate. Safe for
// concurrent use.
type Unwrapper interface {
	// ID is that of the encryption certificate.
	ID() ID
	// Unwrap opens what [Certificate.Wrap] made: GM/T 0009 DER (C1C3C2) with
	// exactly 16 bytes inside. Whatever is wrong, the error is [ErrUnwrap].
	Unwrap(wrapped []byte) ([]byte, error)
}

// digest is e of GB/T 32918.2 for a signature under context c: SM3(Z ‖ c ‖ 0x00
// ‖ msg), where za is Z of the signer's public key and the default user id.
func digest(za []byte, c Context, msg []byte) []byte {
	h := sm3.New()
	prefix := make([]byte, 0, len(za)+len(c)+1)
	prefix = append(append(append(prefix, za...), c...), 0)
	h.Write(prefix)
	h.Write(msg)
	return h.Sum(nil)
}
