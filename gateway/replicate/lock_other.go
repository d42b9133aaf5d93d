//go:build !unix

package replicate

import (
	"errors"
	"os"
)

// errLocked: another process holds the file.
var errLocked = errors.New("locked by another process")

// lockFile takes a lock that ends with the process: a file that is open cannot
// be removed here, so one that can belongs to nobody.
func lockFile(path string) (unlock func() error, err error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errLocked
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, errLocked
	}
	if err != nil {
		return nil, err
	}
	return f.Close, nil
}
