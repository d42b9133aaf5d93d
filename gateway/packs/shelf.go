package packs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fayi/crypto/keys"
	"fayi/gateway/directory"
	"fayi/gateway/packfile"
	"fayi/gateway/problem"
	"fayi/gateway/store"
	"fayi/schemas"
	"fayi/schemas/diff"
)

// States of a pack at a node.
const (
	Arrived = "arrived" // verified, nothing decided yet
	Waiting = "waiting" // a person must decide
	Adopted = "adopted" // new records are judged by it on its days
	Refused = "refused" // by a person
	Braked  = "braked"  // adopted and taken back
	Known   = "known"   // judges what names it; never adopted
	Invalid = "invalid" // refused for its bytes, its signature or its contents
)

// Shelf holds the packs of one node. Its fields are set once; [Shelf.Load] comes
// before everything else.
type Shelf struct {
	Store     *store.Store // nil: there are only the program's pack and the folder
	Directory *directory.Directory
	StoreKey  *keys.StoreKey   // opens stored records for the replay; nil: nothing is adopted without a person
	Folder    string           // the operator's packs folder; may be absent
	Manual    bool             // every adoption waits for a person
	Clock     func() time.Time // nil for time.Now
	Log       *slog.Logger     // nil for none

	mu      sync.Mutex // one reload at a time
	program *schemas.Edition
	folder  []*schemas.Edition
	read    map[int64]*schemas.Edition // by pack; nil for one that this program cannot load
	changes uint64
	view    atomic.Pointer[view]
}

// view is the shelf at one moment. It never changes.
type view struct {
	registry *schemas.Registry
	packs    []Pack
	trials   []trial
}

// Pack is a pack that came, with its edition if this program can load it.
type Pack struct {
	store.Pack
	Edition *schemas.Edition
}

// Why is the reason a pack is in its state, for people.
func (p Pack) Why() diff.Reason {
	var r diff.Reason
	if json.Unmarshal([]byte(p.Reason), &r) != nil {
		return diff.Reason{}
	}
	return r
}

// Registry is what judges records now.
func (s *Shelf) Registry() *schemas.Registry { return s.view.Load().registry }

// Program is the program's own pack.
func (s *Shelf) Program() *schemas.Edition { return s.program }

// Packs lists what came, in that order. It must not be changed.
func (s *Shelf) Packs() []Pack { return s.view.Load().packs }

func (s *Shelf) now() time.Time {
	if s.Clock != nil {
		return s.Clock()
	}
	return time.Now()
}

func (s *Shelf) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// Load reads the program's pack, the folder and the packs that came. A fault in
// the folder is an error and changes nothing; of packs that came, those that this
// program cannot load are left out and said so.
func (s *Shelf) Load(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.program == nil {
		e, err := schemas.Read(schemas.Embedded())
		if err != nil {
			return err
		}
		s.program, s.read = e, map[int64]*schemas.Edition{}
	}
	folder, err := s.readFolder()
	if err != nil {
		return err
	}
	s.folder = folder
	return s.reload(ctx)
}

// Refresh takes in what another process of the node, or a person, decided. It
// returns whether there was anything.
func (s *Shelf) Refresh(ctx context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.Store.PackChanges(ctx)
	if err != nil || n == s.changes {
		return false, err
	}
	return true, s.reload(ctx)
}

