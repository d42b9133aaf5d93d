package call

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"strconv"

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
	req := request{Frames: frames}
	if req.Body, req.Sign, err = sign.Sign(c.Signer, keys.CallV1, &body); err != nil {
		return nil, err
	}
	data, err := json.Marshal(&req)
	if err != nil {
		return nil, err
	}
	back, err := c.post(ctx, base, data)
	if err != nil {
		return nil, problem.Wrap(problem.Unreachable, err)
	}
	var ans answer
	if err := json.Unmarshal(back, &ans); err != nil {
		return nil, problem.Wrap(problem.BadAnswer, err)
	}
	a, err := c.trust(to, body.Nonce, &ans, result)
	if err != nil {
		return nil, err
	}
	if a.Code != problem.OK {
		var r refusal
		sign.Unmarshal(a.Result, &r)
		return nil, &problem.Error{Code: a.Code, Detail: r.Detail}
	}
	if err := sameFrames(a.Frames, ans.Frames); err != nil {
		return nil, problem.Wrap(problem.BadAnswer, err)
	}
	if result != nil {
		if err := sign.Unmarshal(a.Result, result); err != nil {
			return nil, problem.Wrap(problem.BadAnswer, err)
		}
	}
	return ans.Frames, nil
}

func (c *Client) post(ctx context.Context, base string, data []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+Path, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	pipe := *c.HTTP // a redirect is somebody else's idea of where the peer is
	pipe.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := pipe.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, problem.New(problem.Unreachable, "HTTP %d", resp.StatusCode)
	}
	back, err := io.ReadAll(http.MaxBytesReader(nil, resp.Body, MaxMessage))
	return back, err
}

// trust verifies that ans is the signed answer of node `to` to the call with
// this nonce. A Learner may hold entries that make the answerer's key known.
func (c *Client) trust(to string, nonce sign.Nonce, ans *answer, result any) (*sign.Answer, error) {
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

func itoa(n int) string { return strconv.Itoa(n) }
