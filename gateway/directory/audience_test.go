package directory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fayi/crypto/sign"
	"fayi/gateway/directory"

	"pgregory.net/rapid"
)

// federation is every node's view of one tree.
type federation struct {
	ids   []string
	views map[string]*directory.Directory
}

// grow makes a tree: parents by index, carriers by index, ids as given.
func grow(t testing.TB, ids []string, parents []int, carrier func(i int) bool) *federation {
	f := &federation{ids: ids, views: map[string]*directory.Directory{}}
	parties := make([]*party, len(ids))
	var entries []sign.SignedEntry
	for i, id := range ids {
		role := "city"
		if carrier(i) {
			role = "carrier"
		}
		var parent *party
		if i > 0 {
			parent = parties[parents[i]]
		}
		parties[i] = newParty(t, id, parent, role, "")
		entries = append(entries, parties[i].vouched(t))
	}
	for _, id := range ids {
		d := directory.New(id)
		if err := d.Pin(entries[0]); err != nil {
			t.Fatal(err)
		}
		for _, se := range entries[1:] {
			if _, err := d.Learn(se); err != nil {
				t.Fatal(err)
			}
		}
		f.views[id] = d
	}
	return f
}

// TestAudiences is the table of who reads and who carries on a tree of three
// tiers with a carrier province. In brackets: carries without reading.
func TestAudiences(t *testing.T) {
	//            100000
	//     610000       gd (a carrier)      330000
	//  610800 610600   440100 440300       330100
	ids := []string{"100000", "610000", "gd", "330000", "610800", "610600", "440100", "440300", "330100"}
	f := grow(t, ids, []int{-1, 0, 0, 0, 1, 1, 2, 2, 3}, func(i int) bool { return ids[i] == "gd" })
	for _, c := range []struct{ stream, want string }{
		{"610800/lawyer/upstream", "610800 610000 100000"},
		{"610000/lawyer/upstream", "610000 100000"},
		{"100000/lawyer/upstream", "100000"},
		{"440100/lawyer/upstream", "440100 (gd) 100000"},
		{"100000/lawyer/downstream", "100000 610000 330000 610800 610600 330100 (gd) 440100 440300"},
		{"610000/lawyer/downstream", "610000 610800 610600"},
		{"gd/lawyer/downstream", "gd 440100 440300"},
		{"610800/lawyer/downstream", "610800"},
		{"610600/lawyer/public", "610600 610000 610800 100000 330000 330100 (gd) 440100 440300"},
		{"440100/lawyer/public", "440100 (gd) 440300 100000 330000 330100 610000 610600 610800"},
		{"610600/lawyer/test", "610600 610000 610800 100000 330000 330100 (gd) 440100 440300"},
		{"610800/lawyer/to-100000", "610800 (610000) 100000"},
		{"610800/lawyer/to-610600", "610800 (610000) 610600"},
		{"610800/lawyer/to-330100+610000", "610800 610000 (100000) (330000) 330100"},
		{"440100/lawyer/to-440300", "440100 (gd) 440300"},
		{"440100/lawyer/to-610800", "440100 (gd) (100000) (610000) 610800"},
		{"610800/lawyer/to-610800", "610800"},
		{"610800/lawyer/to-999999", "610800"},
		{"610800/lawyer/to-gd", "610800"},
		{"999999/lawyer/upstream", ""},
		{"999999/lawyer/public", "100000 610000 330000 610800 610600 440100 440300 330100"},
	} {
		s, err := sign.ParseStream(c.stream)
		if err != nil {
			t.Fatal(err)
		}
		reader := map[string]bool{} // of those on the way
		for _, w := range strings.Fields(c.want) {
			id := strings.Trim(w, "()")
			reader[id] = w == id
		}
		for _, id := range ids {
			d := f.views[id]
			reads, way := reader[id]
			if d.InAudience(s, id) != reads || d.OnPath(s, id) != way {
				t.Errorf("%s: %s reads %v, is on the way %v", c.stream, id, d.InAudience(s, id), d.OnPath(s, id))
			}
		}
		spread(t, f, s)
	}
	d := f.views["610000"]
	for id, want := range map[string]string{"610800": "610800", "440100": "100000", "100000": "100000", "610000": "", "nobody": ""} {
		if got := d.Towards(id); got != want {
			t.Errorf("towards %s: %q", id, got)
		}
	}
	for id, want := range map[string]bool{"610800": true, "100000": true, "330000": false, "610000": false, "nobody": false} {
		if d.Neighbour(id) != want {
			t.Errorf("neighbour %s: %v", id, !want)
		}
	}
	// Keys: the origin wraps for its neighbours that read, and past carriers for
	// the first readers behind them; a holder of the key for the next ones.
	for _, c := range []struct{ stream, at, want string }{
		{"610800/lawyer/upstream", "610800", "610000"},
		{"610800/lawyer/upstream", "610000", "100000"},
		{"610800/lawyer/upstream", "100000", ""},
		{"440100/lawyer/upstream", "440100", "100000"},
		{"610800/lawyer/to-100000", "610800", "100000"},
		{"610800/lawyer/to-330100+610000", "610800", "610000"},
		{"610800/lawyer/to-330100+610000", "610000", "330100"},
		{"440100/lawyer/public", "440100", "100000 440300"},
		{"440100/lawyer/public", "100000", "330000 610000"},
		{"100000/lawyer/downstream", "100000", "330000 440100 440300 610000"},
		{"100000/lawyer/downstream", "610000", "610600 610800"},
		{"gd/lawyer/downstream", "gd", "440100 440300"},
	} {
		s, _ := sign.ParseStream(c.stream)
		var got []string
		for _, n := range f.views[c.at].NextReaders(s) {
			got = append(got, n.Entry.Node)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s wraps %s for %v, want %s", c.at, c.stream, got, c.want)
		}
	}
}

