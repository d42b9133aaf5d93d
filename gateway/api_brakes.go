package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"fayi/gateway/problem"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
	"fayi/outbox"
)

// HeldStatus is a record type of a source that waits for a person (design §5, brakes).
type HeldStatus struct {
	Source  string           `json:"source"`
	Type    string           `json:"type"`
	Why     string           `json:"why"`     // deletes or changes
	Count   int64            `json:"count"`   // how many there would have been within the window
	Limit   int64            `json:"limit"`   // how many pass without a person
	Keys    int64            `json:"keys"`    // the source has of the type
	Waiting map[string]int64 `json:"waiting"` // rows by operation, counted to outbox.MaxWaiting
	Since   time.Time        `json:"since"`
}

// Held lists the types that wait for a person, of all sources.
func (n *Node) Held(ctx context.Context) ([]HeldStatus, error) {
	out := []HeldStatus{}
	for _, s := range n.sequencers {
		counter, err := s.Source.Counter(ctx, n.cfg.Store)
		if err != nil {
			return nil, err
		}
		held, err := sequencer.HeldOf(ctx, n.cfg.Store, s.Source, counter)
		if err != nil {
			return nil, err
		}
		for _, h := range held {
			out = append(out, HeldStatus{h.Source, h.Type, h.Why, h.Count, h.Limit, h.Live, h.Waiting, h.Since})
		}
	}
	return out, nil
}

// getBrakes lists what waits for a person, of the source and the types that the
// token may publish.
func (n *Node) getBrakes(k *APIKey, w http.ResponseWriter, r *http.Request) error {
	all, err := n.Held(r.Context())
	if err != nil {
		return err
	}
	out := []HeldStatus{}
	for _, h := range all {
		if (k.Source == "" || k.Source == h.Source) && may(k.Publish, h.Type) {
			out = append(out, h)
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"held": out})
	return nil
}

// decision is what an operator says about a held type.
type decision struct {
	Source   string `json:"source"`
	Type     string `json:"type"`
	Decision string `json:"decision"` // confirm or refuse
	Op       string `json:"op"`       // of a refusal: put or del only
	DryRun   bool   `json:"dry_run"`
}

// maxSmall bounds requests that carry no record.
const maxSmall = 16 << 10

// readLimited reads a request of at most max bytes whose members are all known.
func readLimited(w http.ResponseWriter, r *http.Request, max int64, into any) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, max))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return problem.Wrap(problem.Malformed, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return problem.New(problem.Malformed, "bytes behind the object")
	}
	return nil
}

// postBrakes lets an operator's word stand for the rows that wait now.
func (n *Node) postBrakes(k *APIKey, w http.ResponseWriter, r *http.Request) error {
	if !k.Operate {
		return problem.New(problem.Forbidden, "operate")
	}
	var d decision
	if err := readLimited(w, r, maxSmall, &d); err != nil {
		return err
	}
	if d.Decision != "confirm" && d.Decision != "refuse" || d.Op != "" && (d.Decision != "refuse" || d.Op != string(outbox.Put) && d.Op != string(outbox.Del)) {
		return problem.New(problem.BadRequest, "decision is confirm or refuse; op, put or del, goes with refuse")
	}
	for _, s := range n.sequencers {
		if s.Source.Name != d.Source {
			continue
		}
		counter, err := s.Source.Counter(r.Context(), n.cfg.Store)
		if err != nil {
			return err
		}
		rows, err := sequencer.Decide(r.Context(), n.cfg.Store, d.Source, d.Type, d.Decision == "refuse", d.Op, "token "+k.Name, counter, d.DryRun)
		if errors.Is(err, store.ErrNoBrake) {
			break
		}
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, map[string]any{"source": d.Source, "type": d.Type, "decision": d.Decision, "rows": rows, "dry_run": d.DryRun})
		return nil
	}
	return problem.New(problem.NotFound, "no such type waits: %s %s", clipText(d.Source), clipText(d.Type))
}
