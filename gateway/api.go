package gateway

import (
	"bytes"
	"context"
	"crypto/subtle"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/problem"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/schemas"
)

// Route is one route of the local API: what the interface catalogue lists and
// what the server serves are the same table.
type Route struct {
	Method, Pattern string
	Open            bool // needs no token
	Title           string
	handle          func(n *Node, k *APIKey, w http.ResponseWriter, r *http.Request) error
}

// Routes is the local API.
var Routes = []Route{
	{"POST", "/v1/records", false, "发布一条记录", (*Node).postRecord},
	{"GET", "/v1/changes", false, "按位置读取一个流的变化", (*Node).getChanges},
	{"GET", "/v1/streams", false, "各流的位置、回执与完整性", (*Node).getStreams},
	{"GET", "/v1/status", false, "本节点状态", (*Node).getStatus},
	{"GET", "/v1/rejected", false, "被拒记录及原因", (*Node).getRejected},
	{"POST", "/v1/rejected", false, "重新提交被拒记录", (*Node).postRejected},
	{"GET", "/v1/brakes", false, "等待人工确认的类型", (*Node).getBrakes},
	{"POST", "/v1/brakes", false, "放行或拒绝等待确认的类型", (*Node).postBrakes},
	{"GET", "/healthz", true, "进程存活", (*Node).getHealth},
	{"GET", "/readyz", true, "可以服务", (*Node).getReady},
}

// maxRecord bounds a posted record: a line's limit and the wrapper around it.
const maxRecord = seal.MaxLine + 4096

func (n *Node) localAPI() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range Routes {
		mux.HandleFunc(rt.Method+" "+rt.Pattern, func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if p := recover(); p != nil {
					n.cfg.Log.ErrorContext(r.Context(), "handler panicked", "path", rt.Pattern, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
					writeProblem(w, problem.New(problem.Internal, ""), nil)
				}
			}()
			var key *APIKey
			if !rt.Open {
				if key = n.apiKey(r); key == nil {
					writeProblem(w, problem.New(problem.Unauthorized, ""), nil)
					return
				}
			}
			if err := rt.handle(n, key, w, r); err != nil {
				if problem.Code(err) == problem.Internal {
					n.cfg.Log.ErrorContext(r.Context(), "request failed", "path", rt.Pattern, "err", err)
				}
				writeProblem(w, err, nil)
			}
		})
	}
	mux.HandleFunc("/", noRoute)
	return mux
}

// noRoute answers what is not in Routes.
func noRoute(w http.ResponseWriter, r *http.Request) {
	var methods []string
	for _, rt := range Routes {
		if rt.Pattern == r.URL.Path {
			methods = append(methods, rt.Method)
		}
	}
	if len(methods) == 0 {
		writeProblem(w, problem.New(problem.NotFound, ""), nil)
		return
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	writeProblem(w, problem.New(problem.UnknownOp, "want %s", strings.Join(methods, ", ")), nil)
}

// apiKey finds the key whose token the request bears, comparing digests in
// constant time.
func (n *Node) apiKey(r *http.Request) *APIKey {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return nil
	}
	digest := sign.Sum([]byte(token))
	var found *APIKey
	for i := range n.cfg.APIKeys {
		if subtle.ConstantTimeCompare(n.cfg.APIKeys[i].SM3[:], digest[:]) == 1 {
			found = &n.cfg.APIKeys[i]
		}
	}
	return found
}

var statusOf = map[string]int{
	problem.Unauthorized: http.StatusUnauthorized, problem.Forbidden: http.StatusForbidden, problem.NotFound: http.StatusNotFound,
	problem.BadRequest: http.StatusBadRequest, problem.Malformed: http.StatusBadRequest, problem.TooLarge: http.StatusRequestEntityTooLarge,
	problem.Invalid: http.StatusUnprocessableEntity, problem.KeyReused: http.StatusConflict, problem.Gap: http.StatusConflict,
	problem.Busy: http.StatusServiceUnavailable, problem.UnknownOp: http.StatusMethodNotAllowed,
}

