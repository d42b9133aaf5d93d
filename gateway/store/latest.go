package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Latest is the newest version of one key in a stream this node is the origin of. KeyHash and Fingerprint are keyed
// hashes (HMAC-SM3 under a node key), so that an erased record leaves no guessable trace (review F15); Source is the
// source that owns the key (design §5), at most 48 bytes.
type Latest struct {
	KeyHash [16]byte
	Pos
	Op          string
	Fingerprint Hash
	Source      string
}

// LatestOf returns the newest versions of those keys that have one.
func (s *Store) LatestOf(ctx context.Context, stream int64, keys [][16]byte) (map[[16]byte]Latest, error) {
	out := make(map[[16]byte]Latest, len(keys))
	for len(keys) > 0 {
		n := min(len(keys), maxRows)
		args := make([]any, 1, n+1)
		args[0] = stream
		for _, k := range keys[:n] {
			args = append(args, k[:])
		}
		list, err := collect(ctx, s.read, scanLatest, "SELECT key_hash,gen,seq,op,fingerprint,source FROM fayi_latest"+
			" WHERE stream_id=? AND key_hash IN ("+placeholders(n)+")", args...)
		if err != nil {
			return nil, fmt.Errorf("read newest versions: %w", err)
		}
		for _, l := range list {
			out[l.KeyHash] = l
		}
		keys = keys[n:]
	}
	return out, nil
}

func scanLatest(rows *sql.Rows) (l Latest, err error) {
	var key []byte
	if err = rows.Scan(&key, &l.Gen, &l.Seq, &l.Op, &l.Fingerprint, &l.Source); err != nil {
		return l, err
	}
	if copy(l.KeyHash[:], key) != len(l.KeyHash) {
		return l, fmt.Errorf("key hash of %d bytes", len(key))
	}
	return l, nil
}

var latestUpsertKeys = []string{"stream_id", "key_hash"}

func (s *Store) putLatest(ctx context.Context, tx *sql.Tx, stream int64, ls []Latest) error {
	rows := make([][]any, len(ls))
	for i, l := range ls {
		rows[i] = []any{stream, l.KeyHash[:], num(l.Gen), num(l.Seq), l.Op, l.Fingerprint, l.Source}
	}
	_, err := insertRows(ctx, tx, "INSERT INTO fayi_latest (stream_id,key_hash,gen,seq,op,fingerprint,source) VALUES ",
		s.d.upsert(latestUpsertKeys, []string{"gen", "seq", "op", "fingerprint", "source"}, ""), rows)
	return err
}
