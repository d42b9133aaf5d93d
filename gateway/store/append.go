package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
)

// Append adds segments to one stream, in the transaction of [Store.Append].
type Append struct {
	Stream int64
	// From is the head the caller started from; the stream must still end there.
	From Head
	// Rewind, if not nil, is the end of an earlier segment from which a higher generation continues (protocol §3, step
	// 6), live or orphan, or the stream's base. Live segments beyond it become orphans; orphans that lead to it become
	// live again. In an empty stream it is the base of this reader's grant (protocol §7): the position and hash before
	// the first segment it will ever hold.
	Rewind *Head
	// Segments follow From, or Rewind, without a gap: numbers are dense, each Prev is the hash before.
	Segments []Segment
	// Latest replaces the newest version of these keys; at the origin only. Of two with one key the later in the list wins.
	Latest []Latest
	// Checked, if not nil, is the position up to which lines are judged once this is stored. A rewind alone does not move
	// it: positions compare by generation first, so what was judged on the branch left behind stays behind.
	Checked *Pos
	// Refused are the lines among Segments that were refused.
	Refused []Refusal
}

// Append stores segments of one or more streams in ONE transaction and moves each stream's head by compare-and-set.
// If any stream does not end where its From says, it returns [ErrHeadMoved] and changes nothing at all. Segments that do
// not form a chain are [ErrInvalid], one stored already is [ErrSegmentHeld], a Rewind to a header not held is
// [ErrNotHeld].
//
// also, if given, runs last in the same transaction: it removes outbox rows, writes rejected ones and so on. Its error
// undoes everything and is returned as it is. It may run several times, see [Store.InTx], and must write only through
// the transaction. After [ErrOutcomeUnknown] the caller reads the streams' heads again.
func (s *Store) Append(ctx context.Context, as []Append, also func(ctx context.Context, tx *sql.Tx) error) error {
	as = slices.Clone(as)
	slices.SortFunc(as, func(a, b Append) int { return cmp.Compare(a.Stream, b.Stream) }) // one order for all: no deadlocks
	for i, a := range as {
		if i > 0 && as[i-1].Stream == a.Stream {
			return fmt.Errorf("%w: stream %d twice in one append", ErrInvalid, a.Stream)
		}
		if err := a.check(); err != nil {
			return err
		}
	}
	return s.InTx(ctx, func(tx *sql.Tx) error {
		for _, a := range as {
			if err := s.moveHead(ctx, tx, a); err != nil {
				return err
			}
		}
		for _, a := range as {
			if a.Rewind != nil {
				if err := s.rewind(ctx, tx, a); err != nil {
					return err
				}
			}
		}
		if err := s.insertSegments(ctx, tx, as); err != nil {
			return err
		}
		for _, a := range as {
			if err := s.putLatest(ctx, tx, a.Stream, a.Latest); err != nil {
				return err
			}
			if err := s.putRefusals(ctx, tx, a.Stream, a.Refused); err != nil {
				return err
			}
		}
		if also != nil {
			return also(ctx, tx)
		}
		return nil
	})
}

// start is the head the first segment follows.
func (a Append) start() Head {
	if a.Rewind != nil {
		return *a.Rewind
	}
	return a.From
}

// check holds the segments to what every stream must be (protocol §2, review I2 and I3).
func (a Append) check() error {
	if len(a.Segments) == 0 {
		return fmt.Errorf("%w: nothing to append to stream %d", ErrInvalid, a.Stream)
	}
	end := a.start()
	if a.Rewind != nil && a.Segments[0].Gen <= a.From.Gen {
		return fmt.Errorf("%w: stream %d goes back without a higher generation", ErrInvalid, a.Stream)
	}
	for _, seg := range a.Segments {
		switch {
		case seg.Stream != a.Stream:
			return fmt.Errorf("%w: segment of stream %d in an append to %d", ErrInvalid, seg.Stream, a.Stream)
		case seg.Gen < end.Gen || seg.Gen > maxNumber:
			return fmt.Errorf("%w: generation %d after %d", ErrInvalid, seg.Gen, end.Gen)
		case seg.First != end.Seq+1:
			return fmt.Errorf("%w: segment begins at %d after %d", ErrInvalid, seg.First, end.Seq)
		case seg.Prev != end.Hash:
			return fmt.Errorf("%w: segment %d:%d does not continue the header before it", ErrInvalid, seg.Gen, seg.First)
		case seg.Count == 0 || seg.Count > maxNumber || seg.Last() > maxNumber:
			return fmt.Errorf("%w: segment %d:%d has %d lines", ErrInvalid, seg.Gen, seg.First, seg.Count)
		case len(seg.Header) > 4096 || len(seg.Sig) > 256 || len(seg.Key) > 256 || len(seg.Body) >= 1<<24 || len(seg.Readers) >= 1<<24:
			return fmt.Errorf("%w: segment %d:%d is too large", ErrInvalid, seg.Gen, seg.First)
		}
		end = seg.End()
	}
	for _, r := range a.Refused {
		if !slices.ContainsFunc(a.Segments, func(s Segment) bool { return r.Gen == s.Gen && r.Seq >= s.First && r.Seq <= s.Last() }) {
			return fmt.Errorf("%w: refusal at %d:%d outside the segments", ErrInvalid, r.Gen, r.Seq)
		}
	}
	if a.Checked != nil && a.Checked.Compare(end.Pos) > 0 {
		return fmt.Errorf("%w: judged beyond the end", ErrInvalid)
	}
	return nil
}

