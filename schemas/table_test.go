package schemas

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// tableOf makes the table of a schema, and a type that has both it and jsonschema's compilation.
func tableOf(t testing.TB, schema string) (*Type, map[string]any, error) {
	t.Helper()
	var doc map[string]any
	dec := json.NewDecoder(strings.NewReader(schema))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := compileSchema("urn:test", doc, closedLoader{})
	if err != nil {
		t.Fatalf("%v\n%s", err, schema)
	}
	fast, err := compileTable(doc)
	return &Type{schema: compiled, table: fast, root: &node{}}, doc, err
}

// TestEveryTypeHasTable: no type of the national pack has to be judged by jsonschema alone, and every example is accepted by the table
// without allocating.
func TestEveryTypeHasTable(t *testing.T) {
	for _, ty := range registry(t).Types() {
		data := encode(t, example(t, ty.Name()))
		if !ty.table.accepts(data) {
			_, err := compileTable(expanded(t, ty))
			t.Errorf("%s: example is not accepted: %v", ty.Name(), err)
			continue
		}
		if n := testing.AllocsPerRun(20, func() { ty.Validate(data) }); n > 0 {
			t.Errorf("%s: %v allocations", ty.Name(), n)
		}
	}
}

// TestUnknownShapes: one keyword or shape the table cannot express, and the whole type is judged by jsonschema.
func TestUnknownShapes(t *testing.T) {
	const head = `{"type":"object","additionalProperties":false,"properties":{"a":{"type":"string"},"l":{"type":"array","items":{"type":"object"}},"o":{"type":"object"},"x":`
	for _, c := range []string{
		`{"type":"number"}}}`, `{"type":"null"}}}`, `{"enum":["1"]}}}`, `{"minLength":1}}}`, `{"type":"string","minimum":1}}}`, `{"type":"string","const":"1","enum":["1"]}}}`,
		`{"type":"integer","enum":[1]}}}`, `{"type":"integer","minimum":0.5}}}`, `{"type":"array","uniqueItems":true}}}`, `{"type":"array","contains":{"const":"1"}}}}`,
		`{"type":"string","allOf":[{"minLength":1}]}}}`, `{"type":"string","if":{"minLength":1},"then":{"maxLength":2}}}}`, `{"type":"string","not":{"const":"1"}}}}`,
		`{"type":"object","additionalProperties":{"type":"string"}}}}`, `{"type":"object","properties":{"名":{"type":"string"}}}}}`, `{"type":"object","properties":{"a\"b":{}}}}}`,
		`{"$ref":"#/$defs/d","minLength":1}},"$defs":{"d":{"type":"string"}}}`, `{"type":"string","enumx":1}}}`,
		`{"type":"string"}},"required":["missing"]}`, `{"type":"string"}},"allOf":[{"properties":{"missing":{"const":"1"}}}]}`, `{"type":"string"}},"allOf":[{"required":["missing"]}]}`,
		`{"type":"string"}},"allOf":[{"minProperties":1}]}`, `{"type":"string"}},"not":{"properties":{"x":{"type":"integer"}}}}`, `{"type":"string"}},"not":{"type":"string"}}`,
		`{"type":"string"}},"allOf":[{"properties":{"x":{"minimum":1}}}]}`, `{"type":"string"}},"allOf":[{"properties":{"o":{"required":["q"]}}}]}`,
		`{"type":"string"}},"allOf":[{"properties":{"l":{"contains":{"required":["q"]}}}}]}`, `{"type":"string"}},"allOf":[{"properties":{"l":{"minItems":1}}}]}`,
		`{"type":"string"}},"allOf":[{"additionalProperties":false}]}`,
		`{"type":"string"}},"allOf":[` + strings.Repeat(`{"properties":{"x":{"const":"1"}}},`, maxMarks) + `{"properties":{"x":{"const":"1"}}}]}`,
	} {
		ty, _, err := tableOf(t, head+c)
		if err == nil {
			t.Errorf("%s: has a table", c)
		}
		if ty.table.accepts([]byte(`{}`)) || ty.table != nil {
			t.Errorf("%s: something is accepted", c)
		}
		ty.Validate([]byte(`{"a":"1"}`)) // by jsonschema
	}
	many := make([]string, maxMembers+1)
	for i := range many {
		many[i] = fmt.Sprintf(`"m%d":{"type":"string"}`, i)
	}
	for n, want := range map[int]bool{maxMembers: true, maxMembers + 1: false} {
		ty, _, _ := tableOf(t, `{"type":"object","properties":{`+strings.Join(many[:n], ",")+`}}`)
		if got := ty.table.accepts([]byte(`{"m0":"","m255":""}`)); got != want {
			t.Errorf("%d members: accepted: %v", n, got)
		}
	}
}

