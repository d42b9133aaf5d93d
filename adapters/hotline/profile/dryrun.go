package profile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"fayi/adapters/hotline/ticket"
)

// DryRun is what would become of past tickets under a profile. Nothing is sent.
type DryRun struct {
	Total  int       `json:"total"`
	Mapped int       `json:"mapped"`
	Holes  []Hole    `json:"holes"` // by how many tickets they stop, largest first
	Lossy  []LossyIn `json:"lossy"` // codes that go out as a coarser one
}

// Hole is one reason why tickets could not be written.
type Hole struct {
	Pointer   string   `json:"pointer"`
	Code      string   `json:"code"`
	Message   string   `json:"message"`
	MessageEN string   `json:"message_en"`
	Tickets   int      `json:"tickets"`
	Examples  []string `json:"examples"` // ticket numbers, or lines of the file
}

// LossyIn is a code that comes back as another one.
type LossyIn struct {
	Table   string `json:"table"`
	Code    string `json:"code"`
	As      string `json:"as"`
	Tickets int    `json:"tickets"`
}

// maxLine bounds one past ticket in bytes.
const maxLine = 1 << 20

// Try maps past tickets, one JSON object of [ticket.Case] a line, through the
// profile and back. The error is of r.
func (p *Profile) Try(r io.Reader) (*DryRun, error) {
	out := &DryRun{Holes: []Hole{}, Lossy: []LossyIn{}}
	holes, lossy := map[string]*Hole{}, map[[2]string]*LossyIn{}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, maxLine)
	for line := 1; sc.Scan(); line++ {
		if strings.TrimSpace(sc.Text()) == "" {
			continue
		}
		out.Total++
		where := fmt.Sprint("#", line)
		var c ticket.Case
		err := ticket.Decode(sc.Bytes(), &c)
		if err == nil {
			if c.TicketNo != "" {
				where = c.TicketNo
			}
			err = p.tryCase(&c)
		}
		if err != nil {
			note(holes, err, where)
			continue
		}
		out.Mapped++
		for _, t := range []struct{ table, code string }{{"appealType", c.Appeal.AppealType}} {
			if as := p.Maps[t.table].Coarser[t.code]; as != "" {
				k := [2]string{t.table, t.code}
				if lossy[k] == nil {
					lossy[k] = &LossyIn{Table: t.table, Code: t.code, As: as}
				}
				lossy[k].Tickets++
			}
		}
	}
	for _, h := range holes {
		out.Holes = append(out.Holes, *h)
	}
	slices.SortFunc(out.Holes, func(a, b Hole) int {
		if a.Tickets != b.Tickets {
			return b.Tickets - a.Tickets
		}
		return strings.Compare(a.Message, b.Message)
	})
	for _, l := range lossy {
		out.Lossy = append(out.Lossy, *l)
	}
	slices.SortFunc(out.Lossy, func(a, b LossyIn) int { return strings.Compare(a.Table+a.Code, b.Table+b.Code) })
	return out, sc.Err()
}

// tryCase writes a case as the offer it would be and reads it back. Content over
// the peer's limit is no hole: the desk makes a summary and attaches the whole.
func (p *Profile) tryCase(c *ticket.Case) error {
	if limit := p.Capabilities.ContentMax; limit > 0 {
		c.Appeal.Content = clip(c.Appeal.Content, limit)
	}
	if limit := p.Capabilities.TitleMax; limit > 0 {
		c.Appeal.Title = clip(c.Appeal.Title, limit)
	}
	c.Citizen.IDNo = ""
	o := ticket.Offer{Key: "HO-000000-20260101-000001#1#1", HandoffID: "HO-000000-20260101-000001", Round: 1, OriginNo: c.TicketNo, Kind: "first", Mode: "TICKET",
		At: ticket.Time(time.Now()), Appeal: c.Appeal, Citizen: c.Citizen}
	return RoundTrip(p, Sample{Name: c.TicketNo, Operation: opOffer, Words: OfferWords(p, o)})
}

