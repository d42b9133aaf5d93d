package outbox

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// All differences between the dialects are in this file.

// columns lists what [Reader.scan] scans: the payload only if it has at most longest bytes and its row's id is above skipped (0: any).
// Values are asked for as bytes, so that the character set of the caller's session cannot change them.
func (d Dialect) columns(longest int64, skipped uint64) string {
	payload := "NULL"
	if longest > 0 {
		cond := fmt.Sprintf("%s <= %d", d.size("payload"), longest)
		if skipped > 0 {
			cond += " AND id > " + d.id(skipped)
		}
		payload = "CASE WHEN " + cond + " THEN " + d.bytes("payload") + " END"
	}
	return strings.Join([]string{"id", d.bytes("record_type"), d.bytes("record_key"), d.bytes("op"), payload, d.size("payload"), d.bytes("flags"),
		d.time("created")}, ", ")
}

// bytes is a column's value as stored. Joined to a binary string it becomes one; CAST(… AS BINARY) gives the same but copies a text letter
// by letter, a third of what reading a row of 1.5 KB cost.
func (d Dialect) bytes(column string) string {
	if d == SQLite {
		return "CAST(" + column + " AS BLOB)"
	}
	return "CONCAT(" + column + ", CAST('' AS BINARY))"
}

// size is a column's length in bytes. SQLite's length() counts characters and stops at U+0000.
func (d Dialect) size(column string) string { return "octet_length(" + column + ")" }

// time is a time column in a form that [Dialect.parseTime] understands. UNIX_TIMESTAMP of a TIMESTAMP does not depend on the session's time zone,
// and gives 0 for a zero date.
func (d Dialect) time(column string) string {
	if d == SQLite {
		return "CAST(" + column + " AS BLOB)"
	}
	return "CAST(UNIX_TIMESTAMP(" + column + ") * 1000000 AS SIGNED)"
}

// sqliteTime is the contract's form of time, to the microsecond.
const sqliteTime = "2006-01-02T15:04:05.000000Z"

// sqliteLayouts are the forms of time that SQLite's own functions and common drivers write; without a zone they are UTC.
var sqliteLayouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999",
	"2006-01-02 15:04:05.999999999 -0700 MST", "2006-01-02"}

// parseTime turns what [Dialect.time] selected into UTC, cut to microseconds. ok is false, and the time the Unix epoch, where the value is
// no time between 1970 and 9999.
func (d Dialect) parseTime(raw []byte) (t time.Time, ok bool) {
	if d == MySQL {
		us, err := strconv.ParseInt(string(raw), 10, 64)
		t = time.UnixMicro(us).UTC()
		ok = err == nil
	} else {
		for _, layout := range sqliteLayouts {
			if p, err := time.Parse(layout, string(raw)); err == nil {
				t, ok = p.UTC().Truncate(time.Microsecond), true
				break
			}
		}
	}
	if !ok || t.UnixMicro() <= 0 || t.Year() > 9999 {
		return time.UnixMicro(0).UTC(), false
	}
	return t, true
}

// id is a row id as an SQL literal. SQLite ids are signed: a foreign client may have chosen a negative one.
func (d Dialect) id(id uint64) string {
	if d == SQLite {
		return strconv.FormatInt(int64(id), 10)
	}
	return strconv.FormatUint(id, 10)
}

// less is the order of ids in the database.
func (d Dialect) less(a, b uint64) bool {
	if d == SQLite {
		return int64(a) < int64(b)
	}
	return a < b
}

// idList is "1,2,3".
func (d Dialect) idList(ids []uint64) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(d.id(id))
	}
	return b.String()
}

// idIn is the condition that id is one of ids, which are in order. Runs without gaps become ranges: a range of 1,000 is read in half the time
// of a list. It is for reading only: a DELETE is never by range (F1).
func (d Dialect) idIn(ids []uint64) string {
	var b strings.Builder
	var single []uint64
	for i := 0; i < len(ids); {
		j := i + 1
		for j < len(ids) && ids[j] == ids[j-1]+1 {
			j++
		}
		if j-i < 3 {
			single = append(single, ids[i:j]...)
		} else {
			fmt.Fprintf(&b, "id BETWEEN %s AND %s OR ", d.id(ids[i]), d.id(ids[j-1]))
		}
		i = j
	}
	if len(single) == 0 {
		return strings.TrimSuffix(b.String(), " OR ")
	}
	return b.String() + "id IN (" + d.idList(single) + ")"
}

// asciiEquals compares a record_type column (or another ASCII one) with a parameter so that its index is used on any connection:
// against a binary literal MySQL would compare as binary and read the whole table.
func (d Dialect) asciiEquals(column string) string {
	if d == SQLite {
		return column + " = ?"
	}
	return column + " = CONVERT(? USING ascii) COLLATE ascii_bin"
}

// asciiAfter is asciiEquals for "greater than".
func (d Dialect) asciiAfter(column string) string {
	if d == SQLite {
		return column + " > ?"
	}
	return column + " > CONVERT(? USING ascii) COLLATE ascii_bin"
}

