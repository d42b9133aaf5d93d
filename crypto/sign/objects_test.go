package sign_test

import (
	"encoding/json"
	"fmt"
	"time"

	"fayi/crypto/sign"

	"pgregory.net/rapid"
)

var (
	noon  = sign.At(time.Date(2026, 11, 22, 4, 0, 0, 123_456_789, time.UTC))
	hashA = sign.Sum([]byte("abc")) // the example of GB/T 32905 A.1
	hexA  = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
	zeros = "0000000000000000000000000000000000000000000000000000000000000000"
)

// objects are all kinds of signed objects that this package defines, with every
// member in use.
var objects = []object{
	{
		name: "receipt",
		value: &sign.Receipt{
			V: 1, By: "610000", Key: hashA, Origin: "610800", N: 1764302400123, Prev: hashA, Time: noon, Level: sign.LevelStored,
			Streams: []sign.StreamReceipt{{"610800/legal_aid_case/upstream", 1764230400, 1700, hashA, 3}, {"610800/ticket/to-610000", 1764230401, 9, sign.Hash{}, 0}},
			Orphans: []sign.OrphanRange{{"610800/legal_aid_case/upstream", 1764230400, 1701, 1800, hashA}},
		},
		golden: `{"v":1,"by":"610000","key":"` + hexA + `","origin":"610800","n":1764302400123,"prev":"` + hexA +
			`","time":"2026-11-22T12:00:00.123+08:00","level":"stored","streams":[["610800/legal_aid_case/upstream",1764230400,1700,"` + hexA +
			`",3],["610800/ticket/to-610000",1764230401,9,"` + zeros + `",0]],"orphans":[["610800/legal_aid_case/upstream",1764230400,1701,1800,"` + hexA + `"]]}`,
		parse: parser(sign.ParseReceipt),
		draw: func(t *rapid.T) any {
			origin := drawNode(t)
			return &sign.Receipt{
				V: 1, By: drawNode(t), Key: drawHash(t), Origin: origin, N: drawInt(t), Prev: drawHash(t), Time: drawTime(t),
				Level: rapid.SampledFrom([]string{sign.LevelCarried, sign.LevelStored, sign.LevelApplied}).Draw(t, "level"),
				Streams: drawStreams(t, origin, func(t *rapid.T, s string) sign.StreamReceipt {
					return sign.StreamReceipt{Stream: s, Gen: drawInt(t), Upto: drawInt(t), Head: drawHash(t), Rejected: drawInt(t)}
				}),
				Orphans: drawStreams(t, origin, func(t *rapid.T, s string) sign.OrphanRange {
					return sign.OrphanRange{Stream: s, Gen: drawInt(t), First: drawInt(t), Last: drawInt(t), Head: drawHash(t)}
				}),
			}
		},
	},
	{
		name: "note",
		value: &sign.Note{
			V: 1, Node: "610800", Key: hashA, N: 1764302400124, Time: noon,
			Heads: []sign.Head{{"610800/legal_aid_case/upstream", 1764230400, 1700, hashA}},
			Dir:   []sign.Head{{"610000/exchange_node/public", 1764000000, 44, hashA}},
		},
		golden: `{"v":1,"node":"610800","key":"` + hexA + `","n":1764302400124,"time":"2026-11-22T12:00:00.123+08:00","heads":[["610800/legal_aid_case/upstream",1764230400,1700,"` +
			hexA + `"]],"dir":[["610000/exchange_node/public",1764000000,44,"` + hexA + `"]]}`,
		parse: parser(sign.ParseNote),
		draw: func(t *rapid.T) any {
			node := drawNode(t)
			head := func(t *rapid.T, s string) sign.Head {
				return sign.Head{Stream: s, Gen: drawInt(t), Last: drawInt(t), Hash: drawHash(t)}
			}
			return &sign.Note{
				V: 1, Node: node, Key: drawHash(t), N: drawInt(t), Time: drawTime(t),
				Heads: drawStreams(t, node, head), Dir: drawStreams(t, drawNode(t), head),
			}
		},
	},
	{
		name: "call",
		value: &sign.Call{
			V: 1, From: "610000", To: "610800", Op: "fetch", Key: hashA, Time: noon, Nonce: sign.Nonce{0xab, 15: 0xcd},
			Frames: []sign.Hash{hashA, {}}, Args: json.RawMessage(`{"max_bytes":1048576}`),
		},
		golden: `{"v":1,"from":"610000","to":"610800","op":"fetch","key":"` + hexA + `","time":"2026-11-22T12:00:00.123+08:00","nonce":"ab0000000000000000000000000000cd","frames":["` +
			hexA + `","` + zeros + `"],"args":{"max_bytes":1048576}}`,
		parse: parser(sign.ParseCall),
		draw: func(t *rapid.T) any {
			return &sign.Call{
				V: 1, From: drawNode(t), To: drawNode(t), Op: drawType(t), Key: drawHash(t), Time: drawTime(t), Nonce: drawNonce(t),
				Frames: drawList(t, drawHash), Args: drawRaw(t),
			}
		},
	},
	{
		name: "answer",
		value: &sign.Answer{
			V: 1, From: "610800", To: "610000", Key: hashA, Nonce: sign.Nonce{0xab, 15: 0xcd}, Time: noon, Code: "000000",
			Frames: []sign.Hash{}, Result: json.RawMessage(`{}`),
		},
		golden: `{"v":1,"from":"610800","to":"610000","key":"` + hexA + `","nonce":"ab0000000000000000000000000000cd","time":"2026-11-22T12:00:00.123+08:00","code":"000000","frames":[],"result":{}}`,
		parse:  parser(sign.ParseAnswer),
		draw: func(t *rapid.T) any {
			return &sign.Answer{
				V: 1, From: drawNode(t), To: drawNode(t), Key: drawHash(t), Nonce: drawNonce(t), Time: drawTime(t), Code: drawText(t),
				Frames: drawList(t, drawHash), Result: drawRaw(t),
			}
		},
	},
	{
		name:  "entry",
		value: exampleEntry(),
		golden: `{"v":1,"node":"610800","n":2,"parent":"610000","territory":["6108"],"roles":["node"],"names":{"zh":"榆林市司法局","en":"Yulin \"test\" \\ <&>"},"codes":["610800","612700"],"addresses":["http://node.example/v1/call"],` +
			`"sign":[{"cert":"MAE=","from":[["*",0,0]],"upto":[["610800/legal_aid_case/upstream",1764230400,1700,"` + hexA + `"]]},{"cert":"MAI=","from":[["610800/legal_aid_case/upstream",1764230400,1701]],"upto":[]}],` +
			`"enc":[{"cert":"MAM="}],"registrars":[],"reads":{"v":[1],"suites":["SM2-SM3-SM4GCM-1"]},"time":"2026-11-22T12:00:00.123+08:00"}`,
		parse: parser(sign.ParseEntry),
		draw: func(t *rapid.T) any {
			node := drawNode(t)
			certs := func(t *rapid.T) sign.CertRef { return sign.CertRef{Cert: drawBytes(t)} }
			key := func(t *rapid.T) sign.SignKey {
				k := sign.SignKey{
					Cert: drawBytes(t),
					From: drawStreams(t, node, func(t *rapid.T, s string) sign.Position {
						return sign.Position{Stream: s, Gen: drawInt(t), Seq: drawInt(t)}
					}),
					Upto: drawStreams(t, node, func(t *rapid.T, s string) sign.EndPoint {
						return sign.EndPoint{Stream: s, Gen: drawInt(t), Seq: drawInt(t), Head: drawHash(t)}
					}),
				}
				if rapid.Bool().Draw(t, "all") {
					k.From = append(k.From, sign.Position{Stream: "*"})
				}
				return k
			}
			return &sign.Entry{
				V: 1, Node: node, N: rapid.Uint64Range(1, 1<<53-1).Draw(t, "n"), Parent: drawParent(t, node),
				Territory: drawList(t, drawText), Roles: drawList(t, drawText), Names: sign.Names{Zh: drawText(t), En: drawText(t)},
				Codes: drawList(t, drawText), Addresses: drawList(t, drawText),
				Sign: append([]sign.SignKey{key(t)}, drawList(t, key)...), Enc: drawList(t, certs), Registrars: drawList(t, certs),
				Reads: sign.Reads{V: []int{1}, Suites: drawList(t, drawText)}, Time: drawTime(t),
			}
		},
	},
	{
		name: "pack",
		value: &sign.Pack{
			V: 1, Node: "100000", Name: "national", Version: "1.2.0", From: "2026-12-01", Until: "2027-12-01", Types: []string{"lawyer@2#" + hexA},
			Files: []sign.PackFile{{"pack.json", 812, hashA}, {"types/lawyer.json", 4096, sign.Hash{}}}, Time: noon,
		},
		golden: `{"v":1,"node":"100000","name":"national","version":"1.2.0","from":"2026-12-01","until":"2027-12-01","types":["lawyer@2#` + hexA +
			`"],"files":[["pack.json",812,"` + hexA + `"],["types/lawyer.json",4096,"` + zeros + `"]],"time":"2026-11-22T12:00:00.123+08:00"}`,
		parse: parser(sign.ParsePack),
		draw: func(t *rapid.T) any {
			p := &sign.Pack{
				V: 1, Node: drawNode(t), Name: rapid.StringMatching(`[a-z][a-z0-9-]{0,31}`).Draw(t, "name"), Version: rapid.StringMatching(`[1-9][0-9]{0,4}\.0\.[1-9]`).Draw(t, "version"),
				From: rapid.StringMatching(`20[0-9][0-9]-0[1-9]-1[0-9]`).Draw(t, "from"), Time: drawTime(t),
			}
			for i := range rapid.IntRange(1, 4).Draw(t, "types") {
				p.Types = append(p.Types, fmt.Sprintf("t%d@%d#%s", i, 1+drawInt(t)%999, drawHash(t)))
				p.Files = append(p.Files, sign.PackFile{Name: fmt.Sprintf("types/t%d.json", i), Size: drawInt(t) % 100_000, Hash: drawHash(t)})
			}
			return p
		},
	},
	{
		name:   "grant",
		value:  &sign.PackGrant{V: 1, Node: "100000", Cert: []byte{0x30, 1}, Packs: []string{"national"}, Until: noon, Time: noon},
		golden: `{"v":1,"node":"100000","cert":"MAE=","packs":["national"],"until":"2026-11-22T12:00:00.123+08:00","time":"2026-11-22T12:00:00.123+08:00"}`,
		parse:  parser(sign.ParseGrant),
		draw: func(t *rapid.T) any {
			return &sign.PackGrant{V: 1, Node: drawNode(t), Cert: drawBytes(t), Packs: []string{"national"}, Until: drawTime(t), Time: drawTime(t)}
		},
	},
	{
		name: "signed pack",
		value: &sign.SignedPack{
			Pack: []byte{0x30, 1}, Sigs: []sign.EntrySig{{By: hashA, Sig: []byte{0x30, 2}}},
			Grants: []sign.SignedGrant{{Grant: []byte{0x30, 3}, Sigs: []sign.EntrySig{{By: hashA, Sig: []byte{0x30, 4}}}}},
		},
		golden: `{"pack":"MAE=","sigs":[{"by":"` + hexA + `","sig":"MAI="}],"grants":[{"grant":"MAM=","sigs":[{"by":"` + hexA + `","sig":"MAQ="}]}]}`,
		parse:  parser(sign.ParseSignedPack),
		draw: func(t *rapid.T) any {
			sig := func(t *rapid.T) sign.EntrySig { return sign.EntrySig{By: drawHash(t), Sig: drawBytes(t)} }
			return &sign.SignedPack{
				Pack: drawBytes(t), Sigs: append([]sign.EntrySig{sig(t)}, drawList(t, sig)...),
				Grants: drawList(t, func(t *rapid.T) sign.SignedGrant {
					return sign.SignedGrant{Grant: drawBytes(t), Sigs: []sign.EntrySig{sig(t)}}
				}),
			}
		},
	},
}

