package sign_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fayi/crypto/sign"

	"pgregory.net/rapid"
)

func TestGolden(t *testing.T) {
	for _, o := range objects {
		t.Run(o.name, func(t *testing.T) {
			if got := must(sign.Marshal(o.value))(t); string(got) != o.golden {
				t.Errorf("written as\n%s\nwant\n%s", got, o.golden)
			}
			if got := must(o.parse([]byte(o.golden)))(t); !reflect.DeepEqual(got, o.value) {
				t.Errorf("read as\n%+v\nwant\n%+v", got, o.value)
			}
		})
	}
}

// A value comes back whole, and writing it again gives the same bytes.
func TestRoundTrip(t *testing.T) {
	for _, o := range objects {
		t.Run(o.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				v := o.draw(t)
				body, err := sign.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				got, err := o.parse(body)
				if err != nil {
					t.Fatalf("%s: %v", body, err)
				}
				again, err := sign.Marshal(got)
				if err != nil || string(again) != string(body) {
					t.Fatalf("%v: %s comes back as %s", err, body, again)
				}
			})
		})
	}
}

// Every other spelling of a good object is refused as NOT_CANONICAL (protocol
// §1, review T10 and A9), whichever member it is in.
func TestOtherSpellings(t *testing.T) {
	for _, o := range objects {
		t.Run(o.name, func(t *testing.T) {
			n := 0
			for what, body := range otherSpellings(t, o.golden) {
				n++
				if _, err := o.parse([]byte(body)); !errors.Is(err, sign.ErrNotCanonical) {
					t.Errorf("%s: error %v for %s", what, err, body)
				}
			}
			if n < 70 {
				t.Errorf("only %d spellings", n)
			}
		})
	}
}

func otherSpellings(t testing.TB, good string) map[string]string {
	ms := members(t, good)
	if build(ms) != good {
		t.Fatalf("%s is rebuilt as %s", good, build(ms))
	}
	out := map[string]string{
		"empty":                  ``,
		"empty object":           `{}`,
		"null":                   `null`,
		"list":                   `[` + good + `]`,
		"string":                 `"x"`,
		"BOM":                    "\uFEFF" + good,
		"space before":           ` ` + good,
		"space after":            good + ` `,
		"line feed after":        good + "\n",
		"CRLF after":             good + "\r\n",
		"NUL after":              good + "\x00",
		"another object after":   good + `{}`,
		"itself after":           good + good,
		"truncated":              good[:len(good)-1],
		"space inside":           strings.Replace(good, `{`, `{ `, 1),
		"line feeds inside":      strings.ReplaceAll(good, `,`, ",\n"),
		"comma at the end":       good[:len(good)-1] + `,}`,
		"comment":                strings.Replace(good, `{`, `{/**/`, 1),
		"unknown member":         good[:len(good)-1] + `,"zz":1}`,
		"unknown empty member":   good[:len(good)-1] + `,"":""}`,
		"first member again":     fmt.Sprintf(`%s,"%s":%s}`, good[:len(good)-1], ms[0].name, ms[0].value),
		"members in alphabet":    build(slices.SortedFunc(slices.Values(ms), func(a, b member) int { return strings.Compare(a.name, b.name) })),
		"members from the last":  build(reversed(ms)),
		"UTF-16":                 utf16(good),
		"invalid UTF-8 in place": strings.Replace(good, `:"`, ":\"\xff", 1),
	}
	for i, m := range ms {
		with := func(name, value string) string {
			c := slices.Clone(ms)
			c[i] = member{name, value}
			return build(c)
		}
		value := func(what, v string) { out[what+" for "+m.name] = with(m.name, v) }
		out["without "+m.name] = build(slices.Delete(slices.Clone(ms), i, i+1))
		out["twice "+m.name] = build(slices.Insert(slices.Clone(ms), i, m))
		out["upper-case "+m.name] = with(strings.ToUpper(m.name), m.value)
		out["both cases of "+m.name] = build(slices.Insert(slices.Clone(ms), i+1, member{strings.ToUpper(m.name), m.value}))
		out["escaped "+m.name] = with(fmt.Sprintf(`\u%04x%s`, m.name[0], m.name[1:]), m.value)
		out["space after "+m.name] = with(m.name+`" `, m.value)
		if folded := strings.NewReplacer("s", "ſ", "k", "K").Replace(m.name); folded != m.name {
			out["folded "+m.name] = with(folded, m.value)
			out["folded too "+m.name] = build(slices.Insert(slices.Clone(ms), i+1, member{folded, m.value}))
		}
		if i > 0 {
			c := slices.Clone(ms)
			c[i-1], c[i] = c[i], c[i-1]
			out["swapped with the one before "+m.name] = build(c)
		}
		value("null", `null`)
		value("another type", `[[[]]]`)
		value("space before the value", ` `+m.value)
		switch m.value[0] {
		case '"':
			value("first character escaped", fmt.Sprintf(`"\u%04x%s`, m.value[1], m.value[2:]))
			value("control character", `"`+"\n"+m.value[1:])
			value("DEL", `"`+"\x7f"+m.value[1:])
			value("line separator", `"`+"\u2028"+m.value[1:])
			value("lone surrogate", `"\ud800`+m.value[1:])
			value("escaped slash", `"\/`+m.value[1:])
			value("number", `1`)
			if len(m.value) == 66 || m.name == "nonce" {
				value("upper-case hex", strings.ToUpper(m.value))
				value("short hex", m.value[:len(m.value)-2]+`"`)
				value("long hex", m.value[:len(m.value)-1]+`0"`)
				value("no hex", `"g`+m.value[2:])
			}
		case '[':
			value("list with null", `[null]`)
			value("object", `{}`)
			value("list with a comma", strings.TrimSuffix(m.value, `]`)+`,]`)
		case '{':
			value("list", `[]`)
			value("unclosed", m.value[:len(m.value)-1])
		default:
			n := m.value
			for _, v := range []string{n + ".0", n + "e0", n + "E0", n + "e+0", "0" + n, "-" + n, "+" + n, `"` + n + `"`, "9007199254740992", "18446744073709551616", "1e3", "0x1", ".1", "1.", "true", "Infinity"} {
				value("number "+v, v)
			}
		}
	}
	return out
}

