package formats

import "fmt"

// Date reports whether s is a calendar date written YYYY-MM-DD (GB/T 7408.1, ISO 8601-1 extended form), a real day of the Gregorian
// calendar in the years 1800 to 9999. Earlier years are taken for the defaults of empty database columns [INFER]; 9999-12-31 is a usual
// way to write "without end".
func Date(s string) error {
	if err := ascii(s); err != nil {
		return err
	}
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return fault(Structure, "日期应写成 年-月-日，如 2026-01-31", "a date is written YYYY-MM-DD, like 2026-01-31")
	}
	for _, p := range [3][2]int{{0, 4}, {5, 7}, {8, 10}} {
		if err := digits(s, p[0], p[1]); err != nil {
			return err
		}
	}
	y, m, d := num(s[:4]), num(s[5:7]), num(s[8:])
	switch {
	case y < 1800:
		return fault(NoSuchDate, "年份早于1800年，疑为空值的默认日期", "the year is before 1800, probably the default of an empty value")
	case m < 1 || m > 12:
		return fault(NoSuchDate, "月份应在01至12之间", "the month must be 01 to 12")
	case !realDate(y, m, d):
		return fault(NoSuchDate, "该月没有这一天", "the month has no such day")
	}
	return nil
}

// DateTime reports whether s is a moment written YYYY-MM-DDThh:mm:ss, an optional fraction of one to six digits, and an offset such as
// +08:00 (GB/T 7408.1). The letter Z, a missing offset, leap seconds and 24:00 are refused: databases and Java read them differently.
func DateTime(s string) error {
	if err := ascii(s); err != nil {
		return err
	}
	form := fault(Structure, "时间应写成 2026-01-31T09:30:00+08:00 的样式，含时区", "a time is written like 2026-01-31T09:30:00+08:00, with its offset")
	if len(s) < 25 || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return form
	}
	if err := Date(s[:10]); err != nil {
		return err
	}
	for _, p := range [3][2]int{{11, 13}, {14, 16}, {17, 19}} {
		if err := digits(s, p[0], p[1]); err != nil {
			return err
		}
	}
	if num(s[11:13]) > 23 || num(s[14:16]) > 59 || num(s[17:19]) > 59 {
		return fault(NoSuchDate, "时、分、秒应在 00:00:00 至 23:59:59 之间", "the time of day must be 00:00:00 to 23:59:59")
	}
	zone := len(s) - 6
	if zone > 19 {
		if s[19] != '.' || zone < 21 || zone > 26 {
			return fault(Structure, "秒的小数应为1至6位，如 .123", "a fraction of a second has one to six digits, like .123")
		}
		if err := digits(s, 20, zone); err != nil {
			return err
		}
	}
	if (s[zone] != '+' && s[zone] != '-') || s[zone+3] != ':' || digits(s, zone+1, zone+3) != nil || digits(s, zone+4, zone+6) != nil {
		return form
	}
	if h, m := num(s[zone+1:zone+3]), num(s[zone+4:]); h > 14 || m > 59 || (h == 14 && m > 0) {
		return fault(Structure, "时区偏移应在 -14:00 至 +14:00 之间", "the offset must be -14:00 to +14:00")
	}
	return nil
}

func realDate(y, m, d int) bool {
	if m < 1 || m > 12 || d < 1 {
		return false
	}
	days := [12]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[m-1]
	if m == 2 && y%4 == 0 && (y%100 != 0 || y%400 == 0) {
		days = 29
	}
	return d <= days
}

// Decimal returns the format of the notation n..a,b: an amount carried as text with at most maxInt integer digits and maxFrac decimals
// (design §8), without sign, exponent, grouping or leading zeros, so that one amount has few spellings. Zero is "0".
func Decimal(maxInt, maxFrac int) func(string) error {
	return func(s string) error {
		point, place := len(s), 0
		for i, c := range s {
			place++
			switch {
			case c >= '0' && c <= '9':
			case c == '.' && point == len(s):
				point = i
			case c == ',':
				return fault(Alphabet, "不能含千分位逗号", "must not contain grouping commas")
			case c == '-' || c == '+':
				return fault(Alphabet, "不能带正负号", "must not carry a sign")
			default:
				return fault(Alphabet, fmt.Sprintf("第%d位不是半角数字，只能含数字和一个小数点", place),
					fmt.Sprintf("character %d is not a digit; only digits and one point are allowed", place))
			}
		}
		frac := 0
		if point < len(s) {
			frac = len(s) - point - 1
		}
		switch {
		case point == 0 || (point < len(s) && frac == 0):
			return fault(Structure, "小数点前后都要有数字", "digits are needed on both sides of the point")
		case point > 1 && s[0] == '0':
			return fault(Structure, "不能以多余的0开头", "must not begin with a needless zero")
		case point > maxInt:
			return fault(Length, fmt.Sprintf("整数部分最多%d位，实为%d位", maxInt, point), fmt.Sprintf("at most %d integer digits, has %d", maxInt, point))
		case frac > maxFrac:
			return fault(Length, fmt.Sprintf("小数最多%d位，实为%d位", maxFrac, frac), fmt.Sprintf("at most %d decimals, has %d", maxFrac, frac))
		}
		return nil
	}
}
