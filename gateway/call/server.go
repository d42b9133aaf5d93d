package call

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/directory"
	"fayi/gateway/problem"
)

// Request is a call that passed every check: its sender is known, its
// signature holds, its frames are those it lists.
type Request struct {
	From   string
	Op     string
	Args   []byte // canonical object; read it with sign.Unmarshal
	Frames []seal.Frame
}

// Handler carries out one operation. An error becomes the answer's code; a
// *problem.Error keeps its own.
type Handler func(ctx context.Context, r *Request) (*Reply, error)

// Server answers calls. Admit decides who may call at all (a configured peer,
// the parent, a child); Introduce is given the arguments of a node call before
// its signature is checked, since they hold the entries that make the caller's
// key known; Limit says how much a caller may ask, nil for [DefaultLimit]. All,
// like every Handler, are called concurrently.
type Server struct {
	Directory *directory.Directory
	Signer    keys.Signer
	Handlers  map[string]Handler
	Admit     func(node string) bool
	Introduce func(args []byte)
	Limit     func(node string) Limit
	Grace     time.Duration // for a request that hardly moves; zero for ten seconds
	Log       *slog.Logger

	nonces nonceCache
	limits limits
	inHand atomic.Int64
	once   sync.Once
	slots  chan struct{}
}

// maxReading is how many JSON messages are decoded at once: that costs a few
// times their size for a moment. Binary ones are read as they come.
const maxReading = 8

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != Path {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	in := &inflow{
		body: http.MaxBytesReader(nil, r.Body, MaxMessage), inHand: &s.inHand, conn: http.NewResponseController(w),
		started: time.Now(), grace: cmp.Or(s.Grace, grace),
	}
	defer in.release()
	var nonce sign.Nonce
	from := "?"
	rep, err := s.serve(r, in, &nonce, &from)
	if err != nil && problem.Code(err) == problem.Internal && r.Context().Err() == nil {
		s.Log.ErrorContext(r.Context(), "call failed", "from", from, "err", err)
	}
	s.write(w, isBinary(r.Header, "Accept"), from, nonce, rep, err)
	if rep != nil && rep.Sent != nil {
		rep.Sent()
	}
}

// serve checks a request in the order that lets nothing unsigned cost or
// change anything, and runs its handler.
func (s *Server) serve(r *http.Request, in *inflow, nonce *sign.Nonce, from *string) (rep *Reply, err error) {
	req, rest, err := s.read(r, in)
	if err != nil {
		return nil, err
	}
	c, err := sign.ParseCall(req.Body)
	if err != nil {
		return nil, problem.Wrap(problem.NotCanonical, err)
	}
	*nonce = c.Nonce
	if c.To != s.Directory.Me() {
		return nil, problem.New(problem.NotMe, "addressed to %s", c.To)
	}
	if c.Op == OpNode && s.Introduce != nil {
		s.Introduce(c.Args)
	}
	key, ok := s.Directory.Key(c.Key)
	if !ok || key.Node.Entry.Node != c.From {
		return nil, problem.New(problem.KeyUnknown, "%s", c.Key)
	}
	if !key.Current() {
		return nil, problem.New(problem.KeyEnded, "%s", c.Key)
	}
	if err := verify(key.Cert, keys.CallV1, req.Body, req.Sign); err != nil {
		return nil, err
	}
	*from = c.From
	if !s.Admit(c.From) {
		return nil, problem.New(problem.NotPeer, "%s", c.From)
	}
	if skew := time.Since(c.Time.Time); skew > MaxSkew || skew < -MaxSkew {
		return nil, problem.New(problem.Clock, "skew %s", skew.Round(time.Second))
	}
	if !s.nonces.fresh(c.Nonce, time.Now()) {
		return nil, problem.New(problem.Replay, "")
	}
	if rest != nil {
		// Only a caller that is known gets its frames read.
		if req.Frames, err = binaryFrames(rest, len(c.Frames)); err != nil {
			return nil, err
		}
	}
	in.done()
	if err := sameFrames(c.Frames, req.Frames); err != nil {
		return nil, err
	}
	if err := s.limits.take(c.From, in.size, s.limit(c.From), time.Now()); err != nil {
		return nil, err
	}
	h, ok := s.Handlers[c.Op]
	if !ok {
		return nil, problem.New(problem.UnknownOp, "%s", c.Op)
	}
	defer func() {
		if p := recover(); p != nil {
			s.Log.ErrorContext(r.Context(), "handler panicked", "op", c.Op, "from", c.From, "panic", p, "stack", string(debug.Stack()))
			rep, err = nil, problem.New(problem.Internal, "")
		}
	}()
	return h(r.Context(), &Request{From: c.From, Op: c.Op, Args: c.Args, Frames: req.Frames})
}

