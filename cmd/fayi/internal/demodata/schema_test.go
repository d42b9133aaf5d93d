package demodata

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"fayi/schemas"
)

// TestAgainstThePack validates every record with the national pack: a good one has no fault and deserves no remark, a spoilt one has exactly the
// fault it announces. What the pack does not judge (JSON itself, keys, types) is judged by TestDefectsSpread.
func TestAgainstThePack(t *testing.T) {
	reg, err := schemas.Load(schemas.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	beforePack := []string{"JSON", "DUPLICATE_MEMBER", "KEY_MISMATCH", "UNKNOWN_TYPE"}
	bad, seen := 0, map[string]bool{}
	for r := range Generate(23, 12000) {
		if r.Op == "del" {
			continue
		}
		typ, known := reg.Current(r.Type)
		if !known {
			if r.Bad == nil || r.Bad.Code != "UNKNOWN_TYPE" {
				t.Fatalf("the pack has no type %s", r.Type)
			}
			continue
		}
		if r.Bad != nil && slices.Contains(beforePack, r.Bad.Code) {
			if r.Bad.Code == "KEY_MISMATCH" {
				key, err := typ.Key(r.Data)
				if err != nil || key == r.Key || r.Bad.Pointer != "/"+keyFields[r.Type] {
					t.Errorf("KEY_MISMATCH: key %q, data %q, %v", r.Key, key, err)
				}
			}
			continue
		}
		faults := typ.Validate(r.Data)
		if r.Bad == nil {
			if told := typ.Remarks(r.Data, schemas.Where{Territory: []string{r.Node}}); len(told) > 0 {
				t.Errorf("good %s deserves a remark: %s %s\n%s", r.Type, told[0].Pointer, told[0].Message, r.Data)
			}
		}
		switch {
		case r.Bad == nil && len(faults) > 0:
			t.Fatalf("good %s has %d faults, first %s %s: %s\n%s", r.Type, len(faults), faults[0].Code, faults[0].Pointer, faults[0].Message, r.Data)
		case r.Bad != nil && (len(faults) != 1 || faults[0].Code != r.Bad.Code || faults[0].Pointer != r.Bad.Pointer):
			t.Errorf("%s should have %s at %s (%s), has %+v", r.Type, r.Bad.Code, r.Bad.Pointer, r.Bad.Why, faults)
		case r.Bad != nil:
			bad++
			seen[r.Type+r.Bad.Code+r.Bad.Pointer] = true
		}
	}
	t.Logf("%d spoilt records of %d kinds answered as announced", bad, len(seen))
	if bad < 100 {
		t.Errorf("only %d spoilt records reached the pack", bad)
	}
}

// TestEveryDefect makes each defect at each type once, however rarely Generate comes to it.
func TestEveryDefect(t *testing.T) {
	reg, err := schemas.Load(schemas.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range newWorld(29).sources() {
		typ, _ := reg.Current(s.typ)
		for i, spoilt := range defects {
			if spoilt.on[s.typ] == nil {
				continue
			}
			var o object
			o.reset()
			rng := newRandom(uint64(i))
			d := draft{obj: &o, rng: &rng, rec: Record{Type: s.typ}}
			d.rec.Key = s.build(&o, 3, 1, true)
			whole := o.bytes()
			pointer := spoilt.on[s.typ](&d)
			if d.data == nil {
				d.data = o.bytes()
			}
			switch spoilt.code {
			case "JSON":
				if json.Valid(d.data) {
					t.Errorf("%s: still JSON: %s", s.typ, d.data)
				}
			case "DUPLICATE_MEMBER":
				if strings.Count(string(d.data), `"`+pointer[1:]+`":`) != 2 {
					t.Errorf("%s: %s is not there twice", s.typ, pointer)
				}
			case "KEY_MISMATCH", "UNKNOWN_TYPE":
				if string(d.data) != string(whole) {
					t.Errorf("%s %s: the data changed", s.typ, spoilt.code)
				}
			default:
				faults := typ.Validate(d.data)
				if len(faults) != 1 || faults[0].Code != spoilt.code || faults[0].Pointer != pointer {
					t.Errorf("%s should have %s at %s (%s), has %+v", s.typ, spoilt.code, pointer, spoilt.why, faults)
				}
				if key, err := typ.Key(d.data); err == nil && key != d.rec.Key {
					t.Errorf("%s %s: key %q, key field %q", s.typ, spoilt.code, d.rec.Key, key)
				}
			}
		}
	}
}

// TestFieldOrderAndCompleteness checks good records against the pack's description: members in its order, and every mandatory
// one there, also those whose requiredness is only inferred.
func TestFieldOrderAndCompleteness(t *testing.T) {
	reg, err := schemas.Load(schemas.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	type shape struct {
		place     map[string]int
		mandatory []string
	}
	shapes := map[string]shape{}
	for name := range keyFields {
		typ, ok := reg.Current(name)
		if !ok {
			t.Fatalf("the pack has no type %s", name)
		}
		s := shape{place: map[string]int{}}
		for i, f := range typ.Fields() {
			s.place[f.Name] = i
			if f.Required || f.Expected {
				s.mandatory = append(s.mandatory, f.Name)
			}
		}
		shapes[name] = s
	}
	for r := range good(Generate(31, 4000)) {
		s, members := shapes[r.Type], topMembers(t, r.Data)
		last := -1
		for _, m := range members {
			at, known := s.place[m]
			if !known || at <= last {
				t.Fatalf("%s: %s is out of order or unknown\n%s", r.Type, m, r.Data)
			}
			last = at
		}
		for _, m := range s.mandatory {
			if !slices.Contains(members, m) {
				t.Fatalf("%s: %s is missing\n%s", r.Type, m, r.Data)
			}
		}
	}
}
