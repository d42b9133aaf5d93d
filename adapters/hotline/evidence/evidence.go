package evidence

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fayi/adapters/hotline/machine"
	"fayi/adapters/hotline/ticket"
	"fayi/outbox"
)

// Type is the record type.
const Type = "handoff_event"

// Record is the data of one record; the pack's schema says what each member is.
type Record struct {
	EventKey   string       `json:"eventKey"`
	HandoffID  string       `json:"handoffId"`
	Number     string       `json:"number"`
	Round      string       `json:"round"`
	Verb       ticket.Verb  `json:"verb"`
	From       ticket.State `json:"fromState"`
	To         ticket.State `json:"toState"`
	Owner      string       `json:"owner"`
	Origin     string       `json:"originParty"`
	Target     string       `json:"targetParty"`
	Direction  string       `json:"direction"`
	PeerNo     string       `json:"peerTicketNo,omitempty"`
	Author     string       `json:"authorParty"`
	Role       ticket.Role  `json:"authorRole"`
	OccurredAt time.Time    `json:"occurredAt"`
	RecordedAt time.Time    `json:"recordedAt"`
	Inferred   bool         `json:"inferred"`
	Late       bool         `json:"late"`
	Refused    string       `json:"refused,omitempty"`
	Clock      string       `json:"clockRule,omitempty"`
	Due        time.Time    `json:"due,omitzero"`
	PrevHash   string       `json:"prevHash"`
	Hash       string       `json:"hash"`
}

// Of is the record of the n-th event of a hand-off.
func Of(h ticket.Handoff, e ticket.Event, n int) Record {
	return Record{EventKey: fmt.Sprintf("%s#%d", h.ID, n), HandoffID: h.ID, Number: strconv.Itoa(n), Round: strconv.Itoa(e.Round), Verb: e.Verb, From: e.From, To: e.To,
		Owner: e.Owner, Origin: h.Origin, Target: h.Target, Direction: h.Direction, PeerNo: h.PeerNo, Author: e.Author.Party, Role: e.Author.Role,
		OccurredAt: e.OccurredAt.Truncate(time.Second), RecordedAt: e.RecordedAt.Truncate(time.Second), Inferred: e.Inferred, Late: e.Late, Refused: e.Refused,
		Clock: e.Clock, Due: e.Payload.Due.Truncate(time.Second), PrevHash: e.PrevHash, Hash: e.Hash}
}

// Publisher publishes events through the node's outbox in the transaction that appends them (ledger.New takes it).
func Publisher(ctx context.Context, tx *sql.Tx, h ticket.Handoff, e ticket.Event, n int) error {
	r := Of(h, e, n)
	data, err := ticket.Encode(r)
	if err != nil {
		return err
	}
	return outbox.Publish(ctx, tx, outbox.Record{Type: Type, Key: r.EventKey, Op: outbox.Put, Payload: data})
}

// Held is a time in which one party held a matter.
type Held struct {
	Owner string
	From  time.Time // the event that made it owner was recorded
	To    time.Time // zero: it still does
	Event string    // key of the record that began it
}

// Custody checks the records of one hand-off from one stream, in any order, and returns who held the matter when. It
// fails where a record is missing, the chain of hashes breaks, a transition is not in the table, or an owner changes by
// an act that does not hand over: then nothing can be proved with these records.
func Custody(records []Record) ([]Held, error) {
	list := slices.Clone(records)
	slices.SortFunc(list, func(a, b Record) int { return number(a) - number(b) })
	if len(list) == 0 {
		return nil, fmt.Errorf("evidence: no records")
	}
	first := list[0]
	prev, state, owner := ticket.ZeroHash, ticket.Draft, first.Origin
	held := []Held{{Owner: owner, From: first.RecordedAt, Event: first.EventKey}}
	for i, r := range list {
		switch {
		case number(r) != i+1:
			return nil, fmt.Errorf("evidence: %s: event %d is missing", r.HandoffID, i+1)
		case r.HandoffID != first.HandoffID || r.Origin != first.Origin || r.Target != first.Target:
			return nil, fmt.Errorf("evidence: %s belongs to another hand-off", r.EventKey)
		case r.PrevHash != prev:
			return nil, fmt.Errorf("evidence: the chain breaks at %s", r.EventKey)
		case r.From != state:
			return nil, fmt.Errorf("evidence: %s begins in %s, the state is %s", r.EventKey, r.From, state)
		}
		if r.Refused == "" && !r.Late {
			if err := allowed(r, list[:i]); err != nil {
				return nil, err
			}
		} else if r.From != r.To {
			return nil, fmt.Errorf("evidence: %s moved the state although it was not carried out", r.EventKey)
		}
		want := owner
		if r.From != r.To {
			third := r.Owner // the party a hand-over names is the owner after it
			want = machine.Owner(r.Verb, owner, r.Origin, r.Target, third)
		}
		if r.Owner != want || r.Owner == "" {
			return nil, fmt.Errorf("evidence: %s names %q as owner, the table %q", r.EventKey, r.Owner, want)
		}
		if r.Owner != owner {
			held[len(held)-1].To = r.RecordedAt
			held = append(held, Held{Owner: r.Owner, From: r.RecordedAt, Event: r.EventKey})
		}
		prev, state, owner = r.Hash, r.To, r.Owner
	}
	return held, nil
}

// allowed checks a record's transition. The state a refused withdrawal leads back to is the one it was asked in.
func allowed(r Record, before []Record) error {
	var previous ticket.State
	for _, b := range before {
		if b.To == ticket.WithdrawRequested && b.From != b.To {
			previous = b.From
		}
	}
	to, _, err := machine.Next(r.From, previous, r.Verb, r.Role)
	if err != nil || to != r.To {
		return fmt.Errorf("evidence: %s: %s by %s does not lead from %s to %s", r.EventKey, r.Verb, r.Role, r.From, r.To)
	}
	return nil
}

func number(r Record) int { n, _ := strconv.Atoi(r.Number); return n }

// Dispute is a time in which the two sides' records do not agree on who held a matter.
type Dispute struct {
	From, To time.Time // To is zero: until now
	A, B     string    // the owner by each side's records
}

// Both lays two sides' custody of one matter beside each other. Differences shorter than slack, which is what a message
// takes to arrive, are none.
func Both(a, b []Held, slack time.Duration) []Dispute {
	var marks []time.Time
	for _, h := range append(slices.Clone(a), b...) {
		marks = append(marks, h.From)
	}
	slices.SortFunc(marks, time.Time.Compare)
	var out []Dispute
	for i, m := range marks {
		end := time.Time{}
		if i+1 < len(marks) {
			end = marks[i+1]
		}
		x, y := at(a, m), at(b, m)
		if x == "" || y == "" || x == y || !end.IsZero() && end.Sub(m) <= slack {
			continue
		}
		if n := len(out); n > 0 && out[n-1].To.Equal(m) && out[n-1].A == x && out[n-1].B == y {
			out[n-1].To = end
			continue
		}
		out = append(out, Dispute{m, end, x, y})
	}
	return out
}

// at is the owner at a moment, "" before the side knew of the matter.
func at(list []Held, t time.Time) string {
	for _, h := range slices.Backward(list) {
		if !t.Before(h.From) {
			return h.Owner
		}
	}
	return ""
}

// Describe says a dispute in one line for people.
func (d Dispute) Describe() string {
	to := "至今"
	if !d.To.IsZero() {
		to = d.To.Format("01-02 15:04:05")
	}
	return strings.Join([]string{d.From.Format("01-02 15:04:05"), "到", to, "：一方记录责任方为", d.A, "，另一方记录为", d.B}, "")
}