// TestPackWithUnknownShape: a pack whose type has no table loads and judges like any other.
func TestPackWithUnknownShape(t *testing.T) {
	r, err := Load(smallPack(t, [3]string{"types/thing.json", `"properties":{`, `"properties":{"n":{"title":"数","type":"number","maximum":2},`}))
	if err != nil {
		t.Fatal(err)
	}
	ty, _ := r.currentAt("thing", packDay)
	if ty.table != nil {
		t.Error("there is a table")
	}
	if faults := ty.Validate([]byte(`{"id":"1","n":1.5}`)); len(faults) > 0 {
		t.Error(faults)
	}
	if faults := ty.Validate([]byte(`{"id":"1","n":2.5}`)); len(faults) != 1 || faults[0].Code != CodeRange {
		t.Error(faults)
	}
}

// TestTableStrict pins what the table takes for JSON. Where it refuses what jsonschema accepts ("slow"), Validate still accepts.
func TestTableStrict(t *testing.T) {
	ty, _, err := tableOf(t, `{"type":"object","additionalProperties":false,"required":["s"],"properties":{"s":{"type":"string","maxLength":3},
		"code":{"type":"string","enum":["01","é","long code 1","long code 2"]},"n":{"type":"integer","minimum":-5,"maximum":9999999999999999},"b":{"type":"boolean"},
		"yes":{"type":"boolean","const":true},"p":{"type":"object","minProperties":1,"properties":{"k":{},"q":{}}},"m":{"type":"array","minItems":2},
		"o":{"type":"object","maxProperties":2,"properties":{"k":{"type":"string"}}},"l":{"type":"array","maxItems":2,"items":{"type":"string"}},"any":{}}}`)
	if err != nil {
		t.Fatal(err)
	}
	nested := func(n int, inner string) string { // the inner value is n levels below the record
		return `{"s":"","any":` + strings.Repeat("[", n-1) + inner + strings.Repeat("]", n-1) + `}`
	}
	for data, want := range map[string]string{
		`{"s":""}`: "fast", " \t\r\n{ \"s\" : \"\" } \n": "fast", `{"s":"法𠮷é"}`: "fast", `{"s":"法𠮷éx"}`: "no", `{"s":"\u6cd5\ud842\udfb7\n"}`: "fast", `{"s":"\ud842\udfb7abc"}`: "no",
		`{"s":"1234567890"}`: "no", `{}`: "no", ``: "no", `null`: "no", `[]`: "no", `{"s":""`: "no", `{"s":""}}`: "no", `{"s":"",}`: "no", `{,"s":""}`: "no", `{"s" ""}`: "no", `{"s":""} x`: "no",
		"{\"s\":\"\x01\"}": "no", "{\"s\":\"\xff\"}": "no", "{\"s\":\"\xed\xa0\x80\"}": "no", "{\"s\":\"\xe0\x80\x80\"}": "no", "{\"s\":\"\xe6\xb3\"}": "no", `{"s":"\x"}`: "no", `{"s":"\u12"}`: "no",
		`{"s":"\ud800"}`: "slow", `{"s":"\u0000"}`: "slow", `{"\u0073":""}`: "slow", `{"s":"","s":""}`: "slow", `{"s":"","q":1}`: "no", `{"s":null}`: "no", "\ufeff{\"s\":\"\"}": "no", "{\"s\":\"\"}\x00": "no",
		`{"s":"","code":"01"}`: "fast", `{"s":"","code":"\u0030\u00e9"}`: "no", `{"s":"","code":"\u00e9"}`: "fast", `{"s":"","code":"02"}`: "no", `{"s":"","code":"long code 2"}`: "fast", `{"s":"","code":"long code 3"}`: "no",
		`{"s":"","n":0}`: "fast", `{"s":"","n":-5}`: "fast", `{"s":"","n":-6}`: "no", `{"s":"","n":-0}`: "fast", `{"s":"","n":00}`: "no", `{"s":"","n":-}`: "no", `{"s":"","n":1.0}`: "slow", `{"s":"","n":1.5}`: "no",
		`{"s":"","n":1e1}`: "no", `{"s":"","n":9999999999999999}`: "fast", `{"s":"","n":10000000000000000}`: "no", `{"s":"","n":99999999999999999999999999}`: "no", `{"s":"","n":"1"}`: "no",
		`{"s":"","b":true}`: "fast", `{"s":"","b":false}`: "fast", `{"s":"","b":truE}`: "no", `{"s":"","b":null}`: "no", `{"s":"","b":1}`: "no", `{"s":"","b":tru`: "no",
		`{"s":"","o":{}}`: "fast", `{"s":"","o":{"x":1,"y":[]}}`: "fast", `{"s":"","o":{"x":1,"y":[],"z":null}}`: "no", `{"s":"","o":{"x":1,"x":2,"x":3}}`: "slow", `{"s":"","o":{"\u006b":1}}`: "no",
		`{"s":"","o":{"\u006b":"1"}}`: "slow", `{"s":"","o":{"x\"":"1"}}`: "fast", `{"s":"","o":{"k":"","k":""}}`: "slow", `{"s":"","o":{"k":1}}`: "no", `{"s":"","o":{"x":1e5}}`: "no", `{"s":"","o":{"x":-0.50}}`: "fast",
		`{"s":"","o":{"x":1.}}`: "no", `{"s":"","o":{"x":.5}}`: "no", `{"s":"","o":{"x":12345678901234567}}`: "no", `{"s":"","o":{"x":0.12345678901234567}}`: "no", `{"s":"","o":{"x":+1}}`: "no", `{"s":"","o":[]}`: "no",
		`{"s":"","l":[]}`: "fast", `{"s":"","l":["",""]}`: "fast", `{"s":"","l":["","",""]}`: "no", `{"s":"","l":["",]}`: "no", `{"s":"","l":[1]}`: "no", `{"s":"","l":[""}`: "no", `{"s":"","l":{}}`: "no",
		`{"s":"","yes":true}`: "fast", `{"s":"","yes":false}`: "no", `{"s":"","p":{"k":1}}`: "fast", `{"s":"","p":{}}`: "no", `{"s":"","p":{"x":1}}`: "slow", `{"s":"","m":[1,{}]}`: "fast", `{"s":"","m":[1]}`: "no",
		`{"s":"","m":[]}`: "no", `{"s":""}` + strings.Repeat(" ", maxRecord-8): "fast", `{"s":""}` + strings.Repeat(" ", maxRecord-7): "no",
		nested(31, `[]`): "fast", nested(31, `[1]`): "no", nested(31, `["x"]`): "fast", nested(32, `[]`): "no", nested(32, `{}`): "no", nested(31, `1`): "fast", nested(32, `"x"`): "fast", nested(32, `null`): "no",
		strings.Repeat(`{"any":`, 100_000): "no", `{"s":"` + strings.Repeat("a", maxRecord) + `"}`: "no",
	} {
		got := "no"
		if ty.table.accepts([]byte(data)) {
			got = "fast"
			for cut := range data[:len(strings.TrimRight(data, " \n"))] {
				if ty.table.accepts([]byte(data[:cut])) {
					t.Errorf("%.80q: the first %d bytes are accepted", data, cut)
				}
			}
		} else if len(ty.Validate([]byte(data))) == 0 {
			got = "slow"
		}
		if got != want {
			t.Errorf("%.80q: %s, want %s", data, got, want)
		}
	}
}

