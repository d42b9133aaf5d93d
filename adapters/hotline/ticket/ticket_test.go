package ticket

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestDecodeIsStrict(t *testing.T) {
	for name, in := range map[string]string{
		"unknown member":   `{"attId":"1","nam":"x"}`,
		"other case":       `{"attid":"1"}`,
		"member twice":     `{"attId":"1","attId":"2"}`,
		"escaped twin":     `{"attId":"1","\u0061ttId":"2"}`,
		"text for number":  `{"size":"3"}`,
		"invalid UTF-8":    "{\"name\":\"\xc9\xee\"}",
		"lone surrogate":   `{"name":"\ud800"}`,
		"second value":     `{"attId":"1"} {}`,
		"nothing":          ``,
		"deep nesting":     `{"attId":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`,
		"more than a MiB":  `{"name":"` + strings.Repeat("x", MaxJSON) + `"}`,
		"cut in the midst": `{"attId":"1"`,
	} {
		var a Attachment
		if err := Decode([]byte(in), &a); !errors.Is(err, ErrJSON) {
			t.Errorf("%s: got %v", name, err)
		} else if strings.Contains(err.Error(), "\xc9\xee") {
			t.Errorf("%s: the fault quotes the value", name)
		}
	}
	var a Attachment
	if err := Decode([]byte(`{"attId":"1","name":"𠮷䶮彣.jpg","size":3}`), &a); err != nil || a.Name != "𠮷䶮彣.jpg" {
		t.Errorf("a good one: %+v %v", a, err)
	}
}

func TestEventsKeepEveryMember(t *testing.T) {
	at := Time(time.Date(2026, 9, 29, 8, 40, 0, 123456789, time.UTC))
	e := Event{ID: NewID(), HandoffID: "HO-610800-20260929-000017", Round: 1, Seq: 2, Verb: "result", Author: Author{"P", "u1", Target},
		OccurredAt: at, RecordedAt: at, From: InProgress, To: ResultSubmitted, Owner: "P", Source: "REMOTE", PrevHash: ZeroHash,
		Payload: Payload{Text: "已处理", Result: "SOLVED", Satisfaction: &Satisfaction{Result: 4}, Contacts: []Contact{{At: at, Outcome: "reached"}}}}
	body, err := e.Seal()
	if err != nil {
		t.Fatal(err)
	}
	var back Event
	if err := Decode(body, &back); err != nil {
		t.Fatal(err)
	}
	again, err := back.Seal()
	if err != nil || string(again) != string(body) || back.Hash != e.Hash {
		t.Errorf("sealed again it differs:\n%s\n%s %v", body, again, err)
	}
	if !strings.Contains(string(body), `"occurredAt":"2026-09-29T16:40:00.123+08:00"`) {
		t.Errorf("times are not written in +08:00 with milliseconds: %s", body)
	}
}

func TestIDsAreULIDsInOrder(t *testing.T) {
	form := regexp.MustCompile(`^[0-7][0-9A-HJKMNP-TV-Z]{25}$`)
	last := ""
	for range 2000 {
		id := NewID()
		if !form.MatchString(id) || id <= last {
			t.Fatalf("%q after %q", id, last)
		}
		last = id
	}
	// The first ten digits are the time: a ULID of now lies between those of an hour ago and in an hour.
	if d, _ := crockford.DecodeString("000000" + last); len(d) != 20 {
		t.Fatalf("%q does not read back", last)
	}
}

// Every state and verb has words, so that no desk ever shows a bare code.
func TestEverythingHasALabel(t *testing.T) {
	for _, s := range []State{Draft, Queued, InDoubt, Offered, Accepted, InProgress, PendingInfo, Suspended, ReturnRequested, Returned,
		Arbitration, ResultSubmitted, Resolved, Closed, WithdrawRequested, Withdrawn, Rejected, Transferred, Merged, Dead, Cancelled} {
		for _, list := range []string{"stateOrigin", "stateTarget"} {
			if !Known(list, string(s)) {
				t.Errorf("%s has no entry for %s", list, s)
			}
		}
	}
	if Label("result", "SOLVED") != "已解决" || Label("result", "?") != "?" || Codes("nothing") != nil {
		t.Error("labels do not read as documented")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"eventId":"1","handoffId":"HO-1","payload":{"text":"x","contacts":[{"at":"2026-09-29T16:40:00+08:00","outcome":"busy"}]}}`))
	f.Add([]byte(`{"a":[[[[]]]]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e Event
		if Decode(data, &e) != nil {
			return
		}
		body, err := e.Seal()
		if err != nil {
			return // a time beyond year 9999
		}
		var back Event
		if err := Decode(body, &back); err != nil {
			t.Fatalf("what was accepted does not come back: %v\n%s", err, body)
		}
	})
}
