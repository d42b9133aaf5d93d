package desk

import (
	"context"
	_ "embed"
	"strings"

	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/ticket"
)

//go:embed danger.txt
var dangerText string

// Suggest names words of a text that may mean danger to life. It only suggests: a person decides.
func Suggest(text string) (words []string) {
	for line := range strings.Lines(dangerText) {
		w := strings.TrimSpace(line)
		if w != "" && w[0] != '#' && strings.Contains(text, w) {
			words = append(words, w)
		}
	}
	return words
}

// Card is what the agent reads out on the telephone: a number to dial and three facts.
type Card struct {
	Handoff  string `json:"handoffId"`
	Dial     string `json:"dial"`
	Place    string `json:"place"`
	What     string `json:"what"`
	Callback string `json:"callback"`
}

// numbers of the emergency lines.
var numbers = map[string]string{"POLICE_110": "110", "FIRE_119": "119", "MEDICAL_120": "120", "TRAFFIC_122": "122"}

// Emergency is danger to life or property, confirmed by a person: it records the notice and returns the card at once. No
// consent, no validation, no queue: where the line has an interface the notice goes before everything else, otherwise
// the call is all. A clock of 60 s runs until somebody answered ([Desk.Answered]); then the desk is told to call again.
func (d *Desk) Emergency(ctx context.Context, c ticket.Case, kind, user string) (Card, error) {
	dial, ok := numbers[kind]
	if !ok {
		return Card{}, refuse(ticket.CodeInvalid, "不是紧急热线："+kind, "no emergency line: "+kind)
	}
	if c.ID == "" {
		c.ID = ticket.NewID()
	}
	c.Appeal.Danger = "life"
	card := Card{Dial: dial, Place: strings.TrimSpace(c.Appeal.Division + " " + c.Appeal.Place), What: c.Appeal.Title, Callback: c.Citizen.Phone}
	var m *matter
	err := d.l.InTx(ctx, func(t *ledger.Tx) error {
		about, _ := d.About(kind, "")
		var err error
		if m, err = d.create(t, NewOffer{Peer: kind, Mode: "NOTICE", User: user, Kind: "offer"}, c, about); err != nil {
			return err
		}
		m.Emergency, m.Urgency = true, 1
		if err := m.submit(NewOffer{User: user}); err != nil {
			return err
		}
		card.Handoff = m.ID
		return m.save()
	})
	if err == nil {
		d.woken(m)
	}
	return card, err
}

// Answered records the call of an emergency: who answered and when.
func (d *Desk) Answered(ctx context.Context, id, user string, v ticket.Voice) error {
	return d.do(ctx, id, func(m *matter) error {
		m.Voice = &v
		if m.State == ticket.Queued {
			if err := m.settleByNews(); err != nil {
				return err
			}
			w := m.nodeDeed("receipt_ok", ticket.Payload{Voice: &v})
			w.user = user
			if _, err := m.perform(w); err != nil {
				return err
			}
		}
		return m.t.CloseTasks(m.Peer, m.ID, "call_again", m.now)
	})
}

// Escalate marks a live hand-off as an emergency: danger arose meanwhile.
func (d *Desk) Escalate(ctx context.Context, id, user, why string) error {
	_, err := d.Act(ctx, id, Act{Verb: "emergency", User: user, Payload: ticket.Payload{Text: why}})
	return err
}

// Dropped turns a call that broke off into a ticket: what was said is passed on in writing, and the citizen is called
// back.
func (d *Desk) Dropped(ctx context.Context, n NewOffer, v ticket.Voice) (Offered, error) {
	v.Result = "dropped"
	n.Mode, n.Voice = "TICKET", &v
	out, err := d.Offer(ctx, n)
	if err != nil {
		return out, err
	}
	return out, d.l.InTx(ctx, func(t *ledger.Tx) error {
		return t.OpenTask(n.Peer, out.HandoffID, "call_back", "通话中断，已转为工单，请回拨诉求人", d.Now())
	})
}
