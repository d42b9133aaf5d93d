package keys_test

import (
	"bytes"
	"crypto/hmac"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"fayi/crypto/keys"

	secondSM3 "github.com/tjfoc/gmsm/sm3"
)

func onUnix(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits on Windows")
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.key")
	key := must(keys.GenerateKey())(t)
	if err := keys.SaveKey(path, key, pass); err != nil {
		t.Fatal(err)
	}
	if got := must(keys.LoadKey(path, pass))(t); got.PublicKeyHex() != key.PublicKeyHex() || keys.Raw(got).D.Cmp(keys.Raw(key).D) != 0 {
		t.Error("another key comes back")
	}
	for _, wrong := range [][]byte{nil, {}, []byte("x"), append(slices.Clone(pass), ' '), pass[:len(pass)-1]} {
		_, err := keys.LoadKey(path, wrong)
		wantErr(t, err, keys.ErrPassphrase)
	}
	before := must(os.ReadFile(path))(t)
	wantErr(t, keys.SaveKey(path, must(keys.GenerateKey())(t), pass), keys.ErrExists)
	if !bytes.Equal(before, must(os.ReadFile(path))(t)) {
		t.Error("the file changed")
	}
	checkFolder(t, filepath.Dir(path), "a.key")
	if keys.SaveKey(filepath.Join(t.TempDir(), "b.key"), key, nil) == nil {
		t.Error("saved without a passphrase")
	}
}

// checkFolder says that a folder holds exactly these files (no leftovers), those
// ending in .key private to their owner.
func checkFolder(t *testing.T, dir string, names ...string) {
	t.Helper()
	var got []string
	for _, e := range must(os.ReadDir(dir))(t) {
		got = append(got, e.Name())
		if mode := must(e.Info())(t).Mode().Perm(); runtime.GOOS != "windows" && strings.HasSuffix(e.Name(), ".key") && mode != 0o600 {
			t.Errorf("%s has mode %04o", e.Name(), mode)
		}
	}
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("folder holds %v, want %v", got, names)
	}
}

func TestSecretFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.key")
	secret := []byte("0123456789abcdef")
	if err := keys.SaveSecret(path, secret, pass); err != nil {
		t.Fatal(err)
	}
	checkBytes(t, "secret", must(keys.LoadSecret(path, pass))(t), secret)
	_, err := keys.LoadSecret(path, []byte("wrong"))
	wantErr(t, err, keys.ErrPassphrase)
	wantErr(t, keys.SaveSecret(path, secret, pass), keys.ErrExists)
	checkFolder(t, filepath.Dir(path), "store.key")
	other := filepath.Join(t.TempDir(), "x")
	for _, n := range []int{0, 15, 17, 32} {
		if keys.SaveSecret(other, make([]byte, n), pass) == nil {
			t.Errorf("saved %d bytes", n)
		}
	}
	if keys.SaveSecret(other, secret, nil) == nil {
		t.Error("saved without a passphrase")
	}

	// every part of the file is authenticated; nothing absurd is tried
	block, _ := pem.Decode(must(os.ReadFile(path))(t))
	for i := range block.Bytes {
		if 1 <= i && i < 5 && i != 4 {
			continue // iterations: bounded below, and slow to try one by one
		}
		if i > 5 && i%7 != 0 {
			continue // one byte in seven will do at this cost
		}
		body := slices.Clone(block.Bytes)
		body[i] ^= 1
		bad := filepath.Join(t.TempDir(), "bad")
		if err := os.WriteFile(bad, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: body}), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.LoadSecret(bad, pass); err == nil {
			t.Errorf("byte %d changed, still opens", i)
		}
	}
}

