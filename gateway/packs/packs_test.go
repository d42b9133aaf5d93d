package packs_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/directory"
	"fayi/gateway/packfile"
	"fayi/gateway/packs"
	"fayi/gateway/problem"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/schemas"
)

// place is a node's shelf over a directory of four nodes, without the node: packs
// are laid into its store as the exchange_pack streams would.
type place struct {
	*packs.Shelf
	t          testing.TB
	registrars map[string]*keys.Registrar
	clock      time.Time
}

const (
	ministry = "100000"
	province = "610000"
	other    = "620000"
	city     = "610800"
)

func newPlace(t testing.TB, change func(*packs.Shelf)) *place {
	t.Helper()
	p := &place{t: t, registrars: map[string]*keys.Registrar{}, clock: time.Now()}
	d := directory.New(city)
	for _, n := range [][2]string{{ministry, ""}, {province, ministry}, {other, ministry}, {city, province}} {
		p.join(d, n[0], n[1])
	}
	st, err := store.Open(t.Context(), outbox.SQLite, filepath.Join(t.TempDir(), "fayi.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	if _, err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var secret [16]byte
	rand.Read(secret[:])
	key, err := keys.NewStoreKey(secret[:])
	if err != nil {
		t.Fatal(err)
	}
	p.Shelf = &packs.Shelf{Store: st, Directory: d, StoreKey: key, Clock: func() time.Time { return p.clock }}
	if change != nil {
		change(p.Shelf)
	}
	if err := p.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// allRegistrars are made once: their key files take a while to encrypt.
var allRegistrars = sync.OnceValue(func() map[string]*keys.Registrar {
	dir, err := os.MkdirTemp("", "packs")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	out := map[string]*keys.Registrar{}
	for _, id := range []string{ministry, province, other, city} {
		if out[id], err = keys.CreateRegistrar(filepath.Join(dir, id), id, []byte("test only"), time.Now()); err != nil {
			panic(err)
		}
	}
	return out
})

// join gives a node real keys and puts its entry into the directory.
func (p *place) join(d *directory.Directory, id, parent string) {
	t := p.t
	t.Helper()
	reg := allRegistrars()[id]
	p.registrars[id] = reg
	by := reg
	territory := []string{""}
	if parent != "" {
		by, territory = p.registrars[parent], []string{id[:2]}
	}
	cert := func(u keys.Usage) []byte {
		k, err := keys.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		csr, err := keys.NewRequest(id, k)
		if err != nil {
			t.Fatal(err)
		}
		c, err := by.Authority.IssueNode(csr, id, u, time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return c.Raw()
	}
	e := &sign.Entry{
		V: 1, Node: id, N: 1, Parent: parent, Territory: territory, Roles: []string{"node"}, Names: sign.Names{Zh: "某司法局"}, Codes: []string{}, Addresses: []string{},
		Sign: []sign.SignKey{{Cert: cert(keys.UsageSign), From: []sign.Position{{Stream: "*"}}, Upto: []sign.EndPoint{}}}, Enc: []sign.CertRef{{Cert: cert(keys.UsageEncrypt)}},
		Registrars: []sign.CertRef{{Cert: reg.Cert.Raw()}}, Reads: sign.Reads{V: []int{1}, Suites: []string{seal.Suite}}, Time: sign.Now(),
	}
	body, sig, err := sign.Sign(by.Signer, keys.EntryV1, e)
	if err != nil {
		t.Fatal(err)
	}
	se := sign.SignedEntry{Entry: body, Sigs: []sign.EntrySig{{By: sign.Hash(by.Signer.ID()), Sig: sig}}}
	if parent == "" {
		err = d.Pin(se)
	} else {
		_, err = d.Learn(se)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// arrive lays a pack of a node into the store, has it collected and decided, and
// returns what became of it.
func (p *place) arrive(node string, fsys fs.FS) packs.Pack {
	p.t.Helper()
	data, _, err := packfile.Build(fsys, node, p.registrars[node].Signer, nil, p.clock)
	if err != nil {
		p.t.Fatal(err)
	}
	parts, err := packfile.Split(data)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx := p.t.Context()
	err = p.Store.InTx(ctx, func(tx *sql.Tx) error {
		var rows []store.PackPart
		for _, x := range parts {
			rows = append(rows, store.PackPart{Origin: node, Digest: store.Hash(x.Digest), Part: x.Part, Parts: x.Parts, Name: x.Pack, Version: x.Version, Data: x.Data})
		}
		return p.Store.SavePackParts(ctx, tx, rows)
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.settle()
	return p.find(store.Hash(sign.Sum(data)))
}

func (p *place) settle() {
	p.t.Helper()
	if _, err := p.Collect(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.Decide(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) find(digest store.Hash) packs.Pack {
	for _, x := range p.Packs() {
		if x.Digest == digest {
			return x
		}
	}
	p.t.Fatal("the pack did not come")
	return packs.Pack{}
}

// again is the pack as it stands now.
func (p *place) again(x packs.Pack) packs.Pack { return p.find(x.Digest) }

// small is a pack of one type.
func small(t testing.TB, name, version, typ string, extra ...string) fs.FS {
	t.Helper()
	schema := fmt.Sprintf(`{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://schemas.fayi.invalid/%s/%s/1","title":"物","x-en":"thing","x-key":"id",
		"type":"object","required":["id"],"properties":{"id":{"title":"编号","type":"string","maxLength":8}%s},"additionalProperties":false}`, name, typ, strings.Join(extra, ""))
	m := fstest.MapFS{"types/" + typ + ".json": {Data: []byte(schema)}}
	manifest := fmt.Sprintf(`{"name":"%s","version":"%s","title":"小","en":"small","from":"2026-01-01","types":[{"name":"%s","version":1,"title":"物","en":"thing","key":"id","digest":"DIGEST"}]}`, name, version, typ)
	m["pack.json"] = &fstest.MapFile{Data: []byte(manifest)}
	digests, err := schemas.Digests(m)
	if err != nil {
		t.Fatal(err)
	}
	m["pack.json"].Data = []byte(strings.Replace(manifest, "DIGEST", digests[typ], 1))
	return m
}

const (
	optional = `,"more":{"title":"另","type":"string"}`
	shorter  = `,"more":{"title":"另","type":"string","maxLength":2}`
)

func (p *place) is(x packs.Pack, what, state, code string) {
	p.t.Helper()
	x = p.again(x)
	if x.State != state || x.Code != code {
		p.t.Errorf("%s: %s %s (%s), want %s %s", what, x.State, x.Code, x.Why().EN, state, code)
	}
	if x.State != packs.Arrived && (x.Why().ZH == "" || x.Why().EN == "") {
		p.t.Errorf("%s: nobody is told why", what)
	}
}

// TestWhoseName: a pack belongs to whoever published its name first, those of
// the program to the root; siblings' packs only judge.
func TestWhoseName(t *testing.T) {
	p := newPlace(t, nil)
	p.is(p.arrive(province, small(t, "shaanxi", "1.0.0", "thing")), "the province's own", packs.Adopted, problem.PackAdopted)
	p.is(p.arrive(ministry, small(t, "shaanxi", "2.0.0", "thing")), "the ministry under the province's name", packs.Known, problem.PackOwner)
	p.is(p.arrive(other, small(t, "gansu", "1.0.0", "thing")), "another province's", packs.Known, problem.PackOwner)
	p.is(p.arrive(province, small(t, "national", "99.0.0", "thing")), "the province under the program's name", packs.Known, problem.PackOwner)
	own := p.arrive(city, small(t, "yulin", "1.0.0", "stall"))
	p.is(own, "this node's own", packs.Adopted, problem.PackAdopted)
	if ty, ok := p.Registry().Current("stall"); !ok || ty.Version() != 1 {
		t.Error("an adopted type is not there")
	}
	if ty, ok := p.Registry().Current("thing"); !ok {
		t.Error("no thing")
	} else if pack, version := ty.Pack(); pack != "shaanxi" || version != "1.0.0" {
		t.Errorf("things are judged by %s %s", pack, version)
	}
	for _, x := range p.Packs() { // what is not adopted judges all the same
		if _, ok := p.Registry().ByRef(x.Edition.Types[0].Ref()); !ok {
			t.Errorf("%s %s does not judge", x.Name, x.Version)
		}
	}
}

// TestWhoseType: a type belongs to the pack that has it. One from below never
// takes it; one from above does if a person agrees.
func TestWhoseType(t *testing.T) {
	p := newPlace(t, nil)
	p.is(p.arrive(province, small(t, "shaanxi", "1.0.0", "lawyer")), "the program's type in a province's pack", packs.Known, problem.PackOwner)
	p.is(p.arrive(province, small(t, "shaanxi", "1.1.0", "thing")), "a type of its own", packs.Adopted, problem.PackAdopted)
	p.is(p.arrive(city, small(t, "yulin", "1.0.0", "thing")), "the province's type in a city's pack", packs.Known, problem.PackOwner)
	taking := p.arrive(ministry, small(t, "law", "1.0.0", "thing", optional))
	p.is(taking, "the province's type in a ministry's pack", packs.Waiting, problem.PackWaits)
	if !strings.Contains(p.again(taking).Why().EN, "thing is another pack's now") {
		t.Errorf("told %q", p.again(taking).Why().EN)
	}
	if err := p.Adopt(t.Context(), p.again(taking), "tester"); err != nil {
		t.Fatal(err)
	}
	p.is(taking, "a person agrees", packs.Adopted, problem.PackAdopted)
	p.is(p.arrive(province, small(t, "shaanxi", "1.2.0", "thing", optional)), "the province keeps on", packs.Known, problem.PackOwner)
}

// TestVersionsOnlyRise, in whatever order they come; what waits is judged anew
// when the version it builds on is adopted.
func TestVersionsOnlyRise(t *testing.T) {
	p := newPlace(t, nil)
	p.is(p.arrive(ministry, small(t, "law", "1.2.0", "thing", shorter)), "the first to come", packs.Adopted, problem.PackAdopted)
	p.is(p.arrive(ministry, small(t, "law", "1.1.0", "thing", shorter)), "a late one", packs.Known, problem.PackOlder)
	p.is(p.arrive(ministry, small(t, "law", "1.2.0", "thing", shorter)), "the same, signed anew", packs.Known, problem.PackOlder)
	p.is(p.arrive(ministry, small(t, "law", "1.2.0", "thing", optional)), "other contents", packs.Invalid, problem.PackDiffers)
	looser := p.arrive(ministry, small(t, "law", "1.3.0", "thing", optional))
	p.is(looser, "a rule gone", packs.Waiting, problem.PackWaits)
	onTop := p.arrive(ministry, small(t, "law", "1.10.0", "thing", optional, `,"last":{"title":"末","type":"string"}`))
	p.is(onTop, "on top of what waits", packs.Waiting, problem.PackWaits)
	if x, err := p.Find("law", ""); err != nil || x.Version != "1.10.0" {
		t.Errorf("the newest that waits is %s (%v)", x.Version, err)
	}
	if err := p.Adopt(t.Context(), p.again(looser), "tester"); err != nil {
		t.Fatal(err)
	}
	p.settle()
	p.is(onTop, "after the one below was adopted", packs.Adopted, problem.PackAdopted)
	if err := p.Adopt(t.Context(), p.again(looser), "tester"); err != nil { // adopted already: nothing to do
		t.Error(err)
	}
	if err := p.Refuse(t.Context(), p.again(onTop), "tester"); err != nil {
		t.Fatal(err)
	}
	if ty, _ := p.Registry().Current("thing"); ty == nil || !strings.Contains(fmt.Sprint(ty.Pack()), "1.3.0") {
		t.Error("a refused version is still in force")
	}
}

// TestNothingByItself: a node set to manual, and one that cannot open its stored
// records, adopt nothing without a person.
func TestNothingByItself(t *testing.T) {
	for name, change := range map[string]func(*packs.Shelf){
		"manual": func(s *packs.Shelf) { s.Manual = true }, "no key": func(s *packs.Shelf) { s.StoreKey = nil },
	} {
		p := newPlace(t, change)
		x := p.arrive(ministry, small(t, "law", "1.0.0", "thing"))
		p.is(x, name, packs.Waiting, problem.PackWaits)
		if err := p.Adopt(t.Context(), p.again(x), "tester"); err != nil {
			t.Fatal(err)
		}
		p.is(x, name+", by a person", packs.Adopted, problem.PackAdopted)
	}
}

// TestAnotherProcessSees: a decision of one process is seen by the others of the
// node, once; a restart finds all as it was.
func TestAnotherProcessSees(t *testing.T) {
	p := newPlace(t, func(s *packs.Shelf) { s.Manual = true })
	x := p.arrive(ministry, small(t, "law", "1.0.0", "thing"))
	second := &packs.Shelf{Store: p.Store, Directory: p.Directory, Clock: p.Clock}
	if err := second.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := second.Registry().Current("thing"); ok {
		t.Fatal("adopted too soon")
	}
	if err := p.Adopt(t.Context(), p.again(x), "tester"); err != nil {
		t.Fatal(err)
	}
	for _, fresh := range []bool{true, false} {
		if got, err := second.Refresh(t.Context()); err != nil || got != fresh {
			t.Errorf("refreshed: %v, %v", got, err)
		}
	}
	if _, ok := second.Registry().Current("thing"); !ok {
		t.Error("the other process does not see it")
	}
	// Both decide on what they saw: the second is told that it is late.
	if err := second.Refuse(t.Context(), second.Packs()[0], "other"); err != nil {
		t.Fatal(err)
	}
	if err := p.Refuse(t.Context(), p.again(x), "tester"); problem.Code(err) != problem.Busy {
		t.Errorf("two decisions: %v", err)
	}
}

// TestFolder: the operator's folder judges and never seals; a signed file there
// must be right; a fault there changes nothing.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	p := newPlace(t, func(s *packs.Shelf) { s.Folder = dir })
	fsys := small(t, "law", "1.0.0", "thing")
	if err := os.CopyFS(filepath.Join(dir, "unsigned"), fsys); err != nil {
		t.Fatal(err)
	}
	write := func(file, node string, by *keys.Registrar, fsys fs.FS) {
		data, _, err := packfile.Build(fsys, node, by.Signer, nil, p.clock)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write("signed.fpack", other, p.registrars[other], small(t, "gansu", "1.0.0", "stall"))
	if err := p.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"thing", "stall"} {
		if _, ok := p.Registry().Current(name); ok {
			t.Errorf("%s of the folder is sealed", name)
		}
	}
	e, err := schemas.Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := p.Registry().ByRef(e.Types[0].Ref()); !ok {
		t.Error("the folder does not judge")
	}
	write("foreign.fpack", other, p.registrars[province], small(t, "gansu", "2.0.0", "stall"))
	if err := p.Load(t.Context()); problem.Code(err) != problem.PackSigner {
		t.Errorf("a foreign signature in the folder: %v", err)
	}
	if _, ok := p.Registry().ByRef(e.Types[0].Ref()); !ok {
		t.Error("a fault in the folder changed something")
	}
}

// TestLateSigner: a grant is judged by when the pack came; the pack stays good
// after the grant's day, also over a restart.
func TestLateSigner(t *testing.T) {
	p := newPlace(t, nil)
	x := p.arrive(ministry, small(t, "law", "1.0.0", "thing"))
	p.clock = p.clock.AddDate(20, 0, 0)
	again := &packs.Shelf{Store: p.Store, Directory: directory.New(city), Clock: p.Clock} // nobody is known any more
	if err := again.Load(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if _, ok := again.Registry().ByRef(x.Edition.Types[0].Ref()); !ok {
		t.Error("what was verified once is lost")
	}
}
