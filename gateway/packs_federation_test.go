package gateway_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"fayi/gateway"
	"fayi/gateway/packs"
	"fayi/gateway/problem"
	"fayi/outbox"
)

// publishPack signs a pack as a node's registrar and publishes it there, as
// fayi schema publish does.
func (l *lab) publishPack(t *testing.T, at string, fsys fs.FS) {
	t.Helper()
	data := l.signPack(t, at, fsys)
	shelf := l.Member(at).Node.Packs()
	p, err := shelf.Candidate(data)
	if err == nil {
		err = shelf.Publish(t.Context(), p, data)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// packState is the state of a pack's version at a node, "" before it came.
func (l *lab) packState(at, version string) string {
	for _, p := range l.Member(at).Node.Packs().Packs() {
		if p.Version == version {
			return p.State
		}
	}
	return ""
}

func (l *lab) awaitPack(t *testing.T, at, version, state string) {
	t.Helper()
	l.eventually(t, at, at+": pack "+version+" is "+state, func() bool { return l.packState(at, version) == state })
}

// decide is a person at a node: fayi schema adopt or refuse.
func (l *lab) decide(t *testing.T, at, version string, adopt bool) {
	t.Helper()
	shelf := l.Member(at).Node.Packs()
	p, err := shelf.Find("national", version)
	if err == nil && adopt {
		err = shelf.Adopt(t.Context(), p, "tester")
	} else if err == nil {
		err = shelf.Refuse(t.Context(), p, "tester")
	}
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
}

// traffic publishes consultations at both cities without a pause, each valid
// under the pack in force at its origin at that moment: with the new field where
// the new version is adopted, of which shape says so.
type traffic struct {
	l     *lab
	t     *testing.T
	stop  context.CancelFunc
	done  sync.WaitGroup
	mu    sync.Mutex
	sent  map[string]int // by city
	fresh map[string]int // of them with the new field
}

var cities = []string{yulin, yanan}

func (l *lab) traffic(t *testing.T) *traffic {
	ctx, cancel := context.WithCancel(t.Context())
	tr := &traffic{l: l, t: t, stop: cancel, sent: map[string]int{}, fresh: map[string]int{}}
	for _, city := range cities {
		tr.done.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				tr.put(city, fmt.Sprintf("ZX-%s-%d", city, i))
				nap, wake := context.WithTimeout(ctx, 5*time.Millisecond)
				<-nap.Done()
				wake()
			}
		})
	}
	return tr
}

