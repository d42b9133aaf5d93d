package seal_test

import (
	"bytes"
	"compress/gzip"
	"crypto/cipher"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"

	second "github.com/tjfoc/gmsm/sm2"
	secondSM3 "github.com/tjfoc/gmsm/sm3"
	secondSM4 "github.com/tjfoc/gmsm/sm4"
	"pgregory.net/rapid"
)

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// node is one node's two certificates with their keys.
type node struct {
	signCert, encCert *keys.Certificate
	signer            keys.Signer
	unwrapper         keys.Unwrapper
}

// nodes are an origin and a reader of one CA, made once for all tests.
var nodes = sync.OnceValue(func() [2]node {
	now := time.Now()
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	ca, err := keys.NewAuthority("测试 CA", now)
	check(err)
	var out [2]node
	for i, id := range []string{"610800", "610000"} {
		issue := func(u keys.Usage) (*keys.Certificate, *keys.Key) {
			key, err := keys.GenerateKey()
			check(err)
			csr, err := keys.NewRequest(id, key)
			check(err)
			cert, err := ca.IssueNode(csr, id, u, now, 24*time.Hour)
			check(err)
			return cert, key
		}
		var key *keys.Key
		out[i].signCert, key = issue(keys.UsageSign)
		out[i].signer, err = keys.NewSoftSigner(out[i].signCert, key)
		check(err)
		out[i].encCert, key = issue(keys.UsageEncrypt)
		out[i].unwrapper, err = keys.NewSoftUnwrapper(out[i].encCert, key)
		check(err)
	}
	return out
})

func origin() node { return nodes()[0] }
func reader() node { return nodes()[1] }

var (
	noon   = sign.At(time.Date(2026, 11, 22, 4, 0, 0, 123e6, time.UTC))
	hashA  = sign.Sum([]byte("abc"))
	hexA   = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
	schema = "legal_aid_case@1#" + hexA
)

func draft() seal.Draft {
	return seal.Draft{Stream: "610800/legal_aid_case/upstream", Gen: 1764230400, First: 1201, Prev: hashA, Schema: schema, Time: noon}
}

// record is a line like those of a legal aid case, about 1.5 KB.
func record(i int) []byte {
	data := fmt.Appendf(nil, `{"caseNo":"YL-2026-%05d","applicant":"测试人员%d","mobile":"164%08d","amount":"%d.50","urgent":%t,"description":"%s","steps":[`, i, i, i, i*7, i%3 == 0, strings.Repeat("申请人因劳动争议申请法律援助。", 20))
	for j := range 8 {
		data = fmt.Appendf(data, `{"step":%d,"at":"2026-11-%02d","by":"经办%d"},`, j, j+1, i%9)
	}
	data = append(bytes.TrimSuffix(data, []byte(",")), "]}"...)
	salt := sign.Sum(fmt.Append(nil, i))
	l := &seal.Line{
		Seq: draft().First + uint64(i), Key: fmt.Sprintf("YL-2026-%05d", i), Op: seal.Put, At: noon, Src: "aid", Ref: fmt.Sprintf("aid:%d:1764230399123456", i),
		Salt: [16]byte(salt[:16]), Data: data,
	}
	return seal.AppendLine(nil, l)
}

func records(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = record(i)
	}
	return out
}

// sealed is a segment of lines by origin, with its key wrapped for reader.
func sealed(t testing.TB, lines ...[]byte) (*seal.Segment, []seal.Reader) {
	t.Helper()
	seg := must(seal.Seal(draft(), lines, origin().signer))(t)
	return seg, must(seal.WrapFor(seg.Key, reader().encCert))(t)
}

// gcm is SM4-GCM with the second implementation's block cipher under the
// standard library's GCM.
func gcm(t testing.TB, key []byte) cipher.AEAD {
	t.Helper()
	return must(cipher.NewGCM(must(secondSM4.NewCipher(key))(t)))(t)
}

// aad is AAD = SM3(fayi-body-v1 ‖ 0x00 ‖ header) of protocol §2.
func aad(header []byte) []byte {
	return secondSM3.Sm3Sum(slices.Concat([]byte("fayi-body-v1\x00"), header))
}

