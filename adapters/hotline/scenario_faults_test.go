package hotline_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fayi/adapters/hotline"
	"fayi/adapters/hotline/clock"
	"fayi/adapters/hotline/simulator"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/outer"
)

func (w *world) fault(s *side, kind, op string, count int) {
	s.sim.SetFaults(simulator.Fault{Kind: kind, Op: op, Count: count})
}

// The connection dies after the peer stored the ticket: in doubt, asked, found. Exactly one ticket. (The hundred random
// kill points are TestKillDuringHandoffs.)
func TestScenario23(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fault(w.a, simulator.TimeoutAfter, "offer", 1)
	id := w.offer(partyA, w.kase())
	w.send(w.a)
	w.state_(id, ticket.InDoubt)
	w.after(10 * time.Second)
	w.send(w.a)
	row := w.state_(id, ticket.Offered)
	if e := w.last(id, "found_at_peer"); e.Payload.Number == "" || row.PeerNo != w.theirs(w.a, id).Number {
		t.Errorf("%+v", e)
	}
	if list := w.a.sim.Tickets(); len(list) != 1 || list[0].Offers != 1 {
		t.Errorf("%d tickets", len(list))
	}

	// Before it was stored: absent, sent again.
	w.fault(w.a, simulator.TimeoutBefore, "offer", 1)
	second := w.offer(partyA, w.kase(func(c *ticket.Case) { c.Citizen.Phone = "15400000018" }))
	w.send(w.a)
	w.state_(second, ticket.InDoubt)
	w.after(10 * time.Second)
	w.send(w.a)
	w.state_(second, ticket.Offered)
	if n := len(w.a.sim.Tickets()); n != 2 {
		t.Errorf("%d tickets", n)
	}
	w.verified(id, second)
}

// The same where the peer cannot be asked: once more under the same number, then a person.
func TestScenario24(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fault(w.b, simulator.TimeoutAfter, "offer", 1)
	id := w.offer(partyB, w.kase())
	w.send(w.b)
	w.state_(id, ticket.InDoubt)
	w.after(10 * time.Second)
	w.send(w.b)
	w.state_(id, ticket.Offered)
	if list := w.b.sim.Tickets(); len(list) != 1 || list[0].Offers != 2 {
		t.Errorf("%d tickets, offered %d times", len(list), list[0].Offers)
	}

	w.fault(w.b, simulator.TimeoutAfter, "offer", 2)
	second := w.offer(partyB, w.kase(func(c *ticket.Case) { c.Citizen.Phone = "15400000018" }))
	for range 3 {
		w.send(w.b)
		w.after(time.Minute)
	}
	w.state_(second, ticket.Dead)
	if tasks := w.tasks("dead_offer"); len(tasks) != 1 || tasks[0].Handoff != second {
		t.Fatalf("%+v", tasks)
	}
	no := w.theirs(w.b, second).Number
	if err := w.desk.Confirm(t.Context(), second, "agent1", no); err != nil {
		t.Fatal(err)
	}
	if row := w.state_(second, ticket.Offered); row.PeerNo != no {
		t.Errorf("number %q", row.PeerNo)
	}
	w.verified(id, second)
}

