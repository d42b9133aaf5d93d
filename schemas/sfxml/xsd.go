package sfxml

import (
	"encoding/json"
	"fmt"
	"strings"

	"fayi/schemas"
)

// maxOccurs is the largest number of elements the XSD states: processors unroll it. More are judged by the record type alone.
const maxOccurs = 100

// XSD writes the XML Schema (1.0) of messages of a type, one self-contained document. It accepts every message of records the type accepts.
// It is looser than the type where XML Schema has no words: national formats, conditions between members, uniqueness, and what objects
// must hold that may hold more than they list. The error is that of [New].
func XSD(t *schemas.Type) ([]byte, error) {
	m, err := New(t)
	if err != nil {
		return nil, err
	}
	w := &xsd{}
	pack, version := t.Pack()
	w.line(0, `<?xml version="1.0" encoding="UTF-8"?>`)
	w.line(0, `<!-- %s; %s %s -->`, comment(t.Ref()), comment(pack), comment(version))
	w.line(0, `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="%[1]s" targetNamespace="%[1]s" elementFormDefault="qualified">`, attr(Namespace(t.Name())))
	w.open(1, `<xs:element name="message">`)
	w.document(2, t.Title()+"：报文", t.TitleEN()+": message; element names are ours [INFER], see SF/T 0011-2017 10.1")
	w.open(2, `<xs:complexType><xs:sequence>`)
	w.open(3, `<xs:element name="head">`)
	w.document(4, "报文头", "head [INFER], see SF/T 0011-2017 10.2")
	w.open(4, `<xs:complexType><xs:all>`)
	w.line(5, `<xs:element name="type"><xs:simpleType><xs:restriction base="xs:string"><xs:enumeration value="%s"/></xs:restriction></xs:simpleType></xs:element>`, attr(t.Name()))
	for _, name := range []string{"stream", "next"} {
		w.line(5, `<xs:element name="%s" type="xs:string" minOccurs="0"/>`, name)
	}
	w.line(5, `<xs:element name="end" type="boolean" minOccurs="0"/>`)
	w.line(4, `</xs:all></xs:complexType>`)
	w.line(3, `</xs:element>`)
	w.open(3, `<xs:element name="body">`)
	w.document(4, "报文体", "body [INFER], see SF/T 0011-2017 10.3")
	w.line(4, `<xs:complexType><xs:sequence><xs:element name="record" type="record" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>`)
	w.line(3, `</xs:element>`)
	w.line(2, `</xs:sequence></xs:complexType>`)
	w.line(1, `</xs:element>`)
	w.raw(outerTypes)
	w.complex(1, "data", "", m.root)
	w.named(m.root)
	w.line(0, `</xs:schema>`)
	return []byte(w.b.String()), nil
}

// outerTypes is what every message has. Operations are those of protocol §2.
const outerTypes = ` <xs:complexType name="record"><xs:sequence>
  <xs:element name="head" minOccurs="0"><xs:complexType><xs:all>
   <xs:element name="op" minOccurs="0"><xs:simpleType><xs:restriction base="xs:string"><xs:enumeration value="put"/><xs:enumeration value="del"/></xs:restriction></xs:simpleType></xs:element>
   <xs:element name="key" type="xs:string" minOccurs="0"/>
   <xs:element name="schema" type="xs:string" minOccurs="0"/>
   <xs:element name="gen" type="xs:positiveInteger" minOccurs="0"/>
   <xs:element name="seq" type="xs:positiveInteger" minOccurs="0"/>
   <xs:element name="at" type="xs:string" minOccurs="0"/>
   <xs:element name="src" type="xs:string" minOccurs="0"/>
   <xs:element name="resend" type="boolean" minOccurs="0"/>
  </xs:all></xs:complexType></xs:element>
  <xs:element name="data" type="data" minOccurs="0"/>
 </xs:sequence></xs:complexType>
 <xs:simpleType name="boolean"><xs:restriction base="xs:boolean"><xs:pattern value="true|false"/></xs:restriction></xs:simpleType>
 <xs:attributeGroup name="exact">
  <xs:annotation><xs:documentation xml:lang="zh">JSON 中的原样写法，仅在与元素文字不能互推时出现；不处理即可忽略</xs:documentation></xs:annotation>
  <xs:attribute name="json" type="xs:string"/>
 </xs:attributeGroup>
 <xs:complexType name="extra">
  <xs:annotation><xs:documentation xml:lang="zh">规范未列出的字段：name 为字段名，json 为其值</xs:documentation></xs:annotation>
  <xs:attribute name="name" type="xs:string" use="required"/><xs:attribute name="json" type="xs:string" use="required"/>
 </xs:complexType>
 <xs:complexType name="anything"><xs:attribute name="name" type="xs:string"/><xs:attribute name="json" type="xs:string" use="required"/></xs:complexType>
`

