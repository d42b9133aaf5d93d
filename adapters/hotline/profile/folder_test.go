package profile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/simulator"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/outer"
)

// TestFilesThroughAnAirGap: a party that is reached by files only. What is left is
// taken once, comes again until the desk has kept it, and is never lost.
func TestFilesThroughAnAirGap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text, err := os.ReadFile("testdata/folder@1.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.Parse("folder@1", []byte(strings.ReplaceAll(string(text), "/DROP", filepath.ToSlash(dir))))
	if err != nil {
		t.Fatal(err)
	}
	keys, back := outer.NewKeys(""), outer.NewKeys("", "k")
	peer, err := profile.Open(p, profile.Options{Keys: keys, BackKey: back})
	if err != nil {
		t.Fatal(err)
	}
	o := profile.SampleOffer("QZ", 3, 0, at)
	o.Citizen.Name = "吴𠮷"
	for i := range 2 { // the second finds the first
		if out := peer.Offer(t.Context(), o); out.Class != ticket.Delivered {
			t.Fatalf("%d: %+v", i, out)
		}
	}
	files, err := os.ReadDir(filepath.Join(dir, "out", "ticket"))
	if err != nil || len(files) != 1 || !strings.HasSuffix(files[0].Name(), ".xml") {
		t.Fatal(files, err)
	}
	sim, err := simulator.New(p, simulator.Options{Keys: keys, BackKeys: back, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	deadline := time.After(20 * time.Second)
	for len(sim.Tickets()) == 0 {
		select {
		case <-deadline:
			t.Fatal("not taken")
		case <-time.After(10 * time.Millisecond):
		}
	}
	if tk := sim.Tickets(); len(tk) != 1 || tk[0].Offer.Citizen.Name != "吴𠮷" || tk[0].HandoffID != o.HandoffID {
		t.Fatalf("%+v", tk)
	}
	if out := peer.Offer(t.Context(), o); out.Class != ticket.Delivered || len(sim.Tickets()) != 1 {
		t.Errorf("%+v", out)
	}
	// News comes as files, signed inside.
	act := func(v ticket.Verb, text string) {
		if got, err := sim.Act(t.Context(), simulator.Act{Handoff: o.HandoffID, Verb: v, Payload: &ticket.Payload{Text: text}}); err != nil || got.Class != outer.OK {
			t.Fatalf("%+v %v", got, err)
		}
	}
	act("accept", "签收")
	act("progress", "已到现场，𠮷")
	in := filepath.Join(dir, "in", "step")
	os.WriteFile(filepath.Join(in, "half.xml.part"), []byte("<File>"), 0o600)
	first, out := peer.Pull(t.Context(), "", nil)
	if out.Class != ticket.Delivered || len(first.In) != 2 || first.In[0].Verb != "accept" || first.In[1].Payload.Text != "已到现场，𠮷" || first.In[0].HandoffID != o.HandoffID {
		t.Fatalf("%+v %+v", first, out)
	}
	act("note", "第三条")
	again, _ := peer.Pull(t.Context(), "", nil) // the desk was killed before it kept the cursor
	if len(again.In) != 2 || again.In[0].EventID != first.In[0].EventID || again.Cursor != first.Cursor {
		t.Fatalf("%+v", again)
	}
	next, _ := peer.Pull(t.Context(), first.Cursor, nil)
	if len(next.In) != 1 || next.In[0].Payload.Text != "第三条" {
		t.Fatalf("%+v", next)
	}
	if done, err := os.ReadDir(filepath.Join(in, "done")); err != nil || len(done) != 2 {
		t.Error(done, err)
	}
	// Bad files: quarantined, the rest goes on.
	os.WriteFile(filepath.Join(in, "0-bomb.xml"), []byte("<!DOCTYPE x><x/>"), 0o600)
	os.WriteFile(filepath.Join(in, "1-huge.xml"), make([]byte, 2<<20), 0o600)
	forged := `<File><Data>&lt;Step id="` + o.HandoffID + `" act="9"&gt;&lt;/Step&gt;</Data><Sign>00</Sign></File>`
	os.WriteFile(filepath.Join(in, "10-forged.xml"), []byte(forged), 0o600)
	act("result", "办结")
	bad, _ := peer.Pull(t.Context(), next.Cursor, nil)
	if len(bad.In) != 4 {
		t.Fatalf("%+v", bad.In)
	}
	for _, i := range bad.In[:3] {
		if len(i.Faults) != 1 || i.Verb != "" || len(i.Raw) == 0 {
			t.Errorf("%+v", i)
		}
	}
	if bad.In[3].Verb != "result" {
		t.Errorf("%+v", bad.In[3])
	}
	if none, _ := peer.Pull(t.Context(), bad.Cursor, nil); len(none.In) != 0 || none.Cursor != bad.Cursor {
		t.Errorf("%+v", none)
	}
	if peer.Handler(nil) != nil {
		t.Error("files have a handler")
	}
}
