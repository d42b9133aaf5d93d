package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"fayi/crypto/keys"
	"fayi/crypto/merkle"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway"
	"fayi/gateway/problem"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
)

// The attacks are those of the protocol's security review; each test is named
// after its number there.

// T1: a segment nobody signed, from a neighbour that may carry the stream,
// neither stops the stream nor is answered; it raises a counter.
func TestAttackT1JunkSegment(t *testing.T) {
	inStillLab(t, func(t *testing.T, l *lab) {
		c := l.chain(t, up(yulin, "consultation"))
		if r := l.receive(t, province, yulin, c.next("T1-1")); r.Code != problem.OK {
			t.Fatal(r)
		}
		before := l.stream(t, province, c.stream.String())
		n, _, err := l.Member(province).Store.Counter(t.Context(), "receipt/"+yulin)
		if err != nil {
			t.Fatal(err)
		}
		honest := c.head
		c.head.Hash[0] ^= 1 // a wrong prev
		junk := c.next("T1-2")
		junk.Sig = slices.Clone(junk.Sig)
		junk.Sig[len(junk.Sig)-1] ^= 1
		r := l.receive(t, province, yulin, junk)
		if r.Code != problem.BadSignature || r.Last != 0 || !r.Head.IsZero() {
			t.Errorf("answered %+v", r)
		}
		after := l.stream(t, province, c.stream.String())
		if after != before || after.State != "" {
			t.Errorf("stream %+v became %+v", before, after)
		}
		if got := l.engine(province).Faults()[[2]string{yulin, problem.BadSignature}]; got != 1 {
			t.Errorf("counted %d", got)
		}
		if all := l.alarms(t, province, problem.BadSignature); len(all) != 0 {
			t.Errorf("events %v", all)
		}
		if m, _, err := l.Member(province).Store.Counter(t.Context(), "receipt/"+yulin); err != nil || m != n {
			t.Errorf("a receipt was signed for junk: %d, %v", m, err)
		}
		c.head = honest
		if r := l.receive(t, province, yulin, c.next("T1-2")); r.Code != problem.OK || r.Last != 2 {
			t.Errorf("the honest segment: %+v", r)
		}
	})
}

// T2: an old number with other bytes under the origin's own valid signature is
// a fork: both headers are kept and that stream stops; others go on.
func TestAttackT2Fork(t *testing.T) {
	inStillLab(t, func(t *testing.T, l *lab) {
		c, other := l.chain(t, up(yulin, "service_venue")), l.chain(t, up(yulin, "lawyer"))
		first := c.next("T2-1")
		atOne := c.head
		second := c.next("T2-2")
		if r := l.receive(t, province, yulin, first, second); r.Code != problem.OK {
			t.Fatal(r)
		}
		end := c.head
		c.head = atOne
		rival := c.next("T2-2", "T2-3")
		if r := l.receive(t, province, yulin, rival); r.Code != problem.Fork {
			t.Fatalf("verdict %+v", r)
		}
		st := l.stream(t, province, c.stream.String())
		if st.State != "forked" || st.Head != end {
			t.Errorf("stream %+v", st)
		}
		forks, err := l.Member(province).Store.Forks(t.Context(), st.ID)
		if err != nil || len(forks) != 1 || !bytes.Equal(forks[0].Header, rival.Header) || !bytes.Equal(forks[0].Sig, rival.Sig) || forks[0].Peer != yulin {
			t.Errorf("evidence %v, %v", forks, err)
		}
		if got := l.alarms(t, province, problem.Fork); len(got) != 1 {
			t.Errorf("alarms %v", got)
		}
		c.head = end
		if r := l.receive(t, province, yulin, c.next("T2-4")); r.Code != problem.Forked {
			t.Errorf("the stopped stream went on: %+v", r)
		}
		if r := l.receive(t, province, yulin, other.next("T2-5")); r.Code != problem.OK {
			t.Errorf("another stream stopped: %+v", r)
		}
	})
}

