package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"
)

// Bounds of what is read from outside, in bytes.
const (
	MaxCertificate = 4 << 10 // a certificate; those made here are about 0.5 KiB
	maxRequest     = 4 << 10
	maxSignature   = 72 // SEQUENCE of two 33-byte INTEGERs
)

// registrarUnit marks a registrar's certificate in its subject, so that the
// certificate of a stolen server can never pass for one (design §7: three keys,
// three risks). That a licensed CA sets it is [INFER]; the signed directory, not
// this mark, says which certificate is a registrar's.
const registrarUnit = "registrar"

// spkiPrefix is the SubjectPublicKeyInfo of every SM2 key up to its point: the
// algorithm ecPublicKey with curve 1.2.156.10197.1.301 and the BIT STRING's head.
// 65 bytes 04 ‖ X ‖ Y follow.
var spkiPrefix = []byte{
	0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
	0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d, 0x03, 0x42, 0x00,
}

const pointSize = 65 // 04 ‖ X ‖ Y

// Certificate is a parsed SM2 certificate, with what verifying and wrapping need
// computed once. Immutable, safe for concurrent use; keep and share it.
type Certificate struct {
	x   *smx509.Certificate
	id  ID
	pub *ecdsa.PublicKey
	za  []byte
}

// ParseCertificate reads one DER certificate from a stranger. It accepts only an
// uncompressed SM2 public key on the curve, signature algorithm SM2 with SM3, one
// common name, no critical extension that the X.509 parser does not know, at most
// [MaxCertificate] bytes, nothing after or between the parts. It judges neither
// dates nor issuer: see [Certificate.CheckIssuedBy].
func ParseCertificate(der []byte) (*Certificate, error) {
	if len(der) > MaxCertificate {
		return nil, fmt.Errorf("keys: certificate of %d bytes", len(der))
	}
	der = bytes.Clone(der)
	if err := threeParts(der); err != nil {
		return nil, fmt.Errorf("keys: certificate: %w", err)
	}
	x, err := smx509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("keys: certificate: %w", err)
	}
	switch {
	case x.SignatureAlgorithm != smx509.SM2WithSM3:
		return nil, fmt.Errorf("keys: certificate signed with %v, not SM2 with SM3", x.SignatureAlgorithm)
	case len(x.UnhandledCriticalExtensions) > 0:
		return nil, fmt.Errorf("keys: certificate has unknown critical extension %v", x.UnhandledCriticalExtensions[0])
	case x.NotAfter.Before(x.NotBefore):
		return nil, errors.New("keys: certificate ends before it begins")
	}
	if err := oneCommonName(x.Subject); err != nil {
		return nil, fmt.Errorf("keys: certificate: %w", err)
	}
	pub, err := publicKey(x.RawSubjectPublicKeyInfo)
	if err != nil {
		return nil, fmt.Errorf("keys: certificate: %w", err)
	}
	za, err := sm2.CalculateZA(pub, nil)
	if err != nil {
		return nil, fmt.Errorf("keys: certificate: %w", err)
	}
	return &Certificate{x: x, id: sm3.Sum(der), pub: pub, za: za}, nil
}

// threeParts checks the outer form shared by certificates and requests: a DER
// SEQUENCE of exactly three elements with nothing after. The X.509 parser lets
// bytes follow the signature inside the SEQUENCE, which would give one
// certificate many IDs.
func threeParts(der []byte) error {
	var outer asn1.RawValue
	rest, err := asn1.Unmarshal(der, &outer)
	if err != nil {
		return err
	}
	if len(rest) > 0 || outer.Class != asn1.ClassUniversal || outer.Tag != asn1.TagSequence || !outer.IsCompound {
		return errors.New("not one DER sequence")
	}
	body := outer.Bytes
	for range 3 {
		var part asn1.RawValue
		if body, err = asn1.Unmarshal(body, &part); err != nil {
			return err
		}
	}
	if len(body) > 0 {
		return errors.New("bytes after the signature")
	}
	return nil
}

// publicKey takes the point out of a SubjectPublicKeyInfo of the one accepted
// form and checks that it lies on the curve.
func publicKey(spki []byte) (*ecdsa.PublicKey, error) {
	point, ok := bytes.CutPrefix(spki, spkiPrefix)
	if !ok || len(point) != pointSize || point[0] != 4 {
		return nil, errors.New("public key is not an uncompressed SM2 key")
	}
	return sm2.NewPublicKey(point)
}

// ID is SM3 of the certificate's DER.
func (c *Certificate) ID() ID { return c.id }

// Raw is a copy of the DER.
func (c *Certificate) Raw() []byte { return bytes.Clone(c.x.Raw) }

// Subject is the subject's one common name: the node id, for a node's or a
// registrar's certificate.
func (c *Certificate) Subject() string { return c.x.Subject.CommonName }

