package join

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"fayi/crypto/sign"
)

// Ledger is a parent's memory of its invitations, one file beside its
// configuration. It holds only SM3 of each code, so that who reads it cannot
// join. One person at a time uses it; writes are atomic.
type Ledger struct{ path string }

// OpenLedger names the file; it need not exist yet.
func OpenLedger(path string) *Ledger { return &Ledger{path} }

// Invitation is one line of the ledger.
type Invitation struct {
	Place  Place     `json:"place"`
	Code   sign.Hash `json:"code"` // SM3 of the 16 bytes
	Issued sign.Time `json:"issued"`
	Used   bool      `json:"used"`
}

type ledgerFile struct {
	V       int          `json:"v"`
	Invites []Invitation `json:"invites"`
}

const maxLedger = 16 << 20 // bytes: tens of thousands of invitations

func (l *Ledger) load() (*ledgerFile, error) {
	data, err := os.ReadFile(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return &ledgerFile{V: 1, Invites: []Invitation{}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	var f ledgerFile
	if len(data) > maxLedger {
		return nil, ErrFile.because(fmt.Errorf("%s: %d bytes", l.path, len(data)))
	}
	if err := sign.Unmarshal(bytes.TrimRight(data, "\n"), &f); err != nil {
		return nil, ErrFile.because(fmt.Errorf("%s: %w", l.path, err))
	}
	return &f, checkVersion(f.V)
}

func (l *Ledger) save(f *ledgerFile) error {
	data, err := sign.Marshal(f)
	if err == nil {
		err = replaceFile(l.path, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("join: %s: %w", l.path, err)
	}
	return nil
}

// Add remembers an invitation. An unused one for the same node is replaced:
// its code serves no longer.
func (l *Ledger) Add(iv *Invite, now time.Time) error {
	f, err := l.load()
	if err != nil {
		return err
	}
	f.Invites = slices.DeleteFunc(f.Invites, func(i Invitation) bool { return !i.Used && i.Place.Node == iv.Place.Node })
	f.Invites = append(f.Invites, Invitation{Place: iv.Place, Code: sign.Sum(iv.Code[:]), Issued: sign.At(now)})
	return l.save(f)
}

// find returns the invitation a request answers: [ErrNotInvited] or [ErrUsed].
func (l *Ledger) find(r *Request) (*Invitation, error) {
	f, err := l.load()
	if err != nil {
		return nil, err
	}
	want := sign.Sum(r.Code[:])
	for i := range f.Invites {
		iv := &f.Invites[i]
		if iv.Place.Node != r.Place.Node || subtle.ConstantTimeCompare(iv.Code[:], want[:]) != 1 {
			continue
		}
		if iv.Used {
			return nil, ErrUsed
		}
		if !iv.Place.equal(&r.Place) {
			return nil, ErrNotInvited.because(errors.New("the request states another name, role or territory than the invitation"))
		}
		return iv, nil
	}
	return nil, ErrNotInvited
}

// use marks the invitation with this code as used.
func (l *Ledger) use(code sign.Hash) error {
	f, err := l.load()
	if err != nil {
		return err
	}
	for i := range f.Invites {
		if f.Invites[i].Code == code {
			f.Invites[i].Used = true
		}
	}
	return l.save(f)
}
