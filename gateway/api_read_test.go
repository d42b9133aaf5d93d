package gateway_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway"
	"fayi/gateway/federation"
	"fayi/gateway/problem"
	"fayi/outbox"
	"fayi/schemas"

	"github.com/google/go-cmp/cmp"
)

// changed is a line of GET /v1/changes as its reader knows it.
type changed struct {
	Gen, Seq         uint64
	Key, Op, At, Src string
	Data             json.RawMessage
}

type changesPage struct {
	Stream  string    `json:"stream"`
	Changes []changed `json:"changes"`
	Next    string    `json:"next"`
	End     bool      `json:"end"`
}

// changes reads a stream page by page until its end, as an application would.
func (w *world) changes(t testing.TB, node, stream string, limit int) (out []changed) {
	t.Helper()
	after := ""
	for {
		a := w.ask(t, node, w.Member(node).Token, "GET", fmt.Sprintf("/v1/changes?stream=%s&after=%s&limit=%d", url.QueryEscape(stream), url.QueryEscape(after), limit), nil)
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		var page changesPage
		a.read(t, &page)
		if page.Stream != stream || len(page.Changes) > limit || !page.End && page.Next == after {
			t.Fatalf("asked for %d after %q: %s", limit, after, a.body)
		}
		out = append(out, page.Changes...)
		if page.End {
			return out
		}
		after = page.Next
	}
}

// Paging by position reads exactly what was published, each line once and in
// order, whatever the page size; lines that were refused are left out.
func TestChangesByPosition(t *testing.T) {
	w := theAPI(t)
	name := up(yulin, "legal_aid_institution")
	keys := []string{"1261080043600001X2", "12100000400002259P"}
	for i := range 12 { // versions, in a few segments
		key := keys[i%2]
		w.put(t, yulin, "legal_aid_institution", key, example(t, "legal_aid_institution", key, map[string]any{"introduction": fmt.Sprintf("第%d版", i)}))
		if i%5 == 4 {
			w.quiet(t)
		}
	}
	w.quiet(t)
	w.sealUnchecked(t, yulin, name, "bad", []byte(`{"name":"没有必填项"}`))
	w.quiet(t)
	w.put(t, yulin, "legal_aid_institution", keys[0], example(t, "legal_aid_institution", keys[0], map[string]any{"introduction": "最后"}))
	w.quiet(t)
	var want []changed
	for _, s := range w.segments(t, yulin, name) {
		_, lines, err := w.Member(yulin).Node.Engine().Lines(&s)
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range lines {
			l, err := seal.ParseLine(raw)
			if err != nil {
				t.Fatal(err)
			}
			if l.Key != "bad" {
				want = append(want, changed{s.Gen, l.Seq, l.Key, l.Op, l.At.String(), l.Src, l.Data})
			}
		}
	}
	if len(want) != 13 {
		t.Fatalf("%d good lines were published", len(want))
	}
	for _, node := range []string{province, ministry} {
		for _, limit := range []int{1, 2, 7, 13, 14, 5000} {
			if diff := cmp.Diff(want, w.changes(t, node, name, limit)); diff != "" {
				t.Errorf("%s, by %d: published (-), read (+):\n%s", node, limit, diff)
			}
		}
	}
	// From a position on.
	token := w.Member(province).Token
	var page changesPage
	w.ask(t, province, token, "GET", fmt.Sprintf("/v1/changes?stream=%s&after=%d:%d", name, want[5].Gen, want[5].Seq), nil).read(t, &page)
	if diff := cmp.Diff(want[6:], page.Changes); diff != "" || !page.End {
		t.Errorf("after the sixth (-), read (+):\n%s", diff)
	}
	// At the end, nothing, and the position stays.
	end := page.Next
	w.ask(t, province, token, "GET", "/v1/changes?stream="+name+"&after="+end, nil).read(t, &page)
	if len(page.Changes) != 0 || !page.End || page.Next != end {
		t.Errorf("at the end: %+v", page)
	}
	for query, c := range map[string]struct {
		status int
		code   string
	}{
		"":                                                   {http.StatusBadRequest, problem.BadRequest},
		"stream=legal_aid_institution":                       {http.StatusBadRequest, problem.BadRequest},
		"stream=610800/../upstream":                          {http.StatusBadRequest, problem.BadRequest},
		"stream=610800/law_firm/upstream":                    {http.StatusNotFound, problem.NotFound},
		"stream=" + name + "&limit=0":                        {http.StatusBadRequest, problem.BadRequest},
		"stream=" + name + "&limit=-1":                       {http.StatusBadRequest, problem.BadRequest},
		"stream=" + name + "&limit=5001":                     {http.StatusBadRequest, problem.BadRequest},
		"stream=" + name + "&limit=ten":                      {http.StatusBadRequest, problem.BadRequest},
		"stream=" + name + "&after=7":                        {http.StatusBadRequest, problem.BadRequest},
		"stream=" + name + "&after=1:":                       {http.StatusBadRequest, problem.BadRequest},
		"stream=" + name + "&after=-1:2":                     {http.StatusBadRequest, problem.BadRequest},
		"stream=" + name + "&after=1:2:3":                    {http.StatusBadRequest, problem.BadRequest},
		"stream=" + name + "&after=1:1e3":                    {http.StatusBadRequest, problem.BadRequest},
		"stream=" + name + "&after=1:9999999999999999999999": {http.StatusBadRequest, problem.BadRequest},
	} {
		w.ask(t, province, token, "GET", "/v1/changes?"+query, nil).refused(t, c.status, c.code)
	}
}

