package hotline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fayi/adapters/hotline/clock"
	"fayi/adapters/hotline/desk"
	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/outer"
)

// Out, full path: offer, sign-in, progress, result, callback, close.
func TestScenario01(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.offered(w.a, w.kase())
	row := w.get(id)
	if row.PeerNo == "" || row.PeerNo != w.theirs(w.a, id).Number {
		t.Errorf("number %q, the peer has %q", row.PeerNo, w.theirs(w.a, id).Number)
	}
	w.owner(id, self)
	w.says(w.a, id, "accept", accept())
	w.owner(id, partyA)
	w.says(w.a, id, "progress", ticket.Payload{Text: "已联系施工单位"})
	w.says(w.a, id, "progress", ticket.Payload{Text: "施工单位承诺本周支付"})
	if due := w.figure(id, 1, "C5").DueText; due != "2026-10-12 24:00" {
		t.Errorf("handling is due %s", due)
	}
	w.at("2026-10-09 10:00")
	w.says(w.a, id, "result", w.result("SOLVED"))
	w.act(id, "result_accept", ticket.Payload{})
	w.act(id, "callback", answer(4))
	w.act(id, "close", ticket.Payload{})
	w.send(w.a)
	w.state_(id, ticket.Closed)
	w.verified(id)
	if n := len(w.events(id)); n < 8 {
		t.Errorf("%d events", n)
	}
	if ok, known := w.figure(id, 1, "C5").OnTime(); !ok || !known {
		t.Error("the result counts as late")
	}
	theirs := w.theirs(w.a, id)
	if theirs.State != ticket.Closed || theirs.Offers != 1 || theirs.Round != 1 || theirs.Repeats != 0 {
		t.Errorf("the peer has it as %s after %d offers, round %d, %d repeats", theirs.State, theirs.Offers, theirs.Round, theirs.Repeats)
	}
}

// In: an inquiry from 12345; the lawyer's notes stay here.
func TestScenario02(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDuty("lawyer-07"))
	began := time.Now()
	in, err := w.a.sim.Offer(t.Context(), w.theirOffer("YL12345-20260929-0500"))
	if err != nil || in.Class != outer.OK {
		t.Fatalf("%+v %v", in, err)
	}
	t.Logf("acknowledged after %s (wanted: 2 s)", time.Since(began))
	rows, _ := w.l.Find(t.Context(), ledger.Filter{PeerNo: "YL12345-20260929-0500"})
	if len(rows) != 1 || rows[0].Direction != ticket.In {
		t.Fatalf("%+v", rows)
	}
	id := rows[0].ID
	w.state_(id, ticket.Accepted)
	w.owner(id, self)
	if e := w.last(id, "accept"); e.Payload.Person != "lawyer-07" {
		t.Errorf("accepted by %q", e.Payload.Person)
	}
	const secret = "内部意见：当事人或有隐匿财产情形"
	p := w.result("EXPLAINED")
	p.PublicReply, p.Internal = "可以向人民法院起诉离婚。", secret
	w.act(id, "first_contact", ticket.Payload{Contacts: []ticket.Contact{{At: w.clk.now(), Outcome: "reached"}}})
	w.act(id, "result", p)
	w.send(w.a)
	theirs := w.numbered(w.a, "YL12345-20260929-0500")
	if n := len(theirs.Received); n == 0 || theirs.Received[n-1].Payload.PublicReply != p.PublicReply {
		t.Errorf("the peer was told %+v", theirs.Received)
	}
	if !w.wire.has(p.PublicReply) || w.wire.has(secret) || w.wire.has("隐匿财产") {
		t.Error("the public reply did not leave, or the lawyer's note did")
	}

	// The same for a matter of our own: what 12348 alone may see is not in the offer.
	out := w.offered(w.a, w.kase(func(c *ticket.Case) {
		c.Confidential = ticket.Confidential{LegalAdvice: "律师意见甲", Mediation: "调解底线乙", AidFinance: "援助补贴丙", Notes: "随记丁"}
	}))
	for _, text := range []string{"律师意见甲", "调解底线乙", "援助补贴丙", "随记丁"} {
		if w.wire.has(text) {
			t.Errorf("%s left", text)
		}
	}
	w.verified(id, out)
}

