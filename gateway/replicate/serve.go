package replicate

import (
	"context"
	"errors"
	"slices"
	"time"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/call"
	"fayi/gateway/directory"
	"fayi/gateway/problem"
	"fayi/gateway/store"
)

// Limits of calls.
const (
	maxWait       = 20 * time.Second
	maxFetchBytes = 8 << 20 // of bodies in one answer
	leastFetch    = 64 << 10
	fetchPause    = 250    // ms: what poll_after says where there is no room to answer
	maxPollAfter  = 60_000 // ms: how long a peer may ask this node to wait
	pushBytes     = 4 << 20
	batchSegments = 256
)

// Arguments and results of the operations (protocol §5). Field order is wire
// order.
type (
	headsArgs struct {
		Since string `json:"since"` // token of an earlier answer; "" for everything
		Wait  uint64 `json:"wait"`  // milliseconds, at most 20,000
	}
	headsResult struct {
		Token    string      `json:"token"`
		Heads    []sign.Head `json:"heads"`
		Receipts []Signed    `json:"receipts"`
		Notes    []Signed    `json:"notes"`
	}
	fetchArgs struct {
		Streams  []sign.Head `json:"streams"` // (stream, gen, after, head); (…, 0, 0, zeros) for the beginning
		MaxBytes uint64      `json:"max_bytes"`
	}
	fetchResult struct {
		Streams   []StreamResult `json:"streams"`
		PollAfter uint64         `json:"poll_after"` // milliseconds to wait before the next fetch; 0 for none
	}
	pushResult struct {
		Receipts []Signed       `json:"receipts"`
		Streams  []StreamResult `json:"streams"`
	}
	signedArgs struct {
		Items []Signed `json:"items"`
	}
	signedResult struct {
		Codes []string `json:"codes"`
	}
	pingResult struct {
		Time sign.Time `json:"time"`
	}
)

// maxItems bounds the receipts or notes of one call.
const maxItems = 1024

// Handlers returns what this node answers to.
func (e *Engine) Handlers() map[string]call.Handler {
	return map[string]call.Handler{
		call.OpHeads:   e.serveHeads,
		call.OpFetch:   e.serveFetch,
		call.OpPush:    e.servePush,
		call.OpReceipt: e.serveSigned(e.Believe),
		call.OpNote:    e.serveSigned(e.Hear),
		call.OpNode:    e.serveNode,
		call.OpPing: func(context.Context, *call.Request) (*call.Reply, error) {
			return &call.Reply{Result: pingResult{sign.Now()}}, nil
		},
	}
}

// readArgs reads an operation's arguments.
func readArgs(r *call.Request, args any) error {
	if err := sign.Unmarshal(r.Args, args); err != nil {
		return problem.Wrap(problem.NotCanonical, err)
	}
	return nil
}

// mayHave reports whether a caller may be given a stream.
func (e *Engine) mayHave(s sign.Stream, caller string) bool {
	if s.Audience == sign.Test && !e.AcceptTest {
		return false
	}
	return e.Directory.OnPath(s, caller)
}

// serveHeads answers with the streams that changed since the caller's token,
// waiting for one if none did, and with receipts and notes on their way to it.
func (e *Engine) serveHeads(ctx context.Context, r *call.Request) (*call.Reply, error) {
	var args headsArgs
	if err := readArgs(r, &args); err != nil {
		return nil, err
	}
	since, known := e.Hub.parse(args.Since)
	ctx, cancel := context.WithTimeout(ctx, min(time.Duration(args.Wait)*time.Millisecond, maxWait))
	defer cancel()
	gather := time.Now().Add(passPause) // until then receipts and notes wait for more of them
	for {
		version := e.Hub.Version()
		res, err := e.headsSince(context.WithoutCancel(ctx), r.From, since, known, time.Now().Before(gather) && ctx.Err() == nil)
		if err != nil {
			return nil, err
		}
		res.Token = e.Hub.token(version)
		if len(res.Heads)+len(res.Receipts)+len(res.Notes) > 0 || !known || ctx.Err() != nil {
			return &call.Reply{Result: res}, nil
		}
		wait, stop := ctx, context.CancelFunc(func() {})
		if time.Now().Before(gather) {
			wait, stop = context.WithDeadline(ctx, gather)
		}
		e.Hub.Wait(wait, version)
		stop()
	}
}

