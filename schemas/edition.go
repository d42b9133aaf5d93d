package schemas

import (
	"io/fs"
	"path"
	"slices"
	"time"
)

// Edition is one version of a pack, read and compiled. It never changes and is
// safe for concurrent use.
type Edition struct {
	Name, Version string
	Title, EN     string
	From, Until   string   // YYYY-MM-DD at +08:00; Until is "" for a pack without end
	Types         []*Type  // in the order of the manifest
	Files         []string // pack.json and those of the pack's folders, sorted

	from, until time.Time
	tables      map[string]*Table
}

// Read reads and compiles one pack. The error is a [*PackError] listing every
// fault; then there is no edition.
func Read(fsys fs.FS) (*Edition, error) {
	var faults faultList
	e := read(fsys, &faults)
	if err := faults.err(); err != nil {
		return nil, err
	}
	return e, nil
}

// read is Read that collects faults; what it returns is worth nothing if there
// are any.
func read(fsys fs.FS, faults *faultList) *Edition {
	p := readPack(fsys, faults)
	if p == nil {
		return nil
	}
	e := &Edition{
		Name: p.Name, Version: p.Version, Title: p.Title, EN: p.EN, From: p.From, Until: p.Until,
		Files: []string{"pack.json"}, from: p.from, until: p.until, tables: p.tables,
	}
	for i := range p.Types {
		if t := p.compile(&p.Types[i], faults); t != nil {
			e.Types = append(e.Types, t)
		}
	}
	for _, dir := range folders {
		for _, name := range folder(fsys, dir, maxTables, faults) {
			e.Files = append(e.Files, path.Join(dir, name+".json"))
		}
	}
	slices.Sort(e.Files)
	return e
}

// Newer compares pack versions: positive if e's is higher than other's.
func (e *Edition) Newer(other *Edition) int { return comparePackVersions(e.Version, other.Version) }

// InForce tells whether the edition's days hold a moment.
func (e *Edition) InForce(at time.Time) bool {
	return !at.Before(e.from) && (e.until.IsZero() || at.Before(e.until))
}

// Effective is the first moment of the edition's days.
func (e *Edition) Effective() time.Time { return e.from }

// Type returns the edition's type of a name, nil if it has none.
func (e *Edition) Type(name string) *Type {
	if i := slices.IndexFunc(e.Types, func(t *Type) bool { return t.name == name }); i >= 0 {
		return e.Types[i]
	}
	return nil
}

// Tables returns the edition's code tables, sorted by name.
func (e *Edition) Tables() []*Table { return sortedTables(e.tables) }
