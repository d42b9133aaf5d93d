package ticket

import (
	"context"
	"io"
	"net/http"
	"time"

	"fayi/adapters/hotline/clock"
	"fayi/schemas"
)

// Peer is one foreign party, spoken to in its own interface. A profile makes one (package profile); the desk uses it and
// knows nothing of the vendor's names, codes or bytes.
//
// All methods are safe for concurrent use, send at most one request for each call (a new login may go before it) and
// return when the context ends. They never retry, queue, or keep anything that a restart may not lose: that is the
// desk's part. They report every failure as an [Outcome], never by panic, and put neither secrets nor personal data
// into its texts.
type Peer interface {
	// About describes the profile. The value does not change while the Peer lives.
	About() About
	// Offer asks the peer to take a ticket. The same Offer.Key may be sent again after InDoubt or Retry.
	Offer(ctx context.Context, o Offer) Outcome
	// Send tells the peer of one event of a hand-off it holds.
	Send(ctx context.Context, m Message) Outcome
	// Query asks whether the peer holds an offer: Found with Number and PeerState, Absent only if the peer definitely
	// has none, Unable where the interface cannot ask, otherwise as for Offer.
	Query(ctx context.Context, ref Ref) Outcome
	// Pull fetches what the peer has to tell, from a cursor it gave before ("" at first). open are the hand-offs that
	// still want news, for interfaces that are asked one by one. Unable where the interface only pushes.
	Pull(ctx context.Context, cursor string, open []Ref) (Batch, Outcome)
	// Upload sends the bytes of a file from an offset on; Number is the peer's file number once the file is whole, next
	// the offset to go on from. The desk calls it before the Offer that names the file where About says two-step.
	Upload(ctx context.Context, f Attachment, content io.ReaderAt, from int64) (next int64, o Outcome)
	// Fetch reads a file the peer referred to, from an offset on, at most max bytes in all. Hosts outside the profile's
	// list, and addresses that resolve to this machine or a private network not listed, are Permanent.
	Fetch(ctx context.Context, f Attachment, from, max int64, w io.Writer) Outcome
	// Directory lists the peer's units, for the nightly comparison. Unable where it cannot.
	Directory(ctx context.Context) ([]Unit, Outcome)
	// Ping asks for a sign of life; PeerTime, where the answer has one, gives the difference of the clocks.
	Ping(ctx context.Context) Outcome
	// Handler serves what the peer sends us, nil where it sends nothing. It checks size, address, signature, time and
	// nonce, decodes, hands the Inbounds to r and answers in the peer's words. Only what passed those checks reaches r.
	Handler(r Receiver) http.Handler
}

// Receiver takes what a peer said. The desk is one.
type Receiver interface {
	// Receive applies messages of the party in their order and answers each. When it returns, what it took is durable.
	// An error means that nothing of the rest was taken: answer so that the peer sends again.
	Receive(ctx context.Context, party string, in []Inbound) ([]Answer, error)
	// Status is the answer to a peer's question after a hand-off, by our number or its own. ok is false both for
	// unknown hand-offs and for those of other parties.
	Status(ctx context.Context, party string, ref Ref) (Answer, bool)
}

// Class says what talking to a peer came to. The desk acts on the class alone.
type Class string

// The classes.
const (
	Delivered Class = "delivered" // the peer has it and said so, by the profile's rule of success
	Duplicate Class = "duplicate" // the peer says it had it already; Number is the first one
	Unknown   Class = "in_doubt"  // bytes left, and the answer does not say what became of them
	Permanent Class = "permanent" // refused; the same bytes will always be refused. Fault says why
	Retry     Class = "retry"     // certainly not taken, may be sent again after RetryAfter
	AuthFail  Class = "auth"      // certainly not taken: signature, clock or session refused; ClockHint where it is the clock
	Found     Class = "found"     // Query: the peer holds it
	Absent    Class = "absent"    // Query: the peer definitely does not
	Unable    Class = "unable"    // the interface has no such operation: nothing was sent
)

// Outcome is the classified result of one request.
type Outcome struct {
	Class      Class
	Number     string        // the peer's ticket or file number, exactly as received
	Token      string        // where the number comes later
	PeerTime   time.Time     // the peer's time of receipt; zero where it gives none
	PeerState  State         // Query: mapped state, "" where unmapped
	RetryAfter time.Duration // the peer's wish, 0 where it has none
	ClockHint  bool          // AuthFail: the answer says that our clocks differ
	HTTPStatus int           // 0 where no answer came
	Code       string        // the vendor's code, at most 64 bytes
	Said       string        // which rule of the profile decided, for the person who reads it; no value of the ticket
	Fault      *schemas.Fault
	Err        error // the technical cause, for the log
}

// About describes a peer.
type About struct {
	Profile string // name@version
	Party   string // party code, e.g. HOTLINE_12345_610800
	Kind    string // list partyKind
	Path    string // below which Handler serves, "" where there is none
	Can     Capabilities
	Policy  Policy
	Clocks  clock.Rules // the profile's own limits; the defaults of package clock stand behind them
}

