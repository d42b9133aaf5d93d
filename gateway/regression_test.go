package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/call"
	"fayi/gateway/problem"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
)

// Each test repeats an accident that broke an earlier design or an earlier
// version of this code.

// putNumbered publishes records of one stream and returns how many there are.
func (l *lab) putNumbered(t *testing.T, node, recordType string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		key := fmt.Sprintf("R-%03d", i)
		l.put(t, node, recordType, key, example(t, recordType, key, nil))
	}
}

// once checks that a node's inbox holds the numbers 1…n, each once and in order.
func (l *lab) once(t *testing.T, node, stream string, n int) {
	t.Helper()
	l.eventually(t, node, fmt.Sprintf("%d rows delivered", n), func() bool { return len(l.inbox(t, node, stream)) >= n })
	rows := l.inbox(t, node, stream)
	if len(rows) != n {
		t.Errorf("%s: %d rows of %s, want %d", node, len(rows), stream, n)
	}
	for i, r := range rows {
		if r.Seq != uint64(i+1) {
			t.Fatalf("%s: row %d has number %d", node, i, r.Seq)
		}
	}
}

// The same segments by push and by poll, at once.
func TestRegressionPushAndPollAtOnce(t *testing.T) {
	inLabs(t, nil, func(t *testing.T, l *lab) {
		l.start()
		name := up(yulin, "consultation")
		link := &replicate.Link{Peer: yulin, URL: l.Member(yulin).Node.PeerURL()}
		for range 2 { // and two pollers that know nothing of each other
			done := make(chan struct{})
			go func() {
				defer close(done)
				l.engine(province).Poll(t.Context(), link)
			}()
			t.Cleanup(func() { <-done })
		}
		const n = 24
		l.putNumbered(t, yulin, "consultation", 0, n)
		l.eventually(t, ministry, "all forwarded", func() bool { return l.stream(t, ministry, name).Seq == n })
		l.once(t, province, name, n)
		l.once(t, ministry, name, n)
		if st := l.stream(t, province, name); st.State != "" {
			t.Errorf("state %q %s", st.State, st.Detail)
		}
	})
}

// The answer to a push is lost: the segment is pushed again, stored once, and
// the cursor is right afterwards.
func TestRegressionLostAnswer(t *testing.T) {
	inLabs(t, nil, func(t *testing.T, l *lab) {
		var lost atomic.Int32
		l.wires[yulin].set(nil, func(op string, body []byte) ([]byte, error) {
			if op == call.OpPush && lost.Add(1) <= 3 {
				return nil, errors.New("connection reset by peer")
			}
			return body, nil
		})
		l.start(yulin, province)
		name := up(yulin, "consultation")
		l.putNumbered(t, yulin, "consultation", 0, 5)
		l.eventually(t, yulin, "acknowledged in the end", func() bool {
			st := l.stream(t, yulin, name)
			return st.Seq == 5 && l.acked(t, yulin, name, province, sign.LevelStored) == st.Head
		})
		l.once(t, province, name, 5)
		if lost.Load() < 1 {
			t.Error("no answer was lost")
		}
	})
}

