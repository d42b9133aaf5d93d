package ledger

import (
	"context"
	"database/sql"
	"time"

	"fayi/adapters/hotline/ticket"
)

// Kinds of deliveries.
const (
	KindOffer = "offer"
	KindEvent = "event"
)

// States of a delivery.
const (
	Queued    = "queued"
	Sending   = "sending"
	InDoubt   = "in_doubt"
	Delivered = "delivered"
	Dead      = "dead"
	Dropped   = "dropped" // no longer to be sent
)

// Delivery is one message to a peer.
type Delivery struct {
	ID       int64
	Peer     string
	Handoff  string
	Key      string // idempotency key of the message, constant over attempts
	Kind     string
	Priority int // 0 before all others, then by urgency
	State    string
	Attempts int
	First    time.Time // when it was written
	Next     time.Time // not before
	Offer    *ticket.Offer
	Message  *ticket.Message
	Said     Said
	Updated  time.Time
}

// Said is what the last attempt came to.
type Said struct {
	Class   string `json:"class,omitempty"`
	Code    string `json:"code,omitempty"`
	Text    string `json:"text,omitempty"`
	Number  string `json:"number,omitempty"`
	Pointer string `json:"pointer,omitempty"`
	Value   string `json:"value,omitempty"`
	Resent  int    `json:"resent,omitempty"` // how often it was sent again while in doubt
	Auth    int    `json:"auth,omitempty"`   // refusals of our identity in a row
	Edited  bool   `json:"edited,omitempty"` // a person changed it after it was dead
}

type deliveryBody struct {
	Offer   *ticket.Offer   `json:"offer,omitempty"`
	Message *ticket.Message `json:"message,omitempty"`
}

// Enqueue writes a message. A key that exists already is not written again.
func (t *Tx) Enqueue(d Delivery) error {
	_, err := t.exec(t.l.ignore+"fayi_ho_delivery (peer,handoff,message_key,kind,priority,state,attempts,first_us,next_us,body,said,updated_us) VALUES (?,?,?,?,?,?,0,?,?,?,?,?)",
		d.Peer, d.Handoff, d.Key, d.Kind, d.Priority, Queued, us(d.First), us(d.Next), encode(deliveryBody{d.Offer, d.Message}), encode(d.Said), us(d.First))
	return err
}

const deliveryColumns = "id,peer,handoff,message_key,kind,priority,state,attempts,first_us,next_us,body,said,updated_us"

func scanDelivery(scan func(...any) error) (d Delivery, err error) {
	var body, said []byte
	var first, next, updated int64
	if err := scan(&d.ID, &d.Peer, &d.Handoff, &d.Key, &d.Kind, &d.Priority, &d.State, &d.Attempts, &first, &next, &body, &said, &updated); err != nil {
		return d, err
	}
	var b deliveryBody
	if err := ticket.Decode(body, &b); err != nil {
		return d, err
	}
	d.Offer, d.Message, d.First, d.Next, d.Updated = b.Offer, b.Message, from(first), from(next), from(updated)
	return d, ticket.Decode(said, &d.Said)
}

// waiting are deliveries that may go now: due, and the first unfinished of their hand-off.
const waiting = " FROM fayi_ho_delivery d WHERE d.peer=? AND d.state=? AND d.next_us<=? AND NOT EXISTS (SELECT 1 FROM fayi_ho_delivery e" +
	" WHERE e.handoff=d.handoff AND e.id<d.id AND e.state IN ('queued','sending','in_doubt','dead'))"

// Ready lists what may be sent (state queued) or asked about (in_doubt), most urgent and oldest first. Behind a message
// that is not delivered its hand-off waits; others do not.
// urgent chooses those that wait for no other, or all but those.
func (l *Ledger) Ready(ctx context.Context, peer, state string, urgent bool, now time.Time, limit int) ([]Delivery, error) {
	lane := " AND d.priority>0"
	if urgent {
		lane = " AND d.priority=0"
	}
	return query(ctx, l.st.DB(), func(rs *sql.Rows) (Delivery, error) { return scanDelivery(rs.Scan) },
		"SELECT "+deliveryColumns+waiting+lane+" ORDER BY priority,id LIMIT ?", peer, state, us(now), limit)
}

