package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"fayi/cmd/fayi/internal/config"
	"fayi/cmd/fayi/internal/records"
	"fayi/gateway/join"
	"fayi/gateway/problem"
	"fayi/gateway/replicate"
	"fayi/gateway/sequencer"
	"fayi/gateway/store"
	"fayi/gateway/trace"
	"fayi/outbox"
	"fayi/schemas"
)

// loaded is what became of one file, as -json shows it.
type loaded struct {
	File       string     `json:"file"`
	SM3        string     `json:"sm3"`
	Done       uint64     `json:"done"` // records dealt with, of this and of earlier runs
	Accepted   uint64     `json:"accepted"`
	Rejected   uint64     `json:"rejected"`
	Unchanged  uint64     `json:"unchanged"`
	Superseded uint64     `json:"superseded"`
	Before     uint64     `json:"before"` // of them by earlier runs
	Ended      *time.Time `json:"ended"`  // null if it is not at the end yet
}

// bulk seals files straight into the streams.
func (p *publishing) bulk(ctx context.Context, c *config.File, files []string, confirm, asJSON bool) (exit int, err error) {
	s, err := p.loader(ctx, c, confirm)
	if err != nil {
		return exitFailed, err
	}
	defer s.Trace.Close()
	list, refused := []loaded{}, uint64(0)
	for _, file := range files {
		var l loaded
		l, err = p.load(ctx, s, c, file)
		if list = append(list, l); err != nil {
			break
		}
		refused += l.Rejected
	}
	if asJSON {
		p.e.json(map[string]any{"type": p.typ.Name(), "ref": p.typ.Ref(), "source": p.source.Name, "op": string(p.op), "files": list})
	} else {
		for _, l := range list {
			p.e.loadSummary(l)
		}
	}
	var braked *sequencer.Braked
	switch {
	case errors.As(err, &braked):
		b := braked.Brake
		t := problem.Describe(problem.Brake)
		return exitProblem, &said{code: problem.Brake, zh: t.Zh, en: t.En, err: errors.New(p.e.brakeText(b.Why, b.Count, b.Limit, b.Live)),
			hintZH: "核对文件；确认无误后加 -confirm 再次运行，已载入的不会重复。发件表中停住的用 fayi outbox confirm 处理",
			hintEN: "check the file; if it is right run again with -confirm, nothing is loaded twice. What is held in the outbox: fayi outbox confirm"}
	case err == nil && refused > 0:
		return exitProblem, nil
	}
	return exitOK, err
}

// loader opens what sealing needs: keys, directory and journal, as a running
// node has them. It may run beside this command.
func (p *publishing) loader(ctx context.Context, c *config.File, confirm bool) (*sequencer.Sequencer, error) {
	id, err := c.Identity()
	if err != nil {
		return nil, err
	}
	cfg, err := nodeConfig(c, p.st, id, slog.New(slog.NewTextHandler(p.e.stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		return nil, err
	}
	dir, err := join.Directory(ctx, p.st, c.Node)
	if err != nil {
		return nil, err
	}
	journal, err := replicate.ReadJournal(c.JournalPath())
	if err != nil {
		return nil, err
	}
	s := &sequencer.Sequencer{
		Store: p.st, Directory: dir, Signer: id.Signer, Cert: id.SignCert, StoreKey: id.Store, Journal: journal, Hub: replicate.NewHub(), Log: cfg.Log,
		Schemas: func() *schemas.Registry { return p.reg }, Audiences: cfg.AudiencesBy(func() *schemas.Registry { return p.reg }),
		Trial: p.shelf.Trial, TakeBack: p.shelf.Brake,
	}
	for _, src := range cfg.Sources {
		if src.Name == p.source.Name {
			s.Source = src
		}
	}
	if !confirm {
		s.Brakes = cfg.Brakes
	}
	if cfg.TracePath != "" {
		if s.Trace, err = trace.Open(cfg.TracePath, c.Node); err != nil {
			return nil, err
		}
	}
	p.outboxes = sequencer.OutboxesOf(cfg.Sources, p.typ.Name())
	return s, s.Init(ctx)
}

// load loads one file.
func (p *publishing) load(ctx context.Context, s *sequencer.Sequencer, c *config.File, file string) (out loaded, err error) {
	out.File = file
	fd, err := os.Open(file)
	if err != nil {
		return out, err
	}
	defer fd.Close()
	hash, err := sequencer.HashFile(fd)
	if err == nil {
		_, err = fd.Seek(0, io.SeekStart)
	}
	if err != nil {
		return out, err
	}
	out.SM3 = hash.String()
	at, err := p.st.StartLoad(ctx, store.Load{File: hash, Source: p.source.Name, Type: p.typ.Name(), Op: string(p.op), Name: filepath.Base(file)})
	if err != nil {
		return out, err
	}
	out.Before = at.Done
	r, err := records.Open(fd, file, p.typ, p.charset)
	if err != nil {
		return out, readable(file, err)
	}
	l := &sequencer.Loader{Sequencer: s, Load: at, Outboxes: p.outboxes, Progress: func(at store.Load) {
		if p.show && time.Since(p.last) > time.Second {
			p.last = time.Now()
			p.e.note("%s：已处理 %d 条", "%s: %d records", file, at.Done)
		}
	}}
	err = l.Run(ctx, func() (sequencer.Item, error) {
		rec, err := r.Next()
		if err != nil {
			return sequencer.Item{}, err
		}
		return p.item(rec), nil
	})
	at = l.Load
	out.Done, out.Accepted, out.Rejected, out.Unchanged, out.Superseded = at.Done, at.Accepted, at.Rejected, at.Unchanged, at.Superseded
	if !at.Ended.IsZero() {
		out.Ended = &at.Ended
	}
	if errors.Is(err, store.ErrLoadMoved) {
		err = &said{code: "LOADING", zh: file + " 正由另一个进程载入", en: file + " is being loaded by another process", hintZH: "等它完成；同一文件不会重复发布", hintEN: "wait for it; a file is never published twice"}
	}
	return out, readable(file, err)
}

// item makes what the loader takes of a file's record. The loader judges it.
func (p *publishing) item(r records.Record) sequencer.Item {
	item := sequencer.Item{Row: uint64(r.Row), Data: r.Data}
	if r.Err == nil && r.Op == "" && r.Key == "" && p.op == outbox.Put && p.typ.KeyField() != "" {
		return item
	}
	rec, faults := p.judge(r)
	item.Key, item.Data, item.Faults = rec.Key, rec.Payload, faults
	return item
}

func (e *env) loadSummary(l loaded) {
	if l.Ended != nil && l.Before == l.Done && l.Done > 0 {
		e.say("%s：此前已载入（%s），%d 条，未重复发布", "%s: loaded before (%s), %d records, nothing was published again", l.File, l.Ended.Local().Format(time.DateTime), l.Done)
		return
	}
	e.say("%s：共 %d 条，发布 %d 条，未变 %d 条，已有更新版本 %d 条，拒绝 %d 条", "%s: %d records, %d published, %d unchanged, %d superseded, %d rejected",
		l.File, l.Done, l.Accepted, l.Unchanged, l.Superseded, l.Rejected)
	if l.Before > 0 {
		e.say("  其中 %d 条由此前的运行载入", "  %d of them by earlier runs", l.Before)
	}
	if l.Rejected > 0 {
		e.say("  被拒记录及原因：fayi outbox rejected", "  rejected records and why: fayi outbox rejected")
	}
}
