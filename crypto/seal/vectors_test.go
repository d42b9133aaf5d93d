package seal_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
)

// docs/vectors are for implementers of other nodes and clients. Here they are
// checked against this implementation; docs/vectors/reader_test.go reads them
// with other libraries and nothing of ours. What gzip and SM2 leave open is
// checked by opening and verifying, all else by recomputation.

const vectorsDir = "../../docs/vectors"

// hexBytes is written as hex.
type hexBytes []byte

func (b hexBytes) MarshalText() ([]byte, error)     { return hex.AppendEncode(nil, b), nil }
func (b *hexBytes) UnmarshalText(text []byte) error { return decodeHex(b, text) }

func decodeHex(b *hexBytes, text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

type segmentVector struct {
	Note   string       `json:"note"`
	Signer string       `json:"signer"` // name in keys.json
	Lines  []lineVector `json:"lines"`
	Nodes  []nodeVector `json:"nodes"`
	Root   hexBytes     `json:"root"`
	Erased struct {
		Line string   `json:"line"` // stands for the second line under the same root
		Root hexBytes `json:"root"`
	} `json:"erased"`
	Header     string          `json:"header"`
	HeaderSM3  hexBytes        `json:"header_sm3"`
	Signed     hexBytes        `json:"signed"`
	Signature  hexBytes        `json:"signature"`
	ContentKey hexBytes        `json:"content_key"`
	Nonce      hexBytes        `json:"nonce"`
	GzipMember hexBytes        `json:"gzip_member"`
	Plaintext  hexBytes        `json:"plaintext"`
	AAD        hexBytes        `json:"aad"`
	Body       hexBytes        `json:"body"`
	Readers    []readerVector  `json:"readers"`
	Frame      json.RawMessage `json:"frame"`
	Binary     hexBytes        `json:"frame_binary"`
}

type lineVector struct {
	Text string   `json:"text"`
	Leaf hexBytes `json:"leaf"`
}

type nodeVector struct {
	Left  hexBytes `json:"left"`
	Right hexBytes `json:"right"`
	Hash  hexBytes `json:"hash"`
}

type readerVector struct {
	Key string   `json:"key"` // name in keys.json
	To  hexBytes `json:"to"`
	DER hexBytes `json:"wrapped_der"`
	Raw hexBytes `json:"wrapped_raw"`
}

type objectVector struct {
	Kind      string       `json:"kind"`
	Signer    string       `json:"signer"`
	Context   keys.Context `json:"context"`
	Body      string       `json:"body"`
	BodySM3   hexBytes     `json:"body_sm3"`
	Signed    hexBytes     `json:"signed"` // context ‖ 0x00 ‖ body
	Signature hexBytes     `json:"signature"`
	Record    string       `json:"record,omitempty"` // data of the exchange_node record, for an entry
}

func signedBytes(c keys.Context, body []byte) hexBytes {
	return slices.Concat([]byte(c), []byte{0}, body)
}

func TestVectors(t *testing.T) {
	ks := vectorKeys(t)
	if *update {
		writeVector(t, "segment.json", makeSegment(t, ks))
		writeVector(t, "objects.json", makeObjects(t, ks))
		writeVector(t, "reject.json", makeRejects(t, readVector[segmentVector](t, "segment.json"), readVector[[]objectVector](t, "objects.json")))
	}
	t.Run("segment", func(t *testing.T) { checkSegment(t, ks, readVector[segmentVector](t, "segment.json")) })
	t.Run("objects", func(t *testing.T) { checkObjects(t, ks, readVector[[]objectVector](t, "objects.json")) })
	t.Run("reject", func(t *testing.T) { checkRejects(t, ks, readVector[[]rejectVector](t, "reject.json")) })
}

func readVector[T any](t *testing.T, name string) (v T) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(must(os.ReadFile(filepath.Join(vectorsDir, name)))(t)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

func writeVector(t *testing.T, name string, v any) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(vectorsDir, name), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func vectorDraft() seal.Draft {
	return seal.Draft{Stream: "610800/legal_aid_case/upstream", Gen: 1764230400, First: 1201, Prev: sign.Sum([]byte("the header before")), Schema: "legal_aid_case@1#" + sign.Sum([]byte("a pack")).String(), Time: noon}
}

// vectorLines are a put, a put of a key that was there before, and a del.
func vectorLines() [][]byte {
	line := func(seq uint64, key, op, ref string, was *seal.Was, data, x string) []byte {
		l := &seal.Line{Seq: seq, Key: key, Op: op, At: noon, Src: "aid", Ref: ref, Was: was}
		for i := range l.Salt {
			l.Salt[i] = byte(seq) + byte(i)
		}
		if data != "" {
			l.Data = []byte(data)
		}
		if x != "" {
			l.X = []byte(x)
		}
		return seal.AppendLine(nil, l)
	}
	return [][]byte{
		line(1201, "YL-2026-00017", seal.Put, "aid:88213:1764230399123456", nil, `{"case_no":"YL-2026-00017","applicant_name":"测试甲","mobile":"16400000017","amount":"1200.50","urgent":false,"note":"说明\"一\"\n\ud834\udd1e"}`, ""),
		line(1202, `YL"2026\00018`, seal.Put, "aid:88214:1764230399223456", &seal.Was{Gen: 1764230400, Seq: 877}, `{"b":[1,-0.5,null,true,{}],"a":9007199254740991}`, `{"later":1}`),
		line(1203, "YL-2026-00011", seal.Del, "aid:88215:1764230399323456", &seal.Was{Gen: 1764144000, Seq: 12}, "", ""),
	}
}

func makeSegment(t *testing.T, ks vectorKeySet) segmentVector {
	lines := vectorLines()
	seg := must(seal.Seal(vectorDraft(), lines, ks.signer(t, "origin_sign")))(t)
	plain := must(gcm(t, seg.Key).Open(nil, seg.Body[:12], seg.Body[12:], aad(seg.Bytes)))(t)
	v := segmentVector{
		Note: testOnly, Signer: "origin_sign", Root: seg.Header.Root[:], Header: string(seg.Bytes), HeaderSM3: seg.Hash[:],
		Signed: signedBytes(keys.SegmentV1, seg.Bytes), Signature: seg.Sig, ContentKey: seg.Key, Nonce: seg.Body[:12],
		GzipMember: plain[4 : 4+binary.BigEndian.Uint32(plain)], Plaintext: plain, AAD: aad(seg.Bytes), Body: seg.Body,
	}
	var leaves []hexBytes
	for _, l := range lines {
		leaf := root([][]byte{l})
		leaves = append(leaves, leaf[:])
		v.Lines = append(v.Lines, lineVector{string(l), leaf[:]})
	}
	left := root(lines[:2])
	v.Nodes = []nodeVector{{leaves[0], leaves[1], left[:]}, {left[:], leaves[2], seg.Header.Root[:]}}
	v.Erased.Line = string(seal.AppendErased(nil, 1202, sign.Hash(leaves[1])))
	v.Erased.Root = v.Root
	readers := must(seal.WrapFor(seg.Key, ks.cert(t, "reader_enc"), ks.cert(t, "origin_enc")))(t)
	for i, name := range []string{"reader_enc", "origin_enc"} {
		r := readers[i]
		v.Readers = append(v.Readers, readerVector{name, r.To[:], r.Wrapped, must(keys.WrappedToRaw(r.Wrapped))(t)})
	}
	f := seal.Frame{Header: seg.Bytes, Sig: seg.Sig, Readers: readers, Chain: [][]byte{ks.cert(t, "origin_sign").Raw()}, Body: seg.Body}
	v.Frame = must(json.Marshal(f))(t)
	v.Binary = binaryFrame(t, f)
	return v
}

func checkSegment(t *testing.T, ks vectorKeySet, v segmentVector) {
	lines := make([][]byte, len(v.Lines))
	for i, l := range v.Lines {
		lines[i] = []byte(l.Text)
		parsed := must(seal.ParseLine(lines[i]))(t)
		if again := seal.AppendLine(nil, parsed); !bytes.Equal(again, lines[i]) || !bytes.Equal(lines[i], vectorLines()[i]) {
			t.Errorf("line %d is written %s", i, again)
		}
		equal(t, "leaf", raw(seal.Root(lines[i:i+1])), l.Leaf)
	}
	h := must(seal.ParseHeader([]byte(v.Header)))(t)
	d := vectorDraft()
	want := &seal.Header{V: 1, Suite: seal.Suite, Stream: d.Stream, Gen: d.Gen, First: d.First, Count: 3, Prev: d.Prev, Root: seal.Root(lines), Schema: d.Schema, Time: d.Time, Key: sign.Hash(ks.cert(t, v.Signer).ID())}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("header %+v, want %+v", h, want)
	}
	equal(t, "root", h.Root[:], v.Root)
	equal(t, "top node", v.Nodes[len(v.Nodes)-1].Hash, v.Root)
	equal(t, "root with an erased line", raw(seal.Root([][]byte{lines[0], []byte(v.Erased.Line), lines[2]})), v.Erased.Root)
	equal(t, "SM3 of the header", raw(sign.Sum([]byte(v.Header))), v.HeaderSM3)
	equal(t, "signed bytes", signedBytes(keys.SegmentV1, []byte(v.Header)), v.Signed)
	if err := seal.VerifyHeader(ks.cert(t, v.Signer), []byte(v.Header), v.Signature); err != nil {
		t.Error(err)
	}
	equal(t, "AAD", aad([]byte(v.Header)), v.AAD)
	equal(t, "plaintext", padded(v.GzipMember), v.Plaintext)
	equal(t, "body", gcm(t, v.ContentKey).Seal(bytes.Clone(v.Nonce), v.Nonce, v.Plaintext, v.AAD), v.Body)
	if got := must(seal.Open(h, []byte(v.Header), v.Body, v.ContentKey))(t); !reflect.DeepEqual(got, lines) {
		t.Errorf("opened %q", got)
	}
	var readers []seal.Reader
	for _, r := range v.Readers {
		equal(t, "reader", raw(ks.cert(t, r.Key).ID()), r.To)
		equal(t, "raw wrapped key", must(keys.WrappedToRaw(r.DER))(t), r.Raw)
		equal(t, "DER wrapped key", must(keys.WrappedFromRaw(r.Raw))(t), r.DER)
		readers = append(readers, seal.Reader{To: sign.Hash(r.To), Wrapped: r.DER})
	}
	for _, r := range v.Readers {
		equal(t, "unwrapped key", must(seal.Unwrap(ks.unwrapper(t, r.Key), readers))(t), v.ContentKey)
	}
	var f seal.Frame
	if err := json.Unmarshal(v.Frame, &f); err != nil {
		t.Fatal(err)
	}
	wantFrame := seal.Frame{Header: []byte(v.Header), Sig: v.Signature, Readers: readers, Chain: [][]byte{ks.cert(t, v.Signer).Raw()}, Body: v.Body}
	if !reflect.DeepEqual(f, wantFrame) {
		t.Errorf("frame %+v, want %+v", f, wantFrame)
	}
	equal(t, "binary frame", binaryFrame(t, f), v.Binary)
	if got := must(seal.ReadFrame(bytes.NewReader(v.Binary)))(t); !reflect.DeepEqual(got, wantFrame) {
		t.Errorf("binary frame %+v, want %+v", got, wantFrame)
	}
}

func raw[H ~[32]byte](h H) []byte { return h[:] }

func equal(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s = %x, want %x", what, got, want)
	}
}

