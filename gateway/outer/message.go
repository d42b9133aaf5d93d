package outer

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/emmansun/gmsm/sm3"
)

const soapSpace = "http://schemas.xmlsoap.org/soap/envelope/"

// write puts a document into the form of a body.
func write(doc *Node, body, charset string) (data []byte, contentType string, err error) {
	switch body {
	case "none":
		return nil, "", nil
	case "json":
		data, err = encode(AppendJSON(nil, doc), charset, escapeJSON)
		return data, "application/json; charset=" + charset, err
	case "xml":
		return writeXML(nil, doc, nil, charset, "application/xml; charset="+charset)
	case "soap":
		return writeXML([]byte(`<soap:Envelope xmlns:soap="`+soapSpace+`"><soap:Body>`), doc, []byte(`</soap:Body></soap:Envelope>`), charset, "text/xml; charset="+charset)
	case "text":
		data, err = encode([]byte(doc.Value()), charset, nil)
		return data, "text/plain; charset=" + charset, err
	case "form":
		data, err = writeForm(doc, charset)
		return data, "application/x-www-form-urlencoded; charset=" + charset, err
	case "multipart":
		return writeMultipart(doc, charset)
	}
	return nil, "", fmt.Errorf("body %q", body)
}

func writeXML(before []byte, doc *Node, after []byte, charset, contentType string) ([]byte, string, error) {
	data := append([]byte(`<?xml version="1.0" encoding="`+charset+`"?>`), before...)
	data, err := AppendXML(data, doc)
	if err != nil {
		return nil, "", err
	}
	data, err = encode(append(data, after...), charset, escapeXML)
	return data, contentType, err
}

func writeForm(doc *Node, charset string) ([]byte, error) {
	var b []byte
	for _, m := range doc.Members {
		value, err := encode([]byte(m.Text), charset, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
		if len(b) > 0 {
			b = append(b, '&')
		}
		b = append(append(append(b, url.QueryEscape(m.Name)...), '='), url.QueryEscape(string(value))...)
	}
	return b, nil
}

var quoteName = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "", "\n", "")

// writeMultipart makes each member a part; one with members filename and content
// is a file.
func writeMultipart(doc *Node, charset string) ([]byte, string, error) {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	h := sm3.New() // the same parts are the same bytes: a signature is made of a first rendering
	h.Write(AppendJSON(nil, doc))
	if err := w.SetBoundary("fayi" + hex.EncodeToString(h.Sum(nil)[:16])); err != nil {
		return nil, "", err
	}
	for _, m := range doc.Members {
		h := textproto.MIMEHeader{}
		disposition := `form-data; name="` + quoteName.Replace(m.Name) + `"`
		content := []byte(m.Text)
		if m.Kind == Object {
			disposition += `; filename="` + quoteName.Replace(m.Member("filename").Value()) + `"`
			content = []byte(m.Member("content").Value())
			h.Set("Content-Type", "application/octet-stream")
		} else {
			var err error
			if content, err = encode(content, charset, escapeJSON); err != nil {
				return nil, "", err
			}
			h.Set("Content-Type", "text/plain; charset="+charset)
		}
		h.Set("Content-Disposition", disposition)
		p, err := w.CreatePart(h)
		if err != nil {
			return nil, "", err
		}
		if _, err := p.Write(content); err != nil {
			return nil, "", err
		}
	}
	err := w.Close()
	return buf.Bytes(), w.FormDataContentType(), err
}

