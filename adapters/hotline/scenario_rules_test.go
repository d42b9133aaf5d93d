package hotline_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fayi/adapters/hotline"
	"fayi/adapters/hotline/desk"
	"fayi/adapters/hotline/figures"
	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/simulator"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/outer"
)

// 12348 → 12345 → 12348.
func TestScenario33(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.offered(w.a, w.kase())
	w.says(w.a, id, "accept", accept())
	before, _ := w.l.Find(t.Context(), ledger.Filter{})
	in := w.theirOffer("YL12345-20260929-0902")
	in.Route = []ticket.Hop{{Party: self, At: w.clk.now(), Kind: "origin"}, {Party: partyA, Handoff: id, At: w.clk.now(), Kind: "offer"}}
	in.HandoffID = id
	p, err := w.a.sim.Offer(t.Context(), in)
	if err != nil || p.Class == outer.OK || !strings.Contains(p.Message, ticket.CodeLoop) {
		t.Errorf("%+v %v", p, err)
	}
	byRoute := w.theirOffer("YL12345-20260929-0907") // the route alone says so
	byRoute.Route = in.Route
	if p, err := w.a.sim.Offer(t.Context(), byRoute); err != nil || p.Class == outer.OK || !strings.Contains(p.Message, ticket.CodeLoop) {
		t.Errorf("%+v %v", p, err)
	}
	after, _ := w.l.Find(t.Context(), ledger.Filter{})
	if len(after) != len(before) {
		t.Error("a new ticket was made")
	}
	if tasks := w.tasks("returned_to_you"); len(tasks) != 1 || tasks[0].Handoff != id {
		t.Errorf("%+v", tasks)
	}
	// Our own desk is kept from it too.
	o := w.theirOffer("YL12345-20260929-0903")
	if p, err := w.a.sim.Offer(t.Context(), o); err != nil || p.Class != outer.OK {
		t.Fatalf("%+v %v", p, err)
	}
	rows, _ := w.l.Find(t.Context(), ledger.Filter{PeerNo: o.PeerNo})
	_, err = w.desk.Onward(t.Context(), rows[0].ID, "relay", partyA, "agent1")
	w.refused(ticket.CodeLoop, err)
}

// Both sides offer the same matter to each other within three seconds.
func TestScenario34(t *testing.T) {
	t.Parallel()
	for _, oursFirst := range []bool{true, false} {
		t.Run(fmt.Sprint("oursFirst=", oursFirst), func(t *testing.T) {
			w := newWorld(t)
			c := w.kase()
			in := w.theirOffer("YL12345-20260929-0904")
			*in.Appeal = c.Appeal
			in.Appeal.ClassCode, in.Citizen.Phone, in.Citizen.Name = c.Appeal.ClassCode, c.Citizen.Phone, c.Citizen.Name
			in.Appeal.ReceivedAt = c.Appeal.ReceivedAt.Add(3 * time.Second)
			if !oursFirst {
				in.Appeal.ReceivedAt = c.Appeal.ReceivedAt.Add(-3 * time.Second)
			}
			ours := w.offered(w.a, c)
			w.after(3 * time.Second)
			if p, err := w.a.sim.Offer(t.Context(), in); err != nil || p.Class != outer.OK {
				t.Fatalf("%+v %v", p, err)
			}
			rows, _ := w.l.Find(t.Context(), ledger.Filter{PeerNo: in.PeerNo})
			live, merged := ours, rows[0].ID
			if !oursFirst {
				live, merged = merged, live
			}
			if r := w.state_(merged, ticket.Merged); r.Master != live {
				t.Errorf("master %q", r.Master)
			}
			w.state_(live, ticket.Offered)
			if len(w.tasks("glare")) != 2 {
				t.Errorf("%d desks see why", len(w.tasks("glare")))
			}
			w.verified(ours, rows[0].ID)

			// Offering it once more from here is no third ticket.
			if !oursFirst {
				_, err := w.desk.Offer(t.Context(), desk.NewOffer{Case: w.kase(), Peer: partyA, User: "agent2"})
				w.refused(desk.CodeDouble, err)
			}
		})
	}
}

