package formats

import (
	"fmt"
	"strings"
)

// Phone reports whether s holds one to three telephone numbers as people write them: mobile (11 digits from 13 to 19), landline with or
// without area code, 400 and 800 numbers, service and short numbers (110, 12348, 95xxx …), an extension after - or 转, +86, other
// countries after +. Spaces, hyphens and parentheses between digits are free; several numbers are separated by / 、 , ; ， or ；.
// Letters, words and full-width digits are refused. Ranges are those of the public numbering plan, kept wide on purpose [INFER].
func Phone(s string) error {
	parts := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("/、,;，；", r) })
	if len(parts) == 0 {
		return fault(Length, "没有号码", "holds no number")
	}
	if len(parts) > 3 {
		return fault(Length, "最多填写3个号码", "at most three numbers")
	}
	for _, p := range parts {
		if err := onePhone(p); err != nil {
			return err
		}
	}
	return nil
}

// Hidden is what a caller's number holds when the telephone network did not show it.
const Hidden = "号码隐藏"

// CallerNumber is [Phone] for the number a call came from, which may also be [Hidden]: the one spelling for a number nobody could see [INFER].
func CallerNumber(s string) error {
	if s == Hidden {
		return nil
	}
	return Phone(s)
}

func onePhone(s string) error {
	var buf [24]byte
	n, ext, plus := 0, -1, false
	var runs [6]int // digits in each run between hyphens
	run := 0
	for i, r := range strings.Trim(s, " ") {
		switch {
		case r >= '0' && r <= '9':
			if ext >= 0 {
				ext++
				continue
			}
			if n == len(buf) {
				return fault(Length, "号码过长", "the number is too long")
			}
			buf[n] = byte(r)
			n++
			runs[run]++
		case r == '+' && i == 0:
			plus = true
		case r == ' ' || r == '(' || r == ')' || r == '（' || r == '）':
		case r == '-' || r == '—' || r == '－':
			if run+1 < len(runs) && n > 0 && ext < 0 {
				run++
			}
		case r == '转' && n > 0 && ext < 0:
			ext = 0
		default:
			return fault(Alphabet, "含有不是电话号码的字符，只能是半角数字、空格、横线、括号和“转”", "contains characters no telephone number has; only ASCII digits, spaces, hyphens, parentheses and 转 are allowed")
		}
	}
	if ext == 0 || ext > 6 {
		return fault(Structure, "分机号应为1至6位", "an extension has one to six digits")
	}
	d := string(buf[:n])
	if plus && !strings.HasPrefix(d, "86") {
		if n < 7 || n > 15 {
			return fault(Length, fmt.Sprintf("国际号码应为7至15位，实为%d位", n), fmt.Sprintf("an international number has 7 to 15 digits, has %d", n))
		}
		return nil
	}
	if plus || strings.HasPrefix(d, "0086") {
		cut := 2
		if !plus {
			cut = 4
		}
		d = d[cut:]
		if len(d) == 0 {
			return fault(Length, "只有国家代码，没有号码", "has a country code but no number")
		}
		if d[0] != '0' && d[0] != '1' {
			d = "0" + d // +86 912 … leaves the trunk zero out
		}
	}
	if national(d) {
		return nil
	}
	// A last run of digits after a hyphen may be an extension: 0912-3456789-801.
	if run > 0 && ext < 0 && runs[run] <= 6 && national(d[:max(0, len(d)-runs[run])]) {
		return nil
	}
	return fault(Structure, fmt.Sprintf("不是手机号（11位）、固定电话（区号加7至8位）或服务短号，现有%d位数字", len(d)),
		fmt.Sprintf("is no mobile (11 digits), landline (area code and 7 or 8 digits) or short number; it has %d digits", len(d)))
}

// national judges the digits of one number inside the country, without extension.
func national(d string) bool {
	n := len(d)
	switch {
	case n < 3:
		return false
	case d[0] == '0': // area code 010, 02x (3 digits) or 03xx to 09xx (4 digits), then 7 or 8 digits
		area := 4
		if d[1] == '1' || d[1] == '2' {
			area = 3
		}
		rest := n - area
		return d[1] != '0' && (rest == 7 || rest == 8 || (rest == 5 && d[area] == '1')) // 0912 12348: a short number reached from elsewhere
	case d[0] == '1' && n == 11:
		return d[1] >= '3'
	case n == 10:
		return strings.HasPrefix(d, "400") || strings.HasPrefix(d, "800")
	case n == 7 || n == 8:
		return d[0] >= '2'
	case d[0] == '1' || d[0] == '9':
		return n <= 6 // 110, 12348, 12345, 95598, 961234, 116114
	}
	return false
}
