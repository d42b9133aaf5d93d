package call

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/directory"
	"fayi/gateway/problem"
)

// Client makes calls in the name of one node. It is safe for concurrent use.
type Client struct {
	Directory *directory.Directory
	Signer    keys.Signer
	HTTP      *http.Client

	forms forms
}

// Do calls op at the node `to`, which listens at base (scheme://host:port). It
// returns the frames of the answer and reads its result into result. Errors
// carry the peer's signed code, UNREACHABLE where nothing came back, or
// BAD_ANSWER where what came back is not the peer's signed answer to this call.
// There is no retry here: retries belong to durable state.
func (c *Client) Do(ctx context.Context, base, to, op string, args any, frames []seal.Frame, result any) ([]seal.Frame, error) {
	raw, err := canonical(args)
	if err != nil {
		return nil, err
	}
	body := sign.Call{
		V: 1, From: c.Directory.Me(), To: to, Op: op, Key: sign.Hash(c.Signer.ID()), Time: sign.Now(),
		Frames: hashes(frames), Args: raw,
	}
	if _, err := rand.Read(body.Nonce[:]); err != nil {
		return nil, err
	}
	m := message{Frames: frames}
	if m.Body, m.Sign, err = sign.Sign(c.Signer, keys.CallV1, &body); err != nil {
		return nil, err
	}
	ans, a, err := c.exchange(ctx, base, to, body.Nonce, &m, result)
	if err != nil {
		return nil, err
	}
	if a.Code != problem.OK {
		return nil, refused(a)
	}
	if result != nil {
		if err := sign.Unmarshal(a.Result, result); err != nil {
			return nil, problem.Wrap(problem.BadAnswer, err)
		}
	}
	return ans.Frames, nil
}

// refused is the error of an answer whose code is not 000000.
func refused(a *sign.Answer) error {
	var r refusal
	sign.Unmarshal(a.Result, &r)
	return &problem.Error{Code: a.Code, Detail: r.Detail, RetryAfter: time.Duration(min(r.RetryAfter, maxRetryAfter)) * time.Millisecond}
}

// maxRetryAfter bounds what a peer may ask this node to wait, in milliseconds.
const maxRetryAfter = 10 * 60 * 1000

// exchange sends a message in the form its addressee takes and reads an answer
// that can be trusted, frames included.
func (c *Client) exchange(ctx context.Context, base, to string, nonce sign.Nonce, m *message, result any) (*message, *sign.Answer, error) {
	accept, send := c.forms.now(base, time.Now())
	send = send && len(m.Frames) > 0
	r, err := newRequest(ctx, base, m, send)
	if err != nil {
		return nil, nil, err
	}
	if accept {
		r.Header.Set("Accept", Binary+", application/json")
	}
	resp, err := c.send(r)
	if err != nil {
		if send && ctx.Err() == nil {
			c.forms.failed(base, false, time.Now())
		}
		return nil, nil, problem.Wrap(problem.Unreachable, err)
	}
	defer resp.Body.Close()
	binary := isBinary(resp.Header, "Content-Type")
	ans, a, err := c.receive(resp, to, nonce, binary, result)
	switch {
	case err == nil:
		c.forms.saw(base, binary)
	case (send || binary) && ctx.Err() == nil:
		c.forms.failed(base, true, time.Now())
	}
	return ans, a, err
}

// newRequest puts a message on its way in one of its two forms.
func newRequest(ctx context.Context, base string, m *message, binary bool) (*http.Request, error) {
	if !binary {
		data, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+Path, bytes.NewReader(data))
		if err == nil {
			r.Header.Set("Content-Type", "application/json; charset=utf-8")
		}
		return r, err
	}
	pieces, size, err := binaryMessage(m.Body, m.Sign, m.Frames)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+Path, readAll(pieces))
	if err != nil {
		return nil, err
	}
	r.ContentLength = size
	r.GetBody = func() (io.ReadCloser, error) { return readAll(pieces), nil }
	r.Header.Set("Content-Type", Binary)
	return r, nil
}

func (c *Client) send(r *http.Request) (*http.Response, error) {
	pipe := *c.HTTP // a redirect is somebody else's idea of where the peer is
	pipe.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return pipe.Do(r)
}

// receive reads an answer of either form and verifies it before its frames are
// looked at.
func (c *Client) receive(resp *http.Response, to string, nonce sign.Nonce, binary bool, result any) (*message, *sign.Answer, error) {
	if resp.StatusCode != http.StatusOK {
		return nil, nil, problem.New(problem.Unreachable, "HTTP %d", resp.StatusCode)
	}
	body := http.MaxBytesReader(nil, resp.Body, MaxMessage)
	ans := new(message)
	var rest *bufio.Reader
	var err error
	if binary {
		if ans.Body, ans.Sign, rest, err = binaryBody(body); err != nil {
			return nil, nil, problem.Wrap(problem.BadAnswer, err)
		}
	} else {
		back, err := io.ReadAll(body)
		if err != nil {
			return nil, nil, problem.Wrap(problem.Unreachable, err)
		}
		if err := json.Unmarshal(back, ans); err != nil {
			return nil, nil, problem.Wrap(problem.BadAnswer, err)
		}
	}
	a, err := c.trust(to, nonce, ans, result)
	if err != nil {
		return nil, nil, err
	}
	if binary {
		if ans.Frames, err = binaryFrames(rest, len(a.Frames)); err != nil {
			return nil, nil, problem.Wrap(problem.BadAnswer, err)
		}
	}
	if a.Code == problem.OK || binary {
		if err := sameFrames(a.Frames, ans.Frames); err != nil {
			return nil, nil, problem.Wrap(problem.BadAnswer, err)
		}
	}
	return ans, a, nil
}

// trust verifies that ans is the signed answer of node `to` to the call with
// this nonce. A Learner may hold entries that make the answerer's key known.
func (c *Client) trust(to string, nonce sign.Nonce, ans *message, result any) (*sign.Answer, error) {
	a, err := sign.ParseAnswer(ans.Body)
	if err != nil {
		// An answer without a signed body says nothing that may be believed;
		// its outer code only helps whoever reads the log.
		return nil, &problem.Error{Code: problem.BadAnswer, Detail: "outer code " + clip(ans.Code), Err: err}
	}
	// A refusal may come before the peer knew who asked; it is still its answer
	// to this nonce.
	if a.From != to || a.Nonce != nonce || a.Code == problem.OK && a.To != c.Directory.Me() {
		return nil, problem.New(problem.BadAnswer, "answer of %s to another call", clip(a.From))
	}
	if l, ok := result.(Learner); ok && a.Code == problem.OK {
		l.Learn(c.Directory, a.Result)
	}
	key, ok := c.Directory.Key(a.Key)
	if !ok || key.Node.Entry.Node != to || !key.Current() {
		return nil, problem.New(problem.KeyUnknown, "answer signed by %s", a.Key)
	}
	if err := verify(key.Cert, keys.AnswerV1, ans.Body, ans.Sign); err != nil {
		return nil, problem.Wrap(problem.BadAnswer, err)
	}
	return a, nil
}

// Learner is a result that holds directory entries: they are valid by their own
// signatures, so they may be learnt before the answer's signature is checked
// (protocol §7, the node call).
type Learner interface {
	Learn(d *directory.Directory, result []byte)
}

func clip(s string) string { return s[:min(len(s), 64)] }

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