// keyEquals compares record_key with a parameter of bytes.
func (d Dialect) keyEquals() string {
	if d == SQLite {
		return "CAST(record_key AS BLOB) = ?"
	}
	return "record_key = ?"
}

// keyBegins compares the first n bytes of record_key with a parameter of bytes.
func (d Dialect) keyBegins(n int) string {
	if d == SQLite {
		return fmt.Sprintf("substr(CAST(record_key AS BLOB), 1, %d) = ?", n)
	}
	return fmt.Sprintf("LEFT(record_key, %d) = ?", n)
}

// forUpdate ends a locking read. An SQLite transaction that may write holds the only write lock already (_txlock=immediate).
func (d Dialect) forUpdate() string {
	if d == SQLite {
		return ""
	}
	return " FOR UPDATE"
}

// timeLiteral is a row's creation time as an SQL expression, the present if it has none. On MySQL it needs a session in UTC.
func (d Dialect) timeLiteral(r Row) string {
	switch {
	case d == SQLite && r.BadCreated:
		return "strftime('%Y-%m-%dT%H:%M:%fZ','now')"
	case d == SQLite:
		return "'" + r.Created.UTC().Format(sqliteTime) + "'"
	case r.BadCreated:
		return "CURRENT_TIMESTAMP(6)"
	}
	us := r.Created.UnixMicro()
	return fmt.Sprintf("FROM_UNIXTIME(%d.%06d)", us/1e6, us%1e6) // an exact decimal
}

// storable cuts a row to what the columns of exchange_rejected hold. Only a row of an engine laxer than MySQL, or of a session that is not
// strict, has anything to lose.
func (d Dialect) storable(r Row) Row {
	if d == SQLite {
		return r
	}
	ascii := func(s string, size int) string {
		b := []byte(s[:min(len(s), size)])
		for i := range b {
			if b[i] >= 0x80 {
				b[i] = '?'
			}
		}
		return string(b)
	}
	r.Type, r.Op = ascii(r.Type, 48), ascii(r.Op, 8)
	r.Key = r.Key[:min(len(r.Key), MaxKey)]
	if r.Payload != nil {
		r.Payload = bytes.ToValidUTF8(r.Payload, []byte("\uFFFD"))
	}
	return r
}

// copyRejected copies rows of an outbox into exchange_rejected; its parameters are code and faults of each. READ COMMITTED reads the outbox
// without locks, and by primary key. A zero date, which a strict session refuses to store, becomes the time of rejection.
func (d Dialect) copyRejected(source, table string, rs []Rejection) string {
	var b strings.Builder
	created := "o.created"
	if d == MySQL {
		created = "CASE WHEN UNIX_TIMESTAMP(o.created) = 0 THEN CURRENT_TIMESTAMP(6) ELSE o.created END"
	}
	b.WriteString("INSERT INTO exchange_rejected (source, row_id, record_type, record_key, op, payload, created, code, faults) SELECT '" + source +
		"', o.id, o.record_type, o.record_key, o.op, o.payload, " + created + ", v.code, v.faults FROM (")
	for i, r := range rs {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		b.WriteString("SELECT " + d.idColumn(r.Row.ID) + ", ? AS code, ? AS faults")
	}
	join := "STRAIGHT_JOIN "
	if d == SQLite {
		join = "CROSS JOIN " // SQLite keeps the order of a CROSS JOIN
	}
	b.WriteString(") v " + join + table + " o ON o.id = v.id ORDER BY o.id")
	return b.String()
}

// idColumn is an id as the column of a derived table, typed as the key it is joined with. A bit operation is BIGINT UNSIGNED; a bare
// literal, or CAST(… AS UNSIGNED), of ten digits is INT to MariaDB 10.11, which then cuts ids above 4,294,967,295 without a word.
func (d Dialect) idColumn(id uint64) string {
	if d == SQLite {
		return d.id(id) + " AS id"
	}
	return d.id(id) + "|0 AS id"
}

// deleteByID removes the rows, reaching each by primary key and asking that it was created when one of them was, since old engines use ids
// again (F3). A list of literals of several types, or without the index named, may be planned as a scan of the table, which waits for other
// people's open transactions (F1): every id is written as BIGINT UNSIGNED, see [Dialect.idColumn]. A join with a derived table of the rows
// cannot be a scan either, but costs 3 µs a row more.
func (d Dialect) deleteByID(table string, rows []Row) string {
	ids, times := make([]uint64, len(rows)), make([]int64, len(rows))
	for i, r := range rows {
		ids[i], times[i] = r.ID, r.Created.UnixMicro()
	}
	if d == SQLite { // one writer, and AUTOINCREMENT uses no id twice
		return "DELETE FROM " + table + " WHERE id IN (" + d.idList(ids) + ")"
	}
	slices.Sort(times)
	var b strings.Builder
	b.WriteString("DELETE o FROM " + table + " o FORCE INDEX (PRIMARY) WHERE o.id IN (")
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(d.id(id) + "|0")
	}
	b.WriteString(") AND " + d.time("o.created") + " IN (")
	for i, us := range slices.Compact(times) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(us, 10))
	}
	b.WriteByte(')')
	return b.String()
}
