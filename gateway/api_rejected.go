package gateway

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"fayi/crypto/seal"
	"fayi/gateway/problem"
	"fayi/outbox"
)

// refusedRow is a rejected row, its contents only where one is asked for.
type refusedRow struct {
	ID       uint64          `json:"id"`
	Source   string          `json:"source"`
	Type     string          `json:"type"`
	Key      string          `json:"key"`
	Op       string          `json:"op"`
	Code     string          `json:"code"`
	Faults   json.RawMessage `json:"faults"`
	State    string          `json:"state"`
	Rejected time.Time       `json:"rejected_at"`
	Payload  *string         `json:"payload,omitempty"`
}

func refused(x *outbox.Rejected) refusedRow {
	return refusedRow{ID: x.ID, Source: x.Source, Type: x.Row.Type, Key: string(x.Row.Key), Op: x.Row.Op, Code: x.Code, Faults: x.Faults, State: string(x.State), Rejected: x.RejectedAt}
}

// sees reports whether a token may see and mend a rejected row.
func (k *APIKey) sees(x *outbox.Rejected) bool {
	return (k.Source == "" || k.Source == x.Source) && may(k.Publish, x.Row.Type)
}

// Bounds of one answer: rows listed, rows resubmitted.
const maxRejected, maxRetried = 100, 1000

// rejectedFilter reads which rejected rows are meant.
func rejectedFilter(q url.Values) (f outbox.Filter, err error) {
	f = outbox.Filter{Source: q.Get("source"), State: outbox.State(q.Get("state")), Type: q.Get("type"), Code: q.Get("code"), Key: q.Get("key"), Limit: maxRejected}
	if v := q.Get("after"); v != "" {
		if f.AfterID, err = strconv.ParseUint(v, 10, 64); err != nil {
			return f, problem.New(problem.BadRequest, "after")
		}
	}
	for name, at := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		if v := q.Get(name); v != "" {
			if *at, err = time.Parse(time.RFC3339, v); err != nil {
				return f, problem.New(problem.BadRequest, "%s is a time such as 2026-11-20T09:00:00+08:00", name)
			}
		}
	}
	return f, nil
}

// getRejected lists what could not be published, with the reasons, by id: of
// the source and the types that the token may publish. With an id it shows that
// one, contents included, so that it can be mended.
func (n *Node) getRejected(k *APIKey, w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	if v := q.Get("id"); v != "" {
		id, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return problem.New(problem.BadRequest, "id")
		}
		x, err := n.rejectedRow(r.Context(), k, id)
		if err != nil {
			return err
		}
		out := refused(x)
		if !x.Row.Null {
			text := string(x.Row.Payload)
			out.Payload = &text
		}
		writeJSON(w, http.StatusOK, out)
		return nil
	}
	f, err := rejectedFilter(q)
	if err != nil {
		return err
	}
	out := []refusedRow{}
	err = n.eachRejected(r.Context(), k, f, maxRejected, func(x *outbox.Rejected) { out = append(out, refused(x)) })
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"rejected": out})
	return nil
}

// rejectedRow is one row the token sees; another is not found.
func (n *Node) rejectedRow(ctx context.Context, k *APIKey, id uint64) (*outbox.Rejected, error) {
	x, err := outbox.GetRejected(ctx, n.cfg.Store.DB(), n.cfg.Store.Dialect(), id)
	if errors.Is(err, outbox.ErrNotFound) || err == nil && !k.sees(&x) {
		return nil, problem.New(problem.NotFound, "rejected %d", id)
	}
	return &x, err
}

// eachRejected calls f for the rows of a filter that the token sees, at most max.
func (n *Node) eachRejected(ctx context.Context, k *APIKey, filter outbox.Filter, max int, f func(*outbox.Rejected)) error {
	for found, more := 0, true; more && found < max; {
		rows, err := outbox.ListRejected(ctx, n.cfg.Store.DB(), n.cfg.Store.Dialect(), filter)
		if err != nil {
			return err
		}
		for i := range rows {
			filter.AfterID = rows[i].ID
			if k.sees(&rows[i]) && found < max {
				f(&rows[i])
				found++
			}
		}
		more = len(rows) == filter.Limit
	}
	return nil
}

