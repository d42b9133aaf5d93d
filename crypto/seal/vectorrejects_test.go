package seal_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
)

// rejectVector is something that must be refused, and the code it is refused
// with. Text is UTF-8 as it stands, Hex any bytes; one of them is given.
type rejectVector struct {
	What    string   `json:"what"`
	Kind    string   `json:"kind"`
	Text    string   `json:"text,omitempty"`
	Hex     hexBytes `json:"hex,omitempty"`
	Code    string   `json:"code"`
	Pointer string   `json:"pointer,omitempty"` // of the fault, for data
}

func makeRejects(t *testing.T, seg segmentVector, objects []objectVector) []rejectVector {
	var out []rejectVector
	add := func(kind, what, code, text string) {
		v := rejectVector{What: what, Kind: kind, Code: code, Text: text}
		if text != strings.ToValidUTF8(text, "") || text == "" {
			v.Text, v.Hex = "", []byte(text)
		}
		out = append(out, v)
	}
	spelt := func(kind, good, old string) { // old is a member with a number, first of all
		change := func(what, code, new string) {
			if !strings.Contains(good, old) {
				t.Fatalf("%s has no %s", kind, old)
			}
			add(kind, what, code, strings.Replace(good, old, new, 1))
		}
		name, number, _ := strings.Cut(old, ":")
		const code = "NOT_CANONICAL"
		change("upper-case member name", code, strings.ToUpper(name)+":"+number)
		change("member twice", code, old+","+old)
		change("member twice, once in upper case", code, old+","+strings.ToUpper(name)+":"+number)
		change("escape in a member name", code, fmt.Sprintf(`"\u%04x%s:%s`, name[1], name[2:], number))
		change("null", code, name+":null")
		change("number with fraction", code, old+".0")
		change("number with exponent", code, old+"e0")
		change("leading zero", code, name+":0"+number)
		change("negative number", code, name+":-"+number)
		change("number of 2^53", code, name+":9007199254740992")
		change("number as text", code, name+`:"`+number+`"`)
		change("white space", code, name+": "+number)
		change("unknown member", code, old+`,"zz":1`)
		add(kind, "space at the end", code, good+" ")
		add(kind, "line feed at the end", code, good+"\n")
		add(kind, "a second object", code, good+"{}")
		add(kind, "member missing", code, strings.Replace(good, old+",", "", 1))
		add(kind, "time in UTC", code, strings.Replace(good, "+08:00", "+00:00", 1))
	}
	spelt("header", seg.Header, `"gen":1764230400`)
	for _, o := range objects {
		spelt(o.Kind, o.Body, `"v":1`)
	}
	header := func(what, code, old, new string) { add("header", what, code, strings.Replace(seg.Header, old, new, 1)) }
	header("another version", "SUITE_UNKNOWN", `"v":1`, `"v":2`)
	header("another suite", "SUITE_UNKNOWN", seal.Suite, "SM2-SM3-SM4GCM-2")
	header("count 0", "MALFORMED", `"count":3`, `"count":0`)
	header("count 1001", "MALFORMED", `"count":3`, `"count":1001`)
	header("schema of another type", "MALFORMED", `"legal_aid_case@`, `"ticket@`)
	header("audience not of the list", "MALFORMED", `/upstream"`, `/all"`)
	header("STREAM besides", "NOT_CANONICAL", `"gen"`, `"STREAM":"610000/x1/upstream","gen"`)
	header("not ASCII (U+017F)", "MALFORMED", `"stream"`, `"ſtream"`)
	header("BOM", "MALFORMED", `{"v"`, "\uFEFF"+`{"v"`)
	receipt := objects[0].Body
	add("receipt", "stream of another origin", "MALFORMED", strings.Replace(receipt, `"610800/`, `"610700/`, 1))
	add("receipt", "unknown level", "MALFORMED", strings.Replace(receipt, `"stored"`, `"seen"`, 1))
	add("receipt", "U+017F in a member name", "NOT_CANONICAL", strings.Replace(receipt, `"streams"`, `"ſtreams"`, 1))
	add("receipt", "BOM", "NOT_CANONICAL", "\uFEFF"+receipt)
	add("receipt", "invalid UTF-8", "NOT_CANONICAL", strings.Replace(receipt, "stored", "st\xffred", 1))
	add("entry", "escaped character", "NOT_CANONICAL", strings.Replace(objects[4].Body, "测试", `\u6d4b试`, 1))
	add("entry", "less-than sign escaped", "NOT_CANONICAL", strings.Replace(objects[4].Body, "<", `\u003c`, 1))
	add("entry", "line separator U+2028", "NOT_CANONICAL", strings.Replace(objects[4].Body, "测试", "测试\u2028", 1))
	add("entry", "star with a number", "MALFORMED", strings.Replace(objects[4].Body, `["*",0,0]`, `["*",0,1]`, 1))
	for what, name := range map[string]string{
		"no audience": "610800/ticket", "unknown audience": "610800/ticket/all", "upper-case type": "610800/Ticket/public", "ids not sorted": "610800/ticket/to-610700+610000",
		"id twice": "610800/ticket/to-610000+610000", "no id": "610800/ticket/to-", "line feed": "610800/ticket/public\n", "full-width digit": "６10800/ticket/public",
	} {
		add("stream", what, "MALFORMED", name)
	}
	line := func(what, old, new string) {
		add("line", what, "LINE_INVALID", strings.Replace(seg.Lines[0].Text, old, new, 1))
	}
	line("number with exponent", `"seq":1201`, `"seq":1e3`)
	line("leading zero", `"seq":1201`, `"seq":01201`)
	line("upper-case member", `"seq"`, `"SEQ"`)
	line("members swapped", `"seq":1201,"key":"YL-2026-00017"`, `"key":"YL-2026-00017","seq":1201`)
	line("white space", `,"op"`, `, "op"`)
	line("white space in data", `"amount":`, `"amount": `)
	line("escape in the key", `YL-2026`, `YL\u002d2026`)
	line("empty key", `"key":"YL-2026-00017"`, `"key":""`)
	line("upper-case salt", `"salt":"b1`, `"salt":"B1`)
	line("put without data", seg.Lines[0].Text[strings.Index(seg.Lines[0].Text, `,"data"`):], `}`)
	line("del with data", `"op":"put"`, `"op":"del"`)
	line("duplicate in data", `"amount":`, `"amount":"1","\u0061mount":`)
	line("CR at the end", `{"seq"`, "\r"+`{"seq"`)
	add("line", "an erased line where a whole one must stand", "LINE_INVALID", seg.Erased.Line)
	for _, d := range []struct{ what, code, pointer, text string }{
		{"no object", "JSON", "", `[]`}, {"comma at the end", "JSON", "", `{"a":1,}`}, {"leading zero", "JSON", "/a", `{"a":01}`}, {"BOM", "JSON", "", "\uFEFF{}"},
		{"white space", "SPACE", "", `{ }`}, {"invalid UTF-8", "UTF8", "", "{\"a\":\"\xc3\x28\"}"},
		{"member twice", "DUPLICATE_MEMBER", "/a", `{"a":1,"a":1}`}, {"member twice after unescaping", "DUPLICATE_MEMBER", "/x/0/a~1b", `{"x":[{"a/b":1,"\u0061\/b":2}]}`},
		{"high surrogate alone", "SURROGATE", "/a", `{"a":"\ud834"}`}, {"low surrogate alone", "SURROGATE", "/a", `{"a":"\udd1e"}`}, {"surrogates in the wrong order", "SURROGATE", "/a", `{"a":"\udd1e\ud834"}`},
		{"U+0000", "NUL", "/a", `{"a":"\u0000"}`}, {"depth of 33", "DEPTH", "/a" + strings.Repeat("/0", 31), nested(33, `[`, `]`)},
		{"integer of 2^53", "NUMBER", "/a", `{"a":9007199254740992}`}, {"exponent", "NUMBER", "/a", `{"a":1e3}`}, {"16 digits", "NUMBER", "/a", `{"a":0.1234567890123456}`},
	} {
		add("data", d.what, d.code, d.text)
		out[len(out)-1].Pointer = d.pointer
	}
	flip := func(b []byte, i int) []byte {
		c := slices.Clone(b)
		c[i] ^= 1
		return c
	}
	bytesOf := func(kind, what, code string, b []byte) {
		out = append(out, rejectVector{What: what, Kind: kind, Code: code, Hex: b})
	}
	bytesOf("signature", "last bit flipped", "BAD_SIGNATURE", flip(seg.Signature, len(seg.Signature)-1))
	bytesOf("signature", "long form of the length", "BAD_SIGNATURE", slices.Concat([]byte{0x30, 0x81}, seg.Signature[1:]))
	bytesOf("signature", "a byte after it", "BAD_SIGNATURE", append(slices.Clone(seg.Signature), 0))
	bytesOf("signature", "r = 0, s = 0", "BAD_SIGNATURE", []byte{0x30, 6, 2, 1, 0, 2, 1, 0})
	bytesOf("signature", "of the receipt", "BAD_SIGNATURE", objects[0].Signature)
	bytesOf("wrapped", "04 ‖ C1 ‖ C3 ‖ C2 where DER belongs", "CANNOT_OPEN", seg.Readers[0].Raw)
	bytesOf("wrapped", "for another reader", "CANNOT_OPEN", seg.Readers[1].DER)
	bytesOf("wrapped", "last bit flipped", "CANNOT_OPEN", flip(seg.Readers[0].DER, len(seg.Readers[0].DER)-1))
	bytesOf("body", "last bit of the tag flipped", "CANNOT_OPEN", flip(seg.Body, len(seg.Body)-1))
	bytesOf("body", "a KiB missing", "CANNOT_OPEN", seg.Body[:len(seg.Body)-1024])
	bytesOf("body", "a byte after it", "CANNOT_OPEN", append(slices.Clone(seg.Body), 0))
	lines := vectorLines()
	for what, plain := range map[string][]byte{
		"padding not zero":         flip(seg.Plaintext, len(seg.Plaintext)-1),
		"a KiB of zeros too many":  append(slices.Clone(seg.Plaintext), make([]byte, 1024)...),
		"length one too large":     flip(seg.Plaintext, 3),
		"two gzip members":         padded(slices.Concat(zipped(t, text(lines[:1]...)), zipped(t, text(lines[1:]...)))),
		"a byte after the member":  padded(append(slices.Clone(seg.GzipMember), 0)),
		"a line missing":           padded(zipped(t, text(lines[:2]...))),
		"two lines swapped":        padded(zipped(t, text(lines[1], lines[0], lines[2]))),
		"no line feed at the end":  padded(zipped(t, bytes.TrimSuffix(text(lines...), []byte("\n")))),
		"CRLF":                     padded(zipped(t, bytes.ReplaceAll(text(lines...), []byte("\n"), []byte("\r\n")))),
		"another leaf for a line":  padded(zipped(t, text(lines[0], seal.AppendErased(nil, 1202, sign.Sum([]byte("another"))), lines[2]))),
		"more than 512 KiB inside": padded(zipped(t, bytes.Repeat([]byte("\n"), seal.MaxLineBytes+1))),
	} {
		bytesOf("body", what, "CANNOT_OPEN", container(t, []byte(seg.Header), seg.ContentKey, plain))
	}
	add("frame", "no header", "MALFORMED", `{"header":"","sig":"MA==","readers":[],"chain":[],"body":""}`)
	add("frame", "a reader twice", "MALFORMED", duplicatedReader(t, seg.Frame))
	slices.SortStableFunc(out, func(a, b rejectVector) int {
		return strings.Compare(a.Kind+"\x00"+a.What, b.Kind+"\x00"+b.What)
	})
	return out
}