// TestTableDepth: rules nested by references count like any nesting.
func TestTableDepth(t *testing.T) {
	defs := `"$defs":{"d32":{"type":"integer"}`
	for i := range 32 {
		defs += fmt.Sprintf(`,"d%d":{"type":"array","items":{"$ref":"#/$defs/d%d"}}`, i, i+1)
	}
	for n, want := range map[int]bool{30: true, 31: false} { // arrays between the record and the number
		ty, _, err := tableOf(t, fmt.Sprintf(`{%s},"type":"object","properties":{"x":{"$ref":"#/$defs/d%d"}}}`, defs, 32-n))
		if err != nil {
			t.Fatal(err)
		}
		data := []byte(`{"x":` + strings.Repeat("[", n) + "1" + strings.Repeat("]", n) + `}`)
		if got := ty.table.accepts(data); got != want || (len(ty.explain(data)) == 0) != want {
			t.Errorf("%d arrays: %v", n, got)
		}
	}
}

// TestKeySetLengths: keys of one letter are not taken for each other.
func TestKeySetLengths(t *testing.T) {
	for c := range 256 {
		for n := 1; n < 20; n++ {
			key := bytes.Repeat([]byte{byte(c)}, n)
			set := newKeySet([]string{string(key)})
			for m := range 20 {
				if got := set.find(bytes.Repeat([]byte{byte(c)}, m)); (got == 0) != (m == n) {
					t.Fatalf("byte %d: %d of them found in a set of %d", c, m, n)
				}
			}
		}
	}
}

