// Package replicate moves sealed segments between nodes: it receives, pushes,
// polls and serves them, and makes and believes receipts and head notes
// (protocol §3–§5).
//
// Push and poll are two ways to move the same immutable segments and may run
// together: a receiver only asks whether a segment continues what it holds.
//
//	push ─► Server ─┐                          ┌─► hub ─► Pusher ─► next node
//	                ├─► Receive ─► store.Append┤
//	Poller ◄─ fetch ┘   steps 1–11             └─► receipts back towards the origin
//
// Rules that look fussy answer failures that were reproduced (docs/protocol.md
// names each): nothing unsigned changes state; a fork needs two valid
// signatures; a cursor moves only by a receipt whose head equals this node's
// own copy; bytes leave only after they were committed and heads.journal was
// synced.
//
// Start with engine.go, then receive.go.
package replicate
