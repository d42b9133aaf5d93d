package desk

import (
	"errors"
	"fmt"
	"slices"

	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/machine"
	"fayi/adapters/hotline/ticket"
)

// takeOffer is a peer's offer: a new hand-off, or the next round of one we have.
func (d *Desk) takeOffer(t *ledger.Tx, party string, in ticket.Inbound) (ticket.Answer, *matter, error) {
	if in.Appeal == nil || in.Citizen == nil {
		return d.dispatchedAgain(t, party, in)
	}
	if id, err := d.looped(t, party, in); err != nil || id != "" {
		return d.refuseLoop(t, party, id, in, err)
	}
	if m, err := d.known(t, party, in); err != nil {
		return ticket.Answer{}, nil, err
	} else if m != nil {
		a, err := m.offeredAgain(in)
		return a, m, err
	}
	m, err := d.openIncoming(t, party, in)
	if err != nil {
		return ticket.Answer{}, nil, err
	}
	if err := m.glare(in); err != nil {
		return ticket.Answer{}, nil, err
	}
	if m.State == ticket.Offered {
		if err := m.assign(); err != nil {
			return ticket.Answer{}, nil, err
		}
	}
	return ticket.Answer{Code: ticket.CodeOK}, m, nil
}

// dispatchedAgain is a dispatch that names only a ticket: a new round of one we have.
func (d *Desk) dispatchedAgain(t *ledger.Tx, party string, in ticket.Inbound) (ticket.Answer, *matter, error) {
	m, err := d.find(t, party, in)
	if err != nil || m == nil {
		return ticket.Answer{Code: ticket.CodeUnknownHandoff}, nil, err
	}
	a, err := m.offeredAgain(in)
	return a, m, err
}

// looped finds our own hand-off that a peer tries to give us as a new ticket.
func (d *Desk) looped(t *ledger.Tx, party string, in ticket.Inbound) (found string, err error) {
	ours := ""
	for i, h := range in.Route {
		if h.Party == d.cfg.Self {
			if found = "?"; i+1 < len(in.Route) {
				ours = in.Route[i+1].Handoff // by which we passed it on
			}
		}
	}
	for _, id := range []string{ours, in.HandoffID, in.Payload.EarlierNo} {
		if id == "" {
			continue
		}
		row, err := t.Handoff(id)
		if err == nil && row.Direction == ticket.Out && row.Peer == party { // another party's hand-off is as unknown as none
			return id, nil
		} else if err != nil && !errors.Is(err, ledger.ErrUnknown) {
			return "", err
		}
	}
	return found, nil
}

// refuseLoop answers HO_LOOP and shows the matter as come back, on the hand-off it came from where that is known.
func (d *Desk) refuseLoop(t *ledger.Tx, party, id string, in ticket.Inbound, err error) (ticket.Answer, *matter, error) {
	if err != nil {
		return ticket.Answer{}, nil, err
	}
	a := ticket.Answer{Code: ticket.CodeLoop}
	m, err := d.load(t, id)
	if errors.Is(err, ledger.ErrUnknown) {
		return a, nil, t.OpenTask(party, "", "returned_to_you", "对方将本单位转出的诉求又转回，请核对", d.Now())
	} else if err != nil {
		return a, nil, err
	}
	w := deed{verb: "note", role: m.peerRole(), party: m.Peer, payload: ticket.Payload{Text: "对方将此件转回", Number: in.PeerNo}, at: in.At, remote: true}
	if err := m.store(w, ticket.CodeLoop, false); err != nil {
		return a, nil, err
	}
	return a, m, t.OpenTask(m.Peer, m.ID, "returned_to_you", "此件已回到你处，请作退回处理，未另立新单", m.now)
}

// known finds the hand-off under which we have a peer's number already.
func (d *Desk) known(t *ledger.Tx, party string, in ticket.Inbound) (*matter, error) {
	if in.PeerNo == "" {
		return nil, nil
	}
	id, err := t.ByNumber(party, in.PeerNo)
	if errors.Is(err, ledger.ErrUnknown) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	m, err := d.load(t, id)
	if err != nil || m.Direction != ticket.In {
		return nil, err
	}
	return m, nil
}

