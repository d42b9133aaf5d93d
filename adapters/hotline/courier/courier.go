package courier

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"fayi/adapters/hotline/desk"
	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/store"
)

// Courier serves one party. Make it with [New].
type Courier struct {
	desk  *desk.Desk
	l     *ledger.Ledger
	peers map[string]ticket.Peer // by profile; open hand-offs keep the version they began with
	now   ticket.Peer            // the newest version
	party string
	pol   ticket.Policy
	log   *slog.Logger

	limit   *rate.Limiter
	breaker breaker
	wake    chan struct{}
	urgent  chan struct{}

	mark string // file that remembers how much was sent; "" for none

	mu     sync.Mutex
	pulled map[string]time.Time // hand-offs asked one by one, and when
	pullAt time.Time
}

// New makes the courier of a party; versions are its profiles, the newest last.
func New(d *desk.Desk, log *slog.Logger, versions ...ticket.Peer) *Courier {
	newest := versions[len(versions)-1]
	about := newest.About()
	pol := about.Policy.WithDefaults()
	c := &Courier{desk: d, l: d.Ledger(), peers: map[string]ticket.Peer{}, now: newest, party: about.Party, pol: pol, log: log,
		limit: rate.NewLimiter(rate.Limit(pol.Rate), max(1, int(pol.Rate))), wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), pulled: map[string]time.Time{}}
	c.breaker = breaker{after: pol.BreakerAfter, cool: pol.BreakerCool}
	for _, p := range versions {
		c.peers[p.About().Profile] = p
	}
	return c
}

// Remember makes the courier keep in a folder, outside the database, how much it has sent. When the database knows of
// less, an older one was put back: the courier then starts paused ([Courier.Reconcile]). Call it before Run.
func (c *Courier) Remember(dir string) { c.mark = filepath.Join(dir, "handoff-"+c.party+".mark") }

// Party is whom the courier serves.
func (c *Courier) Party() string { return c.party }

// Wake tells the courier that something was queued.
func (c *Courier) Wake(urgent bool) {
	ch := c.wake
	if urgent {
		ch = c.urgent
	}
	select {
	case ch <- struct{}{}:
	default:
	}
}

// peer is the interface a hand-off runs under.
func (c *Courier) peer(ctx context.Context, handoff string) ticket.Peer {
	if row, err := c.l.Get(ctx, handoff); err == nil {
		if p, ok := c.peers[row.Profile]; ok {
			return p
		}
	}
	return c.now
}

// Send makes one pass over a lane: first what is in doubt is asked about, then what is due is sent. It returns how many
// messages were settled.
func (c *Courier) Send(ctx context.Context, urgent bool) (settled int, err error) {
	if paused, err := c.paused(ctx); err != nil || paused {
		return 0, err
	}
	for _, state := range []string{ledger.InDoubt, ledger.Queued} {
		for {
			if !urgent && c.breaker.open(c.desk.Now()) {
				return settled, nil
			}
			list, err := c.l.Ready(ctx, c.party, state, urgent, c.desk.Now(), 20)
			if err != nil {
				return settled, err
			}
			n := 0
			for _, d := range list {
				if !urgent && c.breaker.open(c.desk.Now()) {
					return settled, nil
				}
				if !urgent {
					if err := c.limit.Wait(ctx); err != nil {
						return settled, err
					}
				}
				ok, err := c.one(ctx, d)
				if err != nil {
					return settled, err
				}
				if ok {
					n++
				}
			}
			settled += n
			if n == 0 || len(list) == 0 {
				break
			}
		}
	}
	return settled, nil
}

// one carries one delivery. false: another took it.
func (c *Courier) one(ctx context.Context, d ledger.Delivery) (bool, error) {
	p := c.peer(ctx, d.Handoff)
	if d.State == ledger.InDoubt {
		o := p.Query(ctx, c.ref(ctx, d))
		c.judge(ctx, o, d.Priority == 0)
		return true, c.settle(ctx, d, o, true)
	}
	ok, err := c.l.Claim(ctx, &d, c.desk.Now())
	if err != nil || !ok {
		return false, err
	}
	if err := c.remember(ctx); err != nil {
		return false, err // nothing left; the delivery is found in doubt and asked about
	}
	var o ticket.Outcome
	if d.Kind == ledger.KindOffer {
		o = c.offer(ctx, p, d)
	} else {
		m := *d.Message
		if row, err := c.l.Get(ctx, d.Handoff); err == nil && row.PeerNo != "" {
			m.PeerNo = row.PeerNo // it may have come after the message was written
		}
		o = p.Send(ctx, m)
	}
	c.judge(ctx, o, d.Priority == 0)
	return true, c.settle(ctx, d, o, false)
}

// settle writes an outcome even while the courier is being stopped: what was learned must not be forgotten.
func (c *Courier) settle(ctx context.Context, d ledger.Delivery, o ticket.Outcome, asked bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if err := c.desk.Settle(ctx, d.ID, o, asked); err != nil {
		return fmt.Errorf("settle delivery %d: %w", d.ID, err)
	}
	c.log.Info("hand-off delivery", "party", c.party, "handoff", d.Handoff, "kind", d.Kind, "class", string(o.Class), "code", o.Code, "attempt", d.Attempts, "err", o.Err)
	return nil
}

