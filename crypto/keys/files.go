package keys

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Errors about files that callers tell apart.
var (
	ErrExists     = errors.New("keys: file exists and is not overwritten")
	ErrPermission = errors.New("keys: file is readable by others")
	ErrPassphrase = errors.New("keys: wrong passphrase or damaged key file")
	ErrMismatch   = errors.New("keys: key does not belong to the certificate")
)

const (
	maxFile       = 16 << 10 // no file of a keys folder comes near it
	maxPassphrase = 1 << 10
)

// ReadPassphrase reads a passphrase from the first and only line of a file: at
// most 1 KiB, one line end at its end removed, nothing else changed. On Unix a
// file that its group or others may read is refused ([ErrPermission]).
func ReadPassphrase(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("keys: passphrase: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("keys: passphrase: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("keys: passphrase %s is not a regular file", path)
	}
	if err := private(path, info); err != nil {
		return nil, err
	}
	pass, err := io.ReadAll(io.LimitReader(f, maxPassphrase+1))
	if err != nil {
		return nil, fmt.Errorf("keys: passphrase: %w", err)
	}
	if len(pass) > maxPassphrase {
		return nil, fmt.Errorf("keys: passphrase %s is longer than %d bytes", path, maxPassphrase)
	}
	pass = bytes.TrimSuffix(pass, []byte("\n"))
	pass = bytes.TrimSuffix(pass, []byte("\r"))
	if len(pass) == 0 {
		return nil, fmt.Errorf("keys: passphrase %s is empty", path)
	}
	if bytes.ContainsAny(pass, "\r\n\x00") {
		return nil, fmt.Errorf("keys: passphrase %s has more than one line", path)
	}
	return pass, nil
}

// private refuses files that others than the owner may read. Windows has no such
// bits; its access lists are the operator's.
func private(path string, info fs.FileInfo) error {
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%w: %s has mode %04o, wants 0600", ErrPermission, path, info.Mode().Perm())
	}
	return nil
}

// writeNew writes a file that must not exist, whole or not at all: to a temporary
// name, synced, then linked to its own name, then the folder is synced.
func writeNew(path string, data []byte, mode fs.FileMode) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".new-*") // created 0600
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if _, err := tmp.Write(data); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := tmp.Chmod(mode); err != nil && runtime.GOOS != "windows" {
		return fmt.Errorf("keys: %w", err)
	}
	if err := tmp.Sync(); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := place(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// place gives a finished temporary file its name. A link never replaces; file
// systems without links (FAT on a registrar's USB stick) get a check and a rename.
func place(tmp, path string) error {
	err := os.Link(tmp, path)
	if err == nil {
		return nil
	}
	if _, statErr := os.Lstat(path); !errors.Is(statErr, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s", ErrExists, path)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

// readPEM reads a file that holds exactly one PEM block of the given type,
// without headers. secret files must be private to their owner.
func readPEM(path, kind string, secret bool) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("keys: %s is not a regular file", path)
	}
	if secret {
		if err := private(path, info); err != nil {
			return nil, err
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("keys: %s is larger than %d bytes", path, maxFile)
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != kind || len(block.Headers) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("keys: %s is not one PEM block %q", path, kind)
	}
	return block.Bytes, nil
}

func writePEM(path, kind string, body []byte, mode fs.FileMode) error {
	return writeNew(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: body}), mode)
}