// An answer stays small however large the lines are.
func TestChangesAreBounded(t *testing.T) {
	w := theAPI(t)
	name := up(yanan, "consultation")
	const n = 45
	for i := range n {
		key := fmt.Sprintf("API-B%02d", i)
		w.put(t, yanan, "consultation", key, bulky(t, key))
	}
	w.quiet(t)
	a := w.ask(t, yanan, w.Member(yanan).Token, "GET", "/v1/changes?limit=5000&stream="+name, nil)
	var page changesPage
	a.read(t, &page)
	if len(a.body) > 9<<20 || page.End || len(page.Changes) == 0 {
		t.Errorf("%d bytes, %d changes, end %v", len(a.body), len(page.Changes), page.End)
	}
	if got := w.changes(t, yanan, name, 5000); len(got) != n {
		t.Errorf("%d changes in all, want %d", len(got), n)
	}
}

// bulky is a valid consultation of some 220 KiB.
func bulky(t testing.TB, key string) []byte {
	t.Helper()
	var more []map[string]string
	for range 18 {
		more = append(more, map[string]string{"kind": "0", "content": strings.Repeat("问", 4000)})
	}
	return example(t, "consultation", key, map[string]any{"followUps": more})
}

// Where streams stand, what readers acknowledged, and what is complete as of when.
func TestStreamsShowReceiptsAndCompleteness(t *testing.T) {
	w := theAPI(t)
	name := up(yulin, "hotline_ticket")
	for i := range 3 {
		key := fmt.Sprintf("API-S%d", i)
		w.put(t, yulin, "hotline_ticket", key, example(t, "hotline_ticket", key, nil))
	}
	w.quiet(t)
	if err := w.Member(yulin).Node.Engine().PublishNote(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := func(node string) (out gateway.StreamStatus) {
		var all struct {
			Streams []gateway.StreamStatus `json:"streams"`
		}
		a := w.ask(t, node, w.Member(node).Token, "GET", "/v1/streams", nil)
		a.read(t, &all)
		for _, s := range all.Streams {
			if s.Stream == name {
				out = s
			}
		}
		return out
	}
	w.eventually(t, yulin, "stored and applied receipts of both readers", func() bool {
		levels := map[string]uint64{}
		for _, r := range at(yulin).Acks {
			levels[r.Reader+" "+r.Level] = r.Upto
		}
		for _, reader := range []string{province, ministry} {
			for _, level := range []string{sign.LevelStored, sign.LevelApplied} {
				if levels[reader+" "+level] != 3 {
					return false
				}
			}
		}
		return true
	})
	w.eventually(t, ministry, "complete to 3", func() bool { s := at(ministry); return s.Upto == 3 && !s.AsOf.IsZero() })
	if here, there := at(yulin), at(ministry); here.Head != there.Head || len(here.Head) != 64 || here.LastSeq != 3 || there.Judged != 3 || there.Refused != 0 || there.State != "" {
		t.Errorf("%+v\n%+v", here, there)
	}
}

func TestStatusShowsTheNode(t *testing.T) {
	w := theAPI(t)
	w.put(t, yulin, "consultation", "API-ST", example(t, "consultation", "API-ST", nil))
	w.quiet(t)
	a := w.ask(t, yulin, w.Member(yulin).Token, "GET", "/v1/status", nil)
	var s gateway.Status
	a.read(t, &s)
	if s.Node != yulin || s.Role != "city" || s.Name != "榆林市司法局" || s.Since.IsZero() {
		t.Errorf("%s", a.body)
	}
	if len(s.Links) != 1 || s.Links[0].Peer != province || s.Links[0].Since.IsZero() || s.Links[0].Failures != 0 {
		t.Errorf("links %+v", s.Links)
	}
	var sources []string
	for _, src := range s.Sources {
		sources = append(sources, src.Source+" "+src.Table)
		if src.Waiting != 0 || !src.Leader {
			t.Errorf("%+v", src)
		}
	}
	if !slices.Contains(sources, "main exchange_outbox") || !slices.Contains(sources, "aid outbox_aid") {
		t.Errorf("sources %v", sources)
	}
	if !slices.ContainsFunc(s.Tallies, func(x gateway.TallyStatus) bool {
		return x.Source == "main" && x.Type == "consultation" && x.Accepted > 0
	}) {
		t.Errorf("tallies %+v", s.Tallies)
	}
	// The members are a contract: lower case, never null.
	var members map[string]json.RawMessage
	if err := json.Unmarshal(a.body, &members); err != nil {
		t.Fatal(err)
	}
	for name, v := range members {
		if name != strings.ToLower(name) || string(v) == "null" {
			t.Errorf("member %s: %s", name, v)
		}
	}
	if bytes.Contains(a.body, []byte(`"Source"`)) || bytes.Contains(a.body, []byte(w.Member(yulin).Token)) {
		t.Errorf("%s", a.body)
	}
}

// Rejected rows are shown to whom may publish them, without their contents.
func TestRejectedByRights(t *testing.T) {
	w := theAPI(t)
	own := w.Member(yulin).Token
	const bad = 230 // more than two pages
	for range bad / 10 {
		w.tx(t, yulin, func(tx *sql.Tx) error {
			for i := range 10 {
				if err := outbox.Publish(t.Context(), tx, outbox.Record{Type: "legal_aid_institution", Key: fmt.Sprintf("API-R%d", i), Payload: []byte(`{"name":"秘密"}`)}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	w.tx(t, yulin, func(tx *sql.Tx) error {
		if err := outbox.Publish(t.Context(), tx, outbox.Record{Type: "service_venue", Key: "API-RV", Payload: []byte(`{}`)}); err != nil {
			return err
		}
		return outbox.PublishTo(t.Context(), tx, "outbox_aid", outbox.Record{Type: "legal_aid_case", Key: "API-RA", Payload: []byte(`{}`)})
	})
	w.quiet(t)
	type row struct {
		ID     uint64
		Source string
		Type   string
		Key    string
		Op     string
		Code   string
		Faults schemas.Faults
		State  string
		At     string `json:"rejected_at"`
	}
	list := func(token, query string) (out []row) {
		t.Helper()
		a := w.ask(t, yulin, token, "GET", "/v1/rejected?"+query, nil)
		if bytes.Contains(a.body, []byte("秘密")) {
			t.Error("contents are shown")
		}
		var page struct{ Rejected []row }
		a.read(t, &page)
		return page.Rejected
	}
	// All of them, page by page.
	seen := map[uint64]bool{}
	for after := uint64(0); ; {
		page := list(own, fmt.Sprintf("type=legal_aid_institution&after=%d", after))
		if len(page) == 0 {
			break
		}
		if len(page) > 100 {
			t.Fatalf("a page of %d", len(page))
		}
		for _, r := range page {
			if r.ID <= after || seen[r.ID] || r.Code == "" || len(r.Faults) == 0 || r.State != "open" || r.Source != "main" {
				t.Errorf("%+v", r)
			}
			seen[r.ID], after = true, r.ID
		}
	}
	if len(seen) != bad {
		t.Errorf("%d rejected rows, want %d", len(seen), bad)
	}
	// What a token may not publish it does not see, and what it may is found
	// behind any number of others.
	keys := func(token, query string) (out []string) {
		for _, r := range list(token, query) {
			out = append(out, r.Key)
		}
		return out
	}
	if got := keys(venueToken, ""); !slices.Contains(got, "API-RV") || slices.Contains(got, "API-R1") || slices.Contains(got, "API-RA") {
		t.Errorf("the venue system sees %v", got)
	}
	if got := keys(aidToken, ""); !slices.Equal(got, []string{"API-RA"}) {
		t.Errorf("the legal aid system sees %v", got)
	}
	if got := keys(aidToken, "source=main"); len(got) != 0 {
		t.Errorf("asking for another source it sees %v", got)
	}
	if got := keys(readerToken, ""); len(got) != 0 {
		t.Errorf("a reader sees %v", got)
	}
	if got := keys(own, "code=NO_SUCH_CODE"); len(got) != 0 {
		t.Errorf("no such code, yet %v", got)
	}
	w.ask(t, yulin, own, "GET", "/v1/rejected?after=x", nil).refused(t, http.StatusBadRequest, problem.BadRequest)
}

// A node whose database is gone lives but is not ready, and says so to its callers.
func TestReadiness(t *testing.T) {
	dir := t.TempDir()
	f, err := federation.Build(t.Context(), federation.Options{
		Dir: dir, Specs: federation.Shaanxi()[:1], Driver: outbox.SQLite,
		DSN: func(_ context.Context, id string) (string, error) { return filepath.Join(dir, id, "fayi.db"), nil },
		Log: slog.New(slog.NewTextHandler(testOutput(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Federation: f}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	defer func() { cancel(); <-done; f.Close() }()
	token := w.Member(ministry).Token
	for path, want := range map[string]string{"/healthz": `{"status":"ok"}`, "/readyz": `{"status":"ready","node":"100000"}`} {
		a := w.ask(t, ministry, "", "GET", path, nil)
		var got, wanted map[string]string
		a.read(t, &got)
		if err := json.Unmarshal([]byte(want), &wanted); err != nil || a.status != http.StatusOK || !cmp.Equal(got, wanted) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if err := w.Member(ministry).Store.Close(); err != nil {
		t.Fatal(err)
	}
	if a := w.ask(t, ministry, "", "GET", "/healthz", nil); a.status != http.StatusOK {
		t.Errorf("healthz: %d %s", a.status, a.body)
	}
	w.ask(t, ministry, "", "GET", "/readyz", nil).refused(t, http.StatusServiceUnavailable, problem.Busy)
	d := w.ask(t, ministry, token, "GET", "/v1/streams", nil).refused(t, http.StatusInternalServerError, problem.Internal)
	if strings.Contains(fmt.Sprint(d), "sql") {
		t.Errorf("what went wrong inside is shown: %+v", d)
	}
}
