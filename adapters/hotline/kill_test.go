package hotline_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fayi/adapters/hotline"
	"fayi/adapters/hotline/desk"
	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/machine"
	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/simulator"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/outbox/mariadbtest"
)

// nodeSpec is what the killed process is told in its environment.
type nodeSpec struct {
	DSN, Profile, Dir, Listen string
	Matters                   int
}

const nodeEnv = "FAYI_HANDOFF_NODE"

func TestMain(m *testing.M) {
	if spec := os.Getenv(nodeEnv); spec != "" {
		if err := runNode(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runNode is a bureau at work until it is killed: it offers matters, serves callbacks and does what its people do.
func runNode(text string) error {
	var spec nodeSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return err
	}
	ctx := context.Background()
	st, err := store.Open(ctx, outbox.MySQL, spec.DSN)
	if err != nil {
		return err
	}
	p, err := profile.Load(spec.Profile)
	if err != nil {
		return err
	}
	peer, err := profile.Open(p, profile.Options{Dir: spec.Dir})
	if err != nil {
		return err
	}
	svc := hotline.New(hotline.Config{Self: self, Division: "610800", Store: st, Peers: []ticket.Peer{peer},
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	ln, err := net.Listen("tcp", spec.Listen)
	if err != nil {
		return err
	}
	go http.Serve(ln, svc.Handler())
	go svc.Run(ctx)
	fmt.Println("ready")
	for i := range spec.Matters {
		if err := offerOnce(ctx, svc, i); err != nil {
			return err
		}
	}
	for {
		if err := carryOn(ctx, svc); err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond) // the people of a bureau look again
	}
}

// offerOnce offers matter i unless it was offered before.
func offerOnce(ctx context.Context, svc *hotline.Service, i int) error {
	id := fmt.Sprintf("matter-%d", i)
	had, err := svc.Desk.Ledger().Find(ctx, ledger.Filter{CaseID: id})
	if err != nil || len(had) > 0 {
		return err
	}
	c := ticket.Case{ID: id, TicketNo: id, Appeal: ticket.Appeal{AppealType: "QZ", ClassCode: "0101", Title: "工地拖欠工资求助", Content: "三个月未发工资", Division: "610802",
		ReceivedAt: time.Now(), Channel: "phone", Urgency: 2 + i%2, Danger: "none", InProcedure: "none"},
		Citizen: ticket.Citizen{Ref: id, Name: "王某某", Phone: fmt.Sprintf("154%08d", i), Consent: &ticket.Consent{Given: true}}}
	_, err = svc.Desk.Offer(ctx, desk.NewOffer{Case: c, Peer: partyA, User: "agent1"})
	return err
}

// carryOn accepts results, calls back and closes.
func carryOn(ctx context.Context, svc *hotline.Service) error {
	rows, err := svc.Desk.Ledger().Find(ctx, ledger.Filter{States: []ticket.State{ticket.ResultSubmitted, ticket.Resolved}})
	if err != nil {
		return err
	}
	for _, r := range rows {
		a := desk.Act{Verb: "result_accept", User: "agent1"}
		if r.State == ticket.Resolved {
			a.Verb = "close"
		}
		if _, err := svc.Desk.Act(ctx, r.ID, a); err != nil {
			if _, ok := desk.AsRefusal(err); !ok {
				return err
			}
		}
	}
	return nil
}

// The bureau's process is killed with SIGKILL at random points while matters go out, come back done and are closed. In
// the end the peer has every matter exactly once, every chain is whole, and at each event there was exactly one owner.
// FAYI_LONG=1: a hundred kills.
func TestKillDuringHandoffs(t *testing.T) {
	t.Parallel()
	kills, matters := 12, 30
	if os.Getenv("FAYI_LONG") == "1" {
		kills, matters = 100, 250
	}
	dir := t.TempDir()
	dsn := mariadbtest.Start(t).Database(t)
	st, err := store.Open(t.Context(), outbox.MySQL, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if _, err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"hotline-a.key", "hotline-a-callback.key"} {
		if err := os.MkdirAll(filepath.Join(dir, "secrets"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "secrets", f), []byte("secret of "+f), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listen := freeAddress(t)
	p, err := profile.Load("hotline-a@1")
	if err != nil {
		t.Fatal(err)
	}
	sim, _, err := simulator.Listen(p, "127.0.0.1:0", simulator.Options{Dir: dir, State: filepath.Join(dir, "journal"), Callback: "http://" + listen, Auto: true})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	place := filepath.Join(dir, "profile.yaml")
	text, err := profile.Source("hotline-a@1")
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.NewReplacer("http://127.0.0.1:9451", sim.BaseURL(), "http://127.0.0.1:9450", "http://"+listen, "[5s, 30s, 2m,", "[200ms, 500ms, 1s,", "rate: 20", "rate: 500").Replace(string(text)))
	if err := os.WriteFile(place, text, 0o600); err != nil {
		t.Fatal(err)
	}
	spec, _ := json.Marshal(nodeSpec{DSN: dsn, Profile: place, Dir: dir, Listen: listen, Matters: matters})

	rng := rand.New(rand.NewPCG(uint64(kills), 7))
	// Answers come drop by drop, so that nearly every kill meets a message whose fate the dead process did not learn.
	sim.SetFaults(simulator.Fault{Kind: simulator.SlowDrip, Value: 10})
	for range kills {
		n := startNode(t, string(spec))
		time.Sleep(time.Duration(50+rng.IntN(900)) * time.Millisecond) // the point of the kill is what is random here
		n.kill(t)
	}
	sim.SetFaults()
	last := startNode(t, string(spec))
	defer last.kill(t)
	l := ledger.New(st, nil)
	deadline := time.Now().Add(3 * time.Minute)
	for {
		rows, err := l.Find(t.Context(), ledger.Filter{Limit: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		for _, r := range rows {
			if r.State == ticket.Closed {
				done++
			}
		}
		if done == matters {
			break
		}
		if time.Now().After(deadline) {
			states := map[ticket.State]int{}
			for _, r := range rows {
				states[r.State]++
			}
			t.Fatalf("not all closed: %v", states)
		}
		time.Sleep(100 * time.Millisecond)
	}

	seen := map[string]int{}
	for _, x := range sim.Tickets() {
		seen[x.HandoffID]++
	}
	rows, _ := l.Find(t.Context(), ledger.Filter{Limit: 10_000})
	if len(rows) != matters || len(seen) != matters || len(sim.Tickets()) != matters {
		t.Errorf("%d matters, %d hand-offs, %d tickets of %d hand-offs at the peer", matters, len(rows), len(sim.Tickets()), len(seen))
	}
	for _, r := range rows {
		if seen[r.ID] != 1 {
			t.Errorf("the peer has %s %d times", r.ID, seen[r.ID])
		}
		if err := l.Verify(t.Context(), r.ID); err != nil {
			t.Error(err)
		}
		owned(t, l, r)
	}
	doubts := sim.Seen("query") // each is a message whose fate a dead process did not learn
	t.Logf("%d kills met %d messages under way", kills, doubts)
	if doubts < kills/3 {
		t.Errorf("%d kills met only %d messages under way: the test shows nothing", kills, doubts)
	}
}

// owned walks the events of a hand-off: at each there is exactly one owner, and it changes by the table only.
func owned(t *testing.T, l *ledger.Ledger, r ledger.Row) {
	t.Helper()
	events, err := l.Events(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	owner, state := self, ticket.Draft
	for _, e := range events {
		if e.From != state {
			t.Errorf("%s: %s begins in %s after %s", r.ID, e.Verb, e.From, state)
		}
		if e.From != e.To {
			owner = machine.Owner(e.Verb, owner, r.Origin, r.Target, e.Payload.Party)
		}
		if e.Owner != owner {
			t.Errorf("%s: after %s the owner is %q, want %q", r.ID, e.Verb, e.Owner, owner)
		}
		state = e.To
	}
	if r.Owner != owner || r.State != state {
		t.Errorf("%s: the row says %s in %s, the events %s in %s", r.ID, r.Owner, r.State, owner, state)
	}
}

type process struct{ cmd *exec.Cmd }

func startNode(t *testing.T, spec string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), nodeEnv+"="+spec)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "ready\n" {
		cmd.Process.Kill()
		cmd.Wait()
		t.Fatalf("the node said %q, %v", line, err)
	}
	return &process{cmd}
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if p.cmd.ProcessState == nil {
		p.cmd.Process.Kill() // SIGKILL
		p.cmd.Wait()
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
