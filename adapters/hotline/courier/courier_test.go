package courier_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fayi/adapters/hotline/courier"
	"fayi/adapters/hotline/desk"
	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/store"
	"fayi/outbox"
)

const (
	self  = "HOTLINE_12348_610800"
	party = "HOTLINE_12345_610800"
)

// board is a peer in memory that keeps what it is told and answers as a test decides. It stores before it answers badly,
// as a peer does whose answer is lost.
type board struct {
	mu      sync.Mutex
	tickets map[string]string   // key → number
	events  map[string][]string // hand-off → verbs in the order stored
	order   []string            // hand-offs in the order offered
	twice   int                 // the same round stored under two numbers
	fate    func(kind string) ticket.Class
	resend  bool
	query   bool
}

func newBoard() *board {
	return &board{tickets: map[string]string{}, events: map[string][]string{}, query: true, fate: func(string) ticket.Class { return ticket.Delivered }}
}

func (b *board) About() ticket.About {
	verbs := []ticket.Verb{}
	for _, c := range ticket.Codes("verb") {
		verbs = append(verbs, ticket.Verb(c.Code))
	}
	return ticket.About{Profile: "board@1", Party: party, Kind: "HOTLINE_12345",
		Can:    ticket.Capabilities{QueryBySourceID: b.query, Resend: b.resend, ReturnMode: "approval", Reopen: "same", Redispatch: true, Verbs: verbs},
		Policy: ticket.Policy{Rate: 1e6, BreakerAfter: 3, RetrySchedule: []time.Duration{time.Second}}}
}

func (b *board) Offer(_ context.Context, o ticket.Offer) ticket.Outcome {
	b.mu.Lock()
	defer b.mu.Unlock()
	fate := b.fate("offer")
	if fate == ticket.Retry || fate == ticket.Permanent || fate == ticket.AuthFail {
		return ticket.Outcome{Class: fate}
	}
	if fate == "lost" { // nothing arrived, and nobody knows
		return ticket.Outcome{Class: ticket.Unknown}
	}
	id := fmt.Sprintf("%s#%d", o.HandoffID, o.Round)
	no, had := b.tickets[id]
	if !had {
		no = fmt.Sprintf("YL-%04d", len(b.tickets)+1)
		b.tickets[id] = no
		b.order = append(b.order, o.HandoffID)
	} else if !b.resend {
		b.twice++
	}
	if fate == ticket.Unknown {
		return ticket.Outcome{Class: ticket.Unknown}
	}
	if had {
		return ticket.Outcome{Class: ticket.Duplicate, Number: no}
	}
	return ticket.Outcome{Class: ticket.Delivered, Number: no}
}

func (b *board) Send(_ context.Context, m ticket.Message) ticket.Outcome {
	b.mu.Lock()
	defer b.mu.Unlock()
	fate := b.fate("event")
	if fate != ticket.Delivered && fate != ticket.Unknown {
		if fate == "lost" {
			fate = ticket.Unknown
		}
		return ticket.Outcome{Class: fate}
	}
	if stored := b.events[m.Event.HandoffID]; !slices.Contains(stored, m.Key) {
		b.events[m.Event.HandoffID] = append(stored, m.Key)
	}
	return ticket.Outcome{Class: fate}
}

func (b *board) Query(_ context.Context, r ticket.Ref) ticket.Outcome {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.query {
		return ticket.Outcome{Class: ticket.Unable}
	}
	if b.fate("query") != ticket.Delivered {
		return ticket.Outcome{Class: ticket.Unknown}
	}
	if no, ok := b.tickets[fmt.Sprintf("%s#%d", r.HandoffID, r.Round)]; ok {
		return ticket.Outcome{Class: ticket.Found, Number: no}
	}
	return ticket.Outcome{Class: ticket.Absent}
}

