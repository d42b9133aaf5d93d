package triggers_test

import (
	"strings"
	"testing"
)

const sheet = "T_LSXX (XM, ZYZH, SFZH, XB, CSRQ, ZYLB, ZYZT, SZLS, SCZY, ZC, SCLY, SFFY, SJ)"

// A GBK table with dates as text, words for codes and the name of a firm for the firm.
func TestLawyerTable(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, read(t, "lawyer.sql"))
	l.install(read(t, "lawyer.yaml"))
	l.exec("INSERT INTO " + sheet + " VALUES (' 白\"样\\\\例　', '16108201510900001', '61080219000101005x', '男', '1900/1/1', '专职', '正常'," +
		" '陕西示例（榆林）律师事务所', '20150701', '三级律师', '合同纠纷、 劳动人事、', '是', '15400000001')")
	same(t, l.one("16108201510900001"), `{"name":"白\"样\\例","licenseNo":"16108201510900001","idCard":"61080219000101005X","gender":"1","birthday":"1900-01-01",
		"lawyerCategory":"1","practiceStatus":"1","firmCreditCode":"31610000MD00000163","firmName":"陕西示例（榆林）律师事务所","firstPracticeDate":"2015-07-01",
		"title":"3","speciality":["0104","0106"],"isAidLawyer":true,"phone":"15400000001","admOrgName":"榆林市司法局"}`)

	l.exec("UPDATE T_LSXX SET ZYZT = '暂停', SCZY = '2015年7月1日', SFFY = '否', XB = NULL, SJ = '' WHERE LSID = 1")
	rec := l.one("16108201510900001")
	if rec["practiceStatus"] != "2" || rec["firstPracticeDate"] != "2015-07-01" || rec["isAidLawyer"] != false || rec["gender"] != nil || rec["phone"] != nil {
		t.Fatalf("%v", rec)
	}
	// Columns that are not mapped, and values that stay, publish nothing.
	l.exec("UPDATE T_LSXX SET BZ = '备注'", "UPDATE T_LSXX SET ZYZT = '暂停'")
	l.nothing()
	// A change that the collation does not see is a change.
	l.exec("UPDATE T_LSXX SET XM = 'Abc'", "UPDATE T_LSXX SET XM = 'ABC'")
	if rows := l.take(); len(rows) != 2 {
		t.Fatalf("%v", rows)
	}
	// Logical deletion, whatever happens to the row afterwards, and its end.
	l.exec("UPDATE T_LSXX SET SFSC = '是'")
	l.gone("16108201510900001")
	l.exec("UPDATE T_LSXX SET XM = '白样例'", "DELETE FROM T_LSXX WHERE SFSC = '是' AND LSID = 0")
	l.nothing()
	l.exec("UPDATE T_LSXX SET SFSC = '否'")
	l.one("16108201510900001")
	// Another key: the old record ends.
	l.exec("UPDATE T_LSXX SET ZYZH = '16108201510900002'")
	rows := l.take()
	if len(rows) != 2 || rows[0].Op != "del" || rows[0].Key != "16108201510900001" || rows[1].Op != "put" || rows[1].Key != "16108201510900002" {
		t.Fatalf("%v", rows)
	}
	l.exec("DELETE FROM T_LSXX")
	l.gone("16108201510900002")
	// Written by the node: silent.
	l.exec("INSERT INTO " + sheet + " VALUES ('白样例', '16108201510900001', NULL, NULL, NULL, '专职', '正常', NULL, NULL, NULL, NULL, NULL, NULL)")
	l.take()
	tx := l.tx(0)
	for _, s := range []string{"SET @fayi_apply = 1", "UPDATE T_LSXX SET XM = '别名'", "DELETE FROM T_LSXX", "SET @fayi_apply = NULL"} {
		if _, err := tx.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	l.nothing()
}

