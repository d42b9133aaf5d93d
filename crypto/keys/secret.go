package keys

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
)

const (
	nonceSize = 12
	tagSize   = 16
)

// StoreKey is the key under which a node keeps what must not lie on its disk in
// clear: content keys, rejections, undelivered records (design §7). It is made
// with the node's identity and outlives its certificates. Immutable, safe for
// concurrent use.
type StoreKey struct {
	secret [ContentKeySize]byte
	aead   cipher.AEAD
}

// NewStoreKey makes a StoreKey of 16 secret bytes.
func NewStoreKey(secret []byte) (*StoreKey, error) {
	aead, err := newGCM(secret)
	if err != nil {
		return nil, err
	}
	return &StoreKey{[ContentKeySize]byte(secret), aead}, nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	if len(key) != ContentKeySize {
		return nil, fmt.Errorf("keys: SM4 key of %d bytes", len(key))
	}
	block, err := sm4.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return cipher.NewGCM(block)
}

// Seal encrypts under the store key: nonce(12) ‖ SM4-GCM ciphertext ‖ tag(16),
// bound to aad (for a content key, SM3 of its segment's header). Nonces are
// random: stay below 2³² seals a store key (NIST SP 800-38D §8.3).
func (s *StoreKey) Seal(plain, aad []byte) ([]byte, error) {
	out := make([]byte, nonceSize, nonceSize+len(plain)+tagSize)
	if _, err := rand.Read(out); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return s.aead.Seal(out, out, plain, aad), nil
}

// Open is the way back of [StoreKey.Seal]; [ErrUnwrap] for anything sealed under
// another key or other aad, or changed since.
func (s *StoreKey) Open(sealed, aad []byte) ([]byte, error) {
	if len(sealed) < nonceSize+tagSize {
		return nil, ErrUnwrap
	}
	plain, err := s.aead.Open(nil, sealed[:nonceSize], sealed[nonceSize:], aad)
	if err != nil {
		return nil, ErrUnwrap
	}
	return plain, nil
}

// Derive is HMAC-SM3(store key, label): the keys of the node's own keyed hashes
// (such as erased record keys, protocol §8), one a label.
func (s *StoreKey) Derive(label string) [32]byte {
	h := hmac.New(sm3.New, s.secret[:])
	h.Write([]byte(label))
	return [32]byte(h.Sum(nil))
}

// A secret's file is one PEM block "FAYI SECRET" of 65 bytes:
//
//	0x01 ‖ iterations (u32, big-endian) ‖ salt(16) ‖ nonce(12) ‖ ciphertext(16) ‖ tag(16)
//
// The key is PBKDF2-HMAC-SM3(passphrase, salt, iterations, 16 bytes), the cipher
// SM4-GCM with additional data "fayi-secret-v1" ‖ 0x00 ‖ the first 21 bytes.
const (
	secretPEM    = "FAYI SECRET"
	secretLabel  = "fayi-secret-v1\x00"
	secretFormat = 0x01
	secretHead   = 1 + 4 + saltSize
	secretSize   = secretHead + nonceSize + ContentKeySize + tagSize
)

// SaveSecret writes a 16-byte key to a new file of mode 0600, encrypted under the
// passphrase. An existing file is [ErrExists].
func SaveSecret(path string, secret, pass []byte) error {
	if len(secret) != ContentKeySize {
		return fmt.Errorf("keys: secret of %d bytes", len(secret))
	}
	if len(pass) == 0 {
		return errors.New("keys: empty passphrase")
	}
	body := make([]byte, secretHead+nonceSize, secretSize)
	if _, err := rand.Read(body[5:]); err != nil { // salt and nonce
		return fmt.Errorf("keys: %w", err)
	}
	body[0] = secretFormat
	binary.BigEndian.PutUint32(body[1:], kdfIterations)
	aead, err := secretCipher(body, pass)
	if err != nil {
		return err
	}
	body = aead.Seal(body, body[secretHead:], secret, secretAAD(body))
	return writePEM(path, secretPEM, body, 0o600)
}

// LoadSecret reads what [SaveSecret] wrote, with the errors of [LoadKey].
func LoadSecret(path string, pass []byte) ([]byte, error) {
	body, err := readPEM(path, secretPEM, true)
	if err != nil {
		return nil, err
	}
	if err := checkSecret(body); err != nil {
		return nil, fmt.Errorf("%w: %s", err, path)
	}
	aead, err := secretCipher(body, pass)
	if err != nil {
		return nil, err
	}
	secret, err := aead.Open(nil, body[secretHead:secretHead+nonceSize], body[secretHead+nonceSize:], secretAAD(body))
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrPassphrase, path)
	}
	return secret, nil
}

// checkSecret bounds what a file may ask for before any work is done on it.
func checkSecret(body []byte) error {
	if len(body) != secretSize || body[0] != secretFormat {
		return errors.New("keys: not a secret of this format")
	}
	if n := binary.BigEndian.Uint32(body[1:]); n < minKDFIterations || n > maxKDFIterations {
		return fmt.Errorf("keys: secret asks for %d iterations", n)
	}
	return nil
}

func secretCipher(body, pass []byte) (cipher.AEAD, error) {
	key, err := pbkdf2.Key(sm3.New, string(pass), body[5:secretHead], int(binary.BigEndian.Uint32(body[1:])), ContentKeySize)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return newGCM(key)
}

func secretAAD(body []byte) []byte { return append([]byte(secretLabel), body[:secretHead]...) }
