package profile_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/simulator"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/outer"

	"github.com/google/go-cmp/cmp"
)

// desk takes what a peer says and answers as told: the part of the seam behind a
// Peer. The real one is package desk; its scenarios run against the same
// simulators.
type desk struct {
	mu    sync.Mutex
	got   []ticket.Inbound
	party string
	code  string // of answers; OK where empty
	known map[string]bool
}

func (d *desk) Receive(_ context.Context, party string, in []ticket.Inbound) ([]ticket.Answer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.party = party
	var out []ticket.Answer
	for _, i := range in {
		a := ticket.Answer{Code: ticket.CodeOK, HandoffID: "HO-IN-1", Number: "SX-1", EventID: i.EventID, At: time.Now(), State: ticket.Offered}
		if d.code != "" {
			a.Code = d.code
		} else if d.known[i.EventID] {
			a.Code = ticket.CodeDuplicate
		} else {
			d.known[i.EventID] = true
			d.got = append(d.got, i)
		}
		out = append(out, a)
	}
	return out, nil
}

func (d *desk) Status(_ context.Context, _ string, ref ticket.Ref) (ticket.Answer, bool) {
	return ticket.Answer{Code: ticket.CodeOK, HandoffID: ref.HandoffID, Number: "SX-1", State: ticket.InProgress}, ref.HandoffID == "HO-1"
}

func (d *desk) take() []ticket.Inbound {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.got
	d.got = nil
	return g
}

// pair is a profile at work: our peer on one socket, the simulator on another.
type pair struct {
	*profile.Peer
	sim  *simulator.Simulator
	desk *desk
	p    *profile.Profile
	url  string // of our callbacks
}

func newPair(t testing.TB, name string, change func(string) string, o simulator.Options) *pair {
	t.Helper()
	x := &pair{desk: &desk{known: map[string]bool{}}}
	node := httptest.NewUnstartedServer(nil)
	x.url = "http://" + node.Listener.Addr().String()
	data, err := profile.Source(name)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		data = []byte(change(string(data)))
	}
	p, err := profile.Parse(name, data)
	if err != nil {
		t.Fatal(err)
	}
	keys, back := outer.NewKeys("p4ss", "k1"), outer.NewKeys("", "k2")
	o.Keys, o.BackKeys, o.Callback, o.Log = keys, back, x.url, t.Logf
	if x.sim, x.p, err = simulator.Listen(p, "127.0.0.1:0", o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.sim.Close() })
	if x.Peer, err = profile.Open(x.p, profile.Options{Keys: keys, BackKey: back, Refused: func(op string, err error) { t.Log("refused", op, err) }}); err != nil {
		t.Fatal(err)
	}
	if h := x.Handler(x.desk); h != nil {
		node.Config.Handler = h
		node.Start()
		t.Cleanup(node.Close)
	}
	return x
}

var at = time.Date(2026, 9, 29, 16, 40, 0, 0, ticket.Shanghai)

func both(t *testing.T, f func(t *testing.T, x *pair)) {
	for _, name := range []string{"hotline-a@1", "hotline-b@1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, newPair(t, name, nil, simulator.Options{}))
		})
	}
}

// TestOfferTravels: what a ticket holds is what the peer has, in its codes.
func TestOfferTravels(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, x *pair) {
		o := profile.SampleOffer("QZ", 3, 0, at)
		o.Appeal.ClassCode, o.Citizen.Name = "0201", "吴𠮷"
		out := x.Offer(t.Context(), o)
		if out.Class != ticket.Delivered || out.Number == "" || out.PeerTime.IsZero() {
			t.Fatalf("%+v", out)
		}
		tk := x.sim.Tickets()
		if len(tk) != 1 || tk[0].Number != out.Number || tk[0].HandoffID != o.HandoffID || tk[0].Round != 1 {
			t.Fatalf("%+v", tk)
		}
		got := tk[0].Offer
		if d := cmp.Diff([]string{o.Appeal.Title, o.Appeal.Content, "QZ", "0201", "610802", "吴𠮷", o.Citizen.Phone}, []string{got.Appeal.Title, got.Appeal.Content, got.Appeal.AppealType,
			got.Appeal.ClassCode, got.Appeal.Division, got.Citizen.Name, got.Citizen.Phone}); d != "" {
			t.Error(d)
		}
		if again := x.Offer(t.Context(), o); again.Class != ticket.Duplicate || x.p.Name == "hotline-a" && again.Number != out.Number {
			t.Errorf("%+v", again)
		}
		if tk = x.sim.Tickets(); len(tk) != 1 || tk[0].Offers != 2 {
			t.Errorf("%+v", tk)
		}
	})
}

