package intake_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/intake"
	"fayi/schemas"
)

// A record or a line that the one pass accepts is accepted by everything it stands in for: the byte rules, the schema,
// the line's own rules, the key.

func registry(t testing.TB) *schemas.Registry {
	t.Helper()
	r, err := schemas.Load(schemas.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// examples are the packs' own, compact and with their members in the order a map gives them.
func examples(t testing.TB, r *schemas.Registry) (types []*schemas.Type, records [][]byte) {
	t.Helper()
	for _, typ := range r.Types() {
		raw, err := os.ReadFile(filepath.Join("..", "..", "schemas", "packs", "national", "examples", typ.Name()+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		types, records = append(types, typ), append(records, data)
	}
	return types, records
}

func lineOf(key string, data []byte) []byte {
	return seal.AppendLine(nil, &seal.Line{Seq: 7, Key: key, Op: seal.Put, At: sign.At(time.Unix(1.7e9, 0)), Src: "main",
		Ref: "main:1:2", Was: &seal.Was{Gen: 1, Seq: 3}, Data: data})
}

// checkRecord fails if the pass accepts what the rules refuse, and tells whether it accepted.
func checkRecord(t testing.TB, typ *schemas.Type, data []byte) bool {
	t.Helper()
	if !typ.Exact(data) {
		return false
	}
	if err := seal.CheckData(data); err != nil {
		t.Errorf("%s: %v\n%q", typ.Name(), err, data)
	}
	if faults := typ.Validate(data); len(faults) > 0 {
		t.Errorf("%s: %v\n%q", typ.Name(), faults, data)
	}
	return true
}

func checkLine(t testing.TB, typ *schemas.Type, raw []byte) bool {
	t.Helper()
	l, ok := seal.ParseEnvelope(raw)
	if !ok || !typ.Exact(l.Data) || len(intake.SameKey(typ, l.Key, l.Data)) > 0 {
		return false
	}
	slow, err := seal.ParseLine(raw)
	if err != nil || !reflect.DeepEqual(l, slow) {
		t.Errorf("%s: %v\n%q", typ.Name(), err, raw)
	}
	if faults := typ.Validate(l.Data); len(faults) > 0 {
		t.Errorf("%s: %v\n%q", typ.Name(), faults, raw)
	}
	var v map[string]any
	if err := json.Unmarshal(l.Data, &v); err != nil || v[typ.KeyField()] != l.Key {
		t.Errorf("%s: key %q in\n%q", typ.Name(), l.Key, raw)
	}
	return true
}

// Most types' examples take the short way; not those whose texts hold spaces or that hold an object of free form.
func TestExamplesTakeTheShortWay(t *testing.T) {
	types, records := examples(t, registry(t))
	short, lines := 0, 0
	for i, typ := range types {
		if !checkRecord(t, typ, records[i]) {
			continue
		}
		short++
		if key, err := typ.Key(records[i]); err == nil && checkLine(t, typ, lineOf(key, records[i])) {
			lines++
		}
	}
	if short < len(types)/2 || lines < short-3 {
		t.Errorf("of %d examples %d, and %d of their lines, are accepted in one pass", len(types), short, lines)
	}
}

func TestMutantsOfTheShortWay(t *testing.T) {
	types, records := examples(t, registry(t))
	rng := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"\"", "\\", "\\\"", "\\u0000", "\\u4e2d", "\\ud800", " ", "\n", "{", "}", "[", "]", ",", ":", "null", "true", "9007199254740992", "-0", "1e3", "0.5",
		"\x00", "\xff", "\xe4\xb8", "中", `"x":1,`, `,"x":{}`, `"caseNo":"1",`}
	accepted := 0
	for range 60_000 {
		i := rng.IntN(len(types))
		key, _ := types[i].Key(records[i])
		source := records[i]
		if rng.IntN(2) == 0 && key != "" {
			source = lineOf(key, source)
		}
		mutant := append([]byte(nil), source...)
		for range 1 + rng.IntN(2) {
			at := rng.IntN(len(mutant) + 1)
			switch rng.IntN(4) {
			case 0:
				cut := min(len(mutant), at+rng.IntN(8))
				mutant = append(mutant[:at:at], mutant[cut:]...)
			case 1:
				mutant = append(append(mutant[:at:at], pieces[rng.IntN(len(pieces))]...), mutant[at:]...)
			case 2:
				from := rng.IntN(len(mutant) + 1)
				to := min(len(mutant), from+rng.IntN(60))
				mutant = append(append(mutant[:at:at], mutant[from:to]...), mutant[at:]...)
			default:
				if at < len(mutant) {
					mutant[at] = byte(rng.Uint32())
				}
			}
		}
		if checkRecord(t, types[i], mutant) || checkLine(t, types[i], mutant) {
			accepted++
		}
	}
	if accepted < 500 {
		t.Errorf("only %d mutants were accepted: the test says little", accepted)
	}
}

func FuzzShortWay(f *testing.F) {
	types, records := examples(f, registry(f))
	for i, typ := range types {
		f.Add(uint8(i), records[i])
		if key, err := typ.Key(records[i]); err == nil {
			f.Add(uint8(i), lineOf(key, records[i]))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		typ := types[int(which)%len(types)]
		checkRecord(t, typ, data)
		checkLine(t, typ, data)
	})
}
