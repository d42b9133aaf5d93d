package triggers_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func contextThat(t *testing.T) (context.Context, func()) { return context.WithCancel(t.Context()) }

const probe = `records:
  - type: hotline_ticket
    table: p
    fields:
      ticketNo: {column: k}
      callTime: {column: v}
      callerPhone: {column: v}
      service: {value: "01"}
      matter: {value: "2004"}
      occurArea: {value: "610802"}
      occurTime: {column: v}
      content: {column: v}
      involveCount: {column: v}
      state: {value: "10"}
`

// The ways in which dates are written, and what is none.
func TestDates(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, "CREATE TABLE p (k VARCHAR(32) PRIMARY KEY, v VARCHAR(500)) ENGINE=InnoDB CHARSET=utf8mb4;")
	l.install(probe)
	for _, c := range [][3]string{
		{"2026/1/5", "2026-01-05", "2026-01-05T00:00:00+08:00"},
		{"20260105", "2026-01-05", "2026-01-05T00:00:00+08:00"},
		{"2026-01-05 08:00", "2026-01-05", "2026-01-05T08:00:00+08:00"},
		{"2026-01-05 08:00:09.123", "2026-01-05", "2026-01-05T08:00:09+08:00"},
		{"2026-1-5T8:3", "2026-01-05", "2026-01-05T08:03:00+08:00"},
		{"20260105080009", "2026-01-05", "2026-01-05T08:00:09+08:00"},
		{"2026.1.5", "2026-01-05", "2026-01-05T00:00:00+08:00"},
		{"2026.01.05 23:59:59", "2026-01-05", "2026-01-05T23:59:59+08:00"},
		{"2026年1月5日", "2026-01-05", "2026-01-05T00:00:00+08:00"},
		{"2026年1月5日8时30分", "2026-01-05", "2026-01-05T08:30:00+08:00"},
		{"2026年01月05日 08时30分05秒", "2026-01-05", "2026-01-05T08:30:05+08:00"},
		{"　2026/01/05 ", "2026-01-05", "2026-01-05T00:00:00+08:00"},
		{"0000-00-00", "", ""},
		{"0000-00-00 00:00:00", "", ""},
		{"2026-02-30", "2026-02-30", "2026-02-30T00:00:00+08:00"}, // the node refuses it and says why
		{"2026-01-05T08:00:00+08:00", "2026-01-05T08:00:00+08:00", "2026-01-05T08:00:00+08:00"},
		{"去年", "去年", "去年"}, {"2026-01", "2026-01", "2026-01"}, {"5/1/2026", "5/1/2026", "5/1/2026"}, {"1767571200", "1767571200", "1767571200"},
		{"2026-01-05 下午", "2026-01-05 下午", "2026-01-05 下午"}, {"-", "-", "-"}, {strings.Repeat("长", 400), "", ""},
	} {
		if _, err := l.db.Exec("REPLACE INTO p VALUES ('1', ?)", c[0]); err != nil {
			t.Fatalf("%s: %v", c[0], err)
		}
		rows := l.take()
		var rec map[string]any
		if err := json.Unmarshal([]byte(rows[len(rows)-1].Payload), &rec); err != nil {
			t.Fatal(err)
		}
		if len(c[0]) > 500 { // longer than any date: cut, and refused by the node
			continue
		}
		date, _ := rec["occurTime"].(string)
		at, _ := rec["callTime"].(string)
		if date != c[1] || at != c[2] {
			t.Errorf("%q: date %q, time %q", c[0], date, at)
		}
	}
}

// Whatever text a column holds, the payload is JSON, and the text comes back but for outer spaces.
func TestAnyText(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, "CREATE TABLE p (k VARCHAR(32) PRIMARY KEY, v MEDIUMTEXT) ENGINE=InnoDB CHARSET=utf8mb4;")
	l.install(probe)
	try := func(t interface{ Fatalf(string, ...any) }, text string) {
		if _, err := l.db.Exec("REPLACE INTO p VALUES ('1', ?)", text); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		rows := l.take()
		payload := rows[len(rows)-1].Payload
		var rec map[string]any
		if err := json.Unmarshal([]byte(payload), &rec); err != nil {
			t.Fatalf("%q gives %s: %v", text, payload, err)
		}
		want := strings.Trim(strings.Trim(strings.Trim(text, " "), "　"), " ")
		for strings.HasPrefix(want, "　") || strings.HasSuffix(want, "　") {
			want = strings.Trim(want, "　")
		}
		if got, _ := rec["content"].(string); got != want {
			t.Fatalf("%q came back as %q", text, got)
		}
	}
	var all strings.Builder
	for r := rune(0); r < 0x3100; r++ {
		all.WriteRune(r)
	}
	try(t, "x"+all.String()+"x")
	rapid.Check(t, func(rt *rapid.T) {
		try(rt, rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.RuneFrom([]rune("\"\\'{}[],:$`\x00\x1f\u2028😀　 -0123456789.年月日")))).Draw(rt, "text"))
	})
}