// TestEventsTravelBothWays: every verb the profile tells arrives as that verb, and
// what the peer does arrives once however often it is said.
func TestEventsTravelBothWays(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, x *pair) {
		o := profile.SampleOffer("QZ", 3, 0, at)
		out := x.Offer(t.Context(), o)
		for i, v := range x.About().Can.Verbs {
			if v == "offer" {
				continue
			}
			m := ticket.Message{Key: ticket.Key(o.HandoffID, 1, i+2), PeerNo: out.Number, Event: ticket.Event{ID: fmt.Sprint("E", i), HandoffID: o.HandoffID, Round: 1, Seq: i + 2, Verb: v,
				OccurredAt: at.Add(time.Duration(i) * time.Second), Payload: ticket.Payload{Text: "文字" + string(v), Internal: "律师意见", Reason: "R01", Days: 5}}}
			if got := x.Send(t.Context(), m); got.Class != ticket.Delivered && !(x.p.Name == "hotline-b" && got.Class == ticket.Duplicate) {
				t.Errorf("%s: %+v", v, got)
			}
		}
		tk := x.sim.Tickets()[0]
		for _, w := range tk.Received {
			if w.Payload != nil && strings.Contains(fmt.Sprint(*w.Payload), "律师意见") {
				t.Error("internal text left")
			}
		}
		if len(tk.Received) < len(x.About().Can.Verbs)-3 {
			t.Errorf("%d of %d verbs arrived", len(tk.Received), len(x.About().Can.Verbs))
		}
		if got := x.Send(t.Context(), ticket.Message{Event: ticket.Event{Verb: "withdraw_request"}}); got.Class != ticket.Unable {
			t.Errorf("%+v", got)
		}
		// The other way, pushed.
		p, err := x.sim.Act(t.Context(), simulator.Act{Number: out.Number, Verb: "accept", Unit: "610802-01", User: "u7", Payload: &ticket.Payload{Text: "已签收，𠮷"}})
		if err != nil || p.Class != outer.OK {
			t.Fatalf("%+v %v", p, err)
		}
		in := x.desk.take()
		if len(in) != 1 || in[0].Verb != "accept" || in[0].HandoffID != o.HandoffID || in[0].PeerNo != out.Number || in[0].State != ticket.Accepted || in[0].Unit != "610802-01" ||
			in[0].User != "u7" || in[0].Payload.Text != "已签收，𠮷" || in[0].EventID == "" || in[0].At.Location().String() != "CST" || len(in[0].Faults) > 0 {
			t.Fatalf("%+v", in)
		}
		x.sim.SetFaults(simulator.Fault{Kind: simulator.Twice, Count: 1})
		if p, err = x.sim.Act(t.Context(), simulator.Act{Number: out.Number, Verb: "result", Payload: &ticket.Payload{Text: "办结", PublicReply: "您反映的问题已办结", Result: "SOLVED"}}); err != nil || p.Class != outer.OK {
			t.Fatalf("%+v %v", p, err)
		}
		if in = x.desk.take(); len(in) != 1 || in[0].Verb != "result" || in[0].Payload.Result != "SOLVED" || in[0].Payload.PublicReply != "您反映的问题已办结" {
			t.Fatalf("%+v", in)
		}
	})
}

