// Package ledger keeps hand-offs in the node's database: their state, their events, what waits for delivery, what a
// peer said, and what a person has to look at.
//
// # What it promises
//
//   - Events are appended, never changed. Each body holds the hash of the one before; the newest hash stands in the
//     hand-off's row ([Ledger.Verify]).
//   - A hand-off changes only in a transaction that locked its row and found it as it was read ([Tx.Save]); of two
//     writers one fails and begins again.
//   - What is to be sent is written in the transaction that made it necessary ([Tx.Enqueue]); nothing is sent that was
//     not committed. A message key exists once.
//   - What a peer says is remembered with its answer in the transaction that applied it ([Tx.Remember]).
//
// # How data passes through it
//
//	desk ─► InTx: Handoff (locked) ─► Append ─► Enqueue ─► Save ─► COMMIT
//	courier ─► Claim (queued → sending) ─► the peer ─► desk settles: delivered, queued again, in_doubt or dead
//
// A row found in state sending by a courier that has just started was being sent when its process died: nobody knows
// whether the peer got it, so it becomes in_doubt ([Ledger.Doubt]).
//
// Tables are migration 00050 of gateway/store. Times are stored as Unix microseconds, bodies as JSON of package ticket.
// Methods are safe for concurrent use; a [Tx] belongs to one goroutine. Start reading at ledger.go.
package ledger
