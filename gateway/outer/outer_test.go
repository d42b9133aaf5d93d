package outer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fayi/gateway/outer"
	"fayi/gateway/strictyaml"
)

// shapeA and shapeB are the two interfaces of docs/handoff-profiles.md, cut down
// to one operation each: a gateway with signed JSON, and an old SOAP service.
const shapeA = `
transport: {base: "%s"}
auth: {kind: hmac-sm3, appId: yl12348, secrets: ["file:k1"]}
response:
  success: {path: $.code, in: ["0"]}
  code: $.code
  message: $.msg
  classify:
    - {when: {path: $.code, in: ["1409"]}, as: duplicate}
    - {when: {path: $.code, in: ["1401"]}, as: auth}
    - {when: {path: $.code, in: ["1500"]}, as: retry}
operations:
  offer:
    path: /openapi/v1/handoffs
    headers: {X-Idempotency-Key: "{key}"}
    request: {handoffId: "{handoffId}", round: "{round|int}", seq: "{seq|int}", type: ticket.offer, appealType: "{appealType}", title: "{title}", urgency: "{urgency}"}
    answer: {number: $.data.orderNo, time: $.data.receiveTime|time}
  query:
    method: GET
    path: /openapi/v1/handoffs/{handoffId}
    repeatable: true
    answer: {number: $.data.orderNo}
`

const shapeB = `
transport: {base: "%s", body: soap, answer: soap, charset: "%s", empty: keep, allow: [127.0.0.0/8], http: {version: "%s"}}
auth: {kind: md5, appId: YL12348, secrets: ["file:k1"], text: "{appId}{timestamp}{body.strThird}{secret}"}
response:
  success: {path: $.SubmitThirdResponse.SubmitThirdResult!any.Success, in: ["true", "1"]}
  message: $.SubmitThirdResponse.SubmitThirdResult!any.Msg
  classify:
    - {when: {path: $.SubmitThirdResponse.SubmitThirdResult!any.Msg, contains: [重复]}, as: duplicate}
    - {when: {path: $.SubmitThirdResponse.SubmitThirdResult!any.Msg, matches: "系统繁忙|超时"}, as: retry}
operations:
  offer:
    path: /ThirdService.asmx
    soapAction: http://tempuri.org/SubmitThird
    request:
      SubmitThird:
        "@xmlns": http://tempuri.org/
        SystemCode: "{auth.appId}"
        Stamp: "{auth.timestamp}"
        Sign: "{auth.sign}"
        strThird: {$xml: {Ticket: {SourceNumber: "{handoffId}#{round}", Title: "{title}", Attachs: {Attach: {$each: files, "@FileName": "{name}"}}}}}
    answer: {number: $.SubmitThirdResponse.SubmitThirdResult!any.Number}
`

// shapeQ signs in the query and keeps empty members, as old form services do.
const shapeQ = `
transport: {base: "%s", body: form, answer: xml, charset: gb18030, empty: keep}
auth: {kind: signature, algorithm: sha256, appId: q1, secrets: ["file:k"], text: "{query}&{body}&{secret}", encoding: HEX, timestamp: unixMilli, query: {app: "{auth.appId}", ts: "{auth.timestamp}", sig: "{auth.sign}"}, headers: {X-Nonce: "{auth.nonce}"}}
response: {success: {path: $.Rsp.@ret, in: ["0"]}}
operations:
  offer: {path: /new.do, query: {v: "{round}"}, request: {xh: "{handoffId}", bt: "{title}", kong: "{nothing}"}, answer: {number: $.Rsp.Case.@no}}
`

func compile(t testing.TB, text string, args ...any) *outer.Compiled {
	t.Helper()
	var i outer.Interface
	d := strictyaml.Decode(fmt.Appendf(nil, text, args...), &i)
	c := outer.Compile(d, "", &i, nil)
	if err := d.Err("interface.yaml"); err != nil {
		t.Fatal(err)
	}
	return c
}

func values(pairs ...string) *outer.Node {
	n := outer.NewObject()
	for i := 0; i < len(pairs); i += 2 {
		n.Set(pairs[i], outer.Text(pairs[i+1]))
	}
	return n
}

