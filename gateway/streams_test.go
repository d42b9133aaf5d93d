package gateway_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/call"
	"fayi/gateway/problem"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
)

// counter reads one of the database server's counters.
func counter(t *testing.T, s *store.Store, name string) int64 {
	t.Helper()
	var n, v string
	if err := s.DB().QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&n, &v); err != nil {
		t.Fatal(err)
	}
	i, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// idle is how many statements all nodes of a federation give their database a
// second, and the heap they hold, while nothing happens.
func idle(t *testing.T, s *store.Store, d time.Duration) (perSecond float64, heap uint64) {
	t.Helper()
	before, start := counter(t, s, "Questions"), time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	<-ctx.Done()
	n := counter(t, s, "Questions") - before
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(n) / time.Since(start).Seconds(), m.HeapAlloc
}

// A province and a ministry that know ten thousand streams ask their database no
// more, while nothing happens, than with a handful; frames of many streams are one
// transaction and a fixed number of rows each. It prints what it measured.
func TestTenThousandStreams(t *testing.T) {
	if os.Getenv("FAYI_LONG") == "" {
		t.Skip("FAYI_LONG=1")
	}
	const streams = 10_000
	l := newLab(t, "mariadb", shaanxi, nil)
	t.Cleanup(l.close)
	l.start()
	l.put(t, yulin, "consultation", "first", example(t, "consultation", "first", nil))
	l.eventually(t, ministry, "the first record", func() bool { return l.stream(t, ministry, up(yulin, "consultation")).Seq == 1 })
	db := l.Member(province).Store
	few, small := idle(t, db, 20*time.Second)

	// Ten thousand streams of a city, each acknowledged by all: what is left of them is that they exist.
	l.stop()
	for _, id := range []string{province, ministry} {
		s := l.Member(id).Store
		for _, q := range []string{
			fmt.Sprintf("INSERT INTO fayi_stream (name,gen,seq,head,base_head,checked_gen,checked_seq,state,detail)"+
				" SELECT CONCAT('%s/t',seq,'/upstream'),1764230400,seq,UNHEX(REPEAT('ab',32)),UNHEX(REPEAT('00',32)),1764230400,seq,'','' FROM seq_1_to_%d", yulin, streams),
			fmt.Sprintf("INSERT INTO fayi_ack (stream_id,reader,level,gen,seq,head,rejected,receipt,at_us,n)"+
				" SELECT id,r,l,gen,seq,head,0,UNHEX(REPEAT('cd',32)),1,1 FROM fayi_stream, (SELECT '%s' r UNION SELECT '%s') readers, (SELECT 'stored' l UNION SELECT 'applied') levels"+
				" WHERE name LIKE '%s/t%%'", province, ministry, yulin),
			"INSERT INTO exchange_inbox_cursor (stream,gen,seq) SELECT name,gen,seq FROM fayi_stream WHERE name LIKE '" + yulin + "/t%'",
		} {
			if err := s.InTx(t.Context(), func(tx *sql.Tx) error {
				_, err := tx.ExecContext(t.Context(), q)
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, m := range l.Members {
		l.reopen(m.ID, nil)
	}
	l.start()
	db = l.Member(province).Store
	l.put(t, yulin, "consultation", "second", example(t, "consultation", "second", nil))
	l.eventually(t, ministry, "a record among them", func() bool { return l.stream(t, ministry, up(yulin, "consultation")).Seq == 2 })
	many, large := idle(t, db, 20*time.Second)
	t.Logf("idle: %.1f statements a second of four nodes with a handful of streams, %.1f with %d at two of them; heap %d and %d MiB", few, many, streams, small>>20, large>>20)
	if many > few*1.2+5 {
		t.Errorf("%.1f statements a second, %.1f with few streams", many, few)
	}

	args := struct {
		Since string `json:"since"`
		Wait  uint64 `json:"wait"`
	}{}
	var heads struct {
		Token    string             `json:"token"`
		Heads    []sign.Head        `json:"heads"`
		Receipts []replicate.Signed `json:"receipts"`
		Notes    []replicate.Signed `json:"notes"`
	}
	start := time.Now()
	if _, err := l.engine(ministry).Client.Do(t.Context(), l.Member(province).Node.PeerURL(), province, call.OpHeads, args, nil, &heads); err != nil {
		t.Fatal(err)
	}
	t.Logf("heads, the full list of %d: %s", len(heads.Heads), time.Since(start).Round(time.Millisecond))
	if len(heads.Heads) < streams {
		t.Errorf("%d heads", len(heads.Heads))
	}

	// Busy: one call brings frames of many streams, of the other city; the second time the streams are known.
	chains := []*chain{}
	for _, typ := range l.engine(yanan).Schemas().Types() {
		if !typ.System() {
			chains = append(chains, l.chain(t, yanan+"/"+typ.Name()+"/upstream"), l.chain(t, yanan+"/"+typ.Name()+"/to-"+province))
		}
	}
	for _, what := range []string{"new", "known"} {
		var frames []seal.Frame
		for _, c := range chains {
			frames = append(frames, c.next("busy-1-"+what, "busy-2-"+what))
		}
		rows, commits, questions := counter(t, db, "Handler_write"), counter(t, db, "Com_commit"), counter(t, db, "Questions")
		start := time.Now()
		results, _, err := l.engine(province).Receive(t.Context(), yanan, frames, false)
		took := time.Since(start)
		if err != nil {
			t.Fatal(err)
		}
		rows, commits, questions = counter(t, db, "Handler_write")-rows, counter(t, db, "Com_commit")-commits, counter(t, db, "Questions")-questions
		for _, r := range results {
			if r.Code != problem.OK || r.Last == 0 {
				t.Errorf("%+v", r)
			}
		}
		n := len(frames)
		t.Logf("busy: frames of %d %s streams in one call: %s, %.1f rows written a segment, %d commits, %d statements (whatever else the four nodes did meanwhile among them)",
			n, what, took.Round(time.Millisecond), float64(rows)/float64(n), commits, questions)
	}
}
