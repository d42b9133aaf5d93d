package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"fayi/cmd/fayi/internal/config"
	"fayi/crypto/keys"
	"fayi/crypto/sign"
	"fayi/gateway/directory"
	"fayi/gateway/join"
	"fayi/gateway/store"
)

func cmdPeer(ctx context.Context, e *env, args []string) int {
	return e.group(ctx, group{name: "fayi peer",
		zh: "节点：邀请下级、审批入网、列出目录。", en: "Nodes: invite a child, approve its request, list the directory.",
		commands: []command{
			{"invite", peerInvite, "为下级生成邀请文件", "make an invitation file for a child"},
			{"approve", peerApprove, "审批下级的入网申请", "approve a child's join request"},
			{"list", peerList, "列出目录中的节点", "list the nodes of the directory"},
		},
		example: "fayi peer list -c fayi.yaml"}, args)
}

func peerInvite(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi peer invite",
		zh:      "为一个下级节点生成邀请文件。内含一次性邀请码，请通过可靠渠道交给对方；再次邀请同一节点则前一份作废。",
		en:      "Make an invitation file for a child. It holds a one-time code: hand it over on a safe way. Inviting the same node again voids the one before.",
		example: "fayi peer invite -c fayi.yaml -node 610800 -name 榆林市司法局"})
	conf, asJSON := f.config(), f.asJSON()
	node := f.string("node", "", "下级节点`标识`", "the child's node `ID`")
	name := f.string("name", "", "下级节点`名称`", "the child's Chinese `name`")
	nameEN := f.string("name-en", "", "英文`名称`，可不写", "English `name`, optional")
	role := f.string("role", "", "`角色`：province、city、county、carrier（默认按标识判断）", "`role`: province, city, county, carrier (default: by the ID)")
	territory := f.string("territory", "", "它可再登记的标识`前缀`，逗号分隔，- 为无（默认按角色）", "`prefixes` of IDs it may name in turn, by comma, - for none (default: by role)")
	addr := f.string("url", "", "下级访问本节点的`地址`（默认由 listen.peers 得出）", "`address` at which the child reaches this node (default: from listen.peers)")
	out := f.string("o", "", "邀请`文件`名（默认 invite-标识.json）", "the invitation `file` (default invite-ID.json)")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) > 0 || *node == "" || *name == "" {
		return f.usage("要写 -node 与 -name，不带其他参数", "-node and -name are needed, and no arguments")
	}
	if *out == "" {
		*out = "invite-" + *node + ".json"
	}
	p, err := place(*node, *name, *nameEN, *role, *territory, false)
	if err != nil {
		return e.fail(err)
	}
	st, c, err := e.openMigrated(ctx, *conf)
	if err != nil {
		return e.fail(err)
	}
	defer st.Close()
	if *addr == "" {
		*addr = ownURL(c)
	}
	d, err := join.Directory(ctx, st, c.Node)
	if err != nil {
		return e.fail(err)
	}
	iv, err := join.NewInvite(d, p, *addr)
	if err == nil {
		err = absent(*out)
	}
	if err == nil {
		err = join.OpenLedger(c.LedgerPath()).Add(iv, time.Now())
	}
	if err == nil {
		err = writeJoin(*out, iv)
	}
	if err != nil {
		return e.fail(err)
	}
	if *asJSON {
		e.json(map[string]any{"node": p.Node, "role": p.Role, "territory": p.Territory, "parent": iv.Parent, "url": iv.URL, "file": *out})
		return exitOK
	}
	e.say("已为 %s %s 生成邀请文件 %s（角色 %s，辖区 %s）", "invitation for %s %s: %s (role %s, territory %s)", p.Node, p.Names.Zh, *out, p.Role, e.territoryText(p.Territory))
	if iv.URL == "" {
		e.say("邀请中没有本节点地址，对方须自行填写 peers。", "The invitation holds no address of this node; the child fills in peers.")
	}
	e.say("下一步：把文件交给对方，由对方运行", "Next: hand the file over; there run")
	e.say("  fayi init -invite %s node%s", "  fayi init -invite %s node%s", *out, p.Node)
	return exitOK
}

// ownURL is the address other machines may dial, "" if it cannot be told from
// the configuration.
func ownURL(c *config.File) string {
	host, port, err := net.SplitHostPort(c.Listen.Peers)
	if err != nil || port == "0" {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return ""
	}
	u := url.URL{Scheme: "http", Host: c.Listen.Peers}
	if c.Listen.TLS != nil {
		u.Scheme = "https"
	}
	return u.String()
}

