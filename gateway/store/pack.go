package store

import (
	"context"
	"database/sql"
	"fmt"
)

// PackPart is one piece of a pack file, from an exchange_pack record of Origin's
// stream (protocol §8). Part counts from 1.
type PackPart struct {
	Origin        string
	Digest        Hash // of the whole file
	Part, Parts   int
	Name, Version string
	Data          []byte
}

// maxUnfinished bounds the pack files of one origin of which only parts came.
const maxUnfinished = 8

// SavePackParts keeps parts in the caller's transaction. A part that is here
// already changes nothing; of more than eight unfinished files of an origin the
// oldest are forgotten.
func (s *Store) SavePackParts(ctx context.Context, tx *sql.Tx, parts []PackPart) error {
	for _, p := range parts {
		if p.Part < 1 || p.Part > p.Parts || len(p.Origin) > 32 || len(p.Name) > 32 || len(p.Version) > 32 || len(p.Data) > maxBytes {
			return fmt.Errorf("%w: part of a pack of %q", ErrInvalid, cut(p.Origin, 32))
		}
		_, err := tx.ExecContext(ctx, s.d.insertIgnore+"fayi_pack_part (origin,digest,part,parts,name,version,seen,data) VALUES (?,?,?,?,?,?,?,?)",
			p.Origin, p.Digest, p.Part, p.Parts, p.Name, p.Version, now(), blob(p.Data))
		if err != nil {
			return err
		}
		open, err := collect(ctx, tx, func(rows *sql.Rows) (h Hash, err error) { return h, rows.Scan(&h) },
			"SELECT digest FROM fayi_pack_part p WHERE origin=? AND NOT EXISTS (SELECT 1 FROM fayi_pack k WHERE k.origin=p.origin AND k.digest=p.digest)"+
				" GROUP BY digest ORDER BY MAX(seen) DESC, digest", p.Origin)
		if err != nil {
			return err
		}
		for _, h := range open[min(len(open), maxUnfinished):] {
			if _, err := tx.ExecContext(ctx, "DELETE FROM fayi_pack_part WHERE origin=? AND digest=?", p.Origin, h); err != nil {
				return err
			}
		}
	}
	return nil
}

// WholePacks returns a part, without data, of each file whose parts are all here
// and of which no [Pack] was made yet.
func (s *Store) WholePacks(ctx context.Context) ([]PackPart, error) {
	list, err := collect(ctx, s.read, func(rows *sql.Rows) (p PackPart, err error) {
		return p, rows.Scan(&p.Origin, &p.Digest, &p.Parts, &p.Name, &p.Version)
	}, "SELECT origin,digest,MAX(parts),MAX(name),MAX(version) FROM fayi_pack_part p"+
		" WHERE NOT EXISTS (SELECT 1 FROM fayi_pack k WHERE k.origin=p.origin AND k.digest=p.digest)"+
		" GROUP BY origin,digest HAVING COUNT(*)=MAX(parts) AND MIN(parts)=MAX(parts) ORDER BY MAX(seen),origin,digest")
	if err != nil {
		return nil, fmt.Errorf("read whole packs: %w", err)
	}
	return list, nil
}

// PackFile joins the parts of a file, nil if they are not here.
func (s *Store) PackFile(ctx context.Context, origin string, digest Hash) ([]byte, error) {
	var file []byte
	parts, err := collect(ctx, s.read, func(rows *sql.Rows) (data []byte, err error) { return data, rows.Scan(&data) },
		"SELECT data FROM fayi_pack_part WHERE origin=? AND digest=? ORDER BY part", origin, digest)
	if err != nil {
		return nil, fmt.Errorf("read pack: %w", err)
	}
	for _, p := range parts {
		file = append(file, p...)
	}
	return file, nil
}

// Pack is a pack file that came whole. State is a word of package packs, Code
// one of package problem or "", Reason JSON for people. Times are Unix µs.
type Pack struct {
	ID            int64
	Origin        string
	Digest        Hash
	Name, Version string
	State, Code   string
	Reason        string
	By            string // who decided; "" for the node itself
	Seen, Decided int64
}

// packCounter counts changes of packs, so that every process of a node sees
// that there is something new.
const packCounter = "packs"

// PackChanges is a number that grows whenever a pack comes or changes state.
func (s *Store) PackChanges(ctx context.Context) (uint64, error) {
	n, _, err := s.Counter(ctx, packCounter)
	return n, err
}

func (s *Store) packChanged(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, s.d.insertIgnore+"fayi_counter (name,n,hash) VALUES (?,0,?)", packCounter, Hash{}); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "UPDATE fayi_counter SET n=n+1 WHERE name=?", packCounter)
	return err
}

