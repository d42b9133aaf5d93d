package gateway_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"fayi/gateway"
	"fayi/gateway/problem"
	"fayi/outbox"
)

// A type that a source deletes too much of waits, visibly, until an operator's
// token lets it pass; a dry run changes nothing.
func TestBrakesOverTheAPI(t *testing.T) {
	w := theAPI(t)
	own := w.Member(yulin).Token
	const typ, n = "service_venue", 30
	publish := func(op outbox.Op) {
		w.tx(t, yulin, func(tx *sql.Tx) error {
			for i := range n {
				key := fmt.Sprintf("API-BRAKE-%d", i)
				r := outbox.Record{Type: typ, Key: key, Op: op}
				if op == outbox.Put {
					r.Payload = example(t, typ, key, nil)
				}
				if err := outbox.Publish(t.Context(), tx, r); err != nil {
					return err
				}
			}
			return nil
		})
	}
	before := w.stream(t, yulin, up(yulin, typ)).Seq
	publish(outbox.Put)
	w.quiet(t)
	if got := w.stream(t, yulin, up(yulin, typ)); got.Seq != before+n {
		t.Fatalf("the stream ends at %d after %d", got.Seq, before)
	}
	publish(outbox.Del)
	held := func(token string) (out []gateway.HeldStatus) {
		var page struct{ Held []gateway.HeldStatus }
		w.ask(t, yulin, token, "GET", "/v1/brakes", nil).read(t, &page)
		return page.Held
	}
	w.eventually(t, yulin, "the type is held", func() bool { return len(held(own)) == 1 })
	if h := held(own)[0]; h.Source != "main" || h.Type != typ || h.Why != "deletes" || h.Count != n || h.Limit != 20 || h.Keys < n || h.Waiting["del"] != n {
		t.Errorf("%+v", h)
	}
	for _, token := range []string{aidToken, readerToken, deskToken} {
		if h := held(token); len(h) != 0 {
			t.Errorf("%q sees %+v", token, h)
		}
	}
	say := func(token string, v map[string]any) answer {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return w.ask(t, yulin, token, "POST", "/v1/brakes", raw)
	}
	confirm := map[string]any{"source": "main", "type": typ, "decision": "confirm"}
	say(own, confirm).refused(t, http.StatusForbidden, problem.Forbidden)
	say(deskToken, map[string]any{"source": "main", "type": typ, "decision": "maybe"}).refused(t, http.StatusBadRequest, problem.BadRequest)
	say(deskToken, map[string]any{"source": "main", "type": typ, "decision": "confirm", "op": "del"}).refused(t, http.StatusBadRequest, problem.BadRequest)
	say(deskToken, map[string]any{"source": "main", "typ": typ}).refused(t, http.StatusBadRequest, problem.Malformed)
	say(deskToken, map[string]any{"source": "main", "type": "lawyer", "decision": "refuse"}).refused(t, http.StatusNotFound, problem.NotFound)
	var said struct {
		Source, Type, Decision string
		Rows                   int64
		DryRun                 bool `json:"dry_run"`
	}
	confirm["dry_run"] = true
	say(deskToken, confirm).read(t, &said)
	if said.Rows != n || !said.DryRun || len(held(own)) != 1 {
		t.Errorf("dry run: %+v, %d held", said, len(held(own)))
	}
	confirm["dry_run"] = false
	say(deskToken, confirm).read(t, &said)
	w.quiet(t)
	if got := w.stream(t, yulin, up(yulin, typ)); got.Seq != before+2*n || said.Rows != n || len(held(own)) != 0 {
		t.Errorf("stream ends at %d, %+v, %d held", got.Seq, said, len(held(own)))
	}
}