func note(holes map[string]*Hole, err error, where string) {
	h := Hole{Code: "NOT_WRITABLE", Message: "不能写成对方的格式：" + err.Error(), MessageEN: "cannot be written in the peer's form: " + err.Error()}
	var un *Unmapped
	switch {
	case errors.As(err, &un):
		f := unmappedFault(un)
		h.Pointer, h.Code, h.Message, h.MessageEN = f.Pointer, f.Code, f.Message, f.MessageEN
	case errors.Is(err, ticket.ErrJSON):
		h.Code, h.Message, h.MessageEN = "BAD_TICKET", "这一行不是规范的工单："+err.Error(), "the line is no ticket: "+err.Error()
	}
	k := h.Code + h.MessageEN
	if holes[k] == nil {
		holes[k] = &h
	}
	holes[k].Tickets++
	if len(holes[k].Examples) < 5 {
		holes[k].Examples = append(holes[k].Examples, where)
	}
}

// Summary is a profile in the words of who has to approve it.
type Summary struct {
	Profile    string   `json:"profile"`
	Title      string   `json:"title"`
	Party      string   `json:"party"`
	Base       string   `json:"base,omitempty"`
	Body       string   `json:"body,omitempty"`
	Charset    string   `json:"charset,omitempty"`
	Auth       string   `json:"auth,omitempty"`
	Told       []string `json:"told"`     // verbs that are told
	Degraded   []string `json:"degraded"` // "verb: way"
	Understood int      `json:"understood"`
	Warnings   []Remark `json:"warnings"`
}

// Remark is something to know about a profile that is no fault of it.
type Remark struct {
	Path      string `json:"path"`
	Message   string `json:"message"`
	MessageEN string `json:"message_en"`
}

// Summary words the profile, with what is weak or lost under it.
func (p *Profile) Summary() Summary {
	t := &p.File.Calls.Transport
	s := Summary{Profile: p.Profile, Title: p.Title, Party: p.Party.Code, Base: t.Base, Body: orElse(t.Body, "json"), Charset: orElse(t.Charset, "utf-8"), Auth: p.File.Calls.Auth.Kind,
		Told: []string{}, Degraded: []string{}, Understood: len(p.News), Warnings: []Remark{}}
	if p.Sheet != nil {
		s.Base, s.Body, s.Charset, s.Auth = "", orElse(p.Sheet.Format, "xlsx"), "", ""
	}
	for _, v := range sent {
		if _, ok := p.Verbs[string(v)]; ok {
			s.Told = append(s.Told, string(v))
		} else if way := p.Degrade[string(v)]; way != "" {
			s.Degraded = append(s.Degraded, string(v)+": "+way)
		}
	}
	warn := func(path, zh, en string) { s.Warnings = append(s.Warnings, Remark{path, zh, en}) }
	for _, side := range []struct {
		path string
		weak bool
		kind string
	}{{"calls.auth", p.calls != nil && p.calls.Weak(), p.File.Calls.Auth.Kind}, {"callbacks.auth", p.callbacks != nil && p.callbacks.Weak(), backKind(p)}} {
		if side.weak {
			warn(side.path, fmt.Sprintf("认证方式 %s 不足以保护数据，只能用于 transport.allow 列出的专线或 VPN 地址段", orElse(side.kind, "none")),
				fmt.Sprintf("authentication %s protects little; it is used only in the networks of transport.allow", orElse(side.kind, "none")))
		}
	}
	if strings.HasPrefix(t.Base, "http://") && p.Sheet == nil {
		warn("calls.transport.base", "明文 HTTP：内容可被途中读到，应走专线或国密网关", "plain HTTP can be read on the way; use a dedicated line or a TLCP gateway")
	}
	for _, name := range slices.Sorted(maps.Keys(p.Maps)) {
		var pairs []string
		for _, ours := range slices.Sorted(maps.Keys(p.Maps[name].Coarser)) {
			pairs = append(pairs, ours+"→"+p.Maps[name].Coarser[ours])
		}
		if len(pairs) > 0 {
			warn("maps."+name, "对方没有细分，往返会丢失区别："+strings.Join(pairs, "，"), "the peer does not tell these apart: "+strings.Join(pairs, ", "))
		}
	}
	if !p.Capabilities.QueryBySourceID && p.Sheet == nil {
		warn("capabilities.query_by_source_id", "对方不能按我方编号查询：是否收到不明时，重发一次后转人工", "the peer cannot be asked by our number: a doubtful offer is sent once more, then a person decides")
	}
	return s
}

func backKind(p *Profile) string {
	if p.File.Callbacks == nil {
		return ""
	}
	return p.File.Callbacks.Auth.Kind
}
