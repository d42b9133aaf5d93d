package profile

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"fayi/adapters/hotline/clock"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/outer"
	"fayi/gateway/strictyaml"
)

// File is a profile as written.
type File struct {
	Profile      string              `yaml:"profile"` // name@version; open hand-offs stay with the version they began under
	Title        string              `yaml:"title"`
	Party        Party               `yaml:"party"`
	Calls        outer.Interface     `yaml:"calls"`     // what we call
	Callbacks    *outer.Interface    `yaml:"callbacks"` // what they call
	Sheet        *Sheet              `yaml:"sheet"`     // instead of calls: files that people carry
	Capabilities Capabilities        `yaml:"capabilities"`
	Verbs        map[string]VerbCall `yaml:"verbs"`   // canonical verb → how it is told
	News         map[string]string   `yaml:"news"`    // their code → canonical verb
	Degrade      map[string]string   `yaml:"degrade"` // canonical verb → note, task, note_task, new_ticket, local
	Maps         map[string]Map      `yaml:"maps"`
	Identity     []string            `yaml:"identity"` // values that make an event's id where they send none
	Class        Class               `yaml:"class"`
	Share        Share               `yaml:"share"`
	Clocks       []ClockRule         `yaml:"clocks"`
	Returns      Returns             `yaml:"returns"`
	Retry        Retry               `yaml:"retry"`
	Silence      Silence             `yaml:"silence"`
	Loop         Loop                `yaml:"loop"`
	Fetch        Fetch               `yaml:"fetch"`
	Simulate     Simulate            `yaml:"simulate"`
	Constants    map[string]string   `yaml:"constants"` // values templates may name as constants.NAME
}

// Party is who is spoken to.
type Party struct {
	Code string `yaml:"code"` // HOTLINE_12345_610800
	Kind string `yaml:"kind"` // list partyKind
}

// VerbCall says how a verb is told.
type VerbCall struct {
	Call string `yaml:"call"` // operation of calls
	Code string `yaml:"code"` // value "code" of its template
}

// Map translates one list of codes.
type Map struct {
	List     string            `yaml:"list"`     // canonical list; default: the map's name. "free" has no fixed codes
	Out      map[string]string `yaml:"out"`      // ours → theirs
	In       map[string]string `yaml:"in"`       // theirs → ours; default: Out turned round
	Coarser  map[string]string `yaml:"coarser"`  // ours → ours: what comes back instead, known and accepted
	Unmapped string            `yaml:"unmapped"` // what an unknown code of theirs does: block (default) or note: the text is kept, no code
}

// Class says how appeals are classified at the peer.
type Class struct {
	Scheme   string `yaml:"scheme"`   // name and version of their table
	Unmapped string `yaml:"unmapped"` // a class the map lacks: block (default) or send, as UnmappedCode and with its text
	Code     string `yaml:"code"`     // their code for "none of these", needed with send
}

// Capabilities are what the interface can do.
type Capabilities struct {
	QueryBySourceID bool        `yaml:"query_by_source_id"`
	PushEvents      bool        `yaml:"push_events"`
	PullEvents      string      `yaml:"pull_events"`      // none (default), cursor, open, folder
	DuplicateSignal string      `yaml:"duplicate_signal"` // none (default), code: a second offer is answered as duplicate
	NumberLater     bool        `yaml:"number_later"`
	ReturnMode      string      `yaml:"return_mode"` // approval, unilateral
	Suspend         bool        `yaml:"suspend"`
	Extension       *Extension  `yaml:"extension"`
	Withdraw        bool        `yaml:"withdraw"`
	Reopen          string      `yaml:"reopen"` // same, new_ticket
	Redispatch      bool        `yaml:"redispatch"`
	Attachments     Attachments `yaml:"attachments"`
	ContentMax      int         `yaml:"content_max"` // characters
	TitleMax        int         `yaml:"title_max"`
	NeedsPhone      bool        `yaml:"needs_phone"`
}

