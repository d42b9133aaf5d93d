// Package directory knows the nodes of the federation: who they are, where
// they stand in the tree, with which keys they sign and read, and therefore who
// may read, carry and send each stream (protocol §1, §7).
//
// Entries come from three places: anchors pinned when this node joined, the
// exchange_node records of parents' public streams, and the node call. Wherever
// an entry comes from, it is valid only by the signature of its parent's
// registrar, within that registrar's territory; a change of keys also needs the
// node's previous key. The stream is transport, never a reason to believe.
//
// Readers get an immutable snapshot; [Directory.Learn] swaps in the next one.
// Audiences are computed in one place, audience.go, used alike by push, poll
// and receive.
//
// Start with directory.go.
package directory
