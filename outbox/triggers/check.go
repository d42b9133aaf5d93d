package triggers

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Plan is a map that fits its tables and its record types.
type Plan struct {
	Database string
	target   Target
	catalog  *Catalog
	records  []*record
}

type record struct {
	spec    Record
	path    string
	typ     *Type
	name    string
	main    *table
	row     *column
	joins   []*join
	deleted *condition
	only    *condition
	key     *field
	fields  []*field // in the order of the type; the key among them
}

type join struct {
	spec   Join
	table  *table
	on     *column
	single bool             // some member reads its one row; otherwise all its rows make arrays
	used   map[*column]bool // whose change matters
	alias  string
}

type field struct {
	spec   Field
	path   string
	member *Member
	join   *join // nil: the main table
	source source
	lookup *lookup

	rows   *join
	only   *condition
	order  *column
	fields []*field
}

type lookup struct {
	table       *table
	match, take source
}

type checker struct {
	catalog  *Catalog
	faults   []Fault
	warnings []Fault
}

func (c *checker) fault(code, path, zh, en string) {
	c.faults = append(c.faults, Fault{code, path, zh, en})
}

func (c *checker) warn(code, path, zh, en string) {
	c.warnings = append(c.warnings, Fault{code, path, zh, en})
}

var (
	recordName  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
	joinName    = regexp.MustCompile(`^[a-z][a-z0-9_]{0,15}$`)
	charsetName = regexp.MustCompile(`^[a-z0-9]{2,16}$`)
)

// Check holds a map against the catalogue and the record types. It returns every fault at once; with one the plan is nil. Warnings do not
// stop anybody.
func Check(m *Map, cat *Catalog, types []Type, to Target) (p *Plan, faults, warnings []Fault) {
	c := &checker{catalog: cat}
	p = &Plan{Database: cat.Database, target: to, catalog: cat}
	if len(m.Records) == 0 {
		c.fault(CodeMap, "records", "至少要有一项", "needs at least one item")
	}
	names := map[string]bool{}
	for i := range m.Records {
		r := &record{spec: m.Records[i], path: fmt.Sprintf("records[%d]", i)}
		c.record(r, types, to)
		if names[r.name] {
			c.fault(CodeMap, r.path+".name", "与前面一项重名，请写不同的 name", "is the name of an item before; give another")
		}
		names[r.name] = true
		p.records = append(p.records, r)
	}
	if len(c.faults) > 0 {
		p = nil
	}
	return p, c.faults, c.warnings
}

func (c *checker) record(r *record, types []Type, to Target) {
	if r.name = r.spec.Name; r.name == "" {
		r.name = r.spec.Type
	}
	if !recordName.MatchString(r.name) {
		c.fault(CodeMap, r.path+".name", "应为 1～40 位小写字母、数字或下划线，以字母开头", "must be 1 to 40 of a-z, 0-9 and _, beginning with a letter")
	}
	i := slices.IndexFunc(types, func(t Type) bool { return t.Name == r.spec.Type })
	switch {
	case i < 0:
		c.fault(CodeType, r.path+".type", "没有记录类型 "+r.spec.Type+"，见 fayi schema list", "no record type "+r.spec.Type+", see fayi schema list")
	case !slices.Contains(to.Types, "*") && !slices.Contains(to.Types, r.spec.Type):
		c.fault(CodeType, r.path+".type", "这个来源不能发布 "+r.spec.Type+"，见 fayi.yaml 的 sources.types", "the source may not publish "+r.spec.Type+", see sources.types of fayi.yaml")
	}
	if i >= 0 {
		r.typ = &types[i]
	}
	if r.main = c.table(r.path+".table", r.spec.Table); r.main == nil {
		return
	}
	c.charset(r.path+".charset", r.spec.Charset)
	c.row(r)
	for i := range r.spec.Join {
		c.join(r, i)
	}
	r.deleted = c.when(r, r.path+".deleted", r.spec.Deleted, nil)
	r.only = c.when(r, r.path+".only", r.spec.Only, nil)
	if r.typ == nil {
		return
	}
	r.fields = c.fields(r, r.path+".fields", r.spec.Fields, r.typ.Fields, nil)
	c.key(r, to)
	for _, j := range r.joins {
		c.joined(r, j)
	}
}

