package main

import (
	"fmt"
	"slices"
	"strings"

	"fayi/schemas"
)

// completeness counts which expected fields the valid records of each type lack.
type completeness struct{ list []typeCompleteness }

type typeCompleteness struct {
	Type     string         `json:"type"`
	Records  int            `json:"records"`
	Expected int            `json:"expected"` // fields of one record that are expected, not required
	Filled   int            `json:"filled"`   // of all records
	Rate     float64        `json:"rate"`     // filled of expected, 0 to 1
	Missing  []missingField `json:"missing"`  // most missed first

	typ *schemas.Type
}

type missingField struct {
	Field   string `json:"field"`
	Title   string `json:"title"`
	Records int    `json:"records"`
}

// add counts one valid record.
func (c *completeness) add(t *schemas.Type, data []byte) {
	missing, expected := t.Missing(data)
	if expected == 0 {
		return
	}
	i := slices.IndexFunc(c.list, func(f typeCompleteness) bool { return f.Type == t.Name() })
	if i < 0 {
		i = len(c.list)
		f := typeCompleteness{Type: t.Name(), Expected: expected, Missing: []missingField{}, typ: t}
		for _, field := range t.Fields() {
			if field.Expected {
				f.Missing = append(f.Missing, missingField{Field: field.Name, Title: field.Title})
			}
		}
		c.list = append(c.list, f)
	}
	f := &c.list[i]
	f.Records++
	f.Filled += expected - len(missing)
	for j := range f.Missing {
		if slices.Contains(missing, f.Missing[j].Field) {
			f.Missing[j].Records++
		}
	}
}

// done works out the rates and drops the fields nobody misses.
func (c *completeness) done() []typeCompleteness {
	for i := range c.list {
		f := &c.list[i]
		f.Rate = float64(f.Filled) / float64(f.Records*f.Expected)
		f.Missing = slices.DeleteFunc(f.Missing, func(m missingField) bool { return m.Records == 0 })
		slices.SortStableFunc(f.Missing, func(a, b missingField) int { return b.Records - a.Records })
	}
	return c.list
}

const shownMissing = 5

func (c *completeness) show(e *env) {
	for _, f := range c.done() {
		var zh, en []string
		for _, m := range f.Missing[:min(len(f.Missing), shownMissing)] {
			zh = append(zh, fmt.Sprintf("%s %d", m.Title, m.Records))
			en = append(en, fmt.Sprintf("%s %d", m.Field, m.Records))
		}
		tail, tailEN := "", ""
		if len(zh) > 0 {
			tail, tailEN = "；缺得最多的："+strings.Join(zh, "、"), "; most missed: "+strings.Join(en, ", ")
		}
		e.say("%s完整率 %.1f%%（应填 %d 项）%s", "%s is %.1f%% complete (%d fields expected)%s", e.text(f.typ.Title(), f.Type), f.Rate*100, f.Expected, e.text(tail, tailEN))
	}
}
