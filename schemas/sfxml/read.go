package sfxml

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"fayi/schemas"
)

// Reader reads the records of one message. It is for one goroutine.
type Reader struct {
	s       *scanner
	mapping *Mapping
	space   string
	head    Head
	out     bytes.Buffer
	done    bool
}

// Read is a record as it was read: Record, or the Fault for which there is none.
type Read struct {
	Record
	Line, Column int // where it begins, from 1
	Fault        *Fault
}

// NewReader reads a message up to its first record. charset is [UTF8] or [GB18030]; find gives the record type of a name. The error is a
// [*Fault] or comes from r.
func NewReader(r io.Reader, charset string, find func(name string) (*schemas.Type, bool)) (*Reader, error) {
	s, err := newScanner(r, charset)
	if err != nil {
		return nil, err
	}
	x := &Reader{s: s}
	if err := x.open(find); err != nil {
		if errors.Is(err, io.EOF) {
			err = fatal(s.place().known(CodeTruncated))
		}
		return nil, err
	}
	return x, nil
}

// Type returns the record type the message names.
func (x *Reader) Type() *schemas.Type { return x.mapping.typ }

// Head returns what stands before the records.
func (x *Reader) Head() Head { return x.head }

func (x *Reader) open(find func(string) (*schemas.Type, bool)) error {
	root, at, err := x.child("")
	if err != nil {
		return err
	}
	name, ours := strings.CutPrefix(root.Name.Space, spacePrefix)
	if !ours {
		return at.fault(CodeNamespace, "报文的命名空间应为 "+spacePrefix+" 加记录类型名", "the namespace of a message is "+spacePrefix+" and the record type")
	}
	x.space = root.Name.Space
	if err := x.named(root, at, "message"); err != nil {
		return err
	}
	typ, ok := find(name)
	if !ok {
		return at.fault(CodeType, "没有记录类型 "+clip(name), "no record type "+clip(name))
	}
	if x.mapping, err = New(typ); err != nil {
		return err
	}
	start, at, err := x.child("head")
	if err != nil {
		return err
	}
	if err := x.named(start, at, "head"); err != nil {
		return err
	}
	fields, err := x.fields("type", "stream", "next", "end")
	if err != nil {
		return err
	}
	switch t := fields["type"]; {
	case t == "":
		return at.fault(CodeMissing, "报文头缺少 type", "the head lacks type")
	case t != name:
		return at.fault(CodeType, "报文头的 type 与命名空间不一致", "the head's type is not that of the namespace")
	}
	x.head = Head{Stream: fields["stream"], Next: fields["next"], End: fields["end"] == "true"}
	if start, at, err = x.child("body"); err != nil {
		return err
	}
	return x.named(start, at, "body")
}

// child returns the next start tag at this level, past white space. want names what must stand here; "" at the top of the file. An end tag
// instead is a fault.
func (x *Reader) child(want string) (xml.StartElement, place, error) {
	start, at, end, err := x.open1()
	if err == nil && end {
		err = at.fault(CodeMissing, "缺少元素 "+want, "element "+want+" is missing")
	}
	return start, at, err
}

// open1 returns the next start tag, or end.
func (x *Reader) open1() (start xml.StartElement, at place, end bool, err error) {
	for {
		tok, at, err := x.s.next()
		if err != nil {
			return start, at, false, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			return t, at, false, nil
		case xml.EndElement:
			return start, at, true, nil
		case xml.CharData:
			if len(bytes.Trim(t, " \t\r\n")) > 0 {
				return start, at, false, at.known(CodeText)
			}
		}
	}
}

// named checks that an element is one of ours, has that name and no attributes but names of our namespace.
func (x *Reader) named(start xml.StartElement, at place, want string) error {
	_, err := x.attributes(start, at)
	if err == nil && start.Name.Local != want {
		err = at.fault(CodeMisplaced, "此处应为元素 "+want+"，而不是 "+clip(start.Name.Local), "element "+want+" must stand here, not "+clip(start.Name.Local))
	}
	return err
}

