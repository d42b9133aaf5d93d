package replicate

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/problem"
	"fayi/gateway/store"
	"fayi/gateway/trace"
)

// StreamResult is what became of the frames of one stream in a push, and where
// the receiver now stands. Gens lists its generations so that a sender off the
// chain finds the newest header both hold.
type StreamResult struct {
	Stream string       `json:"stream"`
	Code   string       `json:"code"`
	Gen    uint64       `json:"gen"`
	Last   uint64       `json:"last"`
	Head   sign.Hash    `json:"head"`
	Gens   []Generation `json:"gens"` // on GAP
}

// Generation is a generation of a stream as a receiver holds it.
type Generation struct {
	Gen   uint64    `json:"gen"`
	First uint64    `json:"first"`
	Prev  sign.Hash `json:"prev"`
}

// Receive takes frames from a neighbour in the order of protocol §3. Frames of
// one stream must be in chain order; streams are independent of each other and
// all that is good is stored in one transaction. The results name each stream
// once. An error means that this node failed, and nothing is known of the frames.
func (e *Engine) Receive(ctx context.Context, from string, frames []seal.Frame) ([]StreamResult, error) {
	var order []string
	runs := map[string][]arrived{}
	var results []StreamResult
	for i := range frames {
		f := &frames[i]
		h, err := seal.ParseHeader(f.Header) // steps 1–3
		if err != nil {
			code := parseCode(err)
			e.count(from, code)
			results = append(results, StreamResult{Code: code, Gens: []Generation{}})
			continue
		}
		if _, seen := runs[h.Stream]; !seen {
			order = append(order, h.Stream)
		}
		runs[h.Stream] = append(runs[h.Stream], arrived{f, h, sign.Sum(f.Header)})
	}
	ins := make([]*incoming, 0, len(order))
	for _, name := range order {
		in, err := e.judgeRun(ctx, from, name, runs[name])
		if err != nil {
			return nil, err
		}
		ins = append(ins, in)
	}
	err := e.commit(ctx, ins)
	for tries := 0; errors.Is(err, store.ErrHeadMoved) && tries < 5; tries++ {
		// Push and poll met: somebody stored some of this first. Look again.
		for i, name := range order {
			if ins[i], err = e.judgeRun(ctx, from, name, runs[name]); err != nil {
				return nil, err
			}
		}
		err = e.commit(ctx, ins)
	}
	if err != nil {
		return nil, err
	}
	for _, in := range ins {
		res, err := e.result(ctx, in)
		if err != nil {
			return nil, err
		}
		results = append(results, res)
	}
	return results, nil
}

func parseCode(err error) string {
	switch {
	case errors.Is(err, seal.ErrSuite):
		return problem.SuiteUnknown
	case errors.Is(err, sign.ErrNotCanonical):
		return problem.NotCanonical
	}
	return problem.Malformed
}

// arrived is a frame whose header could be read.
type arrived struct {
	frame *seal.Frame
	h     *seal.Header
	hash  sign.Hash
}

// incoming is what one call brought for one stream, judged but not stored.
type incoming struct {
	name    string
	from    string
	code    string // why it stopped, OK otherwise
	stream  *store.Stream
	append  store.Append
	records []rejection
	held    string     // the schema that is not here, if something had to be held
	signed  bool       // some frame of it was verified: only then is its sender told where the stream stands
	end     store.Head // where the stream stands after the append
}

// judgeRun takes the frames of one stream through steps 4–10.
func (e *Engine) judgeRun(ctx context.Context, from, name string, run []arrived) (*incoming, error) {
	in := &incoming{name: name, from: from, code: problem.OK}
	s, err := sign.ParseStream(name)
	if err != nil {
		in.code = problem.Malformed
		return in, nil
	}
	reader, ok := e.Directory.Accepts(s, from) // step 4
	if !ok || s.Audience == sign.Test && !e.AcceptTest {
		in.code = problem.NotForMe
		if reader {
			in.code = problem.NotCarrier
		}
		e.count(from, in.code)
		return in, nil
	}
	if in.stream, err = e.stream(ctx, name); err != nil {
		return nil, err
	}
	if in.stream != nil {
		in.end = in.stream.Head
		in.append = store.Append{Stream: in.stream.ID, From: in.stream.Head}
	}
	for i := range run {
		code, err := e.take(ctx, in, s, reader, &run[i])
		if err != nil {
			return nil, err
		}
		if code != problem.OK {
			in.code = code
			e.count(from, code)
			break
		}
	}
	return in, nil
}

