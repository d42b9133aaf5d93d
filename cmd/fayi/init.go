package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fayi/cmd/fayi/internal/config"
	"fayi/crypto/keys"
	"fayi/crypto/sign"
	"fayi/gateway/join"
	"fayi/gateway/problem"
	"fayi/gateway/store"
	"fayi/outbox"
)

// initOptions is what the flags of init say.
type initOptions struct {
	place            join.Place
	mysql            string
	listen, local    string
	invite, approval string
	asJSON           bool
}

// initResult is what -json prints.
type initResult struct {
	Node     string `json:"node"`
	Dir      string `json:"dir"`
	Config   string `json:"config"`
	Role     string `json:"role"`
	State    string `json:"state"` // ready, or waiting for an approval
	JoinCode string `json:"join_code,omitempty"`
	Request  string `json:"request,omitempty"`
}

func cmdInit(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi init", args: "DIR",
		zh: "在 DIR 中建立节点：密钥、fayi.yaml、数据库。三种用法：\n" +
			"  fayi init -node 标识 -name 名称 DIR     建立一个联邦的根节点\n" +
			"  fayi init -invite 邀请文件 DIR          按上级的邀请建立节点，生成入网申请和核对码\n" +
			"  fayi init -approval 审批文件 DIR        装入上级的审批，完成入网\n" +
			"不覆盖任何已有文件；中途失败时恢复原状。",
		en: "Make a node in DIR: keys, fayi.yaml, database. In three ways:\n" +
			"  fayi init -node ID -name NAME DIR     the root of a federation\n" +
			"  fayi init -invite FILE DIR            a node by its parent's invitation: join request and code\n" +
			"  fayi init -approval FILE DIR          install the parent's approval and finish the join\n" +
			"Nothing is overwritten; a failure leaves things as they were.",
		example: `fayi init -node 610000 -name 陕西省司法厅 node610000`})
	var o initOptions
	node := f.string("node", "", "节点`标识`，通常为行政区划代码", "node `ID`, customarily the division code")
	name := f.string("name", "", "节点`名称`", "Chinese `name` of the node")
	nameEN := f.string("name-en", "", "英文`名称`，可不写", "English `name`, optional")
	role := f.string("role", "", "`角色`：ministry、province、city、county、carrier（默认按标识判断）", "`role`: ministry, province, city, county, carrier (default: by the ID)")
	territory := f.string("territory", "", "可登记的下级标识`前缀`，逗号分隔，* 为全部，- 为无（默认按角色）", "`prefixes` of the IDs it may name, by comma, * for all, - for none (default: by role)")
	f.set.StringVar(&o.invite, "invite", "", bilingual("上级发来的邀请`文件`", "the parent's invitation `file`"))
	f.set.StringVar(&o.approval, "approval", "", bilingual("上级发来的审批`文件`", "the parent's approval `file`"))
	f.set.StringVar(&o.mysql, "mysql", "", bilingual("用 MySQL：`连接串` 用户:口令@tcp(主机:3306)/库名，不写库名则建库 fayi_标识", "use MySQL: `DSN` user:password@tcp(host:3306)/db; without db, fayi_ID is created"))
	f.set.StringVar(&o.listen, "listen", "127.0.0.1:8443", bilingual("供其他节点访问的`地址`", "`address` for other nodes"))
	f.set.StringVar(&o.local, "local", "127.0.0.1:8348", bilingual("供本单位业务系统访问的`地址`", "`address` for this side's systems"))
	f.set.BoolVar(&o.asJSON, "json", false, bilingual("结果输出为 JSON", "print the result as JSON"))
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) != 1 {
		return f.usage("要写且只写一个目录 DIR", "exactly one folder DIR is needed")
	}
	ways := 0
	for _, v := range []string{*node + *name, o.invite, o.approval} {
		if v != "" {
			ways++
		}
	}
	if ways != 1 || o.invite == "" && o.approval == "" && (*node == "" || *name == "") {
		return f.usage("请写 -node 与 -name，或 -invite，或 -approval，三者取一", "give -node and -name, or -invite, or -approval")
	}
	var res *initResult
	var err error
	switch {
	case o.approval != "":
		res, err = e.install(ctx, rest[0], o.approval)
	case o.invite != "":
		res, err = e.initChild(ctx, rest[0], &o)
	default:
		if o.place, err = place(*node, *name, *nameEN, *role, *territory, true); err == nil {
			res, err = e.initRoot(ctx, rest[0], &o)
		}
	}
	if err != nil {
		return e.fail(err)
	}
	if o.asJSON {
		e.json(res)
	} else {
		e.initReport(res)
	}
	return exitOK
}

