package desk

import (
	"context"
	"fmt"
	"time"

	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/machine"
	"fayi/adapters/hotline/ticket"
)

// Settle records what an attempt came to: the delivery's state and schedule and, for an offer, the hand-off's. asked tells
// that the outcome answers a Query, not a sending.
func (d *Desk) Settle(ctx context.Context, id int64, o ticket.Outcome, asked bool) error {
	var m *matter
	err := d.l.InTx(ctx, func(t *ledger.Tx) error {
		dl, err := t.Delivery(id)
		if err != nil {
			return err
		}
		if dl.State != ledger.Sending && dl.State != ledger.InDoubt {
			return nil // settled already, by a person or by another
		}
		if m, err = d.load(t, dl.Handoff); err != nil {
			return err
		}
		dl.Said.Class, dl.Said.Code, dl.Said.Text, dl.Said.Number = string(o.Class), o.Code, o.Said, o.Number
		if o.Class != ticket.AuthFail {
			dl.Said.Auth = 0
		}
		if err := m.settle(&dl, o, asked); err != nil {
			return err
		}
		if err := t.Update(dl, m.now); err != nil {
			return err
		}
		return m.save()
	})
	if err == nil {
		d.woken(m)
	}
	return err
}

func (m *matter) settle(dl *ledger.Delivery, o ticket.Outcome, asked bool) error {
	offer := dl.Kind == ledger.KindOffer
	switch o.Class {
	case ticket.Delivered, ticket.Duplicate, ticket.Found:
		dl.State = ledger.Delivered
		if offer {
			return m.received(o)
		}
	case ticket.Unknown:
		if asked {
			return m.later(dl, o) // the question failed, not the message: still in doubt
		}
		dl.State = ledger.InDoubt
		dl.Next = m.now.Add(m.pause(dl.Attempts))
		if offer && m.State == ticket.Queued {
			_, err := m.perform(m.nodeDeed("receipt_unknown", ticket.Payload{Text: o.Said}))
			return err
		}
	case ticket.Absent:
		dl.State, dl.Next = ledger.Queued, m.now
		if offer && m.State == ticket.InDoubt {
			_, err := m.perform(m.nodeDeed("absent_at_peer", ticket.Payload{Text: o.Said}))
			return err
		}
	case ticket.Permanent:
		return m.dead(dl, o)
	case ticket.Unable:
		if asked {
			return m.cannotAsk(dl)
		}
		dl.State = ledger.Dropped
	default: // Retry, AuthFail
		if o.Class == ticket.AuthFail {
			dl.Said.Auth++
		}
		return m.later(dl, o)
	}
	return nil
}

func (m *matter) nodeDeed(v ticket.Verb, p ticket.Payload) deed {
	return deed{verb: v, role: ticket.System, party: m.d.cfg.Self, user: "node", payload: p, quiet: true}
}

// received: the peer has the offer. A hand-off in doubt was found; one that was redone had its state already.
func (m *matter) received(o ticket.Outcome) error {
	p := ticket.Payload{Number: o.Number, Token: o.Token, PeerTime: o.PeerTime}
	switch m.State {
	case ticket.Queued:
		_, err := m.perform(m.nodeDeed("receipt_ok", p))
		return err
	case ticket.InDoubt:
		_, err := m.perform(m.nodeDeed("found_at_peer", p))
		return err
	}
	return m.numbered(p)
}

// later schedules another attempt, or gives up when the budget is used.
func (m *matter) later(dl *ledger.Delivery, o ticket.Outcome) error {
	if m.now.Sub(dl.First) > m.about.Policy.RetryBudget {
		o.Said = "重试时限已用尽：" + o.Said
		return m.dead(dl, o)
	}
	if dl.State == ledger.Sending {
		dl.State = ledger.Queued
	}
	wait := m.pause(dl.Attempts)
	if o.Class == ticket.AuthFail && dl.Said.Auth == 1 {
		wait = 0 // once more with a new session; then the courier's breaker opens
	}
	dl.Next = m.now.Add(max(wait, o.RetryAfter))
	return nil
}

func (m *matter) pause(attempts int) time.Duration {
	s := m.about.Policy.RetrySchedule
	return s[min(max(attempts-1, 0), len(s)-1)]
}

// dead: a person has to look.
func (m *matter) dead(dl *ledger.Delivery, o ticket.Outcome) error {
	dl.State = ledger.Dead
	if o.Fault != nil {
		dl.Said.Pointer, dl.Said.Value, dl.Said.Text = o.Fault.Pointer, o.Fault.Value, o.Fault.Message
	}
	text := fmt.Sprintf("%s %s", o.Code, dl.Said.Text)
	if err := m.t.OpenTask(m.Peer, m.ID, "dead_"+dl.Kind, text, m.now); err != nil {
		return err
	}
	if dl.Kind != ledger.KindOffer {
		return nil
	}
	verb := ticket.Verb("receipt_permanent_error")
	if m.State == ticket.InDoubt {
		verb = "give_up"
	}
	if _, _, err := machine.Next(m.State, m.Previous, verb, ticket.System); err != nil {
		return nil
	}
	_, err := m.perform(m.nodeDeed(verb, ticket.Payload{Text: dl.Said.Text, Reason: o.Code}))
	return err
}

