// Package courier carries: it sends what the desk queued for one peer, finds out what became of what is in doubt, fetches
// what the peer has to say and the files it named, and notices when the peer falls silent.
//
// # What it promises
//
//   - A message is marked as being sent before its first byte leaves ([ledger.Ledger.Claim]). What a dead process was
//     sending is asked about, not sent again: nothing is doubled, nothing lost.
//   - Within a hand-off the order is kept; a message that cannot be delivered keeps only its own hand-off waiting.
//   - Emergencies have a lane of their own, with neither rate nor breaker. Otherwise the more urgent go first.
//   - A peer that is down is left alone: after BreakerAfter failures nothing is sent for BreakerCool, then one message
//     probes. A peer that refuses our identity twice stops the lane with an alarm.
//   - After a restored backup nothing is sent until every open hand-off was compared with the peer ([Courier.Reconcile]).
//
// # How data passes through it
//
//	ledger: queued ─► claim ─► upload files ─► Peer.Offer / Send ─► Outcome ─► desk.Settle
//	ledger: in_doubt ─► Peer.Query ─► Outcome ─► desk.Settle
//	Peer.Pull ─► desk.Receive ─► cursor        Peer.Fetch ─► desk.Fetched
//
// One courier a peer is at work on a database, by a lease that saves work; the claims keep it right. Start reading at
// courier.go.
package courier
