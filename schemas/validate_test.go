package schemas

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files anew")

var nationalPack = sync.OnceValues(func() (*Registry, error) { return Load(Embedded()) })

func registry(t testing.TB) *Registry {
	t.Helper()
	r, err := nationalPack()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func typeNamed(t testing.TB, name string) *Type {
	t.Helper()
	ty, ok := registry(t).currentAt(name, packDay)
	if !ok {
		t.Fatalf("no type %s in force", name)
	}
	return ty
}

// example reads the whole example record of a type.
func example(t testing.TB, name string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("packs/national/examples", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	record, bad := decode(data)
	if bad != nil {
		t.Fatal(bad.MessageEN)
	}
	return record
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestExamples(t *testing.T) {
	for _, ty := range registry(t).Types() {
		record := example(t, ty.Name())
		if faults := ty.Validate(encode(t, record)); len(faults) > 0 {
			t.Errorf("%s: the example is refused:\n%v", ty.Name(), faults)
		}
		if ty.KeyField() == "" {
			continue
		}
		if key, err := ty.Key(encode(t, record)); err != nil || key != record[ty.KeyField()] {
			t.Errorf("%s: key %q, %v", ty.Name(), key, err)
		}
	}
}

// code and pointer of each fault, for comparison.
func brief(faults Faults) []string {
	var list []string
	for _, f := range faults {
		list = append(list, f.Code+" "+f.Pointer)
	}
	return list
}

// TestConditions: every branch of legal_aid_case demands its fields when its condition holds, and only then.
func TestConditions(t *testing.T) {
	ty := typeNamed(t, "legal_aid_case")
	base := example(t, "legal_aid_case")
	for name, v := range map[string]any{"nature": "2", "applyChannel": "1", "deliverWay": "ZQ", "appliedBefore": false, "hasAgent": false, "caseType": "02", "certType": "990"} {
		base[name] = v
	}
	for _, name := range []string{"transferOrgType", "noticeReason", "noticeOrgName", "noticeNo", "mailAddr", "lastApplyPlace", "lastApplyDate", "agentName", "agentPhone",
		"agentIdCard", "agentType", "custody", "custodyPlace"} {
		delete(base, name)
	}
	base["certNo"] = "P0000001"
	if faults := ty.Validate(encode(t, base)); len(faults) > 0 {
		t.Fatalf("without conditions:\n%v", faults)
	}
	for _, c := range []struct {
		field string
		value any
		want  []string
	}{
		{"nature", "1", []string{"REQUIRED /noticeReason", "REQUIRED /noticeOrgName", "REQUIRED /noticeNo"}},
		{"nature", "3", []string{"REQUIRED /noticeReason", "REQUIRED /noticeOrgName", "REQUIRED /noticeNo"}},
		{"nature", "4", nil},
		{"applyChannel", "3", []string{"REQUIRED /transferOrgType"}},
		{"deliverWay", "YJ", []string{"REQUIRED /mailAddr"}},
		{"appliedBefore", true, []string{"REQUIRED /lastApplyPlace", "REQUIRED /lastApplyDate"}},
		{"hasAgent", true, []string{"REQUIRED /agentName", "REQUIRED /agentPhone", "REQUIRED /agentIdCard", "REQUIRED /agentType"}},
		{"caseType", "01", []string{"REQUIRED /custody"}},
		{"custody", "1", []string{"REQUIRED /custodyPlace"}},
		{"custody", "3", []string{"REQUIRED /prisonPlace"}},
		{"custody", "2", nil},
		{"decision", "2", []string{"REQUIRED /rejectReason"}},
		{"certType", "111", []string{"FORMAT /certNo"}},
	} {
		record := maps.Clone(base)
		record[c.field] = c.value
		faults := ty.Validate(encode(t, record))
		if diff := cmp.Diff(c.want, brief(faults)); diff != "" {
			t.Errorf("%s = %v:\n%s", c.field, c.value, diff)
		}
		for _, f := range faults {
			if !strings.Contains(f.Message, "时，") {
				t.Errorf("%s: message does not give the condition: %s", f.Pointer, f.Message)
			}
		}
	}
}

// TestOneFaultAValue: a value that breaks its length and, by a condition, its format gives one fault, the more telling one.
func TestOneFaultAValue(t *testing.T) {
	record := example(t, "legal_aid_case")
	record["certNo"] = strings.Repeat("6", 30)
	if diff := cmp.Diff([]string{"FORMAT /certNo"}, brief(typeNamed(t, "legal_aid_case").Validate(encode(t, record)))); diff != "" {
		t.Error(diff)
	}
}

func TestVenueFunctions(t *testing.T) {
	ty := typeNamed(t, "service_venue")
	record := example(t, "service_venue")
	record["functions"] = []any{"11"}
	faults := ty.Validate(encode(t, record))
	if diff := cmp.Diff([]string{"RULE /functions", "RULE /functions", "RULE /functions"}, brief(faults)); diff != "" {
		t.Error(diff)
	}
}

// TestNotOneObject: whatever is not a JSON object the protocol allows is one fault JSON.
func TestNotOneObject(t *testing.T) {
	ty := typeNamed(t, "law_firm")
	for name, data := range map[string]string{
		"empty": "", "null": "null", "array": "[]", "text": `"x"`, "cut": `{"name":`, "trailing": `{} {}`, "comma": `{"a":1,}`, "not UTF-8": "{\"name\":\"\xc9\xcf\"}",
		"exponent": `{"lawyerCount":1e999999999}`, "long number": `{"lawyerCount":` + strings.Repeat("9", 400) + `}`,
		"deep":      `{"name":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
		"very deep": strings.Repeat(`{"a":`, 100_000), "huge": `{"name":"` + strings.Repeat("a", maxRecord) + `"}`,
	} {
		faults := ty.Validate([]byte(data))
		if len(faults) != 1 || faults[0].Code != CodeJSON || faults[0].Message == "" {
			t.Errorf("%s: %v", name, brief(faults))
		}
	}
}

func TestTooMany(t *testing.T) {
	record := example(t, "law_firm")
	for i := range 80 {
		record[fmt.Sprintf("unknown%02d", i)] = i
	}
	faults := typeNamed(t, "law_firm").Validate(encode(t, record))
	if len(faults) != maxFaults+1 || faults[maxFaults].Code != CodeTooMany || !strings.Contains(faults[maxFaults].Message, "30") {
		t.Errorf("%d faults, last %+v", len(faults), faults[len(faults)-1])
	}
}

// TestStableOrder: the same record gives the same list every time, in the order of the fields.
func TestStableOrder(t *testing.T) {
	ty := typeNamed(t, "legal_aid_case")
	data := []byte(`{"zz":1,"aa":1,"phase":"99","nature":1,"causes":["",1,""],"coApplicants":[{"gender":"x"},{"gender":"x","certType":"1"}]}`)
	first := ty.Validate(data)
	var order []string
	for _, f := range ty.Fields() {
		order = append(order, f.Name)
	}
	last := -1
	for _, f := range first {
		i := slices.Index(order, strings.Split(f.Pointer, "/")[1])
		if i < 0 {
			i = len(order)
		}
		if i < last {
			t.Errorf("%s is out of order", f.Pointer)
		}
		last = i
	}
	for range 20 {
		if diff := cmp.Diff(first, ty.Validate(data)); diff != "" {
			t.Fatal(diff)
		}
	}
}

// TestMasked: no sentence and no value of a fault repeats what stands in a sensitive field.
func TestMasked(t *testing.T) {
	for _, ty := range registry(t).Types() {
		for _, s := range spots(t, ty) {
			f := s.Field
			if f.Sensitivity != Sensitive || f.JSONType != "string" {
				continue
			}
			for _, secret := range []string{"61080219000101001Q", "160000000001234567", "张试的秘密" + strings.Repeat("甲", 5000), "1900-02-31", "男"} {
				record := example(t, ty.Name())
				s.holder(record)[f.Name] = secret
				for _, fault := range ty.Validate(encode(t, record)) {
					if text := fmt.Sprint(fault); (len(secret) > 6 && strings.Contains(text, secret)) || strings.Contains(text, "秘密") || strings.Contains(text, "应填代码") {
						t.Errorf("%s%s: %s", ty.Name(), s.at, text)
					}
				}
			}
		}
	}
}

// TestMessages pins what a clerk reads. Run with -update after changing a sentence and read the difference.
func TestMessages(t *testing.T) {
	cases := []struct{ typ, data string }{
		{"lawyer", `{"name":"","licenseNo":"26108201510900001","gender":1,"ethnic":"汉族","idCard":"610802190001010010","isAidLawyer":"是","phone":"暂无","firmCreditCode":"31610000MI0000017X","Gender":"1","birthday":"1900-02-30","rewards":[{"level":"8"}],"political":null,"speciality":["0106","01O6"]}`},
		{"law_firm", `{"creditCode":"31610000MD00000160","name":"某律师事务所","status":"9","zipCode":"71900","phone":"０９１２-0000000","lawyerCount":-1,"practiceNum":"12","latitude":"38.2853901","setupDate":"2012/5/8","fax":"锟斤拷"}`},
		{"legal_aid_case", `{"caseNo":"YL-1","nature":"1","certType":"111","certNo":"61080219000101001","phase":"10","hasAgent":true,"causes":[],"crowd":["00"],"isTypical":"否","savedLoss":100,"subsidy":"1,800.00","caseSummary":"` + strings.Repeat("案", 251) + `"}`},
		{"hotline_ticket", `{"ticketNo":"1","callTime":"2026-11-20 09:12:30","callerPhone":"不详","occurArea":"610821","service":"法律援助","matter":"2404","content":"c","state":"00","talkSeconds":12.5,"birthday":null}`},
		{"service_venue", `{"venueCode":"1","name":"某中心","status":"1","functions":["01"],"divisionCode":"61080","area":"很大"}`},
		{"mediation_case", `{"caseNo":"2026000088","applicants":[{"name":"","idCard":"","sex":"1"},"张试"],"respondents":{},"situation":"漏水","applyDate":"2026-09-07","phase":"调解"}`},
		{"village_adviser", `{"adviserId":"GW-1","name":"白样例","kind":"1","licenseNo":"36108020110001","villageCode":"610821001001","contractFrom":"2026-1-1"}`},
		{"adviser_service_log", `{"logNo":"TZ-1","adviserId":"GW-1","villageCode":"610802001","serviceDate":"2026-11-11","content":"讲座","hours":"3小时","quantities":{"consults":-1,"trained":"3"}}`},
		{"complaint", `{"complaintNo":"TS-1","targetType":"07","matter":"5","content":"收费","submitTime":"2026-11-03T10:20:00+08:00","state":"60"}`},
		{"evaluation", `{"evalNo":"PJ-1","bizType":"hotline_ticket","bizNo":"1","score":"1","evalTime":"2026-11-22T17:05:00+08:00"}`},
		{"consultation", `{`}, {"consultation", `[]`}, {"consultation", "{\"name\":\"\xd5\xc5\"}"}, {"consultation", `{"companions":1e3}`},
	}
	var b strings.Builder
	for _, c := range cases {
		fmt.Fprintf(&b, "## %s\n", c.typ)
		for _, f := range typeNamed(t, c.typ).Validate([]byte(c.data)) {
			fmt.Fprintf(&b, "%s %s [%s]\n  %s\n  %s\n  → %s\n", f.Code, f.Pointer, f.Value, f.Message, f.MessageEN, f.Hint)
		}
	}
	golden(t, "testdata/messages.golden", b.String())
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestKey(t *testing.T) {
	ty := typeNamed(t, "consultation")
	for data, want := range map[string]string{
		`{"a":[1,{"consultNo":"no"}],"consultNo":"ZX-1"}`: "ZX-1",
		`{"consultNo":"张"}`:                               "张", `{"ConsultNo":"x"}`: "", `{}`: "", `[]`: "", ``: "", `{"consultNo":5}`: "", `{"consultNo":""}`: "", `{"consultNo":null}`: "", `{"a":`: "",
	} {
		if got, err := ty.Key([]byte(data)); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", data, got, err)
		}
	}
	if _, err := typeNamed(t, "exchange_node").Key([]byte(`{}`)); err == nil {
		t.Error("a type without key field gave a key")
	}
}