// offeredAgain: the same number comes a second time. The start time of the dispatch tells a new round from a repetition.
func (m *matter) offeredAgain(in ticket.Inbound) (ticket.Answer, error) {
	list, err := m.t.Rounds(m.ID)
	if err != nil {
		return ticket.Answer{}, err
	}
	if slices.ContainsFunc(list, func(r ticket.Round) bool { return r.DispatchAt.Equal(in.DispatchAt) }) {
		return ticket.Answer{Code: ticket.CodeDuplicate}, nil
	}
	p := ticket.Payload{DispatchAt: in.DispatchAt, Text: in.Payload.Text, Reason: in.Payload.Reason}
	w := deed{verb: "reoffer", role: ticket.Origin, party: m.Origin, user: in.User, payload: p, at: in.At, remote: true, inferred: m.Direction == ticket.Out}
	if m.State == ticket.Resolved || m.State == ticket.Closed {
		w.verb = "reopen"
	}
	if _, _, err := machine.Next(m.State, m.Previous, w.verb, w.role); err != nil {
		return m.misplaced(w, conflict(err))
	}
	if r := m.guard(&w); r != nil {
		return ticket.Answer{Code: r.Code}, m.store(w, r.Code, false)
	}
	if _, err := m.perform(w); err != nil {
		return ticket.Answer{}, err
	}
	if m.State == ticket.Queued {
		if in.PeerNo != "" {
			m.PeerNo = in.PeerNo
		}
		if _, err := m.perform(m.nodeDeed("receipt_ok", ticket.Payload{Number: m.PeerNo, PeerTime: in.DispatchAt, DispatchAt: in.DispatchAt})); err != nil {
			return ticket.Answer{}, err
		}
	}
	if m.Direction == ticket.Out {
		return ticket.Answer{Code: ticket.CodeOK}, nil
	}
	return ticket.Answer{Code: ticket.CodeOK}, m.assign()
}

