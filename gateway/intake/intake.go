// Package intake judges a record before it may enter a stream: its key, its
// bytes, its schema (protocol §2, promise P8). The sequencer judges rows with
// it, and everything that takes records from people first (the local API, the
// command line) judges with it too, so that all doors say the same thing in the
// same words. It is pure and safe for concurrent use.
package intake

import (
	"encoding/json"
	"errors"

	"fayi/crypto/seal"
	"fayi/outbox"
	"fayi/schemas"

	"golang.org/x/text/unicode/norm"
)

// Codes of records that cannot be published, beside those of schemas and outbox
// and of seal.DataError.
const (
	UnknownType = "UNKNOWN_TYPE"
	NotYours    = "NOT_YOURS"
	NoRoute     = "NO_ROUTE"
	KeyMismatch = "KEY_MISMATCH"
	KeyNFC      = "KEY_NOT_NFC"
	Internal    = "INTERNAL"
	Brake       = "BRAKE"
	Poison      = "POISON"
)

// lineOverhead is more than what a line adds to key and data.
const lineOverhead = 1024

// Key judges a record key: 1–128 bytes of UTF-8 in NFC, no outer spaces, no
// control characters (design §5).
func Key(key []byte) schemas.Faults {
	if err := outbox.CheckKey(key); err != nil {
		return schemas.Faults{outboxFault(err)}
	}
	if !norm.NFC.IsNormal(key) {
		return schemas.Faults{Fault(KeyNFC, "")}
	}
	return nil
}

// Contents judges a record's JSON by the byte rules, then by its schema, and
// returns it without insignificant white space: the bytes that are sealed, which
// are payload itself where nothing had to be taken away. Where the schema refuses
// it, what the pack declares (x-normalise) is done to the values that are at
// fault; if that makes the record valid, it is returned so, with x, the line's
// open member that says what was changed (protocol §2). Otherwise the faults are
// those of the record as it came.
func Contents(t *schemas.Type, payload []byte) (data, x []byte, faults schemas.Faults) {
	if len(payload)+outbox.MaxKey+lineOverhead <= seal.MaxLine && t.Exact(payload) {
		return payload, nil, nil
	}
	data, err := seal.CompactData(make([]byte, 0, len(payload)), payload)
	var de *seal.DataError
	if errors.As(err, &de) {
		return nil, nil, schemas.Faults{Fault(de.Code, de.Pointer)}
	}
	if faults := t.Validate(data); len(faults) > 0 {
		better, changes := t.Normalise(data, faults)
		if len(changes) == 0 || len(t.Validate(better)) > 0 {
			return nil, nil, faults
		}
		data = better
		if x, err = changed(changes); err != nil {
			return nil, nil, schemas.Faults{Fault(Internal, "")}
		}
	}
	if len(data)+len(x)+outbox.MaxKey+lineOverhead > seal.MaxLine {
		return nil, nil, schemas.Faults{Fault(outbox.CodeTooLarge, "")}
	}
	return data, x, nil
}

// Changed is what a line's open member says of values that were changed.
type Changed struct {
	Normalised []schemas.Change `json:"normalised"`
}

// changed writes the open member as the protocol's byte rules want it.
func changed(changes []schemas.Change) ([]byte, error) {
	raw, err := json.Marshal(Changed{changes})
	if err != nil {
		return nil, err
	}
	return seal.CompactData(nil, raw)
}

// SameKey judges whether the key is what the record's own key field says.
func SameKey(t *schemas.Type, key string, data []byte) schemas.Faults {
	field := t.KeyField()
	if field == "" {
		return nil
	}
	if own, err := t.Key(data); err != nil || own != key {
		return schemas.Faults{Fault(KeyMismatch, "/"+field)}
	}
	return nil
}
