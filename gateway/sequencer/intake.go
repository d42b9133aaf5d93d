package sequencer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/intake"
	"fayi/gateway/replicate"
	"fayi/outbox"
	"fayi/schemas"
)

// record is a row that may be published.
type record struct {
	row      *outbox.Row
	key      string
	schema   *schemas.Type
	data     []byte // compact; nil for del
	x        []byte // the line's open member; nil for none
	streams  []string
	keyHash  [16]byte
	contents [32]byte
}

// judged is a row and what the checks said of it: the record, or why it is none.
type judged struct {
	row    *outbox.Row
	rec    *record
	faults schemas.Faults
}

// intake puts a judged row among the batch's records or rejections.
func (b *batch) intake(j *judged) {
	switch {
	case b.refused(j.row):
		return
	case len(j.faults) > 0:
		b.reject(j.row, j.faults)
	default:
		b.records = append(b.records, j.rec)
	}
	b.try(j)
}

// judge checks rows and hashes what may be published. Nothing of the batch
// changes: several goroutines may judge for one.
func (b *batch) judge(rows []outbox.Row) []judged {
	out := make([]judged, len(rows))
	recs := make([]*record, 0, len(rows))
	for i := range rows {
		j := &out[i]
		j.row = &rows[i]
		if j.rec, j.faults = b.guarded(j.row); len(j.faults) == 0 {
			recs = append(recs, j.rec)
		}
	}
	b.s.hashes.fill(recs)
	return out
}

// guarded checks one row. One that makes the checks panic has a fault like any
// other and blocks nobody.
func (b *batch) guarded(row *outbox.Row) (rec *record, faults schemas.Faults) {
	defer func() {
		if p := recover(); p != nil {
			b.s.Log.Error("a row made the checks panic", "source", b.s.Source.Name, "row", row.ID, "panic", fmt.Sprint(p))
			rec, faults = nil, schemas.Faults{intake.Fault(intake.Internal, "")}
		}
	}()
	return b.check(row)
}

// check returns the record or everything that is wrong with the row.
func (b *batch) check(row *outbox.Row) (*record, schemas.Faults) {
	s := b.s
	rec := &record{row: row, key: string(row.Key)}
	var ok bool
	if rec.schema, ok = b.registry.Current(row.Type); !ok {
		return nil, schemas.Faults{intake.Fault(intake.UnknownType, "")}
	}
	var faults schemas.Faults
	own := s.Source.Name == replicate.OwnSource
	if system := rec.schema.System(); system != own || !own && !b.permits(row) {
		faults = append(faults, intake.Fault(intake.NotYours, ""))
	}
	faults = append(faults, intake.Key(row.Key)...)
	switch {
	case row.Op != seal.Put && row.Op != seal.Del:
		faults = append(faults, intake.Fault(outbox.CodeOp, ""))
	case row.Oversize || row.Size > seal.MaxLine:
		faults = append(faults, intake.Fault(outbox.CodeTooLarge, ""))
	case row.Op == seal.Put && row.Null, row.Op == seal.Del && !row.Null:
		faults = append(faults, intake.Fault(outbox.CodePayload, ""))
	case row.Op == seal.Put:
		faults = append(faults, b.contents(rec, row.Payload)...)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	if rec.streams = b.route(rec); len(rec.streams) == 0 {
		return nil, schemas.Faults{intake.Fault(intake.NoRoute, "")}
	}
	return rec, nil
}

// contents checks a put's payload and keeps what will be sealed.
func (b *batch) contents(rec *record, payload []byte) (faults schemas.Faults) {
	if rec.data, rec.x, faults = intake.Contents(rec.schema, payload); len(faults) > 0 {
		return faults
	}
	return intake.SameKey(rec.schema, rec.key, rec.data)
}

// permits reports whether the source may publish this row (design §5,
// sources). An op or a key that is none is a fault of its own.
func (b *batch) permits(row *outbox.Row) bool {
	src := &b.s.Source
	return (slices.Contains(src.Types, "*") || slices.Contains(src.Types, row.Type)) &&
		(len(src.Ops) == 0 || slices.Contains(src.Ops, row.Op) || row.Op != seal.Put && row.Op != seal.Del) &&
		(strings.HasPrefix(string(row.Key), src.Prefix) || len(row.Key) == 0)
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
	case replicate.TypeNode, replicate.TypePack:
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