// AddPack keeps what became of a file that came whole; false if that was known.
// Without keep its bytes are forgotten.
func (s *Store) AddPack(ctx context.Context, p Pack, keep bool) (added bool, err error) {
	if len(p.Origin) > 32 || len(p.Name) > 32 || len(p.Version) > 32 || len(p.State) > 16 || len(p.Code) > 48 {
		return false, fmt.Errorf("%w: pack of %q", ErrInvalid, cut(p.Origin, 32))
	}
	err = s.InTx(ctx, func(tx *sql.Tx) (err error) {
		added, err = changedOne(tx.ExecContext(ctx, s.d.insertIgnore+"fayi_pack (origin,digest,name,version,state,code,reason,decided_by,seen,decided) VALUES (?,?,?,?,?,?,?,?,?,?)",
			p.Origin, p.Digest, p.Name, p.Version, p.State, p.Code, cut(p.Reason, 4096), cut(p.By, 64), p.Seen, p.Decided))
		if err != nil || !added {
			return err
		}
		if !keep {
			if _, err := tx.ExecContext(ctx, "DELETE FROM fayi_pack_part WHERE origin=? AND digest=?", p.Origin, p.Digest); err != nil {
				return err
			}
		}
		return s.packChanged(ctx, tx)
	})
	return added && err == nil, err
}

// Packs returns all packs in the order in which they came.
func (s *Store) Packs(ctx context.Context) ([]Pack, error) {
	list, err := collect(ctx, s.read, func(rows *sql.Rows) (p Pack, err error) {
		return p, rows.Scan(&p.ID, &p.Origin, &p.Digest, &p.Name, &p.Version, &p.State, &p.Code, &p.Reason, &p.By, &p.Seen, &p.Decided)
	}, "SELECT id,origin,digest,name,version,state,code,reason,decided_by,seen,decided FROM fayi_pack ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("read packs: %w", err)
	}
	return list, nil
}

// DecidePack moves a pack from a state to what p says (State, Code, Reason, By,
// Decided) and forgets how its trial went; false if it is not in that state any
// more.
func (s *Store) DecidePack(ctx context.Context, from string, p Pack) (ok bool, err error) {
	if len(p.State) > 16 || len(p.Code) > 48 {
		return false, fmt.Errorf("%w: pack %d", ErrInvalid, p.ID)
	}
	err = s.InTx(ctx, func(tx *sql.Tx) (err error) {
		ok, err = changedOne(tx.ExecContext(ctx, "UPDATE fayi_pack SET state=?, code=?, reason=?, decided_by=?, decided=? WHERE id=? AND state=?",
			p.State, p.Code, cut(p.Reason, 4096), cut(p.By, 64), p.Decided, p.ID, from))
		if err != nil || !ok {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM fayi_pack_trial WHERE pack_id=?", p.ID); err != nil {
			return err
		}
		return s.packChanged(ctx, tx)
	})
	return ok && err == nil, err
}

// PackTrial counts, for a source, rows judged by a pack while it was new, and
// those of them that the pack refused and the version before accepts.
type PackTrial struct {
	Pack           int64
	Source         string
	Judged, Failed uint64
}

// AddPackTrials adds to the counts, in the transaction that removes the rows.
func (s *Store) AddPackTrials(ctx context.Context, tx *sql.Tx, ts []PackTrial) error {
	for _, t := range ts {
		if len(t.Source) > 48 {
			return fmt.Errorf("%w: source %q", ErrInvalid, cut(t.Source, 48))
		}
		if _, err := tx.ExecContext(ctx, s.d.insertIgnore+"fayi_pack_trial (pack_id,source,judged,failed) VALUES (?,?,0,0)", t.Pack, t.Source); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE fayi_pack_trial SET judged=judged+?, failed=failed+? WHERE pack_id=? AND source=?",
			num(t.Judged), num(t.Failed), t.Pack, t.Source); err != nil {
			return err
		}
	}
	return nil
}

// PackTrialOf returns the counts of one pack and source, zeros if there are none.
func (s *Store) PackTrialOf(ctx context.Context, pack int64, source string) (PackTrial, error) {
	t := PackTrial{Pack: pack, Source: source}
	list, err := collect(ctx, s.read, func(rows *sql.Rows) (t PackTrial, err error) { return t, rows.Scan(&t.Judged, &t.Failed) },
		"SELECT judged,failed FROM fayi_pack_trial WHERE pack_id=? AND source=?", pack, source)
	if err != nil {
		return t, fmt.Errorf("read trial of a pack: %w", err)
	}
	for _, l := range list {
		t.Judged, t.Failed = l.Judged, l.Failed
	}
	return t, nil
}
