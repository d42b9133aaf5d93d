package config

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"fayi/crypto/keys"
	"fayi/gateway/archive"
	"fayi/gateway/directory"
	"fayi/gateway/join"
	"fayi/gateway/packs"
	"fayi/gateway/store"
	"fayi/gateway/strictyaml"
	"fayi/outbox"
)

const filePrefix = "file:"

// Path is the absolute path of fayi.yaml itself.
func (f *File) Path() string { return f.path }

// Dir is the folder of fayi.yaml, against which relative paths are resolved.
func (f *File) Dir() string { return filepath.Dir(f.path) }

// Abs resolves a path of the file; "" stays "".
func (f *File) Abs(path string) string {
	path = strings.TrimPrefix(path, filePrefix)
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(f.Dir(), path)
}

// KeysDir is the folder of the node's identity.
func (f *File) KeysDir() string { return f.Abs(f.Keys.Dir) }

// RegistrarDir is the folder of the registrar.
func (f *File) RegistrarDir() string { return f.Abs(f.Keys.Registrar) }

// JournalPath is heads.journal, beside the keys (protocol §6).
func (f *File) JournalPath() string { return filepath.Join(f.KeysDir(), "heads.journal") }

// LedgerPath is where invitations are remembered.
func (f *File) LedgerPath() string { return filepath.Join(f.Dir(), "invites.json") }

// TracePath is the trace file, "" for none.
func (f *File) TracePath() string { return f.Abs(f.Trace) }

// Dialect is that of the database.
func (f *File) Dialect() outbox.Dialect { return outbox.Dialect(f.Database.Driver) }

// DSN is what the database is opened with: for sqlite an absolute path, for
// mysql the name written in the file or in the file it refers to.
func (f *File) DSN() (string, error) {
	if f.Dialect() == outbox.SQLite {
		return f.Abs(f.Database.DSN), nil
	}
	if !strings.HasPrefix(f.Database.DSN, filePrefix) {
		return f.Database.DSN, nil
	}
	return ReadSecret(f.Abs(f.Database.DSN))
}

// SourceDSN is the name of the database a source's table is in, "" for the node's own.
func (f *File) SourceDSN(s Source) (string, error) {
	if s.DSN == "" {
		return "", nil
	}
	return ReadSecret(f.Abs(s.DSN))
}

const maxSecret = 4 << 10

// ReadSecret reads the one line of a file that nobody else may read.
func ReadSecret(path string) (string, error) {
	fd, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("config: %w", err)
	}
	defer fd.Close()
	info, err := fd.Stat()
	if err != nil {
		return "", fmt.Errorf("config: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%w: %s", keys.ErrPermission, path)
	}
	b, err := io.ReadAll(io.LimitReader(fd, maxSecret))
	if err != nil {
		return "", fmt.Errorf("config: %w", err)
	}
	s := strings.TrimRight(string(b), "\r\n")
	if s == "" || strings.ContainsAny(s, "\r\n\x00") {
		return "", fmt.Errorf("config: %s does not hold exactly one line", path)
	}
	return s, nil
}

// OpenStore opens the database. It does not migrate.
func (f *File) OpenStore(ctx context.Context) (*store.Store, error) {
	dsn, err := f.DSN()
	if err != nil {
		return nil, err
	}
	if f.Dialect() == outbox.SQLite {
		// Opening would create an empty database where a path was mistyped.
		if _, err := os.Stat(dsn); err != nil {
			return nil, fmt.Errorf("config: database: %w", err)
		}
	}
	st, err := store.Open(ctx, f.Dialect(), dsn)
	if err == nil {
		st.UseArchive(f.ArchiveDir())
	}
	return st, err
}

// ArchiveDir is where bodies of old segments are, or will be.
func (f *File) ArchiveDir() archive.Dir { return archive.Open(f.Abs(f.Archive.Dir)) }

// Identity loads the node's keys and certificates. Before the node has joined
// the certificates are missing: the error is fs.ErrNotExist.
func (f *File) Identity() (*keys.Identity, error) {
	pass, err := keys.ReadPassphrase(f.Abs(f.Keys.Passphrase))
	if err != nil {
		return nil, err
	}
	id, err := keys.LoadIdentity(f.KeysDir(), pass)
	if err != nil {
		return nil, err
	}
	if id.NodeID != f.Node {
		return nil, &Error{File: f.path, Faults: []strictyaml.Fault{{
			Path:    "node",
			Message: fmt.Sprintf("写的是 %s，而 keys 目录的证书属于 %s", f.Node, id.NodeID), MessageEN: fmt.Sprintf("is %s, but the certificates in keys are of %s", f.Node, id.NodeID),
		}}}
	}
	return id, nil
}

// Registrar loads the registrar's keys, with the passphrase in the file
// "passphrase" of its folder.
func (f *File) Registrar() (*keys.Registrar, error) {
	pass, err := keys.ReadPassphrase(filepath.Join(f.RegistrarDir(), "passphrase"))
	if err != nil {
		return nil, err
	}
	return keys.LoadRegistrar(f.RegistrarDir(), pass)
}

// Shelf opens the node's schema packs: the program's, those that came and are in
// the database, those in the packs folder. key opens stored records to try a new
// pack on; nil where that is not asked for. Of a node without a database yet (st
// nil) there are only the program's and the folder's.
func (f *File) Shelf(ctx context.Context, st *store.Store, key *keys.StoreKey) (*packs.Shelf, error) {
	d := directory.New(f.Node)
	if st != nil {
		var err error
		if d, err = join.Directory(ctx, st, f.Node); err != nil {
			return nil, err
		}
	}
	s := &packs.Shelf{Store: st, Directory: d, StoreKey: key, Folder: f.Abs(f.Packs), Manual: f.Adopt == AdoptManual}
	return s, s.Load(ctx)
}
