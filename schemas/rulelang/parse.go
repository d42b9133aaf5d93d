package rulelang

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of one rule.
const (
	MaxLength = 1000 // bytes
	MaxNodes  = 100  // parts: operators, values, functions
	MaxSlots  = 64   // different members of one object that its rules name
	maxDepth  = 16
)

// node is a part of an expression.
type node struct {
	op   string // an operator, the name of a function, or one of the kinds of leaves below
	kids []*node
	at   int // byte of the expression where it stands, for messages

	text string   // of a leaf: member's name, or content of a literal
	raw  []byte   // text of a literal, for Bytes
	num  int64    // of an integer; yyyymmdd of a date
	set  []string // of in

	kind Kind  // of the value, known after typing
	slot int   // of a member
	a, b int   // of part
	code opNum // of the node, for Bytes
}

// Leaves.
const (
	member  = "member"
	literal = "text"
	integer = "integer"
	boolean = "boolean"
)

type parser struct {
	src   string
	at    int
	tok   string // "" at the end
	start int    // of tok
	text  string // content of a literal token
	nodes int
	depth int
}

// parse reads one expression.
func parse(src string) (n *node, err error) {
	if len(src) > MaxLength {
		return nil, fmt.Errorf("is longer than %d bytes", MaxLength)
	}
	if !utf8.ValidString(src) {
		return nil, errors.New("is not UTF-8")
	}
	p := &parser{src: src}
	if err := p.next(); err != nil {
		return nil, err
	}
	if n, err = p.implication(); err != nil {
		return nil, err
	}
	if p.tok != "" {
		return nil, p.unexpected("the end")
	}
	return n, nil
}

func (p *parser) fail(format string, args ...any) error {
	return fmt.Errorf("at byte %d: %s", p.start+1, fmt.Sprintf(format, args...))
}

