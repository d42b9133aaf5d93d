package outer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of one document. They hold before anything is built of it.
const (
	maxDepth = 32
	maxNodes = 200_000
)

// Errors of documents that are not read.
var (
	ErrSyntax    = errors.New("not well formed")
	ErrDeep      = fmt.Errorf("nested deeper than %d", maxDepth)
	ErrNodes     = fmt.Errorf("more than %d values", maxNodes)
	ErrDuplicate = errors.New("member given twice")
	ErrForbidden = errors.New("DOCTYPE, entity or instruction")
)

// ParseJSON reads one JSON document strictly: UTF-8, no member twice, no more
// than 32 levels.
func ParseJSON(data []byte) (*Node, error) {
	p := jsonParser{dec: jsontext.NewDecoder(bytes.NewReader(data))}
	n, err := p.value()
	if err == nil {
		if _, err = p.dec.ReadToken(); err == nil {
			err = fmt.Errorf("%w: something follows the document", ErrSyntax)
		} else if errors.Is(err, io.EOF) {
			return n, nil
		}
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		err = ErrDuplicate
	case errors.Is(err, ErrDeep), errors.Is(err, ErrNodes), errors.Is(err, ErrSyntax):
	default: // its sentence may quote the content
		err = fmt.Errorf("%w: byte %d", ErrSyntax, p.dec.InputOffset())
	}
	return nil, err
}

type jsonParser struct {
	dec   *jsontext.Decoder
	nodes int
}

func (p *jsonParser) value() (*Node, error) {
	tok, err := p.dec.ReadToken()
	if err != nil {
		return nil, err
	}
	if p.nodes++; p.nodes > maxNodes {
		return nil, ErrNodes
	}
	if p.dec.StackDepth() > maxDepth {
		return nil, ErrDeep
	}
	n := &Node{}
	switch tok.Kind() {
	case '"':
		n.Kind, n.Text = String, tok.String()
	case '0':
		n.Kind, n.Text = Number, tok.String()
	case 't', 'f':
		n.Kind, n.Text = Bool, tok.String()
	case '[':
		n.Kind = List
		for p.dec.PeekKind() != ']' {
			item, err := p.value()
			if err != nil {
				return nil, err
			}
			n.Items = append(n.Items, item)
		}
		_, err = p.dec.ReadToken()
	case '{':
		n.Kind = Object
		for p.dec.PeekKind() != '}' {
			name, err := p.dec.ReadToken()
			if err != nil {
				return nil, err
			}
			key := name.String()
			m, err := p.value()
			if err != nil {
				return nil, err
			}
			m.Name = key
			n.Members = append(n.Members, m)
		}
		_, err = p.dec.ReadToken()
	}
	return n, err
}

// AppendJSON writes n compactly, members in their order.
func AppendJSON(b []byte, n *Node) []byte {
	if n == nil {
		return append(b, "null"...)
	}
	switch n.Kind {
	case String:
		return appendJSONText(b, n.Text)
	case Number, Bool:
		return append(b, n.Text...)
	case List:
		b = append(b, '[')
		for i, item := range n.Items {
			if i > 0 {
				b = append(b, ',')
			}
			b = AppendJSON(b, item)
		}
		return append(b, ']')
	case Object:
		if len(n.Members) == 0 && n.Text != "" { // an XML element with characters alone
			return appendJSONText(b, n.Text)
		}
		b = append(b, '{')
		for i, m := range n.Members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendJSONText(b, m.Name), ':')
			b = AppendJSON(b, m)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

const hexDigits = "0123456789abcdef"

func appendJSONText(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\r':
			b = append(b, '\\', 'r')
		case r == '\t':
			b = append(b, '\\', 't')
		case r < 0x20 || r == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
