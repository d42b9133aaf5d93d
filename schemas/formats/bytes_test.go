package formats

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// verdicts are the functions over bytes with those they stand for.
var verdicts = []struct {
	name  string
	bytes func([]byte) bool
	text  func(string) error
	bases []string // to be changed; the first is valid
}{
	{"Date", DateBytes, Date, []string{"2026-02-28", "1900-12-31", "2000-02-29", "9999-12-31", "1800-01-01"}},
	{"DateTime", DateTimeBytes, DateTime, []string{"2026-11-22T10:00:00+08:00", "1800-01-01T23:59:59.123456-14:00", "2026-11-22T10:00:00.1+00:59"}},
	{"Decimal(14,2)", func(b []byte) bool { return DecimalBytes(14, 2, b) }, Decimal(14, 2), []string{"0", "0.5", "12345678901234.56", "10"}},
	{"Decimal(1,0)", func(b []byte) bool { return DecimalBytes(1, 0, b) }, Decimal(1, 0), []string{"0", "7"}},
	{"ID18", ID18Bytes, ID18, []string{"610802190001010017", "61080319001231001X", "610803190012311014", "440524188001010014"}},
	{"USCC", USCCBytes, USCC, []string{"31610000MD00000163"}},
	{"OrgCode", OrgCodeBytes, OrgCode, []string{"MD0000016"}},
	{"Division", DivisionBytes, Division, []string{"610802", "610000", "441900003", "610802001", "610802001001", "710000", "610821", "610800001"}},
	{"DivisionPast", DivisionPastBytes, DivisionPast, []string{"610802", "610821", "610821001", "610801", "610821001001", "999999"}},
	{"CallerNumber", CallerNumberBytes, CallerNumber, []string{"15400000001", Hidden, "号码隐", "号码隐藏 "}},
	{"Placeholder", func(b []byte) bool { return !PlaceholderBytes(b) }, func(s string) error {
		if why := Suspect(s); why != nil && why.Code == Structure {
			return why
		}
		return nil
	}, []string{"姓名", "暂无", " NULL ", "n/a", "－", "无", "无名"}},
	{"LawyerLicence17", LawyerLicence17Bytes, LawyerLicence17, []string{"16108201510900001"}},
	{"LegalQualification14", LegalQualification14Bytes, LegalQualification14, []string{"20186108020001", "A20186108020001"}},
	{"Phone", PhoneBytes, Phone, []string{
		"15400000001", "154-0000-0001", "+8615400000001", "008615400000001", "0912-0000000", "（0912）0000000", "0912-0000000-801", "0912-0000000转801",
		"110", "12348", "400-000-0000", "+852 20000000", "0912-0000000/0912-0000001", "0086912", "000", "00-861", "0912-12348", "20000000-12", "999999999999999999999999",
	}},
}

// TestBytesAgree: about any bytes the variant over bytes gives the verdict of the function that explains, and it allocates nothing for a
// text it accepts.
func TestBytesAgree(t *testing.T) {
	for _, v := range verdicts {
		pieces := []string{"", "0", "9", "X", "x", "-", ".", "+", ":", "T", "00", "86", " ", "转", "／", "/", "A", "O", "\x00", "\xff", "１", "2", "60", "14:01"}
		t.Run(v.name, rapid.MakeCheck(func(t *rapid.T) {
			b := []byte(rapid.SampledFrom(v.bases).Draw(t, "base"))
			for range rapid.IntRange(0, 3).Draw(t, "edits") {
				at := rapid.IntRange(0, len(b)).Draw(t, "at")
				cut := rapid.IntRange(0, min(2, len(b)-at)).Draw(t, "cut")
				piece := rapid.SampledFrom(pieces).Draw(t, "piece")
				b = fmt.Appendf(nil, "%s%s%s", b[:at], piece, b[at+cut:])
			}
			if got, want := v.bytes(b), v.text(string(b)) == nil; got != want {
				t.Fatalf("%q: %v, %v by the text", b, got, want)
			}
		}))
		t.Run(v.name+"/any", rapid.MakeCheck(func(t *rapid.T) {
			b := []byte(rapid.StringOfN(rapid.RuneFrom([]rune("0123456789-+.:TXABC 转/")), 0, 32, -1).Draw(t, "b"))
			if got, want := v.bytes(b), v.text(string(b)) == nil; got != want {
				t.Fatalf("%q: %v, %v by the text", b, got, want)
			}
		}))
		b := []byte(v.bases[0])
		if n := testing.AllocsPerRun(100, func() { v.bytes(b) }); n > 0 || (v.text(v.bases[0]) == nil) != v.bytes(b) {
			t.Errorf("%s: %v allocations", v.name, n)
		}
	}
}
