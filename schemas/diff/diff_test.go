package diff

import (
	"regexp"
	"strings"
	"testing"

	"fayi/schemas"

	"github.com/google/go-cmp/cmp"
)

// in replaces text of the schema.
func in(old, new string) edit { return edit{sch, old, new} }

// TestCompare: each edit of the small pack, forth and back, with what is said of it: class and place.
func TestCompare(t *testing.T) {
	for name, c := range map[string]struct {
		edits       []edit
		forth, back string // "class pointer", joined by |
	}{
		"title":                {[]edit{in(`"title":"备注"`, `"title":"说明"`)}, "wording /properties/note/title", ""},
		"mark":                 {[]edit{in(`[SRC]`, `[STD]`)}, "wording /properties/kind", ""},
		"percent in a title":   {[]edit{in(`"title":"备注","type":"string","maxLength":4`, `"title":"100%s","type":"string","maxLength":3`)}, "stricter /properties/note/maxLength|wording /properties/note/title", "looser /properties/note/maxLength|wording /properties/note/title"},
		"order of required":    {[]edit{in(`["id","kind"]`, `["kind","id"]`)}, "wording ", ""},
		"id":                   {[]edit{in(`thing/1`, `thing/2`)}, "wording ", ""},
		"expected":             {[]edit{in(`,"x-expected":true`, ``)}, "compatible /properties/note/x-expected", ""},
		"class":                {[]edit{in(`"x-sensitivity":"内部"`, `"x-sensitivity":"公开"`)}, "looser /properties/kind/x-sensitivity", "compatible /properties/kind/x-sensitivity"},
		"class by inheritance": {[]edit{in(`,"x-sensitivity":"敏感个人信息"`, ``)}, "looser /properties/note/x-sensitivity", "compatible /properties/note/x-sensitivity"},
		"unknown annotation":   {[]edit{in(`"x-mark":"[SRC]"`, `"x-mark":"[SRC]","x-rules":"id > kind"`)}, "stricter /properties/kind/x-rules", ""},
		"length":               {[]edit{in(`"maxLength":8`, `"maxLength":9`)}, "looser /properties/id/maxLength", "stricter /properties/id/maxLength"},
		"length gone":          {[]edit{in(`,"maxLength":8`, ``)}, "looser /properties/id/maxLength", "stricter /properties/id/maxLength"},
		"minimum":              {[]edit{in(`"minimum":0,"maximum":3`, `"minimum":-1,"maximum":3`)}, "looser /properties/count/minimum", "stricter /properties/count/minimum"},
		"elements":             {[]edit{in(`"maxItems":3`, `"maxItems":2`)}, "stricter /properties/list/maxItems", "looser /properties/list/maxItems"},
		"unique":               {[]edit{in(`,"uniqueItems":true`, ``)}, "looser /properties/list/uniqueItems", "stricter /properties/list/uniqueItems"},
		"required":             {[]edit{in(`["id","kind"]`, `["id"]`)}, "looser /required", "stricter /required"},
		"field":                {[]edit{in(`"open":{"title":"公开","type":"boolean"},`, ``)}, "breaking /properties/open", "compatible /properties/open"},
		"required field":       {[]edit{in(`"open":{`, `"new":{"type":"string"},"open":{`), in(`["id","kind"]`, `["id","kind","new"]`)}, "compatible /properties/new|stricter /required", "breaking /properties/new|looser /required"},
		"type of a field":      {[]edit{in(`"boolean"`, `"string"`)}, "breaking /properties/open/type", "breaking /properties/open/type"},
		"format":               {[]edit{in(`,"format":"date"`, ``)}, "looser /properties/when/format", "stricter /properties/when/format"},
		"other format":         {[]edit{in(`"date"`, `"date-time"`)}, "stricter /properties/when/format", "stricter /properties/when/format"},
		"decimal":              {[]edit{in(`decimal-4-1`, `decimal-5-2`)}, "looser /properties/sum/format", "stricter /properties/sum/format"},
		"decimal both ways":    {[]edit{in(`decimal-4-1`, `decimal-5-0`)}, "stricter /properties/sum/format", "stricter /properties/sum/format"},
		"division":             {[]edit{in(`division-6`, `division`)}, "looser /properties/place/format", "stricter /properties/place/format"},
		"pattern":              {[]edit{in(`{1,3}`, `{1,4}`)}, "stricter /properties/code/pattern", "stricter /properties/code/pattern"},
		"enum":                 {[]edit{in(`["a","b","c"]`, `["a","b","c","d"]`)}, "compatible /properties/list/items/enum", "stricter /properties/list/items/enum"},
		"code":                 {[]edit{{tab, `{"code":"2"`, `{"code":"3","name":"三"},{"code":"2"`}}, "compatible /properties/kind/x-codes", "stricter /properties/kind/x-codes"},
		"code's name":          {[]edit{{tab, `"二"`, `"贰"`}}, "wording ", ""},
		"codes' names swapped": {[]edit{{tab, `"一"`, `"三"`}, {tab, `"二"`, `"一"`}}, "breaking ", ""},
		"table's note":         {[]edit{{tab, `"source":"I"`, `"source":"S"`}}, "wording ", ""},
		"codes as enum":        {[]edit{in(`"x-codes":["kind"]`, `"enum":["1","2"]`)}, "wording /properties/kind/enum", ""},
		"contains":             {[]edit{in(`"contains":{"enum":["a","b"]}`, `"contains":{"enum":["a"]}`)}, "stricter /properties/list/contains/enum", "compatible /properties/list/contains/enum"},
		"contains gone":        {[]edit{in(`,"contains":{"enum":["a","b"]}`, ``)}, "looser /properties/list/contains", "stricter /properties/list/contains"},
		"behind a reference":   {[]edit{in(`"maximum":2}}`, `"maximum":1}}`)}, "stricter /properties/part/properties/x/maximum|stricter /properties/part/properties/y/allOf/0/maximum", "looser /properties/part/properties/x/maximum|looser /properties/part/properties/y/allOf/0/maximum"},
		"beside a reference":   {[]edit{in(`,"maximum":1`, `,"maximum":0`)}, "stricter /properties/part/properties/y/maximum", "looser /properties/part/properties/y/maximum"},
		"reference written":    {[]edit{in(`"x":{"$ref":"#/$defs/small"}`, `"x":{"type":"integer","maximum":2,"minimum":0}`)}, "wording ", ""},
		"other members":        {[]edit{in(`"additionalProperties":{"type":"integer"}`, `"additionalProperties":false`)}, "stricter /properties/part/additionalProperties", "looser /properties/part/additionalProperties"},
		"open object":          {[]edit{in(`"z":{"type":"integer"}`, `"z":{"type":"integer"},"w":{"type":"integer"}`)}, "stricter /properties/loose/properties/w", "looser /properties/loose/properties/w"},
		"listed of others":     {[]edit{in(`"x":{"$ref":"#/$defs/small"},`, ``)}, "stricter /properties/part/properties/x", "stricter /properties/part/properties/x"},
		"consequence":          {[]edit{in(`"then":{"required":["note"]}`, `"then":{"required":["note","when"]}`)}, "stricter /allOf/0/then/required", "looser /allOf/0/then/required"},
		"otherwise":            {[]edit{in(`{"maximum":2}}}}`, `{"maximum":1}}}}`)}, "stricter /allOf/0/else/properties/count/maximum", "looser /allOf/0/else/properties/count/maximum"},
		"condition":            {[]edit{in(`{"enum":["1"]}`, `{"enum":["1","2"]}`)}, "stricter /allOf/0/if", "stricter /allOf/0/if"},
		"rule gone":            {[]edit{in(`{"x-message":"不可同时","x-message-en":"not both","not":{"required":["when","sum"]}},`, ``)}, "looser /allOf/1", "stricter /allOf/1"},
		"rules in order": {[]edit{in(`{"x-message":"不可同时","x-message-en":"not both","not":{"required":["when","sum"]}},`, ``),
			in(`"allOf":[`, `"allOf":[{"x-message":"不可同时","x-message-en":"not both","not":{"required":["when","sum"]}},`)}, "wording ", ""},
		"reason":           {[]edit{in(`"不可同时"`, `"不能同时"`)}, "wording /allOf/1", ""},
		"not":              {[]edit{in(`["when","sum"]`, `["when"]`)}, "stricter /allOf/1/not", "stricter /allOf/1/not"},
		"one of any":       {[]edit{in(`{"anyOf":[{"required":["open"]},`, `{"anyOf":[`)}, "stricter /allOf/2/anyOf/0", "looser /allOf/2/anyOf/0"},
		"one of one":       {[]edit{in(`{"required":["place"]},`, ``)}, "stricter /allOf/3/oneOf", "stricter /allOf/3/oneOf"},
		"key field":        {[]edit{in(`"x-key":"id"`, `"x-key":"kind"`), {man, `"key":"id"`, `"key":"kind"`}}, "breaking /x-key", "breaking /x-key"},
		"version":          {[]edit{{man, `"version":1,`, `"version":2,`}}, "wording ", "breaking "},
		"urgent":           {[]edit{{man, `"key"`, `"urgent":true,"key"`}}, "breaking ", ""},
		"system":           {[]edit{{man, `"key"`, `"system":true,"key"`}}, "breaking ", ""},
		"audience":         {[]edit{{man, `upstream`, `public`}}, "breaking ", ""},
		"audience of more": {[]edit{{man, `{"city":"upstream"}`, `{"city":"upstream","county":"upstream"}`}}, "breaking ", ""},
		"from":             {[]edit{{man, `2026-01-01`, `2027-01-01`}}, "wording ", "breaking "},
		"until":            {[]edit{{man, `"from"`, `"until":"2030-01-01","from"`}}, "stricter ", "compatible "},
	} {
		old, err := thing()
		if err != nil {
			t.Fatal(err)
		}
		new, err := thing(c.edits...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.back == "" {
			c.back = c.forth
		}
		for want, got := range map[string][]Change{"forth " + c.forth: Compare(old, new), "back " + c.back: Compare(new, old)} {
			way, list, _ := strings.Cut(want, " ")
			if diff := cmp.Diff(strings.Split(list, "|"), brief(got)); diff != "" {
				t.Errorf("%s, %s:\n%s", name, way, diff)
			}
			for _, ch := range got {
				checkWords(t, name, ch)
			}
		}
	}
}

func brief(changes []Change) []string {
	var out []string
	for _, c := range changes {
		out = append(out, string(c.Class)+" "+c.Pointer)
	}
	return out
}

var han = regexp.MustCompile(`\p{Han}`)

// checkWords: sentences are whole and each is in its language; the English one may quote Chinese titles.
func checkWords(t *testing.T, name string, c Change) {
	t.Helper()
	quoted := regexp.MustCompile(`“[^”]*”|[^:]*: `).ReplaceAllString(c.MessageEN, "")
	for _, s := range []string{c.Message, c.MessageEN, c.Why, c.WhyEN} {
		if s == "" || strings.Contains(s, "%!") {
			t.Errorf("%s: sentence %q", name, s)
		}
	}
	if !han.MatchString(c.Message) || !han.MatchString(c.Why) || han.MatchString(c.WhyEN) || han.MatchString(quoted) && !strings.Contains(c.Message, "代码表") {
		t.Errorf("%s: %q %q %q %q", name, c.Message, c.Why, c.MessageEN, c.WhyEN)
	}
}

func TestSentences(t *testing.T) {
	old, _ := thing()
	new, err := thing(in(`"maxLength":8`, `"maxLength":6`), edit{tab, `{"code":"2","name":"二"}`, `{"code":"3","name":"三"}`})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range Compare(old, new) {
		got = append(got, c.Message+" / "+c.MessageEN)
	}
	want := []string{
		"编号：最多字数由 8 改为 6 / number: the largest number of characters was 8 and is 6",
		"种类：新增取值 3 / kind: new: 3",
		"种类：删去取值 2 / kind: no longer allowed: 2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestTypes: whole types come and go; the embedded pack does not differ from itself.
func TestTypes(t *testing.T) {
	national, err := schemas.Load(schemas.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	all := national.Types()
	if got := Compare(Of(national), Of(national)); len(got) != 0 || Worst(got) != "" {
		t.Errorf("%+v", got)
	}
	got := Compare(Pack{Types: all[:2]}, Pack{Types: all[1:3]})
	if diff := cmp.Diff([]string{"breaking ", "compatible "}, brief(got)); diff != "" || got[0].Type != all[0].Name() || got[1].Type != all[2].Name() {
		t.Errorf("%+v", got)
	}
	if Worst(got) != Breaking {
		t.Error(Worst(got))
	}
}

// TestHiddenTable: a code table that only a rule uses is compared if it is given and the digest confirms it; otherwise the rule counts as
// stricter.
func TestHiddenTable(t *testing.T) {
	hide := in(`{"maximum":2}}}}`, `{"maximum":2},"note":{"type":"string","x-codes":["hidden"]}}}}`)
	hidden := strings.ReplaceAll(thingTable, `"name":"kind"`, `"name":"hidden"`)
	less := strings.Replace(hidden, `,{"code":"2","name":"二"}`, ``, 1)
	files := map[string]string{man: thingManifest, sch: strings.Replace(thingSchema, hide[1], hide[2], 1), tab: thingTable, "codes/hidden.json": less}
	old, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	files["codes/hidden.json"] = hidden
	new, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	const at = "/allOf/0/else/properties/note/x-codes"
	for name, c := range map[string]struct {
		old, new Pack
		want     string
	}{
		"given":                 {old, new, "compatible " + at},
		"given, back":           {new, old, "stricter " + at},
		"not given":             {Pack{Types: old.Types}, Pack{Types: new.Types}, "stricter " + at},
		"another pack's table":  {Pack{old.Types, new.Tables}, new, "stricter " + at},
		"another pack's, after": {old, Pack{new.Types, old.Tables}, "stricter " + at},
	} {
		if diff := cmp.Diff([]string{c.want}, brief(Compare(c.old, c.new))); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// TestNationalTables: every table the shipped pack uses can be seen, so that codes added to any of them are known to be compatible.
func TestNationalTables(t *testing.T) {
	national, err := schemas.Load(schemas.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	for _, ty := range national.Types() {
		s, err := newSide(ty, national.Tables())
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		codesOf(s.doc, names)
		for name := range names {
			if s.tables[name] == nil {
				t.Errorf("%s: table %s", ty.Name(), name)
			}
		}
	}
}

// TestRules: a rule that refuses and is new, or says something else, is stricter; one that is gone is looser; what only tells changes no
// verdict; spelling and words are words.
func TestRules(t *testing.T) {
	const old = `[{"name":"one","check":"has(id) and has(kind)","at":"id","level":"refuse","zh":"甲","en":"a","hint":"改","mark":"[INFER]","source":"x"},
		{"name":"two","check":"has(kind)","at":"id","level":"expected","zh":"乙","en":"b","hint":"改","mark":"[INFER]","source":"x"}]`
	cases := []struct {
		name, from, to string
		want           []string
	}{
		{"spelling", "has(id) and has(kind)", "(has(id)) and (has(kind))", []string{"wording /rules/one"}},
		{"words", "甲", "丙", []string{"wording /rules/one"}},
		{"another check", "has(id) and has(kind)", "has(id) or has(kind)", []string{"stricter /rules/one"}},
		{"another check that tells", `"has(kind)"`, `"not has(kind)"`, []string{"compatible /rules/two"}},
		{"refuses now", "expected", "refuse", []string{"stricter /rules/two"}},
		{"only tells now", "refuse", "expected", []string{"looser /rules/one"}},
		{"another name", `"one"`, `"new"`, []string{"stricter /rules/new", "looser /rules/one"}},
		{"a teller of another name", `"two"`, `"new"`, []string{"compatible /rules/new", "compatible /rules/two"}},
	}
	for _, c := range cases {
		a, err := thing(edit{"rules/thing.json", "", old})
		if err != nil {
			t.Fatal(err)
		}
		b, err := thing(edit{"rules/thing.json", "", strings.Replace(old, c.from, c.to, 1)})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, change := range Compare(a, b) {
			got = append(got, string(change.Class)+" "+change.Pointer)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}
