package seal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
)

// Suite is the only suite of protocol v1: SM2 signatures (uid
// 1234567812345678), SM3, SM4-128-GCM, gzip. The list is closed.
const Suite = "SM2-SM3-SM4GCM-1"

// Limits of protocol §2.
const (
	MaxHeader    = 4 << 10   // bytes of a header
	MaxLines     = 1000      // lines of a segment
	MaxLineBytes = 512 << 10 // bytes of all lines of a segment, line feeds included
	MaxLine      = 256 << 10 // bytes of one line
	MaxReaders   = 64
	MaxChain     = 8
	MaxBody      = MaxLineBytes + 64<<10 // bytes of a sealed body: incompressible lines, padding, nonce and tag
	maxPosition  = 1 << 53
)

// Errors that a receiver tells apart (protocol §3).
var (
	ErrMalformed = errors.New("malformed header")
	ErrSuite     = errors.New("unknown suite")
)

// Header is a segment's signed header. Field order is wire order.
type Header struct {
	V      int       `json:"v"`
	Suite  string    `json:"suite"`
	Stream string    `json:"stream"`
	Gen    uint64    `json:"gen"`   // Unix second the generation was opened
	First  uint64    `json:"first"` // number of the first line
	Count  uint64    `json:"count"` // lines, 1…1000
	Prev   sign.Hash `json:"prev"`  // SM3 of the header before; zeros at the beginning
	Root   sign.Hash `json:"root"`  // Merkle root over the lines
	Schema string    `json:"schema"`
	Time   sign.Time `json:"time"` // the origin's claim, never a reason to refuse
	Key    sign.Hash `json:"key"`  // SM3 of the signing certificate
}

// KeyOf reads the key from the bytes of a header that was parsed before, as those
// of stored segments were: it is their last member. It looks at nothing else.
func KeyOf(header []byte) (key sign.Hash, ok bool) {
	const before, after = `,"key":"`, `"}`
	from := len(header) - len(after) - hex.EncodedLen(len(key))
	if from < len(before) || string(header[from-len(before):from]) != before || string(header[len(header)-len(after):]) != after {
		return key, false
	}
	_, err := hex.Decode(key[:], header[from:len(header)-len(after)])
	return key, err == nil
}

// Last is the number of the segment's last line.
func (h *Header) Last() uint64 { return h.First + h.Count - 1 }

// Type is the record type of the segment's stream.
func (h *Header) Type() string {
	s, _ := sign.ParseStream(h.Stream)
	return s.Type
}

var schemaRef = regexp.MustCompile(`^([a-z][a-z0-9_]{1,47})@([1-9][0-9]{0,8})#([0-9a-f]{64})$`)

// ParseHeader reads a header's bytes: canonical, of a known version and suite,
// its numbers within bounds, its schema of the stream's own type. Steps 1–4 of
// protocol §3 that need nothing but the bytes.
func ParseHeader(data []byte) (*Header, error) {
	if len(data) > MaxHeader {
		return nil, fmt.Errorf("%w: %d bytes", ErrMalformed, len(data))
	}
	for _, c := range data {
		if c >= 0x80 {
			return nil, fmt.Errorf("%w: not ASCII", ErrMalformed)
		}
	}
	var h Header
	if err := sign.Unmarshal(data, &h); err != nil {
		return nil, err
	}
	if h.V != 1 || h.Suite != Suite {
		return nil, fmt.Errorf("%w: v %d, %q", ErrSuite, h.V, h.Suite)
	}
	if err := h.check(); err != nil {
		return nil, err
	}
	return &h, nil
}

func (h *Header) check() error {
	s, err := sign.ParseStream(h.Stream)
	if err != nil {
		return err
	}
	ref := schemaRef.FindStringSubmatch(h.Schema)
	switch {
	case ref == nil || ref[1] != s.Type:
		return fmt.Errorf("%w: schema %q", ErrMalformed, h.Schema)
	case h.Gen == 0 || h.First == 0 || h.Count == 0 || h.Count > MaxLines || h.Last() >= maxPosition:
		return fmt.Errorf("%w: gen %d, first %d, count %d", ErrMalformed, h.Gen, h.First, h.Count)
	}
	return nil
}

// VerifyHeader checks the signature over the header's bytes as they came.
func VerifyHeader(cert *keys.Certificate, header, sig []byte) error {
	return cert.Verify(keys.SegmentV1, header, sig)
}

// HeaderKey reads the signer's key off a header's bytes, whose last member it is,
// without judging the rest: for headers that were judged when they were stored.
func HeaderKey(header []byte) (key sign.Hash, ok bool) {
	const before, after = `,"key":"`, `"}`
	at := len(header) - len(after) - 2*len(key)
	if at < len(before) || string(header[at-len(before):at]) != before || string(header[at+2*len(key):]) != after {
		return key, false
	}
	_, err := hex.Decode(key[:], header[at:at+2*len(key)])
	return key, err == nil
}