// T3: whoever forwards a segment may reduce a line to its leaf, and everything
// still verifies; without an erasure order it is not taken, is alarmed, and the
// whole copy is taken afterwards.
func TestAttackT3LeafWithoutOrder(t *testing.T) {
	inStillLab(t, func(t *testing.T, l *lab) {
		c := l.chain(t, up(yulin, "legal_aid_case"))
		seg, lines := c.seal("T3-1", "T3-投诉", "T3-3")
		lines[1] = seal.AppendErased(nil, 2, sign.Hash(merkle.LeafHash(lines[1])))
		suppressed := *seg
		var err error
		if suppressed.Body, suppressed.Key, err = seal.SealBody(seg.Bytes, lines); err != nil {
			t.Fatal(err)
		}
		if seal.Root(lines) != seg.Header.Root {
			t.Fatal("the attack is no attack: the root differs")
		}
		for range 2 {
			if r := l.receive(t, province, yulin, c.frame(yulin, &suppressed)); r.Code != problem.LeafNoOrder {
				t.Fatalf("verdict %+v", r)
			}
		}
		if st := l.stream(t, province, c.stream.String()); st.Seq != 0 || st.State != "" {
			t.Errorf("stored: %+v", st)
		}
		if got := l.alarms(t, province, problem.LeafNoOrder); len(got) != 1 || got[0].Peer != yulin {
			t.Errorf("alarms %v", got)
		}
		if r := l.receive(t, province, yulin, c.frame(yulin, seg)); r.Code != problem.OK || r.Last != 3 {
			t.Errorf("the whole copy: %+v", r)
		}
		// Misnumbered leaves are no leaves at all.
		seg, lines = c.seal("T3-4", "T3-5")
		lines[1] = seal.AppendErased(nil, 9, sign.Hash(merkle.LeafHash(lines[1])))
		if suppressed.Body, suppressed.Key, err = seal.SealBody(seg.Bytes, lines); err != nil {
			t.Fatal(err)
		}
		suppressed.Bytes, suppressed.Sig = seg.Bytes, seg.Sig
		if r := l.receive(t, province, yulin, c.frame(yulin, &suppressed)); r.Code != problem.CannotOpen {
			t.Errorf("misnumbered leaf: %+v", r)
		}
	})
}

