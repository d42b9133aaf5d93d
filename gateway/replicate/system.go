package replicate

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/directory"
	"fayi/gateway/packfile"
	"fayi/gateway/problem"
	"fayi/gateway/store"
)

// Entry states in the store.
const (
	EntryAnchor   = "anchor"   // pinned when this node joined
	EntryAccepted = "accepted" // vouched for by its parent's registrar
	EntryWaiting  = "waiting"  // break-glass: a person must confirm it
)

// SaveEntry keeps an entry the directory accepted.
func SaveEntry(ctx context.Context, st *store.Store, e *sign.Entry, se sign.SignedEntry) error {
	state := EntryAccepted
	if e.Parent == "" {
		state = EntryAnchor
	}
	return saveEntry(ctx, st, e, se, state)
}

func saveEntry(ctx context.Context, st *store.Store, e *sign.Entry, se sign.SignedEntry, state string) error {
	sigs, err := json.Marshal(se.Sigs)
	if err != nil {
		return err
	}
	return st.SaveEntry(ctx, store.Entry{Node: e.Node, N: e.N, Body: se.Entry, Sigs: sigs, State: state})
}

// keepEntry stores an entry that the directory already holds.
func (e *Engine) keepEntry(ctx context.Context, se sign.SignedEntry) error {
	entry, err := sign.ParseEntry(se.Entry)
	if err != nil {
		return nil
	}
	if n, ok := e.Directory.Node(entry.Node); ok && string(n.Signed.Entry) == string(se.Entry) {
		return SaveEntry(ctx, e.Store, entry, se)
	}
	return nil
}

// FillDirectory gives a directory what a store keeps: the anchor first, then
// entries as their parents become known, whatever their order. Entries that
// wait for a person, or whose parent is not known, are left out.
func FillDirectory(ctx context.Context, st *store.Store, d *directory.Directory) error {
	rows, err := st.Entries(ctx)
	if err != nil {
		return err
	}
	var waiting []sign.SignedEntry
	for _, r := range rows {
		se := sign.SignedEntry{Entry: r.Body}
		if err := json.Unmarshal(r.Sigs, &se.Sigs); err != nil {
			return problem.Wrap(problem.BadEntry, fmt.Errorf("signatures of %s: %w", r.Node, err))
		}
		_, pinned := d.Node(r.Node) // a later entry of the anchor is vouched for by the one before
		switch {
		case r.State == EntryAnchor && !pinned:
			if err := d.Pin(se); err != nil {
				return err
			}
		case r.State != EntryWaiting:
			waiting = append(waiting, se)
		}
	}
	for progress := true; progress; {
		progress = false
		for _, se := range waiting {
			if changed, err := d.Learn(se); err == nil && changed {
				progress = true
			}
		}
	}
	return nil
}

// nodeRecord is the data of an exchange_node record.
type nodeRecord struct {
	Entry []byte `json:"entry"`
	Sigs  []struct {
		By  sign.Hash `json:"by"`
		Sig []byte    `json:"sig"`
	} `json:"sigs"`
}

// systemConsumer is the name under which the store keeps how far this node has
// acted on the federation's own records.
const systemConsumer = "system"