// put publishes one record. The pack may change between the look and the round
// that takes the row, so the new field is used only where nothing takes it back.
func (tr *traffic) put(city, key string) {
	change := map[string]any{}
	typ, ok := tr.l.engine(city).Schemas().Current("consultation")
	isNew := ok && typ.Version() > 1
	if isNew {
		change["newField"] = "新"
	}
	err := tr.l.Member(city).Store.InTx(context.Background(), func(tx *sql.Tx) error {
		return outbox.Publish(context.Background(), tx, outbox.Record{Type: "consultation", Key: key, Payload: example(tr.t, "consultation", key, change)})
	})
	if err != nil {
		tr.t.Errorf("%s: %v", city, err)
		return
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.sent[city]++
	if isNew {
		tr.fresh[city]++
	}
}

// flow waits until n more records of each city have reached the ministry's inbox.
func (tr *traffic) flow(n uint64) {
	tr.t.Helper()
	for _, city := range cities {
		name := up(city, "consultation")
		at := func() uint64 {
			pos, err := tr.l.Member(ministry).Store.InboxCursor(tr.t.Context(), name)
			if err != nil {
				tr.t.Fatal(err)
			}
			return pos.Seq
		}
		goal := at() + n
		tr.l.eventually(tr.t, ministry, "traffic flows from "+city, func() bool { return at() >= goal })
	}
}

// end stops the traffic, waits until all is still, and counts: everything that
// was published is applied at province and ministry, and nothing was refused by
// anybody.
func (tr *traffic) end() {
	t, l := tr.t, tr.l
	t.Helper()
	tr.stop()
	tr.done.Wait()
	l.quiet(t)
	for _, city := range cities {
		name := up(city, "consultation")
		if n := l.count(t, city, "exchange_rejected"); n != 0 {
			t.Errorf("%s refused %d rows of its own", city, n)
		}
		for _, at := range []string{province, ministry} {
			rows := l.delivered(t, at, name)
			fresh := 0
			for _, r := range rows {
				if strings.Contains(r.Payload, "newField") {
					fresh++
				}
			}
			if len(rows) != tr.sent[city] || fresh != tr.fresh[city] {
				t.Errorf("%s applied %d records of %s, %d with the new field; published %d and %d", at, len(rows), city, fresh, tr.sent[city], tr.fresh[city])
			}
			if st := l.stream(t, at, name); st.Refused != 0 || st.State != "" {
				t.Errorf("%s: %s refused %d, state %q %s", at, name, st.Refused, st.State, st.Detail)
			}
		}
		if n := l.count(t, city, "fayi_peer_rejection"); n != 0 {
			t.Errorf("%s heard of %d rejections", city, n)
		}
		t.Logf("%s: %d records published, %d under the new pack, all applied at province and ministry, none refused", city, tr.sent[city], tr.fresh[city])
	}
}

func (l *lab) count(t *testing.T, at, table string) (n int) {
	t.Helper()
	if err := l.Member(at).Store.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A replacement pack travels from the ministry and is adopted by one running
// node after the other, cities before and after their province and ministry,
// under traffic that never stops: without a restart and without one wrong
// rejection (design §8, review F18 and A15).
func TestPackAdoptedOneByOne(t *testing.T) {
	inLabs(t, func(c *gateway.Config) { c.ManualPacks = true }, func(t *testing.T, l *lab) {
		l.start()
		nodes := map[string]*gateway.Node{}
		for _, m := range l.Members {
			nodes[m.ID] = m.Node
		}
		tr := l.traffic(t)
		tr.flow(5)
		l.publishPack(t, ministry, nextPack(t, "7.0.0", "2018-01-01", newVersion, newField))
		for _, m := range l.Members {
			l.awaitPack(t, m.ID, "7.0.0", packs.Waiting)
		}
		for _, id := range []string{yulin, ministry, yanan, province} {
			tr.flow(5)
			l.decide(t, id, "7.0.0", true)
		}
		tr.flow(10)
		tr.end()
		for _, city := range cities {
			if tr.fresh[city] == 0 || tr.fresh[city] == tr.sent[city] {
				t.Errorf("%s published %d records, %d under the new pack: the test shows nothing", city, tr.sent[city], tr.fresh[city])
			}
		}
		for _, m := range l.Members {
			if m.Node != nodes[m.ID] {
				t.Errorf("%s was restarted", m.ID)
			}
		}
	})
}

// Left to themselves, nodes adopt what is proven compatible and replays clean,
// and let a person decide the rest; a decision at one node concerns nobody else.
func TestPackAdoptedBySelf(t *testing.T) {
	inLabs(t, nil, func(t *testing.T, l *lab) {
		l.start()
		tr := l.traffic(t)
		tr.flow(5)
		l.publishPack(t, ministry, nextPack(t, "7.0.0", "2018-01-01", newVersion, newField))
		for _, m := range l.Members {
			l.awaitPack(t, m.ID, "7.0.0", packs.Adopted)
		}
		tr.flow(10)
		// Two changes for the worse: not one node takes them by itself.
		l.publishPack(t, ministry, nextPack(t, "7.1.0", "2018-01-01", newVersion, newField, stricter))
		for _, m := range l.Members {
			l.awaitPack(t, m.ID, "7.1.0", packs.Waiting)
			if a := l.alarms(t, m.ID, problem.PackWaits); len(a) == 0 {
				t.Errorf("%s: nobody is told that a pack waits", m.ID)
			}
		}
		tr.flow(5)
		l.decide(t, yulin, "7.1.0", true) // the traffic has the field it requires
		l.decide(t, province, "7.1.0", false)
		tr.flow(10)
		tr.end()
		if typ, _ := l.engine(yulin).Schemas().Current("consultation"); !strings.Contains(fmt.Sprint(typ.Pack()), "7.1.0") {
			t.Errorf("Yulin seals by %v", fmt.Sprint(typ.Pack()))
		}
		if typ, _ := l.engine(province).Schemas().Current("consultation"); !strings.Contains(fmt.Sprint(typ.Pack()), "7.0.0") {
			t.Errorf("the province seals by %v", fmt.Sprint(typ.Pack()))
		}
	})
}
