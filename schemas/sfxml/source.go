package sfxml

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/transform"
)

// Charsets a message may be in; the second only where the caller asks for it.
const (
	UTF8    = "utf-8"
	GB18030 = "gb18030" // also GBK and GB2312
)

// source feeds the decoder byte by byte, counts lines and characters, and ends what is too large.
type source struct {
	r         *bufio.Reader
	offset    int64 // bytes given out
	left      int   // bytes that may still be given out before the next record
	line, col int   // of the byte given out last
	newline   bool  // that byte was a line feed
}

var errTooLarge = errors.New("record too large")

func (s *source) ReadByte() (byte, error) {
	if s.left == 0 {
		return 0, errTooLarge
	}
	b, err := s.r.ReadByte()
	if err != nil {
		return 0, err
	}
	s.offset++
	s.left--
	if s.newline {
		s.line, s.col, s.newline = s.line+1, 0, false
	}
	if b&0xc0 != 0x80 {
		s.col++
	}
	s.newline = b == '\n'
	return b, nil
}

// Read makes a source the io.Reader the decoder asks for; it uses ReadByte.
func (s *source) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := s.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = b
	return 1, nil
}

// scanner gives the tokens of a message and refuses what no message holds.
type scanner struct {
	src     *source
	dec     *xml.Decoder
	charset string
	depth   int
	value   bool // inside an element that holds text
}

// newScanner reads r in a charset. The error is a [*Fault], or of r.
func newScanner(r io.Reader, charset string) (*scanner, error) {
	switch charset {
	case UTF8:
	case GB18030:
		r = transform.NewReader(r, simplifiedchinese.GB18030.NewDecoder())
	default:
		return nil, fmt.Errorf("charset %q", charset)
	}
	b := bufio.NewReader(r)
	start, err := b.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	src := &source{r: b, left: maxRecordXML, line: 1}
	switch s := string(start); {
	case s == "\xef\xbb\xbf":
		if _, err := b.Discard(3); err != nil {
			return nil, err
		}
	case strings.HasPrefix(s, "\xff\xfe"), strings.HasPrefix(s, "\xfe\xff"), strings.Contains(s, "\x00"):
		return nil, &Fault{Code: CodeEncoding, Line: 1, Column: 1, fatal: true, Message: "编码是 UTF-16，应为 UTF-8", MessageEN: "the encoding is UTF-16, not UTF-8"}
	}
	s := &scanner{src: src, dec: xml.NewDecoder(src), charset: charset}
	s.dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // what it declares is judged in declaration
	return s, nil
}

// place is where the next token begins.
type place struct{ line, column int }

func (s *scanner) place() place {
	src := s.src
	switch {
	case src.offset > s.dec.InputOffset(): // the decoder has looked at one byte of it
		return place{src.line, src.col}
	case src.newline:
		return place{src.line + 1, 1}
	}
	return place{src.line, src.col + 1}
}

func (at place) fault(code, zh, en string) *Fault {
	return &Fault{Code: code, Line: at.line, Column: at.column, Message: zh, MessageEN: en}
}

// known is a fault of words.
func (at place) known(code string) *Fault { return at.fault(code, words[code][0], words[code][1]) }

func fatal(f *Fault) *Fault {
	f.fatal = true
	return f
}

// next returns the next start tag, end tag or text and where it begins; io.EOF at the end. Any other error ends the message.
func (s *scanner) next() (xml.Token, place, error) {
	for {
		at := s.place()
		first := s.dec.InputOffset() == 0
		tok, err := s.dec.Token()
		if err != nil {
			return nil, at, s.explain(err)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if s.depth++; s.depth > maxDepth {
				return nil, at, fatal(at.known(CodeDepth))
			}
			return t, at, nil
		case xml.EndElement:
			s.depth--
			return t, at, nil
		case xml.CharData:
			return t, at, nil
		case xml.Comment:
			if s.value {
				return nil, at, fatal(at.known(CodeComment))
			}
		case xml.Directive:
			return nil, at, fatal(at.known(CodeDoctype))
		case xml.ProcInst:
			if !first || t.Target != "xml" {
				return nil, at, fatal(at.known(CodeInstruction))
			}
			if f := s.declaration(string(t.Inst), at); f != nil {
				return nil, at, fatal(f)
			}
		}
	}
}

var declaration = regexp.MustCompile(`^version=["']1\.0["'](?:\s+encoding=["']([A-Za-z0-9._-]{1,40})["'])?(?:\s+standalone=["'](?:yes|no)["'])?\s*$`)

// declaration compares what the XML declaration says with how the message is read.
func (s *scanner) declaration(inst string, at place) *Fault {
	m := declaration.FindStringSubmatch(inst)
	if m == nil {
		return at.known(CodeInstruction)
	}
	says := UTF8
	switch strings.ToLower(m[1]) {
	case UTF8:
	case GB18030, "gbk", "gb2312":
		says = GB18030
	case "":
		says = s.charset
	default:
		return at.fault(CodeEncoding, "声明的编码 "+m[1]+" 不支持，应为 UTF-8", "declares encoding "+m[1]+"; only UTF-8 is read")
	}
	if says != s.charset {
		return at.fault(CodeEncoding, "声明的编码是 "+m[1]+"，读取时用的是 "+s.charset+"；请写明实际编码", "declares encoding "+m[1]+" but is read as "+s.charset+"; say which it is in")
	}
	return nil
}

// explain words an error of the decoder.
func (s *scanner) explain(err error) error {
	at := place{s.src.line, max(1, s.src.col)}
	var syn *xml.SyntaxError
	switch {
	case errors.Is(err, io.EOF):
		return err
	case errors.Is(err, errTooLarge):
		return fatal(at.known(CodeTooLarge))
	case !errors.As(err, &syn):
		if strings.HasPrefix(err.Error(), "xml: unsupported version") {
			return fatal(at.known(CodeInstruction))
		}
		return err
	case syn.Msg == "unexpected EOF":
		return fatal(at.known(CodeTruncated))
	case strings.HasPrefix(syn.Msg, "invalid character entity"):
		return fatal(at.fault(CodeEntity, "除 &amp; &lt; &gt; &quot; &apos; 和字符编号外，不接受其他实体", "only the five entities and character numbers are read"))
	case syn.Msg == "invalid UTF-8":
		return fatal(at.fault(CodeEncoding, "不是 UTF-8 编码，可能是 GBK；请写明编码（gb18030）", "not UTF-8; if it is GBK, say gb18030"))
	}
	return fatal(at.fault(CodeSyntax, "不符合 XML 语法（"+clip(syn.Msg)+"）", "XML syntax is broken: "+syn.Msg))
}