// take brings one frame through steps 5–10 and adds it to in. A code other
// than OK ends the run.
func (e *Engine) take(ctx context.Context, in *incoming, s sign.Stream, reader bool, a *arrived) (string, error) {
	// Step 5: the key, its signature, the positions it is good for.
	key, ok := e.Directory.Key(a.h.Key)
	if !ok || key.Node.Entry.Node != s.Origin {
		return problem.KeyUnknown, nil
	}
	if err := seal.VerifyHeader(key.Cert, a.frame.Header, a.frame.Sig); err != nil {
		return problem.BadSignature, nil
	}
	if !key.Covers(in.name, a.h.Gen, a.h.First, a.h.Last()) {
		return problem.KeyEnded, nil
	}
	in.signed = true
	if s.Origin == e.me() {
		return e.takeOwn(ctx, in, a)
	}
	if in.stream == nil {
		if full, err := e.tooManyStreams(ctx, s.Origin); err != nil || full {
			return problem.TooLarge, err
		}
		st, err := e.Store.EnsureStream(ctx, in.name)
		if err != nil {
			return "", err
		}
		in.stream, in.end = &st, st.Head
		in.append = store.Append{Stream: st.ID, From: st.Head}
	}
	// Steps 6 and 7.
	code, rewind, err := e.place(ctx, in, a)
	if err != nil || code != problem.OK {
		if code == held {
			return problem.OK, e.replaceCarried(ctx, in, reader, a)
		}
		return code, err
	}
	// Steps 8–10.
	seg := &seal.Segment{Header: *a.h, Bytes: a.frame.Header, Hash: a.hash, Sig: a.frame.Sig, Body: a.frame.Body}
	var next []seal.Reader
	if reader {
		if seg.Key, err = seal.Unwrap(e.Unwrapper, a.frame.Readers); err != nil {
			return problem.CannotOpen, e.cannotOpen(ctx, in, a)
		}
		lines, err := seal.Open(a.h, seg.Bytes, seg.Body, seg.Key)
		if err != nil {
			return problem.CannotOpen, e.cannotOpen(ctx, in, a)
		}
		code := e.judgeLines(in, s, a.h, rewind, lines)
		if code == problem.LeafNoOrder && e.tries.count("leaf/"+a.hash.String(), code) == 1 {
			e.alarm(ctx, code, in.name, in.from, fmt.Sprintf("gen %d, first %d", a.h.Gen, a.h.First))
		}
		if code != problem.OK {
			return code, nil
		}
		if next, err = e.wrapNext(s, seg.Key); err != nil {
			return "", err
		}
	} else {
		next = a.frame.Readers
	}
	st, err := Stored(e.StoreKey, in.stream.ID, seg, next)
	if err != nil {
		return "", err
	}
	if rewind != nil {
		in.append.Rewind = rewind
	}
	in.append.Segments = append(in.append.Segments, st)
	in.end = store.Head{Pos: store.Pos{Gen: st.Gen, Seq: st.Last()}, Hash: st.Hash}
	return problem.OK, nil
}

// maxStreams bounds the streams an origin may open here: 256 types in a few
// audiences each (protocol §1).
const maxStreams = 1024

func (e *Engine) tooManyStreams(ctx context.Context, origin string) (bool, error) {
	n, err := e.Store.CountStreams(ctx, origin)
	return n >= maxStreams, err
}

// replaceCarried puts the container of an equal header from the origin's side
// in place of the one a carrier holds: without the key it cannot tell which of
// two is damaged, but its way to the origin was asked for a better one
// (protocol §3).
func (e *Engine) replaceCarried(ctx context.Context, in *incoming, reader bool, a *arrived) error {
	if reader {
		return nil
	}
	have, err := e.Store.SegmentByHash(ctx, in.stream.ID, store.Hash(a.hash))
	if err != nil || have == nil {
		return err
	}
	if have, err = e.Store.Body(ctx, have.Stream, have.Gen, have.First); err != nil || have == nil || bytes.Equal(have.Body, a.frame.Body) {
		return err
	}
	return e.Store.ReplaceContainer(ctx, have.Stream, have.Gen, have.First, nil, seal.EncodeReaders(a.frame.Readers), a.frame.Body)
}

