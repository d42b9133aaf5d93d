package ticket

import (
	"time"

	"fayi/adapters/hotline/clock"
)

// Policy is how the two sides deal with each other: limits and choices that no law fixes and every bureau sets. The zero
// value of a member means the default of [Policy.WithDefaults]. Figures are this project's proposals [INFER] unless said.
type Policy struct {
	// Returns (退单).
	ReviewLapse         string // what the lapse of the return review does: none, approve, arbitrate; default none
	MaxReturnsPerTarget int    // default 1
	MaxReturnsTotal     int    // over all parties of a case, then arbitration; default 3
	// Extensions. Cutoff is the hour of the due day after which a request counts as too late (西宁: 17:00).
	MaxExtensions    int    // default 1
	MaxExtensionDays int    // working days, default 10 (山东)
	ExtensionCutoff  string // default 17:00
	// Pauses.
	PauseOnInfo bool // a wait for information stops the handling clock
	MaxPauseWD  int  // working days of pauses in all, default 30
	InfoWaitWD  int  // wait for information, then work goes on; default 5
	// Redo (重办).
	MaxRedo      int // default 2
	ReopenWithin int // calendar days after RESOLVED, default 30
	// Reviews of results, and calls that find nobody.
	ResultReviewWD   int // after which a result counts as accepted, default 3
	CallbackAttempts int // failed calls, in at least two parts of the day, before closing; default 3
	UrgePerWD        int // urges in a working day, default 1
	// Loops and doubles.
	MaxHops     int           // default 4
	GlareWithin time.Duration // default 24h
	EchoWithin  time.Duration // default 10m
	MatchHold   time.Duration // an offer waits this long for a double from the other side; default 0
	// Delivery.
	RetrySchedule []time.Duration // pauses between attempts, the last one repeats; default 5s 30s 2m 10m 30m 1h 3h
	RetryBudget   time.Duration   // then DEAD; default 24h
	BreakerAfter  int             // failures in a row, default 10
	BreakerCool   time.Duration   // default 60s
	Rate          float64         // messages a second, default 20
	MaxSkew       time.Duration   // of the peer's clock before an alarm, default 120s
	// Silence: so many messages an hour are usual; none for SilenceAfter of business time is an alarm. 0 = never.
	ExpectPerHour int
	SilenceAfter  time.Duration // default 2h
	Hours         clock.Hours   // of business, default clock.DefaultHours
	// Sharing of personal data: what of the citizen goes out for an appeal type ("" for all others): none, minimal (name and
	// phone), full (also address). SecrecyMin raises the secrecy level by type.
	Share      map[string]string
	SecrecyMin map[string]int
	Relay      string // what stands for the phone under secrecy; default 经转出方联系
	HashSalt   []byte // of citizen references between the two parties; from a secret file
	// Attachments.
	FetchHosts []string // hosts from which files a peer names may be fetched
}

// WithDefaults fills what was left open.
func (p Policy) WithDefaults() Policy {
	or(&p.ReviewLapse, "none")
	or(&p.MaxReturnsPerTarget, 1)
	or(&p.MaxReturnsTotal, 3)
	or(&p.MaxExtensions, 1)
	or(&p.MaxExtensionDays, 10)
	or(&p.ExtensionCutoff, "17:00")
	or(&p.MaxPauseWD, 30)
	or(&p.InfoWaitWD, 5)
	or(&p.MaxRedo, 2)
	or(&p.ReopenWithin, 30)
	or(&p.ResultReviewWD, 3)
	or(&p.CallbackAttempts, 3)
	or(&p.UrgePerWD, 1)
	or(&p.MaxHops, 4)
	or(&p.GlareWithin, 24*time.Hour)
	or(&p.EchoWithin, 10*time.Minute)
	if len(p.RetrySchedule) == 0 {
		p.RetrySchedule = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour}
	}
	or(&p.RetryBudget, 24*time.Hour)
	or(&p.BreakerAfter, 10)
	or(&p.BreakerCool, time.Minute)
	or(&p.Rate, 20)
	or(&p.MaxSkew, 2*time.Minute)
	or(&p.SilenceAfter, 2*time.Hour)
	if len(p.Hours.Seasons) == 0 {
		p.Hours = clock.DefaultHours
	}
	or(&p.Relay, "经转出方联系")
	return p
}

func or[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
