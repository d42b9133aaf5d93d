package ledger

import (
	"context"
	"database/sql"
	"time"

	"fayi/adapters/hotline/clock"
	"fayi/adapters/hotline/ticket"
)

// Task is something a person has to look at. Body is text without personal data.
type Task struct {
	ID      int64     `json:"id"`
	Peer    string    `json:"peer"`
	Handoff string    `json:"handoffId,omitempty"`
	Kind    string    `json:"kind"`
	Text    string    `json:"text"`
	Open    bool      `json:"open"`
	Created time.Time `json:"created"`
}

// OpenTask writes a work item, unless one of this kind for the same hand-off and peer is open.
func (t *Tx) OpenTask(peer, handoff, kind, text string, now time.Time) error {
	var n int
	if err := t.tx.QueryRowContext(t.ctx, "SELECT COUNT(*) FROM fayi_ho_task WHERE state='open' AND kind=? AND handoff=? AND peer=?", kind, handoff, peer).Scan(&n); err != nil || n > 0 {
		return err
	}
	_, err := t.exec("INSERT INTO fayi_ho_task (peer,handoff,kind,state,body,created_us,done_us) VALUES (?,?,?,'open',?,?,0)", peer, handoff, kind, []byte(text), us(now))
	return err
}

// CloseTasks closes the open items of a kind for a hand-off or, where handoff is "", of a peer.
func (t *Tx) CloseTasks(peer, handoff, kind string, now time.Time) error {
	_, err := t.exec("UPDATE fayi_ho_task SET state='done',done_us=? WHERE state='open' AND kind=? AND handoff=? AND peer=?", us(now), kind, handoff, peer)
	return err
}

// Tasks lists open items, oldest first; those of a kind, or all for "".
func (l *Ledger) Tasks(ctx context.Context, kind string) ([]Task, error) {
	q, args := "", []any{}
	if kind != "" {
		q, args = " AND kind=?", []any{kind}
	}
	return query(ctx, l.st.DB(), func(rs *sql.Rows) (k Task, err error) {
		var body []byte
		var created int64
		err = rs.Scan(&k.ID, &k.Peer, &k.Handoff, &k.Kind, &body, &created)
		k.Text, k.Created, k.Open = string(body), from(created), true
		return k, err
	}, "SELECT id,peer,handoff,kind,body,created_us FROM fayi_ho_task WHERE state='open'"+q+" ORDER BY id", args...)
}

// PeerState is where we are with a peer.
type PeerState struct {
	Cursor    string
	LastIn    time.Time
	Paused    bool
	Skew      time.Duration // of its clock against ours
	Directory []ticket.Unit
}

// Peer reads the state of a peer, the zero state for a new one.
func (l *Ledger) Peer(ctx context.Context, peer string) (PeerState, error) {
	return peerState(ctx, l.st.DB(), peer)
}

// Peer reads the state of a peer, the zero state for a new one.
func (t *Tx) Peer(peer string) (PeerState, error) { return peerState(t.ctx, t.tx, peer) }

func peerState(ctx context.Context, r reader, peer string) (p PeerState, err error) {
	var cursor, dir []byte
	var last, paused, skew int64
	err = r.QueryRowContext(ctx, "SELECT position,last_in_us,paused,skew_ms,directory FROM fayi_ho_peer WHERE peer=?", peer).Scan(&cursor, &last, &paused, &skew, &dir)
	if err = one(err); err == ErrUnknown {
		return p, nil
	} else if err != nil {
		return p, err
	}
	p = PeerState{Cursor: string(cursor), LastIn: from(last), Paused: paused != 0, Skew: time.Duration(skew) * time.Millisecond}
	return p, ticket.Decode(dir, &p.Directory)
}

