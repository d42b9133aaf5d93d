// Package federation builds and runs several nodes in one process: real keys,
// real joins, real databases and real HTTP over loopback. The demo shows it and
// the tests of the promises stand on it; nothing in it is pretended.
package federation

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
	"fayi/gateway"
	"fayi/gateway/join"
	"fayi/gateway/replicate"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
	"fayi/outbox"

	"golang.org/x/sync/errgroup"
)

// Spec is one node to be built. Parents come before their children.
type Spec struct {
	ID, Parent string
	Name       sign.Names
	Role       string
	Polled     bool // the parent dials it; otherwise it dials its parent
}

// Shaanxi is the demo's federation: ministry, province and two cities, of which
// Yulin pushes and Yan'an is polled.
func Shaanxi() []Spec {
	return []Spec{
		{ID: "100000", Name: sign.Names{Zh: "司法部", En: "Ministry of Justice"}, Role: join.Ministry},
		{ID: "610000", Parent: "100000", Name: sign.Names{Zh: "陕西省司法厅", En: "Shaanxi"}, Role: join.Province},
		{ID: "610800", Parent: "610000", Name: sign.Names{Zh: "榆林市司法局", En: "Yulin"}, Role: join.City},
		{ID: "610600", Parent: "610000", Name: sign.Names{Zh: "延安市司法局", En: "Yan'an"}, Role: join.City, Polled: true},
	}
}

// Options say how to build.
type Options struct {
	Dir    string // one folder a node, named by its id
	Specs  []Spec
	Driver outbox.Dialect
	// DSN is the data source name of a node's database, made if need be.
	DSN func(ctx context.Context, id string) (string, error)
	// Adjust may change a node's configuration before it is opened; nil for none.
	Adjust func(*gateway.Config)
	Log    *slog.Logger
}

// Member is one node of the federation.
type Member struct {
	Spec
	Dir   string
	DSN   string
	Token string // of the local API
	Store *store.Store
	Node  *gateway.Node
	Peers []gateway.Peer

	identity  *keys.Identity
	registrar *keys.Registrar
}

// Federation is built, running or stopped. Members do not change after Build.
type Federation struct {
	Members []*Member
	opts    Options
}

// Member returns a node by id, nil if there is none.
func (f *Federation) Member(id string) *Member {
	for _, m := range f.Members {
		if m.ID == id {
			return m
		}
	}
	return nil
}

// Build makes what is missing (folders, keys, certificates, databases, joins),
// opens every node and links them. A folder built before is opened as it is.
func Build(ctx context.Context, opts Options) (f *Federation, err error) {
	f = &Federation{opts: opts}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	var g errgroup.Group
	for _, s := range opts.Specs {
		m := &Member{Spec: s, Dir: filepath.Join(opts.Dir, s.ID)}
		f.Members = append(f.Members, m)
		g.Go(func() error { return m.prepare(ctx, opts) })
	}
	if err := g.Wait(); err != nil {
		return f, err
	}
	for _, m := range f.Members {
		if err := f.join(ctx, m); err != nil {
			return f, fmt.Errorf("join %s: %w", m.ID, err)
		}
	}
	for _, m := range f.Members {
		if err := m.open(ctx, opts); err != nil {
			return f, fmt.Errorf("open %s: %w", m.ID, err)
		}
	}
	for _, m := range f.Members {
		if m.Parent == "" {
			continue
		}
		parent := f.Member(m.Parent)
		if m.Polled {
			parent.dial(m)
		} else {
			m.dial(parent)
		}
	}
	return f, nil
}

// dial makes m call the other both ways: it pushes what it owes and polls what
// it is owed.
func (m *Member) dial(other *Member) {
	p := gateway.Peer{ID: other.ID, URL: other.Node.PeerURL(), Push: true, Poll: true}
	m.Peers = append(m.Peers, p)
	m.Node.SetPeer(p)
}

func (m *Member) keysDir() string      { return filepath.Join(m.Dir, "keys") }
func (m *Member) registrarDir() string { return filepath.Join(m.Dir, "registrar") }
func (m *Member) passPath() string     { return filepath.Join(m.keysDir(), "passphrase") }
func (m *Member) tokenPath() string    { return filepath.Join(m.keysDir(), "api.token") }

