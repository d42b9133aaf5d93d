package simulator

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// Fault is something the simulator does wrong on purpose.
type Fault struct {
	Kind  string `json:"kind"`
	Op    string `json:"op,omitempty"`    // operation it strikes; "" any
	Skip  int    `json:"skip,omitempty"`  // so many requests go well first
	Count int    `json:"count,omitempty"` // then so many are struck; 0 without end
	Value int    `json:"value,omitempty"` // seconds of clock_skew, milliseconds of slow_drip (default 20)
}

// Kinds of faults.
const (
	TimeoutBefore = "timeout_before"     // the connection dies, nothing was kept
	TimeoutAfter  = "timeout_after"      // it was kept, the connection dies before the answer
	Error500      = "error_500"          // HTTP 500, nothing kept
	LoginPage     = "html"               // HTTP 200 with a login page, nothing kept
	Failure200    = "failure_200"        // HTTP 200 and a refusal, nothing kept
	WrongCharset  = "wrong_charset"      // the bytes are in another charset than their label
	SlowDrip      = "slow_drip"          // the answer comes a few bytes at a time
	SessionLost   = "session_lost"       // every session ends
	ClockSkew     = "clock_skew"         // its clock differs
	Silent        = "silent"             // it tells no news any more
	Twice         = "duplicate_callback" // each callback comes five times at once
	Reorder       = "reorder"            // a callback waits until the next one was sent
	NoNumber      = "no_number"          // success without a ticket number
)

// Kinds are all of them.
var Kinds = []string{TimeoutBefore, TimeoutAfter, Error500, LoginPage, Failure200, WrongCharset, SlowDrip, SessionLost, ClockSkew, Silent, Twice, Reorder, NoNumber}

// ParseFault reads KIND[:COUNT][@OPERATION][=VALUE], as the command line has it.
func ParseFault(s string) (Fault, error) {
	var f Fault
	var value string
	s, value, _ = strings.Cut(s, "=")
	s, f.Op, _ = strings.Cut(s, "@")
	kind, count, has := strings.Cut(s, ":")
	f.Kind = kind
	var err error
	if has {
		f.Count, err = strconv.Atoi(count)
	}
	if err == nil && value != "" {
		f.Value, err = strconv.Atoi(value)
	}
	if err != nil || f.Count < 0 || !slices.Contains(Kinds, kind) {
		return f, errors.New("simulator: fault " + strconv.Quote(s))
	}
	return f, nil
}

type faults struct {
	mu   sync.Mutex
	list []*Fault
}

// strike takes a fault of a kind for an operation, if one is due.
func (f *faults) strike(kind, op string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, x := range f.list {
		if x.Kind != kind || x.Op != "" && x.Op != op {
			continue
		}
		if x.Skip > 0 {
			x.Skip--
			continue
		}
		out := *x
		if x.Count > 0 {
			if x.Count--; x.Count == 0 {
				f.list = slices.Delete(f.list, i, i+1)
			}
		}
		return out, true
	}
	return Fault{}, false
}

// standing is a fault that lasts, without using it up.
func (f *faults) standing(kind string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.list {
		if x.Kind == kind {
			return *x, true
		}
	}
	return Fault{}, false
}

func (f *faults) set(list []Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
	for _, x := range list {
		f.list = append(f.list, &x)
	}
}

func (f *faults) add(x Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, &x)
}

// held is an answer on its way, so that faults can spoil it.
type held struct {
	header http.Header
	status int
	body   bytes.Buffer
	spoil  func(h *held)
	drip   time.Duration
}

func (h *held) Header() http.Header         { return h.header }
func (h *held) Write(b []byte) (int, error) { return h.body.Write(b) }
func (h *held) WriteHeader(status int)      { h.status = status }

func (h *held) send(w http.ResponseWriter) {
	if h.spoil != nil {
		h.spoil(h)
		h.header.Set("Content-Length", fmt.Sprint(h.body.Len()))
	}
	for k, v := range h.header {
		w.Header()[k] = v
	}
	w.WriteHeader(max(h.status, 200))
	data := h.body.Bytes()
	if h.drip == 0 {
		w.Write(data)
		return
	}
	for len(data) > 0 {
		n := min(4, len(data))
		w.Write(data[:n])
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		time.Sleep(h.drip)
		data = data[n:]
	}
}

// login replaces an answer by a web page.
func login(h *held) {
	h.header.Set("Content-Type", "text/html; charset=utf-8")
	h.status = http.StatusOK
	h.body.Reset()
	h.body.WriteString("<!DOCTYPE html><html><head><title>用户登录</title></head><body><form>请登录</form></body></html>")
}

// mistranscode puts the body into the charset it is not labelled with.
func mistranscode(h *held) {
	data := h.body.Bytes()
	var out []byte
	var err error
	if utf8.Valid(data) {
		out, err = simplifiedchinese.GB18030.NewEncoder().Bytes(data)
	} else {
		out, err = simplifiedchinese.GB18030.NewDecoder().Bytes(data)
	}
	if err == nil {
		out = bytes.Clone(out)
		h.body.Reset()
		h.body.Write(out)
	}
}