// cannotAsk: the interface has no question. One sending with the same number is safe where the peer knows doubles by
// number; then a person asks by telephone.
func (m *matter) cannotAsk(dl *ledger.Delivery) error {
	if dl.Kind == ledger.KindEvent || m.about.Can.Resend && dl.Said.Resent == 0 {
		if dl.Said.Resent++; dl.Said.Resent > 3 {
			return m.dead(dl, ticket.Outcome{Class: ticket.Unknown, Said: "多次发送仍无法确认对方是否收到"})
		}
		dl.State, dl.Next = ledger.Queued, m.now // the hand-off stays IN_DOUBT until an answer comes
		return nil
	}
	return m.dead(dl, ticket.Outcome{Class: ticket.Unknown, Said: "对方接口不能查询，请电话确认是否收到"})
}

// Replay sends a dead delivery again, as it is or with a corrected offer built anew from the case. Number and history of
// the hand-off stay.
func (d *Desk) Replay(ctx context.Context, id, user string, corrected *ticket.Case) error {
	return d.do(ctx, id, func(m *matter) error {
		if newest, ok := d.About(m.Peer, ""); ok {
			m.about, m.Profile = newest, newest.Profile // a mapping that was missing is in a newer version
		}
		if corrected != nil {
			c := *corrected
			c.ID = m.CaseID
			if faults := CheckCase(c, m.about); len(faults) > 0 {
				r := refuse(ticket.CodeInvalid, "修正后的工单仍有错误", "the corrected case has faults")
				r.Faults = faults
				return r
			}
			if err := m.t.PutCase(c, m.now); err != nil {
				return err
			}
			m.kase, m.Urgency = c, c.Appeal.Urgency
		}
		list, err := m.t.Deliveries(id)
		if err != nil {
			return err
		}
		found := false
		for _, dl := range list {
			if dl.State != ledger.Dead {
				continue
			}
			found = true
			dl.State, dl.First, dl.Next, dl.Said = ledger.Queued, m.now, m.now, ledger.Said{Edited: corrected != nil}
			if dl.Offer != nil {
				dl.Offer.Appeal, dl.Offer.Citizen = share(m.kase, m.about.Policy)
				if err := m.fit(dl.Offer); err != nil {
					return err
				}
			}
			if err := m.t.Update(dl, m.now); err != nil {
				return err
			}
			if err := m.t.CloseTasks(m.Peer, m.ID, "dead_"+dl.Kind, m.now); err != nil {
				return err
			}
		}
		if !found {
			return refuse(ticket.CodeGuard, "没有待重发的消息", "nothing is dead here")
		}
		m.wake = true
		if m.State == ticket.Dead {
			_, err = m.perform(deed{verb: "replay", role: ticket.Origin, party: d.cfg.Self, user: user, at: m.now})
		}
		return err
	})
}

// Confirm enters what the peer said by telephone about an offer in doubt or dead: its number, or that it has nothing
// (number ""), after which the offer is queued again.
func (d *Desk) Confirm(ctx context.Context, id, user, number string) error {
	return d.do(ctx, id, func(m *matter) error {
		verb := map[ticket.State]ticket.Verb{ticket.Dead: "confirm_number", ticket.InDoubt: "found_at_peer"}[m.State]
		if number == "" {
			verb = map[ticket.State]ticket.Verb{ticket.Dead: "replay", ticket.InDoubt: "absent_at_peer"}[m.State]
		}
		if verb == "" {
			return conflict(&machine.Conflict{Current: m.State, Verb: "confirm_number", Role: ticket.Origin, Allowed: machine.Allowed(m.State, ticket.Origin)})
		}
		list, err := m.t.Deliveries(id)
		if err != nil {
			return err
		}
		for _, dl := range list {
			if dl.Kind != ledger.KindOffer || dl.State == ledger.Delivered || dl.State == ledger.Dropped {
				continue
			}
			dl.State, dl.Next, dl.First = ledger.Delivered, m.now, m.now
			if number == "" {
				dl.State, dl.Said = ledger.Queued, ledger.Said{}
				m.wake = true
			}
			if err := m.t.Update(dl, m.now); err != nil {
				return err
			}
		}
		if err := m.t.CloseTasks(m.Peer, m.ID, "dead_"+ledger.KindOffer, m.now); err != nil {
			return err
		}
		_, err = m.perform(deed{verb: verb, role: ticket.Origin, party: d.cfg.Self, user: user, payload: ticket.Payload{Number: number}, at: m.now, quiet: true})
		return err
	})
}

// Abandon gives a dead or waiting offer up.
func (d *Desk) Abandon(ctx context.Context, id, user, reason string) error {
	return d.do(ctx, id, func(m *matter) error {
		verb := ticket.Verb("cancel")
		if m.State == ticket.Dead {
			verb = "abandon"
		}
		p := ticket.Payload{Text: reason}
		if faults := machine.Check(verb, p); len(faults) > 0 {
			r := refuse(ticket.CodeInvalid, "请说明原因", "a reason is wanted")
			r.Faults = faults
			return r
		}
		return m.cancel(verb, user, p)
	})
}

// cancel ends an offer that was not received and drops what waits of it.
func (m *matter) cancel(verb ticket.Verb, user string, p ticket.Payload) error {
	list, err := m.t.Deliveries(m.ID)
	if err != nil {
		return err
	}
	for _, dl := range list {
		switch dl.State {
		case ledger.Sending:
			return refuse(ticket.CodeStateConflict, "正在发送，请稍后再试", "it is being sent just now")
		case ledger.Queued, ledger.Dead:
			dl.State = ledger.Dropped
			if err := m.t.Update(dl, m.now); err != nil {
				return err
			}
		}
	}
	_, err = m.perform(deed{verb: verb, role: ticket.Origin, party: m.d.cfg.Self, user: user, payload: p, at: m.now, quiet: true})
	if err != nil {
		return err
	}
	return m.t.CloseTasks(m.Peer, m.ID, "dead_"+ledger.KindOffer, m.now)
}