// The hotline's month sheet and ours differ: exactly the tickets, and why.
func TestScenario35(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at("2026-09-01 09:00")
	var ids []string
	for i := range 40 {
		ids = append(ids, w.offered(w.a, w.kase(func(c *ticket.Case) { c.Citizen.Phone = fmt.Sprintf("154000005%02d", i) })))
	}
	returned := func(id string) {
		w.says(w.a, id, "return_request", w.returns("R01"))
		w.act(id, "return_approve", ticket.Payload{})
	}
	returned(ids[0])
	returned(ids[1])
	w.says(w.a, ids[3], "accept", accept())
	w.act(ids[4], "withdraw_request", ticket.Payload{Text: "诉求人撤回"})
	w.says(w.a, ids[4], "withdraw_agree", ticket.Payload{})
	w.state_(ids[4], ticket.Withdrawn)

	var sheet strings.Builder
	sheet.WriteString("\ufeff12345工单编号,轮次,是否退单\n")
	for i, id := range ids {
		word := "否"
		if i < 2 || i == 3 || i == 4 { // 3: returned inside the hotline, 4: withdrawn
			word = "是"
		}
		fmt.Fprintf(&sheet, "%s,1,%s\n", w.get(id).PeerNo, word)
	}
	fmt.Fprintf(&sheet, "%s,2,是\n", w.get(ids[7]).PeerNo) // a round nobody offered
	lines, err := figures.ReadSheet(strings.NewReader(sheet.String()))
	if err != nil {
		t.Fatal(err)
	}
	r, err := figures.Count(t.Context(), w.desk, partyA, ticket.Out, cst("2026-09-01 00:00"), cst("2026-10-01 00:00"))
	if err != nil {
		t.Fatal(err)
	}
	var rate figures.Figure
	for _, f := range r.Figures {
		if f.Name == figures.ReturnRate {
			rate = f
		}
	}
	if r.Tickets != 40 || rate.Count != 2 || rate.Of != 40 || r.Reasons["R01"] != 2 {
		t.Errorf("%d tickets, %+v, %v", r.Tickets, rate, r.Reasons)
	}
	diff := figures.Compare(r, lines)
	got := map[string]string{}
	for _, d := range diff {
		got[fmt.Sprint(d.PeerNo, "#", d.Round)] = d.Code
		if d.Figure != figures.ReturnRate || d.Why == "" {
			t.Errorf("%+v", d)
		}
	}
	want := map[string]string{w.get(ids[3]).PeerNo + "#1": figures.Inner, w.get(ids[4]).PeerNo + "#1": figures.Cancelled, w.get(ids[7]).PeerNo + "#2": figures.NoRound}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("differences %v, want %v", got, want)
	}
}

