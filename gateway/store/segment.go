package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
)

// Segment is one stored segment (protocol §2). Header and Sig are kept as received; Hash and Prev are what the caller
// computed and read from the header.
type Segment struct {
	Stream            int64
	Gen, First, Count uint64
	Hash, Prev        Hash
	Header, Sig       []byte
	Key               []byte // content key sealed under the node's store key; nil at a keyless carrier
	Readers           []byte // wrapped keys of readers, opaque here
	Body              []byte // nil where only header and signature were asked for
	Seen              int64  // first stored here, Unix µs; zero on storing means now
	Live              bool   // on the live chain; false: an orphan, kept as evidence
}

// Last is the number of the segment's last line.
func (s Segment) Last() uint64 { return s.First + s.Count - 1 }

// End is the head of a stream that ends with this segment.
func (s Segment) End() Head { return Head{Pos{s.Gen, s.Last()}, s.Hash} }

const selectSegment = "SELECT s.stream_id,s.gen,s.first_seq,s.line_count,s.hash,s.prev,s.header,s.sig,s.seen,s.body_size,o.gen IS NULL AS live" +
	" FROM fayi_segment s LEFT JOIN fayi_orphan o ON o.stream_id=s.stream_id AND o.gen=s.gen AND o.first_seq=s.first_seq" +
	" WHERE s.stream_id=? "

type sizedSegment struct {
	Segment
	size int64
}

func scanSegment(rows *sql.Rows) (s sizedSegment, err error) {
	return s, rows.Scan(&s.Stream, &s.Gen, &s.First, &s.Count, &s.Hash, &s.Prev, &s.Header, &s.Sig, &s.Seen, &s.size, &s.Live)
}

