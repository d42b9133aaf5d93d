package ticket

import (
	"encoding/base32"
	"fmt"
	"time"

	"github.com/emmansun/gmsm/sm3"
	"github.com/google/uuid"
)

// State of a hand-off. Package machine has the transitions; the lists stateOrigin and stateTarget have the labels.
type State string

// The states. QUEUED, IN_DOUBT and DEAD tell where the offer is; later messages have delivery states of their own.
const (
	Draft             State = "DRAFT"
	Queued            State = "QUEUED"
	InDoubt           State = "IN_DOUBT"
	Offered           State = "OFFERED"
	Accepted          State = "ACCEPTED"
	InProgress        State = "IN_PROGRESS"
	PendingInfo       State = "PENDING_INFO"
	Suspended         State = "SUSPENDED"
	ReturnRequested   State = "RETURN_REQUESTED"
	Returned          State = "RETURNED"
	Arbitration       State = "ARBITRATION"
	ResultSubmitted   State = "RESULT_SUBMITTED"
	Resolved          State = "RESOLVED"
	Closed            State = "CLOSED"
	WithdrawRequested State = "WITHDRAW_REQUESTED"
	Withdrawn         State = "WITHDRAWN"
	Rejected          State = "REJECTED"
	Transferred       State = "TRANSFERRED"
	Merged            State = "MERGED"
	Dead              State = "DEAD"
	Cancelled         State = "CANCELLED"
)

// Verb says what an event does; list verb.
type Verb string

// Role is the capacity in which somebody acts.
type Role string

// The roles of the transition table.
const (
	Origin  Role = "O"
	Target  Role = "T"
	System  Role = "S" // the node's timers and robots
	Arbiter Role = "V" // hotline manager or agreed superior
)

// Direction of a hand-off as this node sees it.
const (
	Out = "OUT"
	In  = "IN"
)

// Handoff is one transfer of responsibility between two parties. It is not the ticket: both sides keep their own.
type Handoff struct {
	ID        string `json:"handoffId"` // HO-<division6>-<yyyymmdd>-<seq6>, never reused
	CaseID    string `json:"caseId"`
	Peer      string `json:"peer"`      // party code of the other side, as in the profile
	Direction string `json:"direction"` // OUT or IN
	Origin    string `json:"originParty"`
	Target    string `json:"targetParty"`
	Unit      string `json:"targetUnit,omitempty"` // code of the unit inside the target, where one was named
	Round     int    `json:"round"`                // of the newest round, from 1
	OriginNo  string `json:"originTicketNo"`
	PeerNo    string `json:"peerTicketNo,omitempty"` // of the newest round, exactly as received
	Parent    string `json:"parentHandoffId,omitempty"`
	Master    string `json:"masterHandoffId,omitempty"`
	Child     string `json:"childHandoffId,omitempty"`
	Route     []Hop  `json:"route"`
	Owner     string `json:"owner"` // party code, exactly one at any instant
	State     State  `json:"state"`
	Previous  State  `json:"previousState,omitempty"` // to which a refused request leads back
	StateSeq  int    `json:"stateSeq"`                // grows by one with each event; optimistic lock
	Mode      string `json:"mode"`                    // list mode
	Voice     *Voice `json:"voice,omitempty"`
	Basis     string `json:"legalBasis,omitempty"`
	Profile   string `json:"profile"` // name@version it runs under; open hand-offs keep theirs
	Emergency bool   `json:"emergency"`
}

// Hop is one station a matter has passed.
type Hop struct {
	Party   string    `json:"party"`
	Handoff string    `json:"handoffId,omitempty"`
	At      time.Time `json:"at,omitzero"`
	Kind    string    `json:"kind,omitempty"` // origin, offer, relay, handover
}

// Voice is the call beside a ticket. Recordings are referred to, never inside.
type Voice struct {
	CallID      string    `json:"callId"`
	StartedAt   time.Time `json:"startedAt,omitzero"`
	ConnectedAt time.Time `json:"connectedAt,omitzero"`
	EndedAt     time.Time `json:"endedAt,omitzero"`
	FromAgent   string    `json:"fromAgent,omitempty"`
	ToAgent     string    `json:"toAgent,omitempty"`
	Result      string    `json:"result,omitempty"` // connected, dropped, no_answer
	Recording   string    `json:"recordingRef,omitempty"`
}

// Round is one dispatch, from offer to result, return or redo. Its fields are not changed by later rounds.
type Round struct {
	N           int       `json:"round"`
	PeerNo      string    `json:"peerTicketNo,omitempty"`
	DispatchAt  time.Time `json:"dispatchAt,omitzero"`    // the peer's start time, which tells two rounds of one number apart
	OfferedAt   time.Time `json:"offeredAt,omitzero"`     // ours
	PeerOffered time.Time `json:"peerOfferedAt,omitzero"` // the peer's statement
	Kind        string    `json:"kind"`                   // first, reoffer, redo
	Outcome     State     `json:"outcome,omitempty"`      // the state that ended it
	Result      *Payload  `json:"result,omitempty"`
}

