package triggers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// object is something the plan wants in the database.
type object struct {
	kind   string // table, FUNCTION, PROCEDURE, trigger
	name   string
	table  string // a trigger's
	create string
	hash   string // a trigger's, inside it
}

const (
	applyVariable = "@fayi_apply"
	maxPayload    = 300_000 // bytes after which an array takes no more rows: the node takes no line above 256 KiB
)

// script writes indented lines.
type script struct {
	strings.Builder
	depth int
}

func (s *script) line(format string, args ...any) {
	s.WriteString(strings.Repeat("  ", s.depth))
	if len(args) == 0 {
		s.WriteString(format)
	} else {
		fmt.Fprintf(s, format, args...)
	}
	s.WriteByte('\n')
}

func (s *script) lines(list []string) {
	for _, l := range list {
		s.line("%s", l)
	}
}

func (s *script) block(open string, body func(), end string) {
	s.line("%s", open)
	s.depth++
	body()
	s.depth--
	s.line("%s", end)
}

func (s *script) text() string { return strings.TrimRight(s.String(), "\n") }

func short(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:6])
}

// timeBody turns the ways in which dates are written into one; what is none comes back as it is.
const timeBody = `(v VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, style CHAR(1) CHARACTER SET ascii)
RETURNS VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
DETERMINISTIC NO SQL
BEGIN
  DECLARE s, d, t VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
  SET s = REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(v, _utf8mb4'年', '-'), _utf8mb4'月', '-'), _utf8mb4'日', ' '), '/', '-'), 'T', ' ');
  SET s = TRIM(REPLACE(REPLACE(REPLACE(s, _utf8mb4'时', ':'), _utf8mb4'分', ':'), _utf8mb4'秒', ''));
  IF s REGEXP '^[0-9]{14}$' THEN
    SET s = CONCAT(LEFT(s, 8), ' ', SUBSTRING(s, 9, 2), ':', SUBSTRING(s, 11, 2), ':', RIGHT(s, 2));
  END IF;
  SET d = SUBSTRING_INDEX(s, ' ', 1);
  SET t = TRIM(TRAILING ':' FROM TRIM(SUBSTRING(s, CHAR_LENGTH(d) + 1)));
  SET d = REPLACE(d, '.', '-');
  IF d REGEXP '^[0-9]{8}$' THEN
    SET d = CONCAT(LEFT(d, 4), '-', SUBSTRING(d, 5, 2), '-', RIGHT(d, 2));
  END IF;
  IF d NOT REGEXP '^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}$' THEN
    RETURN v;
  END IF;
  SET d = CONCAT(LEFT(d, 4), '-', LPAD(SUBSTRING_INDEX(SUBSTRING_INDEX(d, '-', 2), '-', -1), 2, '0'), '-', LPAD(SUBSTRING_INDEX(d, '-', -1), 2, '0'));
  IF d = '0000-00-00' THEN
    RETURN NULL;
  END IF;
  IF t REGEXP '^[0-9:]+[.][0-9]+$' THEN
    SET t = SUBSTRING_INDEX(t, '.', 1);
  END IF;
  IF t NOT REGEXP '^([0-9]{1,2}(:[0-9]{1,2}(:[0-9]{1,2})?)?)?$' THEN
    RETURN v;
  END IF;
  IF style = 'd' THEN
    RETURN d;
  END IF;
  SET t = CONCAT(t, ':0:0');
  RETURN CONCAT(d, 'T', LPAD(SUBSTRING_INDEX(t, ':', 1), 2, '0'), ':', LPAD(SUBSTRING_INDEX(SUBSTRING_INDEX(t, ':', 2), ':', -1), 2, '0'),
    ':', LPAD(SUBSTRING_INDEX(SUBSTRING_INDEX(t, ':', 3), ':', -1), 2, '0'), '+08:00');
END`

// timeFunction is the name of the function, one for all records of a database.
var timeFunction = "fayi_time_" + short(timeBody)

func timeObject() object {
	return object{kind: "FUNCTION", name: timeFunction, create: "CREATE FUNCTION " + ident(timeFunction) + timeBody}
}

