package outer

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// Path says where something stands in a document: "$" is the document, ".name"
// a member or child element, ".@name" an attribute, "!json" or "!xml" the
// document written inside that text, "!any" the same whichever it is, without the
// root of an XML document, "[*]" every item (only at the end).
type Path struct {
	text  string
	steps []step
	all   bool
}

type step struct {
	name   string
	inside string // json, xml or any: parse the text
}

var pathForm = regexp.MustCompile(`^\$((?:\.@?[\p{L}_][\p{L}\p{N}_-]*|!json|!xml|!any)*)(\[\*\])?$`)
var pathStep = regexp.MustCompile(`\.@?[^.!]+|!(?:json|xml|any)`)

// ParsePath reads a path.
func ParsePath(s string) (Path, error) {
	m := pathForm.FindStringSubmatch(s)
	if m == nil {
		return Path{}, fmt.Errorf("path %q", s)
	}
	p := Path{text: s, all: m[2] != ""}
	for _, t := range pathStep.FindAllString(m[1], -1) {
		if t[0] == '!' {
			p.steps = append(p.steps, step{inside: t[1:]})
		} else {
			p.steps = append(p.steps, step{name: t[1:]})
		}
	}
	return p, nil
}

// String is the path as written.
func (p Path) String() string { return p.text }

// zero reports that no path was given.
func (p Path) zero() bool { return p.text == "" }

// Get returns what stands at p in doc, or nil. A text that should hold a
// document and does not holds nothing.
func (p Path) Get(doc *Node) *Node {
	n := doc
	for _, s := range p.steps {
		if n == nil {
			return nil
		}
		if s.inside != "" {
			n = s.open(n)
		} else {
			n = n.Member(s.name)
		}
	}
	return n
}

// All returns the items at p: those of a JSON list, or all elements of the name.
func (p Path) All(doc *Node) []*Node {
	if len(p.steps) == 0 || p.steps[len(p.steps)-1].inside != "" {
		if n := p.Get(doc); n != nil {
			return n.Items
		}
		return nil
	}
	last := p.steps[len(p.steps)-1]
	up := Path{steps: p.steps[:len(p.steps)-1]}.Get(doc)
	if up == nil {
		return nil
	}
	var out []*Node
	for _, m := range up.Members {
		switch {
		case m.Name != last.name:
		case m.Kind == List:
			out = append(out, m.Items...)
		case m.Kind == Null:
		default:
			out = append(out, m)
		}
	}
	return out
}

// open reads the document inside a text.
func (s step) open(n *Node) *Node {
	text := []byte(strings.TrimSpace(n.Text))
	kind := s.inside
	if kind == "any" {
		if kind = "json"; bytes.HasPrefix(text, []byte("<")) {
			kind = "xml"
		}
	}
	var doc *Node
	var err error
	if kind == "xml" {
		doc, err = ParseXML(text)
	} else {
		doc, err = ParseJSON(text)
	}
	if err != nil {
		return nil
	}
	if kind == "xml" && s.inside == "any" { // JSON has no root to name
		doc = doc.Members[0]
	}
	return doc
}

// Set puts v at p in doc and returns the document. Documents inside texts are
// opened, changed and written again.
func (p Path) Set(doc, v *Node) (*Node, error) { return set(doc, p.steps, v) }

func set(n *Node, steps []step, v *Node) (*Node, error) {
	if len(steps) == 0 {
		out := *v
		if n != nil {
			out.Name = n.Name
		}
		return &out, nil
	}
	s := steps[0]
	if s.inside == "" {
		if n == nil || n.Kind != Object {
			n = &Node{Kind: Object, Name: n.name()}
		}
		m, err := set(n.Member(s.name), steps[1:], v)
		if err != nil {
			return nil, err
		}
		return n.Set(s.name, m), nil
	}
	var inner *Node
	if n != nil && n.Text != "" {
		inner = s.open(n)
	}
	inner, err := set(inner, steps[1:], v)
	if err != nil {
		return nil, err
	}
	out := &Node{Kind: String, Name: n.name()}
	if s.inside == "xml" {
		b, err := AppendXML(nil, inner)
		if err != nil {
			return nil, err
		}
		out.Text = string(b)
	} else {
		out.Text = string(AppendJSON(nil, inner))
	}
	return out, nil
}

func (n *Node) name() string {
	if n == nil {
		return ""
	}
	return n.Name
}