// Return, agreed; offered again inside the peer, then to another party.
func TestScenario03(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.kase()
	c.ID = "case-3"
	id := w.offered(w.a, c)
	first := w.get(id).PeerNo
	w.says(w.a, id, "return_request", w.returns("R01"))
	w.state_(id, ticket.ReturnRequested)
	w.act(id, "return_approve", ticket.Payload{Text: "同意", Unit: "610802-02"})
	w.state_(id, ticket.Returned)
	w.owner(id, self)
	if f := w.figure(id, 0, "C0"); f.State != clock.Running {
		t.Errorf("the citizen's clock is %s", f.State)
	}
	_, err := w.desk.Act(t.Context(), id, desk.Act{Verb: "reoffer", User: "agent1"})
	w.refused(desk.CodeExcluded, err) // the same unit again
	w.act(id, "reoffer", ticket.Payload{Unit: "610802-02"})
	w.send(w.a)
	row := w.state_(id, ticket.Offered)
	rounds, _ := w.l.Rounds(t.Context(), id)
	if row.Round != 2 || len(rounds) != 2 || rounds[0].Outcome != ticket.Returned || rounds[0].PeerNo != first || row.Unit != "610802-02" {
		t.Errorf("round %d to unit %q; rounds %+v", row.Round, row.Unit, rounds)
	}

	other := w.offered(w.a, w.kase(func(c *ticket.Case) { c.ID = "case-3b"; c.Citizen.Phone = "15400000033" }))
	w.says(w.a, other, "return_request", ticket.Payload{Reason: "R02", Basis: "户籍与项目所在地均在该区", Division: "610902", Text: "属地不符"})
	w.act(other, "return_approve", ticket.Payload{})
	c2, _ := w.l.Case(t.Context(), "case-3b")
	next := w.offered(w.b, c2)
	links, _ := w.l.Links(t.Context(), next)
	if !slices.ContainsFunc(links, func(k ledger.Link) bool { return k.A == next && k.Kind == "SUPERSEDES" && k.B == other }) {
		t.Errorf("links %+v", links)
	}
	if w.get(other).PeerNo == "" || w.get(next).PeerNo == "" {
		t.Error("a peer number was lost")
	}
	w.verified(id, other, next)
}

// A return refused twice is arbitrated; after the decision there is no third.
func TestScenario04(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.offered(w.a, w.kase())
	w.says(w.a, id, "return_request", w.returns("R01"))
	w.act(id, "return_refuse", ticket.Payload{Text: "属于你单位职责", Basis: "三定方案第二条"})
	w.state_(id, ticket.Accepted)
	second := w.says(w.a, id, "return_request", w.returns("R01"))
	if second.Class != outer.Permanent || !strings.Contains(second.Message, ticket.CodeReturnRefused) {
		t.Errorf("the second return was answered %+v", second)
	}
	w.state_(id, ticket.Arbitration)
	if len(w.tasks("arbitration")) != 1 {
		t.Error("nobody is asked to arbitrate")
	}
	w.arbiter(id, "arbitrate_keep", ticket.Payload{Basis: "市政府协调会纪要", Due: cst("2026-10-20 00:00")})
	w.state_(id, ticket.Accepted)
	w.owner(id, partyA)
	third := w.says(w.a, id, "return_request", w.returns("R01"))
	if third.Class != outer.Permanent || !strings.Contains(third.Message, ticket.CodeReturnExhausted) {
		t.Errorf("the third return was answered %+v", third)
	}
	w.state_(id, ticket.Accepted)
	if due := w.figure(id, 1, "C5").DueText; due != "2026-10-19 24:00" {
		t.Errorf("the arbiter's due time is not in force: %s", due)
	}
	w.verified(id)
}

