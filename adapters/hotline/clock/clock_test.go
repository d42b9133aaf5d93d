package clock

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func at(t testing.TB, s string) time.Time {
	t.Helper()
	for _, l := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", layout} {
		if v, err := time.ParseInLocation(l, s, Zone); err == nil {
			return v
		}
	}
	t.Fatalf("no time: %s", s)
	return time.Time{}
}

func days(n int) Rule { return Rule{ID: "t", Clock: "C5", Limit: Limit{Days: n}} }

// The vectors of the hand-off study, computed with the notices of 2018–2026.
func TestVectors(t *testing.T) {
	cal := Embedded()
	for _, c := range []struct {
		start string
		days  int
		due   string
	}{
		{"2026-09-29 16:40", 5, "2026-10-12 24:00"},
		{"2026-02-13", 1, "2026-02-14 24:00"},
		{"2026-02-13", 5, "2026-02-27 24:00"},
		{"2026-04-30", 3, "2026-05-08 24:00"},
		{"2026-10-09", 1, "2026-10-10 24:00"},
		{"2026-09-19", 1, "2026-09-20 24:00"},
		{"2026-06-18", 15, "2026-07-10 24:00"},
		{"2026-09-21", 5, "2026-09-29 24:00"},
	} {
		fig := Compute(cal, DefaultHours, days(c.days), Facts{Start: at(t, c.start)}, at(t, c.start))
		if fig.DueText != c.due || fig.State != Running || fig.Estimated {
			t.Errorf("%s + %d WD = %s (%s), want %s", c.start, c.days, fig.DueText, fig.State, c.due)
		}
	}

	paused := Compute(cal, DefaultHours, days(5), Facts{Start: at(t, "2026-09-21"),
		Pauses: []Pause{{From: at(t, "2026-09-23 10:00"), To: at(t, "2026-10-09 15:00")}}}, at(t, "2026-10-09 16:00"))
	if paused.DueText != "2026-10-13 24:00" || paused.ShiftWD != 6 || dueText(paused.Base) != "2026-09-29 24:00" {
		t.Errorf("paused: %s, shifted by %d from %s", paused.DueText, paused.ShiftWD, dueText(paused.Base))
	}
	extended := Compute(cal, DefaultHours, days(5), Facts{Start: at(t, "2026-09-29 16:40"),
		Extensions: []Extension{{Days: 5, At: at(t, "2026-10-12 16:00")}}}, at(t, "2026-10-13"))
	if extended.DueText != "2026-10-19 24:00" || extended.Breach != nil {
		t.Errorf("extended: %s %+v", extended.DueText, extended.Breach)
	}
	missing := Compute(cal, DefaultHours, days(1), Facts{Start: at(t, "2026-12-31 09:00")}, at(t, "2026-12-31 10:00"))
	if missing.State != Missing || !missing.Estimated || !strings.Contains(missing.Why, "CALENDAR_MISSING") || !strings.Contains(missing.Why, "2027") {
		t.Errorf("no table for 2027: %s %q", missing.State, missing.Why)
	}
	if _, known := missing.OnTime(); known {
		t.Error("a clock without a calendar is judged")
	}
}

func TestTheCalendarHasTheWorkingDaysPublished(t *testing.T) {
	for year, want := range map[string]int{"2018": 250, "2019": 250, "2020": 249, "2021": 250, "2022": 249, "2023": 249, "2024": 251, "2025": 248, "2026": 248} {
		d := Day(year + "-01-01")
		n, err := Embedded().Between(d.Add(-1), Day(year+"-12-31"))
		if year == "2018" {
			n, err = Embedded().Between(d, Day("2018-12-31")) // new year's day was off; 2017 is not known
		}
		if n != want || err != nil {
			t.Errorf("%s has %d working days, want %d (%v)", year, n, want, err)
		}
	}
	for _, d := range []Day{"2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"} {
		if ok, err := Embedded().Working(d); !ok || err != nil || !d.weekend() {
			t.Errorf("%s is a working day of a weekend: %v %v", d, ok, err)
		}
	}
	if _, err := Embedded().Working("2027-01-04"); !errors.Is(err, ErrMissing) {
		t.Errorf("2027 is not published: %v", err)
	}
}

