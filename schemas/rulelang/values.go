package rulelang

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// The functions in this file read values from raw JSON and compare them, without allocating but for texts with escapes.

// part is characters a to b of a text.
func part(t []byte, a, b int) ([]byte, bool) {
	start, n := 0, 0
	for i := 0; i < len(t); {
		if n++; n == a {
			start = i
		}
		size := 1
		if t[i] >= utf8.RuneSelf {
			_, size = utf8.DecodeRune(t[i:])
		}
		i += size
		if n == b {
			return t[start:i], true
		}
	}
	return nil, false
}

// content is what a JSON text says. Only one with escapes is copied.
func content(raw []byte) []byte {
	if len(raw) < 2 {
		return nil
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	return unescaped(raw)
}

// unescaped is what a JSON text says, always a copy, so that the record and the spans stay on the stack of whoever asks.
func unescaped(raw []byte) []byte {
	var s string
	if json.Unmarshal(bytes.Clone(raw), &s) != nil {
		return nil
	}
	return []byte(s)
}

// day reads YYYY-MM-DD and whatever follows as yyyymmdd, or gives 0.
func day(b []byte) int64 {
	if len(b) < 10 {
		return 0
	}
	y, mo, d := digits(b[:4]), digits(b[5:7]), digits(b[8:10])
	if y < 0 || mo < 0 || d < 0 {
		return 0
	}
	return y*10000 + mo*100 + d
}

// digits reads a short number, or gives -1.
func digits(b []byte) (n int64) {
	for _, c := range b {
		if !digit(c) {
			return -1
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// instant reads a time as seconds and microseconds.
func instant(b []byte) (seconds, micros int64, ok bool) {
	if len(b) < 25 {
		return 0, 0, false
	}
	zone := len(b) - 6
	y, mo, d := digits(b[:4]), digits(b[5:7]), digits(b[8:10])
	h, mi, s := digits(b[11:13]), digits(b[14:16]), digits(b[17:19])
	zh, zm := digits(b[zone+1:zone+3]), digits(b[zone+4:])
	if y < 0 || mo < 1 || d < 0 || h < 0 || mi < 0 || s < 0 || zh < 0 || zm < 0 {
		return 0, 0, false
	}
	if zone > 20 {
		frac := b[20:zone]
		if len(frac) > 6 {
			return 0, 0, false
		}
		if micros = digits(frac); micros < 0 {
			return 0, 0, false
		}
		for range 6 - len(frac) {
			micros *= 10
		}
	}
	offset := zh*3600 + zm*60
	if b[zone] == '-' {
		offset = -offset
	}
	// Days since 1 March of the year 0: years begin in March, so that a leap day is the last.
	if mo < 3 {
		y, mo = y-1, mo+12
	}
	days := y*365 + y/4 - y/100 + y/400 + (153*(mo-3)+2)/5 + d
	return days*86400 + h*3600 + mi*60 + s - offset, micros, true
}

// compareDecimals compares numbers written without needless zeros before the point, such as 12.50 and -3.
func compareDecimals(a, b []byte) int {
	na, nb := len(a) > 0 && a[0] == '-', len(b) > 0 && b[0] == '-'
	switch {
	case na && nb:
		return compareDecimals(b[1:], a[1:])
	case na || nb:
		zero := func(t []byte) bool { return len(bytes.Trim(t, "-0.")) == 0 }
		if zero(a) && zero(b) {
			return isEqual
		}
		if na {
			return isLess
		}
		return isMore
	}
	ai, af, _ := bytes.Cut(a, point)
	bi, bf, _ := bytes.Cut(b, point)
	if len(ai) != len(bi) {
		return compare(len(ai), len(bi))
	}
	if c := bytes.Compare(ai, bi); c != 0 {
		return compare(c, 0)
	}
	return compare(bytes.Compare(bytes.TrimRight(af, "0"), bytes.TrimRight(bf, "0")), 0)
}

// nextElement returns the element of an array at i or behind it, and where to go on; next is -1 if there is none.
func nextElement(d []byte, i int) (element []byte, next int) {
	for i < len(d) && (d[i] == ' ' || d[i] == '\n' || d[i] == '\t' || d[i] == '\r' || d[i] == ',') {
		i++
	}
	start, depth, text := i, 0, false
	for ; i < len(d); i++ {
		switch c := d[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '[' || c == '{':
			depth++
		case depth == 0 && (c == ',' || c == ']'):
			if c == ']' && i == start {
				return nil, -1
			}
			return bytes.TrimRight(d[start:i], " \n\t\r"), i
		case c == ']' || c == '}':
			depth--
		}
	}
	return nil, -1
}

var point = []byte(".")
