package packfile

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
	"fayi/gateway/problem"
	"fayi/schemas"

	"pgregory.net/rapid"
)

const (
	manifest = `{"name":"small","version":"1.0.0","title":"小","en":"small","from":"2026-01-01","types":[{"name":"thing","version":1,"title":"物","en":"thing","key":"id","digest":"DIGEST"}]}`
	schema   = `{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://schemas.fayi.invalid/small/thing/1","title":"物","x-en":"thing","x-key":"id",
		"type":"object","required":["id"],"properties":{"id":{"title":"编号","type":"string","maxLength":8}},"additionalProperties":false}`
)

// small is a pack of one type, its schema edited, its digest right.
func small(t testing.TB, old, new string) files {
	t.Helper()
	if !strings.Contains(schema, old) {
		t.Fatalf("no %s", old)
	}
	f := files{"pack.json": []byte(manifest), "types/thing.json": []byte(strings.Replace(schema, old, new, 1))}
	digests, err := schemas.Digests(f)
	if err != nil {
		t.Fatal(err)
	}
	f["pack.json"] = []byte(strings.Replace(manifest, "DIGEST", digests["thing"], 1))
	return f
}

// oneRegistrar signs for all tests: its key files take a while to encrypt.
var oneRegistrar = sync.OnceValues(func() (*keys.Registrar, error) {
	dir, err := os.MkdirTemp("", "packfile")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	return keys.CreateRegistrar(dir, "100000", []byte("test only"), time.Now())
})

