// Package evidence makes custody provable: every event of a hand-off becomes a record of type handoff_event in the
// node's stream, signed with its segment, and two such streams can be laid beside each other.
//
// # What it promises
//
//   - An event and its record are one transaction ([Publisher]): none without the other.
//   - A record holds who did what, the state and the owner after it, and the hash of the event's body, which holds the
//     hash of the one before. It holds nothing of the citizen or the appeal.
//   - [Custody] checks one side's records by themselves (whole chain, allowed transitions, exactly one owner at each event).
//     [Both] lays two sides' records of one matter beside each other and tells when both, or neither, held it for
//     themselves.
//
// # How data passes through it
//
//	ledger.Append ─► Publisher ─► exchange_outbox ─► sequencer ─► stream …/handoff_event/… ─► province ─► Custody, Both
//
// State and events travel as one type in one stream, so that their order is evidence (design §3). Start reading at
// evidence.go.
package evidence
