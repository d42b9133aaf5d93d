package keys_test

import (
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fayi/crypto/keys"

	"github.com/emmansun/gmsm/smx509"
)

// join makes a node's folder whole: keys, requests, certificates by the test CA.
func join(t *testing.T, dir string) (sign, enc *keys.Certificate) {
	t.Helper()
	signCSR, encCSR, err := keys.CreateIdentity(dir, "610800", pass)
	if err != nil {
		t.Fatal(err)
	}
	sign = must(authority().IssueNode(signCSR, "610800", keys.UsageSign, now, year))(t)
	enc = must(authority().IssueNode(encCSR, "610800", keys.UsageEncrypt, now, year))(t)
	return sign, enc
}

func TestIdentity(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	sign, enc := join(t, dir)
	checkFolder(t, dir, "sign.key", "sign.csr", "enc.key", "enc.csr", "store.key")

	// a second init over a live folder must not cost the node its keys
	before := must(os.ReadFile(filepath.Join(dir, "sign.key")))(t)
	_, _, err := keys.CreateIdentity(dir, "610800", pass)
	wantErr(t, err, keys.ErrExists)
	checkBytes(t, "sign.key", must(os.ReadFile(filepath.Join(dir, "sign.key")))(t), before)

	if err := keys.InstallCertificates(dir, sign.Raw(), enc.Raw()); err != nil {
		t.Fatal(err)
	}
	if err := keys.InstallCertificates(dir, sign.Raw(), enc.Raw()); err != nil {
		t.Errorf("installing the same again: %v", err)
	}
	id := must(keys.LoadIdentity(dir, pass))(t)
	if id.NodeID != "610800" || id.Signer.ID() != sign.ID() || id.Unwrapper.ID() != enc.ID() || id.SignCert.ID() != sign.ID() || id.EncCert.ID() != enc.ID() {
		t.Errorf("identity %+v", id)
	}
	sig := must(id.Signer.Sign(keys.CallV1, []byte("m")))(t)
	if err := sign.Verify(keys.CallV1, []byte("m"), sig); err != nil {
		t.Error(err)
	}
	content := []byte("0123456789abcdef")
	checkBytes(t, "content key", must(id.Unwrapper.Unwrap(must(enc.Wrap(content))(t)))(t), content)
	sealed := must(id.Store.Seal(content, nil))(t)

	// rotation: new keys, what was stored stays readable
	next := filepath.Join(t.TempDir(), "next")
	signCSR, encCSR, err := keys.CreateSuccessor(next, id, pass)
	if err != nil {
		t.Fatal(err)
	}
	sign2 := must(authority().IssueNode(signCSR, "610800", keys.UsageSign, now, year))(t)
	enc2 := must(authority().IssueNode(encCSR, "610800", keys.UsageEncrypt, now, year))(t)
	if err := keys.InstallCertificates(next, sign2.Raw(), enc2.Raw()); err != nil {
		t.Fatal(err)
	}
	id2 := must(keys.LoadIdentity(next, pass))(t)
	if id2.SignCert.PublicKeyHex() == id.SignCert.PublicKeyHex() || id2.EncCert.PublicKeyHex() == id.EncCert.PublicKeyHex() {
		t.Error("a rotation kept a key")
	}
	checkBytes(t, "opened by the successor", must(id2.Store.Open(sealed, nil))(t), content)
}

