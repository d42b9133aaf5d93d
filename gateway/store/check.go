package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fayi/outbox"
)

// Levels of a [Check].
const (
	CheckOK    = "ok"
	CheckNote  = "note"  // could be better; nothing depends on it
	CheckWarn  = "warn"  // works, but a person should know
	CheckFault = "fault" // a promise does not hold; a node does not start on it
)

// Check is one thing the database must be configured with, and how it is (design §9).
type Check struct {
	Code   string `json:"code"`  // stable, such as DB_FLUSH
	Level  string `json:"level"` // one of the levels above
	Zh, En string `json:"-"`
	HintZh string `json:"-"` // what to do, "" where all is well
	HintEn string `json:"-"`
}

// Faults are the checks that keep a node from starting.
func Faults(checks []Check) (out []Check) {
	for _, c := range checks {
		if c.Level == CheckFault {
			out = append(out, c)
		}
	}
	return out
}

const (
	// minPacket holds the largest statement of insertRows: one row of 512 KiB of lines sealed, or maxBytes, escaped.
	minPacket = 4 << 20
	maxSkew   = time.Minute
)

// Checks looks at everything the engine must be configured with so that the node's promises hold: commits that are
// reported and then lost make a node sign one position twice (review F7, F39), ids that are cached by several servers
// or tables that are not transactional break the drain. What an engine does not know (TiDB has no binlog format) is
// passed over. It changes nothing.
func (s *Store) Checks(ctx context.Context) []Check {
	c := &checker{s: s, ctx: ctx}
	if s.d.kind == outbox.SQLite {
		c.sqlite()
	} else {
		c.mysql()
	}
	return c.out
}

type checker struct {
	s   *Store
	ctx context.Context
	out []Check
}

// add notes a check that is fine if ok, else of the given level.
func (c *checker) add(code string, ok bool, level, zh, en, hintZh, hintEn string) {
	if ok {
		level, hintZh, hintEn = CheckOK, "", ""
	}
	c.out = append(c.out, Check{code, level, zh, en, hintZh, hintEn})
}

func (c *checker) failed(code string, err error) {
	c.add(code, false, CheckFault, fmt.Sprintf("无法检查：%v", err), fmt.Sprintf("cannot be checked: %v", err),
		"核对数据库用户的权限", "check the rights of the database user")
}

// variable is a setting of the server, "" for one it does not know.
func (c *checker) variable(name string) string {
	var n, v string
	err := c.s.read.QueryRowContext(c.ctx, "SHOW VARIABLES WHERE Variable_name = ?", name).Scan(&n, &v)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		c.failed("DB_VARIABLE", fmt.Errorf("%s: %w", name, err))
	}
	return v
}

// setting checks a variable of the server against what it should be.
func (c *checker) setting(code, name, level string, good func(string) bool, want, zh, en string) {
	v := c.variable(name)
	if v == "" {
		return
	}
	c.add(code, good(v), level, name+" 为 "+v, name+" is "+v, "应为 "+want+"："+zh, "should be "+want+": "+en)
}

func is(want ...string) func(string) bool {
	return func(v string) bool {
		for _, w := range want {
			if strings.EqualFold(v, w) {
				return true
			}
		}
		return false
	}
}