// retry is what is to be resubmitted: rows by id, or open ones by filter.
type retry struct {
	IDs    []uint64        `json:"ids"`
	Source string          `json:"source"`
	Type   string          `json:"type"`
	Code   string          `json:"code"`
	Key    string          `json:"key"` // beginning of the record key
	Since  string          `json:"since"`
	Until  string          `json:"until"`
	Data   json.RawMessage `json:"data"` // corrected contents, for one id
	DryRun bool            `json:"dry_run"`
}

// retriedRow is what became of one.
type retriedRow struct {
	ID      uint64 `json:"id"`
	Outcome string `json:"outcome"` // resubmitted, superseded, would_resubmit, or a code
}

// postRejected puts rejected rows back into the outbox, mended or as they are. A
// row whose key has a later version is closed as superseded instead.
func (n *Node) postRejected(k *APIKey, w http.ResponseWriter, r *http.Request) error {
	var q retry
	if err := readLimited(w, r, seal.MaxLine+maxSmall, &q); err != nil {
		return err
	}
	f, err := rejectedFilter(url.Values{"source": {q.Source}, "type": {q.Type}, "code": {q.Code}, "key": {q.Key}, "since": {q.Since}, "until": {q.Until}})
	if err != nil {
		return err
	}
	filtered := f != (outbox.Filter{Limit: f.Limit})
	switch {
	case filtered == (len(q.IDs) > 0):
		return problem.New(problem.BadRequest, "ids, or one of source, type, code, key, since, until")
	case len(q.Data) > 0 && len(q.IDs) != 1:
		return problem.New(problem.BadRequest, "data goes with one id")
	case len(q.IDs) > maxRetried:
		return problem.New(problem.TooLarge, "over %d ids", maxRetried)
	}
	ids := q.IDs
	if filtered {
		f.State = outbox.StateOpen
		if err := n.eachRejected(r.Context(), k, f, maxRetried, func(x *outbox.Rejected) { ids = append(ids, x.ID) }); err != nil {
			return err
		}
	}
	out, left := []retriedRow{}, 0
	for _, id := range ids {
		outcome, err := n.retry(r.Context(), k, id, q.Data, q.DryRun)
		if err != nil {
			return err
		}
		if outcome != string(outbox.StateResubmitted) && outcome != wouldResubmit {
			left++
		}
		out = append(out, retriedRow{id, outcome})
	}
	writeJSON(w, http.StatusOK, map[string]any{"dry_run": q.DryRun, "records": out, "not_resubmitted": left, "more": filtered && len(ids) == maxRetried})
	return nil
}

const wouldResubmit = "would_resubmit"

// retry resubmits one row in a transaction of its own and says what became of it.
func (n *Node) retry(ctx context.Context, k *APIKey, id uint64, data []byte, dry bool) (outcome string, err error) {
	x, err := n.rejectedRow(ctx, k, id)
	switch {
	case problem.Code(err) == problem.NotFound:
		return problem.NotFound, nil
	case err != nil:
		return "", err
	case x.State != outbox.StateOpen:
		return outbox.CodeNotOpen, nil
	}
	table := ""
	for _, s := range n.sequencers[1:] { // the first is the node's own
		if s.Source.Name == x.Source && s.Source.DB == nil {
			table = s.Source.Table
		}
	}
	switch {
	case table == "": // removed, or a business database the node does not write to
		return "NO_SOURCE", nil
	case dry:
		return wouldResubmit, nil
	}
	superseded := false
	err = n.cfg.Store.InTx(ctx, func(tx *sql.Tx) error {
		err := outbox.Resubmit(ctx, tx, n.cfg.Store.Dialect(), table, id, data, nil)
		if superseded = errors.Is(err, outbox.ErrSuperseded); superseded {
			return nil // the mark is to be committed
		}
		return err
	})
	var refused *outbox.Error
	switch {
	case errors.As(err, &refused):
		return refused.Code, nil
	case superseded:
		return string(outbox.StateSuperseded), err
	}
	return string(outbox.StateResubmitted), err
}
