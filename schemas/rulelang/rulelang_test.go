package rulelang

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// members are those of the objects in these tests.
var members = map[string]Kind{
	"apply": Date, "accept": Date, "call": Time, "answer": Time, "id": Text, "gender": Text, "name": Text, "code": Text, "n": Integer, "m": Integer,
	"lng": Decimal, "fee": Decimal, "yes": Boolean, "no": Boolean, "list": List, "thing": None,
}

func kindOf(name string) (Kind, bool) {
	k, ok := members[name]
	return k, ok
}

// judge compiles a rule and judges the JSON of an object both ways, which must agree.
func judge(t testing.TB, src, object string, w Where) Truth {
	t.Helper()
	var slots Slots
	e, err := Compile(src, kindOf, &slots)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return both(t, e, &slots, []byte(object), w)
}

func both(t interface {
	Helper()
	Fatalf(string, ...any)
}, e *Expr, slots *Slots, object []byte, w Where) Truth {
	t.Helper()
	spans, there := find(object, slots)
	fast := e.Bytes(object, spans, w)
	if e.Needs()&^there != 0 && fast == False {
		t.Fatalf("false although a member it needs is missing: %s", object)
	}
	var decoded map[string]any
	dec := json.NewDecoder(bytes.NewReader(object))
	dec.UseNumber()
	if err := dec.Decode(&decoded); err != nil {
		t.Fatalf("%v: %s", err, object)
	}
	if slow := e.Walk(decoded, w); slow != fast {
		t.Fatalf("%d over bytes, %d over values: %s", fast, slow, object)
	}
	return fast
}

// find locates the members of an object with the standard library.
func find(object []byte, slots *Slots) (at []Span, there uint64) {
	at = make([]Span, MaxSlots)
	dec := json.NewDecoder(bytes.NewReader(object))
	_, _ = dec.Token()
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, 0
		}
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			return nil, 0
		}
		end := int(dec.InputOffset())
		for i, n := range slots.Names() {
			if n == name {
				at[i] = Span{end - len(raw), end}
				there |= 1 << i
			}
		}
	}
	return at, there
}

// TestLanguage: what each part of the language means stands in testdata/vectors.json, for other implementations too.
func TestLanguage(t *testing.T) {
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Territory []string
		Members   map[string]string
		Rules     []struct{ Check, Object, Want string }
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	for name, kind := range members {
		if v.Members[name] != map[Kind]string{Date: "date", Time: "date-time", Text: "text", Integer: "integer", Decimal: "decimal", Boolean: "boolean", List: "list", None: "object"}[kind] {
			t.Errorf("%s is %s in the vectors, %s here", name, v.Members[name], kind)
		}
	}
	if len(v.Rules) < 50 {
		t.Errorf("only %d vectors", len(v.Rules))
	}
	here := Where{Territory: v.Territory}
	for _, c := range v.Rules {
		want := map[string]Truth{"unknown": Unknown, "false": False, "true": True}[c.Want]
		if got := judge(t, c.Check, c.Object, here); got != want {
			t.Errorf("%s of %s: %d, want %d", c.Check, c.Object, got, want)
		}
	}
	long := `"` + strings.Repeat(`\u6cd5a`, 200) + `"` // kept when read for the first time
	if got := judge(t, `length(name) == 400 and ends(name, "法a") and part(name, 1, 2) == "法a" and length(name) < 401 and ends(id, "法a") and length(id) == 400 and name == id`,
		`{"name":`+long+`,"id":`+long+`}`, Where{}); got != True {
		t.Errorf("long texts: %d", got)
	}
	if got := judge(t, `in_territory(code)`, `{"code":"610102"}`, Where{}); got != Unknown {
		t.Errorf("without a territory: %d", got)
	}
}

