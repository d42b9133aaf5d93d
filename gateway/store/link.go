package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Link is how a process of this node last saw a peer it dials, for people: whoever shows it need not ask the process.
// Times are Unix µs, zero for never. Of several processes the last writer is seen.
type Link struct {
	Peer, State    string // State is a word of the node's
	Code, Detail   string // of the last failure
	Failures       int    // in a row
	Since          int64  // of State
	OK, Retry, Now int64  // last good answer, next try, when this was written
}

// SaveLink records what a process sees of a peer. Texts are cut: Code to 48 bytes, Detail to 1,024.
func (s *Store) SaveLink(ctx context.Context, l Link) error {
	if l.Peer == "" || len(l.Peer) > 32 || len(l.State) > 16 {
		return fmt.Errorf("%w: link %q", ErrInvalid, cut(l.Peer, 32))
	}
	return s.InTx(ctx, func(tx *sql.Tx) error {
		cols := []string{"state", "code", "detail", "failures", "since_us", "ok_us", "retry_us", "now_us"}
		_, err := tx.ExecContext(ctx, "INSERT INTO fayi_link (peer,state,code,detail,failures,since_us,ok_us,retry_us,now_us) VALUES (?,?,?,?,?,?,?,?,?)"+
			s.d.upsert([]string{"peer"}, cols, ""), l.Peer, l.State, cut(l.Code, 48), cut(l.Detail, 1024), l.Failures, l.Since, l.OK, l.Retry, l.Now)
		return err
	})
}

// Links returns what is recorded of all peers, by peer.
func (s *Store) Links(ctx context.Context) (map[string]Link, error) {
	list, err := collect(ctx, s.read, func(rows *sql.Rows) (l Link, err error) {
		return l, rows.Scan(&l.Peer, &l.State, &l.Code, &l.Detail, &l.Failures, &l.Since, &l.OK, &l.Retry, &l.Now)
	}, "SELECT peer,state,code,detail,failures,since_us,ok_us,retry_us,now_us FROM fayi_link")
	if err != nil {
		return nil, fmt.Errorf("read links: %w", err)
	}
	out := make(map[string]Link, len(list))
	for _, l := range list {
		out[l.Peer] = l
	}
	return out, nil
}
