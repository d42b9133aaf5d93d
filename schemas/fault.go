package schemas

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Codes of faults. They are stable: receivers answer with them and sources branch on them.
const (
	CodeJSON         = "JSON"          // not one JSON object that the protocol allows
	CodeRequired     = "REQUIRED"      // a member that must be there is not
	CodeUnknownField = "UNKNOWN_FIELD" // a member the type does not have
	CodeType         = "TYPE"          // text where a number is wanted, null, and so on
	CodeLength       = "LENGTH"        // too many or too few characters
	CodePattern      = "PATTERN"       // text not made as the field demands
	CodeFormat       = "FORMAT"        // a national format is broken, see package formats
	CodeCode         = "CODE"          // a value outside the code table
	CodeRange        = "RANGE"         // a number, or a number of elements, outside its bounds
	CodeRule         = "RULE"          // a rule over several members or elements
	CodeSuspect      = "SUSPECT"       // a remark: a text that is not what it seems, see formats.Suspect
	CodeTooMany      = "TOO_MANY"      // more faults than are listed
)

// maxFaults bounds the list; one more fault of [CodeTooMany] says how many are left out.
const maxFaults = 50

// Fault is one defect of a record, written for the clerk who has to repair it.
type Fault struct {
	Code      string `json:"code"`            // one of the codes above
	Pointer   string `json:"pointer"`         // JSON pointer (RFC 6901) of the member, also of a missing one
	Title     string `json:"title,omitempty"` // Chinese name of the field
	Value     string `json:"value,omitempty"` // the value found, shortened; masked where the field is sensitive
	Message   string `json:"message"`         // what is wrong, in Chinese
	MessageEN string `json:"message_en"`      // what is wrong, in English
	Hint      string `json:"hint,omitempty"`  // what to do, in Chinese
}

// Faults are all defects of one record in the order of the type's fields. The list is empty for a valid record.
type Faults []Fault

// Error joins the Chinese messages, one a line, so that Faults can travel as an error.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Message
	}
	return strings.Join(lines, "\n")
}

// PackFault is one defect of a pack.
type PackFault struct {
	File    string // path inside the pack
	Pointer string // JSON pointer inside the file, "" for the whole
	Problem string
}

// PackError lists every defect of the packs given to [Load].
type PackError struct{ Faults []PackFault }

// Error lists the defects, one a line.
func (e *PackError) Error() string {
	lines := make([]string, 0, len(e.Faults)+1)
	lines = append(lines, fmt.Sprintf("schema pack has %d faults", len(e.Faults)))
	for _, f := range e.Faults {
		lines = append(lines, f.File+"#"+f.Pointer+": "+f.Problem)
	}
	return strings.Join(lines, "\n")
}

// faultList collects the defects of a pack.
type faultList []PackFault

func (l *faultList) add(file, pointer, format string, args ...any) {
	*l = append(*l, PackFault{file, pointer, fmt.Sprintf(format, args...)})
}

func (l faultList) err() error {
	if len(l) == 0 {
		return nil
	}
	slices.SortStableFunc(l, func(a, b PackFault) int {
		return cmp.Or(strings.Compare(a.File, b.File), strings.Compare(a.Pointer, b.Pointer))
	})
	return &PackError{l}
}
