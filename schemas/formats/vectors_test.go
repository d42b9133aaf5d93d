package formats

import (
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"
)

type vector struct {
	V    string `json:"v"`
	Why  string `json:"why"`
	Note string `json:"note"`
	Name string `json:"name"`
}

// load reads one algorithm's valid and invalid values; entries may be objects or plain texts.
func load(t *testing.T, name string) (valid, invalid []vector) {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]struct{ Valid, Invalid []json.RawMessage }
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	parse := func(raw []json.RawMessage) (list []vector) {
		for _, r := range raw {
			var v vector
			if json.Unmarshal(r, &v) != nil {
				if err := json.Unmarshal(r, &v.V); err != nil {
					t.Fatal(err)
				}
			}
			list = append(list, v)
		}
		return list
	}
	if len(all[name].Valid) == 0 {
		t.Fatalf("no vectors for %s", name)
	}
	return parse(all[name].Valid), parse(all[name].Invalid)
}

// TestVectors runs every value of the domain study's vectors. The day of ID18At is the day the vectors were made.
func TestVectors(t *testing.T) {
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	id := func(s string) error { return ID18At(s, day) }
	moment := func(s string) error {
		if len(s) > 10 {
			return DateTime(s)
		}
		return Date(s)
	}
	for name, f := range map[string]func(string) error{
		"gb11643_id18": id, "gb32100_uscc": USCC, "gb11714_org": OrgCode, "lawyer_licence17": LawyerLicence17,
		"legal_qualification14": LegalQualification14, "division": Division, "date": moment,
	} {
		valid, invalid := load(t, name)
		for _, v := range valid {
			if err := f(v.V); err != nil {
				t.Errorf("%s: %s is valid (%s), got %v", name, v.V, v.Note, err)
			}
			if p, _ := DivisionName(v.V); name == "division" && len(v.V) == 6 && p != v.Name {
				t.Errorf("%s is %q, want %q", v.V, p, v.Name)
			}
		}
		for _, v := range invalid {
			if f(v.V) == nil {
				t.Errorf("%s: %s was accepted: %s", name, v.V, v.Why)
			}
		}
	}
}

// TestCodes pins which defect is named, and that sentences about a person's number never repeat it.
func TestCodes(t *testing.T) {
	division6 := func(s string) error { return DivisionOf(6, false, s) }
	amount := Decimal(14, 2)
	for _, c := range []struct {
		f    func(string) error
		in   string
		want Code // "" = valid
	}{
		{ID18, "610802190001010017", ""},
		{ID18, "61080219000101001", Length},
		{ID18, "610802900101001", Length},
		{ID18, "610802190001010010", CheckDigit},
		{ID18, "610802190002300016", NoSuchDate},
		{ID18, "61082619000505005x", Alphabet},
		{ID18, "６10802190001010017", Alphabet},
		{ID18, "990802190001010017", Unassigned},
		{ID18, "61080229991231001X", NoSuchDate},
		{USCC, "31610000MD00000160", CheckDigit},
		{USCC, "31610000MD00000176", CheckDigit}, // last check right, organisation code inside wrong
		{USCC, "31610000MI0000017X", Alphabet},
		{USCC, "31610000md00000163", Alphabet},
		{USCC, "31610000MD0000016", Length},
		{USCC, "", Length},
		{OrgCode, "MD0000017", CheckDigit},
		{LawyerLicence17, "26108201510900001", Structure},
		{LawyerLicence17, "19908201510900001", Unassigned},
		{LawyerLicence17, "16108197910900001", Structure},
		{LegalQualification14, "D20186108020001", Structure},
		{LegalQualification14, "2018610802001", Length},
		{LegalQualification14, "", Length},
		{Division, "610821", Retired},
		{Division, "110103", Retired},
		{Division, "610899", Unassigned},
		{Division, "710000", ""},
		{Division, "610800001", Structure},
		{Division, "441900003", ""},
		{Division, "610802000", Structure},
		{Division, "610802001600", Structure},
		{division6, "610802001", Length},
		{Date, "2000-02-29", ""}, {Date, "1900-02-29", NoSuchDate}, {Date, "9999-12-31", ""}, {Date, "0001-01-01", NoSuchDate},
		{Date, "2026-1-1", Structure}, {Date, "2026-00-10", NoSuchDate}, {Date, "20260110", Structure}, {Date, "2026-1a-10", Alphabet},
		{DateTime, "2026-11-22T10:00:00+08:00", ""},
		{DateTime, "2026-11-22T10:00:00.123456-05:30", ""},
		{DateTime, "2026-11-22T10:00:00.1234567+08:00", Structure},
		{DateTime, "2026-11-22T10:00:00.+08:00", Structure},
		{DateTime, "2026-11-22T10:00:00Z", Structure},
		{DateTime, "2026-11-22 10:00:00", Structure},
		{DateTime, "2026-11-22T24:00:00+08:00", NoSuchDate},
		{DateTime, "2026-11-22T23:59:60+08:00", NoSuchDate},
		{DateTime, "2026-11-22T10:00:00+15:00", Structure},
		{DateTime, "2026-11-31T10:00:00+08:00", NoSuchDate},
		{amount, "0", ""}, {amount, "0.5", ""}, {amount, "12345678901234.56", ""},
		{amount, "123456789012345", Length}, {amount, "1.234", Length}, {amount, "00.1", Structure}, {amount, "01", Structure},
		{amount, "1.", Structure}, {amount, ".5", Structure}, {amount, "", Structure}, {amount, "-1", Alphabet}, {amount, "1,000", Alphabet},
		{amount, "1e3", Alphabet}, {amount, "１", Alphabet}, {amount, "1.2.3", Alphabet},
	} {
		err := c.f(c.in)
		var e *Error
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%q: %v", c.in, err)
		case c.want != "" && (!errors.As(err, &e) || e.Code != c.want):
			t.Errorf("%q: got %v, want code %s", c.in, err, c.want)
		}
	}
}

