package sign

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"fayi/crypto/keys"

	"github.com/emmansun/gmsm/sm3"
)

// ErrNotCanonical is returned for bytes that are not the one canonical
// spelling of the object they seem to hold (protocol §1, NOT_CANONICAL).
var ErrNotCanonical = errors.New("not canonical")

// maxInt is the first integer that a double cannot tell from its neighbour.
const maxInt = 1 << 53

// Hash is an SM3 digest. In JSON it is 64 lower-case hex digits.
type Hash [32]byte

// Sum returns SM3(data).
func Sum(data []byte) Hash { return sm3.Sum(data) }

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether h is the 64 zeros that stand for "nothing before".
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalJSON writes lower-case hex.
func (h Hash) MarshalJSON() ([]byte, error) { return hexJSON(h[:]), nil }

// UnmarshalJSON reads exactly 64 hex digits; [Unmarshal] refuses upper case.
func (h *Hash) UnmarshalJSON(b []byte) error { return unhexJSON(h[:], b) }

// Nonce is the 16 random bytes of a call. In JSON it is 32 hex digits.
type Nonce [16]byte

// MarshalJSON writes lower-case hex.
func (n Nonce) MarshalJSON() ([]byte, error) { return hexJSON(n[:]), nil }

// UnmarshalJSON reads exactly 32 hex digits.
func (n *Nonce) UnmarshalJSON(b []byte) error { return unhexJSON(n[:], b) }

func hexJSON(b []byte) []byte {
	out := make([]byte, 0, 2*len(b)+2)
	out = append(out, '"')
	out = hex.AppendEncode(out, b)
	return append(out, '"')
}

func unhexJSON(dst, b []byte) error {
	if len(b) != 2*len(dst)+2 || b[0] != '"' || b[len(b)-1] != '"' {
		return fmt.Errorf("%w: want %d hex digits", ErrNotCanonical, 2*len(dst))
	}
	_, err := hex.Decode(dst, b[1:len(b)-1])
	return err
}

// Time is an instant with millisecond precision, always written in +08:00 as
// YYYY-MM-DDThh:mm:ss.sss+08:00. It is a claim of its writer: no rule orders,
// completes or refuses data by it (protocol §1).
type Time struct{ time.Time }

var china = time.FixedZone("+08:00", 8*3600)

const timeLayout = "2006-01-02T15:04:05.000+08:00"

// Now returns the present, cut to milliseconds.
func Now() Time { return At(time.Now()) }

// At cuts t to milliseconds and moves it to +08:00.
func At(t time.Time) Time { return Time{t.Truncate(time.Millisecond).In(china)} }

func (t Time) String() string { return t.In(china).Format(timeLayout) }

// AppendText appends the canonical form: 29 characters for the years 0000 to
// 9999, which are all that [ParseTime] reads.
func (t Time) AppendText(b []byte) ([]byte, error) {
	return t.In(china).AppendFormat(b, timeLayout), nil
}

// MarshalJSON writes the canonical form.
func (t Time) MarshalJSON() ([]byte, error) {
	if y := t.In(china).Year(); y < 0 || y > 9999 {
		return nil, fmt.Errorf("%w: year %d", ErrNotCanonical, y)
	}
	return t.In(china).AppendFormat(nil, `"`+timeLayout+`"`), nil
}

// UnmarshalJSON reads the canonical form only.
func (t *Time) UnmarshalJSON(b []byte) error {
	if len(b) != len(timeLayout)+2 || b[0] != '"' || b[len(b)-1] != '"' {
		return fmt.Errorf("%w: time", ErrNotCanonical)
	}
	p, err := ParseTime(string(b[1 : len(b)-1]))
	*t = p
	return err
}

// ParseTime reads YYYY-MM-DDThh:mm:ss.sss+08:00 and nothing else.
func ParseTime(s string) (Time, error) {
	if len(s) != len(timeLayout) {
		return Time{}, fmt.Errorf("%w: time", ErrNotCanonical)
	}
	p, err := time.ParseInLocation(timeLayout, s, china)
	if err != nil || p.Format(timeLayout) != s {
		return Time{}, fmt.Errorf("%w: time", ErrNotCanonical)
	}
	return Time{p}, nil
}

