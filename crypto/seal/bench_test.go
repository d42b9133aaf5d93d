package seal_test

import (
	"bytes"
	"fmt"
	"testing"

	"fayi/crypto/seal"
)

// Figures by go test -bench . -benchmem. Records are about 1.5 KB (design §11);
// segments stop at 512 KiB, so those of 1,000 lines have lines of 500 bytes.

var sizes = []int{1, 10, 100, 300, 1000}

func benchLines(n int) [][]byte {
	if n < 1000 {
		return records(n)
	}
	out := make([][]byte, n)
	for i := range out {
		out[i] = lineOf(draft().First+uint64(i), 500, true)
	}
	return out
}

func BenchmarkSeal(b *testing.B) {
	for _, n := range sizes {
		lines := benchLines(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(len(text(lines...))))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := seal.Seal(draft(), lines, origin().signer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range sizes {
		seg, readers := sealed(b, benchLines(n)...)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(len(text(benchLines(n)...))))
			b.ReportAllocs()
			for b.Loop() {
				h, err := seal.ParseHeader(seg.Bytes)
				if err != nil {
					b.Fatal(err)
				}
				if err := seal.VerifyHeader(origin().signCert, seg.Bytes, seg.Sig); err != nil {
					b.Fatal(err)
				}
				key, err := seal.Unwrap(reader().unwrapper, readers)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := seal.Open(h, seg.Bytes, seg.Body, key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpenBody leaves out what a reader does once a segment whatever its size.
func BenchmarkOpenBody(b *testing.B) {
	for _, n := range sizes {
		seg, _ := sealed(b, benchLines(n)...)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(len(text(benchLines(n)...))))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := seal.Open(&seg.Header, seg.Bytes, seg.Body, seg.Key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompactData(b *testing.B) {
	l, err := seal.ParseLine(record(0))
	if err != nil {
		b.Fatal(err)
	}
	spaced := bytes.ReplaceAll(l.Data, []byte(`,"`), []byte(`, "`))
	for what, data := range map[string][]byte{"compact": l.Data, "spaced": spaced} {
		b.Run(what, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				if buf, err = seal.CompactData(buf[:0], data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseLine(b *testing.B) {
	line := record(0)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := seal.ParseLine(line); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendLine(b *testing.B) {
	l, err := seal.ParseLine(record(0))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		buf = seal.AppendLine(buf[:0], l)
	}
}
