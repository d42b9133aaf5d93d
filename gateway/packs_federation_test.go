package gateway_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fayi/crypto/seal"
	"fayi/gateway"
	"fayi/gateway/packs"
	"fayi/gateway/problem"
	"fayi/gateway/replicate"
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
			l.eventually(t, m.ID, m.ID+": a person is told that a pack waits", func() bool { return len(l.alarms(t, m.ID, problem.PackWaits)) > 0 })
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

// The brake (protocol §8): a person adopts a pack that refuses what a source
// sends. The rows that would pass a fifth are judged again by the version before;
// the node says so and asks for a person, and a second adoption is believed.
func TestPackBrake(t *testing.T) {
	inLabs(t, func(c *gateway.Config) { c.ManualPacks = true }, func(t *testing.T, l *lab) {
		l.start()
		l.publishPack(t, ministry, nextPack(t, "7.0.0", "2018-01-01", newVersion, stricter))
		l.awaitPack(t, yulin, "7.0.0", packs.Waiting)
		l.decide(t, yulin, "7.0.0", true)
		name := up(yulin, "consultation")
		key := 0
		batch := func(with, without int) {
			l.tx(t, yulin, func(tx *sql.Tx) error {
				for i := range with + without {
					change := map[string]any{}
					if i >= with {
						change["channel"] = nil // the new version requires it
					}
					key++
					id := fmt.Sprintf("ZX-%d", key)
					if err := outbox.Publish(t.Context(), tx, outbox.Record{Type: "consultation", Key: id, Payload: example(t, "consultation", id, change)}); err != nil {
						return err
					}
				}
				return nil
			})
		}
		taken := func(n uint64) {
			t.Helper()
			l.eventually(t, yulin, "the rows are taken", func() bool {
				return l.stream(t, yulin, name).Seq+uint64(l.count(t, yulin, "exchange_rejected")) == n
			})
		}
		// A record that both versions refuse says nothing about the pack.
		l.put(t, yulin, "consultation", "ZX-BAD", []byte(`{"consultNo":"ZX-BAD"}`))
		taken(1)
		batch(40, 5) // 5 of 46: refused, and no more than that
		taken(46)
		if s := l.packState(yulin, "7.0.0"); s != packs.Adopted {
			t.Fatalf("braked too soon: %s", s)
		}
		if n := l.count(t, yulin, "exchange_rejected"); n != 6 {
			t.Fatalf("%d rows refused, want 6", n)
		}
		batch(4, 10) // 15 of 60 would be a quarter
		taken(60)
		if s := l.packState(yulin, "7.0.0"); s != packs.Braked {
			t.Fatalf("not braked: %s", s)
		}
		if n := l.count(t, yulin, "exchange_rejected"); n != 6 {
			t.Errorf("%d rows refused; those that passed the limit are to be judged by the version before", n)
		}
		l.eventually(t, yulin, "a person is told of the brake", func() bool { return len(l.alarms(t, yulin, problem.PackBraked)) > 0 })
		if a := l.alarms(t, yulin, problem.PackBraked); len(a) != 1 || a[0].Level != "alarm" || !strings.Contains(a[0].Detail, "of 60 rows of source main it refuses 15") {
			t.Errorf("told as %+v", a)
		}
		st, err := l.Member(yulin).Node.Status(t.Context())
		if err != nil || len(st.Packs) != 1 || st.Packs[0].State != packs.Braked || st.Packs[0].Reason == "" {
			t.Errorf("status shows %+v, %v", st.Packs, err)
		}
		l.quiet(t)
		rows := l.delivered(t, province, name)
		if len(rows) != 54 || l.stream(t, province, name).Refused != 0 {
			t.Errorf("the province applied %d rows", len(rows))
		}
		// A person who has seen that adopts again, and is believed.
		l.decide(t, yulin, "7.0.0", true)
		batch(0, 20)
		taken(80)
		if s := l.packState(yulin, "7.0.0"); s != packs.Adopted {
			t.Errorf("braked against a person's word: %s", s)
		}
		if n := l.count(t, yulin, "exchange_rejected"); n != 26 {
			t.Errorf("%d rows refused, want 26", n)
		}
	})
}

