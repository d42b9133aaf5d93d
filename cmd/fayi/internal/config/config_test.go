package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fayi/cmd/fayi/internal/config"
	"fayi/crypto/keys"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fayi.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const small = `node: 010800
name: 榆林市司法局
role: city
database: {driver: sqlite, dsn: fayi.db}
keys: {passphrase: "file:keys/passphrase"}
`

func TestDefaults(t *testing.T) {
	t.Parallel()
	path := write(t, small)
	got, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := &config.File{
		Node: "010800", Name: "榆林市司法局", Role: "city", // the leading zero is kept
		Database: config.Database{Driver: "sqlite", DSN: "fayi.db"},
		Keys:     config.Keys{Dir: "keys", Passphrase: "file:keys/passphrase", Registrar: "registrar"},
		Sources:  []config.Source{{Name: "main", Table: "exchange_outbox", Types: []string{"*"}, Ops: []string{"put", "del"}}},
		Inbox:    []string{"*"},
		Notes:    config.Notes{Every: time.Minute, Limit: 2 * time.Hour},
		Brakes:   config.Brakes{Floor: 50, DeletePercent: 5, ChangePercent: 20, Window: time.Hour},
		Archive:  config.Archive{Dir: "archive"},
		Packs:    "packs",
		Adopt:    config.AdoptAuto,
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(config.File{})); d != "" {
		t.Error(d)
	}
	dir := filepath.Dir(path)
	if dsn, err := got.DSN(); err != nil || dsn != filepath.Join(dir, "fayi.db") || got.JournalPath() != filepath.Join(dir, "keys", "heads.journal") || got.TracePath() != "" {
		t.Errorf("%s %v %s %q", dsn, err, got.JournalPath(), got.TracePath())
	}
	if shelf, err := got.Shelf(t.Context(), nil, nil); err != nil || len(shelf.Registry().Types()) == 0 {
		t.Error(err)
	}
}

func TestSamplesDecode(t *testing.T) {
	t.Parallel()
	base := config.Setup{Node: "610800", Name: `榆林"市\司法局 # 一`, Role: "city", Driver: "sqlite", DSN: "fayi.db",
		Peers: "127.0.0.1:8443", Local: "127.0.0.1:8348", APIKey: strings.Repeat("ab", 32)}
	child, mysql := base, base
	child.Parent, child.URL = "610000", "http://127.0.0.1:9443"
	mysql.Driver, mysql.DSN = "mysql", "file:database.dsn"
	for _, s := range []config.Setup{base, child, mysql} {
		text, err := config.Sample(s)
		if err != nil {
			t.Fatal(err)
		}
		f, err := config.Load(write(t, string(text)))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if f.Name != s.Name || f.Node != s.Node || f.Database.DSN != s.DSN || f.API.Keys[0].SM3 != s.APIKey {
			t.Errorf("%+v", f)
		}
		if s.Parent != "" {
			if d := cmp.Diff([]config.Peer{{ID: "610000", URL: "http://127.0.0.1:9443", Push: true, Poll: true}}, f.Peers); d != "" {
				t.Error(d)
			}
		}
		// What is commented out is right as well.
		with := strings.NewReplacer("# publish:", "publish:", "  # tls:", "  tls:").Replace(string(text))
		if _, err := config.Load(write(t, with)); err != nil {
			t.Errorf("%v\n%s", err, with)
		}
	}
}

