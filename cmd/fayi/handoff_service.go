package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fayi/adapters/hotline"
	"fayi/adapters/hotline/clock"
	"fayi/adapters/hotline/evidence"
	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/sheet"
	"fayi/adapters/hotline/ticket"
	"fayi/cmd/fayi/internal/config"
	"fayi/gateway/store"
)

// hotlines is the hand-off service of a node and where it listens.
type hotlines struct {
	*hotline.Service
	ln net.Listener
}

// openHotline makes the service fayi.yaml describes, nil without a section handoff. All bad profiles are told at once.
func openHotline(_ context.Context, c *config.File, st *store.Store, log *slog.Logger) (*hotlines, error) {
	if c.Handoff == nil {
		return nil, nil
	}
	s, err := newHotline(c, st, log)
	if err != nil {
		return nil, err
	}
	h := &hotlines{Service: s}
	if c.Handoff.Listen != "" {
		if h.ln, err = net.Listen("tcp", c.Handoff.Listen); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// newHotline makes the service without listening, for commands too.
func newHotline(c *config.File, st *store.Store, log *slog.Logger) (*hotline.Service, error) {
	h := c.Handoff
	if h == nil {
		return nil, &said{code: "NO_HANDOFF", zh: "fayi.yaml 没有 handoff 一节", en: "fayi.yaml has no section handoff",
			hintZH: "按 docs/hotline.md 填写本方代码和接口配置", hintEN: "see docs/hotline.md"}
	}
	cal := clock.Embedded()
	if h.Calendar != "" {
		text, err := os.ReadFile(c.Abs(h.Calendar))
		if err != nil {
			return nil, err
		}
		if cal, err = clock.ParseCalendar(clock.EmbeddedText() + string(text)); err != nil {
			return nil, err
		}
	}
	peers, err := openPeers(c, h, log)
	if err != nil {
		return nil, err
	}
	cfg := hotline.Config{Self: h.Party, Division: h.Division, Owner: fmt.Sprintf("%s/%d", c.Node, os.Getpid()), Store: st, Dir: c.KeysDir(), Peers: peers, Calendar: cal, Log: log, Duty: inTurn(h.Duty)}
	if h.Evidence {
		cfg.Publish = evidence.Publisher
	}
	return hotline.New(cfg), nil
}

func openPeers(c *config.File, h *config.Handoff, log *slog.Logger) ([]ticket.Peer, error) {
	var peers []ticket.Peer
	var faults []error
	for _, name := range h.Profiles {
		if !isShipped(name) {
			name = c.Abs(name)
		}
		p, err := profile.Load(name)
		if err == nil && p.Party.Code == h.Party {
			err = fmt.Errorf("profile %s: its party is %s, which is this bureau itself", name, h.Party)
		}
		var x ticket.Peer
		switch {
		case err != nil:
		case p.Sheet != nil:
			x, err = sheet.Open(p, sheetFolder(c, p.Party.Code))
		default:
			x, err = profile.Open(p, profile.Options{Dir: c.Abs(h.Secrets), Refused: func(op string, err error) {
				log.Warn("hand-off callback refused", "party", p.Party.Code, "operation", op, "err", err)
			}})
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		peers = append(peers, x)
	}
	return peers, errors.Join(faults...)
}

func isShipped(name string) bool {
	for _, s := range profile.Shipped() {
		if s == name {
			return true
		}
	}
	return false
}

// inTurn gives incoming tickets to the persons one after the other.
func inTurn(persons []string) func([]string) string {
	if len(persons) == 0 {
		return nil
	}
	var n atomic.Uint64
	return func([]string) string { return persons[(n.Add(1)-1)%uint64(len(persons))] }
}

// Run serves and works until ctx ends.
func (h *hotlines) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.Service.Run(ctx) })
	if h.ln != nil {
		srv := &http.Server{Handler: h.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
		g.Go(func() error {
			if err := srv.Serve(h.ln); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
		g.Go(func() error {
			<-ctx.Done()
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return srv.Shutdown(stop)
		})
	}
	return g.Wait()
}

// runBeside runs the node and, where there is one, the hand-off service; the end of one is the end of both.
func runBeside(ctx context.Context, node func(context.Context) error, h *hotlines) error {
	if h == nil {
		return node(ctx)
	}
	g, ctx := errgroup.WithContext(ctx)
	ctx, stop := context.WithCancel(ctx)
	g.Go(func() error { defer stop(); return node(ctx) })
	g.Go(func() error { defer stop(); return h.Run(ctx) })
	return g.Wait()
}
