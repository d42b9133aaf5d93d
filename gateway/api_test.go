package gateway_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fayi/crypto/sign"
	"fayi/gateway"
	"fayi/gateway/federation"
	"fayi/gateway/problem"
	"fayi/gateway/sequencer"
	"fayi/outbox"
	"fayi/schemas"
)

// The local API is tested over real HTTP on the nodes of one running
// federation. Yulin has two sources, and tokens of several rights.

// Tokens of Yulin's local API beside the federation's own, which may all.
const (
	aidToken    = "token of the legal aid system"  // publishes legal_aid_case as source aid, reads nothing
	venueToken  = "token of the venue system"      // publishes service_venue as source main
	readerToken = "token of a reading application" // reads consultation, publishes nothing
	deskToken   = "token of the operator's desk"   // decides what waits for a person, nothing else
	lostToken   = "token of a removed source"      // counts as a source that is not there
)

// apiWorld is built by the first test that needs it.
var apiWorld = sync.OnceValues(func() (*world, error) {
	a := &anchorT{}
	dir := a.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	f, err := federation.Build(ctx, federation.Options{
		Dir: dir, Specs: federation.Shaanxi(), Driver: outbox.SQLite,
		DSN: func(_ context.Context, id string) (string, error) { return filepath.Join(dir, id, "fayi.db"), nil },
		Adjust: func(c *gateway.Config) {
			if c.Node != yulin {
				return
			}
			install := func(tx *sql.Tx) error { return outbox.InstallSource(ctx, tx, outbox.SQLite, "outbox_aid") }
			if err := c.Store.InTx(ctx, install); err != nil {
				panic(err)
			}
			c.Brakes = sequencer.Brakes{Floor: 20, DeletePercent: 5, ChangePercent: 20, Window: time.Hour}
			c.Sources = append(c.Sources, sequencer.Source{Name: "aid", Table: "outbox_aid", Types: []string{"legal_aid_case"}})
			c.APIKeys = append(c.APIKeys,
				gateway.APIKey{Name: "aid", SM3: sign.Sum([]byte(aidToken)), Source: "aid", Publish: []string{"legal_aid_case"}},
				gateway.APIKey{Name: "desk", SM3: sign.Sum([]byte(deskToken)), Operate: true},
				gateway.APIKey{Name: "venue", SM3: sign.Sum([]byte(venueToken)), Source: "main", Publish: []string{"service_venue"}},
				gateway.APIKey{Name: "reader", SM3: sign.Sum([]byte(readerToken)), Read: []string{"consultation"}},
				gateway.APIKey{Name: "lost", SM3: sign.Sum([]byte(lostToken)), Source: "gone", Publish: []string{"*"}})
		},
		Log: slog.New(slog.NewTextHandler(testOutput(), nil)),
	})
	if err != nil {
		cancel()
		return nil, err
	}
	w := &world{Federation: f, tap: &tap{}}
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	w.stop = func() error { cancel(); err := <-done; f.Close(); a.close(); return err }
	worlds.Store("local API", w) // TestMain stops it
	return w, nil
})

func theAPI(t *testing.T) *world {
	t.Helper()
	w, err := apiWorld()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask sends a request to a node's local API. An empty token sends none.
func (w *world) ask(t testing.TB, node, token, method, path string, body []byte, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.Member(node).Node.LocalURL()+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, raw}
}