func oneSegment(ctx context.Context, q querier, stream int64, where string, args ...any) (*Segment, error) {
	list, err := collect(ctx, q, scanSegment, selectSegment+where, append([]any{stream}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("read segment: %w", err)
	}
	if len(list) == 0 {
		return nil, nil
	}
	return &list[0].Segment, nil
}

// SegmentStarting returns the segment whose first line is (gen, first), live or orphan, without its body; nil if none
// is stored.
func (s *Store) SegmentStarting(ctx context.Context, stream int64, gen, first uint64) (*Segment, error) {
	return oneSegment(ctx, s.read, stream, "AND s.gen=? AND s.first_seq=?", num(gen), num(first))
}

// SegmentEnding returns the segment whose last line is (gen, last), live or orphan, without its body; nil if none is
// stored.
func (s *Store) SegmentEnding(ctx context.Context, stream int64, gen, last uint64) (*Segment, error) {
	seg, err := s.segmentHolding(ctx, stream, gen, last)
	if seg == nil || seg.Last() != last {
		return nil, err
	}
	return seg, nil
}

// SegmentHolding returns the segment that holds the line (gen, seq), live or orphan, without its body; nil if none is
// stored.
func (s *Store) SegmentHolding(ctx context.Context, stream int64, gen, seq uint64) (*Segment, error) {
	seg, err := s.segmentHolding(ctx, stream, gen, seq)
	if seg == nil || seg.Last() < seq {
		return nil, err
	}
	return seg, nil
}

// segmentHolding finds the segment of a generation with the highest first number up to seq.
func (s *Store) segmentHolding(ctx context.Context, stream int64, gen, seq uint64) (*Segment, error) {
	return oneSegment(ctx, s.read, stream, "AND s.gen=? AND s.first_seq<=? ORDER BY s.first_seq DESC LIMIT 1", num(gen), num(seq))
}

// SegmentByHash returns the segment whose header has this hash, live or orphan, without its body; nil if none is
// stored.
func (s *Store) SegmentByHash(ctx context.Context, stream int64, hash Hash) (*Segment, error) {
	return oneSegment(ctx, s.read, stream, "AND s.hash=?", hash)
}

// SegmentsAfter returns the live chain beyond a position, in order, with bodies: at most maxSegments of them and at
// most maxBytes of bodies, but always at least one if there is one. A position inside a segment returns that segment.
// Sizes are read before bodies, so memory stays near maxBytes, whatever is stored.
func (s *Store) SegmentsAfter(ctx context.Context, stream int64, after Pos, maxSegments int, maxBytes int64) ([]Segment, error) {
	maxSegments = max(maxSegments, 1)
	// In one round trip, each a range of the primary key: the segment at the position, the rest of its generation, later ones.
	list, err := collect(ctx, s.read, scanSegment,
		"SELECT * FROM ("+selectSegment+"AND s.gen=? AND s.first_seq<=? ORDER BY s.first_seq DESC LIMIT 1) x"+
			" UNION ALL SELECT * FROM ("+selectSegment+"AND s.gen=? AND s.first_seq>? AND o.gen IS NULL ORDER BY s.first_seq LIMIT ?) y"+
			" UNION ALL SELECT * FROM ("+selectSegment+"AND s.gen>? AND o.gen IS NULL ORDER BY s.gen,s.first_seq LIMIT ?) z",
		stream, num(after.Gen), num(after.Seq), stream, num(after.Gen), num(after.Seq), maxSegments, stream, num(after.Gen), maxSegments)
	if err != nil {
		return nil, fmt.Errorf("read segments: %w", err)
	}
	list = slices.DeleteFunc(list, func(seg sizedSegment) bool { // one at the position counts if it goes on beyond it
		return !seg.Live || seg.Gen == after.Gen && seg.Last() <= after.Seq
	})
	slices.SortFunc(list, func(a, b sizedSegment) int { return cmp.Or(cmp.Compare(a.Gen, b.Gen), cmp.Compare(a.First, b.First)) })
	list = list[:min(len(list), maxSegments)]
	var out []Segment
	var size int64
	for i, seg := range list {
		if size += seg.size; i > 0 && size > maxBytes {
			break
		}
		out = append(out, seg.Segment)
	}
	return out, s.fillBodies(ctx, out)
}

// fillBodies reads the containers of consecutive live segments, one range of the primary key for each generation.
func (s *Store) fillBodies(ctx context.Context, segs []Segment) error {
	for i := 0; i < len(segs); {
		j := i + 1
		for j < len(segs) && segs[j].Gen == segs[i].Gen {
			j++
		}
		at := make(map[uint64]*Segment, j-i)
		for k := i; k < j; k++ {
			at[segs[k].First] = &segs[k]
		}
		rows, err := s.read.QueryContext(ctx,
			"SELECT b.first_seq,b.content_key,b.readers,b.body,a.body_hash FROM fayi_body b LEFT JOIN fayi_archived a"+
				" ON a.stream_id=b.stream_id AND a.gen=b.gen AND a.first_seq=b.first_seq"+
				" WHERE b.stream_id=? AND b.gen=? AND b.first_seq>=? AND b.first_seq<=?",
			segs[i].Stream, num(segs[i].Gen), num(segs[i].First), num(segs[j-1].First))
		if err != nil {
			return fmt.Errorf("read bodies: %w", err)
		}
		for rows.Next() {
			var first uint64
			var key, readers, body, archived []byte
			if err := rows.Scan(&first, &key, &readers, &body, &archived); err != nil {
				rows.Close()
				return fmt.Errorf("read bodies: %w", err)
			}
			seg := at[first]
			if seg == nil {
				continue
			}
			if archived != nil {
				if body, err = s.archivedBody(seg.Hash, archived); err != nil {
					rows.Close()
					return fmt.Errorf("read bodies: %w", err)
				}
			}
			seg.Key, seg.Readers, seg.Body = key, readers, body
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return fmt.Errorf("read bodies: %w", err)
		}
		i = j
	}
	return nil
}

// Body returns the segment that starts at (gen, first), live or orphan, whole; nil if none is stored.
func (s *Store) Body(ctx context.Context, stream int64, gen, first uint64) (*Segment, error) {
	seg, err := s.SegmentStarting(ctx, stream, gen, first)
	if seg == nil || err != nil {
		return nil, err
	}
	one := []Segment{*seg}
	if err := s.fillBodies(ctx, one); err != nil {
		return nil, err
	}
	return &one[0], nil
}

// ReplaceContainer puts another body, with its key and readers, under the header that starts at (gen, first): after an
// erasure (design §6), a re-sealing, or when the origin's copy replaces a relay's (protocol §3). Without such a
// segment it returns [ErrNotHeld].
func (s *Store) ReplaceContainer(ctx context.Context, stream int64, gen, first uint64, key, readers, body []byte) error {
	var header, archived Hash
	err := s.InTx(ctx, func(tx *sql.Tx) (err error) {
		ok, err := changedOne(tx.ExecContext(ctx, "UPDATE fayi_segment SET body_size=? WHERE stream_id=? AND gen=? AND first_seq=?",
			len(body), stream, num(gen), num(first)))
		if err == nil && !ok {
			err = ErrNotHeld
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE fayi_body SET content_key=?, readers=?, body=? WHERE stream_id=? AND gen=? AND first_seq=?",
			nullable(key), blob(readers), blob(body), stream, num(gen), num(first))
		if err != nil {
			return err
		}
		if archived, err = s.unarchive(ctx, tx, stream, gen, first); err != nil || archived.IsZero() {
			return err
		}
		return tx.QueryRowContext(ctx, "SELECT hash FROM fayi_segment WHERE stream_id=? AND gen=? AND first_seq=?",
			stream, num(gen), num(first)).Scan(&header)
	})
	if err != nil || archived.IsZero() || s.bodies == nil {
		return err
	}
	return s.bodies.Remove(header, archived) // what was replaced must not outlive it in a file
}

// AddReaders appends to the opaque list of readers of the segment that starts at (gen, first); the encoding of the list
// must allow that. Two callers that add the same reader leave it there twice. Without such a segment it returns
// [ErrNotHeld].
func (s *Store) AddReaders(ctx context.Context, stream int64, gen, first uint64, readers []byte) error {
	return s.InTx(ctx, func(tx *sql.Tx) error {
		var have []byte
		err := tx.QueryRowContext(ctx, "SELECT readers FROM fayi_body WHERE stream_id=? AND gen=? AND first_seq=?"+s.d.forUpdate,
			stream, num(gen), num(first)).Scan(&have)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotHeld
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE fayi_body SET readers=? WHERE stream_id=? AND gen=? AND first_seq=?",
			append(blob(have), readers...), stream, num(gen), num(first))
		return err
	})
}