// attributes checks the namespaces of an element and returns its own attributes, each of which must be among allow.
func (x *Reader) attributes(start xml.StartElement, at place, allow ...string) (map[string]string, error) {
	if start.Name.Space != x.space {
		return nil, at.fault(CodeNamespace, "元素 "+clip(start.Name.Local)+" 不属于本报文的命名空间", "element "+clip(start.Name.Local)+" is not of this message's namespace")
	}
	var own map[string]string
	var spaces []string
	for _, a := range start.Attr {
		if a.Name.Space == "xmlns" || a.Name == (xml.Name{Local: "xmlns"}) {
			if a.Value != x.space {
				return nil, at.fault(CodeNamespace, "不接受其他命名空间的声明", "a namespace other than the message's is declared")
			}
			name := a.Name.Space + ":" + a.Name.Local
			if slices.Contains(spaces, name) {
				return nil, at.fault(CodeAttribute, "属性重复", "an attribute stands twice")
			}
			spaces = append(spaces, name)
			continue
		}
		if _, twice := own[a.Name.Local]; twice || a.Name.Space != "" || !slices.Contains(allow, a.Name.Local) {
			return nil, at.fault(CodeAttribute, "元素 "+clip(start.Name.Local)+" 不能有属性 "+clip(a.Name.Local)+"，或属性重复", "element "+clip(start.Name.Local)+" may not have attribute "+clip(a.Name.Local)+", or it stands twice")
		}
		if own == nil {
			own = map[string]string{}
		}
		own[a.Name.Local] = a.Value
	}
	return own, nil
}

// fields reads a head: elements of text, each at most once, up to its end tag.
func (x *Reader) fields(allow ...string) (map[string]string, error) {
	found := map[string]string{}
	for {
		start, at, end, err := x.open1()
		if err != nil || end {
			return found, err
		}
		if _, err := x.attributes(start, at); err != nil {
			return nil, err
		}
		name := start.Name.Local
		if !slices.Contains(allow, name) {
			return nil, at.fault(CodeElement, "报文头没有元素 "+clip(name), "a head has no element "+clip(name))
		}
		if _, twice := found[name]; twice {
			return nil, at.fault(CodeDuplicate, "元素 "+name+" 重复", "element "+name+" stands twice")
		}
		s, err := x.text()
		if err != nil {
			return nil, err
		}
		if s = strings.Trim(s, " \t\r\n"); s == "" {
			return nil, at.fault(CodeValue, "元素 "+name+" 是空的；没有值时不要写出该元素", "element "+name+" is empty; leave it out instead")
		}
		if (name == "end" || name == "resend") && s != "true" && s != "false" {
			return nil, at.fault(CodeValue, "元素 "+name+" 只能是 true 或 false", "element "+name+" is true or false")
		}
		found[name] = s
	}
}

// text reads an element's text up to its end tag.
func (x *Reader) text() (string, error) {
	x.s.value = true
	defer func() { x.s.value = false }()
	var b strings.Builder
	for {
		tok, at, err := x.s.next()
		if err != nil {
			return "", err
		}
		switch t := tok.(type) {
		case xml.CharData:
			b.Write(t)
		case xml.EndElement:
			return b.String(), nil
		case xml.StartElement:
			return "", at.fault(CodeMisplaced, "值中间不能有元素 "+clip(t.Name.Local), "element "+clip(t.Name.Local)+" stands inside a value")
		}
	}
}

// Next returns the next record, io.EOF after the last. A record with a Fault does not end the message; any error does: a [*Fault], or an
// error of the input.
func (x *Reader) Next() (Read, error) {
	if x.done {
		return Read{}, io.EOF
	}
	rec, err := x.next()
	if err != nil {
		x.done = true
		if errors.Is(err, io.EOF) && x.s.depth > 0 {
			err = fatal(x.s.place().known(CodeTruncated))
		}
	}
	return rec, err
}

