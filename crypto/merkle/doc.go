// Package merkle computes the hash tree over the lines of a segment: the root
// that an origin signs, and the short proof by which one line can be shown to
// a stranger without the others.
//
// What it promises (protocol §2, Tree):
//
//	leaf = SM3(0x00 ‖ line without its LF)
//	node = SM3(0x01 ‖ left ‖ right)
//
// with the split of RFC 6962 §2.1: the left subtree of n leaves is the largest
// perfect one smaller than n. The two prefixes keep a node from being passed
// off as a leaf. An odd node at the end of a level moves up unchanged; it is
// never paired with itself, so no two leaf lists share a root.
//
// The root of a line-erased segment is computed from the same leaves: a leaf
// stands for its line whether or not the line is still kept.
//
// How data passes through it: [LeafHash] or [LeafHashes] of the lines, [Root]
// over the leaves to seal or to check a segment; [NewTree] and [Tree.Proof] where
// proofs are wanted; [VerifyProof] at whoever received one. Nothing here knows of
// segments, streams or signatures.
//
// Known answers for other implementations are in testdata/vectors.json.
package merkle
