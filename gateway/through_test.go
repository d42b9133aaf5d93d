package gateway_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fayi/gateway"
	"fayi/gateway/federation"
	"fayi/gateway/outer"
	"fayi/gateway/strictyaml"
)

// vendorGateway is a government's API gateway as a process of its own: it wants
// its own headers on every request, forwards what is signed rightly and wraps the
// answer. It is written without package outer, from the description of such
// gateways, so that the two judge each other.
func vendorGateway(backend string) {
	var carried, refused atomic.Int64
	wrap := func(w http.ResponseWriter, code, msg string, data []byte) {
		b, _ := json.Marshal(map[string]any{"code": code, "msg": msg, "data": json.RawMessage(data), "traceId": "t-1"})
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		w.Write(b)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "%d %d", carried.Load(), refused.Load()) })
	mux.HandleFunc("POST /gateway/api/fayi-call", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		digest := sha256.Sum256(body)
		h := r.Header
		text := strings.Join([]string{r.Method, r.URL.Path, r.URL.RawQuery, h.Get("X-App-Id"), h.Get("X-Timestamp"), h.Get("X-Nonce"), hex.EncodeToString(digest[:])}, "\n")
		mac := hmac.New(sha256.New, []byte("gateway-secret"))
		mac.Write([]byte(text))
		at, terr := strconv.ParseInt(h.Get("X-Timestamp"), 10, 64)
		if err != nil || terr != nil || time.Since(time.Unix(at, 0)).Abs() > 5*time.Minute || h.Get("X-App-Id") != "fayi-610000" || h.Get("X-Gateway-Token") != "tok-1" ||
			!hmac.Equal([]byte(hex.EncodeToString(mac.Sum(nil))), []byte(h.Get("X-Sign"))) {
			refused.Add(1)
			wrap(w, "40100", "签名错误", []byte("null"))
			return
		}
		req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, backend+"/v1/call", bytes.NewReader(body))
		if err != nil {
			panic(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			wrap(w, "50200", "后端不可达", []byte("null"))
			return
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 {
			wrap(w, "50200", "后端出错", []byte("null"))
			return
		}
		carried.Add(1)
		wrap(w, "0", "success", data)
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("http://" + ln.Addr().String())
	panic(http.Serve(ln, mux))
}

const throughYAML = `
transport: {base: "%s/gateway/api", timeout: {connect: 5s, total: 90s}, limit: {request: 16384, answer: 16384}, headers: {X-Gateway-Token: tok-1}}
auth: {kind: hmac-sha256, appId: fayi-610000, secrets: ["file:gateway.key"]}
response:
  success: {path: $.code, in: ["0"]}
  code: $.code
  message: $.msg
operations:
  call: {path: /fayi-call, request: {$data: payload}, answer: {payload: $.data}}
`

// TestLinkThroughAVendorsGateway: two nodes exchange records although every call
// between them has to pass a gateway with its own signature and wrapper, which
// runs as a process of its own.
func TestLinkThroughAVendorsGateway(t *testing.T) {
	l := newLab(t, "sqlite", []federation.Spec{shaanxi[0], {ID: province, Parent: ministry, Name: shaanxi[1].Name, Role: shaanxi[1].Role}}, nil)
	t.Cleanup(l.close)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FAYI_TEST_GATEWAY="+l.Member(ministry).Node.PeerURL())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(line)
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, throughYAML, url), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(secret string) *outer.Tunnel {
		os.WriteFile(filepath.Join(dir, "gateway.key"), []byte(secret), 0o600)
		tunnel, err := outer.OpenTunnel(file, outer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return tunnel
	}
	// With the wrong secret nothing passes, and the gateway says so.
	r, _ := http.NewRequest(http.MethodPost, "http://x/v1/call", strings.NewReader(`{"a":1}`))
	if _, err := open("wrong").RoundTrip(r); !errors.Is(err, outer.ErrTunnel) || !strings.Contains(err.Error(), "40100") {
		t.Errorf("%v", err)
	}
	p := l.Member(province).Peers[0]
	p.Through = open("gateway-secret")
	l.Member(province).Node.SetPeer(gateway.Peer(p))
	l.start(ministry, province)
	for i := range 20 {
		key := fmt.Sprintf("T-%d", i)
		l.put(t, province, "legal_aid_case", key, example(t, "legal_aid_case", key, nil))
	}
	l.eventually(t, ministry, "20 records through the gateway", func() bool { return len(l.inbox(t, ministry, up(province, "legal_aid_case"))) == 20 })
	resp, err := http.Get(url + "/count")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var carried, refused int
	if _, err := fmt.Fscan(resp.Body, &carried, &refused); err != nil || carried < 2 || refused != 1 {
		t.Errorf("%d calls carried, %d refused, %v", carried, refused, err)
	}
	var holes *strictyaml.Error
	os.WriteFile(file, []byte(strings.Replace(throughYAML, "call:", "cal:", 1)), 0o600)
	if _, err := outer.OpenTunnel(file, outer.Options{}); !errors.As(err, &holes) {
		t.Error(err)
	}
}
