package keys

import (
	"crypto/rand"
	"fmt"

	"github.com/emmansun/gmsm/sm2"
)

// SoftSigner is a [Signer] whose key is in this process's memory.
type SoftSigner struct {
	id  ID
	za  []byte
	key *Key
}

// NewSoftSigner joins a signing certificate and its private key.
func NewSoftSigner(cert *Certificate, key *Key) (*SoftSigner, error) {
	if !cert.CanSign() {
		return nil, fmt.Errorf("%w: %s does not sign", ErrUsage, cert.id)
	}
	if !key.matches(cert) {
		return nil, fmt.Errorf("%w: %s", ErrMismatch, cert.id)
	}
	return &SoftSigner{id: cert.id, za: cert.za, key: key}, nil
}

// ID implements [Signer].
func (s *SoftSigner) ID() ID { return s.id }

// Sign implements [Signer].
func (s *SoftSigner) Sign(c Context, msg []byte) ([]byte, error) {
	if !c.known() {
		return nil, fmt.Errorf("%w %q", ErrContext, string(c))
	}
	// Without options the library signs 32 bytes as e itself; they always are
	// 32 bytes here, the digest over the context.
	return s.key.sm2.Sign(rand.Reader, digest(s.za, c, msg), nil)
}

// SoftUnwrapper is an [Unwrapper] whose key is in this process's memory.
type SoftUnwrapper struct {
	id  ID
	key *Key
}

// NewSoftUnwrapper joins an encryption certificate and its private key.
func NewSoftUnwrapper(cert *Certificate, key *Key) (*SoftUnwrapper, error) {
	if !cert.CanEncrypt() {
		return nil, fmt.Errorf("%w: %s does not encrypt", ErrUsage, cert.id)
	}
	if !key.matches(cert) {
		return nil, fmt.Errorf("%w: %s", ErrMismatch, cert.id)
	}
	return &SoftUnwrapper{id: cert.id, key: key}, nil
}

// ID implements [Unwrapper].
func (u *SoftUnwrapper) ID() ID { return u.id }

// Unwrap implements [Unwrapper].
func (u *SoftUnwrapper) Unwrap(wrapped []byte) ([]byte, error) {
	// The library takes any encoding it recognises by the first byte; here only
	// one form of one length gets as far as the key.
	if _, err := WrappedToRaw(wrapped); err != nil {
		return nil, ErrUnwrap
	}
	key, err := u.key.sm2.Decrypt(nil, wrapped, sm2.ASN1DecrypterOpts)
	if err != nil || len(key) != ContentKeySize {
		return nil, ErrUnwrap
	}
	return key, nil
}
