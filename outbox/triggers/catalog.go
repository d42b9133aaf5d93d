package triggers

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// Catalog is what information_schema says of one database.
type Catalog struct {
	Database string
	tables   []*table
	triggers map[string]trigger // by name
	routines map[string]string  // name → PROCEDURE or FUNCTION
	cascades [][2]string        // child table, parent table: rows that go without firing a trigger
}

type table struct {
	name, engine, kind string
	columns            []*column
	indexes            map[string]*index
}

type column struct {
	name, data, full, charset, collation string
	nullable                             bool
}

type index struct {
	unique  bool
	columns []string
}

type trigger struct{ table, body string }

// ReadCatalog reads the catalogue of the connection's database, or of another one on its server.
func ReadCatalog(ctx context.Context, conn *sql.Conn, database string) (*Catalog, error) {
	c := &Catalog{triggers: map[string]trigger{}, routines: map[string]string{}}
	// The server's own spelling, not the caller's.
	err := conn.QueryRowContext(ctx, "SELECT schema_name FROM information_schema.schemata WHERE schema_name = COALESCE(NULLIF(?, ''), DATABASE())", database).Scan(&c.Database)
	if err != nil {
		return nil, fmt.Errorf("triggers: database %q: %w", database, err)
	}
	byName := map[string]*table{}
	read := func(query string, width int, each func(v []string)) {
		if err != nil {
			return
		}
		var rows *sql.Rows
		if rows, err = conn.QueryContext(ctx, query, c.Database); err != nil {
			return
		}
		defer rows.Close()
		v, dest := make([]sql.NullString, width), make([]any, width)
		for i := range v {
			dest[i] = &v[i]
		}
		text := make([]string, width)
		for rows.Next() {
			if err = rows.Scan(dest...); err != nil {
				return
			}
			for i := range v {
				text[i] = v[i].String
			}
			each(text)
		}
		err = rows.Err()
	}
	read("SELECT table_name, engine, table_type FROM information_schema.tables WHERE table_schema = ? ORDER BY table_name", 3, func(v []string) {
		t := &table{name: v[0], engine: v[1], kind: v[2], indexes: map[string]*index{}}
		c.tables, byName[t.name] = append(c.tables, t), t
	})
	read("SELECT table_name, column_name, data_type, column_type, character_set_name, collation_name, is_nullable FROM information_schema.columns"+
		" WHERE table_schema = ? ORDER BY table_name, ordinal_position", 7, func(v []string) {
		if t := byName[v[0]]; t != nil {
			t.columns = append(t.columns, &column{name: v[1], data: strings.ToLower(v[2]), full: v[3], charset: v[4], collation: v[5], nullable: v[6] == "YES"})
		}
	})
	read("SELECT table_name, index_name, non_unique, column_name, sub_part FROM information_schema.statistics WHERE table_schema = ?"+
		" ORDER BY table_name, index_name, seq_in_index", 5, func(v []string) {
		t := byName[v[0]]
		if t == nil {
			return
		}
		x := t.indexes[v[1]]
		if x == nil {
			x = &index{unique: v[2] == "0"}
			t.indexes[v[1]] = x
		}
		x.columns = append(x.columns, v[3])
		if v[4] != "" { // of a prefix: it proves nothing of the whole value
			x.unique = false
		}
	})
	read("SELECT trigger_name, event_object_table, action_statement FROM information_schema.triggers WHERE trigger_schema = ?", 3, func(v []string) {
		c.triggers[v[0]] = trigger{v[1], v[2]}
	})
	read("SELECT routine_name, routine_type FROM information_schema.routines WHERE routine_schema = ?", 2, func(v []string) {
		c.routines[v[0]] = v[1]
	})
	read("SELECT table_name, referenced_table_name FROM information_schema.referential_constraints WHERE constraint_schema = ?"+
		" AND (delete_rule IN ('CASCADE', 'SET NULL') OR update_rule IN ('CASCADE', 'SET NULL'))", 2, func(v []string) {
		c.cascades = append(c.cascades, [2]string{v[0], v[1]})
	})
	if err != nil {
		return nil, fmt.Errorf("triggers: read the catalogue: %w", err)
	}
	return c, nil
}

// table finds a table by the name in a map: exactly, or else without regard to case if that is one table only.
func (c *Catalog) table(name string) *table {
	return find(c.tables, name, func(t *table) string { return t.name })
}

func (t *table) column(name string) *column {
	return find(t.columns, name, func(c *column) string { return c.name })
}

func find[T any](list []*T, name string, of func(*T) string) (found *T) {
	for _, x := range list {
		switch {
		case of(x) == name:
			return x
		case strings.EqualFold(of(x), name) && found != nil:
			return nil
		case strings.EqualFold(of(x), name):
			found = x
		}
	}
	return found
}

// unique reports whether one value of the column is one row.
func (t *table) unique(column string) bool {
	for _, x := range t.indexes {
		if x.unique && slices.Equal(x.columns, []string{column}) {
			return true
		}
	}
	return false
}

// indexed reports whether rows are found by the column without a scan.
func (t *table) indexed(column string) bool {
	for _, x := range t.indexes {
		if x.columns[0] == column {
			return true
		}
	}
	return false
}

// primary is the only column of the primary key, "" if there is none or it has several.
func (t *table) primary() string {
	if x := t.indexes["PRIMARY"]; x != nil && len(x.columns) == 1 {
		return x.columns[0]
	}
	return ""
}

// OutboxThere reports whether the outbox the triggers write to exists.
func OutboxThere(ctx context.Context, conn *sql.Conn, to Target) (bool, error) {
	var n int
	err := conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = ? AND table_name = ?"+
		" AND column_name IN ('record_type', 'record_key', 'op', 'payload')", to.Database, to.Table).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("triggers: look for the outbox: %w", err)
	}
	return n == 4, nil
}
