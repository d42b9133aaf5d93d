package formats

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// courts are the one-character names of provinces in the codes of courts, with 兵 of the corps in 新疆 and 军 of military courts.
const courts = "京津冀晋内辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新兵军"

// lastOldYear is the last year whose cases had numbers of the old kind: the present one is in use from 2016 on.
const lastOldYear = 2015

// CourtCaseNumber reports whether s is the number of a court case (案号). From 2016 on: the year in brackets, the code of the court (最高法, or a
// province with nothing for its high court, two digits for an intermediate and four for a basic one), one to eight Chinese characters for the
// kind of case, a number without leading zeros and 号, as in （2026）陕0802民初123号. Until 2015: names of court and kind, 字第, a number and 号, as
// in (2014)榆中民初字第00123号. Brackets may be of either width. The shape is that of the Supreme Court's rules on case numbers (法〔2015〕137号)
// as commonly known; their text and list of kinds were not at hand [INFER].
func CourtCaseNumber(s string) error {
	rest, ok := cutAny(s, "（", "(")
	if !ok {
		return fault(Structure, "案号以括号中的年份开头，如 （2026）陕0802民初123号", "a case number begins with the year in brackets, like （2026）陕0802民初123号")
	}
	n := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if n != 4 {
		return fault(Structure, "括号中应为4位年份", "the brackets hold a year of four digits")
	}
	y := num(rest[:4])
	if y < 1949 || y > 2099 {
		return fault(Structure, "年份不合理（应在1949至2099年之间）", "the year is not plausible (1949 to 2099)")
	}
	body, ok := cutAny(rest[4:], "）", ")")
	if !ok {
		return fault(Structure, "年份后缺少右括号", "the bracket after the year is not closed")
	}
	body, ok = strings.CutSuffix(body, "号")
	if !ok {
		return fault(Structure, "案号应以“号”结尾", "a case number ends in 号")
	}
	if before, serial, old := strings.Cut(body, "字第"); old {
		if y > lastOldYear {
			return fault(Structure, fmt.Sprintf("“字第”是%d年及以前的写法", lastOldYear), fmt.Sprintf("字第 was used until %d", lastOldYear))
		}
		if n := utf8.RuneCountInString(before); n < 2 || n > 12 || !chinese(before) {
			return fault(Structure, "“字第”前应为法院和案件类型的简称", "short names of court and kind stand before 字第")
		}
		return serialNumber(serial, true)
	}
	court, ok := strings.CutPrefix(body, "最高法")
	if !ok {
		r, size := utf8.DecodeRuneInString(body)
		if !strings.ContainsRune(courts, r) {
			return fault(Unassigned, "年份后应为法院代字，如 陕0802", "the code of a court, like 陕0802, follows the year")
		}
		court = body[size:]
		digits := len(court) - len(strings.TrimLeft(court, "0123456789"))
		if digits != 0 && digits != 2 && digits != 4 {
			return fault(Structure, fmt.Sprintf("法院代字的数字应为2位（中级法院）或4位（基层法院），实为%d位", digits), fmt.Sprintf("the code of a court has two or four digits, has %d", digits))
		}
		court = court[digits:]
	}
	kind := strings.TrimRight(court, "0123456789")
	if n := utf8.RuneCountInString(kind); n < 1 || n > 8 || !chinese(kind) {
		return fault(Structure, "法院代字后应为案件类型，如 民初、刑终、执", "the kind of case, like 民初, follows the court")
	}
	return serialNumber(court[len(kind):], false)
}

// serialNumber judges the number of a case within its kind; those of the old style may begin with zeros.
func serialNumber(s string, zeros bool) error {
	switch {
	case s == "" || len(s) > 8 || strings.Trim(s, "0123456789") != "":
		return fault(Structure, "“号”前应为1至8位数字的案件编号", "a number of one to eight digits stands before 号")
	case s[0] == '0' && !zeros:
		return fault(Structure, "案件编号不能以0开头", "the number does not begin with a zero")
	}
	return nil
}

func chinese(s string) bool {
	for _, r := range s {
		if !unicode.Is(unicode.Han, r) {
			return false
		}
	}
	return true
}

// cutAny cuts one of the prefixes off.
func cutAny(s string, prefixes ...string) (rest string, ok bool) {
	for _, p := range prefixes {
		if rest, ok = strings.CutPrefix(s, p); ok {
			return rest, true
		}
	}
	return s, false
}
