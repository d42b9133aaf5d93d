package desk

import (
	"fmt"
	"slices"
	"time"

	"fayi/adapters/hotline/clock"
	"fayi/adapters/hotline/machine"
	"fayi/adapters/hotline/ticket"
)

// guard is every rule that needs the history of a hand-off. It may complete the deed (times of grants); nil = allowed.
func (m *matter) guard(w *deed) *Refusal {
	if _, _, err := machine.Next(m.State, m.Previous, w.verb, w.role); err != nil {
		return conflict(err)
	}
	switch w.verb {
	case "return_request":
		return m.guardReturn(w)
	case "reoffer":
		return m.guardReoffer(w)
	case "dispute":
		if m.State == ticket.Returned || m.State == ticket.Rejected {
			if !m.within("C4R", m.stateSince()) {
				return refuse(ticket.CodeGuard, "已超过争议提出时限", "the time to dispute is over")
			}
		}
	case "ext_request":
		return m.guardExtension(w)
	case "ext_grant", "ext_refuse":
		return m.guardGrant(w, "ext_request")
	case "suspend_grant", "suspend_refuse":
		return m.guardGrant(w, "suspend_request")
	case "reopen":
		return m.guardReopen(w)
	case "urge":
		return m.guardUrge(w)
	case "onward_handover", "onward_relay":
		if slices.ContainsFunc(m.Route, func(h ticket.Hop) bool { return h.Party == w.payload.Party }) {
			return refuse(ticket.CodeLoop, "该单位已在流转路径中", "the party is in the route already")
		}
	case "merge":
		return m.guardMerge(w)
	}
	return nil
}

// stateSince is when the present state was reached.
func (m *matter) stateSince() time.Time {
	for i := len(m.events) - 1; i >= 0; i-- {
		if e := m.events[i]; e.From != e.To && e.Refused == "" && !e.Late {
			return e.RecordedAt
		}
	}
	return m.Created
}

// within tells whether now is inside the limit of a clock that started at start. What the calendar does not know is
// inside.
func (m *matter) within(name string, start time.Time) bool {
	rule, ok := m.rule(name, start)
	if !ok {
		return true
	}
	f := clock.Compute(m.d.Calendar(), m.about.Policy.Hours, rule, clock.Facts{Start: start}, m.now)
	return f.Estimated || !m.now.After(f.Due)
}

func (m *matter) guardReturn(w *deed) *Refusal {
	reason, _ := machine.ReturnReason(w.payload.Reason)
	if reason.Again == "arbitrate" {
		return m.toArbitration(w, ticket.CodeReturnRefused, "责任交叉不适用退单，已提请裁定", "overlapping duties are arbitrated, not returned")
	}
	if e := m.last("arbitrate_keep"); e != nil && reason.Again != "yes" {
		return refuse(ticket.CodeReturnExhausted, "已裁定由该单位办理，不得再以同一理由退单", "decided by the arbiter: no further return")
	}
	if reason.Again == "no" || reason.Again == "new_info" {
		if refused := m.refusedBefore(w.payload.Reason); !refused.IsZero() {
			fresh := slices.ContainsFunc(m.events, func(e ticket.Event) bool {
				return (e.Verb == "supplement" || e.Verb == "info_reply") && e.RecordedAt.After(refused)
			})
			if reason.Again == "no" || !fresh {
				return m.toArbitration(w, ticket.CodeReturnRefused, "同一理由的退单已被拒绝，已提请裁定", "the same ground was refused before; sent to arbitration")
			}
		}
	}
	returned := m.count(func(e ticket.Event) bool { return e.To == ticket.Returned && e.From != ticket.Returned })
	if returned >= m.about.Policy.MaxReturnsPerTarget || m.returnsOfCase() >= m.about.Policy.MaxReturnsTotal {
		return m.toArbitration(w, ticket.CodeReturnExhausted, "退单次数已达上限，已提请裁定", "the limit of returns is reached; sent to arbitration")
	}
	if e := m.offered(); reason.When == "C4" && e != nil && !m.within("C4", e.RecordedAt) {
		return refuse(ticket.CodeGuard, "已超过退单时限", "the return window is over")
	}
	return nil
}