// prepare makes folder, secrets, keys and database of a node that has none.
func (m *Member) prepare(ctx context.Context, opts Options) error {
	if err := os.MkdirAll(m.Dir, 0o700); err != nil {
		return err
	}
	dsn, err := opts.DSN(ctx, m.ID)
	if err != nil {
		return err
	}
	m.DSN = dsn
	if m.Store, err = store.Open(ctx, opts.Driver, dsn); err != nil {
		return err
	}
	if _, err := m.Store.Migrate(ctx); err != nil {
		return err
	}
	if _, err := os.Stat(m.passPath()); errors.Is(err, os.ErrNotExist) {
		if err := m.create(); err != nil {
			return fmt.Errorf("keys of %s: %w", m.ID, err)
		}
	}
	token, err := os.ReadFile(m.tokenPath())
	if err != nil {
		return err
	}
	m.Token = string(token)
	if m.registrar != nil {
		return nil
	}
	pass, err := keys.ReadPassphrase(filepath.Join(m.registrarDir(), "passphrase"))
	if err != nil {
		return err
	}
	m.registrar, err = keys.LoadRegistrar(m.registrarDir(), pass)
	return err
}

func (m *Member) create() error {
	pass, registrarPass := secret(), secret()
	if _, _, err := keys.CreateIdentity(m.keysDir(), m.ID, []byte(pass)); err != nil {
		return err
	}
	var err error
	if m.registrar, err = keys.CreateRegistrar(m.registrarDir(), m.ID, []byte(registrarPass), time.Now()); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(m.registrarDir(), "passphrase"), []byte(registrarPass), 0o600),
		os.WriteFile(m.tokenPath(), []byte(secret()), 0o600),
		os.WriteFile(m.passPath(), []byte(pass), 0o600))
}

func secret() string {
	var b [32]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// join makes a node a member: the root founds the federation, the others are
// invited, ask and are approved, as they would be by hand.
func (f *Federation) join(ctx context.Context, m *Member) error {
	if _, err := os.Stat(filepath.Join(m.keysDir(), "sign.crt")); err == nil {
		return m.load()
	}
	place := join.Place{Node: m.ID, Names: m.Name, Role: m.Role, Territory: join.DefaultTerritory(m.ID, m.Role, m.Parent == "")}
	if m.Parent == "" {
		se, err := join.Found(m.registrar, m.keysDir(), place, time.Now())
		if err != nil {
			return err
		}
		if err := join.Announce(ctx, m.Store, se); err != nil {
			return err
		}
		return m.load()
	}
	parent := f.Member(m.Parent)
	dir, err := join.Directory(ctx, parent.Store, parent.ID)
	if err != nil {
		return err
	}
	invite, err := join.NewInvite(dir, place, "")
	if err != nil {
		return err
	}
	ledger := join.OpenLedger(filepath.Join(parent.Dir, "invites.json"))
	if err := ledger.Add(invite, time.Now()); err != nil {
		return err
	}
	request, err := join.NewRequest(invite, m.keysDir(), m.registrar.Cert)
	if err != nil {
		return err
	}
	approver := &join.Approver{Directory: dir, Store: parent.Store, Ledger: ledger}
	approval, err := approver.Approve(ctx, parent.registrar, request, request.JoinCode(invite.Lineage[0]), time.Now())
	if err != nil {
		return err
	}
	if err := join.Install(ctx, m.Store, m.keysDir(), invite, request, approval); err != nil {
		return err
	}
	return m.load()
}

func (m *Member) load() error {
	pass, err := keys.ReadPassphrase(m.passPath())
	if err != nil {
		return err
	}
	m.identity, err = keys.LoadIdentity(m.keysDir(), pass)
	return err
}

// open opens the node on free loopback ports.
func (m *Member) open(ctx context.Context, opts Options) (err error) {
	cfg := gateway.Config{
		Node: m.ID, Role: m.Role, Store: m.Store, Identity: m.identity, DataDir: m.keysDir(),
		PeerAddr: "127.0.0.1:0", LocalAddr: "127.0.0.1:0",
		APIKeys: []gateway.APIKey{{Name: "main", SM3: sign.Sum([]byte(m.Token)), Publish: []string{"*"}, Read: []string{"*"}}},
		Sources: []sequencer.Source{{Name: "main", Table: outbox.Table, Types: []string{"*"}}},
		Inbox:   []string{"*"}, Log: opts.Log.With("node", m.ID),
	}
	if opts.Adjust != nil {
		opts.Adjust(&cfg)
	}
	m.Node, err = gateway.New(ctx, cfg)
	return err
}

// Run serves all nodes until ctx ends or one fails.
func (f *Federation) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, m := range f.Members {
		g.Go(func() error { return m.Node.Run(ctx) })
	}
	return g.Wait()
}

