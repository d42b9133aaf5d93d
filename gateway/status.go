package gateway

import (
	"context"
	"net/http"
	"time"

	"fayi/crypto/sign"
	"fayi/gateway/replicate"
	"fayi/gateway/sequencer"
)

// StreamStatus is where a stream stands at this node and at its readers.
type StreamStatus struct {
	Stream  string        `json:"stream"`
	Gen     uint64        `json:"gen"`
	LastSeq uint64        `json:"last_seq"`
	Head    string        `json:"head"`
	Judged  uint64        `json:"judged"`           // lines checked against their pack
	Refused uint64        `json:"refused"`          // by this node
	State   string        `json:"state,omitempty"`  // held, forked, bad_start
	Detail  string        `json:"detail,omitempty"` //
	Upto    uint64        `json:"complete_to,omitempty"`
	AsOf    time.Time     `json:"complete_as_of,omitzero"`
	Acks    []ReaderState `json:"readers"`
}

// ReaderState is a reader's newest receipt of one level.
type ReaderState struct {
	Reader   string    `json:"reader"`
	Level    string    `json:"level"`
	Gen      uint64    `json:"gen"`
	Upto     uint64    `json:"upto"`
	Rejected uint64    `json:"rejected"`
	At       time.Time `json:"at"`
}

// StreamStatuses lists every stream this node knows.
func (n *Node) StreamStatuses(ctx context.Context) ([]StreamStatus, error) {
	streams, err := n.cfg.Store.Streams(ctx)
	if err != nil {
		return nil, err
	}
	acks, err := n.cfg.Store.AllAcks(ctx)
	if err != nil {
		return nil, err
	}
	byStream := map[int64][]ReaderState{}
	for _, a := range acks {
		byStream[a.Stream] = append(byStream[a.Stream], ReaderState{a.Reader, a.Level, a.Gen, a.Seq, a.Rejected, time.UnixMicro(a.At)})
	}
	notes, err := n.notes(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]StreamStatus, 0, len(streams))
	for i := range streams {
		st := &streams[i]
		s := StreamStatus{
			Stream: st.Name, Gen: st.Gen, LastSeq: st.Seq, Head: st.Hash.String(), Judged: st.Checked.Seq, Refused: st.Refused,
			State: st.State, Detail: st.Detail, Acks: byStream[st.ID],
		}
		if s.Acks == nil {
			s.Acks = []ReaderState{}
		}
		s.Upto, s.AsOf = n.engine.Complete(ctx, st, notes)
		out = append(out, s)
	}
	return out, nil
}

func (n *Node) notes(ctx context.Context) (map[string]*sign.Note, error) {
	rows, err := n.cfg.Store.Notes(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]*sign.Note{}
	for _, r := range rows {
		if note, err := sign.ParseNote(r.Body); err == nil {
			out[r.Node] = note
		}
	}
	return out, nil
}

func (n *Node) getStreams(_ *APIKey, w http.ResponseWriter, r *http.Request) error {
	list, err := n.StreamStatuses(r.Context())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"streams": list})
	return nil
}

// Status is what GET /v1/status shows.
type Status struct {
	Node    string                `json:"node"`
	Role    string                `json:"role"`
	Name    string                `json:"name"`
	Since   time.Time             `json:"since"`
	Links   []replicate.LinkState `json:"links"`
	Sources []SourceStatus        `json:"sources"`
	Tallies []TallyStatus         `json:"tallies"`
	Packs   []PackStatus          `json:"packs"`  // schema packs that came, in that order
	Faults  []FaultCount          `json:"faults"` // what peers did wrong, counted
	Events  []EventStatus         `json:"events"` // the newest, in the order they happened
}

// TallyStatus counts what became of one source's rows of one record type.
type TallyStatus struct {
	Source     string `json:"source"`
	Type       string `json:"type"`
	Accepted   uint64 `json:"accepted"`
	Rejected   uint64 `json:"rejected"`
	Unchanged  uint64 `json:"unchanged"`
	Superseded uint64 `json:"superseded"`
}

// shownEvents is how many events, the newest, a status shows.
const shownEvents, eventPage = 100, 1000

