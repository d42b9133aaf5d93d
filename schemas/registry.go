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

// Registry holds record types by exact reference, several versions of one type side by side. It never changes; [Registry.With] and
// [Registry.Known] make larger ones. All methods are safe for concurrent use.
//
// Its editions are of two kinds: those by which new records are judged, from their first day to their last, and those that are only known,
// so that records of others can be judged by exactly what they name.
type Registry struct {
	byRef    map[string]*Type
	byName   map[string][]*Type    // by which new records may be judged, best first, see better
	editions map[string][]*Edition // the same by pack, highest version first
	tables   map[string]*Table     // of the pack read last, where two have one of that name
	clock    func() time.Time      // nil for time.Now
}

// Load reads packs, each with pack.json at its root, and compiles their types. The error is a [*PackError] listing every fault of every
// pack; then there is no registry.
func Load(packs ...fs.FS) (*Registry, error) {
	var faults faultList
	var list []*Edition
	for _, fsys := range packs {
		if e := read(fsys, &faults); e != nil {
			list = append(list, e)
		}
	}
	if err := faults.err(); err != nil {
		return nil, err
	}
	return new(Registry).With(list...), nil
}

// With returns a registry by whose editions, and r's, new records are judged. r stays as it is. The types of the protocol itself
// ([Type.System]) are judged by the first edition that brings them, which is the program's own: no later one can change how nodes talk to
// each other.
func (r *Registry) With(list ...*Edition) *Registry {
	next := r.Known(list...)
	for _, e := range list {
		next.editions[e.Name] = append(slices.Clone(next.editions[e.Name]), e)
		slices.SortStableFunc(next.editions[e.Name], func(a, b *Edition) int { return b.Newer(a) })
		for _, t := range e.Types {
			have := next.byName[t.name]
			if len(have) > 0 && (have[0].system || t.system) {
				continue
			}
			next.byName[t.name] = append(slices.Clone(have), t)
			slices.SortStableFunc(next.byName[t.name], better)
		}
		maps.Copy(next.tables, e.tables)
	}
	return next
}

// Known returns a registry that also knows the types of these editions by reference, and judges no new record by them.
func (r *Registry) Known(list ...*Edition) *Registry {
	next := &Registry{
		byRef: map[string]*Type{}, byName: map[string][]*Type{}, editions: map[string][]*Edition{}, tables: map[string]*Table{}, clock: r.clock,
	}
	maps.Copy(next.byRef, r.byRef)
	maps.Copy(next.byName, r.byName)
	maps.Copy(next.editions, r.editions)
	maps.Copy(next.tables, r.tables)
	for _, e := range list {
		for _, t := range e.Types {
			if next.byRef[t.ref] == nil { // what a reference means, its digest says: the first is as good as any
				next.byRef[t.ref] = t
			}
		}
	}
	return next
}

// At returns a registry that takes the time from clock instead of time.Now.
func (r *Registry) At(clock func() time.Time) *Registry {
	next := *r
	next.clock = clock
	return &next
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

// Current returns the type new records of that name are judged by: of each pack the highest version in force today counts, so that a type
// it leaves out is gone. ok is false for a name that no pack in force has.
func (r *Registry) Current(name string) (t *Type, ok bool) {
	if r.clock != nil {
		return r.currentAt(name, r.clock())
	}
	return r.currentAt(name, time.Now())
}

func (r *Registry) currentAt(name string, at time.Time) (*Type, bool) {
	for _, t := range r.byName[name] {
		if t.InForceAt(at) && (t.system || r.editionVersion(t.packName, at) == t.packVersion) {
			return t, true
		}
	}
	return nil, false
}

// editionVersion is the version of a pack that is in force at a moment.
func (r *Registry) editionVersion(pack string, at time.Time) string {
	if i := slices.IndexFunc(r.editions[pack], func(e *Edition) bool { return e.InForce(at) }); i >= 0 {
		return r.editions[pack][i].Version
	}
	return ""
}

// ByRef returns exactly the type a segment header names ("type@version#digest"), whether in force or not. A receiver that lacks it holds
// the segment (design §8) and must not use another version instead.
func (r *Registry) ByRef(ref string) (t *Type, ok bool) {
	t, ok = r.byRef[ref]
	return t, ok
}

// Types returns all types by which new records are judged, each reference once, sorted by name, newer versions first.
func (r *Registry) Types() []*Type {
	var list []*Type
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(r.byName)) {
		for _, t := range r.byName[name] {
			if !seen[t.ref] {
				seen[t.ref] = true
				list = append(list, t)
			}
		}
	}
	return list
}

// Tables returns all code tables of the packs, sorted by name, also those that no field uses.
func (r *Registry) Tables() []*Table { return sortedTables(r.tables) }

func sortedTables(m map[string]*Table) []*Table {
	list := make([]*Table, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, m[name])
	}
	return list
}
