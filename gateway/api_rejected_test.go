package gateway_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"fayi/gateway/problem"
	"fayi/outbox"
)

// A business system reads its own rejected records over HTTP, mends one and
// resubmits others by filter, seeing first how many; nobody else's are touched.
func TestRejectedAreMendedOverTheAPI(t *testing.T) {
	w := theAPI(t)
	own := w.Member(yulin).Token
	began := time.Now().Add(-time.Minute).Format(time.RFC3339)
	const n = 5
	w.tx(t, yulin, func(tx *sql.Tx) error {
		for i := range n {
			if err := outbox.Publish(t.Context(), tx, outbox.Record{Type: "service_venue", Key: fmt.Sprintf("API-M%d", i), Payload: []byte(`{"bad":1}`)}); err != nil {
				return err
			}
		}
		return outbox.PublishTo(t.Context(), tx, "outbox_aid", outbox.Record{Type: "legal_aid_case", Key: "API-M-AID", Payload: []byte(`{}`)})
	})
	w.quiet(t)
	type row struct {
		ID                                 uint64
		Source, Type, Key, Op, Code, State string
		Faults                             json.RawMessage
		At                                 string `json:"rejected_at"`
		Payload                            *string
	}
	list := func(token, query string) []row {
		var page struct{ Rejected []row }
		w.ask(t, yulin, token, "GET", "/v1/rejected?"+query, nil).read(t, &page)
		return page.Rejected
	}
	mine := list(own, "key=API-M&type=service_venue&state=open&since="+strings.ReplaceAll(began, "+", "%2B"))
	if len(mine) != n {
		t.Fatalf("%d rejected, want %d", len(mine), n)
	}
	if got := list(own, "key=API-M&until="+strings.ReplaceAll(began, "+", "%2B")); len(got) != 0 {
		t.Errorf("%d rejected before they were written", len(got))
	}
	w.ask(t, yulin, own, "GET", "/v1/rejected?since=yesterday", nil).refused(t, http.StatusBadRequest, problem.BadRequest)

	var one row
	path := fmt.Sprintf("/v1/rejected?id=%d", mine[0].ID)
	w.ask(t, yulin, venueToken, "GET", path, nil).read(t, &one)
	if one.Payload == nil || *one.Payload != `{"bad":1}` || one.Key != mine[0].Key {
		t.Errorf("%+v", one)
	}
	w.ask(t, yulin, aidToken, "GET", path, nil).refused(t, http.StatusNotFound, problem.NotFound)

	var did struct {
		DryRun  bool `json:"dry_run"`
		Records []struct {
			ID      uint64
			Outcome string
		}
		Left int `json:"not_resubmitted"`
		More bool
	}
	post := func(token string, q any) answer {
		raw, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		return w.ask(t, yulin, token, "POST", "/v1/rejected", raw)
	}
	filter := map[string]any{"key": "API-M", "dry_run": true}
	post(venueToken, filter).read(t, &did)
	if len(did.Records) != n || did.Records[0].Outcome != "would_resubmit" || did.Left != 0 {
		t.Errorf("dry run: %+v", did)
	}
	if got := list(own, "key=API-M&type=service_venue&state=open"); len(got) != n {
		t.Errorf("a dry run changed something: %d open", len(got))
	}
	post(aidToken, map[string]any{"ids": []uint64{mine[0].ID}}).read(t, &did)
	if len(did.Records) != 1 || did.Records[0].Outcome != problem.NotFound || did.Left != 1 {
		t.Errorf("another system's row: %+v", did)
	}
	// One is mended, the others go back as they are and are rejected again.
	post(venueToken, map[string]any{"ids": []uint64{mine[0].ID}, "data": json.RawMessage(example(t, "service_venue", mine[0].Key, nil))}).read(t, &did)
	if did.Records[0].Outcome != "resubmitted" {
		t.Errorf("%+v", did)
	}
	filter["dry_run"] = false
	post(venueToken, filter).read(t, &did)
	if len(did.Records) != n-1 || did.Left != 0 {
		t.Errorf("%+v", did)
	}
	w.quiet(t)
	if got := list(own, "key=API-M&type=service_venue&state=open"); len(got) != n-1 || got[0].ID <= mine[n-1].ID {
		t.Errorf("%d open again", len(got))
	}
	if got := list(own, "key=API-M&type=service_venue&state=resubmitted"); len(got) != n {
		t.Errorf("%d resubmitted", len(got))
	}
	if a := w.ask(t, yulin, own, "GET", "/v1/changes?stream="+up(yulin, "service_venue")+"&limit=1000", nil); !strings.Contains(string(a.body), mine[0].Key) {
		t.Errorf("the mended record is not published: %d", a.status)
	}
	for _, q := range []map[string]any{{}, {"ids": []uint64{1}, "code": "X"}, {"code": "X", "data": map[string]any{}}} {
		post(own, q).refused(t, http.StatusBadRequest, problem.BadRequest)
	}
}
