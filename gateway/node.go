package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"fayi/gateway/archive"
	"fayi/gateway/call"
	"fayi/gateway/directory"
	"fayi/gateway/inbox"
	"fayi/gateway/outer"
	"fayi/gateway/packs"
	"fayi/gateway/problem"
	"fayi/gateway/replicate"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
	"fayi/gateway/trace"

	"github.com/google/uuid"
)

// Node is one running node. New opens it, Run serves until its context ends,
// Close releases what New took. Several processes may run one node over one
// database.
type Node struct {
	cfg        Config
	engine     *replicate.Engine
	packs      *packs.Shelf
	arrived    chan struct{} // a pack did, or may have
	links      []*replicate.Link
	sequencers []*sequencer.Sequencer
	leases     []*store.Lease
	trace      *trace.Writer
	peers      net.Listener
	local      net.Listener
	route      outer.Switch // of calls to peers, some of which go through a gateway of a vendor
	started    time.Time
}

// New opens a node: it checks the database, reads the packs and the directory,
// and binds the listeners. Its errors carry codes of package problem.
func New(ctx context.Context, cfg Config) (_ *Node, err error) {
	cfg.defaults()
	n := &Node{cfg: cfg, started: time.Now(), arrived: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			n.Close()
		}
	}()
	if err := n.checkDatabase(ctx); err != nil {
		return nil, err
	}
	if cfg.TracePath != "" {
		if n.trace, err = trace.Open(cfg.TracePath, cfg.Node); err != nil {
			return nil, err
		}
	}
	journal, err := replicate.OpenJournal(filepath.Join(cfg.DataDir, "heads.journal"))
	if err != nil {
		return nil, err
	}
	dir := directory.New(cfg.Node)
	n.packs = &packs.Shelf{Store: cfg.Store, Directory: dir, StoreKey: cfg.Identity.Store, Folder: cfg.PacksDir, Manual: cfg.ManualPacks, Clock: cfg.Clock, Log: cfg.Log}
	n.engine = &replicate.Engine{
		Store: cfg.Store, Directory: dir, Signer: cfg.Identity.Signer, Unwrapper: cfg.Identity.Unwrapper, StoreKey: cfg.Identity.Store,
		Schemas: n.packs.Registry, Journal: journal, Hub: replicate.NewHub(), Trace: n.trace, Log: cfg.Log, AcceptTest: cfg.AcceptTest,
		Client: &call.Client{Directory: dir, Signer: cfg.Identity.Signer, HTTP: httpClient(&n.route)},
	}
	if err := replicate.FillDirectory(ctx, cfg.Store, dir); err != nil {
		return nil, err
	}
	if _, ok := dir.Node(cfg.Node); !ok {
		return nil, problem.New(problem.BadEntry, "node %s has no valid entry in its own directory; join first", cfg.Node)
	}
	if err := n.packs.Load(ctx); err != nil { // signatures in the folder want the directory
		return nil, problem.Wrap(problem.BadConfig, err)
	}
	for _, p := range cfg.Peers {
		n.SetPeer(p)
	}
	if err := n.openSequencers(ctx); err != nil {
		return nil, err
	}
	return n, n.listen()
}

// httpClient is how links reach peers: keep-alive, no redirects, no proxy.
func httpClient(route *outer.Switch) *http.Client {
	route.Direct = &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: 8, IdleConnTimeout: 2 * time.Minute, TLSHandshakeTimeout: 10 * time.Second,
	}
	return &http.Client{
		Timeout:       90 * time.Second,
		Transport:     route,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("redirects are not followed") },
	}
}

// checkDatabase refuses a database of another version, and one whose settings
// may lose commits that were acknowledged (promise P7 rests on them).
func (n *Node) checkDatabase(ctx context.Context) error {
	pending, err := n.cfg.Store.Pending(ctx)
	if errors.Is(err, store.ErrNewerDatabase) {
		return problem.Wrap(problem.Ahead, err)
	}
	if err != nil {
		return err
	}
	if len(pending) > 0 {
		return problem.New(problem.Behind, "%s", strings.Join(pending, ", "))
	}
	var faults []string
	for _, c := range n.cfg.Store.Checks(ctx) {
		switch c.Level {
		case store.CheckFault:
			faults = append(faults, c.Zh+"，"+c.HintZh)
		case store.CheckWarn:
			n.cfg.Log.Warn("database", "code", c.Code, "what", c.En, "hint", c.HintEn)
		}
	}
	if len(faults) > 0 && !n.cfg.Unsafe {
		return problem.New(problem.BadConfig, "%s", strings.Join(faults, "；"))
	}
	if len(faults) > 0 {
		n.cfg.Log.Warn("database settings may lose commits", "faults", faults)
	}
	return nil
}

// Reload reads the packs folder again and judges held streams. A faulty pack
// there changes nothing.
func (n *Node) Reload(ctx context.Context) error {
	if err := n.packs.Load(ctx); err != nil {
		return problem.Wrap(problem.BadConfig, err)
	}
	_, err := n.engine.JudgeHeld(ctx)
	return err
}

