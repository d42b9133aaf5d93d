package schemas

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"fayi/schemas/rulelang"

	"github.com/google/go-cmp/cmp"
)

// brokenBy searches for a record that breaks one rule and is otherwise as it should be: the type's example with other values, or none, for the
// members the rule names. Members that make another rule speak up are left out where they may be.
func brokenBy(t *testing.T, ty *Type, g *recordGenerator, r *boundRule, where Where) (data []byte, at string) {
	t.Helper()
	doc := g.doc
	whole := example(t, ty.Name())
	at = pointer(r.At)
	inside := func(record map[string]any) map[string]any { return record }
	if r.In != "" {
		doc = doc["properties"].(map[string]any)[r.In].(map[string]any)
		if items, ok := doc["items"].(map[string]any); ok {
			doc = items
			inside = func(record map[string]any) map[string]any { return record[r.In].([]any)[0].(map[string]any) }
			at = pointer(r.In) + "/0" + at
		} else {
			inside = func(record map[string]any) map[string]any { return record[r.In].(map[string]any) }
			at = pointer(r.In) + at
		}
	}
	properties := doc["properties"].(map[string]any)
	days := []string{"1900-01-01", "2031-05-01"} // and those of the example, with the days before and after each
	for _, v := range inside(example(t, ty.Name())) {
		if s, ok := v.(string); ok && len(s) >= 10 {
			if day, err := time.Parse(time.DateOnly, s[:10]); err == nil {
				days = append(days, s[:10], day.AddDate(0, 0, 1).Format(time.DateOnly), day.AddDate(0, 0, -1).Format(time.DateOnly))
			}
		}
	}
	slices.Sort(days) // the example's members have no order
	change := func(object map[string]any, name string) {
		switch s := properties[name].(map[string]any); {
		case g.chance(0.2):
			delete(object, name)
		case s["type"] == "string" && s["enum"] == nil && s["format"] == nil && s["pattern"] == nil:
			object[name] = pick(&g.generator, []string{"暂无", "610802190001010017", "legal_aid_case", "某某公共法律服务中心", "某某公共法律服务工作站", "某某公共法律服务工作室"})
		case s["format"] == "date":
			object[name] = pick(&g.generator, days)
		case s["format"] == "date-time":
			object[name] = pick(&g.generator, days) + pick(&g.generator, []string{"T08:00:00+08:00", "T09:30:00+08:00"})
		case g.chance(0.8):
			object[name] = g.value(s)
		}
	}
	for try := range 20_000 {
		var record map[string]any
		if err := json.Unmarshal(encode(t, whole), &record); err != nil {
			t.Fatal(err)
		}
		object := inside(record)
		for _, name := range r.expr.Members() {
			change(object, name)
		}
		if r.expr.Walk(object, where) != rulelang.False {
			continue
		}
		if try > 100 { // what stands in the way goes
			delete(object, companions[r.At])
			for range 5 {
				for _, other := range ty.bound[r.In].list {
					if other.Name != r.Name && other.expr.Walk(object, where) == rulelang.False {
						if name := pick(&g.generator, other.expr.Members()); !slices.Contains(r.expr.Members(), name) {
							change(object, name)
						}
					}
				}
			}
		}
		data = encode(t, record)
		refused, told := ty.explain(data), ty.Remarks(data, where)
		if r.Level == Refuse && len(refused) == 1 && refused[0].Code == CodeRule && len(told) == 0 || r.Level == Expect && len(refused) == 0 && len(told) == 1 {
			return data, at
		}
	}
	t.Fatalf("%s: no record breaks %s alone", ty.Name(), r.Name)
	return nil, ""
}

