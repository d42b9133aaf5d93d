package profile

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"fayi/adapters/hotline/ticket"
	"fayi/gateway/outer"
	"fayi/schemas"

	"github.com/emmansun/gmsm/sm3"
)

// receive hands what a callback brought to the desk and words its answer.
func (x *Peer) receive(ctx context.Context, r ticket.Receiver, req *outer.Request) outer.Reply {
	if req.Operation == opQuery {
		return x.status(ctx, r, req)
	}
	in := x.told(req.Operation, req.Values)
	answers, err := r.Receive(ctx, x.p.Party.Code, in)
	if err != nil || len(answers) != len(in) {
		return outer.Reply{Class: outer.Retry, Message: "暂时无法处理，请稍后重发"}
	}
	rep := outer.Reply{Class: outer.OK}
	for _, a := range answers { // of a flow, the first that failed speaks for all
		if rep = x.reply(a); rep.Class != outer.OK && rep.Class != outer.Duplicate {
			break
		}
	}
	return rep
}

// told reads what came by an operation of the callbacks. An interface may say by
// the address alone that it offers.
func (x *Peer) told(op string, values *outer.Node) []ticket.Inbound {
	in := x.item(values, outer.Answer{}, 0)
	for i := range in {
		if op == opOffer && in[i].Verb == "" && len(in[i].Faults) == 0 {
			in[i].Verb = verbOffer
		}
	}
	return in
}

func (x *Peer) status(ctx context.Context, r ticket.Receiver, req *outer.Request) outer.Reply {
	w, err := ReadWords(req.Values)
	if err != nil {
		return outer.Reply{Class: outer.Permanent, Message: "编号无法识别"}
	}
	a, ok := r.Status(ctx, x.p.Party.Code, ticket.Ref{HandoffID: w.HandoffID, PeerNo: cmp.Or(w.PeerNo, w.Number, w.OriginNo), Round: w.Round})
	if !ok {
		return outer.Reply{Class: outer.Absent, Message: "没有这一转办单"}
	}
	return x.reply(a)
}

// reply words the desk's answer. Unknown hand-offs and those of others are one
// answer.
func (x *Peer) reply(a ticket.Answer) outer.Reply {
	w := &Words{Number: a.Number, HandoffID: a.HandoffID, EventID: a.EventID, Time: a.At, State: string(a.State)}
	if a.State != "" {
		if theirs, err := x.p.codes.Out("state", string(a.State)); err == nil {
			w.Payload = &ticket.Payload{PeerState: theirs}
		}
	}
	n, err := w.Node(x.p)
	if err != nil {
		return outer.Reply{Class: outer.Retry}
	}
	rep := outer.Reply{Class: outer.OK, Values: n, Message: "成功"}
	switch a.Code {
	case ticket.CodeOK:
	case ticket.CodeDuplicate: // the same answer as the first time
	case ticket.CodeQuarantined:
		rep.Class, rep.Message = outer.Permanent, "报文内容无法识别，已转人工核对："+sentence(a)
	case ticket.CodeUnknownHandoff:
		rep = outer.Reply{Class: outer.Absent, Message: "没有这一转办单"}
	default:
		rep.Class, rep.Message = outer.Permanent, a.Code+" "+sentence(a)
	}
	return rep
}

func sentence(a ticket.Answer) string {
	if len(a.Faults) == 0 {
		return "当前状态不允许这一操作"
	}
	var parts []string
	for _, f := range a.Faults {
		parts = append(parts, strings.TrimSpace(f.Pointer+" "+f.Message))
	}
	return clip(strings.Join(parts, "；"), 500)
}

// Pull fetches news: by cursor, or hand-off by hand-off.
func (x *Peer) Pull(ctx context.Context, cursor string, open []ticket.Ref) (ticket.Batch, ticket.Outcome) {
	switch x.p.Capabilities.PullEvents {
	case "cursor":
		a, back, out := x.call(ctx, opPull, &Words{Cursor: cursor, Limit: 200})
		if out.Class != ticket.Delivered {
			return ticket.Batch{}, out
		}
		b := ticket.Batch{Cursor: cmp.Or(back.Cursor, cursor), More: back.More}
		for i, item := range a.Items {
			b.In = append(b.In, x.item(item, a, i)...)
		}
		return b, out
	case "open":
		return x.pullOpen(ctx, open)
	case "folder":
		return x.pullFolder(cursor)
	}
	return ticket.Batch{}, unable()
}

