package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Bodies keeps bodies that left the database (package archive). The store knows them by two hashes.
type Bodies interface {
	Get(header, body Hash) ([]byte, error)
	Remove(header, body Hash) error
}

// UseArchive tells the store where archived bodies are. It is called once, before the store is used.
func (s *Store) UseArchive(b Bodies) { s.bodies = b }

// ErrBody: the body of a segment was archived and cannot be read back. It is that segment's trouble alone.
var ErrBody = errors.New("store: an archived body cannot be read")

// ArchiveConsumer is the cursor of what was archived, see [Store.Consumer].
const ArchiveConsumer = "archive"

// Archived is a segment as it was read, and the hash under which its body is in the archive now.
type Archived struct {
	Segment
	Body Hash
}

// ArchiveBodies empties the bodies of consecutive segments that are in the archive, and moves the cursor from `from` to
// their end, in one transaction. A body that was replaced meanwhile stays where it is. It returns how many were emptied,
// or [ErrCursorMoved] if somebody else archived meanwhile.
func (s *Store) ArchiveBodies(ctx context.Context, stream int64, from Pos, list []Archived) (n int, err error) {
	to := list[len(list)-1].End().Pos
	err = s.MoveConsumer(ctx, ArchiveConsumer, stream, from, to, func(ctx context.Context, tx *sql.Tx) error {
		n = 0
		for _, a := range list {
			var have []byte
			err := tx.QueryRowContext(ctx, "SELECT body FROM fayi_body WHERE stream_id=? AND gen=? AND first_seq=?"+s.d.forUpdate,
				stream, num(a.Gen), num(a.First)).Scan(&have)
			if err != nil {
				return err
			}
			if !bytes.Equal(have, a.Segment.Body) {
				continue
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO fayi_archived (stream_id,gen,first_seq,body_hash) VALUES (?,?,?,?)",
				stream, num(a.Gen), num(a.First), a.Body); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "UPDATE fayi_body SET body=? WHERE stream_id=? AND gen=? AND first_seq=?",
				[]byte{}, stream, num(a.Gen), num(a.First)); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// archivedBody reads a body that left the database.
func (s *Store) archivedBody(header Hash, archived []byte) ([]byte, error) {
	var body Hash
	if err := body.Scan(archived); err != nil {
		return nil, err
	}
	if s.bodies == nil {
		return nil, fmt.Errorf("%w: no archive is configured", ErrBody)
	}
	b, err := s.bodies.Get(header, body)
	if err != nil {
		return nil, fmt.Errorf("%w: segment %s: %w", ErrBody, header, err)
	}
	return b, nil
}

// unarchive forgets, in a transaction that puts another body in its place, that a body is in the archive, and returns
// under which hash it is there; zero if it is not.
func (s *Store) unarchive(ctx context.Context, tx *sql.Tx, stream int64, gen, first uint64) (body Hash, err error) {
	const at = " FROM fayi_archived WHERE stream_id=? AND gen=? AND first_seq=?"
	err = tx.QueryRowContext(ctx, "SELECT body_hash"+at+s.d.forUpdate, stream, num(gen), num(first)).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return Hash{}, nil
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, "DELETE"+at, stream, num(gen), num(first))
	}
	return body, err
}
