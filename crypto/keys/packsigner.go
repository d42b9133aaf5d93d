package keys

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// The files of a pack signer's folder.
const (
	packSignerKeyFile  = "signer.key"
	packSignerCertFile = "signer.crt"
)

// PackSigner is a key that signs schema packs in a registrar's stead, so that
// the registrar's own need not leave its safe for each of them. The certificate
// alone allows nothing: a registrar names it in a grant (protocol §8).
type PackSigner struct {
	Cert   *Certificate
	Signer Signer
}

// CreatePackSigner makes a pack signer's folder (mode 0700): a key encrypted
// under pass and a signing certificate by the registrar's authority, good for
// validity. Any of its files already there is [ErrExists].
func (r *Registrar) CreatePackSigner(dir string, pass []byte, now time.Time, validity time.Duration) (_ *PackSigner, err error) {
	f, err := newFolder(dir, packSignerKeyFile, packSignerCertFile)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.undo()
		}
	}()
	key, err := f.key(packSignerKeyFile, pass)
	if err != nil {
		return nil, err
	}
	csr, err := NewRequest(r.NodeID, key)
	if err != nil {
		return nil, err
	}
	cert, err := r.Authority.IssueNode(csr, r.NodeID, UsageSign, now, validity)
	if err != nil {
		return nil, err
	}
	if err := f.certificate(packSignerCertFile, cert); err != nil {
		return nil, err
	}
	return newPackSigner(cert, key)
}

// LoadPackSigner reads a pack signer's folder, reporting every fault at once.
func LoadPackSigner(dir string, pass []byte) (*PackSigner, error) {
	cert, e1 := LoadCertificate(filepath.Join(dir, packSignerCertFile))
	key, e2 := LoadKey(filepath.Join(dir, packSignerKeyFile), pass)
	errs := []error{e1, e2, checkOwner(packSignerCertFile, cert, key)}
	if cert != nil && !cert.CanSign() {
		errs = append(errs, fmt.Errorf("%w: %s does not sign", ErrUsage, packSignerCertFile))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return newPackSigner(cert, key)
}

func newPackSigner(cert *Certificate, key *Key) (*PackSigner, error) {
	signer, err := NewSoftSigner(cert, key)
	if err != nil {
		return nil, err
	}
	return &PackSigner{cert, signer}, nil
}
