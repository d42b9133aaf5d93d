package desk

import (
	"context"
	"slices"
	"time"

	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/machine"
	"fayi/adapters/hotline/ticket"
)

// Act is what somebody of this bureau does to a hand-off.
type Act struct {
	Verb     ticket.Verb
	User     string // reference of the person
	Arbiter  bool   // the person speaks as arbiter
	Payload  ticket.Payload
	StateSeq int // of the state the person saw; 0 = whatever it is now
}

// deed is an act of anybody, inside a transaction.
type deed struct {
	verb     ticket.Verb
	role     ticket.Role
	party    string
	user     string
	payload  ticket.Payload
	at       time.Time // the author's statement
	id       string    // of the event; "" = a new one
	remote   bool
	inferred bool
	causedBy string
	quiet    bool // nothing is sent for it
	clock    string
}

// Act does what a person of this bureau decided. The error is a *[Refusal] where a rule forbids it.
func (d *Desk) Act(ctx context.Context, id string, a Act) (ev ticket.Event, err error) {
	err = d.do(ctx, id, func(m *matter) error {
		if a.StateSeq != 0 && a.StateSeq != m.StateSeq {
			r := refuse(ticket.CodeStateConflict, "工单状态已变化，请刷新后重试", "the hand-off has changed since it was shown")
			r.State, r.Allowed = m.State, machine.Allowed(m.State, m.role())
			return r
		}
		role := m.role()
		if a.Arbiter {
			role = ticket.Arbiter
		}
		if faults := machine.Check(a.Verb, a.Payload); len(faults) > 0 {
			r := refuse(ticket.CodeInvalid, "要素不全", "the act lacks something")
			r.Faults = faults
			return r
		}
		w := deed{verb: a.Verb, role: role, party: d.cfg.Self, user: a.User, payload: a.Payload, at: m.now}
		if r := m.guard(&w); r != nil {
			return r
		}
		ev, err = m.perform(w)
		return err
	})
	return ev, err
}

// perform appends the event of a deed that is allowed, with all that follows from it.
func (m *matter) perform(w deed) (ticket.Event, error) {
	to, rule, err := machine.Next(m.State, m.Previous, w.verb, w.role)
	if err != nil {
		return ticket.Event{}, conflict(err)
	}
	if w.at.IsZero() {
		w.at = m.now
	}
	if w.verb == "reoffer" || w.verb == "reopen" {
		m.Round++
	}
	e := m.event(w)
	e.From, e.To, e.Rule = m.State, to, rule.ID
	if e.Rule == "" {
		e.Rule = "stay"
	}
	if to == ticket.WithdrawRequested {
		m.Previous = m.State
	}
	m.Owner = machine.Owner(w.verb, m.Owner, m.Origin, m.Target, w.payload.Party)
	m.State = to
	if err := m.append(&e); err != nil {
		return e, err
	}
	if err := m.follow(w, e); err != nil {
		return e, err
	}
	return e, nil
}

// event is the record of a deed before it is placed.
func (m *matter) event(w deed) ticket.Event {
	e := ticket.Event{ID: w.id, HandoffID: m.ID, Round: m.Round, Verb: w.verb, Author: ticket.Author{Party: w.party, User: w.user, Role: w.role},
		OccurredAt: ticket.Time(w.at), RecordedAt: m.now, Inferred: w.inferred, Payload: w.payload, Source: "LOCAL", CausedBy: w.causedBy, Clock: w.clock}
	if e.ID == "" {
		e.ID = ticket.NewID()
	}
	if w.remote {
		e.Source, e.ReceivedAt = "REMOTE", m.now
	}
	if w.clock != "" {
		e.Calendar = m.d.Calendar().Version
	}
	return e
}

func (m *matter) append(e *ticket.Event) error {
	for _, p := range m.events {
		if p.Author.Party == e.Author.Party {
			e.Seq = p.Seq
		}
	}
	e.Seq++
	m.StateSeq++
	e.Owner = m.Owner
	if e.From == "" {
		e.From, e.To = m.State, m.State
	}
	if err := m.t.Append(m.Row, e); err != nil {
		return err
	}
	m.events = append(m.events, *e)
	return nil
}

// note appends a note of the node itself. States in which the table has no notes get none; false then.
func (m *matter) note(clock string, p ticket.Payload) (bool, error) {
	if _, _, err := machine.Next(m.State, m.Previous, "note", ticket.System); err != nil {
		return false, nil
	}
	_, err := m.perform(deed{verb: "note", role: ticket.System, party: m.d.cfg.Self, user: "node", payload: p, quiet: true, clock: clock})
	return true, err
}

// follow does what an event entails besides the state: rounds, merges, deliveries.
func (m *matter) follow(w deed, e ticket.Event) error {
	p := w.payload
	switch w.verb {
	case "submit", "reoffer", "reopen":
		if err := m.newRound(w, e); err != nil {
			return err
		}
	case "receipt_ok", "found_at_peer", "confirm_number":
		if err := m.numbered(p); err != nil {
			return err
		}
	case "onward_handover", "onward_relay":
		if p.Number != "" {
			m.Child = p.Number
		}
	case "emergency":
		m.Emergency = true
	case "result", "result_refuse", "return_approve", "arbitrate_return", "reject", "withdraw_agree":
		if err := m.outcome(w, e); err != nil {
			return err
		}
	}
	if w.verb == "result" {
		if err := m.answerChildren(e); err != nil {
			return err
		}
	}
	if w.verb == "dispute" {
		if err := m.t.OpenTask(m.Peer, m.ID, "arbitration", "争议待裁定，证据见工单事件链", m.now); err != nil {
			return err
		}
	}
	if w.verb == "arbitrate_keep" || w.verb == "arbitrate_return" {
		if err := m.t.CloseTasks(m.Peer, m.ID, "arbitration", m.now); err != nil {
			return err
		}
	}
	return m.emit(w, e)
}