// T5: the province's online key alone can neither introduce nor change a city;
// its registrar cannot reach beyond its territory, nor change a city's keys
// without the city.
func TestAttackT5Directory(t *testing.T) {
	inStillLab(t, func(t *testing.T, l *lab) {
		city, _ := l.engine(ministry).Directory.Node(province)
		if city == nil {
			// The ministry approved the province, so it must be known.
			t.Fatal("the ministry does not know the province")
		}
		have, ok := l.engine(province).Directory.Node(yulin)
		if !ok {
			t.Fatal("the province does not know its city")
		}
		node, reg := l.identity(t, province), l.registrar(t, province)
		registrar := reg.Signer
		thief := newKeys(t, reg, yulin)
		stranger := newKeys(t, reg, "610900")
		far := newKeys(t, reg, "620100")
		changed := func(f func(e *sign.Entry)) *sign.Entry {
			e := *have.Entry
			e.N++
			e.Sign, e.Enc, e.Registrars = slices.Clone(e.Sign), slices.Clone(e.Enc), slices.Clone(e.Registrars)
			f(&e)
			return &e
		}
		own := l.identity(t, yulin).Signer
		addKey := func(e *sign.Entry) {
			e.Sign = append(e.Sign, sign.SignKey{Cert: thief.sign, From: []sign.Position{{Stream: "*"}}, Upto: []sign.EndPoint{}})
		}
		for _, c := range []struct {
			name  string
			entry *sign.Entry
			by    []keys.Signer
			code  string
		}{
			{"node key introduces a city", stranger.entry(province), []keys.Signer{node.Signer}, problem.BadEntry},
			{"node key changes a city", changed(addKey), []keys.Signer{node.Signer}, problem.BadEntry},
			{"node key and the city's own key", changed(addKey), []keys.Signer{node.Signer, own}, problem.BadEntry},
			{"registrar alone adds a key", changed(addKey), []keys.Signer{registrar}, problem.BreakGlass},
			{"registrar alone changes the key others encrypt to", changed(func(e *sign.Entry) { e.Enc = []sign.CertRef{{Cert: thief.enc}} }), []keys.Signer{registrar}, problem.BreakGlass},
			{"registrar alone changes the city's registrar", changed(func(e *sign.Entry) { e.Registrars = []sign.CertRef{{Cert: thief.reg}} }), []keys.Signer{registrar}, problem.BreakGlass},
			{"beyond its territory", far.entry(province), []keys.Signer{registrar}, problem.Territory},
			{"as a child of another", far.entry(ministry), []keys.Signer{registrar}, problem.BadEntry},
			{"the anchor itself", func() *sign.Entry {
				n, _ := l.engine(province).Directory.Node(ministry)
				e := *n.Entry
				e.N++
				return &e
			}(), []keys.Signer{registrar}, problem.BadEntry},
		} {
			if _, err := l.engine(province).Learn(t.Context(), signEntry(t, c.entry, c.by...)); problem.Code(err) != c.code {
				t.Errorf("%s: %v, want %s", c.name, err, c.code)
			}
		}
		if now, _ := l.engine(province).Directory.Node(yulin); now != have {
			t.Error("the entry changed")
		}
		// With the city's own key it is a rotation.
		if ok, err := l.engine(province).Learn(t.Context(), signEntry(t, changed(addKey), registrar, own)); err != nil || !ok {
			t.Errorf("rotation with the old key: %v, %v", ok, err)
		}
	})
}

// T5, on the way it would come: as records of the province's own public stream.
// What is refused for good is alarmed and stops nothing behind it.
func TestAttackT5Record(t *testing.T) {
	inStillLab(t, func(t *testing.T, l *lab) {
		reg := l.registrar(t, province)
		c := l.chain(t, sign.Stream{Origin: province, Type: replicate.TypeNode, Audience: sign.Public}.String())
		put := func(e *sign.Entry, by ...keys.Signer) seal.Frame {
			data, err := json.Marshal(signEntry(t, e, by...))
			if err != nil {
				t.Fatal(err)
			}
			line := seal.AppendLine(nil, &seal.Line{Seq: c.head.Seq + 1, Key: e.Node, Op: seal.Put, At: sign.Now(), Src: "sys", Ref: "sys:1:1", Data: data})
			seg, err := seal.Seal(seal.Draft{Stream: c.stream.String(), Gen: c.gen, First: c.head.Seq + 1, Prev: sign.Hash(c.head.Hash), Schema: c.schema, Time: sign.Now()}, [][]byte{line}, c.id.Signer)
			if err != nil {
				t.Fatal(err)
			}
			c.head = store.Head{Pos: store.Pos{Gen: c.gen, Seq: seg.Header.Last()}, Hash: store.Hash(seg.Hash)}
			return c.frame(province, seg)
		}
		far, forged, good := newKeys(t, reg, "620100"), newKeys(t, reg, "610900"), newKeys(t, reg, "610700")
		r := l.receive(t, ministry, province, put(far.entry(province), reg.Signer), put(forged.entry(province), l.identity(t, province).Signer), put(good.entry(province), reg.Signer))
		if r.Code != problem.OK {
			t.Fatal(r)
		}
		if err := l.engine(ministry).ActOnSystem(t.Context()); err != nil {
			t.Fatal(err)
		}
		for id, want := range map[string]bool{"620100": false, "610900": false, "610700": true} {
			if _, got := l.engine(ministry).Directory.Node(id); got != want {
				t.Errorf("%s known: %v, want %v", id, got, want)
			}
		}
		if len(l.alarms(t, ministry, problem.Territory)) != 1 || len(l.alarms(t, ministry, problem.BadEntry)) != 1 {
			t.Error("refused entries were not alarmed")
		}
		// A record that waits for a parent nobody knows holds up its own stream, not others.
		orphan := newKeys(t, reg, "619999")
		if r := l.receive(t, ministry, province, put(orphan.entry("619900"), reg.Signer)); r.Code != problem.OK {
			t.Fatal(r)
		}
		rej := l.chain(t, sign.Stream{Origin: province, Type: replicate.TypeRejection, Audience: sign.To(ministry)}.String())
		if r := l.receive(t, ministry, province, rej.next("0000000000000000:1:1")); r.Code != problem.OK {
			t.Fatal(r)
		}
		if err := l.engine(ministry).ActOnSystem(t.Context()); problem.Code(err) != problem.KeyUnknown {
			t.Errorf("a waiting entry: %v", err)
		}
		at, err := l.Member(ministry).Store.Consumer(t.Context(), "system", l.stream(t, ministry, rej.stream.String()).ID)
		if err != nil || at != rej.head.Pos {
			t.Errorf("another system stream waits at %v, %v", at, err)
		}
	})
}