// The peer dispatches the same number again with a new start time: round 2.
func TestScenario05(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	offer := w.theirOffer("YL12345-20260929-0081")
	if p, err := w.a.sim.Offer(t.Context(), offer); err != nil || p.Class != outer.OK {
		t.Fatalf("%+v %v", p, err)
	}
	rows, _ := w.l.Find(t.Context(), ledger.Filter{PeerNo: offer.PeerNo})
	id := rows[0].ID
	w.act(id, "accept", accept())
	w.act(id, "return_request", w.returns("R01"))
	w.send(w.a)
	w.says2(w.a, offer.PeerNo, "return_approve", ticket.Payload{})
	w.state_(id, ticket.Returned)
	before, _ := w.l.Rounds(t.Context(), id)
	old := w.events(id)
	w.at("2026-09-30 09:00")
	p := w.says2(w.a, offer.PeerNo, "offer", ticket.Payload{Text: "再次派遣"})
	if p.Class != outer.OK {
		t.Fatalf("%+v", p)
	}
	row := w.state_(id, ticket.Offered)
	after, _ := w.l.Rounds(t.Context(), id)
	if row.Round != 2 || len(after) != 2 || fmt.Sprint(after[0]) != fmt.Sprint(before[0]) || !after[1].DispatchAt.Equal(w.clk.now()) {
		t.Errorf("round %d; before %+v, after %+v", row.Round, before, after)
	}
	for i, e := range w.events(id)[:len(old)] {
		if e.Hash != old[i].Hash {
			t.Errorf("event %d of round 1 changed", i+1)
		}
	}
	w.verified(id)
}

// Extension: asked a minute before the cut-off, and a minute after.
func TestScenario06(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	inTime := w.offered(w.a, w.kase())
	late := w.offered(w.a, w.kase(func(c *ticket.Case) { c.Citizen.Phone = "15400000018" }))
	for _, id := range []string{inTime, late} {
		w.says(w.a, id, "accept", accept())
		w.says(w.a, id, "progress", ticket.Payload{Text: "办理中"})
	}
	w.at("2026-10-12 16:58:59")
	w.says(w.a, inTime, "ext_request", ticket.Payload{Days: 5, Text: "需鉴定"})
	w.at("2026-10-12 17:01")
	p := w.says(w.a, late, "ext_request", ticket.Payload{Days: 5, Text: "需鉴定"})
	if p.Class != outer.Permanent || !strings.Contains(p.Message, ticket.CodeExtensionLate) {
		t.Errorf("the late request was answered %+v", p)
	}
	w.at("2026-10-13 00:00:01")
	if e := w.last(late, "note"); e.Payload.Reason != "BREACH" || e.Clock != "C5" {
		t.Errorf("no breach at midnight: %+v", e)
	}
	w.at("2026-10-13 08:30")
	w.act(inTime, "ext_grant", ticket.Payload{CitizenTold: true})
	w.at("2026-10-13 08:31")
	f := w.figure(inTime, 1, "C5")
	if f.DueText != "2026-10-19 24:00" || f.Breach != nil {
		t.Errorf("due %s, breach %+v", f.DueText, f.Breach)
	}
	for _, e := range w.events(inTime) {
		if e.Payload.Reason == "BREACH" && e.Clock == "C5" {
			t.Error("a breach was written although the request was in time")
		}
	}
	if f := w.figure(late, 1, "C5"); f.Breach == nil || f.State != clock.Breached {
		t.Errorf("the late one: %s %+v", f.State, f.Breach)
	}
}

// Suspension counts from the grant; a back-dated one is refused.
func TestScenario07(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at("2026-09-21 09:00")
	id := w.offered(w.a, w.kase())
	w.says(w.a, id, "accept", accept())
	w.says(w.a, id, "progress", ticket.Payload{Text: "送检"})
	w.says(w.a, id, "suspend_request", ticket.Payload{Reason: "S2", Until: "2026-10-31", Text: "鉴定中"})
	w.at("2026-09-23 10:00")
	_, err := w.desk.Act(t.Context(), id, desk.Act{Verb: "suspend_grant", User: "agent1", Payload: ticket.Payload{Reason: "S2", Until: "2026-10-31", Effective: cst("2026-09-22 09:00")}})
	w.refused(ticket.CodeBackdated, err)
	w.act(id, "suspend_grant", ticket.Payload{Reason: "S2", Until: "2026-10-31"})
	w.state_(id, ticket.Suspended)
	w.at("2026-10-09 15:00")
	w.says(w.a, id, "resume", ticket.Payload{})
	w.state_(id, ticket.InProgress)
	if f := w.figure(id, 1, "C5"); f.DueText != "2026-10-13 24:00" || f.ShiftWD != 6 {
		t.Errorf("due %s, shifted by %d", f.DueText, f.ShiftWD)
	}
}

