package gateway

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"fayi/gateway/problem"
	"fayi/schemas"
	"fayi/schemas/sfxml"
)

// The local API speaks XML beside JSON: a message with one record is posted, a
// page of changes is a message (docs/xml.md). Errors are JSON in any case.

// isXML tells whether a request's body is XML, and in which charset.
func isXML(r *http.Request) (charset string, ok bool) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/xml" && media != "text/xml" {
		return "", false
	}
	switch charset = strings.ToLower(params["charset"]); charset {
	case "":
		charset = sfxml.UTF8
	case "gbk", "gb2312":
		charset = sfxml.GB18030
	}
	return charset, true
}

// wantsXML tells whether the answer shall be XML: asked for, and JSON not.
func wantsXML(r *http.Request) bool {
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	return strings.Contains(accept, "application/xml") && !strings.Contains(accept, "application/json")
}

// readPosted reads the body of POST /v1/records in either form.
func (n *Node) readPosted(r *http.Request, raw []byte) (posted, error) {
	charset, ok := isXML(r)
	if !ok {
		return parsePosted(raw)
	}
	if charset != sfxml.UTF8 && charset != sfxml.GB18030 {
		return posted{}, problem.New(problem.BadRequest, "charset %s; want utf-8 or gb18030", clipText(charset))
	}
	x, err := sfxml.NewReader(bytes.NewReader(raw), charset, n.engine.Schemas().Current)
	if err != nil {
		return posted{}, malformedXML(err)
	}
	rec, err := x.Next()
	switch {
	case errors.Is(err, io.EOF):
		return posted{}, problem.New(problem.Malformed, "the message has no record")
	case err != nil:
		return posted{}, malformedXML(err)
	case rec.Fault != nil:
		return posted{}, malformedXML(rec.Fault)
	}
	if _, err := x.Next(); err == nil {
		return posted{}, problem.New(problem.Malformed, "more than one record; post one, or use fayi publish")
	} else if !errors.Is(err, io.EOF) {
		return posted{}, malformedXML(err)
	}
	typ := x.Type()
	if rec.Schema != "" && rec.Schema != typ.Ref() {
		return posted{}, problem.New(problem.BadRequest, "schema %s is not the one in force, %s", clipText(rec.Schema), typ.Ref())
	}
	p := posted{Type: typ.Name(), Key: rec.Key, Op: rec.Op, Data: rec.Data, Resend: rec.Resend}
	if p.Key == "" && typ.KeyField() != "" && p.Data != nil {
		p.Key, _ = typ.Key(p.Data) // absent there too, it is refused as empty
	}
	return p, nil
}

// faultyXML is a message that cannot be read, with the place.
type faultyXML struct{ fault *sfxml.Fault }

func (f *faultyXML) Error() string { return f.fault.Error() }

// Unwrap gives the answer's code.
func (f *faultyXML) Unwrap() error { return problem.New(problem.Malformed, "%s", f.fault.TextEN()) }

func (f *faultyXML) list() schemas.Faults {
	return schemas.Faults{{Code: f.fault.Code, Message: f.fault.Text(), MessageEN: f.fault.TextEN()}}
}

func malformedXML(err error) error {
	var f *sfxml.Fault
	if errors.As(err, &f) {
		return &faultyXML{f}
	}
	return problem.Wrap(problem.Malformed, err)
}

// writeChangesXML writes a page of changes. typ is the stream's record type.
func (n *Node) writeChangesXML(w http.ResponseWriter, typ string, page *changes) error {
	doc := sfxml.AppendOpen(nil, typ, sfxml.Head{Stream: page.Stream, Next: page.Next, End: page.End})
	mappings := map[string]*sfxml.Mapping{}
	for _, c := range page.Changes {
		m := mappings[c.ref]
		if m == nil {
			t, ok := n.engine.Schemas().ByRef(c.ref)
			if !ok {
				return problem.New(problem.Internal, "no type %s", c.ref) // the line was judged by it
			}
			var err error
			if m, err = sfxml.New(t); err != nil {
				return err
			}
			mappings[c.ref] = m
		}
		var err error
		if doc, err = m.AppendRecord(doc, sfxml.Record{Op: c.Op, Key: c.Key, Schema: c.ref, Gen: c.Gen, Seq: c.Seq, At: c.At, Src: c.Src, Data: c.Data}); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Type", "application/xml; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(append(doc, sfxml.Close...))
	if err != nil {
		n.cfg.Log.Debug("answer not written", "err", err)
	}
	return nil
}
