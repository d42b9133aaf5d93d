package gateway

import (
	"crypto/tls"
	"log/slog"
	"slices"
	"time"

	"fayi/crypto/keys"
	"fayi/gateway/archive"
	"fayi/gateway/call"
	"fayi/gateway/outer"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
	"fayi/schemas"
)

// Config is what a node runs with. Everything secret has been read already.
type Config struct {
	Node     string // this node's id
	Role     string // ministry, province, city, county, carrier: picks the packs' default audiences
	Store    *store.Store
	Identity *keys.Identity
	DataDir  string // for heads.journal, beside the keys

	PeerAddr  string      // listen address for POST /v1/call; "" for none
	PeerTLS   *tls.Config // nil for plain HTTP, which is for a TLCP gateway or loopback
	LocalAddr string      // listen address of the local API; "" for none

	APIKeys []APIKey
	Peers   []Peer
	Sources []sequencer.Source
	Brakes  sequencer.Brakes    // of every source; zero: none
	Publish map[string][]string // record type or "*" → audiences; absent: the pack's default for Role
	Inbox   []string            // record types delivered to exchange_inbox

	NoteEvery    time.Duration // between head notes while something changes; default 1 minute
	Limit        call.Limit    // what one peer may ask of this node; zero values for call.DefaultLimit
	NoteLimit    time.Duration // age of a note from which completeness is doubted; default 2 hours
	Archive      archive.Dir   // where bodies older than ArchiveAfter go
	ArchiveAfter time.Duration // 0: nowhere
	PacksDir     string        // folder of further schema packs, to judge by; may be absent
	TracePath    string        // file for trace events; "" for none
	AcceptTest   bool          // take streams of the audience "test"
	Unsafe       bool          // run on a database whose settings may lose commits
	Log          *slog.Logger

	ManualPacks bool             // every new schema pack waits for a person
	Clock       func() time.Time // by which packs take effect; nil for time.Now
}

// Peer is a neighbour this node dials.
type Peer struct {
	ID, URL    string
	Push, Poll bool
	Through    *outer.Tunnel // a vendor's API gateway in between; nil: none
}

// APIKey is a token of the local API: its SM3 and what it may do.
type APIKey struct {
	Name    string
	SM3     [32]byte
	Source  string   // the source its records count as; "" for the first
	Publish []string // record types, "*" for all
	Read    []string
	Operate bool // may decide what waits for a person
}

// AudiencesBy tells where a business type's records go: configuration first,
// then the pack's default for this node's role.
func (c *Config) AudiencesBy(registry func() *schemas.Registry) func(recordType string) []string {
	return func(recordType string) []string {
		if a, ok := c.Publish[recordType]; ok {
			return a
		}
		if t, ok := registry().Current(recordType); ok && c.Publish["*"] == nil {
			if a, ok := t.Audience(c.Role); ok {
				return []string{a}
			}
		}
		return c.Publish["*"]
	}
}

// may reports whether a list of record types holds one.
func may(types []string, recordType string) bool {
	return slices.Contains(types, "*") || slices.Contains(types, recordType)
}

func (c *Config) defaults() {
	if c.NoteEvery <= 0 {
		c.NoteEvery = time.Minute
	}
	if c.NoteLimit <= 0 {
		c.NoteLimit = 2 * time.Hour
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
}
