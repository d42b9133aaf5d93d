package seal

import (
	"encoding/binary"
	"fmt"
	"io"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
)

// frameMagic begins every binary frame: FYSG and the version of the form.
const frameMagic = "FYSG\x01"

// maxSig bounds a frame's signature in both forms; a real one has 70 to 72 bytes.
const maxSig = 128

// BinarySize is the number of bytes of f's binary form.
func (f *Frame) BinarySize() int {
	n := len(frameMagic) + 2 + len(f.Header) + 2 + len(f.Sig) + 2 + 2 + 4 + len(f.Body)
	for i := range f.Readers {
		n += 34 + len(f.Readers[i].Wrapped)
	}
	for _, c := range f.Chain {
		n += 2 + len(c)
	}
	return n
}

// AppendBinary appends the binary form of protocol §2 but for the body, which
// follows it on the wire as it is: FYSG 0x01, u16 header, u16 signature, u16
// count of readers × (32 bytes, u16 wrapped key), u16 count of certificates ×
// (u16 DER), u32 length of the body. Numbers are big-endian.
func (f *Frame) AppendBinary(b []byte) ([]byte, error) {
	if err := f.bounds(); err != nil {
		return b, err
	}
	b = append(b, frameMagic...)
	b = appendShort(b, f.Header)
	b = appendShort(b, f.Sig)
	b = binary.BigEndian.AppendUint16(b, uint16(len(f.Readers)))
	for i := range f.Readers {
		b = append(b, f.Readers[i].To[:]...)
		b = appendShort(b, f.Readers[i].Wrapped)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(f.Chain)))
	for _, c := range f.Chain {
		b = appendShort(b, c)
	}
	return binary.BigEndian.AppendUint32(b, uint32(len(f.Body))), nil
}

func appendShort(b, part []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(part))), part...)
}

// bounds holds a frame to the limits of protocol §2 in both forms.
func (f *Frame) bounds() error {
	if len(f.Header) == 0 || len(f.Header) > MaxHeader || len(f.Sig) == 0 || len(f.Sig) > maxSig ||
		len(f.Readers) > MaxReaders || len(f.Chain) > MaxChain || len(f.Body) > MaxBody {
		return fmt.Errorf("%w: sizes", ErrFrame)
	}
	for i := range f.Readers {
		if len(f.Readers[i].Wrapped) > keys.MaxWrapped {
			return fmt.Errorf("%w: reader %d", ErrFrame, i)
		}
	}
	for i, c := range f.Chain {
		if len(c) > keys.MaxCertificate {
			return fmt.Errorf("%w: certificate %d", ErrFrame, i)
		}
	}
	return nil
}

// ReadFrame reads one binary frame off r and nothing beyond it. Every length is
// held to its bound before anything of it is allocated, and a body, the only
// large part, grows as its bytes arrive. A frame is accepted if and only if its
// JSON form would be. Errors are [ErrFrame]; one that r returned is wrapped too,
// io.ErrUnexpectedEOF where the frame is cut short. For speed r should be buffered.
func ReadFrame(r io.Reader) (Frame, error) {
	p := parts{r: r}
	var f Frame
	if string(p.take(len(frameMagic))) != frameMagic && p.err == nil {
		p.err = fmt.Errorf("%w: no frame begins here", ErrFrame)
	}
	f.Header = p.short(1, MaxHeader, "header")
	f.Sig = p.short(1, maxSig, "signature")
	f.Readers = make([]Reader, p.number(MaxReaders, "readers"))
	for i := range f.Readers {
		f.Readers[i] = Reader{To: p.hash(), Wrapped: p.short(1, keys.MaxWrapped, "wrapped key")}
		if p.err != nil {
			break
		}
		if _, err := keys.WrappedToRaw(f.Readers[i].Wrapped); err != nil || names(f.Readers[:i], f.Readers[i].To) {
			p.err = fmt.Errorf("%w: reader %d", ErrFrame, i)
			break
		}
	}
	f.Chain = make([][]byte, p.number(MaxChain, "certificates"))
	for i := range f.Chain {
		f.Chain[i] = p.short(0, keys.MaxCertificate, "certificate")
	}
	f.Body = p.body()
	return f, p.err
}

// parts reads the parts of a frame; after the first error it reads nothing.
type parts struct {
	r   io.Reader
	err error
}

func (p *parts) fail(err error) {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	p.err = fmt.Errorf("%w: %w", ErrFrame, err)
}

// take reads n bytes, which the caller has bounded.
func (p *parts) take(n int) []byte {
	if p.err != nil {
		return nil
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(p.r, b); err != nil {
		p.fail(err)
		return nil
	}
	return b
}

// number reads a u16 of at most limit.
func (p *parts) number(limit int, what string) int {
	b := p.take(2)
	if p.err != nil {
		return 0
	}
	n := int(binary.BigEndian.Uint16(b))
	if n > limit {
		p.err = fmt.Errorf("%w: %d %s", ErrFrame, n, what)
		return 0
	}
	return n
}

func (p *parts) short(least, most int, what string) []byte {
	n := p.number(most, what)
	if p.err == nil && n < least {
		p.err = fmt.Errorf("%w: no %s", ErrFrame, what)
	}
	return p.take(n)
}

func (p *parts) hash() (h sign.Hash) {
	copy(h[:], p.take(len(h)))
	return h
}

// bodyStep is how much of a body is allocated ahead of its bytes.
const bodyStep = 64 << 10

func (p *parts) body() []byte {
	b := p.take(4)
	if p.err != nil {
		return nil
	}
	n := binary.BigEndian.Uint32(b)
	if n > MaxBody {
		p.err = fmt.Errorf("%w: a body of %d bytes", ErrFrame, n)
		return nil
	}
	out := make([]byte, 0, min(int(n), bodyStep))
	for len(out) < int(n) {
		if len(out) == cap(out) {
			grown := make([]byte, len(out), min(int(n), 4*cap(out)))
			copy(grown, out)
			out = grown
		}
		m, err := io.ReadFull(p.r, out[len(out):cap(out)])
		out = out[:len(out)+m]
		if err != nil {
			p.fail(err)
			return nil
		}
	}
	return out
}