// read turns a body into a document. The body may say by itself what it is; kind
// decides between what looks alike.
func read(data []byte, kind, contentType, charset string) (*Node, error) {
	switch kind {
	case "none":
		return NewObject(), nil
	case "form":
		return readForm(data, charset)
	case "multipart":
		return readMultipart(data, contentType, charset)
	}
	text, err := Decode(data, contentType, charset)
	if err != nil {
		return nil, err
	}
	trimmed := bytes.TrimSpace(text)
	switch {
	case kind == "text":
		return Text(string(trimmed)), nil
	case kind == "soap" || kind == "xml" && bytes.HasPrefix(trimmed, []byte("<")):
		doc, err := ParseXML(trimmed)
		if err != nil {
			return nil, err
		}
		return unwrapSOAP(doc), nil
	case kind == "xml":
		return nil, fmt.Errorf("%w: no XML", ErrSyntax)
	}
	return ParseJSON(trimmed)
}

// readAnswer reads an answer, whose kind a peer may change when it fails.
func readAnswer(data []byte, kind, contentType, charset string) (*Node, error) {
	head := bytes.TrimSpace(data[:min(len(data), 64)])
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	switch {
	case kind == "text":
	case len(head) == 0:
		return nil, fmt.Errorf("%w: empty", ErrSyntax)
	case bytes.HasPrefix(head, []byte("<")):
		kind = "xml"
	case bytes.HasPrefix(head, []byte("{")) || bytes.HasPrefix(head, []byte("[")):
		kind = "json"
	default:
		kind = "text"
	}
	return read(data, kind, contentType, charset)
}

// unwrapSOAP takes the content of an envelope's body.
func unwrapSOAP(doc *Node) *Node {
	if b := doc.Get("Envelope.Body"); b != nil {
		c := *b
		c.Name = ""
		return &c
	}
	return doc
}

func readForm(data []byte, charset string) (*Node, error) {
	doc := NewObject()
	var all []byte // the charset is that of the whole, a single name may not show it
	for pair := range bytes.SplitSeq(data, []byte("&")) {
		if len(pair) == 0 {
			continue
		}
		if len(doc.Members) >= 1000 {
			return nil, ErrNodes
		}
		k, v, _ := bytes.Cut(pair, []byte("="))
		name, err1 := url.QueryUnescape(string(k))
		value, err2 := url.QueryUnescape(string(v))
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("%w: form", ErrSyntax)
		}
		if doc.Member(name) != nil {
			return nil, fmt.Errorf("%w: %.64q", ErrDuplicate, name)
		}
		all = append(append(all, value...), 0)
		doc.Members = append(doc.Members, &Node{Kind: String, Name: name})
	}
	text, err := Decode(all, "", charset)
	if err != nil {
		return nil, err
	}
	for i, value := range strings.SplitN(string(text), "\x00", len(doc.Members)+1) {
		if i < len(doc.Members) {
			doc.Members[i].Text = value
		}
	}
	if strings.Count(string(text), "\x00") != len(doc.Members) {
		return nil, fmt.Errorf("%w: U+0000 in a form", ErrSyntax)
	}
	return doc, nil
}

func readMultipart(data []byte, contentType, charset string) (*Node, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, fmt.Errorf("%w: no multipart", ErrSyntax)
	}
	doc := NewObject()
	r := multipart.NewReader(bytes.NewReader(data), params["boundary"])
	for range 100 {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return doc, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: multipart", ErrSyntax)
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return nil, fmt.Errorf("%w: multipart", ErrSyntax)
		}
		name := p.FormName()
		if doc.Member(name) != nil {
			return nil, fmt.Errorf("%w: %.64q", ErrDuplicate, name)
		}
		if file := p.FileName(); file != "" || p.Header.Get("Content-Type") == "application/octet-stream" {
			m := NewObject().Set("filename", Text(file)).Set("content", Text(string(content)))
			doc.Set(name, m)
			continue
		}
		text, err := Decode(content, p.Header.Get("Content-Type"), charset)
		if err != nil {
			return nil, err
		}
		doc.Set(name, Text(string(text)))
	}
	return nil, ErrNodes
}

// wrapElement puts an answer into the element a SOAP client expects.
func wrapElement(doc *Node, element string) *Node {
	if element == "" || doc.Member(element) != nil {
		return doc
	}
	return NewObject().Set(element, doc)
}