func (x *Reader) next() (Read, error) {
	x.s.src.left = maxRecordXML
	start, at, end, err := x.open1()
	if err != nil {
		return Read{}, err
	}
	if end {
		return Read{}, x.close()
	}
	if err := x.named(start, at, "record"); err != nil {
		return Read{}, err
	}
	level := x.s.depth - 1
	rec, err := x.record()
	if err == nil && rec.Data != nil && len(rec.Data) > maxRecord {
		err = at.fault(CodeTooLarge, fmt.Sprintf("记录超过 %d 字节", maxRecord), fmt.Sprintf("record exceeds %d bytes", maxRecord))
	}
	var f *Fault
	if errors.As(err, &f) && !f.fatal { // the rest of the record is passed over
		for x.s.value = false; x.s.depth > level; {
			if _, _, err := x.s.next(); err != nil {
				return Read{}, err
			}
		}
		return Read{Line: at.line, Column: at.column, Fault: f}, nil
	}
	return Read{Record: rec, Line: at.line, Column: at.column}, err
}

// close reads what may stand behind the body: the end of the message, then nothing.
func (x *Reader) close() error {
	start, at, end, err := x.open1()
	if err != nil {
		return err
	}
	if end {
		if start, at, _, err = x.open1(); err != nil {
			return err // io.EOF where all is well
		}
	}
	return at.fault(CodeMisplaced, "报文体之后不能有元素 "+clip(start.Name.Local), "element "+clip(start.Name.Local)+" stands behind the body")
}

// record reads what a record holds, up to its end tag.
func (x *Reader) record() (rec Record, err error) {
	start, at, end, err := x.open1()
	if err != nil || end {
		return rec, err
	}
	if start.Name.Local == "head" {
		if err := x.named(start, at, "head"); err != nil {
			return rec, err
		}
		if rec, err = x.recordHead(at); err != nil {
			return rec, err
		}
		if start, at, end, err = x.open1(); err != nil || end {
			return rec, err
		}
	}
	if err := x.named(start, at, "data"); err != nil {
		return rec, err
	}
	x.out.Reset()
	if err := x.object(x.mapping.root); err != nil {
		return rec, err
	}
	rec.Data = bytes.Clone(x.out.Bytes())
	if start, at, end, err = x.open1(); err == nil && !end {
		err = at.fault(CodeMisplaced, "data 之后不能有元素 "+clip(start.Name.Local), "element "+clip(start.Name.Local)+" stands behind data")
	}
	return rec, err
}

func (x *Reader) recordHead(at place) (rec Record, err error) {
	f, err := x.fields("op", "key", "schema", "gen", "seq", "at", "src", "resend")
	if err != nil {
		return rec, err
	}
	rec = Record{Op: f["op"], Key: f["key"], Schema: f["schema"], At: f["at"], Src: f["src"], Resend: f["resend"] == "true"}
	for _, n := range []struct {
		name string
		into *uint64
	}{{"gen", &rec.Gen}, {"seq", &rec.Seq}} {
		if s, ok := f[n.name]; ok {
			if *n.into, err = strconv.ParseUint(s, 10, 53); err != nil {
				return rec, at.fault(CodeValue, "元素 "+n.name+" 不是编号", "element "+n.name+" is no number")
			}
		}
	}
	return rec, nil
}

