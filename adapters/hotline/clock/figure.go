package clock

import (
	"errors"
	"slices"
	"time"
)

// States of a clock.
const (
	Running  = "running"
	Paused   = "paused"
	Stopped  = "stopped"
	Breached = "breached"         // running, or stopped after it was due
	Missing  = "CALENDAR_MISSING" // due is an estimate; neither in time nor late
)

// Pause is a time in which a clock stood. To is zero while it stands.
type Pause struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to,omitzero"`
	Event string    `json:"event"`
}

// Extension is time added to the due date.
type Extension struct {
	Days  int       `json:"days"`
	At    time.Time `json:"at"` // of the grant
	Event string    `json:"event"`
}

// Facts are what happened to a clock.
type Facts struct {
	StartEvent string      `json:"startEvent"`
	Start      time.Time   `json:"start"`
	Pauses     []Pause     `json:"pauses,omitempty"`
	Extensions []Extension `json:"extensions,omitempty"`
	StopEvent  string      `json:"stopEvent,omitempty"`
	Stop       time.Time   `json:"stop,omitzero"`
	Decided    time.Time   `json:"decidedDue,omitzero"`    // a due time set by an arbiter, a merge or a refused result
	Inferred   bool        `json:"stopInferred,omitempty"` // the stop was concluded from a later state: no evidence of being in time
	// PeerStart and PeerStop are the other side's statements of the same moments.
	PeerStart time.Time `json:"peerStart,omitzero"`
	PeerStop  time.Time `json:"peerStop,omitzero"`
}

// Breach tells by which clock a limit was missed, and how far the two sides' clocks are apart.
type Breach struct {
	At      time.Time `json:"breachedAt"`   // the due time that was missed; a later extension does not change it
	Peer    bool      `json:"byPeersClock"` // late by the peer's statement too
	PeerDue time.Time `json:"peerDue,omitzero"`
	Differ  int64     `json:"differenceSeconds"` // our stop less the peer's
	Late    bool      `json:"extendedLate,omitempty"`
}

// Figure is a clock with all it was computed from. A third person with the calendar named gets the same from
// [Figure.Recompute].
type Figure struct {
	Facts
	Rule      Rule      `json:"rule"`
	Calendar  string    `json:"calendar"`
	Hours     Hours     `json:"hours,omitzero"` // where the rule counts in business hours
	AsOf      time.Time `json:"asOf"`
	Base      time.Time `json:"baseDue"` // before pauses and extensions
	Due       time.Time `json:"due"`
	DueText   string    `json:"dueText"` // as people read it, 2026-10-12 24:00
	ShiftWD   int       `json:"shiftWD,omitempty"`
	State     string    `json:"state"`
	Breach    *Breach   `json:"breach,omitempty"`
	Estimated bool      `json:"estimated,omitempty"`
	Why       string    `json:"why,omitempty"` // what is missing
}

// Compute is the state of a clock as of a moment. It never fails: what cannot be known is [Missing].
func Compute(c *Calendar, h Hours, r Rule, f Facts, asOf time.Time) Figure {
	fig := Figure{Facts: f, Rule: r, Calendar: c.Version, AsOf: asOf}
	if r.Business {
		fig.Hours = h
	}
	note := func(err error) {
		if err != nil && !fig.Estimated {
			fig.Estimated, fig.Why = true, err.Error()
		}
	}
	var err error
	fig.Base, err = base(c, h, r, f.Start)
	note(err)
	fig.Due = fig.Base
	end := f.Stop
	if end.IsZero() {
		end = asOf
	}
	fig.shift(c, h, end, note)
	granted := fig.Due
	lateDue := time.Time{} // the due time that had passed when an extension came
	for _, x := range f.Extensions {
		if x.At.After(granted) && lateDue.IsZero() {
			lateDue = granted
		}
		granted, err = moveDays(c, granted, r, x.Days)
		note(err)
	}
	fig.Due = granted
	if !f.Decided.IsZero() {
		fig.Due, fig.Estimated, fig.Why = f.Decided, false, ""
	}
	fig.DueText = dueText(fig.Due)
	fig.judge(c, h, end, lateDue)
	return fig
}

func (fig *Figure) judge(c *Calendar, h Hours, end, lateDue time.Time) {
	fig.State = Running
	switch {
	case !fig.Stop.IsZero():
		fig.State = Stopped
	case len(fig.Pauses) > 0 && fig.Pauses[len(fig.Pauses)-1].To.IsZero():
		fig.State = Paused
	}
	if fig.Estimated {
		fig.State = Missing
		return
	}
	missed := time.Time{}
	if !lateDue.IsZero() {
		missed = lateDue
	} else if end.After(fig.Due) && fig.State != Paused {
		missed = fig.Due
	}
	if missed.IsZero() {
		return
	}
	fig.State = Breached
	b := &Breach{At: missed, Late: !lateDue.IsZero()}
	if !fig.PeerStop.IsZero() && !fig.Stop.IsZero() {
		b.Differ = int64(fig.Stop.Sub(fig.PeerStop) / time.Second)
	}
	start, stop := fig.PeerStart, fig.PeerStop
	if start.IsZero() {
		start = fig.Start
	}
	if stop.IsZero() {
		stop = end
	}
	theirs := fig.Facts
	theirs.Start, theirs.Stop, theirs.PeerStart, theirs.PeerStop = start, stop, time.Time{}, time.Time{}
	if !fig.PeerStart.IsZero() || !fig.PeerStop.IsZero() {
		peer := Compute(c, h, fig.Rule, theirs, fig.AsOf)
		b.PeerDue, b.Peer = peer.Due, peer.State == Breached
	} else {
		b.PeerDue, b.Peer = fig.Due, true
	}
	fig.Breach = b
}

