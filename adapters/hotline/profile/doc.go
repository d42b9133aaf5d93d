// Package profile makes a [ticket.Peer] of a file: the interface of one foreign
// party as configuration. A new city's 12345 needs a profile, not a programmer.
//
// # How data passes through it
//
//	Offer, Message ─► Words ─► maps (codes, states, verbs) ─► outer.Client ─► the vendor's bytes
//	Inbound ◄─ Words ◄─ maps ◄─ outer.Server, or the answer to a pull ◄─ the vendor's bytes
//
// [Words] is every value a template can name; docs/handoff-profiles.md lists them.
// The engine below (gateway/outer) knows nothing of hand-offs, this package
// nothing of bytes.
//
// # What it promises
//
//   - A profile is checked when it is read, every hole at once and with its line
//     ([Parse]): each canonical verb has a call or a degrade rule, each required
//     field a place in the offer, code maps are total or say what is lost, states
//     come back as they went, clocks answer for every type and urgency, and a
//     sample of every kind of message survives the way out and back.
//   - Secrets are files of the profile; nothing here can reach the node's keys.
//   - What cannot be translated is refused by name ([CodeUnmapped]), never guessed
//     and never sent as something else.
//   - A Peer keeps nothing: identities of what a vendor sends without one are
//     derived from the contents, so that the desk recognises what it has.
//
// Start with profile.go, then peer.go.
package profile
