package sequencer

import (
	"crypto/hmac"

	"fayi/crypto/keys"
	"fayi/crypto/sm3x8"
	"fayi/gateway/store"

	"github.com/emmansun/gmsm/sm3"
)

// Hashes are the node's keyed hashes of keys and contents: they tell versions
// apart without leaving a trace of erased records that could be guessed.
type Hashes struct{ key, contents [32]byte }

// NewHashes derives the hashes' keys from the store key.
func NewHashes(k *keys.StoreKey) *Hashes {
	return &Hashes{key: k.Derive("fayi-latest-key-v1"), contents: k.Derive("fayi-latest-contents-v1")}
}

// Key is the hash of a record key.
func (h *Hashes) Key(key string) (out [16]byte) {
	m := hmac.New(sm3.New, h.key[:])
	m.Write([]byte(key))
	copy(out[:], m.Sum(nil))
	return out
}

// Contents is the hash of what makes two versions equal: op, schema, contents.
func (h *Hashes) Contents(op, schema string, data []byte) (out store.Hash) {
	m := hmac.New(sm3.New, h.contents[:])
	m.Write(about(op, schema))
	m.Write(data)
	m.Sum(out[:0])
	return out
}

// about is what stands before the contents.
func about(op, schema string) []byte {
	b := make([]byte, 0, len(op)+len(schema)+2)
	b = append(append(b, op...), 0)
	return append(append(b, schema...), 0)
}

// fill sets the hashes of many records, several at once (package sm3x8).
func (h *Hashes) fill(recs []*record) {
	type kind struct{ op, schema string }
	kinds := map[kind][]*record{}
	texts := make([][]byte, len(recs))
	for i, r := range recs {
		texts[i] = []byte(r.key)
		k := kind{r.row.Op, r.schema.Ref()}
		kinds[k] = append(kinds[k], r)
	}
	for i, sum := range macs(&h.key, nil, texts) {
		copy(recs[i].keyHash[:], sum[:])
	}
	for k, of := range kinds {
		texts = texts[:0]
		for _, r := range of {
			texts = append(texts, r.data)
		}
		for i, sum := range macs(&h.contents, about(k.op, k.schema), texts) {
			of[i].contents = sum
		}
	}
}

// macs are the HMAC-SM3 (RFC 2104) of many texts with something common before each.
func macs(key *[32]byte, before []byte, texts [][]byte) [][sm3x8.Size]byte {
	inner, outer := make([]byte, sm3.BlockSize, sm3.BlockSize+len(before)), make([]byte, sm3.BlockSize)
	copy(inner, key[:])
	copy(outer, key[:])
	for i := range outer {
		inner[i], outer[i] = inner[i]^0x36, outer[i]^0x5c
	}
	sums := make([][sm3x8.Size]byte, len(texts))
	sm3x8.Sum(sums, append(inner, before...), texts)
	halves := make([][]byte, len(texts))
	for i := range sums {
		halves[i] = sums[i][:]
	}
	sm3x8.Sum(sums, outer, halves)
	return sums
}
