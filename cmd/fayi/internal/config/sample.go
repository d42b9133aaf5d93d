package config

import (
	"strings"
	"text/template"
)

// Setup is what [Sample] fills in.
type Setup struct {
	Node, Name, Role string
	Driver, DSN      string // as in [Database]
	Peers, Local     string // listen addresses
	APIKey           string // SM3 of the first token, hex
	Parent, URL      string // the first peer; none if Parent is empty
}

// Sample writes a commented fayi.yaml.
func Sample(s Setup) ([]byte, error) {
	var b strings.Builder
	if err := sample.Execute(&b, s); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}

// quote writes a YAML double-quoted scalar. Values are checked before: they
// hold no control characters.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

var sample = template.Must(template.New("fayi.yaml").Funcs(template.FuncMap{"q": quote}).Parse(`# 法驿节点配置。改后重启节点生效；写错时 fayi 会一次列出所有问题。
# 相对路径以本文件所在目录为准；口令、连接串等机密只写 file: 引用，不写内容。

node: {{q .Node}}                 # 节点标识，入网时确定，不可更改
name: {{q .Name}}
role: {{.Role}}                      # ministry | province | city | county | carrier（只转递、不解密）

database:
  driver: {{.Driver}}                 # sqlite（演示、小县）或 mysql（MySQL、MariaDB、TiDB、OceanBase）
  dsn: {{q .DSN}}                # mysql 含口令时写 "file:database.dsn"，文件内容如 用户:口令@tcp(主机:3306)/库名

keys:
  dir: keys                      # 节点私钥与证书；请与数据分开备份
  passphrase: "file:keys/passphrase"
  registrar: registrar           # 登记机关私钥（审批下级用），平时应离线保存

listen:
  peers: {{q .Peers}}      # 供其他节点访问
  local: {{q .Local}}      # 供本单位业务系统和控制台访问
  # tls: {cert: tls.crt, key: tls.key}     # peers 启用 TLS；不启用时应只监听本机，由网关加密

api:
  keys:                          # 本地接口的令牌，只存 SM3 值；第一个令牌在 keys/api.token
    - {name: main, sm3: "{{.APIKey}}", publish: ["*"], read: ["*"], operate: true}
{{if .Parent}}
peers:                           # 由本节点主动连接的节点；对方主动连来的无须写
  - {id: {{q .Parent}}, url: {{q .URL}}, push: true, poll: true}
{{else}}
peers: []                        # 由本节点主动连接的节点，如 {id: "610800", url: "https://主机:8443", push: true, poll: true}
{{end}}
sources:                         # 业务系统写入的发件表，每个系统一张
  - {name: main, table: exchange_outbox, types: ["*"], ops: [put, del], prefix: ""}

# publish: {"*": [upstream]}     # 各类记录发给谁；不写则按数据规范包对本级的规定
inbox: ["*"]                     # 收到的哪些记录写入 exchange_inbox；[] 表示都不写
notes: {every: 60s, limit: 2h}   # 数据头公告：多久发一次；对方多久没有公告即告警
brakes: {floor: 50, delete_percent: 5, change_percent: 20, window: 1h}   # 一个来源在此时间内删、改某类记录超过此限即等待人工确认
# archive: {after: 2160h}        # 数据段正文超过多久（2160h 为 90 天）移出数据库、存到 archive 目录；不写则不移
packs: packs                     # 增补的数据规范包目录，只用于校验收到的记录，可以没有
adopt: auto                      # 上级发布的新规范包：auto 证明兼容的自动采用，manual 一律人工决定
trace: ""                        # 事件跟踪文件，排查时用
test: false                      # 是否接收受众为 test 的试验数据
`))
