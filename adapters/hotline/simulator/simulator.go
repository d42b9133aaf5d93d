package simulator

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/outer"
)

// Options of a simulator.
type Options struct {
	State    string      // journal file; "" keeps nothing
	Dir      string      // of secrets
	Keys     *outer.Keys // of calls, instead of files
	BackKeys *outer.Keys // of callbacks, likewise
	Callback string      // scheme://host:port of the node; "" as in the profile
	Now      func() time.Time
	Units    []ticket.Unit // its directory
	Auto     bool          // accepts, works on and closes what it is offered, by itself
	Log      func(format string, args ...any)
}

// Simulator is one running peer. It is safe for concurrent use.
type Simulator struct {
	p      *profile.Profile
	o      Options
	st     *store
	faults faults
	server *outer.Server
	client *outer.Client // nil where the profile has no callbacks
	mux    *http.ServeMux
	push   pusher
	at     string // scheme://host:port

	mu       sync.Mutex
	sessions map[string]bool
	logins   int
	units    []ticket.Unit
	seen     map[string]int // operation → requests
}

// New makes the other side of a profile.
func New(p *profile.Profile, o Options) (*Simulator, error) {
	if p.Calls() == nil {
		return nil, fmt.Errorf("%w: %s exchanges sheets", profile.ErrProfile, p.Profile)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	s := &Simulator{p: p, o: o, sessions: map[string]bool{}, seen: map[string]int{}, units: o.Units}
	var err error
	if s.st, err = openStore(o.State, p.Simulate.Number); err != nil {
		return nil, err
	}
	if len(s.units) == 0 {
		s.units = []ticket.Unit{{Code: "610802-01", Name: "某区人力资源和社会保障局", Division: "610802"}, {Code: "610802-02", Name: "某区住房和城乡建设局", Division: "610802"}}
	}
	keys, back := o.Keys, o.BackKeys
	if keys == nil {
		if keys, err = p.Calls().ReadKeys(o.Dir); err != nil {
			return nil, err
		}
	}
	so := outer.ServerOptions{Now: s.now, Refused: func(op string, err error) { o.Log("refused %s: %v", op, err) }}
	if p.File.Calls.Auth.Session != nil {
		so.Session = s.goodSession
	}
	s.server = outer.NewServer(p.Calls(), keys, s.handle, so)
	if p.Callbacks() != nil {
		if back == nil {
			if back, err = p.Callbacks().ReadKeys(o.Dir); err != nil {
				return nil, err
			}
		}
		if s.client, err = outer.NewClient(p.Callbacks(), back, outer.Options{Now: s.now}); err != nil {
			return nil, err
		}
	}
	s.push.start(s)
	if p.Calls().Folder() {
		s.push.done.Go(func() { s.watchFolder(keys) })
	}
	s.admin()
	return s, nil
}

// Listen starts a simulator on addr and returns it with the profile changed to
// that place; callback is where the node listens.
func Listen(p *profile.Profile, addr string, o Options) (*Simulator, *profile.Profile, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	at := "http://" + ln.Addr().String()
	if p, err = p.At(at, o.Callback); err != nil {
		ln.Close()
		return nil, nil, err
	}
	s, err := New(p, o)
	if err != nil {
		ln.Close()
		return nil, nil, err
	}
	s.at = at
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.push.server = srv
	go srv.Serve(ln)
	return s, p, nil
}

// watchFolder takes what a node leaves as files, as the machine behind an air gap
// would.
func (s *Simulator) watchFolder(keys *outer.Keys) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	cursor := ""
	for {
		select {
		case <-s.push.ctx.Done():
			return
		case <-tick.C:
		}
		files, next, err := s.p.Calls().Take(keys, cursor, 100)
		if err != nil {
			s.o.Log("folder: %v", err)
			continue
		}
		for _, f := range files {
			if f.Err != nil {
				s.o.Log("file %s: %v", f.Name, f.Err)
				continue
			}
			s.mu.Lock()
			s.seen[f.Operation]++
			s.mu.Unlock()
			s.do(f.Operation, f.Values)
		}
		cursor = next
	}
}

// Close ends it. What was answered is in the journal already.
func (s *Simulator) Close() error {
	s.push.stop()
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	if s.st.f != nil {
		return s.st.f.Close()
	}
	return nil
}

func (s *Simulator) now() time.Time {
	t := s.o.Now()
	if f, ok := s.faults.standing(ClockSkew); ok {
		t = t.Add(time.Duration(f.Value) * time.Second)
	}
	return t
}

