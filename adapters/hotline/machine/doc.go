// Package machine is the life of a hand-off as a table: 21 states, 57 transitions, who may act, who owns the matter
// afterwards, and what each act must carry.
//
// # What it promises
//
//   - The table is data (table.txt), read once and never retyped: what the program does, what the tests walk and what the
//     diagram in docs/hotline-states.md shows is one text.
//   - [Next] is a function: one state, verb and role lead to one state or to a [Conflict] that names what is possible.
//   - There is exactly one owner. [Owner] says who it is after an act, and only six verbs change it.
//   - A peer that skips states is understood ([Infer]): the shortest way there, each step to be stamped as inferred. A
//     peer that goes backwards is not.
//   - What an act must carry (needs.txt, returns.txt) is checked whole; all faults are told at once ([Check]).
//
// # How data passes through it
//
//	event ─► Check (complete?) ─► Next (possible?) ─► Owner ─► the desk appends it
//	a peer's state ─► Infer ─► the steps in between ─► the desk appends them, inferred
//
// Rules that need the history of a hand-off, its clocks or other hand-offs (return limits, cut-off hours, loops) are
// the desk's. Start reading at table.txt, then machine.go.
package machine

//go:generate go run ./gen ../../../docs/hotline-states.md
