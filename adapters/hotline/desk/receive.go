package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/machine"
	"fayi/adapters/hotline/ticket"
)

// Receive applies what a peer said, each message in a transaction of its own, and answers each. A message that was here
// before is answered as the first time, also when several copies come at once. It implements [ticket.Receiver].
func (d *Desk) Receive(ctx context.Context, party string, in []ticket.Inbound) ([]ticket.Answer, error) {
	answers := make([]ticket.Answer, 0, len(in))
	for _, msg := range in {
		a, err := d.receive(ctx, party, msg)
		if err != nil {
			return answers, err
		}
		answers = append(answers, a)
	}
	return answers, nil
}

func (d *Desk) receive(ctx context.Context, party string, in ticket.Inbound) (a ticket.Answer, err error) {
	var woke []*matter
	err = d.l.InTx(ctx, func(t *ledger.Tx) error {
		woke = woke[:0]
		now := d.Now()
		if in.EventID == "" || len(in.EventID) > 128 {
			in.EventID = derivedID(in)
		}
		fresh, err := t.Begin(party, in.EventID, now)
		if err != nil {
			return err
		}
		if !fresh {
			s, err := t.Seen(party, in.EventID)
			a = s.Answer
			return err
		}
		if err := t.ChangePeer(party, now, func(p *ledger.PeerState) { p.LastIn = now }); err != nil {
			return err
		}
		if err := t.CloseTasks(party, "", "silence", now); err != nil {
			return err
		}
		var m *matter
		a, m, err = d.take(t, party, in)
		if err != nil {
			return err
		}
		a.EventID, a.At = in.EventID, now
		if m != nil {
			a.HandoffID, a.Number, a.State, a.StateSeq = m.ID, ownNumber(m), m.State, m.StateSeq
			if a.Code == ticket.CodeStateConflict {
				a.Allowed = machine.Allowed(m.State, m.peerRole())
			}
			if err := m.save(); err != nil {
				return err
			}
			woke = append(woke, m)
		}
		return t.Remember(party, in.EventID, a.HandoffID, a)
	})
	if err == nil {
		for _, m := range woke {
			d.woken(m)
		}
	}
	return a, err
}

// derivedID identifies a message whose peer has no ids: equal contents are one message.
func derivedID(in ticket.Inbound) string {
	body, err := ticket.Encode(struct {
		A, B, C, D string
		P          ticket.Payload
		Raw        []byte
	}{in.HandoffID, in.PeerNo, string(in.Verb) + string(in.State), in.At.String() + in.User, in.Payload, in.Raw})
	if err != nil {
		body = in.Raw
	}
	return "d-" + ticket.HashOf(body)
}

// ownNumber is our ticket number of a hand-off.
func ownNumber(m *matter) string {
	if m.Direction == ticket.In {
		return m.kase.TicketNo
	}
	return m.OriginNo
}

// take finds the hand-off a message belongs to.
func (d *Desk) take(t *ledger.Tx, party string, in ticket.Inbound) (ticket.Answer, *matter, error) {
	if len(in.Faults) > 0 {
		id, err := t.Quarantine(party, in.Raw, in.Faults, d.Now())
		if err == nil {
			err = t.OpenTask(party, "", "quarantine", fmt.Sprintf("对方消息无法完整读取，已隔离（编号%d），请核对后补录", id), d.Now())
		}
		return ticket.Answer{Code: ticket.CodeQuarantined, Faults: in.Faults}, nil, err
	}
	if in.Verb == "offer" {
		return d.takeOffer(t, party, in)
	}
	m, err := d.find(t, party, in)
	if err != nil || m == nil {
		return ticket.Answer{Code: ticket.CodeUnknownHandoff}, nil, err
	}
	a, err := m.hear(in)
	return a, m, err
}

// find is the party's hand-off a message names, nil for none: another party's is as unknown as one that is not there.
func (d *Desk) find(t *ledger.Tx, party string, in ticket.Inbound) (*matter, error) {
	id := in.HandoffID
	if id == "" {
		found, err := t.ByNumber(party, in.PeerNo)
		if errors.Is(err, ledger.ErrUnknown) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		id = found
	}
	m, err := d.load(t, id)
	if errors.Is(err, ledger.ErrUnknown) || err == nil && m.Peer != party {
		return nil, nil
	}
	return m, err
}

