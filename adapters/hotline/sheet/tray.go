package sheet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/ticket"
)

// Tray holds imports between the person who read a file and the one who confirms
// it. It is a folder; each import is a file in it, named by its digest.
type Tray struct {
	Dir string
	Now func() time.Time
}

// Pending is an import that waits for a second person.
type Pending struct {
	Digest  string    `json:"digest"`
	Party   string    `json:"party"`
	Profile string    `json:"profile"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Rows    []Row     `json:"rows"`
}

// Errors of the tray.
var (
	ErrNotReady   = errors.New("the preview has questions or faults")
	ErrSamePerson = errors.New("the person who imported cannot confirm")
	ErrNoImport   = errors.New("no such import")
)

// Take brings a preview in. Rows that one person may decide go to the receiver at
// once; if there are others they wait, and pending says under which digest.
func (t *Tray) Take(ctx context.Context, p *profile.Profile, v *Preview, by string, r ticket.Receiver) (answers []ticket.Answer, pending *Pending, err error) {
	if !v.Good() || by == "" {
		return nil, nil, ErrNotReady
	}
	var now []ticket.Inbound
	wait := &Pending{Digest: v.Digest, Party: p.Party.Code, Profile: p.Profile, By: by, At: t.now(), Rows: []Row{}}
	for _, row := range v.Rows {
		if row.Confirm {
			wait.Rows = append(wait.Rows, row)
		} else {
			now = append(now, row.In)
		}
	}
	if len(wait.Rows) > 0 {
		b, err := json.Marshal(wait)
		if err != nil {
			return nil, nil, err
		}
		if err := os.MkdirAll(t.Dir, 0o700); err != nil {
			return nil, nil, err
		}
		name := t.file(wait.Digest)
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) { // who was first stays the importer
			if err := writeFile(name, b); err != nil {
				return nil, nil, err
			}
		}
		pending = wait
	}
	if len(now) > 0 {
		answers, err = r.Receive(ctx, p.Party.Code, now)
	}
	return answers, pending, err
}

// Confirm hands a waiting import to the receiver in the name of a second person.
func (t *Tray) Confirm(ctx context.Context, digest, by string, r ticket.Receiver) ([]ticket.Answer, error) {
	w, err := t.load(digest)
	if err != nil {
		return nil, err
	}
	if by == "" || strings.EqualFold(strings.TrimSpace(by), strings.TrimSpace(w.By)) {
		return nil, ErrSamePerson
	}
	var in []ticket.Inbound
	for _, row := range w.Rows {
		in = append(in, row.In)
	}
	answers, err := r.Receive(ctx, w.Party, in)
	if err != nil {
		return answers, err // it stays; the desk knows what it has
	}
	return answers, os.Remove(t.file(digest))
}

// Drop takes a waiting import away.
func (t *Tray) Drop(digest string) error {
	if _, err := t.load(digest); err != nil {
		return err
	}
	return os.Remove(t.file(digest))
}

// List gives the imports that wait, oldest first.
func (t *Tray) List() ([]Pending, error) {
	entries, err := os.ReadDir(t.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Pending
	for _, e := range entries {
		if d, ok := strings.CutSuffix(e.Name(), ".json"); ok && digestForm.MatchString(d) {
			w, err := t.load(d)
			if err != nil {
				return nil, err
			}
			out = append(out, *w)
		}
	}
	slices.SortFunc(out, func(a, b Pending) int { return a.At.Compare(b.At) })
	return out, nil
}

var digestForm = regexp.MustCompile(`^[0-9a-f]{32}$`)

func (t *Tray) file(digest string) string { return filepath.Join(t.Dir, digest+".json") }

func (t *Tray) load(digest string) (*Pending, error) {
	if !digestForm.MatchString(digest) {
		return nil, ErrNoImport
	}
	b, err := os.ReadFile(t.file(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoImport
	}
	if err != nil {
		return nil, err
	}
	w := &Pending{}
	if err := json.Unmarshal(b, w); err != nil || w.Digest != digest {
		return nil, fmt.Errorf("%w: %s is damaged", ErrNoImport, digest)
	}
	return w, nil
}

func (t *Tray) now() time.Time {
	if t.Now != nil {
		return t.Now()
	}
	return time.Now()
}
