package main

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"fayi/cmd/fayi/internal/config"
	"fayi/gateway/packs"
	"fayi/gateway/store"
	"fayi/schemas"
)

// shelf opens the packs a configuration knows; of a node without a database yet
// the program's and the folder's.
func (e *env) shelf(ctx context.Context, conf string) (*packs.Shelf, func(), error) {
	c, err := config.Load(conf)
	if err != nil {
		return nil, nil, err
	}
	st, err := e.migrated(ctx, c)
	if errors.Is(err, fs.ErrNotExist) {
		st, err = nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	end := func() {
		if st != nil {
			st.Close()
		}
	}
	s, err := c.Shelf(ctx, st, nil)
	if err != nil {
		end()
		return nil, nil, err
	}
	return s, end, nil
}

// packJSON is a pack that came, as -json shows it.
type packJSON struct {
	Pack     string    `json:"pack"`
	Version  string    `json:"version"`
	Origin   string    `json:"origin"` // node whose stream brought it; "" for the program's own
	State    string    `json:"state"`
	Code     string    `json:"code,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	ReasonEN string    `json:"reason_en,omitempty"`
	From     string    `json:"from,omitempty"` // days in force
	Until    string    `json:"until,omitempty"`
	InForce  bool      `json:"in_force"` // new records are judged by it today
	By       string    `json:"by,omitempty"`
	Seen     time.Time `json:"seen,omitzero"`
	Decided  time.Time `json:"decided,omitzero"`
	Digest   string    `json:"digest,omitempty"`
}

// packList describes the shelf: the program's pack first.
func packList(s *packs.Shelf) []packJSON {
	program := s.Program()
	out := []packJSON{{Pack: program.Name, Version: program.Version, State: packs.Adopted, From: program.From, Until: program.Until, InForce: inForce(s.Registry(), program)}}
	for _, p := range s.Packs() {
		why := p.Why()
		j := packJSON{Pack: p.Name, Version: p.Version, Origin: p.Origin, State: p.State, Code: p.Code, Reason: why.ZH, ReasonEN: why.EN, By: p.By,
			Seen: time.UnixMicro(p.Seen).UTC(), Digest: p.Digest.String()}
		if p.Decided > 0 {
			j.Decided = time.UnixMicro(p.Decided).UTC()
		}
		if p.Edition != nil {
			j.From, j.Until = p.Edition.From, p.Edition.Until
			j.InForce = p.State == packs.Adopted && inForce(s.Registry(), p.Edition)
		}
		out = append(out, j)
	}
	return out
}

// inForce tells whether some type of an edition judges new records today.
func inForce(r *schemas.Registry, e *schemas.Edition) bool {
	for _, t := range e.Types {
		if now, ok := r.Current(t.Name()); ok && !t.System() && now == t {
			return true
		}
	}
	return false
}

var stateText = map[string][2]string{
	packs.Arrived: {"待处理", "arrived"}, packs.Waiting: {"等待人工", "waits for a person"}, packs.Adopted: {"已采用", "adopted"},
	packs.Refused: {"不采用", "refused"}, packs.Braked: {"已退回", "taken back"}, packs.Known: {"仅校验", "judges only"}, packs.Invalid: {"无效", "invalid"},
}

// showPacks prints the packs that came, and what is to be done about them.
func (e *env) showPacks(list []packJSON) {
	rows := [][]string{{e.text("规范包", "PACK"), e.text("版本", "VERSION"), e.text("来自", "FROM"), e.text("状态", "STATE"), e.text("生效", "IN FORCE FROM"), e.text("说明", "WHY")}}
	waiting := false
	for _, p := range list {
		t := stateText[p.State]
		state := e.text(t[0], t[1])
		if p.InForce {
			state += e.text("，现行", ", in force")
		}
		why := e.text(p.Reason, p.ReasonEN)
		if p.Code != "" && p.State != packs.Adopted && p.State != packs.Refused {
			why = p.Code + " " + why
		}
		rows = append(rows, []string{p.Pack, p.Version, or(p.Origin, e.text("程序自带", "the program")), state, or(p.From, "-"), or(why, "-")})
		waiting = waiting || p.State == packs.Waiting || p.State == packs.Braked
	}
	e.table(rows)
	if waiting {
		e.say("有规范包等待人工决定：先用 fayi schema adopt -dry-run 查看影响，再用 adopt 采用或 refuse 不采用", "A pack waits for a person: see what it does with fayi schema adopt -dry-run, then adopt or refuse it")
	}
}

// packStore opens what commands that decide need: database, identity, shelf.
func (e *env) packStore(ctx context.Context, conf string) (*packs.Shelf, *store.Store, error) {
	st, c, err := e.openMigrated(ctx, conf)
	if err != nil {
		return nil, nil, err
	}
	id, err := c.Identity()
	if err != nil {
		st.Close()
		return nil, nil, err
	}
	s, err := c.Shelf(ctx, st, id.Store)
	if err != nil {
		st.Close()
		return nil, nil, err
	}
	return s, st, nil
}
