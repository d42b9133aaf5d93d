// Package ticket has the words two hotlines share: the appeal of a citizen, the hand-off of responsibility for it, its
// rounds and events, the code lists with their Chinese labels, and the seam to a foreign interface, [Peer].
//
// # What it promises
//
//   - One meaning per word, whoever speaks. A vendor's names, codes, charsets and signatures stop at a [Peer]; everything
//     behind it is canonical.
//   - What comes in as JSON is read strictly ([Decode]): no unknown, doubled or differently written member, no invalid
//     UTF-8, bounded size and depth.
//   - A result of talking to a peer is one of a closed list of classes ([Class]). "Perhaps" is a class of its own, so that
//     nothing doubtful can be taken for delivered.
//
// # How data passes through it
//
//	outgoing   Case ─► desk cuts it to what the target may see ─► Offer / Message ─► Peer ─► the vendor's bytes ─► Outcome
//	incoming   the vendor's bytes ─► Peer ─► Inbound ─► Receiver (the desk) ─► Answer ─► Peer ─► the vendor's bytes
//
// A Peer never sees a [Case]: what may not leave (lawyers' notes, mediation, aid finances, names under secrecy) is not
// in an [Offer] to begin with.
//
// The package has data and checks, no state machine (package machine), no clocks (package clock), no database
// (package desk) and no network (package profile). Code lists are lines of codes.txt, so that a bureau can change a
// wording without a programmer; codes themselves are fixed.
//
// Start reading at handoff.go, then peer.go.
package ticket
