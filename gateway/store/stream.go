package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Stream is what a node knows about one stream (protocol §1): where its live chain ends and how far it was judged.
type Stream struct {
	ID                           int64
	Name, Origin, Type, Audience string // Name = Origin/Type/Audience
	Head                                // end of the live chain
	Base                         Head   // where a granted reader's copy begins (protocol §7); zero: the beginning
	Checked                      Pos    // lines judged up to here, always the end of a segment
	Refused                      uint64 // lines of it this node refused so far (protocol §4, `rejected`)
	State, Detail                string // "" when all is well; otherwise a word of the node's and a sentence for people
}

// streamName is the form of protocol §1.
var streamName = regexp.MustCompile(`^[0-9a-z][0-9a-z-]{1,31}/[a-z][a-z0-9_]{1,47}/[a-z0-9+-]{1,64}$`)

const streamColumns = "id,name,gen,seq,head,base_gen,base_seq,base_head,checked_gen,checked_seq,refused,state,detail"

func scanStream(rows *sql.Rows) (Stream, error) {
	var s Stream
	err := rows.Scan(&s.ID, &s.Name, &s.Gen, &s.Seq, &s.Hash, &s.Base.Gen, &s.Base.Seq, &s.Base.Hash,
		&s.Checked.Gen, &s.Checked.Seq, &s.Refused, &s.State, &s.Detail)
	if p := strings.SplitN(s.Name, "/", 3); len(p) == 3 {
		s.Origin, s.Type, s.Audience = p[0], p[1], p[2]
	}
	return s, err
}

// EnsureStream returns the stream of this name and adds it, empty, if there is none. The name must have the form of
// protocol §1, otherwise [ErrInvalid].
func (s *Store) EnsureStream(ctx context.Context, name string) (Stream, error) {
	if !streamName.MatchString(name) {
		return Stream{}, fmt.Errorf("%w: stream name %q", ErrInvalid, cut(name, 160))
	}
	st, err := s.StreamByName(ctx, name)
	if !errors.Is(err, ErrUnknownStream) {
		return st, err
	}
	err = s.InTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, s.d.insertIgnore+"fayi_stream (name,head,base_head,state,detail) VALUES (?,?,?,?,?)",
			name, Hash{}, Hash{}, "", "")
		return err
	})
	if err != nil {
		return Stream{}, fmt.Errorf("add stream %s: %w", name, err)
	}
	return s.StreamByName(ctx, name)
}

// StreamByName returns the stream of this name, or [ErrUnknownStream].
func (s *Store) StreamByName(ctx context.Context, name string) (Stream, error) {
	return s.oneStream(ctx, "name", name)
}

// StreamByID returns the stream of this number, or [ErrUnknownStream].
func (s *Store) StreamByID(ctx context.Context, id int64) (Stream, error) {
	return s.oneStream(ctx, "id", id)
}

func (s *Store) oneStream(ctx context.Context, column string, value any) (Stream, error) {
	list, err := collect(ctx, s.read, scanStream, "SELECT "+streamColumns+" FROM fayi_stream WHERE "+column+"=?", value)
	if err != nil {
		return Stream{}, fmt.Errorf("read stream: %w", err)
	}
	if len(list) == 0 {
		return Stream{}, ErrUnknownStream
	}
	return list[0], nil
}

// Streams returns all streams in the order in which this node first met them.
func (s *Store) Streams(ctx context.Context) ([]Stream, error) {
	list, err := collect(ctx, s.read, scanStream, "SELECT "+streamColumns+" FROM fayi_stream ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("read streams: %w", err)
	}
	return list, nil
}

