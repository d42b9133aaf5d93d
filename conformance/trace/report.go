package trace

import (
	"fmt"
	"strings"
)

// Invariant is a number from docs/invariants.md.
type Invariant int

// The invariants checked so far.
const (
	I1 Invariant = iota + 1 // a committed row is in exactly one place, a rolled-back one nowhere
	I2                      // numbers are dense
	I3                      // each segment names the one before it
	I4                      // one header for one place
	I5                      // copies agree as far as they go
	I6                      // nothing leaves that is not committed
	I7                      // a key's lines are in the order of its transactions
	I8                      // each line is applied once, in order
	I9                      // consumers end where the business does
	last
)

// Invariants lists all that [Check] checks.
func Invariants() []Invariant {
	var out []Invariant
	for i := I1; i < last; i++ {
		out = append(out, i)
	}
	return out
}

func (i Invariant) String() string { return fmt.Sprintf("I%d", int(i)) }

// Violation is one observation that an invariant forbids. Stream is empty
// where it concerns none.
type Violation struct {
	Invariant    Invariant
	Node, Stream string
	What         string
}

func (v Violation) String() string {
	return strings.TrimSuffix(fmt.Sprintf("%v at %s: %s [%s]", v.Invariant, v.Node, v.What, v.Stream), " []")
}

// maxShown bounds the violations of one invariant that are described.
const maxShown = 50

// Report is the verdict.
type Report struct {
	Violations []Violation       // at most 50 of each invariant
	Broken     map[Invariant]int // how many there were
	// Checked counts what each invariant looked at: rows (I1), segments (I2, I3),
	// places seen more than once (I4), segments held twice (I5), own segments
	// sent (I6), lines after another of their key (I7), applied lines and
	// deliveries (I8), keys (I9).
	Checked map[Invariant]int
}

// Clean reports whether nothing was found and every invariant had something to
// look at.
func (r *Report) Clean() bool { return len(r.Violations) == 0 && len(r.Unseen()) == 0 }

// Unseen lists the invariants that had nothing to look at.
func (r *Report) Unseen() []Invariant {
	var out []Invariant
	for _, i := range Invariants() {
		if r.Checked[i] == 0 {
			out = append(out, i)
		}
	}
	return out
}

// String is one line of counts and one for each violation.
func (r *Report) String() string {
	var sb strings.Builder
	sb.WriteString("checked")
	for _, i := range Invariants() {
		fmt.Fprintf(&sb, " %v:%d", i, r.Checked[i])
		if n := r.Broken[i]; n > 0 {
			fmt.Fprintf(&sb, "(%d broken)", n)
		}
	}
	for _, v := range r.Violations {
		fmt.Fprintf(&sb, "\n%v", v)
	}
	return sb.String()
}

func (r *Report) found(i Invariant, node, stream, format string, args ...any) {
	if r.Broken[i]++; r.Broken[i] <= maxShown {
		r.Violations = append(r.Violations, Violation{i, node, stream, fmt.Sprintf(format, args...)})
	}
}
