package keys

import (
	"crypto/rand"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"
)

// Usage is what an issued certificate is for.
type Usage int

// A node has one certificate of each (design §7).
const (
	UsageSign    Usage = iota + 1 // keyUsage digitalSignature
	UsageEncrypt                  // keyUsage keyEncipherment, dataEncipherment
)

const (
	caValidity        = 20 * 365 * 24 * time.Hour
	registrarValidity = 10 * 365 * 24 * time.Hour
	backdate          = time.Hour // of NotBefore, for receivers whose clocks are behind
)

// Authority is a development CA: a self-signed certificate and its key, used for
// nothing but certificates (see the package comment for what it is not). Safe
// for concurrent use.
type Authority struct {
	cert *Certificate
	key  *Key
}

// NewAuthority makes a CA of the given common name, valid for 20 years from now,
// whose certificates cannot issue others.
func NewAuthority(name string, now time.Time) (*Authority, error) {
	if err := commonName(name); err != nil {
		return nil, fmt.Errorf("keys: authority: %w", err)
	}
	key, err := GenerateKey()
	if err != nil {
		return nil, err
	}
	template := newTemplate(pkix.Name{CommonName: name}, key.point(), now, caValidity)
	template.IsCA = true
	template.MaxPathLenZero = true
	template.KeyUsage = issueUsage
	der, err := smx509.CreateCertificate(rand.Reader, template, template, key.public(), key.sm2)
	if err != nil {
		return nil, fmt.Errorf("keys: authority: %w", err)
	}
	cert, err := ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return OpenAuthority(cert, key)
}

// OpenAuthority joins a CA's self-signed certificate and its key.
func OpenAuthority(cert *Certificate, key *Key) (*Authority, error) {
	if err := cert.CheckIssuedBy(cert); err != nil {
		return nil, fmt.Errorf("keys: authority: %w", err)
	}
	if !key.matches(cert) {
		return nil, fmt.Errorf("%w: %s", ErrMismatch, cert.id)
	}
	return &Authority{cert, key}, nil
}

// Certificate is the CA's own.
func (a *Authority) Certificate() *Certificate { return a.cert }

// IssueNode answers a node's request (DER) with a certificate for one usage. The
// request must name node; the validity, counted from now, must end before the
// CA's. Whether the request is the node's own is for two people to say, by
// [JoinCode].
func (a *Authority) IssueNode(request []byte, node string, usage Usage, now time.Time, validity time.Duration) (*Certificate, error) {
	r, err := ParseRequest(request)
	if err != nil {
		return nil, err
	}
	if r.Subject() != node {
		return nil, fmt.Errorf("keys: request is of %q, not of %q", r.Subject(), node)
	}
	return a.issue(pkix.Name{CommonName: node}, r.point(), usage, now, validity)
}

// IssueRegistrar answers the request (DER) of a node's registrar with a signing
// certificate for which [Certificate.IsRegistrar] holds.
func (a *Authority) IssueRegistrar(request []byte, node string, now time.Time, validity time.Duration) (*Certificate, error) {
	r, err := ParseRequest(request)
	if err != nil {
		return nil, err
	}
	if r.Subject() != node {
		return nil, fmt.Errorf("keys: request is of %q, not of %q", r.Subject(), node)
	}
	subject := pkix.Name{CommonName: node, OrganizationalUnit: []string{registrarUnit}}
	return a.issue(subject, r.point(), UsageSign, now, validity)
}

func (a *Authority) issue(subject pkix.Name, point []byte, usage Usage, now time.Time, validity time.Duration) (*Certificate, error) {
	if validity <= 0 || now.Add(validity).After(a.cert.NotAfter()) {
		return nil, errors.New("keys: validity ends before it begins or after the authority's")
	}
	pub, err := sm2.NewPublicKey(point)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	template := newTemplate(subject, point, now, validity)
	switch usage {
	case UsageSign:
		template.KeyUsage = smx509.KeyUsageDigitalSignature
	case UsageEncrypt:
		template.KeyUsage = smx509.KeyUsageKeyEncipherment | smx509.KeyUsageDataEncipherment
	default:
		return nil, fmt.Errorf("keys: unknown usage %d", usage)
	}
	der, err := smx509.CreateCertificate(rand.Reader, template, a.cert.x, pub, a.key.sm2)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return ParseCertificate(der)
}

// newTemplate leaves the serial number to the library: 159 random bits.
func newTemplate(subject pkix.Name, point []byte, now time.Time, validity time.Duration) *smx509.Certificate {
	keyID := sm3.Sum(point)
	return &smx509.Certificate{
		Subject:               subject,
		NotBefore:             now.Add(-backdate).UTC(),
		NotAfter:              now.Add(validity).UTC(),
		SignatureAlgorithm:    smx509.SM2WithSM3,
		BasicConstraintsValid: true,
		SubjectKeyId:          keyID[:20],
	}
}
