package sfxml

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Head is what stands before the records of a message.
type Head struct {
	Stream string // origin/type/audience, "" if the records are of none yet
	Next   string // gen:seq to go on from, "" where nobody asks
	End    bool   // with Next: nothing more for now
}

// Record is one record of a message with its own head. Zero members are left out; an absent op is put.
type Record struct {
	Op, Key  string
	Schema   string // type@version#digest it was judged by
	Gen, Seq uint64
	At, Src  string
	Resend   bool
	Data     []byte // one JSON object; nil if there is none, as for del
}

// Close ends a message.
const Close = "</body>\n</message>\n"

// AppendOpen writes the beginning of a message up to its first record.
func AppendOpen(dst []byte, typ string, h Head) []byte {
	dst = append(dst, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<message xmlns="`...)
	dst = appendText(dst, Namespace(typ), true)
	dst = append(dst, "\">\n<head>"...)
	dst = leaf(dst, "type", typ)
	dst = leaf(dst, "stream", h.Stream)
	if h.Next != "" {
		dst = leaf(dst, "next", h.Next)
		dst = leaf(dst, "end", strconv.FormatBool(h.End))
	}
	return append(dst, "</head>\n<body>\n"...)
}

// leaf writes an element of a head, none for "".
func leaf(dst []byte, name, s string) []byte {
	if s == "" {
		return dst
	}
	dst = append(append(append(dst, '<'), name...), '>')
	dst = appendText(dst, shown(s), false)
	return append(append(append(dst, "</"...), name...), '>')
}

// AppendRecord writes one record on a line of its own. Data must be valid by the type; an error says that they are not one JSON object of the
// type's members, and dst then holds what was written so far.
func (m *Mapping) AppendRecord(dst []byte, r Record) ([]byte, error) {
	dst = append(dst, "<record><head>"...)
	dst = leaf(dst, "op", r.Op)
	dst = leaf(dst, "key", r.Key)
	dst = leaf(dst, "schema", r.Schema)
	if r.Gen != 0 {
		dst = leaf(dst, "gen", strconv.FormatUint(r.Gen, 10))
	}
	if r.Seq != 0 {
		dst = leaf(dst, "seq", strconv.FormatUint(r.Seq, 10))
	}
	dst = leaf(dst, "at", r.At)
	dst = leaf(dst, "src", r.Src)
	if r.Resend {
		dst = leaf(dst, "resend", "true")
	}
	dst = append(dst, "</head>"...)
	if r.Data != nil {
		if !json.Valid(r.Data) {
			return dst, fmt.Errorf("%s: not JSON", m.typ.Name())
		}
		w := writer{in: r.Data, out: dst}
		err := w.value(m.root, "data", nil)
		if dst = w.out; err != nil {
			return dst, fmt.Errorf("%s: %w", m.typ.Name(), err)
		}
	}
	return append(dst, "</record>\n"...), nil
}

// writer walks JSON known to be well-formed.
type writer struct {
	in  []byte
	pos int
	out []byte
}

// peek returns the next byte that is no white space and no separator.
func (w *writer) peek() byte {
	for bytes.IndexByte([]byte(" \t\r\n,:"), w.in[w.pos]) >= 0 {
		w.pos++
	}
	return w.in[w.pos]
}

// raw returns the inside of the string at the position.
func (w *writer) raw() string {
	start := w.pos + 1
	for w.pos = start; w.in[w.pos] != '"'; w.pos++ {
		if w.in[w.pos] == '\\' {
			w.pos++
		}
	}
	w.pos++
	return string(w.in[start : w.pos-1])
}

// token returns the number or literal at the position.
func (w *writer) token() string {
	start := w.pos
	for w.pos < len(w.in) && bytes.IndexByte([]byte(" \t\r\n,]}"), w.in[w.pos]) < 0 {
		w.pos++
	}
	return string(w.in[start:w.pos])
}

// kindOf tells the kind of value a first byte begins; anything for null.
func kindOf(c byte) kind {
	switch c {
	case '"':
		return text
	case '{':
		return object
	case '[':
		return list
	case 't', 'f':
		return boolean
	case 'n':
		return anything
	}
	return number
}

// attribute writes an attribute that holds JSON as it stands.
func (w *writer) attribute(name, raw string) {
	w.out = append(append(append(w.out, ' '), name...), `="`...)
	w.out = append(appendText(w.out, carrier.Replace(raw), true), '"')
}

// value writes the value at the position as an element. exact is the member's name as it stands in the
// JSON, nil if that is the element's.
func (w *writer) value(e *element, name string, exact []byte) error {
	if k := kindOf(w.peek()); k != e.kind && e.kind != anything {
		return fmt.Errorf("%s is not of the type its schema wants", e.path)
	}
	w.out = append(append(w.out, '<'), name...)
	if exact != nil {
		w.attribute("name", string(exact))
	}
	switch e.kind {
	case anything:
		w.attribute("json", w.whole())
		w.out = append(w.out, '>')
	case object:
		w.out = append(w.out, '>')
		if err := w.object(e); err != nil {
			return err
		}
	case list:
		w.out = append(w.out, '>')
		for w.pos++; w.peek() != ']'; {
			if err := w.value(e.item, "item", nil); err != nil {
				return err
			}
		}
		w.pos++
	case text:
		raw := w.raw()
		s, ok := decodeJSON(raw)
		if !ok {
			return fmt.Errorf("%s is no text", e.path)
		}
		visible := shown(s)
		if visible != s || !isPlain(raw, s) {
			w.attribute("json", raw)
		}
		w.out = appendText(append(w.out, '>'), visible, false)
	default:
		w.out = append(append(w.out, '>'), w.token()...)
	}
	w.out = append(append(append(w.out, "</"...), name...), '>')
	return nil
}

// whole returns the value at the position without white space.
func (w *writer) whole() string {
	var b bytes.Buffer
	var raw json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(w.in[w.pos:]))
	_ = dec.Decode(&raw) // known to be well-formed
	w.pos += int(dec.InputOffset())
	_ = json.Compact(&b, raw)
	return b.String()
}

// isPlain tells whether raw is how [appendJSON] writes s.
func isPlain(raw, s string) bool {
	plain := appendJSON(nil, s)
	return string(plain[1:len(plain)-1]) == raw
}

// free is the form of a member that is not listed.
var free = &element{kind: anything}

func (w *writer) object(e *element) error {
	seen := make([]bool, len(e.members))
	for w.pos++; w.peek() != '}'; {
		raw := w.raw()
		name, _ := decodeJSON(raw)
		i, listed := e.index[name]
		if !listed && !e.open || listed && seen[i] {
			return fmt.Errorf("%s has no member %q, or twice", e.path, name)
		}
		member, exact := free, []byte(raw)
		if !listed {
			name = extra
		} else if member, seen[i] = e.members[i], true; raw == name {
			exact = nil
		}
		if err := w.value(member, name, exact); err != nil {
			return err
		}
	}
	w.pos++
	return nil
}