// What cannot be converted never fails the business, in strict mode either: it is passed on for the node to reject with its reason.
func TestBadValuesPassThrough(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, read(t, "lawyer.sql")+read(t, "hotline.sql"))
	l.install(read(t, "lawyer.yaml"))
	l.install(read(t, "hotline.yaml"))
	l.exec("INSERT INTO T_LSXX (XM, ZYZH, CSRQ, ZYLB, ZYZT, SFFY, SCZY) VALUES ('" + strings.Repeat("长", 50) + "', NULL, '去年', '律师', '在册', '不详', '2026-13-45 25:61')")
	rows := l.take()
	want := `"birthday":"去年","lawyerCategory":"律师","practiceStatus":"在册","firstPracticeDate":"2026-13-45","isAidLawyer":"不详"`
	if len(rows) != 1 || rows[0].Key != "" || !strings.Contains(rows[0].Payload, want) {
		t.Fatalf("%v", rows)
	}
	l.exec("INSERT INTO `order` (no, ldsj, nr, dq, thsc) VALUES ('" + strings.Repeat("号", 32) + "', '', REPEAT('内容', 200000), 2147483647, 12.75)")
	rows = l.take()
	if len(rows) != 1 || len(rows[0].Key) > 128 || len(rows[0].Payload) < 1_000_000 || !strings.Contains(rows[0].Payload, `"talkSeconds":"12.75"`) {
		t.Fatalf("%d rows, %.300v", len(rows), rows)
	}
}

// The business sees the ids of its own rows, and its errors, as without triggers.
func TestSessionUndisturbed(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, read(t, "lawyer.sql"))
	l.install(read(t, "lawyer.yaml"))
	for range 3 {
		l.exec("INSERT INTO exchange_outbox (record_type, record_key) VALUES ('x', 'x')") // the outbox's ids run ahead
	}
	res, err := l.db.Exec("INSERT INTO T_LSXX (ZYZH) VALUES ('1')")
	if err != nil {
		t.Fatal(err)
	}
	id, _ := res.LastInsertId()
	n, _ := res.RowsAffected()
	if id != 1 || n != 1 {
		t.Fatalf("id %d, %d rows", id, n)
	}
	if _, err := l.db.Exec("INSERT INTO T_LSXX (ZYZH) VALUES ('1')"); err == nil || !strings.Contains(err.Error(), "Duplicate") {
		t.Fatalf("a duplicate gives %v", err)
	}
	tx := l.tx(0)
	if _, err := tx.Exec("UPDATE T_LSXX SET XM = 'x'"); err != nil {
		t.Fatal(err)
	}
	tx.Rollback()
	if rows := l.take(); len(rows) != 4 {
		t.Fatalf("rolled back and still published: %v", rows)
	}
}