// IsRegistrar reports whether the subject's one organisational unit is
// "registrar". A node's own certificate never has it, even where the parent's
// node and its registrar share a node id.
func (c *Certificate) IsRegistrar() bool {
	return !c.x.IsCA && len(c.x.Subject.OrganizationalUnit) == 1 && c.x.Subject.OrganizationalUnit[0] == registrarUnit
}

// NotBefore and NotAfter bound the certificate's validity. They are judged at
// first seen (protocol §7), by the caller.
func (c *Certificate) NotBefore() time.Time { return c.x.NotBefore }

// NotAfter is the last second of the certificate's validity.
func (c *Certificate) NotAfter() time.Time { return c.x.NotAfter }

const (
	signUsage    = smx509.KeyUsageDigitalSignature | smx509.KeyUsageContentCommitment
	encryptUsage = smx509.KeyUsageKeyEncipherment | smx509.KeyUsageDataEncipherment | smx509.KeyUsageKeyAgreement
	issueUsage   = smx509.KeyUsageCertSign | smx509.KeyUsageCRLSign
)

// CanSign reports whether keyUsage holds digitalSignature and nothing that
// belongs to an encryption or a CA certificate.
func (c *Certificate) CanSign() bool {
	return c.x.KeyUsage&smx509.KeyUsageDigitalSignature != 0 && c.x.KeyUsage&(encryptUsage|issueUsage) == 0 && !c.x.IsCA
}

// CanEncrypt reports whether keyUsage holds keyEncipherment or dataEncipherment
// and nothing that belongs to a signing or a CA certificate.
func (c *Certificate) CanEncrypt() bool {
	return c.x.KeyUsage&(smx509.KeyUsageKeyEncipherment|smx509.KeyUsageDataEncipherment) != 0 &&
		c.x.KeyUsage&(signUsage|issueUsage) == 0 && !c.x.IsCA
}

// PublicKeyHex is the public key as 04 ‖ X ‖ Y in 130 lower-case hex digits, the
// form of peers.json (protocol §7).
func (c *Certificate) PublicKeyHex() string { return hex.EncodeToString(c.point()) }

func (c *Certificate) point() []byte { return c.x.RawSubjectPublicKeyInfo[len(spkiPrefix):] }

// Verify checks an SM2 signature over ctx ‖ 0x00 ‖ msg. The signature must be
// the one DER form of its two integers. [ErrUsage] for a certificate that cannot
// sign, [ErrContext] for an unknown context, [ErrSignature] for all else.
func (c *Certificate) Verify(ctx Context, msg, sig []byte) error {
	if !ctx.known() {
		return fmt.Errorf("%w %q", ErrContext, string(ctx))
	}
	if !c.CanSign() {
		return fmt.Errorf("%w: %s does not sign", ErrUsage, c.id)
	}
	if len(sig) > maxSignature || !sm2.VerifyASN1(c.pub, digest(c.za, ctx, msg), sig) {
		return ErrSignature
	}
	return nil
}

// Wrap encrypts a content key of exactly 16 bytes to the certificate: GM/T 0009
// DER (C1C3C2), at most 124 bytes, first byte 0x30. [ErrUsage] for a certificate
// that is not for encryption. Two calls give two wrapped keys.
func (c *Certificate) Wrap(key []byte) ([]byte, error) {
	if len(key) != ContentKeySize {
		return nil, fmt.Errorf("keys: content key of %d bytes", len(key))
	}
	if !c.CanEncrypt() {
		return nil, fmt.Errorf("%w: %s does not encrypt", ErrUsage, c.id)
	}
	return sm2.EncryptASN1(rand.Reader, c.pub, key)
}

// CheckIssuedBy checks that ca is a CA certificate whose key signed c and whose
// name c bears as issuer: one level, no dates, no revocation. A self-signed CA is
// issued by itself; otherwise a CA under ca needs ca's path length to allow it.
func (c *Certificate) CheckIssuedBy(ca *Certificate) error {
	switch {
	case !ca.x.IsCA || !ca.x.BasicConstraintsValid || ca.x.KeyUsage&smx509.KeyUsageCertSign == 0:
		return fmt.Errorf("%w: %s issues no certificates", ErrUsage, ca.id)
	case !bytes.Equal(c.x.RawIssuer, ca.x.RawSubject):
		return errors.New("keys: certificate names another issuer")
	case c.x.IsCA && c.id != ca.id && ca.x.MaxPathLenZero:
		return errors.New("keys: issuer may not issue CA certificates")
	}
	if err := c.x.CheckSignatureFrom(ca.x); err != nil {
		return fmt.Errorf("%w: certificate %s by %s", ErrSignature, c.id, ca.id)
	}
	return nil
}
