package keys

import (
	"bytes"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
)

var nodeID = regexp.MustCompile(`^[0-9a-z][0-9a-z-]{1,31}$`)

// ValidNodeID reports whether s has the form of a node id, the first part of a
// stream name (protocol §1). ASCII only, so no two ids look alike.
func ValidNodeID(s string) bool { return nodeID.MatchString(s) }

var oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}

const maxCommonName = 64 // characters, ub-common-name of RFC 5280 appendix A.1

// oneCommonName refuses subjects with none or several common names, of which
// parsers take the first or the last.
func oneCommonName(subject pkix.Name) error {
	n := 0
	for _, name := range subject.Names {
		if name.Type.Equal(oidCommonName) {
			n++
		}
	}
	if n != 1 {
		return fmt.Errorf("subject has %d common names", n)
	}
	return commonName(subject.CommonName)
}

func commonName(s string) error {
	if n := utf8.RuneCountInString(s); n == 0 || n > maxCommonName || !utf8.ValidString(s) {
		return fmt.Errorf("common name of %d characters, wants 1 to %d of UTF-8", n, maxCommonName)
	}
	return nil
}

// NewRequest makes a PKCS#10 request (DER) in which a node asks for a
// certificate on key. Whether for signing or for encryption is the issuer's to
// set, from the request's place in the join.
func NewRequest(node string, key *Key) ([]byte, error) {
	if !ValidNodeID(node) {
		return nil, fmt.Errorf("keys: node id %q", node)
	}
	der, err := smx509.CreateCertificateRequest(rand.Reader, &smx509.CertificateRequest{
		Subject:            pkix.Name{CommonName: node},
		SignatureAlgorithm: smx509.SM2WithSM3,
	}, key.sm2)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return der, nil
}

// Request is a checked PKCS#10 request.
type Request struct{ x *smx509.CertificateRequest }

// ParseRequest reads one DER request from a stranger with the strictness of
// [ParseCertificate], at most 4 KiB, checks that its common name is a node id and
// that it is signed by the key it asks for.
func ParseRequest(der []byte) (*Request, error) {
	if len(der) > maxRequest {
		return nil, fmt.Errorf("keys: request of %d bytes", len(der))
	}
	der = bytes.Clone(der)
	if err := threeParts(der); err != nil {
		return nil, fmt.Errorf("keys: request: %w", err)
	}
	x, err := smx509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("keys: request: %w", err)
	}
	if x.SignatureAlgorithm != smx509.SM2WithSM3 {
		return nil, fmt.Errorf("keys: request signed with %v, not SM2 with SM3", x.SignatureAlgorithm)
	}
	if err := oneCommonName(x.Subject); err != nil {
		return nil, fmt.Errorf("keys: request: %w", err)
	}
	if !ValidNodeID(x.Subject.CommonName) {
		return nil, errors.New("keys: request names no node id")
	}
	pub, err := publicKey(x.RawSubjectPublicKeyInfo)
	if err != nil {
		return nil, fmt.Errorf("keys: request: %w", err)
	}
	if !sm2.VerifyASN1WithSM2(pub, nil, x.RawTBSCertificateRequest, x.Signature) {
		return nil, fmt.Errorf("%w: request", ErrSignature)
	}
	return &Request{x}, nil
}

// Subject is the node id that asks.
func (r *Request) Subject() string { return r.x.Subject.CommonName }

// Raw is a copy of the DER.
func (r *Request) Raw() []byte { return bytes.Clone(r.x.Raw) }

// PublicKeyHex is the public key as 04 ‖ X ‖ Y in lower-case hex.
func (r *Request) PublicKeyHex() string { return hex.EncodeToString(r.point()) }

func (r *Request) point() []byte { return r.x.RawSubjectPublicKeyInfo[len(spkiPrefix):] }