// T9: a stream addressed to the ministry alone crosses the province, which
// keeps and forwards what it cannot read; a node beside the way refuses it.
func TestAttackT9CarrierWithoutKeys(t *testing.T) {
	name := sign.Stream{Origin: yulin, Type: "hotline_ticket", Audience: sign.To(ministry)}.String()
	inLabs(t, func(c *gateway.Config) {
		if c.Node == yulin {
			c.Publish = map[string][]string{"hotline_ticket": {sign.To(ministry)}}
		}
	}, func(t *testing.T, l *lab) {
		l.start()
		const secret = "只给部里看的内容"
		l.put(t, yulin, "hotline_ticket", "T9-1", example(t, "hotline_ticket", "T9-1", map[string]any{"content": secret}))
		l.quiet(t)
		if rows := l.delivered(t, ministry, name); len(rows) != 1 || !strings.Contains(rows[0].Payload, secret) {
			t.Fatalf("the ministry got %v", rows)
		}
		segs := l.segments(t, province, name)
		if len(segs) != 1 || segs[0].Key != nil {
			t.Fatalf("the carrier holds %d segments, or a key", len(segs))
		}
		if _, _, err := l.engine(province).Lines(&segs[0]); err == nil {
			t.Error("the carrier could open it")
		}
		readers, err := seal.DecodeReaders(segs[0].Readers)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Unwrap(l.identity(t, province).Unwrapper, readers); err == nil {
			t.Error("a key was wrapped for the carrier")
		}
		if rows := l.inbox(t, province, name); len(rows) != 0 {
			t.Error("the carrier delivered", rows)
		}
		l.eventually(t, yulin, "the carrier's and the reader's receipts", func() bool {
			head := l.stream(t, yulin, name).Head
			return l.acked(t, yulin, name, province, sign.LevelCarried) == head && l.acked(t, yulin, name, ministry, sign.LevelStored) == head
		})
		if h := l.acked(t, yulin, name, province, sign.LevelStored); h.Seq != 0 {
			t.Error("the carrier says that it opened the segment")
		}
		frame := seal.Frame{Header: segs[0].Header, Sig: segs[0].Sig, Readers: readers, Body: segs[0].Body}
		if r := l.receive(t, yanan, province, frame); r.Code != problem.NotForMe {
			t.Errorf("a node beside the way: %+v", r)
		}
		if r := l.receive(t, yanan, province, l.chain(t, up(yulin, "consultation")).next("T9-2")); r.Code != problem.NotForMe {
			t.Errorf("a neighbour city's upstream: %+v", r)
		}
		if r := l.receive(t, ministry, yulin, frame); r.Code != problem.NotForMe && r.Code != problem.NotCarrier {
			t.Errorf("from someone who is not on the way: %+v", r)
		}
		if f := l.engine(yanan).Faults(); f[[2]string{province, problem.NotForMe}] != 2 {
			t.Errorf("counted %v", f)
		}
	})
}