func (p *parser) unexpected(want string) error {
	if p.tok == "" {
		return p.fail("ends where %s should follow", want)
	}
	return p.fail("%q stands where %s should follow", p.tok, want)
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

// next reads a token: a name, a number, a text in quotes, or an operator.
func (p *parser) next() error {
	for p.at < len(p.src) && strings.IndexByte(" \t\n", p.src[p.at]) >= 0 {
		p.at++
	}
	p.start, p.tok, p.text = p.at, "", ""
	if p.at == len(p.src) {
		return nil
	}
	i := p.at
	switch c := p.src[i]; {
	case letter(c):
		for i < len(p.src) && (letter(p.src[i]) || digit(p.src[i]) || p.src[i] == '_') {
			i++
		}
	case digit(c):
		for i < len(p.src) && digit(p.src[i]) {
			i++
		}
	case c == '"':
		n := strings.IndexByte(p.src[i+1:], '"')
		if n < 0 {
			return p.fail("a text without its closing quote")
		}
		p.text, i = p.src[i+1:i+1+n], i+n+2
		if strings.ContainsAny(p.text, "\\\x00\n\r\t") {
			return p.fail("a text with a backslash or control character")
		}
	default:
		for _, op := range []string{"=>", "==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ","} {
			if strings.HasPrefix(p.src[i:], op) {
				i += len(op)
				break
			}
		}
		if i == p.at {
			r, _ := utf8.DecodeRuneInString(p.src[i:])
			return p.fail("%q is no part of the language", r)
		}
	}
	p.tok, p.at = p.src[p.at:i], i
	return nil
}

// node makes a node that stands at the present token.
func (p *parser) node(op string, kids ...*node) (*node, error) {
	if p.nodes++; p.nodes > MaxNodes {
		return nil, fmt.Errorf("has more than %d parts", MaxNodes)
	}
	return &node{op: op, kids: kids, at: p.start}, nil
}

func (p *parser) expect(tok string) error {
	if p.tok != tok {
		return p.unexpected(strconv.Quote(tok))
	}
	return p.next()
}

func (p *parser) implication() (*node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	left, err := p.chain("or")
	if err != nil || p.tok != "=>" {
		return left, err
	}
	n, err := p.node("=>", left)
	if err == nil {
		err = p.next()
	}
	if err != nil {
		return nil, err
	}
	right, err := p.implication()
	n.kids = append(n.kids, right)
	return n, err
}

// chain reads what or or and join.
func (p *parser) chain(op string) (*node, error) {
	below := p.negation
	if op == "or" {
		below = func() (*node, error) { return p.chain("and") }
	}
	left, err := below()
	for err == nil && p.tok == op {
		var n, right *node
		if n, err = p.node(op, left); err != nil {
			break
		}
		if err = p.next(); err != nil {
			break
		}
		if right, err = below(); err == nil {
			n.kids = append(n.kids, right)
			left = n
		}
	}
	return left, err
}

func (p *parser) negation() (*node, error) {
	if p.tok != "not" {
		return p.comparison()
	}
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	n, err := p.node("not")
	if err == nil {
		err = p.next()
	}
	if err != nil {
		return nil, err
	}
	below, err := p.negation()
	n.kids = []*node{below}
	return n, err
}

func (p *parser) comparison() (*node, error) {
	left, err := p.value()
	if err != nil {
		return nil, err
	}
	switch p.tok {
	case "==", "!=", "<", "<=", ">", ">=":
		n, err := p.node(p.tok, left)
		if err == nil {
			err = p.next()
		}
		if err != nil {
			return nil, err
		}
		right, err := p.value()
		n.kids = append(n.kids, right)
		return n, err
	case "in":
		n, err := p.node("in", left)
		if err == nil {
			err = p.next()
		}
		if err == nil {
			err = p.expect("[")
		}
		for err == nil {
			if !strings.HasPrefix(p.tok, `"`) {
				return nil, p.unexpected("a text in quotes")
			}
			if p.nodes++; p.nodes > MaxNodes {
				return nil, fmt.Errorf("has more than %d parts", MaxNodes)
			}
			n.set = append(n.set, p.text)
			if err = p.next(); err != nil || p.tok != "," {
				break
			}
			err = p.next()
		}
		if err == nil {
			err = p.expect("]")
		}
		return n, err
	}
	return left, nil
}

func (p *parser) value() (*node, error) {
	tok := p.tok
	switch {
	case tok == "(":
		if err := p.next(); err != nil {
			return nil, err
		}
		n, err := p.implication()
		if err == nil {
			err = p.expect(")")
		}
		return n, err
	case strings.HasPrefix(tok, `"`):
		n, err := p.node(literal)
		if err != nil {
			return nil, err
		}
		n.text, n.raw = p.text, []byte(p.text)
		return n, p.next()
	case tok != "" && digit(tok[0]):
		n, err := p.node(integer)
		if err != nil {
			return nil, err
		}
		if len(tok) > 15 || (len(tok) > 1 && tok[0] == '0') {
			return nil, p.fail("%s is no whole number of at most 15 digits", tok)
		}
		n.num, _ = strconv.ParseInt(tok, 10, 64)
		return n, p.next()
	case tok == "true" || tok == "false":
		n, err := p.node(boolean)
		if err != nil {
			return nil, err
		}
		n.text = tok
		return n, p.next()
	case tok == "" || !letter(tok[0]) || tok == "and" || tok == "or" || tok == "not" || tok == "in":
		return nil, p.unexpected("a value")
	}
	n, err := p.node(member)
	if err != nil {
		return nil, err
	}
	n.text = tok
	if err := p.next(); err != nil || p.tok != "(" {
		return n, err
	}
	n.op = tok
	if _, ok := functions[tok]; !ok {
		return nil, fmt.Errorf("at byte %d: there is no function %q", n.at+1, tok)
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	for p.tok != ")" {
		kid, err := p.implication()
		if err != nil {
			return nil, err
		}
		n.kids = append(n.kids, kid)
		if p.tok != "," {
			break
		}
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	return n, p.expect(")")
}

// Canonical writes a rule so that two spellings of one expression, differing in white space and needless parentheses, come out alike.
func Canonical(src string) (string, error) {
	n, err := parse(src)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	n.write(&b)
	return b.String(), nil
}

func (n *node) write(b *strings.Builder) {
	switch n.op {
	case member, boolean:
		b.WriteString(n.text)
	case literal:
		b.WriteString(`"` + n.text + `"`)
	case integer:
		b.WriteString(strconv.FormatInt(n.num, 10))
	case "in":
		b.WriteByte('(')
		n.kids[0].write(b)
		b.WriteString(` in ["` + strings.Join(n.set, `", "`) + `"])`)
	case "=>", "or", "and", "==", "!=", "<", "<=", ">", ">=":
		b.WriteByte('(')
		n.kids[0].write(b)
		b.WriteString(" " + n.op + " ")
		n.kids[1].write(b)
		b.WriteByte(')')
	default: // not, or a function
		b.WriteString(n.op + "(")
		for i, kid := range n.kids {
			if i > 0 {
				b.WriteString(", ")
			}
			kid.write(b)
		}
		b.WriteByte(')')
	}
}
