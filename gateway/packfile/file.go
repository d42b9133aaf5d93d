package packfile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
	"fayi/gateway/problem"
	"fayi/schemas"
)

// MaxFile bounds a pack file, in bytes: what 5 MiB that do not compress need.
const MaxFile = 6 << 20

// maxLine bounds the signed line: a statement of 4,096 files in base64.
const maxLine = 1 << 20

// File is an unpacked pack file. Its bytes are those the statement lists; who
// signed is for the directory to say.
type File struct {
	Statement *sign.Pack
	Signed    *sign.SignedPack
	files     files
}

// Open unpacks a pack file from a stranger. The error is PACK_DAMAGED.
func Open(data []byte) (*File, error) {
	f, err := open(data)
	if err != nil {
		return nil, problem.Wrap(problem.PackDamaged, err)
	}
	return f, nil
}

func open(data []byte) (*File, error) {
	if len(data) > MaxFile {
		return nil, fmt.Errorf("larger than %d bytes", MaxFile)
	}
	packed := bytes.NewReader(data)
	z, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	r := bufio.NewReaderSize(z, maxLine)
	line, err := r.ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("no signed line: %w", err)
	}
	f := &File{files: files{}}
	if f.Signed, err = sign.ParseSignedPack(line[:len(line)-1]); err != nil {
		return nil, err
	}
	if f.Statement, err = sign.ParsePack(f.Signed.Pack); err != nil {
		return nil, err
	}
	for _, want := range f.Statement.Files {
		b := make([]byte, want.Size) // at most 5 MiB over all files, as ParsePack has checked
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, fmt.Errorf("%s: %w", want.Name, err)
		}
		if sign.Sum(b) != want.Hash {
			return nil, fmt.Errorf("%s: other bytes than the statement lists", want.Name)
		}
		f.files[want.Name] = b
	}
	switch _, err := r.ReadByte(); { // the end also checks the member's checksum
	case err == nil:
		return nil, errors.New("bytes after the last file")
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	if packed.Len() > 0 {
		return nil, errors.New("bytes after the gzip member")
	}
	return f, nil
}

// FS is the pack's folder.
func (f *File) FS() fs.FS { return f.files }

// Edition loads the pack and checks that its manifest says what was signed. The
// error is BAD_PACK with every fault.
func (f *File) Edition() (*schemas.Edition, error) {
	e, err := schemas.Read(f.files)
	if err != nil {
		return nil, problem.Wrap(problem.PackFaulty, err)
	}
	s, want := f.Statement, statement(e)
	if s.Name != want.Name || s.Version != want.Version || s.From != want.From || s.Until != want.Until || !slices.Equal(s.Types, want.Types) {
		return nil, problem.New(problem.PackFaulty, "pack.json and the signed statement of %s %s differ", s.Name, s.Version)
	}
	if listed := names(s.Files); !slices.Equal(listed, e.Files) {
		return nil, problem.New(problem.PackFaulty, "%s %s lists files that belong to no pack", s.Name, s.Version)
	}
	return e, nil
}

// statement is what an edition's manifest says, in the form that is signed.
func statement(e *schemas.Edition) *sign.Pack {
	p := &sign.Pack{V: 1, Name: e.Name, Version: e.Version, From: e.From, Until: e.Until}
	for _, t := range e.Types {
		p.Types = append(p.Types, t.Ref())
	}
	slices.Sort(p.Types)
	return p
}

func names(list []sign.PackFile) []string {
	out := make([]string, len(list))
	for i, f := range list {
		out[i] = f.Name
	}
	return out
}

// Build loads a pack's folder and returns it signed and packed. node is whose
// registrar signer is, or names it in one of grants. A folder with faults is
// BAD_PACK.
func Build(fsys fs.FS, node string, signer keys.Signer, grants []sign.SignedGrant, now time.Time) ([]byte, *sign.Pack, error) {
	e, err := schemas.Read(fsys)
	if err != nil {
		return nil, nil, problem.Wrap(problem.PackFaulty, err)
	}
	p := statement(e)
	p.Node, p.Time = node, sign.At(now)
	var contents []byte
	for _, name := range e.Files {
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, nil, fmt.Errorf("pack: %w", err)
		}
		p.Files = append(p.Files, sign.PackFile{Name: name, Size: uint64(len(b)), Hash: sign.Sum(b)})
		contents = append(contents, b...)
	}
	sp := sign.SignedPack{Sigs: []sign.EntrySig{{By: sign.Hash(signer.ID())}}, Grants: append([]sign.SignedGrant{}, grants...)}
	if sp.Pack, sp.Sigs[0].Sig, err = sign.Sign(signer, keys.PackV1, p); err != nil {
		return nil, nil, fmt.Errorf("pack: %w", err)
	}
	if _, err := sign.ParsePack(sp.Pack); err != nil { // stricter than the loader: no leading zeros in versions
		return nil, nil, problem.Wrap(problem.PackFaulty, err)
	}
	data, err := pack(&sp, contents)
	return data, p, err
}

func pack(sp *sign.SignedPack, contents []byte) ([]byte, error) {
	line, err := sign.Marshal(sp)
	if err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	for _, b := range [][]byte{line, {'\n'}, contents} {
		if _, err := z.Write(b); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if out.Len() > MaxFile {
		return nil, problem.New(problem.TooLarge, "pack file of %d bytes", out.Len())
	}
	return out.Bytes(), nil
}
