package call

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"

	"fayi/crypto/seal"
	"fayi/gateway/problem"
)

// Binary is the media type of messages in binary form: u32 length ‖ body ‖ u16
// length ‖ signature ‖ frames, nothing after. Whoever sends Accept with it is
// answered so; a call may be sent so to who has answered so.
const Binary = "application/vnd.fayi.frames"

const (
	maxBody = 8 << 20 // bytes of a signed body in binary form
	maxSig  = 128
	buffer  = 64 << 10
)

// binaryMessage is a message's binary form as it is written, in pieces: bodies of
// frames stay where they are. It returns the size of all of them too.
func binaryMessage(body, sig []byte, frames []seal.Frame) (pieces [][]byte, size int64, err error) {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, len(body)+256), uint32(len(body)))
	b = append(b, body...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(sig)))
	b = append(b, sig...)
	for i := range frames {
		if b, err = frames[i].AppendBinary(b); err != nil {
			return nil, 0, err
		}
		pieces = append(pieces, b, frames[i].Body)
		size += int64(len(b) + len(frames[i].Body))
		b = nil
	}
	if len(frames) == 0 {
		pieces, size = append(pieces, b), int64(len(b))
	}
	return pieces, size, nil
}

// readAll gives pieces back one after the other.
func readAll(pieces [][]byte) io.ReadCloser {
	rs := make([]io.Reader, len(pieces))
	for i, p := range pieces {
		rs[i] = bytes.NewReader(p)
	}
	return io.NopCloser(io.MultiReader(rs...))
}

// binaryBody reads a message's signed part. What follows on the reader returned
// are its frames: they are read only once the signature holds.
func binaryBody(r io.Reader) (body, sig []byte, rest *bufio.Reader, err error) {
	rest = bufio.NewReaderSize(r, buffer)
	var n [4]byte
	if _, err := io.ReadFull(rest, n[:]); err != nil {
		return nil, nil, nil, unreadable(err)
	}
	size := binary.BigEndian.Uint32(n[:])
	if size > maxBody {
		return nil, nil, nil, problem.New(problem.TooLarge, "a body of %d bytes", size)
	}
	var buf bytes.Buffer // grows as the bytes come, whatever was promised
	if _, err := io.CopyN(&buf, rest, int64(size)); err != nil {
		return nil, nil, nil, unreadable(err)
	}
	if _, err := io.ReadFull(rest, n[:2]); err != nil {
		return nil, nil, nil, unreadable(err)
	}
	if size = uint32(binary.BigEndian.Uint16(n[:2])); size > maxSig {
		return nil, nil, nil, problem.New(problem.Malformed, "a signature of %d bytes", size)
	}
	sig = make([]byte, size)
	if _, err := io.ReadFull(rest, sig); err != nil {
		return nil, nil, nil, unreadable(err)
	}
	return buf.Bytes(), sig, rest, nil
}

// binaryFrames reads as many frames as the signed body lists, and the end.
func binaryFrames(rest *bufio.Reader, listed int) ([]seal.Frame, error) {
	if listed > MaxFrames {
		return nil, problem.New(problem.TooLarge, "%d frames", listed)
	}
	var out []seal.Frame
	for range listed {
		f, err := seal.ReadFrame(rest)
		if err != nil {
			return nil, unreadable(err)
		}
		out = append(out, f)
	}
	if _, err := rest.ReadByte(); err != io.EOF {
		if err == nil {
			return nil, problem.New(problem.FramesDiffer, "more than the %d frames listed", listed)
		}
		return nil, unreadable(err)
	}
	return out, nil
}

// unreadable says why a message could not be read off the wire.
func unreadable(err error) error {
	var big *http.MaxBytesError
	var known *problem.Error
	switch {
	case errors.As(err, &big):
		return problem.New(problem.TooLarge, "over %d bytes", MaxMessage)
	case errors.As(err, &known):
		return known
	}
	return problem.Wrap(problem.Malformed, err)
}

// isBinary reports whether a header names the binary form.
func isBinary(h http.Header, name string) bool { return strings.Contains(h.Get(name), Binary) }
