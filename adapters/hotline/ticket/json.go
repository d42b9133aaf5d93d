package ticket

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of JSON from outside.
const (
	MaxJSON  = 1 << 20 // bytes of one message
	MaxDepth = 32      // levels of nesting
)

// ErrJSON is every way in which bytes are not the JSON a caller asked for.
var ErrJSON = errors.New("ticket: JSON not accepted")

// Decode reads one JSON value strictly into v: at most [MaxJSON] bytes, [MaxDepth] levels, valid UTF-8, no member twice,
// none v does not have (names are compared exactly), nothing behind the value. Errors wrap [ErrJSON] and never quote a
// value, since it may be personal data.
func Decode(data []byte, v any) error {
	if err := CheckJSON(data); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v, json.RejectUnknownMembers(true)); err != nil {
		var se *json.SemanticError
		if errors.As(err, &se) {
			return fmt.Errorf("%w: does not fit at %q", ErrJSON, string(se.JSONPointer))
		}
		return fmt.Errorf("%w: %w", ErrJSON, err)
	}
	return nil
}

// CheckJSON applies the rules of [Decode] that do not depend on a type, for instance to a vendor's answer. Its cost
// grows with len(data) only, whatever the nesting.
func CheckJSON(data []byte) error {
	if len(data) > MaxJSON {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrJSON, len(data), MaxJSON)
	}
	dec := jsontext.NewDecoder(bytes.NewReader(data))
	for first := true; ; first = false {
		if _, err := dec.ReadToken(); err == io.EOF && !first {
			return nil
		} else if err != nil {
			return fmt.Errorf("%w: malformed at byte %d (%q)", ErrJSON, dec.InputOffset(), string(dec.StackPointer()))
		}
		if dec.StackDepth() > MaxDepth {
			return fmt.Errorf("%w: deeper than %d levels", ErrJSON, MaxDepth)
		}
	}
}

// Encode writes v as one line of JSON, members in the order of the type, so that equal values have equal bytes.
func Encode(v any) ([]byte, error) { return json.Marshal(v, json.Deterministic(true)) }
