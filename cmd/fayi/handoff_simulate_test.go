//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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