// TestQueryAndPull: in doubt A is asked, B cannot be; news nobody pushed is
// fetched.
func TestQueryAndPull(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, x *pair) {
		o := profile.SampleOffer("QZ", 3, 0, at)
		ref := ticket.Ref{HandoffID: o.HandoffID, Round: 1}
		a := x.p.Name == "hotline-a"
		if got := x.Query(t.Context(), ref); a && got.Class != ticket.Absent || !a && got.Class != ticket.Unable {
			t.Errorf("%+v", got)
		}
		x.sim.SetFaults(simulator.Fault{Kind: simulator.TimeoutAfter, Op: "offer", Count: 1})
		if got := x.Offer(t.Context(), o); got.Class != ticket.Unknown {
			t.Fatalf("%+v", got)
		}
		number := x.sim.Tickets()[0].Number
		if got := x.Query(t.Context(), ref); a && (got.Class != ticket.Found || got.Number != number || got.PeerState != ticket.Offered) {
			t.Errorf("%+v", got)
		}
		if got := x.Offer(t.Context(), o); got.Class != ticket.Duplicate {
			t.Errorf("%+v", got)
		}
		x.sim.SetFaults(simulator.Fault{Kind: simulator.TimeoutBefore, Op: "offer", Count: 1})
		o2 := o
		o2.HandoffID, o2.Key = "HO-610800-20260929-000018", "HO-610800-20260929-000018#1#1"
		if got := x.Offer(t.Context(), o2); got.Class != ticket.Unknown || len(x.sim.Tickets()) != 1 {
			t.Errorf("%+v", got)
		}
		// Pull.
		for _, v := range []ticket.Verb{"accept", "progress", "result"} {
			if _, err := x.sim.Act(t.Context(), simulator.Act{Number: number, Verb: v, Quiet: true, Payload: &ticket.Payload{Text: string(v)}}); err != nil {
				t.Fatal(err)
			}
		}
		ref.PeerNo = number
		b, got := x.Pull(t.Context(), "", []ticket.Ref{ref, {HandoffID: "HO-X", PeerNo: "no such"}})
		if got.Class != ticket.Delivered || len(b.In) != 3 || b.In[0].Verb != "accept" || b.In[2].Verb != "result" || b.In[1].HandoffID != o.HandoffID {
			t.Fatalf("%+v %+v", b, got)
		}
		again, _ := x.Pull(t.Context(), b.Cursor, []ticket.Ref{ref})
		if a && len(again.In) != 0 {
			t.Errorf("%+v", again)
		}
		if !a { // the whole flow comes again, under the same ids
			if d := cmp.Diff(ids(b.In), ids(again.In)); d != "" {
				t.Error(d)
			}
		}
	})
}

func ids(in []ticket.Inbound) (out []string) {
	for _, i := range in {
		out = append(out, i.EventID)
	}
	return out
}

// TestSecondDispatchIsARound: shape B shows a return and a new dispatch as steps of
// one flow.
func TestSecondDispatchIsARound(t *testing.T) {
	t.Parallel()
	x := newPair(t, "hotline-b@1", nil, simulator.Options{})
	out := x.Offer(t.Context(), profile.SampleOffer("QZ", 3, 0, at))
	for i, a := range []simulator.Act{{Verb: "accept"}, {Verb: "return_request", Payload: &ticket.Payload{Text: "不属本单位"}}, {Verb: "offer"}, {Verb: "accept"}} {
		a.Number, a.Quiet, a.At = out.Number, true, at.Add(time.Duration(i+1)*time.Hour)
		if _, err := x.sim.Act(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	b, _ := x.Pull(t.Context(), "", []ticket.Ref{{HandoffID: "HO-610800-20260929-000017", Round: 1, PeerNo: out.Number}})
	var got []string
	for _, i := range b.In {
		got = append(got, fmt.Sprintf("%s/%d", i.Verb, i.Round))
	}
	if d := cmp.Diff([]string{"accept/1", "return_request/1", "reoffer/2", "accept/2"}, got); d != "" {
		t.Error(d)
	}
	if len(b.In) == 4 && !b.In[3].DispatchAt.Equal(at.Add(3*time.Hour)) {
		t.Error(b.In[3].DispatchAt)
	}
}

// TestTheirTicketsComeIn: a ticket of the hotline's own is offered to us.
func TestTheirTicketsComeIn(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, x *pair) {
		o := profile.SampleOffer("ZX", 2, 1, at)
		o.Appeal.ClassCode, o.Appeal.ClassText, o.Appeal.Attachments = "0101", "", nil
		p, err := x.sim.Offer(t.Context(), profile.Words{Appeal: &o.Appeal, Citizen: &o.Citizen, DispatchAt: at})
		if err != nil || p.Class != outer.OK {
			t.Fatalf("%+v %v", p, err)
		}
		in := x.desk.take()
		if len(in) != 1 || in[0].Verb != "offer" || in[0].Appeal == nil || in[0].Citizen == nil || in[0].PeerNo != p.Number || !in[0].DispatchAt.Equal(at) {
			t.Fatalf("%+v", in)
		}
		g := in[0].Appeal
		if d := cmp.Diff([]string{"ZX", "0101", o.Appeal.Title, o.Appeal.Content, "610802", "2", "1"},
			[]string{g.AppealType, g.ClassCode, g.Title, g.Content, g.Division, fmt.Sprint(g.Urgency), fmt.Sprint(in[0].Citizen.Secrecy)}); d != "" {
			t.Error(d)
		}
	})
}

