package sfxml

import (
	"regexp/syntax"
	"strconv"
	"strings"
)

// xsdPattern writes a pattern of the pack's own dialect (RE2, anchored at both ends, see the linter of package schemas) as XML Schema writes
// regular expressions, which are always anchored. ok is false for what has no counterpart; such a pattern is left out, never changed.
func xsdPattern(pattern string) (string, bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", false
	}
	var b strings.Builder
	ok := writePattern(&b, re)
	return b.String(), ok
}

func writePattern(b *strings.Builder, re *syntax.Regexp) bool {
	group := func(subs []*syntax.Regexp, between string) bool {
		b.WriteByte('(')
		for i, sub := range subs {
			if i > 0 {
				b.WriteString(between)
			}
			if !writePattern(b, sub) {
				return false
			}
		}
		b.WriteByte(')')
		return true
	}
	if re.Flags&syntax.FoldCase != 0 && re.Op == syntax.OpLiteral {
		return false
	}
	switch re.Op {
	case syntax.OpBeginText, syntax.OpEndText, syntax.OpEmptyMatch:
		return true
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if !allowed(r) {
				return false
			}
			writeRune(b, r)
		}
		return true
	case syntax.OpCharClass:
		return writeClass(b, re.Rune)
	case syntax.OpCapture:
		return group(re.Sub, "")
	case syntax.OpAlternate:
		return group(re.Sub, "|")
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if !writePattern(b, sub) {
				return false
			}
		}
		return true
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		if !group(re.Sub, "") {
			return false
		}
		b.WriteString(repeat(re))
		return true
	}
	return false
}

func repeat(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpStar:
		return "*"
	case syntax.OpPlus:
		return "+"
	case syntax.OpQuest:
		return "?"
	}
	s := "{" + strconv.Itoa(re.Min)
	switch {
	case re.Max < 0:
		s += ","
	case re.Max != re.Min:
		s += "," + strconv.Itoa(re.Max)
	}
	return s + "}"
}

// writeClass writes ranges, cut to what XML can carry. A class that holds what XML cannot also takes U+FFFD, which stands in its place.
func writeClass(b *strings.Builder, ranges []rune) bool {
	carried := []rune{'\t', '\n', '\r', '\r', 0x20, 0xd7ff, 0xe000, 0xfffd, 0x10000, 0x10ffff}
	var out []rune
	lost := false
	for i := 0; i+1 < len(ranges); i += 2 {
		kept := rune(0)
		for j := 0; j < len(carried); j += 2 {
			lo, hi := max(ranges[i], carried[j]), min(ranges[i+1], carried[j+1])
			if lo <= hi {
				out = append(out, lo, hi)
				kept += hi - lo + 1
			}
		}
		lost = lost || kept < ranges[i+1]-ranges[i]+1
	}
	if lost {
		out = append(out, 0xfffd, 0xfffd)
	}
	if len(out) == 0 {
		return false
	}
	b.WriteByte('[')
	for i := 0; i < len(out); i += 2 {
		writeRune(b, out[i])
		if out[i+1] > out[i] {
			b.WriteByte('-')
			writeRune(b, out[i+1])
		}
	}
	b.WriteByte(']')
	return true
}

// writeRune writes one character that means itself, inside and outside a class.
func writeRune(b *strings.Builder, r rune) {
	switch {
	case r == '\n':
		b.WriteString(`\n`)
		return
	case r == '\r':
		b.WriteString(`\r`)
		return
	case r == '\t':
		b.WriteString(`\t`)
		return
	case strings.ContainsRune(`\|.?*+(){}-[]^`, r):
		b.WriteByte('\\')
	}
	b.WriteRune(r)
}
