package schemas

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"fayi/schemas/rulelang"
)

// parsedPack is the national pack before its schemas are compiled.
var parsedPack = sync.OnceValues(func() (*pack, error) {
	var faults faultList
	p := readPack(Embedded(), &faults)
	return p, faults.err()
})

// expanded returns a type's schema as the compilers get it.
func expanded(t testing.TB, ty *Type) map[string]any {
	t.Helper()
	p, err := parsedPack()
	if err != nil {
		t.Fatal(err)
	}
	doc, _ := p.expand(p.schemas[ty.Name()].doc).(map[string]any)
	return doc
}

// recordGenerator makes raw records of one type.
type recordGenerator struct {
	generator
	doc map[string]any
	ty  *Type
}

func generatorFor(t testing.TB, ty *Type) *recordGenerator {
	doc := expanded(t, ty)
	defs, _ := doc["$defs"].(map[string]any)
	return &recordGenerator{generator{Rand: rand.New(rand.NewPCG(1, 2)), defs: defs}, doc, ty}
}

func (g *recordGenerator) record() []byte {
	g.dense = pick(&g.generator, []float64{0.05, 0.1, 0.3, 0.9})
	m, _ := g.value(g.doc).(map[string]any)
	branches, _ := g.doc["allOf"].([]any)
	for range 2 { // one condition may bring another about
		for _, branch := range branches {
			g.fulfil(m, branch)
		}
	}
	for _, in := range slices.Sorted(maps.Keys(g.ty.bound)) { // in one order, so that a seed makes the same records
		of := g.ty.bound[in]
		properties := g.doc["properties"].(map[string]any)
		if in == "" {
			g.obey(m, of, g.doc)
		} else if object, ok := m[in].(map[string]any); ok {
			g.obey(object, of, properties[in].(map[string]any))
		} else if list, ok := m[in].([]any); ok {
			for _, e := range list {
				g.obey(e.(map[string]any), of, properties[in].(map[string]any)["items"].(map[string]any))
			}
		}
	}
	return g.written(m)
}

// obey changes an object until it keeps the rules about it, if it can: by other values, or without some of the members a rule names. Most
// rules are then kept by values and not by absence.
func (g *recordGenerator) obey(m map[string]any, of *boundRules, doc map[string]any) {
	properties, _ := doc["properties"].(map[string]any)
	required, _ := doc["required"].([]any)
	for range 5 {
		for _, r := range of.list {
			for try := 0; r.Level == Refuse && try < 60 && r.expr.Walk(m, Where{}) == rulelang.False; try++ {
				name := pick(&g.generator, r.expr.Members())
				id, _ := cmp.Or(m["idCard"], m["certNo"]).(string)
				switch {
				case strings.HasSuffix(r.Name, "birthday-of-id") && g.chance(0.5):
					m["birthday"] = id[6:10] + "-" + id[10:12] + "-" + id[12:14]
				case try > 50 && !slices.Contains(required, any(name)):
					delete(m, name)
				default:
					m[name] = g.value(properties[name])
				}
			}
		}
	}
}

// spoiled makes a record with a few members gone or replaced, which is mostly not valid.
func (g *recordGenerator) spoiled() []byte {
	g.dense = pick(&g.generator, []float64{0.1, 0.9})
	m, _ := g.value(g.doc).(map[string]any)
	properties, _ := g.doc["properties"].(map[string]any)
	names := slices.Sorted(maps.Keys(properties))
	for range g.between(1, 3) {
		name := pick(&g.generator, names)
		switch g.IntN(4) {
		case 0:
			delete(m, name)
		case 1:
			m[name] = g.value(properties[pick(&g.generator, names)])
		case 2:
			m[name] = g.anything(3)
		default:
			m[name] = g.value(properties[name])
		}
	}
	return g.written(m)
}

// fulfil changes m so that it keeps to a branch of allOf as packs write them: if some members have some codes, then others are required or
// have a format; or an array contains a code.
func (g *recordGenerator) fulfil(m map[string]any, branch any) {
	at := func(v any, steps ...string) any {
		for _, step := range steps {
			o, _ := v.(map[string]any)
			v = o[step]
		}
		return v
	}
	object := func(v any, steps ...string) map[string]any {
		o, _ := at(v, steps...).(map[string]any)
		return o
	}
	for name, test := range object(branch, "properties") {
		if list, ok := m[name].([]any); ok && at(test, "contains") != nil {
			m[name] = append(list[:min(len(list), 10)], at(test, "contains", "const"))
		}
	}
	for name, test := range object(branch, "if", "properties") {
		if values, _ := at(test, "enum").([]any); m[name] == nil || !slices.Contains(values, m[name]) {
			return
		}
	}
	required, _ := at(branch, "then", "required").([]any)
	for _, v := range required {
		if name, _ := v.(string); m[name] == nil {
			m[name] = g.value(at(g.doc, "properties", name))
		}
	}
	for name, test := range object(branch, "then", "properties") {
		if m[name] != nil {
			m[name] = g.value(map[string]any{"type": "string", "format": at(test, "format")})
		}
	}
}