// TestKeySet: every key is found in its place, and nothing else is found.
func TestKeySet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfNDistinct(rapid.StringMatching(`[ab\x00]{0,20}`), 0, 200, rapid.ID).Draw(t, "keys")
		set := newKeySet(keys)
		for i, key := range keys {
			if got := set.find([]byte(key)); got != i {
				t.Fatalf("%q is at %d, found at %d", key, i, got)
			}
		}
		other := rapid.StringMatching(`[abc\x00]{0,20}`).Draw(t, "other")
		if got := set.find([]byte(other)); got != slices.Index(keys, other) {
			t.Fatalf("%q is found at %d", other, got)
		}
	})
}

// TestRuns: patterns in the shape of runs match what regexp matches; others are left to it.
func TestRuns(t *testing.T) {
	for pattern, want := range map[string]bool{
		"^[0-9]{6}$": true, "^[A-Za-z0-9+/]+={0,2}$": true, "^[0-9a-z][0-9a-z-]{1,31}/[a-z][a-z0-9_]{1,47}$": true, `^\d{2}-\w*$`: true, "^a?b+$": true, "^abc$": true, "^(a)$": true, "^[a-z]{2,}$": true,
		"^[a-c]?[c-e]$": false, "^a*b?a$": false, "^(?:ab)+$": false, "^(?:a|bc)$": false, "^[一-龥]$": false, "^(?i)k$": false, "^[^a]$": false, "^$": true, "^a*[ab]{0,1}$": false, "^a{2}a$": true,
	} {
		list, ok := readRuns(pattern)
		if ok != want {
			t.Errorf("%s: runs: %v", pattern, ok)
		}
		if !ok {
			continue
		}
		re := regexp.MustCompile(pattern)
		t.Run(pattern, rapid.MakeCheck(func(t *rapid.T) {
			s := rapid.OneOf(rapid.StringMatching(pattern), rapid.StringOfN(rapid.RuneFrom([]rune("ab01-/=_Z法\n")), 0, 9, -1)).Draw(t, "s")
			if at := rapid.IntRange(0, len(s)).Draw(t, "at"); rapid.Bool().Draw(t, "insert") {
				s = s[:at] + rapid.SampledFrom([]string{"a", "0", "=", "-", "\n", "法", "\xff"}).Draw(t, "piece") + s[at:]
			}
			if list.match([]byte(s)) != re.MatchString(s) {
				t.Fatalf("%q", s)
			}
		}))
	}
}

// TestScanText: texts are read as encoding/json reads them, characters counted alike, wherever in a buffer they lie.
func TestScanText(t *testing.T) {
	pieces := []string{"a", "1234567", "12345678", "法", "律援助", "é", "𠮷", "\ufffd", "\u0800", "\U0010ffff", `\n`, `\"`, `\\`, `\u6cd5`, `\ud842\udfb7`, `\/`,
		"\x01", "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", `\ud842`, `\udfb7`, `\ud842\u0041`, `\ud842\ud842\udfb7`, `\u0000`, `\a`, "\x7f"}
	rapid.Check(t, func(t *rapid.T) {
		inner := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 8).Draw(t, "pieces"), "")
		data := []byte(`"` + inner + `"` + rapid.SampledFrom([]string{"", ",", `,"more":"and more"}`}).Draw(t, "rest"))
		s := scanText(data, 1)
		var want string
		err := json.Unmarshal([]byte(`"`+inner+`"`), &want)
		// encoding/json puts U+FFFD where something was lost.
		lost := strings.Count(want, "\ufffd") > strings.Count(inner, "\ufffd") || strings.Contains(want, "\x00")
		if (s.end != refused) != (err == nil && !lost) {
			t.Fatalf("%q: end %d, %v", data, s.end, err)
		}
		if s.end != refused && (s.end != len(inner)+1 || s.runes != utf8.RuneCountInString(want) || string(s.content(data)) != want) {
			t.Fatalf("%q: %+v, want %q", data, s, want)
		}
	})
}

