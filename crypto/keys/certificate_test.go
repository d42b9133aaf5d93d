package keys_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"fayi/crypto/keys"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"
	second "github.com/tjfoc/gmsm/x509"
)

func TestCertificate(t *testing.T) {
	sign, key := node(t, keys.UsageSign)
	enc, _ := node(t, keys.UsageEncrypt)
	ca := authority().Certificate()

	if keys.ID(sm3.Sum(sign.Raw())) != sign.ID() {
		t.Error("ID is not SM3 of the DER")
	}
	if got := must(keys.ParseID(sign.ID().String()))(t); got != sign.ID() {
		t.Errorf("ID comes back as %s", got)
	}
	if sign.Subject() != "610800" || sign.PublicKeyHex() != key.PublicKeyHex() || len(sign.PublicKeyHex()) != 130 || sign.PublicKeyHex()[:2] != "04" {
		t.Errorf("subject %q, key %s", sign.Subject(), sign.PublicKeyHex())
	}
	if !sign.NotBefore().Before(now) || !sign.NotAfter().Equal(now.Add(year)) {
		t.Errorf("valid %v to %v", sign.NotBefore(), sign.NotAfter())
	}
	for _, c := range []struct {
		name             string
		cert             *keys.Certificate
		canSign, encrypt bool
	}{{"sign", sign, true, false}, {"enc", enc, false, true}, {"ca", ca, false, false}} {
		if c.cert.CanSign() != c.canSign || c.cert.CanEncrypt() != c.encrypt || c.cert.IsRegistrar() {
			t.Errorf("%s: sign %v, encrypt %v, registrar %v", c.name, c.cert.CanSign(), c.cert.CanEncrypt(), c.cert.IsRegistrar())
		}
		if err := c.cert.CheckIssuedBy(ca); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if len(c.cert.Raw()) > 600 {
			t.Errorf("%s has %d bytes", c.name, len(c.cert.Raw()))
		}
	}
	raw := sign.Raw()
	raw[20] ^= 1
	if bytes.Equal(raw, sign.Raw()) {
		t.Error("Raw hands out the certificate's own bytes")
	}
	der := sign.Raw()
	again := must(keys.ParseCertificate(der))(t)
	clear(der)
	checkBytes(t, "certificate after its caller's bytes changed", again.Raw(), sign.Raw())
}

func TestParseID(t *testing.T) {
	good := strings.Repeat("0a", 32)
	if _, err := keys.ParseID(good); err != nil {
		t.Error(err)
	}
	for _, s := range []string{"", good[1:], good + "0", strings.ToUpper(good), "0x" + good[2:], good[:63] + "g", good[:62] + "０"[:2]} {
		if _, err := keys.ParseID(s); err == nil {
			t.Errorf("id %q", s)
		}
	}
}

func TestCheckIssuedBy(t *testing.T) {
	sign, _ := node(t, keys.UsageSign)
	other := must(keys.NewAuthority("另一 CA", now))(t).Certificate()
	if sign.CheckIssuedBy(other) == nil {
		t.Error("another CA's name passes")
	}
	// same name, other key
	twin := must(keys.NewAuthority(authority().Certificate().Subject(), now))(t).Certificate()
	wantErr(t, sign.CheckIssuedBy(twin), keys.ErrSignature)
	wantErr(t, sign.CheckIssuedBy(sign), keys.ErrUsage)
	// other name, same key: the signature is right, the issuer is not
	caKey := must(sm2.GenerateKey(rand.Reader))(t)
	asCA := func(name string) func(*smx509.Certificate) {
		return func(c *smx509.Certificate) {
			c.Subject.CommonName, c.IsCA, c.KeyUsage = name, true, smx509.KeyUsageCertSign
		}
	}
	one := must(keys.ParseCertificate(selfSigned(t, caKey, asCA("一"))))(t)
	two := must(keys.ParseCertificate(selfSigned(t, caKey, asCA("二"))))(t)
	if one.CheckIssuedBy(one) != nil || one.CheckIssuedBy(two) == nil {
		t.Error("the issuer's name does not count")
	}
	// a flipped bit in the signed part that the parser does not mind: the serial
	der := sign.Raw()
	i := bytes.Index(der, []byte{0x02, 0x14})
	if i < 0 {
		i = bytes.Index(der, []byte{0x02, 0x13}) // a serial with a leading zero byte
	}
	der[i+5] ^= 1
	wantErr(t, must(keys.ParseCertificate(der))(t).CheckIssuedBy(authority().Certificate()), keys.ErrSignature)
}