// headsSince gathers what changed; with streams, receipts and notes only where some
// stream did, since nobody waits for those.
func (e *Engine) headsSince(ctx context.Context, caller string, since uint64, known, streams bool) (*headsResult, error) {
	pick := func(kind string) map[string]bool {
		if !known {
			return nil
		}
		return e.Hub.since(kind, since)
	}
	res := &headsResult{Heads: []sign.Head{}}
	changed, err := e.changed(ctx, pick(topicStream), func(s sign.Stream) bool {
		return s.Origin != caller && e.mayHave(s, caller) && e.Directory.Towards(s.Origin) != caller
	})
	if err != nil {
		return nil, err
	}
	for _, st := range changed {
		if st.Seq > 0 {
			res.Heads = append(res.Heads, wireHead(st.Name, st.Head))
		}
	}
	if streams && known && len(res.Heads) == 0 {
		return res, nil
	}
	if res.Receipts, err = e.receiptsTowards(ctx, caller, pick(topicReceipt)); err != nil {
		return nil, err
	}
	res.Notes, err = e.notesFor(ctx, caller, pick(topicNote))
	return res, err
}

// changed reads the named streams (nil for all) that pass a rule; the rule is
// asked first, so that nothing is read of what is not wanted.
func (e *Engine) changed(ctx context.Context, names map[string]bool, wanted func(sign.Stream) bool) ([]store.Stream, error) {
	if names == nil {
		all, err := e.Store.Streams(ctx)
		return slices.DeleteFunc(all, func(st store.Stream) bool {
			s, perr := sign.ParseStream(st.Name)
			return perr != nil || !wanted(s)
		}), err
	}
	var some []string
	for name := range names {
		if s, err := sign.ParseStream(name); err == nil && wanted(s) {
			some = append(some, name)
		}
	}
	return e.Store.StreamsByName(ctx, some)
}

// serveFetch answers with frames after the positions asked for. A position off
// this node's live chain is answered GAP with where this node stands.
func (e *Engine) serveFetch(ctx context.Context, r *call.Request) (rep *call.Reply, err error) {
	var args fetchArgs
	if err := readArgs(r, &args); err != nil {
		return nil, err
	}
	if len(args.Streams) > sign.MaxStreams {
		return nil, problem.New(problem.TooLarge, "%d streams", len(args.Streams))
	}
	res := &fetchResult{Streams: []StreamResult{}}
	rep = &call.Reply{Result: res}
	want := int64(min(max(args.MaxBytes, leastFetch), maxFetchBytes))
	budget, free := e.Memory.try(e.laneOf(args.Streams), want, leastFetch)
	if budget == 0 {
		res.PollAfter = fetchPause
		return rep, nil
	}
	defer func() {
		if rep == nil || rep.Sent == nil {
			free()
		}
	}()
	budget = min(budget, int64(max(args.MaxBytes, 1)))
	for _, ask := range args.Streams {
		if len(rep.Frames) >= batchSegments || len(rep.Frames) > 0 && budget <= 0 {
			break
		}
		s, err := sign.ParseStream(ask.Stream)
		if err != nil {
			return nil, problem.New(problem.Malformed, "stream")
		}
		out := StreamResult{Stream: ask.Stream, Code: problem.OK, Gens: []Generation{}}
		if !e.mayHave(s, r.From) {
			out.Code = problem.NotForMe
			res.Streams = append(res.Streams, out)
			continue
		}
		st, err := e.stream(ctx, ask.Stream)
		if err != nil {
			return nil, err
		}
		if st == nil {
			res.Streams = append(res.Streams, out)
			continue
		}
		out.Gen, out.Last, out.Head = st.Gen, st.Seq, sign.Hash(st.Hash)
		after := storeHead(ask)
		if on, err := e.onChain(ctx, st.ID, after); err != nil {
			return nil, err
		} else if !on {
			out.Code = problem.Gap
			if out.Gens, err = e.generations(ctx, st.ID); err != nil {
				return nil, err
			}
			res.Streams = append(res.Streams, out)
			continue
		}
		segs, err := e.Store.SegmentsAfter(ctx, st.ID, after.Pos, batchSegments-len(rep.Frames), budget)
		if errors.Is(err, store.ErrBody) {
			e.Log.ErrorContext(ctx, "stream cannot be served", "peer", r.From, "stream", ask.Stream, "err", err)
			out.Code = problem.BodyUnread
			res.Streams = append(res.Streams, out)
			continue
		}
		if err != nil {
			return nil, err
		}
		frames, err := e.frames(ctx, s, segs, r.From)
		if err != nil {
			return nil, err
		}
		for i := range frames {
			budget -= int64(len(frames[i].Body))
		}
		rep.Frames = append(rep.Frames, frames...)
		res.Streams = append(res.Streams, out)
	}
	rep.Sent = free // from here on the caller of the handler holds the frames
	return rep, nil
}

// laneOf is the lane of a fetch: the urgent one if all its streams are.
func (e *Engine) laneOf(asked []sign.Head) lane {
	for _, h := range asked {
		if s, err := sign.ParseStream(h.Stream); err != nil || !e.urgent(s.Type) {
			return bulk
		}
	}
	return urgent
}

// onChain reports whether a position is the beginning or the end of a live
// segment with that head.
func (e *Engine) onChain(ctx context.Context, stream int64, h store.Head) (bool, error) {
	if h == (store.Head{}) {
		return true, nil
	}
	seg, err := e.Store.SegmentEnding(ctx, stream, h.Gen, h.Seq)
	return seg != nil && seg.Live && seg.Hash == h.Hash, err
}