// A newer profile comes while hand-offs are under way.
func TestScenario36(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.offered(w.a, w.kase())
	w.edits["hotline-a@1"] = []string{"profile: hotline-a@1", "profile: hotline-a@2", "ticket.urge}", "ticket.urge2}", "ticket.urge: urge", "ticket.urge2: urge"}
	next := w.peer(w.moved(w.a, w.source("hotline-a@1")))
	w.svc = hotline.New(hotline.Config{Self: self, Division: "610800", Owner: "test", Store: w.st, Peers: []ticket.Peer{w.a.peer, next, w.b.peer}, Calendar: w.cal, Now: w.clk.now})
	w.desk, w.l, w.a.c = w.svc.Desk, w.svc.Desk.Ledger(), w.svc.Courier(partyA)
	fresh := w.offered(w.a, w.kase(func(c *ticket.Case) { c.Citizen.Phone = "15400000018" }))
	for id, want := range map[string]string{old: "hotline-a@1", fresh: "hotline-a@2"} {
		if got := w.get(id).Profile; got != want {
			t.Errorf("%s runs under %s", id, got)
		}
		w.act(id, "urge", ticket.Payload{Text: "请尽快办理"})
	}
	w.send(w.a)
	for id, want := range map[string]string{old: "ticket.urge", fresh: "ticket.urge2"} {
		if x := w.theirs(w.a, id); len(x.Received) != 1 || x.Received[0].Code != want {
			t.Errorf("%s was told %+v", id, x.Received)
		}
	}

	// Before it is used, the new version is tried on past tickets; one that lost a class says which tickets it stops.
	var past bytes.Buffer
	for i := range 412 {
		c := w.kase(func(c *ticket.Case) {
			c.TicketNo, c.Appeal.ClassCode = fmt.Sprint("P", i), []string{"0101", "0201", "0301"}[i%3]
		})
		b, err := ticket.Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		past.Write(append(b, '\n'))
	}
	tried, err := next.Profile().Try(bytes.NewReader(past.Bytes()))
	if err != nil || tried.Mapped != 412 || tried.Total != 412 {
		t.Errorf("%+v %v", tried, err)
	}
	w.edits["hotline-a@1"] = []string{`"0301": "0301", `, ""}
	tried, err = w.source("hotline-a@1").Try(bytes.NewReader(past.Bytes()))
	if err != nil || tried.Mapped != 275 || len(tried.Holes) != 1 || !strings.Contains(tried.Holes[0].Message, "0301") {
		t.Errorf("%+v %v", tried, err)
	}
}

// Secrecy 2 over two more hops: neither name nor phone nor voice nor hash arrives.
func TestScenario37(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.theirOffer("YL12345-20260929-0905")
	const name, phone, hash = "赵某某", "15400000037", "c0ffee37"
	in.Citizen.Name, in.Citizen.Phone, in.Citizen.Secrecy, in.Citizen.Ref = name, phone, 2, hash
	in.Appeal.Content = "本人赵某某，电话15400000037，要求保密。"
	in.Appeal.Attachments = []ticket.Attachment{{ID: "v1", Name: "来电录音.mp3", Kind: "recording", Ref: "https://rec.example/37.mp3"}}
	if p, err := w.a.sim.Offer(t.Context(), in); err != nil || p.Class != outer.OK {
		t.Fatalf("%+v %v", p, err)
	}
	rows, _ := w.l.Find(t.Context(), ledger.Filter{PeerNo: in.PeerNo})
	first := rows[0].ID
	w.act(first, "accept", accept())
	w.act(first, "first_contact", ticket.Payload{})
	out, err := w.desk.Onward(t.Context(), first, "relay", partyB, "agent1")
	if err != nil {
		t.Fatal(err)
	}
	w.send(w.b)
	w.state_(out.HandoffID, ticket.Offered)
	second := w.theirs(w.b, out.HandoffID)
	w.clean(second, name, phone, hash, "37.mp3")
	for _, word := range []string{name, phone, hash, "37.mp3"} {
		if w.wire.has(word) {
			t.Errorf("%q left", word)
		}
	}

	// The hotline behind B passes it on to another bureau, which passes it on to a third.
	v := newWorld(t)
	hop := v.theirOffer("20260929170000_00000009")
	hop.Appeal, hop.Citizen = second.Offer.Appeal, second.Offer.Citizen
	hop.Appeal.InProcedure, hop.Appeal.Channel, hop.Appeal.Danger = "none", "peer-12345", "none"
	if p, err := v.b.sim.Offer(t.Context(), hop); err != nil || p.Class != outer.OK {
		t.Fatalf("%+v %v", p, err)
	}
	rows, _ = v.l.Find(t.Context(), ledger.Filter{PeerNo: hop.PeerNo})
	c, _ := v.l.Case(t.Context(), rows[0].CaseID)
	if c.Citizen.Secrecy != 2 {
		t.Errorf("the secrecy arrived as %d", c.Citizen.Secrecy)
	}
	v.act(rows[0].ID, "accept", accept())
	v.act(rows[0].ID, "first_contact", ticket.Payload{})
	out, err = v.desk.Onward(t.Context(), rows[0].ID, "relay", partyA, "agent9")
	if err != nil {
		t.Fatal(err)
	}
	v.send(v.a)
	v.state_(out.HandoffID, ticket.Offered)
	third := v.theirs(v.a, out.HandoffID)
	v.clean(third, name, phone, hash, "37.mp3")
	if third.Offer.Citizen.Secrecy != 2 {
		t.Errorf("at the third hop the secrecy is %d", third.Offer.Citizen.Secrecy)
	}

	_, err = w.desk.Reveal(t.Context(), first, "agent5", "好奇", false)
	w.refused(ticket.CodeGuard, err)
	if z, err := w.desk.Reveal(t.Context(), first, "chief", "依法核实", true); err != nil || z.Phone != phone {
		t.Errorf("%+v %v", z, err)
	}
	if granted, refused, _ := w.l.Accesses(t.Context(), first); granted != 1 || refused != 1 {
		t.Errorf("%d looks and %d tries are recorded", granted, refused)
	}
}

