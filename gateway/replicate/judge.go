package replicate

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/intake"
	"fayi/gateway/problem"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/schemas"
)

// System types are the federation's own records. They are judged like others
// but never answered by rejection records, or two nodes could answer each other
// for ever (protocol §3).
const (
	TypeNode      = "exchange_node"
	TypePack      = "exchange_pack"
	TypeRejection = "exchange_rejection"
)

// System reports whether a record type belongs to the federation itself.
func System(recordType string) bool {
	return recordType == TypeNode || recordType == TypePack || recordType == TypeRejection
}

// OwnOutbox is the table in which a node puts its own records; their source is
// named OwnSource.
const (
	OwnOutbox = "fayi_outbox"
	OwnSource = "sys"
)

// rejection is one line this node refuses.
type rejection struct {
	stream  sign.Stream
	gen     uint64
	seq     uint64
	code    string
	pointer string
	pack    string
}

// judgeLines is step 10 for a reader. What is a fault of the container stops
// the run; what is a fault of the origin is stored and answered by a rejection.
// Where the pack the header names is not here, nothing is judged: the lines are
// held until it arrives.
func (e *Engine) judgeLines(s sign.Stream, h *seal.Header, lines [][]byte) opened {
	for i, l := range lines {
		if seq, _, ok := seal.ParseErased(l); ok {
			if seq != h.First+uint64(i) {
				return opened{verdict: problem.CannotOpen}
			}
			return opened{verdict: problem.LeafNoOrder} // no standing order names it
		}
	}
	pack, ok := e.Schemas().ByRef(h.Schema)
	if !ok {
		return opened{verdict: problem.OK, held: true}
	}
	o := opened{verdict: problem.OK, refused: Judge(pack, h, s.Type, lines)}
	for i := range o.refused {
		o.refused[i].stream, o.refused[i].pack = s, h.Schema
	}
	return o
}

// Judge checks lines against the byte rules and against exactly the pack their
// header names, and returns what is refused.
func Judge(pack *schemas.Type, h *seal.Header, recordType string, lines [][]byte) []rejection {
	var out []rejection
	for i, raw := range lines {
		seq := h.First + uint64(i)
		refuse := func(code, pointer string) {
			out = append(out, rejection{gen: h.Gen, seq: seq, code: code, pointer: pointer})
		}
		// One pass over a line that is right; whatever it does not accept is judged, and explained, by the rest.
		if l, ok := seal.ParseEnvelope(raw); ok && l.Seq == seq && pack.Exact(l.Data) && len(intake.SameKey(pack, l.Key, l.Data)) == 0 {
			continue
		}
		l, err := seal.ParseLine(raw)
		var de *seal.DataError
		switch {
		case errors.As(err, &de):
			refuse(problem.LineInvalid, de.Pointer)
			continue
		case err != nil || l.Seq != seq:
			refuse(problem.LineInvalid, "")
			continue
		case l.Op == seal.Del:
			continue
		}
		if faults := pack.Validate(l.Data); len(faults) > 0 {
			refuse(faults[0].Code, faults[0].Pointer)
			continue
		}
		if faults := intake.SameKey(pack, l.Key, l.Data); len(faults) > 0 {
			refuse(faults[0].Code, faults[0].Pointer)
		}
	}
	return out
}

// RejectionKey is the key of an exchange_rejection record: <16 hex of
// SM3(stream)>:gen:seq (protocol §7).
func RejectionKey(stream string, gen, seq uint64) string {
	h := sign.Sum([]byte(stream))
	return fmt.Sprintf("%s:%d:%d", hex.EncodeToString(h[:8]), gen, seq)
}

// RejectionRecord is the data of an exchange_rejection record: where and why,
// never a value.
type RejectionRecord struct {
	Origin  string `json:"origin"`
	Stream  string `json:"stream"`
	Gen     uint64 `json:"gen"`
	Seq     uint64 `json:"seq"`
	Code    string `json:"code"`
	Pointer string `json:"pointer"`
	Pack    string `json:"pack"`
	Time    string `json:"time"`
}

