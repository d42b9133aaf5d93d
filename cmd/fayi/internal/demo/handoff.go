package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"fayi/adapters/hotline"
	"fayi/adapters/hotline/desk"
	"fayi/adapters/hotline/evidence"
	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/ticket"
)

// Hotline is a simulated 12345, a program of its own, started for the demo.
type Hotline struct {
	Profile *profile.Profile // with the addresses of both sides
	URL     string           // of the simulator
	Secrets string
}

// HotlineStart starts the simulator; callback is where the bureau listens, secrets a folder for both.
type HotlineStart func(ctx context.Context, callback, secrets string) (*Hotline, error)

// Trip is one ticket that travelled.
type Trip struct {
	Handoff  string `json:"handoff"`
	TheirNo  string `json:"their_no"`
	Out      bool   `json:"out"` // from 12348 to 12345
	State    string `json:"state"`
	Owner    string `json:"owner"`
	Events   int    `json:"events"`
	Verified bool   `json:"verified"` // its chain is whole and there was one owner at each event
}

// demoCity is the bureau that exchanges tickets.
const demoCity = "610800"

// Handoffs lets the city's 12348 and a simulated 12345 pass tickets to each other, two out and one in, until all are
// closed. Every step is a call over HTTP; the events are records of the city's stream.
func (d *Demo) Handoffs(ctx context.Context, start HotlineStart) ([]Trip, error) {
	m := d.Federation.Member(demoCity)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	h, err := start(ctx, "http://"+ln.Addr().String(), filepath.Join(m.Dir, "handoff"))
	if err != nil {
		return nil, err
	}
	peer, err := profile.Open(h.Profile, profile.Options{Dir: h.Secrets})
	if err != nil {
		return nil, err
	}
	svc := hotline.New(hotline.Config{Self: "HOTLINE_12348_610800", Division: demoCity, Store: m.Store, Peers: []ticket.Peer{peer}, Log: d.opts.Log, Publish: evidence.Publisher,
		Duty: func([]string) string { return "值班律师" }})
	srv := &http.Server{Handler: svc.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(ln)
	defer srv.Close()
	run, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- svc.Run(run) }()
	defer func() { cancel(); <-done }()

	t := &trips{svc: svc, h: h, party: h.Profile.Party.Code}
	for i := range 2 {
		if err := t.out(ctx, i); err != nil {
			return nil, fmt.Errorf("ticket to 12345: %w", err)
		}
	}
	if err := t.in(ctx); err != nil {
		return nil, fmt.Errorf("ticket from 12345: %w", err)
	}
	if err := d.Federation.WaitQuiet(ctx, func() {}); err != nil {
		return nil, err
	}
	return t.list, nil
}

// passTickets adds the tickets that travelled, and the streams as they are after it, to a result.
func (d *Demo) passTickets(ctx context.Context, res *Result) (err error) {
	if res.Handoffs, err = d.Handoffs(ctx, d.opts.Hotline); err != nil {
		return err
	}
	for _, t := range res.Handoffs {
		if !t.Verified || t.State != string(ticket.Closed) {
			res.Verified = false
			res.Faults = append(res.Faults, fmt.Sprintf("hand-off %s is %s, custody proved: %v", t.Handoff, t.State, t.Verified))
		}
	}
	res.Nodes, err = d.nodeResults(ctx)
	return err
}

type trips struct {
	svc   *hotline.Service
	h     *Hotline
	party string
	list  []Trip
}

func demoCase(i int) ticket.Case {
	texts := []struct{ kind, class, title, content string }{
		{"QZ", "0101", "工地拖欠工资求助", "在榆阳区某工地做工三个月，至今没有领到工资。（演示）"},
		{"ZX", "0201", "赡养费咨询", "想咨询子女不付赡养费怎么办。（演示）"},
	}
	x := texts[i%len(texts)]
	now := ticket.Time(time.Now())
	return ticket.Case{TicketNo: fmt.Sprintf("DEMO-%s-%d", ticket.NewID(), i), Appeal: ticket.Appeal{AppealType: x.kind, ClassScheme: "SAMPLE-12348@1", ClassCode: x.class, Title: x.title,
		Content: x.content, Division: "610802", Place: "榆阳区", ReceivedAt: now, Channel: "phone", Urgency: 3, Danger: "none", InProcedure: "none"},
		Citizen: ticket.Citizen{Ref: ticket.NewID(), Name: "演示人", Phone: fmt.Sprintf("154%08d", i), Consent: &ticket.Consent{Given: true, How: "电话口头", At: now}}}
}

