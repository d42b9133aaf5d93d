package seal

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// MaxDepth is how deep objects and lists of a record may nest (protocol §2).
const MaxDepth = 32

// DataError says where a record's JSON breaks the byte rules of protocol §2.
// Code is one of JSON, UTF8, DUPLICATE_MEMBER, NUMBER, SURROGATE, NUL, DEPTH,
// SPACE; Pointer is an RFC 6901 JSON pointer.
type DataError struct{ Code, Pointer string }

func (e *DataError) Error() string { return fmt.Sprintf("%s at %q", e.Code, e.Pointer) }

// CompactData appends data to dst without insignificant white space and checks
// it against protocol §2: one JSON object, valid UTF-8, no member twice at any
// depth (after unescaping), no lone surrogate, no U+0000, depth at most
// [MaxDepth]; a number is an integer below 2^53 or has at most 15 significant
// digits and no exponent. Nothing but white space is changed. The error is a
// *DataError.
func CompactData(dst, data []byte) ([]byte, error) {
	s := scanner{in: data, out: dst, compact: true}
	if err := s.object1(); err != nil {
		return dst, err
	}
	return s.out, nil
}

// CheckData applies the same rules to the data of a received line, where white
// space is a fault too.
func CheckData(data []byte) error {
	s := scanner{in: data}
	return s.object1()
}

// scanner walks JSON once. Where compact is set it copies tokens to out and
// skips white space; otherwise white space is a fault and nothing is copied.
type scanner struct {
	in      []byte
	pos     int
	out     []byte
	compact bool
	path    []step
	steps   [8]step // path's memory at first
}

// step is one level of the path to the value being read: a member's raw name
// (still escaped) or, where name is nil, an index.
type step struct {
	name  []byte
	index int
}

// manyMembers is where looking for repeated names changes from comparing pairs
// to a map, so that a hostile object costs no more than a large one.
const manyMembers = 24

func (s *scanner) fail(code string) error {
	var p []byte
	for _, st := range s.path {
		p = append(p, '/')
		if st.name == nil {
			p = strconv.AppendInt(p, int64(st.index), 10)
			continue
		}
		for _, c := range unescaped(st.name) {
			switch c {
			case '~':
				p = append(p, "~0"...)
			case '/':
				p = append(p, "~1"...)
			default:
				p = append(p, c)
			}
		}
	}
	return &DataError{code, string(p)}
}

func (s *scanner) object1() error {
	s.path = s.steps[:0]
	if !utf8.Valid(s.in) {
		return s.fail("UTF8")
	}
	if err := s.space(); err != nil {
		return err
	}
	if s.pos >= len(s.in) || s.in[s.pos] != '{' {
		return s.fail("JSON")
	}
	if err := s.value(1); err != nil {
		return err
	}
	if err := s.space(); err != nil {
		return err
	}
	if s.pos != len(s.in) {
		return s.fail("JSON")
	}
	return nil
}

// space skips white space, or refuses it.
func (s *scanner) space() error {
	for s.pos < len(s.in) {
		switch s.in[s.pos] {
		case ' ', '\t', '\r', '\n':
			if !s.compact {
				return s.fail("SPACE")
			}
			s.pos++
		default:
			return nil
		}
	}
	return nil
}

func (s *scanner) copy(from int) {
	if s.compact {
		s.out = append(s.out, s.in[from:s.pos]...)
	}
}

// byteIs consumes c, with white space around it where that is allowed.
func (s *scanner) byteIs(c byte) (bool, error) {
	if err := s.space(); err != nil {
		return false, err
	}
	if s.pos >= len(s.in) || s.in[s.pos] != c {
		return false, nil
	}
	s.pos++
	s.copy(s.pos - 1)
	return true, s.space()
}

func (s *scanner) value(depth int) error {
	if s.pos >= len(s.in) {
		return s.fail("JSON")
	}
	switch c := s.in[s.pos]; {
	case c == '{':
		return s.object(depth)
	case c == '[':
		return s.list(depth)
	case c == '"':
		_, err := s.string()
		return err
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if end := s.pos + len(word); end <= len(s.in) && string(s.in[s.pos:end]) == word {
			from := s.pos
			s.pos = end
			s.copy(from)
			return nil
		}
	}
	return s.fail("JSON")
}

func (s *scanner) object(depth int) error {
	if depth > MaxDepth {
		return s.fail("DEPTH")
	}
	if _, err := s.byteIs('{'); err != nil {
		return err
	}
	if done, err := s.byteIs('}'); done || err != nil {
		return err
	}
	var few [manyMembers][]byte
	names := few[:0]
	var many map[string]bool
	for {
		if s.pos >= len(s.in) || s.in[s.pos] != '"' {
			return s.fail("JSON")
		}
		raw, err := s.string()
		if err != nil {
			return err
		}
		s.path = append(s.path, step{name: raw})
		name := unescaped(raw)
		if many == nil && len(names) == manyMembers {
			many = make(map[string]bool, 4*manyMembers)
			for _, n := range names {
				many[string(n)] = true
			}
		}
		if many != nil {
			if many[string(name)] {
				return s.fail("DUPLICATE_MEMBER")
			}
			many[string(name)] = true
		} else {
			for _, n := range names {
				if string(n) == string(name) {
					return s.fail("DUPLICATE_MEMBER")
				}
			}
			names = append(names, name)
		}
		if ok, err := s.byteIs(':'); !ok || err != nil {
			return s.orJSON(err)
		}
		if err := s.value(depth + 1); err != nil {
			return err
		}
		s.path = s.path[:len(s.path)-1]
		if more, err := s.byteIs(','); err != nil {
			return err
		} else if more {
			continue
		}
		if ok, err := s.byteIs('}'); !ok || err != nil {
			return s.orJSON(err)
		}
		return nil
	}
}

