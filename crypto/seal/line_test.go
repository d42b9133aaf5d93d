package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fayi/crypto/seal"
	"fayi/crypto/sign"

	"pgregory.net/rapid"
)

var salt = [16]byte{0xab, 15: 0xcd}

const saltHex = "ab0000000000000000000000000000cd"

// goodLines are lines of every form with their bytes.
var goodLines = []struct {
	line  *seal.Line
	bytes string
}{
	{
		&seal.Line{Seq: 1201, Key: "YL-2026-00017", Op: seal.Put, At: noon, Src: "aid", Ref: "aid:88213:1764230399123456", Was: &seal.Was{Gen: 1764230400, Seq: 877}, Salt: salt, Data: []byte(`{"caseNo":"YL-2026-00017"}`)},
		`{"seq":1201,"key":"YL-2026-00017","op":"put","at":"2026-11-22T12:00:00.123+08:00","src":"aid","ref":"aid:88213:1764230399123456","was":[1764230400,877],"salt":"` + saltHex + `","data":{"caseNo":"YL-2026-00017"}}`,
	},
	{
		&seal.Line{Seq: 1, Key: `法"\/` + "\u2028é", Op: seal.Put, At: noon, Ref: `C:\x`, Salt: salt, Data: []byte(`{}`), X: []byte(`{"v2":[null]}`)},
		`{"seq":1,"key":"法\"\\/` + "\u2028é" + `","op":"put","at":"2026-11-22T12:00:00.123+08:00","src":"","ref":"C:\\x","was":null,"salt":"` + saltHex + `","data":{},"x":{"v2":[null]}}`,
	},
	{
		&seal.Line{Seq: 1<<53 - 1, Key: "k", Op: seal.Del, At: noon, Src: "aid", Ref: "sys:1", Salt: salt},
		`{"seq":9007199254740991,"key":"k","op":"del","at":"2026-11-22T12:00:00.123+08:00","src":"aid","ref":"sys:1","was":null,"salt":"` + saltHex + `"}`,
	},
	{
		&seal.Line{Seq: 2, Key: "k", Op: seal.Del, At: noon, Was: &seal.Was{Gen: 1, Seq: 1}, Salt: salt, X: []byte(`{}`)},
		`{"seq":2,"key":"k","op":"del","at":"2026-11-22T12:00:00.123+08:00","src":"","ref":"","was":[1,1],"salt":"` + saltHex + `","x":{}}`,
	},
}

func TestLines(t *testing.T) {
	for _, g := range goodLines {
		if got := seal.AppendLine([]byte("before"), g.line); string(got) != "before"+g.bytes {
			t.Errorf("written as %s\nwant %s", got, g.bytes)
		}
		if got, err := seal.ParseLine([]byte(g.bytes)); err != nil || !reflect.DeepEqual(got, g.line) {
			t.Errorf("%s is read as %+v, %v", g.bytes, got, err)
		}
	}
}

func TestLineRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLine(t)
		b := seal.AppendLine(nil, l)
		got, err := seal.ParseLine(b)
		if err != nil || !reflect.DeepEqual(got, l) {
			t.Fatalf("%s\nis read as %+v, %v\nwant %+v", b, got, err, l)
		}
		if bytes.ContainsAny(b, "\r\n") {
			t.Fatalf("%q has a line end inside", b)
		}
	})
}

// A line has one spelling: whatever single byte is changed, put in or taken out,
// either it is refused or it is the only spelling of another line.
func TestEveryChangedByte(t *testing.T) {
	check := func(original, changed []byte) {
		t.Helper()
		l, err := seal.ParseLine(changed)
		if err != nil {
			if l != nil || !errors.Is(err, seal.ErrLine) {
				t.Errorf("%q: %v, %v", changed, l, err)
			}
			return
		}
		if again := seal.AppendLine(nil, l); !bytes.Equal(again, changed) || bytes.Equal(changed, original) {
			t.Errorf("%q is read as the line that is written %q", changed, again)
		}
	}
	for _, g := range goodLines {
		b := []byte(g.bytes)
		for i := range b {
			check(b, b[:i])
			check(b, slices.Delete(slices.Clone(b), i, i+1))
			for c := range 256 {
				if byte(c) != b[i] {
					changed := slices.Clone(b)
					changed[i] = byte(c)
					check(b, changed)
				}
				check(b, slices.Insert(slices.Clone(b), i, byte(c)))
			}
		}
	}
}

// lineWith is the first good line with one part of it replaced.
func lineWith(t *testing.T, old, new string) []byte {
	t.Helper()
	if old != "" && strings.Count(goodLines[0].bytes, old) != 1 {
		t.Fatalf("the line does not have one %s", old)
	}
	return []byte(strings.Replace(goodLines[0].bytes, old, new, 1))
}