// Redo: both sides say so, it is one.
func TestScenario08(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.done(w.a, w.kase())
	w.act(id, "callback", ticket.Payload{Satisfaction: &ticket.Satisfaction{Result: 1, Contacted: "no"}})
	w.act(id, "reopen", ticket.Payload{Reason: "no_contact", Text: "未联系诉求人"})
	w.send(w.a)
	w.says(w.a, id, "reopen", ticket.Payload{Reason: "no_contact"})
	row := w.state_(id, ticket.Offered)
	if row.Round != 2 {
		t.Errorf("round %d", row.Round)
	}
	if f := w.figure(id, 2, "C5R"); f.Rule.Limit.Days != 3 {
		t.Errorf("the redo has %s", f.Rule.Limit)
	}
	redone := 0
	for _, e := range w.events(id) {
		if e.To == ticket.Offered && e.Verb == "reopen" && !e.Late && e.Refused == "" && e.From != e.To {
			redone++
		}
	}
	if redone != 1 {
		t.Errorf("%d redos", redone)
	}
}

// Twelve neighbours, one developer.
func TestScenario09(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []string
	for i := range 12 {
		o := w.theirOffer(fmt.Sprintf("YL12345-20260929-06%02d", i))
		o.Citizen.Phone = fmt.Sprintf("154000001%02d", i)
		if i == 7 { // the oldest of them
			w.clk.set(cst("2026-09-28 10:00"))
		}
		if p, err := w.a.sim.Offer(t.Context(), o); err != nil || p.Class != outer.OK {
			t.Fatalf("%+v %v", p, err)
		}
		w.clk.set(cst("2026-09-29 16:40").Add(time.Duration(i) * time.Second))
		rows, _ := w.l.Find(t.Context(), ledger.Filter{PeerNo: o.PeerNo})
		ids = append(ids, rows[0].ID)
		w.act(rows[0].ID, "accept", accept())
	}
	early := w.figure(ids[7], 1, "C5").Due
	if err := w.desk.Merge(t.Context(), ids[0], ids[1:], "agent1"); err != nil {
		t.Fatal(err)
	}
	w.says2(w.a, w.get(ids[3]).PeerNo, "note", ticket.Payload{Text: "该诉求人撤回"})
	for _, id := range ids[1:] {
		if r := w.state_(id, ticket.Merged); r.Master != ids[0] {
			t.Errorf("%s has master %q", id, r.Master)
		}
	}
	if f := w.figure(ids[0], 1, "C5"); !f.Due.Equal(early) {
		t.Errorf("the master is due %s, the earliest %s", f.Due, early)
	}
	w.act(ids[0], "first_contact", ticket.Payload{})
	w.act(ids[0], "result", w.result("SOLVED"))
	w.send(w.a)
	for _, id := range ids {
		w.state_(id, ticket.ResultSubmitted)
		theirs := w.numbered(w.a, w.get(id).PeerNo)
		if !slices.ContainsFunc(theirs.Received, func(x profile.Words) bool { return x.Name == "result" && x.Payload.PublicReply != "" }) {
			t.Errorf("%s got no answer of its own", id)
		}
	}
	w.verified(ids...)
}

// A three-way call that breaks off becomes a ticket, and the citizen is called back.
func TestScenario10(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	start := w.clk.now()
	w.after(40 * time.Second)
	out, err := w.desk.Dropped(t.Context(), desk.NewOffer{Case: w.kase(), Peer: partyA, Mode: "VOICE_3WAY", User: "agent1"},
		ticket.Voice{CallID: "call-77", StartedAt: start, ConnectedAt: start, EndedAt: w.clk.now(), FromAgent: "agent1", ToAgent: "p9"})
	if err != nil {
		t.Fatal(err)
	}
	w.send(w.a)
	row := w.state_(out.HandoffID, ticket.Offered)
	if row.Mode != "TICKET" || row.Voice == nil || row.Voice.CallID != "call-77" || row.Voice.Result != "dropped" {
		t.Errorf("%s %+v", row.Mode, row.Voice)
	}
	if tasks := w.tasks("call_back"); len(tasks) != 1 || tasks[0].Handoff != out.HandoffID {
		t.Errorf("%+v", tasks)
	}
}