// table finds a table whose changes can be in one transaction with the outbox.
func (c *checker) table(path, name string) *table {
	t := c.catalog.table(name)
	switch {
	case name == "":
		c.fault(CodeTable, path, "必须填写表名", "names no table")
	case t == nil:
		zh, en := c.catalog.Database+" 库中没有表 "+name, "no table "+name+" in database "+c.catalog.Database
		c.fault(CodeTable, path, zh, en)
	case t.kind != "BASE TABLE":
		c.fault(CodeTable, path, name+" 不是基本表，视图上不能建触发器", name+" is no base table: a view has no triggers")
		return nil
	case !strings.EqualFold(t.engine, "InnoDB"):
		c.fault(CodeEngine, path, name+" 是 "+t.engine+" 表，不支持事务；请先转为 InnoDB", name+" is a "+t.engine+" table without transactions; convert it to InnoDB first")
	}
	return t
}

func (c *checker) charset(path, name string) {
	if name != "" && !charsetName.MatchString(name) {
		c.fault(CodeMap, path, "应为字符集名，如 gbk", "must be a character set such as gbk")
	}
}

// column finds a column that has a form as text.
func (c *checker) column(path string, t *table, name, charset string) (source, bool) {
	col := t.column(name)
	if col == nil {
		c.fault(CodeColumn, path, "表 "+t.name+" 没有列 "+name, "table "+t.name+" has no column "+name)
		return source{}, false
	}
	s := source{column: col}
	if slices.Contains(textTypes, col.data) || slices.Contains(binaryTypes, col.data) {
		s.charset = charset
	}
	if !s.usable() {
		c.fault(CodeKind, path, "列 "+name+" 是 "+col.full+"，没有文本形式；若其中是文字，请用 charset 写明编码",
			"column "+name+" is "+col.full+" and has no form as text; if it holds text, say its charset")
		return source{}, false
	}
	return s, true
}

// row finds the column by which a row is read again.
func (c *checker) row(r *record) {
	name, path := r.spec.Row, r.path+".row"
	if name == "" {
		name, path = r.main.primary(), r.path+".table"
	}
	if name == "" {
		c.fault(CodeKey, path, "表 "+r.main.name+" 没有单列主键，请用 row 写明一个有唯一索引的列",
			"table "+r.main.name+" has no primary key of one column; name in row a column with a unique index")
		return
	}
	if r.row = r.main.column(name); r.row == nil {
		c.fault(CodeColumn, path, "表 "+r.main.name+" 没有列 "+name, "table "+r.main.name+" has no column "+name)
		return
	}
	if !r.main.unique(r.row.name) || r.row.nullable {
		c.fault(CodeKey, path, "列 "+name+" 没有唯一索引或可以为空，找不准一行", "column "+name+" has no unique index or may be NULL: it does not find one row")
	}
}

func (c *checker) join(r *record, i int) {
	spec, path := r.spec.Join[i], fmt.Sprintf("%s.join[%d]", r.path, i)
	if !joinName.MatchString(spec.Name) || slices.ContainsFunc(r.joins, func(j *join) bool { return j.spec.Name == spec.Name }) {
		c.fault(CodeMap, path+".name", "应为 1～16 位小写字母、数字或下划线，且不重复", "must be 1 to 16 of a-z, 0-9 and _, and given once")
	}
	c.charset(path+".charset", spec.Charset)
	j := &join{spec: spec, used: map[*column]bool{}, alias: fmt.Sprintf("j%d", i+1), table: c.table(path+".table", spec.Table)}
	r.joins = append(r.joins, j)
	if j.table == nil {
		return
	}
	if j.table == r.main || slices.ContainsFunc(r.joins[:i], func(o *join) bool { return o.table == j.table }) {
		c.fault(CodeMap, path+".table", "同一张表不能关联两次；一张表的几类行用 rows 加 only 区分", "a table is joined once; tell kinds of its rows apart by rows with only")
	}
	if j.on = j.table.column(spec.On); j.on == nil {
		c.fault(CodeColumn, path+".on", "表 "+j.table.name+" 没有列 "+spec.On, "table "+j.table.name+" has no column "+spec.On)
		return
	}
	if !j.table.indexed(j.on.name) {
		c.fault(CodeKey, path+".on", "列 "+spec.On+" 没有索引，每次改动都会锁住整张表", "column "+spec.On+" has no index: each change would lock the whole table")
	}
	j.used[j.on] = true
}

// joined judges a join once it is known what it is used for.
func (c *checker) joined(r *record, j *join) {
	if j.table == nil || j.on == nil {
		return
	}
	path := fmt.Sprintf("%s.join[%d]", r.path, slices.Index(r.joins, j))
	if j.single && !j.table.unique(j.on.name) {
		c.fault(CodeKey, path+".on", "列 "+j.on.name+" 没有唯一索引，一条记录可能对应多行；多行请用 rows 映射成列表",
			"column "+j.on.name+" has no unique index, so a record may have several rows; map them to an array with rows")
	}
	for _, k := range c.catalog.cascades {
		if k[0] == j.table.name {
			c.warn(CodeCascade, path+".table", "表 "+j.table.name+" 随外键级联改动的行不触发触发器；主表同时有改动时不受影响",
				"rows of "+j.table.name+" changed by a foreign key's cascade fire no trigger; nothing is missed where the main table changes too")
		}
	}
}

