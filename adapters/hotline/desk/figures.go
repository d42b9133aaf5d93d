package desk

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"fayi/adapters/hotline/clock"
	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/ticket"
)

// name of a clock in a round; the citizen's clock has round 0, since it crosses rounds.
type name struct {
	round int
	clock string
}

// tape collects the facts of a hand-off's clocks while its events pass.
type tape struct {
	m     *matter
	facts map[name]*clock.Facts
	asked map[string]time.Time // request events → when they were made
}

func (t *tape) start(n name, e ticket.Event, at, peer time.Time) {
	if f := t.facts[n]; f == nil {
		t.facts[n] = &clock.Facts{StartEvent: e.ID, Start: at, PeerStart: peer}
	}
}

func (t *tape) stop(n name, e ticket.Event) {
	f := t.facts[n]
	if f == nil || !f.Stop.IsZero() {
		return
	}
	f.StopEvent, f.Stop, f.Inferred = e.ID, e.RecordedAt, e.Inferred
	if e.Source == "REMOTE" {
		f.PeerStop = e.OccurredAt
	}
	t.resume(n, e.RecordedAt)
}

func (t *tape) restart(n name) {
	if f := t.facts[n]; f != nil {
		f.StopEvent, f.Stop, f.PeerStop, f.Inferred = "", time.Time{}, time.Time{}, false
	}
}

func (t *tape) pause(n name, e ticket.Event, at time.Time) {
	if f := t.facts[n]; f != nil && f.Stop.IsZero() {
		f.Pauses = append(f.Pauses, clock.Pause{From: at, Event: e.ID})
	}
}

func (t *tape) resume(n name, at time.Time) {
	if f := t.facts[n]; f != nil && len(f.Pauses) > 0 {
		if p := &f.Pauses[len(f.Pauses)-1]; p.To.IsZero() {
			p.To = at
		}
	}
}

// handle is the clock of handling in a round.
func (t *tape) handle(round int) name {
	if n := (name{round, "C5R"}); t.facts[n] != nil {
		return n
	}
	return name{round, "C5"}
}

// figures computes every clock of the hand-off from its events. Nothing else goes in: the same events, rules and calendar
// give the same figures.
func (m *matter) figures(cal *clock.Calendar, now time.Time) []ledger.Clock {
	t := &tape{m: m, facts: map[name]*clock.Facts{}, asked: map[string]time.Time{}}
	for _, e := range m.events {
		if e.Refused != "" || e.Late {
			continue
		}
		t.pass(e)
	}
	var out []ledger.Clock
	for n, f := range t.facts {
		rule, ok := m.rule(n.clock, f.Start)
		if !ok {
			continue
		}
		out = append(out, ledger.Clock{Handoff: m.ID, Round: n.round, Figure: clock.Compute(cal, m.about.Policy.Hours, rule, *f, now)})
	}
	slices.SortFunc(out, func(a, b ledger.Clock) int {
		return cmp.Or(cmp.Compare(a.Round, b.Round), strings.Compare(a.Figure.Rule.Clock, b.Figure.Rule.Clock))
	})
	return out
}

// emergencyClock is the receipt clock of an emergency notice: 60 seconds [INFER].
const emergencyClock = "E1"

var emergencyRule = clock.Rule{ID: "e1", Version: "default@1", Clock: emergencyClock, Limit: clock.Limit{For: time.Minute}}

// rule is the limit for a clock of this matter.
func (m *matter) rule(c string, start time.Time) (clock.Rule, bool) {
	if c == emergencyClock {
		return emergencyRule, true
	}
	a := m.kase.Appeal
	q := clock.Question{Clock: c, Party: m.Peer, Type: a.AppealType, Urgency: a.Urgency, Danger: a.Danger, Start: start}
	if a.Sensitivity != "" {
		q.Tags = strings.Split(a.Sensitivity, ",")
	}
	rules := append(slices.Clone(m.about.Clocks), clock.Defaults()...)
	r, ok := rules.Find(q)
	if r.MaxPause == 0 {
		r.MaxPause = m.about.Policy.MaxPauseWD
	}
	return r, ok
}