// A CA under a CA of path length 0 issues nothing.
func TestPathLength(t *testing.T) {
	caKey := must(sm2.GenerateKey(rand.Reader))(t)
	root := selfSigned(t, caKey, func(c *smx509.Certificate) {
		c.IsCA, c.MaxPathLenZero, c.KeyUsage = true, true, smx509.KeyUsageCertSign
	})
	parent := must(smx509.ParseCertificate(root))(t)
	template := template("610800")
	template.Subject.CommonName = "下级 CA"
	template.IsCA, template.KeyUsage = true, smx509.KeyUsageCertSign
	key := must(sm2.GenerateKey(rand.Reader))(t)
	der := must(smx509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, caKey))(t)
	if must(keys.ParseCertificate(der))(t).CheckIssuedBy(must(keys.ParseCertificate(root))(t)) == nil {
		t.Error("a CA under path length 0 passes")
	}
}

func template(node string) *smx509.Certificate {
	return &smx509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: node},
		NotBefore: now, NotAfter: now.Add(time.Hour), BasicConstraintsValid: true,
	}
}

func selfSigned(t *testing.T, key *sm2.PrivateKey, change func(*smx509.Certificate)) []byte {
	t.Helper()
	c := template("610800")
	change(c)
	return must(smx509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key))(t)
}

// keyUsage is closed: what signs does not encrypt, and a CA does neither.
func TestUsageBits(t *testing.T) {
	const (
		ds, nr = smx509.KeyUsageDigitalSignature, smx509.KeyUsageContentCommitment
		ke, de = smx509.KeyUsageKeyEncipherment, smx509.KeyUsageDataEncipherment
		ka, cs = smx509.KeyUsageKeyAgreement, smx509.KeyUsageCertSign
	)
	key := must(sm2.GenerateKey(rand.Reader))(t)
	for _, c := range []struct {
		usage            smx509.KeyUsage
		ca               bool
		canSign, encrypt bool
	}{
		{0, false, false, false},
		{ds, false, true, false},
		{ds | nr, false, true, false},
		{nr, false, false, false},
		{ke, false, false, true},
		{ke | de | ka, false, false, true},
		{ka, false, false, false},
		{ds | ke, false, false, false},
		{nr | de, false, false, false},
		{ds | ka, false, false, false},
		{ds | cs, false, false, false},
		{ds, true, false, false},
		{ke, true, false, false},
	} {
		cert := must(keys.ParseCertificate(selfSigned(t, key, func(x *smx509.Certificate) { x.KeyUsage, x.IsCA = c.usage, c.ca })))(t)
		if cert.CanSign() != c.canSign || cert.CanEncrypt() != c.encrypt {
			t.Errorf("usage %b, ca %v: sign %v, encrypt %v", c.usage, c.ca, cert.CanSign(), cert.CanEncrypt())
		}
	}
}

