package diff

import (
	"fmt"

	"fayi/schemas"
)

// maxFaults is how many newly refused records of a type a replay names.
const maxFaults = 20

// Replay is what a candidate pack says about records that were stored, by type.
type Replay struct {
	Types []*TypeReplay `json:"types"`
}

// TypeReplay counts the records of one type.
type TypeReplay struct {
	Type     string        `json:"type"`
	Records  int           `json:"records"`        // judged by both
	Accepted int           `json:"accepted"`       // by both
	Refused  int           `json:"newly_refused"`  // accepted before, refused by the candidate
	Allowed  int           `json:"newly_accepted"` // refused before, accepted by the candidate
	Still    int           `json:"still_refused"`  // refused by both
	Faults   []ReplayFault `json:"faults"`         // of the first records newly refused
}

// ReplayFault says where a record lies that was accepted and would be refused, and why; never a value (protocol §4).
type ReplayFault struct {
	Position string `json:"position"` // stream:gen:seq
	Code     string `json:"code"`     // of the first fault, see package schemas; or one of those below
	Pointer  string `json:"pointer"`  // JSON pointer into the record
}

// Codes beside those of package schemas.
const (
	CodeKey  = "KEY_MISMATCH" // the record's key is not what the candidate's key field holds
	CodeType = "UNKNOWN_TYPE" // the candidate has no such type
)

// Judge counts one stored record: its key and its data, in the version that accepted or refused it, which is the one its segment names, and
// in the candidate's, nil if the candidate has dropped the type. Position is stream:gen:seq.
func (r *TypeReplay) Judge(old, candidate *schemas.Type, position, key string, data []byte) {
	_, _, before := verdict(old, key, data)
	code, pointer, after := CodeType, "", false
	if candidate != nil {
		code, pointer, after = verdict(candidate, key, data)
	}
	r.Records++
	switch {
	case before && after:
		r.Accepted++
	case before:
		if r.Refused++; len(r.Faults) < maxFaults {
			r.Faults = append(r.Faults, ReplayFault{position, code, pointer})
		}
	case after:
		r.Allowed++
	default:
		r.Still++
	}
}

// verdict judges as a receiving node does: the data, then the key.
func verdict(t *schemas.Type, key string, data []byte) (code, pointer string, ok bool) {
	if faults := t.Validate(data); len(faults) > 0 {
		return faults[0].Code, faults[0].Pointer, false
	}
	if f := t.KeyField(); f != "" {
		if got, err := t.Key(data); err != nil || got != key {
			return CodeKey, "/" + f, false
		}
	}
	return "", "", true
}

// Refused counts the records of all types that were accepted and would be refused.
func (r *Replay) Refused() int {
	n := 0
	for _, t := range r.Types {
		n += t.Refused
	}
	return n
}

// Reason says why a pack may or may not be adopted without a person.
type Reason struct {
	ZH string `json:"message"`
	EN string `json:"message_en"`
}

// Adoptable tells whether a node may adopt a new pack by itself: every change is wording or compatible, and stored records were run through
// it without one being refused that was accepted before (design §8, review A15). replay is nil if that was not done; then it may not.
func Adoptable(changes []Change, replay *Replay) (bool, Reason) {
	waiting := 0
	var first Change
	for _, c := range changes {
		if c.Class != Wording && c.Class != Compatible {
			if waiting++; waiting == 1 {
				first = c
			}
		}
	}
	switch {
	case waiting > 0:
		return false, Reason{
			fmt.Sprintf("有 %d 处改动须由人确认，第一处：%s %s（%s）", waiting, first.Type, first.Message, first.Why),
			fmt.Sprintf("%d changes need a person; the first: %s %s (%s)", waiting, first.Type, first.MessageEN, first.WhyEN),
		}
	case replay == nil:
		return false, Reason{"没有用已存记录试验过", "stored records were not run through it"}
	case replay.Refused() > 0:
		n := replay.Refused()
		return false, Reason{fmt.Sprintf("已存记录中有 %d 条原来合格、现在不合格", n), fmt.Sprintf("%d stored records were accepted and would be refused", n)}
	}
	return true, Reason{"全部改动兼容，已存记录试验通过", "all changes are compatible and the stored records pass"}
}