func (e *env) initReport(r *initResult) {
	if r.State == "ready" {
		e.say("节点 %s（%s）已就绪：%s", "node %s (%s) is ready: %s", r.Node, r.Role, r.Config)
		e.say("下一步：", "Next:")
		e.say("  fayi serve -c %s", "  fayi serve -c %s", r.Config)
		e.say("请备份 %s 与 registrar 目录，与数据库分开存放。", "Back up %s and the registrar folder, apart from the database.", filepath.Join(r.Dir, "keys"))
		return
	}
	e.say("节点 %s（%s）的密钥和入网申请已生成。", "keys and join request of node %s (%s) are made.", r.Node, r.Role)
	e.say("入网核对码：%s", "join code: %s", r.JoinCode)
	e.say("下一步：", "Next:")
	e.say("  1. 把 %s 发给上级", "  1. send %s to the parent", r.Request)
	e.say("  2. 打电话把核对码读给上级登记人员", "  2. read the join code to the parent's registrar by telephone")
	e.say("  3. 收到审批文件后运行 fayi init -approval 审批文件 %s", "  3. with the approval file run fayi init -approval FILE %s", r.Dir)
}

// initRoot makes the root of a federation.
func (e *env) initRoot(ctx context.Context, dir string, o *initOptions) (*initResult, error) {
	res := &initResult{Node: o.place.Node, Dir: dir, Config: filepath.Join(dir, "fayi.yaml"), Role: o.place.Role, State: "ready"}
	return res, build(ctx, dir, o, config.Setup{}, func(st *store.Store, reg *keys.Registrar) error {
		se, err := join.Found(reg, filepath.Join(dir, "keys"), o.place, time.Now())
		if err != nil {
			return err
		}
		return join.Announce(ctx, st, se)
	})
}

// initChild makes a node by invitation; it waits for the approval.
func (e *env) initChild(ctx context.Context, dir string, o *initOptions) (*initResult, error) {
	iv, err := readJoin[join.Invite](o.invite)
	if err != nil {
		return nil, err
	}
	o.place = iv.Place
	setup := config.Setup{}
	if iv.URL != "" {
		setup.Parent, setup.URL = iv.Parent, iv.URL
	}
	res := &initResult{Node: iv.Place.Node, Dir: dir, Config: filepath.Join(dir, "fayi.yaml"), Role: iv.Place.Role, State: "waiting",
		Request: filepath.Join(dir, "join", "request.json")}
	return res, build(ctx, dir, o, setup, func(_ *store.Store, reg *keys.Registrar) error {
		r, err := join.NewRequest(iv, filepath.Join(dir, "keys"), reg.Cert)
		if err != nil {
			return err
		}
		res.JoinCode = r.JoinCode(iv.Anchor())
		if err := os.Mkdir(filepath.Join(dir, "join"), 0o700); err != nil {
			return err
		}
		return errors.Join(writeJoin(filepath.Join(dir, "join", "invite.json"), iv), writeJoin(res.Request, r))
	})
}

// made lists what init puts into a node's folder.
var made = []string{"keys", "registrar", "join", "fayi.yaml", "fayi.db", "fayi.db-wal", "fayi.db-shm", "database.dsn"}

// build fills a node's folder; finish gets its database and registrar. The
// configuration is written last. After a failure the folder is as it was.
func build(ctx context.Context, dir string, o *initOptions, setup config.Setup, finish func(*store.Store, *keys.Registrar) error) (err error) {
	if err := o.place.Check(); err != nil {
		return err
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	_, statErr := os.Lstat(dir)
	fresh := errors.Is(statErr, fs.ErrNotExist)
	for _, name := range made {
		if err := absent(at(name)); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			return
		}
		for _, name := range made { // none of them was there before
			os.RemoveAll(at(name))
		}
		if fresh {
			os.Remove(dir)
		}
	}()
	setup.Node, setup.Name, setup.Role = o.place.Node, o.place.Names.Zh, o.place.Role
	setup.Peers, setup.Local = o.listen, o.local
	st, err := newDatabase(ctx, dir, o, &setup)
	if err != nil {
		return err
	}
	defer st.Close()
	reg, token, err := newKeys(dir, o.place.Node)
	if err != nil {
		return err
	}
	setup.APIKey = token.String()
	if err := finish(st, reg); err != nil {
		return err
	}
	text, err := config.Sample(setup)
	if err != nil {
		return err
	}
	if err := writeNew(at("fayi.yaml"), text); err != nil {
		return err
	}
	_, err = config.Load(at("fayi.yaml")) // addresses from flags are judged here
	return err
}