// SetState says that a stream is held, forked, paused, … or, with "", that it goes on. The store keeps the words (32
// bytes) and the sentence (cut to 1,024 bytes) and gives them no meaning.
func (s *Store) SetState(ctx context.Context, id int64, state, detail string) error {
	if len(state) > 32 {
		return fmt.Errorf("%w: state %q", ErrInvalid, cut(state, 32))
	}
	return s.InTx(ctx, func(tx *sql.Tx) error {
		ok, err := changedOne(tx.ExecContext(ctx, "UPDATE fayi_stream SET state=?, detail=? WHERE id=?", state, cut(detail, 1024), id))
		if err == nil && !ok {
			err = ErrUnknownStream
		}
		return err
	})
}

// SetChecked records that lines up to `to` were judged after their segment had been stored (protocol §3, held), and
// which of them were refused. It moves by compare-and-set from `from`; if somebody else judged meanwhile it returns
// [ErrCheckedMoved] and changes nothing. A line's first verdict stays. also, if given, runs in the same transaction
// and may run several times, see [Store.InTx].
func (s *Store) SetChecked(ctx context.Context, stream int64, from, to Pos, refused []Refusal, also func(context.Context, *sql.Tx) error) error {
	for _, r := range refused {
		if p := (Pos{r.Gen, r.Seq}); p.Compare(from) <= 0 || p.Compare(to) > 0 {
			return fmt.Errorf("%w: refusal at %d:%d outside the judged lines", ErrInvalid, r.Gen, r.Seq)
		}
	}
	if to.Compare(from) <= 0 || to.Gen > maxNumber || to.Seq > maxNumber {
		return fmt.Errorf("%w: judged from %d:%d to %d:%d", ErrInvalid, from.Gen, from.Seq, to.Gen, to.Seq)
	}
	return s.InTx(ctx, func(tx *sql.Tx) error {
		ok, err := changedOne(tx.ExecContext(ctx,
			"UPDATE fayi_stream SET checked_gen=?, checked_seq=? WHERE id=? AND checked_gen=? AND checked_seq=?",
			num(to.Gen), num(to.Seq), stream, num(from.Gen), num(from.Seq)))
		if err != nil {
			return err
		}
		if !ok {
			return ErrCheckedMoved
		}
		if err := s.putRefusals(ctx, tx, stream, refused); err != nil {
			return err
		}
		if also != nil {
			return also(ctx, tx)
		}
		return nil
	})
}

// Refusal is one line of another node's stream that this node stored and does not apply, with the first fault's code
// and JSON pointer; never a value (protocol §4). Code is cut to 48 bytes, Pointer to 1,024.
type Refusal struct {
	Gen, Seq      uint64
	Code, Pointer string
}

// putRefusals adds verdicts and moves the stream's count by those that are new.
func (s *Store) putRefusals(ctx context.Context, tx *sql.Tx, stream int64, rs []Refusal) error {
	if len(rs) == 0 {
		return nil
	}
	rows := make([][]any, len(rs))
	for i, r := range rs {
		rows[i] = []any{stream, num(r.Gen), num(r.Seq), cut(r.Code, 48), cut(r.Pointer, 1024)}
	}
	added, err := insertRows(ctx, tx, s.d.insertIgnore+"fayi_refusal (stream_id,gen,seq,code,pointer) VALUES ", "", rows)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE fayi_stream SET refused=refused+? WHERE id=?", added, stream)
	return err
}

// Refusals returns the refused lines with numbers first…last of one generation, by number.
func (s *Store) Refusals(ctx context.Context, stream int64, gen, first, last uint64) (map[uint64]Refusal, error) {
	list, err := collect(ctx, s.read, func(rows *sql.Rows) (r Refusal, err error) {
		return r, rows.Scan(&r.Gen, &r.Seq, &r.Code, &r.Pointer)
	}, "SELECT gen,seq,code,pointer FROM fayi_refusal WHERE stream_id=? AND gen=? AND seq>=? AND seq<=?",
		stream, num(gen), num(first), num(last))
	if err != nil {
		return nil, fmt.Errorf("read refusals: %w", err)
	}
	out := make(map[uint64]Refusal, len(list))
	for _, r := range list {
		out[r.Seq] = r
	}
	return out, nil
}
