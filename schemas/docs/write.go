package packdoc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// ledgerName is the file that remembers what was written: path to SHA-256. It tells our files from those of others, and from those that
// somebody has filled in or edited since.
const ledgerName = "fayi-docs.json"

const maxLedger = 1 << 20

// ForeignError is the error of [Write] for files in the way that it did not write, or that have changed since.
type ForeignError struct{ Paths []string }

func (e *ForeignError) Error() string {
	return "not written by fayi schema docs, or changed since: " + strings.Join(e.Paths, ", ")
}

// Write renders the book into the folder dir, which is made if it is missing, and returns the paths of the files below it. If a file there is
// not ours, nothing is written and the error is a [*ForeignError], unless force is set; other files of the folder are left alone. No path
// leads out of dir, also not over a symbolic link. progress is called after each file with how many are done and how many there are. A Write
// that was interrupted can be repeated.
func (b *Book) Write(ctx context.Context, dir string, force bool, progress func(done, all int)) (paths []string, err error) {
	var files []File
	for f, err := range b.Files() {
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	ledger, in := readLedger(root), []string{}
	for _, f := range files {
		if old, err := fileSum(root, f.Path); !errors.Is(err, fs.ErrNotExist) && (err != nil || old != ledger[f.Path] && old != sum(f.Data)) {
			in = append(in, f.Path)
		}
	}
	if len(in) > 0 && !force {
		return nil, &ForeignError{in}
	}
	for i, f := range files {
		if err := ctx.Err(); err != nil {
			return paths, err
		}
		if err := root.MkdirAll(path.Dir(f.Path), 0o755); err != nil {
			return paths, err
		}
		if err := replace(root, f.Path, f.Data); err != nil {
			return paths, err
		}
		ledger[f.Path] = sum(f.Data)
		paths = append(paths, f.Path)
		progress(i+1, len(files))
	}
	data, err := json.MarshalIndent(ledger, "", " ")
	if err != nil {
		return paths, err
	}
	return append(paths, ledgerName), replace(root, ledgerName, append(data, '\n'))
}

// readLedger returns what was written before; nothing if there is no ledger or none that can be read.
func readLedger(root *os.Root) map[string]string {
	ledger := map[string]string{}
	f, err := root.Open(ledgerName)
	if err != nil {
		return ledger
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxLedger)).Decode(&ledger); err != nil || ledger == nil {
		return map[string]string{}
	}
	return ledger
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

func fileSum(root *os.Root, name string) (string, error) {
	f, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// replace writes a file beside its place and moves it there, so that no half of it is ever seen.
func replace(root *os.Root, name string, data []byte) error {
	part := name + ".part"
	if err := root.WriteFile(part, data, 0o644); err != nil {
		return err
	}
	return root.Rename(part, name)
}
