package keys

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The files of a node's keys folder. A folder is one identity for its life: keys
// and certificates in it never change, a rotation makes a folder beside it.
const (
	signKeyFile  = "sign.key"
	signCSRFile  = "sign.csr"
	signCertFile = "sign.crt"
	encKeyFile   = "enc.key"
	encCSRFile   = "enc.csr"
	encCertFile  = "enc.crt"
	storeKeyFile = "store.key"
)

const (
	certPEM    = "CERTIFICATE"         // RFC 7468 §5
	requestPEM = "CERTIFICATE REQUEST" // RFC 7468 §7
)

// Identity is what a running node holds of its keys. Immutable, safe for
// concurrent use.
type Identity struct {
	NodeID    string
	SignCert  *Certificate
	EncCert   *Certificate
	Signer    Signer
	Unwrapper Unwrapper
	Store     *StoreKey
}

// CreateIdentity makes the folder of a new node (mode 0700) with a signing, an
// encryption and a store key, all encrypted under pass, and returns the two
// requests (DER), which it also keeps as sign.csr and enc.csr. Any key, request
// or certificate already in the folder is [ErrExists] and nothing is changed.
func CreateIdentity(dir, node string, pass []byte) (signCSR, encCSR []byte, err error) {
	secret := make([]byte, ContentKeySize)
	if _, err := rand.Read(secret); err != nil {
		return nil, nil, fmt.Errorf("keys: %w", err)
	}
	return createIdentity(dir, node, secret, pass)
}

// CreateSuccessor makes a folder as [CreateIdentity] does for the rotation of old:
// new signing and encryption keys, the same node and the same store key, so that
// what the node has stored stays readable.
func CreateSuccessor(dir string, old *Identity, pass []byte) (signCSR, encCSR []byte, err error) {
	return createIdentity(dir, old.NodeID, old.Store.secret[:], pass)
}

func createIdentity(dir, node string, secret, pass []byte) (signCSR, encCSR []byte, err error) {
	if !ValidNodeID(node) {
		return nil, nil, fmt.Errorf("keys: node id %q", node)
	}
	if len(pass) == 0 {
		return nil, nil, errors.New("keys: empty passphrase")
	}
	f, err := newFolder(dir, signKeyFile, signCSRFile, signCertFile, encKeyFile, encCSRFile, encCertFile, storeKeyFile)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			f.undo()
		}
	}()
	signCSR, err = f.keyAndRequest(signKeyFile, signCSRFile, node, pass)
	if err != nil {
		return nil, nil, err
	}
	encCSR, err = f.keyAndRequest(encKeyFile, encCSRFile, node, pass)
	if err != nil {
		return nil, nil, err
	}
	if err = f.wrote(storeKeyFile, SaveSecret(f.path(storeKeyFile), secret, pass)); err != nil {
		return nil, nil, err
	}
	return signCSR, encCSR, nil
}

// folder is a keys folder while it is being filled: what was written is removed
// again if a later step fails, so that a second try finds it as it was.
type folder struct {
	dir     string
	written []string
}

// newFolder makes dir, or takes an existing one in which none of names exists.
func newFolder(dir string, names ...string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	f := &folder{dir: dir}
	var errs []error
	for _, name := range names {
		if _, err := os.Lstat(f.path(name)); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("%w: %s", ErrExists, f.path(name)))
		}
	}
	return f, errors.Join(errs...)
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *folder) wrote(name string, err error) error {
	if err == nil {
		f.written = append(f.written, name)
	}
	return err
}

func (f *folder) undo() {
	for _, name := range f.written {
		os.Remove(f.path(name))
	}
}

func (f *folder) key(name string, pass []byte) (*Key, error) {
	key, err := GenerateKey()
	if err != nil {
		return nil, err
	}
	return key, f.wrote(name, SaveKey(f.path(name), key, pass))
}

func (f *folder) keyAndRequest(keyName, csrName, node string, pass []byte) ([]byte, error) {
	key, err := f.key(keyName, pass)
	if err != nil {
		return nil, err
	}
	csr, err := NewRequest(node, key)
	if err != nil {
		return nil, err
	}
	return csr, f.wrote(csrName, writePEM(f.path(csrName), requestPEM, csr, 0o644))
}

func (f *folder) certificate(name string, cert *Certificate) error {
	return f.wrote(name, writePEM(f.path(name), certPEM, cert.x.Raw, 0o644))
}

// LoadCertificate reads one certificate from a PEM file.
func LoadCertificate(path string) (*Certificate, error) {
	der, err := readPEM(path, certPEM, false)
	if err != nil {
		return nil, err
	}
	cert, err := ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, path)
	}
	return cert, nil
}

