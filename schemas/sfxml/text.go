package sfxml

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// allowed tells whether XML 1.0 can carry a character.
func allowed(r rune) bool {
	return r >= 0x20 && r <= 0xd7ff || r == '\t' || r == '\n' || r == '\r' || r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= 0x10ffff
}

// shown is s as an element's text can hold it: what XML forbids becomes U+FFFD.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		if allowed(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}

// appendText writes s as an element's text or, with quote, as an attribute's value.
func appendText(dst []byte, s string, quote bool) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '&':
			dst = append(dst, "&amp;"...)
		case c == '<':
			dst = append(dst, "&lt;"...)
		case c == '>':
			dst = append(dst, "&gt;"...)
		case c == '\r': // readers turn a bare one into a line feed
			dst = append(dst, "&#xD;"...)
		case quote && c == '"':
			dst = append(dst, "&quot;"...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// appendJSON writes a JSON string with as few escapes as there can be (the form of RFC 8785), which is how values without the attribute json
// are read.
func appendJSON(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"', c == '\\':
			dst = append(dst, '\\', c)
		case c >= 0x20:
			dst = append(dst, c)
		case strings.IndexByte("\b\t\n\f\r", c) >= 0:
			dst = append(dst, '\\', "btn_fr"[c-'\b'])
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(dst, '"')
}

// decodeJSON returns the text that raw, the inside of a JSON string, stands for.
func decodeJSON(raw string) (s string, ok bool) {
	quoted := make([]byte, 0, len(raw)+2)
	quoted = append(append(append(quoted, '"'), raw...), '"')
	if !utf8.ValidString(raw) || json.Unmarshal(quoted, &s) != nil {
		return "", false
	}
	return s, true
}

// plainNumber tells whether s is written as JSON writes numbers, without exponent (protocol §2).
func plainNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole, part, point := strings.Cut(s, ".")
	digits := func(d string) bool { return d != "" && strings.Trim(d, "0123456789") == "" }
	return digits(whole) && (len(whole) == 1 || whole[0] != '0') && (!point || digits(part))
}

// U+FFFE and U+FFFF may stand in JSON as they are, but never in XML. The attributes json and name write them as escapes JSON does not have.
var carrier = strings.NewReplacer("\ufffe", `\xfffe`, "\uffff", `\xffff`)

// carried undoes carrier.
func carried(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], `\xfffe`), strings.HasPrefix(s[i:], `\xffff`):
			b.WriteRune(map[byte]rune{'e': 0xfffe, 'f': 0xffff}[s[i+5]])
			i += len(`\xfffe`) - 1
		case s[i] == '\\' && i+1 < len(s):
			b.WriteString(s[i : i+2])
			i++
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