func TestParseLineRefuses(t *testing.T) {
	data := `"data":{"caseNo":"YL-2026-00017"}`
	for what, c := range map[string][2]string{
		"number 0":               {`"seq":1201`, `"seq":0`},
		"leading zero":           {`"seq":1201`, `"seq":01201`},
		"negative":               {`"seq":1201`, `"seq":-1201`},
		"fraction":               {`"seq":1201`, `"seq":1201.0`},
		"exponent":               {`"seq":1201`, `"seq":1e3`},
		"number of 2^53":         {`"seq":1201`, `"seq":9007199254740992`},
		"number beyond 64 bits":  {`"seq":1201`, `"seq":18446744073709552817`},
		"number as text":         {`"seq":1201`, `"seq":"1201"`},
		"no number":              {`"seq":1201`, `"seq":`},
		"missing number":         {`"seq":1201,`, ``},
		"upper-case member":      {`"seq"`, `"SEQ"`},
		"folded member":          {`"seq"`, `"ſeq"`},
		"escaped member":         {`"seq"`, `"\u0073eq"`},
		"unknown member":         {`"op"`, `"zz":1,"op"`},
		"member twice":           {`"op"`, `"seq":1201,"op"`},
		"other order":            {`"src":"aid","ref":"aid:88213:1764230399123456"`, `"ref":"aid:88213:1764230399123456","src":"aid"`},
		"empty key":              {`"YL-2026-00017","op"`, `"","op"`},
		"key of 129 bytes":       {`"YL-2026-00017","op"`, `"` + strings.Repeat("k", 129) + `","op"`},
		"key of 43 characters":   {`"YL-2026-00017","op"`, `"` + strings.Repeat("法", 43) + `","op"`},
		"key null":               {`"YL-2026-00017","op"`, `null,"op"`},
		"escape in key":          {`"YL-2026-00017","op"`, `"YL\u002d","op"`},
		"escaped slash in key":   {`"YL-2026-00017","op"`, `"YL\/","op"`},
		"line feed in key":       {`"YL-2026-00017","op"`, "\"YL\n\",\"op\""},
		"escaped line feed":      {`"YL-2026-00017","op"`, `"YL\n","op"`},
		"NUL in key":             {`"YL-2026-00017","op"`, "\"YL\x00\",\"op\""},
		"DEL in key":             {`"YL-2026-00017","op"`, "\"YL\x7f\",\"op\""},
		"invalid UTF-8 in key":   {`"YL-2026-00017","op"`, "\"YL\xff\",\"op\""},
		"surrogate in key":       {`"YL-2026-00017","op"`, "\"YL\xed\xa0\x80\",\"op\""},
		"unknown operation":      {`"put"`, `"get"`},
		"upper-case operation":   {`"put"`, `"PUT"`},
		"long operation":         {`"put"`, `"puts"`},
		"time in UTC":            {`+08:00"`, `+00:00"`},
		"time without fraction":  {`.123+08:00`, `+08:00`},
		"time with microseconds": {`.123+08:00`, `.123456+08:00`},
		"no such day":            {`2026-11-22`, `2026-02-30`},
		"was 0":                  {`[1764230400,877]`, `0`},
		"was of one":             {`[1764230400,877]`, `[1764230400]`},
		"was of three":           {`[1764230400,877]`, `[1764230400,877,1]`},
		"was with space":         {`[1764230400,877]`, `[1764230400, 877]`},
		"was too large":          {`[1764230400,877]`, `[1764230400,9007199254740992]`},
		"was missing":            {`"was":[1764230400,877],`, ``},
		"upper-case salt":        {saltHex, strings.ToUpper(saltHex)},
		"short salt":             {saltHex, saltHex[2:]},
		"long salt":              {saltHex, saltHex + "00"},
		"salt not hex":           {saltHex, "g" + saltHex[1:]},
		"put without data":       {`,` + data, ``},
		"data null":              {data, `"data":null`},
		"data a list":            {data, `"data":[]`},
		"data twice":             {data, data + `,` + data},
		"data with space":        {data, `"data":{ }`},
		"data before space":      {data, data + ` `},
		"data with a duplicate":  {data, `"data":{"a":1,"\u0061":2}`},
		"data with a surrogate":  {data, `"data":{"a":"\ud800"}`},
		"data with 2^53":         {data, `"data":{"a":9007199254740992}`},
		"data with NUL":          {data, `"data":{"a":"\u0000"}`},
		"data too deep":          {data, `"data":` + nested(33, `[`, `]`)},
		"unclosed data":          {data, `"data":{"a":1`},
		"x null":                 {data, data + `,"x":null`},
		"x a list":               {data, data + `,"x":[]`},
		"x with a duplicate":     {data, data + `,"x":{"a":1,"a":1}`},
		"x before data":          {data, `"x":{},` + data},
		"x twice":                {data, data + `,"x":{},"x":{}`},
		"y":                      {data, data + `,"y":{}`},
		"del with data":          {`"put"`, `"del"`},
		"CR at the end":          {data + `}`, data + "}\r"},
		"LF at the end":          {data + `}`, data + "}\n"},
		"space at the end":       {data + `}`, data + "} "},
		"BOM":                    {`{"seq"`, "\uFEFF" + `{"seq"`},
		"a second object":        {data + `}`, data + `}{}`},
		"an erased line":         {goodLines[0].bytes, `{"seq":1201,"leaf":"` + hexA + `"}`},
		"an empty line":          {goodLines[0].bytes, ``},
	} {
		l, err := seal.ParseLine(lineWith(t, c[0], c[1]))
		if l != nil || !errors.Is(err, seal.ErrLine) {
			t.Errorf("%s: %v, %v", what, l, err)
		}
	}
}

