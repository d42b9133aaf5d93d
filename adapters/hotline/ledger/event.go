package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"fayi/adapters/hotline/ticket"
)

// Append adds an event behind the newest of a hand-off, sets its chain members and hash, and publishes it.
func (t *Tx) Append(h *Row, e *ticket.Event) error {
	e.PrevHash = h.Head
	body, err := e.Seal()
	if err != nil {
		return err
	}
	if len(body) > ticket.MaxJSON {
		return fmt.Errorf("ledger: an event of %d bytes", len(body))
	}
	h.Events++
	h.Head = e.Hash
	if _, err := t.exec("INSERT INTO fayi_ho_event (handoff,n,event_id,hash,body,at_us) VALUES (?,?,?,?,?,?)", h.ID, h.Events, e.ID, e.Hash, body, us(e.RecordedAt)); err != nil {
		return err
	}
	if t.l.publish != nil {
		return t.l.publish(t.ctx, t.tx, h.Handoff, *e, h.Events)
	}
	return nil
}

func events(ctx context.Context, r reader, id string) ([]ticket.Event, error) {
	return query(ctx, r, func(rs *sql.Rows) (e ticket.Event, err error) {
		var body []byte
		if err := rs.Scan(&body, &e.Hash); err != nil {
			return e, err
		}
		hash := e.Hash
		err = ticket.Decode(body, &e)
		e.Hash = hash
		return e, err
	}, "SELECT body,hash FROM fayi_ho_event WHERE handoff=? ORDER BY n", id)
}

// Events of a hand-off, in order.
func (t *Tx) Events(id string) ([]ticket.Event, error) { return events(t.ctx, t.tx, id) }

// Events of a hand-off, in order.
func (l *Ledger) Events(ctx context.Context, id string) ([]ticket.Event, error) {
	return events(ctx, l.st.DB(), id)
}

// Verify checks the chain of a hand-off: every hash is that of its body, every body holds the hash before it, numbers are
// dense and the last is the row's. The error says where it breaks.
func (l *Ledger) Verify(ctx context.Context, id string) error {
	row, err := l.Get(ctx, id)
	if err != nil {
		return err
	}
	type stored struct {
		n          int
		body       []byte
		hash, prev string
	}
	list, err := query(ctx, l.st.DB(), func(rs *sql.Rows) (s stored, err error) {
		if err := rs.Scan(&s.n, &s.body, &s.hash); err != nil {
			return s, err
		}
		var e ticket.Event
		err = ticket.Decode(s.body, &e)
		s.prev = e.PrevHash
		return s, err
	}, "SELECT n,body,hash FROM fayi_ho_event WHERE handoff=? ORDER BY n", id)
	if err != nil {
		return err
	}
	prev := ticket.ZeroHash
	for i, s := range list {
		if s.n != i+1 || s.prev != prev || ticket.HashOf(s.body) != s.hash {
			return fmt.Errorf("ledger: the chain of %s breaks at event %d", id, i+1)
		}
		prev = s.hash
	}
	if len(list) != row.Events || prev != row.Head {
		return fmt.Errorf("ledger: %s has %d events ending in %.8s, its row says %d ending in %.8s", id, len(list), prev, row.Events, row.Head)
	}
	return nil
}

// Seen is what a peer said before and was answered.
type Seen struct {
	Handoff string
	Answer  ticket.Answer
}

// Seen finds what a peer said under an event id.
func (t *Tx) Seen(peer, eventID string) (s Seen, err error) {
	var answer []byte
	if err := t.tx.QueryRowContext(t.ctx, "SELECT handoff,answer FROM fayi_ho_seen WHERE peer=? AND event_id=?", peer, eventID).Scan(&s.Handoff, &answer); err != nil {
		return s, one(err)
	}
	return s, ticket.Decode(answer, &s.Answer)
}

// Begin takes an event id of a peer for this transaction: of several that do so at once one goes on, the others wait and
// then find it taken (fresh is false).
func (t *Tx) Begin(peer, eventID string, at time.Time) (fresh bool, err error) {
	n, err := t.exec(t.l.ignore+"fayi_ho_seen (peer,event_id,handoff,answer,at_us) VALUES (?,?,'',?,?)", peer, eventID, []byte("{}"), us(at))
	return n == 1, err
}

// Remember stores the answer to an event id that [Tx.Begin] took.
func (t *Tx) Remember(peer, eventID, handoff string, a ticket.Answer) error {
	_, err := t.exec("UPDATE fayi_ho_seen SET handoff=?,answer=? WHERE peer=? AND event_id=?", handoff, encode(a), peer, eventID)
	return err
}

// Quarantine keeps an authentic message that could not be read.
func (t *Tx) Quarantine(peer string, raw []byte, faults any, at time.Time) (id int64, err error) {
	res, err := t.tx.ExecContext(t.ctx, "INSERT INTO fayi_ho_quarantine (peer,raw,faults,at_us) VALUES (?,?,?,?)", peer, nonNil(raw), encode(faults), us(at))
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// Quarantined returns the raw messages of a peer in quarantine, oldest first.
func (l *Ledger) Quarantined(ctx context.Context, peer string) ([][]byte, error) {
	return query(ctx, l.st.DB(), func(rs *sql.Rows) (b []byte, err error) { err = rs.Scan(&b); return b, err },
		"SELECT raw FROM fayi_ho_quarantine WHERE peer=? ORDER BY id", peer)
}

// Access records that somebody looked at a citizen's data, or was refused.
func (t *Tx) Access(handoff, who, purpose string, granted bool, at time.Time) error {
	g := 0
	if granted {
		g = 1
	}
	_, err := t.exec("INSERT INTO fayi_ho_access (handoff,who,purpose,granted,at_us) VALUES (?,?,?,?,?)", handoff, who, []byte(purpose), g, us(at))
	return err
}

// Accesses counts the looks at a hand-off's citizen, granted and refused.
func (l *Ledger) Accesses(ctx context.Context, handoff string) (granted, refused int, err error) {
	err = l.st.DB().QueryRowContext(ctx, "SELECT COALESCE(SUM(granted),0), COUNT(*)-COALESCE(SUM(granted),0) FROM fayi_ho_access WHERE handoff=?", handoff).Scan(&granted, &refused)
	return granted, refused, err
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
