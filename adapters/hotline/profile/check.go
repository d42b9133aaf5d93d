package profile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fayi/adapters/hotline/clock"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/outer"
	"fayi/gateway/strictyaml"
)

// sent are the verbs this node may have to tell a peer, as origin or as target.
// Those of the machine's own bookkeeping stay here.
var sent = []ticket.Verb{
	"offer", "accept", "reject", "return_request", "return_approve", "return_refuse", "dispute", "arbitrate_keep", "arbitrate_return", "first_contact",
	"progress", "supplement", "info_request", "info_reply", "ext_request", "ext_grant", "ext_refuse", "suspend_request", "suspend_grant", "suspend_refuse",
	"resume", "urge", "supervise", "onward_relay", "onward_handover", "merge", "split", "result", "result_refuse", "result_accept", "callback", "reopen",
	"withdraw_request", "withdraw_agree", "withdraw_refuse", "correct", "note", "attach", "close", "emergency",
}

var degradeWays = []string{"note", "task", "note_task", "new_ticket", "local"}

// heardOffer are the values a ticket of theirs must come with.
var heardOffer = []string{"peerNo", "appeal.appealType", "appeal.title", "appeal.content", "appeal.receivedAt", "appeal.urgency", "citizen.secrecy"}

// required are the values an offer must have a place for (docs/handoff-profiles.md,
// 字段).
var required = []string{
	"handoffId", "appeal.appealType", "appeal.title", "appeal.content", "appeal.placeDivision", "appeal.receivedAt", "appeal.urgency",
	"citizen.secrecy", "citizen.name", "citizen.phone",
}

type checker struct {
	d *strictyaml.Document
	p *Profile
}

func (c checker) oneOf(path, v string, list ...string) {
	if !slices.Contains(list, v) {
		c.d.Fault(path, "应为 "+strings.Join(list, "、")+" 之一", "must be one of "+strings.Join(list, ", "))
	}
}

func (c checker) all() {
	p := c.p
	if p.Party.Code == "" {
		c.d.Fault("party.code", "必须填写，如 HOTLINE_12345_610800", "is required, such as HOTLINE_12345_610800")
	}
	if !ticket.Known("partyKind", p.Party.Kind) {
		c.d.Fault("party.kind", "不是已知的单位类型，如 HOTLINE_12345", "is no known kind of party, such as HOTLINE_12345")
	}
	c.capabilities()
	c.verbs()
	c.maps()
	c.words()
	c.operations()
	c.sheet()
	c.fetch()
	if p.Share.Salt != "" && !strings.HasPrefix(p.Share.Salt, "file:") {
		c.d.Fault("share.salt", "应写作 file:路径", "must be file:path")
	}
	for t, level := range p.Share.SecrecyMin {
		if !ticket.Known("appealType", t) || level < 0 || level > 2 {
			c.d.Fault("share.secrecyMin."+t, "应为诉求类型和 0 到 2 的保密级别", "must be an appeal type and a level of 0 to 2")
		}
	}
	for t, how := range p.Share.ByType {
		if !ticket.Known("appealType", t) {
			c.d.Fault("share.byType."+t, "不是诉求类型", "is no appeal type")
		}
		c.oneOf("share.byType."+t, how, "none", "minimal", "full")
	}
	c.heard()
	if p.calls != nil && len(c.d.Faults()) == 0 {
		c.samples()
	}
}