// The place of a fault in data is told.
func TestParseLineSaysWhere(t *testing.T) {
	for in, want := range map[string]seal.DataError{
		`{"a":[{"b":1.5e1}]}`:   {Code: "NUMBER", Pointer: "/a/0/b"},
		`{"a":1,"b":2,"a":3}`:   {Code: "DUPLICATE_MEMBER", Pointer: "/a"},
		`{"a":{"c":1}, "b":{}}`: {Code: "SPACE", Pointer: ""},
		`"a"`:                   {Code: "JSON", Pointer: ""},
	} {
		_, err := seal.ParseLine(lineWith(t, `{"caseNo":"YL-2026-00017"}`, in))
		var got *seal.DataError
		if !errors.As(err, &got) || *got != want || !errors.Is(err, seal.ErrLine) {
			t.Errorf("%s: %v, want %v", in, err, &want)
		}
	}
}

func TestLineLength(t *testing.T) {
	for n, ok := range map[int]bool{seal.MaxLine: true, seal.MaxLine + 1: false} {
		empty := len(lineWith(t, `{"caseNo":"YL-2026-00017"}`, `{"a":""}`))
		b := lineWith(t, `{"caseNo":"YL-2026-00017"}`, `{"a":"`+strings.Repeat("x", n-empty)+`"}`)
		if _, err := seal.ParseLine(b); len(b) != n || (err == nil) != ok {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
	long := strings.Repeat("k", 128)
	if l, err := seal.ParseLine(lineWith(t, `"YL-2026-00017","op"`, `"`+long+`","op"`)); err != nil || l.Key != long {
		t.Errorf("key of 128 bytes: %v", err)
	}
}

// Data is a slice of the line, so that consumers get the original bytes.
func TestParseLineDoesNotCopy(t *testing.T) {
	b := []byte(goodLines[1].bytes)
	l := must(seal.ParseLine(b))(t)
	for what, part := range map[string][]byte{"data": l.Data, "x": l.X} {
		if i := bytes.Index(b, append([]byte(`"`+what+`":`), part...)); &b[i+len(what)+3] != &part[0] || cap(part) != len(part) {
			t.Errorf("%s is a copy, or may be appended to", what)
		}
	}
}

func TestErasedLines(t *testing.T) {
	good := `{"seq":1202,"leaf":"` + hexA + `"}`
	if got := seal.AppendErased([]byte("before"), 1202, hashA); string(got) != "before"+good {
		t.Errorf("written as %s", got)
	}
	if seq, leaf, ok := seal.ParseErased([]byte(good)); !ok || seq != 1202 || leaf != hashA {
		t.Errorf("read as %d, %s, %v", seq, leaf, ok)
	}
	for i := range good {
		for c := range 256 {
			changed := []byte(good)
			changed[i] = byte(c)
			if seq, leaf, ok := seal.ParseErased(changed); ok && string(seal.AppendErased(nil, seq, leaf)) != string(changed) {
				t.Errorf("%q is read as %d, %s", changed, seq, leaf)
			}
		}
	}
	for _, bad := range []string{
		``, `{}`, good + ` `, ` ` + good, good + "\n", good[:len(good)-1], `{"leaf":"` + hexA + `","seq":1202}`, `{"seq":1202,"leaf":"` + hexA + `","x":{}}`,
		`{"seq":1202,"leaf":null}`, `{"seq":1202,"leaf":"` + hexA[2:] + `"}`, `{"seq":1202,"leaf":"` + strings.ToUpper(hexA) + `"}`, `{"seq":01202,"leaf":"` + hexA + `"}`, goodLines[0].bytes,
	} {
		if seq, leaf, ok := seal.ParseErased([]byte(bad)); ok {
			t.Errorf("%q is read as %d, %s", bad, seq, leaf)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		seq, leaf := drawPosition(t), sign.Sum([]byte(fmt.Sprint(drawPosition(t))))
		if s, l, ok := seal.ParseErased(seal.AppendErased(nil, seq, leaf)); !ok || s != seq || l != leaf {
			t.Fatalf("%d, %s is read as %d, %s", seq, leaf, s, l)
		}
	})
}
