package outer

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"fayi/gateway/strictyaml"
)

// Template is the form of a message: a tree whose leaves are constants or texts
// that name values, such as "{handoffId}#{round}". Render fills it in; Read takes
// the values out of a message of that form.
//
// A value may pass through filters, "{appealType|map:appealType|int}"; each works
// in both directions:
//
//	map:NAME   a code table of the caller
//	time       a moment (RFC 3339), in the interface's layout
//	int, bool  a JSON number or truth value instead of a text
//	base64     bytes
//	keep       stands even if it is empty
//
// Keys with a dollar sign have a meaning of their own:
//
//	{$json: …} {$xml: …}       a text that holds the document below
//	{$each: files, name: …}    one of these for each item of the list "files"
//	{$data: payload}           the value itself, whatever it is
type Template struct {
	kind    tmplKind
	node    *Node       // constant
	text    *textTmpl   // leaf
	members []*Template // of an object; name set
	items   []*Template // of a list written out
	name    string
	each    string    // values come from the items of this list
	inside  string    // json or xml: the rendered members are written into a text
	inner   *Template // of inside
	data    string
}

type tmplKind int

const (
	tmplConst tmplKind = iota
	tmplText
	tmplObject
	tmplList
	tmplInside
	tmplData
)

// Codes translates values between a peer's codes and ours, by the name of a
// table. Out is from ours to the peer's.
type Codes interface {
	Out(table, code string) (string, error)
	In(table, code string) (string, error)
}

// Form is how texts of one interface look.
type Form struct {
	Codes     Codes
	Layout    string // of times, as package time writes it
	Zone      *time.Location
	KeepEmpty bool   // values that are not there stand as empty texts instead of being left out
	Charset   string // of the message; documents inside texts escape what it lacks
}

// ErrValue is a value that cannot be written in the peer's form, or of a form we
// cannot read. Errors name the field, never the value.
var ErrValue = errors.New("value does not fit")

// compileTemplate builds a template of what was written at path.
func compileTemplate(d *strictyaml.Document, path string, t *strictyaml.Tree) *Template {
	out := &Template{}
	switch t.Kind {
	case strictyaml.Scalar:
		if !t.Quoted && isLiteral(t.Text) {
			out.kind, out.node = tmplConst, literal(t.Text)
			return out
		}
		text, err := parseText(t.Text)
		if err != nil {
			d.Fault(path, "模板有误："+err.Error(), "bad template: "+err.Error())
			return out
		}
		out.kind, out.text = tmplText, text
	case strictyaml.List:
		out.kind = tmplList
		for i := range t.Items {
			out.items = append(out.items, compileTemplate(d, fmt.Sprintf("%s[%d]", path, i), &t.Items[i]))
		}
	case strictyaml.Mapping:
		out.kind = tmplObject
		for i := range t.Members {
			m := &t.Members[i]
			at := path + "." + m.Name
			switch {
			case m.Name == "$each":
				out.each = m.Value.Text
			case m.Name == "$data":
				return &Template{kind: tmplData, data: m.Value.Text}
			case m.Name == "$json" || m.Name == "$xml":
				if len(t.Members) > 1 {
					d.Fault(at, "不能与其他成员并列", "cannot stand beside other members")
				}
				return &Template{kind: tmplInside, inside: m.Name[1:], inner: compileTemplate(d, at, &m.Value)}
			case strings.HasPrefix(m.Name, "$"):
				d.Fault(at, "没有这个指令，可用的有 $each、$data、$json、$xml", "no such directive; there are $each, $data, $json, $xml")
			default:
				c := compileTemplate(d, at, &m.Value)
				c.name = m.Name
				out.members = append(out.members, c)
			}
		}
	}
	return out
}

func isLiteral(s string) bool {
	return s == "true" || s == "false" || s == "null" || s == "~" || jsonNumber.MatchString(s)
}

var jsonNumber = regexp.MustCompile(`^-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,9})?$`)

