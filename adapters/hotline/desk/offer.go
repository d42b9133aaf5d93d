package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/machine"
	"fayi/adapters/hotline/ticket"
)

// NewOffer is a wish to pass a matter on.
type NewOffer struct {
	Case   ticket.Case // ID "" = a new case
	Peer   string      // party code
	Unit   string      // inside it, "" = the peer decides
	Mode   string      // "" = TICKET
	User   string
	Voice  *ticket.Voice
	Parent string // hand-off this one continues
	Kind   string // of the hop: offer, relay, handover
	Due    time.Time
	Files  []Content // bytes of attachments the case names
}

// Content is the bytes of an attachment, by its id.
type Content struct {
	AttID string
	Data  []byte
}

// Offered is what came of a wish.
type Offered struct {
	HandoffID string
	CaseID    string
	State     ticket.State // QUEUED, or DRAFT with a refusal beside it
}

// Offer passes a matter on: checks it whole, makes the hand-off and queues the offer, in one transaction. A case with
// faults is kept as DRAFT and the refusal lists all of them; [Desk.Submit] sends it once it is corrected. Matters of legal
// procedures, loops, doubles and danger to life are refused with what to do instead.
func (d *Desk) Offer(ctx context.Context, n NewOffer) (Offered, error) {
	about, known := d.About(n.Peer, "")
	if !known {
		return Offered{}, refuse(CodeNoPeer, "没有该单位的接口配置："+n.Peer, "no profile for party "+n.Peer)
	}
	if n.Mode == "" {
		n.Mode = "TICKET"
	}
	if n.Kind == "" {
		n.Kind = "offer"
	}
	var out Offered
	var refusal *Refusal
	var m *matter
	err := d.l.InTx(ctx, func(t *ledger.Tx) error {
		out, refusal, m = Offered{}, nil, nil
		c := n.Case
		c.Appeal.Attachments = slices.Clone(c.Appeal.Attachments) // the transaction may run again
		if c.ID == "" {
			c.ID = ticket.NewID()
		}
		out.CaseID = c.ID
		if r := d.before(t, n, c, about); r != nil {
			refusal = r
			if r.Code == CodeLegalPath {
				return d.tellLegalPath(t, c, n)
			}
			return nil
		}
		var err error
		if m, err = d.create(t, n, c, about); err != nil {
			return err
		}
		out.HandoffID, out.State = m.ID, m.State
		if err := m.keepFiles(n.Files); err != nil {
			return err
		}
		if faults := CheckCase(m.kase, about); len(faults) > 0 {
			refusal = refuse(ticket.CodeInvalid, fmt.Sprintf("有%d处需要修正，草稿已保存", len(faults)), "the case has faults; the draft is kept")
			refusal.Faults, refusal.Handoff = faults, m.ID
		} else if err := m.submit(n); err != nil {
			return err
		}
		out.State = m.State
		return m.save()
	})
	if err != nil {
		return Offered{}, err
	}
	d.woken(m)
	if refusal != nil {
		return out, refusal
	}
	return out, nil
}

func (m *matter) submit(n NewOffer) error {
	_, err := m.perform(deed{verb: "submit", role: ticket.Origin, party: m.d.cfg.Self, user: n.User, payload: ticket.Payload{Unit: n.Unit, Due: n.Due}, at: m.now})
	return err
}

// before are the rules that keep a matter from becoming a hand-off at all.
func (d *Desk) before(t *ledger.Tx, n NewOffer, c ticket.Case, about ticket.About) *Refusal {
	if text := LegalPath(c.Appeal.InProcedure); text != "" {
		return refuse(CodeLegalPath, text, "the matter belongs to a legal procedure ("+c.Appeal.InProcedure+"): tell the citizen the path, make no ticket")
	}
	if c.Appeal.Danger == "life" && n.Mode == "TICKET" {
		return refuse(CodeEmergency, "有生命危险：先拨打110、119或120，再补录工单", "danger to life: call 110, 119 or 120 first")
	}
	route, err := d.route(t, n)
	if err != nil {
		return refuse(ticket.CodeUnknownHandoff, "找不到上一环节工单", err.Error())
	}
	if slices.ContainsFunc(route, func(h ticket.Hop) bool { return h.Party == n.Peer }) {
		return refuse(ticket.CodeLoop, "该单位已经转过此件，不能再转回；应作退回处理", "the party is in the route already")
	}
	if len(route) > about.Policy.MaxHops {
		return refuse(ticket.CodeLoop, fmt.Sprintf("流转已达%d次上限", about.Policy.MaxHops), "the route is longer than allowed")
	}
	if r := d.excluded(t, n, c); r != nil {
		return r
	}
	return d.double(t, n, c, about)
}

