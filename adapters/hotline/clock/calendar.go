package clock

import (
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emmansun/gmsm/sm3"
)

//go:embed holidays.txt
var holidaysText string

// ErrMissing: the answer depends on a year whose calendar is not known (CALENDAR_MISSING).
var ErrMissing = errors.New("CALENDAR_MISSING: no working-day calendar for the year")

// Zone is the zone in which days are counted.
var Zone = time.FixedZone("CST", 8*3600)

const layout = "2006-01-02"

// Day is a calendar day, YYYY-MM-DD, so that days compare as text.
type Day string

// DayOf is the day of a moment in Shanghai.
func DayOf(t time.Time) Day { return Day(t.In(Zone).Format(layout)) }

// ParseDay reads YYYY-MM-DD and refuses days that do not exist.
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(layout, s)
	if err != nil || t.Format(layout) != s {
		return "", fmt.Errorf("clock: %q is no day", s)
	}
	return Day(s), nil
}

// At is a moment of the day, given as the time since midnight; 24 hours give the end of the day.
func (d Day) At(offset time.Duration) time.Time {
	t, _ := time.ParseInLocation(layout, string(d), Zone)
	return t.Add(offset)
}

// Add is the day n days later.
func (d Day) Add(n int) Day {
	t, _ := time.Parse(layout, string(d))
	return Day(t.AddDate(0, 0, n).Format(layout))
}

// Year of the day.
func (d Day) Year() int { y, _ := strconv.Atoi(string(d[:4])); return y }

func (d Day) weekend() bool {
	t, _ := time.Parse(layout, string(d))
	return t.Weekday() == time.Saturday || t.Weekday() == time.Sunday
}

// Calendar says which days are working days. It does not change.
type Calendar struct {
	Version string // years covered and a digest of the contents
	years   map[int]bool
	off     map[Day]bool
	work    map[Day]bool
}

var embedded = sync.OnceValue(func() *Calendar {
	c, err := ParseCalendar(holidaysText)
	if err != nil {
		panic(err)
	}
	return c
})

// Embedded is the calendar that came with the program.
func Embedded() *Calendar { return embedded() }

// ParseCalendar reads a calendar in the form of holidays.txt: lines `year YYYY source`, `off name days`, `work name
// days`, separated by tabs, days by spaces. Texts may be joined: a later notice is appended to the earlier ones.
// All faults are told at once.
func ParseCalendar(text string) (*Calendar, error) {
	c := &Calendar{years: map[int]bool{}, off: map[Day]bool{}, work: map[Day]bool{}}
	var faults []error
	first, last, n := 9999, 0, 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 3 {
			faults = append(faults, fmt.Errorf("clock: calendar line %d has not three columns", n))
			continue
		}
		switch f[0] {
		case "year":
			y, err := strconv.Atoi(f[1])
			if err != nil || y < 2000 || y > 2199 {
				faults = append(faults, fmt.Errorf("clock: calendar line %d: %q is no year", n, f[1]))
				continue
			}
			c.years[y], first, last = true, min(first, y), max(last, y)
		case "off", "work":
			for s := range strings.FieldsSeq(f[2]) {
				d, err := ParseDay(s)
				if err != nil {
					faults = append(faults, fmt.Errorf("line %d: %w", n, err))
					continue
				}
				kind, other := c.off, c.work
				if f[0] == "work" {
					kind, other = c.work, c.off
				}
				kind[d] = true
				if other[d] {
					faults = append(faults, fmt.Errorf("clock: calendar line %d: %s is both a working and a rest day", n, d))
				}
			}
		default:
			faults = append(faults, fmt.Errorf("clock: calendar line %d begins with %q", n, f[0]))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	h := sm3.Sum([]byte(text))
	c.Version = fmt.Sprintf("CN-%d-%d#%x", first, last, h[:4])
	return c, nil
}

// EmbeddedText is the text of the embedded calendar, for joining a later notice to it.
func EmbeddedText() string { return holidaysText }

// Working tells whether a day is a working day. Where the year is unknown the error wraps [ErrMissing], and the answer
// is that of an ordinary week, for estimates.
func (c *Calendar) Working(d Day) (bool, error) {
	switch {
	case c.work[d]:
		return true, nil
	case c.off[d]:
		return false, nil
	case !c.years[d.Year()]:
		return !d.weekend(), fmt.Errorf("%w %d", ErrMissing, d.Year())
	}
	return !d.weekend(), nil
}

// maxDays bounds every walk over the calendar.
const maxDays = 4000

// Add is the n-th working day after d; with countStart d itself counts if it is one. n = 0 is d. With [ErrMissing] the
// day returned is an estimate.
func (c *Calendar) Add(d Day, n int, countStart bool) (Day, error) {
	var missing error
	if countStart && n > 0 {
		d = d.Add(-1)
	}
	for range maxDays {
		if n <= 0 {
			return d, missing
		}
		d = d.Add(1)
		working, err := c.Working(d)
		if err != nil && missing == nil {
			missing = err
		}
		if working {
			n--
		}
	}
	return d, fmt.Errorf("clock: %d working days are too many", n)
}

// Between counts the working days after from, up to and with to; 0 where to is not later.
func (c *Calendar) Between(from, to Day) (int, error) {
	var missing error
	n := 0
	for i := 0; from < to; i++ {
		if i == maxDays {
			return n, fmt.Errorf("clock: %s to %s is too long", from, to)
		}
		from = from.Add(1)
		working, err := c.Working(from)
		if err != nil && missing == nil {
			missing = err
		}
		if working {
			n++
		}
	}
	return n, missing
}
