package config

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"fayi/crypto/sign"
	"fayi/gateway/join"
	"fayi/gateway/replicate"
	"fayi/gateway/strictyaml"
	"fayi/outbox"

	"github.com/go-sql-driver/mysql"
)

// checker judges a decoded file. What the decoder already complained about is
// not judged again.
type checker struct{ d *strictyaml.Document }

func (c checker) fault(path, zh, en string) { c.d.Fault(path, zh, en) }

// need reports an absent or empty value.
func (c checker) need(path, v, zh, en string) bool {
	if v == "" {
		c.fault(path, "必须填写，"+zh, "is required, "+en)
	}
	return v != ""
}

func (c checker) file(f *File) {
	if c.need("node", f.Node, `如 "610800"`, `such as "610800"`) && !sign.ValidNode(f.Node) {
		c.fault("node", "应为 2～32 位小写字母、数字或连字符，通常用行政区划代码", "must be 2 to 32 of a-z, 0-9 and hyphens, customarily the division code")
	}
	if c.need("name", f.Name, "如 榆林市司法局", "such as the bureau's name") && utf8.RuneCountInString(f.Name) > 100 {
		c.fault("name", "最多 100 个字", "at most 100 characters")
	}
	roles := join.Roles()
	if c.need("role", f.Role, "应为 "+strings.Join(roles, "、")+" 之一", "one of "+strings.Join(roles, ", ")) && !slices.Contains(roles, f.Role) {
		c.fault("role", "应为 "+strings.Join(roles, "、")+" 之一", "must be one of "+strings.Join(roles, ", "))
	}
	c.database(&f.Database)
	c.secret("keys.passphrase", f.Keys.Passphrase)
	c.listen(&f.Listen)
	c.apiKeys(f)
	c.peers(f)
	c.sources(f.Sources)
	c.publish(f)
	c.types("inbox", f.Inbox)
	if f.Handoff != nil {
		c.handoff(f.Handoff)
	}
	if f.Adopt != AdoptAuto && f.Adopt != AdoptManual {
		c.fault("adopt", "应为 auto（兼容的自动采用）或 manual（一律人工决定）", "must be auto (what is compatible is adopted) or manual (a person always decides)")
	}
	if f.Brakes.Floor < 0 {
		c.fault("brakes.floor", "应为正整数", "must be a positive number")
	}
	for path, n := range map[string]int{"brakes.delete_percent": f.Brakes.DeletePercent, "brakes.change_percent": f.Brakes.ChangePercent} {
		if n < 1 || n > 100 {
			c.fault(path, "应在 1 到 100 之间，100 表示不限", "must be 1 to 100, 100 for no limit")
		}
	}
	if f.Brakes.Window < time.Minute || f.Brakes.Window > 24*time.Hour {
		c.fault("brakes.window", "应在 1m 到 24h 之间", "must be between 1m and 24h")
	}
	if f.Notes.Every < 10*time.Millisecond || f.Notes.Every > time.Hour {
		c.fault("notes.every", "应在 10ms 到 1h 之间", "must be between 10ms and 1h")
	}
	if f.Notes.Limit < f.Notes.Every {
		c.fault("notes.limit", "不能短于 notes.every", "must not be shorter than notes.every")
	}
	if f.Limits.Requests < 0 || f.Limits.Requests > 1_000_000 {
		c.fault("limits.requests", "应为每秒请求数，默认 200", "must be a number of requests a second, by default 200")
	}
	if f.Limits.Bytes < 0 || f.Limits.Bytes > 0 && f.Limits.Bytes < 1<<16 || f.Limits.Bytes > 1<<40 {
		c.fault("limits.bytes", "应为每秒字节数，至少 65536，默认 67108864", "must be bytes a second, at least 65536, by default 67108864")
	}
	if f.Archive.After < 0 || f.Archive.After > 0 && f.Archive.After < time.Second {
		c.fault("archive.after", "应为 0（不归档）或至少 1s，通常 2160h（90 天）", "must be 0 (never) or at least 1s, customarily 2160h (90 days)")
	}
}

var partyCode = regexp.MustCompile(`^[A-Z][A-Z0-9_]{2,63}$`)

func (c checker) handoff(h *Handoff) {
	if c.need("handoff.party", h.Party, "如 HOTLINE_12348_610800", "such as HOTLINE_12348_610800") && !partyCode.MatchString(h.Party) {
		c.fault("handoff.party", "应为大写字母、数字和下划线，如 HOTLINE_12348_610800", "must be of A-Z, 0-9 and _, such as HOTLINE_12348_610800")
	}
	if c.need("handoff.division", h.Division, "六位行政区划代码", "a division code of six digits") && (len(h.Division) != 6 || strings.Trim(h.Division, "0123456789") != "") {
		c.fault("handoff.division", "应为六位行政区划代码", "must be a division code of six digits")
	}
	if h.Listen != "" && !hostPort(h.Listen) {
		c.fault("handoff.listen", "应写作 主机:端口，如 127.0.0.1:9450", "must be host:port such as 127.0.0.1:9450")
	}
	if len(h.Profiles) == 0 {
		c.fault("handoff.profiles", "至少要有一个接口配置", "needs at least one profile")
	}
}

