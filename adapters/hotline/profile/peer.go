package profile

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"fayi/adapters/hotline/ticket"
	"fayi/gateway/outer"
	"fayi/schemas"
)

// Names of operations with a fixed part in the seam. Others are named by verbs.
const (
	opOffer     = "offer"
	opQuery     = "query"
	opPull      = "pull" // by cursor
	opFlow      = "flow" // of one hand-off
	opUpload    = "upload"
	opDownload  = "download"
	opDirectory = "directory"
	opPing      = "ping"
)

// Options are what a peer takes from the world.
type Options struct {
	Dir     string      // of secrets; file: references are relative to it
	Keys    *outer.Keys // of calls, instead of reading files
	BackKey *outer.Keys // of callbacks, likewise
	Now     func() time.Time
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	Dial    func(ctx context.Context, network, addr string) (net.Conn, error) // of fetched files, for tests
	Refused func(op string, err error)                                        // told of callbacks that were refused; err holds no value
}

// Peer speaks to one party by its profile.
type Peer struct {
	p      *Profile
	client *outer.Client
	back   *outer.Keys
	fetch  *fetcher
	policy ticket.Policy
	o      Options
}

var _ ticket.Peer = (*Peer)(nil)

// Open makes a peer of a profile with calls. Errors are of [outer.ErrSecret].
func Open(p *Profile, o Options) (*Peer, error) {
	if p.calls == nil {
		return nil, fmt.Errorf("%w: %s exchanges sheets, not calls", ErrProfile, p.Profile)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	var err error
	keys, back := o.Keys, o.BackKey
	if keys == nil {
		if keys, err = p.calls.ReadKeys(o.Dir); err != nil {
			return nil, err
		}
	}
	if back == nil && p.callbacks != nil {
		if back, err = p.callbacks.ReadKeys(o.Dir); err != nil {
			return nil, err
		}
	}
	x := &Peer{p: p, back: back, policy: p.policy, o: o, fetch: newFetcher(p.Fetch, o)}
	if p.Share.Salt != "" && o.Keys == nil {
		if x.policy.HashSalt, err = outer.ReadSecret(o.Dir, p.Share.Salt); err != nil {
			return nil, err
		}
	}
	x.client, err = outer.NewClient(p.calls, keys, outer.Options{Now: o.Now, Resolve: o.Resolve})
	return x, err
}

// About describes the profile.
func (x *Peer) About() ticket.About {
	a := x.p.About()
	a.Policy = x.policy // with the salt
	return a
}

// Profile is what the peer was made of.
func (x *Peer) Profile() *Profile { return x.p }

// classes are the engine's in the words of the seam.
var classes = map[outer.Class]ticket.Class{
	outer.OK: ticket.Delivered, outer.Duplicate: ticket.Duplicate, outer.InDoubt: ticket.Unknown, outer.Permanent: ticket.Permanent,
	outer.Retry: ticket.Retry, outer.AuthFail: ticket.AuthFail, outer.Clock: ticket.AuthFail, outer.Absent: ticket.Absent,
}

func unable() ticket.Outcome { return ticket.Outcome{Class: ticket.Unable} }

// call asks for one operation and words the answer.
func (x *Peer) call(ctx context.Context, op string, w *Words) (outer.Answer, *Words, ticket.Outcome) {
	if !x.p.calls.Has(op) {
		return outer.Answer{}, &Words{}, unable()
	}
	n, err := w.Node(x.p)
	if err != nil {
		return outer.Answer{}, &Words{}, ticket.Outcome{Class: ticket.Permanent, Err: err}
	}
	a := x.client.Call(ctx, op, n)
	o := ticket.Outcome{
		Class: classes[a.Class], RetryAfter: a.Wait, HTTPStatus: a.Status, Code: a.Code, Said: a.Rule, Err: a.Err, PeerTime: a.Date,
		ClockHint: a.Class == outer.Clock || a.Class == outer.AuthFail && x.clocksDiffer(a.Date),
	}
	var un *Unmapped
	switch {
	case errors.As(a.Err, &un):
		o.Fault = unmappedFault(un)
	case o.Class == ticket.Permanent:
		o.Fault = refusedFault(a, o.Code)
	}
	back, err := ReadWords(a.Values)
	if err != nil {
		back = &Words{}
		if o.Class == ticket.Delivered { // taken, but in words we cannot read
			o.Err = err
		}
	}
	o.Number, o.Token = back.Number, back.Token
	if !back.Time.IsZero() {
		o.PeerTime = ticket.Time(back.Time)
	}
	return a, back, o
}

func (x *Peer) clocksDiffer(date time.Time) bool {
	d := x.o.Now().Sub(date)
	return !date.IsZero() && (d > x.policy.MaxSkew || d < -x.policy.MaxSkew)
}

func unmappedFault(u *Unmapped) *schemas.Fault {
	pointer := map[string]string{"class": "/appeal/classCode", "appealType": "/appeal/appealType"}[u.Table]
	if pointer == "" {
		pointer = "/" + u.Table
	}
	return &schemas.Fault{Pointer: pointer, Code: CodeUnmapped,
		Message:   fmt.Sprintf("代码 %s 在对照表 %s 中没有对应", u.Code, u.Table),
		MessageEN: fmt.Sprintf("code %s has no counterpart in map %s", u.Code, u.Table),
		Hint:      "在接口配置的 maps." + u.Table + " 中补上对应关系，再重发本单"}
}

func refusedFault(a outer.Answer, code string) *schemas.Fault {
	f := &schemas.Fault{Code: "PEER_REFUSED", Message: "对方拒收", MessageEN: "refused by the peer", Hint: "按对方的说明改正后重发，或与对方联系"}
	if a.Status == 0 && a.Err != nil {
		f.Code, f.Message, f.MessageEN = "NOT_WRITABLE", "本单不能写成对方的格式", "the ticket cannot be written in the peer's form"
		return f
	}
	if code != "" {
		f.Message, f.MessageEN = f.Message+"，代码 "+code, f.MessageEN+", code "+code
	}
	if a.Message != "" {
		f.Message += "：" + clip(a.Message, 200)
	}
	return f
}

// Offer asks the peer to take a ticket.
func (x *Peer) Offer(ctx context.Context, o ticket.Offer) ticket.Outcome {
	if limit := x.p.Capabilities.ContentMax; limit > 0 && len([]rune(o.Appeal.Content)) > limit {
		return tooLong("/appeal/content", limit)
	}
	if limit := x.p.Capabilities.TitleMax; limit > 0 && len([]rune(o.Appeal.Title)) > limit {
		return tooLong("/appeal/title", limit)
	}
	op := opOffer
	if o.Kind != "first" && o.Kind != "" && x.p.calls.Has(o.Kind) {
		op = o.Kind // an interface may have calls of their own for reoffer and redo
	}
	_, _, out := x.call(ctx, op, OfferWords(x.p, o))
	switch {
	case out.Class == ticket.Absent:
		out.Class = ticket.Permanent
	case out.Class == ticket.Delivered && out.Number == "" && out.Token == "" && !x.p.Capabilities.NumberLater:
		out.Class, out.Said = ticket.Unknown, "success without a number" // who says yes and gives none may have kept nothing
	}
	return out
}

const verbOffer ticket.Verb = "offer"

// OfferWords are the values of an offer.
func OfferWords(p *Profile, o ticket.Offer) *Words {
	return &Words{
		Key: o.Key, EventID: o.Key, HandoffID: o.HandoffID, Round: o.Round, Seq: 1, Code: p.Verbs[string(verbOffer)].Code, Origin: o.Origin, Target: o.Target, Unit: o.Unit, OriginNo: o.OriginNo,
		PreviousNo: o.PreviousNo, Kind: o.Kind, Mode: o.Mode, At: o.At, Route: o.Route, Appeal: &o.Appeal, Citizen: &o.Citizen, Voice: o.Voice,
		Due: o.Due, Note: o.Note,
	}
}

func tooLong(pointer string, limit int) ticket.Outcome {
	return ticket.Outcome{Class: ticket.Permanent, Said: "capabilities", Fault: &schemas.Fault{Pointer: pointer, Code: "TOO_LONG",
		Message: fmt.Sprintf("超过对方上限 %d 字，不会截断", limit), MessageEN: fmt.Sprintf("over the peer's limit of %d characters; nothing is cut", limit),
		Hint: "改为摘要并附全文"}}
}

// Send tells the peer of one event.
func (x *Peer) Send(ctx context.Context, m ticket.Message) ticket.Outcome {
	v, ok := x.p.Verbs[string(m.Event.Verb)]
	if !ok {
		return unable()
	}
	_, _, out := x.call(ctx, v.Call, EventWords(x.p, m))
	if out.Class == ticket.Absent {
		out.Class = ticket.Permanent
	}
	return out
}

// EventWords are the values of one event, without what is internal.
func EventWords(p *Profile, m ticket.Message) *Words {
	e := &m.Event
	payload := e.Payload
	payload.Internal = "" // the desk left it out; if not, it ends here
	return &Words{
		Key: m.Key, EventID: e.ID, HandoffID: e.HandoffID, Round: e.Round, Seq: e.Seq, Code: p.Verbs[string(e.Verb)].Code, State: string(e.To), At: e.OccurredAt,
		PeerNo: m.PeerNo, OriginNo: m.OriginNo, User: e.Author.User, Unit: payload.Unit, Note: payload.Text, Payload: &payload,
	}
}

// Query asks whether the peer holds an offer.
func (x *Peer) Query(ctx context.Context, ref ticket.Ref) ticket.Outcome {
	if !x.p.Capabilities.QueryBySourceID {
		return unable()
	}
	_, back, out := x.call(ctx, opQuery, refWords(ref))
	switch out.Class {
	case ticket.Delivered, ticket.Duplicate:
		out.Class = ticket.Found
		if back.State != "" {
			out.PeerState = ticket.State(back.State)
		} else if back.Payload != nil {
			out.PeerState = x.p.codes.state(back.Payload.PeerState)
		}
	}
	return out
}

func refWords(r ticket.Ref) *Words {
	return &Words{HandoffID: r.HandoffID, Round: r.Round, PeerNo: r.PeerNo, Token: r.Token, Since: r.Since}
}

// Ping asks for a sign of life.
func (x *Peer) Ping(ctx context.Context) ticket.Outcome {
	_, _, out := x.call(ctx, opPing, &Words{At: x.o.Now()})
	return out
}

// Directory lists the peer's units.
func (x *Peer) Directory(ctx context.Context) ([]ticket.Unit, ticket.Outcome) {
	a, _, out := x.call(ctx, opDirectory, &Words{At: x.o.Now()})
	if out.Class != ticket.Delivered {
		return nil, out
	}
	var units []ticket.Unit
	for i, item := range a.Items {
		w, err := ReadWords(item)
		if err != nil || strings.TrimSpace(w.Unit) == "" {
			return nil, ticket.Outcome{Class: ticket.Permanent, Said: "directory", Err: fmt.Errorf("unit %d without a code: %w", i+1, errors.Join(err, outer.ErrValue))}
		}
		units = append(units, ticket.Unit{Code: w.Unit, Name: w.Name, Division: w.Division})
	}
	return units, out
}

// Handler serves what the peer sends.
func (x *Peer) Handler(r ticket.Receiver) http.Handler {
	if x.p.callbacks == nil || x.p.callbacks.Folder() {
		return nil
	}
	return outer.NewServer(x.p.callbacks, x.back, func(ctx context.Context, req *outer.Request) outer.Reply {
		return x.receive(ctx, r, req)
	}, outer.ServerOptions{Now: x.o.Now, Refused: x.o.Refused, Unread: func(ctx context.Context, op string, body []byte, err error) outer.Reply {
		in := ticket.Inbound{EventID: digest(string(body)), Raw: body, Faults: schemas.Faults{fault(err)}}
		answers, err := r.Receive(ctx, x.p.Party.Code, []ticket.Inbound{in})
		if err != nil || len(answers) != 1 {
			return outer.Reply{Class: outer.Retry, Message: "暂时无法处理，请稍后重发"}
		}
		return x.reply(answers[0])
	}})
}