func (c checker) capabilities() {
	k := &c.p.Capabilities
	or := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	or(&k.PullEvents, "none")
	or(&k.DuplicateSignal, "none")
	or(&k.ReturnMode, "approval")
	or(&k.Reopen, "new_ticket")
	or(&k.Attachments.Mode, "none")
	c.oneOf("capabilities.pull_events", k.PullEvents, "none", "cursor", "open", "folder")
	if byFile := c.p.callbacks != nil && c.p.callbacks.Folder(); byFile != (k.PullEvents == "folder") {
		c.d.Fault("capabilities.pull_events", "folder 要与 callbacks.transport.base: file:///目录 一起写", "folder goes with callbacks.transport.base: file:///folder")
	}
	c.oneOf("capabilities.duplicate_signal", k.DuplicateSignal, "none", "code")
	c.oneOf("capabilities.return_mode", k.ReturnMode, "approval", "unilateral")
	c.oneOf("capabilities.reopen", k.Reopen, "same", "new_ticket")
	c.oneOf("capabilities.attachments.mode", k.Attachments.Mode, "none", "two_step")
	if k.Attachments.Mode != "none" && (k.Attachments.MaxMB < 1 || len(k.Attachments.Types) == 0) {
		c.d.Fault("capabilities.attachments", "要写 maxMB 和 types", "needs maxMB and types")
	}
	if e := k.Extension; e != nil {
		if _, err := time.Parse("15:04", e.Cutoff); err != nil || e.Max < 1 || e.MaxWD < 1 {
			c.d.Fault("capabilities.extension", "应写作 {max: 1, maxWD: 10, cutoff: \"17:00\"}", `must be such as {max: 1, maxWD: 10, cutoff: "17:00"}`)
		}
	}
	if c.p.Sheet == nil && !k.PushEvents && k.PullEvents == "none" {
		c.d.Fault("capabilities", "对方既不推送也不能查询，收不到办理情况；请写 push_events 或 pull_events", "the peer neither pushes nor can be asked: no news would ever come; set push_events or pull_events")
	}
	if k.PushEvents && c.p.callbacks == nil {
		c.d.Fault("capabilities.push_events", "写了对方会推送，但没有 callbacks", "says that the peer pushes, but there are no callbacks")
	}
}

// verbs: each canonical verb has a call or a degrade rule, and not both.
func (c checker) verbs() {
	p := c.p
	for _, v := range sent {
		call, mapped := p.Verbs[string(v)]
		way, degraded := p.Degrade[string(v)]
		switch {
		case mapped && degraded:
			c.d.Fault("degrade."+string(v), "在 verbs 中已有对应，不能又降级", "is mapped in verbs already")
		case mapped && p.calls != nil && !p.calls.Has(call.Call):
			c.d.Fault("verbs."+string(v)+".call", "calls.operations 中没有这个操作", "is not among calls.operations")
		case degraded && !slices.Contains(degradeWays, way):
			c.d.Fault("degrade."+string(v), "应为 "+strings.Join(degradeWays, "、")+" 之一", "must be one of "+strings.Join(degradeWays, ", "))
		case !mapped && !degraded:
			c.d.Fault("verbs."+string(v), ticket.Label("verb", string(v))+"：既没有对应的操作，也没有降级办法（degrade）", "has neither a call nor a degrade rule")
		case degraded && strings.HasPrefix(way, "note") && p.Verbs["note"] == (VerbCall{}):
			c.d.Fault("degrade."+string(v), "降级为备注，但 verbs 中没有 note", "degrades to a note, but verbs has no note")
		}
	}
	if _, ok := p.Verbs["offer"]; !ok && p.Sheet == nil {
		c.d.Fault("verbs.offer", "转出必须有对应的操作，不能降级", "an offer cannot be degraded")
	}
	for _, m := range []map[string]string{p.News, nil} {
		for code, v := range m {
			if !ticket.Known("verb", v) {
				c.d.Fault("news."+code, "不是已知的动作："+v, "is no known verb: "+v)
			}
		}
	}
	for v := range p.Verbs {
		if !slices.Contains(sent, ticket.Verb(v)) {
			c.d.Fault("verbs."+v, "不是要告知对方的动作", "is no verb that peers are told")
		}
	}
	for v := range p.Degrade {
		if !slices.Contains(sent, ticket.Verb(v)) {
			c.d.Fault("degrade."+v, "不是要告知对方的动作", "is no verb that peers are told")
		}
	}
	if len(p.News) == 0 {
		c.d.Fault("news", "没有写对方的动作各是什么意思", "does not say what the peer's words mean")
	}
}

