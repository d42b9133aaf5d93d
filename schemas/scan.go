package schemas

import (
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"unicode/utf8"
)

// The functions in this file read strict JSON (RFC 8259) from raw bytes. Each takes the position where its token begins and returns the
// position behind it, or refused for whatever is not well formed, exceeds the bounds of protocol §2, or is not worth being sure of here.
const refused = -1

// scanSpace returns the position of the next byte that is no white space.
func scanSpace(d []byte, i int) int {
	for i < len(d) && d[i] <= ' ' && (d[i] == ' ' || d[i] == '\n' || d[i] == '\t' || d[i] == '\r') {
		i++
	}
	return i
}

// textSpan is a text found by scanText, without its quotes.
type textSpan struct {
	start, end int // end is the place of the closing quote, or refused
	runes      int // characters, escapes counted as what they stand for
	escaped    bool
}

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// scanText reads a text whose first byte after the quote is at i. It refuses control characters, bytes that are not UTF-8, lone surrogates
// and U+0000.
func scanText(d []byte, i int) textSpan {
	s := textSpan{start: i, end: refused}
	extra := 0 // bytes beyond one for each character
	for {
		for i+8 <= len(d) {
			w := binary.LittleEndian.Uint64(d[i:])
			quote, slash := w^'"'*ones, w^'\\'*ones
			// In each term the lowest flag is right and nothing below it is flagged, so it is in their union.
			stop := (w | (w-0x20*ones)&^w | (quote-ones)&^quote | (slash-ones)&^slash) & highs
			if stop != 0 {
				i += bits.TrailingZeros64(stop) >> 3
				break
			}
			i += 8
		}
		for i < len(d) && d[i] >= 0x20 && d[i] < 0x80 && d[i] != '"' && d[i] != '\\' {
			i++
		}
		if i >= len(d) {
			return s
		}
		switch c := d[i]; {
		case c == '"':
			s.end, s.runes = i, i-s.start-extra
			return s
		case c == '\\':
			n := scanEscape(d, i)
			if n == 0 {
				return s
			}
			s.escaped = true
			i += n
			extra += n - 1
		case c < 0x20:
			return s
		default:
			for i < len(d) && d[i] >= 0x80 {
				n := 3
				// Three bytes, none of them overlong or a surrogate: nearly all of Chinese.
				if c := d[i]; i+2 >= len(d) || c < 0xe1 || c > 0xec || d[i+1]&0xc0 != 0x80 || d[i+2]&0xc0 != 0x80 {
					var r rune
					if r, n = utf8.DecodeRune(d[i:]); r == utf8.RuneError && n == 1 {
						return s
					}
				}
				i += n
				extra += n - 1
			}
		}
	}
}

// scanEscape returns the number of bytes of the escape at i (twelve for a surrogate pair), 0 if there is none.
func scanEscape(d []byte, i int) int {
	if i+1 >= len(d) {
		return 0
	}
	switch d[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	}
	switch u := unicodeEscape(d, i); {
	case u <= 0 || u >= 0xdc00 && u <= 0xdfff:
		return 0
	case u >= 0xd800 && u <= 0xdbff:
		if low := unicodeEscape(d, i+6); low < 0xdc00 || low > 0xdfff {
			return 0
		}
		return 12
	}
	return 6
}

// unicodeEscape reads \uXXXX at i, or gives -1.
func unicodeEscape(d []byte, i int) rune {
	if i+6 > len(d) || d[i] != '\\' || d[i+1] != 'u' {
		return -1
	}
	var u rune
	for _, c := range d[i+2 : i+6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		u = u<<4 | rune(c)
	}
	return u
}

// content returns the characters of a text. Only one with escapes is copied.
func (s *textSpan) content(d []byte) []byte {
	if !s.escaped {
		return d[s.start:s.end]
	}
	var text string
	if err := json.Unmarshal(d[s.start-1:s.end+1], &text); err != nil {
		return nil // cannot be: scanText has read it
	}
	return []byte(text)
}

const maxDigits = 16 // on either side of the point, protocol §2

// scanInteger reads a number without fraction and exponent.
func scanInteger(d []byte, i int) (value int64, end int) {
	negative := i < len(d) && d[i] == '-'
	if negative {
		i++
	}
	start := i
	for i < len(d) && d[i] >= '0' && d[i] <= '9' && i-start <= maxDigits {
		value = value*10 + int64(d[i]-'0')
		i++
	}
	if n := i - start; n == 0 || n > maxDigits || (n > 1 && d[start] == '0') {
		return 0, refused
	}
	if negative {
		value = -value
	}
	return value, i
}

// scanNumber reads a number as the protocol allows it: no exponent, at most 16 digits on either side of the point.
func scanNumber(d []byte, i int) int {
	_, i = scanInteger(d, i)
	if i == refused || i >= len(d) || d[i] != '.' {
		return i
	}
	i++
	start := i
	for i < len(d) && d[i] >= '0' && d[i] <= '9' {
		i++
	}
	if n := i - start; n == 0 || n > maxDigits {
		return refused
	}
	return i
}

// scanWord reads true, false or null.
func scanWord(d []byte, i int, word string) int {
	if len(d)-i < len(word) || string(d[i:i+len(word)]) != word {
		return refused
	}
	return i + len(word)
}

// scanAny reads any value; depth is its own nesting, 1 for the record.
func scanAny(d []byte, i, depth int) int {
	if i >= len(d) {
		return refused
	}
	c := d[i]
	if c == '"' {
		return scanText(d, i+1).next()
	}
	if depth > maxDepth {
		return refused
	}
	switch c {
	case 't':
		return scanWord(d, i, "true")
	case 'f':
		return scanWord(d, i, "false")
	case 'n':
		return scanWord(d, i, "null")
	case '{', '[':
		return scanContainer(d, i, depth)
	}
	return scanNumber(d, i)
}

// scanContainer reads the object or array that begins at i.
func scanContainer(d []byte, i, depth int) int {
	object := d[i] == '{'
	closing := d[i] + 2 // '{' to '}', '[' to ']'
	i = scanSpace(d, i+1)
	if i < len(d) && d[i] == closing {
		return i + 1
	}
	for {
		if object {
			if i >= len(d) || d[i] != '"' {
				return refused
			}
			if i = scanColon(d, scanText(d, i+1).next()); i == refused {
				return refused
			}
		}
		if i = scanAny(d, i, depth+1); i == refused {
			return refused
		}
		i = scanSpace(d, i)
		if i >= len(d) || (d[i] != ',' && d[i] != closing) {
			return refused
		}
		if d[i] == closing {
			return i + 1
		}
		i = scanSpace(d, i+1)
	}
}

// scanColon reads the colon after a member's name and the space around it; i may be refused.
func scanColon(d []byte, i int) int {
	if i == refused {
		return refused
	}
	if i = scanSpace(d, i); i >= len(d) || d[i] != ':' {
		return refused
	}
	return scanSpace(d, i+1)
}

// next is the position behind the closing quote, or refused.
func (s textSpan) next() int {
	if s.end == refused {
		return refused
	}
	return s.end + 1
}
