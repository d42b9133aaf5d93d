package packs

import (
	"context"
	"fmt"

	"fayi/gateway/problem"
	"fayi/gateway/store"
	"fayi/schemas"
	"fayi/schemas/diff"
)

// Examination is what a node finds out about a pack before it, or a person,
// decides.
type Examination struct {
	Pack    Pack
	Before  *schemas.Edition // the version it would replace, nil for none
	Changes []diff.Change    // against Before
	Replay  []*TypeJudged    // stored records judged by it; nil where they were not
	State   string           // what the node does by itself: Adopted, Waiting or Known
	Code    string
	Reason  diff.Reason
}

// Examine finds out what there is to know about a pack. Stored records are run
// through it where that matters for the answer, or always if deep.
func (s *Shelf) Examine(ctx context.Context, p Pack, deep bool, progress func(*TypeJudged)) (*Examination, error) {
	x := &Examination{Pack: p, State: Waiting, Code: problem.PackWaits}
	if p.Edition == nil {
		x.State, x.Code, x.Reason = Known, problem.PackFaulty, diff.Reason{ZH: "本程序不能加载该规范包，请升级程序", EN: "this program cannot load the pack; upgrade it"}
		return x, nil
	}
	x.Before = s.before(p)
	if code, why := s.never(p, x.Before); code != "" {
		x.State, x.Code, x.Reason = Known, code, why
		return x, nil
	}
	var old diff.Pack
	if x.Before != nil {
		old = diff.Pack{Types: business(x.Before), Tables: x.Before.Tables()}
	}
	x.Changes = diff.Compare(old, diff.Pack{Types: business(p.Edition), Tables: p.Edition.Tables()})
	takesOver := s.takesOver(p)
	_, why := diff.Adoptable(x.Changes, &diff.Replay{})
	compatible := takesOver == "" && compatible(x.Changes)
	if s.StoreKey != nil && (deep || compatible && !s.Manual) {
		var err error
		if x.Replay, err = s.replay(ctx, p.Edition, x.Before, progress); err != nil {
			return nil, err
		}
	}
	switch {
	case takesOver != "":
		x.Reason = diff.Reason{ZH: "记录类型 " + takesOver + " 现属另一规范包，须由人确认改归", EN: "record type " + takesOver + " is another pack's now; a person must agree"}
	case !compatible:
		x.Reason = why
	case s.Manual:
		x.Reason = diff.Reason{ZH: "本节点配置为人工采用", EN: "this node is set to adopt by hand"}
	case x.Replay == nil:
		_, x.Reason = diff.Adoptable(x.Changes, nil)
	default:
		ok, why := diff.Adoptable(x.Changes, sum(x.Replay))
		if x.Reason = why; ok {
			x.State, x.Code = Adopted, problem.PackAdopted
		}
	}
	return x, nil
}

func compatible(changes []diff.Change) bool {
	switch diff.Worst(changes) {
	case "", diff.Wording, diff.Compatible:
		return true
	}
	return false
}

// business lists an edition's types without the protocol's own, which no pack
// that travels can change here.
func business(e *schemas.Edition) []*schemas.Type {
	var list []*schemas.Type
	for _, t := range e.Types {
		if !t.System() {
			list = append(list, t)
		}
	}
	return list
}

// before is the highest version of the pack by which new records are or will be
// judged, other than itself.
func (s *Shelf) before(p Pack) *schemas.Edition {
	var best *schemas.Edition
	if s.program.Name == p.Name {
		best = s.program
	}
	for _, q := range s.Packs() {
		if q.ID != p.ID && q.State == Adopted && q.Edition != nil && q.Name == p.Name && (best == nil || q.Edition.Newer(best) > 0) {
			best = q.Edition
		}
	}
	return best
}

// never gives the reason why a pack can be adopted by nobody here, "" if there is
// none.
func (s *Shelf) never(p Pack, before *schemas.Edition) (code string, why diff.Reason) {
	owner := s.owner(p.Name)
	switch {
	case !s.Directory.Above(p.Origin):
		return problem.PackOwner, diff.Reason{ZH: p.Origin + " 不是本节点的上级，该规范包只用于校验收到的记录", EN: p.Origin + " is not above this node; the pack only judges what arrives"}
	case owner != p.Origin:
		return problem.PackOwner, diff.Reason{ZH: "规范包 " + p.Name + " 归 " + owner + " 发布", EN: "pack " + p.Name + " is " + owner + "'s to publish"}
	case before != nil && p.Edition.Newer(before) <= 0:
		return problem.PackOlder, diff.Reason{ZH: fmt.Sprintf("版本 %s 不高于已采用的 %s", p.Version, before.Version), EN: fmt.Sprintf("version %s is not above %s, which is adopted", p.Version, before.Version)}
	}
	for _, t := range business(p.Edition) {
		if other, origin := s.holder(t.Name(), p.Name); other != "" && origin != p.Origin && !s.Directory.Descends(origin, p.Origin) {
			return problem.PackOwner, diff.Reason{ZH: "记录类型 " + t.Name() + " 属于 " + origin + " 的规范包 " + other, EN: "record type " + t.Name() + " belongs to pack " + other + " of " + origin}
		}
	}
	return "", why
}

// owner is the node whose packs of a name this node may adopt: the root for
// those of the program, otherwise whoever above it came first with the name.
func (s *Shelf) owner(name string) string {
	if name == s.program.Name {
		return s.Directory.Root()
	}
	for _, p := range s.Packs() {
		if p.Name == name && p.State != Invalid && s.Directory.Above(p.Origin) {
			return p.Origin
		}
	}
	return s.Directory.Me() // nobody's yet
}

