package keys

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// The files of a registrar's folder, kept offline (design §7).
const (
	registrarKeyFile  = "registrar.key"
	registrarCertFile = "registrar.crt"
	caKeyFile         = "ca.key"
	caCertFile        = "ca.crt"
)

// Registrar approves, rotates and revokes a parent's nodes. Its signing key and
// the CA's are apart from each other and from the node's keys. Immutable, safe
// for concurrent use.
type Registrar struct {
	NodeID    string
	Cert      *Certificate
	Signer    Signer
	Authority *Authority
}

// CreateRegistrar makes a registrar's folder (mode 0700) for the node: a
// development CA and a registrar key with a certificate by it (10 years), both
// keys encrypted under pass. Any of its files already there is [ErrExists].
func CreateRegistrar(dir, node string, pass []byte, now time.Time) (_ *Registrar, err error) {
	if !ValidNodeID(node) {
		return nil, fmt.Errorf("keys: node id %q", node)
	}
	f, err := newFolder(dir, registrarKeyFile, registrarCertFile, caKeyFile, caCertFile)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.undo()
		}
	}()
	ca, err := NewAuthority("法驿 "+node+" 开发 CA", now)
	if err != nil {
		return nil, err
	}
	if err := f.wrote(caKeyFile, SaveKey(f.path(caKeyFile), ca.key, pass)); err != nil {
		return nil, err
	}
	key, err := f.key(registrarKeyFile, pass)
	if err != nil {
		return nil, err
	}
	csr, err := NewRequest(node, key)
	if err != nil {
		return nil, err
	}
	cert, err := ca.IssueRegistrar(csr, node, now, registrarValidity)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.certificate(caCertFile, ca.cert), f.certificate(registrarCertFile, cert)); err != nil {
		return nil, err
	}
	return newRegistrar(cert, key, ca)
}

// LoadRegistrar reads a registrar's folder, reporting every fault at once as
// [LoadIdentity] does.
func LoadRegistrar(dir string, pass []byte) (*Registrar, error) {
	at := func(name string) string { return filepath.Join(dir, name) }
	cert, e1 := LoadCertificate(at(registrarCertFile))
	caCert, e2 := LoadCertificate(at(caCertFile))
	key, e3 := LoadKey(at(registrarKeyFile), pass)
	caKey, e4 := LoadKey(at(caKeyFile), pass)
	errs := []error{e1, e2, e3, e4, checkOwner(registrarCertFile, cert, key), checkOwner(caCertFile, caCert, caKey)}
	if cert != nil && (!cert.IsRegistrar() || !cert.CanSign() || !ValidNodeID(cert.Subject())) {
		errs = append(errs, fmt.Errorf("%w: %s is not a registrar's signing certificate", ErrUsage, registrarCertFile))
	}
	if cert != nil && caCert != nil {
		errs = append(errs, cert.CheckIssuedBy(caCert))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	ca, err := OpenAuthority(caCert, caKey)
	if err != nil {
		return nil, err
	}
	return newRegistrar(cert, key, ca)
}

func newRegistrar(cert *Certificate, key *Key, ca *Authority) (*Registrar, error) {
	signer, err := NewSoftSigner(cert, key)
	if err != nil {
		return nil, err
	}
	return &Registrar{NodeID: cert.Subject(), Cert: cert, Signer: signer, Authority: ca}, nil
}
