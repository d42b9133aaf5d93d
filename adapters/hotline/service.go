package hotline

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"fayi/adapters/hotline/clock"
	"fayi/adapters/hotline/courier"
	"fayi/adapters/hotline/desk"
	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/store"
)

// Config of a service.
type Config struct {
	Self     string // our party code, e.g. HOTLINE_12348_610800
	Division string // six digits
	Owner    string // name of this process in leases; "" where no other process uses the database
	Store    *store.Store
	Peers    []ticket.Peer // several versions of one party: the newest last
	Dir      string        // where couriers remember what they sent, beside the keys; "" for nowhere
	Calendar *clock.Calendar
	Now      func() time.Time
	Log      *slog.Logger
	Duty     func(need []string) string
	// Publish is told of every event, in its transaction (package evidence has one); nil publishes nothing.
	Publish ledger.Publish
}

// Service is a desk at work.
type Service struct {
	Desk     *desk.Desk
	couriers []*courier.Courier
	peers    []ticket.Peer
	cfg      Config
}

// New makes a service on a migrated store. It does nothing until [Service.Run].
func New(cfg Config) *Service {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: cfg, peers: cfg.Peers}
	about := make([]ticket.About, len(cfg.Peers))
	for i, p := range cfg.Peers {
		about[i] = p.About()
	}
	s.Desk = desk.New(desk.Config{Self: cfg.Self, Division: cfg.Division, Ledger: ledger.New(cfg.Store, cfg.Publish), Peers: about, Calendar: cfg.Calendar,
		Now: cfg.Now, Log: cfg.Log, Duty: cfg.Duty, Wake: s.wake})
	for i, a := range about {
		if slices.ContainsFunc(s.couriers, func(c *courier.Courier) bool { return c.Party() == a.Party }) {
			continue
		}
		var versions []ticket.Peer
		for j := i; j < len(about); j++ {
			if about[j].Party == a.Party {
				versions = append(versions, cfg.Peers[j])
			}
		}
		c := courier.New(s.Desk, cfg.Log, versions...)
		if cfg.Dir != "" {
			c.Remember(cfg.Dir)
		}
		s.couriers = append(s.couriers, c)
	}
	return s
}

// Courier of a party, nil where it has no interface.
func (s *Service) Courier(party string) *courier.Courier {
	if i := slices.IndexFunc(s.couriers, func(c *courier.Courier) bool { return c.Party() == party }); i >= 0 {
		return s.couriers[i]
	}
	return nil
}

func (s *Service) wake(party string, urgent bool) {
	if c := s.Courier(party); c != nil {
		c.Wake(urgent)
	}
}

// Handler serves what parties send, each below the path its profile names.
func (s *Service) Handler() http.Handler {
	type place struct {
		path string
		h    http.Handler
	}
	var places []place
	for _, p := range s.peers {
		if h := p.Handler(s.Desk); h != nil {
			places = append(places, place{p.About().Path, h})
		}
	}
	// Of two that fit, the longer path is meant; of two versions with one path, the newer.
	slices.Reverse(places)
	slices.SortStableFunc(places, func(a, b place) int { return len(b.path) - len(a.path) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, p := range places {
			if strings.HasPrefix(r.URL.Path, p.path) {
				p.h.ServeHTTP(w, r)
				return
			}
		}
		http.NotFound(w, r)
	})
}

// sweepEvery is how often time is looked at.
const sweepEvery = 5 * time.Second

// Run works until ctx ends: a courier for each party, and the sweep of clocks.
func (s *Service) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, c := range s.couriers {
		g.Go(func() error { return c.Run(ctx, s.cfg.Owner) })
	}
	g.Go(func() error {
		tick := time.NewTicker(sweepEvery)
		defer tick.Stop()
		for {
			if err := s.Desk.Sweep(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Log.Error("hand-off sweep", "err", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	})
	return g.Wait()
}