func (s *Simulator) goodSession(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

type heldKey struct{}

// ServeHTTP serves the peer's interface, and below /sim/ what tests and operators
// on this machine tell it.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/sim/") {
		if from, err := netip.ParseAddrPort(r.RemoteAddr); err != nil || !from.Addr().Unmap().IsLoopback() {
			http.Error(w, "only from this machine", http.StatusForbidden)
			return
		}
		s.mux.ServeHTTP(w, r)
		return
	}
	h := &held{header: http.Header{}}
	h.header.Set("Date", s.now().UTC().Format(http.TimeFormat))
	s.server.ServeHTTP(h, r.WithContext(context.WithValue(r.Context(), heldKey{}, h)))
	h.send(w)
}

// handle answers one operation, well or as a fault wants it.
func (s *Simulator) handle(ctx context.Context, r *outer.Request) outer.Reply {
	h := ctx.Value(heldKey{}).(*held)
	op := r.Operation
	s.mu.Lock()
	s.seen[op]++
	s.mu.Unlock()
	if _, ok := s.faults.strike(TimeoutBefore, op); ok {
		panic(http.ErrAbortHandler)
	}
	if _, ok := s.faults.strike(Error500, op); ok {
		h.spoil = func(h *held) { h.status = 500; h.body.Reset() }
		return outer.Reply{Class: outer.InDoubt}
	}
	if _, ok := s.faults.strike(LoginPage, op); ok {
		h.spoil = login
		return outer.Reply{Class: outer.OK}
	}
	if _, ok := s.faults.strike(Failure200, op); ok {
		h.spoil = func(h *held) { h.status = 200 }
		return outer.Reply{Class: outer.Permanent, Message: "机构不存在"}
	}
	if _, ok := s.faults.strike(SessionLost, op); ok {
		s.mu.Lock()
		clear(s.sessions)
		s.mu.Unlock()
		return outer.Reply{Class: outer.AuthFail, Message: "会话已失效"}
	}
	if _, ok := s.faults.strike(WrongCharset, op); ok {
		h.spoil = mistranscode
	}
	if f, ok := s.faults.strike(SlowDrip, op); ok {
		h.drip = time.Duration(cmp.Or(f.Value, 20)) * time.Millisecond
	}
	rep := s.do(op, r.Values)
	if _, ok := s.faults.strike(NoNumber, op); ok {
		rep.Values = outer.NewObject()
	}
	if _, ok := s.faults.strike(TimeoutAfter, op); ok {
		panic(http.ErrAbortHandler)
	}
	return rep
}

// do carries out an operation.
func (s *Simulator) do(op string, v *outer.Node) outer.Reply {
	if a := s.p.File.Calls.Auth.Session; a != nil && op == a.Operation {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.logins++
		id := "S" + ticket.NewID()
		s.sessions[id] = true
		return outer.Reply{Class: outer.OK, Values: outer.NewObject().Set(a.Value, outer.Text(id)), Message: "成功"}
	}
	w, err := profile.ReadWords(v)
	if err != nil {
		return outer.Reply{Class: outer.Permanent, Message: "字段有误"}
	}
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	switch op {
	case "offer", "reoffer", "redo":
		return s.offer(w)
	case "query":
		t := s.st.find(w.HandoffID, w.PeerNo)
		if t == nil {
			return outer.Reply{Class: outer.Absent, Message: "没有此单"}
		}
		return s.answer(t, nil)
	case "flow":
		t := s.st.find(w.HandoffID, w.PeerNo)
		if t == nil {
			return outer.Reply{Class: outer.Absent, Message: "工单不存在"}
		}
		steps := t.Steps
		if _, ok := s.faults.standing(Silent); ok {
			steps = nil
		}
		return s.answer(t, steps)
	case "pull":
		return s.pull(w)
	case "upload":
		return s.upload(w)
	case "download":
		f := s.st.files[w.File.Ref]
		if f == nil {
			return outer.Reply{Class: outer.Absent}
		}
		return s.reply(&profile.Words{Content: string(f.content)})
	case "directory":
		s.mu.Lock()
		defer s.mu.Unlock()
		rep := outer.Reply{Class: outer.OK, Message: "成功"}
		for _, u := range s.units {
			rep.Items = append(rep.Items, s.node(&profile.Words{Unit: u.Code, Name: u.Name, Division: u.Division}))
		}
		return rep
	case "ping":
		return s.reply(&profile.Words{Time: s.now()})
	}
	return s.event(op, w)
}

func (s *Simulator) node(w *profile.Words) *outer.Node {
	n, err := w.Node(s.p)
	if err != nil {
		s.o.Log("cannot write: %v", err)
		return outer.NewObject()
	}
	return n
}