func literal(s string) *Node {
	switch s {
	case "true", "false":
		return &Node{Kind: Bool, Text: s}
	case "null", "~":
		return &Node{}
	}
	return &Node{Kind: Number, Text: s}
}

// Render fills the template with values. Members that are not there are left out
// unless the form keeps them.
func (t *Template) Render(values *Node, f *Form) (*Node, error) {
	n, err := t.render(values, f)
	if err == nil && n == nil {
		n = NewObject()
	}
	return n, err
}

func (t *Template) render(v *Node, f *Form) (*Node, error) {
	switch t.kind {
	case tmplConst:
		n := *t.node
		return &n, nil
	case tmplData:
		if n := v.Get(t.data); n != nil {
			c := *n
			return &c, nil
		}
		return nil, nil
	case tmplText:
		return t.text.render(v, f)
	case tmplInside:
		n, err := t.inner.render(v, f)
		if err != nil || n == nil {
			return nil, err
		}
		if t.inside == "json" {
			return Text(escapeLacking(string(AppendJSON(nil, n)), f.Charset, escapeJSON)), nil
		}
		b, err := AppendXML(nil, n)
		return Text(escapeLacking(string(b), f.Charset, escapeXML)), err
	case tmplList:
		n := &Node{Kind: List}
		for _, i := range t.items {
			c, err := i.render(v, f)
			if err != nil {
				return nil, err
			}
			if c != nil {
				n.Items = append(n.Items, c)
			}
		}
		return n, nil
	}
	if t.each == "" {
		return t.object(v, f)
	}
	list := v.Get(t.each)
	if list == nil || len(list.Items) == 0 {
		return nil, nil
	}
	n := &Node{Kind: List}
	for _, item := range list.Items {
		c, err := t.object(item, f)
		if err != nil {
			return nil, err
		}
		if c != nil {
			n.Items = append(n.Items, c)
		}
	}
	return n, nil
}