func (b *board) Pull(context.Context, string, []ticket.Ref) (ticket.Batch, ticket.Outcome) {
	return ticket.Batch{}, ticket.Outcome{Class: ticket.Unable}
}
func (b *board) Upload(context.Context, ticket.Attachment, io.ReaderAt, int64) (int64, ticket.Outcome) {
	return 0, ticket.Outcome{Class: ticket.Unable}
}
func (b *board) Fetch(context.Context, ticket.Attachment, int64, int64, io.Writer) ticket.Outcome {
	return ticket.Outcome{Class: ticket.Unable}
}
func (b *board) Directory(context.Context) ([]ticket.Unit, ticket.Outcome) {
	return nil, ticket.Outcome{Class: ticket.Unable}
}
func (b *board) Ping(context.Context) ticket.Outcome  { return ticket.Outcome{Class: ticket.Unable} }
func (b *board) Handler(ticket.Receiver) http.Handler { return nil }

type world struct {
	now   time.Time
	desk  *desk.Desk
	peer  *board
	c     *courier.Courier
	store *store.Store
}

func newWorld(t testing.TB, path string, b *board) *world {
	t.Helper()
	st, err := store.Open(t.Context(), outbox.SQLite, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	if _, err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := &world{now: time.Date(2026, 9, 29, 16, 40, 0, 0, ticket.Shanghai), peer: b, store: st}
	w.open()
	return w
}

// open starts the program on the database, as after a crash.
func (w *world) open() {
	w.desk = desk.New(desk.Config{Self: self, Division: "610800", Ledger: ledger.New(w.store, nil), Peers: []ticket.About{w.peer.About()}, Now: func() time.Time { return w.now }})
	w.c = courier.New(w.desk, slog.New(slog.DiscardHandler), w.peer)
}

func (w *world) kase(n, urgency int) ticket.Case {
	return ticket.Case{TicketNo: fmt.Sprintf("T%d", n), Appeal: ticket.Appeal{AppealType: "QZ", ClassCode: "0101", Title: "工地拖欠工资求助", Content: "三个月未发工资", Division: "610802",
		ReceivedAt: w.now.Add(-time.Duration(n) * time.Minute), Channel: "phone", Urgency: urgency, UrgencyBy: "u1", Danger: "none", InProcedure: "none"},
		Citizen: ticket.Citizen{Ref: fmt.Sprint("c", n), Name: "王某", Phone: fmt.Sprintf("154%08d", n), Consent: &ticket.Consent{Given: true}}}
}

func (w *world) offer(t rapid.TB, n, urgency int) string {
	t.Helper()
	o, err := w.desk.Offer(context.Background(), desk.NewOffer{Case: w.kase(n, urgency), Peer: party, User: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	return o.HandoffID
}

func (w *world) send(t rapid.TB) int {
	t.Helper()
	n, err := w.c.Send(context.Background(), false)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (w *world) get(t rapid.TB, id string) ledger.Row {
	t.Helper()
	r, err := w.desk.Ledger().Get(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Whatever becomes of single messages, in the end the peer has every offer exactly once and every event in order.
func TestNothingIsLostOrDoubled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	w := newWorld(t, path, newBoard())
	rapid.Check(t, func(rt *rapid.T) {
		b := newBoard()
		b.query = rapid.Bool().Draw(rt, "query")
		b.resend = !b.query
		fates := []ticket.Class{ticket.Delivered, ticket.Delivered, ticket.Unknown, ticket.Retry, "lost"}
		b.fate = func(kind string) ticket.Class { return rapid.SampledFrom(fates).Draw(rt, kind) }
		w.peer = b
		w.open()
		var ids []string
		for i := range rapid.IntRange(1, 3).Draw(rt, "offers") {
			ids = append(ids, w.offer(rt, i+1, rapid.IntRange(2, 3).Draw(rt, "urgency")))
		}
		for range 3 {
			w.send(rt)
			w.now = w.now.Add(2 * time.Second)
			if rapid.Bool().Draw(rt, "crash") {
				w.crash(rt)
			}
		}
		b.fate = func(string) ticket.Class { return ticket.Delivered }
		for range 20 {
			w.now = w.now.Add(2 * time.Minute)
			w.send(rt)
			for _, id := range ids { // a person telephones about what cannot be found out otherwise
				if w.get(rt, id).State == ticket.Dead {
					if b.query {
						rt.Fatalf("%s needs a person though the peer can be asked", id)
					}
					if err := w.desk.Confirm(context.Background(), id, "u1", b.tickets[id+"#1"]); err != nil {
						rt.Fatal(err)
					}
				}
			}
		}
		for _, id := range ids {
			row := w.get(rt, id)
			if row.State != ticket.Offered || row.PeerNo == "" || row.PeerNo != b.tickets[id+"#1"] {
				rt.Fatalf("%s is %s with number %q, the peer has %q", id, row.State, row.PeerNo, b.tickets[id+"#1"])
			}
			if err := w.desk.Ledger().Verify(context.Background(), id); err != nil {
				rt.Fatal(err)
			}
		}
		if len(b.tickets) != len(ids) || b.twice > 0 {
			rt.Fatalf("%d tickets for %d offers, %d doubled", len(b.tickets), len(ids), b.twice)
		}
	})
}

// crash leaves one message marked as being sent, as a process does that dies between the mark and the answer, and starts
// again.
func (w *world) crash(t rapid.TB) {
	ctx := context.Background()
	list, err := w.desk.Ledger().Ready(ctx, party, ledger.Queued, false, w.now, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if ok, err := w.desk.Ledger().Claim(ctx, &d, w.now); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if d.Offer != nil && d.Attempts%2 == 0 {
			w.peer.Offer(ctx, *d.Offer)
		}
	}
	w.open()
	if _, err := w.desk.Ledger().Doubt(ctx, party, w.now); err != nil {
		t.Fatal(err)
	}
}

func TestUrgentFirstAndPoisonAlone(t *testing.T) {
	b := newBoard()
	w := newWorld(t, filepath.Join(t.TempDir(), "x"), b)
	slow := w.offer(t, 1, 3)
	poison := w.offer(t, 2, 3)
	urgent := w.offer(t, 3, 2)
	b.fate = func(kind string) ticket.Class {
		if len(b.order) == 2 && kind == "offer" { // the third in turn
			b.fate = func(string) ticket.Class { return ticket.Delivered }
			return ticket.Permanent
		}
		return ticket.Delivered
	}
	w.send(t)
	if !slices.Equal(b.order, []string{urgent, slow}) {
		t.Errorf("order %v", b.order)
	}
	if s := w.get(t, poison).State; s != ticket.Dead {
		t.Errorf("the poisonous one is %s", s)
	}
	tasks, err := w.desk.Ledger().Tasks(t.Context(), "dead_offer")
	if err != nil || len(tasks) != 1 || tasks[0].Handoff != poison {
		t.Errorf("tasks %+v %v", tasks, err)
	}
	if err := w.desk.Replay(t.Context(), poison, "u1", nil); err != nil {
		t.Fatal(err)
	}
	w.send(t)
	if s := w.get(t, poison).State; s != ticket.Offered {
		t.Errorf("after the replay it is %s", s)
	}
}

func TestTheBreakerOpensAndProbes(t *testing.T) {
	b := newBoard()
	w := newWorld(t, filepath.Join(t.TempDir(), "x"), b)
	tries := 0
	b.fate = func(string) ticket.Class { tries++; return ticket.Retry }
	for i := range 10 {
		w.offer(t, i+1, 3)
	}
	w.send(t)
	if tries != 3 {
		t.Errorf("%d attempts before the breaker opened, want 3", tries)
	}
	w.now = w.now.Add(59 * time.Second)
	if w.send(t); tries != 3 {
		t.Errorf("%d attempts while it cools", tries)
	}
	w.now = w.now.Add(2 * time.Second)
	if w.send(t); tries != 4 {
		t.Errorf("%d attempts, want one probe", tries)
	}
	w.now = w.now.Add(2 * time.Minute)
	b.fate = func(string) ticket.Class { return ticket.Delivered }
	if w.send(t); len(b.tickets) != 10 {
		t.Errorf("%d delivered after it recovered", len(b.tickets))
	}
}

func TestAuthIsTriedOnceMoreThenStops(t *testing.T) {
	b := newBoard()
	w := newWorld(t, filepath.Join(t.TempDir(), "x"), b)
	tries := 0
	b.fate = func(string) ticket.Class { tries++; return ticket.AuthFail }
	for i := range 5 {
		w.offer(t, i+1, 3)
	}
	w.send(t)
	tasks, _ := w.desk.Ledger().Tasks(t.Context(), "auth")
	if tries != 2 || len(tasks) != 1 {
		t.Errorf("%d attempts, %d alarms", tries, len(tasks))
	}
}
