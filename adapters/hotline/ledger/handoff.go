package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"fayi/adapters/hotline/ticket"
)

// Row is a hand-off as it is stored.
type Row struct {
	ticket.Handoff
	MatchKey string // keyed hash of citizen, place and kind of matter; finds the same matter offered from the other side
	Urgency  int
	Events   int    // number of events
	Head     string // hash of the newest
	Created  time.Time
	Updated  time.Time
}

const rowColumns = "id,body,match_key,urgency,events,head,created_us,updated_us"

func scanRow(scan func(...any) error) (Row, error) {
	var r Row
	var id string
	var body []byte
	var created, updated int64
	if err := scan(&id, &body, &r.MatchKey, &r.Urgency, &r.Events, &r.Head, &created, &updated); err != nil {
		return r, err
	}
	if err := ticket.Decode(body, &r.Handoff); err != nil {
		return r, fmt.Errorf("hand-off %s: %w", id, err)
	}
	r.Created, r.Updated = from(created), from(updated)
	return r, nil
}

// PutCase stores a case, new or changed.
func (t *Tx) PutCase(c ticket.Case, at time.Time) error {
	if _, err := t.exec("DELETE FROM fayi_ho_case WHERE case_id=?", c.ID); err != nil {
		return err
	}
	_, err := t.exec("INSERT INTO fayi_ho_case (case_id,body,created_us) VALUES (?,?,?)", c.ID, encode(c), us(at))
	return err
}

// Case reads a case.
func (t *Tx) Case(id string) (ticket.Case, error) { return readCase(t.ctx, t.tx, id) }

// Case reads a case.
func (l *Ledger) Case(ctx context.Context, id string) (ticket.Case, error) {
	return readCase(ctx, l.st.DB(), id)
}

func readCase(ctx context.Context, r reader, id string) (c ticket.Case, err error) {
	var body []byte
	if err := r.QueryRowContext(ctx, "SELECT body FROM fayi_ho_case WHERE case_id=?", id).Scan(&body); err != nil {
		return c, one(err)
	}
	return c, ticket.Decode(body, &c)
}

// Create stores a new hand-off.
func (t *Tx) Create(r *Row, at time.Time) error {
	r.Created, r.Updated, r.Head = at, at, ticket.ZeroHash
	_, err := t.exec("INSERT INTO fayi_ho_handoff (id,case_id,peer,direction,state,state_seq,owner,peer_no,match_key,urgency,events,head,body,created_us,updated_us)"+
		" VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", r.ID, r.CaseID, r.Peer, r.Direction, string(r.State), r.StateSeq, r.Owner, r.PeerNo, r.MatchKey,
		r.Urgency, r.Events, r.Head, encode(r.Handoff), us(at), us(at))
	return err
}

// Handoff reads a hand-off and locks it until the end of the transaction.
func (t *Tx) Handoff(id string) (*Row, error) {
	r, err := scanRow(t.tx.QueryRowContext(t.ctx, "SELECT "+rowColumns+" FROM fayi_ho_handoff WHERE id=?"+t.l.forUpd, id).Scan)
	return &r, one(err)
}

// Save writes what the caller changed in a row it read in this transaction.
func (t *Tx) Save(r *Row, at time.Time) error {
	r.Updated = at
	n, err := t.exec("UPDATE fayi_ho_handoff SET state=?,state_seq=?,owner=?,peer_no=?,match_key=?,urgency=?,events=?,head=?,body=?,updated_us=? WHERE id=? AND state_seq<=?",
		string(r.State), r.StateSeq, r.Owner, r.PeerNo, r.MatchKey, r.Urgency, r.Events, r.Head, encode(r.Handoff), us(at), r.ID, r.StateSeq)
	if err == nil && n != 1 {
		err = ErrMoved
	}
	return err
}

// Filter chooses hand-offs; empty members choose all.
type Filter struct {
	Peer, CaseID, Direction, PeerNo, MatchKey string
	States                                    []ticket.State
	Since, Until                              time.Time // of creation
	Limit                                     int       // 0 = 1000
}

func (f Filter) where() (string, []any) {
	var conds []string
	var args []any
	add := func(c string, a ...any) { conds, args = append(conds, c), append(args, a...) }
	for _, c := range []struct{ column, value string }{{"peer", f.Peer}, {"case_id", f.CaseID}, {"direction", f.Direction}, {"peer_no", f.PeerNo}, {"match_key", f.MatchKey}} {
		if c.value != "" {
			add(c.column+"=?", c.value)
		}
	}
	if len(f.States) > 0 {
		marks := make([]any, len(f.States))
		for i, s := range f.States {
			marks[i] = string(s)
		}
		add("state IN (?"+strings.Repeat(",?", len(marks)-1)+")", marks...)
	}
	if !f.Since.IsZero() {
		add("created_us>=?", us(f.Since))
	}
	if !f.Until.IsZero() {
		add("created_us<?", us(f.Until))
	}
	if f.Limit <= 0 {
		f.Limit = 1000
	}
	where := ""
	if len(conds) > 0 {
		where = " WHERE " + strings.Join(conds, " AND ")
	}
	return where + fmt.Sprintf(" ORDER BY created_us,id LIMIT %d", f.Limit), args
}