// Every fault at once, with line, key path and cure.
func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	path := write(t, `node: 榆林
nmae: 榆林市司法局
role: town
role: city
database:
  driver: mysql
  dsn: fayi:secret@tcp(127.0.0.1:3306)/fayi
keys: {dir: keys, passphrase: hunter2}
lisetn: {peers: "127.0.0.1:8443"}
listen: {peers: "8443", local: 127.0.0.1:8348, tls: {cert: a.crt}}
api:
  keys: [{name: main, sm3: ABCD, publish: "*"}, {name: main, sm3: "", read: [Lawyer], source: abc}]
peers:
  - {id: "610000", url: "ftp://x", push: ja, poll: true}
  - {id: 610000, url: "http://127.0.0.1:1/path"}
sources:
  - {name: main, table: fayi_outbox, ops: [upsert], prefix: " x"}
  - {name: aid, table: Outbox}
publish: {"*": [], lawyer: [everybody, to-610800+610000]}
inbox:
notes: {every: 60, limit: 1s}
test: yes
`)
	_, err := config.Load(path)
	var ce *config.Error
	if !errors.As(err, &ce) {
		t.Fatal(err)
	}
	var got []string
	for _, f := range ce.Faults {
		if f.Message == "" || f.MessageEN == "" {
			t.Errorf("%+v lacks a language", f)
		}
	}
	for line := range strings.SplitSeq(ce.Error(), "\n") {
		got = append(got, line)
	}
	want := []string{
		"第 1 行 node：应为 2～32 位小写字母、数字或连字符，通常用行政区划代码",
		"第 2 行 nmae：没有这个配置项，是否想写 name？",
		"第 4 行 role：与第 3 行重复，请只保留一处", // and its value is not judged further
		"第 7 行 database.dsn：含有口令，请把整个连接串移到一个权限 0600 的文件里，这里写 file:database.dsn",
		"第 8 行 keys.passphrase：不能直接写口令，请把它放进权限 0600 的文件，这里写 file:路径",
		"第 9 行 lisetn：没有这个配置项，是否想写 listen？",
		"第 10 行 listen.peers：应写作 主机:端口，如 127.0.0.1:8443",
		"第 10 行 listen.tls.key：必须填写，PEM 私钥文件的路径",
		"第 12 行 api.keys[0].publish：应为列表，如 [a, b]，或每行一项以“- ”开头",
		"第 12 行 api.keys[0].sm3：应为 64 位小写十六进制",
		"第 12 行 api.keys[1].name：与第 1 项重复",
		"第 12 行 api.keys[1].sm3：必须填写，令牌的 SM3 值，64 位小写十六进制",
		"第 12 行 api.keys[1].source：sources 中没有这个来源",
		"第 12 行 api.keys[1].read[0]：应为记录类型名（见 fayi schema list）或 \"*\"",
		"第 14 行 peers[0].push：应为 true 或 false",
		"第 14 行 peers[0].url：应写作 http://主机:端口 或 https://主机:端口，不带路径",
		"第 15 行 peers[1].id：与第 1 项重复",
		"第 15 行 peers[1].url：应写作 http://主机:端口 或 https://主机:端口，不带路径",
		"第 15 行 peers[1]：push 与 poll 至少一项为 true",
		"第 17 行 sources[0].table：是节点自己的表，不能作为来源",
		"第 17 行 sources[0].ops[0]：应为 put 或 del",
		"第 17 行 sources[0].prefix：不能作为主键的开头（最多 127 字节，不含控制字符，不以空格开头）",
		"第 18 行 sources[1].table：表名应为 1～48 位小写字母、数字或下划线，以字母开头",
		"第 19 行 publish.*：至少要有一个受众，如 [upstream]",
		"第 19 行 publish.lawyer[0]：受众应为 upstream、downstream、public、test，或 to-节点+节点（标识升序）",
		"第 19 行 publish.lawyer[1]：受众应为 upstream、downstream、public、test，或 to-节点+节点（标识升序）",
		"第 20 行 inbox：没有写值；不需要时请删去这一行",
		"第 21 行 notes.every：应为时长，写作数字加单位，如 500ms、60s、5m、2h",
		"第 21 行 notes.limit：不能短于 notes.every",
		"第 22 行 test：应为 true 或 false",
		"name：必须填写，如 榆林市司法局",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, r := range strings.ReplaceAll(ce.Text(true), "榆林", "") {
		if r > 0x2e80 {
			t.Fatalf("Chinese in the English text:\n%s", ce.Text(true))
		}
	}
	if strings.Contains(ce.Text(true)+ce.Text(false), "secret@") || strings.Contains(ce.Text(true), "hunter2") {
		t.Error("a secret is shown")
	}
}