// objectKinds are the kinds of objects with the parsers of each.
var objectKinds = map[string]func([]byte) (any, error){
	"receipt": func(b []byte) (any, error) { return sign.ParseReceipt(b) },
	"note":    func(b []byte) (any, error) { return sign.ParseNote(b) },
	"call":    func(b []byte) (any, error) { return sign.ParseCall(b) },
	"answer":  func(b []byte) (any, error) { return sign.ParseAnswer(b) },
	"entry":   func(b []byte) (any, error) { return sign.ParseEntry(b) },
	"pack":    func(b []byte) (any, error) { return sign.ParsePack(b) },
	"grant":   func(b []byte) (any, error) { return sign.ParseGrant(b) },
	"header":  func(b []byte) (any, error) { return seal.ParseHeader(b) },
	"stream":  func(b []byte) (any, error) { return sign.ParseStream(string(b)) },
}

func makeObjects(t *testing.T, ks vectorKeySet) []objectVector {
	seg := readVector[segmentVector](t, "segment.json")
	stream, gen, head := vectorDraft().Stream, vectorDraft().Gen, sign.Hash(seg.HeaderSM3)
	id := func(name string) sign.Hash { return sign.Hash(ks.cert(t, name).ID()) }
	nonce := sign.Nonce{0: 0x01, 15: 0xef}
	at := sign.At(noon.Add(time.Second))
	out := []objectVector{
		{Kind: "receipt", Signer: "reader_sign", Context: keys.ReceiptV1, Body: canonical(t, &sign.Receipt{
			V: 1, By: "610000", Key: id("reader_sign"), Origin: "610800", N: uint64(at.UnixMilli()), Time: at, Level: sign.LevelStored,
			Streams: []sign.StreamReceipt{{Stream: stream, Gen: gen, Upto: 1203, Head: head}}, Orphans: []sign.OrphanRange{},
		})},
		{Kind: "note", Signer: "origin_sign", Context: keys.NoteV1, Body: canonical(t, &sign.Note{
			V: 1, Node: "610800", Key: id("origin_sign"), N: uint64(at.UnixMilli()), Time: at,
			Heads: []sign.Head{{Stream: stream, Gen: gen, Last: 1203, Hash: head}}, Dir: []sign.Head{{Stream: "610000/exchange_node/public", Gen: 1764000000, Last: 4, Hash: sign.Sum([]byte("a directory header"))}},
		})},
		{Kind: "call", Signer: "origin_sign", Context: keys.CallV1, Body: canonical(t, &sign.Call{
			V: 1, From: "610800", To: "610000", Op: "push", Key: id("origin_sign"), Time: at, Nonce: nonce, Frames: []sign.Hash{head}, Args: json.RawMessage(`{}`),
		})},
		{Kind: "answer", Signer: "reader_sign", Context: keys.AnswerV1, Body: canonical(t, &sign.Answer{
			V: 1, From: "610000", To: "610800", Key: id("reader_sign"), Nonce: nonce, Time: at, Code: "000000", Frames: []sign.Hash{}, Result: json.RawMessage(`{}`),
		})},
		{Kind: "entry", Signer: "registrar", Context: keys.EntryV1, Body: canonical(t, &sign.Entry{
			V: 1, Node: "610800", N: 1, Parent: "610000", Territory: []string{"6108"}, Roles: []string{"node"}, Names: sign.Names{Zh: "测试市司法局", En: `Test "City" <&>`},
			Codes: []string{"610800"}, Addresses: []string{"https://node.example/v1/call"},
			Sign: []sign.SignKey{{Cert: ks.cert(t, "origin_sign").Raw(), From: []sign.Position{{Stream: "*"}}, Upto: []sign.EndPoint{}}},
			Enc:  []sign.CertRef{{Cert: ks.cert(t, "origin_enc").Raw()}}, Registrars: []sign.CertRef{}, Reads: sign.Reads{V: []int{1}, Suites: []string{seal.Suite}}, Time: at,
		})},
		{Kind: "pack", Signer: "registrar", Context: keys.PackV1, Body: canonical(t, &sign.Pack{
			V: 1, Node: "610000", Name: "shaanxi", Version: "1.2.0", From: "2026-12-01", Until: "2027-12-01", Types: []string{"parking_place@2#" + sign.Sum([]byte("a pack")).String()},
			Files: []sign.PackFile{{Name: "pack.json", Size: 812, Hash: sign.Sum([]byte("a manifest"))}, {Name: "types/parking_place.json", Size: 4096, Hash: sign.Sum([]byte("a schema"))}}, Time: at,
		})},
		{Kind: "grant", Signer: "registrar", Context: keys.PackV1, Body: canonical(t, &sign.PackGrant{
			V: 1, Node: "610000", Cert: ks.cert(t, "reader_sign").Raw(), Packs: []string{"shaanxi"}, Until: sign.At(at.AddDate(1, 0, 0)), Time: at,
		})},
	}
	for i := range out {
		o := &out[i]
		sum := sign.Sum([]byte(o.Body))
		o.BodySM3, o.Signed = sum[:], signedBytes(o.Context, []byte(o.Body))
		o.Signature = must(ks.signer(t, o.Signer).Sign(o.Context, []byte(o.Body)))(t)
		if o.Kind == "entry" {
			o.Record = canonical(t, &sign.SignedEntry{Entry: []byte(o.Body), Sigs: []sign.EntrySig{{By: id(o.Signer), Sig: o.Signature}}})
		}
	}
	return out
}

