package hotline_test

import (
	"path/filepath"
	"testing"
	"time"

	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/simulator"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/outer"
)

// TestInventedInterfaceNeedsNoGo: an interface thought up after the program was written (profile/testdata) is a file and
// nothing else. Matters go both ways over it, and what goes wrong is what goes wrong with the others.
func TestInventedInterfaceNeedsNoGo(t *testing.T) {
	w := newWorld(t)
	for name, text := range map[string]string{"invented.key": "k-out", "invented-callback.key": "k-back", "invented.password": "pw"} {
		w.write(filepath.Join("secrets", name), text)
	}
	p, err := profile.Load("profile/testdata/invented@1.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sim, placed, err := simulator.Listen(p, "127.0.0.1:0", simulator.Options{State: filepath.Join(w.state, "invented.journal"), Dir: w.state, Callback: w.node.URL, Now: w.clk.now, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	x := &side{party: p.Party.Code, sim: sim}
	x.tap = w.tap(sim.BaseURL())
	x.peer = w.peer(w.moved(x, placed))
	w.more = []ticket.Peer{x.peer}
	w.start()
	x.c = w.svc.Courier(x.party)

	// Out, the whole way, with rare characters and a charset that has them.
	id := w.offered(x, w.kase(func(c *ticket.Case) { c.Citizen.Name, c.Appeal.Title = "吴𠮷", "䶮家工地欠薪 & <急>" }))
	if sim.Seen("signin") != 1 || !w.wire.has("工地欠薪") {
		t.Errorf("%d logins", sim.Seen("signin"))
	}
	theirs := w.theirs(x, id)
	if o := theirs.Offer; o.Citizen.Name != "吴𠮷" || o.Appeal.Title != "䶮家工地欠薪 & <急>" || o.Appeal.AppealType != "QZ" || o.Appeal.Urgency != 3 {
		t.Errorf("%+v %+v", o.Citizen, o.Appeal)
	}
	for _, step := range []struct {
		verb ticket.Verb
		p    ticket.Payload
		want ticket.State
	}{
		{"accept", accept(), ticket.Accepted}, {"first_contact", ticket.Payload{Text: "已联系"}, ticket.InProgress}, {"progress", ticket.Payload{Text: "现场核实"}, ticket.InProgress},
		{"result", w.result("SOLVED"), ticket.ResultSubmitted},
	} {
		if out := w.says(x, id, step.verb, step.p); out.Class != outer.OK {
			t.Fatalf("%s: %+v", step.verb, out)
		}
		w.state_(id, step.want)
	}
	w.act(id, "result_accept", ticket.Payload{})
	w.act(id, "callback", answer(4))
	w.act(id, "close", ticket.Payload{})
	w.send(x)
	w.state_(id, ticket.Closed)
	got := map[string]bool{}
	for _, e := range w.theirs(x, id).Received {
		got[e.Name] = true
	}
	if !got["result_accept"] || !got["callback"] || w.theirs(x, id).State != ticket.Closed {
		t.Errorf("%v, %s", got, w.theirs(x, id).State)
	}

	// In, in its words.
	out, err := sim.Offer(t.Context(), w.theirOffer("MY-IN-1"))
	if err != nil || out.Class != outer.OK {
		t.Fatalf("%+v %v", out, err)
	}
	rows, err := w.l.Find(t.Context(), ledger.Filter{Peer: x.party, Direction: ticket.In})
	if err != nil || len(rows) != 1 || rows[0].PeerNo != "MY-IN-1" {
		t.Fatalf("%+v %v", rows, err)
	}
	in := rows[0].ID
	w.act(in, "accept", ticket.Payload{Person: "律师甲"})
	w.send(x)
	if n := len(w.numbered(x, "MY-IN-1").Received); n != 1 {
		t.Errorf("%d events arrived", n)
	}

	// In doubt: asked, found, one ticket.
	w.fault(x, simulator.TimeoutAfter, "offer", 1)
	doubt := w.offer(x.party, w.kase(func(c *ticket.Case) { c.Citizen.Phone = "15400000031" }))
	w.send(x)
	w.state_(doubt, ticket.InDoubt)
	w.after(10 * time.Second)
	w.send(x)
	w.state_(doubt, ticket.Offered)
	if w.theirs(x, doubt).Offers != 1 {
		t.Error("offered twice")
	}

	// The session ends, the page is a login page, the charset is wrong, the news is pulled because nobody pushed it.
	w.fault(x, simulator.SessionLost, "offer", 1)
	w.offered(x, w.kase(func(c *ticket.Case) { c.Citizen.Phone = "15400000032" }))
	w.fault(x, simulator.WrongCharset, "offer", 1)
	w.offered(x, w.kase(func(c *ticket.Case) { c.Citizen.Phone = "15400000033" }))
	w.fault(x, simulator.Failure200, "offer", 1)
	dead := w.offer(x.party, w.kase(func(c *ticket.Case) { c.Citizen.Phone = "15400000034" }))
	w.send(x)
	w.state_(dead, ticket.Dead)
	if _, err := sim.Act(t.Context(), simulator.Act{Handoff: doubt, Verb: "accept", Quiet: true, Payload: &ticket.Payload{Text: "签收"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.c.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.state_(doubt, ticket.Accepted)
	w.verified(id, in, doubt)
}
