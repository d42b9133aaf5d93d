package schemas

import (
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// spareTables are shipped although no field names them: those of the domain study that reports, consoles and later types need.
var spareTables = []string{
	"aid_form", "division_retired", "division_shaanxi", "division_shaanxi_county", "division_yulin", "eval_dimension", "exchange_status", "kpi",
	"marital", "mediation_state", "occupation_major", "org_kind", "province", "publicity_topic", "service_item", "uscc_class", "uscc_dept", "yes_no",
}

// ownTables are not of the study: its rule column or no source has them.
var ownTables = []string{
	"aid_decision", "aid_deliver_way", "aid_involve", "applicant_type", "creation_state", "full_time", "library_state", "mediation_kind",
	"notice_category", "venue_status",
}

// TestNationalPack: what the pack promises as a whole.
func TestNationalPack(t *testing.T) {
	reg := registry(t)
	if got := len(reg.Types()); got != 32 {
		t.Errorf("%d types, want 27 of the study, notice, handoff_event and three of the protocol", got)
	}
	required := map[string][]string{}
	used := map[string]bool{}
	for _, ty := range reg.Types() {
		for _, s := range spots(t, ty) {
			for _, table := range s.Tables {
				used[table.Name] = true
			}
			for _, name := range s.Refs {
				to, ok := reg.currentAt(name, packDay)
				if !ok || to.System() || to.KeyField() == "" {
					t.Errorf("%s%s refers to %s, which has no key", ty.Name(), s.at, name)
				}
			}
			if s.Required && s.Expected {
				t.Errorf("%s%s is required and only expected", ty.Name(), s.at)
			}
			if s.Title == "" || s.Mark == "" && !ty.System() || s.Sensitivity == "" {
				t.Errorf("%s%s lacks an annotation: %+v", ty.Name(), s.at, s.Field)
			}
		}
		for _, f := range ty.Fields() {
			if f.Source == "" || f.Mark == "" {
				t.Errorf("%s.%s lacks its provenance: %+v", ty.Name(), f.Name, f)
			}
			if !ty.System() && f.Required && f.RequiredMark == "[INFER]" {
				required[ty.Name()] = append(required[ty.Name()], f.Name)
			}
		}
		for _, role := range []string{"county", "city", "province", "ministry"} {
			if _, ok := ty.Audience(role); !ok {
				t.Errorf("%s: no audience for a %s", ty.Name(), role)
			}
		}
		if urgent := ty.System() || ty.Name() == "hotline_ticket" || ty.Name() == "handoff_event"; ty.Urgent() != urgent {
			t.Errorf("%s: urgent is %v", ty.Name(), ty.Urgent())
		}
	}
	used["aid_complaint_kind"] = true // in a condition of complaint only
	tables := packFiles(t, "codes")
	if diff := cmp.Diff(slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Keys(used)), spareTables))), tables); diff != "" {
		t.Errorf("tables named or spare, and tables there:\n%s", diff)
	}
	if got := len(tables) - len(ownTables); got != 100 {
		t.Errorf("%d tables of the study, want 100", got)
	}
	// Required although no source says so; the README explains each. Longer lists refuse real records.
	readme, err := os.ReadFile("packs/national/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, fields := range required {
		if line := "| `" + name + "` | `" + strings.Join(fields, "` `") + "` |"; !strings.Contains(string(readme), line) {
			t.Errorf("README.md lacks %s", line)
		}
	}
}

// packFiles lists the names of the JSON files of a folder of the pack.
func packFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := fs.Glob(Embedded(), dir+"/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(strings.TrimPrefix(f, dir+"/"), ".json")
	}
	return files
}

// TestSensitivity: whatever identifies a person outside a profession is sensitive in every type, and no register hides what it is kept for.
func TestSensitivity(t *testing.T) {
	registers := []string{
		"law_firm", "lawyer", "notary_office", "notary", "legal_aid_institution", "mediation_committee", "mediator", "forensic_institution",
		"forensic_expert", "legal_worker_office", "legal_worker", "village_adviser", "service_venue", "arbitration_institution", "judicial_office", "notice",
	}
	for _, ty := range registry(t).Types() {
		register := slices.Contains(registers, ty.Name())
		for _, s := range spots(t, ty) {
			var want string
			switch {
			case ty.System():
				continue
			case s.Format == "id18", strings.Contains(s.Title, "身份证"), strings.Contains(s.Title, "证件"), strings.Contains(s.Title, "户籍"), strings.Contains(s.Title, "住"):
				want = Sensitive
			case s.Name == "birthday" || s.Name == "birthDate" || strings.Contains(s.Title, "手机"):
				want = Sensitive
			case !register && (s.Name == "name" || s.Name == "phone") && !strings.HasPrefix(s.at, "/undertakers") && !strings.HasPrefix(s.at, "/coorganizers"):
				want = Sensitive
			case register && slices.Contains([]string{"name", "address", "status", "title", ty.KeyField()}, s.Name) && s.Name != "adviserId":
				want = Public
			default:
				continue
			}
			if s.Sensitivity != want {
				t.Errorf("%s%s %s is %s, want %s", ty.Name(), s.at, s.Title, s.Sensitivity, want)
			}
		}
	}
}