func duplicatedReader(t *testing.T, frame json.RawMessage) string {
	var f map[string]json.RawMessage
	var readers []json.RawMessage
	if err := json.Unmarshal(frame, &f); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(f["readers"], &readers); err != nil {
		t.Fatal(err)
	}
	f["readers"] = must(json.Marshal(append(readers, readers[0])))(t)
	return string(must(json.Marshal(f))(t))
}

func checkRejects(t *testing.T, ks vectorKeySet, vs []rejectVector) {
	seg := readVector[segmentVector](t, "segment.json")
	h := must(seal.ParseHeader([]byte(seg.Header)))(t)
	judges := map[string]func([]byte) error{
		"line":      func(b []byte) error { _, err := seal.ParseLine(b); return err },
		"data":      seal.CheckData,
		"frame":     func(b []byte) error { var f seal.Frame; return f.UnmarshalJSON(b) },
		"signature": func(b []byte) error { return seal.VerifyHeader(ks.cert(t, seg.Signer), []byte(seg.Header), b) },
		"body":      func(b []byte) error { _, err := seal.Open(h, []byte(seg.Header), b, seg.ContentKey); return err },
		"wrapped": func(b []byte) error {
			u := ks.unwrapper(t, "reader_enc")
			_, err := seal.Unwrap(u, []seal.Reader{{To: sign.Hash(u.ID()), Wrapped: b}})
			return err
		},
	}
	for kind, parse := range objectKinds {
		judges[kind] = func(b []byte) error { _, err := parse(b); return err }
	}
	seen := make(map[string]int)
	for _, v := range vs {
		seen[v.Kind]++
		b := []byte(v.Text)
		if v.Hex != nil {
			b = v.Hex
		}
		err := judges[v.Kind](b)
		if got := code(err); got != v.Code {
			t.Errorf("%s, %s: %q (%v), want %s", v.Kind, v.What, got, err, v.Code)
		}
		if fault, ok := err.(*seal.DataError); ok && fault.Pointer != v.Pointer {
			t.Errorf("%s: at %q, want %q", v.What, fault.Pointer, v.Pointer)
		}
	}
	for kind := range judges {
		if seen[kind] < 2 {
			t.Errorf("%d examples of kind %s", seen[kind], kind)
		}
	}
	// A receipt's signature is good, only not for a segment.
	o := readVector[[]objectVector](t, "objects.json")[0]
	if err := ks.cert(t, o.Signer).Verify(keys.ReceiptV1, []byte(o.Body), o.Signature); err != nil {
		t.Error(err)
	}
}
