package schemas

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"fayi/schemas/formats"
)

// Steps of x-normalise, in the order they are taken in, whatever the order they are declared in.
const (
	stepHalfWidth = "half-width" // full-width letters, digits and signs (U+FF01 to U+FF5E) and the ideographic space become ASCII
	stepTrim      = "trim"       // white space and invisible characters at both ends go
	stepUpper     = "upper"      // a to z become A to Z
	stepAbsent    = "absent"     // a placeholder such as 暂无 goes, and the member with it
)

var steps = []string{stepHalfWidth, stepTrim, stepUpper, stepAbsent}

// maxNormalised is the largest value that is changed, in bytes; a change keeps what the value was.
const maxNormalised = 500

// Change tells what [Type.Normalise] did to one value.
type Change struct {
	At  string   `json:"at"`  // JSON pointer of the member
	By  []string `json:"by"`  // steps that changed it
	Was string   `json:"was"` // the text it had
}

// Normalise changes those values that faults complain of and for which the type declares how (x-normalise), and nothing else: what is valid as
// it stands is never touched. It is for the origin's intake alone, before a record is sealed; whoever uses it judges the result again and
// publishes the changes beside the record. Without any change it returns data itself.
func (t *Type) Normalise(data []byte, faults Faults) ([]byte, []Change) {
	var changes []Change
	for _, f := range faults {
		if slices.ContainsFunc(changes, func(c Change) bool { return c.At == f.Pointer }) {
			continue
		}
		path, declared := t.normalised(f.Pointer)
		if len(declared) == 0 {
			continue
		}
		name, value, ok := locate(data, path)
		if !ok || data[value.Start] != '"' || value.End-value.Start > maxNormalised {
			continue
		}
		var was string
		if json.Unmarshal(data[value.Start:value.End], &was) != nil {
			continue
		}
		now, by := normalise(was, declared)
		switch {
		case len(by) == 0:
			continue
		case slices.Contains(by, stepAbsent):
			data = without(data, name.Start, value.End)
		default:
			data = slices.Concat(data[:value.Start], quoted(now), data[value.End:])
		}
		changes = append(changes, Change{f.Pointer, by, was})
	}
	return data, changes
}

// normalised gives the steps of a pointer and the declared normalisation of the field it names.
func (t *Type) normalised(ptr string) (path, declared []string) {
	if ptr == "" {
		return nil, nil
	}
	n := t.root
	for _, step := range strings.Split(ptr[1:], "/") {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		path = append(path, step)
		if c := n.child(step); c != nil {
			n = c
		} else if n.items != nil {
			n = n.items
		} else {
			return nil, nil
		}
	}
	return path, n.Normalise
}

// normalise takes the declared steps and names those that changed something.
func normalise(s string, declared []string) (now string, by []string) {
	for _, step := range steps {
		if !slices.Contains(declared, step) {
			continue
		}
		next := s
		switch step {
		case stepHalfWidth:
			next = strings.Map(func(r rune) rune {
				switch {
				case r >= '！' && r <= '～':
					return r - '！' + '!'
				case r == '\u3000':
					return ' '
				}
				return r
			}, s)
		case stepTrim:
			next = strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff' })
		case stepUpper:
			next = strings.Map(func(r rune) rune {
				if r >= 'a' && r <= 'z' {
					return r - 'a' + 'A'
				}
				return r
			}, s)
		case stepAbsent:
			if formats.Placeholder(s) {
				return "", append(by, step)
			}
		}
		if next != s {
			s, by = next, append(by, step)
		}
	}
	return s, by
}

// quoted writes a text as JSON without escaping what need not be.
func quoted(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a text can always be written
	return bytes.TrimRight(b.Bytes(), "\n")
}

// locate finds the value at a path of member names and indexes, and the name of the member that holds it (empty for an element). ok is false
// where there is none. Bytes that are no JSON are no reason to panic.
func locate(d []byte, path []string) (name, value span, ok bool) {
	value = span{scanSpace(d, 0), len(d)}
	for _, step := range path {
		i := value.Start
		if i >= len(d) || (d[i] != '{' && d[i] != '[') {
			return name, value, false
		}
		object, index, found := d[i] == '{', 0, false
		for i = scanSpace(d, i+1); i < len(d) && d[i] != '}' && d[i] != ']'; index++ {
			this := strconv.Itoa(index)
			name = span{i, i}
			if object {
				text := scanText(d, i+1)
				if d[i] != '"' || text.end == refused {
					return name, value, false
				}
				this = string(text.content(d))
				if i = scanColon(d, text.next()); i == refused {
					return name, value, false
				}
			}
			end := scanAny(d, i, 1)
			if end == refused {
				return name, value, false
			}
			if this == step {
				value, found = span{i, end}, true
				break
			}
			if i = scanSpace(d, end); i < len(d) && d[i] == ',' {
				i = scanSpace(d, i+1)
			}
		}
		if !found {
			return name, value, false
		}
	}
	return name, value, len(path) > 0
}

// span is a piece of a record.
type span struct{ Start, End int }

// without leaves out a member and one comma beside it.
func without(d []byte, start, end int) []byte {
	if next := scanSpace(d, end); next < len(d) && d[next] == ',' {
		end = scanSpace(d, next+1)
	} else {
		for start > 0 && (d[start-1] == ' ' || d[start-1] == '\n' || d[start-1] == '\t' || d[start-1] == '\r' || d[start-1] == ',') {
			start--
			if d[start] == ',' {
				break
			}
		}
	}
	return slices.Concat(d[:start], d[end:])
}