// The receiver stops and starts again in the middle, the sender too.
func TestRegressionRestartMidway(t *testing.T) {
	inLabs(t, nil, func(t *testing.T, l *lab) {
		l.start()
		name := up(yulin, "consultation")
		n := 0
		for _, id := range []string{province, yulin, ministry, province} {
			l.putNumbered(t, yulin, "consultation", n, n+10)
			n += 10
			l.restart(id)
		}
		l.putNumbered(t, yulin, "consultation", n, n+5)
		n += 5
		l.eventually(t, ministry, "all arrived", func() bool { return l.stream(t, ministry, name).Seq == uint64(n) })
		l.once(t, ministry, name, n)
		l.once(t, province, name, n)
		l.eventually(t, yulin, "the ministry's receipt", func() bool {
			return l.acked(t, yulin, name, ministry, sign.LevelApplied) == l.stream(t, yulin, name).Head
		})
		for _, id := range []string{yulin, province, ministry} {
			st := l.stream(t, id, name)
			if _, err := replicate.VerifyStream(t.Context(), l.engine(id), &st); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
	})
}

// A sender's database is put back to yesterday: heads.journal lies ahead of
// it, so the next segment opens a new generation. Readers keep what they had as
// orphans, learn the present state of every key, and nobody sees a fork.
func TestRegressionDatabasePutBack(t *testing.T) {
	for _, city := range []string{yulin, yanan} { // pushing, and polled
		t.Run(city, func(t *testing.T) {
			l := newLab(t, "sqlite", shaanxi, nil)
			t.Cleanup(l.close)
			l.start()
			m, name := l.Member(city), up(city, "consultation")
			say := func(key, summary string) {
				l.put(t, city, "consultation", key, example(t, "consultation", key, map[string]any{"content": summary}))
			}
			reach := func(gen, seq uint64) {
				t.Helper()
				l.eventually(t, ministry, fmt.Sprintf("%d lines", seq), func() bool {
					p := l.stream(t, ministry, name).Pos
					return p.Seq == seq && (gen == 0 || p.Gen > gen)
				})
			}
			say("kept", "昨天")
			say("changed", "昨天")
			reach(0, 2)
			l.stop(city)
			yesterday := filepath.Join(t.TempDir(), "yesterday.db")
			l.reopen(city, func() { copyDatabase(t, m.DSN, yesterday) })
			l.start(city)
			say("changed", "今天")
			say("lost", "今天")
			say("deleted later", "今天")
			reach(0, 5)
			l.delivered(t, ministry, name)
			before := l.stream(t, ministry, name)

			l.stop(city)
			l.reopen(city, func() { copyDatabase(t, yesterday, m.DSN) })
			if got := l.alarms(t, city, problem.JournalAhead); len(got) == 0 {
				t.Error("nobody was told that the database lies behind heads.journal")
			}
			l.start(city)
			// The business says again what it holds now.
			say("kept", "昨天")
			say("changed", "今天,重报")
			say("lost", "今天,重报")
			reach(before.Gen, 4)
			if st := l.stream(t, ministry, name); st.State != "" || st.Gen <= before.Gen {
				t.Errorf("stream %+v", st)
			}
			for _, id := range []string{province, ministry} {
				st := l.stream(t, id, name)
				all, err := l.Member(id).Store.Orphans(t.Context(), st.ID)
				orphans := all[st.ID]
				if err != nil || len(orphans) == 0 || orphans[0].Gen != before.Gen || orphans[0].First != 3 {
					t.Errorf("%s keeps orphans %+v, %v", id, orphans, err)
				}
				if forks, err := l.Member(id).Store.Forks(t.Context(), st.ID); err != nil || len(forks) != 0 {
					t.Errorf("%s saw a fork: %v, %v", id, forks, err)
				}
				if _, err := replicate.VerifyStream(t.Context(), l.engine(id), &st); err != nil {
					t.Errorf("%s: %v", id, err)
				}
				now := map[string]string{}
				for _, r := range l.delivered(t, id, name) {
					var rec struct{ Content string }
					if err := json.Unmarshal([]byte(r.Payload), &rec); err != nil {
						t.Fatal(err)
					}
					now[r.Key] = rec.Content
				}
				if now["kept"] != "昨天" || now["changed"] != "今天,重报" || now["lost"] != "今天,重报" {
					t.Errorf("%s holds %v", id, now)
				}
			}
			// The chain goes on from there.
			say("later", "今天")
			reach(before.Gen, 5)
			l.eventually(t, city, "receipts of the new generation", func() bool {
				return l.acked(t, city, name, ministry, sign.LevelStored) == l.stream(t, city, name).Head
			})
		})
	}
}

// copyDatabase copies a closed SQLite database with its journal.
func copyDatabase(t *testing.T, from, to string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		data, err := os.ReadFile(from + suffix)
		if errors.Is(err, os.ErrNotExist) {
			os.Remove(to + suffix)
			continue
		}
		if err == nil {
			err = os.WriteFile(to+suffix, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The ministry gets the city's segment before it has heard of the city: the
// segment is deferred, leaves no trace, and is taken once the directory came.
func TestRegressionKeyUnknownDeferred(t *testing.T) {
	inLabs(t, nil, func(t *testing.T, l *lab) {
		c := l.chain(t, up(yulin, "consultation"))
		f := c.next("deferred")
		if r := l.receive(t, province, yulin, f); r.Code != problem.OK {
			t.Fatal(r)
		}
		seg := l.segments(t, province, c.stream.String())[0]
		readers, err := seal.DecodeReaders(seg.Readers)
		if err != nil {
			t.Fatal(err)
		}
		forward := seal.Frame{Header: seg.Header, Sig: seg.Sig, Readers: readers, Body: seg.Body, Chain: [][]byte{c.id.SignCert.Raw()}}
		// A certificate in the frame is a help, never a reason to believe. Nor may
		// the sender carry a stream of someone the ministry cannot place.
		r := l.receive(t, ministry, province, forward)
		if r.Code == problem.OK || r.Last != 0 {
			t.Fatalf("an unknown city's segment: %+v", r)
		}
		if st := l.stream(t, ministry, c.stream.String()); st.ID != 0 {
			t.Errorf("it left %+v", st)
		}
		if rs, err := l.Member(ministry).Store.ListPeerRejections(t.Context(), store.RejectionFilter{}); err != nil || len(rs) != 0 {
			t.Error("a deferred segment was rejected", rs, err)
		}
		l.start(ministry, province)
		l.eventually(t, ministry, "taken after the directory", func() bool { return l.stream(t, ministry, c.stream.String()).Head == c.head })
		if rows := l.delivered(t, ministry, c.stream.String()); len(rows) != 1 {
			t.Errorf("delivered %v", rows)
		}
	})
}

// Receipts of the ministry reach a city that is polled and never calls, two
// hops down, and so does the word that it applied.
func TestRegressionReceiptsTwoHops(t *testing.T) {
	inLabs(t, nil, func(t *testing.T, l *lab) {
		l.start()
		name := up(yanan, "consultation")
		l.putNumbered(t, yanan, "consultation", 0, 3)
		for _, level := range []string{sign.LevelStored, sign.LevelApplied} {
			l.eventually(t, yanan, "the ministry: "+level, func() bool {
				st := l.stream(t, yanan, name)
				return st.Seq == 3 && l.acked(t, yanan, name, ministry, level) == st.Head
			})
		}
		if n := l.wires[yanan].count(call.OpPush) + l.wires[yanan].count(call.OpHeads); n != 0 {
			t.Errorf("the city called %d times", n)
		}
		// As it came: signed by the ministry, unchanged by the province.
		receipts, err := l.Member(yanan).Store.ReceiptsOf(t.Context(), yanan)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range receipts {
			if r.By != ministry {
				continue
			}
			body, err := sign.ParseReceipt(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			if key, ok := l.engine(yanan).Directory.Key(body.Key); !ok || key.Node.Entry.Node != ministry {
				t.Error("not the ministry's own receipt")
			}
		}
	})
}

// A generation that begins with a segment whose pack is missing holds what
// follows it, too: nothing behind it is applied unjudged.
func TestRegressionHeldAcrossGenerations(t *testing.T) {
	inStillLab(t, func(t *testing.T, l *lab) {
		c := l.chain(t, up(yanan, "consultation"))
		known := c.schema
		if r := l.receive(t, province, yanan, c.next("1"), c.next("2")); r.Code != problem.OK {
			t.Fatal(r)
		}
		// Put back to number 1, then another pack, then the first again.
		first := l.segments(t, province, c.stream.String())[0]
		c.head, c.gen = first.End(), c.gen+10
		c.schema = "consultation@9#" + sign.Sum(nil).String()
		two := c.next("2'")
		c.schema = known
		three := c.next("3'")
		if r := l.receive(t, province, yanan, two, three); r.Code != problem.OK || r.Last != 3 {
			t.Fatal(r)
		}
		st := l.stream(t, province, c.stream.String())
		if st.Checked.Gen == c.gen {
			t.Errorf("judged up to %v though the segment before was held", st.Checked)
		}
		// The origin mends it: the next generation continues from before the held one.
		c.head, c.gen = first.End(), c.gen+10
		if r := l.receive(t, province, yanan, c.next("2''")); r.Code != problem.OK {
			t.Fatal(r)
		}
		if st := l.stream(t, province, c.stream.String()); st.Checked != c.head.Pos || st.State != "" {
			t.Errorf("still held: %+v", st)
		}
	})
}

// A reader that is ahead of its origin, which was put back to yesterday, asks
// once and rests; it does not ask for ever what the origin cannot give.
func TestRegressionPollerAheadOfOrigin(t *testing.T) {
	inStillLab(t, func(t *testing.T, l *lab) {
		c := l.chain(t, up(yanan, "lawyer"))
		held := []seal.Frame{c.frame(yanan, c.own("1")), c.frame(yanan, c.own("2")), c.next("3")}
		if r := l.receive(t, province, yanan, held...); r.Code != problem.OK || r.Last != 3 {
			t.Fatal(r)
		}
		e := l.engine(yanan)
		srv := httptest.NewServer(&call.Server{Directory: e.Directory, Signer: e.Signer, Handlers: e.Handlers(), Admit: func(string) bool { return true }, Introduce: e.Introduce, Log: quietLog()})
		t.Cleanup(srv.Close)
		p := l.engine(province).NewPoller(&replicate.Link{Peer: yanan, URL: srv.URL}, false)
		more, err := true, error(nil)
		for steps := 0; more && err == nil; steps++ {
			if more, err = p.Step(t.Context(), false); steps > 4 {
				t.Fatal("it asks for ever")
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if st := l.stream(t, province, c.stream.String()); st.Head != c.head || st.State != "" {
			t.Errorf("the reader's copy: %+v", st)
		}
	})
}