// lists of maps whose codes are not of a canonical list.
var freeMaps = []string{"class", "org", "division"}

func (c checker) maps() {
	p := c.p
	used := map[string]bool{"state": true}
	for _, i := range []*outer.Compiled{p.calls, p.callbacks} {
		if i != nil {
			for _, t := range i.Tables() {
				used[t] = true
			}
		}
	}
	for _, t := range slices.Sorted(maps.Keys(used)) {
		if _, ok := p.Maps[t]; !ok && (t != "state" || p.Sheet == nil) {
			c.d.Fault("maps."+t, "模板用到这个对照表，但没有写", "is used by templates but not there")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Maps)) {
		c.oneMap(name, p.Maps[name])
	}
	c.oneOf("class.unmapped", orElse(p.Class.Unmapped, "block"), "block", "send")
	if p.Class.Unmapped == "send" && p.Class.Code == "" {
		c.d.Fault("class.code", "unmapped 为 send 时，要写对方“其他”一类的代码", "unmapped: send needs the peer's code for what fits no class")
	}
	if _, ok := p.Maps["class"]; ok && p.Class.Scheme == "" {
		c.d.Fault("class.scheme", "要写对方分类表的名称和版本，如 SAMPLE-12345@1", "must name the peer's table and its version, such as SAMPLE-12345@1")
	}
}

func orElse(s, v string) string {
	if s == "" {
		return v
	}
	return s
}

func (c checker) oneMap(name string, m Map) {
	at := "maps." + name
	list := orElse(m.List, name)
	known := ticket.Codes(list)
	if list == "state" {
		known = ticket.Codes("stateOrigin")
	}
	free := list == "free" || slices.Contains(freeMaps, name)
	if known == nil && !free {
		c.d.Fault(at, "没有代码表 "+list+"；不对应标准代码表时写 list: free", "there is no code list "+list+"; write list: free where none is meant")
		return
	}
	c.oneOf(at+".unmapped", orElse(m.Unmapped, "block"), "block", "note")
	is := func(code string) bool {
		return free || slices.ContainsFunc(known, func(k ticket.Code) bool { return k.Code == code })
	}
	for _, ours := range slices.Sorted(maps.Keys(m.Out)) {
		if !is(ours) {
			c.d.Fault(at+".out."+ours, "代码表 "+list+" 中没有这个代码", "is not in list "+list)
		}
	}
	for _, theirs := range slices.Sorted(maps.Keys(m.In)) {
		if !is(m.In[theirs]) {
			c.d.Fault(at+".in."+theirs, "代码表 "+list+" 中没有 "+m.In[theirs], m.In[theirs]+" is not in list "+list)
		}
	}
	for _, ours := range slices.Sorted(maps.Keys(m.Coarser)) {
		if !is(ours) || !is(m.Coarser[ours]) {
			c.d.Fault(at+".coarser."+ours, "代码表 "+list+" 中没有这个代码", "is not in list "+list)
		}
	}
	// Total, and back where it came from.
	out, in := c.p.codes.out[name], c.p.codes.in[name]
	codes := slices.Sorted(maps.Keys(m.Out))
	if !free {
		codes = nil
		for _, k := range known {
			codes = append(codes, k.Code)
		}
	}
	for _, ours := range codes {
		theirs, ok := out[ours]
		if !ok {
			if list != "state" || !neverTold[ours] {
				c.d.Fault(at+".out."+ours, ticket.Label(labelList(list), ours)+"：没有对应；确实没有时在 coarser 中写明用哪个代替", "has no counterpart; where there is none, say in coarser which one stands for it")
			}
			continue
		}
		back, ok := in[theirs]
		switch {
		case !ok:
			c.d.Fault(at+".in."+theirs, "对方会发回这个代码，但没有对应", "will come back, but has no counterpart")
		case back != ours && m.Coarser[ours] != back:
			c.d.Fault(at+".out."+ours, fmt.Sprintf("往返不一致：%s → %s → %s；若可以接受，写 coarser: {%s: %s}", ours, theirs, back, ours, back),
				fmt.Sprintf("does not come back: %s → %s → %s; where that is acceptable write coarser: {%s: %s}", ours, theirs, back, ours, back))
		}
	}
}