// openIncoming makes case and hand-off of a peer's offer. The secrecy it came with is kept.
func (d *Desk) openIncoming(t *ledger.Tx, party string, in ticket.Inbound) (*matter, error) {
	now := d.Now()
	about, _ := d.About(party, "")
	id, err := t.NewID(d.cfg.Division, now)
	if err != nil {
		return nil, err
	}
	n, err := t.Number("ticket-" + now.Format("20060102"))
	if err != nil {
		return nil, err
	}
	c := ticket.Case{ID: ticket.NewID(), TicketNo: fmt.Sprintf("%s%08d", now.Format("20060102"), n), Appeal: *in.Appeal, Citizen: *in.Citizen}
	if c.Appeal.ReceivedAt.IsZero() {
		c.Appeal.ReceivedAt = now
	}
	if c.Appeal.Danger == "" {
		c.Appeal.Danger = "none"
	}
	if c.Appeal.InProcedure == "" {
		c.Appeal.InProcedure = "none"
	}
	mode := in.Mode
	if mode == "" {
		mode = "TICKET"
	}
	route := slices.Clone(in.Route)
	if len(route) == 0 {
		route = []ticket.Hop{{Party: party, At: in.At, Kind: "origin"}}
	}
	if route[len(route)-1].Party != d.cfg.Self {
		route = append(route, ticket.Hop{Party: d.cfg.Self, Handoff: id, At: now, Kind: "offer"})
	}
	m := &matter{d: d, t: t, now: now, kase: c, about: about, Row: &ledger.Row{Urgency: max(1, c.Appeal.Urgency), MatchKey: matchKey(c.Appeal, c.Citizen, about.Policy),
		Handoff: ticket.Handoff{ID: id, CaseID: c.ID, Peer: party, Direction: ticket.In, Origin: party, Target: d.cfg.Self, Round: 1, OriginNo: in.PeerNo, PeerNo: in.PeerNo,
			Parent: "", Route: route, Owner: party, State: ticket.Draft, Mode: mode, Profile: about.Profile}}}
	if err := t.PutCase(c, now); err != nil {
		return nil, err
	}
	if err := t.Create(m.Row, now); err != nil {
		return nil, err
	}
	if _, err := m.perform(deed{verb: "submit", role: ticket.Origin, party: party, user: in.User, at: in.At, remote: true,
		payload: ticket.Payload{DispatchAt: in.DispatchAt, Text: in.HandoffID}}); err != nil {
		return nil, err
	}
	if err := m.numbered(ticket.Payload{Number: in.PeerNo, DispatchAt: in.DispatchAt}); err != nil {
		return nil, err
	}
	if _, err := m.perform(m.nodeDeed("receipt_ok", ticket.Payload{Number: in.PeerNo, PeerTime: in.At, DispatchAt: in.DispatchAt})); err != nil {
		return nil, err
	}
	if err := m.expect(c.Appeal.Attachments); err != nil {
		return nil, err
	}
	if c.Appeal.ClassCode == "UNMAPPED" {
		if err := t.OpenTask(party, id, "unmapped_class", "诉求分类“"+c.Appeal.ClassText+"”没有对应代码，请补充映射", now); err != nil {
			return nil, err
		}
	}
	if c.Appeal.Legal != nil && c.Appeal.Legal.Limitation != "" {
		if err := t.OpenTask(party, id, "limitation", "时效届满日："+c.Appeal.Legal.Limitation, now); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// assign gives an incoming matter to whoever is on duty; signing in names the person.
func (m *matter) assign() error {
	if m.d.cfg.Duty == nil || m.Mode == "NOTICE" {
		return nil
	}
	var need []string
	if m.kase.Appeal.Legal != nil {
		need = m.kase.Appeal.Legal.Need
	}
	person := m.d.cfg.Duty(need)
	if person == "" {
		return m.t.OpenTask(m.Peer, m.ID, "nobody_on_duty", "没有值班人员，请人工签收", m.now)
	}
	_, err := m.perform(deed{verb: "accept", role: ticket.Target, party: m.d.cfg.Self, user: person, payload: ticket.Payload{Person: person}, at: m.now})
	return err
}

// glare: both sides offered the same matter to each other. The one whose citizen spoke first stays, the other is merged
// into it; of two equal ones the lower number stays. Both sides come to the same by themselves.
func (m *matter) glare(in ticket.Inbound) error {
	if m.MatchKey == "" {
		return nil
	}
	rows, err := m.t.Find(ledger.Filter{Peer: m.Peer, MatchKey: m.MatchKey, Direction: ticket.Out, Since: m.now.Add(-m.about.Policy.GlareWithin)})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if machine.Ended(row.State) || row.State == ticket.Dead {
			continue
		}
		ours, err := m.d.load(m.t, row.ID)
		if err != nil {
			return err
		}
		theirs := in.HandoffID
		if theirs == "" {
			theirs = in.PeerNo
		}
		a, b := ours.kase.Appeal.ReceivedAt, m.kase.Appeal.ReceivedAt
		if a.Before(b) || a.Equal(b) && ours.ID < theirs {
			return m.yieldTo(ours)
		}
		if err := ours.yieldTo(m); err != nil {
			return err
		}
		return ours.save()
	}
	return nil
}

// yieldTo merges the hand-off into another one of the same matter.
func (m *matter) yieldTo(master *matter) error {
	m.Master = master.ID
	if err := m.t.Link(m.ID, "MASTER", master.ID, m.now); err != nil {
		return err
	}
	for _, id := range []string{m.ID, master.ID} {
		if err := m.t.OpenTask(m.Peer, id, "glare", "双方同时转出同一诉求，"+m.ID+" 已并入 "+master.ID, m.now); err != nil {
			return err
		}
	}
	p := ticket.Payload{EarlierNo: master.ID, Text: "双方同时转出同一诉求，以先受理者为准"}
	switch m.State {
	case ticket.Queued:
		return m.cancel("cancel", "node", p)
	case ticket.InDoubt:
		if err := m.settleByNews(); err != nil {
			return err
		}
		if _, err := m.perform(m.nodeDeed("found_at_peer", ticket.Payload{})); err != nil {
			return err
		}
	}
	_, err := m.perform(deed{verb: "merge", role: ticket.Target, party: m.Target, user: "glare", payload: p, at: m.now, inferred: m.Direction == ticket.Out})
	return err
}