// NextDue is when the next delivery of a peer may go, zero if none waits.
func (l *Ledger) NextDue(ctx context.Context, peer string) (time.Time, error) {
	var next sql.NullInt64
	err := l.st.DB().QueryRowContext(ctx, "SELECT MIN(next_us) FROM fayi_ho_delivery WHERE peer=? AND state IN ('queued','in_doubt')", peer).Scan(&next)
	return from(next.Int64), err
}

// Claim marks a delivery as being sent and counts it; false if another has it or it changed.
func (l *Ledger) Claim(ctx context.Context, d *Delivery, now time.Time) (ok bool, err error) {
	err = l.InTx(ctx, func(t *Tx) error {
		if _, err := t.Number(claims + d.Peer); err != nil {
			return err
		}
		n, err := t.exec("UPDATE fayi_ho_delivery SET state=?,attempts=attempts+1,updated_us=? WHERE id=? AND state=? AND attempts=?",
			Sending, us(now), d.ID, d.State, d.Attempts)
		ok = n == 1
		return err
	})
	if ok {
		d.State = Sending
		d.Attempts++
	}
	return ok, err
}

const claims = "claims "

// Claims is how many sendings to a peer this database knows of. It only grows, unless an older database was put back.
func (l *Ledger) Claims(ctx context.Context, peer string) (n int64, err error) {
	err = one(l.st.DB().QueryRowContext(ctx, "SELECT n FROM fayi_ho_counter WHERE name=?", claims+peer).Scan(&n))
	if err == ErrUnknown {
		err = nil
	}
	return n, err
}

// Doubt turns what a dead process was sending to a peer into in_doubt. Only the one that holds the peer's lease calls it.
func (l *Ledger) Doubt(ctx context.Context, peer string, now time.Time) (n int64, err error) {
	err = l.InTx(ctx, func(t *Tx) error {
		n, err = t.exec("UPDATE fayi_ho_delivery SET state=?,next_us=?,updated_us=? WHERE peer=? AND state=?", InDoubt, us(now), us(now), peer, Sending)
		return err
	})
	return n, err
}

// Delivery reads and locks one.
func (t *Tx) Delivery(id int64) (Delivery, error) {
	d, err := scanDelivery(t.tx.QueryRowContext(t.ctx, "SELECT "+deliveryColumns+" FROM fayi_ho_delivery WHERE id=?"+t.l.forUpd, id).Scan)
	return d, one(err)
}

// Update writes state, schedule, contents and outcome of a delivery.
func (t *Tx) Update(d Delivery, now time.Time) error {
	_, err := t.exec("UPDATE fayi_ho_delivery SET state=?,priority=?,first_us=?,next_us=?,body=?,said=?,updated_us=? WHERE id=?",
		d.State, d.Priority, us(d.First), us(d.Next), encode(deliveryBody{d.Offer, d.Message}), encode(d.Said), us(now), d.ID)
	return err
}

// Deliveries of a hand-off in order.
func (l *Ledger) Deliveries(ctx context.Context, handoff string) ([]Delivery, error) {
	return deliveries(ctx, l.st.DB(), "handoff=?", handoff)
}

// Deliveries of a hand-off in order.
func (t *Tx) Deliveries(handoff string) ([]Delivery, error) {
	return deliveries(t.ctx, t.tx, "handoff=?", handoff)
}

// DeadLetters lists what waits for a person, oldest first; of one peer, or of all for "".
func (l *Ledger) DeadLetters(ctx context.Context, peer string) ([]Delivery, error) {
	if peer == "" {
		return deliveries(ctx, l.st.DB(), "state=?", Dead)
	}
	return deliveries(ctx, l.st.DB(), "state=? AND peer=?", Dead, peer)
}

func deliveries(ctx context.Context, r reader, where string, args ...any) ([]Delivery, error) {
	return query(ctx, r, func(rs *sql.Rows) (Delivery, error) { return scanDelivery(rs.Scan) },
		"SELECT "+deliveryColumns+" FROM fayi_ho_delivery WHERE "+where+" ORDER BY id", args...)
}

// Backlog counts the deliveries of a peer by state.
func (l *Ledger) Backlog(ctx context.Context, peer string) (map[string]int, error) {
	out := map[string]int{}
	_, err := query(ctx, l.st.DB(), func(rs *sql.Rows) (int, error) {
		var s string
		var n int
		err := rs.Scan(&s, &n)
		out[s] = n
		return n, err
	}, "SELECT state,COUNT(*) FROM fayi_ho_delivery WHERE peer=? GROUP BY state", peer)
	return out, err
}
