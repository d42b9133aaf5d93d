// Package sign defines every small object a node signs, its canonical bytes
// and its signature context: receipts, head notes, calls and answers,
// directory entries, schema packs (protocol §1, §4, §5, §7, §8). Segment headers, which follow
// the same canonical form, live in package seal.
//
// A signed object is JSON with one spelling: members in the order of the Go
// struct, no white space, integers in shortest decimal below 2^53, hex in
// lower case, no null. A string writes every character as itself but quote and
// backslash, and holds neither control characters (U+0000–U+001F, U+007F) nor
// the line separators U+2028 and U+2029, which JSON writers escape in different
// ways. [Unmarshal] accepts exactly the bytes [Marshal] would write and nothing
// else, so two parsers can never see two meanings under one signature.
//
// Data flows one way: a value is marshalled once, the bytes are signed
// ([Sign]), and from then on only those bytes travel. A receiver verifies the
// bytes as they came, then parses them.
//
// Start with canon.go, then receipt.go as the plainest object.
package sign
