package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"fayi/cmd/fayi/internal/config"
	"fayi/cmd/fayi/internal/records"
	"fayi/gateway/packs"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/schemas"
)

// publishBatch is how many rows one transaction inserts.
const publishBatch = 500

// publishing is one run of fayi publish.
type publishing struct {
	e       *env
	st      *store.Store
	source  config.Source
	reg     *schemas.Registry
	shelf   *packs.Shelf
	typ     *schemas.Type
	op      outbox.Op
	key     string // field that holds the record key
	charset string
	dry     bool
	quiet   bool // with -json faults are collected, not printed
	show    bool // progress
	last    time.Time

	outboxes []string // of a bulk load: whose waiting rows go first

	batch              []outbox.Record
	published, refused int
	bad                []badRecord
	territory          []string
	remark             bool // odd but valid records are told too, in a dry run
	told               int
	odd                []badRecord
}

func cmdPublish(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi publish", args: "TYPE FILE…",
		zh: "把文件中的记录写入发件表，由节点封装、发送。支持 ndjson、json、xml 和 csv（首行为字段名或中文标题）。\n" +
			"每条先按数据规范检查：合格的写入，不合格的列出原因；有不合格记录时退出码为 3。不要求节点正在运行。\n" +
			"同一文件可重复发布：内容未变的记录，节点不会再次发送。\n" +
			"-bulk 用于首次装载大文件：直接封装进数据流，每秒数万条，可与节点同时运行；中断后重新运行即续传，同一文件不会发布两次。\n" +
			"-bulk 的文件视为早于该来源发件表中的一切记录：已有业务系统发布的版本时不覆盖。不合格的进入被拒表。",
		en: "Put the records of files into the outbox; the node seals and sends them. Takes ndjson, json, xml and csv (first line: field\n" +
			"names or Chinese titles). Each record is checked first: good ones go in, the others are listed with their faults, exit code 3.\n" +
			"The node needs not run. A file may be published again: what has not changed is not sent again.\n" +
			"-bulk is for the first load of a large file: it is sealed straight into the stream, tens of thousands of records a second, beside a\n" +
			"running node; interrupted it goes on where it stopped, and a file is never published twice. Its records count as older than\n" +
			"whatever the source published through its outbox and never replace that. Faulty ones go to the rejected.",
		example: "fayi publish -c fayi.yaml -dry-run lawyer lawyer.csv"})
	conf, asJSON := f.config(), f.asJSON()
	op := f.string("op", "put", "`操作`：put 发布，del 删除（文件中只需有主键）", "`operation`: put, or del (files need hold only the key)")
	key := f.string("key", "", "作为主键的`字段`（默认为该类型的主键字段）", "the `field` that is the record key (default: the type's)")
	src := f.string("source", "", "`来源`名（默认为配置中的第一个）", "`source` name (default: the first configured)")
	dry := f.bool("dry-run", "只检查，不写入；并提示可疑的内容", "check only, write nothing; odd contents are pointed out")
	all := f.bool("all-or-nothing", "只要有一条不合格就一条也不写入", "write nothing if any record fails")
	bulk := f.bool("bulk", "首次装载大文件：不经发件表，直接封装", "first load of a large file: seal it without the outbox")
	confirm := f.bool("confirm", "与 -bulk 同用：已核对，允许大量删改", "with -bulk: checked by a person, many deletions or changes are meant")
	progress := f.bool("progress", "显示进度（在终端上自动显示）", "show progress (a terminal does by itself)")
	charset := f.charset()
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	switch {
	case len(rest) < 2:
		return f.usage("要写记录类型 TYPE 和至少一个文件", "a record type TYPE and at least one file are needed")
	case *op != string(outbox.Put) && *op != string(outbox.Del):
		return f.usage("-op 只能是 put 或 del", "-op is put or del")
	case *confirm && !*bulk:
		return f.usage("-confirm 只与 -bulk 同用", "-confirm goes with -bulk")
	case !validCharset(*charset):
		return f.usage("-charset 只能是 utf-8 或 gb18030", "-charset is utf-8 or gb18030")
	}
	st, c, err := e.openMigrated(ctx, *conf)
	if err != nil {
		return e.fail(err)
	}
	defer st.Close()
	p := &publishing{e: e, st: st, op: outbox.Op(*op), charset: *charset, dry: *dry, quiet: *asJSON, show: *progress || e.terminal, last: time.Now(), bad: []badRecord{}, remark: *dry, odd: []badRecord{}}
	if err := p.prepare(ctx, c, rest[0], *src, *key); err != nil {
		return e.fail(err)
	}
	files := rest[1:]
	if *bulk && !*dry {
		if *all {
			p.dry = true
			if err := p.files(ctx, files); err != nil {
				return e.fail(err)
			}
			if p.refused > 0 {
				p.published = 0
				p.summary(*asJSON, false)
				return exitProblem
			}
		}
		code, err := p.bulk(ctx, c, files, *confirm, *asJSON)
		if err != nil {
			return max(e.fail(err), code)
		}
		return code
	}
	if *all && !p.dry { // one pass to judge, one to write
		p.dry = true
		if err := p.files(ctx, files); err != nil {
			return e.fail(err)
		}
		if p.refused == 0 {
			p.dry, p.published = false, 0
			err = p.files(ctx, files)
		} else {
			p.published = 0
		}
	} else {
		err = p.files(ctx, files)
	}
	if err != nil {
		p.summary(*asJSON, *dry)
		return e.fail(err)
	}
	p.summary(*asJSON, *dry)
	if p.refused > 0 {
		return exitProblem
	}
	return exitOK
}

