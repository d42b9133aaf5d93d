package courier

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"fayi/adapters/hotline/clock"
	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/ticket"
)

// Watch looks after the connection: is the peer silent when it should not be, and is its clock right?
func (c *Courier) Watch(ctx context.Context) error {
	if err := c.Silence(ctx); err != nil {
		return err
	}
	return c.Skew(ctx)
}

// Silence raises the alarm when a peer that usually speaks has said nothing for so much of business time. Nights and
// holidays do not count.
func (c *Courier) Silence(ctx context.Context) error {
	if c.pol.ExpectPerHour == 0 {
		return nil
	}
	st, err := c.l.Peer(ctx, c.party)
	if err != nil || st.LastIn.IsZero() {
		return err
	}
	cal, now := c.desk.Calendar(), c.desk.Now()
	open, err := cal.Open(c.pol.Hours, now)
	if err != nil && !errors.Is(err, clock.ErrMissing) {
		return err
	}
	quiet, err := cal.HoursBetween(c.pol.Hours, st.LastIn, now)
	if err != nil && !errors.Is(err, clock.ErrMissing) {
		return err
	}
	if open && quiet >= c.pol.SilenceAfter {
		c.alarm(ctx, "silence", fmt.Sprintf("工作时间内已%s没有收到对方任何消息（平时每小时约%d件），请核查对方接口", quiet.Truncate(60e9), c.pol.ExpectPerHour))
	}
	return nil
}

// Skew compares the clocks.
func (c *Courier) Skew(ctx context.Context) error {
	o := c.now.Ping(ctx)
	if o.PeerTime.IsZero() {
		return nil
	}
	now := c.desk.Now()
	skew := o.PeerTime.Sub(now)
	if skew.Abs() > c.pol.MaxSkew {
		c.alarm(ctx, "clock", fmt.Sprintf("对方时钟与我方相差%s", skew.Truncate(1e9)))
	}
	return c.l.InTx(ctx, func(t *ledger.Tx) error {
		return t.ChangePeer(c.party, now, func(p *ledger.PeerState) { p.Skew = skew })
	})
}

// Directory fetches the peer's units and returns what changed since the last time, one line each. Units are told apart by
// code, never by name.
func (c *Courier) Directory(ctx context.Context) (changes []string, err error) {
	units, o := c.now.Directory(ctx)
	if o.Class != ticket.Delivered && o.Class != ticket.Found {
		return nil, o.Err
	}
	err = c.l.InTx(ctx, func(t *ledger.Tx) error {
		changes = nil
		return t.ChangePeer(c.party, c.desk.Now(), func(p *ledger.PeerState) {
			old := map[string]ticket.Unit{}
			for _, u := range p.Directory {
				old[u.Code] = u
			}
			for _, u := range units {
				was, known := old[u.Code]
				switch {
				case !known:
					changes = append(changes, "+ "+u.Code+" "+u.Name)
				case was.Name != u.Name:
					changes = append(changes, "~ "+u.Code+" "+was.Name+" → "+u.Name)
				}
				delete(old, u.Code)
			}
			for _, u := range p.Directory {
				if _, gone := old[u.Code]; gone {
					changes = append(changes, "- "+u.Code+" "+u.Name)
				}
			}
			p.Directory = units
		})
	})
	if err == nil && len(changes) > 0 {
		c.alarm(ctx, "directory", "对方单位目录有变化：\n"+strings.Join(changes, "\n"))
	}
	return changes, err
}

// Pause stops all sending to the peer, as after a restored backup.
func (c *Courier) Pause(ctx context.Context) error { return c.setPaused(ctx, true) }

// Resume lets messages go again. What the peer has already was settled by [Courier.Reconcile].
func (c *Courier) Resume(ctx context.Context) error { return c.setPaused(ctx, false) }

func (c *Courier) setPaused(ctx context.Context, paused bool) error {
	err := c.l.InTx(ctx, func(t *ledger.Tx) error {
		return t.ChangePeer(c.party, c.desk.Now(), func(p *ledger.PeerState) { p.Paused = paused })
	})
	if err == nil && !paused {
		c.over(ctx, "restored")
		c.Wake(false)
		c.Wake(true)
	}
	return err
}

// Reconciled is what a comparison after a restored backup found.
type Reconciled struct {
	Asked  int      `json:"asked"`  // offers this database believes are not delivered
	Ahead  []string `json:"ahead"`  // those the peer has: settled, not sent again
	Absent []string `json:"absent"` // those it does not have: they will be sent after Resume
	Unsure []string `json:"unsure"` // those it cannot tell: a person asks
	Pulled int      `json:"pulled"` // messages fetched
}

// Reconcile compares every offer that seems undelivered with the peer and fetches what the peer has to tell. Numbers are
// moved far ahead, so that none given since the backup is given again. It sends nothing.
func (c *Courier) Reconcile(ctx context.Context) (r Reconciled, err error) {
	if err := c.Pause(ctx); err != nil {
		return r, err
	}
	if err := c.l.InTx(ctx, func(t *ledger.Tx) error { return t.Leap() }); err != nil {
		return r, err
	}
	rows, err := c.l.Find(ctx, ledger.Filter{Peer: c.party, Direction: ticket.Out, States: []ticket.State{ticket.Queued, ticket.InDoubt}, Limit: 100_000})
	if err != nil {
		return r, err
	}
	for _, row := range rows {
		list, err := c.l.Deliveries(ctx, row.ID)
		if err != nil {
			return r, err
		}
		for _, d := range list {
			if d.Kind != ledger.KindOffer || d.State != ledger.Queued && d.State != ledger.InDoubt && d.State != ledger.Sending {
				continue
			}
			r.Asked++
			o := c.peer(ctx, row.ID).Query(ctx, c.ref(ctx, d))
			switch o.Class {
			case ticket.Found:
				if d.State == ledger.Queued {
					if ok, err := c.l.Claim(ctx, &d, c.desk.Now()); err != nil || !ok {
						return r, err
					}
				}
				if err := c.settle(ctx, d, o, true); err != nil {
					return r, err
				}
				r.Ahead = append(r.Ahead, row.ID)
			case ticket.Absent:
				r.Absent = append(r.Absent, row.ID)
			default:
				r.Unsure = append(r.Unsure, row.ID)
			}
		}
	}
	r.Pulled, err = c.PullNow(ctx, nil)
	return r, err
}
