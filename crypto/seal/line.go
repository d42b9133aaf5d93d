package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"fayi/crypto/sign"
)

// Operations of a line.
const (
	Put = "put" // the record's whole state
	Del = "del" // the record is gone
)

// Line is one record in a stream (protocol §2).
type Line struct {
	Seq  uint64
	Key  string // 1–128 bytes of UTF-8
	Op   string
	At   sign.Time // when the source recorded it
	Src  string    // the source's name
	Ref  string    // the source row's identity
	Was  *Was      // the key's previous line, nil for none
	Salt [16]byte  // fresh random bytes
	Data []byte    // compact JSON object of a put; nil for a del
	X    []byte    // open member for later versions: kept, hashed, ignored; nil where absent
}

// Was is the position of the key's previous line.
type Was struct{ Gen, Seq uint64 }

// ErrLine is returned for a line whose bytes break protocol §2. Since the root
// covers the bytes, such a line is the origin's fault (LINE_INVALID).
var ErrLine = errors.New("malformed line")

// AppendLine appends the line's canonical bytes without a line feed. Data and X
// must already be compact (CompactData).
func AppendLine(dst []byte, l *Line) []byte {
	dst = append(dst, `{"seq":`...)
	dst = strconv.AppendUint(dst, l.Seq, 10)
	dst = append(dst, `,"key":`...)
	dst = appendString(dst, l.Key)
	dst = append(dst, `,"op":"`...)
	dst = append(dst, l.Op...)
	dst = append(dst, `","at":"`...)
	dst, _ = l.At.AppendText(dst)
	dst = append(dst, `","src":`...)
	dst = appendString(dst, l.Src)
	dst = append(dst, `,"ref":`...)
	dst = appendString(dst, l.Ref)
	dst = append(dst, `,"was":`...)
	if l.Was == nil {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, '[')
		dst = strconv.AppendUint(dst, l.Was.Gen, 10)
		dst = append(dst, ',')
		dst = strconv.AppendUint(dst, l.Was.Seq, 10)
		dst = append(dst, ']')
	}
	dst = append(dst, `,"salt":"`...)
	dst = hex.AppendEncode(dst, l.Salt[:])
	dst = append(dst, '"')
	if l.Data != nil {
		dst = append(dst, `,"data":`...)
		dst = append(dst, l.Data...)
	}
	if l.X != nil {
		dst = append(dst, `,"x":`...)
		dst = append(dst, l.X...)
	}
	return append(dst, '}')
}

// appendString writes s as the scanner of names reads it back: of all
// characters only quote and backslash are escaped.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

// AppendErased appends the line that stands where contents were erased: only
// its number and its leaf remain.
func AppendErased(dst []byte, seq uint64, leaf sign.Hash) []byte {
	dst = append(dst, `{"seq":`...)
	dst = strconv.AppendUint(dst, seq, 10)
	dst = append(dst, `,"leaf":"`...)
	dst = hex.AppendEncode(dst, leaf[:])
	return append(dst, `"}`...)
}

// ParseErased reads a leaf-only line; ok is false for any other line.
func ParseErased(line []byte) (seq uint64, leaf sign.Hash, ok bool) {
	r := reader{b: line}
	r.lit(`{"seq":`)
	seq = r.uint()
	r.lit(`,"leaf":"`)
	r.hex(leaf[:])
	r.lit(`"}`)
	return seq, leaf, !r.bad && len(r.b) == 0
}

// ParseLine reads a line's bytes (without line feed): members in their order,
// no second spelling, data by the rules of CheckData. The slices of the result
// point into line. The error wraps ErrLine, and *DataError where data is at fault.
func ParseLine(line []byte) (*Line, error) {
	if len(line) > MaxLine || !utf8.Valid(line) {
		return nil, ErrLine
	}
	l := &Line{}
	r := reader{b: line}
	if err := r.head(l); err != nil {
		return nil, err
	}
	var err error
	if r.has(dataMember) {
		if l.Data, err = r.object(); err != nil {
			return nil, fmt.Errorf("%w: data: %w", ErrLine, err)
		}
	}
	if (l.Op == Put) != (l.Data != nil) {
		return nil, fmt.Errorf("%w: data and op disagree", ErrLine)
	}
	if r.has(`,"x":`) {
		if l.X, err = r.object(); err != nil {
			return nil, fmt.Errorf("%w: x: %w", ErrLine, err)
		}
	}
	r.lit("}")
	if r.bad || len(r.b) != 0 {
		return nil, ErrLine
	}
	return l, nil
}

