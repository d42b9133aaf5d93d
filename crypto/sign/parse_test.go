package sign_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"fayi/crypto/sign"
)

// change makes a copy of an example by way of its bytes, changes it and parses
// what is written.
func change[T any](t *testing.T, golden string, parse func([]byte) (*T, error), f func(*T)) error {
	t.Helper()
	v := must(parse([]byte(golden)))(t)
	f(v)
	_, err := parse(must(sign.Marshal(v))(t))
	return err
}

type changes[T any] map[string]func(*T)

func (cs changes[T]) refused(t *testing.T, golden string, parse func([]byte) (*T, error)) {
	t.Helper()
	for what, f := range cs {
		if err := change(t, golden, parse, f); err == nil || errors.Is(err, sign.ErrNotCanonical) {
			t.Errorf("%s: error %v", what, err)
		}
	}
}

func repeat[T any](n int, item T) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = item
	}
	return out
}

func TestParseReceiptChecks(t *testing.T) {
	s := sign.StreamReceipt{Stream: cases, Gen: 1, Upto: 1}
	bad := changes[sign.Receipt]{
		"version 0":                  func(r *sign.Receipt) { r.V = 0 },
		"version 2":                  func(r *sign.Receipt) { r.V = 2 },
		"no reader":                  func(r *sign.Receipt) { r.By = "" },
		"upper-case reader":          func(r *sign.Receipt) { r.By = "A10000" },
		"malformed origin":           func(r *sign.Receipt) { r.Origin = "6108_0" },
		"another origin's streams":   func(r *sign.Receipt) { r.Origin = "610000" },
		"no level":                   func(r *sign.Receipt) { r.Level = "" },
		"unknown level":              func(r *sign.Receipt) { r.Level = "seen" },
		"upper-case level":           func(r *sign.Receipt) { r.Level = "STORED" },
		"another origin's stream":    func(r *sign.Receipt) { r.Streams[0].Stream = "610000/legal_aid_case/upstream" },
		"malformed stream":           func(r *sign.Receipt) { r.Streams[0].Stream = "610800/case/all" },
		"one stream twice":           func(r *sign.Receipt) { r.Streams = append(r.Streams, r.Streams[0]) },
		"malformed orphan":           func(r *sign.Receipt) { r.Orphans[0].Stream = "610800" },
		"another origin's orphan":    func(r *sign.Receipt) { r.Orphans[0].Stream = "610000/legal_aid_case/upstream" },
		"too many streams":           func(r *sign.Receipt) { r.Streams = repeat(sign.MaxStreams+1, s) },
		"too many orphans":           func(r *sign.Receipt) { r.Orphans = repeat(sign.MaxStreams+1, r.Orphans[0]) },
		"the star is for keys alone": func(r *sign.Receipt) { r.Streams[0].Stream = "*" },
	}
	bad.refused(t, objects[0].golden, sign.ParseReceipt)
	// Two runs of orphans of one stream are no fault, nor is a receipt of nothing.
	good := changes[sign.Receipt]{
		"two orphans": func(r *sign.Receipt) {
			r.Orphans = append(r.Orphans, sign.OrphanRange{Stream: cases, Gen: 9, First: 1, Last: 2})
		},
		"no streams":       func(r *sign.Receipt) { r.Streams, r.Orphans = []sign.StreamReceipt{}, []sign.OrphanRange{} },
		"as many as named": func(r *sign.Receipt) { r.Orphans = repeat(sign.MaxStreams, r.Orphans[0]) },
	}
	for what, f := range good {
		if err := change(t, objects[0].golden, sign.ParseReceipt, f); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestParseNoteChecks(t *testing.T) {
	bad := changes[sign.Note]{
		"version 2":               func(n *sign.Note) { n.V = 2 },
		"malformed node":          func(n *sign.Note) { n.Node = "6" },
		"another node's stream":   func(n *sign.Note) { n.Heads[0].Stream = "610000/legal_aid_case/upstream" },
		"malformed stream":        func(n *sign.Note) { n.Heads[0].Stream = "610800/legal_aid_case/all" },
		"a stream's head twice":   func(n *sign.Note) { n.Heads = append(n.Heads, sign.Head{Stream: cases, Gen: 9, Last: 9}) },
		"malformed in directory":  func(n *sign.Note) { n.Dir[0].Stream = "x" },
		"a directory head twice":  func(n *sign.Note) { n.Dir = append(n.Dir, n.Dir[0]) },
		"too many heads":          func(n *sign.Note) { n.Heads = repeat(sign.MaxStreams+1, n.Heads[0]) },
		"too many directory ones": func(n *sign.Note) { n.Dir = repeat(sign.MaxStreams+1, n.Dir[0]) },
	}
	bad.refused(t, objects[1].golden, sign.ParseNote)
	own := func(n *sign.Note) { n.Dir[0].Stream = n.Heads[0].Stream }
	if err := change(t, objects[1].golden, sign.ParseNote, own); err != nil {
		t.Errorf("a registrar's node holds its own directory stream: %v", err)
	}
}

func TestParseCallChecks(t *testing.T) {
	badCalls := changes[sign.Call]{
		"version 2":      func(c *sign.Call) { c.V = 2 },
		"malformed from": func(c *sign.Call) { c.From = "" },
		"malformed to":   func(c *sign.Call) { c.To = "61 0800" },
		"malformed op":   func(c *sign.Call) { c.Op = "../fetch" },
		"no op":          func(c *sign.Call) { c.Op = "" },
	}
	badCalls.refused(t, objects[2].golden, sign.ParseCall)
	badAnswers := changes[sign.Answer]{
		"version 2":      func(a *sign.Answer) { a.V = 2 },
		"malformed from": func(a *sign.Answer) { a.From = "" },
		"malformed to":   func(a *sign.Answer) { a.To = "" },
	}
	badAnswers.refused(t, objects[3].golden, sign.ParseAnswer)
}

// Args and Result are judged by the operation that reads them, with Unmarshal:
// what ParseCall lets through in them it does not.
func TestArgsAreReadCanonically(t *testing.T) {
	type args struct {
		Since string `json:"since"`
		Wait  uint64 `json:"wait"`
	}
	for _, raw := range []string{`{"wait":1,"since":""}`, `{"since":"","wait":1,"wait":2}`, `{"since":"","WAIT":1}`, `{"since":"","wait":1,"x":1}`, `{}`} {
		body := strings.Replace(objects[2].golden, `{"max_bytes":1048576}`, raw, 1)
		c := must(sign.ParseCall([]byte(body)))(t)
		if err := sign.Unmarshal(c.Args, new(args)); !errors.Is(err, sign.ErrNotCanonical) {
			t.Errorf("%s: %v", raw, err)
		}
	}
	var a args
	if err := sign.Unmarshal(json.RawMessage(`{"since":"","wait":1}`), &a); err != nil || a.Wait != 1 {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestParseEntryChecks(t *testing.T) {
	bad := changes[sign.Entry]{
		"version 2":                func(e *sign.Entry) { e.V = 2 },
		"malformed node":           func(e *sign.Entry) { e.Node = "6108OO" },
		"look-alike node":          func(e *sign.Entry) { e.Node = "６10800" },
		"malformed parent":         func(e *sign.Entry) { e.Parent = "6" },
		"its own parent":           func(e *sign.Entry) { e.Parent = e.Node },
		"number 0":                 func(e *sign.Entry) { e.N = 0 },
		"no signing key":           func(e *sign.Entry) { e.Sign = []sign.SignKey{} },
		"too many signing keys":    func(e *sign.Entry) { e.Sign = repeat(65, e.Sign[0]) },
		"too many encryption keys": func(e *sign.Entry) { e.Enc = repeat(65, e.Enc[0]) },
		"too many registrars":      func(e *sign.Entry) { e.Registrars = repeat(17, e.Enc[0]) },
		"too wide a territory":     func(e *sign.Entry) { e.Territory = repeat(65, "61") },
		"star with a generation":   func(e *sign.Entry) { e.Sign[0].From[0].Gen = 1 },
		"star with a number":       func(e *sign.Entry) { e.Sign[0].From[0].Seq = 1 },
		"star as an end":           func(e *sign.Entry) { e.Sign[0].Upto[0].Stream = "*" },
		"malformed start":          func(e *sign.Entry) { e.Sign[1].From[0].Stream = "610800/legal_aid_case/" },
		"malformed end":            func(e *sign.Entry) { e.Sign[0].Upto[0].Stream = "" },
		"two ends in one stream": func(e *sign.Entry) {
			e.Sign[0].Upto = append(e.Sign[0].Upto, sign.EndPoint{Stream: cases, Gen: math53})
		},
		"audience not of the list":  func(e *sign.Entry) { e.Sign[1].From[0].Stream = "610800/legal_aid_case/all" },
		"audience of unsorted ones": func(e *sign.Entry) { e.Sign[1].From[0].Stream = "610800/ticket/to-610700+610000" },
	}
	bad.refused(t, objects[4].golden, sign.ParseEntry)
	if err := change(t, objects[4].golden, sign.ParseEntry, func(e *sign.Entry) { e.Parent = "" }); err != nil {
		t.Errorf("an anchor: %v", err)
	}
}

const math53 = 1<<53 - 1