func (s *Shelf) reload(ctx context.Context) error {
	var changes uint64
	var rows []store.Pack
	if s.Store != nil {
		var err error
		if changes, err = s.Store.PackChanges(ctx); err != nil { // before the rows, so that nothing is missed
			return err
		}
		if rows, err = s.Store.Packs(ctx); err != nil {
			return err
		}
	}
	v := &view{}
	var adopted []*schemas.Edition
	known := append([]*schemas.Edition{}, s.folder...)
	for _, row := range rows {
		e, err := s.edition(ctx, row)
		if err != nil {
			return err
		}
		v.packs = append(v.packs, Pack{row, e})
		switch {
		case e == nil:
		case row.State == Adopted:
			adopted = append(adopted, e)
		default:
			known = append(known, e)
		}
	}
	base := new(schemas.Registry).At(s.now).With(s.program)
	v.registry = base.With(adopted...).Known(known...)
	for _, p := range v.packs {
		if t, ok := newTrial(p); ok && s.now().Before(t.until) {
			var others []*schemas.Edition
			for _, e := range adopted {
				if e != p.Edition {
					others = append(others, e)
				}
			}
			t.before = base.With(others...)
			v.trials = append(v.trials, t)
		}
	}
	s.view.Store(v)
	s.changes = changes
	return nil
}

// edition loads a pack's file once. What was verified when it came is not
// verified again: the database is the node's own.
func (s *Shelf) edition(ctx context.Context, row store.Pack) (*schemas.Edition, error) {
	if row.State == Invalid {
		return nil, nil
	}
	if e, ok := s.read[row.ID]; ok {
		return e, nil
	}
	data, err := s.Store.PackFile(ctx, row.Origin, row.Digest)
	if err != nil {
		return nil, err
	}
	f, err := packfile.Open(data)
	var e *schemas.Edition
	if err == nil {
		e, err = f.Edition()
	}
	if err != nil {
		s.log().ErrorContext(ctx, "a pack cannot be loaded by this program", "pack", row.Name, "version", row.Version, "err", err)
		e = nil
	}
	s.read[row.ID] = e
	return e, nil
}

// readFolder reads the operator's folder: a folder for each unsigned pack, or
// signed pack files, whose signature must be right.
func (s *Shelf) readFolder() ([]*schemas.Edition, error) {
	if s.Folder == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(s.Folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("packs: %w", err)
	}
	var list []*schemas.Edition
	var errs []error
	for _, entry := range entries {
		path := filepath.Join(s.Folder, entry.Name())
		var e *schemas.Edition
		switch {
		case entry.IsDir():
			e, err = schemas.Read(os.DirFS(path))
		case strings.HasSuffix(entry.Name(), ".fpack"):
			e, err = s.readFile(path)
		default:
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
			continue
		}
		list = append(list, e)
	}
	return list, errors.Join(errs...)
}

func (s *Shelf) readFile(path string) (*schemas.Edition, error) {
	f, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := s.Directory.VouchPack(f.Statement, f.Signed, s.now()); err != nil {
		return nil, err
	}
	return f.Edition()
}

// ReadFile reads a pack file from disk, within bounds.
func ReadFile(path string) (*packfile.File, error) {
	data, err := ReadBytes(path)
	if err != nil {
		return nil, err
	}
	return packfile.Open(data)
}

// ReadBytes reads at most as much as a pack file may hold.
func ReadBytes(path string) ([]byte, error) {
	fd, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer fd.Close()
	data, err := io.ReadAll(io.LimitReader(fd, packfile.MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > packfile.MaxFile {
		return nil, problem.New(problem.PackDamaged, "larger than %d bytes", packfile.MaxFile)
	}
	return data, nil
}

// event tells people and the log.
func (s *Shelf) event(ctx context.Context, level, code string, p store.Pack, detail string) {
	text := fmt.Sprintf("%s %s (%s): %s", p.Name, p.Version, p.Origin, detail)
	s.log().WarnContext(ctx, "schema pack", "code", code, "detail", text)
	if err := s.Store.AddEvent(ctx, store.Event{At: s.now().UnixMicro(), Level: level, Code: code, Detail: text}); err != nil {
		s.log().ErrorContext(ctx, "event not kept", "err", err)
	}
}

// Levels of events.
const (
	info  = "info"
	alarm = "alarm"
)

func reason(r diff.Reason) string {
	b, err := json.Marshal(r)
	if err != nil {
		return ""
	}
	return string(b)
}
