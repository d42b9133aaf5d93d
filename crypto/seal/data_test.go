package seal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"fayi/crypto/seal"

	"pgregory.net/rapid"
)

func nested(depth int, open, end string) string {
	return `{"a":` + strings.Repeat(open, depth-1) + `1` + strings.Repeat(end, depth-1) + `}`
}

func manyMembers(n int, last string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	return "{" + b.String()[1:] + last + "}"
}

// What a record may hold (protocol §2): only white space is ever removed.
func TestGoodData(t *testing.T) {
	for in, want := range map[string]string{
		`{}`:                          `{}`,
		" \t\r\n{ \t\r\n} \t\r\n":     `{}`,
		`{ "a" : [ 1 , 2 , { } ] }`:   `{"a":[1,2,{}]}`,
		`{"b":1,"a":2}`:               `{"b":1,"a":2}`,
		`{"":""}`:                     `{"":""}`,
		`{"a":" b  c "}`:              `{"a":" b  c "}`,
		`{"a":"\u0041\/\n"}`:          `{"a":"\u0041\/\n"}`,
		`{"a":"\ud834\udd1e"}`:        `{"a":"\ud834\udd1e"}`,
		`{"a":"\\u0000\\ud800"}`:      `{"a":"\\u0000\\ud800"}`,
		`{"a":null,"A":true}`:         `{"a":null,"A":true}`,
		`{"s":1,"ſ":2,"k":3,"K":4}`:   `{"s":1,"ſ":2,"k":3,"K":4}`, // names compare as characters, never by letter case
		`{"a":{"a":{"a":[{"a":1}]}}}`: `{"a":{"a":{"a":[{"a":1}]}}}`,
		`{"a":[{"b":1},{"b":1}]}`:     `{"a":[{"b":1},{"b":1}]}`,
		`{"a":"` + "\u2028\u2029\x7f\uFFFD\U0010FFFF" + `"}`: `{"a":"` + "\u2028\u2029\x7f\uFFFD\U0010FFFF" + `"}`,
		`{"a":9007199254740991}`:                             `{"a":9007199254740991}`,
		`{"a":-9007199254740991}`:                            `{"a":-9007199254740991}`,
		`{"a":-0}`:                                           `{"a":-0}`,
		`{"a":-0.0}`:                                         `{"a":-0.0}`,
		`{"a":0.123456789012345}`:                            `{"a":0.123456789012345}`,
		`{"a":123456.789012345}`:                             `{"a":123456.789012345}`,
		`{"a":0.000000000000000000123456789012345}`:          `{"a":0.000000000000000000123456789012345}`,
		nested(32, `[`, `]`):                                 nested(32, `[`, `]`),
		nested(32, `{"a":`, `}`):                             nested(32, `{"a":`, `}`),
		manyMembers(5000, ``):                                manyMembers(5000, ``),
	} {
		got, err := seal.CompactData([]byte("before"), []byte(in))
		if err != nil || string(got) != "before"+want {
			t.Errorf("%.100q becomes %.100q, %v", in, got, err)
		}
		if err := seal.CheckData([]byte(want)); err != nil {
			t.Errorf("%.100q: %v", want, err)
		}
		if err := seal.CheckData([]byte(in)); (err == nil) != (in == want) {
			t.Errorf("%.100q as received: %v", in, err)
		}
	}
}