// The notice for 2027 comes late: with it the same facts have a due date, and the figure of before says with what it
// was computed.
func TestALateCalendarAnswers(t *testing.T) {
	late, err := ParseCalendar(EmbeddedText() + "year\t2027\ttest\noff\t元旦\t2027-01-01 2027-01-02 2027-01-03\n")
	if err != nil {
		t.Fatal(err)
	}
	f := Facts{Start: at(t, "2026-12-31 09:00")}
	before := Compute(Embedded(), DefaultHours, days(1), f, at(t, "2026-12-31 10:00"))
	after := Compute(late, DefaultHours, days(1), f, at(t, "2026-12-31 10:00"))
	if before.DueText != "2027-01-01 24:00" || after.DueText != "2027-01-04 24:00" || after.State != Running || before.Calendar == after.Calendar {
		t.Errorf("before %s %s, after %s %s", before.DueText, before.State, after.DueText, after.State)
	}
	if _, err := before.Recompute(late); err == nil {
		t.Error("recomputed with another calendar than it names")
	}
	if again, err := before.Recompute(Embedded()); err != nil || again.DueText != before.DueText || again.State != before.State {
		t.Errorf("recomputed: %+v %v", again, err)
	}
}

func TestLimitsAndEdges(t *testing.T) {
	cal := Embedded()
	due := func(r Rule, start string) string {
		return Compute(cal, DefaultHours, r, Facts{Start: at(t, start)}, at(t, start)).DueText
	}
	r := days(1)
	r.Cutoff, r.EndOfDay = "17:00", "17:30"
	for _, c := range []struct {
		name      string
		rule      Rule
		start, at string
	}{
		{"before the cut-off", r, "2026-09-21 17:00", "2026-09-22 17:30"},
		{"after the cut-off", r, "2026-09-21 17:01", "2026-09-23 17:30"},
		{"the start day counts", Rule{Limit: Limit{Days: 1}, CountStart: true}, "2026-09-21 09:00", "2026-09-21 24:00"},
		{"the start day counts only if it is a working day", Rule{Limit: Limit{Days: 1}, CountStart: true}, "2026-09-19 09:00", "2026-09-20 24:00"},
		{"same day", days(0), "2026-10-01 09:00", "2026-10-01 24:00"},
		{"minutes at night", Rule{Limit: Limit{For: 15 * time.Minute}}, "2026-10-01 23:50", "2026-10-02 00:05"},
		{"business hours over lunch", Rule{Limit: Limit{For: 4 * time.Hour}, Business: true}, "2026-09-21 11:00", "2026-09-21 17:00"},
		{"business hours over a holiday", Rule{Limit: Limit{For: 4 * time.Hour}, Business: true}, "2026-09-30 16:30", "2026-10-08 11:30"},
		{"business hours begun at night", Rule{Limit: Limit{For: time.Hour}, Business: true}, "2026-09-20 22:00", "2026-09-21 09:30"},
	} {
		if got := due(c.rule, c.start); got != c.at {
			t.Errorf("%s: %s from %s is due %s, want %s", c.name, c.rule.Limit, c.start, got, c.at)
		}
	}
	// Paused and resumed on one day moves nothing; a cap holds; overlapping pauses count once.
	p := func(s ...string) (out []Pause) {
		for i := 0; i < len(s); i += 2 {
			out = append(out, Pause{From: at(t, s[i]), To: at(t, s[i+1])})
		}
		return out
	}
	for _, c := range []struct {
		max    int
		pauses []Pause
		want   int
	}{
		{0, p("2026-09-22 09:00", "2026-09-22 18:00"), 0},
		{0, p("2026-09-22", "2026-09-24", "2026-09-23", "2026-09-24"), 2},
		{1, p("2026-09-22", "2026-09-24"), 1},
	} {
		r := days(5)
		r.MaxPause = c.max
		if fig := Compute(cal, DefaultHours, r, Facts{Start: at(t, "2026-09-21"), Pauses: c.pauses}, at(t, "2026-09-24")); fig.ShiftWD != c.want {
			t.Errorf("%v moves by %d, want %d", c.pauses, fig.ShiftWD, c.want)
		}
	}
}