func (t *tape) pass(e ticket.Event) {
	round, at := e.Round, e.RecordedAt
	if e.Seq == 1 && len(t.facts) == 0 {
		t.start(name{0, "C0"}, e, t.m.kase.Appeal.ReceivedAt, time.Time{})
	}
	if e.From == ticket.Offered && e.To != ticket.Offered {
		t.stop(name{round, "C2"}, e)
	}
	if e.From == ticket.ReturnRequested && e.To != ticket.ReturnRequested {
		t.stop(name{round, "C4R"}, e)
	}
	if e.From == ticket.Accepted && (e.To == ticket.InProgress || e.To == ticket.ResultSubmitted) {
		t.stop(name{round, "C3"}, e)
	}
	switch {
	case e.Verb == "submit":
		if t.m.Mode == "NOTICE" {
			t.start(name{round, emergencyClock}, e, at, time.Time{})
			return
		}
		t.start(name{round, "C1"}, e, t.m.kase.Appeal.ReceivedAt, time.Time{})
	case e.Verb == "reoffer":
		t.start(name{round, "C1"}, e, at, time.Time{})
	case e.To == ticket.Offered && e.From != ticket.Offered && e.Verb != "withdraw_refuse":
		t.offered(e)
	case e.Verb == "accept":
		t.start(name{round, "C3"}, e, at, peerTime(e))
	case e.Verb == "return_request":
		t.start(name{round, "C4R"}, e, at, peerTime(e))
	case e.Verb == "dispute":
		t.start(name{round, "C7"}, e, at, time.Time{})
	case e.Verb == "arbitrate_keep":
		t.stop(name{round, "C7"}, e)
		if f := t.facts[t.handle(round)]; f != nil && !e.Payload.Due.IsZero() {
			f.Decided = e.Payload.Due
		}
	case e.Verb == "split":
		t.restart(t.handle(round))
	}
	t.handling(e)
	switch e.To {
	case ticket.Returned, ticket.Rejected, ticket.Withdrawn, ticket.Transferred, ticket.Merged, ticket.Cancelled:
		if e.From == e.To {
			break
		}
		for _, c := range []string{"C1", "C2", "C3", "C7"} {
			t.stop(name{round, c}, e)
		}
		t.stop(t.handle(round), e)
		if e.To == ticket.Returned || e.To == ticket.Rejected {
			t.start(name{round, "C8"}, e, at, time.Time{})
		}
		if e.To != ticket.Returned && e.To != ticket.Rejected && e.To != ticket.Merged {
			t.stop(name{0, "C0"}, e)
		}
	case ticket.Closed:
		t.stop(name{0, "C0"}, e)
		t.stop(name{round, "C6"}, e)
	}
}

func (t *tape) offered(e ticket.Event) {
	t.stop(name{e.Round, "C1"}, e)
	t.stop(name{e.Round, emergencyClock}, e)
	if t.m.Mode == "NOTICE" {
		return
	}
	start, peer := e.RecordedAt, e.Payload.PeerTime
	if skew := peer.Sub(start); !peer.IsZero() && skew.Abs() <= t.m.about.Policy.MaxSkew {
		start = peer
	}
	t.start(name{e.Round, "C2"}, e, start, peer)
	if e.Verb == "reopen" {
		t.restart(name{0, "C0"})
		t.start(name{e.Round, "C5R"}, e, start, peer)
		return
	}
	t.start(name{e.Round, "C5"}, e, start, peer)
}

func peerTime(e ticket.Event) time.Time {
	if e.Source == "REMOTE" {
		return e.OccurredAt
	}
	return time.Time{}
}