// when resolves a condition; rows is the join it must belong to, nil for the main table.
func (c *checker) when(r *record, path string, w *When, rows *join) *condition {
	if w == nil {
		return nil
	}
	j, name := c.place(r, w.Column)
	if j != rows {
		c.fault(CodeMap, path+".column", "条件列应属于同一张表", "the condition must be on a column of the same table")
		return nil
	}
	t, charset := tableOf(r, j)
	if t == nil {
		return nil
	}
	s, ok := c.column(path+".column", t, name, charset)
	if !ok {
		return nil
	}
	if j != nil {
		j.used[s.column] = true
	}
	return &condition{s, w.Values}
}

// place tells which table a column of the map means.
func (c *checker) place(r *record, name string) (*join, string) {
	if before, after, ok := strings.Cut(name, "."); ok {
		for _, j := range r.joins {
			if j.spec.Name == before {
				return j, after
			}
		}
	}
	return nil, name
}

func tableOf(r *record, j *join) (*table, string) {
	if j == nil {
		return r.main, r.spec.Charset
	}
	return j.table, j.spec.Charset
}

// fields resolves the members of a record, or of the objects that the rows of a join make.
func (c *checker) fields(r *record, path string, specs map[string]Field, members []Member, rows *join) (out []*field) {
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		if !slices.ContainsFunc(members, func(m Member) bool { return m.Name == name }) {
			c.fault(CodeField, path+"."+name, "没有这个字段，见 fayi schema show "+r.typ.Name, "no such member, see fayi schema show "+r.typ.Name)
		}
	}
	for i := range members {
		m := &members[i]
		spec, ok := specs[m.Name]
		switch at := path + "." + m.Name; {
		case ok:
			if f := c.field(r, at, spec, m, rows); f != nil {
				out = append(out, f)
			}
		case m.Required:
			c.fault(CodeRequired, at, "必填字段「"+m.Title+"」没有映射", "the required member "+m.Name+" is not mapped")
		case m.Expected:
			c.warn(CodeRequired, at, "应填字段「"+m.Title+"」没有映射，记录能发布，但计入不完整", "the expected member "+m.Name+" is not mapped: records are published but count as incomplete")
		}
	}
	return out
}

func (c *checker) field(r *record, path string, spec Field, m *Member, rows *join) *field {
	f := &field{spec: spec, path: path, member: m}
	given := 0
	for _, set := range []bool{spec.Column != "", spec.Value != nil, spec.Rows != ""} {
		if set {
			given++
		}
	}
	if given != 1 {
		c.fault(CodeMap, path, "column、value、rows 应写且只写一个", "give exactly one of column, value and rows")
		return nil
	}
	switch {
	case spec.Rows != "":
		return c.list(r, f)
	case m.Kind == "object":
		c.fault(CodeKind, path, "对象字段不能由一列映射", "an object is not made from one column")
		return nil
	case (m.Kind == "array") != (spec.Split != ""):
		c.fault(CodeKind, path, "列表字段用 split 写明一列中各值的分隔符；其他字段不写 split", "an array needs split, what stands between values in the column; other members have none")
		return nil
	}
	c.codes(f)
	if spec.Value != nil {
		if spec.Prefix != "" || spec.Upper || len(spec.Codes) > 0 || spec.Lookup != nil || spec.Split != "" {
			c.fault(CodeMap, path, "固定值不带转换", "a constant takes no conversion")
		}
		return f
	}
	j, name := c.place(r, spec.Column)
	if rows != nil && j == nil {
		j = rows // inside rows the join's own columns need no name
	}
	t, charset := tableOf(r, j)
	if t == nil {
		return nil
	}
	if rows != nil && j != rows {
		c.fault(CodeMap, path+".column", "rows 之内只能用该关联表的列", "inside rows only columns of that join are used")
		return nil
	}
	var ok bool
	if f.source, ok = c.column(path+".column", t, name, charset); !ok {
		return nil
	}
	if f.join = j; j != nil {
		j.used[f.source.column] = true
		j.single = j.single || rows == nil
	}
	if spec.Lookup != nil {
		c.lookup(f)
	}
	return f
}