// Extension bounds extensions of the handling time.
type Extension struct {
	Max    int    `yaml:"max"`
	MaxWD  int    `yaml:"maxWD"`
	Cutoff string `yaml:"cutoff"`
}

// Attachments says how files travel.
type Attachments struct {
	Mode    string   `yaml:"mode"` // none (default), two_step: sent before the ticket that names them
	MaxMB   int      `yaml:"maxMB"`
	Types   []string `yaml:"types"`
	ChunkKB int      `yaml:"chunkKB"` // 0: a file goes in one piece
}

// Share says what of the citizen may leave.
type Share struct {
	Default    string            `yaml:"default"` // none, minimal, full
	ByType     map[string]string `yaml:"byType"`
	SecrecyMin map[string]int    `yaml:"secrecyMin"`
	Relay      string            `yaml:"relay"`
	Salt       string            `yaml:"salt"` // file:path of the salt of citizen references
}

// ClockRule is a limit of this party.
type ClockRule struct {
	ID         string    `yaml:"id"`
	Clock      string    `yaml:"clock"` // C0 … C8
	When       ClockWhen `yaml:"when"`
	Limit      string    `yaml:"limit"` // 5WD, 15m, 2h
	Cal        string    `yaml:"cal"`   // natural (default), business
	ValidFrom  string    `yaml:"validFrom"`
	CountStart bool      `yaml:"countStartDay"`
	EndOfDay   string    `yaml:"endOfDay"`
	Cutoff     string    `yaml:"cutoffHour"`
	MaxPause   int       `yaml:"maxPauseWD"`
}

// ClockWhen is the condition of a limit; empty members hold for all.
type ClockWhen struct {
	Type    []string `yaml:"type"`
	Urgency []int    `yaml:"urgency"`
	Danger  []string `yaml:"danger"`
	Tags    []string `yaml:"tags"`
}

// Returns are the rules of return and redo agreed with the party; 0 means the
// default of [ticket.Policy].
type Returns struct {
	MaxPerTarget int    `yaml:"maxPerTarget"`
	MaxTotal     int    `yaml:"maxTotal"`
	ReviewLapse  string `yaml:"reviewLapse"`
	MaxRedo      int    `yaml:"maxRedo"`
	ReopenDays   int    `yaml:"reopenDays"`
	PauseOnInfo  bool   `yaml:"pauseOnInfo"`
}

// Retry paces attempts.
type Retry struct {
	Schedule []time.Duration `yaml:"schedule"`
	Budget   time.Duration   `yaml:"budget"`
	Breaker  Breaker         `yaml:"breaker"`
	Rate     int             `yaml:"rate"` // messages a second
}

// Breaker stops calling a peer that fails.
type Breaker struct {
	Failures int           `yaml:"failures"`
	Cool     time.Duration `yaml:"cool"`
}

// Silence is how much the peer usually says.
type Silence struct {
	ExpectPerHour int           `yaml:"expectPerHour"`
	AlarmAfter    time.Duration `yaml:"alarmAfter"`
}

// Loop guards against loops and doubles.
type Loop struct {
	MaxHops     int           `yaml:"maxHops"`
	GlareWindow time.Duration `yaml:"glareWindow"`
	EchoWindow  time.Duration `yaml:"echoWindow"`
	MatchHold   time.Duration `yaml:"matchHold"`
}

// Fetch says where files a peer names may be fetched.
type Fetch struct {
	Hosts    []string `yaml:"hosts"`    // host:port, exactly
	Networks []string `yaml:"networks"` // private networks these hosts may be in
}

// Simulate is what only a simulator needs to know.
type Simulate struct {
	Number string `yaml:"number"` // of tickets; default SIM-{date}-{n}
}

// Sheet describes a party that exchanges spreadsheets (package sheet).
type Sheet struct {
	Format  string   `yaml:"format"` // of what we write: xlsx (default), csv
	Columns []Column `yaml:"columns"`
	// TwoPersons are verbs that a second person must confirm before they count.
	TwoPersons []string `yaml:"twoPersons"`
}

