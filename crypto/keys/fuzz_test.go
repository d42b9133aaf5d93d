package keys_test

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"fayi/crypto/keys"
)

// What strangers send, and what may lie in a file: nothing panics, and what is
// accepted has one form. Run one with go test -fuzz FuzzUnwrap.

func FuzzParseCertificate(f *testing.F) {
	cert, _ := node(f, keys.UsageSign)
	f.Add(cert.Raw())
	f.Add(authority().Certificate().Raw())
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := keys.ParseCertificate(der)
		if err != nil {
			return
		}
		if !bytes.Equal(c.Raw(), der) || len(der) > keys.MaxCertificate || len(c.PublicKeyHex()) != 130 || c.Subject() == "" {
			t.Errorf("accepted %x as %x", der, c.Raw())
		}
		if c.CanSign() && c.CanEncrypt() {
			t.Errorf("%x signs and encrypts", der)
		}
		c.CheckIssuedBy(authority().Certificate())
		if c.CanEncrypt() {
			if _, err := c.Wrap(make([]byte, 16)); err != nil {
				t.Errorf("accepted, but does not wrap: %v", err)
			}
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	f.Add(must(keys.NewRequest("610800", must(keys.GenerateKey())(f)))(f))
	f.Fuzz(func(t *testing.T, der []byte) {
		r, err := keys.ParseRequest(der)
		if err == nil && (!bytes.Equal(r.Raw(), der) || !keys.ValidNodeID(r.Subject())) {
			t.Errorf("accepted %x", der)
		}
	})
}

func FuzzVerify(f *testing.F) {
	cert, s := signer(f)
	msg := []byte("m")
	good := must(s.Sign(keys.SegmentV1, msg))(f)
	f.Add(good)
	f.Fuzz(func(t *testing.T, sig []byte) {
		if cert.Verify(keys.SegmentV1, msg, sig) == nil && !bytes.Equal(sig, good) {
			t.Errorf("a second signature verifies: %x", sig)
		}
	})
}

func FuzzUnwrap(f *testing.F) {
	cert, u := unwrapper(f)
	good := must(cert.Wrap(make([]byte, 16)))(f)
	f.Add(good)
	f.Fuzz(func(t *testing.T, der []byte) {
		if key, err := u.Unwrap(der); err == nil && (len(key) != 16 || !bytes.Equal(der, good)) {
			t.Errorf("opened %x", der)
		}
	})
}

func FuzzWrappedFromRaw(f *testing.F) {
	cert, _ := unwrapper(f)
	f.Add(must(keys.WrappedToRaw(must(cert.Wrap(make([]byte, 16)))(f)))(f))
	f.Fuzz(func(t *testing.T, raw []byte) {
		der, err := keys.WrappedFromRaw(raw)
		if err != nil {
			return
		}
		if back, err := keys.WrappedToRaw(der); err != nil || !bytes.Equal(back, raw) {
			t.Errorf("%x comes back as %x, %v", raw, back, err)
		}
	})
}

func FuzzWrappedToRaw(f *testing.F) {
	cert, _ := unwrapper(f)
	f.Add(must(cert.Wrap(make([]byte, 16)))(f))
	f.Fuzz(func(t *testing.T, der []byte) {
		raw, err := keys.WrappedToRaw(der)
		if err != nil {
			return
		}
		if back, err := keys.WrappedFromRaw(raw); err != nil || !bytes.Equal(back, der) {
			t.Errorf("%x comes back as %x, %v", der, back, err)
		}
	})
}

// The part of a secret's and a key's file that is read before any work is done.
func FuzzKeyFiles(f *testing.F) {
	dir := f.TempDir()
	for name, save := range map[string]func(path string) error{
		"k": func(path string) error { return keys.SaveKey(path, must(keys.GenerateKey())(f), pass) },
		"s": func(path string) error { return keys.SaveSecret(path, make([]byte, 16), pass) },
	} {
		path := filepath.Join(dir, name)
		if err := save(path); err != nil {
			f.Fatal(err)
		}
		block, _ := pem.Decode(must(os.ReadFile(path))(f))
		f.Add(block.Bytes)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if keys.CheckSecret(body) == nil && len(body) != 65 {
			t.Errorf("a secret of %d bytes", len(body))
		}
		keys.CheckEncryptedKey(body)
	})
}
