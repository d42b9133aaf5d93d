package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fayi/cmd/fayi/internal/config"
	"fayi/crypto/keys"
	"fayi/gateway/call"
	"fayi/gateway/join"
	"fayi/gateway/packs"
	"fayi/gateway/problem"
	"fayi/gateway/store"
)

// Check is one thing looked at. Codes never change their meaning.
type Check struct {
	Code   string `json:"code"`
	Level  string `json:"level"`            // of package store: ok, warn, fault
	What   string `json:"what"`             // in the language asked for
	Hint   string `json:"hint,omitempty"`   // what to do
	Detail string `json:"detail,omitempty"` // in the words of whatever failed
}

const (
	minFree  = 1 << 30 // bytes; a node that cannot write stops
	warnFree = 10 << 30
	patience = 5 * time.Second // for one neighbour
	clockMax = 15 * time.Minute
)

// examiner collects checks.
type examiner struct {
	ctx     context.Context
	english bool
	out     []Check
}

func (x *examiner) text(zh, en string) string {
	if x.english {
		return en
	}
	return zh
}

func (x *examiner) add(code, level, zh, en, hintZh, hintEn string, err error) {
	c := Check{Code: code, Level: level, What: x.text(zh, en)}
	if level != store.CheckOK {
		c.Hint = x.text(hintZh, hintEn)
	}
	if err != nil {
		c.Detail = err.Error()
		var ce *config.Error
		if errors.As(err, &ce) {
			c.Detail = ce.Text(x.english)
		}
	}
	x.out = append(x.out, c)
}

func (x *examiner) ok(code, zh, en string) { x.add(code, store.CheckOK, zh, en, "", "", nil) }

// Examine looks at the node of a configuration file. Texts are Chinese, or English.
func Examine(ctx context.Context, path string, english bool) []Check {
	x := &examiner{ctx: ctx, english: english}
	c, err := config.Load(path)
	if err != nil {
		x.add("CONFIG", store.CheckFault, "配置文件有误或读不到："+path, "the configuration has faults or cannot be read: "+path,
			"按所列各项改正", "correct what is listed", err)
		return x.out
	}
	x.ok("CONFIG", fmt.Sprintf("配置有效：%s %s，角色 %s", c.Node, c.Name, c.Role), fmt.Sprintf("configuration: %s %s, role %s", c.Node, c.Name, c.Role))
	id := x.identity(c)
	x.registrar(c)
	x.disk(c)
	st := x.database(c)
	if st != nil {
		defer st.Close()
	}
	x.packs(c, st)
	x.ports(c)
	if id != nil && st != nil {
		x.neighbours(c, id, st)
	}
	return x.out
}

// identity opens the node's keys and looks at the dates of its certificates (protocol §7: alarms at 60, 30, 7 and 0 days).
func (x *examiner) identity(c *config.File) *keys.Identity {
	id, err := c.Identity()
	if err != nil {
		x.add("KEYS", store.CheckFault, "密钥或证书打不开", "keys or certificates cannot be opened",
			"核对 keys 目录、口令文件及其权限；尚未入网的先完成入网", "check the keys folder, the passphrase file and its mode; a node that has not joined joins first", err)
		return nil
	}
	x.ok("KEYS", "签名与加密密钥可用", "signing and encryption keys open")
	for _, cert := range []struct {
		zh, en string
		c      *keys.Certificate
	}{{"签名证书", "the signing certificate", id.SignCert}, {"加密证书", "the encryption certificate", id.EncCert}} {
		days := int(time.Until(cert.c.NotAfter()) / (24 * time.Hour))
		level := store.CheckOK
		switch {
		case time.Now().After(cert.c.NotAfter()), time.Now().Before(cert.c.NotBefore()):
			level = store.CheckFault
		case days <= 60:
			level = store.CheckWarn
		}
		x.add("CERTIFICATE", level, fmt.Sprintf("%s有效期至 %s，还有 %d 天", cert.zh, cert.c.NotAfter().Format(time.DateOnly), days),
			fmt.Sprintf("%s is valid until %s, %d days", cert.en, cert.c.NotAfter().Format(time.DateOnly), days),
			"向上级登记机关申请换发", "ask the parent's registrar for a new one", nil)
	}
	return id
}

