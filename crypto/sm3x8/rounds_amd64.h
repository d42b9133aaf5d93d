// SM3 (GB/T 32905) over eight messages at once: register Yn holds one word of all eight, a message
// in each 32-bit lane. Whoever includes this file defines the primitives
//
//	ROL(n, src, dst, tmp)         dst = src <<< n
//	ROL2(n, src, dst, dst8, tmp)  the same, and dst8 = src <<< n+8
//	XOR3(x, y, dst)               dst ^= x ^ y
//	MAJ(x, y, z, dst, tmp)        dst = majority of x, y, z
//	CHOOSE(x, y, z, dst)          dst = x ? y : z
//	CONSTANTS                     loads what the primitives keep in registers (Y14)
//
// Registers of the body:
//
//	DI state   SI lane pointers   AX word W[j]   BX constant of round j   CX blocks left
//	R8 words   R9 offset of the block in each lane   DX, R10 scratch
//	Y0–Y7 A–H   Y8–Y13 scratch   Y15 byte order

// Words go to memory once; the rounds read them from there.

// LOAD reads half a block (words of byte offset half) of each lane and turns words into big-endian.
#define LOAD1(lane, half, dst) \
	MOVQ    (8*lane)(SI), DX          \
	VMOVDQU half(DX)(R9*1), dst       \
	VPSHUFB Y15, dst, dst

// TRANSPOSE turns Y0–Y7, eight words of one lane each, into one word of eight lanes each, and
// stores them as the words from byte offset to of the schedule.
#define TRANSPOSE(to) \
	VPUNPCKLDQ  Y1, Y0, Y8            \
	VPUNPCKHDQ  Y1, Y0, Y9            \
	VPUNPCKLDQ  Y3, Y2, Y10           \
	VPUNPCKHDQ  Y3, Y2, Y11           \
	VPUNPCKLDQ  Y5, Y4, Y12           \
	VPUNPCKHDQ  Y5, Y4, Y13           \
	VPUNPCKLDQ  Y7, Y6, Y0            \
	VPUNPCKHDQ  Y7, Y6, Y1            \
	VPUNPCKLQDQ Y10, Y8, Y2           \
	VPUNPCKHQDQ Y10, Y8, Y3           \
	VPUNPCKLQDQ Y11, Y9, Y4           \
	VPUNPCKHQDQ Y11, Y9, Y5           \
	VPUNPCKLQDQ Y0, Y12, Y6           \
	VPUNPCKHQDQ Y0, Y12, Y7           \
	VPUNPCKLQDQ Y1, Y13, Y8           \
	VPUNPCKHQDQ Y1, Y13, Y9           \
	VPERM2I128  $0x20, Y6, Y2, Y10    \
	VMOVDQU     Y10, (to+0*32)(R8)    \
	VPERM2I128  $0x20, Y7, Y3, Y11    \
	VMOVDQU     Y11, (to+1*32)(R8)    \
	VPERM2I128  $0x20, Y8, Y4, Y12    \
	VMOVDQU     Y12, (to+2*32)(R8)    \
	VPERM2I128  $0x20, Y9, Y5, Y13    \
	VMOVDQU     Y13, (to+3*32)(R8)    \
	VPERM2I128  $0x31, Y6, Y2, Y10    \
	VMOVDQU     Y10, (to+4*32)(R8)    \
	VPERM2I128  $0x31, Y7, Y3, Y11    \
	VMOVDQU     Y11, (to+5*32)(R8)    \
	VPERM2I128  $0x31, Y8, Y4, Y12    \
	VMOVDQU     Y12, (to+6*32)(R8)    \
	VPERM2I128  $0x31, Y9, Y5, Y13    \
	VMOVDQU     Y13, (to+7*32)(R8)

#define LOAD(half) \
	LOAD1(0, half, Y0) \
	LOAD1(1, half, Y1) \
	LOAD1(2, half, Y2) \
	LOAD1(3, half, Y3) \
	LOAD1(4, half, Y4) \
	LOAD1(5, half, Y5) \
	LOAD1(6, half, Y6) \
	LOAD1(7, half, Y7)

// EXPAND computes W[j+i+4]; AX points at W[j].
#define EXPAND(i) \
	VMOVDQU (32*(i+1))(AX), Y11       \
	ROL(15, Y11, Y11, Y9)             \
	VPXOR   (32*(i-12))(AX), Y11, Y11 \
	VPXOR   (32*(i-5))(AX), Y11, Y11  \
	ROL2(15, Y11, Y12, Y13, Y9)       \
	XOR3(Y12, Y13, Y11)               \
	VMOVDQU (32*(i-9))(AX), Y12       \
	ROL(7, Y12, Y12, Y9)              \
	VMOVDQU (32*(i-2))(AX), Y13       \
	XOR3(Y12, Y13, Y11)               \
	VMOVDQU Y11, (32*(i+4))(AX)

