package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/subtle"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/emmansun/gmsm/pkcs"
	"github.com/emmansun/gmsm/pkcs8"
	"github.com/emmansun/gmsm/sm2"
)

// Key is an SM2 private key in memory. It shows nothing but its public half.
// Immutable, safe for concurrent use.
type Key struct{ sm2 *sm2.PrivateKey }

// GenerateKey makes a key from the system's randomness.
func GenerateKey() (*Key, error) {
	k, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return &Key{k}, nil
}

func (k *Key) public() *ecdsa.PublicKey { return &k.sm2.PublicKey }

func (k *Key) point() []byte {
	p := make([]byte, pointSize)
	p[0] = 4
	k.sm2.X.FillBytes(p[1:33])
	k.sm2.Y.FillBytes(p[33:])
	return p
}

// PublicKeyHex is the public key as 04 ‖ X ‖ Y in lower-case hex.
func (k *Key) PublicKeyHex() string { return hex.EncodeToString(k.point()) }

func (k *Key) matches(c *Certificate) bool {
	return subtle.ConstantTimeCompare(k.point(), c.point()) == 1
}

const keyPEM = "ENCRYPTED PRIVATE KEY" // RFC 7468 §11

// Iterations of PBKDF2: written with the first, read within the bounds, so that
// a planted file can neither be cheap to guess nor hold up a start for hours.
const (
	kdfIterations    = 100_000
	minKDFIterations = 10_000
	maxKDFIterations = 2_000_000
	saltSize         = 16
)

// SaveKey writes k to a new file of mode 0600: PEM of PKCS#8, encrypted under the
// passphrase by PBES2 with PBKDF2-HMAC-SM3 (100,000 iterations, 16-byte salt) and
// SM4-CBC. The file appears whole or not at all; an existing one is [ErrExists].
func SaveKey(path string, k *Key, pass []byte) error {
	if len(pass) == 0 {
		return errors.New("keys: empty passphrase")
	}
	der, err := pkcs8.MarshalPrivateKey(k.sm2, pass,
		pkcs.NewPBESEncrypter(pkcs.SM4CBC, pkcs.NewPBKDF2Opts(pkcs.SM3, saltSize, kdfIterations)))
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return writePEM(path, keyPEM, der, 0o600)
}

// LoadKey reads what [SaveKey] wrote. [ErrPassphrase] where the passphrase or the
// contents are wrong (the two cannot be told apart), [ErrPermission] where others
// may read the file.
func LoadKey(path string, pass []byte) (*Key, error) {
	der, err := readPEM(path, keyPEM, true)
	if err != nil {
		return nil, err
	}
	k, err := openKey(der, pass)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, path)
	}
	return k, nil
}

var (
	oidPBES2   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMACSM3 = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 401, 2}
	oidSM4CBC  = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 104, 2}
)

// encryptedKey is EncryptedPrivateKeyInfo of RFC 5958 §3 with the parameters of
// RFC 8018 appendix A, as far as [SaveKey] uses them.
type encryptedKey struct {
	Algorithm struct {
		OID    asn1.ObjectIdentifier
		Params struct {
			KDF struct {
				OID    asn1.ObjectIdentifier
				Params struct {
					Salt       []byte
					Iterations int
					KeyLen     int `asn1:"optional"`
					PRF        pkix.AlgorithmIdentifier
				}
			}
			Cipher struct {
				OID asn1.ObjectIdentifier
				IV  []byte
			}
		}
	}
	Data []byte
}

// checkEncryptedKey lets pass only the algorithms of [SaveKey] and well-formed
// sizes: the library panics on an IV or a ciphertext of a wrong length, and runs
// as many iterations as a file asks for.
func checkEncryptedKey(der []byte) error {
	var e encryptedKey
	rest, err := asn1.Unmarshal(der, &e)
	if err != nil || len(rest) > 0 {
		return errors.New("keys: not an encrypted PKCS#8 key of PBES2 with PBKDF2-HMAC-SM3 and SM4-CBC")
	}
	kdf, cipher := e.Algorithm.Params.KDF, e.Algorithm.Params.Cipher
	switch {
	case !e.Algorithm.OID.Equal(oidPBES2), !kdf.OID.Equal(oidPBKDF2),
		!kdf.Params.PRF.Algorithm.Equal(oidHMACSM3), !cipher.OID.Equal(oidSM4CBC):
		return errors.New("keys: key file uses another algorithm than PBES2, PBKDF2-HMAC-SM3, SM4-CBC")
	case kdf.Params.Iterations < minKDFIterations || kdf.Params.Iterations > maxKDFIterations:
		return fmt.Errorf("keys: key file asks for %d iterations", kdf.Params.Iterations)
	case kdf.Params.KeyLen != 0 && kdf.Params.KeyLen != 16, len(kdf.Params.Salt) < 8, len(cipher.IV) != 16,
		len(e.Data) == 0, len(e.Data)%16 != 0:
		return errors.New("keys: key file has wrong sizes")
	}
	return nil
}

func openKey(der, pass []byte) (*Key, error) {
	if err := checkEncryptedKey(der); err != nil {
		return nil, err
	}
	k, err := pkcs8.ParsePKCS8PrivateKeySM2(der, pass)
	if err != nil {
		return nil, ErrPassphrase
	}
	// CBC does not authenticate: what decrypted must also be a key in range.
	own, err := sm2.NewPrivateKey(k.D.FillBytes(make([]byte, 32)))
	if err != nil || !bytes.Equal((&Key{own}).point(), (&Key{k}).point()) {
		return nil, ErrPassphrase
	}
	return &Key{own}, nil
}