// registrar says that keys which should be offline are not (design §7).
func (x *examiner) registrar(c *config.File) {
	if _, err := os.Stat(c.RegistrarDir()); err == nil {
		x.add("REGISTRAR", store.CheckWarn, "登记机关密钥放在本机 "+c.RegistrarDir(), "the registrar's keys lie on this machine, "+c.RegistrarDir(),
			"平时应存放在离线介质上，审批时再接入", "keep them on a medium that is plugged in for approvals only", nil)
	}
}

func (x *examiner) disk(c *config.File) {
	dirs := []string{c.KeysDir()}
	if dsn, err := c.DSN(); err == nil && c.Database.Driver == "sqlite" && filepath.Dir(dsn) != c.KeysDir() {
		dirs = append(dirs, filepath.Dir(dsn))
	}
	for _, dir := range dirs {
		free, err := freeBytes(dir)
		if err != nil {
			x.add("DISK", store.CheckWarn, "看不到剩余空间："+dir, "free space is not known: "+dir, "核对目录是否存在", "check that the folder exists", err)
			continue
		}
		level := store.CheckOK
		if free < minFree {
			level = store.CheckFault
		} else if free < warnFree {
			level = store.CheckWarn
		}
		x.add("DISK", level, fmt.Sprintf("%s 剩余 %.1f GiB", dir, float64(free)/(1<<30)), fmt.Sprintf("%s has %.1f GiB free", dir, float64(free)/(1<<30)),
			"清理磁盘或扩容：写不进去时节点停止工作", "make room: a node that cannot write stops", nil)
	}
	// heads.journal is synced before anything is sent (protocol §6): the folder must take writes.
	probe, err := os.CreateTemp(c.KeysDir(), ".doctor-*")
	if err == nil {
		_, err = probe.WriteString("x")
		err = errors.Join(err, probe.Sync(), probe.Close(), os.Remove(probe.Name()))
	}
	if err != nil {
		x.add("JOURNAL", store.CheckFault, "keys 目录写不进去，heads.journal 无法落盘", "the keys folder takes no writes, so heads.journal cannot be synced",
			"核对目录属主、权限和磁盘", "check the folder's owner, its mode and the disk", err)
		return
	}
	x.ok("JOURNAL", "keys 目录可写，可以落盘", "the keys folder takes synced writes")
}

func (x *examiner) database(c *config.File) *store.Store {
	st, err := c.OpenStore(x.ctx)
	if err != nil {
		x.add("DATABASE", store.CheckFault, "数据库连不上", "the database cannot be reached",
			"核对 database.dsn、数据库是否启动、用户与口令", "check database.dsn, that the server runs, user and password", err)
		return nil
	}
	pending, err := st.Pending(x.ctx)
	switch {
	case err != nil:
		x.add("MIGRATIONS", store.CheckFault, "数据库结构不可用", "the database's tables cannot be used",
			"使用与数据库版本相符的程序", "use a program as new as the database", err)
	case len(pending) > 0:
		x.add("MIGRATIONS", store.CheckFault, fmt.Sprintf("数据库有 %d 项升级待执行", len(pending)), fmt.Sprintf("%d migrations are pending", len(pending)),
			"运行 fayi migrate -c fayi.yaml", "run fayi migrate -c fayi.yaml", nil)
	default:
		x.ok("MIGRATIONS", "数据库结构为本程序的版本", "the database is at this program's version")
	}
	for _, ch := range st.Checks(x.ctx) {
		x.add(ch.Code, ch.Level, ch.Zh, ch.En, ch.HintZh, ch.HintEn, nil)
	}
	return st
}