func (t *Template) object(v *Node, f *Form) (*Node, error) {
	n := NewObject()
	for _, m := range t.members {
		c, err := m.render(v, f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		if c == nil {
			continue
		}
		c.Name = m.name
		n.Members = append(n.Members, c)
	}
	if len(n.Members) == 0 && len(t.members) > 0 && !f.KeepEmpty {
		return nil, nil
	}
	return n, nil
}

// Read takes the values out of a message of the template's form and adds them to
// values. What the message lacks stays out; what the template does not name is
// ignored.
func (t *Template) Read(msg, values *Node, f *Form) error {
	if msg == nil || msg.Kind == Null {
		return nil
	}
	switch t.kind {
	case tmplData:
		c := *msg
		values.Set(t.data, &c)
	case tmplText:
		return t.text.read(msg, values, f)
	case tmplInside:
		if strings.TrimSpace(msg.Text) == "" {
			return nil
		}
		doc := step{inside: t.inside}.open(msg)
		if doc == nil {
			return fmt.Errorf("%w: no %s document inside", ErrValue, strings.ToUpper(t.inside))
		}
		return t.inner.Read(doc, values, f)
	case tmplList:
		for i, item := range t.items {
			if i < len(msg.Items) {
				if err := item.Read(msg.Items[i], values, f); err != nil {
					return err
				}
			}
		}
	case tmplObject:
		return t.readObject(msg, values, f)
	}
	return nil
}

func (t *Template) readObject(msg, values *Node, f *Form) error {
	if t.each == "" {
		return t.readMembers(msg, values, f)
	}
	items := msg.Items
	if msg.Kind != List {
		items = []*Node{msg}
	}
	list := &Node{Kind: List}
	for _, item := range items {
		v := NewObject()
		if err := t.readMembers(item, v, f); err != nil {
			return err
		}
		list.Items = append(list.Items, v)
	}
	if old := values.Get(t.each); old != nil { // XML repeats the element
		list.Items = append(append([]*Node{}, old.Items...), list.Items...)
	}
	values.Set(t.each, list)
	return nil
}

func (t *Template) readMembers(msg, values *Node, f *Form) error {
	for _, c := range t.members {
		for _, m := range msg.Members {
			if m.Name == c.name {
				if err := c.Read(m, values, f); err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				if c.each == "" {
					break
				}
			}
		}
		if c.name == "#text" {
			if err := c.Read(Text(msg.Text), values, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// Names lists the values the template uses, those of lists as list.name.
func (t *Template) Names() []string {
	var out []string
	t.walk("", func(name string, _ []string) { out = append(out, name) })
	return out
}

// walk visits every value named, with its filters.
func (t *Template) walk(prefix string, visit func(name string, filters []string)) {
	if t == nil {
		return
	}
	if t.each != "" {
		prefix += t.each + "."
	}
	if t.kind == tmplData {
		visit(prefix+t.data, nil)
	}
	if t.text != nil {
		for _, p := range t.text.parts {
			if p.name != "" {
				visit(prefix+p.name, p.filters)
			}
		}
	}
	t.inner.walk(prefix, visit)
	for _, c := range append(t.members, t.items...) {
		c.walk(prefix, visit)
	}
}

// textTmpl is a leaf.
type textTmpl struct {
	parts []textPart
	re    *regexp.Regexp // nil for a single value without more
}

type textPart struct {
	lit     string
	name    string
	filters []string
}

var placeholder = regexp.MustCompile(`^\{([A-Za-z_][A-Za-z0-9_.]*)((?:\|[a-z0-9]+(?::[A-Za-z0-9_]+)?)*)\}`)

var filterNames = regexp.MustCompile(`^(?:map:[A-Za-z0-9_]+|time|int|bool|base64|keep)$`)

func parseText(s string) (*textTmpl, error) {
	t := &textTmpl{}
	form := strings.Builder{}
	form.WriteString(`(?s)^`)
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			i = len(s)
		}
		lit := s[:i]
		s = s[i:]
		for strings.HasPrefix(s, "{{") || strings.HasPrefix(s, "}}") {
			lit += s[:1]
			s = s[2:]
			j := strings.IndexAny(s, "{}")
			if j < 0 {
				j = len(s)
			}
			lit += s[:j]
			s = s[j:]
		}
		if lit != "" {
			t.parts = append(t.parts, textPart{lit: lit})
			form.WriteString(regexp.QuoteMeta(lit))
		}
		if s == "" {
			break
		}
		m := placeholder.FindStringSubmatch(s)
		if m == nil {
			return nil, fmt.Errorf("%.40q", s)
		}
		p := textPart{name: m[1]}
		for _, f := range strings.FieldsFunc(m[2], func(r rune) bool { return r == '|' }) {
			if !filterNames.MatchString(f) {
				return nil, fmt.Errorf("filter %q", f)
			}
			p.filters = append(p.filters, f)
		}
		t.parts = append(t.parts, p)
		form.WriteString(`(.*?)`)
		s = s[len(m[0]):]
	}
	form.WriteString(`$`)
	if len(t.parts) > 0 && (len(t.parts) > 1 || t.parts[0].name == "") {
		re, err := regexp.Compile(form.String())
		if err != nil {
			return nil, err
		}
		t.re = re
	}
	return t, nil
}

func (t *textTmpl) render(v *Node, f *Form) (*Node, error) {
	if len(t.parts) == 1 && t.parts[0].name != "" {
		return t.parts[0].value(v, f)
	}
	var b strings.Builder
	there, names := false, false
	for _, p := range t.parts {
		b.WriteString(p.lit)
		if p.name == "" {
			continue
		}
		names = true
		n, err := p.value(v, f)
		if err != nil {
			return nil, err
		}
		if !n.empty() {
			there = true
			b.WriteString(n.Text)
		}
	}
	if names && !there && !f.KeepEmpty {
		return nil, nil
	}
	return Text(b.String()), nil
}

// value is one value passed through its filters, nil where it is not there.
func (p textPart) value(v *Node, f *Form) (*Node, error) {
	n := v.Get(p.name)
	if n.empty() {
		for _, fl := range p.filters {
			if fl == "keep" {
				return Text(""), nil
			}
		}
		if f.KeepEmpty {
			return Text(""), nil
		}
		return nil, nil
	}
	out := Text(n.Text)
	for _, fl := range p.filters {
		switch name, arg, _ := strings.Cut(fl, ":"); name {
		case "map":
			c, err := f.Codes.Out(arg, out.Text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			out.Text = c
		case "time":
			t, err := time.Parse(time.RFC3339Nano, out.Text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w: no time", p.name, ErrValue)
			}
			if t.IsZero() {
				return Text(""), nil
			}
			out.Text = t.In(f.Zone).Format(f.Layout)
		case "int":
			if !jsonNumber.MatchString(out.Text) {
				return nil, fmt.Errorf("%s: %w: no number", p.name, ErrValue)
			}
			out.Kind = Number
		case "bool":
			b, ok := truth(out.Text)
			if !ok {
				return nil, fmt.Errorf("%s: %w: neither true nor false", p.name, ErrValue)
			}
			out = &Node{Kind: Bool, Text: fmt.Sprint(b)}
		case "base64":
			out.Text = base64.StdEncoding.EncodeToString([]byte(out.Text))
		}
	}
	return out, nil
}

// read takes values out of a text.
func (t *textTmpl) read(msg, values *Node, f *Form) error {
	if msg.Kind == List || msg.Kind == Object && len(msg.Members) > 0 {
		return fmt.Errorf("%w: a text is expected", ErrValue)
	}
	texts := []string{msg.Text}
	if t.re != nil {
		m := t.re.FindStringSubmatch(msg.Text)
		if m == nil {
			if msg.Text == "" || !t.names() {
				return nil
			}
			return fmt.Errorf("%w: not of the form expected", ErrValue)
		}
		texts = m[1:]
	}
	i := 0
	for _, p := range t.parts {
		if p.name == "" {
			continue
		}
		n, err := p.back(texts[i], f)
		if err != nil {
			return err
		}
		if i++; n != nil {
			values.Set(p.name, n)
		}
	}
	return nil
}

func (t *textTmpl) names() bool {
	for _, p := range t.parts {
		if p.name != "" {
			return true
		}
	}
	return false
}

// back undoes the filters.
func (p textPart) back(s string, f *Form) (*Node, error) {
	if s == "" {
		return nil, nil
	}
	n := Text(s)
	for i := len(p.filters) - 1; i >= 0; i-- {
		switch name, arg, _ := strings.Cut(p.filters[i], ":"); name {
		case "map":
			c, err := f.Codes.In(arg, n.Text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			if c == "" {
				return nil, nil
			}
			n = &Node{Kind: String, Text: c}
		case "time":
			t, err := time.ParseInLocation(f.Layout, n.Text, f.Zone)
			if err != nil { // its own text would quote the value
				return nil, fmt.Errorf("%s: %w: no time of the form %s", p.name, ErrValue, f.Layout)
			}
			n.Text = t.In(f.Zone).Format(time.RFC3339Nano)
		case "int":
			if !jsonNumber.MatchString(n.Text) {
				return nil, fmt.Errorf("%s: %w: no number", p.name, ErrValue)
			}
			n.Kind = Number
		case "bool":
			b, ok := truth(n.Text)
			if !ok {
				return nil, fmt.Errorf("%s: %w: neither true nor false", p.name, ErrValue)
			}
			n = &Node{Kind: Bool, Text: fmt.Sprint(b)}
		case "base64":
			b, err := base64.StdEncoding.DecodeString(n.Text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w: no Base64", p.name, ErrValue)
			}
			n.Text = string(b)
		}
	}
	return n, nil
}

// truth reads the ways peers write true and false.
func truth(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "true", "1", "y", "yes", "是":
		return true, true
	case "false", "0", "n", "no", "否":
		return false, true
	}
	return false, false
}
