package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"fayi/gateway/strictyaml"
)

// File is fayi.yaml. Only [Load] makes a complete one; it is not changed afterwards.
type File struct {
	Node     string              `yaml:"node"`     // id, as in the node's certificates
	Name     string              `yaml:"name"`     // for people
	Role     string              `yaml:"role"`     // one of join.Roles
	Database Database            `yaml:"database"` // of the node, holding also the contract tables
	Keys     Keys                `yaml:"keys"`
	Listen   Listen              `yaml:"listen"`
	API      API                 `yaml:"api"`
	Peers    []Peer              `yaml:"peers"`   // nodes this one dials; others may dial it
	Sources  []Source            `yaml:"sources"` // outbox tables; default: main, exchange_outbox, everything
	Publish  map[string][]string `yaml:"publish"` // record type or "*" → audiences; default: the pack's for the role
	Inbox    []string            `yaml:"inbox"`   // record types of peers delivered to exchange_inbox; default: all
	Notes    Notes               `yaml:"notes"`
	Limits   Limits              `yaml:"limits"` // what one peer may ask of this node
	Brakes   Brakes              `yaml:"brakes"`
	Archive  Archive             `yaml:"archive"` // bodies of old segments in files
	Handoff  *Handoff            `yaml:"handoff"` // tickets exchanged with other hotlines; default: none
	Packs    string              `yaml:"packs"`   // folder of further packs, to judge by; need not exist; default: packs
	Adopt    string              `yaml:"adopt"`   // of packs that come: AdoptAuto (default) or AdoptManual
	Trace    string              `yaml:"trace"`   // file for trace events; empty: none
	Test     bool                `yaml:"test"`    // accept streams of the audience "test"

	path string // absolute, of the file itself
}

// Database says where the node's tables are.
type Database struct {
	Driver string `yaml:"driver"` // sqlite or mysql
	// DSN is for sqlite a path; for mysql a go-sql-driver data source name, or "file:" and the path of a file that
	// holds it. One with a password is allowed only in a file.
	DSN string `yaml:"dsn"`
}

// Keys says where the private keys are.
type Keys struct {
	Dir        string `yaml:"dir"`        // the node's identity; heads.journal is here too
	Passphrase string `yaml:"passphrase"` // "file:" and a path
	// Registrar is the folder of the registrar's keys with its own file "passphrase"; default: registrar. It should be
	// on a medium that is plugged in for approvals only (design §7).
	Registrar string `yaml:"registrar"`
}

// Listen holds the addresses host:port the node binds. Empty: not at all.
type Listen struct {
	Peers string `yaml:"peers"` // calls of other nodes
	Local string `yaml:"local"` // API and console for this side
	TLS   *TLS   `yaml:"tls"`   // of Peers; nil: plain HTTP, for the local machine or behind a TLCP gateway
}

// TLS names two PEM files.
type TLS struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// API holds who may use the local API.
type API struct {
	Keys []APIKey `yaml:"keys"`
}

// APIKey is a bearer token, known by its hash, and what it may do.
type APIKey struct {
	Name    string   `yaml:"name"`
	SM3     string   `yaml:"sm3"`     // 64 hex digits: SM3 of the token's characters
	Source  string   `yaml:"source"`  // name of the source its records count as; default: the first
	Publish []string `yaml:"publish"` // record types, "*" for all
	Read    []string `yaml:"read"`
	Operate bool     `yaml:"operate"` // may decide what waits for a person
}

// Peer is a node this one dials.
type Peer struct {
	ID   string `yaml:"id"`
	URL  string `yaml:"url"` // scheme://host:port
	Push bool   `yaml:"push"`
	Poll bool   `yaml:"poll"`
	// Through is an interface file of a vendor's API gateway that calls go through (docs/handoff-profiles.md); default: none.
	Through string `yaml:"through"`
}

// Source is one outbox table and what may come through it.
type Source struct {
	Name   string   `yaml:"name"`
	Table  string   `yaml:"table"`
	Types  []string `yaml:"types"`  // "*" for all; default: all
	Ops    []string `yaml:"ops"`    // put, del; default: both
	Prefix string   `yaml:"prefix"` // every key begins with it; default: none
	// DSN is "file:" and the path of a file that holds the data source name of the MySQL database the table is in;
	// default: the node's own database.
	DSN string `yaml:"dsn"`
	// MaxTaken is how many rows of that database may be sealed and not yet stored by a reader: above it the source
	// waits; default: 100000.
	MaxTaken int `yaml:"max_taken"`
}

