package replicate

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"fayi/crypto/sign"
	"fayi/gateway/store"
)

// Journal is heads.journal: where this node's own streams ended when they last
// left the process (protocol §6). It lies beside the keys, outside the
// database, so that a database put back to yesterday is noticed before
// anything is signed twice. Safe for concurrent use.
type Journal struct {
	path   string // of this process; "" for one that only reads
	first  string // of the host's first process
	unlock func() error

	mu    sync.Mutex
	f     *os.File
	heads map[string]store.Head
	lines int
}

// maxJournals is how many processes of one node a host may run.
const maxJournals = 16

// compactAt is how many lines the file may have before it is rewritten with
// one line a stream.
const compactAt = 20_000

// OpenJournal reads the file, keeping the last line of each stream; a torn last
// line (the machine stopped while writing) is dropped, since what it announced
// had not left yet.
//
// Several processes of one node on one host write a file each, path, path.2 and
// so on, the first that no other holds, and read all of them.
func OpenJournal(path string) (*Journal, error) {
	for n := 1; n <= maxJournals; n++ {
		own := path
		if n > 1 {
			own = fmt.Sprintf("%s.%d", path, n)
		}
		unlock, err := lockFile(own + ".lock")
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("heads.journal: %w", err)
		}
		j := &Journal{path: own, first: path, unlock: unlock, heads: map[string]store.Head{}}
		if err = j.Refresh(); err == nil {
			err = j.compact()
		}
		if err != nil {
			return nil, errors.Join(err, unlock())
		}
		return j, nil
	}
	return nil, fmt.Errorf("heads.journal: %d processes use %s", maxJournals, path)
}

// ReadJournal reads what the host's processes noted, for one that sends nothing:
// its Note fails.
func ReadJournal(path string) (*Journal, error) {
	j := &Journal{first: path, heads: map[string]store.Head{}}
	return j, j.Refresh()
}

// Refresh reads what other processes of this host noted since.
func (j *Journal) Refresh() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for n := 1; n <= maxJournals; n++ {
		path := j.first
		if n > 1 {
			path = fmt.Sprintf("%s.%d", path, n)
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("heads.journal: %w", err)
		}
		lines := strings.Split(string(data), "\n")
		for i, line := range lines[:len(lines)-1] { // what follows the last line feed is torn
			name, h, err := parseJournalLine(line)
			if err != nil {
				return fmt.Errorf("%s line %d: %w", filepath.Base(path), i+1, err)
			}
			if h.Pos.Compare(j.heads[name].Pos) > 0 {
				j.heads[name] = h
			}
		}
	}
	return nil
}

func parseJournalLine(s string) (string, store.Head, error) {
	var h store.Head
	p := strings.Split(s, " ")
	if len(p) != 4 {
		return "", h, errors.New("malformed line")
	}
	name := p[0]
	_, err := sign.ParseStream(name)
	gen, err1 := strconv.ParseUint(p[1], 10, 53)
	seq, err2 := strconv.ParseUint(p[2], 10, 53)
	raw, err3 := hex.DecodeString(p[3])
	if err := errors.Join(err, err1, err2, err3); err != nil || len(raw) != len(h.Hash) {
		return "", h, fmt.Errorf("malformed line: %v", err)
	}
	h.Gen, h.Seq = gen, seq
	copy(h.Hash[:], raw)
	return name, h, nil
}

// Head is the last head of a stream that was about to leave.
func (j *Journal) Head(stream string) store.Head {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.heads[stream]
}

// Note records heads and syncs them to disk; only then may their segments
// leave. Heads already noted cost nothing.
func (j *Journal) Note(heads map[string]store.Head) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var sb strings.Builder
	for name, h := range heads {
		if h.Pos.Compare(j.heads[name].Pos) > 0 {
			fmt.Fprintf(&sb, "%s %d %d %s\n", name, h.Gen, h.Seq, h.Hash)
			j.lines++
		}
	}
	if sb.Len() == 0 {
		return nil
	}
	if j.f == nil {
		return errors.New("heads.journal: opened to be read")
	}
	if _, err := j.f.WriteString(sb.String()); err != nil {
		return fmt.Errorf("heads.journal: %w", err)
	}
	if err := j.f.Sync(); err != nil {
		return fmt.Errorf("heads.journal: %w", err)
	}
	for name, h := range heads {
		if h.Pos.Compare(j.heads[name].Pos) > 0 {
			j.heads[name] = h
		}
	}
	if j.lines > compactAt {
		return j.compact()
	}
	return nil
}

// compact rewrites the file with one line a stream and reopens it for appending.
func (j *Journal) compact() error {
	tmp := j.path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("heads.journal: %w", err)
	}
	for name, h := range j.heads {
		fmt.Fprintf(f, "%s %d %d %s\n", name, h.Gen, h.Seq, h.Hash)
	}
	if err := errors.Join(f.Sync(), f.Close(), os.Rename(tmp, j.path)); err != nil {
		return fmt.Errorf("heads.journal: %w", err)
	}
	if dir, err := os.Open(filepath.Dir(j.path)); err == nil {
		dir.Sync()
		dir.Close()
	}
	if j.f != nil {
		j.f.Close()
	}
	if j.f, err = os.OpenFile(j.path, os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return fmt.Errorf("heads.journal: %w", err)
	}
	j.lines = len(j.heads)
	return nil
}

// Close closes the file.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.f == nil {
		return nil
	}
	return errors.Join(j.f.Close(), j.unlock())
}
