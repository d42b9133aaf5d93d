// Package pull is `fayi pull`: a reader that polls a peer in a node's name,
// verifies everything a node would, and writes the records as NDJSON or XML, one
// file a stream (design §10).
//
// It keeps the chain it verified in a small store of its own inside the output
// folder, so that an interrupted pull goes on where it stopped and a changed
// byte is noticed however late it comes. The file of a stream and its position
// agree after any crash: the position counts bytes written, and what lies beyond
// it is cut off at the next start. A file that is shorter than its position, or
// gone, is written again from the beginning out of that store. Polling
// acknowledges nothing; receipts are sent only if asked for.
package pull

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/call"
	"fayi/gateway/directory"
	"fayi/gateway/packs"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/schemas"
	"fayi/schemas/sfxml"
)

// Options say what to pull.
type Options struct {
	Directory   func(into *store.Store) (*directory.Directory, error) // fills the pull's store with known entries
	Identity    *keys.Identity
	Schemas     *schemas.Registry
	Peer, URL   string
	Dir         string
	Follow      bool
	Acknowledge bool
	XML         bool // write XML messages instead of NDJSON
	Log         *slog.Logger
	Wrote       func(stream string, upto uint64, records int) // after each write; nil for none
}

// Result is what a pull did.
type Result struct {
	Records int              `json:"records"`
	Refused int              `json:"refused"` // lines that break the schema they name
	Held    []string         `json:"held"`    // streams whose schema pack is not here
	Streams []StreamResult   `json:"streams"`
	Faults  map[string]int64 `json:"faults"` // what the peer sent that could not be taken, by code
}

// StreamResult is where a stream's file ends.
type StreamResult struct {
	Stream  string `json:"stream"`
	File    string `json:"file"`
	Gen     uint64 `json:"gen"`
	LastSeq uint64 `json:"last_seq"`
	Head    string `json:"head"`
	Records int    `json:"records"` // written by this run
}

// record is a line of a file.
type record struct {
	Stream string          `json:"stream"`
	Gen    uint64          `json:"gen"`
	Seq    uint64          `json:"seq"`
	Key    string          `json:"key"`
	Op     string          `json:"op"`
	At     string          `json:"at"`
	Src    string          `json:"src"`
	Data   json.RawMessage `json:"data,omitempty"`
	X      json.RawMessage `json:"x,omitempty"` // the line's open member: what intake changed
}

// puller is one run.
type puller struct {
	opts   Options
	engine *replicate.Engine
	link   *replicate.Link
	result Result
	files  map[string]position

	registry atomic.Pointer[schemas.Registry]
	packs    *packs.Shelf              // those that come with the streams
	mappings map[string]*sfxml.Mapping // by type@version#digest
}

// position is how much of a stream's file is good; it is kept beside the file.
type position struct {
	Gen   uint64 `json:"gen"`
	Seq   uint64 `json:"seq"`
	Bytes int64  `json:"bytes"`
}

// Run pulls until the peer has nothing more, or, with Follow, until ctx ends,
// which then is no error. What was written before an error stays, and counts.
func Run(ctx context.Context, opts Options) (*Result, error) {
	st, err := store.Open(ctx, outbox.SQLite, filepath.Join(opts.Dir, ".pull.db"))
	if err != nil {
		return nil, err
	}
	defer st.Close()
	if _, err := st.Migrate(ctx); err != nil {
		return nil, err
	}
	dir, err := opts.Directory(st)
	if err != nil {
		return nil, err
	}
	journal, err := replicate.OpenJournal(filepath.Join(opts.Dir, ".pull.journal"))
	if err != nil {
		return nil, err
	}
	defer journal.Close()
	p := &puller{opts: opts, files: map[string]position{}, mappings: map[string]*sfxml.Mapping{}}
	p.engine = &replicate.Engine{
		Store: st, Directory: dir, Signer: opts.Identity.Signer, Unwrapper: opts.Identity.Unwrapper, StoreKey: opts.Identity.Store,
		Schemas: p.registry.Load, Journal: journal, Hub: replicate.NewHub(), Log: opts.Log,
		Client: &call.Client{Directory: dir, Signer: opts.Identity.Signer, HTTP: &http.Client{
			Timeout:       90 * time.Second,
			Transport:     &http.Transport{DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext},
			CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("redirects are not followed") },
		}},
	}
	p.registry.Store(opts.Schemas)
	p.packs = &packs.Shelf{Store: st, Directory: dir}
	if err := p.packs.Load(ctx); err != nil {
		return nil, err
	}
	p.know()
	p.link = &replicate.Link{Peer: opts.Peer, URL: strings.TrimRight(opts.URL, "/")}
	err = p.run(ctx)
	if ctx.Err() != nil {
		if err = ctx.Err(); opts.Follow {
			err = nil
		}
	}
	return &p.result, errors.Join(err, p.finish(context.WithoutCancel(ctx)))
}