// Recompute does the counting again from what the figure carries.
func (fig Figure) Recompute(c *Calendar) (Figure, error) {
	if c.Version != fig.Calendar {
		return Figure{}, errors.New("clock: the figure was computed with calendar " + fig.Calendar)
	}
	return Compute(c, fig.Hours, fig.Rule, fig.Facts, fig.AsOf), nil
}

func base(c *Calendar, h Hours, r Rule, start time.Time) (time.Time, error) {
	if r.Limit.For > 0 {
		if r.Business {
			return c.AddHours(h, start, r.Limit.For)
		}
		return start.Add(r.Limit.For), nil
	}
	day := DayOf(start)
	if cut, err := ParseClock(r.Cutoff); err == nil && start.After(day.At(cut)) {
		day = day.Add(1)
	}
	due, err := c.Add(day, r.Limit.Days, r.CountStart)
	return due.At(r.end()), err
}

func (r Rule) end() time.Duration {
	if end, err := ParseClock(r.EndOfDay); err == nil {
		return end
	}
	return 24 * time.Hour
}

// dayOfDue is the day a due time belongs to: 24:00 of the 12th is the 12th.
func dayOfDue(t time.Time) Day { return DayOf(t.Add(-time.Nanosecond)) }

func moveDays(c *Calendar, due time.Time, r Rule, days int) (time.Time, error) {
	if days == 0 {
		return due, nil
	}
	d, err := c.Add(dayOfDue(due), days, false)
	return d.At(r.end()), err
}

// shift moves the due time by the pauses. A pause that lasts counts up to end.
func (fig *Figure) shift(c *Calendar, h Hours, end time.Time, note func(error)) {
	var last time.Time // pauses that overlap count once
	var natural time.Duration
	for _, p := range fig.Pauses {
		from, to := p.From, p.To
		if to.IsZero() {
			to = end
		}
		if from.Before(last) {
			from = last
		}
		if !to.After(from) {
			continue
		}
		last = to
		if fig.Rule.Limit.For == 0 {
			n, err := c.Between(DayOf(from), DayOf(to))
			note(err)
			fig.ShiftWD += n
		} else if fig.Rule.Business {
			b, err := c.HoursBetween(h, from, to)
			note(err)
			natural += b
		} else {
			natural += to.Sub(from)
		}
	}
	if fig.Rule.MaxPause > 0 {
		fig.ShiftWD = min(fig.ShiftWD, fig.Rule.MaxPause)
	}
	var err error
	switch {
	case fig.Rule.Limit.For == 0:
		fig.Due, err = moveDays(c, fig.Due, fig.Rule, fig.ShiftWD)
	case fig.Rule.Business:
		fig.Due, err = c.AddHours(h, fig.Due, natural)
	default:
		fig.Due = fig.Due.Add(natural)
	}
	note(err)
}

func dueText(t time.Time) string {
	t = t.In(Zone)
	if t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 {
		return t.AddDate(0, 0, -1).Format(layout) + " 24:00"
	}
	return t.Format(layout + " 15:04")
}

// OnTime tells whether a stopped clock stopped in time; known is false where it still runs or cannot be known. A stop
// that was only inferred is not evidence of being in time.
func (fig Figure) OnTime() (ontime, known bool) {
	if fig.Estimated || fig.Stop.IsZero() && fig.State != Breached {
		return false, false
	}
	return fig.Breach == nil && !fig.Inferred, true
}

// WarningLevel is how near a running clock is to its due time: 0 calm, 1 half used, 2 four fifths used, 3 the last
// working day, 4 due, 5 a working day over.
func (fig Figure) WarningLevel(c *Calendar) int {
	if fig.State == Stopped || fig.State == Paused || !fig.Stop.IsZero() {
		return 0
	}
	now := fig.AsOf
	if now.After(fig.Due) {
		if n, _ := c.Between(dayOfDue(fig.Due), DayOf(now)); n > 1 {
			return 5
		}
		return 4
	}
	used := now.Sub(fig.Start).Seconds() / fig.Due.Sub(fig.Start).Seconds()
	if n, _ := c.Between(DayOf(now), dayOfDue(fig.Due)); fig.Rule.Limit.For == 0 && n <= 1 && fig.Rule.Limit.Days > 1 {
		return 3
	}
	switch {
	case used >= 0.8:
		return 2
	case used >= 0.5:
		return 1
	}
	return 0
}

// NextLook is when a running clock will next have a warning above a level, the zero time where it never will: nobody has
// to look at it before.
func (fig Figure) NextLook(c *Calendar, level int) time.Time {
	if !fig.Stop.IsZero() || fig.State == Paused {
		return time.Time{}
	}
	span := fig.Due.Sub(fig.Start)
	moments := []time.Time{fig.Start, fig.Start.Add(span / 2), fig.Start.Add(span / 10 * 8).Add(time.Second)}
	day := dayOfDue(fig.Due)
	for i := 1; i < 30; i++ { // the last working day before the due day
		if d := day.Add(-i); d != "" {
			if working, _ := c.Working(d); working {
				moments = append(moments, d.At(0))
				break
			}
		}
	}
	moments = append(moments, fig.Due.Add(time.Nanosecond))
	if next, _ := c.Add(day, 2, false); next != "" {
		moments = append(moments, next.At(0))
	}
	slices.SortFunc(moments, time.Time.Compare)
	for _, m := range moments {
		f := fig
		f.AsOf = m
		if !m.Before(fig.Start) && f.WarningLevel(c) > level {
			return m
		}
	}
	return time.Time{}
}
