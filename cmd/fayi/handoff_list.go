package main

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"fayi/adapters/hotline"
	"fayi/adapters/hotline/desk"
	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/ticket"
)

// withHotline opens the hand-offs of a node for one command. Nothing is sent by it: the serving node does that.
func (e *env) withHotline(ctx context.Context, conf string, fn func(*hotline.Service) error) int {
	st, c, err := e.openMigrated(ctx, conf)
	if err != nil {
		return e.fail(err)
	}
	defer st.Close()
	s, err := newHotline(c, st, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err == nil {
		err = fn(s)
	}
	if r, ok := desk.AsRefusal(err); ok {
		return e.refusal(r)
	}
	if err != nil {
		return e.fail(handoffErr(err))
	}
	return exitOK
}

// refusal prints a rule's no with everything that is wrong.
func (e *env) refusal(r *desk.Refusal) int {
	s := &said{code: r.Code, zh: r.ZH, en: r.EN}
	var lines []string
	for _, f := range r.Faults {
		lines = append(lines, f.Pointer+"  "+e.text(f.Message, f.MessageEN))
	}
	if len(lines) > 0 {
		s.err = textErr(strings.Join(lines, "\n"))
	}
	if len(r.Allowed) > 0 {
		var zh, en []string
		for _, v := range r.Allowed {
			zh, en = append(zh, ticket.Label("verb", string(v))), append(en, string(v))
		}
		s.hintZH, s.hintEN = "当前可以："+strings.Join(zh, "、"), "possible now: "+strings.Join(en, ", ")
	}
	return e.fail(s)
}

type textErr string

func (t textErr) Error() string { return string(t) }

func handoffErr(err error) error {
	if err == ledger.ErrUnknown {
		return &said{code: ticket.CodeUnknownHandoff, zh: "没有这个转办单", en: "no such hand-off", hintZH: "运行 fayi handoff list 查看编号", hintEN: "see fayi handoff list"}
	}
	return err
}

// handoffJSON is a hand-off as -json prints it: no personal data.
type handoffJSON struct {
	ticket.Handoff
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	Urgency int       `json:"urgency"`
	Events  int       `json:"events"`
	Head    string    `json:"head"`
}

func handoffRow(r ledger.Row) handoffJSON {
	return handoffJSON{r.Handoff, r.Created, r.Updated, r.Urgency, r.Events, r.Head}
}

// stateWord names a state as our desk calls it.
func stateWord(r ledger.Row) string {
	list := "stateOrigin"
	if r.Direction == ticket.In {
		list = "stateTarget"
	}
	return ticket.Label(list, string(r.State))
}

func handoffList(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi handoff list",
		zh:      "列出转办单：编号、方向、对方、状态、责任方。先列待人处理的事项（发送失败、存疑、超期、争议等），再列各对方的连接。",
		en:      "List hand-offs: number, direction, party, state, owner. What waits for a person comes first (dead or doubtful messages, breaches, disputes), then how each party is reached.",
		example: "fayi handoff list -c fayi.yaml -state OFFERED"})
	conf, asJSON := f.config(), f.asJSON()
	party := f.string("party", "", "只列这个`对方`", "only of this `party`")
	state := f.string("state", "", "只列这个`状态`，如 OFFERED", "only in this `state`, such as OFFERED")
	limit := f.uint64("n", 100, "最多列出`条数`", "list at most `N`")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) > 0 {
		return f.usage("list 不带参数", "list takes no arguments")
	}
	return e.withHotline(ctx, *conf, func(s *hotline.Service) error {
		l := s.Desk.Ledger()
		filter := ledger.Filter{Peer: *party, Limit: int(min(*limit, 1_000_000))}
		if *state != "" {
			filter.States = []ticket.State{ticket.State(*state)}
		}
		rows, err := l.Find(ctx, filter)
		if err != nil {
			return err
		}
		tasks, err := l.Tasks(ctx, "")
		if err != nil {
			return err
		}
		if *asJSON {
			out := struct {
				Handoffs []handoffJSON `json:"handoffs"`
				Tasks    []ledger.Task `json:"tasks"`
			}{[]handoffJSON{}, append([]ledger.Task{}, tasks...)}
			for _, r := range rows {
				out.Handoffs = append(out.Handoffs, handoffRow(r))
			}
			e.json(out)
			return nil
		}
		e.showTasks(tasks)
		table := [][]string{{e.text("编号", "number"), e.text("方向", "direction"), e.text("对方", "party"), e.text("对方工单号", "their number"), e.text("状态", "state"), e.text("责任方", "owner"), e.text("轮次", "round")}}
		for _, r := range rows {
			table = append(table, []string{r.ID, e.text(map[string]string{"OUT": "转出", "IN": "转入"}[r.Direction], r.Direction), r.Peer, r.PeerNo, e.text(stateWord(r), string(r.State)), r.Owner, strconv.Itoa(r.Round)})
		}
		e.table(table)
		return nil
	})
}

func (e *env) showTasks(tasks []ledger.Task) {
	if len(tasks) == 0 {
		return
	}
	e.say("待人处理 %d 项：", "%d things wait for a person:", len(tasks))
	var rows [][]string
	for _, t := range tasks {
		rows = append(rows, []string{t.Created.Format("01-02 15:04"), t.Kind, t.Handoff, t.Text})
	}
	e.table(rows)
	e.say("", "")
}

