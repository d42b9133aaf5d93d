package gateway_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"io/fs"
	"testing"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
	"fayi/gateway/packfile"
	"fayi/gateway/packs"
	"fayi/gateway/problem"
	"fayi/gateway/replicate"
	"fayi/outbox"
)

// slip puts a pack file into a node's own stream without asking anybody, as
// whoever holds the node's online key could.
func (l *lab) slip(t *testing.T, at, name, version string, data []byte, only ...int) {
	t.Helper()
	const size = 128 << 10
	n := (len(data) + size - 1) / size
	l.tx(t, at, func(tx *sql.Tx) error {
		for i := range n {
			if len(only) > 0 && only[0] != i {
				continue
			}
			p := packfile.Part{Pack: name, Version: version, Digest: sign.Sum(data), Part: i + 1, Parts: n, Data: data[i*size : min((i+1)*size, len(data))]}
			b, err := json.Marshal(p)
			if err != nil {
				return err
			}
			if err := outbox.PublishTo(t.Context(), tx, replicate.OwnOutbox, outbox.Record{Type: replicate.TypePack, Key: p.Key(), Op: outbox.Put, Payload: b}); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestPackRefused: packs that somebody with a node's online key slips into its
// stream, or that are late, foreign or broken, are refused at every node with
// their code, and nothing changes (review A15).
func TestPackRefused(t *testing.T) {
	l := newLab(t, "sqlite", shaanxi, nil)
	t.Cleanup(l.close)
	l.start()
	l.publishPack(t, ministry, nextPack(t, "7.0.0", "2018-01-01", newVersion, newField))
	l.awaitPack(t, yulin, "7.0.0", packs.Adopted)
	before := map[string]string{}
	sealsBy := func(id string) string {
		typ, _ := l.engine(id).Schemas().Current("consultation")
		_, version := typ.Pack()
		return version + " " + typ.Ref()
	}
	for _, m := range l.Members {
		l.awaitPack(t, m.ID, "7.0.0", packs.Adopted)
		before[m.ID] = sealsBy(m.ID)
	}
	sealed := func(by keys.Signer, node string, fsys fs.FS) []byte {
		data, _, err := packfile.Build(fsys, node, by, nil, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	registrar := l.registrar(t, ministry).Signer
	pack := func(version string) fs.FS { return nextPack(t, version, "2018-01-01", newVersion, newField, stricter) }
	tampered := resign(t, sealed(registrar, ministry, pack("7.1.0")), func(sp *sign.SignedPack) {
		sp.Sigs[0].Sig = signAs(t, registrar, keys.EntryV1, sp.Pack) // the right key, for another purpose
	})
	fileRef := signBroken(t, registrar, ministry, "7.2.0", `{"$ref":"file:///etc/passwd"}`)
	webRef := signBroken(t, registrar, ministry, "7.3.0", `{"$ref":"https://example.com/s.json"}`)
	whole := sealed(registrar, ministry, pack("7.4.0"))
	for _, x := range []struct {
		what, at, version string
		data              []byte
		state, code       string
	}{
		{"signed by the node's own key", ministry, "8.0.0", sealed(l.identity(t, ministry).Signer, ministry, pack("8.0.0")), packs.Invalid, problem.PackSigner},
		{"signed by a foreign registrar", ministry, "8.1.0", sealed(l.registrar(t, province).Signer, ministry, pack("8.1.0")), packs.Invalid, problem.PackSigner},
		{"another node's pack", province, "8.2.0", sealed(registrar, ministry, pack("8.2.0")), packs.Invalid, problem.PackSigner},
		{"bad signature", ministry, "7.1.0", tampered, packs.Invalid, problem.BadSignature},
		{"reference to a file", ministry, "7.2.0", fileRef, packs.Invalid, problem.PackFaulty},
		{"reference to the network", ministry, "7.3.0", webRef, packs.Invalid, problem.PackFaulty},
		{"truncated", ministry, "7.4.0", whole[:len(whole)-100], packs.Invalid, problem.PackDamaged},
		{"other contents under a version", ministry, "7.0.0", sealed(registrar, ministry, pack("7.0.0")), packs.Invalid, problem.PackDiffers},
		{"an older version", ministry, "6.0.0", sealed(registrar, ministry, pack("6.0.0")), packs.Known, problem.PackOlder},
		{"a province's pack of the ministry's name", province, "9.0.0", sealed(l.registrar(t, province).Signer, province, pack("9.0.0")), packs.Known, problem.PackOwner},
	} {
		l.slip(t, x.at, "national", x.version, x.data)
		for _, m := range l.Members {
			l.eventually(t, m.ID, m.ID+": "+x.what, func() bool {
				for _, p := range m.Node.Packs().Packs() {
					if p.Digest == [32]byte(sign.Sum(x.data)) && p.State != packs.Arrived {
						if p.State != x.state || p.Code != x.code || p.Why().ZH == "" || p.Why().EN == "" {
							t.Fatalf("%s at %s: %s %s %+v, want %s %s", x.what, m.ID, p.State, p.Code, p.Why(), x.state, x.code)
						}
						return true
					}
				}
				return false
			})
			l.eventually(t, m.ID, m.ID+": a person is told of "+x.what, func() bool { return len(l.alarms(t, m.ID, x.code)) > 0 })
			if got := sealsBy(m.ID); got != before[m.ID] {
				t.Errorf("%s at %s: seals by %s, before by %s", x.what, m.ID, got, before[m.ID])
			}
			p, err := m.Node.Packs().Find("national", x.version)
			if err == nil && p.State != packs.Adopted { // nor can a person adopt it
				if err := m.Node.Packs().Adopt(t.Context(), p, "tester"); problem.Code(err) != x.code {
					t.Errorf("%s at %s: a person may adopt it: %v", x.what, m.ID, err)
				}
			}
		}
		if x.state == packs.Invalid && l.count(t, yulin, "fayi_pack_part WHERE version='"+x.version+"' AND version<>'7.0.0'") != 0 {
			t.Errorf("%s: its bytes are kept", x.what)
		}
	}
	// A city may not decide for itself; what its operator puts into the folder judges, and seals nothing.
	if n := l.count(t, yulin, "fayi_pack WHERE state='adopted'"); n != 1 {
		t.Errorf("%d packs adopted", n)
	}
}

// resign rebuilds a pack file with another signed line.
func resign(t *testing.T, data []byte, change func(*sign.SignedPack)) []byte {
	t.Helper()
	line, contents := unpack(t, data)
	sp, err := sign.ParseSignedPack(line)
	if err != nil {
		t.Fatal(err)
	}
	change(sp)
	return repack(t, sp, contents)
}

// signBroken signs a pack that Build would refuse to make.
func signBroken(t *testing.T, by keys.Signer, node, version, property string) []byte {
	t.Helper()
	data, _, err := packfile.Build(nextPack(t, version, "2018-01-01", newVersion, newField), node, by, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	line, contents := unpack(t, data)
	sp, err := sign.ParseSignedPack(line)
	if err != nil {
		t.Fatal(err)
	}
	p, err := sign.ParsePack(sp.Pack)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for i, f := range p.Files {
		b := contents[:f.Size]
		contents = contents[f.Size:]
		if f.Name == "types/consultation.json" {
			b = bytes.Replace(b, []byte(`"properties": {`), []byte(`"properties": {"evil":`+property+`,`), 1)
			p.Files[i].Size, p.Files[i].Hash = uint64(len(b)), sign.Sum(b)
		}
		out = append(out, b...)
	}
	if sp.Pack, sp.Sigs[0].Sig, err = sign.Sign(by, keys.PackV1, p); err != nil {
		t.Fatal(err)
	}
	return repack(t, sp, out)
}

func signAs(t *testing.T, by keys.Signer, c keys.Context, body []byte) []byte {
	t.Helper()
	sig, err := by.Sign(c, body)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}