func peerApprove(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi peer approve", args: "REQUEST",
		zh: "审批下级的入网申请：核对电话里读来的核对码，用登记机关私钥签发证书和登记项，生成审批文件。\n" +
			"不写 -code 则在终端上询问。-dry-run 只检查申请并显示本方算出的核对码。",
		en: "Approve a child's join request: compare the code read out by telephone, issue certificates and the entry with the\n" +
			"registrar's key, write the approval file. Without -code it asks. -dry-run only checks and shows this side's code.",
		example: "fayi peer approve -c fayi.yaml -dry-run request.json"})
	conf, asJSON := f.config(), f.asJSON()
	typed := f.string("code", "", "对方屏幕上的`核对码`", "the `code` on the other screen")
	out := f.string("o", "", "审批`文件`名（默认 approval-标识.json）", "the approval `file` (default approval-ID.json)")
	dry := f.bool("dry-run", "只检查，不签发", "check only, sign nothing")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) != 1 {
		return f.usage("要写且只写一个申请文件 REQUEST", "exactly one request file REQUEST is needed")
	}
	r, err := readJoin[join.Request](rest[0])
	if err != nil {
		return e.fail(err)
	}
	if *out == "" {
		*out = "approval-" + r.Place.Node + ".json"
	}
	st, c, err := e.openMigrated(ctx, *conf)
	if err != nil {
		return e.fail(err)
	}
	defer st.Close()
	d, err := join.Directory(ctx, st, c.Node)
	if err != nil {
		return e.fail(err)
	}
	a := &join.Approver{Directory: d, Store: st, Ledger: join.OpenLedger(c.LedgerPath())}
	want, err := a.Check(r)
	if err != nil {
		return e.fail(err)
	}
	result := map[string]any{"node": r.Place.Node, "name": r.Place.Names.Zh, "role": r.Place.Role, "territory": r.Place.Territory, "dry_run": *dry}
	if *dry {
		if result["join_code"] = want; *asJSON {
			e.json(result)
			return exitOK
		}
		e.say("申请有效：%s %s，角色 %s，辖区 %s", "the request is in order: %s %s, role %s, territory %s", r.Place.Node, r.Place.Names.Zh, r.Place.Role, e.territoryText(r.Place.Territory))
		e.say("本方核对码：%s", "this side's code: %s", want)
		return exitOK
	}
	if err := absent(*out); err != nil {
		return e.fail(err)
	}
	if *typed == "" {
		if *typed, err = e.ask("请输入 "+r.Place.Node+" "+r.Place.Names.Zh+" 读来的核对码：", "code read out by "+r.Place.Node+" "+r.Place.Names.Zh+": "); err != nil {
			return e.fail(err)
		}
	}
	if !keys.EqualJoinCode(*typed, want) { // before the registrar's key is touched
		return e.fail(join.ErrJoinCode)
	}
	reg, err := c.Registrar()
	if err != nil {
		return e.fail(err)
	}
	approval, err := a.Approve(ctx, reg, r, *typed, time.Now())
	if err == nil {
		err = writeJoin(*out, approval)
	}
	if err != nil {
		return e.fail(err)
	}
	if *asJSON {
		result["file"] = *out
		e.json(result)
		return exitOK
	}
	e.say("已批准 %s %s 入网，审批文件 %s", "%s %s is approved; approval file %s", r.Place.Node, r.Place.Names.Zh, *out)
	e.say("下一步：把文件交给对方，由对方运行", "Next: hand the file over; there run")
	e.say("  fayi init -approval %s DIR", "  fayi init -approval %s DIR", *out)
	return exitOK
}

// ask prints a question on standard error and reads one line.
func (e *env) ask(zh, en string) (string, error) {
	fmt.Fprint(e.stderr, e.text(zh, en))
	line, err := bufio.NewReader(io.LimitReader(e.stdin, 1024)).ReadString('\n')
	if err != nil && line == "" {
		return "", &said{code: join.CodeJoin, zh: "没有输入核对码", en: "no code was typed", hintZH: "用 -code 写明，或在终端上输入", hintEN: "give it with -code or at the terminal"}
	}
	return strings.TrimSpace(line), nil
}

// peerJSON is a node as peer list -json shows it.
type peerJSON struct {
	Node      string     `json:"node"`
	Parent    string     `json:"parent"`
	Roles     []string   `json:"roles"`
	Names     sign.Names `json:"names"`
	Territory []string   `json:"territory"`
	Entry     uint64     `json:"entry"` // number of the entry
	Since     sign.Time  `json:"since"` // of this entry
	Me        bool       `json:"me"`
	Sign      []keyJSON  `json:"sign"`
	Enc       []keyJSON  `json:"enc"`
	Link      *linkJSON  `json:"link"` // as configured; null if this node does not dial it
}

type keyJSON struct {
	ID     string    `json:"id"` // SM3 of the certificate
	Until  time.Time `json:"not_after"`
	Public string    `json:"public_key"` // 04 ‖ X ‖ Y
	Ended  bool      `json:"ended"`
}

type linkJSON struct {
	URL   string     `json:"url"`
	Push  bool       `json:"push"`
	Poll  bool       `json:"poll"`
	State *stateJSON `json:"state"` // as the running node last saw it; null if it never ran
}

// stateJSON is what the node wrote of a link: at every change, and at least every
// half minute while the peer answers.
type stateJSON struct {
	Breaker  string    `json:"breaker"` // closed, open, half_open
	Since    time.Time `json:"since"`
	Written  time.Time `json:"written"`
	OK       time.Time `json:"last_ok,omitzero"`
	RetryAt  time.Time `json:"retry_at,omitzero"`
	Failures int       `json:"failures"`
	Code     string    `json:"code,omitempty"`
	Detail   string    `json:"detail,omitempty"`
}

