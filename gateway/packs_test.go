package gateway_test

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"io"
	"io/fs"
	"testing"
	"time"

	"fayi/crypto/sign"
	"fayi/gateway/packfile"
	"fayi/gateway/packs"
	"fayi/gateway/packtest"
	"fayi/gateway/store"
)

// What packtest makes, in short.
var (
	nextPack                       = packtest.Next
	newVersion, newField, stricter = packtest.NewVersion, packtest.NewField, packtest.Stricter
)

type edit = packtest.Edit

// signPack packs a folder, signed by a member's registrar.
func (l *lab) signPack(t *testing.T, by string, fsys fs.FS) []byte {
	t.Helper()
	data, _, err := packfile.Build(fsys, by, l.registrar(t, by).Signer, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// adoptAlone makes one node seal by a pack that nobody else was sent, as if the
// stream that should have brought it were late everywhere else.
func (l *lab) adoptAlone(t *testing.T, id string, data []byte) {
	t.Helper()
	parts, err := packfile.Split(data)
	if err != nil {
		t.Fatal(err)
	}
	f, err := packfile.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	m := l.Member(id)
	digest := store.Hash(sign.Sum(data))
	err = m.Store.InTx(t.Context(), func(tx *sql.Tx) error {
		for _, p := range parts {
			row := store.PackPart{Origin: f.Statement.Node, Digest: digest, Part: p.Part, Parts: p.Parts, Name: p.Pack, Version: p.Version, Data: p.Data}
			if err := m.Store.SavePackParts(t.Context(), tx, []store.PackPart{row}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	row := store.Pack{Origin: f.Statement.Node, Digest: digest, Name: f.Statement.Name, Version: f.Statement.Version, State: packs.Adopted, Seen: 1, Decided: 1}
	if _, err := m.Store.AddPack(t.Context(), row, true); err != nil {
		t.Fatal(err)
	}
	if err := m.Node.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// unpack and repack open and close a pack file without judging it.
func unpack(t *testing.T, data []byte) (line, contents []byte) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	line, contents, _ = bytes.Cut(plain, []byte("\n"))
	return line, contents
}

func repack(t *testing.T, sp *sign.SignedPack, contents []byte) []byte {
	t.Helper()
	line, err := sign.Marshal(sp)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	for _, b := range [][]byte{line, []byte("\n"), contents} {
		if _, err := z.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
