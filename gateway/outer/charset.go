package outer

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// Charsets an interface may use.
const (
	UTF8    = "utf-8"
	GBK     = "gbk"
	GB18030 = "gb18030"
)

// ErrCharset is bytes that are in none of the charsets they could be in, or a
// character the peer's charset does not have.
var ErrCharset = errors.New("wrong charset")

func charset(name string) (encoding.Encoding, bool) {
	switch strings.ToLower(name) {
	case GBK, "gb2312":
		return simplifiedchinese.GBK, true
	case GB18030:
		return simplifiedchinese.GB18030, true
	}
	return nil, strings.EqualFold(name, UTF8) || strings.EqualFold(name, "utf8")
}

var xmlEncoding = regexp.MustCompile(`^\s*<\?xml[^>]{0,80}\sencoding=["']([A-Za-z0-9._-]{1,40})["']`)

// Decode turns bytes into UTF-8. Labels lie, so the bytes decide: Chinese in GBK is
// hardly ever valid UTF-8, and Chinese in UTF-8 has characters from U+0800 on.
// Only where neither shows do label and configuration count. Bytes that are
// neither are refused whole; nothing becomes a question mark.
func Decode(data []byte, contentType, configured string) ([]byte, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if utf8.Valid(data) {
		foreign, chinese := false, false
		for _, r := range string(data) {
			foreign = foreign || r >= 0x80
			chinese = chinese || r >= 0x800
		}
		if !foreign || chinese || !labelledGB(data, contentType, configured) {
			return data, nil
		}
	}
	out, err := simplifiedchinese.GB18030.NewDecoder().Bytes(data) // a superset of GBK
	if err == nil && bytes.Count(out, []byte("\ufffd")) == bytes.Count(data, gbReplacement) {
		return out, nil
	}
	return nil, fmt.Errorf("%w: neither UTF-8 nor GB18030", ErrCharset)
}

func labelledGB(data []byte, contentType, configured string) bool {
	if _, params, err := mime.ParseMediaType(contentType); err == nil && params["charset"] != "" {
		configured = params["charset"]
	} else if m := xmlEncoding.FindSubmatch(data); m != nil {
		configured = string(m[1])
	}
	e, known := charset(configured)
	return known && e != nil
}

// gbReplacement is U+FFFD as GB18030 writes it; the decoder also makes one of
// bytes it does not know.
var gbReplacement = []byte{0x84, 0x31, 0xa4, 0x37}

// encode writes UTF-8 in the interface's charset. A character it lacks is written
// by escape, or refused where escape is nil.
func encode(data []byte, name string, escape func(r rune) string) ([]byte, error) {
	e, known := charset(name)
	if !known {
		return nil, fmt.Errorf("%w: %s", ErrCharset, name)
	}
	if e == nil {
		return data, nil
	}
	text := string(data)
	if escape != nil {
		text = escapeLacking(text, name, escape)
	}
	out, err := e.NewEncoder().String(text)
	if err != nil {
		return nil, fmt.Errorf("%w: a character is not in %s", ErrCharset, strings.ToUpper(name))
	}
	return []byte(out), nil
}

// escapeLacking replaces the characters a charset lacks, in text that stays UTF-8
// for now.
func escapeLacking(text, name string, escape func(r rune) string) string {
	e, _ := charset(name)
	if e == nil {
		return text
	}
	enc := e.NewEncoder()
	if _, err := enc.String(text); err == nil {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		enc.Reset()
		if _, err := enc.String(string(r)); err != nil {
			b.WriteString(escape(r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func escapeXML(r rune) string { return fmt.Sprintf("&#x%X;", r) }

func escapeJSON(r rune) string {
	if r < 0x10000 {
		return fmt.Sprintf(`\u%04x`, r)
	}
	r -= 0x10000
	return fmt.Sprintf(`\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
}