// holder finds the pack of another name that has a type, and its node.
func (s *Shelf) holder(typ, not string) (pack, origin string) {
	if s.program.Name != not && s.program.Type(typ) != nil {
		return s.program.Name, s.Directory.Root()
	}
	for _, p := range s.Packs() {
		if p.State == Adopted && p.Edition != nil && p.Name != not && p.Edition.Type(typ) != nil {
			return p.Name, p.Origin
		}
	}
	return "", ""
}

// takesOver names a type of the pack that another pack has now.
func (s *Shelf) takesOver(p Pack) string {
	for _, t := range business(p.Edition) {
		if other, _ := s.holder(t.Name(), p.Name); other != "" {
			return t.Name()
		}
	}
	return ""
}

// Decide decides about every pack that arrived, the older versions first, and
// returns whether anything changed. Reading stored records may take minutes.
func (s *Shelf) Decide(ctx context.Context) (changed bool, err error) {
	if changed, err = s.Refresh(ctx); err != nil {
		return changed, err
	}
	for {
		p, ok := s.next()
		if !ok {
			return changed, nil
		}
		x, err := s.Examine(ctx, p, false, nil)
		if err != nil {
			return changed, err
		}
		if err := s.settle(ctx, p, x); err != nil {
			return changed, err
		}
		if _, err := s.Refresh(ctx); err != nil {
			return changed, err
		}
		changed = true
	}
}

// next is the lowest version among packs that arrived.
func (s *Shelf) next() (next Pack, ok bool) {
	for _, p := range s.Packs() {
		if p.State != Arrived {
			continue
		}
		if !ok || p.Name == next.Name && p.Edition != nil && next.Edition != nil && p.Edition.Newer(next.Edition) < 0 {
			next, ok = p, true
		}
	}
	return next, ok
}

// settle writes what the node decides by itself.
func (s *Shelf) settle(ctx context.Context, p Pack, x *Examination) error {
	row := p.Pack
	row.State, row.Code, row.Reason, row.By, row.Decided = x.State, x.Code, reason(x.Reason), "", s.now().UnixMicro()
	ok, err := s.Store.DecidePack(ctx, p.State, row)
	if err != nil || !ok {
		return err
	}
	level := alarm
	if x.State == Adopted || x.State == Known && !s.Directory.Above(p.Origin) {
		level = info
	}
	s.event(ctx, level, x.Code, row, x.Reason.EN)
	if x.State == Adopted {
		return s.reconsider(ctx, p)
	}
	return nil
}

// reconsider lets packs of the same name that wait be judged anew, against the
// version that was just adopted.
func (s *Shelf) reconsider(ctx context.Context, adopted Pack) error {
	for _, p := range s.Packs() {
		if p.ID == adopted.ID || p.Name != adopted.Name || p.State != Waiting {
			continue
		}
		row := p.Pack
		row.State, row.Code, row.Reason = Arrived, "", ""
		if _, err := s.Store.DecidePack(ctx, Waiting, row); err != nil {
			return err
		}
	}
	return nil
}

// Find returns the pack of a name and version; without a version the newest that
// waits for a person, or was taken back. The error is NOT_FOUND.
func (s *Shelf) Find(name, version string) (Pack, error) {
	var found *Pack
	for i, p := range s.Packs() {
		if p.Name != name || p.State == Invalid || version != "" && p.Version != version || version == "" && p.State != Waiting && p.State != Braked {
			continue
		}
		if found == nil || p.Edition != nil && found.Edition != nil && p.Edition.Newer(found.Edition) > 0 || s.Directory.Above(p.Origin) && !s.Directory.Above(found.Origin) {
			found = &s.Packs()[i]
		}
	}
	if found == nil {
		return Pack{}, problem.New(problem.NotFound, "pack %s %s", name, version)
	}
	return *found, nil
}

// Adopt is a person's word for a pack. What no one may adopt stays as it is:
// PACK_OLDER, PACK_OWNER, BAD_PACK. After a brake it is believed for good.
func (s *Shelf) Adopt(ctx context.Context, p Pack, by string) error {
	if p.State == Adopted {
		return nil
	}
	if p.Edition == nil {
		return problem.New(problem.PackFaulty, "%s %s", p.Name, p.Version)
	}
	if code, why := s.never(p, s.before(p)); code != "" {
		return problem.New(code, "%s", why.EN)
	}
	row := p.Pack
	row.State, row.Code, row.By, row.Decided = Adopted, problem.PackAdopted, by, s.now().UnixMicro()
	row.Reason = reason(diff.Reason{ZH: "由人决定采用", EN: "adopted by a person"})
	if p.State == Braked {
		row.Code = problem.PackBraked // once braked, adopted all the same
	}
	if err := s.decided(ctx, p, row); err != nil {
		return err
	}
	return s.reconsider(ctx, p)
}

// Refuse is a person's word against a pack: new records are not judged by it, or
// no longer. Records of others that name it are judged by it all the same.
func (s *Shelf) Refuse(ctx context.Context, p Pack, by string) error {
	if p.State == Refused {
		return nil
	}
	row := p.Pack
	row.State, row.Code, row.By, row.Decided = Refused, problem.PackRefused, by, s.now().UnixMicro()
	row.Reason = reason(diff.Reason{ZH: "由人决定不采用", EN: "refused by a person"})
	return s.decided(ctx, p, row)
}

func (s *Shelf) decided(ctx context.Context, p Pack, row store.Pack) error {
	ok, err := s.Store.DecidePack(ctx, p.State, row)
	if err != nil {
		return err
	}
	if !ok {
		return problem.New(problem.Busy, "%s %s changed meanwhile", p.Name, p.Version)
	}
	s.event(ctx, info, row.Code, row, row.State+" by "+row.By)
	_, err = s.Refresh(ctx)
	return err
}