// nullable makes an absent value NULL; a nil slice inside an interface is not nil to every driver.
func nullable(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// Generation is where a generation of the live chain begins (protocol §3, GAP).
type Generation struct {
	Gen, First uint64
	Prev       Hash
}

// Generations returns the generations of the live chain in order.
func (s *Store) Generations(ctx context.Context, stream int64) ([]Generation, error) {
	var out []Generation
	for gen := int64(-1); ; {
		seg, err := oneSegment(ctx, s.read, stream, "AND s.gen>? AND o.gen IS NULL ORDER BY s.gen,s.first_seq LIMIT 1", gen)
		if seg == nil || err != nil {
			return out, err
		}
		out = append(out, Generation{seg.Gen, seg.First, seg.Prev})
		gen = num(seg.Gen)
	}
}

// OrphanRange is a run of segments of one generation off the live chain (protocol §4, `orphans`); Head is the hash of
// its last header.
type OrphanRange struct {
	Gen, First, Last uint64
	Head             Hash
}

// Orphans returns the orphans of streams, by stream: consecutive ones as one range, in order.
func (s *Store) Orphans(ctx context.Context, streams ...int64) (map[int64][]OrphanRange, error) {
	type link struct {
		stream int64
		OrphanRange
		prev Hash
	}
	out := map[int64][]OrphanRange{}
	err := inChunks(streams, func(chunk []int64) error {
		args := make([]any, len(chunk))
		for i, id := range chunk {
			args[i] = id
		}
		list, err := collect(ctx, s.read, func(rows *sql.Rows) (l link, err error) {
			var count uint64
			err = rows.Scan(&l.stream, &l.Gen, &l.First, &count, &l.Head, &l.prev)
			l.Last = l.First + count - 1
			return l, err
		}, "SELECT o.stream_id,s.gen,s.first_seq,s.line_count,s.hash,s.prev FROM fayi_orphan o JOIN fayi_segment s"+
			" ON s.stream_id=o.stream_id AND s.gen=o.gen AND s.first_seq=o.first_seq"+
			" WHERE o.stream_id IN ("+placeholders(len(chunk))+") ORDER BY o.stream_id,o.gen,o.first_seq", args...)
		for _, l := range list {
			rs := out[l.stream]
			if n := len(rs) - 1; n >= 0 && rs[n].Gen == l.Gen && rs[n].Head == l.prev {
				rs[n].Last, rs[n].Head = l.Last, l.Head
				continue
			}
			out[l.stream] = append(rs, l.OrphanRange)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read orphans: %w", err)
	}
	return out, nil
}