// Column is one column of the sheets of both directions.
type Column struct {
	Field    string   `yaml:"field"` // a value of [Words]
	Title    string   `yaml:"title"`
	Synonyms []string `yaml:"synonyms"` // other headers the party uses for it
	Map      string   `yaml:"map"`      // a code map
	Out      bool     `yaml:"out"`      // we write it; the party fills in the others
}

// Profile is a checked profile.
type Profile struct {
	File
	Name    string // without version
	Version string

	calls     *outer.Compiled
	callbacks *outer.Compiled
	codes     *codes
	rules     clock.Rules
	policy    ticket.Policy
	data      []byte
}

// Calls is what we call, nil for a party that exchanges sheets.
func (p *Profile) Calls() *outer.Compiled { return p.calls }

// Callbacks is what they call, nil where they call nothing.
func (p *Profile) Callbacks() *outer.Compiled { return p.callbacks }

// CodeOf is the first of their words for a verb of ours in news, "" where there is
// none.
func (p *Profile) CodeOf(v ticket.Verb) string {
	for _, code := range slices.Sorted(maps.Keys(p.News)) {
		if p.News[code] == string(v) {
			return code
		}
	}
	return ""
}

// StateOut is their word for a state, "" where there is none.
func (p *Profile) StateOut(s ticket.State) string { return p.codes.out["state"][string(s)] }

// At is the profile with other hosts, scheme://host:port, paths as they were; ""
// keeps one.
func (p *Profile) At(calls, callbacks string) (*Profile, error) {
	out := &Profile{data: p.data}
	d := strictyaml.Decode(p.data, &out.File)
	out.File.Calls.Transport.Base = moveHost(out.File.Calls.Transport.Base, calls)
	if out.File.Callbacks != nil {
		out.File.Callbacks.Transport.Base = moveHost(out.File.Callbacks.Transport.Base, callbacks)
	}
	out.build(d)
	return out, d.Err(p.Profile)
}

func moveHost(base, host string) string {
	u, err := url.Parse(base)
	h, herr := url.Parse(host)
	if host == "" || err != nil || herr != nil || u.Scheme == "file" {
		return base
	}
	u.Scheme, u.Host = h.Scheme, h.Host
	return u.String()
}

//go:embed profiles/*.yaml
var shipped embed.FS

