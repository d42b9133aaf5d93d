package triggers

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Action says what a change does to an object.
type Action string

// The actions.
const (
	Create  Action = "create"
	Replace Action = "replace"
	Drop    Action = "drop"
	Keep    Action = "keep" // it is there and as it should be
)

// Change is what becomes of one object.
type Change struct {
	Kind   string `json:"kind"` // table, function, procedure, trigger
	Name   string `json:"name"`
	Table  string `json:"table,omitempty"` // a trigger's
	Action Action `json:"action"`
	sql    string
	was    string // the table a replaced trigger is on
}

// Script is a set of changes in the order in which they are safe: what is called is there before it is called and goes after; the
// triggers of all tables are switched at once, while nobody can write to these.
type Script struct {
	Database string   `json:"database"`
	Changes  []Change `json:"changes"`
}

// Todo reports whether anything would change.
func (s *Script) Todo() bool {
	return slices.ContainsFunc(s.Changes, func(c Change) bool { return c.Action != Keep })
}

// Changes compares the plan with the catalogue it was checked against.
func (p *Plan) Changes() *Script {
	s := &Script{Database: p.Database}
	wanted := map[string]bool{}
	for _, o := range p.objects() {
		wanted[o.name] = true
		c := Change{Kind: strings.ToLower(o.kind), Name: o.name, Table: o.table, Action: Create, sql: o.create}
		switch there, ok := p.catalog.triggers[o.name]; {
		case o.kind == "trigger" && ok && strings.Contains(there.body, "DEFAULT '"+o.hash+"'") && there.table == o.table:
			c.Action = Keep
		case o.kind == "trigger" && ok:
			c.Action, c.was = Replace, there.table
		case o.kind == "table" && p.catalog.table(o.name) != nil, p.catalog.routines[o.name] == o.kind:
			c.Action = Keep
		}
		s.Changes = append(s.Changes, c)
	}
	for _, r := range p.records {
		s.Changes = append(s.Changes, leftovers(p.catalog, r.name, wanted)...)
	}
	return s
}

// Removal drops everything that was made for these records, and what no record needs any more.
func Removal(cat *Catalog, m *Map) *Script {
	s := &Script{Database: cat.Database}
	for _, spec := range m.Records {
		name := spec.Name
		if name == "" {
			name = spec.Type
		}
		if recordName.MatchString(name) {
			s.Changes = append(s.Changes, leftovers(cat, name, nil)...)
		}
	}
	gone := map[string]bool{}
	for _, c := range s.Changes {
		gone[c.Name] = true
	}
	others := false
	for name, kind := range cat.routines {
		others = others || kind == "PROCEDURE" && strings.HasPrefix(name, "fayi_") && !gone[name]
	}
	if !others {
		for name, kind := range cat.routines {
			if kind == "FUNCTION" && timeName.MatchString(name) {
				s.Changes = append(s.Changes, Change{Kind: "function", Name: name, Action: Drop})
			}
		}
		if cat.table(progressTable) != nil {
			s.Changes = append(s.Changes, Change{Kind: "table", Name: progressTable, Action: Drop})
		}
	}
	return s
}

var timeName = regexp.MustCompile(`^fayi_time_[0-9a-f]{12}$`)

// leftovers are the objects of a record that are not wanted.
func leftovers(cat *Catalog, record string, wanted map[string]bool) (out []Change) {
	trigger := regexp.MustCompile(`^fayi_` + record + `_[0-9]+_a[iud]$`)
	procedure := regexp.MustCompile(`^fayi_` + record + `_[0-9a-f]{12}$`)
	for name, t := range cat.triggers {
		if trigger.MatchString(name) && !wanted[name] {
			out = append(out, Change{Kind: "trigger", Name: name, Table: t.table, Action: Drop})
		}
	}
	for name, kind := range cat.routines {
		if kind == "PROCEDURE" && procedure.MatchString(name) && !wanted[name] {
			out = append(out, Change{Kind: "procedure", Name: name, Action: Drop})
		}
	}
	if lock := "fayi_" + record + "_lock"; cat.table(lock) != nil && !wanted[lock] {
		out = append(out, Change{Kind: "table", Name: lock, Action: Drop})
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// sessionSettings are what the DDL is created under: they stay with triggers and routines. Without strict mode a value that does not fit is
// cut, never an error of the business; nobody waits longer than ten seconds for a table in use.
var sessionSettings = []string{"SET NAMES utf8mb4", "SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'", "SET SESSION lock_wait_timeout = 10"}

// statements is the script to run; empty if there is nothing to do.
func (s *Script) statements() []string {
	if !s.Todo() {
		return nil
	}
	out := append([]string{"USE " + ident(s.Database)}, sessionSettings...)
	var switched, tables, after []string
	for _, c := range s.Changes {
		name := ident(c.Name)
		switch {
		case c.Action == Keep:
		case c.Kind == "trigger":
			for _, t := range []string{c.Table, c.was} {
				if t != "" && !slices.Contains(tables, t) {
					tables = append(tables, t)
				}
			}
			if c.Action != Create {
				switched = append(switched, "DROP TRIGGER IF EXISTS "+name)
			}
			if c.Action != Drop {
				switched = append(switched, c.sql)
			}
		case c.Action == Drop:
			after = append(after, "DROP "+strings.ToUpper(c.Kind)+" IF EXISTS "+name)
		default:
			out = append(out, c.sql)
		}
	}
	if len(tables) > 0 {
		slices.Sort(tables)
		for i, t := range tables {
			tables[i] = ident(t) + " WRITE"
		}
		out = append(out, "LOCK TABLES "+strings.Join(tables, ", "))
		out = append(append(out, switched...), "UNLOCK TABLES")
	}
	return append(out, after...)
}

// Text is the script for the mariadb or mysql command line client.
func (s *Script) Text() string {
	var b strings.Builder
	b.WriteString("DELIMITER $$\n")
	for _, st := range s.statements() {
		b.WriteString(st + "\n$$\n")
	}
	b.WriteString("DELIMITER ;\n")
	return b.String()
}

// Apply runs the script. DDL is in no transaction: after an error, what was done stays and running it again does the rest; the triggers that
// were there stay until their tables are locked.
func Apply(ctx context.Context, conn *sql.Conn, s *Script) error {
	for _, st := range s.statements() {
		if _, err := conn.ExecContext(ctx, st); err != nil {
			_, _ = conn.ExecContext(context.WithoutCancel(ctx), "UNLOCK TABLES")
			first, _, _ := strings.Cut(st, "\n")
			return fmt.Errorf("triggers: %s: %w", first[:min(len(first), 120)], err)
		}
	}
	return nil
}