// ParseEnvelope reads everything of a put's line but its data: l.Data is whatever
// stands in its place, down to the line's last brace. A caller who finds that
// those bytes are one object by the rules of CheckData (schemas.Type.Exact) knows
// of the line what ParseLine would have said; any other caller asks ParseLine.
func ParseEnvelope(line []byte) (l *Line, ok bool) {
	l = &Line{}
	r := reader{b: line}
	if len(line) > MaxLine || r.head(l) != nil || !utf8.Valid(line[:len(line)-len(r.b)]) || l.Op != Put || !r.has(dataMember) {
		return nil, false
	}
	end := len(r.b) - 1
	if end < 0 || r.b[end] != '}' {
		return nil, false
	}
	l.Data = r.b[:end:end]
	return l, true
}

const dataMember = `,"data":`

// head reads the members before data.
func (r *reader) head(l *Line) error {
	r.lit(`{"seq":`)
	l.Seq = r.uint()
	r.lit(`,"key":`)
	l.Key = r.str()
	r.lit(`,"op":"`)
	switch op := r.take(3); string(op) {
	case Put:
		l.Op = Put
	case Del:
		l.Op = Del
	}
	r.lit(`","at":"`)
	at := r.take(29)
	r.lit(`","src":`)
	l.Src = r.str()
	r.lit(`,"ref":`)
	l.Ref = r.str()
	r.lit(`,"was":`)
	if !r.has("null") {
		r.lit("[")
		l.Was = &Was{Gen: r.uint()}
		r.lit(",")
		l.Was.Seq = r.uint()
		r.lit("]")
	}
	r.lit(`,"salt":"`)
	r.hex(l.Salt[:])
	r.lit(`"`)
	if r.bad {
		return ErrLine
	}
	var err error
	if l.At, err = sign.ParseTime(string(at)); err != nil {
		return fmt.Errorf("%w: at", ErrLine)
	}
	if l.Key == "" || len(l.Key) > 128 || l.Seq == 0 || l.Op == "" {
		return fmt.Errorf("%w: key, seq or op", ErrLine)
	}
	return nil
}

// reader consumes a line from the front; once bad, it stays bad.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) has(s string) bool {
	if len(r.b) >= len(s) && string(r.b[:len(s)]) == s {
		r.b = r.b[len(s):]
		return true
	}
	return false
}

func (r *reader) lit(s string) {
	if !r.has(s) {
		r.bad = true
	}
}

func (r *reader) take(n int) []byte {
	if len(r.b) < n {
		r.bad = true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uint() uint64 {
	i, n := 0, uint64(0)
	for ; i < len(r.b) && r.b[i] >= '0' && r.b[i] <= '9'; i++ {
		if n = n*10 + uint64(r.b[i]-'0'); n >= maxPosition {
			r.bad = true
			return 0
		}
	}
	if i == 0 || i > 1 && r.b[0] == '0' {
		r.bad = true
	}
	r.b = r.b[i:]
	return n
}

func (r *reader) hex(dst []byte) {
	src := r.take(2 * len(dst))
	if r.bad || bytes.ContainsAny(src, "ABCDEF") {
		r.bad = true
		return
	}
	if _, err := hex.Decode(dst, src); err != nil {
		r.bad = true
	}
}

func (r *reader) str() string {
	if len(r.b) == 0 || r.b[0] != '"' {
		r.bad = true
		return ""
	}
	var out []byte // only where there is an escape
	from := 1
	for i := 1; i < len(r.b); i++ {
		switch c := r.b[i]; {
		case c == '"':
			rest := r.b[from:i]
			r.b = r.b[i+1:]
			if out == nil {
				return string(rest)
			}
			return string(append(out, rest...))
		case c == '\\':
			if i+1 >= len(r.b) || r.b[i+1] != '"' && r.b[i+1] != '\\' {
				r.bad = true
				return ""
			}
			out = append(out, r.b[from:i]...)
			from = i + 1
			i++
		case c < 0x20 || c == 0x7f:
			r.bad = true
			return ""
		}
	}
	r.bad = true
	return ""
}

// object consumes one JSON object by the rules of CheckData.
func (r *reader) object() ([]byte, error) {
	s := scanner{in: r.b}
	s.path = s.steps[:0]
	if len(r.b) == 0 || r.b[0] != '{' {
		return nil, s.fail("JSON")
	}
	if err := s.value(1); err != nil {
		return nil, err
	}
	out := r.b[:s.pos:s.pos]
	r.b = r.b[s.pos:]
	return out, nil
}
