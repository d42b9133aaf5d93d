package gateway_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway"
	"fayi/gateway/call"
	"fayi/gateway/federation"
	"fayi/gateway/problem"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
)

// own puts a forged chain's segment into its origin's own database.
func (c *chain) own(recordKeys ...string) *seal.Segment {
	c.t.Helper()
	from := c.head
	seg, _ := c.seal(recordKeys...)
	m := c.l.Member(c.stream.Origin)
	st, err := m.Store.EnsureStream(c.t.Context(), c.stream.String())
	if err != nil {
		c.t.Fatal(err)
	}
	kept, err := replicate.Stored(m.Node.Engine().StoreKey, st.ID, seg, c.frame(c.stream.Origin, seg).Readers)
	if err != nil {
		c.t.Fatal(err)
	}
	end := kept.End().Pos
	if err := m.Store.Append(c.t.Context(), []store.Append{{Stream: st.ID, From: from, Segments: []store.Segment{kept}, Checked: &end}}, nil); err != nil {
		c.t.Fatal(err)
	}
	return seg
}

// T8: a receipt counts only if the reader signed it, may read the stream, and
// holds the header held here; anything else moves no cursor.
func TestAttackT8ForgedReceipts(t *testing.T) {
	inStillLab(t, func(t *testing.T, l *lab) {
		c := l.chain(t, up(yulin, "consultation"))
		name := c.stream.String()
		know(t, l, yulin, yanan)
		first := c.own("T8-1", "T8-2")
		second := c.own("T8-3")
		n := uint64(1000)
		receipt := func(by, as string, streams ...sign.StreamReceipt) replicate.Signed {
			id := l.identity(t, by)
			n++
			body, sig, err := sign.Sign(id.Signer, keys.ReceiptV1, &sign.Receipt{
				V: 1, By: as, Key: sign.Hash(id.Signer.ID()), Origin: yulin, N: n, Time: sign.Now(), Level: sign.LevelStored,
				Streams: streams, Orphans: []sign.OrphanRange{},
			})
			if err != nil {
				t.Fatal(err)
			}
			return replicate.Signed{Body: body, Sign: sig}
		}
		at := func(seg *seal.Segment) sign.StreamReceipt {
			return sign.StreamReceipt{Stream: name, Gen: seg.Header.Gen, Upto: seg.Header.Last(), Head: seg.Hash}
		}
		tampered := receipt(province, province, at(first))
		tampered.Body = bytes.Replace(tampered.Body, []byte(`"level":"stored"`), []byte(`"level":"applied"`), 1)
		otherHead, ahead, inside := at(second), at(second), at(first)
		otherHead.Head[0] ^= 1
		ahead.Upto += 5
		inside.Upto--
		call := receipt(province, province, at(second))
		var err error
		if call.Sign, err = l.identity(t, province).Signer.Sign(keys.CallV1, call.Body); err != nil {
			t.Fatal(err)
		}
		for _, lie := range []struct {
			name string
			r    replicate.Signed
			code string
		}{
			{"changed on the way", tampered, problem.BadReceipt},
			{"signed by somebody else", receipt(yanan, province, at(second)), problem.BadReceipt},
			{"by a node that may not read it", receipt(yanan, yanan, at(second)), problem.BadReceipt},
			{"with another head", receipt(province, province, otherHead), problem.BadReceipt},
			{"for the middle of a segment", receipt(province, province, inside), problem.BadReceipt},
			{"a signature made for a call", call, problem.BadReceipt},
			{"ahead of the origin", receipt(province, province, ahead), problem.ReceiptAhead},
			{"not canonical", replicate.Signed{Body: append([]byte(" "), receipt(province, province, at(second)).Body...)}, problem.BadReceipt},
			{"empty", replicate.Signed{}, problem.BadReceipt},
		} {
			if err := l.engine(yulin).Believe(t.Context(), lie.r); problem.Code(err) != lie.code {
				t.Errorf("%s: %v, want %s", lie.name, err, lie.code)
			}
			if h := l.acked(t, yulin, name, province, sign.LevelStored); h != (store.Head{}) {
				t.Fatalf("%s moved the cursor to %v", lie.name, h)
			}
		}
		if got := l.alarms(t, yulin, problem.ReceiptAhead); len(got) != 1 {
			t.Errorf("a reader ahead of its origin is worth one alarm, not %v", got)
		}
		// One bad stream spoils a receipt; an unknown key defers it.
		if err := l.engine(yulin).Believe(t.Context(), receipt(province, province, at(second))); err != nil {
			t.Fatal(err)
		}
		if h := l.acked(t, yulin, name, province, sign.LevelStored); h.Seq != 3 {
			t.Errorf("the honest receipt left the cursor at %v", h)
		}
		old := receipt(province, province, at(first))
		if err := l.engine(yulin).Believe(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		if h := l.acked(t, yulin, name, province, sign.LevelStored); h.Seq != 2 {
			t.Errorf("a reader that was put back says so under a higher number, but the cursor is at %v", h)
		}
		newer := receipt(province, province, at(second))
		for _, r := range []replicate.Signed{newer, old} { // the old one again changes nothing
			if err := l.engine(yulin).Believe(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		if h := l.acked(t, yulin, name, province, sign.LevelStored); h.Seq != 3 {
			t.Errorf("a replayed receipt moved the cursor back to %v", h)
		}
	})
}

// T8 on the wire: whoever changes answers between two nodes stops nothing from
// arriving and moves no cursor; when he is gone all is as if he had not been.
func TestAttackT8ForgedAnswers(t *testing.T) {
	l := newLab(t, "sqlite", shaanxi, nil)
	t.Cleanup(l.close)
	name := up(yulin, "consultation")
	var earlier atomic.Pointer[[]byte]
	wrap := func(change func(m *signedMessage)) func(string, []byte) ([]byte, error) {
		return func(op string, body []byte) ([]byte, error) {
			if op != call.OpPush && op != call.OpHeads && op != call.OpReceipt {
				return body, nil
			}
			var m signedMessage
			if err := json.Unmarshal(body, &m); err != nil {
				return nil, err
			}
			change(&m)
			return json.Marshal(&m)
		}
	}
	flip := func(b []byte, i int) []byte {
		out := bytes.Clone(b)
		out[i%len(out)] ^= 1
		return out
	}
	l.wires[yulin].set(nil, func(op string, body []byte) ([]byte, error) {
		if op == call.OpPush {
			earlier.CompareAndSwap(nil, &body)
		}
		return body, nil
	})
	l.start(yulin, province)
	l.put(t, yulin, "consultation", "T8-0", example(t, "consultation", "T8-0", nil))
	known := func(seq uint64) {
		t.Helper()
		l.eventually(t, yulin, fmt.Sprintf("receipt for %d", seq), func() bool { return l.acked(t, yulin, name, province, sign.LevelStored).Seq == seq })
	}
	known(1)
	// The receipt may have come with a poll before the push was answered.
	l.eventually(t, yulin, "the answer to the push is overheard", func() bool { return earlier.Load() != nil })
	for i, attack := range []struct {
		name   string
		answer func(string, []byte) ([]byte, error)
	}{
		{"body", wrap(func(m *signedMessage) { m.Body = flip(m.Body, 200) })},
		{"code inside", wrap(func(m *signedMessage) {
			m.Body = bytes.Replace(m.Body, []byte(`"code":"000000"`), []byte(`"code":"GAP"`), 1)
		})},
		{"signature", wrap(func(m *signedMessage) { m.Sign = flip(m.Sign, 20) })},
		{"nothing signed", wrap(func(m *signedMessage) { m.Body, m.Sign = nil, nil })},
		{"an earlier answer", func(op string, body []byte) ([]byte, error) {
			if op == call.OpNode {
				return body, nil
			}
			return *earlier.Load(), nil
		}},
	} {
		seq := uint64(2*i + 2)
		key := fmt.Sprintf("T8-%d", seq)
		before := l.acked(t, yulin, name, province, sign.LevelStored)
		l.wires[yulin].set(nil, attack.answer)
		asked := l.wires[yulin].count(call.OpPush)
		l.put(t, yulin, "consultation", key, example(t, "consultation", key, nil))
		l.eventually(t, province, attack.name+": the segment arrives", func() bool { return l.stream(t, province, name).Seq == seq })
		l.eventually(t, yulin, attack.name+": asked again", func() bool { return l.wires[yulin].count(call.OpPush) > asked+1 })
		if h := l.acked(t, yulin, name, province, sign.LevelStored); h != before {
			t.Errorf("%s moved the cursor from %v to %v", attack.name, before, h)
		}
		l.wires[yulin].set(nil, nil)
		known(seq)
		// One record in peace, so that each attack meets a link that is well.
		l.put(t, yulin, "consultation", key+"-well", example(t, "consultation", key+"-well", nil))
		known(seq + 1)
	}
	// The code outside the signed body is for gateways; changing it changes nothing.
	l.wires[yulin].set(nil, wrap(func(m *signedMessage) { m.Code, m.Msg = "GAP", "forged" }))
	l.put(t, yulin, "consultation", "T8-last", example(t, "consultation", "T8-last", nil))
	known(12)
	if rows := l.delivered(t, province, name); len(rows) != 12 {
		t.Errorf("delivered %d rows", len(rows))
	}
}

// T8 by the neighbour itself: an answer under its own signature that says OK,
// or GAP, without a receipt for it moves no cursor and does not make the sender spin.
func TestAttackT8LyingNeighbour(t *testing.T) {
	l := newLab(t, "sqlite", shaanxi, nil)
	t.Cleanup(l.close)
	c := l.chain(t, up(yulin, "consultation"))
	name := c.stream.String()
	seg := c.own("T8-lie")
	type pushed struct {
		Receipts []replicate.Signed       `json:"receipts"`
		Streams  []replicate.StreamResult `json:"streams"`
	}
	for what, lie := range map[string]replicate.StreamResult{
		"ok":            {Stream: name, Code: problem.OK, Gen: c.gen, Last: 1, Head: seg.Hash, Gens: []replicate.Generation{}},
		"ok, far ahead": {Stream: name, Code: problem.OK, Gen: c.gen + 1, Last: 99, Head: sign.Sum(nil), Gens: []replicate.Generation{}},
		"gap":           {Stream: name, Code: problem.Gap, Gen: c.gen, Last: 7, Head: sign.Sum(nil), Gens: []replicate.Generation{{Gen: c.gen, First: 1}}},
		"gap at my end": {Stream: name, Code: problem.Gap, Gen: c.gen, Last: 1, Head: seg.Hash, Gens: []replicate.Generation{}},
		"unknown code":  {Stream: name, Code: "WHATEVER", Gens: []replicate.Generation{}},
		"other stream":  {Stream: up(yanan, "consultation"), Code: problem.Gap, Gens: []replicate.Generation{}},
	} {
		asked := make(chan struct{}, 10_000)
		e := l.engine(province)
		handlers := e.Handlers()
		handlers[call.OpPush] = func(context.Context, *call.Request) (*call.Reply, error) {
			asked <- struct{}{}
			return &call.Reply{Result: &pushed{[]replicate.Signed{}, []replicate.StreamResult{lie}}}, nil
		}
		srv := httptest.NewServer(&call.Server{Directory: e.Directory, Signer: e.Signer, Handlers: handlers, Admit: func(string) bool { return true }, Introduce: e.Introduce, Log: quietLog()})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		began := time.Now()
		go func() {
			defer close(done)
			l.engine(yulin).Push(ctx, &replicate.Link{Peer: province, URL: srv.URL, Push: true})
		}()
		<-asked
		if what != "gap at my end" { // there the liar says that it has everything: nothing is owed
			<-asked // the first answer was taken in
		}
		stop()
		<-done
		srv.Close()
		if h := l.acked(t, yulin, name, province, sign.LevelStored); h != (store.Head{}) {
			t.Errorf("%s moved the cursor to %v", what, h)
		}
		if n := len(asked); n > 10+int(time.Since(began)/(100*time.Millisecond)) {
			t.Errorf("%s: asked %d times in %s", what, n, time.Since(began))
		}
	}
}

// A byte changed in a stored copy is named by the verification of the copy, and
// no reader takes what that copy gives it; other streams flow.
func TestAttackStoredCopyChanged(t *testing.T) {
	inLabs(t, nil, func(t *testing.T, l *lab) {
		know(t, l, ministry, yulin)
		e := l.engine(province)
		srv := httptest.NewServer(&call.Server{Directory: e.Directory, Signer: e.Signer, Handlers: e.Handlers(), Admit: func(string) bool { return true }, Introduce: e.Introduce, Log: quietLog()})
		t.Cleanup(srv.Close)
		cases := []struct {
			recordType, table, column string
			at                        int  // byte to change
			named                     bool // by VerifyStream
			last                      uint64
		}{
			{"consultation", "fayi_segment", "header", 60, true, 1},
			{"lawyer", "fayi_segment", "header", -10, true, 1},
			{"law_firm", "fayi_segment", "sig", 30, true, 1},
			{"service_venue", "fayi_body", "body", 100, true, 1},
			// The keys beside a body are not the body: it is whole, and a damaged
			// copy of the key for a reader is wrapped anew.
			{"legal_aid_case", "fayi_body", "content_key", 20, true, 3},
			{"hotline_ticket", "fayi_body", "readers", 40, false, 3},
			{"mediation_committee", "fayi_body", "readers", 33, false, 3},
		}
		for _, c := range cases {
			ch := l.chain(t, up(yulin, c.recordType))
			if r := l.receive(t, province, yulin, ch.next("1"), ch.next("2"), ch.next("3")); r.Code != problem.OK {
				t.Fatal(r)
			}
			st := l.stream(t, province, ch.stream.String())
			if n, err := replicate.VerifyStream(t.Context(), e, &st); err != nil || n != 3 {
				t.Fatalf("before: %d, %v", n, err)
			}
			flipStored(t, l.Member(province), st.ID, c.table, c.column, 2, c.at)
			n, err := replicate.VerifyStream(t.Context(), e, &st)
			if c.named != (err != nil) || c.named && (n != 1 || !strings.Contains(err.Error(), "first 2")) {
				t.Errorf("%s of %s changed: verified %d segments, %v", c.column, c.recordType, n, err)
			}
		}
		whole := l.chain(t, up(yulin, "legal_aid_institution"))
		if r := l.receive(t, province, yulin, whole.next("1")); r.Code != problem.OK {
			t.Fatal(r)
		}
		p := l.engine(ministry).NewPoller(&replicate.Link{Peer: province, URL: srv.URL}, false)
		for range 3 {
			if _, err := p.Step(t.Context(), false); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range cases {
			st := l.stream(t, ministry, up(yulin, c.recordType))
			if st.Seq != c.last {
				t.Errorf("%s of %s changed: the reader holds %d segments, want %d", c.column, c.recordType, st.Seq, c.last)
			}
			if _, err := replicate.VerifyStream(t.Context(), l.engine(ministry), &st); err != nil {
				t.Errorf("the reader's copy: %v", err)
			}
		}
		if st := l.stream(t, ministry, whole.stream.String()); st.Head != whole.head {
			t.Errorf("a whole stream did not flow: %+v", st)
		}
	})
}

// flipStored changes one bit of a column of the segment that starts at first.
func flipStored(t *testing.T, m *federation.Member, stream int64, table, column string, first uint64, at int) {
	t.Helper()
	err := m.Store.InTx(t.Context(), func(tx *sql.Tx) error {
		where := " WHERE stream_id=? AND first_seq=?"
		var b []byte
		if err := tx.QueryRow("SELECT "+column+" FROM "+table+where, stream, first).Scan(&b); err != nil {
			return err
		}
		b[(at+len(b))%len(b)] ^= 1
		_, err := tx.Exec("UPDATE "+table+" SET "+column+"=?"+where, b, stream, first)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// T14: a node that lacks the pack a segment names holds it: stored advances,
// applied waits, other streams flow; when the pack arrives it is applied.
func TestAttackT14PackNotHere(t *testing.T) {
	packs := t.TempDir()
	newPack := nextPack(t, "7.0.0", "2018-01-01", edit{File: "types/service_venue.json", Old: "service_venue/1", New: "service_venue/2"},
		edit{File: "pack.json", Old: "\"name\": \"service_venue\",\n   \"version\": 1", New: "\"name\": \"service_venue\",\n   \"version\": 2"})
	give := func(id string) {
		if err := os.CopyFS(filepath.Join(packs, id, "next"), newPack); err != nil {
			t.Fatal(err)
		}
	}
	give(ministry)
	l := newLab(t, "sqlite", shaanxi, func(c *gateway.Config) { c.PacksDir = filepath.Join(packs, c.Node) })
	t.Cleanup(l.close)
	l.start()
	l.adoptAlone(t, yulin, l.signPack(t, ministry, newPack))
	name := up(yulin, "service_venue")
	for i := range 3 {
		key := fmt.Sprintf("T14-%d", i)
		l.put(t, yulin, "service_venue", key, example(t, "service_venue", key, nil))
		l.eventually(t, province, "stored", func() bool { return l.stream(t, province, name).Seq == uint64(i+1) })
	}
	held := l.stream(t, province, name)
	if held.Checked.Seq != 0 || held.State != "held" || !strings.HasPrefix(held.Detail, "service_venue@2#") {
		t.Errorf("not shown as held: %+v", held)
	}
	l.eventually(t, yulin, "the stored receipt", func() bool { return l.acked(t, yulin, name, province, sign.LevelStored) == held.Head })
	// Forwarding follows what is stored, never a verdict: the ministry applied it.
	l.eventually(t, ministry, "forwarded", func() bool { return l.stream(t, ministry, name).Seq == 3 })
	if rows := l.delivered(t, ministry, name); len(rows) != 3 {
		t.Errorf("the ministry applied %d rows", len(rows))
	}
	other := up(yulin, "lawyer")
	l.put(t, yulin, "lawyer", "16101201510123456", example(t, "lawyer", "16101201510123456", nil))
	l.eventually(t, province, "another stream", func() bool { return l.stream(t, province, other).Seq == 1 })
	if rows := l.delivered(t, province, other); len(rows) != 1 {
		t.Errorf("another stream: %v", rows)
	}
	if rows := l.inbox(t, province, name); len(rows) != 0 {
		t.Fatalf("applied without the pack: %v", rows)
	}
	if h := l.acked(t, yulin, name, province, sign.LevelApplied); h.Seq != 0 {
		t.Error("said to be applied")
	}
	give(province)
	if err := l.Member(province).Node.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rows := l.delivered(t, province, name); len(rows) != 3 {
		t.Errorf("after the pack came: %v", rows)
	}
	if st := l.stream(t, province, name); st.State != "" || st.Refused != 0 {
		t.Errorf("still %+v", st)
	}
	l.eventually(t, yulin, "the applied receipt", func() bool { return l.acked(t, yulin, name, province, sign.LevelApplied) == held.Head })
}

// A node that is sent rubbish goes on serving.
func TestAttackRubbish(t *testing.T) {
	l := newLab(t, "sqlite", shaanxi, nil)
	t.Cleanup(l.close)
	l.start(province)
	base := l.Member(province).Node.PeerURL()
	post := func(head, body string) string {
		return raw(t, base, []byte("POST /v1/call HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+head+"\r\n"+body))
	}
	length := func(s string) string { return post(fmt.Sprintf("Content-Length: %d\r\n", len(s)), s) }
	for name, try := range map[string]struct{ got, want string }{
		"nothing":             {length(""), problem.Malformed},
		"not JSON":            {length("<soap/>"), problem.Malformed},
		"deep JSON":           {length(strings.Repeat("[", 1<<20)), problem.Malformed},
		"deep in frames":      {length(`{"frames":` + strings.Repeat("[", 1<<20)), problem.Malformed},
		"wrong kinds":         {length(`{"body":{},"sign":7}`), problem.Malformed},
		"empty object":        {length(`{}`), problem.NotCanonical},
		"a million frames":    {length(`{"frames":[` + strings.Repeat(`{},`, 1<<20) + `{}]}`), problem.Malformed},
		"over the limit":      {length(strings.Repeat(" ", call.MaxMessage+1)), problem.TooLarge},
		"chunked, endless":    {post("Transfer-Encoding: chunked\r\n", "FFFFFFFFFFFFFFFFF\r\n"), problem.Malformed},
		"another path":        {raw(t, base, []byte("GET /etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")), "404"},
		"a GET":               {raw(t, base, []byte("GET /v1/call HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")), "404"},
		"no HTTP":             {raw(t, base, []byte("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")), "400"},
		"a header of 64 KiB":  {post("X: "+strings.Repeat("x", 64<<10)+"\r\n", ""), "431"},
		"signed by a nobody":  {length(string(nobodysCall(t))), problem.KeyUnknown},
		"promised, not given": {raw(t, base, []byte("POST /v1/call HTTP/1.0\r\nContent-Length: 5\r\n\r\n{}\r\n\r\n")), ""},
	} {
		if !strings.Contains(try.got, try.want) {
			t.Errorf("%s: answered %.300q, want %s", name, try.got, try.want)
		}
	}
	e := l.engine(yulin)
	if _, err := e.Client.Do(t.Context(), base, province, call.OpPing, nil, nil, nil); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// nobodysCall is a well-formed call under a key that no entry names.
func nobodysCall(t *testing.T) []byte {
	t.Helper()
	k, err := keys.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	ca, err := keys.NewAuthority("nobody", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	csr, err := keys.NewRequest(yulin, k)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.IssueNode(csr, yulin, keys.UsageSign, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := keys.NewSoftSigner(cert, k)
	if err != nil {
		t.Fatal(err)
	}
	var m signedMessage
	m.Body, m.Sign, err = sign.Sign(signer, keys.CallV1, &sign.Call{
		V: 1, From: yulin, To: province, Op: call.OpPing, Key: sign.Hash(signer.ID()), Time: sign.Now(), Frames: []sign.Hash{}, Args: json.RawMessage(`{}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(&m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
