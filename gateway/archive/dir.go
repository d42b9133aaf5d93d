package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/store"
)

// ErrDamaged: a file does not hold the bytes its name promises.
var ErrDamaged = errors.New("archive: the file is not what its name says")

// Dir is a folder of archived bodies. It is safe for concurrent use, by several
// processes too.
type Dir struct{ path string }

// Open names the folder. It is created when something is first put there.
func Open(path string) Dir { return Dir{path} }

// Path is the folder.
func (d Dir) Path() string { return d.path }

func (d Dir) file(header, body store.Hash) string {
	name := header.String() + "." + body.String()
	return filepath.Join(d.path, name[:2], name)
}

// Put writes a body and returns its hash once it is safely on disk. A file that
// is there already is kept.
func (d Dir) Put(header store.Hash, body []byte) (store.Hash, error) {
	hash := store.Hash(sign.Sum(body))
	if have, err := d.Get(header, hash); err == nil && len(have) == len(body) {
		return hash, nil
	}
	path := d.file(header, hash)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return hash, fmt.Errorf("archive: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return hash, fmt.Errorf("archive: %w", err)
	}
	_, err = f.Write(body)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return hash, fmt.Errorf("archive: %w", err)
	}
	// The name must be as durable as the bytes, and so must the folder's own.
	if err := errors.Join(syncDir(filepath.Dir(path)), syncDir(d.path)); err != nil {
		return hash, fmt.Errorf("archive: %w", err)
	}
	return hash, nil
}

// Get reads a body back; [ErrDamaged] if it is not the one that was put.
func (d Dir) Get(header, body store.Hash) ([]byte, error) {
	f, err := os.Open(d.file(header, body))
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, seal.MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	if store.Hash(sign.Sum(b)) != body {
		return nil, fmt.Errorf("%w: %s", ErrDamaged, filepath.Base(f.Name()))
	}
	return b, nil
}

// Remove deletes a body, for instance one that an erasure replaced. One that is
// not there is no error.
func (d Dir) Remove(header, body store.Hash) error {
	path := d.file(header, body)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("archive: %w", err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}
