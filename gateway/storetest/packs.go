package storetest

import (
	"bytes"
	"database/sql"
	"fmt"
	"testing"

	"fayi/gateway/store"
)

// packParts cuts a file into pieces of n bytes.
func packParts(origin string, file []byte, n int) []store.PackPart {
	var out []store.PackPart
	parts := (len(file) + n - 1) / n
	for i := range parts {
		out = append(out, store.PackPart{Origin: origin, Digest: hash(origin, string(file)), Part: i + 1, Parts: parts, Name: "national", Version: "1.2.0",
			Data: file[i*n : min((i+1)*n, len(file))]})
	}
	return out
}

func packs(t *testing.T, s *store.Store) {
	ctx := t.Context()
	save := func(parts ...store.PackPart) {
		must(t, s.InTx(ctx, func(tx *sql.Tx) error { return s.SavePackParts(ctx, tx, parts) }))
	}
	whole := func() []store.PackPart {
		list, err := s.WholePacks(ctx)
		must(t, err)
		return list
	}
	changes := func() uint64 {
		n, err := s.PackChanges(ctx)
		must(t, err)
		return n
	}
	want(t, "changes of no pack", changes(), 0)
	file := bytes.Repeat([]byte("0123456789\x00\xff"), 30)
	parts := packParts("100000", file, 100)
	save(parts[3], parts[1], parts[1])
	want(t, "whole with two of four parts", whole(), nil)
	save(parts[0], parts[2])
	digest := parts[0].Digest
	want(t, "whole", whole(), []store.PackPart{{Origin: "100000", Digest: digest, Parts: 4, Name: "national", Version: "1.2.0"}})
	got, err := s.PackFile(ctx, "100000", digest)
	must(t, err)
	want(t, "file", got, file)

	p := store.Pack{Origin: "100000", Digest: digest, Name: "national", Version: "1.2.0", State: "arrived", Code: "", Reason: `{"message":"新"}`, Seen: 5}
	for _, fresh := range []bool{true, false} {
		added, err := s.AddPack(ctx, p, true)
		must(t, err)
		want(t, "added", added, fresh)
	}
	want(t, "changes", changes(), 1)
	want(t, "whole but known", whole(), nil)
	list, err := s.Packs(ctx)
	must(t, err)
	p.ID = list[0].ID
	want(t, "packs", list, []store.Pack{p})

	trial := store.PackTrial{Pack: p.ID, Source: "main", Judged: 7, Failed: 1}
	for range 2 {
		must(t, s.InTx(ctx, func(tx *sql.Tx) error { return s.AddPackTrials(ctx, tx, []store.PackTrial{trial}) }))
	}
	sum, err := s.PackTrialOf(ctx, p.ID, "main")
	must(t, err)
	want(t, "trial", sum, store.PackTrial{Pack: p.ID, Source: "main", Judged: 14, Failed: 2})

	next := p
	next.State, next.Code, next.By, next.Decided = "adopted", "PACK_ADOPTED", "clerk", 9
	for from, moved := range map[string]bool{"waiting": false, "arrived": true} {
		ok, err := s.DecidePack(ctx, from, next)
		must(t, err)
		want(t, "decided from "+from, ok, moved)
	}
	list, err = s.Packs(ctx)
	must(t, err)
	want(t, "decided", list, []store.Pack{next})
	want(t, "changes", changes(), 2)
	sum, err = s.PackTrialOf(ctx, p.ID, "main")
	must(t, err)
	want(t, "trial after a decision", sum, store.PackTrial{Pack: p.ID, Source: "main"})

	// What is refused for its bytes leaves a row and no bytes.
	bad := packParts("610000", []byte("bad"), 3)
	save(bad...)
	added, err := s.AddPack(ctx, store.Pack{Origin: "610000", Digest: bad[0].Digest, State: "invalid", Code: "PACK_DAMAGED"}, false)
	must(t, err)
	want(t, "added", added, true)
	got, err = s.PackFile(ctx, "610000", bad[0].Digest)
	must(t, err)
	want(t, "bytes of a refused file", len(got), 0)

	// An origin that never finishes is forgotten bit by bit; others are not.
	for i := range 20 {
		save(packParts("620000", fmt.Appendf(nil, "file %02d, of which one part comes", i), 20)[0])
	}
	var n int
	must(t, s.DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM fayi_pack_part WHERE origin='620000'").Scan(&n))
	want(t, "unfinished files", n, 8)
	got, err = s.PackFile(ctx, "100000", digest)
	must(t, err)
	want(t, "another origin's file", got, file)
}