// TestRefused: what is no rule is refused, with the place and all that is wrong.
func TestRefused(t *testing.T) {
	cases := map[string]string{
		``:                                     "at byte 1: ends where a value should follow",
		`apply >=`:                             "at byte 9: ends where a value should follow",
		`apply >= accept accept`:               `at byte 17: "accept" stands where the end should follow`,
		`apply >= acept`:                       `at byte 10: there is no member "acept"`,
		`apply > n or gender < "1"`:            "at byte 7: a date cannot be compared with an integer by >\nat byte 21: a text cannot be compared with a text by <",
		`apply > "2026-02-30"`:                 `at byte 9: "2026-02-30" is no date`,
		`now(apply) > apply`:                   `at byte 1: there is no function "now"`,
		`n`:                                    "at byte 1: the whole must be a condition",
		`true`:                                 "at byte 1: names no member",
		`n + 1 > m`:                            `at byte 3: '+' is no part of the language`,
		`part(id, 0, 2) == "1"`:                "at byte 1: part(t, a, b) needs 1 ≤ a ≤ b ≤ 64",
		`part(id, 1, n) == "1"`:                "at byte 1: part takes a text and two numbers",
		`count(id) > 1`:                        "at byte 7: count takes a list as its value 1, not a text",
		`year(apply, call) > 1`:                "at byte 1: year takes 1 values, not 2",
		`has("name")`:                          "at byte 1: has takes the name of a member",
		`thing == "a"`:                         "at byte 7: nothing comparable cannot be compared with a text by ==",
		`n > 0123`:                             "at byte 5: 0123 is no whole number of at most 15 digits",
		`name == "a`:                           "at byte 9: a text without its closing quote",
		`name in []`:                           `at byte 10: "]" stands where a text in quotes should follow`,
		`name in ["a" "b"]`:                    `at byte 14: "b" stands where "]" should follow`,
		strings.Repeat("(", 17) + "n":          "at byte 17: nested deeper than 16",
		strings.Repeat("not ", 17) + "yes":     "at byte 61: nested deeper than 16",
		strings.Repeat("yes and ", 60) + "yes": "has more than 100 parts",
		`name == "` + strings.Repeat("长", 400) + `"`: "is longer than 1000 bytes",
	}
	for src, want := range cases {
		var slots Slots
		_, err := Compile(src, kindOf, &slots)
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), `"\"b\""`, `"b"`), want) {
			t.Errorf("%q: %v, want %s", src, err, want)
		}
	}
	many := func(string) (Kind, bool) { return Boolean, true }
	var slots Slots
	for i := range MaxSlots {
		if _, err := Compile(fmt.Sprintf("m%d", i), many, &slots); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Compile("one_more", many, &slots); err == nil {
		t.Errorf("more than %d members are taken", MaxSlots)
	}
}

// TestCanonical: spelling does not matter, meaning does.
func TestCanonical(t *testing.T) {
	same := func(a, b string) bool {
		x, err := Canonical(a)
		y, err2 := Canonical(b)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		return x == y
	}
	if !same(`a>=b and b in ["1","2"]=>not has(c)`, "((a >= b)\n and (b in [\"1\", \"2\"]))  => (not (has(c)))") {
		t.Error("two spellings differ")
	}
	for _, other := range []string{`a > b`, `b >= a`, `a >= c`, `not a >= b`, `a >= "b"`} {
		if same(`a >= b`, other) {
			t.Errorf("%s is the same as a >= b", other)
		}
	}
}

// expression draws a rule of the given kind.
func expression(t *rapid.T, k Kind, depth int) string {
	pick := func(list ...string) string { return rapid.SampledFrom(list).Draw(t, "pick") }
	named := func(k Kind) string {
		var names []string
		for n, kind := range members {
			if kind == k {
				names = append(names, n)
			}
		}
		// Maps have no order, draws must have.
		for i := range names {
			for j := i; j > 0 && names[j] < names[j-1]; j-- {
				names[j], names[j-1] = names[j-1], names[j]
			}
		}
		return pick(names...)
	}
	switch k {
	case Text:
		return pick(named(Text), named(Text), `"1"`, `"610802"`, "part("+named(Text)+", 1, 2)", "part("+named(Text)+", 2, 6)", "sex(id)")
	case Integer:
		return pick(named(Integer), named(Integer), "0", "12", "year("+expression(t, Date, 0)+")", "count(list)", "length("+named(Text)+")", "number(part(code, 1, 2))")
	case Decimal:
		return pick(named(Decimal), named(Integer), "12", "count(list)")
	case Date:
		return pick(named(Date), named(Time), "birth(id)", named(Date))
	}
	if depth > 0 {
		switch op := pick("and", "or", "=>", "not", "leaf"); op {
		case "leaf":
		case "not":
			return "not (" + expression(t, Boolean, depth-1) + ")"
		default:
			return "(" + expression(t, Boolean, depth-1) + " " + op + " " + expression(t, Boolean, depth-1) + ")"
		}
	}
	order := pick("==", "!=", "<", "<=", ">", ">=")
	switch pick("text", "integer", "decimal", "date", "dateliteral", "time", "boolean", "has", "in", "contains", "placeholder", "ends", "in_force", "in_territory", "member") {
	case "text":
		return expression(t, Text, 0) + pick(" == ", " != ") + named(Text)
	case "integer":
		return expression(t, Integer, 0) + order + named(Integer)
	case "decimal":
		return expression(t, Decimal, 0) + order + pick(named(Decimal), `fee`)
	case "date":
		return expression(t, Date, 0) + order + named(Date)
	case "dateliteral":
		return named(Date) + order + `"1900-06-30"`
	case "time":
		return "call" + order + "answer"
	case "boolean":
		return named(Boolean) + pick(" == ", " != ") + pick("true", "false", named(Boolean))
	case "has":
		return "has(" + pick("apply", "id", "n", "list", "thing", "yes") + ")"
	case "in":
		return expression(t, Text, 0) + ` in ["1", "61", "10802"]`
	case "contains":
		return "contains(list, " + expression(t, Text, 0) + ")"
	case "placeholder":
		return "placeholder(" + expression(t, Text, 0) + ")"
	case "ends":
		return "ends(" + expression(t, Text, 0) + ", " + expression(t, Text, 0) + ")"
	case "in_force":
		return "in_force(" + expression(t, Text, 0) + ", " + expression(t, Date, 0) + ")"
	case "in_territory":
		return "in_territory(" + named(Text) + ")"
	}
	return named(Boolean)
}

