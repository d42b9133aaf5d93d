package sequencer

import (
	"context"
	"maps"
	"slices"
	"sync"

	"fayi/gateway/replicate"
	"fayi/outbox"
)

// lane is the part of a source's record types that one loop of [Sequencer.Run] seals. Urgent types (hotline, hand-offs)
// have a loop of their own, so that a backlog of the others is not before them; their streams are others, so the two
// never meet at a head (design §5).
type lane int

const (
	all lane = iota
	urgent
	ordinary
)

// urgentTypes are the urgent types the source may publish.
func (s *Sequencer) urgentTypes() (out []string) {
	for _, t := range s.Schemas().Types() {
		if t.Urgent() && !t.System() && (slices.Contains(s.Source.Types, "*") || slices.Contains(s.Source.Types, t.Name())) {
			out = append(out, t.Name())
		}
	}
	return out
}

// mine tells whether a record type is of the lane.
func (s *Sequencer) mine(recordType string) bool {
	return s.lane == all || slices.Contains(s.urgentTypes(), recordType) == (s.lane == urgent)
}

// limit is what one round of the lane reads; none says that there is nothing to read.
func (s *Sequencer) limit() (lim outbox.Limit, none bool) {
	lim = outbox.Limit{Rows: roundRows, Bytes: roundBytes, Skip: s.foreign.skip()}
	switch s.lane {
	case urgent:
		lim.Types = s.urgentTypes()
		return lim, len(lim.Types) == 0
	case ordinary:
		lim.Except = s.urgentTypes()
	}
	return lim, false
}

// Run calls Round until ctx ends, in a loop of its own for the urgent types of a source in the node's database. Lease says
// whether this process is the one to work; failing to hold it only saves wasted work. Each time it comes to hold it, lead, if not
// nil, is called until it succeeds, before anything is sealed.
func (s *Sequencer) Run(ctx context.Context, lease func() bool, lead Lead) {
	if s.Source.Name == replicate.OwnSource || s.foreign != nil {
		s.loop(ctx, lease, lead)
		return
	}
	var wg sync.WaitGroup
	for _, l := range []lane{urgent, ordinary} {
		part := *s
		part.lane, part.nextGen = l, maps.Clone(s.nextGen)
		wg.Go(func() { part.loop(ctx, lease, lead) })
	}
	wg.Wait()
}
