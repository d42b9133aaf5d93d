package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// RowID is the identity of a source's row. Old engines use ids again after a restart, so the time of creation (Unix
// µs) belongs to it (review F3).
type RowID struct {
	ID      uint64
	Created int64
}

// Line is where a record is: a position in a stream.
type Line struct {
	Stream int64
	Pos
}

// Taken is a row of a source in another database that this node has taken and that still lies there (design §5).
// Lines is where it is; a row that is in no stream has none. Stays marks a row that is never removed from its source.
type Taken struct {
	RowID
	Lines []Line
	Stays bool
}

// ErrRowTaken says that one of the rows was taken before.
var ErrRowTaken = errors.New("store: a row of the source was taken already")

// maxTakenLines is how many streams one row goes into at most: what its column holds.
const maxTakenLines = 60

// PutTaken remembers rows within the transaction that stores their lines. The primary key is what keeps two sequencers
// from taking one row twice (review F2): [ErrRowTaken], roll back.
func (s *Store) PutTaken(ctx context.Context, tx *sql.Tx, source string, list []Taken) error {
	rows := make([][]any, len(list))
	for i, t := range list {
		if len(t.Lines) > maxTakenLines {
			return fmt.Errorf("%w: a row in %d streams", ErrInvalid, len(t.Lines))
		}
		lines := [][3]uint64{}
		for _, l := range t.Lines {
			lines = append(lines, [3]uint64{uint64(l.Stream), l.Gen, l.Seq})
		}
		if t.Stays {
			lines = nil
		}
		text, err := json.Marshal(lines)
		if err != nil {
			return err
		}
		rows[i] = []any{source, int64(t.ID), t.Created, text}
	}
	_, err := insertRows(ctx, tx, "INSERT INTO fayi_taken (source,id,created_us,line_list) VALUES ", "", rows)
	if isDuplicate(err) {
		return errors.Join(ErrRowTaken, err)
	}
	return err
}

// TakenOf returns the rows of a source that are taken and not yet forgotten, in no order.
func (s *Store) TakenOf(ctx context.Context, source string) ([]Taken, error) {
	list, err := collect(ctx, s.read, func(rows *sql.Rows) (t Taken, err error) {
		var id int64
		var text []byte
		if err := rows.Scan(&id, &t.Created, &text); err != nil {
			return t, err
		}
		t.ID = uint64(id)
		var lines [][3]uint64
		if err := json.Unmarshal(text, &lines); err != nil {
			return t, fmt.Errorf("taken row %d: %w", t.ID, err)
		}
		t.Stays = lines == nil
		for _, l := range lines {
			t.Lines = append(t.Lines, Line{int64(l[0]), Pos{l[1], l[2]}})
		}
		return t, nil
	}, "SELECT id,created_us,line_list FROM fayi_taken WHERE source=?", source)
	if err != nil {
		return nil, fmt.Errorf("read taken rows: %w", err)
	}
	return list, nil
}

// ForgetTaken removes rows that lie in their source no more. One that is not there any more is no error.
func (s *Store) ForgetTaken(ctx context.Context, source string, ids []RowID) error {
	for chunk := range slices.Chunk(ids, maxRows) {
		err := s.InTx(ctx, func(tx *sql.Tx) error {
			stmt, err := tx.PrepareContext(ctx, "DELETE FROM fayi_taken WHERE source=? AND id=? AND created_us=?")
			if err != nil {
				return err
			}
			defer stmt.Close()
			for _, r := range chunk {
				if _, err := stmt.ExecContext(ctx, source, int64(r.ID), r.Created); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("forget taken rows: %w", err)
		}
	}
	return nil
}

// CountTaken tells how many rows of a source are taken and still lie there.
func (s *Store) CountTaken(ctx context.Context, source string) (n int64, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT COUNT(*) FROM fayi_taken WHERE source=?", source).Scan(&n)
	if err != nil {
		err = fmt.Errorf("count taken rows: %w", err)
	}
	return n, err
}

// OpenForeign prepares a pool to the MySQL database of a source, with the settings of the node's own sessions; it does
// not connect. A server that does not answer is given up soon: only its own source waits for it.
func OpenForeign(dsn string) (*sql.DB, error) {
	cfg, err := mysqlConfig(dsn)
	if err != nil {
		return nil, err
	}
	if cfg.DBName == "" {
		return nil, fmt.Errorf("%w: the data source name has no database", ErrInvalid)
	}
	c, err := connector(cfg)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(2)
	db.SetConnMaxLifetime(5 * time.Minute)
	return db, nil
}