func TestSecretParser(t *testing.T) {
	ok := make([]byte, 65)
	ok[0], ok[3], ok[4] = 1, 0x27, 0x10 // 10,000 iterations
	if err := keys.CheckSecret(ok); err != nil {
		t.Error(err)
	}
	change := func(f func(b []byte)) []byte { b := slices.Clone(ok); f(b); return b }
	for name, b := range map[string][]byte{
		"empty":          nil,
		"short":          ok[:64],
		"long":           append(slices.Clone(ok), 0),
		"other format":   change(func(b []byte) { b[0] = 2 }),
		"few iterations": change(func(b []byte) { b[4] = 0x0f }),
		"no iterations":  change(func(b []byte) { b[3], b[4] = 0, 0 }),
		"2³² iterations": change(func(b []byte) { b[1] = 0xff }),
	} {
		if keys.CheckSecret(b) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestFilesMustReject(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "good.key")
	if err := keys.SaveKey(path, must(keys.GenerateKey())(t), pass); err != nil {
		t.Fatal(err)
	}
	good := must(os.ReadFile(path))(t)
	block, _ := pem.Decode(good)
	for name, text := range map[string][]byte{
		"empty":         nil,
		"not PEM":       []byte("hello"),
		"other type":    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: block.Bytes}),
		"two blocks":    append(slices.Clone(good), good...),
		"text after":    append(slices.Clone(good), "x"...),
		"headers":       pem.EncodeToMemory(&pem.Block{Type: block.Type, Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: block.Bytes}),
		"trailing DER":  pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: append(slices.Clone(block.Bytes), 0)}),
		"empty body":    pem.EncodeToMemory(&pem.Block{Type: block.Type}),
		"too large":     append(slices.Clone(good), bytes.Repeat([]byte("\n"), 16<<10)...),
		"plain PKCS#8":  pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: unhex(t, loadVectors(t).Peers[0].Fields["pkcs8"])}),
		"key truncated": pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes[:len(block.Bytes)-1]}),
	} {
		bad := filepath.Join(dir, "bad")
		if err := os.WriteFile(bad, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.LoadKey(bad, pass); err == nil {
			t.Errorf("%s: loads", name)
		}
	}
	_, err := keys.LoadKey(filepath.Join(dir, "none"), pass)
	wantErr(t, err, fs.ErrNotExist)
	if _, err := keys.LoadKey(dir, pass); err == nil {
		t.Error("a folder loads")
	}
}

// pbes2 is an EncryptedPrivateKeyInfo whose every part a case can spoil.
type pbes2 struct {
	Algorithm struct {
		OID    asn1.ObjectIdentifier
		Params struct {
			KDF struct {
				OID    asn1.ObjectIdentifier
				Params struct {
					Salt       []byte
					Iterations int
					KeyLen     int
					PRF        struct {
						OID  asn1.ObjectIdentifier
						Null asn1.RawValue
					}
				}
			}
			Cipher struct {
				OID asn1.ObjectIdentifier
				IV  []byte
			}
		}
	}
	Data []byte
}

// What the library under [keys.LoadKey] would panic on, accept silently or work on
// for hours never reaches it.
func TestKeyFileAlgorithms(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k")
	if err := keys.SaveKey(path, must(keys.GenerateKey())(t), pass); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(must(os.ReadFile(path))(t))
	parse := func() (p pbes2) {
		if _, err := asn1.Unmarshal(block.Bytes, &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := parse(); p.Algorithm.Params.KDF.Params.Iterations != 100_000 || len(p.Algorithm.Params.KDF.Params.Salt) != 16 {
		t.Errorf("saved with %+v", p.Algorithm.Params.KDF.Params)
	}
	if err := keys.CheckEncryptedKey(must(asn1.Marshal(parse()))(t)); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	for name, spoil := range map[string]func(*pbes2){
		"IV of 15":             func(p *pbes2) { p.Algorithm.Params.Cipher.IV = make([]byte, 15) },
		"IV missing":           func(p *pbes2) { p.Algorithm.Params.Cipher.IV = nil },
		"data not in blocks":   func(p *pbes2) { p.Data = p.Data[:len(p.Data)-1] },
		"data missing":         func(p *pbes2) { p.Data = nil },
		"one iteration":        func(p *pbes2) { p.Algorithm.Params.KDF.Params.Iterations = 1 },
		"negative iterations":  func(p *pbes2) { p.Algorithm.Params.KDF.Params.Iterations = -100_000 },
		"a billion iterations": func(p *pbes2) { p.Algorithm.Params.KDF.Params.Iterations = 1e9 },
		"short salt":           func(p *pbes2) { p.Algorithm.Params.KDF.Params.Salt = make([]byte, 7) },
		"key of 32":            func(p *pbes2) { p.Algorithm.Params.KDF.Params.KeyLen = 32 },
		"PRF of SHA-1":         func(p *pbes2) { p.Algorithm.Params.KDF.Params.PRF.OID = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 7} },
		"SM4-ECB":              func(p *pbes2) { p.Algorithm.Params.Cipher.OID = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 104, 1} },
		"DES-CBC":              func(p *pbes2) { p.Algorithm.Params.Cipher.OID = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 7} },
		"PBES1":                func(p *pbes2) { p.Algorithm.OID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 3} },
		"scrypt":               func(p *pbes2) { p.Algorithm.Params.KDF.OID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11} },
	} {
		p := parse()
		spoil(&p)
		if _, err := keys.OpenKey(must(asn1.Marshal(p))(t), pass); err == nil || errors.Is(err, keys.ErrPassphrase) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// an honest form with a flipped ciphertext is a wrong passphrase to us
	p := parse()
	p.Data[20] ^= 1
	_, err := keys.OpenKey(must(asn1.Marshal(p))(t), pass)
	wantErr(t, err, keys.ErrPassphrase)
}

