package clock

import (
	"fmt"
	"strings"
	"time"
)

// Span is a part of a day, from and to as time since midnight.
type Span struct {
	From, To time.Duration
}

// MarshalText writes 08:30-12:00.
func (s Span) MarshalText() ([]byte, error) {
	hm := func(d time.Duration) string { return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60) }
	return []byte(hm(s.From) + "-" + hm(s.To)), nil
}

// UnmarshalText reads what MarshalText writes.
func (s *Span) UnmarshalText(b []byte) error {
	list, err := ParseSpans(string(b))
	if err != nil || len(list) != 1 {
		return fmt.Errorf("clock: %q is no span of hours", b)
	}
	*s = list[0]
	return nil
}

// Hours are the business hours of a working day, which may differ by season.
type Hours struct {
	Seasons []Season `json:"seasons"` // in force by day of the year; the last one that began holds, before the first the last of them
}

// Season is a table of hours from a day of the year (MM-DD) on.
type Season struct {
	From  string `json:"from"`
	Spans []Span `json:"spans"`
}

// DefaultHours are 8:30–12:00 and 14:00–17:30 all year [INFER].
var DefaultHours = Hours{[]Season{{"01-01", []Span{{8*time.Hour + 30*time.Minute, 12 * time.Hour}, {14 * time.Hour, 17*time.Hour + 30*time.Minute}}}}}

// ParseClock reads HH:MM, 24:00 included, as time since midnight.
func ParseClock(s string) (time.Duration, error) {
	var h, m int
	if len(s) != 5 || s[2] != ':' {
		return 0, fmt.Errorf("clock: %q is no time of day (HH:MM)", s)
	}
	for i, p := range []*int{&h, &m} {
		a, b := s[3*i], s[3*i+1]
		if a < '0' || a > '9' || b < '0' || b > '9' {
			return 0, fmt.Errorf("clock: %q is no time of day (HH:MM)", s)
		}
		*p = int(a-'0')*10 + int(b-'0')
	}
	if m > 59 || h > 24 || h == 24 && m > 0 {
		return 0, fmt.Errorf("clock: %q is no time of day (HH:MM)", s)
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute, nil
}

// ParseSpans reads 08:30-12:00,14:00-17:30, in ascending order without overlap.
func ParseSpans(s string) ([]Span, error) {
	var out []Span
	for part := range strings.SplitSeq(s, ",") {
		a, b, ok := strings.Cut(strings.TrimSpace(part), "-")
		from, err1 := ParseClock(a)
		to, err2 := ParseClock(b)
		if !ok || err1 != nil || err2 != nil || from >= to || len(out) > 0 && out[len(out)-1].To > from {
			return nil, fmt.Errorf("clock: %q are no business hours (08:30-12:00,14:00-17:30)", s)
		}
		out = append(out, Span{from, to})
	}
	return out, nil
}

func (h Hours) on(d Day) []Span {
	if len(h.Seasons) == 0 {
		return DefaultHours.Seasons[0].Spans
	}
	spans := h.Seasons[len(h.Seasons)-1].Spans
	for _, s := range h.Seasons {
		if string(d[5:]) >= s.From {
			spans = s.Spans
		}
	}
	return spans
}

// Open tells whether t lies in business hours. With [ErrMissing] the answer is an estimate.
func (c *Calendar) Open(h Hours, t time.Time) (bool, error) {
	d := DayOf(t)
	working, err := c.Working(d)
	if !working {
		return false, err
	}
	for _, s := range h.on(d) {
		if !t.Before(d.At(s.From)) && t.Before(d.At(s.To)) {
			return true, err
		}
	}
	return false, err
}

// AddHours is the moment at which b of business time after t is over.
func (c *Calendar) AddHours(h Hours, t time.Time, b time.Duration) (time.Time, error) {
	var missing error
	d := DayOf(t)
	for range maxDays {
		working, err := c.Working(d)
		if err != nil && missing == nil {
			missing = err
		}
		if working {
			for _, s := range h.on(d) {
				from, to := d.At(s.From), d.At(s.To)
				if from.Before(t) {
					from = t
				}
				if left := to.Sub(from); left >= b && left > 0 {
					return from.Add(b), missing
				} else if left > 0 {
					b -= left
				}
			}
		}
		d = d.Add(1)
	}
	return t, fmt.Errorf("clock: %s of business time are too many", b)
}

// HoursBetween is the business time from a to b.
func (c *Calendar) HoursBetween(h Hours, a, b time.Time) (time.Duration, error) {
	var missing error
	var sum time.Duration
	d, end := DayOf(a), DayOf(b)
	for i := 0; d <= end; i, d = i+1, d.Add(1) {
		if i == maxDays {
			return sum, fmt.Errorf("clock: %s to %s is too long", DayOf(a), end)
		}
		working, err := c.Working(d)
		if err != nil && missing == nil {
			missing = err
		}
		if !working {
			continue
		}
		for _, s := range h.on(d) {
			from, to := d.At(s.From), d.At(s.To)
			if from.Before(a) {
				from = a
			}
			if to.After(b) {
				to = b
			}
			if to.After(from) {
				sum += to.Sub(from)
			}
		}
	}
	return sum, missing
}