func TestID18AtFuture(t *testing.T) {
	birth := time.Date(1900, 12, 31, 0, 0, 0, 0, time.UTC)
	const id = "610803190012311014"
	if err := ID18At(id, birth); err != nil {
		t.Errorf("born today: %v", err)
	}
	var e *Error
	if err := ID18At(id, birth.AddDate(0, 0, -1)); !errors.As(err, &e) || e.Code != Future {
		t.Errorf("born tomorrow: %v", err)
	}
}

func TestPhone(t *testing.T) {
	for _, s := range []string{
		"15400000001", "154 0000 0001", "154-0000-0001", "+8615400000001", "+86 154 0000 0001", "008615400000001",
		"0912-0000000", "(0912)0000000", "（0912）0000000", "010-00000000", "029 00000000", "09120000000", "2000000", "20000000",
		"0912-0000000-801", "0912-0000000转801", "20000000-12", "+86 912 0000000", "0912-12348",
		"110", "12348", "12345", "95598", "961234", "116114", "4000000000", "400-000-0000", "+852 20000000", "+1 2025550100",
		"0912-0000000/0912-0000001", "15400000001、12348", "15400000001，16000000002；12348",
	} {
		if err := Phone(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{
		"", " ", "暂无", "-", "无", "1540000000", "154000000012", "1２３４８", "abc", "12348x", "0012345", "1234567", "0912-000000", "1",
		"12a48", "0912-0000000转", "0912-0000000转1234567", "15400000001 15400000002", "1/2/3/4", "+", "+86", "+12", "转801",
		"99999999999999999999999999999999", "／", "15400000001\n",
	} {
		if Phone(s) == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

func TestSuspect(t *testing.T) {
	for _, s := range []string{"暂无", " 暂无 ", "-", "NULL", "无", "", "１２３", "锟斤拷锟斤拷", "a\uFFFDb", "\uE123", "a\u3000b", "\u200b1"} {
		if Suspect(s) == nil {
			t.Errorf("%q looks fine", s)
		}
	}
	for _, s := range []string{"榆林市榆阳区", "12348", "无锡市", "X", "𠮷", "张三；李四"} {
		if e := Suspect(s); e != nil {
			t.Errorf("%q: %v", s, e)
		}
	}
}

// TestDivisionInTime: the four changes of Shaanxi that public data show are judged by the day; of others only the order is known.
func TestDivisionInTime(t *testing.T) {
	for _, c := range []struct {
		code           string
		day            int
		inForce, known bool
	}{
		{"610821", 20140601, true, true}, {"610821", 20171231, true, true}, {"610821", 20180101, false, true}, {"610821101", 20180101, false, true},
		{"610823", 20161231, true, true}, {"610823", 20170101, false, true}, {"610322", 20211231, true, true}, {"610928", 20220101, false, true},
		{"610881", 20140601, true, true}, {"610881", 20260101, true, true}, {"610802001001", 20260101, true, true},
		{"110103", 20090101, false, false}, {"110103", 20230630, false, false}, {"110103", 20230701, false, true},
		{"610801", 20260101, false, true}, {"999999", 20260101, false, false}, {"61", 20260101, false, false},
	} {
		if in, known := DivisionOn([]byte(c.code), c.day); in != c.inForce || known != c.known {
			t.Errorf("%s on %d: %v, known %v", c.code, c.day, in, known)
		}
		if len(c.code) >= 6 && c.code != "999999" && DivisionPast(c.code) != nil {
			t.Errorf("%s is refused for a past day", c.code)
		}
	}
	for _, c := range []struct {
		code, territory string
		want            bool
	}{
		{"610802", "610800", true}, {"610802001001", "610800", true}, {"610102", "610800", false}, {"610102", "610000", true}, {"610821", "610800", true},
		{"610802001", "610802", true}, {"610803001", "610802", false}, {"110101", "000000", true}, {"610802", "100000", true}, {"610802", "6108", true}, {"610802", "", true}, {"61", "610800", false}, {"610800", "610800", true},
	} {
		if got := DivisionWithin([]byte(c.code), c.territory); got != c.want {
			t.Errorf("%s in %s: %v", c.code, c.territory, got)
		}
	}
}

// TestLost: what a wrong character set leaves, and private-use characters, are told from text that only looks odd.
func TestLost(t *testing.T) {
	for s, want := range map[string]*Error{
		"锟斤拷": Mojibake, "张\ufffd": Mojibake, "??": Mojibake, "æ³\u0095å¾\u008b": Mojibake, "甯傛硶锛岄櫌": Mojibake, "烫烫烫": Mojibake,
		"张\ue000": PrivateUse, "\U000f0001": PrivateUse,
		"": nil, "?": nil, "为什么???": nil, "法律援助": nil, "𠮷田": nil, "café": nil, "１２３": nil, "　缩进": nil, "䶮": nil,
	} {
		if got := Lost(s); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}