// object reads an object's members up to its end tag, in the order they stand.
func (x *Reader) object(e *element) error {
	x.out.WriteByte('{')
	seen := map[string]bool{}
	for first := true; ; first = false {
		start, at, end, err := x.open1()
		if err != nil {
			return err
		}
		if end {
			x.out.WriteByte('}')
			return nil
		}
		member, own, err := x.member(e, start, at)
		if err != nil {
			return err
		}
		name, raw := start.Name.Local, start.Name.Local
		s, given := own["name"]
		if given {
			var valid bool
			raw = carried(s)
			if s, valid = decodeJSON(raw); !valid || member != free && s != name {
				return at.fault(CodeAttribute, "属性 name 与元素名不一致", "attribute name does not say the element's name")
			}
			name = s
		}
		if _, listed := e.index[name]; member == free && (listed || !given) {
			return at.fault(CodeAttribute, "元素 "+extra+" 的属性 name 应为规范之外的字段名", "attribute name of "+extra+" must be a member the type does not list")
		}
		if seen[name] {
			return at.fault(CodeDuplicate, "元素 "+clip(name)+" 重复", "element "+clip(name)+" stands twice")
		}
		seen[name] = true
		if !first {
			x.out.WriteByte(',')
		}
		x.out.WriteString(`"` + raw + `":`)
		if err := x.value(member, own, at); err != nil {
			return err
		}
	}
}

// member finds which member an element is, and reads its attributes.
func (x *Reader) member(e *element, start xml.StartElement, at place) (*element, map[string]string, error) {
	m := free
	name := start.Name.Local
	if i, listed := e.index[name]; listed {
		m = e.members[i]
	} else if start.Name.Space == x.space && (!e.open || name != extra) {
		return nil, nil, at.fault(CodeElement, "此处没有元素 "+clip(name)+"（元素名即字段名，见 fayi schema show）", "there is no element "+clip(name)+" here (elements are named as fields, see fayi schema show)")
	}
	own, err := x.attributes(start, at, append(m.attributes(), "name")...)
	return m, own, err
}

// attributes are those an element may have, beside a member's name.
func (e *element) attributes() []string {
	if e.kind == text || e.kind == anything {
		return []string{"json"}
	}
	return nil
}

// value reads a value up to its element's end tag.
func (x *Reader) value(e *element, own map[string]string, at place) error {
	switch e.kind {
	case object:
		return x.object(e)
	case list:
		return x.list(e)
	}
	s, err := x.text()
	if err != nil {
		return err
	}
	raw, given := own["json"]
	raw = carried(raw)
	if e.kind == anything {
		var b bytes.Buffer
		if err := json.Compact(&b, []byte(raw)); err != nil || strings.Trim(s, " \t\r\n") != "" {
			return at.fault(CodeAttribute, "此处的值应写在属性 json 中，为一个 JSON 值", "the value must stand in attribute json, as one JSON value")
		}
		x.out.Write(b.Bytes())
		return nil
	}
	if given {
		if exact, ok := decodeJSON(raw); !ok || shown(exact) != s {
			return at.fault(CodeAttribute, "属性 json 与元素的文字不一致", "attribute json does not say the element's text")
		}
		x.out.WriteString(`"` + raw + `"`)
		return nil
	}
	if trimmed := strings.Trim(s, " \t\r\n"); e.kind == number && plainNumber(trimmed) || e.kind == boolean && (trimmed == "true" || trimmed == "false") {
		x.out.WriteString(trimmed)
		return nil
	}
	x.out.Write(appendJSON(x.out.AvailableBuffer(), s)) // of another kind than the field's: the type's check says what is wrong
	return nil
}

func (x *Reader) list(e *element) error {
	x.out.WriteByte('[')
	for first := true; ; first = false {
		start, at, end, err := x.open1()
		if err != nil {
			return err
		}
		if end {
			x.out.WriteByte(']')
			return nil
		}
		own, err := x.attributes(start, at, e.item.attributes()...)
		if err != nil {
			return err
		}
		if start.Name.Local != "item" {
			return at.fault(CodeElement, "数组的元素名应为 item，而不是 "+clip(start.Name.Local), "elements of a list are named item, not "+clip(start.Name.Local))
		}
		if !first {
			x.out.WriteByte(',')
		}
		if err := x.value(e.item, own, at); err != nil {
			return err
		}
	}
}
