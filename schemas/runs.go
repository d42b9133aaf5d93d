package schemas

import (
	"math"
	"regexp/syntax"
)

// runs is a pattern as packs mostly write them: one character class after the other, each so many times. Matching takes as many bytes as
// each class allows and never goes back, which is exact because readRuns only makes patterns where no byte could belong to two runs.
type runs []run

type run struct {
	class    [4]uint64 // bit set of bytes, all ASCII
	min, max int
}

func (r *run) has(c byte) bool { return r.class[c>>6]>>(c&63)&1 != 0 }

// readRuns reads an anchored pattern; ok is false if it has another shape than runs can match.
func readRuns(pattern string) (list runs, ok bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil || re.Op != syntax.OpConcat || len(re.Sub) < 2 {
		return nil, false
	}
	last := len(re.Sub) - 1
	if re.Sub[0].Op != syntax.OpBeginText || re.Sub[last].Op != syntax.OpEndText {
		return nil, false
	}
	for _, sub := range re.Sub[1:last] {
		if list, ok = appendRuns(list, sub); !ok {
			return nil, false
		}
	}
	for i := range list {
		for j := i + 1; j < len(list) && list[i].min < list[i].max; j++ {
			for k := range list[i].class {
				if list[i].class[k]&list[j].class[k] != 0 {
					return nil, false
				}
			}
			if list[j].min > 0 {
				break
			}
		}
	}
	return list, true
}

func appendRuns(list runs, re *syntax.Regexp) (runs, bool) {
	low, high := 1, 1
	switch re.Op {
	case syntax.OpRepeat:
		low, high = re.Min, re.Max
	case syntax.OpQuest:
		low, high = 0, 1
	case syntax.OpStar:
		low, high = 0, -1
	case syntax.OpPlus:
		low, high = 1, -1
	case syntax.OpLiteral:
		for _, c := range re.Rune {
			r := run{min: 1, max: 1}
			if re.Flags&syntax.FoldCase != 0 || !r.add(c, c) {
				return nil, false
			}
			list = append(list, r)
		}
		return list, true
	}
	if re.Op != syntax.OpCharClass {
		if re.Op == syntax.OpLiteral || len(re.Sub) != 1 {
			return nil, false
		}
		re = re.Sub[0]
	}
	if high < 0 {
		high = math.MaxInt
	}
	r := run{min: low, max: high}
	switch {
	case re.Op == syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if !r.add(re.Rune[i], re.Rune[i+1]) {
				return nil, false
			}
		}
	case re.Op == syntax.OpLiteral && len(re.Rune) == 1 && re.Flags&syntax.FoldCase == 0:
		if !r.add(re.Rune[0], re.Rune[0]) {
			return nil, false
		}
	default:
		return nil, false
	}
	return append(list, r), true
}

// add puts the characters from low to high into the class; it fails for any outside ASCII.
func (r *run) add(low, high rune) bool {
	if low < 0 || high > 0x7f {
		return false
	}
	for c := low; c <= high; c++ {
		r.class[c>>6] |= 1 << (c & 63)
	}
	return true
}

// match tells whether the whole of b is of the pattern.
func (list runs) match(b []byte) bool {
	i := 0
	for k := range list {
		r := &list[k]
		end := len(b)
		if r.max < end-i {
			end = i + r.max
		}
		start := i
		for i < end && r.has(b[i]) {
			i++
		}
		if i-start < r.min {
			return false
		}
	}
	return i == len(b)
}