// list resolves an array of objects made from the rows of a join.
func (c *checker) list(r *record, f *field) *field {
	if f.member.Kind != "array" || len(f.member.Members) == 0 {
		c.fault(CodeKind, f.path, "rows 只用于由对象组成的列表字段", "rows is for arrays of objects only")
		return nil
	}
	i := slices.IndexFunc(r.joins, func(j *join) bool { return j.spec.Name == f.spec.Rows })
	if i < 0 {
		c.fault(CodeMap, f.path+".rows", "join 中没有 "+f.spec.Rows, "no join "+f.spec.Rows)
		return nil
	}
	if f.rows = r.joins[i]; f.rows.table == nil || f.rows.on == nil {
		return nil
	}
	if f.spec.Only != nil {
		w := *f.spec.Only
		if !strings.Contains(w.Column, ".") {
			w.Column = f.spec.Rows + "." + w.Column
		}
		f.only = c.when(r, f.path+".only", &w, f.rows)
	}
	if f.spec.Order != "" {
		if s, ok := c.column(f.path+".order", f.rows.table, strings.TrimPrefix(f.spec.Order, f.spec.Rows+"."), f.rows.spec.Charset); ok {
			f.order = s.column
			f.rows.used[s.column] = true
		}
	}
	f.fields = c.fields(r, f.path+".fields", f.spec.Fields, f.member.Members, f.rows)
	return f
}

// codes checks that every translation leads to something the member may be.
func (c *checker) codes(f *field) {
	allowed := f.member.Codes
	if f.member.Kind == "boolean" {
		allowed = []string{"true", "false"}
	}
	wrong := func(path, v string) {
		if len(allowed) > 0 && !slices.Contains(allowed, v) {
			c.fault(CodeCode, path, "“"+v+"”不是「"+f.member.Title+"」的代码，可用的有 "+some(allowed, "、"), v+" is no code of "+f.member.Name+"; there are "+some(allowed, ", "))
		}
	}
	for _, from := range slices.Sorted(maps.Keys(f.spec.Codes)) {
		wrong(f.path+".codes."+from, f.spec.Codes[from])
	}
	if f.spec.Otherwise != nil && *f.spec.Otherwise != "" {
		wrong(f.path+".otherwise", *f.spec.Otherwise)
	}
	if f.spec.Value != nil {
		wrong(f.path+".value", *f.spec.Value)
	}
}

// some is the first few of a list.
func some(list []string, sep string) string {
	if len(list) > 12 {
		return strings.Join(list[:12], sep) + " …"
	}
	return strings.Join(list, sep)
}

func (c *checker) lookup(f *field) {
	spec, path := f.spec.Lookup, f.path+".lookup"
	c.charset(path+".charset", spec.Charset)
	t := c.catalog.table(spec.Table)
	if t == nil {
		c.fault(CodeTable, path+".table", c.catalog.Database+" 库中没有表 "+spec.Table, "no table "+spec.Table+" in database "+c.catalog.Database)
		return
	}
	match, ok1 := c.column(path+".match", t, spec.Match, spec.Charset)
	take, ok2 := c.column(path+".take", t, spec.Take, spec.Charset)
	if !ok1 || !ok2 {
		return
	}
	if !t.indexed(match.column.name) {
		c.warn(CodeKey, path+".match", "列 "+spec.Match+" 没有索引，每次改动都要扫描整张对照表", "column "+spec.Match+" has no index: each change scans the whole table")
	}
	f.lookup = &lookup{t, match, take}
}

// key judges the member that is the record's key: it must be known in OLD rows too.
func (c *checker) key(r *record, to Target) {
	i := slices.IndexFunc(r.fields, func(f *field) bool { return f.member.Name == r.typ.Key })
	if i < 0 {
		return // reported: the key field is required
	}
	f := r.fields[i]
	if f.source.column == nil || f.join != nil || len(f.spec.Codes) > 0 || f.spec.Lookup != nil || f.spec.Split != "" {
		c.fault(CodeKey, f.path, "主键字段只能取自主表的一列，可加 prefix、upper", "the key comes from a column of the main table, with prefix and upper only")
		return
	}
	if !strings.HasPrefix(f.spec.Prefix, to.Prefix) {
		c.fault(CodeKey, f.path+".prefix", "这个来源的主键都应以“"+to.Prefix+"”开头", "keys of this source begin with "+to.Prefix)
	}
	if !r.main.unique(f.source.column.name) {
		c.warn(CodeKey, f.path, "列 "+f.source.column.name+" 没有唯一索引：两行同号时，后改的一行会覆盖先改的",
			"column "+f.source.column.name+" has no unique index: of two rows with one key the later change stands for both")
	}
	r.key = f
}

// Records are the names of the plan's records in its order.
func (p *Plan) Records() []string {
	var out []string
	for _, r := range p.records {
		out = append(out, r.name)
	}
	return out
}
