package sm3x8

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/emmansun/gmsm/sm3"
	second "github.com/tjfoc/gmsm/sm3"
	"pgregory.net/rapid"
)

// ways are all that this processor can do, the one at a time among them.
func ways() map[string]compressor {
	all := compressors()
	all["one at a time"] = nil
	return all
}

func one(prefix byte, parts ...[]byte) [Size]byte {
	return sm3.Sum(append([]byte{prefix}, bytes.Join(parts, nil)...))
}

// checkSum hashes messages in every way and compares with gmsm.
func checkSum(t testing.TB, prefix byte, msgs [][]byte) {
	t.Helper()
	for name, c := range ways() {
		got := make([][Size]byte, len(msgs))
		sum(c, got, []byte{prefix}, msgs)
		for i, m := range msgs {
			if want := one(prefix, m); got[i] != want {
				t.Fatalf("%s: message %d of %d, %d bytes: %x, want %x", name, i, len(msgs), len(m), got[i], want)
			}
		}
	}
}

// checkPairs does the same for a level of a tree, also where the level above overwrites it.
func checkPairs(t testing.TB, prefix byte, from [][Size]byte) {
	t.Helper()
	for name, c := range ways() {
		apart := make([][Size]byte, len(from)/2)
		sumPairs(c, apart, prefix, from)
		over := append([][Size]byte(nil), from...)
		sumPairs(c, over, prefix, over)
		for i := range apart {
			want := one(prefix, from[2*i][:], from[2*i+1][:])
			if apart[i] != want || over[i] != want {
				t.Fatalf("%s: pair %d of %d hashes: %x and %x, want %x", name, i, len(from), apart[i], over[i], want)
			}
		}
	}
}

// The example of GB/T 32905 A.1 and of A.2, beside each other.
func TestStandardExamples(t *testing.T) {
	abcd := bytes.Repeat([]byte("abcd"), 16)
	for msg, want := range map[string]string{
		"abc":        "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
		string(abcd): "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
	} {
		for name, c := range ways() {
			msgs := make([][]byte, 11)
			for i := range msgs {
				msgs[i] = []byte(msg[1:])
			}
			got := make([][Size]byte, len(msgs))
			sum(c, got, []byte(msg[:1]), msgs)
			for i := range got {
				if hex.EncodeToString(got[i][:]) != want {
					t.Errorf("%s: %q in place %d: %x", name, msg, i, got[i])
				}
			}
		}
	}
}

// Every length around the ends of blocks and of the lanes' buffers, in every lane.
func TestEveryLength(t *testing.T) {
	var lengths []int
	for n := range 3 * blockSize {
		lengths = append(lengths, n)
	}
	for _, end := range []int{capacity, 2 * capacity} {
		for n := end - blockSize - 10; n < end+blockSize+10; n++ {
			lengths = append(lengths, n)
		}
	}
	text := make([]byte, 3*capacity)
	rand.NewChaCha8([32]byte{1}).Read(text)
	msgs := make([][]byte, len(lengths))
	for shift := range lanes {
		for i, n := range lengths {
			msgs[(i+shift)%len(msgs)] = text[i : i+n]
		}
		checkSum(t, byte(shift), msgs)
	}
}

func TestEqualToOneAtATime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "text")
		lengths := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(0, 3*capacity)), 0, 40).Draw(t, "lengths")
		msgs := make([][]byte, len(lengths))
		for i, n := range lengths {
			msgs[i] = bytes.Repeat(text, n/len(text)+1)[:n]
		}
		prefix := rapid.Byte().Draw(t, "prefix")
		tb := t
		for name, c := range ways() {
			got := make([][Size]byte, len(msgs))
			sum(c, got, []byte{prefix}, msgs)
			for i, m := range msgs {
				if want := [Size]byte(second.Sm3Sum(append([]byte{prefix}, m...))); got[i] != want || want != one(prefix, m) {
					tb.Fatalf("%s: message %d of %d, %d bytes", name, i, len(msgs), len(m))
				}
			}
		}
	})
}

// Prefixes of any allowed length, none among them.
func TestPrefixes(t *testing.T) {
	text := make([]byte, 2*capacity)
	rand.NewChaCha8([32]byte{4}).Read(text)
	for _, n := range []int{0, 1, 55, 63, 64, 65, 100, MaxPrefix} {
		for name, c := range ways() {
			msgs := make([][]byte, 11)
			for i := range msgs {
				msgs[i] = text[i : i+i*i*50]
			}
			got := make([][Size]byte, len(msgs))
			sum(c, got, text[:n], msgs)
			for i, m := range msgs {
				if want := sm3.Sum(append(bytes.Clone(text[:n]), m...)); got[i] != want {
					t.Errorf("%s: prefix of %d bytes, message of %d: %x", name, n, len(m), got[i])
				}
			}
		}
	}
}

func TestPairsEqualToOneAtATime(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{2})
	for n := range 70 {
		from := make([][Size]byte, n)
		for i := range from {
			rng.Read(from[i][:])
		}
		checkPairs(t, byte(n), from)
	}
}

// Engines are given back and taken again by others: nothing of one call may show in another.
func TestConcurrentCalls(t *testing.T) {
	for g := range 8 {
		t.Run(fmt.Sprint(g), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(g), 1))
			for range 200 {
				msgs := make([][]byte, rng.IntN(20))
				for i := range msgs {
					msgs[i] = bytes.Repeat([]byte{byte(rng.Uint32())}, rng.IntN(6000))
				}
				checkSum(t, byte(g), msgs)
			}
		})
	}
}

func FuzzSum(f *testing.F) {
	f.Add(byte(0), uint16(3), []byte("司法公证"))
	f.Add(byte(1), uint16(1500), bytes.Repeat([]byte("x"), 13000))
	f.Fuzz(func(t *testing.T, prefix byte, cut uint16, text []byte) {
		var msgs [][]byte
		for i := 0; len(text) > 0; i++ {
			n := min(len(text), (int(cut)*(i+1))%(2*capacity)+1)
			msgs = append(msgs, text[:n])
			text = text[n:]
		}
		checkSum(t, prefix, msgs)
		var level [][Size]byte
		for _, m := range msgs {
			level = append(level, one(prefix, m))
		}
		checkPairs(t, prefix, level)
	})
}

// Leaves of a full segment of 1.5 KB records, and the nodes over 1,000.
func BenchmarkSum(b *testing.B) {
	text := make([]byte, 64<<10)
	rand.NewChaCha8([32]byte{3}).Read(text)
	msgs := make([][]byte, 340)
	total := 0
	for i := range msgs {
		n := 1450 + 37*i%200
		msgs[i] = text[i : i+n]
		total += n
	}
	dst := make([][Size]byte, len(msgs))
	level := make([][Size]byte, 1000)
	for name, c := range ways() {
		b.Run("leaves/"+name, func(b *testing.B) {
			b.SetBytes(int64(total))
			for b.Loop() {
				sum(c, dst, []byte{0}, msgs)
			}
		})
		b.Run("nodes/"+name, func(b *testing.B) {
			for b.Loop() {
				sumPairs(c, level[:500], 1, level)
			}
		})
	}
}
