package main

import (
	"context"
	"database/sql"
	"io"
	"os"
	"slices"
	"strings"

	"fayi/cmd/fayi/internal/config"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
	"fayi/gateway/strictyaml"
	"fayi/outbox"
	"fayi/outbox/triggers"
	"fayi/schemas"

	"github.com/go-sql-driver/mysql"
)

// business is a connection to the database of a business system, for commands that prepare it.
type business struct {
	db     *sql.DB
	conn   *sql.Conn
	source config.Source
	outbox triggers.Target // the database of its tables is the node's, or the source's own
}

func (b *business) close() {
	b.conn.Close()
	b.db.Close()
}

// findSource picks a source by its name, the first if none is given.
func findSource(c *config.File, name string) (config.Source, error) {
	i := slices.IndexFunc(c.Sources, func(s config.Source) bool { return name == "" || s.Name == name })
	if i < 0 {
		var names []string
		for _, s := range c.Sources {
			names = append(names, s.Name)
		}
		return config.Source{}, &said{code: "NO_SOURCE", zh: "配置中没有来源 " + name, en: "no source " + name + " in the configuration",
			hintZH: "可用的有 " + strings.Join(names, "、"), hintEN: "there are " + strings.Join(names, ", ")}
	}
	return c.Sources[i], nil
}

// sourceOf makes a source ready; a database of its own is not asked yet.
func sourceOf(c *config.File, s config.Source) (sequencer.Source, error) {
	src := sequencer.Source{Name: s.Name, Table: s.Table, Types: s.Types, Ops: s.Ops, Prefix: s.Prefix, MaxTaken: s.MaxTaken}
	dsn, err := c.SourceDSN(s)
	if err != nil || dsn == "" {
		return src, err
	}
	if src.DB, err = store.OpenForeign(dsn); err != nil {
		return src, badDSN()
	}
	return src, nil
}

func closeSources(list []sequencer.Source) {
	for _, s := range list {
		if s.DB != nil {
			s.DB.Close()
		}
	}
}

// atHome refuses what writes into a source's outbox where that is a database of its own.
func atHome(s config.Source) error {
	if s.DSN == "" {
		return nil
	}
	return &said{code: "REMOTE_SOURCE", zh: "来源 " + s.Name + " 的发件表在业务库中，节点不写它", en: "the outbox of source " + s.Name + " is in the business database; the node does not write to it",
		hintZH: "在业务系统中改好后照常写入；或用 -source 换一个来源", hintEN: "correct it in the business system, or choose another source"}
}

// sourceDSN is the MySQL database a source's outbox is in: its own or the node's.
func sourceDSN(c *config.File, s config.Source) (string, error) {
	dsn, err := c.SourceDSN(s)
	if err != nil || dsn != "" {
		return dsn, err
	}
	if c.Dialect() != outbox.MySQL {
		return "", &said{code: "NOT_MYSQL", zh: "来源 " + s.Name + " 在节点的 SQLite 库中，没有触发器和账号", en: "source " + s.Name + " is in the node's SQLite database, which has no triggers and no users",
			hintZH: "在 sources 中用 dsn 写明业务库，或让节点使用 MySQL", hintEN: "name the business database in sources by dsn, or let the node use MySQL"}
	}
	return c.DSN()
}

// openBusiness connects to the database of a source; as is the file of another data source name, of an account that may change tables.
func openBusiness(ctx context.Context, c *config.File, source, as string) (_ *business, err error) {
	b := &business{}
	if b.source, err = findSource(c, source); err != nil {
		return nil, err
	}
	dsn, err := sourceDSN(c, b.source)
	if err != nil {
		return nil, err
	}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, badDSN()
	}
	b.outbox = triggers.Target{Database: cfg.DBName, Table: b.source.Table, Types: b.source.Types, Prefix: b.source.Prefix}
	if as != "" {
		if dsn, err = config.ReadSecret(strings.TrimPrefix(as, "file:")); err != nil {
			return nil, err
		}
		if cfg, err = mysql.ParseDSN(dsn); err != nil {
			return nil, badDSN()
		}
	}
	cfg.InterpolateParams, cfg.Params = true, map[string]string{"time_zone": "'+00:00'"}
	if err := cfg.Apply(mysql.Charset("utf8mb4", "utf8mb4_bin")); err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, badDSN()
	}
	b.db = sql.OpenDB(connector)
	if b.conn, err = b.db.Conn(ctx); err != nil {
		b.db.Close()
		return nil, &said{code: "NO_DATABASE", zh: "连不上业务库", en: "the business database does not answer", err: err,
			hintZH: "核对连接串、账号和网络", hintEN: "check the data source name, the account and the network"}
	}
	return b, nil
}

// badDSN does not repeat the name: it may hold a password.
func badDSN() error {
	return &said{code: "BAD_DSN", zh: "文件中不是有效的连接串", en: "the file does not hold a data source name", hintZH: "应写作 用户:口令@tcp(主机:3306)/库名", hintEN: "as user:password@tcp(host:3306)/database"}
}

const maxMap = 1 << 20 // bytes of a map of columns

// readMap reads a map of columns. Its document knows the lines.
func readMap(path string) (*triggers.Map, *strictyaml.Document, error) {
	fd, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer fd.Close()
	data, err := io.ReadAll(io.LimitReader(fd, maxMap+1))
	if err != nil {
		return nil, nil, err
	}
	if len(data) > maxMap {
		return nil, nil, &said{code: "TOO_LARGE", zh: path + " 超过 1 MiB", en: path + " is larger than 1 MiB"}
	}
	m := &triggers.Map{}
	doc := strictyaml.Decode(data, m)
	return m, doc, doc.Err(path)
}

// mapTypes are the record types a map is checked against.
func mapTypes(reg *schemas.Registry) []triggers.Type {
	var out []triggers.Type
	for _, t := range reg.Types() {
		if now, ok := reg.Current(t.Name()); ok && now == t && !t.System() {
			out = append(out, triggers.Type{Name: t.Name(), Key: t.KeyField(), Fields: mapMembers(t.Fields())})
		}
	}
	return out
}

func mapMembers(fields []schemas.Field) []triggers.Member {
	var out []triggers.Member
	for _, f := range fields {
		m := triggers.Member{Name: f.Name, Title: f.Title, Kind: f.JSONType, Format: f.Format, Required: f.Required, Expected: f.Expected, Members: mapMembers(f.Fields)}
		for _, t := range f.Tables {
			for _, i := range t.Items {
				m.Codes = append(m.Codes, i.Code)
			}
		}
		out = append(out, m)
	}
	return out
}
