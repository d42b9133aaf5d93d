// Package seal turns records into sealed segments and back (protocol §2).
//
// A segment is up to 1,000 lines of one stream. Its header is canonical JSON,
// signed once by the origin, chained to the header before it; its identity is
// SM3(header). The lines are hashed into a Merkle tree whose root stands in the
// header, compressed, padded to whole KiB and encrypted under a content key of
// their own; only that 16-byte key is wrapped for each reader, outside the
// signature. Header and lines are therefore the same everywhere, while the body
// is a container that any holder of the key may seal anew.
//
//	records ─ AppendLine ─► lines ─ Seal ─► Segment ─ Frame ─► JSON on the wire
//	lines ◄─ Open ◄─ content key ◄─ Unwrap ◄─ Frame ◄─ JSON on the wire
//
// What was signed is what is stored is what is sent: nothing here is ever
// re-serialised. Every parser bounds sizes before it allocates and refuses any
// second spelling of the same thing.
//
// Start with header.go, then line.go, then seal.go and open.go. docs/vectors has
// one segment with every value between its lines and its frame.
package seal