// held is place's word for a header that is here already: the sender gets this
// node's receipt again and nothing changes.
const held = "held"

// place finds where a validly signed header stands (steps 6–7). A rewind is
// where a higher generation continues from.
func (e *Engine) place(ctx context.Context, in *incoming, a *arrived) (code string, rewind *store.Head, err error) {
	if in.stream.State == stateForked {
		return problem.Forked, nil, nil
	}
	id, cur, hash := in.stream.ID, in.end, store.Hash(a.hash)
	pending := slices.ContainsFunc(in.append.Segments, func(s store.Segment) bool { return s.Hash == hash })
	have, err := e.Store.SegmentByHash(ctx, id, hash)
	switch {
	case err != nil:
		return "", nil, err
	case pending || have != nil:
		return held, nil, nil
	case cur == store.Head{}: // nothing held yet
		if !a.h.Prev.IsZero() {
			return problem.Gap, nil, nil
		}
		if a.h.First != 1 {
			return problem.BadStart, nil, e.badStart(ctx, in, a)
		}
		return problem.OK, nil, nil
	case a.h.Gen < cur.Gen:
		return problem.Gap, nil, nil
	case a.h.Gen == cur.Gen && a.h.First > cur.Seq+1:
		return problem.Gap, nil, nil
	case a.h.Gen == cur.Gen:
		if a.h.First == cur.Seq+1 && a.h.Prev == sign.Hash(cur.Hash) {
			return problem.OK, nil, nil
		}
		return problem.Fork, nil, e.fork(ctx, in, a)
	}
	// A higher generation: it must continue a header held here.
	if a.h.Prev == sign.Hash(cur.Hash) {
		if a.h.First != cur.Seq+1 {
			return problem.BadStart, nil, e.badStart(ctx, in, a)
		}
		return problem.OK, nil, nil
	}
	if len(in.append.Segments) > 0 {
		// The rest of this run is judged once what came before it is stored.
		return problem.Gap, nil, nil
	}
	base, err := e.Store.SegmentByHash(ctx, id, store.Hash(a.h.Prev))
	if err != nil {
		return "", nil, err
	}
	if base == nil { // live or orphan, protocol §3 step 6
		return problem.Gap, nil, nil
	}
	if a.h.First != base.Last()+1 {
		return problem.BadStart, nil, e.badStart(ctx, in, a)
	}
	return problem.OK, &store.Head{Pos: store.Pos{Gen: base.Gen, Seq: base.Last()}, Hash: base.Hash}, nil
}

// States of a stream that wait for somebody else.
const (
	stateForked   = "forked"
	stateBadStart = "bad_start"
	stateHeld     = "held"
	stateClosed   = "cannot_open"
)

// takeOwn answers a segment of this node's own stream that someone sends back.
// One that is here proves nothing new; one that is not means that the database
// was put back to an earlier state. It is not taken in passing: the origin's
// table of newest versions must move with its streams.
func (e *Engine) takeOwn(ctx context.Context, in *incoming, a *arrived) (string, error) {
	if in.stream != nil {
		have, err := e.Store.SegmentByHash(ctx, in.stream.ID, store.Hash(a.hash))
		if err != nil || have != nil {
			return problem.OK, err
		}
	}
	e.alarm(ctx, problem.ReceiptAhead, in.name, in.from, fmt.Sprintf("sent back gen %d first %d, which is not here", a.h.Gen, a.h.First))
	return problem.ReceiptAhead, nil
}

// triesToOpen is after how many failures to open one segment its stream is
// shown as stuck; it is fetched on, since another copy may be good.
const triesToOpen = 3

// cannotOpen counts failures of one segment's container.
func (e *Engine) cannotOpen(ctx context.Context, in *incoming, a *arrived) error {
	if e.tries.count("open/"+a.hash.String(), problem.CannotOpen) != triesToOpen || in.stream.State != "" {
		return nil
	}
	where := fmt.Sprintf("gen %d, number %d", a.h.Gen, a.h.First)
	e.alarm(ctx, problem.CannotOpen, in.name, in.from, where)
	return e.Store.SetState(ctx, in.stream.ID, stateClosed, where)
}

