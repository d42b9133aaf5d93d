package hotline_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fayi/adapters/hotline/sheet"
	"fayi/adapters/hotline/simulator"
	"fayi/adapters/hotline/ticket"

	"github.com/xuri/excelize/v2"
)

// workbook is a file as a clerk sends it back.
func (w *world) workbook(rows ...[]any) []byte {
	w.Helper()
	x := excelize.NewFile()
	defer x.Close()
	for i, r := range rows {
		if err := x.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &r); err != nil {
			w.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := x.WriteTo(&b); err != nil {
		w.Fatal(err)
	}
	return b.Bytes()
}

// remote counts what a peer said on a hand-off.
func (w *world) remote(id string) (n int) {
	w.Helper()
	for _, e := range w.events(id) {
		if e.Source == "REMOTE" {
			n++
		}
	}
	return n
}

// A party without an interface: a sheet goes out, comes back, comes back again with columns renamed and three rows more.
func TestScenario38(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.source("desk-c@1")
	dir := t.TempDir()
	peer, err := sheet.Open(c, dir)
	if err != nil {
		t.Fatal(err)
	}
	w.more = []ticket.Peer{peer}
	w.start()
	party := c.Party.Code
	id := w.offer(party, w.kase())
	if _, err := w.svc.Courier(party).Send(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	w.state_(id, ticket.Offered) // without a number: theirs comes with the sheet
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	f, err := excelize.OpenFile(filepath.Join(dir, files[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.GetRows("Sheet1")
	if err != nil || len(out) != 2 {
		t.Fatal(out, err)
	}
	f.Close()
	hidden, ref := out[0][0], out[1][0]
	if ref != id+"#1" || !strings.Contains(strings.Join(out[1], "|"), "工地拖欠工资求助") {
		t.Fatal(out)
	}
	read := func(data []byte, answers map[string]string) *sheet.Preview {
		v, err := sheet.Read(c, data, answers)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	tray := &sheet.Tray{Dir: filepath.Join(w.state, "tray"), Now: w.clk.now}
	take := func(v *sheet.Preview, by string) *sheet.Pending {
		answers, pending, err := tray.Take(t.Context(), c, v, by, w.desk)
		if err != nil {
			t.Fatalf("%v %+v", err, v)
		}
		for _, a := range answers {
			if !a.Taken() {
				t.Errorf("%+v", a)
			}
		}
		return pending
	}
	w.at("2026-09-30 10:00")
	take(read(w.workbook([]any{hidden, "工单编号", "办理环节", "办理时间", "经办人", "承办单位代码"}, []any{ref, "C-0007", "签收", "2026-09-29 17:00", "甲", "610802-01"}), nil), "张")
	w.state_(id, ticket.Accepted)
	before := w.remote(id)

	// The same row again, columns renamed and moved, and three new rows: three events.
	again := w.workbook(
		[]any{"操作", "12345工单编号", hidden, "办理人", "时间", "处理情况", "答复内容", "处理结果", "单位代码"},
		[]any{"签收", "C-0007", ref, "甲", "2026/9/29 17:00", "", "", "", "610802-01"},
		[]any{"联系", "C-0007", ref, "甲", 46294.75, "已电话联系"},
		[]any{"进展", "C-0007", ref, "甲", "2026-09-30 08:00", "已到工地核实"},
		[]any{"办结", "C-0007", ref, "甲", "2026-09-30 09:00", "已责令支付", "您反映的工资已支付", "已解决"})
	pending := take(read(again, nil), "张")
	if pending == nil || w.get(id).State != ticket.InProgress {
		t.Fatalf("a result was taken from one person: %+v, %s", pending, w.get(id).State)
	}
	if _, err := tray.Confirm(t.Context(), pending.Digest, "张", w.desk); err == nil {
		t.Error("confirmed by who imported it")
	}
	if _, err := tray.Confirm(t.Context(), pending.Digest, "李", w.desk); err != nil {
		t.Fatal(err)
	}
	w.state_(id, ticket.ResultSubmitted)
	if n := w.remote(id) - before; n != 3 {
		t.Errorf("%d new events, want 3", n)
	}
	if p := take(read(again, nil), "张"); p != nil { // a third time: nothing
		if _, err := tray.Confirm(t.Context(), p.Digest, "李", w.desk); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.remote(id) - before; n != 3 {
		t.Errorf("%d new events after a third import, want 3", n)
	}
	if w.last(id, "result").Payload.PublicReply != "您反映的工资已支付" || w.get(id).PeerNo != "C-0007" {
		t.Errorf("%+v", w.get(id))
	}

	// Two columns that may be the number: asked, nothing taken.
	v := read(w.workbook([]any{hidden, "工单编号", "受理编号", "办理环节", "办理时间"}, []any{ref, "C-0007", "X-1", "结案", "2026-10-08 09:00"}), nil)
	if len(v.Questions) != 1 || len(v.Rows) != 0 {
		t.Fatalf("%+v", v)
	}
	if _, _, err := tray.Take(t.Context(), c, v, "张", w.desk); err == nil {
		t.Error("taken with a question open")
	}
	w.verified(id)
}

// safeBuffer keeps what is logged, from many goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *safeBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

// A session ends in the middle of a batch of 300: one login, that message once more, the others go on. When no login
// helps, the breaker opens and somebody is told. Nothing secret and no phone is logged.
func TestScenario40(t *testing.T) {
	t.Parallel()
	const n = 300
	log := &safeBuffer{}
	w := newWorld(t, func(w *world) {
		w.write(filepath.Join("secrets", "hotline-a.password"), "open-sesame")
		w.log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}, edit("hotline-a@1",
		"rate: 20", "rate: 100000",
		"skew: 300s, nonceTtl: 10m}", `skew: 300s, nonceTtl: 10m, session: {operation: login, value: session, user: yl, password: "file:secrets/hotline-a.password"}}`,
		"    limit: {request: 16384, answer: 16384}", "    limit: {request: 16384, answer: 16384}\n    headers: {X-Session: \"{auth.session}\"}",
		"  operations:\n    offer:", "  operations:\n    login: {path: /openapi/v1/login, public: true, request: {user: \"{auth.user}\", password: \"{auth.password}\"}, answer: {session: $.data.session}}\n    offer:"))
	var ids []string
	for i := range n {
		ids = append(ids, w.offer(partyA, w.kase(func(c *ticket.Case) { c.Citizen.Phone = fmt.Sprintf("1540003%04d", i) })))
	}
	w.a.sim.SetFaults(simulator.Fault{Kind: simulator.SessionLost, Op: "offer", Skip: n / 2, Count: 1})
	w.send(w.a)
	if logins, offers := w.a.sim.Seen("login"), w.a.sim.Seen("offer"); logins != 2 || offers != n+1 {
		t.Errorf("%d logins, %d offers", logins, offers)
	}
	for _, id := range ids {
		w.state_(id, ticket.Offered)
	}
	for _, x := range w.a.sim.Tickets() {
		if x.Offers != 1 {
			t.Errorf("%s was kept %d times", x.HandoffID, x.Offers)
		}
	}
	if len(w.a.sim.Tickets()) != n || len(w.tasks("auth"))+len(w.tasks("breaker")) != 0 {
		t.Errorf("%d tickets, alarms %+v", len(w.a.sim.Tickets()), w.tasks("auth"))
	}

	// No session lasts any more.
	w.a.sim.SetFaults(simulator.Fault{Kind: simulator.SessionLost, Op: "offer"})
	var late []string
	for i := range 20 {
		late = append(late, w.offer(partyA, w.kase(func(c *ticket.Case) { c.Citizen.Phone = fmt.Sprintf("1540004%04d", i) })))
	}
	logins, offers := w.a.sim.Seen("login"), w.a.sim.Seen("offer")
	w.send(w.a)
	logins, offers = w.a.sim.Seen("login")-logins, w.a.sim.Seen("offer")-offers
	if len(w.tasks("auth")) != 1 {
		t.Errorf("nobody is told: %+v", w.tasks(""))
	}
	if offers > 4 || logins > 3 {
		t.Errorf("%d offers and %d logins against a closed door", offers, logins)
	}
	w.state_(late[19], ticket.Queued)
	w.a.sim.SetFaults()
	for range 6 {
		w.after(w.a.peer.About().Policy.BreakerCool + 1)
		w.send(w.a)
	}
	for _, id := range late {
		w.state_(id, ticket.Offered)
	}
	if len(w.a.sim.Tickets()) != n+20 {
		t.Errorf("%d tickets", len(w.a.sim.Tickets()))
	}

	logged := log.String()
	if !strings.Contains(logged, ids[0]) {
		t.Error("deliveries are not logged at all")
	}
	for _, secret := range []string{"open-sesame", "secret of hotline-a.key", "1540003", "1540004", "王某某", "工地"} {
		if strings.Contains(logged, secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}
