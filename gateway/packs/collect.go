package packs

import (
	"context"
	"fmt"

	"fayi/crypto/sign"
	"fayi/gateway/packfile"
	"fayi/gateway/problem"
	"fayi/gateway/store"
	"fayi/schemas"
	"fayi/schemas/diff"
)

// maxPacks bounds the packs of one origin a node keeps (decision 15).
const maxPacks = 256

// Collect makes packs of the files that came whole, good or bad, and takes in
// what others decided. It returns whether the shelf changed, after which held
// segments may be judged.
func (s *Shelf) Collect(ctx context.Context) (changed bool, err error) {
	whole, err := s.Store.WholePacks(ctx)
	if err != nil {
		return false, err
	}
	for _, w := range whole {
		row := store.Pack{Origin: w.Origin, Digest: w.Digest, Name: w.Name, Version: w.Version, Seen: s.now().UnixMicro()}
		data, err := s.Store.PackFile(ctx, w.Origin, w.Digest)
		if err != nil {
			return changed, err
		}
		_, verr := s.verify(row, data)
		code := problem.Code(verr)
		switch code {
		case problem.OK:
			row.State = Arrived
		case problem.KeyUnknown:
			continue // the directory will bring it
		default:
			row.State, row.Code, row.Decided = Invalid, code, row.Seen
			t := problem.Describe(code)
			row.Reason = reason(diff.Reason{ZH: t.Zh, EN: t.En})
		}
		added, err := s.Store.AddPack(ctx, row, verr == nil)
		if err != nil {
			return changed, err
		}
		if added && verr != nil {
			s.event(ctx, alarm, code, row, verr.Error())
		}
		if _, err := s.Refresh(ctx); err != nil { // the next file is compared with this one
			return changed, err
		}
		changed = true
	}
	fresh, err := s.Refresh(ctx)
	return changed || fresh, err
}

// verify is everything a file must pass before it judges anything: its bytes,
// its signature by the registrar of the node whose stream brought it, its
// contents, and that its name and version mean nothing else already.
func (s *Shelf) verify(row store.Pack, data []byte) (*schemas.Edition, error) {
	if store.Hash(sign.Sum(data)) != row.Digest {
		return nil, problem.New(problem.PackDamaged, "the parts give another file")
	}
	f, err := packfile.Open(data)
	if err != nil {
		return nil, err
	}
	if f.Statement.Node != row.Origin {
		return nil, problem.New(problem.PackSigner, "a pack of %s in the stream of %s", f.Statement.Node, row.Origin)
	}
	if f.Statement.Name != row.Name || f.Statement.Version != row.Version {
		return nil, problem.New(problem.PackDamaged, "the records call it %s %s", row.Name, row.Version)
	}
	if err := s.Directory.VouchPack(f.Statement, f.Signed, s.now()); err != nil {
		return nil, err
	}
	e, err := f.Edition()
	if err != nil {
		return nil, err
	}
	return e, s.distinct(row, e)
}

// distinct refuses a second content under one name and version, and more packs
// than a node keeps of one origin.
func (s *Shelf) distinct(row store.Pack, e *schemas.Edition) error {
	n := 0
	for _, p := range s.Packs() {
		if p.Origin != row.Origin {
			continue
		}
		if n++; p.Edition != nil && p.Name == row.Name && p.Version == row.Version && p.Digest != row.Digest && fmt.Sprint(refs(p.Edition)) != fmt.Sprint(refs(e)) {
			return problem.New(problem.PackDiffers, "%s %s", row.Name, row.Version)
		}
	}
	if n >= maxPacks {
		return problem.New(problem.TooLarge, "more than %d packs of %s", maxPacks, row.Origin)
	}
	return nil
}

// refs is what an edition's types mean.
func refs(e *schemas.Edition) []string {
	var list []string
	for _, t := range e.Types {
		list = append(list, t.Ref())
	}
	return list
}
