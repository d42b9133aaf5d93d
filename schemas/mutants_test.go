package schemas

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mutant is an example with one defect and the one fault it must give.
type mutant struct {
	name, want string
	record     map[string]any
}

// spot is a field at a place of the example: of the record itself, of an object in it, or of the first object of an array.
type spot struct {
	Field
	of     string                              // name of the type
	at     string                              // JSON pointer
	holder func(map[string]any) map[string]any // the object of a record that has the field
}

// spots lists all places of a type's example where a field is described.
func spots(t *testing.T, ty *Type) []spot {
	t.Helper()
	var list []spot
	var walk func(fields []Field, at string, holder func(map[string]any) map[string]any)
	walk = func(fields []Field, at string, holder func(map[string]any) map[string]any) {
		for _, f := range fields {
			here := at + pointer(f.Name)
			list = append(list, spot{f, ty.Name(), here, holder})
			if len(f.Fields) == 0 {
				continue
			}
			switch holder(example(t, ty.Name()))[f.Name].(type) {
			case map[string]any:
				walk(f.Fields, here, func(m map[string]any) map[string]any { return holder(m)[f.Name].(map[string]any) })
			case []any:
				walk(f.Fields, here+"/0", func(m map[string]any) map[string]any { return holder(m)[f.Name].([]any)[0].(map[string]any) })
			default:
				t.Errorf("%s%s: the example has nothing there", ty.Name(), here)
			}
		}
	}
	walk(ty.Fields(), "", func(m map[string]any) map[string]any { return m })
	return list
}

// companions are the fields whose value puts another field under a condition; without them one defect is one fault.
var companions = map[string]string{"certNo": "certType", "certNoApplicant": "certType", "licenseNo": "kind", "matter": "targetType"}

// mutants breaks every field of a type in every way its schema rules out.
func mutants(t *testing.T, ty *Type) []mutant {
	var list []mutant
	add := func(name, want string, change func(map[string]any)) {
		record := example(t, ty.Name())
		change(record)
		list = append(list, mutant{name, want, record})
	}
	for _, s := range spots(t, ty) {
		s.mutate(t, func(name, code, below string, change func(map[string]any)) {
			add(s.at+" "+name, code+" "+s.at+below, func(m map[string]any) {
				m = s.holder(m)
				delete(m, companions[s.Name])
				change(m)
			})
		})
	}
	add("unknown member", CodeUnknownField+" /thatField", func(m map[string]any) { m["thatField"] = 1 })
	return list
}

// mutate gives each way of breaking the field to add: its name, the fault's code, where below the field it is found, and the change to the
// object that has the field.
func (s spot) mutate(t *testing.T, add func(name, code, below string, change func(map[string]any))) {
	set := func(name, code string, v any) { add(name, code, "", func(m map[string]any) { m[s.Name] = v }) }
	if s.Required {
		add("removed", CodeRequired, "", func(m map[string]any) { delete(m, s.Name) })
	}
	set("null", CodeType, nil)
	switch s.JSONType {
	case "string":
		set("number", CodeType, 1)
		switch {
		case len(s.Tables) > 0:
			set("unknown code", CodeCode, "不存在")
			set("no code", CodeCode, "")
		case s.Format != "":
			set("malformed", CodeFormat, "x")
			set("placeholder", CodeFormat, "暂无")
			set("empty", CodeFormat, "")
		case s.Pattern != "":
			set("pattern", CodePattern, "#")
		case s.Notation != "":
			set("too long", CodeLength, strings.Repeat("长", upperBound(t, s.Notation)+1))
			if s.Required {
				set("empty", CodeLength, "")
			}
		}
	case "integer":
		set("text", CodeType, "1")
		set("fraction", CodeType, json.Number("1.5"))
		set("negative", CodeRange, -1)
		if s.Notation != "" {
			set("too large", CodeRange, json.Number("1"+strings.Repeat("0", upperBound(t, s.Notation))))
		}
	case "boolean":
		set("text", CodeType, "1")
		set("number", CodeType, 1)
	case "object":
		set("text", CodeType, "01")
		set("array", CodeType, []any{})
	case "array":
		set("text", CodeType, "01")
		if s.Required {
			set("empty", CodeRange, []any{})
		}
		s.mutateElements(t, add)
	default:
		t.Errorf("%s: JSON type %q", s.at, s.JSONType)
	}
}

// mutateElements puts a bad element behind those of the example, or too many good ones.
func (s spot) mutateElements(t *testing.T, add func(name, code, below string, change func(map[string]any))) {
	elements, _ := s.holder(example(t, s.of))[s.Name].([]any)
	if len(elements) == 0 {
		t.Errorf("%s: the example has no element", s.at)
		return
	}
	behind := func(name, code string, v any) {
		add(name, code, fmt.Sprint("/", len(elements)), func(m map[string]any) { m[s.Name] = append(slices.Clip(elements), v) })
	}
	behind("number as element", CodeType, 1)
	behind("null as element", CodeType, nil)
	if _, text := elements[0].(string); text && len(s.Tables) > 0 {
		behind("unknown code as element", CodeCode, "不存在")
	} else if text {
		behind("empty element", CodeLength, "")
	}
	add("too many elements", CodeRange, "", func(m map[string]any) {
		list := slices.Clip(elements)
		for len(list) < 51 {
			list = append(list, elements[0])
		}
		m[s.Name] = list
	})
}

func upperBound(t *testing.T, notation string) int {
	t.Helper()
	_, high, ok := strings.Cut(notation, "..")
	if !ok {
		high = notation[1:]
	}
	var n int
	if _, err := fmt.Sscanf(high, "%d", &n); err != nil {
		t.Fatalf("notation %q", notation)
	}
	return n
}

// TestMutants: one defect, exactly one fault with the right code at the right place, in every type.
func TestMutants(t *testing.T) {
	total := 0
	for _, ty := range registry(t).Types() {
		kinds := map[string]int{}
		for _, m := range mutants(t, ty) {
			faults := ty.Validate(encode(t, m.record))
			if diff := cmp.Diff([]string{m.want}, brief(faults)); diff != "" {
				t.Errorf("%s, %s:\n%s", ty.Name(), m.name, diff)
			}
			for _, f := range faults {
				if f.Message == "" || f.MessageEN == "" || f.Hint == "" {
					t.Errorf("%s, %s: a sentence is missing: %+v", ty.Name(), m.name, f)
				}
			}
			code, _, _ := strings.Cut(m.want, " ")
			kinds[code]++
			total++
		}
		for _, code := range []string{CodeRequired, CodeType, CodeUnknownField} {
			if kinds[code] == 0 {
				t.Errorf("%s: no mutant gives %s: %v", ty.Name(), code, kinds)
			}
		}
	}
	if total < 3000 {
		t.Errorf("only %d mutants", total)
	}
}