func (s *Simulator) reply(w *profile.Words) outer.Reply {
	return outer.Reply{Class: outer.OK, Values: s.node(w), Message: "成功"}
}

func (s *Simulator) answer(t *Ticket, steps []profile.Words) outer.Reply {
	w := &profile.Words{Number: t.Number, PeerNo: t.Number, HandoffID: t.HandoffID, Round: t.firstRound(), Time: t.Offer.Time, State: string(t.State),
		Payload: &ticket.Payload{PeerState: s.p.StateOut(t.State)}}
	rep := s.reply(w)
	for i := range steps {
		rep.Items = append(rep.Items, s.node(&steps[i]))
	}
	return rep
}

// firstRound is the round of the offer that made the ticket: a flow tells it from
// the beginning.
func (t *Ticket) firstRound() int { return max(t.Offer.Round, 1) }

func (s *Simulator) offer(w *profile.Words) outer.Reply {
	if t := s.st.byKey[key(w.HandoffID, w.Round)]; t != nil {
		if err := s.st.commit(&entry{Op: "repeat", Number: t.Number, At: s.now()}); err != nil {
			return outer.Reply{Class: outer.Retry}
		}
		rep := s.answer(t, nil)
		if s.p.Capabilities.DuplicateSignal == "code" {
			rep.Class, rep.Message = outer.Duplicate, "重复提交"
		}
		return rep
	}
	w.Time = s.now().Truncate(time.Second)
	number := s.st.newNumber(w.Time)
	if w.PreviousNo != "" && s.p.Capabilities.Redispatch && s.st.byNo[w.PreviousNo] != nil {
		number = w.PreviousNo // a returned ticket keeps its number
	}
	if err := s.st.commit(&entry{Op: "offer", Number: number, Words: w, At: w.Time}); err != nil {
		return outer.Reply{Class: outer.Retry}
	}
	t := s.st.byNo[number]
	dispatch := profile.Words{Code: s.p.CodeOf("offer"), At: w.Time, DispatchAt: w.Time, PeerNo: number, HandoffID: w.HandoffID, Round: t.Round, Unit: w.Unit, User: "sim"}
	if err := s.st.commit(&entry{Op: "step", Number: number, Words: &dispatch, At: w.Time}); err != nil {
		return outer.Reply{Class: outer.Retry}
	}
	if s.o.Auto {
		s.push.auto(number)
	}
	return s.answer(t, nil)
}

// verbOf finds which verb an operation tells.
func (s *Simulator) verbOf(op, code string) ticket.Verb {
	var by ticket.Verb
	for v, call := range s.p.Verbs {
		if call.Call != op {
			continue
		}
		if code == call.Code {
			return ticket.Verb(v)
		}
		by = ticket.Verb(v)
	}
	return by
}

// after is the state a verb of the node leaves a ticket in, as far as a hotline
// would show it.
var after = map[ticket.Verb]ticket.State{
	"accept": ticket.Accepted, "reject": ticket.Rejected, "first_contact": ticket.InProgress, "progress": ticket.InProgress, "return_request": ticket.ReturnRequested,
	"return_approve": ticket.Returned, "return_refuse": ticket.Accepted, "info_request": ticket.PendingInfo, "info_reply": ticket.InProgress,
	"suspend_grant": ticket.Suspended, "resume": ticket.InProgress, "result": ticket.ResultSubmitted, "result_refuse": ticket.InProgress,
	"result_accept": ticket.Resolved, "close": ticket.Closed, "reopen": ticket.Offered, "offer": ticket.Offered, "reoffer": ticket.Offered,
	"withdraw_agree": ticket.Withdrawn, "arbitrate_keep": ticket.Accepted, "arbitrate_return": ticket.Returned, "merge": ticket.Merged,
}

func (s *Simulator) event(op string, w *profile.Words) outer.Reply {
	t := s.st.find(w.HandoffID, w.PeerNo)
	if t == nil {
		return outer.Reply{Class: outer.Absent, Message: "没有此单"}
	}
	rep := s.reply(&profile.Words{Number: t.Number, HandoffID: t.HandoffID, EventID: w.EventID, Time: s.now()})
	if s.st.events[eventKey(w)] {
		if err := s.st.commit(&entry{Op: "echo", Number: t.Number, At: s.now()}); err != nil {
			return outer.Reply{Class: outer.Retry}
		}
		if s.p.Capabilities.DuplicateSignal == "code" {
			rep.Class, rep.Message = outer.Duplicate, "重复"
		}
		return rep
	}
	verb := s.verbOf(op, w.Code)
	w.Name = string(verb) // kept beside their code, for who reads the journal
	if err := s.st.commit(&entry{Op: "event", Number: t.Number, Verb: verb, State: after[verb], Words: w, At: s.now()}); err != nil {
		return outer.Reply{Class: outer.Retry}
	}
	return rep
}

