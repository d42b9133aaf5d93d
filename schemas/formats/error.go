package formats

import "fmt"

// Code names the kind of defect. Codes are stable: they may be stored and compared.
type Code string

const (
	Length     Code = "LENGTH"      // wrong number of characters
	Alphabet   Code = "ALPHABET"    // a character the format does not know
	CheckDigit Code = "CHECK_DIGIT" // all characters allowed, but the check digit contradicts them
	NoSuchDate Code = "NO_SUCH_DATE"
	Future     Code = "FUTURE"     // a birth that has not happened yet
	Unassigned Code = "UNASSIGNED" // a code nobody was given
	Retired    Code = "RETIRED"    // a code that was abolished
	Structure  Code = "STRUCTURE"  // parts in the wrong place or with a meaning that does not exist
)

// Error says what is wrong with a text. ZH and EN are whole sentences without the value and without a final full stop.
type Error struct {
	Code Code
	ZH   string
	EN   string
}

// Error returns the English sentence.
func (e *Error) Error() string { return e.EN }

func fault(c Code, zh, en string) error { return &Error{Code: c, ZH: zh, EN: en} }

// badLength reports a text of n characters where want are needed.
func badLength(want, n int) error {
	return fault(Length, fmt.Sprintf("应为%d位，实为%d位", want, n), fmt.Sprintf("must have %d characters, has %d", want, n))
}

// digits checks that s[from:to] consists of ASCII digits.
func digits(s string, from, to int) error {
	for i := from; i < to; i++ {
		if s[i] < '0' || s[i] > '9' {
			return fault(Alphabet, fmt.Sprintf("第%d位应为数字0至9", i+1), fmt.Sprintf("character %d must be a digit", i+1))
		}
	}
	return nil
}

// ascii checks that s has only ASCII characters, so that bytes can be counted as characters.
func ascii(s string) error {
	n := 0
	for _, r := range s {
		n++
		if r > 0x7e || r < 0x20 {
			return fault(Alphabet, fmt.Sprintf("第%d位不是半角字母或数字", n), fmt.Sprintf("character %d is not an ASCII letter or digit", n))
		}
	}
	return nil
}

func num(s string) int {
	n := 0
	for i := 0; i < len(s); i++ {
		n = n*10 + int(s[i]-'0')
	}
	return n
}