// fork keeps both headers as evidence and stops the stream: two valid
// signatures of one origin contradict each other.
func (e *Engine) fork(ctx context.Context, in *incoming, a *arrived) error {
	where := fmt.Sprintf("gen %d, first %d, header %s", a.h.Gen, a.h.First, a.hash)
	err := e.Store.SaveFork(ctx, store.Fork{
		Stream: in.stream.ID, Gen: a.h.Gen, First: a.h.First, Hash: store.Hash(a.hash),
		Header: a.frame.Header, Sig: a.frame.Sig, Peer: in.from,
	})
	if err != nil {
		return err
	}
	e.alarm(ctx, problem.Fork, in.name, in.from, where)
	in.stream.State = stateForked
	return e.Store.SetState(ctx, in.stream.ID, stateForked, where)
}

func (e *Engine) badStart(ctx context.Context, in *incoming, a *arrived) error {
	if in.stream.State == stateBadStart {
		return nil
	}
	e.alarm(ctx, problem.BadStart, in.name, "", fmt.Sprintf("gen %d, first %d", a.h.Gen, a.h.First))
	return e.Store.SetState(ctx, in.stream.ID, stateBadStart, fmt.Sprintf("gen %d, first %d", a.h.Gen, a.h.First))
}

// commit stores everything judged good in one transaction (step 11) and tells
// the rest of the process.
func (e *Engine) commit(ctx context.Context, ins []*incoming) error {
	var appends []store.Append
	var records []rejection
	for _, in := range ins {
		if len(in.append.Segments) > 0 {
			appends = append(appends, in.append)
			records = append(records, in.records...)
		}
	}
	if len(appends) == 0 {
		return nil
	}
	err := e.Store.Append(ctx, appends, func(ctx context.Context, tx *sql.Tx) error {
		return e.publishRejections(ctx, tx, records)
	})
	if errors.Is(err, store.ErrOutcomeUnknown) {
		// Committed or not, what is stored decides: judge again from there.
		return store.ErrHeadMoved
	}
	if err != nil {
		return err
	}
	for _, in := range ins {
		for _, s := range in.append.Segments {
			hash, prev := sign.Hash(s.Hash), sign.Hash(s.Prev)
			e.Trace.Write(trace.Event{Event: trace.Store, Stream: in.name, Gen: s.Gen, First: s.First, Count: s.Count, Hash: &hash, Prev: &prev})
		}
		if in.append.Rewind != nil {
			e.alarm(ctx, problem.NewGeneration, in.name, "", fmt.Sprintf("continues from gen %d seq %d; what lay beyond are orphans", in.append.Rewind.Gen, in.append.Rewind.Seq))
		}
		if len(in.append.Segments) == 0 {
			continue
		}
		state := in.stream.State
		if state == stateBadStart || state == stateClosed {
			state = ""
		}
		judged := in.append.Checked != nil && *in.append.Checked == in.end.Pos
		switch {
		case state == stateHeld && judged: // continued from before what was held
			state = ""
		case state == "" && in.held != "":
			state = stateHeld
		}
		if state != in.stream.State {
			if err := e.Store.SetState(ctx, in.stream.ID, state, in.held); err != nil {
				return err
			}
		}
		e.Hub.Stream(in.name)
	}
	return nil
}

// result says where the stream stands after the call.
func (e *Engine) result(ctx context.Context, in *incoming) (StreamResult, error) {
	res := StreamResult{Stream: in.name, Code: in.code, Gens: []Generation{}}
	if in.stream == nil || !in.signed {
		return res, nil
	}
	res.Gen, res.Last, res.Head = in.end.Gen, in.end.Seq, sign.Hash(in.end.Hash)
	if in.code != problem.Gap {
		return res, nil
	}
	var err error
	res.Gens, err = e.generations(ctx, in.stream.ID)
	return res, err
}

func (e *Engine) generations(ctx context.Context, stream int64) ([]Generation, error) {
	gens, err := e.Store.Generations(ctx, stream)
	out := make([]Generation, len(gens))
	for i, g := range gens {
		out[i] = Generation{g.Gen, g.First, sign.Hash(g.Prev)}
	}
	return out, err
}