// Marshal writes v in canonical form: the order of the struct's fields is the
// order on the wire. It fails where v cannot be written canonically.
func Marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	out := buf.Bytes()[:buf.Len()-1] // Encode adds a line feed
	if err := check(out); err != nil {
		return nil, err
	}
	return out, nil
}

// Unmarshal reads data into v if, and only if, data is what [Marshal] writes
// for the value read. Any other spelling (white space, another member order,
// unknown, repeated or missing members, other letter case, null, a number with
// an exponent) is ErrNotCanonical.
func Unmarshal(data []byte, v any) error {
	if err := check(data); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("%w: %v", ErrNotCanonical, err)
	}
	again, err := Marshal(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, data) {
		return ErrNotCanonical
	}
	return nil
}

// check walks the tokens for what comparing bytes cannot find: null in place
// of an empty list, numbers that are not plain integers below 2^53, characters
// that JSON writers escape in different ways.
func check(data []byte) error {
	if !utf8.Valid(data) {
		return fmt.Errorf("%w: not UTF-8", ErrNotCanonical)
	}
	for i := 0; i < len(data); {
		switch c := data[i]; {
		case c == '"':
			end, err := stringEnd(data, i)
			if err != nil {
				return err
			}
			i = end
		case c == 'n':
			return fmt.Errorf("%w: null", ErrNotCanonical)
		case c >= '0' && c <= '9':
			n, j := uint64(0), i
			for ; j < len(data) && data[j] >= '0' && data[j] <= '9'; j++ {
				if n = n*10 + uint64(data[j]-'0'); n >= maxInt {
					return fmt.Errorf("%w: integer too large", ErrNotCanonical)
				}
			}
			if c == '0' && j > i+1 {
				return fmt.Errorf("%w: leading zero", ErrNotCanonical)
			}
			i = j
		case c == '-' || c == '.' || c == 'e' && !literal(data, i) || c == 'E' || c == '+':
			return fmt.Errorf("%w: number", ErrNotCanonical)
		default:
			i++
		}
	}
	return nil
}

// literal reports whether data[i] lies inside the words true or false.
func literal(data []byte, i int) bool {
	return i >= 3 && (bytes.HasSuffix(data[:i+1], []byte("true")) || bytes.HasSuffix(data[:i+1], []byte("false")))
}

// stringEnd returns the index after the string that starts at i. Of all
// escapes only \" and \\ may appear: every other character is written as itself.
func stringEnd(data []byte, i int) (int, error) {
	for j := i + 1; j < len(data); j++ {
		switch c := data[j]; {
		case c == '"':
			return j + 1, nil
		case c == '\\':
			if j++; j >= len(data) || data[j] != '"' && data[j] != '\\' {
				return 0, fmt.Errorf("%w: escape", ErrNotCanonical)
			}
		case c < 0x20 || c == 0x7f:
			return 0, fmt.Errorf("%w: control character", ErrNotCanonical)
		}
	}
	return 0, fmt.Errorf("%w: open string", ErrNotCanonical)
}

// marshalTuple and unmarshalTuple serve types that are a JSON list of fixed length.
func marshalTuple(parts ...any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(parts)
	return buf.Bytes(), err
}

func unmarshalTuple(data []byte, parts ...any) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	if len(raw) != len(parts) {
		return fmt.Errorf("%w: want a list of %d", ErrNotCanonical, len(parts))
	}
	for i, p := range parts {
		if err := json.Unmarshal(raw[i], p); err != nil {
			return err
		}
	}
	return nil
}

// Sign writes v canonically and signs those bytes under context c.
func Sign(s keys.Signer, c keys.Context, v any) (body, sig []byte, err error) {
	if body, err = Marshal(v); err != nil {
		return nil, nil, err
	}
	if sig, err = s.Sign(c, body); err != nil {
		return nil, nil, err
	}
	return body, sig, nil
}