// Close releases nodes and databases.
func (f *Federation) Close() error {
	var errs []error
	for _, m := range f.Members {
		if m.Node != nil {
			errs = append(errs, m.Node.Close())
		}
		if m.Store != nil {
			errs = append(errs, m.Store.Close())
		}
	}
	return errors.Join(errs...)
}

// Copy is one node's copy of a stream.
type Copy struct {
	Node   *Member
	Stream store.Stream
}

// Copies lists, by stream, every copy a node of its audience or way should
// hold, the origin's first; a copy not there yet is a zero stream.
func (f *Federation) Copies(ctx context.Context) (map[string][]Copy, error) {
	out := map[string][]Copy{}
	for _, origin := range f.Members {
		streams, err := origin.Store.Streams(ctx)
		if err != nil {
			return nil, err
		}
		for _, st := range streams {
			if st.Origin != origin.ID || st.Seq == 0 {
				continue
			}
			s, err := sign.ParseStream(st.Name)
			if err != nil {
				return nil, err
			}
			out[st.Name] = append(out[st.Name], Copy{origin, st})
			for _, m := range f.Members {
				if m == origin || !m.Node.Engine().Directory.OnPath(s, m.ID) {
					continue
				}
				copied, err := m.Store.StreamByName(ctx, st.Name)
				if err != nil && !errors.Is(err, store.ErrUnknownStream) {
					return nil, err
				}
				out[st.Name] = append(out[st.Name], Copy{m, copied})
			}
		}
	}
	return out, nil
}

// Quiet reports whether nothing is on its way: every outbox is empty and every
// copy ends where its origin's does.
func (f *Federation) Quiet(ctx context.Context) (bool, error) {
	for _, m := range f.Members {
		st, err := m.Node.Status(ctx)
		if err != nil {
			return false, err
		}
		for _, s := range st.Sources {
			if s.Waiting > 0 {
				return false, nil
			}
		}
	}
	copies, err := f.Copies(ctx)
	if err != nil {
		return false, err
	}
	for name, cs := range copies {
		s, err := sign.ParseStream(name)
		if err != nil {
			return false, err
		}
		for _, c := range cs[1:] {
			reads := c.Node.Node.Engine().Directory.InAudience(s, c.Node.ID) // a carrier judges nothing
			if c.Stream.Head != cs[0].Stream.Head || reads && c.Stream.Checked != c.Stream.Pos {
				return false, nil
			}
		}
	}
	return true, nil
}

// WaitQuiet waits until two looks in a row find nothing on its way, calling
// look in between. It wakes on changes, not by the clock alone.
func (f *Federation) WaitQuiet(ctx context.Context, look func()) error {
	calm := 0
	for calm < 2 {
		quiet, err := f.Quiet(ctx)
		if err != nil {
			return err
		}
		if calm++; !quiet {
			calm = 0
		}
		if look != nil {
			look()
		}
		f.nap(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// nap waits for a change at any node, at most a fifth of a second.
func (f *Federation) nap(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for _, m := range f.Members {
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer cancel()
			hub := m.Node.Engine().Hub
			hub.Wait(ctx, hub.Version())
		}()
	}
	wg.Wait()
}

// Fault is something a check of copies found.
type Fault struct{ Node, Stream, What string }

// Verify checks every copy from its own bytes: signatures, chain, roots, and
// that equal positions hold equal heads. It returns what it found, and how many
// segments it read.
func (f *Federation) Verify(ctx context.Context) (faults []Fault, segments int, err error) {
	copies, err := f.Copies(ctx)
	if err != nil {
		return nil, 0, err
	}
	for name, cs := range copies {
		for _, c := range cs {
			if c.Stream.Head != cs[0].Stream.Head {
				faults = append(faults, Fault{c.Node.ID, name, fmt.Sprintf("ends at %d, the origin's at %d", c.Stream.Seq, cs[0].Stream.Seq)})
				continue
			}
			n, err := replicate.VerifyStream(ctx, c.Node.Node.Engine(), &c.Stream)
			segments += n
			if err != nil {
				faults = append(faults, Fault{c.Node.ID, name, err.Error()})
			}
		}
	}
	return faults, segments, nil
}
