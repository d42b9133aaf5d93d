package join_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
	"fayi/gateway/directory"
	"fayi/gateway/join"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
	"fayi/outbox"

	"github.com/google/go-cmp/cmp"
)

var (
	pass = []byte("test only")
	now  = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
)

// machine is a computer that is or becomes a node: keys, registrar and database on disk.
type machine struct {
	t      *testing.T
	dir    string
	reg    *keys.Registrar
	store  *store.Store
	ledger *join.Ledger
	node   string
}

func newMachine(t *testing.T, node string) *machine {
	t.Helper()
	dir := t.TempDir()
	m := &machine{t: t, dir: dir, node: node, ledger: join.OpenLedger(filepath.Join(dir, "invites.json"))}
	made, reg := material(t, node)
	if err := os.CopyFS(m.keys(), os.DirFS(made)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sign.key", "enc.key", "store.key"} { // CopyFS widens modes
		if err := os.Chmod(filepath.Join(m.keys(), name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m.reg = reg
	var err error
	if m.store, err = store.Open(t.Context(), outbox.SQLite, filepath.Join(dir, "fayi.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.store.Close() })
	if _, err := m.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

// Making encrypted key files is slow on purpose, so tests share them: the first
// machine of a test that is named node has the same keys in every test, the
// second has others.
var pool struct {
	sync.Mutex
	dir  string
	made map[string]*keys.Registrar // by folder
	used map[string]int             // by test and node
}

func TestMain(m *testing.M) {
	var err error
	if pool.dir, err = os.MkdirTemp("", "fayi-join-"); err != nil {
		panic(err)
	}
	pool.made, pool.used = map[string]*keys.Registrar{}, map[string]int{}
	code := m.Run()
	os.RemoveAll(pool.dir)
	os.Exit(code)
}

// material returns a folder made by CreateIdentity and a registrar.
func material(t *testing.T, node string) (string, *keys.Registrar) {
	t.Helper()
	pool.Lock()
	defer pool.Unlock()
	pool.used[t.Name()+node]++
	dir := filepath.Join(pool.dir, fmt.Sprintf("%s.%d", node, pool.used[t.Name()+node]))
	if reg, ok := pool.made[dir]; ok {
		return dir, reg
	}
	if _, _, err := keys.CreateIdentity(dir, node, pass); err != nil {
		t.Fatal(err)
	}
	reg, err := keys.CreateRegistrar(dir+".registrar", node, pass, now)
	if err != nil {
		t.Fatal(err)
	}
	pool.made[dir] = reg
	return dir, reg
}

func (m *machine) keys() string { return filepath.Join(m.dir, "keys") }

func (m *machine) directory() *directory.Directory {
	m.t.Helper()
	d, err := join.Directory(m.t.Context(), m.store, m.node)
	if err != nil {
		m.t.Fatal(err)
	}
	return d
}

func (m *machine) approver() *join.Approver {
	return &join.Approver{Directory: m.directory(), Store: m.store, Ledger: m.ledger}
}

func (m *machine) invite(p join.Place) *join.Invite {
	m.t.Helper()
	iv, err := join.NewInvite(m.directory(), p, "http://127.0.0.1:9443")
	if err != nil {
		m.t.Fatal(err)
	}
	if err := m.ledger.Add(iv, now); err != nil {
		m.t.Fatal(err)
	}
	return travel(m.t, iv)
}

func (m *machine) request(iv *join.Invite) *join.Request {
	m.t.Helper()
	r, err := join.NewRequest(iv, m.keys(), m.reg.Cert)
	if err != nil {
		m.t.Fatal(err)
	}
	return travel(m.t, r)
}

// travel writes a file and reads it again, as mail would, with the line end of another system.
func travel[T join.Invite | join.Request | join.Approval](t *testing.T, v *T) *T {
	t.Helper()
	b, err := join.Bytes(v)
	if err != nil {
		t.Fatal(err)
	}
	back, err := join.Read[T](bytes.NewReader(append(b, '\r', '\n')))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(v, back); d != "" {
		t.Fatal(d)
	}
	return back
}

func place(node, zh, role string) join.Place {
	return join.Place{Node: node, Names: sign.Names{Zh: zh}, Role: role, Territory: join.DefaultTerritory(node, role, false)}
}

func found(t *testing.T, p join.Place) *machine {
	t.Helper()
	m := newMachine(t, p.Node)
	se, err := join.Found(m.reg, m.keys(), p, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := join.Announce(t.Context(), m.store, se); err != nil {
		t.Fatal(err)
	}
	return m
}

func ministry(t *testing.T) *machine {
	return found(t, join.Place{Node: "100000", Names: sign.Names{Zh: "司法部", En: "Ministry of Justice"}, Role: join.Ministry, Territory: []string{""}})
}

// joinUnder runs the whole way and returns the new node.
func joinUnder(t *testing.T, parent *machine, p join.Place) *machine {
	t.Helper()
	iv := parent.invite(p)
	child := newMachine(t, p.Node)
	r := child.request(iv)
	a, err := parent.approver().Approve(t.Context(), parent.reg, r, r.JoinCode(iv.Anchor()), now)
	if err != nil {
		t.Fatal(err)
	}
	if err := join.Install(t.Context(), child.store, child.keys(), iv, r, travel(t, a)); err != nil {
		t.Fatal(err)
	}
	return child
}

func TestThreeTiers(t *testing.T) {
	t.Parallel()
	top := ministry(t)
	province := joinUnder(t, top, place("610000", "陕西省司法厅", join.Province))
	city := joinUnder(t, province, place("610800", "榆林市司法局", join.City))
	carrier := joinUnder(t, province, place("610000-dmz", "省厅前置", join.Carrier))

	for _, m := range []*machine{province, city, carrier} {
		if _, err := keys.LoadIdentity(m.keys(), pass); err != nil {
			t.Errorf("%s: %v", m.node, err)
		}
	}
	d := city.directory()
	var got []string
	for _, n := range d.Nodes() {
		got = append(got, n.Entry.Node+"<"+n.Parent)
	}
	if diff := cmp.Diff([]string{"100000<", "610000<100000", "610800<610000"}, got); diff != "" {
		t.Error(diff)
	}
	if !d.InAudience(sign.Stream{Origin: "610800", Type: "legal_aid_case", Audience: sign.Upstream}, "100000") {
		t.Error("the ministry does not read the city's upstream")
	}
	if n, _ := d.Node("610000"); n == nil || cmp.Diff([]string{"61"}, n.Territory) != "" || n.Reader() == nil || cmp.Diff([]string{"610000"}, n.Codes) != "" {
		t.Errorf("entry of the province: %+v", n)
	}
	if n, _ := carrier.directory().Node("610000-dmz"); n == nil || !n.Carrier() || n.Reader() != nil {
		t.Errorf("a carrier must have no reader's certificate: %+v", n)
	}
	// What the province will seal into 610000/exchange_node/public.
	if diff := cmp.Diff([]string{"610800", "610000-dmz"}, announced(t, province)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"100000", "610000"}, announced(t, top)); diff != "" {
		t.Error(diff)
	}
}

// announced lists the keys of exchange_node records waiting in the node's own outbox, checking each.
func announced(t *testing.T, m *machine) (nodes []string) {
	t.Helper()
	r, err := outbox.NewReader(m.store.DB(), outbox.SQLite, replicate.OwnOutbox)
	if err != nil {
		t.Fatal(err)
	}
	rows, _, err := r.Read(t.Context(), outbox.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		var se sign.SignedEntry
		if err := json.Unmarshal(row.Payload, &se); err != nil || row.Type != replicate.TypeNode {
			t.Errorf("%s %s: %v", row.Type, row.Key, err)
		}
		if e, err := sign.ParseEntry(se.Entry); err != nil || e.Node != string(row.Key) {
			t.Errorf("record %s holds %+v, %v", row.Key, e, err)
		}
		nodes = append(nodes, string(row.Key))
	}
	return nodes
}

func TestProvinceAsRoot(t *testing.T) {
	t.Parallel()
	p := place("610000", "陕西省司法厅", join.Province)
	m := found(t, p)
	_, err := join.NewInvite(m.directory(), place("620100", "兰州市司法局", join.City), "")
	wantErr(t, err, join.ErrTerritory)
	joinUnder(t, m, place("610800", "榆林市司法局", join.City))
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestApproveRefuses(t *testing.T) {
	t.Parallel()
	parent := joinUnder(t, ministry(t), place("610000", "陕西省司法厅", join.Province))
	iv := parent.invite(place("610800", "榆林市司法局", join.City))
	child := newMachine(t, "610800")
	good := child.request(iv)
	stranger := newMachine(t, "610800")
	code := good.JoinCode(iv.Anchor())
	nextDigit := map[byte]string{}
	for d := byte('0'); d <= '9'; d++ {
		nextDigit[d] = string('0' + (d-'0'+1)%10)
	}
	changed := func(f func(*join.Request)) *join.Request { r := *good; f(&r); return &r }
	for name, c := range map[string]struct {
		r    *join.Request
		code string
		want error
	}{
		"wrong code":      {good, nextDigit[code[0]] + code[1:], join.ErrJoinCode},
		"no code":         {good, "", join.ErrJoinCode},
		"code too long":   {good, code + "0", join.ErrJoinCode},
		"other keys":      {changed(func(r *join.Request) { r.SignCSR, r.EncCSR = requests(t, stranger) }), code, join.ErrJoinCode},
		"other registrar": {changed(func(r *join.Request) { r.Registrar = stranger.reg.Cert.Raw() }), code, join.ErrJoinCode},
		"other invite":    {changed(func(r *join.Request) { r.Code[3] ^= 1 }), code, join.ErrNotInvited},
		"other node":      {changed(func(r *join.Request) { r.Place.Node = "610600" }), code, join.ErrNotInvited},
		"more territory":  {changed(func(r *join.Request) { r.Place.Territory = []string{"61"} }), code, join.ErrNotInvited},
		"higher role":     {changed(func(r *join.Request) { r.Place.Role = join.Province }), code, join.ErrNotInvited},
		"other parent":    {changed(func(r *join.Request) { r.Parent = "100000" }), code, join.ErrOtherNode},
	} {
		_, err := parent.approver().Approve(t.Context(), parent.reg, c.r, c.code, now)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	_, err := parent.approver().Approve(t.Context(), child.reg, good, code, now)
	wantErr(t, err, join.ErrKeys) // a registrar nobody named
	if got := announced(t, parent); got != nil {
		t.Errorf("refusals announced %v", got)
	}

	// Typed by hand, with hyphens and full-width digits: good once.
	typed := strings.NewReplacer(" ", "-", "1", "１").Replace(code)
	if _, err := parent.approver().Approve(t.Context(), parent.reg, good, typed, now); err != nil {
		t.Fatal(err)
	}
	_, err = parent.approver().Approve(t.Context(), parent.reg, good, code, now)
	wantErr(t, err, join.ErrUsed)
	_, err = join.NewInvite(parent.directory(), iv.Place, "")
	wantErr(t, err, join.ErrMember)
}

func requests(t *testing.T, m *machine) (signCSR, encCSR []byte) {
	t.Helper()
	s, e, err := keys.LoadRequests(m.keys())
	if err != nil {
		t.Fatal(err)
	}
	return s, e
}

// A crash after the entry was kept and before the invitation was marked: the same request ends in the same entry, another is refused.
func TestApproveAgainAfterCrash(t *testing.T) {
	t.Parallel()
	parent := ministry(t)
	iv := parent.invite(place("610000", "陕西省司法厅", join.Province))
	child, other := newMachine(t, "610000"), newMachine(t, "610000")
	r := child.request(iv)
	saved, err := os.ReadFile(filepath.Join(parent.dir, "invites.json"))
	if err != nil {
		t.Fatal(err)
	}
	first, err := parent.approver().Approve(t.Context(), parent.reg, r, r.JoinCode(iv.Anchor()), now)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(parent.dir, "invites.json"), saved, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := parent.approver().Approve(t.Context(), parent.reg, r, r.JoinCode(iv.Anchor()), now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first, again); d != "" {
		t.Error(d)
	}
	if err := os.WriteFile(filepath.Join(parent.dir, "invites.json"), saved, 0o600); err != nil {
		t.Fatal(err)
	}
	r2 := other.request(iv)
	_, err = parent.approver().Approve(t.Context(), parent.reg, r2, r2.JoinCode(iv.Anchor()), now)
	wantErr(t, err, join.ErrMember)
}

func TestNewInviteReplacesOpenOne(t *testing.T) {
	t.Parallel()
	parent := ministry(t)
	p := place("610000", "陕西省司法厅", join.Province)
	old := parent.invite(p)
	parent.invite(p)
	r := newMachine(t, "610000").request(old)
	_, err := parent.approver().Check(r)
	wantErr(t, err, join.ErrNotInvited)
	raw, err := os.ReadFile(filepath.Join(parent.dir, "invites.json"))
	if code := sign.Hash(sign.Sum(old.Code[:])); err != nil || bytes.Contains(raw, []byte(code.String())) {
		t.Errorf("replaced code still in the ledger: %v", err)
	}
}

func TestInstallRefuses(t *testing.T) {
	t.Parallel()
	parent := ministry(t)
	iv := parent.invite(place("610000", "陕西省司法厅", join.Province))
	child := newMachine(t, "610000")
	r := child.request(iv)
	a, err := parent.approver().Approve(t.Context(), parent.reg, r, r.JoinCode(iv.Anchor()), now)
	if err != nil {
		t.Fatal(err)
	}
	// Another federation whose registrar answers the same request.
	forger := ministry(t)
	fiv := forger.invite(iv.Place)
	fr := *r
	fr.Code = fiv.Code
	forged, err := forger.approver().Approve(t.Context(), forger.reg, &fr, fr.JoinCode(fiv.Anchor()), now)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := newMachine(t, "610000")
	er := elsewhere.request(iv)
	change := func(f func(*join.Approval)) *join.Approval {
		b, err := join.Bytes(a)
		if err != nil {
			t.Fatal(err)
		}
		c, err := join.Read[join.Approval](bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		f(c)
		return c
	}
	// Entries the parent's registrar did sign, but not those of this invitation.
	resigned := func(f func(*sign.Entry)) *join.Approval {
		return change(func(a *join.Approval) {
			e, err := sign.ParseEntry(a.Lineage[1].Entry)
			if err != nil {
				t.Fatal(err)
			}
			f(e)
			se := &a.Lineage[1]
			if se.Entry, se.Sigs[0].Sig, err = sign.Sign(parent.reg.Signer, keys.EntryV1, e); err != nil {
				t.Fatal(err)
			}
		})
	}
	for name, c := range map[string]struct {
		a    *join.Approval
		own  *join.Request
		keys string
		want error
	}{
		"another anchor":           {forged, r, child.keys(), join.ErrOtherAnchor},
		"forged entry, our anchor": {change(func(a *join.Approval) { a.Lineage[1] = forged.Lineage[1] }), r, child.keys(), join.ErrEntry},
		"tampered entry": {change(func(a *join.Approval) {
			a.Lineage[1].Entry = bytes.Replace(a.Lineage[1].Entry, []byte(`["61"]`), []byte(`["62"]`), 1)
		}), r, child.keys(), join.ErrEntry},
		"less territory":   {resigned(func(e *sign.Entry) { e.Territory = []string{} }), r, child.keys(), join.ErrEntry},
		"other role":       {resigned(func(e *sign.Entry) { e.Roles = []string{join.City} }), r, child.keys(), join.ErrEntry},
		"other registrar":  {resigned(func(e *sign.Entry) { e.Registrars[0].Cert = elsewhere.reg.Cert.Raw() }), r, child.keys(), join.ErrKeys},
		"no registrar":     {resigned(func(e *sign.Entry) { e.Registrars = []sign.CertRef{} }), r, child.keys(), join.ErrKeys},
		"no signature":     {change(func(a *join.Approval) { a.Lineage[1].Sigs = []sign.EntrySig{} }), r, child.keys(), join.ErrEntry},
		"without entry":    {change(func(a *join.Approval) { a.Lineage = a.Lineage[:1] }), r, child.keys(), join.ErrOtherNode},
		"for another node": {change(func(a *join.Approval) { a.Node = "620000" }), r, child.keys(), join.ErrOtherNode},
		"other enc":        {change(func(a *join.Approval) { a.Enc = forged.Enc }), r, child.keys(), join.ErrKeys},
		"other machine":    {a, er, elsewhere.keys(), join.ErrKeys},
		"other keys":       {a, r, elsewhere.keys(), join.ErrKeys},
	} {
		if err := join.Install(t.Context(), child.store, c.keys, iv, c.own, c.a); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if rows, err := child.store.Entries(t.Context()); err != nil || len(rows) > 0 {
		t.Errorf("refusals left %d entries, %v", len(rows), err)
	}
	for range 2 {
		if err := join.Install(t.Context(), child.store, child.keys(), iv, r, a); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadIsStrict(t *testing.T) {
	t.Parallel()
	parent := ministry(t)
	iv := parent.invite(place("610000", "陕西省司法厅", join.Province))
	b, err := join.Bytes(iv)
	if err != nil {
		t.Fatal(err)
	}
	s := string(b)
	for name, c := range map[string]struct {
		s    string
		want error
	}{
		"empty":                 {"", join.ErrFile},
		"not JSON":              {"邀请", join.ErrFile},
		"white space":           {strings.Replace(s, `{"v":1,`, `{"v": 1,`, 1), join.ErrFile},
		"unknown member":        {strings.Replace(s, `{"v":1,`, `{"v":1,"x":1,`, 1), join.ErrFile},
		"version":               {strings.Replace(s, `{"v":1,`, `{"v":2,`, 1), join.ErrFile},
		"huge":                  {s + strings.Repeat(" ", 256<<10), join.ErrFile},
		"null":                  {strings.Replace(s, `"territory":["61"]`, `"territory":null`, 1), join.ErrFile},
		"no lineage":            {s[:strings.Index(s, `"lineage":[`)] + `"lineage":[],` + s[strings.Index(s, `"code":"`):], join.ErrFile},
		"other parent":          {strings.Replace(s, `"parent":"100000"`, `"parent":"620000"`, 1), join.ErrEntry},
		"address":               {strings.Replace(s, `"url":"http:`, `"url":"file:`, 1), &join.Error{Code: join.CodePlace}},
		"role":                  {strings.Replace(s, `"role":"province"`, `"role":"emperor"`, 1), &join.Error{Code: join.CodePlace}},
		"name with outer space": {strings.Replace(s, `"zh":"陕西省司法厅"`, `"zh":"陕西\"厅 "`, 1), &join.Error{Code: join.CodePlace}},
	} {
		if _, err := join.Read[join.Invite](strings.NewReader(c.s)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := join.Read[join.Request](bytes.NewReader(b)); !errors.Is(err, join.ErrFile) {
		t.Errorf("invitation read as request: %v", err)
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	d := ministry(t).directory()
	ok := place("610000", "陕西省司法厅", join.Province)
	with := func(f func(*join.Place)) join.Place { p := ok; f(&p); return p }
	bad := &join.Error{Code: join.CodePlace}
	for name, c := range map[string]struct {
		p    join.Place
		want error
	}{
		"good":              {ok, nil},
		"id":                {with(func(p *join.Place) { p.Node = "陕西" }), bad},
		"id upper case":     {with(func(p *join.Place) { p.Node = "SX" }), bad},
		"no name":           {with(func(p *join.Place) { p.Names.Zh = "" }), bad},
		"control character": {with(func(p *join.Place) { p.Names.Zh = "陕西\n厅" }), bad},
		"bidi override":     {with(func(p *join.Place) { p.Names.Zh = "陕西\u202e厅" }), bad},
		"line separator":    {with(func(p *join.Place) { p.Names.En = "a\u2028b" }), bad},
		"long name":         {with(func(p *join.Place) { p.Names.Zh = strings.Repeat("厅", 101) }), bad},
		"role":              {with(func(p *join.Place) { p.Role = "root" }), bad},
		"nil territory":     {with(func(p *join.Place) { p.Territory = nil }), bad},
		"prefix":            {with(func(p *join.Place) { p.Territory = []string{"61*"} }), bad},
		"own parent":        {with(func(p *join.Place) { p.Node = "100000" }), join.ErrMember},
	} {
		if _, err := join.NewInvite(d, c.p, ""); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := join.NewInvite(directory.New("610000"), ok, ""); !errors.Is(err, join.ErrUnknown) {
		t.Errorf("node outside the directory: %v", err)
	}
}

func TestTerritoryIsHandedDownOnly(t *testing.T) {
	t.Parallel()
	m := found(t, place("610000", "陕西省司法厅", join.Province))
	p := place("610800", "榆林市司法局", join.City)
	for prefix, want := range map[string]error{"6108": nil, "61": nil, "6": join.ErrTerritory, "62": join.ErrTerritory, "": join.ErrTerritory} {
		p.Territory = []string{prefix}
		if _, err := join.NewInvite(m.directory(), p, ""); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", prefix, err, want)
		}
	}
}

func TestFoundIsOwnAnchorOnly(t *testing.T) {
	t.Parallel()
	m := ministry(t)
	rows, err := m.store.Entries(context.Background())
	if err != nil || len(rows) != 1 || rows[0].State != replicate.EntryAnchor || rows[0].N != 1 {
		t.Errorf("%+v, %v", rows, err)
	}
	if _, err := join.Found(m.reg, m.keys(), place("100000", "司法部", join.Ministry), now); !errors.Is(err, keys.ErrExists) {
		t.Errorf("founded twice: %v", err)
	}
}