type xsd struct{ b strings.Builder }

func (w *xsd) raw(s string) { w.b.WriteString(s) }

func (w *xsd) line(depth int, format string, args ...any) {
	w.b.WriteString(strings.Repeat(" ", depth))
	fmt.Fprintf(&w.b, format, args...)
	w.b.WriteByte('\n')
}

func (w *xsd) open(depth int, s string) { w.line(depth, "%s", s) }

// attr is s as the value of an attribute, also of one XML Schema reads; comment is s inside a comment.
func attr(s string) string {
	s = string(appendText(nil, shown(s), true))
	return strings.NewReplacer("\n", "&#xA;", "\t", "&#x9;").Replace(s)
}

func comment(s string) string { return strings.ReplaceAll(shown(s), "--", "- ") }

func (w *xsd) document(depth int, zh, en string) {
	w.b.WriteString(strings.Repeat(" ", depth) + "<xs:annotation>")
	for _, d := range [][2]string{{"zh", zh}, {"en", en}} {
		if d[1] != "" {
			w.b.WriteString(`<xs:documentation xml:lang="` + d[0] + `">`)
			w.b.Write(appendText(nil, shown(d[1]), false))
			w.b.WriteString("</xs:documentation>")
		}
	}
	w.b.WriteString("</xs:annotation>\n")
}

// complex writes the type of an object or a list. Members may stand in any order, as they may in JSON.
func (w *xsd) complex(depth int, name, attribute string, e *element) {
	if e.kind == list {
		w.line(depth, `<xs:complexType name="%s"><xs:sequence>`, attr(name))
		w.line(depth+1, `<xs:element name="item" type="%s" minOccurs="%d" maxOccurs="%s"/>`, attr(e.item.typeName("item")), w.occurs(e, "minItems", 0), w.most(e))
		w.line(depth, `</xs:sequence>%s</xs:complexType>`, attribute)
		return
	}
	group, many := "all", ""
	if e.open { // xs:all cannot hold what may repeat
		group, many = "choice", ` minOccurs="0" maxOccurs="unbounded"`
	}
	w.line(depth, `<xs:complexType name="%s"><xs:%s%s>`, attr(name), group, many)
	for _, m := range e.members {
		least := 0
		if m.Required && !e.open {
			least = 1
		}
		w.line(depth+1, `<xs:element name="%s" type="%s" minOccurs="%d">`, attr(m.Name), attr(m.typeName("field")), least)
		w.document(depth+2, m.describe(), m.EN)
		w.line(depth+1, `</xs:element>`)
	}
	if e.open {
		w.line(depth+1, `<xs:element name="%s" type="extra"/>`, extra)
	}
	w.line(depth, `</xs:%s>%s</xs:complexType>`, group, attribute)
}

// typeName is the name of an element's type: what it is (a field, or an item of one), and where.
func (e *element) typeName(role string) string { return role + "." + e.path }

