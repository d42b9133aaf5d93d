package sign_test

import (
	"math"
	"testing"

	"fayi/crypto/sign"

	"pgregory.net/rapid"
)

const (
	cases   = "610800/legal_aid_case/upstream"
	tickets = "610800/ticket/to-610000"
)

// Positions compare as (gen, seq); "*" is every stream from its beginning; a key
// that has ended anywhere is good only where its end is stated (protocol §7).
func TestCovers(t *testing.T) {
	all := []sign.Position{{Stream: "*"}}
	from := []sign.Position{{cases, 100, 50}}
	end := []sign.EndPoint{{cases, 200, 10, hashA}}
	for _, c := range []struct {
		name     string
		key      sign.SignKey
		stream   string
		gen, seq uint64
		want     bool
	}{
		{"no positions", sign.SignKey{}, cases, 100, 50, false},
		{"no start, but an end", sign.SignKey{Upto: end}, cases, 100, 50, false},
		{"everything", sign.SignKey{From: all}, cases, 1, 1, true},
		{"everything, any stream", sign.SignKey{From: all}, tickets, math.MaxUint64, math.MaxUint64, true},
		{"at the start", sign.SignKey{From: from}, cases, 100, 50, true},
		{"one before", sign.SignKey{From: from}, cases, 100, 49, false},
		{"lower generation, higher number", sign.SignKey{From: from}, cases, 99, 51, false},
		{"higher generation, lower number", sign.SignKey{From: from}, cases, 101, 1, true},
		{"another stream", sign.SignKey{From: from}, tickets, 100, 50, false},
		{"at the end", sign.SignKey{From: all, Upto: end}, cases, 200, 10, true},
		{"one after the end", sign.SignKey{From: all, Upto: end}, cases, 200, 11, false},
		{"next generation after the end", sign.SignKey{From: all, Upto: end}, cases, 201, 1, false},
		{"lower generation, higher number than the end", sign.SignKey{From: all, Upto: end}, cases, 199, 11, true},
		{"ended elsewhere", sign.SignKey{From: all, Upto: end}, tickets, 1, 1, false},
		{"between", sign.SignKey{From: from, Upto: end}, cases, 150, 1, true},
		{"before the start of an ended key", sign.SignKey{From: from, Upto: end}, cases, 100, 49, false},
		{"end before start", sign.SignKey{From: from, Upto: []sign.EndPoint{{Stream: cases}}}, cases, 100, 50, false},
		{"ended at nothing", sign.SignKey{From: all, Upto: []sign.EndPoint{{Stream: cases}}}, cases, 1, 1, false},
		{"the star as a stream's name", sign.SignKey{From: all, Upto: end}, "*", 0, 0, false},
	} {
		if got := c.key.Covers(c.stream, c.gen, c.seq); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// A rotation leaves no gap and no overlap: the old key up to a position, the new
// one from the next.
func TestRotationBoundary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gen, seq := drawInt(t), drawInt(t)
		old := sign.SignKey{From: []sign.Position{{Stream: "*"}}, Upto: []sign.EndPoint{{cases, gen, seq, drawHash(t)}}}
		next := sign.SignKey{From: []sign.Position{{cases, gen, seq + 1}}}
		g, s := drawInt(t), drawInt(t)
		if rapid.Bool().Draw(t, "near") {
			g, s = gen, seq+rapid.Uint64Range(0, 2).Draw(t, "d")
		}
		if old.Covers(cases, g, s) == next.Covers(cases, g, s) {
			t.Fatalf("(%d, %d) with the boundary at (%d, %d): both or neither", g, s, gen, seq)
		}
	})
}

func TestMayName(t *testing.T) {
	parent := sign.Entry{Node: "610000", Territory: []string{"61"}}
	for _, c := range []struct {
		name          string
		territory     []string
		child, parent string
		want          bool
	}{
		{"within", []string{"61"}, "610800", "610000", true},
		{"one of two prefixes", []string{"62", "6108"}, "610800", "610000", true},
		{"everything", []string{""}, "620100", "610000", true},
		{"outside", []string{"61"}, "620100", "610000", false},
		{"no territory", nil, "610800", "610000", false},
		{"a longer prefix than the id", []string{"6108001"}, "610800", "610000", false},
		{"another's child", []string{"61"}, "610800", "620000", false},
		{"no parent", []string{"61"}, "610800", "", false},
		{"itself", []string{"61"}, "610000", "610000", false},
		{"prefix in the middle", []string{"08"}, "610800", "610000", false},
	} {
		e := parent
		e.Territory = c.territory
		if got := e.MayName(&sign.Entry{Node: c.child, Parent: c.parent}); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
