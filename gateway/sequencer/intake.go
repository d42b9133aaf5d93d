package sequencer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/replicate"
	"fayi/outbox"
	"fayi/schemas"

	"golang.org/x/text/unicode/norm"
)

// Codes of rows that cannot be published, beside those of schemas and outbox.
const (
	codeUnknownType = "UNKNOWN_TYPE"
	codeNotYours    = "NOT_YOURS"
	codeNoRoute     = "NO_ROUTE"
	codeKeyMismatch = "KEY_MISMATCH"
	codeKeyNFC      = "KEY_NOT_NFC"
	codeInternal    = "INTERNAL"
)

// record is a row that may be published.
type record struct {
	row      *outbox.Row
	key      string
	schema   *schemas.Type
	data     []byte // compact; nil for del
	streams  []string
	keyHash  [16]byte
	contents [32]byte
}

// intake checks one row and puts it among the batch's records or rejections. A
// row that makes the checks panic is rejected too and blocks nobody.
func (b *batch) intake(row *outbox.Row) {
	defer func() {
		if p := recover(); p != nil {
			b.s.Log.Error("a row made the checks panic", "source", b.s.Source.Name, "row", row.ID, "panic", fmt.Sprint(p))
			b.reject(row, schemas.Faults{fault(codeInternal, "")})
		}
	}()
	rec, faults := b.check(row)
	if len(faults) > 0 {
		b.reject(row, faults)
		return
	}
	rec.keyHash = b.s.hashes.Key(rec.key)
	rec.contents = b.s.hashes.Contents(row.Op, rec.schema.Ref(), rec.data)
	b.records = append(b.records, rec)
}

// check returns the record or everything that is wrong with the row.
func (b *batch) check(row *outbox.Row) (*record, schemas.Faults) {
	s := b.s
	rec := &record{row: row, key: string(row.Key)}
	var ok bool
	if rec.schema, ok = b.registry.Current(row.Type); !ok {
		return nil, schemas.Faults{fault(codeUnknownType, "")}
	}
	var faults schemas.Faults
	own := s.Source.Name == replicate.OwnSource
	if system := rec.schema.System(); system != own || !own && !b.permits(row) {
		faults = append(faults, fault(codeNotYours, ""))
	}
	if err := outbox.CheckKey(row.Key); err != nil {
		faults = append(faults, outboxFault(err))
	} else if !norm.NFC.IsNormal(row.Key) {
		faults = append(faults, fault(codeKeyNFC, ""))
	}
	switch {
	case row.Op != seal.Put && row.Op != seal.Del:
		faults = append(faults, fault(outbox.CodeOp, ""))
	case row.Oversize || row.Size > seal.MaxLine:
		faults = append(faults, fault(outbox.CodeTooLarge, ""))
	case row.Op == seal.Put && row.Null, row.Op == seal.Del && !row.Null:
		faults = append(faults, fault(outbox.CodePayload, ""))
	case row.Op == seal.Put:
		faults = append(faults, b.contents(rec, row.Payload)...)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	if rec.streams = b.route(rec); len(rec.streams) == 0 {
		return nil, schemas.Faults{fault(codeNoRoute, "")}
	}
	return rec, nil
}

// contents checks a put's payload by the byte rules, then by its schema.
func (b *batch) contents(rec *record, payload []byte) schemas.Faults {
	data, err := seal.CompactData(make([]byte, 0, len(payload)), payload)
	var de *seal.DataError
	if errors.As(err, &de) {
		return schemas.Faults{fault(de.Code, de.Pointer)}
	}
	if faults := rec.schema.Validate(data); len(faults) > 0 {
		return faults
	}
	if field := rec.schema.KeyField(); field != "" {
		if key, err := rec.schema.Key(data); err != nil || key != rec.key {
			return schemas.Faults{fault(codeKeyMismatch, "/"+field)}
		}
	}
	if len(data)+len(rec.key)+lineOverhead > seal.MaxLine {
		return schemas.Faults{fault(outbox.CodeTooLarge, "")}
	}
	rec.data = data
	return nil
}

// lineOverhead is more than what a line adds to key and data.
const lineOverhead = 1024

// permits reports whether the source may publish this row (design §5, sources).
func (b *batch) permits(row *outbox.Row) bool {
	src := &b.s.Source
	return (slices.Contains(src.Types, "*") || slices.Contains(src.Types, row.Type)) &&
		(len(src.Ops) == 0 || slices.Contains(src.Ops, row.Op)) && strings.HasPrefix(string(row.Key), src.Prefix)
}

// route names the streams a record goes into.
func (b *batch) route(rec *record) []string {
	me := b.s.Directory.Me()
	stream := func(audience string) string {
		s := sign.Stream{Origin: me, Type: rec.schema.Name(), Audience: audience}
		if _, err := sign.ParseStream(s.String()); err != nil {
			return ""
		}
		return s.String()
	}
	var audiences []string
	switch rec.schema.Name() {
	case replicate.TypeNode:
		audiences = []string{sign.Public}
	case replicate.TypeRejection:
		var r struct {
			Origin string `json:"origin"`
		}
		if json.Unmarshal(rec.data, &r) == nil && r.Origin != "" {
			audiences = []string{sign.To(r.Origin)}
		}
	default:
		audiences = b.s.Audiences(rec.schema.Name())
	}
	var out []string
	for _, a := range audiences {
		if name := stream(a); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// reject puts a row among the rejected with its reasons.
func (b *batch) reject(row *outbox.Row, faults schemas.Faults) {
	data, err := json.Marshal(faults)
	if err != nil {
		data = []byte("[]")
	}
	b.rejected = append(b.rejected, outbox.Rejection{Row: *row, Code: faults[0].Code, Faults: data})
	b.tally(row.Type).Rejected++
	b.took(row, "rejected "+faults[0].Code)
}