// Notes paces head notes (protocol §4).
type Notes struct {
	Every time.Duration `yaml:"every"` // after changes, at most once in; default 60s
	Limit time.Duration `yaml:"limit"` // alarm where a peer's note is older; default 2h
}

// Limits bounds what one peer may ask; a peer beyond is answered RATE_LIMITED and when to come again (protocol §5).
type Limits struct {
	Requests int   `yaml:"requests"` // a second; default 200
	Bytes    int64 `yaml:"bytes"`    // of its requests, a second; default 67108864
}

// Brakes bounds what one source may delete and change before a person is asked (design §5).
type Brakes struct {
	Floor         int           `yaml:"floor"`          // so many deletions and changed keys always pass; default 50
	DeletePercent int           `yaml:"delete_percent"` // of a type's keys, 100 for no limit; default 5
	ChangePercent int           `yaml:"change_percent"` // default 20
	Window        time.Duration `yaml:"window"`         // default 1h
}

// Archive moves bodies of old segments out of the database (design §9).
type Archive struct {
	Dir   string        `yaml:"dir"`   // folder, seen by every host of the node; default: archive
	After time.Duration `yaml:"after"` // age from which bodies are moved; default 0: never
}

// Handoff is this bureau's side of ticket hand-offs (adapters/hotline).
type Handoff struct {
	Party    string   `yaml:"party"`    // our code, e.g. HOTLINE_12348_610800
	Division string   `yaml:"division"` // six digits, in every number we give
	Listen   string   `yaml:"listen"`   // host:port for what parties send; empty: nothing is taken
	Profiles []string `yaml:"profiles"` // files, or names of shipped ones; of one party the newest last
	Secrets  string   `yaml:"secrets"`  // folder of the profiles' file: references; default: that of fayi.yaml
	Sheets   string   `yaml:"sheets"`   // folder of spreadsheets for parties without an interface; default: sheets
	Calendar string   `yaml:"calendar"` // file with working-day notices after those the program has; default: none
	Duty     []string `yaml:"duty"`     // references of persons who take incoming tickets in turn; default: signed in by hand
	Evidence bool     `yaml:"evidence"` // publish every event as a record of type handoff_event
}

// How new schema packs are adopted: by the node itself where they are proven
// compatible, or always by a person.
const (
	AdoptAuto   = "auto"
	AdoptManual = "manual"
)

// Any stands for every record type.
const Any = "*"

// Error lists every fault of one file, in the order of its lines.
type Error = strictyaml.Error

const maxSize = 1 << 20 // bytes of fayi.yaml

// Load reads a configuration. The error is an [*Error] if the file could be
// read but has faults.
func Load(path string) (*File, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	fd, err := os.Open(abs)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer fd.Close()
	data, err := io.ReadAll(io.LimitReader(fd, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if len(data) > maxSize {
		return nil, errors.New("config: " + path + " is larger than 1 MiB")
	}
	f := &File{path: abs}
	d := strictyaml.Decode(data, f)
	if !d.Broken() {
		f.defaults()
		checker{d}.file(f)
	}
	if err := d.Err(path); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) defaults() {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&f.Keys.Dir, "keys")
	def(&f.Keys.Registrar, "registrar")
	def(&f.Packs, "packs")
	def(&f.Archive.Dir, "archive")
	if f.Handoff != nil {
		def(&f.Handoff.Secrets, ".")
		def(&f.Handoff.Sheets, "sheets")
	}
	def(&f.Adopt, AdoptAuto)
	if f.Sources == nil {
		f.Sources = []Source{{Name: "main", Table: "exchange_outbox"}}
	}
	for i := range f.Sources {
		if f.Sources[i].Types == nil {
			f.Sources[i].Types = []string{Any}
		}
		if f.Sources[i].Ops == nil {
			f.Sources[i].Ops = []string{"put", "del"}
		}
	}
	if f.Inbox == nil {
		f.Inbox = []string{Any}
	}
	number := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	number(&f.Brakes.Floor, 50)
	number(&f.Brakes.DeletePercent, 5)
	number(&f.Brakes.ChangePercent, 20)
	if f.Brakes.Window == 0 {
		f.Brakes.Window = time.Hour
	}
	if f.Notes.Every == 0 {
		f.Notes.Every = time.Minute
	}
	if f.Notes.Limit == 0 {
		f.Notes.Limit = 2 * time.Hour
	}
}
