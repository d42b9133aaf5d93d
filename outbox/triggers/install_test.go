package triggers_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"fayi/outbox/triggers"
)

// objects lists what is in the database beside the tables of the business and the outbox.
func (l *legacy) objects() (out []string) {
	l.t.Helper()
	rows, err := l.db.Query("SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()" +
		" UNION ALL SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE()" +
		" UNION ALL SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE 'fayi%' ORDER BY 1")
	if err != nil {
		l.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			l.t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// The script runs in the ordinary client; a second run does nothing; another map replaces what differs; removal leaves nothing.
func TestInstallReplaceRemove(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, read(t, "lawyer.sql")+read(t, "mediation.sql"))
	l.exec("CREATE TRIGGER own_ai AFTER INSERT ON T_LSXX FOR EACH ROW SET @own = 1") // of the business: it stays
	text := l.plan(read(t, "mediation.yaml")).Changes().Text()
	l.srv.Client(t, l.dsn, text)
	if s := l.plan(read(t, "mediation.yaml")).Changes(); s.Todo() {
		t.Fatalf("a second run would do %+v", s.Changes)
	}
	l.install(read(t, "lawyer.yaml"))
	before := l.objects()

	changed := strings.Replace(read(t, "mediation.yaml"), "title: {column: bt}", "title: {column: bt, prefix: 案}", 1)
	s := l.plan(changed).Changes()
	count := map[triggers.Action]int{}
	for _, c := range s.Changes {
		count[c.Action]++
	}
	// A new procedure, the seven triggers that call it (the header's delete does not), the old procedure.
	if count[triggers.Create] != 1 || count[triggers.Replace] != 8 || count[triggers.Drop] != 1 {
		t.Fatalf("%+v", s.Changes)
	}
	if err := triggers.Apply(t.Context(), l.conn, s); err != nil {
		t.Fatal(err)
	}
	if after := l.objects(); len(after) != len(before) || slices.Equal(after, before) {
		t.Fatalf("%v\n%v", before, after)
	}
	// A join that the map has no more takes its triggers with it.
	fewer := strings.Replace(changed, "      - {name: kz, table: tj-kz, on: ajbh, charset: gbk}\n", "", 1)
	fewer = strings.NewReplacer("situation: {column: kz.jfqk}", "situation: {value: x}", "      isPerformed: {column: kz.sflx}\n", "", "      endDate: {column: kz.jssj}\n", "").Replace(fewer)
	l.install(fewer)
	if n := len(l.objects()); n != len(before)-3 {
		t.Fatalf("%d objects, had %d", n, len(before))
	}

	for _, m := range []string{changed, read(t, "lawyer.yaml")} {
		if err := triggers.Apply(t.Context(), l.conn, triggers.Removal(l.catalog(), decode(t, m))); err != nil {
			t.Fatal(err)
		}
	}
	if left := l.objects(); !slices.Equal(left, []string{"own_ai"}) {
		t.Fatalf("left behind: %v", left)
	}
	l.exec("INSERT INTO T_LSXX (ZYZH) VALUES ('1')")
	l.nothing()
}

// While triggers are switched nobody writes to the tables: no change falls between the old ones and the new ones.
func TestReplacingMissesNothing(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, read(t, "lawyer.sql"))
	l.install(read(t, "lawyer.yaml"))
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				done <- n
				return
			default:
			}
			n++
			if _, err := l.db.Exec("INSERT INTO T_LSXX (ZYZH) VALUES (?)", n); err != nil {
				t.Error(err)
				done <- n
				return
			}
		}
	}()
	for i := range 10 {
		l.install(strings.Replace(read(t, "lawyer.yaml"), "{value: 榆林市司法局}", "{value: 局"+string(rune('0'+i))+"}", 1))
	}
	close(stop)
	n := <-done
	if rows := l.take(); len(rows) != n || n < 10 {
		t.Fatalf("%d rows written, %d published", n, len(rows))
	}
}

// Rows that were there are published once, in chunks, and an interrupted run is taken up.
func TestBackfill(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, read(t, "mediation.sql"))
	l.exec("INSERT INTO `tj-aj` (AJBH, sqrq, zt, yxbz) SELECT CONCAT('A', LPAD(seq, 6, '0')), '20260101', 0, seq % 10 <> 0 FROM seq_1_to_1300",
		"INSERT INTO `tj-dsr` (ajbh, lb, xm, sfzh) SELECT CONCAT('A', LPAD(seq, 6, '0')), '1', 'x', 'y' FROM seq_1_to_1300")
	if err := triggers.Backfill(t.Context(), l.conn, l.plan(read(t, "mediation.yaml")), false, 5000, func(triggers.Progress) {}); err != triggers.ErrNotInstalled {
		t.Fatalf("%v", err)
	}
	p := l.install(read(t, "mediation.yaml"))
	ctx, cancel := contextThat(t)
	err := triggers.Backfill(ctx, l.conn, p, false, 5000, func(at triggers.Progress) {
		if at.Rows == 500 {
			cancel()
		}
	})
	if err == nil {
		t.Fatal("not interrupted")
	}
	l.conn.Close()
	if l.conn, err = l.db.Conn(t.Context()); err != nil {
		t.Fatal(err)
	}
	var last triggers.Progress
	for range 2 { // the second finds nothing to do
		if err := triggers.Backfill(t.Context(), l.conn, p, false, 5000, func(at triggers.Progress) { last = at }); err != nil {
			t.Fatal(err)
		}
	}
	rows := l.take()
	if len(rows) != 1170 || last.Rows != 1170 || !last.Done || !strings.Contains(rows[1169].Payload, `"applicants":[{"name":"x","idCard":"Y"}]`) {
		t.Fatalf("%d rows, %+v, %v", len(rows), last, rows[len(rows)-1])
	}
	keys := map[string]bool{}
	for _, r := range rows {
		keys[r.Key] = true
	}
	if len(keys) != len(rows) {
		t.Fatalf("%d keys in %d rows", len(keys), len(rows))
	}
	if err := triggers.Backfill(t.Context(), l.conn, p, true, 5000, func(triggers.Progress) {}); err != nil {
		t.Fatal(err)
	}
	if rows := l.take(); len(rows) != 1170 {
		t.Fatalf("again: %d rows", len(rows))
	}
}

// A table in a long transaction is not waited for: nobody behind the DDL waits longer than that either, and what was there stays. It takes
// ten seconds: FAYI_LONG=1.
func TestBusyTableIsGivenUp(t *testing.T) {
	if os.Getenv("FAYI_LONG") != "1" {
		t.Skip("FAYI_LONG=1")
	}
	t.Parallel()
	l := newLegacy(t, read(t, "lawyer.sql"))
	l.install(read(t, "lawyer.yaml"))
	before := l.objects()
	busy := l.tx(0)
	if _, err := busy.Exec("INSERT INTO T_LSXX (ZYZH) VALUES ('1')"); err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(read(t, "lawyer.yaml"), "{value: 榆林市司法局}", "{value: 局}", 1)
	if err := triggers.Apply(t.Context(), l.conn, l.plan(changed).Changes()); err == nil || !strings.Contains(err.Error(), "1205") {
		t.Fatalf("%v", err)
	}
	after := l.objects()
	if len(after) != len(before)+1 { // the new procedure is there, and nothing calls it
		t.Errorf("%v\n%v", before, after)
	}
	if err := busy.Commit(); err != nil {
		t.Fatal(err)
	}
	if rows := l.take(); len(rows) != 1 {
		t.Errorf("%v", rows)
	}
	l.install(changed)
	if got := l.objects(); len(got) != len(before) {
		t.Errorf("%v", got)
	}
}
