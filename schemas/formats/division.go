package formats

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

//go:embed data/divisions.txt
var divisionList string

// place is what the list says about a six-digit code.
type place struct {
	name    string
	retired bool
	now     string // code that took its place, where known
	last    int    // last year in which it was in use, where known
}

var places = sync.OnceValue(func() map[string]place {
	m := make(map[string]place, strings.Count(divisionList, "\n"))
	for line := range strings.Lines(divisionList) {
		code, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		name, now, retired := strings.Cut(rest, " -")
		now, year, _ := strings.Cut(now, " ")
		last, _ := strconv.Atoi(year) // 0 for none
		m[code] = place{name, retired, now, last}
	}
	return m
})

// DivisionName returns the name of a six-digit division code and whether it is in force; an unknown code has no name.
func DivisionName(code string) (name string, inForce bool) {
	p := places()[code]
	return p.name, p.name != "" && !p.retired
}

// Division reports whether s is an administrative division: six digits known to the embedded list and in force (GB/T 2260; higher levels
// end in zeros), nine digits for a township (GB/T 10114) or twelve for a village (NBS), the last two judged by structure under a known
// county. The list ends in June 2023; see data/README.md.
func Division(s string) error { return division(s, false) }

// DivisionPast is Division for a record about a day in the past: it admits abolished codes too. Whether a code was abolished already on that
// day is for [DivisionOn] to say.
func DivisionPast(s string) error { return division(s, true) }

func division(s string, past bool) error {
	if err := ascii(s); err != nil {
		return err
	}
	switch len(s) {
	case 6, 9, 12:
	default:
		return fault(Length, fmt.Sprintf("应为6、9或12位，实为%d位", len(s)), fmt.Sprintf("must have 6, 9 or 12 digits, has %d", len(s)))
	}
	if err := digits(s, 0, len(s)); err != nil {
		return err
	}
	p, known := places()[s[:6]]
	switch {
	case !known:
		return fault(Unassigned, "前6位不是已有的行政区划代码", "the first six digits are not an assigned division code")
	case past:
	case p.retired && p.now != "":
		n := places()[p.now].name
		return fault(Retired, fmt.Sprintf("是已撤销的%s的代码，现为%s（%s）", p.name, p.now, n),
			fmt.Sprintf("is the abolished code of %s, now %s (%s)", p.name, p.now, n))
	case p.retired:
		return fault(Retired, fmt.Sprintf("是已撤销的%s的代码", p.name), fmt.Sprintf("is the abolished code of %s", p.name))
	}
	if len(s) == 6 {
		return nil
	}
	if s[4:6] == "00" && !countyless[s[:4]] {
		return fault(Structure, "乡镇代码的前6位应为县级代码，不能以00结尾", "the first six digits of a township code must be a county, not end in 00")
	}
	if t := num(s[6:9]); t == 0 || t > 599 {
		return fault(Structure, "第7至9位的乡级代码应在001至599之间", "the township part in digits 7 to 9 must be 001 to 599")
	}
	if len(s) == 12 {
		if v := num(s[9:12]); v == 0 || v > 599 {
			return fault(Structure, "第10至12位的村级代码应在001至599之间", "the village part in digits 10 to 12 must be 001 to 599")
		}
	}
	return nil
}

// DivisionOf is [Division], or with past [DivisionPast], for a field that takes one level only: n is 6, 9 or 12 digits.
func DivisionOf(n int, past bool, s string) error {
	if err := ascii(s); err != nil {
		return err
	}
	if len(s) != n {
		return badLength(n, len(s))
	}
	return division(s, past)
}

// listEnd is the day the list was made for, as yyyymmdd.
const listEnd = 20230630

// DivisionOn tells whether a division's code had not been abolished on a day, given as yyyymmdd. known is false for a code outside the list
// and where only the order of things is known: that a code was abolished some time before the list was made. A code that came later than the
// day counts as in force: whoever moves old records to new codes does no wrong. It looks at the first six digits and does not allocate.
func DivisionOn(code []byte, day int) (inForce, known bool) {
	if len(code) < 6 {
		return false, false
	}
	p, ok := places()[string(code[:6])]
	switch {
	case !ok:
		return false, false
	case !p.retired:
		return true, true
	case p.last > 0:
		return day/10000 <= p.last, true
	}
	return false, day > listEnd
}

// DivisionWithin tells whether a division of any level is territory or lies in it: province, prefecture, county, township or village, the
// first three written with six digits. "000000" and "100000" are the whole country. It goes by the digits alone and does not allocate.
func DivisionWithin(code []byte, territory string) bool {
	for len(territory) == 6 && len(territory) > 0 && strings.HasSuffix(territory, "00") {
		territory = territory[:4]
		if strings.HasSuffix(territory, "00") {
			territory = territory[:2]
		}
	}
	if territory == "00" || territory == "10" {
		return true
	}
	return len(code) >= len(territory) && string(code[:len(territory)]) == territory
}

// countyless are the prefecture-level cities without counties, whose townships hang directly under the city in some systems.
var countyless = map[string]bool{"4419": true, "4420": true, "4604": true, "6202": true}

// knownProvince tells whether two digits are a province of GB/T 2260, with Hong Kong, Macao and Taiwan, or 83 (Taiwan residents' permits).
func knownProvince(p string) bool {
	return mainlandProvince(p) || p == "71" || p == "81" || p == "82" || p == "83"
}

// mainlandProvince tells whether two digits are one of the 31 provincial units of the mainland.
func mainlandProvince(p string) bool {
	switch p[0] {
	case '1':
		return p[1] >= '1' && p[1] <= '5'
	case '2':
		return p[1] >= '1' && p[1] <= '3'
	case '3':
		return p[1] >= '1' && p[1] <= '7'
	case '4':
		return p[1] >= '1' && p[1] <= '6'
	case '5':
		return p[1] >= '0' && p[1] <= '4'
	case '6':
		return p[1] >= '1' && p[1] <= '5'
	}
	return false
}
