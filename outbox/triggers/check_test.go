package triggers_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fayi/outbox/triggers"
)

const faulty = `records:
  - type: lawyer
    name: Ls
    table: t_lsxx
    row: xm
    charset: "gbk) --"
    deleted: {column: nosuch}
    join:
      - {name: a, table: "T_LSXX", on: lsid}
      - {name: b, table: lsview, on: x}
      - {name: c, table: old, on: lsid}
    fields:
      name: {column: xingming}
      licenseNo: {column: zyzh, codes: {a: b}}
      nosuch: {column: xm}
      gender: {column: xb, codes: {男: "7"}, otherwise: 男}
      isAidLawyer: {column: sffy, codes: {是: 真}}
      speciality: {column: scly}
      phone: {column: sj, split: ","}
      email: {value: x, column: sj}
      title: {value: 高级}
      rewards: {rows: zz}
      admOrgName: {}
      firmCreditCode: {column: szls, lookup: {table: nosuch, match: a, take: b}}
      photoUrl: {column: tx}
  - {type: nosuch, table: t_lsxx}
  - {type: law_firm, table: nosuch, fields: {}}
  - type: law_firm
    table: loose
    fields: {name: {column: mc}}
`

// Everything that is wrong is said at once, in both languages, with its place.
func TestEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, read(t, "lawyer.sql")+"ALTER TABLE T_LSXX ADD tx BLOB; CREATE VIEW lsview AS SELECT 1 x; CREATE TABLE old (lsid INT) ENGINE=MyISAM; CREATE TABLE loose (mc TEXT) ENGINE=InnoDB;")
	p, faults, _ := l.check(decode(t, faulty))
	if p != nil {
		t.Fatal("a plan in spite of faults")
	}
	for i := range faults {
		faults[i].Message = strings.ReplaceAll(faults[i].Message, l.catalog().Database, "DB")
		faults[i].MessageEN = strings.ReplaceAll(faults[i].MessageEN, l.catalog().Database, "DB")
	}
	golden(t, "faults.golden", faults)
}

func golden(t *testing.T, name string, faults []triggers.Fault) {
	t.Helper()
	var b strings.Builder
	for _, f := range faults {
		fmt.Fprintf(&b, "%s %s\n  %s\n  %s\n", f.Code, f.Path, f.Message, f.MessageEN)
	}
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, name); b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// Values that are there and have no translation are found before the first record is refused.
func TestSurvey(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, read(t, "lawyer.sql"))
	l.exec("INSERT INTO T_LSXX (ZYZH, ZYLB, ZYZT, CSRQ, SFFY, SCLY, SFSC) VALUES ('1', '专职', '正常', '1900-01-01', '是', '合同纠纷', '否')," +
		"('2', '实习', '在册', '1900.1.1 08:30:00.0', '否', '合同纠纷、海商', '否'), ('3', '实习', '在册', '明治33年', 'Y', '', '否')," +
		"('4', '挂靠', '', '19000101083000', '不详', NULL, '否'), ('5', '删除的不算', '', '删除的不算', '', '', '是')")
	p := l.plan(read(t, "lawyer.yaml"))
	found, err := triggers.Survey(t.Context(), l.conn, p)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "survey.golden", found)
}

// Names and values that would end a literal or an identifier do not.
func TestNothingIsInjected(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, "CREATE TABLE `a``; DROP TABLE victim; --` (`k``'\"\\` VARCHAR(40) PRIMARY KEY, `v'` VARCHAR(200)) ENGINE=InnoDB CHARSET=utf8mb4; CREATE TABLE victim (a INT);")
	l.install(`records:
  - type: mediation_case
    table: "a` + "`" + `; DROP TABLE victim; --"
    only: {column: "v'", values: ["'; DROP TABLE victim; --", "\\", "'", "ok"]}
    fields:
      caseNo: {column: "k` + "`" + `'\"\\"}
      situation: {column: "v'", codes: {"'": "'); DROP TABLE victim; --", "\\": "\\'\n\0", "ok": "$$\nDELIMITER ;"}}
      applyDate: {value: "2026-01-01"}
      phase: {value: "10"}
`)
	l.exec("INSERT INTO `a``; DROP TABLE victim; --` VALUES ('1', '\\\\'), ('2', ''''), ('3', 'ok'), ('4', '; x')")
	rows := l.take()
	if len(rows) != 3 {
		t.Fatalf("%v", rows)
	}
	for i, want := range []string{"\\'\n\x00", "'); DROP TABLE victim; --", "$$\nDELIMITER ;"} {
		if got := l.valid(rows[i])["situation"]; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	l.exec("SELECT a FROM victim")
}
