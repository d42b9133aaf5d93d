//go:build amd64 && !purego

package sm3x8

import (
	"math/bits"

	"golang.org/x/sys/cpu"
)

// constants are T_j <<< j of the 64 rounds.
//
//lint:ignore U1000 rounds_amd64.h reads it
var constants = func() (t [64]uint32) {
	for j := range t {
		c := uint32(0x7a879d8a)
		if j < 16 {
			c = 0x79cc4519
		}
		t[j] = bits.RotateLeft32(c, j)
	}
	return t
}()

//go:noescape
func compressAVX2(s *state, in *[lanes]*byte, words *[68][lanes]uint32, blocks int)

//go:noescape
func compressAVX512(s *state, in *[lanes]*byte, words *[68][lanes]uint32, blocks int)

// compressors are those this processor can run.
func compressors() map[string]compressor {
	all := map[string]compressor{}
	if cpu.X86.HasAVX2 {
		all["avx2"] = compressAVX2
	}
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL {
		all["avx512"] = compressAVX512
	}
	return all
}

func best() compressor {
	all := compressors()
	if c := all["avx512"]; c != nil {
		return c
	}
	return all["avx2"]
}
