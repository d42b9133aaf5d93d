package desk

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"fayi/adapters/hotline/clock"
	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/machine"
	"fayi/adapters/hotline/ticket"
	"fayi/schemas"
)

// Config of a desk.
type Config struct {
	Self     string // our party code, e.g. HOTLINE_12348_610800
	Division string // six digits, part of every number we give
	Ledger   *ledger.Ledger
	Peers    []ticket.About // newest version of each party last
	Calendar *clock.Calendar
	Now      func() time.Time                // nil = time.Now
	Log      *slog.Logger                    // nil = discard
	Duty     func(need []string) string      // who takes a ticket that comes in, "" for nobody
	Wake     func(party string, urgent bool) // called after a commit that wrote a delivery; may be nil
}

// Desk is one bureau's side of its hand-offs.
type Desk struct {
	cfg Config
	l   *ledger.Ledger

	mu       sync.RWMutex
	lapsed   time.Time // when lapses were last looked for
	calendar *clock.Calendar
	about    map[string][]ticket.About // by party, newest last
}

// New makes a desk.
func New(cfg Config) *Desk {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Calendar == nil {
		cfg.Calendar = clock.Embedded()
	}
	d := &Desk{cfg: cfg, l: cfg.Ledger, calendar: cfg.Calendar, about: map[string][]ticket.About{}}
	for _, a := range cfg.Peers {
		a.Policy = a.Policy.WithDefaults()
		d.about[a.Party] = append(d.about[a.Party], a)
	}
	return d
}

// Ledger is the desk's database.
func (d *Desk) Ledger() *ledger.Ledger { return d.l }

// Self is our party code.
func (d *Desk) Self() string { return d.cfg.Self }

// Now is the desk's time.
func (d *Desk) Now() time.Time { return ticket.Time(d.cfg.Now()) }

// Calendar in force.
func (d *Desk) Calendar() *clock.Calendar {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.calendar
}

// About the interface of a party: the version named, or the newest where there is none of that name.
func (d *Desk) About(party, profile string) (ticket.About, bool) {
	list := d.about[party]
	if i := slices.IndexFunc(list, func(a ticket.About) bool { return a.Profile == profile }); i >= 0 {
		return list[i], true
	}
	if len(list) == 0 {
		return ticket.About{Party: party, Policy: ticket.Policy{}.WithDefaults()}, false
	}
	return list[len(list)-1], true
}

// Refusal is an act that a rule forbids. It changed nothing, except that a peer's act is stored.
type Refusal struct {
	Code    string // of package ticket, or one of the codes below
	ZH, EN  string
	Faults  schemas.Faults
	State   ticket.State
	Allowed []ticket.Verb
	Handoff string // the hand-off concerned, where it is another one
}

// Codes of refusals beside those of package ticket.
const (
	CodeLegalPath = "HO_LEGAL_PATH" // the matter belongs to a legal procedure: tell the citizen, make no ticket
	CodeDouble    = "HO_DOUBLE"     // the other side has offered the same matter
	CodeEmergency = "HO_EMERGENCY"  // danger to life: call first
	CodeNoPeer    = "HO_NO_PEER"    // no profile for the party
	CodeExcluded  = "HO_EXCLUDED"   // the unit said it is not its duty; only an arbiter may send it there again
)

func (r *Refusal) Error() string {
	lines := []string{r.Code + ": " + r.EN}
	for _, f := range r.Faults {
		lines = append(lines, f.Pointer+": "+f.MessageEN)
	}
	return strings.Join(lines, "\n")
}

func refuse(code, zh, en string) *Refusal { return &Refusal{Code: code, ZH: zh, EN: en} }

// AsRefusal finds the refusal in an error.
func AsRefusal(err error) (*Refusal, bool) {
	var r *Refusal
	ok := errors.As(err, &r)
	return r, ok
}

// matter is a hand-off being worked on in a transaction.
type matter struct {
	*ledger.Row
	d      *Desk
	t      *ledger.Tx
	kase   ticket.Case
	about  ticket.About
	events []ticket.Event
	now    time.Time
	wake   bool
	urgent bool
}

func (d *Desk) load(t *ledger.Tx, id string) (*matter, error) {
	row, err := t.Handoff(id)
	if err != nil {
		return nil, err
	}
	m := &matter{Row: row, d: d, t: t, now: d.Now()}
	if m.kase, err = t.Case(row.CaseID); err != nil {
		return nil, err
	}
	if m.events, err = t.Events(id); err != nil {
		return nil, err
	}
	m.about, _ = d.About(row.Peer, row.Profile)
	return m, nil
}

// save computes the clocks anew and writes the row.
func (m *matter) save() error {
	cal := m.d.Calendar()
	next := func(c ledger.Clock) time.Time {
		if c.Figure.Estimated {
			if c.Warned == 0 {
				return m.now
			}
			return time.Time{}
		}
		return c.Figure.NextLook(cal, c.Warned)
	}
	if err := m.t.PutClocks(m.ID, m.figures(cal, m.now), next); err != nil {
		return err
	}
	return m.t.Save(m.Row, m.now)
}

// do runs fn in a transaction on a locked hand-off and wakes the courier after the commit.
func (d *Desk) do(ctx context.Context, id string, fn func(*matter) error) error {
	var m *matter
	err := d.l.InTx(ctx, func(t *ledger.Tx) (err error) {
		if m, err = d.load(t, id); err != nil {
			return err
		}
		if err := fn(m); err != nil {
			return err
		}
		return m.save()
	})
	if err == nil {
		d.woken(m)
	}
	return err
}

func (d *Desk) woken(m *matter) {
	if m != nil && m.wake && d.cfg.Wake != nil {
		d.cfg.Wake(m.Peer, m.urgent)
	}
}

// role of our side in a hand-off.
func (m *matter) role() ticket.Role {
	if m.Direction == ticket.In {
		return ticket.Target
	}
	return ticket.Origin
}

// peerRole is the other side's.
func (m *matter) peerRole() ticket.Role {
	if m.Direction == ticket.In {
		return ticket.Origin
	}
	return ticket.Target
}

// last finds the newest event of a verb that was not refused or late, from n on; nil if there is none.
func (m *matter) last(verbs ...ticket.Verb) *ticket.Event {
	for i := len(m.events) - 1; i >= 0; i-- {
		if e := &m.events[i]; slices.Contains(verbs, e.Verb) && e.Refused == "" && !e.Late {
			return e
		}
	}
	return nil
}

func (m *matter) count(keep func(ticket.Event) bool) (n int) {
	for _, e := range m.events {
		if e.Refused == "" && !e.Late && keep(e) {
			n++
		}
	}
	return n
}

func conflict(err error) *Refusal {
	var c *machine.Conflict
	if !errors.As(err, &c) {
		return refuse(ticket.CodeStateConflict, "当前状态不允许此操作", err.Error())
	}
	var can []string
	for _, v := range c.Allowed {
		can = append(can, ticket.Label("verb", string(v)))
	}
	r := refuse(ticket.CodeStateConflict,
		"当前状态“"+ticket.Label("stateOrigin", string(c.Current))+"”不能"+ticket.Label("verb", string(c.Verb))+"；可以："+strings.Join(can, "、"), c.Error())
	r.State, r.Allowed = c.Current, c.Allowed
	return r
}
