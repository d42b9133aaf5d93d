package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// ErrLoadMoved: another process loads the same file.
var ErrLoadMoved = errors.New("store: another process loads the same file")

// Load is how far a file was loaded straight into a stream: the file is known by the hash of its bytes, so that the
// same bytes are never published twice under any name.
type Load struct {
	File             Hash
	Source, Type, Op string
	Name             string // of the file, for people
	Done             uint64 // records dealt with, from the beginning
	Accepted         uint64
	Rejected         uint64
	Unchanged        uint64
	Superseded       uint64
	Began, Ended     time.Time // Ended is zero until the last record was dealt with
}

// StartLoad returns how far a file was loaded, nothing of it if it is new.
func (s *Store) StartLoad(ctx context.Context, l Load) (Load, error) {
	if len(l.Source) > 48 || len(l.Type) > 48 || len(l.Op) > 8 {
		return l, fmt.Errorf("%w: load of %q", ErrInvalid, cut(l.Type, 48))
	}
	err := s.InTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, s.d.insertIgnore+"fayi_load (file,source,record_type,op,name,done,accepted,rejected,unchanged,superseded,began,ended)"+
			" VALUES (?,?,?,?,?,0,0,0,0,0,?,0)", l.File, l.Source, l.Type, l.Op, cut(l.Name, 255), now())
		return err
	})
	if err != nil {
		return l, err
	}
	var began, ended int64
	err = s.read.QueryRowContext(ctx, "SELECT name,done,accepted,rejected,unchanged,superseded,began,ended FROM fayi_load WHERE file=? AND source=? AND record_type=? AND op=?",
		l.File, l.Source, l.Type, l.Op).Scan(&l.Name, &l.Done, &l.Accepted, &l.Rejected, &l.Unchanged, &l.Superseded, &began, &ended)
	if l.Began = time.UnixMicro(began).UTC(); ended != 0 {
		l.Ended = time.UnixMicro(ended).UTC()
	}
	return l, err
}

// AdvanceLoad moves a load on by compare-and-set in the caller's transaction; if it is not where from says, it returns
// [ErrLoadMoved]: roll back.
func (s *Store) AdvanceLoad(ctx context.Context, tx *sql.Tx, from, to Load) error {
	ended := int64(0)
	if !to.Ended.IsZero() {
		ended = to.Ended.UnixMicro()
	}
	ok, err := changedOne(tx.ExecContext(ctx, "UPDATE fayi_load SET done=?,accepted=?,rejected=?,unchanged=?,superseded=?,ended=?"+
		" WHERE file=? AND source=? AND record_type=? AND op=? AND done=? AND ended=0",
		num(to.Done), num(to.Accepted), num(to.Rejected), num(to.Unchanged), num(to.Superseded), ended,
		to.File, to.Source, to.Type, to.Op, num(from.Done)))
	if err == nil && !ok {
		err = ErrLoadMoved
	}
	return err
}
