package merkle_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"

	"fayi/crypto/merkle"

	"github.com/google/go-cmp/cmp"
	second "github.com/tjfoc/gmsm/sm3"
	"pgregory.net/rapid"
)

// The naive definition: RFC 6962 §2.1 word for word, with another library's SM3.

func naiveLeaf(line []byte) merkle.Hash {
	return merkle.Hash(second.Sm3Sum(append([]byte{0}, line...)))
}

func naiveNode(l, r merkle.Hash) merkle.Hash {
	return merkle.Hash(second.Sm3Sum(slices.Concat([]byte{1}, l[:], r[:])))
}

// split is the largest power of two below n.
func split(n int) int {
	k := 1
	for 2*k < n {
		k *= 2
	}
	return k
}

func naiveRoot(leaves []merkle.Hash) merkle.Hash {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := split(len(leaves))
	return naiveNode(naiveRoot(leaves[:k]), naiveRoot(leaves[k:]))
}

func naivePath(m int, leaves []merkle.Hash) []merkle.Hash {
	if len(leaves) == 1 {
		return []merkle.Hash{}
	}
	k := split(len(leaves))
	if m < k {
		return append(naivePath(m, leaves[:k]), naiveRoot(leaves[k:]))
	}
	return append(naivePath(m-k, leaves[k:]), naiveRoot(leaves[:k]))
}

func someLeaves(n int) []merkle.Hash {
	leaves := make([]merkle.Hash, n)
	for i := range leaves {
		leaves[i] = merkle.LeafHash(fmt.Appendf(nil, "line %d", i))
	}
	return leaves
}

func TestLeafHash(t *testing.T) {
	for _, n := range []int{0, 1, 55, 56, 62, 63, 64, 65, 127, 128, 1000, 256 << 10} {
		line := make([]byte, n)
		for i := range line {
			line[i] = byte(i * 7)
		}
		if got, want := merkle.LeafHash(line), naiveLeaf(line); got != want {
			t.Errorf("leaf of %d bytes = %x, want %x", n, got, want)
		}
	}
}

// Every tree up to 130 leaves, every proof in it, and at the size of a full segment.
func TestAgainstTheDefinition(t *testing.T) {
	for n := 1; n <= 130; n++ {
		leaves := someLeaves(n)
		before := slices.Clone(leaves)
		root := naiveRoot(leaves)
		if got := merkle.Root(leaves); got != root {
			t.Fatalf("root of %d leaves = %x, want %x", n, got, root)
		}
		tree := merkle.NewTree(leaves)
		if tree.Root() != root || tree.Count() != uint64(n) {
			t.Fatalf("tree of %d leaves: root %x, count %d", n, tree.Root(), tree.Count())
		}
		for i := range n {
			path, err := tree.Proof(uint64(i))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(naivePath(i, leaves), path); diff != "" {
				t.Fatalf("path of %d in %d: %s", i, n, diff)
			}
			if err := merkle.VerifyProof(root, leaves[i], uint64(i), uint64(n), path); err != nil {
				t.Fatalf("proof of %d in %d: %v", i, n, err)
			}
		}
		if !slices.Equal(leaves, before) {
			t.Fatalf("leaves of %d changed", n)
		}
	}
	if leaves := someLeaves(1000); merkle.Root(leaves) != naiveRoot(leaves) {
		t.Error("root of 1000 leaves")
	}
}

func TestTreeKeepsItsOwnLeaves(t *testing.T) {
	leaves := someLeaves(5)
	tree := merkle.NewTree(leaves)
	want, _ := tree.Proof(1)
	leaves[0] = merkle.Hash{}
	if got, _ := tree.Proof(1); !slices.Equal(got, want) {
		t.Error("a proof changed with the caller's slice")
	}
}

// No proof holds for anything but its own root, leaf, index, count and path.
func TestProofHoldsForNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "count")
		leaves := someLeaves(n)
		tree := merkle.NewTree(leaves)
		index := uint64(rapid.IntRange(0, n-1).Draw(t, "index"))
		path, err := tree.Proof(index)
		if err != nil {
			t.Fatal(err)
		}
		root, leaf, count := tree.Root(), leaves[index], uint64(n)
		switch rapid.IntRange(0, 6).Draw(t, "change") {
		case 0:
			root[rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1
		case 1:
			leaf[rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1
		case 2:
			other := rapid.Uint64Range(0, 2*count).Draw(t, "other index")
			if other == index {
				t.Skip("same index")
			}
			index = other
		case 3:
			path = append(path, leaf)
		case 4:
			if len(path) == 0 {
				t.Skip("empty path")
			}
			path = path[:len(path)-1]
		case 5:
			if len(path) == 0 {
				t.Skip("empty path")
			}
			path[rapid.IntRange(0, len(path)-1).Draw(t, "step")][0] ^= 1
		case 6:
			// A path that fits may also be the path at another count (the shapes
			// coincide left of the split); a count of another path length may not.
			other := rapid.Uint64().Draw(t, "other count")
			if index < other && pathLength(index, other) == len(path) {
				t.Skip("same shape")
			}
			count = other
		}
		if err := merkle.VerifyProof(root, leaf, index, count, path); !errors.Is(err, merkle.ErrProof) {
			t.Fatalf("changed proof: %v", err)
		}
	})
}

func pathLength(index, count uint64) int {
	n := 0
	for last := count - 1; last > 0; index, last = index>>1, last>>1 {
		if index&1 == 1 || index < last {
			n++
		}
	}
	return n
}

