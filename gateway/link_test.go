package gateway_test

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"fayi/crypto/seal"
	"fayi/gateway"
	"fayi/gateway/call"
	"fayi/gateway/problem"
	"fayi/gateway/replicate"
)

// breakerOf is the state of a node's link to a peer.
func (l *lab) breakerOf(t *testing.T, id, peer string) replicate.LinkState {
	t.Helper()
	s, err := l.Member(id).Node.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(s.Links, func(x replicate.LinkState) bool { return x.Peer == peer })
	if i < 0 {
		t.Fatalf("%s has no link to %s", id, peer)
	}
	return s.Links[i]
}

// A peer that is away opens its own breaker, visibly, and slows nobody; when it
// is back everything arrives, and that is said once too.
func TestPeerAway(t *testing.T) {
	l := newLab(t, "sqlite", shaanxi, nil)
	t.Cleanup(l.close)
	name := up(yulin, "consultation")
	l.start()
	l.eventually(t, province, "all are there", func() bool { return l.breakerOf(t, province, ministry).Breaker == "closed" })
	l.stop(ministry)
	l.eventually(t, province, "the breaker opens", func() bool {
		return l.breakerOf(t, province, ministry).Breaker != "closed" && len(l.alarms(t, province, problem.PeerAway)) == 1
	})
	l.putNumbered(t, yulin, "consultation", 0, 20)
	l.eventually(t, province, "the others go on", func() bool { return l.stream(t, province, name).Seq == 20 })
	if s := l.breakerOf(t, province, yanan); s.Breaker != "closed" || s.Failures != 0 {
		t.Errorf("the city's link: %+v", s)
	}
	if s := l.breakerOf(t, province, ministry); s.Failures < 3 || s.Code != problem.Unreachable {
		t.Errorf("the ministry's link: %+v", s)
	}
	links, err := l.Member(province).Store.Links(t.Context())
	if err != nil || links[ministry].State == "closed" || links[ministry].Code != problem.Unreachable || links[yanan].State != "closed" || links[yanan].OK == 0 {
		t.Errorf("in the database: %+v, %v", links, err)
	}
	l.reopen(ministry, nil)
	l.start(ministry)
	l.eventually(t, ministry, "all arrives", func() bool { return l.stream(t, ministry, name).Seq == 20 })
	l.eventually(t, province, "it is back", func() bool {
		return l.breakerOf(t, province, ministry).Breaker == "closed" && len(l.alarms(t, province, problem.PeerBack)) == 1
	})
	if n := len(l.alarms(t, province, problem.PeerAway)); n != 1 {
		t.Errorf("said %d times", n)
	}
}

// Peers that answer rubbish, or take a connection and say nothing, are away; the
// node's other links do not notice.
func TestPeerAnswersRubbish(t *testing.T) {
	l := newLab(t, "sqlite", shaanxi, nil)
	t.Cleanup(l.close)
	rubbish := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", call.Binary)
		w.Write(bytes.Repeat([]byte{0, 0, 1}, 1000))
	}))
	defer rubbish.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()                              // accepts by the kernel's queue and never answers
	l.engine(yanan).Client.HTTP.Timeout = time.Second // it calls nobody else
	l.Member(yulin).Node.SetPeer(gateway.Peer{ID: ministry, URL: rubbish.URL, Push: true, Poll: true})
	l.Member(yanan).Node.SetPeer(gateway.Peer{ID: yulin, URL: "http://" + silent.Addr().String(), Push: true, Poll: true})
	l.start(province, yulin, yanan)
	for _, city := range []string{yulin, yanan} {
		l.putNumbered(t, city, "consultation", 0, 10)
		l.eventually(t, province, "all arrives", func() bool { return l.stream(t, province, up(city, "consultation")).Seq == 10 })
	}
	l.eventually(t, yulin, "the breakers open", func() bool {
		a, b := l.breakerOf(t, yulin, ministry), l.breakerOf(t, yanan, yulin)
		return a.Breaker != "closed" && a.Failures >= 3 && a.Code == problem.BadAnswer && b.Breaker != "closed" && b.Failures >= 3 && b.Code == problem.Unreachable
	})
	if s := l.breakerOf(t, yulin, province); s.Breaker != "closed" {
		t.Errorf("the good link: %+v", s)
	}
}

// Nothing urgent waits behind a bulk transfer that is stuck on the wire, pushed
// or fetched.
func TestUrgentPassesBulk(t *testing.T) {
	for _, x := range []struct{ city, caller string }{{yulin, yulin}, {yanan, province}} { // pushing, and polled
		t.Run(x.city, func(t *testing.T) {
			l := newLab(t, "sqlite", shaanxi, nil)
			t.Cleanup(l.close)
			bulk := []byte(up(x.city, "consultation"))
			stuck, release := make(chan struct{}, 1), make(chan struct{})
			free := sync.OnceFunc(func() { close(release) })
			t.Cleanup(free)
			l.wires[x.caller].set(func(op string, body []byte) []byte {
				if op == call.OpPush || op == call.OpFetch {
					if m := parsed(body); bytes.Contains(m.Body, bulk) || slices.ContainsFunc(m.Frames, func(f seal.Frame) bool { return bytes.Contains(f.Header, bulk) }) {
						select {
						case stuck <- struct{}{}:
						default:
						}
						<-release
					}
				}
				return body
			}, nil)
			l.start()
			l.putNumbered(t, x.city, "consultation", 0, 5)
			<-stuck
			l.put(t, x.city, "hotline_ticket", "U-1", example(t, "hotline_ticket", "U-1", nil))
			l.eventually(t, province, "the ticket", func() bool { return l.stream(t, province, up(x.city, "hotline_ticket")).Seq == 1 })
			if n := l.stream(t, province, string(bulk)).Seq; n != 0 {
				t.Errorf("%d bulk records arrived: nothing was stuck", n)
			}
			free()
			l.eventually(t, province, "the rest", func() bool { return l.stream(t, province, string(bulk)).Seq == 5 })
		})
	}
}

// A peer over its limit is told when to come again and comes then: everything
// arrives, and nobody takes the other for being away.
func TestPeerLimited(t *testing.T) {
	l := newLab(t, "sqlite", shaanxi, func(c *gateway.Config) {
		if c.Node == province {
			c.Limit = call.Limit{Requests: 3}
		}
	})
	t.Cleanup(l.close)
	l.start(province, yulin)
	e, url := l.engine(yulin), l.Member(province).Node.PeerURL()
	limited := 0
	for range 40 {
		if _, err := e.Client.Do(t.Context(), url, province, call.OpPing, nil, nil, nil); problem.Code(err) == problem.RateLimited {
			limited++
		}
	}
	if limited == 0 {
		t.Error("never limited")
	}
	l.putNumbered(t, yulin, "consultation", 0, 10)
	l.eventually(t, province, "all arrives", func() bool { return l.stream(t, province, up(yulin, "consultation")).Seq == 10 })
	if s := l.breakerOf(t, yulin, province); s.Failures != 0 || len(l.alarms(t, yulin, problem.PeerAway)) != 0 {
		t.Errorf("%+v", s)
	}
}