// objects is everything of the plan, in the order of its creation.
func (p *Plan) objects() []object {
	out := []object{timeObject()}
	for _, r := range p.records {
		out = append(out, r.objects(p.target)...)
	}
	return out
}

func (r *record) lockTable() string { return "fayi_" + r.name + "_lock" }

// objects of one record: the lock table if several tables make it, the procedure, the triggers of each table.
func (r *record) objects(to Target) []object {
	var out []object
	if len(r.joins) > 0 {
		out = append(out, object{kind: "table", name: r.lockTable(), create: "CREATE TABLE IF NOT EXISTS " + ident(r.lockTable()) +
			" (k " + r.row.declared() + " NOT NULL PRIMARY KEY, n BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB"})
	}
	body := r.procedure(to)
	procedure := "fayi_" + r.name + "_" + short(body)
	out = append(out, object{kind: "PROCEDURE", name: procedure, create: "CREATE PROCEDURE " + ident(procedure) + body})
	trigger := func(i int, t *table, event, body string) {
		name := fmt.Sprintf("fayi_%s_%d_a%c", r.name, i, event[0]|0x20)
		hash := short(body)
		out = append(out, object{kind: "trigger", name: name, table: t.name, hash: hash,
			create: fmt.Sprintf("CREATE TRIGGER %s AFTER %s ON %s FOR EACH ROW\nBEGIN\n  DECLARE fayi CHAR(12) DEFAULT '%s';\n%sEND", ident(name), event, ident(t.name), hash, body)})
	}
	call := func(row, column string) string {
		return "CALL " + ident(procedure) + "(" + row + "." + ident(column) + ");"
	}
	trigger(0, r.main, "INSERT", guarded([]string{r.alive("NEW")}, []string{call("NEW", r.row.name)}))
	trigger(0, r.main, "UPDATE", guarded([]string{"NOT (" + r.unchanged() + ")", "(" + r.alive("OLD") + " OR " + r.alive("NEW") + ")"}, append(
		r.renamed(to), call("NEW", r.row.name))))
	trigger(0, r.main, "DELETE", guarded([]string{r.alive("OLD")}, append(r.lock("OLD."+ident(r.row.name)), r.insertDel(to, "OLD"))))
	for i, j := range r.joins {
		on := ident(j.on.name)
		trigger(i+1, j.table, "INSERT", guarded(nil, []string{call("NEW", j.on.name)}))
		trigger(i+1, j.table, "UPDATE", guarded([]string{"NOT (" + j.unchanged() + ")"}, []string{
			call("NEW", j.on.name), "IF NOT (OLD." + on + " <=> NEW." + on + ") THEN", "  " + call("OLD", j.on.name), "END IF;"}))
		trigger(i+1, j.table, "DELETE", guarded(nil, []string{call("OLD", j.on.name)}))
	}
	return out
}

// guarded is the body of a trigger: nothing under @fayi_apply, nor unless all conditions hold.
func guarded(conditions, body []string) string {
	s := &script{depth: 1}
	all := append([]string{"COALESCE(" + applyVariable + ", 0) = 0"}, conditions...)
	s.block("IF "+strings.Join(all, "\n     AND ")+" THEN", func() { s.lines(body) }, "END IF;")
	return s.String()
}

// alive is the condition that a row stands for a record.
func (r *record) alive(alias string) string {
	var parts []string
	if r.deleted != nil {
		parts = append(parts, "NOT "+r.deleted.holds(alias))
	}
	if r.only != nil {
		parts = append(parts, r.only.holds(alias))
	}
	if len(parts) == 0 {
		return "TRUE"
	}
	return "(" + strings.Join(parts, " AND ") + ")"
}

// unchanged compares the columns of the main table that the record uses.
func (r *record) unchanged() string {
	used := map[*column]bool{r.row: true}
	for _, f := range r.fields {
		if f.join == nil && f.source.column != nil {
			used[f.source.column] = true
		}
	}
	for _, c := range []*condition{r.deleted, r.only} {
		if c != nil {
			used[c.column] = true
		}
	}
	return allSame(r.main, used)
}