// served starts both ends of an interface on a socket: server handles, client
// calls it.
func served(t testing.TB, text string, args []any, keys *outer.Keys, h outer.Handle, o outer.ServerOptions) (*outer.Client, *httptest.Server) {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	base := "http://" + srv.Listener.Addr().String()
	c := compile(t, text, append([]any{base}, args...)...)
	srv.Config.Handler = outer.NewServer(c, keys, h, o)
	srv.Start()
	t.Cleanup(srv.Close)
	cl, err := outer.NewClient(c, keys, outer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return cl, srv
}

var offerA = values("handoffId", "HO-610800-20260929-000017", "round", "1", "seq", "1", "appealType", "JB", "title", "工地拖欠工资求助", "urgency", "2", "key", "HO-610800-20260929-000017#1#1")

func TestBothEndsSpeakFromOneDescription(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, text string
		args       []any
		in         *outer.Node
		want       map[string]string
	}{
		{"JSON, HMAC-SM3", shapeA, nil, offerA, map[string]string{"handoffId": "HO-610800-20260929-000017", "round": "1", "title": "工地拖欠工资求助", "key": "HO-610800-20260929-000017#1#1"}},
		{"SOAP, UTF-8", shapeB, []any{"utf-8", "1.1"}, values("handoffId", "HO-1", "round", "2", "title", "𠮷<&>\"彣\n"), map[string]string{"handoffId": "HO-1", "round": "2", "title": "𠮷<&>\"彣\n"}},
		{"SOAP, GBK, HTTP/1.0", shapeB, []any{"gbk", "1.0"}, values("handoffId", "HO-1", "round", "2", "title", "𠮷䶮彣"), map[string]string{"handoffId": "HO-1", "round": "2", "title": "𠮷䶮彣"}},
		{"SOAP, GB18030", shapeB, []any{"gb18030", "1.1"}, values("handoffId", "HO-1", "round", "2", "title", "𠮷䶮彣"), map[string]string{"title": "𠮷䶮彣"}},
		{"form, XML, signed query, GB18030", shapeQ, nil, values("handoffId", "HO-1", "round", "2", "title", "陆"), map[string]string{"handoffId": "HO-1", "round": "2", "title": "陆"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got *outer.Node
			cl, _ := served(t, tc.text, tc.args, outer.NewKeys("", "k3y"), func(_ context.Context, r *outer.Request) outer.Reply {
				got = r.Values
				return outer.Reply{Class: outer.OK, Values: values("number", "YL-0081")}
			}, outer.ServerOptions{Refused: func(op string, err error) { t.Error(op, err) }})
			a := cl.Call(t.Context(), "offer", tc.in)
			if a.Class != outer.OK || a.Values.Get("number").Value() != "YL-0081" {
				t.Fatalf("%+v", a)
			}
			for k, v := range tc.want {
				if got.Get(k).Value() != v {
					t.Errorf("%s is %q, sent %q", k, got.Get(k).Value(), v)
				}
			}
		})
	}
}

// TestOldServersGetWhatTheyUnderstand looks at the bytes of a request.
func TestOldServersGetWhatTheyUnderstand(t *testing.T) {
	t.Parallel()
	var req *http.Request
	var body []byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req = r
		body, _ = io.ReadAll(r.Body)
		io.WriteString(w, `<soap:Envelope xmlns:soap="x"><soap:Body><SubmitThirdResponse><SubmitThirdResult>{"Success":"true","Number":"7"}</SubmitThirdResult></SubmitThirdResponse></soap:Body></soap:Envelope>`)
	}))
	defer srv.Close()
	cl, err := outer.NewClient(compile(t, shapeB, srv.URL, "gbk", "1.0"), outer.NewKeys("", "k3y"), outer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if a := cl.Call(t.Context(), "offer", values("handoffId", "HO-1", "round", "1", "title", "欠薪")); a.Class != outer.OK || a.Values.Get("number").Value() != "7" {
		t.Fatalf("%+v", a)
	}
	if req.Proto != "HTTP/1.0" || len(req.TransferEncoding) > 0 || req.ContentLength != int64(len(body)) || req.Header.Get("SOAPAction") != `"http://tempuri.org/SubmitThird"` {
		t.Errorf("%s %v %d %s", req.Proto, req.TransferEncoding, req.ContentLength, req.Header)
	}
	if !strings.Contains(string(body), "\xc7\xb7\xd0\xbd") || !strings.HasPrefix(string(body), `<?xml version="1.0" encoding="gbk"?>`) {
		t.Errorf("%q", body)
	}
}

