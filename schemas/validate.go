package schemas

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Validate judges the contents of one record and returns every fault, in the order of the type's fields; none means valid. The verdict
// depends on data and the type alone, so every node that holds the type agrees. At most one fault is given for one value (a credit code of
// 17 characters breaks its format, not also a length), so that a clerk repairs each field once. It is safe on any bytes.
//
// A valid record is mostly accepted in one pass over its bytes; see table. Any other is decoded and judged by jsonschema.
func (t *Type) Validate(data []byte) Faults {
	if t.table.accepts(data) {
		return nil
	}
	return t.explain(data)
}

// explain decodes the record, judges it by the reference implementation, whose verdict counts, and words what it finds.
func (t *Type) explain(data []byte) Faults {
	record, bad := decode(data)
	if bad != nil {
		return Faults{*bad}
	}
	return tell(t.refusals(record))
}

// refusals are the reasons for which a decoded record is not valid.
func (t *Type) refusals(record map[string]any) []finding {
	err := t.schema.Validate(record)
	var broken *jsonschema.ValidationError
	if err != nil && !errors.As(err, &broken) {
		return []finding{{Fault: *jsonFault("", "记录无法检验："+err.Error(), "record cannot be judged: "+err.Error(), "请联系技术人员")}}
	}
	var found []finding
	if broken != nil {
		found = t.collect(broken, record, nil)
	}
	return append(found, t.breaches(Refuse, record, found, Where{})...)
}

// tell puts findings in order, keeps one for each value (rules apart), and bounds their number.
func tell(found []finding) Faults {
	slices.SortStableFunc(found, finding.compare)
	found = slices.CompactFunc(found, func(a, b finding) bool {
		return a.Pointer == b.Pointer && (a.Code != CodeRule || a.Message == b.Message)
	})
	var faults Faults
	for i, f := range found {
		if i == maxFaults {
			n := len(found) - i
			faults = append(faults, Fault{Code: CodeTooMany, Message: fmt.Sprintf("还有 %d 处问题未列出", n), MessageEN: fmt.Sprintf("%d more faults are not listed", n), Hint: "请先修正以上问题"})
			break
		}
		faults = append(faults, f.Fault)
	}
	return faults
}

// finding is a fault with what orders it.
type finding struct {
	Fault
	place []int // position of each step of the pointer: a field's order, an element's index
}

// Unknown members come after all known ones.
const unknownPlace = 1 << 30

// rank decides which of several faults at one value is told.
var rank = map[string]int{CodeRequired: 0, CodeUnknownField: 1, CodeType: 2, CodeCode: 3, CodeFormat: 4, CodePattern: 5, CodeLength: 6, CodeRange: 7, CodeRule: 8}

func (f finding) compare(g finding) int {
	return cmp.Or(slices.Compare(f.place, g.place), strings.Compare(f.Pointer, g.Pointer), cmp.Compare(rank[f.Code], rank[g.Code]), strings.Compare(f.Message, g.Message))
}

// collect turns the tree of the compiler's errors into findings.
func (t *Type) collect(e *jsonschema.ValidationError, record any, out []finding) []finding {
	switch k := e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		for _, c := range e.Causes {
			out = t.collect(c, record, out)
		}
		return out
	case *kind.Required:
		for _, name := range k.Missing {
			out = append(out, t.finding(e, record, append(slices.Clip(e.InstanceLocation), name)))
		}
		return out
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			out = append(out, t.finding(e, record, append(slices.Clip(e.InstanceLocation), name)))
		}
		return out
	}
	return append(out, t.finding(e, record, e.InstanceLocation))
}

// finding words one error about the value at loc.
func (t *Type) finding(e *jsonschema.ValidationError, record any, loc []string) finding {
	w := wording{node: t.root, value: record}
	var place []int
	for _, step := range loc {
		w.parent, w.name = w.node, step
		switch v := w.value.(type) {
		case map[string]any:
			w.value = v[step]
			if next := w.node.child(step); next != nil {
				w.node = next
				place = append(place, next.order)
			} else {
				w.node = &node{Field: Field{Name: step, Sensitivity: w.node.Sensitivity}}
				place = append(place, unknownPlace)
			}
		case []any:
			i, _ := strconv.Atoi(step)
			w.value, w.index = nil, i+1
			if i >= 0 && i < len(v) {
				w.value = v[i]
			}
			place = append(place, i)
			if w.node.items != nil {
				w.node = w.node.items
			}
		}
	}
	w.why = t.reason(e.SchemaURL)
	f := w.fault(e.ErrorKind)
	f.Pointer = pointer(loc...)
	return finding{f, place}
}

func (n *node) child(name string) *node { return n.children[name] }

// reason finds the branch a schema location lies in.
func (t *Type) reason(url string) why {
	_, at, _ := strings.Cut(url, "#")
	for at != "" {
		if w, ok := t.whys[at]; ok {
			return w
		}
		at = at[:max(0, strings.LastIndexByte(at, '/'))]
	}
	return why{}
}

// jsonKind names the kind of a decoded value in Chinese and English.
func jsonKind(v any) (zh, en string) {
	switch v.(type) {
	case nil:
		return "空值null", "null"
	case bool:
		return "是否值（true/false）", "a boolean"
	case json.Number:
		return "数字", "a number"
	case string:
		return "文本", "a text"
	case []any:
		return "数组", "an array"
	}
	return "对象", "an object"
}
