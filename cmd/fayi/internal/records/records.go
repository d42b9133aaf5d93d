package records

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"fayi/schemas"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/transform"
)

// Error says what is wrong with a file or one of its records, for people.
type Error struct {
	Code      string // BAD_FILE, BAD_HEADER, BAD_RECORD, or one of package sfxml
	Message   string // in Chinese
	MessageEN string // in English
}

func (e *Error) Error() string { return e.Code + ": " + e.MessageEN }

// Record is one record as JSON, or the reason why there is none.
type Record struct {
	Row  int    // line of the file, from 1; of a JSON array the place in it, from 1
	Data []byte // one JSON object; nil if Err is set, and of a record without data
	Err  *Error

	Op, Key string // where the format says them beside the data (XML), else ""
}

// Reader reads one file. It is for one goroutine.
type Reader interface {
	// Next returns the next record, io.EOF after the last, an [*Error] if the
	// rest of the file cannot be read.
	Next() (Record, error)
}

// Charsets files may be in.
const (
	UTF8    = "utf-8"
	GB18030 = "gb18030" // also GBK and GB2312
)

// MaxRecord is the longest record in bytes: what a sealed line holds is less (protocol §2).
const MaxRecord = 1 << 20

// Open reads r, whose name tells the format: .csv; .json; .xml; else NDJSON. typ
// tells how CSV cells and XML elements become JSON; an XML message must be of it.
// A byte order mark is skipped.
func Open(r io.Reader, name string, typ *schemas.Type, charset string) (Reader, error) {
	ext := strings.ToLower(filepath.Ext(name))
	if ext == ".xml" {
		return newXML(r, typ, charset)
	}
	if charset == GB18030 {
		r = transform.NewReader(r, simplifiedchinese.GB18030.NewDecoder())
	}
	b := bufio.NewReaderSize(r, 64<<10)
	if bom, _ := b.Peek(3); string(bom) == "\xef\xbb\xbf" {
		b.Discard(3)
	}
	switch ext {
	case ".csv":
		return newCSV(b, typ)
	case ".json":
		return newJSON(b)
	}
	return &lines{r: b}, nil
}

// lines is NDJSON.
type lines struct {
	r   *bufio.Reader
	row int
}

func (l *lines) Next() (Record, error) {
	for {
		line, err := l.line()
		if err != nil {
			return Record{}, err
		}
		if line == nil {
			return Record{Row: l.row, Err: tooLong()}, nil
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return Record{Row: l.row, Data: line}, nil
		}
	}
}

// line reads one line, nil if it is too long.
func (l *lines) line() ([]byte, error) {
	out := []byte{}
	for l.row++; ; {
		part, err := l.r.ReadSlice('\n')
		if out != nil {
			if out = append(out, part...); len(out) > MaxRecord {
				out = nil
			}
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && (out == nil || len(out) > 0):
			return out, nil
		default:
			return out, err
		}
	}
}

func tooLong() *Error {
	return &Error{Code: "BAD_RECORD", Message: fmt.Sprintf("记录超过 %d 字节", MaxRecord), MessageEN: fmt.Sprintf("record exceeds %d bytes", MaxRecord)}
}

// array is a JSON file: one object, or an array of values read one by one.
type array struct {
	dec    *json.Decoder
	size   *counter
	row    int
	single bool
	done   bool
}

// counter bounds what the decoder may buffer for one value.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	if c.n <= 0 {
		return 0, tooLong()
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.n)])
	c.n -= int64(n)
	return n, err
}

func newJSON(b *bufio.Reader) (*array, error) {
	a := &array{size: &counter{b, 2 * MaxRecord}}
	first, err := firstByte(b)
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, &Error{Code: "BAD_FILE", Message: "文件是空的", MessageEN: "the file is empty"}
		}
		return nil, err
	}
	a.dec = json.NewDecoder(a.size)
	if a.single = first != '['; !a.single {
		if _, err := a.dec.Token(); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// firstByte skips white space and peeks.
func firstByte(b *bufio.Reader) (byte, error) {
	for {
		c, err := b.Peek(1)
		if err != nil {
			return 0, err
		}
		if !bytes.ContainsAny(c, " \t\r\n") {
			return c[0], nil
		}
		b.Discard(1)
	}
}

func (a *array) Next() (Record, error) {
	a.row++
	a.size.n = 2 * MaxRecord
	switch {
	case a.done:
		return Record{}, io.EOF
	case !a.single && !a.dec.More():
		if _, err := a.dec.Token(); err != nil {
			return Record{}, a.broken(err)
		}
		return Record{}, a.end()
	}
	var raw json.RawMessage
	if err := a.dec.Decode(&raw); err != nil {
		return Record{}, a.broken(err)
	}
	if a.single {
		if err := a.end(); !errors.Is(err, io.EOF) {
			return Record{}, err
		}
	}
	if len(raw) > MaxRecord {
		return Record{Row: a.row, Err: tooLong()}, nil
	}
	return Record{Row: a.row, Data: raw}, nil
}

// end makes sure that nothing follows.
func (a *array) end() error {
	a.done = true
	if _, err := a.dec.Token(); !errors.Is(err, io.EOF) {
		return &Error{Code: "BAD_FILE", Message: "JSON 结束后还有内容；一行一条记录的文件请用扩展名 .ndjson", MessageEN: "something follows the JSON; name a file of one record a line .ndjson"}
	}
	return io.EOF
}

func (a *array) broken(err error) error {
	a.done = true
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var syn *json.SyntaxError
	if errors.As(err, &syn) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return &Error{Code: "BAD_FILE", Message: fmt.Sprintf("第 %d 条记录起不符合 JSON 语法", a.row), MessageEN: fmt.Sprintf("JSON syntax is broken from record %d on", a.row)}
	}
	return err
}