// hear applies an event of the peer to a hand-off.
func (m *matter) hear(in ticket.Inbound) (ticket.Answer, error) {
	w := m.remote(in)
	if m.echo(w) {
		return ticket.Answer{Code: ticket.CodeDuplicate}, nil
	}
	if in.PeerNo != "" && m.PeerNo == "" && m.Direction == ticket.Out {
		if err := m.numbered(ticket.Payload{Number: in.PeerNo, PeerTime: in.Payload.PeerTime}); err != nil {
			return ticket.Answer{}, err
		}
	}
	if err := m.expect(in.Payload.Attachments); err != nil {
		return ticket.Answer{}, err
	}
	switch w.verb {
	case "":
		return m.hearState(in, w)
	case "reoffer":
		return m.offeredAgain(in)
	}
	if _, _, err := machine.Next(m.State, m.Previous, w.verb, w.role); err != nil {
		if path := machine.InferFor(m.State, w.verb, w.role); path != nil {
			if err := m.walk(path, w); err != nil {
				return ticket.Answer{}, err
			}
		}
	}
	if _, _, err := machine.Next(m.State, m.Previous, w.verb, w.role); err != nil {
		return m.misplaced(w, conflict(err))
	}
	if faults := machine.Check(w.verb, w.payload); len(faults) > 0 && m.strict(w.verb) {
		a := ticket.Answer{Code: ticket.CodeInvalid, Faults: faults}
		return a, m.store(w, ticket.CodeInvalid, false)
	}
	if r := m.guard(&w); r != nil {
		a := ticket.Answer{Code: r.Code, Faults: r.Faults}
		if err := m.store(w, r.Code, false); err != nil {
			return a, err
		}
		if r.State == ticket.Arbitration {
			_, err := m.perform(deed{verb: "dispute", role: ticket.System, party: m.d.cfg.Self, user: "node", payload: ticket.Payload{Text: r.ZH, Reason: w.payload.Reason}})
			return a, err
		}
		return a, nil
	}
	if _, err := m.perform(w); err != nil {
		return ticket.Answer{}, err
	}
	if err := m.afterHearing(w); err != nil {
		return ticket.Answer{}, err
	}
	if in.State != "" && in.State != m.State {
		if _, err := m.hearState(in, w); err != nil {
			return ticket.Answer{}, err
		}
	}
	return ticket.Answer{Code: ticket.CodeOK}, nil
}

// strict acts of a peer must be complete; for others what lacks is the peer's affair.
func (m *matter) strict(v ticket.Verb) bool {
	return v == "return_request" && m.about.Can.ReturnMode == "approval" || v == "ext_request" || v == "suspend_request" || v == "onward_handover"
}

// remote is what a peer did, as a deed.
func (m *matter) remote(in ticket.Inbound) deed {
	w := deed{verb: in.Verb, role: m.peerRole(), party: m.Peer, user: in.User, payload: in.Payload, at: in.At, remote: true}
	if in.Payload.Unit == "" {
		w.payload.Unit = in.Unit
	}
	switch in.Verb {
	case "arbitrate_keep", "arbitrate_return":
		w.role = ticket.Arbiter
	case "result_accept", "close", "ext_refuse", "resume", "note", "callback", "supervise":
		w.role = m.peerRole()
	}
	if w.verb == "callback" && m.Direction == ticket.Out || w.verb == "close" && m.Direction == ticket.Out || w.verb == "result_accept" && m.Direction == ticket.Out {
		w.role = ticket.System // some hotlines call back and close for both sides
	}
	return w
}

// afterHearing is what follows from a peer's act on our side.
func (m *matter) afterHearing(w deed) error {
	switch {
	case w.verb == "return_request" && m.about.Can.ReturnMode == "unilateral":
		_, err := m.perform(deed{verb: "return_approve", role: ticket.System, party: m.d.cfg.Self, user: "node", quiet: true, inferred: true,
			payload: ticket.Payload{Text: "对方接口为单方退单"}})
		return err
	case w.verb == "accept" && m.Parent != "":
		return m.handedOver()
	case w.verb == "emergency":
		return m.t.OpenTask(m.Peer, m.ID, "emergency", "对方标记为紧急：请立即处理", m.now)
	}
	return nil
}

// hearState applies a peer's word for a state when no act says how it came about.
func (m *matter) hearState(in ticket.Inbound, w deed) (ticket.Answer, error) {
	switch path := machine.Infer(m.State, in.State); {
	case in.State == m.State:
		return ticket.Answer{Code: ticket.CodeOK}, nil
	case w.payload.Party == "" && slices.ContainsFunc(path, func(r machine.Rule) bool { return r.Verb == "onward_handover" }):
		// Somebody took the matter over, and nobody says who: without a name it has no new owner.
		w.verb, w.payload.PeerState = "note", string(in.State)
		if err := m.t.OpenTask(m.Peer, m.ID, "handover", "对方称已移交第三方，但未说明移交给谁，请核实", m.now); err != nil {
			return ticket.Answer{}, err
		}
		return ticket.Answer{Code: ticket.CodeOK}, m.store(w, "", true)
	case path != nil:
		return ticket.Answer{Code: ticket.CodeOK}, m.walk(path, w)
	case in.State == "" || w.verb != "":
		w.verb = "note"
		if _, _, err := machine.Next(m.State, m.Previous, "note", w.role); err != nil || in.Verb != "" {
			return ticket.Answer{Code: ticket.CodeOK}, nil
		}
		_, err := m.perform(w)
		return ticket.Answer{Code: ticket.CodeOK}, err
	}
	w.verb = "note"
	w.payload.PeerState = string(in.State)
	return ticket.Answer{Code: ticket.CodeOK}, m.store(w, "", true)
}

