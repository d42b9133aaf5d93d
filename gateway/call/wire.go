package call

import (
	"encoding/json"
	"fmt"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/problem"
)

// Path is the one URL of the protocol.
const Path = "/v1/call"

// Limits.
const (
	MaxMessage = 16 << 20         // bytes of a request or answer
	MaxSkew    = 15 * time.Minute // between a call's time and the receiver's clock
	MaxFrames  = 4096
)

// Operations of protocol v1.
const (
	OpNode    = "node"
	OpHeads   = "heads"
	OpFetch   = "fetch"
	OpPush    = "push"
	OpReceipt = "receipt"
	OpNote    = "note"
	OpPing    = "ping"
)

// message is a call or an answer on the wire in its JSON form. Code and Msg, of
// answers, are for gateways and people; Body holds the code that counts.
type message struct {
	Code   string       `json:"code,omitempty"`
	Msg    string       `json:"msg,omitempty"`
	Body   []byte       `json:"body,omitempty"`
	Sign   []byte       `json:"sign,omitempty"`
	Frames []seal.Frame `json:"frames,omitempty"`
}

// Reply is what a handler answers with.
type Reply struct {
	Result any // canonical object; nil for {}
	Frames []seal.Frame
	Sent   func() // called when the answer was written, or could not be; nil for nothing
}

// empty is the result or the arguments of an operation that has none.
type empty struct{}

func hashes(frames []seal.Frame) []sign.Hash {
	out := make([]sign.Hash, len(frames))
	for i := range frames {
		out[i] = sign.Sum(frames[i].Header)
	}
	return out
}

// sameFrames reports whether the frames are those the signed body lists.
func sameFrames(listed []sign.Hash, frames []seal.Frame) error {
	if len(listed) != len(frames) || len(frames) > MaxFrames {
		return problem.New(problem.FramesDiffer, "%d frames, %d listed", len(frames), len(listed))
	}
	for i := range frames {
		if sign.Sum(frames[i].Header) != listed[i] {
			return problem.New(problem.FramesDiffer, "frame %d", i)
		}
	}
	return nil
}

// canonical marshals args or a result.
func canonical(v any) (json.RawMessage, error) {
	if v == nil {
		v = empty{}
	}
	b, err := sign.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("marshal %T: %w", v, err)
	}
	return b, nil
}

// verify checks a body's signature with a certificate from the directory.
func verify(cert *keys.Certificate, c keys.Context, body, sig []byte) error {
	if err := cert.Verify(c, body, sig); err != nil {
		return problem.Wrap(problem.BadSignature, err)
	}
	return nil
}