func TestPermissions(t *testing.T) {
	onUnix(t)
	dir := t.TempDir()
	key, secret, phrase := filepath.Join(dir, "a.key"), filepath.Join(dir, "store.key"), filepath.Join(dir, "passphrase")
	if err := errors.Join(
		keys.SaveKey(key, must(keys.GenerateKey())(t), pass),
		keys.SaveSecret(secret, make([]byte, 16), pass),
		os.WriteFile(phrase, pass, 0o600),
	); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o644, 0o620, 0o610, 0o777} {
		for _, path := range []string{key, secret, phrase} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		_, err := keys.LoadKey(key, pass)
		wantErr(t, err, keys.ErrPermission)
		_, err = keys.LoadSecret(secret, pass)
		wantErr(t, err, keys.ErrPermission)
		_, err = keys.ReadPassphrase(phrase)
		wantErr(t, err, keys.ErrPermission)
	}
}

func TestReadPassphrase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passphrase")
	for text, want := range map[string]string{
		"secret":                  "secret",
		"secret\n":                "secret",
		"secret\r\n":              "secret",
		" 口令 with spaces \n":      " 口令 with spaces ",
		strings.Repeat("x", 1023): strings.Repeat("x", 1023),
		"":                        "",
		"\n":                      "",
		"a\n\n":                   "",
		"a\nb\n":                  "",
		"a\x00b":                  "",
		strings.Repeat("x", 1025): "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := keys.ReadPassphrase(path)
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%.20q: %.20q, %v", text, got, err)
		}
	}
	if _, err := keys.ReadPassphrase(t.TempDir()); err == nil {
		t.Error("a folder is a passphrase")
	}
}

func TestStoreKey(t *testing.T) {
	store := must(keys.NewStoreKey([]byte("0123456789abcdef")))(t)
	other := must(keys.NewStoreKey([]byte("0123456789abcdeF")))(t)
	content, header := []byte("fedcba9876543210"), []byte("SM3 of the header")
	sealed := must(store.Seal(content, header))(t)
	if len(sealed) != 12+16+16 {
		t.Errorf("%d bytes", len(sealed))
	}
	if bytes.Equal(sealed, must(store.Seal(content, header))(t)) {
		t.Error("a nonce twice")
	}
	checkBytes(t, "opened", must(store.Open(sealed, header))(t), content)
	_, err := store.Open(sealed, []byte("another header"))
	wantErr(t, err, keys.ErrUnwrap)
	_, err = other.Open(sealed, header)
	wantErr(t, err, keys.ErrUnwrap)
	for i := range sealed {
		bad := slices.Clone(sealed)
		bad[i] ^= 0x80
		_, err := store.Open(bad, header)
		wantErr(t, err, keys.ErrUnwrap)
		_, err = store.Open(sealed[:i], header)
		wantErr(t, err, keys.ErrUnwrap)
	}
	a, again := store.Derive("a"), store.Derive("a")
	if a == store.Derive("b") || a == other.Derive("a") || a != again {
		t.Error("Derive does not separate labels and keys")
	}
	mac := hmac.New(secondSM3.New, []byte("0123456789abcdef"))
	mac.Write([]byte("fayi-erased-key"))
	derived := store.Derive("fayi-erased-key")
	checkBytes(t, "Derive against the second implementation", derived[:], mac.Sum(nil))
	for _, n := range []int{0, 15, 24, 32} {
		if _, err := keys.NewStoreKey(make([]byte, n)); err == nil {
			t.Errorf("store key of %d bytes", n)
		}
	}
}