// A carrier cannot check bodies, so it may hold a damaged one; an equal header
// from the origin's side replaces it (protocol §3).
func TestAttackCarrierBodyReplaced(t *testing.T) {
	inStillLab(t, func(t *testing.T, l *lab) {
		c := l.chain(t, sign.Stream{Origin: yulin, Type: "consultation", Audience: sign.To(ministry)}.String())
		good := c.next("carried")
		bad := good
		bad.Body = slices.Clone(good.Body)
		bad.Body[40] ^= 1
		if r := l.receive(t, province, yulin, bad); r.Code != problem.OK {
			t.Fatal(r)
		}
		forward := func() seal.Frame {
			segs := l.segments(t, province, c.stream.String())
			readers, err := seal.DecodeReaders(segs[0].Readers)
			if err != nil {
				t.Fatal(err)
			}
			return seal.Frame{Header: segs[0].Header, Sig: segs[0].Sig, Readers: readers, Body: segs[0].Body}
		}
		know(t, l, ministry, yulin)
		if r := l.receive(t, ministry, province, forward()); r.Code != problem.CannotOpen {
			t.Fatalf("the damaged copy: %+v", r)
		}
		if r := l.receive(t, province, yulin, good); r.Code != problem.OK {
			t.Fatal(r)
		}
		if r := l.receive(t, ministry, province, forward()); r.Code != problem.OK {
			t.Errorf("the replaced copy: %+v", r)
		}
	})
}

// know tells a node what another's neighbours know of it.
func know(t *testing.T, l *lab, at, of string) {
	t.Helper()
	n, ok := l.engine(of).Directory.Node(of)
	if !ok {
		t.Fatalf("%s does not know itself", of)
	}
	if _, err := l.engine(at).Learn(t.Context(), n.Signed); err != nil {
		t.Fatal(err)
	}
}

// T10: a header spelt in any way but one is refused before its signature is
// looked at, though the signature over the odd bytes is the origin's own.
func TestAttackT10HeaderSpellings(t *testing.T) {
	inStillLab(t, attackT10)
}