func (c *checker) mysql() {
	var version string
	if err := c.s.read.QueryRowContext(c.ctx, "SELECT VERSION()").Scan(&version); err != nil {
		c.failed("DB_ENGINE", err)
		return
	}
	tidb := strings.Contains(version, "TiDB")
	c.add("DB_ENGINE", true, "", "数据库为 "+version, "the database is "+version, "", "")
	if !tidb { // whose commits are durable by consensus; it shows these variables for clients that ask
		c.setting("DB_FLUSH", "innodb_flush_log_at_trx_commit", CheckFault, is("1"), "1", "否则断电会丢失已经提交的事务", "a power cut loses committed transactions otherwise")
		if c.variable("log_bin") == "ON" {
			c.setting("DB_SYNC_BINLOG", "sync_binlog", CheckFault, func(v string) bool { return v != "0" }, "1", "否则断电或主备切换会丢失已经提交的事务", "a power cut or a failover loses committed transactions otherwise")
			c.setting("DB_BINLOG_FORMAT", "binlog_format", CheckFault, is("ROW", "MIXED"), "ROW", "否则不能在 READ COMMITTED 隔离级别下写入（错误 1665）", "writing under READ COMMITTED is refused otherwise (error 1665)")
		}
	}
	for _, name := range []string{"tx_isolation", "transaction_isolation"} { // of this session; engines have one or the other or both
		c.setting("DB_ISOLATION", name, CheckFault, is("READ-COMMITTED"), "READ-COMMITTED", "检查数据库或代理是否改写了会话的隔离级别", "find out whether the server or a proxy changes the session's isolation")
	}
	if c.variable("log_bin") == "ON" && c.variable("wsrep_on") != "ON" {
		c.setting("DB_ROW_IMAGE", "binlog_row_image", CheckNote, is("MINIMAL"), "MINIMAL",
			"可以授予 BINLOG ADMIN（MariaDB）或 SESSION_VARIABLES_ADMIN（MySQL 8），否则每条出队的记录都会再写一遍二进制日志，只是较慢",
			"grant BINLOG ADMIN (MariaDB) or SESSION_VARIABLES_ADMIN (MySQL 8): every record that leaves an outbox is written to the binary log once more otherwise, which is only slower")
	}
	c.setting("DB_PACKET", "max_allowed_packet", CheckFault, func(v string) bool {
		n, err := strconv.ParseInt(v, 10, 64)
		return err == nil && n >= minPacket
	}, fmt.Sprintf("≥ %d", minPacket), "否则较大的数据段写不进去", "larger segments cannot be written otherwise")
	c.clock()
	c.tables(tidb)
	c.galera()
}

// clock compares the server's clock with this machine's: `created` of rows is the server's, and stands in every line.
func (c *checker) clock() {
	var micros int64
	if err := c.s.read.QueryRowContext(c.ctx, "SELECT CAST(UNIX_TIMESTAMP(NOW(6))*1000000 AS SIGNED)").Scan(&micros); err != nil {
		c.failed("DB_CLOCK", err)
		return
	}
	skew := time.Until(time.UnixMicro(micros)).Round(time.Millisecond).Abs()
	c.add("DB_CLOCK", skew < maxSkew, CheckWarn, fmt.Sprintf("数据库时钟与本机相差 %v", skew), fmt.Sprintf("the database's clock differs by %v", skew),
		"两边都用 NTP 校时；记录上的时间取自数据库", "run NTP on both: the time in every record is the database's")
}

// tables checks what was decided when the contract tables were created.
func (c *checker) tables(tidb bool) {
	rows, err := collect(c.ctx, c.s.read, func(rows *sql.Rows) (t [2]string, err error) { return t, rows.Scan(&t[0], &t[1]) },
		"SELECT table_name, COALESCE(engine,'') FROM information_schema.tables WHERE table_schema = DATABASE() AND"+
			" (table_name LIKE 'exchange\\_%' OR table_name LIKE 'fayi\\_%') ORDER BY table_name")
	if err != nil {
		c.failed("DB_TABLES", err)
		return
	}
	if len(rows) == 0 {
		return // not migrated yet, which is said elsewhere
	}
	var wrong, cached []string
	for _, t := range rows {
		if !strings.EqualFold(t[1], "InnoDB") {
			wrong = append(wrong, t[0]+"="+t[1])
		}
		if tidb && strings.Contains(t[0], "outbox") {
			var name, ddl string
			if err := c.s.read.QueryRowContext(c.ctx, "SHOW CREATE TABLE `"+t[0]+"`").Scan(&name, &ddl); err != nil {
				c.failed("DB_TABLES", err)
				return
			}
			if !strings.Contains(ddl, "AUTO_ID_CACHE") {
				cached = append(cached, t[0])
			}
		}
	}
	c.add("DB_TABLES", len(wrong) == 0, CheckFault, fmt.Sprintf("%d 张表使用 InnoDB 引擎 %s", len(rows)-len(wrong), strings.Join(wrong, "、")),
		fmt.Sprintf("%d tables use InnoDB %s", len(rows)-len(wrong), strings.Join(wrong, ", ")),
		"把所列的表改为 ENGINE=InnoDB：其他引擎没有事务", "alter those to ENGINE=InnoDB: others have no transactions")
	if tidb {
		c.add("DB_AUTO_ID", len(cached) == 0, CheckWarn, "发件表的 AUTO_ID_CACHE "+strings.Join(cached, "、"), "AUTO_ID_CACHE of the outbox tables "+strings.Join(cached, ", "),
			"按 fayi outbox install 的语句重建所列的表（AUTO_ID_CACHE 1）：否则各 SQL 服务器的编号交错，先写的记录可能后发",
			"create those again as fayi outbox install prints them (AUTO_ID_CACHE 1): ids of several SQL servers interleave otherwise")
	}
	if !tidb && c.narrowTimestamp() {
		c.add("DB_TIMESTAMP", false, CheckWarn, "此版本的 TIMESTAMP 到 2038-01-19 为止", "TIMESTAMP of this version ends on 2038-01-19",
			"2038 年前升级数据库；更晚的时间现在按上限保存", "upgrade before; later times are stored as the last one it holds")
	}
}