// spread follows Offers hop by hop from the origin: it reaches exactly the
// nodes on the way, each by one neighbour; what one offers the other accepts and
// nothing else; and each reader finds a key wrapped for it on its way.
func spread(t interface{ Errorf(string, ...any) }, f *federation, s sign.Stream) {
	if _, known := f.views[s.Origin]; !known {
		return
	}
	from := map[string]string{s.Origin: ""}
	keyed := map[string]bool{s.Origin: true}
	for queue := []string{s.Origin}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		d := f.views[at]
		// A node that has the key wraps it; a carrier passes on what it was given.
		if d.InAudience(s, at) {
			if !keyed[at] {
				t.Errorf("%s: no key reaches %s", s, at)
			}
			for _, n := range d.NextReaders(s) {
				keyed[n.Entry.Node] = true
			}
		}
		for _, peer := range f.ids {
			reader, accepts := f.views[peer].Accepts(s, at)
			offers := peer != at && d.Neighbour(peer) && d.Offers(s, peer)
			if peer != s.Origin && accepts != offers {
				t.Errorf("%s: %s offers to %s: %v, accepted: %v", s, at, peer, offers, accepts)
			}
			if accepts && reader != f.views[peer].InAudience(s, peer) {
				t.Errorf("%s: %s reads: %v", s, peer, reader)
			}
			if !offers {
				continue
			}
			if other, twice := from[peer]; twice {
				t.Errorf("%s reaches %s from %s and from %s", s, peer, other, at)
				continue
			}
			from[peer] = at
			queue = append(queue, peer)
		}
	}
	for _, id := range f.ids {
		if _, reached := from[id]; reached != f.views[id].OnPath(s, id) {
			t.Errorf("%s reaches %s: %v", s, id, reached)
		}
	}
}

// TestSpreadProperty: the same on random trees with random carriers.
func TestSpreadProperty(t *testing.T) {
	var grown []*federation // keys are costly: few trees, many streams
	for i, shape := range []struct {
		parents []int
		carrier []int
	}{
		{[]int{-1, 0, 1, 2, 3}, []int{2}},                      // a chain
		{[]int{-1, 0, 0, 1, 1, 2, 2}, []int{1}},                // a carrier province
		{[]int{-1, 0, 1, 2, 0, 4, 4}, []int{1, 2}},             // two carriers in a row
		{[]int{-1, 0, 0, 0, 1, 1, 2, 4, 4, 6}, []int{0, 3, 4}}, // the root carries
	} {
		var ids []string
		for k := range shape.parents {
			ids = append(ids, fmt.Sprintf("n%d-%d", i, k))
		}
		grown = append(grown, grow(t, ids, shape.parents, func(k int) bool { return slices.Contains(shape.carrier, k) }))
	}
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom(grown).Draw(t, "tree")
		s := sign.Stream{Origin: rapid.SampledFrom(f.ids).Draw(t, "origin"), Type: "lawyer"}
		switch a := rapid.SampledFrom([]string{sign.Upstream, sign.Downstream, sign.Public, sign.Test, "to"}).Draw(t, "audience"); a {
		case "to":
			s.Audience = sign.To(rapid.SliceOfNDistinct(rapid.SampledFrom(f.ids), 1, 3, rapid.ID).Draw(t, "readers")...)
		default:
			s.Audience = a
		}
		spread(t, f, s)
	})
}