func reversed(ms []member) []member {
	c := slices.Clone(ms)
	slices.Reverse(c)
	return c
}

func utf16(s string) string {
	var b strings.Builder
	b.WriteString("\xff\xfe")
	for _, c := range []byte(s) {
		b.Write([]byte{c, 0})
	}
	return b.String()
}

// Positions inside lists of fixed length, and certificates, have one spelling too.
func TestOtherSpellingsInside(t *testing.T) {
	for _, c := range []struct{ object, old, new string }{
		{"receipt", `,3]`, `]`},
		{"receipt", `,3]`, `,3,0]`},
		{"receipt", `,3]`, `,3.0]`},
		{"receipt", `,3]`, `,03]`},
		{"receipt", `,3]`, `,"3"]`},
		{"receipt", `,3]`, `,null]`},
		{"receipt", `,3]`, `, 3]`},
		{"receipt", `,3]`, `,18446744073709551615]`},
		{"receipt", `[["610800/legal`, `[{"stream":"610800/legal`},
		{"receipt", `1700,"66c7`, `1700,"66C7`},
		{"receipt", `"stored"`, `"Stored" `},
		{"note", `44,"` + hexA + `"`, `44`},
		{"note", `44,"66c7`, `44,"\u0036\u0036c7`},
		{"call", `{"max_bytes":1048576}`, `{"max_bytes": 1048576}`},
		{"call", `{"max_bytes":1048576}`, `{"max_bytes":1048576.0}`},
		{"call", `{"max_bytes":1048576}`, `{"max_bytes":null}`},
		{"call", `{"max_bytes":1048576}`, "{\"since\":\"\xff\"}"},
		{"call", `{"max_bytes":1048576}`, `{"max_bytes":1048576`},
		{"entry", `"MAE="`, `"MAE"`},
		{"entry", `"MAE="`, `"MAF="`}, // the two low bits of the last digit are not data
		{"entry", `"MAE="`, `"MA\nE="`},
		{"entry", `"MAE="`, `"MAE=\r"`},
		{"entry", `"MAE="`, `"_-8="`},
		{"entry", `"MAE="`, `null`},
		{"entry", `["*",0,0]`, `["\u002a",0,0]`},
		{"entry", `["*",0,0]`, `["*",-0,0]`},
		{"entry", `"zh":"榆林市司法局"`, `"zh":"\u6986林市司法局"`},
		{"entry", `"zh":"榆林市司法局"`, `"ZH":"榆林市司法局"`},
		{"entry", `<&>`, `\u003c&>`},
		{"entry", `"en":`, `"en":"","en":`},
		{"entry", `"v":[1]`, `"v":null`},
	} {
		i := slices.IndexFunc(objects, func(o object) bool { return o.name == c.object })
		body := strings.Replace(objects[i].golden, c.old, c.new, 1)
		if body == objects[i].golden {
			t.Fatalf("%s has no %s", c.object, c.old)
		}
		if _, err := objects[i].parse([]byte(body)); !errors.Is(err, sign.ErrNotCanonical) {
			t.Errorf("%s with %s: %v", c.object, c.new, err)
		}
	}
}