// A breach stays: neither a late extension nor a late stop erases it, and both sides' clocks are in it.
func TestABreachStays(t *testing.T) {
	f := Facts{Start: at(t, "2026-09-29 16:40"), Stop: at(t, "2026-10-13 00:03"), PeerStart: at(t, "2026-09-29 16:40:02"), PeerStop: at(t, "2026-10-12 23:59")}
	fig := Compute(Embedded(), DefaultHours, days(5), f, at(t, "2026-10-14"))
	if fig.State != Breached || fig.Breach == nil || fig.Breach.Peer || fig.Breach.Differ != 240 || dueText(fig.Breach.At) != "2026-10-12 24:00" {
		t.Errorf("late by our clock only: %s %+v", fig.State, fig.Breach)
	}
	f.Extensions = []Extension{{Days: 5, At: at(t, "2026-10-13 09:00")}}
	f.Stop, f.PeerStop = at(t, "2026-10-15"), time.Time{}
	fig = Compute(Embedded(), DefaultHours, days(5), f, at(t, "2026-10-16"))
	if fig.State != Breached || !fig.Breach.Late || dueText(fig.Breach.At) != "2026-10-12 24:00" || fig.DueText != "2026-10-19 24:00" {
		t.Errorf("extended after it was due: %s %+v", fig.State, fig.Breach)
	}
	if ok, known := fig.OnTime(); ok || !known {
		t.Error("a breach counts as on time")
	}
}

func TestTheMostFittingRuleIsFound(t *testing.T) {
	rules := append(Rules{
		{ID: "peer-sign", Clock: "C2", Party: "P", Limit: Limit{For: time.Hour}, ValidFrom: "2026-01-01"},
		{ID: "peer-handle", Clock: "C5", Party: "P", Limit: Limit{Days: 7}, ValidFrom: "2026-01-01"},
		{ID: "peer-handle-new", Clock: "C5", Party: "P", Limit: Limit{Days: 6}, ValidFrom: "2026-06-01"},
		{ID: "peer-inquiry", Clock: "C5", Party: "P", Types: []string{"ZX"}, Limit: Limit{Days: 2}, ValidFrom: "2026-01-01"},
	}, Defaults()...)
	for _, c := range []struct {
		q    Question
		want string
	}{
		{Question{Clock: "C5", Party: "P", Type: "QZ", Urgency: 3, Start: at(t, "2026-05-31 23:59")}, "peer-handle"},
		{Question{Clock: "C5", Party: "P", Type: "QZ", Urgency: 3, Start: at(t, "2026-06-01")}, "peer-handle-new"},
		{Question{Clock: "C5", Party: "P", Type: "ZX", Urgency: 3, Start: at(t, "2026-06-01")}, "peer-inquiry"},
		{Question{Clock: "C5", Party: "Q", Type: "ZX", Urgency: 3, Start: at(t, "2026-06-01")}, "c5-inquiry"},
		{Question{Clock: "C5", Party: "P", Type: "QZ", Urgency: 3, Start: at(t, "2025-06-01")}, "c5"},
		{Question{Clock: "C2", Party: "P", Type: "QZ", Urgency: 1, Danger: "life", Start: at(t, "2026-06-01")}, "c2-danger"},
		{Question{Clock: "C2", Party: "P", Type: "QZ", Urgency: 1, Start: at(t, "2026-06-01")}, "peer-sign"},
		{Question{Clock: "C5", Party: "Q", Type: "QZ", Tags: []string{"complex"}, Start: at(t, "2026-06-01")}, "c5-complex"},
	} {
		if r, ok := rules.Find(c.q); !ok || r.ID != c.want {
			t.Errorf("%+v: %q, want %q", c.q, r.ID, c.want)
		}
	}
	for _, name := range Names {
		if _, ok := Defaults().Find(Question{Clock: name, Start: at(t, "2026-06-01")}); !ok {
			t.Errorf("no default for %s", name)
		}
	}
}

