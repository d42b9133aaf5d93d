package gateway_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"fayi/crypto/keys"
	"fayi/crypto/merkle"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/federation"
	"fayi/gateway/problem"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
	"fayi/outbox"
)

// P1: a record is exchanged if and only if the business transaction that
// published it committed.
func TestP1Atomic(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		name := up(yulin, "consultation")
		rollback := errors.New("the business changed its mind")
		for i := range 20 {
			key := fmt.Sprintf("P1-%02d", i)
			err := w.Member(yulin).Store.InTx(t.Context(), func(tx *sql.Tx) error {
				if err := outbox.Publish(t.Context(), tx, outbox.Record{Type: "consultation", Key: key, Payload: example(t, "consultation", key, nil)}); err != nil {
					return err
				}
				if i%2 == 1 {
					return rollback
				}
				return nil
			})
			if i%2 == 1 != errors.Is(err, rollback) {
				t.Fatal(err)
			}
		}
		w.quiet(t)
		for _, node := range []string{province, ministry} {
			got := map[string]bool{}
			for _, r := range w.delivered(t, node, name) {
				got[r.Key] = true
			}
			for i := range 20 {
				key := fmt.Sprintf("P1-%02d", i)
				if got[key] != (i%2 == 0) {
					t.Errorf("%s: %s arrived: %v; committed: %v", node, key, got[key], i%2 == 0)
				}
			}
		}
	})
}

// P2: numbers have no gaps, and a reader knows that it has everything up to n
// as of T.
func TestP2Complete(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		name := up(yulin, "service_venue")
		for i := range 30 {
			key := fmt.Sprintf("P2-%02d", i)
			w.put(t, yulin, "service_venue", key, example(t, "service_venue", key, nil))
		}
		w.quiet(t)
		for _, node := range []string{yulin, province, ministry} {
			next := uint64(1)
			var prev store.Hash
			for _, s := range w.segments(t, node, name) {
				if s.First != next || s.Prev != prev {
					t.Fatalf("%s: segment at %d after %d", node, s.First, next-1)
				}
				next, prev = s.Last()+1, s.Hash
			}
			if next != 31 {
				t.Errorf("%s holds %d lines, want 30", node, next-1)
			}
		}
		// The city says where it ends; the ministry, two hops away, can date its copy.
		if err := w.Member(yulin).Node.Engine().PublishNote(t.Context()); err != nil {
			t.Fatal(err)
		}
		complete := func() (uint64, bool) {
			list, err := w.Member(ministry).Node.StreamStatuses(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range list {
				if s.Stream == name {
					return s.Upto, !s.AsOf.IsZero()
				}
			}
			return 0, false
		}
		w.eventually(t, ministry, "complete to 30", func() bool { n, dated := complete(); return n == 30 && dated })
	})
}

// P3: each consumer applies each record once and in number order, though push
// and poll deliver together and everything is sent again.
func TestP3OnceInOrder(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		name := up(yulin, "legal_aid_case")
		ctx := t.Context()
		// The province polls Yulin while Yulin pushes to it.
		link := &replicate.Link{Peer: yulin, URL: w.Member(yulin).Node.PeerURL()}
		go w.Member(province).Node.Engine().Poll(ctx, link)
		for i := range 60 {
			key := fmt.Sprintf("P3-%d", i%5)
			w.put(t, yulin, "legal_aid_case", key, example(t, "legal_aid_case", key, map[string]any{"caseSummary": fmt.Sprintf("第%d次进展", i)}))
		}
		w.quiet(t)
		// Everything again, backwards, from both sides.
		e := w.Member(province).Node.Engine()
		segs := w.segments(t, yulin, name)
		for i := len(segs) - 1; i >= 0; i-- {
			readers, err := seal.DecodeReaders(segs[i].Readers)
			if err != nil {
				t.Fatal(err)
			}
			res, _, err := e.Receive(ctx, yulin, []seal.Frame{{Header: segs[i].Header, Sig: segs[i].Sig, Readers: readers, Body: segs[i].Body}}, false)
			if err != nil || res[0].Code != problem.OK {
				t.Fatalf("replay: %v %v", res, err)
			}
		}
		for _, node := range []string{province, ministry} {
			rows := w.delivered(t, node, name)
			version := map[string]int{}
			for i, r := range rows {
				if r.Seq != uint64(i+1) {
					t.Fatalf("%s: row %d has number %d", node, i, r.Seq)
				}
				var rec struct{ CaseSummary string }
				json.Unmarshal([]byte(r.Payload), &rec)
				var n int
				fmt.Sscanf(rec.CaseSummary, "第%d次进展", &n)
				if last, ok := version[r.Key]; ok && n <= last {
					t.Errorf("%s: %s version %d after %d", node, r.Key, n, last)
				}
				version[r.Key] = n
			}
			if len(rows) != 60 {
				t.Errorf("%s applied %d rows, want 60", node, len(rows))
			}
		}
	})
}