// toArbitration is a refusal that opens arbitration beside it; [matter.remote] and [Desk.Act] carry it out.
func (m *matter) toArbitration(w *deed, code, zh, en string) *Refusal {
	r := refuse(code, zh, en)
	if _, _, err := machine.Next(m.State, m.Previous, "dispute", ticket.System); err == nil && w.remote {
		r.State = ticket.Arbitration
	}
	return r
}

// refusedBefore is when a return with this reason was refused, zero if never.
func (m *matter) refusedBefore(reason string) time.Time {
	asked := false
	for _, e := range m.events {
		switch {
		case e.Refused != "" || e.Late:
		case e.Verb == "return_request":
			asked = e.Payload.Reason == reason
		case e.Verb == "return_refuse" && asked:
			return e.RecordedAt
		}
	}
	return time.Time{}
}

func (m *matter) offered() *ticket.Event {
	for i := len(m.events) - 1; i >= 0; i-- {
		if e := &m.events[i]; e.To == ticket.Offered && e.From != ticket.Offered {
			return e
		}
	}
	return nil
}

// returnsOfCase counts the returns of all hand-offs of the case.
func (m *matter) returnsOfCase() int {
	n := m.count(func(e ticket.Event) bool { return e.To == ticket.Returned && e.From != ticket.Returned })
	links, err := m.t.CaseHandoffs(m.CaseID)
	if err != nil {
		return n
	}
	for _, id := range links {
		if id == m.ID {
			continue
		}
		events, err := m.t.Events(id)
		if err != nil {
			continue
		}
		for _, e := range events {
			if e.To == ticket.Returned && e.From != ticket.Returned && e.Refused == "" {
				n++
			}
		}
	}
	return n
}

func (m *matter) guardReoffer(w *deed) *Refusal {
	if m.returnsOfCase() >= m.about.Policy.MaxReturnsTotal && m.last("arbitrate_return") == nil {
		return refuse(ticket.CodeReturnExhausted, "退单次数已达上限，须先提请裁定", "the limit of returns is reached; ask the arbiter")
	}
	if m.refusedDuty(w.payload.Unit) && m.Direction == ticket.Out {
		return refuse(CodeExcluded, "该单位已以“非本单位职责”退回此件，请改派其建议的单位或提请裁定", "the unit returned it as not its duty; name another one")
	}
	return nil
}

func (m *matter) guardExtension(w *deed) *Refusal {
	p := m.about.Policy
	granted := m.count(func(e ticket.Event) bool { return e.Verb == "ext_grant" && e.Round == m.Round })
	fig, ok := m.handling()
	switch {
	case granted >= p.MaxExtensions:
		return refuse(ticket.CodeGuard, fmt.Sprintf("最多延期%d次", p.MaxExtensions), "no more extensions")
	case w.payload.Days > p.MaxExtensionDays:
		return refuse(ticket.CodeGuard, fmt.Sprintf("延期最多%d个工作日", p.MaxExtensionDays), "the extension is too long")
	case !ok || fig.Estimated:
		return nil
	}
	day := clock.DayOf(fig.Due.Add(-time.Nanosecond))
	cut, err := clock.ParseClock(p.ExtensionCutoff)
	if err != nil {
		cut = 24 * time.Hour
	}
	if m.now.After(day.At(cut)) {
		return refuse(ticket.CodeExtensionLate, "延期申请须在到期日"+p.ExtensionCutoff+"前提出", "an extension must be asked for before "+p.ExtensionCutoff+" of the due day")
	}
	return nil
}