// packs looks at those of the program and the folder, and, where the database
// can be read, at those that came.
func (x *examiner) packs(c *config.File, st *store.Store) {
	if st != nil {
		if pending, err := st.Pending(x.ctx); err != nil || len(pending) > 0 {
			st = nil
		}
	}
	shelf, err := c.Shelf(x.ctx, st, nil)
	if err != nil {
		x.add("PACKS", store.CheckFault, "数据规范包有问题", "a schema pack has faults", "改正或移出 packs 目录", "correct it or move it out of the packs folder", err)
		return
	}
	for _, p := range shelf.Packs() {
		if p.State == packs.Waiting || p.State == packs.Braked {
			why := p.Why()
			x.add("PACKS", store.CheckWarn, "规范包 "+p.Name+" "+p.Version+" 等待人工决定", "pack "+p.Name+" "+p.Version+" waits for a person",
				"用 fayi schema adopt -dry-run 查看，再采用或不采用", "look with fayi schema adopt -dry-run, then adopt or refuse it", errors.New(x.text(why.ZH, why.EN)))
		}
	}
	n := len(shelf.Registry().Types())
	x.ok("PACKS", fmt.Sprintf("数据规范可用，%d 种记录", n), fmt.Sprintf("schemas load, %d record types", n))
}

// ports tells whether the node listens already or could.
func (x *examiner) ports(c *config.File) {
	for _, p := range []struct{ zh, en, addr string }{{"对端接口", "peers", c.Listen.Peers}, {"本地接口", "local", c.Listen.Local}} {
		if p.addr == "" {
			continue
		}
		l, err := net.Listen("tcp", p.addr)
		if err == nil {
			l.Close()
			x.ok("PORT", p.zh+" "+p.addr+" 空闲，节点未运行", p.en+" "+p.addr+" is free, the node does not run")
			continue
		}
		if conn, derr := net.DialTimeout("tcp", p.addr, patience); derr == nil {
			conn.Close()
			x.ok("PORT", p.zh+" "+p.addr+" 有程序在监听", p.en+" "+p.addr+" is being listened on")
			continue
		}
		x.add("PORT", store.CheckFault, p.zh+" "+p.addr+" 不能监听", p.en+" "+p.addr+" cannot be listened on",
			"换一个端口，或核对地址属于本机", "take another port, or check that the address is this machine's", err)
	}
}

// neighbours calls every peer this node dials: name, connection, TLS, signature and clock, in that order.
func (x *examiner) neighbours(c *config.File, id *keys.Identity, st *store.Store) {
	d, err := join.Directory(x.ctx, st, c.Node)
	if err != nil {
		x.add("DIRECTORY", store.CheckFault, "目录读不出来", "the directory cannot be read", "先完成入网", "join first", err)
		return
	}
	client := &call.Client{Directory: d, Signer: id.Signer, HTTP: &http.Client{Timeout: patience}}
	for _, p := range c.Peers {
		var pong struct {
			Time string `json:"time"`
		}
		begin := time.Now()
		_, err := client.Do(x.ctx, strings.TrimRight(p.URL, "/"), p.ID, call.OpPing, nil, nil, &pong)
		if err == nil {
			took := time.Since(begin).Round(time.Millisecond)
			x.ok("PEER", fmt.Sprintf("对端 %s 应答可信，用时 %v", p.ID, took), fmt.Sprintf("peer %s answers, signature verified, %v", p.ID, took))
			if at, perr := time.Parse(time.RFC3339, pong.Time); perr == nil {
				skew := at.Sub(begin).Abs().Round(time.Second)
				level := store.CheckOK
				if skew > clockMax/3 {
					level = store.CheckWarn
				}
				x.add("CLOCK", level, fmt.Sprintf("与对端 %s 时钟相差 %v", p.ID, skew), fmt.Sprintf("the clock of peer %s differs by %v", p.ID, skew),
					"用 NTP 校时；相差超过 15 分钟的请求会被拒绝", "run NTP; calls more than 15 minutes off are refused", nil)
			}
			continue
		}
		t := problem.Describe(problem.Code(err))
		x.add("PEER", store.CheckFault, fmt.Sprintf("对端 %s（%s）：%s", p.ID, p.URL, t.Zh), fmt.Sprintf("peer %s (%s): %s", p.ID, p.URL, t.En), t.Hint, t.En, err)
	}
}
