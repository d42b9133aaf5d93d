package formats

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCourtCaseNumber(t *testing.T) {
	for _, s := range []string{
		"（2026）陕0802民初123号", "(2026)陕08刑终1号", "（2020）最高法民终1001号", "（2019）京73行初9号", "（2021）兵0102民初5号", "（2016）陕执复12号", "（2018）京0491民初99999号",
		"(2014)榆中民初字第00123号", "（2015）陕民一终字第7号", "（2022）陕0802民初12345678号", "（2023）陕0881诉前调7号",
	} {
		if err := CourtCaseNumber(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for s, want := range map[string]Code{
		"": Structure, "2026陕0802民初1号": Structure, "（26）陕0802民初1号": Structure, "（2026陕0802民初1号": Structure, "（1900）陕0802民初1号": Structure,
		"（2026）榆0802民初1号": Unassigned, "（2026）陕080民初1号": Structure, "（2026）陕08021民初1号": Structure, "（2026）陕08021号": Structure, "（2026）陕0802民初1": Structure,
		"（2026）陕0802民初号": Structure, "（2026）陕0802民初01号": Structure, "（2016）榆中民初字第1号": Structure, "（2014）字第1号": Structure, "（2026）陕0802民初１号": Structure,
		"（2026）陕0802civil1号": Structure, "（2026）陕0802民初123456789号": Structure, "（2026）陕0802民初 1号": Structure, "（2026）": Structure, "（2026）号": Unassigned,
	} {
		var e *Error
		if err := CourtCaseNumber(s); !errors.As(err, &e) || e.Code != want {
			t.Errorf("%q: %v, want %s", s, err, want)
		}
	}
}

// TestCourtCaseNumberParts: whatever is put together from its parts is accepted; without any one of them it is not.
func TestCourtCaseNumberParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		open := rapid.SampledFrom([]string{"（", "("}).Draw(t, "open")
		end := map[string]string{"（": "）", "(": ")"}[open]
		parts := []string{
			open, fmt.Sprint(rapid.IntRange(2016, 2099).Draw(t, "year")), end,
			rapid.SampledFrom(strings.Split(courts, "")).Draw(t, "province") + rapid.SampledFrom([]string{"", "08", "0802", "73"}).Draw(t, "court"),
			rapid.SampledFrom([]string{"民初", "刑终", "行初", "执", "诉前调", "民申"}).Draw(t, "kind"), fmt.Sprint(rapid.IntRange(1, 99999999).Draw(t, "number")), "号",
		}
		if err := CourtCaseNumber(strings.Join(parts, "")); err != nil {
			t.Fatalf("%v: %v", parts, err)
		}
		gone := rapid.IntRange(0, len(parts)-1).Draw(t, "gone")
		left := strings.Join(append(append([]string{}, parts[:gone]...), parts[gone+1:]...), "")
		if err := CourtCaseNumber(left); err == nil {
			t.Fatalf("%s is accepted without part %d", left, gone)
		}
	})
}