// pullFolder takes files the peer left. They are done with when the cursor comes
// back.
func (x *Peer) pullFolder(cursor string) (ticket.Batch, ticket.Outcome) {
	files, next, err := x.p.callbacks.Take(x.back, cursor, 50)
	if err != nil {
		return ticket.Batch{}, ticket.Outcome{Class: ticket.Retry, Err: err}
	}
	b := ticket.Batch{Cursor: next, More: len(files) == 50}
	for _, f := range files {
		if f.Err != nil {
			b.In = append(b.In, ticket.Inbound{EventID: digest(f.Name + string(f.Raw)), Raw: f.Raw, Faults: schemas.Faults{fault(f.Err)}})
			continue
		}
		b.In = append(b.In, x.told(f.Operation, f.Values)...)
	}
	return b, ticket.Outcome{Class: ticket.Delivered}
}

// pullOpen asks for the flow of each hand-off. What came before a failure is
// kept.
func (x *Peer) pullOpen(ctx context.Context, open []ticket.Ref) (ticket.Batch, ticket.Outcome) {
	var b ticket.Batch
	out := ticket.Outcome{Class: ticket.Delivered}
	for _, ref := range open {
		if ctx.Err() != nil {
			return b, ticket.Outcome{Class: ticket.Retry, Err: ctx.Err()}
		}
		if !ref.Since.IsZero() {
			ref.Since = ref.Since.Add(-overlap)
		}
		a, back, o := x.call(ctx, opFlow, refWords(ref))
		switch o.Class {
		case ticket.Delivered:
		case ticket.Absent, ticket.Permanent:
			out.Said = "flow: " + o.Said // of one ticket: it stops no other
			continue
		default:
			return b, o
		}
		top := *back
		if top.HandoffID == "" {
			top.HandoffID = ref.HandoffID
		}
		if top.PeerNo = cmp.Or(top.PeerNo, top.Number, ref.PeerNo); len(a.Items) == 0 {
			continue
		}
		b.In = append(b.In, x.flow(&top, a)...)
	}
	return b, out
}

// overlap is how far a question by time reaches back behind the last news: clocks
// differ, and peers write steps down late.
const overlap = 10 * time.Minute

func (x *Peer) flow(top *Words, a outer.Answer) []ticket.Inbound {
	var in []ticket.Inbound
	t := *top
	for i, item := range a.Items {
		if w, err := ReadWords(item); err == nil {
			t.Steps = append(t.Steps, *w)
		} else {
			in = append(in, x.unread(item, err, a, i))
		}
	}
	return append(in, x.steps(&t)...)
}

// item reads a message: one event, or a flow of steps.
func (x *Peer) item(n *outer.Node, a outer.Answer, i int) []ticket.Inbound {
	w, err := ReadWords(n)
	if err != nil {
		return []ticket.Inbound{x.unread(n, err, a, i)}
	}
	if len(w.Steps) > 0 {
		return x.steps(w)
	}
	return []ticket.Inbound{x.one(w)}
}

// unread is a message that was authentic but is not what the profile says.
func (x *Peer) unread(n *outer.Node, err error, a outer.Answer, i int) ticket.Inbound {
	if n == nil {
		for _, f := range a.Faults {
			if strings.HasPrefix(f.Error(), fmt.Sprintf("item %d:", i)) {
				err = f
			}
		}
	}
	raw := outer.AppendJSON(nil, n)
	in := ticket.Inbound{EventID: digest(string(raw)), HandoffID: n.Get("handoffId").Value(), PeerNo: n.Get("peerNo").Value(), Raw: raw}
	in.Faults = schemas.Faults{fault(err)}
	return in
}