// A header, a table beside it and rows below it make one record; two of them hold GBK bytes in columns declared latin1.
func TestMediationTables(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, read(t, "mediation.sql"))
	l.install(read(t, "mediation.yaml"))
	gbk := func(s string) string {
		return "CONVERT(CAST(CONVERT(_utf8mb4'" + s + "' USING gbk) AS BINARY) USING latin1)"
	}
	// The rows below come first, as some programs write them: no record yet.
	l.exec("INSERT INTO `tj-dsr` (ajbh, lb, xh, xm, sfzh, xb) VALUES ('2026000088', '2', 1, '李例', NULL, '2'), ('2026000088', '1', 2, '王试', '610802190001010033', '1')," +
		" ('2026000088', '1', 1, '张试', '61080219000101005x', '1')")
	l.nothing()
	l.exec("INSERT INTO `tj-aj` (AJBH, bt, JFLX, sqrq, slrq, zt, sjje) VALUES ('2026000088', " + gbk("房屋漏水") + ", " + gbk("邻里") + ", '2026.9.7 8:30', '2026-09-07', 2, 4800.5)")
	rows := l.take()
	if len(rows) != 1 || !strings.Contains(rows[0].Payload, `"title":"房屋漏水"`) || strings.Contains(rows[0].Payload, "situation") {
		t.Fatalf("%v", rows) // still without its description: the node will say so, and the next row cures it
	}
	l.exec("INSERT INTO `tj-kz` (ajbh, jfqk, sflx, jssj) VALUES ('2026000088', " + gbk("水管破裂，协商不成。") + ", '1', '2026-10-10 16:00:00')")
	same(t, l.one("2026000088"), `{"caseNo":"2026000088","tjType":"1","applicants":[{"name":"张试","idCard":"61080219000101005X","gender":"1"},
		{"name":"王试","idCard":"610802190001010033","gender":"1"}],"respondents":[{"name":"李例","gender":"2"}],"title":"房屋漏水","disputeType":"02",
		"involveAmount":"4800.5","situation":"水管破裂，协商不成。","applyDate":"2026-09-07","acceptDate":"2026-09-07","isPerformed":true,
		"endDate":"2026-10-10T16:00:00+08:00","phase":"40"}`)
	l.exec("UPDATE `tj-dsr` SET xm = '李示' WHERE lb = '2'")
	if got := l.one("2026000088")["respondents"]; !strings.Contains(strings.Join(strings.Fields(strings.TrimSpace(toText(got))), " "), "李示") {
		t.Fatalf("%v", got)
	}
	l.exec("DELETE FROM `tj-dsr` WHERE lb = '2'")
	if got := l.one("2026000088")["respondents"]; got != nil {
		t.Fatalf("%v", got)
	}
	l.exec("UPDATE `tj-aj` SET czr = 'x'", "UPDATE `tj-dsr` SET xh = xh")
	l.nothing()
	// Statements that read the header and change what is below it: the reason why the agreed row is not the header's (error 1442).
	l.exec("UPDATE `tj-dsr` d JOIN `tj-aj` a ON a.AJBH = CONVERT(d.ajbh USING latin1) SET d.xm = '张示' WHERE d.xh = 1")
	l.one("2026000088")
	l.exec("UPDATE `tj-kz` SET sflx = '0' WHERE ajbh IN (SELECT AJBH FROM `tj-aj`)")
	l.one("2026000088")
	// A party moved to another case changes both.
	l.exec("INSERT INTO `tj-aj` (AJBH, bt, JFLX, sqrq, zt) VALUES ('2026000089', 'x', NULL, '20260908', 0)", "INSERT INTO `tj-kz` (ajbh, jfqk) VALUES ('2026000089', 'y')")
	l.take()
	l.exec("UPDATE `tj-dsr` SET ajbh = '2026000089' WHERE xh = 2")
	if rows := l.take(); len(rows) != 2 || rows[0].Key != "2026000089" || rows[1].Key != "2026000088" {
		t.Fatalf("%v", rows)
	}
	l.exec("UPDATE `tj-aj` SET yxbz = b'0' WHERE AJBH = '2026000089'")
	l.gone("2026000089")
	l.exec("DELETE FROM `tj-aj`")
	l.gone("2026000088")
	l.exec("DELETE FROM `tj-dsr`", "DELETE FROM `tj-kz`")
	l.nothing()
}

func toText(v any) string {
	var b strings.Builder
	for _, e := range v.([]any) {
		for _, s := range e.(map[string]any) {
			b.WriteString(s.(string) + " ")
		}
	}
	return b.String()
}

// Reserved words for names, a bigint for a district, a TIMESTAMP under a foreign zone, a time of deletion.
func TestHotlineTable(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, read(t, "hotline.sql"))
	l.install(read(t, "hotline.yaml"))
	tx := l.tx(0)
	for _, s := range []string{
		"SET time_zone = '-05:00'",
		"INSERT INTO `order` (no, ldsj, ldhm, ldr, ywlb, sxlx, dq, bt, nr, jj, sfdf, thsc, zt, hfsj) VALUES ('2026112000001', '2026-11-20 9:12', '16000000001', '张试', '法援'," +
			" '2004', 610802, '咨询', CONCAT('第一行', CHAR(13,10), 'tab', CHAR(9), '引号\"反斜\\\\', CHAR(1)), NULL, '1', 372.00, '办结', '2026-11-20 01:00:00')",
	} {
		if _, err := tx.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	same(t, l.one("RX-2026112000001"), `{"ticketNo":"RX-2026112000001","callTime":"2026-11-20T09:12:00+08:00","callerPhone":"16000000001","callerName":"张试",
		"service":"legal_aid","matter":"2004","occurArea":"610802","title":"咨询","content":"第一行\r\ntab\t引号\"反斜\\\u0001","urgency":"1","talkSeconds":372,
		"answered":true,"visitTime":"2026-11-20T14:00:00+08:00","state":"50"}`)
	l.exec("UPDATE `order` SET scsj = NOW()")
	l.gone("RX-2026112000001")
	l.exec("UPDATE `order` SET scsj = NULL, sfdf = 'N', jj = 1")
	if rec := l.one("RX-2026112000001"); rec["answered"] != false || rec["urgency"] != "3" {
		t.Fatalf("%v", rec)
	}
}
