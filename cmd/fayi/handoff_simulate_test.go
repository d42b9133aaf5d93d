//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/simulator"
	"fayi/adapters/hotline/ticket"
)

// program is this test binary under the name of the program, which it then is.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "fayi")
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// simulate starts the simulator as a process and returns its address.
func simulate(t *testing.T, bin string, args ...string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(bin, append([]string{"handoff", "simulate", "-json"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	var ready struct{ Listen string }
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&ready); err != nil {
		t.Fatal(err)
	}
	return cmd, ready.Listen
}

// TestSimulatorKeepsWhatItAnswered: a peer killed at any moment still has each
// ticket it acknowledged, once, under the number it gave.
func TestSimulatorKeepsWhatItAnswered(t *testing.T) {
	t.Parallel()
	bin, dir := program(t), t.TempDir()
	state := filepath.Join(dir, "sim.journal")
	numbers := map[string]string{}
	offer := func(url, id string) ticket.Outcome {
		p, err := profile.Load("hotline-a@1")
		if err != nil {
			t.Fatal(err)
		}
		if p, err = p.At(url, ""); err != nil {
			t.Fatal(err)
		}
		peer, err := profile.Open(p, profile.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		o := profile.SampleOffer("QZ", 3, 0, ticket.Time(time.Now()))
		o.HandoffID, o.Key = id, id+"#1#1"
		return peer.Offer(ctx, o)
	}
	ids := []string{"HO-610800-20260929-000001", "HO-610800-20260929-000002", "HO-610800-20260929-000003", "HO-610800-20260929-000004"}
	for i, id := range ids {
		cmd, url := simulate(t, bin, "hotline-a@1", "-listen", "127.0.0.1:0", "-state", state, "-secrets", dir)
		if i == 2 { // the answer is lost with the connection, the ticket is not
			r, _ := http.NewRequest(http.MethodPut, url+"/sim/faults", strings.NewReader(`[{"kind":"timeout_after","op":"offer","count":1}]`))
			if resp, err := http.DefaultClient.Do(r); err != nil || resp.StatusCode != 200 {
				t.Fatal(err)
			}
		}
		out := offer(url, id)
		switch {
		case i == 2 && out.Class != ticket.Unknown, i != 2 && out.Class != ticket.Delivered:
			t.Fatalf("%d: %+v", i, out)
		}
		numbers[id] = out.Number
		cmd.Process.Kill() // SIGKILL
		cmd.Wait()
	}
	// A line cut short by the crash was never answered.
	f, err := os.OpenFile(state, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, `{"op":"offer","number":"YL12345-2026`)
	f.Close()
	_, url := simulate(t, bin, "hotline-a@1", "-listen", "127.0.0.1:0", "-state", state, "-secrets", dir)
	for _, id := range ids {
		out := offer(url, id)
		if out.Class != ticket.Duplicate || numbers[id] != "" && out.Number != numbers[id] {
			t.Errorf("%s: %+v, was %s", id, out, numbers[id])
		}
	}
	resp, err := http.Get(url + "/sim/tickets")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var kept []simulator.Ticket
	if err := json.NewDecoder(resp.Body).Decode(&kept); err != nil || len(kept) != len(ids) {
		t.Errorf("%d tickets, %v", len(kept), err)
	}
}

// freePort is a port nobody listens on now.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// TestServeMeetsASimulatedHotline: a node and a hotline as two processes; a matter
// handed in at the command line travels, and its result comes back.
func TestServeMeetsASimulatedHotline(t *testing.T) {
	t.Parallel()
	bin, dir := program(t), t.TempDir()
	run := func(args ...string) string {
		cmd := exec.Command(bin, args...)
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, errs.String())
		}
		return out.String()
	}
	conf := filepath.Join(dir, "yl", "fayi.yaml")
	run("init", "-node", "610800", "-name", "榆林", "-listen", freePort(t), filepath.Dir(conf))
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	ours := freePort(t)
	data, err := profile.Source("hotline-a@1")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "a.yaml")
	write := func(theirs string) {
		s := strings.NewReplacer("http://127.0.0.1:9451", theirs, "127.0.0.1:9450", ours).Replace(string(data))
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("http://127.0.0.1:9451")
	_, url := simulate(t, bin, file, "-listen", "127.0.0.1:0", "-secrets", filepath.Dir(conf), "-auto")
	write(url)
	local := localAddr.ReplaceAllString(string(text), "local: "+freePort(t))
	section := "\nhandoff: {party: HOTLINE_12348_610800, division: \"610800\", listen: \"" + ours + "\", profiles: [\"" + file + "\"]}\n"
	if err := os.WriteFile(conf, []byte(local+section), 0o600); err != nil {
		t.Fatal(err)
	}
	serve := exec.Command(bin, "serve", "-c", conf, "-json")
	out, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { serve.Process.Kill(); serve.Wait() })
	var ready struct{ Ready bool }
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&ready); err != nil || !ready.Ready {
		t.Fatal(err)
	}
	kase := filepath.Join(dir, "case.json")
	os.WriteFile(kase, []byte(`{"ticketNo":"YL-1","appeal":{"appealType":"QZ","classCode":"0101","title":"欠薪","content":"工地欠薪","contentOverflow":false,"placeDivision":"610802","receivedAt":"`+
		time.Now().Add(-time.Minute).Format(time.RFC3339)+`","channel":"phone","urgency":3,"dangerFlag":"none","inProcedure":"none"},"citizen":{"citizenRef":"c1","anonymous":false,"secrecy":0,"name":"王某某","phone":"15400000017","consent":{"given":true}}}`), 0o600)
	run("handoff", "offer", "-c", conf, "HOTLINE_12345_610800", kase)
	deadline := time.After(2 * time.Minute)
	for !strings.Contains(run("handoff", "list", "-c", conf, "-json"), `"RESULT_SUBMITTED"`) {
		select {
		case <-deadline:
			t.Fatal(run("handoff", "list", "-c", conf))
		case <-time.After(200 * time.Millisecond):
		}
	}
	resp, err := http.Get(url + "/sim/tickets")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var theirs []simulator.Ticket
	if err := json.NewDecoder(resp.Body).Decode(&theirs); err != nil || len(theirs) != 1 || theirs[0].Offers != 1 || theirs[0].Offer.Citizen.Name != "王某某" {
		t.Errorf("%+v %v", theirs, err)
	}
}

var localAddr = regexp.MustCompile(`local: "?[0-9.]+:[0-9]+"?`)