// maxIdle is how many answers in a row may bring nothing that can be stored
// before the peer is taken to have no more for now.
const maxIdle = 8

func (p *puller) run(ctx context.Context) error {
	poll := p.engine.NewPoller(p.link, p.opts.Acknowledge)
	if err := p.link.Introduce(ctx, p.engine); err != nil {
		return err
	}
	if _, err := p.engine.JudgeHeld(ctx); err != nil { // a pack may have come since
		return err
	}
	if p.opts.Acknowledge {
		if err := p.acknowledge(ctx); err != nil {
			return err
		}
	}
	for idle := 0; ctx.Err() == nil; {
		version := p.engine.Hub.Version()
		more, err := poll.Step(ctx, p.opts.Follow)
		if err != nil {
			return err
		}
		if err := p.engine.ActOnSystem(ctx); err != nil {
			p.opts.Log.WarnContext(ctx, "system records wait", "err", err)
		}
		if err := p.collect(ctx); err != nil {
			return err
		}
		if err := p.write(ctx); err != nil {
			return err
		}
		if idle++; p.engine.Hub.Version() != version {
			idle = 0
		}
		if more && idle > maxIdle {
			more = false // what the peer sends cannot be used
			nap, wake := context.WithTimeout(ctx, time.Second)
			p.engine.Hub.Wait(nap, p.engine.Hub.Version())
			wake()
		}
		if !more && !p.opts.Follow {
			return nil
		}
	}
	return nil
}

// collect takes in schema packs that came with the streams: what was held for
// want of one can be judged now.
func (p *puller) collect(ctx context.Context) error {
	changed, err := p.packs.Collect(ctx)
	if err != nil || !changed {
		return err
	}
	p.know()
	_, err = p.engine.JudgeHeld(ctx)
	return err
}

// know lets packs that came judge beside the caller's.
func (p *puller) know() {
	var came []*schemas.Edition
	for _, x := range p.packs.Packs() {
		if x.Edition != nil {
			came = append(came, x.Edition)
		}
	}
	p.registry.Store(p.opts.Schemas.Known(came...))
}

// acknowledge signs and sends receipts for what earlier runs stored: they may
// not have been asked to, or were stopped before they could.
func (p *puller) acknowledge(ctx context.Context) error {
	streams, err := p.engine.Store.Streams(ctx)
	if err != nil {
		return err
	}
	heads := map[string]map[string]store.Head{} // origin, stream
	for _, st := range streams {
		s, err := sign.ParseStream(st.Name)
		if err != nil || st.Seq == 0 || !p.engine.Directory.InAudience(s, p.engine.Directory.Me()) {
			continue
		}
		if heads[s.Origin] == nil {
			heads[s.Origin] = map[string]store.Head{}
		}
		heads[s.Origin][st.Name] = st.Head
	}
	// The arguments and the result of the call "receipt" (protocol §5).
	var args struct {
		Items []replicate.Signed `json:"items"`
	}
	var res struct {
		Codes []string `json:"codes"`
	}
	for origin, hs := range heads {
		r, err := p.engine.Acknowledge(ctx, origin, sign.LevelStored, hs)
		if err != nil {
			return err
		}
		if r != nil {
			args.Items = append(args.Items, *r)
		}
	}
	if len(args.Items) == 0 {
		return nil
	}
	_, err = p.engine.Client.Do(ctx, p.link.URL, p.link.Peer, call.OpReceipt, args, nil, &res)
	return err
}

// write appends to each file what was verified since.
func (p *puller) write(ctx context.Context) error {
	streams, err := p.engine.Store.Streams(ctx)
	if err != nil {
		return err
	}
	for i := range streams {
		if err := p.writeStream(ctx, &streams[i]); err != nil {
			return fmt.Errorf("write %s: %w", streams[i].Name, err)
		}
	}
	return nil
}

// paths of a stream's file and of its position.
func (p *puller) paths(stream string) (data, pos string) {
	base := filepath.Join(p.opts.Dir, strings.ReplaceAll(stream, "/", "__"))
	if p.opts.XML {
		return base + ".xml", base + ".xml.position"
	}
	return base + ".ndjson", base + ".position"
}

// position reads where a stream's file stands and cuts what lies beyond. A
// position that cannot be read, or that counts bytes the file has not, is the
// beginning.
func (p *puller) position(stream string) (position, error) {
	if at, ok := p.files[stream]; ok {
		return at, nil
	}
	data, path := p.paths(stream)
	var at position
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return at, err
	}
	if err != nil || json.Unmarshal(raw, &at) != nil {
		at = position{}
	}
	switch info, err := os.Stat(data); {
	case errors.Is(err, fs.ErrNotExist):
		at = position{}
	case err != nil:
		return at, err
	case at.Bytes < 0 || info.Size() < at.Bytes:
		at = position{}
		fallthrough
	default:
		if err := p.cut(data, at); err != nil {
			return at, err
		}
	}
	p.files[stream] = at
	return at, nil
}