// ActOnSystem reads the federation's own records beyond its cursor and acts on
// them: entries go to the directory, parts of packs to the store, where package
// packs finds those that are whole, and rejections beside what this node
// published. Acting twice changes nothing, so a crash in between costs nothing.
// An entry whose parent is not known yet stays before the cursor; it holds up
// its own stream only.
func (e *Engine) ActOnSystem(ctx context.Context) error {
	streams, err := e.Store.StreamsBehind(ctx, systemConsumer)
	if err != nil {
		return err
	}
	var errs []error
	for i := range streams {
		st := &streams[i]
		if !System(st.Type) || st.Origin == e.me() && st.Type == TypeRejection {
			continue
		}
		if err := e.actOn(ctx, st); err != nil {
			errs = append(errs, fmt.Errorf("act on %s: %w", st.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) actOn(ctx context.Context, st *store.Stream) error {
	at, err := e.Store.Consumer(ctx, systemConsumer, st.ID)
	if err != nil {
		return err
	}
	for at.Compare(st.Checked) < 0 {
		segs, err := e.Store.SegmentsAfter(ctx, st.ID, at, 1, 1)
		if err != nil || len(segs) == 0 {
			return err
		}
		_, lines, err := e.Lines(&segs[0])
		if err != nil {
			return err
		}
		refused, err := e.Store.Refusals(ctx, st.ID, segs[0].Gen, segs[0].First, segs[0].Last())
		if err != nil {
			return err
		}
		var rejections []store.PeerRejection
		var parts []store.PackPart
		for _, raw := range lines {
			l, err := seal.ParseLine(raw)
			if err != nil || l.Op != seal.Put {
				continue
			}
			if _, bad := refused[l.Seq]; bad {
				continue
			}
			switch st.Type {
			case TypeNode:
				if err := e.learnRecord(ctx, st.Name, l.Data); err != nil {
					return err
				}
			case TypePack:
				if p, ok := e.packPart(ctx, st, l.Data); ok {
					parts = append(parts, p)
				}
			default:
				if r, ok := e.rejectionOf(st.Origin, l.Data); ok {
					rejections = append(rejections, r)
				}
			}
		}
		to := segs[0].End().Pos
		err = e.Store.MoveConsumer(ctx, systemConsumer, st.ID, at, to, func(ctx context.Context, tx *sql.Tx) error {
			if err := e.Store.SavePackParts(ctx, tx, parts); err != nil {
				return err
			}
			return e.Store.SavePeerRejections(ctx, tx, rejections)
		})
		if errors.Is(err, store.ErrCursorMoved) {
			return nil // another process is at it
		}
		if err != nil {
			return err
		}
		at = to
	}
	return nil
}

// learnRecord gives an exchange_node record to the directory. Only an unknown
// parent is an error, since it will be known later; what is refused for good is
// alarmed and passed over.
func (e *Engine) learnRecord(ctx context.Context, stream string, data []byte) error {
	var rec nodeRecord
	if err := json.Unmarshal(data, &rec); err != nil {
		e.alarm(ctx, problem.BadEntry, stream, "", "unreadable entry")
		return nil
	}
	se := sign.SignedEntry{Entry: rec.Entry, Sigs: []sign.EntrySig{}}
	for _, s := range rec.Sigs {
		se.Sigs = append(se.Sigs, sign.EntrySig{By: s.By, Sig: s.Sig})
	}
	changed, err := e.Learn(ctx, se)
	switch code := problem.Code(err); {
	case err == nil:
		if changed {
			e.Hub.Stream(stream) // what could not be verified before may be now
		}
		return nil
	case code == problem.KeyUnknown || code == problem.Internal:
		return err
	case code == problem.BreakGlass:
		if entry, perr := sign.ParseEntry(se.Entry); perr == nil {
			if err := saveEntry(ctx, e.Store, entry, se, EntryWaiting); err != nil {
				return err
			}
		}
		e.alarm(ctx, code, stream, "", err.Error())
		return nil
	default:
		e.alarm(ctx, code, stream, "", err.Error())
		return nil
	}
}

// packPart reads an exchange_pack record. Packs travel in public streams alone
// (protocol §8): one in another audience could be shown to some and not to others.
func (e *Engine) packPart(ctx context.Context, st *store.Stream, data []byte) (store.PackPart, bool) {
	var p packfile.Part
	err := json.Unmarshal(data, &p)
	if err == nil {
		err = p.Check()
	}
	if s, perr := sign.ParseStream(st.Name); perr != nil || s.Audience != sign.Public {
		err = problem.New(problem.PackDamaged, "not in a public stream")
	}
	if err != nil {
		e.alarm(ctx, problem.PackDamaged, st.Name, "", err.Error())
		return store.PackPart{}, false
	}
	return store.PackPart{
		Origin: st.Origin, Digest: store.Hash(p.Digest), Part: p.Part, Parts: p.Parts, Name: p.Pack, Version: p.Version, Data: p.Data,
	}, true
}

// rejectionOf reads an exchange_rejection record about one of this node's streams.
func (e *Engine) rejectionOf(by string, data []byte) (store.PeerRejection, bool) {
	var r RejectionRecord
	if err := json.Unmarshal(data, &r); err != nil || !strings.HasPrefix(r.Stream, e.me()+"/") {
		return store.PeerRejection{}, false
	}
	at := time.Now()
	if t, err := sign.ParseTime(r.Time); err == nil {
		at = t.Time
	}
	return store.PeerRejection{
		Stream: r.Stream, Gen: r.Gen, Seq: r.Seq, By: by, Code: r.Code, Pointer: r.Pointer, Pack: r.Pack, At: at.UnixMicro(), Open: true,
	}, true
}
