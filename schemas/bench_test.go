package schemas

import (
	"strings"
	"testing"
)

// usualCase is a legal aid case of 25 fields and about 1.5 KB, with longer texts than the example has.
func usualCase(t testing.TB) []byte {
	record := map[string]any{}
	whole := example(t, "legal_aid_case")
	for _, name := range []string{
		"caseNo", "nature", "applyChannel", "transferOrgType", "caseType", "aidMode", "phase", "stage", "applicantName", "gender", "birthday", "certType", "certNo",
		"crowd", "causes", "residenceAddr", "caseSummary", "applyDate", "approveDate", "undertakeOrgName", "undertakeOrgCode", "isTypical", "involveCount", "custody", "custodyPlace",
	} {
		record[name] = whole[name]
	}
	record["nature"] = "2"
	record["caseSummary"] = strings.Repeat("申请人因劳动报酬争议申请法律援助，", 14)
	record["residenceAddr"] = strings.Repeat("某街道某社区某号楼", 9)
	return encode(t, record)
}

// BenchmarkCase compares the table with what it stands in for, on one usual case: decoding, jsonschema v6 or v5 and the reference of the rules;
// and decoding alone. "bare" is the table without rules.
func BenchmarkCase(b *testing.B) {
	data := usualCase(b)
	b.Logf("%d bytes", len(data))
	compareJudges(b, typeNamed(b, "legal_aid_case"), data)
}

// BenchmarkTypes does the same on each type's example, in which nearly every field is filled in.
func BenchmarkTypes(b *testing.B) {
	for _, ty := range registry(b).Types() {
		b.Run(ty.Name(), func(b *testing.B) { compareJudges(b, ty, encode(b, example(b, ty.Name()))) })
	}
}

func compareJudges(b *testing.B, ty *Type, data []byte) {
	if !ty.table.accepts(data) {
		b.Fatalf("not accepted: %v", ty.Validate(data))
	}
	run := func(name string, judge func() bool) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if !judge() {
					b.Fatal("refused")
				}
			}
		})
	}
	run("table", func() bool { return len(ty.Validate(data)) == 0 })
	bare, err := compileTable(expanded(b, ty))
	if err != nil {
		b.Fatal(err)
	}
	third := second(b, ty)
	run("bare", func() bool { return bare.accepts(data) })
	run("v6", func() bool { return len(ty.explain(data)) == 0 })
	run("v5", func() bool { record, broken := decode(data); return broken == nil && third.valid(record) })
	run("remarks", func() bool { return len(ty.Remarks(data, Where{})) < maxFaults })
	run("decode", func() bool { _, broken := decode(data); return broken == nil })
}
