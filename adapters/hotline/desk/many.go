package desk

import (
	"context"
	"time"

	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/machine"
	"fayi/adapters/hotline/ticket"
)

// Merge puts hand-offs of one matter, all of one peer, under a master (并单). The master's due time becomes the earliest
// of all; every child keeps its own citizen and gets its own answer when the master has a result.
func (d *Desk) Merge(ctx context.Context, master string, children []string, user string) error {
	for _, id := range children {
		err := d.do(ctx, id, func(m *matter) error {
			w := deed{verb: "merge", role: ticket.Target, party: d.cfg.Self, user: user, payload: ticket.Payload{EarlierNo: master}, at: m.now}
			if r := m.guard(&w); r != nil {
				return r
			}
			due, ok := m.handling()
			m.Master = master
			if _, err := m.perform(w); err != nil {
				return err
			}
			if err := m.t.Link(id, "MASTER", master, m.now); err != nil {
				return err
			}
			if !ok {
				return nil
			}
			head, err := d.load(m.t, master)
			if err != nil {
				return err
			}
			if own, ok := head.handling(); ok && due.Due.Before(own.Due) {
				if _, err := head.note("merge", ticket.Payload{Text: "并单，期限取最早", Due: due.Due, OldDue: own.Due}); err != nil {
					return err
				}
				return head.save()
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// answerChildren gives every child of a master its own answer: split back, then the result.
func (m *matter) answerChildren(result ticket.Event) error {
	rows, err := m.t.Find(ledger.Filter{Peer: m.Peer, States: []ticket.State{ticket.Merged}, Direction: m.Direction})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.Master != m.ID {
			continue
		}
		child, err := m.d.load(m.t, row.ID)
		if err != nil {
			return err
		}
		remote := result.Source == "REMOTE"
		for _, v := range []ticket.Verb{"split", "result"} {
			p := ticket.Payload{}
			if v == "result" {
				p = result.Payload
			}
			if _, err := child.perform(deed{verb: v, role: ticket.Target, party: child.Target, user: result.Author.User, payload: p, at: m.now, causedBy: result.ID, inferred: remote}); err != nil {
				return err
			}
		}
		if err := child.save(); err != nil {
			return err
		}
		m.wake = m.wake || child.wake
	}
	return nil
}

// margin is how much earlier than its parent a relayed hand-off is due.
const margin = 24 * time.Hour

// Onward passes a matter we hold on to a third party. relay: we still answer to our origin, the child is due before the
// parent. handover: responsibility goes over once the third party accepts.
func (d *Desk) Onward(ctx context.Context, parent, kind, party, user string) (Offered, error) {
	row, err := d.l.Get(ctx, parent)
	if err != nil {
		return Offered{}, err
	}
	c, err := d.l.Case(ctx, row.CaseID)
	if err != nil {
		return Offered{}, err
	}
	n := NewOffer{Case: c, Peer: party, User: user, Parent: parent, Kind: kind}
	if figs, err := d.Figures(ctx, parent); err == nil {
		for _, f := range figs {
			if f.Round == row.Round && (f.Figure.Rule.Clock == "C5" || f.Figure.Rule.Clock == "C5R") {
				n.Due = f.Figure.Due.Add(-margin)
			}
		}
	}
	out, err := d.Offer(ctx, n)
	if err != nil {
		return out, err
	}
	return out, d.do(ctx, parent, func(m *matter) error {
		m.Child = out.HandoffID
		if kind == "handover" {
			return nil // the event comes when the third party accepts
		}
		_, err := m.perform(deed{verb: "onward_relay", role: ticket.Target, party: d.cfg.Self, user: user, payload: ticket.Payload{Party: party, Number: out.HandoffID}, at: m.now})
		return err
	})
}

// handedOver completes a hand-over: the third party has accepted the child, so the parent's responsibility is its now.
func (m *matter) handedOver() error {
	if len(m.Route) == 0 || m.Route[len(m.Route)-1].Kind != "handover" {
		return nil
	}
	parent, err := m.d.load(m.t, m.Parent)
	if err != nil {
		return err
	}
	if _, _, err := machine.Next(parent.State, parent.Previous, "onward_handover", ticket.Target); err != nil {
		return m.t.OpenTask(m.Peer, m.Parent, "handover", "第三方已签收，但本单状态不允许移交，请核对", m.now)
	}
	if _, err := parent.perform(deed{verb: "onward_handover", role: ticket.Target, party: m.d.cfg.Self, user: "node", payload: ticket.Payload{Party: m.Target, Number: m.ID}, at: m.now}); err != nil {
		return err
	}
	m.wake = m.wake || parent.wake
	return parent.save()
}

// Reveal shows a citizen's data to somebody and records that they looked, or that they were refused. Nobody outside the
// unit that owns the secret sees it: under secrecy 2 only who is named by allowed.
func (d *Desk) Reveal(ctx context.Context, id, who, purpose string, allowed bool) (z ticket.Citizen, err error) {
	err = d.l.InTx(ctx, func(t *ledger.Tx) error {
		m, err := d.load(t, id)
		if err != nil {
			return err
		}
		granted := purpose != "" && (allowed || secrecyOf(m.kase, m.about.Policy) == 0)
		if granted {
			z = m.kase.Citizen
		}
		return t.Access(id, who, purpose, granted, m.now)
	})
	if err == nil && z.Ref == "" && z.Name == "" && z.Phone == "" {
		return z, refuse(ticket.CodeGuard, "无权查看诉求人信息，已记录", "no right to see the citizen's data; the attempt is recorded")
	}
	return z, err
}