// ROUND is round j+i. Instead of moving words along, the next round names the registers anew:
// A is left in D's, E in H's.
#define ROUND(i, A, B, C, D, E, F, G, H, FF, GG) \
	VMOVDQU (32*(i))(AX), Y12         \
	VPXOR   (32*(i+4))(AX), Y12, Y13  \
	VPADDD  Y13, D, D                 \
	VPADDD  Y12, H, H                 \
	FF(A, B, C, Y11, Y9)              \
	VPADDD  Y11, D, D                 \
	GG(E, F, G, Y12)                  \
	VPADDD  Y12, H, H                 \
	VPBROADCASTD (4*(i))(BX), Y10     \
	VPADDD  E, Y10, Y10               \
	ROL(12, A, Y8, Y9)                \
	VPADDD  Y8, Y10, Y10              \
	ROL(7, Y10, Y10, Y9)              \
	VPXOR   Y10, Y8, Y8               \
	VPADDD  Y8, D, D                  \
	VPADDD  Y10, H, H                 \
	ROL(9, B, B, Y9)                  \
	ROL(19, F, F, Y9)                 \
	ROL2(9, H, Y11, Y12, Y9)          \
	XOR3(Y11, Y12, H)

#define PARITY3(x, y, z, dst, tmp) \
	VPXOR x, y, dst                   \
	VPXOR z, dst, dst

#define PARITY(x, y, z, dst) \
	VPXOR x, y, dst                   \
	VPXOR z, dst, dst

#define NOTHING(i)

// ROUNDS4 is four rounds, after which every word is back in its register.
#define ROUNDS4(EXP, FF, GG) \
	EXP(0)                                           \
	ROUND(0, Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, FF, GG) \
	EXP(1)                                           \
	ROUND(1, Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, FF, GG) \
	EXP(2)                                           \
	ROUND(2, Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, FF, GG) \
	EXP(3)                                           \
	ROUND(3, Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, FF, GG) \
	ADDQ $128, AX                                    \
	ADDQ $16, BX

#define FEED(i, R) \
	VPXOR   (32*i)(DI), R, R          \
	VMOVDQU R, (32*i)(DI)

#define COMPRESS \
	MOVQ s+0(FP), DI                  \
	MOVQ in+8(FP), SI                 \
	MOVQ words+16(FP), R8             \
	MOVQ blocks+24(FP), CX            \
	XORQ R9, R9                       \
	VMOVDQU bigEndian<>(SB), Y15      \
	CONSTANTS                         \
block:                              \
	LOAD(0)                           \
	TRANSPOSE(0)                      \
	LOAD(32)                          \
	TRANSPOSE(256)                    \
	VMOVDQU 0(DI), Y0                 \
	VMOVDQU 32(DI), Y1                \
	VMOVDQU 64(DI), Y2                \
	VMOVDQU 96(DI), Y3                \
	VMOVDQU 128(DI), Y4               \
	VMOVDQU 160(DI), Y5               \
	VMOVDQU 192(DI), Y6               \
	VMOVDQU 224(DI), Y7               \
	MOVQ R8, AX                       \
	LEAQ ·constants(SB), BX           \
	MOVQ $3, R10                      \
plain:                              \
	ROUNDS4(NOTHING, PARITY3, PARITY) \
	DECQ R10                          \
	JNZ  plain                        \
	ROUNDS4(EXPAND, PARITY3, PARITY)  \
	MOVQ $12, R10                     \
rest:                               \
	ROUNDS4(EXPAND, MAJ, CHOOSE)      \
	DECQ R10                          \
	JNZ  rest                         \
	FEED(0, Y0)                       \
	FEED(1, Y1)                       \
	FEED(2, Y2)                       \
	FEED(3, Y3)                       \
	FEED(4, Y4)                       \
	FEED(5, Y5)                       \
	FEED(6, Y6)                       \
	FEED(7, Y7)                       \
	ADDQ $64, R9                      \
	DECQ CX                           \
	JNZ  block                        \
	VZEROUPPER                        \
	RET

// The byte order of words.
DATA bigEndian<>+0(SB)/8, $0x0405060700010203
DATA bigEndian<>+8(SB)/8, $0x0c0d0e0f08090a0b
DATA bigEndian<>+16(SB)/8, $0x0405060700010203
DATA bigEndian<>+24(SB)/8, $0x0c0d0e0f08090a0b
GLOBL bigEndian<>(SB), RODATA|NOPTR, $32
