package triggers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const (
	progressTable = "fayi_backfill"
	roomPause     = 50 * time.Millisecond
	chunkRows     = 500 // a transaction, as of every bulk loader (review F27)
)

// Progress tells how far a [Backfill] is.
type Progress struct {
	Record string `json:"record"`
	Rows   int64  `json:"rows"` // done, those of interrupted runs included
	Done   bool   `json:"done"`
}

// Backfill publishes the rows that were there before the triggers, in chunks of a transaction each. Where it stands is written in the same
// transaction, in fayi_backfill, so that after an interruption the next call goes on; a row published twice is dropped by the node as
// unchanged. One that is finished does nothing unless again is set, which starts it anew. While room or more rows wait in the outbox it
// waits for the node, so that live records are not far behind (review F27). report is called after each chunk. Triggers must be there: what
// changes meanwhile is theirs.
func Backfill(ctx context.Context, conn *sql.Conn, p *Plan, again bool, room int, report func(Progress)) error {
	if s := p.Changes(); s.Todo() {
		return ErrNotInstalled
	}
	for _, st := range append([]string{"USE " + ident(p.Database)}, sessionSettings[:2]...) {
		if _, err := conn.ExecContext(ctx, st); err != nil {
			return fmt.Errorf("triggers: backfill: %w", err)
		}
	}
	_, err := conn.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+progressTable+
		" (record VARCHAR(64) CHARACTER SET ascii NOT NULL PRIMARY KEY, last VARBINARY(1024) NULL, row_count BIGINT NOT NULL, done BOOLEAN NOT NULL) ENGINE=InnoDB")
	if err != nil {
		return fmt.Errorf("triggers: backfill: %w", err)
	}
	if again {
		for _, r := range p.records {
			if _, err := conn.ExecContext(ctx, "DELETE FROM "+progressTable+" WHERE record = ?", p.procedure(r)); err != nil {
				return fmt.Errorf("triggers: backfill: %w", err)
			}
		}
	}
	for _, r := range p.records {
		for {
			if err := p.awaitRoom(ctx, conn, room); err != nil {
				return err
			}
			at, err := p.chunk(ctx, conn, r)
			if err != nil {
				return fmt.Errorf("triggers: backfill %s: %w", r.name, err)
			}
			report(at)
			if at.Done {
				break
			}
		}
	}
	return nil
}

func (p *Plan) awaitRoom(ctx context.Context, conn *sql.Conn, room int) error {
	q := fmt.Sprintf("SELECT COUNT(*) FROM (SELECT id FROM %s.%s LIMIT %d) w", ident(p.target.Database), ident(p.target.Table), room)
	for {
		var n int
		if err := conn.QueryRowContext(ctx, q).Scan(&n); err != nil || n < room {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(roomPause):
		}
	}
}

// ErrNotInstalled says that a backfill was asked for without the triggers it needs.
var ErrNotInstalled = errors.New("triggers: not installed, or not as the map says")

// chunk publishes the next rows of one record.
func (p *Plan) chunk(ctx context.Context, conn *sql.Conn, r *record) (at Progress, err error) {
	at.Record = r.name
	procedure := p.procedure(r) // another map has another one and starts anew
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return at, err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "INSERT IGNORE INTO "+progressTable+" VALUES (?, NULL, 0, FALSE)", procedure); err != nil {
		return at, err
	}
	var last []byte
	if err := tx.QueryRowContext(ctx, "SELECT last, row_count, done FROM "+progressTable+" WHERE record = ? FOR UPDATE", procedure).Scan(&last, &at.Rows, &at.Done); err != nil || at.Done {
		return at, err
	}
	row := "h." + ident(r.row.name)
	after := ""
	var args []any
	if last != nil {
		after, args = " AND "+row+" > "+r.parameter(), []any{last}
	}
	rows, err := tx.QueryContext(ctx, fmt.Sprintf("SELECT CAST(%s AS BINARY) FROM %s h WHERE %s%s ORDER BY %s LIMIT %d", row, ident(r.main.name), r.alive("h"), after, row, chunkRows), args...)
	if err != nil {
		return at, err
	}
	var found [][]byte
	for rows.Next() {
		var v []byte
		if err := rows.Scan(&v); err != nil {
			rows.Close()
			return at, err
		}
		found = append(found, v)
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return at, err
	}
	call := "CALL " + ident(procedure) + "(" + r.parameter() + ")"
	for _, v := range found {
		if _, err := tx.ExecContext(ctx, call, v); err != nil {
			return at, err
		}
		last = v
	}
	at.Rows += int64(len(found))
	at.Done = len(found) < chunkRows
	if _, err := tx.ExecContext(ctx, "UPDATE "+progressTable+" SET last = ?, row_count = ?, done = ? WHERE record = ?", last, at.Rows, at.Done, procedure); err != nil {
		return at, err
	}
	return at, tx.Commit()
}

// parameter is a place for a row's value as the bytes in the column: of the column's character set and collation, so that its index is used.
func (r *record) parameter() string {
	if r.row.charset == "" {
		return "CONVERT(? USING ascii)"
	}
	return "CONVERT(CAST(? AS BINARY) USING " + r.row.charset + ") COLLATE " + r.row.collation
}

func (p *Plan) procedure(r *record) string {
	return "fayi_" + r.name + "_" + short(r.procedure(p.target))
}