func fault(err error) schemas.Fault {
	var un *Unmapped
	if errors.As(err, &un) {
		return schemas.Fault{Code: CodeUnmapped, Pointer: "/" + un.Table, Message: fmt.Sprintf("对方代码 %s 在对照表 %s 中没有对应", un.Code, un.Table),
			MessageEN: fmt.Sprintf("their code %s has no counterpart in map %s", un.Code, un.Table), Hint: "在接口配置的 maps." + un.Table + " 中补上对应关系，再处理隔离件"}
	}
	return schemas.Fault{Code: "UNREADABLE", Message: "报文中有字段无法识别（" + err.Error() + "）", MessageEN: err.Error(), Hint: "核对接口配置与对方实际报文"}
}

// one words a single piece of news.
func (x *Peer) one(w *Words) ticket.Inbound {
	in := ticket.Inbound{
		EventID: w.EventID, HandoffID: w.HandoffID, PeerNo: cmp.Or(w.PeerNo, w.Number), Round: w.Round, DispatchAt: stamp(w.DispatchAt), State: ticket.State(w.State),
		At: stamp(w.At), User: w.User, Unit: w.Unit, Appeal: w.Appeal, Citizen: w.Citizen, Mode: w.Mode, Route: w.Route,
	}
	if w.Payload != nil {
		in.Payload = *w.Payload
	}
	if in.Payload.Text == "" {
		in.Payload.Text = w.Note
	}
	if in.Payload.Due.IsZero() {
		in.Payload.Due = stamp(w.Due)
	}
	if in.Payload.Unit == "" {
		in.Payload.Unit = w.Unit
	}
	if in.State == "" && in.Payload.PeerState != "" {
		in.State = x.p.codes.state(in.Payload.PeerState)
	}
	if w.Code != "" {
		verb, known := x.p.News[w.Code]
		if !known {
			// A word we do not know moves nothing: it is kept as a note with the word.
			verb = "note"
			in.Payload.Text = strings.TrimSpace("【" + clip(w.Code, 64) + "】" + in.Payload.Text)
		}
		in.Verb = ticket.Verb(verb)
	}
	if in.Verb == verbOffer && in.Appeal != nil && in.HandoffID == "" {
		in.HandoffID = w.OriginNo
	}
	if in.EventID == "" {
		in.EventID = x.identity(w, in.PeerNo)
	}
	return in
}

// stamp brings a peer's time into the form events have; zero stays zero.
func stamp(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return ticket.Time(t)
}

// identity derives the id of an event from the values the profile names, so that
// the same step told again is the same event.
func (x *Peer) identity(w *Words, peerNo string) string {
	c := *w
	c.PeerNo = peerNo
	n, err := c.Node(x.p)
	if err != nil {
		return ""
	}
	var parts []string
	for _, name := range x.p.Identity {
		parts = append(parts, n.Get(name).Value())
	}
	if len(parts) == 0 {
		return digest(string(outer.AppendJSON(nil, n)))
	}
	return digest(strings.Join(parts, "|"))
}

func digest(s string) string {
	h := sm3.Sum([]byte(s))
	return hex.EncodeToString(h[:])
}

// steps reads a flow that is told whole every time. Each dispatch step after the
// first begins a round; the first only repeats that the peer has the ticket.
func (x *Peer) steps(top *Words) []ticket.Inbound {
	var in []ticket.Inbound
	round, seen := max(top.Round, 1), map[string]bool{}
	var dispatched time.Time
	for i := range top.Steps {
		w := top.Steps[i]
		w.HandoffID = cmp.Or(w.HandoffID, top.HandoffID)
		w.PeerNo = cmp.Or(w.PeerNo, top.PeerNo, top.Number)
		w.OriginNo = cmp.Or(w.OriginNo, top.OriginNo)
		if x.p.News[w.Code] == string(verbOffer) {
			first := dispatched.IsZero()
			dispatched = w.At
			if first && top.Appeal == nil {
				continue
			}
			w.Appeal, w.Citizen = top.Appeal, top.Citizen
			if !first {
				round++
			}
		}
		if w.EventID == "" {
			w.EventID = x.identity(&w, w.PeerNo)
		}
		if seen[w.EventID] {
			continue
		}
		seen[w.EventID] = true
		w.Round, w.DispatchAt = round, dispatched
		step := x.one(&w)
		if step.Verb == verbOffer && round > max(top.Round, 1) {
			step.Verb = "reoffer"
		}
		in = append(in, step)
	}
	return in
}
