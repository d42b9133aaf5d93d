// Package packs is a node's shelf of schema packs: which it knows, which it
// publishes by, and how one becomes the other (protocol §8, design §8).
//
// Two questions are kept apart. Records of others are judged by exactly the pack
// their segment names, if it is here at all: whatever came in an exchange_pack
// stream and verified, or lies in the operator's folder. New records are judged
// by the program's own pack and by those this node adopted out of its own or an
// ancestor's stream. So a node may adopt at any time, before or after the others,
// and nobody refuses a record for it.
//
//	exchange_pack records ─► store (parts) ─► Collect ─► arrived ─► Decide ─► adopted
//	                                            │                    │          │ brake
//	                                            └► invalid           ├► waiting ◄┘─► a person: Adopt, Refuse
//	                                                                 └► known
//
// What it promises:
//
//   - A pack with a fault of any kind changes nothing but a row that says so.
//   - By itself a node adopts only what schemas/diff proves compatible and what
//     the newest stored records pass; everything else waits for a person.
//   - Adopted versions only rise. Of one pack the highest version whose days hold
//     the moment judges new records.
//   - Where a fifth of a source's rows fail that the version before accepts, the
//     pack is taken back before the rows that would pass the limit are refused.
//
// All processes of a node share its database and see a decision within two
// seconds. [Shelf] is safe for concurrent use. Start with shelf.go.
package packs
