//go:build !purego

#include "textflag.h"

#define ROL(n, src, dst, tmp) \
	VPSLLD $n, src, tmp      \
	VPSRLD $(32-n), src, dst \
	VPOR   tmp, dst, dst

#define ROL2(n, src, dst, dst8, tmp) \
	ROL(n, src, dst, tmp)    \
	VPSHUFB Y14, dst, dst8

#define XOR3(x, y, dst) \
	VPXOR x, dst, dst \
	VPXOR y, dst, dst

// (x^y) & (y^z) ^ y
#define MAJ(x, y, z, dst, tmp) \
	VPXOR x, y, tmp   \
	VPXOR y, z, dst   \
	VPAND tmp, dst, dst \
	VPXOR y, dst, dst

#define CHOOSE(x, y, z, dst) \
	VPXOR y, z, dst   \
	VPAND x, dst, dst \
	VPXOR z, dst, dst

#define CONSTANTS VMOVDQU rotate8<>(SB), Y14

DATA rotate8<>+0(SB)/8, $0x0605040702010003
DATA rotate8<>+8(SB)/8, $0x0e0d0c0f0a09080b
DATA rotate8<>+16(SB)/8, $0x0605040702010003
DATA rotate8<>+24(SB)/8, $0x0e0d0c0f0a09080b
GLOBL rotate8<>(SB), RODATA|NOPTR, $32

#include "rounds_amd64.h"

// func compressAVX2(s *state, in *[lanes]*byte, words *[68][lanes]uint32, blocks int)
TEXT ·compressAVX2(SB), NOSPLIT, $0-32
	COMPRESS