// read decodes an answer strictly into v.
func (a answer) read(t testing.TB, v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(a.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
}

var han = regexp.MustCompile(`\p{Han}`)

// refused checks an error document: status, code, words in both languages.
func (a answer) refused(t testing.TB, status int, code string) problem.Document {
	t.Helper()
	var d problem.Document
	if err := json.Unmarshal(a.body, &d); err != nil || a.status != status || d.Code != code {
		t.Fatalf("%d %s; want %d %s", a.status, a.body, status, code)
	}
	if !han.MatchString(d.Message) || d.MessageEN == "" || han.MatchString(d.MessageEN) {
		t.Errorf("%s is not explained in both languages: %q, %q", code, d.Message, d.MessageEN)
	}
	if ct := a.header.Get("Content-Type"); ct != "application/json; charset=utf-8" {
		t.Errorf("Content-Type %q", ct)
	}
	return d
}

// post publishes a record through the API of Yulin.
func (w *world) post(t testing.TB, token string, record any, headers ...string) answer {
	t.Helper()
	raw, ok := record.([]byte)
	if !ok {
		var err error
		if raw, err = json.Marshal(record); err != nil {
			t.Fatal(err)
		}
	}
	return w.ask(t, yulin, token, "POST", "/v1/records", raw, headers...)
}

type postBody struct {
	Type   string          `json:"type"`
	Key    string          `json:"key"`
	Op     string          `json:"op,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
	Resend bool            `json:"resend,omitempty"`
}

// Every route answers its own method and path, and nothing else does.
func TestLocalAPIRoutes(t *testing.T) {
	w := theAPI(t)
	token := w.Member(yulin).Token
	patterns := map[string][]string{}
	for _, rt := range gateway.Routes {
		patterns[rt.Pattern] = append(patterns[rt.Pattern], rt.Method)
		if !han.MatchString(rt.Title) {
			t.Errorf("%s %s has no title", rt.Method, rt.Pattern)
		}
		if a := w.ask(t, yulin, token, rt.Method, rt.Pattern, nil); a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed || a.status >= 500 {
			t.Errorf("%s %s answers %d %s", rt.Method, rt.Pattern, a.status, a.body)
		}
		a := w.ask(t, yulin, "", rt.Method, rt.Pattern, nil)
		if rt.Open {
			if a.status != http.StatusOK {
				t.Errorf("%s without token: %d %s", rt.Pattern, a.status, a.body)
			}
		} else {
			a.refused(t, http.StatusUnauthorized, problem.Unauthorized)
		}
	}
	for pattern, methods := range patterns {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			if slices.Contains(methods, method) {
				continue
			}
			a := w.ask(t, yulin, token, method, pattern, nil)
			a.refused(t, http.StatusMethodNotAllowed, problem.UnknownOp)
			if a.header.Get("Allow") != strings.Join(methods, ", ") {
				t.Errorf("%s %s: Allow %q", method, pattern, a.header.Get("Allow"))
			}
		}
	}
	for _, path := range []string{"/", "/v1", "/v1/", "/v1/records/", "/v1/records/1", "/v2/records", "/V1/records", "/v1/call", "/metrics", "/debug/pprof/", "/healthz/"} {
		for _, method := range []string{"GET", "POST"} {
			w.ask(t, yulin, token, method, path, nil).refused(t, http.StatusNotFound, problem.NotFound)
		}
	}
}

func TestLocalAPITokens(t *testing.T) {
	w := theAPI(t)
	own := w.Member(yulin).Token
	for name, header := range map[string]string{
		"none": "", "empty": "Bearer ", "another scheme": "Basic " + own, "no scheme": own, "a beginning": "Bearer " + own[:len(own)-1],
		"more": "Bearer " + own + "0", "another node's": "Bearer " + w.Member(province).Token, "its digest": "Bearer " + sign.Sum([]byte(own)).String(),
	} {
		var headers []string
		if header != "" {
			headers = []string{"Authorization", header}
		}
		a := w.ask(t, yulin, "", "GET", "/v1/status", nil, headers...)
		if a.status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, a.status)
			continue
		}
		a.refused(t, http.StatusUnauthorized, problem.Unauthorized)
	}
	venue := example(t, "service_venue", "API-RIGHTS", nil)
	consultation := example(t, "consultation", "API-RIGHTS", nil)
	for _, c := range []struct {
		token, recordType string
		data              []byte
		status            int
	}{
		{venueToken, "service_venue", venue, http.StatusAccepted},
		{venueToken, "consultation", consultation, http.StatusForbidden},
		{aidToken, "service_venue", venue, http.StatusForbidden},
		{readerToken, "consultation", consultation, http.StatusForbidden},
		{lostToken, "service_venue", venue, http.StatusForbidden},
	} {
		a := w.post(t, c.token, postBody{Type: c.recordType, Key: "API-RIGHTS", Data: c.data})
		if a.status != c.status {
			t.Errorf("%q publishes %s: %d %s", c.token, c.recordType, a.status, a.body)
		}
		if c.status == http.StatusForbidden {
			a.refused(t, c.status, problem.Forbidden)
		}
	}
	w.quiet(t)
	read := func(token, stream string) answer {
		return w.ask(t, yulin, token, "GET", "/v1/changes?stream="+url.QueryEscape(stream), nil)
	}
	if a := read(own, up(yulin, "service_venue")); a.status != http.StatusOK {
		t.Errorf("its own stream: %d %s", a.status, a.body)
	}
	read(readerToken, up(yulin, "service_venue")).refused(t, http.StatusForbidden, problem.Forbidden)
	read(aidToken, up(yulin, "legal_aid_case")).refused(t, http.StatusForbidden, problem.Forbidden)
	read(readerToken, up(yulin, "consultation")) // may, whether or not the stream is there
}

// A record posted at the city arrives at the ministry, byte for byte.
func TestPostRecordArrives(t *testing.T) {
	w := theAPI(t)
	token := w.Member(yulin).Token
	key := "API-ARRIVES"
	data := []byte(` {"content" : "空白之外\u4e00字不改", "consultNo":"API-ARRIVES","consultTime":"2026-11-20T09:12:30+08:00","state":"4"}`)
	a := w.post(t, token, []byte(`{"op":"put","key":"`+key+`","data":`+string(data)+`,"type":"consultation"}`+"\n"))
	var got struct{ State, Type, Key, Since string }
	a.read(t, &got)
	if a.status != http.StatusAccepted || got.State != "queued" || got.Type != "consultation" || got.Key != key || got.Since == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	w.quiet(t)
	want := `{"content":"空白之外\u4e00字不改","consultNo":"API-ARRIVES","consultTime":"2026-11-20T09:12:30+08:00","state":"4"}`
	found := false
	for _, c := range w.changes(t, ministry, up(yulin, "consultation"), 1000) {
		if c.Key == key {
			found = string(c.Data) == want && c.Op == "put" && c.Src == "main"
		}
	}
	if !found {
		t.Error("the record is not at the ministry as it was posted")
	}
	if a := w.post(t, token, postBody{Type: "consultation", Key: key, Op: "del"}); a.status != http.StatusAccepted {
		t.Errorf("del: %d %s", a.status, a.body)
	}
	w.quiet(t)
	all := w.changes(t, ministry, up(yulin, "consultation"), 1000)
	if last := all[len(all)-1]; last.Key != key || last.Op != "del" || last.Data != nil {
		t.Errorf("the deletion arrived as %+v", last)
	}
}

// Every fault of a record is named at once, in Chinese and in English, and
// nothing of it is queued.
func TestPostRecordFaults(t *testing.T) {
	w := theAPI(t)
	token := w.Member(yulin).Token
	good := example(t, "consultation", "API-F", nil)
	for _, c := range []struct {
		name   string
		record postBody
		want   []string // code and pointer of each fault
	}{
		{"three at once", postBody{Type: "consultation", Key: "API-F", Data: example(t, "consultation", "API-F", map[string]any{"channel": "77", "content": nil, "phone": "暂无"})},
			[]string{"CODE /channel", "REQUIRED /content", "FORMAT /phone"}},
		{"unknown type", postBody{Type: "no_such_type", Key: "API-F", Data: good}, []string{"UNKNOWN_TYPE "}},
		{"the federation's own type", postBody{Type: "exchange_node", Key: "610800", Data: []byte(`{}`)}, []string{"NOT_YOURS ", "REQUIRED /entry", "REQUIRED /sigs"}},
		{"another key", postBody{Type: "consultation", Key: "API-G", Data: good}, []string{"KEY_MISMATCH /consultNo"}},
		{"no key", postBody{Type: "consultation", Data: good}, []string{"BAD_KEY ", "KEY_MISMATCH /consultNo"}},
		{"unknown op", postBody{Type: "consultation", Key: "API-F", Op: "patch", Data: good}, []string{"BAD_OP "}},
		{"put of nothing", postBody{Type: "consultation", Key: "API-F"}, []string{"BAD_PAYLOAD "}},
		{"put of null", postBody{Type: "consultation", Key: "API-F", Data: []byte("null")}, []string{"BAD_PAYLOAD "}},
		{"del with contents", postBody{Type: "consultation", Key: "API-F", Op: "del", Data: good}, []string{"BAD_PAYLOAD "}},
		{"an array", postBody{Type: "consultation", Key: "API-F", Data: []byte("[]")}, []string{"JSON "}},
		{"a member twice", postBody{Type: "consultation", Key: "API-F", Data: []byte(`{"a":1,"b":{"x":1,"x":1}}`)}, []string{"DUPLICATE_MEMBER /b/x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.post(t, token, c.record)
			a.refused(t, http.StatusUnprocessableEntity, problem.Invalid)
			var doc struct{ Faults schemas.Faults }
			if err := json.Unmarshal(a.body, &doc); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range doc.Faults {
				got = append(got, f.Code+" "+f.Pointer)
				if !han.MatchString(f.Message) || f.MessageEN == "" || han.MatchString(strings.ReplaceAll(f.MessageEN, "暂无", "")) {
					t.Errorf("not in both languages: %+v", f)
				}
			}
			slices.Sort(got)
			if want := slices.Sorted(slices.Values(c.want)); !slices.Equal(got, want) {
				t.Errorf("faults %q, want %q\n%s", got, want, a.body)
			}
		})
	}
	w.quiet(t)
	for _, c := range w.changes(t, province, up(yulin, "consultation"), 1000) {
		if c.Key == "API-F" || c.Key == "API-G" {
			t.Errorf("%s entered the stream", c.Key)
		}
	}
}

// What is not a record in form is refused, and the node goes on serving.
func TestPostRecordMalformed(t *testing.T) {
	w := theAPI(t)
	token := w.Member(yulin).Token
	good := `{"type":"service_venue","key":"API-M","data":` + string(example(t, "service_venue", "API-M", nil)) + `}`
	for name, body := range map[string]string{
		"nothing": "", "not JSON": "key=API-M", "an array": "[" + good + "]", "null": "null", "a string": `"put"`, "half": good[:len(good)-1],
		"trailing object": good + good, "trailing brace": good + "}", "trailing text": good + " x", "trailing NUL": good + "\x00",
		"unknown member": `{"Typ":1,` + good[1:], "another spelling": strings.Replace(good, `"key"`, `"KEY"`, 1), "folded spelling": strings.Replace(good, `"key"`, `"\u212Aey"`, 1),
		"a member twice": `{"key":"other",` + good[1:], "a number for the key": strings.Replace(good, `"API-M"`, `1`, 1), "resend as text": `{"resend":"yes",` + good[1:],
		"not UTF-8": strings.Replace(good, "API-M", "API-\xff", 1), "deep": strings.Repeat(`{"data":`, 20000), "a BOM": "\ufeff" + good,
	} {
		t.Run(name, func(t *testing.T) {
			w.post(t, token, []byte(body)).refused(t, http.StatusBadRequest, problem.Malformed)
		})
	}
	w.post(t, token, []byte(`{"data":"`+strings.Repeat("a", 300<<10)+`"}`)).refused(t, http.StatusRequestEntityTooLarge, problem.TooLarge)
	w.post(t, token, []byte(good), "Idempotency-Key", strings.Repeat("k", 257)).refused(t, http.StatusBadRequest, problem.BadRequest)
	if a := w.post(t, token, []byte(good)); a.status != http.StatusAccepted {
		t.Errorf("afterwards: %d %s", a.status, a.body)
	}
	w.quiet(t)
}

// A request repeated under its Idempotency-Key is answered as before and queued
// once, however the record changed in between (F41).
func TestPostRecordIdempotent(t *testing.T) {
	w := theAPI(t)
	token := w.Member(yulin).Token
	post := func(version, idem string) answer {
		return w.post(t, token, postBody{Type: "mediation_committee", Key: "API-I", Data: example(t, "mediation_committee", "API-I", map[string]any{"name": version})}, "Idempotency-Key", idem)
	}
	name := up(yulin, "mediation_committee")
	a := post("甲", "first")
	w.quiet(t)
	b := post("乙", "second")
	w.quiet(t)
	again := post("甲", "first") // its answer had been lost
	if a.status != http.StatusAccepted || b.status != http.StatusAccepted || again.status != a.status || !bytes.Equal(again.body, a.body) {
		t.Errorf("%d %s\n%d %s\n%d %s", a.status, a.body, b.status, b.body, again.status, again.body)
	}
	post("丙", "first").refused(t, http.StatusConflict, problem.KeyReused)
	// Many at once are one.
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if a := post("丁", "third"); a.status != http.StatusAccepted {
				t.Errorf("%d %s", a.status, a.body)
			}
		}()
	}
	wg.Wait()
	w.quiet(t)
	var got []string
	for _, c := range w.changes(t, province, name, 1000) {
		var rec struct{ Name string }
		if err := json.Unmarshal(c.Data, &rec); err != nil {
			t.Fatal(err)
		}
		if c.Key == "API-I" {
			got = append(got, rec.Name)
		}
	}
	if want := []string{"甲", "乙", "丁"}; !slices.Equal(got, want) {
		t.Errorf("the stream holds %v, want %v", got, want)
	}
}