// route so far, ourselves last.
func (d *Desk) route(t *ledger.Tx, n NewOffer) ([]ticket.Hop, error) {
	if n.Parent == "" {
		return []ticket.Hop{{Party: d.cfg.Self, At: d.Now(), Kind: "origin"}}, nil
	}
	parent, err := t.Handoff(n.Parent)
	if err != nil {
		return nil, err
	}
	route := slices.Clone(parent.Route)
	if len(route) == 0 || route[len(route)-1].Party != d.cfg.Self {
		route = append(route, ticket.Hop{Party: d.cfg.Self, Handoff: parent.ID, At: d.Now(), Kind: "offer"})
	}
	return route, nil
}

// excluded: a unit that returned the case as not its duty is not asked again.
func (d *Desk) excluded(t *ledger.Tx, n NewOffer, c ticket.Case) *Refusal {
	rows, err := t.Find(ledger.Filter{CaseID: c.ID, Peer: n.Peer})
	if err != nil || n.Case.ID == "" {
		return nil
	}
	for _, row := range rows {
		m, err := d.load(t, row.ID)
		if err != nil {
			return nil
		}
		if m.refusedDuty(n.Unit) {
			r := refuse(CodeExcluded, "该单位已以“非本单位职责”退回此件，须经裁定方可再派", "the unit returned this case as not its duty; only an arbiter may send it there again")
			r.Handoff = row.ID
			return r
		}
	}
	return nil
}

// refusedDuty tells whether a unit returned the matter as not its duty and nobody decided otherwise.
func (m *matter) refusedDuty(unit string) bool {
	at := ""
	out := false
	for _, e := range m.events {
		if e.Refused != "" || e.Late {
			continue
		}
		switch e.Verb {
		case "submit", "reoffer":
			at = e.Payload.Unit
		case "return_request":
			out = out || e.Payload.Reason == "R01" && at == unit && m.d.approved(m, e)
		case "arbitrate_keep":
			out = false
		}
	}
	return out
}

// approved tells whether a return that was asked for took place.
func (d *Desk) approved(m *matter, ask ticket.Event) bool {
	return slices.ContainsFunc(m.events, func(e ticket.Event) bool {
		return e.Round == ask.Round && e.To == ticket.Returned && e.Refused == "" && !e.RecordedAt.Before(ask.RecordedAt)
	})
}

// double finds the same matter, offered by the other side within the glare window.
func (d *Desk) double(t *ledger.Tx, n NewOffer, c ticket.Case, about ticket.About) *Refusal {
	key := matchKey(c.Appeal, c.Citizen, about.Policy)
	if key == "" || n.Parent != "" {
		return nil
	}
	rows, err := t.Find(ledger.Filter{Peer: n.Peer, MatchKey: key, Direction: ticket.In, Since: d.Now().Add(-about.Policy.GlareWithin)})
	if err != nil {
		return nil
	}
	for _, row := range rows {
		if !machine.Ended(row.State) {
			if err := t.Link(c.ID, "RELATED", row.ID, d.Now()); err != nil {
				return nil
			}
			r := refuse(CodeDouble, "对方已转来同一诉求（"+row.ID+"），请在该工单上办理", "the other side has offered the same matter: "+row.ID)
			r.Handoff = row.ID
			return r
		}
	}
	return nil
}

// tellLegalPath records that no ticket was made and why.
func (d *Desk) tellLegalPath(t *ledger.Tx, c ticket.Case, n NewOffer) error {
	now := d.Now()
	if err := t.PutCase(c, now); err != nil {
		return err
	}
	kind, to := "REGISTERED", c.Appeal.CaseNo
	if to == "" {
		to = c.Appeal.InProcedure
	}
	if err := t.Link(c.ID, kind, to, now); err != nil {
		return err
	}
	return t.OpenTask(n.Peer, c.ID, "tell_citizen", LegalPath(c.Appeal.InProcedure), now)
}

