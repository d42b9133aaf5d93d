package machine

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fayi/adapters/hotline/ticket"
)

// The text read a second time, by other means, so that a fault of the parser cannot hide itself.
type row struct{ from, verb, roles, to string }

func reread() (moves, stays []row) {
	text, live := tableText, []string(nil)
	for _, m := range regexp.MustCompile(`(?m)^T\d\d (\S+) --(\w+)\[(\w+)\]--> (\S+)$`).FindAllStringSubmatch(text, -1) {
		moves = append(moves, row{m[1], m[2], m[3], m[4]})
	}
	live = strings.Fields(regexp.MustCompile(`(?m)^live (.*)$`).FindStringSubmatch(text)[1])
	for _, m := range regexp.MustCompile(`(?m)^stay (\w+)\[(\w+)\] (.*)$`).FindAllStringSubmatch(text, -1) {
		states := strings.Fields(m[3])
		if m[3] == "live" {
			states = live
		}
		for _, s := range states {
			stays = append(stays, row{s, m[1], m[2], s})
		}
	}
	return moves, stays
}

var allRoles = []ticket.Role{ticket.Origin, ticket.Target, ticket.System, ticket.Arbiter}

// Every transition is walked; every other combination of state, verb and role is refused and leaves the state.
func TestEveryTransitionAndNoOther(t *testing.T) {
	moves, stays := reread()
	if len(moves) != 57 || len(States()) != 21 || len(Rules()) != 57 {
		t.Fatalf("%d rows, %d parsed, %d states; want 57, 57, 21", len(moves), len(Rules()), len(States()))
	}
	want := map[[3]string]string{}
	for _, r := range append(moves, stays...) {
		for _, who := range r.roles {
			want[[3]string{r.from, r.verb, string(who)}] = r.to
		}
	}
	walked, refused := 0, 0
	for _, s := range States() {
		for _, c := range ticket.Codes("verb") {
			for _, who := range allRoles {
				to, _, err := Next(s, ticket.InProgress, ticket.Verb(c.Code), who)
				expect, ok := want[[3]string{string(s), c.Code, string(who)}]
				switch {
				case ok && expect == "@previous":
					expect = string(ticket.InProgress)
					fallthrough
				case ok:
					walked++
					if err != nil || string(to) != expect {
						t.Errorf("%s %s by %s: %s %v, want %s", s, c.Code, who, to, err, expect)
					}
				default:
					refused++
					var conflict *Conflict
					if !errors.As(err, &conflict) || to != s || conflict.Current != s || slices.Contains(conflict.Allowed, ticket.Verb(c.Code)) {
						t.Errorf("%s %s by %s: %s %v, want a conflict", s, c.Code, who, to, err)
					}
					for _, v := range conflict.Allowed {
						if _, _, err := Next(s, ticket.InProgress, v, who); err != nil {
							t.Errorf("%s: %s is said to be allowed: %v", s, v, err)
						}
					}
				}
				delete(want, [3]string{string(s), c.Code, string(who)})
			}
		}
	}
	if len(want) != 0 {
		t.Errorf("never met (a verb without a label?): %v", want)
	}
	t.Logf("%d walked, %d refused", walked, refused)
}

func successors(s ticket.State) (out []ticket.State) {
	for _, r := range Rules() {
		if r.From != s {
			continue
		}
		if r.To != previous {
			out = append(out, r.To)
			continue
		}
		for _, q := range Rules() {
			if q.To == s {
				out = append(out, q.From)
			}
		}
	}
	return out
}

func reach(from ticket.State) map[ticket.State]bool {
	seen := map[ticket.State]bool{from: true}
	for queue := []ticket.State{from}; len(queue) > 0; queue = queue[1:] {
		for _, s := range successors(queue[0]) {
			if !seen[s] {
				seen[s] = true
				queue = append(queue, s)
			}
		}
	}
	return seen
}

func TestEveryStateIsReachableAndNoneStuck(t *testing.T) {
	if got := len(reach(ticket.Draft)); got != 21 {
		t.Errorf("%d states can be reached from DRAFT", got)
	}
	ends := []ticket.State{ticket.Closed, ticket.Withdrawn, ticket.Cancelled, ticket.Transferred}
	for _, s := range States() {
		if !slices.ContainsFunc(ends, func(e ticket.State) bool { return reach(s)[e] }) {
			t.Errorf("%s leads to no end", s)
		}
		if out := len(successors(s)); (out == 0) != slices.Contains(ends[1:], s) {
			t.Errorf("%s has %d ways out", s, out)
		}
	}
}

func TestTheTableCannotBeAmbiguous(t *testing.T) {
	for _, bad := range []string{"T01 A --x[O]--> B\nT02 A --x[T]--> C", "T01 A --x[]--> B", "T01 A --x[Z]--> B", "T01 A x[O] B", "T01 A --x--> B", "live A\nstay x[O] live\nT01 A --x[O]--> B"} {
		if _, err := parse(bad); err == nil {
			t.Errorf("accepted: %s", bad)
		}
	}
}