func TestBadCalendarsAreRefusedWhole(t *testing.T) {
	_, err := ParseCalendar("year\tMMXX\tx\noff\ta\t2026-02-30 2026-01-01\nwork\tb\t2026-01-01\nnonsense\n")
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("want four faults: %v", err)
	}
	for _, s := range []string{"", "5", "-1WD", "+1WD", "1.5WD", "0m", "-5m", "9999WD", "WD"} {
		if l, err := ParseLimit(s); err == nil {
			t.Errorf("%q is accepted as %s", s, l)
		}
	}
}

// Counting has the properties people rely on: a due day is a working day, more days or a later start never end
// earlier, and counting up and back agree.
func TestCountingIsMonotone(t *testing.T) {
	cal := Embedded()
	first := at(t, "2018-01-01")
	rapid.Check(t, func(rt *rapid.T) {
		d := DayOf(first.AddDate(0, 0, rapid.IntRange(0, 3000).Draw(rt, "day")))
		n := rapid.IntRange(1, 40).Draw(rt, "n")
		due, err := cal.Add(d, n, false)
		if err != nil {
			rt.Fatal(err)
		}
		more, _ := cal.Add(d, n+1, false)
		later, _ := cal.Add(d.Add(1), n, false)
		counted, _ := cal.Between(d, due)
		working, _ := cal.Working(due)
		if !working || counted != n || more <= due || later < due {
			rt.Fatalf("%s + %d = %s (working %v, counted %d), +1 = %s, a day later %s", d, n, due, working, counted, more, later)
		}
	})
}

func TestWarningsRise(t *testing.T) {
	f := Facts{Start: at(t, "2026-09-21 09:00")}
	var got []int
	for _, now := range []string{"2026-09-21 10:00", "2026-09-26 12:00", "2026-09-28 09:00", "2026-09-29 12:00", "2026-09-30 00:01", "2026-10-08 09:00"} {
		got = append(got, Compute(Embedded(), DefaultHours, days(5), f, at(t, now)).WarningLevel(Embedded()))
	}
	if !slices.Equal(got, []int{0, 1, 3, 3, 4, 5}) {
		t.Errorf("levels %v", got)
	}
}

// Nobody needs to look at a clock before NextLook says so, and then there is something to see.
func TestNothingIsMissedBetweenLooks(t *testing.T) {
	cal := Embedded()
	rapid.Check(t, func(rt *rapid.T) {
		r := Rule{Limit: Limit{Days: rapid.IntRange(0, 8).Draw(rt, "days")}}
		if rapid.Bool().Draw(rt, "minutes") {
			r = Rule{Limit: Limit{For: time.Duration(rapid.IntRange(1, 600).Draw(rt, "minutes")) * time.Minute}}
		}
		start := at(t, "2026-09-01").Add(time.Duration(rapid.IntRange(0, 60*24*40).Draw(rt, "start")) * time.Minute)
		level := rapid.IntRange(0, 4).Draw(rt, "level")
		fig := Compute(cal, DefaultHours, r, Facts{Start: start}, start)
		next := fig.NextLook(cal, level)
		if next.IsZero() {
			rt.Fatalf("%s: never above %d", fig.DueText, level)
		}
		fig.AsOf = next
		if fig.WarningLevel(cal) <= level {
			rt.Fatalf("at %s there is nothing above %d", next, level)
		}
		for range 10 {
			before := start.Add(time.Duration(rapid.Int64Range(0, max(0, int64(next.Sub(start))-int64(2*time.Second))).Draw(rt, "before")))
			fig.AsOf = before
			if before.Before(next) && fig.WarningLevel(cal) > level {
				rt.Fatalf("level %d at %s, the next look is %s (due %s)", fig.WarningLevel(cal), before, next, fig.DueText)
			}
		}
	})
}

func FuzzParseCalendar(f *testing.F) {
	f.Add("year\t2027\tx\noff\t元旦\t2027-01-01\n")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := ParseCalendar(text); err == nil {
			c.Add("2026-12-30", 5, true)
		}
	})
}