// servePush stores frames and answers with one receipt an origin.
func (e *Engine) servePush(ctx context.Context, r *call.Request) (*call.Reply, error) {
	results, receipts, err := e.Receive(context.WithoutCancel(ctx), r.From, r.Frames, true)
	if err != nil {
		return nil, err
	}
	return &call.Reply{Result: &pushResult{Receipts: receipts, Streams: results}}, nil
}

// serveSigned takes receipts or notes, each on its own.
func (e *Engine) serveSigned(take func(context.Context, Signed) error) call.Handler {
	return func(ctx context.Context, r *call.Request) (*call.Reply, error) {
		var args signedArgs
		if err := readArgs(r, &args); err != nil {
			return nil, err
		}
		if len(args.Items) > maxItems {
			return nil, problem.New(problem.TooLarge, "%d items", len(args.Items))
		}
		res := &signedResult{Codes: make([]string, len(args.Items))}
		for i, it := range args.Items {
			err := take(ctx, it)
			if res.Codes[i] = problem.Code(err); res.Codes[i] == problem.Internal {
				return nil, err
			}
		}
		return &call.Reply{Result: res}, nil
	}
}

// nodeArgs and nodeResult introduce nodes to each other: entries of either
// side and of their ancestors, each valid by its own signatures.
type (
	nodeArgs struct {
		Entries []sign.SignedEntry `json:"entries"`
	}
	nodeResult struct {
		ID       string             `json:"id"`
		Names    sign.Names         `json:"names"`
		Software string             `json:"software"`
		Reads    sign.Reads         `json:"reads"`
		Limits   limits             `json:"limits"`
		Time     sign.Time          `json:"time"`
		Entries  []sign.SignedEntry `json:"entries"`
	}
	limits struct {
		Message  uint64 `json:"message"`
		Segment  uint64 `json:"segment"`
		Lines    uint64 `json:"lines"`
		WaitMsec uint64 `json:"wait"`
	}
)

// Software names this implementation to peers.
const Software = "fayi"

// Introduce learns the entries a caller brings, before its call is verified.
func (e *Engine) Introduce(args []byte) {
	var a nodeArgs
	if sign.Unmarshal(args, &a) != nil || len(a.Entries) > 64 {
		return
	}
	e.learnAll(context.Background(), a.Entries)
}

// learnAll learns entries, ancestors first whatever their order, and keeps what
// is new.
func (e *Engine) learnAll(ctx context.Context, entries []sign.SignedEntry) {
	for range entries {
		progress := false
		for _, se := range entries {
			changed, err := e.Learn(ctx, se)
			if err == nil && changed {
				progress = true
			}
		}
		if !progress {
			return
		}
	}
}

// Learn gives an entry to the directory and keeps it in the store if it is new.
func (e *Engine) Learn(ctx context.Context, se sign.SignedEntry) (bool, error) {
	changed, err := e.Directory.Learn(se)
	if err != nil || !changed {
		return changed, err
	}
	entry, err := sign.ParseEntry(se.Entry)
	if err != nil {
		return false, err
	}
	return true, SaveEntry(ctx, e.Store, entry, se)
}

func (e *Engine) serveNode(_ context.Context, r *call.Request) (*call.Reply, error) {
	me, _ := e.Directory.Node(e.me())
	res := &nodeResult{
		ID: e.me(), Software: Software, Time: sign.Now(), Entries: e.lineage(e.me(), r.From),
		Reads:  sign.Reads{V: []int{1}, Suites: []string{seal.Suite}},
		Limits: limits{Message: call.MaxMessage, Segment: seal.MaxLineBytes, Lines: seal.MaxLines, WaitMsec: uint64(maxWait.Milliseconds())},
	}
	if me != nil {
		res.Names = me.Names
	}
	return &call.Reply{Result: res}, nil
}

// lineage returns the entries of nodes and of all their ancestors.
func (e *Engine) lineage(nodes ...string) []sign.SignedEntry {
	out := []sign.SignedEntry{}
	seen := map[string]bool{}
	for _, id := range nodes {
		for id != "" && !seen[id] {
			seen[id] = true
			n, ok := e.Directory.Node(id)
			if !ok {
				break
			}
			out = append(out, n.Signed)
			id = n.Parent
		}
	}
	return out
}

// Learn makes nodeResult a call.Learner: the answerer's key may be among the
// entries it brings.
func (n *nodeResult) Learn(d *directory.Directory, result []byte) {
	var r nodeResult
	if sign.Unmarshal(result, &r) != nil || len(r.Entries) > 64 {
		return
	}
	for range r.Entries {
		for _, se := range r.Entries {
			d.Learn(se)
		}
	}
}