// HTTP 200 is no success.
func TestScenario25(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fault(w.b, simulator.Failure200, "offer", 1) // {"Success":false,"Msg":"机构不存在"}
	id := w.offer(partyB, w.kase())
	w.send(w.b)
	w.state_(id, ticket.Dead)
	dead, _ := w.l.DeadLetters(t.Context(), partyB)
	if len(dead) != 1 || dead[0].Said.Class != string(ticket.Permanent) || !strings.Contains(dead[0].Said.Text, "机构") {
		t.Errorf("%+v", dead)
	}
	w.fault(w.a, simulator.Failure200, "offer", 1)
	bad := w.offer(partyA, w.kase())
	w.send(w.a)
	w.state_(bad, ticket.Dead)

	w.fault(w.a, simulator.LoginPage, "offer", 1)
	html := w.offer(partyA, w.kase(func(c *ticket.Case) { c.Citizen.Phone = "15400000018" }))
	if _, err := w.a.c.Send(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	list, _ := w.l.Deliveries(t.Context(), html)
	if s := w.get(html).State; s == ticket.Offered && list[0].Attempts == 1 {
		t.Error("a login page counts as success")
	}
	for range 3 {
		w.after(time.Minute)
		w.send(w.a)
	}
	if s := w.get(html).State; s != ticket.Offered && s != ticket.Dead {
		t.Errorf("after the page is gone: %s", s)
	}
	for _, x := range w.a.sim.Tickets() {
		if x.Offers > 1 && x.HandoffID == bad {
			t.Error("a refused one was sent again")
		}
	}
}

// The peer is down for six hours with a long queue.
func TestScenario26(t *testing.T) {
	t.Parallel()
	n := 200
	if os.Getenv("FAYI_LONG") == "1" {
		n = 2000
	}
	w := newWorld(t, edit("hotline-a@1", "rate: 20", "rate: 100000"))
	w.at("2026-09-29 09:00")
	w.a.sim.SetFaults(simulator.Fault{Kind: simulator.Error500})
	var ids []string
	urgent := map[string]bool{}
	for i := range n {
		c := w.kase(func(c *ticket.Case) { c.Citizen.Phone = fmt.Sprintf("1540002%04d", i) })
		if i%10 == 9 {
			c.Appeal.Urgency = 2
		}
		if i == n/2 {
			c.Appeal.ClassCode = "Z99" // poison
		}
		id := w.offer(partyA, c)
		ids = append(ids, id)
		urgent[id] = i%10 == 9
	}
	before := w.a.sim.Seen("offer")
	w.send(w.a)
	if tries := w.a.sim.Seen("offer") - before; tries > 10 {
		t.Errorf("%d attempts at a peer that is down", tries)
	}
	if len(w.tasks("breaker")) != 1 {
		t.Error("no alarm of the breaker")
	}
	w.at("2026-09-29 15:00")
	w.a.sim.SetFaults()
	for range 5 {
		w.send(w.a)
		w.after(2 * time.Minute)
	}
	var order []string
	for _, x := range w.a.sim.Tickets() {
		order = append(order, x.HandoffID)
		if x.Offers != 1 {
			t.Errorf("%s was offered %d times", x.HandoffID, x.Offers)
		}
	}
	if len(order) != n-1 {
		t.Fatalf("%d of %d arrived", len(order), n)
	}
	w.state_(ids[n/2], ticket.Dead)
	for _, id := range order[:n/10] {
		if !urgent[id] {
			t.Errorf("%s is not urgent and came early", id)
			break
		}
	}
	late := 0
	for _, id := range ids {
		if urgent[id] {
			if f := w.figure(id, 1, "C1"); f.Breach != nil {
				late++
			}
		}
	}
	if late != n/10 {
		t.Errorf("%d urgent ones are shown as dispatched late, want %d", late, n/10)
	}
}

// Two business hours of silence at a peer that usually speaks; at night none.
func TestScenario27(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at("2026-09-29 16:00")
	id := w.offered(w.a, w.kase())
	w.says(w.a, id, "accept", accept())
	for _, c := range []struct {
		at   string
		want int
	}{{"2026-09-29 17:29", 0}, {"2026-09-29 23:00", 0}, {"2026-09-30 08:35", 0}, {"2026-09-30 09:05", 1}} {
		w.clk.set(cst(c.at))
		if err := w.a.c.Silence(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(w.tasks("silence")); n != c.want {
			t.Errorf("at %s: %d alarms, want %d", c.at, n, c.want)
		}
	}
	w.says(w.a, id, "progress", ticket.Payload{Text: "办理中"})
	if len(w.tasks("silence")) != 0 {
		t.Error("the alarm stays although it speaks again")
	}
	for _, c := range []struct {
		at   string
		want int
	}{{"2026-09-30 23:00", 0}, {"2026-10-05 10:00", 0}, {"2026-10-08 08:31", 1}} { // a night, a holiday, and the next morning of work
		w.clk.set(cst(c.at))
		if err := w.a.c.Silence(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(w.tasks("silence")); n != c.want {
			t.Errorf("at %s: %d alarms, want %d", c.at, n, c.want)
		}
	}
}

// The same callback five times at once, at two nodes of one database.
func TestScenario28(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.offered(w.a, w.kase())
	w.a.sim.SetFaults(simulator.Fault{Kind: simulator.Twice, Count: 1})
	if p := w.says(w.a, id, "accept", accept()); p.Class != outer.OK {
		t.Fatalf("%+v", p)
	}
	other := hotline.New(hotline.Config{Self: self, Division: "610800", Owner: "second", Store: w.openStore(false), Peers: []ticket.Peer{w.a.peer, w.b.peer}, Now: w.clk.now})
	var wg sync.WaitGroup
	codes := make([]string, 10)
	for i := range codes {
		wg.Go(func() {
			d := w.desk
			if i%2 == 1 {
				d = other.Desk
			}
			a, err := d.Receive(t.Context(), partyA, []ticket.Inbound{{EventID: "E-5", HandoffID: id, Verb: "progress", At: w.clk.now(), Payload: ticket.Payload{Text: "办理中"}}})
			if err == nil && len(a) == 1 {
				codes[i] = a[0].Code
			} else {
				codes[i] = fmt.Sprint(err)
			}
		})
	}
	wg.Wait()
	for _, c := range codes {
		if c != ticket.CodeOK {
			t.Errorf("answered %v", codes)
			break
		}
	}
	seen := map[ticket.Verb]int{}
	for _, e := range w.events(id) {
		seen[e.Verb]++
	}
	if seen["accept"] != 1 || seen["progress"] != 1 {
		t.Errorf("%v", seen)
	}

	// Our own note comes back as theirs, as some systems do: it is no news.
	w.act(id, "note", ticket.Payload{Text: "请尽快 联系诉求人"})
	w.send(w.a)
	n := len(w.events(id))
	w.says(w.a, id, "note", ticket.Payload{Text: "【备注】请尽快联系诉求人"})
	if got := len(w.events(id)); got != n {
		t.Errorf("our own note came back as event %d", got)
	}
	w.verified(id)
}

// Power is cut between commit and sending, and between sending and the mark.
func TestScenario29(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.offer(partyA, w.kase())
	after := w.offer(partyA, w.kase(func(c *ticket.Case) { c.Citizen.Phone = "15400000018" }))
	for _, id := range []string{before, after} {
		list, _ := w.l.Deliveries(t.Context(), id)
		if ok, err := w.l.Claim(t.Context(), &list[0], w.clk.now()); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if id == after {
			if o := w.a.peer.Offer(t.Context(), *list[0].Offer); o.Class != ticket.Delivered {
				t.Fatalf("%+v", o)
			}
		}
	}
	w.start() // the program comes back
	if n, err := w.l.Doubt(t.Context(), partyA, w.clk.now()); n != 2 || err != nil {
		t.Fatalf("%d in doubt, %v", n, err)
	}
	w.send(w.a)
	for _, id := range []string{before, after} {
		w.state_(id, ticket.Offered)
		if x := w.theirs(w.a, id); x.Offers != 1 {
			t.Errorf("%s was offered %d times", id, x.Offers)
		}
	}
	if n := len(w.a.sim.Tickets()); n != 2 {
		t.Errorf("%d tickets", n)
	}
	w.verified(before, after)
}

// Keys rotate: old and new are good together, then the old is not. Clocks differ: said, not silent.
func TestScenario30(t *testing.T) {
	t.Parallel()
	both := `secrets: ["file:secrets/new.key", "file:secrets/hotline-a-callback.key"]`
	w := newWorld(t, func(w *world) { w.write("secrets/new.key", "the new secret") })
	w.edits["hotline-a@1"] = []string{`secrets: ["file:secrets/hotline-a-callback.key"]`, both}
	w.a.peer = w.peer(w.moved(w.a, w.source("hotline-a@1")))
	w.start()
	id := w.offered(w.a, w.kase())
	if p := w.says(w.a, id, "accept", accept()); p.Class != outer.OK { // the simulator still has the old one alone
		t.Errorf("the old key beside the new: %+v", p)
	}
	w.edits["hotline-a@1"] = []string{`secrets: ["file:secrets/hotline-a-callback.key"]`, `secrets: ["file:secrets/new.key"]`}
	w.a.peer = w.peer(w.moved(w.a, w.source("hotline-a@1")))
	w.start()
	if p := w.says(w.a, id, "progress", ticket.Payload{Text: "x"}); p.Class == outer.OK {
		t.Error("the old key is good after the rotation")
	}
	w.a.sim.SetFaults(simulator.Fault{Kind: simulator.ClockSkew, Value: 600})
	late := w.offer(partyA, w.kase(func(c *ticket.Case) { c.Citizen.Phone = "15400000018" }))
	w.send(w.a)
	if s := w.get(late).State; s == ticket.Offered {
		t.Error("it was taken in spite of the clocks")
	}
	tasks := append(w.tasks("clock"), w.tasks("auth")...)
	if len(tasks) == 0 || !strings.Contains(tasks[0].Text, "时钟") {
		t.Errorf("nobody is told that the clocks differ: %+v", tasks)
	}
	if err := w.a.c.Skew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st, _ := w.l.Peer(t.Context(), partyA); st.Skew != 10*time.Minute {
		t.Errorf("the difference is shown as %s", st.Skew)
	}
}

// The calendar of next year comes late.
func TestScenario31(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at("2026-12-30 10:00")
	id := w.offered(w.a, w.kase())
	w.sweep()
	f := w.figure(id, 1, "C5")
	if f.State != clock.Missing || !f.Estimated || len(w.tasks("calendar_missing")) != 1 {
		t.Errorf("%s, %d alarms", f.State, len(w.tasks("calendar_missing")))
	}
	text := clock.EmbeddedText() + "year\t2027\ttest\noff\t元旦\t2027-01-01 2027-01-02 2027-01-03\noff\t测试\t2027-01-05 2027-01-06\n"
	cal, err := clock.ParseCalendar(text)
	if err != nil {
		t.Fatal(err)
	}
	n, err := w.desk.SetCalendar(t.Context(), cal)
	if err != nil || n == 0 {
		t.Fatalf("%d changed, %v", n, err)
	}
	g := w.figure(id, 1, "C5")
	if g.State != clock.Running || g.DueText != "2027-01-11 24:00" || g.Due.Equal(f.Due) || g.Calendar == f.Calendar {
		t.Errorf("%s due %s, before %s", g.State, g.DueText, f.DueText)
	}
	found := false
	for _, e := range w.events(id) {
		found = found || e.Clock == "C5" && e.Payload.OldDue.Equal(f.Due) && e.Payload.Due.Equal(g.Due) && e.Calendar == cal.Version
	}
	if !found {
		t.Error("no event has the old and the new due time")
	}
	w.verified(id)
}

// Yesterday's backup is restored: nothing goes out until it was compared.
func TestScenario32(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.marks = t.TempDir() })
	var ids []string
	for i := range 20 {
		ids = append(ids, w.offer(partyA, w.kase(func(c *ticket.Case) { c.Citizen.Phone = fmt.Sprintf("154000004%02d", i) })))
	}
	backup := w.dump()
	w.a.sim.SetFaults(simulator.Fault{Kind: simulator.Error500, Op: "offer", Skip: 17})
	w.send(w.a)
	w.a.sim.SetFaults()
	if n := len(w.a.sim.Tickets()); n != 17 {
		t.Fatalf("%d are at the peer", n)
	}
	w.restore(backup)
	w.start()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.a.c.Run(ctx, "") }()
	for len(w.tasks("restored")) == 0 {
		time.Sleep(20 * time.Millisecond) // until the courier has looked
	}
	stop()
	<-done
	w.send(w.a)
	if got := w.a.sim.Tickets(); len(got) != 17 {
		t.Fatalf("a paused courier sent: %d", len(got))
	}
	r, err := w.a.c.Reconcile(t.Context())
	if err != nil || len(r.Ahead) != 17 || len(r.Absent) != 3 || r.Asked != 20 {
		t.Fatalf("%+v %v", r, err)
	}
	for _, id := range r.Ahead {
		w.state_(id, ticket.Offered)
	}
	if err := w.a.c.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.send(w.a)
	for _, x := range w.a.sim.Tickets() {
		if x.Offers != 1 {
			t.Errorf("%s was offered %d times", x.HandoffID, x.Offers)
		}
	}
	if n := len(w.a.sim.Tickets()); n != 20 {
		t.Errorf("%d tickets", n)
	}
	fresh := w.offer(partyA, w.kase(func(c *ticket.Case) { c.Citizen.Phone = "15400000999" }))
	if slices.Contains(ids, fresh) || fresh <= ids[19] {
		t.Errorf("the number %s was given before", fresh)
	}
}

// ---- backup and restore

func (w *world) tables() []string {
	w.Helper()
	rows, err := w.st.DB().QueryContext(w.Context(), "SHOW TABLES LIKE 'fayi\\_ho\\_%'")
	if err != nil {
		w.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			w.Fatal(err)
		}
		if !strings.HasPrefix(s, "fayi_ho_bak") {
			out = append(out, s)
		}
	}
	return out
}

func (w *world) exec(q string) {
	w.Helper()
	if _, err := w.st.DB().ExecContext(w.Context(), q); err != nil {
		w.Fatalf("%s: %v", q, err)
	}
}

// dump keeps what the database has now.
func (w *world) dump() []string {
	w.Helper()
	list := w.tables()
	for i, table := range list {
		w.exec(fmt.Sprintf("CREATE TABLE bak_%d LIKE %s", i, table))
		w.exec(fmt.Sprintf("INSERT INTO bak_%d SELECT * FROM %s", i, table))
	}
	return list
}

func (w *world) restore(list []string) {
	w.Helper()
	for i, table := range list {
		w.exec("DELETE FROM " + table)
		w.exec(fmt.Sprintf("INSERT INTO %s SELECT * FROM bak_%d", table, i))
	}
}