// EventStatus is something an operator should see.
type EventStatus struct {
	ID     int64     `json:"id"`
	At     time.Time `json:"at"`
	Level  string    `json:"level"`
	Code   string    `json:"code"`
	Stream string    `json:"stream,omitempty"`
	Peer   string    `json:"peer,omitempty"`
	Detail string    `json:"detail,omitempty"`
}

// PackStatus is a schema pack that came: whether new records are judged by it, or
// why not.
type PackStatus struct {
	Pack     string `json:"pack"`
	Version  string `json:"version"`
	Origin   string `json:"origin"`
	State    string `json:"state"`
	Code     string `json:"code,omitempty"`
	Reason   string `json:"reason,omitempty"`
	ReasonEN string `json:"reason_en,omitempty"`
}

// SourceStatus is what waits in a source's outbox.
type SourceStatus struct {
	Source  string    `json:"source"`
	Table   string    `json:"table"`
	Waiting int64     `json:"waiting"` // bounded: a large figure means at least that many
	Oldest  time.Time `json:"oldest,omitzero"`
	Leader  bool      `json:"leader"` // this process works on it
	Taken   int64     `json:"taken"`  // rows of another database that are sealed, and lie there until a reader has stored them
	Error   string    `json:"error,omitempty"`
}

// FaultCount counts a code against a sender.
type FaultCount struct {
	Peer  string `json:"peer"`
	Code  string `json:"code"`
	Count uint64 `json:"count"`
}

// Status collects the node's state.
func (n *Node) Status(ctx context.Context) (*Status, error) {
	out := &Status{
		Node: n.cfg.Node, Role: n.cfg.Role, Since: n.started, Links: []replicate.LinkState{}, Sources: []SourceStatus{},
		Tallies: []TallyStatus{}, Packs: []PackStatus{}, Faults: []FaultCount{}, Events: []EventStatus{},
	}
	if me, ok := n.engine.Directory.Node(n.cfg.Node); ok {
		out.Name = me.Names.Zh
	}
	for _, l := range n.links {
		out.Links = append(out.Links, l.State())
	}
	for i, s := range n.sequencers {
		one, err := n.sourceStatus(ctx, s)
		if err != nil {
			return nil, err
		}
		one.Leader = n.leases[i].Held()
		out.Sources = append(out.Sources, one)
	}
	tallies, err := n.cfg.Store.Tallies(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range tallies {
		out.Tallies = append(out.Tallies, TallyStatus(t))
	}
	for _, p := range n.packs.Packs() {
		why := p.Why()
		out.Packs = append(out.Packs, PackStatus{p.Name, p.Version, p.Origin, p.State, p.Code, why.ZH, why.EN})
	}
	for k, c := range n.engine.Faults() {
		out.Faults = append(out.Faults, FaultCount{k[0], k[1], c})
	}
	for after := int64(0); ; { // the newest ones are wanted, and pages come oldest first
		page, err := n.cfg.Store.Events(ctx, after, eventPage)
		if err != nil || len(page) == 0 {
			return out, err
		}
		for _, e := range page {
			after = e.ID
			out.Events = append(out.Events, EventStatus{e.ID, time.UnixMicro(e.At).UTC(), e.Level, e.Code, e.Stream, e.Peer, e.Detail})
		}
		out.Events = out.Events[max(0, len(out.Events)-shownEvents):]
	}
}

func (n *Node) getStatus(_ *APIKey, w http.ResponseWriter, r *http.Request) error {
	s, err := n.Status(r.Context())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, s)
	return nil
}

// sourceLimit is how long a status waits for the database of a source.
const sourceLimit = 2 * time.Second

// sourceStatus asks a source's outbox. A database of its own that does not answer
// is told, not an error: a status of the rest is worth more then.
func (n *Node) sourceStatus(ctx context.Context, s *sequencer.Sequencer) (SourceStatus, error) {
	out := SourceStatus{Source: s.Source.Name, Table: s.Source.Table}
	ask, cancel := context.WithTimeout(ctx, sourceLimit)
	defer cancel()
	var err error
	if out.Waiting, out.Oldest, err = s.Waiting(ask); err != nil && s.Source.DB == nil {
		return out, err
	} else if err != nil {
		out.Error = err.Error()
	}
	out.Taken, err = s.Taken(ctx)
	out.Waiting = max(0, out.Waiting-out.Taken)
	return out, err
}