// What it may not, and where the fault is said to be. (json.Valid accepts many
// of these: review A10.)
func TestBadData(t *testing.T) {
	for _, c := range []struct{ in, code, pointer string }{
		{``, "JSON", ``}, {` `, "JSON", ``}, {`null`, "JSON", ``}, {`[]`, "JSON", ``}, {`"a"`, "JSON", ``}, {`1`, "JSON", ``},
		{"\uFEFF{}", "JSON", ``}, {"\x00{}", "JSON", ``}, {"{}\x00", "JSON", ``}, {`{}{}`, "JSON", ``}, {`{},`, "JSON", ``}, {`{}x`, "JSON", ``},
		{`{`, "JSON", ``}, {`}`, "JSON", ``}, {`{"a"`, "JSON", `/a`}, {`{"a":`, "JSON", `/a`}, {`{"a":1`, "JSON", ``}, {`{"a":1,`, "JSON", ``}, {`{"a":1,}`, "JSON", ``},
		{`{,"a":1}`, "JSON", ``}, {`{"a" 1}`, "JSON", `/a`}, {`{"a"::1}`, "JSON", `/a`}, {`{"a":1 "b":2}`, "JSON", ``}, {`{"a":1;"b":2}`, "JSON", ``}, {`{a:1}`, "JSON", ``}, {`{'a':1}`, "JSON", ``}, {`{1:1}`, "JSON", ``},
		{`{"a":}`, "JSON", `/a`}, {`{"a":[1,]}`, "JSON", `/a/1`}, {`{"a":[,1]}`, "JSON", `/a/0`}, {`{"a":[1 2]}`, "JSON", `/a`}, {`{"a":[1}`, "JSON", `/a`}, {`{"a":[`, "JSON", `/a/0`}, {`{"a":[{]}`, "JSON", `/a/0`},
		{`{"a":True}`, "JSON", `/a`}, {`{"a":tru}`, "JSON", `/a`}, {`{"a":nullx}`, "JSON", ``}, {`{"a":NaN}`, "JSON", `/a`}, {`{"a":-Infinity}`, "JSON", `/a`}, {`{"a":undefined}`, "JSON", `/a`},
		{`{/**/}`, "JSON", ``}, {"{\v}", "JSON", ``}, {"{\u00a0}", "JSON", ``}, {"{\"a\":\f1}", "JSON", `/a`},
		{`{"a":"b}`, "JSON", `/a`}, {`{"a":"\"}`, "JSON", `/a`}, {`{"a":"\x41"}`, "JSON", `/a`}, {`{"a":"\u12"}`, "JSON", `/a`}, {`{"a":"\u12g4"}`, "JSON", `/a`}, {`{"a":"\U00000041"}`, "JSON", `/a`}, {`{"a":"\`, "JSON", `/a`}, {`{"a":"\u004`, "JSON", `/a`},
		{"{\"a\":\"\n\"}", "JSON", `/a`}, {"{\"a\":\"\x00\"}", "JSON", `/a`}, {"{\"a\":\"\x1f\"}", "JSON", `/a`}, {"{\"a\tb\":1}", "JSON", ``},

		{"{\"a\":\"\xff\"}", "UTF8", ``}, {"{\"a\":\"\xc0\x80\"}", "UTF8", ``}, {"{\"a\":\"\xed\xa0\x80\"}", "UTF8", ``}, {"{\"a\":\"\xf4\x90\x80\x80\"}", "UTF8", ``}, {"{\"a\":\"\xe6\xb3\"}", "UTF8", ``}, {"{}\xff", "UTF8", ``},

		{`{"a":1,"a":1}`, "DUPLICATE_MEMBER", `/a`}, {`{"a":1,"a":"x"}`, "DUPLICATE_MEMBER", `/a`}, {`{"a":1,"b":2,"a":3}`, "DUPLICATE_MEMBER", `/a`}, {`{"":1,"":2}`, "DUPLICATE_MEMBER", `/`},
		{`{"a":1,"\u0061":2}`, "DUPLICATE_MEMBER", `/a`}, {`{"\u0061":1,"a":2}`, "DUPLICATE_MEMBER", `/a`}, {`{"\u006A":1,"\u006a":2}`, "DUPLICATE_MEMBER", `/j`}, {`{"/":1,"\/":2}`, "DUPLICATE_MEMBER", `/~1`}, {`{"\"":1,"\u0022":2}`, "DUPLICATE_MEMBER", `/"`},
		{`{"\b\f\n\r\t":1,"\u0008\u000c\u000a\u000d\u0009":2}`, "DUPLICATE_MEMBER", "/\b\f\n\r\t"}, {`{"𝄞":1,"\ud834\udd1e":2}`, "DUPLICATE_MEMBER", `/𝄞`}, {`{"法":1,"\u6CD5":2}`, "DUPLICATE_MEMBER", `/法`}, {`{"\\":1,"\u005c":2}`, "DUPLICATE_MEMBER", `/\`},
		{`{"x":[0,{"~/":{"a":1,"a":2}}]}`, "DUPLICATE_MEMBER", `/x/1/~0~1/a`}, {`{"x":{"a":1,"a":2},"y":}`, "DUPLICATE_MEMBER", `/x/a`},
		{manyMembers(5000, `,"m0":1`), "DUPLICATE_MEMBER", `/m0`}, {manyMembers(5000, `,"m\u0034999":1`), "DUPLICATE_MEMBER", `/m4999`}, {manyMembers(24, `,"m23":1`), "DUPLICATE_MEMBER", `/m23`}, {manyMembers(23, `,"m22":1`), "DUPLICATE_MEMBER", `/m22`}, {manyMembers(25, `,"m24":1`), "DUPLICATE_MEMBER", `/m24`},

		{`{"a":"\ud800"}`, "SURROGATE", `/a`}, {`{"a":"\udc00"}`, "SURROGATE", `/a`}, {`{"a":"\uD834x"}`, "SURROGATE", `/a`}, {`{"a":"\ud834\n"}`, "SURROGATE", `/a`}, {`{"a":"\ud834\u0041"}`, "SURROGATE", `/a`}, {`{"a":"\ud834\ud834"}`, "SURROGATE", `/a`}, {`{"a":"\ud834\ue000"}`, "SURROGATE", `/a`}, {`{"a":"\ud834\udbff"}`, "SURROGATE", `/a`},
		{`{"a":"\udd1e\ud834"}`, "SURROGATE", `/a`}, {`{"a":"\ud834\udd1e\udd1e"}`, "SURROGATE", `/a`}, {`{"a":"\ud834`, "SURROGATE", `/a`}, {`{"a":"\ud834\udd1"}`, "SURROGATE", `/a`}, {`{"a":1,"\ud800":1}`, "SURROGATE", ``}, {`{"a":["b","\udfff"]}`, "SURROGATE", `/a/1`},
		{`{"a":"\u0000"}`, "NUL", `/a`}, {`{"a":"b\u0000"}`, "NUL", `/a`}, {`{"\u0000":1}`, "NUL", ``}, {`{"a":["\\\u0000"]}`, "NUL", `/a/0`},

		{nested(33, `[`, `]`), "DEPTH", `/a` + strings.Repeat(`/0`, 31)}, {nested(33, `{"a":`, `}`), "DEPTH", strings.Repeat(`/a`, 32)}, {nested(100000, `[`, ``), "DEPTH", `/a` + strings.Repeat(`/0`, 31)},

		{`{"a":9007199254740992}`, "NUMBER", `/a`}, {`{"a":-9007199254740992}`, "NUMBER", `/a`}, {`{"a":18446744073709551616}`, "NUMBER", `/a`}, {`{"a":18446744073709551617}`, "NUMBER", `/a`}, {`{"a":` + strings.Repeat("9", 400) + `}`, "NUMBER", `/a`}, {`{"a":1` + strings.Repeat("0", 16) + `}`, "NUMBER", `/a`},
		{`{"a":0.1234567890123456}`, "NUMBER", `/a`}, {`{"a":1234567.890123456}`, "NUMBER", `/a`}, {`{"a":1.000000000000000}`, "NUMBER", `/a`}, {`{"a":9007199254740991.0}`, "NUMBER", `/a`}, {`{"a":[1,1e3]}`, "NUMBER", `/a/1`}, {`{"a":1E3}`, "NUMBER", `/a`}, {`{"a":1.5e-3}`, "NUMBER", `/a`}, {`{"a":0e0}`, "NUMBER", `/a`}, {`{"a":1e999}`, "NUMBER", `/a`},
		{`{"a":01}`, "JSON", `/a`}, {`{"a":-01}`, "JSON", `/a`}, {`{"a":00}`, "JSON", `/a`}, {`{"a":+1}`, "JSON", `/a`}, {`{"a":.5}`, "JSON", `/a`}, {`{"a":1.}`, "JSON", `/a`}, {`{"a":-}`, "JSON", `/a`}, {`{"a":--1}`, "JSON", `/a`}, {`{"a":0x1}`, "JSON", ``}, {`{"a":1_000}`, "JSON", ``}, {`{"a":1.2.3}`, "JSON", ``}, {`{"a":１}`, "JSON", `/a`},
	} {
		want := seal.DataError{Code: c.code, Pointer: c.pointer}
		for what, check := range map[string]func([]byte) error{
			"CheckData": seal.CheckData,
			"CompactData": func(b []byte) error {
				out, err := seal.CompactData([]byte("before"), b)
				if string(out) != "before" {
					t.Errorf("%.100q leaves %q behind", c.in, out)
				}
				return err
			},
		} {
			got := new(seal.DataError)
			if err := check([]byte(c.in)); !errors.As(err, &got) {
				t.Errorf("%s(%.100q): %v", what, c.in, err)
			} else if *got != want && !(got.Code == "SPACE" && what == "CheckData") {
				t.Errorf("%s(%.100q): %v, want %v", what, c.in, got, &want)
			}
		}
	}
}

// Strings are read eight bytes at a time; no byte at any place may slip through.
func TestEveryByteAtEveryPlace(t *testing.T) {
	for c := range 256 {
		for i := range 24 {
			s := []byte(strings.Repeat("\u0080x", 8))
			s = append(s[:i:i], append([]byte{byte(c)}, s[i:]...)...)
			agree(t, []byte(`{"a":"`+string(s)+`"}`))
			agree(t, []byte(`{"`+string(s)+`":1,"b":"`+string(s)+`"}`))
		}
	}
}

// On receive white space outside strings is a fault, wherever it is.
func TestReceivedSpace(t *testing.T) {
	good := `{"a":[1,{"b":"c d"}],"e":-1.5}`
	for i := range len(good) + 1 {
		inString := strings.Count(good[:i], `"`)%2 == 1
		for _, c := range " \t\r\n" {
			data := []byte(good[:i] + string(c) + good[i:])
			err := seal.CheckData(data)
			var fault *seal.DataError
			switch {
			case inString && c == ' ':
				if err != nil {
					t.Errorf("%q: %v", data, err)
				}
			case !errors.As(err, &fault) || json.Valid(data) && fault.Code != "SPACE":
				t.Errorf("%q: %v", data, err)
			}
		}
	}
}

// Compacting is what encoding/json calls so, and doing it twice changes nothing.
func TestCompactDataIsCompact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := drawJSON(t)
		var want bytes.Buffer
		if err := json.Compact(&want, []byte(data)); err != nil {
			t.Fatal(err)
		}
		got, err := seal.CompactData(nil, []byte(data))
		if err != nil || string(got) != want.String() {
			t.Fatalf("%q becomes %q, %v; want %q", data, got, err, &want)
		}
		if again, err := seal.CompactData(nil, got); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%q becomes %q, %v", got, again, err)
		}
		if err := seal.CheckData(got); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
	})
}