func TestInstallCertificatesMustReject(t *testing.T) {
	dir := t.TempDir()
	sign, enc := join(t, dir)
	other, _ := join(t, t.TempDir())
	csr, _, _ := keys.LoadRequests(dir)
	registrar := must(authority().IssueRegistrar(csr, "610800", now, year))(t)

	for name, c := range map[string]struct {
		sign, enc []byte
		want      error
	}{
		"swapped":              {enc.Raw(), sign.Raw(), keys.ErrUsage},
		"two signing":          {sign.Raw(), sign.Raw(), keys.ErrUsage},
		"of another key":       {other.Raw(), enc.Raw(), keys.ErrMismatch},
		"registrar's":          {registrar.Raw(), enc.Raw(), keys.ErrUsage},
		"not two certificates": {sign.Raw(), []byte("x"), nil},
	} {
		err := keys.InstallCertificates(dir, c.sign, c.enc)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	checkFolder(t, dir, "sign.key", "sign.csr", "enc.key", "enc.csr", "store.key")

	// a certificate already there stays
	again := must(authority().IssueNode(csr, "610800", keys.UsageSign, now, year))(t)
	if err := keys.InstallCertificates(dir, sign.Raw(), enc.Raw()); err != nil {
		t.Fatal(err)
	}
	wantErr(t, keys.InstallCertificates(dir, again.Raw(), enc.Raw()), keys.ErrExists)
	if got := must(keys.LoadCertificate(filepath.Join(dir, "sign.crt")))(t); got.ID() != sign.ID() {
		t.Error("sign.crt was replaced")
	}
}

// A person who mends a folder wants the whole list.
func TestLoadIdentityReportsAllFaults(t *testing.T) {
	at := func(dir, name string) string { return filepath.Join(dir, name) }
	whole := t.TempDir()
	sign, enc := join(t, whole)
	if err := keys.InstallCertificates(whole, sign.Raw(), enc.Raw()); err != nil {
		t.Fatal(err)
	}
	foreignSign, _ := node(t, keys.UsageSign)
	cert := func(c *keys.Certificate) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw()})
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		pass  []byte
		want  []error
		words []string
	}{
		"empty folder": {func(t *testing.T, dir string) {
			for _, name := range []string{"sign.key", "sign.crt", "enc.key", "enc.crt", "store.key"} {
				os.Remove(at(dir, name))
			}
		}, pass, []error{fs.ErrNotExist}, []string{"sign.key", "sign.crt", "enc.key", "enc.crt", "store.key"}},
		"wrong passphrase": {nil, []byte("wrong"), []error{keys.ErrPassphrase}, []string{"sign.key", "enc.key", "store.key"}},
		"certificates swapped": {func(t *testing.T, dir string) {
			os.WriteFile(at(dir, "sign.crt"), cert(enc), 0o644)
			os.WriteFile(at(dir, "enc.crt"), cert(sign), 0o644)
		}, pass, []error{keys.ErrUsage, keys.ErrMismatch}, []string{"swapped", "sign.crt", "enc.crt"}},
		"foreign certificate and missing key": {func(t *testing.T, dir string) {
			os.WriteFile(at(dir, "sign.crt"), cert(foreignSign), 0o644)
			os.Remove(at(dir, "enc.key"))
		}, pass, []error{keys.ErrMismatch, fs.ErrNotExist}, []string{"sign.crt", "enc.key"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"sign.key", "enc.key", "store.key"} {
				if err := os.Chmod(at(dir, name), 0o600); err != nil { // CopyFS widens by umask
					t.Fatal(err)
				}
			}
			if c.spoil != nil {
				c.spoil(t, dir)
			}
			_, err := keys.LoadIdentity(dir, c.pass)
			for _, want := range c.want {
				wantErr(t, err, want)
			}
			for _, word := range c.words {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("%q not named in: %v", word, err)
				}
			}
		})
	}
}

