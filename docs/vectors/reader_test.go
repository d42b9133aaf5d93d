// Package vectors_test reads the vectors as another vendor would: with the
// standard library and another implementation of SM2, SM3 and SM4, and nothing of
// this project. What it does is all that a polling client has to do.
package vectors_test

import (
	"bytes"
	"compress/gzip"
	"crypto/cipher"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tjfoc/gmsm/sm2"
	"github.com/tjfoc/gmsm/sm3"
	"github.com/tjfoc/gmsm/sm4"
)

// octets are bytes, in hex in the files.
type octets []byte

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.DecodeString(string(text))
	return err
}

type key struct {
	Node, Usage      string
	D, Pub, Cert, ID octets
}

func (k key) public() *sm2.PublicKey {
	return &sm2.PublicKey{Curve: sm2.P256Sm2(), X: new(big.Int).SetBytes(k.Pub[1:33]), Y: new(big.Int).SetBytes(k.Pub[33:])}
}

func (k key) private() *sm2.PrivateKey {
	return &sm2.PrivateKey{PublicKey: *k.public(), D: new(big.Int).SetBytes(k.D)}
}

type segment struct {
	Signer string
	Lines  []struct {
		Text string
		Leaf octets
	}
	Nodes []struct{ Left, Right, Hash octets }
	Root  octets
	// Erased stands for the second line.
	Erased struct {
		Line string
		Root octets
	}
	Header     string
	HeaderSM3  octets `json:"header_sm3"`
	Signed     octets
	Signature  octets
	ContentKey octets `json:"content_key"`
	Nonce      octets
	GzipMember octets `json:"gzip_member"`
	Plaintext  octets
	AAD        octets
	Body       octets
	Readers    []struct {
		Key string
		To  octets
		DER octets `json:"wrapped_der"`
		Raw octets `json:"wrapped_raw"`
	}
	Frame struct {
		Header, Sig, Body string
		Readers           []struct{ To, WK string }
		Chain             []string
	}
	Binary octets `json:"frame_binary"`
}

func read[T any](t *testing.T, name string) (v T) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func readKeys(t *testing.T) map[string]key {
	return read[struct{ Keys map[string]key }](t, "keys.json").Keys
}

func equal(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s = %x, want %x", what, got, want)
	}
}

func leaf(line string) []byte { return sm3.Sm3Sum(append([]byte{0}, line...)) }

func parent(l, r []byte) []byte { return sm3.Sm3Sum(slices.Concat([]byte{1}, l, r)) }

// root is RFC 6962 §2.1 with SM3.
func root(leaves [][]byte) []byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	return parent(root(leaves[:k]), root(leaves[k:]))
}

// verify checks a signature in its one DER form over context ‖ 0x00 ‖ bytes,
// with the default user id 1234567812345678.
func verify(k key, context string, body, sig []byte) bool {
	var rs struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(sig, &rs); err != nil || len(rest) > 0 {
		return false
	}
	if again, err := asn1.Marshal(rs); err != nil || !bytes.Equal(again, sig) {
		return false
	}
	return k.public().Verify(slices.Concat([]byte(context), []byte{0}, body), sig)
}

// unwrap opens a wrapped content key in its one DER form (GM/T 0009).
func unwrap(k key, der []byte) ([]byte, error) {
	raw, err := rawOf(der)
	if err != nil {
		return nil, err
	}
	return sm2.Decrypt(k.private(), raw, sm2.C1C3C2)
}

// rawOf is 04 ‖ C1 ‖ C3 ‖ C2 of a DER wrapped key.
func rawOf(der []byte) ([]byte, error) {
	var w struct {
		X, Y   *big.Int
		C3, C2 []byte
	}
	rest, err := asn1.Unmarshal(der, &w)
	if err != nil || len(rest) > 0 {
		return nil, errors.New("not DER")
	}
	//lint:ignore SA1019 the second library has no other way to its curve
	if again, err := asn1.Marshal(w); err != nil || !bytes.Equal(again, der) || len(w.C3) != 32 || len(w.C2) != 16 || !sm2.P256Sm2().IsOnCurve(w.X, w.Y) {
		return nil, errors.New("not a wrapped content key")
	}
	return slices.Concat([]byte{4}, w.X.FillBytes(make([]byte, 32)), w.Y.FillBytes(make([]byte, 32)), w.C3, w.C2), nil
}