func writeProblem(w http.ResponseWriter, err error, faults schemas.Faults) {
	d := problem.Documented(err)
	if len(faults) > 0 {
		d.Faults = faults
	}
	status, ok := statusOf[d.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	writeJSON(w, status, d)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(v)
}

// posted is a record as the local API takes it.
type posted struct {
	Type   string          `json:"type"`
	Key    string          `json:"key"`
	Op     string          `json:"op"`
	Data   json.RawMessage `json:"data"`
	Resend bool            `json:"resend"`
}

// parsePosted reads one object of these members, each at most once and spelt
// exactly so, with nothing behind it. (encoding/json alone would take "KEY" for
// "key", the last of two, and put U+FFFD for what is not UTF-8.)
func parsePosted(raw []byte) (p posted, err error) {
	malformed := func(what string) (posted, error) { return posted{}, problem.New(problem.Malformed, "%s", what) }
	if !utf8.Valid(raw) {
		return malformed("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return malformed("want one object with type, key, op, data")
	}
	members := map[string]any{"type": &p.Type, "key": &p.Key, "op": &p.Op, "data": &p.Data, "resend": &p.Resend}
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return malformed("not JSON")
		}
		into, ok := members[name]
		if !ok {
			return malformed("member unknown or repeated: " + clipText(name))
		}
		delete(members, name)
		if err := dec.Decode(into); err != nil {
			return malformed("member " + name)
		}
	}
	if _, err := dec.Token(); err != nil {
		return malformed("not JSON")
	}
	if _, err := dec.Token(); err != io.EOF {
		return malformed("bytes behind the object")
	}
	return p, nil
}

// accepted is the answer to a record that was taken.
type accepted struct {
	State string `json:"state"` // queued: it will be published, or appear in exchange_rejected
	Type  string `json:"type"`
	Key   string `json:"key"`
	Since string `json:"since"`
}

// postRecord puts one record into the outbox. It is judged first, so that a
// person at a form sees every fault at once; the sequencer judges it again. The
// Idempotency-Key is remembered in the transaction that inserts the row.
func (n *Node) postRecord(k *APIKey, w http.ResponseWriter, r *http.Request) error {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRecord))
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return problem.New(problem.TooLarge, "over %d bytes", maxRecord)
	}
	if err != nil {
		return problem.Wrap(problem.Malformed, err)
	}
	p, err := n.readPosted(r, raw)
	var bad *faultyXML
	if errors.As(err, &bad) {
		writeProblem(w, err, bad.list())
		return nil
	}
	if err != nil {
		return err
	}
	if p.Op == "" {
		p.Op = seal.Put
	}
	if !may(k.Publish, p.Type) {
		return problem.New(problem.Forbidden, "publish %s", clipText(p.Type))
	}
	src, s := n.source(k)
	if s == nil {
		return problem.New(problem.Forbidden, "source %s", k.Source)
	}
	rec := outbox.Record{Type: p.Type, Key: p.Key, Op: outbox.Op(p.Op), Payload: p.Data, Resend: p.Resend}
	if string(p.Data) == "null" {
		rec.Payload = nil
	}
	faults, err := s.Check(r.Context(), rec)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		writeProblem(w, problem.New(problem.Invalid, "%d faults", len(faults)), faults)
		return nil
	}
	idem := r.Header.Get("Idempotency-Key")
	if len(idem) > 256 {
		return problem.New(problem.BadRequest, "Idempotency-Key is longer than 256 bytes")
	}
	answer, err := json.Marshal(accepted{State: "queued", Type: p.Type, Key: p.Key, Since: sign.Now().String()})
	if err != nil {
		return err
	}
	err = n.cfg.Store.InTx(r.Context(), func(tx *sql.Tx) error {
		if idem != "" {
			before, err := n.cfg.Store.Remember(r.Context(), tx, store.Hash(sign.Sum([]byte(k.Name+"\x00"+idem))), store.Hash(sign.Sum(raw)), answer)
			if err != nil {
				return err
			}
			if before != nil {
				answer = before
				return nil
			}
		}
		return outbox.PublishTo(r.Context(), tx, src.Table, rec)
	})
	var refused *outbox.Error
	switch {
	case errors.Is(err, store.ErrKeyReused):
		return problem.New(problem.KeyReused, "")
	case errors.As(err, &refused):
		return problem.New(problem.Invalid, "%s", refused.Code)
	case err != nil:
		return err
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusAccepted)
	w.Write(append(answer, '\n'))
	return nil
}

// source is what records posted under a key count as.
func (n *Node) source(k *APIKey) (src sequencer.Source, s *sequencer.Sequencer) {
	for _, s := range n.sequencers[1:] { // the first is the node's own
		if k.Source == "" || s.Source.Name == k.Source {
			return s.Source, s
		}
	}
	return sequencer.Source{}, nil
}

// clipText shortens what a caller sent before it is sent back.
func clipText(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), 64)], "")
}

func (n *Node) getHealth(_ *APIKey, w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

// getReady is true when the database answers.
func (n *Node) getReady(_ *APIKey, w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	if err := n.cfg.Store.DB().PingContext(ctx); err != nil {
		return problem.Wrap(problem.Busy, err)
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ready", "node": n.cfg.Node})
	return nil
}