// TestNothingDoubtfulIsSuccess holds answers against the classes they must get.
func TestNothingDoubtfulIsSuccess(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		shape, name string
		status      int
		ct, body    string
		op          string
		want        outer.Class
	}{
		{"A", "success", 200, "application/json", `{"code":"0","data":{"orderNo":"1"}}`, "offer", outer.OK},
		{"A", "number instead of text", 200, "application/json", `{"code":0}`, "offer", outer.OK},
		{"A", "failure with 200", 200, "application/json", `{"code":"1400","msg":"x"}`, "offer", outer.Permanent},
		{"A", "success with 500", 500, "application/json", `{"code":"0"}`, "offer", outer.InDoubt},
		{"A", "duplicate", 200, "application/json", `{"code":"1409"}`, "offer", outer.Duplicate},
		{"A", "login page", 200, "text/html", `<!DOCTYPE html><html><body>登录</body></html>`, "offer", outer.AuthFail},
		{"A", "login page called JSON", 200, "application/json", ` <HTML><form>`, "offer", outer.AuthFail},
		{"A", "words", 200, "text/plain", "保存失败", "offer", outer.Permanent},
		{"A", "cut", 200, "application/json", `{"code":"0","data":{"orde`, "offer", outer.InDoubt},
		{"A", "cut, repeatable", 200, "application/json", `{"code":"0","data":{"orde`, "query", outer.Retry},
		{"A", "empty", 200, "application/json", ``, "offer", outer.InDoubt},
		{"A", "duplicate member", 200, "application/json", `{"code":"1","code":"0"}`, "offer", outer.InDoubt},
		{"A", "redirect", 302, "text/plain", `moved`, "offer", outer.Permanent},
		{"A", "gateway", 502, "text/plain", `bad gateway`, "offer", outer.InDoubt},
		{"A", "gateway, repeatable", 502, "text/plain", `bad gateway`, "query", outer.Retry},
		{"A", "busy", 429, "text/plain", `slow down`, "offer", outer.Retry},
		{"B", "false with 200", 200, "text/xml", soap(`{"Success":false,"Msg":"机构不存在"}`), "offer", outer.Permanent},
		{"B", "true", 200, "text/xml", soap(`{"Success":true,"Number":"1"}`), "offer", outer.OK},
		{"B", "XML inside", 200, "text/xml", soap(`&lt;r&gt;&lt;Success&gt;1&lt;/Success&gt;&lt;/r&gt;`), "offer", outer.OK},
		{"B", "duplicate by words", 200, "text/xml", soap(`{"Success":false,"Msg":"工单重复提交"}`), "offer", outer.Duplicate},
		{"B", "busy by words", 200, "text/xml", soap(`{"Success":false,"Msg":"系统繁忙，请稍后"}`), "offer", outer.Retry},
		{"B", "fault", 500, "text/xml", soap(`x`), "offer", outer.InDoubt},
		{"B", "empty result", 200, "text/xml", soap(``), "offer", outer.Permanent},
	} {
		t.Run(tc.shape+" "+tc.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", tc.ct)
				w.Header().Set("Location", "http://127.0.0.1:1/")
				w.WriteHeader(tc.status)
				io.WriteString(w, tc.body)
			}))
			defer srv.Close()
			c := compile(t, shapeA, srv.URL)
			if tc.shape == "B" {
				c = compile(t, shapeB, srv.URL, "utf-8", "1.1")
			}
			cl, err := outer.NewClient(c, outer.NewKeys("", "k"), outer.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if a := cl.Call(t.Context(), tc.op, offerA); a.Class != tc.want {
				t.Errorf("%s (%s, %v), want %s", a.Class, a.Rule, a.Err, tc.want)
			}
		})
	}
}

func soap(result string) string {
	return `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><SubmitThirdResponse><SubmitThirdResult>` + result + `</SubmitThirdResult></SubmitThirdResponse></s:Body></s:Envelope>`
}

// TestWhatWasNotSentIsNotInDoubt tells a refused connection from one that broke
// after bytes had left.
func TestWhatWasNotSentIsNotInDoubt(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		io.ReadAll(r.Body)
		panic(http.ErrAbortHandler) // the peer took it and died before answering
	}))
	for _, version := range []string{"1.0", "1.1"} {
		cl, err := outer.NewClient(compile(t, shapeB, srv.URL, "utf-8", version), outer.NewKeys("", "k"), outer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		calls.Store(0)
		if a := cl.Call(t.Context(), "offer", offerA); a.Class != outer.InDoubt || a.Err == nil {
			t.Errorf("HTTP/%s: %+v", version, a)
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("HTTP/%s: sent %d times", version, n)
		}
	}
	srv.Close()
	for _, version := range []string{"1.0", "1.1"} {
		cl, _ := outer.NewClient(compile(t, shapeB, srv.URL, "utf-8", version), outer.NewKeys("", "k"), outer.Options{})
		if a := cl.Call(t.Context(), "offer", offerA); a.Class != outer.Retry {
			t.Errorf("HTTP/%s: %+v", version, a)
		}
	}
}

