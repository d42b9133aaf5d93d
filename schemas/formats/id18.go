package formats

import "time"

var idWeights = [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}

const idChecks = "10X98765432"

// Births before earliestBirth or after latestBirth are taken for slips. The upper end is a fixed year and not today, because validity
// may not depend on a clock; the lower one admits the published example of the standard (1880). Both are [INFER].
const earliestBirth, latestBirth = 1850, 2099

// ID18 reports whether s is a citizen identity number of 18 characters (GB 11643-1999): a province that exists, a birth date that exists
// between 1850 and 2099, digits, and a right check digit (X upper case). The county part is not looked up: numbers keep the code of the
// place and day of issue, which may be abolished. Old numbers of 15 digits are refused.
//
// Every change of a single character of a valid number and every exchange of two neighbours that differ is refused: the weights are
// powers of 2 modulo the prime 11.
func ID18(s string) error {
	_, err := idBirth(s)
	return err
}

// ID18At is ID18 and also refuses births after the day of asOf. Use it where a person types a number; never to judge what another node
// published.
func ID18At(s string, asOf time.Time) error {
	birth, err := idBirth(s)
	if err != nil {
		return err
	}
	y, m, d := asOf.Date()
	if birth > y*10000+int(m)*100+d {
		return fault(Future, "第7至14位的出生日期在今天之后", "the birth date in characters 7 to 14 is in the future")
	}
	return nil
}

// idBirth checks s and returns its birth date as the number yyyymmdd.
func idBirth(s string) (int, error) {
	if err := ascii(s); err != nil {
		return 0, err
	}
	if len(s) == 15 && digits(s, 0, 15) == nil {
		return 0, fault(Length, "是15位的一代身份证号，应换用18位号码", "is a first generation number of 15 digits; the 18 character number is needed")
	}
	if len(s) != 18 {
		return 0, badLength(18, len(s))
	}
	if err := digits(s, 0, 17); err != nil {
		return 0, err
	}
	if s[17] == 'x' {
		return 0, fault(Alphabet, "末位的x应大写为X", "the last character must be an upper-case X")
	}
	if s[17] != 'X' && (s[17] < '0' || s[17] > '9') {
		return 0, fault(Alphabet, "第18位应为数字或大写字母X", "character 18 must be a digit or X")
	}
	if !knownProvince(s[:2]) {
		return 0, fault(Unassigned, "前两位不是已有的省级区划代码", "the first two characters are not the code of a province")
	}
	birth := num(s[6:14])
	if y := birth / 10000; y < earliestBirth || y > latestBirth {
		return 0, fault(NoSuchDate, "第7至10位的出生年份不合理", "the birth year in characters 7 to 10 is not plausible")
	}
	if !realDate(birth/10000, birth/100%100, birth%100) {
		return 0, fault(NoSuchDate, "第7至14位的出生日期在日历上不存在", "the birth date in characters 7 to 14 does not exist")
	}
	sum := 0
	for i, w := range idWeights {
		sum += int(s[i]-'0') * w
	}
	if idChecks[sum%11] != s[17] {
		return 0, fault(CheckDigit, "校验码不符，号码中至少有一位录错", "the check digit does not fit; at least one character is wrong")
	}
	return birth, nil
}