func TestCreateIdentityRefuses(t *testing.T) {
	for _, id := range []string{"", "6", "610800/x", "６１０８００", "610800\n", "Xian", "-610800", strings.Repeat("6", 33), "610800а"} {
		if _, _, err := keys.CreateIdentity(t.TempDir(), id, pass); err == nil {
			t.Errorf("node id %q", id)
		}
	}
	dir := t.TempDir()
	if _, _, err := keys.CreateIdentity(dir, "610800", nil); err == nil {
		t.Error("no passphrase")
	}
	checkFolder(t, dir)
	// one file left of an older identity is enough, and nothing is added to it
	if err := os.WriteFile(filepath.Join(dir, "enc.crt"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, _, err := keys.CreateIdentity(dir, "610800", pass)
	wantErr(t, err, keys.ErrExists)
	checkFolder(t, dir, "enc.crt")
}

// A pack signer is a key of its own: certified by the registrar's authority, no
// registrar, and worth nothing under another key or passphrase.
func TestPackSigner(t *testing.T) {
	r := must(keys.CreateRegistrar(filepath.Join(t.TempDir(), "registrar"), "610000", pass, now))(t)
	dir := filepath.Join(t.TempDir(), "signer")
	made := must(r.CreatePackSigner(dir, pass, now, year))(t)
	checkFolder(t, dir, "signer.key", "signer.crt")
	_, err := r.CreatePackSigner(dir, pass, now, year)
	wantErr(t, err, keys.ErrExists)
	s := must(keys.LoadPackSigner(dir, pass))(t)
	if s.Cert.ID() != made.Cert.ID() || s.Cert.IsRegistrar() || !s.Cert.CanSign() || s.Cert.Subject() != "610000" {
		t.Errorf("signer %+v", s)
	}
	sig := must(s.Signer.Sign(keys.PackV1, []byte("pack")))(t)
	if err := made.Cert.Verify(keys.PackV1, []byte("pack"), sig); err != nil {
		t.Error(err)
	}
	_, err = keys.LoadPackSigner(dir, []byte("wrong"))
	wantErr(t, err, keys.ErrPassphrase)
	if err := os.WriteFile(filepath.Join(dir, "signer.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Cert.Raw()}), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = keys.LoadPackSigner(dir, pass)
	wantErr(t, err, keys.ErrMismatch)
	if _, err := r.CreatePackSigner(filepath.Join(t.TempDir(), "s"), pass, now, 100*year); err == nil {
		t.Error("a signer outlives its authority")
	}
}

func TestRegistrar(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "registrar")
	made := must(keys.CreateRegistrar(dir, "610000", pass, now))(t)
	checkFolder(t, dir, "registrar.key", "registrar.crt", "ca.key", "ca.crt")
	_, err := keys.CreateRegistrar(dir, "610000", pass, now)
	wantErr(t, err, keys.ErrExists)

	r := must(keys.LoadRegistrar(dir, pass))(t)
	if r.NodeID != "610000" || r.Cert.ID() != made.Cert.ID() || !r.Cert.IsRegistrar() || !r.Cert.CanSign() {
		t.Errorf("registrar %+v", r)
	}
	if err := r.Cert.CheckIssuedBy(r.Authority.Certificate()); err != nil {
		t.Error(err)
	}
	sig := must(r.Signer.Sign(keys.EntryV1, []byte("entry")))(t)
	if err := made.Cert.Verify(keys.EntryV1, []byte("entry"), sig); err != nil {
		t.Error(err)
	}
	// the parent's own node certificate under the same CA is no registrar's
	key := must(keys.GenerateKey())(t)
	own := must(r.Authority.IssueNode(must(keys.NewRequest("610000", key))(t), "610000", keys.UsageSign, now, year))(t)
	if own.IsRegistrar() || own.Subject() != r.Cert.Subject() {
		t.Error("a node's certificate passes for its registrar's")
	}

	_, err = keys.LoadRegistrar(dir, []byte("wrong"))
	wantErr(t, err, keys.ErrPassphrase)
	_, err = keys.LoadRegistrar(t.TempDir(), pass)
	wantErr(t, err, fs.ErrNotExist)
	if err := os.WriteFile(filepath.Join(dir, "registrar.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Raw()}), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = keys.LoadRegistrar(dir, pass)
	wantErr(t, err, keys.ErrUsage)
	wantErr(t, err, keys.ErrMismatch)
}

func TestIssueRefuses(t *testing.T) {
	key := must(keys.GenerateKey())(t)
	csr := must(keys.NewRequest("610800", key))(t)
	changed := append([]byte(nil), csr...)
	changed[len(changed)-1] ^= 1
	ca := authority()
	for name, try := range map[string]func() error{
		"another node's":    func() error { _, err := ca.IssueNode(csr, "610600", keys.UsageSign, now, year); return err },
		"another registrar": func() error { _, err := ca.IssueRegistrar(csr, "610600", now, year); return err },
		"no usage":          func() error { _, err := ca.IssueNode(csr, "610800", 0, now, year); return err },
		"unknown usage":     func() error { _, err := ca.IssueNode(csr, "610800", 3, now, year); return err },
		"no validity":       func() error { _, err := ca.IssueNode(csr, "610800", keys.UsageSign, now, 0); return err },
		"beyond the CA's":   func() error { _, err := ca.IssueNode(csr, "610800", keys.UsageSign, now, 21*year); return err },
		"signature changed": func() error { _, err := ca.IssueNode(changed, "610800", keys.UsageSign, now, year); return err },
		"nameless CA":       func() error { _, err := keys.NewAuthority("", now); return err },
		"long CA name":      func() error { _, err := keys.NewAuthority(strings.Repeat("驿", 65), now); return err },
		"CA key mismatch":   func() error { _, err := keys.OpenAuthority(ca.Certificate(), key); return err },
	} {
		if try() == nil {
			t.Errorf("%s: issued", name)
		}
	}
}

func TestRequest(t *testing.T) {
	key := must(keys.GenerateKey())(t)
	csr := must(keys.NewRequest("610800", key))(t)
	r := must(keys.ParseRequest(csr))(t)
	if r.Subject() != "610800" || r.PublicKeyHex() != key.PublicKeyHex() {
		t.Errorf("request of %q on %s", r.Subject(), r.PublicKeyHex())
	}
	checkBytes(t, "raw", r.Raw(), csr)
	for i := range csr {
		bad := append([]byte(nil), csr...)
		bad[i] ^= 0x10
		if _, err := keys.ParseRequest(bad); err == nil {
			t.Errorf("byte %d changed: accepted", i)
		}
		if _, err := keys.ParseRequest(csr[:i]); err == nil {
			t.Errorf("%d bytes: accepted", i)
		}
	}
	for name, bad := range map[string][]byte{
		"trailing byte": append(append([]byte(nil), csr...), 0),
		"a certificate": authority().Certificate().Raw(),
		"over 4 KiB":    make([]byte, 5<<10),
		"no node id": must(smx509.CreateCertificateRequest(rand.Reader, &smx509.CertificateRequest{
			Subject: pkix.Name{CommonName: "Xi'an"}, SignatureAlgorithm: smx509.SM2WithSM3,
		}, keys.Raw(key)))(t),
	} {
		if _, err := keys.ParseRequest(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := keys.NewRequest("法驿", key); err == nil {
		t.Error("a request for no node id")
	}
}

func TestValidityIsCountedFromNow(t *testing.T) {
	cert, _ := node(t, keys.UsageSign)
	if d := now.Sub(cert.NotBefore()); d != time.Hour {
		t.Errorf("begins %v before now", d)
	}
}