// create makes the hand-off in state DRAFT.
func (d *Desk) create(t *ledger.Tx, n NewOffer, c ticket.Case, about ticket.About) (*matter, error) {
	now := d.Now()
	id, err := t.NewID(d.cfg.Division, now)
	if err != nil {
		return nil, err
	}
	route, err := d.route(t, n)
	if err != nil {
		return nil, err
	}
	route = append(route, ticket.Hop{Party: n.Peer, Handoff: id, At: now, Kind: n.Kind})
	m := &matter{d: d, t: t, now: now, kase: c, about: about, Row: &ledger.Row{Urgency: c.Appeal.Urgency, MatchKey: matchKey(c.Appeal, c.Citizen, about.Policy),
		Handoff: ticket.Handoff{ID: id, CaseID: c.ID, Peer: n.Peer, Direction: ticket.Out, Origin: d.cfg.Self, Target: n.Peer, Unit: n.Unit, Round: 1, OriginNo: c.TicketNo,
			Parent: n.Parent, Route: route, Owner: d.cfg.Self, State: ticket.Draft, Mode: n.Mode, Voice: n.Voice, Profile: about.Profile}}}
	if err := t.PutCase(c, now); err != nil {
		return nil, err
	}
	if err := t.Create(m.Row, now); err != nil {
		return nil, err
	}
	if n.Parent != "" {
		if err := t.Link(id, "CHILD", n.Parent, now); err != nil {
			return nil, err
		}
	}
	return m, d.supersede(t, m)
}

// supersede links the hand-off to earlier ones of the case at other parties that came back.
func (d *Desk) supersede(t *ledger.Tx, m *matter) error {
	rows, err := t.Find(ledger.Filter{CaseID: m.CaseID})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.ID != m.ID && (row.State == ticket.Returned || row.State == ticket.Rejected) {
			if err := t.Link(m.ID, "SUPERSEDES", row.ID, m.now); err != nil {
				return err
			}
		}
	}
	return nil
}

// Submit sends a draft once its case is corrected; c replaces the case.
func (d *Desk) Submit(ctx context.Context, id, user string, c ticket.Case) error {
	return d.do(ctx, id, func(m *matter) error {
		c.ID = m.CaseID
		if faults := CheckCase(c, m.about); len(faults) > 0 {
			r := refuse(ticket.CodeInvalid, fmt.Sprintf("有%d处需要修正", len(faults)), "the case has faults")
			r.Faults = faults
			return r
		}
		if err := m.t.PutCase(c, m.now); err != nil {
			return err
		}
		m.kase, m.Urgency, m.MatchKey = c, c.Appeal.Urgency, matchKey(c.Appeal, c.Citizen, m.about.Policy)
		return m.submit(NewOffer{User: user, Unit: m.Unit})
	})
}

// fit makes an offer fit the peer's lengths without losing a character: what is too long becomes an attachment with the
// whole text, named by its hash, and a summary.
func (m *matter) fit(o *ticket.Offer) error {
	limit := m.about.Can.MaxContent
	if t := m.about.Can.MaxTitle; t > 0 && utf8.RuneCountInString(o.Appeal.Title) > t {
		o.Appeal.Content = o.Appeal.Title + "\n" + o.Appeal.Content
		o.Appeal.Title = string([]rune(o.Appeal.Title)[:t])
	}
	if limit == 0 || utf8.RuneCountInString(o.Appeal.Content) <= limit {
		return nil
	}
	whole := []byte(o.Appeal.Content)
	f := ticket.Attachment{ID: fmt.Sprintf("fulltext-%d", m.Round), Name: "全文.txt", MIME: "text/plain; charset=utf-8", Kind: "fulltext"}
	if err := m.keepFile(&f, whole); err != nil {
		return err
	}
	const tail = "……（全文见附件“全文.txt”）"
	keep := max(0, limit-utf8.RuneCountInString(tail))
	o.Appeal.Content = strings.TrimSpace(string([]rune(o.Appeal.Content)[:keep])) + tail
	o.Appeal.Overflow = true
	o.Appeal.Attachments = append(slices.Clone(o.Appeal.Attachments), f)
	return nil
}