// out passes a matter to 12345 and sees it come back done.
func (t *trips) out(ctx context.Context, i int) error {
	o, err := t.svc.Desk.Offer(ctx, desk.NewOffer{Case: demoCase(i), Peer: t.party, User: "demo"})
	if err != nil {
		return err
	}
	id := o.HandoffID
	if err := t.until(ctx, id, ticket.Offered); err != nil {
		return err
	}
	call := []ticket.Contact{{At: ticket.Time(time.Now()), Outcome: "reached"}}
	for _, a := range []struct {
		verb ticket.Verb
		p    ticket.Payload
	}{{"accept", ticket.Payload{Person: "12345坐席"}}, {"progress", ticket.Payload{Text: "已联系用工单位"}},
		{"result", ticket.Payload{Result: "SOLVED", Text: "已办结", PublicReply: "您反映的问题已经办结。", Contacts: call}}} {
		if err := t.act(ctx, map[string]any{"handoffId": id, "verb": a.verb, "payload": a.p}); err != nil {
			return err
		}
	}
	if err := t.until(ctx, id, ticket.ResultSubmitted); err != nil {
		return err
	}
	for _, a := range []desk.Act{{Verb: "result_accept"}, {Verb: "callback", Payload: ticket.Payload{Satisfaction: &ticket.Satisfaction{Result: 4}}}, {Verb: "close"}} {
		a.User = "demo"
		if _, err := t.svc.Desk.Act(ctx, id, a); err != nil {
			return err
		}
	}
	return t.done(ctx, id)
}

// in lets 12345 offer a matter, which the bureau's lawyer answers.
func (t *trips) in(ctx context.Context) error {
	c := demoCase(1)
	var made struct {
		Number string `json:"number"`
		Class  string `json:"class"`
	}
	err := t.post(ctx, "/sim/ticket", map[string]any{"mode": "TICKET", "appeal": c.Appeal, "citizen": ticket.Citizen{Ref: c.Citizen.Ref, Name: c.Citizen.Name, Phone: c.Citizen.Phone}, "from": 0}, &made)
	if err != nil {
		return err
	}
	rows, err := t.svc.Desk.Ledger().Find(ctx, ledger.Filter{Peer: t.party, PeerNo: made.Number})
	if err != nil || len(rows) != 1 {
		return fmt.Errorf("%d hand-offs have the number %s: %w", len(rows), made.Number, err)
	}
	id := rows[0].ID
	call := []ticket.Contact{{At: ticket.Time(time.Now()), Outcome: "reached"}}
	for _, a := range []desk.Act{{Verb: "first_contact", Payload: ticket.Payload{Contacts: call}},
		{Verb: "result", Payload: ticket.Payload{Result: "EXPLAINED", Text: "已解答", PublicReply: "赡养父母是法定义务，可以向人民法院起诉。", Contacts: call}}} {
		a.User = "demo"
		if _, err := t.svc.Desk.Act(ctx, id, a); err != nil {
			return err
		}
	}
	for _, v := range []ticket.Verb{"result_accept", "close"} {
		if err := t.act(ctx, map[string]any{"number": made.Number, "verb": v}); err != nil {
			return err
		}
	}
	if err := t.until(ctx, id, ticket.Closed); err != nil {
		return err
	}
	return t.done(ctx, id)
}

// done notes what became of a ticket and proves its custody.
func (t *trips) done(ctx context.Context, id string) error {
	l := t.svc.Desk.Ledger()
	row, err := l.Get(ctx, id)
	if err != nil {
		return err
	}
	events, err := l.Events(ctx, id)
	if err != nil {
		return err
	}
	records := make([]evidence.Record, len(events))
	for i, e := range events {
		records[i] = evidence.Of(row.Handoff, e, i+1)
	}
	_, err = evidence.Custody(records)
	t.list = append(t.list, Trip{Handoff: id, TheirNo: row.PeerNo, Out: row.Direction == ticket.Out, State: string(row.State), Owner: row.Owner, Events: row.Events,
		Verified: err == nil && l.Verify(ctx, id) == nil})
	return nil
}

// until waits for a state.
func (t *trips) until(ctx context.Context, id string, want ticket.State) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		row, err := t.svc.Desk.Ledger().Get(ctx, id)
		if err != nil || row.State == want {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is still %s: %w", id, row.State, ctx.Err())
		case <-tick.C:
		}
	}
}

func (t *trips) act(ctx context.Context, a map[string]any) error {
	return t.post(ctx, "/sim/act", a, nil)
}

func (t *trips) post(ctx context.Context, path string, v, out any) error {
	body, err := ticket.Encode(v)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.h.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("simulator %s: %s %s: %w", path, resp.Status, answer, err)
	}
	if out != nil {
		return json.Unmarshal(answer, out)
	}
	return nil
}