// TestParties: the applicants and respondents of a mediation are judged one by one, the applicants more strictly.
func TestParties(t *testing.T) {
	ty := typeNamed(t, "mediation_case")
	for _, c := range []struct {
		list  string
		party map[string]any
		want  []string
	}{
		{"applicants", map[string]any{"name": "张试", "idCard": "610802190001010017"}, nil},
		{"applicants", map[string]any{"name": "榆林市示例物业有限公司", "idCard": "31610000MD00000163"}, nil}, // an organisation has no identity card
		{"applicants", map[string]any{"name": "张试"}, []string{"REQUIRED /applicants/0/idCard"}},
		{"applicants", map[string]any{}, []string{"REQUIRED /applicants/0/name", "REQUIRED /applicants/0/idCard"}},
		{"applicants", map[string]any{"name": "张试", "idCard": "610802190001010017", "IdCard": ""}, []string{"UNKNOWN_FIELD /applicants/0/IdCard"}},
		{"respondents", map[string]any{"name": "李例"}, nil},
		{"respondents", map[string]any{"idCard": "610802190001010017"}, []string{"REQUIRED /respondents/0/name"}},
		{"respondents", map[string]any{"name": "李例", "household": strings.Repeat("长", 600)}, nil},
	} {
		record := example(t, "mediation_case")
		record[c.list] = []any{c.party}
		if diff := cmp.Diff(c.want, brief(ty.Validate(encode(t, record)))); diff != "" {
			t.Errorf("%s %v:\n%s", c.list, c.party, diff)
		}
	}
}

// TestConditionsOfOthers: the conditions beside those of legal_aid_case and service_venue, each fulfilled and not.
func TestConditionsOfOthers(t *testing.T) {
	const gone = "\x00"
	for _, c := range []struct {
		typ  string
		set  map[string]any
		want []string
	}{
		{"notary_case", map[string]any{"certType": "111", "certNoApplicant": "610802190001010018"}, []string{"FORMAT /certNoApplicant"}},
		{"notary_case", map[string]any{"certType": "414", "certNoApplicant": "P0000001"}, nil},
		{"notary_case", map[string]any{"agentIdCard": "P0000001"}, nil},
		{"forensic_case", map[string]any{"certType": "111", "certNo": "610802190001010018"}, []string{"FORMAT /certNo"}},
		{"forensic_case", map[string]any{"certType": "990", "certNo": "军0001"}, nil},
		{"village_adviser", map[string]any{"kind": "1", "licenseNo": "36108020110001"}, []string{"FORMAT /licenseNo"}},
		{"village_adviser", map[string]any{"kind": "2", "licenseNo": "36108020110001"}, nil},
		{"complaint", map[string]any{"targetType": "07", "matter": "5"}, []string{"CODE /matter"}},
		{"complaint", map[string]any{"targetType": "08", "matter": "5"}, []string{"CODE /matter"}},
		{"complaint", map[string]any{"targetType": "08", "matter": "3"}, nil},
		{"complaint", map[string]any{"targetType": "02", "matter": "5"}, nil},
		{"evaluation", map[string]any{"score": "1", "revisited": gone}, []string{"REQUIRED /revisited"}},
		{"evaluation", map[string]any{"score": "1", "revisited": false}, nil},
		{"evaluation", map[string]any{"score": "2", "revisited": gone}, nil},
	} {
		record := example(t, c.typ)
		for name, v := range c.set {
			if record[name] = v; v == gone {
				delete(record, name)
			}
		}
		if diff := cmp.Diff(c.want, brief(typeNamed(t, c.typ).Validate(encode(t, record)))); diff != "" {
			t.Errorf("%s %v:\n%s", c.typ, c.set, diff)
		}
	}
}

// TestReferences: every reference names a type of the pack that has a key, and a rule that lists the types an evaluation may be about lists
// those its number may refer to.
func TestReferences(t *testing.T) {
	refs := 0
	var walk func(ty *Type, fields []Field, at string)
	walk = func(ty *Type, fields []Field, at string) {
		for _, f := range fields {
			for _, name := range f.Refs {
				refs++
				if target, ok := registry(t).Current(name); !ok || target.KeyField() == "" {
					t.Errorf("%s%s/%s refers to %s, which has no key", ty.Name(), at, f.Name, name)
				}
			}
			walk(ty, f.Fields, at+"/"+f.Name)
		}
	}
	for _, ty := range registry(t).Types() {
		walk(ty, ty.Fields(), "")
	}
	if refs < 45 {
		t.Errorf("only %d references", refs)
	}
	ty := typeNamed(t, "evaluation")
	for _, f := range ty.Fields() {
		for _, r := range ty.Rules() {
			if f.Name != "bizNo" || r.Name != "kind-of-service" {
				continue
			}
			if want := `bizType in ["` + strings.Join(f.Refs, `", "`) + `"]`; r.Check != want {
				t.Errorf("%s, want %s", r.Check, want)
			}
		}
	}
}
