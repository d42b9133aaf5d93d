package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Queries over many streams at once: a node at the ministry knows ten thousand, and asks for none of them one by one
// while nothing happens (review F24).

// inChunks runs fn over at most maxRows of the items at a time.
func inChunks[T any](items []T, fn func(chunk []T) error) error {
	for len(items) > 0 {
		n := min(len(items), maxRows)
		if err := fn(items[:n]); err != nil {
			return err
		}
		items = items[n:]
	}
	return nil
}

// StreamsByName returns those of the named streams that are known, in no particular order.
func (s *Store) StreamsByName(ctx context.Context, names []string) (out []Stream, err error) {
	err = inChunks(names, func(chunk []string) error {
		args := make([]any, len(chunk))
		for i, n := range chunk {
			args[i] = n
		}
		list, err := collect(ctx, s.read, scanStream, "SELECT "+streamColumns+" FROM fayi_stream WHERE name IN ("+placeholders(len(args))+")", args...)
		out = append(out, list...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read streams: %w", err)
	}
	return out, nil
}

// CountStreams tells how many streams an origin has opened here.
func (s *Store) CountStreams(ctx context.Context, origin string) (n int, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT COUNT(*) FROM fayi_stream WHERE name>=? AND name<?", origin+"/", origin+"0").Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count streams: %w", err)
	}
	return n, nil
}

// StreamsUnjudged returns the streams that hold lines beyond the last judged one: held ones, and all that a carrier has.
func (s *Store) StreamsUnjudged(ctx context.Context) ([]Stream, error) {
	list, err := collect(ctx, s.read, scanStream, "SELECT "+streamColumns+" FROM fayi_stream WHERE gen<>checked_gen OR seq<>checked_seq ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("read streams: %w", err)
	}
	return list, nil
}

// StreamsBehind returns the streams whose judged lines a consumer has not read to the end.
func (s *Store) StreamsBehind(ctx context.Context, consumer string) ([]Stream, error) {
	list, err := collect(ctx, s.read, scanStream, "SELECT s."+strings.ReplaceAll(streamColumns, ",", ",s.")+
		" FROM fayi_stream s LEFT JOIN fayi_consumer c ON c.name=? AND c.stream_id=s.id"+
		" WHERE s.checked_seq>0 AND (c.gen IS NULL OR c.gen<s.checked_gen OR c.gen=s.checked_gen AND c.seq<s.checked_seq) ORDER BY s.id", consumer)
	if err != nil {
		return nil, fmt.Errorf("read streams: %w", err)
	}
	return list, nil
}

// Digest is a short word on all streams together: it differs when a stream was added, moved or judged further.
type Digest struct{ Streams, Gens, Seqs, Checked uint64 }

// StreamsDigest computes the digest inside the database, which sends one row for any number of streams.
func (s *Store) StreamsDigest(ctx context.Context) (d Digest, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT COUNT(*),COALESCE(SUM(gen),0),COALESCE(SUM(seq),0),COALESCE(SUM(checked_seq),0) FROM fayi_stream").
		Scan(&d.Streams, &d.Gens, &d.Seqs, &d.Checked)
	if err != nil {
		return d, fmt.Errorf("read streams: %w", err)
	}
	return d, nil
}

// InboxCursors returns the position up to which each stream was delivered into the inbox, by stream.
func (s *Store) InboxCursors(ctx context.Context) (map[string]Pos, error) {
	type cursor struct {
		stream string
		Pos
	}
	list, err := collect(ctx, s.read, func(rows *sql.Rows) (c cursor, err error) {
		return c, rows.Scan(&c.stream, &c.Gen, &c.Seq)
	}, "SELECT stream,gen,seq FROM exchange_inbox_cursor")
	if err != nil {
		return nil, fmt.Errorf("read inbox cursors: %w", err)
	}
	out := make(map[string]Pos, len(list))
	for _, c := range list {
		out[c.stream] = c.Pos
	}
	return out, nil
}

// AcksBy returns what one reader acknowledged of the streams, at every level; of all streams if none is named.
func (s *Store) AcksBy(ctx context.Context, reader string, streams []int64) (out []Ack, err error) {
	if streams == nil {
		out, err = collect(ctx, s.read, scanAck, selectAck+" WHERE reader=?", reader)
	} else {
		err = inChunks(streams, func(chunk []int64) error {
			args := make([]any, 0, len(chunk)+1)
			for _, id := range chunk {
				args = append(args, id)
			}
			list, err := collect(ctx, s.read, scanAck, selectAck+" WHERE stream_id IN ("+placeholders(len(chunk))+") AND reader=?", append(args, reader)...)
			out = append(out, list...)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read acknowledgements: %w", err)
	}
	return out, nil
}