// zipped is one gzip member by the standard library.
func zipped(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	must(w.Write(text))(t)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// padded is the plaintext of protocol §2 around a member: u32 length, member,
// zeros to a multiple of 1 KiB.
func padded(member []byte) []byte {
	n := len(member)
	out := slices.Concat([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, member)
	return append(out, make([]byte, -len(out)&1023)...)
}

// container encrypts any plaintext as a body under the header.
func container(t testing.TB, header, key, plain []byte) []byte {
	t.Helper()
	nonce := []byte("nonce of 12.")
	return gcm(t, key).Seal(nonce, nonce, plain, aad(header))
}

// text is lines as they stand in a member.
func text(lines ...[]byte) []byte {
	var out []byte
	for _, l := range lines {
		out = append(append(out, l...), '\n')
	}
	return out
}

// root is the tree of protocol §2 by its definition (RFC 6962 §2.1), with
// another library's SM3.
func root(lines [][]byte) sign.Hash {
	if len(lines) == 1 {
		return sign.Hash(secondSM3.Sm3Sum(append([]byte{0}, lines[0]...)))
	}
	k := 1
	for 2*k < len(lines) {
		k *= 2
	}
	l, r := root(lines[:k]), root(lines[k:])
	return sign.Hash(secondSM3.Sm3Sum(slices.Concat([]byte{1}, l[:], r[:])))
}

// secondVerifies verifies a signature over context ‖ 0x00 ‖ bytes (protocol §1)
// with another library.
func secondVerifies(t testing.TB, cert *keys.Certificate, c keys.Context, body, sig []byte) bool {
	t.Helper()
	p := must(hex.DecodeString(cert.PublicKeyHex()))(t)
	pub := &second.PublicKey{Curve: second.P256Sm2(), X: new(big.Int).SetBytes(p[1:33]), Y: new(big.Int).SetBytes(p[33:])}
	return pub.Verify(slices.Concat([]byte(c), []byte{0}, body), sig)
}

// What rapid draws.

// drawName is any text that a line's key, src or ref may be.
func drawName(t *rapid.T, label string, minLen, maxLen int) string {
	return rapid.StringOfN(rapid.Rune().Filter(func(r rune) bool { return r >= 0x20 && r != 0x7f && (r < 0xd800 || r > 0xdfff) }), minLen, -1, maxLen).Draw(t, label)
}

func drawPosition(t *rapid.T) uint64 { return rapid.Uint64Range(1, 1<<53-1).Draw(t, "n") }

func drawLine(t *rapid.T) *seal.Line {
	l := &seal.Line{
		Seq: drawPosition(t), Key: drawName(t, "key", 1, 128), Op: seal.Del,
		At:  sign.At(time.UnixMilli(rapid.Int64Range(-62167248000000, 253402271999999).Draw(t, "ms"))),
		Src: drawName(t, "src", 0, 40), Ref: drawName(t, "ref", 0, 80),
	}
	copy(l.Salt[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "salt"))
	if rapid.Bool().Draw(t, "has was") {
		l.Was = &seal.Was{Gen: drawPosition(t), Seq: drawPosition(t)}
	}
	if rapid.Bool().Draw(t, "put") {
		l.Op, l.Data = seal.Put, compact(drawJSON(t))
	}
	if rapid.Bool().Draw(t, "has x") {
		l.X = compact(drawJSON(t))
	}
	return l
}

func compact(data string) []byte {
	out, err := seal.CompactData(nil, []byte(data))
	if err != nil {
		panic(err)
	}
	return out
}

// drawJSON is the text of a good object: any white space, any escapes.
func drawJSON(t *rapid.T) string { return drawObject(t, 3) }

func drawSpace(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "", "", " ", "\n", "\t \r\n"}).Draw(t, "space")
}

func drawString(t *rapid.T, label string) string {
	pieces := rapid.SliceOfN(rapid.SampledFrom([]string{
		"a", "Z", "0", " ", "é", "法", "𝄞", "\u2028", "\u200b", "\x7f", "<&>", "/", "~",
		`\"`, `\\`, `\/`, `\b`, `\f`, `\n`, `\r`, `\t`, `\u0061`, `\u007F`, `\u6cd5`, `\ud834\udd1e`, `\uDBFF\uDFFF`, `\u0001`, `\ufffd`, `\\u0000`, `\\ud800`,
	}), 0, 6).Draw(t, label)
	return `"` + strings.Join(pieces, "") + `"`
}

func drawObject(t *rapid.T, depth int) string {
	var b strings.Builder
	b.WriteString(drawSpace(t) + "{" + drawSpace(t))
	for i := range rapid.IntRange(0, 4).Draw(t, "members") {
		if i > 0 {
			b.WriteString("," + drawSpace(t))
		}
		name := drawString(t, "name")
		fmt.Fprintf(&b, `%s%d"%s:%s%s%s`, name[:len(name)-1], i, drawSpace(t), drawSpace(t), drawValue(t, depth), drawSpace(t))
	}
	b.WriteString("}" + drawSpace(t))
	return b.String()
}

func drawValue(t *rapid.T, depth int) string {
	kinds := []string{"string", "number", "word"}
	if depth > 0 {
		kinds = append(kinds, "object", "list")
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "string":
		return drawString(t, "string")
	case "number":
		return rapid.OneOf(
			rapid.StringMatching(`-?(0|[1-9][0-9]{0,14})`),
			rapid.StringMatching(`-?(0|[1-9][0-9]{0,6})\.[0-9]{1,8}`),
			rapid.SampledFrom([]string{"9007199254740991", "-9007199254740991", "0.00000000000000000000000000123456789012345"}),
		).Draw(t, "number")
	case "word":
		return rapid.SampledFrom([]string{"true", "false", "null"}).Draw(t, "word")
	case "object":
		return drawObject(t, depth-1)
	}
	items := make([]string, rapid.IntRange(0, 3).Draw(t, "items"))
	for i := range items {
		items[i] = drawSpace(t) + drawValue(t, depth-1) + drawSpace(t)
	}
	if len(items) == 0 {
		return "[" + drawSpace(t) + "]"
	}
	return "[" + strings.Join(items, ",") + "]"
}