// Shipped lists the profiles that come with the program, as name@version.
func Shipped() []string {
	var names []string
	entries, err := fs.ReadDir(shipped, "profiles")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// maxFile bounds a profile in bytes.
const maxFile = 1 << 20

// Source reads a profile: a file, or the name of a shipped one.
func Source(name string) ([]byte, error) {
	if !strings.ContainsAny(name, "/\\") && slices.Contains(Shipped(), name) {
		return shipped.ReadFile(path.Join("profiles", name+".yaml"))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Size() > maxFile {
		return nil, fmt.Errorf("profile: %s is over 1 MiB", name)
	}
	return os.ReadFile(name)
}

// Load reads and checks a profile. The error is a [strictyaml.Error] where the
// file could be read but has faults.
func Load(name string) (*Profile, error) {
	data, err := Source(name)
	if err != nil {
		return nil, err
	}
	return Parse(name, data)
}

var profileName = regexp.MustCompile(`^([a-z0-9][a-z0-9-]{1,40})@([0-9]{1,6})$`)

// Parse reads a profile, compiles it and checks it whole. name is for messages.
func Parse(name string, data []byte) (*Profile, error) {
	p := &Profile{data: data}
	d := strictyaml.Decode(data, &p.File)
	if !d.Broken() {
		p.build(d)
	}
	if err := d.Err(name); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Profile) build(d *strictyaml.Document) {
	if m := profileName.FindStringSubmatch(p.Profile); m != nil {
		p.Name, p.Version = m[1], m[2]
	} else {
		d.Fault("profile", "应写作 名称@版本，如 yl-12345-a@4（小写字母、数字、连字符；版本为整数）", "must be name@version such as yl-12345-a@4")
	}
	p.codes = newCodes(p)
	if p.Sheet == nil {
		p.calls = outer.Compile(d, "calls", &p.File.Calls, p.codes)
		if p.File.Calls.Transport.Base == "" {
			d.Fault("calls.transport.base", "必须填写对方地址", "is required")
		}
	}
	if p.File.Callbacks != nil {
		p.callbacks = outer.Compile(d, "callbacks", p.File.Callbacks, p.codes)
	}
	c := checker{d, p}
	c.all()
	p.rules = c.clocks()
	p.policy = p.makePolicy()
}

func (p *Profile) makePolicy() ticket.Policy {
	share := map[string]string{"": p.Share.Default}
	for t, s := range p.Share.ByType {
		share[t] = s
	}
	if p.Share.Default == "" {
		share[""] = "minimal"
	}
	out := ticket.Policy{
		ReviewLapse: p.Returns.ReviewLapse, MaxReturnsPerTarget: p.Returns.MaxPerTarget, MaxReturnsTotal: p.Returns.MaxTotal,
		PauseOnInfo: p.Returns.PauseOnInfo, MaxRedo: p.Returns.MaxRedo, ReopenWithin: p.Returns.ReopenDays,
		MaxHops: p.Loop.MaxHops, GlareWithin: p.Loop.GlareWindow, EchoWithin: p.Loop.EchoWindow, MatchHold: p.Loop.MatchHold,
		RetrySchedule: p.Retry.Schedule, RetryBudget: p.Retry.Budget, BreakerAfter: p.Retry.Breaker.Failures, BreakerCool: p.Retry.Breaker.Cool,
		Rate: float64(p.Retry.Rate), ExpectPerHour: p.Silence.ExpectPerHour, SilenceAfter: p.Silence.AlarmAfter,
		Share: share, SecrecyMin: p.Share.SecrecyMin, Relay: p.Share.Relay, FetchHosts: p.Fetch.Hosts,
	}
	if e := p.Capabilities.Extension; e != nil {
		out.MaxExtensions, out.MaxExtensionDays, out.ExtensionCutoff = e.Max, e.MaxWD, e.Cutoff
	}
	return out.WithDefaults()
}

// About describes the profile to the desk.
func (p *Profile) About() ticket.About {
	c := &p.Capabilities
	can := ticket.Capabilities{
		QueryBySourceID: c.QueryBySourceID, Push: c.PushEvents, Pull: c.PullEvents, Resend: c.DuplicateSignal == "code", NumberLater: c.NumberLater,
		ReturnMode: c.ReturnMode, Suspend: c.Suspend, Extension: c.Extension != nil, Withdraw: c.Withdraw, Reopen: c.Reopen, Redispatch: c.Redispatch,
		Attachments: c.Attachments.Mode, MaxAttachment: int64(c.Attachments.MaxMB) << 20, Types: slices.Clone(c.Attachments.Types),
		MaxContent: c.ContentMax, MaxTitle: c.TitleMax, Unmapped: p.Class.Unmapped == "send", NeedsPhone: c.NeedsPhone, Degrade: map[ticket.Verb]string{},
	}
	if can.Pull == "none" {
		can.Pull = ""
	}
	if can.Attachments == "" {
		can.Attachments = "none"
	}
	for v := range p.Verbs {
		can.Verbs = append(can.Verbs, ticket.Verb(v))
	}
	slices.Sort(can.Verbs)
	for v, how := range p.Degrade {
		can.Degrade[ticket.Verb(v)] = how
	}
	about := ticket.About{Profile: p.Profile, Party: p.Party.Code, Kind: p.Party.Kind, Can: can, Policy: p.policy, Clocks: slices.Clone(p.rules)}
	if p.File.Callbacks != nil {
		if u, err := url.Parse(p.File.Callbacks.Transport.Base); err == nil && u.Scheme != "file" {
			about.Path = u.Path
		}
	}
	return about
}

// ErrProfile is a profile that cannot be used as it is.
var ErrProfile = errors.New("profile not usable")