// open is protocol §3, steps 8 and 9, for a segment of count lines under a root.
func open(header string, count int, wantRoot, contentKey, body []byte) ([]string, error) {
	bad := errors.New("CANNOT_OPEN")
	if len(body) < 12+1024+16 || (len(body)-12-16)%1024 != 0 {
		return nil, bad
	}
	plain, err := gcm(contentKey).Open(nil, body[:12], body[12:], sm3.Sm3Sum([]byte("fayi-body-v1\x00"+header)))
	if err != nil {
		return nil, bad
	}
	n := int(binary.BigEndian.Uint32(plain))
	if n > len(plain)-4 || len(plain)-4-n >= 1024 || len(bytes.Trim(plain[4+n:], "\x00")) > 0 {
		return nil, bad
	}
	src := bytes.NewReader(plain[4 : 4+n])
	z, err := gzip.NewReader(src)
	if err != nil {
		return nil, bad
	}
	z.Multistream(false)
	text, err := io.ReadAll(io.LimitReader(z, 512<<10+1))
	if err != nil || len(text) > 512<<10 || src.Len() > 0 || !bytes.HasSuffix(text, []byte("\n")) {
		return nil, bad
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != count {
		return nil, bad
	}
	leaves := make([][]byte, count)
	for i, l := range lines {
		leaves[i] = leaf(l)
		if hash, ok := erased(l); ok {
			leaves[i] = hash
		}
	}
	if !bytes.Equal(root(leaves), wantRoot) {
		return nil, bad
	}
	return lines, nil
}

// erased is the leaf of a leaf-only line.
func erased(line string) ([]byte, bool) {
	var l struct {
		Seq  uint64 `json:"seq"`
		Leaf string `json:"leaf"`
	}
	if json.Unmarshal([]byte(line), &l) != nil {
		return nil, false
	}
	again, err := json.Marshal(l)
	hash, hexErr := hex.DecodeString(l.Leaf)
	return hash, err == nil && hexErr == nil && len(hash) == 32 && string(again) == line
}

func gcm(key []byte) cipher.AEAD {
	block, err := sm4.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func TestKeys(t *testing.T) {
	for name, k := range readKeys(t) {
		equal(t, name+"'s id", sm3.Sm3Sum(k.Cert), k.ID)
		//lint:ignore SA1019 the second library has no other way to its curve
		x, y := sm2.P256Sm2().ScalarBaseMult(k.D)
		equal(t, name+"'s public key", slices.Concat([]byte{4}, x.FillBytes(make([]byte, 32)), y.FillBytes(make([]byte, 32))), k.Pub)
		if !bytes.Contains(k.Cert, k.Pub) {
			t.Errorf("%s: the certificate is on another key", name)
		}
	}
}

func TestSegment(t *testing.T) {
	ks, v := readKeys(t), read[segment](t, "segment.json")
	var lines []string
	var leaves [][]byte
	for _, l := range v.Lines {
		equal(t, "leaf", leaf(l.Text), l.Leaf)
		lines, leaves = append(lines, l.Text), append(leaves, l.Leaf)
	}
	for _, n := range v.Nodes {
		equal(t, "node", parent(n.Left, n.Right), n.Hash)
	}
	equal(t, "root", root(leaves), v.Root)
	hash, ok := erased(v.Erased.Line)
	if !ok {
		t.Errorf("%s is no erased line", v.Erased.Line)
	}
	equal(t, "root with an erased line", root([][]byte{leaves[0], hash, leaves[2]}), v.Erased.Root)

	var h struct {
		First, Count int
		Root, Key    string
	}
	if err := json.Unmarshal([]byte(v.Header), &h); err != nil || h.Count != len(lines) || h.Root != hex.EncodeToString(v.Root) || h.Key != hex.EncodeToString(ks[v.Signer].ID) {
		t.Errorf("header %+v, %v", h, err)
	}
	equal(t, "SM3 of the header", sm3.Sm3Sum([]byte(v.Header)), v.HeaderSM3)
	equal(t, "signed bytes", []byte("fayi-segment-v1\x00"+v.Header), v.Signed)
	if !verify(ks[v.Signer], "fayi-segment-v1", []byte(v.Header), v.Signature) {
		t.Error("the signature does not verify")
	}

	equal(t, "AAD", sm3.Sm3Sum([]byte("fayi-body-v1\x00"+v.Header)), v.AAD)
	plain := append(binary.BigEndian.AppendUint32(nil, uint32(len(v.GzipMember))), v.GzipMember...)
	plain = append(plain, make([]byte, -len(plain)&1023)...)
	equal(t, "plaintext", plain, v.Plaintext)
	equal(t, "body", slices.Concat(v.Nonce, gcm(v.ContentKey).Seal(nil, v.Nonce, v.Plaintext, v.AAD)), v.Body)
	if got, err := open(v.Header, h.Count, v.Root, v.ContentKey, v.Body); err != nil || !slices.Equal(got, lines) {
		t.Errorf("opened %q, %v", got, err)
	}

	b64 := base64.StdEncoding.EncodeToString
	f := v.Frame
	if f.Header != b64([]byte(v.Header)) || f.Sig != b64(v.Signature) || f.Body != b64(v.Body) || len(f.Chain) != 1 || f.Chain[0] != b64(ks[v.Signer].Cert) || len(f.Readers) != len(v.Readers) {
		t.Error("the frame holds other parts")
	}
	for i, r := range v.Readers {
		equal(t, "reader", ks[r.Key].ID, r.To)
		raw, err := rawOf(r.DER)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "raw wrapped key", raw, r.Raw)
		content, err := unwrap(ks[r.Key], r.DER)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "content key", content, v.ContentKey)
		if f.Readers[i].To != hex.EncodeToString(r.To) || f.Readers[i].WK != b64(r.Raw) {
			t.Errorf("reader %d of the frame is another", i)
		}
	}
	rest := v.Binary
	part := func(what string, lengthBytes int, want []byte) {
		var length [4]byte
		copy(length[4-lengthBytes:], rest)
		rest = rest[lengthBytes:]
		n := int(binary.BigEndian.Uint32(length[:]))
		equal(t, what+" of the binary frame", rest[:n], want)
		rest = rest[n:]
	}
	plainly := func(what string, want []byte) {
		equal(t, what+" of the binary frame", rest[:len(want)], want)
		rest = rest[len(want):]
	}
	plainly("magic", []byte("FYSG\x01"))
	part("header", 2, []byte(v.Header))
	part("signature", 2, v.Signature)
	plainly("number of readers", []byte{0, byte(len(v.Readers))})
	for _, r := range v.Readers {
		plainly("reader", r.To)
		part("wrapped key", 2, r.DER)
	}
	plainly("number of certificates", []byte{0, 1})
	part("certificate", 2, ks[v.Signer].Cert)
	part("body", 4, v.Body)
	if len(rest) > 0 {
		t.Errorf("%d bytes after the binary frame", len(rest))
	}
}