// neverTold are states a peer is not asked about or told of.
var neverTold = map[string]bool{"DRAFT": true, "QUEUED": true, "IN_DOUBT": true, "DEAD": true, "CANCELLED": true}

func labelList(list string) string {
	if list == "state" {
		return "stateOrigin"
	}
	return list
}

// words: templates name only what there is.
func (c checker) words() {
	p := c.p
	look := func(path string, i *outer.Interface, k *outer.Compiled) {
		if i == nil || k == nil {
			return
		}
		for _, op := range slices.Sorted(maps.Keys(i.Operations)) {
			at := path + ".operations." + op
			values, item := k.Yields(op)
			for _, list := range []struct {
				part  string
				names []string
			}{{".request", k.Uses(op)}, {".answer", values}, {".list.item", item}} {
				for _, n := range list.names {
					if s := i.Auth.Session; s != nil && list.part == ".answer" && n == s.Value {
						continue
					}
					if !wordExists(n, p.Constants) {
						c.d.Fault(at+list.part, "没有 "+n+" 这个值", "there is no value "+n)
					}
				}
			}
		}
	}
	look("calls", &p.File.Calls, p.calls)
	look("callbacks", p.File.Callbacks, p.callbacks)
	for i, n := range p.Identity {
		if !wordExists(n, p.Constants) {
			c.d.Fault(fmt.Sprintf("identity[%d]", i), "没有 "+n+" 这个值", "there is no value "+n)
		}
	}
}

// heard: news says what was done, when and to which matter, however it comes.
func (c checker) heard() {
	p := c.p
	type place struct {
		path   string
		values []string
	}
	var news []place
	if p.callbacks != nil {
		if p.callbacks.Has("event") {
			news = append(news, place{"callbacks.operations.event.request", p.callbacks.Uses("event")})
		} else if p.Capabilities.PushEvents {
			c.d.Fault("capabilities.push_events", "要有 callbacks.operations.event", "needs callbacks.operations.event")
		}
		if p.callbacks.Has(opOffer) {
			for _, v := range heardOffer {
				if !slices.Contains(p.callbacks.Uses(opOffer), v) {
					c.d.Fault("callbacks.operations.offer.request", "没有取 "+v+" 的地方", "does not take "+v)
				}
			}
		}
	}
	if p.calls != nil {
		for _, op := range []string{opPull, opFlow} {
			if p.calls.Has(op) {
				values, item := p.calls.Yields(op)
				if op == opFlow {
					item = append(item, "peerNo") // we asked by it
				}
				news = append(news, place{"calls.operations." + op + ".list.item", append(item, values...)})
			}
		}
	}
	for _, n := range news {
		has := func(names ...string) bool {
			return slices.ContainsFunc(n.values, func(v string) bool { return slices.Contains(names, strings.TrimPrefix(v, "steps.")) })
		}
		if !has("code", "payload.peerState", "state") {
			c.d.Fault(n.path, "没有取动作（code）或状态的地方", "takes neither an act (code) nor a state")
		}
		if !has("at") {
			c.d.Fault(n.path, "没有取时间（at）的地方", "takes no time (at)")
		}
		if !has("handoffId", "peerNo", "number") {
			c.d.Fault(n.path, "没有取编号（handoffId 或 peerNo）的地方", "takes no number (handoffId or peerNo)")
		}
		if !has("eventId") && len(p.Identity) == 0 {
			c.d.Fault(n.path, "没有取事件编号（eventId），也没有写 identity，重复送来会算两次", "takes no eventId, and there is no identity: what comes twice would count twice")
		}
	}
}

