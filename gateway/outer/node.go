package outer

import (
	"slices"
	"strconv"
	"strings"
)

// Node is a document or a part of one: what a peer sent, or is to get, or the
// values a template names. JSON and XML are read into the same form, an XML
// element being an Object with its attributes as members "@name" and its
// characters in Text.
type Node struct {
	Kind    Kind
	Name    string  // of a member
	Text    string  // of a String; of a Number or Bool, as it was written; of an element, its characters
	Members []*Node // of an Object, in order; names may repeat in XML
	Items   []*Node // of a List
}

// Kind is what a Node is.
type Kind int

// Kinds of nodes; the zero Node is Null.
const (
	Null Kind = iota
	String
	Number
	Bool
	Object
	List
)

// Text makes a String.
func Text(s string) *Node { return &Node{Kind: String, Text: s} }

// Int makes a Number.
func Int(n int64) *Node { return &Node{Kind: Number, Text: strconv.FormatInt(n, 10)} }

// NewObject makes an empty Object.
func NewObject() *Node { return &Node{Kind: Object} }

// Value is the node's text, "" for what has none or is not there.
func (n *Node) Value() string {
	if n == nil {
		return ""
	}
	return n.Text
}

// Member returns the first member of a name, or nil.
func (n *Node) Member(name string) *Node {
	if n == nil {
		return nil
	}
	for _, m := range n.Members {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// Get returns what stands at a dotted name below n, or nil.
func (n *Node) Get(name string) *Node {
	for n != nil && name != "" {
		var step string
		step, name, _ = strings.Cut(name, ".")
		n = n.Member(step)
	}
	return n
}

// Set puts v at a dotted name below n, making objects on the way; a value there
// is replaced.
func (n *Node) Set(name string, v *Node) *Node {
	step, rest, deeper := strings.Cut(name, ".")
	n.Kind = Object
	if deeper {
		m := n.Member(step)
		if m == nil {
			m = &Node{Kind: Object, Name: step}
			n.Members = append(n.Members, m)
		}
		m.Set(rest, v)
		return n
	}
	named := *v
	named.Name = step
	if i := slices.IndexFunc(n.Members, func(m *Node) bool { return m.Name == step }); i >= 0 {
		n.Members[i] = &named
	} else {
		n.Members = append(n.Members, &named)
	}
	return n
}

// empty reports that there is nothing to show.
func (n *Node) empty() bool {
	return n == nil || n.Kind == Null || n.Text == "" && len(n.Members) == 0 && len(n.Items) == 0
}