// Conformance cases 20, 21 and strictness of the container.
func TestParseCertificateMustReject(t *testing.T) {
	key := must(sm2.GenerateKey(rand.Reader))(t)
	good := selfSigned(t, key, func(c *smx509.Certificate) {})
	if _, err := keys.ParseCertificate(good); err != nil {
		t.Fatalf("the good certificate: %v", err)
	}
	p256 := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	plain := template("610800")
	caKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	point := bytes.LastIndex(good, []byte{0x03, 0x42, 0x00, 0x04})
	changed := func(f func(b []byte)) []byte { b := slices.Clone(good); f(b); return b }
	name := func(atvs ...pkix.AttributeTypeAndValue) []byte {
		rdn := pkix.RDNSequence{}
		for _, a := range atvs {
			rdn = append(rdn, pkix.RelativeDistinguishedNameSET{a})
		}
		raw := must(asn1.Marshal(rdn))(t)
		return selfSigned(t, key, func(c *smx509.Certificate) { c.RawSubject = raw })
	}
	cn := func(v string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: v}
	}
	extension := func(critical bool, size int) []byte {
		return selfSigned(t, key, func(c *smx509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: critical, Value: make([]byte, size)}}
		})
	}
	if _, err := keys.ParseCertificate(extension(false, 10)); err != nil {
		t.Errorf("a private extension that is not critical: %v", err)
	}
	if _, err := keys.ParseCertificate(name(cn("610800"))); err != nil {
		t.Errorf("a common name alone: %v", err)
	}
	longer := func(tail ...byte) []byte { // grow the outer SEQUENCE by bytes after the signature
		b := append(slices.Clone(good), tail...)
		n := len(b) - 4
		b[2], b[3] = byte(n>>8), byte(n)
		return b
	}

	for label, der := range map[string][]byte{
		"empty":                 nil,
		"trailing byte":         append(slices.Clone(good), 0),
		"bytes after signature": longer(0x05, 0x00),
		"truncated":             good[:len(good)-1],
		"PEM":                   []byte("-----BEGIN CERTIFICATE-----\n"),
		"over 4 KiB":            extension(false, 4<<10),
		"critical extension":    extension(true, 10),
		"P-256":                 must(smx509.CreateCertificate(rand.Reader, plain, plain, &p256.PublicKey, p256))(t),
		"RSA":                   must(smx509.CreateCertificate(rand.Reader, plain, plain, &rsaKey.PublicKey, rsaKey))(t),
		"SM2 signed by ECDSA":   must(smx509.CreateCertificate(rand.Reader, plain, plain, &key.PublicKey, caKey))(t),
		"off the curve":         changed(func(b []byte) { b[point+40] ^= 1 }),
		"hybrid point":          changed(func(b []byte) { b[point+3] = 6 | b[point+67]&1 }),
		"compressed prefix":     changed(func(b []byte) { b[point+3] = 2 }),
		"point of zeros":        changed(func(b []byte) { clear(b[point+4 : point+68]) }),
		"no common name":        name(pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "org"}),
		"two common names":      name(cn("610800"), cn("610000")),
		"long common name":      name(cn(strings.Repeat("法", 65))),
		"ends before it begins": selfSigned(t, key, func(c *smx509.Certificate) { c.NotAfter = now.Add(-time.Second) }),
	} {
		if c, err := keys.ParseCertificate(der); err == nil {
			t.Errorf("%s: accepted as %s", label, c.ID())
		}
	}
}

// The second implementation reads our certificates and requests and checks them.
func TestSecondImplementationReadsCertificates(t *testing.T) {
	ca := must(second.ParseCertificate(authority().Certificate().Raw()))(t)
	for _, usage := range []keys.Usage{keys.UsageSign, keys.UsageEncrypt} {
		ours, key := node(t, usage)
		theirs := must(second.ParseCertificate(ours.Raw()))(t)
		if err := theirs.CheckSignatureFrom(ca); err != nil {
			t.Error(err)
		}
		if theirs.Subject.CommonName != "610800" || theirs.SerialNumber.BitLen() < 100 {
			t.Errorf("subject %q, serial %x", theirs.Subject.CommonName, theirs.SerialNumber)
		}
		req := must(second.ParseCertificateRequest(must(keys.NewRequest("610800", key))(t)))(t)
		if err := req.CheckSignature(); err != nil {
			t.Error(err)
		}
	}
}