// moveHead is the compare-and-set everything rests on.
func (s *Store) moveHead(ctx context.Context, tx *sql.Tx, a Append) error {
	end := a.Segments[len(a.Segments)-1].End()
	set := "UPDATE fayi_stream SET gen=?, seq=?, head=?"
	args := []any{num(end.Gen), num(end.Seq), end.Hash}
	if a.Checked != nil {
		set += ", checked_gen=?, checked_seq=?"
		args = append(args, num(a.Checked.Gen), num(a.Checked.Seq))
	}
	args = append(args, a.Stream, num(a.From.Gen), num(a.From.Seq), a.From.Hash)
	ok, err := changedOne(tx.ExecContext(ctx, set+" WHERE id=? AND gen=? AND seq=? AND head=?", args...))
	if err == nil && !ok {
		err = fmt.Errorf("%w: stream %d", ErrHeadMoved, a.Stream)
	}
	return err
}

// rewind makes the live chain lead to a.Rewind. It walks back from there over orphans to the first live segment, the
// base or the beginning; those orphans become live, everything else beyond that point becomes an orphan.
func (s *Store) rewind(ctx context.Context, tx *sql.Tx, a Append) error {
	var base Head
	err := tx.QueryRowContext(ctx, "SELECT base_gen,base_seq,base_head FROM fayi_stream WHERE id=?", a.Stream).
		Scan(&base.Gen, &base.Seq, &base.Hash)
	if err != nil {
		return err
	}
	if a.From == (Head{}) {
		_, err := tx.ExecContext(ctx, "UPDATE fayi_stream SET base_gen=?, base_seq=?, base_head=? WHERE id=?",
			num(a.Rewind.Gen), num(a.Rewind.Seq), a.Rewind.Hash, a.Stream)
		return err
	}
	var revived [][]any
	join, prev := Pos{}, a.Rewind.Hash
	for first := true; ; first = false {
		if prev == base.Hash && (!base.Hash.IsZero() || !first) {
			if first && *a.Rewind != base {
				return fmt.Errorf("%w: rewind of stream %d", ErrNotHeld, a.Stream)
			}
			join = base.Pos
			break
		}
		seg, err := oneSegment(ctx, tx, a.Stream, "AND s.hash=?", prev)
		if err != nil {
			return err
		}
		if seg == nil || first && seg.End() != *a.Rewind {
			return fmt.Errorf("%w: rewind of stream %d", ErrNotHeld, a.Stream)
		}
		if seg.Live {
			join = seg.End().Pos
			break
		}
		revived = append(revived, []any{a.Stream, num(seg.Gen), num(seg.First)})
		prev = seg.Prev
	}
	const all = "fayi_orphan (stream_id,gen,first_seq) SELECT stream_id,gen,first_seq FROM fayi_segment WHERE stream_id=? AND "
	if _, err := tx.ExecContext(ctx, s.d.insertIgnore+all+"gen=? AND first_seq>?", a.Stream, num(join.Gen), num(join.Seq)); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, s.d.insertIgnore+all+"gen>?", a.Stream, num(join.Gen)); err != nil {
		return err
	}
	for _, r := range revived {
		if _, err := tx.ExecContext(ctx, "DELETE FROM fayi_orphan WHERE stream_id=? AND gen=? AND first_seq=?", r...); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) insertSegments(ctx context.Context, tx *sql.Tx, as []Append) error {
	var segs, bodies [][]any
	at := now()
	for _, a := range as {
		for _, g := range a.Segments {
			segs = append(segs, []any{g.Stream, num(g.Gen), num(g.First), num(g.Count), g.Hash, g.Prev, blob(g.Header), blob(g.Sig),
				len(g.Body), cmp.Or(g.Seen, at)})
			bodies = append(bodies, []any{g.Stream, num(g.Gen), num(g.First), nullable(g.Key), blob(g.Readers), blob(g.Body)})
		}
	}
	_, err := insertRows(ctx, tx, "INSERT INTO fayi_segment (stream_id,gen,first_seq,line_count,hash,prev,header,sig,body_size,seen) VALUES ", "", segs)
	if err == nil {
		_, err = insertRows(ctx, tx, "INSERT INTO fayi_body (stream_id,gen,first_seq,content_key,readers,body) VALUES ", "", bodies)
	}
	if isDuplicate(err) {
		return errors.Join(ErrSegmentHeld, err)
	}
	return err
}
