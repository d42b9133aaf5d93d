package formats

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// What [Suspect] may find beside a missing value.
var (
	Mojibake   = &Error{Alphabet, "值含有乱码，导出时字符集（GBK/UTF-8）用错，原文已丢失", "contains mojibake: a wrong character set was used on export and the text is lost"}
	PrivateUse = &Error{Alphabet, "值含有自造字（私用区字符），其他系统无法显示", "contains private-use characters that other systems cannot show"}
	FullWidth  = &Error{Alphabet, "值含有全角字母或数字，应改为半角", "contains full-width letters or digits; use half-width ones"}
	Invisible  = &Error{Alphabet, "值含有全角空格或不可见字符", "contains an ideographic space or an invisible character"}
)

// placeholders are what people and programs write where they have no value, in lower case.
var placeholders = func() map[string]bool {
	m := map[string]bool{}
	for _, s := range strings.Fields(`暂无 无 没有 未知 不详 不明 待补 待定 空 保密 未填 未填写 未提供 不清楚 不适用 / ／ \ ? ？ . 。 - － -- --- — —— * ** *** null nil none undefined n/a na nan test 测试`) {
		m[s] = true
	}
	return m
}()

// longestPlaceholder is at least the size of the longest of them in bytes.
const longestPlaceholder = 16

// Placeholder reports whether s only stands for a missing value: nothing but white space, or a word such as 暂无, 不详, - or null.
func Placeholder(s string) bool { return PlaceholderBytes([]byte(s)) }

// PlaceholderBytes is the verdict of [Placeholder]. It does not allocate.
func PlaceholderBytes(b []byte) bool {
	if len(b) > 256 {
		return false
	}
	b = bytes.TrimSpace(b)
	var lower [longestPlaceholder]byte
	if len(b) > len(lower) {
		return false
	}
	n := copy(lower[:], b)
	for i, c := range lower[:n] {
		if c >= 'A' && c <= 'Z' {
			lower[i] = c + ('a' - 'A')
		}
	}
	return n == 0 || placeholders[string(lower[:n])]
}

// Suspect recognises texts that are not meant as values: placeholders, full-width digits, text broken by a wrong character set. It
// returns nil for anything else. It judges nothing invalid by itself; it explains why a value that failed looks as it does. Its Chinese
// sentences begin with 值 (the value), so that a field's name can stand before them.
func Suspect(s string) *Error {
	t := strings.ToLower(strings.TrimSpace(s))
	switch {
	case t == "":
		return &Error{Structure, "值是空文本", "is empty"}
	case Placeholder(t):
		return &Error{Structure, "值“" + t + "”是占位文字，不是真实内容", "\"" + t + "\" is a placeholder, not a value"}
	}
	if lost := Lost(s); lost != nil {
		return lost
	}
	for _, r := range s {
		switch {
		case r >= '０' && r <= '９', r >= 'Ａ' && r <= 'Ｚ', r >= 'ａ' && r <= 'ｚ':
			return FullWidth
		case r == 0x3000 || r == 0xA0 || r == 0x200B || r == 0xFEFF:
			return Invisible
		}
	}
	return nil
}

// Lost recognises texts that no longer say what was typed: broken by a wrong character set, or with characters from a private-use area, whose
// meaning only the system knows that made them (names with rare characters are often written so). It returns nil for anything else.
func Lost(s string) *Error {
	if strings.Contains(s, "锟斤拷") || strings.Contains(s, "烫烫烫") || strings.ContainsFunc(s, broken) || len(s) > 1 && strings.Trim(s, "?") == "" {
		return Mojibake
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r >= 0xE000 && r <= 0xF8FF || r >= 0xF0000 }) {
		return PrivateUse
	}
	return nil
}

// broken tells whether a character hardly stands in a text by itself: the replacement character; U+0080 to U+009F, which UTF-8 read as Latin-1
// leaves; and 锛, 銆, 鈥, what Chinese punctuation becomes when UTF-8 is read as GBK.
func broken(r rune) bool {
	return r == utf8.RuneError || r >= 0x80 && r <= 0x9f || r == '锛' || r == '銆' || r == '鈥'
}