func attackT10(t *testing.T, l *lab) {
	c := l.chain(t, up(yulin, "hotline_ticket"))
	seg, _ := c.seal("T10")
	h := string(seg.Bytes)
	swap := func(old, new string) string {
		if !strings.Contains(h, old) {
			t.Fatalf("no %s in %s", old, h)
		}
		return strings.Replace(h, old, new, 1)
	}
	for name, bad := range map[string]string{
		"upper-case member":    swap(`"stream"`, `"STREAM"`),
		"folded member":        swap(`"stream"`, `"ſtream"`),
		"kelvin member":        swap(`"key"`, `"Key"`),
		"member twice":         swap(`"first":1`, `"first":9,"first":1`),
		"member twice, folded": swap(`"first":1`, `"First":9,"first":1`),
		"exponent":             swap(`"first":1`, `"first":1e0`),
		"decimal point":        swap(`"first":1`, `"first":1.0`),
		"leading zero":         swap(`"first":1`, `"first":01`),
		"minus zero":           swap(`"count":1`, `"count":-1`),
		"string for number":    swap(`"first":1`, `"first":"1"`),
		"above 2^53":           swap(`"gen":1764230400`, `"gen":9007199254740993`),
		"space":                swap(`,"gen"`, `, "gen"`),
		"line end":             h + "\n",
		"CRLF":                 h + "\r\n",
		"BOM":                  "\ufeff" + h,
		"two values":           h + h,
		"escaped member":       swap(`"first"`, `"\u0066irst"`),
		"escaped value":        swap(`"SM2-SM3`, `"\u0053M2-SM3`),
		"lone surrogate":       swap(`"schema":"h`, `"schema":"\ud800`),
		"upper-case hex":       swap(seg.Header.Root.String(), strings.ToUpper(seg.Header.Root.String())),
		"other order":          swap(`{"v":1,`, `{`)[:len(h)-7] + `,"v":1}`,
		"unknown member":       h[:len(h)-1] + `,"x":1}`,
		"missing member":       swap(`"v":1,`, ``),
		"null":                 swap(`"gen":1764230400`, `"gen":null`),
		"time in Z":            swap(`+08:00`, `Z`),
		"other suite":          swap(seal.Suite, "SM2-SM3-SM4GCM-2"),
		"other version":        swap(`{"v":1`, `{"v":2`),
		"comment":              h + "//",
		"nothing":              "",
		"too long":             swap(`"schema":"`, `"schema":"`+strings.Repeat("h", seal.MaxHeader)),
	} {
		sig, err := c.id.Signer.Sign(keys.SegmentV1, []byte(bad))
		if err != nil {
			t.Fatal(err)
		}
		f := c.frame(yulin, seg)
		f.Header, f.Sig = []byte(bad), sig
		r := l.receive(t, province, yulin, f)
		if r.Code != problem.NotCanonical && r.Code != problem.Malformed && r.Code != problem.SuiteUnknown || r.Stream != "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if st := l.stream(t, province, c.stream.String()); st.ID != 0 {
		t.Errorf("an unreadable header left %+v", st)
	}
	if r := l.receive(t, province, yulin, c.frame(yulin, seg)); r.Code != problem.OK {
		t.Errorf("the one spelling: %+v", r)
	}
}

// T11: content keys swapped between two segments are a fault of transport: not
// a rejection, not a fork; the clean copies are taken afterwards.
func TestAttackT11SwappedKeys(t *testing.T) {
	inStillLab(t, func(t *testing.T, l *lab) {
		c := l.chain(t, up(yulin, "mediation_committee"))
		one, two := c.next("T11-1"), c.next("T11-2")
		bad1, bad2 := one, two
		bad1.Readers, bad2.Readers = two.Readers, one.Readers
		if r := l.receive(t, province, yulin, bad1, bad2); r.Code != problem.CannotOpen || r.Last != 0 {
			t.Fatalf("verdict %+v", r)
		}
		st := l.stream(t, province, c.stream.String())
		if st.Seq != 0 || st.State != "" || st.Refused != 0 {
			t.Errorf("stream %+v", st)
		}
		if forks, err := l.Member(province).Store.Forks(t.Context(), st.ID); err != nil || len(forks) != 0 {
			t.Error("a fork", forks, err)
		}
		// Without a key, with a key for somebody else, and with two.
		lost, foreign := one, one
		lost.Readers = nil
		foreign.Readers = []seal.Reader{{To: sign.Sum([]byte("nobody")), Wrapped: one.Readers[0].Wrapped}}
		for _, f := range []seal.Frame{lost, foreign} {
			if r := l.receive(t, province, yulin, f); r.Code != problem.CannotOpen {
				t.Errorf("verdict %+v", r)
			}
		}
		if r := l.receive(t, province, yulin, one, bad2); r.Code != problem.CannotOpen || r.Last != 1 {
			t.Errorf("the good one before a bad one is kept: %+v", r)
		}
		if r := l.receive(t, province, yulin, one, two); r.Code != problem.OK || r.Last != 2 {
			t.Errorf("the clean copies: %+v", r)
		}
	})
}