func (c *Courier) ref(ctx context.Context, d ledger.Delivery) ticket.Ref {
	r := ticket.Ref{HandoffID: d.Handoff, Urgent: d.Priority <= 1}
	if d.Offer != nil {
		r.Round = d.Offer.Round
	} else if d.Message != nil {
		r.Round, r.PeerNo = d.Message.Event.Round, d.Message.PeerNo
	}
	if row, err := c.l.Get(ctx, d.Handoff); err == nil {
		r.PeerNo = row.PeerNo
	}
	return r
}

// judge feeds the breaker and raises the alarms of the connection.
func (c *Courier) judge(ctx context.Context, o ticket.Outcome, urgent bool) {
	now := c.desk.Now()
	switch o.Class {
	case ticket.Retry, ticket.Unknown:
		if c.breaker.fail(now) {
			c.alarm(ctx, "breaker", "对方接口连续失败，已暂停发送，稍后自动试探")
		}
	case ticket.AuthFail:
		text := "对方拒绝了我方身份或签名，请核对密钥"
		if o.ClockHint {
			text = "对方认为我方时钟偏差过大，请核对双方时钟"
		}
		if c.breaker.refused(now) {
			c.alarm(ctx, "auth", text)
		} else if o.ClockHint {
			c.alarm(ctx, "clock", text)
		}
	case ticket.Unable:
	default:
		if c.breaker.ok() {
			c.over(ctx, "breaker", "auth", "clock")
		}
	}
}

// over closes alarms whose cause is gone.
func (c *Courier) over(ctx context.Context, kinds ...string) {
	err := c.l.InTx(ctx, func(t *ledger.Tx) error {
		for _, k := range kinds {
			if err := t.CloseTasks(c.party, "", k, c.desk.Now()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		c.log.Warn("hand-off alarm", "party", c.party, "err", err)
	}
}

func (c *Courier) alarm(ctx context.Context, kind, text string) {
	err := c.l.InTx(ctx, func(t *ledger.Tx) error { return t.OpenTask(c.party, "", kind, text, c.desk.Now()) })
	c.log.Warn("hand-off alarm", "party", c.party, "kind", kind, "err", err)
}

func (c *Courier) paused(ctx context.Context) (bool, error) {
	p, err := c.l.Peer(ctx, c.party)
	return p.Paused, err
}

// idle is how often the lanes look by themselves; a wake-up makes them look at once.
const idle = 500 * time.Millisecond

// Run works until ctx ends: both lanes, pulls, files, the watch. It takes the peer's lease first and keeps it; owner
// names this process in it. "" says that no other process uses the database: then no lease is needed.
func (c *Courier) Run(ctx context.Context, owner string) error {
	if owner == "" {
		return c.lead(ctx, nil)
	}
	lease := store.NewLease(c.l.Store(), "hotline/"+c.party, owner)
	for {
		held, err := lease.Try(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			c.log.Warn("hand-off lease", "party", c.party, "err", err)
		}
		if held {
			err := c.lead(ctx, lease)
			if ctx.Err() != nil {
				return lease.Release(context.WithoutCancel(ctx))
			}
			if err != nil {
				c.log.Error("hand-off courier", "party", c.party, "err", err)
			}
		}
		if !sleep(ctx, idle, nil) {
			return nil
		}
	}
}

// lead works while the lease is held, or until ctx ends where there is none.
func (c *Courier) lead(ctx context.Context, lease *store.Lease) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if err := c.restored(ctx); err != nil {
		return err
	}
	if _, err := c.l.Doubt(ctx, c.party, c.desk.Now()); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for lease != nil && sleep(ctx, idle, nil) {
			if held, err := lease.Try(ctx); err != nil || !held {
				stop()
				return err
			}
		}
		return nil
	})
	loop := func(wake chan struct{}, every time.Duration, fn func(context.Context) error) {
		g.Go(func() error {
			for {
				if err := fn(ctx); err != nil && ctx.Err() == nil {
					c.log.Error("hand-off courier", "party", c.party, "err", err)
				}
				if !sleep(ctx, every, wake) {
					return nil
				}
			}
		})
	}
	loop(c.urgent, idle, func(ctx context.Context) error { _, err := c.Send(ctx, true); return err })
	loop(c.wake, idle, func(ctx context.Context) error { _, err := c.Send(ctx, false); return err })
	loop(nil, time.Second, func(ctx context.Context) error { _, err := c.Pull(ctx); return err })
	loop(nil, 5*time.Second, c.Files)
	loop(nil, 30*time.Second, c.Watch)
	loop(nil, 24*time.Hour, func(ctx context.Context) error { _, err := c.Directory(ctx); return err })
	return g.Wait()
}

// sleep waits for a while, or a wake-up; false when ctx ended.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
	case <-wake:
	}
	return ctx.Err() == nil
}
