package profile

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"fayi/adapters/hotline/ticket"
	"fayi/gateway/outer"
)

// Words are the values templates may name, by the names in the tags; below
// appeal, citizen, payload and file come the members of those types. The same
// values leave in a call and come in by a callback or a pull.
type Words struct {
	Key        string             `json:"key,omitempty"`     // idempotency key
	EventID    string             `json:"eventId,omitempty"` //
	HandoffID  string             `json:"handoffId,omitempty"`
	Round      int                `json:"round,omitempty"`
	Seq        int                `json:"seq,omitempty"`
	Code       string             `json:"code,omitempty"`  // the vendor's word for the verb (verbs, news)
	State      string             `json:"state,omitempty"` // canonical; use |map:state
	At         time.Time          `json:"at,omitzero"`
	DispatchAt time.Time          `json:"dispatchAt,omitzero"`
	Due        time.Time          `json:"due,omitzero"`
	PeerNo     string             `json:"peerNo,omitempty"`     // the peer's ticket number
	OriginNo   string             `json:"originNo,omitempty"`   // of the side that offers
	PreviousNo string             `json:"previousNo,omitempty"` // the peer's, of an earlier round
	Number     string             `json:"number,omitempty"`     // in answers: the number given
	Token      string             `json:"token,omitempty"`      // where the number comes later
	Time       time.Time          `json:"time,omitzero"`        // in answers: when it was received
	Origin     string             `json:"origin,omitempty"`     // party codes
	Target     string             `json:"target,omitempty"`
	Unit       string             `json:"unit,omitempty"`
	User       string             `json:"user,omitempty"`
	Kind       string             `json:"kind,omitempty"` // first, reoffer, redo
	Mode       string             `json:"mode,omitempty"`
	Note       string             `json:"note,omitempty"`
	Since      time.Time          `json:"since,omitzero"`
	Cursor     string             `json:"cursor,omitempty"`
	More       bool               `json:"more,omitempty"`
	Limit      int                `json:"limit,omitempty"`
	Route      []ticket.Hop       `json:"route,omitempty"`
	Appeal     *ticket.Appeal     `json:"appeal,omitempty"`
	Citizen    *ticket.Citizen    `json:"citizen,omitempty"`
	Voice      *ticket.Voice      `json:"voice,omitempty"`
	Payload    *ticket.Payload    `json:"payload,omitempty"`
	File       *ticket.Attachment `json:"file,omitempty"`
	Content    string             `json:"content,omitempty"` // bytes of a file, for |base64 or a multipart body
	From       int64              `json:"from"`              // of a piece of a file
	To         int64              `json:"to,omitempty"`      // its last byte
	Size       int64              `json:"size,omitempty"`    // of the whole file
	Steps      []Words            `json:"steps,omitempty"`   // of a flow that is told whole every time
	Units      []ticket.Unit      `json:"units,omitempty"`
	Name       string             `json:"name,omitempty"` // of a unit in a directory
	Division   string             `json:"division,omitempty"`
}

// Node writes words as values for templates.
func (w *Words) Node(p *Profile) (*outer.Node, error) {
	content := w.Content
	w.Content = "" // bytes, which JSON would refuse
	b, err := ticket.Encode(w)
	w.Content = content
	if err != nil {
		return nil, err
	}
	n, err := outer.ParseJSON(b)
	if err != nil {
		return nil, err
	}
	if content != "" {
		n.Set("content", outer.Text(content))
	}
	for k, v := range p.Constants {
		n.Set("constants."+k, outer.Text(v))
	}
	return n, nil
}

// ReadWords reads values into words. Values that templates take from texts get the
// kind their member has.
func ReadWords(n *outer.Node) (*Words, error) {
	if n == nil {
		return nil, fmt.Errorf("%w: could not be read", outer.ErrValue)
	}
	content := n.Get("content").Value()
	c, err := coerce(n, reflect.TypeFor[Words](), "")
	if err != nil {
		return nil, err
	}
	w := &Words{}
	if err := ticket.Decode(outer.AppendJSON(nil, c), w); err != nil {
		return nil, err
	}
	w.Content = content
	return w, nil
}

var timeType = reflect.TypeFor[time.Time]()

// coerce copies the members of n that t has, each in the kind JSON wants for it.
// Members t does not have (auth, constants, content) are left out: templates are
// checked for unknown names when the profile is read.
func coerce(n *outer.Node, t reflect.Type, at string) (*outer.Node, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == timeType || t.Kind() == reflect.String:
		return &outer.Node{Kind: outer.String, Text: n.Text}, nil
	case t.Kind() == reflect.Struct:
		out := outer.NewObject()
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			m := n.Member(name)
			if m == nil || at == "" && name == "content" || m.Kind == outer.Null {
				continue
			}
			c, err := coerce(m, t.Field(i).Type, at+"/"+name)
			if err != nil {
				return nil, err
			}
			out.Set(name, c)
		}
		return out, nil
	case t.Kind() == reflect.Slice:
		out := &outer.Node{Kind: outer.List}
		items := n.Items
		if n.Kind != outer.List {
			items = []*outer.Node{n}
		}
		for i, item := range items {
			c, err := coerce(item, t.Elem(), fmt.Sprintf("%s/%d", at, i))
			if err != nil {
				return nil, err
			}
			out.Items = append(out.Items, c)
		}
		return out, nil
	case t.Kind() == reflect.Bool:
		switch strings.ToLower(n.Text) {
		case "true", "1", "是", "y":
			return &outer.Node{Kind: outer.Bool, Text: "true"}, nil
		case "false", "0", "否", "n":
			return &outer.Node{Kind: outer.Bool, Text: "false"}, nil
		}
		return nil, fmt.Errorf("%w: %s is neither true nor false", outer.ErrValue, at)
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64:
		if !wholeNumber(n.Text) {
			return nil, fmt.Errorf("%w: %s is no whole number", outer.ErrValue, at)
		}
		return &outer.Node{Kind: outer.Number, Text: n.Text}, nil
	}
	return nil, fmt.Errorf("%w: %s", outer.ErrValue, at)
}

func wholeNumber(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	return digits != "" && len(digits) <= 15 && strings.Trim(digits, "0123456789") == "" && (len(digits) == 1 || digits[0] != '0')
}

// wordExists tells whether templates may name a value.
func wordExists(name string, constants map[string]string) bool {
	if head, rest, _ := strings.Cut(name, "."); head == "auth" {
		return true
	} else if head == "constants" {
		_, ok := constants[rest]
		return ok
	}
	t := reflect.TypeFor[Words]()
	for step := range strings.SplitSeq(name, ".") {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || t == timeType {
			return false
		}
		found := false
		for i := range t.NumField() {
			tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if tag == step {
				t, found = t.Field(i).Type, true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}