func (j *join) unchanged() string { return allSame(j.table, j.used) }

func allSame(t *table, used map[*column]bool) string {
	var parts []string
	for _, c := range t.columns {
		if used[c] {
			parts = append(parts, source{column: c}.same())
		}
	}
	return strings.Join(parts, " AND ")
}

// keyText is the record key of a row, "" where it has none.
func (r *record) keyText(alias string) string {
	k := r.key.source.clean(alias)
	if r.key.spec.Upper {
		k = "UPPER(" + k + ")"
	}
	if r.key.spec.Prefix != "" {
		k = "CONCAT(" + literal(r.key.spec.Prefix) + ", " + k + ")"
	}
	return "COALESCE(" + k + ", '')"
}

func insertInto(to Target) string {
	return "INSERT INTO " + ident(to.Database) + "." + ident(to.Table) + " (record_type, record_key, op, payload)"
}

func (r *record) insertDel(to Target, alias string) string {
	return insertInto(to) + " VALUES ('" + r.typ.Name + "', " + r.keyText(alias) + ", 'del', NULL);"
}

// renamed publishes the end of the old key where an update gave the row another one.
func (r *record) renamed(to Target) []string {
	out := []string{"IF " + r.alive("OLD") + " AND " + r.keyText("OLD") + " <> " + r.keyText("NEW") + " THEN"}
	for _, l := range append(r.lock("OLD."+ident(r.row.name)), r.insertDel(to, "OLD")) {
		out = append(out, "  "+l)
	}
	return append(out, "END IF;")
}

// lock takes the agreed row of a record that several tables make. It is a row of a table of its own: locking the main table's would make
// statements fail that read it and change a joined one (error 1442), and finds nothing where the joined row comes first.
func (r *record) lock(row string) []string {
	if len(r.joins) == 0 {
		return nil
	}
	return []string{"INSERT INTO " + ident(r.lockTable()) + " VALUES (" + row + ", 1) ON DUPLICATE KEY UPDATE n = n + 1;"}
}

// procedure is the definition after the name: it locks, reads, converts and inserts.
func (r *record) procedure(to Target) string {
	s := &script{}
	var vars []string
	for i := range r.fields {
		vars = append(vars, fmt.Sprintf("v%d", i+1))
	}
	s.line("(IN p %s)", r.row.declared())
	s.line("MODIFIES SQL DATA")
	s.block("body: BEGIN", func() {
		s.line("DECLARE found, alive, done INT DEFAULT 0;")
		s.line("DECLARE k, list, parts, item, object, %s LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;", strings.Join(vars, ", "))
		for i, f := range r.fields {
			if f.rows != nil {
				for n := range f.fields {
					s.line("DECLARE v%dx%d LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;", i+1, n+1)
				}
			}
		}
		for i, f := range r.fields {
			if f.rows != nil {
				s.line("DECLARE c%d CURSOR FOR %s;", i+1, f.selectRows(r))
			}
		}
		s.line("DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = 1;")
		s.line("IF p IS NULL THEN LEAVE body; END IF;")
		s.lines(r.lock("p"))
		r.selectOne(s, vars)
		s.block("IF found AND NOT alive THEN", func() {
			s.line("%s VALUES ('%s', k, 'del', NULL);", insertInto(to), r.typ.Name)
		}, "ELSEIF found THEN")
		s.depth++
		for i, f := range r.fields {
			switch {
			case f.spec.Value != nil:
				s.line("SET %s = %s;", vars[i], literal(*f.spec.Value))
			case f.rows != nil:
				f.readRows(s, i+1)
			case f == r.key:
				s.line("SET %s = NULLIF(k, '');", vars[i])
			default:
				s.lines(f.convert(vars[i]))
			}
		}
		var members []string
		for i, f := range r.fields {
			members = append(members, member(f.member, vars[i]))
		}
		s.line("%s VALUES ('%s', k, 'put', CONCAT('{', CONCAT_WS(',',", insertInto(to), r.typ.Name)
		s.line("  %s), '}'));", strings.Join(members, ",\n  "+strings.Repeat("  ", s.depth)))
		s.depth--
		s.line("END IF;")
	}, "END")
	return s.text()
}

