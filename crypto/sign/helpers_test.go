package sign_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/sign"

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

// signer is a node's certificate and key of a CA made for the test.
func signer(t testing.TB) (*keys.Certificate, keys.Signer) {
	t.Helper()
	now := time.Now()
	ca := must(keys.NewAuthority("测试 CA", now))(t)
	key := must(keys.GenerateKey())(t)
	csr := must(keys.NewRequest("610800", key))(t)
	cert := must(ca.IssueNode(csr, "610800", keys.UsageSign, now, 24*time.Hour))(t)
	return cert, must(keys.NewSoftSigner(cert, key))(t)
}

// object is one kind of signed object: an example, its canonical bytes, and the
// parser of its kind.
type object struct {
	name   string
	value  any
	golden string
	parse  func(body []byte) (any, error)
	draw   func(t *rapid.T) any
}

// parser makes the parsers of all kinds alike.
func parser[T any](parse func([]byte) (*T, error)) func([]byte) (any, error) {
	return func(b []byte) (any, error) {
		v, err := parse(b)
		if err != nil {
			return nil, err
		}
		return v, nil
	}
}

// member is one member of a JSON object as it is spelt.
type member struct{ name, value string }

// members cuts an object into its members without judging their values.
func members(t testing.TB, object string) []member {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(object))
	must(dec.Token())(t)
	var out []member
	for dec.More() {
		name := must(dec.Token())(t).(string)
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			t.Fatal(err)
		}
		out = append(out, member{name, string(raw)})
	}
	return out
}

func build(ms []member) string {
	var b bytes.Buffer
	for i, m := range ms {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(`"` + m.name + `":` + m.value)
	}
	b.WriteByte('}')
	return b.String()
}

// What rapid draws.

func drawHash(t *rapid.T) (h sign.Hash) {
	copy(h[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
	return h
}

func drawInt(t *rapid.T) uint64 { return rapid.Uint64Range(0, 1<<53-1).Draw(t, "n") }

func drawTime(t *rapid.T) sign.Time {
	return sign.At(time.UnixMilli(rapid.Int64Range(-62167248000000, 253402271999999).Draw(t, "ms")))
}

func drawNode(t *rapid.T) string {
	return rapid.StringMatching(`[0-9a-z][0-9a-z-]{1,31}`).Draw(t, "node")
}

func drawType(t *rapid.T) string {
	return rapid.StringMatching(`[a-z][a-z0-9_]{1,47}`).Draw(t, "type")
}

func drawAudience(t *rapid.T) string {
	words := []string{sign.Upstream, sign.Downstream, sign.Public, sign.Test, ""}
	if w := rapid.SampledFrom(words).Draw(t, "audience"); w != "" {
		return w
	}
	return sign.To(rapid.SliceOfN(rapid.StringMatching(`[0-9a-z][0-9a-z-]{1,13}`), 1, 4).Draw(t, "nodes")...)
}

func drawStream(t *rapid.T, origin string) string {
	return sign.Stream{Origin: origin, Type: drawType(t), Audience: drawAudience(t)}.String()
}

// drawText is any text that has a canonical form.
func drawText(t *rapid.T) string {
	return rapid.StringOf(rapid.Rune().Filter(func(r rune) bool {
		return r >= 0x20 && r != 0x7f && r != 0x2028 && r != 0x2029 && r != 0xfffd && (r < 0xd800 || r > 0xdfff)
	})).Draw(t, "text")
}

func drawList[T any](t *rapid.T, item func(*rapid.T) T) []T {
	return rapid.SliceOfN(rapid.Custom(item), 0, 4).Draw(t, "list")
}

// drawStreams is a list whose items name distinct streams of one origin.
func drawStreams[T any](t *rapid.T, origin string, item func(t *rapid.T, stream string) T) []T {
	out := []T{}
	seen := make(map[string]bool)
	for range rapid.IntRange(0, 4).Draw(t, "streams") {
		if s := drawStream(t, origin); !seen[s] {
			seen[s] = true
			out = append(out, item(t, s))
		}
	}
	return out
}

func drawBytes(t *rapid.T) []byte {
	return rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")
}