// describe says what a member is, in Chinese: its title and what the XSD cannot say.
func (e *element) describe() string {
	s := e.Title
	if e.Notation != "" {
		s += "；类型 " + e.Notation
	}
	if e.Format != "" {
		s += "；格式 " + e.Format
	}
	for _, t := range e.Tables {
		s += "；代码表 " + t.Title
	}
	if e.Expected {
		s += "；应填"
	}
	if e.Mark != "" {
		s += "；来源标记 " + e.Mark
	}
	return s
}

func (w *xsd) occurs(e *element, rule string, def int) int {
	if n, ok := e.rules[rule].(float64); ok && n >= 0 && n <= maxOccurs {
		return int(n)
	}
	return def
}

func (w *xsd) most(e *element) string {
	if n := w.occurs(e, "maxItems", -1); n >= 0 {
		return fmt.Sprint(n)
	}
	return "unbounded"
}

// named writes the types of everything below e.
func (w *xsd) named(e *element) {
	for _, m := range e.members {
		w.define(m, "field")
	}
	if e.item != nil {
		w.define(e.item, "item")
	}
}

func (w *xsd) define(e *element, role string) {
	named := ""
	if role == "field" {
		named = `<xs:attribute name="name" type="xs:string"/>`
	}
	if e.kind == object || e.kind == list {
		w.complex(1, e.typeName(role), named, e)
		w.named(e)
		return
	}
	if e.kind == anything {
		w.line(1, `<xs:complexType name="%s"><xs:complexContent><xs:extension base="anything"/></xs:complexContent></xs:complexType>`, attr(e.typeName(role)))
		return
	}
	base := "xs:boolean"
	var facets []string
	facet := func(name, value string) {
		facets = append(facets, fmt.Sprintf(`<xs:%s value="%s"/>`, name, attr(value)))
	}
	switch e.kind {
	case boolean:
		facet("pattern", "true|false")
	case number:
		base = "xs:decimal"
		if e.rules["type"] == "integer" {
			facet("pattern", `-?[0-9]+(\.0+)?`)
		}
		for _, b := range [][2]string{{"minimum", "minInclusive"}, {"maximum", "maxInclusive"}} {
			if n, ok := e.rules[b[0]].(float64); ok {
				facet(b[1], decimal(n))
			}
		}
	default:
		base = "xs:string"
		w.textFacets(e, facet)
	}
	name := e.typeName(role)
	w.line(1, `<xs:simpleType name="value.%s"><xs:restriction base="%s">%s</xs:restriction></xs:simpleType>`, attr(name), base, strings.Join(facets, ""))
	attributes := ""
	if e.kind == text {
		attributes = `<xs:attributeGroup ref="exact"/>`
	}
	w.line(1, `<xs:complexType name="%[1]s"><xs:simpleContent><xs:extension base="value.%[1]s">%[2]s</xs:extension></xs:simpleContent></xs:complexType>`, attr(name), attributes+named)
}

// textFacets writes what a text may be: its codes, or its length and pattern.
func (w *xsd) textFacets(e *element, facet func(name, value string)) {
	if codes := e.codes(); len(codes) > 0 {
		for _, c := range codes {
			facet("enumeration", shown(c))
		}
		return
	}
	for _, b := range [][2]string{{"minLength", "minLength"}, {"maxLength", "maxLength"}} {
		if n, ok := e.rules[b[0]].(float64); ok {
			facet(b[1], fmt.Sprintf("%.0f", n))
		}
	}
	if pattern, ok := e.rules["pattern"].(string); ok {
		if p, ok := xsdPattern(pattern); ok {
			facet("pattern", p)
		}
	}
}

// decimal writes a number of a schema as XML Schema reads it: never with an exponent.
func decimal(n float64) string {
	raw, err := json.Marshal(n)
	if s := string(raw); err == nil && plainNumber(s) {
		return s
	}
	return fmt.Sprintf("%f", n)
}
