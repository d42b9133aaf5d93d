package keys_test

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"fayi/crypto/keys"

	ccm "github.com/emmansun/gmsm/cipher"
	"github.com/emmansun/gmsm/pkcs8"
	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
	secondSM3 "github.com/tjfoc/gmsm/sm3"
)

// testdata/vectors.json: the standards' own examples and what six other
// implementations produced from one message under throw-away keys.
type vectors struct {
	Standards []map[string]any `json:"standards"`
	Peers     []struct {
		Peer   string            `json:"peer"`
		Fields map[string]string `json:"fields"`
	} `json:"peers"`
	MustReject map[string]struct {
		Hex string `json:"hex"`
	} `json:"must_reject"`
}

func loadVectors(t *testing.T) vectors {
	t.Helper()
	var v vectors
	if err := json.Unmarshal(must(os.ReadFile("testdata/vectors.json"))(t), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func unhex(t testing.TB, s string) []byte { t.Helper(); return must(hex.DecodeString(s))(t) }

func checkBytes(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s = %x, want %x", what, got, want)
	}
}

// get reads a hex field of one example.
type example struct {
	t *testing.T
	m map[string]any
}

func (e example) text(name string) string {
	e.t.Helper()
	s, ok := e.m[name].(string)
	if !ok {
		e.t.Fatalf("no %s in %v", name, e.m["id"])
	}
	return s
}

func (e example) hex(name string) []byte { e.t.Helper(); return unhex(e.t, e.text(name)) }

func TestStandards(t *testing.T) {
	checks := map[string]func(*testing.T, example){
		"GB/T 32918.5-2017 A.2 sign": func(t *testing.T, v example) {
			pub := must(sm2.NewPublicKey(v.hex("pub")))(t)
			za := must(sm2.CalculateZA(pub, nil))(t)
			checkBytes(t, "Z", za, v.hex("za"))
			e := sm3.Sum(slices.Concat(za, []byte(v.text("msg_ascii"))))
			checkBytes(t, "e", e[:], v.hex("e"))
			if !sm2.VerifyASN1(pub, e[:], v.hex("der")) {
				t.Error("the standard's signature does not verify")
			}
			checkBytes(t, "public key", must(sm2.NewPrivateKey(v.hex("d")))(t).X.Bytes(), v.hex("pub")[1:33])
		},
		"GB/T 32918.5-2017 A.3 encrypt": func(t *testing.T, v example) {
			key := must(sm2.NewPrivateKey(v.hex("d")))(t)
			checkBytes(t, "plaintext", must(key.Decrypt(nil, v.hex("der"), sm2.ASN1DecrypterOpts))(t), []byte(v.text("msg_ascii")))
			raw := slices.Concat(v.hex("c1"), v.hex("c3"), v.hex("c2"))
			checkBytes(t, "plaintext of raw", must(key.Decrypt(nil, raw, sm2.NewPlainDecrypterOpts(sm2.C1C3C2)))(t), []byte(v.text("msg_ascii")))
			if _, err := keys.WrappedToRaw(v.hex("der")); err == nil {
				t.Error("19 bytes pass for a content key")
			}
		},
		"GB/T 32905-2016 A.1": checkSM3,
		"GB/T 32905-2016 A.2": checkSM3,
		"GB/T 32907-2016 A.1": func(t *testing.T, v example) {
			block := must(sm4.NewCipher(v.hex("key")))(t)
			b := v.hex("pt")
			block.Encrypt(b, b)
			checkBytes(t, "ciphertext", b, v.hex("ct"))
			for range 1_000_000 - 1 {
				block.Encrypt(b, b)
			}
			checkBytes(t, "after a million rounds", b, v.hex("ct_after_1000000"))
		},
		"RFC 8998 A.1 SM4-GCM": func(t *testing.T, v example) {
			checkAEAD(t, must(cipher.NewGCM(must(sm4.NewCipher(v.hex("key")))(t)))(t), v)
			// the store key is the same construction with the nonce in front
			store := must(keys.NewStoreKey(v.hex("key")))(t)
			sealed := slices.Concat(v.hex("iv"), v.hex("ct"), v.hex("tag"))
			checkBytes(t, "opened", must(store.Open(sealed, v.hex("aad")))(t), v.hex("pt"))
		},
		"RFC 8998 A.2 SM4-CCM": func(t *testing.T, v example) {
			checkAEAD(t, must(ccm.NewCCM(must(sm4.NewCipher(v.hex("key")))(t)))(t), v)
		},
	}
	vs := loadVectors(t).Standards
	if len(vs) != len(checks) {
		t.Errorf("%d examples, %d checks", len(vs), len(checks))
	}
	for _, m := range vs {
		v := example{t, m}
		check := checks[v.text("id")]
		if check == nil {
			t.Errorf("no check for %s", v.text("id"))
			continue
		}
		t.Run(v.text("id"), func(t *testing.T) { check(t, example{t, m}) })
	}
}

func checkSM3(t *testing.T, v example) {
	sum := sm3.Sum([]byte(v.text("msg_ascii")))
	checkBytes(t, "SM3", sum[:], v.hex("sm3"))
	checkBytes(t, "SM3 of the second implementation", secondSM3.Sm3Sum([]byte(v.text("msg_ascii"))), v.hex("sm3"))
}

func checkAEAD(t *testing.T, aead cipher.AEAD, v example) {
	sealed := slices.Concat(v.hex("ct"), v.hex("tag"))
	checkBytes(t, "sealed", aead.Seal(nil, v.hex("iv"), v.hex("pt"), v.hex("aad")), sealed)
	checkBytes(t, "opened", must(aead.Open(nil, v.hex("iv"), sealed, v.hex("aad")))(t), v.hex("pt"))
}

func TestPeers(t *testing.T) {
	vs := loadVectors(t)
	if len(vs.Peers) != 6 {
		t.Fatalf("%d peers", len(vs.Peers))
	}
	for _, p := range vs.Peers {
		t.Run(p.Peer, func(t *testing.T) {
			f := make(map[string][]byte)
			for name, s := range p.Fields {
				f[name] = unhex(t, s)
			}
			key := must(sm2.NewPrivateKey(f["d"]))(t)
			pub := must(sm2.NewPublicKey(f["pub"]))(t)
			if !pub.Equal(key.Public()) {
				t.Error("public key does not belong to d")
			}
			if !sm2.VerifyASN1WithSM2(pub, nil, f["msg"], f["sig"]) {
				t.Error("signature refused")
			}
			if !sm2.VerifyASN1WithSM2(pub, f["uid2"], f["msg"], f["sig_uid2"]) || sm2.VerifyASN1WithSM2(pub, nil, f["msg"], f["sig_uid2"]) {
				t.Error("signature with another uid: accepted under the default one, or refused under its own")
			}
			sum := sm3.Sum(f["msg"])
			checkBytes(t, "SM3", sum[:], f["sm3"])
			for name, opts := range map[string]*sm2.DecrypterOpts{
				"ct_asn1": sm2.ASN1DecrypterOpts, "ct_c1c3c2": sm2.NewPlainDecrypterOpts(sm2.C1C3C2), "ct_c1c2c3": sm2.NewPlainDecrypterOpts(sm2.C1C2C3),
			} {
				if ct := f[name]; ct != nil {
					checkBytes(t, name, must(key.Decrypt(nil, ct, opts))(t), f["pt"])
				}
			}
			block := must(sm4.NewCipher(f["sm4_key"]))(t)
			if sealed := f["sm4_gcm"]; sealed != nil {
				checkBytes(t, "GCM", must(must(cipher.NewGCM(block))(t).Open(nil, f["iv12"], sealed, f["aad"]))(t), f["msg"])
			}
			if sealed := f["sm4_ccm"]; sealed != nil {
				checkBytes(t, "CCM", must(must(ccm.NewCCM(block))(t).Open(nil, f["iv12"], sealed, f["aad"]))(t), f["msg"])
			}
			if ct := f["sm4_ctr"]; ct != nil {
				out := make([]byte, len(ct))
				cipher.NewCTR(block, f["iv16"]).XORKeyStream(out, ct)
				checkBytes(t, "CTR", out, f["msg"])
			}
			if ct := f["sm4_cbc"]; ct != nil {
				out := make([]byte, len(ct))
				cipher.NewCBCDecrypter(block, f["iv16"]).CryptBlocks(out, ct)
				checkBytes(t, "CBC", out[:len(out)-int(out[len(out)-1])], f["msg"])
			}
			if der := f["cert"]; der != nil {
				cert := must(keys.ParseCertificate(der))(t)
				checkBytes(t, "certificate's key", unhex(t, cert.PublicKeyHex()), f["pub"])
				if cert.Subject() == "" || cert.CanSign() || cert.CanEncrypt() {
					t.Errorf("certificate %q: sign %v, encrypt %v; none of these is an end entity's", cert.Subject(), cert.CanSign(), cert.CanEncrypt())
				}
			}
			if der := f["pkcs8"]; der != nil {
				if k := must(pkcs8.ParsePKCS8PrivateKeySM2(der))(t); !k.Equal(key) {
					t.Error("PKCS#8 holds another key")
				}
			}
		})
	}
}

func TestVectorsMustReject(t *testing.T) {
	vs := loadVectors(t)
	f := vs.Peers[0].Fields
	bad := vs.MustReject["tjfoc_Sm4GCM_bad_tag"].Hex
	store := must(keys.NewStoreKey(unhex(t, f["sm4_key"])))(t)
	checkBytes(t, "the right one", must(store.Open(unhex(t, f["iv12"]+f["sm4_gcm"]), unhex(t, f["aad"])))(t), unhex(t, f["msg"]))
	_, err := store.Open(unhex(t, f["iv12"]+bad), unhex(t, f["aad"]))
	wantErr(t, err, keys.ErrUnwrap)
}