func (s *Server) limit(node string) Limit {
	if s.Limit == nil {
		return DefaultLimit
	}
	return s.Limit(node)
}

// read takes a request off the wire: whole in its JSON form, decoded one of at
// most maxReading at a time, and the signed part in its binary form, whose frames
// are left on rest.
func (s *Server) read(r *http.Request, in *inflow) (req *message, rest *bufio.Reader, err error) {
	req = new(message)
	if isBinary(r.Header, "Content-Type") {
		req.Body, req.Sign, rest, err = binaryBody(in)
		return req, rest, err
	}
	raw, err := io.ReadAll(in)
	if err != nil {
		return nil, nil, unreadable(err)
	}
	s.once.Do(func() { s.slots = make(chan struct{}, maxReading) })
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-r.Context().Done():
		return nil, nil, problem.New(problem.Busy, "")
	}
	if err := json.Unmarshal(raw, req); err != nil {
		return nil, nil, problem.Wrap(problem.Malformed, err)
	}
	return req, nil, nil
}

// write signs and sends the answer, in binary form to who accepts it. A result
// that cannot be written becomes INTERNAL.
func (s *Server) write(w http.ResponseWriter, binary bool, to string, nonce sign.Nonce, rep *Reply, err error) {
	code := problem.Code(err)
	if rep == nil || err != nil {
		rep = &Reply{}
		if err != nil {
			rep.Result = refusal{Detail: detail(err), RetryAfter: uint64(math.Ceil(float64(problem.RetryAfter(err)) / float64(time.Millisecond)))}
		}
	}
	if to == "?" {
		to = "unknown"
	}
	out := message{Code: code, Msg: problem.Describe(code).Zh, Frames: rep.Frames}
	result, merr := canonical(rep.Result)
	if merr == nil {
		body := sign.Answer{
			V: 1, From: s.Directory.Me(), To: to, Key: sign.Hash(s.Signer.ID()), Nonce: nonce, Time: sign.Now(),
			Code: code, Frames: hashes(rep.Frames), Result: result,
		}
		out.Body, out.Sign, merr = sign.Sign(s.Signer, keys.AnswerV1, &body)
	}
	var pieces [][]byte
	var size int64
	media := "application/json; charset=utf-8"
	if merr == nil && binary && len(out.Body) <= maxBody {
		media = Binary
		pieces, size, merr = binaryMessage(out.Body, out.Sign, out.Frames)
	} else if merr == nil {
		var data []byte
		data, merr = json.Marshal(&out)
		pieces, size = [][]byte{data}, int64(len(data))
	}
	if merr != nil {
		s.Log.Error("cannot write an answer", "err", merr)
		data := []byte(`{"code":"INTERNAL","msg":""}`)
		media, pieces, size = "application/json; charset=utf-8", [][]byte{data}, int64(len(data))
	}
	w.Header().Set("Content-Type", media)
	w.Header()["Content-Length"] = []string{itoa(size)}
	all := writers.Get().(*bufio.Writer) // small frames go out together
	defer writers.Put(all)
	all.Reset(w)
	for _, p := range pieces {
		if _, err := all.Write(p); err != nil {
			return // the caller has gone
		}
	}
	all.Flush()
}

var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, buffer) }}

// refusal is the result of an answer whose code is not 000000.
type refusal struct {
	Detail     string `json:"detail"`
	RetryAfter uint64 `json:"retry_after"` // milliseconds; 0 where it does not matter when
}

func detail(err error) string {
	var e *problem.Error
	if errors.As(err, &e) {
		return e.Detail
	}
	return ""
}

// nonceCache remembers nonces for at least the freshness window. It forgets by
// swapping two generations, so its memory is bounded by the calls of two windows.
type nonceCache struct {
	mu        sync.Mutex
	now, then map[sign.Nonce]struct{}
	since     time.Time
}

func (c *nonceCache) fresh(n sign.Nonce, at time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now == nil || at.Sub(c.since) > 2*MaxSkew {
		c.then, c.now, c.since = c.now, map[sign.Nonce]struct{}{}, at
	}
	if _, ok := c.now[n]; ok {
		return false
	}
	if _, ok := c.then[n]; ok {
		return false
	}
	c.now[n] = struct{}{}
	return true
}
