package sfxml_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fayi/schemas"
	"fayi/schemas/sfxml"

	"pgregory.net/rapid"
)

var registry = func() *schemas.Registry {
	reg, err := schemas.Load(schemas.Embedded())
	if err != nil {
		panic(err)
	}
	return reg
}()

func typ(t testing.TB, name string) *schemas.Type {
	t.Helper()
	typ, ok := registry.Current(name)
	if !ok {
		t.Fatalf("no type %s", name)
	}
	return typ
}

// example is the pack's example of a type.
func example(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "packs", "national", "examples", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// compact is data without white space, everything else as it stands.
func compact(t interface{ Fatal(...any) }, data []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// message writes records of a type as a message.
func message(t interface{ Fatal(...any) }, typ *schemas.Type, h sfxml.Head, records ...sfxml.Record) []byte {
	m, err := sfxml.New(typ)
	if err != nil {
		t.Fatal(err)
	}
	doc := sfxml.AppendOpen(nil, typ.Name(), h)
	for _, r := range records {
		if doc, err = m.AppendRecord(doc, r); err != nil {
			t.Fatal(err)
		}
	}
	return append(doc, sfxml.Close...)
}

// readAll reads a message: its records, and the error that ended it, nil at a proper end.
func readAll(doc []byte, charset string) (head sfxml.Head, records []sfxml.Read, err error) {
	x, err := sfxml.NewReader(bytes.NewReader(doc), charset, registry.Current)
	if err != nil {
		return head, nil, err
	}
	for {
		r, err := x.Next()
		switch {
		case errors.Is(err, io.EOF):
			return x.Head(), records, nil
		case err != nil:
			return x.Head(), records, err
		}
		records = append(records, r)
	}
}

// vary draws another record like the one given: members left out and in another order, other free texts, numbers and escapes, white space.
// It need not be valid.
func vary(t *rapid.T, data []byte) []byte {
	var b bytes.Buffer
	varyValue(t, &b, data)
	return b.Bytes()
}

// one is true in one of n draws. (rapid prefers the ends of a range.)
func one(t *rapid.T, n int) bool {
	return rapid.IntRange(0, n).Draw(t, "one of") == n/2+1
}

var spaces = rapid.SampledFrom([]string{"", "", "", " ", "\n\t"})

func varyValue(t *rapid.T, b *bytes.Buffer, raw json.RawMessage) {
	space := func() { b.WriteString(spaces.Draw(t, "space")) }
	space()
	defer space()
	switch raw[0] {
	case '{':
		dec := json.NewDecoder(bytes.NewReader(raw))
		_, _ = dec.Token()
		var names []string
		values := map[string]json.RawMessage{}
		for dec.More() {
			tok, _ := dec.Token()
			var v json.RawMessage
			_ = dec.Decode(&v)
			names = append(names, tok.(string))
			values[tok.(string)] = v
		}
		if one(t, 4) {
			names = rapid.Permutation(names).Draw(t, "order")
		}
		b.WriteByte('{')
		first := true
		for _, name := range names {
			if one(t, 30) {
				continue
			}
			if !first {
				b.WriteByte(',')
			}
			first = false
			space()
			writeText(t, b, name)
			b.WriteByte(':')
			varyValue(t, b, values[name])
		}
		if one(t, 8) {
			if !first {
				b.WriteByte(',')
			}
			writeText(t, b, rapid.SampledFrom([]string{"注", "a b", "_extra", "xmlns", "", "\x01\uffff<"}).Draw(t, "extra name"))
			b.WriteString(rapid.SampledFrom([]string{`: null`, `:"\uffff\uFFFF\\x\\xfffe"`, `:{"a" : [1, "<&>", 1.0]}`, `:true`}).Draw(t, "extra value"))
		}
		b.WriteByte('}')
	case '[':
		var items []json.RawMessage
		_ = json.Unmarshal(raw, &items)
		n := rapid.IntRange(0, 2).Draw(t, "repeat")
		b.WriteByte('[')
		for i, item := range items {
			if i > 0 {
				b.WriteByte(',')
			}
			varyValue(t, b, item)
		}
		if len(items) > 0 {
			for range n {
				b.WriteByte(',')
				varyValue(t, b, items[0])
			}
		}
		b.WriteByte(']')
	case '"':
		var s string
		_ = json.Unmarshal(raw, &s)
		if !one(t, 25) {
			writeText(t, b, s)
			return
		}
		switch rapid.IntRange(0, 2).Draw(t, "text") {
		case 0:
			s = rapid.StringOfN(rapid.SampledFrom([]rune("ab<>&\"'\\/]\r\n\t\b\x01\x1f\x7f\u0085 \u2028\ufeff\ufffd\ufffe\uffff白样例龥㐀𠀀")), 0, 12, -1).Draw(t, "free")
		case 1:
			s = strings.Repeat(s, 2)
		case 2:
			s += rapid.SampledFrom([]string{"]]>", " ", "\n", "\r\n", "&amp;", "<!-- -->", "\x02"}).Draw(t, "tail")
		}
		writeText(t, b, s)
	default:
		if s := string(raw); !one(t, 4) {
			b.WriteString(s)
		} else if s == "true" || s == "false" {
			b.WriteString(rapid.SampledFrom([]string{"true", "false"}).Draw(t, "boolean"))
		} else {
			b.WriteString(rapid.SampledFrom([]string{s + ".0", s + ".00", "0", "-0", "7.0", "1.50"}).Draw(t, "number"))
		}
	}
}

// writeText writes a JSON string, now and then with more escapes than it needs.
func writeText(t *rapid.T, b *bytes.Buffer, s string) {
	enc := json.NewEncoder(b)
	switch {
	case one(t, 16): // as json.dumps writes it, all but ASCII escaped
		var plain bytes.Buffer
		enc = json.NewEncoder(&plain)
		_ = enc.Encode(s)
		for _, r := range strings.TrimSuffix(plain.String(), "\n") {
			if r < 0x80 {
				b.WriteRune(r)
			} else {
				writeUTF16(b, r)
			}
		}
		return
	case one(t, 16): // HTML escapes
		_ = enc.Encode(s)
	default:
		enc.SetEscapeHTML(false)
		_ = enc.Encode(s)
	}
	b.Truncate(b.Len() - 1)
}

func writeUTF16(b *bytes.Buffer, r rune) {
	unit := func(u rune) {
		b.WriteString(`\u`)
		for shift := 12; shift >= 0; shift -= 4 {
			b.WriteByte("0123456789ABCDEF"[u>>shift&15])
		}
	}
	if r >= 0x10000 {
		unit(0xd800 + (r-0x10000)>>10)
		r = 0xdc00 + (r-0x10000)&0x3ff
	}
	unit(r)
}