func (c checker) database(db *Database) {
	switch db.Driver {
	case string(outbox.SQLite):
		c.need("database.dsn", db.DSN, "如 fayi.db", "such as fayi.db")
		if strings.ContainsRune(db.DSN, '?') || strings.Contains(db.DSN, ":memory:") {
			c.fault("database.dsn", "应为一个文件路径，不带参数", "must be the path of a file, without parameters")
		}
	case string(outbox.MySQL):
		if !c.need("database.dsn", db.DSN, "如 file:database.dsn（文件内写 用户:口令@tcp(主机:3306)/库名）", "such as file:database.dsn, the file holding user:password@tcp(host:3306)/database") || strings.HasPrefix(db.DSN, filePrefix) {
			return
		}
		cfg, err := mysql.ParseDSN(db.DSN)
		switch {
		case err != nil:
			c.fault("database.dsn", "不是有效的连接串，应写作 用户@tcp(主机:3306)/库名", "is not a data source name such as user@tcp(host:3306)/database")
		case cfg.Passwd != "":
			c.fault("database.dsn", "含有口令，请把整个连接串移到一个权限 0600 的文件里，这里写 file:database.dsn", "holds a password; move the whole name into a file of mode 0600 and write file:database.dsn")
		case cfg.DBName == "":
			c.fault("database.dsn", "没有库名，应写作 用户@tcp(主机:3306)/库名", "names no database: user@tcp(host:3306)/database")
		}
	default:
		c.fault("database.driver", "应为 sqlite 或 mysql", "must be sqlite or mysql")
	}
}

func (c checker) secret(path, v string) {
	if !c.need(path, v, "写作 file:路径", "as file:path") {
		return
	}
	if rel, ok := strings.CutPrefix(v, filePrefix); !ok || rel == "" {
		c.fault(path, "不能直接写口令，请把它放进权限 0600 的文件，这里写 file:路径", "must not be the secret itself; put it into a file of mode 0600 and write file:path")
	}
}

func (c checker) listen(l *Listen) {
	for _, a := range []struct{ path, addr string }{{"listen.peers", l.Peers}, {"listen.local", l.Local}} {
		if a.addr != "" && !hostPort(a.addr) {
			c.fault(a.path, "应写作 主机:端口，如 127.0.0.1:8443", "must be host:port such as 127.0.0.1:8443")
		}
	}
	if l.Peers != "" && l.Peers == l.Local && !strings.HasSuffix(l.Peers, ":0") {
		c.fault("listen.local", "不能与 listen.peers 相同", "must differ from listen.peers")
	}
	if l.TLS != nil {
		c.need("listen.tls.cert", l.TLS.Cert, "PEM 证书文件的路径", "the path of a PEM certificate")
		c.need("listen.tls.key", l.TLS.Key, "PEM 私钥文件的路径", "the path of a PEM key")
	}
}