// Of one pack the version of the day judges: each row by the version in force
// when it is sealed, each segment for ever by the version it names.
func TestPackByDate(t *testing.T) {
	day := func(s string) time.Time {
		d, err := time.ParseInLocation("2006-01-02 15:04:05", s, time.FixedZone("+08:00", 8*3600))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	var now atomic.Pointer[time.Time]
	set := func(s string) { d := day(s); now.Store(&d) }
	set("2030-01-01 12:00:00")
	l := newLab(t, "sqlite", shaanxi, func(c *gateway.Config) { c.Clock = func() time.Time { return *now.Load() } })
	t.Cleanup(l.close)
	l.start()
	name := up(yulin, "consultation")
	seals := func(key, version string, change map[string]any) {
		t.Helper()
		last := l.stream(t, yulin, name).Seq
		l.put(t, yulin, "consultation", key, example(t, "consultation", key, change))
		l.eventually(t, yulin, key, func() bool { return l.stream(t, yulin, name).Seq == last+1 })
		segs := l.segments(t, yulin, name)
		h, err := seal.ParseHeader(segs[len(segs)-1].Header)
		if err != nil || !strings.HasPrefix(h.Schema, "consultation@"+version+"#") {
			t.Errorf("%s is sealed under %s (%v), want version %s", key, h.Schema, err, version)
		}
	}
	seals("ZX-1", "1", nil)
	three := edit{File: newVersion.File, Old: newVersion.Old, New: strings.Replace(newVersion.New, `"version": 2`, `"version": 3`, 1)}
	more := edit{File: newField.File, Old: newField.Old, New: newField.New + ` "later": {"title": "再后", "type": "string", "maxLength": 20, "x-sensitivity": "内部"},`}
	l.publishPack(t, ministry, nextPack(t, "7.0.0", "2030-03-01", newVersion, newField))
	l.awaitPack(t, yulin, "7.0.0", packs.Adopted)
	l.publishPack(t, ministry, nextPack(t, "7.1.0", "2030-05-01", three, more))
	l.awaitPack(t, yulin, "7.1.0", packs.Adopted)
	fresh, later := map[string]any{"newField": "新"}, map[string]any{"newField": "新", "later": "再"}
	seals("ZX-2", "1", nil) // adopted, not in force yet
	set("2030-02-28 23:59:59")
	seals("ZX-3", "1", nil)
	set("2030-03-01 00:00:00")
	seals("ZX-4", "2", fresh)
	set("2030-04-30 23:59:59")
	seals("ZX-5", "2", fresh)
	set("2030-05-01 00:00:00")
	seals("ZX-6", "3", later)
	l.quiet(t)
	for _, at := range []string{province, ministry} {
		if rows := l.delivered(t, at, name); len(rows) != 6 || l.stream(t, at, name).Refused != 0 {
			t.Errorf("%s applied %d of 6, refused %d", at, len(rows), l.stream(t, at, name).Refused)
		}
	}
	// A reader that starts from nothing in a later year judges the old ones by what they name.
	set("2035-01-01 00:00:00")
	l.restart(ministry)
	if _, err := replicate.VerifyStream(t.Context(), l.engine(ministry), ptr(l.stream(t, ministry, name))); err != nil {
		t.Error(err)
	}
	for _, s := range l.segments(t, ministry, name) {
		h, lines, err := l.engine(ministry).Lines(&s)
		if err != nil {
			t.Fatal(err)
		}
		typ, ok := l.engine(ministry).Schemas().ByRef(h.Schema)
		if !ok || len(replicate.Judge(typ, h, "consultation", lines)) != 0 {
			t.Errorf("%s is not here any more, or refuses", h.Schema)
		}
	}
}

func ptr[T any](v T) *T { return &v }

// What is held for want of a pack is judged when the pack arrives in its stream,
// by nobody's hand; nothing is sealed by what lies in the folder alone.
func TestPackArrivesForHeld(t *testing.T) {
	folder := t.TempDir()
	next := nextPack(t, "7.0.0", "2018-01-01", newVersion, newField)
	l := newLab(t, "sqlite", shaanxi, func(c *gateway.Config) {
		c.ManualPacks = true
		if c.Node == yanan {
			c.PacksDir = folder
		}
	})
	t.Cleanup(l.close)
	if err := os.CopyFS(filepath.Join(folder, "next"), next); err != nil {
		t.Fatal(err)
	}
	l.start()
	if err := l.Member(yanan).Node.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if typ, _ := l.engine(yanan).Schemas().Current("consultation"); typ.Version() != 1 {
		t.Error("the folder changes what is sealed")
	}
	data := l.signPack(t, ministry, next)
	l.adoptAlone(t, yulin, data)
	name := up(yulin, "consultation")
	l.put(t, yulin, "consultation", "ZX-1", example(t, "consultation", "ZX-1", map[string]any{"newField": "新"}))
	for _, at := range []string{province, ministry} {
		l.eventually(t, at, "held at "+at, func() bool { st := l.stream(t, at, name); return st.Seq == 1 && st.State == "held" })
		if st := l.stream(t, at, name); st.Checked.Seq != 0 || st.Refused != 0 {
			t.Errorf("%s judged what it cannot: %+v", at, st)
		}
	}
	shelf := l.Member(ministry).Node.Packs()
	p, err := shelf.Candidate(data)
	if err == nil {
		err = shelf.Publish(t.Context(), p, data)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{province, ministry} {
		if rows := l.delivered(t, at, name); len(rows) != 1 {
			t.Errorf("%s applied %d", at, len(rows))
		}
		if st := l.stream(t, at, name); st.State != "" || st.Refused != 0 {
			t.Errorf("%s: %+v", at, st)
		}
		l.awaitPack(t, at, "7.0.0", packs.Waiting) // judging needs no adoption
	}
}

// The brake counts what is refused at the door too: records posted to the local
// API never wait in an outbox.
func TestPackBrakeAtTheDoor(t *testing.T) {
	l := newLab(t, "sqlite", shaanxi, func(c *gateway.Config) { c.ManualPacks = true })
	t.Cleanup(l.close)
	l.start()
	l.publishPack(t, ministry, nextPack(t, "7.0.0", "2018-01-01", newVersion, stricter))
	l.awaitPack(t, yulin, "7.0.0", packs.Waiting)
	l.decide(t, yulin, "7.0.0", true)
	m := l.Member(yulin)
	post := func(i int, change map[string]any) int {
		key := fmt.Sprintf("ZX-%d", i)
		body, err := json.Marshal(map[string]any{"type": "consultation", "key": key, "data": json.RawMessage(example(t, "consultation", key, change))})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.Node.LocalURL()+"/v1/records", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+m.Token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	name := up(yulin, "consultation")
	for i := range 10 {
		if code := post(i, nil); code != http.StatusAccepted {
			t.Fatalf("a good record: %d", code)
		}
	}
	l.eventually(t, yulin, "ten records", func() bool { return l.stream(t, yulin, name).Seq == 10 })
	missing := map[string]any{"channel": nil}                                                                         // which the new version requires
	for i, want := range []int{http.StatusUnprocessableEntity, http.StatusUnprocessableEntity, http.StatusAccepted} { // 1 of 11, 2 of 12, 3 of 13
		if code := post(20+i, missing); code != want {
			t.Errorf("bad record %d: %d, want %d", i+1, code, want)
		}
	}
	if s := l.packState(yulin, "7.0.0"); s != packs.Braked {
		t.Errorf("the pack is %s", s)
	}
	l.eventually(t, yulin, "the last one", func() bool { return l.stream(t, yulin, name).Seq == 11 })
}