func registrar(t testing.TB) *keys.Registrar {
	t.Helper()
	r, err := oneRegistrar()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func build(t testing.TB, fsys fs.FS) []byte {
	t.Helper()
	data, _, err := Build(fsys, "100000", registrar(t).Signer, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// sealed packs a statement and contents that Build would refuse to make.
func sealed(t testing.TB, f files, change func(p *sign.Pack, contents []byte) []byte) []byte {
	t.Helper()
	p := &sign.Pack{V: 1, Node: "100000", Name: "small", Version: "1.0.0", From: "2026-01-01", Types: []string{"thing@1#" + strings.Repeat("0", 64)}, Time: sign.Now()}
	if e, err := schemas.Read(f); err == nil {
		p.Types = statement(e).Types
	}
	var contents []byte
	list := []string{}
	for name := range f {
		list = append(list, name)
	}
	slices.Sort(list)
	for _, name := range list {
		p.Files = append(p.Files, sign.PackFile{Name: name, Size: uint64(len(f[name])), Hash: sign.Sum(f[name])})
		contents = append(contents, f[name]...)
	}
	if change != nil {
		contents = change(p, contents)
	}
	r := registrar(t)
	body, sig, err := sign.Sign(r.Signer, keys.PackV1, p)
	if err != nil {
		t.Fatal(err)
	}
	data, err := pack(&sign.SignedPack{Pack: body, Sigs: []sign.EntrySig{{By: sign.Hash(r.Signer.ID()), Sig: sig}}, Grants: []sign.SignedGrant{}}, contents)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func regzip(t testing.TB, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestRoundTrip: what is built opens to the same files and the same types, the
// shipped pack too, and comes together again from its parts.
func TestRoundTrip(t *testing.T) {
	for name, fsys := range map[string]fs.FS{"small": small(t, "", ""), "shipped": schemas.Embedded()} {
		data := build(t, fsys)
		f, err := Open(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		e, err := f.Edition()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want, err := schemas.Read(fsys)
		if err != nil {
			t.Fatal(err)
		}
		if e.Name != want.Name || len(e.Types) != len(want.Types) || !slices.Equal(e.Files, want.Files) {
			t.Errorf("%s: %s with %d types of %d files", name, e.Name, len(e.Types), len(e.Files))
		}
		for i, ty := range e.Types {
			if ty.Ref() != want.Types[i].Ref() {
				t.Errorf("%s: %s is %s", name, want.Types[i].Ref(), ty.Ref())
			}
		}
		parts, err := Split(data)
		if err != nil {
			t.Fatal(err)
		}
		var joined []byte
		for i, p := range parts {
			if err := p.Check(); err != nil || p.Part != i+1 || p.Parts != len(parts) || p.Digest != sign.Sum(data) {
				t.Errorf("%s: part %d: %+v, %v", name, i, p.Key(), err)
			}
			joined = append(joined, p.Data...)
		}
		if !bytes.Equal(joined, data) {
			t.Errorf("%s: parts give other bytes", name)
		}
	}
}

// TestDamaged: each way in which a file can be wrong is refused with its code.
func TestDamaged(t *testing.T) {
	good := build(t, small(t, "", ""))
	z, err := gzip.NewReader(bytes.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	if _, err := plain.ReadFrom(z); err != nil {
		t.Fatal(err)
	}
	line, contents, _ := bytes.Cut(plain.Bytes(), []byte("\n"))
	withRef := files{"pack.json": []byte(manifest), "types/thing.json": []byte(strings.Replace(schema, `"maxLength":8`, `"$ref":"file:///etc/passwd"`, 1))}
	web := files{"pack.json": []byte(manifest), "types/thing.json": []byte(strings.Replace(schema, `"maxLength":8`, `"$ref":"https://example.com/s.json"`, 1))}
	list := func(change func(p *sign.Pack)) func(*sign.Pack, []byte) []byte {
		return func(p *sign.Pack, c []byte) []byte { change(p); return c }
	}
	for name, x := range map[string]struct {
		data []byte
		code string
	}{
		"good":                {good, problem.OK},
		"empty":               {nil, problem.PackDamaged},
		"no gzip":             {plain.Bytes(), problem.PackDamaged},
		"truncated":           {good[:len(good)-20], problem.PackDamaged},
		"cut at the checksum": {good[:len(good)-8], problem.PackDamaged},
		"bytes after":         {append(slices.Clone(good), 0), problem.PackDamaged},
		"second member":       {append(slices.Clone(good), good...), problem.PackDamaged},
		"line alone":          {regzip(t, append(slices.Clone(line), '\n')), problem.PackDamaged},
		"no line end":         {regzip(t, line), problem.PackDamaged},
		"short contents":      {regzip(t, plain.Bytes()[:plain.Len()-1]), problem.PackDamaged},
		"long contents":       {regzip(t, append(plain.Bytes(), ' ')), problem.PackDamaged},
		"one bit":             {regzip(t, slices.Concat(line, []byte("\n"), contents[:10], []byte{contents[10] ^ 1}, contents[11:])), problem.PackDamaged},
		"not canonical":       {regzip(t, slices.Concat([]byte(" "), line, []byte("\n"), contents)), problem.PackDamaged},
		"bomb":                {regzip(t, make([]byte, 64<<20)), problem.PackDamaged},
		"bomb of a line":      {regzip(t, bytes.Repeat([]byte{'a'}, 64<<20)), problem.PackDamaged},
		"too many bytes":      {make([]byte, MaxFile+1), problem.PackDamaged},
		"huge file":           {sealed(t, small(t, "", ""), list(func(p *sign.Pack) { p.Files[0].Size = 1 << 40 })), problem.PackDamaged},
		"sum too large":       {sealed(t, small(t, "", ""), list(func(p *sign.Pack) { p.Files[0].Size, p.Files[1].Size = 3<<20, 3<<20 })), problem.PackDamaged},
		"path upwards":        {sealed(t, small(t, "", ""), list(func(p *sign.Pack) { p.Files[0].Name = "../pack.json" })), problem.PackDamaged},
		"file twice":          {sealed(t, small(t, "", ""), list(func(p *sign.Pack) { p.Files[1] = p.Files[0] })), problem.PackDamaged},
		"no pack":             {sealed(t, files{"types/thing.json": []byte(schema)}, nil), problem.PackFaulty},
		"file reference":      {sealed(t, withRef, nil), problem.PackFaulty},
		"web reference":       {sealed(t, web, nil), problem.PackFaulty},
		"digest":              {sealed(t, files{"pack.json": []byte(manifest), "types/thing.json": []byte(schema)}, nil), problem.PackFaulty},
		"other version":       {sealed(t, small(t, "", ""), list(func(p *sign.Pack) { p.Version = "1.0.1" })), problem.PackFaulty},
		"other day":           {sealed(t, small(t, "", ""), list(func(p *sign.Pack) { p.From = "2025-01-01" })), problem.PackFaulty},
		"other types":         {sealed(t, small(t, "", ""), list(func(p *sign.Pack) { p.Types[0] = "thing@2" + p.Types[0][7:] })), problem.PackFaulty},
		"stray file":          {sealed(t, withStray(small(t, "", "")), nil), problem.PackFaulty},
	} {
		f, err := Open(x.data)
		if err == nil {
			_, err = f.Edition()
		}
		if got := problem.Code(err); got != x.code {
			t.Errorf("%s: %v, want %s", name, err, x.code)
		}
	}
	if _, err := os.Stat("/etc/passwd"); err == nil {
		f, err := Open(sealed(t, withRef, nil))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Edition(); strings.Contains(err.Error(), "root") {
			t.Errorf("the error quotes a file of this machine: %v", err)
		}
	}
}

func withStray(f files) files {
	f["notes/a.json"] = []byte("{}")
	return f
}

// TestAnyByteChanged: no byte of a file can be changed without being noticed,
// except those that say nothing (gzip's time and the like).
func TestAnyByteChanged(t *testing.T) {
	good := build(t, small(t, "", ""))
	want, err := Open(good)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		bad := slices.Clone(good)
		bad[rapid.IntRange(0, len(bad)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "xor"))
		f, err := Open(bad)
		if err != nil {
			return
		}
		if !bytes.Equal(f.Signed.Pack, want.Signed.Pack) || string(f.files["types/thing.json"]) != string(want.files["types/thing.json"]) {
			t.Fatal("other contents were taken")
		}
	})
}

// TestBuildRefuses: what no reader would load is not signed.
func TestBuildRefuses(t *testing.T) {
	bad := files{"pack.json": []byte(manifest), "types/thing.json": []byte(schema)}
	zeros := small(t, "", "")
	zeros["pack.json"] = bytes.Replace(zeros["pack.json"], []byte("1.0.0"), []byte("1.01.0"), 1)
	for name, fsys := range map[string]fs.FS{"wrong digest": bad, "empty": files{}, "version with a leading zero": zeros} {
		if _, _, err := Build(fsys, "100000", registrar(t).Signer, nil, time.Now()); problem.Code(err) != problem.PackFaulty {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzOpen: whatever comes, nothing panics, and what opens is within bounds. Run
// with go test -fuzz FuzzOpen -fuzzminimizetime 1x ./gateway/packfile. The input is
// the contents of the gzip member: mutating compressed bytes finds bad checksums.
func FuzzOpen(f *testing.F) {
	good := build(f, small(f, "", ""))
	z, err := gzip.NewReader(bytes.NewReader(good))
	if err != nil {
		f.Fatal(err)
	}
	var plain bytes.Buffer
	if _, err := plain.ReadFrom(z); err != nil {
		f.Fatal(err)
	}
	f.Add(plain.Bytes(), false)
	f.Add(good, true)
	f.Add([]byte(nil), false)
	f.Fuzz(func(t *testing.T, data []byte, packed bool) {
		if !packed {
			data = regzip(t, data)
		}
		file, err := Open(data)
		if err != nil {
			if problem.Code(err) != problem.PackDamaged {
				t.Errorf("refused with %v", err)
			}
			return
		}
		size := 0
		for _, b := range file.files {
			size += len(b)
		}
		if size > sign.MaxPackBytes {
			t.Errorf("%d bytes were unpacked", size)
		}
		if _, err := file.Edition(); err != nil && problem.Code(err) != problem.PackFaulty {
			t.Errorf("refused with %v", err)
		}
	})
}

// FuzzEdition: any text in the place of a schema loads or is refused.
func FuzzEdition(f *testing.F) {
	f.Add([]byte(manifest), []byte(schema))
	f.Add([]byte(manifest), []byte(strings.Replace(schema, `"maxLength":8`, `"$ref":"file:///etc/passwd"`, 1)))
	f.Fuzz(func(t *testing.T, m, s []byte) {
		file := &File{Statement: &sign.Pack{}, files: files{"pack.json": m, "types/thing.json": s}}
		if digests, err := schemas.Digests(file.files); err == nil {
			file.files["pack.json"] = bytes.Replace(m, []byte("DIGEST"), []byte(digests["thing"]), 1)
		}
		if _, err := file.Edition(); problem.Code(err) != problem.PackFaulty {
			t.Errorf("an empty statement fits: %v", err)
		}
	})
}

// FuzzPart: whatever stands in an exchange_pack record is within bounds or
// refused.
func FuzzPart(f *testing.F) {
	f.Add([]byte(`{"pack":"national","version":"1.2.0","digest":"66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0","part":1,"parts":1,"data":"AAAA"}`))
	f.Add([]byte(`{"pack":"national","version":"1.2.0","part":65,"parts":-1,"data":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p Part
		if json.Unmarshal(data, &p) != nil {
			return
		}
		if err := p.Check(); err != nil {
			if problem.Code(err) != problem.PackDamaged {
				t.Errorf("refused with %v", err)
			}
			return
		}
		if p.Part < 1 || p.Part > p.Parts || p.Parts > MaxParts || len(p.Data) == 0 || len(p.Data) > partSize || len(p.Key()) > 128 {
			t.Errorf("taken: %d of %d, %d bytes, key %q", p.Part, p.Parts, len(p.Data), p.Key())
		}
	})
}