// operations: what capabilities promise is there, and required fields have a place.
func (c checker) operations() {
	p := c.p
	if p.calls == nil {
		return
	}
	need := func(has bool, capability, op string) {
		if has && !p.calls.Has(op) {
			c.d.Fault(capability, "要有操作 calls.operations."+op, "needs the operation calls.operations."+op)
		}
	}
	need(p.Capabilities.QueryBySourceID, "capabilities.query_by_source_id", opQuery)
	need(p.Capabilities.PullEvents == "cursor", "capabilities.pull_events", opPull)
	need(p.Capabilities.PullEvents == "open", "capabilities.pull_events", opFlow)
	need(p.Capabilities.Attachments.Mode != "none", "capabilities.attachments.mode", opUpload)
	offer := p.Verbs["offer"].Call
	if !p.calls.Has(offer) {
		return
	}
	if offer != opOffer {
		c.d.Fault("verbs.offer.call", "转出的操作应名为 offer", "the operation of an offer must be named offer")
	}
	uses := p.calls.Uses(offer)
	for _, n := range required {
		if !slices.Contains(uses, n) {
			c.d.Fault("calls.operations.offer.request", "没有放 "+n+" 的地方", "has no place for "+n)
		}
	}
	if slices.Contains(uses, "citizen.idNo") {
		c.d.Fault("calls.operations.offer.request", "身份证件号码不得转出", "must not carry identity numbers")
	}
	for _, n := range uses {
		if strings.HasPrefix(n, "payload.internal") {
			c.d.Fault("calls.operations.offer.request", "内部记录不得转出", "must not carry internal notes")
		}
	}
	values, _ := p.calls.Yields(offer)
	if !slices.Contains(values, "number") && !p.Capabilities.NumberLater {
		c.d.Fault("calls.operations.offer.answer", "没有写对方工单编号（number）在哪里；编号以后才有时写 capabilities.number_later", "does not say where the ticket number is; where it comes later set capabilities.number_later")
	}
}

// sheet: columns name values, headers are told apart, required fields have a
// column.
func (c checker) sheet() {
	s := c.p.Sheet
	if s == nil {
		return
	}
	c.oneOf("sheet.format", orElse(s.Format, "xlsx"), "xlsx", "csv")
	titles, fields := map[string]string{}, map[string]bool{}
	for i, col := range s.Columns {
		at := fmt.Sprintf("sheet.columns[%d]", i)
		if !wordExists(col.Field, nil) {
			c.d.Fault(at+".field", "没有 "+col.Field+" 这个值", "there is no value "+col.Field)
		}
		if _, ok := c.p.Maps[col.Map]; col.Map != "" && !ok {
			c.d.Fault(at+".map", "maps 中没有 "+col.Map, "is not in maps")
		}
		if col.Title == "" {
			c.d.Fault(at+".title", "必须填写列名", "is required")
		}
		for _, t := range append([]string{col.Title}, col.Synonyms...) {
			if first, twice := titles[t]; twice && first != col.Field {
				c.d.Fault(at, "列名 "+t+" 已属于 "+first+"，无法分辨", "header "+t+" belongs to "+first+" already")
			}
			titles[t] = col.Field
		}
		fields[col.Field] = fields[col.Field] || col.Out
	}
	for _, n := range required[1:] { // the hand-off's id has a hidden column of its own
		if !fields[n] {
			c.d.Fault("sheet.columns", "没有写出 "+n+" 的列", "has no column that shows "+n)
		}
	}
	for _, n := range []string{"peerNo", "code", "at"} {
		if _, ok := fields[n]; !ok {
			c.d.Fault("sheet.columns", "没有让对方填写 "+n+" 的列", "has no column for "+n)
		}
	}
	for i, v := range s.TwoPersons {
		if !ticket.Known("verb", v) {
			c.d.Fault(fmt.Sprintf("sheet.twoPersons[%d]", i), "不是已知的动作", "is no known verb")
		}
	}
}