// prepare settles type, source and key field and whether they go together.
func (p *publishing) prepare(ctx context.Context, c *config.File, typ, source, key string) error {
	shelf, err := c.Shelf(ctx, p.st, nil)
	if err != nil {
		return err
	}
	p.reg, p.shelf = shelf.Registry(), shelf
	if p.typ, err = findType(p.reg, typ); err != nil {
		return err
	}
	if p.source, err = findSource(c, source); err == nil {
		err = atHome(p.source)
	}
	if err != nil {
		return err
	}
	p.territory = territoryOf(c.Node)
	mayType := slices.Contains(p.source.Types, config.Any) || slices.Contains(p.source.Types, typ)
	if p.typ.System() || !mayType || !slices.Contains(p.source.Ops, string(p.op)) {
		return &said{code: "NOT_YOURS", zh: fmt.Sprintf("来源 %s 无权对 %s 执行 %s", p.source.Name, typ, p.op), en: fmt.Sprintf("source %s may not %s %s", p.source.Name, p.op, typ),
			hintZH: "换一个来源（-source），或在 fayi.yaml 的 sources 中授权；系统类型不能由外部发布", hintEN: "take another -source or allow it under sources in fayi.yaml; system types are never published from outside"}
	}
	if p.key = or(key, p.typ.KeyField()); p.key == "" {
		return &said{code: "NO_KEY", zh: typ + " 没有主键字段", en: typ + " has no key field", hintZH: "用 -key 写明作为主键的字段", hintEN: "name the field with -key"}
	}
	if field := p.typ.KeyField(); field != "" && p.key != field {
		return &said{code: "KEY_MISMATCH", zh: fmt.Sprintf("%s 的主键字段是 %s，不能另选 %s", typ, field, p.key), en: fmt.Sprintf("the key of %s is %s, not %s", typ, field, p.key),
			hintZH: "去掉 -key", hintEN: "leave out -key"}
	}
	return nil
}

func (p *publishing) files(ctx context.Context, files []string) error {
	for _, file := range files {
		err := eachRecord(ctx, file, p.typ, p.charset, func(r records.Record) error { return p.record(ctx, file, r) })
		if err != nil {
			return err
		}
	}
	return p.flush(ctx)
}

func (p *publishing) record(ctx context.Context, file string, r records.Record) error {
	rec, faults := p.judge(r)
	if len(faults) > 0 {
		p.refused++
		b := badRecord{File: file, Row: r.Row, Key: rec.Key, Faults: faults}
		if !p.quiet {
			b.show(p.e)
		} else if len(p.bad) < maxListed {
			p.bad = append(p.bad, b)
		}
		return nil
	}
	if p.remark && rec.Payload != nil {
		p.tell(file, r.Row, rec)
	}
	if p.batch = append(p.batch, rec); len(p.batch) < publishBatch {
		return nil
	}
	return p.flush(ctx)
}

// tell lists what is odd in a record that may be published.
func (p *publishing) tell(file string, row int, rec outbox.Record) {
	b := badRecord{File: file, Row: row, Key: rec.Key, Faults: remarks(p.typ, rec.Payload, schemas.Where{Territory: p.territory})}
	if len(b.Faults) == 0 {
		return
	}
	if p.told++; p.told > maxListed {
		return
	}
	if p.odd = append(p.odd, b); !p.quiet {
		b.list(p.e, p.e.text("提示：", "remark: "))
	}
}

