package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// ErrNoBrake: no such type of this source waits for a decision.
var ErrNoBrake = errors.New("store: no such type waits for a decision")

// Pace is what one source has in one stream and did to it since some moment.
type Pace struct {
	Live             int64 // keys that exist now
	Deletes, Changes int64 // since then
	From             Pos   // where the stream ended before the first of them, if there were Any; it may have been empty
	Any              bool
}

// Turn is what a batch does to a stream's keys on behalf of a source; it is added to the counts in the batch's
// transaction. Slot is the beginning of the slot of time it falls into, Unix µs, and From where the stream ended before.
type Turn struct {
	Source           string
	Stream           int64
	Slot             int64
	From             Pos
	Born             int64 // keys that came to exist, less those that ceased to
	Deletes, Changes int64
}

// PaceOf reads a source's pace in a stream, of the slots from since, Unix µs, on.
func (s *Store) PaceOf(ctx context.Context, source string, stream, since int64) (p Pace, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT live FROM fayi_keys WHERE source=? AND stream_id=?", source, stream).Scan(&p.Live)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return p, fmt.Errorf("read pace: %w", err)
	}
	rows, err := s.read.QueryContext(ctx, "SELECT gen,seq,deletes,changes FROM fayi_pace WHERE source=? AND stream_id=? AND slot>=? ORDER BY slot", source, stream, since)
	if err != nil {
		return p, fmt.Errorf("read pace: %w", err)
	}
	defer rows.Close()
	for first := true; rows.Next(); first = false {
		var from Pos
		var deletes, changes int64
		if err := rows.Scan(&from.Gen, &from.Seq, &deletes, &changes); err != nil {
			return p, fmt.Errorf("read pace: %w", err)
		}
		if first {
			p.From, p.Any = from, true
		}
		p.Deletes, p.Changes = p.Deletes+deletes, p.Changes+changes
	}
	return p, rows.Err()
}

// AddTurns adds to the counts of keys and of changes, in the caller's transaction.
func (s *Store) AddTurns(ctx context.Context, tx *sql.Tx, turns []Turn) error {
	var born, pace [][]any
	for _, t := range turns {
		if len(t.Source) > 48 {
			return fmt.Errorf("%w: source %q", ErrInvalid, cut(t.Source, 48))
		}
		if t.Born != 0 {
			born = append(born, []any{t.Source, t.Stream, t.Born})
		}
		if t.Deletes > 0 || t.Changes > 0 {
			pace = append(pace, []any{t.Source, t.Stream, t.Slot, num(t.From.Gen), num(t.From.Seq), t.Deletes, t.Changes})
		}
	}
	_, err := insertRows(ctx, tx, "INSERT INTO fayi_keys (source,stream_id,live) VALUES ", s.d.add([]string{"source", "stream_id"}, "live"), born)
	if err == nil {
		_, err = insertRows(ctx, tx, "INSERT INTO fayi_pace (source,stream_id,slot,gen,seq,deletes,changes) VALUES ",
			s.d.add([]string{"source", "stream_id", "slot"}, "deletes", "changes"), pace)
	}
	return err
}

// PurgePace forgets slots that began before a time, Unix µs.
func (s *Store) PurgePace(ctx context.Context, before int64) error {
	return s.InTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM fayi_pace WHERE slot<?", before)
		return err
	})
}

// States of a brake.
const (
	BrakeHeld      = "held"      // rows of the type wait for a person
	BrakeConfirmed = "confirmed" // Remaining more deletions and changes may pass
	BrakeRefused   = "refused"   // Remaining more rows go to exchange_rejected
)

// Brake is a record type of one source that was stopped because too much of it was deleted or changed (design §5).
type Brake struct {
	Source, Type string
	State        string
	Op           string // of a refusal: the rows it is about, put or del; "" for all
	Why          string // deletes or changes
	Count, Limit int64  // how many there would have been, and may be without a person
	Live         int64  // keys that existed
	Remaining    int64  // what the decision still covers
	Since        time.Time
}

// Brakes returns all brakes of a source, held and decided.
func (s *Store) Brakes(ctx context.Context, source string) ([]Brake, error) {
	list, err := collect(ctx, s.read, func(rows *sql.Rows) (b Brake, err error) {
		var since int64
		err = rows.Scan(&b.Source, &b.Type, &b.State, &b.Op, &b.Why, &b.Count, &b.Limit, &b.Live, &b.Remaining, &since)
		b.Since = time.UnixMicro(since).UTC()
		return b, err
	}, "SELECT source,record_type,state,op,why,count_seen,count_limit,live,remaining,since FROM fayi_brake WHERE source=? ORDER BY record_type", source)
	if err != nil {
		return nil, fmt.Errorf("read brakes: %w", err)
	}
	return list, nil
}

// Hold stops a type, whatever was decided about it before, and reports whether it was not stopped already.
func (s *Store) Hold(ctx context.Context, b Brake) (news bool, err error) {
	if len(b.Source) > 48 || len(b.Type) > 48 || len(b.Why) > 16 {
		return false, fmt.Errorf("%w: brake of %q", ErrInvalid, cut(b.Type, 48))
	}
	err = s.InTx(ctx, func(tx *sql.Tx) error {
		args := []any{BrakeHeld, "", b.Why, b.Count, b.Limit, b.Live, int64(0), now(), b.Source, b.Type}
		news, err = changedOne(tx.ExecContext(ctx, s.d.insertIgnore+"fayi_brake (state,op,why,count_seen,count_limit,live,remaining,since,source,record_type)"+
			" VALUES ("+placeholders(len(args))+")", args...))
		if err == nil && !news {
			news, err = changedOne(tx.ExecContext(ctx, "UPDATE fayi_brake SET state=?,op=?,why=?,count_seen=?,count_limit=?,live=?,remaining=?,since=?"+
				" WHERE source=? AND record_type=? AND state<>'held'", args...))
		}
		return err
	})
	return news, err
}

// DecideBrake records a person's decision about a held type: state is [BrakeConfirmed] or [BrakeRefused], remaining how
// many rows it covers. If the type is not held it returns [ErrNoBrake].
func (s *Store) DecideBrake(ctx context.Context, source, recordType, state, op string, remaining int64) error {
	if state != BrakeConfirmed && state != BrakeRefused || len(op) > 8 {
		return fmt.Errorf("%w: decision %q", ErrInvalid, cut(state, 16))
	}
	return s.InTx(ctx, func(tx *sql.Tx) error {
		ok, err := changedOne(tx.ExecContext(ctx, "UPDATE fayi_brake SET state=?,op=?,remaining=?,since=? WHERE source=? AND record_type=? AND state='held'",
			state, op, remaining, now(), source, recordType))
		if err == nil && !ok {
			return ErrNoBrake
		}
		return err
	})
}

// SpendBrake uses up rows of a decision in the caller's transaction; used up, or with all, the brake is gone.
func (s *Store) SpendBrake(ctx context.Context, tx *sql.Tx, b Brake, rows int64, all bool) error {
	if all {
		rows = b.Remaining
	}
	if _, err := tx.ExecContext(ctx, "UPDATE fayi_brake SET remaining=remaining-? WHERE source=? AND record_type=? AND state=?",
		rows, b.Source, b.Type, b.State); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM fayi_brake WHERE source=? AND record_type=? AND state=? AND remaining<=0", b.Source, b.Type, b.State)
	return err
}