// object draws the JSON of an object whose members have their kinds, written in many ways.
func object(t *rapid.T) []byte {
	var b bytes.Buffer
	space := func() { b.WriteString(rapid.SampledFrom([]string{"", "", " ", "\n"}).Draw(t, "space")) }
	quote := func(s string) {
		escape := rapid.IntRange(0, 3).Draw(t, "escape") == 0
		b.WriteByte('"')
		for _, r := range s {
			switch {
			case r == '"' || r == '\\':
				b.WriteString(`\` + string(r))
			case r < 0x20 || escape && r < 0x10000:
				fmt.Fprintf(&b, `\u%04x`, r)
			default:
				b.WriteRune(r)
			}
		}
		b.WriteByte('"')
	}
	text := func() string {
		return rapid.SampledFrom([]string{"", "1", "2", "610802190001010017", "61080219000101002X", "610821", "610802", "110103", "61080", "暂无", "\"]", "a\\", "𠮷市样例", "1280"}).Draw(t, "text")
	}
	date := func() string {
		return rapid.SampledFrom([]string{"1900-01-01", "1900-06-30", "2000-02-29", "2026-12-31", "2017-12-31", "2018-01-01", "1800-01-01"}).Draw(t, "date")
	}
	b.WriteByte('{')
	first := true
	for _, name := range []string{"accept", "answer", "apply", "call", "code", "fee", "gender", "id", "list", "lng", "m", "n", "name", "no", "thing", "yes"} {
		if rapid.IntRange(0, 3).Draw(t, "left out") == 0 {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		space()
		fmt.Fprintf(&b, "%q:", name)
		space()
		switch members[name] {
		case Text:
			quote(text())
		case Integer:
			b.WriteString(rapid.SampledFrom([]string{"0", "-0", "1", "12", "-3", "900719925474099", "2000"}).Draw(t, "integer"))
		case Decimal:
			quote(rapid.SampledFrom([]string{"0", "0.00", "12", "12.0", "12.01", "9.99", "136", "12345678901234.5"}).Draw(t, "decimal"))
		case Boolean:
			b.WriteString(rapid.SampledFrom([]string{"true", "false"}).Draw(t, "boolean"))
		case Date:
			quote(date())
		case Time:
			quote(date() + rapid.SampledFrom([]string{"T00:00:00+08:00", "T23:59:59.5+00:00", "T07:59:59.50-05:30", "T12:00:00.000001+14:00", "T16:00:00-00:00"}).Draw(t, "clock"))
		case List:
			b.WriteByte('[')
			for i := range rapid.IntRange(0, 3).Draw(t, "length") {
				if i > 0 {
					b.WriteByte(',')
				}
				space()
				switch rapid.IntRange(0, 3).Draw(t, "element") {
				case 0:
					b.WriteString(`{"a":[1,"]"],"b":{}}`)
				case 1:
					b.WriteString("1")
				default:
					quote(text())
				}
				space()
			}
			b.WriteByte(']')
		case None:
			b.WriteString(`{"x":[{}]}`)
		}
		space()
	}
	b.WriteByte('}')
	return b.Bytes()
}

// TestAgree: any rule gives the same verdict over bytes and over values, for any object of the right kinds; and a rule is not false where a
// member it needs is missing.
func TestAgree(t *testing.T) {
	count := map[Truth]int{}
	rapid.Check(t, func(t *rapid.T) {
		src := expression(t, Boolean, 3)
		var slots Slots
		e, err := Compile(src, kindOf, &slots)
		if err != nil {
			if strings.Contains(err.Error(), "parts") || strings.Contains(err.Error(), "names no member") {
				return
			}
			t.Fatalf("%s: %v", src, err)
		}
		where := Where{}
		if rapid.Bool().Draw(t, "placed") {
			where.Territory = []string{"610800", "110000"}
		}
		for range 5 {
			count[both(t, e, &slots, object(t), where)]++
		}
	})
	for _, v := range []Truth{Unknown, False, True} {
		if count[v] < 30 {
			t.Errorf("too few verdicts to say anything: %v", count)
		}
	}
}

// TestNoAllocation: judging over bytes allocates nothing.
func TestNoAllocation(t *testing.T) {
	d := []byte(`{"apply":"2026-01-02","accept":"2026-01-02","call":"2026-01-02T08:00:00+08:00","answer":"2026-01-02T08:00:00+08:00","id":"610802190001010017","gender":"1","name":"NULL","code":"610802","lng":"109.5","n":3,"list":["01","02"]}`)
	for _, src := range []string{
		`accept >= apply and answer >= call and accept >= "2020-01-01"`, `gender in ["1", "2"] => gender == sex(id)`, `apply == birth(id)`, `lng >= "73" and lng <= "136"`,
		`placeholder(name)`, `contains(list, "02") and count(list) > 1`, `in_force(code, call)`, `in_territory(code)`, `number(part(code, 1, 2)) == n`, `ends(name, "L")`,
	} {
		var slots Slots
		e, err := Compile(src, kindOf, &slots)
		if err != nil {
			t.Fatal(err)
		}
		at, _ := find(d, &slots)
		where := Where{Territory: []string{"610800"}}
		if n := testing.AllocsPerRun(100, func() { e.Bytes(d, at, where) }); n > 0 {
			t.Errorf("%s: %v allocations", src, n)
		}
	}
}

// FuzzCompile: no text makes the compiler panic or hang; what compiles has one canonical form and is judged alike both ways.
func FuzzCompile(f *testing.F) {
	for _, src := range []string{`accept >= apply`, `gender in ["1", "2"] => gender == sex(id)`, `not (has(list) and count(list) > 2)`, `part(name, 2, 3) == "样"`, `in_force(code, call)`, `((((`, `lng <= "13`} {
		f.Add(src)
	}
	d := []byte(`{"apply":"2026-01-02","call":"2026-01-02T08:00:00+08:00","id":"610802190001010017","gender":"1","name":"白样例","code":"610821","lng":"109.5","n":3,"yes":true,"list":["01","02"]}`)
	f.Fuzz(func(t *testing.T, src string) {
		var slots Slots
		e, err := Compile(src, kindOf, &slots)
		if err != nil {
			return
		}
		once, err := Canonical(src)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := Canonical(once); err != nil && len(once) <= MaxLength && !strings.Contains(err.Error(), "nested") || err == nil && twice != once {
			t.Errorf("%q, then %q: %v", once, twice, err)
		}
		both(t, e, &slots, d, Where{Territory: []string{"61"}})
		e.Bytes([]byte(`{"apply":`), []Span{{0, 9}, {1, 3}, {8, 9}}, Where{})
	})
}

// TestFaulty: a member whose value was found faulty is there, and says nothing.
func TestFaulty(t *testing.T) {
	for src, want := range map[string]Truth{`has(accept)`: True, `accept >= apply`: Unknown, `has(thing)`: True, `name == "1"`: Unknown, `contains(list, "1")`: Unknown} {
		var slots Slots
		e, err := Compile(src, kindOf, &slots)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Walk(map[string]any{"accept": Faulty, "apply": "2026-01-02", "thing": Faulty, "name": Faulty, "list": Faulty}, Where{}); got != want {
			t.Errorf("%s: %d, want %d", src, got, want)
		}
	}
}