// judge makes an outbox record of a file's, or says what is wrong with it.
func (p *publishing) judge(r records.Record) (outbox.Record, schemas.Faults) {
	rec := outbox.Record{Type: p.typ.Name(), Op: p.op}
	if r.Err != nil {
		return rec, unreadable(r.Err)
	}
	if r.Op != "" && r.Op != string(p.op) {
		return rec, schemas.Faults{{Code: "OP_MISMATCH", Message: fmt.Sprintf("记录写明的操作是 %q，本次执行的是 %s", r.Op, p.op),
			MessageEN: fmt.Sprintf("the record says %q, this run is %s", r.Op, p.op), Hint: "用 -op 写明操作，不同操作的记录分成两个文件"}}
	}
	if r.Data == nil {
		if p.op == outbox.Put || r.Key == "" {
			return rec, schemas.Faults{{Code: schemas.CodeRequired, Message: "记录没有数据，也没有可删除的主键", MessageEN: "the record has no data, nor a key to delete", Hint: "发布要有 data，删除要有 head 中的 key"}}
		}
		rec.Key = r.Key
		return rec, p.keyFaults(rec.Key)
	}
	if p.op == outbox.Put {
		if faults := judge(p.typ, r.Data); len(faults) > 0 {
			return rec, faults
		}
		rec.Payload = r.Data
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(r.Data, &members); err != nil {
		return rec, p.typ.Validate(r.Data)
	}
	if err := json.Unmarshal(members[p.key], &rec.Key); err != nil || rec.Key == "" {
		return rec, schemas.Faults{{Code: schemas.CodeRequired, Pointer: "/" + p.key, Message: "缺少主键字段 " + p.key, MessageEN: "the key field " + p.key + " is missing", Hint: "主键字段须为非空文本"}}
	}
	if r.Key != "" && r.Key != rec.Key {
		return rec, schemas.Faults{{Code: "KEY_MISMATCH", Pointer: "/" + p.key, Message: "head 中的 key 与主键字段不一致", MessageEN: "the head's key is not that of the data", Hint: "去掉 head 中的 key，或改正其中一处"}}
	}
	return rec, p.keyFaults(rec.Key)
}

// keyFaults returns the faults of a key: its own, and where the source may not use it.
func (p *publishing) keyFaults(key string) schemas.Faults {
	faults := judgeKey(key)
	if !strings.HasPrefix(key, p.source.Prefix) {
		faults = append(faults, schemas.Fault{Code: "NOT_YOURS", Pointer: "/" + p.key, Message: fmt.Sprintf("来源 %s 的主键须以 %s 开头", p.source.Name, p.source.Prefix),
			MessageEN: fmt.Sprintf("keys of source %s begin with %s", p.source.Name, p.source.Prefix), Hint: "换一个来源，或改正主键"})
	}
	return faults
}

// flush inserts the waiting records in one transaction.
func (p *publishing) flush(ctx context.Context) error {
	if len(p.batch) > 0 && !p.dry {
		err := p.st.InTx(ctx, func(tx *sql.Tx) error {
			for _, r := range p.batch {
				if err := outbox.PublishTo(ctx, tx, p.source.Table, r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	p.published += len(p.batch)
	p.batch = p.batch[:0]
	if p.show && time.Since(p.last) > time.Second {
		p.last = time.Now()
		p.e.note("已处理 %d 条", "%d records", p.published+p.refused)
	}
	return nil
}

func (p *publishing) summary(asJSON, dry bool) {
	if asJSON {
		p.e.json(map[string]any{"type": p.typ.Name(), "ref": p.typ.Ref(), "source": p.source.Name, "op": string(p.op), "dry_run": dry,
			"published": p.published, "refused": p.refused, "records": p.bad, "told": p.told, "remarks": p.odd,
			"truncated": p.refused > len(p.bad) || p.told > len(p.odd)})
		return
	}
	if dry {
		p.e.say("检查完毕：%d 条可以发布，%d 条不合格；没有写入", "checked: %d may be published, %d failed; nothing was written", p.published, p.refused)
		if p.told > 0 {
			p.e.say("其中 %d 条值得一看（最多列出 %d 条）", "%d of them deserve a look (at most %d are listed)", p.told, maxListed)
		}
		return
	}
	p.e.say("已写入发件表 %d 条，拒绝 %d 条", "%d records put into the outbox, %d refused", p.published, p.refused)
}