// Danger to life: a suggestion, a person's word, the card at once, before 500 others.
func TestScenario11(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if words := desk.Suggest("他说他要跳楼，快来人"); !slices.Contains(words, "跳楼") {
		t.Errorf("suggested %v", words)
	}
	c := w.kase(func(c *ticket.Case) {
		c.Citizen.Consent = nil
		c.Appeal.Title = "有人要跳楼"
		c.Appeal.ClassCode = ""
	})
	_, err := w.desk.Offer(t.Context(), desk.NewOffer{Case: w.kase(func(c *ticket.Case) { c.Appeal.Danger = "life" }), Peer: partyA})
	w.refused(desk.CodeEmergency, err)
	for i := range 500 {
		w.offer(partyA, w.kase(func(c *ticket.Case) { c.Citizen.Phone = fmt.Sprintf("1540001%04d", i) }))
	}
	began := time.Now()
	card, err := w.desk.Emergency(t.Context(), c, "POLICE_110", "agent1")
	t.Logf("the card is there after %s (wanted: 1 s) beside 500 others", time.Since(began))
	if err != nil || card.Dial != "110" || card.Place == "" || card.What == "" || card.Callback == "" {
		t.Errorf("%+v: %v", card, err)
	}
	row := w.get(card.Handoff)
	if row.Mode != "NOTICE" || !row.Emergency {
		t.Errorf("%+v", row.Handoff)
	}
	w.after(59 * time.Second)
	w.sweep()
	if len(w.tasks("call_again")) != 0 {
		t.Error("alarm before 60 s")
	}
	w.after(2 * time.Second)
	w.sweep()
	if len(w.tasks("call_again")) != 1 {
		t.Error("nobody is told to call again after 60 s")
	}
	if err := w.desk.Answered(t.Context(), card.Handoff, "agent1", ticket.Voice{CallID: "110-1", ConnectedAt: w.clk.now(), ToAgent: "110值班员"}); err != nil {
		t.Fatal(err)
	}
	w.state_(card.Handoff, ticket.Offered)
	if len(w.tasks("call_again")) != 0 {
		t.Error("the alarm stays after the call")
	}

	// What is live becomes an emergency: its message overtakes the 500.
	live := w.offer(partyB, w.kase())
	w.send(w.b)
	if err := w.desk.Escalate(t.Context(), live, "agent1", "扬言自残"); err != nil {
		t.Fatal(err)
	}
	ready, _ := w.l.Ready(t.Context(), partyB, ledger.Queued, true, w.clk.now(), 10)
	if len(ready) != 1 || ready[0].Handoff != live {
		t.Errorf("the urgent lane has %d messages", len(ready))
	}
}

// Already with the petition office: no ticket, the legal path is told.
func TestScenario12(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.kase(func(c *ticket.Case) {
		c.ID = "case-12"
		c.Appeal.InProcedure = "petition"
		c.Appeal.CaseNo = "XF-2026-0001"
	})
	_, err := w.desk.Offer(t.Context(), desk.NewOffer{Case: c, Peer: partyA, User: "agent1"})
	r := w.refused(desk.CodeLegalPath, err)
	if !strings.Contains(r.ZH, "信访") {
		t.Errorf("told %q", r.ZH)
	}
	w.send(w.a)
	if n := len(w.a.sim.Tickets()); n != 0 {
		t.Errorf("%d tickets at the peer", n)
	}
	links, _ := w.l.Links(t.Context(), "case-12")
	if len(links) != 1 || links[0].Kind != "REGISTERED" || links[0].B != "XF-2026-0001" {
		t.Errorf("links %+v", links)
	}
}
