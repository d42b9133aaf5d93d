package sequencer_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"hash"
	"testing"

	"fayi/crypto/keys"
	"fayi/gateway/sequencer"

	"github.com/emmansun/gmsm/sm3"
)

// What tells versions apart is keyed: neither a key nor contents can be looked for
// in the table of newest versions by whoever has no store key, two nodes with the
// same record hold nothing in common, and one node recognises its own (F15).
func TestF15NewestVersionsAreKeyed(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.main()
		r := b.consultation("ZX-1", "a")
		b.insert(r)
		b.drain(s)
		data := []byte(r.payload.(string))
		typ, _ := b.registry.Current("consultation")
		var bare [][]byte // what a thief would try
		for _, text := range []string{"ZX-1", string(data), "put\x00" + typ.Ref() + "\x00" + string(data), "put" + string(data), typ.Ref() + string(data)} {
			bare = append(bare, hashOf(sm3.New(), text), hashOf(sha256.New(), text), hashOf(md5.New(), text))
		}
		rows, err := b.Store.DB().QueryContext(t.Context(), "SELECT key_hash, fingerprint FROM fayi_latest")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		n := 0
		for ; rows.Next(); n++ {
			var key, contents []byte
			if err := rows.Scan(&key, &contents); err != nil {
				t.Fatal(err)
			}
			for _, sum := range bare {
				if bytes.HasPrefix(sum, key) || bytes.Equal(sum, contents) {
					t.Errorf("the table holds a bare hash: %x %x", key, contents)
				}
			}
			h := sequencer.NewHashes(s.StoreKey)
			if k := h.Key("ZX-1"); !bytes.Equal(k[:], key) {
				t.Error("the node does not find its own key")
			}
		}
		if n == 0 || rows.Err() != nil {
			t.Errorf("%d newest versions, %v", n, rows.Err())
		}
		other, err := keys.NewStoreKey(bytes.Repeat([]byte{7}, 16))
		if err != nil {
			t.Fatal(err)
		}
		mine, theirs := sequencer.NewHashes(s.StoreKey), sequencer.NewHashes(other)
		if mine.Key("ZX-1") == theirs.Key("ZX-1") || mine.Contents("put", typ.Ref(), data) == theirs.Contents("put", typ.Ref(), data) {
			t.Error("another node's hashes are the same")
		}
	})
}

func hashOf(h hash.Hash, text string) []byte {
	h.Write([]byte(text))
	return h.Sum(nil)
}
