package demodata

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

type fields map[string]any

func (f fields) text(name string) string {
	s, _ := f[name].(string)
	return s
}

func decode(t *testing.T, r Record) fields {
	t.Helper()
	var f fields
	if err := json.Unmarshal(r.Data, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// ordered fails if the named dates or times, where present, are not in order or lie after the demo's last day.
func ordered(t *testing.T, r Record, f fields, names ...string) {
	t.Helper()
	last := ""
	for _, n := range names {
		at := f.text(n)
		if at == "" {
			continue
		}
		if short := min(len(at), len(last)); at[:short] < last[:short] {
			t.Fatalf("%s %s: %s %s is before %s\n%s", r.Type, r.Key, n, at, last, r.Data)
		}
		if at[:10] > "2026-11-20" {
			t.Fatalf("%s %s: %s %s lies after the demo's last day", r.Type, r.Key, n, at)
		}
		last = at
	}
}

// citizen checks an identity number against GB 11643 and the gender and birthday beside it.
func citizen(t *testing.T, f fields, number, gender, birthday string) {
	t.Helper()
	id := f.text(number)
	if id == "" {
		return
	}
	if idCheck(id[:17]) != id[17] {
		t.Fatalf("check digit of %s", id)
	}
	if _, err := time.Parse("20060102", id[6:14]); err != nil || id[6:10] != "1900" {
		t.Fatalf("birth in %s: %v", id, err)
	}
	if male := (id[16]-'0')%2 == 1; gender != "" && male != (f.text(gender) == "1") {
		t.Fatalf("gender %s beside %s", f.text(gender), id)
	}
	if b := f.text(birthday); b != "" && strings.ReplaceAll(b, "-", "") != id[6:14] {
		t.Fatalf("birthday %s beside %s", b, id)
	}
}

func TestVectorsOfTheStandards(t *testing.T) {
	// GB 11643's published examples and the synthetic ones of the project's vectors.
	for _, id := range []string{"11010519491231002X", "440524188001010014", "610802190001010017", "61082619000505005X"} {
		if got := idCheck(id[:17]); got != id[17] {
			t.Errorf("%s: check digit %c", id, got)
		}
	}
	for _, tc := range []struct{ class, division, organisation, want string }{
		{"91", "350100", "M000100Y", "91350100M000100Y43"}, {"12", "100000", "40000225", "12100000400002259P"},
		{"31", "610000", "MD000001", "31610000MD00000163"}, {"31", "610000", "ME000010", "31610000ME00001080"},
		{"12", "610800", "43600001", "1261080043600001X2"},
	} {
		if got := creditCode(tc.class, tc.division, tc.organisation); got != tc.want {
			t.Errorf("credit code %s, want %s", got, tc.want)
		}
	}
	if got := lawyerLicence("610800", 2018, "6", false, 2); got != "16108201861900002" {
		t.Errorf("licence %s", got)
	}
}

func TestLawyersAgreeWithTheirFirms(t *testing.T) {
	w := newWorld(37)
	firms, lawyers, licences := map[string]fields{}, 0, map[string]bool{}
	var o object
	for i := range firmCount {
		o.reset()
		key := w.lawFirm(&o, i, 1, true)
		f := decode(t, Record{Data: o.bytes()})
		if firms[key] != nil || f.text("creditCode") != key || creditCode("31", key[2:8], key[8:16]) != key {
			t.Fatalf("firm %d: code %s", i, key)
		}
		citizen(t, f, "directorIdCard", "", "")
		firms[key] = f
	}
	names := map[string]bool{}
	for _, f := range firms {
		names[f.text("name")] = true
	}
	if len(names) != firmCount {
		t.Errorf("%d names for %d firms", len(names), firmCount)
	}
	for i := range w.register.lawyers {
		if _, place := w.register.firm(i); place > 3 && i%5 > 0 {
			continue
		}
		o.reset()
		key := w.lawyer(&o, i, 1, false)
		f := decode(t, Record{Data: o.bytes()})
		firm := firms[f.text("firmCreditCode")]
		if firm == nil || firm.text("name") != f.text("firmName") || firm.text("admOrgName") != f.text("admOrgName") {
			t.Fatalf("lawyer %s: firm %s %s", key, f.text("firmCreditCode"), f.text("firmName"))
		}
		citizen(t, f, "idCard", "gender", "birthday")
		sex := map[byte]string{'0': "1", '1': "2"}[key[10]]
		if len(key) != 17 || key[1:5] != firm.text("admOrgCode")[:4] || key[5:9] != f.text("firstPracticeDate")[:4] ||
			key[9:10] != f.text("lawyerCategory") || sex != f.text("gender") || key[11] != '9' || licences[key[11:]] {
			t.Fatalf("licence %s disagrees with %s", key, o.bytes())
		}
		licences[key[11:]] = true
		ordered(t, Record{Type: "lawyer", Key: key}, f, "firstPracticeDate", "certDate")
		if i > 0 && f.text("firmPost") == "1" {
			lawyers++
		}
	}
	if lawyers != firmCount-1 || w.register.lawyers < 15000 || w.register.lawyers > 17000 {
		t.Errorf("%d lawyers with %d heads of %d firms", w.register.lawyers, lawyers+1, firmCount)
	}
}

// TestCasesTellOneStory checks each version of each case: dates in order, what each phase needs, conditions of the source tables,
// and that later versions only add.
func TestCasesTellOneStory(t *testing.T) {
	w := newWorld(41)
	licences, institutions := map[string]string{}, map[string]bool{}
	for i := range w.register.lawyers {
		l, _ := w.registered(i)
		licences[l.licence] = l.firmCode
	}
	for _, node := range []string{Yulin, Yanan} {
		for i := range w.institutions[node] {
			institutions[w.institutionCode(w.cities[node], i)] = true
		}
	}
	reached := []string{"20", "acceptDate", "30", "reviewDate", "30", "reviewOpinion", "40", "approveDate", "50", "assignDate", "50", "undertakerLicense",
		"70", "closeDate", "70", "docNumber", "70", "summary", "80", "assessScore", "90", "archiveDate"}
	phases, before := map[string]int{}, map[string]fields{}
	for r := range good(Generate(41, 15000)) {
		if r.Type != "legal_aid_case" {
			continue
		}
		f := decode(t, r)
		phase := f.text("phase")
		phases[phase]++
		ordered(t, r, f, "applyDate", "acceptDate", "reviewDate", "approveDate", "assignDate", "closeDate", "archiveDate")
		citizen(t, f, "certNo", "gender", "birthday")
		citizen(t, f, "agentIdCard", "", "")
		need := func(condition bool, names ...string) {
			for _, n := range names {
				if condition != (f[n] != nil) {
					t.Fatalf("%s: %s present %v, should be %v\n%s", r.Key, n, f[n] != nil, condition, r.Data)
				}
			}
		}
		notice, criminal := f.text("nature") == "1" || f.text("nature") == "3", f.text("caseType") == "01"
		need(notice, "noticeReason", "noticeOrgName", "noticeNo", "transferOrgType")
		need(criminal, "custody")
		need(f.text("custody") == "1", "custodyPlace")
		need(f["hasAgent"] == true, "agentName", "agentPhone", "agentIdCard", "agentType")
		need(f["appliedBefore"] == true, "lastApplyPlace", "lastApplyDate")
		need(f["exemptProof"] == true, "exemptReason")
		need(f.text("involveCount") == "M", "coApplicants")
		need(f.text("decision") == "2", "rejectReason")
		if notice != criminal || !strings.HasPrefix(f.text("stage"), f.text("caseType")) || !strings.HasPrefix(f.text("aidMode"), f.text("caseType")) {
			t.Fatalf("%s: nature %s, type %s, stage %s, mode %s", r.Key, f.text("nature"), f.text("caseType"), f.text("stage"), f.text("aidMode"))
		}
		switch phase {
		case "45":
			need(true, "acceptDate", "reviewDate", "approveDate", "decision")
			need(false, "assignDate", "closeDate", "undertakerName")
		case "65":
			need(true, "assignDate", "closeDate", "closeMode")
		default:
			ended := f.text("closeMode") == "7"
			for i := 0; i < len(reached); i += 2 {
				if !ended || reached[i+1] == "archiveDate" {
					need(phase >= reached[i], reached[i+1])
				}
			}
		}
		if n := utf8.RuneCountInString(f.text("caseSummary")); n < 30 || n > 250 || strings.ContainsAny(f.text("caseSummary"), "{}") {
			t.Fatalf("%s: summary of %d characters: %s", r.Key, n, f.text("caseSummary"))
		}
		if l := f.text("undertakerLicense"); l != "" && (licences[l] != f.text("undertakeOrgCode") || l[5:9] > f.text("assignDate")[:4]) {
			t.Fatalf("%s: undertaker %s of %s", r.Key, l, f.text("undertakeOrgCode"))
		}
		if !institutions[f.text("orgCode")] {
			t.Fatalf("%s: no institution %s", r.Key, f.text("orgCode"))
		}
		old := before[r.Node+r.Key]
		if old != nil && old.text("phase") > phase {
			t.Fatalf("%s went from %s back to %s", r.Key, old.text("phase"), phase)
		}
		for name, was := range old {
			if now, there := f[name]; name != "phase" && (!there || !sameJSON(was, now)) {
				t.Fatalf("%s: %s changed from %v to %v", r.Key, name, was, now)
			}
		}
		before[r.Node+r.Key] = f
	}
	for _, p := range []string{"10", "20", "30", "40", "45", "50", "60", "65", "70", "80", "90"} {
		if phases[p] == 0 {
			t.Errorf("no case in phase %s: %v", p, phases)
		}
	}
}

func sameJSON(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && string(x) == string(y)
}

func TestTicketsAndConsultationsTellOneStory(t *testing.T) {
	states, questions := map[string]int{}, map[string]int{}
	for r := range good(Generate(43, 15000)) {
		if r.Type != "hotline_ticket" && r.Type != "consultation" {
			continue
		}
		f := decode(t, r)
		switch r.Type {
		case "hotline_ticket":
			states[f.text("state")]++
			ordered(t, r, f, "callTime", "transferTime", "feedbackTime", "visitTime")
			citizen(t, f, "idCard", "gender", "")
			if f["answered"] == true == (f["transferOrg"] != nil) || (f["answer"] != nil) != (f["answered"] == true) {
				t.Fatalf("%s: answered %v, handed to %v\n%s", r.Key, f["answered"], f["transferOrg"], r.Data)
			}
			if strings.ContainsAny(f.text("content"), "{}") || (f["satisfaction"] != nil) != (f["visitTime"] != nil) {
				t.Fatalf("%s: %s", r.Key, r.Data)
			}
			if f.text("urgency") == "3" {
				called, _ := time.Parse(time.RFC3339, f.text("callTime"))
				handed, _ := time.Parse(time.RFC3339, f.text("transferTime"))
				if handed.Sub(called) > time.Hour {
					t.Fatalf("%s: urgent and handed on after %v", r.Key, handed.Sub(called))
				}
			}
		case "consultation":
			if r.Origin != real {
				t.Fatalf("%s is %s", r.Key, r.Origin)
			}
			questions[r.Node+f.text("content")]++
			citizen(t, f, "certNo", "gender", "")
			if answered := f.text("state") != "1"; answered != (f["answer"] != nil) || answered != (f["answerTime"] != nil) {
				t.Fatalf("%s: %s", r.Key, r.Data)
			}
			ordered(t, r, f, "consultTime", "answerTime")
		}
	}
	for _, s := range []string{"20", "30", "40", "50", "60", "70", "90"} {
		if states[s] == 0 {
			t.Errorf("no ticket in state %s: %v", s, states)
		}
	}
	if len(questions) < 2200 {
		t.Errorf("%d different questions asked at two nodes", len(questions))
	}
}

func TestDerivedUnits(t *testing.T) {
	w, kinds := newWorld(47), map[string]int{}
	var o object
	for _, node := range []string{Yulin, Yanan} {
		city := w.cities[node]
		for i, u := range w.venues(city) {
			o.reset()
			key := w.venue(&o, city, u, i, 1)
			f := decode(t, Record{Data: o.bytes()})
			kinds["venue "+f.text("type")]++
			division := f.text("divisionCode")
			want := map[string]int{"0": 6, "1": 6, "2": 9, "3": 12}[f.text("type")]
			if len(division) != want || !strings.HasPrefix(division, node[:4]) || !strings.HasPrefix(key, division) {
				t.Fatalf("venue %s: type %s, division %s", key, f.text("type"), division)
			}
			suffix := map[string]string{"0": "中心", "1": "中心", "2": "工作站", "3": "工作室"}[f.text("type")]
			if !strings.HasSuffix(f.text("name"), "公共法律服务"+suffix) {
				t.Fatalf("venue %s is called %s", key, f.text("name"))
			}
		}
		for i, u := range w.committees(city) {
			o.reset()
			key := w.committee(&o, city, u, i, 1, true)
			f := decode(t, Record{Data: o.bytes()})
			kinds["committee "+f.text("type")]++
			citizen(t, f, "directorIdCard", "", "")
			village := slices.Contains([]string{"1", "2"}, f.text("type"))
			if village != (f["villageCode"] != nil) || !strings.HasPrefix(f.text("townCode"), f.text("divisionCode")) || !strings.HasSuffix(f.text("name"), "人民调解委员会") {
				t.Fatalf("committee %s: %s", key, o.bytes())
			}
		}
	}
	if kinds["venue 0"] != 2 || kinds["venue 1"] != 25 || kinds["venue 2"] != 301 || kinds["committee 3"]+kinds["committee 4"] != 301 ||
		kinds["committee 4"] < 29 || kinds["committee 2"] < 200 {
		t.Errorf("%v", kinds)
	}
}

// TestVersionsDiffer makes several versions of entries of each register: each changes something, and the key never.
func TestVersionsDiffer(t *testing.T) {
	var o object
	for _, s := range newWorld(53).sources() {
		for i := range 8 {
			last, key := "", ""
			for v := 1; v <= 30 && (s.last == nil || v <= s.last(i)); v++ {
				o.reset()
				k := s.build(&o, i, v, false)
				now := string(o.bytes())
				if now == last || (v > 1 && k != key) {
					t.Fatalf("%s %s: version %d is %s %s", s.typ, key, v, k, now)
				}
				last, key = now, k
			}
		}
	}
}