// TestUnmapped: a code nobody mapped is named, not guessed.
func TestUnmapped(t *testing.T) {
	t.Parallel()
	a := newPair(t, "hotline-a@1", nil, simulator.Options{})
	o := profile.SampleOffer("QZ", 3, 0, at)
	o.Appeal.ClassCode = "Z99"
	out := a.Offer(t.Context(), o)
	if out.Class != ticket.Permanent || out.Fault == nil || out.Fault.Code != profile.CodeUnmapped || out.Fault.Pointer != "/appeal/classCode" || !strings.Contains(out.Fault.Message, "Z99") {
		t.Fatalf("%+v", out)
	}
	if len(a.sim.Tickets()) != 0 {
		t.Error("sent nevertheless")
	}
	fixed := newPair(t, "hotline-a@1", func(s string) string {
		return strings.Replace(s, `out: {"0101": "0101",`, `out: {"Z99": "0909", "0101": "0101",`, 1)
	}, simulator.Options{})
	if out := fixed.Offer(t.Context(), o); out.Class != ticket.Delivered {
		t.Errorf("%+v", out)
	}
	b := newPair(t, "hotline-b@1", nil, simulator.Options{}) // its profile sends what fits nothing as Z00
	if out := b.Offer(t.Context(), o); out.Class != ticket.Delivered || b.sim.Tickets()[0].Offer.Appeal.ClassCode != "UNMAPPED" {
		t.Errorf("%+v", out)
	}
	// Inbound: an unknown word moves nothing and is kept; an unknown code quarantines.
	if p, _ := a.sim.Act(t.Context(), simulator.Act{Number: "", Handoff: "x", Verb: "accept"}); p.Number != "" {
		t.Error(p)
	}
	o.Appeal.ClassCode = "0101"
	n := a.Offer(t.Context(), o).Number
	if p, err := a.sim.Act(t.Context(), simulator.Act{Number: n, Code: "ticket.teleport", Payload: &ticket.Payload{Text: "x"}}); err != nil || p.Class != outer.OK {
		t.Fatalf("%+v %v", p, err)
	}
	if in := a.desk.take(); len(in) != 1 || in[0].Verb != "note" || in[0].Payload.Text != "【ticket.teleport】x" {
		t.Errorf("%+v", in)
	}
}

