package clock

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed rules.txt
var rulesText string

// The clocks of a hand-off and what starts and stops them:
// C0 the citizen's, received → told the result, never pauses; C1 dispatch, received → offered; C2 sign-in, offered →
// accepted, returned or rejected; C3 first contact, accepted → contact; C4 return window, from offered; C4R return review;
// C5 handling, offered → result; C5R redo, reopened → result; C6 callback, result → callback; C7 arbitration; C8 telling
// the citizen of a return, rejection or extension.
var Names = []string{"C0", "C1", "C2", "C3", "C4", "C4R", "C5", "C5R", "C6", "C7", "C8"}

// Limit is how long something may take.
type Limit struct {
	Days int           // working days, where For is 0 (0 days: the end of the same day)
	For  time.Duration // minutes and hours
}

// ParseLimit reads 5WD, 15m, 2h.
func ParseLimit(s string) (Limit, error) {
	if n, ok := strings.CutSuffix(s, "WD"); ok {
		if d, err := strconv.Atoi(n); err == nil && d >= 0 && d <= 1000 && n[0] != '+' && n[0] != '-' {
			return Limit{Days: d}, nil
		}
	} else if d, err := time.ParseDuration(s); err == nil && d > 0 && d <= 1000*time.Hour {
		return Limit{For: d}, nil
	}
	return Limit{}, fmt.Errorf("clock: %q is no limit (5WD, 15m, 2h)", s)
}

func (l Limit) String() string {
	if l.For > 0 {
		return l.For.String()
	}
	return fmt.Sprintf("%dWD", l.Days)
}

// MarshalText writes the limit as [ParseLimit] reads it.
func (l Limit) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what [ParseLimit] reads.
func (l *Limit) UnmarshalText(b []byte) (err error) { *l, err = ParseLimit(string(b)); return err }

// Rule is one limit and when it holds. Empty conditions hold for everything.
type Rule struct {
	ID         string   `json:"id"`
	Version    string   `json:"version"` // of the table or profile it came from
	Clock      string   `json:"clock"`
	Party      string   `json:"party,omitempty"`
	Types      []string `json:"types,omitempty"`
	Urgency    []int    `json:"urgency,omitempty"`
	Danger     []string `json:"danger,omitempty"`
	Tags       []string `json:"tags,omitempty"` // sensitivity of the appeal, such as livelihood, complex
	Limit      Limit    `json:"limit"`
	Business   bool     `json:"business,omitempty"` // minutes and hours run in business hours only
	ValidFrom  Day      `json:"validFrom"`          // by the day the clock starts
	CountStart bool     `json:"countStartDay,omitempty"`
	EndOfDay   string   `json:"endOfDay,omitempty"`   // of the last working day; 24:00 where empty
	Cutoff     string   `json:"cutoffHour,omitempty"` // a start after it counts as one on the next day
	MaxPause   int      `json:"maxPauseWD,omitempty"` // working days of pauses that move the due date, 0 = no limit
}

// Question is what a limit depends on.
type Question struct {
	Clock, Party, Type string
	Urgency            int
	Danger             string
	Tags               []string
	Start              time.Time
}

// answers tells whether the rule holds, and on how many conditions it insists.
func (r Rule) answers(q Question) (weight int, ok bool) {
	if r.Clock != q.Clock || r.ValidFrom > DayOf(q.Start) {
		return 0, false
	}
	danger := q.Danger
	if danger == "" {
		danger = "none"
	}
	for _, c := range []struct{ asked, met bool }{
		{r.Party != "", r.Party == q.Party},
		{len(r.Types) > 0, slices.Contains(r.Types, q.Type)},
		{len(r.Urgency) > 0, slices.Contains(r.Urgency, q.Urgency)},
		{len(r.Danger) > 0, slices.Contains(r.Danger, danger)},
		{len(r.Tags) > 0, slices.ContainsFunc(r.Tags, func(t string) bool { return slices.Contains(q.Tags, t) })},
	} {
		if c.asked && !c.met {
			return 0, false
		}
		if c.asked {
			weight++
		}
	}
	return weight, true
}

// Rules are limits in the order of preference between equals.
type Rules []Rule

// Find is the rule for a question: a rule about danger goes before all others, then one that names the party before
// one that does not, then the one with more conditions, then the later valid one, then the earlier in the list.
func (rs Rules) Find(q Question) (Rule, bool) {
	best, found := Rule{}, false
	var bestRank [4]string
	for _, r := range rs {
		w, ok := r.answers(q)
		if !ok {
			continue
		}
		rank := [4]string{strconv.FormatBool(len(r.Danger) > 0), strconv.FormatBool(r.Party != ""), strconv.Itoa(w), string(r.ValidFrom)}
		if !found || slices.Compare(rank[:], bestRank[:]) > 0 {
			best, bestRank, found = r, rank, true
		}
	}
	return best, found
}

var defaults = sync.OnceValue(func() Rules {
	rs, err := parseRules(rulesText)
	if err != nil {
		panic(err)
	}
	return rs
})

// Defaults are the embedded rules; they answer every question about every clock.
func Defaults() Rules { return slices.Clone(defaults()) }

func parseRules(text string) (Rules, error) {
	var out Rules
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 9 {
			return nil, fmt.Errorf("clock: rules.txt: %q", line)
		}
		limit, err := ParseLimit(f[6])
		if err != nil {
			return nil, err
		}
		r := Rule{ID: f[0], Version: "default@1", Clock: f[1], Types: list(f[2]), Danger: list(f[4]), Tags: list(f[5]), Limit: limit,
			Business: f[7] == "business", ValidFrom: Day(f[8])}
		for _, u := range list(f[3]) {
			n, err := strconv.Atoi(u)
			if err != nil {
				return nil, err
			}
			r.Urgency = append(r.Urgency, n)
		}
		out = append(out, r)
	}
	return out, nil
}

func list(s string) []string {
	if s == "*" {
		return nil
	}
	return strings.Split(s, ",")
}