// handling is the running figure of handling (or redo) in the present round.
func (m *matter) handling() (clock.Figure, bool) {
	for _, c := range m.figures(m.d.Calendar(), m.now) {
		if c.Round == m.Round && (c.Figure.Rule.Clock == "C5" || c.Figure.Rule.Clock == "C5R") {
			return c.Figure, true
		}
	}
	return clock.Figure{}, false
}

// pending is the newest request that was not answered yet.
func (m *matter) pending(request ticket.Verb) *ticket.Event {
	answers := map[ticket.Verb][]ticket.Verb{"ext_request": {"ext_grant", "ext_refuse"}, "suspend_request": {"suspend_grant", "suspend_refuse"}}[request]
	for i := len(m.events) - 1; i >= 0; i-- {
		e := &m.events[i]
		if e.Refused != "" || e.Late {
			continue
		}
		if slices.Contains(answers, e.Verb) {
			return nil
		}
		if e.Verb == request {
			return e
		}
	}
	return nil
}

func (m *matter) guardGrant(w *deed, request ticket.Verb) *Refusal {
	ask := m.pending(request)
	if ask == nil {
		return refuse(ticket.CodeGuard, "没有待答复的申请", "nothing was asked for")
	}
	w.causedBy = ask.ID
	switch w.verb {
	case "ext_grant":
		if w.payload.Days == 0 {
			w.payload.Days = ask.Payload.Days
		}
		if w.payload.Days > ask.Payload.Days {
			return refuse(ticket.CodeGuard, "准予延期不得长于申请", "more was granted than asked for")
		}
	case "suspend_grant":
		if w.payload.Effective.IsZero() {
			w.payload.Effective = m.now
		}
		if clock.DayOf(w.payload.Effective) < clock.DayOf(m.now) {
			return refuse(ticket.CodeBackdated, "挂起不得倒签，只能自准予之日起", "a suspension cannot begin before it is granted")
		}
	}
	return nil
}

func (m *matter) guardReopen(w *deed) *Refusal {
	p := m.about.Policy
	if n := m.count(func(e ticket.Event) bool { return e.Verb == "reopen" }); n >= p.MaxRedo {
		return refuse(ticket.CodeGuard, fmt.Sprintf("重办最多%d次", p.MaxRedo), "no more redos")
	}
	for i := len(m.events) - 1; i >= 0; i-- {
		if e := m.events[i]; e.To == ticket.Resolved && e.From != ticket.Resolved {
			if m.now.After(e.RecordedAt.AddDate(0, 0, p.ReopenWithin)) {
				return refuse(ticket.CodeGuard, fmt.Sprintf("已超过办结后%d日的重办期限", p.ReopenWithin), "the time to reopen is over")
			}
			break
		}
	}
	if cb := m.last("callback"); cb == nil || cb.Payload.Satisfaction == nil || cb.Payload.Satisfaction.Result > 2 {
		if !w.remote {
			return refuse(ticket.CodeGuard, "重办须有不满意的回访记录", "a redo needs a callback that was not satisfied")
		}
	}
	return nil
}

func (m *matter) guardUrge(w *deed) *Refusal {
	today := clock.DayOf(m.now)
	n := m.count(func(e ticket.Event) bool { return e.Verb == "urge" && clock.DayOf(e.RecordedAt) == today })
	if n >= m.about.Policy.UrgePerWD {
		return refuse(ticket.CodeGuard, fmt.Sprintf("每个工作日最多催办%d次", m.about.Policy.UrgePerWD), "urged already today")
	}
	return nil
}

func (m *matter) guardMerge(w *deed) *Refusal {
	master, err := m.t.Handoff(w.payload.EarlierNo)
	if err != nil {
		return nil // a number of the peer's own; the peer answers for it
	}
	if machine.Ended(master.State) || master.ID == m.ID || master.Peer != m.Peer || master.Direction != m.Direction {
		return refuse(ticket.CodeGuard, "主单不存在、已结束或不属于同一方", "the master is not open at the same party")
	}
	return nil
}
