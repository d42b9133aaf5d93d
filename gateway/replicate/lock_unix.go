//go:build unix

package replicate

import (
	"errors"
	"os"
	"syscall"
)

// errLocked: another process holds the file.
var errLocked = errors.New("locked by another process")

// lockFile takes a lock that ends with the process, whatever ends it.
func lockFile(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, err
	}
	return f.Close, nil
}