func (s *Simulator) pull(w *profile.Words) outer.Reply {
	from, _ := strconv.Atoi(w.Cursor)
	from = min(max(from, 0), len(s.st.news))
	limit := min(max(w.Limit, 1), 200)
	to := min(from+limit, len(s.st.news))
	if _, ok := s.faults.standing(Silent); ok {
		to = from
	}
	rep := s.reply(&profile.Words{Cursor: strconv.Itoa(to), More: to < len(s.st.news)})
	for i := from; i < to; i++ {
		rep.Items = append(rep.Items, s.node(&s.st.news[i]))
	}
	return rep
}

func (s *Simulator) upload(w *profile.Words) outer.Reply {
	id := "F-" + w.Key
	if w.File != nil {
		id = "F-" + cmp.Or(w.File.ID, w.File.Name)
	}
	if w.Size == 0 {
		w.Size = int64(len(w.Content))
	}
	content := []byte(w.Content)
	c := *w
	c.Content = ""
	if err := s.st.commit(&entry{Op: "piece", Number: id, Words: &c, Content: content, At: s.now()}); err != nil {
		return outer.Reply{Class: outer.Retry}
	}
	f := s.st.files[id]
	out := &profile.Words{To: f.Size - 1}
	if f.Size >= w.Size {
		out.Number = id
	}
	return s.reply(out)
}

// File is what the node uploaded under a number.
func (s *Simulator) File(number string) ([]byte, bool) {
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	f := s.st.files[number]
	if f == nil {
		return nil, false
	}
	return slices.Clone(f.content), true
}

// Tickets are copies of all tickets, in the order they came.
func (s *Simulator) Tickets() []Ticket {
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	var out []Ticket
	for _, t := range s.st.tickets {
		c := *t
		c.Received, c.Steps = slices.Clone(t.Received), slices.Clone(t.Steps)
		out = append(out, c)
	}
	return out
}

// Seen counts the requests of an operation that passed every check.
func (s *Simulator) Seen(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[op]
}

// SetFaults replaces all faults.
func (s *Simulator) SetFaults(list ...Fault) { s.faults.set(list) }

// AddFault adds one.
func (s *Simulator) AddFault(f Fault) { s.faults.add(f) }

// SetUnits replaces the directory.
func (s *Simulator) SetUnits(units []ticket.Unit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.units = units
}

// admin routes what tests and operators tell the simulator.
func (s *Simulator) admin() {
	s.mux = http.NewServeMux()
	write := func(w http.ResponseWriter, v any, err error) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			v = map[string]string{"error": err.Error()}
		}
		json.NewEncoder(w).Encode(v)
	}
	body := func(r *http.Request, v any) error {
		data, err := io.ReadAll(io.LimitReader(r.Body, ticket.MaxJSON+1))
		if err != nil {
			return err
		}
		return ticket.Decode(data, v)
	}
	s.mux.HandleFunc("GET /sim/tickets", func(w http.ResponseWriter, r *http.Request) { write(w, s.Tickets(), nil) })
	s.mux.HandleFunc("GET /sim/faults", func(w http.ResponseWriter, r *http.Request) {
		s.faults.mu.Lock()
		defer s.faults.mu.Unlock()
		write(w, s.faults.list, nil)
	})
	s.mux.HandleFunc("PUT /sim/faults", func(w http.ResponseWriter, r *http.Request) {
		var list []Fault
		err := body(r, &list)
		for _, f := range list {
			if !slices.Contains(Kinds, f.Kind) {
				err = fmt.Errorf("fault %q; there are %s", f.Kind, strings.Join(Kinds, ", "))
			}
		}
		if err == nil {
			s.SetFaults(list...)
		}
		write(w, list, err)
	})
	s.mux.HandleFunc("POST /sim/act", func(w http.ResponseWriter, r *http.Request) {
		var a Act
		err := body(r, &a)
		var p Pushed
		if err == nil {
			p, err = s.Act(r.Context(), a)
		}
		write(w, p, err)
	})
	s.mux.HandleFunc("POST /sim/ticket", func(w http.ResponseWriter, r *http.Request) {
		var o profile.Words
		err := body(r, &o)
		var p Pushed
		if err == nil {
			p, err = s.Offer(r.Context(), o)
		}
		write(w, p, err)
	})
}

// BaseURL is where the simulator listens, "" where [New] made it.
func (s *Simulator) BaseURL() string { return s.at }