// Every byte of a transmitted frame counts: whichever is changed, the frame is
// refused with the code that says what is wrong, and nothing changes.
func TestAttackEveryByteOfAFrame(t *testing.T) {
	inStillLab(t, func(t *testing.T, l *lab) {
		c := l.chain(t, up(yulin, "law_firm"))
		if r := l.receive(t, province, yulin, c.next("before")); r.Code != problem.OK {
			t.Fatal(r)
		}
		before := l.stream(t, province, c.stream.String())
		streams, err := l.Member(province).Store.Streams(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		good := c.next("after")
		// Which verdicts a change within a member of the header may have.
		unread := []string{problem.NotCanonical, problem.Malformed}
		verdicts := map[string][]string{
			"v": {problem.SuiteUnknown}, "suite": {problem.SuiteUnknown}, "stream": {problem.NotForMe, problem.NotCarrier, problem.KeyUnknown},
			"gen": {problem.BadSignature}, "first": {problem.BadSignature}, "count": {problem.BadSignature}, "prev": {problem.BadSignature},
			"root": {problem.BadSignature}, "schema": {problem.BadSignature}, "time": {problem.BadSignature}, "key": {problem.KeyUnknown},
		}
		try := func(what string, f seal.Frame, allowed ...string) {
			t.Helper()
			if r := l.receive(t, province, yulin, f); !slices.Contains(allowed, r.Code) {
				t.Errorf("%s: %+v, want one of %v", what, r, allowed)
			}
		}
		member := ""
		for i := range good.Header {
			for m := range verdicts {
				if bytes.HasPrefix(good.Header[i:], []byte(`"`+m+`":`)) {
					member = m
				}
			}
			for _, bit := range []byte{1, 1 << (1 + i%7)} {
				f := good
				f.Header = slices.Clone(good.Header)
				f.Header[i] ^= bit
				try(fmt.Sprintf("header byte %d (%s), bit %#x", i, member, bit), f, append(slices.Clone(unread), verdicts[member]...)...)
			}
		}
		for i := range good.Sig {
			f := good
			f.Sig = slices.Clone(good.Sig)
			f.Sig[i] ^= 1 << (i % 8)
			try(fmt.Sprintf("signature byte %d", i), f, problem.BadSignature)
		}
		reader := good.Readers[0]
		for i := range reader.Wrapped {
			f := good
			w := slices.Clone(reader.Wrapped)
			w[i] ^= 1 << (i % 8)
			f.Readers = []seal.Reader{{To: reader.To, Wrapped: w}}
			try(fmt.Sprintf("wrapped key byte %d", i), f, problem.CannotOpen)
		}
		for i := 0; i < len(good.Body); i += 1 + len(good.Body)/97 {
			f := good
			f.Body = slices.Clone(good.Body)
			f.Body[i] ^= 1 << (i % 8)
			try(fmt.Sprintf("body byte %d", i), f, problem.CannotOpen)
		}
		for _, n := range []int{0, 12, len(good.Body) - 1} {
			f := good
			f.Body = good.Body[:n]
			try(fmt.Sprintf("body cut to %d", n), f, problem.CannotOpen)
		}
		longer := good
		longer.Body = append(slices.Clone(good.Body), 0)
		try("body one byte longer", longer, problem.CannotOpen)
		// The stream only shows that its next segment could not be opened.
		after := l.stream(t, province, c.stream.String())
		if after.State != "cannot_open" || !strings.Contains(after.Detail, "number 2") {
			t.Errorf("nobody would see that the stream is stuck: %+v", after)
		}
		after.State, after.Detail = "", ""
		if after != before {
			t.Errorf("stream %+v became %+v", before, after)
		}
		if all, err := l.Member(province).Store.Streams(t.Context()); err != nil || len(all) != len(streams) {
			t.Errorf("streams appeared: %v, %v", all, err)
		}
		if forks, err := l.Member(province).Store.Forks(t.Context(), before.ID); err != nil || len(forks) != 0 {
			t.Error("a fork", forks, err)
		}
		if r := l.receive(t, province, yulin, good); r.Code != problem.OK || r.Last != 2 {
			t.Errorf("the frame as it was: %+v", r)
		}
		if st := l.stream(t, province, c.stream.String()); st.State != "" {
			t.Errorf("still stuck: %+v", st)
		}
	})
}