func TestNotYAML(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                               "文件是空的",
		"# nothing\n":                    "文件是空的",
		"node: a: b\n":                   "第 1 行：此处不应再出现“键: 值”，请检查上一行的引号和缩进",
		"keys:\n\tdir: keys\n":           "第 2 行：此处有不能作为开头的字符，多为用制表符缩进，请改用空格",
		"inbox: [*]\n":                   "第 1 行：不支持别名（*），请直接写出内容；星号作为值时要加引号，如 \"*\"",
		"node: \xd3\xdc\xc1\xd6\n":       "不是 UTF-8 编码，请另存为 UTF-8",
		"- a\n- b\n":                     "第 1 行：应为若干“键: 值”，缩进在下一级",
		small + "---\nnode: x\n":         "只能有一份文档，请删去第二个 --- 及其后的内容",
		small + "inbox: &a [x1]\n":       "第 6 行 inbox：不支持别名（*），请直接写出内容；星号作为值时要加引号，如 \"*\"",
		small + "listen: {<<: {a: b}}\n": "第 6 行 listen.<<：没有这个配置项，可用的有 peers、local、tls",
	} {
		_, err := config.Load(write(t, text))
		var ce *config.Error
		if !errors.As(err, &ce) || !strings.HasPrefix(ce.Error(), want) {
			t.Errorf("%q: %v\nwant %s", text, err, want)
		}
	}
}

func TestSecretsAreFiles(t *testing.T) {
	t.Parallel()
	path := write(t, strings.Replace(small, "{driver: sqlite, dsn: fayi.db}", `{driver: mysql, dsn: "file:database.dsn"}`, 1))
	f, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	dsn := filepath.Join(filepath.Dir(path), "database.dsn")
	if err := os.WriteFile(dsn, []byte("fayi:secret@tcp(127.0.0.1:1)/fayi\r\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.DSN(); !errors.Is(err, keys.ErrPermission) {
		t.Errorf("readable by all: %v", err)
	}
	if err := os.Chmod(dsn, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := f.DSN(); err != nil || got != "fayi:secret@tcp(127.0.0.1:1)/fayi" {
		t.Errorf("%q %v", got, err)
	}
	plain, err := config.Load(write(t, strings.Replace(small, "{driver: sqlite, dsn: fayi.db}", `{driver: mysql, dsn: "fayi@unix(/run/mysqld.sock)/fayi"}`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := plain.DSN(); got != "fayi@unix(/run/mysqld.sock)/fayi" {
		t.Error(got)
	}
}

func TestOpenStoreMakesNoDatabase(t *testing.T) {
	t.Parallel()
	f, err := config.Load(write(t, small))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.OpenStore(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opened a database that is not there: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(small)
	f.Add("inbox: [*]\n")
	f.Add("a: &a [*a]\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "fayi.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(path); err != nil {
			var ce *config.Error
			if errors.As(err, &ce) && len(ce.Faults) == 0 {
				t.Error("an error without faults")
			}
		}
	})
}

// A source in a database of its own: its name is a secret, and the API does not write there.
func TestForeignSourceFaults(t *testing.T) {
	t.Parallel()
	_, err := config.Load(write(t, `node: "610800"
name: 榆林市司法局
role: city
database: {driver: sqlite, dsn: fayi.db}
keys: {passphrase: "file:keys/passphrase"}
api:
  keys:
    - {name: a, sm3: "`+strings.Repeat("0", 64)+`", publish: [lawyer]}
    - {name: b, sm3: "`+strings.Repeat("1", 64)+`", publish: [lawyer], source: home}
    - {name: c, sm3: "`+strings.Repeat("2", 64)+`", read: [lawyer]}
sources:
  - {name: aid, table: exchange_outbox, dsn: "aid:secret@tcp(10.0.0.9:3306)/aid", max_taken: -1}
  - {name: home, table: exchange_outbox}
`))
	want := strings.Join([]string{
		"第 8 行 api.keys[0].source：来源 aid 的发件表在业务库中，接口不能写它；请写一个在节点库中的来源",
		"第 12 行 sources[0].dsn：不能直接写口令，请把它放进权限 0600 的文件，这里写 file:路径",
		"第 12 行 sources[0].max_taken：应为正整数",
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
