package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// tree is a parsed JSON value that keeps the order of members; object and array are nil for scalars.
type tree struct {
	object *[]treeMember
	array  *[]*tree
	scalar any // string, json.Number, bool or nil
}

type treeMember struct {
	name  string
	value *tree
}

// parseTree reads one JSON value and nothing after it, without duplicate members and no deeper than maxDepth.
func parseTree(data []byte) (*tree, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	t, err := readTree(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return t, nil
}

func readTree(dec *json.Decoder, depth int) (*tree, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return &tree{scalar: tok}, nil
	}
	if delim == '[' {
		items := []*tree{}
		for dec.More() {
			item, err := readTree(dec, depth+1)
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		_, err := dec.Token()
		return &tree{array: &items}, err
	}
	members := []treeMember{}
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name := tok.(string)
		if seen[name] {
			return nil, fmt.Errorf("member %q occurs twice", name)
		}
		seen[name] = true
		value, err := readTree(dec, depth+1)
		if err != nil {
			return nil, err
		}
		members = append(members, treeMember{name, value})
	}
	_, err = dec.Token()
	return &tree{object: &members}, err
}

// get returns the member of an object, or nil.
func (t *tree) get(name string) *tree {
	if t == nil || t.object == nil {
		return nil
	}
	for _, m := range *t.object {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// members returns the members of an object, in order; none for anything else.
func (t *tree) members() []treeMember {
	if t == nil || t.object == nil {
		return nil
	}
	return *t.object
}

// items returns the elements of an array; none for anything else.
func (t *tree) items() []*tree {
	if t == nil || t.array == nil {
		return nil
	}
	return *t.array
}

// text returns a string member, or "".
func (t *tree) text(name string) string {
	v := t.get(name)
	if v == nil {
		return ""
	}
	s, _ := v.scalar.(string)
	return s
}

// texts returns an array of strings; ok is false if it is anything else.
func (t *tree) texts() (list []string, ok bool) {
	if t == nil || t.array == nil {
		return nil, false
	}
	for _, item := range *t.array {
		s, ok := item.scalar.(string)
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

// oddName finds a member name with anything but lower-case letters and underscores.
func (t *tree) oddName() (name string, found bool) {
	for _, m := range t.members() {
		if strings.Trim(m.name, "abcdefghijklmnopqrstuvwxyz_") != "" {
			return m.name, true
		}
		if name, found := m.value.oddName(); found {
			return name, found
		}
	}
	for _, item := range t.items() {
		if name, found := item.oddName(); found {
			return name, found
		}
	}
	return "", false
}

var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

// pointer joins the tokens to a JSON pointer.
func pointer(tokens ...string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteByte('/')
		b.WriteString(pointerEscaper.Replace(t))
	}
	return b.String()
}
