package seal

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"fayi/crypto/keys"
	"fayi/crypto/merkle"
	"fayi/crypto/sign"

	"github.com/emmansun/gmsm/sm4"
	"github.com/klauspost/compress/gzip"
)

// Segment is a sealed segment: the signed header, which is the same at every
// node for ever, and one container of its lines.
type Segment struct {
	Header Header
	Bytes  []byte    // the header as signed
	Hash   sign.Hash // SM3(Bytes): the segment's identity
	Sig    []byte
	Body   []byte
	Key    []byte // content key, 16 bytes; never leaves the process unwrapped
}

// Reader is one reader's copy of the content key.
type Reader struct {
	To      sign.Hash // SM3 of the reader's encryption certificate
	Wrapped []byte    // content key wrapped by SM2, GM/T 0009 DER
}

// Draft is what the origin decides about a segment before it is sealed.
type Draft struct {
	Stream string
	Gen    uint64
	First  uint64
	Prev   sign.Hash
	Schema string
	Time   sign.Time
}

// Seal makes a segment of lines, each as AppendLine wrote it, without line
// feeds, numbered d.First and up. It draws a fresh content key and nonce.
func Seal(d Draft, lines [][]byte, signer keys.Signer) (*Segment, error) {
	segs, err := Chain(d, []Group{{d.Schema, lines}}, signer, nil)
	if err != nil {
		return nil, err
	}
	return segs[0], nil
}

// Group is what becomes one segment of a [Chain].
type Group struct {
	Schema string
	Lines  [][]byte
}

// Chain makes consecutive segments of one stream, the first as d says, each with
// the hash of the one before. Only the short headers follow from each other; the
// hashing before and the packing, encrypting and signing after are shared out
// over the processor's cores. So is each, if not nil, which is called once a
// segment, by several goroutines at once. After an error there are no segments.
func Chain(d Draft, groups []Group, signer keys.Signer, each func(i int, s *Segment) error) ([]*Segment, error) {
	segs := make([]*Segment, len(groups))
	err := share(len(groups), func(i int) error {
		lines := groups[i].Lines
		if len(lines) == 0 || len(lines) > MaxLines {
			return fmt.Errorf("seal: %d lines", len(lines))
		}
		segs[i] = &Segment{Header: Header{
			V: 1, Suite: Suite, Stream: d.Stream, Gen: d.Gen, Count: uint64(len(lines)), Root: sign.Hash(merkle.Root(merkle.LeafHashes(lines))),
			Schema: groups[i].Schema, Time: d.Time, Key: sign.Hash(signer.ID()),
		}}
		return nil
	})
	if err != nil {
		return nil, err
	}
	first, prev := d.First, d.Prev
	for _, seg := range segs {
		seg.Header.First, seg.Header.Prev = first, prev
		if err := seg.Header.check(); err != nil {
			return nil, fmt.Errorf("seal: %w", err)
		}
		if seg.Bytes, err = sign.Marshal(&seg.Header); err != nil {
			return nil, fmt.Errorf("seal: %w", err)
		}
		seg.Hash = sign.Sum(seg.Bytes)
		first, prev = first+seg.Header.Count, seg.Hash
	}
	err = share(len(segs), func(i int) (err error) {
		seg := segs[i]
		// Signed last: there is no signed header whose lines cannot be sealed.
		if seg.Body, seg.Key, err = SealBody(seg.Bytes, groups[i].Lines); err != nil {
			return err
		}
		if seg.Sig, err = signer.Sign(keys.SegmentV1, seg.Bytes); err != nil {
			return fmt.Errorf("seal: %w", err)
		}
		if each != nil {
			return each(i, seg)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return segs, nil
}

// ErrPanic is returned where sealing panicked, in whatever goroutine: of a signer, say.
var ErrPanic = errors.New("seal: panic")

// share calls f for 0…n-1, on as many cores as there are. A panic of f is an
// error, since in a goroutine nobody else could catch it.
func share(n int, do func(i int) error) error {
	f := func(i int) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("%w: %v", ErrPanic, p)
			}
		}()
		return do(i)
	}
	if n == 1 {
		return f(0)
	}
	errs := make([]error, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				errs[i] = f(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

var zippers = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}}

// SealBody puts lines into a new container under the header, with a new
// content key and nonce: a content key encrypts exactly one byte string
// (protocol §2). The lines must be those the header's root covers; they are
// refused where no reader could cut them apart again or the limits are exceeded.
func SealBody(header []byte, lines [][]byte) (body, key []byte, err error) {
	size := 0
	for _, l := range lines {
		if len(l) > MaxLine {
			return nil, nil, fmt.Errorf("seal: line of %d bytes", len(l))
		}
		if bytes.IndexByte(l, '\n') >= 0 {
			return nil, nil, errors.New("seal: line feed within a line")
		}
		size += len(l) + 1
	}
	if size > MaxLineBytes {
		return nil, nil, fmt.Errorf("seal: %d bytes of lines", size)
	}
	// nonce ‖ u32 length ‖ gzip member ‖ zeros; encrypted in place after the nonce.
	buf := bytes.NewBuffer(make([]byte, 0, size/2+2048))
	var secret [16 + nonceSize]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return nil, nil, err
	}
	buf.Write(secret[16:])
	buf.Write(make([]byte, 4))
	z := zippers.Get().(*gzip.Writer)
	defer zippers.Put(z)
	z.Reset(buf)
	for _, l := range lines {
		z.Write(l)
		z.Write(lineFeed)
	}
	if err := z.Close(); err != nil {
		return nil, nil, err
	}
	plain := buf.Bytes()[nonceSize:]
	binary.BigEndian.PutUint32(plain, uint32(len(plain)-4))
	if pad := -len(plain) & (padTo - 1); pad > 0 {
		buf.Write(make([]byte, pad))
	}
	key = secret[:16:16]
	aead, err := bodyCipher(key)
	if err != nil {
		return nil, nil, err
	}
	all := buf.Bytes()
	body = aead.Seal(all[:nonceSize], all[:nonceSize], all[nonceSize:], bodyAAD(header))
	return body, key, nil
}

const (
	nonceSize = 12
	tagSize   = 16
	padTo     = 1024
)

var lineFeed = []byte{'\n'}

func bodyCipher(key []byte) (cipher.AEAD, error) {
	block, err := sm4.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// bodyAAD binds a body to its header.
func bodyAAD(header []byte) []byte {
	h := sign.Sum(append([]byte("fayi-body-v1\x00"), header...))
	return h[:]
}

// WrapFor wraps a content key for each certificate.
func WrapFor(key []byte, certs ...*keys.Certificate) ([]Reader, error) {
	out := make([]Reader, 0, len(certs))
	for _, c := range certs {
		w, err := c.Wrap(key)
		if err != nil {
			return nil, fmt.Errorf("wrap for %s: %w", c.ID(), err)
		}
		out = append(out, Reader{To: sign.Hash(c.ID()), Wrapped: w})
	}
	return out, nil
}