// TestFaultsHaveTheirClass: no fault of a peer is taken for success.
func TestFaultsHaveTheirClass(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kind string
		want ticket.Class
		kept int
	}{
		{simulator.TimeoutBefore, ticket.Unknown, 0}, {simulator.TimeoutAfter, ticket.Unknown, 1}, {simulator.Error500, ticket.Unknown, 0},
		{simulator.LoginPage, ticket.AuthFail, 0}, {simulator.Failure200, ticket.Permanent, 0}, {simulator.WrongCharset, ticket.Delivered, 1},
		{simulator.NoNumber, ticket.Unknown, 1}, {simulator.SlowDrip, ticket.Delivered, 1}, {simulator.ClockSkew, ticket.AuthFail, 0},
	} {
		t.Run(tc.kind, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, x *pair) {
				x.sim.SetFaults(simulator.Fault{Kind: tc.kind, Value: map[string]int{simulator.ClockSkew: 1200, simulator.SlowDrip: 1}[tc.kind]})
				out := x.Offer(t.Context(), profile.SampleOffer("QZ", 3, 0, at))
				if out.Class != tc.want || len(x.sim.Tickets()) != tc.kept {
					t.Errorf("%+v, %d kept", out, len(x.sim.Tickets()))
				}
				if tc.kind == simulator.ClockSkew && !out.ClockHint {
					t.Error("no hint at the clock")
				}
				if out.Class == ticket.Permanent && (out.Fault == nil || !strings.Contains(out.Fault.Message, "机构不存在")) {
					t.Errorf("%+v", out.Fault)
				}
			})
		})
	}
}

// TestAttachments: whole, in pieces, from where it stopped, and back.
func TestAttachments(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, x *pair) {
		content := bytes.Repeat([]byte{0, 1, 2, 0xff, '\n'}, 600_000) // 3 MB
		f := ticket.Attachment{ID: "A1", Name: "合同.jpg", Size: int64(len(content)), Kind: "evidence"}
		if x.p.Name == "hotline-a" {
			x.p.Capabilities.Attachments.ChunkKB = 1024
			x.sim.AddFault(simulator.Fault{Kind: simulator.TimeoutAfter, Op: "upload", Skip: 1, Count: 1})
		}
		var from int64
		var out ticket.Outcome
		calls := 0
		for ; from < f.Size && calls < 10; calls++ {
			from, out = x.Upload(t.Context(), f, bytes.NewReader(content), from)
		}
		if out.Class != ticket.Delivered || out.Number == "" {
			t.Fatalf("%+v after %d calls", out, calls)
		}
		if got, ok := x.sim.File(out.Number); !ok || !bytes.Equal(got, content) {
			t.Errorf("%d bytes kept, sent %d", len(got), len(content))
		}
		if x.p.Name == "hotline-a" && calls < 3 {
			t.Errorf("%d pieces", calls)
		}
		f.Size = 60 << 20
		if _, out := x.Upload(t.Context(), f, bytes.NewReader(content), 0); out.Class != ticket.Permanent {
			t.Errorf("%+v", out)
		}
		if x.p.Name == "hotline-a" {
			var back bytes.Buffer
			if got := x.Fetch(t.Context(), ticket.Attachment{Ref: "F-A1"}, 0, 20<<20, &back); got.Class != ticket.Delivered || !bytes.Equal(back.Bytes(), content) {
				t.Errorf("%+v, %d bytes", got, back.Len())
			}
		}
	})
}

func TestDirectoryGoesByCode(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, x *pair) {
		x.sim.SetUnits([]ticket.Unit{{Code: "a1", Name: "司法局", Division: "610802"}, {Code: "b1", Name: "司法局", Division: "610803"}})
		units, out := x.Directory(t.Context())
		if out.Class != ticket.Delivered || len(units) != 2 || units[0].Code != "a1" || units[1].Division != "610803" {
			t.Fatalf("%+v %+v", units, out)
		}
		x.sim.SetUnits([]ticket.Unit{{Code: "a1", Name: "司法局"}, {Name: "无编号单位"}})
		if units, out := x.Directory(t.Context()); out.Class != ticket.Permanent || units != nil {
			t.Errorf("%+v %+v", units, out)
		}
	})
}