func (s *scanner) list(depth int) error {
	if depth > MaxDepth {
		return s.fail("DEPTH")
	}
	if _, err := s.byteIs('['); err != nil {
		return err
	}
	if done, err := s.byteIs(']'); done || err != nil {
		return err
	}
	s.path = append(s.path, step{})
	for i := 0; ; i++ {
		s.path[len(s.path)-1].index = i
		if err := s.value(depth + 1); err != nil {
			return err
		}
		if more, err := s.byteIs(','); err != nil {
			return err
		} else if more {
			continue
		}
		s.path = s.path[:len(s.path)-1]
		if ok, err := s.byteIs(']'); !ok || err != nil {
			return s.orJSON(err)
		}
		return nil
	}
}

func (s *scanner) orJSON(err error) error {
	if err != nil {
		return err
	}
	return s.fail("JSON")
}

// string consumes a string and returns what stands between the quotes. The
// white space after a value is left to the caller's next byteIs.
func (s *scanner) string() ([]byte, error) {
	from := s.pos
	for i := s.pos + 1; i < len(s.in); i++ {
		for i+8 <= len(s.in) && plain(binary.LittleEndian.Uint64(s.in[i:])) {
			i += 8
		}
		if i == len(s.in) {
			break
		}
		switch c := s.in[i]; {
		case c == '"':
			s.pos = i + 1
			s.copy(from)
			return s.in[from+1 : i : i], nil
		case c == '\\':
			n, code := escape(s.in[i:])
			if code != "" {
				return nil, s.fail(code)
			}
			i += n - 1
		case c < 0x20:
			return nil, s.fail("JSON")
		}
	}
	return nil, s.fail("JSON")
}

// plain reports whether none of eight bytes is a quote, a backslash or below
// 0x20. Each subtraction borrows into the top bit of the bytes it looks for; a
// borrow that runs on can only follow one that was right.
func plain(w uint64) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, backslash := w^ones*'"', w^ones*'\\'
	return ((w-ones*0x20)&^w|(quote-ones)&^quote|(backslash-ones)&^backslash)&tops == 0
}

// escape checks the escape at the start of b and returns its length; a pair of
// surrogates counts as one escape of 12.
func escape(b []byte) (int, string) {
	if len(b) < 2 {
		return 0, "JSON"
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, ""
	case 'u':
		r, ok := hex4(b)
		switch {
		case !ok:
			return 0, "JSON"
		case r == 0:
			return 0, "NUL"
		case r >= 0xdc00 && r < 0xe000:
			return 0, "SURROGATE"
		case r >= 0xd800 && r < 0xdc00:
			low, ok := hex4(b[6:])
			if !ok || low < 0xdc00 || low >= 0xe000 {
				return 0, "SURROGATE"
			}
			return 12, ""
		}
		return 6, ""
	}
	return 0, "JSON"
}

// hex4 reads \uXXXX at the start of b.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// unescaped returns the name a raw member name stands for; it allocates only
// where there is an escape. raw has passed string.
func unescaped(raw []byte) []byte {
	i := 0
	for i < len(raw) && raw[i] != '\\' {
		i++
	}
	if i == len(raw) {
		return raw
	}
	out := append([]byte(nil), raw[:i]...)
	for i < len(raw) {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			i++
			continue
		}
		n, _ := escape(raw[i:])
		switch c := raw[i+1]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, _ := hex4(raw[i:])
			if n == 12 {
				low, _ := hex4(raw[i+6:])
				r = (r-0xd800)<<10 + (low - 0xdc00) + 0x10000
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
		i += n
	}
	return out
}

// number consumes -?int frac? and refuses exponents, integers of 2^53 and more
// and fractions of more than 15 significant digits.
func (s *scanner) number() error {
	from := s.pos
	if s.in[s.pos] == '-' {
		s.pos++
	}
	intFrom := s.pos
	var n uint64
	digits := 0 // significant ones
	digit := func() bool {
		if s.pos >= len(s.in) || s.in[s.pos] < '0' || s.in[s.pos] > '9' {
			return false
		}
		if d := s.in[s.pos] - '0'; d > 0 || digits > 0 {
			digits++
			if digits <= 17 { // enough to be above 2^53, whatever follows
				n = n*10 + uint64(d)
			}
		}
		s.pos++
		return true
	}
	if !digit() {
		return s.fail("JSON")
	}
	if s.in[intFrom] != '0' {
		for digit() {
		}
	}
	fraction := s.pos < len(s.in) && s.in[s.pos] == '.'
	if fraction {
		s.pos++
		if !digit() {
			return s.fail("JSON")
		}
		for digit() {
		}
	}
	if s.pos < len(s.in) {
		switch c := s.in[s.pos]; {
		case c == 'e' || c == 'E':
			return s.fail("NUMBER")
		case c >= '0' && c <= '9':
			return s.fail("JSON") // leading zero
		}
	}
	if fraction && digits > 15 || !fraction && n >= maxPosition {
		return s.fail("NUMBER")
	}
	s.copy(from)
	return nil
}