func TestServerRefuses(t *testing.T) {
	t.Parallel()
	now := time.Unix(1790671200, 0)
	var handled atomic.Int32
	var refusals []error
	keys := outer.NewKeys("", "new", "old")
	c := compile(t, shapeA, "http://127.0.0.1:9")
	srv := outer.NewServer(c, keys, func(context.Context, *outer.Request) outer.Reply {
		handled.Add(1)
		return outer.Reply{Class: outer.OK}
	}, outer.ServerOptions{Now: func() time.Time { return now }, Refused: func(_ string, err error) { refusals = append(refusals, err) }})
	// capture gives the bytes a client with this key would send.
	capture := func(key string, at time.Time) *http.Request {
		var out *http.Request
		cl, err := outer.NewClient(c, outer.NewKeys("", key), outer.Options{Now: func() time.Time { return at }, Pipe: pipe(func(r *http.Request) (*http.Response, error) {
			out = r
			return nil, errors.New("captured")
		})})
		if err != nil {
			t.Fatal(err)
		}
		cl.Call(t.Context(), "offer", offerA)
		return out
	}
	send := func(r *http.Request, body string) *httptest.ResponseRecorder {
		in := httptest.NewRequest(r.Method, r.URL.String(), strings.NewReader(body))
		in.Header = r.Header.Clone()
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, in)
		return w
	}
	body := func(r *http.Request) string {
		b, _ := io.ReadAll(r.Body)
		return string(b)
	}
	good := capture("new", now)
	text := body(good)
	if w := send(good, text); w.Code != 200 || !strings.Contains(w.Body.String(), `"code":"0"`) {
		t.Fatal(w.Code, w.Body)
	}
	for _, tc := range []struct {
		name string
		send func() *httptest.ResponseRecorder
		want error
	}{
		{"the same again", func() *httptest.ResponseRecorder { return send(good, text) }, outer.ErrReplay},
		{"another body", func() *httptest.ResponseRecorder {
			return send(capture("new", now), strings.Replace(text, `"2"`, `"1"`, 1))
		}, outer.ErrSignature},
		{"another key", func() *httptest.ResponseRecorder { r := capture("other", now); return send(r, body(r)) }, outer.ErrSignature},
		{"six minutes old", func() *httptest.ResponseRecorder {
			r := capture("new", now.Add(-6*time.Minute))
			return send(r, body(r))
		}, outer.ErrClock},
		{"six minutes ahead", func() *httptest.ResponseRecorder {
			r := capture("new", now.Add(6*time.Minute))
			return send(r, body(r))
		}, outer.ErrClock},
		{"another application", func() *httptest.ResponseRecorder {
			r := capture("new", now)
			r.Header.Set("X-App-Id", "other")
			return send(r, body(r))
		}, outer.ErrSignature},
		{"no signature", func() *httptest.ResponseRecorder {
			r := capture("new", now)
			r.Header.Del("X-Sign")
			return send(r, body(r))
		}, outer.ErrSignature},
		{"a member twice", func() *httptest.ResponseRecorder { return send(capture("new", now), `{"title":"a","title":"b"}`) }, outer.ErrDuplicate},
		{"200 levels", func() *httptest.ResponseRecorder {
			return send(capture("new", now), strings.Repeat(`{"a":`, 200)+"1"+strings.Repeat("}", 200))
		}, outer.ErrDeep},
	} {
		refusals = nil
		w := tc.send()
		if len(refusals) != 1 || !errors.Is(refusals[0], tc.want) || w.Code == 200 && strings.Contains(w.Body.String(), `"code":"0"`) {
			t.Errorf("%s: %d %s, refused for %v", tc.name, w.Code, w.Body, refusals)
		}
	}
	if r := capture("old", now); true { // the former key during a rotation
		if w := send(r, body(r)); w.Code != 200 {
			t.Error("old key:", w.Code, refusals)
		}
	}
	if n := handled.Load(); n != 2 {
		t.Errorf("%d requests handed on", n)
	}
}

type pipe func(*http.Request) (*http.Response, error)

func (p pipe) RoundTrip(r *http.Request) (*http.Response, error) { return p(r) }