func (m *matter) newRound(w deed, e ticket.Event) error {
	r := ticket.Round{N: m.Round, Kind: map[ticket.Verb]string{"submit": "first", "reoffer": "reoffer", "reopen": "redo"}[w.verb],
		PeerNo: m.PeerNo, DispatchAt: w.payload.DispatchAt}
	if w.verb == "reopen" {
		r.OfferedAt = m.now
	}
	if w.payload.Unit != "" {
		m.Unit = w.payload.Unit
	}
	m.PeerNo = r.PeerNo
	return m.t.PutRound(m.Row, r)
}

// change lets fn change the newest round.
func (m *matter) change(fn func(*ticket.Round)) error {
	list, err := m.t.Rounds(m.ID)
	if err != nil || len(list) == 0 {
		return err
	}
	r := list[len(list)-1]
	fn(&r)
	return m.t.PutRound(m.Row, r)
}

// numbered takes over the number and time a peer gave.
func (m *matter) numbered(p ticket.Payload) error {
	if p.Number != "" {
		m.PeerNo = p.Number
	}
	return m.change(func(r *ticket.Round) {
		r.PeerNo, r.OfferedAt, r.PeerOffered = m.PeerNo, m.now, p.PeerTime
		if !p.DispatchAt.IsZero() {
			r.DispatchAt = p.DispatchAt
		}
	})
}

func (m *matter) outcome(w deed, e ticket.Event) error {
	return m.change(func(r *ticket.Round) {
		switch w.verb {
		case "result":
			p := w.payload
			r.Result = &p
		case "result_refuse":
			r.Result = nil
		default:
			r.Outcome = e.To
		}
	})
}

// urgentPriority is the lane of messages that wait for no other.
const urgentPriority = 0

func (m *matter) priority() int {
	if m.Emergency {
		return urgentPriority
	}
	return max(1, m.Urgency)
}

// private verbs are between us and our own records.
var private = []ticket.Verb{"cancel", "receipt_ok", "receipt_unknown", "receipt_permanent_error", "found_at_peer", "absent_at_peer", "give_up",
	"replay", "abandon", "confirm_number", "receipt"}

// emit writes the delivery an event needs. Acts that came from the peer, were inferred, or are our node's own notes never
// go back: no echo.
func (m *matter) emit(w deed, e ticket.Event) error {
	if w.remote || w.inferred || w.quiet || slices.Contains(private, w.verb) || w.role == ticket.System && m.Direction == ticket.In {
		return nil
	}
	if _, known := m.d.About(m.Peer, m.Profile); !known {
		return nil // a party without an interface: people speak to it
	}
	if w.verb == "submit" || w.verb == "reoffer" || w.verb == "reopen" && m.about.Can.Reopen == "new_ticket" {
		return m.sendOffer(w, e)
	}
	if m.State == ticket.Queued || m.State == ticket.Draft {
		return nil
	}
	return m.sendEvent(e)
}

func (m *matter) enqueue(d ledger.Delivery) error {
	d.Peer, d.Handoff, d.First = m.Peer, m.ID, m.now
	if d.Next.IsZero() {
		d.Next = m.now
	}
	d.Priority = m.priority()
	m.wake, m.urgent = true, m.urgent || d.Priority == urgentPriority
	return m.t.Enqueue(d)
}

// sendEvent writes the message of an event, or what the peer's interface can take in its place.
func (m *matter) sendEvent(e ticket.Event) error {
	msg := ticket.Message{Key: ticket.Key(m.ID, e.Round, e.Seq), PeerNo: m.PeerNo, OriginNo: m.OriginNo, Event: m.outgoing(e)}
	if slices.Contains(m.about.Can.Verbs, e.Verb) {
		return m.enqueue(ledger.Delivery{Key: msg.Key, Kind: ledger.KindEvent, Message: &msg})
	}
	how := m.about.Can.Degrade[e.Verb]
	if how == "note" || how == "note_task" || how == "extension_or_note" {
		label := ticket.Label("verb", string(e.Verb))
		msg.Event.Verb = "note"
		msg.Event.Payload.Text = "【" + label + "】" + msg.Event.Payload.Text
		if slices.Contains(m.about.Can.Verbs, "note") {
			if err := m.enqueue(ledger.Delivery{Key: msg.Key, Kind: ledger.KindEvent, Message: &msg}); err != nil {
				return err
			}
		}
	}
	if how == "task" || how == "note_task" || how == "" {
		return m.t.OpenTask(m.Peer, m.ID, "tell_peer_"+string(e.Verb), "对方接口不支持“"+ticket.Label("verb", string(e.Verb))+"”，请电话告知", m.now)
	}
	return nil
}
