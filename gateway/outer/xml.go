package outer

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// ParseXML reads one XML document. Namespaces are dropped: peers are careless
// with them, and names are looked up by path. DOCTYPE, entities beyond the five,
// and processing instructions are refused.
func ParseXML(data []byte) (*Node, error) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // decoded before
	doc := NewObject()
	stack := []*Node{doc}
	nodes := 0
	for {
		first := dec.InputOffset() == 0
		tok, err := dec.RawToken() // no namespace table, which a peer could fill
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, xmlError(err)
		}
		top := stack[len(stack)-1]
		switch t := tok.(type) {
		case xml.StartElement:
			if len(stack) > maxDepth {
				return nil, ErrDeep
			}
			if nodes += 1 + len(t.Attr); nodes > maxNodes {
				return nil, ErrNodes
			}
			if len(stack) == 1 && len(doc.Members) > 0 {
				return nil, fmt.Errorf("%w: two roots", ErrSyntax)
			}
			n := &Node{Kind: Object, Name: t.Name.Local}
			for _, a := range t.Attr {
				if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" {
					continue
				}
				name := "@" + a.Name.Local
				if n.Member(name) != nil {
					return nil, fmt.Errorf("%w: attribute %.64q", ErrDuplicate, a.Name.Local)
				}
				n.Members = append(n.Members, &Node{Kind: String, Name: name, Text: a.Value})
			}
			top.Members = append(top.Members, n)
			stack = append(stack, n)
		case xml.EndElement:
			if len(stack) == 1 || top.Name != t.Name.Local {
				return nil, fmt.Errorf("%w: tags do not match", ErrSyntax)
			}
			if hasElements(top) {
				top.Text = strings.TrimSpace(top.Text)
			}
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(stack) == 1 {
				if strings.TrimSpace(strings.TrimPrefix(string(t), "\ufeff")) != "" {
					return nil, fmt.Errorf("%w: text outside the root", ErrSyntax)
				}
				continue
			}
			top.Text += string(t)
		case xml.Directive:
			return nil, ErrForbidden
		case xml.ProcInst:
			if !first || t.Target != "xml" {
				return nil, ErrForbidden
			}
		}
	}
	if len(stack) != 1 || len(doc.Members) != 1 {
		return nil, fmt.Errorf("%w: it ends early", ErrSyntax)
	}
	return doc, nil
}

func hasElements(n *Node) bool {
	return len(n.Members) > 0 && !strings.HasPrefix(n.Members[len(n.Members)-1].Name, "@")
}

func xmlError(err error) error {
	var syn *xml.SyntaxError
	if errors.As(err, &syn) {
		if strings.Contains(syn.Msg, "entity") {
			return ErrForbidden
		}
		return fmt.Errorf("%w: line %d", ErrSyntax, syn.Line)
	}
	return fmt.Errorf("%w: %s", ErrSyntax, "declaration")
}

// AppendXML writes the members of n as elements, those named "@…" excepted. A
// List becomes its element repeated. Characters XML forbids are an error: they
// could not be read back.
func AppendXML(b []byte, n *Node) ([]byte, error) {
	for _, m := range n.Members {
		var err error
		if b, err = appendElement(b, m.Name, m); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func appendElement(b []byte, name string, n *Node) ([]byte, error) {
	if strings.HasPrefix(name, "@") || name == "#text" {
		return b, nil
	}
	if n.Kind == List {
		for _, item := range n.Items {
			var err error
			if b, err = appendElement(b, name, item); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	b = append(append(b, '<'), name...)
	for _, m := range n.Members {
		if attr, ok := strings.CutPrefix(m.Name, "@"); ok {
			b = append(append(append(b, ' '), attr...), '=', '"')
			var err error
			if b, err = appendXMLText(b, m.Text); err != nil {
				return nil, err
			}
			b = append(b, '"')
		}
	}
	text := n.Text
	if t := n.Member("#text"); t != nil {
		text = t.Text
	}
	if text == "" && !hasElements(n) {
		return append(b, '/', '>'), nil
	}
	b = append(b, '>')
	b, err := appendXMLText(b, text)
	if err != nil {
		return nil, err
	}
	if b, err = AppendXML(b, n); err != nil {
		return nil, err
	}
	b = append(append(b, '<', '/'), name...)
	return append(b, '>'), nil
}

func appendXMLText(b []byte, s string) ([]byte, error) {
	for i, r := range s {
		switch {
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '"':
			b = append(b, "&quot;"...)
		case r == '\r': // a bare one would be read back as a line feed
			b = append(b, "&#13;"...)
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd"),
			r < 0x20 && r != '\t' && r != '\n', r == 0xfffe, r == 0xffff:
			return nil, fmt.Errorf("%w: character U+%04X cannot stand in XML", ErrSyntax, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b, nil
}
