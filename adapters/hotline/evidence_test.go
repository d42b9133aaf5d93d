package hotline_test

import (
	"strings"
	"testing"
	"time"

	"fayi/adapters/hotline/evidence"
	"fayi/adapters/hotline/ticket"
	"fayi/schemas"
)

// published reads what the events of a hand-off put into the outbox, and judges each by the pack.
func (w *world) published(id string) []evidence.Record {
	w.Helper()
	reg, err := schemas.Load(schemas.Embedded())
	if err != nil {
		w.Fatal(err)
	}
	ty, ok := reg.Current(evidence.Type)
	if !ok {
		w.Fatal("no such type in the pack")
	}
	rows, err := w.st.DB().QueryContext(w.Context(), "SELECT payload FROM exchange_outbox WHERE record_type=? ORDER BY id", evidence.Type)
	if err != nil {
		w.Fatal(err)
	}
	defer rows.Close()
	var out []evidence.Record
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			w.Fatal(err)
		}
		if faults := ty.Validate(data); len(faults) > 0 {
			w.Fatalf("%s\n%v", data, faults)
		}
		var r evidence.Record
		if err := ticket.Decode(data, &r); err != nil {
			w.Fatal(err)
		}
		if r.HandoffID == id {
			out = append(out, r)
		}
	}
	return out
}

// Every event is a record of the pack's type, and the records alone prove who held the matter when.
func TestCustodyIsProvable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.publish = evidence.Publisher })
	id := w.done(w.a, w.kase())
	w.act(id, "callback", answer(4))
	w.act(id, "close", ticket.Payload{})
	ours := w.published(id)
	if len(ours) != len(w.events(id)) {
		t.Fatalf("%d records of %d events", len(ours), len(w.events(id)))
	}
	held, err := evidence.Custody(ours)
	if err != nil || len(held) != 2 || held[0].Owner != self || held[1].Owner != partyA || !held[1].To.IsZero() {
		t.Fatalf("%+v %v", held, err)
	}
	for _, r := range ours {
		if all := string(must(ticket.Encode(r))); strings.Contains(all, "王某某") || strings.Contains(all, "15400000017") {
			t.Errorf("the citizen is in a record: %s", all)
		}
	}

	// Nothing of it can be left out, changed or put in.
	for name, spoil := range map[string]func([]evidence.Record) []evidence.Record{
		"left out": func(l []evidence.Record) []evidence.Record { return append(l[:2:2], l[3:]...) },
		"cut off":  func(l []evidence.Record) []evidence.Record { return l[1:] },
		"owner":    func(l []evidence.Record) []evidence.Record { l[3].Owner = self; return l },
		"state":    func(l []evidence.Record) []evidence.Record { l[2].To = ticket.Closed; return l },
		"hash":     func(l []evidence.Record) []evidence.Record { l[1].Hash = ticket.ZeroHash; return l },
		"verb":     func(l []evidence.Record) []evidence.Record { l[2].Verb = "reject"; return l },
		"nothing":  func(l []evidence.Record) []evidence.Record { return nil },
	} {
		if _, err := evidence.Custody(spoil(append([]evidence.Record(nil), ours...))); err == nil {
			t.Errorf("%s: nobody notices", name)
		}
	}

	// The other side's records of the same matter, written a moment later, agree; without its sign-in they do not.
	theirs := append([]evidence.Held(nil), held...)
	for i := range theirs {
		theirs[i].From = theirs[i].From.Add(2 * time.Second)
	}
	if d := evidence.Both(held, theirs, time.Minute); len(d) != 0 {
		t.Errorf("%+v", d)
	}
	d := evidence.Both(held, held[:1], time.Minute)
	if len(d) != 1 || d[0].A != partyA || d[0].B != self || !d[0].From.Equal(held[1].From) || d[0].Describe() == "" {
		t.Errorf("%+v", d)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
