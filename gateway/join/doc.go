// Package join is how a machine becomes a node of a federation (protocol §7,
// Join). Three files travel by mail or on a stick, two people compare one code:
//
//	parent                                             child
//	NewInvite + Ledger.Add ──── invitation ─────────►  NewRequest (keys, CSRs, own registrar)
//	Approver.Approve  ◄──────── request ─────────────
//	   both screens show Code: 5 × 4 digits, read out by telephone
//	   certificates, entry, SaveEntry, exchange_node
//	                  ───────── approval ───────────►  Install (certificates, entries)
//
// The root of a federation has no parent: [Found] certifies it by its own
// registrar and signs its anchor entry.
//
// What it promises:
//
//   - An invitation serves once, for one node id, in one place: names, role and
//     territory of the entry are those the parent remembers in its [Ledger], not
//     those a file claims.
//   - The code covers all the parent vouches for and all the child relies on:
//     both requests, the certificate of the child's registrar and the anchor. An
//     exchanged file changes the code on one of the two screens.
//   - Nothing is believed because of the file it came in. The anchor is pinned
//     from the invitation; every other entry goes through [directory.Learn].
//   - [Approver.Approve] may be repeated with the same request after a crash and
//     ends in the same entry; once finished it refuses.
//
// The files are canonical JSON of one line (protocol §1), at most 256 KiB.
// The errors that people see are [*Error]. Start with join.go.
package join
