package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"

	"fayi/cmd/fayi/internal/demodata"
	"fayi/gateway/federation"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/schemas"
)

// judge fills in the result: figures from the nodes, and everything in them
// that disagrees with the records that were put in.
func (d *Demo) judge(ctx context.Context, res *Result, before map[place]store.Tally, rejectedBefore map[string]uint64, records iter.Seq[demodata.Record]) (err error) {
	fault := func(format string, args ...any) { res.Faults = append(res.Faults, fmt.Sprintf(format, args...)) }
	after, err := d.counts(ctx)
	if err != nil {
		return err
	}
	got := map[string]demodata.Counts{}
	fresh := map[string]bool{}
	for _, m := range d.Federation.Members {
		fresh[m.ID] = true
	}
	types := map[string]TypeResult{}
	for at, a := range after {
		b := before[at]
		fresh[at.node] = fresh[at.node] && b == store.Tally{}
		n, t := got[at.node], types[at.recordType]
		n.Accepted += int(a.Accepted - b.Accepted)
		n.Rejected += int(a.Rejected - b.Rejected)
		n.Unchanged += int(a.Unchanged - b.Unchanged)
		n.Published = n.Accepted + n.Rejected + n.Unchanged
		t.Accepted += a.Accepted - b.Accepted
		t.Rejected += a.Rejected - b.Rejected
		t.Unchanged += a.Unchanged - b.Unchanged
		got[at.node], types[at.recordType] = n, t
	}
	res.Types = []TypeResult{}
	for _, name := range slices.Sorted(maps.Keys(types)) {
		t := types[name]
		t.Type = name
		if t.Accepted+t.Rejected+t.Unchanged > 0 {
			res.Types = append(res.Types, t)
		}
	}
	for id, want := range demodata.Expected(records) {
		got := got[id]
		res.Published += want.Published
		res.Accepted += got.Accepted
		res.Rejected += got.Rejected
		res.Unchanged += got.Unchanged
		if got.Published != want.Published || got.Rejected != want.Rejected {
			fault("%s: published %d, rejected %d; the records say %d and %d", id, got.Published, got.Rejected, want.Published, want.Rejected)
		}
		// A second run on the same folder finds what the first left.
		if fresh[id] && got != want {
			fault("%s: %+v; the records say %+v", id, got, want)
		}
	}
	if err := d.judgeRejected(ctx, res, rejectedBefore, records, fault); err != nil {
		return err
	}
	faults, segments, err := d.Federation.Verify(ctx)
	if err != nil {
		return err
	}
	for _, f := range faults {
		fault("%s %s: %s", f.Node, f.Stream, f.What)
	}
	res.Segments = segments
	if res.Nodes, err = d.nodeResults(ctx); err != nil {
		return err
	}
	res.Verified = len(res.Faults) == 0
	return nil
}

// judgeRejected compares, node by node and in the order they were published,
// the bad records put in with the rejected rows and their first reason. Urgent
// types are judged ahead of others, so the order of rejection is another.
func (d *Demo) judgeRejected(ctx context.Context, res *Result, since map[string]uint64, records iter.Seq[demodata.Record], fault func(string, ...any)) error {
	bad := map[string][]demodata.Record{}
	for r := range records {
		if r.Bad != nil {
			bad[r.Node] = append(bad[r.Node], r)
		}
	}
	reasons := map[string]*Reason{}
	for _, m := range d.Federation.Members {
		rows, err := rejectedAfter(ctx, m, since[m.ID])
		if err != nil {
			return err
		}
		slices.SortFunc(rows, func(a, b outbox.Rejected) int { return cmp.Compare(a.Row.ID, b.Row.ID) })
		want := bad[m.ID]
		if len(rows) != len(want) {
			fault("%s: %d rejected rows for %d bad records", m.ID, len(rows), len(want))
		}
		for i := range min(len(rows), len(want)) {
			row, rec := rows[i], want[i]
			var faults schemas.Faults
			if err := json.Unmarshal(row.Faults, &faults); err != nil || len(faults) == 0 {
				fault("%s: rejected row %d has no readable reason", m.ID, row.ID)
				continue
			}
			// Where broken JSON was given up is the scanner's word, not the record's.
			elsewhere := faults[0].Pointer != rec.Bad.Pointer && rec.Bad.Code != schemas.CodeJSON
			if string(row.Row.Key) != rec.Key || faults[0].Code != rec.Bad.Code || elsewhere {
				fault("%s: row %d rejected with %s at %q; put in was %s at %q", m.ID, row.ID, faults[0].Code, faults[0].Pointer, rec.Bad.Code, rec.Bad.Pointer)
			}
			r := reasons[rec.Bad.Why]
			if r == nil {
				r = &Reason{Code: faults[0].Code, Why: rec.Bad.Why, WhyEN: faults[0].MessageEN}
				reasons[rec.Bad.Why] = r
			}
			r.Count++
		}
	}
	res.Reasons = []Reason{}
	for _, r := range reasons {
		res.Reasons = append(res.Reasons, *r)
	}
	slices.SortFunc(res.Reasons, func(a, b Reason) int { return cmp.Or(b.Count-a.Count, cmp.Compare(a.Why, b.Why)) })
	return nil
}

func rejectedAfter(ctx context.Context, m *federation.Member, after uint64) (out []outbox.Rejected, err error) {
	for {
		rows, err := outbox.ListRejected(ctx, m.Store.DB(), m.Store.Dialect(), outbox.Filter{Source: "main", AfterID: after, Limit: 1000})
		if err != nil || len(rows) == 0 {
			return out, err
		}
		out = append(out, rows...)
		after = rows[len(rows)-1].ID
	}
}

func (d *Demo) lastRejected(ctx context.Context) (map[string]uint64, error) {
	out := map[string]uint64{}
	for _, m := range d.Federation.Members {
		rows, err := rejectedAfter(ctx, m, 0)
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 {
			out[m.ID] = rows[len(rows)-1].ID
		}
	}
	return out, nil
}