// publishRejections puts what was refused into the node's own outbox, in the
// transaction that stores the lines, so that each is reported once.
func (e *Engine) publishRejections(ctx context.Context, tx *sql.Tx, rs []rejection) error {
	for _, r := range rs {
		if System(r.stream.Type) || r.stream.Audience == sign.Test {
			continue
		}
		data, err := json.Marshal(RejectionRecord{
			Origin: r.stream.Origin, Stream: r.stream.String(), Gen: r.gen, Seq: r.seq,
			Code: r.code, Pointer: r.pointer, Pack: r.pack, Time: sign.At(time.Now()).String(),
		})
		if err != nil {
			return err
		}
		rec := outbox.Record{Type: TypeRejection, Key: RejectionKey(r.stream.String(), r.gen, r.seq), Op: outbox.Put, Payload: data}
		if err := outbox.PublishTo(ctx, tx, OwnOutbox, rec); err != nil {
			return err
		}
	}
	return nil
}

// JudgeHeld judges what was stored while its pack was missing, stream by
// stream, as far as packs now allow. It is called when packs arrive and at
// start, and returns the streams that moved.
func (e *Engine) JudgeHeld(ctx context.Context) ([]string, error) {
	streams, err := e.Store.StreamsUnjudged(ctx)
	if err != nil {
		return nil, err
	}
	var moved []string
	var errs []error
	for i := range streams {
		st := &streams[i]
		s, err := sign.ParseStream(st.Name)
		if err != nil || s.Origin == e.me() || !e.Directory.InAudience(s, e.me()) || st.Checked == st.Pos {
			continue
		}
		n, err := e.judgeStream(ctx, st, s)
		if err != nil {
			errs = append(errs, err) // a damaged body holds up its own stream alone
		}
		if n > 0 {
			moved = append(moved, st.Name)
			e.Hub.Stream(st.Name)
		}
	}
	return moved, errors.Join(errs...)
}

// judgeStream judges segments after st.Checked until one's pack is missing.
func (e *Engine) judgeStream(ctx context.Context, st *store.Stream, s sign.Stream) (n int, err error) {
	for {
		segs, err := e.Store.SegmentsAfter(ctx, st.ID, st.Checked, 8, 4<<20)
		if err != nil {
			return n, err
		}
		for i := range segs {
			h, lines, err := e.Lines(&segs[i])
			if err != nil {
				return n, fmt.Errorf("judge %s gen %d first %d: %w", st.Name, segs[i].Gen, segs[i].First, err)
			}
			pack, ok := e.Schemas().ByRef(h.Schema)
			if !ok {
				if st.State == stateHeld && st.Detail == h.Schema {
					return n, nil
				}
				return n, e.Store.SetState(ctx, st.ID, stateHeld, h.Schema)
			}
			var refused []store.Refusal
			var records []rejection
			for _, r := range Judge(pack, h, s.Type, lines) {
				r.stream, r.pack = s, h.Schema
				records = append(records, r)
				refused = append(refused, store.Refusal{Gen: r.gen, Seq: r.seq, Code: r.code, Pointer: r.pointer})
			}
			to := store.Pos{Gen: h.Gen, Seq: h.Last()}
			err = e.Store.SetChecked(ctx, st.ID, st.Checked, to, refused, func(ctx context.Context, tx *sql.Tx) error {
				return e.publishRejections(ctx, tx, records)
			})
			if errors.Is(err, store.ErrCheckedMoved) {
				return n, nil // another process judges too
			}
			if err != nil {
				return n, err
			}
			st.Checked = to
			n++
		}
		if len(segs) == 0 {
			if st.State == stateHeld {
				return n, e.Store.SetState(ctx, st.ID, "", "")
			}
			return n, nil
		}
	}
}
