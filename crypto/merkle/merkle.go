package merkle

import (
	"errors"
	"fmt"
	"hash"
	"sync"

	"fayi/crypto/sm3x8"

	"github.com/emmansun/gmsm/sm3"
)

// Hash is an SM3 digest (GB/T 32905).
type Hash = [32]byte

// ErrProof is returned by [VerifyProof] for every proof that does not show the
// leaf under the root at that index of a tree of that size.
var ErrProof = errors.New("merkle: proof does not hold")

const (
	leafPrefix = 0x00
	nodePrefix = 0x01
)

var leafPrefixes = [1]byte{leafPrefix}

// hasher is one SM3 state with the buffers that would otherwise be allocated
// for every call through the hash.Hash interface.
type hasher struct {
	h   hash.Hash
	in  [1 + 32 + 32]byte
	out [32]byte
}

var hashers = sync.Pool{New: func() any { return &hasher{h: sm3.New()} }}

func (s *hasher) leaf(line []byte) Hash {
	s.h.Reset()
	s.in[0] = leafPrefix
	s.h.Write(s.in[:1])
	s.h.Write(line)
	s.h.Sum(s.out[:0])
	return s.out
}

func (s *hasher) node(l, r *Hash) Hash {
	s.h.Reset()
	s.in[0] = nodePrefix
	copy(s.in[1:33], l[:])
	copy(s.in[33:65], r[:])
	s.h.Write(s.in[:])
	s.h.Sum(s.out[:0])
	return s.out
}

// LeafHash is the hash of one line, given without its LF. It does not keep or
// change line. Safe for concurrent use.
func LeafHash(line []byte) Hash {
	s := hashers.Get().(*hasher)
	defer hashers.Put(s)
	return s.leaf(line)
}

// LeafHashes is [LeafHash] of each line, several at once where the processor can
// (package sm3x8). Safe for concurrent use.
func LeafHashes(lines [][]byte) []Hash {
	leaves := make([]Hash, len(lines))
	sm3x8.Sum(leaves, leafPrefixes[:], lines)
	return leaves
}

// Root is the root over leaves in their order; leaves is not changed. The tree
// of one leaf is that leaf. A segment has at least one line (protocol §2), so
// an empty list is a mistake of the caller: Root panics. Safe for concurrent
// use; one allocation of 16 bytes a leaf.
func Root(leaves []Hash) Hash {
	if len(leaves) == 0 {
		panic("merkle: root of no leaves")
	}
	if len(leaves) == 1 {
		return leaves[0]
	}
	level := up(make([]Hash, (len(leaves)+1)/2), leaves)
	for len(level) > 1 {
		level = up(level, level)
	}
	return level[0]
}

// up writes the level above from to dst, which has room for it, and returns it.
// dst may be the beginning of from.
func up(dst, from []Hash) []Hash {
	sm3x8.SumPairs(dst, nodePrefix, from)
	n := len(from) / 2
	if len(from)%2 == 1 {
		dst[n] = from[len(from)-1]
		n++
	}
	return dst[:n]
}

// Tree is a tree with all its levels in memory (about 64 bytes a leaf), from
// which every proof is read without hashing. Immutable, safe for concurrent use.
type Tree struct {
	levels [][]Hash // levels[0] are the leaves, the last level is the root
}

// NewTree builds the tree over leaves, which it copies. Like [Root] it panics
// on an empty list.
func NewTree(leaves []Hash) *Tree {
	if len(leaves) == 0 {
		panic("merkle: tree of no leaves")
	}
	t := &Tree{levels: [][]Hash{append([]Hash(nil), leaves...)}}
	for level := t.levels[0]; len(level) > 1; {
		level = up(make([]Hash, (len(level)+1)/2), level)
		t.levels = append(t.levels, level)
	}
	return t
}

// Root is the tree's root.
func (t *Tree) Root() Hash { return t.levels[len(t.levels)-1][0] }

// Count is the number of leaves.
func (t *Tree) Count() uint64 { return uint64(len(t.levels[0])) }

// Proof is the audit path of the leaf at index (0-based): the siblings from the
// leaf upwards, PATH(m, D[n]) of RFC 6962 §2.1.1. The path of the only leaf of
// a tree is empty.
func (t *Tree) Proof(index uint64) ([]Hash, error) {
	if index >= t.Count() {
		return nil, fmt.Errorf("merkle: index %d of %d leaves", index, t.Count())
	}
	path := make([]Hash, 0, len(t.levels)-1)
	for _, level := range t.levels[:len(t.levels)-1] {
		if sibling := index ^ 1; sibling < uint64(len(level)) {
			path = append(path, level[sibling])
		}
		index >>= 1
	}
	return path, nil
}

// VerifyProof checks that leaf stands at index (0-based) of the tree of count
// leaves whose root is root. The path must have exactly the length that index
// and count demand. Any failure is [ErrProof]. It holds for every input: work
// is bounded by 64 hashes. Safe for concurrent use.
//
// The leaf must have been computed by [LeafHash] from the line, never taken
// from the proof's sender unless the line was erased.
func VerifyProof(root, leaf Hash, index, count uint64, path []Hash) error {
	if index >= count || len(path) > 64 {
		return ErrProof
	}
	s := hashers.Get().(*hasher)
	defer hashers.Put(s)
	at, last, sum := index, count-1, leaf
	for ; last > 0; at, last = at>>1, last>>1 {
		if at&1 == 0 && at == last {
			continue // the odd node at the end of a level moves up alone
		}
		if len(path) == 0 {
			return ErrProof
		}
		if at&1 == 1 {
			sum = s.node(&path[0], &sum)
		} else {
			sum = s.node(&sum, &path[0])
		}
		path = path[1:]
	}
	if len(path) != 0 || sum != root {
		return ErrProof
	}
	return nil
}
