package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/problem"
	"fayi/gateway/store"
)

// change is one line of GET /v1/changes. Data are the original bytes.
type change struct {
	Gen  uint64          `json:"gen"`
	Seq  uint64          `json:"seq"`
	Key  string          `json:"key"`
	Op   string          `json:"op"`
	At   string          `json:"at"`
	Src  string          `json:"src"`
	Data json.RawMessage `json:"data,omitempty"`
	X    json.RawMessage `json:"x,omitempty"` // the line's open member: what intake changed

	ref string // the schema its segment names, for XML
}

// changes is the answer of GET /v1/changes.
type changes struct {
	Stream  string   `json:"stream"`
	Changes []change `json:"changes"`
	Next    string   `json:"next"` // the after of the next call
	End     bool     `json:"end"`  // nothing more for now
}

const (
	defaultChanges = 1000
	maxChanges     = 5000
	changesBytes   = 8 << 20 // of lines, after which an answer ends early
)

// getChanges reads a stream by position: the caller keeps the position, and
// what it reads is exactly what was received and judged, refused lines left out
// (design §8, local API).
func (n *Node) getChanges(k *APIKey, w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	s, err := sign.ParseStream(q.Get("stream"))
	if err != nil {
		return problem.New(problem.BadRequest, "stream")
	}
	if !may(k.Read, s.Type) {
		return problem.New(problem.Forbidden, "read %s", s.Type)
	}
	at, err := ParsePos(q.Get("after"))
	if err != nil {
		return problem.New(problem.BadRequest, "after: want gen:seq")
	}
	limit := defaultChanges
	if v := q.Get("limit"); v != "" {
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > maxChanges {
			return problem.New(problem.BadRequest, "limit: 1 to %d", maxChanges)
		}
	}
	st, err := n.cfg.Store.StreamByName(r.Context(), s.String())
	if errors.Is(err, store.ErrUnknownStream) {
		return problem.New(problem.NotFound, "%s", s)
	}
	if err != nil {
		return err
	}
	out := changes{Stream: st.Name, Changes: []change{}, End: true}
	size := 0
	for at.Compare(st.Checked) < 0 {
		segs, err := n.cfg.Store.SegmentsAfter(r.Context(), st.ID, at, 1, 1)
		if err != nil {
			return err
		}
		if len(segs) == 0 {
			break
		}
		header, lines, err := n.engine.Lines(&segs[0])
		if err != nil {
			return err
		}
		refused, err := n.cfg.Store.Refusals(r.Context(), st.ID, segs[0].Gen, segs[0].First, segs[0].Last())
		if err != nil {
			return err
		}
		for i, raw := range lines {
			pos := store.Pos{Gen: segs[0].Gen, Seq: segs[0].First + uint64(i)}
			if pos.Compare(at) <= 0 {
				continue
			}
			if len(out.Changes) == limit || size > changesBytes {
				out.End = false
				break
			}
			at = pos
			if _, bad := refused[pos.Seq]; bad {
				continue
			}
			l, err := seal.ParseLine(raw)
			if err != nil {
				return err
			}
			size += len(raw)
			out.Changes = append(out.Changes, change{pos.Gen, pos.Seq, l.Key, l.Op, l.At.String(), l.Src, l.Data, l.X, header.Schema})
		}
		if !out.End {
			break
		}
	}
	out.Next = FormatPos(at)
	if wantsXML(r) {
		return n.writeChangesXML(w, s.Type, &out)
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// FormatPos writes a position as gen:seq.
func FormatPos(p store.Pos) string { return fmt.Sprintf("%d:%d", p.Gen, p.Seq) }

// ParsePos reads gen:seq; "" is the beginning.
func ParsePos(s string) (store.Pos, error) {
	if s == "" {
		return store.Pos{}, nil
	}
	g, q, ok := strings.Cut(s, ":")
	gen, err1 := strconv.ParseUint(g, 10, 53)
	seq, err2 := strconv.ParseUint(q, 10, 53)
	if !ok || err1 != nil || err2 != nil {
		return store.Pos{}, fmt.Errorf("position %q", clipText(s))
	}
	return store.Pos{Gen: gen, Seq: seq}, nil
}
