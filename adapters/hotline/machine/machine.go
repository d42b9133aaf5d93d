package machine

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"fayi/adapters/hotline/ticket"
)

//go:embed table.txt
var tableText string

// previous stands for the state before a request.
const previous ticket.State = "@previous"

// Rule is one row of the table. Stay rules have an empty ID and To equal to From.
type Rule struct {
	ID   string
	From ticket.State
	Verb ticket.Verb
	Who  []ticket.Role
	To   ticket.State
}

type table struct {
	rules  []Rule // in the order of the text
	live   []ticket.State
	owner  map[ticket.Verb]string
	infer  map[ticket.Verb]bool
	states []ticket.State // in order of appearance
	at     map[ticket.State]map[ticket.Verb]Rule
}

var life = mustParse(tableText)

func mustParse(text string) table {
	t, err := parse(text)
	if err != nil {
		panic("machine: table.txt: " + err.Error())
	}
	return t
}

// parse reads the table and refuses whatever could be read in two ways.
func parse(text string) (table, error) {
	t := table{owner: map[ticket.Verb]string{}, infer: map[ticket.Verb]bool{}, at: map[ticket.State]map[ticket.Verb]Rule{}}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0][0] == '#' {
			continue
		}
		var err error
		switch {
		case f[0] == "live":
			for _, s := range f[1:] {
				t.live = append(t.live, ticket.State(s))
			}
		case f[0] == "stay" && len(f) > 2:
			err = t.stay(f[1], f[2:])
		case f[0] == "owner" && len(f) == 3:
			t.owner[ticket.Verb(f[1])] = f[2]
		case f[0] == "infer":
			for _, v := range f[1:] {
				t.infer[ticket.Verb(v)] = true
			}
		case len(f) == 4 && strings.HasPrefix(f[2], "--") && strings.HasSuffix(f[2], "-->"):
			err = t.add(f[0], f[1], strings.TrimSuffix(strings.TrimPrefix(f[2], "--"), "-->"), f[3])
		default:
			err = fmt.Errorf("cannot read %q", strings.TrimSpace(line))
		}
		if err != nil {
			return t, err
		}
	}
	return t, nil
}

func (t *table) stay(act string, states []string) error {
	if slices.Equal(states, []string{"live"}) {
		states = nil
		for _, s := range t.live {
			states = append(states, string(s))
		}
	}
	for _, s := range states {
		if err := t.add("", s, act, s); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) add(id, from, act, to string) error {
	verb, who, ok := strings.Cut(strings.TrimSuffix(act, "]"), "[")
	if !ok || who == "" || !strings.HasSuffix(act, "]") {
		return fmt.Errorf("cannot read %q", act)
	}
	r := Rule{ID: id, From: ticket.State(from), Verb: ticket.Verb(verb), To: ticket.State(to)}
	for _, c := range who {
		if !strings.ContainsRune("OTSV", c) {
			return fmt.Errorf("no such role: %c", c)
		}
		r.Who = append(r.Who, ticket.Role(c))
	}
	if _, twice := t.at[r.From][r.Verb]; twice {
		return fmt.Errorf("%s twice in %s", verb, from)
	}
	if t.at[r.From] == nil {
		t.at[r.From] = map[ticket.Verb]Rule{}
	}
	t.at[r.From][r.Verb] = r
	t.rules = append(t.rules, r)
	for _, s := range []ticket.State{r.From, r.To} {
		if s != previous && !slices.Contains(t.states, s) {
			t.states = append(t.states, s)
		}
	}
	return nil
}

// States returns all states in the order in which the table first names them.
func States() []ticket.State { return slices.Clone(life.states) }

// Rules returns the transitions of the table in its order; rows that change no state are not among them.
func Rules() []Rule {
	return slices.DeleteFunc(slices.Clone(life.rules), func(r Rule) bool { return r.ID == "" })
}

// Live tells whether a hand-off in this state is at the peer and not at its end.
func Live(s ticket.State) bool { return slices.Contains(life.live, s) }

// Ended tells whether nothing more will happen in the round by itself: no clock runs in such a state.
func Ended(s ticket.State) bool {
	switch s {
	case ticket.Closed, ticket.Withdrawn, ticket.Cancelled, ticket.Transferred, ticket.Merged, ticket.Rejected, ticket.Returned:
		return true
	}
	return false
}

// Conflict says that an act is not possible now, and what is.
type Conflict struct {
	Current ticket.State
	Verb    ticket.Verb
	Role    ticket.Role
	Allowed []ticket.Verb // for the role, sorted
}

func (c *Conflict) Error() string {
	return fmt.Sprintf("HO_STATE_CONFLICT: %s by %s in %s; allowed: %v", c.Verb, c.Role, c.Current, c.Allowed)
}

// Next tells where an act leads. prev is the state before a request under way (Handoff.Previous); it matters only for
// refused withdrawals. The error is a *[Conflict].
func Next(s, prev ticket.State, v ticket.Verb, who ticket.Role) (ticket.State, Rule, error) {
	r, ok := life.at[s][v]
	if !ok || !slices.Contains(r.Who, who) {
		return s, Rule{}, &Conflict{s, v, who, Allowed(s, who)}
	}
	if r.To == previous {
		if life.at[prev] == nil {
			return s, Rule{}, &Conflict{s, v, who, Allowed(s, who)}
		}
		return prev, r, nil
	}
	return r.To, r, nil
}

// Allowed lists what a role may do in a state, sorted.
func Allowed(s ticket.State, who ticket.Role) []ticket.Verb {
	var out []ticket.Verb
	for v, r := range life.at[s] {
		if slices.Contains(r.Who, who) {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return out
}

// Owner is the owner after an act that was possible: now unless the verb hands the matter over. third is the party a
// hand-over names.
func Owner(v ticket.Verb, now, origin, target, third string) string {
	switch life.owner[v] {
	case "O":
		return origin
	case "T":
		return target
	case "THIRD":
		if third != "" {
			return third
		}
	}
	return now
}

// Infer returns the shortest chain of acts that leads from one state to another, where a peer's word for the later state
// lets them be concluded; nil if there is none (also when the states are equal). Of equally short chains it is the one
// that comes first in the table.
func Infer(from, to ticket.State) []Rule {
	if from == to {
		return nil
	}
	return search(from, func(s ticket.State) bool { return s == to })
}

// InferFor is the shortest chain to a state in which the role may do the act; nil if there is none or none is needed.
func InferFor(from ticket.State, v ticket.Verb, who ticket.Role) []Rule {
	return search(from, func(s ticket.State) bool { _, _, err := Next(s, "", v, who); return err == nil })
}

// Behind tells whether an act belongs to a state the hand-off has passed already: it leads, as the table goes, to the
// present state or to one from which the present can be inferred.
func Behind(now ticket.State, v ticket.Verb) bool {
	return slices.ContainsFunc(life.rules, func(r Rule) bool {
		return r.Verb == v && r.ID != "" && (r.To == now || Infer(r.To, now) != nil)
	})
}

func search(from ticket.State, found func(ticket.State) bool) []Rule {
	type step struct {
		at   ticket.State
		path []Rule
	}
	seen := map[ticket.State]bool{from: true}
	for queue := []step{{at: from}}; len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		if found(s.at) {
			return s.path
		}
		for _, r := range life.rules {
			if r.From == s.at && life.infer[r.Verb] && !seen[r.To] && r.To != previous {
				seen[r.To] = true
				queue = append(queue, step{r.To, append(slices.Clone(s.path), r)})
			}
		}
	}
	return nil
}
