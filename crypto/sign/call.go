package sign

import (
	"encoding/json"
	"fmt"
)

// Call is the signed body of a request (protocol §5). To is under the
// signature, so a call recorded on one link is worth nothing on another.
type Call struct {
	V      int             `json:"v"`
	From   string          `json:"from"`
	To     string          `json:"to"`
	Op     string          `json:"op"`
	Key    Hash            `json:"key"` // SM3 of the caller's signing certificate
	Time   Time            `json:"time"`
	Nonce  Nonce           `json:"nonce"`
	Frames []Hash          `json:"frames"` // SM3 of each header that rides beside the body, in order
	Args   json.RawMessage `json:"args"`   // canonical object of the operation
}

// Answer is the signed body of an answer. Code inside it is the one that
// counts; the one outside is for gateways and logs.
type Answer struct {
	V      int             `json:"v"`
	From   string          `json:"from"`
	To     string          `json:"to"`
	Key    Hash            `json:"key"`
	Nonce  Nonce           `json:"nonce"` // echoed from the call
	Time   Time            `json:"time"`
	Code   string          `json:"code"`
	Frames []Hash          `json:"frames"`
	Result json.RawMessage `json:"result"`
}

// ParseCall reads a call's canonical bytes and checks names; Args is some
// object, which only [Unmarshal] into the operation's own type finds canonical.
// It does not verify the signature.
func ParseCall(body []byte) (*Call, error) {
	var c Call
	if err := Unmarshal(body, &c); err != nil {
		return nil, fmt.Errorf("call: %w", err)
	}
	if c.V != 1 || !ValidNode(c.From) || !ValidNode(c.To) || !ValidType(c.Op) {
		return nil, fmt.Errorf("call: malformed")
	}
	if c.Args[0] != '{' {
		return nil, fmt.Errorf("call: %w: args are no object", ErrNotCanonical)
	}
	return &c, nil
}

// ParseAnswer reads an answer's canonical bytes; what [ParseCall] says of Args
// holds for Result. It does not verify the signature.
func ParseAnswer(body []byte) (*Answer, error) {
	var a Answer
	if err := Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	if a.V != 1 || !ValidNode(a.From) || !ValidNode(a.To) {
		return nil, fmt.Errorf("answer: malformed")
	}
	if a.Result[0] != '{' {
		return nil, fmt.Errorf("answer: %w: result is no object", ErrNotCanonical)
	}
	return &a, nil
}