func (c checker) fetch() {
	for i, h := range c.p.Fetch.Hosts {
		if host, port, ok := strings.Cut(h, ":"); !ok || host == "" || port == "" {
			c.d.Fault(fmt.Sprintf("fetch.hosts[%d]", i), "应写作 主机:端口", "must be host:port")
		}
	}
}

// clocks: the party's limits, and an answer for every type and urgency.
func (c checker) clocks() clock.Rules {
	var out clock.Rules
	for i, r := range c.p.Clocks {
		at := fmt.Sprintf("clocks[%d]", i)
		limit, err := clock.ParseLimit(r.Limit)
		if err != nil {
			c.d.Fault(at+".limit", "应写作 5WD（工作日）、15m 或 2h", "must be 5WD (working days), 15m or 2h")
		}
		name := strings.ToUpper(orElse(r.Clock, "C5"))
		if !slices.Contains(clock.Names, name) {
			c.d.Fault(at+".clock", "应为 "+strings.Join(clock.Names, "、")+" 之一", "must be one of "+strings.Join(clock.Names, ", "))
		}
		c.oneOf(at+".cal", orElse(r.Cal, "natural"), "natural", "business")
		from := orElse(r.ValidFrom, "2000-01-01")
		if _, err := time.Parse(time.DateOnly, from); err != nil {
			c.d.Fault(at+".validFrom", "应写作 2026-01-01", "must be such as 2026-01-01")
		}
		for _, t := range r.When.Type {
			if !ticket.Known("appealType", t) {
				c.d.Fault(at+".when.type", "不是诉求类型："+t, "is no appeal type: "+t)
			}
		}
		for _, t := range r.When.Danger {
			if !ticket.Known("danger", t) {
				c.d.Fault(at+".when.danger", "应为 none、property、life", "must be none, property or life")
			}
		}
		out = append(out, clock.Rule{
			ID: orElse(r.ID, fmt.Sprint("rule-", i+1)), Version: c.p.Profile, Clock: name, Party: c.p.Party.Code, Types: r.When.Type, Urgency: r.When.Urgency, Danger: r.When.Danger,
			Tags: r.When.Tags, Limit: limit, Business: r.Cal == "business", ValidFrom: clock.Day(from), CountStart: r.CountStart, EndOfDay: r.EndOfDay, Cutoff: r.Cutoff, MaxPause: r.MaxPause,
		})
	}
	all := append(slices.Clone(out), clock.Defaults()...)
	for _, name := range clock.Names {
		for _, t := range ticket.Codes("appealType") {
			for urgency := 1; urgency <= 3; urgency++ {
				if _, ok := all.Find(clock.Question{Clock: name, Party: c.p.Party.Code, Type: t.Code, Urgency: urgency, Start: time.Now()}); !ok {
					c.d.Fault("clocks", fmt.Sprintf("没有适用于 %s、%s、紧急程度 %d 的时限", name, t.ZH, urgency), fmt.Sprintf("no limit for %s, %s, urgency %d", name, t.EN, urgency))
				}
			}
		}
	}
	return out
}

// samples: a message of each kind survives the way out and back.
func (c checker) samples() {
	for _, m := range Samples(c.p) {
		if err := RoundTrip(c.p, m); err != nil {
			path := "calls"
			if m.Theirs {
				path = "callbacks"
			}
			var un *Unmapped
			if errors.As(err, &un) {
				c.d.Fault("maps."+un.Table, "样例 "+m.Name+"："+fault(err).Message, "sample "+m.Name+": "+err.Error())
				continue
			}
			c.d.Fault(path+".operations."+m.Operation, "样例 "+m.Name+" 写出再读回后不同："+err.Error(), "sample "+m.Name+" does not survive being written and read: "+err.Error())
		}
	}
}