// clean wants none of the words in anything a peer has.
func (w *world) clean(x simulator.Ticket, words ...string) {
	w.Helper()
	b, err := json.Marshal(x)
	if err != nil {
		w.Fatal(err)
	}
	for _, word := range words {
		if strings.Contains(string(b), word) {
			w.Errorf("%q arrived", word)
		}
	}
}

// Units are known by code.
func TestScenario39(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.a.sim.SetUnits([]ticket.Unit{{Code: "610802-01", Name: "人社局", Division: "610802"}, {Code: "610902-01", Name: "人社局", Division: "610902"}})
	if _, err := w.a.c.Directory(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.a.sim.SetUnits([]ticket.Unit{{Code: "610802-01", Name: "人力资源和社会保障局", Division: "610802"}, {Code: "610802-09", Name: "数据局", Division: "610802"}})
	changes, err := w.a.c.Directory(t.Context())
	want := []string{"~ 610802-01 人社局 → 人力资源和社会保障局", "+ 610802-09 数据局", "- 610902-01 人社局"}
	if err != nil || !slices.Equal(changes, want) || len(w.tasks("directory")) != 1 {
		t.Errorf("%q %v", changes, err)
	}
	o, err := w.desk.Offer(t.Context(), desk.NewOffer{Case: w.kase(), Peer: partyA, Unit: "610802-01", User: "agent1"})
	if err != nil {
		t.Fatal(err)
	}
	w.send(w.a)
	w.state_(o.HandoffID, ticket.Offered)
	if u := w.theirs(w.a, o.HandoffID).Offer.Unit; u != "610802-01" {
		t.Errorf("it went to unit %q", u)
	}
	gone, err := w.desk.Offer(t.Context(), desk.NewOffer{Case: w.kase(func(c *ticket.Case) { c.Citizen.Phone = "15400000018" }), Peer: partyA, Unit: "610902-01", User: "agent1"})
	if err != nil {
		t.Fatal(err)
	}
	w.send(w.a)
	w.state_(gone.HandoffID, ticket.Dead)
	dead, _ := w.l.DeadLetters(t.Context(), partyA)
	if len(dead) != 1 || !strings.Contains(dead[0].Said.Value, "610902-01") {
		t.Errorf("%+v", dead)
	}
	byName, err := w.desk.Offer(t.Context(), desk.NewOffer{Case: w.kase(func(c *ticket.Case) { c.Citizen.Phone = "15400000019" }), Peer: partyA, Unit: "人社局", User: "agent1"})
	if err != nil {
		t.Fatal(err)
	}
	w.send(w.a)
	w.state_(byName.HandoffID, ticket.Dead)
}
