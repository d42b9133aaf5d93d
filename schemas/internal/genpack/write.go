package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
)

// object is a JSON object whose members keep their order, so that a person can read the file in the order of the table.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, v := range []any{m.name, m.value} {
			if j > 0 {
				b.WriteByte(':')
			}
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(v); err != nil {
				return nil, err
			}
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// writeJSON writes v indented by one space, small objects and arrays on one line.
func writeJSON(path string, v any) error {
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	var pretty bytes.Buffer
	layout(&pretty, bytes.TrimSpace(raw.Bytes()), 0)
	pretty.WriteByte('\n')
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, pretty.Bytes(), 0o644)
}

// width is the longest line layout makes by joining.
const width = 140

// layout writes compact JSON so that whatever fits stays on one line.
func layout(b *bytes.Buffer, src []byte, depth int) {
	var compact bytes.Buffer
	_ = json.Compact(&compact, src) // src comes from the encoder
	src = compact.Bytes()
	if len(src) <= width-depth || (src[0] != '{' && src[0] != '[') {
		b.Write(src)
		return
	}
	b.WriteByte(src[0])
	for i, part := range split(src[1 : len(src)-1]) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		b.Write(bytes.Repeat([]byte{' '}, depth+1))
		if src[0] == '{' {
			name, value := cutMember(part)
			b.Write(name)
			b.WriteString(": ")
			part = value
		}
		layout(b, part, depth+1)
	}
	b.WriteByte('\n')
	b.Write(bytes.Repeat([]byte{' '}, depth))
	b.WriteByte(src[len(src)-1])
}

// split cuts the inside of a compact array or object at its own commas.
func split(s []byte) [][]byte {
	var parts [][]byte
	start := 0
	scan(s, func(i int, c byte, depth int) bool {
		if c == ',' && depth == 0 {
			parts = append(parts, s[start:i])
			start = i + 1
		}
		return true
	})
	return append(parts, s[start:])
}

func cutMember(s []byte) (name, value []byte) {
	at := 0
	scan(s, func(i int, c byte, depth int) bool {
		if c == ':' && depth == 0 {
			at = i
			return false
		}
		return true
	})
	return s[:at], s[at+1:]
}

// scan calls f for every byte of compact JSON outside strings, with its nesting depth, until f returns false.
func scan(s []byte, f func(i int, c byte, depth int) bool) {
	depth, text := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		default:
			if !f(i, c, depth) {
				return
			}
		}
	}
}

// nextDigest finds the text of the next "digest" member; at is -1 if there is none.
func nextDigest(s []byte) (at, length int) {
	const name = `"digest":`
	i := bytes.Index(s, []byte(name))
	if i < 0 {
		return -1, 0
	}
	i += len(name)
	i += bytes.IndexByte(s[i:], '"') + 1
	return i, bytes.IndexByte(s[i:], '"')
}
