package schemas

import (
	"cmp"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"
)

// chinaTime is the zone of effective dates.
var chinaTime = time.FixedZone("+08:00", 8*3600)

// Registry holds record types by exact reference, several versions of one type side by side. It never changes; [Registry.With] makes a
// larger one. All methods are safe for concurrent use.
type Registry struct {
	byRef  map[string]*Type
	byName map[string][]*Type // best first, see better
	tables map[string]*Table  // of the pack read last, where two have one of that name
}

// Load reads packs, each with pack.json at its root, and compiles their types. The error is a [*PackError] listing every fault of every
// pack; then there is no registry. A later pack that has a type with the same reference as an earlier one replaces its flags and dates.
func Load(packs ...fs.FS) (*Registry, error) {
	return new(Registry).With(packs...)
}

// With returns a registry that holds the types of r and of the packs. r stays as it is.
func (r *Registry) With(packs ...fs.FS) (*Registry, error) {
	var faults faultList
	next := &Registry{byRef: map[string]*Type{}, byName: map[string][]*Type{}, tables: map[string]*Table{}}
	maps.Copy(next.byRef, r.byRef)
	maps.Copy(next.tables, r.tables)
	for _, fsys := range packs {
		p := readPack(fsys, &faults)
		if p == nil {
			continue
		}
		for i := range p.Types {
			if t := p.compile(&p.Types[i], &faults); t != nil {
				next.byRef[t.ref] = t
			}
		}
		maps.Copy(next.tables, p.tables)
	}
	if err := faults.err(); err != nil {
		return nil, err
	}
	for _, t := range next.byRef {
		next.byName[t.name] = append(next.byName[t.name], t)
	}
	for _, list := range next.byName {
		slices.SortFunc(list, better)
	}
	return next, nil
}

// better puts the type first that shall be used where both are in force: of the pack that took effect later, then of the higher version.
func better(a, b *Type) int {
	return cmp.Or(b.from.Compare(a.from), cmp.Compare(b.version, a.version), comparePackVersions(b.packVersion, a.packVersion), strings.Compare(a.ref, b.ref))
}

func comparePackVersions(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		if c := cmp.Or(cmp.Compare(len(x[i]), len(y[i])), strings.Compare(x[i], y[i])); c != 0 {
			return c
		}
	}
	return 0
}

// Current returns the type new records of that name are judged by: the newest in force today. ok is false for a name the registry does not
// know and for one whose packs are not in force.
func (r *Registry) Current(name string) (t *Type, ok bool) { return r.currentAt(name, time.Now()) }

func (r *Registry) currentAt(name string, at time.Time) (*Type, bool) {
	for _, t := range r.byName[name] {
		if !at.Before(t.from) && (t.until.IsZero() || at.Before(t.until)) {
			return t, true
		}
	}
	return nil, false
}

// ByRef returns exactly the type a segment header names ("type@version#digest"), whether in force or not. A receiver that lacks it holds
// the segment (design §8) and must not use another version instead.
func (r *Registry) ByRef(ref string) (t *Type, ok bool) {
	t, ok = r.byRef[ref]
	return t, ok
}

// Types returns all types, sorted by name, newer versions first.
func (r *Registry) Types() []*Type {
	var list []*Type
	for _, name := range slices.Sorted(maps.Keys(r.byName)) {
		list = append(list, r.byName[name]...)
	}
	return list
}

// Tables returns all code tables of the packs, sorted by name, also those that no field uses.
func (r *Registry) Tables() []*Table {
	list := make([]*Table, 0, len(r.tables))
	for _, name := range slices.Sorted(maps.Keys(r.tables)) {
		list = append(list, r.tables[name])
	}
	return list
}
