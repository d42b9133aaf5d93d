package records

import (
	"cmp"
	"errors"
	"io"

	"fayi/schemas"
	"fayi/schemas/sfxml"
)

// messages is an XML message (docs/xml.md).
type messages struct{ r *sfxml.Reader }

func newXML(r io.Reader, typ *schemas.Type, charset string) (*messages, error) {
	if typ == nil {
		return nil, &Error{Code: "BAD_FILE", Message: "XML 文件要写明记录类型（-type）", MessageEN: "an XML file needs its record type (-type)"}
	}
	find := func(name string) (*schemas.Type, bool) { return typ, name == typ.Name() }
	x, err := sfxml.NewReader(r, cmp.Or(charset, UTF8), find)
	if err != nil {
		return nil, said(err)
	}
	return &messages{x}, nil
}

func (m *messages) Next() (Record, error) {
	rec, err := m.r.Next()
	if err != nil {
		return Record{}, said(err)
	}
	out := Record{Row: rec.Line, Data: rec.Data, Op: rec.Op, Key: rec.Key}
	if ref := m.r.Type().Ref(); rec.Fault != nil {
		out.Err = inWords(rec.Fault)
	} else if rec.Schema != "" && rec.Schema != ref {
		out = Record{Row: rec.Line, Err: &Error{Code: sfxml.CodeType, Message: "记录注明的数据规范不是现行的 " + ref, MessageEN: "the record names another schema than " + ref}}
	}
	return out, nil
}

func said(err error) error {
	var f *sfxml.Fault
	if errors.As(err, &f) {
		return inWords(f)
	}
	return err
}

func inWords(f *sfxml.Fault) *Error {
	return &Error{Code: f.Code, Message: f.Text(), MessageEN: f.TextEN()}
}