func handoffShow(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi handoff show", args: "HANDOFF",
		zh:      "显示一个转办单：状态、轮次、事件链（逐条核对哈希）、时限及其计算依据、待发消息、关联单。不显示诉求人信息；确需查看时加 -reveal 并写明事由，查看会被记录。",
		en:      "Show one hand-off: state, rounds, the chain of events with every hash checked, clocks with what they were computed from, messages, links. The citizen is not shown; -reveal with a reason shows them and is recorded.",
		example: "fayi handoff show -c fayi.yaml HO-610800-20260929-000017"})
	conf, asJSON := f.config(), f.asJSON()
	reveal := f.string("reveal", "", "查看诉求人信息的`事由`（记录在案）", "`reason` to look at the citizen (recorded)")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) != 1 {
		return f.usage("要写一个转办单编号", "one hand-off number is needed")
	}
	result := exitOK
	code = e.withHotline(ctx, *conf, func(s *hotline.Service) error {
		v, err := gather(ctx, s, rest[0])
		if err != nil {
			return err
		}
		if *reveal != "" {
			z, err := s.Desk.Reveal(ctx, rest[0], operator(), *reveal, true)
			if err != nil {
				return err
			}
			v.Citizen = &z
		}
		if v.Broken != "" {
			result = exitProblem
		}
		if *asJSON {
			e.json(v)
			return nil
		}
		e.showHandoff(v)
		return nil
	})
	if code == exitOK {
		return result
	}
	return code
}

// handoffView is everything about one hand-off.
type handoffView struct {
	handoffJSON
	Rounds     []ticket.Round  `json:"rounds"`
	EventList  []ticket.Event  `json:"eventList"`
	Clocks     []ledger.Clock  `json:"clocks"`
	Deliveries []deliveryJSON  `json:"deliveries"`
	Links      []ledger.Link   `json:"links"`
	Broken     string          `json:"chainBroken,omitempty"`
	Citizen    *ticket.Citizen `json:"citizen,omitempty"`
	row        ledger.Row
}

type deliveryJSON struct {
	ID       int64       `json:"id"`
	Key      string      `json:"key"`
	Kind     string      `json:"kind"`
	State    string      `json:"state"`
	Attempts int         `json:"attempts"`
	Next     time.Time   `json:"next"`
	Said     ledger.Said `json:"said"`
}

func gather(ctx context.Context, s *hotline.Service, id string) (*handoffView, error) {
	l := s.Desk.Ledger()
	row, err := l.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	v := &handoffView{handoffJSON: handoffRow(row), row: row}
	if v.Rounds, err = l.Rounds(ctx, id); err != nil {
		return nil, err
	}
	if v.EventList, err = l.Events(ctx, id); err != nil {
		return nil, err
	}
	if v.Clocks, err = s.Desk.Figures(ctx, id); err != nil {
		return nil, err
	}
	list, err := l.Deliveries(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		v.Deliveries = append(v.Deliveries, deliveryJSON{d.ID, d.Key, d.Kind, d.State, d.Attempts, d.Next, d.Said})
	}
	if v.Links, err = l.Links(ctx, id); err != nil {
		return nil, err
	}
	if err := l.Verify(ctx, id); err != nil {
		v.Broken = err.Error()
	}
	return v, nil
}

func (e *env) showHandoff(v *handoffView) {
	e.say("%s　%s　责任方 %s", "%s  %s  owner %s", v.ID, e.text(stateWord(v.row), string(v.State)), v.Owner)
	e.say("%s → %s，对方工单号 %s，第%d轮，配置 %s", "%s → %s, their number %s, round %d, profile %s", v.Origin, v.Target, v.PeerNo, v.Round, v.Profile)
	if z := v.Citizen; z != nil {
		e.say("诉求人：%s　%s", "citizen: %s  %s", z.Name, z.Phone)
	}
	e.say("\n事件：", "\nevents:")
	var rows [][]string
	for _, x := range v.EventList {
		mark := ""
		switch {
		case x.Refused != "":
			mark = e.text("未执行 ", "refused ") + x.Refused
		case x.Late:
			mark = e.text("迟到", "late")
		case x.Inferred:
			mark = e.text("推定", "inferred")
		}
		rows = append(rows, []string{x.RecordedAt.Format("01-02 15:04:05"), e.text(ticket.Label("verb", string(x.Verb)), string(x.Verb)), string(x.Author.Role) + " " + x.Author.Party,
			string(x.From) + "→" + string(x.To), x.Hash[:8], mark})
	}
	e.table(rows)
	if v.Broken != "" {
		e.say("事件链不完整：%s", "the chain is broken: %s", v.Broken)
	}
	e.say("\n时限：", "\nclocks:")
	rows = nil
	for _, c := range v.Clocks {
		due := c.Figure.DueText
		if c.Figure.Estimated {
			due += e.text("（估算）", " (estimate)")
		}
		rows = append(rows, []string{c.Figure.Rule.Clock, strconv.Itoa(c.Round), c.Figure.State, due, c.Figure.Rule.ID + "@" + c.Figure.Rule.Version + " " + c.Figure.Rule.Limit.String(), c.Figure.Calendar})
	}
	e.table(rows)
	if len(v.Deliveries) > 0 {
		e.say("\n消息：", "\nmessages:")
		rows = nil
		for _, d := range v.Deliveries {
			rows = append(rows, []string{d.Key, d.Kind, d.State, strconv.Itoa(d.Attempts), d.Said.Class, d.Said.Code, d.Said.Text})
		}
		e.table(rows)
	}
	for _, k := range v.Links {
		e.say("关联：%s %s %s", "link: %s %s %s", k.A, ticket.Label("linkKind", k.Kind), k.B)
	}
}