// Event is one act in the life of a hand-off. Events are only ever appended. Body of the chain is the JSON of this type
// with PrevHash in it; Hash is SM3 of that and kept beside it.
type Event struct {
	ID         string    `json:"eventId"` // constant over retries; ours are ULIDs, a peer's are its own or derived from the contents
	HandoffID  string    `json:"handoffId"`
	Round      int       `json:"round"`
	Seq        int       `json:"seq"` // per hand-off and author, from 1, without gaps
	Verb       Verb      `json:"verb"`
	Author     Author    `json:"author"`
	OccurredAt time.Time `json:"occurredAt"`          // the author's statement
	RecordedAt time.Time `json:"recordedAt"`          // by this node
	ReceivedAt time.Time `json:"receivedAt,omitzero"` // when a remote one came in
	From       State     `json:"from"`
	To         State     `json:"to"`
	Owner      string    `json:"owner"` // after the event
	Inferred   bool      `json:"inferred,omitempty"`
	Late       bool      `json:"late,omitempty"`    // came after what follows it; stored, moves nothing
	Refused    string    `json:"refused,omitempty"` // code; a peer's act that a rule forbids is stored, moves nothing
	Rule       string    `json:"transition,omitempty"`
	Clock      string    `json:"clockRule,omitempty"`
	Calendar   string    `json:"calendarVersion,omitempty"`
	Payload    Payload   `json:"payload"`
	Source     string    `json:"origin"` // LOCAL or REMOTE; a remote one is never sent back to its author
	CausedBy   string    `json:"causedBy,omitempty"`
	PrevHash   string    `json:"prevHash"` // 64 zeros at first
	Hash       string    `json:"-"`
}

// Author of an event.
type Author struct {
	Party string `json:"party"`
	User  string `json:"userRef,omitempty"` // reference, no name
	Role  Role   `json:"role"`
}

// Payload holds what verbs carry; each uses the members it needs.
type Payload struct {
	Text         string        `json:"text,omitempty"`        // handling text, question, answer, note: may go to the other side
	PublicReply  string        `json:"publicReply,omitempty"` // what the citizen may read
	Internal     string        `json:"internalText,omitempty"`
	Reason       string        `json:"reason,omitempty"` // code of the list the verb uses
	Basis        string        `json:"basis,omitempty"`
	Unit         string        `json:"unit,omitempty"`
	Person       string        `json:"person,omitempty"`
	Party        string        `json:"party,omitempty"` // suggested, next or deciding party
	Division     string        `json:"division,omitempty"`
	Units        []string      `json:"units,omitempty"`
	EarlierNo    string        `json:"earlierNo,omitempty"` // earlier ticket, or master of a merge
	Procedure    string        `json:"procedure,omitempty"`
	CaseNo       string        `json:"caseNo,omitempty"`
	Contacts     []Contact     `json:"contacts,omitempty"`
	Result       string        `json:"result,omitempty"` // list result
	Satisfaction *Satisfaction `json:"satisfaction,omitempty"`
	Days         int           `json:"days,omitempty"` // working days of an extension
	Until        string        `json:"until,omitempty"`
	Effective    time.Time     `json:"effectiveAt,omitzero"` // of a suspension or resumption; never before the grant
	CitizenTold  bool          `json:"citizenTold,omitempty"`
	Addressee    string        `json:"addressee,omitempty"` // O or C
	Attachments  []Attachment  `json:"attachments,omitempty"`
	Number       string        `json:"number,omitempty"` // a peer's ticket number
	Token        string        `json:"token,omitempty"`
	PeerTime     time.Time     `json:"peerTime,omitzero"`
	PeerState    string        `json:"peerState,omitempty"` // as the peer wrote it
	DispatchAt   time.Time     `json:"dispatchAt,omitzero"`
	Due          time.Time     `json:"due,omitzero"`
	OldDue       time.Time     `json:"oldDue,omitzero"`
	Voice        *Voice        `json:"voice,omitempty"`
	Fields       []Field       `json:"fields,omitempty"` // a correction; or fields that came without a place of their own
}

// Field is one named value.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Contact is one attempt to reach the citizen.
type Contact struct {
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome"` // list contactOutcome
	Number  string    `json:"number,omitempty"`
	By      string    `json:"by,omitempty"`
}

// Satisfaction is the answer of a callback. Original keeps the peer's own value, since mapping scales loses some.
type Satisfaction struct {
	Result    int    `json:"result"`             // list satisfaction
	Attitude  int    `json:"attitude,omitempty"` //
	Solved    string `json:"solved,omitempty"`   // yes, no, part
	Contacted string `json:"contacted,omitempty"`
	Original  string `json:"original,omitempty"`
}

// ZeroHash is the PrevHash of a hand-off's first event.
const ZeroHash = "0000000000000000000000000000000000000000000000000000000000000000"

// Seal returns the body to store and sets e.Hash to its SM3 in lower-case hexadecimal.
func (e *Event) Seal() (body []byte, err error) {
	if body, err = Encode(e); err != nil {
		return nil, err
	}
	e.Hash = HashOf(body)
	return body, nil
}

// HashOf is the SM3 of a stored event body.
func HashOf(body []byte) string { h := sm3.Sum(body); return fmt.Sprintf("%x", h[:]) }

var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// NewID returns a ULID, 26 characters, ordered by time of making.
func NewID() string {
	u := uuid.Must(uuid.NewV7()) // 48 bits of milliseconds, then order and chance: the layout of a ULID
	var b [20]byte
	copy(b[4:], u[:])
	return crockford.EncodeToString(b[:])[6:] // 32 digits, of which the last 26 hold the 128 bits
}

// Key is the idempotency key of a message: the same over all retries of one message, different for any other.
func Key(handoff string, round, seq int) string { return fmt.Sprintf("%s#%d#%d", handoff, round, seq) }

// Shanghai is the zone of all times shown and of times a peer gives without one.
var Shanghai = time.FixedZone("CST", 8*3600)

// Time brings a moment into the form events have: milliseconds, +08:00.
func Time(t time.Time) time.Time { return t.In(Shanghai).Truncate(time.Millisecond) }