func TestWeakSignaturesOnlyFromListedAddresses(t *testing.T) {
	t.Parallel()
	var i outer.Interface
	d := strictyaml.Decode([]byte(strings.Replace(fmt.Sprintf(shapeB, "http://10.1.2.3", "utf-8", "1.1"), "allow: [127.0.0.0/8], ", "", 1)), &i)
	outer.Compile(d, "", &i, nil)
	if err := d.Err("x"); err == nil || !strings.Contains(err.Error(), "transport.allow") {
		t.Errorf("MD5 without a list of addresses: %v", err)
	}
	c := compile(t, shapeB, "http://peer.test:80", "utf-8", "1.1")
	srv := outer.NewServer(c, outer.NewKeys("", "k"), func(context.Context, *outer.Request) outer.Reply { return outer.Reply{Class: outer.OK} }, outer.ServerOptions{})
	for from, want := range map[string]int{"127.0.0.1:5": 200, "[::ffff:127.0.0.1]:5": 200, "10.1.2.3:5": 403, "garbage": 403} {
		r := httptest.NewRequest("POST", "/ThirdService.asmx", strings.NewReader("x"))
		r.Header.Set("SOAPAction", "http://tempuri.org/SubmitThird")
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		// What comes from a listed address is looked at, and refused for what it is.
		if srv.ServeHTTP(w, r); w.Code != want || want == 200 && !strings.Contains(w.Body.String(), "false") {
			t.Errorf("from %s: %d %s", from, w.Code, w.Body)
		}
	}
	// A name that now leads elsewhere is not followed.
	srv2 := httptest.NewServer(http.NotFoundHandler())
	defer srv2.Close()
	cl, err := outer.NewClient(compile(t, strings.Replace(shapeB, "127.0.0.0/8", "10.9.0.0/16", 1), srv2.URL, "utf-8", "1.1"), outer.NewKeys("", "k"), outer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if a := cl.Call(t.Context(), "offer", offerA); a.Class != outer.Permanent || !errors.Is(a.Err, outer.ErrAddress) {
		t.Errorf("%+v", a)
	}
}

const sessions = `
transport: {base: "%s"}
auth: {kind: hmac-sm3, appId: a, secrets: ["file:k"], session: {operation: login, value: session, user: yl, password: "file:p"}}
response: {success: {path: $.ok, in: ["true"]}, classify: [{when: {path: $.ok, in: [expired]}, as: auth}]}
operations:
  login: {path: /login, public: true, request: {user: "{auth.user}", pwd: "{auth.password}"}, answer: {session: $.sid}}
  note: {path: /note, headers: {X-Session: "{auth.session}"}, request: {text: "{text}"}}
`

// TestSessionEndsInTheMiddle is what happens when a session is forgotten by the
// peer during a batch: one login, the message that failed once more, no others.
func TestSessionEndsInTheMiddle(t *testing.T) {
	t.Parallel()
	var logins, notes atomic.Int32
	var good atomic.Value
	good.Store("")
	cl, _ := served(t, sessions, nil, outer.NewKeys("pass-word", "k"), func(_ context.Context, r *outer.Request) outer.Reply {
		if r.Operation == "login" {
			if r.Values.Get("auth.password").Value() != "pass-word" {
				return outer.Reply{Class: outer.Permanent}
			}
			id := fmt.Sprint("s", logins.Add(1))
			good.Store(id)
			return outer.Reply{Class: outer.OK, Values: values("session", id)}
		}
		if notes.Add(1) == 150 {
			good.Store("expired by the peer")
		}
		return outer.Reply{Class: outer.OK}
	}, outer.ServerOptions{Session: func(id string) bool { return id != "" && id == good.Load() }})
	for i := range 300 {
		if a := cl.Call(t.Context(), "note", values("text", fmt.Sprint(i))); a.Class != outer.OK {
			t.Fatalf("%d: %+v", i, a)
		}
	}
	if logins.Load() != 2 || notes.Load() != 300 {
		t.Errorf("%d logins, %d notes", logins.Load(), notes.Load())
	}
}

func TestSecretsComeFromPrivateFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := compile(t, shapeA, "http://127.0.0.1:9")
	if _, err := c.ReadKeys(dir); !errors.Is(err, outer.ErrSecret) {
		t.Error(err)
	}
	os.WriteFile(filepath.Join(dir, "k1"), []byte("s3cret\n"), 0o644)
	if _, err := c.ReadKeys(dir); !errors.Is(err, outer.ErrSecret) || strings.Contains(err.Error(), "s3cret") {
		t.Error(err)
	}
	os.Chmod(filepath.Join(dir, "k1"), 0o600)
	if _, err := c.ReadKeys(dir); err != nil {
		t.Error(err)
	}
	var i outer.Interface
	d := strictyaml.Decode([]byte(strings.Replace(shapeA, "file:k1", "s3cret", 1)), &i)
	outer.Compile(d, "", &i, nil)
	if err := d.Err("x"); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Error(err)
	}
}
