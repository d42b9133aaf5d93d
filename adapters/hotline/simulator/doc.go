// Package simulator is the other side of a profile as a real program: it serves
// the operations a profile calls, keeps tickets as a hotline would, and calls the
// profile's callbacks. fayi handoff simulate runs it; tests run it in their own
// process, over real HTTP all the same.
//
// What it promises:
//
//   - It is made of the profile alone: what a new profile describes, it speaks.
//   - What it has answered is in its journal, synced before the answer leaves, so
//     that after kill -9 the tickets at the peer can still be counted.
//   - It misbehaves on demand ([Fault]), at the place and as often as told.
//
// How data passes through it:
//
//	request ─► outer.Server ─► faults ─► store.go (journal, tickets) ─► answer
//	POST /sim/act ─► store ─► push.go ─► outer.Client ─► the node's callbacks
//
// It is no hotline: it takes what it is told and checks no rule of the hand-off,
// since its use is to say things at the wrong moment. Start with simulator.go.
package simulator
