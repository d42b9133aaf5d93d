package desk

import (
	"context"
	"fmt"
	"slices"
	"time"

	"fayi/adapters/hotline/clock"
	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/ticket"
)

// Sweep does what time brings as of now: warnings and breaches of clocks, lapses of reviews and waits, the alarm of an
// unanswered emergency. It is to be called every few seconds; calling it twice does nothing twice.
func (d *Desk) Sweep(ctx context.Context) error {
	ripe, err := d.l.RipeClocks(ctx, d.Now())
	if err != nil {
		return err
	}
	for id := range handoffsOf(ripe) {
		if err := d.do(ctx, id, func(m *matter) error { return m.sweep() }); err != nil {
			return fmt.Errorf("sweep %s: %w", id, err)
		}
	}
	return d.lapses(ctx)
}

func (m *matter) sweep() error {
	old, err := m.t.Clocks(m.ID)
	if err != nil {
		return err
	}
	cal := m.d.Calendar()
	for _, c := range m.figures(cal, m.now) {
		i := slices.IndexFunc(old, func(o ledger.Clock) bool { return o.Round == c.Round && o.Figure.Rule.Clock == c.Figure.Rule.Clock })
		if i >= 0 {
			c.Warned = old[i].Warned
		}
		if err := m.warn(cal, c); err != nil {
			return err
		}
	}
	return nil
}

// Levels of warnings; 4 and 5 as clock.Figure has them.
const due = 4

func (m *matter) warn(cal *clock.Calendar, c ledger.Clock) error {
	f := c.Figure
	level := f.WarningLevel(cal)
	if f.Estimated {
		level = 1
	}
	which := f.Rule.Clock
	if level <= c.Warned || !f.Stop.IsZero() || which == emergencyClock && level < due {
		return nil
	}
	if (which == "C5" || which == "C5R") && level >= due && m.pending("ext_request") != nil {
		return nil // asked in time, not answered yet
	}
	if err := m.t.Warned(c, level); err != nil {
		return err
	}
	switch {
	case f.Estimated:
		return m.t.OpenTask(m.Peer, m.ID, "calendar_missing", which+" 期限为估算："+f.Why, m.now)
	case which == emergencyClock:
		return m.t.OpenTask(m.Peer, m.ID, "call_again", "60秒内无人接听或确认，请再次拨打", m.now)
	case level < due:
		return m.t.OpenTask(m.Peer, m.ID, fmt.Sprintf("warn_%s_%d", which, level), which+" 即将到期："+f.DueText, m.now)
	}
	if _, err := m.note(which, ticket.Payload{Text: "超过期限 " + f.DueText, Due: f.Due, Reason: "BREACH"}); err != nil {
		return err
	}
	return m.t.OpenTask(m.Peer, m.ID, "breach_"+which, which+" 已超期："+f.DueText, m.now)
}

// lapseEvery is how often lapses are looked for: none is shorter than hours.
const lapseEvery = time.Minute

// lapses are the states that end by time. Each hand-off is looked at without a lock first.
func (d *Desk) lapses(ctx context.Context) error {
	now := d.Now()
	d.mu.Lock()
	early := !d.lapsed.IsZero() && now.Sub(d.lapsed) < lapseEvery && !now.Before(d.lapsed)
	if !early {
		d.lapsed = now
	}
	d.mu.Unlock()
	if early {
		return nil
	}
	rows, err := d.l.Find(ctx, ledger.Filter{Direction: ticket.Out, // the origin's node decides about lapses
		States: []ticket.State{ticket.ReturnRequested, ticket.PendingInfo, ticket.Suspended, ticket.ResultSubmitted, ticket.Resolved}, Limit: 100_000})
	if err != nil {
		return err
	}
	for _, row := range rows {
		m := &matter{d: d, Row: &row, now: now}
		m.about, _ = d.About(row.Peer, row.Profile)
		if m.events, err = d.l.Events(ctx, row.ID); err != nil {
			return err
		}
		if m.kase, err = d.l.Case(ctx, row.CaseID); err != nil {
			return err
		}
		if verb, _ := m.lapse(); verb == "" {
			continue
		}
		err := d.do(ctx, row.ID, func(m *matter) error {
			verb, text := m.lapse()
			if verb == "" {
				return nil
			}
			_, err := m.perform(deed{verb: verb, role: ticket.System, party: d.cfg.Self, user: "node", payload: ticket.Payload{Text: text}})
			return err
		})
		if err != nil {
			return fmt.Errorf("lapse %s: %w", row.ID, err)
		}
	}
	return nil
}

// lapse is what time does to the hand-off as of now: a verb and why, "" for nothing.
func (m *matter) lapse() (ticket.Verb, string) {
	p, since := m.about.Policy, m.stateSince()
	over := func(days int) bool {
		day, err := m.d.Calendar().Add(clock.DayOf(since), days, false)
		return err == nil && m.now.After(day.At(24*time.Hour))
	}
	switch m.State {
	case ticket.ReturnRequested:
		if !m.within("C4R", since) && p.ReviewLapse == "approve" {
			return "return_approve", "退单审核逾期，按规则视为同意"
		} else if !m.within("C4R", since) && p.ReviewLapse == "arbitrate" {
			return "dispute", "退单审核逾期，按规则提请裁定"
		}
	case ticket.PendingInfo:
		if over(p.InfoWaitWD) {
			return "info_timeout", "等待补充到期"
		}
	case ticket.Suspended:
		if e := m.last("suspend_grant"); e != nil {
			if until, err := clock.ParseDay(e.Payload.Until); err == nil && m.now.After(until.At(24*time.Hour)) {
				return "resume", "挂起到期"
			}
		}
	case ticket.ResultSubmitted:
		if over(p.ResultReviewWD) {
			return "result_accept", "审核逾期，视为通过"
		}
	case ticket.Resolved:
		return m.lapseResolved()
	}
	return "", ""
}

// lapseResolved closes after enough failed calls in at least two parts of the day, or when the window to reopen is over.
func (m *matter) lapseResolved() (ticket.Verb, string) {
	var failed int
	parts := map[int]bool{}
	for _, e := range m.events {
		if e.Verb == "callback" && e.Round == m.Round && e.Refused == "" && e.Payload.Satisfaction != nil && e.Payload.Satisfaction.Result == 8 {
			failed++
			parts[e.RecordedAt.In(clock.Zone).Hour()/12] = true
		}
	}
	switch {
	case failed >= m.about.Policy.CallbackAttempts && len(parts) >= 2:
		return "close", "多次回访无法联系"
	case m.now.After(m.stateSince().AddDate(0, 0, m.about.Policy.ReopenWithin)):
		return "close", "重办期限届满"
	}
	return "", ""
}
