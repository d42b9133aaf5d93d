// Package sm3x8 hashes many messages with SM3 (GB/T 32905) at once, eight beside
// each other in the lanes of vector registers. The leaves and nodes of a
// segment's tree are independent messages, and hashing them one after the other
// was the largest single cost of sealing and opening.
//
// What it promises: the digests are those of gmsm's SM3, byte for byte, whatever
// the messages' number and lengths. On amd64 with AVX2 or AVX-512 VL the lanes are
// used; everywhere else (arm64, loong64, older processors, the build tag purego)
// the same calls hash one message at a time with gmsm. Nothing here depends on a
// secret: timing follows lengths only.
//
// How data passes through it: [Sum] copies each message, after its prefix byte
// and before its padding, into the buffer of a free lane; all lanes advance
// together by as many blocks as the one nearest its end has left; a finished lane
// gives its digest and takes the next message. [SumPairs] is the same for the
// nodes above, whose lengths are all equal.
//
//	messages ─► lane buffers ─► compress (rounds_amd64.h) ─► digests
//
// Start with lanes.go. The rounds are written once, in rounds_amd64.h, over a few
// primitives (rotate, three-way logic) that avx2_amd64.s and avx512_amd64.s define.
package sm3x8