// selectOne reads the row and the single rows joined to it, as they are committed now.
func (r *record) selectOne(s *script, vars []string) {
	columns, into := []string{"1", r.alive("h"), r.keyText("h")}, []string{"found", "alive", "k"}
	for i, f := range r.fields {
		if f.source.column == nil || f == r.key {
			continue
		}
		alias := "h"
		if f.join != nil {
			alias = f.join.alias
		}
		columns, into = append(columns, f.source.clean(alias)), append(into, vars[i])
	}
	s.line("SELECT %s", strings.Join(columns, ",\n    "+strings.Repeat("  ", s.depth)))
	s.line("  INTO %s", strings.Join(into, ", "))
	from := "FROM " + ident(r.main.name) + " h"
	for _, j := range r.joins {
		if j.single {
			from += " LEFT JOIN " + ident(j.table.name) + " " + j.alias + " ON " + j.linked(r)
		}
	}
	s.line("  %s WHERE h.%s = p LOCK IN SHARE MODE;", from, ident(r.row.name))
}

// linked is the condition that a joined row belongs to the row p, in the joined column's own collation: two collations do not compare.
func (j *join) linked(r *record) string {
	p := "p"
	if j.on.charset != "" && (j.on.charset != r.row.charset || j.on.collation != r.row.collation) {
		p = "CONVERT(p USING " + j.on.charset + ") COLLATE " + j.on.collation
	}
	return j.alias + "." + ident(j.on.name) + " = " + p
}

// selectRows is the query of the rows that make an array.
func (f *field) selectRows(r *record) string {
	var columns []string
	for _, e := range f.fields {
		if e.source.column == nil {
			columns = append(columns, "NULL")
		} else {
			columns = append(columns, e.source.clean(f.rows.alias))
		}
	}
	q := "SELECT " + strings.Join(columns, ", ") + " FROM " + ident(f.rows.table.name) + " " + f.rows.alias + " WHERE " + f.rows.linked(r)
	if f.only != nil {
		q += " AND " + f.only.holds(f.rows.alias)
	}
	order := []string{}
	for _, c := range append([]*column{f.order}, f.rows.table.primaryColumns()...) {
		if c != nil {
			order = append(order, f.rows.alias+"."+ident(c.name))
		}
	}
	if len(order) > 0 {
		q += " ORDER BY " + strings.Join(order, ", ")
	}
	return q + " LOCK IN SHARE MODE"
}

// primaryColumns makes the order of rows the same every time.
func (t *table) primaryColumns() (out []*column) {
	if x := t.indexes["PRIMARY"]; x != nil {
		for _, name := range x.columns {
			out = append(out, t.columns[slices.IndexFunc(t.columns, func(c *column) bool { return c.name == name })])
		}
	}
	return out
}

// readRows turns the rows of a join into an array of objects, left out where there are none.
func (f *field) readRows(s *script, n int) {
	var vars, members []string
	for i, e := range f.fields {
		v := fmt.Sprintf("v%dx%d", n, i+1)
		vars, members = append(vars, v), append(members, member(e.member, v))
	}
	s.line("SET list = NULL, done = 0;")
	s.line("OPEN c%d;", n)
	s.block(fmt.Sprintf("c%d_rows: LOOP", n), func() {
		s.line("FETCH c%d INTO %s;", n, strings.Join(vars, ", "))
		s.line("IF done OR LENGTH(list) > %d THEN LEAVE c%d_rows; END IF;", maxPayload, n)
		for i, e := range f.fields {
			if e.spec.Value != nil {
				s.line("SET %s = %s;", vars[i], literal(*e.spec.Value))
			} else {
				s.lines(e.convert(vars[i]))
			}
		}
		s.line("SET object = CONCAT('{', CONCAT_WS(',', %s), '}');", strings.Join(members, ", "))
		s.line("SET list = CONCAT_WS(',', list, object), done = 0;")
	}, "END LOOP;")
	s.line("CLOSE c%d;", n)
	s.line("SET v%d = CONCAT('[', list, ']');", n)
}