// At any moment of any life there is exactly one owner, one of the parties concerned; it changes only where the table
// says so, and a refused act changes nothing.
func TestOneOwnerInEveryLife(t *testing.T) {
	verbs := ticket.Codes("verb")
	rapid.Check(t, func(rt *rapid.T) {
		s, prev, owner := ticket.Draft, ticket.State(""), "us"
		for range rapid.IntRange(1, 60).Draw(rt, "acts") {
			v := ticket.Verb(rapid.SampledFrom(verbs).Draw(rt, "verb").Code)
			who := rapid.SampledFrom(allRoles).Draw(rt, "role")
			if rapid.Bool().Draw(rt, "possible") {
				if ok := Allowed(s, who); len(ok) > 0 {
					v = rapid.SampledFrom(ok).Draw(rt, "allowed")
				}
			}
			to, rule, err := Next(s, prev, v, who)
			if err != nil {
				if to != s {
					rt.Fatalf("a refused %s moved %s to %s", v, s, to)
				}
				continue
			}
			after := Owner(v, owner, "us", "them", "third")
			handsOver := slices.Contains([]ticket.Verb{"accept", "return_approve", "arbitrate_keep", "arbitrate_return", "reject", "onward_handover"}, v)
			if after != owner && !handsOver || !slices.Contains([]string{"us", "them", "third"}, after) {
				rt.Fatalf("%s made %q the owner after %q", v, after, owner)
			}
			if (to == ticket.Returned || to == ticket.Rejected) && after != "us" || to == ticket.Accepted && v == "accept" && after != "them" {
				rt.Fatalf("in %s the owner is %q (%s)", to, after, rule.ID)
			}
			if to == ticket.WithdrawRequested {
				prev = s
			}
			s, owner = to, after
		}
	})
}

func TestSkippedStatesAreInferred(t *testing.T) {
	for _, c := range []struct {
		from, to ticket.State
		want     string
	}{
		{ticket.Offered, ticket.Closed, "accept result result_accept close"},
		{ticket.Offered, ticket.InProgress, "accept progress"},
		{ticket.Offered, ticket.Returned, "return_request return_approve"},
		{ticket.InDoubt, ticket.Accepted, "found_at_peer accept"},
		{ticket.Queued, ticket.Offered, "receipt_ok"},
		{ticket.InProgress, ticket.Accepted, ""},
		{ticket.Closed, ticket.Accepted, ""},
		{ticket.ResultSubmitted, ticket.InProgress, ""},
		{ticket.Returned, ticket.Accepted, ""},
		{ticket.Cancelled, ticket.Closed, ""},
		{ticket.Accepted, ticket.Accepted, ""},
	} {
		var got []string
		at := c.from
		for _, r := range Infer(c.from, c.to) {
			if r.From != at {
				t.Errorf("%s → %s: the chain breaks at %s", c.from, c.to, r.From)
			}
			got, at = append(got, string(r.Verb)), r.To
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s → %s: %q, want %q", c.from, c.to, s, c.want)
		}
	}
}

func TestActsTellAllTheyLack(t *testing.T) {
	codes := func(v ticket.Verb, p ticket.Payload) string {
		var out []string
		for _, f := range Check(v, p) {
			if f.Message == "" || f.MessageEN == "" || strings.Contains(f.Message, "缺少或") || strings.HasSuffix(f.Message, "缺少") {
				t.Errorf("%s: a fault without words: %+v", v, f)
			}
			out = append(out, f.Pointer)
		}
		return strings.Join(out, " ")
	}
	call := []ticket.Contact{{Outcome: "busy"}}
	for _, c := range []struct {
		verb ticket.Verb
		p    ticket.Payload
		want string
	}{
		{"return_request", ticket.Payload{}, "/payload/reason"},
		{"return_request", ticket.Payload{Reason: "R01"}, "/payload/basis /payload/unit"},
		{"return_request", ticket.Payload{Reason: "R01", Basis: "权责清单", Unit: "U1"}, ""},
		{"return_request", ticket.Payload{Reason: "R03", Contacts: call}, "/payload/contacts"},
		{"return_request", ticket.Payload{Reason: "R06"}, ""},
		{"return_request", ticket.Payload{Reason: "R99"}, "/payload/reason"},
		{"result", ticket.Payload{}, "/payload/result /payload/text /payload/publicReply /payload/contacts"},
		{"result", ticket.Payload{Result: "UNSOLVED", Text: "x", PublicReply: "y", Contacts: call}, "/payload/reason"},
		{"result", ticket.Payload{Result: "REFUSED", Text: "x", PublicReply: "y", Contacts: call}, "/payload/basis"},
		{"accept", ticket.Payload{Text: "收到", Person: " "}, "/payload/unit"},
		{"accept", ticket.Payload{Person: "u7"}, ""},
		{"urge", ticket.Payload{}, ""},
	} {
		if got := codes(c.verb, c.p); got != c.want {
			t.Errorf("%s %+v: %q, want %q", c.verb, c.p, got, c.want)
		}
	}
	for _, c := range ticket.Codes("returnReason") {
		if _, ok := ReturnReason(c.Code); !ok {
			t.Errorf("%s has no row in returns.txt", c.Code)
		}
	}
}

func TestTheDiagramIsCurrent(t *testing.T) {
	page, err := os.ReadFile("../../../docs/hotline-states.md")
	if err != nil || string(page) != Document() {
		t.Errorf("docs/hotline-states.md is not what the table says (%v): go generate ./adapters/hotline/machine", err)
	}
}
