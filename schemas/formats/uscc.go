package formats

import (
	"fmt"
	"strings"
)

const usccAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"

var (
	usccWeights = [17]int{1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28}
	orgWeights  = [8]int{3, 7, 9, 10, 5, 8, 4, 2}
)

// usccDepartments are the registering departments of the first character (GB 32100-2015 and its amendment, as public sources list them).
const usccDepartments = "123456789ANY"

// USCC reports whether s is a unified social credit code (GB 32100-2015): 18 characters of the standard's 31, a registering department
// that exists, six digits of division, an organisation code with its own check digit, and a right last check digit. The division is not
// looked up (it may be abolished), and the class of organisation is not judged: which class an entity may have is a rule of its record
// type. Every change of a single character of a valid code and every exchange of two neighbours that differ is refused.
func USCC(s string) error {
	if err := ascii(s); err != nil {
		return err
	}
	if len(s) != 18 {
		return badLength(18, len(s))
	}
	sum := 0
	for i := 0; i < 18; i++ {
		v := strings.IndexByte(usccAlphabet, s[i])
		if v < 0 {
			return usccLetter(s[i], i)
		}
		if i < 17 {
			sum += v * usccWeights[i]
		}
	}
	if strings.IndexByte(usccDepartments, s[0]) < 0 {
		return fault(Structure, "第1位不是已有的登记管理部门代码", "character 1 is not the code of a registering department")
	}
	if err := digits(s, 2, 8); err != nil {
		return err
	}
	if want := usccAlphabet[(31-sum%31)%31]; want != s[17] {
		return fault(CheckDigit, fmt.Sprintf("第18位校验码应为%c，号码中至少有一位录错", want),
			fmt.Sprintf("check character 18 should be %c; at least one character is wrong", want))
	}
	if err := OrgCode(s[8:17]); err != nil {
		return fault(CheckDigit, "第9至17位的组织机构代码校验码不符", "the check digit of the organisation code in characters 9 to 17 does not fit")
	}
	return nil
}

// usccLetter explains a character outside the alphabet; five letters look like digits or each other and were left out on purpose.
func usccLetter(c byte, i int) error {
	switch {
	case c >= 'a' && c <= 'z':
		return fault(Alphabet, fmt.Sprintf("第%d位是小写字母，应为大写", i+1), fmt.Sprintf("character %d is a lower-case letter, must be upper case", i+1))
	case strings.IndexByte("IOSVZ", c) >= 0:
		like := map[byte]byte{'I': '1', 'O': '0', 'S': '5', 'V': 'U', 'Z': '2'}[c]
		return fault(Alphabet, fmt.Sprintf("第%d位不能是字母%c（国家标准不使用I、O、S、V、Z），可能应为%c", i+1, c, like),
			fmt.Sprintf("character %d cannot be the letter %c (the standard has no I, O, S, V, Z); perhaps %c", i+1, c, like))
	}
	return fault(Alphabet, fmt.Sprintf("第%d位不是大写字母或数字", i+1), fmt.Sprintf("character %d is not an upper-case letter or digit", i+1))
}

// OrgCode reports whether s is an organisation code (GB 11714-1997) of nine characters without hyphen, as it stands in characters 9 to 17
// of a credit code.
func OrgCode(s string) error {
	if err := ascii(s); err != nil {
		return err
	}
	if len(s) != 9 {
		return badLength(9, len(s))
	}
	sum := 0
	for i, w := range orgWeights {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			sum += int(c-'0') * w
		case c >= 'A' && c <= 'Z':
			sum += int(c-'A'+10) * w
		default:
			return fault(Alphabet, fmt.Sprintf("第%d位不是大写字母或数字", i+1), fmt.Sprintf("character %d is not an upper-case letter or digit", i+1))
		}
	}
	if want := "0X987654321"[sum%11]; want != s[8] {
		return fault(CheckDigit, fmt.Sprintf("第9位校验码应为%c", want), fmt.Sprintf("check character 9 should be %c", want))
	}
	return nil
}