func find(ctx context.Context, r reader, f Filter) ([]Row, error) {
	where, args := f.where()
	return query(ctx, r, func(rs *sql.Rows) (Row, error) { return scanRow(rs.Scan) }, "SELECT "+rowColumns+" FROM fayi_ho_handoff"+where, args...)
}

// Find lists hand-offs, oldest first.
func (l *Ledger) Find(ctx context.Context, f Filter) ([]Row, error) { return find(ctx, l.st.DB(), f) }

// Find lists hand-offs as the transaction sees them; it locks none.
func (t *Tx) Find(f Filter) ([]Row, error) { return find(t.ctx, t.tx, f) }

// Get reads a hand-off without locking it.
func (l *Ledger) Get(ctx context.Context, id string) (Row, error) {
	r, err := scanRow(l.st.DB().QueryRowContext(ctx, "SELECT "+rowColumns+" FROM fayi_ho_handoff WHERE id=?", id).Scan)
	return r, one(err)
}

// PutRound stores a round, new or changed.
func (t *Tx) PutRound(h *Row, r ticket.Round) error {
	if _, err := t.exec("DELETE FROM fayi_ho_round WHERE handoff=? AND n=?", h.ID, r.N); err != nil {
		return err
	}
	_, err := t.exec("INSERT INTO fayi_ho_round (handoff,n,peer,peer_no,dispatch_us,body) VALUES (?,?,?,?,?,?)",
		h.ID, r.N, h.Peer, r.PeerNo, us(r.DispatchAt), encode(r))
	return err
}

// Rounds of a hand-off, in order.
func (t *Tx) Rounds(id string) ([]ticket.Round, error) { return rounds(t.ctx, t.tx, id) }

// Rounds of a hand-off, in order.
func (l *Ledger) Rounds(ctx context.Context, id string) ([]ticket.Round, error) {
	return rounds(ctx, l.st.DB(), id)
}

func rounds(ctx context.Context, r reader, id string) ([]ticket.Round, error) {
	return query(ctx, r, func(rs *sql.Rows) (v ticket.Round, err error) {
		var body []byte
		if err := rs.Scan(&body); err != nil {
			return v, err
		}
		return v, ticket.Decode(body, &v)
	}, "SELECT body FROM fayi_ho_round WHERE handoff=? ORDER BY n", id)
}

// ByNumber finds the newest hand-off of a peer that has, or had in some round, a ticket number of its.
func (t *Tx) ByNumber(peer, number string) (string, error) {
	var id string
	err := t.tx.QueryRowContext(t.ctx, "SELECT handoff FROM fayi_ho_round WHERE peer=? AND peer_no=? ORDER BY handoff DESC LIMIT 1", peer, number).Scan(&id)
	return id, one(err)
}

// Link ties two hand-offs, or one to a number elsewhere; a second time does nothing.
func (t *Tx) Link(a, kind, b string, at time.Time) error {
	_, err := t.exec(t.l.ignore+"fayi_ho_link (a,kind,b,at_us) VALUES (?,?,?,?)", a, kind, b, us(at))
	return err
}

// Link is one tie.
type Link struct {
	A, Kind, B string
	At         time.Time
}

// Links of a hand-off, in both directions.
func (l *Ledger) Links(ctx context.Context, id string) ([]Link, error) {
	return query(ctx, l.st.DB(), func(rs *sql.Rows) (k Link, err error) {
		var at int64
		err = rs.Scan(&k.A, &k.Kind, &k.B, &at)
		k.At = from(at)
		return k, err
	}, "SELECT a,kind,b,at_us FROM fayi_ho_link WHERE a=? OR b=? ORDER BY at_us,a,b", id, id)
}

// NewID gives the next number of a hand-off: HO-<division6>-<yyyymmdd>-<seq6>.
func (t *Tx) NewID(division string, at time.Time) (string, error) {
	if len(division) < 6 {
		return "", errors.New("ledger: a division has at least six digits")
	}
	day := at.In(ticket.Shanghai).Format("20060102")
	n, err := t.Number("HO-" + division[:6] + "-" + day)
	return fmt.Sprintf("HO-%s-%s-%06d", division[:6], day, n), err
}

// CaseHandoffs lists the hand-offs of a case.
func (t *Tx) CaseHandoffs(caseID string) ([]string, error) {
	return query(t.ctx, t.tx, func(rs *sql.Rows) (id string, err error) { err = rs.Scan(&id); return id, err },
		"SELECT id FROM fayi_ho_handoff WHERE case_id=? ORDER BY id", caseID)
}