// handling is what moves the clock of handling between offer and result.
func (t *tape) handling(e ticket.Event) {
	n, at := t.handle(e.Round), e.RecordedAt
	switch e.Verb {
	case "result":
		t.stop(n, e)
		t.start(name{e.Round, "C6"}, e, at, peerTime(e))
	case "result_refuse":
		t.restart(n)
		delete(t.facts, name{e.Round, "C6"})
		t.atLeastOneDay(n, at)
	case "callback":
		t.stop(name{e.Round, "C6"}, e)
		if s := e.Payload.Satisfaction; s != nil && s.Result != 8 {
			t.stop(name{0, "C0"}, e)
		}
	case "info_request":
		if t.m.about.Policy.PauseOnInfo {
			t.pause(n, e, at)
		}
	case "info_reply", "info_timeout", "resume":
		t.resume(n, at)
	case "suspend_grant":
		t.pause(n, e, cmp.Or(e.Payload.Effective, at))
	case "ext_request":
		t.asked[e.ID] = at
	case "ext_grant":
		if f := t.facts[n]; f != nil {
			when, ok := t.asked[e.CausedBy] // a request in time is granted in time, whenever the grant comes
			if !ok {
				when = at
			}
			f.Extensions = append(f.Extensions, clock.Extension{Days: e.Payload.Days, At: when, Event: e.ID})
		}
		if !e.Payload.CitizenTold {
			t.start(name{e.Round, "C8"}, e, at, time.Time{})
		}
	case "note":
		if e.Payload.CitizenTold {
			t.stop(name{e.Round, "C8"}, e)
		}
		if f := t.facts[n]; f != nil && e.Clock == "merge" && !e.Payload.Due.IsZero() {
			f.Decided = e.Payload.Due
		}
	}
}

// atLeastOneDay leaves a working day to do over a refused result.
func (t *tape) atLeastOneDay(n name, at time.Time) {
	f := t.facts[n]
	if f == nil {
		return
	}
	rule, ok := t.m.rule(n.clock, f.Start)
	if !ok {
		return
	}
	now := clock.Compute(t.m.d.Calendar(), t.m.about.Policy.Hours, rule, *f, at)
	day, err := t.m.d.Calendar().Add(clock.DayOf(at), 1, false)
	if least := day.At(24 * time.Hour); err == nil && now.Due.Before(least) && now.Breach == nil {
		f.Decided = least
	}
}

// SetCalendar puts a new calendar in force and computes all open clocks with it. Every due time that changes becomes an
// event with the old and the new one. It returns the number of clocks that changed.
func (d *Desk) SetCalendar(ctx context.Context, cal *clock.Calendar) (changed int, err error) {
	d.mu.Lock()
	d.calendar = cal
	d.mu.Unlock()
	open, err := d.l.OpenClocks(ctx)
	if err != nil {
		return 0, err
	}
	for id := range handoffsOf(open) {
		var n int
		err := d.do(ctx, id, func(m *matter) error {
			n = 0
			old, err := m.t.Clocks(id)
			if err != nil {
				return err
			}
			for _, c := range m.figures(cal, m.now) {
				i := slices.IndexFunc(old, func(o ledger.Clock) bool {
					return o.Round == c.Round && o.Figure.Rule.Clock == c.Figure.Rule.Clock
				})
				if i < 0 || old[i].Figure.Due.Equal(c.Figure.Due) && old[i].Figure.Estimated == c.Figure.Estimated {
					continue
				}
				n++
				if _, err := m.note(c.Figure.Rule.Clock, ticket.Payload{Text: "日历更新，期限重新计算", Due: c.Figure.Due, OldDue: old[i].Figure.Due}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return changed, err
		}
		changed += n
	}
	return changed, nil
}

func handoffsOf(list []ledger.Clock) map[string][]ledger.Clock {
	out := map[string][]ledger.Clock{}
	for _, c := range list {
		out[c.Handoff] = append(out[c.Handoff], c)
	}
	return out
}

// Figures are the clocks of a hand-off as of now.
func (d *Desk) Figures(ctx context.Context, id string) (out []ledger.Clock, err error) {
	err = d.l.InTx(ctx, func(t *ledger.Tx) error {
		m, err := d.load(t, id)
		if err != nil {
			return err
		}
		out = m.figures(d.Calendar(), m.now)
		return nil
	})
	return out, err
}