func (p *puller) writeStream(ctx context.Context, st *store.Stream) error {
	at, err := p.position(st.Name)
	if err != nil {
		return err
	}
	if (store.Pos{Gen: at.Gen, Seq: at.Seq}).Compare(st.Checked) >= 0 {
		return nil
	}
	data, _ := p.paths(st.Name)
	f, err := os.OpenFile(data, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for pos := (store.Pos{Gen: at.Gen, Seq: at.Seq}); pos.Compare(st.Checked) < 0; pos = (store.Pos{Gen: at.Gen, Seq: at.Seq}) {
		segs, err := p.engine.Store.SegmentsAfter(ctx, st.ID, pos, 1, 1)
		if err != nil || len(segs) == 0 {
			return err
		}
		if err := f.Truncate(at.Bytes); err != nil { // what closed the file, or lies behind a write that failed
			return err
		}
		n, size, err := p.writeSegment(ctx, f, st, &segs[0], at.Bytes == 0)
		if err != nil {
			return err
		}
		at = position{Gen: segs[0].Gen, Seq: segs[0].Last(), Bytes: at.Bytes + size}
		if err := p.settle(f, st.Name, at); err != nil {
			return err
		}
		p.result.Records += n
		p.count(st.Name, n)
		if p.opts.Wrote != nil {
			p.opts.Wrote(st.Name, at.Seq, n)
		}
	}
	return nil
}

// writeSegment writes a segment's records, the first of a file behind its
// beginning, and the end. size counts all but the end.
func (p *puller) writeSegment(ctx context.Context, f *os.File, st *store.Stream, seg *store.Segment, first bool) (n int, size int64, err error) {
	header, lines, err := p.engine.Lines(seg)
	if err != nil {
		return 0, 0, err
	}
	refused, err := p.engine.Store.Refusals(ctx, st.ID, seg.Gen, seg.First, seg.Last())
	if err != nil {
		return 0, 0, err
	}
	w := bufio.NewWriter(f)
	if first {
		m, err := w.Write(p.begin(st.Name))
		if size += int64(m); err != nil {
			return n, size, err
		}
	}
	for i, raw := range lines {
		seq := seg.First + uint64(i)
		if _, bad := refused[seq]; bad {
			p.result.Refused++
			continue
		}
		l, err := seal.ParseLine(raw)
		if err != nil {
			return n, size, err
		}
		r := record{st.Name, seg.Gen, seq, l.Key, l.Op, l.At.String(), l.Src, l.Data, l.X}
		var out []byte
		if p.opts.XML {
			out, err = p.appendXML(nil, header.Schema, r)
		} else {
			out, err = encode(r)
		}
		if err != nil {
			return n, size, err
		}
		m, err := w.Write(out)
		if err != nil {
			return n, size, err
		}
		size += int64(m)
		n++
	}
	if _, err := w.WriteString(p.end()); err != nil {
		return n, size, err
	}
	return n, size, w.Flush()
}

// encode writes a record on one line; data stay the bytes that were signed.
func encode(r record) ([]byte, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(r)
	return []byte(b.String()), err
}

// settle makes what was written durable, then moves the position.
func (p *puller) settle(f *os.File, stream string, at position) error {
	if err := f.Sync(); err != nil {
		return err
	}
	_, path := p.paths(stream)
	raw, err := json.Marshal(at)
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(path+".tmp", raw, 0o600), os.Rename(path+".tmp", path)); err != nil {
		return err // a position the disk lost is read as an earlier one, or as none
	}
	p.files[stream] = at
	return nil
}

func (p *puller) count(stream string, n int) {
	for i := range p.result.Streams {
		if p.result.Streams[i].Stream == stream {
			p.result.Streams[i].Records += n
			return
		}
	}
	p.result.Streams = append(p.result.Streams, StreamResult{Stream: stream, Records: n})
}

// finish fills in where every stream stands.
func (p *puller) finish(ctx context.Context) error {
	streams, err := p.engine.Store.Streams(ctx)
	if err != nil {
		return err
	}
	p.result.Held = []string{}
	for _, st := range streams {
		s, err := sign.ParseStream(st.Name)
		if err != nil || st.Seq == 0 || !p.engine.Directory.InAudience(s, p.engine.Directory.Me()) {
			continue
		}
		if st.Checked != st.Pos {
			p.result.Held = append(p.result.Held, st.Name)
		}
		p.count(st.Name, 0)
		data, _ := p.paths(st.Name)
		for i := range p.result.Streams {
			if r := &p.result.Streams[i]; r.Stream == st.Name {
				r.File, r.Gen, r.LastSeq, r.Head = data, st.Gen, st.Seq, st.Hash.String()
			}
		}
	}
	p.result.Faults = map[string]int64{}
	for k, n := range p.engine.Faults() {
		p.result.Faults[k[1]] += int64(n)
	}
	if p.result.Streams == nil {
		p.result.Streams = []StreamResult{}
	}
	return nil
}