// TestRandomSchemas: for schemas of every shape a table can have, table and jsonschema agree in both directions.
func TestRandomSchemas(t *testing.T) {
	var accepted, refused int
	rapid.Check(t, func(r *rapid.T) {
		schema := drawSchema(r)
		ty, doc, err := tableOf(t, schema)
		if err != nil {
			r.Fatalf("no table: %v\n%s", err, schema)
		}
		seed := rapid.Uint64().Draw(r, "seed")
		g := generator{Rand: rand.New(rand.NewPCG(seed, 1)), dense: 0.6}
		defs, _ := doc["$defs"].(map[string]any)
		g.defs = defs
		for range 20 {
			m, _ := g.value(doc).(map[string]any)
			if g.chance(0.3) {
				m[pick(&g, []string{"s", "f", "n", "b", "l", "o"})] = g.anything(2)
			}
			data := encode(t, m)
			fast, faults := ty.table.accepts(data), ty.explain(data)
			if fast != (len(faults) == 0) {
				r.Fatalf("table: %v, jsonschema: %v\n%s\n%s", fast, faults, schema, data)
			}
			if fast {
				accepted++
			} else {
				refused++
			}
		}
	})
	if accepted < 100 || refused < 100 {
		t.Errorf("%d accepted, %d refused", accepted, refused)
	}
}

// drawSchema draws a record schema with conditions of all kinds over six members.
func drawSchema(r *rapid.T) string {
	one := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(r, name) }
	member := one("s", `{"type":"string"}`, `{"type":"string","enum":["1","2","暂无"]}`, `{"$ref":"#/$defs/short"}`, `{"type":"string","pattern":"^[0-9]{2}$"}`)
	object := fmt.Sprintf(`"$defs":{"short":{"type":"string","maxLength":3,"minLength":1}},"type":"object","additionalProperties":%s,
		"properties":{"s":%s,"f":{"type":"string"},"n":{"type":"integer"},"b":{"type":"boolean"},"l":{"type":"array","items":{"type":"string","enum":["1","2","01"]}},
		"o":{"type":"object","additionalProperties":%s,"properties":{"k":{"type":"boolean"}}%s}}`, one("open", "true", "false"), member, one("inner", "true", "false"), one("required", "", `,"required":["k"]`, `,"maxProperties":1`))
	var condition func(depth int) string
	condition = func(depth int) string {
		test := []string{
			`{"properties":{"s":{"enum":["1","暂无"]}}}`, `{"properties":{"s":{"const":"2"}},"required":["s"]}`, `{"properties":{"f":{"format":"date"}}}`, `{"properties":{"b":{"const":true}},"required":["b"]}`,
			`{"properties":{"b":{"enum":[false]}}}`, `{"properties":{"l":{"contains":{"const":"1"}}}}`, `{"properties":{"n":{"minimum":0,"maximum":100}},"required":["n"]}`, `{"required":["f","o"]}`, `{"properties":{"f":{"minLength":2,"maxLength":12}}}`,
			`{"required":["l"]}`, `{}`, `{"properties":{"f":{"pattern":"^(?:01|111)$"},"s":{"maxLength":1}}}`,
		}
		n := rapid.IntRange(0, len(test)+6).Draw(r, "condition")
		if n < len(test) || depth == 0 {
			return test[n%len(test)]
		}
		a, b := condition(depth-1), condition(depth-1)
		return fmt.Sprintf([]string{
			`{"allOf":[%s,%s]}`, `{"anyOf":[%s,%s]}`, `{"oneOf":[%s,%s]}`, `{"not":{"anyOf":[%s,%s]}}`, `{"if":%s,"then":%s}`, `{"if":%s,"else":%s}`, `{"if":%s,"then":%s,"else":{"required":["s"]}}`,
		}[n-len(test)], a, b)
	}
	return fmt.Sprintf(`{%s,"allOf":[%s,%s]%s}`, object, condition(2), condition(1), one("end", "", `,"required":["s"]`, `,"anyOf":[{"required":["s"]},{"required":["b"]}]`))
}

// TestHostileUnits: the longest record made of one opening after the other is refused; the log tells how soon.
func TestHostileUnits(t *testing.T) {
	ty := typeNamed(t, "legal_aid_case")
	for _, unit := range []string{`{"coApplicants":`, `[`, `{"coApplicants":[{"x":`, `"`, `\`, `{"`, " ", "\xe6", `{"caseNo":"`} {
		data := []byte(strings.Repeat(unit, maxRecord/len(unit)))
		start := time.Now()
		if ty.table.accepts(data) {
			t.Errorf("%q is accepted", unit)
		}
		t.Logf("%q: %v", unit, time.Since(start))
	}
}