// The attacks behind the two prefixes and the lone odd node.
func TestConfusions(t *testing.T) {
	leaves := someLeaves(3)
	root := merkle.Root(leaves)
	inner := merkle.Root(leaves[:2])
	if merkle.VerifyProof(root, inner, 0, 2, []merkle.Hash{leaves[2]}) != nil {
		t.Fatal("the arithmetic of this test is wrong")
	}
	// As a line, the node's two children hash to something else: what is proved
	// above is a hash whose line nobody can show.
	if merkle.LeafHash(slices.Concat(leaves[0][:], leaves[1][:])) == inner ||
		merkle.LeafHash(slices.Concat([]byte{1}, leaves[0][:], leaves[1][:])) == inner {
		t.Error("a node passes as a leaf")
	}
	if merkle.Root(append(slices.Clone(leaves), leaves[2])) == root {
		t.Error("repeating the odd leaf keeps the root")
	}
	swapped := []merkle.Hash{leaves[1], leaves[0], leaves[2]}
	if merkle.Root(swapped) == root {
		t.Error("order does not matter")
	}
}

func TestBounds(t *testing.T) {
	tree := merkle.NewTree(someLeaves(3))
	for _, i := range []uint64{3, 4, 1 << 63, ^uint64(0)} {
		if _, err := tree.Proof(i); err == nil {
			t.Errorf("proof of leaf %d of 3", i)
		}
	}
	leaf := someLeaves(1)[0]
	for _, c := range []struct {
		index, count uint64
		path         int
	}{{0, 0, 0}, {1, 1, 0}, {0, 1, 1}, {0, ^uint64(0), 65}, {^uint64(0), ^uint64(0), 64}, {0, 1 << 20, 1 << 20}} {
		if err := merkle.VerifyProof(leaf, leaf, c.index, c.count, make([]merkle.Hash, c.path)); !errors.Is(err, merkle.ErrProof) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for name, f := range map[string]func(){
		"Root":    func() { merkle.Root(nil) },
		"NewTree": func() { merkle.NewTree([]merkle.Hash{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s of no leaves does not panic", name)
				}
			}()
			f()
		}()
	}
}

func TestAllocations(t *testing.T) {
	leaves, line := someLeaves(1000), make([]byte, 1500)
	if n := testing.AllocsPerRun(20, func() { merkle.LeafHash(line) }); n > 0 {
		t.Errorf("LeafHash allocates %v times", n)
	}
	if n := testing.AllocsPerRun(20, func() { merkle.Root(leaves) }); n > 1 {
		t.Errorf("Root allocates %v times", n)
	}
}

// Known answers for implementers, in testdata/vectors.json: lines in, leaves,
// root and every path out, all in hex. Written by the naive definition alone
// (go test -run TestVectors -write) and checked against this package.
type vector struct {
	Lines  []string   `json:"lines"` // UTF-8, without LF
	Leaves []string   `json:"leaves"`
	Root   string     `json:"root"`
	Paths  [][]string `json:"paths"` // of each leaf, from the leaf upwards
}

var write = flag.Bool("write", false, "write testdata/vectors.json anew from the naive definition")

func naiveVector(n int) vector {
	var v vector
	var leaves []merkle.Hash
	for i := range n {
		line := fmt.Sprintf(`{"seq":%d,"key":"测试-%d"}`, i+1, i+1)
		v.Lines = append(v.Lines, line)
		leaves = append(leaves, naiveLeaf([]byte(line)))
	}
	root := naiveRoot(leaves)
	v.Leaves, v.Root = hexes(leaves), hex.EncodeToString(root[:])
	for i := range leaves {
		v.Paths = append(v.Paths, hexes(naivePath(i, leaves)))
	}
	return v
}

func hexes(hashes []merkle.Hash) []string {
	out := make([]string, len(hashes))
	for i, h := range hashes {
		out[i] = hex.EncodeToString(h[:])
	}
	return out
}

func TestVectors(t *testing.T) {
	const file = "testdata/vectors.json"
	if *write {
		var vs []vector
		for _, n := range []int{1, 2, 3, 4, 5, 6, 7, 8, 13} {
			vs = append(vs, naiveVector(n))
		}
		text, err := json.MarshalIndent(vs, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var vs []vector
	if err := json.Unmarshal(text, &vs); err != nil {
		t.Fatal(err)
	}
	if len(vs) != 9 {
		t.Fatalf("%d vectors", len(vs))
	}
	for _, v := range vs {
		var leaves []merkle.Hash
		for _, line := range v.Lines {
			leaves = append(leaves, merkle.LeafHash([]byte(line)))
		}
		tree := merkle.NewTree(leaves)
		root := tree.Root()
		got := vector{Lines: v.Lines, Leaves: hexes(leaves), Root: hex.EncodeToString(root[:])}
		for i := range leaves {
			path, err := tree.Proof(uint64(i))
			if err != nil {
				t.Fatal(err)
			}
			got.Paths = append(got.Paths, hexes(path))
		}
		if diff := cmp.Diff(v, got); diff != "" {
			t.Errorf("%d lines: %s", len(v.Lines), diff)
		}
	}
}

func BenchmarkRoot1000(b *testing.B) {
	leaves := someLeaves(1000)
	for b.Loop() {
		merkle.Root(leaves)
	}
}

func BenchmarkLeafHash1536(b *testing.B) {
	line := make([]byte, 1536)
	b.SetBytes(1536)
	for b.Loop() {
		merkle.LeafHash(line)
	}
}