func canonical(t *testing.T, v any) string { return string(must(sign.Marshal(v))(t)) }

func checkObjects(t *testing.T, ks vectorKeySet, vs []objectVector) {
	if len(vs) != 7 {
		t.Errorf("%d objects", len(vs))
	}
	for _, v := range vs {
		parsed := must(objectKinds[v.Kind]([]byte(v.Body)))(t)
		equal(t, v.Kind+" written again", must(sign.Marshal(parsed))(t), []byte(v.Body))
		equal(t, v.Kind+"'s SM3", raw(sign.Sum([]byte(v.Body))), v.BodySM3)
		equal(t, v.Kind+"'s signed bytes", signedBytes(v.Context, []byte(v.Body)), v.Signed)
		if err := ks.cert(t, v.Signer).Verify(v.Context, []byte(v.Body), v.Signature); err != nil {
			t.Errorf("%s: %v", v.Kind, err)
		}
		for _, c := range keys.Contexts() {
			if err := ks.cert(t, v.Signer).Verify(c, []byte(v.Body), v.Signature); (err == nil) != (c == v.Context) {
				t.Errorf("%s as %s: %v", v.Kind, c, err)
			}
		}
		if v.Kind == "entry" {
			var s sign.SignedEntry
			if err := sign.Unmarshal([]byte(v.Record), &s); err != nil || string(s.Entry) != v.Body || !bytes.Equal(s.Sigs[0].Sig, v.Signature) || s.Sigs[0].By != sign.Hash(ks.cert(t, v.Signer).ID()) {
				t.Errorf("record %+v, %v", s, err)
			}
		}
	}
}

// code is the answer of protocol §1 to §3 for an error of the parsers.
func code(err error) string {
	var data *seal.DataError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, seal.ErrCannotOpen):
		return "CANNOT_OPEN"
	case errors.Is(err, keys.ErrSignature):
		return "BAD_SIGNATURE"
	case errors.Is(err, seal.ErrSuite):
		return "SUITE_UNKNOWN"
	case errors.Is(err, sign.ErrNotCanonical):
		return "NOT_CANONICAL"
	case errors.Is(err, seal.ErrLine):
		return "LINE_INVALID"
	case errors.As(err, &data):
		return data.Code
	}
	return "MALFORMED"
}