func TestObjects(t *testing.T) {
	ks := readKeys(t)
	for _, v := range read[[]struct {
		Kind, Signer, Context, Body, Record string
		BodySM3                             octets `json:"body_sm3"`
		Signed, Signature                   octets
	}](t, "objects.json") {
		equal(t, v.Kind+"'s SM3", sm3.Sm3Sum([]byte(v.Body)), v.BodySM3)
		equal(t, v.Kind+"'s signed bytes", []byte(v.Context+"\x00"+v.Body), v.Signed)
		if !verify(ks[v.Signer], v.Context, []byte(v.Body), v.Signature) {
			t.Errorf("%s: the signature does not verify", v.Kind)
		}
		if verify(ks[v.Signer], "fayi-order-v1", []byte(v.Body), v.Signature) {
			t.Errorf("%s: the signature verifies as an order's", v.Kind)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, []byte(v.Body)); err != nil || compact.String() != v.Body {
			t.Errorf("%s is not compact: %v", v.Kind, err)
		}
		if v.Record == "" {
			continue
		}
		var r struct {
			Entry []byte
			Sigs  []struct {
				By  string
				Sig []byte
			}
		}
		if err := json.Unmarshal([]byte(v.Record), &r); err != nil || len(r.Sigs) != 1 || r.Sigs[0].By != hex.EncodeToString(ks[v.Signer].ID) {
			t.Fatalf("record %+v, %v", r, err)
		}
		equal(t, "entry of the record", r.Entry, []byte(v.Body))
		equal(t, "signature of the record", r.Sigs[0].Sig, v.Signature)
	}
}

// Of what must be refused, the parts that need no parser of one's own.
func TestRejects(t *testing.T) {
	ks, seg := readKeys(t), read[segment](t, "segment.json")
	if _, err := unwrap(ks["reader_enc"], seg.Readers[0].DER); err != nil {
		t.Fatal(err)
	}
	judged := 0
	for _, v := range read[[]struct {
		What, Kind, Text, Code string
		Hex                    octets
	}](t, "reject.json") {
		accepted := false
		switch v.Kind {
		case "signature":
			accepted = verify(ks[seg.Signer], "fayi-segment-v1", []byte(seg.Header), v.Hex)
		case "wrapped":
			_, err := unwrap(ks["reader_enc"], v.Hex)
			accepted = err == nil
		case "body":
			_, err := open(seg.Header, len(seg.Lines), seg.Root, seg.ContentKey, v.Hex)
			accepted = err == nil
		default:
			if v.Text != "" && (v.Kind == "header" && v.Text == seg.Header || v.Code == "") {
				t.Errorf("%s, %s: nothing wrong with it", v.Kind, v.What)
			}
			continue
		}
		judged++
		if accepted {
			t.Errorf("%s, %s: accepted", v.Kind, v.What)
		}
	}
	if judged < 15 {
		t.Errorf("judged %d", judged)
	}
}
