package ticket

import (
	_ "embed"
	"slices"
	"strings"
)

//go:embed codes.txt
var codesText string

// Code is one item of a code list.
type Code struct{ Code, ZH, EN string }

var codeLists = parseCodes(codesText)

// parseCodes reads the lines of codes.txt. The file is part of the program, so a bad line stops it.
func parseCodes(text string) map[string][]Code {
	lists := map[string][]Code{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 4 || slices.Contains(f, "") {
			panic("ticket: codes.txt: bad line " + line)
		}
		if slices.ContainsFunc(lists[f[0]], func(c Code) bool { return c.Code == f[1] }) {
			panic("ticket: codes.txt: twice " + line)
		}
		lists[f[0]] = append(lists[f[0]], Code{f[1], f[2], f[3]})
	}
	return lists
}

// Codes returns a code list in its order, nil for an unknown one. Lists: appealType, channel, partyKind, result,
// satisfaction, returnReason, redoGround, refuseGround, suspendReason, contactOutcome, mode, urgency, danger,
// inProcedure, secrecy, attachmentKind, specialGroup, legalNeed, linkKind, verb, and stateOrigin and stateTarget, which
// name the states as the desks of the two sides see them.
func Codes(list string) []Code { return slices.Clone(codeLists[list]) }

// Known tells whether a list has a code.
func Known(list, code string) bool {
	return slices.ContainsFunc(codeLists[list], func(c Code) bool { return c.Code == code })
}

// Label is the Chinese text of a code, or the code itself where the list does not have it.
func Label(list, code string) string {
	for _, c := range codeLists[list] {
		if c.Code == code {
			return c.ZH
		}
	}
	return code
}
