package packdoc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Rules in words, and as JSON where words end.
func TestRules(t *testing.T) {
	const fields = `"required":["k"],"properties":{"k":{"title":"键","type":"string","maxLength":9},"c":{"title":"事项","type":"string","x-codes":["visit_kind"]},
		"n":{"title":"数","type":"integer"},"l":{"title":"表","type":"array","items":{"type":"string","maxLength":3}%s},
		"o":{"title":"人","type":"array","items":{"type":"object","properties":{"a":{"title":"甲","type":"string"},"b":{"title":"乙","type":"string"}}%s}}}%s`
	cases := []struct {
		name, list, inner, root string
		want                    []Rule
	}{
		{"none", ``, ``, ``, []Rule{}},
		{"if then else", ``, ``, `,"allOf":[{"if":{"properties":{"c":{"enum":["1","9"]}},"required":["c"]},"then":{"required":["n"]},"else":{"properties":{"n":{"maximum":3}}}}]`,
			[]Rule{{Words: "当「事项」（c）为 1（咨询）或 9（其他）时，必须填写「数」（n）；否则「数」（n）须为：至多 3"}}},
		{"absent counts as met", ``, ``, `,"allOf":[{"if":{"properties":{"c":{"const":"1"}}},"then":{"required":["n"]}}]`,
			[]Rule{{Words: "当「事项」（c）为 1（咨询）或没有填写时，必须填写「数」（n）"}}},
		{"condition beyond words", ``, ``, `,"allOf":[{"if":{"minProperties":2},"then":{"required":["n"]}}]`,
			[]Rule{{Words: "当符合所附条件时，必须填写「数」（n）", JSON: `{"if":{"minProperties":2},"then":{"required":["n"]}}`}}},
		{"told but beyond words", ``, ``, `,"allOf":[{"x-when":"填得多","x-when-en":"much","if":{"minProperties":2},"then":{"required":["n"]}}]`,
			[]Rule{{Words: "当填得多时，必须填写「数」（n）", JSON: `{"if":{"minProperties":2},"then":{"required":["n"]},"x-when":"填得多","x-when-en":"much"}`}}},
		{"message and value", ``, ``, `,"allOf":[{"x-message":"须先咨询","x-message-en":"x","properties":{"c":{"const":"1"}}}]`,
			[]Rule{{Words: "须先咨询：「事项」（c）须为 1（咨询）"}}},
		{"one of two", ``, ``, `,"anyOf":[{"required":["n"]},{"required":["l"]}]`, []Rule{{Words: "至少符合一项：（1）必须填写「数」（n）；（2）必须填写「表」（l）"}}},
		{"not given", ``, ``, `,"not":{"required":["n"]}`, []Rule{{Words: "不得填写「数」（n）"}}},
		{"conditional table", ``, ``, `,"allOf":[{"if":{"required":["n"]},"then":{"properties":{"k":{"type":"string","x-codes":["visit_kind"]}}}}]`,
			[]Rule{{Words: "当填写了「数」（n）时，「键」（k）须取自代码表《来访事项》（visit_kind）"}}},
		{"inside", ``, `,"allOf":[{"if":{"required":["a"]},"then":{"required":["b"]}}]`, ``, []Rule{{Words: "「人」的每一项中，当填写了「甲」（a）时，必须填写「乙」（b）"}}},
		{"contains", `,"contains":{"const":"x"}`, ``, ``, []Rule{{Words: "「表」（l）至少有一项须为 x"}}},
		{"beyond words", `,"contains":{"anyOf":[{"const":"x"}]}`, ``, ``, []Rule{{Words: "「表」（l）须符合", JSON: `{"contains":{"anyOf":[{"const":"x"}]}}`}}},
		{"partly beyond words", ``, ``, `,"allOf":[{"required":["n"],"properties":{"k":{"not":{"minLength":3}}}}]`,
			[]Rule{{Words: "「键」（k），必须填写「数」（n）", JSON: `{"properties":{"k":{"not":{"minLength":3}}},"required":["n"]}`}}},
	}
	for _, c := range cases {
		types, tables := load(t, map[string]string{"case_type": document("情形", "k", fmt.Sprintf(fields, c.list, c.inner, c.root))}, map[string]string{"visit_kind": visitKind})
		b, err := New(types, tables, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, b.Types[0].Rules); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// Every rule of the national pack can be said in words.
func TestNationalRulesInWords(t *testing.T) {
	types, tables := national(t)
	b, err := New(types, tables, nil)
	if err != nil {
		t.Fatal(err)
	}
	n, declared := 0, 0
	for i, p := range b.Types {
		rules := types[i].Rules()
		own := len(p.Rules) - len(rules)
		declared += len(rules)
		for j, r := range rules {
			got := p.Rules[own+j]
			if got.JSON != r.Check || !strings.Contains(got.Words, r.Hint) || !strings.Contains(got.Words, r.Mark) || strings.ContainsAny(got.Words, "{}") {
				t.Errorf("%s: rule %s is told as %+v", p.Name, r.Name, got)
			}
		}
		for _, r := range p.Rules[:own] {
			n++
			if r.JSON != "" {
				t.Errorf("%s: %s %s", p.Name, r.Words, r.JSON)
			}
		}
	}
	if n < 15 || declared < 200 {
		t.Errorf("only %d rules, %d declared", n, declared)
	}
}