// LoadRequests reads the two requests (DER) that [CreateIdentity] kept, for
// sending them or showing [JoinCode] again.
func LoadRequests(dir string) (signCSR, encCSR []byte, err error) {
	signCSR, signErr := readPEM(filepath.Join(dir, signCSRFile), requestPEM, false)
	encCSR, encErr := readPEM(filepath.Join(dir, encCSRFile), requestPEM, false)
	return signCSR, encCSR, errors.Join(signErr, encErr)
}

// InstallCertificates puts the two certificates (DER) beside the keys they were
// asked for, after checking them against the requests; it needs no passphrase.
// All faults are reported at once. Certificates already there may only be the
// same ones: others are [ErrExists].
func InstallCertificates(dir string, signDER, encDER []byte) error {
	sign, signErr := ParseCertificate(signDER)
	enc, encErr := ParseCertificate(encDER)
	signCSR, encCSR, csrErr := LoadRequests(dir)
	if err := errors.Join(signErr, encErr, csrErr); err != nil {
		return err
	}
	signReq, signErr := ParseRequest(signCSR)
	encReq, encErr := ParseRequest(encCSR)
	if err := errors.Join(signErr, encErr); err != nil {
		return err
	}
	errs := checkPair(sign, enc)
	for _, p := range []struct {
		name string
		cert *Certificate
		req  *Request
	}{{signCertFile, sign, signReq}, {encCertFile, enc, encReq}} {
		if !bytes.Equal(p.cert.point(), p.req.point()) {
			errs = append(errs, fmt.Errorf("%w: %s is not on the requested key", ErrMismatch, p.name))
		}
		if p.cert.Subject() != p.req.Subject() {
			errs = append(errs, fmt.Errorf("%w: %s is for %q, requested for %q", ErrMismatch, p.name, p.cert.Subject(), p.req.Subject()))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return errors.Join(installCertificate(dir, signCertFile, sign), installCertificate(dir, encCertFile, enc))
}

func installCertificate(dir, name string, cert *Certificate) error {
	path := filepath.Join(dir, name)
	err := writePEM(path, certPEM, cert.x.Raw, 0o644)
	if errors.Is(err, ErrExists) {
		if there, loadErr := LoadCertificate(path); loadErr == nil && there.id == cert.id {
			return nil
		}
	}
	return err
}

// checkPair reports what is wrong with two certificates as one node's.
func checkPair(sign, enc *Certificate) []error {
	if sign.CanEncrypt() && enc.CanSign() {
		return []error{fmt.Errorf("%w: signing and encryption certificates are swapped", ErrUsage)}
	}
	var errs []error
	if !sign.CanSign() || sign.IsRegistrar() {
		errs = append(errs, fmt.Errorf("%w: %s is not a node's signing certificate", ErrUsage, signCertFile))
	}
	if !enc.CanEncrypt() {
		errs = append(errs, fmt.Errorf("%w: %s is not an encryption certificate", ErrUsage, encCertFile))
	}
	if sign.Subject() != enc.Subject() || !ValidNodeID(sign.Subject()) {
		errs = append(errs, fmt.Errorf("%w: certificates are for %q and %q, not for one node id", ErrMismatch, sign.Subject(), enc.Subject()))
	}
	if bytes.Equal(sign.point(), enc.point()) {
		errs = append(errs, fmt.Errorf("%w: one key serves for signing and for encryption", ErrUsage))
	}
	return errs
}

// LoadIdentity reads a node's folder. It reports every fault it finds at once: a
// missing file, [ErrPermission], [ErrPassphrase], [ErrMismatch] of a certificate
// and its key, [ErrUsage] of a certificate. Dates are the caller's to judge.
func LoadIdentity(dir string, pass []byte) (*Identity, error) {
	at := func(name string) string { return filepath.Join(dir, name) }
	signCert, e1 := LoadCertificate(at(signCertFile))
	encCert, e2 := LoadCertificate(at(encCertFile))
	signKey, e3 := LoadKey(at(signKeyFile), pass)
	encKey, e4 := LoadKey(at(encKeyFile), pass)
	secret, e5 := LoadSecret(at(storeKeyFile), pass)
	errs := []error{e1, e2, e3, e4, e5}
	if signCert != nil && encCert != nil {
		errs = append(errs, checkPair(signCert, encCert)...)
	}
	errs = append(errs, checkOwner(signCertFile, signCert, signKey), checkOwner(encCertFile, encCert, encKey))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	signer, err := NewSoftSigner(signCert, signKey)
	if err != nil {
		return nil, err
	}
	unwrapper, err := NewSoftUnwrapper(encCert, encKey)
	if err != nil {
		return nil, err
	}
	store, err := NewStoreKey(secret)
	if err != nil {
		return nil, err
	}
	return &Identity{NodeID: signCert.Subject(), SignCert: signCert, EncCert: encCert, Signer: signer, Unwrapper: unwrapper, Store: store}, nil
}

// checkOwner is nil where either is missing: that fault is reported already.
func checkOwner(name string, cert *Certificate, key *Key) error {
	if cert == nil || key == nil || key.matches(cert) {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrMismatch, name)
}