// ChangePeer reads the state of a peer, lets fn change it and writes it.
func (t *Tx) ChangePeer(peer string, now time.Time, fn func(*PeerState)) error {
	if _, err := t.exec(t.l.ignore+"fayi_ho_peer (peer,position,last_in_us,paused,skew_ms,directory,updated_us) VALUES (?,?,0,0,0,?,?)", peer, []byte{}, []byte("[]"), us(now)); err != nil {
		return err
	}
	p, err := t.Peer(peer)
	if err != nil {
		return err
	}
	fn(&p)
	if p.Directory == nil {
		p.Directory = []ticket.Unit{}
	}
	paused := 0
	if p.Paused {
		paused = 1
	}
	_, err = t.exec("UPDATE fayi_ho_peer SET position=?,last_in_us=?,paused=?,skew_ms=?,directory=?,updated_us=? WHERE peer=?",
		[]byte(p.Cursor), us(p.LastIn), paused, p.Skew.Milliseconds(), encode(p.Directory), us(now), peer)
	return err
}

// Clock is a stored figure.
type Clock struct {
	Handoff string
	Round   int
	Figure  clock.Figure
	Warned  int       // highest level a warning was given for
	Next    time.Time // when somebody has to look again, zero for never
}

// PutClocks replaces the figures of a hand-off, keeping what was warned of; next says when each has to be looked at.
func (t *Tx) PutClocks(handoff string, list []Clock, next func(Clock) time.Time) error {
	old, err := clocks(t.ctx, t.tx, "handoff=?", handoff)
	if err != nil {
		return err
	}
	if _, err := t.exec("DELETE FROM fayi_ho_clock WHERE handoff=?", handoff); err != nil {
		return err
	}
	for _, c := range list {
		for _, o := range old {
			if o.Round == c.Round && o.Figure.Rule.Clock == c.Figure.Rule.Clock {
				c.Warned = max(c.Warned, o.Warned)
			}
		}
		c.Next = next(c)
		if err := t.putClock(handoff, c); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) putClock(handoff string, c Clock) error {
	_, err := t.exec("INSERT INTO fayi_ho_clock (handoff,round,clock,state,due_us,warned,body) VALUES (?,?,?,?,?,?,?)",
		handoff, c.Round, c.Figure.Rule.Clock, openState(c.Figure), us(c.Next), c.Warned, encode(c.Figure))
	return err
}

// openState is "open" for a clock that may still change by time or by a new calendar.
func openState(f clock.Figure) string {
	if f.Stop.IsZero() {
		return "open"
	}
	if f.Estimated {
		return "unknown"
	}
	return "closed"
}

// Warned notes the highest warning given. [Tx.PutClocks] of the same transaction says when to look again.
func (t *Tx) Warned(c Clock, level int) error {
	_, err := t.exec("UPDATE fayi_ho_clock SET warned=? WHERE handoff=? AND round=? AND clock=?", level, c.Handoff, c.Round, c.Figure.Rule.Clock)
	return err
}

// Clocks of a hand-off.
func (l *Ledger) Clocks(ctx context.Context, handoff string) ([]Clock, error) {
	return clocks(ctx, l.st.DB(), "handoff=?", handoff)
}

// Clocks of a hand-off.
func (t *Tx) Clocks(handoff string) ([]Clock, error) {
	return clocks(t.ctx, t.tx, "handoff=?", handoff)
}

// OpenClocks lists the running clocks of all hand-offs.
func (l *Ledger) OpenClocks(ctx context.Context) ([]Clock, error) {
	return clocks(ctx, l.st.DB(), "state<>?", "closed")
}

// RipeClocks lists the clocks that have to be looked at by now.
func (l *Ledger) RipeClocks(ctx context.Context, now time.Time) ([]Clock, error) {
	return clocks(ctx, l.st.DB(), "state<>? AND due_us BETWEEN 1 AND ?", "closed", us(now))
}

func clocks(ctx context.Context, r reader, where string, args ...any) ([]Clock, error) {
	return query(ctx, r, func(rs *sql.Rows) (c Clock, err error) {
		var body []byte
		if err := rs.Scan(&c.Handoff, &c.Round, &c.Warned, &body); err != nil {
			return c, err
		}
		return c, ticket.Decode(body, &c.Figure)
	}, "SELECT handoff,round,warned,body FROM fayi_ho_clock WHERE "+where+" ORDER BY handoff,round,clock", args...)
}

// Leap moves every counter, that of sendings too, far ahead, so that no number given after a restored backup is one that was given before it.
func (t *Tx) Leap() error {
	_, err := t.exec("UPDATE fayi_ho_counter SET n=n+10000")
	return err
}
