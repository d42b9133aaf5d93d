package packs

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"fayi/crypto/sign"
	"fayi/gateway/packfile"
	"fayi/gateway/problem"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
	"fayi/outbox"
)

// Candidate verifies a pack file as the node would if it came in its own stream,
// for a person who looks before publishing. Nothing is stored.
func (s *Shelf) Candidate(data []byte) (Pack, error) {
	f, err := packfile.Open(data)
	if err != nil {
		return Pack{}, err
	}
	row := store.Pack{Origin: s.Directory.Me(), Digest: store.Hash(sign.Sum(data)), Name: f.Statement.Name, Version: f.Statement.Version, State: Arrived}
	e, err := s.verify(row, data)
	if err != nil {
		return Pack{}, err
	}
	return Pack{row, e}, nil
}

// Publish puts a pack file that [Shelf.Candidate] accepted into the node's own
// outbox, to be sealed into its exchange_pack/public. A version not above those
// published before is PACK_OLDER; repeating one is harmless.
func (s *Shelf) Publish(ctx context.Context, p Pack, data []byte) error {
	for _, q := range s.Packs() {
		if q.Origin == p.Origin && q.Name == p.Name && q.Edition != nil && q.Digest != p.Digest && p.Edition.Newer(q.Edition) <= 0 {
			return problem.New(problem.PackOlder, "%s is published", q.Version)
		}
	}
	if code, why := s.never(p, s.before(p)); code != "" && !s.published(p) {
		return problem.New(code, "%s", why.EN)
	}
	parts, err := packfile.Split(data)
	if err != nil {
		return err
	}
	err = s.Store.InTx(ctx, func(tx *sql.Tx) error {
		for i := range parts {
			b, err := json.Marshal(parts[i])
			if err != nil {
				return err
			}
			rec := outbox.Record{Type: replicate.TypePack, Key: parts[i].Key(), Op: outbox.Put, Payload: b}
			if err := outbox.PublishTo(ctx, tx, replicate.OwnOutbox, rec); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("publish pack: %w", err)
	}
	return nil
}

// published reports whether exactly this file came in the node's own stream.
func (s *Shelf) published(p Pack) bool {
	for _, q := range s.Packs() {
		if q.Origin == p.Origin && q.Digest == p.Digest {
			return true
		}
	}
	return false
}
