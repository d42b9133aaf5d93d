package desk

import (
	"crypto/hmac"
	"encoding/hex"
	"hash"
	"slices"
	"strings"

	"github.com/emmansun/gmsm/sm3"

	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/ticket"
)

// Names of parts that were taken out; the target sees that there was something, never what.
const (
	partLegalAdvice = "legalAdvice"
	partMediation   = "mediation"
	partAidFinance  = "aidFinance"
	partNotes       = "notes"
	partIdentity    = "identity"
	partRecording   = "recording"
)

// secrecyOf is the level that holds: the citizen's, raised by the peer's policy and for those whom the law protects.
// It only ever rises from hop to hop, since what a peer sends us keeps its level.
func secrecyOf(c ticket.Case, p ticket.Policy) int {
	level := max(c.Citizen.Secrecy, p.SecrecyMin[c.Appeal.AppealType], p.SecrecyMin[""])
	if slices.Contains(c.Citizen.Groups, "minor") || slices.Contains(c.Citizen.Groups, "domestic_violence") {
		level = max(level, 1)
	}
	return level
}

// share cuts a case down to what a peer may see. Lawyers' notes, mediation contents and aid finances have no place in an
// offer at all; here they only leave their names.
func share(c ticket.Case, p ticket.Policy) (ticket.Appeal, ticket.Citizen) {
	a, z := c.Appeal, c.Citizen
	level := secrecyOf(c, p)
	mode, ok := p.Share[a.AppealType]
	if !ok {
		mode = p.Share[""]
	}
	if mode == "" {
		mode = "minimal"
	}
	if z.Consent == nil || !z.Consent.Given {
		mode = "none"
	}
	a.Markers = slices.Clone(a.Markers)
	for _, part := range []struct{ name, text string }{{partLegalAdvice, c.Confidential.LegalAdvice}, {partMediation, c.Confidential.Mediation},
		{partAidFinance, c.Confidential.AidFinance}, {partNotes, c.Confidential.Notes}} {
		if part.text != "" {
			a.Markers = append(a.Markers, part.name)
		}
	}
	out := ticket.Citizen{Ref: z.Ref, Anonymous: z.Anonymous, Secrecy: level, Consent: z.Consent, Groups: z.Groups, IsOrg: z.IsOrg}
	if ref := citizenHash(c.Citizen, p); ref != "" {
		out.Ref = ref
	}
	switch {
	case level > 0:
		out.Name, out.Phone, out.Anonymous = "匿名", p.Relay, true
		a.Title, a.Content, a.Demand, a.Place = scrub(a.Title, z), scrub(a.Content, z), scrub(a.Demand, z), scrub(a.Place, z)
		a.Markers = append(a.Markers, partIdentity)
		if level > 1 {
			out.Ref, out.Groups = "", nil
		}
	case mode == "minimal":
		out.Name, out.Phone, out.ChannelID, out.Gender = z.Name, z.Phone, z.ChannelID, z.Gender
	case mode == "full":
		out.Name, out.Phone, out.AltPhone, out.ChannelID, out.Gender, out.Address, out.OrgName, out.USCC = z.Name, z.Phone, z.AltPhone, z.ChannelID, z.Gender, z.Address, z.OrgName, z.USCC
	}
	var kept []ticket.Attachment
	for _, f := range a.Attachments {
		if f.Shared == "private" || level > 0 && (f.Kind == "identity" || f.Kind == "recording") || level > 1 && f.Kind == "contact" {
			if !slices.Contains(a.Markers, partRecording) && f.Kind == "recording" {
				a.Markers = append(a.Markers, partRecording)
			}
			continue
		}
		kept = append(kept, f)
	}
	a.Attachments = kept
	return a, out
}

// scrub takes a citizen's name, numbers and address out of a text.
func scrub(s string, z ticket.Citizen) string {
	for _, v := range []string{z.Phone, z.AltPhone, z.IDNo, z.Address, z.Name, z.OrgName, z.ChannelID} {
		if len([]rune(v)) > 1 {
			s = strings.ReplaceAll(s, v, "***")
		}
	}
	return s
}

// outgoing is an event as the peer may see it.
func (m *matter) outgoing(e ticket.Event) ticket.Event {
	p := e.Payload
	p.Internal = ""
	if secrecyOf(m.kase, m.about.Policy) > 0 {
		z := m.kase.Citizen
		p.Text, p.PublicReply, p.Basis = scrub(p.Text, z), scrub(p.PublicReply, z), scrub(p.Basis, z)
		p.Contacts = slices.Clone(p.Contacts)
		for i := range p.Contacts {
			p.Contacts[i].Number = ""
		}
		p.Fields = slices.Clone(p.Fields)
		for i := range p.Fields {
			p.Fields[i].Value = scrub(p.Fields[i].Value, z)
		}
		p.Attachments = slices.DeleteFunc(slices.Clone(p.Attachments), func(f ticket.Attachment) bool {
			return f.Kind == "identity" || f.Kind == "recording" || f.Kind == "contact"
		})
		if p.Voice != nil {
			v := *p.Voice
			v.Recording = ""
			p.Voice = &v
		}
	}
	e.Payload, e.Author.User = p, ""
	return e
}

// citizenHash is the pseudonym of a citizen between two parties, "" where nothing identifies them.
func citizenHash(z ticket.Citizen, p ticket.Policy) string {
	id := z.Phone
	if id == "" || id == p.Relay {
		id = z.IDNo
	}
	if id == "" {
		return ""
	}
	h := hmac.New(func() hash.Hash { return sm3.New() }, p.HashSalt)
	h.Write([]byte("fayi-citizen-v1\x00" + id))
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// matchKey names the matter: who, where and what about. "" where it cannot be told.
func matchKey(a ticket.Appeal, z ticket.Citizen, p ticket.Policy) string {
	who := citizenHash(z, p)
	if who == "" {
		who = z.Ref
	}
	if who == "" || z.Secrecy > 1 || len(a.Division) < 6 || a.ClassCode == "UNMAPPED" {
		return ""
	}
	return ticket.HashOf([]byte(strings.Join([]string{who, a.Division[:6], a.AppealType, a.ClassCode}, "\x00")))
}

// sendOffer writes the offer of a round.
func (m *matter) sendOffer(w deed, e ticket.Event) error {
	c := m.kase
	a, z := share(c, m.about.Policy)
	o := ticket.Offer{Key: ticket.Key(m.ID, m.Round, e.Seq), HandoffID: m.ID, Round: m.Round, Origin: m.Origin, Target: m.Target, Unit: m.Unit, OriginNo: m.OriginNo,
		Kind: map[ticket.Verb]string{"submit": "first", "reoffer": "reoffer", "reopen": "redo"}[w.verb], Mode: m.Mode, At: m.now, Route: m.Route,
		Appeal: a, Citizen: z, Voice: m.Voice, Note: w.payload.Text}
	if m.Round > 1 {
		o.PreviousNo = m.PeerNo
	}
	if o.Voice != nil && z.Secrecy > 0 {
		v := *o.Voice
		v.Recording = ""
		o.Voice = &v
	}
	o.Due = w.payload.Due
	if err := m.fit(&o); err != nil {
		return err
	}
	hold := m.about.Policy.MatchHold
	if m.Emergency || m.Urgency == 1 {
		hold = 0
	}
	return m.enqueue(ledger.Delivery{Key: o.Key, Kind: ledger.KindOffer, Offer: &o, Next: m.now.Add(hold)})
}