// What has no canonical form is not written either.
func TestMarshalRefuses(t *testing.T) {
	for what, v := range map[string]any{
		"nil list":            &sign.Note{V: 1, Node: "610800", Dir: []sign.Head{}},
		"nil bytes":           &sign.SignedEntry{Sigs: []sign.EntrySig{}},
		"no args":             &sign.Call{Frames: []sign.Hash{}},
		"integer of 2^53":     &sign.Note{N: 1 << 53, Heads: []sign.Head{}, Dir: []sign.Head{}},
		"integer in a tuple":  &sign.Note{Heads: []sign.Head{{Last: 1 << 53}}, Dir: []sign.Head{}},
		"negative version":    &sign.Note{V: -1, Heads: []sign.Head{}, Dir: []sign.Head{}},
		"control character":   sign.Names{Zh: "a\nb"},
		"NUL":                 sign.Names{Zh: "a\x00b"},
		"DEL":                 sign.Names{Zh: "a\x7fb"},
		"line separator":      sign.Names{Zh: "a\u2028b"},
		"paragraph separator": sign.Names{Zh: "a\u2029b"},
		"invalid UTF-8":       sign.Names{Zh: "a\xffb"},
		"year 10000":          sign.At(time.Date(9999, 12, 31, 16, 0, 0, 0, time.UTC)),
		"year -1":             sign.At(time.Date(-1, 12, 31, 0, 0, 0, 0, time.UTC)),
		"float":               1.5,
		"args with a float":   &sign.Call{Frames: []sign.Hash{}, Args: json.RawMessage(`{"a":1.5}`)},
	} {
		if body, err := sign.Marshal(v); !errors.Is(err, sign.ErrNotCanonical) {
			t.Errorf("%s: %s, %v", what, body, err)
		}
	}
}

func TestTime(t *testing.T) {
	for s, utc := range map[string]time.Time{
		"2026-11-22T12:00:00.123+08:00": time.Date(2026, 11, 22, 4, 0, 0, 123e6, time.UTC),
		"2024-02-29T00:00:00.000+08:00": time.Date(2024, 2, 28, 16, 0, 0, 0, time.UTC),
		"0000-01-01T00:00:00.000+08:00": time.Date(-1, 12, 31, 16, 0, 0, 0, time.UTC),
		"9999-12-31T23:59:59.999+08:00": time.Date(9999, 12, 31, 15, 59, 59, 999e6, time.UTC),
	} {
		got := must(sign.ParseTime(s))(t)
		if !got.Equal(utc) || got.String() != s || string(must(got.AppendText(nil))(t)) != s || string(must(sign.Marshal(got))(t)) != `"`+s+`"` {
			t.Errorf("%s is read as %v and written as %s", s, got.Time, got)
		}
	}
	for _, s := range []string{
		"", "2026-11-22", "2026-11-22T12:00:00.123Z", "2026-11-22T12:00:00.123+00:00", "2026-11-22T12:00:00.123+0800", "2026-11-22T12:00:00.123 08:00",
		"2026-11-22 12:00:00.123+08:00", "2026-11-22t12:00:00.123+08:00", "2026-11-22T12:00:00,123+08:00", "2026-11-22T12:00:00+08:00", "2026-11-22T12:00:00.1230+08:00",
		"2026-11-22T24:00:00.000+08:00", "2026-11-22T23:60:00.000+08:00", "2026-11-22T23:59:60.000+08:00", "2026-02-29T00:00:00.000+08:00", "2026-13-01T00:00:00.000+08:00",
		"2026-00-01T00:00:00.000+08:00", "2026-1-022T12:00:00.123+08:00", "+026-11-22T12:00:00.123+08:00", "2026-11-22T12:00:00.12a+08:00", "２026-11-22T12:00:00.1+08:0",
	} {
		if got, err := sign.ParseTime(s); !errors.Is(err, sign.ErrNotCanonical) {
			t.Errorf("%q is read as %v, %v", s, got, err)
		}
	}
	if n := sign.Now(); time.Since(n.Time).Abs() > time.Minute || n.Nanosecond()%1e6 != 0 {
		t.Errorf("now is %v", n)
	}
	rapid.Check(t, func(t *rapid.T) {
		at := drawTime(t)
		if got, err := sign.ParseTime(at.String()); err != nil || !reflect.DeepEqual(got, at) {
			t.Fatalf("%v comes back as %v, %v", at, got, err)
		}
	})
}

func TestHash(t *testing.T) {
	if hashA.String() != hexA || hashA.IsZero() || !(sign.Hash{}).IsZero() {
		t.Errorf("SM3(abc) = %s", hashA)
	}
}

// Signed bytes travel as they are: what Sign returns is what Marshal writes.
func TestSignReturnsCanonicalBytes(t *testing.T) {
	cert, s := signer(t)
	for _, o := range objects {
		for _, c := range contexts {
			body, sig, err := sign.Sign(s, c, o.value)
			if err != nil || string(body) != o.golden {
				t.Fatalf("%s: %s, %v", o.name, body, err)
			}
			for _, other := range contexts {
				if err := cert.Verify(other, body, sig); (err == nil) != (other == c) {
					t.Errorf("%s signed as %s, verified as %s: %v", o.name, c, other, err)
				}
			}
			if !secondVerifies(t, cert, c, body, sig) {
				t.Errorf("%s as %s: the second implementation refuses", o.name, c)
			}
		}
	}
	if _, _, err := sign.Sign(s, "fayi-other-v1", objects[0].value); err == nil {
		t.Error("signed under an unknown context")
	}
	if body, sig, err := sign.Sign(s, contexts[0], &sign.Note{}); !errors.Is(err, sign.ErrNotCanonical) || body != nil || sig != nil {
		t.Errorf("signed what has no canonical form: %v", err)
	}
}