// P4: any node verifies who first published a record, relying on nobody who
// carried it; one record can be proved alone.
func TestP4Authentic(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		name := up(yulin, "mediation_committee")
		for i := range 7 {
			key := fmt.Sprintf("P4-%d", i)
			w.put(t, yulin, "mediation_committee", key, example(t, "mediation_committee", key, nil))
		}
		w.quiet(t)
		e := w.Member(ministry).Node.Engine()
		for _, s := range w.segments(t, ministry, name) {
			h, lines, err := e.Lines(&s)
			if err != nil {
				t.Fatal(err)
			}
			key, ok := e.Directory.Key(h.Key)
			if !ok || key.Node.Entry.Node != yulin {
				t.Fatalf("segment is signed by %v, not by its origin", key.Node)
			}
			if err := seal.VerifyHeader(key.Cert, s.Header, s.Sig); err != nil {
				t.Fatal(err)
			}
			leaves := make([]merkle.Hash, len(lines))
			for i, l := range lines {
				leaves[i] = merkle.LeafHash(l)
			}
			tree := merkle.NewTree(leaves)
			for i := range leaves {
				path, err := tree.Proof(uint64(i))
				if err != nil {
					t.Fatal(err)
				}
				if err := merkle.VerifyProof(merkle.Hash(h.Root), leaves[i], uint64(i), h.Count, path); err != nil {
					t.Errorf("line %d cannot be proved alone: %v", i, err)
				}
			}
		}
		// The province, with its own valid key, cannot speak for the city.
		segs := w.segments(t, province, name)
		last := segs[len(segs)-1]
		forger := w.identity(t, province)
		line := seal.AppendLine(nil, &seal.Line{Seq: last.Last() + 1, Key: "P4-forged", Op: seal.Put, At: sign.Now(), Src: "main", Ref: "main:1:1", Data: []byte("{}")})
		h, _ := seal.ParseHeader(last.Header)
		forged, err := seal.Seal(seal.Draft{Stream: name, Gen: h.Gen, First: last.Last() + 1, Prev: sign.Hash(last.Hash), Schema: h.Schema, Time: sign.Now()}, [][]byte{line}, forger.Signer)
		if err != nil {
			t.Fatal(err)
		}
		res, _, err := e.Receive(t.Context(), province, []seal.Frame{{Header: forged.Bytes, Sig: forged.Sig, Body: forged.Body}}, false)
		if err != nil || res[0].Code != problem.KeyUnknown {
			t.Errorf("a segment of the city signed by the province: %v, %v", res, err)
		}
	})
}

// P5: contents are readable only at nodes of the stream's audience, never in
// the node's own tables, on the network, or at a node beside the way.
func TestP5Confidential(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		const secret = "只有受众可读的诉求内容甲乙丙丁"
		name := up(yulin, "hotline_ticket")
		w.put(t, yulin, "hotline_ticket", "P5-1", example(t, "hotline_ticket", "P5-1", map[string]any{"content": secret}))
		w.quiet(t)
		if rows := w.delivered(t, ministry, name); !strings.Contains(rows[0].Payload, secret) {
			t.Fatal("the ministry cannot read what is meant for it")
		}
		w.tap.mu.Lock()
		if bytes.Contains(w.tap.sent.Bytes(), []byte(secret)) {
			t.Error("contents in the clear on the network")
		}
		if w.tap.sent.Len() == 0 {
			t.Error("the tap heard nothing")
		}
		w.tap.mu.Unlock()
		for _, m := range w.Members {
			for table, found := range ownTables(t, m, secret) {
				if found {
					t.Errorf("%s: contents in the clear in %s", m.ID, table)
				}
			}
		}
		// Yan'an is not in the audience: it is not given the stream, and frames that
		// reach it all the same are refused and could not be opened.
		if st := w.stream(t, yanan, name); st.Seq != 0 {
			t.Error("a node outside the audience holds the stream")
		}
		segs := w.segments(t, province, name)
		readers, _ := seal.DecodeReaders(segs[0].Readers)
		res, _, err := w.Member(yanan).Node.Engine().Receive(t.Context(), province, []seal.Frame{{Header: segs[0].Header, Sig: segs[0].Sig, Readers: readers, Body: segs[0].Body}}, false)
		if err != nil || res[0].Code != problem.NotForMe {
			t.Errorf("Yan'an answered %v, %v", res, err)
		}
		if _, err := seal.Unwrap(w.identity(t, yanan).Unwrapper, readers); err == nil {
			t.Error("Yan'an could unwrap the content key")
		}
	})
}

