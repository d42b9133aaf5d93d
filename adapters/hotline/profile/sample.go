package profile

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"fayi/adapters/hotline/ticket"
	"fayi/gateway/outer"
)

// Sample is a made-up message, for the self-test of a profile.
type Sample struct {
	Name      string
	Operation string
	Theirs    bool // of the callbacks
	Words     *Words
}

// Samples are an offer of each appeal type and urgency, either way, and a message of
// each verb the profile can tell. All persons and numbers are invented.
func Samples(p *Profile) []Sample {
	var out []Sample
	at := time.Date(2026, 9, 29, 16, 40, 0, 0, ticket.Shanghai)
	for i, t := range ticket.Codes("appealType") {
		o := SampleOffer(t.Code, i%3+1, i%3, at)
		for _, class := range slices.Sorted(maps.Keys(p.Maps["class"].Out))[:min(1, len(p.Maps["class"].Out))] {
			o.Appeal.ClassCode = class
		}
		out = append(out, Sample{Name: "offer " + t.Code, Operation: opOffer, Words: OfferWords(p, o)})
		if p.callbacks != nil && p.callbacks.Has(opOffer) {
			o.Appeal.Attachments = nil
			w := OfferWords(p, o)
			w.Code, w.PeerNo, w.DispatchAt = p.CodeOf(verbOffer), "No.0081", at
			out = append(out, Sample{Name: "their offer " + t.Code, Operation: opOffer, Theirs: true, Words: w})
		}
	}
	for _, v := range sent {
		call, ok := p.Verbs[string(v)]
		if !ok || v == verbOffer {
			continue
		}
		m := ticket.Message{Key: "HO-610800-20260929-000017#1#2", PeerNo: "No.0081", OriginNo: "YL-1", Event: ticket.Event{
			ID: "01J000000000000000000000Z1", HandoffID: "HO-610800-20260929-000017", Round: 1, Seq: 2, Verb: v, OccurredAt: at, To: ticket.InProgress,
			Author: ticket.Author{Party: "HOTLINE_12348_610800", User: "u1"}, Payload: samplePayload(v, at),
		}}
		out = append(out, Sample{Name: "verb " + string(v), Operation: call.Call, Words: EventWords(p, m)})
	}
	return out
}

func samplePayload(v ticket.Verb, at time.Time) ticket.Payload {
	p := ticket.Payload{Text: "样例：𠮷<&>\"彣", Unit: "610802", Days: 5}
	switch v {
	case "return_request", "return_refuse", "return_approve":
		p.Reason, p.Basis = "R01", "三定方案"
	case "result":
		p.Result, p.PublicReply = "SOLVED", "已办结"
	case "callback":
		p.Satisfaction = &ticket.Satisfaction{Result: 4}
	case "suspend_request", "suspend_grant":
		p.Reason, p.Until, p.Effective = "S3", "2026-10-12", at
	case "reopen":
		p.Reason = "not_done"
	}
	return p
}

// SampleOffer is an invented appeal; its citizen's number has a prefix that is not
// given out.
func SampleOffer(appealType string, urgency, secrecy int, at time.Time) ticket.Offer {
	return ticket.Offer{
		Key: "HO-610800-20260929-000017#1#1", HandoffID: "HO-610800-20260929-000017", Round: 1, Origin: "HOTLINE_12348_610800", Target: "HOTLINE_12345_610800",
		OriginNo: "YL-2026-00017", Kind: "first", Mode: "TICKET", At: at,
		Appeal: ticket.Appeal{
			AppealType: appealType, ClassCode: "0201", Title: "工地拖欠工资求助", Content: "样例内容：工地拖欠工资，𠮷某某反映<&>。", Division: "610802",
			Place: "某镇某工地", ReceivedAt: at.Add(-time.Hour), Channel: "phone", Urgency: urgency, Danger: "none", InProcedure: "none",
			Attachments: []ticket.Attachment{{ID: "A1", Name: "合同.jpg", Size: 1024, Kind: "evidence", Ref: "F-1"}},
		},
		Citizen: ticket.Citizen{Ref: "c-1", Secrecy: secrecy, Name: "匿名", Phone: "经转出方联系"},
		Due:     at.AddDate(0, 0, 5),
	}
}

// RoundTrip writes a message in the profile's form and reads it back as the peer
// would. What the template names must come back as it went, but for codes the
// profile declares coarser.
func RoundTrip(p *Profile, s Sample) error {
	n, err := s.Words.Node(p)
	if err != nil {
		return err
	}
	side := p.calls
	if s.Theirs {
		side = p.callbacks
	}
	back, err := side.Echo(s.Operation, n)
	if err != nil {
		return err
	}
	for _, name := range side.Uses(s.Operation) {
		if name == "auth" || len(name) > 5 && name[:5] == "auth." {
			continue
		}
		a, b := n.Get(name).Value(), back.Get(name).Value()
		if a != b && !sameTime(a, b) && !p.coarser(a, b) {
			return fmt.Errorf("%w: %s %q → %q", outer.ErrValue, name, a, b)
		}
	}
	return nil
}

// sameTime: a peer may write times to the second or the day.
func sameTime(a, b string) bool {
	x, err1 := time.Parse(time.RFC3339Nano, a)
	y, err2 := time.Parse(time.RFC3339Nano, b)
	if err1 != nil || err2 != nil {
		return false
	}
	d := x.Sub(y)
	return d > -24*time.Hour && d < 24*time.Hour
}

// coarser tells whether some map says that b may come back for a.
func (p *Profile) coarser(a, b string) bool {
	for _, m := range p.Maps {
		if m.Coarser[a] == b && b != "" {
			return true
		}
	}
	return a == classUnmapped || b == classUnmapped || a == "" && b == ""
}
