package replicate

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/problem"
	"fayi/gateway/store"
	"fayi/gateway/trace"

	"golang.org/x/sync/errgroup"
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
// With ack, receipts for what is stored then are signed, one an origin and level.
func (e *Engine) Receive(ctx context.Context, from string, frames []seal.Frame, ack bool) ([]StreamResult, []Signed, error) {
	var order []string
	runs := map[string][]*arrived{}
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
		runs[h.Stream] = append(runs[h.Stream], &arrived{frame: f, h: h, hash: sign.Sum(f.Header)})
	}
	whole := ack && len(results) == 0
	ins, err := e.judgeAll(ctx, from, order, runs)
	var receipts []Signed
	if err == nil {
		receipts, err = e.commit(ctx, ins, whole)
	}
	for tries := 0; errors.Is(err, store.ErrHeadMoved) && tries < 5; tries++ {
		// Push and poll met: somebody stored some of this first. Look again.
		if ins, err = e.judgeAll(ctx, from, order, runs); err == nil {
			receipts, err = e.commit(ctx, ins, whole)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	for _, in := range ins {
		res, err := e.result(ctx, in)
		if err != nil {
			return nil, nil, err
		}
		results = append(results, res)
	}
	if ack && len(receipts) == 0 {
		receipts, err = e.acknowledgeAll(ctx, results)
	}
	return results, receipts, err
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

// arrived is a frame whose header could be read, on its way through the steps.
type arrived struct {
	frame *seal.Frame
	h     *seal.Header
	hash  sign.Hash

	code   string      // of step 5; "" before it
	rewind *store.Head // step 6: where a higher generation continues from, if not from the end
	opened             // steps 8–10
}

// incoming is what one call brought for one stream, judged but not stored.
type incoming struct {
	name    string
	from    string
	s       sign.Stream
	reader  bool
	code    string // why it stopped, OK otherwise
	stream  *store.Stream
	placed  []*arrived   // steps 5–7 passed, in order
	shows   func() error // what a frame behind those shows of the origin, if they are good
	append  store.Append
	records []rejection
	held    string     // the schema that is not here, if something had to be held
	signed  bool       // some frame of it was verified: only then is its sender told where the stream stands
	end     store.Head // where the stream stands after the append
}

// judgeAll takes the frames of a call through steps 4–10, the runs of all
// streams together: what needs a key is spread over the cores, what needs order
// is done in order.
func (e *Engine) judgeAll(ctx context.Context, from string, order []string, runs map[string][]*arrived) ([]*incoming, error) {
	ins := make([]*incoming, len(order))
	streams, err := e.Store.StreamsByName(ctx, order)
	if err != nil {
		return nil, err
	}
	known := make(map[string]*store.Stream, len(streams))
	for i := range streams {
		known[streams[i].Name] = &streams[i]
	}
	var signatures, bodies []func() error
	for i, name := range order {
		in := e.admit(from, name, known[name])
		if ins[i] = in; in.code != problem.OK {
			continue
		}
		for _, a := range runs[name] {
			if a.code == "" || a.code == problem.KeyUnknown { // a second look at the same frames need not verify again
				signatures = append(signatures, func() error { a.code = e.authentic(in, a); return nil })
			}
		}
	}
	if err := spread(signatures); err != nil {
		return nil, err
	}
	for i, name := range order {
		if err := e.placeRun(ctx, ins[i], runs[name]); err != nil {
			return nil, err
		}
		for _, a := range ins[i].placed {
			bodies = append(bodies, func() (err error) { a.opened, err = e.open(ins[i], a); return err })
		}
	}
	if err := spread(bodies); err != nil {
		return nil, err
	}
	for _, in := range ins {
		if err := e.settle(ctx, in); err != nil {
			return nil, err
		}
		if in.code != problem.OK {
			e.count(from, in.code)
		}
	}
	return ins, nil
}

// spread runs tasks on as many goroutines as there are cores, and so holds at
// most as many opened segments, however many frames came.
func spread(tasks []func() error) error {
	if len(tasks) == 1 {
		return tasks[0]()
	}
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, t := range tasks {
		g.Go(t)
	}
	return g.Wait()
}

// admit is step 4, and finds the stream.
func (e *Engine) admit(from, name string, known *store.Stream) *incoming {
	in := &incoming{name: name, from: from, code: problem.OK}
	var err error
	if in.s, err = sign.ParseStream(name); err != nil {
		in.code = problem.Malformed
		return in
	}
	ok := false
	in.reader, ok = e.Directory.Accepts(in.s, from)
	if !ok || in.s.Audience == sign.Test && !e.AcceptTest {
		in.code = problem.NotForMe
		if in.reader {
			in.code = problem.NotCarrier
		}
		return in
	}
	if known != nil {
		in.on(known)
	}
	return in
}

// on says which stream it is, and where it stands.
func (in *incoming) on(st *store.Stream) {
	in.stream, in.end = st, st.Head
	in.append = store.Append{Stream: st.ID, From: st.Head}
}

// authentic is step 5: the key, its signature, the positions it is good for.
func (e *Engine) authentic(in *incoming, a *arrived) string {
	key, ok := e.Directory.Key(a.h.Key)
	if !ok || key.Node.Entry.Node != in.s.Origin {
		return problem.KeyUnknown
	}
	if err := seal.VerifyHeader(key.Cert, a.frame.Header, a.frame.Sig); err != nil {
		return problem.BadSignature
	}
	if !key.Covers(in.name, a.h.Gen, a.h.First, a.h.Last()) {
		return problem.KeyEnded
	}
	return problem.OK
}

// placeRun takes the frames of one stream through steps 6 and 7, in order, up
// to the first that fails.
func (e *Engine) placeRun(ctx context.Context, in *incoming, run []*arrived) error {
	for _, a := range run {
		if in.code != problem.OK {
			return nil
		}
		if in.code = a.code; a.code != problem.OK {
			return nil
		}
		in.signed = true
		code, err := e.takePlace(ctx, in, a)
		if err != nil {
			return err
		}
		in.code = code
	}
	return nil
}

func (e *Engine) takePlace(ctx context.Context, in *incoming, a *arrived) (string, error) {
	if in.s.Origin == e.me() {
		return e.takeOwn(ctx, in, a)
	}
	if in.stream == nil {
		if full, err := e.tooManyStreams(ctx, in.s.Origin); err != nil || full {
			return problem.TooLarge, err
		}
		st, err := e.Store.EnsureStream(ctx, in.name)
		if err != nil {
			return "", err
		}
		in.on(&st)
	}
	code, rewind, err := e.place(ctx, in, a)
	switch {
	case err != nil:
		return "", err
	case code == held:
		return problem.OK, e.replaceCarried(ctx, in, in.reader, a)
	case code != problem.OK:
		return code, nil
	}
	a.rewind = rewind
	in.placed = append(in.placed, a)
	in.end = store.Head{Pos: store.Pos{Gen: a.h.Gen, Seq: a.h.Last()}, Hash: store.Hash(a.hash)}
	return problem.OK, nil
}

// opened is what steps 8–10 say of a frame, whatever stands before it.
type opened struct {
	verdict string // OK, CANNOT_OPEN, LEAF_WITHOUT_ORDER
	fault   bool   // its container could not be opened: count it
	held    bool   // its pack is not here
	refused []rejection
	segment store.Segment
}

// open is steps 8–10 of one frame. It reads and changes nothing but the frame.
func (e *Engine) open(in *incoming, a *arrived) (o opened, err error) {
	seg := &seal.Segment{Header: *a.h, Bytes: a.frame.Header, Hash: a.hash, Sig: a.frame.Sig, Body: a.frame.Body}
	o.verdict = problem.OK
	next := a.frame.Readers
	if in.reader {
		var lines [][]byte
		if seg.Key, err = seal.Unwrap(e.Unwrapper, a.frame.Readers); err == nil {
			lines, err = seal.Open(a.h, seg.Bytes, seg.Body, seg.Key)
		}
		if err != nil {
			return opened{verdict: problem.CannotOpen, fault: true}, nil
		}
		if o = e.judgeLines(in.s, a.h, lines); o.verdict != problem.OK {
			return o, nil
		}
		if next, err = e.wrapNext(in.s, seg.Key); err != nil {
			return o, err
		}
	}
	o.segment, err = Stored(e.StoreKey, in.stream.ID, seg, next)
	return o, err
}

// settle puts what was placed and opened together, in order, up to the first
// that fails.
func (e *Engine) settle(ctx context.Context, in *incoming) error {
	end := in.append.From
	for _, a := range in.placed {
		switch {
		case a.fault:
			if err := e.cannotOpen(ctx, in, a); err != nil {
				return err
			}
		case a.verdict == problem.LeafNoOrder && e.tries.count("leaf/"+a.hash.String(), a.verdict) == 1:
			e.alarm(ctx, a.verdict, in.name, in.from, fmt.Sprintf("gen %d, first %d", a.h.Gen, a.h.First))
		}
		if a.verdict != problem.OK {
			in.code = a.verdict
			break
		}
		if in.reader {
			in.judged(a, end)
		}
		if a.rewind != nil {
			in.append.Rewind = a.rewind
		}
		in.append.Segments = append(in.append.Segments, a.segment)
		end = a.segment.End()
	}
	if len(in.placed) > 0 {
		in.end = end
	}
	if in.shows != nil && len(in.append.Segments) == len(in.placed) {
		return in.shows()
	}
	return nil
}

// judged takes in the verdict on the lines of a frame that follows end. Where
// its pack is not here, or something before it is held, it is stored and judged
// later.
func (in *incoming) judged(a *arrived, end store.Head) {
	checked := in.stream.Checked
	if in.append.Checked != nil {
		checked = *in.append.Checked
	}
	if a.held {
		in.held = a.h.Schema
		return
	}
	if checked != end.Pos && (a.rewind == nil || checked.Compare(a.rewind.Pos) < 0) {
		return
	}
	for _, r := range a.refused {
		in.append.Refused = append(in.append.Refused, store.Refusal{Gen: a.h.Gen, Seq: r.seq, Code: r.code, Pointer: r.pointer})
		in.records = append(in.records, r)
	}
	in.append.Checked = &store.Pos{Gen: a.h.Gen, Seq: a.h.Last()}
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

// commit stores everything judged good in one transaction (step 11), with ack and
// where it can the receipts for it, and tells the rest of the process.
func (e *Engine) commit(ctx context.Context, ins []*incoming, ack bool) (receipts []Signed, err error) {
	var appends []store.Append
	var records []rejection
	for _, in := range ins {
		if len(in.append.Segments) > 0 {
			appends = append(appends, in.append)
			records = append(records, in.records...)
		}
	}
	if len(appends) == 0 {
		return nil, nil
	}
	var within []*receiptWithin
	if ack {
		if within, err = e.within(ctx, ins); err != nil {
			return nil, err
		}
	}
	err = e.Store.Append(ctx, appends, func(ctx context.Context, tx *sql.Tx) error {
		if err := e.publishRejections(ctx, tx, records); err != nil {
			return err
		}
		for _, w := range within { // last: their counters are locked until the end
			if err := w.sign(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, store.ErrOutcomeUnknown) {
		// Committed or not, what is stored decides: judge again from there.
		return nil, store.ErrHeadMoved
	}
	if err != nil {
		return nil, err
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
				return nil, err
			}
		}
		e.Hub.Stream(in.name)
	}
	for _, w := range within {
		e.believed.signed(&w.r, w.hash)
		e.signed(&w.r)
		receipts = append(receipts, w.out)
	}
	return receipts, nil
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