// ownTables looks for text in every column of the node's own tables.
func ownTables(t *testing.T, m *federation.Member, text string) map[string]bool {
	t.Helper()
	query := "SELECT name FROM sqlite_master WHERE type='table' AND name LIKE 'fayi_%'"
	if m.Store.Dialect() == outbox.MySQL {
		query = "SELECT table_name FROM information_schema.tables WHERE table_schema=DATABASE() AND table_name LIKE 'fayi_%'"
	}
	out := map[string]bool{}
	names, err := m.Store.DB().Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	for names.Next() {
		var table string
		if err := names.Scan(&table); err != nil {
			t.Fatal(err)
		}
		rows, err := m.Store.DB().Query("SELECT * FROM " + table)
		if err != nil {
			t.Fatal(err)
		}
		cols, _ := rows.Columns()
		cells := make([]sql.RawBytes, len(cols))
		ptrs := make([]any, len(cols))
		for i := range cells {
			ptrs[i] = &cells[i]
		}
		out[table] = false
		for rows.Next() {
			if err := rows.Scan(ptrs...); err != nil {
				t.Fatal(err)
			}
			for _, c := range cells {
				out[table] = out[table] || bytes.Contains(c, []byte(text))
			}
		}
		rows.Close()
	}
	if len(out) < 10 {
		t.Fatalf("%s: only %d own tables found", m.ID, len(out))
	}
	return out
}

// P6: for everything delivered there is a signed receipt of each reader, and
// what a reader refuses comes back as a record.
func TestP6Acknowledged(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		name := up(yanan, "consultation")
		w.put(t, yanan, "consultation", "P6-good", example(t, "consultation", "P6-good", nil))
		w.quiet(t)
		origin := w.Member(yanan)
		acked := func(level, reader string) bool {
			st := w.stream(t, yanan, name)
			acks, err := origin.Store.Acks(t.Context(), st.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range acks {
				if a.Reader == reader && a.Level == level && a.Head == st.Head {
					return true
				}
			}
			return false
		}
		for _, reader := range []string{province, ministry} {
			for _, level := range []string{sign.LevelStored, sign.LevelApplied} {
				w.eventually(t, yanan, reader+" "+level, func() bool { return acked(level, reader) })
			}
		}
		// Each receipt is evidence by itself.
		receipts, err := origin.Store.ReceiptsOf(t.Context(), yanan)
		if err != nil || len(receipts) == 0 {
			t.Fatal("no receipts kept", err)
		}
		for _, r := range receipts {
			body, err := sign.ParseReceipt(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			key, ok := origin.Node.Engine().Directory.Key(body.Key)
			if !ok || key.Node.Entry.Node != r.By || key.Cert.Verify(keys.ReceiptV1, r.Body, r.Sig) != nil {
				t.Errorf("receipt of %s does not verify", r.By)
			}
		}
		// A dishonest origin seals a record that breaks the schema it names. Readers
		// store it, refuse it, and say so in a record of their own.
		w.sealUnchecked(t, yanan, name, "P6-bad", []byte(`{"consultNo":"P6-bad"}`))
		w.quiet(t)
		for _, reader := range []string{province, ministry} {
			w.eventually(t, yanan, "rejection by "+reader, func() bool {
				rs, err := origin.Store.ListPeerRejections(t.Context(), store.RejectionFilter{})
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range rs {
					if r.Stream == name && r.Seq == 2 && r.By == reader && r.Code != "" && r.Open {
						return true
					}
				}
				return false
			})
		}
		for _, r := range w.delivered(t, province, name) {
			if r.Key == "P6-bad" {
				t.Error("a refused record left the inbox")
			}
		}
	})
}

// sealUnchecked makes an origin append a line no honest node would seal.
func (w *world) sealUnchecked(t *testing.T, node, name, key string, data []byte) *seal.Segment {
	t.Helper()
	m, st := w.Member(node), w.stream(t, node, name)
	e := m.Node.Engine()
	parsed, err := sign.ParseStream(name)
	if err != nil {
		t.Fatal(err)
	}
	typ, _ := e.Schemas().Current(parsed.Type)
	line := seal.AppendLine(nil, &seal.Line{Seq: st.Seq + 1, Key: key, Op: seal.Put, At: sign.Now(), Src: "main", Ref: "main:0:0", Data: data})
	seg, err := seal.Seal(seal.Draft{Stream: name, Gen: st.Gen, First: st.Seq + 1, Prev: sign.Hash(st.Hash), Schema: typ.Ref(), Time: sign.Now()}, [][]byte{line}, e.Signer)
	if err != nil {
		t.Fatal(err)
	}
	readers, err := replicate.WrapNext(e.Directory, parsed, seg.Key)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := replicate.Stored(e.StoreKey, st.ID, seg, readers)
	if err != nil {
		t.Fatal(err)
	}
	end := stored.End().Pos
	if err := m.Store.Append(t.Context(), []store.Append{{Stream: st.ID, From: st.Head, Segments: []store.Segment{stored}, Checked: &end}}, nil); err != nil {
		t.Fatal(err)
	}
	e.Hub.Stream(name)
	return seg
}

