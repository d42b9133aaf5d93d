//go:build !purego

#include "textflag.h"

// The same registers, but one instruction rotates or combines three words (AVX-512 F and VL).

#define ROL(n, src, dst, tmp) VPROLD $n, src, dst

#define ROL2(n, src, dst, dst8, tmp) \
	VPROLD $n, src, dst      \
	VPROLD $(n+8), src, dst8

#define XOR3(x, y, dst) VPTERNLOGD $0x96, x, y, dst

#define MAJ(x, y, z, dst, tmp) \
	VMOVDQA    x, dst \
	VPTERNLOGD $0xe8, y, z, dst

#define CHOOSE(x, y, z, dst) \
	VMOVDQA    x, dst \
	VPTERNLOGD $0xca, z, y, dst

#define CONSTANTS

#include "rounds_amd64.h"

// func compressAVX512(s *state, in *[lanes]*byte, words *[68][lanes]uint32, blocks int)
TEXT ·compressAVX512(SB), NOSPLIT, $0-32
	COMPRESS
