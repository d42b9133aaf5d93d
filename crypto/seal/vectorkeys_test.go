package seal_test

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fayi/crypto/keys"

	"github.com/emmansun/gmsm/pkcs"
	"github.com/emmansun/gmsm/pkcs8"
	"github.com/emmansun/gmsm/sm2"
)

var update = flag.Bool("update", false, "write docs/vectors anew; keys.json stays unless it is missing")

const testOnly = "Throw-away keys, made for these vectors and published: test only, never use them."

// keyVector is one key of keys.json.
type keyVector struct {
	Node  string   `json:"node"`
	Usage string   `json:"usage"` // sign, encrypt or registrar
	D     hexBytes `json:"d"`
	Pub   hexBytes `json:"pub"` // 04 ‖ X ‖ Y
	Cert  hexBytes `json:"cert"`
	ID    hexBytes `json:"id"` // SM3(cert)
}

type keysVector struct {
	Note string               `json:"note"`
	CA   hexBytes             `json:"ca"` // the certificate; its key was not kept
	Keys map[string]keyVector `json:"keys"`
}

// vectorKeySet are the keys of keys.json in this implementation's form.
type vectorKeySet map[string]vectorKey

type vectorKey struct {
	cert *keys.Certificate
	key  *keys.Key
}

func (s vectorKeySet) cert(t *testing.T, name string) *keys.Certificate {
	t.Helper()
	k, ok := s[name]
	if !ok {
		t.Fatalf("no key %s", name)
	}
	return k.cert
}

func (s vectorKeySet) signer(t *testing.T, name string) keys.Signer {
	t.Helper()
	return must(keys.NewSoftSigner(s.cert(t, name), s[name].key))(t)
}

func (s vectorKeySet) unwrapper(t *testing.T, name string) keys.Unwrapper {
	t.Helper()
	return must(keys.NewSoftUnwrapper(s.cert(t, name), s[name].key))(t)
}

// vectorKeys reads and checks keys.json, making it first where it is missing and
// -update is given.
func vectorKeys(t *testing.T) vectorKeySet {
	if _, err := os.Stat(filepath.Join(vectorsDir, "keys.json")); *update && os.IsNotExist(err) {
		writeVector(t, "keys.json", makeKeys(t))
	}
	v := readVector[keysVector](t, "keys.json")
	ca := must(keys.ParseCertificate(v.CA))(t)
	out := make(vectorKeySet)
	for name, k := range v.Keys {
		cert := must(keys.ParseCertificate(k.Cert))(t)
		id := cert.ID()
		equal(t, name+"'s id", id[:], k.ID)
		if key := keyOf(t, k.D); key.PublicKeyHex() != hex.EncodeToString(k.Pub) || cert.PublicKeyHex() != key.PublicKeyHex() {
			t.Errorf("%s: d, pub and cert are not of one key", name)
		} else {
			out[name] = vectorKey{cert, key}
		}
		if err := cert.CheckIssuedBy(ca); err != nil || cert.Subject() != k.Node || cert.CanEncrypt() != (k.Usage == "encrypt") || cert.CanSign() == cert.CanEncrypt() || cert.IsRegistrar() != (k.Usage == "registrar") {
			t.Errorf("%s is not what it says: %v", name, err)
		}
	}
	return out
}

func makeKeys(t *testing.T) keysVector {
	const validity = 15 * 365 * 24 * time.Hour
	ca := must(keys.NewAuthority("test vectors CA", noon.Time))(t)
	v := keysVector{Note: testOnly, CA: ca.Certificate().Raw(), Keys: map[string]keyVector{}}
	for name, k := range map[string]keyVector{
		"origin_sign": {Node: "610800", Usage: "sign"}, "origin_enc": {Node: "610800", Usage: "encrypt"},
		"reader_sign": {Node: "610000", Usage: "sign"}, "reader_enc": {Node: "610000", Usage: "encrypt"},
		"registrar": {Node: "610000", Usage: "registrar"},
	} {
		raw := must(sm2.GenerateKey(rand.Reader))(t)
		k.D = raw.D.FillBytes(make([]byte, 32))
		csr := must(keys.NewRequest(k.Node, keyOf(t, k.D)))(t)
		var cert *keys.Certificate
		switch k.Usage {
		case "sign":
			cert = must(ca.IssueNode(csr, k.Node, keys.UsageSign, noon.Time, validity))(t)
		case "encrypt":
			cert = must(ca.IssueNode(csr, k.Node, keys.UsageEncrypt, noon.Time, validity))(t)
		default:
			cert = must(ca.IssueRegistrar(csr, k.Node, noon.Time, validity))(t)
		}
		id := cert.ID()
		k.Pub, k.Cert, k.ID = must(hex.DecodeString(cert.PublicKeyHex()))(t), cert.Raw(), id[:]
		v.Keys[name] = k
	}
	return v
}

// keyOf gives a private number the only way into package keys there is: a key
// file, with as few iterations as one may have.
func keyOf(t *testing.T, d []byte) *keys.Key {
	t.Helper()
	pass := []byte("vectors")
	opts := pkcs.NewPBKDF2Opts(pkcs.SM3, 16, 10_000)
	der := must(pkcs8.MarshalPrivateKey(must(sm2.NewPrivateKey(d))(t), pass, pkcs.NewPBESEncrypter(pkcs.SM4CBC, opts)))(t)
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return must(keys.LoadKey(path, pass))(t)
}