// P7: a node cannot rewrite below a position for which a reader holds its
// header: the attempt is a fork, both headers are kept, the stream stops.
func TestP7AppendOnly(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		name := up(yanan, "service_venue")
		for i := range 3 {
			key := fmt.Sprintf("P7-%d", i)
			w.put(t, yanan, "service_venue", key, example(t, "service_venue", key, nil))
			w.quiet(t)
		}
		before := w.stream(t, province, name)
		segs := w.segments(t, yanan, name)
		h, _ := seal.ParseHeader(segs[1].Header)
		// Yan'an's own key signs another past.
		line := seal.AppendLine(nil, &seal.Line{Seq: h.First, Key: "P7-1", Op: seal.Del, At: sign.Now(), Src: "main", Ref: "main:0:0"})
		other, err := seal.Seal(seal.Draft{Stream: name, Gen: h.Gen, First: h.First, Prev: h.Prev, Schema: h.Schema, Time: sign.Now()}, [][]byte{line}, w.identity(t, yanan).Signer)
		if err != nil {
			t.Fatal(err)
		}
		e := w.Member(province).Node.Engine()
		res, _, err := e.Receive(t.Context(), yanan, []seal.Frame{{Header: other.Bytes, Sig: other.Sig, Body: other.Body}}, false)
		if err != nil || res[0].Code != problem.Fork {
			t.Fatalf("rewriting the past: %v, %v", res, err)
		}
		after := w.stream(t, province, name)
		if after.Head != before.Head || after.State != "forked" {
			t.Errorf("head %v → %v, state %q", before.Head, after.Head, after.State)
		}
		forks, err := w.Member(province).Store.Forks(t.Context(), after.ID)
		if err != nil || len(forks) != 1 || !bytes.Equal(forks[0].Header, other.Bytes) {
			t.Errorf("the other header is not kept as evidence: %v, %v", forks, err)
		}
		if have, err := w.Member(province).Store.SegmentStarting(t.Context(), after.ID, h.Gen, h.First); err != nil || have == nil || !bytes.Equal(have.Header, segs[1].Header) {
			t.Error("what was there is not there any more", err)
		}
	})
}

// P8: no record that breaks its schema enters a stream; it goes where a person
// sees why, in Chinese, and can repair it; it blocks nobody.
func TestP8Valid(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		name := up(yulin, "legal_aid_institution")
		m := w.Member(yulin)
		w.put(t, yulin, "legal_aid_institution", "1261080043600001X2", example(t, "legal_aid_institution", "1261080043600001X2", map[string]any{"name": nil, "level": "77"}))
		w.put(t, yulin, "legal_aid_institution", "12100000400002259P", example(t, "legal_aid_institution", "12100000400002259P", nil))
		w.quiet(t)
		list, err := outbox.ListRejected(t.Context(), m.Store.DB(), m.Store.Dialect(), outbox.Filter{State: outbox.StateOpen, Type: "legal_aid_institution", Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		var bad *outbox.Rejected
		for i := range list {
			if string(list[i].Row.Key) == "1261080043600001X2" {
				bad = &list[i]
			}
		}
		if bad == nil {
			t.Fatalf("the broken record is not among the rejected: %v", list)
		}
		var faults []struct{ Code, Pointer, Title, Message, Hint string }
		if err := json.Unmarshal(bad.Faults, &faults); err != nil {
			t.Fatal(err)
		}
		if len(faults) != 2 {
			t.Errorf("not every fault is named: %+v", faults)
		}
		for _, f := range faults {
			if !strings.ContainsAny(f.Message, "名称级别代码缺少必填") || f.Pointer == "" {
				t.Errorf("a clerk cannot act on %+v", f)
			}
		}
		for _, r := range w.delivered(t, province, name) {
			if r.Key == "1261080043600001X2" {
				t.Error("the broken record entered the stream")
			}
		}
		// Repaired, it goes on.
		repaired := example(t, "legal_aid_institution", "1261080043600001X2", nil)
		w.tx(t, yulin, func(tx *sql.Tx) error {
			return outbox.Resubmit(t.Context(), tx, m.Store.Dialect(), outbox.Table, bad.ID, repaired, nil)
		})
		w.quiet(t)
		found := false
		for _, r := range w.delivered(t, province, name) {
			found = found || r.Key == "1261080043600001X2"
		}
		if !found {
			t.Error("the repaired record did not arrive")
		}
	})
}