// newDatabase makes and migrates the database, and says in setup where it is.
func newDatabase(ctx context.Context, dir string, o *initOptions, setup *config.Setup) (*store.Store, error) {
	setup.Driver, setup.DSN = string(outbox.SQLite), "fayi.db"
	dsn := filepath.Join(dir, "fayi.db")
	if o.mysql != "" {
		setup.Driver, setup.DSN = string(outbox.MySQL), "file:database.dsn"
		var err error
		if dsn, err = mysqlDSN(ctx, o.mysql, o.place.Node); err != nil {
			return nil, err
		}
		if err := writeNew(filepath.Join(dir, "database.dsn"), []byte(dsn+"\n")); err != nil {
			return nil, err
		}
	}
	st, err := store.Open(ctx, outbox.Dialect(setup.Driver), dsn)
	if err == nil {
		if err = prepare(ctx, st); err == nil {
			return st, nil
		}
		st.Close()
	}
	var own *said
	if errors.As(err, &own) {
		return nil, own
	}
	return nil, &said{code: "DATABASE", zh: "数据库打不开或建不了表", en: "the database cannot be opened or prepared", err: err,
		hintZH: "核对 -mysql 连接串、账号权限和网络", hintEN: "check the -mysql DSN, the account's rights and the network"}
}

// prepare migrates a database and makes sure that it is no other node's.
func prepare(ctx context.Context, st *store.Store) error {
	if _, err := st.Migrate(ctx); err != nil {
		return err
	}
	entries, err := st.Entries(ctx)
	if err != nil {
		return err
	}
	streams, err := st.Streams(ctx)
	if err != nil {
		return err
	}
	if len(entries)+len(streams) > 0 {
		return &said{code: problem.AlreadyExists, zh: "数据库里已有节点的数据", en: "the database holds the data of a node already",
			hintZH: "为新节点另建一个空库", hintEN: "give the new node an empty database"}
	}
	return nil
}

// mysqlDSN returns a data source name with a database in it, creating fayi_ID
// where it names none.
func mysqlDSN(ctx context.Context, dsn, node string) (string, error) {
	i := strings.LastIndexByte(dsn, '/')
	name, _, _ := strings.Cut(dsn[i+1:], "?")
	if i >= 0 && name != "" {
		return dsn, nil
	}
	full, err := store.CreateDatabase(ctx, dsn, "fayi_"+strings.ReplaceAll(node, "-", "_"))
	if err != nil {
		return "", &said{code: "DATABASE", zh: "建不了数据库", en: "the database cannot be created", err: err,
			hintZH: "请用有建库权限的账号，或先建好库并写在连接串里", hintEN: "use an account that may create databases, or create it and name it in the DSN"}
	}
	return full, nil
}

// newKeys makes identity, registrar and the first API token; the passphrases
// are random, in files beside what they protect.
func newKeys(dir, node string) (*keys.Registrar, sign.Hash, error) {
	keysDir, regDir := filepath.Join(dir, "keys"), filepath.Join(dir, "registrar")
	pass, err := newPassphrase(keysDir)
	if err != nil {
		return nil, sign.Hash{}, err
	}
	if _, _, err := keys.CreateIdentity(keysDir, node, pass); err != nil {
		return nil, sign.Hash{}, err
	}
	token, err := secretLine(filepath.Join(keysDir, "api.token"))
	if err != nil {
		return nil, sign.Hash{}, err
	}
	if pass, err = newPassphrase(regDir); err != nil {
		return nil, sign.Hash{}, err
	}
	reg, err := keys.CreateRegistrar(regDir, node, pass, time.Now())
	return reg, sign.Sum(token), err
}

func newPassphrase(dir string) ([]byte, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return secretLine(filepath.Join(dir, "passphrase"))
}

// secretLine writes 24 random bytes in hex to a new private file.
func secretLine(path string) ([]byte, error) {
	b := make([]byte, 24)
	if _, err := rand.Read(b); err != nil {
		return nil, err
	}
	line := []byte(hex.EncodeToString(b))
	return line, writeNew(path, append(line[:len(line):len(line)], '\n'))
}

// install finishes a join.
func (e *env) install(ctx context.Context, dir, file string) (*initResult, error) {
	a, err := readJoin[join.Approval](file)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "fayi.yaml")
	st, c, err := e.openMigrated(ctx, path)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	iv, err := readJoin[join.Invite](filepath.Join(dir, "join", "invite.json"))
	if err != nil {
		return nil, err
	}
	own, err := readJoin[join.Request](filepath.Join(dir, "join", "request.json"))
	if err != nil {
		return nil, err
	}
	if err := join.Install(ctx, st, c.KeysDir(), iv, own, a); err != nil {
		return nil, err
	}
	if _, err := c.Identity(); err != nil {
		return nil, fmt.Errorf("installed keys: %w", err)
	}
	return &initResult{Node: c.Node, Dir: dir, Config: path, Role: c.Role, State: "ready"}, nil
}
