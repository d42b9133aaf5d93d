package triggers

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// ident quotes an identifier of the catalogue.
func ident(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// literal is text as an SQL literal, whatever the session's sql_mode makes of a backslash.
func literal(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r == '\\' || r == unicode.ReplacementChar || unicode.IsControl(r) }) {
		return "_utf8mb4 x'" + hex.EncodeToString([]byte(s)) + "'"
	}
	return "_utf8mb4'" + strings.ReplaceAll(s, "'", "''") + "'"
}

func literals(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = literal(s)
	}
	return strings.Join(out, ", ")
}

const bin = " COLLATE utf8mb4_bin"

// Kinds of columns by what becomes of them.
var (
	textTypes   = []string{"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"}
	numberTypes = []string{"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "year"}
	dateTypes   = []string{"date", "datetime", "time", "json"}
	binaryTypes = []string{"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
)

// source is a column of a table as a value: quoted, with its alias, and what its bytes are.
type source struct {
	column  *column
	charset string // what the map says the bytes are; "" for what the catalogue says
}

// usable tells whether the column has a form as text.
func (s source) usable() bool {
	switch d := s.column.data; {
	case slices.Contains(textTypes, d), slices.Contains(numberTypes, d), slices.Contains(dateTypes, d), d == "timestamp", d == "bit":
		return true
	case slices.Contains(binaryTypes, d):
		return s.charset != ""
	}
	return false
}

// text is the column's value as UTF-8 text under alias, NULL where it is NULL. A TIMESTAMP is given in Beijing time whatever zone the
// session has; a DATETIME is taken to be in it.
func (s source) text(alias string) string {
	v := alias + "." + ident(s.column.name)
	switch d := s.column.data; {
	case s.charset != "":
		return "CONVERT(CONVERT(CAST(" + v + " AS BINARY) USING " + s.charset + ") USING utf8mb4)" + bin
	case slices.Contains(textTypes, d):
		return "CONVERT(" + v + " USING utf8mb4)" + bin
	case d == "bit":
		v += " + 0"
	case d == "timestamp":
		v = "DATE_ADD('1970-01-01 08:00:00', INTERVAL NULLIF(UNIX_TIMESTAMP(" + v + "), 0) SECOND)"
	}
	return "CAST(" + v + " AS CHAR CHARACTER SET utf8mb4)" + bin
}

// clean is text without outer spaces, ASCII or ideographic, NULL where nothing is left.
func (s source) clean(alias string) string {
	return "NULLIF(TRIM(TRIM(BOTH _utf8mb4 x'e38080' FROM TRIM(" + s.text(alias) + "))), '')"
}

// same tells whether the column has the same bytes in OLD and NEW: a collation must not hide a change.
func (s source) same() string {
	c := ident(s.column.name)
	if slices.Contains(textTypes, s.column.data) || s.column.data == "json" {
		return "CAST(OLD." + c + " AS BINARY) <=> CAST(NEW." + c + " AS BINARY)"
	}
	return "OLD." + c + " <=> NEW." + c
}

// matched is a text value in the character set of the column it is compared with, so that the column's index is used.
func (s source) matched(v string) string {
	switch {
	case s.charset != "" && s.column.charset != "":
		return "CONVERT(CAST(CONVERT(" + v + " USING " + s.charset + ") AS BINARY) USING " + s.column.charset + ")"
	case s.column.charset != "":
		return "CONVERT(" + v + " USING " + s.column.charset + ")"
	}
	return v
}

// declared is the column's type for a parameter or a column of another table.
func (c *column) declared() string {
	if c.charset == "" {
		return c.full
	}
	return c.full + " CHARACTER SET " + c.charset + " COLLATE " + c.collation
}

// condition is a When under an alias; never NULL.
type condition struct {
	source
	values []string
}

func (c *condition) holds(alias string) string {
	if len(c.values) == 0 {
		return "COALESCE(" + c.clean(alias) + " NOT LIKE '0000-00-00%', FALSE)"
	}
	return "COALESCE(" + c.clean(alias) + " IN (" + literals(c.values) + "), FALSE)"
}

// Words that mean true and false where a map says nothing else.
var trueWords, falseWords = []string{"1", "true", "TRUE", "是", "有", "Y", "y"}, []string{"0", "false", "FALSE", "否", "无", "N", "n"}

// dateForms is what fayi_time understands, as a REGEXP of both families.
const dateForms = "^([0-9]{4}[-/.年][0-9]{1,2}[-/.月][0-9]{1,2}日?|[0-9]{8})([ T]+[0-9]{1,2}([:时][0-9]{1,2}([:分][0-9]{1,2})?)?[分秒]?([.][0-9]+)?)?$|^[0-9]{14}$"

// member turns a variable that holds the converted text into the JSON of its member; NULL leaves it out.
func member(m *Member, v string) string {
	name := `CONCAT('"` + m.Name + `":', `
	switch m.Kind {
	case "boolean":
		return name + "IF(" + v + " IN ('true', 'false'), " + v + ", JSON_QUOTE(" + v + ")))"
	case "integer", "number":
		return name + "IF(" + v + " REGEXP '^-?(0|[1-9][0-9]{0,14})$', " + v + ", JSON_QUOTE(" + v + ")))"
	case "array":
		return name + v + ")"
	}
	return name + "JSON_QUOTE(" + v + "))"
}

// convert lists the statements that turn what the column holds into what the record holds. An empty value stays empty, unless the map
// translates "".
func (f *field) convert(v string) (out []string) {
	body := f.filled(v)
	if empty, ok := f.spec.Codes[""]; ok {
		body = append(body, "ELSE", "SET "+v+" = "+literal(empty)+";")
	}
	if len(body) == 0 {
		return nil
	}
	out = append(out, "IF "+v+" IS NOT NULL THEN")
	for _, s := range body {
		if s != "ELSE" {
			s = "  " + s
		}
		out = append(out, s)
	}
	out = append(out, "END IF;")
	return out
}

func (f *field) filled(v string) []string {
	if f.spec.Split != "" {
		return f.elements(v)
	}
	out := f.translate(v)
	switch {
	case f.member.Kind == "boolean" && len(f.spec.Codes) == 0 && f.spec.Lookup == nil:
		out = append(out, fmt.Sprintf("SET %s = CASE WHEN %s IN (%s) THEN 'true' WHEN %s IN (%s) THEN 'false' ELSE %s END;",
			v, v, literals(trueWords), v, literals(falseWords), f.otherwise(v)))
	case f.member.Kind == "integer" || f.member.Kind == "number" || strings.HasPrefix(f.member.Format, "decimal-"):
		out = append(out, fmt.Sprintf("IF %s REGEXP '^-?[0-9]+[.][0-9]+$' THEN SET %s = TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM %s)); END IF;", v, v, v))
	case f.member.Format == "date":
		out = append(out, fmt.Sprintf("SET %s = %s(%s, 'd');", v, timeFunction, v))
	case f.member.Format == "date-time":
		out = append(out, fmt.Sprintf("SET %s = %s(%s, 't');", v, timeFunction, v))
	}
	return out
}

// elements turns a list in one column into a JSON array, each element translated.
func (f *field) elements(v string) []string {
	sep := literal(f.spec.Split)
	out := []string{
		"SET parts = NULL;",
		"WHILE " + v + " <> '' DO",
		"  SET item = NULLIF(TRIM(SUBSTRING_INDEX(" + v + ", " + sep + ", 1)), '');",
		"  SET " + v + " = IF(LOCATE(" + sep + ", " + v + ") = 0, '', SUBSTRING(" + v + ", LOCATE(" + sep + ", " + v + ") + CHAR_LENGTH(" + sep + ")));",
		"  IF item IS NOT NULL THEN",
	}
	for _, s := range f.translate("item") {
		out = append(out, "    "+s)
	}
	return append(out, "    SET parts = CONCAT_WS(',', parts, JSON_QUOTE(item));", "  END IF;", "END WHILE;", "SET "+v+" = CONCAT('[', parts, ']');")
}

// translate is the part of convert that applies to each element of an array too.
func (f *field) translate(v string) (out []string) {
	if f.spec.Upper {
		out = append(out, fmt.Sprintf("SET %s = UPPER(%s);", v, v))
	}
	if len(f.spec.Codes) > 0 {
		b := "SET " + v + " = CASE " + v
		for _, from := range slices.Sorted(maps.Keys(f.spec.Codes)) {
			b += " WHEN " + literal(from) + " THEN " + literal(f.spec.Codes[from])
		}
		out = append(out, b+" ELSE "+f.otherwise(v)+" END;")
	}
	if f.lookup != nil {
		l := f.lookup
		out = append(out, fmt.Sprintf("SET %s = COALESCE((SELECT MIN(%s) FROM %s l WHERE l.%s = %s), %s);",
			v, l.take.clean("l"), ident(l.table.name), ident(l.match.column.name), l.match.matched(v), f.otherwise(v)))
	}
	if f.spec.Prefix != "" {
		out = append(out, fmt.Sprintf("SET %s = CONCAT(%s, %s);", v, literal(f.spec.Prefix), v))
	}
	return out
}

// otherwise is what a value without translation becomes.
func (f *field) otherwise(v string) string {
	switch o := f.spec.Otherwise; {
	case o == nil:
		return v
	case *o == "":
		return "NULL"
	default:
		return literal(*o)
	}
}
