package simulator

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/outer"
)

// Act is something the simulated hotline does to a ticket.
type Act struct {
	Number  string          `json:"number,omitempty"`
	Handoff string          `json:"handoffId,omitempty"`
	Verb    ticket.Verb     `json:"verb"`
	State   ticket.State    `json:"state,omitempty"` // that it shows afterwards; default: what follows from the verb
	Code    string          `json:"code,omitempty"`  // its word for it, instead of the one for Verb
	EventID string          `json:"eventId,omitempty"`
	At      time.Time       `json:"at,omitzero"`
	User    string          `json:"user,omitempty"`
	Unit    string          `json:"unit,omitempty"`
	Payload *ticket.Payload `json:"payload,omitempty"`
	Quiet   bool            `json:"quiet,omitempty"` // it is not pushed; pulls find it
}

// Pushed is what became of telling the node.
type Pushed struct {
	Number  string      `json:"number"`
	EventID string      `json:"eventId,omitempty"`
	Class   outer.Class `json:"class,omitempty"` // "" where nothing was pushed
	Code    string      `json:"code,omitempty"`
	Message string      `json:"message,omitempty"`
	Err     string      `json:"error,omitempty"`
}

// Act does something to a ticket, keeps it, and tells the node once; a push that
// failed is repeated in the background as hotlines do.
func (s *Simulator) Act(ctx context.Context, a Act) (Pushed, error) {
	s.st.mu.Lock()
	t := s.st.find(a.Handoff, a.Number)
	if t == nil {
		s.st.mu.Unlock()
		return Pushed{}, errUnknown
	}
	at := a.At
	if at.IsZero() {
		at = s.now().Truncate(time.Second)
	}
	state := cmp.Or(a.State, after[a.Verb])
	w := profile.Words{
		EventID: cmp.Or(a.EventID, ticket.NewID()), HandoffID: t.HandoffID, PeerNo: t.Number, Round: t.Round, Code: cmp.Or(a.Code, s.p.CodeOf(a.Verb)), At: at,
		User: cmp.Or(a.User, "sim"), Unit: a.Unit, Payload: a.Payload,
	}
	if w.Payload == nil {
		w.Payload = &ticket.Payload{}
	}
	w.Note = w.Payload.Text
	if state != "" {
		w.Payload.PeerState = s.p.StateOut(state)
	}
	if a.Verb == "offer" || a.Verb == "reoffer" { // it dispatches again, under the same number
		w.Code, w.DispatchAt = s.p.CodeOf("offer"), at
		w.Appeal, w.Citizen = t.Offer.Appeal, t.Offer.Citizen
	}
	err := s.st.commit(&entry{Op: "act", Number: t.Number, Verb: a.Verb, State: state, Words: &w, At: at})
	s.st.mu.Unlock()
	if err != nil {
		return Pushed{}, err
	}
	p := Pushed{Number: w.PeerNo, EventID: w.EventID}
	if a.Quiet || s.client == nil || !s.p.Capabilities.PushEvents {
		return p, nil
	}
	return s.tell(ctx, "event", w), nil
}

// Offer makes a ticket of the hotline's own and offers it to the node.
func (s *Simulator) Offer(ctx context.Context, w profile.Words) (Pushed, error) {
	s.st.mu.Lock()
	at := s.now().Truncate(time.Second)
	w.PeerNo = cmp.Or(w.PeerNo, s.st.newNumber(at))
	w.EventID = cmp.Or(w.EventID, ticket.NewID())
	w.Round = max(w.Round, 1)
	if w.At.IsZero() {
		w.At = at
	}
	if w.DispatchAt.IsZero() {
		w.DispatchAt = w.At
	}
	w.Code = cmp.Or(w.Code, s.p.CodeOf("offer"))
	err := s.st.commit(&entry{Op: "own", Number: w.PeerNo, Words: &w, At: at})
	s.st.mu.Unlock()
	if err != nil {
		return Pushed{}, err
	}
	if s.client == nil || !s.p.Callbacks().Has("offer") {
		return Pushed{Number: w.PeerNo, EventID: w.EventID}, nil
	}
	return s.tell(ctx, "offer", w), nil
}

// tell pushes once, with the faults of callbacks.
func (s *Simulator) tell(ctx context.Context, op string, w profile.Words) Pushed {
	if _, ok := s.faults.standing(Silent); ok {
		return Pushed{Number: w.PeerNo, EventID: w.EventID}
	}
	if _, ok := s.faults.strike(Reorder, op); ok {
		s.push.hold(job{op, w})
		return Pushed{Number: w.PeerNo, EventID: w.EventID}
	}
	if _, ok := s.faults.strike(Twice, op); ok {
		var all sync.WaitGroup
		results := make([]Pushed, 5)
		for i := range results {
			all.Go(func() { results[i] = s.send(ctx, op, w) })
		}
		all.Wait()
		for _, p := range results {
			if p.Class != outer.OK && p.Class != outer.Duplicate {
				s.push.later(job{op, w})
				return p
			}
		}
		return results[0]
	}
	p := s.send(ctx, op, w)
	if p.Class == outer.InDoubt || p.Class == outer.Retry || p.Class == outer.AuthFail || p.Class == outer.Clock {
		s.push.later(job{op, w})
	}
	s.push.release()
	return p
}