func peerList(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi peer list",
		zh: "列出目录中的节点：上级、角色、名称、签名证书、有效期、本节点的连接配置，以及运行中的节点最近所见的连接状态。",
		en: "List the nodes of the directory: parent, role, names, signing certificate, dates, the link configured here and its\n" +
			"state as the running node last saw it.",
		example: "fayi peer list -c fayi.yaml -json"})
	conf, asJSON := f.config(), f.asJSON()
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) > 0 {
		return f.usage("peer list 不带参数", "peer list takes no arguments")
	}
	st, c, err := e.openMigrated(ctx, *conf)
	if err != nil {
		return e.fail(err)
	}
	defer st.Close()
	d, err := join.Directory(ctx, st, c.Node)
	if err != nil {
		return e.fail(err)
	}
	links, err := st.Links(ctx)
	if err != nil {
		return e.fail(err)
	}
	list := []peerJSON{}
	for _, n := range d.Nodes() {
		p, err := describe(n, c)
		if err != nil {
			return e.fail(err)
		}
		if p.Link != nil {
			p.Link.State = stateOf(links, p.Node)
		}
		list = append(list, *p)
	}
	if *asJSON {
		e.json(map[string]any{"me": c.Node, "nodes": list})
		return exitOK
	}
	rows := [][]string{{e.text("节点", "NODE"), e.text("上级", "PARENT"), e.text("角色", "ROLE"), e.text("签名证书", "SIGNS WITH"), e.text("有效期至", "UNTIL"), e.text("连接", "LINK"), e.text("状态", "STATE"), e.text("名称", "NAME")}}
	for _, p := range list {
		key := p.Sign[len(p.Sign)-1]
		rows = append(rows, []string{p.Node + map[bool]string{true: " *"}[p.Me], or(p.Parent, "-"), e.list(p.Roles), key.ID[:16], key.Until.Local().Format(time.DateOnly), linkText(p.Link), e.linkState(p.Link, time.Now()), e.text(p.Names.Zh, or(p.Names.En, p.Names.Zh))})
	}
	e.table(rows)
	if len(list) == 0 {
		e.note("目录是空的：本节点尚未入网", "the directory is empty: this node has not joined yet")
	}
	return exitOK
}

func describe(n *directory.Node, c *config.File) (*peerJSON, error) {
	p := &peerJSON{Node: n.Entry.Node, Parent: n.Parent, Roles: n.Roles, Names: n.Names, Territory: n.Territory, Entry: n.N, Since: n.Time,
		Me: n.Entry.Node == c.Node, Sign: []keyJSON{}, Enc: []keyJSON{}}
	key := func(der []byte, ended bool) (keyJSON, error) {
		cert, err := keys.ParseCertificate(der)
		if err != nil {
			return keyJSON{}, err
		}
		return keyJSON{cert.ID().String(), cert.NotAfter(), cert.PublicKeyHex(), ended}, nil
	}
	for _, s := range n.Entry.Sign {
		k, err := key(s.Cert, len(s.Upto) > 0)
		if err != nil {
			return nil, err
		}
		p.Sign = append(p.Sign, k)
	}
	for _, s := range n.Enc {
		k, err := key(s.Cert, false)
		if err != nil {
			return nil, err
		}
		p.Enc = append(p.Enc, k)
	}
	if i := slices.IndexFunc(c.Peers, func(q config.Peer) bool { return q.ID == p.Node }); i >= 0 {
		p.Link = &linkJSON{URL: c.Peers[i].URL, Push: c.Peers[i].Push, Poll: c.Peers[i].Poll}
	}
	return p, nil
}

func stateOf(links map[string]store.Link, peer string) *stateJSON {
	l, ok := links[peer]
	if !ok {
		return nil
	}
	at := func(us int64) time.Time {
		if us == 0 {
			return time.Time{}
		}
		return time.UnixMicro(us)
	}
	return &stateJSON{l.State, at(l.Since), at(l.Now), at(l.OK), at(l.Retry), l.Failures, l.Code, l.Detail}
}

// staleState is after how long a state that was not written again says nothing:
// a good link is told of every half minute, an open one is probed as often.
const staleState = 3 * time.Minute

// linkState is a link's state in a few words without spaces.
func (e *env) linkState(l *linkJSON, now time.Time) string {
	switch {
	case l == nil:
		return "-"
	case l.State == nil:
		return e.text("未知", "unknown")
	case now.Sub(l.State.Written) > staleState:
		return e.text("未运行?", "stopped?")
	case l.State.Breaker == "closed":
		return e.text("正常", "good")
	}
	return fmt.Sprintf(e.text("断开(%d次,%s)", "away(%d,%s)"), l.State.Failures, l.State.Code)
}

func linkText(l *linkJSON) string {
	if l == nil {
		return "-"
	}
	words := []string{l.URL}
	if l.Push {
		words = append(words, "push")
	}
	if l.Poll {
		words = append(words, "poll")
	}
	return strings.Join(words, " ")
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}
