package figures

import (
	"context"
	"time"

	"fayi/adapters/hotline/clock"
	"fayi/adapters/hotline/desk"
	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/ticket"
)

// Version of the formulas.
const Version = "kpi@1"

// Judgement of one question about a round.
type Judgement string

// The judgements.
const (
	Yes     Judgement = "yes"
	No      Judgement = "no"
	NotYet  Judgement = "not_due" // not due, or nothing happened yet
	Unknown Judgement = "unknown" // cannot be judged; the row's Why says why
)

// Row is one round of a hand-off, judged.
type Row struct {
	Handoff   string       `json:"handoffId"`
	Round     int          `json:"round"`
	PeerNo    string       `json:"peerTicketNo"`
	OfferedAt time.Time    `json:"offeredAt"`
	State     ticket.State `json:"state"` // of the hand-off now
	Outcome   ticket.State `json:"outcome,omitempty"`
	Accepted  Judgement    `json:"acceptedInTime"`
	Handled   Judgement    `json:"handledInTime"`
	Returned  bool         `json:"returned"`
	Asked     bool         `json:"returnAsked"` // a return was asked for, whatever became of it
	Reason    string       `json:"returnReason,omitempty"`
	Redo      bool         `json:"redo"` // opened because the one before was not good enough
	Resolved  bool         `json:"resolved"`
	Answer    *int         `json:"satisfaction,omitempty"` // list satisfaction
	Why       string       `json:"why,omitempty"`
}

// Figure is a rate with the numbers behind it.
type Figure struct {
	Name  string  `json:"name"`
	Count int     `json:"count"`
	Of    int     `json:"of"`
	Rate  float64 `json:"rate"` // 0 where Of is 0
}

// Left is a round that a figure leaves out.
type Left struct {
	Handoff string `json:"handoffId"`
	Round   int    `json:"round"`
	Figure  string `json:"figure"`
	Why     string `json:"why"`
}

// Report is the six figures of a party and direction in a period.
type Report struct {
	Version   string         `json:"version"`
	Party     string         `json:"party"`
	Direction string         `json:"direction"`
	From      time.Time      `json:"from"`
	To        time.Time      `json:"to"`
	Tickets   int            `json:"tickets"` // 工单量: hand-offs offered for the first time
	Rounds    int            `json:"rounds"`
	Figures   []Figure       `json:"figures"`
	Reasons   map[string]int `json:"returnReasons"`
	Left      []Left         `json:"left"`
	Rows      []Row          `json:"rows"`
}

// Names of the five rates, in the order of the report.
const (
	Satisfied  = "满意度"
	InTime     = "及时接收率"
	ReturnRate = "回退率"
	RedoRate   = "重办率"
	Done       = "按时办结率"
)

// Count computes the report of a party for rounds offered in [from, to). asOf decides what is due; a clock stops with its
// event, however late the report is made.
func Count(ctx context.Context, d *desk.Desk, party, direction string, from, to time.Time) (Report, error) {
	r := Report{Version: Version, Party: party, Direction: direction, From: from, To: to, Reasons: map[string]int{}}
	rows, err := d.Ledger().Find(ctx, ledger.Filter{Peer: party, Direction: direction, Limit: 1_000_000})
	if err != nil {
		return r, err
	}
	for _, h := range rows {
		if h.Mode == "NOTICE" {
			continue
		}
		list, err := judge(ctx, d, h)
		if err != nil {
			return r, err
		}
		for _, row := range list {
			if row.OfferedAt.Before(from) || !row.OfferedAt.Before(to) {
				continue
			}
			r.Rows = append(r.Rows, row)
		}
	}
	r.sum()
	return r, nil
}

func (r *Report) sum() {
	var satisfied, answers, inTime, offered, returned, redo, resolved, done, due int
	leave := func(row Row, figure string) { r.Left = append(r.Left, Left{row.Handoff, row.Round, figure, row.Why}) }
	for _, row := range r.Rows {
		r.Rounds++
		if row.Round == 1 {
			r.Tickets++
		}
		if row.Answer != nil && *row.Answer <= 5 {
			answers++
			if *row.Answer >= 3 {
				satisfied++
			}
		}
		switch row.Accepted {
		case Yes:
			inTime, offered = inTime+1, offered+1
		case No:
			offered++
		case Unknown:
			leave(row, InTime)
		}
		switch row.Handled {
		case Yes:
			done, due = done+1, due+1
		case No:
			due++
		case Unknown:
			leave(row, Done)
		}
		if row.Returned {
			returned++
			r.Reasons[row.Reason]++
		}
		if row.Redo {
			redo++
		}
		if row.Resolved {
			resolved++
		}
	}
	rate := func(name string, n, of int) {
		f := Figure{Name: name, Count: n, Of: of}
		if of > 0 {
			f.Rate = float64(n) / float64(of)
		}
		r.Figures = append(r.Figures, f)
	}
	rate(Satisfied, satisfied, answers)
	rate(InTime, inTime, offered)
	rate(ReturnRate, returned, r.Rounds)
	rate(RedoRate, redo, resolved)
	rate(Done, done, due)
}

// judge makes the rows of a hand-off.
func judge(ctx context.Context, d *desk.Desk, h ledger.Row) ([]Row, error) {
	rounds, err := d.Ledger().Rounds(ctx, h.ID)
	if err != nil {
		return nil, err
	}
	events, err := d.Ledger().Events(ctx, h.ID)
	if err != nil {
		return nil, err
	}
	clocks, err := d.Figures(ctx, h.ID)
	if err != nil {
		return nil, err
	}
	var out []Row
	for _, r := range rounds {
		if r.OfferedAt.IsZero() {
			continue
		}
		row := Row{Handoff: h.ID, Round: r.N, PeerNo: r.PeerNo, OfferedAt: r.OfferedAt, State: h.State, Outcome: r.Outcome, Redo: r.Kind == "redo",
			Accepted: NotYet, Handled: NotYet}
		for _, e := range events {
			if e.Round != r.N || e.Refused != "" || e.Late {
				continue
			}
			row.take(e)
		}
		for _, c := range clocks {
			if c.Round != r.N {
				continue
			}
			switch c.Figure.Rule.Clock {
			case "C2":
				row.Accepted, row.Why = verdict(c.Figure, row.Why)
			case "C5", "C5R":
				if r.Outcome == "" || r.Outcome == ticket.Returned {
					row.Handled, row.Why = verdict(c.Figure, row.Why)
				}
				if row.Returned {
					row.Handled = NotYet // a returned round has nothing to be done in time
				}
			}
		}
		out = append(out, row)
	}
	return out, nil
}

func (row *Row) take(e ticket.Event) {
	switch e.Verb {
	case "return_request":
		row.Asked, row.Reason = true, e.Payload.Reason
	case "callback":
		if s := e.Payload.Satisfaction; s != nil {
			n := s.Result
			row.Answer = &n
		}
	}
	if e.To == ticket.Returned && e.From != ticket.Returned {
		row.Returned = true
	}
	if e.To == ticket.Resolved && e.From != ticket.Resolved {
		row.Resolved = true
	}
}

func verdict(f clock.Figure, why string) (Judgement, string) {
	if f.Estimated {
		return Unknown, f.Why
	}
	ok, known := f.OnTime()
	switch {
	case !known:
		return NotYet, why
	case f.Inferred && f.Breach == nil:
		return Unknown, "系由后续状态推定，无及时证据"
	case ok:
		return Yes, why
	}
	return No, why
}