func hostPort(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

var shortName = regexp.MustCompile(`^[0-9a-z][0-9a-z_.-]{0,47}$`)

func (c checker) apiKeys(f *File) {
	names := map[string]int{}
	for i, k := range f.API.Keys {
		at := fmt.Sprintf("api.keys[%d]", i)
		c.name(at+".name", k.Name, names, i)
		if c.need(at+".sm3", k.SM3, "令牌的 SM3 值，64 位小写十六进制", "SM3 of the token, 64 lower-case hex digits") {
			if b, err := hex.DecodeString(k.SM3); err != nil || len(b) != 32 || strings.ToLower(k.SM3) != k.SM3 {
				c.fault(at+".sm3", "应为 64 位小写十六进制", "must be 64 lower-case hex digits")
			}
		}
		if k.Source != "" && !slices.ContainsFunc(f.Sources, func(s Source) bool { return s.Name == k.Source }) {
			c.fault(at+".source", "sources 中没有这个来源", "is not among sources")
		}
		for j, s := range f.Sources {
			if len(k.Publish) > 0 && s.DSN != "" && (k.Source == s.Name || k.Source == "" && j == 0) {
				c.fault(at+".source", "来源 "+s.Name+" 的发件表在业务库中，接口不能写它；请写一个在节点库中的来源", "source "+s.Name+" has its outbox in a database of its own, where the API does not write; name one in the node's database")
			}
		}
		c.types(at+".publish", k.Publish)
		c.types(at+".read", k.Read)
	}
}

// name checks a name of a list and that it occurs once.
func (c checker) name(path, name string, seen map[string]int, i int) {
	if c.need(path, name, "小写字母、数字、_ . -", "of a-z, 0-9 and _ . -") && !shortName.MatchString(name) {
		c.fault(path, "应为 1～48 位小写字母、数字或 _ . -", "must be 1 to 48 of a-z, 0-9 and _ . -")
	}
	c.once(path, name, seen, i)
}

func (c checker) once(path, v string, seen map[string]int, i int) {
	if first, twice := seen[v]; twice && v != "" {
		c.fault(path, fmt.Sprintf("与第 %d 项重复", first+1), fmt.Sprintf("is that of item %d already", first+1))
	}
	seen[v] = i
}

func (c checker) peers(f *File) {
	ids := map[string]int{}
	for i, p := range f.Peers {
		at := fmt.Sprintf("peers[%d]", i)
		if c.need(at+".id", p.ID, "对端的节点标识", "the peer's node id") {
			switch {
			case !sign.ValidNode(p.ID):
				c.fault(at+".id", "应为 2～32 位小写字母、数字或连字符", "must be 2 to 32 of a-z, 0-9 and hyphens")
			case p.ID == f.Node:
				c.fault(at+".id", "不能是本节点自己", "must not be this node itself")
			}
			c.once(at+".id", p.ID, ids, i)
		}
		if c.need(at+".url", p.URL, "如 https://主机:8443", "such as https://host:8443") && join.CheckURL(p.URL) != nil {
			c.fault(at+".url", "应写作 http://主机:端口 或 https://主机:端口，不带路径", "must be http://host:port or https://host:port, without path")
		}
		if !p.Push && !p.Poll {
			c.fault(at, "push 与 poll 至少一项为 true", "push or poll must be true")
		}
	}
}

func (c checker) sources(list []Source) {
	if len(list) == 0 {
		c.fault("sources", "至少要有一个来源；整段删去即用默认的 exchange_outbox", "needs at least one; delete it for the default exchange_outbox")
	}
	names, tables := map[string]int{}, map[string]int{}
	for i, s := range list {
		at := fmt.Sprintf("sources[%d]", i)
		c.name(at+".name", s.Name, names, i)
		if c.need(at+".table", s.Table, "如 exchange_outbox", "such as exchange_outbox") {
			_, err := outbox.SourceStatements(outbox.SQLite, s.Table)
			switch {
			case err != nil:
				c.fault(at+".table", "表名应为 1～48 位小写字母、数字或下划线，以字母开头", "must be 1 to 48 of a-z, 0-9 and _, beginning with a letter")
			case s.Table == replicate.OwnOutbox:
				c.fault(at+".table", "是节点自己的表，不能作为来源", "is the node's own table and no source")
			}
			c.once(at+".table", s.DSN+" "+s.Table, tables, i)
		}
		if s.DSN != "" {
			c.secret(at+".dsn", s.DSN)
		}
		if s.MaxTaken < 0 {
			c.fault(at+".max_taken", "应为正整数", "must be a positive number")
		}
		c.types(at+".types", s.Types)
		for j, op := range s.Ops {
			if op != string(outbox.Put) && op != string(outbox.Del) {
				c.fault(fmt.Sprintf("%s.ops[%d]", at, j), "应为 put 或 del", "must be put or del")
			}
		}
		if s.Prefix != "" && outbox.CheckKey([]byte(s.Prefix+"0")) != nil {
			c.fault(at+".prefix", "不能作为主键的开头（最多 127 字节，不含控制字符，不以空格开头）", "cannot begin a key (at most 127 bytes, no control characters, no leading space)")
		}
	}
}

func (c checker) types(path string, list []string) {
	for i, t := range list {
		if t != Any && !sign.ValidType(t) {
			c.fault(fmt.Sprintf("%s[%d]", path, i), `应为记录类型名（见 fayi schema list）或 "*"`, `must be a record type (see fayi schema list) or "*"`)
		}
	}
}

func (c checker) publish(f *File) {
	for _, t := range slices.Sorted(maps.Keys(f.Publish)) {
		list, at := f.Publish[t], "publish."+t
		if t != Any && !sign.ValidType(t) {
			c.fault(at, `应为记录类型名（见 fayi schema list）或 "*"`, `must be a record type (see fayi schema list) or "*"`)
		}
		if len(list) == 0 && !c.d.Bad(at) {
			c.fault(at, "至少要有一个受众，如 [upstream]", "needs at least one audience such as [upstream]")
		}
		for i, a := range list {
			if _, err := sign.ParseStream("aa/aa/" + a); err != nil {
				c.fault(fmt.Sprintf("%s[%d]", at, i), "受众应为 upstream、downstream、public、test，或 to-节点+节点（标识升序）",
					"an audience is upstream, downstream, public, test, or to-node+node with sorted ids")
			}
		}
	}
}
