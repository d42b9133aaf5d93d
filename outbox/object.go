package outbox

import "unicode/utf8"

// maxDepth is how deep a payload may nest; no record type comes near it.
const maxDepth = 512

// isObject reports whether p is one JSON object (RFC 8259) in UTF-8. encoding/json says the same more slowly, and
// this is done inside the business transaction.
func isObject(p []byte) bool {
	if !utf8.Valid(p) {
		return false
	}
	i := space(p, 0)
	if i == len(p) || p[i] != '{' {
		return false
	}
	i = value(p, i, 0)
	return i >= 0 && space(p, i) == len(p)
}

// plain are the bytes that stand for themselves in a string.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return t
}()

func space(p []byte, i int) int {
	for i < len(p) && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t') {
		i++
	}
	return i
}

// value returns where the value at p[i] ends, -1 if it is none.
func value(p []byte, i, depth int) int {
	if i >= len(p) || depth > maxDepth {
		return -1
	}
	switch c := p[i]; {
	case c == '"':
		return text(p, i)
	case c == '{':
		return members(p, i, depth, '}')
	case c == '[':
		return members(p, i, depth, ']')
	case c == '-' || c >= '0' && c <= '9':
		return number(p, i)
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if len(p)-i >= len(word) && string(p[i:i+len(word)]) == word {
			return i + len(word)
		}
	}
	return -1
}

// members is an object's or an array's inside, up to the bracket that ends it.
func members(p []byte, i, depth int, end byte) int {
	if i = space(p, i+1); i < len(p) && p[i] == end {
		return i + 1
	}
	for {
		if end == '}' {
			if i >= len(p) || p[i] != '"' {
				return -1
			}
			if i = text(p, i); i < 0 {
				return -1
			}
			if i = space(p, i); i >= len(p) || p[i] != ':' {
				return -1
			}
			i = space(p, i+1)
		}
		if i = value(p, i, depth+1); i < 0 {
			return -1
		}
		i = space(p, i)
		switch {
		case i >= len(p):
			return -1
		case p[i] == end:
			return i + 1
		case p[i] != ',':
			return -1
		}
		i = space(p, i+1)
	}
}

func text(p []byte, i int) int {
	for i++; i < len(p); i++ {
		if plain[p[i]] {
			continue
		}
		switch p[i] {
		case '"':
			return i + 1
		case '\\':
			if i++; i >= len(p) {
				return -1
			}
			switch p[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				for range 4 {
					if i++; i >= len(p) || !hex(p[i]) {
						return -1
					}
				}
			default:
				return -1
			}
		default:
			return -1
		}
	}
	return -1
}

func hex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func number(p []byte, i int) int {
	if p[i] == '-' {
		i++
	}
	start := i
	if i = digits(p, i); i == start || p[start] == '0' && i > start+1 {
		return -1
	}
	if i < len(p) && p[i] == '.' {
		start = i + 1
		if i = digits(p, start); i == start {
			return -1
		}
	}
	if i < len(p) && (p[i] == 'e' || p[i] == 'E') {
		if i++; i < len(p) && (p[i] == '+' || p[i] == '-') {
			i++
		}
		start = i
		if i = digits(p, i); i == start {
			return -1
		}
	}
	return i
}

func digits(p []byte, i int) int {
	for i < len(p) && p[i] >= '0' && p[i] <= '9' {
		i++
	}
	return i
}
