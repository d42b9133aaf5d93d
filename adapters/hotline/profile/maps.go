package profile

import (
	"fmt"

	"fayi/adapters/hotline/ticket"
)

// CodeUnmapped is the fault of a value that the profile's maps do not have.
const CodeUnmapped = "HO_UNMAPPED"

// Unmapped is a code that a map does not have. Codes are no personal data, so the
// error names it.
type Unmapped struct {
	Table, Code string
	Inbound     bool
}

func (u *Unmapped) Error() string {
	if u.Inbound {
		return fmt.Sprintf("their code %q is not in map %s", u.Code, u.Table)
	}
	return fmt.Sprintf("our code %q is not in map %s", u.Code, u.Table)
}

// codes are the maps of one profile as templates use them.
type codes struct {
	p   *Profile
	in  map[string]map[string]string
	out map[string]map[string]string
}

func newCodes(p *Profile) *codes {
	c := &codes{p: p, in: map[string]map[string]string{}, out: map[string]map[string]string{}}
	for name, m := range p.Maps {
		out, in := map[string]string{}, map[string]string{}
		for ours, theirs := range m.Out {
			out[ours] = theirs
			if m.In == nil && m.Coarser[ours] == "" {
				in[theirs] = ours
			}
		}
		for ours, instead := range m.Coarser {
			if _, own := out[ours]; !own {
				if theirs, ok := m.Out[instead]; ok {
					out[ours] = theirs
				}
			}
		}
		for theirs, ours := range m.In {
			in[theirs] = ours
		}
		c.in[name], c.out[name] = in, out
	}
	return c
}

// Out translates a code of ours. UNMAPPED classes go out as the profile says.
func (c *codes) Out(table, code string) (string, error) {
	if theirs, ok := c.out[table][code]; ok {
		return theirs, nil
	}
	if table == "class" && c.p.Class.Unmapped == "send" {
		return c.p.Class.Code, nil
	}
	return "", &Unmapped{Table: table, Code: clip(code, 64)}
}

// In translates a code of theirs; "" where the map says that unknown ones are
// only noted.
func (c *codes) In(table, code string) (string, error) {
	if ours, ok := c.in[table][code]; ok {
		return ours, nil
	}
	switch {
	case table == "class":
		return classUnmapped, nil
	case c.p.Maps[table].Unmapped == "note":
		return "", nil
	}
	return "", &Unmapped{Table: table, Code: clip(code, 64), Inbound: true}
}

const classUnmapped = "UNMAPPED"

// state translates a state of theirs, "" where it says nothing to us.
func (c *codes) state(theirs string) ticket.State { return ticket.State(c.in["state"][theirs]) }

func clip(s string, n int) string {
	r := []rune(s)
	return string(r[:min(len(r), n)])
}

// CodeIn translates a code of theirs by a map of the profile, "" where the map
// only notes unknown ones; CodeTo one of ours.
func (p *Profile) CodeIn(table, code string) (string, error) { return p.codes.In(table, code) }

// CodeTo translates a code of ours.
func (p *Profile) CodeTo(table, code string) (string, error) { return p.codes.Out(table, code) }