func exampleEntry() *sign.Entry {
	return &sign.Entry{
		V: 1, Node: "610800", N: 2, Parent: "610000", Territory: []string{"6108"}, Roles: []string{"node"},
		Names: sign.Names{Zh: "榆林市司法局", En: `Yulin "test" \ <&>`}, Codes: []string{"610800", "612700"}, Addresses: []string{"http://node.example/v1/call"},
		Sign: []sign.SignKey{
			{Cert: []byte{0x30, 1}, From: []sign.Position{{Stream: "*"}}, Upto: []sign.EndPoint{{"610800/legal_aid_case/upstream", 1764230400, 1700, hashA}}},
			{Cert: []byte{0x30, 2}, From: []sign.Position{{"610800/legal_aid_case/upstream", 1764230400, 1701}}, Upto: []sign.EndPoint{}},
		},
		Enc: []sign.CertRef{{[]byte{0x30, 3}}}, Registrars: []sign.CertRef{},
		Reads: sign.Reads{V: []int{1}, Suites: []string{"SM2-SM3-SM4GCM-1"}}, Time: noon,
	}
}

func drawParent(t *rapid.T, node string) string {
	if p := drawNode(t); p != node {
		return p
	}
	return ""
}

func drawNonce(t *rapid.T) (n sign.Nonce) {
	copy(n[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "nonce"))
	return n
}

func drawRaw(t *rapid.T) json.RawMessage {
	return json.RawMessage(rapid.SampledFrom([]string{`{}`, `{"since":"","wait":20000}`, `{"streams":[["610800/a1/test",0,0,"` + zeros + `"]]}`, `{"ok":true}`}).Draw(t, "raw"))
}