func (g *recordGenerator) written(m map[string]any) []byte {
	var b bytes.Buffer
	st := style{sorted: g.chance(0.3)}
	if g.chance(0.3) {
		st.spaces, st.escapes = g.Float64()*0.3, g.Float64()*0.3
	}
	g.write(&b, m, st)
	return b.Bytes()
}

// TestTableDiffers: over generated records and byte-level mutants of them and of the examples, the table accepts nothing that jsonschema,
// in either version, refuses; and it leaves no valid record as it is generated to jsonschema. FAYI_DIFF_N is the number of records and
// mutants in all (default 30,000); FAYI_DIFF_SEED makes other ones.
func TestTableDiffers(t *testing.T) {
	total, seed := 30_000, uint64(1)
	if n, err := strconv.Atoi(os.Getenv("FAYI_DIFF_N")); err == nil {
		total = n
	}
	if n, err := strconv.ParseUint(os.Getenv("FAYI_DIFF_SEED"), 10, 64); err == nil {
		seed = n
	}
	types := registry(t).Types()
	var all tally
	for _, ty := range types {
		if ty.table == nil {
			_, err := compileTable(expanded(t, ty))
			t.Errorf("%s has no table: %v", ty.Name(), err)
			continue
		}
		g := generatorFor(t, ty)
		g.Rand = rand.New(rand.NewPCG(seed, 7))
		j := judges{t: t, ty: ty, third: second(t, ty)}
		whole := encode(t, example(t, ty.Name()))
		j.judge(whole, true)
		for j.records+j.mutants < total/len(types) {
			data, other := g.record(), g.record()
			j.judge(data, true)
			j.judge(other, true)
			for range 10 {
				j.judge(g.spoiled(), false)
			}
			for _, base := range [][]byte{data, whole} {
				for range 15 {
					m := g.mutate(base, other)
					if j.judge(m, false) {
						base = m // and so away from what was generated
					}
				}
			}
		}
		t.Logf("%s: %+v", ty.Name(), j.tally)
		if j.validRecords < j.records/2 || j.acceptedMutants < j.mutants/20 {
			t.Errorf("%s: too few are valid to say anything: %+v", ty.Name(), j.tally)
		}
		all.add(j.tally)
	}
	t.Logf("all: %+v", all)
}

// tally counts what the judges said.
type tally struct {
	records, validRecords, slowRecords                  int // slow: valid and not accepted by the table
	mutants, acceptedMutants, validMutants, slowMutants int // the last two among one in slice only
}

func (a *tally) add(b tally) {
	a.records += b.records
	a.validRecords += b.validRecords
	a.slowRecords += b.slowRecords
	a.mutants += b.mutants
	a.acceptedMutants += b.acceptedMutants
	a.validMutants += b.validMutants
	a.slowMutants += b.slowMutants
}

type judges struct {
	t     testing.TB
	ty    *Type
	third opinion
	tally
}

// slice: of the mutants the table refuses, jsonschema is asked about one in so many.
const slice = 4

func (j *judges) judge(data []byte, generated bool) (accepted bool) {
	accepted = j.ty.table.accepts(data)
	if generated {
		j.records++
	} else {
		j.mutants++
	}
	if !accepted && !generated && j.mutants%slice != 0 {
		return false
	}
	faults := j.ty.explain(data)
	if accepted {
		v, broken := decode(data)
		if len(faults) > 0 || broken != nil || !j.third.valid(v) {
			j.t.Errorf("%s: the table accepts what is refused: %v\n%q", j.ty.Name(), faults, data)
		}
	}
	switch {
	case generated && len(faults) == 0:
		j.validRecords++
		if !accepted {
			j.slowRecords++
			j.t.Errorf("%s: a valid record is left to jsonschema:\n%s", j.ty.Name(), data)
		}
	case !generated && accepted:
		j.acceptedMutants++
		j.validMutants++
	case !generated && len(faults) == 0:
		j.validMutants++
		j.slowMutants++
	}
	return accepted
}

// FuzzTable: the table never panics and accepts nothing that jsonschema refuses.
func FuzzTable(f *testing.F) {
	types := registry(f).Types()
	for i, ty := range types {
		g := generatorFor(f, ty)
		f.Add(uint8(i), encode(f, example(f, ty.Name())))
		f.Add(uint8(i), g.record())
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		ty := types[int(which)%len(types)]
		if !ty.table.accepts(data) {
			return
		}
		if faults := ty.explain(data); len(faults) > 0 {
			t.Errorf("%s: %v\n%q", ty.Name(), faults, data)
		}
		if !json.Valid(data) {
			t.Errorf("not JSON: %q", data)
		}
	})
}
