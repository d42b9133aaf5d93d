package sm3x8

import (
	"encoding/binary"
	"hash"
	"sync"

	"github.com/emmansun/gmsm/sm3"
)

// Size is the length of a digest in bytes.
const Size = sm3.Size

const (
	lanes     = 8
	blockSize = sm3.BlockSize
	// capacity is how much of a message a lane's buffer holds. A power of two would put the same
	// place of all eight buffers into one set of the first-level cache.
	capacity = 65 * blockSize
	// few is below how many messages the lanes do not pay.
	few = 4
)

// state is word i of lane l at [i][l].
type state [8][lanes]uint32

// initial is the state before the first block.
var initial = [8]uint32{0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e}

// compressor takes the next blocks of eight messages into their states; in points at the blocks
// of each lane, words is room for the expanded message.
type compressor func(s *state, in *[lanes]*byte, words *[68][lanes]uint32, blocks int)

// compress is the fastest compressor of this processor, nil if it has none.
var compress = best()

// MaxPrefix is how long a prefix may be, in bytes.
const MaxPrefix = 1024

// Sum sets dst[i] to SM3(prefix ‖ msgs[i]). dst must have room for msgs; a prefix longer than
// MaxPrefix is a mistake of the caller and panics. It is safe for concurrent use and allocates
// nothing that it does not give back.
func Sum(dst [][Size]byte, prefix []byte, msgs [][]byte) { sum(compress, dst, prefix, msgs) }

// SumPairs sets dst[i] to SM3(prefix ‖ from[2i] ‖ from[2i+1]) for every whole pair. dst must have
// room for len(from)/2 digests and may be the beginning of from.
func SumPairs(dst [][Size]byte, prefix byte, from [][Size]byte) {
	sumPairs(compress, dst, prefix, from)
}

// engine is the memory of one call.
type engine struct {
	words [68][lanes]uint32 // first, where it is aligned
	s     state
	in    [lanes]*byte
	lane  [lanes]lane
	buf   [lanes][capacity + blockSize]byte // the padding may need one more block
}

// lane is one message under way.
type lane struct {
	dst    *[Size]byte // nil: the lane is idle
	rest   []byte      // of the message, not yet in the buffer
	size   uint64      // of prefix and message, bytes
	padded bool        // the padding is in the buffer
	at     int         // of the next block in the buffer, bytes
	blocks int         // from there on
}

var engines = sync.Pool{New: func() any { return new(engine) }}

func sum(c compressor, dst [][Size]byte, prefix []byte, msgs [][]byte) {
	if len(prefix) > MaxPrefix {
		panic("sm3x8: prefix too long")
	}
	dst = dst[:len(msgs)]
	if c == nil || len(msgs) < few {
		one := hashers.Get().(*hasher)
		for i, m := range msgs {
			one.sum(&dst[i], prefix, m, nil)
		}
		hashers.Put(one)
		return
	}
	e := engines.Get().(*engine)
	next, active := 0, 0
	for l := range lanes {
		e.lane[l] = lane{}
		if next < len(msgs) {
			e.start(l, &dst[next], prefix, msgs[next])
			next, active = next+1, active+1
		}
	}
	for active > 0 {
		step := len(e.buf[0]) / blockSize
		for l := range e.lane {
			if m := &e.lane[l]; m.dst != nil {
				step = min(step, m.blocks)
			}
			e.in[l] = &e.buf[l][e.lane[l].at] // an idle lane's work is thrown away
		}
		c(&e.s, &e.in, &e.words, step)
		for l := range e.lane {
			m := &e.lane[l]
			if m.dst == nil {
				continue
			}
			m.at, m.blocks = m.at+step*blockSize, m.blocks-step
			switch {
			case m.blocks > 0:
			case !m.padded:
				e.fill(l, 0)
			default:
				e.digest(l, m.dst)
				if *m = (lane{}); next < len(msgs) {
					e.start(l, &dst[next], prefix, msgs[next])
					next++
				} else {
					active--
				}
			}
		}
	}
	engines.Put(e) // its lanes are idle: no message is kept
}

// start gives a lane a message.
func (e *engine) start(l int, dst *[Size]byte, prefix, msg []byte) {
	for i, w := range initial {
		e.s[i][l] = w
	}
	e.lane[l] = lane{dst: dst, rest: msg, size: uint64(len(prefix) + len(msg))}
	e.fill(l, copy(e.buf[l][:], prefix))
}

// fill puts what comes next of a message into its lane's buffer, from off on: capacity bytes, or
// the message's end and its padding.
func (e *engine) fill(l, off int) {
	m, buf := &e.lane[l], &e.buf[l]
	n := off + copy(buf[off:capacity], m.rest)
	m.rest = m.rest[n-off:]
	if m.at = 0; len(m.rest) > 0 {
		m.blocks = capacity / blockSize
		return
	}
	m.padded = true
	m.blocks = pad(buf[:], n, m.size) / blockSize
}

// pad writes the padding of a message of size bytes that ends at n and returns where that ends.
func pad(buf []byte, n int, size uint64) int {
	end := (n + 1 + 8 + blockSize - 1) / blockSize * blockSize
	buf[n] = 0x80
	clear(buf[n+1 : end-8])
	binary.BigEndian.PutUint64(buf[end-8:end], size*8)
	return end
}

func (e *engine) digest(l int, dst *[Size]byte) {
	for i := range e.s {
		binary.BigEndian.PutUint32(dst[4*i:], e.s[i][l])
	}
}

func sumPairs(c compressor, dst [][Size]byte, prefix byte, from [][Size]byte) {
	pairs := len(from) / 2
	dst = dst[:pairs]
	if c == nil || pairs < few {
		one := hashers.Get().(*hasher)
		for i := range pairs {
			one.in[0] = prefix
			one.sum(&dst[i], one.in[:], from[2*i][:], from[2*i+1][:])
		}
		hashers.Put(one)
		return
	}
	const size, blocks = 1 + 2*Size, 2
	e := engines.Get().(*engine)
	for l := range lanes {
		e.in[l] = &e.buf[l][0]
		e.buf[l][0] = prefix
		pad(e.buf[l][:], size, size)
	}
	for i := 0; i < pairs; i += lanes {
		n := min(lanes, pairs-i)
		for w := range e.s {
			for l := range lanes {
				e.s[w][l] = initial[w]
			}
		}
		for l := range n {
			copy(e.buf[l][1:], from[2*(i+l)][:])
			copy(e.buf[l][1+Size:], from[2*(i+l)+1][:])
		}
		c(&e.s, &e.in, &e.words, blocks)
		for l := range n {
			e.digest(l, &dst[i+l])
		}
	}
	engines.Put(e)
}

// hasher hashes one message at a time, with the buffers that would otherwise be allocated for
// every call through the hash.Hash interface.
type hasher struct {
	h   hash.Hash
	in  [1]byte // a prefix that does not escape
	out [Size]byte
}

var hashers = sync.Pool{New: func() any { return &hasher{h: sm3.New()} }}

func (s *hasher) sum(dst *[Size]byte, prefix, a, b []byte) {
	s.h.Reset()
	s.h.Write(prefix)
	s.h.Write(a)
	s.h.Write(b)
	s.h.Sum(s.out[:0])
	*dst = s.out
}
