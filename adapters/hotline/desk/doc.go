// Package desk decides: it takes what people of this bureau do ([Desk.Offer], [Desk.Act]), what peers say
// ([Desk.Receive]) and what time brings ([Desk.Sweep]), and turns each into events of a hand-off or a refusal.
//
// # What it promises
//
//   - One act is one transaction: events, state, clocks, what is to be sent and what a person has to do become visible
//     together or not at all.
//   - A rule decides, not a screen: the table of package machine, the limits of the peer's policy, the history of the
//     hand-off. A refusal ([Refusal]) names its rule and everything that is wrong, and what would be possible.
//   - What a peer says is stored even where it is refused; it is answered the same however often it comes.
//   - What leaves was cut to what the target may see (share.go) before it was written to the queue.
//   - Danger to life waits for nothing: no consent, no validation list, no queue (emergency.go).
//
// # How data passes through it
//
//	Offer ─► check.go ─► loops and doubles ─► share.go ─► DRAFT → QUEUED and a delivery
//	Act ─► needs ─► guard.go ─► machine ─► event ─► clocks ─► delivery to the peer (or what its interface can take)
//	Receive ─► known already? ─► open.go (offer) or the same way as Act, with inferred steps where the peer skipped some
//	courier's outcome ─► Settle ─► receipt_ok, receipt_unknown … (T02–T07, T33)
//
// All methods are safe for concurrent use, by several processes on one database too. Start reading at desk.go, then
// act.go.
package desk
