//go:build linux

package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fayi/outbox/mariadbtest"
)

// command runs the program and returns what it printed and its exit code.
func (p *process) command(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), p.bin, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// Three tables of business systems that nobody changes: their records reach the province, and what happens to the rows
// reaches it too. The tables are in a database of their own on the node's server.
func TestTablesReachTheProvince(t *testing.T) {
	t.Parallel()
	srv := mariadbtest.Start(t)
	province, city := pair(t, srv)
	legacy := srv.Database(t)
	dir := filepath.Dir(city.yaml)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	admin := write("legacy.dsn", legacy)
	file := func(name string) string {
		b, err := os.ReadFile(filepath.Join("..", "..", "outbox", "triggers", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	business := func(statements string) {
		t.Helper()
		srv.Client(t, legacy, statements)
	}
	subjects := []string{"lawyer", "mediation", "hotline"}
	for _, s := range subjects {
		business("SET sql_mode = '';" + file(s+".sql"))
		write(s+".yaml", file(s+".yaml"))
	}
	run := func(want int, subject string, flags ...string) (string, string) {
		t.Helper()
		out, errs, code := city.command(t, append([]string{"outbox", "triggers", "-c", city.yaml, "-map", filepath.Join(dir, subject+".yaml"), "-dsn", admin}, flags...)...)
		if code != want {
			t.Fatalf("%s %v: exit code %d, want %d\n%s%s", subject, flags, code, want, out, errs)
		}
		return out, errs
	}

	// Rows that are there already, one with a word the map does not know.
	business("INSERT INTO T_LSXX (XM, ZYZH, ZYLB, ZYZT) VALUES ('白样例', '16108201510900001', '挂靠', '正常');" +
		"INSERT INTO `order` (no, ldsj, ldhm, ywlb, sxlx, dq, nr, jj, sfdf, zt) VALUES ('2026112000001', '2026/11/20 9:12', '16000000001', '法援', '2004', 610802, '咨询拖欠工资', 1, '否', '登记')")
	out, _ := run(3, "lawyer")
	if !strings.Contains(out, "第 11 行 records[0].fields.lawyerCategory：「执业类别」有 1 种值（1 行）没有对应的代码：“挂靠”") {
		t.Fatalf("%s", out)
	}
	out, _ = run(3, "lawyer", "-lang", "en")
	if !strings.Contains(out, "1 faults in the map") || !strings.Contains(out, "without translation") {
		t.Fatalf("%s", out)
	}
	business("UPDATE T_LSXX SET ZYLB = '专职'")

	// Read first, then run, then again without effect.
	for _, s := range subjects {
		out, errs := run(0, s)
		if !strings.HasPrefix(out, "DELIMITER $$\nUSE `") || !strings.Contains(errs, "没有执行") {
			t.Fatalf("%s%s", out, errs)
		}
	}
	if n := srv.Client(t, legacy, "SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema = DATABASE()"); strings.TrimSpace(n) != "0" {
		t.Fatalf("looking made %s triggers", n)
	}
	run(0, "lawyer", "-apply")
	run(0, "hotline", "-apply", "-json")
	run(0, "mediation", "-o", filepath.Join(dir, "mediation.sql"))
	script, err := os.ReadFile(filepath.Join(dir, "mediation.sql"))
	if err != nil {
		t.Fatal(err)
	}
	business(string(script)) // as the database's administrator would
	for _, s := range subjects {
		if out, _ := run(0, s, "-apply"); !strings.Contains(out, "无须改动") {
			t.Fatalf("%s", out)
		}
		run(0, s, "-backfill", "-json")
	}

	province.serve(t)
	city.serve(t)
	payload := func(recordType, key string) map[string]any {
		var body string
		err := province.db.QueryRowContext(t.Context(), "SELECT COALESCE(payload, '{}') FROM exchange_inbox WHERE record_type = ? AND record_key = ? ORDER BY gen DESC, seq DESC LIMIT 1", recordType, key).Scan(&body)
		var rec map[string]any
		if err != nil || json.Unmarshal([]byte(body), &rec) != nil {
			return nil
		}
		return rec
	}
	arrives := func(recordType, key, field string, want any) {
		t.Helper()
		eventually(t, time.Minute, recordType+" "+key+" arrives with "+field, func() (bool, error) {
			rec := payload(recordType, key)
			return rec != nil && rec[field] == want, nil
		})
	}
	arrives("lawyer", "16108201510900001", "name", "白样例")
	arrives("hotline_ticket", "RX-2026112000001", "callTime", "2026-11-20T09:12:00+08:00")
	const gbk = "CONVERT(CAST(CONVERT(_utf8mb4'%' USING gbk) AS BINARY) USING latin1)"
	business("BEGIN; INSERT INTO `tj-aj` (AJBH, bt, JFLX, sqrq, zt) VALUES ('2026000088', " + strings.Replace(gbk, "%", "房屋漏水", 1) + ", " + strings.Replace(gbk, "%", "邻里", 1) + ", '20260907', 2);" +
		"INSERT INTO `tj-kz` (ajbh, jfqk) VALUES ('2026000088', " + strings.Replace(gbk, "%", "水管破裂", 1) + ");" +
		"INSERT INTO `tj-dsr` (ajbh, lb, xm, sfzh) VALUES ('2026000088', '1', '张试', '610802190001010017'); COMMIT;" +
		"UPDATE `order` SET sfdf = '是', zt = '办结';" +
		"INSERT INTO T_LSXX (XM, ZYZH, ZYLB, ZYZT, SZLS) VALUES ('秦示范', '16108201510900002', '专职', '在册', '陕西示例（榆林）律师事务所');" +
		"SET @fayi_apply = 1; UPDATE T_LSXX SET XM = '不发布' WHERE ZYZH = '16108201510900001'; SET @fayi_apply = 0")
	arrives("mediation_case", "2026000088", "situation", "水管破裂")
	arrives("hotline_ticket", "RX-2026112000001", "state", "50")
	// A word nobody translated waits for a person, and the next change cures it.
	eventually(t, time.Minute, "the record with an unknown status is rejected", func() (bool, error) {
		n, err := city.count(t.Context(), "SELECT COUNT(*) FROM exchange_rejected WHERE record_type = 'lawyer' AND code = 'CODE'")
		return n == 1, err
	})
	business("UPDATE T_LSXX SET ZYZT = '正常' WHERE XM = '秦示范'; UPDATE T_LSXX SET SFSC = '是' WHERE ZYZH = '16108201510900001'; DELETE FROM `tj-aj`")
	arrives("lawyer", "16108201510900002", "firmCreditCode", "31610000MD00000163")
	for _, gone := range [][2]string{{"lawyer", "16108201510900001"}, {"mediation_case", "2026000088"}} {
		arrives(gone[0], gone[1], "name", nil)
		eventually(t, time.Minute, gone[1]+" ends", func() (bool, error) {
			n, err := province.count(t.Context(), "SELECT COUNT(*) FROM exchange_inbox WHERE record_type = ? AND record_key = ? AND op = 'del'", gone[0], gone[1])
			return n == 1, err
		})
	}
	settle(t, false, province, city)
	if n, err := province.count(t.Context(), "SELECT COUNT(*) FROM exchange_inbox WHERE payload LIKE '%不发布%'"); n != 0 || err != nil {
		t.Errorf("what was written under @fayi_apply arrived: %d, %v", n, err)
	}

	for _, s := range subjects {
		if out, _ := run(0, s, "-remove"); !strings.Contains(out, "DROP TRIGGER") {
			t.Fatalf("%s", out)
		}
		run(0, s, "-remove", "-apply")
	}
	left := srv.Client(t, legacy, "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE() UNION ALL "+
		"SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE() UNION ALL "+
		"SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE 'fayi%'")
	if left != "" {
		t.Errorf("left behind: %s", left)
	}
	for _, p := range []*process{city, province} {
		p.stop(t)
	}
}

// An account of a business system may write to its outbox and see what was refused of its own, nothing else.
func TestAccountOfASource(t *testing.T) {
	t.Parallel()
	srv := mariadbtest.Start(t)
	_, city := pair(t, srv)
	dir := filepath.Dir(city.yaml)
	text, err := os.ReadFile(city.yaml)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("\nsources:"), []byte("\nsources:\n  - {name: ls-app, table: exchange_outbox_ls, types: [lawyer]}"), 1)
	if err := os.WriteFile(city.yaml, text, 0o600); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(dir, "ls.password")
	if err := os.WriteFile(secret, []byte("Ls-2026!\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	user := "ls_" + strings.ToLower(filepath.Base(city.dsn[:strings.Index(city.dsn, "?")]))[:12]
	args := []string{"outbox", "install", "-c", city.yaml, "-source", "ls-app", "-user", user, "-host", "%", "-password", secret}
	out, errs, code := city.command(t, args...)
	if code != 0 || !strings.Contains(out, "GRANT INSERT ON `exchange_outbox_ls` TO '"+user+"'@'%'") || strings.Contains(out, "Ls-2026!") {
		t.Fatalf("%d\n%s%s", code, out, errs)
	}
	for range 2 {
		if out, errs, code = city.command(t, append(args, "-apply")...); code != 0 {
			t.Fatalf("%d\n%s%s", code, out, errs)
		}
	}
	t.Cleanup(func() { srv.Client(t, city.dsn, "DROP USER IF EXISTS '"+user+"'@'%'") })
	as := func(statement string) string {
		_, rest, _ := strings.Cut(city.dsn, ")/")
		name, _, _ := strings.Cut(rest, "?")
		cmd := exec.Command("mariadb", "--no-defaults", "-u"+user, "-pLs-2026!", "-S", srv.Socket(), "-N", "-B", name, "-e", statement)
		b, _ := cmd.CombinedOutput()
		return string(b)
	}
	if got := as("INSERT INTO exchange_outbox_ls (record_type, record_key, op) VALUES ('lawyer', 'x', 'del')"); got != "" {
		t.Errorf("insert: %s", got)
	}
	if got := as("SELECT COUNT(*) FROM exchange_rejected_ls_app"); strings.TrimSpace(got) != "0" {
		t.Errorf("own rejected rows: %s", got)
	}
	for _, s := range []string{"SELECT * FROM exchange_outbox_ls", "DELETE FROM exchange_outbox_ls", "INSERT INTO exchange_outbox (record_type, record_key) VALUES ('lawyer', 'x')",
		"SELECT * FROM exchange_rejected", "SELECT * FROM fayi_stream", "DELETE FROM exchange_rejected_ls_app"} {
		if got := as(s); !strings.Contains(got, "denied") {
			t.Errorf("%s: %q", s, got)
		}
	}
	remove := []string{"outbox", "install", "-c", city.yaml, "-source", "ls-app", "-user", user, "-remove", "-apply"}
	if out, errs, code = city.command(t, remove...); code != 1 || !strings.Contains(errs, "NOT_EMPTY") {
		t.Fatalf("%d\n%s%s", code, out, errs)
	}
	srv.Client(t, city.dsn, "DELETE FROM exchange_outbox_ls")
	if out, errs, code = city.command(t, remove...); code != 0 {
		t.Fatalf("%d\n%s%s", code, out, errs)
	}
	if got := as("SELECT 1"); !strings.Contains(got, "denied") {
		t.Errorf("the account is still there: %s", got)
	}
}