// openSequencers makes one sequencer a source, and one for the node's own records.
func (n *Node) openSequencers(ctx context.Context) error {
	owner := n.host() + "/" + uuid.NewString()
	own := sequencer.Source{Name: replicate.OwnSource, Table: replicate.OwnOutbox, Types: []string{"*"}}
	for _, src := range append([]sequencer.Source{own}, n.cfg.Sources...) {
		s := &sequencer.Sequencer{
			Source: src, Store: n.cfg.Store, Directory: n.engine.Directory, Signer: n.engine.Signer, Cert: n.cfg.Identity.SignCert,
			StoreKey: n.engine.StoreKey, Schemas: n.packs.Registry, Trial: n.packs.Trial, TakeBack: n.packs.Brake, Audiences: n.cfg.AudiencesBy(n.packs.Registry), Brakes: n.cfg.Brakes, Journal: n.engine.Journal, Hub: n.engine.Hub, Trace: n.trace, Log: n.cfg.Log,
		}
		if err := s.Init(ctx); err != nil {
			return err
		}
		n.sequencers = append(n.sequencers, s)
		n.leases = append(n.leases, store.NewLease(n.cfg.Store, "source/"+src.Name, owner))
	}
	return nil
}

func (n *Node) listen() (err error) {
	if n.cfg.PeerAddr != "" {
		if n.peers, err = net.Listen("tcp", n.cfg.PeerAddr); err != nil {
			return problem.Wrap(problem.BadConfig, err)
		}
		if n.cfg.PeerTLS != nil {
			n.peers = tls.NewListener(n.peers, n.cfg.PeerTLS)
		}
	}
	if n.cfg.LocalAddr != "" {
		if n.local, err = net.Listen("tcp", n.cfg.LocalAddr); err != nil {
			return problem.Wrap(problem.BadConfig, err)
		}
	}
	return nil
}

// Engine gives tests and the command line the node's replication.
func (n *Node) Engine() *replicate.Engine { return n.engine }

// Packs gives tests and the command line the node's schema packs.
func (n *Node) Packs() *packs.Shelf { return n.packs }

// PeerURL is where peers reach this node, "" for none.
func (n *Node) PeerURL() string { return addressOf(n.peers, n.cfg.PeerTLS != nil) }

// LocalURL is where the local API answers, "" for none.
func (n *Node) LocalURL() string { return addressOf(n.local, false) }

