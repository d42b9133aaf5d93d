package formats

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The generators build numbers from the definitions of the standards, not from the code under test.

func genID(t *rapid.T) string {
	body := rapid.SampledFrom([]string{"610802", "110101", "440524", "650101", "830000", "620822"}).Draw(t, "place") +
		time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 364).Draw(t, "day")).Format("20060102") +
		fmt.Sprintf("%03d", rapid.IntRange(0, 999).Draw(t, "serial"))
	// ISO 7064 MOD 11-2: every prefix doubles; the whole must be 1 modulo 11.
	m := 0
	for _, c := range body {
		m = (m + int(c-'0')) * 2 % 11
	}
	return body + string("0123456789X"[(12-m)%11])
}

func genUSCC(t *rapid.T) string {
	const alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
	org := make([]byte, 8)
	sum := 0
	for i := range org {
		org[i] = rapid.SampledFrom([]byte(alphabet)).Draw(t, "org")
		v := strings.IndexByte("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", org[i])
		sum += v * []int{3, 7, 9, 10, 5, 8, 4, 2}[i]
	}
	s := rapid.SampledFrom([]string{"31610000", "12610800", "91110000", "54610802", "N2610802"}).Draw(t, "head") + string(org)
	switch c := 11 - sum%11; c {
	case 10:
		s += "X"
	case 11:
		s += "0"
	default:
		s += string(rune('0' + c))
	}
	m, w := 0, 1
	for _, c := range s {
		m, w = m+strings.IndexRune(alphabet, c)*w, w*3%31
	}
	for i := range alphabet { // the check character, with weight 1, makes the weighted sum divisible by 31
		if (m+i)%31 == 0 {
			return s + alphabet[i:i+1]
		}
	}
	panic("unreachable")
}

// TestSlips: a valid number is accepted; with one character changed, or two neighbours exchanged, it is refused.
func TestSlips(t *testing.T) {
	for _, c := range []struct {
		name     string
		gen      func(*rapid.T) string
		check    func(string) error
		alphabet string
	}{
		{"ID18", genID, ID18, "0123456789X"},
		{"USCC", genUSCC, USCC, "0123456789ABCDEFGHJKLMNPQRTUWXY"},
	} {
		t.Run(c.name, rapid.MakeCheck(func(t *rapid.T) {
			s := c.gen(t)
			if err := c.check(s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
			i := rapid.IntRange(0, len(s)-1).Draw(t, "place")
			other := rapid.SampledFrom([]byte(c.alphabet)).Draw(t, "character")
			if changed := s[:i] + string(other) + s[i+1:]; changed != s && c.check(changed) == nil {
				t.Fatalf("%s accepted for %s", changed, s)
			}
			if i < len(s)-1 && s[i] != s[i+1] {
				if swapped := s[:i] + s[i+1:i+2] + s[i:i+1] + s[i+2:]; c.check(swapped) == nil {
					t.Fatalf("%s accepted for %s", swapped, s)
				}
			}
		}))
	}
}

// TestDateAgainstTime: Date accepts exactly the days package time knows, from 1800 on.
func TestDateAgainstTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := fmt.Sprintf("%04d-%02d-%02d", rapid.IntRange(1790, 9999).Draw(t, "y"), rapid.IntRange(0, 13).Draw(t, "m"), rapid.IntRange(0, 32).Draw(t, "d"))
		day, err := time.Parse(time.DateOnly, s)
		want := err == nil && day.Year() >= 1800
		if got := Date(s) == nil; got != want {
			t.Fatalf("%s: got %v, want %v", s, got, want)
		}
		stamp := s + "T10:00:00.5+08:00"
		if got := DateTime(stamp) == nil; got != want {
			t.Fatalf("%s: got %v, want %v", stamp, got, want)
		}
	})
}

// TestDecimalBounds: a number of i integer digits and f decimals fits exactly where i ≤ a and f ≤ b.
func TestDecimalBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.IntRange(1, 14).Draw(t, "a"), rapid.IntRange(0, 6).Draw(t, "b")
		i, f := rapid.IntRange(1, 16).Draw(t, "i"), rapid.IntRange(0, 8).Draw(t, "f")
		s := strings.Repeat("7", i)
		if f > 0 {
			s += "." + strings.Repeat("3", f)
		}
		if got, want := Decimal(a, b)(s) == nil, i <= a && f <= b; got != want {
			t.Fatalf("n..%d,%d %s: got %v, want %v", a, b, s, got, want)
		}
	})
}

// TestPhoneShape: separators never change the verdict about a mobile number.
func TestPhoneShape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom([]string{"154", "160", "163", "164", "168", "169", "179", "194"}).Draw(t, "prefix") +
			fmt.Sprintf("%08d", rapid.IntRange(0, 99999999).Draw(t, "rest"))
		i := rapid.IntRange(1, 10).Draw(t, "at")
		sep := rapid.SampledFrom([]string{"", " ", "-", "  "}).Draw(t, "sep")
		if err := Phone(d[:i] + sep + d[i:]); err != nil {
			t.Fatalf("%s %q: %v", d, sep, err)
		}
	})
}

// FuzzFormats: no function panics, and every defect has a code and two sentences that do not contain the value.
func FuzzFormats(f *testing.F) {
	for _, s := range []string{"", "610802190001010017", "31610000MD00000163", "16108201510900001", "2026-11-22T10:00:00.123+08:00", "0912-0000000转801", "暂无", "-", "00.10", "\xff"} {
		f.Add(s)
	}
	checks := []func(string) error{ID18, USCC, OrgCode, LawyerLicence17, LegalQualification14, Division, Date, DateTime, Phone, Decimal(14, 2),
		func(s string) error { return DivisionOf(9, false, s) }}
	f.Fuzz(func(t *testing.T, s string) {
		for i, check := range checks {
			err := check(s)
			if err == nil {
				continue
			}
			e := err.(*Error)
			if e.Code == "" || e.ZH == "" || e.EN == "" {
				t.Errorf("check %d: %+v", i, e)
			}
			if len(s) > 6 && strings.Contains(e.ZH+e.EN, s) {
				t.Errorf("check %d repeats %q: %+v", i, s, e)
			}
		}
		Suspect(s)
		DivisionName(s)
	})
}
