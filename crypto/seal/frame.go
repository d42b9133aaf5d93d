package seal

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
)

// Frame is a segment as it travels: the signed header, the keys for its
// readers, the certificates of its signer, and one container.
type Frame struct {
	Header  []byte
	Sig     []byte
	Readers []Reader
	Chain   [][]byte // DER, the signer's first; a help for who lacks them, never a source of trust
	Body    []byte
}

// ErrFrame is returned for a frame that is not within the bounds of protocol §2.
var ErrFrame = errors.New("malformed frame")

// jsonFrame is the frame's JSON form; its bytes are not signed as a whole, so
// it need not be canonical: every part is judged on its own.
type jsonFrame struct {
	Header  []byte       `json:"header"`
	Sig     []byte       `json:"sig"`
	Readers []jsonReader `json:"readers"`
	Chain   [][]byte     `json:"chain"`
	Body    []byte       `json:"body"`
}

type jsonReader struct {
	To      sign.Hash `json:"to"`
	Wrapped []byte    `json:"wk"` // 04‖C1‖C3‖C2, the form other libraries take
}

// MarshalJSON writes the JSON form (protocol §2).
func (f Frame) MarshalJSON() ([]byte, error) {
	j := jsonFrame{Header: f.Header, Sig: f.Sig, Chain: f.Chain, Body: f.Body, Readers: make([]jsonReader, len(f.Readers))}
	if j.Chain == nil {
		j.Chain = [][]byte{}
	}
	for i, r := range f.Readers {
		raw, err := keys.WrappedToRaw(r.Wrapped)
		if err != nil {
			return nil, err
		}
		j.Readers[i] = jsonReader{r.To, raw}
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads the JSON form within the bounds of protocol §2, each
// reader at most once. The caller has bounded the whole message before. On an
// error f is left undefined.
func (f *Frame) UnmarshalJSON(b []byte) error {
	var j jsonFrame
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("%w: %v", ErrFrame, err)
	}
	if len(j.Readers) > MaxReaders {
		return fmt.Errorf("%w: %d readers", ErrFrame, len(j.Readers))
	}
	*f = Frame{Header: j.Header, Sig: j.Sig, Chain: j.Chain, Body: j.Body, Readers: make([]Reader, len(j.Readers))}
	if err := f.bounds(); err != nil {
		return err
	}
	for i, r := range j.Readers {
		der, err := keys.WrappedFromRaw(r.Wrapped)
		if err != nil || names(f.Readers[:i], r.To) {
			return fmt.Errorf("%w: reader %d", ErrFrame, i)
		}
		f.Readers[i] = Reader{r.To, der}
	}
	return nil
}

// EncodeReaders writes readers for storage beside a segment: for each To (32
// bytes), the length of Wrapped (u16, big-endian), Wrapped. Lists may be
// appended to one another.
func EncodeReaders(rs []Reader) []byte {
	var out []byte
	for _, r := range rs {
		out = append(out, r.To[:]...)
		out = append(out, byte(len(r.Wrapped)>>8), byte(len(r.Wrapped)))
		out = append(out, r.Wrapped...)
	}
	return out
}

// DecodeReaders reads what EncodeReaders wrote, for the first [MaxReaders] of
// different To: nodes that add to a stored list at the same time may leave a
// reader there twice, and either copy opens. Wrapped points into b.
func DecodeReaders(b []byte) ([]Reader, error) {
	var rs []Reader
	for len(b) > 0 {
		if len(b) < 34 {
			return nil, ErrFrame
		}
		n := int(b[32])<<8 | int(b[33])
		if len(b) < 34+n {
			return nil, ErrFrame
		}
		r := Reader{To: sign.Hash(b[:32]), Wrapped: b[34 : 34+n : 34+n]}
		b = b[34+n:]
		if len(rs) < MaxReaders && !names(rs, r.To) {
			rs = append(rs, r)
		}
	}
	return rs, nil
}

func names(rs []Reader, to sign.Hash) bool {
	return slices.ContainsFunc(rs, func(r Reader) bool { return r.To == to })
}
