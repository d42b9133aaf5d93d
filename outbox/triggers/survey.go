package triggers

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

const (
	surveyRows   = 1_000_000 // rows of a table that are looked at
	surveyShown  = 5         // values shown of a field
	surveyCut    = 20        // characters of a value shown
	surveyValues = 1000      // different values judged
)

// Survey looks at the values the tables hold now and reports those that the map leaves without translation: codes that are none, and dates
// in no known form. Records with such values would be rejected one by one. It reads at most a million rows of each table, without locks.
func Survey(ctx context.Context, conn *sql.Conn, p *Plan) ([]Fault, error) {
	for _, st := range sessionSettings[:1] {
		if _, err := conn.ExecContext(ctx, st); err != nil {
			return nil, fmt.Errorf("triggers: survey: %w", err)
		}
	}
	var out []Fault
	for _, r := range p.records {
		for _, f := range r.fields {
			list := []*field{f}
			if f.rows != nil {
				list = f.fields
			}
			for _, e := range list {
				fault, err := p.surveyField(ctx, conn, r, e, f.rows)
				if err != nil {
					return nil, fmt.Errorf("triggers: survey %s: %w", e.path, err)
				}
				if fault != nil {
					out = append(out, *fault)
				}
			}
		}
	}
	return out, nil
}

func (p *Plan) surveyField(ctx context.Context, conn *sql.Conn, r *record, f *field, rows *join) (*Fault, error) {
	if f.source.column == nil || f.lookup != nil || f.spec.Otherwise != nil {
		return nil, nil
	}
	from := r.main
	if f.join != nil {
		from = f.join.table
	}
	where := ""
	if f.join == nil {
		where = " WHERE " + r.alive("h")
	}
	inner := fmt.Sprintf("(SELECT %s v FROM %s.%s h%s LIMIT %d) s", f.source.clean("h"), ident(p.Database), ident(from.name), where, surveyRows)
	var query string
	var known func(v string) bool
	code := CodeValues
	switch {
	case f.member.Kind == "boolean" && len(f.spec.Codes) == 0:
		known = func(v string) bool { return slices.Contains(trueWords, v) || slices.Contains(falseWords, v) }
	case len(f.member.Codes) > 0 || len(f.spec.Codes) > 0:
		known = func(v string) bool {
			_, ok := f.spec.Codes[v]
			return ok || slices.Contains(f.member.Codes, f.spec.Prefix+v) || len(f.member.Codes) == 0 && f.member.Kind != "boolean"
		}
	case f.member.Format == "date" || f.member.Format == "date-time":
		code = CodeDates
		known = func(string) bool { return false }
		query = "SELECT v, COUNT(*) FROM " + inner + " WHERE v IS NOT NULL AND v NOT REGEXP " + literal(dateForms) + " GROUP BY v"
	default:
		return nil, nil
	}
	if query == "" {
		query = "SELECT v, COUNT(*) FROM " + inner + " WHERE v IS NOT NULL GROUP BY v"
	}
	found, err := conn.QueryContext(ctx, query+fmt.Sprintf(" ORDER BY 2 DESC, 1 LIMIT %d", surveyValues))
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var shown []string
	values, count := 0, int64(0)
	for found.Next() {
		var v string
		var n int64
		if err := found.Scan(&v, &n); err != nil {
			return nil, err
		}
		if f.allKnown(v, known) {
			continue
		}
		values, count = values+1, count+n
		if len(shown) < surveyShown {
			shown = append(shown, cut(v))
		}
	}
	if err := found.Err(); err != nil || values == 0 {
		return nil, err
	}
	zhWhat, enWhat := "没有对应的代码", "without translation"
	if code == CodeDates {
		zhWhat, enWhat = "不是能识别的日期", "that are no known form of a date"
	}
	return &Fault{code, f.path,
		fmt.Sprintf("「%s」有 %d 种值（%d 行）%s：“%s”", f.member.Title, values, count, zhWhat, strings.Join(shown, "”、“")),
		fmt.Sprintf("%s has %d values (%d rows) %s: %q", f.member.Name, values, count, enWhat, shown)}, nil
}

// allKnown judges a value, or each element of a list.
func (f *field) allKnown(v string, known func(string) bool) bool {
	if f.spec.Split == "" {
		return known(f.cased(v))
	}
	for e := range strings.SplitSeq(v, f.spec.Split) {
		if e = strings.Trim(e, " "); e != "" && !known(f.cased(e)) {
			return false
		}
	}
	return true
}

func (f *field) cased(v string) string {
	if f.spec.Upper {
		return strings.ToUpper(v)
	}
	return v
}

func cut(v string) string {
	r := []rune(strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, v))
	if len(r) > surveyCut {
		return string(r[:surveyCut]) + "…"
	}
	return string(r)
}