// TestEveryRule: breaking one rule of a type gives exactly one fault, or one remark where the rule only tells, at the member it names, in
// words that name the members' titles; the example breaks none.
func TestEveryRule(t *testing.T) {
	where := Where{Territory: []string{"610000"}}
	levels := map[string]int{}
	for _, ty := range registry(t).Types() {
		g := generatorFor(t, ty)
		g.Rand = rand.New(rand.NewPCG(3, 4))
		if told := ty.Remarks(encode(t, example(t, ty.Name())), where); len(told) > 0 {
			t.Errorf("%s: the example deserves a remark: %v", ty.Name(), brief(told))
		}
		for _, in := range slices.Sorted(maps.Keys(ty.bound)) {
			for i := range ty.bound[in].list {
				r := &ty.bound[in].list[i]
				here := where
				if r.expr.Local() {
					here.Territory = []string{"110000", "630000"}
				}
				data, at := brokenBy(t, ty, g, r, here)
				faults, remarks := ty.Validate(data), ty.Remarks(data, here)
				if r.Level == Refuse && (ty.Exact(data) || ty.table.accepts(data)) {
					t.Errorf("%s, %s: the fast pass takes %s", ty.Name(), r.Name, data)
				}
				if r.Level == Expect {
					faults, remarks = remarks, faults
				}
				if diff := cmp.Diff([]string{CodeRule + " " + at}, brief(faults)); diff != "" || len(remarks) > 0 {
					t.Errorf("%s, %s:\n%s%v\n%s", ty.Name(), r.Name, diff, brief(remarks), data)
					continue
				}
				zh, en := ty.RuleText(r.Rule)
				f := faults[0]
				if !strings.Contains(f.Message, zh) || !strings.Contains(f.MessageEN, en) || f.Hint != r.Hint || f.Title == "" || strings.ContainsAny(f.Message+f.MessageEN, "{}") ||
					!strings.Contains(zh+f.Title, f.Title) {
					t.Errorf("%s, %s: %+v", ty.Name(), r.Name, f)
				}
				_, value, there := locate(data, strings.Split(f.Pointer[1:], "/"))
				if secret := strings.Trim(string(data[value.Start:value.End]), `"`); there && len(secret) > 6 && r.node.children[r.At].Sensitivity == Sensitive &&
					strings.Contains(fmt.Sprint(f), secret) {
					t.Errorf("%s, %s shows %s", ty.Name(), r.Name, secret)
				}
				levels[r.Level]++
			}
		}
	}
	t.Logf("%v", levels)
	if levels[Refuse] < 100 || levels[Expect] < 120 {
		t.Errorf("only %v rules", levels)
	}
}

// smallRule is a rule of the small pack's type that is as it should be.
const smallRule = `[{"name":"kind-is-known","check":"kind == \"1\" => has(id)","at":"kind","level":"refuse","zh":"{kind}不对","en":"{kind} is wrong","hint":"请改正","mark":"[INFER]","source":"test"}]`

// TestBrokenRules: each defect of a rule is refused at its place, all of them at once, and a pack with good rules is another pack than one
// without.
func TestBrokenRules(t *testing.T) {
	const file = "rules/thing.json"
	good := smallPack(t, [3]string{file, "", smallRule})
	r, err := Load(good)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := Load(smallPack(t))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := r.Types()[0], bare.Types()[0]; a.Digest() == b.Digest() || len(a.Rules()) != 1 || string(b.RulesJSON()) != "[]" {
		t.Errorf("digests %s and %s, %d rules", a.Digest(), b.Digest(), len(a.Rules()))
	}
	all := strings.NewReplacer(`"level":"refuse"`, `"level":"maybe"`, `[INFER]`, `INFER`, `"hint":"请改正"`, `"hint":""`, `"at":"kind"`, `"at":"kinds"`, `{kind}不对`, `{it}不对`, `== \"1\"`, `> 1 and nothing`).Replace(smallRule)
	many := "[" + strings.Repeat(strings.Trim(smallRule, "[]\n")+",", maxRules) + strings.Trim(smallRule, "[]\n") + "]"
	for name, c := range map[string]struct {
		rules string
		want  []string // places
	}{
		"all at once":          {all, []string{"/0", "/0/at", "/0/check", "/0/check", "/0/level", "/0/mark", "/0/zh"}},
		"name twice":           {strings.Replace(smallRule, "}]", "},"+strings.Trim(smallRule, "[]")+"]", 1), []string{"/1/name"}},
		"bad name":             {strings.Replace(smallRule, "kind-is-known", "Kind", 1), []string{"/0/name"}},
		"about a text":         {strings.Replace(smallRule, `"at"`, `"in":"id","at"`, 1), []string{"/0/in"}},
		"refuses by territory": {strings.Replace(smallRule, `has(id)`, `in_territory(id)`, 1), []string{"/0/level"}},
		"unknown member":       {strings.Replace(smallRule, `"at"`, `"when":"x","at"`, 1), []string{""}},
		"no array":             {`{}`, []string{""}},
		"none":                 {`[]`, []string{""}},
		"too many":             {many, []string{""}},
	} {
		_, err := Load(smallPack(t, [3]string{file, "", c.rules}))
		var bad *PackError
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, f := range bad.Faults {
			if f.File == file {
				got = append(got, f.Pointer)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s%v", name, diff, err)
		}
	}
	// What a judgement may cost is bounded: 1,950 parts are taken, 2,150 are not.
	dear := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, strings.NewReplacer("kind-is-known", "r"+strings.Repeat("x", 1+i%40)+string(rune('a'+i/40)), `kind == \"1\"`, "not ("+strings.Repeat("has(kind) or ", 23)+"has(kind))").Replace(strings.Trim(smallRule, "[]")))
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	if _, err := Load(smallPack(t, [3]string{file, "", dear(26)})); err != nil {
		t.Errorf("26 long rules: %v", err)
	}
	if _, err := Load(smallPack(t, [3]string{file, "", dear(30)})); err == nil || !strings.Contains(err.Error(), "parts") {
		t.Errorf("30 long rules: %v", err)
	}
	if _, err := Load(smallPack(t, [3]string{"rules/other.json", "", smallRule})); err == nil {
		t.Error("rules of a type that is not there are taken")
	}
}