// The scanner and an independent reading of the rules agree on every text, good
// or spoilt.
func TestAgainstTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := []byte(drawJSON(t))
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			i := rapid.IntRange(0, len(data)-1).Draw(t, "at")
			with := rapid.SampledFrom(append(alphabet, "")).Draw(t, "with")
			data = append(append(append([]byte(nil), data[:i]...), with...), data[i+rapid.IntRange(0, 1).Draw(t, "cut"):]...)
			if len(data) == 0 {
				return
			}
		}
		agree(t, data)
	})
}

var alphabet = []string{"{", "}", "[", "]", ",", ":", `"`, `\`, " ", "0", "1", "9007199254740992", "-", ".", "e", "E5", "null", "\x00", "\xff", "\ud7ff", `\ud800`, `\udc00`, `\u0000`, `"a":1,`, "\n", "/"}

// agree compares CompactData and CheckData with follows.
func agree(t interface{ Fatalf(string, ...any) }, data []byte) {
	want := follows(data)
	out, err := seal.CompactData(nil, data)
	if (err == nil) != (want == "") {
		t.Fatalf("%q: %v, by the rules %q", data, err, want)
	}
	if checked := seal.CheckData(data); (checked == nil) != (err == nil && bytes.Equal(out, data)) {
		t.Fatalf("%q: compacted to %q, %v, but checked: %v", data, out, err, checked)
	}
	if err != nil {
		return
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil || !bytes.Equal(compact.Bytes(), out) {
		t.Fatalf("%q: compacted to %q, by encoding/json to %q, %v", data, out, &compact, err)
	}
}

var (
	oneEscape = regexp.MustCompile(`\\(u[0-9a-fA-F]{4}|.)`)
	pair      = regexp.MustCompile(`(?i)\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}`)
	surrogate = regexp.MustCompile(`(?i)^\\ud[89a-f]`)
)

// follows reads the rules of protocol §2 once more, with the standard library's
// parser, and says which is broken.
func follows(data []byte) string {
	if !utf8.Valid(data) || !json.Valid(data) || bytes.TrimLeft(data, " \t\r\n")[0] != '{' {
		return "not an object in UTF-8"
	}
	// Doubled backslashes first, then whole pairs: what is left of surrogates is lone.
	escapes := pair.ReplaceAll(bytes.ReplaceAll(data, []byte(`\\`), []byte(`--`)), []byte(`--`))
	for _, e := range oneEscape.FindAll(escapes, -1) {
		if surrogate.Match(e) {
			return "lone surrogate"
		}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	type level struct {
		names map[string]bool // nil for a list
		name  bool            // a name comes next
	}
	var levels []level
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return ""
		}
		if err != nil {
			return err.Error()
		}
		if s, ok := token.(string); ok && strings.Contains(s, "\x00") {
			return "NUL"
		}
		var top *level
		if len(levels) > 0 {
			top = &levels[len(levels)-1]
		}
		if s, ok := token.(string); ok && top != nil && top.names != nil && top.name {
			if top.names[s] {
				return "duplicate"
			}
			top.names[s], top.name = true, false
			continue
		}
		if n, ok := token.(json.Number); ok && !goodNumber(n.String()) {
			return "number"
		}
		if d, ok := token.(json.Delim); ok && (d == '}' || d == ']') {
			levels = levels[:len(levels)-1]
			continue
		}
		if top != nil {
			top.name = true
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{names: map[string]bool{}, name: true})
		case json.Delim('['):
			levels = append(levels, level{})
		}
		if len(levels) > seal.MaxDepth {
			return "depth"
		}
	}
}

func goodNumber(s string) bool {
	if strings.ContainsAny(s, "eE") {
		return false
	}
	if n, ok := new(big.Int).SetString(s, 10); ok {
		return n.BitLen() <= 53
	}
	return len(strings.TrimLeft(strings.ReplaceAll(strings.TrimPrefix(s, "-"), ".", ""), "0")) <= 15
}

// An object of very many members costs no more than in proportion.
func TestManyMembersAreCheap(t *testing.T) {
	cost := func(n int) float64 {
		data := []byte(manyMembers(n, ""))
		return testing.AllocsPerRun(3, func() {
			if err := seal.CheckData(data); err != nil {
				t.Fatal(err)
			}
		}) / float64(n)
	}
	if small, large := cost(200), cost(20000); large > 2*small {
		t.Errorf("%.2f allocations a member of 200, %.2f of 20,000", small, large)
	}
	if n := 20 * cost(20); n > 1 {
		t.Errorf("%.2f allocations for a small object", n)
	}
}
