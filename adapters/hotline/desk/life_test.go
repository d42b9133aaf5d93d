package desk_test

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fayi/adapters/hotline/desk"
	"fayi/adapters/hotline/evidence"
	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/machine"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/store"
	"fayi/outbox"
)

const (
	self  = "HOTLINE_12348_610800"
	party = "HOTLINE_12345_610800"
)

// bureau is a desk on SQLite with a clock that can be moved.
type bureau struct {
	now  time.Time
	desk *desk.Desk
	l    *ledger.Ledger
}

func newBureau(t testing.TB, mode string, calls ...func(*ticket.About)) *bureau {
	t.Helper()
	st, err := store.Open(t.Context(), outbox.SQLite, filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	if _, err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	about := ticket.About{Profile: "p@1", Party: party, Can: ticket.Capabilities{ReturnMode: mode, Reopen: "same", Redispatch: true}}
	for _, c := range ticket.Codes("verb") {
		about.Can.Verbs = append(about.Can.Verbs, ticket.Verb(c.Code))
	}
	for _, c := range calls {
		c(&about)
	}
	b := &bureau{now: time.Date(2026, 9, 21, 9, 0, 0, 0, ticket.Shanghai), l: ledger.New(st, nil)}
	b.desk = desk.New(desk.Config{Self: self, Division: "610800", Ledger: b.l, Peers: []ticket.About{about}, Now: func() time.Time { return b.now }})
	return b
}

func kase(at time.Time) ticket.Case {
	return ticket.Case{TicketNo: "T1", Appeal: ticket.Appeal{AppealType: "QZ", ClassCode: "0101", Title: "欠薪", Content: "三个月未发工资", Division: "610802", ReceivedAt: at, Channel: "phone",
		Urgency: 3, Danger: "none", InProcedure: "none"}, Citizen: ticket.Citizen{Ref: "c", Name: "王某某", Phone: "15400000017", Consent: &ticket.Consent{Given: true}}}
}

// full is a payload that lacks nothing for most verbs.
func full(rt *rapid.T, now time.Time) ticket.Payload {
	call := []ticket.Contact{{At: now, Outcome: "reached"}, {At: now, Outcome: "busy"}}
	return ticket.Payload{Text: "办理", PublicReply: "答复", Basis: "依据", Unit: "U1", Person: "p1", Division: "610902", EarlierNo: "HO-610800-20200101-000001", Procedure: "litigation", Contacts: call,
		Units: []string{"a", "b"}, Result: rapid.SampledFrom([]string{"SOLVED", "UNSOLVED", "REFUSED"}).Draw(rt, "result"), Days: rapid.IntRange(1, 12).Draw(rt, "days"), Until: "2026-10-31",
		Reason: rapid.SampledFrom([]string{"R01", "R02", "R03", "R10", "R11", "S1", "not_done", "no_basis"}).Draw(rt, "reason"), Addressee: "C", Party: "DEPT_1", Number: "N1",
		Satisfaction: &ticket.Satisfaction{Result: rapid.IntRange(0, 5).Draw(rt, "answer")}, Fields: []ticket.Field{{Name: "a", Value: "b"}}}
}

// Whatever people, peers, networks and time do to a hand-off in whatever order: nothing fails but by a rule, the chain is
// whole, each step is one of the table, and at each moment there is one owner, whom the records alone prove.
func TestAnyLifeIsLawful(t *testing.T) {
	verbs, states := ticket.Codes("verb"), machine.States()
	bureaus, n := map[string]*bureau{}, 0
	rapid.Check(t, func(rt *rapid.T) {
		ctx := context.Background()
		mode := rapid.SampledFrom([]string{"approval", "unilateral"}).Draw(rt, "mode")
		if n++; n%20 == 0 {
			clear(bureaus) // or each sweep looks at all lives before
		}
		if bureaus[mode] == nil {
			bureaus[mode] = newBureau(t, mode)
		}
		b := bureaus[mode]
		id := b.begin(rt)
		for range rapid.IntRange(1, 15).Draw(rt, "steps") {
			b.step(ctx, rt, id, verbs, states)
		}
		b.lawful(rt, id)
	})
}

func (b *bureau) step(ctx context.Context, rt *rapid.T, id string, verbs []ticket.Code, states []ticket.State) {
	b.now = b.now.Add(time.Duration(rapid.SampledFrom([]int{1, 60, 3600, 86400, 5 * 86400}).Draw(rt, "seconds")) * time.Second)
	verb := ticket.Verb(rapid.SampledFrom(verbs).Draw(rt, "verb").Code)
	row, err := b.l.Get(ctx, id)
	if err != nil {
		rt.Fatal(err)
	}
	role := rapid.SampledFrom([]ticket.Role{ticket.Origin, ticket.Target, ticket.Arbiter}).Draw(rt, "role")
	if can := machine.Allowed(row.State, role); len(can) > 0 && rapid.Bool().Draw(rt, "possible") {
		verb = rapid.SampledFrom(can).Draw(rt, "allowed")
	}
	switch rapid.SampledFrom([]string{"act", "act", "hear", "hear", "state", "send", "sweep"}).Draw(rt, "who") {
	case "act":
		_, err = b.desk.Act(ctx, id, desk.Act{Verb: verb, User: "u", Arbiter: role == ticket.Arbiter, Payload: full(rt, b.now)})
	case "hear":
		err = b.hear(rt, ticket.Inbound{HandoffID: id, Verb: verb, At: b.now, Payload: full(rt, b.now), DispatchAt: b.now})
	case "state":
		err = b.hear(rt, ticket.Inbound{HandoffID: id, State: rapid.SampledFrom(states).Draw(rt, "state"), At: b.now})
	case "send":
		err = b.send(rt)
	case "sweep":
		err = b.desk.Sweep(ctx)
	}
	if _, ok := desk.AsRefusal(err); err != nil && !ok {
		rt.Fatal(err)
	}
}

func (b *bureau) begin(rt *rapid.T) string {
	ctx := context.Background()
	if rapid.Bool().Draw(rt, "in") {
		c := kase(b.now)
		no := "YL-" + ticket.NewID()
		a, err := b.desk.Receive(ctx, party, []ticket.Inbound{{EventID: ticket.NewID(), PeerNo: no, Verb: "offer", At: b.now, DispatchAt: b.now, Appeal: &c.Appeal, Citizen: &ticket.Citizen{Ref: no}}})
		if err != nil || a[0].Code != ticket.CodeOK {
			rt.Fatal(a, err)
		}
		return a[0].HandoffID
	}
	c := kase(b.now)
	c.Citizen.Phone = ""
	c.Citizen.ChannelID = ticket.NewID()
	o, err := b.desk.Offer(ctx, desk.NewOffer{Case: c, Peer: party, User: "u"})
	if err != nil {
		rt.Fatal(err)
	}
	return o.HandoffID
}

func (b *bureau) hear(rt *rapid.T, in ticket.Inbound) error {
	in.EventID = ticket.NewID()
	first, err := b.desk.Receive(context.Background(), party, []ticket.Inbound{in})
	if err != nil {
		return err
	}
	again, err := b.desk.Receive(context.Background(), party, []ticket.Inbound{in})
	a, _ := ticket.Encode(first)
	z, _ := ticket.Encode(again)
	if err != nil || !bytes.Equal(a, z) {
		rt.Fatalf("answered %+v, then %+v (%v)", first, again, err)
	}
	return nil
}

// send claims what is due and settles it in some way.
func (b *bureau) send(rt *rapid.T) error {
	ctx := context.Background()
	class := rapid.SampledFrom([]ticket.Class{ticket.Delivered, ticket.Delivered, ticket.Unknown, ticket.Retry, ticket.Permanent, ticket.AuthFail, ticket.Duplicate}).Draw(rt, "class")
	for _, state := range []string{ledger.Queued, ledger.InDoubt} {
		list, err := b.l.Ready(ctx, party, state, false, b.now, 5)
		if err != nil {
			return err
		}
		for _, d := range list {
			if state == ledger.InDoubt {
				class = rapid.SampledFrom([]ticket.Class{ticket.Found, ticket.Absent, ticket.Unknown, ticket.Unable}).Draw(rt, "found")
			} else if ok, err := b.l.Claim(ctx, &d, b.now); err != nil || !ok {
				return err
			}
			if err := b.desk.Settle(ctx, d.ID, ticket.Outcome{Class: class, Number: "YL-1", PeerTime: b.now}, state == ledger.InDoubt); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bureau) lawful(rt *rapid.T, id string) {
	ctx := context.Background()
	if err := b.l.Verify(ctx, id); err != nil {
		rt.Fatal(err)
	}
	row, err := b.l.Get(ctx, id)
	if err != nil {
		rt.Fatal(err)
	}
	events, err := b.l.Events(ctx, id)
	if err != nil {
		rt.Fatal(err)
	}
	var records []evidence.Record
	seq := map[string]int{}
	for i, e := range events {
		records = append(records, evidence.Of(row.Handoff, e, i+1))
		if seq[e.Author.Party]++; e.Seq != seq[e.Author.Party] {
			rt.Fatalf("event %d is the %dth of %s and says %d", i+1, seq[e.Author.Party], e.Author.Party, e.Seq)
		}
	}
	held, err := evidence.Custody(records)
	if err != nil {
		rt.Fatal(err)
	}
	if last := held[len(held)-1]; last.Owner != row.Owner || events[len(events)-1].To != row.State {
		rt.Fatalf("the row says %s in %s, the records %s in %s", row.Owner, row.State, last.Owner, events[len(events)-1].To)
	}
	rounds, err := b.l.Rounds(ctx, id)
	if err != nil || len(rounds) != row.Round {
		rt.Fatalf("%d rounds, the row says %d (%v)", len(rounds), row.Round, err)
	}
	if _, err := b.desk.Figures(ctx, id); err != nil {
		rt.Fatal(err)
	}
}