func addressOf(l net.Listener, secure bool) string {
	switch {
	case l == nil:
		return ""
	case secure:
		return "https://" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}

// SetPeer adds a link before Run, for nodes whose addresses are known only once
// their listeners are bound.
func (n *Node) SetPeer(p Peer) {
	p.URL = strings.TrimRight(p.URL, "/")
	n.links = append(n.links, &replicate.Link{Peer: p.ID, URL: p.URL, Push: p.Push, Poll: p.Poll})
	if u, err := url.Parse(p.URL); err == nil && p.Through != nil {
		n.route.Set(u.Host, p.Through)
	}
}

// Run serves until ctx ends, then stops accepting, lets requests finish and
// returns.
func (n *Node) Run(ctx context.Context) error {
	n.trace.Write(trace.Event{Event: trace.Start})
	// A stream that cannot be judged or acted on waits, visibly; it keeps the node
	// from nothing else. Both are tried again while it runs.
	if _, err := n.engine.JudgeHeld(ctx); err != nil && ctx.Err() == nil {
		n.cfg.Log.WarnContext(ctx, "held segments wait", "err", err)
	}
	if err := n.engine.ActOnSystem(ctx); err != nil && ctx.Err() == nil {
		n.cfg.Log.WarnContext(ctx, "system records wait", "err", err)
	}
	var wg sync.WaitGroup
	run := func(f func()) {
		wg.Add(1)
		go func() { defer wg.Done(); f() }()
	}
	for i, s := range n.sequencers {
		run(func() { n.keepLease(ctx, n.leases[i]) })
		run(func() {
			s.Run(ctx, n.leases[i].Held, func(ctx context.Context) (map[string]string, error) { return n.takeLead(ctx, n.leases[i]) })
		})
	}
	for _, l := range n.links {
		if l.Push {
			run(func() { n.engine.Push(ctx, l) })
		}
		if l.Poll {
			run(func() { n.engine.Poll(ctx, l) })
		}
	}
	deliver := &inbox.Deliverer{Engine: n.engine, Types: n.cfg.Inbox, Limit: inbox.DefaultLimit}
	run(func() { deliver.Run(ctx) })
	run(func() { n.engine.Watch(ctx) })
	run(func() { n.engine.KeepReceipts(ctx) })
	run(func() { n.actOnSystem(ctx) })
	run(func() { n.decidePacks(ctx) })
	run(func() { n.publishNotes(ctx) })
	run(func() { n.purge(ctx) })
	if after := n.cfg.ArchiveAfter; after > 0 {
		a := &archive.Archiver{Store: n.cfg.Store, Dir: n.cfg.Archive, After: after, Every: min(after, time.Hour), Log: n.cfg.Log}
		run(func() { a.Run(ctx) })
	}
	servers := n.servers()
	fail := make(chan error, len(servers))
	for l, s := range servers {
		run(func() {
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				fail <- err
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-fail:
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, s := range servers {
		if serr := s.Shutdown(stop); serr != nil {
			s.Close()
		}
	}
	wg.Wait()
	for _, l := range n.leases {
		l.Release(stop)
	}
	return err
}

func (n *Node) servers() map[net.Listener]*http.Server {
	out := map[net.Listener]*http.Server{}
	server := func(h http.Handler) *http.Server {
		return &http.Server{
			Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 2 * time.Minute, WriteTimeout: 3 * time.Minute,
			IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		}
	}
	if n.peers != nil {
		s := server(&call.Server{
			Directory: n.engine.Directory, Signer: n.engine.Signer, Handlers: n.engine.Handlers(), Admit: n.admit, Limit: func(string) call.Limit { return n.cfg.Limit },
			Introduce: n.engine.Introduce, Log: n.cfg.Log,
		})
		// Long polls end with the server, not after their twenty seconds.
		base, cancel := context.WithCancel(context.Background())
		s.BaseContext = func(net.Listener) context.Context { return base }
		s.RegisterOnShutdown(cancel)
		out[n.peers] = s
	}
	if n.local != nil {
		out[n.local] = server(n.localAPI())
	}
	return out
}

// admit reports whether a node may call: parent, child or configured peer. Its
// signature holds, so one that was away is tried again.
func (n *Node) admit(node string) bool {
	for _, l := range n.links {
		if l.Peer == node {
			l.Heard()
		}
	}
	if n.engine.Directory.Neighbour(node) {
		return true
	}
	for _, p := range n.cfg.Peers {
		if p.ID == node {
			return true
		}
	}
	return false
}

// actOnSystem follows the federation's own streams, and judges what is held as
// soon as it can be.
func (n *Node) actOnSystem(ctx context.Context) {
	for ctx.Err() == nil {
		version := n.engine.Hub.Version()
		if err := n.engine.ActOnSystem(ctx); err != nil && ctx.Err() == nil {
			n.cfg.Log.WarnContext(ctx, "system records wait", "err", err)
		}
		if _, err := n.packs.Collect(ctx); err != nil && ctx.Err() == nil {
			n.cfg.Log.WarnContext(ctx, "packs wait", "err", err)
		}
		select {
		case n.arrived <- struct{}{}:
		default:
		}
		// What a receive left unjudged because packs changed meanwhile.
		if _, err := n.engine.JudgeHeld(ctx); err != nil && ctx.Err() == nil {
			n.cfg.Log.WarnContext(ctx, "held segments wait", "err", err)
		}
		wctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		n.engine.Hub.WaitSystem(wctx, version)
		cancel()
	}
}

// decidePacks decides about packs that arrived, beside everything else: running
// stored records through one may take minutes.
func (n *Node) decidePacks(ctx context.Context) {
	for {
		select {
		case <-n.arrived:
		case <-ctx.Done():
			return
		}
		if _, err := n.packs.Decide(ctx); err != nil && ctx.Err() == nil {
			n.cfg.Log.WarnContext(ctx, "packs not decided", "err", err)
		}
	}
}

// publishNotes signs head notes: after changes at most once every NoteEvery,
// and at least hourly; and it watches those of others.
func (n *Node) publishNotes(ctx context.Context) {
	t := time.NewTicker(n.cfg.NoteEvery)
	defer t.Stop()
	var at time.Time
	var version uint64
	for {
		if v := n.engine.Hub.Version(); v != version || time.Since(at) >= time.Hour {
			if err := n.engine.PublishNote(ctx); err != nil && ctx.Err() == nil {
				n.cfg.Log.ErrorContext(ctx, "head note", "err", err)
			} else {
				at, version = time.Now(), n.engine.Hub.Version()
			}
		}
		if err := n.engine.WatchNotes(ctx, n.cfg.NoteLimit); err != nil && ctx.Err() == nil {
			n.cfg.Log.WarnContext(ctx, "head notes not watched", "err", err)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// purge forgets idempotency keys after seven days, events after 180 and the pace
// of sources after two.
func (n *Node) purge(ctx context.Context) {
	t := time.NewTicker(time.Hour)
	defer t.Stop()
	for {
		const day = 24 * time.Hour
		_, err1 := n.cfg.Store.PurgeRemembered(ctx, time.Now().Add(-7*day).UnixMicro())
		_, err2 := n.cfg.Store.PurgeEvents(ctx, time.Now().Add(-180*day).UnixMicro())
		err3 := n.cfg.Store.PurgePace(ctx, time.Now().Add(-2*day).UnixMicro())
		if err := errors.Join(err1, err2, err3); err != nil && ctx.Err() == nil {
			n.cfg.Log.WarnContext(ctx, "purge", "err", err)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// Close releases listeners and files; the store belongs to the caller.
func (n *Node) Close() error {
	var errs []error
	for _, l := range []net.Listener{n.peers, n.local} {
		if l != nil {
			if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if n.engine != nil {
		errs = append(errs, n.engine.Journal.Close())
	}
	return errors.Join(append(errs, n.trace.Close())...)
}