// send makes one callback. Where the interface tells a whole flow, it does.
func (s *Simulator) send(ctx context.Context, op string, w profile.Words) Pushed {
	out := w
	if op == "event" && s.tellsFlow() {
		s.st.mu.Lock()
		t := s.st.find(w.HandoffID, w.PeerNo)
		out = profile.Words{PeerNo: t.Number, HandoffID: t.HandoffID, Round: t.firstRound(), Steps: append([]profile.Words(nil), t.Steps...)}
		s.st.mu.Unlock()
	}
	n, err := out.Node(s.p)
	if err != nil {
		return Pushed{Number: w.PeerNo, EventID: w.EventID, Class: outer.Permanent, Err: err.Error()}
	}
	a := s.client.Call(ctx, op, n)
	p := Pushed{Number: w.PeerNo, EventID: w.EventID, Class: a.Class, Code: a.Code, Message: a.Message}
	if a.Err != nil {
		p.Err = a.Err.Error()
	}
	if id := a.Values.Get("handoffId").Value(); id != "" && a.Class != outer.Permanent {
		s.st.mu.Lock()
		if t := s.st.byNo[w.PeerNo]; t != nil && t.HandoffID == "" {
			t.HandoffID = id
		}
		s.st.mu.Unlock()
	}
	s.o.Log("callback %s %s: %s %s", op, w.PeerNo, a.Class, a.Code)
	return p
}

func (s *Simulator) tellsFlow() bool {
	for _, n := range s.p.Callbacks().Uses("event") {
		if n == "steps.code" {
			return true
		}
	}
	return false
}

type job struct {
	op string
	w  profile.Words
}

// pusher repeats callbacks that failed.
type pusher struct {
	s      *Simulator
	mu     sync.Mutex
	held   []job
	queue  chan job
	ctx    context.Context
	end    context.CancelFunc
	done   sync.WaitGroup
	server *http.Server
}

func (p *pusher) start(s *Simulator) {
	p.s, p.queue = s, make(chan job, 10_000)
	p.ctx, p.end = context.WithCancel(context.Background())
	p.done.Go(p.run)
}

func (p *pusher) stop() {
	p.end()
	if p.server != nil {
		p.server.Close()
	}
	p.done.Wait()
}

func (p *pusher) hold(j job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = append(p.held, j)
}

// release sends what was held back, now that something overtook it.
func (p *pusher) release() {
	p.mu.Lock()
	held := p.held
	p.held = nil
	p.mu.Unlock()
	for _, j := range held {
		p.s.send(p.ctx, j.op, j.w)
	}
}

func (p *pusher) later(j job) {
	select {
	case p.queue <- j:
	default: // a hotline too loses what it cannot hold; pulls find it
	}
}

func (p *pusher) run() {
	for {
		select {
		case <-p.ctx.Done():
			return
		case j := <-p.queue:
			p.repeat(j)
		}
	}
}

// repeat tries one callback until it is answered for good, 24 times at most.
func (p *pusher) repeat(j job) {
	wait := 100 * time.Millisecond
	for range 24 {
		t := time.NewTimer(wait)
		select {
		case <-p.ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		switch p.s.send(p.ctx, j.op, j.w).Class {
		case outer.OK, outer.Duplicate, outer.Permanent, outer.Absent:
			return
		}
		wait = min(2*wait, 5*time.Second)
	}
}

// auto lets the hotline work on a ticket by itself.
func (p *pusher) auto(number string) {
	p.done.Go(func() {
		for i, a := range []Act{
			{Verb: "accept", Unit: "610802-01", Payload: &ticket.Payload{Person: "sim"}},
			{Verb: "first_contact", Payload: &ticket.Payload{Contacts: []ticket.Contact{{At: ticket.Time(p.s.now()), Outcome: "reached"}}}},
			{Verb: "progress", Payload: &ticket.Payload{Text: "已到现场核实"}},
			{Verb: "result", Payload: &ticket.Payload{Result: "SOLVED", Text: fmt.Sprintf("工单 %s 已办结", number), PublicReply: "您反映的问题已办结",
				Contacts: []ticket.Contact{{At: ticket.Time(p.s.now()), Outcome: "reached"}}}},
		} {
			t := time.NewTimer(time.Duration(i+1) * 300 * time.Millisecond)
			select {
			case <-p.ctx.Done():
				t.Stop()
				return
			case <-t.C:
			}
			a.Number = number
			if _, err := p.s.Act(p.ctx, a); err != nil {
				return
			}
		}
	})
}