// narrowTimestamp tells whether TIMESTAMP has 32 bits here.
func (c *checker) narrowTimestamp() bool {
	var v sql.NullFloat64
	err := c.s.read.QueryRowContext(c.ctx, "SELECT UNIX_TIMESTAMP('2040-01-01 00:00:00')").Scan(&v)
	return err == nil && v.Float64 == 0
}

// galera checks a MariaDB Galera node (outbox.md §5a).
func (c *checker) galera() {
	if c.variable("wsrep_on") != "ON" {
		return
	}
	status := func(name string) string {
		var n, v string
		_ = c.s.read.QueryRowContext(c.ctx, "SHOW STATUS WHERE Variable_name = ?", name).Scan(&n, &v) // "" is told below
		return v
	}
	size, state := status("wsrep_cluster_size"), status("wsrep_cluster_status")
	n, _ := strconv.Atoi(size)
	c.add("DB_CLUSTER", state == "Primary" && n >= 3, CheckWarn, fmt.Sprintf("Galera 集群现有 %s 个节点，状态 %s", size, state),
		fmt.Sprintf("the Galera cluster has %s nodes and is %s", size, state),
		"至少 3 个节点才能失去一个而不停；检查没有连上的节点", "three nodes are needed to lose one; look after those that are missing")
	c.add("DB_SERVERS", strings.Contains(c.s.dsn, "@"+failoverNet+"("), CheckWarn, "连接串列出的服务器数", "servers in the data source name",
		"写成 用户@failover(主机1:3306,主机2:3306,主机3:3306)/库名，一台停机时自动换到下一台",
		"write user@failover(host1:3306,host2:3306,host3:3306)/database, so that the next takes over when one dies")
	c.setting("DB_AUTOINC", "innodb_autoinc_lock_mode", CheckFault, is("2"), "2", "Galera 的要求，否则并发写入会死锁", "Galera needs it; concurrent writes deadlock otherwise")
}

func (c *checker) sqlite() {
	var sync int
	var mode, version string
	err := errors.Join(
		c.s.write.QueryRowContext(c.ctx, "SELECT sqlite_version()").Scan(&version),
		c.s.write.QueryRowContext(c.ctx, "PRAGMA synchronous").Scan(&sync),
		c.s.write.QueryRowContext(c.ctx, "PRAGMA journal_mode").Scan(&mode))
	if err != nil {
		c.failed("DB_ENGINE", err)
		return
	}
	c.add("DB_ENGINE", true, "", "数据库为 SQLite "+version, "the database is SQLite "+version, "", "")
	c.add("DB_FLUSH", sync >= 2, CheckFault, fmt.Sprintf("synchronous 为 %d", sync), fmt.Sprintf("synchronous is %d", sync),
		"应为 FULL（2）：否则断电会丢失已经提交的事务", "should be FULL (2): a power cut loses committed transactions otherwise")
	c.add("DB_JOURNAL", mode == "wal", CheckFault, "日志方式为 "+mode, "the journal mode is "+mode,
		"应为 wal：此文件系统可能不支持，请换到本地磁盘", "should be wal: move the file to a local disk")
}