// Capabilities say what an interface can do. The desk turns what it cannot into the degrade rule's action.
type Capabilities struct {
	QueryBySourceID bool
	Push            bool   // the peer calls our Handler
	Pull            string // "", cursor, open: how Pull works
	Resend          bool   // a second Offer with the same key is answered Duplicate
	NumberLater     bool   // Delivered may come with a Token and no Number
	ReturnMode      string // approval, unilateral
	Suspend         bool
	Extension       bool
	Withdraw        bool
	Reopen          string   // same, new_ticket
	Redispatch      bool     // a returned ticket may be offered again under its number
	Verbs           []Verb   // that Send can map; others are degraded
	Attachments     string   // none, two_step, inline, url
	MaxAttachment   int64    // bytes of one file
	Types           []string // accepted file name endings, lower case, without dot
	MaxContent      int      // characters of Appeal.Content, 0 = ours
	MaxTitle        int      // characters of Appeal.Title, 0 = ours
	Unmapped        bool     // a class the map does not have may be sent as UNMAPPED
	NeedsPhone      bool     // refuses a ticket without a phone
	// Degrade says what happens to a verb the peer cannot take: note (sent as a note), task (a work item for a person),
	// note_task (both), new_ticket (a new linked ticket), local (only here). Every verb not in Verbs has one.
	Degrade map[Verb]string
}

// Offer is a ticket on its way out, already cut down to what the target may see.
type Offer struct {
	Key        string // idempotency key, constant over retries
	HandoffID  string
	Round      int
	Origin     string // party codes
	Target     string
	Unit       string // code of a unit inside the target, "" for the target to decide
	OriginNo   string // our ticket number
	PreviousNo string // the peer's number of an earlier round, where it makes a new one
	Kind       string // first, reoffer, redo
	Mode       string
	At         time.Time
	Route      []Hop
	Appeal     Appeal
	Citizen    Citizen
	Voice      *Voice
	Due        time.Time // of handling, zero where unknown
	Note       string
}

// Message is one event on its way out. Payload.Internal is always empty here.
type Message struct {
	Key      string
	PeerNo   string
	OriginNo string
	Event    Event
}

// Ref names a hand-off at a peer.
type Ref struct {
	HandoffID string
	Round     int
	PeerNo    string
	Token     string
	Since     time.Time // of the last news, for peers asked by time
	Urgent    bool
}

// Batch is what a Pull brought. Cursor belongs to the end of In: keep it in the transaction that applies In.
type Batch struct {
	In     []Inbound
	Cursor string
	More   bool
}

// Inbound is one thing a peer said, in canonical words. Event says what kind it is: Verb offer opens a hand-off (Appeal,
// Citizen set), any other acts on one.
type Inbound struct {
	EventID    string // the peer's, or SM3 over what identifies it where the peer has none
	HandoffID  string // ours where the peer names it; for an offer the peer's source number
	PeerNo     string // the peer's ticket number
	Round      int    // 0 where the peer has none
	DispatchAt time.Time
	Verb       Verb  // "" where only a state came
	State      State // the peer's state, mapped; "" where it has none or the map has no entry
	At         time.Time
	User       string // reference of the acting person at the peer
	Unit       string
	Payload    Payload
	Appeal     *Appeal
	Citizen    *Citizen
	Mode       string
	Route      []Hop
	// Faults make the message one for quarantine: it was authentic but could not be read whole. Raw is then what came,
	// at most MaxJSON bytes.
	Faults schemas.Faults
	Raw    []byte
}

// Codes of an [Answer].
const (
	CodeOK              = "OK"
	CodeDuplicate       = "DUPLICATE"         // had it already; same answer as the first time
	CodeInvalid         = "INVALID"           // Faults say why
	CodeUnknownHandoff  = "HO_UNKNOWN"        // unknown, or another party's
	CodeStateConflict   = "HO_STATE_CONFLICT" // stored, not applied; Current and Allowed say what is possible
	CodeLoop            = "HO_LOOP"
	CodeExtensionLate   = "HO_EXT_LATE"
	CodeReturnExhausted = "HO_RETURN_EXHAUSTED"
	CodeReturnRefused   = "HO_RETURN_REFUSED" // the same ground was refused or decided before
	CodeBackdated       = "HO_BACKDATED"
	CodeQuarantined     = "HO_QUARANTINED"
	CodeGuard           = "HO_GUARD" // a rule of the hand-off forbids it; Faults say which
)

// Answer is what the desk says to one Inbound.
type Answer struct {
	Code      string
	HandoffID string
	Number    string // our ticket number
	EventID   string
	At        time.Time // when we first took it
	State     State
	StateSeq  int
	Allowed   []Verb
	Faults    schemas.Faults
}

// Taken tells whether the peer may forget the message.
func (a Answer) Taken() bool { return a.Code == CodeOK || a.Code == CodeDuplicate }

// Unit is an entry of a peer's directory.
type Unit struct {
	Code     string `json:"code"`
	Name     string `json:"name"`
	Division string `json:"division,omitempty"`
}