// TestCallbacksAreChecked: replays, other identities and changed bytes do not get
// in, and unknown and foreign hand-offs look alike.
func TestCallbacksAreChecked(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, x *pair) {
		var seen []*http.Request
		var bodies []string
		record := roundTripper(func(r *http.Request) (*http.Response, error) {
			b, _ := io.ReadAll(r.Body)
			seen, bodies = append(seen, r), append(bodies, string(b))
			return nil, io.ErrUnexpectedEOF
		})
		say := func(key string) {
			cl, err := outer.NewClient(x.p.Callbacks(), outer.NewKeys("", key), outer.Options{Pipe: record})
			if err != nil {
				t.Fatal(err)
			}
			w := profile.Words{HandoffID: "HO-1", Round: 1, PeerNo: "N1", EventID: "E1", Code: x.p.CodeOf("accept"), At: at}
			if x.p.Name == "hotline-b" {
				w = profile.Words{HandoffID: "HO-1", Round: 1, PeerNo: "N1", Steps: []profile.Words{w}}
			}
			n, err := w.Node(x.p)
			if err != nil {
				t.Fatal(err)
			}
			cl.Call(t.Context(), "event", n)
		}
		post := func(i int, body string) (int, string) {
			r, _ := http.NewRequest(seen[i].Method, seen[i].URL.String(), strings.NewReader(body))
			r.Header = seen[i].Header.Clone()
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			b, _ := io.ReadAll(resp.Body)
			return resp.StatusCode, string(b)
		}
		say("k2")
		say("somebody else's")
		good := func(status int, body string) bool {
			return status == 200 && (strings.Contains(body, `"code":"0"`) || strings.TrimSpace(body) == "success")
		}
		if s, b := post(0, bodies[0]); !good(s, b) {
			t.Fatalf("%d %s", s, b)
		}
		s, b := post(0, bodies[0])
		if x.p.Name == "hotline-a" && good(s, b) {
			t.Error("a replay was taken")
		}
		if n := len(x.desk.take()); n != 1 {
			t.Errorf("%d events of one", n)
		}
		if s, b := post(0, strings.Replace(bodies[0], "N1", "N2", 1)); good(s, b) {
			t.Error("changed bytes were taken")
		}
		if s, b := post(1, bodies[1]); good(s, b) {
			t.Error("another key was taken")
		}
		for _, bad := range []string{`{"type":"a","type":"b"}`, strings.Repeat(`[`, 5000), "data=%3C%21DOCTYPE+x%3E%3Cx%2F%3E&sign=x", "\x00\xff"} {
			if s, b := post(0, bad); good(s, b) {
				t.Errorf("%.20q was taken", bad)
			}
		}
		x.desk.code = ticket.CodeUnknownHandoff
		say("k2")
		if s, b := post(2, bodies[2]); good(s, b) {
			t.Errorf("%d %s", s, b)
		}
		if n := len(x.desk.take()); n != 0 {
			t.Errorf("%d events", n)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestLateAndSilent: a callback that was overtaken arrives all the same; a peer
// that fell silent has told nothing, and tells it when asked afterwards.
func TestLateAndSilent(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, x *pair) {
		out := x.Offer(t.Context(), profile.SampleOffer("QZ", 3, 0, at))
		act := func(v ticket.Verb) {
			if _, err := x.sim.Act(t.Context(), simulator.Act{Number: out.Number, Verb: v, Payload: &ticket.Payload{Text: string(v)}}); err != nil {
				t.Fatal(err)
			}
		}
		x.sim.SetFaults(simulator.Fault{Kind: simulator.Reorder, Count: 1})
		act("accept")
		if got := x.desk.take(); len(got) != 0 {
			t.Fatalf("%+v", got)
		}
		act("progress")
		var verbs []string
		for _, i := range x.desk.take() {
			verbs = append(verbs, string(i.Verb))
		}
		want := []string{"progress", "accept"}
		if x.p.Name == "hotline-b" { // a flow is told whole, in its order
			want = []string{"accept", "progress"}
		}
		if d := cmp.Diff(want, verbs); d != "" {
			t.Error(d)
		}
		x.sim.SetFaults(simulator.Fault{Kind: simulator.Silent})
		act("result")
		ref := []ticket.Ref{{HandoffID: "HO-610800-20260929-000017", Round: 1, PeerNo: out.Number}}
		b, o := x.Pull(t.Context(), "", ref)
		if len(x.desk.take()) != 0 || len(b.In) != 0 || o.Class != ticket.Delivered {
			t.Errorf("%+v %+v", b, o)
		}
		x.sim.SetFaults()
		if b, _ = x.Pull(t.Context(), "", ref); len(b.In) != 3 || b.In[2].Verb != "result" {
			t.Errorf("%+v", b)
		}
	})
}
