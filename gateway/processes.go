package gateway

import (
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fayi/crypto/sign"
	"fayi/gateway/store"
)

// Several processes may run one node over one database. Safety never rests on
// what is here: two that seal at once are kept apart by the heads'
// compare-and-set. This is who works, and how soon another does when it stops;
// replicate.Engine.Watch is how one hears what the others did.

const (
	// beatEvery is how often a lease is renewed, lookEvery how often somebody
	// else's is looked at: a holder that stopped is found out after
	// store.LeaseTimeout and lookEvery at most, counted from its last beat.
	beatEvery = 500 * time.Millisecond
	lookEvery = 200 * time.Millisecond
	// sealWait bounds how long readers are asked where a stream ends (protocol §6).
	sealWait = 5 * time.Second
)

// host names the place this process keeps its journal in: processes of one host
// read each other's.
func (n *Node) host() string {
	name, err := os.Hostname()
	if err != nil {
		name = "host"
	}
	dir, err := filepath.Abs(n.cfg.DataDir)
	if err != nil {
		dir = n.cfg.DataDir
	}
	h := sign.Sum([]byte(name + "\x00" + dir))
	return strings.ToValidUTF8(name[:min(len(name), 32)], "") + "-" + hex.EncodeToString(h[:4])
}

// keepLease beats for a source's lease; see store.Lease.
func (n *Node) keepLease(ctx context.Context, l *store.Lease) {
	for {
		held, err := l.Try(ctx)
		if err != nil && ctx.Err() == nil {
			n.cfg.Log.WarnContext(ctx, "lease", "err", err)
		}
		pause := lookEvery
		if held {
			pause = beatEvery
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// takeLead is what comes before the first segment under a lease newly held.
// Taking it from another host is a start: that host's journal is out of reach,
// so the readers are asked whether they hold more than the database, and where
// none can be asked the next generation opens (protocol §6).
func (n *Node) takeLead(ctx context.Context, l *store.Lease) (doubted map[string]string, err error) {
	if err := n.engine.Journal.Refresh(); err != nil {
		return nil, err
	}
	from, _, _ := strings.Cut(l.From(), "/")
	if from == "" || from == n.host() {
		return nil, nil
	}
	wctx, cancel := context.WithTimeout(ctx, sealWait)
	defer cancel()
	doubted, err = n.engine.AskReaders(wctx, n.links)
	n.cfg.Log.InfoContext(ctx, "lease taken from another host", "host", from, "doubted", len(doubted), "err", err)
	return doubted, err
}
