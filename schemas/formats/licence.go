package formats

import (
	"fmt"
	"strings"
)

// LawyerLicence17 reports whether s is the number of a lawyer's practising certificate: 17 digits without a check digit, namely 1 (lawyer),
// province and prefecture of the firm, year of first approval (1980 to 2099), category 1 to 9, sex 0 male or 1 female (not the code of
// GB/T 2261.1), and a serial of six digits that stays with the person for life. The rule text is known from public sources only.
func LawyerLicence17(s string) error {
	if err := ascii(s); err != nil {
		return err
	}
	if len(s) != 17 {
		return badLength(17, len(s))
	}
	if err := digits(s, 0, 17); err != nil {
		return err
	}
	switch {
	case s[0] == '2':
		return fault(Structure, "第1位为2，是律师事务所的证号；律师执业证号第1位为1", "begins with 2, a law firm's number; a lawyer's begins with 1")
	case s[0] != '1':
		return fault(Structure, "律师执业证号第1位应为1", "a lawyer's licence begins with 1")
	case !mainlandProvince(s[1:3]):
		return fault(Unassigned, "第2至3位不是已有的省级区划代码", "characters 2 and 3 are not the code of a province")
	}
	if err := year(s, 5, "第6至9位的首次执业年份", "the year of first practice in characters 6 to 9"); err != nil {
		return err
	}
	if s[9] == '0' {
		return fault(Structure, "第10位的执业类别应为1至9", "the category in character 10 must be 1 to 9")
	}
	if s[10] > '1' {
		return fault(Structure, "第11位的性别应为0（男）或1（女）", "the sex in character 11 must be 0 (male) or 1 (female)")
	}
	return nil
}

// LegalQualification14 reports whether s is the number of a legal professional qualification certificate: 14 digits (examination year 1980
// to 2099, province, prefecture, county, serial) after an optional class letter A, B or C.
func LegalQualification14(s string) error {
	if err := ascii(s); err != nil {
		return err
	}
	body := s
	if s != "" && (s[0] < '0' || s[0] > '9') {
		if strings.IndexByte("ABC", s[0]) < 0 {
			return fault(Structure, "首字母只能是A、B、C之一", "the leading letter can only be A, B or C")
		}
		body = s[1:]
	}
	if len(body) != 14 {
		return fault(Length, fmt.Sprintf("除首字母外应为14位数字，实为%d位", len(body)),
			fmt.Sprintf("must have 14 digits after the optional letter, has %d", len(body)))
	}
	if err := digits(s, len(s)-14, len(s)); err != nil {
		return err
	}
	return year(body, 0, "证号开头的考试年份", "the examination year")
}

// year checks four digits of s from position i for a year between 1980 and 2099.
func year(s string, i int, zh, en string) error {
	if y := num(s[i : i+4]); y < 1980 || y > 2099 {
		return fault(Structure, zh+"不合理（应在1980至2099年之间）", en+" is not plausible (1980 to 2099)")
	}
	return nil
}