// TestRuleMessages pins what a clerk reads of rules. Run with -update after changing a sentence and read the difference.
func TestRuleMessages(t *testing.T) {
	cases := []struct{ typ, data string }{
		{"lawyer", `{"name":" 暂无 ","licenseNo":"16108201510900001","idCard":"610802190001010017","gender":"2","birthday":"1900-01-02","lawyerCategory":"3","practiceStatus":"1","firstPracticeDate":"2016-07-01","firmCreditCode":"91110000802100433B","punishments":[{"start":"2024-03-01","end":"2024-02-29"}]}`},
		{"hotline_ticket", `{"ticketNo":"1","callTime":"2026-11-20T09:12:30+08:00","callerPhone":"号码隐藏","occurArea":"610821","callerArea":"110103","service":"01","matter":"2004","content":"c","state":"50","feedbackTime":"2026-11-20T09:12:29+08:00","title":"锟斤拷","callerName":"张\ue000","answered":true}`},
		{"hotline_ticket", `{"ticketNo":"1","callTime":"2014-11-20T09:12:30+08:00","callerPhone":"未显示","occurArea":"610821","service":"01","matter":"2004","content":"c","state":"10"}`},
		{"mediation_case", `{"caseNo":"1","applicants":[{"name":"张试","idCard":"610802190001010017","gender":"2"}],"situation":"漏水","applyDate":"2026-09-07","acceptDate":"2026-09-06","phase":"50","respondents":[{"name":"无"},{"name":"李例","idCard":"610881190002280022","birthday":"1900-02-27"}]}`},
		{"case_library_item", `{"caseNo":"1","title":"－","summary":"案情","isDesensitized":false,"state":"3"}`},
		{"service_venue", `{"venueCode":"1","name":"示例中心","status":"1","type":"2","divisionCode":"630100","longitude":"38.285390","latitude":"109.734561"}`},
	}
	var b strings.Builder
	for _, c := range cases {
		fmt.Fprintf(&b, "## %s\n", c.typ)
		ty := typeNamed(t, c.typ)
		for _, list := range []struct {
			head   string
			faults Faults
		}{{"", ty.Validate([]byte(c.data))}, {"(told) ", ty.Remarks([]byte(c.data), Where{Territory: []string{"610800"}})}} {
			for _, f := range list.faults {
				fmt.Fprintf(&b, "%s%s %s [%s]\n  %s\n  %s\n  → %s\n", list.head, f.Code, f.Pointer, f.Value, f.Message, f.MessageEN, f.Hint)
			}
		}
	}
	golden(t, "testdata/rules.golden", b.String())
}

// FuzzRules: no rule file makes the loader panic or hang; whatever loads judges records the same way twice.
func FuzzRules(f *testing.F) {
	f.Add(smallRule, `{"id":"1","kind":"2"}`)
	f.Add(strings.Replace(smallRule, `has(id)`, `part(id, 1, 2) in [\"12\"]`, 1), `{"id":"123","kind":"1"}`)
	f.Fuzz(func(t *testing.T, rules, record string) {
		r, err := Load(smallPack(t, [3]string{"rules/thing.json", "", rules}))
		if err != nil {
			return
		}
		ty := r.Types()[0]
		if faults := ty.explain([]byte(record)); ty.table.accepts([]byte(record)) && len(faults) > 0 {
			t.Errorf("%s: %v", record, faults)
		}
		ty.Remarks([]byte(record), Where{})
	})
}