// walk takes the steps a peer left out. Each is stamped as inferred and counts for nobody as being in time.
func (m *matter) walk(path []machine.Rule, w deed) error {
	for _, r := range path {
		role := r.Who[0]
		party := m.Target
		if role == ticket.Origin {
			party = m.Origin
		} else if role != ticket.Target {
			party = m.d.cfg.Self
		}
		p := ticket.Payload{PeerState: w.payload.PeerState}
		if r.Verb == "receipt_ok" || r.Verb == "found_at_peer" {
			p.Number = m.PeerNo
			if err := m.settleByNews(); err != nil {
				return err
			}
		}
		if r.Verb == "onward_handover" {
			p.Party = w.payload.Party
		}
		if _, err := m.perform(deed{verb: r.Verb, role: role, party: party, payload: p, at: w.at, inferred: true}); err != nil {
			return err
		}
	}
	return m.t.OpenTask(m.Peer, m.ID, "inferred", "对方跳过了中间环节，系统已推定补记，请核对", m.now)
}

// settleByNews: an event of the peer proves that it has the offer.
func (m *matter) settleByNews() error {
	list, err := m.t.Deliveries(m.ID)
	if err != nil {
		return err
	}
	for _, dl := range list {
		if dl.Kind == ledger.KindOffer && dl.State != ledger.Delivered && dl.State != ledger.Dropped {
			dl.State = ledger.Delivered
			if err := m.t.Update(dl, m.now); err != nil {
				return err
			}
		}
	}
	return nil
}

// misplaced stores an act that is not possible now: late where the hand-off has passed it, a conflict otherwise.
func (m *matter) misplaced(w deed, r *Refusal) (ticket.Answer, error) {
	if machine.Behind(m.State, w.verb) {
		return ticket.Answer{Code: ticket.CodeOK}, m.store(w, "", true)
	}
	if err := m.t.OpenTask(m.Peer, m.ID, "conflict", "对方的“"+ticket.Label("verb", string(w.verb))+"”与当前状态不符，已存档未执行", m.now); err != nil {
		return ticket.Answer{}, err
	}
	return ticket.Answer{Code: ticket.CodeStateConflict, Faults: r.Faults}, m.store(w, ticket.CodeStateConflict, false)
}

// store keeps an act that moves nothing.
func (m *matter) store(w deed, refused string, late bool) error {
	e := m.event(w)
	e.Refused, e.Late = refused, late
	return m.append(&e)
}

// echo tells whether a note is our own, come back within the echo window.
func (m *matter) echo(w deed) bool {
	if w.verb != "note" || w.payload.Text == "" {
		return false
	}
	text := normal(w.payload.Text)
	for _, e := range m.events {
		if e.Source == "LOCAL" && e.Payload.Text != "" && m.now.Sub(e.RecordedAt) <= m.about.Policy.EchoWithin &&
			strings.HasSuffix(text, normal(e.Payload.Text)) {
			return true
		}
	}
	return false
}

// normal is a text without white space and without what interfaces put in front of it.
func normal(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}

// Status answers a peer's question after a hand-off of its own. It implements [ticket.Receiver].
func (d *Desk) Status(ctx context.Context, party string, ref ticket.Ref) (a ticket.Answer, ok bool) {
	err := d.l.InTx(ctx, func(t *ledger.Tx) error {
		id := ref.HandoffID
		if id == "" {
			var err error
			if id, err = t.ByNumber(party, ref.PeerNo); err != nil {
				return err
			}
		}
		m, err := d.load(t, id)
		if err != nil {
			return err
		}
		if m.Peer == party {
			a, ok = ticket.Answer{Code: ticket.CodeOK, HandoffID: m.ID, Number: ownNumber(m), State: m.State, StateSeq: m.StateSeq,
				Allowed: machine.Allowed(m.State, m.peerRole())}, true
		}
		return nil
	})
	if err != nil && !errors.Is(err, ledger.ErrUnknown) {
		d.cfg.Log.Error("hand-off status", "err", err)
	}
	return a, ok
}
