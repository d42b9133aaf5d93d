package seal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"fayi/crypto/keys"
	"fayi/crypto/merkle"
	"fayi/crypto/sign"

	"github.com/klauspost/compress/gzip"
)

// ErrCannotOpen is the one answer for every failure of unwrapping, decrypting,
// decompressing, counting or hashing (protocol §3, steps 8–9). It blames the
// container, never the origin.
var ErrCannotOpen = errors.New("cannot open")

// Unwrap finds the content key meant for u among readers.
func Unwrap(u keys.Unwrapper, readers []Reader) ([]byte, error) {
	for _, r := range readers {
		if r.To == sign.Hash(u.ID()) {
			key, err := u.Unwrap(r.Wrapped)
			if err != nil {
				return nil, ErrCannotOpen
			}
			return key, nil
		}
	}
	return nil, ErrCannotOpen
}

var unzippers = sync.Pool{New: func() any { return new(gzip.Reader) }}

// Open decrypts and decompresses a body under its header's bytes, within the
// limits of protocol §2, and checks count and root. The lines, without line
// feeds, share one buffer. A line that is only a leaf counts with the leaf it
// states: whether such a line may stand there is for the caller to judge.
func Open(h *Header, header, body, key []byte) ([][]byte, error) {
	if h.Count == 0 || h.Count > MaxLines || len(body) > MaxBody || len(body) < nonceSize+tagSize+padTo || (len(body)-nonceSize-tagSize)%padTo != 0 {
		return nil, ErrCannotOpen
	}
	aead, err := bodyCipher(key)
	if err != nil {
		return nil, ErrCannotOpen
	}
	plain, err := aead.Open(nil, body[:nonceSize], body[nonceSize:], bodyAAD(header))
	if err != nil {
		return nil, ErrCannotOpen
	}
	n := uint64(binary.BigEndian.Uint32(plain))
	if n > uint64(len(plain)-4) || uint64(len(plain))-4-n >= padTo {
		return nil, ErrCannotOpen
	}
	for _, b := range plain[4+n:] {
		if b != 0 {
			return nil, ErrCannotOpen
		}
	}
	text, err := unzip(plain[4 : 4+n])
	if err != nil {
		return nil, ErrCannotOpen
	}
	lines, ok := split(text, int(h.Count))
	if !ok || Root(lines) != h.Root {
		return nil, ErrCannotOpen
	}
	return lines, nil
}

// Root is the Merkle root over lines; a leaf-only line stands for its leaf.
func Root(lines [][]byte) sign.Hash {
	leaves := merkle.LeafHashes(lines)
	for i, l := range lines {
		if _, leaf, ok := ParseErased(l); ok {
			leaves[i] = merkle.Hash(leaf)
		}
	}
	return sign.Hash(merkle.Root(leaves))
}

// unzip reads exactly one gzip member of at most MaxLineBytes and nothing after it.
func unzip(member []byte) ([]byte, error) {
	src := bytes.NewReader(member)
	z := unzippers.Get().(*gzip.Reader)
	defer unzippers.Put(z)
	if err := z.Reset(src); err != nil {
		return nil, err
	}
	z.Multistream(false)
	// The member's own word on its size (its last four bytes) only sizes the
	// buffer; the limit holds whatever it says.
	hint := uint32(MaxLineBytes)
	if len(member) >= 4 {
		hint = min(hint, binary.LittleEndian.Uint32(member[len(member)-4:]))
	}
	buf := bytes.NewBuffer(make([]byte, 0, int(hint)+bytes.MinRead))
	if _, err := buf.ReadFrom(io.LimitReader(z, MaxLineBytes+1)); err != nil {
		return nil, err
	}
	if buf.Len() > MaxLineBytes || src.Len() != 0 {
		return nil, ErrCannotOpen
	}
	return buf.Bytes(), nil
}

// split cuts text into exactly count lines, each ended by a line feed.
func split(text []byte, count int) ([][]byte, bool) {
	lines := make([][]byte, 0, count)
	for len(text) > 0 {
		i := bytes.IndexByte(text, '\n')
		if i < 0 || len(lines) == count {
			return nil, false
		}
		lines = append(lines, text[:i:i])
		text = text[i+1:]
	}
	return lines, len(lines) == count
}
