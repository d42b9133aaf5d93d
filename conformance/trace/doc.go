// Package trace judges what nodes did to streams: a checker of the order
// promises, fed only with what can be seen from outside a node.
//
//	trace files of every process ─ Read ─► Input.Events ─┐
//	tables and opened segments of every node ──► Dumps ──┼─► Check ─► Report
//	what the business committed and rolled back ─► Business ┘
//
// The invariants are named I1, I2, … as in docs/invariants.md, which says of
// each what it demands and what evidence it needs. The package shares no code
// with a node and trusts none of its conclusions: whether a segment follows
// another is decided here, from the bytes' hashes and numbers. Whoever makes a
// Dump answers for the hashes in it: a hash is SM3 of the header's bytes, not
// what a table says it is.
//
// A report counts what each invariant had to look at, so that a check of
// nothing cannot pass for a clean one; see [Report.Unseen].
//
// Start with [Check].
package trace
