package outer

import (
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"fayi/gateway/strictyaml"

	"github.com/emmansun/gmsm/sm3"
)

func fixture(t *testing.T, text string) *Compiled {
	t.Helper()
	var i Interface
	d := strictyaml.Decode([]byte(text), &i)
	c := Compile(d, "", &i, nil)
	if err := d.Err("fixture"); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSignatureFixtures holds the signatures against values computed elsewhere
// (docs/handoff-profiles.md, 签名样例).
func TestSignatureFixtures(t *testing.T) {
	const body = `{"handoffId":"HO-610800-20260929-000017","round":1,"seq":1,"type":"ticket.offer","appealType":"JB","title":"工地拖欠工资求助","urgency":"2"}`
	offer := NewObject()
	for k, v := range map[string]string{"handoffId": "HO-610800-20260929-000017", "round": "1", "seq": "1", "appealType": "JB", "title": "工地拖欠工资求助", "urgency": "2"} {
		offer.Set(k, Text(v))
	}
	at := time.Unix(1790671200, 0)
	gateway := func(kind, rest string) string {
		return fmt.Sprintf(`
transport: {base: "http://10.0.0.1", allow: [10.0.0.0/8]}
auth: {kind: %s, appId: yl12348, secrets: ["file:k"]}
response: {success: {path: $.code, in: ["0"]}}
operations:
  offer:
    path: /openapi/v1/handoffs
    request: {handoffId: "{handoffId}", round: "{round|int}", seq: "{seq|int}", type: ticket.offer, appealType: "{appealType}", title: "{title}", urgency: "{urgency}"}
%s`, kind, rest)
	}
	for _, tc := range []struct{ kind, secret, header, want string }{
		{"hmac-sm3", "test-secret-please-change", "X-Sign", "b02d67a0145b41afd566a7955863f084b68a1faf22d3339300a992f4b6da7abb"},
		{"hmac-sha256", "test-secret-please-change", "X-Sign", "fea11b769d0dd87ee4f8a03c21c7f8e40b6ea1bfc08468a68867e0e5674701a8"},
		{"tif-sha256", "tok", "X-Tif-Signature", "f32bb9bc51d3a1a855db8d714b3a819ee135743fe64a2dd0c1b323b6460a07a8"},
	} {
		c := fixture(t, gateway(tc.kind, ""))
		nonceSource = func() string { return "7f3c1e0a9b5d4c22" }
		m, err := c.render(c.operations["offer"], offer, NewKeys("", tc.secret), "", at)
		nonceSource = newNonce
		if err != nil {
			t.Fatal(err)
		}
		if string(m.body) != body || len(m.body) != 148 {
			t.Errorf("body %s", m.body)
		}
		if h := sm3.Sum(m.body); hex.EncodeToString(h[:]) != "bbdb8260ed483dd022f926e7132fa5e66ded1c5b91e8c1735abde40768f2f449" {
			t.Errorf("SM3 %x", h)
		}
		if got := m.header.Get(tc.header); got != tc.want {
			t.Errorf("%s: %s", tc.kind, got)
		}
		if tc.kind != "tif-sha256" && (m.header.Get("X-Timestamp") != "1790671200" || m.header.Get("X-App-Id") != "yl12348" || m.header.Get("X-Nonce") != "7f3c1e0a9b5d4c22") {
			t.Errorf("%v", m.header)
		}
	}
	// The old service: MD5 over a string that is itself a document, inside the body.
	c := fixture(t, `
transport: {base: "http://10.0.0.1", allow: [10.0.0.0/8], body: soap, empty: keep}
auth: {kind: md5, appId: YL12348, secrets: ["file:k"], text: "{appId}{timestamp}{body.strThird}{secret}"}
response: {success: {path: $.Success, in: ["true"]}}
operations:
  offer:
    path: /ThirdService.asmx
    soapAction: http://tempuri.org/SubmitThird
    request: {SubmitThird: {"@xmlns": "http://tempuri.org/", SystemCode: "{auth.appId}", Stamp: "{auth.timestamp}", Sign: "{auth.sign}", strThird: {$xml: {Ticket: {SourceNumber: "{handoffId}#{round}"}}}}}
`)
	m, err := c.render(c.operations["offer"], offer, NewKeys("", "k3y"), "", time.Date(2026, 9, 29, 16, 40, 0, 0, time.FixedZone("", 8*3600)))
	if err != nil {
		t.Fatal(err)
	}
	const want = `<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><SubmitThird xmlns="http://tempuri.org/"><SystemCode>YL12348</SystemCode><Stamp>20260929164000</Stamp><Sign>136B74154C212098D98C52C07325AB7C</Sign><strThird>&lt;Ticket&gt;&lt;SourceNumber&gt;HO-610800-20260929-000017#1&lt;/SourceNumber&gt;&lt;/Ticket&gt;</strThird></SubmitThird></soap:Body></soap:Envelope>`
	if string(m.body) != want {
		t.Errorf("%s", m.body)
	}
}
